//! Closed business days (A8): a tag names the versions that a day was closed with, and afterwards no version changes rows of that day, or of one
//! before, unless a person says why.
//!
//! Which rows are those of a day, a model says by `business_day: COLUMN`. Of a model that says nothing, what a run for a closed day makes
//! counts as a whole.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Date32Type, TimeUnit, TimestampMicrosecondType};
use chrono::DateTime;
use chrono_tz::Tz;
use futures::TryStreamExt;
use karat_exact::fingerprint::row_hashes;
use karat_exact::{ExactError, FileSet};
use karat_lake::{Lake, LockGuard, Put, RunMark, Table, failpoint};
use karat_project::{BUSINESS_DATE, Day, Model, TableName};
use karat_receipt::{Digest, Manifest, Receipt, Tag, TaggedTable};

use crate::at_work;
use crate::audit::{Candidate, refused};
use crate::context::Site;
use crate::epochs::is_declared;
use crate::error::PipelineError;
use crate::ingest::arrow_error;
use crate::layout;
use crate::manifest::{self, Ending};
use crate::proven::prove;
use crate::read;
use crate::replay::named;
use crate::step::{StepReport, check_signature};
use crate::undo;

/// The last closed day, and the name of its newest tag; names alone tell, however many there are.
///
/// # Errors
/// Where the folder of tags cannot be listed.
pub(crate) fn last_closed(lake: &Lake) -> Result<Option<(Day, String)>, PipelineError> {
    let names = lake.list(layout::TAGS)?;
    let tags = names
        .iter()
        .filter_map(|name| name.strip_suffix(".json"))
        .filter_map(|name| Some((day_of(name)?, number(name), name)));
    Ok(tags.max().map(|(day, _, name)| (day, name.to_owned())))
}

/// The day that a tag of this name closes.
pub(crate) fn day_of(name: &str) -> Option<Day> {
    Day::parse(name.split('.').next()?)
}

/// The tag of this name, if there is one.
///
/// # Errors
/// [`PipelineError::Document`] if it cannot be read.
pub(crate) fn tag(site: &Site, name: &str) -> Result<Option<Tag>, PipelineError> {
    // A name that is no day is that of a run.
    let path = layout::tag(name);
    match day_of(name)
        .map(|_| site.lake.get(&path))
        .transpose()?
        .flatten()
    {
        Some(bytes) => {
            let opened = Tag::open(&bytes).map_err(PipelineError::document(&path))?;
            Ok(Some(opened.tag))
        }
        None => Ok(None),
    }
}

/// The newest close.
///
/// # Errors
/// [`PipelineError::Document`] if it cannot be read.
pub fn last(site: &Site) -> Result<Option<Tag>, PipelineError> {
    match last_closed(&site.lake)? {
        Some((_, name)) => tag(site, &name),
        None => Ok(None),
    }
}

/// How many times the day had been closed with the tag of this name: from 1.
fn number(name: &str) -> u32 {
    let number = name.split_once('.').map(|(_, number)| number);
    number.map_or(1, |number| number.parse().unwrap_or(1))
}

/// A day that may be closed as far as the record tells. Until this is dropped nobody on this machine commits to a table.
pub struct Closing {
    day: Day,
    name: String,
    head: Digest,
    tables: BTreeMap<String, TaggedTable>,
    /// For a person, on what is closed otherwise than the days before.
    pub notes: Vec<String>,
    _held: (RunMark, Vec<LockGuard>),
}

/// Every table of the newest manifest, as it is tagged, and what a person should know of that.
fn tagged(
    site: &Site,
    manifest: &Manifest,
    last: Option<&Tag>,
) -> Result<(BTreeMap<String, TaggedTable>, Vec<String>), PipelineError> {
    let (mut tables, mut notes) = (BTreeMap::new(), Vec::new());
    for (name, state) in &manifest.tables {
        let table = named(name)?;
        let before = last.and_then(|tag| tag.tables.get(name)?.business_day.clone());
        let is_declared = is_declared(site, &table);
        let business_day = match site.project.model(&table) {
            Some(model) => model.business_day.clone(),
            // Declared again it is what it was.
            None => before.clone(),
        };
        match site.lake.table(&table.folder()).newest_version()? {
            Some(newest) if newest == state.version => {}
            None if !is_declared => {
                notes.push(format!(
                    "`{name}` is not in the tag: its folder is gone, and the project no longer declares it"
                ));
                continue;
            }
            None => {
                return Err(PipelineError::Damaged {
                    table: name.clone(),
                    file: table.folder(),
                    how: "is gone, and the newest run recorded a version of it",
                });
            }
            Some(_) => {
                return Err(PipelineError::LostRace {
                    table: name.clone(),
                });
            }
        }
        if let Some(before) = before.filter(|before| business_day.as_ref() != Some(before)) {
            notes.push(format!(
                "the days of `{name}` were closed by its column `{before}`, and are closed by {} from now on",
                match &business_day {
                    Some(column) => format!("`{column}`"),
                    None => "no column".to_owned(),
                }
            ));
        }
        let one = TaggedTable {
            version: state.version,
            receipt: state.receipt,
            fingerprint: state.fingerprint.clone(),
            business_day,
        };
        tables.insert(name.clone(), one);
    }
    Ok((tables, notes))
}

