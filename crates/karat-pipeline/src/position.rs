//! How far a feed has been read, and setting it by hand.

use std::collections::BTreeMap;

use arrow::datatypes::DataType;
use karat_project::{Feed, Lag, TableName};
use karat_receipt::{Intent, IntentObject};
use karat_source::sqlite::reads_as_time;
use serde_json::{Value, json};

use crate::context::Site;
use crate::epochs::{self, Epochs, RESETS, SETS};
use crate::error::PipelineError;
use crate::ingest::range_of;
use crate::publish::head;
use crate::reshaped;
use crate::schedule::Sources;
use crate::step::keep_code;
use crate::undo;

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
    /// Objects that are held: broken, late, or undone.
    pub held: usize,
    /// Loads that were undone, and that are held until other content comes or the position is reset.
    pub undone: usize,
}

/// What a reset of a position lets be loaded again.
#[derive(Debug)]
pub struct Reset {
    /// The epoch under which it is recorded.
    pub epoch: i64,
    /// Loads that were held.
    pub loads: Vec<i64>,
    /// Their objects, as far as no newer delivery has come.
    pub objects: Vec<String>,
    /// The cursor from which the feed reads on; null for files and full loads.
    pub cursor: Value,
    /// Of the loads those of a range that was read again: its least and greatest value. They lie behind the cursor.
    pub ranges: Vec<(Value, Value)>,
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
        cursor: epochs.position().map_or(Value::Null, cursor_value),
        objects: objects.len() - held,
        held,
        undone: epochs.held_loads().count(),
    })
}

/// Sets the cursor of an incremental feed: the next load reads what lies after `value`.
pub fn set(
    site: &Site,
    sources: &dyn Sources,
    feed: &Feed,
    value: &str,
) -> Result<i64, PipelineError> {
    let Some(cursor) = &feed.cursor else {
        return Err(PipelineError::Refused {
            what: format!(
                "`{}` has no cursor: its position is the list of its objects",
                feed.bronze
            ),
            hint: "only feeds with `cursor` have a position that can be set".to_owned(),
        });
    };
    check_kind(site, sources, feed, &cursor.column, value)?;
    let _lock = site
        .lake
        .lock(&feed.bronze.to_string(), site.context.wait)?;
    let epochs = settled(site, feed)?;
    let principal = &site.context.principal;
    let to = json!({ "position": value, SETS: true, "principal": principal });
    record(site, feed, &epochs, to)
}

/// A value of a cursor that a person typed, as its source keeps positions.
pub(crate) fn cursor_cell(
    site: &Site,
    sources: &dyn Sources,
    feed: &Feed,
    column: &str,
    value: &str,
) -> Result<Value, PipelineError> {
    let is_number = check_kind(site, sources, feed, column, value)? == Some(Kind::Number);
    Ok(match value.parse::<i64>() {
        _ if !is_number => json!(value),
        Ok(whole) => json!(whole),
        Err(_) => json!({ "real": value }),
    })
}

/// Refuses a value that has no place among those of the cursor.
fn check_kind(
    site: &Site,
    sources: &dyn Sources,
    feed: &Feed,
    column_name: &str,
    value: &str,
) -> Result<Option<Kind>, PipelineError> {
    let lag = feed.cursor.as_ref().and_then(|cursor| cursor.lag);
    let known = position_of(site, feed)?;
    let column = column_type(site, sources, feed, column_name)?;
    let kind = Kind::of(lag, &known, column.as_ref());
    if let Some(kind) = kind.filter(|kind| !kind.fits(value)) {
        return Err(PipelineError::Refused {
            what: format!(
                "the cursor `{}` of `{}` holds {}, and the value given is {}",
                column_name,
                feed.bronze,
                kind.words(),
                kind.missed()
            ),
            hint: match known {
                Value::Null => {
                    format!("give a value as the column has it, like {}", kind.example())
                }
                _ => "`karat position show` shows the value that it has".to_owned(),
            },
        });
    }
    Ok(kind)
}

/// Lets a feed read again what was undone: its objects count as never met, and its cursor goes back to where it was before.
pub fn reset(site: &Site, feed: &Feed, reason: Option<&str>) -> Result<Reset, PipelineError> {
    let _lock = site
        .lake
        .lock(&feed.bronze.to_string(), site.context.wait)?;
    let epochs = settled(site, feed)?;
    let loads: Vec<i64> = epochs.held_loads().map(|(load, _)| load).collect();
    let Some(first) = loads.first() else {
        return Err(PipelineError::Refused {
            what: format!(
                "nothing of `{}` was undone: its position has nowhere to go back to",
                feed.bronze
            ),
            hint: match feed.cursor {
                Some(_) => "`karat position set` says from which value on to read".to_owned(),
                None if epochs.last_done().is_none() => "nothing of it is loaded".to_owned(),
                None => {
                    format!(
                        "a file that is delivered again with other content is loaded by the next run; {}",
                        reshaped::how_to_read_anew(feed, &epochs)
                    )
                }
            },
        });
    };
    let undone = |object: &&IntentObject| {
        let mut of_loads = epochs.objects().into_iter();
        of_loads.any(|(load, one)| loads.contains(&load) && one == *object)
    };
    let newest = epochs.newest_objects().into_iter();
    let objects = newest.filter(undone).map(|object| object.path.clone());
    let objects: Vec<String> = objects.collect();
    let before = epochs.position_before(*first);
    let cursor = before.map_or(Value::Null, cursor_value);
    let position = before.map_or(Value::Null, |before| before.to["position"].clone());
    let to = json!({
        "position": position, RESETS: &loads, "reason": reason, "principal": site.context.principal,
    });
    let of_load = |load: &i64| epochs.intent(*load).and_then(range_of);
    let ranges = loads.iter().filter_map(of_load).collect();
    let epoch = record(site, feed, &epochs, to)?;
    Ok(Reset {
        epoch,
        objects,
        cursor,
        ranges,
        loads,
    })
}

