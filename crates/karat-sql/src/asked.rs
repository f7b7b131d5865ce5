//! The values that a text takes from the run instead of a row: parameters, `$name`, and the business date.

use sqlparser::tokenizer::{Token, TokenWithSpan};

use crate::Span;
use crate::names::span_of;

/// A value that a text asks of the run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Which.
    pub value: AskedValue,
    /// Where it stands.
    pub span: Span,
}

/// What a text asks of the run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AskedValue {
    /// `$name`: the name in lower case.
    Parameter(String),
    /// `business_date()`.
    BusinessDate,
}

/// What the tokens ask, in text order.
pub(crate) fn asked(tokens: &[TokenWithSpan]) -> Vec<Asked> {
    let tokens: Vec<&TokenWithSpan> = tokens
        .iter()
        .filter(|token| !matches!(token.token, Token::Whitespace(_)))
        .collect();
    let token = |at: usize| tokens.get(at).map(|token| &token.token);
    let mut found = Vec::new();
    for (at, written) in tokens.iter().enumerate() {
        let value = match &written.token {
            Token::Placeholder(name) if name.starts_with('$') => {
                AskedValue::Parameter(name.trim_start_matches('$').to_lowercase())
            }
            Token::Word(word)
                if word.value.eq_ignore_ascii_case("business_date")
                    && token(at + 1) == Some(&Token::LParen)
                    && token(at + 2) == Some(&Token::RParen)
                    && at.checked_sub(1).and_then(token) != Some(&Token::Period) =>
            {
                AskedValue::BusinessDate
            }
            _ => continue,
        };
        found.push(Asked {
            value,
            span: span_of(written.span),
        });
    }
    found
}
