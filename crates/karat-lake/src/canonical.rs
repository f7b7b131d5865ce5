//! Canonical layout v1: the same rows give the same bytes, on any machine, whatever batches they came in (SEMANTICS G8).
//!
//! The writer brings every column to its one spelling, cuts files and row groups at fixed row counts, and hands Parquet chunks of
//! exactly 8,192 rows counted from the start of each row group, since page and dictionary decisions fall on chunk borders.
//! A change that alters one byte of a golden file makes this canonical-2.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, ListArray, MapArray, RecordBatch, StructArray};
use arrow::compute::{CastOptions, cast_with_options, concat_batches};
use arrow::datatypes::{
    DataType, Date64Type, FieldRef, Schema, SchemaRef, TimeUnit, TimestampNanosecondType,
};
use karat_exact::Fingerprint;
use parquet::arrow::ArrowSchemaConverter;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::properties::{
    BloomFilterPosition, EnabledStatistics, WriterProperties, WriterVersion,
};
use sha2::{Digest, Sha256};

use crate::constant::Constants;
use crate::encode::{EncodedFile, Encoder};
use crate::folder::sync_dir;
use crate::iceberg::DataFile;
use crate::observe::Observer;
use crate::stats::ColumnStats;
use crate::worker::Worker;
use crate::{LakeError, failpoint, schema};

/// Rows in a chunk handed to Parquet.
pub(crate) const CHUNK_ROWS: usize = 8192;
const CREATED_BY: &str = "karat canonical-1";
const PAGE_BYTES: usize = 1024 * 1024;
/// Beyond this many bytes of different values a column chunk goes on without a dictionary, which would cost more than it saves.
const DICTIONARY_BYTES: usize = 128 * 1024;
const PAGE_ROWS: usize = 20_000;
const TRUNCATE_BYTES: usize = 64;
const ZSTD_LEVEL: i32 = 1;

/// Where files and row groups are cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// Rows in a file; the last has fewer.
    pub rows_per_file: usize,
    /// Rows in a row group; the last of a file has fewer.
    pub rows_per_group: usize,
}

impl Layout {
    /// Of tables in which a change rewrites the files that it touches: small ones, so that it rewrites little.
    pub const SMALL_FILES: Self = Self {
        rows_per_file: 131_072,
        rows_per_group: 131_072,
    };
}

impl Default for Layout {
    fn default() -> Self {
        Self {
            rows_per_file: 1_048_576,
            rows_per_group: 131_072,
        }
    }
}

/// What a manifest of Iceberg says of a file beside its rows and bytes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Named {
    /// Of a file that was written for this commit.
    Now {
        /// Statistics by field id.
        columns: Vec<ColumnStats>,
        /// The columns of the file with their field ids.
        physical: SchemaRef,
    },
    /// Of one that goes back into a table: as a version before said it. Delta says all of it in its statistics.
    Before(Option<Box<Before>>),
}

/// What a version of Iceberg said of a file.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Before {
    pub(crate) file: DataFile,
    /// The version's columns with their field ids, which are those in the file.
    pub(crate) numbered: Schema,
}

/// A data file that is on disk and waits for a commit.
#[derive(Debug, Clone, PartialEq)]
pub struct WrittenFile {
    /// Name in the table's folder: `{sha256}-{epoch}-{ordinal}.parquet`.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// SHA-256 of the bytes, 64 hex digits.
    pub sha256: String,
    /// Rows.
    pub rows: u64,
    /// Fingerprint of the rows, without the excluded columns.
    pub fingerprint: Fingerprint,
    /// Delta's statistics as JSON text.
    pub stats: String,
    pub(crate) named: Named,
    /// True if a file of this name, so with these bytes, was there before.
    pub existed: bool,
}

