//! `karat plan`: what a run would read, write, why, how long it takes and where it stops. Writes nothing.

use karat_pipeline::error::exit_code_of;
use karat_pipeline::given::Values;
use karat_pipeline::pace::{Estimate, Paces};
use karat_pipeline::plan::{self, PlannedAction, PlannedStep};
use serde_json::{Value, json};

use super::rehearsal;
use super::run::{broken_json, held, say_errors};
use super::undo;
use crate::args::{Global, PlanArgs};
use crate::failure::{Failure, error_json};
use crate::output::{Table, Voice, bytes, counted, seconds};
use crate::site::{self, Wants};

/// Runs whose steps tell how long planned ones take.
const RUNS_REMEMBERED: u32 = 100;

/// Prints the plan; the exit code is that of a run, as far as it can be told.
pub(crate) fn run(voice: Voice, global: &Global, arguments: &PlanArgs) -> Result<u8, Failure> {
    let (select, time) = (&arguments.select, &arguments.time);
    let opened = site::open(global, time.at.as_deref(), None)?.given(&arguments.given)?;
    let selected = super::selected_of_lake(voice, &opened, &select.select)?;
    opened.given.check(&opened.project, selected.as_ref())?;
    let given = opened.given.asked_by(&opened.project, selected.as_ref());
    let sources = opened.sources();
    let threads = opened.threads;
    let reports = opened
        .journal_if_there()
        .and_then(|journal| journal.reports(RUNS_REMEMBERED).ok());
    let paces = Paces::of(&reports.unwrap_or_default());
    let site = opened.site(Wants {
        signs: true,
        accept_deletes: arguments.accept_deletes,
        ..Wants::reading()
    })?;
    let steps = site::block_on(
        threads,
        plan::plan(&site, sources.as_ref(), selected.as_ref()),
    )?;
    undo::say_unfinished(voice, &karat_pipeline::undo::unfinished(&site)?);
    let estimates = paces.estimates(&steps);
    let code = plan::exit_code(&steps);
    let rehearsed = match arguments.rehearse {
        true => rehearsal::of(voice, global, arguments, &site, &steps)?,
        false => Vec::new(),
    };
    let failed = || rehearsed.iter().filter_map(|one| one.after.error());
    let code = match code {
        0 => exit_code_of(failed(), false),
        code => code,
    };
    voice.answer(
        || {
            let steps = steps.iter().zip(&estimates);
            let steps: Vec<Value> = steps
                .map(|(step, estimate)| {
                    let mut step = json_of(step, *estimate);
                    let of = rehearsed
                        .iter()
                        .find(|one| step["table"] == one.table.to_string());
                    step["rehearsal"] = of.map_or(Value::Null, rehearsal::document);
                    step
                })
                .collect();
            json!({ "logical_time": site.context.logical_time, "given": given, "steps": steps })
        },
        || {
            let mut text = given_text(&given);
            text.push_str(&steps_text(&steps, &estimates, code, voice.quiet));
            text.push_str(&rehearsal::text(&rehearsed));
            text
        },
    )?;
    let of_steps = steps.iter().filter_map(|step| step.error.as_ref());
    say_errors(&site, failed().chain(of_steps));
    Ok(code)
}

fn json_of(step: &PlannedStep, estimate: Estimate) -> Value {
    let seconds = match estimate {
        Estimate::Seconds(seconds) if is_to_do(step) => Some((seconds * 1000.0).round() / 1000.0),
        _ => None,
    };
    json!({
        "kind": step.kind, "table": step.table, "action": step.action.word(), "reason": step.reason,
        "if_changed": step.if_changed, "objects": step.objects,
        "rows": step.rows, "bytes": step.bytes, "seconds": seconds, "notes": step.notes, "broken": broken_json(&step.broken),
        "checks": step.checks.iter().map(|check| json!({ "name": check.name, "kind": check.kind, "action": check.action })).collect::<Vec<_>>(),
        "error": step.error.as_ref().map(|error| error_json(error, error.hint(), error.exit_code())),
    })
}

fn is_to_do(step: &PlannedStep) -> bool {
    matches!(
        step.action,
        PlannedAction::Load | PlannedAction::Rebuild | PlannedAction::Incremental
    )
}

