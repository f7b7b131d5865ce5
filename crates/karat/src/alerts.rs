//! Telling people that runs fail, once, and that they end well again (`alerts` of a target).

use karat_pipeline::journal::Journal;
use karat_pipeline::{RunReport, Site};
use serde_json::{Value, json};

use crate::output;
use crate::webhook;

/// How the run before ended, as the journal of this machine remembers it; none if there is none, or it did not end.
pub(crate) fn ended_before(journal: Option<&Journal>) -> Option<u8> {
    let attempts = journal?.attempts(1).ok()?;
    attempts.first()?.exit_code
}

/// Tells the target's server where this run ended otherwise than the one before: badly, or well again. That it could not be told is said
/// on stderr and changes no exit code.
pub(crate) fn tell(site: &Site, before: Option<u8>, code: u8, report: Option<&RunReport>) {
    let target = site.project.targets.get(&site.context.target);
    let Some(url) = target.and_then(|target| target.alerts.as_ref()) else {
        return;
    };
    let event = match (before.unwrap_or(0), code) {
        (0, 1..) => "failed",
        (1.., 0) => "recovered",
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
