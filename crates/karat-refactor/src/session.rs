//! What a session knows while a notebook is read from top to bottom: the current database, temporary views, variables, widgets.
//!
//! It goes on across cells, languages and `%run`. It holds facts only; what they mean for a name is decided in [`crate::reader`].

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use karat_receipt::{Digest, DigestWriter};

use crate::current::{Place, Uses};
use crate::language::Sight;
use crate::words::{Mentioned, words_of_variable};

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

    fn each(&self, told: impl FnMut(&str)) {
        if let Self::OneOf(texts) = self {
            texts.iter().map(String::as_str).for_each(told);
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
    /// Whether code was met that may have changed any variable, mentioned or not.
    pub(crate) may_change_anything: bool,
}

impl Session {
    /// A new session of the metastore: `default` is current.
    pub fn new() -> Self {
        Self {
            database: Value::text("default"),
            ..Self::default()
        }
    }

    /// What notebooks can see of it that mention these words; `None` if nobody can tell. Variables of programs are seen if they are mentioned, the
    /// rest always.
    pub(crate) fn seen_by(&self, mentioned: &Mentioned) -> Option<Self> {
        let mut sight = Sight::of(mentioned);
        for value in self.widgets.values() {
            value.each(|text| sight.text(text));
        }
        let mut unseen: Vec<(Vec<u64>, &Value)> = Vec::new();
        for ((of, name), value) in &self.variables {
            match of {
                Namespace::Conf | Namespace::Sql => value.each(|text| sight.text(text)),
                _ => unseen.push((words_of_variable(name).collect(), value)),
            }
        }
        loop {
            let before = sight.size();
            unseen.retain(|(words, value)| {
                let has = sight.has(words);
                if has {
                    value.each(|text| sight.text(text));
                }
                !has
            });
            self.carried.look(&mut sight);
            if sight.size() == before {
                break;
            }
        }
        let is_seen = |(of, name): &(Namespace, String)| {
            matches!(of, Namespace::Conf | Namespace::Sql)
                || sight.has(&words_of_variable(name).collect::<Vec<u64>>())
        };
        let variables = self.variables.iter();
        sight.is_whole().then(|| Self {
            catalog: self.catalog.clone(),
            database: self.database.clone(),
            temporary_views: self.temporary_views.clone(),
            variables: variables
                .filter(|(key, _)| is_seen(key))
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect(),
            widgets: self.widgets.clone(),
            carried: self.carried.seen_by(&sight),
            views_incomplete: self.views_incomplete,
            uses: self.uses.clone(),
            may_change_anything: false,
        })
    }

    /// The session after a notebook that saw this part of it left that.
    pub(crate) fn after(&self, seen: &Self, left: &Self) -> Self {
        let not_seen = self.variables.iter();
        let not_seen = not_seen.filter(|(key, _)| !seen.variables.contains_key(key));
        let not_seen = not_seen.map(|(key, value)| (key.clone(), value.clone()));
        let mut variables = left.variables.clone();
        for (key, value) in not_seen {
            variables.entry(key).or_insert(value);
        }
        Self {
            catalog: left.catalog.clone(),
            database: left.database.clone(),
            temporary_views: left.temporary_views.clone(),
            variables,
            widgets: left.widgets.clone(),
            carried: self.carried.after(&seen.carried, &left.carried),
            views_incomplete: left.views_incomplete,
            uses: left.uses.clone(),
            may_change_anything: self.may_change_anything || left.may_change_anything,
        }
    }

    /// What tells the session from others, as long as it is not dropped.
    pub(crate) fn identity(&self) -> Digest {
        self.identified(|digest| self.carried.identify(digest))
    }

    /// What tells this copy of the session from others, as long as it is not dropped.
    pub(crate) fn identity_of_copy(&self) -> Digest {
        self.identified(|digest| {
            digest.write_all(b"copy")?;
            self.carried.identify_copy(digest)
        })
    }

    fn identified(&self, carried: impl FnOnce(&mut DigestWriter) -> std::io::Result<()>) -> Digest {
        let Self {
            catalog,
            database,
            temporary_views,
            variables,
            widgets,
            carried: _,
            views_incomplete,
            uses,
            may_change_anything,
        } = self;
        let mut digest = DigestWriter::new();
        write!(
            digest,
            "{catalog:?}{database:?}{temporary_views:?}{variables:?}{widgets:?}{views_incomplete}{uses:?}{may_change_anything}"
        )
        .and_then(|()| carried(&mut digest))
        .expect("a digest takes all that is written");
        digest.finish()
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
