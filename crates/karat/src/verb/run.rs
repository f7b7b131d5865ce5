//! `karat run`: loads feeds, brings models up to date, prints what became of each row.

use std::sync::Arc;
use std::time::Instant;

use karat_pipeline::accounting::{self, Terms};
use karat_pipeline::journal::{Attempt, Journal};
use karat_pipeline::{PipelineError, RunReport, Site, StepReport, StepStatus, schedule};
use serde_json::{Value, json};

use super::validate;
use crate::args::{Global, RunArgs};
use crate::failure::{Failure, error_json, error_text};
use crate::machine;
use crate::output::{self, Table, Voice, counted, seconds, thousands, wrapped};
use crate::progress;
use crate::site::{self, Wants};

/// Terms in the order in which people read them.
pub(crate) const TERMS: [&str; 8] = [
    "kept",
    "duplicate",
    "superseded",
    "unchanged",
    "deleted",
    "dropped",
    "quarantined",
    "written",
];

/// Terms that are no outcome of a row that was read.
const APART: [&str; 2] = [accounting::REPAIRED, accounting::DISCARDED];

/// The table of steps fits a terminal of this width, unless names are long.
const WIDTH: usize = 80;
/// Room that terms have in any case.
const ROOM_MIN: usize = 24;

/// Runs what is selected.
pub(crate) fn run(voice: Voice, global: &Global, arguments: &RunArgs) -> Result<u8, Failure> {
    let started = Instant::now();
    let opened = site::open(
        global,
        arguments.time.at.as_deref(),
        Some(&arguments.resources),
    )?;
    if opened.project.feeds().next().is_none() && opened.project.models.is_empty() {
        return Err(Failure::usage(
            "the project declares no feed and no model: there is nothing to run",
            "a domain is a folder in `domains/` with a domain.yaml; `karat init FOLDER` writes one to look at",
        ));
    }
    let selected = super::selected(&opened.project, &arguments.select.select)?;
    let sources = opened.sources();
    let threads = opened.threads;
    let journal = opened.journal();
    let open_site = opened.site(Wants {
        writes: true,
        signs: true,
        wait: arguments.wait.unwrap_or_default(),
        accept_deletes: arguments.accept_deletes,
        trigger: arguments.trigger.clone(),
        progress: progress::listener(voice.quiet, global.progress),
    })?;
    let (site, _scratch) = open_site.split();
    let site = Arc::new(site);
    begin(journal.as_ref(), &site);
    let outcome = site::block_on(
        threads,
        schedule::run(site.clone(), sources, selected.as_ref()),
    )?;
    let report = match outcome {
        Ok(report) => report,
        Err(error) => {
            finish(
                journal.as_ref(),
                &site,
                error.exit_code(),
                &error_json(&error, error.hint(), error.exit_code()),
            );
            return Err(error.into());
        }
    };
    let code = report.exit_code();
    let document = json_of(&site, &report, code);
    finish(journal.as_ref(), &site, code, &document);
    voice.answer(
        || document,
        || text(&site, &report, started.elapsed().as_secs_f64()),
    )?;
    // A note that explains the exit code is no matter of taste.
    let told = |step: &&StepReport| !voice.quiet || step.found_nothing;
    for step in report.steps.iter().filter(told) {
        for note in &step.notes {
            output::print_error(&format!("note: {}: {note}\n", step.table));
        }
    }
    for error in report.steps.iter().filter_map(|step| step.error.as_ref()) {
        say_error(&site, error);
    }
    Ok(code)
}

fn begin(journal: Option<&Journal>, site: &Site) {
    let attempt = Attempt {
        run: site.context.run.clone(),
        verb: "run".to_owned(),
        principal: site.context.principal.clone(),
        logical_time: site.context.logical_time.clone(),
        started_ms: machine::clock_ms(),
        finished_ms: None,
        exit_code: None,
    };
    // History only: what cannot be noted changes no answer (A1).
    if let Some(Err(error)) = journal.map(|journal| journal.begin(&attempt)) {
        tracing::warn!("{error}");
    }
}

fn finish(journal: Option<&Journal>, site: &Site, code: u8, document: &Value) {
    let noted = journal.map(|journal| {
        journal.finish(
            &site.context.run,
            machine::clock_ms(),
            code,
            &document.to_string(),
        )
    });
    if let Some(Err(error)) = noted {
        tracing::warn!("{error}");
    }
}

