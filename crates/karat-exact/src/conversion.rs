//! Checked casts: which types go into which (rule E2, F2), and kernels that fail a row instead of losing a digit.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray, Float64Array, PrimitiveArray,
    StringArray, StringBuilder, new_null_array,
};
use arrow::buffer::{BooleanBuffer, NullBuffer};
use arrow::compute::cast as arrow_cast;
use arrow::datatypes::{
    DataType, Date32Type, Date64Type, Decimal128Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, IntervalUnit, Time64MicrosecondType, TimeUnit, TimestampMicrosecondType, UInt8Type,
    UInt16Type, UInt32Type, UInt64Type,
};
use chrono_tz::Tz;

use crate::calendar;
use crate::error::ExactError;
use crate::nested;
use crate::numbers::{
    self, Number, Outcome, Rest, Rounding, Why, apply_failed, decimal_128, decimal_256, number,
    union_failed,
};
use crate::text;
use crate::types::type_name;

/// What a conversion depends on besides its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Rules {
    pub(crate) rounding: Rounding,
    pub(crate) timezone: Tz,
}

pub(crate) fn is_text(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
    )
}

fn is_binary(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Binary
            | DataType::LargeBinary
            | DataType::BinaryView
            | DataType::FixedSizeBinary(_)
    )
}

pub(crate) fn is_time(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Time32(_) | DataType::Time64(_))
}

/// Whether a cast exists, and if not, why.
pub(crate) fn castable(from: &DataType, to: &DataType) -> Result<(), String> {
    use DataType::{Boolean, Date32, Date64, Dictionary, Null, Timestamp};
    if let Dictionary(_, value) = from {
        return castable(value, to);
    }
    if let Dictionary(_, value) = to {
        return castable(from, value);
    }
    if let Some(found) = nested::castable(from, to) {
        return found;
    }
    if let DataType::Decimal128(p, s) | DataType::Decimal256(p, s) = to
        && (*s < 0 || i16::from(*s) > i16::from(*p))
    {
        return Err(format!("{} has no valid scale", type_name(to)));
    }
    let numeric = |t: &DataType| number(t).is_some_and(|n| n != Number::Null);
    let exact = |t: &DataType| matches!(number(t), Some(Number::Integer(_) | Number::Decimal(..)));
    let fine = from == to
        || *from == Null
        || match to {
            t if is_text(t) => {
                is_text(from)
                    || is_binary(from)
                    || numeric(from)
                    || is_time(from)
                    || matches!(from, Boolean | Date32 | Date64 | Timestamp(..))
            }
            t if is_binary(t) => is_text(from) || is_binary(from),
            Boolean => is_text(from) || matches!(number(from), Some(Number::Integer(_))),
            Date32 | Date64 => is_text(from) || matches!(from, Date32 | Date64 | Timestamp(..)),
            Timestamp(_, None) => is_text(from) || matches!(from, Date32 | Date64 | Timestamp(..)),
            Timestamp(_, Some(zone)) => {
                &**zone == "UTC"
                    && (is_text(from) || matches!(from, Date32 | Date64 | Timestamp(..)))
            }
            t if is_time(t) => is_text(from) || is_time(from) || matches!(from, Timestamp(..)),
            DataType::Interval(IntervalUnit::MonthDayNano) => {
                is_text(from) || matches!(from, DataType::Interval(_))
            }
            DataType::Float16 => false,
            DataType::Decimal32(..) | DataType::Decimal64(..) => false,
            t if matches!(number(t), Some(Number::Integer(_))) => {
                is_text(from) || numeric(from) || *from == Boolean
            }
            t if exact(t) => is_text(from) || numeric(from),
            t if numeric(t) => is_text(from) || numeric(from),
            _ => false,
        };
    if fine {
        Ok(())
    } else {
        Err(format!(
            "no cast from {} to {}",
            type_name(from),
            type_name(to)
        ))
    }
}

