//! Checked arithmetic on Arrow arrays: result types of rule E1, and kernels that give a mask of failed rows instead of wrong values.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Decimal128Array, Decimal256Array, Float64Array, Int64Array,
};
use arrow::buffer::{BooleanBuffer, NullBuffer, ScalarBuffer};
use arrow::compute::cast as arrow_cast;
use arrow::datatypes::{
    DataType, Decimal128Type, Decimal256Type, Float64Type, Int64Type, UInt64Type, i256,
};
use datafusion::logical_expr::ColumnarValue;

use crate::error::ExactError;
use crate::types::type_name;

/// How a decimal loses digits; part of every code digest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Rounding {
    /// 2.5 becomes 3, −2.5 becomes −3.
    #[default]
    HalfAwayFromZero,
    /// 2.5 becomes 2, 3.5 becomes 4.
    HalfEven,
}

/// Why a row failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Why {
    Overflow,
    DivideByZero,
    Conversion,
    /// A text that is none of these.
    NotA(&'static str),
    Domain,
    /// A subquery that stands for one value has several.
    ManyRows,
}

impl Why {
    pub(crate) fn error(self, expression: &str) -> ExactError {
        let expression = expression.to_string();
        match self {
            Why::Overflow => ExactError::Overflow(expression),
            Why::DivideByZero => ExactError::DivideByZero(expression),
            Why::Conversion => ExactError::Conversion(expression),
            Why::NotA(what) => ExactError::NotA { what, expression },
            Why::Domain => ExactError::Domain(expression),
            Why::ManyRows => ExactError::ManyRows,
        }
    }
}

/// The values, null where the row failed, and the rows that failed (`None`: none did).
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    pub(crate) array: ArrayRef,
    pub(crate) failed: Option<BooleanBuffer>,
    pub(crate) why: Why,
}

impl Outcome {
    pub(crate) fn fine(array: ArrayRef) -> Outcome {
        Outcome {
            array,
            failed: None,
            why: Why::Overflow,
        }
    }
}

/// The checked operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Op {
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    IntDiv,
}

impl Op {
    pub(crate) const ALL: [Op; 6] = [Op::Add, Op::Sub, Op::Mul, Op::Div, Op::Mod, Op::IntDiv];

    pub(crate) fn symbol(self) -> &'static str {
        match self {
            Op::Add => "+",
            Op::Sub => "-",
            Op::Mul => "*",
            Op::Div => "/",
            Op::Mod => "%",
            Op::IntDiv => "div",
        }
    }

    pub(crate) fn function(self) -> &'static str {
        match self {
            Op::Add => "karat_add",
            Op::Sub => "karat_subtract",
            Op::Mul => "karat_multiply",
            Op::Div => "karat_divide",
            Op::Mod => "karat_modulo",
            Op::IntDiv => "karat_div",
        }
    }

    /// How tightly it binds: products before sums; a call binds tightest.
    pub(crate) fn binds(self) -> u8 {
        match self {
            Op::Add | Op::Sub => 2,
            Op::Mul | Op::Div | Op::Mod => 3,
            Op::IntDiv => 4,
        }
    }
}

/// What arithmetic sees of a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Number {
    Integer(u8),
    Decimal(u8, i8),
    Double,
    Null,
}

pub(crate) fn number(data_type: &DataType) -> Option<Number> {
    Some(match data_type {
        DataType::Null => Number::Null,
        DataType::Int8 | DataType::UInt8 => Number::Integer(3),
        DataType::Int16 | DataType::UInt16 => Number::Integer(5),
        DataType::Int32 | DataType::UInt32 => Number::Integer(10),
        DataType::Int64 => Number::Integer(19),
        DataType::UInt64 => Number::Integer(20),
        DataType::Decimal32(p, s)
        | DataType::Decimal64(p, s)
        | DataType::Decimal128(p, s)
        | DataType::Decimal256(p, s) => Number::Decimal(*p, *s),
        DataType::Float16 | DataType::Float32 | DataType::Float64 => Number::Double,
        DataType::Dictionary(_, value) => return number(value),
        _ => return None,
    })
}

impl Number {
    fn digits(self) -> (i32, i32) {
        match self {
            Number::Integer(digits) => (i32::from(digits), 0),
            Number::Decimal(p, s) => (i32::from(p), i32::from(s)),
            Number::Double | Number::Null => (1, 0),
        }
    }
}

/// A decimal of up to 38 digits in 128 bits, of up to 76 in 256.
pub(crate) fn decimal(precision: i32, scale: i32) -> DataType {
    let precision = precision.max(scale).max(1);
    if precision <= 38 {
        DataType::Decimal128(precision as u8, scale as i8)
    } else {
        DataType::Decimal256(precision.min(76) as u8, scale as i8)
    }
}

/// The result type of `left op right` (rule E1), or why there is none.
pub(crate) fn result_type(op: Op, left: &DataType, right: &DataType) -> Result<DataType, String> {
    let refuse = || {
        format!(
            "no operation {} {} {}",
            type_name(left),
            op.symbol(),
            type_name(right)
        )
    };
    let (Some(l), Some(r)) = (number(left), number(right)) else {
        return Err(refuse());
    };
    let (l, r) = match (l, r) {
        (Number::Null, Number::Null) => (Number::Integer(19), Number::Integer(19)),
        (Number::Null, r) => (r, r),
        (l, Number::Null) => (l, l),
        pair => pair,
    };
    if l == Number::Double || r == Number::Double {
        return if op == Op::IntDiv {
            Err(refuse())
        } else {
            Ok(DataType::Float64)
        };
    }
    if let (Number::Integer(_), Number::Integer(_)) = (l, r) {
        return Ok(if op == Op::Div {
            DataType::Decimal128(38, 6)
        } else {
            DataType::Int64
        });
    }
    let ((p1, s1), (p2, s2)) = (l.digits(), r.digits());
    let scale = s1.max(s2);
    let wide = |precision: i32, scale: i32| {
        if scale > 76 {
            Err(format!(
                "{}: the result would have {scale} decimal places, more than 76",
                refuse()
            ))
        } else {
            Ok(decimal(precision, scale))
        }
    };
    match op {
        Op::Add | Op::Sub => wide((p1 - s1).max(p2 - s2) + scale + 1, scale),
        Op::Mul => wide(p1 + p2, s1 + s2),
        Op::Div => Ok(DataType::Decimal128(38, quotient_scale((p1, s1), s2) as i8)),
        Op::Mod => wide((p1 - s1).min(p2 - s2).max(0) + scale, scale),
        Op::IntDiv => Ok(DataType::Decimal128((p1 - s1 + s2).clamp(1, 38) as u8, 0)),
    }
}

/// Whether the result type of a sum, difference or product that is no integer has room for every value of its operands.
pub(crate) fn always_fits(op: Op, left: &DataType, right: &DataType) -> bool {
    let (Some(l), Some(r)) = (number(left), number(right)) else {
        return false;
    };
    if l == Number::Null || r == Number::Null {
        return false;
    }
    if l == Number::Double || r == Number::Double {
        return true;
    }
    let ((p1, s1), (p2, s2)) = (l.digits(), r.digits());
    match op {
        Op::Add | Op::Sub => (p1 - s1).max(p2 - s2) + s1.max(s2) < 76,
        Op::Mul => p1 + p2 <= 76,
        Op::Div | Op::Mod | Op::IntDiv => false,
    }
}

fn quotient_scale((p1, s1): (i32, i32), s2: i32) -> i32 {
    (s1.max(s2) + 6).min(38 - (p1 - s1 + s2)).max(6)
}

/// One operand: a value a row, or one value for all rows.
enum Side<T: arrow::datatypes::ArrowNativeType> {
    Rows(ScalarBuffer<T>, Option<NullBuffer>),
    One(Option<T>),
}

impl<T: arrow::datatypes::ArrowNativeType> Side<T> {
    fn nulls(&self) -> Option<&NullBuffer> {
        match self {
            Side::Rows(_, nulls) => nulls.as_ref(),
            Side::One(_) => None,
        }
    }
}

/// Applies `f`, which says whether the row failed; the fast pass only asks whether any did.
fn run<A, B, R>(
    rows: usize,
    a: &Side<A>,
    b: &Side<B>,
    f: impl Fn(A, B) -> (R, bool),
) -> (Vec<R>, Option<NullBuffer>, Option<BooleanBuffer>)
where
    A: arrow::datatypes::ArrowNativeType,
    B: arrow::datatypes::ArrowNativeType,
    R: Copy + Default,
{
    if matches!(a, Side::One(None)) || matches!(b, Side::One(None)) {
        return (
            vec![R::default(); rows],
            Some(NullBuffer::new_null(rows)),
            None,
        );
    }
    let mut out: Vec<R> = Vec::with_capacity(rows);
    let mut any = false;
    let mut put = |(value, bad): (R, bool)| {
        any |= bad;
        value
    };
    match (a, b) {
        (Side::Rows(a, _), Side::Rows(b, _)) => {
            out.extend(a.iter().zip(b.iter()).map(|(x, y)| put(f(*x, *y))))
        }
        (Side::Rows(a, _), Side::One(Some(y))) => out.extend(a.iter().map(|x| put(f(*x, *y)))),
        (Side::One(Some(x)), Side::Rows(b, _)) => out.extend(b.iter().map(|y| put(f(*x, *y)))),
        (Side::One(Some(x)), Side::One(Some(y))) => out.extend((0..rows).map(|_| put(f(*x, *y)))),
        _ => {}
    }
    let nulls = NullBuffer::union(a.nulls(), b.nulls());
    if !any {
        return (out, nulls, None);
    }
    let x = |row: usize| match a {
        Side::Rows(a, _) => a[row],
        Side::One(x) => x.unwrap_or_default(),
    };
    let y = |row: usize| match b {
        Side::Rows(b, _) => b[row],
        Side::One(y) => y.unwrap_or_default(),
    };
    let failed = BooleanBuffer::collect_bool(rows, |row| f(x(row), y(row)).1);
    let (nulls, failed) = apply_failed(nulls, failed);
    (out, nulls, failed)
}

