//! Why a command failed: message, causes, hint and exit code (H1, H2).

use std::error::Error;
use std::path::{Path, PathBuf};

use karat_exact::{ExactError, SqlError, SqlErrorKind};
use karat_lake::LakeError;
use karat_pipeline::PipelineError;
use karat_project::{Diagnostic, Severity};
use karat_receipt::ReceiptError;
use karat_source::SourceError;
use serde_json::{Value, json};

/// The binary's one error.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// What was asked for makes no sense.
    #[error("{what}")]
    Usage {
        /// What is wrong.
        what: String,
        /// What to do.
        hint: String,
    },
    /// Something is not as it should be and needs a person.
    #[error("{what}")]
    NeedsPerson {
        /// What it is.
        what: String,
        /// What to do.
        hint: String,
    },
    /// The project has mistakes.
    #[error("the project has {} mistake{}", .0.len(), if .0.len() == 1 { "" } else { "s" })]
    Project(Vec<Diagnostic>),
    /// A query cannot be planned.
    #[error("{error}")]
    Sql {
        /// Its text.
        sql: String,
        /// What is wrong with it.
        error: SqlError,
    },
    /// The pipeline failed.
    #[error(transparent)]
    Pipeline(#[from] PipelineError),
    /// A file of our own could not be read or written.
    #[error("cannot {doing} `{}`", path.display())]
    Io {
        /// A verb.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Ctrl-C.
    #[error("given up")]
    Interrupted,
    /// Stdout is gone or full.
    #[error("cannot write to stdout")]
    Stdout(#[source] std::io::Error),
    /// The demo cannot be told.
    #[error(transparent)]
    Demo(#[from] crate::demo::DemoError),
}

impl From<LakeError> for Failure {
    fn from(error: LakeError) -> Self {
        Self::Pipeline(error.into())
    }
}

impl From<ExactError> for Failure {
    fn from(error: ExactError) -> Self {
        Self::Pipeline(error.into())
    }
}

impl From<SourceError> for Failure {
    fn from(error: SourceError) -> Self {
        Self::Pipeline(error.into())
    }
}

impl From<ReceiptError> for Failure {
    fn from(error: ReceiptError) -> Self {
        Self::Pipeline(error.into())
    }
}

impl Failure {
    /// A mistake in what was typed.
    pub(crate) fn usage(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Usage {
            what: what.into(),
            hint: hint.into(),
        }
    }

    /// Trouble with a file of our own.
    pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io {
            doing,
            path,
            source,
        }
    }

    /// The exit code of H1.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Usage { .. } | Self::Project(_) | Self::Sql { .. } => 2,
            Self::NeedsPerson { .. } => 1,
            Self::Pipeline(error) => error.exit_code(),
            Self::Io { source, .. } if source.kind() == std::io::ErrorKind::PermissionDenied => 4,
            Self::Io { .. } | Self::Interrupted | Self::Stdout(_) => 3,
            Self::Demo(error) => error.exit_code(),
        }
    }

    /// Whoever read stdout has had enough (`karat query … | head`): nothing to complain about.
    pub(crate) fn reader_is_gone(&self) -> bool {
        matches!(self, Self::Stdout(error) if error.kind() == std::io::ErrorKind::BrokenPipe)
    }

    /// What to do next.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::Usage { hint, .. } | Self::NeedsPerson { hint, .. } => {
                Some(hint.clone()).filter(|hint| !hint.is_empty())
            }
            Self::Project(_) => {
                Some("`karat validate` lists them, and what is wrong in SQL".to_owned())
            }
            Self::Sql { error, .. } => error.hint.clone(),
            Self::Pipeline(error) => error.hint(),
            Self::Io { path, source, .. } => io_hint(path, source),
            Self::Interrupted | Self::Stdout(_) => None,
            Self::Demo(error) => error.hint(),
        }
    }

    /// What a person reads on stderr.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        match self {
            Self::Project(diagnostics) => {
                for diagnostic in diagnostics {
                    text.push_str(&format!("{diagnostic}\n\n"));
                }
            }
            Self::Sql { sql, error } => {
                text.push_str(&format!("error: {error}\n{}", caret(sql, error)));
                if let Some(hint) = &error.hint {
                    text.push_str(&format!("hint: {hint}\n"));
                }
                return text;
            }
            _ => {}
        }
        text.push_str(&error_text(self, self.hint()));
        text
    }

    /// The same for scripts.
    pub(crate) fn json(&self) -> Value {
        let mut error = error_json(self, self.hint(), self.exit_code());
        if let Self::Project(diagnostics) = self {
            error["diagnostics"] = diagnostics_json(diagnostics);
        }
        if let Self::Sql { error: found, .. } = self {
            error["kind"] = json!(match found.kind {
                SqlErrorKind::Syntax => "syntax",
                SqlErrorKind::Name => "name",
                SqlErrorKind::Type => "type",
                SqlErrorKind::Refused => "refused",
            });
        }
        json!({ "error": error })
    }
}

