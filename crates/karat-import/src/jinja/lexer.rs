//! A template cut into texts, outputs and statements, and an expression cut into tokens.

use super::NotPlain;

/// A stretch of a template; `line` is where it begins.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Piece {
    Text { line: u32, text: String },
    Output { line: u32, tokens: Vec<Spot> },
    Statement { line: u32, tokens: Vec<Spot> },
    Comment { line: u32, text: String },
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Token {
    Name(String),
    Text(String),
    Int(i64),
    Number(String),
    Mark(&'static str),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Spot {
    pub(crate) line: u32,
    pub(crate) token: Token,
}

/// Longest first.
const MARKS: [&str; 27] = [
    "//", "**", "==", "!=", "<=", ">=", "+", "-", "*", "/", "%", "~", "<", ">", "(", ")", "[", "]",
    "{", "}", ",", ":", ".", "|", "=", ";", "@",
];

struct Reader<'a> {
    text: &'a str,
    at: usize,
    line: u32,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn advance(&mut self, bytes: usize) -> &'a str {
        let passed = &self.text[self.at..self.at + bytes];
        self.line += passed.matches('\n').count() as u32;
        self.at += bytes;
        passed
    }
}

/// Cuts a template; `{% raw %}` is text.
pub(crate) fn pieces(text: &str) -> Result<Vec<Piece>, NotPlain> {
    let mut reader = Reader {
        text,
        at: 0,
        line: 1,
    };
    let mut pieces: Vec<Piece> = Vec::new();
    // Whether the tag before asked to take the blanks behind it.
    let mut trims = false;
    loop {
        let rest = reader.rest();
        let mut braces = rest.match_indices('{').map(|(at, _)| at);
        let open = braces.find(|at| rest[at + 1..].starts_with(['{', '%', '#']));
        let line = reader.line;
        let plain = reader.advance(open.unwrap_or(rest.len()));
        let mut plain_line = line;
        let mut shown = plain;
        if trims {
            shown = plain.trim_start();
            let passed = &plain[..plain.len() - shown.len()];
            plain_line += passed.matches('\n').count() as u32;
        }
        if open.is_none() {
            push_text(&mut pieces, plain_line, shown);
            return Ok(pieces);
        }
        let tag = reader.rest();
        let tag_line = reader.line;
        if tag[2..].starts_with('-') {
            shown = shown.trim_end();
        }
        push_text(&mut pieces, plain_line, shown);
        if tag.starts_with("{#") {
            let Some(end) = tag.find("#}") else {
                return Err(NotPlain::broken(tag_line, "{#", "the comment has no end"));
            };
            let inner = &tag[2..end];
            trims = inner.ends_with('-');
            let inner = inner.trim_start_matches('-').trim_end_matches('-');
            pieces.push(Piece::Comment {
                line: tag_line,
                text: inner.to_owned(),
            });
            reader.advance(end + 2);
            continue;
        }
        let is_output = tag.starts_with("{{");
        let close = if is_output { "}}" } else { "%}" };
        reader.advance(2);
        if reader.rest().starts_with(['-', '+']) {
            reader.advance(1);
        }
        let (tokens, dash) = tokens(&mut reader, close, tag_line)?;
        trims = dash;
        if !is_output && is_word(&tokens, "raw") {
            let body = reader.rest();
            let line = reader.line;
            let Some((start, end)) = end_of_raw(body) else {
                return Err(NotPlain::broken(tag_line, "raw", "it has no `endraw`"));
            };
            push_text(&mut pieces, line, &body[..start]);
            reader.advance(end);
            trims = false;
            continue;
        }
        pieces.push(match is_output {
            true => Piece::Output {
                line: tag_line,
                tokens,
            },
            false => Piece::Statement {
                line: tag_line,
                tokens,
            },
        });
    }
}

fn is_word(tokens: &[Spot], word: &str) -> bool {
    matches!(tokens, [Spot { token: Token::Name(name), .. }] if name == word)
}

/// Where the body of `raw` ends, and where its closing tag does.
fn end_of_raw(body: &str) -> Option<(usize, usize)> {
    let mut from = 0;
    while let Some(found) = body[from..].find("{%") {
        let start = from + found;
        let end = start + body[start..].find("%}")? + 2;
        let inner = body[start + 2..end - 2].trim_matches(['-', '+', ' ', '\t', '\n', '\r']);
        if inner == "endraw" {
            return Some((start, end));
        }
        from = end;
    }
    None
}