/// Failed rows are those that are not null already; they become null.
pub(crate) fn apply_failed(
    nulls: Option<NullBuffer>,
    failed: BooleanBuffer,
) -> (Option<NullBuffer>, Option<BooleanBuffer>) {
    let failed = match &nulls {
        Some(nulls) => &failed & nulls.inner(),
        None => failed,
    };
    if failed.count_set_bits() == 0 {
        return (nulls, None);
    }
    let valid = match &nulls {
        Some(nulls) => nulls.inner() & &!&failed,
        None => !&failed,
    };
    (Some(NullBuffer::new(valid)), Some(failed))
}

fn single(value: &ColumnarValue) -> Result<(ArrayRef, bool), ExactError> {
    match value {
        ColumnarValue::Array(array) => Ok((array.clone(), false)),
        ColumnarValue::Scalar(scalar) => Ok((
            scalar.to_array().map_err(ExactError::from_datafusion)?,
            true,
        )),
    }
}

fn side<T: arrow::datatypes::ArrowNativeType>(
    values: ScalarBuffer<T>,
    nulls: Option<&NullBuffer>,
    scalar: bool,
) -> Side<T> {
    let nulls = nulls.filter(|nulls| nulls.null_count() > 0);
    if scalar {
        let null = nulls.is_some_and(|nulls| nulls.is_null(0));
        return Side::One(if null || values.is_empty() {
            None
        } else {
            Some(values[0])
        });
    }
    Side::Rows(values, nulls.cloned())
}

/// Integers as 64 bits; unsigned ones beyond that become a mask of failures.
fn plain(array: &ArrayRef) -> Result<(ArrayRef, Option<BooleanBuffer>), ExactError> {
    let to = match array.data_type() {
        DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::UInt8
        | DataType::UInt16
        | DataType::UInt32 => DataType::Int64,
        DataType::UInt64 => {
            let unsigned = array.as_primitive::<UInt64Type>();
            let values: Vec<i64> = unsigned.values().iter().map(|v| *v as i64).collect();
            let failed = unsigned
                .values()
                .iter()
                .any(|v| *v > i64::MAX as u64)
                .then(|| {
                    BooleanBuffer::collect_bool(array.len(), |row| {
                        unsigned.values()[row] > i64::MAX as u64
                    })
                });
            let (nulls, failed) = match failed {
                Some(failed) => apply_failed(unsigned.nulls().cloned(), failed),
                None => (unsigned.nulls().cloned(), None),
            };
            return Ok((Arc::new(Int64Array::new(values.into(), nulls)), failed));
        }
        DataType::Float16 | DataType::Float32 => DataType::Float64,
        DataType::Decimal32(p, s) | DataType::Decimal64(p, s) => DataType::Decimal128(*p, *s),
        DataType::Dictionary(_, value) => {
            return plain(&arrow_cast(array, value).map_err(ExactError::arrow)?);
        }
        _ => return Ok((array.clone(), None)),
    };
    Ok((arrow_cast(array, &to).map_err(ExactError::arrow)?, None))
}

fn wrong(array: &ArrayRef) -> ExactError {
    ExactError::Internal(format!("checked arithmetic got {}", array.data_type()))
}

fn as_i64(array: &ArrayRef, scalar: bool) -> Result<Side<i64>, ExactError> {
    match array.data_type() {
        DataType::Null => Ok(Side::One(None)),
        DataType::Int64 => {
            let a = array.as_primitive::<Int64Type>();
            Ok(side(a.values().clone(), a.nulls(), scalar))
        }
        _ => Err(wrong(array)),
    }
}

/// The unscaled values, brought to a larger scale by `factor`.
fn as_i128(array: &ArrayRef, scalar: bool, factor: i128) -> Result<Side<i128>, ExactError> {
    match array.data_type() {
        DataType::Null => Ok(Side::One(None)),
        DataType::Int64 => {
            let a = array.as_primitive::<Int64Type>();
            let values: Vec<i128> = a
                .values()
                .iter()
                .map(|v| i128::from(*v).wrapping_mul(factor))
                .collect();
            Ok(side(values.into(), a.nulls(), scalar))
        }
        DataType::Decimal128(..) => {
            let a = array.as_primitive::<Decimal128Type>();
            if factor == 1 {
                return Ok(side(a.values().clone(), a.nulls(), scalar));
            }
            let values: Vec<i128> = a.values().iter().map(|v| v.wrapping_mul(factor)).collect();
            Ok(side(values.into(), a.nulls(), scalar))
        }
        _ => Err(wrong(array)),
    }
}

fn as_i256(array: &ArrayRef, scalar: bool) -> Result<Side<i256>, ExactError> {
    let (values, nulls): (Vec<i256>, _) = match array.data_type() {
        DataType::Null => return Ok(Side::One(None)),
        DataType::Int64 => {
            let a = array.as_primitive::<Int64Type>();
            (
                a.values()
                    .iter()
                    .map(|v| i256::from_i128(i128::from(*v)))
                    .collect(),
                a.nulls(),
            )
        }
        DataType::Decimal128(..) => {
            let a = array.as_primitive::<Decimal128Type>();
            (
                a.values().iter().map(|v| i256::from_i128(*v)).collect(),
                a.nulls(),
            )
        }
        DataType::Decimal256(..) => {
            let a = array.as_primitive::<Decimal256Type>();
            return Ok(side(a.values().clone(), a.nulls(), scalar));
        }
        _ => return Err(wrong(array)),
    };
    Ok(side(values.into(), nulls, scalar))
}

fn as_f64(array: &ArrayRef, scalar: bool) -> Result<Side<f64>, ExactError> {
    if *array.data_type() == DataType::Null {
        return Ok(Side::One(None));
    }
    let doubles = to_double(array)?;
    let a = doubles.as_primitive::<Float64Type>();
    Ok(side(a.values().clone(), a.nulls(), scalar))
}

/// Every number as the nearest double.
pub(crate) fn to_double(array: &ArrayRef) -> Result<ArrayRef, ExactError> {
    let values: Vec<f64> = match array.data_type() {
        DataType::Float64 => return Ok(array.clone()),
        DataType::Int64 => array
            .as_primitive::<Int64Type>()
            .values()
            .iter()
            .map(|v| *v as f64)
            .collect(),
        DataType::Decimal128(_, s) => array
            .as_primitive::<Decimal128Type>()
            .values()
            .iter()
            .map(|v| decimal_to_f64(*v, *s))
            .collect(),
        DataType::Decimal256(_, s) => array
            .as_primitive::<Decimal256Type>()
            .values()
            .iter()
            .map(|v| wide_decimal_to_f64(*v, *s))
            .collect(),
        _ => {
            let (plain, _) = plain(array)?;
            if plain.data_type() == array.data_type() {
                return Err(wrong(array));
            }
            return to_double(&plain);
        }
    };
    Ok(Arc::new(Float64Array::new(
        values.into(),
        array.nulls().cloned(),
    )))
}

const POWERS_F64: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
];

/// Correctly rounded: exact operands divide with one rounding, everything else goes through the text.
pub(crate) fn decimal_to_f64(value: i128, scale: i8) -> f64 {
    if (0..=22).contains(&scale) && value.unsigned_abs() <= 1 << 53 {
        // Of 64 bits the machine converts itself.
        return value as i64 as f64 / POWERS_F64[scale as usize];
    }
    format!("{value}e{}", -i32::from(scale))
        .parse()
        .unwrap_or(f64::NAN)
}

pub(crate) fn wide_decimal_to_f64(value: i256, scale: i8) -> f64 {
    match value.to_i128() {
        Some(value) => decimal_to_f64(value, scale),
        None => format!("{value}e{}", -i32::from(scale))
            .parse()
            .unwrap_or(f64::NAN),
    }
}

/// One NaN and one zero (rule E6).
#[inline]
pub(crate) fn canonical(x: f64) -> f64 {
    if x.is_nan() {
        f64::from_bits(0x7ff8_0000_0000_0000)
    } else {
        x + 0.0
    }
}

const fn powers() -> [i128; 39] {
    let mut table = [1i128; 39];
    let mut k = 1;
    while k < 39 {
        table[k] = table[k - 1] * 10;
        k += 1;
    }
    table
}

/// 10^0 to 10^38.
pub(crate) const POWERS: [i128; 39] = powers();

/// 10^k for k up to 76.
pub(crate) fn power_wide(k: u32) -> i256 {
    let ten = |k: u32| i256::from_i128(POWERS[k as usize]);
    if k <= 38 {
        ten(k)
    } else {
        ten(38).wrapping_mul(ten(k.min(76) - 38))
    }
}

pub(crate) fn fits(value: i128, precision: u8) -> bool {
    value.unsigned_abs() < POWERS[usize::from(precision.min(38))] as u128
}

pub(crate) fn fits_wide(value: i256, precision: u8) -> bool {
    let limit = power_wide(u32::from(precision));
    value < limit && value > limit.wrapping_neg()
}

/// What becomes of the rest of a division.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rest {
    Round(Rounding),
    Drop,
    Down,
    Up,
}

