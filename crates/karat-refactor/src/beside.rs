//! New names that the code has already. If an old name became one of them, two tables would be one: what copies the old table to the new one
//! would copy it onto itself, and what drops the old one would drop the new one.
//!
//! So no name of a session may become another name of that session. Each asset tells which names of Unity Catalog, and which new paths, it has;
//! what `%run` joins counts together, since a data frame, a view or a text may go from one notebook to the other.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::asset::AssetReport;
use crate::fragment;
use crate::mapping::{Mapping, NewTable};
use crate::occurrence::{Doubt, Subject, Verdict, rule};
use crate::reader::name_parts;

/// A name in lower case; a part that is decided at run time is `None`.
type Part = Option<String>;

/// Something new that code has already.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Already {
    /// Catalog, schema and table.
    Table([Part; 3]),
    /// Catalog and schema.
    Schema([Part; 2]),
    /// A path, as far as it is written.
    Path(String),
}

impl Already {
    /// A table, if it can be one that the mapping makes and enough of it is known.
    pub(crate) fn table(mapping: &Mapping, parts: [Part; 3]) -> Option<Self> {
        let is_ours = |catalog: &String| mapping.has_catalog(catalog);
        let says_something = parts.iter().any(Option::is_some);
        (says_something && parts[0].as_ref().is_none_or(is_ours)).then_some(Self::Table(parts))
    }

    /// A schema, in the same way.
    pub(crate) fn schema(mapping: &Mapping, parts: [Part; 2]) -> Option<Self> {
        let is_ours = |catalog: &String| mapping.has_catalog(catalog);
        let says_something = parts.iter().any(Option::is_some);
        (says_something && parts[0].as_ref().is_none_or(is_ours)).then_some(Self::Schema(parts))
    }

    /// A path, as far as it is written, that lies in a new one, or that a new one lies in.
    pub(crate) fn path(mapping: &Mapping, path: &str) -> Option<Self> {
        let path = path.trim_end_matches('/');
        // `/Volumes` and `abfss://` are the beginning of any path.
        let says_something = match path.split_once("://") {
            Some((_, behind)) => !behind.is_empty(),
            None => path.trim_start_matches('/').contains('/'),
        };
        let mut news = mapping.paths().map(|(_, new)| new);
        let is_new = says_something && news.any(|new| overlap(path, new));
        is_new.then(|| Self::Path(path.to_owned()))
    }

    /// As people write it.
    fn shown(&self) -> String {
        let dotted = |parts: &[Part]| {
            let parts = parts.iter().map(|part| part.as_deref().unwrap_or("{…}"));
            parts.collect::<Vec<_>>().join(".")
        };
        match self {
            Self::Table(parts) => dotted(parts),
            Self::Schema(parts) => dotted(parts),
            Self::Path(path) => path.clone(),
        }
    }
}

/// A part in lower case, if all of it is written.
pub(crate) fn part(text: &str) -> Part {
    (text != "?" && !fragment::has_placeholder(text)).then(|| text.to_lowercase())
}

/// What the notebooks of a session have already, each with one asset that has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Besides(BTreeMap<Already, Arc<str>>);

impl Besides {
    /// What a table would be merged with; a table of `None` is any.
    pub(crate) fn of_table(
        &self,
        catalog: &str,
        schema: &str,
        table: Option<&str>,
    ) -> Option<Doubt> {
        if self.0.is_empty() {
            return None;
        }
        let own = [Some(catalog), Some(schema), table].map(|part| part.map(str::to_lowercase));
        let found = if own[2].is_some() {
            // Each part as it is written, or decided at run time.
            (0..8_u8).find_map(|open| {
                let mut parts = own.clone();
                for (at, part) in parts.iter_mut().enumerate() {
                    if open & (1 << at) != 0 {
                        *part = None;
                    }
                }
                self.0.get_key_value(&Already::Table(parts))
            })
        } else {
            self.0.iter().find(|(already, _)| match already {
                Already::Table(parts) => agree(parts, &own),
                _ => false,
            })
        };
        found.map(doubt)
    }

    /// What a mapped table would be merged with.
    pub(crate) fn of(&self, new: &NewTable) -> Option<Doubt> {
        let table = Some(new.table.as_str()).filter(|table| *table != "*");
        self.of_table(&new.catalog, &new.schema, table)
    }

    /// What a schema would be merged with: itself, or whichever of its tables.
    pub(crate) fn of_schema(&self, catalog: &str, schema: &str) -> Option<Doubt> {
        self.in_schema(catalog, schema, |table| table.is_none())
    }

