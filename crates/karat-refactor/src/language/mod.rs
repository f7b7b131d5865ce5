//! The languages that code is written in: one front end each.
//!
//! A front end is a function from a fragment to what it reports to the [`Reader`]: tables, databases, paths, regions that explain
//! what is no table, effects on the session, and inner texts in other languages. It never fails: what it cannot read it leaves,
//! and the independent scanner sends the candidates in it to a person.

mod sql;

use std::sync::Arc;

use crate::fragment::Fragment;
use crate::occurrence::{Means, NotATable};
use crate::reader::Reader;

/// A language.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Language {
    /// Databricks SQL, any number of statements.
    Sql,
    /// Python.
    Python,
    /// Scala.
    Scala,
    /// R.
    R,
    /// A shell script.
    Shell,
    /// Prose.
    Markdown,
}

/// Reads a fragment in its language.
pub fn read(reader: &mut Reader<'_>, fragment: &Arc<Fragment>, language: Language) {
    match language {
        Language::Sql => sql::read(reader, fragment),
        Language::Python => {}
        Language::Scala => {}
        Language::R => {}
        Language::Shell => {}
        Language::Markdown => reader.region(
            fragment,
            0..fragment.text().len(),
            Means::NotATable(NotATable::Comment),
        ),
    }
}
