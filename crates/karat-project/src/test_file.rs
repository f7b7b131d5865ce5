//! Tests of models: rows that are given and rows that are expected, as written. What the values mean is decided by the tables' types, which
//! are known later.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::checks::{Check, CheckKind};
use crate::day::Day;
use crate::decode::{At, printable, text, texts};
use crate::diagnostic::{Place, Reporter};
use crate::model::{Domain, Model, ModelKind};
use crate::nearest::{did_you_mean, nearest};
use crate::params::Param;
use crate::table_name::{Layer, TableName};
use crate::yaml::Node;

/// One test of a model.
#[derive(Clone, Debug)]
pub struct ModelTest {
    /// What it shows.
    pub name: String,
    /// The model.
    pub model: TableName,
    /// Its file, relative to the project folder.
    pub file: PathBuf,
    /// Where it stands.
    pub at: Place,
    /// The logical time, RFC 3339, if it states one.
    pub logical_time: Option<String>,
    /// Values of parameters by name, in the one form of their types.
    pub params: BTreeMap<String, String>,
    /// The business date, if it states one.
    pub business_date: Option<Day>,
    /// Rows of tables that the model reads; those that are not named are empty.
    pub given: Vec<(TableName, GivenRows)>,
    /// The rows that the model must make, in no order; only the columns that are named are compared. None: whatever they are.
    pub expect: Option<GivenRows>,
    /// The rows, by number from 1 in what is given, that quarantine must hold, and the rules that they broke. None: whatever it holds.
    pub quarantine: Option<Vec<(u64, Vec<String>)>>,
    /// The checks that the rows must break, no others, sorted. None: no check may be broken whose action is `fail`.
    pub checks: Option<Vec<String>>,
}

impl ModelTest {
    /// Whether a check can be asked of a few rows: not of how many there are and when they came, and only if the test gives what it reads.
    pub fn asks(&self, model: &Model, check: &Check) -> bool {
        let of_a_run = matches!(
            check.kind,
            CheckKind::Rows { .. } | CheckKind::Volume { .. } | CheckKind::Freshness { .. }
        );
        let is_there = |table: &TableName| {
            model.inputs.contains(table) || self.given.iter().any(|(given, _)| given == table)
        };
        !of_a_run && check.reads.iter().all(is_there)
    }
}

/// Rows as text; null is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GivenRows {
    /// Columns in the order in which they are first named.
    pub columns: Vec<At<String>>,
    /// A value for each column.
    pub rows: Vec<Vec<Option<String>>>,
}

impl GivenRows {
    fn of(node: &Node) -> Self {
        let mut columns: Vec<At<String>> = Vec::new();
        for entry in node.items().iter().flat_map(Node::entries) {
            if columns
                .iter()
                .all(|known| !is_same(&known.value, &entry.key))
            {
                columns.push(At {
                    value: entry.key.clone(),
                    at: entry.key_at,
                });
            }
        }
        let rows = node.items().iter().map(|row| {
            let cell = |column: &At<String>| {
                let mut entries = row.entries().iter();
                let entry = entries.find(|entry| is_same(&entry.key, &column.value))?;
                entry.value.scalar().map(str::to_owned)
            };
            columns.iter().map(cell).collect()
        });
        let rows = rows.collect();
        Self { columns, rows }
    }
}

/// Names have no case (F3).
fn is_same(one: &str, other: &str) -> bool {
    one.to_lowercase() == other.to_lowercase()
}

/// Reads a file of tests.
pub(crate) fn read(
    domain: &str,
    node: &Node,
    (domains, params): (&[Domain], &BTreeMap<String, Param>),
    models: &[&Model],
    report: &mut Reporter,
) -> Vec<ModelTest> {
    let Some(named) = text(node, "model") else {
        return Vec::new();
    };
    let model = models
        .iter()
        .find(|model| model.name.to_string() == named.value && model.name.domain == domain);
    let Some(model) = model else {
        let names: Vec<String> = models
            .iter()
            .filter(|model| model.name.domain == domain)
            .map(|model| model.name.to_string())
            .collect();
        let names = names.iter().map(String::as_str);
        let hint = did_you_mean(&named.value, names)
            .unwrap_or_else(|| format!("write it like `{domain}_gold.revenue`"));
        report.error(
            named.at,
            format!("domain `{domain}` has no model `{}`", named.value),
            hint,
        );
        return Vec::new();
    };
    let tests = node.get("tests").map(Node::items).unwrap_or(&[]);
    if let (Some(entry), true) = (node.entry("tests"), tests.is_empty()) {
        let hint = "write one, or remove the file";
        report.error(entry.key_at, "the file has no test", hint);
    }
    let mut found: Vec<ModelTest> = Vec::new();
    for test in tests {
        let Some(name) = text(test, "name") else {
            continue;
        };
        if found.iter().any(|other| other.name == name.value) {
            let message = format!("two tests of this file are called `{}`", name.value);
            report.error(name.at, message, "give one another name");
        }
        let says = ["expect", "quarantine", "checks"];
        if says.iter().all(|key| test.get(key).is_none()) {
            let message = format!("test `{}` expects nothing", name.value);
            let hint = "say what the model must make: `expect`, of a silver model also `quarantine`, of one with checks `checks`; `[]` is none";
            report.error(name.at, message, hint);
        }
        found.push(ModelTest {
            model: model.name.clone(),
            file: PathBuf::from(report.path(test.at.file)),
            at: name.at,
            name: name.value,
            logical_time: text(test, "at").map(|time| time.value),
            params: values(test, params, report),
            business_date: business_date(test, report),
            given: given(test, model, domains, report),
            expect: test.get("expect").map(GivenRows::of),
            quarantine: quarantine(test, model, report),
            checks: None,
        });
        if let Some(read) = found.last_mut() {
            read.checks = broken(test, model, read, report);
        }
    }
    found
}

