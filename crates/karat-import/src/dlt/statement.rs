//! Statements of a pipeline's SQL, as far as they are those that declare tables.

use std::ops::Range;

use sqlparser::tokenizer::{Token, TokenWithSpan};

use crate::sql::{Lines, Trouble, tokens, tokens_until};

/// What a line between the cells of a notebook is.
const CELL: &str = "-- COMMAND ----------";

/// A statement, and the line that it begins in.
#[derive(Debug)]
pub(crate) struct Statement {
    pub(crate) line: u32,
    pub(crate) what: What,
}

#[derive(Debug)]
pub(crate) enum What {
    Table(Box<Table>),
    Changes(Box<Changes>),
    /// A setting of the session.
    Setting(String),
    /// What declares no table, by its first words, with why.
    Other(String, String),
}

/// `CREATE … TABLE`, `VIEW`, `MATERIALIZED VIEW`.
#[derive(Debug, Default)]
pub(crate) struct Table {
    pub(crate) name: String,
    pub(crate) kind: &'static str,
    pub(crate) comment: Option<String>,
    /// Columns with their types, where they are declared.
    pub(crate) columns: Vec<(String, Option<String>)>,
    pub(crate) constraints: Vec<Constraint>,
    pub(crate) query: Option<Text>,
    /// What is said of it and not taken over, with the line.
    pub(crate) passed: Vec<(u32, String)>,
}

/// `CONSTRAINT … EXPECT (…) ON VIOLATION …`.
#[derive(Clone, Debug)]
pub(crate) struct Constraint {
    pub(crate) name: String,
    pub(crate) expect: String,
    /// `warn`, `drop`, `fail`.
    pub(crate) action: &'static str,
    pub(crate) line: u32,
}

/// A piece of a file, and the line that it begins in.
#[derive(Clone, Debug)]
pub(crate) struct Text {
    pub(crate) text: String,
    pub(crate) line: u32,
}

/// `AUTO CDC INTO`, `APPLY CHANGES INTO`.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    pub(crate) target: String,
    pub(crate) source: String,
    pub(crate) keys: Vec<String>,
    pub(crate) sequence_by: Vec<String>,
    pub(crate) deletes: Option<String>,
    pub(crate) truncates: Option<String>,
    pub(crate) ignores_nulls: bool,
    /// `COLUMNS (a, b)`; none: all but `except`.
    pub(crate) columns: Vec<String>,
    pub(crate) except: Vec<String>,
    pub(crate) scd_type: u8,
    pub(crate) track: Vec<String>,
    pub(crate) track_except: Vec<String>,
}

/// The statements of a file.
pub(crate) fn statements(text: &str) -> Vec<Result<Statement, (u32, Trouble)>> {
    let mut found = Vec::new();
    let mut cell = String::new();
    let mut begins = 1;
    for (nth, line) in text.split_inclusive('\n').enumerate() {
        if line.trim() == CELL {
            of_cell(&std::mem::take(&mut cell), begins, &mut found);
            begins = nth as u32 + 2;
        } else {
            cell.push_str(line);
        }
    }
    of_cell(&cell, begins, &mut found);
    found
}

fn of_cell(cell: &str, begins: u32, found: &mut Vec<Result<Statement, (u32, Trouble)>>) {
    let lines = Lines::new(cell);
    let (all, broken) = tokens_until(cell, &lines);
    let mut words = as_words(all);
    if broken.is_some() {
        // What stands whole before the place is read.
        let last = words
            .iter()
            .rposition(|word| word.token == Token::SemiColon);
        words.truncate(last.unwrap_or(0));
    }
    for own in words.split(|word| word.token == Token::SemiColon) {
        let Some(first) = own.first() else { continue };
        let line = begins + lines.line(first.range.start) - 1;
        let mut read = Read {
            cell,
            lines: &lines,
            begins,
            words: own,
            at: 0,
        };
        found.push(match read.statement() {
            Ok(what) => Ok(Statement { line, what }),
            Err(trouble) => Err((begins + lines.line(trouble.at) - 1, trouble)),
        });
    }
    if let Some(trouble) = broken {
        found.push(Err((begins + lines.line(trouble.at) - 1, trouble)));
    }
}

/// A token that is no blank and no comment.
#[derive(Clone, Debug)]
pub(crate) struct Word {
    pub(crate) range: Range<usize>,
    pub(crate) token: Token,
}

impl Word {
    pub(crate) fn is(&self, word: &str) -> bool {
        matches!(&self.token, Token::Word(found) if found.quote_style.is_none() && found.value.eq_ignore_ascii_case(word))
    }