#[inline]
fn rounds_up(twice_compared: std::cmp::Ordering, odd: bool, rounding: Rounding) -> bool {
    match twice_compared {
        std::cmp::Ordering::Less => false,
        std::cmp::Ordering::Greater => true,
        std::cmp::Ordering::Equal => rounding == Rounding::HalfAwayFromZero || odd,
    }
}

/// a / b, b not 0, rounded once.
#[inline]
pub(crate) fn divide(a: i128, b: i128, rest: Rest) -> i128 {
    if let (Ok(x), Ok(y)) = (i64::try_from(a), i64::try_from(b))
        && x != i64::MIN
    {
        let (q, r) = (x / y, x % y);
        return i128::from(q)
            + i128::from(step(
                r != 0,
                (x < 0) != (y < 0),
                q % 2 != 0,
                r.unsigned_abs().cmp(&(y.unsigned_abs() - r.unsigned_abs())),
                rest,
            ));
    }
    let (ua, ub) = (a.unsigned_abs(), b.unsigned_abs());
    let (q, r) = (ua / ub, ua % ub);
    let negative = (a < 0) != (b < 0);
    let signed = if negative {
        (q as i128).wrapping_neg()
    } else {
        q as i128
    };
    signed + i128::from(step(r != 0, negative, q % 2 != 0, r.cmp(&(ub - r)), rest))
}

#[inline]
fn step(inexact: bool, negative: bool, odd: bool, half: std::cmp::Ordering, rest: Rest) -> i8 {
    let away = if negative { -1 } else { 1 };
    match rest {
        Rest::Round(rounding) if inexact && rounds_up(half, odd, rounding) => away,
        Rest::Down if inexact && negative => -1,
        Rest::Up if inexact && !negative => 1,
        _ => 0,
    }
}

/// a * 10^k / b, rounded once; `None` if it does not fit 256 bits.
pub(crate) fn divide_wide(a: i256, k: i32, b: i256, rest: Rest) -> Option<i256> {
    let zero = i256::ZERO;
    let negative = (a < zero) != (b < zero);
    let magnitude = |x: i256| if x < zero { x.wrapping_neg() } else { x };
    let (ua, mut ub) = (magnitude(a), magnitude(b));
    if k < 0 {
        match ub.checked_mul(power_wide(k.unsigned_abs())) {
            Some(product) => ub = product,
            // The divisor is beyond 2^255, more than twice the largest dividend of 76 digits.
            None => {
                let inexact = ua != zero;
                let unit = i256::from_i128(i128::from(step(
                    inexact,
                    negative,
                    false,
                    std::cmp::Ordering::Less,
                    rest,
                )));
                return Some(unit);
            }
        }
    }
    let mut q = ua.checked_div(ub)?;
    let mut r = ua.checked_rem(ub)?;
    let mut left = k.max(0);
    while left > 0 {
        if r == zero {
            q = q.checked_mul(power_wide(left.min(76) as u32))?;
            break;
        }
        // Many digits at once while the rest is small enough, else one digit.
        let mut digits = left.min(18);
        while digits > 1 && r.checked_mul(power_wide(digits as u32)).is_none() {
            digits /= 2;
        }
        match r.checked_mul(power_wide(digits as u32)) {
            Some(scaled) => {
                q = q
                    .checked_mul(power_wide(digits as u32))?
                    .checked_add(scaled.checked_div(ub)?)?;
                r = scaled.checked_rem(ub)?;
                left -= digits;
            }
            None => {
                let (digit, rest) = times_ten(r, ub);
                q = q
                    .checked_mul(power_wide(1))?
                    .checked_add(i256::from_i128(digit))?;
                r = rest;
                left -= 1;
            }
        }
    }
    let odd = q.wrapping_rem(i256::from_i128(2)) != zero;
    let unit = i256::from_i128(i128::from(step(
        r != zero,
        negative,
        odd,
        r.cmp(&ub.wrapping_sub(r)),
        rest,
    )));
    let signed = if negative { q.wrapping_neg() } else { q };
    signed.checked_add(unit)
}

/// 10 r as (digit, rest) to the base b, without leaving 256 bits.
fn times_ten(r: i256, b: i256) -> (i128, i256) {
    let add = |(p, x): (i128, i256), (q, y): (i128, i256)| {
        let room = b.wrapping_sub(y);
        if x >= room {
            (p + q + 1, x.wrapping_sub(room))
        } else {
            (p + q, x.wrapping_add(y))
        }
    };
    let one = (0, r);
    let two = add(one, one);
    let four = add(two, two);
    let five = add(four, one);
    add(five, five)
}

/// `left op right`, row by row.
pub(crate) fn arithmetic(
    op: Op,
    left: &ColumnarValue,
    right: &ColumnarValue,
    rows: usize,
    out: &DataType,
    rounding: Rounding,
) -> Result<Outcome, ExactError> {
    let ((l, l_one), (r, r_one)) = (single(left)?, single(right)?);
    let ((l, l_failed), (r, r_failed)) = (plain(&l)?, plain(&r)?);
    let mut outcome = compute(op, (&l, l_one), (&r, r_one), rows, out, rounding)?;
    for (failed, one) in [(l_failed, l_one), (r_failed, r_one)] {
        let Some(failed) = failed else { continue };
        let failed = if one {
            BooleanBuffer::new_set(rows)
        } else {
            failed
        };
        outcome.failed = union_failed(outcome.failed, Some(failed));
    }
    Ok(outcome)
}

pub(crate) fn union_failed(
    a: Option<BooleanBuffer>,
    b: Option<BooleanBuffer>,
) -> Option<BooleanBuffer> {
    match (a, b) {
        (Some(a), Some(b)) => Some(&a | &b),
        (a, b) => a.or(b),
    }
}

fn scale_of(array: &ArrayRef) -> i32 {
    number(array.data_type()).unwrap_or(Number::Null).digits().1
}

fn precision_of(array: &ArrayRef) -> i32 {
    number(array.data_type()).unwrap_or(Number::Null).digits().0
}

fn compute(
    op: Op,
    (l, l_one): (&ArrayRef, bool),
    (r, r_one): (&ArrayRef, bool),
    rows: usize,
    out: &DataType,
    rounding: Rounding,
) -> Result<Outcome, ExactError> {
    match out {
        DataType::Int64 => {
            let (a, b) = (as_i64(l, l_one)?, as_i64(r, r_one)?);
            let (values, nulls, failed) = match op {
                Op::Add => run(rows, &a, &b, |x: i64, y: i64| x.overflowing_add(y)),
                Op::Sub => run(rows, &a, &b, |x: i64, y: i64| x.overflowing_sub(y)),
                Op::Mul => run(rows, &a, &b, |x: i64, y: i64| x.overflowing_mul(y)),
                Op::Mod => run(rows, &a, &b, |x: i64, y: i64| {
                    if y == 0 {
                        (0, true)
                    } else {
                        (x.wrapping_rem(y), false)
                    }
                }),
                Op::IntDiv => run(rows, &a, &b, |x: i64, y: i64| {
                    if y == 0 {
                        (0, true)
                    } else {
                        x.overflowing_div(y)
                    }
                }),
                Op::Div => {
                    return Err(ExactError::Internal(
                        "integer quotient of type bigint".into(),
                    ));
                }
            };
            let why = if matches!(op, Op::Mod | Op::IntDiv) {
                divided(&failed, &b, |y| y == 0)
            } else {
                Why::Overflow
            };
            Ok(Outcome {
                array: Arc::new(Int64Array::new(values.into(), nulls)),
                failed,
                why,
            })
        }
        DataType::Float64 => {
            let (a, b) = (as_f64(l, l_one)?, as_f64(r, r_one)?);
            let (values, nulls, failed) = match op {
                Op::Add => run(rows, &a, &b, |x: f64, y: f64| (canonical(x + y), false)),
                Op::Sub => run(rows, &a, &b, |x: f64, y: f64| (canonical(x - y), false)),
                Op::Mul => run(rows, &a, &b, |x: f64, y: f64| (canonical(x * y), false)),
                Op::Div => run(rows, &a, &b, |x: f64, y: f64| (canonical(x / y), y == 0.0)),
                Op::Mod => run(rows, &a, &b, |x: f64, y: f64| (canonical(x % y), y == 0.0)),
                Op::IntDiv => {
                    return Err(ExactError::Internal("integer quotient of doubles".into()));
                }
            };
            Ok(Outcome {
                array: Arc::new(Float64Array::new(values.into(), nulls)),
                failed,
                why: Why::DivideByZero,
            })
        }
        DataType::Decimal128(p, s) => {
            compute_128(op, (l, l_one), (r, r_one), rows, (*p, *s), rounding)
        }
        DataType::Decimal256(p, s) => compute_256(op, (l, l_one), (r, r_one), rows, (*p, *s)),
        other => Err(ExactError::Internal(format!(
            "checked arithmetic to {other}"
        ))),
    }
}

/// Whether a failure was a division by zero or an overflow.
fn divided<T: arrow::datatypes::ArrowNativeType>(
    failed: &Option<BooleanBuffer>,
    divisor: &Side<T>,
    zero: impl Fn(T) -> bool,
) -> Why {
    let Some(failed) = failed else {
        return Why::DivideByZero;
    };
    let by_zero = match divisor {
        Side::One(value) => value.is_some_and(zero),
        Side::Rows(values, _) => failed.set_indices().any(|row| zero(values[row])),
    };
    if by_zero {
        Why::DivideByZero
    } else {
        Why::Overflow
    }
}

