//! Tests of tables: those of YAML and those that are a SELECT become checks (C7).

use std::collections::{BTreeMap, BTreeSet};

use crate::folder::Folder;
use crate::jinja::{Value, parse, render};
use crate::outline::{Check, Origin, Outline, Yaml};
use crate::sql::{Dialect, applied, quoted, read as read_query, read_expression, respelled};
use crate::tree::{Data, Node};
use crate::yaml_text::list;

use super::known::Known;
use super::models::named_in_comments;
use super::properties::{Entry, enabled};
use super::relations::Relations;
use super::{Log, Shared, own_name, stem, text_of};

/// A test as YAML states it.
struct Stated {
    /// `unique`, `dbt_utils.expression_is_true`.
    test: String,
    column: Option<String>,
    arguments: Option<Node>,
    config: Option<Node>,
    name: Option<String>,
    line: u32,
}

impl Stated {
    fn read(node: &Node, column: Option<&str>) -> Option<Stated> {
        let column = column.map(str::to_owned);
        if let Some(test) = node.scalar() {
            return Some(Stated {
                test,
                column,
                arguments: None,
                config: None,
                name: None,
                line: node.line,
            });
        }
        let (test, own) = match node.text("test_name") {
            Some(test) => (test, node.clone()),
            None => {
                let others = ["name", "config", "description", "column_name"];
                let mut entries = node.entries().iter();
                let (test, own) = entries.find(|(key, _)| !others.contains(&key.as_str()))?;
                (test.clone(), own.clone())
            }
        };
        let config = own.get("config").or_else(|| node.get("config")).cloned();
        let name = own.text("name").or_else(|| node.text("name"));
        let arguments = own.get("arguments").cloned().unwrap_or(own);
        Some(Stated {
            test,
            column,
            arguments: Some(arguments),
            config,
            name,
            line: node.line,
        })
    }

    fn argument(&self, key: &str) -> Option<&Node> {
        self.arguments.as_ref()?.get(key)
    }

    /// Refuses what changes the test in a way that nobody looked at.
    fn check_keys(&self) -> Result<(), Refused> {
        let test = self.test.strip_prefix("dbt.").unwrap_or(&self.test);
        let taken: &[&str] = match test {
            "accepted_values" => &["values", "quote"],
            "relationships" => &["to", "field"],
            "dbt_utils.unique_combination_of_columns" => &["combination_of_columns"],
            "dbt_utils.expression_is_true" => &["expression"],
            "dbt_utils.accepted_range" => &["min_value", "max_value", "inclusive"],
            _ => &[],
        };
        let keys = |node: &Option<Node>| -> Vec<String> {
            let entries = node.as_ref().map_or(&[][..], Node::entries);
            entries.iter().map(|(key, _)| key.clone()).collect()
        };
        let arguments = keys(&self.arguments).into_iter();
        let odd = arguments
            .filter(|key| !taken.contains(&key.as_str()) && key != "config" && key != "arguments")
            .chain(keys(&self.config))
            .find(|key| !SETTINGS.contains(&key.as_str()));
        match odd {
            None => Ok(()),
            Some(key) => Err(refused(
                &key,
                "what it changes of the test is not taken over",
                "write what it asks as a check with `sql`",
            )),
        }
    }

    fn setting(&self, key: &str) -> Option<&Node> {
        let config = self.config.as_ref().and_then(|config| config.get(key));
        config.or_else(|| self.argument(key))
    }
}

/// What configures a test: where it is stated, else `dbt_project.yml`.
struct Manner<'m> {
    own: &'m dyn Fn(&str) -> Option<Value>,
    shared: &'m Shared,
    /// Folders of the file below those of its kind.
    below: &'m str,
}

