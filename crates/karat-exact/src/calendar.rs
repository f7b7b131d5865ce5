//! Dates, times and time zones: conversions, arithmetic, truncation and formats, failing a row instead of guessing (rule F2).

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, PrimitiveArray, StringArray};
use arrow::buffer::BooleanBuffer;
use arrow::compute::cast as arrow_cast;
use arrow::datatypes::{
    DataType, Date32Type, Int64Type, IntervalMonthDayNano, IntervalMonthDayNanoType,
    Time64MicrosecondType, TimeUnit, TimestampMicrosecondType,
};
use chrono::{Datelike, Days, Months, NaiveDate, NaiveDateTime, Offset, TimeZone};
use chrono_tz::Tz;

use crate::conversion::{failures, parse, try_unary};
use crate::error::ExactError;
use crate::numbers::{Outcome, Why};
use crate::text;
use crate::types::type_name;

pub(crate) const DAY_US: i64 = 86_400_000_000;

/// A time zone with a short way for UTC.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Zone {
    zone: Tz,
    utc: bool,
}

impl Zone {
    pub(crate) fn new(zone: Tz) -> Zone {
        Zone {
            zone,
            utc: zone == Tz::UTC,
        }
    }

    /// The instant of a local time; none if the zone skips or repeats it.
    pub(crate) fn to_utc(self, local_us: i64) -> Option<i64> {
        if self.utc {
            return Some(local_us);
        }
        let local = moment(local_us)?;
        self.zone
            .from_local_datetime(&local)
            .single()
            .map(|instant| instant.timestamp_micros())
    }

    /// The local time of an instant.
    pub(crate) fn to_local(self, utc_us: i64) -> Option<i64> {
        if self.utc {
            return Some(utc_us);
        }
        let offset = self
            .zone
            .offset_from_utc_datetime(&moment(utc_us)?)
            .fix()
            .local_minus_utc();
        utc_us.checked_add(i64::from(offset) * 1_000_000)
    }
}

pub(crate) fn moment(us: i64) -> Option<NaiveDateTime> {
    chrono::DateTime::from_timestamp_micros(us).map(|instant| instant.naive_utc())
}

pub(crate) fn micros(moment: NaiveDateTime) -> i64 {
    moment.and_utc().timestamp_micros()
}

fn day(days: i64) -> Option<NaiveDate> {
    NaiveDate::from_epoch_days(i32::try_from(days).ok()?)
}

fn zoned(array: PrimitiveArray<TimestampMicrosecondType>, to: &DataType) -> ArrayRef {
    match to {
        DataType::Timestamp(_, Some(zone)) => Arc::new(array.with_timezone(zone.clone())),
        _ => Arc::new(array),
    }
}

fn retyped(outcome: Outcome, to: &DataType) -> Outcome {
    let array = zoned(
        outcome
            .array
            .as_primitive::<TimestampMicrosecondType>()
            .clone(),
        to,
    );
    Outcome { array, ..outcome }
}

/// Dates, times and timestamps (microseconds) among each other.
pub(crate) fn convert(
    array: &ArrayRef,
    to: &DataType,
    timezone: Tz,
) -> Result<Outcome, ExactError> {
    let zone = Zone::new(timezone);
    let why = Why::Conversion;
    Ok(match (array.data_type(), to) {
        (DataType::Date32, DataType::Timestamp(_, to_zone)) => {
            let local = to_zone.is_none();
            let days = array.as_primitive::<Date32Type>();
            let outcome = try_unary::<_, TimestampMicrosecondType>(days, why, |d| {
                let us = i64::from(d) * DAY_US;
                if local { Some(us) } else { zone.to_utc(us) }
            });
            retyped(outcome, to)
        }
        (DataType::Timestamp(_, from_zone), DataType::Date32) => {
            let local = from_zone.is_none();
            let us = array.as_primitive::<TimestampMicrosecondType>();
            try_unary::<_, Date32Type>(us, why, |v| {
                let v = if local { v } else { zone.to_local(v)? };
                i32::try_from(v.div_euclid(DAY_US)).ok()
            })
        }
        (DataType::Timestamp(_, from_zone), DataType::Time64(_)) => {
            let local = from_zone.is_none();
            let us = array.as_primitive::<TimestampMicrosecondType>();
            try_unary::<_, Time64MicrosecondType>(us, why, |v| {
                Some((if local { v } else { zone.to_local(v)? }).rem_euclid(DAY_US))
            })
        }
        (DataType::Timestamp(_, None), DataType::Timestamp(_, Some(_))) => {
            let us = array.as_primitive::<TimestampMicrosecondType>();
            retyped(
                try_unary::<_, TimestampMicrosecondType>(us, why, |v| zone.to_utc(v)),
                to,
            )
        }
        (DataType::Timestamp(_, Some(_)), DataType::Timestamp(_, None)) => {
            let us = array.as_primitive::<TimestampMicrosecondType>();
            retyped(
                try_unary::<_, TimestampMicrosecondType>(us, why, |v| zone.to_local(v)),
                to,
            )
        }
        (DataType::Timestamp(_, Some(_)), DataType::Timestamp(_, Some(_))) => {
            Outcome::fine(arrow_cast(array, to).map_err(ExactError::arrow)?)
        }
        (DataType::Time64(TimeUnit::Nanosecond), DataType::Time64(TimeUnit::Microsecond)) => {
            let ns = arrow_cast(array, &DataType::Int64).map_err(ExactError::arrow)?;
            try_unary::<_, Time64MicrosecondType>(ns.as_primitive::<Int64Type>(), why, |v| {
                (v % 1_000 == 0).then_some(v / 1_000)
            })
        }
        (DataType::Time32(_), DataType::Time64(TimeUnit::Microsecond)) => {
            Outcome::fine(arrow_cast(array, to).map_err(ExactError::arrow)?)
        }
        (from, to) => {
            return Err(ExactError::Internal(format!(
                "checked cast from {from} to {to}"
            )));
        }
    })
}