/// What to do about trouble with a file of our own.
fn io_hint(path: &Path, error: &std::io::Error) -> Option<String> {
    use std::io::ErrorKind;
    // Linux and macOS have no kind for these: too many files of this process, of the machine.
    const TOO_MANY_FILES: [i32; 2] = [24, 23];
    let is_temporary = path.starts_with(std::env::temp_dir());
    let hint = match error.kind() {
        _ if cfg!(unix)
            && error
                .raw_os_error()
                .is_some_and(|code| TOO_MANY_FILES.contains(&code)) =>
        {
            "raise the limit of open files (`ulimit -n 4096`), or use fewer `--threads`"
        }
        _ if is_temporary => "name a folder that this user can write to with the variable TMPDIR",
        ErrorKind::PermissionDenied => "give this user the right to do so, or name another place",
        ErrorKind::ReadOnlyFilesystem => "name a place that can be written to",
        ErrorKind::NotFound => "check the path: it, or a folder on the way to it, is not there",
        ErrorKind::NotADirectory => {
            "check the path: a part of it that should be a folder is a file"
        }
        ErrorKind::IsADirectory => "check the path: it is a folder, and a file is wanted",
        ErrorKind::AlreadyExists => "name another place",
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            "make room on the disk, then do it again"
        }
        ErrorKind::InvalidData => "the file must be UTF-8 text",
        _ => return None,
    };
    Some(hint.to_owned())
}

/// What is wrong with a project, for scripts.
pub(crate) fn diagnostics_json(diagnostics: &[Diagnostic]) -> Value {
    let found = diagnostics.iter().map(|found| {
        json!({
            "severity": match found.severity { Severity::Error => "error", Severity::Warning => "warning" },
            "file": found.file.display().to_string().replace('\\', "/"), "line": found.line, "column": found.column,
            "length": found.length, "message": found.message, "hint": found.hint,
        })
    });
    found.collect()
}

/// Message, causes, hint.
pub(crate) fn error_text(error: &(dyn Error + 'static), hint: Option<String>) -> String {
    let mut text = format!("error: {error}\n");
    for cause in causes(error) {
        text.push_str(&format!("  caused by: {cause}\n"));
    }
    if let Some(hint) = hint {
        text.push_str(&format!("hint: {hint}\n"));
    }
    text
}

/// Message, causes, hint and code as JSON.
pub(crate) fn error_json(
    error: &(dyn Error + 'static),
    hint: Option<String>,
    exit_code: u8,
) -> Value {
    json!({ "message": error.to_string(), "causes": causes(error), "hint": hint, "exit_code": exit_code })
}

/// The chain of causes, without those that only repeat what was said.
fn causes(error: &(dyn Error + 'static)) -> Vec<String> {
    let mut said = vec![error.to_string()];
    let mut next = error.source();
    while let Some(cause) = next {
        let text = cause.to_string();
        if !said.iter().any(|before| before.contains(&text)) {
            said.push(text);
        }
        next = cause.source();
    }
    said.split_off(1)
}

/// The line of a query with a caret under the mistake; empty if its place is not known.
fn caret(sql: &str, error: &SqlError) -> String {
    let (Some(line), Some(column)) = (error.line, error.column) else {
        return String::new();
    };
    let Some(text) = usize::try_from(line)
        .ok()
        .and_then(|line| sql.lines().nth(line.saturating_sub(1)))
    else {
        return String::new();
    };
    let gutter = " ".repeat(line.to_string().len());
    let before: String = text
        .chars()
        .take(usize::try_from(column).unwrap_or(1).saturating_sub(1))
        .map(|c| if c == '\t' { '\t' } else { ' ' })
        .collect();
    format!(
        "{gutter}--> line {line}, column {column}\n{gutter} |\n{line} | {text}\n{gutter} | {before}^\n"
    )
}
