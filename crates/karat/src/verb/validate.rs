//! `karat validate`: all mistakes of the project at once: first what its files say, then every model's SQL.

use std::path::{Path, PathBuf};

use karat_exact::SqlError;
use karat_pipeline::model_check::{self, Checked, Finding};
use karat_project::{Diagnostic, Place, Project, Severity, TableName};
use serde_json::{Value, json};

use crate::args::Global;
use crate::failure::{Failure, diagnostics_json};
use crate::machine::{self, Moment};
use crate::output::{Voice, counted, print_error};
use crate::site::{self, Opened};

/// Prints the mistakes; 2 if there is one.
pub(crate) fn run(voice: Voice, global: &Global) -> Result<u8, Failure> {
    let root = site::find_root(global)?;
    let loaded = karat_project::load_for(&root, &machine::variable, global.target.as_deref());
    let mut diagnostics = loaded.diagnostics;
    let mut checked = Checked::default();
    let mut models = 0;
    if let Some(project) = loaded.project {
        models = project.models.len();
        let opened = Opened::of(root, project, global, Moment::now(None)?, None);
        checked = check(&opened)?;
        diagnostics.extend(
            checked
                .findings
                .iter()
                .map(|finding| diagnostic(&opened.project, &opened.root, finding)),
        );
        diagnostics.sort_by(|a, b| {
            (&a.file, a.line, a.column, &a.message).cmp(&(&b.file, b.line, b.column, &b.message))
        });
    }
    let errors = diagnostics
        .iter()
        .filter(|found| found.severity == Severity::Error)
        .count();
    if voice.json {
        voice.answer(
            || document(&diagnostics, models, &checked, errors == 0),
            String::new,
        )?;
    }
    if !voice.json || errors > 0 {
        for found in diagnostics
            .iter()
            .filter(|found| found.severity == Severity::Error || !voice.quiet)
        {
            print_error(&format!("{found}\n\n"));
        }
    }
    if !voice.json {
        voice.answer(
            || Value::Null,
            || summary(&diagnostics, models, &checked, errors),
        )?;
    }
    Ok(if errors > 0 { 2 } else { 0 })
}

/// Plans the models that changed since the last time.
fn check(opened: &Opened) -> Result<Checked, Failure> {
    let lake = opened.lake()?;
    let mut journal = opened.journal();
    let known = journal
        .as_ref()
        .and_then(|journal| journal.checked().ok())
        .unwrap_or_default();
    let (engine, _scratch) = opened.engine()?;
    let version = env!("CARGO_PKG_VERSION");
    let checked = model_check::check(
        &opened.project,
        &lake,
        &engine,
        &known,
        version,
        opened.threads,
    );
    if let Some(Err(error)) = journal
        .as_mut()
        .map(|journal| journal.keep_checked(&checked.keys))
    {
        tracing::warn!("{error}");
    }
    Ok(checked)
}

fn document(diagnostics: &[Diagnostic], models: usize, checked: &Checked, ok: bool) -> Value {
    let skipped: Vec<String> = checked.skipped.iter().map(TableName::to_string).collect();
    json!({ "ok": ok, "models": models, "planned": checked.planned, "known": checked.known, "skipped": skipped, "diagnostics": diagnostics_json(diagnostics) })
}

fn summary(diagnostics: &[Diagnostic], models: usize, checked: &Checked, errors: usize) -> String {
    if errors > 0 {
        let warnings = diagnostics.len() - errors;
        let more = if warnings > 0 {
            format!(", {}", counted(warnings as u64, "warning"))
        } else {
            String::new()
        };
        return format!("{}{more}\n", counted(errors as u64, "mistake"));
    }
    let mut text = format!("no mistakes in {}", counted(models as u64, "model"));
    if !checked.skipped.is_empty() {
        let skipped = counted(checked.skipped.len() as u64, "model");
        text.push_str(&format!("; SQL of {skipped} not planned: the columns that it reads are known after the first load"));
    }
    text.push('\n');
    text
}

/// A finding as a person reads it: with its place in a file of the project.
fn diagnostic(project: &Project, root: &Path, finding: &Finding) -> Diagnostic {
    let error = &finding.error;
    let mut found = Diagnostic {
        severity: Severity::Error,
        file: PathBuf::new(),
        line: 0,
        column: 1,
        length: 1,
        message: error.message.clone(),
        hint: error.hint.clone(),
        source_line: String::new(),
    };
    let position = |value: Option<u64>| {
        value
            .and_then(|value| u32::try_from(value).ok())
            .unwrap_or(1)
            .max(1)
    };
    match finding.at {
        Some(at) => {
            found.file = project
                .files
                .get(at.file as usize)
                .cloned()
                .unwrap_or_default();
            (found.line, found.column, found.length) = (at.line, at.column, at.length);
            let line = line_of(root, &found.file, at.line);
            let quoted = line
                .chars()
                .nth(at.column.saturating_sub(1) as usize)
                .is_some_and(|first| matches!(first, '"' | '\''));
            if let (Some(_), 1) = (error.column, position(error.line)) {
                found.column = at.column + u32::from(quoted) + position(error.column) - 1;
                found.length = 1;
            }
        }
        None => {
            found.file = project
                .model(&finding.table)
                .map(|model| model.file.clone())
                .unwrap_or_default();
            // What concerns the SELECT as a whole is shown where the text begins.
            (found.line, found.column) = (position(error.line), position(error.column));
        }
    }
    if found.line > 0 {
        found.source_line = line_of(root, &found.file, found.line);
    }
    found
}

/// An error in the SQL of a gold model, with its place.
pub(crate) fn in_model(
    project: &Project,
    root: &Path,
    table: &str,
    at: Option<Place>,
    error: &SqlError,
) -> Option<Diagnostic> {
    let table: TableName = table.parse().ok()?;
    let model = project.model(&table)?;
    if at.is_none() && matches!(model.kind, karat_project::ModelKind::Silver(_)) {
        return None;
    }
    let error = error.clone();
    Some(diagnostic(project, root, &Finding { table, at, error }))
}

fn line_of(root: &Path, file: &Path, line: u32) -> String {
    std::fs::read_to_string(root.join(file))
        .ok()
        .and_then(|text| {
            text.lines()
                .nth(line.saturating_sub(1) as usize)
                .map(str::to_owned)
        })
        .unwrap_or_default()
}