/// A timestamp in another unit; a coarser one must lose nothing.
pub(crate) fn to_unit(array: &ArrayRef, unit: TimeUnit) -> Result<Outcome, ExactError> {
    let per_second = |unit: &TimeUnit| match unit {
        TimeUnit::Second => 1i64,
        TimeUnit::Millisecond => 1_000,
        TimeUnit::Microsecond => 1_000_000,
        TimeUnit::Nanosecond => 1_000_000_000,
    };
    let DataType::Timestamp(from, zone) = array.data_type() else {
        return Err(ExactError::Internal(format!(
            "unit of {}",
            array.data_type()
        )));
    };
    let (a, b) = (per_second(from), per_second(&unit));
    let plain = arrow_cast(array, &DataType::Int64).map_err(ExactError::arrow)?;
    let plain = plain.as_primitive::<Int64Type>();
    let scaled = if b >= a {
        try_unary::<_, Int64Type>(plain, Why::Overflow, |v| v.checked_mul(b / a))
    } else {
        let divisor = a / b;
        try_unary::<_, Int64Type>(plain, Why::Conversion, |v| {
            (v % divisor == 0).then_some(v / divisor)
        })
    };
    let array = arrow_cast(&scaled.array, &DataType::Timestamp(unit, zone.clone()))
        .map_err(ExactError::arrow)?;
    Ok(Outcome { array, ..scaled })
}

/// The rows of which a time is no whole number of the units of a coarser type.
pub(crate) fn whole_units(
    array: &ArrayRef,
    to: &DataType,
) -> Result<Option<BooleanBuffer>, ExactError> {
    let unit = match to {
        DataType::Time32(TimeUnit::Second) => 1_000_000,
        DataType::Time32(_) => 1_000,
        _ => 1,
    };
    let Some(times) = array.as_primitive_opt::<Time64MicrosecondType>() else {
        return Err(ExactError::Internal(format!(
            "units of {}",
            array.data_type()
        )));
    };
    let broken = BooleanBuffer::collect_bool(times.len(), |row| {
        times.is_valid(row) && times.value(row) % unit != 0
    });
    Ok((broken.count_set_bits() > 0).then_some(broken))
}

fn two(value: i64, out: &mut String) {
    out.push(char::from(b'0' + (value / 10) as u8));
    out.push(char::from(b'0' + (value % 10) as u8));
}

pub(crate) fn write_date(days: i64, out: &mut String) {
    use std::fmt::Write as _;
    if let Some(date) = day(days) {
        let _ = write!(out, "{:04}-", date.year());
        two(i64::from(date.month()), out);
        out.push('-');
        two(i64::from(date.day()), out);
    }
}

pub(crate) fn write_time(us: i64, out: &mut String) {
    use std::fmt::Write as _;
    let seconds = us / 1_000_000;
    two(seconds / 3600, out);
    out.push(':');
    two(seconds / 60 % 60, out);
    out.push(':');
    two(seconds % 60, out);
    let rest = us % 1_000_000;
    if rest != 0 {
        let _ = write!(out, ".{rest:06}");
        let kept = out.trim_end_matches('0').len();
        out.truncate(kept);
    }
}

