//! What YAML files say of models, seeds, snapshots and sources.

use std::collections::BTreeMap;

use crate::folder::Folder;
use crate::jinja::{Value, constant, expression};
use crate::outline::Origin;
use crate::tree::{Data, Node, boolean, parse};

use super::known::Known;
use super::{Log, Shared, text_of};

/// An entry of a YAML file.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) file: String,
    pub(crate) node: Node,
}

/// A table of a source, with what its source says.
#[derive(Clone, Debug)]
pub(crate) struct SourceTable {
    pub(crate) source: String,
    pub(crate) table: String,
    pub(crate) schema: String,
    pub(crate) identifier: String,
    pub(crate) entry: Entry,
}

/// All that YAML says, by name.
#[derive(Debug, Default)]
pub(crate) struct Properties {
    /// Of models, seeds and snapshots, which share their names.
    pub(crate) nodes: BTreeMap<String, Entry>,
    pub(crate) sources: Vec<SourceTable>,
    /// Snapshots that YAML alone declares.
    pub(crate) snapshots: Vec<Entry>,
    pub(crate) unit_tests: Vec<Entry>,
}

/// Sections that karat has nothing for, with what to do.
const NOT_THERE: [(&str, &str, &str); 5] = [
    (
        "exposures",
        "exposure",
        "who reads a table is not declared in karat",
    ),
    (
        "metrics",
        "metric",
        "karat has no layer of metrics: write the figure as a gold model",
    ),
    (
        "semantic_models",
        "semantic model",
        "karat has no layer of metrics: write the figure as a gold model",
    ),
    (
        "saved_queries",
        "saved query",
        "karat has no layer of metrics: write the figure as a gold model",
    ),
    (
        "groups",
        "group",
        "who owns tables is said by the domain (`owner`)",
    ),
];

impl Properties {
    pub(crate) fn read(folder: &Folder, shared: &Shared, log: &mut Log) -> Properties {
        let mut properties = Properties::default();
        let kinds = [
            "model-paths",
            "seed-paths",
            "snapshot-paths",
            "macro-paths",
            "test-paths",
            "analysis-paths",
        ];
        let is_yaml = |path: &str| path.ends_with(".yml") || path.ends_with(".yaml");
        let paths: Vec<&str> = folder
            .paths()
            .filter(|path| {
                is_yaml(path) && kinds.iter().any(|kind| shared.project.is_in(kind, path))
            })
            .collect();
        for path in paths {
            let Some(text) = text_of(folder, path, log) else {
                continue;
            };
            match parse(text) {
                Ok(node) => properties.add(path, &node, log),
                Err((line, why)) => {
                    let origin = Origin {
                        file: path.to_owned(),
                        line,
                        name: path.to_owned(),
                    };
                    let why = format!("the YAML is broken: {why}");
                    log.unmapped(
                        &origin,
                        path,
                        why,
                        "mend it: nothing of this file is taken over",
                    );
                }
            }
        }
        properties
    }

    fn add(&mut self, path: &str, node: &Node, log: &mut Log) {
        let entry = |node: &Node| Entry {
            file: path.to_owned(),
            node: node.clone(),
        };
        for section in ["models", "seeds", "snapshots"] {
            for one in node.get(section).map_or(&[][..], Node::items) {
                let Some(name) = one.text("name") else {
                    continue;
                };
                if section == "snapshots" && one.get("relation").is_some() {
                    self.snapshots.push(entry(one));
                }
                if let Some(first) = self.nodes.get(&name) {
                    let origin = Origin {
                        file: path.to_owned(),
                        line: one.line,
                        name: name.clone(),
                    };
                    let why = format!(
                        "`{name}` is described in {}:{}, too",
                        first.file, first.node.line
                    );
                    log.unmapped(&origin, &name, why, "describe it once: the first counts");
                    continue;
                }
                self.nodes.insert(name, entry(one));
            }
        }
        for source in node.get("sources").map_or(&[][..], Node::items) {
            let Some(name) = source.text("name") else {
                continue;
            };
            let schema = source.text("schema").unwrap_or_else(|| name.clone());
            list_freshness(path, &name, source, log);
            for table in source.get("tables").map_or(&[][..], Node::items) {
                let Some(own) = table.text("name") else {
                    continue;
                };
                list_freshness(path, &format!("{name}.{own}"), table, log);
                self.sources.push(SourceTable {
                    source: name.clone(),
                    identifier: table.text("identifier").unwrap_or_else(|| own.clone()),
                    table: own,
                    schema: schema.clone(),
                    entry: entry(table),
                });
            }
        }
        self.unit_tests.extend(
            node.get("unit_tests")
                .map_or(&[][..], Node::items)
                .iter()
                .map(entry),
        );
        for (section, kind, instead) in NOT_THERE {
            for one in node.get(section).map_or(&[][..], Node::items) {
                let origin = Origin {
                    file: path.to_owned(),
                    line: one.line,
                    name: one.text("name").unwrap_or_else(|| kind.to_owned()),
                };
                log.item(kind, &origin, None);
                log.unmapped(
                    &origin,
                    format!("{kind} {}", origin.name),
                    instead,
                    "take it over by hand where it is needed",
                );
            }
        }
    }

