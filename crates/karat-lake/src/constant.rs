//! Columns that hold one value in a whole row group: encoded once, and spliced into every row group that holds the same again.
//!
//! Bronze says of each row which run, load and object it came from, so a good part of its columns repeat one value for millions of
//! rows. The bytes are those that encoding row by row gives: the same writer makes them, from the same chunks.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, FieldRef, Float32Type, Float64Type, Schema};
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::column::writer::ColumnCloseResult;
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;

use crate::canonical::CHUNK_ROWS;
use crate::encode::SCHEMA_ROOT;

/// Encoded columns that are kept for the next row group; more values than these do not repeat often enough to matter.
const KEPT: usize = 64;

/// The value that all rows of an array have.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum OneValue {
    Null,
    Bytes(Box<[u8]>),
}

impl OneValue {
    /// None: the rows differ, or the type is not looked into.
    pub(crate) fn of(array: &ArrayRef) -> Option<OneValue> {
        let rows = array.len();
        if rows == 0 {
            return None;
        }
        match array.null_count() {
            0 => {}
            nulls if nulls == rows => return Some(OneValue::Null),
            _ => return None,
        }
        let bytes = match array.data_type() {
            DataType::Utf8 => {
                let texts = array.as_string::<i32>();
                repeated(texts.offsets(), texts.value_data())?
            }
            DataType::Binary => {
                let values = array.as_binary::<i32>();
                repeated(values.offsets(), values.value_data())?
            }
            other => {
                // Of values that are no number there are no bounds, and what a file says of its pages is put together otherwise.
                if other.is_floating() && !is_number(array) {
                    return None;
                }
                let width = other.primitive_width()?;
                let data = array.to_data();
                let from = data.offset() * width;
                let all = data.buffers().first()?.as_slice();
                let all = all.get(from..from + rows * width)?;
                is_repeated(all, width).then(|| &all[..width])?.into()
            }
        };
        Some(OneValue::Bytes(bytes))
    }
}

/// Whether the first value of floating point is a number.
fn is_number(array: &ArrayRef) -> bool {
    match array.data_type() {
        DataType::Float64 => !array.as_primitive::<Float64Type>().value(0).is_nan(),
        DataType::Float32 => !array.as_primitive::<Float32Type>().value(0).is_nan(),
        _ => false,
    }
}

/// Whether all rows of texts have one value, and none is null.
pub(crate) fn is_one_value(texts: &StringArray) -> bool {
    !texts.is_empty()
        && texts.null_count() == 0
        && repeated(texts.offsets(), texts.value_data()).is_some()
}

/// The first value, if all that follow are the same.
fn repeated(offsets: &OffsetBuffer<i32>, values: &[u8]) -> Option<Box<[u8]>> {
    let at = |nth: usize| usize::try_from(offsets[nth]).ok();
    let (from, to, end) = (at(0)?, at(1)?, at(offsets.len() - 1)?);
    let width = to - from;
    let all = values.get(from..end)?;
    if all.len() != width * (offsets.len() - 1) || !is_repeated(all, width) {
        return None;
    }
    let same_length = offsets
        .windows(2)
        .all(|pair| pair[1] - pair[0] == offsets[1] - offsets[0]);
    same_length.then(|| all[..width].into())
}

/// Whether bytes are one piece of that width again and again.
fn is_repeated(all: &[u8], width: usize) -> bool {
    // The last piece first: most columns differ there already.
    all.len() <= width
        || (all[..width] == all[all.len() - width..] && all[width..] == all[..all.len() - width])
}

/// Rows of a column of a row group that have had one value so far.
pub(crate) struct Held {
    value: OneValue,
    /// The first chunk, which no later one is longer than.
    chunk: ArrayRef,
    rows: usize,
}

impl Held {
    pub(crate) fn new(value: OneValue, chunk: &ArrayRef) -> Self {
        Held {
            value,
            chunk: Arc::clone(chunk),
            rows: chunk.len(),
        }
    }

    /// Takes in a chunk of the same value; false if it is another.
    pub(crate) fn goes_on(&mut self, chunk: &ArrayRef) -> bool {
        let same = OneValue::of(chunk).is_some_and(|value| value == self.value);
        if same {
            self.rows += chunk.len();
        }
        same
    }

    /// The chunks that were taken in.
    pub(crate) fn chunks(&self) -> impl Iterator<Item = ArrayRef> {
        (0..self.rows)
            .step_by(CHUNK_ROWS)
            .map(|from| self.chunk.slice(0, CHUNK_ROWS.min(self.rows - from)))
    }
}

/// Encoded columns of one value, by column, value and rows.
#[derive(Default)]
pub(crate) struct Constants {
    encoded: HashMap<(usize, OneValue, usize), Encoded>,
}

/// A column chunk as it stands in a file, and what its file says of it.
#[derive(Clone)]
pub(crate) struct Encoded {
    pub(crate) bytes: Bytes,
    pub(crate) close: ColumnCloseResult,
}

