//! Quotes and types, token by token: what one engine writes otherwise than karat and means the same.
//!
//! No edit adds or takes a line, so that lines of the text stay what they were.

use sqlparser::dialect::GenericDialect;
use sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};

use super::text::Lines;
use super::{Dialect, Edit, Trouble, applied};

/// The text in karat's spelling, and what has none.
pub(crate) fn respelled(sql: &str, dialect: Dialect) -> Result<(String, Vec<Trouble>), Trouble> {
    let tokens = Tokenizer::new(&GenericDialect {}, sql)
        .with_unescape(false)
        .tokenize_with_location()
        .map_err(|error| Trouble {
            at: Lines::new(sql).byte(error.location),
            construct: "SQL".to_owned(),
            why: error.message,
            fix: "mend the SQL".to_owned(),
        })?;
    let lines = Lines::new(sql);
    let mut edits = Vec::new();
    let mut troubles = Vec::new();
    let words: Vec<(usize, &TokenWithSpan)> = tokens
        .iter()
        .filter(|token| !matches!(token.token, Token::Whitespace(_) | Token::EOF))
        .map(|token| (lines.byte(token.span.start), token))
        .collect();
    // For each open bracket whether it is that of a cast.
    let mut open: Vec<bool> = Vec::new();
    let mut names_type = false;
    for (nth, (at, token)) in words.iter().enumerate() {
        let end = lines.byte(token.span.end);
        let before = nth.checked_sub(1).map(|nth| &words[nth].1.token);
        match &token.token {
            Token::LParen => open.push(before.is_some_and(is_cast)),
            Token::RParen => drop(open.pop()),
            Token::DoubleColon => {
                names_type = true;
                continue;
            }
            Token::Word(word) if word.quote_style.is_none() => {
                let lower = word.value.to_ascii_lowercase();
                if lower == "as" && open.last() == Some(&true) {
                    names_type = true;
                    continue;
                }
                if names_type {
                    let rest = &words[nth + 1..];
                    respell_type(
                        dialect,
                        &lower,
                        (*at, end),
                        rest,
                        &lines,
                        &mut edits,
                        &mut troubles,
                    );
                }
            }
            // A text of Spark, or a name of it between backticks.
            Token::Word(word) if word.quote_style == Some('"') && dialect.quotes_texts_twice() => {
                troubles.extend(escape(&word.value, *at));
                let inner = word.value.replace('\'', "''");
                edits.push(Edit {
                    range: *at..end,
                    text: format!("'{inner}'"),
                });
            }
            Token::Word(word) if word.quote_style == Some('`') => {
                edits.push(Edit {
                    range: *at..end,
                    text: quoted(&word.value),
                });
            }
            Token::DoubleQuotedString(inner) if dialect.quotes_texts_twice() => {
                troubles.extend(escape(inner, *at));
                edits.push(Edit {
                    range: *at..end,
                    text: format!("'{}'", inner.replace('\'', "''")),
                });
            }
            Token::SingleQuotedString(inner)
                if ["karat_ref.`", "karat_source.`"]
                    .iter()
                    .any(|mark| inner.contains(mark)) =>
            {
                troubles.push(Trouble {
                    at: *at,
                    construct: "'{{ ref(…) }}'".to_owned(),
                    why: "the name of a table in a text is another in karat".to_owned(),
                    fix: "write the text that is meant".to_owned(),
                });
            }
            Token::SingleQuotedString(inner) if dialect.may_escape() => {
                troubles.extend(escape(inner, *at));
            }
            Token::EscapedStringLiteral(_)
            | Token::UnicodeStringLiteral(_)
            | Token::NationalStringLiteral(_)
            | Token::HexStringLiteral(_)
            | Token::DollarQuotedString(_) => troubles.push(Trouble {
                at: *at,
                construct: sql[*at..end].chars().take(20).collect(),
                why: "texts of this form are not taken over".to_owned(),
                fix: "write it as '…'".to_owned(),
            }),
            _ => {}
        }
        names_type = false;
    }
    Ok((applied(sql, edits), troubles))
}

/// A `\` in a text, which may begin an escape.
fn escape(inner: &str, at: usize) -> Option<Trouble> {
    inner.contains('\\').then(|| Trouble {
        at,
        construct: "\\ in a text".to_owned(),
        why: "there it begins an escape, in karat it is a letter".to_owned(),
        fix: "write the letter that is meant".to_owned(),
    })
}

fn is_cast(token: &Token) -> bool {
    matches!(token, Token::Word(word) if ["cast", "try_cast", "safe_cast"].contains(&word.value.to_ascii_lowercase().as_str()))
}

