//! Per-file statistics as the logs of tables keep them: row count, and per simple column minimum, maximum and null count, all exact.
//!
//! What cannot be exact is left out, since a reader skips files by it: NaN, infinity, years that the text form cannot hold. A file with such a
//! value has no minimum and maximum of any column: where only one column of several has none, delta-rs (1.6, as a dataset of pyarrow) takes
//! that for a bound which no value meets, and skips the file. A long string's minimum is cut down and its maximum rounded up, which is still
//! a true bound.

use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, PrimitiveArray, RecordBatch, StringArray,
    StructArray,
};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Fields, Float32Type, Float64Type, Int8Type, Int16Type,
    Int32Type, Int64Type, Schema, TimeUnit, TimestampMicrosecondType,
};
use chrono::{DateTime, Datelike, NaiveDate};
use serde_json::Value;

use crate::constant::is_one_value;
use crate::schema::id_of;

/// Delta indexes the first 32 leaf columns.
const INDEXED_LEAVES: usize = 32;
/// Longest string kept in a bound, in characters, as other Delta writers do.
const STRING_PREFIX: usize = 32;

/// Gathers the statistics of one file.
#[derive(Debug)]
pub(crate) struct FileStats {
    rows: u64,
    columns: Vec<Node>,
}

/// What is known of the values of one column of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct ColumnStats {
    /// The column's Parquet field id.
    pub id: i32,
    /// Values that are null; one within a null struct counts.
    pub nulls: u64,
    /// True bounds of the values that are not; none where there are none that are exact.
    pub range: Option<(Bound, Bound)>,
}

/// A value that no value of a column is below, or above.
#[derive(Debug, Clone, PartialEq)]
pub enum Bound {
    /// Of a boolean.
    Boolean(bool),
    /// Of a whole number; of a date in days, of a timestamp in microseconds since 1970.
    Integer(i64),
    /// Of a decimal, in units of its last digit.
    Decimal(i128),
    /// Of a float of either width.
    Float(f64),
    /// Of a text: at most the 32 characters that a bound needs.
    Text(String),
}

#[derive(Debug)]
enum Node {
    Leaf {
        name: String,
        leaf: Leaf,
    },
    Group {
        name: String,
        column: usize,
        children: Vec<Node>,
    },
    /// Binary, list, map, or beyond the 32nd leaf.
    Skipped,
}

#[derive(Debug)]
struct Leaf {
    column: usize,
    /// Its field id, where the schema has one.
    id: Option<i32>,
    nulls: u64,
    bounds: Bounds,
}

#[derive(Debug)]
enum Bounds {
    None,
    Boolean {
        range: Option<(bool, bool)>,
    },
    Integer {
        range: Option<(i64, i64)>,
        text: IntegerText,
    },
    Decimal {
        range: Option<(i128, i128)>,
        scale: i8,
    },
    Float {
        range: Option<(f64, f64)>,
        unbounded: bool,
    },
    Text {
        range: Option<(String, String)>,
    },
}

#[derive(Debug, Clone, Copy)]
enum IntegerText {
    Number,
    Date,
    Timestamp { zone: bool },
}

impl FileStats {
    pub(crate) fn new(schema: &Schema) -> Self {
        let mut leaves = 0;
        Self {
            rows: 0,
            columns: nodes(schema.fields(), &mut leaves),
        }
    }

    /// Adds the rows of a batch in canonical types.
    pub(crate) fn update(&mut self, batch: &RecordBatch) {
        self.rows += batch.num_rows() as u64;
        for node in &mut self.columns {
            update(node, batch.columns(), None);
        }
    }

    /// What was said of a file's columns before, by field id; `schema` has field ids.
    pub(crate) fn of_columns(
        schema: &Schema,
        rows: u64,
        stated: impl Fn(i32) -> Option<ColumnStats>,
    ) -> Self {
        let mut stats = Self::new(schema);
        stats.rows = rows;
        for_each_leaf(&mut stats.columns, &mut |leaf| {
            if let Some(of) = leaf.id.and_then(&stated) {
                leaf.nulls = of.nulls;
                leaf.bounds.set(of.range);
            }
        });
        stats
    }