    /// The same, if the database is dropped: with it go all tables that the code has in the schema.
    pub(crate) fn of_dropped_schema(&self, catalog: &str, schema: &str) -> Option<Doubt> {
        self.in_schema(catalog, schema, |_| true)
    }

    fn in_schema(
        &self,
        catalog: &str,
        schema: &str,
        counts: impl Fn(&Part) -> bool,
    ) -> Option<Doubt> {
        let own = [Some(catalog), Some(schema)].map(|part| part.map(str::to_lowercase));
        let found = self.0.iter().find(|(already, _)| match already {
            Already::Schema(parts) => agree(parts, &own),
            Already::Table([catalog, schema, table]) => {
                counts(table) && agree(&[catalog.clone(), schema.clone()], &own)
            }
            Already::Path(_) => false,
        });
        found.map(doubt)
    }

    /// What a path would be merged with.
    pub(crate) fn of_path(&self, path: &str) -> Option<Doubt> {
        let found = self.0.iter().find(|(already, _)| match already {
            Already::Path(known) => overlap(known, path),
            _ => false,
        });
        found.map(doubt)
    }

    /// Whether a rewritten name of an asset would be merged with something, or one may be that texts elsewhere fill.
    fn concerns(&self, report: &AssetReport) -> bool {
        !report.told.made.is_empty()
            || report.occurrences.iter().any(|occurrence| {
                let Verdict::Rewritten { new, .. } = &occurrence.verdict else {
                    return false;
                };
                if occurrence.subject == Subject::Path {
                    return true;
                }
                let name = new.trim_end_matches(".*");
                let parts = name_parts(name, 0..name.len()).unwrap_or_default();
                let texts: Vec<&str> = parts.iter().map(|part| part.text.as_str()).collect();
                match (occurrence.subject, texts.as_slice()) {
                    (Subject::Database, [catalog, schema]) => {
                        self.of_dropped_schema(catalog, schema).is_some()
                    }
                    (_, [catalog, schema, table, ..]) => {
                        self.of_table(catalog, schema, Some(table)).is_some()
                    }
                    (_, [catalog, schema]) => self.of_table(catalog, schema, None).is_some(),
                    _ => true,
                }
            })
    }
}

fn agree<const N: usize>(these: &[Part; N], those: &[Part; N]) -> bool {
    these
        .iter()
        .zip(those)
        .all(|(this, that)| this.is_none() || that.is_none() || this == that)
}

/// Whether one path is the other or lies in it.
fn overlap(these: &str, those: &str) -> bool {
    let (these, those) = (these.trim_end_matches('/'), those.trim_end_matches('/'));
    let (short, long) = match these.len() <= those.len() {
        true => (these, those),
        false => (those, these),
    };
    long.strip_prefix(short)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn doubt((already, path): (&Already, &Arc<str>)) -> Doubt {
    let shown = already.shown();
    Doubt::new(
        rule::BESIDE_NEW,
        format!(
            "{path} has `{shown}` too, and with the new name the two would be one: does this code copy, compare or clean up?"
        ),
    )
}

/// What each asset must not merge its names with, by its path: what it has itself, and what those have that a session joins it with. `runs` says
/// which assets each one runs in its own session.
pub(crate) fn of_sessions(
    assets: &[AssetReport],
    runs: &[Vec<usize>],
) -> BTreeMap<String, Arc<Besides>> {
    let mut found = BTreeMap::new();
    if assets.iter().all(|report| report.already.is_empty()) {
        return found;
    }
    let mut run_by: Vec<Vec<usize>> = vec![Vec::new(); assets.len()];
    for (from, targets) in runs.iter().enumerate() {
        for target in targets {
            run_by[*target].push(from);
        }
    }
    for (index, report) in assets.iter().enumerate() {
        // Whoever runs it, and all that those run.
        let roots = reached(&run_by, BTreeSet::from([index]));
        let mut besides = Besides::default();
        let others = reached(runs, roots);
        for other in std::iter::once(index).chain(others) {
            let path: Arc<str> = assets[other].path.as_str().into();
            for already in &assets[other].already {
                let known = besides.0.entry(already.clone());
                known.or_insert_with(|| Arc::clone(&path));
            }
        }
        if !besides.0.is_empty() && besides.concerns(report) {
            found.insert(report.path.clone(), Arc::new(besides));
        }
    }
    found
}

fn reached(edges: &[Vec<usize>], from: BTreeSet<usize>) -> BTreeSet<usize> {
    let mut open: Vec<usize> = from.iter().copied().collect();
    let mut seen = from;
    while let Some(index) = open.pop() {
        for next in &edges[index] {
            if seen.insert(*next) {
                open.push(*next);
            }
        }
    }
    seen
}
