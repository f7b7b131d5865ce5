//! What a session knows while a notebook is read from top to bottom: the current database, temporary views, variables, widgets.
//!
//! It goes on across cells, languages and `%run`. It holds facts only; what they mean for a name is decided in [`crate::reader`].

use std::collections::{BTreeMap, BTreeSet};

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
