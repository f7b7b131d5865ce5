//! `karat close DATE`: tags the versions that a business day is closed with, if nothing of it is left to do.

use karat_pipeline::expected::Delivery;
use karat_pipeline::plan::{self, PlannedAction, PlannedStep};
use karat_pipeline::{PipelineError, closing};
use karat_receipt::Tag;
use serde_json::json;

use super::run::say_errors;
use crate::anchor;
use crate::args::{BusinessDay, CloseArgs, GivenArgs, Global};
use crate::failure::Failure;
use crate::output::{Voice, counted};
use crate::site::{self, Wants};

/// Steps that a refusal names.
const NAMED: usize = 5;

/// Closes the day; refused where a run for it would do something, or fail.
pub(crate) fn run(voice: Voice, global: &Global, arguments: &CloseArgs) -> Result<u8, Failure> {
    let day = arguments.date;
    let given = GivenArgs {
        parameters: arguments.parameters.clone(),
        day: BusinessDay {
            business_date: Some(day),
        },
    };
    let opened = site::open(global, arguments.time.at.as_deref(), None)?.given(&given)?;
    opened.given.check(&opened.project, None)?;
    let (sources, threads) = (opened.sources(), opened.threads);
    let site = opened.site(Wants::writing())?;
    // Nothing is written on top of a lake that is an older one.
    anchor::check_newest(&site)?;
    let close = || -> Result<Tag, Failure> {
        let closing = closing::may_close(&site, day)?;
        let steps = site::block_on(threads, plan::plan(&site, sources.as_ref(), None))?;
        if let Some(error) = unfinished(&steps, &day.to_string()) {
            say_errors(&site, steps.iter().filter_map(|step| step.error.as_ref()));
            return Err(error.into());
        }
        let may_bring = steps
            .iter()
            .filter(|step| step.if_changed && step.kind == "load");
        for step in may_bring {
            voice.note(&format!(
                "note: {}: whether the source has changed since the last load was not looked at; what it brings then comes after {day}",
                step.table
            ));
        }
        for note in &closing.notes {
            voice.note(&format!("note: {note}"));
        }
        Ok(closing::close(&site, closing)?)
    };
    let closed = close();
    // Also where the day stays open: what a killed run committed may be listed now.
    let anchored = anchor::publish_newest(&site);
    let tag = closed?;
    voice.answer(
        || {
            json!({
                "tag": tag.name, "business_date": tag.business_date, "run_id": tag.run, "logical_time": tag.logical_time,
                "head": tag.head.to_string(), "tables": tag.tables,
            })
        },
        || {
            format!(
                "closed {day}: the tag `{}` names {}\nhead {}\n",
                tag.name,
                counted(tag.tables.len() as u64, "table"),
                tag.head
            )
        },
    )?;
    anchored?;
    Ok(0)
}

/// What the feed of a step expects and has not got yet.
fn awaited(step: &PlannedStep) -> Option<String> {
    step.delivery.as_ref().and_then(Delivery::awaited)
}

/// What a run for the day would still do, as the reason not to close it.
fn unfinished(steps: &[PlannedStep], day: &str) -> Option<PipelineError> {
    let left: Vec<&PlannedStep> = steps
        .iter()
        .filter(|step| {
            let is_idle = matches!(step.action, PlannedAction::Nothing | PlannedAction::Wait);
            let is_waiting = awaited(step).is_some();
            // What is read whole may always have changed since: what it brings then is of a later day.
            let is_idle = is_idle || step.if_changed;
            !is_idle || !step.broken.is_empty() || step.found_nothing || is_waiting
        })
        .collect();
    if left.is_empty() {
        return None;
    }
    let named: Vec<String> = left
        .iter()
        .take(NAMED)
        .map(|step| match (step.broken.first(), awaited(step)) {
            (Some((object, _)), _) => format!("`{}` ({object} is held)", step.table),
            (None, Some(why)) => format!("`{}` ({why})", step.table),
            (None, None) => format!("`{}` ({}: {})", step.table, step.action.word(), step.reason),
        })
        .collect();
    let more = match left.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    Some(PipelineError::NotDone {
        day: day.to_owned(),
        left: format!(
            "{} not done: {}{more}",
            match left.len() {
                1 => "1 step is".to_owned(),
                steps => format!("{steps} steps are"),
            },
            named.join(", ")
        ),
    })
}
