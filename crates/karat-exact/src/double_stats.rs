//! Least, greatest, exact sum and count of the doubles of every group in one pass, also over dictionary codes: what a value
//! means for a group is then worked out once a dictionary instead of once a row.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array};
use arrow::buffer::NullBuffer;

use crate::doubles::{Base, DoubleSums};
use crate::extremes::{ABOVE_ALL, BELOW_ALL, from_ranks, rank};

/// Values of a dictionary that fit the base of the sums.
pub(crate) struct Prepared {
    base: Base,
    entries: Vec<Entry>,
}

#[derive(Clone, Copy)]
struct Entry {
    fixed: i128,
    rank: i64,
}

#[derive(Clone, Copy)]
struct Cell {
    /// In units of the base.
    sum: i128,
    least: i64,
    greatest: i64,
    count: i64,
}

/// Values that do not fit the base, beside one a group, before another is chosen.
const MISSES: usize = 1 << 14;

const EMPTY: Cell = Cell {
    sum: 0,
    least: ABOVE_ALL,
    greatest: BELOW_ALL,
    count: 0,
};

/// The statistics of all groups.
#[derive(Default)]
pub(crate) struct DoubleStats {
    cells: Vec<Cell>,
    base: Option<Base>,
    added: u64,
    missed: usize,
    /// What did not fit the base, and what was settled.
    sums: DoubleSums,
}

/// One of the statistics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Statistic {
    Least,
    Greatest,
    Sum,
    Mean,
    Count,
}

impl DoubleStats {
    /// Makes room for so many groups.
    pub(crate) fn resize(&mut self, groups: usize) {
        if groups > self.cells.len() {
            self.cells.resize(groups, EMPTY);
            self.sums.resize(groups);
        }
    }

    /// A dictionary as these sums add it; none if its values lie too far apart.
    pub(crate) fn prepare(&mut self, dictionary: &[f64]) -> Option<Prepared> {
        let base = match self.base {
            Some(base) => base,
            None => *self.base.insert(Base::for_values(dictionary)?),
        };
        let entry = |x: &f64| {
            let fixed = base.fixed(*x)?;
            Some(Entry {
                fixed,
                rank: rank(*x),
            })
        };
        let entries = dictionary.iter().map(entry).collect::<Option<_>>()?;
        Some(Prepared { base, entries })
    }

    /// Adds the values with these codes; false, and nothing added, if the dictionary was prepared for another base.
    pub(crate) fn add_codes(
        &mut self,
        dictionary: &Prepared,
        codes: &[u32],
        groups: &[usize],
    ) -> bool {
        if self.base != Some(dictionary.base) || !self.has_room(codes.len()) {
            return false;
        }
        let (cells, entries) = (&mut self.cells[..], &dictionary.entries[..]);
        for (group, code) in groups.iter().zip(codes) {
            let entry = &entries[*code as usize];
            let cell = &mut cells[*group];
            cell.sum += entry.fixed;
            cell.least = cell.least.min(entry.rank);
            cell.greatest = cell.greatest.max(entry.rank);
            cell.count += 1;
        }
        true
    }

    /// Adds values to their groups.
    pub(crate) fn add(&mut self, values: &[f64], groups: &[usize]) {
        if !self.has_room(values.len()) || self.missed > MISSES + self.cells.len() {
            self.settle();
        }
        if self.base.is_none() {
            self.base = Base::for_values(values);
        }
        for (group, x) in groups.iter().zip(values) {
            let cell = &mut self.cells[*group];
            let rank = rank(*x);
            cell.least = cell.least.min(rank);
            cell.greatest = cell.greatest.max(rank);
            cell.count += 1;
            match self.base.and_then(|base| base.fixed(*x)) {
                Some(fixed) => cell.sum += fixed,
                None => {
                    self.missed += 1;
                    self.sums.add(*group, *x, false);
                }
            }
        }
    }

    fn has_room(&mut self, values: usize) -> bool {
        self.added += values as u64;
        self.added <= Base::ADDITIONS
    }

    fn settle(&mut self) {
        (self.added, self.missed) = (0, 0);
        let Some(base) = self.base.take() else { return };
        for (group, cell) in self.cells.iter_mut().enumerate() {
            self.sums
                .add_fixed(group, base, std::mem::take(&mut cell.sum));
        }
    }

    /// Takes in the statistics of another part of the rows, whose groups have these numbers here.
    pub(crate) fn absorb(&mut self, mut other: DoubleStats, groups: &[usize]) {
        self.settle();
        other.settle();
        for (group, (at, from)) in groups.iter().zip(other.cells.iter().enumerate()) {
            let cell = &mut self.cells[*group];
            cell.least = cell.least.min(from.least);
            cell.greatest = cell.greatest.max(from.greatest);
            cell.count += from.count;
            self.sums.absorb(*group, &other.sums, at);
        }
    }

    /// One statistic of every group.
    pub(crate) fn column(&mut self, statistic: Statistic) -> ArrayRef {
        self.settle();
        let cells = self.cells.iter();
        match statistic {
            Statistic::Least => from_ranks(cells.map(|cell| cell.least)),
            Statistic::Greatest => from_ranks(cells.map(|cell| cell.greatest)),
            Statistic::Count => {
                let counts: Vec<i64> = cells.map(|cell| cell.count).collect();
                Arc::new(Int64Array::from(counts))
            }
            Statistic::Sum | Statistic::Mean => {
                let nulls = NullBuffer::from_iter(self.cells.iter().map(|cell| cell.count > 0));
                let value = |(group, cell): (usize, &Cell)| match (cell.count, statistic) {
                    (0, _) => 0.0,
                    (_, Statistic::Sum) => self.sums.sum(group),
                    (count, _) => self.sums.mean(group, count.unsigned_abs()),
                };
                let values: Vec<f64> = cells.enumerate().map(value).collect();
                let nulls = Some(nulls).filter(|nulls| nulls.null_count() > 0);
                Arc::new(Float64Array::new(values.into(), nulls))
            }
        }
    }

    pub(crate) fn size(&self) -> usize {
        self.cells.capacity() * size_of::<Cell>() + self.sums.size()
    }
}
