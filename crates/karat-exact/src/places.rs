//! Numbers brought to decimal places that their type does not have: doubles, tens and hundreds, and as many places as a column says.
//!
//! A double is rounded as the binary value that it is, and the answer is the double nearest to the rounded value: `round(2.675, 2)` of a
//! double is 2.67, since the double nearest to 2.675 is less.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Decimal256Array, Float64Array, Int64Array};
use arrow::datatypes::{DataType, Decimal256Type, Float64Type, Int64Type, i256};

use crate::conversion::{Rules, cast, failures};
use crate::error::ExactError;
use crate::numbers::{
    Number, Outcome, POWERS, Rest, Rounding, Why, decimal, number, power_wide, union_failed,
};
use crate::types::type_name;

/// The type of a number brought to places that are known only row by row.
pub(crate) fn type_at_any_place(data_type: &DataType) -> Result<DataType, String> {
    Ok(match number(data_type) {
        Some(Number::Double) => DataType::Float64,
        Some(Number::Null | Number::Integer(_)) => DataType::Int64,
        // Rounding up may need one more digit.
        Some(Number::Decimal(p, s)) => decimal(i32::from(p) + 1, i32::from(s)),
        None => return Err(format!("{} is no number", type_name(data_type))),
    })
}

/// Numbers brought to `places`, row by row, in the type `out`. A null in either is null.
pub(crate) fn to_places(
    array: &ArrayRef,
    places: &ArrayRef,
    out: &DataType,
    rest: Rest,
    rules: Rules,
) -> Result<Outcome, ExactError> {
    let places = cast(places, &DataType::Int64, rules)?;
    let counts = places.array.as_primitive::<Int64Type>();
    let rows = array.len();
    let place = |row: usize| counts.is_valid(row).then(|| counts.value(row));
    let mut bad = Vec::new();
    let done = match out {
        DataType::Float64 => {
            let doubles = cast(array, out, rules)?.array;
            let doubles = doubles.as_primitive::<Float64Type>();
            let mut values: Vec<Option<f64>> = Vec::with_capacity(rows);
            for row in 0..rows {
                let x = doubles.is_valid(row).then(|| doubles.value(row));
                let rounded = x.zip(place(row)).map(|(x, n)| (x, double_at(x, n, rest)));
                if rounded.is_some_and(|(x, rounded)| x.is_finite() && !rounded.is_finite()) {
                    bad.push(row);
                }
                values.push(rounded.map(|(_, rounded)| rounded));
            }
            Arc::new(Float64Array::from(values)) as ArrayRef
        }
        DataType::Int64 => {
            let integers = cast(array, out, rules)?;
            let values = integers.array.as_primitive::<Int64Type>();
            let mut rounded: Vec<Option<i64>> = Vec::with_capacity(rows);
            for row in 0..rows {
                let value = values.is_valid(row).then(|| values.value(row));
                rounded.push(value.zip(place(row)).map(|(value, n)| {
                    let at = multiple(i256::from_i128(value.into()), -n, rest);
                    at.and_then(|v| i64::try_from(v.to_i128()?).ok())
                        .unwrap_or_else(|| {
                            bad.push(row);
                            0
                        })
                }));
            }
            Arc::new(Int64Array::from(rounded)) as ArrayRef
        }
        DataType::Decimal128(..) | DataType::Decimal256(..) => {
            let scale = match array.data_type() {
                DataType::Decimal32(_, s)
                | DataType::Decimal64(_, s)
                | DataType::Decimal128(_, s)
                | DataType::Decimal256(_, s) => *s,
                _ => 0,
            };
            let wide = cast(array, &DataType::Decimal256(76, scale), rules)?;
            let values = wide.array.as_primitive::<Decimal256Type>();
            let mut rounded: Vec<Option<i256>> = Vec::with_capacity(rows);
            for row in 0..rows {
                let value = values.is_valid(row).then(|| values.value(row));
                rounded.push(value.zip(place(row)).map(|(value, n)| {
                    let at = i64::from(scale).checked_sub(n);
                    at.and_then(|at| multiple(value, at, rest))
                        .unwrap_or_else(|| {
                            bad.push(row);
                            i256::ZERO
                        })
                }));
            }
            let wide = Decimal256Array::from(rounded)
                .with_precision_and_scale(76, scale)
                .map_err(ExactError::arrow)?;
            let narrow = cast(&(Arc::new(wide) as ArrayRef), out, rules)?;
            let (_, failed) = failures(None, &bad, rows);
            return Ok(Outcome {
                failed: union_failed(narrow.failed, union_failed(failed, places.failed)),
                ..narrow
            });
        }
        other => {
            return Err(ExactError::Internal(format!(
                "{} at decimal places",
                type_name(other)
            )));
        }
    };
    let (_, failed) = failures(None, &bad, rows);
    Ok(Outcome {
        array: done,
        failed: union_failed(failed, places.failed),
        why: Why::Overflow,
    })
}

/// The multiple of 10^digits that a whole number is brought to; None if it does not fit.
fn multiple(value: i256, digits: i64, rest: Rest) -> Option<i256> {
    if digits <= 0 {
        return Some(value);
    }
    let Some(unit) = u32::try_from(digits).ok().filter(|d| *d <= 76) else {
        // Half of the unit is more than any value.
        return Some(i256::ZERO);
    };
    let unit = match POWERS.get(unit as usize) {
        Some(unit) => i256::from_i128(*unit),
        None => power_wide(unit),
    };
    let (quotient, left) = (value.checked_div(unit)?, value.checked_rem(unit)?);
    let away = match rest {
        Rest::Round(rounding) => {
            let size = left.checked_abs()?;
            // left < 10^76 < 2^253.
            match size.checked_add(size)?.cmp(&unit) {
                Ordering::Less => false,
                Ordering::Greater => true,
                Ordering::Equal => {
                    let two = i256::from_i128(2);
                    rounding == Rounding::HalfAwayFromZero
                        || quotient.checked_rem(two)? != i256::ZERO
                }
            }
        }
        Rest::Drop => false,
        Rest::Down => left < i256::ZERO,
        Rest::Up => left > i256::ZERO,
    };
    let step = match (away, value < i256::ZERO) {
        (false, _) => i256::ZERO,
        (true, false) => i256::ONE,
        (true, true) => i256::MINUS_ONE,
    };
    quotient.checked_add(step)?.checked_mul(unit)
}

