//! Exact, deterministic SQL on Arrow: checked numbers, exact sums, fingerprints, and the guard that refuses what has no single answer.
//!
//! The only crate that names DataFusion. In the order of a query: [`Tables`] names what may be read, [`Engine::prepare`] plans it under
//! the guard, [`Engine::stream`] gives the rows in their one order. [`RowExpressions`] computes row by row with failures as values;
//! [`fingerprint`] compares contents.

mod accumulators;
mod aggregates;
mod arrow_types;
mod binning;
mod calendar;
mod calls;
mod carried;
mod checked;
mod choices;
mod conditions;
mod conversion;
mod damaged;
mod dictionary_aggregate;
mod digests;
mod double_stats;
mod doubles;
mod elementary;
mod engine;
pub mod error;
mod extremes;
mod failures;
pub mod fingerprint;
mod functions;
mod grouped_pages;
mod groups;
mod kept_joins;
mod keys;
mod latest;
mod memory;
mod missing;
mod moments;
mod named;
mod nested;
mod numbers;
mod order;
mod outcome;
mod outputs;
mod pages;
mod parameters;
mod plan_text;
mod planning;
mod query;
mod ranks;
mod rows;
mod run_memory;
mod scalar;
mod scan_filters;
mod series;
mod session;
mod sort;
mod stream;
mod tables;
mod text;
mod total;
pub mod trillion;
pub mod types;
mod vectors;
mod wide;
mod words;
mod yielding;
mod zones;

pub use calls::{wrong_calls_in_expression, wrong_calls_in_query};
pub use engine::{Engine, EngineConfig, check_time_zone};
pub use error::{ExactError, SqlError, SqlErrorKind};
pub use fingerprint::Fingerprint;
pub use functions::function_names;
pub use numbers::Rounding;
pub use outputs::output_place;
pub use parameters::Parameters;
pub use query::{Prepared, Purpose};
pub use rows::{Evaluated, RowExpressions};
pub use session::{TZDATA_VERSION, UNICODE_VERSION};
pub use sort::SortColumn;
pub use stream::batch_stream;
pub use tables::{DataFileRef, FileSet, Tables};
pub use types::{float_columns, type_name};

/// Rows as they come, in batches of one schema.
pub type BatchStream = datafusion::physical_plan::SendableRecordBatchStream;
