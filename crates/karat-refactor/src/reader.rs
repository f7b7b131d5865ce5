//! What every language and format reports to, and where names are decided.
//!
//! A front end reads a [`Fragment`] and says what it sees: *here is a table*, *here a database*, *here a path*, *this stretch is a
//! comment*, *this inner text is SQL*, *this notebook runs that one*. The reader knows the mapping and the session, gives each
//! name its verdict and its edits, and keeps the session up to date. Front ends never edit and never look names up themselves.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use crate::format::Format;
use crate::fragment::{self, Fragment, Refusal};
use crate::language::{self, Language};
use crate::mapping::{DatabaseLookup, Mapping, NewTable, TableLookup, quoted};
use crate::occurrence::{
    Call, Doubt, Finding, Found, Means, NotATable, Occurrence, Passed, Region, Role, Severity,
    Subject, Verdict, rule,
};
use crate::report::decisions::Decisions;
use crate::session::{Session, Value};
use crate::style::Styles;

/// One part of a written name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamePart {
    /// Its bytes in the fragment, backticks included.
    pub range: Range<usize>,
    /// The part without backticks; may hold placeholders of holes.
    pub text: String,
    /// Whether it stands in backticks (or the quotes of its language).
    pub quoted: bool,
}

/// What is known about the estate as a whole before its notebooks are read.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// What pipelines, jobs and notebooks pass: notebook path (lower case, no leading slash, no extension), widget, values.
    pub passed: BTreeMap<String, BTreeMap<String, Value>>,
    /// What pipelines, datasets and linked services say.
    pub factory: crate::factory::Factory,
}

