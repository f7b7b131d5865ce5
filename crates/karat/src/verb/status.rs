//! `karat status`: where the lake stands, and whether what it promises holds at this moment. Takes no lock, so that it works while a run
//! writes. A table or a document that cannot be read is listed with the others, and the exit code is that of its problem.

use std::collections::BTreeSet;
use std::path::Path;

use karat_lake::Format;
use karat_pipeline::expected::{self, Delivery, Standing};
use karat_pipeline::journal::WHOLE_RUN;
use karat_pipeline::status::{Promise, TableStatus, status};
use karat_pipeline::{PipelineError, Site, closing, manifest, undo};
use karat_project::CheckAction;
use serde_json::{Value, json};

use crate::alerts;
use crate::args::Global;
use crate::failure::{Failure, error_text};
use crate::output::{Table, Voice, print_error, short, thousands};
use crate::site::{self, Wants};

/// Prints the tables.
pub(crate) fn run(voice: Voice, global: &Global) -> Result<u8, Failure> {
    let opened = site::open_lake(voice, global, None, None)?;
    let threads = opened.threads;
    let is_whole = opened.is_whole();
    let mut failing = alerts::failing(opened.journal_if_there().as_ref(), &opened.target);
    failing.remove(WHOLE_RUN);
    let undated = opened.given.lacking_of_feeds(&opened.project, None);
    let site = opened.site(Wants::reading())?;
    let tables = site::block_on(threads, status(&site))??;
    let mut unknown = Vec::new();
    let head = or_unknown(manifest::newest(&site.lake), &mut unknown).flatten();
    let head = head.map(|(_, head)| head.to_string());
    let last = or_unknown(closing::last(&site), &mut unknown).flatten();
    let undoing = or_unknown(undo::unfinished(&site), &mut unknown).unwrap_or_default();
    let expected = match undated {
        _ if !is_whole => Vec::new(),
        None => deliveries(&site, &mut unknown),
        Some((what, hint)) => {
            unknown.push(PipelineError::Refused { what, hint });
            Vec::new()
        }
    };
    let path = |table: &TableStatus| shown_path(&site.root, &site.lake.root().join(&table.dir));
    super::undo::say_unfinished(voice, &undoing);
    voice.answer(
        || {
            let tables: Vec<_> = tables
                .iter()
                .map(|table| {
                    json!({
                        "table": table.table, "layer": table.layer, "format": table.format.map(Format::name), "path": path(table),
                        "version": table.version, "rows": table.rows, "fingerprint": table.fingerprint,
                        "receipt": table.receipt, "fresh_as_of": table.fresh_as_of, "declared": is_whole.then_some(table.declared),
                        "promises": table.promises.iter().map(promise_json).collect::<Vec<_>>(),
                        "undone": table.undone, "problem": table.problem.as_ref().map(ToString::to_string),
                    })
                })
                .collect();
            let expected: Vec<_> = expected
                .iter()
                .map(|delivery| {
                    json!({
                        "table": delivery.table.to_string(), "business_date": delivery.business_date.to_string(),
                        "file": delivery.file.file, "due": delivery.file.due(), "standing": delivery.standing.word(),
                    })
                })
                .collect();
            json!({ "tables": tables, "expected": expected, "closed": last.as_ref().map(|tag| json!({
                "tag": tag.name, "business_date": tag.business_date, "principal": tag.principal, "logical_time": tag.logical_time,
            })), "head": head, "failing": failing,
                "undoing": undoing.iter().map(|undo| json!({ "run": undo.run, "by": undo.by, "reason": undo.reason })).collect::<Vec<_>>(),
                "problems": unknown.iter().map(ToString::to_string).collect::<Vec<_>>() })
        },
        || {
            let mut text = text(&tables, is_whole, (&failing, &expected), head.as_deref());
            if let Some(tag) = &last {
                text.push_str(&format!(
                    "closed {}, by {} at {}\n",
                    tag.business_date, tag.principal, tag.logical_time
                ));
            }
            text
        },
    )?;
    let of_tables = tables.iter().filter_map(|t| t.problem.as_ref());
    let problems: Vec<_> = of_tables.chain(&unknown).collect();
    if !voice.json {
        for problem in &problems {
            print_error(&error_text(*problem, problem.hint()));
        }
    }
    let mut codes: Vec<u8> = problems.iter().map(|problem| problem.exit_code()).collect();
    let fails = |promise: &Promise| promise.broken.is_some() && promise.action == CheckAction::Fail;
    let mut promises = tables.iter().flat_map(|table| &table.promises);
    codes.extend(promises.any(fails).then_some(1));
    let is_late =
        |delivery: &Delivery| matches!(delivery.standing, Standing::Overdue | Standing::Held(_));
    codes.extend(expected.iter().any(is_late).then_some(1));
    Ok([2, 4, 5, 3, 1]
        .into_iter()
        .find(|code| codes.contains(code))
        .unwrap_or(0))
}

