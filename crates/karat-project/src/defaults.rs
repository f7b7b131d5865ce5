//! What `defaults` of `karat.yaml` and of a domain say, and to whom: they are put into the tree of a feed or model before it is read, so
//! that a default is checked, digested and run as if it stood there.
//!
//! What counts is what stands nearest: the feed or model itself, the domain's patterns, what the domain says of all feeds, the project's
//! patterns, what the project says of all feeds; of several patterns the one that stands last.

use std::collections::BTreeMap;

use globset::GlobMatcher;

use crate::decode::{self, fold_name};
use crate::diagnostic::{Place, Reporter};
use crate::expanded;
use crate::model::{Expanded, Format, Mode};
use crate::yaml::{Data, Entry, Node};

/// All defaults of a project, weakest first.
#[derive(Debug, Default)]
pub(crate) struct Defaults {
    layers: Vec<Layer>,
}

#[derive(Debug)]
struct Layer {
    /// Whose they are; `None` for the project's.
    domain: Option<String>,
    of: Of,
    /// `None` for what holds for all.
    pattern: Option<Pattern>,
    settings: Node,
    /// Of silver models: the columns that each expectation names; one that is not understood is left out.
    rules: BTreeMap<String, Vec<String>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Of {
    Feeds,
    Silver,
}

#[derive(Debug)]
struct Pattern {
    text: String,
    at: Place,
    matcher: GlobMatcher,
}

impl Pattern {
    /// With a dot in it, the pattern is one of full names.
    fn matches(&self, full: &str, own: &str) -> bool {
        self.matcher.is_match(match self.text.contains('.') {
            true => full,
            false => own,
        })
    }
}

/// The matcher of a pattern of names: `*` is any part of a name.
pub(crate) fn matcher(pattern: &str) -> Option<GlobMatcher> {
    let glob = globset::Glob::new(pattern).ok()?;
    Some(glob.compile_matcher())
}

/// Maps whose keys fall back one by one.
const BY_KEY: [&str; 3] = ["csv", "unpack", "on_schema_change"];

/// What a feed is, as far as it decides which defaults say something about it.
pub(crate) struct FeedFacts<'a> {
    pub(crate) domain: &'a str,
    pub(crate) source: &'a str,
    pub(crate) name: &'a str,
    pub(crate) of_files: bool,
    pub(crate) format: Format,
    pub(crate) mode: Mode,
}

impl FeedFacts<'_> {
    fn hears(&self, key: &str) -> bool {
        match key {
            "csv" => self.of_files && self.format == Format::Csv,
            "unpack" => {
                self.of_files && (self.format.may_be_packed() || self.format == Format::Excel)
            }
            "on_duplicate" | "on_broken_object" | "stable_for" => self.of_files,
            "max_delete" => self.mode == Mode::Full,
            _ => true,
        }
    }
}

impl Defaults {
    /// Adds what a `defaults` map says; mistakes of its own are reported.
    pub(crate) fn add(
        &mut self,
        domain: Option<&str>,
        defaults: Option<&Node>,
        report: &mut Reporter,
    ) {
        let Some(defaults) = defaults else { return };
        let mut for_all = defaults.clone();
        if let Data::Map(entries) = &mut for_all.data {
            entries.retain(|entry| !matches!(entry.key.as_str(), "feeds" | "silver"));
        }
        let domain = domain.map(str::to_owned);
        self.layers.push(Layer {
            domain: domain.clone(),
            of: Of::Feeds,
            pattern: None,
            settings: for_all,
            rules: BTreeMap::new(),
        });
        for (key, of) in [("feeds", Of::Feeds), ("silver", Of::Silver)] {
            let entries = defaults.get(key).map(Node::entries).unwrap_or(&[]);
            for entry in entries {
                // A pattern that is none was told where keys are checked.
                let Some(matcher) = matcher(&entry.key) else {
                    continue;
                };
                self.layers.push(Layer {
                    domain: domain.clone(),
                    of,
                    pattern: Some(Pattern {
                        text: entry.key.clone(),
                        at: entry.key_at,
                        matcher,
                    }),
                    settings: entry.value.clone(),
                    rules: rules(&entry.value, report),
                });
            }
        }
    }

