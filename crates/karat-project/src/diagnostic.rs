//! What is wrong, where, and what to do: values while we look, text in the end.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use karat_sql::{Expression, SqlTextError};

/// How bad it is: an error stops a run, a warning does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The project cannot be used as it is.
    Error,
    /// Worth a look.
    Warning,
}

/// One mistake in a project. Its `Display` is what a person reads, with the source line and a caret, without a line end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// The file, relative to the project folder.
    pub file: PathBuf,
    /// Line, from 1; 0 if it concerns the file as a whole.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// Number of characters to mark.
    pub length: u32,
    /// What is wrong. Never holds a secret or a row value.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
    /// The line as it stands in the file (what may be a secret is masked); empty if there is none.
    pub source_line: String,
}

/// Longest piece of a source line that is printed.
const SHOWN_MAX: usize = 120;

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        write!(f, "{severity}: {}", self.message)?;
        let file = self.file.display().to_string().replace('\\', "/");
        if self.line == 0 {
            write!(f, "\n --> {file}")?;
            if let Some(hint) = &self.hint {
                write!(f, "\n  = hint: {hint}")?;
            }
            return Ok(());
        }
        let number = self.line.to_string();
        let gutter = " ".repeat(number.len());
        write!(f, "\n{gutter}--> {file}:{}:{}", self.line, self.column)?;
        if !self.source_line.trim().is_empty() {
            let (shown, before, marked) = self.window();
            write!(
                f,
                "\n{gutter} |\n{number} | {shown}\n{gutter} | {}{}",
                before,
                "^".repeat(marked)
            )?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\n{gutter} = hint: {hint}")?;
        }
        Ok(())
    }
}

impl Diagnostic {
    /// The part of the line around the mark, the blanks before the caret, and the caret's width.
    fn window(&self) -> (String, String, usize) {
        let line: Vec<char> = self
            .source_line
            .trim_end()
            .chars()
            .map(|c| {
                if c.is_control() && c != '\t' {
                    '\u{fffd}'
                } else {
                    c
                }
            })
            .collect();
        let mark = (self.column.max(1) as usize - 1).min(line.len());
        let from = if line.len() <= SHOWN_MAX {
            0
        } else {
            mark.saturating_sub(SHOWN_MAX / 2)
                .min(line.len() - SHOWN_MAX)
        };
        let to = line.len().min(from + SHOWN_MAX);
        let head = if from > 0 { "…" } else { "" };
        let tail = if to < line.len() { "…" } else { "" };
        let shown: String = line[from..to].iter().collect();
        let before: String = line[from..mark]
            .iter()
            .map(|c| if *c == '\t' { '\t' } else { ' ' })
            .collect();
        let marked = (self.length.max(1) as usize).min((to - mark).max(1));
        (
            format!("{head}{shown}{tail}"),
            format!("{}{before}", " ".repeat(head.chars().count())),
            marked,
        )
    }
}

/// A place in a file of the project.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Index into the list of files that were read.
    pub file: u32,
    /// Line, from 1; 0 for the file as a whole.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// Number of characters.
    pub length: u32,
}

impl Place {
    pub(crate) fn start(file: u32) -> Place {
        Place {
            file,
            line: 1,
            column: 1,
            length: 1,
        }
    }

    pub(crate) fn whole(file: u32) -> Place {
        Place {
            file,
            line: 0,
            column: 0,
            length: 0,
        }
    }
}

/// The files of a project, and what was found wrong in them.
#[derive(Debug, Default)]
pub(crate) struct Reporter {
    /// Shared with the forks.
    files: Arc<Vec<SourceFile>>,
    found: Vec<(Place, Severity, String, Option<String>)>,
    /// The expressions understood so far, by their text: models repeat one another's, and parsing is most of the work.
    expressions: HashMap<String, Arc<Expression>>,
}

#[derive(Debug)]
struct SourceFile {
    path: PathBuf,
    text: String,
}

impl Reporter {
    pub(crate) fn add_file(&mut self, path: &Path, text: String) -> u32 {
        Arc::get_mut(&mut self.files)
            .expect("files are added before the work is shared out")
            .push(SourceFile {
                path: path.to_path_buf(),
                text,
            });
        self.files.len() as u32 - 1
    }

    /// A reporter of the same files for another thread; [`Reporter::join`] brings back what it found.
    pub(crate) fn fork(&self) -> Reporter {
        Reporter {
            files: Arc::clone(&self.files),
            ..Reporter::default()
        }
    }

    pub(crate) fn join(&mut self, fork: Reporter) {
        self.found.extend(fork.found);
    }

    /// The same where a place in the fork is another one here.
    pub(crate) fn join_moved(&mut self, fork: Reporter, moved: impl Fn(Place) -> Place) {
        let found = fork.found.into_iter();
        self.found.extend(
            found.map(|(at, severity, message, hint)| (moved(at), severity, message, hint)),
        );
    }

    pub(crate) fn path(&self, file: u32) -> &Path {
        &self.files[file as usize].path
    }

    pub(crate) fn text(&self, file: u32) -> &str {
        &self.files[file as usize].text
    }

    /// The expression of a text; one that stood elsewhere in the project is not parsed again.
    pub(crate) fn expression(&mut self, sql: &str) -> Result<Arc<Expression>, SqlTextError> {
        if let Some(known) = self.expressions.get(sql) {
            return Ok(Arc::clone(known));
        }
        let parsed = Arc::new(Expression::parse(sql)?);
        self.expressions
            .insert(sql.to_string(), Arc::clone(&parsed));
        Ok(parsed)
    }

