//! The expression language of Data Factory and Synapse, and its cousin in ARM templates: text to tree, with bytes.
//!
//! A string of a pipeline is an expression (`@concat('a', item().b)`), text with expressions in it (`from @{item().b}`), or plain
//! text; `@@` is a plain `@`. A string of an ARM template is an expression (`[concat('a', parameters('b'))]`) or plain text; `[[`
//! is a plain `[`. Literals stand in single quotes, a quote in them is doubled. What an expression can be is decided in
//! [`super::evaluate`].

use std::ops::Range;

/// How deep calls may be nested; real expressions stay below twenty.
const DEPTH_MAX: usize = 96;

/// Which of the two languages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Syntax {
    /// `@…` and `@{…}`
    DataFactory,
    /// `[…]`
    Arm,
}

/// A string, taken apart.
#[derive(Clone, Debug, PartialEq)]
pub enum Text {
    /// No expression in it; the range leaves out an escaping `@` or `[`.
    Plain(Range<usize>),
    /// The whole string is one expression.
    Expression(Expr),
    /// Text with expressions in it, in order.
    Mixed(Vec<Part>),
}

/// A stretch of text with expressions in it.
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    /// Text as it stands.
    Text(Range<usize>),
    /// `@{…}`
    Expression(Expr),
}

/// An expression and its bytes in the string.
#[derive(Clone, Debug, PartialEq)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Its bytes in the string.
    pub span: Range<usize>,
}

/// The kinds of expressions.
#[derive(Clone, Debug, PartialEq)]
pub enum ExprKind {
    /// `'…'`; the span has the quotes, [`decode`] reads what is between them.
    Text,
    /// A number, as written.
    Number,
    /// `true` or `false`
    Bool(bool),
    /// `null`
    Null,
    /// `name(…)`; names are compared without case.
    Call {
        /// The function, in lower case.
        name: String,
        /// Its arguments.
        arguments: Vec<Expr>,
    },
    /// `of.name` or `of?.name`, or `of['name']`
    Member {
        /// Left of the dot.
        of: Box<Expr>,
        /// Right of it.
        name: String,
    },
    /// `of[index]` with anything but a literal text.
    Index {
        /// Left of the bracket.
        of: Box<Expr>,
        /// In the brackets.
        index: Box<Expr>,
    },
}

/// Why a string that begins like an expression is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpressionError {
    /// What was expected or found.
    pub message: String,
    /// Byte in the string.
    pub at: usize,
}

/// Takes a string apart.
pub fn parse(text: &str, syntax: Syntax) -> Result<Text, ExpressionError> {
    match syntax {
        Syntax::DataFactory => data_factory(text),
        Syntax::Arm => arm(text),
    }
}

fn data_factory(text: &str) -> Result<Text, ExpressionError> {
    if text.starts_with('@') && !text.starts_with("@{") && !text.starts_with("@@") {
        return whole(text, 1, text.len()).map(Text::Expression);
    }
    let mut parts = Vec::new();
    let mut from = if text.starts_with("@@") && !text.starts_with("@@{") {
        1
    } else {
        0
    };
    let mut at = from;
    while let Some(found) = text[at..].find("@{") {
        let open = at + found;
        if open > from && text.as_bytes()[open - 1] == b'@' && open > at {
            // `@@{` is a plain `@{`.
            push_text(&mut parts, from..open - 1);
            from = open;
            at = open + 2;
            continue;
        }
        push_text(&mut parts, from..open);
        let mut parser = Parser {
            text,
            at: open + 2,
            end: text.len(),
        };
        let expression = parser.expression(0)?;
        parser.skip_space();
        if parser.peek() != Some(b'}') {
            return Err(parser.error("expected `}` after the expression"));
        }
        parts.push(Part::Expression(expression));
        from = parser.at + 1;
        at = from;
    }
    if parts.is_empty() {
        return Ok(Text::Plain(from..text.len()));
    }
    push_text(&mut parts, from..text.len());
    Ok(Text::Mixed(parts))
}

fn push_text(parts: &mut Vec<Part>, range: Range<usize>) {
    if !range.is_empty() {
        parts.push(Part::Text(range));
    }
}

fn arm(text: &str) -> Result<Text, ExpressionError> {
    if text.starts_with("[[") {
        return Ok(Text::Plain(1..text.len()));
    }
    if text.starts_with('[') && text.ends_with(']') && text.len() >= 2 {
        return whole(text, 1, text.len() - 1).map(Text::Expression);
    }
    Ok(Text::Plain(0..text.len()))
}

fn whole(text: &str, at: usize, end: usize) -> Result<Expr, ExpressionError> {
    let mut parser = Parser { text, at, end };
    let expression = parser.expression(0)?;
    parser.skip_space();
    match parser.peek() {
        None => Ok(expression),
        Some(_) => Err(parser.error("expected the end of the expression")),
    }
}

/// Decodes what stands between the quotes of a literal: the text, and the offsets in it where a doubled quote was, so that
/// each of them adds one byte to the way back.
pub fn decode(raw: &str) -> (String, Vec<usize>) {
    let mut text = String::with_capacity(raw.len());
    let mut doubled = Vec::new();
    let mut rest = raw;
    while let Some(at) = rest.find("''") {
        text.push_str(&rest[..at]);
        doubled.push(text.len());
        text.push('\'');
        rest = &rest[at + 2..];
    }
    text.push_str(rest);
    (text, doubled)
}