pub(crate) fn write_timestamp(us: i64, out: &mut String) {
    write_date(us.div_euclid(DAY_US), out);
    out.push(' ');
    write_time(us.rem_euclid(DAY_US), out);
}

/// Date plus or minus whole days.
pub(crate) fn shift_days(
    dates: &ArrayRef,
    days: &ArrayRef,
    minus: bool,
) -> Result<Outcome, ExactError> {
    let (dates, days) = (
        dates.as_primitive::<Date32Type>(),
        days.as_primitive::<Int64Type>(),
    );
    Ok(pairwise::<_, _, Date32Type>(
        dates,
        days,
        Why::Overflow,
        |date, n| {
            let n = if minus { n.checked_neg()? } else { n };
            let shifted = i64::from(date).checked_add(n)?;
            in_range(shifted.checked_mul(DAY_US)?)?;
            i32::try_from(shifted).ok()
        },
    ))
}

/// Whole days between two dates.
pub(crate) fn days_between(left: &ArrayRef, right: &ArrayRef) -> Result<Outcome, ExactError> {
    let (left, right) = (
        left.as_primitive::<Date32Type>(),
        right.as_primitive::<Date32Type>(),
    );
    Ok(pairwise::<_, _, Int64Type>(
        left,
        right,
        Why::Overflow,
        |a, b| Some(i64::from(a) - i64::from(b)),
    ))
}

fn pairwise<A, B, R>(
    a: &PrimitiveArray<A>,
    b: &PrimitiveArray<B>,
    why: Why,
    f: impl Fn(A::Native, B::Native) -> Option<R::Native>,
) -> Outcome
where
    A: arrow::array::ArrowPrimitiveType,
    B: arrow::array::ArrowPrimitiveType,
    R: arrow::array::ArrowPrimitiveType,
{
    let mut bad = Vec::new();
    let mut values = Vec::with_capacity(a.len());
    for (row, (x, y)) in a.values().iter().zip(b.values().iter()).enumerate() {
        values.push(f(*x, *y).unwrap_or_else(|| {
            bad.push(row);
            Default::default()
        }));
    }
    let nulls = arrow::buffer::NullBuffer::union(a.nulls(), b.nulls());
    let (nulls, failed) = failures(nulls.as_ref(), &bad, a.len());
    Outcome {
        array: Arc::new(PrimitiveArray::<R>::new(values.into(), nulls)),
        failed,
        why,
    }
}

/// Years 1 to 9999.
pub(crate) fn in_range(us: i64) -> Option<i64> {
    (-62_135_596_800_000_000..253_402_300_800_000_000)
        .contains(&us)
        .then_some(us)
}

/// A moment plus or minus an interval; with a zone an instant, whose months and days are those of its local time.
pub(crate) fn shifted(
    us: i64,
    by: IntervalMonthDayNano,
    minus: bool,
    zone: Option<Zone>,
) -> Option<i64> {
    let sign = if minus { -1i64 } else { 1 };
    let (months, days, nanos) = (
        sign * i64::from(by.months),
        sign * i64::from(by.days),
        by.nanoseconds.checked_mul(sign)?,
    );
    let zone = zone.filter(|_| months != 0 || days != 0);
    let start = moment(match zone {
        Some(zone) => zone.to_local(us)?,
        None => us,
    })?;
    let count = u32::try_from(months.unsigned_abs()).ok()?;
    let start = if months >= 0 {
        start.checked_add_months(Months::new(count))
    } else {
        start.checked_sub_months(Months::new(count))
    }?;
    let start = if days >= 0 {
        start.checked_add_days(Days::new(days as u64))
    } else {
        start.checked_sub_days(Days::new(days.unsigned_abs()))
    }?;
    if nanos % 1_000 != 0 {
        return None;
    }
    let start = match zone {
        Some(zone) => zone.to_utc(micros(start))?,
        None => micros(start),
    };
    in_range(start.checked_add(nanos / 1_000)?)
}

