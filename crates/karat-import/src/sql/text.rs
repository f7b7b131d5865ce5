//! Places in a text, and edits of it.

use std::ops::Range;

use sqlparser::dialect::GenericDialect;
use sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer};

/// Puts `text` in the place of these bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Edit {
    pub(crate) range: Range<usize>,
    pub(crate) text: String,
}

/// What cannot be taken over; `at` is a byte of the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trouble {
    pub(crate) at: usize,
    pub(crate) construct: String,
    pub(crate) why: String,
    pub(crate) fix: String,
}

/// The text with its edits; of two that overlap the first counts.
pub(crate) fn applied(text: &str, mut edits: Vec<Edit>) -> String {
    edits.sort_by_key(|edit| (edit.range.start, edit.range.end));
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for edit in edits {
        if edit.range.start < at {
            continue;
        }
        out.push_str(&text[at..edit.range.start]);
        out.push_str(&edit.text);
        at = edit.range.end;
    }
    out.push_str(&text[at..]);
    out
}

/// The tokens of SQL with their bytes, blanks and comments left out; the last one is its end.
pub(crate) fn tokens(
    sql: &str,
    lines: &Lines,
) -> Result<Vec<(Range<usize>, TokenWithSpan)>, Trouble> {
    match tokens_until(sql, lines) {
        (tokens, None) => Ok(tokens),
        (_, Some(trouble)) => Err(trouble),
    }
}

/// The same, up to the first place that is no SQL.
pub(crate) fn tokens_until(
    sql: &str,
    lines: &Lines,
) -> (Vec<(Range<usize>, TokenWithSpan)>, Option<Trouble>) {
    let mut tokens = Vec::new();
    let trouble = Tokenizer::new(&GenericDialect {}, sql)
        .with_unescape(false)
        .tokenize_with_location_into_buf(&mut tokens)
        .err()
        .map(|error| Trouble {
            at: lines.byte(error.location),
            construct: "SQL".to_owned(),
            why: error.message,
            fix: "mend the SQL".to_owned(),
        });
    let tokens = tokens
        .into_iter()
        .filter(|token| !matches!(token.token, Token::Whitespace(_)));
    let tokens = tokens.map(|token| {
        let range = lines.byte(token.span.start)..lines.byte(token.span.end);
        (range, token)
    });
    (tokens.collect(), trouble)
}

/// From lines and columns, as the parser counts them, to bytes.
pub(crate) struct Lines {
    bytes: usize,
    /// Where each line begins, in characters.
    starts: Vec<usize>,
    /// Where each character begins, where not every one is a byte.
    characters: Option<Vec<usize>>,
}

impl Lines {
    pub(crate) fn new(text: &str) -> Self {
        let breaks = text
            .chars()
            .enumerate()
            .filter(|(_, letter)| *letter == '\n');
        let starts = std::iter::once(0)
            .chain(breaks.map(|(nth, _)| nth + 1))
            .collect();
        let characters = text.char_indices().map(|(at, _)| at);
        Lines {
            bytes: text.len(),
            starts,
            characters: (!text.is_ascii()).then(|| characters.collect()),
        }
    }

    /// The line of a byte, from 1, in texts of ASCII and others.
    pub(crate) fn line(&self, byte: usize) -> u32 {
        let character = match &self.characters {
            Some(characters) => characters.partition_point(|at| *at < byte),
            None => byte,
        };
        self.starts.partition_point(|start| *start <= character) as u32
    }

    pub(crate) fn byte(&self, at: Location) -> usize {
        let nth = |number: u64| usize::try_from(number).unwrap_or(1).max(1) - 1;
        let Some(start) = self.starts.get(nth(at.line)) else {
            return self.bytes;
        };
        let character = start + nth(at.column);
        match &self.characters {
            Some(characters) => characters.get(character).copied().unwrap_or(self.bytes),
            None => character.min(self.bytes),
        }
    }
}
