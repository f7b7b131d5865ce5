//! The current rows of a keyed full feed: of each key the newest row, unless that deletes it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::UInt32Array;
use arrow::array::{Array, RecordBatch, StringArray};
use arrow::compute::{concat_batches, take_record_batch};
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use futures::StreamExt;
use karat_exact::{BatchStream, ExactError, batch_stream};

use crate::scd::rows_of;

/// Rows that went past a place, counted there (G6).
#[derive(Clone, Default)]
pub(crate) struct Passed(Arc<AtomicU64>);

impl Passed {
    pub(crate) fn add(&self, rows: u64) {
        self.0.fetch_add(rows, Ordering::Relaxed);
    }

    pub(crate) fn rows(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Keeps the last row of each key of a stream sorted by key and `_seq`, without keys whose last row is a delete. `given` counted the
/// rows before they were sorted, `current` counts those that are kept.
pub(crate) fn newest_of_each_key(
    sorted: BatchStream,
    schema: SchemaRef,
    key: Vec<String>,
    given: Passed,
    current: Passed,
) -> BatchStream {
    let state = Newest {
        schema: schema.clone(),
        key,
        pending: None,
        given,
        older: 0,
        deleted: 0,
        current,
    };
    let batches = futures::stream::unfold(
        (sorted, state, false),
        |(mut sorted, mut state, ended)| async move {
            if ended {
                return None;
            }
            match sorted.next().await {
                Some(Ok(batch)) => {
                    let rows = state
                        .push(&batch)
                        .map_err(|error| ExactError::Internal(error.to_string()));
                    Some((rows, (sorted, state, false)))
                }
                Some(Err(error)) => Some((Err(ExactError::from(error)), (sorted, state, true))),
                None => {
                    let rows = state
                        .finish()
                        .map_err(|error| ExactError::Internal(error.to_string()))
                        .and_then(|rows| state.check().map(|()| rows));
                    Some((rows, (sorted, state, true)))
                }
            }
        },
    );
    batch_stream(schema, batches)
}

struct Newest {
    schema: SchemaRef,
    key: Vec<String>,
    /// The newest row so far of the last key seen.
    pending: Option<RecordBatch>,
    given: Passed,
    /// Rows that a later one of their key replaced.
    older: u64,
    /// Rows that say that their key is gone.
    deleted: u64,
    current: Passed,
}

impl Newest {
    fn push(&mut self, batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
        let batch = match self.pending.take() {
            Some(pending) => concat_batches(&self.schema, [&pending, batch])?,
            None => batch.clone(),
        };
        if batch.num_rows() == 0 {
            return Ok(batch);
        }
        let names: Vec<&str> = self.key.iter().map(String::as_str).collect();
        let keys = rows_of(&batch, &names)?;
        let last = batch.num_rows() - 1;
        let newest: Vec<u32> = (0..last)
            .filter(|row| keys.row(*row) != keys.row(row + 1))
            .map(|row| row as u32)
            .collect();
        self.older += (last - newest.len()) as u64;
        self.pending = Some(batch.slice(last, 1));
        self.standing(&batch, newest)
    }

    fn finish(&mut self) -> Result<RecordBatch, ArrowError> {
        match self.pending.take() {
            Some(pending) => self.standing(&pending, vec![0]),
            None => Ok(RecordBatch::new_empty(self.schema.clone())),
        }
    }

    fn standing(&mut self, batch: &RecordBatch, rows: Vec<u32>) -> Result<RecordBatch, ArrowError> {
        let newest = rows.len();
        let op = batch
            .column_by_name("_op")
            .and_then(|column| column.as_any().downcast_ref::<StringArray>());
        let kept: Vec<u32> = rows
            .into_iter()
            .filter(|row| {
                op.is_none_or(|op| op.is_null(*row as usize) || op.value(*row as usize) != "D")
            })
            .collect();
        self.deleted += (newest - kept.len()) as u64;
        self.current.add(kept.len() as u64);
        take_record_batch(batch, &UInt32Array::from(kept))
    }

    fn check(&self) -> Result<(), ExactError> {
        let found = self.older + self.deleted + self.current.rows();
        if found == self.given.rows() {
            return Ok(());
        }
        Err(ExactError::Rows {
            what: "of the feed were sorted by key".to_owned(),
            given: self.given.rows(),
            found,
        })
    }
}