/// The line of an object that is listed and not loaded.
pub(super) fn held(object: &str, table: &str, reason: &str) -> String {
    format!("held    {object} of {table}: {reason}\n")
}

/// The same for scripts.
pub(super) fn broken_json(broken: &[(String, String)]) -> Vec<Value> {
    let broken = broken.iter();
    broken
        .map(|(object, reason)| json!({ "object": object, "reason": reason }))
        .collect()
}

fn status_word(report: &RunReport, code: u8) -> &'static str {
    let failed = report
        .steps
        .iter()
        .any(|step| matches!(step.status, StepStatus::Failed | StepStatus::Skipped));
    if failed {
        "failed"
    } else if report.made_versions() || code != 0 {
        "done"
    } else {
        "nothing_to_do"
    }
}

fn json_of(site: &Site, report: &RunReport, code: u8) -> Value {
    json!({
        "run_id": site.context.run,
        "logical_time": site.context.logical_time,
        "status": status_word(report, code),
        "head": report.head.map(|head| head.to_string()),
        "steps": report.steps.iter().map(step_json).collect::<Vec<_>>(),
        "exit_code": code,
    })
}

fn step_json(step: &StepReport) -> Value {
    // What did nothing read nothing; what failed before it counted has no counts.
    let rows = match step.status {
        _ if !step.rows.is_empty() => json!(step.rows),
        StepStatus::Unchanged => json!({ "read": 0, "kept": 0 }),
        _ => Value::Null,
    };
    json!({
        "name": step.table.rsplit('.').next().unwrap_or(&step.table),
        "kind": step.kind,
        "table": step.table,
        "status": step.status.word(),
        "rows": rows,
        "version": step.version,
        "fingerprint": step.fingerprint,
        "seconds": (step.seconds * 1000.0).round() / 1000.0,
        "how": step.how,
        "bytes_read": step.bytes_read,
        "bytes_written": step.bytes_written,
        "broken": broken_json(&step.broken),
        "checks": step.checks,
        "notes": step.notes,
        "error": step.error.as_ref().map(|error| error_json(error, error.hint(), error.exit_code())),
    })
}

/// A line a step that did something, then the totals.
fn text(site: &Site, report: &RunReport, took: f64) -> String {
    let shown = || {
        let steps = report.steps.iter();
        steps.filter(|step| step.status != StepStatus::Unchanged)
    };
    let names = shown().map(|step| step.table.chars().count()).max();
    let room =
        WIDTH.saturating_sub(names.unwrap_or_default() + "skipped    version  10.0 s  ".len());
    let room = room.max(ROOM_MIN);
    let mut lines = Table::new(&["", "table", ">version", ">time", "rows"]);
    for step in shown() {
        let version = step
            .version
            .map(|version| version.to_string())
            .unwrap_or_default();
        let mut rows = match step.kind {
            "gold" => gold_text(&step.rows),
            _ => rows_text(&step.rows),
        };
        // Version 0 says by itself that there was nothing to go on from.
        let is_known =
            |how: &&str| step.status == StepStatus::Done && *how != "rebuild: first version";
        if let Some(how) = step.how.as_deref().filter(is_known) {
            rows.push_str(&format!("   {how}"));
        }
        // Cut before a term, not inside.
        let terms = rows.replace(' ', "\u{a0}").replace("\u{a0}+", " +");
        let mut rows = wrapped(&terms, room)
            .into_iter()
            .map(|line| line.replace('\u{a0}', " "));
        lines.row([
            step.status.word().to_owned(),
            step.table.clone(),
            version,
            seconds(step.seconds),
            rows.next().unwrap_or_default(),
        ]);
        for more in rows {
            lines.row([
                String::new(),
                String::new(),
                String::new(),
                String::new(),
                more,
            ]);
        }
    }
    let mut text = lines.text();
    for step in &report.steps {
        for (object, reason) in &step.broken {
            text.push_str(&held(object, &step.table, reason));
        }
    }
    let count = |status| {
        report
            .steps
            .iter()
            .filter(|step| step.status == status)
            .count() as u64
    };
    let (done, failed, skipped) = (
        count(StepStatus::Done),
        count(StepStatus::Failed),
        count(StepStatus::Skipped),
    );
    if done + failed + skipped == 0 {
        // A table that has no version is not up to date: nothing of it could be made yet.
        let empty = report.steps.iter().filter(|step| step.version.is_none());
        let empty = empty.count() as u64;
        let current = count(StepStatus::Unchanged) - empty;
        let mut parts = Vec::new();
        if current > 0 || empty == 0 {
            parts.push(format!("{} up to date", counted(current, "table")));
        }
        if empty > 0 {
            parts.push(format!("{} without a version", counted(empty, "table")));
        }
        let held = report.steps.iter().any(|step| !step.broken.is_empty());
        text.push_str(&format!(
            "{}: {}, {}\n",
            if held {
                "nothing written"
            } else {
                "nothing to do"
            },
            parts.join(", "),
            seconds(took)
        ));
    } else {
        text.push_str(&totals(report));
        let mut parts = vec![
            format!("{} written", counted(done, "table")),
            format!("{} unchanged", count(StepStatus::Unchanged)),
        ];
        for (number, word) in [(failed, "failed"), (skipped, "skipped")] {
            if number > 0 {
                parts.push(format!("{number} {word}"));
            }
        }
        text.push_str(&format!(
            "run {}: {}, {}\n",
            site.context.run,
            parts.join(", "),
            seconds(took)
        ));
    }
    if let Some(head) = &report.head {
        text.push_str(&format!("head {head}\n"));
    }
    text
}

