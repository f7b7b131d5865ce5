//! The offsets of RANGE frames in the type of the column that orders the window: an offset with more places than the column is cut to
//! the column's places on the side that leaves the frame as it is, a number over a date counts days, and what has no distances is refused.

use arrow::datatypes::{DataType, IntervalMonthDayNano, IntervalUnit};
use chrono_tz::Tz;
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::{
    ExprSchemable, SortExpr, WindowFrame, WindowFrameBound, WindowFrameUnits,
};

use crate::checked::{sql_text, type_error};
use crate::numbers::{Number, number};
use crate::planning::{at, place_of};
use crate::types::type_name;

/// What is wrong with an offset, and what to write.
type Wrong = (String, &'static str);

/// The side of the true offset on which one with fewer places lies.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Below,
    Above,
}

/// The frame with its offsets in the type of the order; None if there is nothing to do.
pub(crate) fn with_typed_offsets(
    frame: &WindowFrame,
    order_by: &[SortExpr],
    schema: &DFSchema,
    timezone: Tz,
) -> Result<Option<WindowFrame>> {
    let [order] = order_by else {
        return Ok(None);
    };
    if frame.units != WindowFrameUnits::Range {
        return Ok(None);
    }
    let of = match order.expr.get_type(schema)? {
        DataType::Dictionary(_, of) => *of,
        of => of,
    };
    let typed = |bound: &WindowFrameBound, starts: bool| -> Result<Option<WindowFrameBound>> {
        let (text, precedes) = match bound {
            WindowFrameBound::Preceding(ScalarValue::Utf8(Some(text))) => (text, true),
            WindowFrameBound::Following(ScalarValue::Utf8(Some(text))) => (text, false),
            _ => return Ok(None),
        };
        // Rows lie at the column's places: those from 1.5 before are those from 1 before, those up to 1.5 before those up to 2 before.
        let side = match starts == precedes {
            true => Side::Below,
            false => Side::Above,
        };
        let value = offset(text, &of, side, timezone).map_err(|(what, hint)| {
            let order = sql_text(&order.expr);
            let message = format!(
                "a RANGE frame over `{order}`, of type {}: {what}",
                type_name(&of)
            );
            at(place_of(&order_by[0].expr), type_error(message, Some(hint)))
        })?;
        Ok(Some(match precedes {
            true => WindowFrameBound::Preceding(value),
            false => WindowFrameBound::Following(value),
        }))
    };
    let start = typed(&frame.start_bound, true)?;
    let end = typed(&frame.end_bound, false)?;
    if start.is_none() && end.is_none() {
        return Ok(None);
    }
    let mut frame = frame.clone();
    frame.start_bound = start.unwrap_or(frame.start_bound);
    frame.end_bound = end.unwrap_or(frame.end_bound);
    Ok(Some(frame))
}

