//! JSON as it stands in a file: every value, key and string with its bytes, nothing printed again.
//!
//! Reads what tools write: a byte order mark, CRLF, comments, trailing commas, line breaks inside strings (ARM templates allow
//! them), several documents one after the other (JSON lines). Nodes lie in one list and reading keeps its own stack, so no
//! depth of nesting can exhaust ours. What the values mean is for others; how a string is decoded and written back is here.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use crate::fragment::{Builder, Escape, Fragment, Refusal};

/// Index of a node in its [`Document`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(u32);

/// One text of JSON, read without loss.
#[derive(Clone, Debug)]
pub struct Document {
    nodes: Vec<Node>,
    roots: Vec<NodeId>,
}

/// A value, its bytes, and where it hangs.
#[derive(Clone, Debug)]
pub struct Node {
    /// What it is.
    pub kind: Kind,
    /// Its bytes in the text; for a string with its quotes.
    pub span: Range<usize>,
    /// The key it stands under in an object, as written, with its quotes.
    pub key: Option<Range<usize>>,
    /// The array or object that holds it.
    pub parent: Option<NodeId>,
}

/// The kinds of JSON values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number; its text is the node's span.
    Number,
    /// A string; [`decode`] reads what is between the quotes.
    String,
    /// An array, in order.
    Array(Vec<NodeId>),
    /// An object: its values in order, each with its `key`; a key may occur twice.
    Object(Vec<NodeId>),
}

/// Why a text is not JSON, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonError {
    /// What was expected or found.
    pub message: String,
    /// Byte in the text.
    pub at: usize,
}

/// How a replacement is written between the quotes of a string.
#[derive(Clone, Copy, Debug)]
pub struct StringEscape;

impl Escape for StringEscape {
    fn escape(&self, text: &str) -> Result<String, Refusal> {
        Ok(escape(text))
    }
}

impl Document {
    /// Reads one JSON text, or several one after the other.
    pub fn parse(text: &str) -> Result<Document, JsonError> {
        Parser::new(text).run()
    }

    /// The top values; one, unless the text is JSON lines.
    pub fn roots(&self) -> &[NodeId] {
        &self.roots
    }

    /// The node of an id of this document.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0 as usize]
    }

    /// All nodes, parents before children, in the order of the text.
    pub fn ids(&self) -> impl Iterator<Item = NodeId> + use<> {
        (0..self.nodes.len() as u32).map(NodeId)
    }

    /// The values of an array or object, in order; none for others.
    pub fn children(&self, id: NodeId) -> &[NodeId] {
        match &self.node(id).kind {
            Kind::Array(children) | Kind::Object(children) => children,
            _ => &[],
        }
    }

    /// The key of a node, decoded.
    pub fn key<'t>(&self, id: NodeId, text: &'t str) -> Option<Cow<'t, str>> {
        let span = self.node(id).key.clone()?;
        Some(plain(&text[inside(&span)]))
    }

    /// The value under a key of an object: the last one, as readers of JSON take it. Letter case counts.
    pub fn get(&self, id: NodeId, key: &str, text: &str) -> Option<NodeId> {
        let Kind::Object(children) = &self.node(id).kind else {
            return None;
        };
        let under = |child: &&NodeId| self.key(**child, text).is_some_and(|found| found == key);
        children.iter().rev().find(under).copied()
    }

    /// The value at the end of a path of keys.
    pub fn at(&self, id: NodeId, path: &[&str], text: &str) -> Option<NodeId> {
        path.iter()
            .try_fold(id, |node, key| self.get(node, key, text))
    }

    /// A string, decoded; none for other kinds.
    pub fn string<'t>(&self, id: NodeId, text: &'t str) -> Option<Cow<'t, str>> {
        let node = self.node(id);
        (node.kind == Kind::String).then(|| plain(&text[inside(&node.span)]))
    }

    /// Where a value stands, as people write it: `properties.activities[2].typeProperties.sqlReaderQuery`.
    pub fn path(&self, id: NodeId, text: &str) -> String {
        let mut steps = Vec::new();
        let mut at = id;
        while let Some(parent) = self.node(at).parent {
            steps.push(match self.key(at, text) {
                Some(key) => key.into_owned(),
                None => {
                    let index = self.children(parent).binary_search(&at).unwrap_or(0);
                    format!("[{index}]")
                }
            });
            at = parent;
        }
        let mut path = String::new();
        for step in steps.iter().rev() {
            if !path.is_empty() && !step.starts_with('[') {
                path.push('.');
            }
            path.push_str(step);
        }
        path
    }
}

