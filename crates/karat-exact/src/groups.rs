//! Numbers for the values of key columns, and for the groups that they make: dense, in the order in which they are met, so that
//! what an aggregate keeps of a group lies in a vector.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Int32Array, Int64Array, StringBuilder, make_array};
use arrow::datatypes::DataType;
use datafusion::common::Result;

use crate::error::ExactError;

/// No number was given.
const NONE: u32 = u32::MAX;
/// Integers of one page of numbers.
const PAGE_BITS: u32 = 12;
const PAGE: usize = 1 << PAGE_BITS;
/// Pages that are made without asking how full they will be.
const FREE_PAGES: usize = 64;
/// A page costs as much memory as this many entries of a hash table.
const WORTH_A_PAGE: usize = 512;
/// Pages between the lowest and the highest.
const PAGES: usize = 1 << 16;
/// Bits of the numbers of all key columns of a group together.
const TABLE_BITS: u32 = 22;

/// The distinct values of a key column, in the order in which they were met.
#[derive(Debug)]
pub(crate) enum KeyValues {
    Strings(Strings),
    Integers(Integers),
}

impl KeyValues {
    /// None if columns of this type are no keys here.
    pub(crate) fn of_type(data_type: &DataType) -> Option<KeyValues> {
        Some(match data_type {
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
                KeyValues::Strings(Strings::default())
            }
            DataType::Int32 | DataType::Date32 | DataType::Int64 | DataType::Timestamp(..) => {
                KeyValues::Integers(Integers::default())
            }
            _ => return None,
        })
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            KeyValues::Strings(strings) => strings.values.len(),
            KeyValues::Integers(integers) => integers.values.len(),
        }
    }

    /// The number of null.
    pub(crate) fn null(&mut self) -> u32 {
        match self {
            KeyValues::Strings(strings) => strings.number(None),
            KeyValues::Integers(integers) => integers.null(),
        }
    }

    /// Numbers here for those of another part of the same column.
    fn numbers_of(&mut self, other: &KeyValues) -> Result<Vec<u32>> {
        match (self, other) {
            (KeyValues::Strings(all), KeyValues::Strings(other)) => {
                let values = other.values.iter();
                Ok(values.map(|value| all.number(value.as_ref())).collect())
            }
            (KeyValues::Integers(all), KeyValues::Integers(other)) => {
                let number = |value: &Option<i64>| match value {
                    Some(value) => all.number(*value),
                    None => all.null(),
                };
                Ok(other.values.iter().map(number).collect())
            }
            _ => Err(ExactError::Internal("parts of a key have two kinds".to_owned()).into()),
        }
    }

    /// The values of these numbers as a column.
    fn column(&self, numbers: &[u32], data_type: &DataType) -> Result<ArrayRef> {
        match self {
            KeyValues::Strings(strings) => {
                let mut builder = StringBuilder::with_capacity(numbers.len(), 0);
                for number in numbers {
                    builder.append_option(strings.values[*number as usize].as_deref());
                }
                let column: ArrayRef = Arc::new(builder.finish());
                Ok(arrow::compute::cast(&column, data_type)?)
            }
            KeyValues::Integers(integers) => {
                let values = numbers.iter().map(|n| integers.values[*n as usize]);
                let column = match data_type {
                    DataType::Int32 | DataType::Date32 => {
                        let narrow = values.map(|value| value.map(|value| value as i32));
                        narrow.collect::<Int32Array>().into_data()
                    }
                    _ => values.collect::<Int64Array>().into_data(),
                };
                let column = column.into_builder().data_type(data_type.clone()).build()?;
                Ok(make_array(column))
            }
        }
    }

    fn size(&self) -> usize {
        match self {
            KeyValues::Strings(strings) => strings.bytes + strings.values.capacity() * 64,
            KeyValues::Integers(integers) => integers.size(),
        }
    }
}

/// Distinct strings.
#[derive(Debug, Default)]
pub(crate) struct Strings {
    numbers: HashMap<Option<Arc<str>>, u32>,
    values: Vec<Option<Arc<str>>>,
    bytes: usize,
}

