//! Databricks SQL as tokens: lossless, and it never fails. Every byte of the text lies in exactly one token.
//!
//! Only as much is told apart as names need: words, names in backticks, strings, numbers, comments, blanks, and single symbols.
//!
//! It is not the tokenizer of `karat-sql`, and cannot be: that one (sqlparser's, in DataFusion's dialect) refuses a text with an open
//! quote, knows lines and columns and no bytes, and takes `"x"` for a name. Here a half-finished cell must still give tokens for every byte,
//! `"x"` is a string, and letters that stand for what is decided at run time belong to words, which only [`crate::fragment`] knows. There is
//! no splitter of its own: statements end at a symbol `;`, and [`super::statement`] asks nothing else.

use std::ops::Range;

use crate::fragment::is_placeholder;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Blanks and line breaks.
    Blank,
    /// A comment, with its marks.
    Comment,
    /// A name or keyword; may hold placeholders of holes.
    Word,
    /// A name in backticks.
    Quoted,
    /// A string with its quotes; open to the end of the text if its quote is missing.
    String,
    /// A number.
    Number,
    /// One character of anything else.
    Symbol,
}

/// A token: what it is, and its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) range: Range<usize>,
}

/// The tokens of a text.
pub(crate) fn tokens(text: &str) -> Vec<Token> {
    let mut tokens: Vec<Token> = Vec::with_capacity(text.len() / 4);
    let mut at = 0;
    // Whether no statement has begun.
    let mut is_between = true;
    while at < text.len() {
        let behind_dot = tokens
            .last()
            .is_some_and(|token| &text[token.range.clone()] == ".");
        let (kind, length) =
            if is_between && text.as_bytes()[at] == b'#' && begins_line(text, &tokens) {
                let rest = &text[at..];
                (Kind::Comment, rest.find(['\n', '\r']).unwrap_or(rest.len()))
            } else {
                next(&text[at..], behind_dot)
            };
        if !matches!(kind, Kind::Blank | Kind::Comment) {
            is_between = &text[at..at + length] == ";";
        }
        tokens.push(Token {
            kind,
            range: at..at + length,
        });
        at += length;
    }
    tokens
}

/// Whether a line begins here. Where no statement has begun, what follows a `#` is a comment of Hive's users, or the line that names the
/// interpreter of a script. SQL has no other use for it in front of a statement.
fn begins_line(text: &str, tokens: &[Token]) -> bool {
    tokens.last().is_none_or(|token| {
        token.kind == Kind::Blank
            && (text[token.range.clone()].contains(['\n', '\r']) || token.range.start == 0)
    })
}

/// The first token of a text that is not empty, and its length.
fn next(rest: &str, behind_dot: bool) -> (Kind, usize) {
    let bytes = rest.as_bytes();
    let second = bytes.get(1).copied();
    match bytes[0] {
        b'-' if second == Some(b'-') => {
            (Kind::Comment, rest.find(['\n', '\r']).unwrap_or(rest.len()))
        }
        b'/' if second == Some(b'*') => (Kind::Comment, bracketed_comment(bytes)),
        b'\'' | b'"' => (Kind::String, string(bytes, 0)),
        b'r' | b'R' if matches!(second, Some(b'\'' | b'"')) => (Kind::String, raw_string(bytes)),
        b'`' => (Kind::Quoted, quoted(bytes)),
        b'0'..=b'9' => number(rest, behind_dot),
        b'.' if matches!(second, Some(b'0'..=b'9'))
            && number(&rest[1..], true).0 == Kind::Number =>
        {
            // `.5`; after a word the dot joins names, and the caller has taken the word already.
            (Kind::Symbol, 1)
        }
        _ => {
            let Some(letter) = rest.chars().next() else {
                return (Kind::Symbol, rest.len());
            };
            if letter.is_whitespace() {
                let length = rest
                    .find(|letter: char| !letter.is_whitespace())
                    .unwrap_or(rest.len());
                (Kind::Blank, length)
            } else if is_word(letter) {
                (Kind::Word, word(rest))
            } else {
                (Kind::Symbol, letter.len_utf8())
            }
        }
    }
}

fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_' || is_placeholder(letter)
}

fn word(rest: &str) -> usize {
    rest.find(|letter: char| !is_word(letter))
        .unwrap_or(rest.len())
}

