//! The calendar of a project (A9): which days are business days, and which of them a run is for. It says nothing of days that its holidays
//! do not cover: a holiday that nobody wrote down yet would pass for a business day.

use std::collections::{BTreeSet, HashSet};
use std::path::{Component, Path};

use crate::cells;
use crate::day::{Day, WEEKDAYS, Weekday};
use crate::decode::{At, choice, printable, text, texts};
use crate::diagnostic::{Place, Reporter};
use crate::files;
use crate::yaml::Node;

/// Business days.
#[derive(Clone, Debug)]
pub struct Calendar {
    weekend: HashSet<Weekday>,
    holidays: BTreeSet<Day>,
    /// First and last year that the holidays cover; none where there is no file of holidays, and every year is.
    years: Option<(i32, i32)>,
    /// The file of holidays, relative to the project folder.
    pub file: Option<String>,
    rule: Rule,
}

/// Which business day a run of some day is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
enum Rule {
    /// That day, or the last business day before.
    #[default]
    SameDay,
    /// The last business day before that day.
    DayBefore,
}

/// A day that a calendar says nothing of.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the calendar does not cover {day}: its holidays ({file}) are those of {}", years(*from, *to))]
pub struct NotCovered {
    /// The day.
    pub day: Day,
    /// The file of holidays.
    pub file: String,
    /// The first year that it covers.
    pub from: i32,
    /// The last year.
    pub to: i32,
}

impl NotCovered {
    /// What to do.
    pub fn hint(&self) -> String {
        format!("add the holidays of {} to {}", self.day.year(), self.file)
    }
}

fn years(from: i32, to: i32) -> String {
    match from == to {
        true => from.to_string(),
        false => format!("{from} to {to}"),
    }
}

impl Calendar {
    /// Whether it is a business day.
    ///
    /// # Errors
    /// [`NotCovered`] where the holidays of its year are not known.
    pub fn is_business_day(&self, day: Day) -> Result<bool, NotCovered> {
        if let Some((from, to)) = self.years
            && !(from..=to).contains(&day.year())
        {
            return Err(NotCovered {
                day,
                file: self.file.clone().unwrap_or_default(),
                from,
                to,
            });
        }
        Ok(!self.weekend.contains(&day.weekday()) && !self.holidays.contains(&day))
    }

    /// The last business day before a day.
    ///
    /// # Errors
    /// [`NotCovered`] where the holidays on the way are not known.
    pub fn previous(&self, day: Day) -> Result<Day, NotCovered> {
        self.up_to(day.before())
    }

    /// The day itself if it is a business day, else the last one before.
    fn up_to(&self, mut day: Day) -> Result<Day, NotCovered> {
        while !self.is_business_day(day)? {
            day = day.before();
        }
        Ok(day)
    }

    /// The day on which runs for a business date are made, and what is expected for it is delivered.
    ///
    /// # Errors
    /// [`NotCovered`] where the holidays on the way are not known.
    pub fn delivery_day(&self, business_date: Day) -> Result<Day, NotCovered> {
        if self.rule == Rule::SameDay {
            return Ok(business_date);
        }
        let mut day = business_date.after();
        while !self.is_business_day(day)? {
            day = day.after();
        }
        Ok(day)
    }

    /// The business date of a run on this day of the project's time zone.
    ///
    /// # Errors
    /// [`NotCovered`] where the holidays on the way are not known.
    pub fn business_date(&self, day: Day) -> Result<Day, NotCovered> {
        match self.rule {
            Rule::SameDay => self.up_to(day),
            Rule::DayBefore => self.previous(day),
        }
    }
}

/// Reads `calendar`, and the file of holidays that it names.
pub(crate) fn read(node: &Node, root: &Path, report: &mut Reporter) -> Option<Calendar> {
    let node = node.get("calendar")?;
    let weekend = match texts(node, "weekend") {
        Some(words) => words
            .iter()
            .filter_map(|word| {
                let known = WEEKDAYS.iter().find(|(known, _)| *known == word.value);
                known.map(|(_, day)| *day)
            })
            .collect(),
        None => HashSet::from([Weekday::Sat, Weekday::Sun]),
    };
    if weekend.len() == WEEKDAYS.len() {
        let at = node.entry("weekend").map_or(node.at, |entry| entry.key_at);
        report.error(
            at,
            "no day of the week is left for business",
            "name the days of the weekend",
        );
        return None;
    }
    let mut calendar = Calendar {
        weekend,
        holidays: BTreeSet::new(),
        years: None,
        file: None,
        rule: choice(
            node,
            "business_date",
            &[("same_day", Rule::SameDay), ("day_before", Rule::DayBefore)],
        )
        .unwrap_or_default(),
    };
    if let Some(written) = text(node, "holidays") {
        calendar.holidays = read_holidays(root, &written, report)?;
        let first = calendar.holidays.first()?.year();
        calendar.years = Some((first, calendar.holidays.last()?.year()));
        calendar.file = Some(written.value);
    }
    Some(calendar)
}

/// The days of a file of holidays; none if one of them could not be read, or a year has none.
fn read_holidays(
    root: &Path,
    written: &At<String>,
    report: &mut Reporter,
) -> Option<BTreeSet<Day>> {
    let path = Path::new(&written.value);
    let inside = path
        .components()
        .all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    if !inside {
        report.error(
            written.at,
            format!("`{}` does not lie in the project folder", printable(&written.value)),
            "holidays decide what rows are made: keep them with the project, like `calendar/holidays.csv`",
        );
        return None;
    }
    let file = files::read(root, path, report)?;
    let text = report.text(file).to_string();
    let sheet = cells::read(file, &text, report)?;
    let mut rows = sheet.rows.iter().peekable();
    let mut column = 0;
    if let Some(header) = rows.peek()
        && header.iter().all(|cell| Day::parse(&cell.text).is_none())
    {
        let named = header
            .iter()
            .position(|cell| cell.text.eq_ignore_ascii_case("date"));
        column = named.unwrap_or(0);
        rows.next();
    }
    let (mut days, mut mistaken) = (BTreeSet::new(), false);
    for row in rows {
        let cell = row.get(column).or(row.first());
        match cell.and_then(|cell| Day::parse(&cell.text)) {
            Some(day) => drop(days.insert(day)),
            None => {
                mistaken = true;
                let at = cell.map_or(Place::start(file), |cell| cell.at);
                let text = cell.map_or("", |cell| cell.text.as_str());
                report.error(
                    at,
                    format!("`{}` is no day", printable(text)),
                    "write holidays like 2026-12-25, one a row, in the first column or in one called `date`",
                );
            }
        }
    }
    if mistaken {
        return None;
    }
    let (Some(first), Some(last)) = (days.first(), days.last()) else {
        report.error(
            Place::whole(file),
            "the file has no holiday",
            "write one a row, like 2026-12-25; without holidays leave `holidays` out of the calendar",
        );
        return None;
    };
    let missing =
        (first.year()..=last.year()).find(|year| days.iter().all(|day| day.year() != *year));
    if let Some(year) = missing {
        report.error(
            Place::whole(file),
            format!("the holidays of {year} are missing between those of other years"),
            "a calendar covers the years from its first holiday to its last: add them",
        );
        return None;
    }
    Some(days)
}