fn offset(text: &str, of: &DataType, side: Side, timezone: Tz) -> Result<ScalarValue, Wrong> {
    let days = "write an interval, for example interval '7 days'";
    match (of, number(of)) {
        (DataType::Null, _) | (_, Some(Number::Null)) => no_distance(),
        (_, Some(Number::Integer(_))) => {
            let units = units_of(text, 0, side)?;
            let value = ScalarValue::Decimal128(Some(units), 38, 0);
            value.cast_to(of).map_err(|_| too_large(text))
        }
        (DataType::Decimal128(p, s), _) if *s >= 0 => {
            let units = units_of(text, u32::from(s.unsigned_abs()), side)?;
            Ok(ScalarValue::Decimal128(Some(units), *p, *s))
        }
        (DataType::Decimal256(p, s), _) if *s >= 0 => {
            let units = units_of(text, u32::from(s.unsigned_abs()), side)?;
            Ok(ScalarValue::Decimal256(Some(units.into()), *p, *s))
        }
        (_, Some(Number::Double)) => {
            let double = text.parse::<f64>().ok().filter(|double| double.is_finite());
            let double = double.ok_or_else(|| no_number(text))?;
            let value = ScalarValue::Float64(Some(double));
            value.cast_to(of).map_err(|_| too_large(text))
        }
        (DataType::Date32, _) => match decimal(text) {
            Some(_) => {
                let whole = |side| units_of(text, 0, side);
                let units = whole(Side::Below)?;
                if units != whole(Side::Above)? {
                    return Err((format!("{text} is no whole number of days"), days));
                }
                let count = i32::try_from(units).map_err(|_| too_large(text))?;
                let length = IntervalMonthDayNano::new(0, count, 0);
                Ok(ScalarValue::IntervalMonthDayNano(Some(length)))
            }
            None => {
                let length = interval(text)?;
                match length.nanoseconds {
                    0 => Ok(ScalarValue::IntervalMonthDayNano(Some(length))),
                    _ => Err((
                        format!("'{text}' has a time of day, and a date has none"),
                        "write whole days, or cast the date to timestamp",
                    )),
                }
            }
        },
        (DataType::Timestamp(_, zone), _) => match decimal(text) {
            Some(_) => Err((format!("nothing says what {text} counts"), days)),
            None => {
                let length = interval(text)?;
                if zone.is_some() && timezone != Tz::UTC && (length.months, length.days) != (0, 0) {
                    return Err((
                        format!("'{text}' has another length where summer time begins or ends"),
                        "write hours, for example interval '24 hours'",
                    ));
                }
                Ok(ScalarValue::IntervalMonthDayNano(Some(length)))
            }
        },
        _ => no_distance(),
    }
}

fn no_distance() -> Result<ScalarValue, Wrong> {
    Err((
        "it has no distances, so no offset".to_owned(),
        "order by a number, date or timestamp, or count rows: rows between 1 preceding and current row",
    ))
}

fn no_number(text: &str) -> Wrong {
    (
        format!("'{text}' is no number"),
        "write a number, for example 10 preceding",
    )
}

fn too_large(text: &str) -> Wrong {
    (
        format!("{text} does not fit that type"),
        "order by the column cast to a wider type, or write unbounded",
    )
}

/// An interval that leads nowhere back.
fn interval(text: &str) -> Result<IntervalMonthDayNano, Wrong> {
    let to = DataType::Interval(IntervalUnit::MonthDayNano);
    let hint = "write it like interval '1 month' or interval '2 days'";
    let read = ScalarValue::try_from_string(text.to_owned(), &to);
    let Ok(ScalarValue::IntervalMonthDayNano(Some(length))) = read else {
        return Err((format!("'{text}' is no interval"), hint));
    };
    match length.months < 0 || length.days < 0 || length.nanoseconds < 0 {
        true => Err((format!("'{text}' is less than nothing"), hint)),
        false => Ok(length),
    }
}

/// A number literal: its digits, and how many of them are decimal places, less than none after an exponent.
fn decimal(text: &str) -> Option<(i128, i64)> {
    let (digits, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, places) = digits.split_once('.').unwrap_or((digits, ""));
    let all = format!("{whole}{places}");
    if all.is_empty() || !all.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let exponent: i64 = exponent.parse().ok()?;
    let places = i64::try_from(places.len()).ok()?;
    // What has more digits than any type is told as too large.
    let digits = all.parse().unwrap_or(i128::MAX);
    Some((digits, places.checked_sub(exponent)?))
}

/// A number literal in units of the last of so many places.
fn units_of(text: &str, places: u32, side: Side) -> Result<i128, Wrong> {
    let (digits, own) = decimal(text).ok_or_else(|| no_number(text))?;
    if digits == i128::MAX {
        return Err(too_large(text));
    }
    let more = i64::from(places) - own;
    let power = u32::try_from(more.unsigned_abs())
        .ok()
        .and_then(|power| 10i128.checked_pow(power));
    match (power, more >= 0) {
        (Some(power), true) => digits.checked_mul(power).ok_or_else(|| too_large(text)),
        (None, true) if digits == 0 => Ok(0),
        (None, true) => Err(too_large(text)),
        (power, false) => {
            let below = power.map_or(0, |power| digits / power);
            let rest = power.map_or(digits, |power| digits % power);
            Ok(below + i128::from(rest > 0 && side == Side::Above))
        }
    }
}