/// A date or timestamp plus or minus an interval; a date takes whole days only, a month that is too short ends on its last day.
/// Months and days of an instant are those of its local time (A6): a day may have 23 or 25 hours.
pub(crate) fn add_interval(
    moments: &ArrayRef,
    intervals: &ArrayRef,
    minus: bool,
    timezone: Tz,
) -> Result<Outcome, ExactError> {
    let zone = Zone::new(timezone);
    let instant = matches!(moments.data_type(), DataType::Timestamp(_, Some(_)));
    let intervals = arrow_cast(
        intervals,
        &DataType::Interval(arrow::datatypes::IntervalUnit::MonthDayNano),
    )
    .map_err(ExactError::arrow)?;
    let intervals = intervals.as_primitive::<IntervalMonthDayNanoType>();
    let zone = instant.then_some(zone);
    let shifted =
        |us: i64, by: IntervalMonthDayNano| -> Option<i64> { shifted(us, by, minus, zone) };
    match moments.data_type() {
        DataType::Date32 => {
            let dates = moments.as_primitive::<Date32Type>();
            Ok(pairwise::<_, _, Date32Type>(
                dates,
                intervals,
                Why::Domain,
                |date, by| {
                    let us = shifted(i64::from(date) * DAY_US, by)?;
                    (us % DAY_US == 0).then_some(())?;
                    i32::try_from(us / DAY_US).ok()
                },
            ))
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            let us = moments.as_primitive::<TimestampMicrosecondType>();
            Ok(retyped(
                pairwise::<_, _, TimestampMicrosecondType>(us, intervals, Why::Domain, shifted),
                moments.data_type(),
            ))
        }
        other => Err(ExactError::Internal(format!("interval added to {other}"))),
    }
}

/// Where `date_trunc` cuts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Unit {
    Year,
    Quarter,
    Month,
    Week,
    Day,
    Hour,
    Minute,
    Second,
    Millisecond,
    Microsecond,
}

impl Unit {
    pub(crate) fn parse(text: &str) -> Option<Unit> {
        Some(match text.to_ascii_lowercase().as_str() {
            "year" => Unit::Year,
            "quarter" => Unit::Quarter,
            "month" => Unit::Month,
            "week" => Unit::Week,
            "day" => Unit::Day,
            "hour" => Unit::Hour,
            "minute" => Unit::Minute,
            "second" => Unit::Second,
            "millisecond" => Unit::Millisecond,
            "microsecond" => Unit::Microsecond,
            _ => return None,
        })
    }

    /// Whether it is a day or longer.
    pub(crate) fn is_of_days(self) -> bool {
        matches!(
            self,
            Unit::Year | Unit::Quarter | Unit::Month | Unit::Week | Unit::Day
        )
    }

    fn first_day(self, days: i64) -> Option<i64> {
        let date = day(days)?;
        Some(match self {
            Unit::Year => days - i64::from(date.ordinal0()),
            Unit::Quarter => {
                let first = NaiveDate::from_ymd_opt(date.year(), date.month0() / 3 * 3 + 1, 1)?;
                i64::from(first.to_epoch_days())
            }
            Unit::Month => days - i64::from(date.day0()),
            Unit::Week => days - i64::from(date.weekday().num_days_from_monday()),
            _ => days,
        })
    }

    fn local(self, us: i64) -> Option<i64> {
        let step = match self {
            Unit::Hour => 3_600_000_000,
            Unit::Minute => 60_000_000,
            Unit::Second => 1_000_000,
            Unit::Millisecond => 1_000,
            Unit::Microsecond => 1,
            _ => return self.first_day(us.div_euclid(DAY_US))?.checked_mul(DAY_US),
        };
        Some(us - us.rem_euclid(step))
    }
}

/// The start of the unit that a date or timestamp lies in, in local time.
pub(crate) fn truncate(array: &ArrayRef, unit: Unit, timezone: Tz) -> Result<Outcome, ExactError> {
    let zone = Zone::new(timezone);
    match array.data_type() {
        DataType::Date32 => Ok(try_unary::<_, Date32Type>(
            array.as_primitive::<Date32Type>(),
            Why::Domain,
            |d| i32::try_from(unit.first_day(i64::from(d))?).ok(),
        )),
        DataType::Timestamp(TimeUnit::Microsecond, tz) => {
            let local = tz.is_none();
            let us = array.as_primitive::<TimestampMicrosecondType>();
            let outcome = try_unary::<_, TimestampMicrosecondType>(us, Why::Domain, |v| {
                if local {
                    return unit.local(v);
                }
                let at = zone.to_local(v)?;
                let cut = unit.local(at)?;
                // Below a day the offset stays, so that a repeated hour is no question.
                if unit.is_of_days() {
                    zone.to_utc(cut)
                } else {
                    v.checked_sub(at - cut)
                }
            });
            Ok(retyped(outcome, array.data_type()))
        }
        DataType::Time64(TimeUnit::Microsecond) => Ok(try_unary::<_, Time64MicrosecondType>(
            array.as_primitive::<Time64MicrosecondType>(),
            Why::Domain,
            |us| unit.local(us),
        )),
        other => Err(ExactError::Internal(format!(
            "truncation of {}",
            type_name(other)
        ))),
    }
}

