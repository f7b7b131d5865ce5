//! Variances, covariances and regressions from exact sums of values and products, rounded once (rule E4).
//!
//! Nothing is lost before the end, whatever the types: a value is an integer times a power of two, and of ten for decimals, and so
//! are its products. A result is one quotient of such numbers, or the root of one.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryBuilder, BooleanArray, Float64Array, Int64Array,
};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, Decimal128Type, Decimal256Type, Float64Type, Int64Type, i256};
use datafusion::common::Result;

use crate::accumulators::{Call, GroupOf, Store, broken_state, chosen, each_row, expect_arguments};
use crate::aggregates::argument;
use crate::doubles::shift_keys;
use crate::error::ExactError;
use crate::numbers::{canonical, split};
use crate::wide::{Dyadic, ExactSum, quotient, root_of_quotient};

/// A function of the moments of one column, or of two: (y, x).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Moment {
    Corr,
    CovarPop,
    CovarSamp,
    RegrAvgX,
    RegrAvgY,
    RegrCount,
    RegrIntercept,
    RegrR2,
    RegrSlope,
    RegrSxx,
    RegrSxy,
    RegrSyy,
    StddevPop,
    StddevSamp,
    VarPop,
    VarSamp,
}

/// A sum that a function needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Term {
    X,
    Y,
    XX,
    YY,
    XY,
}

impl Moment {
    pub(crate) const ALL: [Moment; 16] = {
        use Moment::*;
        [
            Corr,
            CovarPop,
            CovarSamp,
            RegrAvgX,
            RegrAvgY,
            RegrCount,
            RegrIntercept,
            RegrR2,
            RegrSlope,
            RegrSxx,
            RegrSxy,
            RegrSyy,
            StddevPop,
            StddevSamp,
            VarPop,
            VarSamp,
        ]
    };

    pub(crate) fn name(self) -> &'static str {
        match self {
            Moment::Corr => "karat_corr",
            Moment::CovarPop => "karat_covar_pop",
            Moment::CovarSamp => "karat_covar_samp",
            Moment::RegrAvgX => "karat_regr_avgx",
            Moment::RegrAvgY => "karat_regr_avgy",
            Moment::RegrCount => "karat_regr_count",
            Moment::RegrIntercept => "karat_regr_intercept",
            Moment::RegrR2 => "karat_regr_r2",
            Moment::RegrSlope => "karat_regr_slope",
            Moment::RegrSxx => "karat_regr_sxx",
            Moment::RegrSxy => "karat_regr_sxy",
            Moment::RegrSyy => "karat_regr_syy",
            Moment::StddevPop => "karat_stddev_pop",
            Moment::StddevSamp => "karat_stddev_samp",
            Moment::VarPop => "karat_var_pop",
            Moment::VarSamp => "karat_var_samp",
        }
    }

    pub(crate) fn aliases(self) -> &'static [&'static str] {
        match self {
            Moment::Corr => &["corr"],
            Moment::CovarPop => &["covar_pop"],
            Moment::CovarSamp => &["covar_samp", "covar"],
            Moment::RegrAvgX => &["regr_avgx"],
            Moment::RegrAvgY => &["regr_avgy"],
            Moment::RegrCount => &["regr_count"],
            Moment::RegrIntercept => &["regr_intercept"],
            Moment::RegrR2 => &["regr_r2"],
            Moment::RegrSlope => &["regr_slope"],
            Moment::RegrSxx => &["regr_sxx"],
            Moment::RegrSxy => &["regr_sxy"],
            Moment::RegrSyy => &["regr_syy"],
            Moment::StddevPop => &["stddev_pop"],
            Moment::StddevSamp => &["stddev_samp", "stddev"],
            Moment::VarPop => &["var_pop", "var_population"],
            Moment::VarSamp => &["var_samp", "var", "var_sample", "variance"],
        }
    }

    /// The sums that it is made of.
    fn terms(self) -> &'static [Term] {
        use Term::{X, XX, XY, Y, YY};
        match self {
            Moment::StddevPop | Moment::StddevSamp | Moment::VarPop | Moment::VarSamp => &[X, XX],
            Moment::CovarPop | Moment::CovarSamp | Moment::RegrSxy => &[X, Y, XY],
            Moment::Corr | Moment::RegrR2 => &[X, Y, XX, YY, XY],
            Moment::RegrSlope | Moment::RegrIntercept => &[X, Y, XX, XY],
            Moment::RegrSxx => &[X, XX],
            Moment::RegrSyy => &[Y, YY],
            Moment::RegrAvgX => &[X],
            Moment::RegrAvgY => &[Y],
            Moment::RegrCount => &[],
        }
    }

    fn columns(self) -> usize {
        match self {
            Moment::StddevPop | Moment::StddevSamp | Moment::VarPop | Moment::VarSamp => 1,
            _ => 2,
        }
    }

    pub(crate) fn arguments(self, types: &[DataType]) -> Result<Vec<DataType>> {
        let name = self.name().trim_start_matches("karat_");
        expect_arguments(name, self.columns(), types)?;
        types.iter().map(|t| argument(name, t)).collect()
    }

    pub(crate) fn result(self) -> DataType {
        match self {
            Moment::RegrCount => DataType::Int64,
            _ => DataType::Float64,
        }
    }

    pub(crate) fn store(self, call: &Call) -> Result<Box<dyn Store>> {
        let scale = |t: &DataType| match t {
            DataType::Decimal128(_, s) | DataType::Decimal256(_, s) => *s,
            _ => 0,
        };
        let scales: Vec<i8> = call.types.iter().map(scale).collect();
        // The one column is x; of two, the first is y.
        let (y, x) = match scales.as_slice() {
            [x] => (0, *x),
            [y, x] => (*y, *x),
            _ => return Err(ExactError::Internal("a moment of no column".into()).into()),
        };
        Ok(Box::new(Moments {
            moment: self,
            x_scale: x,
            y_scale: y,
            counts: Vec::new(),
            sums: Vec::new(),
            heap: 0,
            specials: HashMap::new(),
        }))
    }
}

