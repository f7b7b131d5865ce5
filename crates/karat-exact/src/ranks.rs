//! Medians, percentiles and the most frequent value: exact, of all values of a group (rule E4).
//!
//! A group's values are kept until the end, one after the other with the number of their group, and sorted as far as the answer
//! asks for. An interpolated value is one quotient of integers, rounded once to the type that `avg` would have.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt::Debug;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Decimal128Array, Decimal256Array, Float64Array,
    Int64Array, ListArray, new_null_array,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Decimal128Type, Decimal256Type, Field, Float64Type, Int64Type, i256,
};
use arrow::row::{RowConverter, SortField};
use datafusion::common::{Result, ScalarValue};

use crate::accumulators::{Call, GroupOf, Store, broken_state, chosen, each_row, expect_arguments};
use crate::aggregates::{argument, avg_type};
use crate::checked::type_error;
use crate::error::ExactError;
use crate::numbers::{
    Number, Rest, Rounding, canonical, decimal_128, decimal_256, divide_wide, fits, fits_wide,
    number, split,
};
use crate::types::type_name;
use crate::wide::{Dyadic, quotient};

/// A function of the sorted values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Rank {
    Median,
    Mode,
    PercentileCont,
    PercentileDisc,
    /// `approx_median`: what an estimate comes near to (E4).
    NearMedian,
    /// `approx_percentile_cont`, with or without the number of centroids of a sketch.
    NearPercentile,
}

impl Rank {
    pub(crate) const ALL: [Rank; 6] = [
        Rank::Median,
        Rank::Mode,
        Rank::PercentileCont,
        Rank::PercentileDisc,
        Rank::NearMedian,
        Rank::NearPercentile,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Rank::Median => "karat_median",
            Rank::Mode => "karat_mode",
            Rank::PercentileCont => "karat_percentile_cont",
            Rank::PercentileDisc => "karat_percentile_disc",
            Rank::NearMedian => "karat_approx_median",
            Rank::NearPercentile => "karat_approx_percentile_cont",
        }
    }

    pub(crate) fn aliases(self) -> &'static [&'static str] {
        match self {
            Rank::Median => &["median"],
            Rank::Mode => &["mode"],
            Rank::PercentileCont => &["percentile_cont", "quantile_cont"],
            Rank::PercentileDisc => &["percentile_disc", "quantile_disc", "quantile"],
            Rank::NearMedian => &["approx_median"],
            Rank::NearPercentile => &["approx_percentile_cont"],
        }
    }

    fn sql_name(self) -> &'static str {
        self.aliases()[0]
    }

    pub(crate) fn interpolates(self) -> bool {
        !matches!(self, Rank::Mode | Rank::PercentileDisc)
    }

    pub(crate) fn arguments(self, types: &[DataType]) -> Result<Vec<DataType>> {
        let name = self.sql_name();
        let wanted = match self {
            Rank::Median | Rank::Mode | Rank::NearMedian => 1,
            Rank::NearPercentile if types.len() == 3 => 3,
            _ => 2,
        };
        expect_arguments(name, wanted, types)?;
        let mut types = types.to_vec();
        types[0] = if self.interpolates() {
            argument(name, &types[0])?
        } else {
            sortable(name, &types[0])?
        };
        if let Some(fraction) = types.get(1)
            && !matches!(
                number(fraction),
                Some(Number::Integer(_) | Number::Decimal(..) | Number::Double)
            )
        {
            return Err(type_error(
                format!(
                    "the fraction of `{name}` is a number from 0 to 1, not {}",
                    type_name(fraction)
                ),
                Some("for example 0.9"),
            ));
        }
        if let Some(centroids) = types.get(2)
            && !matches!(number(centroids), Some(Number::Integer(_)))
        {
            return Err(type_error(
                format!(
                    "the number of centroids of `{name}` is a whole number, not {}",
                    type_name(centroids)
                ),
                Some("leave it out: the answer is exact"),
            ));
        }
        Ok(types)
    }

    pub(crate) fn result(self, value: &DataType) -> Result<DataType> {
        if self.interpolates() {
            return avg_type(value);
        }
        Ok(value.clone())
    }

    pub(crate) fn store(self, call: &Call) -> Result<Box<dyn Store>> {
        let (mut above, below) = match self {
            Rank::Median | Rank::NearMedian => (1, 2),
            Rank::Mode => (0, 1),
            _ => {
                let literal = call.literals.get(1).cloned().flatten();
                fraction(self.sql_name(), literal.as_ref())?
            }
        };
        if call.descending && self.interpolates() {
            above = below - above;
        }
        let value = call.types[0].clone();
        let scale = |t: &DataType| match t {
            DataType::Decimal128(_, s) | DataType::Decimal256(_, s) => i32::from(*s),
            _ => 0,
        };
        let rows = match &value {
            DataType::Int64
            | DataType::Decimal128(..)
            | DataType::Decimal256(..)
            | DataType::Float64 => None,
            other => Some(Arc::new(RowConverter::new(vec![SortField::new(
                other.clone(),
            )])?)),
        };
        let plan = Plan {
            rank: self,
            fraction: (above, below),
            descending: call.descending,
            lift: scale(&call.out) - scale(&value),
            out: call.out.clone(),
            rounding: call.rounding,
            sliding: call.sliding,
            text: call.text.clone(),
            rows,
            value,
        };
        Ok(match &plan.value {
            DataType::Int64 => Box::new(Ranks::<i64>::new(plan)),
            DataType::Decimal128(..) => Box::new(Ranks::<i128>::new(plan)),
            DataType::Decimal256(..) => Box::new(Ranks::<i256>::new(plan)),
            DataType::Float64 => Box::new(Ranks::<f64>::new(plan)),
            _ => Box::new(Ranks::<Box<[u8]>>::new(plan)),
        })
    }
}

