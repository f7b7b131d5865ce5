//! `karat plan`: what a run would read, write, and why. Writes nothing.

use karat_pipeline::PipelineError;
use karat_pipeline::plan::{PlannedAction, PlannedStep, plan};
use serde_json::{Value, json};

use crate::args::{Global, LogicalTime, Select};
use crate::failure::{Failure, error_json, error_text};
use crate::output::{self, Table, Voice, bytes, counted, thousands};
use crate::site::{self, Wants};

/// Prints the plan; the exit code is that of the gravest step that cannot be planned.
pub(crate) fn run(
    voice: Voice,
    global: &Global,
    select: &Select,
    time: &LogicalTime,
) -> Result<u8, Failure> {
    let opened = site::open(global, time.at.as_deref(), None)?;
    let selected = super::selected(&opened.project, &select.select)?;
    let sources = opened.sources();
    let threads = opened.threads;
    let site = opened.site(Wants::reading())?;
    let steps = site::block_on(threads, plan(&site, sources.as_ref(), selected.as_ref()))?;
    voice.answer(
        || json!({ "logical_time": site.context.logical_time, "steps": steps.iter().map(json_of).collect::<Vec<_>>() }),
        || text(&steps, voice.quiet),
    )?;
    let codes: Vec<u8> = steps
        .iter()
        .filter_map(|step| step.error.as_ref())
        .map(PipelineError::exit_code)
        .collect();
    for step in &steps {
        if let Some(error) = &step.error {
            output::print_error(&error_text(error, error.hint()));
        }
    }
    Ok([2, 4, 5, 3, 1]
        .into_iter()
        .find(|code| codes.contains(code))
        .unwrap_or(0))
}

fn json_of(step: &PlannedStep) -> Value {
    json!({
        "kind": step.kind, "table": step.table, "action": step.action.word(), "reason": step.reason, "objects": step.objects,
        "rows": step.rows, "bytes": step.bytes, "notes": step.notes,
        "error": step.error.as_ref().map(|error| error_json(error, error.hint(), error.exit_code())),
    })
}

fn text(steps: &[PlannedStep], quiet: bool) -> String {
    let mut lines = Table::new(&["step", "table", "would", "because", "reads"]);
    let mut to_do = 0_u64;
    for step in steps {
        let idle = matches!(step.action, PlannedAction::Nothing | PlannedAction::Wait);
        to_do += u64::from(!idle && step.action != PlannedAction::Fail);
        let mut reads = Vec::new();
        if !idle {
            if step.objects > 0 {
                reads.push(counted(step.objects, "object"));
            }
            if let Some(rows) = step.rows {
                reads.push(format!("{} rows", thousands(rows)));
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
        ]);
    }
    let mut text = lines.text();
    if !quiet {
        for step in steps {
            for note in &step.notes {
                text.push_str(&format!("note: {}: {note}\n", step.table));
            }
        }
    }
    let failing = steps
        .iter()
        .filter(|step| step.action == PlannedAction::Fail);
    text.push_str(&match (to_do, failing.count() as u64) {
        (0, 0) => "nothing to do\n".to_owned(),
        (some, 0) => format!("{} to do; nothing was written\n", counted(some, "step")),
        (0, failing) => format!("{} cannot be planned\n", counted(failing, "step")),
        (some, failing) => format!(
            "{} to do, {failing} cannot be planned; nothing was written\n",
            counted(some, "step")
        ),
    });
    text
}