/// Whether DataFusion's own cast can neither fail nor lose anything, so that one that its type coercion put in may stay.
pub(crate) fn lossless(from: &DataType, to: &DataType) -> bool {
    use DataType::{Boolean, Date32, Dictionary, Float32, Float64, List, Null, Timestamp};
    if from == to {
        return true;
    }
    match (from, to) {
        (Null, _) => true,
        (Dictionary(_, value), _) => lossless(value, to),
        (_, Dictionary(_, value)) => lossless(from, value),
        (f, t) if is_text(f) && is_text(t) => true,
        (f, t) if is_binary(f) && is_binary(t) && !matches!(t, DataType::FixedSizeBinary(_)) => {
            true
        }
        (Float32, Float64) => true,
        (Boolean, t) if is_text(t) => true,
        (
            Date32,
            Timestamp(TimeUnit::Second | TimeUnit::Millisecond | TimeUnit::Microsecond, None),
        ) => true,
        (List(a), List(b)) => lossless(a.data_type(), b.data_type()),
        (DataType::Struct(a), DataType::Struct(b)) => {
            a.len() == b.len()
                && a.iter()
                    .zip(b.iter())
                    .all(|(x, y)| x.name() == y.name() && lossless(x.data_type(), y.data_type()))
        }
        (f, t) => {
            let unsigned = |t: &DataType| {
                matches!(
                    t,
                    DataType::UInt8 | DataType::UInt16 | DataType::UInt32 | DataType::UInt64
                )
            };
            match (number(f), number(t)) {
                (Some(Number::Integer(_)), _) if is_text(t) => true,
                (Some(Number::Integer(a)), Some(Number::Integer(b))) => {
                    unsigned(f) == unsigned(t) && a <= b || unsigned(f) && !unsigned(t) && a < b
                }
                (Some(Number::Integer(a)), Some(Number::Decimal(p, s))) => {
                    s >= 0 && i16::from(a) <= i16::from(p) - i16::from(s)
                }
                (Some(Number::Integer(a)), Some(Number::Double)) => *t == Float64 && a <= 10,
                (Some(Number::Decimal(p1, s1)), Some(Number::Decimal(p2, s2))) => {
                    s1 >= 0
                        && s2 >= s1
                        && i16::from(p2) - i16::from(s2) >= i16::from(p1) - i16::from(s1)
                }
                _ => false,
            }
        }
    }
}

/// The type that a table stores for a value of this type, or why there is none.
pub(crate) fn stored_type(data_type: &DataType) -> Result<DataType, String> {
    Ok(match data_type {
        DataType::Null => return Err("a null without a type: write cast(null as type)".to_string()),
        DataType::Decimal256(_, s) if (0..=38).contains(s) => DataType::Decimal128(38, *s),
        DataType::Decimal256(..) => {
            return Err(format!(
                "the result is {}: a table holds up to 38 digits; cast it, for example to decimal(38, 10)",
                type_name(data_type)
            ));
        }
        DataType::Interval(_) | DataType::Duration(_) => {
            return Err("an interval cannot be stored: count days, or cast to text".to_string());
        }
        DataType::Utf8View | DataType::LargeUtf8 => DataType::Utf8,
        DataType::BinaryView | DataType::LargeBinary | DataType::FixedSizeBinary(_) => {
            DataType::Binary
        }
        DataType::Dictionary(_, value) => return stored_type(value),
        DataType::UInt8 => DataType::Int16,
        DataType::UInt16 => DataType::Int32,
        DataType::UInt32 | DataType::UInt64 => DataType::Int64,
        DataType::Decimal32(p, s) | DataType::Decimal64(p, s) => DataType::Decimal128(*p, *s),
        DataType::Float16 => DataType::Float32,
        DataType::Date64 => DataType::Date32,
        DataType::Timestamp(_, zone) => {
            DataType::Timestamp(TimeUnit::Microsecond, zone.as_ref().map(|_| "UTC".into()))
        }
        other => other.clone(),
    })
}

