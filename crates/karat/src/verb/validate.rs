//! `karat validate`: all mistakes of the project at once: what its files say, every model's SQL, and feeds that name nothing.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use karat_exact::SqlError;
use karat_lake::Lake;
use karat_pipeline::absent::{self, Absence};
use karat_pipeline::inventories::Inventories;
use karat_pipeline::model_check::{self, Checked, Finding};
use karat_pipeline::undated::{self, Undated};
use karat_pipeline::untyped::{self, Untyped};
use karat_project::{
    Diagnostic, Model, ModelKind, Partial, Place, Project, Severity, Standings, TableName,
    place_in_text, shown_line,
};
use serde_json::{Value, json};

use crate::args::{GivenArgs, Global};
use crate::failure::{Failure, diagnostics_json};
use crate::machine::{self, Moment};
use crate::output::{Voice, counted, print_error};
use crate::site::{self, Opened};

/// Prints the mistakes; 2 if there is one.
pub(crate) fn run(voice: Voice, global: &Global, given: &GivenArgs) -> Result<u8, Failure> {
    let root = site::find_root(global)?;
    let loaded = karat_project::load_for(&root, &machine::variable, global.target.as_deref());
    let models = loaded.partial.project().models.len();
    let mut diagnostics = loaded.diagnostics;
    let checked = look(root, loaded.partial, (global, given), &mut diagnostics)?;
    let errors = count_errors(&diagnostics);
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

/// The mistakes of a project elsewhere.
pub(crate) fn mistakes(root: &Path, global: &Global) -> Result<Vec<Diagnostic>, Failure> {
    let loaded = karat_project::load(root, &machine::variable);
    let mut diagnostics = loaded.diagnostics;
    let global = Global {
        target: None,
        ..global.clone()
    };
    look(
        root.to_path_buf(),
        loaded.partial,
        (&global, &GivenArgs::default()),
        &mut diagnostics,
    )?;
    diagnostics.retain(|found| found.severity == Severity::Error);
    Ok(diagnostics)
}

fn count_errors(diagnostics: &[Diagnostic]) -> usize {
    diagnostics
        .iter()
        .filter(|found| found.severity == Severity::Error)
        .count()
}

/// Plans the models that changed since the last time, and looks for what feeds name; adds what is wrong to the mistakes of the files.
fn look(
    root: PathBuf,
    partial: Partial,
    (global, given): (&Global, &GivenArgs),
    diagnostics: &mut Vec<Diagnostic>,
) -> Result<Checked, Failure> {
    let mistaken = count_errors(diagnostics) > 0;
    let mut lines = Lines::new(&root);
    let (mut project, standings) = partial.split();
    if let Some(unknown) = unknown_time_zone(&project, &mut lines) {
        diagnostics.push(unknown);
        project.timezone = "UTC".to_owned();
    }
    let opened = Opened::of(root, project, global, Moment::now(None)?, None).given(given)?;
    let lake = match opened.lake() {
        Ok(lake) => Some(lake),
        // Its mistake is told already.
        Err(_) if mistaken => None,
        Err(failure) => return Err(failure),
    };
    let checked = check(&opened, &standings, lake.as_ref())?;
    let told = Told::of(diagnostics);
    for finding in &checked.findings {
        let found = diagnostic(&opened.project, &mut lines, finding);
        if !told.has(&found) {
            diagnostics.push(found);
        }
    }
    let sources = opened.sources();
    let mut inventories = Inventories::of(sources.as_ref());
    let absences = absent::absent(&opened.project, &mut inventories, opened.project.feeds());
    let undated = undated::undated(&opened.project, &mut inventories);
    let untyped = untyped::untyped(&opened.project, &mut inventories);
    let absences = absences.into_iter().map(
        |Absence {
             at, message, hint, ..
         }| (at, message, hint),
    );
    let undated = undated
        .into_iter()
        .map(|Undated { at, message, hint }| (at, message, Some(hint)));
    let untyped = untyped
        .into_iter()
        .map(|Untyped { at, message, hint }| (at, message, Some(hint)));
    for (at, message, hint) in absences.chain(undated).chain(untyped) {
        diagnostics.push(warning(&opened.project, &mut lines, at, message, hint));
    }
    diagnostics.sort_by(|a, b| {
        (&a.file, a.line, a.column, &a.message).cmp(&(&b.file, b.line, b.column, &b.message))
    });
    // The process ends with this verb: to give ten thousand models back piece by piece would take a tenth of its time.
    std::mem::forget(opened);
    Ok(checked)
}

/// Plans the models that changed since the last time.
fn check(opened: &Opened, standings: &Standings, lake: Option<&Lake>) -> Result<Checked, Failure> {
    let mut journal = opened.journal();
    let known = journal
        .as_ref()
        .and_then(|journal| journal.checked().ok())
        .unwrap_or_default();
    let (engine, _scratch) = opened.engine()?;
    let engine = engine.given(opened.given.parameters_to_look_at(&opened.project)?);
    // A text may be one with a value, and none with another.
    let version = format!("{} {:?}", env!("CARGO_PKG_VERSION"), opened.given.values());
    let checked = model_check::check(
        &opened.project,
        standings,
        lake,
        &engine,
        &known,
        &version,
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

/// Only the engine's tables know all names.
fn unknown_time_zone(project: &Project, lines: &mut Lines) -> Option<Diagnostic> {
    let error = karat_exact::check_time_zone(&project.timezone).err()?;
    Some(placed(
        project,
        lines,
        project.timezone_at?,
        Said {
            severity: Severity::Error,
            message: error.to_string(),
            hint: error.hint(),
        },
    ))
}

fn warning(
    project: &Project,
    lines: &mut Lines,
    at: Place,
    message: String,
    hint: Option<String>,
) -> Diagnostic {
    let said = Said {
        severity: Severity::Warning,
        message,
        hint,
    };
    placed(project, lines, at, said)
}

/// Where mistakes were told: who plans the same text finds some of them again.
struct Told(HashMap<(PathBuf, u32), Vec<(u32, u32)>>);

impl Told {
    fn of(diagnostics: &[Diagnostic]) -> Self {
        let mut told: HashMap<(PathBuf, u32), Vec<(u32, u32)>> = HashMap::new();
        for found in diagnostics {
            let places = told.entry((found.file.clone(), found.line)).or_default();
            places.push((found.column, found.column + found.length.max(1)));
        }
        Self(told)
    }

    fn has(&self, found: &Diagnostic) -> bool {
        let places = self.0.get(&(found.file.clone(), found.line));
        places.is_some_and(|places| {
            places
                .iter()
                .any(|(first, behind)| (*first..*behind).contains(&found.column))
        })
    }
}

/// Lines of the project's files, each file read once.
pub(crate) struct Lines {
    root: PathBuf,
    texts: BTreeMap<PathBuf, String>,
}

impl Lines {
    pub(crate) fn new(root: &Path) -> Self {
        Self {
            root: root.to_path_buf(),
            texts: BTreeMap::new(),
        }
    }

    fn text(&mut self, file: &Path) -> &str {
        if !self.texts.contains_key(file) {
            let text = std::fs::read_to_string(self.root.join(file)).unwrap_or_default();
            let text = text
                .strip_prefix('\u{feff}')
                .map(str::to_owned)
                .unwrap_or(text);
            self.texts.insert(file.to_path_buf(), text);
        }
        self.texts.get(file).map_or("", String::as_str)
    }

    fn line(&mut self, file: &Path, line: u32) -> String {
        let Some(nth) = line.checked_sub(1) else {
            return String::new();
        };
        let line = self
            .text(file)
            .lines()
            .nth(nth as usize)
            .unwrap_or_default();
        shown_line(file, line)
    }
}

fn document(diagnostics: &[Diagnostic], models: usize, checked: &Checked, ok: bool) -> Value {
    let skipped: Vec<String> = checked.skipped.iter().map(TableName::to_string).collect();
    json!({ "ok": ok, "models": models, "planned": checked.planned, "known": checked.known, "skipped": skipped, "diagnostics": diagnostics_json(diagnostics) })
}

/// As many models that were not planned are named.
const SKIPPED_NAMED: usize = 3;

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
        let skipped = match checked.skipped.as_slice() {
            few if few.len() <= SKIPPED_NAMED => {
                let names: Vec<String> = few.iter().map(|name| format!("`{name}`")).collect();
                names.join(", ")
            }
            many => counted(many.len() as u64, "model"),
        };
        text.push_str(&format!("; SQL of {skipped} not planned: the columns that it reads are known after the first load"));
    }
    text.push('\n');
    text
}

struct Said {
    severity: Severity,
    message: String,
    hint: Option<String>,
}

/// What is said, at a place in a file of the project.
fn placed(project: &Project, lines: &mut Lines, at: Place, said: Said) -> Diagnostic {
    let file = project
        .files
        .get(at.file as usize)
        .cloned()
        .unwrap_or_default();
    at_line(file, lines, at, said)
}

fn at_line(file: PathBuf, lines: &mut Lines, at: Place, said: Said) -> Diagnostic {
    let source_line = lines.line(&file, at.line);
    Diagnostic {
        severity: said.severity,
        file,
        line: at.line,
        column: at.column,
        length: at.length,
        message: said.message,
        hint: said.hint,
        source_line,
    }
}

/// A finding as a person reads it: with its place in a file of the project.
fn diagnostic(project: &Project, lines: &mut Lines, finding: &Finding) -> Diagnostic {
    let error = &finding.error;
    let said = Said {
        severity: Severity::Error,
        message: error.message.clone(),
        hint: error.hint.clone(),
    };
    let position = |value: Option<u64>| value.and_then(|value| u32::try_from(value).ok());
    let within = position(error.line).zip(position(error.column));
    let model = project.model(&finding.table);
    match finding.at {
        Some(at) => {
            let Some(((line, column), text)) = within.zip(model.and_then(|it| text_at(it, at)))
            else {
                return placed(project, lines, at, said);
            };
            let file = project
                .files
                .get(at.file as usize)
                .cloned()
                .unwrap_or_default();
            let at = place_in_text(at, text, lines.text(&file), line, column);
            let length = word_length(&lines.line(&file, at.line), at.column);
            placed(project, lines, Place { length, ..at }, said)
        }
        None => {
            let file = model.map(|model| model.file.clone()).unwrap_or_default();
            // What concerns the SELECT as a whole is shown where the text begins.
            let (line, column) = within.unwrap_or((1, 1));
            let length = match within {
                Some(_) => word_length(&lines.line(&file, line), column),
                None => 1,
            };
            let at = Place {
                file: 0,
                line,
                column,
                length,
            };
            at_line(file, lines, at, said)
        }
    }
}

/// The SQL of a silver model that begins at this place.
fn text_at(model: &Model, at: Place) -> Option<&str> {
    let ModelKind::Silver(silver) = &model.kind else {
        return None;
    };
    let columns = silver.select.iter().map(|column| (column.at, &column.sql));
    let rules = silver.expectations.iter();
    let rules = rules.filter_map(|rule| Some((rule.sql_at, rule.sql.as_ref()?)));
    let cdc = silver.auto_cdc.iter();
    let conditions = cdc.flat_map(|cdc| cdc.conditions());
    let conditions = conditions.map(|condition| (condition.at, &condition.sql));
    let mut texts = columns.chain(rules).chain(conditions);
    texts
        .find(|(begins, _)| *begins == at)
        .map(|(_, text)| text.as_str())
}

/// Characters of the word that begins in this column of a line; 1 if none does.
fn word_length(line: &str, column: u32) -> u32 {
    let word = line
        .chars()
        .skip(column.saturating_sub(1) as usize)
        .take_while(|letter| letter.is_alphanumeric() || *letter == '_')
        .count();
    u32::try_from(word).unwrap_or(1).max(1)
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
    if at.is_none() && matches!(model.kind, ModelKind::Silver(_)) {
        return None;
    }
    let error = error.clone();
    let finding = Finding { table, at, error };
    Some(diagnostic(project, &mut Lines::new(root), &finding))
}