/// Unscaled values as decimal(p, s) of up to 38 digits.
pub(crate) fn decimal_128(
    values: Vec<i128>,
    nulls: Option<NullBuffer>,
    (p, s): (u8, i8),
) -> Result<ArrayRef, ExactError> {
    Ok(Arc::new(
        Decimal128Array::new(values.into(), nulls)
            .with_precision_and_scale(p, s)
            .map_err(ExactError::arrow)?,
    ))
}

/// The same of up to 76 digits.
pub(crate) fn decimal_256(
    values: Vec<i256>,
    nulls: Option<NullBuffer>,
    (p, s): (u8, i8),
) -> Result<ArrayRef, ExactError> {
    Ok(Arc::new(
        Decimal256Array::new(values.into(), nulls)
            .with_precision_and_scale(p, s)
            .map_err(ExactError::arrow)?,
    ))
}

fn compute_128(
    op: Op,
    (l, l_one): (&ArrayRef, bool),
    (r, r_one): (&ArrayRef, bool),
    rows: usize,
    (p, s): (u8, i8),
    rounding: Rounding,
) -> Result<Outcome, ExactError> {
    let (s1, s2, scale) = (scale_of(l), scale_of(r), i32::from(s));
    let wide = |a: &ArrayRef| matches!(a.data_type(), DataType::Decimal256(..));
    match op {
        // The result type has room for every sum and product, so that nothing can overflow.
        Op::Add | Op::Sub => {
            let a = as_i128(l, l_one, POWERS[(scale - s1).max(0) as usize])?;
            let b = as_i128(r, r_one, POWERS[(scale - s2).max(0) as usize])?;
            let (values, nulls, failed) = match op {
                Op::Add => run(rows, &a, &b, |x: i128, y: i128| (x.wrapping_add(y), false)),
                _ => run(rows, &a, &b, |x: i128, y: i128| (x.wrapping_sub(y), false)),
            };
            Ok(Outcome {
                array: decimal_128(values, nulls, (p, s))?,
                failed,
                why: Why::Overflow,
            })
        }
        Op::Mul => {
            let (a, b) = (as_i128(l, l_one, 1)?, as_i128(r, r_one, 1)?);
            let (values, nulls, failed) =
                run(rows, &a, &b, |x: i128, y: i128| (x.wrapping_mul(y), false));
            Ok(Outcome {
                array: decimal_128(values, nulls, (p, s))?,
                failed,
                why: Why::Overflow,
            })
        }
        Op::Mod
            if !wide(l)
                && !wide(r)
                && precision_of(l) - s1 + scale <= 38
                && precision_of(r) - s2 + scale <= 38 =>
        {
            let a = as_i128(l, l_one, POWERS[(scale - s1) as usize])?;
            let b = as_i128(r, r_one, POWERS[(scale - s2) as usize])?;
            let (values, nulls, failed) = run(rows, &a, &b, |x: i128, y: i128| {
                if y == 0 {
                    (0, true)
                } else {
                    (x.wrapping_rem(y), false)
                }
            });
            Ok(Outcome {
                array: decimal_128(values, nulls, (p, s))?,
                failed,
                why: Why::DivideByZero,
            })
        }
        Op::Mod => {
            let (a, b) = (as_i256(l, l_one)?, as_i256(r, r_one)?);
            let (f, g) = (
                power_wide((scale - s1) as u32),
                power_wide((scale - s2) as u32),
            );
            let (values, nulls, failed) =
                run(rows, &a, &b, |x: i256, y: i256| {
                    match modulo_wide(x, f, y, g).and_then(i256::to_i128) {
                        Some(v) => (v, false),
                        None => (0, true),
                    }
                });
            let why = divided(&failed, &b, |y| y == i256::ZERO);
            Ok(Outcome {
                array: decimal_128(values, nulls, (p, s))?,
                failed,
                why,
            })
        }
        Op::Div | Op::IntDiv => {
            let rest = if op == Op::Div {
                Rest::Round(rounding)
            } else {
                Rest::Drop
            };
            let k = scale + s2 - s1;
            if wide(l) || wide(r) {
                let (a, b) = (as_i256(l, l_one)?, as_i256(r, r_one)?);
                let (values, nulls, failed) = run(rows, &a, &b, |x: i256, y: i256| {
                    if y == i256::ZERO {
                        return (0, true);
                    }
                    match divide_wide(x, k, y, rest)
                        .and_then(i256::to_i128)
                        .filter(|q| fits(*q, p))
                    {
                        Some(q) => (q, false),
                        None => (0, true),
                    }
                });
                let why = divided(&failed, &b, |y| y == i256::ZERO);
                return Ok(Outcome {
                    array: decimal_128(values, nulls, (p, s))?,
                    failed,
                    why,
                });
            }
            let (a, b) = (as_i128(l, l_one, 1)?, as_i128(r, r_one, 1)?);
            let factor = if (0..=38).contains(&k) {
                POWERS[k as usize]
            } else {
                0
            };
            let (values, nulls, failed) = run(rows, &a, &b, |x: i128, y: i128| {
                if y == 0 {
                    return (0, true);
                }
                let scaled = if factor == 0 {
                    None
                } else {
                    multiply(x, factor)
                };
                let quotient = match scaled {
                    Some(scaled) => divide(scaled, y, rest),
                    None => match divide_wide(i256::from_i128(x), k, i256::from_i128(y), rest)
                        .and_then(i256::to_i128)
                    {
                        Some(q) => q,
                        None => return (0, true),
                    },
                };
                (quotient, !fits(quotient, p))
            });
            let why = divided(&failed, &b, |y| y == 0);
            Ok(Outcome {
                array: decimal_128(values, nulls, (p, s))?,
                failed,
                why,
            })
        }
    }
}

/// Checked product with a short way for small values.
#[inline]
fn multiply(x: i128, y: i128) -> Option<i128> {
    match (i64::try_from(x), i64::try_from(y)) {
        (Ok(x), Ok(y)) => Some(i128::from(x) * i128::from(y)),
        _ => x.checked_mul(y),
    }
}

/// x f mod y g, where y is not 0.
fn modulo_wide(x: i256, f: i256, y: i256, g: i256) -> Option<i256> {
    if y == i256::ZERO {
        return None;
    }
    match (x.checked_mul(f), y.checked_mul(g)) {
        (Some(a), Some(b)) => a.checked_rem(b),
        // The divisor is larger than every dividend of 76 digits.
        (Some(a), None) => Some(a),
        // a = x f: take the remainder digit by digit.
        (None, Some(b)) => {
            let magnitude = |v: i256| if v < i256::ZERO { v.wrapping_neg() } else { v };
            let (mut r, b) = (magnitude(x).checked_rem(magnitude(b))?, magnitude(b));
            let mut f = f;
            while f > i256::ONE {
                r = times_ten(r, b).1;
                f = f.checked_div(i256::from_i128(10))?;
            }
            Some(if x < i256::ZERO { r.wrapping_neg() } else { r })
        }
        (None, None) => None,
    }
}

fn compute_256(
    op: Op,
    (l, l_one): (&ArrayRef, bool),
    (r, r_one): (&ArrayRef, bool),
    rows: usize,
    (p, s): (u8, i8),
) -> Result<Outcome, ExactError> {
    let is_wide = |a: &ArrayRef| matches!(a.data_type(), DataType::Decimal256(..));
    if op == Op::Mul && !is_wide(l) && !is_wide(r) {
        // Two factors of 38 digits always have room, and seldom need it.
        let (a, b) = (as_i128(l, l_one, 1)?, as_i128(r, r_one, 1)?);
        let (values, nulls, failed) = run(rows, &a, &b, |x: i128, y: i128| {
            let product = multiply(x, y).map(i256::from_i128);
            let long_way = || i256::from_i128(x).wrapping_mul(i256::from_i128(y));
            (product.unwrap_or_else(long_way), false)
        });
        return Ok(Outcome {
            array: decimal_256(values, nulls, (p, s))?,
            failed,
            why: Why::Overflow,
        });
    }
    let (s1, s2, scale) = (scale_of(l), scale_of(r), i32::from(s));
    let (a, b) = (as_i256(l, l_one)?, as_i256(r, r_one)?);
    let (f, g) = (
        power_wide((scale - s1).max(0) as u32),
        power_wide((scale - s2).max(0) as u32),
    );
    let checked = |v: Option<i256>| match v.filter(|v| fits_wide(*v, p)) {
        Some(v) => (v, false),
        None => (i256::ZERO, true),
    };
    let (values, nulls, failed) = match op {
        Op::Add => run(rows, &a, &b, |x: i256, y: i256| {
            checked(
                x.checked_mul(f)
                    .zip(y.checked_mul(g))
                    .and_then(|(x, y)| x.checked_add(y)),
            )
        }),
        Op::Sub => run(rows, &a, &b, |x: i256, y: i256| {
            checked(
                x.checked_mul(f)
                    .zip(y.checked_mul(g))
                    .and_then(|(x, y)| x.checked_sub(y)),
            )
        }),
        Op::Mul => run(rows, &a, &b, |x: i256, y: i256| checked(x.checked_mul(y))),
        Op::Mod => run(rows, &a, &b, |x: i256, y: i256| {
            checked(modulo_wide(x, f, y, g))
        }),
        Op::Div | Op::IntDiv => return Err(ExactError::Internal("quotient of 76 digits".into())),
    };
    let why = if op == Op::Mod {
        divided(&failed, &b, |y| y == i256::ZERO)
    } else {
        Why::Overflow
    };
    Ok(Outcome {
        array: decimal_256(values, nulls, (p, s))?,
        failed,
        why,
    })
}

/// Unary minus.
pub(crate) fn negate(array: &ArrayRef) -> Result<Outcome, ExactError> {
    let change = ChangeOfSign {
        integer: i64::overflowing_neg,
        double: |x| -x,
        decimal: i128::wrapping_neg,
        wide: i256::wrapping_neg,
    };
    change.of(array)
}