    pub(crate) fn error(&mut self, at: Place, message: impl Into<String>, hint: impl Into<String>) {
        self.add(at, Severity::Error, message.into(), hint.into());
    }

    pub(crate) fn warning(
        &mut self,
        at: Place,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.add(at, Severity::Warning, message.into(), hint.into());
    }

    fn add(&mut self, at: Place, severity: Severity, message: String, hint: String) {
        self.found.push((
            at,
            severity,
            message,
            Some(hint).filter(|hint| !hint.is_empty()),
        ));
    }

    pub(crate) fn has_errors(&self) -> bool {
        self.errors().next().is_some()
    }

    /// The files that an error stands in.
    pub(crate) fn files_with_errors(&self) -> BTreeSet<u32> {
        self.errors().map(|at| at.file).collect()
    }

    /// Line and column of the errors in a file.
    pub(crate) fn errors_in(&self, file: u32) -> BTreeSet<(u32, u32)> {
        self.errors()
            .filter(|at| at.file == file)
            .map(|at| (at.line, at.column))
            .collect()
    }

    fn errors(&self) -> impl Iterator<Item = Place> {
        self.found
            .iter()
            .filter(|(_, severity, ..)| *severity == Severity::Error)
            .map(|(at, ..)| *at)
    }

    /// Everything found, by file, line and column.
    pub(crate) fn finish(self) -> (Vec<Diagnostic>, Vec<PathBuf>) {
        let files = self.files;
        let mut diagnostics: Vec<Diagnostic> = self
            .found
            .into_iter()
            .map(|(at, severity, message, hint)| {
                let file = &files[at.file as usize];
                let line = match at.line {
                    0 => "",
                    line => file
                        .text
                        .split('\n')
                        .nth(line as usize - 1)
                        .unwrap_or("")
                        .trim_end_matches('\r'),
                };
                Diagnostic {
                    severity,
                    file: file.path.clone(),
                    line: at.line,
                    column: at.column,
                    length: at.length,
                    message,
                    hint,
                    source_line: shown_line(&file.path, line),
                }
            })
            .collect();
        diagnostics.sort_by(|a, b| {
            (&a.file, a.line, a.column, &a.message, &a.hint)
                .cmp(&(&b.file, b.line, b.column, &b.message, &b.hint))
        });
        diagnostics.dedup();
        (
            diagnostics,
            files.iter().map(|file| file.path.clone()).collect(),
        )
    }
}

/// Whether values of this file of a project may be secrets.
fn may_hold_secrets(path: &Path) -> bool {
    path == Path::new("karat.yaml")
}

/// A line of a file of the project as it may be shown.
pub fn shown_line(file: &Path, line: &str) -> String {
    match may_hold_secrets(file) {
        true => without_secrets(line),
        false => line.to_string(),
    }
}

/// Masks what may be a secret, letter by letter so that the caret still fits: credentials in a URL, and the value of a key
/// whose name says that it is one.
fn without_secrets(line: &str) -> String {
    const NAMES: [&str; 9] = [
        "password",
        "passwd",
        "pwd",
        "secret",
        "token",
        "dsn",
        "credential",
        "sas",
        "key",
    ];
    let mut shown: Vec<char> = line.chars().collect();
    // Keeps the number of characters, so that positions in `lower` are positions in `shown`.
    let lower: Vec<char> = shown.iter().map(|c| c.to_ascii_lowercase()).collect();
    for (colon, _) in lower.iter().enumerate().filter(|(_, c)| **c == ':') {
        let word: String = lower[..colon]
            .iter()
            .rev()
            .skip_while(|c| matches!(c, '"' | '\'' | ' '))
            .take_while(|c| c.is_alphanumeric() || matches!(c, '_' | '-'))
            .collect::<Vec<_>>()
            .into_iter()
            .rev()
            .collect();
        // A rule of silver models, not a key of anything.
        if word != "key_not_null" && NAMES.iter().any(|name| word.contains(name)) {
            mask_value(&mut shown, colon + 1);
        }
        if lower.get(colon + 1..colon + 3) == Some(&['/', '/']) {
            let rest = colon + 3;
            let end = lower[rest..]
                .iter()
                .position(|c| c.is_whitespace() || matches!(c, '"' | '\''))
                .map_or(lower.len(), |n| rest + n);
            if let Some(sign) = lower[rest..end].iter().rposition(|c| *c == '@') {
                shown[rest..rest + sign].fill('*');
            }
        }
    }
    shown.into_iter().collect()
}

fn mask_value(shown: &mut [char], from: usize) {
    let Some(start) = shown[from..]
        .iter()
        .position(|c| *c != ' ')
        .map(|n| from + n)
    else {
        return;
    };
    let quote = Some(shown[start]).filter(|c| matches!(c, '"' | '\''));
    let inner = start + usize::from(quote.is_some());
    let text: String = shown[inner..].iter().collect();
    if text.starts_with("${") || text.starts_with(['{', '[']) {
        return;
    }
    let end = match quote {
        Some(quote) => shown[inner..].iter().position(|c| *c == quote),
        None => shown[inner..]
            .iter()
            .position(|c| matches!(c, ',' | '}' | ' ')),
    };
    let end = end.map_or(shown.len(), |n| inner + n);
    shown[inner..end].fill('*');
}
