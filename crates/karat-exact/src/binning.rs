//! Moments in bins of one length (`date_bin`), and times of day moved by an interval.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray};
use arrow::datatypes::{
    DataType, IntervalMonthDayNano, IntervalMonthDayNanoType, Time64MicrosecondType,
    TimestampMicrosecondType,
};
use chrono::{Datelike, Months};
use chrono_tz::Tz;

use crate::calendar::{DAY_US, Zone, in_range, micros, moment};
use crate::error::ExactError;
use crate::numbers::{Outcome, Why};
use crate::scalar::rowwise;

/// The length of a bin: whole months, or days and a time of fixed length.
enum Stride {
    Months(i64),
    Micros(i64),
}

impl Stride {
    fn of(by: IntervalMonthDayNano) -> Option<Stride> {
        let (months, days) = (i64::from(by.months), i64::from(by.days));
        if months > 0 && days == 0 && by.nanoseconds == 0 {
            return Some(Stride::Months(months));
        }
        if months != 0 || by.nanoseconds % 1_000 != 0 {
            return None;
        }
        let us = days
            .checked_mul(DAY_US)?
            .checked_add(by.nanoseconds / 1_000)?;
        (us > 0).then_some(Stride::Micros(us))
    }

    /// The start of the bin that a moment lies in.
    fn start(&self, us: i64, origin: i64) -> Option<i64> {
        match self {
            Stride::Micros(length) => {
                let since = us.checked_sub(origin)?;
                origin.checked_add(since.checked_sub(since.rem_euclid(*length))?)
            }
            Stride::Months(length) => {
                let (at, first) = (moment(us)?, moment(origin)?);
                let months = i64::from(at.year() - first.year()) * 12 + i64::from(at.month())
                    - i64::from(first.month());
                let start = |bins: i64| -> Option<i64> {
                    let months = bins.checked_mul(*length)?;
                    let count = Months::new(u32::try_from(months.unsigned_abs()).ok()?);
                    let start = if months >= 0 {
                        first.checked_add_months(count)
                    } else {
                        first.checked_sub_months(count)
                    };
                    Some(micros(start?))
                };
                let bins = months.div_euclid(*length);
                let found = start(bins)?;
                if found <= us {
                    Some(found)
                } else {
                    start(bins - 1)
                }
            }
        }
    }
}

/// The start of each moment's bin, counted from the origin (by default 1970). Bins of days and months of an instant are those of its
/// local time (A6).
pub(crate) fn date_bin(
    strides: &ArrayRef,
    moments: &ArrayRef,
    origins: Option<&ArrayRef>,
    timezone: Tz,
) -> Result<Outcome, ExactError> {
    let stride = strides.as_primitive::<IntervalMonthDayNanoType>();
    let mut arrays = vec![strides.clone(), moments.clone()];
    arrays.extend(origins.cloned());
    let rows = moments.len();
    match moments.data_type() {
        DataType::Time64(_) => {
            let times = moments.as_primitive::<Time64MicrosecondType>();
            let origins = origins.map(|origins| origins.as_primitive::<Time64MicrosecondType>());
            Ok(rowwise::<Time64MicrosecondType>(
                &arrays,
                rows,
                Why::Domain,
                |row| {
                    let by = stride.value(row);
                    (by.months == 0 && by.days == 0).then_some(())?;
                    let origin = origins.map_or(0, |origins| origins.value(row));
                    let start = Stride::of(by)?.start(times.value(row), origin)?;
                    (0..DAY_US).contains(&start).then_some(start)
                },
            ))
        }
        DataType::Timestamp(_, zone) => {
            let zone = zone.as_ref().map(|_| Zone::new(timezone));
            let us = moments.as_primitive::<TimestampMicrosecondType>();
            let origins = origins.map(|origins| origins.as_primitive::<TimestampMicrosecondType>());
            let done = rowwise::<TimestampMicrosecondType>(&arrays, rows, Why::Domain, |row| {
                let by = stride.value(row);
                let zone = zone.filter(|_| by.months != 0 || by.days != 0);
                let local = |us: i64| match zone {
                    Some(zone) => zone.to_local(us),
                    None => Some(us),
                };
                let origin = match origins {
                    Some(origins) => local(origins.value(row))?,
                    None => 0,
                };
                let start = Stride::of(by)?.start(local(us.value(row))?, origin)?;
                in_range(match zone {
                    Some(zone) => zone.to_utc(start)?,
                    None => start,
                })
            });
            let array = arrow::compute::cast(&done.array, moments.data_type())
                .map_err(ExactError::arrow)?;
            Ok(Outcome { array, ..done })
        }
        other => Err(ExactError::Internal(format!("bins of {other}"))),
    }
}

/// A time of day later or earlier, around midnight as a clock goes; days and months move no time of day.
pub(crate) fn shift_time(times: &ArrayRef, by: &ArrayRef, minus: bool) -> Outcome {
    let at = times.as_primitive::<Time64MicrosecondType>();
    let intervals = by.as_primitive::<IntervalMonthDayNanoType>();
    rowwise::<Time64MicrosecondType>(
        &[Arc::clone(times), Arc::clone(by)],
        times.len(),
        Why::Domain,
        |row| {
            let by = intervals.value(row);
            (by.months == 0 && by.days == 0 && by.nanoseconds % 1_000 == 0).then_some(())?;
            let us = by.nanoseconds / 1_000;
            let us = if minus { us.checked_neg()? } else { us };
            Some(at.value(row).checked_add(us)?.rem_euclid(DAY_US))
        },
    )
}
