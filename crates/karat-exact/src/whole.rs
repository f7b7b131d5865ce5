//! Functions of whole numbers (`gcd`, `lcm`, `factorial`) and of doubles that may be none (`isnan`, `iszero`, `nanvl`).

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array};
use arrow::buffer::{BooleanBuffer, NullBuffer};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type};

use crate::elementary::doubles;
use crate::error::ExactError;
use crate::numbers::{Number, Outcome, Why, apply_failed, number};
use crate::types::type_name;

/// One of the functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Whole {
    Factorial,
    Gcd,
    IsNan,
    IsZero,
    Lcm,
    Nanvl,
}

impl Whole {
    pub(crate) const ALL: [Whole; 6] = [
        Whole::Factorial,
        Whole::Gcd,
        Whole::IsNan,
        Whole::IsZero,
        Whole::Lcm,
        Whole::Nanvl,
    ];

    /// karat's own name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Whole::Factorial => "karat_factorial",
            Whole::Gcd => "karat_gcd",
            Whole::IsNan => "karat_isnan",
            Whole::IsZero => "karat_iszero",
            Whole::Lcm => "karat_lcm",
            Whole::Nanvl => "karat_nanvl",
        }
    }

    pub(crate) fn sql_name(self) -> &'static str {
        self.aliases()[0]
    }

    pub(crate) fn aliases(self) -> &'static [&'static str] {
        match self {
            Whole::Factorial => &["factorial"],
            Whole::Gcd => &["gcd"],
            Whole::IsNan => &["isnan"],
            Whole::IsZero => &["iszero"],
            Whole::Lcm => &["lcm"],
            Whole::Nanvl => &["nanvl"],
        }
    }

    pub(crate) fn arguments(self) -> usize {
        match self {
            Whole::Gcd | Whole::Lcm | Whole::Nanvl => 2,
            Whole::Factorial | Whole::IsNan | Whole::IsZero => 1,
        }
    }

    /// The result's type, or why an argument is none.
    pub(crate) fn result(self, types: &[DataType]) -> Result<DataType, String> {
        let (result, whole) = match self {
            Whole::IsNan | Whole::IsZero => (DataType::Boolean, false),
            Whole::Nanvl => (DataType::Float64, false),
            Whole::Factorial | Whole::Gcd | Whole::Lcm => (DataType::Int64, true),
        };
        let fits = |t: &DataType| match number(t) {
            Some(Number::Integer(_) | Number::Null) => true,
            Some(_) => !whole,
            None => false,
        };
        match types.iter().find(|t| !fits(t)) {
            None => Ok(result),
            Some(other) => {
                let wanted = if whole { "integers" } else { "numbers" };
                let name = self.sql_name();
                Err(format!("`{name}` takes {wanted}, not {}", type_name(other)))
            }
        }
    }

    /// The function of columns.
    pub(crate) fn apply(self, arrays: &[ArrayRef], rows: usize) -> Result<Outcome, ExactError> {
        let lacks = || ExactError::Internal(format!("`{}` lacks an argument", self.sql_name()));
        if matches!(self, Whole::Factorial | Whole::Gcd | Whole::Lcm) {
            return self.integers(arrays, rows);
        }
        let columns = doubles(arrays, rows)?;
        let x = columns.first().ok_or_else(lacks)?;
        let x = x.as_primitive::<Float64Type>();
        let test = |holds: fn(f64) -> bool| {
            let values = BooleanBuffer::collect_bool(rows, |row| holds(x.value(row)));
            let array = BooleanArray::new(values, x.nulls().cloned());
            Ok(Outcome::fine(Arc::new(array)))
        };
        match self {
            Whole::IsNan => test(f64::is_nan),
            Whole::IsZero => test(|x| x == 0.0),
            _ => {
                let y = columns.get(1).ok_or_else(lacks)?;
                let y = y.as_primitive::<Float64Type>();
                let value = |row: usize| match x.value(row) {
                    _ if x.is_null(row) || y.is_null(row) => None,
                    value if value.is_nan() => Some(y.value(row)),
                    value => Some(value),
                };
                let array: Float64Array = (0..rows).map(value).collect();
                Ok(Outcome::fine(Arc::new(array)))
            }
        }
    }

    fn integers(self, arrays: &[ArrayRef], rows: usize) -> Result<Outcome, ExactError> {
        let columns = arrays
            .iter()
            .map(|array| cast(array, &DataType::Int64).map_err(ExactError::arrow));
        let columns = columns.collect::<Result<Vec<ArrayRef>, ExactError>>()?;
        let nulls = columns.iter().fold(None, |nulls, column| {
            NullBuffer::union(nulls.as_ref(), column.nulls())
        });
        let value = |row: usize| {
            let argument = |index: usize| {
                let column = columns.get(index)?;
                Some(column.as_primitive::<Int64Type>().value(row))
            };
            let (a, b) = (argument(0)?, argument(1));
            match self {
                Whole::Factorial => (1..=u64::try_from(a).ok()?).try_fold(1i64, |product, k| {
                    product.checked_mul(i64::try_from(k).ok()?)
                }),
                Whole::Gcd => i64::try_from(common_divisor(a, b?)).ok(),
                _ if a == 0 || b? == 0 => Some(0),
                _ => {
                    let multiple = (a.unsigned_abs() / common_divisor(a, b?))
                        .checked_mul(b?.unsigned_abs())?;
                    i64::try_from(multiple).ok()
                }
            }
        };
        let found: Vec<Option<i64>> = (0..rows).map(value).collect();
        let failed = BooleanBuffer::collect_bool(rows, |row| found[row].is_none());
        let (nulls, failed) = apply_failed(nulls, failed);
        let values: Vec<i64> = found.into_iter().map(Option::unwrap_or_default).collect();
        let negative = self == Whole::Factorial
            && columns.first().is_some_and(|column| {
                let column = column.as_primitive::<Int64Type>();
                column.iter().flatten().any(|n| n < 0)
            });
        Ok(Outcome {
            array: Arc::new(Int64Array::new(values.into(), nulls)),
            failed,
            why: if negative { Why::Domain } else { Why::Overflow },
        })
    }
}

fn common_divisor(a: i64, b: i64) -> u64 {
    let (mut a, mut b) = (a.unsigned_abs(), b.unsigned_abs());
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}