/// A type whose values have one order, as they are sorted: doubles of one width, no dictionaries.
pub(crate) fn sortable(name: &str, data_type: &DataType) -> Result<DataType> {
    let plain = match data_type {
        DataType::Dictionary(_, value) => value.as_ref().clone(),
        DataType::Float16 | DataType::Float32 => DataType::Float64,
        DataType::Null => DataType::Int64,
        other => other.clone(),
    };
    if !RowConverter::supports_fields(&[SortField::new(plain.clone())]) {
        return Err(type_error(
            format!(
                "`{name}` takes values with an order, not {}",
                type_name(data_type)
            ),
            Some("take a field or an element of it"),
        ));
    }
    Ok(plain)
}

/// Doubles with one zero and one NaN, so that their order is that of all comparisons (E6).
pub(crate) fn with_one_zero(array: &ArrayRef) -> ArrayRef {
    match array.data_type() {
        DataType::Float64 => {
            let doubles = array.as_primitive::<Float64Type>();
            Arc::new(doubles.unary::<_, Float64Type>(canonical))
        }
        _ => array.clone(),
    }
}

/// The literal as a fraction of integers.
fn fraction(name: &str, literal: Option<&ScalarValue>) -> Result<(u128, u128)> {
    // Known only when a query is about to run, since an expression of literals is one, too.
    let wrong = |what: &str| {
        let what = format!("the fraction of `{name}` {what}");
        ExactError::refused(what, "for example 0.9".to_string()).into()
    };
    let Some(literal) = literal else {
        return Err(wrong("must be a literal"));
    };
    // A double is taken for the decimal by which it is written.
    let decimal = match literal {
        ScalarValue::Float64(Some(x)) if x.is_finite() => {
            ScalarValue::Utf8(Some(format!("{x}"))).cast_to(&DataType::Decimal128(38, 18))
        }
        other => other.cast_to(&DataType::Decimal128(38, 18)),
    };
    match decimal {
        Ok(ScalarValue::Decimal128(Some(value), ..)) => {
            let below = 10u128.pow(18);
            let exact = literal.data_type().is_floating()
                || ScalarValue::Decimal128(Some(value), 38, 18)
                    .cast_to(&literal.data_type())
                    .is_ok_and(|back| back == *literal);
            match u128::try_from(value) {
                Ok(_) if !exact => Err(wrong("has more than 18 decimal places")),
                Ok(above) if above <= below => {
                    let common = common_divisor(above, below);
                    Ok((above / common, below / common))
                }
                _ => Err(wrong("lies between 0 and 1")),
            }
        }
        _ => Err(wrong("must be a number from 0 to 1")),
    }
}

fn common_divisor(mut a: u128, mut b: u128) -> u128 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// What is asked of the sorted values.
#[derive(Clone, Debug)]
struct Plan {
    rank: Rank,
    /// Counted from the lowest value.
    fraction: (u128, u128),
    descending: bool,
    /// The type of the values, and how they become bytes if they are no numbers.
    value: DataType,
    rows: Option<Arc<RowConverter>>,
    out: DataType,
    /// Decimal places that the result has more than the values.
    lift: i32,
    rounding: Rounding,
    sliding: bool,
    text: String,
}