    /// The columns that have field ids.
    pub(crate) fn columns(mut self) -> Vec<ColumnStats> {
        let mut columns = Vec::new();
        for_each_leaf(&mut self.columns, &mut |leaf| {
            columns.extend(leaf.id.map(|id| ColumnStats {
                id,
                nulls: leaf.nulls,
                range: leaf.bounds.range(),
            }));
        });
        columns
    }

    /// Delta's `stats` text.
    pub(crate) fn to_json(&self) -> String {
        let (mut min, mut max, mut nulls) = (String::new(), String::new(), String::new());
        write_group(&self.columns, &mut nulls, |leaf| {
            Some(leaf.nulls.to_string())
        });
        if !are_told(&self.columns, self.rows) {
            return format!(r#"{{"numRecords":{},"nullCount":{nulls}}}"#, self.rows);
        }
        write_group(&self.columns, &mut min, |leaf| {
            leaf.bounds.text().map(|bounds| bounds.0)
        });
        write_group(&self.columns, &mut max, |leaf| {
            leaf.bounds.text().map(|bounds| bounds.1)
        });
        format!(
            r#"{{"numRecords":{},"minValues":{min},"maxValues":{max},"nullCount":{nulls}}}"#,
            self.rows
        )
    }
}

fn nodes(fields: &Fields, leaves: &mut usize) -> Vec<Node> {
    let mut found = Vec::with_capacity(fields.len());
    for (column, field) in fields.iter().enumerate() {
        let name = field.name().clone();
        found.push(match field.data_type() {
            DataType::Struct(inner) => Node::Group {
                name,
                column,
                children: nodes(inner, leaves),
            },
            data_type => {
                *leaves += 1;
                match bounds(data_type) {
                    Some(bounds) if *leaves <= INDEXED_LEAVES => Node::Leaf {
                        name,
                        leaf: Leaf {
                            column,
                            id: id_of(field),
                            nulls: 0,
                            bounds,
                        },
                    },
                    _ => Node::Skipped,
                }
            }
        });
    }
    found
}

fn for_each_leaf(nodes: &mut [Node], visit: &mut impl FnMut(&mut Leaf)) {
    for node in nodes {
        match node {
            Node::Skipped => {}
            Node::Group { children, .. } => for_each_leaf(children, visit),
            Node::Leaf { leaf, .. } => visit(leaf),
        }
    }
}

/// Whether each column that has values and could have bounds does have them.
fn are_told(nodes: &[Node], rows: u64) -> bool {
    nodes.iter().all(|node| match node {
        Node::Skipped => true,
        Node::Group { children, .. } => are_told(children, rows),
        Node::Leaf { leaf, .. } => {
            leaf.nulls == rows
                || matches!(leaf.bounds, Bounds::None)
                || leaf.bounds.text().is_some()
        }
    })
}

fn bounds(data_type: &DataType) -> Option<Bounds> {
    let integer = |text| Some(Bounds::Integer { range: None, text });
    match data_type {
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => {
            integer(IntegerText::Number)
        }
        DataType::Date32 => integer(IntegerText::Date),
        DataType::Timestamp(TimeUnit::Microsecond, zone) => integer(IntegerText::Timestamp {
            zone: zone.is_some(),
        }),
        DataType::Decimal128(_, scale) => Some(Bounds::Decimal {
            range: None,
            scale: *scale,
        }),
        DataType::Float32 | DataType::Float64 => Some(Bounds::Float {
            range: None,
            unbounded: false,
        }),
        DataType::Utf8 => Some(Bounds::Text { range: None }),
        DataType::Boolean => Some(Bounds::Boolean { range: None }),
        DataType::Binary => Some(Bounds::None),
        _ => None,
    }
}

fn update(node: &mut Node, columns: &[ArrayRef], parent: Option<&NullBuffer>) {
    match node {
        Node::Skipped => {}
        Node::Group {
            column, children, ..
        } => {
            let group: &StructArray = columns[*column].as_struct();
            let nulls = NullBuffer::union(parent, group.nulls());
            for child in children {
                update(child, group.columns(), nulls.as_ref());
            }
        }
        Node::Leaf { leaf, .. } => {
            let array = columns[leaf.column].as_ref();
            let nulls = NullBuffer::union(parent, array.nulls());
            leaf.nulls += nulls.as_ref().map_or(0, NullBuffer::null_count) as u64;
            leaf.bounds.update(array, nulls.as_ref());
        }
    }
}

impl Bounds {
    fn update(&mut self, array: &dyn Array, nulls: Option<&NullBuffer>) {
        match self {
            Self::None => {}
            Self::Boolean { range } => {
                let array = array.as_boolean();
                for index in 0..array.len() {
                    if nulls.is_none_or(|nulls| nulls.is_valid(index)) {
                        widen(range, array.value(index));
                    }
                }
            }
            Self::Integer { range, .. } => match array.data_type() {
                DataType::Int8 => integers::<Int8Type>(range, array, nulls),
                DataType::Int16 => integers::<Int16Type>(range, array, nulls),
                DataType::Int32 => integers::<Int32Type>(range, array, nulls),
                DataType::Date32 => integers::<Date32Type>(range, array, nulls),
                DataType::Int64 => integers::<Int64Type>(range, array, nulls),
                _ => integers::<TimestampMicrosecondType>(range, array, nulls),
            },
            Self::Decimal { range, .. } => {
                for value in values(array.as_primitive::<Decimal128Type>(), nulls) {
                    widen(range, value);
                }
            }
            Self::Float { range, unbounded } => {
                let mut add = |value: f64| {
                    if value.is_finite() {
                        widen(range, value);
                    } else {
                        *unbounded = true;
                    }
                };
                match array.data_type() {
                    DataType::Float32 => values(array.as_primitive::<Float32Type>(), nulls)
                        .for_each(|value| add(value.into())),
                    _ => values(array.as_primitive::<Float64Type>(), nulls).for_each(add),
                }
            }
            Self::Text { range } => {
                let array = array.as_string::<i32>();
                // Rows that are all alike widen the range once.
                let rows = if is_one_value(array) { 1 } else { array.len() };
                widen_texts(range, array, rows, nulls);
            }
        }
    }