/// Writes a text as it must stand between the quotes of a literal.
pub fn escape(text: &str) -> String {
    text.replace('\'', "''")
}

/// Writes a text as it must stand in a string with `@{…}` in it.
pub fn escape_mixed(text: &str) -> String {
    text.replace("@{", "@@{")
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
    end: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<u8> {
        (self.at < self.end).then(|| self.text.as_bytes()[self.at])
    }

    fn error(&self, message: &str) -> ExpressionError {
        ExpressionError {
            message: message.to_owned(),
            at: self.at,
        }
    }

    fn skip_space(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_whitespace()) {
            self.at += 1;
        }
    }

    fn word(&mut self) -> Range<usize> {
        let start = self.at;
        while self
            .peek()
            .is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80)
        {
            self.at += 1;
        }
        start..self.at
    }

    fn expression(&mut self, depth: usize) -> Result<Expr, ExpressionError> {
        if depth > DEPTH_MAX {
            return Err(self.error("calls are nested too deeply"));
        }
        self.skip_space();
        // The editor lets an `@` stand before an inner call.
        if depth > 0 && self.peek() == Some(b'@') {
            self.at += 1;
        }
        let start = self.at;
        let kind = match self.peek() {
            Some(b'\'') => self.literal()?,
            Some(b'-' | b'+' | b'0'..=b'9') => {
                self.at += 1;
                while self
                    .peek()
                    .is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'.')
                {
                    self.at += 1;
                }
                if self.text[start..self.at].parse::<f64>().is_err() {
                    return Err(ExpressionError {
                        message: "this is not a number".to_owned(),
                        at: start,
                    });
                }
                ExprKind::Number
            }
            Some(byte) if byte.is_ascii_alphabetic() || byte == b'_' => self.name(depth)?,
            Some(_) => return Err(self.error("expected a call, a literal or a number")),
            None => return Err(self.error("the expression ends too early")),
        };
        let first = Expr {
            kind,
            span: start..self.at,
        };
        self.steps(first, depth)
    }

    fn literal(&mut self) -> Result<ExprKind, ExpressionError> {
        let start = self.at;
        self.at += 1;
        loop {
            match self.peek() {
                Some(b'\'') => {
                    self.at += 1;
                    if self.peek() != Some(b'\'') {
                        return Ok(ExprKind::Text);
                    }
                    self.at += 1;
                }
                Some(_) => self.at += 1,
                None => {
                    let message = "this text is never closed with `'`".to_owned();
                    return Err(ExpressionError { message, at: start });
                }
            }
        }
    }

    fn name(&mut self, depth: usize) -> Result<ExprKind, ExpressionError> {
        let word = self.word();
        let name = self.text[word.clone()].to_lowercase();
        let behind = self.at;
        self.skip_space();
        if self.peek() != Some(b'(') {
            self.at = behind;
            return match name.as_str() {
                "true" => Ok(ExprKind::Bool(true)),
                "false" => Ok(ExprKind::Bool(false)),
                "null" => Ok(ExprKind::Null),
                _ => Err(ExpressionError {
                    message: format!("`{name}` is no call: expected `(`"),
                    at: behind,
                }),
            };
        }
        self.at += 1;
        let mut arguments = Vec::new();
        loop {
            self.skip_space();
            if self.peek() == Some(b')') && arguments.is_empty() {
                break;
            }
            arguments.push(self.expression(depth + 1)?);
            self.skip_space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b')') => break,
                _ => return Err(self.error("expected `,` or `)`")),
            }
        }
        self.at += 1;
        Ok(ExprKind::Call { name, arguments })
    }

    /// `.name`, `?.name`, `[…]` behind an expression. A long chain is one step deeper each time, so it is counted as well.
    fn steps(&mut self, first: Expr, depth: usize) -> Result<Expr, ExpressionError> {
        let mut expression = first;
        for step in depth.. {
            let behind = self.at;
            self.skip_space();
            if self.peek() == Some(b'?') {
                self.at += 1;
            }
            let start = expression.span.start;
            match self.peek() {
                Some(b'.') => {
                    self.at += 1;
                    self.skip_space();
                    let name = self.word();
                    if name.is_empty() {
                        return Err(self.error("expected a name after `.`"));
                    }
                    let name = self.text[name].to_owned();
                    expression = Expr {
                        kind: ExprKind::Member {
                            of: Box::new(expression),
                            name,
                        },
                        span: start..self.at,
                    };
                }
                Some(b'[') => {
                    self.at += 1;
                    let index = self.expression(depth + 1)?;
                    self.skip_space();
                    if self.peek() != Some(b']') {
                        return Err(self.error("expected `]` after the index"));
                    }
                    self.at += 1;
                    let kind = match index.kind {
                        ExprKind::Text => {
                            let name =
                                decode(&self.text[index.span.start + 1..index.span.end - 1]).0;
                            ExprKind::Member {
                                of: Box::new(expression),
                                name,
                            }
                        }
                        _ => ExprKind::Index {
                            of: Box::new(expression),
                            index: Box::new(index),
                        },
                    };
                    expression = Expr {
                        kind,
                        span: start..self.at,
                    };
                }
                _ => {
                    self.at = behind;
                    return Ok(expression);
                }
            }
            if step > DEPTH_MAX {
                return Err(self.error("the chain of names is too long"));
            }
        }
        Ok(expression)
    }
}