/// What lies between the quotes of a string's span.
pub fn inside(span: &Range<usize>) -> Range<usize> {
    span.start + 1..span.end - 1
}

fn plain(raw: &str) -> Cow<'_, str> {
    if raw.contains('\\') {
        Cow::Owned(decode(raw))
    } else {
        Cow::Borrowed(raw)
    }
}

/// A string, decoded, as a fragment of the text that holds it; `span` is a string's span, with its quotes.
pub fn string(fragment: &Arc<Fragment>, span: &Range<usize>) -> Arc<Fragment> {
    let mut builder = fragment.inside("JSON string");
    builder.escape(&StringEscape);
    push_string(&mut builder, fragment.text(), span);
    builder.build()
}

/// Strings one behind the other as one text, as notebooks keep their lines.
pub fn lines<'s>(
    fragment: &Arc<Fragment>,
    spans: impl IntoIterator<Item = &'s Range<usize>>,
) -> Arc<Fragment> {
    let mut builder = fragment.inside("JSON lines");
    builder.escape(&StringEscape);
    for span in spans {
        push_string(&mut builder, fragment.text(), span);
    }
    builder.build()
}

/// Half of a surrogate pair decodes to U+FFFD: nothing is ever edited there.
fn push_string(builder: &mut Builder, text: &str, span: &Range<usize>) {
    let Range { start: mut at, end } = inside(span);
    while at < end {
        let rest = &text[at..end];
        let verbatim = rest.find('\\').unwrap_or(rest.len());
        if verbatim > 0 {
            builder.verbatim(at..at + verbatim);
            at += verbatim;
            continue;
        }
        let (letter, length) = escaped(rest);
        builder.escaped(at..at + length, letter.encode_utf8(&mut [0; 4]));
        at += length;
    }
}

/// Decodes what stands between the quotes of a string that [`Document::parse`] accepted.
pub fn decode(raw: &str) -> String {
    let mut text = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(at) = rest.find('\\') {
        text.push_str(&rest[..at]);
        let (letter, length) = escaped(&rest[at..]);
        text.push(letter);
        rest = &rest[at + length..];
    }
    text.push_str(rest);
    text
}

/// One escape at the start of `rest`: its character and its length in bytes.
fn escaped(rest: &str) -> (char, usize) {
    let letter = match rest.as_bytes().get(1) {
        Some(b'n') => '\n',
        Some(b't') => '\t',
        Some(b'r') => '\r',
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(b'u') => {
            let Some(high) = hex4(rest) else {
                return (char::REPLACEMENT_CHARACTER, 2);
            };
            if let Some(letter) = char::from_u32(high) {
                return (letter, 6);
            }
            let low = rest
                .get(6..)
                .filter(|tail| tail.starts_with("\\u"))
                .and_then(hex4);
            let pair = low
                .filter(|low| (0xD800..0xDC00).contains(&high) && (0xDC00..0xE000).contains(low))
                .and_then(|low| char::from_u32(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00)));
            return pair.map_or((char::REPLACEMENT_CHARACTER, 6), |letter| (letter, 12));
        }
        Some(_) => {
            return rest[1..]
                .chars()
                .next()
                .map_or(('\\', 1), |letter| (letter, 1 + letter.len_utf8()));
        }
        None => return ('\\', 1),
    };
    (letter, 2)
}

