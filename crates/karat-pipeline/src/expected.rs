//! What feeds expect to be delivered for the business date of a run, held against what was: it is there, it is waited for, or it is overdue,
//! and then nothing that depends on the feed is made.

use std::collections::BTreeSet;

use karat_project::{BUSINESS_DATE, Day, ExpectedFile, Feed, TableName};

use crate::clock;
use crate::context::Site;
use crate::epochs::Epochs;
use crate::error::PipelineError;
use crate::publish::head;

/// An object as far as this cares: its path, and why it is not loaded if it is not.
pub(crate) type Seen<'a> = (&'a str, Option<&'a str>);

/// Where an expected file stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is there and loaded.
    Delivered,
    /// It is not there, and its time has not come.
    Awaited,
    /// It is not there in time.
    Overdue,
    /// It is there and cannot be loaded, for this reason.
    Held(String),
}

impl Standing {
    /// The word for people and scripts.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Awaited => "awaited",
            Self::Overdue => "overdue",
            Self::Held(_) => "held",
        }
    }
}

/// An expected file of a feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The feed's table.
    pub table: TableName,
    /// Which file, and when it is due.
    pub file: ExpectedFile,
    /// The business date.
    pub business_date: Day,
    /// Where it stands.
    pub standing: Standing,
}

impl Delivery {
    /// For a person, while it is waited for.
    pub fn awaited(&self) -> Option<String> {
        (self.standing == Standing::Awaited).then(|| {
            format!(
                "`{}` is waited for: it is due at {}",
                self.file.file,
                self.file.due()
            )
        })
    }

    /// Why what depends on the feed is not made, if that is so.
    pub fn failure(&self, timezone: &str) -> Option<PipelineError> {
        let why = match &self.standing {
            Standing::Delivered | Standing::Awaited => return None,
            Standing::Overdue => None,
            Standing::Held(reason) => Some(reason.clone()),
        };
        Some(PipelineError::NotDelivered {
            table: self.table.to_string(),
            file: self.file.file.clone(),
            business_date: self.business_date.to_string(),
            due: format!("{} ({timezone})", self.file.due()),
            why,
        })
    }
}

/// The file that a feed expects for the business date, among these objects; None if it expects none.
///
/// # Errors
/// [`PipelineError::Refused`] without a business date, or where the calendar does not cover it.
pub(crate) fn among<'a>(
    site: &Site,
    feed: &Feed,
    objects: impl IntoIterator<Item = Seen<'a>>,
) -> Result<Option<Delivery>, PipelineError> {
    let (Some(expected), Some(calendar)) = (&feed.expect, &site.project.calendar) else {
        return Ok(None);
    };
    let date = site.context.parameters.get(BUSINESS_DATE);
    let Some(date) = date.and_then(|date| Day::parse(date)) else {
        let (what, hint) = crate::given::missing(BUSINESS_DATE, &feed.bronze.to_string());
        return Err(PipelineError::Refused { what, hint });
    };
    let file = expected
        .of(date, calendar)
        .map_err(|not_covered| PipelineError::Refused {
            what: format!(
                "which file `{}` expects is not known: {not_covered}",
                feed.bronze
            ),
            hint: not_covered.hint(),
        })?;
    let mut standing = None;
    let is_it = file.matcher();
    for (_, held) in objects.into_iter().filter(|(path, _)| is_it(path)) {
        standing = match held {
            None => Some(Standing::Delivered),
            Some(reason) if standing.is_none() => Some(Standing::Held(reason.to_owned())),
            Some(_) => standing,
        };
    }
    let now = clock::local(&site.context.logical_time, &site.project.timezone);
    let is_due = now.is_none_or(|now| now >= file.due());
    let standing = match standing {
        Some(Standing::Held(_)) if !is_due => Standing::Awaited,
        Some(standing) => standing,
        None if is_due => Standing::Overdue,
        None => Standing::Awaited,
    };
    Ok(Some(Delivery {
        table: feed.bronze.clone(),
        file,
        business_date: date,
        standing,
    }))
}

/// The same among what the feed has loaded or met so far.
///
/// # Errors
/// Where its record cannot be read, and as [`among`].
pub fn of_feed(site: &Site, feed: &Feed) -> Result<Option<Delivery>, PipelineError> {
    if feed.expect.is_none() {
        return Ok(None);
    }
    let head = head(&site.lake.table(&feed.bronze.folder()))?;
    let epochs = Epochs::read(
        &site.lake,
        &feed.bronze,
        head.as_ref().map(|head| &head.snapshot),
    )?;
    among(site, feed, seen(&epochs))
}

/// The objects that settled loads have met, each in its newest delivery.
pub(crate) fn seen(epochs: &Epochs) -> Vec<Seen<'_>> {
    let objects = epochs.newest_objects().into_iter();
    objects
        .map(|object| (object.path.as_str(), object.broken.as_deref()))
        .collect()
}

/// That no delivery is overdue of a feed which leads to this table and that this run does not look at.
pub(crate) fn check_before(
    site: &Site,
    table: &TableName,
    is_selected: &dyn Fn(&TableName) -> bool,
) -> Result<(), PipelineError> {
    let mut met: BTreeSet<&TableName> = BTreeSet::new();
    let mut open: Vec<&TableName> = Vec::new();
    let inputs = |table: &TableName| {
        let model = site.project.model(table);
        model.map(|model| model.inputs.iter()).into_iter().flatten()
    };
    open.extend(inputs(table));
    while let Some(table) = open.pop() {
        // What this run makes has been looked at before.
        if is_selected(table) || !met.insert(table) {
            continue;
        }
        if let Some(feed) = site.project.feed(table)
            && let Some(delivery) = of_feed(site, feed)?
            && let Some(failure) = delivery.failure(&site.project.timezone)
        {
            return Err(failure);
        }
        open.extend(inputs(table));
    }
    Ok(())
}
