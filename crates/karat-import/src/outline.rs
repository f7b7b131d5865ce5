//! The project to be: feeds, models and checks, each with the place that it came from.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::import::{Finding, Rejection, Weight};
use crate::yaml_text::{block, comment, item, list, scalar};

/// A place of the project that is imported, and the name of the statement there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) file: String,
    pub(crate) line: u32,
    pub(crate) name: String,
}

/// One entry of `feeds`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Feed {
    pub(crate) source: String,
    pub(crate) name: String,
    /// Comment above it.
    pub(crate) comment: String,
    /// Keys beside `source` and `name`, with their YAML.
    pub(crate) keys: Vec<(&'static str, String)>,
}

impl Feed {
    pub(crate) fn short_name(&self) -> String {
        format!("{}.{}", self.source, self.name)
    }
}

/// A rule for a whole table.
#[derive(Clone, Debug, Default)]
pub(crate) struct Check {
    pub(crate) name: String,
    /// Keys with their values: YAML, or a text that becomes a scalar.
    pub(crate) keys: Vec<(&'static str, Yaml)>,
    pub(crate) warns: bool,
    pub(crate) description: Option<String>,
    /// Other tables that it reads.
    pub(crate) reads: Vec<String>,
    pub(crate) origin: Origin,
}

/// A value of a key.
#[derive(Clone, Debug)]
pub(crate) enum Yaml {
    /// As it is to stand there.
    Raw(String),
    /// A text, which is quoted where it must be.
    Text(String),
}

/// A rule for each row.
#[derive(Clone, Debug)]
pub(crate) struct Expectation {
    pub(crate) name: String,
    pub(crate) expect: String,
    /// `warn`, `drop`, `quarantine`, `fail`.
    pub(crate) action: &'static str,
    /// Whether deletes are judged, too (C2).
    pub(crate) on_all: bool,
    pub(crate) origin: Origin,
}

/// A silver model.
#[derive(Clone, Debug, Default)]
pub(crate) struct Silver {
    pub(crate) table: String,
    pub(crate) comment: String,
    pub(crate) description: Option<String>,
    pub(crate) from: String,
    pub(crate) select: Vec<(String, String)>,
    pub(crate) expectations: Vec<Expectation>,
    /// Keys of `auto_cdc` with their YAML.
    pub(crate) auto_cdc: Vec<(&'static str, String)>,
    pub(crate) checks: Vec<Check>,
    pub(crate) key: Vec<String>,
    pub(crate) allow_float: Option<String>,
    pub(crate) origin: Origin,
}

/// A gold model.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gold {
    pub(crate) table: String,
    pub(crate) sql: String,
    /// For each line of the SQL the line that it came from.
    pub(crate) lines: Vec<u32>,
    pub(crate) comment: String,
    pub(crate) description: Option<String>,
    pub(crate) key: Vec<String>,
    pub(crate) checks: Vec<Check>,
    pub(crate) reads: Vec<String>,
    pub(crate) allow_float: Option<String>,
    pub(crate) origin: Origin,
}

/// A file of tests of one model.
#[derive(Clone, Debug)]
pub(crate) struct ModelTest {
    pub(crate) model: String,
    /// The test as an entry of `tests`.
    pub(crate) text: String,
    pub(crate) reads: Vec<String>,
    pub(crate) origin: Origin,
}

/// What becomes a project.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outline {
    pub(crate) project: String,
    /// Comment at the head of `karat.yaml`.
    pub(crate) comment: String,
    /// Sources of files: name and folder.
    pub(crate) sources: BTreeMap<String, String>,
    pub(crate) domain: String,
    pub(crate) feeds: Vec<Feed>,
    pub(crate) silver: Vec<Silver>,
    pub(crate) gold: Vec<Gold>,
    pub(crate) tests: Vec<ModelTest>,
    /// Files that are taken along as they are.
    pub(crate) data: BTreeMap<String, Vec<u8>>,
}

impl Outline {
    pub(crate) fn silver_name(&self, table: &str) -> String {
        format!("{}_silver.{table}", self.domain)
    }

    pub(crate) fn gold_name(&self, table: &str) -> String {
        format!("{}_gold.{table}", self.domain)
    }

