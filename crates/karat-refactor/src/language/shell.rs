//! Shell scripts and cells: SQL that is handed to `spark-sql`, `beeline` or `hive`, paths, and comments.
//!
//! A shell has no table names of its own. Texts after `-e` of a SQL client are SQL; words that begin like paths are paths; what is
//! a comment is one. Everything else is left to a person. The words are split by a small lexer of our own, which knows quotes,
//! variables and comments: the grammar of tree-sitter reads memory that is not its own where a script is broken.

use std::ops::Range;
use std::sync::Arc;

use super::Language;
use crate::fragment::{Escape, Fragment, Refusal};
use crate::occurrence::{Means, NotATable};
use crate::reader::Reader;

/// Programs that take SQL on their command line.
const SQL_CLIENTS: &[&str] = &[
    "spark-sql",
    "beeline",
    "hive",
    "dbsqlcli",
    "impala-shell",
    "spark3-sql",
];

/// Reads a script.
pub(crate) fn read(reader: &mut Reader<'_>, fragment: &Arc<Fragment>) {
    let script = Script::of(fragment.text());
    for comment in &script.comments {
        reader.region(
            fragment,
            comment.clone(),
            Means::NotATable(NotATable::Comment),
        );
    }
    for command in &script.commands {
        read_command(reader, fragment, command);
    }
}

fn read_command(reader: &mut Reader<'_>, fragment: &Arc<Fragment>, words: &[Word]) {
    let text = fragment.text();
    let said = |word: &Word| text.get(word.inside.clone()).unwrap_or_default().to_owned();
    let name = words.first().map(said).unwrap_or_default();
    let name = name.rsplit('/').next().unwrap_or_default().to_owned();
    let client = SQL_CLIENTS.contains(&name.as_str());
    for (index, word) in words.iter().enumerate() {
        let option = index
            .checked_sub(1)
            .map(|before| said(&words[before]))
            .unwrap_or_default();
        if client && matches!(option.as_str(), "-e" | "--execute" | "-q" | "-Q") {
            reader.read(&inner(fragment, word), Language::Sql);
        } else if let Some(at) = path_in(&said(word)) {
            let path = Word {
                inside: word.inside.start + at..word.inside.end,
                holes: word.holes.clone(),
            };
            let inside = inner(fragment, &path);
            reader.path(&inside, 0..inside.text().len());
            reader.region(
                fragment,
                path.inside,
                Means::NotATable(NotATable::PathSegment),
            );
        } else if index > 0 && matches!(name.as_str(), "echo" | "printf") {
            reader.region(
                fragment,
                word.inside.clone(),
                Means::NotATable(NotATable::StringData),
            );
        }
    }
}

/// Where a path begins in a word: at its beginning, or behind the `=` of an assignment or option.
fn path_in(word: &str) -> Option<usize> {
    let begins = |text: &str| {
        // A bare `/mnt/…` is a folder of the driver's own disk.
        [
            "/dbfs/", "dbfs:/", "wasb", "abfs", "adl://", "s3://", "s3a://", "gs://",
        ]
        .iter()
        .any(|start| text.starts_with(start))
    };
    if begins(word) {
        return Some(0);
    }
    let behind = word.find('=')? + 1;
    begins(&word[behind..]).then_some(behind)
}

/// A word without its quotes, and what in it is decided at run time.
struct Word {
    inside: Range<usize>,
    holes: Vec<Range<usize>>,
}

/// A script as words.
#[derive(Default)]
struct Script {
    commands: Vec<Vec<Word>>,
    comments: Vec<Range<usize>>,
}

impl Script {
    fn of(text: &str) -> Self {
        let mut script = Self::default();
        let mut command: Vec<Word> = Vec::new();
        let mut at = 0;
        while let Some(letter) = text[at..].chars().next() {
            match letter {
                '\n' | ';' | '|' | '&' | '(' | ')' | '{' | '}' => {
                    at += 1;
                    // Braces and brackets group commands; what stands before them is one, too.
                    if !command.is_empty() {
                        script.commands.push(std::mem::take(&mut command));
                    }
                }
                '\\' if text[at + 1..].starts_with('\n') => at += 2,
                letter if letter.is_whitespace() => at += letter.len_utf8(),
                '#' => {
                    let end = text[at..]
                        .find('\n')
                        .map_or(text.len(), |length| at + length);
                    script.comments.push(at..end);
                    at = end;
                }
                _ => {
                    let (word, end) = word(text, at);
                    command.push(word);
                    at = end.max(at + letter.len_utf8());
                }
            }
        }
        if !command.is_empty() {
            script.commands.push(command);
        }
        script
    }
}