/// A value as it is kept.
trait Item: Clone + Debug + Send + Sync + 'static {
    /// A column's values; what stands in the place of nulls is not looked at.
    fn values<'a>(plan: &Plan, array: &'a ArrayRef) -> Result<Cow<'a, [Self]>>;
    /// An array of them; what stands in the place of nulls is not looked at.
    fn array(plan: &Plan, values: Vec<Self>, nulls: Option<NullBuffer>) -> Result<ArrayRef>;
    /// What stands in the place of a null.
    fn nothing() -> Self;
    fn order(&self, other: &Self) -> Ordering;
    fn heap(&self) -> usize {
        0
    }
    /// As a decimal's unscaled value.
    fn unscaled(&self) -> Option<i256> {
        None
    }
    fn double(&self) -> Option<f64> {
        None
    }
}

impl Item for i64 {
    fn values<'a>(_: &Plan, array: &'a ArrayRef) -> Result<Cow<'a, [i64]>> {
        Ok(Cow::Borrowed(array.as_primitive::<Int64Type>().values()))
    }

    fn array(_: &Plan, values: Vec<i64>, nulls: Option<NullBuffer>) -> Result<ArrayRef> {
        Ok(Arc::new(Int64Array::new(values.into(), nulls)))
    }

    fn nothing() -> i64 {
        0
    }

    fn order(&self, other: &i64) -> Ordering {
        self.cmp(other)
    }

    fn unscaled(&self) -> Option<i256> {
        Some(i256::from_i128(i128::from(*self)))
    }
}

impl Item for i128 {
    fn values<'a>(_: &Plan, array: &'a ArrayRef) -> Result<Cow<'a, [i128]>> {
        let values = array.as_primitive::<Decimal128Type>().values();
        Ok(Cow::Borrowed(values))
    }

    fn array(plan: &Plan, values: Vec<i128>, nulls: Option<NullBuffer>) -> Result<ArrayRef> {
        let array = Decimal128Array::new(values.into(), nulls);
        Ok(Arc::new(array.with_data_type(plan.value.clone())))
    }

    fn nothing() -> i128 {
        0
    }

    fn order(&self, other: &i128) -> Ordering {
        self.cmp(other)
    }

    fn unscaled(&self) -> Option<i256> {
        Some(i256::from_i128(*self))
    }
}

impl Item for i256 {
    fn values<'a>(_: &Plan, array: &'a ArrayRef) -> Result<Cow<'a, [i256]>> {
        let values = array.as_primitive::<Decimal256Type>().values();
        Ok(Cow::Borrowed(values))
    }

    fn array(plan: &Plan, values: Vec<i256>, nulls: Option<NullBuffer>) -> Result<ArrayRef> {
        let array = Decimal256Array::new(values.into(), nulls);
        Ok(Arc::new(array.with_data_type(plan.value.clone())))
    }

    fn nothing() -> i256 {
        i256::ZERO
    }

    fn order(&self, other: &i256) -> Ordering {
        self.cmp(other)
    }

    fn unscaled(&self) -> Option<i256> {
        Some(*self)
    }
}

impl Item for f64 {
    fn values<'a>(_: &Plan, array: &'a ArrayRef) -> Result<Cow<'a, [f64]>> {
        let values = array.as_primitive::<Float64Type>().values().iter();
        Ok(Cow::Owned(values.map(|x| canonical(*x)).collect()))
    }

    fn array(_: &Plan, values: Vec<f64>, nulls: Option<NullBuffer>) -> Result<ArrayRef> {
        Ok(Arc::new(Float64Array::new(values.into(), nulls)))
    }

    fn nothing() -> f64 {
        0.0
    }

    fn order(&self, other: &f64) -> Ordering {
        self.total_cmp(other)
    }

    fn double(&self) -> Option<f64> {
        Some(*self)
    }
}

