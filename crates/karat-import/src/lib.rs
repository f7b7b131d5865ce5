//! Projects of other tools as projects of karat: text in, text out, and a line for everything that has no place.
//!
//! Nothing is guessed: what would mean something else is left out and listed, with what reads it. No clock, no environment, no
//! network; [`folder`] reads the files, and [`import::Import::write`] writes them.
//!
//! The modules in the order data passes through them:
//!
//! - [`folder`]: the files of a project.
//! - `tree`: YAML and JSON with lines.
//! - `jinja`: dbt's templates, where they are plain.
//! - `sql`: SQL of other engines in karat's dialect.
//! - `dbt`: a project of dbt.
//! - `dlt`: SQL of Delta Live Tables.
//! - `sdp_meta`: onboarding files of sdp-meta, as statements of a pipeline.
//! - `outline`: the project to be: feeds, models, checks, with where each came from.
//! - `yaml_text`: texts as YAML has them.
//! - [`import`]: what came of it: files, what was mapped, what was not.

mod dbt;
mod dlt;
pub mod folder;
pub mod import;
mod jinja;
mod outline;
mod sdp_meta;
mod sql;
mod tree;
mod yaml_text;

pub use crate::sql::Dialect;
pub use dbt::{Settings as DbtSettings, import as dbt};
pub use dlt::import as dlt;
pub use folder::Folder;
pub use import::{Counts, Finding, Import, ImportError, Item, Rejection, Weight};
pub use sdp_meta::import as sdp_meta;