/// The word that begins at `start`, and where it ends. A word that is one quoted text is that text; a word of several parts stays whole,
/// quotes are holes in it.
fn word(text: &str, start: usize) -> (Word, usize) {
    let mut holes = Vec::new();
    let mut at = start;
    let mut quoted: Vec<Range<usize>> = Vec::new();
    while let Some(letter) = text[at..].chars().next() {
        match letter {
            '\'' | '"' => {
                let end = end_of_quote(text, at, letter, &mut holes);
                quoted.push(at..end);
                at = end;
            }
            '$' | '`' => {
                let end = end_of_value(text, at);
                holes.push(at..end);
                at = end;
            }
            '\\' => {
                let escaped = text[at + 1..].chars().next().map_or(0, char::len_utf8);
                holes.push(at..at + 1 + escaped);
                at += 1 + escaped;
            }
            ';' | '|' | '&' | '(' | ')' => break,
            letter if letter.is_whitespace() => break,
            letter => at += letter.len_utf8(),
        }
    }
    match quoted.as_slice() {
        [only] if *only == (start..at) && at - start >= 2 => (
            Word {
                inside: start + 1..at - 1,
                holes,
            },
            at,
        ),
        _ => {
            holes.extend(quoted);
            holes.sort_by_key(|hole| (hole.start, hole.end));
            (
                Word {
                    inside: start..at,
                    holes,
                },
                at,
            )
        }
    }
}

/// Where a quoted text ends, its closing quote included; values in it are holes.
fn end_of_quote(text: &str, start: usize, quote: char, holes: &mut Vec<Range<usize>>) -> usize {
    let mut at = start + 1;
    while let Some(letter) = text[at..].chars().next() {
        if letter == quote {
            return at + 1;
        }
        if quote == '"' && matches!(letter, '$' | '`') {
            let end = end_of_value(text, at);
            holes.push(at..end);
            at = end;
        } else if quote == '"' && letter == '\\' {
            let escaped = text[at + 1..].chars().next().map_or(0, char::len_utf8);
            holes.push(at..at + 1 + escaped);
            at += 1 + escaped;
        } else {
            at += letter.len_utf8();
        }
    }
    text.len()
}

/// Where `$x`, `${x}`, `$(…)` or a text in backticks ends.
fn end_of_value(text: &str, start: usize) -> usize {
    let rest = &text[start + 1..];
    let until = |close: char, from: usize| {
        rest[from..]
            .find(close)
            .map_or(text.len(), |length| start + 1 + from + length + 1)
    };
    if text[start..].starts_with('`') {
        return until('`', 0);
    }
    match rest.chars().next() {
        Some('{') => until('}', 1),
        Some('(') => until(')', 1),
        Some(letter) if letter.is_alphanumeric() || letter == '_' => {
            let length = rest
                .find(|letter: char| !(letter.is_alphanumeric() || letter == '_'))
                .unwrap_or(rest.len());
            start + 1 + length
        }
        Some(letter) if "@*#?$!-".contains(letter) => start + 2,
        _ => start + 1,
    }
}

/// Only letters that no shell reads otherwise, in quotes or without.
#[derive(Debug)]
struct Harmless;

impl Escape for Harmless {
    fn escape(&self, text: &str) -> Result<String, Refusal> {
        let harmless = |letter: char| {
            letter.is_alphanumeric()
                || matches!(letter, '_' | '.' | '/' | ':' | '-' | '@' | '+' | '=')
        };
        match text.chars().find(|letter| !harmless(*letter)) {
            Some(letter) => Err(Refusal(format!("a shell may read {letter} in another way"))),
            None => Ok(text.to_owned()),
        }
    }
}

/// The fragment of a text, with its variables as holes.
fn inner(fragment: &Arc<Fragment>, word: &Word) -> Arc<Fragment> {
    let mut builder = fragment.inside("shell text");
    let range = word.inside.clone();
    builder.escape(&Harmless);
    let mut at = range.start;
    for hole in word
        .holes
        .iter()
        .filter(|hole| hole.start >= range.start && hole.end <= range.end)
    {
        if hole.start < at {
            continue;
        }
        builder.verbatim(at..hole.start);
        let what = fragment
            .text()
            .get(hole.clone())
            .unwrap_or_default()
            .to_owned();
        builder.hole(hole.clone(), Vec::new(), &what);
        at = hole.end;
    }
    if at < range.end {
        builder.verbatim(at..range.end);
    }
    builder.build()
}