/// Absolute value.
pub(crate) fn absolute(array: &ArrayRef) -> Result<Outcome, ExactError> {
    let change = ChangeOfSign {
        integer: i64::overflowing_abs,
        double: f64::abs,
        decimal: i128::wrapping_abs,
        wide: |x| {
            if x < i256::ZERO { x.wrapping_neg() } else { x }
        },
    };
    change.of(array)
}

/// What is done to a number of each kind; only an integer may have no counterpart.
struct ChangeOfSign {
    integer: fn(i64) -> (i64, bool),
    double: fn(f64) -> f64,
    decimal: fn(i128) -> i128,
    wide: fn(i256) -> i256,
}

impl ChangeOfSign {
    fn of(&self, array: &ArrayRef) -> Result<Outcome, ExactError> {
        let (array, already) = plain(array)?;
        let rows = array.len();
        let none = Side::One(Some(0i64));
        let outcome = match array.data_type() {
            DataType::Null => Outcome::fine(array.clone()),
            DataType::Int64 => {
                let integers = as_i64(&array, false)?;
                let (values, nulls, failed) = run(rows, &integers, &none, |x, _| (self.integer)(x));
                Outcome {
                    array: Arc::new(Int64Array::new(values.into(), nulls)),
                    failed,
                    why: Why::Overflow,
                }
            }
            DataType::Float64 => {
                let doubles = as_f64(&array, false)?;
                let change = |x, _| (canonical((self.double)(x)), false);
                let (values, nulls, _) = run(rows, &doubles, &none, change);
                Outcome::fine(Arc::new(Float64Array::new(values.into(), nulls)))
            }
            DataType::Decimal128(p, s) => {
                let decimals = as_i128(&array, false, 1)?;
                let (values, nulls, _) =
                    run(rows, &decimals, &none, |x, _| ((self.decimal)(x), false));
                Outcome::fine(decimal_128(values, nulls, (*p, *s))?)
            }
            DataType::Decimal256(p, s) => {
                let decimals = as_i256(&array, false)?;
                let (values, nulls, _) =
                    run(rows, &decimals, &none, |x, _| ((self.wide)(x), false));
                Outcome::fine(decimal_256(values, nulls, (*p, *s))?)
            }
            _ => return Err(wrong(&array)),
        };
        Ok(Outcome {
            failed: union_failed(already, outcome.failed.clone()),
            ..outcome
        })
    }
}

/// The type of `-x`, `abs(x)`: integers become bigint.
pub(crate) fn signed_type(data_type: &DataType) -> Option<DataType> {
    Some(match number(data_type)? {
        Number::Null | Number::Integer(_) => DataType::Int64,
        Number::Double => DataType::Float64,
        Number::Decimal(p, s) => decimal(i32::from(p), i32::from(s)),
    })
}

/// The type of a number brought to `places` decimal places.
pub(crate) fn rounded_type(data_type: &DataType, places: i32) -> Result<DataType, String> {
    match number(data_type) {
        Some(Number::Null | Number::Integer(_)) => Ok(DataType::Int64),
        Some(Number::Double) => Ok(DataType::Float64),
        Some(Number::Decimal(p, s)) if places >= 0 => {
            let (p, s) = (i32::from(p), i32::from(s));
            Ok(if places >= s {
                decimal(p, s)
            } else {
                decimal(p - s + places + 1, places)
            })
        }
        // To tens or hundreds: no places, and one more digit where it is rounded up.
        Some(Number::Decimal(p, s)) => Ok(decimal(i32::from(p) - i32::from(s) + 1, 0)),
        None => Err(format!("{} is no number", type_name(data_type))),
    }
}

/// Rounds to the scale of `out` (see [`rounded_type`]).
pub(crate) fn round(array: &ArrayRef, out: &DataType, rest: Rest) -> Result<Outcome, ExactError> {
    let (array, already) = plain(array)?;
    let rows = array.len();
    let zero = Side::One(Some(0i64));
    let outcome = match (array.data_type(), out) {
        (DataType::Null, _) => Outcome::fine(arrow::array::new_null_array(out, rows)),
        (DataType::Int64, _) => Outcome::fine(array.clone()),
        (DataType::Float64, _) => {
            let f = |x: f64| match rest {
                Rest::Round(Rounding::HalfAwayFromZero) => x.round(),
                Rest::Round(Rounding::HalfEven) => x.round_ties_even(),
                Rest::Drop => x.trunc(),
                Rest::Down => x.floor(),
                Rest::Up => x.ceil(),
            };
            let (values, nulls, _) = run(rows, &as_f64(&array, false)?, &zero, |x: f64, _: i64| {
                (canonical(f(x)), false)
            });
            Outcome::fine(Arc::new(Float64Array::new(values.into(), nulls)))
        }
        (from, to) if from == to => Outcome::fine(array.clone()),
        _ => rescale(&array, out, rest)?,
    };
    Ok(Outcome {
        failed: union_failed(already, outcome.failed.clone()),
        ..outcome
    })
}

/// A decimal or integer as a decimal of another precision and scale; what does not fit fails.
pub(crate) fn rescale(array: &ArrayRef, out: &DataType, rest: Rest) -> Result<Outcome, ExactError> {
    let (array, already) = plain(array)?;
    let array = &array;
    let rows = array.len();
    let zero = Side::One(Some(0i64));
    let from = scale_of(array);
    let outcome = match (array.data_type(), out) {
        (DataType::Int64 | DataType::Decimal128(..), DataType::Decimal128(p, s)) => {
            let k = i32::from(*s) - from;
            let digits = precision_of(array) + k;
            let (values, nulls, failed) = if k >= 0 && digits <= i32::from(*p) {
                run(
                    rows,
                    &as_i128(array, false, POWERS[k as usize])?,
                    &zero,
                    |x: i128, _: i64| (x, false),
                )
            } else if k >= 0 {
                let factor = POWERS[k.min(38) as usize];
                let limit = if k > 38 {
                    0
                } else {
                    POWERS[usize::from(*p)] / factor
                };
                let exact = k <= 38 && limit > 0;
                run(
                    rows,
                    &as_i128(array, false, 1)?,
                    &zero,
                    |x: i128, _: i64| {
                        let fits = x == 0
                            || (exact
                                && x.unsigned_abs() <= limit as u128
                                && fits(x.wrapping_mul(factor), *p));
                        (if fits { x.wrapping_mul(factor) } else { 0 }, !fits)
                    },
                )
            } else {
                let divisor = POWERS[(-k).min(38) as usize];
                run(
                    rows,
                    &as_i128(array, false, 1)?,
                    &zero,
                    |x: i128, _: i64| {
                        let q = divide(x, divisor, rest);
                        (q, !fits(q, *p))
                    },
                )
            };
            Outcome {
                array: decimal_128(values, nulls, (*p, *s))?,
                failed,
                why: Why::Overflow,
            }
        }
        (_, DataType::Decimal128(p, s)) => {
            let k = i32::from(*s) - from;
            let one = i256::ONE;
            let (values, nulls, failed) = run(
                rows,
                &as_i256(array, false)?,
                &zero,
                |x: i256, _: i64| match divide_wide(x, k, one, rest)
                    .and_then(i256::to_i128)
                    .filter(|v| fits(*v, *p))
                {
                    Some(v) => (v, false),
                    None => (0, true),
                },
            );
            Outcome {
                array: decimal_128(values, nulls, (*p, *s))?,
                failed,
                why: Why::Overflow,
            }
        }
        (_, DataType::Decimal256(p, s)) => {
            let k = i32::from(*s) - from;
            let one = i256::ONE;
            let (values, nulls, failed) = run(
                rows,
                &as_i256(array, false)?,
                &zero,
                |x: i256, _: i64| match divide_wide(x, k, one, rest).filter(|v| fits_wide(*v, *p)) {
                    Some(v) => (v, false),
                    None => (i256::ZERO, true),
                },
            );
            Outcome {
                array: decimal_256(values, nulls, (*p, *s))?,
                failed,
                why: Why::Overflow,
            }
        }
        (_, DataType::Int64) => {
            let one = i256::ONE;
            let (values, nulls, failed) = match array.data_type() {
                DataType::Int64 => run(rows, &as_i64(array, false)?, &zero, |x: i64, _: i64| {
                    (x, false)
                }),
                DataType::Decimal128(_, s) if *s >= 0 => {
                    let divisor = POWERS[usize::from(s.unsigned_abs())];
                    run(
                        rows,
                        &as_i128(array, false, 1)?,
                        &zero,
                        |x: i128, _: i64| match i64::try_from(divide(x, divisor, rest)) {
                            Ok(v) => (v, false),
                            Err(_) => (0, true),
                        },
                    )
                }
                _ => run(
                    rows,
                    &as_i256(array, false)?,
                    &zero,
                    |x: i256, _: i64| match divide_wide(x, -from, one, rest)
                        .and_then(i256::to_i128)
                        .and_then(|v| i64::try_from(v).ok())
                    {
                        Some(v) => (v, false),
                        None => (0, true),
                    },
                ),
            };
            Outcome {
                array: Arc::new(Int64Array::new(values.into(), nulls)),
                failed,
                why: Why::Overflow,
            }
        }
        _ => return Err(wrong(array)),
    };
    Ok(Outcome {
        failed: union_failed(already, outcome.failed.clone()),
        ..outcome
    })
}

