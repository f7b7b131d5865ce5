//! All tables of a pipeline, in the order in which they read each other.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use sqlparser::ast::Expr;

use crate::dbt::Log;
use crate::outline::{Check, Expectation, Gold, Origin, Outline, Silver, Yaml};
use crate::sql::{
    Dialect, Found, Shape, Tables, applied, quoted, read as read_query, read_expression, respelled,
};
use crate::yaml_text::{item, list, scalar};

use super::files::{FILES, Files, with_names};
use super::own_name;
use super::rows::{Rows, Rule, expression, ident, is_name, names_of, substituted};
use super::statement::{Changes, Constraint, Table};

/// What tables of the pipeline are called until it is known what they are in karat.
const LIVE: &str = "karat_live";

#[derive(Default)]
pub(crate) struct Pipeline {
    tables: BTreeMap<String, (Table, Origin)>,
    changes: BTreeMap<String, (Changes, Origin)>,
    files: Vec<Files>,
    shapes: BTreeMap<String, Shape>,
    /// Columns that queries name which are left out: they tell of the files nonetheless.
    named: Vec<(String, String)>,
    /// By the names of `LIVE`: what they are called in karat.
    names: BTreeMap<String, String>,
    /// Catalog and schema that statements give tables, where they do.
    schemas: BTreeMap<String, Vec<String>>,
    /// Names that several statements claim, with the first of them: who reads such a name may mean any.
    claimed: BTreeMap<String, (&'static str, String, Origin)>,
    /// References that state a schema of tables that state none.
    assumed: RefCell<BTreeSet<String>>,
}

/// What a table of the pipeline is called in karat, and the catalog and schema before its name.
fn split(name: &str) -> (String, Vec<String>) {
    let mut parts: Vec<String> = name.split('.').map(str::to_lowercase).collect();
    let last = parts.pop().unwrap_or_default();
    (own_name(&last), parts)
}

/// Whether two statements of catalog and schema may mean one: what one leaves out is not known.
fn may_be_one(one: &[String], other: &[String]) -> bool {
    one.iter()
        .rev()
        .zip(other.iter().rev())
        .all(|(one, other)| one == other)
}

/// A table whose query is understood.
struct Readable {
    name: String,
    sql: String,
    found: Found,
}

impl Pipeline {
    pub(crate) fn is_empty(&self) -> bool {
        self.tables.is_empty() && self.changes.is_empty()
    }

    pub(crate) fn add_table(&mut self, table: Table, origin: Origin, log: &mut Log) {
        let (name, schema) = split(&table.name);
        if let Some((first, at)) = self.tables.get(&name) {
            let why = format!("{}:{} makes a table of this name, too", at.file, at.line);
            log.item(table.kind, &origin, None);
            self.claimed
                .entry(name)
                .or_insert((table.kind, first.name.clone(), origin.clone()));
            log.unmapped(
                &origin,
                &table.name,
                why,
                "import one pipeline at a time, or rename one of them",
            );
            return;
        }
        self.schemas.insert(name.clone(), schema);
        self.tables.insert(name, (table, origin));
    }

    pub(crate) fn add_changes(&mut self, changes: Changes, origin: Origin, log: &mut Log) {
        let (name, _) = split(&changes.target);
        if let Some((_, first)) = self.changes.get(&name) {
            let why = format!(
                "{}:{} changes this table, too: a karat table has one flow",
                first.file, first.line
            );
            log.item("auto cdc", &origin, None);
            log.unmapped(
                &origin,
                &changes.target,
                why,
                "make a table of each, and join them in gold",
            );
            return;
        }
        self.changes.insert(name, (changes, origin));
    }

    /// Names by which tables are read, with what is left out taken away.
    fn leave_out(&mut self, name: &str, log: &mut Log, told: &[(u32, String, String, String)]) {
        if let Some((table, origin)) = self.tables.remove(name) {
            log.item(table.kind, &origin, None);
            for (line, construct, why, fix) in told {
                let at = Origin {
                    line: *line,
                    ..origin.clone()
                };
                log.unmapped(&at, construct, why, fix);
            }
        }
        self.shapes.remove(name);
        self.names.remove(name);
    }

