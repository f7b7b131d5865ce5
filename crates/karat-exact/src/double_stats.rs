//! Least, greatest, exact sum and count of the doubles of every group in one pass, also over dictionary codes: what a value
//! means for a group is then worked out once a dictionary instead of once a row, and where few values meet few groups, once for all:
//! rows only count how often each value meets each group.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array};
use arrow::buffer::NullBuffer;

use crate::doubles::{Base, DoubleSums};
use crate::extremes::{ABOVE_ALL, BELOW_ALL, from_ranks, rank};
use crate::groups::Mixed;

/// Values of a dictionary that fit the base of the sums.
pub(crate) struct Prepared {
    base: Base,
    entries: Vec<Entry>,
    /// The values' numbers in the [`Pairs`] of that time, if they have some.
    numbers: Vec<u32>,
    time: u64,
}

#[derive(Clone, Copy)]
struct Entry {
    fixed: i128,
    rank: i64,
}

/// How often each value met each group.
#[derive(Default)]
struct Pairs {
    /// By rank, in the order in which dictionaries brought them; all of one base.
    numbers: HashMap<i64, u32, BuildHasherDefault<Mixed>>,
    values: Vec<Entry>,
    /// The value with a number stands this far from the start of its group's counts; groups lie two to the `bits` apart. A byte each, so
    /// that the nearest caches hold most of them: 256 are added up at once when it overflows.
    counts: Vec<u8>,
    bits: u32,
    /// Places whose counts overflowed.
    full: Vec<usize>,
    /// How often the base was given up: older numbers are void.
    time: u64,
}

impl Pairs {
    /// Numbers for these values; none if they are too many.
    fn numbers(&mut self, entries: &[Entry]) -> Vec<u32> {
        if self.values.len() + entries.len() > VALUES {
            return Vec::new();
        }
        let number = |entry: &Entry| {
            *self.numbers.entry(entry.rank).or_insert_with(|| {
                self.values.push(*entry);
                self.values.len() as u32 - 1
            })
        };
        entries.iter().map(number).collect()
    }

    /// Whether there is a place for each value of so many groups.
    fn is_wide_enough(&self, groups: usize) -> bool {
        groups << self.bits <= self.counts.len() && self.values.len() <= 1 << self.bits
    }

    /// Adds what was counted to the cells, and begins anew.
    fn settle(&mut self, cells: &mut [Cell]) {
        for (cell, counts) in cells.iter_mut().zip(self.counts.chunks_mut(1 << self.bits)) {
            for (entry, count) in self.values.iter().zip(counts) {
                cell.add(entry, i64::from(std::mem::take(count)));
            }
        }
    }
}

/// Counts of values by group, and the values of one dictionary.
pub(crate) struct CountedPairs<'s> {
    pairs: &'s mut Pairs,
    cells: &'s mut [Cell],
    numbers: &'s [u32],
}

impl CountedPairs<'_> {
    /// Counts the values with these codes in their groups.
    pub(crate) fn add(self, codes: &[u32], groups: impl Iterator<Item = usize>) {
        let Pairs {
            counts,
            full,
            bits,
            values,
            ..
        } = self.pairs;
        // Kept beside the loop: a byte that is written could be any of them.
        let (counts, numbers, bits) = (&mut counts[..], self.numbers, *bits);
        for (code, group) in codes.iter().zip(groups) {
            let place = (group << bits) + numbers[*code as usize] as usize;
            let count = &mut counts[place];
            *count = count.wrapping_add(1);
            if *count == 0 {
                full.push(place);
            }
        }
        for place in full.drain(..) {
            let (group, value) = (place >> bits, place & ((1 << bits) - 1));
            self.cells[group].add(&values[value], 1 << u8::BITS);
        }
    }
}

#[derive(Clone, Copy)]
struct Cell {
    /// In units of the base.
    sum: i128,
    least: i64,
    greatest: i64,
    count: i64,
}

impl Cell {
    /// Adds a value so many times.
    fn add(&mut self, entry: &Entry, times: i64) {
        if times > 0 {
            self.sum += entry.fixed * i128::from(times);
            self.least = self.least.min(entry.rank);
            self.greatest = self.greatest.max(entry.rank);
            self.count += times;
        }
    }
}

/// Values that do not fit the base, beside one a group, before another is chosen.
const MISSES: usize = 1 << 14;