impl Constants {
    /// The encoded column; `at` is its place in the schema.
    pub(crate) fn encoded(
        &mut self,
        at: usize,
        field: &FieldRef,
        held: Held,
        properties: &WriterProperties,
    ) -> Result<Encoded, ParquetError> {
        let key = (at, held.value.clone(), held.rows);
        if let Some(encoded) = self.encoded.get(&key) {
            return Ok(encoded.clone());
        }
        let encoded = encode(field, &held, properties)?;
        if self.encoded.len() == KEPT {
            self.encoded.clear();
        }
        self.encoded.insert(key, encoded.clone());
        Ok(encoded)
    }
}

/// Encodes the rows as the only column of a file in memory.
fn encode(
    field: &FieldRef,
    held: &Held,
    properties: &WriterProperties,
) -> Result<Encoded, ParquetError> {
    let schema = Arc::new(Schema::new(vec![Arc::clone(field)]));
    let options = ArrowWriterOptions::new()
        .with_properties(properties.clone())
        .with_skip_arrow_metadata(true)
        .with_schema_root(SCHEMA_ROOT.to_owned());
    let mut file = Vec::new();
    let mut writer = ArrowWriter::try_new_with_options(&mut file, Arc::clone(&schema), options)?;
    for chunk in held.chunks() {
        writer.write(&RecordBatch::try_new(Arc::clone(&schema), vec![chunk])?)?;
    }
    let written = writer.close()?;
    let missing = || ParquetError::General("a column of one value was not written".to_owned());
    let metadata = written
        .row_groups()
        .first()
        .ok_or_else(missing)?
        .column(0)
        .clone();
    let column_index = written
        .column_index()
        .and_then(|groups| groups.first()?.first().cloned());
    let offset_index = written
        .offset_index()
        .and_then(|groups| groups.first()?.first().cloned());
    Ok(Encoded {
        close: ColumnCloseResult {
            bytes_written: metadata.compressed_size().unsigned_abs(),
            rows_written: held.rows as u64,
            metadata,
            bloom_filter: None,
            column_index: Some(column_index.ok_or_else(missing)?),
            offset_index: Some(offset_index.ok_or_else(missing)?),
        },
        bytes: file.into(),
    })
}

#[cfg(test)]
mod tests {
    use arrow::array::Int64Array;

    use super::*;
    use crate::canonical::{CanonicalWriter, Layout, properties};
    use crate::schema::{canonical, with_field_ids};

    /// Columns that are one value in all groups, in some, up to the middle of one, and in none.
    fn rows() -> RecordBatch {
        let rows = 50_000;
        let text = |value: fn(usize) -> Option<&'static str>| -> ArrayRef {
            Arc::new((0..rows).map(value).collect::<StringArray>())
        };
        let number = |value: fn(i64) -> Option<i64>| -> ArrayRef {
            Arc::new((0..rows as i64).map(value).collect::<Int64Array>())
        };
        RecordBatch::try_from_iter_with_nullable([
            ("run", text(|_| Some("0197")), true),
            ("nothing", number(|_| None), true),
            ("empty", text(|_| Some("")), true),
            (
                "object",
                text(|row| Some(["a", "b"][row / 20_000 % 2])),
                true,
            ),
            (
                "to_the_middle",
                text(|row| Some(if row < 29_000 { "aa" } else { "a" })),
                true,
            ),
            (
                "lengths_differ",
                text(|row| Some(["a", "aa"][row % 2])),
                true,
            ),
            (
                "at_the_end",
                number(|row| (row < 49_999).then_some(7)),
                true,
            ),
            ("row", number(Some), true),
        ])
        .expect("rows")
    }

    #[test]
    fn the_bytes_are_those_of_row_by_row() {
        let rows = rows();
        let layout = Layout {
            rows_per_file: 60_000,
            rows_per_group: 20_000,
        };
        let dir = tempfile::tempdir().expect("a folder");
        let mut writer =
            CanonicalWriter::new(dir.path().to_owned(), rows.schema(), layout, 1, 0, &[])
                .expect("a writer");
        writer.write(&rows).expect("is written");
        let files = writer.finish().expect("is written");
        let ours = std::fs::read(dir.path().join(&files[0].path)).expect("a file");

        let schema = with_field_ids(&canonical(&rows.schema()).expect("a schema"));
        let options = ArrowWriterOptions::new()
            .with_properties(properties(&schema, layout).expect("properties"))
            .with_skip_arrow_metadata(true)
            .with_schema_root(SCHEMA_ROOT.to_owned());
        let mut plain = Vec::new();
        let mut writer = ArrowWriter::try_new_with_options(&mut plain, schema.clone(), options)
            .expect("a writer");
        for group in (0..rows.num_rows()).step_by(layout.rows_per_group) {
            let end = rows.num_rows().min(group + layout.rows_per_group);
            for from in (group..end).step_by(CHUNK_ROWS) {
                let columns = rows
                    .slice(from, CHUNK_ROWS.min(end - from))
                    .columns()
                    .to_vec();
                let chunk = RecordBatch::try_new(schema.clone(), columns).expect("a chunk");
                writer.write(&chunk).expect("is written");
            }
        }
        writer.close().expect("is written");
        assert!(ours == plain, "{} and {} bytes", ours.len(), plain.len());
    }
}