/// A format in the words of strptime.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Format {
    pieces: Vec<Piece>,
    dated: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece {
    Year,
    ShortYear,
    Month,
    MonthName,
    Day,
    DayOfYear,
    Hour,
    Hour12,
    HalfDay,
    Minute,
    Second,
    Fraction,
    /// A point and a fraction, or nothing.
    PointFraction,
    Offset,
    Weekday,
    /// Seconds since 1970.
    Epoch,
    Byte(u8),
}

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

const WEEKDAYS: [&str; 7] = [
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
];

/// Why a text is no format at all: nothing of a time is in it.
pub(crate) fn without_fields(format: &str) -> Option<String> {
    let hint = if format.to_ascii_lowercase().contains("yy") {
        ": formats are written as in strptime, for example '%Y-%m-%d' for yyyy-MM-dd"
    } else {
        ""
    };
    (!format.contains('%')).then(|| format!("the format holds no %{hint}"))
}

impl Format {
    /// Reads a format that holds a date, or says why it is none.
    pub(crate) fn parse(text: &str) -> Result<Format, String> {
        let format = Format::pieces(text)?;
        if !format.dated {
            return Err("the format does not give a whole date".to_string());
        }
        Ok(format)
    }

    /// Reads a format of a time of day, or says why it is none.
    pub(crate) fn parse_time(text: &str) -> Result<Format, String> {
        let format = Format::pieces(text)?;
        if !format.pieces.contains(&Piece::Hour) && !format.pieces.contains(&Piece::Hour12) {
            return Err("the format does not give an hour".to_string());
        }
        Ok(format)
    }

    fn pieces(text: &str) -> Result<Format, String> {
        if let Some(why) = without_fields(text) {
            return Err(why);
        }
        let mut pieces = Vec::new();
        let mut bytes = text.bytes();
        while let Some(byte) = bytes.next() {
            if byte != b'%' {
                pieces.push(Piece::Byte(byte));
                continue;
            }
            match bytes.next() {
                Some(b'Y') => pieces.push(Piece::Year),
                Some(b'y') => pieces.push(Piece::ShortYear),
                Some(b'm') => pieces.push(Piece::Month),
                Some(b'b' | b'B' | b'h') => pieces.push(Piece::MonthName),
                Some(b'd' | b'e') => pieces.push(Piece::Day),
                Some(b'j') => pieces.push(Piece::DayOfYear),
                Some(b'H') => pieces.push(Piece::Hour),
                Some(b'I') => pieces.push(Piece::Hour12),
                Some(b'p') => pieces.push(Piece::HalfDay),
                Some(b'M') => pieces.push(Piece::Minute),
                Some(b'S') => pieces.push(Piece::Second),
                Some(b'f') => pieces.push(Piece::Fraction),
                Some(b'z') => pieces.push(Piece::Offset),
                Some(b'#') if bytes.clone().next() == Some(b'z') => {
                    bytes.next();
                    pieces.push(Piece::Offset);
                }
                Some(b'.') if bytes.clone().next() == Some(b'f') => {
                    bytes.next();
                    pieces.push(Piece::PointFraction);
                }
                Some(b'a' | b'A') => pieces.push(Piece::Weekday),
                Some(b's') => pieces.push(Piece::Epoch),
                Some(b'c') => pieces.extend(Format::pieces("%a %b %e %H:%M:%S %Y")?.pieces),
                Some(b'+') => pieces.extend(Format::pieces("%Y-%m-%dT%H:%M:%S%.f%z")?.pieces),
                Some(b'F') => pieces.extend([
                    Piece::Year,
                    Piece::Byte(b'-'),
                    Piece::Month,
                    Piece::Byte(b'-'),
                    Piece::Day,
                ]),
                Some(b'T') => pieces.extend([
                    Piece::Hour,
                    Piece::Byte(b':'),
                    Piece::Minute,
                    Piece::Byte(b':'),
                    Piece::Second,
                ]),
                Some(b'%') => pieces.push(Piece::Byte(b'%')),
                other => {
                    let letter = other.map(|b| char::from(b).to_string()).unwrap_or_default();
                    return Err(format!(
                        "`%{letter}` is no part of a format: there are %Y %y %m %b %B %d %e %j %a %H %I %p %M %S %f %.f %z %F %T %c %+ %s %%"
                    ));
                }
            }
        }
        let has = |wanted: &[Piece]| wanted.iter().any(|w| pieces.contains(w));
        let dated = has(&[Piece::Epoch])
            || has(&[Piece::Year, Piece::ShortYear])
                && (has(&[Piece::DayOfYear])
                    || has(&[Piece::Month, Piece::MonthName]) && has(&[Piece::Day]));
        Ok(Format { pieces, dated })
    }