/// Distinct values that are numbered.
const VALUES: usize = 1 << 14;
/// Values times groups that are counted: what they take stays in the second cache.
const PAIRS: usize = 1 << 20;

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
    pairs: Pairs,
    /// Rows that were added by their codes.
    rows: u64,
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
        let entries: Vec<Entry> = dictionary.iter().map(entry).collect::<Option<_>>()?;
        let numbers = self.pairs.numbers(&entries);
        Some(Prepared {
            base,
            entries,
            numbers,
            time: self.pairs.time,
        })
    }

    /// Adds the values with these codes; false, and nothing added, if the dictionary was prepared for another base.
    pub(crate) fn add_codes(
        &mut self,
        dictionary: &Prepared,
        codes: &[u32],
        groups: &[usize],
    ) -> bool {
        if let Some(counted) = self.pairs(dictionary, codes.len()) {
            counted.add(codes, groups.iter().copied());
            return true;
        }
        if self.base != Some(dictionary.base) || !self.has_room(codes.len()) {
            return false;
        }
        self.rows += codes.len() as u64;
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

    /// Where so many rows with values of this dictionary are counted by value and group, if they are: there is a place for each of these,
    /// and they are few beside the rows.
    pub(crate) fn pairs<'s>(
        &'s mut self,
        dictionary: &'s Prepared,
        rows: usize,
    ) -> Option<CountedPairs<'s>> {
        let is_numbered = dictionary.numbers.len() == dictionary.entries.len()
            && dictionary.time == self.pairs.time;
        if self.base != Some(dictionary.base) || !is_numbered {
            return None;
        }
        let groups = self.cells.len();
        if !self.pairs.is_wide_enough(groups) {
            self.pairs.settle(&mut self.cells);
            // With room to grow, so that this is seldom done.
            let bits = self.pairs.values.len().next_power_of_two().trailing_zeros();
            let places = groups.next_power_of_two() << bits;
            if places > PAIRS || (places as u64) > self.rows + rows as u64 {
                return None;
            }
            self.pairs.bits = bits;
            self.pairs.counts = vec![0; places];
        }
        if !self.has_room(rows) {
            return None;
        }
        self.rows += rows as u64;
        Some(CountedPairs {
            pairs: &mut self.pairs,
            cells: &mut self.cells,
            numbers: &dictionary.numbers,
        })
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
        self.pairs.settle(&mut self.cells);
        (self.added, self.missed) = (0, 0);
        let Some(base) = self.base.take() else { return };
        // Their values are in units of that base.
        self.pairs = Pairs {
            time: self.pairs.time + 1,
            ..Pairs::default()
        };
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
        let pairs = self.pairs.counts.capacity() + self.pairs.values.capacity() * 64;
        self.cells.capacity() * size_of::<Cell>() + self.sums.size() + pairs
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::AsArray;
    use arrow::datatypes::Float64Type;
    use proptest::prelude::*;

    use super::*;

    /// What was asked, as bits: equal answers are the same doubles.
    fn bits(stats: &mut DoubleStats, groups: usize) -> Vec<String> {
        stats.resize(groups);
        let asked = [
            Statistic::Least,
            Statistic::Greatest,
            Statistic::Sum,
            Statistic::Mean,
            Statistic::Count,
        ];
        let columns = asked.map(|statistic| stats.column(statistic));
        let of_column = |column: &ArrayRef| match column.as_primitive_opt::<Float64Type>() {
            Some(doubles) => {
                let bits = doubles.iter().map(|double| double.map(f64::to_bits));
                format!("{:?}", bits.collect::<Vec<_>>())
            }
            None => format!("{column:?}"),
        };
        columns.iter().map(of_column).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Dictionaries that follow one another, some with values far from those before, so that the base changes; rows that are coded,
        /// and rows that are not: as if each value had been added by itself, in any other order.
        #[test]
        fn counting_pairs_changes_nothing(
            pages in prop::collection::vec(
                (prop::collection::vec(-9i32..9, 1..9), 0i32..12, prop::collection::vec((any::<prop::sample::Index>(), 0usize..6), 1..50), 1usize..90, any::<bool>()),
                1..12,
            ),
        ) {
            let (mut coded, mut plain) = (DoubleStats::default(), DoubleStats::default());
            let mut all: Vec<(f64, usize)> = Vec::new();
            for (values, scale, rows, times, is_coded) in pages {
                // So often that counts of a byte overflow.
                let rows = rows.repeat(times);
                // Few pages lie far away.
                let scale = if scale == 0 { 1e40 } else { 0.1 };
                let mut values: Vec<f64> = values.into_iter().map(|n| f64::from(n) * scale).collect();
                values.sort_by(f64::total_cmp);
                values.dedup();
                let codes: Vec<u32> = rows.iter().map(|(at, _)| at.index(values.len()) as u32).collect();
                let groups: Vec<usize> = rows.iter().map(|(_, group)| *group).collect();
                let of_rows: Vec<f64> = codes.iter().map(|code| values[*code as usize]).collect();
                coded.resize(6);
                let prepared = coded.prepare(&values).filter(|_| is_coded);
                let done = prepared.is_some_and(|prepared| coded.add_codes(&prepared, &codes, &groups));
                if !done {
                    coded.add(&of_rows, &groups);
                }
                all.extend(of_rows.into_iter().zip(groups));
            }
            plain.resize(6);
            for (value, group) in all.into_iter().rev() {
                plain.add(&[value], &[group]);
            }
            prop_assert_eq!(bits(&mut coded, 6), bits(&mut plain, 6));
        }
    }
}
