//! YAML as a tree of nodes with positions, and nothing about what it means.
//!
//! Scalars keep the text as written, so `1.10` stays `1.10` and `null_values: [0]` is the text `0`. Duplicate keys are all
//! reported, not only the first: saphyr stops at a duplicate, so its first letter is masked in a copy of the text (columns stay)
//! and the copy is parsed again.

use saphyr::{LoadableYamlNode, MarkedYaml, Scalar, YamlData};

use crate::diagnostic::{Place, Reporter};

/// A node and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) at: Place,
    /// First and last character (exclusive) in the file's text.
    pub(crate) chars: (usize, usize),
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
    Map(Vec<Entry>),
}

#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_at: Place,
    pub(crate) value: Node,
}

impl Node {
    /// What it is, in the words of a message.
    pub(crate) fn kind(&self) -> &'static str {
        match &self.data {
            Data::Null => "nothing",
            Data::Bool(_) => "true or false",
            Data::Number(_) => "a number",
            Data::Text(_) => "text",
            Data::List(_) => "a list",
            Data::Map(_) => "a map",
        }
    }

    /// A scalar's text, as written.
    pub(crate) fn scalar(&self) -> Option<&str> {
        match &self.data {
            Data::Text(text) | Data::Number(text) => Some(text),
            Data::Bool(true) => Some("true"),
            Data::Bool(false) => Some("false"),
            _ => None,
        }
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|entry| &entry.value)
    }

    pub(crate) fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().find(|entry| entry.key == key)
    }

    /// The keys of the map that stands under `key`; none if there is no such map.
    pub(crate) fn keys_of(&self, key: &str) -> Vec<&str> {
        let entries = self.get(key).map(Node::entries).unwrap_or_default();
        entries.iter().map(|entry| entry.key.as_str()).collect()
    }

    pub(crate) fn entries(&self) -> &[Entry] {
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
}

/// The first of the private-use letters that stand in for the first letter of a key that was reported as a duplicate.
const MASK_FIRST: u32 = 0xE000;
const MASKS_MAX: usize = 1000;
/// As deep as a project file may nest: far beyond use, far below the stack.
const DEPTH_MAX: usize = 64;
const BYTES_MAX: usize = 16 << 20;

/// Whether a file is small enough to be read; if not, that is reported.
pub(crate) fn fits(file: u32, text: &str, report: &mut Reporter) -> bool {
    let fits = text.len() <= BYTES_MAX;
    if !fits {
        report.error(
            Place::start(file),
            "the file is larger than 16 MiB",
            "split it",
        );
    }
    fits
}

/// Parses one file; what is wrong is reported, of an empty one what it `needs`. `None` if there is nothing to look at.
pub(crate) fn parse(file: u32, text: &str, needs: &str, report: &mut Reporter) -> Option<Node> {
    if !fits(file, text, report) {
        return None;
    }
    if let Some(line) = too_deep(text) {
        report.error(
            Place {
                line,
                ..Place::start(file)
            },
            "YAML: nested too deeply",
            "",
        );
        return None;
    }
    let mut chars: Vec<char> = text.chars().collect();
    let mut copy = String::new();
    let mut masked: Vec<char> = Vec::new();
    loop {
        let source = if copy.is_empty() { text } else { copy.as_str() };
        let error = match MarkedYaml::load_from_str(source) {
            Ok(documents) => {
                return tree(
                    &Text {
                        file,
                        chars: &chars,
                        masked: &masked,
                    },
                    documents,
                    needs,
                    report,
                );
            }
            Err(error) => error,
        };
        let marker = error.marker();
        let at = Place {
            file,
            line: marker.line().max(1) as u32,
            column: marker.col() as u32 + 1,
            length: 1,
        };
        if error.info() != "duplicated key in mapping" {
            let before = chars
                .get(..marker.index().min(chars.len()))
                .unwrap_or_default();
            let (message, hint) = in_plain_words(error.info(), before);
            let at = match error.info() {
                info if info.contains("tab") => indenting_tab(&chars, at),
                info if info.starts_with(NO_COLON) => without_colon(&chars, at),
                _ => at,
            };
            report.error(at, format!("YAML: {message}"), hint);
            return None;
        }
        let start = marker.index();
        let quoted = matches!(chars.get(start), Some('\'' | '"'));
        let at_letter = start + usize::from(quoted);
        match chars.get_mut(at_letter) {
            Some(letter)
                if masked.len() < MASKS_MAX && (letter.is_alphanumeric() || *letter == '_') =>
            {
                let mask = char::from_u32(MASK_FIRST + masked.len() as u32).unwrap_or('\u{e000}');
                masked.push(std::mem::replace(letter, mask));
            }
            _ => {
                report.error(at, "YAML: this key stands twice in one map", "");
                return None;
            }
        }
        copy = chars.iter().collect();
    }
}

