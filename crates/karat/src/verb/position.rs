//! `karat position`: how far feeds have been read, and setting a cursor by hand.

use karat_pipeline::position::{self, Position};
use serde_json::{Value, json};

use crate::args::{Global, PositionVerb};
use crate::failure::Failure;
use crate::output::{Table, Voice};
use crate::site::{self, Wants};

/// Shows or sets.
pub(crate) fn run(voice: Voice, global: &Global, what: &PositionVerb) -> Result<u8, Failure> {
    match what {
        PositionVerb::Show { feed } => show(voice, global, feed.as_deref()),
        PositionVerb::Set { feed, value } => set(voice, global, feed, value),
    }
}

fn show(voice: Voice, global: &Global, only: Option<&str>) -> Result<u8, Failure> {
    let opened = site::open_lake(global, None, None)?;
    let feeds = match only {
        Some(name) => vec![super::feed(&opened.project, name)?.clone()],
        None => opened.project.feeds().cloned().collect(),
    };
    let threads = opened.threads;
    let site = opened.site(Wants::reading())?;
    let mut positions: Vec<(String, String, Position)> = Vec::new();
    for feed in &feeds {
        let position = site::block_on(threads, position::show(&site, feed))??;
        positions.push((feed.short_name(), feed.bronze.to_string(), position));
    }
    voice.answer(
        || {
            let positions: Vec<Value> = positions
                .iter()
                .map(|(feed, table, at)| {
                    json!({ "feed": feed, "table": table, "epoch": at.epoch, "open": at.open, "cursor": at.cursor, "objects": at.objects })
                })
                .collect();
            json!({ "positions": positions })
        },
        || {
            let mut lines = Table::new(&["feed", "table", ">loads", ">objects", "cursor", ""]);
            for (feed, table, at) in &positions {
                let cursor = match &at.cursor {
                    Value::Null => String::new(),
                    Value::String(text) => text.clone(),
                    other => other.to_string(),
                };
                let open = at.open.map_or_else(String::new, |epoch| format!("load {epoch} is open: `karat run` takes it up"));
                lines.row([feed.clone(), table.clone(), at.epoch.to_string(), at.objects.to_string(), cursor, open]);
            }
            lines.text()
        },
    )?;
    Ok(0)
}

fn set(voice: Voice, global: &Global, name: &str, value: &str) -> Result<u8, Failure> {
    let opened = site::open(global, None, None)?;
    let feed = super::feed(&opened.project, name)?.clone();
    let threads = opened.threads;
    let site = opened.site(Wants::writing())?;
    let epoch = site::block_on(threads, position::set(&site, &feed, value))??;
    voice.answer(
        || json!({ "feed": feed.short_name(), "table": feed.bronze.to_string(), "epoch": epoch, "cursor": value }),
        || format!("`{}` reads on after the value given (recorded as epoch {epoch})\n", feed.short_name()),
    )?;
    Ok(0)
}
