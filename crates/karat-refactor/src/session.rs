//! What a session knows while a notebook is read from top to bottom: the current database, temporary views, variables, widgets.
//!
//! It goes on across cells, languages and `%run`. It holds facts only; what they mean for a name is decided in [`crate::reader`].

use std::collections::{BTreeMap, BTreeSet};

use crate::current::{Place, Uses};

/// What a variable, widget or parameter can be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Value {
    /// Anything.
    #[default]
    Unknown,
    /// One of these texts.
    OneOf(BTreeSet<String>),
}

impl Value {
    /// Exactly this text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::OneOf(BTreeSet::from([text.into()]))
    }

    /// Either this or that; more than 64 texts are as good as anything.
    pub fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::OneOf(mut these), Self::OneOf(those)) => {
                these.extend(those);
                if these.len() > 64 {
                    Self::Unknown
                } else {
                    Self::OneOf(these)
                }
            }
            _ => Self::Unknown,
        }
    }

    /// The texts it can be; empty if not known.
    pub fn texts(&self) -> Vec<String> {
        match self {
            Self::Unknown => Vec::new(),
            Self::OneOf(texts) => texts.iter().cloned().collect(),
        }
    }

    /// The text, if there is only one.
    pub fn only(&self) -> Option<&str> {
        match self {
            Self::OneOf(texts) if texts.len() == 1 => texts.first().map(String::as_str),
            _ => None,
        }
    }
}

/// Which language a variable belongs to: they do not share variables, but they share the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Namespace {
    /// Python.
    Python,
    /// Scala.
    Scala,
    /// R.
    R,
    /// `spark.conf`, read by SQL as `${name}` too.
    Conf,
    /// SQL session variables.
    Sql,
}

/// The state of a session.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Session {
    /// The current catalog in lower case; `None` is the metastore's own (`hive_metastore`, `spark_catalog`).
    pub catalog: Option<String>,
    /// The current database. At the start of a notebook that nobody includes: `default`.
    pub database: Value,
    /// Names of temporary views in lower case.
    pub temporary_views: BTreeSet<String>,
    /// Variables by language and name.
    pub variables: BTreeMap<(Namespace, String), Value>,
    /// Widgets by name, with what callers pass or the default.
    pub widgets: BTreeMap<String, Value>,
    /// Functions and values of the programs that ran before, in included notebooks.
    pub(crate) carried: crate::language::Carried,
    /// Whether anything was done that makes the list of temporary views incomplete.
    pub views_incomplete: bool,
    /// The `USE`s behind which names are looked up.
    pub(crate) uses: Uses,
}

impl Session {
    /// A new session of the metastore: `default` is current.
    pub fn new() -> Self {
        Self {
            database: Value::text("default"),
            ..Self::default()
        }
    }
}

/// What a branch of a program may change of the session, apart from the variables of its own language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Current {
    catalog: Option<String>,
    database: Value,
    temporary_views: BTreeSet<String>,
    views_incomplete: bool,
    settings: BTreeMap<String, Value>,
    uses: BTreeSet<Place>,
}

impl Current {
    /// What is current after one of two ways, and it is not known which.
    pub(crate) fn or(self, other: Self) -> Self {
        let catalog = match (self.catalog, other.catalog) {
            (Some(this), Some(that)) if this != that => Some("?".to_owned()),
            (this, that) => this.or(that),
        };
        let mut temporary_views = self.temporary_views;
        temporary_views.extend(other.temporary_views);
        let mut uses = self.uses;
        uses.extend(other.uses);
        let mut settings = self.settings;
        for (name, value) in other.settings {
            let joined = match settings.remove(&name) {
                Some(this) => this.or(value),
                // Not set on the other way: whoever reads it came this way.
                None => value,
            };
            settings.insert(name, joined);
        }
        Self {
            catalog,
            database: self.database.or(other.database),
            temporary_views,
            views_incomplete: self.views_incomplete || other.views_incomplete,
            settings,
            uses,
        }
    }
}

impl Session {
    pub(crate) fn current(&self) -> Current {
        let settings = self
            .variables
            .iter()
            .filter(|((of, _), _)| *of == Namespace::Conf)
            .map(|((_, name), value)| (name.clone(), value.clone()))
            .collect();
        Current {
            catalog: self.catalog.clone(),
            database: self.database.clone(),
            temporary_views: self.temporary_views.clone(),
            views_incomplete: self.views_incomplete,
            settings,
            uses: self.uses.last.clone(),
        }
    }

    pub(crate) fn make_current(&mut self, current: Current) {
        self.catalog = current.catalog;
        self.database = current.database;
        self.temporary_views = current.temporary_views;
        self.views_incomplete = current.views_incomplete;
        self.uses.last = current.uses;
        self.variables.retain(|(of, _), _| *of != Namespace::Conf);
        let settings = current.settings.into_iter();
        self.variables
            .extend(settings.map(|(name, value)| ((Namespace::Conf, name), value)));
    }
}