/// The double nearest to a double's value brought to decimal places.
fn double_at(x: f64, places: i64, rest: Rest) -> f64 {
    if !x.is_finite() || x == 0.0 {
        return x;
    }
    let fraction = fraction_bits(x);
    if places >= i64::from(fraction) {
        return x;
    }
    // Every bit of a fraction is one decimal place: this is the value, to the last digit.
    let text = format!("{:.*}", fraction as usize, x.abs());
    let (whole, part) = text.split_once('.').unwrap_or((&text, ""));
    let digits: Vec<u8> = whole.bytes().chain(part.bytes()).collect();
    let cut = whole.len() as i64 + places;
    let (kept, left) = match usize::try_from(cut) {
        Ok(cut) => digits.split_at(cut.min(digits.len())),
        // Less than a tenth of the unit.
        Err(_) => (&[][..], &b"0"[..]),
    };
    let up = match rest {
        Rest::Round(rounding) => {
            let half = left.first().copied().unwrap_or(b'0').cmp(&b'5');
            let more = left.iter().skip(1).any(|digit| *digit != b'0');
            let odd = kept.last().is_some_and(|digit| digit % 2 == 1);
            match (half, more) {
                (Ordering::Less, _) => false,
                (Ordering::Greater, _) | (Ordering::Equal, true) => true,
                (Ordering::Equal, false) => rounding == Rounding::HalfAwayFromZero || odd,
            }
        }
        Rest::Drop => false,
        Rest::Down => x < 0.0,
        Rest::Up => x > 0.0,
    };
    let mut kept = kept.to_vec();
    if up {
        let mut at = kept.len();
        loop {
            if at == 0 {
                kept.insert(0, b'1');
                break;
            }
            at -= 1;
            if kept[at] == b'9' {
                kept[at] = b'0';
            } else {
                kept[at] += 1;
                break;
            }
        }
    }
    if kept.is_empty() {
        return 0.0;
    }
    let written = String::from_utf8_lossy(&kept);
    let size: f64 = format!("{written}e{}", -places).parse().unwrap_or(x.abs());
    if x < 0.0 && size != 0.0 { -size } else { size }
}

/// Bits of a double behind the point.
fn fraction_bits(x: f64) -> u32 {
    const MANTISSA: i32 = 52;
    const BIAS: i32 = 1023;
    let bits = x.to_bits();
    let exponent = ((bits >> MANTISSA) & 0x7ff) as i32;
    let fraction = bits & ((1 << MANTISSA) - 1);
    let (mantissa, exponent) = match exponent {
        0 => (fraction, 1 - BIAS - MANTISSA),
        _ => (fraction | 1 << MANTISSA, exponent - BIAS - MANTISSA),
    };
    let exponent = exponent + mantissa.trailing_zeros() as i32;
    u32::try_from(-exponent).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_are_rounded_as_the_values_that_they_are() {
        let away = Rest::Round(Rounding::HalfAwayFromZero);
        let even = Rest::Round(Rounding::HalfEven);
        let told: Vec<String> = [
            (2.675, 2, away),
            (0.125, 2, away),
            (0.125, 2, even),
            (-0.375, 2, even),
            (-2.5, 0, away),
            (125.2345, -3, away),
            (125.2345, -2, away),
            (950.0, -2, away),
            (-999.5, 0, Rest::Drop),
            (0.1 + 0.2, 17, away),
            (5e-324, 400, away),
            (5e-324, 2, away),
            (f64::MAX, -308, away),
            (1e22, 3, away),
        ]
        .into_iter()
        .map(|(x, places, rest)| format!("{x:?} at {places}: {:?}", double_at(x, places, rest)))
        .collect();
        expect_test::expect![[r#"
            2.675 at 2: 2.67
            0.125 at 2: 0.13
            0.125 at 2: 0.12
            -0.375 at 2: -0.38
            -2.5 at 0: -3.0
            125.2345 at -3: 0.0
            125.2345 at -2: 100.0
            950.0 at -2: 1000.0
            -999.5 at 0: -999.0
            0.30000000000000004 at 17: 0.30000000000000004
            5e-324 at 400: 5e-324
            5e-324 at 2: 0.0
            1.7976931348623157e308 at -308: inf
            1e22 at 3: 1e22"#]]
        .assert_eq(&told.join("\n"));
    }

    #[test]
    fn whole_numbers_are_brought_to_tens() {
        let away = Rest::Round(Rounding::HalfAwayFromZero);
        let at = |value: i128, digits, rest| {
            multiple(i256::from_i128(value), digits, rest).and_then(i256::to_i128)
        };
        assert_eq!(at(1250, 2, away), Some(1300));
        assert_eq!(at(1250, 2, Rest::Round(Rounding::HalfEven)), Some(1200));
        assert_eq!(at(-1251, 2, away), Some(-1300));
        assert_eq!(at(-1299, 2, Rest::Drop), Some(-1200));
        assert_eq!(at(i128::from(i64::MAX), 40, away), Some(0));
        assert_eq!(at(7, -3, away), Some(7));
    }
}