    /// Whether the text carries its offset from UTC.
    pub(crate) fn has_offset(&self) -> bool {
        self.pieces.contains(&Piece::Offset) || self.pieces.contains(&Piece::Epoch)
    }

    /// Days, microseconds of the day, offset in seconds.
    fn read(&self, text: &[u8]) -> Option<(i32, i64, i64)> {
        let (mut year, mut month, mut date, mut ordinal) = (0i64, 1i64, 1i64, None);
        let (mut hour, mut minute, mut second, mut fraction, mut offset) =
            (0i64, 0i64, 0i64, 0i64, 0i64);
        let (mut twelve, mut afternoon) = (false, false);
        let (mut weekday, mut epoch) = (None, None);
        let mut rest = text;
        for piece in &self.pieces {
            match piece {
                Piece::Byte(byte) => {
                    (rest.first() == Some(byte)).then_some(())?;
                    rest = &rest[1..];
                }
                Piece::Year => year = digits(&mut rest, 4, 4)?,
                Piece::ShortYear => {
                    let short = digits(&mut rest, 2, 2)?;
                    year = short + if short < 69 { 2000 } else { 1900 };
                }
                Piece::Month => month = digits(&mut rest, 1, 2)?,
                Piece::MonthName => {
                    let letters = rest.iter().take_while(|b| b.is_ascii_alphabetic()).count();
                    let name = std::str::from_utf8(&rest[..letters])
                        .ok()?
                        .to_ascii_lowercase();
                    let index = MONTHS.iter().position(|m| {
                        *m == name || m[..3] == name || (name == "sept" && *m == "september")
                    })?;
                    month = index as i64 + 1;
                    rest = &rest[letters..];
                }
                Piece::Day => date = digits(&mut rest, 1, 2)?,
                Piece::DayOfYear => ordinal = Some(digits(&mut rest, 3, 3)?),
                Piece::Hour => hour = digits(&mut rest, 1, 2)?,
                Piece::Hour12 => {
                    hour = digits(&mut rest, 1, 2)?;
                    twelve = true;
                    (1..=12).contains(&hour).then_some(())?;
                }
                Piece::HalfDay => {
                    let half = rest.get(..2)?;
                    afternoon = half.eq_ignore_ascii_case(b"pm");
                    (afternoon || half.eq_ignore_ascii_case(b"am")).then_some(())?;
                    rest = &rest[2..];
                }
                Piece::Minute => minute = digits(&mut rest, 1, 2)?,
                Piece::Second => second = digits(&mut rest, 1, 2)?,
                Piece::Fraction => {
                    let count = rest.iter().take_while(|b| b.is_ascii_digit()).count();
                    fraction = text::fraction(&rest[..count])?;
                    rest = &rest[count..];
                }
                Piece::PointFraction => {
                    if rest.first() == Some(&b'.') {
                        let count = rest[1..].iter().take_while(|b| b.is_ascii_digit()).count();
                        fraction = text::fraction(&rest[1..=count])?;
                        rest = &rest[count + 1..];
                    }
                }
                Piece::Weekday => {
                    let letters = rest.iter().take_while(|b| b.is_ascii_alphabetic()).count();
                    let name = std::str::from_utf8(&rest[..letters])
                        .ok()?
                        .to_ascii_lowercase();
                    let index = WEEKDAYS.iter().position(|d| *d == name || d[..3] == name)?;
                    weekday = Some(index as i32);
                    rest = &rest[letters..];
                }
                Piece::Epoch => {
                    let minus = rest.first() == Some(&b'-');
                    rest = if minus { &rest[1..] } else { rest };
                    let seconds = digits(&mut rest, 1, 15)?;
                    epoch = Some(if minus { -seconds } else { seconds });
                }
                Piece::Offset => {
                    let end = rest
                        .iter()
                        .position(|b| !matches!(b, b'+' | b'-' | b':' | b'0'..=b'9' | b'Z' | b'z'))
                        .unwrap_or(rest.len());
                    offset = text::offset(&rest[..end])?;
                    rest = &rest[end..];
                }
            }
        }
        if twelve {
            hour = hour % 12 + if afternoon { 12 } else { 0 };
        }
        if let Some(seconds) = epoch {
            rest.is_empty().then_some(())?;
            in_range(seconds.checked_mul(1_000_000)?)?;
            let days = i32::try_from(seconds.div_euclid(86_400)).ok()?;
            return Some((days, seconds.rem_euclid(86_400) * 1_000_000, 0));
        }
        let fits = rest.is_empty() && hour < 24 && minute < 60 && second < 60;
        fits.then_some(())?;
        let days = match ordinal {
            _ if !self.dated => 0,
            Some(ordinal) => {
                let first = text::days(year, 1, 1)?;
                let length = i64::from(text::days(year, 12, 31)? - first) + 1;
                (1..=length)
                    .contains(&ordinal)
                    .then(|| first + ordinal as i32 - 1)?
            }
            None => text::days(year, month, date)?,
        };
        // 1970 began on a Thursday.
        if let Some(weekday) = weekday {
            (weekday == (days + 3).rem_euclid(7)).then_some(())?;
        }
        Some((
            days,
            ((hour * 60 + minute) * 60 + second) * 1_000_000 + fraction,
            offset,
        ))
    }

