//! The least and the greatest double of every group, in the one order of doubles (rule E6): one zero, and NaN above infinity.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Float64Array};
use arrow::buffer::{BooleanBuffer, NullBuffer};
use arrow::datatypes::Float64Type;
use datafusion::common::Result;
use datafusion::logical_expr::{EmitTo, GroupsAccumulator};

use crate::error::ExactError;
use crate::numbers::canonical;

/// An integer that orders as the double does.
#[inline(always)]
pub(crate) fn rank(x: f64) -> i64 {
    turned(canonical(x).to_bits() as i64)
}

/// The double of a rank.
pub(crate) fn of_rank(rank: i64) -> f64 {
    f64::from_bits(turned(rank) as u64)
}

/// Negative doubles order against their bits.
#[inline(always)]
fn turned(bits: i64) -> i64 {
    bits ^ (((bits >> 63) as u64) >> 1) as i64
}

/// Ranks above and below those of all doubles: canonical NaN has another payload.
pub(crate) const ABOVE_ALL: i64 = i64::MAX;
pub(crate) const BELOW_ALL: i64 = i64::MIN;

/// `min` or `max` of doubles for many groups.
pub(crate) struct Extremes {
    ranks: Vec<i64>,
    greatest: bool,
}

impl Extremes {
    pub(crate) fn new(greatest: bool) -> Extremes {
        Extremes {
            ranks: Vec::new(),
            greatest,
        }
    }

    fn none(&self) -> i64 {
        if self.greatest { BELOW_ALL } else { ABOVE_ALL }
    }

    /// Takes a rank into its group.
    fn take(&mut self, group: usize, rank: i64) {
        let slot = &mut self.ranks[group];
        *slot = if self.greatest {
            rank.max(*slot)
        } else {
            rank.min(*slot)
        };
    }

    fn emitted(&mut self, emit_to: EmitTo) -> Vec<i64> {
        emit_to.take_needed(&mut self.ranks)
    }
}

/// Ranks as doubles; null where no value was met.
pub(crate) fn from_ranks(ranks: impl ExactSizeIterator<Item = i64> + Clone) -> ArrayRef {
    let met = |rank: i64| rank != ABOVE_ALL && rank != BELOW_ALL;
    let nulls = NullBuffer::from_iter(ranks.clone().map(met));
    let values: Vec<f64> = ranks
        .map(|rank| if met(rank) { of_rank(rank) } else { 0.0 })
        .collect();
    let nulls = Some(nulls).filter(|nulls| nulls.null_count() > 0);
    Arc::new(Float64Array::new(values.into(), nulls))
}

fn doubles(values: &[ArrayRef]) -> Result<&Float64Array> {
    match values {
        [one] => one
            .as_primitive_opt::<Float64Type>()
            .ok_or_else(|| ExactError::Internal(format!("min of {}", one.data_type())).into()),
        _ => Err(ExactError::Internal("min and max take one argument".to_owned()).into()),
    }
}

/// The rows that are not null and pass the filter; all of them if none.
fn chosen(array: &Float64Array, filter: Option<&BooleanArray>) -> Option<BooleanBuffer> {
    let passing = filter.map(|filter| match filter.nulls() {
        Some(nulls) => filter.values() & nulls.inner(),
        None => filter.values().clone(),
    });
    match (array.nulls().filter(|n| n.null_count() > 0), passing) {
        (None, passing) => passing,
        (Some(nulls), None) => Some(nulls.inner().clone()),
        (Some(nulls), Some(passing)) => Some(nulls.inner() & &passing),
    }
}

impl GroupsAccumulator for Extremes {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        total: usize,
    ) -> Result<()> {
        self.ranks.resize(total, self.none());
        let array = doubles(values)?;
        match (chosen(array, filter), self.greatest) {
            (Some(rows), _) => {
                for row in rows.set_indices() {
                    self.take(groups[row], rank(array.value(row)));
                }
            }
            (None, true) => {
                for (group, x) in groups.iter().zip(array.values()) {
                    let slot = &mut self.ranks[*group];
                    *slot = rank(*x).max(*slot);
                }
            }
            (None, false) => {
                for (group, x) in groups.iter().zip(array.values()) {
                    let slot = &mut self.ranks[*group];
                    *slot = rank(*x).min(*slot);
                }
            }
        }
        Ok(())
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        Ok(from_ranks(self.emitted(emit_to).iter().copied()))
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        Ok(vec![self.evaluate(emit_to)?])
    }

    fn merge_batch(&mut self, states: &[ArrayRef], groups: &[usize], total: usize) -> Result<()> {
        self.update_batch(states, groups, None, total)
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        let array = doubles(values)?;
        let nulls = chosen(array, filter).map(NullBuffer::new);
        let values = array.values().iter().map(|x| canonical(*x)).collect();
        Ok(vec![Arc::new(Float64Array::new(values, nulls))])
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.ranks.capacity() * size_of::<i64>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_order_as_doubles_do() {
        let ascending = [
            f64::NEG_INFINITY,
            f64::MIN,
            -1.5,
            -5e-324,
            0.0,
            5e-324,
            0.1,
            f64::MAX,
            f64::INFINITY,
            f64::NAN,
        ];
        let ranks: Vec<i64> = ascending.iter().map(|x| rank(*x)).collect();
        assert!(ranks.is_sorted_by(|a, b| a < b));
        assert!(ranks.iter().all(|r| *r > BELOW_ALL && *r < ABOVE_ALL));
        assert_eq!(rank(-0.0), rank(0.0));
        assert_eq!(rank(-f64::NAN), rank(f64::NAN));
        for x in ascending {
            assert_eq!(of_rank(rank(x)).to_bits(), canonical(x).to_bits());
        }
    }

    #[test]
    fn groups_without_a_value_are_null() {
        let values: ArrayRef = Arc::new(Float64Array::from(vec![
            Some(1.0),
            None,
            Some(f64::NEG_INFINITY),
            Some(f64::NAN),
        ]));
        for (greatest, expected) in [
            (false, vec![Some(f64::NEG_INFINITY), None, None]),
            (true, vec![Some(1.0), None, None]),
        ] {
            let mut extremes = Extremes::new(greatest);
            let filter = BooleanArray::from(vec![Some(true), Some(true), Some(true), None]);
            let groups = [0, 1, 0, 2];
            extremes
                .update_batch(std::slice::from_ref(&values), &groups, Some(&filter), 3)
                .expect("doubles");
            let found = extremes.evaluate(EmitTo::All).expect("doubles");
            assert_eq!(
                found.as_primitive::<Float64Type>(),
                &Float64Array::from(expected)
            );
        }
    }
}