impl Manner<'_> {
    fn get(&self, key: &str) -> Option<Value> {
        let configured = || {
            let mut kinds = ["data_tests", "tests"].into_iter();
            let project = &self.shared.project;
            kinds.find_map(|kind| project.configured(kind, self.below, key))
        };
        (self.own)(key).or_else(|| configured().map(Node::value))
    }

    /// Whether it is switched on.
    fn is_on(&self) -> Result<bool, Refused> {
        enabled(self.get("enabled").as_ref(), self.shared).map_err(|text| {
            refused(
                &format!("enabled: {text}"),
                "whether the test is switched on is not known",
                "write true or false",
            )
        })
    }

    /// The same; one that is not, or of which it is not known, is told.
    fn is_on_or_told(&self, origin: &Origin, test: &str, log: &mut Log) -> bool {
        match self.is_on() {
            Ok(true) => return true,
            Ok(false) => log.note(
                origin,
                test,
                "the test is switched off (`enabled`)",
                "switch it on there if it is wanted",
            ),
            Err(refused) => left_out(origin, refused, log),
        }
        false
    }

    /// Whether it warns and no more.
    fn warns(&self) -> Result<bool, Refused> {
        for (key, usual) in [
            ("error_if", "!=0"),
            ("warn_if", "!=0"),
            ("fail_calc", "count(*)"),
            ("limit", "none"),
            ("group_by_columns", ""),
        ] {
            let Some(value) = self.get(key).filter(|value| *value != Value::None) else {
                continue;
            };
            let text = value.printed().unwrap_or_default();
            let text: String = text.split_whitespace().collect();
            if text.is_empty() || !text.eq_ignore_ascii_case(usual) {
                return Err(refused(
                    key,
                    "karat's checks have no such setting",
                    "write the condition as a check with `sql`",
                ));
            }
        }
        match self.get("severity") {
            None => Ok(false),
            Some(Value::Text(word)) if word.eq_ignore_ascii_case("warn") => Ok(true),
            Some(Value::Text(word)) if word.eq_ignore_ascii_case("error") => Ok(false),
            Some(_) => Err(refused(
                "severity",
                "it is neither `warn` nor `error`",
                "write one of them",
            )),
        }
    }

    /// The rows that it asks.
    fn condition(&self) -> Result<Option<String>, Refused> {
        match self.get("where") {
            None | Some(Value::None) => Ok(None),
            Some(Value::Text(text)) => Ok(Some(text)),
            Some(_) => Err(refused("where", "it is no text", "write a condition")),
        }
    }
}

/// Settings of tests that say nothing of rows.
const SETTINGS: [&str; 20] = [
    "enabled",
    "severity",
    "error_if",
    "warn_if",
    "fail_calc",
    "limit",
    "group_by_columns",
    "where",
    "tags",
    "meta",
    "store_failures",
    "store_failures_as",
    "schema",
    "database",
    "alias",
    "group",
    "docs",
    "name",
    "description",
    "column_name",
];

/// Which table reads which, checks included: a check never closes a circle.
#[derive(Default)]
struct Ways(BTreeMap<String, BTreeSet<String>>);

impl Ways {
    fn of(outline: &Outline) -> Ways {
        let mut ways = Ways::default();
        for gold in &outline.gold {
            let reads = ways.0.entry(outline.gold_name(&gold.table)).or_default();
            reads.extend(gold.reads.iter().cloned());
        }
        ways
    }

    fn leads(&self, from: &str, to: &str) -> bool {
        let mut seen = BTreeSet::new();
        let mut left = vec![from.to_owned()];
        while let Some(name) = left.pop() {
            if name == to {
                return true;
            }
            if let Some(reads) = self.0.get(&name) {
                left.extend(
                    reads
                        .iter()
                        .filter(|next| seen.insert((*next).clone()))
                        .cloned(),
                );
            }
        }
        false
    }
}

