//! Exact, deterministic SQL on Arrow: checked numbers, exact sums, fingerprints, and the guard that refuses what has no single answer.
//!
//! The only crate that names DataFusion.

mod aggregates;
mod calendar;
mod checked;
mod conditions;
mod conversion;
mod doubles;
pub mod error;
pub mod fingerprint;
mod functions;
mod named;
mod numbers;
mod planning;
mod rows;
mod session;
mod text;
pub mod types;

pub use error::{ExactError, SqlError, SqlErrorKind};
pub use fingerprint::Fingerprint;
pub use numbers::Rounding;
pub use rows::{Evaluated, RowExpressions};
pub use session::{TZDATA_VERSION, UNICODE_VERSION};
pub use types::{float_columns, type_name};
