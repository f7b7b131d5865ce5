//! The elementary functions of doubles, correctly rounded: the double nearest to the true value, ties to even, on any machine (E3).
//!
//! No floating-point unit and no mathematical library takes part in a result: a function is computed in integers, with a bound of its
//! error; if all that the bound leaves rounds to one double, that is the result, else it is computed again with twice the digits
//! (Ziv's method). That ends, since the cases whose true value is a double or half-way between two are found first, by number theory:
//! `exp`, `ln` and the trigonometric functions have none but at 0 and 1 (Lindemann), roots, powers and logarithms have those below.

use std::sync::{Arc, LazyLock};

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, new_null_array};
use arrow::buffer::{BooleanBuffer, NullBuffer};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};

use crate::error::ExactError;
use crate::numbers::{Outcome, Why, apply_failed, canonical, split, to_double};
use crate::wide;

/// A function of one or two doubles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Elementary {
    Acos,
    Acosh,
    Asin,
    Asinh,
    Atan,
    Atan2,
    Atanh,
    Cbrt,
    Cos,
    Cosh,
    Cot,
    Degrees,
    Exp,
    Ln,
    Log,
    Log10,
    Log2,
    Pi,
    Power,
    Radians,
    Signum,
    Sin,
    Sinh,
    Sqrt,
    Tan,
    Tanh,
}

impl Elementary {
    pub(crate) const ALL: [Elementary; 26] = {
        use Elementary::*;
        [
            Acos, Acosh, Asin, Asinh, Atan, Atan2, Atanh, Cbrt, Cos, Cosh, Cot, Degrees, Exp, Ln,
            Log, Log10, Log2, Pi, Power, Radians, Signum, Sin, Sinh, Sqrt, Tan, Tanh,
        ]
    };

    /// karat's own name; SQL's is the rest after `karat_`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Elementary::Acos => "karat_acos",
            Elementary::Acosh => "karat_acosh",
            Elementary::Asin => "karat_asin",
            Elementary::Asinh => "karat_asinh",
            Elementary::Atan => "karat_atan",
            Elementary::Atan2 => "karat_atan2",
            Elementary::Atanh => "karat_atanh",
            Elementary::Cbrt => "karat_cbrt",
            Elementary::Cos => "karat_cos",
            Elementary::Cosh => "karat_cosh",
            Elementary::Cot => "karat_cot",
            Elementary::Degrees => "karat_degrees",
            Elementary::Exp => "karat_exp",
            Elementary::Ln => "karat_ln",
            Elementary::Log => "karat_log",
            Elementary::Log10 => "karat_log10",
            Elementary::Log2 => "karat_log2",
            Elementary::Pi => "karat_pi",
            Elementary::Power => "karat_power",
            Elementary::Radians => "karat_radians",
            Elementary::Signum => "karat_signum",
            Elementary::Sin => "karat_sin",
            Elementary::Sinh => "karat_sinh",
            Elementary::Sqrt => "karat_sqrt",
            Elementary::Tan => "karat_tan",
            Elementary::Tanh => "karat_tanh",
        }
    }

    pub(crate) fn sql_name(self) -> &'static str {
        self.name()
            .strip_prefix("karat_")
            .unwrap_or_else(|| self.name())
    }

    /// The names by which SQL calls it.
    pub(crate) fn aliases(self) -> &'static [&'static str] {
        match self {
            Elementary::Acos => &["acos"],
            Elementary::Acosh => &["acosh"],
            Elementary::Asin => &["asin"],
            Elementary::Asinh => &["asinh"],
            Elementary::Atan => &["atan"],
            Elementary::Atan2 => &["atan2"],
            Elementary::Atanh => &["atanh"],
            Elementary::Cbrt => &["cbrt"],
            Elementary::Cos => &["cos"],
            Elementary::Cosh => &["cosh"],
            Elementary::Cot => &["cot"],
            Elementary::Degrees => &["degrees"],
            Elementary::Exp => &["exp"],
            Elementary::Ln => &["ln"],
            Elementary::Log => &["log"],
            Elementary::Log10 => &["log10"],
            Elementary::Log2 => &["log2"],
            Elementary::Pi => &["pi"],
            Elementary::Power => &["power", "pow"],
            Elementary::Radians => &["radians"],
            Elementary::Signum => &["signum", "sign"],
            Elementary::Sin => &["sin"],
            Elementary::Sinh => &["sinh"],
            Elementary::Sqrt => &["sqrt"],
            Elementary::Tan => &["tan"],
            Elementary::Tanh => &["tanh"],
        }
    }

    /// The least and the most arguments.
    pub(crate) fn arguments(self) -> (usize, usize) {
        match self {
            Elementary::Pi => (0, 0),
            Elementary::Log => (1, 2),
            Elementary::Atan2 | Elementary::Power => (2, 2),
            _ => (1, 1),
        }
    }

    /// The value for one argument, or why there is none.
    pub(crate) fn one(self, x: f64) -> Result<f64, Why> {
        if x.is_nan() {
            return Ok(canonical(x));
        }
        let y = match self {
            Elementary::Signum => match x.partial_cmp(&0.0) {
                Some(std::cmp::Ordering::Less) => -1.0,
                Some(std::cmp::Ordering::Greater) => 1.0,
                _ => 0.0,
            },
            // IEEE 754 asks every processor for the correctly rounded root.
            Elementary::Sqrt if x < 0.0 => return Err(Why::Domain),
            Elementary::Sqrt => x.sqrt(),
            _ if x.is_infinite() => return self.at_infinity(x),
            Elementary::Ln | Elementary::Log | Elementary::Log2 | Elementary::Log10 => {
                if x <= 0.0 {
                    return Err(Why::Domain);
                }
                match self {
                    Elementary::Ln if x == 1.0 => 0.0,
                    Elementary::Log2 if odd_part(x).0 == 1 => f64::from(odd_part(x).1),
                    Elementary::Log | Elementary::Log10 => match power_of_ten(x) {
                        Some(k) => k,
                        None => rounded(Value::LogOf(x, 10.0)),
                    },
                    Elementary::Log2 => rounded(Value::LogOf(x, 2.0)),
                    _ => rounded(Value::Ln(x)),
                }
            }
            Elementary::Acosh => match x.partial_cmp(&1.0) {
                Some(std::cmp::Ordering::Equal) => 0.0,
                Some(std::cmp::Ordering::Greater) => rounded(Value::Acosh(x)),
                _ => return Err(Why::Domain),
            },
            Elementary::Asin | Elementary::Acos if x.abs() > 1.0 => return Err(Why::Domain),
            Elementary::Acos if x == 1.0 => 0.0,
            Elementary::Acos => rounded(Value::Acos(x)),
            Elementary::Atanh if x.abs() >= 1.0 => return Err(Why::Domain),
            Elementary::Cot if x == 0.0 => return Err(Why::Domain),
            // 1/x − x/3: only its sign is left of the second term.
            Elementary::Cot if x.abs() < TINY * TINY * TINY => just_below(1.0, x),
            Elementary::Cot => rounded(Value::Cot(x)),
            Elementary::Cos | Elementary::Cosh if x.abs() < TINY => 1.0,
            Elementary::Exp if x.abs() < TINY * TINY => 1.0,
            Elementary::Exp if x > 710.0 => return Err(Why::Overflow),
            Elementary::Exp if x < -746.0 => 0.0,
            Elementary::Exp => rounded(Value::Exp(x)),
            Elementary::Sinh | Elementary::Cosh if x.abs() > 711.0 => return Err(Why::Overflow),
            Elementary::Tanh if x.abs() > 20.0 => 1f64.copysign(x),
            Elementary::Degrees | Elementary::Radians | Elementary::Cbrt if x == 0.0 => 0.0,
            Elementary::Degrees => rounded(Value::Degrees(x)),
            Elementary::Radians => rounded(Value::Radians(x)),
            Elementary::Cbrt => match cube_root(x) {
                Some(root) => root,
                None => rounded(Value::Cbrt(x)),
            },
            Elementary::Cos => rounded(Value::Cos(x)),
            Elementary::Cosh => rounded(Value::Cosh(x)),
            // x (1 ± x²/3) at most, which is nearer to x than half a unit of its last place.
            _ if x.abs() < TINY => x,
            Elementary::Asin => rounded(Value::Asin(x)),
            Elementary::Asinh => rounded(Value::Asinh(x)),
            Elementary::Atan => rounded(Value::Atan2(x, 1.0)),
            Elementary::Atanh => rounded(Value::Atanh(x)),
            Elementary::Sin => rounded(Value::Sin(x)),
            Elementary::Sinh => rounded(Value::Sinh(x)),
            Elementary::Tan => rounded(Value::Tan(x)),
            Elementary::Tanh => rounded(Value::Tanh(x)),
            Elementary::Atan2 | Elementary::Pi | Elementary::Power => return Err(Why::Domain),
        };
        finite(y)
    }

    fn at_infinity(self, x: f64) -> Result<f64, Why> {
        let positive = x > 0.0;
        Ok(match self {
            Elementary::Exp if !positive => 0.0,
            Elementary::Cosh => f64::INFINITY,
            Elementary::Exp
            | Elementary::Sinh
            | Elementary::Asinh
            | Elementary::Cbrt
            | Elementary::Degrees
            | Elementary::Radians => x,
            Elementary::Tanh => 1f64.copysign(x),
            Elementary::Atan => std::f64::consts::FRAC_PI_2.copysign(x),
            Elementary::Ln
            | Elementary::Log
            | Elementary::Log2
            | Elementary::Log10
            | Elementary::Acosh
                if positive =>
            {
                x
            }
            _ => return Err(Why::Domain),
        })
    }

    /// The value for two arguments, as written: `atan2(y, x)`, `log(base, x)`, `power(x, y)`.
    pub(crate) fn two(self, a: f64, b: f64) -> Result<f64, Why> {
        match self {
            Elementary::Atan2 => arc(a, b),
            Elementary::Log => logarithm(a, b),
            Elementary::Power => power(a, b),
            _ => Err(Why::Domain),
        }
    }

    /// The value for none.
    pub(crate) fn none(self) -> f64 {
        std::f64::consts::PI
    }
}

