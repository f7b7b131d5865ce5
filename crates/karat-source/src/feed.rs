//! What a feed asks for, what is already known of it, and what a load will read: the words between a source and its caller.

use std::path::PathBuf;
use std::time::Duration;

use arrow::datatypes::DataType;
use arrow::record_batch::RecordBatch;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Inventory, SourceError};

/// One kind of source, opened.
pub trait Source: Send + Sync {
    /// `files` or `sqlite`.
    fn kind(&self) -> &'static str;
    /// Whether it can be reached at all.
    fn test(&self) -> Result<TestReport, SourceError>;
    /// What is there, and types for silver to propose. Reads a sample; a run never infers (B3).
    fn discover(&self, feed: Option<&FeedSpec>) -> Result<Vec<Discovered>, SourceError>;
    /// The names of all that is there, for any number of feeds. Reads no content.
    fn inventory(&self) -> Result<Inventory, SourceError>;
    /// A number that is another when what is there may be another, for any number of feeds. Reads no content; worth nothing beyond this process.
    fn pulse(&self) -> Result<u64, SourceError>;
    /// Lists, hashes and proves objects whole, or fixes the upper bound of a cursor: what the next loads will read. Reads no row.
    fn plan(&self, feed: &FeedSpec, from: &Known) -> Result<Planned, SourceError>;
    /// The columns of one object (files) or of the feed's table (`object` is none), before reading. None: the object holds no line.
    fn header(
        &self,
        feed: &FeedSpec,
        object: Option<&Object>,
    ) -> Result<Option<Vec<Column>>, SourceError>;
    /// Rows of a load before it is read, where they cost little: a database counts them; files are read for it if they have together no
    /// more than this many bytes.
    fn count(
        &self,
        feed: &FeedSpec,
        load: &Load,
        bytes_max: u64,
    ) -> Result<Option<u64>, SourceError>;
    /// Reads a load, object after object, row after row in a fixed order. Broken objects are skipped.
    fn read(
        &self,
        feed: &FeedSpec,
        load: &Load,
        sink: &mut dyn FnMut(SourceBatch) -> Result<(), SinkError>,
    ) -> Result<ReadCount, SourceError>;
}

/// What the receiver of a batch may answer.
pub type SinkError = Box<dyn std::error::Error + Send + Sync>;

/// Where a source is. Paths are absolute; time is told by the caller.
#[derive(Debug, Clone)]
pub struct SourceConfig {
    /// The folder (files) or the database file (sqlite).
    pub path: PathBuf,
    /// Wall clock in nanoseconds since 1970, for `stable_for`.
    pub now_ns: i64,
    /// How long to wait for a locked database.
    pub busy_wait: Duration,
}

impl SourceConfig {
    /// The source at this place.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            now_ns: 0,
            busy_wait: Duration::from_secs(5),
        }
    }
}

/// How a feed is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Each load is the whole content (B6).
    #[default]
    Full,
    /// Each load is what is new (B4, B7).
    Incremental,
}

impl Mode {
    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Incremental => "incremental",
        }
    }
}

/// A feed, as far as the source must know it.
#[derive(Debug, Clone, Default)]
pub struct FeedSpec {
    /// Its name.
    pub name: String,
    /// Table of a database.
    pub table: Option<String>,
    /// Glob of files, relative to the source's folder, with `/`.
    pub path: Option<String>,
    /// Full or incremental.
    pub mode: Mode,
    /// Key columns, folded or as the source spells them.
    pub key: Vec<String>,
    /// Cursor of an incremental feed of a database.
    pub cursor: Option<Cursor>,
    /// Whether rows are followed through their changes (`auto_cdc`): a cursor must then find them named by a key.
    pub followed: bool,
    /// What files are written in.
    pub format: Format,
    /// How text files are written.
    pub csv: CsvOptions,
    /// What is read of JSON.
    pub json: JsonOptions,
    /// What is read of a workbook.
    pub excel: ExcelOptions,
    /// How far packed files may grow, and what is read of an archive.
    pub unpack: Unpack,
    /// Without a header: the names of the fields. With one, or of a table: the columns that may land (B9).
    pub columns: Option<Vec<String>>,
    /// Texts that silver reads as null: a proposal of types passes over them.
    pub null_values: Vec<String>,
    /// Names, folded, that a header is expected to have: by them a file with another delimiter is known.
    pub known_columns: Vec<String>,
    /// Columns, folded, of which a header has one at least: a file with none of them is another file. None where that is not known.
    pub one_of_columns: Vec<String>,
    /// Regular expression with one group that captures the order mark from the path, by number where it may
    /// capture more digits or fewer; default the whole path, as text (B1).
    pub file_order: Option<String>,
    /// Full loads: files of one mark are parts of one load (B6).
    pub parts: bool,
    /// `on_duplicate: load`: content known under another path is loaded like any other (B4).
    pub on_duplicate_load: bool,
    /// `on_broken_object: stop`.
    pub on_broken_stop: bool,
    /// A file younger than this is left for the next load.
    pub stable_for: Option<Duration>,
    /// The file that says what is in each.
    pub control_file: Option<ControlFile>,
    /// The file that says that one is complete; a path as in [`ControlFile::path`].
    pub done_file: Option<String>,
}

