//! `karat run`: loads feeds, brings models up to date, prints what became of each row.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use karat_pipeline::accounting::{self, Terms};
use karat_pipeline::journal::{Attempt, Journal, WHOLE_RUN};
use karat_pipeline::{PipelineError, RunReport, Site, StepReport, StepStatus, run_key, schedule};
use karat_project::TableName;
use karat_receipt::KeyedRun;
use serde_json::{Value, json};

use super::validate;
use crate::alerts;
use crate::anchor;
use crate::args::{Global, RunArgs, Running};
use crate::failure::{Failure, error_json, error_text};
use crate::machine;
use crate::output::{self, Table, Voice, counted, seconds, thousands, wrapped};
use crate::progress;
use crate::site::{self, Opened, Wants};

/// How long a run with a key waits for another, unless told.
const KEYED_WAIT: Duration = Duration::from_secs(24 * 3600);

/// How long a run of `--watch` waits for another.
const WATCHING_WAIT: Duration = Duration::from_secs(600);

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
    if arguments.watch {
        return super::watch::run(voice, global, arguments);
    }
    once(voice, global, arguments, Telling::Always)
}

/// What of a run is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Telling {
    /// All.
    Always,
    /// Nothing where there was nothing to do; a document on one line.
    News,
}

/// Runs what is selected once.
pub(super) fn once(
    voice: Voice,
    global: &Global,
    arguments: &RunArgs,
    telling: Telling,
) -> Result<u8, Failure> {
    let selection = &arguments.select.select;
    let asked = Asked {
        selection,
        telling,
        wait: match arguments.watch {
            true => WATCHING_WAIT,
            false => Duration::ZERO,
        },
    };
    let select = |opened: &Opened| super::selected_of_lake(voice, opened, selection);
    run_selected(voice, global, &arguments.running, &asked, select)
}

/// Runs what fails, as far as the journal knows, and what depends on it.
pub(crate) fn retry(voice: Voice, global: &Global, arguments: &Running) -> Result<u8, Failure> {
    let asked = Asked {
        // What fails is another selection each time: a run key tells retries from runs, not from each other.
        selection: &["retry".to_owned()],
        telling: Telling::Always,
        wait: Duration::ZERO,
    };
    run_selected(voice, global, arguments, &asked, |opened| {
        let failing = failing(opened)?;
        if failing.is_empty() {
            voice.note("note: nothing that this machine ran fails: there is nothing to retry");
            return Ok(Some(BTreeSet::new()));
        }
        super::selected(&opened.project, &failing)
    })
}

/// What fails, each with all that depends on it, as `--select` takes it.
fn failing(opened: &Opened) -> Result<Vec<String>, Failure> {
    let unknown = |what: &str| {
        Failure::usage(
            what,
            "`karat run` brings everything up to date; what is current is not made again",
        )
    };
    let journal = opened.journal_if_there();
    let attempts = journal
        .as_ref()
        .and_then(|journal| journal.attempts(u32::MAX).ok());
    let mut here = attempts
        .iter()
        .flatten()
        .filter(|attempt| attempt.target == opened.target);
    if here.next().is_none() {
        return Err(unknown(
            "no run of this target is known on this machine: there is none to retry",
        ));
    }
    let failing = alerts::failing(journal.as_ref(), &opened.target);
    if failing.contains(WHOLE_RUN) {
        return Err(unknown(
            "the newest run on this machine failed before its first step: which steps would fail is not known",
        ));
    }
    let names = failing
        .iter()
        .filter_map(|table| table.parse::<TableName>().ok());
    let declared = names.filter(|name| {
        let is_feed = opened.project.feeds().any(|feed| feed.bronze == *name);
        is_feed || opened.project.model(name).is_some()
    });
    Ok(declared.map(|name| format!("{name}+")).collect())
}

/// How a run was asked for.
struct Asked<'a> {
    /// Selectors, as they were written.
    selection: &'a [String],
    telling: Telling,
    /// How long it waits for another run, unless told.
    wait: Duration,
}