/// What models are made from beside tables, in a line; empty where they ask for nothing.
fn given_text(given: &Values) -> String {
    let given: Vec<String> = given
        .iter()
        .map(|(name, value)| format!("{name} = {value}"))
        .collect();
    match given.is_empty() {
        true => String::new(),
        false => format!("given   {}\n", given.join(", ")),
    }
}

fn steps_text(steps: &[PlannedStep], estimates: &[Estimate], code: u8, quiet: bool) -> String {
    let mut lines = Table::new(&["step", "table", "would", "because", "reads", "takes"]);
    let (mut to_do, mut if_changed, mut unknown, mut sum) = (0_u64, 0_u64, 0_u64, 0.0);
    for (step, estimate) in steps.iter().zip(estimates) {
        let mut reads = Vec::new();
        let mut takes = String::new();
        if is_to_do(step) {
            to_do += 1;
            if_changed += u64::from(step.if_changed);
            takes = match estimate {
                Estimate::Seconds(some) => {
                    sum += some;
                    format!("about {}", seconds(*some))
                }
                Estimate::NeverRun => "no estimate: never run".to_owned(),
                Estimate::UnknownSize => "no estimate: size unknown".to_owned(),
            };
            unknown += u64::from(!matches!(estimate, Estimate::Seconds(_)));
            if step.objects > 0 {
                reads.push(counted(step.objects, "object"));
            }
            if let Some(rows) = step.rows {
                reads.push(counted(rows, "row"));
            }
            if step.bytes > 0 {
                reads.push(bytes(step.bytes));
            }
        }
        let would = if step.action == PlannedAction::Fail {
            "FAIL"
        } else {
            step.action.word()
        };
        lines.row([
            step.kind.to_owned(),
            step.table.clone(),
            would.to_owned(),
            step.reason.clone(),
            reads.join(", "),
            takes,
        ]);
    }
    let mut text = lines.text();
    for step in steps {
        for (object, reason) in &step.broken {
            text.push_str(&held(object, &step.table, reason));
        }
    }
    for step in steps.iter().filter(|step| !step.checks.is_empty()) {
        let checks: Vec<String> = step
            .checks
            .iter()
            .map(|check| format!("{} ({})", check.name, check.kind))
            .collect();
        text.push_str(&format!("checks  {}: {}\n", step.table, checks.join(", ")));
    }
    // A note that explains the exit code is no matter of taste.
    for step in steps.iter().filter(|step| !quiet || step.found_nothing) {
        for note in &step.notes {
            text.push_str(&format!("note: {}: {note}\n", step.table));
        }
    }
    let failing = steps
        .iter()
        .filter(|step| step.action == PlannedAction::Fail);
    let failing = failing.count() as u64;
    let mut parts = Vec::new();
    if to_do > 0 {
        let only = match if_changed {
            0 => String::new(),
            all if all == to_do => ", if what is read has changed".to_owned(),
            some => format!(", {some} of them if what is read has changed"),
        };
        parts.push(format!("{} to do{only}", counted(to_do, "step")));
    }
    if unknown < to_do {
        parts.push(format!("about {}", seconds(sum)));
    }
    if unknown > 0 && unknown < to_do {
        parts.push(format!("{unknown} without an estimate"));
    }
    let checked = steps.iter();
    let checked = checked.filter(|step| step.action == PlannedAction::Check);
    let checked = checked.count() as u64;
    if checked > 0 {
        parts.push(format!("{} to check", counted(checked, "version")));
    }
    if failing > 0 {
        let steps = match to_do {
            0 => counted(failing, "step"),
            _ => failing.to_string(),
        };
        parts.push(format!("{steps} would fail, with exit {code}"));
    }
    let mut end = parts.join(", ");
    if parts.is_empty() {
        end.push_str("nothing to do");
    }
    if failing == 0 && code != 0 {
        end.push_str(&format!(", with exit {code}"));
    }
    if !parts.is_empty() {
        end.push_str("; nothing was written");
    }
    text.push_str(&format!("{end}\n"));
    text
}