/// A double as a decimal; fails where a non-zero digit of its exact value would be lost.
pub(crate) fn double_to_decimal(array: &ArrayRef, out: &DataType) -> Result<Outcome, ExactError> {
    let doubles = to_double(array)?;
    let a = doubles.as_primitive::<Float64Type>();
    let zero = Side::One(Some(0i64));
    let side = side(a.values().clone(), a.nulls(), false);
    match out {
        DataType::Decimal128(p, s) => {
            let (values, nulls, failed) =
                run(
                    array.len(),
                    &side,
                    &zero,
                    |x: f64, _: i64| match exact_scaled(x, *s)
                        .and_then(i256::to_i128)
                        .filter(|v| fits(*v, *p))
                    {
                        Some(v) => (v, false),
                        None => (0, true),
                    },
                );
            Ok(Outcome {
                array: decimal_128(values, nulls, (*p, *s))?,
                failed,
                why: Why::Conversion,
            })
        }
        DataType::Decimal256(p, s) => {
            let (values, nulls, failed) =
                run(
                    array.len(),
                    &side,
                    &zero,
                    |x: f64, _: i64| match exact_scaled(x, *s).filter(|v| fits_wide(*v, *p)) {
                        Some(v) => (v, false),
                        None => (i256::ZERO, true),
                    },
                );
            Ok(Outcome {
                array: decimal_256(values, nulls, (*p, *s))?,
                failed,
                why: Why::Conversion,
            })
        }
        _ => {
            let (values, nulls, failed) =
                run(
                    array.len(),
                    &side,
                    &zero,
                    |x: f64, _: i64| match exact_scaled(x, 0)
                        .and_then(i256::to_i128)
                        .and_then(|v| i64::try_from(v).ok())
                    {
                        Some(v) => (v, false),
                        None => (0, true),
                    },
                );
            Ok(Outcome {
                array: Arc::new(Int64Array::new(values.into(), nulls)),
                failed,
                why: Why::Conversion,
            })
        }
    }
}

/// x = (−1)^negative m 2^e for a finite x.
pub(crate) fn split(x: f64) -> (bool, u64, i32) {
    let bits = x.to_bits();
    let exponent = ((bits >> 52) & 0x7ff) as i32;
    let fraction = bits & ((1 << 52) - 1);
    let m = if exponent == 0 {
        fraction
    } else {
        fraction | 1 << 52
    };
    (bits >> 63 == 1, m, exponent.max(1) - 1075)
}

/// x 10^scale if that is an integer of at most 76 digits.
fn exact_scaled(x: f64, scale: i8) -> Option<i256> {
    if !x.is_finite() {
        return None;
    }
    let (negative, m, e) = split(x);
    if m == 0 {
        return Some(i256::ZERO);
    }
    let twos = m.trailing_zeros() as i32;
    let (m, e) = (m >> twos, e + twos);
    let scale = i32::from(scale);
    // m 2^e 10^scale = m 5^scale 2^(e + scale)
    let shift = e + scale;
    if shift < 0 || scale < 0 {
        return None;
    }
    let mut value = i256::from_i128(i128::from(m));
    for _ in 0..scale {
        value = value.checked_mul(i256::from_i128(5))?;
    }
    if shift >= 254 {
        return None;
    }
    let factor = if shift < 127 {
        i256::from_i128(1i128 << shift)
    } else {
        i256::from_i128(1i128 << 126)
            .checked_mul(i256::from_i128(1i128 << (shift - 126).min(126)))?
            .checked_mul(i256::from_i128(
                1i128 << (shift - 126 - (shift - 126).min(126)),
            ))?
    };
    value = value.checked_mul(factor)?;
    Some(if negative {
        value.wrapping_neg()
    } else {
        value
    })
}

/// −1, 0 or 1 for less, equal, greater: exact for every pair of numbers, NaN equal to itself and last (rule E6).
pub(crate) fn compare(
    left: &ColumnarValue,
    right: &ColumnarValue,
    rows: usize,
) -> Result<ArrayRef, ExactError> {
    let ((l, l_one), (r, r_one)) = (single(left)?, single(right)?);
    let ((l, _), (r, _)) = (plain_wide(&l)?, plain_wide(&r)?);
    let double = |a: &ArrayRef| *a.data_type() == DataType::Float64;
    let order = |o: std::cmp::Ordering| (o as i64, false);
    let (values, nulls) = if double(&l) && double(&r) {
        let (a, b) = (as_f64(&l, l_one)?, as_f64(&r, r_one)?);
        let (v, n, _) = run(rows, &a, &b, |x: f64, y: f64| {
            order(canonical(x).total_cmp(&canonical(y)))
        });
        (v, n)
    } else if double(&l) {
        let (a, b, s) = (as_f64(&l, l_one)?, as_i256(&r, r_one)?, scale_of(&r));
        let (v, n, _) = run(rows, &a, &b, |x: f64, y: i256| {
            order(compare_mixed(y, s as i8, x).reverse())
        });
        (v, n)
    } else if double(&r) {
        let (a, b, s) = (as_i256(&l, l_one)?, as_f64(&r, r_one)?, scale_of(&l));
        let (v, n, _) = run(rows, &a, &b, |x: i256, y: f64| {
            order(compare_mixed(x, s as i8, y))
        });
        (v, n)
    } else {
        let (a, b, s1, s2) = (
            as_i256(&l, l_one)?,
            as_i256(&r, r_one)?,
            scale_of(&l),
            scale_of(&r),
        );
        let (f, g) = (
            power_wide((s2 - s1).max(0) as u32),
            power_wide((s1 - s2).max(0) as u32),
        );
        let (v, n, _) = run(rows, &a, &b, |x: i256, y: i256| {
            order(match (x.checked_mul(f), y.checked_mul(g)) {
                (Some(x), Some(y)) => x.cmp(&y),
                (None, _) => x.cmp(&i256::ZERO),
                (_, None) => i256::ZERO.cmp(&y),
            })
        });
        (v, n)
    };
    Ok(Arc::new(Int64Array::new(values.into(), nulls)))
}

/// Like `plain`, with unsigned 64-bit integers as decimals, since a comparison has no failures.
fn plain_wide(array: &ArrayRef) -> Result<(ArrayRef, Option<BooleanBuffer>), ExactError> {
    if *array.data_type() == DataType::UInt64 {
        return Ok((
            arrow_cast(array, &DataType::Decimal128(20, 0)).map_err(ExactError::arrow)?,
            None,
        ));
    }
    plain(array)
}