/// The array as another type; rows that do not fit fail.
pub(crate) fn cast(array: &ArrayRef, to: &DataType, rules: Rules) -> Result<Outcome, ExactError> {
    let from = array.data_type();
    if from == to {
        return Ok(Outcome::fine(array.clone()));
    }
    match from {
        DataType::Null => return Ok(Outcome::fine(new_null_array(to, array.len()))),
        DataType::Dictionary(_, value) => {
            return cast(
                &arrow_cast(array, value).map_err(ExactError::arrow)?,
                to,
                rules,
            );
        }
        DataType::LargeUtf8 | DataType::Utf8View if *to != DataType::Utf8 => {
            return cast(
                &arrow_cast(array, &DataType::Utf8).map_err(ExactError::arrow)?,
                to,
                rules,
            );
        }
        // More than a bigint, and less than 10^20.
        DataType::UInt64 if matches!(number(to), Some(Number::Decimal(..) | Number::Double)) => {
            let whole = arrow_cast(array, &DataType::Decimal128(20, 0));
            return cast(&whole.map_err(ExactError::arrow)?, to, rules);
        }
        DataType::Date64 if *to == DataType::Date32 => return Ok(whole_days(array)),
        DataType::Date64 => return then(whole_days(array), to, rules),
        DataType::Timestamp(unit, zone) if *unit != TimeUnit::Microsecond => {
            let first = calendar::to_unit(array, TimeUnit::Microsecond)?;
            let zoned =
                DataType::Timestamp(TimeUnit::Microsecond, zone.as_ref().map(|_| "UTC".into()));
            let first = Outcome {
                array: arrow_cast(&first.array, &zoned).map_err(ExactError::arrow)?,
                ..first
            };
            return then(first, to, rules);
        }
        _ => {}
    }
    if let Some(done) = nested::cast(array, to, rules) {
        return done;
    }
    match to {
        DataType::Interval(_) => return intervals(array, to),
        DataType::Dictionary(_, value) => {
            let plain = cast(array, value, rules)?;
            return Ok(Outcome {
                array: arrow_cast(&plain.array, to).map_err(ExactError::arrow)?,
                ..plain
            });
        }
        DataType::Date64 => {
            let days = cast(array, &DataType::Date32, rules)?;
            return Ok(Outcome {
                array: arrow_cast(&days.array, to).map_err(ExactError::arrow)?,
                ..days
            });
        }
        t if is_time(t) && *t != DataType::Time64(TimeUnit::Microsecond) => {
            let micros = cast(array, &DataType::Time64(TimeUnit::Microsecond), rules)?;
            let whole = calendar::whole_units(&micros.array, t)?;
            return Ok(Outcome {
                array: arrow_cast(&micros.array, to).map_err(ExactError::arrow)?,
                failed: union_failed(micros.failed, whole),
                why: micros.why,
            });
        }
        DataType::LargeUtf8 | DataType::Utf8View => {
            let text = cast(array, &DataType::Utf8, rules)?;
            return Ok(Outcome {
                array: arrow_cast(&text.array, to).map_err(ExactError::arrow)?,
                ..text
            });
        }
        DataType::Timestamp(unit, zone) if *unit != TimeUnit::Microsecond => {
            let micros = cast(
                array,
                &DataType::Timestamp(TimeUnit::Microsecond, zone.clone()),
                rules,
            )?;
            let scaled = calendar::to_unit(&micros.array, *unit)?;
            return Ok(Outcome {
                failed: union_failed(micros.failed, scaled.failed.clone()),
                ..scaled
            });
        }
        _ => {}
    }
    if let Some(text) = array.as_string_opt::<i32>() {
        return from_text(text, to, rules);
    }
    match to {
        DataType::Utf8 => to_text(array),
        t if is_binary(t) => Ok(Outcome::fine(
            arrow_cast(array, t).map_err(ExactError::arrow)?,
        )),
        DataType::Boolean => to_boolean(array, rules),
        DataType::Date32 | DataType::Timestamp(..) | DataType::Time64(_) => {
            calendar::convert(array, to, rules.timezone)
        }
        DataType::Float64 => Ok(Outcome::fine(canonical(&numbers::to_double(array)?))),
        DataType::Float32 => to_single(&numbers::to_double(array)?),
        _ if *from == DataType::Boolean => Ok(Outcome::fine(
            arrow_cast(array, to).map_err(ExactError::arrow)?,
        )),
        _ => {
            let double = matches!(number(from), Some(Number::Double));
            let exact = |to: &DataType| {
                if double {
                    numbers::double_to_decimal(array, to)
                } else {
                    numbers::rescale(array, to, Rest::Round(rules.rounding))
                }
            };
            match to {
                DataType::Decimal128(..) | DataType::Decimal256(..) => exact(to),
                DataType::Int64 => exact(to),
                DataType::UInt64 => {
                    let wide = exact(&DataType::Decimal128(38, 0))?;
                    narrow_unsigned(wide)
                }
                _ => narrow(exact(&DataType::Int64)?, to),
            }
        }
    }
}

