//! The mapping: old database, table and path to new catalog, schema, table and path. Lookup as Hive does it, without regard to case.
//!
//! One document serves `refactor` and `migrate`: CSV, XLSX or JSON ([`document`]). What its rows mean, and their mistakes, is in [`read`]; rows
//! with `*` are rules; the three-way merge of people's edits is in [`merge`]. The substitution is simultaneous: a name
//! is looked up once, in the old world, so that two tables may change places.

pub mod document;
pub mod merge;
mod quote;
pub mod read;
mod rules;
mod spreadsheet;

use std::collections::{BTreeMap, BTreeSet};

pub use quote::quoted;
use rules::Rule;

/// A table of the metastore, in lower case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OldTable {
    /// The database.
    pub database: String,
    /// The table.
    pub table: String,
}

impl OldTable {
    /// A table by its two names.
    pub fn new(database: &str, table: &str) -> Self {
        Self {
            database: database.to_lowercase(),
            table: table.to_lowercase(),
        }
    }
}

impl std::fmt::Display for OldTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.database, self.table)
    }
}

/// A schema of Unity Catalog.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NewSchema {
    /// The catalog.
    pub catalog: String,
    /// The schema.
    pub schema: String,
}

impl NewSchema {
    /// As SQL writes it, quoted where it must be.
    pub fn sql(&self) -> String {
        format!("{}.{}", quoted(&self.catalog), quoted(&self.schema))
    }
}

/// A table of Unity Catalog.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NewTable {
    /// The catalog.
    pub catalog: String,
    /// The schema.
    pub schema: String,
    /// The table.
    pub table: String,
}

impl NewTable {
    /// As SQL writes it, quoted where it must be.
    pub fn sql(&self) -> String {
        format!(
            "{}.{}.{}",
            quoted(&self.catalog),
            quoted(&self.schema),
            quoted(&self.table)
        )
    }

    /// Its schema.
    pub fn schema(&self) -> NewSchema {
        NewSchema {
            catalog: self.catalog.clone(),
            schema: self.schema.clone(),
        }
    }
}

/// What the mapping says about a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TableLookup {
    /// Its new name.
    Mapped(NewTable),
    /// Several rows say different things.
    Contradiction(Vec<NewTable>),
    /// Its database is in the mapping, the table is not.
    NotMapped,
    /// Neither is there.
    UnknownDatabase,
}

/// What the mapping says about a database as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DatabaseLookup {
    /// All its tables go to one schema.
    One(NewSchema),
    /// They go to several.
    Several(Vec<NewSchema>),
    /// It is not in the mapping.
    Unknown,
}

/// The mapping, ready for lookup.
#[derive(Clone, Debug, Default)]
pub struct Mapping {
    tables: BTreeMap<OldTable, Vec<NewTable>>,
    rules: Vec<Rule>,
    /// Old path without a slash at its end, new path; longest first.
    paths: Vec<(String, String)>,
    databases: BTreeMap<String, BTreeSet<NewSchema>>,
    catalogs: BTreeSet<String>,
    table_names: BTreeSet<String>,
    digest: String,
}

impl Mapping {
    /// What becomes of a table.
    pub fn table(&self, database: &str, table: &str) -> TableLookup {
        let old = OldTable::new(database, table);
        match self.tables.get(&old).map(Vec::as_slice) {
            Some([one]) => return TableLookup::Mapped(one.clone()),
            Some(several) if !several.is_empty() => {
                return TableLookup::Contradiction(several.to_vec());
            }
            _ => {}
        }
        let mut best: Vec<NewTable> = Vec::new();
        let mut best_weight = 0;
        for rule in &self.rules {
            let Some(new) = rule.apply(&old) else {
                continue;
            };
            if best.is_empty() || rule.weight() > best_weight {
                best = vec![new];
                best_weight = rule.weight();
            } else if rule.weight() == best_weight && !best.contains(&new) {
                best.push(new);
            }
        }
        match best.len() {
            0 if self.knows_database(&old.database) => TableLookup::NotMapped,
            0 => TableLookup::UnknownDatabase,
            1 => TableLookup::Mapped(best.swap_remove(0)),
            _ => TableLookup::Contradiction(best),
        }
    }

    /// What becomes of a database as a whole.
    pub fn database(&self, database: &str) -> DatabaseLookup {
        let database = database.to_lowercase();
        let mut schemas = self.databases.get(&database).cloned().unwrap_or_default();
        let rules = self.rules_of(&database);
        // Rules about some of its tables alone do not say where the database goes.
        if !schemas.is_empty() || rules.iter().any(|rule| rule.is_about_all_tables()) {
            schemas.extend(rules.iter().map(|rule| rule.schema_of(&database)));
        }
        let mut schemas: Vec<NewSchema> = schemas.into_iter().collect();
        match schemas.len() {
            0 => DatabaseLookup::Unknown,
            1 => DatabaseLookup::One(schemas.swap_remove(0)),
            _ => DatabaseLookup::Several(schemas),
        }
    }

    /// Whether any row or rule is about this database.
    pub fn knows_database(&self, database: &str) -> bool {
        let database = database.to_lowercase();
        self.databases.contains_key(&database)
            || self
                .rules
                .iter()
                .any(|rule| rule.matches_database(&database))
    }

    /// Whether a row names a table like this in any database.
    pub fn knows_table_name(&self, table: &str) -> bool {
        self.table_names.contains(&table.to_lowercase())
    }