/// Values of other types: bytes that sort as they do.
impl Item for Box<[u8]> {
    fn values<'a>(plan: &Plan, array: &'a ArrayRef) -> Result<Cow<'a, [Box<[u8]>]>> {
        let converter = plan.converter()?;
        let rows = converter.convert_columns(std::slice::from_ref(array))?;
        Ok(Cow::Owned(
            rows.iter().map(|row| row.data().into()).collect(),
        ))
    }

    fn array(plan: &Plan, values: Vec<Box<[u8]>>, nulls: Option<NullBuffer>) -> Result<ArrayRef> {
        let converter = plan.converter()?;
        let null = new_null_array(&plan.value, 1);
        let null = converter.convert_columns(&[null])?;
        let parser = converter.parser();
        let is_null = |row| nulls.as_ref().is_some_and(|nulls| nulls.is_null(row));
        let rows = values.iter().enumerate().map(|(row, bytes)| {
            if is_null(row) {
                null.row(0)
            } else {
                parser.parse(bytes)
            }
        });
        let mut columns = converter.convert_rows(rows)?;
        let column = columns.pop();
        Ok(column.ok_or_else(|| broken_state(plan.rank.sql_name()))?)
    }

    fn nothing() -> Box<[u8]> {
        Box::default()
    }

    fn order(&self, other: &Box<[u8]>) -> Ordering {
        self.cmp(other)
    }

    fn heap(&self) -> usize {
        self.len() + 16
    }
}

impl Plan {
    fn converter(&self) -> Result<&RowConverter> {
        let converter = self.rows.as_deref();
        Ok(converter.ok_or_else(|| broken_state(self.rank.sql_name()))?)
    }

    /// The answer for the values of one group, of which there is at least one.
    fn pick<T: Item>(&self, values: &mut [T]) -> T {
        let (above, below) = self.fraction;
        let count = values.len() as u128;
        if self.rank == Rank::Mode {
            return self.most_frequent(values);
        }
        // The first value that at least the fraction of all is not after.
        let place = (above * count).div_ceil(below).max(1) as usize - 1;
        let place = if self.descending {
            values.len() - 1 - place
        } else {
            place
        };
        let (_, value, _) = values.select_nth_unstable_by(place, T::order);
        value.clone()
    }

    /// Of the values that stand most often the first in order.
    fn most_frequent<T: Item>(&self, values: &mut [T]) -> T {
        values.sort_unstable_by(|a, b| match self.descending {
            true => b.order(a),
            false => a.order(b),
        });
        let runs = values.chunk_by(|a, b| a.order(b) == Ordering::Equal);
        let mut best: &[T] = &values[..1];
        for run in runs {
            if run.len() > best.len() {
                best = run;
            }
        }
        best[0].clone()
    }

    /// The two values between which the answer lies, and how far from the first: rest / below.
    fn neighbours<T: Item>(&self, values: &mut [T]) -> (T, T, u128) {
        let (above, below) = self.fraction;
        let reach = above * (values.len() as u128 - 1);
        let (place, rest) = ((reach / below) as usize, reach % below);
        let (_, low, later) = values.select_nth_unstable_by(place, T::order);
        let low = low.clone();
        let high = match rest {
            0 => low.clone(),
            _ => later
                .iter()
                .min_by(|a, b| a.order(b))
                .unwrap_or(&low)
                .clone(),
        };
        (low, high, rest)
    }

    fn between(&self, low: i256, high: i256, rest: u128) -> Option<i256> {
        let whole = |value: u128| i256::from_i128(value as i128);
        let below = self.fraction.1;
        let sum = low
            .checked_mul(whole(below - rest))?
            .checked_add(high.checked_mul(whole(rest))?)?;
        divide_wide(sum, self.lift, whole(below), Rest::Round(self.rounding))
    }

    fn between_doubles(&self, low: f64, high: f64, rest: u128) -> f64 {
        let below = self.fraction.1;
        if rest == 0 || low == high || low.is_nan() {
            return low;
        }
        if !low.is_finite() || !high.is_finite() {
            return canonical(low + (high - low) * 0.5);
        }
        let exact = |x: f64| {
            let (negative, m, e) = split(x);
            Dyadic::new(negative, vec![m], i64::from(e))
        };
        let low = exact(low).times(&Dyadic::whole(below - rest));
        let above = exact(-high).times(&Dyadic::whole(rest));
        quotient(&low.minus(&above), &Dyadic::whole(below))
    }