/// A column whose greatest value tells how far a table has been read.
#[derive(Debug, Clone)]
pub struct Cursor {
    /// The column.
    pub column: String,
    /// How far behind the position rows may still appear.
    pub lag: Option<Lag>,
    /// `nulls: include`: rows without a cursor value are read with every load.
    pub nulls_include: bool,
}

/// A distance on a cursor.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Lag {
    /// For dates and timestamps kept as text.
    Time(Duration),
    /// For integer and real cursors.
    Number(i64),
}

/// What the files of a feed are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// Text with separators.
    #[default]
    Csv,
    /// Lines that are each a JSON document.
    Ndjson,
    /// JSON documents, most times one.
    Json,
    /// Parquet.
    Parquet,
    /// Avro object container files.
    Avro,
    /// Workbooks: xlsx, xlsb, xls, ods.
    Excel,
}

impl Format {
    /// Whether it is text, which may be packed.
    #[must_use]
    pub fn is_text(self) -> bool {
        matches!(self, Self::Csv | Self::Ndjson | Self::Json)
    }
}

/// How far packed files may grow, and what is read of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unpack {
    /// An object that grows to more than this many times its size is a broken one; a small one may.
    pub max_ratio: u64,
    /// So is one of more bytes.
    pub max_bytes: u64,
    /// Glob of the files in an archive that are read; none for all.
    pub members: Option<String>,
}

impl Default for Unpack {
    fn default() -> Self {
        Self {
            max_ratio: 250,
            max_bytes: 256 << 30,
            members: None,
        }
    }
}

/// What is read of a workbook.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExcelOptions {
    /// Name of the sheet, or its number from 1; none for the first that is visible.
    pub sheet: Option<String>,
    /// Row of the sheet, from 1, that names the columns; none for the first that holds something.
    pub header_row: Option<u32>,
    /// What is read of the sheet, like `A1:F`.
    pub range: Option<String>,
    /// Each cell that a merged one takes the place of has its value.
    pub fill_merged: bool,
}

/// What is read of a JSON file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonOptions {
    /// JSON Pointer to the records, `*` for each element of an array. None: each document, or each element of one that is an array.
    pub records: Option<String>,
    /// Column that keeps the record as it stands in the file.
    pub document: Option<String>,
    /// Columns and the pointer to each: from the record, or with `records` and a slash first from the document.
    pub columns: Option<Vec<(String, String)>>,
    /// A record of more bytes makes its object a broken one.
    pub max_record_bytes: usize,
}

impl Default for JsonOptions {
    fn default() -> Self {
        Self {
            records: None,
            document: None,
            columns: None,
            max_record_bytes: 64 << 20,
        }
    }
}

/// How a text file is written.
#[derive(Debug, Clone, PartialEq)]
pub struct CsvOptions {
    /// One or several characters.
    pub delimiter: String,
    /// None: `\n` or `\r\n`.
    pub terminator: Option<String>,
    /// None: nothing is quoted. A quote inside quotes is doubled.
    pub quote: Option<char>,
    /// The first line that is not blank names the columns.
    pub header: bool,
    /// A byte order mark wins over this.
    pub encoding: Encoding,
    /// How it is packed.
    pub compression: Compression,
    /// As SQL Server's bulk copy reads: a row ends at the terminator that follows its last column; one before that belongs to the field.
    pub terminator_in_fields: bool,
    /// A row of more bytes (of UTF-8) makes its object a broken one.
    pub max_line_bytes: usize,
    /// The record before the names and rows that is neither.
    pub header_record: Option<ControlRecord>,
    /// The record behind the rows that is none.
    pub trailer: Option<ControlRecord>,
}

