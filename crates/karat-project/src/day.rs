//! Days of the Gregorian calendar, as far as business days need them.

use std::fmt;

use chrono::{Datelike, Days, NaiveDate};

pub use chrono::Weekday;

/// The days of the week in the words of `karat.yaml`.
pub(crate) const WEEKDAYS: [(&str, Weekday); 7] = [
    ("monday", Weekday::Mon),
    ("tuesday", Weekday::Tue),
    ("wednesday", Weekday::Wed),
    ("thursday", Weekday::Thu),
    ("friday", Weekday::Fri),
    ("saturday", Weekday::Sat),
    ("sunday", Weekday::Sun),
];

/// A day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(NaiveDate);

impl Day {
    /// Reads `2026-10-30`, a day of the years 1 to 9999; `None` of anything else, and of a day that no month has.
    pub fn parse(text: &str) -> Option<Day> {
        let day = Day(NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?);
        // chrono also takes fewer digits, a sign and blanks.
        ((1..=9999).contains(&day.year()) && day.to_string() == text).then_some(day)
    }

    /// The day so many days after 1970-01-01; one that lies outside the calendar, some 262,000 years from here, is its first or last.
    pub fn from_days(days: i32) -> Day {
        Day(NaiveDate::from_epoch_days(days).unwrap_or(match days {
            ..0 => NaiveDate::MIN,
            0.. => NaiveDate::MAX,
        }))
    }

    /// The date as `chrono` has it.
    pub fn date(self) -> NaiveDate {
        self.0
    }

    /// Its year.
    pub fn year(self) -> i32 {
        self.0.year()
    }

    /// The day before.
    #[must_use]
    pub fn before(self) -> Day {
        Day(self.0 - Days::new(1))
    }

    /// The day after.
    #[must_use]
    pub fn after(self) -> Day {
        Day(self.0 + Days::new(1))
    }

    /// Which day of the week it is.
    pub fn weekday(self) -> Weekday {
        self.0.weekday()
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.format("%Y-%m-%d"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_read_and_written() {
        for text in [
            "0001-01-01",
            "1900-03-01",
            "1970-01-01",
            "2000-02-29",
            "2026-10-30",
            "9999-12-31",
        ] {
            assert_eq!(
                Day::parse(text).map(|day| day.to_string()).as_deref(),
                Some(text)
            );
        }
        for text in [
            "1900-02-29",
            "2026-13-01",
            "2026-00-01",
            "2026-04-31",
            "26-04-30",
            "2026-10-3x",
            "0000-01-01",
            "+10000-01-01",
            "10000-01-01",
        ] {
            assert_eq!(Day::parse(text), None, "{text}");
        }
        let mut day = Day::parse("1899-12-30").expect("a day");
        for _ in 0..100_000 {
            let next = day.after();
            assert_eq!(Day::parse(&next.to_string()), Some(next));
            assert_eq!(next.before(), day);
            day = next;
        }
        let friday = Day::parse("2026-10-30").expect("a day");
        assert_eq!(friday.weekday(), Weekday::Fri);
        assert_eq!(
            Day::parse("1969-12-31").map(Day::weekday),
            Some(Weekday::Wed)
        );
    }
}
