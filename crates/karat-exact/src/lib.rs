//! Exact, deterministic SQL on Arrow: checked numbers, exact sums, fingerprints, and the guard that refuses what has no single answer.
//!
//! The only crate that names DataFusion. In the order of a query: [`Tables`] names what may be read, [`Engine::prepare`] plans it under
//! the guard, [`Engine::stream`] gives the rows in their one order. [`RowExpressions`] computes row by row with failures as values;
//! [`fingerprint`] compares contents.

mod aggregates;
mod calendar;
mod checked;
mod conditions;
mod conversion;
mod dictionary_aggregate;
mod double_stats;
mod doubles;
mod engine;
pub mod error;
mod extremes;
pub mod fingerprint;
mod functions;
mod grouped_pages;
mod groups;
mod keys;
mod latest;
mod named;
mod numbers;
mod order;
mod pages;
mod planning;
mod query;
mod refusals;
mod rows;
mod session;
mod stream;
mod tables;
mod text;
pub mod trillion;
pub mod types;

pub use engine::{Engine, EngineConfig};
pub use error::{ExactError, SqlError, SqlErrorKind};
pub use fingerprint::Fingerprint;
pub use numbers::Rounding;
pub use query::{Prepared, Purpose};
pub use refusals::{refused_in_expression, refused_in_query};
pub use rows::{Evaluated, RowExpressions};
pub use session::{TZDATA_VERSION, UNICODE_VERSION};
pub use stream::{SortColumn, batch_stream};
pub use tables::{DataFileRef, FileSet, Tables};
pub use types::{float_columns, type_name};

/// Rows as they come, in batches of one schema.
pub type BatchStream = datafusion::physical_plan::SendableRecordBatchStream;
