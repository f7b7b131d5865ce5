//! The languages that code is written in: one front end each.
//!
//! A front end is a function from a fragment to what it reports to the [`Reader`]: tables, databases, paths, regions that explain
//! what is no table, effects on the session, and inner texts in other languages. It never fails: what it cannot read it leaves,
//! and the independent scanner sends the candidates in it to a person.
//!
//! - [`literal`]: texts of Python, Scala and R, byte for byte.
//! - [`program`]: the small tree that the three are read into, by `python`, `scala` and `r`.
//! - `values`, `evaluate`: what texts a program builds, and where they end.
//! - [`calls`]: what the arguments of known calls are.
//! - `carried`: what programs leave to other notebooks.
//! - `constants`: texts that fill names elsewhere.
//! - `settle`: what is decided when all cells of an asset were read.
//! - `parameter`: catalogs that come from a widget, where the style asks for it.
//! - `shell`: shell scripts and cells.

pub mod calls;
mod carried;
mod constants;
pub(crate) mod evaluate;
pub mod literal;
mod parameter;
pub mod program;
pub mod python;
pub mod r;
pub mod scala;
mod settle;
mod shell;
mod sql;
pub(crate) mod syntax;
mod values;

use std::sync::Arc;

use crate::fragment::Fragment;
use crate::occurrence::{Means, NotATable};
use crate::reader::Reader;
use crate::session::Namespace;

pub(crate) use carried::{Carried, Sight};
pub(crate) use evaluate::{R_SOURCE, take_over};
pub(crate) use settle::{finish, shared};
pub(crate) use sql::{dialect, has_table_query, lexer, next_substitution};
pub(crate) use values::State;

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
        Language::Python => {
            let program = python::read(fragment.text());
            settle::read(reader, fragment, Namespace::Python, &program);
        }
        Language::Scala => {
            let program = scala::read(fragment.text());
            settle::read(reader, fragment, Namespace::Scala, &program);
        }
        Language::R => {
            let program = r::read(fragment.text());
            settle::read(reader, fragment, Namespace::R, &program);
        }
        Language::Shell => shell::read(reader, fragment),
        Language::Markdown => reader.region(
            fragment,
            0..fragment.text().len(),
            Means::NotATable(NotATable::Comment),
        ),
    }
}