    /// Text as dates; a format with a time of day is read, and its time dropped only if it is midnight.
    pub(crate) fn dates(&self, array: &StringArray) -> Outcome {
        let (values, nulls, failed) = parse(array, |text| match self.read(text)? {
            (days, 0, _) => Some(days),
            _ => None,
        });
        Outcome {
            array: Arc::new(PrimitiveArray::<Date32Type>::new(values.into(), nulls)),
            failed,
            why: Why::Conversion,
        }
    }

    /// Text as times of day; a date beside it is read and left out.
    pub(crate) fn times(&self, array: &StringArray) -> Outcome {
        let (values, nulls, failed) = parse(array, |text| Some(self.read(text)?.1));
        Outcome {
            array: Arc::new(PrimitiveArray::<Time64MicrosecondType>::new(
                values.into(),
                nulls,
            )),
            failed,
            why: Why::NotA("time"),
        }
    }

    /// Text as timestamps, with zone if the format has an offset.
    pub(crate) fn timestamps(&self, array: &StringArray) -> Outcome {
        let (values, nulls, failed) = parse(array, |text| {
            let (days, us, offset) = self.read(text)?;
            Some(i64::from(days) * DAY_US + us - offset * 1_000_000)
        });
        let array = PrimitiveArray::<TimestampMicrosecondType>::new(values.into(), nulls);
        let array: ArrayRef = if self.has_offset() {
            Arc::new(array.with_timezone("UTC"))
        } else {
            Arc::new(array)
        };
        Outcome {
            array,
            failed,
            why: Why::Conversion,
        }
    }
}

/// Formats of which the first that reads a text counts.
#[derive(Clone, Debug)]
pub(crate) struct Formats(Vec<Format>);

impl Formats {
    /// Formats of dates: an offset moves none.
    pub(crate) fn of_dates(formats: Vec<Format>) -> Formats {
        Formats(formats)
    }

    /// The formats, or why they do not go together.
    pub(crate) fn new(formats: Vec<Format>) -> Result<Formats, String> {
        let zoned = formats.iter().filter(|format| format.has_offset()).count();
        if zoned != 0 && zoned != formats.len() {
            return Err("either all formats have an offset (%z), or none".to_owned());
        }
        Ok(Formats(formats))
    }

    pub(crate) fn has_offset(&self) -> bool {
        self.0.iter().any(Format::has_offset)
    }

    pub(crate) fn dates(&self, array: &StringArray) -> Result<Outcome, ExactError> {
        self.first_of(array, Format::dates)
    }

    pub(crate) fn timestamps(&self, array: &StringArray) -> Result<Outcome, ExactError> {
        self.first_of(array, Format::timestamps)
    }

