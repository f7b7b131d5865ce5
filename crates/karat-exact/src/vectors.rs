//! Lists of numbers: added and scaled element by element, summed and averaged exactly (E1, E4).

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Decimal128Builder, Float64Builder, Int64Builder, ListArray,
    UInt64Array,
};
use arrow::buffer::{BooleanBuffer, NullBuffer, OffsetBuffer};
use arrow::compute::{cast as arrow_cast, take};
use arrow::datatypes::{DataType, Decimal128Type, Field, FieldRef, Float64Type};
use datafusion::logical_expr::ColumnarValue;

use crate::aggregates::{avg_type, sum_type};
use crate::conversion::{self, Rules, failures};
use crate::doubles::DoubleSums;
use crate::error::ExactError;
use crate::nested::element;
use crate::numbers::{
    self, Number, Op, Outcome, Rest, Why, apply_failed, divide, fits, number, union_failed,
};

/// What becomes of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Vector {
    Add,
    Subtract,
    Scale,
    Sum,
    Avg,
}

pub(crate) fn list_of(item: DataType) -> DataType {
    DataType::List(Arc::new(Field::new_list_field(item, true)))
}

/// The type of the elements, which are numbers.
pub(crate) fn numbers_of(data_type: &DataType) -> Option<&DataType> {
    match data_type {
        DataType::Null => Some(&DataType::Null),
        other => element(other)
            .map(|item| item.data_type())
            .filter(|item| number(item).is_some()),
    }
}

/// The type of the answer; None where an argument is no list of numbers.
pub(crate) fn result(what: Vector, types: &[DataType]) -> Option<DataType> {
    let first = numbers_of(types.first()?)?;
    match what {
        Vector::Add | Vector::Subtract => {
            let second = numbers_of(types.get(1)?)?;
            numbers::result_type(op(what), first, second)
                .ok()
                .map(list_of)
        }
        Vector::Scale => {
            let by = types.get(1).filter(|by| number(by).is_some())?;
            numbers::result_type(Op::Mul, first, by).ok().map(list_of)
        }
        Vector::Sum | Vector::Avg => {
            let found = match (first, what) {
                (DataType::Null, _) => Some(DataType::Int64),
                (item, Vector::Sum) => sum_type(item).ok(),
                (item, _) => avg_type(item).ok(),
            };
            found.filter(|t| !matches!(t, DataType::Decimal256(..)))
        }
    }
}

fn op(what: Vector) -> Op {
    match what {
        Vector::Add => Op::Add,
        Vector::Subtract => Op::Sub,
        _ => Op::Mul,
    }
}

/// Lists with offsets from 0.
pub(crate) struct Lists {
    offsets: OffsetBuffer<i32>,
    pub(crate) values: ArrayRef,
    pub(crate) nulls: Option<NullBuffer>,
}

impl Lists {
    pub(crate) fn new(array: &ArrayRef) -> Result<Lists, ExactError> {
        let item: FieldRef = match element(array.data_type()) {
            Some(item) => item.clone(),
            None => Arc::new(Field::new_list_field(DataType::Null, true)),
        };
        let array = arrow_cast(array, &DataType::List(item)).map_err(ExactError::arrow)?;
        let list = array.as_list::<i32>();
        let first = list.offsets().first().map_or(0, |first| *first as usize);
        let last = list.offsets().last().map_or(0, |last| *last as usize);
        Ok(Lists {
            offsets: OffsetBuffer::from_lengths(list.offsets().lengths()),
            values: list.values().slice(first, last - first),
            nulls: list.nulls().cloned(),
        })
    }

    pub(crate) fn span(&self, row: usize) -> std::ops::Range<usize> {
        self.offsets[row] as usize..self.offsets[row + 1] as usize
    }
}

/// Values and failed rows.
pub(crate) fn compute(
    what: Vector,
    arrays: &[ArrayRef],
    rows: usize,
    out: &DataType,
    rules: Rules,
) -> Result<Outcome, ExactError> {
    let Some(first) = arrays.first() else {
        return Err(ExactError::Internal("a list is missing".to_string()));
    };
    let lists = Lists::new(first)?;
    match (what, arrays.get(1)) {
        (Vector::Sum, _) => folded(&lists, rows, out, None, rules),
        (Vector::Avg, _) => folded(&lists, rows, out, Some(Rest::Round(rules.rounding)), rules),
        (Vector::Scale, Some(by)) => {
            let of: UInt64Array = (0..rows)
                .flat_map(|row| std::iter::repeat_n(row as u64, lists.span(row).len()))
                .collect();
            let by_element = take(by, &of, None).map_err(ExactError::arrow)?;
            let nulls = NullBuffer::union(lists.nulls.as_ref(), by.logical_nulls().as_ref());
            element_wise(what, lists, by_element, nulls, &[], out, rules)
        }
        (_, Some(second)) => {
            let second = Lists::new(second)?;
            let nulls = NullBuffer::union(lists.nulls.as_ref(), second.nulls.as_ref());
            let valid = |row: usize| nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row));
            // Lists of different lengths have no sum.
            let uneven: Vec<usize> = (0..rows)
                .filter(|row| valid(*row) && lists.span(*row).len() != second.span(*row).len())
                .collect();
            let kept = |row: usize| valid(row) && uneven.binary_search(&row).is_err();
            let (left, right) = (lists.only(rows, kept)?, second.only(rows, kept)?);
            element_wise(what, left, right.values, nulls, &uneven, out, rules)
        }
        (_, None) => Err(ExactError::Internal("a list is missing".to_string())),
    }
}