impl Strings {
    fn number(&mut self, value: Option<&Arc<str>>) -> u32 {
        match self.numbers.get(&value.cloned()) {
            Some(number) => *number,
            None => self.add(value.cloned()),
        }
    }

    /// The number of a string.
    pub(crate) fn number_of(&mut self, value: &str) -> u32 {
        // A map that is asked for a borrowed string would need keys that are not optional; strings come once a dictionary.
        let value = Some(Arc::from(value));
        match self.numbers.get(&value) {
            Some(number) => *number,
            None => self.add(value),
        }
    }

    fn add(&mut self, value: Option<Arc<str>>) -> u32 {
        let number = self.values.len() as u32;
        self.bytes += value.as_ref().map_or(0, |value| value.len());
        self.values.push(value.clone());
        self.numbers.insert(value, number);
        number
    }
}

/// Distinct integers: numbers in pages where keys lie close together, in a hash table where they do not.
#[derive(Debug, Default)]
pub(crate) struct Integers {
    first_page: i64,
    pages: Vec<Option<Box<[u32; PAGE]>>>,
    made: usize,
    apart: HashMap<i64, u32, BuildHasherDefault<Mixed>>,
    values: Vec<Option<i64>>,
    null: Option<u32>,
}

impl Integers {
    fn null(&mut self) -> u32 {
        let next = self.values.len() as u32;
        match self.null {
            Some(number) => number,
            None => {
                self.values.push(None);
                *self.null.insert(next)
            }
        }
    }

    /// The number of a value.
    #[inline]
    pub(crate) fn number(&mut self, value: i64) -> u32 {
        let page = (value >> PAGE_BITS).wrapping_sub(self.first_page);
        if let Some(Some(page)) = self.pages.get(page as usize) {
            let number = page[value as usize & (PAGE - 1)];
            if number != NONE {
                return number;
            }
        }
        self.number_apart(value)
    }

    fn number_apart(&mut self, value: i64) -> u32 {
        if !self.apart.is_empty()
            && let Some(number) = self.apart.get(&value)
        {
            return *number;
        }
        let number = self.values.len() as u32;
        self.values.push(Some(value));
        match self.page_of(value) {
            Some(page) => page[value as usize & (PAGE - 1)] = number,
            None => {
                self.apart.insert(value, number);
            }
        }
        number
    }

    /// The page of a value, made if that is worth it.
    fn page_of(&mut self, value: i64) -> Option<&mut [u32; PAGE]> {
        let page = value >> PAGE_BITS;
        if self.pages.is_empty() {
            self.first_page = page;
        }
        if page < self.first_page {
            let missing = usize::try_from(self.first_page - page).ok()?;
            if missing + self.pages.len() > PAGES {
                return None;
            }
            self.pages.splice(0..0, (0..missing).map(|_| None));
            self.first_page = page;
        }
        let at = usize::try_from(page - self.first_page).ok()?;
        if at >= PAGES {
            return None;
        }
        if at >= self.pages.len() {
            self.pages.resize_with(at + 1, || None);
        }
        let slot = &mut self.pages[at];
        if slot.is_none() {
            if self.made >= FREE_PAGES + self.values.len() / WORTH_A_PAGE {
                return None;
            }
            self.made += 1;
            *slot = Some(Box::new([NONE; PAGE]));
        }
        slot.as_deref_mut()
    }

    fn size(&self) -> usize {
        self.made * size_of::<[u32; PAGE]>()
            + self.pages.capacity() * size_of::<usize>()
            + self.values.capacity() * size_of::<Option<i64>>()
            + self.apart.capacity() * 2 * size_of::<(i64, u32)>()
    }
}

/// A hash of integers that are no secret.
#[derive(Default)]
pub(crate) struct Mixed(u64);

impl Hasher for Mixed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes
            .iter()
            .for_each(|byte| self.write_u64(u64::from(*byte)));
    }

    fn write_i64(&mut self, value: i64) {
        self.write_u64(value as u64);
    }

    fn write_u64(&mut self, value: u64) {
        let product = u128::from(self.0 ^ value) * 0x9e37_79b9_7f4a_7c15;
        self.0 = (product >> 64) as u64 ^ product as u64;
    }
}

