//! Where data comes from: what a feed asks for, what a source holds, and the rows of a load as Arrow batches (rules B1 to B8, F1, F3).
//!
//! Modules in the order data passes through them: [`feed`] says what is asked and what was planned; [`pattern`] reads the order mark of a path;
//! [`files`] lists, hashes and delivers objects; [`decode`] makes UTF-8 of their bytes; [`csv`] cuts it into rows; [`names`] folds column names;
//! [`rows`] builds the batches; [`sqlite`] reads a database file; [`inventory`] tells which feeds name nothing. What is done with the rows is left to others: this crate writes nothing.

pub mod csv;
pub mod decode;
mod discover;
pub mod error;
pub mod feed;
pub mod files;
pub mod inventory;
pub mod names;
pub mod pattern;
pub mod rows;
pub mod sqlite;

pub use error::{ErrorKind, SourceError};
pub use feed::{
    Column, Compression, CsvOptions, Cursor, Discovered, DiscoveredColumn, Encoding, FeedSpec,
    Known, KnownObject, Lag, Load, Mode, Object, Planned, ReadCount, SinkError, Source,
    SourceBatch, SourceConfig, TestReport,
};
pub use files::LATE_EXTRACT;
pub use inventory::{Found, Inventory};
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
        .hint("set `type: files` (CSV, TSV) or `type: sqlite`")),
    }
}