/// Texts and intervals as intervals; a text that is none fails.
fn intervals(array: &ArrayRef, to: &DataType) -> Result<Outcome, ExactError> {
    let done = arrow_cast(array, to).map_err(ExactError::arrow)?;
    let bad: Vec<usize> = (0..array.len())
        .filter(|row| array.is_valid(*row) && done.is_null(*row))
        .collect();
    let (_, failed) = failures(None, &bad, array.len());
    Ok(Outcome {
        array: done,
        failed,
        why: Why::Conversion,
    })
}

/// Dates kept in milliseconds as days; one with a time of day fails (F2).
pub(crate) fn whole_days(array: &ArrayRef) -> Outcome {
    const DAY_MS: i64 = 86_400_000;
    try_unary::<Date64Type, Date32Type>(array.as_primitive(), Why::Conversion, |ms| {
        (ms % DAY_MS == 0).then_some(ms / DAY_MS)?.try_into().ok()
    })
}

fn then(first: Outcome, to: &DataType, rules: Rules) -> Result<Outcome, ExactError> {
    let second = cast(&first.array, to, rules)?;
    let why = if second.failed.is_some() {
        second.why
    } else {
        first.why
    };
    Ok(Outcome {
        array: second.array,
        failed: union_failed(first.failed, second.failed),
        why,
    })
}

fn canonical(array: &ArrayRef) -> ArrayRef {
    let doubles = array.as_primitive::<Float64Type>();
    let values: Vec<f64> = doubles
        .values()
        .iter()
        .map(|v| numbers::canonical(*v))
        .collect();
    Arc::new(Float64Array::new(values.into(), doubles.nulls().cloned()))
}

/// Applies `f` to each value that is not null; `None` fails the row.
pub(crate) fn try_unary<A, B>(
    array: &PrimitiveArray<A>,
    why: Why,
    f: impl Fn(A::Native) -> Option<B::Native>,
) -> Outcome
where
    A: ArrowPrimitiveType,
    B: ArrowPrimitiveType,
{
    let mut values = Vec::with_capacity(array.len());
    let mut bad = Vec::new();
    for (row, value) in array.values().iter().enumerate() {
        values.push(match f(*value) {
            Some(value) => value,
            None => {
                bad.push(row);
                B::Native::default()
            }
        });
    }
    let (nulls, failed) = failures(array.nulls(), &bad, array.len());
    Outcome {
        array: Arc::new(PrimitiveArray::<B>::new(values.into(), nulls)),
        failed,
        why,
    }
}

/// Nulls and failed rows, given the rows at which something went wrong (null rows among them do not count).
pub(crate) fn failures(
    nulls: Option<&NullBuffer>,
    bad: &[usize],
    rows: usize,
) -> (Option<NullBuffer>, Option<BooleanBuffer>) {
    if bad.is_empty() {
        return (nulls.cloned(), None);
    }
    let mut next = bad.iter().copied().peekable();
    let failed = BooleanBuffer::collect_bool(rows, |row| next.next_if_eq(&row).is_some());
    apply_failed(nulls.cloned(), failed)
}

fn narrow(wide: Outcome, to: &DataType) -> Result<Outcome, ExactError> {
    let a = wide.array.as_primitive::<Int64Type>();
    let why = Why::Overflow;
    let narrowed = match to {
        DataType::Int8 => try_unary::<_, Int8Type>(a, why, |v| v.try_into().ok()),
        DataType::Int16 => try_unary::<_, Int16Type>(a, why, |v| v.try_into().ok()),
        DataType::Int32 => try_unary::<_, Int32Type>(a, why, |v| v.try_into().ok()),
        DataType::UInt8 => try_unary::<_, UInt8Type>(a, why, |v| v.try_into().ok()),
        DataType::UInt16 => try_unary::<_, UInt16Type>(a, why, |v| v.try_into().ok()),
        DataType::UInt32 => try_unary::<_, UInt32Type>(a, why, |v| v.try_into().ok()),
        other => return Err(ExactError::Internal(format!("checked cast to {other}"))),
    };
    let why = if wide.failed.is_some() { wide.why } else { why };
    Ok(Outcome {
        array: narrowed.array,
        failed: union_failed(wide.failed, narrowed.failed),
        why,
    })
}

