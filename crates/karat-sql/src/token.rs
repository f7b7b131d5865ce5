//! The token stream of a SQL text, and its normalised form.

use std::fmt::Write as _;

use sqlparser::dialect::GenericDialect;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};

use crate::{Position, SqlTextError};

/// The dialect everything is read in: DataFusion's default.
pub(crate) const DIALECT: GenericDialect = GenericDialect {};

/// The text that a code digest is made of.
///
/// Comments, white space and a closing semicolon leave no trace, and neither does the case of what is not quoted. Literals
/// and quoted names stand as they were written, so two texts that mean different things never agree.
///
/// ```
/// let one = karat_sql::normalised("SELECT  a -- the key\n FROM t;").expect("tokens");
/// assert_eq!(one, "select a from t");
/// let grouped = karat_sql::normalised("select 1_000 AS a, 1_0.2_5").expect("tokens");
/// assert_eq!(grouped, "select 1_000 as a , 1_0.2_5");
/// ```
pub fn normalised(sql: &str) -> Result<String, SqlTextError> {
    Ok(join(&tokenize(sql)?))
}

/// Words before which a bracket opens no list of arguments.
const BEFORE_BRACKETS: [&str; 14] = [
    "all", "and", "any", "as", "between", "else", "exists", "in", "like", "not", "or", "over",
    "then", "when",
];

/// The normalised text as a person writes it: `cast(n as decimal(9, 2))`. Equal normalised texts are shown alike.
///
/// ```
/// assert_eq!(karat_sql::shown("Cast( a AS decimal(9,2) )  in ('( x')"), "cast(a as decimal(9, 2)) in ('( x')");
/// ```
pub fn shown(sql: &str) -> String {
    let Ok(tokens) = tokenize(sql) else {
        return sql.to_owned();
    };
    let mut text = String::new();
    let mut before = String::new();
    for token in &tokens {
        let word = join(std::slice::from_ref(token));
        if word.is_empty() {
            continue;
        }
        let is_name = before
            .chars()
            .all(|letter| letter.is_alphanumeric() || letter == '_');
        let close = match (before.as_str(), word.as_str()) {
            ("" | "(" | "[" | "." | "::", _) => true,
            (_, ")" | "]" | "[" | "," | "." | "::") => true,
            (_, "(") => is_name && !BEFORE_BRACKETS.contains(&before.as_str()),
            _ => false,
        };
        if !close {
            text.push(' ');
        }
        text.push_str(&word);
        before = word;
    }
    text
}

/// Splits into tokens without unescaping literals, so that what comes out is what was written.
pub(crate) fn tokenize(sql: &str) -> Result<Vec<TokenWithSpan>, SqlTextError> {
    let tokens = Tokenizer::new(&DIALECT, sql)
        .with_unescape(false)
        .tokenize_with_location();
    tokens.map(with_grouped_digits).map_err(|error| {
        let at = Position {
            line: error.location.line.max(1) as u32,
            column: error.location.column.max(1) as u32,
        };
        SqlTextError::at(at, 1, format!("SQL: {}", lower_first(&error.message)))
    })
}

/// The tokens with `1_000`, of which this dialect makes a number and a name, as one number.
fn with_grouped_digits(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let continues = |token: &Token| match token {
        Token::Word(word) if word.quote_style.is_none() => {
            let groups = word.value.strip_prefix('_');
            let is_digits =
                |group: &str| !group.is_empty() && group.bytes().all(|b| b.is_ascii_digit());
            groups
                .is_some_and(|groups| groups.split('_').all(is_digits))
                .then(|| word.value.clone())
        }
        Token::Number(more, _) if more.starts_with('.') => Some(more.clone()),
        _ => None,
    };
    let mut joined: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    for token in tokens {
        if let Some(last) = joined.last_mut()
            && let Token::Number(number, false) = &mut last.token
            && let Some(more) = continues(&token.token)
        {
            number.push_str(&more);
            last.span.end = token.span.end;
        } else {
            joined.push(token);
        }
    }
    joined
}

pub(crate) fn join(tokens: &[TokenWithSpan]) -> String {
    let mut text = String::new();
    // Where the text ends without the closing semicolons.
    let mut end = 0;
    for token in tokens {
        if matches!(token.token, Token::Whitespace(_) | Token::EOF) {
            continue;
        }
        if !text.is_empty() {
            text.push(' ');
        }
        match &token.token {
            Token::Word(word) if word.quote_style.is_none() => {
                if word.value.is_ascii() {
                    text.extend(
                        word.value
                            .bytes()
                            .map(|byte| byte.to_ascii_lowercase() as char),
                    );
                } else {
                    text.push_str(&word.value.to_lowercase());
                }
            }
            other => write!(text, "{other}").expect("writing to a string"),
        }
        if token.token != Token::SemiColon {
            end = text.len();
        }
    }
    text.truncate(end);
    text
}