/// What could be read; what not is told with the rest, and hides nothing.
fn or_unknown<T>(read: Result<T, PipelineError>, unknown: &mut Vec<PipelineError>) -> Option<T> {
    read.map_err(|error| unknown.push(error)).ok()
}

/// Where the deliveries stand that feeds expect for the business date.
fn deliveries(site: &Site, unknown: &mut Vec<PipelineError>) -> Vec<Delivery> {
    let feeds = site.project.feeds();
    let found = feeds.filter_map(|feed| or_unknown(expected::of_feed(site, feed), unknown));
    found.flatten().collect()
}

fn text(
    tables: &[TableStatus],
    declarations_known: bool,
    (failing, expected): (&BTreeSet<String>, &[Delivery]),
    head: Option<&str>,
) -> String {
    let mut lines = Table::new(&[
        "table",
        ">version",
        ">rows",
        "fingerprint",
        "fresh as of",
        "",
    ]);
    for table in tables {
        lines.row([
            table.table.clone(),
            table.version.map_or_else(String::new, |v| v.to_string()),
            table.rows.map_or_else(String::new, thousands),
            match (&table.problem, &table.fingerprint) {
                (Some(_), _) => "unreadable".to_owned(),
                (None, Some(fingerprint)) => short(fingerprint),
                (None, None) => "foreign".to_owned(),
            },
            table.fresh_as_of.clone().unwrap_or_default(),
            match &table.undone {
                _ if !table.declared && declarations_known => "no longer in the project".to_owned(),
                Some(run) => {
                    let promised = promised(&table.promises);
                    let separator = if promised.is_empty() { "" } else { "; " };
                    format!("as before run {run}, which was undone{separator}{promised}")
                }
                None => promised(&table.promises),
            },
        ]);
    }
    let mut text = match tables.is_empty() && failing.is_empty() {
        true => "the lake has no tables yet; `karat run` makes them\n".to_owned(),
        false => lines.text(),
    };
    if !failing.is_empty() {
        let names: Vec<&str> = failing.iter().map(String::as_str).collect();
        text.push_str(&format!(
            "failed when this machine last ran them: {}; `karat retry` runs them and what depends on them\n",
            names.join(", ")
        ));
    }
    for delivery in expected {
        text.push_str(&format!(
            "{:<9}  {}: {} for {}, due at {}\n",
            delivery.standing.word(),
            delivery.table,
            delivery.file.file,
            delivery.business_date,
            delivery.file.due()
        ));
    }
    if let Some(head) = head {
        text.push_str(&format!("head {head}\n"));
    }
    text
}

fn promise_json(promise: &Promise) -> Value {
    json!({
        "check": promise.check, "kind": promise.kind, "action": promise.action.as_str(), "broken": promise.broken,
    })
}

/// Kept promises in one word, broken ones with what breaks them.
fn promised(promises: &[Promise]) -> String {
    let broken: Vec<String> = promises
        .iter()
        .filter_map(|promise| {
            let what = promise.broken.as_ref()?;
            Some(format!(
                "{} `{}` is broken: {what}",
                promise.kind, promise.check
            ))
        })
        .collect();
    match (promises, broken.as_slice()) {
        ([], _) => String::new(),
        (_, []) => {
            let kinds: BTreeSet<&str> = promises.iter().map(|promise| promise.kind).collect();
            let kinds: Vec<&str> = kinds.into_iter().collect();
            format!("{} as promised", kinds.join(" and "))
        }
        (_, broken) => broken.join("; "),
    }
}

/// Relative to the project if it lies in it, else a URL (H3).
fn shown_path(root: &Path, folder: &Path) -> String {
    let absolute = std::path::absolute(root).unwrap_or_else(|_| root.to_path_buf());
    match folder.strip_prefix(&absolute) {
        Ok(relative) => relative
            .components()
            .map(|part| part.as_os_str().to_string_lossy())
            .collect::<Vec<_>>()
            .join("/"),
        Err(_) => url::Url::from_directory_path(folder)
            .map_or_else(|()| folder.display().to_string(), |url| url.to_string()),
    }
}