fn hex4(rest: &str) -> Option<u32> {
    let digits = rest.get(2..6)?;
    digits
        .bytes()
        .all(|digit| digit.is_ascii_hexdigit())
        .then(|| u32::from_str_radix(digits, 16).ok())?
}

/// Writes a text as it must stand between the quotes of a string.
pub fn escape(text: &str) -> String {
    let mut raw = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '"' => raw.push_str("\\\""),
            '\\' => raw.push_str("\\\\"),
            '\n' => raw.push_str("\\n"),
            '\r' => raw.push_str("\\r"),
            '\t' => raw.push_str("\\t"),
            control if (control as u32) < 0x20 => {
                raw.push_str(&format!("\\u{:04x}", control as u32))
            }
            other => raw.push(other),
        }
    }
    raw
}

/// What may come next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Expect {
    /// A value at the top, or the end.
    Document,
    /// A value or `]`.
    Item,
    /// `,` or `]`.
    AfterItem,
    /// A key or `}`.
    Key,
    /// `,` or `}`.
    AfterEntry,
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
    nodes: Vec<Node>,
    roots: Vec<NodeId>,
    /// Open arrays and objects with what we know of their children; the outermost first.
    open: Vec<(NodeId, Vec<NodeId>)>,
}

impl<'t> Parser<'t> {
    fn new(text: &'t str) -> Self {
        Parser {
            text,
            at: if text.starts_with('\u{feff}') { 3 } else { 0 },
            nodes: Vec::new(),
            roots: Vec::new(),
            open: Vec::new(),
        }
    }

    fn run(mut self) -> Result<Document, JsonError> {
        let mut expect = Expect::Document;
        loop {
            self.skip_space()?;
            let Some(byte) = self.peek() else { break };
            expect = match (expect, byte) {
                (Expect::AfterItem, b',') => self.step(Expect::Item),
                (Expect::AfterEntry, b',') => self.step(Expect::Key),
                (Expect::Item | Expect::AfterItem, b']')
                | (Expect::Key | Expect::AfterEntry, b'}') => self.close(),
                (Expect::Document | Expect::Item, _) => self.value(None)?,
                (Expect::Key, b'"') => {
                    let key = self.string()?;
                    self.skip_space()?;
                    if self.peek() != Some(b':') {
                        return Err(self.error("expected `:` after the key"));
                    }
                    self.at += 1;
                    self.skip_space()?;
                    self.value(Some(key))?
                }
                (Expect::Key, _) => {
                    return Err(self.error("expected a key in double quotes or `}`"));
                }
                (Expect::AfterItem, _) => {
                    return Err(self.error("expected `,` or `]` after the value"));
                }
                (Expect::AfterEntry, _) => {
                    return Err(self.error("expected `,` or `}` after the value"));
                }
            };
        }
        if let Some((id, _)) = self.open.last() {
            let node = &self.nodes[id.0 as usize];
            let kind = if matches!(node.kind, Kind::Array(_)) {
                "array"
            } else {
                "object"
            };
            let at = node.span.start;
            return Err(JsonError {
                message: format!("this {kind} is never closed"),
                at,
            });
        }
        if self.roots.is_empty() {
            return Err(self.error("the text holds no value"));
        }
        Ok(Document {
            nodes: self.nodes,
            roots: self.roots,
        })
    }