    /// The layers that hold for a feed or model, the strongest first.
    fn layers_of(
        &self,
        of: Of,
        domain: &str,
        full: &str,
        own: &str,
    ) -> impl Iterator<Item = &Layer> {
        let holds = move |layer: &&Layer| {
            let domain_fits = layer.domain.as_deref().is_none_or(|name| name == domain);
            let mut pattern = layer.pattern.iter();
            layer.of == of && domain_fits && pattern.all(|pattern| pattern.matches(full, own))
        };
        self.layers.iter().rev().filter(holds)
    }

    /// A feed with what it inherits.
    pub(crate) fn feed(
        &self,
        own: &Node,
        of: &FeedFacts<'_>,
        report: &Reporter,
    ) -> (Node, Option<Expanded>) {
        let mut node = own.clone();
        let mut inherited = Vec::new();
        let full = format!("{}.{}", of.source, of.name);
        for layer in self.layers_of(Of::Feeds, of.domain, &full, of.name) {
            let entries = layer.settings.entries().iter();
            for entry in entries.filter(|entry| of.hears(&entry.key)) {
                inherit(&mut node, entry, &mut inherited);
            }
        }
        let expanded = expanded::feed(&node, inherited, report);
        (node, expanded)
    }

    /// A silver model with what it inherits, and with `key_not_null` as the expectation that it stands for.
    pub(crate) fn silver(
        &self,
        own: &Node,
        domain: &str,
        table: &str,
        report: &mut Reporter,
    ) -> (Node, Option<Expanded>) {
        let mut node = own.clone();
        let mut inherited = Vec::new();
        let full = format!("{domain}_silver.{table}");
        let selected = own.keys_of("select");
        let mut rules: Vec<Entry> = Vec::new();
        let mut not_null = own.entry("key_not_null").cloned();
        for layer in self.layers_of(Of::Silver, domain, &full, table) {
            for entry in layer.settings.entries() {
                match entry.key.as_str() {
                    "expectations" => {
                        let fitting = entry.value.entries().iter().filter(|rule| {
                            let columns = layer.rules.get(&rule.key);
                            columns.is_some_and(|columns| {
                                let mut columns = columns.iter();
                                columns.all(|column| selected.contains(&column.as_str()))
                            })
                        });
                        for rule in fitting {
                            if !rules.iter().any(|known| known.key == rule.key) {
                                rules.push(rule.clone());
                            }
                        }
                    }
                    "key_not_null" => not_null = not_null.or_else(|| Some(entry.clone())),
                    _ => inherit(&mut node, entry, &mut inherited),
                }
            }
        }
        let of_key = not_null.and_then(|entry| key_not_null(own, entry, &selected, report));
        if let Some(rule) = of_key {
            rules.insert(0, rule);
        }
        if let Data::Map(entries) = &mut node.data {
            entries.retain(|entry| entry.key != "key_not_null");
        }
        for rule in rules {
            add_rule(&mut node, rule, &mut inherited);
        }
        let file = report.path(own.at.file).display().to_string();
        let expanded = expanded::model(&node, inherited, &file.replace('\\', "/"), report);
        (node, expanded)
    }

    /// Warns of patterns that nothing is called like. `feeds` are domain, full and own name of each, `models` of each silver model.
    pub(crate) fn warn_of_idle(
        &self,
        feeds: &[(String, String, String)],
        models: &[(String, String, String)],
        report: &mut Reporter,
    ) {
        for layer in &self.layers {
            let Some(pattern) = &layer.pattern else {
                continue;
            };
            let (names, what, full) = match layer.of {
                Of::Feeds => (feeds, "feed", "source.feed"),
                Of::Silver => (models, "silver model", "domain_silver.table"),
            };
            let mut names = names
                .iter()
                .filter(|(domain, ..)| layer.domain.as_ref().is_none_or(|of| of == domain));
            if names.any(|(_, full, own)| pattern.matches(full, own)) {
                continue;
            }
            report.warning(
                pattern.at,
                format!(
                    "no {what} is called like `{}`: these defaults hold for none",
                    decode::printable(&pattern.text)
                ),
                format!(
                    "`*` stands for any part of a name; with a dot, the pattern is one of `{full}`"
                ),
            );
        }
    }
}

