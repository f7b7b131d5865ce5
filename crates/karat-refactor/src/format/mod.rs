//! The formats that files come in: each finds the texts in a file and what they are, and hands them to the reader.

use std::sync::Arc;

use crate::fragment::Fragment;
use crate::language::Language;
use crate::reader::Reader;

/// What a file is, judged by its name and its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// A Databricks notebook in source form, in its main language.
    SourceNotebook(Language),
    /// A plain program or script.
    Code(Language),
    /// A Jupyter notebook.
    Jupyter,
    /// JSON: pipelines, datasets, jobs, bundles, ARM exports, metadata.
    Json,
    /// YAML: bundles, jobs, metadata.
    Yaml,
    /// CSV: metadata.
    Csv,
    /// Prose: Markdown, plain text.
    Text,
}

/// Reads a whole file.
pub fn read(_reader: &mut Reader<'_>, _fragment: &Arc<Fragment>, _format: Format) {}
