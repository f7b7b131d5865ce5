//! How far a feed has been read, and setting it by hand.

use std::collections::BTreeMap;

use karat_project::{Feed, Lag, TableName};
use karat_receipt::{Closed, Intent, Outcome};
use serde_json::{Value, json};

use crate::context::Site;
use crate::epochs::{self, Epochs};
use crate::error::PipelineError;
use crate::publish::head;
use crate::step::keep_code;

/// Where a feed stands.
#[derive(Debug)]
pub struct Position {
    /// Newest epoch that bronze carries.
    pub epoch: i64,
    /// An epoch that a run left open.
    pub open: Option<i64>,
    /// Cursor value; null for files.
    pub cursor: Value,
    /// Objects that are read, each in its newest delivery.
    pub objects: usize,
    /// Objects that are held: broken, or late.
    pub held: usize,
}

/// Shows the position of the feed that fills this table, from the lake alone.
pub fn show(site: &Site, bronze: &TableName) -> Result<Position, PipelineError> {
    let epochs = read(site, bronze)?;
    let objects = epochs.newest_objects();
    let held = objects.iter().filter(|object| object.broken.is_some());
    let held = held.count();
    Ok(Position {
        epoch: epochs.committed(),
        open: epochs.open().map(|intent| intent.epoch),
        cursor: match epochs.last_current().map(|intent| &intent.to["position"]) {
            // A source may keep more beside the value than a person asks for; of files and full loads it keeps no value at all.
            Some(Value::Object(position)) => position.get("cursor").cloned().unwrap_or(Value::Null),
            Some(value) => value.clone(),
            None => Value::Null,
        },
        objects: objects.len() - held,
        held,
    })
}

/// Sets the cursor of an incremental feed: the next load reads what lies after `value`.
pub fn set(site: &Site, feed: &Feed, value: &str) -> Result<i64, PipelineError> {
    let Some(cursor) = &feed.cursor else {
        return Err(PipelineError::Refused {
            what: format!(
                "`{}` has no cursor: its position is the list of its objects",
                feed.bronze
            ),
            hint: "only feeds with `cursor` have a position that can be set".to_owned(),
        });
    };
    // A value that the lag cannot be taken from would stop every load after it.
    let (fits, kind) = match cursor.lag {
        Some(Lag::Time(_)) => (
            karat_source::sqlite::reads_as_time(value),
            "a date or time, like `2026-10-29 08:00:00`",
        ),
        Some(Lag::Count(_)) => (value.parse::<f64>().is_ok_and(f64::is_finite), "a number"),
        None => (true, ""),
    };
    if !fits {
        return Err(PipelineError::Refused {
            what: format!(
                "the cursor `{}` of `{}` has a lag, and the value given is not {kind}",
                cursor.column, feed.bronze
            ),
            hint: "`karat position show` shows the value that it has".to_owned(),
        });
    }
    let _lock = site
        .lake
        .lock(&feed.bronze.to_string(), site.context.wait)?;
    let epochs = read(site, &feed.bronze)?;
    if let Some(open) = epochs.open() {
        return Err(PipelineError::Refused {
            what: format!("load {} of `{}` is still open", open.epoch, feed.bronze),
            hint: "`karat run` settles it; then set the position".to_owned(),
        });
    }
    let epoch = epochs.next();
    let intent = Intent {
        feed_or_model: feed.bronze.to_string(),
        epoch,
        run: site.context.run.clone(),
        logical_time: site.context.logical_time.clone(),
        code: keep_code(site, &feed.code_text())?,
        parameters: site.context.parameters.clone(),
        from: epochs
            .last_current()
            .map_or(Value::Null, |intent| intent.to.clone()),
        to: json!({ "position": value }),
        objects: Vec::new(),
        inputs: BTreeMap::new(),
    };
    epochs::write_intent(&site.lake, &feed.bronze, &intent)?;
    let closed = Closed {
        feed_or_model: feed.bronze.to_string(),
        epoch,
        outcome: Outcome::Empty,
        reason: format!("position set by {}", site.context.principal),
        objects: Vec::new(),
    };
    epochs::close(&site.lake, &feed.bronze, &closed)?;
    Ok(epoch)
}

fn read(site: &Site, bronze: &TableName) -> Result<Epochs, PipelineError> {
    let table = site.lake.table(&bronze.folder());
    let head = head(&table)?;
    Epochs::read(&site.lake, bronze, head.as_ref().map(|head| &head.snapshot))
}