/// A number, or a name that begins with a digit.
fn number(rest: &str, behind_dot: bool) -> (Kind, usize) {
    let whole = word(rest);
    let text = &rest[..whole];
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let suffix = &text[digits..];
    let is_number = suffix.is_empty()
        || matches!(
            suffix.to_ascii_uppercase().as_str(),
            "L" | "S" | "Y" | "D" | "F" | "BD" | "E"
        )
        || suffix.strip_prefix(['e', 'E']).is_some_and(|exponent| {
            !exponent.is_empty() && exponent.bytes().all(|byte| byte.is_ascii_digit())
        });
    if !is_number || behind_dot {
        return (Kind::Word, whole);
    }
    let fraction = rest[whole..]
        .strip_prefix('.')
        .filter(|_| suffix.is_empty())
        .map_or(0, |fraction| {
            let digits = fraction.bytes().take_while(u8::is_ascii_digit).count();
            if digits == 0 { 0 } else { 1 + word(fraction) }
        });
    (Kind::Number, whole + fraction)
}

fn bracketed_comment(bytes: &[u8]) -> usize {
    let mut depth = 1;
    let mut at = 2;
    while at < bytes.len() {
        match (bytes[at], bytes.get(at + 1)) {
            (b'*', Some(b'/')) => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return at;
                }
            }
            (b'/', Some(b'*')) => {
                depth += 1;
                at += 2;
            }
            _ => at += 1,
        }
    }
    bytes.len()
}

fn string(bytes: &[u8], open: usize) -> usize {
    let quote = bytes[open];
    let mut at = open + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            byte if byte == quote && bytes.get(at + 1) == Some(&quote) => at += 2,
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

fn raw_string(bytes: &[u8]) -> usize {
    let quote = bytes[1];
    bytes[2..]
        .iter()
        .position(|byte| *byte == quote)
        .map_or(bytes.len(), |at| at + 3)
}

fn quoted(bytes: &[u8]) -> usize {
    let mut at = 1;
    while at < bytes.len() {
        match (bytes[at], bytes.get(at + 1)) {
            (b'`', Some(b'`')) => at += 2,
            (b'`', _) => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// Tokens of a text, asked by their number; behind the last there is nothing.
pub(super) trait Tokens {
    fn text(&self) -> &str;
    fn tokens(&self) -> &[Token];

    fn kind(&self, at: usize) -> Option<Kind> {
        self.tokens().get(at).map(|token| token.kind)
    }

    /// A token as it is written.
    fn token_text(&self, at: usize) -> &str {
        self.tokens()
            .get(at)
            .map_or("", |token| &self.text()[token.range.clone()])
    }

    fn is(&self, at: usize, word: &str) -> bool {
        self.token_text(at).eq_ignore_ascii_case(word)
    }

    fn is_one_of(&self, at: usize, words: &[&str]) -> bool {
        words.iter().any(|word| self.is(at, word))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(text: &str) -> String {
        let mut shown = String::new();
        for token in tokens(text) {
            if token.kind != Kind::Blank {
                shown.push_str(&format!("{:?} {}\n", token.kind, &text[token.range]));
            }
        }
        shown
    }

    #[test]
    fn tokens_of_a_statement() {
        expect_test::expect![[r#"
            Word select
            Number 1.5e3
            Symbol ,
            String 'it\'s ''x'''
            Symbol ,
            Quoted `a``b`
            Symbol .
            Word 2020_t
            Symbol .
            Word 1e5
            Comment -- c
            Comment /* /* n */ */
            String r'\'
        "#]]
        .assert_eq(&shown(
            "select 1.5e3, 'it\\'s ''x''', `a``b`.2020_t.1e5 -- c\n/* /* n */ */ r'\\'",
        ));
    }

    proptest! {
        #[test]
        fn no_byte_is_lost(text in "(?s).{0,80}|['\"`/*\\-\\\\. \na0r]{0,40}") {
            let mut at = 0;
            for token in tokens(&text) {
                prop_assert_eq!(token.range.start, at);
                prop_assert!(token.range.end > at && text.is_char_boundary(token.range.end));
                at = token.range.end;
            }
            prop_assert_eq!(at, text.len());
        }
    }
}