/// The locks of all writers of the lake and the project, in the order in which an undo takes them.
fn hold(site: &Site) -> Result<(RunMark, Vec<LockGuard>), PipelineError> {
    let of_lake = site.lake.tables()?;
    let mut tables: Vec<TableName> = of_lake
        .iter()
        .filter_map(|folder| folder.name().parse().ok())
        .collect();
    tables.extend(site.project.feeds().map(|feed| feed.bronze.clone()));
    tables.extend(site.project.models.iter().map(|model| model.name.clone()));
    let mark = at_work::begin(site, &tables)?;
    Ok((mark, undo::locks(site, &tables)?))
}

/// That this day may be closed as far as the record tells, before anybody looks whether all is done.
///
/// # Errors
/// [`PipelineError::Refused`] with the reason; a table that somebody works on is [`karat_lake::LakeError::Locked`].
pub fn may_close(site: &Site, day: Day) -> Result<Closing, PipelineError> {
    let refuse = |what: String, hint: &str| {
        Err(PipelineError::Refused {
            what: format!("{day} cannot be closed: {what}"),
            hint: hint.to_owned(),
        })
    };
    check_signature(site)?;
    let today = crate::clock::day(&site.context.logical_time, &site.project.timezone);
    if today
        .and_then(|today| Day::parse(&today))
        .is_some_and(|today| day > today)
    {
        return refuse("it has not come yet".to_owned(), "close a day that is over");
    }
    if let Some(calendar) = &site.project.calendar {
        match calendar.is_business_day(day) {
            Ok(true) => {}
            Ok(false) => {
                return refuse(
                    "it is no business day by the project's calendar".to_owned(),
                    "close the last business day: it closes all days before, too",
                );
            }
            Err(not_covered) => return refuse(not_covered.to_string(), &not_covered.hint()),
        }
    }
    let held = hold(site)?;
    if let Some(undo) = undo::unfinished(site)?.first() {
        return refuse(
            format!("the undo of run {} is not finished", undo.run),
            &undo::how_to_finish(&undo.run),
        );
    }
    // What a killed run committed is listed first.
    manifest::write(site, Ending::Nothing)?;
    let last = last(site)?;
    let Some((newest, head)) = manifest::newest(&site.lake)? else {
        return refuse(
            "the lake has no tables".to_owned(),
            "`karat run` makes them",
        );
    };
    let (tables, notes) = tagged(site, &newest, last.as_ref())?;
    let may = |name: String| {
        Ok(Closing {
            day,
            name,
            head,
            tables: tables.clone(),
            notes: notes.clone(),
            _held: held,
        })
    };
    let Some((last, closed)) = last.and_then(|last| Some((day_of(&last.name)?, last))) else {
        return may(day.to_string());
    };
    match day.cmp(&last) {
        std::cmp::Ordering::Less => refuse(
            format!("{last} is closed already, and with it the days before"),
            "`karat status` tells the last close",
        ),
        std::cmp::Ordering::Equal if closed.tables == tables => refuse(
            format!(
                "it is closed already, by {} at {}, and no table has changed since",
                closed.principal, closed.logical_time
            ),
            "there is nothing to do",
        ),
        std::cmp::Ordering::Equal => may(format!("{day}.{}", number(&closed.name) + 1)),
        std::cmp::Ordering::Greater => may(day.to_string()),
    }
}