/// The values that a test gives parameters.
fn values(
    test: &Node,
    params: &BTreeMap<String, Param>,
    report: &mut Reporter,
) -> BTreeMap<String, String> {
    let mut values = BTreeMap::new();
    for entry in test.get("params").map(Node::entries).unwrap_or(&[]) {
        let Some(param) = params.get(&entry.key) else {
            let hint = did_you_mean(&entry.key, params.keys().map(String::as_str))
                .unwrap_or_else(|| "parameters are declared in karat.yaml".to_owned());
            let message = format!("`{}` is no parameter of the project", entry.key);
            report.error(entry.key_at, message, hint);
            continue;
        };
        let written = entry.value.scalar().unwrap_or_default();
        match param.of.value(written) {
            Some(value) => drop(values.insert(entry.key.clone(), value)),
            None => report.error(
                entry.value.at,
                format!("`{}` is no {}", printable(written), param.of),
                format!("write it like `{}`", param.of.example()),
            ),
        }
    }
    values
}

fn business_date(test: &Node, report: &mut Reporter) -> Option<Day> {
    let written = text(test, "business_date")?;
    let day = Day::parse(&written.value);
    if day.is_none() {
        report.error(
            written.at,
            format!("`{}` is no day", printable(&written.value)),
            "write it like 2026-10-30",
        );
    }
    day
}

fn given(
    test: &Node,
    model: &Model,
    domains: &[Domain],
    report: &mut Reporter,
) -> Vec<(TableName, GivenRows)> {
    let mut given: Vec<(TableName, GivenRows)> = Vec::new();
    // A model whose own text is wrong reads what nobody knows.
    if model.inputs.is_empty() {
        return given;
    }
    let entries = test.get("given").map(Node::entries).unwrap_or(&[]);
    for entry in entries {
        let feeds = domains.iter().flat_map(|domain| &domain.feeds);
        let of_feed = feeds
            .filter(|feed| feed.short_name() == entry.key)
            .map(|feed| &feed.bronze);
        let read = model.comes_after();
        let table = of_feed
            .chain(read.iter().copied())
            .find(|table| read.contains(table) && is_meant(table, &entry.key, domains));
        match table {
            Some(table) => given.push((table.clone(), GivenRows::of(&entry.value))),
            None => {
                let read: Vec<String> = read.iter().map(ToString::to_string).collect();
                let near = nearest(&entry.key, read.iter().map(String::as_str));
                let hint = match near {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("it reads: {}", read.join(", ")),
                };
                let message = format!("`{}` does not read `{}`", model.name, entry.key);
                report.error(entry.key_at, message, hint);
            }
        }
    }
    given
}

/// A feed goes by its short name or by its bronze table, a model by its table.
fn is_meant(table: &TableName, key: &str, domains: &[Domain]) -> bool {
    let mut feeds = domains.iter().flat_map(|domain| &domain.feeds);
    let of_feed = feeds.any(|feed| feed.bronze == *table && feed.short_name() == key);
    of_feed || table.to_string() == key
}

/// The checks that a test says are broken.
fn broken(
    test: &Node,
    model: &Model,
    read: &ModelTest,
    report: &mut Reporter,
) -> Option<Vec<String>> {
    let mut names = texts(test, "checks")?;
    for name in &names {
        let check = model.checks.iter().find(|check| check.name == name.value);
        let (message, hint) = match check {
            None => {
                let known = || model.checks.iter().map(|check| check.name.as_str());
                let hint = did_you_mean(&name.value, known()).unwrap_or_else(|| {
                    format!("its checks: {}", known().collect::<Vec<_>>().join(", "))
                });
                (
                    format!("`{}` has no check `{}`", model.name, name.value),
                    hint,
                )
            }
            Some(check) if !read.asks(model, check) => {
                let hint = match check.reads.first() {
                    Some(table) => format!("give rows of `{table}`"),
                    None => "`rows`, `volume` and `freshness` say something of runs".to_owned(),
                };
                (
                    format!("check `{}` cannot be asked of these rows", name.value),
                    hint,
                )
            }
            Some(_) => continue,
        };
        report.error(name.at, message, hint);
    }
    names.sort_by(|a, b| a.value.cmp(&b.value));
    Some(names.into_iter().map(|name| name.value).collect())
}

fn quarantine(
    test: &Node,
    model: &Model,
    report: &mut Reporter,
) -> Option<Vec<(u64, Vec<String>)>> {
    let node = test.get("quarantine")?;
    if model.name.layer != Layer::Silver || !matches!(model.kind, ModelKind::Silver(_)) {
        report.error(
            node.at,
            "only silver models have a quarantine",
            "leave `quarantine` out",
        );
        return None;
    }
    let rows = node.items().iter().filter_map(|row| {
        let number = text(row, "row")?.value.parse().ok()?;
        let rules = row.get("rules").map(Node::items).unwrap_or(&[]);
        let rules = rules.iter().filter_map(|rule| rule.scalar());
        let mut rules: Vec<String> = rules.map(str::to_owned).collect();
        rules.sort();
        Some((number, rules))
    });
    Some(rows.collect())
}