/// The groups that the key columns make.
#[derive(Debug)]
pub(crate) struct Groups {
    pub(crate) keys: Vec<KeyValues>,
    /// Where the number of a group stands, by the numbers of its keys side by side. A value of a dictionary is no group before a row
    /// has it, and perhaps none has.
    table: Vec<u32>,
    bits: Vec<u32>,
    /// The numbers of the keys of each group.
    members: Vec<Vec<u32>>,
    /// Whether each group of one key has the number of that key.
    in_order: bool,
}

impl Groups {
    pub(crate) fn new(keys: Vec<KeyValues>) -> Groups {
        let bits = vec![0; keys.len()];
        Groups {
            table: vec![NONE],
            members: vec![Vec::new(); keys.len()],
            bits,
            in_order: keys.len() == 1,
            keys,
        }
    }

    pub(crate) fn len(&self) -> usize {
        match self.keys.as_slice() {
            [] => 1,
            _ => self.members[0].len(),
        }
    }

    /// The groups of rows whose keys have these numbers, a slice for each column; false if there are too many combinations.
    pub(crate) fn of_rows(&mut self, numbers: &[Vec<u32>], groups: &mut [usize]) -> bool {
        let rows = groups.len();
        match numbers {
            [] => groups.fill(0),
            several => {
                if !self.make_room() {
                    return false;
                }
                let mut places = vec![0u32; rows];
                let mut shift = 0;
                for (column, bits) in several.iter().zip(&self.bits) {
                    for (place, number) in places.iter_mut().zip(column) {
                        *place |= number << shift;
                    }
                    shift += bits;
                }
                for (row, place) in places.into_iter().enumerate() {
                    let slot = &mut self.table[place as usize];
                    if *slot == NONE {
                        *slot = self.members[0].len() as u32;
                        self.in_order &= *slot == several[0][row];
                        for (member, column) in self.members.iter_mut().zip(several) {
                            member.push(column[row]);
                        }
                    }
                    groups[row] = *slot as usize;
                }
            }
        }
        true
    }

    /// Makes a group of each number of the only key from `known` on, all of which rows have: each row's group is then its number. False,
    /// and nothing done, if older ones differ.
    pub(crate) fn are_numbers(&mut self, known: usize) -> bool {
        if !self.in_order || self.members[0].len() != known || !self.make_room() {
            return false;
        }
        for number in known..self.keys[0].len() {
            self.table[number] = number as u32;
            self.members[0].push(number as u32);
        }
        true
    }

    /// The group of rows whose only key has this number; none if there are too many.
    pub(crate) fn of_number(&mut self, number: u32) -> Option<usize> {
        if !self.make_room() {
            return None;
        }
        let slot = &mut self.table[number as usize];
        if *slot == NONE {
            *slot = self.members[0].len() as u32;
            self.in_order &= *slot == number;
            self.members[0].push(number);
        }
        Some(*slot as usize)
    }

    /// Makes the table as large as the numbers of the keys ask for.
    fn make_room(&mut self) -> bool {
        let needed = |key: &KeyValues| key.len().next_power_of_two().trailing_zeros();
        let wanted: Vec<u32> = self.keys.iter().map(needed).collect();
        if wanted
            .iter()
            .zip(&self.bits)
            .all(|(want, have)| want <= have)
        {
            return true;
        }
        let total: u32 = wanted.iter().sum();
        if total > TABLE_BITS {
            return false;
        }
        self.bits = wanted;
        self.table = vec![NONE; 1 << total];
        for group in 0..self.members[0].len() {
            let mut place = 0;
            let mut shift = 0;
            for (member, bits) in self.members.iter().zip(&self.bits) {
                place |= member[group] << shift;
                shift += bits;
            }
            self.table[place as usize] = group as u32;
        }
        true
    }