pub(crate) fn write(
    folder: &Folder,
    shared: &Shared,
    outline: &mut Outline,
    relations: &Relations,
    log: &mut Log,
) {
    let mut ways = Ways::of(outline);
    for (name, entry) in &shared.properties.nodes {
        let table = relations
            .refs
            .get(name)
            .map(|relation| relation.name.clone());
        write_entry(
            name, entry, table, shared, outline, relations, &mut ways, log,
        );
    }
    for found in &shared.properties.sources {
        let key = (found.source.clone(), found.table.clone());
        let table = relations
            .sources
            .get(&key)
            .map(|relation| relation.name.clone());
        let name = format!("{}.{}", found.source, found.table);
        write_entry(
            &name,
            &found.entry,
            table,
            shared,
            outline,
            relations,
            &mut ways,
            log,
        );
    }
    write_singular(folder, shared, outline, relations, &mut ways, log);
}

#[expect(
    clippy::too_many_arguments,
    reason = "each is another part of the import"
)]
fn write_entry(
    name: &str,
    entry: &Entry,
    table: Option<String>,
    shared: &Shared,
    outline: &mut Outline,
    relations: &Relations,
    ways: &mut Ways,
    log: &mut Log,
) {
    let mut stated: Vec<Stated> = Vec::new();
    let tests = |node: &Node| -> Vec<Node> {
        let both = ["tests", "data_tests"]
            .into_iter()
            .filter_map(|key| node.get(key));
        both.flat_map(Node::items).cloned().collect()
    };
    stated.extend(
        tests(&entry.node)
            .iter()
            .filter_map(|node| Stated::read(node, None)),
    );
    for column in entry.node.get("columns").map_or(&[][..], Node::items) {
        let column_name = column
            .text("name")
            .map(|name| karat_project::fold_name(&name));
        let own = tests(column);
        stated.extend(
            own.iter()
                .filter_map(|node| Stated::read(node, column_name.as_deref())),
        );
        stated.extend(constraints(column, column_name.as_deref()));
    }
    stated.extend(constraints(&entry.node, None));
    let mut proven: BTreeMap<String, BTreeSet<&'static str>> = BTreeMap::new();
    for one in &stated {
        let on = one
            .column
            .as_deref()
            .map_or(name.to_owned(), |column| format!("{name}.{column}"));
        let origin = Origin {
            file: entry.file.clone(),
            line: one.line,
            name: format!("{} of {on}", one.test),
        };
        let own = |key: &str| one.setting(key).map(Node::value);
        let manner = Manner {
            own: &own,
            shared,
            below: below(shared, &entry.file),
        };
        if !manner.is_on_or_told(&origin, &one.test, log) {
            continue;
        }
        let Some(table) = &table else {
            log.item("test", &origin, None);
            log.unmapped(
                &origin,
                &origin.name,
                format!("`{name}` is left out"),
                format!("bring `{name}` over first"),
            );
            continue;
        };
        match check_of(one, &manner, table, shared, relations, ways) {
            Ok(mut check) => {
                check.origin = origin.clone();
                let is_plain = !check.warns && !check.keys.iter().any(|(key, _)| *key == "where");
                if let (Some(column), true) = (&one.column, is_plain || one.test == "unique") {
                    let kind = match one.test.as_str() {
                        "unique" if !check.warns && manner.get("where").is_none() => Some("unique"),
                        "not_null" => Some("not_null"),
                        _ => None,
                    };
                    if let Some(kind) = kind {
                        proven.entry(column.clone()).or_default().insert(kind);
                    }
                }
                add(outline, table, check, log, &origin);
            }
            Err(refused) => left_out(&origin, refused, log),
        }
    }
    let Some(table) = table else { return };
    let key = proven
        .iter()
        .find(|(_, kinds)| kinds.len() == 2)
        .map(|(column, _)| column.clone());
    let columns = relations.columns(&table).to_vec();
    if let Some(key) = key.filter(|key| columns.contains(key)) {
        set_key(outline, &table, vec![key.clone()]);
        mend_unique(outline, &table, &key);
    }
}