    /// True bounds, where they are exact.
    fn range(&self) -> Option<(Bound, Bound)> {
        match self {
            Self::None => None,
            Self::Boolean { range } => {
                range.map(|(min, max)| (Bound::Boolean(min), Bound::Boolean(max)))
            }
            Self::Integer { range, .. } => {
                range.map(|(min, max)| (Bound::Integer(min), Bound::Integer(max)))
            }
            Self::Decimal { range, .. } => {
                range.map(|(min, max)| (Bound::Decimal(min), Bound::Decimal(max)))
            }
            Self::Float { range, unbounded } => {
                let (min, max) = range.filter(|_| !unbounded)?;
                let (min, max) = both_zeros(min, max);
                Some((Bound::Float(min), Bound::Float(max)))
            }
            Self::Text { range } => {
                let (min, max) = range.as_ref()?;
                Some((Bound::Text(text_below(min)), Bound::Text(text_above(max)?)))
            }
        }
    }

    /// Takes over bounds that were stated; such of another type are none.
    fn set(&mut self, stated: Option<(Bound, Bound)>) {
        match (self, stated) {
            (Self::Boolean { range }, Some((Bound::Boolean(min), Bound::Boolean(max)))) => {
                *range = Some((min, max));
            }
            (Self::Integer { range, .. }, Some((Bound::Integer(min), Bound::Integer(max)))) => {
                *range = Some((min, max));
            }
            (Self::Decimal { range, .. }, Some((Bound::Decimal(min), Bound::Decimal(max)))) => {
                *range = Some((min, max));
            }
            (Self::Float { range, .. }, Some((Bound::Float(min), Bound::Float(max)))) => {
                *range = Some((min, max));
            }
            (Self::Text { range }, Some((Bound::Text(min), Bound::Text(max)))) => {
                *range = Some((min, max));
            }
            _ => {}
        }
    }