/// value / 10^scale against x.
fn compare_mixed(value: i256, scale: i8, x: f64) -> std::cmp::Ordering {
    if x.is_nan() {
        return std::cmp::Ordering::Less;
    }
    let nearest = wide_decimal_to_f64(value, scale);
    // Rounding is monotone: different doubles settle it.
    if nearest < x {
        return std::cmp::Ordering::Less;
    }
    if nearest > x {
        return std::cmp::Ordering::Greater;
    }
    if x.is_infinite() {
        return if x > 0.0 {
            std::cmp::Ordering::Less
        } else {
            std::cmp::Ordering::Greater
        };
    }
    if let Some(exact) = exact_scaled(x, scale) {
        return value.cmp(&exact);
    }
    // x has more binary places than 10^scale: it cannot be equal; compare with its value rounded towards zero.
    let text = format!("{:.*}", scale.max(0) as usize + 1100, x);
    let cut = text.len() - 1100;
    let digits: String = text[..cut].chars().filter(|c| *c != '.').collect();
    match i256::from_string(&digits) {
        Some(towards_zero) if value == towards_zero => {
            if x > 0.0 {
                std::cmp::Ordering::Less
            } else {
                std::cmp::Ordering::Greater
            }
        }
        Some(towards_zero) => value.cmp(&towards_zero),
        None => std::cmp::Ordering::Less,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The published table of result types; `docs/types.md` is this text.
    fn table() -> String {
        use std::fmt::Write as _;
        let types = [
            DataType::Int32,
            DataType::Int64,
            DataType::Decimal128(9, 2),
            DataType::Decimal128(18, 6),
            DataType::Decimal128(38, 10),
            DataType::Decimal256(57, 20),
            DataType::Float64,
        ];
        let mut out = String::from(TABLE_HEAD);
        let _ = writeln!(
            out,
            "| left | right | + − | * | / | % | div |\n|---|---|---|---|---|---|---|"
        );
        for (index, left) in types.iter().enumerate() {
            for right in &types[index..] {
                let cell = |op| {
                    result_type(op, left, right)
                        .map_or_else(|_| "refused".to_string(), |t| type_name(&t))
                };
                let _ = writeln!(
                    out,
                    "| {} | {} | {} | {} | {} | {} | {} |",
                    type_name(left),
                    type_name(right),
                    cell(Op::Add),
                    cell(Op::Mul),
                    cell(Op::Div),
                    cell(Op::Mod),
                    cell(Op::IntDiv)
                );
            }
        }
        let _ = writeln!(
            out,
            "\n| x | sum(x) | avg(x) | -x, abs(x) | round(x) | round(x, 1) |\n|---|---|---|---|---|---|"
        );
        for t in &types {
            let aggregate = |t: datafusion::common::Result<DataType>| {
                t.map_or_else(|_| "refused".to_string(), |t| type_name(&t))
            };
            let rounded = |places| {
                rounded_type(t, places).map_or_else(|_| "refused".to_string(), |t| type_name(&t))
            };
            let _ = writeln!(
                out,
                "| {} | {} | {} | {} | {} | {} |",
                type_name(t),
                aggregate(crate::aggregates::sum_type(t)),
                aggregate(crate::aggregates::avg_type(t)),
                signed_type(t).map_or_else(|| "refused".to_string(), |t| type_name(&t)),
                rounded(0),
                rounded(1)
            );
        }
        let _ = writeln!(
            out,
            "\n| x | median(x), percentile_cont(x, p) | percentile_disc(x, p), mode(x), any_value(x), min_by(x, k), max_by(x, k) | var, stddev, covar, corr, regr of x | exp, ln, sqrt, sin … of x |\n|---|---|---|---|---|"
        );
        for t in &types {
            use crate::accumulators::Function;
            use crate::{choices::Choice, moments::Moment, ranks::Rank};
            let of = |function: Function, arguments: usize| {
                let types = vec![t.clone(); arguments];
                function
                    .result(&types)
                    .map_or_else(|_| "refused".to_string(), |t| type_name(&t))
            };
            let elementary = crate::checked::Checked::new(
                crate::checked::Operation::Elementary(crate::elementary::Elementary::Exp),
                crate::conversion::Rules {
                    rounding: Rounding::default(),
                    timezone: chrono_tz::Tz::UTC,
                },
                0,
            );
            let elementary = datafusion::logical_expr::ScalarUDFImpl::return_type(
                &elementary,
                std::slice::from_ref(t),
            );
            assert_eq!(
                of(Function::Rank(Rank::Median), 1),
                of(Function::Rank(Rank::PercentileCont), 2)
            );
            assert_eq!(
                of(Function::Rank(Rank::Mode), 1),
                of(Function::Choice(Choice::MinBy), 2)
            );
            let _ = writeln!(
                out,
                "| {} | {} | {} | {} | {} |",
                type_name(t),
                of(Function::Rank(Rank::Median), 1),
                of(Function::Rank(Rank::Mode), 1),
                of(Function::Moment(Moment::VarSamp), 1),
                elementary.map_or_else(|_| "refused".to_string(), |t| type_name(&t))
            );
        }
        out.push_str(TABLE_END);
        out
    }

    const TABLE_HEAD: &str = "\
# Types of results

What an operation gives, by the types of its operands (rule E1). Written by a test of `karat-exact`; `UPDATE_EXPECT=1 cargo test -p karat-exact` writes it again.

- Number literals are integers or decimals, never doubles; `1e3` is 1000. A double is written `cast('1e200' as double)`.
- Integers of every width give bigint. A decimal has up to 76 digits inside an expression. At the result of a query or of an expression of a silver model it
  becomes decimal(38, s), and a value that does not fit is an error.
- A quotient and an average are rounded once, by the project's rule, to the scale of their type. Sums, products and differences keep every digit.
- `x / 0`, `x % 0` and `div(x, 0)` are errors for every type, doubles included. Otherwise doubles follow IEEE 754; their sums and averages are those of exact arithmetic, rounded once.
- An integer or decimal with a double: the arithmetic is that of doubles, the comparison that of exact values.
- Where a decimal and a double stand for one value (`coalesce`, `case`, `greatest`, `least`, `nullif`, lists, `values`, `union`): a number of the text is the double nearest to it, a decimal of the rows is refused, since one of the two would be rounded: cast it, `cast(x as double)`, or the doubles, `decimal_from_double(x, s)`.
- An offset of a RANGE frame counts in units of the column that orders, exactly: of a number, or whole days of a date; of a timestamp it is an interval.

";

    const TABLE_END: &str = "
| operation | result |
|---|---|
| date + n, date - n (whole days) | date |
| date - date | bigint, in days |
| timestamp - timestamp, time - time, date - timestamp | interval of days and a time |
| date + time | timestamp |
| interval + interval, interval - interval | interval: months, days and time each for itself |
| date + interval, date - interval | date; an interval with a time of day is an error |
| timestamp + interval, timestamp - interval | the timestamp's type; months and days of a timestamp with time zone are those of local time |
| date_trunc(unit, date), date_trunc(unit, time), date_trunc(unit, timestamp) | the argument's type |
| decimal_from_double(x), decimal_from_double(x, s) | decimal(38,10), decimal(38,s) |
| to_date(text, format) | date |
| to_timestamp(text, format, ...), to_date(text, format, ...) | the first format that reads the text counts; a timestamp has a time zone if the formats have %z |
| uuid_from(a, ...) | string |

`round(x, n)` and `trunc(x, n)` take an n below 0 for tens and hundreds, and one that differs from row to row: then a decimal keeps its places. A double is rounded as the binary
value that it is, to the double nearest to the result.

A cast to decimal from text or double fails the row if a digit other than 0 would be lost; from decimal it rounds by the project's rule. A cast to integer from a
decimal rounds too, from a double it fails unless the double is whole. Text becomes a number, date (`2024-02-29`), time or timestamp (`2024-02-29 12:34:56.789`, with `T`
or a space) in one spelling; a timestamp with time zone takes an offset, else the text is local time in the project's zone, and fails where that time is skipped or repeated.

## Elementary functions

`exp ln log log2 log10 power sqrt cbrt sin cos tan cot asin acos atan atan2 sinh cosh tanh asinh acosh atanh degrees radians pi signum`, with `pow` and `sign`. An
argument is brought to the nearest double; the result is the double nearest to the true value for that double, ties to even, so the same on every machine. `log(x)` is to
base 10, `log(b, x)` to base b. An argument outside of what the function is defined for (`ln(0)`, `sqrt(-1)`, `asin(2)`, `sin` of an infinity, `power(0, -1)`,
`power(-8, 1/3)`) and a result beyond the largest double are errors of their row. NaN gives NaN, and `power(x, 0)` and `power(1, y)` are 1.

## Moments

`var_samp var_pop stddev_samp stddev_pop covar_samp covar_pop corr regr_slope regr_intercept regr_r2 regr_avgx regr_avgy regr_sxx regr_syy regr_sxy` are the doubles nearest to
the true values for the numbers given, decimals and integers of any size included; `var`, `variance` and `stddev` are those of a sample, `regr_…(y, x)` takes the dependent
variable first, `regr_count` is a bigint. Rows with a null in either argument do not count. Null: a sample of one row; `corr`, `regr_slope`, `regr_intercept` and `regr_r2` where all x are equal, `corr` where
all y are; there `regr_r2` is 1. An infinity or NaN among the values makes the result NaN, of `regr_avgx` and `regr_avgy` as of `avg`.

## Percentiles and choices

`percentile_cont(x, p)`, also `percentile_cont(p) within group (order by x)` and `quantile_cont`, interpolates between the two values next to p · (n − 1), exactly, and rounds once; `median(x)`
is that for 0.5. `percentile_disc`, `quantile_disc`, `quantile` give the first value that at least p of all are not after. p is a literal from 0 to 1 with up to 18 decimal places.
`mode(x)` is the most frequent value, of several the least. `any_value(x)` is the least value, whatever the order of rows. `min_by(x, k)`, `max_by(x, k)` (`arg_min`, `arg_max`) give x of the row with the least or
greatest k that is not null; of rows with equal k the one with the least x, null last. Nulls do not count for the others. `approx_distinct(x)` is
`count(distinct x)`, `approx_median(x)` is `median(x)`, and `approx_percentile_cont` is `percentile_cont`, whose third argument, a number of centroids, changes nothing.

## Casts to Arrow's types and between nested types

`arrow_cast(x, 'Type')` and `arrow_try_cast` are the checked cast to the type that karat has for Arrow's name: `Utf8View`, `LargeUtf8` and dictionaries are string, `LargeBinary`
is binary, every kind of list is a list, every unit of a timestamp is microseconds, `Float16` is real, durations and all kinds of intervals are interval. A whole number becomes a timestamp, date or time by the unit that the name states; a value
that is no whole number of seconds or milliseconds fails the row of a cast to such a unit. A zone in the name is the one in which local times are read. `arrow_typeof(x)` gives Arrow's
name of karat's type, `cast_to_type(x, y)` and `try_cast_to_type` cast to the type of y. Lists, structs and maps are cast element by element; a struct takes its fields by name, none
gets lost and none is made up; an element that fails fails its row.

## Dates, times and series

| operation | result |
|---|---|
| to_timestamp_seconds(x), _millis, _micros, _nanos | timestamp; of a timestamp with time zone the same. A number counts units since 1970; what is finer than the unit, or than a microsecond, fails the row; a double counts by its exact value. Of several formats the first that reads the text counts |
| from_unixtime(n), from_unixtime(n, zone) | timestamp, timestamp with time zone |
| to_unixtime(x), to_unixtime(text, format) | bigint; a fraction of a second fails the row |
| date_bin(interval, x), date_bin(interval, x, origin) | timestamp of a date or timestamp, with time zone of one with time zone, time of a time; bins count from the origin, by default 1970, those of days and months of an instant in local time; an interval of months and days fails |
| timestamp at time zone 'zone', timestamp with time zone at time zone 'zone' | timestamp with time zone, timestamp; a local time that is skipped or repeated fails the row |
| to_local_time(x) | timestamp, in the project's zone |
| make_time(h, m, s), to_time(text), to_time(text, format), time + interval, time - interval | time; around midnight as a clock goes; days and months in the interval fail |
| range(a, b, step), generate_series(a, b, step) | list of bigint, date or timestamp, without b and with b; a step that leads nowhere, or more than 10,000,000 values, fails the row. As a table: one column `value` |

## Whole numbers, lists of numbers, digests

`gcd`, `lcm` and `factorial` take whole numbers and give bigint, or fail. `iszero`, `isnan` give boolean, `nanvl` a double. `array_add`, `array_subtract` (lists of one length) and `array_scale` give
lists of the type that the operator gives; `array_sum` and `array_avg` have the types of `sum` and `avg` and are exact, rounded once; null elements do not count.
`inner_product` (`dot_product`), `array_distance`, `cosine_distance`, `array_normalize` and `array_product` take lists of numbers, bring each to the nearest double, compute exactly and round once
(`cosine_distance` to within 1 ulp); a null element makes the answer null, except that `array_product` passes over it, and takes up to 10,000. `percent_rank` and
`cume_dist` give the double nearest to the quotient. `md5` and `encode(x, 'hex' | 'base64' | 'base64pad')` give string; `sha224 sha256 sha384 sha512 digest decode` give binary.
";

    #[test]
    fn the_published_table_is_the_code() {
        expect_test::expect_file!["../../../docs/types.md"].assert_eq(&table());
    }

    /// An operand as unscaled value, precision and scale.
    fn operand() -> impl Strategy<Value = (i128, u8, i8)> {
        (1u8..=38).prop_flat_map(|p| {
            (0..=p as i8).prop_flat_map(move |s| {
                let limit = POWERS[usize::from(p)];
                (
                    prop_oneof![
                        -limit + 1..limit,
                        -20i128.min(limit - 1)..=20i128.min(limit - 1)
                    ],
                    Just(p),
                    Just(s),
                )
            })
        })
    }

    fn value((v, p, s): (i128, u8, i8)) -> ColumnarValue {
        let array = Decimal128Array::from(vec![v])
            .with_precision_and_scale(p, s)
            .expect("a decimal");
        ColumnarValue::Array(Arc::new(array))
    }

    /// Digits of |n| in base 10^9, lowest first: numbers of any size, slowly.
    #[derive(Clone, Debug, PartialEq, Eq)]
    struct Big(Vec<u64>);

    impl Big {
        const BASE: u64 = 1_000_000_000;

        fn new(mut n: u128) -> Big {
            let mut digits = Vec::new();
            while n > 0 {
                digits.push((n % u128::from(Self::BASE)) as u64);
                n /= u128::from(Self::BASE);
            }
            Big(digits)
        }

        fn times(&self, other: &Big) -> Big {
            let mut out = vec![0u64; self.0.len() + other.0.len() + 1];
            for (i, a) in self.0.iter().enumerate() {
                let mut carry = 0;
                for (j, b) in other.0.iter().enumerate() {
                    let sum = out[i + j] + a * b + carry;
                    out[i + j] = sum % Self::BASE;
                    carry = sum / Self::BASE;
                }
                out[i + other.0.len()] += carry;
            }
            while out.last() == Some(&0) {
                out.pop();
            }
            Big(out)
        }

        fn power_of_ten(k: u32) -> Big {
            (0..k).fold(Big::new(1), |n, _| n.times(&Big::new(10)))
        }

        fn compare(&self, other: &Big) -> std::cmp::Ordering {
            self.0
                .len()
                .cmp(&other.0.len())
                .then_with(|| self.0.iter().rev().cmp(other.0.iter().rev()))
        }
    }

    fn digits_of(array: &ArrayRef, row: usize) -> Option<(bool, Big)> {
        if array.is_null(row) {
            return None;
        }
        let text = match array.data_type() {
            DataType::Decimal128(..) => array
                .as_primitive::<Decimal128Type>()
                .value(row)
                .to_string(),
            _ => array
                .as_primitive::<Decimal256Type>()
                .value(row)
                .to_string(),
        };
        let digits = text.trim_start_matches('-');
        let big = digits.bytes().fold(Big::new(0), |n, b| {
            let mut n = n.times(&Big::new(10));
            let mut carry = u64::from(b - b'0');
            for d in &mut n.0 {
                *d += carry;
                carry = *d / Big::BASE;
                *d %= Big::BASE;
            }
            if carry > 0 {
                n.0.push(carry);
            }
            n
        });
        Some((text.starts_with('-'), big))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn products_keep_every_digit(a in operand(), b in operand()) {
            let types = (DataType::Decimal128(a.1, a.2), DataType::Decimal128(b.1, b.2));
            let out = result_type(Op::Mul, &types.0, &types.1).expect("76 digits are enough");
            let outcome = arithmetic(Op::Mul, &value(a), &value(b), 1, &out, Rounding::HalfEven).expect("computes");
            prop_assert!(outcome.failed.is_none());
            let (negative, digits) = digits_of(&outcome.array, 0).expect("a value");
            prop_assert_eq!(digits, Big::new(a.0.unsigned_abs()).times(&Big::new(b.0.unsigned_abs())));
            prop_assert_eq!(negative, a.0 != 0 && b.0 != 0 && ((a.0 < 0) != (b.0 < 0)));
        }

        /// 2 |a 10^k − q b| ≤ |b|, with equality only where the rule says so.
        #[test]
        fn quotients_are_rounded_once(a in operand(), b in operand(), even in any::<bool>()) {
            let types = (DataType::Decimal128(a.1, a.2), DataType::Decimal128(b.1, b.2));
            let out = result_type(Op::Div, &types.0, &types.1).expect("a type");
            let rounding = if even { Rounding::HalfEven } else { Rounding::HalfAwayFromZero };
            let outcome = arithmetic(Op::Div, &value(a), &value(b), 1, &out, rounding).expect("computes");
            let DataType::Decimal128(_, scale) = out else { panic!("{out}") };
            if b.0 == 0 {
                prop_assert!(outcome.failed.is_some());
                prop_assert_eq!(outcome.why, Why::DivideByZero);
                return Ok(());
            }
            // |a| 10^up / (|b| 10^down)
            let k = i32::from(scale) + i32::from(b.2) - i32::from(a.2);
            let numerator = Big::new(a.0.unsigned_abs()).times(&Big::power_of_ten(k.max(0) as u32));
            let denominator = Big::new(b.0.unsigned_abs()).times(&Big::power_of_ten((-k).max(0) as u32));
            let Some((_, q)) = digits_of(&outcome.array, 0) else {
                // It fails only if it has more than 38 digits: a 10^k ≥ (10^38 − 1/2) b.
                let limit = Big::power_of_ten(38).times(&denominator).times(&Big::new(2));
                let twice = numerator.times(&Big::new(2));
                let least = Big::new((POWERS[38] - 1) as u128).times(&denominator).times(&Big::new(2));
                prop_assert!(twice.compare(&least).is_gt(), "{:?} {:?}", twice, limit);
                return Ok(());
            };
            // (2q − 1) b ≤ 2n ≤ (2q + 1) b
            let twice = numerator.times(&Big::new(2));
            let around = |add: bool| {
                let mut double = q.times(&Big::new(2));
                if add {
                    if double.0.is_empty() { double.0.push(0); }
                    let mut index = 0;
                    loop {
                        if index == double.0.len() { double.0.push(0); }
                        double.0[index] += 1;
                        if double.0[index] < Big::BASE { break; }
                        double.0[index] = 0;
                        index += 1;
                    }
                } else {
                    let mut index = 0;
                    while double.0[index] == 0 { double.0[index] = Big::BASE - 1; index += 1; }
                    double.0[index] -= 1;
                    while double.0.last() == Some(&0) { double.0.pop(); }
                }
                double.times(&denominator)
            };
            let odd = q.0.first().is_some_and(|d| d % 2 == 1);
            let above = twice.compare(&around(true));
            prop_assert!(above.is_lt() || (above.is_eq() && even && !odd));
            if !q.0.is_empty() {
                let below = around(false).compare(&twice);
                prop_assert!(below.is_lt() || (below.is_eq() && (!even || !odd)));
            }
        }

        #[test]
        fn sums_and_differences_undo_each_other(a in operand(), b in operand()) {
            let types = (DataType::Decimal128(a.1, a.2), DataType::Decimal128(b.1, b.2));
            let out = result_type(Op::Add, &types.0, &types.1).expect("a type");
            let sum = arithmetic(Op::Add, &value(a), &value(b), 1, &out, Rounding::HalfEven).expect("computes");
            prop_assert!(sum.failed.is_none());
            let sum = ColumnarValue::Array(sum.array);
            let wide = result_type(Op::Sub, &out, &types.1).expect("a type");
            let back = arithmetic(Op::Sub, &sum, &value(b), 1, &wide, Rounding::HalfEven).expect("computes");
            let order = compare(&ColumnarValue::Array(back.array), &value(a), 1).expect("compares");
            prop_assert_eq!(order.as_primitive::<Int64Type>().value(0), 0);
        }

        #[test]
        fn integers_do_what_checked_integers_do(a in any::<i64>(), b in prop_oneof![any::<i64>(), -3i64..3]) {
            let one = |v: i64| ColumnarValue::Array(Arc::new(Int64Array::from(vec![v])) as ArrayRef);
            for (op, expected) in [
                (Op::Add, a.checked_add(b)),
                (Op::Sub, a.checked_sub(b)),
                (Op::Mul, a.checked_mul(b)),
                (Op::IntDiv, a.checked_div(b)),
                (Op::Mod, if b == -1 { Some(0) } else { a.checked_rem(b) }),
            ] {
                let outcome = arithmetic(op, &one(a), &one(b), 1, &DataType::Int64, Rounding::HalfEven).expect("computes");
                let got = outcome.failed.is_none().then(|| outcome.array.as_primitive::<Int64Type>().value(0));
                prop_assert_eq!(got, expected, "{} {} {}", a, op.symbol(), b);
            }
        }

        #[test]
        fn a_decimal_reads_back(a in operand()) {
            let text = arrow_cast(&match value(a) { ColumnarValue::Array(x) => x, _ => unreachable!() }, &DataType::Utf8).expect("text");
            let text = text.as_string::<i32>().value(0);
            prop_assert_eq!(crate::text::decimal(text.as_bytes(), a.1, a.2), Some(a.0));
        }
    }
}
