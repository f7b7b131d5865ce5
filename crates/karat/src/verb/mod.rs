//! The verbs, one file each: open what is needed, call the pipeline, print.

pub(crate) mod backfill;
pub(crate) mod bench;
pub(crate) mod close;
pub(crate) mod diff;
pub(crate) mod doctor;
pub(crate) mod expanded;
pub(crate) mod explain;
pub(crate) mod import;
pub(crate) mod init;
pub(crate) mod plan;
pub(crate) mod position;
pub(crate) mod profile;
pub(crate) mod quarantine;
pub(crate) mod query;
pub(crate) mod receipt;
mod receipt_export;
pub(crate) mod refactor;
mod refactor_report;
mod rehearsal;
pub(crate) mod replay;
mod rotate;
pub(crate) mod run;
pub(crate) mod schema;
pub(crate) mod source;
pub(crate) mod status;
pub(crate) mod test;
pub(crate) mod tour;
pub(crate) mod undo;
pub(crate) mod validate;
pub(crate) mod verify;
mod watch;

use std::collections::BTreeSet;

use karat_pipeline::changed;
use karat_project::{Feed, Graph, Project, Selector, TableName, nearest};

use crate::failure::Failure;
use crate::output::Voice;
use crate::site::Opened;

/// The tables that `--select` names; None if it was not given.
pub(crate) fn selected(
    project: &Project,
    selectors: &[String],
) -> Result<Option<BTreeSet<TableName>>, Failure> {
    if selectors.is_empty() {
        return Ok(None);
    }
    let parsed = selectors
        .iter()
        .map(|text| text.parse::<Selector>())
        .collect::<Result<Vec<_>, _>>();
    let names = parsed.and_then(|selectors| Graph::of(project).select(&selectors));
    match names {
        Ok(names) => Ok(Some(names.into_iter().collect())),
        Err(error) => Err(Failure::usage(
            error.to_string(),
            error.hint().unwrap_or_default(),
        )),
    }
}

/// The same where there is a lake: `changed` stands for the models whose code is not that of their newest version, and takes `+` as names do.
pub(crate) fn selected_of_lake(
    voice: Voice,
    opened: &Opened,
    selectors: &[String],
) -> Result<Option<BTreeSet<TableName>>, Failure> {
    let is_changed = |text: &str| text.trim().trim_matches('+') == CHANGED;
    if !selectors.iter().any(|text| is_changed(text)) {
        return selected(&opened.project, selectors);
    }
    let changed = changed::models(&opened.lake()?, &opened.project)?;
    if changed.is_empty() {
        voice.note("note: no model has changed since its newest version was made");
    }
    let mut names = Vec::new();
    for selector in selectors {
        match is_changed(selector) {
            true => names.extend(
                changed
                    .iter()
                    .map(|model| selector.trim().replace(CHANGED, &model.to_string())),
            ),
            false => names.push(selector.clone()),
        }
    }
    match names.is_empty() {
        true => Ok(Some(BTreeSet::new())),
        false => selected(&opened.project, &names),
    }
}

/// The word for models whose code has changed.
const CHANGED: &str = "changed";

/// The feed called `source.feed`, or after its bronze table.
pub(crate) fn feed<'p>(project: &'p Project, name: &str) -> Result<&'p Feed, Failure> {
    // As in SQL and in selections, letters have no case (F3).
    let folded = name.to_lowercase();
    let found: Vec<&Feed> = project
        .feeds()
        .filter(|feed| feed.short_name() == folded || feed.bronze.to_string() == folded)
        .collect();
    match found.as_slice() {
        [feed] => Ok(feed),
        [] => {
            let names: Vec<String> = project.feeds().map(Feed::short_name).collect();
            let mut last_parts = names.iter().filter(|feed| {
                let last = feed.split_once('.').map(|(_, last)| last);
                last == Some(name)
            });
            let near = match (last_parts.next(), last_parts.next()) {
                (Some(only), None) => Some(only.as_str()),
                _ => nearest(name, names.iter().map(String::as_str)),
            };
            let hint = match near {
                Some(near) => format!("did you mean `{near}`?"),
                None if names.is_empty() => "the project declares no feed".to_owned(),
                None => format!("the project declares: {}", names.join(", ")),
            };
            Err(Failure::usage(format!("there is no feed `{name}`"), hint))
        }
        several => {
            let names: Vec<String> = several.iter().map(|feed| feed.bronze.to_string()).collect();
            Err(Failure::usage(
                format!("several domains have a feed `{name}`"),
                format!("write one of {}", names.join(", ")),
            ))
        }
    }
}