    fn step(&mut self, next: Expect) -> Expect {
        self.at += 1;
        next
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn error(&self, message: &str) -> JsonError {
        JsonError {
            message: message.to_owned(),
            at: self.at,
        }
    }

    fn skip_space(&mut self) -> Result<(), JsonError> {
        loop {
            let rest = &self.text.as_bytes()[self.at..];
            match rest {
                [b' ' | b'\t' | b'\r' | b'\n', ..] => self.at += 1,
                [b'/', b'/', ..] => self.at += memchr_or_end(rest, b'\n'),
                [b'/', b'*', ..] => match self.text[self.at + 2..].find("*/") {
                    Some(length) => self.at += length + 4,
                    None => return Err(self.error("this comment is never closed")),
                },
                [0xEF, 0xBB, 0xBF, ..] => self.at += 3,
                _ => return Ok(()),
            }
        }
    }

    /// Puts a finished or opened value in its place, and says what follows it.
    fn add(
        &mut self,
        kind: Kind,
        span: Range<usize>,
        key: Option<Range<usize>>,
    ) -> Result<NodeId, JsonError> {
        let id = NodeId(
            u32::try_from(self.nodes.len())
                .map_err(|_| self.error("more than four billion values"))?,
        );
        let parent = self.open.last().map(|(parent, _)| *parent);
        match self.open.last_mut() {
            Some((_, children)) => children.push(id),
            None => self.roots.push(id),
        }
        self.nodes.push(Node {
            kind,
            span,
            key,
            parent,
        });
        Ok(id)
    }

    fn after_value(&self) -> Expect {
        match self.open.last() {
            None => Expect::Document,
            Some((id, _)) => match self.nodes[id.0 as usize].kind {
                Kind::Array(_) => Expect::AfterItem,
                _ => Expect::AfterEntry,
            },
        }
    }

    fn close(&mut self) -> Expect {
        self.at += 1;
        if let Some((id, children)) = self.open.pop() {
            let node = &mut self.nodes[id.0 as usize];
            node.span.end = self.at;
            match &mut node.kind {
                Kind::Array(list) | Kind::Object(list) => *list = children,
                _ => {}
            }
        }
        self.after_value()
    }

    fn value(&mut self, key: Option<Range<usize>>) -> Result<Expect, JsonError> {
        let start = self.at;
        match self.peek() {
            Some(open @ (b'[' | b'{')) => {
                self.at += 1;
                let (kind, next) = match open {
                    b'[' => (Kind::Array(Vec::new()), Expect::Item),
                    _ => (Kind::Object(Vec::new()), Expect::Key),
                };
                let id = self.add(kind, start..start, key)?;
                self.open.push((id, Vec::new()));
                return Ok(next);
            }
            Some(b'"') => {
                let span = self.string()?;
                self.add(Kind::String, span, key)?;
            }
            Some(b'-' | b'0'..=b'9') => {
                let length = self.text.as_bytes()[start..]
                    .iter()
                    .take_while(|byte| {
                        byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.')
                    })
                    .count();
                self.at += length;
                if self.text[start..self.at].parse::<f64>().is_err() {
                    return Err(JsonError {
                        message: "this is not a number".to_owned(),
                        at: start,
                    });
                }
                self.add(Kind::Number, start..self.at, key)?;
            }
            Some(_) => {
                let length = self.text.as_bytes()[start..]
                    .iter()
                    .take_while(|byte| byte.is_ascii_alphanumeric())
                    .count();
                let kind = match &self.text[start..start + length] {
                    "null" => Kind::Null,
                    "true" => Kind::Bool(true),
                    "false" => Kind::Bool(false),
                    _ => return Err(self.error("expected a value")),
                };
                self.at += length;
                self.add(kind, start..self.at, key)?;
            }
            None => return Err(self.error("expected a value, found the end of the text")),
        }
        Ok(self.after_value())
    }

    /// A string from its opening to its closing quote; escapes are checked here, once.
    fn string(&mut self) -> Result<Range<usize>, JsonError> {
        let start = self.at;
        let bytes = self.text.as_bytes();
        let mut at = start + 1;
        loop {
            match bytes.get(at) {
                Some(b'"') => break,
                Some(b'\\') => {
                    at += match bytes.get(at + 1) {
                        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => 2,
                        Some(b'u') if hex4(self.text.get(at..).unwrap_or("")).is_some() => 6,
                        _ => {
                            return Err(JsonError {
                                message: "no escape that JSON knows".to_owned(),
                                at,
                            });
                        }
                    }
                }
                Some(_) => at += 1,
                None => {
                    return Err(JsonError {
                        message: "this string is never closed".to_owned(),
                        at: start,
                    });
                }
            }
        }
        self.at = at + 1;
        Ok(start..self.at)
    }
}

fn memchr_or_end(bytes: &[u8], wanted: u8) -> usize {
    bytes
        .iter()
        .position(|byte| *byte == wanted)
        .unwrap_or(bytes.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn values(text: &str) -> String {
        let document = match Document::parse(text) {
            Ok(document) => document,
            Err(error) => return format!("{} at {}", error.message, error.at),
        };
        let shown = document.ids().map(|id| {
            format!(
                "{}={:?}",
                document.path(id, text),
                document.string(id, text)
            )
        });
        shown.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn what_tools_write_is_read() {
        let text = "\u{feff}// made by hand\r\n{\"a\": [1, -2.5e3, \"x\\u00e9\\ud83d\\ude00\\n\",], /* b */ \"b\\/\": {\"c\": null,},}\r\n";
        assert_eq!(
            values(text),
            "=None a=None a[0]=None a[1]=None a[2]=Some(\"xé😀\\n\") b/=None b/.c=None"
        );
        assert_eq!(values("{\"a\":1}\n{\"a\":2}"), "=None a=None =None a=None");
    }

    #[test]
    fn broken_json_is_told_with_its_place() {
        for (text, said) in [
            ("", "the text holds no value at 0"),
            ("{\"a\": }", "expected a value at 6"),
            ("{\"a\" 1}", "expected `:` after the key at 5"),
            ("[1 2]", "expected `,` or `]` after the value at 3"),
            ("{\"a\": [1", "this array is never closed at 6"),
            ("\"a\\x\"", "no escape that JSON knows at 2"),
            ("\"abc", "this string is never closed at 0"),
            ("{a: 1}", "expected a key in double quotes or `}` at 1"),
            ("[1.2.3]", "this is not a number at 1"),
            ("[] x", "expected a value at 3"),
            ("{} /* x", "this comment is never closed at 3"),
        ] {
            assert_eq!(values(text), said, "{text}");
        }
    }

    #[test]
    fn depth_is_no_danger() {
        let text = "[{\"a\":".repeat(200_000);
        assert!(Document::parse(&text).is_err());
        let text = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
        let document = Document::parse(&text).expect("brackets");
        assert_eq!(document.ids().count(), 200_000);
    }

    #[test]
    fn an_edit_in_a_string_lands_in_its_bytes() {
        let text = r#"{"q": "a\t\"b\u0064.t\n"}"#;
        let document = Document::parse(text).expect("JSON");
        let id = document.get(document.roots()[0], "q", text).expect("q");
        let root = Fragment::root(text.to_owned(), "file");
        let string = string(&root, &document.node(id).span);
        assert_eq!(string.text(), "a\t\"bd.t\n");
        let edit = string.edit(3..5, "m.\"x\"").expect("an edit");
        assert_eq!(&text[edit.range.clone()], r"b\u0064");
        assert_eq!(edit.new, r#"m.\"x\""#);
    }

    proptest! {
        #[test]
        fn any_text_comes_back(value in any::<String>()) {
            let text = format!("\"{}\"", escape(&value));
            let document = Document::parse(&text).expect("a string");
            let read = document.string(document.roots()[0], &text);
            prop_assert_eq!(read.as_deref(), Some(value.as_str()));
            let root = Fragment::root(text.clone(), "file");
            let string = string(&root, &(0..text.len()));
            prop_assert_eq!(string.text(), value.as_str());
        }

        #[test]
        fn any_input_is_read_or_refused(text in r#"(?s)[\[\]{}",:\\/*a0u. \n-]{0,40}|.{0,40}"#) {
            if let Ok(document) = Document::parse(&text) {
                for id in document.ids() {
                    let _ = document.string(id, &text);
                    let _ = document.path(id, &text);
                    if document.node(id).kind == Kind::String {
                        let root = Fragment::root(text.clone(), "file");
                        let _ = string(&root, &document.node(id).span);
                    }
                }
            }
        }
    }
}
