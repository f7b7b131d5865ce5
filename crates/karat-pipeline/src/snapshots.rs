//! The snapshots that a model follows (`auto_cdc: { from: snapshots }`): the full loads of its feed in the order of their marks, and from when
//! each holds (C5).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{ArrayRef, Date32Array, Int64Array, TimestampMicrosecondArray, new_null_array};
use arrow::datatypes::{DataType, TimeUnit};
use chrono::format::{Item, StrftimeItems};
use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use karat_project::{AutoCdc, Feed, TableName};
use karat_receipt::Intent;
use karat_source::pattern::OrderPattern;

use crate::epochs::Epochs;
use crate::error::PipelineError;

/// A time in which no part is zero, in microseconds since 1970: 2026-10-30T21:43:56Z.
const SAMPLE_US: i64 = 1_793_396_636_000_000;
/// Days from the first of the common era to 1970.
const DAYS_TO_1970: i32 = 719_163;

/// How the version of a snapshot is written in its order mark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SnapshotVersion {
    format: String,
    kind: VersionKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum VersionKind {
    Date,
    /// A date and a time, of no zone.
    Time,
    /// A date, a time and its offset.
    Moment,
}

impl SnapshotVersion {
    /// From a format in the letters of `strftime`; else why it tells no time.
    pub(crate) fn new(format: &str) -> Result<Self, String> {
        if StrftimeItems::new(format).any(|item| matches!(item, Item::Error)) {
            return Err("has letters after `%` that stand for nothing".to_owned());
        }
        let of = |kind| Self {
            format: format.to_owned(),
            kind,
        };
        let shown = of(VersionKind::Moment).write(SAMPLE_US);
        let Some(kind) = [VersionKind::Moment, VersionKind::Time, VersionKind::Date]
            .into_iter()
            .find(|kind| of(*kind).value(&shown).is_some())
        else {
            return Err("states no whole date: year, month and day".to_owned());
        };
        // An hour without minutes is none.
        match of(kind).read(&shown) {
            Some(_) => Ok(of(kind)),
            None => Err("states a part of a time, and no minute".to_owned()),
        }
    }

    /// Type of the ranges that it dates.
    pub(crate) fn data_type(&self) -> DataType {
        match self.kind {
            VersionKind::Date => DataType::Date32,
            VersionKind::Time => DataType::Timestamp(TimeUnit::Microsecond, None),
            VersionKind::Moment => moment(),
        }
    }

    /// Days or microseconds since 1970; None of a text that is not written like that.
    pub(crate) fn read(&self, text: &str) -> Option<i64> {
        let value = self.value(text)?;
        // Reading alone would take a digit less for a date, too.
        let exact = match self.kind {
            VersionKind::Date => self.write(value.checked_mul(86_400_000_000)?),
            VersionKind::Time => self.write(value),
            VersionKind::Moment => return Some(value),
        };
        exact.eq_ignore_ascii_case(text).then_some(value)
    }

    fn value(&self, text: &str) -> Option<i64> {
        match self.kind {
            VersionKind::Date => {
                let date = NaiveDate::parse_from_str(text, &self.format).ok()?;
                let days = chrono::Datelike::num_days_from_ce(&date);
                Some(i64::from(days - DAYS_TO_1970))
            }
            VersionKind::Time => {
                let time = NaiveDateTime::parse_from_str(text, &self.format).ok()?;
                Some(time.and_utc().timestamp_micros())
            }
            VersionKind::Moment => {
                let time = DateTime::parse_from_str(text, &self.format).ok()?;
                Some(time.timestamp_micros())
            }
        }
    }

    /// A time, in microseconds since 1970, as the version of a snapshot.
    pub(crate) fn write(&self, time_us: i64) -> String {
        let time: DateTime<Utc> = DateTime::from_timestamp_micros(time_us).unwrap_or_default();
        let time = match self.kind {
            VersionKind::Date => time.date_naive().and_time(NaiveTime::MIN).and_utc(),
            _ => time,
        };
        time.format(&self.format).to_string()
    }
}

fn moment() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// The declared form of versions; what is wrong with it, and what to do. None: the loads' logical times are.
pub(crate) fn version_of(cdc: &AutoCdc) -> Result<Option<SnapshotVersion>, (String, String)> {
    let declared = cdc.snapshots.as_ref();
    let Some(format) = declared.and_then(|snapshots| snapshots.version.as_deref()) else {
        return Ok(None);
    };
    SnapshotVersion::new(format).map(Some).map_err(|why| {
        (
            format!("`snapshot_version: {format}` {why}"),
            "write how the text looks that `file_order` captures: `%Y%m%d` is 20261030".to_owned(),
        )
    })
}

/// Type of the ranges of a model that follows snapshots.
pub(crate) fn range_type(version: Option<&SnapshotVersion>) -> DataType {
    version.map_or_else(moment, SnapshotVersion::data_type)
}

/// The text of a path that a version is read from.
pub(crate) fn marked<'p>(order: Option<&OrderPattern>, path: &'p str) -> &'p str {
    order.and_then(|order| order.capture(path)).unwrap_or(path)
}

/// Full loads in the order of their marks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Snapshots {
    /// Place of each load, by epoch.
    places: BTreeMap<i64, usize>,
    /// From when each holds, where a history is kept: days or microseconds since 1970.
    dates: Vec<i64>,
    data_type: DataType,
}