/// Columns of numbers as the nearest doubles.
pub(crate) fn doubles(arrays: &[ArrayRef], rows: usize) -> Result<Vec<ArrayRef>, ExactError> {
    let doubles = arrays.iter().map(|array| match array.data_type() {
        DataType::Null => Ok(new_null_array(&DataType::Float64, rows)),
        DataType::UInt64 => cast(array, &DataType::Float64).map_err(ExactError::arrow),
        _ => to_double(array),
    });
    doubles.collect()
}

/// The function of columns of numbers, each taken for the nearest double.
pub(crate) fn apply(
    function: Elementary,
    arrays: &[ArrayRef],
    rows: usize,
) -> Result<Outcome, ExactError> {
    let doubles = doubles(arrays, rows)?;
    let columns: Vec<&Float64Array> = doubles
        .iter()
        .map(|array| array.as_primitive::<Float64Type>())
        .collect();
    let nulls = columns.iter().fold(None, |nulls, column| {
        NullBuffer::union(nulls.as_ref(), column.nulls())
    });
    let mut why = None;
    let mut bad = Vec::new();
    let mut values = Vec::with_capacity(rows);
    for row in 0..rows {
        if nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
            values.push(0.0);
            continue;
        }
        let value = match columns.as_slice() {
            [] => Ok(function.none()),
            [x] => function.one(x.value(row)),
            [a, b, ..] => function.two(a.value(row), b.value(row)),
        };
        values.push(value.unwrap_or_else(|found| {
            bad.push(row);
            // The reason that is told does not depend on which row came first.
            if why != Some(Why::Domain) {
                why = Some(found);
            }
            0.0
        }));
    }
    let mut failed = None;
    let mut valid = nulls;
    if !bad.is_empty() {
        let mut mask = vec![false; rows];
        bad.iter().for_each(|row| mask[*row] = true);
        (valid, failed) = apply_failed(valid, BooleanBuffer::from(mask));
    }
    Ok(Outcome {
        array: Arc::new(Float64Array::new(values.into(), valid)),
        failed,
        why: why.unwrap_or(Why::Domain),
    })
}

/// 2^−27: below it x² is less than a quarter of a unit in the last place of 1.
const TINY: f64 = 7.450580596923828e-9;

/// An infinite value of finite arguments is an overflow.
fn finite(y: f64) -> Result<f64, Why> {
    if y.is_infinite() {
        return Err(Why::Overflow);
    }
    Ok(canonical(y))
}

/// |x| = m · 2^e, m odd; x is neither 0 nor infinite.
fn odd_part(x: f64) -> (u64, i32) {
    let (_, m, e) = split(x);
    let zeros = m.trailing_zeros();
    (m >> zeros, e + zeros as i32)
}

/// k, if x is 10^k.
fn power_of_ten(x: f64) -> Option<f64> {
    let (m, e) = odd_part(x);
    // 10^k is 5^k · 2^k, and 5^22 is the last power of 5 with 53 bits.
    let k = u32::try_from(e).ok().filter(|k| *k <= 22)?;
    (5u64.pow(k) == m).then(|| f64::from(k))
}