/// The path of a file below the folder of its kind.
fn below<'p>(shared: &Shared, path: &'p str) -> &'p str {
    let kinds = ["model-paths", "seed-paths", "snapshot-paths", "test-paths"];
    let mut found = kinds
        .into_iter()
        .filter_map(|kind| shared.project.below(kind, path));
    found.next().unwrap_or(path)
}

/// A key is never null, so its check asks all rows.
fn mend_unique(outline: &mut Outline, table: &str, key: &str) {
    let Some(checks) = checks_of(outline, table) else {
        return;
    };
    let wanted = list(&[key.to_owned()]);
    for check in checks {
        let is_it = check.keys.iter().any(|(name, value)| {
            *name == "unique" && matches!(value, Yaml::Raw(text) if *text == wanted)
        });
        let nulls = format!("{} is not null", quoted(key));
        if is_it {
            check.keys.retain(|(name, value)| {
                *name != "where" || !matches!(value, Yaml::Text(text) if *text == nulls)
            });
        }
    }
}

fn checks_of<'o>(outline: &'o mut Outline, table: &str) -> Option<&'o mut Vec<Check>> {
    let (schema, own) = table.split_once('.')?;
    match schema.ends_with("_silver") {
        true => outline
            .silver
            .iter_mut()
            .find(|model| model.table == own)
            .map(|model| &mut model.checks),
        false => outline
            .gold
            .iter_mut()
            .find(|model| model.table == own)
            .map(|model| &mut model.checks),
    }
}

fn set_key(outline: &mut Outline, table: &str, key: Vec<String>) {
    let Some((schema, own)) = table.split_once('.') else {
        return;
    };
    if schema.ends_with("_silver") {
        if let Some(model) = outline.silver.iter_mut().find(|model| model.table == own) {
            model.key = key;
        }
    } else if let Some(model) = outline.gold.iter_mut().find(|model| model.table == own) {
        model.key = key;
    }
}

fn add(outline: &mut Outline, table: &str, mut check: Check, log: &mut Log, origin: &Origin) {
    let Some(checks) = checks_of(outline, table) else {
        log.item("test", origin, None);
        log.unmapped(
            origin,
            &origin.name,
            format!("`{table}` is left out"),
            format!("bring `{table}` over first"),
        );
        return;
    };
    let mut name: String = check.name.chars().take(90).collect();
    for nth in 2.. {
        if !checks.iter().any(|other| other.name == name) {
            break;
        }
        name = format!("{}_{nth}", check.name.chars().take(90).collect::<String>());
    }
    check.name = name;
    log.item(
        "test",
        origin,
        Some(format!("check `{}` of {table}", check.name)),
    );
    checks.push(check);
}

/// Constraints of a contract, as the tests that they are.
fn constraints(node: &Node, column: Option<&str>) -> Vec<Stated> {
    let items = node.get("constraints").map_or(&[][..], Node::items);
    let mut stated = Vec::new();
    for one in items {
        let Some(kind) = one.text("type") else {
            continue;
        };
        let tests: &[&str] = match (kind.as_str(), column) {
            ("not_null", Some(_)) => &["not_null"],
            ("unique", Some(_)) => &["unique"],
            ("primary_key", Some(_)) => &["unique", "not_null"],
            _ => &["constraint"],
        };
        stated.extend(tests.iter().map(|test| Stated {
            test: (*test).to_owned(),
            column: column.map(str::to_owned),
            arguments: None,
            config: None,
            name: None,
            line: one.line,
        }));
    }
    stated
}

type Refused = (String, String, String);

fn refused(construct: &str, why: &str, fix: &str) -> Refused {
    (construct.to_owned(), why.to_owned(), fix.to_owned())
}

fn left_out(origin: &Origin, (construct, why, fix): Refused, log: &mut Log) {
    log.item("test", origin, None);
    log.unmapped(origin, construct, why, fix);
}

