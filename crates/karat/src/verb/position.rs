//! `karat position`: how far feeds have been read; setting a cursor by hand, and going back where a run was undone.

use karat_pipeline::position::{self, Position};
use karat_project::{Feed, TableName};
use serde_json::{Value, json};

use crate::anchor;
use crate::args::{Global, PositionVerb};
use crate::failure::Failure;
use crate::output::{Table, Voice, counted};
use crate::site::{self, Opened, Wants};

/// Shows, sets or resets.
pub(crate) fn run(voice: Voice, global: &Global, what: &PositionVerb) -> Result<u8, Failure> {
    match what {
        PositionVerb::Show { feed } => show(voice, global, feed.as_deref()),
        PositionVerb::Set { feed, value } => set(voice, global, feed, value),
        PositionVerb::Reset { feed, reason } => reset(voice, global, feed, reason.as_deref()),
    }
}

fn show(voice: Voice, global: &Global, only: Option<&str>) -> Result<u8, Failure> {
    let opened = site::open_lake(voice, global, None, None)?;
    let feeds = match only {
        Some(name) => vec![one_of(&opened, name)?],
        None => opened.feeds()?,
    };
    let site = opened.site(Wants::reading())?;
    let mut positions: Vec<(String, String, Position)> = Vec::new();
    for bronze in &feeds {
        let position = position::show(&site, bronze)?;
        let declared = site.project.feed(bronze).map(Feed::short_name);
        let name = declared.unwrap_or_else(|| short_name(bronze));
        positions.push((name, bronze.to_string(), position));
    }
    voice.answer(
        || {
            let positions: Vec<Value> = positions
                .iter()
                .map(|(feed, table, at)| {
                    json!({ "feed": feed, "table": table, "epoch": at.epoch, "open": at.open, "cursor": at.cursor, "objects": at.objects, "held": at.held, "undone": at.undone })
                })
                .collect();
            json!({ "positions": positions })
        },
        || {
            let mut lines = Table::new(&["feed", "table", ">epoch", ">objects", ">held", "cursor", ""]);
            for (feed, table, at) in &positions {
                let cursor = match &at.cursor {
                    Value::Null => String::new(),
                    Value::String(text) => text.clone(),
                    other => other.to_string(),
                };
                let open = match (at.open, at.undone as u64) {
                    (Some(epoch), _) => format!("load {epoch} is open: `karat run` takes it up"),
                    (None, 0) => String::new(),
                    (None, loads) => format!("{} undone and held: `karat position reset {feed}` lets it be loaded again", counted(loads, "load")),
                };
                lines.row([feed.clone(), table.clone(), at.epoch.to_string(), at.objects.to_string(), at.held.to_string(), cursor, open]);
            }
            lines.text()
        },
    )?;
    Ok(0)
}

/// The table of the feed of this name.
fn one_of(opened: &Opened, name: &str) -> Result<TableName, Failure> {
    if opened.is_whole() {
        return Ok(super::feed(&opened.project, name)?.bronze.clone());
    }
    let feeds = opened.feeds()?;
    let names: Vec<String> = feeds.iter().map(short_name).collect();
    let found = feeds
        .into_iter()
        .find(|bronze| short_name(bronze) == name || bronze.to_string() == name);
    found.ok_or_else(|| {
        Failure::usage(
            format!("the lake has no feed `{name}`"),
            format!("it has: {}", names.join(", ")),
        )
    })
}

/// `source.feed`, as the table's name has it.
fn short_name(bronze: &TableName) -> String {
    bronze.table.replacen("__", ".", 1)
}

fn set(voice: Voice, global: &Global, name: &str, value: &str) -> Result<u8, Failure> {
    let opened = site::open(global, None, None)?;
    let feed = super::feed(&opened.project, name)?.clone();
    let sources = opened.sources();
    let site = opened.site(Wants::writing())?;
    // Nothing is written on top of a lake that is an older one.
    anchor::check_newest(&site)?;
    let epoch = position::set(&site, sources.as_ref(), &feed, value)?;
    voice.answer(
        || json!({ "feed": feed.short_name(), "table": feed.bronze.to_string(), "epoch": epoch, "cursor": value }),
        || format!("`{}` reads on after the value given (recorded as epoch {epoch})\n", feed.short_name()),
    )?;
    Ok(0)
}

fn reset(voice: Voice, global: &Global, name: &str, reason: Option<&str>) -> Result<u8, Failure> {
    let opened = site::open(global, None, None)?;
    let feed = super::feed(&opened.project, name)?.clone();
    let site = opened.site(Wants::writing())?;
    anchor::check_newest(&site)?;
    let reset = position::reset(&site, &feed, reason)?;
    let name = feed.short_name();
    let ranges = reset.ranges.iter();
    let ranges: Vec<Value> = ranges
        .map(|(from, to)| json!({ "from": from, "to": to }))
        .collect();
    voice.answer(
        || {
            json!({
                "feed": name, "table": feed.bronze.to_string(), "epoch": reset.epoch, "loads": reset.loads,
                "objects": reset.objects, "cursor": reset.cursor, "ranges": ranges,
            })
        },
        || {
            let what = match (&feed.cursor, reset.objects.len() as u64) {
                (_, objects @ 1..) => format!("{} may be loaded again", counted(objects, "object")),
                (Some(_), 0) => match &reset.cursor {
                    Value::Null => "it is read from its beginning".to_owned(),
                    other => format!("it is read on after {}", plain(other)),
                },
                (None, 0) => "what it holds may be loaded again".to_owned(),
            };
            let mut text = format!(
                "`{name}` goes back before what was undone: {what} (recorded as epoch {}); `karat run` loads it\n",
                reset.epoch
            );
            // A load of a range never moved the position: what it brought lies behind.
            for (from, to) in &reset.ranges {
                text.push_str(&format!(
                    "the range that was read again is behind the position: `karat backfill {name} --from \"{}\" --to \"{}\"` reads it\n",
                    plain(from),
                    plain(to)
                ));
            }
            text
        },
    )?;
    Ok(0)
}

/// A value of a cursor as a person types it.
fn plain(value: &Value) -> String {
    match (value, &value["real"]) {
        (Value::String(text), _) | (_, Value::String(text)) => text.clone(),
        (other, _) => other.to_string(),
    }
}
