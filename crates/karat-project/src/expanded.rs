//! A feed or model as YAML with everything that defaults add to it, for people: what is inherited has where it stands beside it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::diagnostic::{Place, Reporter};
use crate::model::{Expanded, Inherited};
use crate::yaml::{Data, Node};

/// A feed, as an item of `feeds`.
pub(crate) fn feed(
    node: &Node,
    inherited: Vec<(String, Place)>,
    report: &Reporter,
) -> Option<Expanded> {
    let at = node.entries().first().map_or(node.at, |entry| entry.key_at);
    let text = block(node, &inherited, report)?;
    let mut yaml = format!("# {}\n", shown(at, report));
    for (nth, line) in text.lines().enumerate() {
        let lead = if nth == 0 { "- " } else { "  " };
        writeln!(yaml, "{lead}{line}").expect("writing to a string");
    }
    Some(expanded(node, yaml, inherited))
}

/// A model, as its file.
pub(crate) fn model(
    node: &Node,
    inherited: Vec<(String, Place)>,
    file: &str,
    report: &Reporter,
) -> Option<Expanded> {
    let text = block(node, &inherited, report)?;
    let yaml = format!("# {file}\n{text}");
    Some(expanded(node, yaml, inherited))
}

fn expanded(node: &Node, yaml: String, inherited: Vec<(String, Place)>) -> Expanded {
    let inherited = inherited.into_iter().map(|(key, at)| Inherited {
        value: value_at(node, &key),
        key,
        at,
    });
    Expanded {
        yaml,
        inherited: inherited.collect(),
    }
}

/// `file:line`.
fn shown(at: Place, report: &Reporter) -> String {
    let file = report.path(at.file).display().to_string();
    format!("{}:{}", file.replace('\\', "/"), at.line)
}

fn value_at(node: &Node, key: &str) -> String {
    let value = match key.split_once('.') {
        Some((first, rest)) => node.get(first).and_then(|map| map.get(rest)),
        None => node.get(key),
    };
    value.map(flow).unwrap_or_default()
}

/// The map in lines, its maps in lines too, what is in those in flow style. `None` if nothing is inherited.
fn block(node: &Node, inherited: &[(String, Place)], report: &Reporter) -> Option<String> {
    if inherited.is_empty() {
        return None;
    }
    let from: BTreeMap<&str, Place> = inherited
        .iter()
        .map(|(key, at)| (key.as_str(), *at))
        .collect();
    let mut text = String::new();
    let mut line = |indent: &str, key: &str, path: &str, value: Option<&Node>| {
        let value = value.map_or(String::new(), |value| format!(" {}", flow(value)));
        let from = from.get(path).map_or(String::new(), |at| {
            format!("  # from {}", shown(*at, report))
        });
        writeln!(text, "{indent}{}:{value}{from}", word(key)).expect("writing to a string");
    };
    for entry in node.entries() {
        let parts = entry.value.entries();
        if parts.is_empty() {
            line("", &entry.key, &entry.key, Some(&entry.value));
            continue;
        }
        line("", &entry.key, &entry.key, None);
        for part in parts {
            let path = format!("{}.{}", entry.key, part.key);
            line("  ", &part.key, &path, Some(&part.value));
        }
    }
    Some(text)
}

fn flow(node: &Node) -> String {
    let list = |items: Vec<String>| items.join(", ");
    match &node.data {
        Data::Null => "null".to_owned(),
        Data::Bool(value) => value.to_string(),
        Data::Number(number) => number.clone(),
        Data::Text(text) => word(text),
        Data::List(items) => format!("[{}]", list(items.iter().map(flow).collect())),
        Data::Map(entries) => {
            let entries = entries.iter();
            let entries =
                entries.map(|entry| format!("{}: {}", word(&entry.key), flow(&entry.value)));
            format!("{{ {} }}", list(entries.collect()))
        }
    }
}

/// A text that YAML reads as this text: in quotes unless it is plainly a word.
fn word(text: &str) -> String {
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '_' | '/'))
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "_-./*() ".contains(c))
        && !text.ends_with(' ');
    let taken = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    match plain && !taken.contains(&text.to_lowercase().as_str()) {
        true => text.to_owned(),
        false => crate::recorded::quoted(text),
    }
}