fn narrow_unsigned(wide: Outcome) -> Result<Outcome, ExactError> {
    let narrowed = try_unary::<_, UInt64Type>(
        wide.array.as_primitive::<Decimal128Type>(),
        Why::Overflow,
        |v| v.try_into().ok(),
    );
    Ok(Outcome {
        failed: union_failed(wide.failed, narrowed.failed.clone()),
        ..narrowed
    })
}

fn to_single(doubles: &ArrayRef) -> Result<Outcome, ExactError> {
    Ok(try_unary::<Float64Type, arrow::datatypes::Float32Type>(
        doubles.as_primitive(),
        Why::Overflow,
        |v| {
            let single = numbers::canonical(v) as f32;
            (single.is_finite() || !v.is_finite()).then_some(single)
        },
    ))
}

fn to_boolean(array: &ArrayRef, rules: Rules) -> Result<Outcome, ExactError> {
    let wide = cast(array, &DataType::Int64, rules)?;
    let a = wide.array.as_primitive::<Int64Type>();
    let bad: Vec<usize> = a
        .values()
        .iter()
        .enumerate()
        .filter(|(_, v)| !matches!(v, 0 | 1))
        .map(|(row, _)| row)
        .collect();
    let (nulls, failed) = failures(a.nulls(), &bad, a.len());
    let values = BooleanBuffer::collect_bool(a.len(), |row| a.values()[row] == 1);
    Ok(Outcome {
        array: Arc::new(BooleanArray::new(values, nulls)),
        failed: union_failed(wide.failed, failed),
        why: Why::Conversion,
    })
}

/// Parses each text that is not null.
pub(crate) fn parse<T: Copy + Default>(
    array: &StringArray,
    f: impl Fn(&[u8]) -> Option<T>,
) -> (Vec<T>, Option<NullBuffer>, Option<BooleanBuffer>) {
    let (offsets, bytes, nulls) = (array.value_offsets(), array.value_data(), array.nulls());
    let mut values = Vec::with_capacity(array.len());
    let mut bad = Vec::new();
    match nulls.filter(|nulls| nulls.null_count() > 0) {
        None => {
            for (row, pair) in offsets.windows(2).enumerate() {
                match f(&bytes[pair[0] as usize..pair[1] as usize]) {
                    Some(value) => values.push(value),
                    None => {
                        bad.push(row);
                        values.push(T::default());
                    }
                }
            }
        }
        Some(nulls) => {
            for (row, pair) in offsets.windows(2).enumerate() {
                if nulls.is_null(row) {
                    values.push(T::default());
                    continue;
                }
                match f(&bytes[pair[0] as usize..pair[1] as usize]) {
                    Some(value) => values.push(value),
                    None => {
                        bad.push(row);
                        values.push(T::default());
                    }
                }
            }
        }
    }
    let (nulls, failed) = failures(nulls, &bad, array.len());
    (values, nulls, failed)
}

fn parsed<T: ArrowPrimitiveType>(
    array: &StringArray,
    f: impl Fn(&[u8]) -> Option<T::Native>,
) -> Outcome {
    let (values, nulls, failed) = parse(array, f);
    Outcome {
        array: Arc::new(PrimitiveArray::<T>::new(values.into(), nulls)),
        failed,
        why: Why::Conversion,
    }
}

/// What a text is not that is no number, or one whose digits its type does not hold: which of both may differ from row to row.
pub(crate) const NUMBER: &str = "number that fits";

fn from_text(array: &StringArray, to: &DataType, rules: Rules) -> Result<Outcome, ExactError> {
    let read = read_text(array, to, rules)?;
    let why = not_a(to).unwrap_or(read.why);
    Ok(Outcome { why, ..read })
}

/// Why a text is no value of a type, where there is one reason alone: an instant may fall where its zone has none.
pub(crate) fn not_a(to: &DataType) -> Option<Why> {
    Some(Why::NotA(match to {
        DataType::Boolean => "boolean",
        DataType::Date32 => "date",
        DataType::Time64(_) => "time",
        DataType::Timestamp(_, None) => "timestamp",
        number if number.is_numeric() => NUMBER,
        _ => return None,
    }))
}

