//! What every language and format reports to, and where names are decided.
//!
//! A front end reads a [`Fragment`] and says what it sees: *here is a table*, *here a database*, *here a path*, *this stretch is a
//! comment*, *this inner text is SQL*, *this notebook runs that one*. The reader knows the mapping and the session, gives each
//! name its verdict and its edits, and keeps the session up to date. Front ends never edit and never look names up themselves.
//!
//! - `names`: written names and their parts.
//! - `table`, `database`, `path`: what names mean, and what becomes of them.
//! - `constant`: what the texts that fill a name would have to be.
//! - `passed`: names that are values which others read.
//! - `record`: what is kept of it.

mod constant;
mod database;
mod names;
mod passed;
mod path;
mod record;
mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::beside::Besides;
use crate::constants::{Decided, Place};
use crate::format::Format;
use crate::fragment::Fragment;
use crate::language::{self, Language};
use crate::mapping::Mapping;
use crate::occurrence::{Call, Found, Passed};
use crate::report::decisions::Decisions;
use crate::session::{Session, Value};
use crate::shape;
use crate::style::Styles;
use crate::words::Mentioned;

pub(crate) use constant::Wish;
pub use names::{NamePart, is_metastore, name_parts, notebook_key};
pub(crate) use names::{is_called_like_database, whole};
pub(crate) use passed::of_widget;

/// What is known about the estate as a whole before its notebooks are read.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// What pipelines, jobs and notebooks pass: notebook path (lower case, no leading slash, no extension), widget, values.
    pub passed: BTreeMap<String, BTreeMap<String, Value>>,
    /// What pipelines, datasets and linked services say.
    pub factory: crate::factory::Factory,
    /// Folders of SQL Server projects (`*.sqlproj`), with a slash at the end: their scripts are SQL Server's.
    pub sql_server_projects: Vec<String>,
    /// What becomes of texts that fill names, as far as that is decided.
    pub constants: Decided,
    /// `USE`s that are left to a person, each with a name that it would take along.
    pub(crate) uses_left: BTreeMap<Place, String>,
    /// What the names of an asset, by its path, may not be merged with.
    pub(crate) besides: BTreeMap<String, Arc<Besides>>,
}

/// The other notebooks of the estate, for `%run`.
pub trait Includes: Sync {
    /// The session after `target`, as written in `from`, has run in it; `None` if there is no such notebook, or it runs itself.
    fn after(&self, from: &str, target: &str, session: &Session) -> Option<Session>;

    /// What `target`, and what it runs, mention; `None` if that is not known.
    fn may_read(&self, _from: &str, _target: &str) -> Option<Arc<Mentioned>> {
        None
    }
}

/// An estate of one asset.
#[derive(Clone, Copy, Debug)]
pub struct NoIncludes;

impl Includes for NoIncludes {
    fn after(&self, _from: &str, _target: &str, _session: &Session) -> Option<Session> {
        None
    }
}

/// How names are to be written.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The style of the target.
    pub styles: Styles,
    /// Whether old names in comments are rewritten too.
    pub comments: bool,
    /// What people decided.
    pub decisions: Decisions,
    /// Whether reports are to have their issues, with lines; they need memory.
    pub issues: bool,
    /// Whether reports are to tell how texts parse.
    pub shapes: bool,
}

/// Reads one asset.
pub struct Reader<'e> {
    /// The mapping.
    pub mapping: &'e Mapping,
    /// How names are to be written.
    pub options: &'e Options,
    /// What is known about the estate.
    pub facts: &'e Facts,
    /// Path of the asset in the estate, with `/`.
    pub asset: &'e str,
    /// The session so far. Front ends may change it: `USE`, variables, widgets, temporary views.
    pub session: Session,
    /// What the programs of this asset's cells left: values, functions, and the literals whose uses are not settled yet.
    pub(crate) programs: language::State,
    /// The text of the asset, by its address; known when its first fragment is read.
    root: Option<usize>,
    includes: &'e dyn Includes,
    found: Found,
    depth: usize,
    /// What the asset is.
    pub(crate) format: Option<Format>,
    /// The cells in their order, or the whole text.
    pub(crate) cells: Vec<(Arc<Fragment>, Language)>,
    /// Where the name that is reported next stands in a SQL statement.
    pub(crate) spot: Spot,
    /// Where each occurrence stands in a SQL statement.
    spots: Vec<Spot>,
    /// What the name that is reported next would have its holes be filled with.
    wish: Option<Wish>,
    /// What names may not be merged with.
    besides: Arc<Besides>,
    /// Whether the database that is reported next is dropped.
    pub(crate) drops: bool,
    /// Tables of the metastore that are left to a person because they would be.
    merged: BTreeSet<String>,
    /// The holes of each occurrence.
    filled: Vec<constant::Filled>,
    ended: bool,
}

