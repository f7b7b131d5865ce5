//! What a text most likely meant: slips that its tokens show before it is parsed, and the cause of a mistake that the parser found too late.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan, Word};

use crate::names::span_of;
use crate::token::tokenize;
use crate::{Position, SqlTextError};

/// A slip that would be read as something else: a date without quotes, which is a subtraction, and `top 3`.
pub(crate) fn misread(tokens: &[TokenWithSpan]) -> Option<SqlTextError> {
    bare_date(tokens).or_else(|| top(tokens))
}

/// `2026-03-04` in one piece.
fn bare_date(tokens: &[TokenWithSpan]) -> Option<SqlTextError> {
    tokens.windows(5).find_map(|five| {
        let digits = |at: usize, length: usize| match &five[at].token {
            Token::Number(text, false) if text.len() == length => text.parse::<u32>().ok(),
            _ => None,
        };
        let minus = |at: usize| five[at].token == Token::Minus;
        let (year, month, day) = (digits(0, 4)?, digits(2, 2)?, digits(4, 2)?);
        let is_date = (1..=12).contains(&month) && (1..=31).contains(&day);
        if !minus(1) || !minus(3) || !is_date {
            return None;
        }
        let written = format!("{year:04}-{month:02}-{day:02}");
        let value = i64::from(year) - i64::from(month) - i64::from(day);
        Some(
            SqlTextError::at(
                span_of(five[0].span).start,
                written.len() as u32,
                format!("SQL: `{written}` without quotes is a subtraction, {value}"),
            )
            .hint(format!(
                "a date is written date '{written}'; a subtraction has blanks: {year:04} - {month:02} - {day:02}"
            )),
        )
    })
}

/// `select top 3 …`.
fn top(tokens: &[TokenWithSpan]) -> Option<SqlTextError> {
    let tokens: Vec<&TokenWithSpan> = said(tokens).collect();
    tokens.iter().enumerate().find_map(|(at, token)| {
        word(token).filter(|word| word.value.eq_ignore_ascii_case("top"))?;
        let mut before = tokens[..at].iter().rev().filter_map(|token| word(token));
        let selects = match before.next()?.keyword {
            Keyword::SELECT => true,
            Keyword::DISTINCT | Keyword::ALL => before.next()?.keyword == Keyword::SELECT,
            _ => false,
        };
        let directly = matches!(tokens.get(at.checked_sub(1)?)?.token, Token::Word(_));
        let rows = match &tokens.get(at + 1)?.token {
            Token::Number(rows, _) => rows.as_str(),
            Token::LParen => match &tokens.get(at + 2)?.token {
                Token::Number(rows, _) => rows.as_str(),
                _ => "n",
            },
            _ => return None,
        };
        (selects && directly).then(|| {
            SqlTextError::at(span_of(token.span).start, 3, "SQL: `top` is not available")
                .hint(format!("write `limit {rows}` at the end of the query"))
        })
    })
}

/// The error with the cause that its text shows: a `case` without `end`, or a word of SQL in the place of a name. `parse` tells what is wrong
/// with a text of other tokens.
pub(crate) fn explained(
    error: SqlTextError,
    sql: &str,
    parse: impl Fn(Vec<TokenWithSpan>) -> Result<(), SqlTextError>,
) -> SqlTextError {
    let Ok(tokens) = tokenize(sql) else {
        return error;
    };
    if let Some(case) = open_case(&tokens) {
        return SqlTextError::at(case, 4, "SQL: this `case` has no `end`")
            .hint("write case when … then … else … end");
    }
    // `from t` alone is a query, with an order and a limit at most.
    let mut words = said(&tokens).map(word);
    let begins = words.next().flatten().map(|word| word.keyword);
    let selects = words.any(|word| word.is_some_and(|word| word.keyword == Keyword::SELECT));
    if begins == Some(Keyword::FROM) && !selects && error.hint.is_none() {
        return error.hint("begin with `select *`");
    }
    let place = |error: &SqlTextError| Position {
        line: error.line,
        column: error.column,
    };
    let parses = |tokens| parse(tokens).map_err(|error| place(&error));
    match reserved(&tokens, place(&error), parses) {
        Some((name, at)) => SqlTextError::at(
            at,
            name.chars().count() as u32,
            format!("SQL: `{name}` stands for a name here, and is a word of SQL"),
        )
        .hint(format!(
            "as a name it is written in double quotes: \"{name}\""
        )),
        None => error,
    }
}

/// Without white space and comments.
fn said(tokens: &[TokenWithSpan]) -> impl Iterator<Item = &TokenWithSpan> {
    tokens
        .iter()
        .filter(|token| !matches!(token.token, Token::Whitespace(_) | Token::EOF))
}

/// A word without quotes.
fn word(token: &TokenWithSpan) -> Option<&Word> {
    match &token.token {
        Token::Word(word) if word.quote_style.is_none() => Some(word),
        _ => None,
    }
}