    pub(crate) fn write(mut self, outline: &mut Outline, log: &mut Log) {
        for (name, (changes, origin)) in &self.changes {
            let (_, schema) = split(&changes.target);
            if let Some((table, _)) = self.tables.get(name) {
                let own = self.schemas.get(name).map_or(&[][..], Vec::as_slice);
                if !may_be_one(own, &schema) {
                    let claim = (table.kind, changes.target.clone(), origin.clone());
                    self.claimed.entry(name.clone()).or_insert(claim);
                }
                continue;
            }
            let table = Table {
                name: changes.target.clone(),
                kind: "streaming table",
                ..Table::default()
            };
            self.schemas.insert(name.clone(), schema);
            self.tables.insert(name.clone(), (table, origin.clone()));
        }
        self.leave_out_claimed(log);
        self.pass_over(log);
        let readable = self.read_all(log);
        let demands = self.demanded(&readable);
        let mut rows = self.rows_of_files(&demands, log);
        // Now that the columns of files are known, so is what each `*` stands for.
        for nth in 0..self.files.len() {
            let columns = rows.get(&format!("{FILES}.f{nth}"));
            let known =
                columns.map(|rows| rows.select.iter().map(|(name, _)| name.clone()).collect());
            self.shapes.insert(
                format!("{FILES}.f{nth}"),
                Shape::of(known.unwrap_or_default()),
            );
        }
        self.write_feeds(&rows, outline);
        for one in readable {
            let name = one.name.clone();
            self.write_table(one, &mut rows, outline, log);
            self.write_changes_of(&name, &rows, outline, log);
        }
        let left: Vec<String> = self.changes.keys().cloned().collect();
        for name in left {
            if let Some((changes, origin)) = self.changes.remove(&name) {
                log.item("auto cdc", &origin, None);
                let why = format!(
                    "it reads `{}`, which is left out, or which the pipeline has not",
                    changes.source
                );
                log.unmapped(
                    &origin,
                    &changes.target,
                    why,
                    format!("bring `{}` over first", changes.source),
                );
            }
        }
        let left: Vec<String> = self.tables.keys().cloned().collect();
        for name in left {
            let Some((table, origin)) = self.tables.get(&name) else {
                continue;
            };
            if table.query.is_none() {
                let construct = table.name.clone();
                let line = origin.line;
                let why = "no statement that is taken over fills it".to_owned();
                self.leave_out(
                    &name,
                    log,
                    &[(line, construct, why, "bring its flow over first".to_owned())],
                );
            }
        }
    }

    /// Of tables with one name none is taken over: nobody knows which of them a reader means.
    fn leave_out_claimed(&mut self, log: &mut Log) {
        for (name, (_, construct, at)) in std::mem::take(&mut self.claimed) {
            let why = format!("{}:{} makes a table of this name, too", at.file, at.line);
            let fix = "import one pipeline at a time, or rename one of them".to_owned();
            if let Some((changes, origin)) = self.changes.remove(&name) {
                log.item("auto cdc", &origin, None);
                log.unmapped(&origin, &changes.target, &why, &fix);
            }
            let line = self.tables.get(&name).map_or(1, |(_, origin)| origin.line);
            self.leave_out(&name, log, &[(line, construct, why, fix)]);
        }
    }

    /// The table of the pipeline that a name means; what is none is a name that no table has.
    fn key_of(&self, name: &str) -> String {
        let (own, schema) = split(name);
        match self.is_meant(&own, &schema) {
            true => own,
            false => name.to_owned(),
        }
    }

    fn is_meant(&self, own: &str, schema: &[String]) -> bool {
        let declared = self.schemas.get(own).map_or(&[][..], Vec::as_slice);
        let schema = match schema {
            [live] if live == "live" => &[],
            schema => schema,
        };
        if !schema.is_empty() && declared.is_empty() {
            self.assumed
                .borrow_mut()
                .insert(format!("{}.{own}", schema.join(".")));
        }
        may_be_one(declared, schema)
    }

    /// Notes of references that state a schema, where the table states none.
    fn tell_assumed(&self, origin: &Origin, log: &mut Log) {
        for name in self.assumed.take() {
            log.note(
                origin,
                &name,
                "it is taken for the table of this name that the pipeline makes, which states no schema",
                "if another table is meant, take it in with a feed",
            );
        }
    }

    /// What is said of tables and has no place.
    fn pass_over(&self, log: &mut Log) {
        for (table, origin) in self.tables.values() {
            for (line, construct) in &table.passed {
                let at = Origin {
                    line: *line,
                    ..origin.clone()
                };
                log.unmapped(
                    &at,
                    construct,
                    "it is not taken over",
                    "say it in the karat model where it is needed",
                );
            }
        }
    }

    /// Reads all queries, those first that others read.
    fn read_all(&mut self, log: &mut Log) -> Vec<Readable> {
        let mut readable = Vec::new();
        let mut texts: BTreeMap<String, String> = BTreeMap::new();
        let names: Vec<String> = self.tables.keys().cloned().collect();
        for name in &names {
            let Some(query) = self.tables[name].0.query.clone() else {
                continue;
            };
            let spelled = with_names(&query.text, &mut self.files).and_then(|sql| {
                let (sql, troubles) = respelled(&sql, Dialect::Spark)?;
                match troubles.into_iter().next() {
                    None => Ok(sql),
                    Some(trouble) => Err(trouble),
                }
            });
            match spelled {
                Ok(sql) => drop(texts.insert(name.clone(), sql)),
                Err(trouble) => {
                    let line = line_of(&query.text, trouble.at) + query.line - 1;
                    self.leave_out(
                        name,
                        log,
                        &[(line, trouble.construct, trouble.why, trouble.fix)],
                    );
                }
            }
        }
        for nth in 0..self.files.len() {
            let name = format!("{FILES}.f{nth}");
            let known = self.files[nth]
                .columns
                .iter()
                .map(|(name, _)| karat_project::fold_name(name));
            let shape = Shape {
                known: known.collect(),
                open: (!self.files[nth].is_whole).then(|| name.clone()),
            };
            self.shapes.insert(name, shape);
        }
        // A table is ready when what it names is read; what waits for itself never is.
        let mut left: BTreeSet<String> = names
            .into_iter()
            .filter(|name| self.tables.contains_key(name))
            .collect();
        loop {
            let mut ready = Vec::new();
            for name in &left {
                let waits = self.waits_for(name, texts.get(name)).into_iter();
                if waits.filter(|other| left.contains(other)).count() == 0 {
                    ready.push(name.clone());
                }
            }
            if ready.is_empty() {
                break;
            }
            for name in ready {
                left.remove(&name);
                self.read_one(&name, texts.get(&name), &mut readable, log);
            }
        }
        for name in left {
            let Some((table, origin)) = self.tables.get(&name) else {
                continue;
            };
            let told = (
                origin.line,
                table.name.clone(),
                "it is part of a circle of tables, or reads one".to_owned(),
                "break the circle".to_owned(),
            );
            self.leave_out(&name, log, &[told]);
        }
        readable
    }