    /// Minimum and maximum as JSON, each only where it can be told.
    fn text(&self) -> Option<(String, String)> {
        match self {
            Self::None => None,
            Self::Boolean { range } => {
                let (min, max) = (*range)?;
                Some((min.to_string(), max.to_string()))
            }
            Self::Integer { range, text } => {
                let (min, max) = (*range)?;
                Some((text.write(min)?, text.write(max)?))
            }
            Self::Decimal { range, scale } => {
                let (min, max) = (*range)?;
                Some((decimal(min, *scale), decimal(max, *scale)))
            }
            Self::Float { range, unbounded } => {
                let (min, max) = (*range)?;
                let (min, max) = both_zeros(min, max);
                (!unbounded).then(|| (format!("{min:?}"), format!("{max:?}")))
            }
            Self::Text { range } => {
                let (min, max) = range.as_ref()?;
                Some((
                    Value::from(text_below(min)).to_string(),
                    Value::from(text_above(max)?).to_string(),
                ))
            }
        }
    }
}

/// Readers disagree on whether -0.0 is below 0.0; both lie within these.
fn both_zeros(min: f64, max: f64) -> (f64, f64) {
    (
        if min == 0.0 { -0.0 } else { min },
        if max == 0.0 { 0.0 } else { max },
    )
}

fn values<'a, T: ArrowPrimitiveType>(
    array: &'a PrimitiveArray<T>,
    nulls: Option<&'a NullBuffer>,
) -> impl Iterator<Item = T::Native> + 'a {
    let values = array.values().iter().enumerate();
    values
        .filter(move |(index, _)| nulls.is_none_or(|nulls| nulls.is_valid(*index)))
        .map(|(_, value)| *value)
}

fn integers<T: ArrowPrimitiveType>(
    range: &mut Option<(i64, i64)>,
    array: &dyn Array,
    nulls: Option<&NullBuffer>,
) where
    T::Native: Into<i64>,
{
    for value in values(array.as_primitive::<T>(), nulls) {
        widen(range, value.into());
    }
}

/// Widens by the first `rows` texts. Most lie well inside: their first bytes, read as a number, show it without a look at the rest.
fn widen_texts(
    range: &mut Option<(String, String)>,
    texts: &StringArray,
    rows: usize,
    nulls: Option<&NullBuffer>,
) {
    let mut heads = range.as_ref().map(|(min, max)| (head(min), head(max)));
    for index in 0..rows {
        if nulls.is_some_and(|nulls| nulls.is_null(index)) {
            continue;
        }
        let value = texts.value(index);
        let first = head(value);
        match (&mut *range, &mut heads) {
            (Some((min, max)), Some((least, greatest))) => {
                if first <= *least && value < min.as_str() {
                    value.clone_into(min);
                    *least = first;
                } else if first >= *greatest && value > max.as_str() {
                    value.clone_into(max);
                    *greatest = first;
                }
            }
            _ => {
                *range = Some((value.to_owned(), value.to_owned()));
                heads = Some((first, first));
            }
        }
    }
}

/// The first eight bytes, zeros where there are fewer: texts whose heads differ are ordered as their heads are.
fn head(text: &str) -> u64 {
    let bytes = text.as_bytes();
    // A copy of a length that is not known would cost more than all the rest.
    match (bytes.first_chunk::<8>(), bytes.first_chunk::<4>(), bytes) {
        (Some(first), ..) => u64::from_be_bytes(*first),
        (None, Some(first), [.., a, b, c, d]) => {
            let last = u32::from_be_bytes([*a, *b, *c, *d]);
            let behind = u64::from(last) << (8 * (8 - bytes.len()));
            u64::from(u32::from_be_bytes(*first)) << 32 | behind
        }
        (None, _, [a]) => u64::from_be_bytes([*a, 0, 0, 0, 0, 0, 0, 0]),
        (None, _, [a, b]) => u64::from_be_bytes([*a, *b, 0, 0, 0, 0, 0, 0]),
        (None, _, [a, b, c]) => u64::from_be_bytes([*a, *b, *c, 0, 0, 0, 0, 0]),
        (None, ..) => 0,
    }
}