fn read_text(array: &StringArray, to: &DataType, rules: Rules) -> Result<Outcome, ExactError> {
    let as_text = |bytes: &[u8]| std::str::from_utf8(bytes).ok().and_then(text::double);
    Ok(match to {
        DataType::Int8 => parsed::<Int8Type>(array, |b| text::integer(b)?.try_into().ok()),
        DataType::Int16 => parsed::<Int16Type>(array, |b| text::integer(b)?.try_into().ok()),
        DataType::Int32 => parsed::<Int32Type>(array, |b| text::integer(b)?.try_into().ok()),
        DataType::Int64 => parsed::<Int64Type>(array, text::integer),
        DataType::UInt8 => parsed::<UInt8Type>(array, |b| text::integer(b)?.try_into().ok()),
        DataType::UInt16 => parsed::<UInt16Type>(array, |b| text::integer(b)?.try_into().ok()),
        DataType::UInt32 => parsed::<UInt32Type>(array, |b| text::integer(b)?.try_into().ok()),
        DataType::UInt64 => {
            parsed::<UInt64Type>(array, |b| text::decimal(b, 38, 0)?.try_into().ok())
        }
        DataType::Float64 => parsed::<Float64Type>(array, as_text),
        DataType::Float32 => {
            let wide = parsed::<Float64Type>(array, as_text);
            let single = to_single(&wide.array)?;
            Outcome {
                failed: union_failed(wide.failed, single.failed.clone()),
                ..single
            }
        }
        DataType::Decimal128(p, s) => {
            let (p, s) = (*p, *s);
            let (values, nulls, failed) = parse(array, |b| text::decimal(b, p, s));
            Outcome {
                array: decimal_128(values, nulls, (p, s))?,
                failed,
                why: Why::Conversion,
            }
        }
        DataType::Decimal256(p, s) => {
            let (p, s) = (*p, *s);
            let (values, nulls, failed) = parse(array, |b| text::decimal_wide(b, p, s));
            Outcome {
                array: decimal_256(values, nulls, (p, s))?,
                failed,
                why: Why::Conversion,
            }
        }
        DataType::Boolean => {
            let (values, nulls, failed) = parse(array, text::boolean);
            let array = BooleanArray::new(
                BooleanBuffer::collect_bool(values.len(), |row| values[row]),
                nulls,
            );
            Outcome {
                array: Arc::new(array),
                failed,
                why: Why::Conversion,
            }
        }
        DataType::Date32 => parsed::<Date32Type>(array, text::date),
        DataType::Time64(TimeUnit::Microsecond) => {
            parsed::<Time64MicrosecondType>(array, text::time)
        }
        DataType::Timestamp(TimeUnit::Microsecond, None) => {
            parsed::<TimestampMicrosecondType>(array, |b| {
                let moment = text::timestamp(b)?;
                moment.offset_s.is_none().then_some(moment.local_us)
            })
        }
        DataType::Timestamp(TimeUnit::Microsecond, Some(_)) => {
            let zone = calendar::Zone::new(rules.timezone);
            let (values, nulls, failed) = parse(array, |b| {
                let moment = text::timestamp(b)?;
                match moment.offset_s {
                    Some(offset) => moment.local_us.checked_sub(offset * 1_000_000),
                    None => zone.to_utc(moment.local_us),
                }
            });
            let array = PrimitiveArray::<TimestampMicrosecondType>::new(values.into(), nulls)
                .with_timezone("UTC");
            Outcome {
                array: Arc::new(array),
                failed,
                why: Why::Conversion,
            }
        }
        t if is_binary(t) => Outcome::fine(arrow_cast(array, t).map_err(ExactError::arrow)?),
        other => {
            return Err(ExactError::Internal(format!(
                "checked cast from text to {other}"
            )));
        }
    })
}

/// Texts of dates or times, failed where the calendar of rule F2 has none: files can hold what no text says.
fn unless_beyond(text: &ArrayRef, micros: impl Fn(usize) -> Option<i64>) -> Outcome {
    let text = text.as_string::<i32>();
    let bad: Vec<usize> = (0..text.len())
        .filter(|row| text.is_valid(*row) && micros(*row).and_then(calendar::in_range).is_none())
        .collect();
    let (nulls, failed) = failures(text.nulls(), &bad, text.len());
    let (offsets, values, _) = text.clone().into_parts();
    Outcome {
        array: Arc::new(StringArray::new(offsets, values, nulls)),
        failed,
        why: Why::Conversion,
    }
}

