//! Which rows bronze has already: the state before a keyed full load (B6), the window of a cursor (B7).
//!
//! Both remember 128-bit hashes of a row's content, not the row, so that memory is some 60 bytes a key of a full load, 100 a row of a
//! cursor's feed.

use std::collections::HashMap;

use arrow::array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Int64Array, RecordBatch, StringArray,
};
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
    /// Rows that say that the load no longer has a key, or rows of a key with a null in it.
    pub deleted: u64,
    /// Rows whose key stands before in the same load, with other content.
    pub repeated: u64,
    /// Keys that are new, or have other content than before once the whole load is read: a key that stands in it twice may come back to
    /// what it was.
    pub new_in_the_end: u64,
}

/// Compares a keyed full load with the state that bronze holds.
///
/// A row with a null in its key says of no other row that it is the same, so none takes the place of another. Those of one load stand for
/// all that such rows said before: a load brings all of its own again, whatever bronze has.
pub struct FullDiff {
    keys: Vec<String>,
    payload: Vec<String>,
    converter: RowConverter,
    before: HashMap<OwnedRow, (u128, bool)>,
    /// What keys that this load changed were before.
    was: HashMap<OwnedRow, u128>,
    /// Rows whose key is null somewhere, by what is there of it.
    nameless: HashMap<OwnedRow, Nameless>,
    counts: DiffCounts,
}