/// The innermost `case` that a bracket, a comma, a clause or the end of the text comes to without its `end`.
fn open_case(tokens: &[TokenWithSpan]) -> Option<Position> {
    const CLAUSES: [Keyword; 10] = [
        Keyword::AS,
        Keyword::FROM,
        Keyword::WHERE,
        Keyword::GROUP,
        Keyword::HAVING,
        Keyword::ORDER,
        Keyword::LIMIT,
        Keyword::UNION,
        Keyword::EXCEPT,
        Keyword::INTERSECT,
    ];
    let tokens: Vec<&TokenWithSpan> = said(tokens).collect();
    // Open brackets, and cases with the place where they begin.
    let mut open: Vec<Option<Position>> = Vec::new();
    let innermost = |open: &[Option<Position>]| open.last().copied().flatten();
    for (at, token) in tokens.iter().enumerate() {
        let keyword = |at: Option<usize>| {
            let word = word(tokens.get(at?)?)?;
            Some(word.keyword)
        };
        match (&token.token, keyword(Some(at))) {
            (Token::LParen | Token::LBracket | Token::LBrace, _) => open.push(None),
            (Token::RParen | Token::RBracket | Token::RBrace, _) => {
                if let Some(case) = innermost(&open) {
                    return Some(case);
                }
                open.pop();
            }
            (_, Some(Keyword::CASE)) => {
                let begins = match tokens.get(at + 1).map(|next| &next.token) {
                    None | Some(Token::Comma | Token::Period | Token::RParen) => false,
                    Some(_) => {
                        !CLAUSES.contains(&keyword(Some(at + 1)).unwrap_or(Keyword::NoKeyword))
                    }
                };
                let named = at > 0 && tokens[at - 1].token == Token::Period;
                if begins && !named {
                    open.push(Some(span_of(token.span).start));
                }
            }
            (_, Some(Keyword::END)) if innermost(&open).is_some() => {
                open.pop();
            }
            (Token::Comma, _) => {
                if let Some(case) = innermost(&open) {
                    return Some(case);
                }
            }
            (_, Some(clause)) if CLAUSES.contains(&clause) => {
                // `is distinct from` is no clause.
                let compares = keyword(at.checked_sub(1)) == Some(Keyword::DISTINCT);
                if let Some(case) = innermost(&open).filter(|_| !compares) {
                    return Some(case);
                }
            }
            _ => {}
        }
    }
    innermost(&open)
}

/// As many words that stand for names are looked for in one text.
const NAMES_MAX: usize = 8;

/// The first of the words of SQL with which, written in quotes, the text would parse, if they are why it does not.
fn reserved(
    tokens: &[TokenWithSpan],
    at: Position,
    parses: impl Fn(Vec<TokenWithSpan>) -> Result<(), Position>,
) -> Option<(String, Position)> {
    let mut text: Vec<TokenWithSpan> = said(tokens).cloned().collect();
    let (mut at, mut first) = (at, None);
    for _ in 0..NAMES_MAX {
        let found = text
            .iter()
            .position(|token| span_of(token.span).start == at)
            .unwrap_or(text.len());
        let candidates = [found.checked_sub(1), Some(found)];
        let mut candidates = candidates.into_iter().flatten();
        let (quoted, name, outcome) = candidates.find_map(|nth| {
            let quoted = in_quotes(&text, nth)?;
            let name = (
                word(&text[nth])?.value.to_lowercase(),
                span_of(text[nth].span).start,
            );
            let outcome = parses(quoted.clone());
            let further = |place: &Position| *place > at;
            let better = outcome.as_ref().err().is_none_or(further);
            better.then_some((quoted, name, outcome))
        })?;
        first.get_or_insert(name);
        match outcome {
            Ok(()) => return first,
            Err(further) => (text, at) = (quoted, further),
        }
    }
    None
}

/// The tokens with a word of SQL that stands where a name may stand in quotes.
fn in_quotes(tokens: &[TokenWithSpan], nth: usize) -> Option<Vec<TokenWithSpan>> {
    let keyword = word(tokens.get(nth)?)?.keyword;
    if keyword == Keyword::NoKeyword {
        return None;
    }
    let before = &tokens[nth.checked_sub(1)?];
    let expects_a_name = match &before.token {
        Token::Word(word) => {
            word.quote_style.is_none()
                && matches!(
                    word.keyword,
                    Keyword::SELECT
                        | Keyword::DISTINCT
                        | Keyword::ALL
                        | Keyword::WHERE
                        | Keyword::AND
                        | Keyword::OR
                        | Keyword::NOT
                        | Keyword::BY
                        | Keyword::ON
                        | Keyword::HAVING
                        | Keyword::BETWEEN
                        | Keyword::WHEN
                        | Keyword::THEN
                        | Keyword::ELSE
                        | Keyword::AS
                )
        }
        Token::Comma
        | Token::Period
        | Token::LParen
        | Token::LBracket
        | Token::Eq
        | Token::Neq
        | Token::Lt
        | Token::Gt
        | Token::LtEq
        | Token::GtEq
        | Token::Plus
        | Token::Minus
        | Token::Mul
        | Token::Div => true,
        _ => false,
    };
    if !expects_a_name {
        return None;
    }
    let mut quoted = tokens.to_vec();
    if let Token::Word(word) = &mut quoted[nth].token {
        word.quote_style = Some('"');
        word.keyword = Keyword::NoKeyword;
    }
    Some(quoted)
}
