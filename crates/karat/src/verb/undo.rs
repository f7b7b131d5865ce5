//! `karat undo`: a run taken back, or what that would do.

use karat_pipeline::undo::{self, TakenBack, Undone};
use karat_pipeline::undo_plan::{self, PlannedUndo, UndoPlan};
use karat_project::{Layer, TableName};
use karat_receipt::Undo;
use serde_json::{Value, json};

use crate::anchor;
use crate::args::{Global, UndoArgs};
use crate::failure::Failure;
use crate::output::{Table, Voice, counted, short, thousands};
use crate::site::{self, Wants};

/// Takes a run back, or says what that would do.
pub(crate) fn run(voice: Voice, global: &Global, arguments: &UndoArgs) -> Result<u8, Failure> {
    if arguments.plan {
        let opened = site::open_lake(voice, global, None, None)?;
        let site = opened.site(Wants::reading())?;
        let plan = undo_plan::plan(&site, &arguments.run)?;
        voice.answer(|| plan_json(&plan), || plan_text(&plan))?;
        return Ok(0);
    }
    let opened = site::open_lake_to_write(global)?;
    let threads = opened.threads;
    let site = opened.site(Wants {
        wait: arguments.wait.unwrap_or_default(),
        ..Wants::writing()
    })?;
    // Nothing is written on top of a lake that is an older one.
    anchor::check_newest(&site)?;
    let reason = arguments.reason.as_deref().unwrap_or_default();
    let undone = site::block_on(threads, undo::undo(&site, &arguments.run, reason))??;
    voice.answer(|| undone_json(&undone), || undone_text(&undone))?;
    anchor::publish_newest(&site)?;
    Ok(0)
}

fn plan_json(plan: &UndoPlan) -> Value {
    let tables: Vec<Value> = plan
        .tables
        .iter()
        .map(|one| {
            json!({
                "table": one.table.to_string(), "version": one.version, "back_to": one.back_to, "rows": one.rows,
                "rows_then": one.rows_then, "held": one.held,
            })
        })
        .collect();
    json!({ "run": plan.run, "tables": tables })
}

/// `version 3`, or that there was none.
fn back_to(version: Option<i64>) -> String {
    match version {
        Some(version) => format!("version {version}"),
        None => "no row: the run had made it".to_owned(),
    }
}

fn plan_text(plan: &UndoPlan) -> String {
    let mut lines = Table::new(&["table", ">version", "back to", ">rows", ">then"]);
    for one in &plan.tables {
        lines.row([
            one.table.to_string(),
            one.version.to_string(),
            back_to(one.back_to),
            thousands(one.rows),
            thousands(one.rows_then),
        ]);
    }
    let mut text = lines.text();
    let held = |one: &PlannedUndo| {
        let table = &one.table;
        let objects = one.held.iter();
        objects
            .map(|object| format!("held  {object} of `{table}`, until new content comes or `karat position reset`\n"))
            .collect::<String>()
    };
    text.extend(plan.tables.iter().map(held));
    text.push_str(&format!(
        "{} to take back; nothing was written\n",
        counted(plan.tables.len() as u64, "table")
    ));
    text
}

fn undone_json(undone: &Undone) -> Value {
    let json_of = |one: &TakenBack| {
        json!({
            "table": one.table.to_string(), "version": one.version, "back_to": one.back_to, "fingerprint": one.fingerprint,
        })
    };
    let tables: Vec<Value> = undone.tables.iter().map(json_of).collect();
    json!({
        "run": undone.of.run, "by": undone.of.by, "reason": undone.of.reason, "principal": undone.of.principal,
        "tables": tables, "head": undone.head.map(|head| head.to_string()),
    })
}

fn undone_text(undone: &Undone) -> String {
    let mut lines = Table::new(&["table", ">version", "as", "fingerprint"]);
    for one in &undone.tables {
        lines.row([
            one.table.to_string(),
            one.version.to_string(),
            back_to(one.back_to),
            short(&one.fingerprint),
        ]);
    }
    let mut text = lines.text();
    text.push_str(&format!(
        "run {}: {} as before run {}; {}\n",
        undone.of.by,
        counted(undone.tables.len() as u64, "table"),
        undone.of.run,
        afterwards(&undone.of)
    ));
    if let Some(head) = &undone.head {
        text.push_str(&format!("head {head}\n"));
    }
    text
}

/// What becomes of what the run had brought: it loaded something, repaired something, or only made models of what stands.
fn afterwards(undo: &Undo) -> &'static str {
    let of_bronze = || {
        let tables = undo.tables.iter();
        tables.filter(|entry| {
            let table = entry.table.parse::<TableName>();
            table.is_ok_and(|table| table.layer == Layer::Bronze)
        })
    };
    if of_bronze().any(|entry| !entry.undoes.is_empty()) {
        "what that run loaded is held until new content comes, or `karat position reset`"
    } else if of_bronze().next().is_some() {
        "the rows that it repaired are in quarantine again"
    } else {
        "the next `karat run` makes them again from what is there"
    }
}

/// Undos that a killed process left: the next run finishes them before it plans.
pub(super) fn say_unfinished(voice: Voice, unfinished: &[Undo]) {
    for undo in unfinished {
        voice.note(&format!(
            "note: the undo of run {} is not finished; {}",
            undo.run,
            undo::how_to_finish(&undo.run)
        ));
    }
}