/// The first tab that indents a line, from the line on where the parser stopped: it may stop at the end of the line before.
fn indenting_tab(chars: &[char], stopped: Place) -> Place {
    let lines = chars.split(|letter| *letter == '\n').zip(1..);
    let tabs = lines.filter_map(|(line, number)| {
        let indent = line
            .iter()
            .take_while(|letter| matches!(letter, ' ' | '\t'));
        let tab = indent.copied().position(|letter| letter == '\t')?;
        Some((number, tab as u32 + 1))
    });
    let mut tabs = tabs.skip_while(|(line, _)| *line < stopped.line);
    match tabs.next() {
        Some((line, column)) if line <= stopped.line + 1 => Place {
            line,
            column,
            ..stopped
        },
        _ => stopped,
    }
}

/// The parser's words where a line ends that it took for a key.
const NO_COLON: &str = "simple key expect";

/// The line without a `:` where the parser stopped, or a little before, since it takes what follows for the rest of the key.
fn without_colon(chars: &[char], stopped: Place) -> Place {
    let lines: Vec<&[char]> = chars.split(|letter| *letter == '\n').collect();
    let last = stopped.line as usize - usize::from(stopped.column == 1);
    let mut said: Vec<(u32, usize, String)> = Vec::new();
    for (line, number) in lines.iter().zip(1_u32..).take(last) {
        let text: String = line.iter().collect();
        let column = line
            .iter()
            .take_while(|letter| letter.is_whitespace())
            .count();
        if !matches!(text.trim_start().chars().next(), None | Some('#')) {
            said.push((number, column, text.trim().to_owned()));
        }
    }
    let keyed = |text: &str| {
        text.contains(": ") || text.ends_with(':') || text == "-" || text.starts_with("- ")
    };
    let found = said.iter().rev().find(|(_, _, text)| !keyed(text));
    match found.or(said.last()) {
        Some((line, column, text)) => Place {
            line: *line,
            column: *column as u32 + 1,
            length: text.chars().count() as u32,
            ..stopped
        },
        None => stopped,
    }
}

/// What a masked key was, if it is one.
fn unmask(key: &str, masked: &[char]) -> Option<String> {
    let mut letters = key.chars();
    let mask = (letters.next()? as u32).checked_sub(MASK_FIRST)?;
    let first = masked.get(mask as usize)?;
    Some(std::iter::once(*first).chain(letters).collect())
}

/// The first line that nests more than [`DEPTH_MAX`] levels: by indicators within it, or by its indentation.
fn too_deep(text: &str) -> Option<u32> {
    let mut flow: usize = 0;
    for (index, line) in text.split('\n').enumerate() {
        let body = line.trim_start_matches(' ');
        let indent = line.len() - body.len();
        let compact = body
            .as_bytes()
            .chunks(2)
            .take_while(|pair| *pair == b"- " || *pair == b"? ")
            .count();
        for byte in body.bytes() {
            match byte {
                b'[' | b'{' => flow += 1,
                b']' | b'}' => flow = flow.saturating_sub(1),
                _ => {}
            }
        }
        // A SQL text in a block scalar may be indented as it likes: the parser does not nest there.
        if compact > DEPTH_MAX || (indent > 4000 && !body.is_empty()) || flow > 4000 {
            return Some(index as u32 + 1);
        }
    }
    None
}