/// From source rows to outcomes, in one line (G6).
fn totals(report: &RunReport) -> String {
    let sum = |kind: &str| {
        report
            .steps
            .iter()
            .filter(|step| step.kind == kind)
            .fold(Terms::new(), |sum, step| accounting::add(&sum, &step.rows))
    };
    let (loads, silver) = (sum("load"), sum("silver"));
    let mut parts = Vec::new();
    if loads.get("read").is_some_and(|read| *read > 0) {
        parts.push(format!("sources {}", rows_text(&loads)));
    }
    if silver.get("read").is_some_and(|read| *read > 0) {
        parts.push(format!("silver {}", rows_text(&silver)));
    }
    if parts.is_empty() {
        String::new()
    } else {
        format!("{}\n", parts.join("; "))
    }
}

/// Gold has no identity between rows read and written (G6).
fn gold_text(rows: &Terms) -> String {
    match (rows.get("read"), rows.get("kept")) {
        (Some(read), Some(kept)) => {
            format!("{} read, {} written", thousands(*read), thousands(*kept))
        }
        _ => String::new(),
    }
}

/// `12 read = 10 kept + 2 duplicate`; terms that are 0 are left out. Rows that a full load no longer brings were not read: of a feed,
/// deletes stand apart, `12 read = 12 kept; 3 deleted`; and so do rows of silver with a repair in their place (G6).
fn rows_text(rows: &Terms) -> String {
    let Some(read) = rows.get("read") else {
        return String::new();
    };
    let mut names: Vec<&String> = rows
        .keys()
        .filter(|name| name.as_str() != "read" && !name.starts_with("read "))
        .collect();
    names.sort_by_key(|name| {
        (
            TERMS
                .iter()
                .position(|term| term == name)
                .unwrap_or(TERMS.len()),
            *name,
        )
    });
    let names = names.into_iter().filter(|name| rows[*name] > 0);
    let (apart, outcomes): (Vec<&String>, Vec<&String>) = {
        let deleted = rows.get("deleted").copied().unwrap_or(0);
        let outcomes = names.clone().filter(|name| !APART.contains(&name.as_str()));
        let all: u64 = outcomes.map(|name| rows[name]).sum();
        names.partition(|name| {
            APART.contains(&name.as_str()) || (*name == "deleted" && all - deleted == *read)
        })
    };
    let terms = |names: Vec<&String>| -> Vec<String> {
        let term = |name: &String| format!("{} {name}", thousands(rows[name]));
        names.into_iter().map(term).collect()
    };
    let mut text = format!("{} read", thousands(*read));
    if !outcomes.is_empty() {
        text.push_str(&format!(" = {}", terms(outcomes).join(" + ")));
    }
    for term in terms(apart) {
        text.push_str(&format!("; {term}"));
    }
    text
}

pub(super) fn say_error(site: &Site, error: &PipelineError) {
    let text = match error {
        PipelineError::Sql { table, at, error } => {
            match validate::in_model(&site.project, &site.root, table, *at, error) {
                Some(diagnostic) => format!("{diagnostic}\n"),
                None => error_text(error, error.hint.clone()),
            }
        }
        other => error_text(other, other.hint()),
    };
    output::print_error(&text);
}