/// The cube root, if it is a double.
fn cube_root(x: f64) -> Option<f64> {
    let (m, e) = odd_part(x);
    if e % 3 != 0 {
        return None;
    }
    let (mut low, mut high) = (1u64, 1 << 18);
    while low < high {
        let middle = (low + high) / 2;
        if middle.pow(3) < m {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    (low.pow(3) == m).then(|| wide::round(x < 0.0, &[low], i64::from(e / 3), false))
}

/// The double nearest to a value just below |a / b| in magnitude: nearer to it than to anything else that a double can be.
fn just_below(a: f64, b: f64) -> f64 {
    let ((a_negative, m, e), (b_negative, n, f)) = (split(a), split(b));
    let (up, down) = (m.leading_zeros(), n.leading_zeros());
    let shifted = u128::from(m << up) << 63;
    let divisor = u128::from(n << down);
    let (mut quotient, rest) = (shifted / divisor, shifted % divisor);
    if rest == 0 {
        quotient -= 1;
    }
    let exponent = i64::from(e) - i64::from(up) - 63 - (i64::from(f) - i64::from(down));
    wide::round(
        a_negative != b_negative,
        &[quotient as u64, (quotient >> 64) as u64],
        exponent,
        true,
    )
}

/// `atan2(y, x)`: the angle of the point (x, y).
fn arc(y: f64, x: f64) -> Result<f64, Why> {
    if y.is_nan() || x.is_nan() {
        return Ok(canonical(f64::NAN));
    }
    let unit = |v: f64| 1f64.copysign(v);
    if y.is_infinite() || x.is_infinite() {
        return Ok(match (y.is_infinite(), x.is_infinite()) {
            (true, true) => rounded(Value::Atan2(unit(y), unit(x))),
            (true, false) => std::f64::consts::FRAC_PI_2.copysign(y),
            _ if x > 0.0 => 0.0,
            _ if y < 0.0 => -std::f64::consts::PI,
            _ => std::f64::consts::PI,
        });
    }
    if y == 0.0 {
        return Ok(if x < 0.0 { std::f64::consts::PI } else { 0.0 });
    }
    let apart = odd_exponent(x) - odd_exponent(y);
    if x > 0.0 && apart > 60 {
        return Ok(canonical(just_below(y, x)));
    }
    Ok(rounded(Value::Atan2(y, x)))
}

/// Where the top bit stands; far below every double for 0.
fn odd_exponent(x: f64) -> i32 {
    let (_, m, e) = split(x);
    if m == 0 {
        return -4000;
    }
    e + 64 - m.leading_zeros() as i32
}

/// The logarithm of x to a base.
fn logarithm(base: f64, x: f64) -> Result<f64, Why> {
    if base.is_nan() || x.is_nan() {
        return Ok(canonical(f64::NAN));
    }
    if base <= 0.0 || base == 1.0 || x <= 0.0 || base.is_infinite() {
        return Err(Why::Domain);
    }
    if x.is_infinite() {
        return Ok(if base > 1.0 { x } else { -x });
    }
    if x == 1.0 {
        return Ok(0.0);
    }
    // x and the base are powers of one number, and the logarithm is a quotient of integers, or it is irrational.
    let ((m, e), (n, f)) = (odd_part(x), odd_part(base));
    if m == 1 && n == 1 {
        return finite(f64::from(e) / f64::from(f));
    }
    if let Some((i, j)) = common_root(m, n)
        && i64::from(e) * j == i64::from(f) * i
    {
        return finite(i as f64 / j as f64);
    }
    finite(rounded(Value::LogOf(x, base)))
}

/// i and j, if there is a c > 1 with m = c^i and n = c^j.
fn common_root(m: u64, n: u64) -> Option<(i64, i64)> {
    if m == 1 || n == 1 {
        return None;
    }
    let (mut a, mut b) = (m, n);
    while a != b {
        if a < b {
            (a, b) = (b, a);
        }
        if a % b != 0 {
            return None;
        }
        a /= b;
        if a == 1 {
            break;
        }
    }
    let root = if a == 1 { b } else { a };
    let count = |mut value: u64| {
        let mut times = 0;
        while value.is_multiple_of(root) {
            value /= root;
            times += 1;
        }
        (value == 1).then_some(times)
    };
    count(m).zip(count(n))
}

/// x to the power y, with the cases of IEEE 754; what it calls invalid or a division by zero is an error.
fn power(x: f64, y: f64) -> Result<f64, Why> {
    if y == 0.0 || x == 1.0 {
        return Ok(1.0);
    }
    if x.is_nan() || y.is_nan() {
        return Ok(canonical(f64::NAN));
    }
    let whole = y.is_infinite() || odd_part(y).1 >= 0;
    let odd = !y.is_infinite() && odd_part(y).1 == 0;
    if x == 0.0 {
        return if y < 0.0 { Err(Why::Domain) } else { Ok(0.0) };
    }
    if y.is_infinite() {
        let grows = (x.abs() > 1.0) == (y > 0.0);
        return Ok(match x.abs() == 1.0 {
            true => 1.0,
            false if grows => f64::INFINITY,
            false => 0.0,
        });
    }
    let signed = |v: f64| if x < 0.0 && odd { -v } else { v };
    if x.is_infinite() {
        return Ok(if y < 0.0 { 0.0 } else { signed(f64::INFINITY) });
    }
    if x < 0.0 && !whole {
        return Err(Why::Domain);
    }
    if x == -1.0 {
        return Ok(signed(1.0));
    }
    let value = match exact_power(x.abs(), y) {
        Some(value) => value,
        None => rounded(Value::Power(x.abs(), y)),
    };
    finite(signed(value))
}

/// x^y rounded, if it has few bits: the only powers that can be doubles, or half-way between two.
fn exact_power(x: f64, y: f64) -> Option<f64> {
    let ((mut m, mut e), (n, f)) = (odd_part(x), odd_part(y));
    // y = n / 2^k asks for a root of the order 2^k first, which is exact or the power is irrational.
    for _ in 0..(-f).clamp(0, 64) {
        let root = m.isqrt();
        if root * root != m || e % 2 != 0 || (m == 1 && e == 0) {
            return None;
        }
        (m, e) = (root, e / 2);
    }
    if f < -64 {
        return None;
    }
    let times = i128::from(n) << f.clamp(0, 32);
    let exponent = i128::from(e) * times * if y < 0.0 { -1 } else { 1 };
    if m == 1 {
        return Some(wide::round(
            false,
            &[1],
            exponent.clamp(-5000, 5000) as i64,
            false,
        ));
    }
    // A power of an odd number above 1 is no dyadic fraction, or has more than 54 bits from 3^35 on.
    if y < 0.0 || times > 35 {
        return None;
    }
    let value = m
        .checked_pow(times as u32)
        .filter(|value| *value < 1 << 54)?;
    Some(wide::round(false, &[value], exponent as i64, false))
}

/// A true value, to be rounded.
#[derive(Clone, Copy, Debug)]
enum Value {
    Acos(f64),
    Acosh(f64),
    Asin(f64),
    Asinh(f64),
    Atan2(f64, f64),
    Atanh(f64),
    Cbrt(f64),
    Cos(f64),
    Cosh(f64),
    Cot(f64),
    Degrees(f64),
    Exp(f64),
    Ln(f64),
    LogOf(f64, f64),
    Power(f64, f64),
    Radians(f64),
    Sin(f64),
    Sinh(f64),
    Tan(f64),
    Tanh(f64),
}

static OF_2: LazyLock<Constants<2>> = LazyLock::new(Constants::new);
static OF_4: LazyLock<Constants<4>> = LazyLock::new(Constants::new);
static OF_8: LazyLock<Constants<8>> = LazyLock::new(Constants::new);
static OF_16: LazyLock<Constants<16>> = LazyLock::new(Constants::new);

/// The nearest double.
fn rounded(value: Value) -> f64 {
    fn attempt<const N: usize>(value: Value, constants: &Constants<N>) -> Option<f64> {
        let (number, unsure_bits) = constants.value(value);
        number.nearest(unsure_bits)
    }
    let found = attempt(value, &OF_2)
        .or_else(|| attempt(value, &OF_4))
        .or_else(|| attempt(value, &OF_8))
        .or_else(|| attempt(value, &OF_16));
    // No known case comes near 1,024 bits; whatever did would still be the same everywhere.
    found.unwrap_or_else(|| OF_16.value(value).0.nearest(0).unwrap_or(f64::NAN))
}

/// ± 0.limbs · 2^exponent, with the top bit set, or zero. Operations cut off, which is wrong by at most one unit of the last place
/// (two for sums of unlike signs), relative to the larger operand.
#[derive(Clone, Copy, Debug)]
struct Num<const N: usize> {
    negative: bool,
    exponent: i64,
    limbs: [u64; N],
}

impl<const N: usize> Num<N> {
    const BITS: i64 = 64 * N as i64;
    const ZERO: Num<N> = Num {
        negative: false,
        exponent: 0,
        limbs: [0; N],
    };

    /// m · 2^exponent.
    fn scaled(m: u64, exponent: i64) -> Num<N> {
        let mut limbs = [0; N];
        limbs[N - 1] = m;
        Num {
            negative: false,
            exponent: exponent + 64,
            limbs,
        }
        .normal()
    }

    fn whole(m: u64) -> Num<N> {
        Num::scaled(m, 0)
    }

    fn double(x: f64) -> Num<N> {
        let (negative, m, e) = split(x);
        Num {
            negative,
            ..Num::scaled(m, i64::from(e))
        }
    }

    fn is_zero(&self) -> bool {
        self.limbs[N - 1] == 0
    }

    fn from_part(part: Part<N>) -> Num<N> {
        Num {
            negative: false,
            exponent: 0,
            limbs: part,
        }
        .normal()
    }

    /// The magnitude, which is below 1, cut off.
    fn part(&self) -> Part<N> {
        let down = -self.exponent;
        if down >= Self::BITS {
            return [0; N];
        }
        let (empty, shift) = ((down / 64) as usize, (down % 64) as u32);
        let mut part = [0; N];
        for (index, slot) in part.iter_mut().enumerate() {
            let limb = |index: usize| self.limbs.get(index).copied().unwrap_or(0);
            *slot = limb(index + empty) >> shift;
            if shift > 0 {
                *slot |= limb(index + empty + 1) << (64 - shift);
            }
        }
        part
    }

    /// With the top bit set.
    fn normal(mut self) -> Num<N> {
        let Some(top) = self.limbs.iter().rposition(|limb| *limb != 0) else {
            return Num::ZERO;
        };
        let empty = N - 1 - top;
        if empty > 0 {
            self.limbs.copy_within(..=top, empty);
            self.limbs[..empty].fill(0);
        }
        let shift = self.limbs[N - 1].leading_zeros();
        if shift > 0 {
            for index in (1..N).rev() {
                self.limbs[index] =
                    self.limbs[index] << shift | self.limbs[index - 1] >> (64 - shift);
            }
            self.limbs[0] <<= shift;
        }
        self.exponent -= 64 * empty as i64 + i64::from(shift);
        self
    }

    /// The first 53 bits.
    fn approximately(&self) -> f64 {
        wide::round(
            self.negative,
            &[self.limbs[N - 1] >> 11],
            self.exponent - 53,
            false,
        )
    }

    fn negated(self) -> Num<N> {
        Num {
            negative: !self.negative,
            ..self
        }
    }

    fn magnitude(self) -> Num<N> {
        Num {
            negative: false,
            ..self
        }
    }

    /// self · 2^k.
    fn lifted(self, k: i64) -> Num<N> {
        if self.is_zero() {
            return self;
        }
        Num {
            exponent: self.exponent + k,
            ..self
        }
    }

    fn is_less_in_magnitude(&self, other: &Num<N>) -> bool {
        let key = |x: &Num<N>| (!x.is_zero(), x.exponent);
        match key(self).cmp(&key(other)) {
            std::cmp::Ordering::Equal => self.limbs.iter().rev().lt(other.limbs.iter().rev()),
            order => order == std::cmp::Ordering::Less,
        }
    }

    fn plus(self, other: Num<N>) -> Num<N> {
        let (large, small) = if self.is_less_in_magnitude(&other) {
            (other, self)
        } else {
            (self, other)
        };
        if small.is_zero() {
            return large;
        }
        let apart = large.exponent - small.exponent;
        if apart >= Self::BITS {
            return large;
        }
        let (empty, shift) = ((apart / 64) as usize, (apart % 64) as u32);
        let aligned = |index: usize| {
            let limb = |index: usize| small.limbs.get(index).copied().unwrap_or(0);
            let low = limb(index + empty);
            if shift == 0 {
                low
            } else {
                low >> shift | limb(index + empty + 1) << (64 - shift)
            }
        };
        let mut sum = large;
        let mut carry = false;
        for (index, slot) in sum.limbs.iter_mut().enumerate() {
            let (value, one, two);
            if large.negative == small.negative {
                (value, one) = slot.overflowing_add(aligned(index));
                (*slot, two) = value.overflowing_add(u64::from(carry));
            } else {
                (value, one) = slot.overflowing_sub(aligned(index));
                (*slot, two) = value.overflowing_sub(u64::from(carry));
            }
            carry = one || two;
        }
        if large.negative != small.negative {
            return sum.normal();
        }
        if carry {
            for index in 0..N {
                let above = if index + 1 < N {
                    sum.limbs[index + 1]
                } else {
                    1
                };
                sum.limbs[index] = sum.limbs[index] >> 1 | above << 63;
            }
            sum.exponent += 1;
        }
        sum
    }

    fn minus(self, other: Num<N>) -> Num<N> {
        self.plus(other.negated())
    }

    fn times(self, other: Num<N>) -> Num<N> {
        if self.is_zero() || other.is_zero() {
            return Num::ZERO;
        }
        let (mut low, mut high) = ([0u64; N], [0u64; N]);
        for i in 0..N {
            let mut carry = 0u128;
            for j in 0..N {
                let slot = if i + j < N {
                    &mut low[i + j]
                } else {
                    &mut high[i + j - N]
                };
                let value = u128::from(self.limbs[i]) * u128::from(other.limbs[j])
                    + u128::from(*slot)
                    + carry;
                *slot = value as u64;
                carry = value >> 64;
            }
            high[i] = carry as u64;
        }
        let mut exponent = self.exponent + other.exponent;
        if high[N - 1] >> 63 == 0 {
            let mut below = low[N - 1];
            for limb in &mut high {
                let value = *limb << 1 | below >> 63;
                below = *limb;
                *limb = value;
            }
            exponent -= 1;
        }
        Num {
            negative: self.negative != other.negative,
            exponent,
            limbs: high,
        }
    }

    /// self / divisor, a small number.
    fn divided_by(self, divisor: u64) -> Num<N> {
        let shift = divisor.leading_zeros();
        let divisor = u128::from(divisor << shift);
        let mut rest = 0u128;
        let mut digit = |limb: u64| {
            let value = rest << 64 | u128::from(limb);
            rest = value % divisor;
            (value / divisor) as u64
        };
        // One digit more than there are limbs: the first is 0 or 1.
        let mut limbs = self.limbs;
        for limb in limbs.iter_mut().rev() {
            *limb = digit(*limb);
        }
        let mut below = digit(0);
        let shift_up = limbs[N - 1].leading_zeros();
        for limb in &mut limbs {
            let above = *limb;
            *limb = if shift_up == 64 {
                below
            } else {
                above << shift_up | below >> (64 - shift_up)
            };
            below = above;
        }
        Num {
            exponent: self.exponent + i64::from(shift) - i64::from(shift_up),
            limbs,
            ..self
        }
        .normal()
    }

    /// 1 / self, by Newton's method from 52 bits.
    fn inverse(self) -> Num<N> {
        let d = Num {
            exponent: 0,
            negative: false,
            ..self
        };
        let mut y = Num::double(1.0 / d.approximately());
        let mut sure = 50;
        while sure < Self::BITS {
            y = y.plus(y.times(Num::whole(1).minus(d.times(y))));
            sure *= 2;
        }
        Num {
            negative: self.negative,
            exponent: y.exponent - self.exponent,
            ..y
        }
    }

    fn over(self, other: Num<N>) -> Num<N> {
        self.times(other.inverse())
    }

    /// The square root, by Newton's method for its inverse; not of a negative number.
    fn root(self) -> Num<N> {
        if self.is_zero() {
            return self;
        }
        let odd = self.exponent.rem_euclid(2);
        let d = Num {
            exponent: -odd,
            ..self
        };
        let mut y = Num::double(1.0 / d.approximately().sqrt());
        let mut sure = 50;
        while sure < Self::BITS {
            let rest = Num::whole(1).minus(d.times(y.times(y)));
            y = y.plus(y.times(rest).lifted(-1));
            sure *= 2;
        }
        d.times(y).lifted((self.exponent + odd) / 2)
    }

    /// The nearest double, if it is the same for all values that differ by less than 2^unsure_bits units of the last place.
    fn nearest(self, unsure_bits: u32) -> Option<f64> {
        let exponent = self.exponent - Self::BITS;
        if unsure_bits == 0 {
            return Some(wide::round(self.negative, &self.limbs, exponent, false));
        }
        let (limb, unit) = ((unsure_bits / 64) as usize, 1u64 << (unsure_bits % 64));
        let (mut less, mut more) = (self.limbs, self.limbs);
        let mut carry = unit;
        for slot in less.get_mut(limb..)? {
            let (value, borrow) = slot.overflowing_sub(carry);
            *slot = value;
            carry = u64::from(borrow);
        }
        let mut over = unit;
        for slot in more.get_mut(limb..)? {
            let (value, carry) = slot.overflowing_add(over);
            *slot = value;
            over = u64::from(carry);
        }
        if carry != 0 || over != 0 {
            return None;
        }
        let low = wide::round(self.negative, &less, exponent, true);
        let high = wide::round(self.negative, &more, exponent, false);
        (low == high).then_some(low)
    }
}

/// A number from 0 up to 1 in steps of 2^(−64 N): what series are summed in, without a branch.
type Part<const N: usize> = [u64; N];

/// a · b, cut off.
#[inline]
fn part_times<const N: usize>(a: &Part<N>, b: &Part<N>) -> Part<N> {
    let (mut low, mut high) = ([0u64; N], [0u64; N]);
    for i in 0..N {
        let mut carry = 0u128;
        for j in 0..N {
            let slot = if i + j < N {
                &mut low[i + j]
            } else {
                &mut high[i + j - N]
            };
            let value = u128::from(a[i]) * u128::from(b[j]) + u128::from(*slot) + carry;
            *slot = value as u64;
            carry = value >> 64;
        }
        high[i] = carry as u64;
    }
    high
}

/// Σ coefficients[k] · (± x)^k, where it and what is left of each term lie from 0 up to 1.
fn series<const N: usize>(coefficients: &[Part<N>], x: &Part<N>, alternating: bool) -> Part<N> {
    let Some((last, others)) = coefficients.split_last() else {
        return [0; N];
    };
    let mut sum = *last;
    for coefficient in others.iter().rev() {
        let product = part_times(&sum, x);
        let mut carry = false;
        for index in 0..N {
            let (a, b) = (coefficient[index], product[index]);
            let (value, one, two);
            if alternating {
                (value, one) = a.overflowing_sub(b);
                (sum[index], two) = value.overflowing_sub(u64::from(carry));
            } else {
                (value, one) = a.overflowing_add(b);
                (sum[index], two) = value.overflowing_add(u64::from(carry));
            }
            carry = one | two;
        }
    }
    sum
}

/// The constants and series of one width. Coefficients are halved, since sums of series reach beyond 1.
struct Constants<const N: usize> {
    ln_2: Num<N>,
    pi: Num<N>,
    /// 1 / (2 k!)
    exp: Vec<Part<N>>,
    /// 1 / (2 (2 k + 1)!)
    sin: Vec<Part<N>>,
    /// 1 / (2 (2 k)!)
    cos: Vec<Part<N>>,
    /// 1 / (2 (2 k + 1))
    atan: Vec<Part<N>>,
    /// e^(k / 32) and e^(k / 1024), k from 0 to 31.
    coarse: Vec<Num<N>>,
    fine: Vec<Num<N>>,
    /// ln((16 + j) / 16), j from −5 to 8.
    logarithms: Vec<Num<N>>,
    /// atan(k / 16), k from 0 to 16.
    arcs: Vec<Num<N>>,
}

impl<const N: usize> Constants<N> {
    fn new() -> Constants<N> {
        let bits = Num::<N>::BITS;
        let mut inverse_factorials = vec![Num::whole(1)];
        let mut k = 1;
        while inverse_factorials
            .last()
            .is_some_and(|last: &Num<N>| last.exponent > -bits)
        {
            let last = inverse_factorials[k as usize - 1];
            inverse_factorials.push(last.divided_by(k));
            k += 1;
        }
        let half = |x: &Num<N>| x.lifted(-1).part();
        let exp: Vec<Part<N>> = inverse_factorials.iter().map(half).collect();
        // The terms that they are taken for go down by 2^9 each at least.
        let odds = (0..bits as u64 / 9 + 2).map(|k| Num::whole(1).divided_by(2 * k + 1));
        let atan = odds.map(|odd| half(&odd)).collect();
        // e^(1/1024), then its powers.
        let step = inverse_factorials
            .iter()
            .zip(0..)
            .fold(Num::ZERO, |sum: Num<N>, (term, k): (&Num<N>, i64)| {
                sum.plus(term.lifted(-10 * k))
            });
        let powers = |step: Num<N>| {
            let mut list = vec![Num::whole(1)];
            for k in 0..31 {
                list.push(list[k].times(step));
            }
            list
        };
        let fine = powers(step);
        let coarse = powers(fine[31].times(step));
        // Σ ± 1 / ((2 k + 1) n^(2 k + 1)), the series of atan and atanh of 1 / n.
        let series = |n: u64, alternating: bool| {
            let mut power = Num::whole(1).divided_by(n);
            let mut sum = Num::ZERO;
            let mut k = 0;
            while power.exponent > -bits - 2 {
                let term = power.divided_by(2 * k + 1);
                sum = if alternating && k % 2 == 1 {
                    sum.minus(term)
                } else {
                    sum.plus(term)
                };
                power = power.divided_by(n * n);
                k += 1;
            }
            sum
        };
        let ln_2 = series(3, false).lifted(1);
        // Machin: π = 16 atan(1/5) − 4 atan(1/239).
        let pi = series(5, true).lifted(4).minus(series(239, true).lifted(2));
        // ln((c + 1) / c) = 2 atanh(1 / (2 c + 1)).
        let up = |c: u64| series(2 * c + 1, false).lifted(1);
        let mut logarithms = vec![Num::ZERO; 14];
        for c in 16..24u64 {
            logarithms[c as usize - 10] = logarithms[c as usize - 11].plus(up(c));
        }
        for c in (11..16u64).rev() {
            logarithms[c as usize - 11] = logarithms[c as usize - 10].minus(up(c));
        }
        // atan(k/16) − atan((k−1)/16) = atan(16 / (256 + k (k − 1))).
        let mut arcs = vec![Num::ZERO];
        for k in 1..=16u64 {
            let t = Num::whole(16).divided_by(256 + k * (k - 1));
            let square = t.times(t);
            let mut power = t;
            let mut sum = Num::ZERO;
            let mut n = 0;
            while power.exponent > -bits - 2 {
                let term = power.divided_by(2 * n + 1);
                sum = if n % 2 == 1 {
                    sum.minus(term)
                } else {
                    sum.plus(term)
                };
                power = power.times(square);
                n += 1;
            }
            arcs.push(arcs[k as usize - 1].plus(sum));
        }
        let shorter = exp
            .iter()
            .zip(0..)
            .position(|(c, k)| bits - Num::<N>::from_part(*c).exponent.abs() < 10 * k)
            .map_or(exp.len(), |last| last + 1);
        Constants {
            ln_2,
            pi,
            sin: exp.iter().skip(1).step_by(2).copied().collect(),
            cos: exp.iter().step_by(2).copied().collect(),
            exp: exp[..shorter].to_vec(),
            atan,
            coarse,
            fine,
            logarithms,
            arcs,
        }
    }

    /// A value, and the bits at its end that may be wrong: generous bounds, of sums of some dozen operations each wrong by a unit
    /// or two, raised by what the last steps lose.
    fn value(&self, value: Value) -> (Num<N>, u32) {
        let one = Num::whole(1);
        match value {
            Value::Exp(x) => (self.exp(Num::double(x)), 28),
            Value::Ln(x) => (self.ln(Num::double(x)), 20),
            Value::LogOf(x, base) => (self.ln(Num::double(x)).over(self.ln(Num::double(base))), 24),
            Value::Power(x, y) => {
                let exponent = self.ln(Num::double(x)).times(Num::double(y));
                // Beyond every double, or next to 1.
                if exponent.exponent > 12 {
                    let far = if exponent.negative { -5000 } else { 5000 };
                    return (Num::scaled(3, far), 1);
                }
                (self.exp(exponent), 44)
            }
            Value::Cbrt(x) => {
                let x = Num::<N>::double(x);
                let root = self.exp(self.ln(x.magnitude()).divided_by(3));
                (
                    Num {
                        negative: x.negative,
                        ..root
                    },
                    44,
                )
            }
            // For arguments near 0, 28 bits cancel.
            Value::Sinh(x) => {
                let up = self.exp(Num::double(x));
                (up.minus(up.inverse()).lifted(-1), 60)
            }
            Value::Cosh(x) => {
                let up = self.exp(Num::double(x));
                (up.plus(up.inverse()).lifted(-1), 30)
            }
            Value::Tanh(x) => {
                let up = self.exp(Num::double(x).lifted(1));
                (up.minus(one).over(up.plus(one)), 60)
            }
            Value::Asinh(x) => {
                let x = Num::<N>::double(x);
                let y = x.magnitude();
                let value = self.ln(y.plus(y.times(y).plus(one).root()));
                (
                    Num {
                        negative: x.negative,
                        ..value
                    },
                    54,
                )
            }
            Value::Acosh(x) => {
                let x = Num::<N>::double(x);
                // (x − 1)(x + 1) loses nothing where x is near 1.
                let root = x.minus(one).times(x.plus(one)).root();
                (self.ln(x.plus(root)), 54)
            }
            Value::Atanh(x) => {
                let x = Num::<N>::double(x);
                (self.ln(one.plus(x).over(one.minus(x))).lifted(-1), 54)
            }
            Value::Sin(x) => {
                let (quadrant, r) = self.reduced(x);
                (self.sine_of(quadrant, r), 24)
            }
            Value::Cos(x) => {
                let (quadrant, r) = self.reduced(x);
                (self.sine_of(quadrant + 1, r), 24)
            }
            Value::Tan(x) => {
                let (quadrant, r) = self.reduced(x);
                let (sine, cosine) = (self.sine_of(quadrant, r), self.sine_of(quadrant + 1, r));
                (sine.over(cosine), 26)
            }
            Value::Cot(x) => {
                let (quadrant, r) = self.reduced(x);
                let (sine, cosine) = (self.sine_of(quadrant, r), self.sine_of(quadrant + 1, r));
                (cosine.over(sine), 26)
            }
            Value::Asin(x) => {
                let x = Num::<N>::double(x);
                (self.arc(x, one.minus(x).times(one.plus(x)).root()), 24)
            }
            Value::Acos(x) => {
                let x = Num::<N>::double(x);
                (self.arc(one.minus(x).times(one.plus(x)).root(), x), 24)
            }
            Value::Atan2(y, x) => (self.arc(Num::double(y), Num::double(x)), 24),
            Value::Degrees(x) => (
                Num::double(x)
                    .times(Num::whole(180))
                    .times(self.pi.inverse()),
                20,
            ),
            Value::Radians(x) => (Num::double(x).times(self.pi).divided_by(180), 20),
        }
    }

    /// e^x, for |x| below 2^12.
    fn exp(&self, x: Num<N>) -> Num<N> {
        // x = turns · ln 2 + r, r from 0 up to 0.7.
        let mut turns = (x.approximately() / std::f64::consts::LN_2).floor() as i64;
        let whole = Num {
            negative: turns < 0,
            ..Num::whole(turns.unsigned_abs())
        };
        let mut r = x.minus(whole.times(self.ln_2));
        if r.negative {
            r = r.plus(self.ln_2);
            turns -= 1;
        }
        // r = coarse / 32 + fine / 1024 + rest, which is below 2^−10.
        let mut rest = r.part();
        let top = rest[N - 1];
        rest[N - 1] &= u64::MAX >> 10;
        let sum = Num::from_part(series(&self.exp, &rest, false)).lifted(1);
        sum.times(self.coarse[(top >> 59) as usize])
            .times(self.fine[(top >> 54 & 31) as usize])
            .lifted(turns)
    }

    /// ln x, for x above 0; near 1 as exact as x − 1 is.
    fn ln(&self, x: Num<N>) -> Num<N> {
        // x = m · 2^k with m in [√½, √2), and c next to m in sixteenths.
        let mut m = Num { exponent: 0, ..x };
        let mut k = x.exponent;
        if m.approximately() < std::f64::consts::FRAC_1_SQRT_2 {
            m.exponent = 1;
            k -= 1;
        }
        let c = ((m.approximately() * 16.0).round() as u64).clamp(11, 24);
        let center = Num::scaled(c, -4);
        let t = m.minus(center).over(m.plus(center));
        let series = if t.is_zero() {
            t
        } else {
            t.times(self.odd_series(t.times(t))).lifted(1)
        };
        let turns = Num {
            negative: k < 0,
            ..Num::whole(k.unsigned_abs())
        };
        turns
            .times(self.ln_2)
            .plus(self.logarithms[c as usize - 11].plus(series))
    }

    /// Σ square^k / (2 k + 1), of atanh, and of atan for a negative square; |square| is at most 2^−9.
    fn odd_series(&self, square: Num<N>) -> Num<N> {
        let terms = if square.is_zero() {
            1
        } else {
            (Num::<N>::BITS / -square.exponent.min(-1) + 2) as usize
        };
        let coefficients = &self.atan[..terms.min(self.atan.len())];
        let sum = series(coefficients, &square.part(), square.negative);
        Num::from_part(sum).lifted(1)
    }

    /// The angle of the point (x, y), from −π to π; not both are 0.
    fn arc(&self, y: Num<N>, x: Num<N>) -> Num<N> {
        let (height, width) = (y.magnitude(), x.magnitude());
        let steep = width.is_less_in_magnitude(&height);
        let (small, large) = if steep {
            (width, height)
        } else {
            (height, width)
        };
        // small / large is next to k / 16; what is between the two is the arc of less than 1 / 31.
        let apart = small.exponent - large.exponent;
        let k = if small.is_zero() || apart < -6 {
            0
        } else {
            let a = Num {
                exponent: apart,
                ..small
            }
            .approximately();
            let b = Num {
                exponent: 0,
                ..large
            }
            .approximately();
            (a / b * 16.0).round() as u64
        };
        let (sixteen, k_whole) = (Num::whole(16), Num::whole(k));
        let t = sixteen
            .times(small)
            .minus(k_whole.times(large))
            .over(sixteen.times(large).plus(k_whole.times(small)));
        let mut angle = self.arcs[k as usize];
        if !t.is_zero() {
            let rest = t.times(self.odd_series(t.times(t).negated()));
            angle = angle.plus(rest);
        }
        if steep {
            angle = self.pi.lifted(-1).minus(angle);
        }
        if x.negative && !x.is_zero() {
            angle = self.pi.minus(angle);
        }
        Num {
            negative: y.negative,
            ..angle
        }
    }

    /// x less the nearest multiple of π/2, and that multiple modulo 4: the bits of 2/π that matter times x (Payne and Hanek).
    fn reduced(&self, x: f64) -> (u32, Num<N>) {
        let (negative, m, e) = split(x);
        let length = N + 2;
        let mut product = [0u64; 18];
        let mut carry = 0u128;
        for (index, slot) in product.iter_mut().enumerate().take(length) {
            // The first bit of this limb, counted from the binary point of 2/π.
            let first = i64::from(e) - 1 + 64 * (length - 1 - index) as i64;
            let value = u128::from(m) * u128::from(two_over_pi(first)) + carry;
            *slot = value as u64;
            carry = value >> 64;
        }
        // The top two bits are the quadrant, the others the fraction of a quarter turn.
        let mut quadrant = (product[length - 1] >> 62) as u32;
        let upper_half = product[length - 1] >> 61 & 1 == 1;
        let mut borrow = upper_half;
        if upper_half {
            quadrant += 1;
            for slot in product.iter_mut().take(length) {
                let (value, more) = (!*slot).overflowing_add(u64::from(borrow));
                *slot = value;
                borrow = more;
            }
        }
        product[length - 1] &= u64::MAX >> 2;
        let top = product[..length]
            .iter()
            .rposition(|limb| *limb != 0)
            .unwrap_or(0);
        let shift = product[top].leading_zeros().min(63);
        let limb = |index: i64| {
            usize::try_from(index)
                .ok()
                .and_then(|index| product.get(index))
                .copied()
                .unwrap_or(0)
        };
        let mut fraction = Num {
            negative: upper_half != negative,
            exponent: 64 * (top as i64 + 1 - length as i64) + 2 - i64::from(shift),
            limbs: [0; N],
        };
        for (index, slot) in fraction.limbs.iter_mut().enumerate() {
            let at = top as i64 - (N - 1 - index) as i64;
            *slot = limb(at) << shift;
            if shift > 0 {
                *slot |= limb(at - 1) >> (64 - shift);
            }
        }
        let quadrant = if negative { 4 - quadrant % 4 } else { quadrant };
        (quadrant % 4, fraction.times(self.pi).lifted(-1))
    }

    /// sin(r + quadrant · π/2).
    fn sine_of(&self, quadrant: u32, r: Num<N>) -> Num<N> {
        let square = r.times(r);
        let odd = quadrant.is_multiple_of(2);
        let coefficients = if odd { &self.sin } else { &self.cos };
        let mut sum = Num::from_part(series(coefficients, &square.part(), true)).lifted(1);
        if odd {
            sum = sum.times(r);
        }
        if quadrant % 4 >= 2 {
            return sum.negated();
        }
        sum
    }
}

/// 64 bits of 2/π, from the one that is `first` places behind the binary point (which is 1 or more).
fn two_over_pi(first: i64) -> u64 {
    static BITS: LazyLock<Num<40>> = LazyLock::new(|| {
        let constants = Constants::<40>::new();
        constants.pi.inverse().lifted(1)
    });
    // 2/π is 0.63…: the top bit of the number is the first behind the point.
    let limb = |index: i64| {
        usize::try_from(39 - index)
            .ok()
            .and_then(|index| BITS.limbs.get(index))
            .copied()
            .unwrap_or(0)
    };
    let (index, shift) = ((first - 1).div_euclid(64), (first - 1).rem_euclid(64));
    let high = limb(index) << shift;
    if shift == 0 {
        high
    } else {
        high | limb(index + 1) >> (64 - shift)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bits that MPFR gave, and errors; `python crates/karat/tests/peers/exact.py golden FILE` writes them again.
    #[test]
    fn golden_bits() {
        let golden = include_str!("../golden/elementary.txt");
        let bits = |word: &str| {
            u64::from_str_radix(word, 16)
                .map(f64::from_bits)
                .expect("a double")
        };
        let mut wrong = String::new();
        for line in golden.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            let function = Elementary::ALL
                .into_iter()
                .find(|function| function.aliases()[0] == words[0])
                .expect("a function");
            let found = match words[1..] {
                [x, _] => function.one(bits(x)),
                [a, b, _] => function.two(bits(a), bits(b)),
                _ => panic!("{line}"),
            };
            let found = found.map_or("error".to_string(), |y| format!("{:016x}", y.to_bits()));
            if found != words[words.len() - 1] {
                wrong += &format!("{line}, not {found}\n");
            }
        }
        assert_eq!(wrong, "");
    }

    /// The arguments near 0, which are answered before, excepted.
    #[test]
    fn every_width_gives_the_same() {
        fn nearest<const N: usize>(constants: &Constants<N>, value: Value) -> Option<f64> {
            let (number, unsure_bits) = constants.value(value);
            number.nearest(unsure_bits)
        }
        for x in [0.3, 1.25, 2f64.powi(-20), 700.5, 1e300, 3.0] {
            for value in [
                Value::Sin(x),
                Value::Cos(x),
                Value::Ln(x),
                Value::Degrees(x),
                Value::Atan2(x, 2.0),
                Value::Cbrt(x),
                Value::LogOf(x, 10.0),
            ] {
                let wide = nearest(&OF_16, value);
                assert_eq!(nearest(&OF_8, value), wide, "{value:?}");
                assert_eq!(nearest(&OF_4, value), wide, "{value:?}");
            }
        }
    }

    #[test]
    fn the_cases_of_ieee_754() {
        let infinity = f64::INFINITY;
        let all = [
            Elementary::Exp.one(-infinity),
            Elementary::Exp.one(710.0),
            Elementary::Exp.one(-1e300),
            Elementary::Ln.one(infinity),
            Elementary::Sin.one(infinity),
            Elementary::Atan.one(-infinity),
            Elementary::Tanh.one(infinity),
            Elementary::Sqrt.one(f64::NAN),
            Elementary::Signum.one(-0.5),
            Elementary::Power.two(f64::NAN, 0.0),
            Elementary::Power.two(0.0, -1.0),
            Elementary::Power.two(-8.0, 1.0 / 3.0),
            Elementary::Power.two(-2.0, 3.0),
            Elementary::Power.two(-1e200, 3.0),
            Elementary::Power.two(0.5, infinity),
            Elementary::Atan2.two(-1.0, -infinity),
            Elementary::Atan2.two(infinity, -infinity),
            Elementary::Log.two(2.0, 8.0),
            Elementary::Log.two(1.0, 8.0),
            Ok(Elementary::Pi.none()),
        ];
        let text: Vec<String> = all.iter().map(|value| format!("{value:?}")).collect();
        expect_test::expect!["Ok(0.0) Err(Overflow) Ok(0.0) Ok(inf) Err(Domain) Ok(-1.5707963267948966) Ok(1.0) Ok(NaN) Ok(-1.0) Ok(1.0) Err(Domain) Err(Domain) Ok(-8.0) Err(Overflow) Ok(0.0) Ok(-3.141592653589793) Ok(2.356194490192345) Ok(3.0) Err(Domain) Ok(3.141592653589793)"]
            .assert_eq(&text.join(" "));
    }
}