/// The record of a feed whose position a person is about to change; refused while a load is open, or an undo of one.
fn settled(site: &Site, feed: &Feed) -> Result<Epochs, PipelineError> {
    if let Some(undo) = undo::unfinished_of(site, &feed.bronze)? {
        return Err(PipelineError::Refused {
            what: format!(
                "the undo of run {} is not finished, and takes `{}` back",
                undo.run, feed.bronze
            ),
            hint: format!(
                "{}; then change the position",
                undo::how_to_finish(&undo.run)
            ),
        });
    }
    let epochs = read(site, &feed.bronze)?;
    if let Some(open) = epochs.unsettled() {
        return Err(PipelineError::Refused {
            what: format!("load {} of `{}` is still open", open.epoch, feed.bronze),
            hint: "`karat run` settles it; then change the position".to_owned(),
        });
    }
    epochs::settle_word(&site.lake, &feed.bronze, &epochs)?;
    Ok(epochs)
}

/// Records a person's word on the position, and gives its epoch.
fn record(site: &Site, feed: &Feed, epochs: &Epochs, to: Value) -> Result<i64, PipelineError> {
    let epoch = epochs.next();
    let intent = Intent {
        feed_or_model: feed.bronze.to_string(),
        epoch,
        run: site.context.run.clone(),
        logical_time: site.context.logical_time.clone(),
        code: keep_code(site, &feed.code_text())?,
        parameters: BTreeMap::new(),
        from: epochs
            .position()
            .map_or(Value::Null, |intent| intent.to.clone()),
        to,
        objects: Vec::new(),
        inputs: BTreeMap::new(),
    };
    epochs::write_intent(&site.lake, &feed.bronze, &intent)?;
    epochs::close_word(&site.lake, &feed.bronze, &intent)?;
    Ok(epoch)
}

/// What the values of a cursor are, as far as a value of another kind has no place among them: no load could go on from it (B7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Number,
    Time,
}

impl Kind {
    /// The lag says it, else the position that the feed has, else the column.
    fn of(lag: Option<Lag>, known: &Value, column: Option<&DataType>) -> Option<Self> {
        match (lag, known, column) {
            (Some(Lag::Time(_)), ..) => Some(Self::Time),
            (Some(Lag::Count(_)), ..) => Some(Self::Number),
            (None, Value::Number(_) | Value::Object(_), _) => Some(Self::Number),
            (None, Value::String(text), _) if !typed_number(text, column) => {
                reads_as_time(text).then_some(Self::Time)
            }
            (None, _, Some(DataType::Int64 | DataType::Float64)) => Some(Self::Number),
            _ => None,
        }
    }

    fn fits(self, value: &str) -> bool {
        match self {
            Self::Number => value.parse::<f64>().is_ok_and(f64::is_finite),
            Self::Time => reads_as_time(value),
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Number => "numbers",
            Self::Time => "dates or times",
        }
    }

    fn missed(self) -> &'static str {
        match self {
            Self::Number => "no number",
            Self::Time => "no date or time",
        }
    }

    fn example(self) -> &'static str {
        match self {
            Self::Number => "`1200`",
            Self::Time => "`2026-10-29 08:00:00`",
        }
    }
}

/// A position of a column of numbers that was set by hand is kept as text.
fn typed_number(text: &str, column: Option<&DataType>) -> bool {
    let is_number = matches!(column, Some(DataType::Int64 | DataType::Float64));
    is_number && Kind::Number.fits(text)
}

/// The position that the feed has; null where it is that of another cursor.
fn position_of(site: &Site, feed: &Feed) -> Result<Value, PipelineError> {
    let epochs = read(site, &feed.bronze)?;
    let Some(current) = epochs.position() else {
        return Ok(Value::Null);
    };
    match reshaped::since_open(site, feed, current)? {
        Some(_) => Ok(Value::Null),
        None => Ok(cursor_value(current)),
    }
}

/// A source may keep more beside the value than a person asks for; of files and full loads it keeps no value at all.
fn cursor_value(intent: &Intent) -> Value {
    match &intent.to["position"] {
        Value::Object(position) => position.get("cursor").cloned().unwrap_or(Value::Null),
        value => value.clone(),
    }
}

/// The cursor's type in bronze, else in the source; None where neither can be seen.
fn column_type(
    site: &Site,
    sources: &dyn Sources,
    feed: &Feed,
    column: &str,
) -> Result<Option<DataType>, PipelineError> {
    let renamed = feed
        .rename
        .iter()
        .find(|(_, source)| source.as_str() == column);
    let in_bronze = renamed.map_or(column, |(bronze, _)| bronze);
    if let Some(head) = head(&site.lake.table(&feed.bronze.folder()))?
        && let Ok(field) = head.snapshot.schema.field_with_name(in_bronze)
    {
        return Ok(Some(field.data_type().clone()));
    }
    let header = sources.open(&feed.source).ok();
    let header = header.and_then(|source| source.header(&sources.spec(feed), None).ok()?);
    let header = header.unwrap_or_default();
    let found = header.into_iter().find(|field| field.name == column);
    Ok(found.map(|field| field.data_type))
}

fn read(site: &Site, bronze: &TableName) -> Result<Epochs, PipelineError> {
    let table = site.lake.table(&bronze.folder());
    let head = head(&table)?;
    Epochs::read(&site.lake, bronze, head.as_ref().map(|head| &head.snapshot))
}