impl CsvOptions {
    pub(crate) fn has_control_records(&self) -> bool {
        self.header_record.is_some() || self.trailer.is_some()
    }
}

impl Default for CsvOptions {
    fn default() -> Self {
        Self {
            delimiter: ",".to_owned(),
            terminator: None,
            quote: Some('"'),
            header: true,
            encoding: Encoding::Utf8,
            compression: Compression::Auto,
            terminator_in_fields: false,
            max_line_bytes: 64 << 20,
            header_record: None,
            trailer: None,
        }
    }
}

/// A record of a text file that is no row: what the sender says of the rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControlRecord {
    /// How it begins.
    pub starts_with: String,
    /// The field, from 1, with the number of rows.
    pub count: Option<usize>,
    /// Columns, folded, and the field with the sum of each.
    pub sums: Vec<(String, usize)>,
}

/// A file beside an object, with what the sender says of it. Without it the object is not complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControlFile {
    /// From the object's folder; `{name}` is the object's name, `{stem}` that without its last ending.
    pub path: String,
    /// How the line begins that is about the object; none for the first.
    pub starts_with: Option<String>,
    /// What separates its fields.
    pub delimiter: String,
    /// The field, from 1, with the number of rows.
    pub count: Option<usize>,
    /// Columns, folded, and the field with the sum of each.
    pub sums: Vec<(String, usize)>,
    /// The field with the SHA-256 of the file's bytes.
    pub sha256: Option<usize>,
}

/// The encoding of a text file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Encoding {
    /// UTF-8.
    #[default]
    Utf8,
    /// UTF-16; little endian if no byte order mark tells.
    Utf16,
    /// UTF-16, little endian.
    Utf16Le,
    /// UTF-16, big endian.
    Utf16Be,
    /// Windows-1252, as the web reads it: its five unassigned bytes are control characters.
    Windows1252,
}

impl Encoding {
    /// The encoding of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "utf-8" => Self::Utf8,
            "utf-16" => Self::Utf16,
            "utf-16le" => Self::Utf16Le,
            "utf-16be" => Self::Utf16Be,
            "windows-1252" => Self::Windows1252,
            _ => return None,
        })
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Utf8 => "utf-8",
            Self::Utf16 => "utf-16",
            Self::Utf16Le => "utf-16le",
            Self::Utf16Be => "utf-16be",
            Self::Windows1252 => "windows-1252",
        }
    }
}

/// How the bytes of a file are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compression {
    /// By its first bytes, else by its name.
    #[default]
    Auto,
    /// As it is.
    None,
    /// Gzip, of one or several members.
    Gzip,
    /// Zstandard, of one or several frames.
    Zstd,
    /// Bzip2, of one or several streams.
    Bzip2,
    /// A ZIP archive, whose members together are the object.
    Zip,
}

/// An object that bronze, or the list of broken ones, already has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownObject {
    /// Relative path.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// Time of change as the file system tells it.
    pub mtime_ns: i64,
    /// SHA-256, 64 hex digits.
    pub sha256: String,
    /// From 1; the same path with new content is the next.
    pub delivery: u32,
    /// Why it could not be read.
    pub broken: Option<String>,
}

/// How far a feed has been read.
#[derive(Debug, Clone)]
pub enum Known {
    /// Files, in both modes: all objects of earlier loads, all deliveries.
    Files(Vec<KnownObject>),
    /// A cursor: the `to` of the load before, or a bare value that a person set.
    Cursor(Option<Value>),
    /// A full load of a live source; `mark` is the load's logical time, as text that sorts.
    Full {
        /// The order mark.
        mark: String,
    },
}

/// One object of a load.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Object {
    /// Relative path.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// Time of change as the file system tells it.
    pub mtime_ns: i64,
    /// SHA-256 of the file's bytes, 64 hex digits.
    pub sha256: String,
    /// From 1; the same path with new content is the next.
    pub delivery: u32,
    /// The path that brought the same content before, or that comes first in `file_order`.
    pub duplicate_of: Option<String>,
    /// Why it cannot be read; it is listed and skipped.
    pub broken: Option<String>,
    /// What `file_order` captured.
    pub mark: String,
}