fn widen<T: PartialOrd + Copy>(range: &mut Option<(T, T)>, value: T) {
    match range {
        None => *range = Some((value, value)),
        Some((min, max)) => {
            if value < *min {
                *min = value;
            }
            if value > *max {
                *max = value;
            }
        }
    }
}

impl IntegerText {
    fn write(self, value: i64) -> Option<String> {
        match self {
            Self::Number => Some(value.to_string()),
            Self::Date => {
                let days = i32::try_from(value).ok()?;
                let date = NaiveDate::from_epoch_days(days)?;
                in_years(date.year()).then(|| date.format("\"%Y-%m-%d\"").to_string())
            }
            Self::Timestamp { zone } => {
                let time = DateTime::from_timestamp_micros(value)?;
                let format = if zone {
                    "\"%Y-%m-%dT%H:%M:%S%.6fZ\""
                } else {
                    "\"%Y-%m-%dT%H:%M:%S%.6f\""
                };
                in_years(time.year()).then(|| time.format(format).to_string())
            }
        }
    }
}

fn in_years(year: i32) -> bool {
    (1..=9999).contains(&year)
}

/// The decimal as a JSON number with all its digits.
fn decimal(value: i128, scale: i8) -> String {
    let scale = usize::from(scale.unsigned_abs());
    let digits = format!("{:0>width$}", value.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    let sign = if value < 0 { "-" } else { "" };
    if fraction.is_empty() {
        format!("{sign}{whole}")
    } else {
        format!("{sign}{whole}.{fraction}")
    }
}

/// The longest allowed prefix, which is not above the text.
fn text_below(text: &str) -> String {
    text.chars().take(STRING_PREFIX).collect()
}

/// A text of at most the allowed length that is not below the text; none if there is none.
fn text_above(text: &str) -> Option<String> {
    let mut prefix: Vec<char> = text.chars().take(STRING_PREFIX + 1).collect();
    if prefix.len() <= STRING_PREFIX {
        return Some(text.to_owned());
    }
    prefix.truncate(STRING_PREFIX);
    while let Some(last) = prefix.pop() {
        if let Some(next) = next_char(last) {
            prefix.push(next);
            return Some(prefix.into_iter().collect());
        }
    }
    None
}

fn next_char(char: char) -> Option<char> {
    match char {
        '\u{d7ff}' => Some('\u{e000}'),
        char => char::from_u32(u32::from(char) + 1),
    }
}

fn write_group(nodes: &[Node], out: &mut String, value: impl Fn(&Leaf) -> Option<String> + Copy) {
    out.push('{');
    let mut first = true;
    for node in nodes {
        let (name, text) = match node {
            Node::Skipped => continue,
            Node::Leaf { name, leaf } => (name, value(leaf)),
            Node::Group { name, children, .. } => {
                let mut inner = String::new();
                write_group(children, &mut inner, value);
                (name, (inner != "{}").then_some(inner))
            }
        };
        if let Some(text) = text {
            if !first {
                out.push(',');
            }
            first = false;
            out.push_str(&Value::from(name.as_str()).to_string());
            out.push(':');
            out.push_str(&text);
        }
    }
    out.push('}');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn texts_widen_the_bounds_as_if_compared_whole(
            chunks in prop::collection::vec(prop::collection::vec(prop::option::of("[\u{0}ab€]{0,10}"), 0..20), 0..5),
        ) {
            let mut range = None;
            for chunk in &chunks {
                let texts: StringArray = chunk.iter().map(Option::as_deref).collect();
                widen_texts(&mut range, &texts, texts.len(), texts.nulls());
            }
            let all = || chunks.iter().flatten().flatten();
            prop_assert_eq!(range, all().min().cloned().zip(all().max().cloned()));
        }
    }
}
