//! Databases by themselves: `USE`, `SHOW TABLES IN`, and what is current afterwards.

use std::sync::Arc;

use super::Reader;
use super::names::{self, NamePart, combinations, is_metastore, whole};
use super::table::unless_beside;
use crate::beside::{Already, part};
use crate::fragment::{Fragment, Refusal};
use crate::mapping::{DatabaseLookup, quoted};
use crate::occurrence::{Doubt, NotATable, Role, Subject, Verdict, rule};
use crate::session::Value;

impl Reader<'_> {
    /// A database by its parts (`sales`, `hive_metastore.sales`): `USE`, `SHOW TABLES IN`, `CREATE DATABASE`. Does not change the
    /// session: see [`Reader::use_database`].
    pub fn database(&mut self, fragment: &Arc<Fragment>, parts: &[NamePart]) {
        let Some(range) = whole(parts) else { return };
        let needs = |rule: &str, message: String, candidates: Vec<String>| Verdict::NeedsPerson {
            doubt: Doubt::new(rule, message),
            candidates,
            suggestion: Vec::new(),
        };
        let (catalog, database) = match parts {
            [database] => (None, database),
            [catalog, database] => (Some(catalog), database),
            _ => return,
        };
        let holes = fragment.holes_in(&database.range);
        self.note_schema(fragment, parts);
        let mut old = None;
        let verdict = if database.text.eq_ignore_ascii_case("global_temp") {
            // The database of global temporary views is in no catalog.
            Verdict::NotATable {
                reason: NotATable::TemporaryView,
            }
        } else if catalog.is_some_and(|catalog| !is_metastore(&catalog.text))
            || catalog.is_none() && self.session.catalog.is_some()
        {
            Verdict::NotATable {
                reason: NotATable::AlreadyThreePart,
            }
        } else {
            let names = combinations(fragment, std::slice::from_ref(database));
            match names {
                None => {
                    let likely = names::likely(fragment, std::slice::from_ref(database));
                    let schemas = likely.iter().filter_map(|parts| {
                        match self.mapping.database(&parts.join(".")) {
                            DatabaseLookup::One(schema) => Some(schema.sql()),
                            _ => None,
                        }
                    });
                    needs(
                        rule::UNRESOLVED,
                        "the database is decided at run time".to_owned(),
                        schemas.collect(),
                    )
                }
                Some(names) => {
                    let names: Vec<String> = names.iter().map(|parts| parts.join(".")).collect();
                    old = names.first().filter(|_| names.len() == 1).cloned();
                    let lookups: Vec<DatabaseLookup> = names
                        .iter()
                        .map(|name| self.mapping.database(name))
                        .collect();
                    let schemas: Option<Vec<_>> = lookups
                        .iter()
                        .map(|lookup| match lookup {
                            DatabaseLookup::One(schema) => Some(schema.clone()),
                            _ => None,
                        })
                        .collect();
                    match schemas {
                        Some(schemas) if !schemas.is_empty() => {
                            let first = &schemas[0];
                            let stay = names
                                .iter()
                                .zip(&schemas)
                                .all(|(name, schema)| schema.schema.eq_ignore_ascii_case(name));
                            let one_catalog =
                                schemas.iter().all(|schema| schema.catalog == first.catalog);
                            let edit =
                                if let Some(catalog) = catalog.filter(|_| stay && one_catalog) {
                                    fragment.edit(catalog.range.clone(), &quoted(&first.catalog))
                                } else if catalog.is_none() && stay && one_catalog {
                                    let at = database.range.start;
                                    fragment.edit(at..at, &format!("{}.", quoted(&first.catalog)))
                                } else if holes.is_empty() && schemas.len() == 1 {
                                    fragment.edit(range.clone(), &first.sql())
                                } else {
                                    Err(Refusal(
                                        "its values go to schemas with other names".to_owned(),
                                    ))
                                };
                            match edit {
                                Ok(edit) => {
                                    let new = if schemas.len() == 1 {
                                        first.sql()
                                    } else {
                                        format!("{}.*", quoted(&first.catalog))
                                    };
                                    let edits = vec![edit];
                                    let beside = schemas.iter().find_map(|new| {
                                        let (catalog, schema) = (&new.catalog, &new.schema);
                                        match self.drops {
                                            true => self.besides.of_dropped_schema(catalog, schema),
                                            false => self.besides.of_schema(catalog, schema),
                                        }
                                    });
                                    unless_beside(Verdict::Rewritten { new, edits }, beside)
                                }
                                Err(refusal) => needs(
                                    rule::SCATTERED,
                                    format!("the new schema cannot be written here: {refusal}"),
                                    schemas.iter().map(|schema| schema.sql()).collect(),
                                ),
                            }
                        }
                        _ => {
                            let candidates: Vec<String> = lookups
                                .iter()
                                .flat_map(|lookup| match lookup {
                                    DatabaseLookup::Several(several) => {
                                        several.iter().map(|s| s.sql()).collect()
                                    }
                                    _ => Vec::new(),
                                })
                                .collect();
                            if candidates.is_empty() {
                                needs(
                                    rule::NOT_MAPPED,
                                    format!(
                                        "the mapping has no row for the database `{}`",
                                        names.join("`, `")
                                    ),
                                    candidates,
                                )
                            } else {
                                needs(
                                    rule::DATABASE_SPLIT,
                                    format!(
                                        "the tables of `{}` go to several schemas",
                                        names.join("`, `")
                                    ),
                                    candidates,
                                )
                            }
                        }
                    }
                }
            }
        };
        self.wish = self.wish_of_database(fragment, parts);
        self.occurrence(fragment, range, Subject::Database, Role::Name, old, verdict);
    }

    /// Keeps a schema of Unity Catalog in mind, if it is one: no database may become it.
    fn note_schema(&mut self, fragment: &Fragment, parts: &[NamePart]) {
        for name in names::possible(fragment, parts) {
            let texts: Vec<&str> = name.iter().map(String::as_str).collect();
            let full = match (texts.as_slice(), &self.session.catalog) {
                ([catalog, schema], _) if !is_metastore(catalog) => [part(catalog), part(schema)],
                ([schema], Some(catalog)) => [part(catalog), part(schema)],
                _ => continue,
            };
            self.found
                .already
                .extend(Already::schema(self.mapping, full));
        }
    }

    /// `USE db`: from here on it is current. `parts` as in [`Reader::database`]; that it stands here is not reported.
    pub fn use_database(&mut self, fragment: &Arc<Fragment>, parts: &[NamePart]) {
        let database = match parts {
            [database] => database,
            [catalog, database] => {
                self.session.catalog =
                    (!is_metastore(&catalog.text)).then(|| catalog.text.to_lowercase());
                database
            }
            _ => return,
        };
        self.session.uses.last.clear();
        if self.session.catalog.is_none()
            && let Some(range) = whole(parts)
            && self.is_own(fragment, range.start)
        {
            let place = (self.asset.into(), fragment.locate(&range).start);
            self.session.uses.last.insert(place);
        }
        self.session.database = match combinations(fragment, std::slice::from_ref(database)) {
            Some(names) => Value::OneOf(
                names
                    .iter()
                    .map(|parts| parts.join(".").to_lowercase())
                    .collect(),
            ),
            None => Value::Unknown,
        };
    }

    /// `USE CATALOG c`.
    pub fn use_catalog(&mut self, catalog: &str) {
        self.session.catalog = (!is_metastore(catalog)).then(|| catalog.to_lowercase());
        self.session.database = Value::text("default");
        self.session.uses.last.clear();
    }
}
