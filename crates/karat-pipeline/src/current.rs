//! The current rows of a keyed full feed: of each key the newest row, unless that deletes it. Of rows with a null in their key, which are
//! not the same for it, all that the newest load with such rows brought.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::{Array, ArrayRef, Int64Array, RecordBatch, StringArray, UInt32Array};
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
        last: None,
        beside: Vec::new(),
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
    last: Option<RecordBatch>,
    /// Rows before it that are as new, where the key has a null.
    beside: Vec<RecordBatch>,
    given: Passed,
    /// Rows that a later one of their key replaced.
    older: u64,
    /// Rows that say that their key is gone.
    deleted: u64,
    current: Passed,
}

impl Newest {
    fn push(&mut self, batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
        let batch = match self.last.take() {
            Some(last) => concat_batches(&self.schema, [&last, batch])?,
            None => batch.clone(),
        };
        if batch.num_rows() == 0 {
            return Ok(batch);
        }
        let names: Vec<&str> = self.key.iter().map(String::as_str).collect();
        let keys = rows_of(&batch, &names)?;
        let columns: Vec<&ArrayRef> = names
            .iter()
            .filter_map(|name| batch.column_by_name(name))
            .collect();
        let epochs = batch
            .column_by_name("_epoch")
            .and_then(|column| column.as_any().downcast_ref::<Int64Array>())
            .ok_or_else(|| ArrowError::SchemaError("bronze has no `_epoch`".to_owned()))?;
        let mut given = Vec::new();
        let (mut standing, mut newest) = (Vec::new(), vec![0]);
        for row in 1..batch.num_rows() {
            if keys.row(row - 1) != keys.row(row) {
                given.append(&mut self.beside);
                standing.append(&mut newest);
            } else if epochs.value(row - 1) != epochs.value(row)
                || !columns.iter().any(|column| column.is_null(row))
            {
                let beside = self.beside.drain(..).map(|rows| rows.num_rows());
                self.older += (beside.sum::<usize>() + newest.len()) as u64;
                newest.clear();
            }
            newest.push(row as u32);
        }
        newest.pop();
        if !newest.is_empty() {
            let beside = take_record_batch(&batch, &UInt32Array::from(newest))?;
            self.beside.push(beside);
        }
        self.last = Some(batch.slice(batch.num_rows() - 1, 1));
        let standing = self.standing(&batch, standing)?;
        if given.is_empty() {
            return Ok(standing);
        }
        let mut given = self.all_standing(given)?;
        given.push(standing);
        concat_batches(&self.schema, &given)
    }

    fn finish(&mut self) -> Result<RecordBatch, ArrowError> {
        let mut given = std::mem::take(&mut self.beside);
        given.extend(self.last.take());
        let given = self.all_standing(given)?;
        concat_batches(&self.schema, &given)
    }

    fn all_standing(&mut self, batches: Vec<RecordBatch>) -> Result<Vec<RecordBatch>, ArrowError> {
        let each = batches.into_iter().map(|batch| {
            let rows = (0..batch.num_rows() as u32).collect();
            self.standing(&batch, rows)
        });
        each.collect()
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