impl Snapshots {
    /// Those of a feed that a model follows, up to an epoch.
    pub(crate) fn of(
        model: &TableName,
        cdc: &AutoCdc,
        feed: &Feed,
        epochs: &Epochs,
        up_to: i64,
        left_out: &BTreeSet<i64>,
    ) -> Result<Self, PipelineError> {
        let refused = |what: String, hint: &str| PipelineError::Refused {
            what: format!("`{model}` cannot date its snapshots: {what}"),
            hint: hint.to_owned(),
        };
        let version = version_of(cdc).map_err(|(what, hint)| refused(what, &hint))?;
        let mut loads: Vec<&Intent> = epochs
            .done()
            .filter(|load| load.epoch <= up_to && !left_out.contains(&load.epoch))
            .collect();
        let place = |load: &Intent| (load.to["mark"].as_str().map(str::to_owned), load.epoch);
        loads.sort_by_cached_key(|load| place(load));
        let mut snapshots = Self {
            places: BTreeMap::new(),
            dates: Vec::new(),
            data_type: range_type(version.as_ref()),
        };
        let order = feed.file_order.as_deref();
        let order = order.and_then(|pattern| OrderPattern::new(pattern).ok());
        for (place, load) in loads.iter().enumerate() {
            snapshots.places.insert(load.epoch, place);
            if cdc.scd_type != 2 {
                continue;
            }
            let date = match (&version, load.objects.first()) {
                (Some(version), Some(object)) => {
                    let text = marked(order.as_ref(), &object.path);
                    version.read(text).ok_or_else(|| {
                        refused(
                            format!(
                                "the order mark of `{}`, `{text}`, is not written as `{}`",
                                object.path, version.format
                            ),
                            "let `file_order` capture the date alone, and `snapshot_version` say how it is written",
                        )
                    })?
                }
                _ => load.to["logical_time_us"].as_i64().ok_or_else(|| {
                    refused(
                        format!(
                            "load {} of `{}` has no logical time",
                            load.epoch, feed.bronze
                        ),
                        "say how their dates are written: `snapshot_version`",
                    )
                })?,
            };
            if snapshots.dates.last().is_some_and(|before| *before > date) {
                let name = |load: &Intent| match load.objects.first() {
                    Some(object) => format!("`{}`", object.path),
                    None => format!("load {}", load.epoch),
                };
                return Err(refused(
                    format!(
                        "{} of `{}` follows {} by its order mark, and comes before it by its date",
                        name(load),
                        feed.bronze,
                        name(loads[place - 1]),
                    ),
                    "let `file_order` capture dates that sort as they follow each other, like 20261030, and declare them with `snapshot_version`",
                ));
            }
            snapshots.dates.push(date);
        }
        Ok(snapshots)
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.places.len()
    }

    /// The place of the newest snapshot that a table has taken in, if all those after this load come later, by mark and by date.
    pub(crate) fn newest_up_to(&self, load: i64) -> Option<i64> {
        let newest = self.places.range(..=load).map(|(_, place)| *place).max()?;
        let next = self
            .places
            .range(load + 1..)
            .map(|(_, place)| *place)
            .min()?;
        let date = |place: usize| self.dates.get(place);
        let is_later = newest < next && (self.dates.is_empty() || date(newest) < date(next));
        is_later.then_some(newest as i64)
    }

    /// The place of the snapshot that each row is of.
    pub(crate) fn places_of(&self, epochs: &Int64Array) -> Int64Array {
        epochs
            .iter()
            .map(|epoch| Some(*self.places.get(&epoch?)? as i64))
            .collect()
    }

    /// From when the snapshot holds that each row is of.
    pub(crate) fn dates_of(&self, epochs: &Int64Array) -> ArrayRef {
        let date = |epoch: Option<i64>| self.dates.get(*self.places.get(&epoch?)?).copied();
        self.as_dates(epochs.iter().map(date).collect())
    }

    /// From when each holds, in order; nulls where no history is kept.
    pub(crate) fn dates(&self) -> ArrayRef {
        if self.dates.is_empty() {
            return new_null_array(&self.data_type, self.count());
        }
        self.as_dates(self.dates.iter().map(|date| Some(*date)).collect())
    }

    fn as_dates(&self, values: Vec<Option<i64>>) -> ArrayRef {
        match &self.data_type {
            DataType::Timestamp(_, zone) => {
                Arc::new(TimestampMicrosecondArray::from(values).with_timezone_opt(zone.clone()))
            }
            _ => {
                let days = values.into_iter();
                Arc::new(Date32Array::from_iter(
                    days.map(|day| day.map(|day| day as i32)),
                ))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_they_are_declared() {
        for (format, text, value) in [
            ("%Y%m%d", "20261030", Some(20_756)),
            ("%Y%m%d", "2026103", None),
            ("%Y%m%d", "20261399", None),
            ("%d.%m.%Y", "30.10.2026", Some(20_756)),
            ("%d%b%Y", "30OCT2026", Some(20_756)),
            ("plans/%Y-%m-%d.csv", "plans/1970-01-02.csv", Some(1)),
            ("%Y%m%d_%H%M", "19700101_0001", Some(60_000_000)),
            (
                "%Y-%m-%dT%H:%M:%S%z",
                "1970-01-01T01:00:01+0100",
                Some(1_000_000),
            ),
        ] {
            let version = SnapshotVersion::new(format).unwrap();
            assert_eq!(version.read(text), value, "{format} {text}");
        }
        for (format, why) in [
            ("%Y%m", "states no whole date: year, month and day"),
            ("date", "states no whole date: year, month and day"),
            ("%Y%m%d%H", "states a part of a time, and no minute"),
            ("%Y%m%d%!", "has letters after `%` that stand for nothing"),
        ] {
            assert_eq!(
                SnapshotVersion::new(format),
                Err(why.to_owned()),
                "{format}"
            );
        }
    }
}
