//! Code and pipelines from `database.table` to `catalog.schema.table`: bytes of names are edited, nothing is ever printed anew.
//!
//! No file is opened and no clock is read outside [`walk`]; every decision is a function of texts. Data passes through the modules in this order:
//!
//! - [`mapping`]: old names and paths to new ones.
//! - [`fragment`]: nested text with the way back to the file; the one mechanism for every nesting.
//! - [`language`]: one front end a language.
//! - [`factory`]: Data Factory and Synapse, with an expression language of their own.
//! - [`session`]: what is current while a notebook is read; [`words`]: what a notebook may see of it.
//! - `notebooks`: the notebooks of an estate, and the sessions that they leave.
//! - [`reader`]: what front ends report to; decides names.
//! - [`occurrence`]: what was found, with its verdict.
//! - [`constants`]: texts that fill names elsewhere; whether they may change.
//! - `current`: the names that a `USE` takes along.
//! - `beside`: new names that the code has already.
//! - [`edit`]: edits of an asset's text.
//! - [`json`]: JSON as it stands in a file, with the bytes of every string.
//! - [`rules`]: code that breaks on three-part names or that Unity Catalog refuses.
//! - [`style`]: how new names are written.
//! - [`lineage`]: the tables that an asset reads and writes, before and after.
//! - [`shape`]: how the texts of an asset parse, without the names in them.
//! - [`verify`]: judges anybody's edits; [`proof`]: what was done, and whether what a proof says holds.
//!
//! # How a front end joins
//!
//! Write `language/NAME.rs` (code) or `format/NAME.rs` (files that hold code) with `pub(crate) fn read(reader: &mut Reader<'_>,
//! fragment: &Arc<Fragment>)`, and call it from [`language::read`] or [`format::read`]. It reports everything to the reader:
//!
//! - a table: [`Reader::table`], or [`Reader::table_text`] for a string that is a name as a whole;
//! - a database or path: [`Reader::database`], [`Reader::path`];
//! - inner text: build a [`Fragment`] with [`Fragment::inside`] (verbatim stretches, escape sequences, holes for values that are
//!   decided at run time, and an [`Escape`] that writes replacements), then [`Reader::read`] it;
//! - what is no table: [`Reader::not_a_table`] for one place, [`Reader::region`] for stretches (all comments, string data, code);
//! - code that breaks on three-part names or that Unity Catalog refuses: [`Reader::finding`];
//! - the session: change [`Reader::session`]; `%run`: [`Reader::run`]; calls: [`Reader::call`], [`Reader::passes`], [`Reader::widget`].

pub mod asset;
mod beside;
pub mod candidates;
pub mod constants;
mod current;
pub mod edit;
pub mod estate;
pub mod factory;
pub mod format;
pub mod fragment;
pub mod json;
pub mod language;
pub mod lineage;
pub mod mapping;
mod notebooks;
pub mod occurrence;
pub mod packed;
pub mod patch;
pub mod proof;
pub mod reader;
pub mod report;
pub mod rules;
pub mod session;
pub mod shape;
pub mod style;
pub mod text;
pub mod verify;
pub mod walk;
pub mod words;

pub use edit::Edit;
pub use fragment::{Escape, Fragment, Hole, Plain, Refusal};
pub use mapping::{Mapping, NewTable, OldTable};
pub use occurrence::{
    Call, Doubt, Finding, Found, Means, NotATable, Occurrence, Passed, Region, Role, Severity,
    Subject, Verdict, rule,
};
pub use reader::{Facts, Includes, NamePart, NoIncludes, Options, Reader};
pub use session::{Namespace, Session, Value};