    /// A name, with or without quotes.
    pub(crate) fn name(&self) -> Option<&str> {
        match &self.token {
            Token::Word(word) => Some(&word.value),
            _ => None,
        }
    }

    /// A text in quotes of either kind.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.token {
            Token::SingleQuotedString(text) | Token::DoubleQuotedString(text) => Some(text),
            Token::Word(word) if word.quote_style == Some('"') => Some(&word.value),
            _ => None,
        }
    }
}

pub(crate) fn words(sql: &str) -> Result<Vec<Word>, Trouble> {
    let lines = Lines::new(sql);
    Ok(as_words(tokens(sql, &lines)?))
}

fn as_words(tokens: Vec<(Range<usize>, TokenWithSpan)>) -> Vec<Word> {
    let words = tokens
        .into_iter()
        .filter(|(_, token)| token.token != Token::EOF)
        .map(|(range, token)| Word {
            range,
            token: token.token,
        });
    words.collect()
}

struct Read<'c> {
    cell: &'c str,
    lines: &'c Lines,
    begins: u32,
    words: &'c [Word],
    at: usize,
}

impl<'c> Read<'c> {
    fn peek(&self, word: &str) -> bool {
        self.words.get(self.at).is_some_and(|found| found.is(word))
    }

    fn takes(&mut self, word: &str) -> bool {
        let found = self.peek(word);
        self.at += usize::from(found);
        found
    }

    /// Several words in a row, or none.
    fn take_all(&mut self, words: &str) -> bool {
        let mut wanted = words.split(' ').enumerate();
        let all = wanted.all(|(nth, word)| {
            self.words
                .get(self.at + nth)
                .is_some_and(|found| found.is(word))
        });
        if all {
            self.at += words.split(' ').count();
        }
        all
    }

    fn place(&self) -> usize {
        let last = self.words.last().map_or(0, |word| word.range.end);
        self.words
            .get(self.at)
            .map_or(last, |word| word.range.start)
    }

    fn line(&self) -> u32 {
        self.begins + self.lines.line(self.place()) - 1
    }

    fn trouble(&self, why: &str) -> Trouble {
        let here = self.words.get(self.at);
        let construct = here.map_or("the end", |word| &self.cell[word.range.clone()]);
        Trouble {
            at: self.place(),
            construct: construct.to_owned(),
            why: why.to_owned(),
            fix: "write it in a karat model".to_owned(),
        }
    }

    /// What is between brackets that open here, as words and as text.
    fn bracketed(&mut self) -> Result<(&'c [Word], Range<usize>), Trouble> {
        let open = self.at;
        if self.words.get(open).map(|word| &word.token) != Some(&Token::LParen) {
            return Err(self.trouble("`(` was to come"));
        }
        let mut depth = 0usize;
        for (nth, word) in self.words.iter().enumerate().skip(open) {
            match word.token {
                Token::LParen => depth += 1,
                Token::RParen => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                self.at = nth + 1;
                let range = self.words[open].range.end..word.range.start;
                return Ok((&self.words[open + 1..nth], range));
            }
        }
        Err(self.trouble("a `(` has no `)`"))
    }

    fn text_of(&self, range: Range<usize>) -> String {
        self.cell[range].trim().to_owned()
    }

    /// A column, or the last part of a name.
    fn name(&mut self) -> Result<String, Trouble> {
        let Some(mut name) = self
            .words
            .get(self.at)
            .and_then(Word::name)
            .map(str::to_owned)
        else {
            return Err(self.trouble("a name was to come"));
        };
        self.at += 1;
        while self.words.get(self.at).map(|word| &word.token) == Some(&Token::Period) {
            self.at += 1;
            name = match self.words.get(self.at).and_then(Word::name) {
                Some(part) => part.to_owned(),
                None => return Err(self.trouble("a name was to come")),
            };
            self.at += 1;
        }
        Ok(name)
    }

    /// A table by all parts of its name, with points between them; `LIVE.` says nothing.
    fn table_name(&mut self) -> Result<String, Trouble> {
        let mut parts: Vec<String> = Vec::new();
        loop {
            match self.words.get(self.at).and_then(Word::name) {
                Some(part) if !part.contains('.') => parts.push(part.to_owned()),
                Some(_) => return Err(self.trouble("a name with a point in it is not taken over")),
                None => return Err(self.trouble("a name was to come")),
            }
            self.at += 1;
            if self.words.get(self.at).map(|word| &word.token) != Some(&Token::Period) {
                break;
            }
            self.at += 1;
        }
        if parts.len() > 1 && parts[0].eq_ignore_ascii_case("live") {
            parts.remove(0);
        }
        Ok(parts.join("."))
    }