fn run_selected(
    voice: Voice,
    global: &Global,
    arguments: &Running,
    asked: &Asked<'_>,
    select: impl FnOnce(&Opened) -> Result<Option<BTreeSet<TableName>>, Failure>,
) -> Result<u8, Failure> {
    let started = Instant::now();
    let opened = site::open(
        global,
        arguments.time.at.as_deref(),
        Some(&arguments.resources),
    )?
    .given(&arguments.given)?;
    if opened.project.feeds().next().is_none() && opened.project.models.is_empty() {
        return Err(Failure::usage(
            "the project declares no feed and no model: there is nothing to run",
            "a domain is a folder in `domains/` with a domain.yaml; `karat init FOLDER` writes one to look at",
        ));
    }
    let selected = select(&opened)?;
    let mut asked_for = asked.selection.to_vec();
    asked_for.extend(arguments.given.as_written());
    opened.given.check(&opened.project, selected.as_ref())?;
    let given = opened.given.asked_by(&opened.project, selected.as_ref());
    let sources = opened.sources();
    let threads = opened.threads;
    let journal = opened.journal();
    let open_site = opened.site(Wants {
        writes: true,
        signs: true,
        wait: arguments.wait.unwrap_or(match arguments.run_key {
            Some(_) => KEYED_WAIT,
            None => asked.wait,
        }),
        accept_deletes: arguments.accept_deletes,
        restate: arguments.restate.clone(),
        trigger: arguments.trigger.clone(),
        progress: progress::listener(voice.quiet, global.progress),
    })?;
    let (site, _scratch) = open_site.split();
    let site = Arc::new(site);
    if let Some(key) = &arguments.run_key
        && let Some(done) = run_key::done(&site.lake, key)?
    {
        if done.selection != asked_for {
            return Err(Failure::usage(
                format!(
                    "the key `{key}` is that of run {}, which was asked for something else",
                    done.run
                ),
                "a key stands for one thing to do: give another with another `--select`, `--param` or `--business-date`",
            ));
        }
        return joined(voice, &done);
    }
    anchor::check_newest(&site)?;
    let target = site.context.target.clone();
    let before = alerts::failing(journal.as_ref(), &target);
    begin(journal.as_ref(), &site);
    let outcome = site::block_on(
        threads,
        schedule::run(site.clone(), sources, selected.as_ref()),
    )?;
    let report = match outcome {
        Ok(report) => report,
        Err(error) => {
            let code = error.exit_code();
            let document = error_json(&error, error.hint(), code);
            finish(journal.as_ref(), &site, code, &document);
            let now = alerts::failing(journal.as_ref(), &target);
            alerts::tell(&site, &before, &now, code, None);
            return Err(error.into());
        }
    };
    if let (Some(key), 0) = (&arguments.run_key, report.exit_code()) {
        let note = KeyedRun {
            key: key.clone(),
            selection: asked_for,
            run: site.context.run.clone(),
            logical_time: site.context.logical_time.clone(),
            head: report.head,
        };
        run_key::note(&site.lake, &note)?;
    }
    let anchored = anchor::publish_newest(&site);
    let code = match (report.exit_code(), &anchored) {
        (0, Err(failure)) => failure.exit_code(),
        (code, _) => code,
    };
    let mut document = json_of(&site, &report, code);
    document["given"] = json!(given);
    document["anchored"] = match &anchored {
        Ok(true) => true.into(),
        Ok(false) => Value::Null,
        Err(_) => false.into(),
    };
    finish(journal.as_ref(), &site, code, &document);
    let now = alerts::failing(journal.as_ref(), &target);
    alerts::tell(&site, &before, &now, code, Some(&report));
    let is_news = report.made_versions() || code != 0 || before != now;
    if asked.telling == Telling::News && (voice.json || !is_news) {
        if is_news {
            output::print(&format!("{document}\n"))?;
        }
        return Ok(code);
    }
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
    let failed = report.steps.iter();
    say_errors(&site, failed.filter_map(|step| step.error.as_ref()));
    if let Err(failure) = anchored {
        output::print_error(&failure.text());
    }
    Ok(code)
}

/// What a run with this key came to before.
fn joined(voice: Voice, done: &KeyedRun) -> Result<u8, Failure> {
    voice.answer(
        || {
            json!({
                "run_id": done.run, "logical_time": done.logical_time, "given": {}, "status": "nothing_to_do",
                "head": done.head.map(|head| head.to_string()), "steps": [], "exit_code": 0, "anchored": null,
            })
        },
        || {
            format!(
                "run {} with the key `{}` ended well already: nothing to do\n",
                done.run, done.key
            )
        },
    )?;
    Ok(0)
}

fn begin(journal: Option<&Journal>, site: &Site) {
    let attempt = Attempt {
        run: site.context.run.clone(),
        target: site.context.target.clone(),
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
        // One that failed may have made a version before.
        let steps = report.steps.iter();
        let written = steps.filter(|step| step.made_a_version()).count() as u64;
        let mut parts = vec![
            format!("{} written", counted(written, "table")),
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

/// What went wrong, each text once.
pub(super) fn say_errors<'e>(site: &Site, errors: impl IntoIterator<Item = &'e PipelineError>) {
    let mut said: Vec<(String, u64)> = Vec::new();
    for error in errors {
        let text = error_in_full(site, error);
        match said.iter_mut().find(|(one, _)| *one == text) {
            Some((_, times)) => *times += 1,
            None => said.push((text, 1)),
        }
    }
    for (text, times) in said {
        let text = match times {
            1 => text,
            times => format!("{text}note: the same of {times} steps\n"),
        };
        output::print_error(&text);
    }
}

fn error_in_full(site: &Site, error: &PipelineError) -> String {
    match error {
        PipelineError::Sql { table, at, error } => {
            match validate::in_model(&site.project, &site.root, table, *at, error) {
                Some(diagnostic) => format!("{diagnostic}\n"),
                None => error_text(error, error.hint.clone()),
            }
        }
        other => error_text(other, other.hint()),
    }
}
