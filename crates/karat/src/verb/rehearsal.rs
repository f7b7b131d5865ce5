//! `karat plan --rehearse`: what the models of a plan would make, made in a lake that goes away, and shown against what is there.

use std::collections::BTreeSet;

use karat_lake::Lake;
use karat_pipeline::Site;
use karat_pipeline::plan::{PlannedAction, PlannedStep};
use karat_pipeline::rehearse::{Counts, Outcome, Rehearsed, rehearse, stage};
use karat_project::TableName;
use serde_json::{Value, json};

use crate::args::{Global, PlanArgs};
use crate::failure::{Failure, error_json};
use crate::output::{Voice, counted, thousands};
use crate::progress;
use crate::site::{self, Wants};

/// The terms that are told.
const TOLD: [&str; 3] = ["quarantined", "dropped", "superseded"];

/// Rehearses the models that the plan would make.
pub(super) fn of(
    voice: Voice,
    global: &Global,
    arguments: &PlanArgs,
    site: &Site,
    steps: &[PlannedStep],
) -> Result<Vec<Rehearsed>, Failure> {
    let would_be_made = |step: &&PlannedStep| {
        matches!(
            step.action,
            PlannedAction::Rebuild | PlannedAction::Incremental | PlannedAction::Check
        )
    };
    let made = steps.iter().filter(would_be_made);
    let models: Vec<TableName> = made.filter_map(|step| step.table.parse().ok()).collect();
    let opened = site::open(global, arguments.time.at.as_deref(), None)?;
    let mut opened = opened.given(&arguments.given)?;
    let (threads, scratch) = (opened.threads, opened.scratch()?);
    let lake = Lake::create(&scratch.path().join("lake"))?;
    let lake = lake.with_formats(site.lake.formats().clone());
    stage(site, &models, &lake)?;
    // Nothing of it stays: nobody signs it.
    for target in opened.project.targets.values_mut() {
        target.require_signature = false;
    }
    let wants = Wants {
        writes: true,
        trigger: "rehearsal".to_owned(),
        progress: progress::listener(voice.quiet, global.progress),
        ..Wants::reading()
    };
    let staged = opened.over(lake, site.engine.clone(), None, wants);
    Ok(site::block_on(threads, rehearse(site, &staged, &models))??)
}

fn counts_json(counts: &Counts) -> Value {
    json!({ "rows": counts.rows, "fingerprint": counts.fingerprint, "accounting": counts.accounting })
}

/// Rules of either version, by name, with action, rows that would break it, and rows that do.
fn rules(before: Option<&Counts>, after: &Counts) -> Vec<(String, String, u64, Option<u64>)> {
    let names: BTreeSet<&String> = after.broken.keys().collect();
    let rule = |name: &String| {
        let (action, failed) = &after.broken[name];
        let was = before.and_then(|before| before.broken.get(name));
        (
            name.clone(),
            action.clone(),
            *failed,
            was.map(|(_, failed)| *failed),
        )
    };
    names.into_iter().map(rule).collect()
}

/// What is known of one model.
pub(super) fn document(of: &Rehearsed) -> Value {
    let before = of.before.as_ref().map(counts_json);
    match &of.after {
        Outcome::Made(after) => {
            let mut document = counts_json(after);
            let rules = rules(of.before.as_ref(), after).into_iter().map(|(name, action, failed, before)| {
                json!({ "first": of.first.get(&name), "name": name, "action": action, "failed": failed, "before": before })
            });
            document["rules"] = rules.collect();
            document["before"] = before.unwrap_or(Value::Null);
            document["error"] = Value::Null;
            document
        }
        after => json!({
            "rows": null, "fingerprint": null, "accounting": null, "rules": [], "before": before,
            "error": after.error().map(|error| error_json(error, error.hint(), error.exit_code())),
        }),
    }
}

/// The same for people.
pub(super) fn text(rehearsed: &[Rehearsed]) -> String {
    let mut text = String::new();
    for of in rehearsed {
        let table = &of.table;
        let after = match &of.after {
            Outcome::Made(after) => after,
            Outcome::Failed(_) => {
                text.push_str(&format!(
                    "rehearsed  {table}: makes no version, for the reason below\n"
                ));
                continue;
            }
            Outcome::Skipped(other) => {
                text.push_str(&format!("rehearsed  {table}: skipped, `{other}` fails\n"));
                continue;
            }
        };
        let now = match &of.before {
            None => "there is no version now".to_owned(),
            Some(before) if before.fingerprint == after.fingerprint => "the same as now".to_owned(),
            Some(before) => format!("{} now", thousands(before.rows)),
        };
        text.push_str(&format!(
            "rehearsed  {table}: {}, {now}\n",
            counted(after.rows, "row")
        ));
        for term in TOLD {
            let count = |counts: &Counts| counts.accounting.get(term).copied().unwrap_or(0);
            let (would, does) = (count(after), of.before.as_ref().map(count));
            if would > 0 || does.is_some_and(|does| does > 0) {
                let read = after.accounting.get("read").copied().unwrap_or(0);
                let now =
                    does.map_or_else(String::new, |does| format!(", {} now", thousands(does)));
                text.push_str(&format!(
                    "           {term} {} of {}{now}\n",
                    thousands(would),
                    thousands(read)
                ));
            }
        }
        for (name, action, failed, does) in rules(of.before.as_ref(), after) {
            if failed == 0 && does.unwrap_or(0) == 0 {
                continue;
            }
            let now = match does {
                Some(does) => format!(", {} now", thousands(does)),
                None => ", a new rule".to_owned(),
            };
            let first = of
                .first
                .get(&name)
                .map_or_else(String::new, |at| format!("; the first: {at}"));
            text.push_str(&format!(
                "           {name} ({action}): {} would break it{now}{first}\n",
                counted(failed, "row")
            ));
        }
    }
    text
}
