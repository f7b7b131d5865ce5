//! Casts of lists, structs and maps, element by element: an element that fails fails its row.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, ListArray, MapArray, StructArray};
use arrow::buffer::{BooleanBuffer, OffsetBuffer};
use arrow::compute::cast as arrow_cast;
use arrow::datatypes::{DataType, FieldRef, Fields, IntervalUnit, TimeUnit};

use crate::conversion::{self, Rules};
use crate::error::ExactError;
use crate::numbers::{Outcome, Why, apply_failed, union_failed};

/// The field of a list's elements, whatever kind of list.
pub(crate) fn element(data_type: &DataType) -> Option<&FieldRef> {
    match data_type {
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::FixedSizeList(item, _)
        | DataType::ListView(item)
        | DataType::LargeListView(item) => Some(item),
        _ => None,
    }
}

fn entries(data_type: &DataType) -> Option<&Fields> {
    match data_type {
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(fields) if fields.len() == 2 => Some(fields),
            _ => None,
        },
        _ => None,
    }
}

/// The type of a file's column as functions know it: lists of one kind, whose elements are called as DataFusion's functions call them,
/// since two names for the elements of a list would be two types; one kind of interval; halves as reals; times in
/// microseconds.
pub(crate) fn plain(data_type: &DataType) -> DataType {
    if let Some(item) = element(data_type) {
        return DataType::new_list(plain(item.data_type()), true);
    }
    match data_type {
        DataType::Struct(fields) => DataType::Struct(
            fields
                .iter()
                .map(|field| {
                    let inner = plain(field.data_type());
                    Arc::new(field.as_ref().clone().with_data_type(inner))
                })
                .collect(),
        ),
        DataType::Map(entries, sorted) => {
            let inner = plain(entries.data_type());
            let entries = entries.as_ref().clone().with_data_type(inner);
            DataType::Map(Arc::new(entries), *sorted)
        }
        DataType::Duration(_) | DataType::Interval(_) => {
            DataType::Interval(IntervalUnit::MonthDayNano)
        }
        DataType::Float16 => DataType::Float32,
        DataType::Time32(_) => DataType::Time64(TimeUnit::Microsecond),
        other => other.clone(),
    }
}

/// Whether both types are nested and a cast exists; the inner error names the parts that have none.
pub(crate) fn castable(from: &DataType, to: &DataType) -> Option<Result<(), String>> {
    if let (Some(from), Some(to)) = (element(from), element(to)) {
        return Some(conversion::castable(from.data_type(), to.data_type()));
    }
    if let (Some(from), Some(to)) = (entries(from), entries(to)) {
        let mut pairs = from.iter().zip(to);
        return Some(
            pairs.try_for_each(|(f, t)| conversion::castable(f.data_type(), t.data_type())),
        );
    }
    let (DataType::Struct(from), DataType::Struct(to)) = (from, to) else {
        return None;
    };
    let sources = sources(from, to)?;
    let mut pairs = sources.into_iter().zip(to);
    Some(
        pairs.try_for_each(|(at, field)| {
            conversion::castable(from[at].data_type(), field.data_type())
        }),
    )
}

/// Where each field of a struct comes from: the fields are the same by name. None gets lost and none is made up.
fn sources(from: &Fields, to: &Fields) -> Option<Vec<usize>> {
    if from.len() != to.len() {
        return None;
    }
    let found: Option<Vec<usize>> = to
        .iter()
        .map(|field| from.iter().position(|f| f.name() == field.name()))
        .collect();
    let mut seen = found.clone()?;
    seen.sort_unstable();
    seen.dedup();
    if seen.len() == to.len() { found } else { None }
}

/// The array as another nested type; rows of which an element does not fit fail. None: this is no cast between nested types.
pub(crate) fn cast(
    array: &ArrayRef,
    to: &DataType,
    rules: Rules,
) -> Option<Result<Outcome, ExactError>> {
    if let (Some(from), Some(item)) = (element(array.data_type()), element(to)) {
        return Some(lists(array, from, item, to, rules));
    }
    match (array.data_type(), to) {
        (DataType::Map(..), DataType::Map(entries, sorted)) => {
            Some(maps(array.as_map(), entries, *sorted, rules))
        }
        (DataType::Struct(_), DataType::Struct(fields)) => {
            Some(structs(array.as_struct(), fields, rules))
        }
        _ => None,
    }
}

fn lists(
    array: &ArrayRef,
    from: &FieldRef,
    item: &FieldRef,
    to: &DataType,
    rules: Rules,
) -> Result<Outcome, ExactError> {
    let plain = arrow_cast(array, &DataType::List(from.clone())).map_err(ExactError::arrow)?;
    let list = plain.as_list::<i32>();
    let (offsets, values) = within(list.offsets(), list.values());
    let values = conversion::cast(&values, item.data_type(), rules)?;
    let failed = rows_of(values.failed.as_ref(), &offsets);
    let (nulls, failed) = match failed {
        Some(failed) => apply_failed(list.nulls().cloned(), failed),
        None => (list.nulls().cloned(), None),
    };
    let done = ListArray::try_new(item.clone(), offsets, values.array, nulls)
        .map_err(ExactError::arrow)?;
    let done: ArrayRef = Arc::new(done);
    if done.data_type() == to {
        return Ok(Outcome {
            array: done,
            failed,
            why: values.why,
        });
    }
    // A list of a fixed size is null where the list has another.
    let sized = arrow_cast(&done, to).map_err(ExactError::arrow)?;
    let lost =
        BooleanBuffer::collect_bool(sized.len(), |row| sized.is_null(row) && !done.is_null(row));
    let lost = (lost.count_set_bits() > 0).then_some(lost);
    Ok(Outcome {
        array: sized,
        why: if lost.is_some() {
            Why::Conversion
        } else {
            values.why
        },
        failed: union_failed(failed, lost),
    })
}

