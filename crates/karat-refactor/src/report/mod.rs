//! What a scan found, for people and machines: pure functions from reports of assets to texts.
//!
//! - [`issue`]: everything open or rewritten, with its line and a fingerprint that survives moved lines.
//! - [`owners`]: who owns what, by CODEOWNERS.
//! - [`decisions`]: what people decided, remembered.
//! - [`baseline`]: what is known already, so that CI fails on new names only.
//! - [`graph`]: who reads, writes and runs what, and in which order to work.
//! - [`overview`]: scores, owners and order, of all assets and tables.
//! - [`html`], [`tables`], [`sarif`]: the overview as one page, as CSV and JSON, and for code scanners.

pub mod baseline;
pub mod decisions;
pub mod graph;
pub mod html;
pub mod issue;
pub mod overview;
pub mod owners;
pub mod sarif;
pub mod tables;

pub use issue::{Issue, IssueKind, issues};
pub use overview::Overview;