    fn first_of(
        &self,
        array: &StringArray,
        read: fn(&Format, &StringArray) -> Outcome,
    ) -> Result<Outcome, ExactError> {
        let mut formats = self.0.iter();
        let Some(first) = formats.next() else {
            return Err(ExactError::Internal("a format is missing".to_owned()));
        };
        let mut done = read(first, array);
        for format in formats {
            let Some(failed) = &done.failed else { break };
            let next = read(format, array);
            let mask = BooleanArray::new(failed.clone(), None);
            let values = arrow::compute::kernels::zip::zip(&mask, &next.array, &done.array)
                .map_err(ExactError::arrow)?;
            let both = next.failed.map(|unread| failed & &unread);
            done = Outcome {
                array: values,
                failed: both.filter(|both| both.count_set_bits() > 0),
                why: done.why,
            };
        }
        Ok(done)
    }
}

fn digits(rest: &mut &[u8], least: usize, most: usize) -> Option<i64> {
    let count = rest
        .iter()
        .take(most)
        .take_while(|b| b.is_ascii_digit())
        .count();
    (count >= least).then_some(())?;
    let value = rest[..count]
        .iter()
        .fold(0i64, |v, b| v * 10 + i64::from(b - b'0'));
    *rest = &rest[count..];
    Some(value)
}

/// The local date of an instant, in days since 1970.
pub(crate) fn local_date(utc_us: i64, timezone: Tz) -> Option<i32> {
    i32::try_from(Zone::new(timezone).to_local(utc_us)?.div_euclid(DAY_US)).ok()
}

/// The local time of day of an instant, in microseconds.
pub(crate) fn local_time(utc_us: i64, timezone: Tz) -> Option<i64> {
    Some(Zone::new(timezone).to_local(utc_us)?.rem_euclid(DAY_US))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_read_what_they_say() {
        let read = |format: &str, text: &str| {
            let format = Format::parse(format).expect("a format");
            let outcome = format.timestamps(&StringArray::from(vec![text]));
            let mut out = String::new();
            match outcome.failed {
                Some(_) => out.push_str("failed"),
                None => write_timestamp(
                    outcome
                        .array
                        .as_primitive::<TimestampMicrosecondType>()
                        .value(0),
                    &mut out,
                ),
            }
            out
        };
        let lines = [
            read("%Y-%m-%d %H:%M:%S", "2024-02-29 12:34:56"),
            read("%d.%m.%Y", "1.2.2024"),
            read("%Y%m%d", "20240229"),
            read("%Y%m%d", "20230229"),
            read("%b %d, %Y", "Feb 03, 2024"),
            read("%Y-%j", "2024-366"),
            read("%Y-%m-%dT%H:%M:%S.%f%z", "2024-01-01T00:00:00.25+01:00"),
            read("%d/%m/%y %I:%M %p", "03/02/70 12:05 am"),
            read("%+", "2020-09-08T12:00:00.5+02:00"),
            read("%+", "2020-09-08T12:00:00Z"),
            read("%s", "-1"),
            read("%s", "1.5"),
            read("%c", "Tue Sep 8 12:00:00 2020"),
            read("%c", "Mon Sep 8 12:00:00 2020"),
            read("%Y-%m-%d %H/%M/%S%#z", "2020-09-08 12/00/00+00:00"),
            read("%F %T%.f", "2020-09-08 12:00:00"),
        ];
        expect_test::expect![[r#"
            2024-02-29 12:34:56
            2024-02-01 00:00:00
            2024-02-29 00:00:00
            failed
            2024-02-03 00:00:00
            2024-12-31 00:00:00
            2023-12-31 23:00:00.25
            1970-02-03 00:05:00
            2020-09-08 10:00:00.5
            2020-09-08 12:00:00
            1969-12-31 23:59:59
            failed
            2020-09-08 12:00:00
            failed
            2020-09-08 12:00:00
            2020-09-08 12:00:00"#]]
        .assert_eq(&lines.join("\n"));
        assert!(Format::parse("yyyy-MM-dd").is_err_and(|e| e.contains("%Y-%m-%d")));
        assert!(Format::parse("%H:%M").is_err());
    }

    #[test]
    fn skipped_and_repeated_local_times_have_no_instant() {
        let berlin = Zone::new(chrono_tz::Europe::Berlin);
        let at = |text: &str| {
            crate::text::timestamp(text.as_bytes())
                .expect("a timestamp")
                .local_us
        };
        assert_eq!(berlin.to_utc(at("2024-03-31 02:30:00")), None);
        assert_eq!(berlin.to_utc(at("2024-10-27 02:30:00")), None);
        assert_eq!(
            berlin.to_utc(at("2024-07-01 02:30:00")),
            Some(at("2024-07-01 00:30:00"))
        );
        assert_eq!(
            berlin.to_local(at("2024-07-01 00:30:00")),
            Some(at("2024-07-01 02:30:00"))
        );
    }
}