    /// The files that say what the project is, without data.
    pub(crate) fn texts(&self) -> BTreeMap<String, String> {
        let mut files = BTreeMap::new();
        files.insert("karat.yaml".to_owned(), self.project_file());
        let folder = format!("domains/{}", self.domain);
        if !self.domain.is_empty() {
            files.insert(format!("{folder}/domain.yaml"), self.domain_file());
        }
        for silver in &self.silver {
            files.insert(
                format!("{folder}/silver/{}.yaml", silver.table),
                silver_file(silver),
            );
        }
        for gold in &self.gold {
            files.insert(
                format!("{folder}/gold/{}.sql", gold.table),
                format!("{}\n", gold.sql),
            );
            if let Some(text) = gold_file(gold) {
                files.insert(format!("{folder}/gold/{}.yaml", gold.table), text);
            }
        }
        let models: BTreeSet<&String> = self.tests.iter().map(|test| &test.model).collect();
        for model in models {
            let table = model.rsplit('.').next().unwrap_or(model);
            let mut text = format!("model: {model}\ntests:\n");
            for test in self.tests.iter().filter(|test| test.model == *model) {
                text.push_str(&test.text);
            }
            files.insert(format!("{folder}/tests/{table}.yaml"), text);
        }
        files
    }

    pub(crate) fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let texts = self.texts().into_iter();
        let mut files: BTreeMap<String, Vec<u8>> = texts
            .map(|(name, text)| (name, text.into_bytes()))
            .collect();
        files.extend(self.data.clone());
        files
    }

    fn project_file(&self) -> String {
        let mut text = comment(&self.comment, 0);
        let _ = write!(text, "karat: 1\nproject: {}\n", self.project);
        if !self.sources.is_empty() {
            text.push_str("sources:\n");
            for (name, path) in &self.sources {
                let _ = writeln!(text, "  {name}: {{ type: files, path: {} }}", item(path));
            }
        }
        text
    }

    fn domain_file(&self) -> String {
        let mut text = format!("domain: {}\n", self.domain);
        if !self.feeds.is_empty() {
            text.push_str("feeds:\n");
        }
        for feed in &self.feeds {
            text.push_str(&comment(&feed.comment, 2));
            let mut keys = vec![
                format!("source: {}", feed.source),
                format!("name: {}", feed.name),
            ];
            keys.extend(
                feed.keys
                    .iter()
                    .map(|(key, value)| format!("{key}: {value}")),
            );
            let line = format!("  - {{ {} }}\n", keys.join(", "));
            match line.len() <= 150 {
                true => text.push_str(&line),
                false => {
                    for (nth, key) in keys.iter().enumerate() {
                        let mark = if nth == 0 { "-" } else { " " };
                        let _ = writeln!(text, "  {mark} {key}");
                    }
                }
            }
        }
        text
    }

    /// Takes out what is refused and what reads it; gives each with the place and name that it came from.
    pub(crate) fn reject(&mut self, rejections: &[Rejection]) -> Vec<(Origin, String, Finding)> {
        let mut taken: Vec<(Origin, String, Finding)> = Vec::new();
        let texts = self.texts();
        for rejection in rejections {
            self.reject_one(rejection, &texts, &mut taken);
        }
        self.prune(&mut taken);
        taken
    }

    fn reject_one(
        &mut self,
        rejection: &Rejection,
        texts: &BTreeMap<String, String>,
        taken: &mut Vec<(Origin, String, Finding)>,
    ) {
        let text = texts.get(&rejection.file).map_or("", String::as_str);
        let part = part_at(text, rejection.line);
        let mut segments = rejection.file.rsplit('/');
        let table = segments.next().unwrap_or_default();
        let table = table
            .rsplit_once('.')
            .map_or(table, |(table, _)| table)
            .to_owned();
        let layer = segments.next().unwrap_or_default().to_owned();
        let finding = |origin: &Origin, line: u32, construct: &str| Finding {
            weight: Weight::Unmapped,
            file: origin.file.clone(),
            line,
            construct: construct.to_owned(),
            why: format!("karat refuses it: {}", rejection.message),
            fix: rejection
                .hint
                .clone()
                .unwrap_or_else(|| "write it in karat's SQL".to_owned()),
        };
        let checks = match layer.as_str() {
            "silver" => self
                .silver
                .iter_mut()
                .find(|model| model.table == table)
                .map(|model| &mut model.checks),
            "gold" => self
                .gold
                .iter_mut()
                .find(|model| model.table == table)
                .map(|model| &mut model.checks),
            _ => None,
        };
        if let (Part::Check(name), Some(checks)) = (&part, checks) {
            if let Some(at) = checks.iter().position(|check| check.name == *name) {
                let check = checks.remove(at);
                let found = finding(&check.origin, check.origin.line, &check.origin.name);
                taken.push((check.origin.clone(), check.origin.name.clone(), found));
            }
            return;
        }
        let is_of_floats = rejection
            .message
            .contains("doubles, which no model stores unasked");
        match layer.as_str() {
            "silver" => {
                let Some(at) = self.silver.iter().position(|model| model.table == table) else {
                    return;
                };
                let origin = self.silver[at].origin.clone();
                if is_of_floats && self.silver[at].allow_float.is_none() {
                    self.silver[at].allow_float = Some(as_there(&origin));
                    taken.push((origin.clone(), origin.name.clone(), floats(&origin)));
                    return;
                }
                if let Part::Expectation(name) = &part
                    && let Some(nth) = self.silver[at]
                        .expectations
                        .iter()
                        .position(|rule| rule.name == *name)
                {
                    let rule = self.silver[at].expectations.remove(nth);
                    let found = finding(&rule.origin, rule.origin.line, &rule.origin.name);
                    taken.push((rule.origin.clone(), rule.origin.name.clone(), found));
                    return;
                }
                let model = self.silver.remove(at);
                let found = finding(&model.origin, model.origin.line, &model.origin.name);
                taken.push((model.origin.clone(), model.origin.name.clone(), found));
            }
            "gold" => {
                let Some(at) = self.gold.iter().position(|model| model.table == table) else {
                    return;
                };
                let origin = self.gold[at].origin.clone();
                if is_of_floats && self.gold[at].allow_float.is_none() {
                    self.gold[at].allow_float = Some(as_there(&origin));
                    taken.push((origin.clone(), origin.name.clone(), floats(&origin)));
                    return;
                }
                let model = self.gold.remove(at);
                let is_sql = rejection.file.ends_with(".sql");
                let own = rejection
                    .line
                    .checked_sub(1)
                    .and_then(|line| model.lines.get(line as usize));
                let line = own.copied().filter(|_| is_sql).unwrap_or(origin.line);
                let found = finding(&origin, line, &origin.name);
                taken.push((origin.clone(), origin.name.clone(), found));
            }
            "tests" => {
                let model = self.gold_name(&table);
                let (gone, kept) = std::mem::take(&mut self.tests)
                    .into_iter()
                    .partition(|test| test.model == model);
                self.tests = kept;
                for test in gone {
                    let found = finding(&test.origin, test.origin.line, &test.origin.name);
                    taken.push((test.origin.clone(), test.origin.name.clone(), found));
                }
            }
            _ => {}
        }
    }

    /// Takes out what reads a table that is not there, until nothing does.
    pub(crate) fn prune(&mut self, taken: &mut Vec<(Origin, String, Finding)>) {
        loop {
            let mut there: BTreeSet<String> = BTreeSet::new();
            there.extend(
                self.silver
                    .iter()
                    .map(|model| self.silver_name(&model.table)),
            );
            there.extend(self.gold.iter().map(|model| self.gold_name(&model.table)));
            let missing =
                |reads: &[String]| reads.iter().find(|name| !there.contains(*name)).cloned();
            let mut gone: Vec<(Origin, String)> = Vec::new();
            self.gold.retain(|model| match missing(&model.reads) {
                Some(name) => {
                    gone.push((model.origin.clone(), name));
                    false
                }
                None => true,
            });
            let lists = self.silver.iter_mut().map(|model| &mut model.checks);
            for checks in lists.chain(self.gold.iter_mut().map(|model| &mut model.checks)) {
                checks.retain(|check| match missing(&check.reads) {
                    Some(name) => {
                        gone.push((check.origin.clone(), name));
                        false
                    }
                    None => true,
                });
            }
            self.tests.retain(|test| match missing(&test.reads) {
                Some(name) => {
                    gone.push((test.origin.clone(), name));
                    false
                }
                None => true,
            });
            if gone.is_empty() {
                break;
            }
            for (origin, name) in gone {
                let finding = Finding {
                    weight: Weight::Unmapped,
                    file: origin.file.clone(),
                    line: origin.line,
                    construct: origin.name.clone(),
                    why: format!("it reads `{name}`, which is left out"),
                    fix: format!("bring `{name}` over first"),
                };
                taken.push((origin.clone(), origin.name.clone(), finding));
            }
        }
        let read: BTreeSet<&String> = self.silver.iter().map(|model| &model.from).collect();
        self.feeds.retain(|feed| read.contains(&feed.short_name()));
        let used: BTreeSet<&String> = self.feeds.iter().map(|feed| &feed.source).collect();
        self.sources.retain(|name, _| used.contains(name));
    }
}

