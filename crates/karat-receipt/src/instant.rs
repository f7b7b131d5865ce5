//! Times as RFC 3339 writes them, turned into numbers that compare. Without a calendar crate: receipts need no more.

use std::fmt;

use crate::error::ReceiptError;

/// A moment: nanoseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(i128);

impl Instant {
    /// Reads an RFC 3339 time, or a date, which means its first moment in UTC. Leap seconds count as the second before.
    ///
    /// # Errors
    /// [`ReceiptError::Time`] if the text is neither.
    pub fn parse(text: &str) -> Result<Self, ReceiptError> {
        parse_rfc3339(text)
            .map(Self)
            .ok_or_else(|| ReceiptError::Time {
                text: text.to_owned(),
            })
    }

    /// Nanoseconds since 1970.
    #[must_use]
    pub fn as_nanoseconds(self) -> i128 {
        self.0
    }
}

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.div_euclid(1_000_000_000);
        let (day, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
        let (year, month, day) = date_of_day(day);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}"
        )?;
        // Whole: a key that hands over within a second signed what came before in that second.
        match self.0.rem_euclid(1_000_000_000) {
            0 => {}
            fraction => write!(f, ".{}", format!("{fraction:09}").trim_end_matches('0'))?,
        }
        f.write_str("Z")
    }
}

fn parse_rfc3339(text: &str) -> Option<i128> {
    if !text.is_ascii() || text.len() < 10 {
        return None;
    }
    let (date, time) = text.split_at(10);
    let date_parts: Vec<_> = date.split('-').collect();
    let [year, month, day] = date_parts[..] else {
        return None;
    };
    let (year, month, day) = (number(year, 4)?, number(month, 2)?, number(day, 2)?);
    if !(1..=12).contains(&month) || !(1..=days_in_month(year, month)).contains(&day) {
        return None;
    }
    let midnight = day_of_date(year, month, day) * 86_400 * 1_000_000_000;
    if time.is_empty() {
        return Some(midnight);
    }
    let time = time.strip_prefix(['T', 't', ' '])?;
    let zone_at = time.find(['Z', 'z', '+', '-'])?;
    let (clock, zone) = time.split_at(zone_at);
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let clock_parts: Vec<_> = clock.split(':').collect();
    let [hour, minute, second] = clock_parts[..] else {
        return None;
    };
    let (hour, minute, second) = (number(hour, 2)?, number(minute, 2)?, number(second, 2)?);
    if hour > 23 || minute > 59 || second > 60 || fraction.is_empty() || fraction.len() > 9 {
        return None;
    }
    let fraction = number(fraction, fraction.len())? * 10_i128.pow(9 - fraction.len() as u32);
    let seconds = hour * 3600 + minute * 60 + second.min(59);
    Some(midnight + seconds * 1_000_000_000 + fraction - offset_minutes(zone)? * 60_000_000_000)
}

fn offset_minutes(zone: &str) -> Option<i128> {
    if zone == "Z" || zone == "z" {
        return Some(0);
    }
    let sign = if zone.starts_with('-') { -1 } else { 1 };
    let (hours, minutes) = zone[1..].split_once(':')?;
    let (hours, minutes) = (number(hours, 2)?, number(minutes, 2)?);
    (hours < 24 && minutes < 60).then_some(sign * (hours * 60 + minutes))
}

fn number(digits: &str, length: usize) -> Option<i128> {
    let is_number = digits.len() == length && digits.bytes().all(|b| b.is_ascii_digit());
    if is_number { digits.parse().ok() } else { None }
}

fn days_in_month(year: i128, month: i128) -> i128 {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01. Counts from March, so that the leap day is the last of its year.
fn day_of_date(year: i128, month: i128, day: i128) -> i128 {
    let year = if month <= 2 { year - 1 } else { year };
    let month = (month + 9) % 12;
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + day_of_year
        - 719_468
}

/// The inverse of [`day_of_date`].
fn date_of_day(day: i128) -> (i128, i128, i128) {
    let day = day + 719_468;
    let era = day.div_euclid(146_097);
    let day_of_era = day.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year_of_era + i128::from(month <= 2), month, day)
}