fn check_of(
    stated: &Stated,
    manner: &Manner<'_>,
    table: &str,
    shared: &Shared,
    relations: &Relations,
    ways: &mut Ways,
) -> Result<Check, Refused> {
    let dialect = shared.dialect;
    let mut check = Check {
        name: String::new(),
        warns: manner.warns()?,
        ..Check::default()
    };
    let condition = match manner.condition()? {
        Some(text) => Some(expression(&text, dialect)?),
        None => None,
    };
    stated.check_keys()?;
    let test = stated.test.strip_prefix("dbt.").unwrap_or(&stated.test);
    let column = stated
        .column
        .clone()
        .or_else(|| stated.argument("column_name").and_then(Node::scalar));
    let needs_column = || {
        column
            .clone()
            .ok_or_else(|| refused(test, "it names no column", "state one"))
    };
    let suffix = column.as_deref().unwrap_or_default();
    check.name = own_name(&format!(
        "{}_{suffix}",
        test.rsplit('.').next().unwrap_or(test)
    ));
    check.name = check.name.trim_end_matches('_').to_owned();
    if let Some(name) = &stated.name {
        check.name = own_name(name);
    }
    let mut wheres: Vec<String> = condition.into_iter().collect();
    match test {
        "not_null" => check
            .keys
            .push(("not_null", Yaml::Raw(list(&[needs_column()?])))),
        "unique" => {
            let column = needs_column()?;
            wheres.push(format!("{} is not null", quoted(&column)));
            check.keys.push(("unique", Yaml::Raw(list(&[column]))));
        }
        "accepted_values" => {
            let column = quoted(&needs_column()?);
            let values = stated.argument("values").map_or(&[][..], Node::items);
            if values.is_empty() {
                return Err(refused(test, "it names no values", "state them"));
            }
            let is_quoted = !matches!(
                stated.argument("quote").map(|node| &node.data),
                Some(Data::Bool(false))
            );
            let values: Option<Vec<String>> = values
                .iter()
                .map(|value| {
                    let text = match &value.data {
                        // As Python writes it.
                        Data::Bool(value) if is_quoted => {
                            if *value { "True" } else { "False" }.to_owned()
                        }
                        _ => value.scalar()?,
                    };
                    Some(match is_quoted {
                        true => format!("'{}'", text.replace('\'', "''")),
                        false => text,
                    })
                })
                .collect();
            let Some(values) = values else {
                return Err(refused(
                    test,
                    "a value is neither text nor number",
                    "state texts and numbers",
                ));
            };
            let also = also(&mut wheres);
            let sql = format!(
                "select {column} from this where {column} not in ({}){also}",
                values.join(", ")
            );
            check.keys.push(("sql", Yaml::Text(sql)));
        }
        "relationships" => {
            let column = needs_column()?;
            let to = stated
                .argument("to")
                .and_then(Node::scalar)
                .unwrap_or_default();
            let field = stated
                .argument("field")
                .and_then(Node::scalar)
                .unwrap_or_default();
            let references = referenced(&to, shared, relations)?;
            if references != table && ways.leads(&references, table) {
                let why = format!(
                    "`{references}` is made of `{table}`, and what a check reads is made before it"
                );
                return Err(refused(
                    test,
                    &why,
                    "state it on the table that is made last",
                ));
            }
            let keys = match karat_project::fold_name(&field) == column {
                true => String::new(),
                false => format!(", keys: {}", list(&[karat_project::fold_name(&field)])),
            };
            let key = format!(
                "{{ columns: {}, references: {references}{keys} }}",
                list(&[column])
            );
            check.keys.push(("foreign_key", Yaml::Raw(key)));
            if references != table {
                ways.0
                    .entry(table.to_owned())
                    .or_default()
                    .insert(references.clone());
                check.reads.push(references);
            }
        }
        "dbt_utils.unique_combination_of_columns" => {
            let columns = stated
                .arguments
                .as_ref()
                .map(|node| node.texts("combination_of_columns"));
            let columns = columns.filter(|columns| !columns.is_empty());
            let Some(columns) = columns else {
                return Err(refused(test, "it names no columns", "state them"));
            };
            let columns: Vec<String> = columns
                .iter()
                .map(|name| karat_project::fold_name(name))
                .collect();
            check.keys.push(("unique", Yaml::Raw(list(&columns))));
        }
        "dbt_utils.expression_is_true" => {
            let text = stated
                .argument("expression")
                .and_then(Node::scalar)
                .unwrap_or_default();
            let text = match &column {
                Some(column) => format!("{} {text}", quoted(column)),
                None => text,
            };
            let sql = expression(&text, dialect)?;
            let also = also(&mut wheres);
            check.keys.push((
                "sql",
                Yaml::Text(format!(
                    "select 1 as broken from this where not ({sql}){also}"
                )),
            ));
        }
        "dbt_utils.accepted_range" => {
            let column = quoted(&needs_column()?);
            let is_inclusive = !matches!(
                stated.argument("inclusive").map(|node| &node.data),
                Some(Data::Bool(false))
            );
            let (below, above) = if is_inclusive {
                ("<", ">")
            } else {
                ("<=", ">=")
            };
            let mut broken = Vec::new();
            for (key, sign) in [("min_value", below), ("max_value", above)] {
                if let Some(bound) = stated.argument(key).and_then(Node::scalar) {
                    broken.push(format!("{column} {sign} {}", expression(&bound, dialect)?));
                }
            }
            if broken.is_empty() {
                return Err(refused(test, "it names no bound", "state one"));
            }
            let also = also(&mut wheres);
            check.keys.push((
                "sql",
                Yaml::Text(format!(
                    "select {column} from this where ({}){also}",
                    broken.join(" or ")
                )),
            ));
        }
        "dbt_utils.not_empty_string" => {
            let column = quoted(&needs_column()?);
            let also = also(&mut wheres);
            check.keys.push((
                "sql",
                Yaml::Text(format!(
                    "select {column} from this where trim({column}) = ''{also}"
                )),
            ));
        }
        "constraint" => {
            return Err(refused(
                "constraint",
                "constraints of this kind are not taken over",
                "write it as a check",
            ));
        }
        other => {
            return Err(refused(
                other,
                "this test is a macro of the project or of a package",
                "write what it asks as a check with `sql`",
            ));
        }
    }
    if !wheres.is_empty() {
        check.keys.push(("where", Yaml::Text(wheres.join(" and "))));
    }
    Ok(check)
}