/// `before` is the text up to the place of the mistake.
fn in_plain_words(info: &str, before: &[char]) -> (String, &'static str) {
    let unclosed = |open: char, close: char| {
        (
            format!("a `{open}` before this has no `{close}`, or its entries no `,` between them"),
            "look at the lines before this one",
        )
    };
    if info.contains("while parsing a flow mapping") {
        let variable = before.ends_with(&['$']) || before.ends_with(&['$', '{']);
        return match variable {
            true => (
                "a variable within `{ }` needs quotes".to_string(),
                "write it like `path: \"${env:NAME}\"`",
            ),
            false => unclosed('{', '}'),
        };
    }
    if info.contains("while parsing a flow sequence") {
        return unclosed('[', ']');
    }
    if info.contains("unknown escape character") {
        return (
            "within double quotes a `\\` begins an escape, and this is none".to_string(),
            "put the value in single quotes, where a `\\` is a letter like others: 'x_(\\d{8})'",
        );
    }
    if info.contains("while parsing a block mapping") || info.contains("<document start>") {
        return (
            "this line does not go on with the map before it".to_string(),
            "it, or a line before it, is indented otherwise than the keys beside it, or has no `:` behind its key",
        );
    }
    if info.contains("while parsing a block collection") {
        return (
            "this line does not go on with the list before it".to_string(),
            "each entry of a list begins with `- `, in the column of the others; check the indentation",
        );
    }
    if info.starts_with(NO_COLON) {
        return (
            "this line has no `:` behind a key".to_string(),
            "write it like `key: value`, an entry of a list like `- value`; what goes on with the line before is indented deeper than its key",
        );
    }
    if info.contains("illegal placement of ':'") {
        return (
            "a `:` cannot stand here".to_string(),
            "look for a `[` or `{` before it that is not closed, or put the value in quotes",
        );
    }
    if info.contains("invalid trailing content after double-quoted scalar") {
        return (
            "something stands behind a closing quote".to_string(),
            "put the whole value in one pair of quotes, single ones if it has double ones within",
        );
    }
    if info.contains("while scanning a quoted scalar") || info.contains("in quoted scalar") {
        return (
            "a quote that opens before this is not closed".to_string(),
            "close it on its line",
        );
    }
    if info.contains("tab") {
        return ("a tab cannot indent".to_string(), "use spaces");
    }
    if info.contains("mapping values are not allowed") {
        return (
            "a `: ` cannot stand here".to_string(),
            "put the value in quotes if it contains `: `, or check the indentation",
        );
    }
    if info.contains("unexpected character") {
        return (info.to_string(), "put the value in quotes");
    }
    if info.contains("unknown anchor") {
        return (
            "a value cannot begin with `*` (an alias of YAML)".to_string(),
            "put it in quotes",
        );
    }
    (info.to_string(), "")
}

/// The text that nodes are cut from.
struct Text<'a> {
    file: u32,
    chars: &'a [char],
    /// The letters that masks stand for.
    masked: &'a [char],
}

fn tree(
    text: &Text<'_>,
    documents: Vec<MarkedYaml<'_>>,
    needs: &str,
    report: &mut Reporter,
) -> Option<Node> {
    let mut documents = documents.into_iter();
    let first = documents.next();
    if let Some(second) = documents.next() {
        let line = second.span.start.line().max(1) as u32;
        report.error(
            Place {
                line,
                ..Place::start(text.file)
            },
            "YAML: a second document begins here",
            "one file holds one document",
        );
    }
    match first.map(|node| convert(text, node, 0, report)) {
        None
        | Some(Node {
            data: Data::Null, ..
        }) => {
            report.error(Place::start(text.file), "the file is empty", needs);
            None
        }
        Some(node) => Some(node),
    }
}

