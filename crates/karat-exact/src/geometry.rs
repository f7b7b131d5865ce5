//! Lists of numbers as vectors: products, lengths and angles. Elements are brought to the nearest double; what comes of them is computed
//! exactly and rounded once, so it depends on no order (E4).

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, Float64Builder, ListArray};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{DataType, Float64Type};

use crate::conversion::{self, Rules, failures};
use crate::error::ExactError;
use crate::numbers::{Outcome, Why, canonical};
use crate::vectors::{Lists, list_of, numbers_of};
use crate::wide::{Dyadic, quotient, root_of_quotient};

/// Elements of a list whose product is still computed: its digits are the sum of theirs.
const FACTORS: usize = 10_000;

/// What becomes of the vectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Geometry {
    /// The sum of the products of elements.
    Inner,
    /// The length of the difference.
    Distance,
    /// 1 less the cosine of the angle.
    Cosine,
    /// The vector divided by its length.
    Normal,
    /// All elements multiplied.
    Product,
}

impl Geometry {
    pub(crate) fn arguments(self) -> usize {
        match self {
            Geometry::Inner | Geometry::Distance | Geometry::Cosine => 2,
            Geometry::Normal | Geometry::Product => 1,
        }
    }

    /// The type of the answer; None where an argument is no list of numbers.
    pub(crate) fn result(self, types: &[DataType]) -> Option<DataType> {
        if types.iter().any(|t| numbers_of(t).is_none()) {
            return None;
        }
        Some(match self {
            Geometry::Normal => list_of(DataType::Float64),
            _ => DataType::Float64,
        })
    }

    /// Values and failed rows.
    pub(crate) fn compute(
        self,
        arrays: &[ArrayRef],
        rows: usize,
        rules: Rules,
    ) -> Result<Outcome, ExactError> {
        let vectors = arrays
            .iter()
            .map(|array| Vectors::new(array, rules))
            .collect::<Result<Vec<_>, _>>()?;
        match (self, vectors.as_slice()) {
            (Geometry::Normal, [one]) => normals(one, rows),
            (Geometry::Product, [one]) => {
                let mut bad = Vec::new();
                let mut values = Vec::with_capacity(rows);
                for row in 0..rows {
                    let factors = one.known(row);
                    values.push(match factors.as_deref() {
                        None | Some([]) => None,
                        Some(factors) if factors.len() > FACTORS => {
                            bad.push(row);
                            None
                        }
                        Some(factors) => Some(product(factors)),
                    });
                }
                Ok(doubles(values, &bad))
            }
            (_, [a, b]) => {
                let mut bad = Vec::new();
                let mut values = Vec::with_capacity(rows);
                for row in 0..rows {
                    values.push(match (a.all(row), b.all(row)) {
                        (Some(a), Some(b)) if a.len() != b.len() => {
                            bad.push(row);
                            None
                        }
                        (Some(a), Some(b)) => self.of_two(a, b),
                        _ if a.is_uneven(b, row) => {
                            bad.push(row);
                            None
                        }
                        _ => None,
                    });
                }
                Ok(doubles(values, &bad))
            }
            _ => Err(ExactError::Internal("a list is missing".to_owned())),
        }
    }