    fn statement(&mut self) -> Result<What, Trouble> {
        if self.peek("set") || self.peek("use") {
            let range = self.place()..self.words.last().map_or(0, |word| word.range.end);
            return Ok(What::Setting(self.text_of(range)));
        }
        if self.take_all("apply changes into") || self.take_all("auto cdc into") {
            return self.changes();
        }
        let start = self.at;
        if !self.takes("create") {
            return Ok(self.other("it declares no table"));
        }
        let _ = self.take_all("or refresh") || self.take_all("or replace");
        if self.takes("flow") {
            self.name()?;
            if self.takes("comment") {
                self.at += 1;
            }
            if self.take_all("as auto cdc into") || self.take_all("as apply changes into") {
                return self.changes();
            }
            self.at = start;
            return Ok(self.other("a flow that adds rows to a table of several sources has no place: a karat model has one source of rows"));
        }
        let mut is_streaming = false;
        let kind = loop {
            if self.takes("temporary")
                || self.takes("private")
                || self.takes("live")
                || self.takes("incremental")
            {
                continue;
            }
            if self.takes("streaming") {
                is_streaming = true;
            } else if self.take_all("materialized view") {
                break "materialized view";
            } else if self.takes("table") {
                break if is_streaming {
                    "streaming table"
                } else {
                    "table"
                };
            } else if self.takes("view") {
                break "view";
            } else {
                self.at = start;
                return Ok(self.other("it declares no table"));
            }
        };
        let _ = self.take_all("if not exists");
        let mut table = Table {
            name: self.table_name()?,
            kind,
            ..Table::default()
        };
        if self.words.get(self.at).map(|word| &word.token) == Some(&Token::LParen) {
            let begins = self.at;
            let (inner, _) = self.bracketed()?;
            let after = std::mem::replace(&mut self.at, begins + 1);
            self.definitions(inner.len() + begins + 1, &mut table)?;
            self.at = after;
        }
        self.clauses(&mut table)?;
        Ok(What::Table(Box::new(table)))
    }

    fn other(&self, why: &str) -> What {
        let words: Vec<&str> = self
            .words
            .iter()
            .take(4)
            .map(|word| &self.cell[word.range.clone()])
            .collect();
        What::Other(words.join(" "), why.to_owned())
    }

    /// Columns and constraints, up to the word at `end`.
    fn definitions(&mut self, end: usize, table: &mut Table) -> Result<(), Trouble> {
        while self.at < end {
            let line = self.line();
            let begins = self.at;
            let stops = self.next_comma(end);
            if self.takes("constraint") {
                let name = self.name()?;
                if self.takes("expect") {
                    let (_, range) = self.bracketed()?;
                    let expect = self.text_of(range);
                    let action = match () {
                        () if self.take_all("on violation drop row") => "drop",
                        () if self.take_all("on violation fail update") => "fail",
                        () => "warn",
                    };
                    if self.at < stops {
                        return Err(self.trouble("what is to be done on a violation is not known"));
                    }
                    table.constraints.push(Constraint {
                        name,
                        expect,
                        action,
                        line,
                    });
                } else {
                    table.passed.push((line, format!("constraint {name}")));
                }
            } else {
                let name = self.name()?;
                let from = self.place();
                let mut to = from;
                while self.at < stops
                    && !["not", "comment", "generated", "mask", "default", "primary"]
                        .iter()
                        .any(|word| self.peek(word))
                {
                    to = self.words[self.at].range.end;
                    self.at += 1;
                }
                let data_type = self.text_of(from..to);
                if self.peek("generated") || self.peek("mask") || self.peek("default") {
                    table.passed.push((
                        line,
                        format!("{name} {}", self.words[self.at].name().unwrap_or_default()),
                    ));
                }
                table
                    .columns
                    .push((name, (!data_type.is_empty()).then_some(data_type)));
            }
            debug_assert!(self.at >= begins);
            self.at = stops + 1;
        }
        Ok(())
    }

    /// Where the definition ends that begins here.
    fn next_comma(&self, end: usize) -> usize {
        let mut depth = 0usize;
        for (nth, word) in self.words.iter().enumerate().take(end).skip(self.at) {
            match word.token {
                Token::LParen | Token::Lt => depth += 1,
                Token::RParen | Token::Gt => depth = depth.saturating_sub(1),
                Token::Comma if depth == 0 => return nth,
                _ => {}
            }
        }
        end
    }