    /// Tables of the pipeline that a table names.
    fn waits_for(&self, name: &str, text: Option<&String>) -> Vec<String> {
        if let Some((changes, _)) = self.changes.get(name) {
            return vec![self.key_of(&changes.source)];
        }
        let Some(text) = text else { return Vec::new() };
        let found = read_query(text, Dialect::Spark, &Every(self));
        let tables = found.map(|found| found.tables).unwrap_or_default();
        let own = tables
            .iter()
            .filter_map(|table| table.strip_prefix(&format!("{LIVE}.")).map(str::to_owned));
        own.collect()
    }

    fn read_one(
        &mut self,
        name: &str,
        text: Option<&String>,
        readable: &mut Vec<Readable>,
        log: &mut Log,
    ) {
        let Some((table, origin)) = self.tables.get(name) else {
            return;
        };
        let (Some(text), Some(query)) = (text, table.query.clone()) else {
            // The target of a flow has the columns that the flow gives it.
            if let Some((changes, _)) = self.changes.get(name) {
                let mut shape = self
                    .shapes
                    .get(&self.key_of(&changes.source))
                    .cloned()
                    .unwrap_or_default();
                shape
                    .known
                    .retain(|column| !changes.except.contains(column));
                self.shapes.insert(name.to_owned(), shape);
                readable.push(Readable {
                    name: name.to_owned(),
                    sql: String::new(),
                    found: Found::default(),
                });
            }
            return;
        };
        let line = origin.line;
        self.assumed.take();
        let read = read_query(text, Dialect::Spark, self);
        match read {
            Ok(found) if found.troubles.is_empty() => {
                self.tell_assumed(origin, log);
                let mut shape = found.shape.clone();
                let listed: Vec<String> = table
                    .columns
                    .iter()
                    .map(|(column, _)| karat_project::fold_name(column))
                    .collect();
                let renames = !listed.is_empty() && shape.open.is_none() && listed != shape.known;
                if renames && table.kind.ends_with("view") {
                    let told = (
                        line,
                        format!("({})", listed.join(", ")),
                        "its column list names the columns otherwise than its query".to_owned(),
                        "name them in the SELECT with `as`".to_owned(),
                    );
                    return self.leave_out(name, log, &[told]);
                }
                for (column, _) in &table.columns {
                    let own = karat_project::fold_name(column);
                    if !own.starts_with('_') && !shape.known.contains(&own) {
                        shape.known.push(own);
                    }
                }
                if !table.columns.is_empty() {
                    shape.open = None;
                }
                self.shapes.insert(name.to_owned(), shape);
                readable.push(Readable {
                    name: name.to_owned(),
                    sql: text.clone(),
                    found,
                });
            }
            Ok(found) => {
                self.named.extend(found.demands);
                let told: Vec<_> = found
                    .troubles
                    .into_iter()
                    .map(|trouble| {
                        (
                            line_of(text, trouble.at) + query.line - 1,
                            trouble.construct,
                            trouble.why,
                            trouble.fix,
                        )
                    })
                    .collect();
                self.leave_out(name, log, &told);
            }
            Err(trouble) => {
                let line = if trouble.at == 0 {
                    line
                } else {
                    line_of(text, trouble.at) + query.line - 1
                };
                self.leave_out(
                    name,
                    log,
                    &[(line, trouble.construct, trouble.why, trouble.fix)],
                );
            }
        }
    }

