//! Scalars of YAML: how a text is written in each of the five styles, and the way back from the text to its bytes.
//!
//! Each style is decoded here a second time, with its bytes; a fragment is given only if the text is the one that the parser read.
//! So a corner of YAML that we read otherwise than the parser makes an occurrence that a person sees, never a wrong edit.

use std::ops::Range;
use std::sync::Arc;

use crate::fragment::{Builder, Escape, Fragment, Refusal};

/// How a scalar is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    Plain,
    Single,
    Double,
    Literal,
    Folded,
}

/// The text of a scalar as a fragment, if it can be traced back.
pub(crate) fn fragment(
    file: &Arc<Fragment>,
    span: &Range<usize>,
    style: Style,
    text: &str,
) -> Option<Arc<Fragment>> {
    let raw = file.text().get(span.clone())?;
    let mut writer = Writer {
        builder: file.inside("YAML text"),
        raw,
        start: span.start,
    };
    match style {
        Style::Plain => {
            writer.builder.escape(&PlainEscape);
            writer.flow(0..raw.len(), Style::Plain);
        }
        Style::Single | Style::Double => {
            let quote = if style == Style::Single { '\'' } else { '"' };
            if raw.len() < 2 || !raw.starts_with(quote) || !raw.ends_with(quote) {
                return None;
            }
            match style {
                Style::Single => writer.builder.escape(&SingleEscape),
                _ => writer.builder.escape(&DoubleEscape),
            };
            writer.flow(1..raw.len() - 1, style);
        }
        Style::Literal | Style::Folded => {
            writer.builder.escape(&crate::fragment::Plain);
            writer.block(style, text)?;
        }
    }
    let fragment = writer.builder.build();
    (fragment.text() == text).then_some(fragment)
}

/// Plain scalars: what could end them, or make them something else, is refused.
#[derive(Clone, Copy, Debug)]
struct PlainEscape;

impl Escape for PlainEscape {
    fn escape(&self, text: &str) -> Result<String, Refusal> {
        let opens = text.starts_with([
            '`', '@', '*', '&', '!', '|', '>', '\'', '"', '%', '#', '-', '?', ':', ' ',
        ]);
        let ends = text.contains([',', '[', ']', '{', '}', '\n', '\r', '#', '"'])
            || text.contains(": ")
            || text.ends_with([':', ' ']);
        if opens || ends {
            return Err(Refusal(format!(
                "`{text}` needs quotes in YAML, and the text around it has none"
            )));
        }
        Ok(text.to_owned())
    }
}

#[derive(Clone, Copy, Debug)]
struct SingleEscape;

impl Escape for SingleEscape {
    fn escape(&self, text: &str) -> Result<String, Refusal> {
        crate::fragment::Plain
            .escape(text)
            .map(|text| text.replace('\'', "''"))
    }
}

#[derive(Clone, Copy, Debug)]
struct DoubleEscape;

impl Escape for DoubleEscape {
    fn escape(&self, text: &str) -> Result<String, Refusal> {
        Ok(crate::json::escape(text))
    }
}

struct Writer<'t> {
    builder: Builder,
    raw: &'t str,
    start: usize,
}