/// Further conditions of a `where` that is written into the SQL.
fn also(wheres: &mut Vec<String>) -> String {
    let more: Vec<String> = std::mem::take(wheres)
        .iter()
        .map(|text| format!(" and ({text})"))
        .collect();
    more.concat()
}

fn expression(text: &str, dialect: Dialect) -> Result<String, Refused> {
    let refuse = |trouble: crate::sql::Trouble| (trouble.construct, trouble.why, trouble.fix);
    if text.contains("{{") || text.contains("{%") {
        return Err(refused(
            "{{ … }}",
            "templates in tests are not taken over",
            "write out what it gives",
        ));
    }
    let (spelled, troubles) = respelled(text, dialect).map_err(refuse)?;
    let (sql, _, more) = read_expression(&spelled, dialect).map_err(refuse)?;
    match troubles.into_iter().chain(more).next() {
        Some(trouble) => Err(refuse(trouble)),
        None => Ok(sql),
    }
}

/// The table of `ref('x')` or `source('a', 'b')` as YAML writes it.
fn referenced(to: &str, shared: &Shared, relations: &Relations) -> Result<String, Refused> {
    let mut known = Known::new(shared);
    let inner = to.trim().trim_start_matches("{{").trim_end_matches("}}");
    let rendered = parse(&format!("select * from {{{{ {inner} }}}}"))
        .and_then(|template| render(&template, &mut known));
    let found = rendered
        .ok()
        .and_then(|rendered| read_query(&rendered.text, Dialect::Unknown, relations).ok());
    match found.as_ref().map(|found| found.tables.as_slice()) {
        Some([table]) => Ok(table.clone()),
        _ => Err(refused(
            to,
            "the table that it names is left out, or not of the project",
            "bring it over first",
        )),
    }
}

