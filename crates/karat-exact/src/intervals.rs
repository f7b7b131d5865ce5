//! Intervals: between two moments, added, and the length by which they are compared.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast as arrow_cast;
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, IntervalMonthDayNano, IntervalMonthDayNanoType,
    IntervalUnit, Time64MicrosecondType, TimeUnit, TimestampMicrosecondType,
};

use crate::calendar::{DAY_US, in_range};
use crate::conversion::{self, Rules, is_time};
use crate::error::ExactError;
use crate::numbers::{Outcome, Why, union_failed};
use crate::scalar::rowwise;

const DAY_NS: i128 = DAY_US as i128 * 1_000;

/// From the second moment to the first, in days of 24 hours and a time, both with one sign.
pub(crate) fn between(
    later: &ArrayRef,
    earlier: &ArrayRef,
    rules: Rules,
) -> Result<Outcome, ExactError> {
    let zoned = |array: &ArrayRef| matches!(array.data_type(), DataType::Timestamp(_, Some(_)));
    let zone = (zoned(later) || zoned(earlier)).then(|| "UTC".into());
    let to = match is_time(later.data_type()) {
        true => DataType::Time64(TimeUnit::Microsecond),
        false => DataType::Timestamp(TimeUnit::Microsecond, zone),
    };
    let sides = [
        conversion::cast(later, &to, rules)?,
        conversion::cast(earlier, &to, rules)?,
    ];
    let arrays = sides.each_ref().map(|side| side.array.clone());
    let gap = |a: i64, b: i64| -> Option<IntervalMonthDayNano> {
        let us = a.checked_sub(b)?;
        let days = i32::try_from(us / DAY_US).ok()?;
        Some(IntervalMonthDayNano::new(0, days, us % DAY_US * 1_000))
    };
    let rows = later.len();
    let [a, b] = &arrays;
    let done = match is_time(&to) {
        true => {
            let (a, b) = (
                a.as_primitive::<Time64MicrosecondType>(),
                b.as_primitive::<Time64MicrosecondType>(),
            );
            rowwise::<IntervalMonthDayNanoType>(&arrays, rows, Why::Overflow, |row| {
                gap(a.value(row), b.value(row))
            })
        }
        false => {
            let (a, b) = (
                a.as_primitive::<TimestampMicrosecondType>(),
                b.as_primitive::<TimestampMicrosecondType>(),
            );
            rowwise::<IntervalMonthDayNanoType>(&arrays, rows, Why::Overflow, |row| {
                gap(a.value(row), b.value(row))
            })
        }
    };
    let [a, b] = sides;
    Ok(Outcome {
        failed: union_failed(done.failed, union_failed(a.failed, b.failed)),
        ..done
    })
}

/// A date at a time of day, as a timestamp without zone.
pub(crate) fn at_time_of_day(
    dates: &ArrayRef,
    times: &ArrayRef,
    rules: Rules,
) -> Result<Outcome, ExactError> {
    let dates = conversion::cast(dates, &DataType::Date32, rules)?;
    let times = conversion::cast(times, &DataType::Time64(TimeUnit::Microsecond), rules)?;
    let arrays = [dates.array.clone(), times.array.clone()];
    let (days, us) = (
        arrays[0].as_primitive::<Date32Type>(),
        arrays[1].as_primitive::<Time64MicrosecondType>(),
    );
    let done = rowwise::<TimestampMicrosecondType>(&arrays, days.len(), Why::Overflow, |row| {
        let start = i64::from(days.value(row)).checked_mul(DAY_US)?;
        in_range(start.checked_add(us.value(row))?)
    });
    Ok(Outcome {
        failed: union_failed(done.failed, union_failed(dates.failed, times.failed)),
        ..done
    })
}

/// Months to months, days to days, time to time.
pub(crate) fn added(left: &ArrayRef, right: &ArrayRef, minus: bool) -> Result<Outcome, ExactError> {
    let arrays = [one_kind(left)?, one_kind(right)?];
    let (a, b) = (
        arrays[0].as_primitive::<IntervalMonthDayNanoType>(),
        arrays[1].as_primitive::<IntervalMonthDayNanoType>(),
    );
    let add = |x: i32, y: i32| match minus {
        true => x.checked_sub(y),
        false => x.checked_add(y),
    };
    Ok(rowwise::<IntervalMonthDayNanoType>(
        &arrays,
        left.len(),
        Why::Overflow,
        |row| {
            let (x, y) = (a.value(row), b.value(row));
            let nanoseconds = match minus {
                true => x.nanoseconds.checked_sub(y.nanoseconds)?,
                false => x.nanoseconds.checked_add(y.nanoseconds)?,
            };
            Some(IntervalMonthDayNano::new(
                add(x.months, y.months)?,
                add(x.days, y.days)?,
                nanoseconds,
            ))
        },
    ))
}

/// Nanoseconds, a day of 24 hours and a month of 30 days.
pub(crate) fn length(array: &ArrayRef) -> Result<Outcome, ExactError> {
    let arrays = [one_kind(array)?];
    let of = arrays[0].as_primitive::<IntervalMonthDayNanoType>();
    let done = rowwise::<Decimal128Type>(&arrays, array.len(), Why::Overflow, |row| {
        let length = of.value(row);
        let days = i128::from(length.months) * 30 + i128::from(length.days);
        Some(days * DAY_NS + i128::from(length.nanoseconds))
    });
    let out = DataType::Decimal128(38, 0);
    let digits = done.array.as_primitive::<Decimal128Type>().clone();
    Ok(Outcome {
        array: Arc::new(digits.with_data_type(out)),
        ..done
    })
}

fn one_kind(array: &ArrayRef) -> Result<ArrayRef, ExactError> {
    let to = DataType::Interval(IntervalUnit::MonthDayNano);
    arrow_cast(array, &to).map_err(ExactError::arrow)
}
