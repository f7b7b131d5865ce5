//! Functions of a frame that ends or begins between rows that tie: `last_value(x) over (order by day)` sees all rows of the day, and
//! which of them is the last the order does not say. The order is completed in a column that numbers the rows of the partition, and these
//! functions go by that number inside of the frame, whose bounds stay those of the order as written.
//!
//! A frame of `range` or `groups` holds either all rows that tie or none of them, so the numbers of its rows have no gap: those of the
//! rows at positions 3 to 5 of a partition are 4, 5 and 6, in whichever order these rows come.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::{cast, take};
use arrow::datatypes::{DataType, Field, FieldRef, UInt64Type};
use datafusion::common::utils::SingleRowListArrayBuilder;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::function::{PartitionEvaluatorArgs, WindowUDFFieldArgs};
use datafusion::logical_expr::{PartitionEvaluator, Signature, Volatility, WindowUDFImpl};

use crate::error::ExactError;

/// What is taken of the rows of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Taken {
    First,
    Last,
    Nth,
    List,
    Text,
}

/// A function over a value, the number of its row, and a count or separator.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct OfPeers {
    taken: Taken,
    /// The type of what is collected.
    gives: DataType,
    signature: Signature,
}

/// Names of those that take the value of one row.
pub(crate) const PICKED: [&str; 3] = [
    "karat_first_of_peers",
    "karat_last_of_peers",
    "karat_nth_of_peers",
];
/// Names of those that take the values of all.
pub(crate) const COLLECTED: [&str; 2] = ["karat_list_of_peers", "karat_text_of_peers"];

impl OfPeers {
    /// The function that stands for one of this name.
    pub(crate) fn instead_of(name: &str, gives: DataType) -> Option<OfPeers> {
        let taken = match name {
            "first_value" => Taken::First,
            "last_value" => Taken::Last,
            "nth_value" => Taken::Nth,
            "array_agg" => Taken::List,
            "string_agg" => Taken::Text,
            _ => return None,
        };
        Some(OfPeers {
            taken,
            gives,
            signature: Signature::variadic_any(Volatility::Immutable),
        })
    }
}

impl WindowUDFImpl for OfPeers {
    fn name(&self) -> &str {
        match self.taken {
            Taken::First => PICKED[0],
            Taken::Last => PICKED[1],
            Taken::Nth => PICKED[2],
            Taken::List => COLLECTED[0],
            Taken::Text => COLLECTED[1],
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn partition_evaluator(
        &self,
        args: PartitionEvaluatorArgs,
    ) -> Result<Box<dyn PartitionEvaluator>> {
        Ok(Box::new(Evaluator {
            taken: self.taken,
            gives: self.gives.clone(),
            skips_nulls: args.ignore_nulls(),
            rows: Vec::new(),
        }))
    }

    fn field(&self, args: WindowUDFFieldArgs) -> Result<FieldRef> {
        let data_type = match (self.taken, args.get_input_field(0)) {
            (Taken::First | Taken::Last | Taken::Nth, Some(value)) => value.data_type().clone(),
            _ => self.gives.clone(),
        };
        Ok(Arc::new(Field::new(args.name(), data_type, true)))
    }
}

#[derive(Debug)]
struct Evaluator {
    taken: Taken,
    gives: DataType,
    skips_nulls: bool,
    /// The row of each number of the partition, from 1 on.
    rows: Vec<u64>,
}

impl Evaluator {
    /// The rows of a frame in their order.
    fn of_frame(&mut self, numbers: &ArrayRef, frame: &Range<usize>) -> Result<&[u64]> {
        if self.rows.len() != numbers.len() {
            let numbers = cast(numbers, &DataType::UInt64)?;
            let numbers = numbers.as_primitive::<UInt64Type>();
            self.rows = vec![0; numbers.len()];
            for (row, number) in numbers.values().iter().enumerate() {
                let place = number
                    .checked_sub(1)
                    .and_then(|at| self.rows.get_mut(usize::try_from(at).ok()?));
                let place = place.ok_or_else(|| broken("the rows of a partition"))?;
                *place = row as u64;
            }
        }
        self.rows
            .get(frame.clone())
            .ok_or_else(|| broken("the rows of a frame").into())
    }

    fn nth(&self, args: &[ArrayRef], row: usize) -> Result<Option<i64>> {
        let Some(count) = args.get(2) else {
            return Err(broken("the count of `nth_value`").into());
        };
        let count = cast(count, &DataType::Int64)?;
        let count = count.as_primitive::<arrow::datatypes::Int64Type>();
        Ok(count.is_valid(row).then(|| count.value(row)))
    }
}

fn broken(what: &str) -> ExactError {
    ExactError::Internal(format!("{what} are not numbered"))
}

impl PartitionEvaluator for Evaluator {
    fn uses_window_frame(&self) -> bool {
        true
    }

    fn evaluate(&mut self, args: &[ArrayRef], frame: &Range<usize>) -> Result<ScalarValue> {
        let [values, numbers, ..] = args else {
            return Err(broken("the arguments of a window function").into());
        };
        let nth = match self.taken {
            Taken::Nth if !frame.is_empty() => self.nth(args, frame.start)?,
            _ => None,
        };
        let (taken, skips_nulls) = (self.taken, self.skips_nulls);
        let gives = self.gives.clone();
        let rows = self.of_frame(numbers, frame)?;
        let seen = |row: &&u64| !skips_nulls || values.is_valid(**row as usize);
        let picked = match taken {
            Taken::First => rows.iter().find(seen),
            Taken::Last => rows.iter().rev().find(seen),
            Taken::Nth => match nth {
                Some(n @ 1..) => rows.iter().filter(seen).nth(n as usize - 1),
                Some(n @ ..=-1) => {
                    let back = usize::try_from(n.unsigned_abs()).unwrap_or(usize::MAX);
                    rows.iter().rev().filter(seen).nth(back - 1)
                }
                _ => None,
            },
            Taken::List => {
                let rows: Vec<u64> = rows.iter().filter(seen).copied().collect();
                if rows.is_empty() {
                    return ScalarValue::try_from(&gives);
                }
                let taken = take(values, &arrow::array::UInt64Array::from(rows), None)?;
                let list = match &gives {
                    DataType::List(item) => SingleRowListArrayBuilder::new(taken).with_field(item),
                    _ => SingleRowListArrayBuilder::new(taken),
                };
                return Ok(list.build_list_scalar());
            }
            Taken::Text => {
                let separator = match (args.get(2), rows.first()) {
                    (Some(separator), Some(row)) => {
                        ScalarValue::try_from_array(separator, *row as usize)?
                    }
                    _ => ScalarValue::Utf8(None),
                };
                let separator = separator.try_as_str().flatten().unwrap_or_default();
                let texts = cast(values, &DataType::Utf8)?;
                let texts = texts.as_string::<i32>();
                let parts: Vec<&str> = rows
                    .iter()
                    .map(|row| *row as usize)
                    .filter(|row| texts.is_valid(*row))
                    .map(|row| texts.value(row))
                    .collect();
                let text = (!parts.is_empty()).then(|| parts.join(separator));
                return ScalarValue::Utf8(text).cast_to(&gives);
            }
        };
        match picked {
            Some(row) => ScalarValue::try_from_array(values, *row as usize),
            None => ScalarValue::try_from(values.data_type()),
        }
    }
}
