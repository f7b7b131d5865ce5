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
            let before = &file.text()[..span.start];
            let indent = before.len() - before.trim_end_matches(' ').len();
            writer.block(style, text, indent)?;
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

    /// Block scalars: the indentation goes, breaks stay or are folded. The parser's span begins at the first letter.
    fn block(&mut self, style: Style, text: &str, indent: usize) -> Option<()> {
        let raw = self.raw;
        let mut lines: Vec<Range<usize>> = Vec::new();
        let mut at = 0;
        while at < raw.len() {
            let end = raw[at..]
                .find('\n')
                .map_or(raw.len(), |found| at + found + 1);
            lines.push(at..end);
            at = end;
        }
        let length = |line: &Range<usize>| raw[line.clone()].trim_end_matches(['\n', '\r']).len();
        // What is left of a line without its indentation; the first line has none.
        let content = |index: usize, line: &Range<usize>| {
            let indent = if index == 0 { 0 } else { indent };
            line.start + indent.min(length(line))..line.start + length(line)
        };
        // Blank lines in front of the first letter are not in the span.
        let mut left = text.trim_start_matches('\n');
        self.builder.invented(&text[..text.len() - left.len()]);
        // As many lines as the text has: chomping has taken the rest.
        for (index, line) in lines.iter().enumerate() {
            let shown = content(index, line);
            left = left.strip_prefix(&raw[shown.clone()])?;
            self.verbatim(shown.clone());
            if left.is_empty() {
                break;
            }
            let line_break = shown.end..line.end;
            let next = lines
                .get(index + 1)
                .map(|next| &raw[content(index + 1, next)]);
            let more = |text: &str| text.starts_with([' ', '\t']);
            let filled = (index + 1..lines.len())
                .map(|at| &raw[content(at, &lines[at])])
                .find(|line| !line.is_empty());
            let folded = match (style, next) {
                (Style::Literal, _) | (_, None) => "\n",
                // Around lines that are indented more, and between blank ones, breaks stay.
                (_, Some(_))
                    if shown.is_empty() || more(&raw[shown]) || filled.is_none_or(more) =>
                {
                    "\n"
                }
                (_, Some("")) => "",
                _ => " ",
            };
            left = left.strip_prefix(folded)?;
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