    /// The answer for two vectors of one length.
    fn of_two(self, a: &[f64], b: &[f64]) -> Option<f64> {
        let pairs = || a.iter().copied().zip(b.iter().copied());
        if let Some(special) = self.special(a, b) {
            return Some(special);
        }
        let one = Dyadic::whole(1);
        let inner = |a: &[f64], b: &[f64]| {
            let products = a.iter().zip(b).map(|(x, y)| exact(*x).times(&exact(*y)));
            products.fold(Dyadic::default(), plus)
        };
        match self {
            Geometry::Distance => {
                let squares = pairs().map(|(x, y)| {
                    let gap = exact(x).minus(&exact(y));
                    gap.times(&gap)
                });
                Some(root_of_quotient(
                    &squares.fold(Dyadic::default(), plus),
                    &one,
                ))
            }
            Geometry::Cosine => {
                let (aa, bb, ab) = (inner(a, a), inner(b, b), inner(a, b));
                if aa.is_zero() || bb.is_zero() {
                    return None;
                }
                let (lengths, square) = (aa.times(&bb), ab.times(&ab));
                let size = exact(root_of_quotient(&square, &lengths));
                let more = plus(one.clone(), size);
                Some(match ab.is_negative() {
                    true => quotient(&more, &one),
                    // 1 − r is (1 − r²) / (1 + r), which loses no digits where r is nearly 1.
                    false => quotient(&lengths.minus(&square), &lengths.times(&more)),
                })
            }
            _ => Some(quotient(&inner(a, b), &one)),
        }
    }

    /// The answer where an element is infinite or NaN, as IEEE 754 has it for exact sums.
    fn special(self, a: &[f64], b: &[f64]) -> Option<f64> {
        let finite = |vector: &[f64]| vector.iter().all(|x| x.is_finite());
        if finite(a) && finite(b) {
            return None;
        }
        let parts = a.iter().zip(b).map(|(x, y)| match self {
            Geometry::Distance => (x - y).abs(),
            // An angle to the infinite is none.
            Geometry::Cosine => f64::NAN,
            _ => match x.is_finite() && y.is_finite() {
                true => 0.0,
                false => x * y,
            },
        });
        let sum: f64 = parts.filter(|part| !part.is_finite()).sum();
        Some(canonical(sum))
    }
}

fn plus(a: Dyadic, b: Dyadic) -> Dyadic {
    a.minus(&Dyadic::default().minus(&b))
}

/// A finite double as the number that it is.
fn exact(x: f64) -> Dyadic {
    let bits = x.to_bits();
    let exponent = ((bits >> 52) & 0x7ff) as i64;
    let fraction = bits & ((1 << 52) - 1);
    let (mantissa, exponent) = match exponent {
        0 => (fraction, -1074),
        _ => (fraction | 1 << 52, exponent - 1075),
    };
    Dyadic::new(x.is_sign_negative(), vec![mantissa], exponent)
}

fn product(factors: &[f64]) -> f64 {
    if factors.iter().any(|x| x.is_nan()) {
        return canonical(f64::NAN);
    }
    let zero = factors.contains(&0.0);
    if factors.iter().any(|x| x.is_infinite()) {
        let negative = factors.iter().filter(|x| x.is_sign_negative()).count() % 2 == 1;
        return match (zero, negative) {
            (true, _) => canonical(f64::NAN),
            (false, true) => f64::NEG_INFINITY,
            (false, false) => f64::INFINITY,
        };
    }
    if zero {
        return 0.0;
    }
    let one = Dyadic::whole(1);
    let whole = factors
        .iter()
        .fold(one.clone(), |so_far, x| so_far.times(&exact(*x)));
    quotient(&whole, &one)
}

fn doubles(values: Vec<Option<f64>>, bad: &[usize]) -> Outcome {
    let mut builder = Float64Builder::with_capacity(values.len());
    for value in &values {
        builder.append_option(*value);
    }
    let (_, failed) = failures(None, bad, values.len());
    Outcome {
        array: Arc::new(builder.finish()),
        failed,
        why: Why::Domain,
    }
}

/// Each vector divided by its length; null where that is 0 or an element is null.
fn normals(vectors: &Vectors, rows: usize) -> Result<Outcome, ExactError> {
    let mut values = Vec::new();
    let mut lengths = Vec::with_capacity(rows);
    let mut valid = Vec::with_capacity(rows);
    for row in 0..rows {
        let normal = vectors.all(row).and_then(normal);
        valid.push(normal.is_some());
        let normal = normal.unwrap_or_default();
        lengths.push(normal.len());
        values.extend(normal);
    }
    let DataType::List(item) = list_of(DataType::Float64) else {
        return Err(ExactError::Internal("a list of doubles".to_owned()));
    };
    let nulls = Some(NullBuffer::from(valid)).filter(|nulls| nulls.null_count() > 0);
    let list = ListArray::try_new(
        item,
        OffsetBuffer::from_lengths(lengths),
        Arc::new(Float64Array::from(values)),
        nulls,
    )
    .map_err(ExactError::arrow)?;
    Ok(Outcome::fine(Arc::new(list)))
}