fn as_there(origin: &Origin) -> String {
    format!("as in {}", origin.file)
}

fn floats(origin: &Origin) -> Finding {
    Finding {
        weight: Weight::Note,
        file: origin.file.clone(),
        line: origin.line,
        construct: origin.name.clone(),
        why: "it has columns of doubles, as it had".to_owned(),
        fix: "cast them to decimals where cents count, and take `allow_float` out".to_owned(),
    }
}

enum Part {
    Whole,
    Check(String),
    Expectation(String),
}

/// What of a model's YAML a line belongs to.
fn part_at(text: &str, line: u32) -> Part {
    let key_of = |line: &str| {
        let key = line.split(':').next().unwrap_or_default();
        key.trim().trim_matches(['"', '\'']).to_owned()
    };
    let (mut section, mut entry) = (String::new(), String::new());
    for line in text.lines().take(line as usize) {
        let indent = line.len() - line.trim_start().len();
        match indent {
            0 if !line.is_empty() && !line.starts_with('#') => {
                section = key_of(line);
                entry.clear();
            }
            2 if !line.trim_start().starts_with('#') => entry = key_of(line),
            _ => {}
        }
    }
    match (section.as_str(), entry.is_empty()) {
        ("checks", false) => Part::Check(entry),
        ("expectations", false) => Part::Expectation(entry),
        _ => Part::Whole,
    }
}