/// Where a name stands in a SQL statement, if it does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Spot {
    /// Not in a statement, or not as a name of its own.
    #[default]
    None,
    /// `IDENTIFIER(…)` may stand here.
    Identifier,
    /// It may not, and why.
    Literal(&'static str),
}

/// Texts nested deeper than this are left alone (and their candidates go to a person).
const DEPTH_MAX: usize = 24;

impl<'e> Reader<'e> {
    /// A reader for one asset, with the session it starts in.
    pub fn new(
        asset: &'e str,
        mapping: &'e Mapping,
        options: &'e Options,
        facts: &'e Facts,
        includes: &'e dyn Includes,
        session: Session,
    ) -> Self {
        Self {
            mapping,
            options,
            facts,
            asset,
            session,
            programs: language::State::default(),
            root: None,
            includes,
            found: Found::default(),
            depth: 0,
            format: None,
            cells: Vec::new(),
            spot: Spot::None,
            spots: Vec::new(),
            wish: None,
            besides: facts.besides.get(asset).cloned().unwrap_or_default(),
            drops: false,
            merged: BTreeSet::new(),
            filled: Vec::new(),
            ended: false,
        }
    }

    /// What was found, and the session at the end.
    pub fn finish(mut self) -> (Found, Session) {
        self.ended = true;
        language::finish(&mut self);
        (self.found, self.session)
    }

    /// Reads a nested text in its language.
    pub fn read(&mut self, fragment: &Arc<Fragment>, language: Language) {
        if self.depth >= DEPTH_MAX {
            return;
        }
        if self.depth == 0 && !self.ended {
            self.cells.push((Arc::clone(fragment), language));
        }
        self.depth += 1;
        self.root.get_or_insert_with(|| fragment.root_at(0));
        if self.options.shapes && self.is_own(fragment, 0) {
            let shapes = shape::of_code(fragment, language);
            self.found.shapes.extend(shapes);
        }
        language::read(self, fragment, language);
        self.depth -= 1;
    }

    /// `%run target`: the session afterwards is the one that the target leaves.
    pub fn run(&mut self, target: &str) {
        self.call(target, "%run");
        language::take_over(self);
        // Most notebooks run others before they have a variable.
        if self.programs.has_variables() {
            let words = self.includes.may_read(self.asset, target);
            language::shared(self, target, words.as_deref());
        }
        // What is behind what says nothing to the other one.
        let behind = std::mem::take(&mut self.session.uses.behind);
        match self.includes.after(self.asset, target, &self.session) {
            Some(session) => self.session = session,
            // What we cannot read may do anything to the session.
            None => {
                self.session.views_incomplete = true;
                self.session.database = Value::Unknown;
            }
        }
        self.session.uses.behind.extend(behind);
    }

    /// The asset calls another one.
    pub fn call(&mut self, target: &str, how: &str) {
        self.found.calls.push(Call {
            target: target.to_owned(),
            how: how.to_owned(),
        });
    }

    /// The asset passes a parameter to a notebook; `values` is empty if not known.
    pub fn passes(&mut self, notebook: &str, parameter: &str, values: Vec<String>) {
        self.found.passed.push(Passed {
            notebook: notebook.to_owned(),
            parameter: parameter.to_owned(),
            values,
        });
    }

    /// Whether the estate tells what a widget of this notebook is given.
    pub(crate) fn is_passed(&self, widget: &str) -> bool {
        self.facts
            .passed
            .get(&notebook_key(self.asset))
            .is_some_and(|parameters| parameters.contains_key(widget))
    }

    /// A widget of this notebook: what callers pass, and the default.
    pub fn widget(&mut self, name: &str, default: Value) {
        let passed = self
            .facts
            .passed
            .get(&notebook_key(self.asset))
            .and_then(|parameters| parameters.get(name))
            .cloned();
        let value = match passed {
            // An empty default is none: it is there so that the widget is shown.
            Some(passed) if default.only() == Some("") => passed,
            Some(passed) => passed.or(default),
            None => default,
        };
        self.session.widgets.insert(name.to_owned(), value);
    }
}