    /// Columns of files that somebody names, in the order of the texts.
    fn demanded(&self, readable: &[Readable]) -> BTreeMap<String, Vec<String>> {
        let mut demands: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut demand = |table: &str, column: &str| {
            let columns = demands.entry(table.to_owned()).or_default();
            if !column.starts_with('_') && !columns.iter().any(|own| own == column) {
                columns.push(column.to_owned());
            }
        };
        for (table, column) in &self.named {
            demand(table, column);
        }
        for one in readable {
            for (table, column) in &one.found.demands {
                demand(table, column);
            }
            let Some((table, _)) = self.tables.get(&one.name) else {
                continue;
            };
            let open = one.found.shape.open.as_deref();
            for (column, _) in &table.columns {
                let own = karat_project::fold_name(column);
                if let Some(open) = open.filter(|_| !one.found.shape.known.contains(&own)) {
                    demand(open, &own);
                }
            }
            for constraint in &table.constraints {
                for column in columns_of(&constraint.expect) {
                    if let Some(open) = open.filter(|_| !one.found.shape.known.contains(&column)) {
                        demand(open, &column);
                    }
                }
            }
        }
        for (changes, _) in self.changes.values() {
            let Some(shape) = self.shapes.get(&self.key_of(&changes.source)) else {
                continue;
            };
            let Some(open) = &shape.open else { continue };
            let mut wanted = [
                &changes.keys[..],
                &changes.sequence_by,
                &changes.columns,
                &changes.except,
                &changes.track,
                &changes.track_except,
            ]
            .concat();
            for condition in [&changes.deletes, &changes.truncates].into_iter().flatten() {
                wanted.extend(columns_of(condition));
            }
            for column in wanted.iter().filter(|column| !shape.known.contains(column)) {
                demand(open, column);
            }
        }
        demands
    }

    fn rows_of_files(
        &self,
        demands: &BTreeMap<String, Vec<String>>,
        log: &mut Log,
    ) -> BTreeMap<String, Rows> {
        let mut rows = BTreeMap::new();
        for (nth, files) in self.files.iter().enumerate() {
            let name = format!("{FILES}.f{nth}");
            let mut select: Vec<(String, Expr)> = Vec::new();
            for (column, data_type) in &files.columns {
                let own = karat_project::fold_name(column);
                if own.starts_with('_') {
                    continue;
                }
                let expr = typed(ident(&own), data_type, files.is_text());
                match expr {
                    Some(expr) => select.push((own, expr)),
                    None => {
                        let origin = Origin {
                            file: files.path.clone(),
                            line: 1,
                            name: column.clone(),
                        };
                        log.unmapped(
                            &origin,
                            format!("{column} {data_type}"),
                            "this type has no place",
                            "cast it in the silver model",
                        );
                        select.push((own.clone(), ident(&own)));
                    }
                }
            }
            for column in demands.get(&name).map_or(&[][..], Vec::as_slice) {
                if !select.iter().any(|(own, _)| own == column) {
                    select.push((column.clone(), ident(column)));
                }
            }
            rows.insert(
                name,
                Rows {
                    files: nth,
                    select,
                    rules: Vec::new(),
                },
            );
        }
        rows
    }

    fn feed_name(&self, nth: usize) -> String {
        let name = self.files[nth].name();
        let same = self.files[..nth]
            .iter()
            .filter(|other| other.name() == name)
            .count();
        match same {
            0 => name,
            same => format!("{name}_{}", same + 1),
        }
    }

    fn write_feeds(&self, rows: &BTreeMap<String, Rows>, outline: &mut Outline) {
        if !self.files.is_empty() {
            outline
                .sources
                .insert("landing".to_owned(), "./landing".to_owned());
        }
        for (nth, files) in self.files.iter().enumerate() {
            if rows
                .get(&format!("{FILES}.f{nth}"))
                .is_some_and(|rows| !rows.select.is_empty())
            {
                outline.feeds.push(files.feed(&self.feed_name(nth)));
            }
        }
    }

    fn write_table(
        &mut self,
        one: Readable,
        rows: &mut BTreeMap<String, Rows>,
        outline: &mut Outline,
        log: &mut Log,
    ) {
        let Some((table, origin)) = self.tables.get(&one.name) else {
            return;
        };
        let Some(query) = table.query.clone() else {
            return;
        };
        let (origin, name) = (origin.clone(), one.name.clone());
        let found = match read_query(&one.sql, Dialect::Spark, self) {
            Ok(found) if found.troubles.is_empty() => found,
            Ok(found) => {
                let told: Vec<_> = found
                    .troubles
                    .into_iter()
                    .map(|it| {
                        (
                            line_of(&one.sql, it.at) + query.line - 1,
                            it.construct,
                            it.why,
                            it.fix,
                        )
                    })
                    .collect();
                return self.leave_out(&name, log, &told);
            }
            Err(it) => {
                return self.leave_out(&name, log, &[(origin.line, it.construct, it.why, it.fix)]);
            }
        };
        let sql = applied(&one.sql, found.edits.clone());
        let sql = sql.trim().trim_end_matches(';').trim_end().to_owned();
        let mut rules = Vec::new();
        for constraint in &table.constraints {
            match rule_of(constraint, &origin) {
                Ok(rule) => rules.push(rule),
                Err(told) => refuse_rule(constraint, &origin, told, log),
            }
        }
        let read = Rows::read(&sql, rows, &origin);
        // A text that is cast to a whole number is one, or fails: nothing is cut off.
        let is_of_texts = matches!(&read, Ok(Some(own)) if self.files[own.files].is_text()
            && own.select.iter().all(|(_, expr)| !expr.to_string().starts_with("CAST(CAST(")));
        if !is_of_texts {
            for doubt in &found.doubts {
                let at = Origin {
                    line: line_of(&one.sql, doubt.at) + query.line - 1,
                    ..origin.clone()
                };
                log.note(&at, &doubt.construct, &doubt.why, &doubt.fix);
            }
        }
        match read {
            Err((construct, why, fix)) => {
                self.leave_out(&name, log, &[(query.line, construct, why, fix)])
            }
            Ok(Some(mut own)) => {
                if let Some((column, data_type)) = own.take_types(&table.columns) {
                    let at = origin.clone();
                    log.unmapped(
                        &at,
                        format!("{column} {data_type}"),
                        "this type has no place",
                        "cast it in the silver model",
                    );
                }
                let before = own.rules.clone();
                own.rules.extend(guarded(rules, &before));
                self.write_silver(&name, own, rows, outline, log);
            }
            Ok(None) => self.write_gold(&name, &sql, found, &rules, query.line, outline, log),
        }
    }

