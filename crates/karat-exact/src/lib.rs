//! Exact, deterministic SQL on Arrow: checked numbers, exact sums, fingerprints, and the guard that refuses what has no single answer.
//!
//! The only crate that names DataFusion.

pub mod error;
pub mod fingerprint;
mod numbers;
mod text;
pub mod types;

pub use error::{ExactError, SqlError, SqlErrorKind};
pub use fingerprint::Fingerprint;
pub use types::{float_columns, type_name};