impl From<Object> for KnownObject {
    fn from(o: Object) -> Self {
        Self {
            path: o.path,
            size: o.size,
            mtime_ns: o.mtime_ns,
            sha256: o.sha256,
            delivery: o.delivery,
            broken: o.broken,
        }
    }
}

/// A file that is left for a later load.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Relative path.
    pub path: String,
    /// Why, as it goes on after the path: `is being written`.
    pub why: String,
}

impl Planned {
    pub(crate) fn wait(&mut self, path: &str, why: &str) {
        self.waiting.push(Waiting {
            path: path.to_owned(),
            why: why.to_owned(),
        });
    }
}

/// What the next loads will read.
#[derive(Debug, Clone, Default)]
pub struct Planned {
    /// Incremental: one with all that is new, or none. Full: one a file (or a mark, with `parts`), in mark order.
    pub loads: Vec<Load>,
    /// Full extracts older than the newest loaded: held (B6).
    pub late: Vec<Object>,
    /// Files that are not complete yet.
    pub waiting: Vec<Waiting>,
    /// Known objects with a new time of change and the same content: nothing to load, but cheaper next time if the caller keeps it.
    pub touched: Vec<KnownObject>,
    /// For a person.
    pub warnings: Vec<String>,
}

/// One load: what an intent fixes.
#[derive(Debug, Clone, Default)]
pub struct Load {
    /// Files: the objects, in the order of reading, broken ones included.
    pub objects: Vec<Object>,
    /// Position before.
    pub from: Value,
    /// Position after.
    pub to: Value,
    /// Columns of the first object that can be read, or of the table.
    pub header: Option<Vec<Column>>,
    /// Full loads: the order mark.
    pub mark: Option<String>,
    /// Cursor loads: the epoch, which ends `_seq`; set by the caller before reading. Without it, see [`crate::with_epoch`].
    pub epoch: Option<i64>,
}

impl Load {
    /// Whether it has rows to give. A full load with a broken part has none: half an extract would read as deletes.
    #[must_use]
    pub fn is_readable(&self, mode: Mode) -> bool {
        match mode {
            _ if self.objects.is_empty() => true,
            Mode::Full => self.objects.iter().all(|o| o.broken.is_none()),
            Mode::Incremental => self.objects.iter().any(|o| o.broken.is_none()),
        }
    }
}

/// A column of the payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Folded (F3).
    pub name: String,
    /// As the source spells it.
    pub source_name: String,
    /// Type in bronze (B3).
    pub data_type: DataType,
}

/// Rows of one object (or table).
#[derive(Debug, Clone)]
pub struct SourceBatch {
    /// Index in the load's objects; none for a database.
    pub object: Option<usize>,
    /// Payload, then `_seq _op _object _row _rescued`.
    pub batch: RecordBatch,
}

/// What a read counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReadCount {
    /// Rows handed over.
    pub rows: u64,
    /// Of these, rows with `_rescued`.
    pub rescued: u64,
    /// Blank lines skipped.
    pub blank_lines: u64,
    /// Bytes of the objects read, as they lie on disk.
    pub bytes: u64,
    /// Rows of each object of the load; broken ones have 0.
    pub object_rows: Vec<u64>,
}

/// What `source test` found.
#[derive(Debug, Clone, Default)]
pub struct TestReport {
    /// One line.
    pub summary: String,
    /// More lines.
    pub details: Vec<String>,
}

/// A table or file set that could be a feed.
#[derive(Debug, Clone)]
pub struct Discovered {
    /// Table name or path.
    pub name: String,
    /// Its columns.
    pub columns: Vec<DiscoveredColumn>,
    /// `full` or `incremental`.
    pub mode_hint: String,
    /// Declared primary key, folded.
    pub key_hint: Vec<String>,
    /// The keys of a feed of it in `domain.yaml` but for `source`, as one line; none where a feed was asked for.
    pub feed_hint: Option<String>,
    /// For a person.
    pub notes: Vec<String>,
}

/// One column of it.
#[derive(Debug, Clone)]
pub struct DiscoveredColumn {
    /// Folded.
    pub name: String,
    /// As the source spells it.
    pub source_name: String,
    /// As the source declares it; `text` for files.
    pub source_type: String,
    /// SQL expression for silver.
    pub proposed: String,
    /// Whether it is a double that no decimal holds: silver takes it only with `allow_float`.
    pub stays_double: bool,
}