/// Rows that have one key with a null in it: how often each content is there.
#[derive(Default)]
struct Nameless {
    /// The load that brought them.
    epoch: i64,
    before: HashMap<u128, u64>,
    brought: HashMap<u128, u64>,
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
            was: HashMap::new(),
            nameless: HashMap::new(),
            counts: DiffCounts::default(),
        })
    }

    /// Takes in rows that bronze holds, oldest first.
    pub fn remember(&mut self, batch: &RecordBatch) -> Result<(), ArrowError> {
        let of_key = columns(batch, &self.keys)?;
        let keys = self.converter.convert_columns(&of_key)?;
        let hashes = content_hashes(batch, &self.payload)?;
        let op = text(batch, "_op")?;
        let epochs = epochs(batch)?;
        for (row, hash) in hashes.iter().enumerate() {
            let key = keys.row(row).owned();
            let is_delete = op.value(row) == "D";
            match (has_null(&of_key, row), is_delete) {
                (false, true) => {
                    self.before.remove(&key);
                }
                (false, false) => {
                    self.before.insert(key, (*hash, false));
                }
                (true, true) => {
                    self.nameless.remove(&key);
                }
                (true, false) => {
                    let rows = self.nameless.entry(key).or_default();
                    if rows.epoch != epochs.value(row) {
                        rows.before.clear();
                        rows.epoch = epochs.value(row);
                    }
                    *rows.before.entry(*hash).or_default() += 1;
                }
            }
        }
        Ok(())
    }

    /// Keys that the state before has, and rows without a whole one.
    pub fn keys_before(&self) -> u64 {
        let nameless = self.nameless.values().flat_map(|rows| rows.before.values());
        self.before.len() as u64 + nameless.sum::<u64>()
    }

    /// The rows of a batch that are new or changed, with `_op` I or U.
    pub fn changes(&mut self, batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
        let of_key = columns(batch, &self.keys)?;
        let keys = self.converter.convert_columns(&of_key)?;
        let hashes = content_hashes(batch, &self.payload)?;
        let mut keep = Vec::with_capacity(hashes.len());
        let mut ops = Vec::with_capacity(hashes.len());
        for (row, hash) in hashes.iter().enumerate() {
            let key = keys.row(row).owned();
            if has_null(&of_key, row) {
                let rows = self.nameless.entry(key).or_default();
                *rows.brought.entry(*hash).or_default() += 1;
                self.counts.changed += 1;
                keep.push(true);
                ops.push("I");
                continue;
            }
            let op = match self.before.get_mut(&key) {
                None => {
                    self.counts.new_in_the_end += 1;
                    "I"
                }
                Some((known, seen)) if known == hash => {
                    *seen = true;
                    self.counts.unchanged += 1;
                    keep.push(false);
                    continue;
                }
                Some((known, seen)) => {
                    self.counts.repeated += u64::from(*seen);
                    match self.was.get(&key) {
                        Some(was) if was == hash => self.counts.new_in_the_end -= 1,
                        Some(was) => self.counts.new_in_the_end += u64::from(was == known),
                        None => {
                            self.was.insert(key.clone(), *known);
                            self.counts.new_in_the_end += 1;
                        }
                    }
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
            .chain(
                self.nameless
                    .iter()
                    .filter(|(_, rows)| rows.brought.is_empty())
                    .map(|(key, _)| key),
            )
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

    /// How many keys of the state before the load did not bring, and how many rows without a whole key it has less.
    pub fn fewer(&self) -> u64 {
        let keys = self.before.values().filter(|(_, seen)| !seen).count() as u64;
        let nameless = self.nameless.values().map(|rows| {
            let (before, brought): (u64, u64) =
                (rows.before.values().sum(), rows.brought.values().sum());
            before.saturating_sub(brought)
        });
        keys + nameless.sum::<u64>()
    }

    /// Leaves the state that the load makes, for one that comes after it.
    pub fn forget_unseen(&mut self) {
        self.before.retain(|_, (_, seen)| std::mem::take(seen));
        self.nameless.retain(|_, rows| {
            rows.before = std::mem::take(&mut rows.brought);
            !rows.before.is_empty()
        });
        self.was.clear();
        self.counts = DiffCounts::default();
    }

    /// Counts so far.
    pub fn counts(&self) -> DiffCounts {
        let nameless = self.nameless.values();
        let other = nameless.filter(|rows| rows.brought != rows.before);
        let rows: u64 = other.flat_map(|rows| rows.brought.values()).sum();
        DiffCounts {
            new_in_the_end: self.counts.new_in_the_end + rows,
            ..self.counts
        }
    }
}

/// Bytes of the epoch at the end of the `_seq` of a cursor's row (B1).
const EPOCH_BYTES: usize = 8;

/// Rows that bronze has of a cursor's feed, by their place: the cursor's value and the key, which is `_seq` without the epoch.
pub struct Window {
    payload: Vec<String>,
    /// The newest content of each place.
    newest: HashMap<u128, u128>,
    /// How often a place has had each content: rows that nothing names may be equal, and each of them is a row.
    had: HashMap<(u128, u128), u32>,
    /// Of a feed with all columns: how often each content is there. Its places may be digests of columns, and become others when one is
    /// added or a key is declared.
    contents: Option<HashMap<u128, u32>>,
    /// How often the load has brought each content of a place so far, and of any place.
    brought: HashMap<(u128, u128), u32>,
    brought_contents: HashMap<u128, u32>,
    /// The payload columns that bronze had before this load, where the load brings more.
    before: Option<Vec<String>>,
}

impl Window {
    /// No rows yet, of a feed with these payload columns. `by_content`: a row without a known place is known by its content.
    pub fn new(payload: &[String], by_content: bool) -> Self {
        Self {
            payload: payload.to_vec(),
            before: None,
            newest: HashMap::new(),
            had: HashMap::new(),
            contents: by_content.then(HashMap::new),
            brought: HashMap::new(),
            brought_contents: HashMap::new(),
        }
    }

    /// Says which payload columns bronze had before this load.
    #[must_use]
    pub fn with_columns_before(mut self, before: Vec<String>) -> Self {
        self.before = (before.len() < self.payload.len()).then_some(before);
        self
    }

    /// How many of these rows, which are news, bronze would have but for the columns that this load brings.
    pub fn widened(&self, news: &RecordBatch) -> Result<u64, ArrowError> {
        let Some(before) = &self.before else {
            return Ok(0);
        };
        let hashes = content_hashes(news, before)?;
        let widened = places(news)?
            .into_iter()
            .zip(hashes)
            .filter(|(place, content)| {
                let known = |contents: &HashMap<u128, u32>| contents.contains_key(content);
                self.had.contains_key(&(*place, *content))
                    || self.contents.as_ref().is_some_and(known)
            });
        Ok(widened.count() as u64)
    }

    /// Takes in rows of bronze, oldest first.
    pub fn remember(&mut self, batch: &RecordBatch) -> Result<(), ArrowError> {
        let places = places(batch)?;
        for (place, content) in places.into_iter().zip(self.hashes(batch)?) {
            self.newest.insert(place, content);
            *self.had.entry((place, content)).or_default() += 1;
            if let Some(contents) = &mut self.contents {
                *contents.entry(content).or_default() += 1;
            }
        }
        Ok(())
    }

    /// The rows of a batch that say something else than the newest reading of their place: also what it had said before, and
    /// something else since. Where a key is not unique, several rows share a place; then each is asked by its content. Of equal rows those
    /// are news that the load has more of than bronze.
    pub fn news(&mut self, batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
        let places = places(batch)?;
        let mut rows_of: HashMap<u128, u32> = HashMap::new();
        for place in &places {
            *rows_of.entry(*place).or_default() += 1;
        }
        let keep: Vec<bool> = places
            .into_iter()
            .zip(self.hashes(batch)?)
            .map(|(place, content)| {
                let here = self.brought.entry((place, content)).or_default();
                let anywhere = self.brought_contents.entry(content).or_default();
                (*here, *anywhere) = (*here + 1, *anywhere + 1);
                let had = self.had.get(&(place, content)).copied().unwrap_or(0);
                let is_known = match (self.newest.get(&place), &self.contents) {
                    (Some(_), _) if rows_of[&place] > 1 => *here <= had,
                    (Some(newest), _) => *newest == content && *here <= had,
                    (None, Some(contents)) => {
                        *anywhere <= contents.get(&content).copied().unwrap_or(0)
                    }
                    (None, None) => false,
                };
                !is_known
            })
            .collect();
        filter_record_batch(batch, &BooleanArray::from(keep))
    }

    fn hashes(&self, batch: &RecordBatch) -> Result<Vec<u128>, ArrowError> {
        content_hashes(batch, &self.payload)
    }
}

/// Hash of each row's place.
fn places(batch: &RecordBatch) -> Result<Vec<u128>, ArrowError> {
    let seq = batch
        .column_by_name("_seq")
        .and_then(|column| column.as_any().downcast_ref::<BinaryArray>())
        .ok_or_else(|| ArrowError::SchemaError("a row has no `_seq`".to_owned()))?;
    let places: BinaryArray = seq
        .iter()
        .map(|seq| seq.map(|seq| &seq[..seq.len().saturating_sub(EPOCH_BYTES)]))
        .collect();
    let field = Field::new("place", DataType::Binary, true);
    let batch = RecordBatch::try_new(
        std::sync::Arc::new(Schema::new(vec![field])),
        vec![std::sync::Arc::new(places)],
    )?;
    row_hashes(&batch).map_err(|error| ArrowError::ComputeError(error.to_string()))
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

/// Whether a column of the key is null in a row.
fn has_null(of_key: &[ArrayRef], row: usize) -> bool {
    of_key.iter().any(|column| column.is_null(row))
}

fn epochs(batch: &RecordBatch) -> Result<&Int64Array, ArrowError> {
    batch
        .column_by_name("_epoch")
        .and_then(|column| column.as_any().downcast_ref())
        .ok_or_else(|| ArrowError::SchemaError("a row has no `_epoch`".to_owned()))
}

fn text<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a StringArray, ArrowError> {
    batch
        .column_by_name(name)
        .filter(|column| column.data_type() == &DataType::Utf8)
        .and_then(|column| column.as_any().downcast_ref())
        .ok_or_else(|| ArrowError::SchemaError(format!("bronze has no text column `{name}`")))
}