/// Writes rows, in the order given, into canonical files of one table folder.
///
/// Until [`CanonicalWriter::finish`] the files carry temporary names and are removed when the writer is dropped. Under its final
/// name a file is never removed here: another process that carries out the same load may have committed it already.
pub struct CanonicalWriter {
    dir: PathBuf,
    label: String,
    schema: SchemaRef,
    /// The schema with field ids, under which rows wait and are written.
    physical: SchemaRef,
    layout: Layout,
    /// A word before the epoch in the names of the files.
    writer: &'static str,
    epoch: i64,
    first_ordinal: u32,
    waiting: Vec<RecordBatch>,
    waiting_rows: usize,
    given_rows: u64,
    /// Rows given to the encoder for the file that is open.
    rows_in_file: usize,
    encoder: Worker<Encoder>,
    observer: Worker<Observer>,
}

impl CanonicalWriter {
    /// A writer for rows of `schema`; files are numbered from `first_ordinal`. The columns `fingerprint_exclude` stay out of the fingerprint.
    pub fn new(
        table_dir: PathBuf,
        schema: SchemaRef,
        layout: Layout,
        epoch: i64,
        first_ordinal: u32,
        fingerprint_exclude: &[&str],
    ) -> Result<Self, LakeError> {
        let label = label_of(&table_dir);
        if layout.rows_per_file == 0 || layout.rows_per_group == 0 {
            return Err(encode(
                &label,
                "a layout needs at least one row in a file and in a row group",
            ));
        }
        let schema = schema::canonical(&schema)?;
        let physical = schema::with_field_ids(&schema);
        let properties = properties(&physical, layout).map_err(|error| encode_by(&label, error))?;
        let exclude = fingerprint_exclude.iter().map(|&name| name.to_owned());
        let observer = Observer::new(
            label.clone(),
            Arc::clone(&physical),
            exclude.collect(),
            layout.rows_per_file,
        )?;
        let encoder = Encoder {
            dir: table_dir.clone(),
            label: label.clone(),
            physical: Arc::clone(&physical),
            properties,
            layout,
            constants: Constants::default(),
            open: None,
            syncing: None,
            closed: Vec::new(),
        };
        Ok(Self {
            dir: table_dir,
            label,
            schema,
            physical,
            layout,
            writer: "",
            epoch,
            first_ordinal,
            waiting: Vec::new(),
            waiting_rows: 0,
            given_rows: 0,
            rows_in_file: 0,
            encoder: Worker::new(encoder),
            observer: Worker::new(observer),
        })
    }

    /// Names the files `{sha256}-{writer}{epoch}-{ordinal}.parquet`: where a table has a second writer, its epochs are numbers of their own.
    #[must_use]
    pub fn of_writer(self, writer: &'static str) -> Self {
        Self { writer, ..self }
    }

