//! One value of a group, chosen by its order and not by which row came first: `min_by`, `max_by`, `any_value`.
//!
//! Rows that tie in the key are told apart by the value itself, so that the answer is the same for any layout. A key and its value
//! are kept as bytes that sort as the choice does: the least bytes are the answer.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, new_null_array};
use arrow::compute::{SortOptions, cast};
use arrow::datatypes::DataType;
use arrow::row::{RowConverter, SortField};
use datafusion::common::Result;

use crate::accumulators::{Call, GroupOf, Store, broken_state, chosen, each_row, expect_arguments};
use crate::error::ExactError;
use crate::ranks::{sortable, with_one_zero};

/// A function that gives one of its values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Choice {
    /// The least value that is not null.
    AnyValue,
    /// The value where the key is greatest.
    MaxBy,
    /// The value where the key is least.
    MinBy,
}

impl Choice {
    pub(crate) const ALL: [Choice; 3] = [Choice::AnyValue, Choice::MaxBy, Choice::MinBy];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Choice::AnyValue => "karat_any_value",
            Choice::MaxBy => "karat_max_by",
            Choice::MinBy => "karat_min_by",
        }
    }

    pub(crate) fn aliases(self) -> &'static [&'static str] {
        match self {
            Choice::AnyValue => &["any_value"],
            Choice::MaxBy => &["max_by", "arg_max"],
            Choice::MinBy => &["min_by", "arg_min"],
        }
    }

    pub(crate) fn arguments(self, types: &[DataType]) -> Result<Vec<DataType>> {
        let name = self.aliases()[0];
        let wanted = if self == Choice::AnyValue { 1 } else { 2 };
        expect_arguments(name, wanted, types)?;
        types.iter().map(|t| sortable(name, t)).collect()
    }

    pub(crate) fn store(self, call: &Call) -> Result<Box<dyn Store>> {
        let field = |data_type: &DataType, descending: bool| {
            let options = SortOptions {
                descending,
                nulls_first: false,
            };
            SortField::new_with_options(data_type.clone(), options)
        };
        // The key first, then the value.
        let fields = match call.types.as_slice() {
            [value] => vec![field(value, false)],
            [value, key] => vec![field(key, self == Choice::MaxBy), field(value, false)],
            _ => return Err(broken_state(self.name()).into()),
        };
        Ok(Box::new(Choices {
            choice: self,
            types: call.types.clone(),
            converter: Arc::new(RowConverter::new(fields)?),
            best: Vec::new(),
            heap: 0,
        }))
    }
}

/// The best row of every group.
#[derive(Debug)]
struct Choices {
    choice: Choice,
    types: Vec<DataType>,
    converter: Arc<RowConverter>,
    best: Vec<Option<Box<[u8]>>>,
    heap: usize,
}

impl Choices {
    /// The arguments with the key first, of the types that they are kept in.
    fn columns(&self, arrays: &[ArrayRef]) -> Result<Vec<ArrayRef>> {
        let columns = arrays.iter().zip(&self.types).map(|(array, to)| {
            let array = match array.data_type() == to {
                true => array.clone(),
                false => cast(array, to)?,
            };
            Ok(with_one_zero(&array))
        });
        let mut columns = columns.collect::<Result<Vec<_>>>()?;
        columns.reverse();
        Ok(columns)
    }

    /// The best rows of the first n groups, as the arguments were given.
    fn arrays(&self, n: usize) -> Result<Vec<ArrayRef>> {
        let nulls: Vec<ArrayRef> = self
            .types
            .iter()
            .rev()
            .map(|t| new_null_array(t, 1))
            .collect();
        let null = self.converter.convert_columns(&nulls)?;
        let parser = self.converter.parser();
        let rows = self.best[..n].iter().map(|best| match best {
            Some(bytes) => parser.parse(bytes),
            None => null.row(0),
        });
        let mut columns = self.converter.convert_rows(rows)?;
        columns.reverse();
        Ok(columns)
    }
}

impl Store for Choices {
    fn groups(&self) -> usize {
        self.best.len()
    }

    fn resize(&mut self, groups: usize) {
        if groups > self.best.len() {
            self.best.resize(groups, None);
        }
    }

    fn update(
        &mut self,
        arrays: &[ArrayRef],
        filter: Option<&BooleanArray>,
        groups: GroupOf,
    ) -> Result<()> {
        let columns = self.columns(arrays)?;
        // Without a key there is nothing to choose by; the value may be null where there is one.
        let chosen = chosen(&columns[..1], filter);
        let rows = self.converter.convert_columns(&columns)?;
        let (all, heap) = (&mut self.best, &mut self.heap);
        each_row(rows.num_rows(), chosen.as_ref(), |row| {
            let best = &mut all[groups.row(row)];
            let bytes = rows.row(row);
            let bytes = bytes.data();
            match best {
                Some(old) if **old <= *bytes => {}
                Some(old) if old.len() == bytes.len() => old.copy_from_slice(bytes),
                _ => {
                    *heap -= best.as_ref().map_or(0, |old| old.len());
                    *heap += bytes.len();
                    *best = Some(bytes.into());
                }
            }
        });
        Ok(())
    }

    fn retract(&mut self, _: &[ArrayRef]) -> Result<()> {
        let what = format!("{} takes nothing away", self.choice.name());
        Err(ExactError::Internal(what).into())
    }

    fn retracts(&self) -> bool {
        false
    }

    fn merge(&mut self, states: &[ArrayRef], groups: GroupOf) -> Result<()> {
        let Some((met, arrays)) = states.split_last() else {
            return Err(broken_state(self.choice.name()).into());
        };
        self.update(arrays, Some(met.as_boolean()), groups)
    }

    fn states(&mut self, n: usize) -> Result<Vec<ArrayRef>> {
        let mut states = self.arrays(n)?;
        let met: Vec<bool> = self.best[..n].iter().map(Option::is_some).collect();
        states.push(Arc::new(BooleanArray::from(met)));
        Ok(states)
    }

    fn results(&mut self, n: usize) -> Result<ArrayRef> {
        Ok(self.arrays(n)?.swap_remove(0))
    }

    fn drop_first(&mut self, n: usize) {
        for best in self.best.drain(..n).flatten() {
            self.heap -= best.len();
        }
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.best.capacity() * size_of::<Option<Box<[u8]>>>() + self.heap
    }

    fn empty(&self) -> Box<dyn Store> {
        Box::new(Choices {
            choice: self.choice,
            types: self.types.clone(),
            converter: self.converter.clone(),
            best: Vec::new(),
            heap: 0,
        })
    }
}