/// Tests that are a SELECT of what is wrong.
fn write_singular(
    folder: &Folder,
    shared: &Shared,
    outline: &mut Outline,
    relations: &Relations,
    ways: &mut Ways,
    log: &mut Log,
) {
    let paths: Vec<&str> = folder
        .paths()
        .filter(|path| path.ends_with(".sql") && shared.project.is_in("test-paths", path))
        .collect();
    for path in paths {
        let origin = Origin {
            file: path.to_owned(),
            line: 1,
            name: stem(path).to_owned(),
        };
        let Some(text) = text_of(folder, path, log) else {
            log.item("test", &origin, None);
            continue;
        };
        let mut known = Known::new(shared);
        let rendered = parse(text).and_then(|template| render(&template, &mut known));
        let own = |key: &str| known.config(key).cloned();
        let manner = Manner {
            own: &own,
            shared,
            below: below(shared, path),
        };
        if !manner.is_on_or_told(&origin, &origin.name, log) {
            continue;
        }
        let warns = manner.condition().and_then(|condition| match condition {
            None => manner.warns(),
            Some(_) => Err(refused(
                "where",
                "it has no place in a test that is a SELECT",
                "write it into the SELECT",
            )),
        });
        let warns = match warns {
            Ok(warns) => warns,
            Err(refused) => {
                left_out(&origin, refused, log);
                continue;
            }
        };
        let rendered = match rendered {
            Ok(rendered) => rendered,
            Err(found) => {
                log.item("test", &origin, None);
                log.not_plain(&origin, &found);
                continue;
            }
        };
        let mut tell = |found: &crate::sql::Trouble| {
            let at = Origin {
                line: rendered.line_of(found.at),
                ..origin.clone()
            };
            log.unmapped(&at, &found.construct, &found.why, &found.fix);
        };
        let read = respelled(&rendered.text, shared.dialect).and_then(|(sql, troubles)| {
            let found = read_query(&sql, shared.dialect, relations)?;
            let edits = found.edits.clone();
            let sql = named_in_comments(&applied(&sql, edits), relations);
            Ok((sql, troubles, found))
        });
        let (sql, troubles, found) = match read {
            Ok(read) => read,
            Err(trouble) => {
                tell(&trouble);
                log.item("test", &origin, None);
                continue;
            }
        };
        let mut all = troubles.iter().chain(&found.troubles).peekable();
        if all.peek().is_some() {
            all.for_each(&mut tell);
            log.item("test", &origin, None);
            continue;
        }
        // It is a check of the table that is made last: nothing that it reads is made of that one.
        let last = found.tables.iter().find(|table| {
            found
                .tables
                .iter()
                .all(|other| other == *table || !ways.leads(other, table))
        });
        let Some(table) = last.cloned() else {
            log.item("test", &origin, None);
            log.unmapped(
                &origin,
                &origin.name,
                "it reads no table of the project",
                "ask it with `karat query`",
            );
            continue;
        };
        let reads: Vec<String> = found
            .tables
            .iter()
            .filter(|name| **name != table)
            .cloned()
            .collect();
        ways.0
            .entry(table.clone())
            .or_default()
            .extend(reads.iter().cloned());
        let check = Check {
            name: own_name(&origin.name),
            keys: vec![(
                "sql",
                Yaml::Text(sql.trim().trim_end_matches(';').trim_end().to_owned()),
            )],
            warns,
            description: None,
            reads,
            origin: origin.clone(),
        };
        add(outline, &table, check, log, &origin);
    }
}