fn maps(
    map: &MapArray,
    entries: &FieldRef,
    sorted: bool,
    rules: Rules,
) -> Result<Outcome, ExactError> {
    let DataType::Struct(fields) = entries.data_type() else {
        return Err(ExactError::Internal(format!(
            "entries of a map as {}",
            entries.data_type()
        )));
    };
    // While it is being made, a key that failed is null.
    let open: Fields = fields
        .iter()
        .map(|field| field.as_ref().clone().with_nullable(true))
        .collect();
    let pairs: ArrayRef = Arc::new(map.entries().clone());
    let (offsets, pairs) = within(map.offsets(), &pairs);
    let done = by_position(pairs.as_struct(), &open, &[0, 1], rules)?;
    let (nulls, failed) = match rows_of(done.failed.as_ref(), &offsets) {
        Some(failed) => apply_failed(map.nulls().cloned(), failed),
        None => (map.nulls().cloned(), None),
    };
    // A row that failed has no entries.
    let kept = |row: usize| failed.as_ref().is_none_or(|failed| !failed.value(row));
    let lengths: Vec<usize> = offsets.lengths().collect();
    let of_entries: BooleanArray = lengths
        .iter()
        .enumerate()
        .flat_map(|(row, length)| std::iter::repeat_n(Some(kept(row)), *length))
        .collect();
    let pairs = arrow::compute::filter(&done.array, &of_entries).map_err(ExactError::arrow)?;
    let lengths = lengths
        .into_iter()
        .enumerate()
        .map(|(row, length)| if kept(row) { length } else { 0 });
    let pairs = StructArray::try_new(fields.clone(), pairs.as_struct().columns().to_vec(), None)
        .map_err(ExactError::arrow)?;
    let offsets = OffsetBuffer::from_lengths(lengths);
    let array = MapArray::try_new(entries.clone(), offsets, pairs, nulls, sorted)
        .map_err(ExactError::arrow)?;
    Ok(Outcome {
        array: Arc::new(array),
        failed,
        why: done.why,
    })
}

fn structs(array: &StructArray, fields: &Fields, rules: Rules) -> Result<Outcome, ExactError> {
    let Some(sources) = sources(array.fields(), fields) else {
        return Err(ExactError::Internal(format!(
            "checked cast from {} to {}",
            array.data_type(),
            DataType::Struct(fields.clone())
        )));
    };
    by_position(array, fields, &sources, rules)
}

fn by_position(
    array: &StructArray,
    fields: &Fields,
    sources: &[usize],
    rules: Rules,
) -> Result<Outcome, ExactError> {
    let mut failed = None;
    let mut why = Why::Conversion;
    let mut columns = Vec::with_capacity(fields.len());
    for (at, field) in sources.iter().zip(fields) {
        let done = conversion::cast(array.column(*at), field.data_type(), rules)?;
        // What stands below a null struct is nobody's value.
        let bad = done.failed.map(|bad| {
            BooleanBuffer::collect_bool(array.len(), |row| bad.value(row) && array.is_valid(row))
        });
        if let Some(bad) = bad.filter(|bad| bad.count_set_bits() > 0) {
            failed = union_failed(failed, Some(bad));
            why = done.why;
        }
        columns.push(done.array);
    }
    let (nulls, failed) = match failed {
        Some(failed) => apply_failed(array.nulls().cloned(), failed),
        None => (array.nulls().cloned(), None),
    };
    let array = StructArray::try_new_with_length(fields.clone(), columns, nulls, array.len())
        .map_err(ExactError::arrow)?;
    Ok(Outcome {
        array: Arc::new(array),
        failed,
        why,
    })
}

/// Offsets from 0, and the values that they span.
fn within(offsets: &OffsetBuffer<i32>, values: &ArrayRef) -> (OffsetBuffer<i32>, ArrayRef) {
    let first = offsets.first().map_or(0, |first| *first as usize);
    let last = offsets.last().map_or(0, |last| *last as usize);
    let lengths = offsets.lengths();
    (
        OffsetBuffer::from_lengths(lengths),
        values.slice(first, last - first),
    )
}

/// The rows of which an element failed.
fn rows_of(failed: Option<&BooleanBuffer>, offsets: &OffsetBuffer<i32>) -> Option<BooleanBuffer> {
    let failed = failed?;
    let rows = offsets.len().saturating_sub(1);
    Some(BooleanBuffer::collect_bool(rows, |row| {
        let (from, to) = (offsets[row] as usize, offsets[row + 1] as usize);
        (from..to).any(|at| failed.value(at))
    }))
}