    /// The answers for groups of values; each group's values change places.
    fn results<'a, T: Item>(
        &self,
        groups: impl Iterator<Item = &'a mut [T]>,
        count: usize,
    ) -> Result<ArrayRef> {
        let mut valid = Vec::with_capacity(count);
        let groups = groups.map(|values| {
            valid.push(!values.is_empty());
            values
        });
        let overflow = || ExactError::Overflow(self.text.clone());
        if !self.rank.interpolates() {
            let picked: Vec<T> = groups
                .map(|values| match values.is_empty() {
                    true => T::nothing(),
                    false => self.pick(values),
                })
                .collect();
            return T::array(self, picked, Some(NullBuffer::from(valid)));
        }
        if self.out == DataType::Float64 {
            let value = |values: &mut [T]| {
                if values.is_empty() {
                    return 0.0;
                }
                let (low, high, rest) = self.neighbours(values);
                low.double()
                    .zip(high.double())
                    .map_or(f64::NAN, |(low, high)| {
                        self.between_doubles(low, high, rest)
                    })
            };
            let values: Vec<f64> = groups.map(value).collect();
            let nulls = Some(NullBuffer::from(valid));
            return Ok(Arc::new(Float64Array::new(values.into(), nulls)));
        }
        let mut values = Vec::with_capacity(count);
        for group in groups {
            if group.is_empty() {
                values.push(i256::ZERO);
                continue;
            }
            let (low, high, rest) = self.neighbours(group);
            let value = low
                .unscaled()
                .zip(high.unscaled())
                .and_then(|(low, high)| self.between(low, high, rest));
            values.push(value.ok_or_else(overflow)?);
        }
        let nulls = Some(NullBuffer::from(valid));
        match self.out {
            DataType::Decimal128(p, s) => {
                let narrow = values
                    .into_iter()
                    .map(|value| value.to_i128().filter(|v| fits(*v, p)).ok_or_else(overflow));
                let narrow = narrow.collect::<std::result::Result<_, _>>()?;
                Ok(decimal_128(narrow, nulls, (p, s))?)
            }
            DataType::Decimal256(p, s) => {
                if values.iter().any(|value| !fits_wide(*value, p)) {
                    return Err(overflow().into());
                }
                Ok(decimal_256(values, nulls, (p, s))?)
            }
            ref other => Err(ExactError::Internal(format!("a percentile that is {other}")).into()),
        }
    }
}

/// The values of every group, in the order in which they came until an answer or a state is asked for.
#[derive(Debug)]
struct Ranks<T> {
    plan: Plan,
    total: usize,
    values: Vec<T>,
    /// The group of each value.
    groups: Vec<u32>,
    /// Whether rows are taken away again, and how many at the front are.
    sliding: bool,
    gone: usize,
    heap: usize,
}

impl<T: Item> Ranks<T> {
    fn new(plan: Plan) -> Ranks<T> {
        Ranks {
            total: 0,
            values: Vec::new(),
            groups: Vec::new(),
            sliding: plan.sliding,
            plan,
            gone: 0,
            heap: 0,
        }
    }

    fn add(
        &mut self,
        array: &ArrayRef,
        filter: Option<&BooleanArray>,
        group: impl Fn(usize) -> usize,
    ) -> Result<()> {
        if u32::try_from(self.total).is_err() {
            let what = format!("the groups of `{}`", self.plan.text);
            return Err(ExactError::Memory(what).into());
        }
        // A dictionary or a view keeps its type in the column.
        let array = match *array.data_type() == self.plan.value {
            true => array.clone(),
            false => cast(array, &self.plan.value)?,
        };
        let chosen = chosen(std::slice::from_ref(&array), filter);
        let values = T::values(&self.plan, &array)?;
        let (kept, groups, heap) = (&mut self.values, &mut self.groups, &mut self.heap);
        each_row(array.len(), chosen.as_ref(), |row| {
            let value = values[row].clone();
            *heap += value.heap();
            kept.push(value);
            groups.push(group(row) as u32);
        });
        Ok(())
    }

    /// Brings the values of each group together, in place, and gives where each of the first n groups ends.
    fn by_group(&mut self, n: usize) -> Vec<usize> {
        let mut ends = vec![0usize; self.total + 1];
        for group in &self.groups {
            ends[*group as usize + 1] += 1;
        }
        for group in 1..ends.len() {
            ends[group] += ends[group - 1];
        }
        if !self.groups.is_sorted() {
            let mut next = ends.clone();
            let mut place: Vec<usize> = Vec::with_capacity(self.groups.len());
            for group in &self.groups {
                let next = &mut next[*group as usize];
                place.push(*next);
                *next += 1;
            }
            for at in 0..place.len() {
                while place[at] != at {
                    let to = place[at];
                    self.values.swap(at, to);
                    self.groups.swap(at, to);
                    place.swap(at, to);
                }
            }
        }
        ends.remove(0);
        ends.truncate(n);
        ends
    }
}