/// The tokens with `struct(a integer)`, where it is a type, written with angle brackets, as the parser of this dialect knows it.
pub(crate) fn with_struct_types(mut tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    // For each open bracket whether it is one of a struct's type.
    let mut open: Vec<bool> = Vec::new();
    let (mut names_type, mut is_struct) = (false, false);
    for token in &mut tokens {
        let of_type = open.last().copied().unwrap_or(false);
        let (names, structure) = match &token.token {
            Token::Whitespace(_) => continue,
            Token::Word(word) if word.quote_style.is_none() => (
                word.value.eq_ignore_ascii_case("as"),
                word.value.eq_ignore_ascii_case("struct") && (names_type || of_type),
            ),
            Token::DoubleColon => (true, false),
            Token::LParen => {
                open.push(is_struct);
                if is_struct {
                    token.token = Token::Lt;
                }
                (false, false)
            }
            Token::RParen => {
                if open.pop() == Some(true) {
                    token.token = Token::Gt;
                }
                (false, false)
            }
            _ => (false, false),
        };
        (names_type, is_struct) = (names, structure);
    }
    tokens
}

/// A parser of these tokens. White space says nothing to it, and it would step over each piece again and again.
pub(crate) fn parser(tokens: Vec<TokenWithSpan>) -> Parser<'static> {
    let mut tokens = tokens;
    tokens.retain(|token| !matches!(token.token, Token::Whitespace(_)));
    Parser::new(&DIALECT).with_tokens_with_locations(tokens)
}

/// Turns the parser's message into ours: the position out of the text, the rest in plain words.
pub(crate) fn syntax_error(error: &sqlparser::parser::ParserError, sql: &str) -> SqlTextError {
    use sqlparser::parser::ParserError;
    let text = match error {
        ParserError::TokenizerError(text) | ParserError::ParserError(text) => text.as_str(),
        ParserError::RecursionLimitExceeded => {
            return SqlTextError::at(Position { line: 1, column: 1 }, 1, "SQL: nested too deeply")
                .hint("split it with `with name as (…)`");
        }
    };
    let (message, at) = match text.rfind(" at Line: ") {
        Some(cut) => (&text[..cut], parse_position(&text[cut..])),
        None => (text, None),
    };
    let at = at.unwrap_or_else(|| end_of(sql));
    let length = message.rsplit_once("found: ").map_or(1, |(_, found)| {
        if found == "EOF" {
            1
        } else {
            found.chars().count()
        }
    });
    let message = message.trim_start_matches("sql parser error: ");
    // The parser shows its own word for a word.
    if let Some(word) = message
        .strip_prefix("No infix parser for token Word(Word { value: \"")
        .and_then(|rest| rest.split('"').next())
    {
        let length = word.chars().count() as u32;
        let error = SqlTextError::at(at, length, format!("SQL: `{word}` is no operator"));
        return match word.eq_ignore_ascii_case("div") {
            true => error.hint("the integer quotient is div(a, b)"),
            false => error,
        };
    }
    let message = match message.strip_prefix("Expected: ") {
        Some(rest) => format!(
            "expected {}",
            rest.replace("found: EOF", "found the end of the text")
                .replace("found: ", "found ")
        ),
        None => lower_first(message),
    };
    SqlTextError::at(at, length.max(1) as u32, format!("SQL: {message}"))
}

fn parse_position(text: &str) -> Option<Position> {
    let (line, column) = text.strip_prefix(" at Line: ")?.split_once(", Column: ")?;
    let digits: String = column.chars().take_while(char::is_ascii_digit).collect();
    let (line, column): (u32, u32) = (line.parse().ok()?, digits.parse().ok()?);
    (line > 0 && column > 0).then_some(Position { line, column })
}

/// Just behind the last character that is not white space.
fn end_of(sql: &str) -> Position {
    let text = sql.trim_end();
    let line = text.matches('\n').count() as u32 + 1;
    let column = text.rsplit('\n').next().unwrap_or("").chars().count() as u32 + 1;
    Position { line, column }
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    match (chars.next(), chars.clone().next()) {
        (Some(first), Some(second)) if second.is_lowercase() || second == ' ' => {
            first.to_lowercase().chain(chars).collect()
        }
        _ => text.to_string(),
    }
}
