//! Which rows bronze has already: the state before a keyed full load (B6), the window of a cursor (B7).
//!
//! Both remember a 128-bit hash of a row's content, not the row, so that memory is some 60 bytes a key.

use std::collections::{HashMap, HashSet};

use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch, StringArray};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::row::{OwnedRow, RowConverter, SortField};
use karat_exact::fingerprint::row_hashes;

/// What a full load says of a row, against the state before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DiffCounts {
    /// New keys and changed rows: appended.
    pub changed: u64,
    /// Rows equal to the state before.
    pub unchanged: u64,
    /// Keys that the load no longer has.
    pub deleted: u64,
    /// Rows whose key stands before in the same load, with other content.
    pub repeated: u64,
}

/// Compares a keyed full load with the state that bronze holds.
pub struct FullDiff {
    keys: Vec<String>,
    payload: Vec<String>,
    converter: RowConverter,
    before: HashMap<OwnedRow, (u128, bool)>,
    counts: DiffCounts,
}

impl FullDiff {
    /// An empty state over the given payload columns; `schema` is the bronze table's.
    pub fn new(schema: &Schema, keys: &[String], payload: &[String]) -> Result<Self, ArrowError> {
        let mut fields = Vec::new();
        for key in keys {
            fields.push(SortField::new(
                schema.field_with_name(key)?.data_type().clone(),
            ));
        }
        Ok(Self {
            keys: keys.to_vec(),
            payload: payload.to_vec(),
            converter: RowConverter::new(fields)?,
            before: HashMap::new(),
            counts: DiffCounts::default(),
        })
    }

    /// Takes in rows that bronze holds, oldest first.
    pub fn remember(&mut self, batch: &RecordBatch) -> Result<(), ArrowError> {
        let keys = self
            .converter
            .convert_columns(&columns(batch, &self.keys)?)?;
        let hashes = content_hashes(batch, &self.payload)?;
        let op = text(batch, "_op")?;
        for (row, hash) in hashes.iter().enumerate() {
            let key = keys.row(row).owned();
            if op.value(row) == "D" {
                self.before.remove(&key);
            } else {
                self.before.insert(key, (*hash, false));
            }
        }
        Ok(())
    }

    /// Keys that the state before has.
    pub fn keys_before(&self) -> u64 {
        self.before.len() as u64
    }

    /// The rows of a batch that are new or changed, with `_op` I or U.
    pub fn changes(&mut self, batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
        let keys = self
            .converter
            .convert_columns(&columns(batch, &self.keys)?)?;
        let hashes = content_hashes(batch, &self.payload)?;
        let mut keep = Vec::with_capacity(hashes.len());
        let mut ops = Vec::with_capacity(hashes.len());
        for (row, hash) in hashes.iter().enumerate() {
            let key = keys.row(row).owned();
            let op = match self.before.get_mut(&key) {
                None => "I",
                Some((known, seen)) if known == hash => {
                    *seen = true;
                    self.counts.unchanged += 1;
                    keep.push(false);
                    continue;
                }
                Some((_, seen)) => {
                    self.counts.repeated += u64::from(*seen);
                    "U"
                }
            };
            self.before.insert(key, (*hash, true));
            self.counts.changed += 1;
            keep.push(true);
            ops.push(op);
        }
        let kept = filter_record_batch(batch, &BooleanArray::from(keep))?;
        let at = kept.schema().index_of("_op")?;
        let mut columns = kept.columns().to_vec();
        columns[at] = std::sync::Arc::new(StringArray::from(ops));
        RecordBatch::try_new(kept.schema(), columns)
    }

    /// The keys that the load did not bring, as one batch of key columns in key order.
    pub fn deletes(&mut self, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
        let mut gone: Vec<&OwnedRow> = self
            .before
            .iter()
            .filter(|(_, (_, seen))| !seen)
            .map(|(key, _)| key)
            .collect();
        gone.sort();
        self.counts.deleted = gone.len() as u64;
        let key_columns = self
            .converter
            .convert_rows(gone.iter().map(|key| key.row()))?;
        let fields: Vec<Field> = self
            .keys
            .iter()
            .map(|key| schema.field_with_name(key).cloned())
            .collect::<Result<_, _>>()?;
        if gone.is_empty() {
            return Ok(RecordBatch::new_empty(std::sync::Arc::new(Schema::new(
                fields,
            ))));
        }
        RecordBatch::try_new(std::sync::Arc::new(Schema::new(fields)), key_columns)
    }

    /// Counts so far.
    pub fn counts(&self) -> DiffCounts {
        self.counts
    }
}

/// Rows that bronze has in a cursor's window.
#[derive(Default)]
pub struct Window {
    hashes: HashSet<u128>,
}

impl Window {
    /// Takes in rows of bronze.
    pub fn remember(&mut self, batch: &RecordBatch, payload: &[String]) -> Result<(), ArrowError> {
        self.hashes.extend(content_hashes(batch, payload)?);
        Ok(())
    }

    /// The rows of a batch that bronze has not got.
    pub fn news(
        &mut self,
        batch: &RecordBatch,
        payload: &[String],
    ) -> Result<RecordBatch, ArrowError> {
        let keep: Vec<bool> = content_hashes(batch, payload)?
            .into_iter()
            .map(|hash| !self.hashes.contains(&hash))
            .collect();
        filter_record_batch(batch, &BooleanArray::from(keep))
    }
}

/// Hash of each row's payload and rescued text; nulls contribute nothing, so that a column added later changes no old row.
fn content_hashes(batch: &RecordBatch, payload: &[String]) -> Result<Vec<u128>, ArrowError> {
    let mut fields = Vec::new();
    let mut values = Vec::new();
    let schema = batch.schema();
    for name in payload.iter().map(String::as_str).chain(["_rescued"]) {
        if let Ok(at) = schema.index_of(name) {
            fields.push(schema.field(at).clone());
            values.push(batch.column(at).clone());
        }
    }
    let projected = RecordBatch::try_new(std::sync::Arc::new(Schema::new(fields)), values)?;
    row_hashes(&projected).map_err(|error| ArrowError::ComputeError(error.to_string()))
}

fn columns(batch: &RecordBatch, names: &[String]) -> Result<Vec<ArrayRef>, ArrowError> {
    names
        .iter()
        .map(|name| {
            batch.column_by_name(name).cloned().ok_or_else(|| {
                ArrowError::SchemaError(format!("the load has no key column `{name}`"))
            })
        })
        .collect()
}

fn text<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a StringArray, ArrowError> {
    batch
        .column_by_name(name)
        .filter(|column| column.data_type() == &DataType::Utf8)
        .and_then(|column| column.as_any().downcast_ref())
        .ok_or_else(|| ArrowError::SchemaError(format!("bronze has no text column `{name}`")))
}
