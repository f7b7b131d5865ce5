//! Builds the batches: the payload, then `_seq _op _object _row _rescued` (B2). Fields are copied once, from the file's chunk into the column.

use std::io::{Read, Write};
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BinaryArray, BinaryBuilder, Int64Array, NullBufferBuilder, StringArray,
};
use arrow::buffer::{Buffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use serde_json::{Map, Value, json};

use crate::csv::{CsvReader, FieldKind, Span};
use crate::decode::{hex, original};
use crate::{Column, ErrorKind, SourceError};

/// Rows of a batch.
pub const BATCH_ROWS: usize = 8192;
/// Bytes of text after which a batch is handed over early.
const BATCH_BYTES: usize = 64 << 20;

/// The schema of the batches of these columns.
#[must_use]
pub fn schema(columns: &[Column]) -> SchemaRef {
    let mut fields: Vec<Field> = columns
        .iter()
        .map(|c| {
            let source_name = [("source_name".to_owned(), c.source_name.clone())];
            Field::new(&c.name, c.data_type.clone(), true)
                .with_metadata(source_name.into_iter().collect())
        })
        .collect();
    fields.extend([
        Field::new("_seq", DataType::Binary, false),
        Field::new("_op", DataType::Utf8, false),
        Field::new("_object", DataType::Utf8, false),
        Field::new("_row", DataType::Int64, true),
        Field::new("_rescued", DataType::Utf8, true),
    ]);
    Arc::new(Schema::new(fields))
}

/// The batch with the epoch of the reading at the end of each `_seq`, so that of two readings of a row the later sorts last (B1).
pub fn with_epoch(batch: &RecordBatch, epoch: i64) -> Result<RecordBatch, SourceError> {
    let fail = || {
        SourceError::new(
            ErrorKind::Config,
            "cannot add the epoch: the batch has no binary column `_seq`",
        )
    };
    let at = batch.schema_ref().index_of("_seq").map_err(|_| fail())?;
    let seq = batch
        .column(at)
        .as_any()
        .downcast_ref::<BinaryArray>()
        .ok_or_else(fail)?;
    let mut builder =
        BinaryBuilder::with_capacity(seq.len(), seq.value_data().len() + 8 * seq.len());
    for one in seq.iter().flatten() {
        // Written in two parts, appended as one.
        builder
            .write_all(one)
            .and_then(|()| builder.write_all(&epoch_bytes(epoch)))
            .map_err(|e| fail().cause(e))?;
        builder.append_value(b"");
    }
    let mut columns = batch.columns().to_vec();
    columns[at] = Arc::new(builder.finish());
    RecordBatch::try_new(batch.schema(), columns).map_err(|e| fail().cause(e))
}

/// Eight bytes that sort as the number does: how an epoch stands in `_seq`.
#[must_use]
pub fn epoch_bytes(epoch: i64) -> [u8; 8] {
    (epoch as u64 ^ 1 << 63).to_be_bytes()
}

/// A column of text that is being filled.
#[derive(Default)]
pub(crate) struct TextColumn {
    values: Vec<u8>,
    offsets: Vec<i32>,
    nulls: Option<NullBufferBuilder>,
}

impl TextColumn {
    #[inline]
    fn end_value(&mut self) {
        self.offsets.push(self.values.len() as i32);
        if let Some(nulls) = &mut self.nulls {
            nulls.append_non_null();
        }
    }

    /// Appends a field that stands as it should in valid text.
    #[inline]
    fn push_field<R: Read>(&mut self, reader: &CsvReader<R>, beyond: &[u8], span: Span) {
        match span.kind {
            FieldKind::Plain if span.start == span.end => self.push_null(),
            FieldKind::Escaped => {
                reader.append_field(span, &mut self.values);
                self.end_value();
            }
            _ => self.push_short(beyond, span.start as usize, span.end as usize),
        }
    }

    /// Appends `beyond[start..end]`.
    #[inline]
    fn push_short(&mut self, beyond: &[u8], start: usize, end: usize) {
        // A copy of a fixed size is one instruction, one of any size is a call.
        if end - start <= 16
            && let Some(sixteen) = beyond.get(start..start + 16)
        {
            self.values.extend_from_slice(sixteen);
            self.values.truncate(self.values.len() - 16 + (end - start));
        } else {
            self.values.extend_from_slice(&beyond[start..end]);
        }
        self.end_value();
    }

    pub(crate) fn push(&mut self, value: &[u8]) {
        self.values.extend_from_slice(value);
        self.end_value();
    }

    pub(crate) fn push_null(&mut self) {
        let rows = self.offsets.len();
        self.offsets.push(self.values.len() as i32);
        let nulls = self.nulls.get_or_insert_with(|| {
            let mut nulls = NullBufferBuilder::new(BATCH_ROWS);
            nulls.append_n_non_nulls(rows);
            nulls
        });
        nulls.append_null();
    }

    /// The column, and begins anew.
    pub(crate) fn finish(&mut self) -> Result<StringArray, SourceError> {
        if self.values.len() > i32::MAX as usize {
            return Err(too_large());
        }
        let mut offsets = Vec::with_capacity(self.offsets.len() + 1);
        offsets.push(0);
        offsets.append(&mut self.offsets);
        let room = self.values.len() + self.values.len() / 8 + 64;
        let values = std::mem::replace(&mut self.values, Vec::with_capacity(room));
        self.offsets.reserve(BATCH_ROWS);
        let nulls = self.nulls.take().and_then(|mut n| n.finish());
        StringArray::try_new(
            OffsetBuffer::new(ScalarBuffer::from(offsets)),
            Buffer::from_vec(values),
            nulls,
        )
        .map_err(internal)
    }
}

/// A column of a batch holds at most 2 GiB.
pub(crate) fn too_large() -> SourceError {
    SourceError::new(
        ErrorKind::Broken,
        "cannot build a batch of rows: a row is so large that its values do not fit into 2 GiB",
    )
    .hint("leave the large column out with `columns` of the feed")
}

pub(crate) fn internal(cause: arrow::error::ArrowError) -> SourceError {
    SourceError::new(
        ErrorKind::Io,
        "cannot build a batch of rows: karat made columns that do not fit together",
    )
    .hint("this is a mistake in karat: please report it")
    .cause(cause)
}

/// The same text in each of `rows` rows.
pub(crate) fn constant(text: &str, rows: usize) -> Result<StringArray, SourceError> {
    let offsets: Vec<i32> = (0..=rows).map(|i| (i * text.len()) as i32).collect();
    StringArray::try_new(
        OffsetBuffer::new(ScalarBuffer::from(offsets)),
        Buffer::from_vec(text.repeat(rows).into_bytes()),
        None,
    )
    .map_err(internal)
}

/// Where the fields of a record go.
pub(crate) struct Layout {
    /// The columns that land.
    pub(crate) columns: Vec<Column>,
    /// For each field of a record, its column; none for one that was not chosen.
    pub(crate) slots: Vec<Option<usize>>,
}

impl Layout {
    /// Columns land where they stand.
    fn is_straight(&self) -> bool {
        self.slots.len() == self.columns.len()
            && self
                .slots
                .iter()
                .enumerate()
                .all(|(i, slot)| *slot == Some(i))
    }
}

/// Fills batches with the records of one file.
pub(crate) struct RowBuilder {
    layout: Layout,
    schema: SchemaRef,
    columns: Vec<TextColumn>,
    /// Columns land where they stand.
    straight: bool,
    /// Lines of the texts of the object that were read before.
    lines_before: u64,
    pub(crate) own: OwnColumns,
}

impl RowBuilder {
    pub(crate) fn new(layout: Layout, object: &str, op: &'static str, mark: &str) -> Self {
        let columns = layout.columns.iter();
        Self {
            straight: layout.is_straight(),
            schema: schema(&layout.columns),
            columns: columns.map(|_| TextColumn::default()).collect(),
            layout,
            lines_before: 0,
            own: OwnColumns::new(object, op, mark),
        }
    }

    /// Goes on with another text of the same object, whose header may name the same columns in another order; false if it names others.
    pub(crate) fn go_on(&mut self, layout: Layout, lines_before: u64) -> bool {
        let Layout { columns, slots } = layout;
        let known = &self.layout.columns;
        let place = |column: &Column| known.iter().position(|one| one.name == column.name);
        let places: Option<Vec<usize>> = columns.iter().map(place).collect();
        let Some(places) = places.filter(|places| places.len() == known.len()) else {
            return false;
        };
        self.layout.slots = slots
            .into_iter()
            .map(|slot| slot.map(|at| places[at]))
            .collect();
        self.straight = self.layout.is_straight();
        self.lines_before = lines_before;
        true
    }

    /// Takes the reader's record; true if the batch is full.
    pub(crate) fn push<R: Read>(&mut self, reader: &CsvReader<R>) -> bool {
        let spans = reader.spans();
        let fits =
            spans.len() == self.layout.slots.len() && !reader.is_flawed() && reader.is_valid();
        let mut rescued = None;
        if fits && self.straight {
            let beyond = reader.record_and_beyond();
            for (column, span) in self.columns.iter_mut().zip(spans) {
                column.push_field(reader, beyond, *span);
            }
        } else if fits {
            let beyond = reader.record_and_beyond();
            for (slot, span) in self.layout.slots.iter().zip(spans) {
                if let Some(at) = slot {
                    self.columns[*at].push_field(reader, beyond, *span);
                }
            }
        } else {
            rescued = self.push_carefully(reader);
        }
        let line = self.lines_before + reader.line();
        self.own
            .push(line, rescued.as_deref(), reader.record().len())
    }

    /// A record that does not fit: places what can be placed and gives the rest, for `_rescued`.
    fn push_carefully<R: Read>(&mut self, reader: &CsvReader<R>) -> Option<String> {
        let spans = reader.spans();
        let valid = reader.is_valid();
        let mut reasons: Vec<&str> = Vec::new();
        let mut details = Map::new();
        let mut invalid = Map::new();
        let mut stray: Vec<Value> = Vec::new();
        let mut missing: Vec<Value> = Vec::new();
        let mut extra: Vec<Value> = Vec::new();
        let mut unclosed: Option<(Option<usize>, Span)> = None;
        // What was not chosen must not land by the back door (B9).
        let all_land = self.layout.slots.iter().all(Option::is_some);

        for (i, slot) in self.layout.slots.iter().enumerate() {
            let span = spans.get(i);
            if let Some(span) = span
                && span.kind == FieldKind::Unclosed
            {
                unclosed = Some((*slot, *span));
            }
            let Some(at) = *slot else { continue };
            let column = &mut self.columns[at];
            let name = &self.layout.columns[at].name;
            match span {
                None => {
                    missing.push(json!(name));
                    column.push_null();
                }
                Some(span)
                    if span.kind == FieldKind::Unclosed
                        || (span.kind == FieldKind::Plain && span.start == span.end) =>
                {
                    column.push_null()
                }
                Some(span) => {
                    let bytes = reader.field(*span);
                    if span.kind == FieldKind::Stray {
                        stray.push(json!(name));
                    }
                    if valid || std::str::from_utf8(&bytes).is_ok() {
                        column.push(&bytes);
                    } else {
                        invalid.insert(
                            name.clone(),
                            json!(hex(&original(&bytes, reader.encoding()))),
                        );
                        column.push_null();
                    }
                }
            }
        }
        for span in spans.iter().skip(self.layout.slots.len()) {
            if span.kind == FieldKind::Unclosed {
                unclosed = Some((None, *span));
                continue;
            }
            let bytes = reader.field(*span);
            extra.push(match String::from_utf8(bytes) {
                Ok(text) if text.is_empty() && span.kind == FieldKind::Plain => Value::Null,
                Ok(text) => json!(text),
                Err(e) => json!({"hex": hex(&original(e.as_bytes(), reader.encoding()))}),
            });
        }

        if let Some((slot, span)) = unclosed {
            reasons.push("unclosed_quote");
            if let Some(at) = slot {
                details.insert("column".to_owned(), json!(self.layout.columns[at].name));
            }
            let bytes = reader.field(span);
            let (key, value) = match String::from_utf8(bytes) {
                _ if !all_land => ("text_bytes", json!(span.end - span.start)),
                Ok(text) => ("text", json!(text)),
                Err(e) => (
                    "hex",
                    json!(hex(&original(e.as_bytes(), reader.encoding()))),
                ),
            };
            details.insert(key.to_owned(), value);
        } else if !missing.is_empty() || spans.len() < self.layout.slots.len() {
            reasons.push("missing_fields");
            details.insert("missing".to_owned(), Value::Array(missing));
        }
        if !extra.is_empty() {
            reasons.push("too_many_fields");
            let value = if all_land {
                Value::Array(extra)
            } else {
                json!(extra.len())
            };
            details.insert("extra".to_owned(), value);
        }
        if !stray.is_empty() {
            reasons.push("stray_quote");
            details.insert("stray".to_owned(), Value::Array(stray));
        }
        if !invalid.is_empty() {
            reasons.push("invalid_encoding");
            details.insert("encoding".to_owned(), json!(reader.encoding().name()));
            details.insert("bytes".to_owned(), Value::Object(invalid));
        }
        if reasons.is_empty() {
            return None;
        }
        let mut rescued = Map::new();
        rescued.insert("reason".to_owned(), json!(reasons.join(", ")));
        rescued.extend(details);
        Some(Value::Object(rescued).to_string())
    }

    /// The rows so far; none if there are none.
    pub(crate) fn finish(&mut self) -> Result<Option<RecordBatch>, SourceError> {
        if self.own.is_empty() {
            return Ok(None);
        }
        let columns = self.columns.iter_mut();
        let payload = columns
            .map(|column| Ok(Arc::new(column.finish()?) as ArrayRef))
            .collect::<Result<Vec<_>, SourceError>>()?;
        self.own.finish(&self.schema, payload).map(Some)
    }
}

/// The columns that every row of an object has beside its payload, being filled.
pub(crate) struct OwnColumns {
    object: String,
    op: &'static str,
    /// Order mark and a zero byte.
    seq_prefix: Vec<u8>,
    lines: Vec<i64>,
    rescued: TextColumn,
    bytes: usize,
    batch_rows: usize,
    pub(crate) rows: u64,
    pub(crate) rows_rescued: u64,
}

impl OwnColumns {
    pub(crate) fn new(object: &str, op: &'static str, mark: &str) -> Self {
        Self {
            object: object.to_owned(),
            op,
            seq_prefix: [mark.as_bytes(), &[0]].concat(),
            lines: Vec::with_capacity(BATCH_ROWS),
            rescued: TextColumn::default(),
            bytes: 0,
            batch_rows: BATCH_ROWS,
            rows: 0,
            rows_rescued: 0,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// A row that stands in this line and was made of so many bytes; true if the batch is full.
    #[inline]
    pub(crate) fn push(&mut self, line: u64, rescued: Option<&str>, bytes: usize) -> bool {
        match rescued {
            None => self.rescued.push_null(),
            Some(text) => {
                self.rescued.push(text.as_bytes());
                self.rows_rescued += 1;
            }
        }
        self.lines.push(line as i64);
        self.rows += 1;
        self.bytes += bytes;
        self.lines.len() >= self.batch_rows || self.bytes >= BATCH_BYTES
    }

    /// The rows so far with their payload; begins anew.
    pub(crate) fn finish(
        &mut self,
        schema: &SchemaRef,
        payload: Vec<ArrayRef>,
    ) -> Result<RecordBatch, SourceError> {
        let rows = self.lines.len();
        let mut arrays = payload;
        let length = self.seq_prefix.len() + 8;
        let mut seq = Vec::with_capacity(length * rows);
        let first = self.rows - rows as u64 + 1;
        for row in first..=self.rows {
            seq.extend_from_slice(&self.seq_prefix);
            seq.extend_from_slice(&row.to_be_bytes());
        }
        let offsets: Vec<i32> = (0..=rows).map(|i| (i * length) as i32).collect();
        arrays.push(Arc::new(
            BinaryArray::try_new(
                OffsetBuffer::new(ScalarBuffer::from(offsets)),
                Buffer::from_vec(seq),
                None,
            )
            .map_err(internal)?,
        ));
        arrays.push(Arc::new(constant(self.op, rows)?));
        arrays.push(Arc::new(constant(&self.object, rows)?));
        arrays.push(Arc::new(Int64Array::from(std::mem::replace(
            &mut self.lines,
            Vec::with_capacity(rows),
        ))));
        arrays.push(Arc::new(self.rescued.finish()?));
        self.bytes = 0;
        RecordBatch::try_new(Arc::clone(schema), arrays).map_err(internal)
    }
}