/// The other notebooks of the estate, for `%run`.
pub trait Includes: Sync {
    /// The session after `target`, as written in `from`, has run in it; `None` if there is no such notebook, or it runs itself.
    fn after(&self, from: &str, target: &str, session: &Session) -> Option<Session>;
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
    /// What people decided.
    pub decisions: Decisions,
    /// Whether reports are to have their issues, with lines; they need memory.
    pub issues: bool,
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

/// Names with more combinations of values than this are left to a person.
const COMBINATIONS_MAX: usize = 256;

/// How far back an occurrence can be distrusted.
const DISTRUST_MAX: usize = 4096;

/// Formats that stand where a database does: ``delta.`/mnt/x` ``.
const FORMATS: &[&str] = &[
    "avro",
    "binaryfile",
    "csv",
    "delta",
    "iceberg",
    "json",
    "orc",
    "parquet",
    "text",
    "xml",
];

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
        language::read(self, fragment, language);
        self.depth -= 1;
    }

    /// A table by its parts, in the session's current catalog and database. Common table expressions and aliases are the
    /// caller's to know: report those with [`Reader::not_a_table`].
    /// Returns the new name if the old one is written out here and mapped.
    pub fn table(
        &mut self,
        fragment: &Arc<Fragment>,
        parts: &[NamePart],
        role: Role,
    ) -> Option<NewTable> {
        self.name(fragment, parts, role, Subject::Table)
    }

    /// A table in front of a column, as in `sales.orders.id`: `parts` are those of the table only.
    pub fn qualifier(&mut self, fragment: &Arc<Fragment>, parts: &[NamePart]) {
        self.name(fragment, parts, Role::Name, Subject::Qualifier);
    }

    /// A text that is the name of a table as a whole, as the argument of `spark.table`. Reads backticks, dots and ``delta.`/path` ``.
    pub fn table_text(&mut self, fragment: &Arc<Fragment>, range: Range<usize>, role: Role) {
        match name_parts(fragment.text(), range.clone()) {
            Some(parts) => {
                self.table(fragment, &parts, role);
            }
            None if fragment.text()[range.clone()].contains('/') => self.path(fragment, range),
            None => self.region(
                fragment,
                range,
                Means::NeedsPerson(Doubt::new(
                    rule::UNRESOLVED,
                    "this is used as the name of a table, and is not one as it stands",
                )),
            ),
        }
    }

    fn name(
        &mut self,
        fragment: &Arc<Fragment>,
        parts: &[NamePart],
        role: Role,
        subject: Subject,
    ) -> Option<NewTable> {
        let range = whole(parts)?;
        if let [format, path] = parts
            && FORMATS.contains(&format.text.to_ascii_lowercase().as_str())
            && (path.text.contains('/') || path.quoted && path.text.contains(':'))
        {
            let inside = if path.quoted {
                path.range.start + 1..path.range.end - 1
            } else {
                path.range.clone()
            };
            self.path(fragment, inside);
            return None;
        }
        if parts.iter().any(|part| part.text.is_empty()) {
            return None;
        }
        let mut mapped = None;
        let touched = !fragment.holes_in(&range).is_empty();
        let (old, verdict) = if touched {
            self.decide_with_holes(fragment, parts)
        } else {
            let texts: Vec<&str> = parts.iter().map(|part| part.text.as_str()).collect();
            let decision = self.decide(&texts, parts.iter().any(|part| part.quoted));
            let old = decision.old();
            let verdict = match decision {
                Decision::Mapped { old, new } => {
                    let verdict = self.rewrite(fragment, parts, &old, &new);
                    mapped = Some(new);
                    verdict
                }
                Decision::NotATable(reason) => Verdict::NotATable { reason },
                Decision::Doubt {
                    doubt, candidates, ..
                } => Verdict::NeedsPerson {
                    doubt,
                    candidates,
                    suggestion: Vec::new(),
                },
            };
            (old, verdict)
        };
        self.occurrence(fragment, range, subject, role, old, verdict);
        mapped
    }

    /// What a name without holes stands for.
    fn decide(&self, parts: &[&str], any_quoted: bool) -> Decision {
        let lower: Vec<String> = parts.iter().map(|part| part.to_lowercase()).collect();
        let (database, table) = match lower.as_slice() {
            [table] if any_quoted && table.contains('.') => {
                return Decision::Doubt {
                    doubt: Doubt::new(
                        rule::QUOTED_DOT,
                        format!(
                            "the backticks make one name of `{table}`; no table of the metastore has a dot in its name"
                        ),
                    ),
                    candidates: Vec::new(),
                    old: None,
                };
            }
            [table] => {
                if self.session.temporary_views.contains(table) {
                    return Decision::NotATable(NotATable::TemporaryView);
                }
                if self.session.catalog.is_some() {
                    return Decision::NotATable(NotATable::AlreadyThreePart);
                }
                match self.current_database(table) {
                    Ok(database) if self.session.views_incomplete => {
                        return self.may_be_view(&database, table);
                    }
                    Ok(database) => (database, table.clone()),
                    Err(decision) => return decision,
                }
            }
            [database, _] if database == "global_temp" => {
                return Decision::NotATable(NotATable::TemporaryView);
            }
            [database, _] if database == "information_schema" => {
                return Decision::NotATable(NotATable::AlreadyThreePart);
            }
            [_, _] if self.session.catalog.is_some() => {
                return Decision::NotATable(NotATable::AlreadyThreePart);
            }
            [database, table] => (database.clone(), table.clone()),
            [catalog, database, table] if is_metastore(catalog) => {
                (database.clone(), table.clone())
            }
            _ => return Decision::NotATable(NotATable::AlreadyThreePart),
        };
        let old = format!("{database}.{table}");
        match self.mapping.table(&database, &table) {
            TableLookup::Mapped(new) => Decision::Mapped { old, new },
            TableLookup::Contradiction(several) => Decision::Doubt {
                doubt: Doubt::new(
                    rule::CONTRADICTION,
                    format!("the mapping has {} new names for `{old}`", several.len()),
                ),
                candidates: several.iter().map(NewTable::sql).collect(),
                old: Some(old),
            },
            TableLookup::NotMapped => Decision::Doubt {
                doubt: Doubt::new(
                    rule::NOT_MAPPED,
                    format!("the mapping has the database `{database}`, and no row for `{old}`"),
                ),
                candidates: Vec::new(),
                old: Some(old),
            },
            TableLookup::UnknownDatabase => Decision::Doubt {
                doubt: Doubt::new(
                    rule::NOT_MAPPED,
                    format!("the mapping has no row for `{old}`, nor for its database"),
                ),
                candidates: Vec::new(),
                old: Some(old),
            },
        }
    }

    /// A bare name after temporary views were made whose names are not known.
    fn may_be_view(&self, database: &str, table: &str) -> Decision {
        let old = format!("{database}.{table}");
        match self.mapping.table(database, table) {
            TableLookup::Mapped(new) => Decision::Doubt {
                doubt: Doubt::new(
                    rule::MAY_BE_VIEW,
                    format!(
                        "this is `{old}`, unless one of the temporary views made before, whose names are not known, is called `{table}`"
                    ),
                ),
                candidates: vec![new.sql()],
                old: Some(old),
            },
            _ => Decision::Doubt {
                doubt: Doubt::new(
                    rule::NOT_MAPPED,
                    format!(
                        "the mapping has no row for `{old}`; it may also be a temporary view whose name is not known"
                    ),
                ),
                candidates: Vec::new(),
                old: None,
            },
        }
    }

    /// The database that a bare name lies in.
    fn current_database(&self, table: &str) -> Result<String, Decision> {
        if let Some(only) = self.session.database.only() {
            return Ok(only.to_lowercase());
        }
        let possible: Vec<String> = match &self.session.database {
            Value::OneOf(several) => several.iter().map(|name| name.to_lowercase()).collect(),
            Value::Unknown => self
                .mapping
                .tables()
                .filter(|(old, _)| old.table == table)
                .map(|(old, _)| old.database.clone())
                .collect(),
        };
        let candidates = possible
            .iter()
            .filter_map(|database| match self.mapping.table(database, table) {
                TableLookup::Mapped(new) => Some(new.sql()),
                _ => None,
            })
            .collect();
        Err(Decision::Doubt {
            doubt: Doubt::new(
                rule::DATABASE_UNKNOWN,
                format!(
                    "which database is current here is not known, so `{table}` may be one of several tables"
                ),
            ),
            candidates,
            old: None,
        })
    }

    /// A name with parts that are decided at run time.
    fn decide_with_holes(
        &self,
        fragment: &Arc<Fragment>,
        parts: &[NamePart],
    ) -> (Option<String>, Verdict) {
        let needs = |rule: &str, message: String, candidates: Vec<String>| Verdict::NeedsPerson {
            doubt: Doubt::new(rule, message),
            candidates,
            suggestion: Vec::new(),
        };
        let range = whole(parts).unwrap_or(0..0);
        let holes = fragment.holes_in(&range);
        let names: Vec<&str> = holes.iter().map(|hole| hole.what.as_str()).collect();
        let pattern: Vec<Pattern> = parts
            .iter()
            .map(|part| Pattern::of(fragment, part))
            .collect();
        if let [Pattern::Known(database), _] = pattern.as_slice()
            && database == "global_temp"
        {
            return (
                None,
                Verdict::NotATable {
                    reason: NotATable::TemporaryView,
                },
            );
        }
        if let Some(combinations) = combinations(fragment, parts) {
            let mut news = Vec::new();
            for combination in &combinations {
                let texts: Vec<&str> = combination.iter().map(String::as_str).collect();
                match self.decide(&texts, false) {
                    Decision::Mapped { old, new } => news.push((old, new)),
                    Decision::NotATable(reason) if combinations.len() == 1 => {
                        return (None, Verdict::NotATable { reason });
                    }
                    Decision::NotATable(NotATable::AlreadyThreePart) => {}
                    Decision::NotATable(_) => {
                        return (
                            None,
                            needs(
                                rule::SEVERAL,
                                format!(
                                    "`{}` is a table for some values of {} only",
                                    combination.join("."),
                                    names.join(", ")
                                ),
                                Vec::new(),
                            ),
                        );
                    }
                    Decision::Doubt {
                        doubt,
                        candidates,
                        old,
                    } => {
                        return (
                            old,
                            Verdict::NeedsPerson {
                                doubt,
                                candidates,
                                suggestion: Vec::new(),
                            },
                        );
                    }
                }
            }
            let old: Vec<String> = news.iter().map(|(old, _)| old.clone()).collect();
            let old = (old.len() == 1).then(|| old[0].clone());
            let written = combinations.first().map_or(0, Vec::len);
            return match self.one_edit_for_all(fragment, parts, &news, written) {
                Some(Ok((new, edits))) => (old, Verdict::Rewritten { new, edits }),
                Some(Err(refusal)) => (
                    old,
                    needs(
                        rule::SCATTERED,
                        format!("the new name cannot be written here: {refusal}"),
                        news.iter().map(|(_, new)| new.sql()).collect(),
                    ),
                ),
                None => (
                    old,
                    needs(
                        rule::SEVERAL,
                        format!(
                            "no single edit is right here: {} decides the name",
                            names.join(", ")
                        ),
                        news.iter().map(|(_, new)| new.sql()).take(8).collect(),
                    ),
                ),
            };
        }
        // The database is written, only the table varies: every table of the database must move in the same way.
        if let [Pattern::Known(database), _] = pattern.as_slice()
            && self.session.catalog.is_none()
            && database != "global_temp"
            && let Some(catalog_schema) = self.moves_as_one(database)
        {
            let mut edits = Vec::new();
            let replacement = catalog_schema.sql();
            let unchanged = catalog_schema.schema.eq_ignore_ascii_case(database);
            let edit = if unchanged {
                fragment.edit(
                    parts[0].range.start..parts[0].range.start,
                    &format!("{}.", quoted(&catalog_schema.catalog)),
                )
            } else {
                fragment.edit(parts[0].range.clone(), &replacement)
            };
            return match edit {
                Ok(edit) => {
                    edits.push(edit);
                    (
                        Some(format!("{database}.*")),
                        Verdict::Rewritten {
                            new: format!("{replacement}.*"),
                            edits,
                        },
                    )
                }
                Err(refusal) => (
                    None,
                    needs(
                        rule::SCATTERED,
                        format!("the new name cannot be written here: {refusal}"),
                        vec![format!("{replacement}.*")],
                    ),
                ),
            };
        }
        if parts.len() == 3
            && let [hole] = fragment.holes_in(&parts[0].range).as_slice()
            && self.is_widget_of_catalog(&hole.what)
        {
            return (
                None,
                Verdict::NotATable {
                    reason: NotATable::AlreadyThreePart,
                },
            );
        }
        if let [Pattern::Known(catalog), _, _] = pattern.as_slice()
            && !is_metastore(catalog)
        {
            return (
                None,
                Verdict::NotATable {
                    reason: NotATable::AlreadyThreePart,
                },
            );
        }
        let candidates = self.candidates_for(&pattern);
        (
            None,
            needs(
                rule::UNRESOLVED,
                format!("the name is decided at run time by {}", names.join(", ")),
                candidates,
            ),
        )
    }

    /// Whether a value is that of a widget of the same name whose default is a catalog other than the metastore.
    fn is_widget_of_catalog(&self, what: &str) -> bool {
        let name = what.trim_matches(['{', '}', '$', '`']);
        let values = self.session.widgets.get(name).map(Value::texts);
        values.is_some_and(|values| {
            !values.is_empty()
                && values
                    .iter()
                    .all(|value| !value.is_empty() && !is_metastore(value))
        })
    }

    /// The schema that every table of a database goes to under its own name.
    fn moves_as_one(&self, database: &str) -> Option<crate::mapping::NewSchema> {
        let DatabaseLookup::One(schema) = self.mapping.database(database) else {
            return None;
        };
        let same = self
            .mapping
            .tables()
            .filter(|(old, _)| old.database == database)
            .all(|(old, new)| {
                new.iter()
                    .all(|new| new.table.eq_ignore_ascii_case(&old.table))
            });
        (same && !self.mapping.renames_by_rule(database)).then_some(schema)
    }

    fn candidates_for(&self, pattern: &[Pattern]) -> Vec<String> {
        let wanted = |pattern: Option<&Pattern>, text: &str| match pattern {
            Some(Pattern::Known(known)) => known == text,
            Some(Pattern::Open { starts, ends }) => {
                text.starts_with(starts.as_str()) && text.ends_with(ends.as_str())
            }
            None => true,
        };
        let (database, table) = match pattern {
            [table] => (None, Some(table)),
            [database, table] => (Some(database), Some(table)),
            [.., database, table] => (Some(database), Some(table)),
            [] => return Vec::new(),
        };
        // A name of which nothing is written may be any table: that is no help.
        let says_nothing = |pattern: Option<&Pattern>| match pattern {
            Some(Pattern::Open { starts, ends }) => starts.is_empty() && ends.is_empty(),
            Some(Pattern::Known(_)) => false,
            None => true,
        };
        if says_nothing(database) && says_nothing(table) {
            return Vec::new();
        }
        self.mapping
            .tables()
            .filter(|(old, _)| wanted(database, &old.database) && wanted(table, &old.table))
            .flat_map(|(_, new)| new.iter().map(NewTable::sql))
            .take(8)
            .collect()
    }

    /// The one edit that is right for all combinations of values: a catalog in front, or another literal first part.
    fn one_edit_for_all(
        &self,
        fragment: &Arc<Fragment>,
        parts: &[NamePart],
        news: &[(String, NewTable)],
        written: usize,
    ) -> Option<Result<(String, Vec<crate::edit::Edit>), Refusal>> {
        let (_, first) = news.first()?;
        let old_parts = |old: &str| {
            let (database, table) = old.split_once('.').unwrap_or((old, ""));
            (database.to_owned(), table.to_owned())
        };
        let one_schema = news.iter().all(|(_, new)| new.schema() == first.schema());
        let one_catalog = news.iter().all(|(_, new)| new.catalog == first.catalog);
        let tables_stay = news
            .iter()
            .all(|(old, new)| new.table.eq_ignore_ascii_case(&old_parts(old).1));
        let schemas_stay = news
            .iter()
            .all(|(old, new)| new.schema.eq_ignore_ascii_case(&old_parts(old).0));
        if !tables_stay {
            return None;
        }
        let new = if news.len() == 1 {
            first.sql()
        } else {
            format!(
                "{}.*",
                if one_schema {
                    first.schema().sql()
                } else {
                    quoted(&first.catalog)
                }
            )
        };
        let part = &parts[0];
        let literal = fragment.holes_in(&part.range).is_empty();
        let insert = |text: String| fragment.edit(part.range.start..part.range.start, &text);
        let edit = match written {
            // A bare name: catalog and schema in front.
            1 if one_schema => insert(format!("{}.", first.schema().sql())),
            2 if one_catalog && schemas_stay => insert(format!("{}.", quoted(&first.catalog))),
            2 if one_schema && literal => fragment.edit(part.range.clone(), &first.schema().sql()),
            // `hive_metastore.{db}.t`.
            3 if one_catalog && schemas_stay && literal => {
                fragment.edit(part.range.clone(), &quoted(&first.catalog))
            }
            _ => return None,
        };
        Some(edit.map(|edit| (new, vec![edit])))
    }

    /// The edits that write a new name over the parts of the old one. Parts that stay, without regard to case, keep their bytes.
    fn rewrite(
        &self,
        fragment: &Arc<Fragment>,
        parts: &[NamePart],
        old: &str,
        new: &NewTable,
    ) -> Verdict {
        let written = |part: &NamePart, name: &str| {
            if part.text.eq_ignore_ascii_case(name) {
                fragment.text()[part.range.clone()].to_owned()
            } else if part.quoted {
                format!("`{}`", name.replace('`', "``"))
            } else {
                quoted(name)
            }
        };
        let catalog = quoted(&new.catalog);
        let replacements: Vec<(&NamePart, String)> = match parts {
            [table] => vec![(
                table,
                format!(
                    "{}.{}.{}",
                    catalog,
                    quoted(&new.schema),
                    written(table, &new.table)
                ),
            )],
            [database, table] => vec![
                (
                    database,
                    format!("{}.{}", catalog, written(database, &new.schema)),
                ),
                (table, written(table, &new.table)),
            ],
            [old_catalog, database, table] => vec![
                (old_catalog, written(old_catalog, &new.catalog)),
                (database, written(database, &new.schema)),
                (table, written(table, &new.table)),
            ],
            _ => Vec::new(),
        };
        let mut edits = Vec::new();
        for (part, replacement) in replacements {
            if fragment.text()[part.range.clone()] == replacement {
                continue;
            }
            match fragment.edit(part.range.clone(), &replacement) {
                Ok(edit) => edits.push(edit),
                Err(refusal) => {
                    return Verdict::NeedsPerson {
                        doubt: Doubt::new(
                            rule::SCATTERED,
                            format!(
                                "`{old}` becomes `{}`, and cannot be written here: {refusal}",
                                new.sql()
                            ),
                        ),
                        candidates: vec![new.sql()],
                        suggestion: Vec::new(),
                    };
                }
            }
        }
        Verdict::Rewritten {
            new: new.sql(),
            edits,
        }
    }

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
        let mut old = None;
        let verdict = if catalog.is_some_and(|catalog| !is_metastore(&catalog.text))
            || catalog.is_none() && self.session.catalog.is_some()
        {
            Verdict::NotATable {
                reason: NotATable::AlreadyThreePart,
            }
        } else {
            let names = combinations(fragment, std::slice::from_ref(database));
            match names {
                None => needs(
                    rule::UNRESOLVED,
                    "the database is decided at run time".to_owned(),
                    Vec::new(),
                ),
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
                                Ok(edit) => Verdict::Rewritten {
                                    new: if schemas.len() == 1 {
                                        first.sql()
                                    } else {
                                        format!("{}.*", quoted(&first.catalog))
                                    },
                                    edits: vec![edit],
                                },
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
        self.occurrence(fragment, range, Subject::Database, Role::Name, old, verdict);
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
    }

    /// A path of storage: rewritten if the mapping moves it, else no occurrence. A range that holds more than the path is fine as
    /// long as the path begins it.
    pub fn path(&mut self, fragment: &Arc<Fragment>, range: Range<usize>) {
        let Some(text) = fragment.text().get(range.clone()) else {
            return;
        };
        crate::rules::path(self, fragment, range.clone());
        let literal_end = text.find(fragment::is_placeholder).unwrap_or(text.len());
        let literal = &text[..literal_end];
        let skipped = path_scheme(literal);
        let Some((length, new)) = self.mapping.path(&literal[skipped..]) else {
            if let Some((known, _)) = self.mapping.paths().find(|(old, _)| {
                literal_end < text.len()
                    && literal.len() > skipped + 1
                    && starts_like(old, &literal[skipped..])
            }) {
                let message =
                    format!("the path is put together at run time, and may lie in `{known}`");
                self.occurrence(
                    fragment,
                    range,
                    Subject::Path,
                    Role::Name,
                    None,
                    Verdict::NeedsPerson {
                        doubt: Doubt::new(rule::PATH, message),
                        candidates: Vec::new(),
                        suggestion: Vec::new(),
                    },
                );
            }
            return;
        };
        let (new, end) = (new.to_owned(), range.start + skipped + length);
        let old = Some(literal[skipped..skipped + length].to_owned());
        let longer = literal_end < text.len()
            && self
                .mapping
                .paths()
                .any(|(path, _)| path.len() > length && starts_like(path, &literal[skipped..]));
        let local = literal.starts_with("/dbfs/") && !new.starts_with("/Volumes/");
        let verdict = if longer || local {
            let message = if local {
                format!(
                    "a path of the driver's file system cannot become `{new}`; only volumes can be opened as files"
                )
            } else {
                "the path is put together at run time, and a longer mapped path may be meant"
                    .to_owned()
            };
            Verdict::NeedsPerson {
                doubt: Doubt::new(rule::PATH, message),
                candidates: vec![new],
                suggestion: Vec::new(),
            }
        } else {
            match fragment.edit(range.start..end, &new) {
                Ok(edit) => Verdict::Rewritten {
                    new,
                    edits: vec![edit],
                },
                Err(refusal) => Verdict::NeedsPerson {
                    doubt: Doubt::new(
                        rule::PATH,
                        format!("the new path cannot be written here: {refusal}"),
                    ),
                    candidates: vec![new],
                    suggestion: Vec::new(),
                },
            }
        };
        self.occurrence(fragment, range, Subject::Path, Role::Name, old, verdict);
    }

    /// This is not a table, and why.
    pub fn not_a_table(
        &mut self,
        fragment: &Arc<Fragment>,
        range: Range<usize>,
        reason: NotATable,
    ) {
        self.occurrence(
            fragment,
            range,
            Subject::Table,
            Role::Name,
            None,
            Verdict::NotATable { reason },
        );
    }

    /// The name that begins here was taken for a table, and there is reason to doubt it: its edits become a suggestion.
    pub fn distrust(&mut self, fragment: &Arc<Fragment>, start: usize, doubt: Doubt) {
        let place = fragment.locate(&(start..start + 1)).start;
        for occurrence in self.found.occurrences.iter_mut().rev().take(DISTRUST_MAX) {
            if occurrence.range.start != place {
                continue;
            }
            if let Verdict::Rewritten { new, edits } = &occurrence.verdict {
                occurrence.verdict = Verdict::NeedsPerson {
                    doubt: doubt.clone(),
                    candidates: vec![new.clone()],
                    suggestion: edits.clone(),
                };
            }
        }
    }

    /// A person must look at this.
    pub fn needs_person(
        &mut self,
        fragment: &Arc<Fragment>,
        range: Range<usize>,
        doubt: Doubt,
        candidates: Vec<String>,
    ) {
        self.occurrence(
            fragment,
            range,
            Subject::Table,
            Role::Name,
            None,
            Verdict::NeedsPerson {
                doubt,
                candidates,
                suggestion: Vec::new(),
            },
        );
    }

    /// Any occurrence, with a verdict of one's own. The methods above are right for nearly all.
    pub fn occurrence(
        &mut self,
        fragment: &Arc<Fragment>,
        range: Range<usize>,
        subject: Subject,
        role: Role,
        old: Option<String>,
        verdict: Verdict,
    ) {
        if !self.is_own(fragment, range.start) {
            return;
        }
        let text = fragment.text().get(range.clone()).unwrap_or_default();
        let spot = match self.spot {
            Spot::Identifier if !fragment.holes_in(&range).is_empty() => {
                Spot::Literal("a part of the name is put in from elsewhere")
            }
            spot => spot,
        };
        self.spots.push(spot);
        self.found.occurrences.push(Occurrence {
            range: fragment.locate(&range),
            text: text.to_owned(),
            layers: fragment.layers().into_iter().map(str::to_owned).collect(),
            subject,
            role,
            old,
            verdict,
        });
    }

    /// Whether a place lies in this asset. Functions of included notebooks are entered too; what is seen in their text is told
    /// when they are read themselves.
    pub(crate) fn is_own(&self, fragment: &Arc<Fragment>, at: usize) -> bool {
        self.root.is_none_or(|root| root == fragment.root_at(at))
    }

    /// How many occurrences there are so far.
    pub(crate) fn occurrences(&self) -> usize {
        self.found.occurrences.len()
    }

    /// An occurrence by its number.
    pub(crate) fn occurrence_at(&self, index: usize) -> Option<&Occurrence> {
        self.found.occurrences.get(index)
    }

    /// Drops, of the occurrences from a number on, the names that are nothing but one of these holes: who fills it is judged where
    /// it is filled. Says whether there were any.
    pub(crate) fn without(&mut self, from: usize, holes: &[Range<usize>]) -> bool {
        let before = self.found.occurrences.len();
        let mut index = 0;
        let mut kept = Vec::with_capacity(before);
        self.found.occurrences.retain(|occurrence| {
            index += 1;
            let whole = occurrence.text.chars().all(fragment::is_placeholder);
            let keep = index <= from || !whole || !holes.contains(&occurrence.range);
            kept.push(keep);
            keep
        });
        let mut kept = kept.into_iter();
        self.spots.retain(|_| kept.next().unwrap_or(true));
        self.found.occurrences.len() < before
    }

    /// Where an occurrence stands in a SQL statement, by its number.
    pub(crate) fn spot_of(&self, index: usize) -> Spot {
        self.spots.get(index).copied().unwrap_or_default()
    }

    /// Writes a name in another way, by its number.
    pub(crate) fn write_anew(&mut self, index: usize, anew: Vec<crate::edit::Edit>) {
        if let Some(occurrence) = self.found.occurrences.get_mut(index)
            && let Verdict::Rewritten { edits, .. } = &mut occurrence.verdict
        {
            *edits = anew;
        }
    }

    /// Something that is put in beside names.
    pub(crate) fn put_in(&mut self, insertion: crate::edit::Insertion) {
        self.found.insertions.push(insertion);
    }

    /// Something about a stretch of the asset's text.
    pub(crate) fn finding_at(&mut self, range: Range<usize>, severity: Severity, doubt: Doubt) {
        self.found.findings.push(Finding {
            range,
            doubt,
            severity,
            suggestion: Vec::new(),
        });
    }

    /// The stretches of the asset's text that are code.
    pub(crate) fn code(&self) -> impl Iterator<Item = Range<usize>> {
        self.found
            .regions
            .iter()
            .filter(|region| region.means == Means::NotATable(NotATable::Code))
            .map(|region| region.range.clone())
    }

    /// Leaves an edit that was thought right to a person.
    pub(crate) fn demote(&mut self, index: usize, doubt: Doubt) {
        let Some(occurrence) = self.found.occurrences.get_mut(index) else {
            return;
        };
        if let Verdict::Rewritten { new, edits } = &mut occurrence.verdict {
            occurrence.verdict = Verdict::NeedsPerson {
                doubt,
                candidates: vec![std::mem::take(new)],
                suggestion: std::mem::take(edits),
            };
        }
    }

    /// All candidates in this stretch that have no occurrence of their own are this. Inner regions win over outer ones.
    pub fn region(&mut self, fragment: &Arc<Fragment>, range: Range<usize>, means: Means) {
        if !self.is_own(fragment, range.start) {
            return;
        }
        self.found.regions.push(Region {
            range: fragment.locate(&range),
            means,
        });
    }

    /// Something about the code itself.
    pub fn finding(
        &mut self,
        fragment: &Arc<Fragment>,
        range: Range<usize>,
        severity: Severity,
        doubt: Doubt,
    ) {
        if !self.is_own(fragment, range.start) {
            return;
        }
        self.found.findings.push(Finding {
            range: fragment.locate(&range),
            doubt,
            severity,
            suggestion: Vec::new(),
        });
    }

    /// `%run target`: the session afterwards is the one that the target leaves.
    pub fn run(&mut self, target: &str) {
        self.call(target, "%run");
        match self.includes.after(self.asset, target, &self.session) {
            Some(session) => self.session = session,
            // What we cannot read may do anything to the session.
            None => {
                self.session.views_incomplete = true;
                self.session.database = Value::Unknown;
            }
        }
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

enum Decision {
    Mapped {
        old: String,
        new: NewTable,
    },
    NotATable(NotATable),
    Doubt {
        doubt: Doubt,
        candidates: Vec<String>,
        old: Option<String>,
    },
}

impl Decision {
    fn old(&self) -> Option<String> {
        match self {
            Self::Mapped { old, .. } => Some(old.clone()),
            Self::Doubt { old, .. } => old.clone(),
            Self::NotATable(_) => None,
        }
    }
}

/// A part of a name that may be open.
enum Pattern {
    Known(String),
    Open { starts: String, ends: String },
}

impl Pattern {
    fn of(fragment: &Fragment, part: &NamePart) -> Self {
        let text = part.text.to_lowercase();
        if fragment::has_placeholder(&text) {
            let starts = text
                .split(fragment::is_placeholder)
                .next()
                .unwrap_or_default();
            let ends = text
                .rsplit(fragment::is_placeholder)
                .next()
                .unwrap_or_default();
            return Self::Open {
                starts: starts.to_owned(),
                ends: ends.to_owned(),
            };
        }
        let _ = fragment;
        Self::Known(text)
    }
}

/// The path by which others know a notebook: lower case, no leading slash, no extension.
pub fn notebook_key(path: &str) -> String {
    let path = path.trim_start_matches('/').to_lowercase();
    for extension in [".py", ".sql", ".scala", ".r", ".ipynb"] {
        if let Some(stem) = path.strip_suffix(extension) {
            return stem.to_owned();
        }
    }
    path
}

/// Whether a catalog is the metastore itself.
pub fn is_metastore(catalog: &str) -> bool {
    catalog.eq_ignore_ascii_case("hive_metastore") || catalog.eq_ignore_ascii_case("spark_catalog")
}

/// The whole range of a name.
fn whole(parts: &[NamePart]) -> Option<Range<usize>> {
    Some(parts.first()?.range.start..parts.last()?.range.end)
}

/// All texts that a name can be, part by part; `None` if a hole in it is open, or there are too many.
fn combinations(fragment: &Fragment, parts: &[NamePart]) -> Option<Vec<Vec<String>>> {
    let range = whole(parts)?;
    let holes = fragment.holes_in(&range);
    let mut texts: Vec<Vec<(String, bool)>> = vec![
        parts
            .iter()
            .map(|part| (part.text.clone(), part.quoted))
            .collect(),
    ];
    for hole in holes {
        // The only value of a hole stands in the text already.
        if hole.values.len() == 1 {
            continue;
        }
        let mark = fragment::placeholder(hole.mark);
        if hole.values.is_empty() {
            return None;
        }
        let mut filled = Vec::new();
        for text in &texts {
            for value in &hole.values {
                filled.push(
                    text.iter()
                        .map(|(part, quoted)| (part.replace(&mark, value), *quoted))
                        .collect(),
                );
            }
            if filled.len() > COMBINATIONS_MAX {
                return None;
            }
        }
        texts = filled;
    }
    let split = |parts: Vec<(String, bool)>| -> Vec<String> {
        parts
            .into_iter()
            .flat_map(|(part, quoted)| {
                if quoted {
                    vec![part]
                } else {
                    part.split('.')
                        .map(|part| part.trim_matches('`').to_owned())
                        .collect()
                }
            })
            .collect()
    };
    let mut all: Vec<Vec<String>> = texts.into_iter().map(split).collect();
    if all
        .iter()
        .flatten()
        .any(|part| fragment::has_placeholder(part))
    {
        return None;
    }
    all.sort();
    all.dedup();
    Some(all)
}

/// The parts of a name that fills a range: letters, digits, `_`, placeholders, or anything in backticks; dots between. `None` if
/// it is not such a name.
pub fn name_parts(text: &str, range: Range<usize>) -> Option<Vec<NamePart>> {
    let whole = text.get(range.clone())?;
    let lead = whole.len() - whole.trim_start().len();
    let mut at = range.start + lead;
    let end = range.start + whole.trim_end().len();
    let mut parts = Vec::new();
    loop {
        let rest = text.get(at..end)?;
        let part = if rest.starts_with('`') {
            let mut close = 1;
            loop {
                let next = rest[close..].find('`')? + close;
                if rest[next + 1..].starts_with('`') {
                    close = next + 2;
                } else {
                    close = next + 1;
                    break;
                }
            }
            NamePart {
                range: at..at + close,
                text: rest[1..close - 1].replace("``", "`"),
                quoted: true,
            }
        } else {
            let length = rest
                .find(|letter: char| {
                    !(letter.is_alphanumeric()
                        || letter == '_'
                        || letter == '$'
                        || fragment::is_placeholder(letter))
                })
                .unwrap_or(rest.len());
            if length == 0 {
                return None;
            }
            NamePart {
                range: at..at + length,
                text: rest[..length].to_owned(),
                quoted: false,
            }
        };
        at = part.range.end;
        parts.push(part);
        if at == end {
            return Some(parts);
        }
        if !text[at..end].starts_with('.') {
            return None;
        }
        at += 1;
    }
}

/// The length of what Databricks allows in front of a path without changing it: `dbfs:`, `/dbfs`.
fn path_scheme(path: &str) -> usize {
    if path
        .get(..5)
        .is_some_and(|start| start.eq_ignore_ascii_case("dbfs:"))
    {
        // `dbfs:///mnt` is `dbfs:/mnt`.
        let slashes = path[5..].bytes().take_while(|byte| *byte == b'/').count();
        return 5 + slashes.saturating_sub(1);
    }
    if path.starts_with("/dbfs/") {
        return 5;
    }
    0
}

fn starts_like(old: &str, text: &str) -> bool {
    old.get(..text.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(text))
}
