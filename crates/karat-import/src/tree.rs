//! YAML, and JSON as a kind of it, as a tree with lines.

use saphyr::{MarkedYaml, ScalarStyle, YamlData, YamlLoader};
use saphyr_parser::Parser;

use crate::jinja::Value;

const DEPTH_MAX: usize = 64;
const BYTES_MAX: usize = 64 << 20;

/// A node, and the line that it begins in.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) line: u32,
    pub(crate) data: Data,
}

#[derive(Clone, Debug)]
pub(crate) enum Data {
    Null,
    Bool(bool),
    /// A number, as written.
    Number(String),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

impl Node {
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        self.entries()
            .iter()
            .find_map(|(name, node)| (name == key).then_some(node))
    }

    pub(crate) fn entries(&self) -> &[(String, Node)] {
        match &self.data {
            Data::Map(entries) => entries,
            _ => &[],
        }
    }

    pub(crate) fn items(&self) -> &[Node] {
        match &self.data {
            Data::List(items) => items,
            _ => &[],
        }
    }

    /// The text of a scalar.
    pub(crate) fn scalar(&self) -> Option<String> {
        Some(match &self.data {
            Data::Text(text) | Data::Number(text) => text.clone(),
            Data::Bool(value) => value.to_string(),
            _ => return None,
        })
    }

    /// The text of a scalar under a key.
    pub(crate) fn text(&self, key: &str) -> Option<String> {
        self.get(key).and_then(Node::scalar)
    }

    /// Texts of a list, or the one text that stands in its place.
    pub(crate) fn texts(&self, key: &str) -> Vec<String> {
        match self.get(key) {
            Some(node) => match &node.data {
                Data::List(items) => items.iter().filter_map(Node::scalar).collect(),
                _ => node.scalar().into_iter().collect(),
            },
            None => Vec::new(),
        }
    }

    /// As a value of a template.
    pub(crate) fn value(&self) -> Value {
        match &self.data {
            Data::Null => Value::None,
            Data::Bool(value) => Value::Bool(*value),
            Data::Number(text) => match text.parse() {
                Ok(value) => Value::Int(value),
                Err(_) => Value::Number(text.clone()),
            },
            Data::Text(text) => Value::Text(text.clone()),
            Data::List(items) => Value::List(items.iter().map(Node::value).collect()),
            Data::Map(entries) => {
                let entries = entries.iter();
                Value::Map(
                    entries
                        .map(|(key, node)| (key.clone(), node.value()))
                        .collect(),
                )
            }
        }
    }
}

/// Reads one document; an empty one is `Data::Null`. The error has its line.
pub(crate) fn parse(text: &str) -> Result<Node, (u32, String)> {
    if text.len() > BYTES_MAX {
        return Err((1, "the file is larger than 64 MiB".to_owned()));
    }
    if let Some(line) = too_deep(text) {
        return Err((line, "it is nested too deeply".to_owned()));
    }
    // Scalars stay as they are written: what they are is told by the rules of YAML 1.1, which dbt reads.
    let mut loader: YamlLoader<'_, MarkedYaml<'_>> = YamlLoader::default();
    loader.early_parse(false);
    let read = Parser::new_from_str(text).load(&mut loader, true);
    let error = read.err().or_else(|| loader.error().cloned());
    if let Some(error) = error {
        let line = error.marker().line().max(1) as u32;
        return Err((line, error.info().to_owned()));
    }
    match loader.into_documents().into_iter().next() {
        Some(document) => convert(document, 0),
        None => Ok(Node {
            line: 1,
            data: Data::Null,
        }),
    }
}

fn convert(node: MarkedYaml<'_>, depth: usize) -> Result<Node, (u32, String)> {
    let line = node.span.start.line().max(1) as u32;
    if depth > DEPTH_MAX {
        return Err((line, "it is nested too deeply".to_owned()));
    }
    let data = match node.data {
        YamlData::Representation(text, ScalarStyle::Plain, None) => scalar(text.into_owned()),
        YamlData::Representation(text, ..) => Data::Text(text.into_owned()),
        YamlData::Sequence(items) => {
            let items = items.into_iter().map(|item| convert(item, depth + 1));
            Data::List(items.collect::<Result<_, _>>()?)
        }
        YamlData::Mapping(map) => {
            let mut entries = Vec::new();
            for (key, value) in map {
                let name = match &key.data {
                    YamlData::Representation(text, ..) => text.to_string(),
                    _ => String::new(),
                };
                entries.push((name, convert(value, depth + 1)?));
            }
            Data::Map(entries)
        }
        YamlData::Tagged(_, inner) => return convert(*inner, depth + 1),
        _ => Data::Null,
    };
    Ok(Node { line, data })
}

/// What a scalar without quotes is in YAML 1.1, as Python reads it.
fn scalar(text: String) -> Data {
    match text.as_str() {
        "" | "~" | "null" | "Null" | "NULL" => return Data::Null,
        _ => {}
    }
    if let Some(value) = boolean(&text) {
        return Data::Bool(value);
    }
    let digits = text.strip_prefix(['-', '+']).unwrap_or(&text);
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    // With a zero before them they are octal there.
    let is_whole = |text: &str| {
        !text.is_empty() && is_digits(text) && (text.len() == 1 || !text.starts_with('0'))
    };
    let is_number = match digits.split_once('.') {
        None => is_whole(digits),
        Some((whole, places)) => {
            let (places, power) = match places.split_once(['e', 'E']) {
                Some((places, power)) => (places, power.strip_prefix(['-', '+'])),
                None => (places, Some("0")),
            };
            (is_digits(whole) && !whole.is_empty())
                && is_digits(places)
                && power.is_some_and(|power| !power.is_empty() && is_digits(power))
        }
    };
    match is_number {
        true => Data::Number(text),
        false => Data::Text(text),
    }
}

/// The words of YAML 1.1.
pub(crate) fn boolean(text: &str) -> Option<bool> {
    const TRUE: [&str; 9] = [
        "true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON",
    ];
    const FALSE: [&str; 9] = [
        "false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF",
    ];
    match text {
        text if TRUE.contains(&text) => Some(true),
        text if FALSE.contains(&text) => Some(false),
        _ => None,
    }
}

/// The first line that nests too deeply for the parser.
fn too_deep(text: &str) -> Option<u32> {
    let mut flow: usize = 0;
    for (index, line) in text.split('\n').enumerate() {
        let body = line.trim_start_matches(' ');
        let compact = body.as_bytes().chunks(2);
        let compact = compact
            .take_while(|pair| *pair == b"- " || *pair == b"? ")
            .count();
        for byte in body.bytes() {
            match byte {
                b'[' | b'{' => flow += 1,
                b']' | b'}' => flow = flow.saturating_sub(1),
                _ => {}
            }
        }
        let indent = line.len() - body.len();
        if compact > DEPTH_MAX || flow > 1000 || (indent > 4000 && !body.is_empty()) {
            return Some(index as u32 + 1);
        }
    }
    None
}
