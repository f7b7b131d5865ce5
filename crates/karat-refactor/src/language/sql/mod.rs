//! Databricks SQL: which tables, databases and paths a text names, statement by statement; what it does to the session.
//!
//! A scan over tokens that knows the clauses in which names stand, and never fails ([`statement`]); which statements run in any case is told by
//! [`script`]. Where a
//! parser parses the statement too, what both say is compared ([`second_reading`]). SQL of other systems is told by its signs ([`dialect`]).
//! Where a parameter may stand for a catalog is told by [`spot`]. `${name}` is a hole, and `$name` in a dotted name, filled from widgets and `spark.conf`.

pub(crate) mod dialect;
pub(crate) mod lexer;
mod script;
mod second_reading;
pub(crate) use second_reading::has_table_query;
mod spot;
mod statement;

pub(crate) use statement::dotted_names;

use std::ops::Range;
use std::sync::Arc;

use crate::fragment::{Escape, Fragment, Refusal};
use crate::reader::Reader;
use crate::session::{Namespace, Value};

/// Reads a SQL text of any number of statements.
pub(crate) fn read(reader: &mut Reader<'_>, fragment: &Arc<Fragment>) {
    statement::read(reader, fragment);
}

/// A stretch of the text with `${name}` and `{{name}}` as holes; `None` if there are none.
fn with_substitutions(
    reader: &Reader<'_>,
    fragment: &Arc<Fragment>,
    range: Range<usize>,
) -> Option<Arc<Fragment>> {
    let text = &fragment.text()[..range.end];
    let mut next = next_substitution(text, range.start);
    next.as_ref()?;
    let mut builder = fragment.inside("SQL with substitutions");
    let mut at = range.start;
    while let Some((start, end, name)) = next {
        builder.verbatim(at..start);
        let value = substituted(reader, name);
        let mut values = value.texts();
        // Text of a substitution is SQL itself: only what is a plain name can be put in place.
        if !values.iter().all(|value| is_name(value)) {
            values.clear();
        }
        builder.hole(start..end, values, &text[start..end]);
        at = end;
        next = next_substitution(text, at);
    }
    builder.verbatim(at..range.end);
    Some(builder.build())
}

/// The next `${name}`, `{{name}}`, or `$name` as a part of a dotted name, of a text: its first byte, the one behind it, the name.
pub(crate) fn next_substitution(text: &str, from: usize) -> Option<(usize, usize, &str)> {
    for (at, _) in text[from..].match_indices(['$', '{']) {
        let start = from + at;
        let rest = &text[start..];
        let close = match rest.get(..2) {
            Some("${") => "}",
            Some("{{") => "}}",
            _ => match argument_in_name(text, start) {
                Some(end) => return Some((start, end, &text[start + 1..end])),
                None => continue,
            },
        };
        let length = rest[2..].find(close)?;
        let name = rest[2..2 + length].trim();
        return Some((start, start + 2 + length + close.len(), name));
    }
    None
}

/// Where `$db` ends, in `$db.orders` or `sales.$table`: how older notebooks write a widget.
fn argument_in_name(text: &str, start: usize) -> Option<usize> {
    let is_letter = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '$');
    let (before, behind) = (&text[..start], text[start..].strip_prefix('$')?);
    let length = behind
        .find(|letter| !is_letter(letter))
        .unwrap_or(behind.len());
    let name = &behind[..length];
    let is_name = name.starts_with(|first: char| first.is_alphabetic() || first == '_')
        && !name.contains('$')
        && !before.ends_with(is_letter);
    let in_dotted_name = before.ends_with('.') || behind[length..].starts_with('.');
    (is_name && in_dotted_name).then_some(start + 1 + length)
}

fn substituted(reader: &Reader<'_>, name: &str) -> Value {
    let name = name
        .strip_prefix("hiveconf:")
        .or_else(|| name.strip_prefix("spark:"))
        .unwrap_or(name);
    let conf = reader
        .session
        .variables
        .get(&(Namespace::Conf, name.to_owned()));
    let widget = reader.session.widgets.get(name);
    conf.or(widget).cloned().unwrap_or_default()
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text
            .chars()
            .all(|letter| letter.is_alphanumeric() || matches!(letter, '_' | '.' | '-' | '/' | ':'))
}

/// A string of SQL: backslashes and quotes are escaped.
#[derive(Debug)]
struct InString(char);

impl Escape for InString {
    fn escape(&self, text: &str) -> Result<String, Refusal> {
        let mut escaped = String::with_capacity(text.len());
        for letter in text.chars() {
            if letter == '\\' || letter == self.0 {
                escaped.push('\\');
            }
            escaped.push(letter);
        }
        Ok(escaped)
    }
}

/// A raw string of SQL: nothing can be escaped.
#[derive(Debug)]
struct InRawString(char);

impl Escape for InRawString {
    fn escape(&self, text: &str) -> Result<String, Refusal> {
        if text.contains(self.0) {
            return Err(Refusal("a raw string cannot hold its own quote".to_owned()));
        }
        Ok(text.to_owned())
    }
}

static SINGLE: InString = InString('\'');
static DOUBLE: InString = InString('"');
static RAW_SINGLE: InRawString = InRawString('\'');
static RAW_DOUBLE: InRawString = InRawString('"');

/// The text inside a string token.
fn string_inside(fragment: &Arc<Fragment>, token: Range<usize>) -> Arc<Fragment> {
    let text = &fragment.text()[token.clone()];
    let mut builder = fragment.inside("SQL string");
    let raw = text.starts_with(['r', 'R']);
    let open = token.start + usize::from(raw) + 1;
    let quote = text.as_bytes()[usize::from(raw)];
    let closed = token.end > open && fragment.text().as_bytes()[token.end - 1] == quote;
    let close = if closed { token.end - 1 } else { token.end };
    let escape: &'static dyn Escape = match (raw, quote) {
        (true, b'"') => &RAW_DOUBLE,
        (true, _) => &RAW_SINGLE,
        (false, b'"') => &DOUBLE,
        (false, _) => &SINGLE,
    };
    builder.escape(escape);
    if raw {
        builder.verbatim(open..close);
        return builder.build();
    }
    let whole = fragment.text();
    let mut from = open;
    let mut at = open;
    while at < close {
        let rest = &whole[at..close];
        let bytes = rest.as_bytes();
        if bytes[0] == b'\\' && rest.len() > 1 {
            builder.verbatim(from..at);
            let letter = rest[1..].chars().next().unwrap_or('\\');
            let stands_for = match letter {
                'n' => "\n".to_owned(),
                't' => "\t".to_owned(),
                'r' => "\r".to_owned(),
                '0' => "\0".to_owned(),
                'b' => "\u{8}".to_owned(),
                'Z' => "\u{1a}".to_owned(),
                '%' | '_' => format!("\\{letter}"),
                other => other.to_string(),
            };
            let length = 1 + letter.len_utf8();
            builder.escaped(at..at + length, &stands_for);
            at += length;
            from = at;
        } else if bytes[0] == quote && bytes.get(1) == Some(&quote) {
            builder.verbatim(from..at);
            builder.escaped(at..at + 2, char::from(quote).encode_utf8(&mut [0; 4]));
            at += 2;
            from = at;
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    builder.verbatim(from..close.max(from));
    builder.build()
}