fn respell_type(
    dialect: Dialect,
    name: &str,
    (at, end): (usize, usize),
    rest: &[(usize, &TokenWithSpan)],
    lines: &Lines,
    edits: &mut Vec<Edit>,
    troubles: &mut Vec<Trouble>,
) {
    let has_digits = matches!(rest.first(), Some((_, token)) if token.token == Token::LParen);
    // `varchar(10)`: up to the bracket that closes.
    let closed = rest
        .iter()
        .take(3)
        .find(|(_, token)| token.token == Token::RParen);
    let mut replace = |text: &str, end: usize| {
        edits.push(Edit {
            range: at..end,
            text: text.to_owned(),
        });
    };
    let own = match (dialect, name) {
        (Dialect::Spark, "long") => Some("bigint"),
        (Dialect::Spark, "short") => Some("smallint"),
        (Dialect::Spark, "byte") => Some("tinyint"),
        (Dialect::Spark | Dialect::DuckDb, "float") => Some("real"),
        // To Snowflake every float is of 8 bytes.
        (Dialect::Snowflake, "real" | "float4") => Some("double"),
        (Dialect::Postgres | Dialect::Snowflake, "float") if !has_digits => Some("double"),
        (Dialect::Snowflake, "number") if !has_digits => Some("decimal(38, 0)"),
        (Dialect::Snowflake, "number") => Some("decimal"),
        (Dialect::BigQuery, "int64") => Some("bigint"),
        (Dialect::BigQuery, "float64") => Some("double"),
        (Dialect::BigQuery, "numeric") if !has_digits => Some("decimal(38, 9)"),
        (Dialect::Spark, "decimal" | "dec" | "numeric") if !has_digits => Some("decimal(10, 0)"),
        (Dialect::DuckDb, "decimal" | "dec" | "numeric") if !has_digits => Some("decimal(18, 3)"),
        (Dialect::Snowflake, "decimal" | "numeric") if !has_digits => Some("decimal(38, 0)"),
        (Dialect::Spark, "timestamp_ntz") => Some("timestamp"),
        _ => None,
    };
    if let Some(own) = own {
        return replace(own, end);
    }
    // A length that the engine passes over, too.
    if dialect == Dialect::DuckDb
        && ["varchar", "char", "text", "string"].contains(&name)
        && has_digits
        && let Some((_, token)) = closed
    {
        return replace("varchar", lines.byte(token.span.end));
    }
    let trouble = |why: &str, fix: &str| Trouble {
        at,
        construct: format!("type {name}"),
        why: why.to_owned(),
        fix: fix.to_owned(),
    };
    // `char` alone is one letter to most.
    let is_one = ["char", "character"].contains(&name) && dialect != Dialect::DuckDb;
    let cuts = is_one || (["varchar", "char", "character", "bpchar"].contains(&name) && has_digits);
    if cuts {
        troubles.push(trouble(
            "a cast to it cuts texts off or pads them, by the engine",
            "write `left(x, n)` where a text is to be cut, else `cast(x as varchar)`",
        ));
    } else if ["decimal", "numeric"].contains(&name) && !has_digits {
        troubles.push(trouble(
            "it has no digits, and engines take different ones",
            "state them: `decimal(18, 2)`",
        ));
    } else if name == "float" {
        troubles.push(trouble(
            "it is 4 bytes to some engines and 8 to others",
            "write `real` or `double`",
        ));
    }
}

/// A name as karat's SQL has it: quoted where it must be.
pub(crate) fn quoted(name: &str) -> String {
    let lower = name.to_lowercase();
    let plain = lower
        .chars()
        .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        && lower.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
    match plain && !RESERVED.contains(&lower.as_str()) {
        true => lower,
        false => format!("\"{}\"", lower.replace('"', "\"\"")),
    }
}

/// Words that are no names of columns without quotes.
const RESERVED: [&str; 58] = [
    "all",
    "and",
    "any",
    "as",
    "asc",
    "between",
    "by",
    "case",
    "cast",
    "check",
    "column",
    "cross",
    "current_date",
    "current_timestamp",
    "default",
    "desc",
    "distinct",
    "else",
    "end",
    "except",
    "exists",
    "false",
    "fetch",
    "for",
    "from",
    "full",
    "group",
    "having",
    "in",
    "inner",
    "intersect",
    "interval",
    "into",
    "is",
    "join",
    "left",
    "like",
    "limit",
    "natural",
    "not",
    "null",
    "offset",
    "on",
    "or",
    "order",
    "outer",
    "qualify",
    "right",
    "select",
    "set",
    "some",
    "table",
    "then",
    "true",
    "union",
    "using",
    "when",
    "where",
];
