//! The formats that files come in: each finds the texts in a file and what they are, and hands them to the reader.
//!
//! - [`notebook`]: Databricks notebooks in source form, and cells with their magic.
//! - [`jupyter`]: Jupyter notebooks.
//! - [`archive`]: members of `.dbc` archives.
//! - `tree`: JSON and YAML as one kind of tree; `yaml_scalar`: how YAML writes texts.
//! - `json`, `yaml`: those files; [`crate::factory`] reads pipelines.
//! - [`databricks`]: jobs, declarative pipelines, bundles.
//! - `metadata`: other files that hold names; `suspect`: names whose use is not known.

mod archive;
pub mod databricks;
mod json;
mod jupyter;
mod metadata;
pub mod notebook;
pub(crate) mod suspect;
pub(crate) mod tree;
mod yaml;
mod yaml_scalar;

pub(crate) use yaml::parse as yaml_tree;

use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::fragment::Fragment;
use crate::language::{Language, dialect};
use crate::occurrence::{Doubt, Means, NotATable, Severity};
use crate::reader::Reader;

/// What a file is, judged by its name and its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// A Databricks notebook in source form, in its main language.
    SourceNotebook(Language),
    /// A plain program or script.
    Code(Language),
    /// A Jupyter notebook.
    Jupyter,
    /// A notebook in a `.dbc` archive.
    Archived,
    /// JSON: pipelines, datasets, jobs, bundles, ARM exports, metadata.
    Json,
    /// YAML: bundles, jobs, metadata.
    Yaml,
    /// CSV: metadata.
    Csv,
    /// Prose: Markdown, plain text.
    Text,
    /// Text that karat has no reader for; only the independent scanner looks at it.
    Other,
}

impl Format {
    /// What the file is called in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::SourceNotebook(_) => "source notebook",
            Self::Code(_) => "code",
            Self::Jupyter => "Jupyter notebook",
            Self::Archived => "notebook of an archive",
            Self::Json => "JSON",
            Self::Yaml => "YAML",
            Self::Csv => "CSV",
            Self::Text => "text",
            Self::Other => "other text",
        }
    }

    /// The format of a file by its name and text.
    pub fn of(path: &str, text: &str) -> Self {
        if path.to_ascii_lowercase().contains(".dbc!/") {
            return Self::Archived;
        }
        let name = path.rsplit('/').next().unwrap_or(path);
        let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
        let language = match extension.to_ascii_lowercase().as_str() {
            "py" => Some(Language::Python),
            "sql" | "hql" | "ddl" => Some(Language::Sql),
            "scala" | "sc" => Some(Language::Scala),
            "r" => Some(Language::R),
            "sh" | "bash" => Some(Language::Shell),
            "ipynb" => return Self::Jupyter,
            "json" => return Self::Json,
            "yml" | "yaml" => return Self::Yaml,
            "csv" | "tsv" => return Self::Csv,
            "md" | "rst" | "txt" | "html" | "htm" => return Self::Text,
            _ => None,
        };
        match (notebook::main_language(text, language), language) {
            (Some(main), _) => Self::SourceNotebook(main),
            (None, Some(language)) => Self::Code(language),
            (None, None) => Self::Other,
        }
    }
}

/// Reads a whole file.
pub fn read(reader: &mut Reader<'_>, fragment: &Arc<Fragment>, format: Format) {
    match format {
        Format::SourceNotebook(language) => notebook::read(reader, fragment, language),
        Format::Code(Language::Sql) => dialect::read(reader, fragment),
        Format::Code(language) => reader.read(fragment, language),
        Format::Jupyter => jupyter::read(reader, fragment),
        Format::Archived => archive::read(reader, fragment),
        Format::Text => {
            let whole = 0..fragment.text().len();
            reader.region(fragment, whole, Means::NotATable(NotATable::Comment));
        }
        Format::Json => json::read(reader, fragment),
        Format::Yaml => yaml::read(reader, fragment),
        Format::Csv => metadata::read_csv(reader, fragment),
        Format::Other => {}
    }
}

/// A file that is not what its name says.
pub const UNREADABLE: &str = "file/unreadable";

/// Tells where a file is broken; all candidates in it go to a person.
fn unreadable(
    reader: &mut Reader<'_>,
    file: &Arc<Fragment>,
    language: &str,
    broken: &tree::Broken,
) {
    let text = file.text();
    let start = broken.at.min(text.len());
    let start = (0..=start)
        .rev()
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or(0);
    let end = start + text[start..].chars().next().map_or(0, char::len_utf8);
    let message = format!("this file is no valid {language}: {}", broken.message);
    let doubt = Doubt::new(UNREADABLE, message);
    reader.region(file, 0..text.len(), Means::NeedsPerson(doubt.clone()));
    reader.finding(file, start..end, Severity::Warning, doubt);
}

/// A stretch of a file that is a comment.
fn comment(reader: &mut Reader<'_>, file: &Arc<Fragment>, range: Range<usize>) {
    reader.region(file, range, Means::NotATable(NotATable::Comment));
}