    /// The schema as the files hold it and a commit must state it.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Appends rows. Columns are matched by place and must have the writer's names; types may be spelled otherwise.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<(), LakeError> {
        let batch = self.normalised(batch)?;
        if batch.num_rows() == 0 {
            return Ok(());
        }
        self.waiting_rows += batch.num_rows();
        self.given_rows += batch.num_rows() as u64;
        self.waiting.push(batch);
        loop {
            let wanted = self.next_chunk_rows();
            if self.waiting_rows < wanted {
                return Ok(());
            }
            let chunk = self.take(wanted)?;
            self.write_chunk(chunk)?;
        }
    }

    /// Writes what is left, gives the files their names and makes them durable. No rows, no files.
    pub fn finish(mut self) -> Result<Vec<WrittenFile>, LakeError> {
        while self.waiting_rows > 0 {
            let rows = self.waiting_rows.min(self.next_chunk_rows());
            let chunk = self.take(rows)?;
            self.write_chunk(chunk)?;
        }
        let encoded = self.encoder.finish()?;
        let observed = self.observer.finish()?;
        if encoded.len() != observed.len() {
            return Err(encode(&self.label, "its files were not all looked at"));
        }
        // Rows are counted where they come in, where they are looked at, and in the files themselves (G6).
        let mut written = 0;
        for (encoded, observed) in encoded.iter().zip(&observed) {
            check_rows(&self.label, observed.rows, encoded.rows)?;
            written += encoded.rows;
        }
        check_rows(&self.label, self.given_rows, written)?;
        failpoint::hit("files.before");
        let mut files = Vec::with_capacity(encoded.len());
        for (ordinal, (encoded, observed)) in
            (self.first_ordinal..).zip(encoded.into_iter().zip(observed))
        {
            let EncodedFile {
                temporary,
                size,
                sha256,
                rows,
            } = encoded;
            let path = format!("{sha256}-{}{}-{ordinal}.parquet", self.writer, self.epoch);
            let target = self.dir.join(&path);
            let existed = target.is_file();
            // Over an existing file too: same name is same bytes, and this heals one that was damaged.
            temporary
                .rename(&target)
                .map_err(LakeError::io("create", target))?;
            files.push(WrittenFile {
                path,
                size,
                sha256,
                rows,
                fingerprint: observed.fingerprint,
                stats: observed.stats,
                named: Named::Now {
                    columns: observed.columns,
                    physical: Arc::clone(&self.physical),
                },
                existed,
            });
        }
        if !files.is_empty() {
            sync_dir(&self.dir)?;
        }
        failpoint::hit("files.after");
        Ok(files)
    }

    /// Gives up: nothing that was written is left.
    pub fn abort(self) {
        drop(self);
    }

    fn normalised(&self, batch: &RecordBatch) -> Result<RecordBatch, LakeError> {
        let incoming = batch.schema_ref();
        let same_names = incoming.fields().len() == self.physical.fields().len()
            && incoming
                .fields()
                .iter()
                .zip(self.physical.fields())
                .all(|(left, right)| left.name() == right.name());
        if !same_names {
            return Err(encode(
                &self.label,
                "the rows have other columns than the table",
            ));
        }
        let mut columns = Vec::with_capacity(batch.num_columns());
        for (column, field) in batch.columns().iter().zip(self.physical.fields()) {
            let column = normalise(column, field.data_type())
                .map_err(|why| encode(&self.label, &format!("column `{}`: {why}", field.name())))?;
            columns.push(column);
        }
        RecordBatch::try_new(Arc::clone(&self.physical), columns)
            .map_err(|error| encode_by(&self.label, error))
    }

    /// Rows of the next chunk: up to the end of the chunk, of the row group and of the file.
    fn next_chunk_rows(&self) -> usize {
        let in_group = self.rows_in_file % self.layout.rows_per_group;
        CHUNK_ROWS
            .min(self.layout.rows_per_group - in_group)
            .min(self.layout.rows_per_file - self.rows_in_file)
    }

    fn take(&mut self, rows: usize) -> Result<RecordBatch, LakeError> {
        let mut parts = Vec::new();
        let mut missing = rows;
        let mut used = 0;
        for batch in &mut self.waiting {
            if missing == 0 {
                break;
            }
            let part = missing.min(batch.num_rows());
            parts.push(batch.slice(0, part));
            missing -= part;
            if part == batch.num_rows() {
                used += 1;
            } else {
                *batch = batch.slice(part, batch.num_rows() - part);
            }
        }
        self.waiting.drain(..used);
        self.waiting_rows -= rows;
        if parts.len() == 1 {
            return Ok(parts.remove(0));
        }
        concat_batches(&self.physical, &parts).map_err(|error| encode_by(&self.label, error))
    }

    fn write_chunk(&mut self, chunk: RecordBatch) -> Result<(), LakeError> {
        let chunk = failpoint::rows("writer.chunk", chunk);
        self.rows_in_file = (self.rows_in_file + chunk.num_rows()) % self.layout.rows_per_file;
        self.observer
            .take(failpoint::rows("writer.observer", chunk.clone()))?;
        self.encoder.take(failpoint::rows("writer.encoder", chunk))
    }
}