/// Writes the tag over all tables as they stand.
///
/// # Errors
/// [`PipelineError::LostRace`] if somebody on another machine did it first.
pub fn close(site: &Site, closing: Closing) -> Result<Tag, PipelineError> {
    let tag = Tag {
        name: closing.name,
        business_date: closing.day.to_string(),
        run: site.context.run.clone(),
        logical_time: site.context.logical_time.clone(),
        principal: site.context.principal.clone(),
        target: site.context.target.clone(),
        head: closing.head,
        tables: closing.tables,
    };
    failpoint::hit("tag.before");
    let sealed = tag.seal(site.context.key.as_ref());
    match site
        .lake
        .put_if_absent(&layout::tag(&tag.name), &sealed.bytes)?
    {
        Put::Created => Ok(tag),
        Put::Exists => Err(PipelineError::LostRace {
            table: format!("the tag {}", tag.name),
        }),
    }
}

/// What a plan says of a model that a run for a closed day would make again: whether its rows come out as they were, only the run knows.
pub(crate) fn foretold(site: &Site, model: &Model, last: Option<Day>) -> Option<String> {
    let date = Day::parse(site.context.parameters.get(BUSINESS_DATE)?)?;
    (model.business_day.is_none() && date <= last? && site.context.restate.is_none()).then(|| {
        format!("{date} is closed: if it comes out otherwise than it is, `--restate REASON` must say why")
    })
}

/// Refuses a version that changes rows of a closed day, unless the run says why; then its receipt says it, too.
pub(crate) async fn before_commit(
    site: &Site,
    model: &Model,
    candidate: &Candidate<'_>,
    receipt: &mut Receipt,
    report: &mut StepReport,
) -> Result<(), PipelineError> {
    // A first version changes nothing that was reported.
    if candidate.base.is_none() {
        return Ok(());
    }
    let Some(closed) = last(site)? else {
        return Ok(());
    };
    let Some(last) = day_of(&closed.name) else {
        return Ok(());
    };
    let Some(by) = DayOfRow::of(site, &closed, &model.name, last) else {
        return Ok(());
    };
    let table = site.lake.table(&model.name.folder());
    let dates = match changed(site, &table, candidate, &by, last).await {
        Ok(dates) => dates,
        Err(error) => return Err(refused(site, model, candidate, receipt.epoch, error)),
    };
    if dates.is_empty() {
        return Ok(());
    }
    if let Some(reason) = &site.context.restate {
        report.notes.push(format!(
            "restates rows of {}: {reason}",
            match dates.as_slice() {
                [day] => day.clone(),
                [first, .., last] => format!("{} closed days, {first} to {last}", dates.len()),
                [] => String::new(),
            }
        ));
        receipt.reason = Some(reason.clone());
        receipt.restated = dates;
        return Ok(());
    }
    let error = PipelineError::DayClosed {
        table: model.name.to_string(),
        dates,
        closed: last.to_string(),
        version: candidate.base.map(|head| head.snapshot.version),
    };
    Err(refused(site, model, candidate, receipt.epoch, error))
}

/// What a run would refuse of a version that was made beside the lake: rows of closed days that it has otherwise than the newest one here.
pub(crate) async fn foreseen(
    site: &Site,
    staged: &Site,
    model: &TableName,
) -> Result<Option<PipelineError>, PipelineError> {
    let (here, there) = (
        site.lake.table(&model.folder()),
        staged.lake.table(&model.folder()),
    );
    let (Some(closed), Some(before), Some(made), None) = (
        last(site)?,
        here.load()?,
        there.load()?,
        &site.context.restate,
    ) else {
        return Ok(None);
    };
    let Some(last) = day_of(&closed.name) else {
        return Ok(None);
    };
    let Some(by) = DayOfRow::of(site, &closed, model, last) else {
        return Ok(None);
    };
    prove(site, &here, &before.files).await?;
    let sets = [
        (1, read::file_set(&there, &made, &made.files, None)),
        (-1, read::file_set(&here, &before, &before.files, None)),
    ];
    let dates = by.changed(sums(site, sets, by.column(), last).await?);
    Ok((!dates.is_empty()).then(|| PipelineError::DayClosed {
        table: model.to_string(),
        dates,
        closed: last.to_string(),
        version: Some(before.version),
    }))
}

/// What tells of a row to which day it belongs.
enum DayOfRow {
    /// A column.
    Column(String),
    /// Nothing does: all rows count for the closed day that the run is for.
    OfRun(String),
}