    /// The rules by which a table of this database may go that has no row of its own.
    fn rules_of(&self, database: &str) -> Vec<&Rule> {
        if !self.knows_database(database) {
            return Vec::new();
        }
        let mut rules: Vec<&Rule> = self.rules.iter().collect();
        rules.retain(|rule| rule.fits(database));
        let heaviest = rules
            .iter()
            .filter(|rule| rule.is_about_all_tables())
            .map(|rule| rule.weight())
            .max();
        rules.retain(|rule| heaviest.is_none_or(|heaviest| rule.weight() >= heaviest));
        rules
    }

    /// Whether a rule about this database gives tables other names.
    pub(crate) fn renames_by_rule(&self, database: &str) -> bool {
        self.rules_of(database)
            .iter()
            .any(|rule| !rule.keeps_table_names())
    }

    /// Whether the catalog in front is all that becomes of every table that this may be, and there is one; `None` is any database, or any table.
    pub(crate) fn only_adds(
        &self,
        catalog: &str,
        database: Option<&str>,
        table: Option<&str>,
    ) -> bool {
        let meant = |wanted: Option<&str>, name: &str| {
            wanted.is_none_or(|wanted| wanted.eq_ignore_ascii_case(name))
        };
        let mut any = false;
        for (old, news) in &self.tables {
            if !meant(database, &old.database) || !meant(table, &old.table) {
                continue;
            }
            any = true;
            let stays = |new: &NewTable| {
                new.catalog.eq_ignore_ascii_case(catalog)
                    && new.schema.eq_ignore_ascii_case(&old.database)
                    && new.table.eq_ignore_ascii_case(&old.table)
            };
            if !news.iter().all(stays) {
                return false;
            }
        }
        let rules: Vec<&Rule> = match database {
            Some(database) => self.rules_of(&database.to_lowercase()),
            None => self.rules.iter().collect(),
        };
        let database = database.map(str::to_lowercase);
        any |= !rules.is_empty();
        any && rules
            .iter()
            .all(|rule| rule.only_adds(catalog, database.as_deref()))
    }

    /// The longest mapped path that this path lies in: its length in bytes, and what takes its place. A path is only left at a `/`.
    pub fn path(&self, path: &str) -> Option<(usize, &str)> {
        self.paths.iter().find_map(|(old, new)| {
            let begins = path.len() >= old.len()
                && path.is_char_boundary(old.len())
                && path[..old.len()].eq_ignore_ascii_case(old)
                && (path.len() == old.len() || path[old.len()..].starts_with('/'));
            begins.then_some((old.len(), new.as_str()))
        })
    }

    /// Databases that rows name, in lower case and order.
    pub fn databases(&self) -> impl Iterator<Item = &str> {
        self.databases.keys().map(String::as_str)
    }

    /// The literal beginnings of databases that rules name, where they have one.
    pub(crate) fn database_starts(&self) -> BTreeSet<String> {
        self.rules
            .iter()
            .filter_map(|rule| rule.database.split('*').next())
            .filter(|start| !start.is_empty())
            .map(str::to_owned)
            .collect()
    }

    /// Tables that rows name, in order.
    pub fn tables(&self) -> impl Iterator<Item = (&OldTable, &[NewTable])> {
        self.tables.iter().map(|(old, new)| (old, new.as_slice()))
    }

    /// Mapped paths, longest first.
    pub fn paths(&self) -> impl Iterator<Item = (&str, &str)> {
        self.paths
            .iter()
            .map(|(old, new)| (old.as_str(), new.as_str()))
    }

    /// Whether a catalog is one that tables go to.
    pub fn has_catalog(&self, catalog: &str) -> bool {
        self.catalogs.contains(&catalog.to_lowercase())
    }

    /// The catalogs that tables go to, in lower case.
    pub fn catalogs(&self) -> impl Iterator<Item = &str> {
        self.catalogs.iter().map(String::as_str)
    }

    /// SHA-256 of what the mapping says, free of format and row order; proofs name it.
    pub fn digest(&self) -> &str {
        &self.digest
    }
}

#[cfg(test)]
mod tests {
    use super::read::of_pairs;

    /// Where databases go as a whole.
    fn database(pairs: &[(&str, &str)], database: &str) -> String {
        format!("{:?}", of_pairs(pairs).database(database))
            .replace("NewSchema ", "")
            .replace(['\"', '{', '}'], "")
    }

    #[test]
    fn a_database_goes_where_its_rules_and_its_rows_say() {
        let told = [
            database(&[("a.*", "m.a.*")], "a"),
            // A row that the rule agrees with, and one that it does not.
            database(&[("a.*", "m.a.*"), ("a.t", "m.a.t")], "a"),
            database(&[("a.*", "m.a.*"), ("a.t", "n.a.t")], "a"),
            // Some of its tables go elsewhere by another rule.
            database(&[("a.*", "m.a.*"), ("a.tmp_*", "m.scratch.*")], "a"),
            database(&[("a.tmp_*", "m.scratch.*")], "a"),
            // The rule for all databases is about those that others name, where none is closer.
            database(&[("*.*", "m.*.*"), ("a.t", "n.a.t")], "a"),
            database(&[("*.*", "m.*.*"), ("a.*", "n.a.*")], "a"),
            database(&[("*.*", "m.*.*")], "a"),
        ];
        expect_test::expect![[r#"
            One( catalog: m, schema: a )
            One( catalog: m, schema: a )
            Several([ catalog: m, schema: a ,  catalog: n, schema: a ])
            Several([ catalog: m, schema: a ,  catalog: m, schema: scratch ])
            Unknown
            Several([ catalog: m, schema: a ,  catalog: n, schema: a ])
            One( catalog: n, schema: a )
            Unknown"#]]
        .assert_eq(&told.join("\n"));
    }
}