fn convert(source: &Text<'_>, node: MarkedYaml<'_>, depth: usize, report: &mut Reporter) -> Node {
    let (start, end) = (node.span.start, node.span.end);
    let length = if start.line() == end.line() {
        end.index().saturating_sub(start.index()).max(1)
    } else {
        1
    };
    let at = Place {
        file: source.file,
        line: start.line().max(1) as u32,
        column: start.col() as u32 + 1,
        length: length as u32,
    };
    let written = || {
        let text: String = source
            .chars
            .get(start.index()..end.index())
            .unwrap_or(&[])
            .iter()
            .collect();
        match text.strip_prefix('!') {
            Some(tagged) => tagged
                .split_once(' ')
                .map_or(String::new(), |(_, value)| value.trim().to_string()),
            None => text,
        }
    };
    if depth > DEPTH_MAX {
        report.error(at, "YAML: nested too deeply", "");
        return Node {
            at,
            chars: (start.index(), end.index()),
            data: Data::Null,
        };
    }
    let data = match node.data {
        YamlData::Value(Scalar::Null) => Data::Null,
        YamlData::Value(Scalar::Boolean(value)) => Data::Bool(value),
        YamlData::Value(Scalar::Integer(_) | Scalar::FloatingPoint(_)) => Data::Number(written()),
        YamlData::Value(Scalar::String(text)) => Data::Text(text.into_owned()),
        YamlData::Sequence(items) => Data::List(
            items
                .into_iter()
                .map(|item| convert(source, item, depth + 1, report))
                .collect(),
        ),
        YamlData::Mapping(map) => {
            let mut entries: Vec<Entry> = Vec::with_capacity(map.len());
            let mut twice = Vec::new();
            for (key, value) in map {
                let key = convert(source, key, depth + 1, report);
                let value = convert(source, value, depth + 1, report);
                let Some(name) = key
                    .scalar()
                    .map(str::to_string)
                    .or_else(|| matches!(key.data, Data::Null).then(|| "null".to_string()))
                else {
                    report.error(
                        key.at,
                        format!("YAML: a key must be a word, not {}", key.kind()),
                        "",
                    );
                    continue;
                };
                match unmask(&name, source.masked) {
                    Some(name) => twice.push((name, key.at)),
                    None => entries.push(Entry {
                        key: name,
                        key_at: key.at,
                        value,
                    }),
                }
            }
            for (name, at) in twice {
                let first = entries
                    .iter()
                    .find(|entry| entry.key == name)
                    .map_or(0, |entry| entry.key_at.line);
                report.error(
                    at,
                    format!("`{name}` stands twice in one map; the first is on line {first}"),
                    "remove one of them",
                );
            }
            Data::Map(entries)
        }
        YamlData::Tagged(tag, _) => {
            report.error(
                at,
                format!("YAML: the tag `{tag}` means nothing here"),
                "remove it",
            );
            Data::Null
        }
        YamlData::Alias(_) | YamlData::BadValue | YamlData::Representation(..) => {
            report.error(at, "YAML: this value cannot be read", "");
            Data::Null
        }
    };
    Node {
        at,
        chars: (start.index(), end.index()),
        data,
    }
}