/// Not-a-number, plus and minus infinity in x, then in y: how many were met.
type Specials = [i64; 6];

/// Counts and exact sums of every group.
#[derive(Debug)]
struct Moments {
    moment: Moment,
    x_scale: i8,
    y_scale: i8,
    counts: Vec<i64>,
    /// For each group one sum a term.
    sums: Vec<ExactSum>,
    /// What the sums hold on the heap.
    heap: usize,
    specials: HashMap<usize, Specials>,
}

/// The values of one argument.
enum Column<'a> {
    Integers(&'a [i64]),
    Decimals(&'a [i128]),
    Wide(&'a [i256]),
    Doubles(&'a [f64]),
}

impl Column<'_> {
    fn of(array: &ArrayRef) -> Result<Column<'_>> {
        Ok(match array.data_type() {
            DataType::Int64 => Column::Integers(array.as_primitive::<Int64Type>().values()),
            DataType::Decimal128(..) => {
                Column::Decimals(array.as_primitive::<Decimal128Type>().values())
            }
            DataType::Decimal256(..) => {
                Column::Wide(array.as_primitive::<Decimal256Type>().values())
            }
            DataType::Float64 => Column::Doubles(array.as_primitive::<Float64Type>().values()),
            other => return Err(ExactError::Internal(format!("a moment of {other}")).into()),
        })
    }

    /// The value's exact form, or which special it is.
    #[inline]
    fn value(&self, row: usize) -> std::result::Result<Exact, usize> {
        let whole = |value: i128| {
            let magnitude = value.unsigned_abs();
            Exact::new(value < 0, magnitude, 0)
        };
        Ok(match self {
            Column::Integers(values) => whole(i128::from(values[row])),
            Column::Decimals(values) => whole(values[row]),
            Column::Wide(values) => match values[row].to_i128() {
                Some(value) => whole(value),
                None => {
                    let (low, high) = values[row].wrapping_abs().to_parts();
                    let high = high as u128;
                    Exact {
                        negative: values[row].is_negative(),
                        limbs: [
                            low as u64,
                            (low >> 64) as u64,
                            high as u64,
                            (high >> 64) as u64,
                        ],
                        length: 4,
                        exponent: 0,
                    }
                }
            },
            Column::Doubles(values) => {
                let x = values[row];
                if x.is_nan() {
                    return Err(0);
                }
                if x.is_infinite() {
                    return Err(if x > 0.0 { 1 } else { 2 });
                }
                let (negative, m, e) = split(x);
                Exact::new(negative, u128::from(m), e)
            }
        })
    }
}

/// ± limbs · 2^exponent.
#[derive(Clone, Copy)]
struct Exact {
    negative: bool,
    limbs: [u64; 4],
    length: usize,
    exponent: i32,
}

impl Exact {
    #[inline]
    fn new(negative: bool, magnitude: u128, exponent: i32) -> Exact {
        let high = (magnitude >> 64) as u64;
        Exact {
            negative,
            limbs: [magnitude as u64, high, 0, 0],
            length: if high == 0 { 1 } else { 2 },
            exponent,
        }
    }

    #[inline]
    fn times(&self, other: &Exact) -> ([u64; 8], usize) {
        let mut product = [0u64; 8];
        for i in 0..self.length {
            let mut carry = 0u128;
            for j in 0..other.length {
                let value = u128::from(self.limbs[i]) * u128::from(other.limbs[j])
                    + u128::from(product[i + j])
                    + carry;
                product[i + j] = value as u64;
                carry = value >> 64;
            }
            product[i + other.length] = carry as u64;
        }
        (product, self.length + other.length)
    }
}

impl Moments {
    fn add(
        &mut self,
        arrays: &[ArrayRef],
        filter: Option<&BooleanArray>,
        groups: GroupOf,
        retract: bool,
    ) -> Result<()> {
        let name = self.moment.name();
        let (y, x) = match arrays {
            [x] => (None, Column::of(x)?),
            [y, x] => (Some(Column::of(y)?), Column::of(x)?),
            _ => return Err(broken_state(name).into()),
        };
        let chosen = chosen(arrays, filter);
        let terms = self.moment.terms();
        let (counts, sums, specials) = (&mut self.counts, &mut self.sums, &mut self.specials);
        let heap = &mut self.heap;
        let step = if retract { -1 } else { 1 };
        each_row(arrays[0].len(), chosen.as_ref(), |row| {
            let group = groups.row(row);
            counts[group] += step;
            if terms.is_empty() {
                return;
            }
            let zero = Exact::new(false, 0, 0);
            let x = x.value(row);
            let y = y.as_ref().map_or(Ok(zero), |y| y.value(row));
            let (x, y) = match (x, y) {
                (Ok(x), Ok(y)) => (x, y),
                (x, y) => {
                    let met = specials.entry(group).or_default();
                    if let Err(kind) = x {
                        met[kind] += step;
                    }
                    if let Err(kind) = y {
                        met[3 + kind] += step;
                    }
                    (x.unwrap_or(zero), y.unwrap_or(zero))
                }
            };
            let sums = &mut sums[group * terms.len()..][..terms.len()];
            for (term, sum) in terms.iter().zip(sums) {
                let (a, b) = match term {
                    Term::X => (&x, None),
                    Term::Y => (&y, None),
                    Term::XX => (&x, Some(&x)),
                    Term::YY => (&y, Some(&y)),
                    Term::XY => (&x, Some(&y)),
                };
                *heap -= sum.heap();
                match b {
                    None => sum.add(a.negative != retract, &a.limbs[..a.length], a.exponent),
                    Some(b) => {
                        let (product, length) = a.times(b);
                        let negative = (a.negative != b.negative) != retract;
                        sum.add(negative, &product[..length], a.exponent + b.exponent);
                    }
                }
                *heap += sum.heap();
            }
        });
        if retract {
            self.specials
                .retain(|_, met| met.iter().any(|count| *count != 0));
        }
        Ok(())
    }

    /// The result of one group; `None` is null.
    fn result(&self, group: usize) -> Option<f64> {
        let count = self.counts[group].max(0) as u128;
        let moment = self.moment;
        let sample = matches!(
            moment,
            Moment::VarSamp | Moment::StddevSamp | Moment::CovarSamp
        );
        if count < if sample { 2 } else { 1 } {
            return None;
        }
        let terms = moment.terms();
        if let Some(met) = self.specials.get(&group) {
            let [nan, plus, minus] = match moment {
                Moment::RegrAvgX => [met[0], met[1], met[2]],
                Moment::RegrAvgY => [met[3], met[4], met[5]],
                // An infinite value is infinitely far from a mean that is infinite.
                _ => {
                    let used = |term: Term| terms.contains(&term);
                    let x = used(Term::X) && met[..3].iter().any(|n| *n != 0);
                    let y = used(Term::Y) && met[3..].iter().any(|n| *n != 0);
                    [i64::from(x || y), 0, 0]
                }
            };
            if nan > 0 || (plus > 0 && minus > 0) {
                return Some(canonical(f64::NAN));
            }
            if plus > 0 {
                return Some(f64::INFINITY);
            }
            if minus > 0 {
                return Some(f64::NEG_INFINITY);
            }
        }
        let sum = |wanted: Term| {
            let at = terms.iter().position(|term| *term == wanted);
            at.map_or_else(Dyadic::default, |at| {
                self.sums[group * terms.len() + at].value()
            })
        };
        let n = Dyadic::whole(count);
        // n² times the mean product of two columns' distances from their means.
        let spread = |ab: Term, a: Term, b: Term| n.times(&sum(ab)).minus(&sum(a).times(&sum(b)));
        let (xx, yy, xy) = (
            || spread(Term::XX, Term::X, Term::X),
            || spread(Term::YY, Term::Y, Term::Y),
            || spread(Term::XY, Term::X, Term::Y),
        );
        let ten = |scale: i32| Dyadic::power_of_ten(scale.max(0) as u32);
        let (s, t) = (i32::from(self.x_scale), i32::from(self.y_scale));
        let squared = n.times(&n);
        let unbiased = n.times(&Dyadic::whole(count - 1));
        let value = match moment {
            Moment::VarPop => quotient(&xx(), &squared.times(&ten(2 * s))),
            Moment::VarSamp => quotient(&xx(), &unbiased.times(&ten(2 * s))),
            Moment::StddevPop => root_of_quotient(&xx(), &squared.times(&ten(2 * s))),
            Moment::StddevSamp => root_of_quotient(&xx(), &unbiased.times(&ten(2 * s))),
            Moment::CovarPop => quotient(&xy(), &squared.times(&ten(s + t))),
            Moment::CovarSamp => quotient(&xy(), &unbiased.times(&ten(s + t))),
            Moment::RegrSxx => quotient(&xx(), &n.times(&ten(2 * s))),
            Moment::RegrSyy => quotient(&yy(), &n.times(&ten(2 * t))),
            Moment::RegrSxy => quotient(&xy(), &n.times(&ten(s + t))),
            Moment::RegrAvgX => quotient(&sum(Term::X), &n.times(&ten(s))),
            Moment::RegrAvgY => quotient(&sum(Term::Y), &n.times(&ten(t))),
            Moment::RegrSlope | Moment::RegrIntercept => {
                let (xx, xy) = (xx(), xy());
                if xx.is_zero() {
                    return None;
                }
                if moment == Moment::RegrSlope {
                    quotient(&xy.times(&ten(s)), &xx.times(&ten(t)))
                } else {
                    let above = sum(Term::Y).times(&xx).minus(&xy.times(&sum(Term::X)));
                    quotient(&above, &n.times(&xx).times(&ten(t)))
                }
            }
            Moment::Corr | Moment::RegrR2 => {
                let (xx, yy, xy) = (xx(), yy(), xy());
                match moment {
                    Moment::RegrR2 if xx.is_zero() => return None,
                    Moment::RegrR2 if yy.is_zero() => return Some(1.0),
                    Moment::RegrR2 => quotient(&xy.times(&xy), &xx.times(&yy)),
                    _ if xx.is_zero() || yy.is_zero() => return None,
                    _ => {
                        let size = root_of_quotient(&xy.times(&xy), &xx.times(&yy));
                        if xy.is_negative() { -size } else { size }
                    }
                }
            }
            Moment::RegrCount => return None,
        };
        Some(value)
    }

    fn encode(&self, group: usize) -> Vec<u8> {
        let mut bytes = self.counts[group].to_le_bytes().to_vec();
        let specials = self.specials.get(&group);
        bytes.push(u8::from(specials.is_some()));
        for count in specials.into_iter().flatten() {
            bytes.extend(count.to_le_bytes());
        }
        let terms = self.moment.terms().len();
        for sum in &self.sums[group * terms..][..terms] {
            sum.encode(&mut bytes);
        }
        bytes
    }

    /// Adds a state; `None` if the bytes are none.
    fn decode(&mut self, group: usize, bytes: &[u8]) -> Option<()> {
        let (count, rest) = bytes.split_first_chunk::<8>()?;
        self.counts[group] += i64::from_le_bytes(*count);
        let (has_specials, mut rest) = rest.split_first()?;
        if *has_specials != 0 {
            for slot in self.specials.entry(group).or_default() {
                let (count, tail) = rest.split_first_chunk::<8>()?;
                *slot += i64::from_le_bytes(*count);
                rest = tail;
            }
        }
        let terms = self.moment.terms().len();
        for sum in &mut self.sums[group * terms..][..terms] {
            self.heap -= sum.heap();
            sum.merge(&mut rest)?;
            self.heap += sum.heap();
        }
        Some(())
    }
}

impl Store for Moments {
    fn groups(&self) -> usize {
        self.counts.len()
    }

    fn resize(&mut self, groups: usize) {
        if groups > self.counts.len() {
            self.counts.resize(groups, 0);
            self.sums
                .resize(groups * self.moment.terms().len(), ExactSum::default());
        }
    }

    fn update(
        &mut self,
        arrays: &[ArrayRef],
        filter: Option<&BooleanArray>,
        groups: GroupOf,
    ) -> Result<()> {
        self.add(arrays, filter, groups, false)
    }

    fn retract(&mut self, arrays: &[ArrayRef]) -> Result<()> {
        self.add(arrays, None, GroupOf::One, true)
    }

    fn merge(&mut self, states: &[ArrayRef], groups: GroupOf) -> Result<()> {
        let name = self.moment.name();
        let states = states.first().ok_or_else(|| broken_state(name))?;
        for (row, bytes) in states.as_binary::<i32>().iter().enumerate() {
            if let Some(bytes) = bytes {
                self.decode(groups.row(row), bytes)
                    .ok_or_else(|| broken_state(name))?;
            }
        }
        Ok(())
    }

    fn states(&mut self, n: usize) -> Result<Vec<ArrayRef>> {
        let mut builder = BinaryBuilder::new();
        for group in 0..n {
            match self.counts[group] {
                0 => builder.append_null(),
                _ => builder.append_value(self.encode(group)),
            }
        }
        Ok(vec![Arc::new(builder.finish())])
    }

    fn results(&mut self, n: usize) -> Result<ArrayRef> {
        if self.moment == Moment::RegrCount {
            return Ok(Arc::new(Int64Array::from(self.counts[..n].to_vec())));
        }
        let results: Vec<Option<f64>> = (0..n).map(|group| self.result(group)).collect();
        let nulls = NullBuffer::from_iter(results.iter().map(Option::is_some));
        let values: Vec<f64> = results.into_iter().map(Option::unwrap_or_default).collect();
        Ok(Arc::new(Float64Array::new(values.into(), Some(nulls))))
    }

    fn drop_first(&mut self, n: usize) {
        self.counts.drain(..n);
        for sum in self.sums.drain(..n * self.moment.terms().len()) {
            self.heap -= sum.heap();
        }
        shift_keys(&mut self.specials, n);
    }

    fn size(&self) -> usize {
        size_of::<Self>()
            + self.counts.capacity() * size_of::<i64>()
            + self.sums.capacity() * size_of::<ExactSum>()
            + self.heap
            + self.specials.capacity() * size_of::<(usize, Specials)>()
    }

    fn empty(&self) -> Box<dyn Store> {
        Box::new(Moments {
            counts: Vec::new(),
            sums: Vec::new(),
            heap: 0,
            specials: HashMap::new(),
            ..*self
        })
    }
}