fn push_text(pieces: &mut Vec<Piece>, line: u32, text: &str) {
    if !text.is_empty() {
        pieces.push(Piece::Text {
            line,
            text: text.to_owned(),
        });
    }
}

/// The tokens up to `close`, and whether it takes the blanks behind it.
fn tokens(
    reader: &mut Reader<'_>,
    close: &'static str,
    opened: u32,
) -> Result<(Vec<Spot>, bool), NotPlain> {
    let mut found = Vec::new();
    let mut braces = 0usize;
    loop {
        let rest = reader.rest();
        let blank = rest.len() - rest.trim_start().len();
        if blank > 0 {
            reader.advance(blank);
            continue;
        }
        let Some(first) = rest.chars().next() else {
            let mark = if close == "}}" { "{{" } else { "{%" };
            return Err(NotPlain::broken(
                opened,
                mark,
                format!("`{close}` does not follow"),
            ));
        };
        // A map may close right before the output does: `{{ {'a': {}} }}`.
        if braces == 0 {
            if rest.starts_with(close) {
                reader.advance(2);
                return Ok((found, false));
            }
            if let Some(after) = rest.strip_prefix(['-', '+'])
                && after.starts_with(close)
            {
                let dash = rest.starts_with('-');
                reader.advance(3);
                return Ok((found, dash));
            }
        }
        let line = reader.line;
        let token = if first.is_alphabetic() || first == '_' {
            let length = rest
                .find(|c: char| !c.is_alphanumeric() && c != '_')
                .unwrap_or(rest.len());
            Token::Name(reader.advance(length).to_owned())
        } else if first.is_ascii_digit() {
            number(reader, line)?
        } else if first == '"' || first == '\'' {
            text(reader, first, line)?
        } else {
            let Some(mark) = MARKS.iter().find(|mark| rest.starts_with(**mark)) else {
                return Err(NotPlain::broken(
                    line,
                    first.to_string(),
                    "it has no meaning in a template",
                ));
            };
            match *mark {
                "{" => braces += 1,
                "}" => braces = braces.saturating_sub(1),
                _ => {}
            }
            reader.advance(mark.len());
            Token::Mark(mark)
        };
        found.push(Spot { line, token });
    }
}

fn number(reader: &mut Reader<'_>, line: u32) -> Result<Token, NotPlain> {
    let rest = reader.rest();
    let digits = |text: &str| {
        text.find(|c: char| !c.is_ascii_digit() && c != '_')
            .unwrap_or(text.len())
    };
    let whole = digits(rest);
    let after = &rest[whole..];
    let is_fraction =
        after.starts_with('.') && after[1..].starts_with(|c: char| c.is_ascii_digit());
    if is_fraction {
        let length = whole + 1 + digits(&after[1..]);
        return Ok(Token::Number(reader.advance(length).replace('_', "")));
    }
    let text = reader.advance(whole).replace('_', "");
    text.parse()
        .map(Token::Int)
        .map_err(|_| NotPlain::broken(line, text, "the number is too large"))
}

fn text(reader: &mut Reader<'_>, quote: char, line: u32) -> Result<Token, NotPlain> {
    let rest = reader.rest();
    let mut value = String::new();
    let mut letters = rest.char_indices().skip(1);
    while let Some((at, letter)) = letters.next() {
        if letter == quote {
            reader.advance(at + 1);
            return Ok(Token::Text(value));
        }
        if letter != '\\' {
            value.push(letter);
            continue;
        }
        match letters.next() {
            Some((_, 'n')) => value.push('\n'),
            Some((_, 't')) => value.push('\t'),
            Some((_, 'r')) => value.push('\r'),
            Some((_, other @ ('\\' | '\'' | '"'))) => value.push(other),
            Some((_, other)) => {
                value.push('\\');
                value.push(other);
            }
            None => break,
        }
    }
    Err(NotPlain::broken(
        line,
        quote.to_string(),
        "the text in quotes has no end",
    ))
}

/// The tokens of an expression that stands alone, as in a `var` of a YAML file.
pub(crate) fn of_expression(expression: &str, line: u32) -> Result<Vec<Spot>, NotPlain> {
    let closed = format!("{expression} }}}}");
    let mut reader = Reader {
        text: &closed,
        at: 0,
        line,
    };
    Ok(tokens(&mut reader, "}}", line)?.0)
}
