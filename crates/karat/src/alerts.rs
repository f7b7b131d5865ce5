//! Telling people that runs fail, once, and that they end well again (`alerts` of a target).

use std::collections::BTreeSet;

use karat_pipeline::journal::Journal;
use karat_pipeline::{RunReport, Site};
use serde_json::{Value, json};

use crate::output;
use crate::webhook;

/// What fails at a target, as the journal of this machine remembers it.
pub(crate) fn failing(journal: Option<&Journal>, target: &str) -> BTreeSet<String> {
    let failing = journal.and_then(|journal| journal.failing(target).ok());
    failing.unwrap_or_default()
}

/// Tells the target's server where something fails and nothing did before this run, or nothing does any more. That it could not be told is
/// said on stderr and changes no exit code.
pub(crate) fn tell(
    site: &Site,
    before: &BTreeSet<String>,
    now: &BTreeSet<String>,
    code: u8,
    report: Option<&RunReport>,
) {
    let target = site.project.targets.get(&site.context.target);
    let Some(url) = target.and_then(|target| target.alerts.as_ref()) else {
        return;
    };
    let event = match (before.is_empty(), now.is_empty()) {
        (true, false) => "failed",
        (false, true) => "recovered",
        _ => return,
    };
    let steps = report.into_iter().flat_map(|report| &report.steps);
    let failed = steps.filter_map(|step| {
        let error = step.error.as_ref()?;
        Some(json!({ "table": step.table.to_string(), "message": error.to_string() }))
    });
    let document = json!({
        "event": event, "project": site.project.name, "target": site.context.target, "run": site.context.run,
        "logical_time": site.context.logical_time, "exit_code": code, "failed": failed.collect::<Vec<Value>>(),
    });
    let key = format!("{}-{event}", site.context.run);
    if let Err(failure) = webhook::post(url, "send the alert to", &document.to_string(), &key) {
        output::print_error(&failure.text());
    }
}