    fn write_silver(
        &mut self,
        name: &str,
        own: Rows,
        rows: &mut BTreeMap<String, Rows>,
        outline: &mut Outline,
        log: &mut Log,
    ) {
        let Some((table, origin)) = self.tables.get(name) else {
            return;
        };
        if own.select.is_empty() {
            let told = (
                origin.line,
                table.name.clone(),
                "its columns are declared nowhere, and nothing names one".to_owned(),
                "declare them, or name them in the SELECT".to_owned(),
            );
            return self.leave_out(name, log, &[told]);
        }
        let files = &self.files[own.files];
        let is_direct = table.query.as_ref().is_some_and(|query| {
            query.text.contains("read_files")
                || query.text.contains("cloud_files")
                || query.text.contains('`')
        });
        let is_named_only = is_direct && !files.is_whole && table.columns.is_empty();
        let passes_on = self
            .shapes
            .get(name)
            .is_some_and(|shape| shape.open.is_some());
        if is_named_only && passes_on {
            log.note(origin, "*", "the columns of the files are not declared: those that the pipeline names are there", "add those that are missing to `select`");
        }
        if is_direct
            && files.is_text()
            && files.columns.is_empty()
            && table
                .columns
                .iter()
                .all(|(_, data_type)| data_type.is_none())
        {
            log.note(
                origin,
                "inferColumnTypes",
                "columns of text files are texts in karat until they are cast",
                "cast them in `select`",
            );
        }
        if table
            .columns
            .iter()
            .any(|(column, _)| column.starts_with('_'))
        {
            log.note(
                origin,
                "_rescued_data",
                "what does not fit is in `_rescued` of bronze, and such rows are held back",
                "nothing",
            );
        }
        log.item(table.kind, origin, Some(outline.silver_name(name)));
        let mut expectations: Vec<Expectation> = Vec::new();
        for rule in &own.rules {
            expectations.push(expectation(rule, &expectations));
            if rule.name != "where_of_the_query"
                && rule.origin.name == rule.name
                && rule.origin.line >= origin.line
            {
                log.item(
                    "expectation",
                    &rule.origin,
                    Some(format!(
                        "expectation `{}` of {}",
                        rule.name,
                        outline.silver_name(name)
                    )),
                );
            }
        }
        outline.silver.push(Silver {
            table: name.to_owned(),
            description: table.comment.clone(),
            from: format!("landing.{}", self.feed_name(own.files)),
            select: own
                .select
                .iter()
                .map(|(name, expr)| (name.clone(), expr.to_string()))
                .collect(),
            expectations,
            origin: origin.clone(),
            ..Silver::default()
        });
        let full = outline.silver_name(name);
        let columns = own.select.iter().map(|(name, _)| name.clone()).collect();
        self.shapes.insert(name.to_owned(), Shape::of(columns));
        rows.insert(full.clone(), own);
        self.names.insert(name.to_owned(), full);
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "each is another part of the table"
    )]
    fn write_gold(
        &mut self,
        name: &str,
        sql: &str,
        found: Found,
        rules: &[Rule],
        line: u32,
        outline: &mut Outline,
        log: &mut Log,
    ) {
        let Some((table, origin)) = self.tables.get(name) else {
            return;
        };
        let reads_files = found
            .tables
            .iter()
            .find(|table| table.starts_with(&format!("{FILES}.")));
        if reads_files.is_some() {
            let told = (
                line,
                table.name.clone(),
                "it computes over files: in karat rows come in by a feed and a silver model first"
                    .to_owned(),
                "make a table of the files alone, and read that".to_owned(),
            );
            return self.leave_out(name, log, &[told]);
        }
        if let Some((column, Some(data_type))) = table
            .columns
            .iter()
            .find(|(_, data_type)| data_type.is_some())
        {
            log.unmapped(origin, format!("{column} {data_type}"), "types of columns that are computed are not taken over: they are what the query gives", "cast them in the SELECT");
        }
        let dropped: Vec<String> = rules
            .iter()
            .filter(|rule| rule.action == "drop")
            .map(|rule| format!("({})", rule.expect))
            .collect();
        let mut lines: Vec<u32> = (0..sql.lines().count())
            .map(|nth| line + nth as u32)
            .collect();
        let sql = match dropped.is_empty() {
            true => sql.to_owned(),
            false => {
                let columns: Vec<String> = found
                    .shape
                    .known
                    .iter()
                    .map(|column| quoted(column))
                    .collect();
                lines.insert(0, line);
                format!(
                    "select {} from (\n{sql}\n) as kept\nwhere {}",
                    columns.join(", "),
                    dropped.join("\n  and ")
                )
            }
        };
        let full = outline.gold_name(name);
        let mut checks = Vec::new();
        for rule in rules {
            let became = match rule.action {
                "drop" => format!("condition of {full}"),
                _ => format!("check `{}` of {full}", own_name(&rule.name)),
            };
            log.item("expectation", &rule.origin, Some(became));
            if rule.action == "drop" {
                continue;
            }
            checks.push(Check {
                name: own_name(&rule.name),
                keys: vec![(
                    "sql",
                    Yaml::Text(format!(
                        "select 1 as broken from this where not coalesce({}, false)",
                        rule.expect
                    )),
                )],
                warns: rule.action == "warn",
                origin: rule.origin.clone(),
                ..Check::default()
            });
        }
        log.item(table.kind, origin, Some(full.clone()));
        outline.gold.push(Gold {
            table: name.to_owned(),
            sql,
            lines,
            description: table.comment.clone(),
            checks,
            reads: found.tables,
            origin: origin.clone(),
            ..Gold::default()
        });
        self.shapes.insert(name.to_owned(), found.shape);
        self.names.insert(name.to_owned(), full);
    }