impl Writer<'_> {
    fn verbatim(&mut self, range: Range<usize>) {
        if !range.is_empty() {
            self.builder
                .verbatim(self.start + range.start..self.start + range.end);
        }
    }

    fn escaped(&mut self, range: Range<usize>, text: &str) {
        self.builder
            .escaped(self.start + range.start..self.start + range.end, text);
    }

    /// Plain and quoted scalars: lines are folded, blanks around line breaks go.
    fn flow(&mut self, range: Range<usize>, style: Style) {
        let mut at = range.start;
        while at < range.end {
            let rest = &self.raw[at..range.end];
            let special = rest.find(|letter: char| {
                matches!(letter, '\n' | '\r' | ' ' | '\t')
                    || letter == '\'' && style == Style::Single
                    || letter == '\\' && style == Style::Double
            });
            let verbatim = special.unwrap_or(rest.len());
            self.verbatim(at..at + verbatim);
            at += verbatim;
            let rest = &self.raw[at..range.end];
            match rest.as_bytes().first() {
                None => return,
                Some(b'\'') => {
                    let length = rest.len().min(2);
                    self.escaped(at..at + length, "'");
                    at += length;
                }
                Some(b'\\') => {
                    let (text, length) = double_escape(rest);
                    if !text.is_empty() {
                        self.escaped(at..at + length, &text);
                    }
                    at += length;
                }
                Some(_) => {
                    // Blanks, then perhaps breaks.
                    let blank = rest.len() - rest.trim_start_matches([' ', '\t', '\n', '\r']).len();
                    let breaks = rest[..blank].matches('\n').count();
                    match breaks {
                        0 => self.verbatim(at..at + blank),
                        1 => self.escaped(at..at + blank, " "),
                        _ => self.escaped(at..at + blank, &"\n".repeat(breaks - 1)),
                    }
                    at += blank;
                }
            }
        }
    }

    /// Block scalars: the indentation goes, breaks stay or are folded.
    fn block(&mut self, style: Style, text: &str) -> Option<()> {
        let raw = self.raw;
        let header_end = raw.find('\n')? + 1;
        let explicit = raw[1..header_end]
            .chars()
            .take_while(|letter| !letter.is_whitespace())
            .find_map(|letter| letter.to_digit(10));
        let mut lines: Vec<Range<usize>> = Vec::new();
        let mut at = header_end;
        while at < raw.len() {
            let end = raw[at..]
                .find('\n')
                .map_or(raw.len(), |found| at + found + 1);
            lines.push(at..end);
            at = end;
        }
        let content = |line: &Range<usize>| raw[line.clone()].trim_end_matches(['\n', '\r']).len();
        let indent_of = |line: &Range<usize>| {
            raw[line.clone()]
                .bytes()
                .take_while(|byte| *byte == b' ')
                .count()
        };
        let first = lines.iter().find(|line| content(line) > indent_of(line));
        // An explicit indentation counts from the parent's, which does not stand here; the parser's text decides below.
        let indent = match explicit {
            Some(_) => return None,
            None => first.map_or(0, indent_of),
        };
        // As many lines as the text has: chomping has taken the rest.
        let mut left = text;
        for (index, line) in lines.iter().enumerate() {
            let length = content(line);
            let from = line.start + indent.min(length);
            let shown = &raw[from..line.start + length];
            left = left.strip_prefix(shown)?;
            self.verbatim(from..line.start + length);
            if left.is_empty() {
                break;
            }
            let line_break = line.start + length..line.end;
            let folded = match style {
                Style::Literal => "\n",
                _ => {
                    let blank = |line: Option<&Range<usize>>| {
                        line.is_none_or(|line| content(line) <= indent)
                    };
                    let more = |line: Option<&Range<usize>>| {
                        line.is_some_and(|line| {
                            raw[line.clone()]
                                .as_bytes()
                                .get(indent)
                                .is_some_and(|byte| matches!(byte, b' ' | b'\t'))
                        })
                    };
                    let next = lines.get(index + 1);
                    if more(Some(line)) || more(next) || blank(Some(line)) || next.is_none() {
                        "\n"
                    } else if blank(next) {
                        ""
                    } else {
                        " "
                    }
                }
            };
            left = match left.strip_prefix(folded) {
                Some(rest) => rest,
                None => left.strip_prefix('\n')?,
            };
            match folded {
                "\n" if raw[line_break.clone()] == *"\n" => self.verbatim(line_break),
                "" => {}
                other => self.escaped(line_break, other),
            }
        }
        left.is_empty().then_some(())
    }
}

/// One escape of a double-quoted scalar: its text and its length.
fn double_escape(rest: &str) -> (String, usize) {
    let hex = |digits: usize| {
        let letter = rest
            .get(2..2 + digits)
            .and_then(|code| u32::from_str_radix(code, 16).ok())
            .and_then(char::from_u32);
        (
            letter.unwrap_or(char::REPLACEMENT_CHARACTER).to_string(),
            (2 + digits).min(rest.len()),
        )
    };
    let text = match rest.as_bytes().get(1) {
        Some(b'n') => "\n",
        Some(b't' | b'\t') => "\t",
        Some(b'r') => "\r",
        Some(b'0') => "\0",
        Some(b'a') => "\u{7}",
        Some(b'b') => "\u{8}",
        Some(b'e') => "\u{1b}",
        Some(b'f') => "\u{c}",
        Some(b'v') => "\u{b}",
        Some(b'N') => "\u{85}",
        Some(b'_') => "\u{a0}",
        Some(b'L') => "\u{2028}",
        Some(b'P') => "\u{2029}",
        Some(b'"') => "\"",
        Some(b'/') => "/",
        Some(b'\\') => "\\",
        Some(b' ') => " ",
        Some(b'x') => return hex(2),
        Some(b'u') => return hex(4),
        Some(b'U') => return hex(8),
        Some(b'\n' | b'\r') => {
            // A line that goes on: nothing, and the blanks of the next line go too.
            let tail = rest[1..].trim_start_matches('\r');
            let tail = tail
                .strip_prefix('\n')
                .unwrap_or(tail)
                .trim_start_matches([' ', '\t']);
            return (String::new(), rest.len() - tail.len());
        }
        Some(_) => {
            return (
                "\u{fffd}".to_owned(),
                1 + rest[1..].chars().next().map_or(0, char::len_utf8),
            );
        }
        None => return ("\\".to_owned(), 1),
    };
    (text.to_owned(), 2)
}