    /// The groups here of those of another part of the rows; None if there are too many combinations.
    pub(crate) fn groups_of(&mut self, other: &Groups) -> Result<Option<Vec<usize>>> {
        let mut numbers = Vec::with_capacity(self.keys.len());
        for (at, key) in self.keys.iter_mut().enumerate() {
            let here = key.numbers_of(&other.keys[at])?;
            let member = other.members[at].iter();
            numbers.push(
                member
                    .map(|number| here[*number as usize])
                    .collect::<Vec<u32>>(),
            );
        }
        let mut groups = vec![0; other.len()];
        Ok(self.of_rows(&numbers, &mut groups).then_some(groups))
    }

    /// The key columns of all groups.
    pub(crate) fn columns(&self, types: &[DataType]) -> Result<Vec<ArrayRef>> {
        let mut columns = Vec::with_capacity(self.keys.len());
        for (at, (key, data_type)) in self.keys.iter().zip(types).enumerate() {
            columns.push(key.column(&self.members[at], data_type)?);
        }
        Ok(columns)
    }

    pub(crate) fn size(&self) -> usize {
        let keys: usize = self.keys.iter().map(KeyValues::size).sum();
        let members: usize = self.members.iter().map(Vec::capacity).sum();
        keys + (members + self.table.capacity()) * size_of::<u32>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn a_value_has_one_number(
            values in prop::collection::vec(prop_oneof![-5i64..5, -100_000i64..100_000, any::<i64>()], 1..200),
            step in prop_oneof![Just(1i64), Just(4096), Just(1 << 40)],
        ) {
            let mut integers = Integers::default();
            let values: Vec<i64> = values.iter().map(|value| value.wrapping_mul(step)).collect();
            let first: Vec<u32> = values.iter().map(|value| integers.number(*value)).collect();
            let again: Vec<u32> = values.iter().map(|value| integers.number(*value)).collect();
            prop_assert_eq!(&first, &again);
            for (value, number) in values.iter().zip(first) {
                prop_assert_eq!(integers.values[number as usize], Some(*value));
            }
        }

        #[test]
        fn rows_of_equal_keys_are_one_group(rows in prop::collection::vec((-3i64..40, 0i64..7, any::<bool>()), 1..300), cut in 0usize..300) {
            let group = |groups: &mut Groups, rows: &[(i64, i64, bool)]| {
                let mut numbers = vec![Vec::new(); 3];
                for (a, b, null) in rows {
                    for (at, value) in [Some(*a), Some(*b), (!null).then_some(1)].into_iter().enumerate() {
                        let KeyValues::Integers(integers) = &mut groups.keys[at] else { panic!("integers") };
                        let number = match value {
                            Some(value) => integers.number(value),
                            None => integers.null(),
                        };
                        numbers[at].push(number);
                    }
                }
                let mut found = vec![0; rows.len()];
                assert!(groups.of_rows(&numbers, &mut found));
                found
            };
            let keys = || (0..3).filter_map(|_| KeyValues::of_type(&DataType::Int64)).collect();
            let (left, right) = rows.split_at(cut.min(rows.len()));
            let (mut all, mut other) = (Groups::new(keys()), Groups::new(keys()));
            let mut found = group(&mut all, left);
            let of_right = group(&mut other, right);
            let mapped = all.groups_of(&other).expect("integers").expect("few");
            found.extend(of_right.into_iter().map(|group| mapped[group]));
            let mut numbers: HashMap<(i64, i64, bool), usize> = HashMap::new();
            for (row, group) in rows.iter().zip(&found) {
                prop_assert_eq!(*numbers.entry(*row).or_insert(*group), *group);
            }
            let distinct: std::collections::BTreeSet<usize> = found.into_iter().collect();
            prop_assert_eq!(distinct.len(), numbers.len());
            prop_assert_eq!(all.len(), numbers.len());
            let columns = all.columns(&[DataType::Int64, DataType::Int32, DataType::Date32]).expect("columns");
            for ((a, b, null), group) in numbers {
                let text = |at: usize| arrow::util::display::array_value_to_string(&columns[at], group).expect("text");
                prop_assert_eq!(text(0), a.to_string());
                prop_assert_eq!(text(1), b.to_string());
                prop_assert_eq!(columns[2].is_null(group), null);
            }
        }
    }
}