impl Lists {
    /// The rows that are kept; the others are empty.
    fn only(&self, rows: usize, kept: impl Fn(usize) -> bool) -> Result<Lists, ExactError> {
        let taken: UInt64Array = (0..rows)
            .filter(|row| kept(*row))
            .flat_map(|row| self.span(row).map(|at| at as u64))
            .collect();
        let lengths = (0..rows).map(|row| if kept(row) { self.span(row).len() } else { 0 });
        Ok(Lists {
            offsets: OffsetBuffer::from_lengths(lengths),
            values: take(&self.values, &taken, None).map_err(ExactError::arrow)?,
            nulls: None,
        })
    }
}

fn element_wise(
    what: Vector,
    left: Lists,
    right: ArrayRef,
    nulls: Option<NullBuffer>,
    uneven: &[usize],
    out: &DataType,
    rules: Rules,
) -> Result<Outcome, ExactError> {
    let DataType::List(field) = out else {
        return Err(ExactError::Internal(format!("a list as {out}")));
    };
    let count = right.len();
    let done = numbers::arithmetic(
        op(what),
        &ColumnarValue::Array(left.values.clone()),
        &ColumnarValue::Array(right),
        count,
        field.data_type(),
        rules.rounding,
    )?;
    let rows = left.offsets.len().saturating_sub(1);
    let failed = done.failed.as_ref().map(|failed| {
        BooleanBuffer::collect_bool(rows, |row| left.span(row).any(|at| failed.value(at)))
    });
    let (_, unequal) = failures(nulls.as_ref(), uneven, rows);
    let why = if unequal.is_some() {
        Why::Domain
    } else {
        done.why
    };
    let (nulls, failed) = match union_failed(failed, unequal) {
        Some(failed) => apply_failed(nulls, failed),
        None => (nulls, None),
    };
    let array = ListArray::try_new(field.clone(), left.offsets, done.array, nulls)
        .map_err(ExactError::arrow)?;
    Ok(Outcome {
        array: Arc::new(array),
        failed,
        why,
    })
}

/// The sum of each list, or its mean, rounded once; null where it holds no value.
fn folded(
    lists: &Lists,
    rows: usize,
    out: &DataType,
    mean: Option<Rest>,
    rules: Rules,
) -> Result<Outcome, ExactError> {
    let valid = |row: usize| lists.nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row));
    if matches!(out, DataType::Float64) {
        let doubles = conversion::cast(&lists.values, &DataType::Float64, rules)?.array;
        let doubles = doubles.as_primitive::<Float64Type>();
        let mut builder = Float64Builder::with_capacity(rows);
        for row in 0..rows {
            let mut sums = DoubleSums::default();
            sums.resize(1);
            let mut count = 0;
            for at in lists.span(row).filter(|at| doubles.is_valid(*at)) {
                sums.add(0, doubles.value(at), false);
                count += 1;
            }
            builder.append_option((valid(row) && count > 0).then(|| match mean {
                Some(_) => sums.mean(0, count),
                None => sums.sum(0),
            }));
        }
        return Ok(Outcome::fine(Arc::new(builder.finish())));
    }
    // Whole numbers and decimals are sums of their digits.
    let scale = match number(lists.values.data_type()) {
        Some(Number::Decimal(_, s)) => s,
        _ => 0,
    };
    let exact = conversion::cast(&lists.values, &DataType::Decimal128(38, scale), rules)?;
    let digits = exact.array.as_primitive::<Decimal128Type>();
    let mut bad = Vec::new();
    let mut found: Vec<Option<i128>> = Vec::with_capacity(rows);
    for row in 0..rows {
        let mut sum = Some(0i128);
        let mut count = 0i128;
        for at in lists.span(row) {
            if exact.failed.as_ref().is_some_and(|failed| failed.value(at)) {
                sum = None;
            }
            if digits.is_valid(at) {
                sum = sum.and_then(|sum| sum.checked_add(digits.value(at)));
                count += 1;
            }
        }
        if !valid(row) || count == 0 {
            found.push(None);
            continue;
        }
        let value = sum.and_then(|sum| match (out, mean) {
            (DataType::Decimal128(_, places), Some(rest)) => {
                let power = numbers::POWERS.get(usize::try_from(places - scale).ok()?)?;
                Some(divide(sum.checked_mul(*power)?, count, rest))
            }
            _ => Some(sum),
        });
        let value = value.filter(|value| match out {
            DataType::Int64 => i64::try_from(*value).is_ok(),
            _ => fits(*value, 38),
        });
        if value.is_none() {
            bad.push(row);
        }
        found.push(value);
    }
    let array: ArrayRef = match out {
        DataType::Int64 => {
            let mut builder = Int64Builder::with_capacity(rows);
            found
                .iter()
                .for_each(|v| builder.append_option(v.and_then(|v| i64::try_from(v).ok())));
            Arc::new(builder.finish())
        }
        _ => {
            let mut builder = Decimal128Builder::with_capacity(rows).with_data_type(out.clone());
            found.iter().for_each(|v| builder.append_option(*v));
            Arc::new(builder.finish())
        }
    };
    let (_, failed) = failures(None, &bad, rows);
    Ok(Outcome {
        array,
        failed,
        why: Why::Overflow,
    })
}