fn silver_file(silver: &Silver) -> String {
    let mut text = comment(&silver.comment, 0);
    if let Some(description) = &silver.description {
        let _ = writeln!(text, "description: {}", block(description, 2));
    }
    let _ = writeln!(text, "from: {}\nselect:", silver.from);
    let names: Vec<String> = silver.select.iter().map(|(name, _)| scalar(name)).collect();
    let width = names
        .iter()
        .map(|name| name.chars().count())
        .max()
        .unwrap_or(0)
        + 1;
    for (name, (_, sql)) in names.iter().zip(&silver.select) {
        let key = format!("{name}:");
        let _ = writeln!(text, "  {key:<width$} {}", block(sql, 4));
    }
    if !silver.expectations.is_empty() {
        text.push_str("expectations:\n");
        for rule in &silver.expectations {
            let _ = writeln!(
                text,
                "  {}: {{ expect: {}, action: {}{} }}",
                rule.name,
                item(&rule.expect),
                rule.action,
                if rule.on_all { ", on: all" } else { "" }
            );
        }
    }
    if !silver.auto_cdc.is_empty() {
        text.push_str("auto_cdc:\n");
        for (key, value) in &silver.auto_cdc {
            let _ = writeln!(text, "  {key}: {value}");
        }
    }
    if !silver.key.is_empty() && silver.auto_cdc.is_empty() {
        let _ = writeln!(text, "key: {}", list(&silver.key));
    }
    write_rest(&mut text, silver.allow_float.as_deref(), &silver.checks);
    text
}

fn gold_file(gold: &Gold) -> Option<String> {
    let mut text = comment(&gold.comment, 0);
    if let Some(description) = &gold.description {
        let _ = writeln!(text, "description: {}", block(description, 2));
    }
    if !gold.key.is_empty() {
        let _ = writeln!(text, "key: {}", list(&gold.key));
    }
    write_rest(&mut text, gold.allow_float.as_deref(), &gold.checks);
    let says = text.lines().any(|line| !line.starts_with('#'));
    match (says, text.is_empty()) {
        (_, true) => None,
        (true, _) => Some(text),
        // A file of comments alone is none.
        (false, _) => Some(format!("{text}access: private\n")),
    }
}

fn write_rest(text: &mut String, allow_float: Option<&str>, checks: &[Check]) {
    if let Some(reason) = allow_float {
        let _ = writeln!(text, "allow_float: {}", scalar(reason));
    }
    if checks.is_empty() {
        return;
    }
    text.push_str("checks:\n");
    for check in checks {
        let mut keys: Vec<(&str, Yaml)> = check.keys.clone();
        if let Some(description) = &check.description {
            keys.push(("description", Yaml::Text(description.clone())));
        }
        if check.warns {
            keys.push(("action", Yaml::Raw("warn".to_owned())));
        }
        let flow: Vec<String> = keys
            .iter()
            .map(|(key, value)| match value {
                Yaml::Raw(value) => format!("{key}: {value}"),
                Yaml::Text(value) => format!("{key}: {}", item(value)),
            })
            .collect();
        let line = format!("  {}: {{ {} }}\n", check.name, flow.join(", "));
        let is_long = keys
            .iter()
            .any(|(_, value)| matches!(value, Yaml::Text(text) if text.trim_end().contains('\n')));
        if !is_long && line.len() <= 150 {
            text.push_str(&line);
            continue;
        }
        let _ = writeln!(text, "  {}:", check.name);
        for (key, value) in &keys {
            let value = match value {
                Yaml::Raw(value) => value.clone(),
                Yaml::Text(value) => block(value, 6),
            };
            let _ = writeln!(text, "    {key}: {value}");
        }
    }
}