    fn write_changes_of(
        &mut self,
        name: &str,
        rows: &BTreeMap<String, Rows>,
        outline: &mut Outline,
        log: &mut Log,
    ) {
        if self
            .tables
            .get(name)
            .is_some_and(|(table, _)| table.query.is_some())
        {
            return;
        }
        let Some((changes, at)) = self.changes.remove(name) else {
            return;
        };
        self.assumed.take();
        let source = self.key_of(&changes.source);
        self.tell_assumed(&at, log);
        let below = self.names.get(&source).and_then(|full| rows.get(full));
        let Some(below) = below else {
            log.item("auto cdc", &at, None);
            let why = match self.names.contains_key(&source) {
                true => format!(
                    "`{}` is computed from other tables, and AUTO CDC of karat reads what a feed brings",
                    changes.source
                ),
                false => format!(
                    "it reads `{}`, which is left out, or which the pipeline has not",
                    changes.source
                ),
            };
            log.unmapped(
                &at,
                &changes.target,
                why,
                "take the changes from the feed, and compute from the table that comes of them",
            );
            return;
        };
        let own_rules = self.rules_of_target(name, log);
        match with_changes(&changes, below, &own_rules, &at, log) {
            Ok((select, cdc)) => {
                let (description, kind, origin) = match self.tables.get(name) {
                    Some((table, origin)) => (table.comment.clone(), table.kind, origin.clone()),
                    None => (None, "streaming table", at.clone()),
                };
                log.item("auto cdc", &at, Some(outline.silver_name(name)));
                if origin != at {
                    log.item(kind, &origin, Some(outline.silver_name(name)));
                }
                let mut expectations: Vec<Expectation> = Vec::new();
                // The source judges all its rows, those that say that a key is gone among them.
                for rule in &below.rules {
                    let own = expectation(rule, &expectations);
                    expectations.push(Expectation {
                        on_all: true,
                        ..own
                    });
                }
                for rule in guarded(own_rules, &below.rules) {
                    let rule = &rule;
                    let names = names_of(&rule.expect);
                    if let Some(missing) = names
                        .iter()
                        .find(|name| !select.iter().any(|(own, _)| own == *name))
                    {
                        log.item("expectation", &rule.origin, None);
                        log.unmapped(
                            &rule.origin,
                            &rule.name,
                            format!(
                                "it names `{missing}`, which is no column of the rows that come in"
                            ),
                            "write it as a check of the table",
                        );
                        continue;
                    }
                    let own = expectation(rule, &expectations);
                    let became = format!(
                        "expectation `{}` of {}",
                        own.name,
                        outline.silver_name(name)
                    );
                    log.item("expectation", &rule.origin, Some(became));
                    expectations.push(own);
                }
                outline.silver.push(Silver {
                    table: name.to_owned(),
                    description,
                    from: format!("landing.{}", self.feed_name(below.files)),
                    select,
                    expectations,
                    auto_cdc: cdc,
                    origin: at,
                    ..Silver::default()
                });
                let silver = outline.silver.last();
                let mut columns: Vec<String> = silver.map_or(Vec::new(), |silver| {
                    silver.select.iter().map(|(name, _)| name.clone()).collect()
                });
                if changes.scd_type == 2 {
                    columns.extend(["__start_at", "__end_at"].map(str::to_owned));
                }
                self.shapes.insert(name.to_owned(), Shape::of(columns));
                self.names
                    .insert(name.to_owned(), outline.silver_name(name));
            }
            Err((construct, why, fix)) => {
                log.item("auto cdc", &at, None);
                log.unmapped(&at, construct, why, fix);
            }
        }
        self.tables.remove(name);
    }
}