/// Where a position inside a scalar's value stands in the file: follows quotes, escapes, folded lines and block indentation.
///
/// `line` and `column` count from 1 in the value.
pub(crate) fn locate(node: &Node, file_text: &str, line: u32, column: u32) -> Place {
    let Data::Text(value) = &node.data else {
        return Place {
            column: node.at.column + column - 1,
            length: 1,
            ..node.at
        };
    };
    let value: Vec<char> = value.chars().collect();
    let mut wanted = 0;
    let mut lines_left = line.saturating_sub(1);
    while lines_left > 0 && wanted < value.len() {
        lines_left -= u32::from(value[wanted] == '\n');
        wanted += 1;
    }
    wanted += column.saturating_sub(1) as usize;

    let source: Vec<char> = file_text.chars().collect();
    let mut at = node.chars.0;
    let block = in_block(&source, at);
    let style = if block {
        ' '
    } else {
        source.get(at).copied().unwrap_or(' ')
    };
    if matches!(style, '\'' | '"') {
        at += 1;
    }
    let indent = node.at.column as usize - 1;
    for (index, expected) in value.iter().enumerate() {
        if index == wanted {
            break;
        }
        match (style, source.get(at)) {
            (_, None) => break,
            ('\'', Some('\'')) => at += 2,
            ('"', Some('\\')) => at += escape_length(source.get(at + 1)),
            (_, Some(found))
                if found == expected && *expected != '\n' && !breaks_here(&source, at) =>
            {
                at += 1
            }
            _ if matches!(expected, ' ' | '\n') => {
                while source
                    .get(at)
                    .is_some_and(|c| *c != '\n' && c.is_whitespace())
                {
                    at += 1;
                }
                if source.get(at) == Some(&'\n') {
                    at += 1;
                }
                match value.get(index + 1) {
                    Some('\n') => {}
                    Some(' ') if block => {
                        at += source[at.min(source.len())..]
                            .iter()
                            .take(indent)
                            .take_while(|c| **c == ' ')
                            .count()
                    }
                    _ => at = skip_blank(&source, at),
                }
            }
            _ => at += 1,
        }
    }
    let before = &source[..at.min(source.len())];
    let line = before.iter().filter(|c| **c == '\n').count() as u32 + 1;
    let column = before.iter().rev().take_while(|c| **c != '\n').count() as u32 + 1;
    Place {
        file: node.at.file,
        line,
        column,
        length: 1,
    }
}

/// Where a position inside the SQL of a model's file stands in the file. `at` is where the scalar begins, `text` its value;
/// `line` and `column` count from 1 in the value.
pub fn place_in_text(at: Place, text: &str, file_text: &str, line: u32, column: u32) -> Place {
    let before: usize = file_text
        .split_inclusive('\n')
        .take(at.line.saturating_sub(1) as usize)
        .map(|line| line.chars().count())
        .sum();
    let first = before + at.column.saturating_sub(1) as usize;
    let node = Node {
        at,
        chars: (first, first),
        data: Data::Text(text.to_string()),
    };
    locate(&node, file_text, line.max(1), column.max(1))
}

/// Whether the text before `at` is the header of a block scalar: `key: |` and then only indentation.
fn in_block(source: &[char], at: usize) -> bool {
    let before = source.get(..at).unwrap_or(&[]);
    let Some(line_end) = before.iter().rposition(|c| *c == '\n') else {
        return false;
    };
    if before[line_end + 1..].iter().any(|c| *c != ' ') {
        return false;
    }
    let mut header: String = before[..line_end]
        .iter()
        .rev()
        .take_while(|c| **c != '\n')
        .collect::<Vec<_>>()
        .into_iter()
        .rev()
        .collect();
    if let Some(comment) = header.find(" #") {
        header.truncate(comment);
    }
    header
        .trim_end()
        .trim_end_matches(['+', '-', '1', '2', '3', '4', '5', '6', '7', '8', '9'])
        .ends_with(['|', '>'])
}

/// A space that ends its line is folded with the line break.
fn breaks_here(source: &[char], at: usize) -> bool {
    source[at] == ' '
        && source[at..]
            .iter()
            .find(|c| **c != ' ')
            .is_none_or(|c| matches!(c, '\n' | '\r'))
}

fn skip_blank(source: &[char], mut at: usize) -> usize {
    while source
        .get(at)
        .is_some_and(|c| matches!(c, ' ' | '\t' | '\n' | '\r'))
    {
        at += 1;
    }
    at
}

fn escape_length(letter: Option<&char>) -> usize {
    match letter {
        Some('x') => 4,
        Some('u') => 6,
        Some('U') => 10,
        _ => 2,
    }
}