/// The parts of a slice that end at these places.
fn parts<'a, T>(mut rest: &'a mut [T], ends: &'a [usize]) -> impl Iterator<Item = &'a mut [T]> {
    let mut from = 0;
    ends.iter().map(move |end| {
        let (part, later) = std::mem::take(&mut rest).split_at_mut(end - from);
        (rest, from) = (later, *end);
        part
    })
}

impl<T: Item> Store for Ranks<T> {
    fn groups(&self) -> usize {
        self.total
    }

    fn resize(&mut self, groups: usize) {
        self.total = self.total.max(groups);
    }

    fn update(
        &mut self,
        arrays: &[ArrayRef],
        filter: Option<&BooleanArray>,
        groups: GroupOf,
    ) -> Result<()> {
        let name = self.plan.rank.sql_name();
        let array = arrays.first().ok_or_else(|| broken_state(name))?;
        self.add(array, filter, |row| groups.row(row))
    }

    fn retract(&mut self, arrays: &[ArrayRef]) -> Result<()> {
        // A frame slides over its rows in the order in which it met them.
        if let Some(array) = arrays.first() {
            self.gone += array.len() - array.logical_null_count();
        }
        if self.gone > self.values.len() / 2 {
            for value in self.values.drain(..self.gone) {
                self.heap -= value.heap();
            }
            self.groups.drain(..self.gone);
            self.gone = 0;
        }
        Ok(())
    }

    fn merge(&mut self, states: &[ArrayRef], groups: GroupOf) -> Result<()> {
        let name = self.plan.rank.sql_name();
        let lists = states.first().ok_or_else(|| broken_state(name))?;
        let lists = lists.as_list::<i32>();
        let offsets = lists.offsets();
        let mut of_value = vec![0usize; lists.values().len()];
        let mut chosen = vec![false; of_value.len()];
        for row in 0..lists.len() {
            if lists.is_valid(row) {
                let range = offsets[row] as usize..offsets[row + 1] as usize;
                of_value[range.clone()].fill(groups.row(row));
                chosen[range].fill(true);
            }
        }
        let chosen = BooleanArray::from(chosen);
        self.add(lists.values(), Some(&chosen), |row| of_value[row])
    }

    fn states(&mut self, n: usize) -> Result<Vec<ArrayRef>> {
        let ends = self.by_group(n);
        let count = ends.last().copied().unwrap_or(0);
        if i32::try_from(count).is_err() {
            let what = format!("the values of `{}`", self.plan.text);
            return Err(ExactError::Memory(what).into());
        }
        let later = self.values.split_off(count);
        let values = std::mem::replace(&mut self.values, later);
        self.heap -= values.iter().map(T::heap).sum::<usize>();
        self.groups.drain(..count);
        let lengths = ends.iter().scan(0, |from, end| {
            let length = end - *from;
            *from = *end;
            Some(length)
        });
        let list = ListArray::try_new(
            Arc::new(Field::new_list_field(self.plan.value.clone(), true)),
            OffsetBuffer::from_lengths(lengths),
            T::array(&self.plan, values, None)?,
            None,
        )?;
        Ok(vec![Arc::new(list)])
    }

    fn results(&mut self, n: usize) -> Result<ArrayRef> {
        if self.sliding {
            // Later rows take these away in the order in which they came.
            let mut live = self.values[self.gone..].to_vec();
            return self.plan.results(std::iter::once(live.as_mut_slice()), 1);
        }
        let ends = self.by_group(n);
        self.plan.results(parts(&mut self.values, &ends), n)
    }

    fn drop_first(&mut self, n: usize) {
        let gone = self
            .groups
            .iter()
            .take_while(|group| (**group as usize) < n);
        let count = gone.count();
        for value in self.values.drain(..count) {
            self.heap -= value.heap();
        }
        self.groups.drain(..count);
        for group in &mut self.groups {
            *group -= n as u32;
        }
        self.total -= n.min(self.total);
    }

    fn size(&self) -> usize {
        size_of::<Self>()
            + self.values.capacity() * size_of::<T>()
            + self.groups.capacity() * size_of::<u32>()
            + self.heap
    }

    fn empty(&self) -> Box<dyn Store> {
        Box::new(Ranks::<T>::new(self.plan.clone()))
    }
}
