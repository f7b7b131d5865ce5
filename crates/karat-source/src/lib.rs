//! Where data comes from: what a feed asks for, what a source holds, and the rows of a load as Arrow batches (rules B1 to B8, F1, F3).
//!
//! Modules in the order data passes through them: [`feed`] says what is asked and what was planned; [`pattern`] reads the order mark of a path;
//! [`files`] lists, hashes and delivers objects, `packed` unpacks them, `format` says what each format does with one; [`decode`] makes UTF-8 of
//! their bytes; [`csv`] cuts it into rows, `csv_file` those of one object, `control` holds them against what the sender says of them, `json` and `json_file` do so with JSON, `parquet_file` and `avro_file` with Parquet and Avro,
//! whose types `typed` brings into bronze, `excel_file` with workbooks; [`names`] folds column names;
//! [`rows`] builds the batches; [`sqlite`] reads a database file, `text_order` finds cursors of text that do not sort; [`inventory`] tells which feeds name nothing. What is done with the rows is left to others: this crate writes nothing.

mod avro_file;
mod control;
pub mod csv;
mod csv_file;
pub mod decode;
mod discover;
pub mod error;
mod excel_file;
pub mod feed;
pub mod files;
mod format;
pub mod inventory;
mod json;
mod json_file;
pub mod names;
mod packed;
mod parquet_file;
pub mod pattern;
mod pulse;
pub mod rows;
pub mod sqlite;
mod text_order;
mod typed;

pub use error::{ErrorKind, SourceError};
pub use feed::{
    Column, Compression, ControlFile, ControlRecord, CsvOptions, Cursor, Discovered,
    DiscoveredColumn, Encoding, ExcelOptions, FeedSpec, Format, JsonOptions, Known, KnownObject,
    Lag, Load, Mode, Object, Planned, ReadCount, SinkError, Source, SourceBatch, SourceConfig,
    TestReport, Unpack, Waiting,
};
pub use files::{LATE_EXTRACT, not_looked_at};
pub use inventory::{Found, Inventory};
pub use pulse::Pulse;
pub use rows::{epoch_bytes, with_epoch};

/// Opens a source of the type that the project names (`type:` of a source).
pub fn open_source(kind: &str, config: &SourceConfig) -> Result<Box<dyn Source>, SourceError> {
    match kind {
        "files" => Ok(Box::new(files::Files::open(config)?)),
        "sqlite" => Ok(Box::new(sqlite::Sqlite::open(config)?)),
        other => Err(SourceError::new(
            ErrorKind::Config,
            format!("cannot open a source of type `{other}`: karat reads `files` and `sqlite`"),
        )
        .hint("set `type: files` or `type: sqlite`")),
    }
}