fn normal(vector: &[f64]) -> Option<Vec<f64>> {
    if vector.is_empty() {
        return Some(Vec::new());
    }
    if !vector.iter().all(|x| x.is_finite()) {
        return Some(vec![canonical(f64::NAN); vector.len()]);
    }
    let squares = vector.iter().map(|x| exact(*x).times(&exact(*x)));
    let length = squares.fold(Dyadic::default(), plus);
    if length.is_zero() {
        return None;
    }
    let part = |x: &f64| {
        let size = root_of_quotient(&exact(*x).times(&exact(*x)), &length);
        if *x < 0.0 { -size } else { size }
    };
    Some(vector.iter().map(part).collect())
}

/// A column of vectors.
struct Vectors {
    lists: Lists,
    values: Float64Array,
}

impl Vectors {
    fn new(array: &ArrayRef, rules: Rules) -> Result<Vectors, ExactError> {
        let lists = Lists::new(array)?;
        let values = conversion::cast(&lists.values, &DataType::Float64, rules)?;
        let values = values.array.as_primitive::<Float64Type>().clone();
        Ok(Vectors { lists, values })
    }

    fn is_null(&self, row: usize) -> bool {
        let nulls = self.lists.nulls.as_ref();
        nulls.is_some_and(|nulls| nulls.is_null(row))
    }

    /// The elements of a vector that is not null and holds none.
    fn all(&self, row: usize) -> Option<&[f64]> {
        let span = self.lists.span(row);
        let whole = !self.is_null(row) && span.clone().all(|at| self.values.is_valid(at));
        whole.then(|| &self.values.values()[span])
    }

    /// The elements of a vector that are not null.
    fn known(&self, row: usize) -> Option<Vec<f64>> {
        let known = |at: &usize| self.values.is_valid(*at);
        let span = self.lists.span(row).filter(known);
        (!self.is_null(row)).then(|| span.map(|at| self.values.value(at)).collect())
    }

    /// Whether both vectors are there, and have different lengths.
    fn is_uneven(&self, other: &Vectors, row: usize) -> bool {
        !self.is_null(row)
            && !other.is_null(row)
            && self.lists.span(row).len() != other.lists.span(row).len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_that_cancel_are_not_lost() {
        let (large, small) = ([1e200, 1.0, -1e200], [1e200, 0.5, 1e200]);
        assert_eq!(Geometry::Inner.of_two(&large, &small), Some(0.5));
        let far = 2f64.powi(600);
        let distance = Geometry::Distance.of_two(&[3.0 * far, 0.0], &[0.0, 4.0 * far]);
        assert_eq!(distance, Some(5.0 * far));
        // Nearly parallel: 1 − cos is half the square of the angle.
        let angle = 2f64.powi(-40);
        let told = Geometry::Cosine.of_two(&[1.0, 0.0], &[1.0, angle]);
        assert_eq!(told, Some(angle * angle / 2.0));
        assert_eq!(
            Geometry::Cosine.of_two(&[1.0, 0.0], &[-2.0, 0.0]),
            Some(2.0)
        );
        assert_eq!(product(&[far, far, 1.0 / far, 1.0 / far]), 1.0);
        assert_eq!(product(&[-2.0, 3.0, 0.5]), -3.0);
        assert_eq!(product(&[0.0, f64::INFINITY]).to_string(), "NaN");
        assert_eq!(normal(&[3e-320, 4e-320]), Some(vec![0.6, 0.8]));
    }
}