fn check_rows(label: &str, given: u64, written: u64) -> Result<(), LakeError> {
    if given == written {
        return Ok(());
    }
    Err(LakeError::Rows {
        table: label.to_owned(),
        given,
        written,
    })
}

/// Size and SHA-256 (64 hex digits) of a file.
pub fn hash_file(path: &Path) -> Result<(u64, String), LakeError> {
    let mut file = File::open(path).map_err(LakeError::io("read", path))?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 256 * 1024];
    let mut size = 0;
    loop {
        let read = match file.read(&mut buffer) {
            Ok(0) => return Ok((size, hex(&hash.finalize()))),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(LakeError::io("read", path)(error)),
        };
        hash.update(&buffer[..read]);
        size += read as u64;
    }
}

/// Every property that shapes bytes, stated for every column, so that no default of a later parquet version slips in.
pub(crate) fn properties(
    schema: &Schema,
    layout: Layout,
) -> Result<WriterProperties, parquet::errors::ParquetError> {
    let compression = Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL)?);
    let mut builder = WriterProperties::builder()
        .set_writer_version(WriterVersion::PARQUET_1_0)
        .set_created_by(CREATED_BY.into())
        .set_key_value_metadata(None)
        .set_sorting_columns(None)
        .set_max_row_group_row_count(Some(layout.rows_per_group))
        .set_max_row_group_bytes(None)
        .set_data_page_row_count_limit(PAGE_ROWS)
        .set_write_batch_size(1024)
        .set_bloom_filter_position(BloomFilterPosition::AfterRowGroup)
        .set_offset_index_disabled(false)
        .set_column_index_truncate_length(Some(TRUNCATE_BYTES))
        .set_statistics_truncate_length(Some(TRUNCATE_BYTES))
        .set_coerce_types(false)
        .set_write_path_in_schema(true)
        .set_content_defined_chunking(None)
        .set_compression(compression);
    let parquet = ArrowSchemaConverter::new().convert(schema)?;
    for column in parquet.columns() {
        let path = column.path().clone();
        builder = builder
            .set_column_encoding(path.clone(), Encoding::PLAIN)
            .set_column_compression(path.clone(), compression)
            .set_column_dictionary_enabled(path.clone(), true)
            .set_column_dictionary_page_size_limit(path.clone(), DICTIONARY_BYTES)
            .set_column_data_page_size_limit(path.clone(), PAGE_BYTES)
            .set_column_statistics_enabled(path.clone(), EnabledStatistics::Page)
            .set_column_write_page_header_statistics(path.clone(), false)
            .set_column_bloom_filter_enabled(path, false);
    }
    Ok(builder.build())
}