    pub(crate) fn of(&self, name: &str) -> Option<&Entry> {
        self.nodes.get(name)
    }
}

/// How old a source may be, which is said of a feed in karat.
fn list_freshness(path: &str, name: &str, node: &Node, log: &mut Log) {
    for key in ["freshness", "loaded_at_field", "loaded_at_query"] {
        let config = node.get("config").and_then(|config| config.get(key));
        let Some(found) = node.get(key).or(config) else {
            continue;
        };
        if matches!(found.data, Data::Null) {
            continue;
        }
        let origin = Origin {
            file: path.to_owned(),
            line: found.line,
            name: name.to_owned(),
        };
        log.unmapped(
            &origin,
            format!("{key} of {name}"),
            "how old rows may be is not taken over",
            "say by when a file is due with `expect` of the feed",
        );
    }
}

impl Entry {
    pub(crate) fn origin(&self, name: &str) -> Origin {
        Origin {
            file: self.file.clone(),
            line: self.node.line,
            name: name.to_owned(),
        }
    }

    /// A key of `config:`, or beside it, as older projects write it.
    pub(crate) fn config(&self, key: &str) -> Option<&Node> {
        let config = self.node.get("config");
        config
            .and_then(|config| config.get(key))
            .or_else(|| self.node.get(key))
    }

    /// What a row is, with pages of `docs` in their places.
    pub(crate) fn description(&self, shared: &Shared) -> Option<String> {
        described(&self.node, shared)
    }

    /// What the columns are, as lines of a comment.
    pub(crate) fn columns_comment(&self, shared: &Shared) -> String {
        let mut text = String::new();
        for column in self.node.get("columns").map_or(&[][..], Node::items) {
            if let (Some(name), Some(description)) =
                (column.text("name"), described(column, shared))
            {
                let description = description.split_whitespace().collect::<Vec<_>>().join(" ");
                text.push_str(&format!("{name}: {description}\n"));
            }
        }
        text
    }
}

fn described(node: &Node, shared: &Shared) -> Option<String> {
    let text = node.text("description")?;
    let mut out = String::new();
    let mut rest = text.as_str();
    while let Some((before, after)) = rest.split_once("{{") {
        let (inner, behind) = after.split_once("}}")?;
        out.push_str(before);
        let name = inner
            .trim()
            .strip_prefix("doc(")
            .and_then(|inner| inner.strip_suffix(')'));
        let name = name.map(|name| name.trim().trim_matches(['\'', '"']));
        if let Some(page) = name.and_then(|name| shared.docs.get(name)) {
            out.push_str(page);
        }
        rest = behind;
    }
    out.push_str(rest);
    let out = out.trim().to_owned();
    (!out.is_empty()).then_some(out)
}

/// Whether something is switched on: `enabled`, a value or a template; the error is what tells neither.
pub(crate) fn enabled(value: Option<&Value>, shared: &Shared) -> Result<bool, String> {
    let text = match value {
        None => return Ok(true),
        Some(Value::Bool(value)) => return Ok(*value),
        Some(Value::Text(text)) => text.trim(),
        Some(other) => return Err(other.printed().unwrap_or_else(|| other.kind().to_owned())),
    };
    if let Some(value) = boolean(text) {
        return Ok(value);
    }
    let not_known = || text.to_owned();
    let inner = text
        .strip_prefix("{{")
        .and_then(|text| text.strip_suffix("}}"))
        .ok_or_else(not_known)?;
    let value = expression(inner, 1)
        .and_then(|expr| constant(&expr, 1, &mut Known::new(shared)))
        .map_err(|_| not_known())?;
    match value {
        Value::Bool(value) => Ok(value),
        Value::Text(text) => boolean(text.trim()).ok_or_else(not_known),
        _ => Err(not_known()),
    }
}