impl DayOfRow {
    /// The column by which the table was closed, whatever the model says today, else today's; None where no row is of a closed day.
    fn of(site: &Site, closed: &Tag, model: &TableName, last: Day) -> Option<Self> {
        let tagged = closed.tables.get(&model.to_string());
        let column = tagged.and_then(|tagged| tagged.business_day.clone());
        let today = site.project.model(model);
        if let Some(column) = column.or_else(|| today?.business_day.clone()) {
            return Some(Self::Column(column));
        }
        let date = site.context.parameters.get(BUSINESS_DATE)?;
        let is_closed = Day::parse(date).is_some_and(|date| date <= last);
        is_closed.then(|| Self::OfRun(date.clone()))
    }

    fn column(&self) -> Option<&str> {
        match self {
            Self::Column(column) => Some(column),
            Self::OfRun(_) => None,
        }
    }

    /// The days that changed, sorted.
    fn changed(&self, sums: BTreeMap<Day, (i64, u128)>) -> Vec<String> {
        let sums = sums.into_iter().filter(|(_, sum)| *sum != (0, 0));
        let found: BTreeSet<Day> = sums.map(|(day, _)| day).collect();
        match self {
            Self::OfRun(date) if !found.is_empty() => vec![date.clone()],
            _ => found.iter().map(Day::to_string).collect(),
        }
    }
}

/// The closed days whose rows the version changes, sorted.
async fn changed(
    site: &Site,
    table: &Table,
    candidate: &Candidate<'_>,
    by: &DayOfRow,
    last: Day,
) -> Result<Vec<String>, PipelineError> {
    // Rows of files that stay cancel out, so only the others are read.
    prove(site, table, candidate.removed).await?;
    let mut sets = vec![(
        1,
        read::written_set(table, candidate.schema, candidate.added),
    )];
    if let Some(head) = candidate.base {
        let removed = candidate.removed.iter();
        sets.push((-1, read::file_set(table, &head.snapshot, removed, None)));
    }
    Ok(by.changed(sums(site, sets, by.column(), last).await?))
}

/// By closed day how many rows more the first files have than the others, and by how much the sum of their hashes is greater; without a column all rows count
/// for the last closed day.
async fn sums(
    site: &Site,
    sets: impl IntoIterator<Item = (i64, FileSet)>,
    column: Option<&str>,
    last: Day,
) -> Result<BTreeMap<Day, (i64, u128)>, PipelineError> {
    let mut sums: BTreeMap<Day, (i64, u128)> = BTreeMap::new();
    for (sign, set) in sets {
        if set.files.is_empty() {
            continue;
        }
        let mut rows = read::scan(site, &set, "closing").await?;
        while let Some(batch) = rows.try_next().await.map_err(ExactError::from)? {
            let hashes = row_hashes(&batch)?;
            let days = match column.map(|column| batch.column_by_name(column)) {
                None => None,
                Some(Some(values)) => Some(days_of(values, &site.project.timezone)?),
                // A version before the column was there has rows of no day.
                Some(None) => continue,
            };
            let days = days.as_ref().map(|days| days.as_primitive::<Date32Type>());
            for (row, hash) in hashes.into_iter().enumerate() {
                let day = match days {
                    None => last,
                    Some(days) if days.is_null(row) => continue,
                    Some(days) => Day::from_days(days.value(row)),
                };
                if day > last {
                    continue;
                }
                let (rows, sum) = sums.entry(day).or_default();
                *rows += sign;
                *sum = match sign {
                    1 => sum.wrapping_add(hash),
                    _ => sum.wrapping_sub(hash),
                };
            }
        }
    }
    Ok(sums)
}

/// The days of a column; of instants those of the project's zone, as a cast in SQL gives them (F2).
fn days_of(values: &ArrayRef, timezone: &str) -> Result<ArrayRef, PipelineError> {
    let instant = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let DataType::Timestamp(_, Some(_)) = values.data_type() else {
        return cast(values, &DataType::Date32).map_err(arrow_error);
    };
    let zone: Tz = timezone
        .parse()
        .map_err(|_| PipelineError::Internal(format!("`{timezone}` is no time zone")))?;
    let instants = cast(values, &instant).map_err(arrow_error)?;
    let instants = instants.as_primitive::<TimestampMicrosecondType>();
    let day = |us| {
        let time = DateTime::from_timestamp_micros(us)?.with_timezone(&zone);
        Some(time.date_naive().to_epoch_days())
    };
    Ok(Arc::new(instants.unary_opt::<_, Date32Type>(day)))
}