impl Pipeline {
    /// What the target of AUTO CDC itself says: its rules; types that it declares are told.
    fn rules_of_target(&self, name: &str, log: &mut Log) -> Vec<Rule> {
        let Some((table, origin)) = self.tables.get(name) else {
            return Vec::new();
        };
        for (column, data_type) in &table.columns {
            if let Some(data_type) = data_type {
                log.unmapped(
                    origin,
                    format!("{column} {data_type}"),
                    "types that the target of AUTO CDC declares are not taken over: they are those of its source",
                    "cast the column in `select` of the silver model",
                );
            }
        }
        let mut rules = Vec::new();
        for constraint in &table.constraints {
            match rule_of(constraint, origin) {
                Ok(rule) => rules.push(rule),
                Err(told) => refuse_rule(constraint, origin, told, log),
            }
        }
        rules
    }
}

fn refuse_rule(constraint: &Constraint, origin: &Origin, told: Told, log: &mut Log) {
    let (construct, why, fix) = told;
    let at = Origin {
        line: constraint.line,
        name: constraint.name.clone(),
        ..origin.clone()
    };
    log.item("expectation", &at, None);
    log.unmapped(&at, construct, why, fix);
}

type Told = (String, String, String);
type Cdc = (Vec<(String, String)>, Vec<(&'static str, String)>);

fn with_changes(
    changes: &Changes,
    below: &Rows,
    own_rules: &[Rule],
    at: &Origin,
    log: &mut Log,
) -> Result<Cdc, Told> {
    let mut kept: Vec<String> = below
        .select
        .iter()
        .map(|(name, _)| name.clone())
        .filter(|name| match changes.columns.is_empty() {
            true => !changes.except.contains(name),
            false => changes.columns.contains(name),
        })
        .collect();
    let mut stay = |wanted: &[String], why: &str| {
        for name in wanted {
            if !kept.contains(name) && below.column(name).is_some() {
                log.note(
                    at,
                    name,
                    format!("it stays in the table: {why}"),
                    "leave it out where the table is read",
                );
                kept.push(name.clone());
            }
        }
    };
    stay(&changes.keys, "it is of the key");
    stay(
        &changes.sequence_by,
        "`sequence_by` names columns of the table",
    );
    for rule in below.rules.iter().chain(own_rules) {
        stay(
            &names_of(&rule.expect),
            &format!("the rule `{}` names it", rule.name),
        );
    }
    let select: Vec<(String, String)> = below
        .select
        .iter()
        .filter(|(name, _)| kept.contains(name))
        .map(|(name, expr)| (name.clone(), expr.to_string()))
        .collect();
    let missing = changes
        .keys
        .iter()
        .chain(&changes.sequence_by)
        .find(|name| !kept.contains(name));
    if let Some(missing) = missing {
        return Err((
            missing.clone(),
            format!("`{}` has no such column", changes.source),
            "name a column of the source".to_owned(),
        ));
    }
    let condition = |text: &str| -> Result<String, Told> {
        let expr = expressed(text)?;
        // A column that the table keeps, else what it is made of.
        let own = |name: &str| match kept.iter().any(|kept| kept == name) {
            true => None,
            false => below.column(name).cloned(),
        };
        let clash = names_of(&expr).into_iter().find(|name| {
            let made = below.column(name);
            !kept.contains(name)
                && made.is_none_or(|made| {
                    names_of(made)
                        .iter()
                        .any(|of| kept.contains(of) && !below.column(of).is_some_and(is_name))
                })
        });
        match clash {
            Some(name) => Err((
                name,
                "the condition names what the table has not".to_owned(),
                "keep the column in the table".to_owned(),
            )),
            None => Ok(substituted(&expr, &own).to_string()),
        }
    };
    let mut cdc = vec![("keys", list(&changes.keys))];
    cdc.push((
        "sequence_by",
        match changes.sequence_by.as_slice() {
            [one] => item(one),
            several => list(several),
        },
    ));
    if let Some(text) = &changes.deletes {
        cdc.push(("apply_as_deletes", scalar(&condition(text)?)));
    }
    if let Some(text) = &changes.truncates {
        cdc.push(("apply_as_truncates", scalar(&condition(text)?)));
    }
    if changes.ignores_nulls {
        cdc.push(("ignore_null_updates", "true".to_owned()));
    }
    cdc.push(("stored_as_scd_type", changes.scd_type.to_string()));
    if !changes.track.is_empty() {
        cdc.push(("track_history_column_list", list(&changes.track)));
    }
    if !changes.track_except.is_empty() {
        cdc.push((
            "track_history_except_column_list",
            list(&changes.track_except),
        ));
    }
    Ok((select, cdc))
}

/// An expression of a pipeline in karat's SQL.
fn expressed(text: &str) -> Result<Expr, Told> {
    if text.contains("${") {
        return Err((
            "${…}".to_owned(),
            "what is put in its place is known to the pipeline's settings alone".to_owned(),
            "write its value".to_owned(),
        ));
    }
    let told = |trouble: crate::sql::Trouble| (trouble.construct, trouble.why, trouble.fix);
    let (spelled, troubles) = respelled(text, Dialect::Spark).map_err(told)?;
    let (sql, _, more) = read_expression(&spelled, Dialect::Spark).map_err(told)?;
    if let Some(trouble) = troubles.into_iter().chain(more).next() {
        return Err(told(trouble));
    }
    expression(&sql).ok_or_else(|| {
        (
            text.to_owned(),
            "it is not understood".to_owned(),
            "write it in karat's SQL".to_owned(),
        )
    })
}

fn columns_of(text: &str) -> Vec<String> {
    expressed(text)
        .map(|expr| names_of(&expr))
        .unwrap_or_default()
}

fn rule_of(constraint: &Constraint, origin: &Origin) -> Result<Rule, Told> {
    Ok(Rule {
        name: constraint.name.clone(),
        expect: expressed(&constraint.expect)?,
        action: constraint.action,
        origin: Origin {
            line: constraint.line,
            name: constraint.name.clone(),
            ..origin.clone()
        },
    })
}

/// Rules of a table that no row reaches which is dropped before: karat asks all rules of every row (C2), so each says so itself.
fn guarded(rules: Vec<Rule>, before: &[Rule]) -> Vec<Rule> {
    let passed: Vec<String> = before
        .iter()
        .filter(|rule| ["drop", "quarantine"].contains(&rule.action))
        .map(|rule| format!("not coalesce({}, false) or ", rule.expect))
        .collect();
    let passed = passed.concat();
    rules
        .into_iter()
        .map(|rule| match passed.is_empty() || rule.action == "drop" {
            true => rule,
            false => Rule {
                expect: expression(&format!("{passed}({})", rule.expect))
                    .unwrap_or_else(|| rule.expect.clone()),
                ..rule
            },
        })
        .collect()
}

fn expectation(rule: &Rule, before: &[Expectation]) -> Expectation {
    let mut name = own_name(&rule.name);
    while before.iter().any(|other| other.name == name) {
        name.push_str("_2");
    }
    Expectation {
        name,
        expect: rule.expect.to_string(),
        action: rule.action,
        on_all: false,
        origin: rule.origin.clone(),
    }
}

/// A column as the type that is declared; `None`: karat has no such type.
fn typed(column: Expr, data_type: &str, is_text: bool) -> Option<Expr> {
    let is_string = ["string", "varchar", "text"].contains(&data_type.to_lowercase().as_str());
    if is_string || !is_text {
        return Some(column);
    }
    let (sql, troubles) =
        respelled(&format!("cast({column} as {data_type})"), Dialect::Spark).ok()?;
    match troubles.is_empty() {
        true => expression(&sql),
        false => None,
    }
}

impl Rows {
    /// Casts columns to the types that the table declares; gives the first that has no place.
    fn take_types(&mut self, declared: &[(String, Option<String>)]) -> Option<(String, String)> {
        let mut odd = None;
        for (column, data_type) in declared {
            let Some(data_type) = data_type else { continue };
            let own = karat_project::fold_name(column);
            let Some((_, expr)) = self.select.iter_mut().find(|(name, _)| *name == own) else {
                continue;
            };
            match typed(expr.clone(), data_type, true) {
                Some(cast) => *expr = cast,
                None => odd = odd.or_else(|| Some((column.clone(), data_type.clone()))),
            }
        }
        odd
    }
}

fn line_of(text: &str, at: usize) -> u32 {
    let before = text.as_bytes().get(..at).unwrap_or(text.as_bytes());
    before.iter().filter(|byte| **byte == b'\n').count() as u32 + 1
}

impl Tables for Pipeline {
    fn find(&self, parts: &[String]) -> Option<(String, Shape)> {
        let (last, before) = parts.split_last()?;
        if before.first().is_some_and(|first| first == FILES) {
            let name = parts.join(".");
            let shape = self.shapes.get(&name)?.clone();
            return Some((name, shape));
        }
        let own = own_name(last);
        let shape = self.shapes.get(&own)?.clone();
        if !self.is_meant(&own, before) {
            return None;
        }
        let name = self.names.get(&own).cloned();
        Some((name.unwrap_or_else(|| format!("{LIVE}.{own}")), shape))
    }
}

/// All tables of a pipeline, whatever they hold: to see who reads whom.
struct Every<'p>(&'p Pipeline);

impl Tables for Every<'_> {
    fn find(&self, parts: &[String]) -> Option<(String, Shape)> {
        let (last, before) = parts.split_last()?;
        let own = own_name(last);
        let is_there = (self.0.tables.contains_key(&own) || self.0.changes.contains_key(&own))
            && self.0.is_meant(&own, before);
        is_there.then(|| (format!("{LIVE}.{own}"), Shape::open("any")))
    }
}