/// The column in its canonical type; the error says why not, without values.
fn normalise(column: &ArrayRef, target: &DataType) -> Result<ArrayRef, String> {
    if column.data_type() == target {
        return Ok(Arc::clone(column));
    }
    let other_type = || format!("its type is {}, the table has {target}", column.data_type());
    match (column.data_type(), target) {
        (DataType::Dictionary(_, values), _) => normalise(&cast(column, values)?, target),
        (DataType::RunEndEncoded(_, values), _) => {
            normalise(&cast(column, values.data_type())?, target)
        }
        (DataType::Timestamp(unit, from), DataType::Timestamp(_, to)) => {
            if from.is_some() != to.is_some() {
                return Err(other_type());
            }
            if *unit == TimeUnit::Nanosecond {
                let values = column.as_primitive::<TimestampNanosecondType>();
                if values.iter().flatten().any(|value| value % 1000 != 0) {
                    return Err("a timestamp is finer than a microsecond".into());
                }
            }
            cast(column, target)
        }
        (DataType::Date64, DataType::Date32) => {
            let values = column.as_primitive::<Date64Type>();
            if values.iter().flatten().any(|value| value % 86_400_000 != 0) {
                return Err("a date has a time of day".into());
            }
            cast(column, target)
        }
        (DataType::LargeUtf8 | DataType::Utf8View, DataType::Utf8)
        | (
            DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_),
            DataType::Binary,
        ) => cast(column, target),
        (
            DataType::Decimal32(precision, scale) | DataType::Decimal64(precision, scale),
            DataType::Decimal128(to, to_scale),
        ) if (precision, scale) == (to, to_scale) => cast(column, target),
        (DataType::Struct(from), DataType::Struct(to)) => {
            let same_names = from.len() == to.len()
                && from
                    .iter()
                    .zip(to)
                    .all(|(from, to)| from.name() == to.name());
            if !same_names {
                return Err(other_type());
            }
            normalise_struct(column.as_struct(), to)
        }
        (DataType::List(_), DataType::List(item)) => normalise_list(column.as_list::<i32>(), item),
        (
            DataType::LargeList(from)
            | DataType::FixedSizeList(from, _)
            | DataType::ListView(from)
            | DataType::LargeListView(from),
            DataType::List(item),
        ) => normalise_list(
            cast(column, &DataType::List(Arc::clone(from)))?.as_list::<i32>(),
            item,
        ),
        (DataType::Map(_, _), DataType::Map(entries, _)) => {
            let map: &MapArray = column.as_map();
            let DataType::Struct(pair) = entries.data_type() else {
                return Err(other_type());
            };
            let values = normalise_struct(map.entries(), pair)?;
            let map = MapArray::try_new(
                Arc::clone(entries),
                map.offsets().clone(),
                values.as_struct().clone(),
                map.nulls().cloned(),
                false,
            );
            Ok(Arc::new(map.map_err(|_| other_type())?))
        }
        _ => Err(other_type()),
    }
}

fn normalise_struct(
    array: &StructArray,
    fields: &arrow::datatypes::Fields,
) -> Result<ArrayRef, String> {
    let mut children = Vec::with_capacity(fields.len());
    for (child, field) in array.columns().iter().zip(fields) {
        children.push(normalise(child, field.data_type())?);
    }
    let array = StructArray::try_new(fields.clone(), children, array.nulls().cloned());
    Ok(Arc::new(array.map_err(|error| error.to_string())?))
}

fn normalise_list(array: &ListArray, item: &FieldRef) -> Result<ArrayRef, String> {
    let values = normalise(array.values(), item.data_type())?;
    let array = ListArray::try_new(
        Arc::clone(item),
        array.offsets().clone(),
        values,
        array.nulls().cloned(),
    );
    Ok(Arc::new(array.map_err(|error| error.to_string())?))
}

fn cast(column: &ArrayRef, target: &DataType) -> Result<ArrayRef, String> {
    let options = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    cast_with_options(column, target, &options)
        .map_err(|_| format!("a value does not fit {target}"))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        for digit in [byte >> 4, byte & 15] {
            text.push(char::from_digit(digit.into(), 16).unwrap_or('0'));
        }
    }
    text
}

/// The table's folder in the lake, for messages.
fn label_of(dir: &Path) -> String {
    let parts: Vec<_> = dir
        .components()
        .filter_map(|part| match part {
            std::path::Component::Normal(name) => Some(name.to_string_lossy()),
            _ => None,
        })
        .collect();
    parts[parts.len().saturating_sub(3)..].join("/")
}

fn encode(label: &str, why: &str) -> LakeError {
    LakeError::Encode {
        table: label.to_owned(),
        why: why.to_owned(),
        source: None,
    }
}

pub(crate) fn encode_by(
    label: &str,
    error: impl std::error::Error + Send + Sync + 'static,
) -> LakeError {
    LakeError::Encode {
        table: label.to_owned(),
        why: "the rows cannot be encoded".into(),
        source: Some(Box::new(error)),
    }
}