/// The columns that the expectations of a default name; a mistake in one is reported here, once.
fn rules(settings: &Node, report: &mut Reporter) -> BTreeMap<String, Vec<String>> {
    let mut rules = BTreeMap::new();
    let entries = settings
        .get("expectations")
        .map(Node::entries)
        .unwrap_or(&[]);
    for rule in entries {
        let columns = match rule.value.get("expect") {
            None if decode::BUILT_IN_RULES.contains(&rule.key.as_str()) => Vec::new(),
            // Told where the key tables are checked, else here.
            None => {
                report.error(
                    rule.key_at,
                    format!(
                        "expectation `{}` has no `expect`",
                        decode::printable(&rule.key)
                    ),
                    "write what must be true, like `expect: \"id is not null\"`",
                );
                continue;
            }
            Some(sql) => match decode::expression(sql, report) {
                Some(expression) => {
                    let columns = expression.columns.iter();
                    columns.map(|column| column.name.clone()).collect()
                }
                None => continue,
            },
        };
        rules.insert(rule.key.clone(), columns);
    }
    rules
}

/// Takes over a key that is not there yet, of some maps each of their keys.
fn inherit(node: &mut Node, default: &Entry, inherited: &mut Vec<(String, Place)>) {
    let Data::Map(entries) = &mut node.data else {
        return;
    };
    let known = entries.iter_mut().find(|entry| entry.key == default.key);
    let by_key = BY_KEY.contains(&default.key.as_str());
    match known {
        None => {
            match by_key {
                true => inherited.extend(
                    default
                        .value
                        .entries()
                        .iter()
                        .map(|entry| (format!("{}.{}", default.key, entry.key), entry.key_at)),
                ),
                false => inherited.push((default.key.clone(), default.key_at)),
            }
            entries.push(default.clone());
        }
        Some(known) if by_key => {
            let Data::Map(own) = &mut known.value.data else {
                return;
            };
            for entry in default.value.entries() {
                if !own.iter().any(|known| known.key == entry.key) {
                    inherited.push((format!("{}.{}", default.key, entry.key), entry.key_at));
                    own.push(entry.clone());
                }
            }
        }
        Some(_) => {}
    }
}

/// The expectation that `key_not_null` stands for; `None` where there is no key, or it is off.
fn key_not_null(
    own: &Node,
    entry: Entry,
    selected: &[&str],
    report: &mut Reporter,
) -> Option<Entry> {
    let action = entry.value.scalar().filter(|word| *word != "off")?;
    let key = match own.get("auto_cdc") {
        Some(cdc) => cdc.get("keys"),
        None => own.get("key"),
    };
    let Some(key) = key else {
        if entry.key_at.file == own.at.file {
            report.error(
                entry.key_at,
                "`key_not_null` needs a key",
                "add `key: [COLUMN]`, or `auto_cdc` with `keys`",
            );
        }
        return None;
    };
    let columns: Vec<String> = key
        .items()
        .iter()
        .filter_map(|column| Some(fold_name(column.scalar()?)))
        // Another is a mistake of the key, and told there.
        .filter(|column| selected.contains(&column.as_str()))
        .map(|column| format!("\"{column}\" is not null"))
        .collect();
    if columns.is_empty() {
        return None;
    }
    let text = |text: String| Node {
        at: entry.value.at,
        chars: entry.value.chars,
        data: Data::Text(text),
    };
    let part = |key: &str, value: Node| Entry {
        key: key.to_owned(),
        key_at: entry.key_at,
        value,
    };
    let action = text(action.to_owned());
    let rule = Node {
        data: Data::Map(vec![
            part("expect", text(columns.join(" and "))),
            part("action", action),
        ]),
        ..entry.value
    };
    Some(part("key_not_null", rule))
}

/// Adds an expectation, unless the model has one of this name.
fn add_rule(node: &mut Node, rule: Entry, inherited: &mut Vec<(String, Place)>) {
    let Data::Map(entries) = &mut node.data else {
        return;
    };
    let known = entries.iter().position(|entry| entry.key == "expectations");
    let known = known.unwrap_or_else(|| {
        entries.push(Entry {
            key: "expectations".to_owned(),
            key_at: rule.key_at,
            value: Node {
                at: rule.key_at,
                chars: (0, 0),
                data: Data::Map(Vec::new()),
            },
        });
        entries.len() - 1
    });
    let Data::Map(rules) = &mut entries[known].value.data else {
        return;
    };
    if !rules.iter().any(|known| known.key == rule.key) {
        // That of a `key_not_null` of its own is not.
        if rule.key_at.file != node.at.file {
            inherited.push((format!("expectations.{}", rule.key), rule.key_at));
        }
        rules.push(rule);
    }
}
