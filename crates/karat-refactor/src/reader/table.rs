//! Names of tables: what they stand for in the session, what the mapping makes of them, and the edits that write it.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use super::Reader;
use super::names::{self, NamePart, Pattern, combinations, is_metastore, name_parts, whole};
use crate::beside::{Already, part};
use crate::fragment::{self, Fragment, Refusal};
use crate::mapping::{DatabaseLookup, NewTable, TableLookup, quoted};
use crate::occurrence::{Doubt, Means, NotATable, Role, Subject, Verdict, rule};
use crate::session::Value;

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

impl Reader<'_> {
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

    /// How many parts of a dotted name (in lower case) are a table in front of a column, if the mapping says so, or a catalog of the mapping.
    pub(crate) fn qualifier_length(&self, lower: &[String]) -> Option<usize> {
        let is_mapped = |database: &str, table: &str| {
            matches!(
                self.mapping.table(database, table),
                TableLookup::Mapped(_) | TableLookup::Contradiction(_)
            )
        };
        match lower {
            [catalog, database, table, _, ..]
                if is_metastore(catalog) && is_mapped(database, table)
                    || self.mapping.has_catalog(catalog) =>
            {
                Some(3)
            }
            [database, table, _, ..] if is_mapped(database, table) => Some(2),
            _ => None,
        }
    }

    /// The table that a name stands for here, if the mapping moves it: database and table. Of a name of Unity Catalog the database is empty.
    pub(crate) fn table_of_text(&self, text: &str) -> Option<(String, String)> {
        let parts = name_parts(text, 0..text.len())?;
        let texts: Vec<&str> = parts.iter().map(|part| part.text.as_str()).collect();
        match self.decide(&texts, parts.iter().any(|part| part.quoted)) {
            Decision::Mapped { old, .. } => {
                let (database, table) = old.split_once('.')?;
                Some((database.to_owned(), table.to_owned()))
            }
            Decision::NotATable(NotATable::AlreadyThreePart) => {
                Some((String::new(), texts.last()?.to_lowercase()))
            }
            Decision::NotATable(_) | Decision::Doubt { .. } => None,
        }
    }

    /// The new table names that tables of this name get, in whichever database, where they are others.
    pub(crate) fn renamed_tables(&self, table: &str) -> BTreeSet<String> {
        if !self.mapping.knows_table_name(table) {
            return BTreeSet::new();
        }
        let tables = self.mapping.tables().filter(|(old, _)| old.table == table);
        let news = tables.flat_map(|(_, news)| news);
        news.filter(|new| !new.table.eq_ignore_ascii_case(table))
            .map(|new| new.table.clone())
            .collect()
    }

    /// The new table name of a table, if it is another one.
    pub(crate) fn renamed(&self, database: &str, table: &str) -> Option<String> {
        match self.mapping.table(database, table) {
            TableLookup::Mapped(new) => {
                (!new.table.eq_ignore_ascii_case(table)).then_some(new.table)
            }
            _ => None,
        }
    }

    /// `orders.id` where `sales.orders` becomes a table of another name: the column's table changes with it.
    pub(crate) fn rename_qualifier(
        &mut self,
        fragment: &Arc<Fragment>,
        part: &NamePart,
        new: &str,
    ) {
        let written = if part.quoted {
            format!("`{}`", new.replace('`', "``"))
        } else {
            quoted(new)
        };
        let verdict = match fragment.edit(part.range.clone(), &written) {
            Ok(edit) => Verdict::Rewritten {
                new: new.to_owned(),
                edits: vec![edit],
            },
            Err(refusal) => Verdict::NeedsPerson {
                doubt: Doubt::new(
                    rule::QUALIFIER,
                    format!("the table is `{new}` now, which cannot be written here: {refusal}"),
                ),
                candidates: vec![new.to_owned()],
                suggestion: Vec::new(),
            },
        };
        let range = part.range.clone();
        self.occurrence(
            fragment,
            range,
            Subject::Qualifier,
            Role::Name,
            None,
            verdict,
        );
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
        self.note_already(fragment, parts);
        let mut mapped = None;
        let touched = !fragment.holes_in(&range).is_empty();
        let (old, verdict) = if touched {
            self.decide_with_holes(fragment, parts)
        } else if parts
            .iter()
            .any(|part| part.text.contains(fragment::is_placeholder))
        {
            // The file has the letter that stands for what is decided at run time elsewhere.
            let doubt = Doubt::new(rule::UNRESOLVED, "a letter of this name is for private use");
            let verdict = Verdict::NeedsPerson {
                doubt,
                candidates: Vec::new(),
                suggestion: Vec::new(),
            };
            (None, verdict)
        } else {
            let texts: Vec<&str> = parts.iter().map(|part| part.text.as_str()).collect();
            let decision = self.decide(&texts, parts.iter().any(|part| part.quoted));
            let old = decision.old();
            let verdict = match decision {
                Decision::Mapped { old, new } => {
                    let verdict = self.rewrite(fragment, parts, &old, &new);
                    // A column follows its table.
                    let is_asked = match subject {
                        Subject::Qualifier => self.merged.contains(&old),
                        _ => true,
                    };
                    let beside = self.besides.of(&new).filter(|_| is_asked);
                    if beside.is_some() {
                        self.merged.insert(old.clone());
                    }
                    let verdict = unless_beside(verdict, beside);
                    mapped = matches!(verdict, Verdict::Rewritten { .. }).then_some(new);
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
        let tables = match (subject, role) {
            (Subject::Table, Role::Read | Role::Write) => self.tables(fragment, parts),
            _ => Vec::new(),
        };
        if touched {
            self.wish = self.wish_of_table(fragment, parts);
        }
        self.table_occurrence(fragment, range, (subject, role), old, verdict, tables);
        mapped
    }

    /// Keeps a table of Unity Catalog in mind, if it is one: no other name may become it.
    fn note_already(&mut self, fragment: &Fragment, parts: &[NamePart]) {
        let range = whole(parts).unwrap_or(0..0);
        if parts.len() < 3 && self.session.catalog.is_none() && fragment.holes_in(&range).is_empty()
        {
            return;
        }
        for name in names::possible(fragment, parts) {
            let texts: Vec<&str> = name.iter().map(String::as_str).collect();
            let catalog = self.session.catalog.as_deref();
            let full = match (texts.as_slice(), catalog) {
                ([catalog, schema, table], _) if !is_metastore(catalog) => {
                    [part(catalog), part(schema), part(table)]
                }
                ([schema, table], Some(catalog)) if *schema != "global_temp" => {
                    [part(catalog), part(schema), part(table)]
                }
                ([table], Some(catalog))
                    if !self.session.temporary_views.contains(&table.to_lowercase()) =>
                {
                    let schema = self.session.database.only();
                    [part(catalog), schema.and_then(part), part(table)]
                }
                _ => continue,
            };
            self.found
                .already
                .extend(Already::table(self.mapping, full));
        }
    }

    /// The tables that a name can be, in full: what [`Occurrence::tables`](crate::Occurrence::tables) tells.
    fn tables(&self, fragment: &Arc<Fragment>, parts: &[NamePart]) -> Vec<String> {
        let session = &self.session;
        let Some(combinations) = combinations(fragment, parts) else {
            let pattern: Vec<Pattern> = parts
                .iter()
                .map(|part| Pattern::of(fragment, part))
                .collect();
            let known = match pattern.as_slice() {
                [Pattern::Known(database), Pattern::Open { .. }] => match &session.catalog {
                    Some(catalog) => dotted([catalog, database]),
                    None => dotted([database]),
                },
                [
                    Pattern::Known(catalog),
                    Pattern::Known(database),
                    Pattern::Open { .. },
                ] if is_metastore(catalog) => dotted([database]),
                [
                    Pattern::Known(catalog),
                    Pattern::Known(database),
                    Pattern::Open { .. },
                ] => dotted([catalog, database]),
                _ => return Vec::new(),
            };
            return vec![format!("{known}.*")];
        };
        let full = |parts: &Vec<String>| match (parts.as_slice(), &session.catalog) {
            ([table], catalog) => {
                let is_view = session.views_incomplete
                    || session.temporary_views.contains(&table.to_lowercase());
                let database = session.database.only().filter(|_| !is_view)?;
                Some(match catalog {
                    Some(catalog) => dotted([catalog.as_str(), database, table]),
                    None => dotted([database, table]),
                })
            }
            ([database, _], _) if database.eq_ignore_ascii_case("global_temp") => None,
            ([database, table], Some(catalog)) => Some(dotted([catalog, database, table])),
            ([database, table], None) => Some(dotted([database, table])),
            ([catalog, database, table], _) if is_metastore(catalog) => {
                Some(dotted([database, table]))
            }
            ([catalog, database, table], _) => Some(dotted([catalog, database, table])),
            _ => None,
        };
        let all: Option<Vec<String>> = combinations.iter().map(full).collect();
        all.unwrap_or_default()
    }

    /// What a name without holes stands for.
    pub(super) fn decide(&self, parts: &[&str], any_quoted: bool) -> Decision {
        let lower: Vec<String> = parts.iter().map(|part| part.to_lowercase()).collect();
        if !any_quoted && !lower.iter().all(|part| part.is_ascii()) {
            return Decision::Doubt {
                doubt: Doubt::new(
                    rule::LETTERS,
                    format!(
                        "`{}` has letters that a name has only between backticks, and that no table of the metastore has",
                        lower.join(".")
                    ),
                ),
                candidates: Vec::new(),
                old: None,
            };
        }
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
            // A dataset of the same declarative pipeline.
            [database, _] if database == "live" && !self.mapping.knows_database("live") => {
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
            // `.` or `x.t` in the place of a table: what is right in front of one name is wrong in front of the other.
            let count = combinations.first().map_or(0, Vec::len);
            let is_name = |name: &Vec<String>| {
                name.len() == count && count <= 3 && name.iter().all(|part| !part.is_empty())
            };
            if let Some(other) = combinations.iter().find(|name| !is_name(name)) {
                let message = format!(
                    "{} can make `{}` of it, which is another kind of name or none",
                    names.join(", "),
                    other.join(".")
                );
                return (None, needs(rule::SEVERAL, message, Vec::new()));
            }
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
            if news.is_empty() {
                let reason = NotATable::AlreadyThreePart;
                return (None, Verdict::NotATable { reason });
            }
            let old: Vec<String> = news.iter().map(|(old, _)| old.clone()).collect();
            let old = (old.len() == 1).then(|| old[0].clone());
            let written = combinations.first().map_or(0, Vec::len);
            return match self.one_edit_for_all(fragment, parts, &news, written) {
                Some(Ok((new, edits))) => {
                    let beside = news.iter().find_map(|(_, new)| self.besides.of(new));
                    (
                        old,
                        unless_beside(Verdict::Rewritten { new, edits }, beside),
                    )
                }
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
                    let new = format!("{replacement}.*");
                    let (catalog, schema) = (&catalog_schema.catalog, &catalog_schema.schema);
                    let beside = self.besides.of_table(catalog, schema, None);
                    (
                        Some(format!("{database}.*")),
                        unless_beside(Verdict::Rewritten { new, edits }, beside),
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
        let mut message = format!("the name is decided at run time by {}", names.join(", "));
        let mut candidates = Vec::new();
        for likely in names::likely(fragment, parts) {
            let texts: Vec<&str> = likely.iter().map(String::as_str).collect();
            if let Decision::Mapped { old, new } = self.decide(&texts, false) {
                if candidates.is_empty() {
                    message.push_str(&format!("; one value that is known makes `{old}` of it"));
                }
                candidates.push(new.sql());
            }
        }
        for candidate in self.candidates_for(&pattern) {
            if !candidates.contains(&candidate) {
                candidates.push(candidate);
            }
        }
        candidates.truncate(8);
        (None, needs(rule::UNRESOLVED, message, candidates))
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
    pub(super) fn moves_as_one(&self, database: &str) -> Option<crate::mapping::NewSchema> {
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
    pub(super) fn rewrite(
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
}

/// A name that would be merged with another one of the code is left to a person.
pub(super) fn unless_beside(verdict: Verdict, beside: Option<Doubt>) -> Verdict {
    match (verdict, beside) {
        (Verdict::Rewritten { new, edits }, Some(doubt)) => Verdict::NeedsPerson {
            doubt,
            candidates: vec![new],
            suggestion: edits,
        },
        (verdict, _) => verdict,
    }
}

/// A name of lower-case parts, quoted where they must be.
fn dotted<'p>(parts: impl IntoIterator<Item = &'p (impl AsRef<str> + ?Sized + 'p)>) -> String {
    let parts = parts.into_iter();
    let written: Vec<String> = parts
        .map(|part| quoted(&part.as_ref().to_lowercase()))
        .collect();
    written.join(".")
}

pub(super) enum Decision {
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
