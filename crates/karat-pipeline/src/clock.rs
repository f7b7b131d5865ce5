//! The clock value that a version was made with (A7): the run's moment, or only its day in the project's time zone.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use karat_exact::ClockUse;

/// What a model that uses the clock this way sees of a logical time. Two times that give one text give one table.
pub(crate) fn value(uses: ClockUse, logical_time: &str, timezone: &str) -> Option<String> {
    match uses {
        ClockUse::None => None,
        ClockUse::Time => Some(logical_time.to_owned()),
        ClockUse::Day => {
            Some(day(logical_time, timezone).unwrap_or_else(|| logical_time.to_owned()))
        }
    }
}

/// A logical time by the clocks of a zone, to the second: `2026-10-30T06:00:00`.
pub(crate) fn local(logical_time: &str, timezone: &str) -> Option<String> {
    let zone: Tz = timezone.parse().ok()?;
    let time = DateTime::parse_from_rfc3339(logical_time).ok()?;
    let local = time.with_timezone(&Utc).with_timezone(&zone);
    Some(local.format("%Y-%m-%dT%H:%M:%S").to_string())
}

/// The day of a logical time in a zone.
pub(crate) fn day(logical_time: &str, timezone: &str) -> Option<String> {
    let zone: Tz = timezone.parse().ok()?;
    let time = DateTime::parse_from_rfc3339(logical_time).ok()?;
    let local = time.with_timezone(&Utc).with_timezone(&zone);
    Some(local.date_naive().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_one_of_the_time_zone() {
        let day = |time: &str| value(ClockUse::Day, time, "Europe/Zurich").unwrap_or_default();
        assert_eq!(day("2026-07-01T21:59:59.999999Z"), "2026-07-01");
        assert_eq!(day("2026-07-01T22:00:00Z"), "2026-07-02");
        assert_eq!(value(ClockUse::None, "2026-07-01T22:00:00Z", "UTC"), None);
    }
}
