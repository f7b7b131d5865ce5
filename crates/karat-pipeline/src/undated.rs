//! Full loads whose order mark is perhaps no date, where a model dates deletes by it (C4, C5): worth a look before the first delete
//! stops that model. What is surely no date is a mistake, and `judge` tells it.

use karat_project::{AutoCdc, Feed, Mode, Model, ModelKind, Place, Project, Silver};
use karat_source::pattern::OrderPattern;

use crate::inventories::Inventories;
use crate::marks::mark_date;
use crate::snapshots;

/// A feed whose deletes may have no time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undated {
    /// Where its order mark is declared.
    pub at: Place,
    /// What may be missing, and who needs it.
    pub message: String,
    /// What to do.
    pub hint: String,
}

/// Such feeds of files, in order. One whose files are there is judged by them, else by its `file_order`.
pub fn undated(project: &Project, inventories: &mut Inventories<'_>) -> Vec<Undated> {
    let mut found = Vec::new();
    for model in &project.models {
        let ModelKind::Silver(silver) = &model.kind else {
            continue;
        };
        found.extend(misread_versions(project, model, silver, inventories));
        let Some(word) = silver.auto_cdc.as_ref().and_then(dated_by) else {
            continue;
        };
        let Some(feed) = project
            .feed(&silver.from)
            .filter(|feed| feed.mode == Mode::Full && !feed.key.is_empty() && feed.path.is_some())
        else {
            continue;
        };
        let spec = inventories.spec(feed);
        let inventory = inventories.source(&feed.source);
        let files = inventory.map_or_else(Vec::new, |inventory| inventory.files_of(&spec));
        let Some(why) = doubt(feed, &files) else {
            continue;
        };
        found.push(Undated {
            at: feed.file_order_at.unwrap_or(feed.object_at),
            message: format!(
                "the full loads of `{}` may state no time for their deletes: {why}; `{}`, which orders them by `{word}`, stops at the first delete then",
                feed.bronze, model.name
            ),
            hint: "capture a date, like `(\\d{8})` of `orders_20261030.csv`, with `file_order`, or use `sequence_by: _seq` in the model".to_owned(),
        });
    }
    found
}

/// Snapshots of files whose order mark is not written as their model says.
fn misread_versions(
    project: &Project,
    model: &Model,
    silver: &Silver,
    inventories: &mut Inventories<'_>,
) -> Option<Undated> {
    let cdc = silver.auto_cdc.as_ref()?;
    let version = snapshots::version_of(cdc).ok()??;
    let feed = project.feed(&silver.from)?;
    let feed = (feed.mode == Mode::Full && feed.path.is_some()).then_some(feed)?;
    let order = feed.file_order.as_deref();
    let order = order.and_then(|pattern| OrderPattern::new(pattern).ok());
    let spec = inventories.spec(feed);
    let files = inventories.source(&feed.source)?.files_of(&spec);
    let wrong = files.iter().find(|path| {
        version
            .read(snapshots::marked(order.as_ref(), path))
            .is_none()
    })?;
    Some(Undated {
        at: cdc.snapshots.as_ref()?.at,
        message: format!(
            "`{}` cannot date the snapshot `{wrong}`: its order mark, `{}`, is not written like that",
            model.name,
            snapshots::marked(order.as_ref(), wrong)
        ),
        hint: "let `file_order` of the feed capture the date alone, and `snapshot_version` say how it is written".to_owned(),
    })
}

/// The word and the column by which a model dates deletes, which a load has no row for.
fn dated_by(cdc: &AutoCdc) -> Option<String> {
    let sequence = cdc.sequence_by.first();
    let valid_from = cdc.valid_from.as_deref().filter(|_| cdc.scd_type == 2);
    sequence
        .map(|name| format!("sequence_by: {name}"))
        .or(valid_from.map(|name| format!("valid_from: {name}")))
}

fn doubt(feed: &Feed, files: &[&str]) -> Option<String> {
    let order = match feed.file_order.as_deref() {
        Some(pattern) => Some((pattern, OrderPattern::new(pattern).ok()?)),
        None => None,
    };
    if order
        .as_ref()
        .is_some_and(|(_, order)| !order.may_capture_a_date())
    {
        return None;
    }
    for path in files {
        let mark = match &order {
            Some((_, order)) => order.mark(path)?,
            None => (*path).to_owned(),
        };
        if mark_date(mark.as_bytes()).is_none() {
            return Some(match order {
                Some(_) => format!("the order mark of `{path}` is no date"),
                None => format!(
                    "without `file_order` the order mark is the path, and `{path}` has no date"
                ),
            });
        }
    }
    match order {
        Some((pattern, order)) if files.is_empty() && !order.captures_what_looks_like_a_date() => {
            Some(format!(
                "what `file_order: {pattern}` captures need not be a date"
            ))
        }
        _ => None,
    }
}