    fn clauses(&mut self, table: &mut Table) -> Result<(), Trouble> {
        while self.at < self.words.len() {
            let line = self.line();
            if self.takes("as") {
                let range = self.place()..self.words.last().map_or(0, |word| word.range.end);
                // Comments between `AS` and the SELECT belong to it.
                let text = self.cell[range].to_owned();
                table.query = Some(Text {
                    text,
                    line: self.line(),
                });
                return Ok(());
            }
            if self.takes("comment") {
                table.comment = self
                    .words
                    .get(self.at)
                    .and_then(Word::text)
                    .map(str::to_owned);
                self.at += 1;
            } else if self.takes("tblproperties") {
                self.bracketed()?;
            } else if self.take_all("partitioned by") || self.take_all("cluster by") {
                // Where rows lie is karat's to decide.
                if !self.takes("auto") {
                    self.bracketed()?;
                }
            } else if self.takes("using") {
                self.at += 1;
            } else if self.takes("location") || self.takes("path") {
                self.at += 1;
                table.passed.push((line, "location".to_owned()));
            } else {
                return Err(self.trouble("this clause is not taken over"));
            }
        }
        Ok(())
    }

    /// Names between brackets.
    fn names(&mut self) -> Result<Vec<String>, Trouble> {
        let (words, _) = self.bracketed()?;
        let mut names = Vec::new();
        for part in words.split(|word| word.token == Token::Comma) {
            match part {
                [word] => names.extend(word.name().map(str::to_lowercase)),
                _ => return Err(self.trouble("a list of columns was to come")),
            }
        }
        Ok(names)
    }

    /// The text up to the next clause.
    fn condition(&mut self) -> String {
        const CLAUSES: [&str; 7] = [
            "apply", "sequence", "columns", "stored", "track", "ignore", "keys",
        ];
        let from = self.place();
        let mut to = from;
        let mut depth = 0usize;
        while let Some(word) = self.words.get(self.at) {
            match word.token {
                Token::LParen => depth += 1,
                Token::RParen => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth == 0 && CLAUSES.iter().any(|clause| word.is(clause)) {
                break;
            }
            to = word.range.end;
            self.at += 1;
        }
        self.text_of(from..to)
    }

    fn changes(&mut self) -> Result<What, Trouble> {
        let mut changes = Changes {
            scd_type: 1,
            target: self.table_name()?,
            ..Changes::default()
        };
        if !self.takes("from") {
            return Err(self.trouble("`FROM` was to come"));
        }
        if self.takes("stream")
            && self.words.get(self.at).map(|word| &word.token) == Some(&Token::LParen)
        {
            let begins = self.at + 1;
            self.bracketed()?;
            let after = std::mem::replace(&mut self.at, begins);
            changes.source = self.table_name()?;
            self.at = after;
        } else {
            changes.source = self.table_name()?;
        }
        while self.at < self.words.len() {
            if self.takes("keys") {
                changes.keys = self.names()?;
            } else if self.take_all("ignore null updates") {
                changes.ignores_nulls = true;
            } else if self.take_all("apply as delete when") {
                changes.deletes = Some(self.condition());
            } else if self.take_all("apply as truncate when") {
                changes.truncates = Some(self.condition());
            } else if self.take_all("sequence by") {
                if self.takes("struct") {
                    changes.sequence_by = self.names()?;
                } else {
                    changes.sequence_by = vec![self.name()?.to_lowercase()];
                }
            } else if self.takes("columns") {
                (changes.columns, changes.except) = self.chosen()?;
            } else if self.take_all("stored as scd type") {
                let number = self
                    .words
                    .get(self.at)
                    .map(|word| &self.cell[word.range.clone()]);
                changes.scd_type = match number {
                    Some("1") => 1,
                    Some("2") => 2,
                    _ => return Err(self.trouble("1 or 2 was to come")),
                };
                self.at += 1;
            } else if self.take_all("track history on") {
                (changes.track, changes.track_except) = self.chosen()?;
            } else {
                return Err(self.trouble("this clause is not taken over"));
            }
        }
        if changes.keys.is_empty() || changes.sequence_by.is_empty() {
            return Err(self.trouble("`KEYS` and `SEQUENCE BY` were to come"));
        }
        Ok(What::Changes(Box::new(changes)))
    }

    /// `(a, b)`, or `* EXCEPT (a, b)`.
    fn chosen(&mut self) -> Result<(Vec<String>, Vec<String>), Trouble> {
        if self.words.get(self.at).map(|word| &word.token) != Some(&Token::Mul) {
            return Ok((self.names()?, Vec::new()));
        }
        self.at += 1;
        match self.takes("except") {
            true => Ok((Vec::new(), self.names()?)),
            false => Ok((Vec::new(), Vec::new())),
        }
    }
}