/// The canonical text of a value.
pub(crate) fn to_text(array: &ArrayRef) -> Result<Outcome, ExactError> {
    let write = |rows: usize, f: &mut dyn FnMut(usize, &mut String)| -> ArrayRef {
        let mut builder = StringBuilder::with_capacity(rows, rows * 8);
        let mut buffer = String::new();
        for row in 0..rows {
            if array.is_null(row) {
                builder.append_null();
                continue;
            }
            buffer.clear();
            f(row, &mut buffer);
            builder.append_value(&buffer);
        }
        Arc::new(builder.finish())
    };
    use std::fmt::Write as _;
    let text = match array.data_type() {
        DataType::Utf8 => array.clone(),
        DataType::Float16 | DataType::Float32 | DataType::Float64 => {
            let single = (*array.data_type() == DataType::Float32).then(|| {
                array
                    .as_primitive::<arrow::datatypes::Float32Type>()
                    .clone()
            });
            let doubles = numbers::to_double(array)?;
            let doubles = doubles.as_primitive::<Float64Type>();
            write(array.len(), &mut |row, out| {
                let _ = match &single {
                    Some(single) => write!(out, "{:?}", single.value(row) + 0.0),
                    None => write!(out, "{:?}", numbers::canonical(doubles.value(row))),
                };
            })
        }
        DataType::Date32 => {
            let days = array.as_primitive::<Date32Type>();
            let text = write(array.len(), &mut |row, out| {
                calendar::write_date(i64::from(days.value(row)), out)
            });
            return Ok(unless_beyond(&text, |row| {
                i64::from(days.value(row)).checked_mul(calendar::DAY_US)
            }));
        }
        DataType::Timestamp(TimeUnit::Microsecond, zone) => {
            let micros = array.as_primitive::<TimestampMicrosecondType>();
            let zoned = zone.is_some();
            let text = write(array.len(), &mut |row, out| {
                calendar::write_timestamp(micros.value(row), out);
                if zoned {
                    out.push('Z');
                }
            });
            return Ok(unless_beyond(&text, |row| Some(micros.value(row))));
        }
        DataType::Time64(TimeUnit::Microsecond) => {
            let micros = array.as_primitive::<Time64MicrosecondType>();
            write(array.len(), &mut |row, out| {
                calendar::write_time(micros.value(row), out)
            })
        }
        t if is_time(t) => {
            let micros = arrow_cast(array, &DataType::Time64(TimeUnit::Microsecond))
                .map_err(ExactError::arrow)?;
            return to_text(&micros);
        }
        t if is_binary(t) => {
            let bytes = arrow_cast(array, &DataType::Binary).map_err(ExactError::arrow)?;
            let bytes = bytes.as_binary::<i32>();
            let bad: Vec<usize> = (0..bytes.len())
                .filter(|row| {
                    !bytes.is_null(*row) && std::str::from_utf8(bytes.value(*row)).is_err()
                })
                .collect();
            let (nulls, failed) = failures(bytes.nulls(), &bad, bytes.len());
            let text: StringArray = (0..bytes.len())
                .map(|row| match &nulls {
                    Some(nulls) if nulls.is_null(row) => None,
                    _ => std::str::from_utf8(bytes.value(row)).ok(),
                })
                .collect();
            return Ok(Outcome {
                array: Arc::new(text),
                failed,
                why: Why::Conversion,
            });
        }
        _ => arrow_cast(array, &DataType::Utf8).map_err(ExactError::arrow)?,
    };
    Ok(Outcome::fine(text))
}

#[cfg(test)]
mod tests {
    use arrow::array::Date32Array;

    use super::*;

    #[test]
    fn a_date_beyond_the_calendar_has_no_text() {
        let days: ArrayRef = Arc::new(Date32Array::from(vec![
            Some(0),
            Some(774_510_336),
            None,
            Some(3_954_746),
            Some(-719_162),
        ]));
        let outcome = to_text(&days).unwrap();
        let texts: Vec<Option<&str>> = outcome.array.as_string::<i32>().iter().collect();
        assert_eq!(
            texts,
            [Some("1970-01-01"), None, None, None, Some("0001-01-01")]
        );
        let failed: Vec<usize> = outcome.failed.unwrap().set_indices().collect();
        assert_eq!(failed, [1, 3]);
    }
}
