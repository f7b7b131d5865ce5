//! Columns that come with a type: what of it bronze holds, and how values get there without losing anything (B3, F2).
//!
//! Integers without a sign become the next wider type, 64 of them decimal(20, 0); times of any unit become microseconds, and a value that has more is
//! set aside; dictionaries are taken apart. Lists, structs and maps stay what they are. Which format the values come from is left to others: what they
//! share is how an object of typed batches is proved, read and sampled.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, PrimitiveArray, RecordBatch, TimestampMicrosecondArray,
    new_null_array,
};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Field, FieldRef, Fields, Float64Type, TimeUnit,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType,
};
use arrow::error::ArrowError;
use serde_json::{Map, Value, json};

use crate::format::{ObjectCount, Opened, Sample, SampleColumn, not_there};
use crate::rows::{self, OwnColumns, internal};
use crate::{Column, Object, SourceError, discover, names};

/// The type in bronze; the reason if there is none. None: a column that is always null and says nothing of its type.
pub(crate) fn bronze_type(of: &DataType) -> Result<Option<DataType>, String> {
    if *of == DataType::Null {
        return Ok(None);
    }
    typed(of, false).map(Some)
}

fn typed(of: &DataType, inside: bool) -> Result<DataType, String> {
    let item = |field: &FieldRef| -> Result<FieldRef, String> {
        Ok(Arc::new(Field::new(
            "element",
            typed(field.data_type(), true)?,
            true,
        )))
    };
    Ok(match of {
        DataType::Boolean
        | DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::Float32
        | DataType::Float64
        | DataType::Date32 => of.clone(),
        DataType::UInt8 => DataType::Int16,
        DataType::UInt16 => DataType::Int32,
        DataType::UInt32 => DataType::Int64,
        DataType::UInt64 => DataType::Decimal128(20, 0),
        DataType::Float16 => DataType::Float32,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8,
        DataType::Binary
        | DataType::LargeBinary
        | DataType::BinaryView
        | DataType::FixedSizeBinary(_) => DataType::Binary,
        // Inside a list or a struct no single value can be set aside.
        DataType::Timestamp(unit, _) if inside && *unit != TimeUnit::Microsecond => {
            return Err(format!(
                "a timestamp in {} inside another value",
                unit_of(unit)
            ));
        }
        DataType::Timestamp(_, zone) => {
            let zone = zone.as_ref().map(|_| "UTC".into());
            DataType::Timestamp(TimeUnit::Microsecond, zone)
        }
        DataType::Decimal32(digits, scale)
        | DataType::Decimal64(digits, scale)
        | DataType::Decimal128(digits, scale)
        | DataType::Decimal256(digits, scale) => {
            if *digits > 38 || *scale < 0 || i16::from(*scale) > i16::from(*digits) {
                return Err(format!("decimal({digits}, {scale})"));
            }
            DataType::Decimal128(*digits, *scale)
        }
        DataType::Dictionary(_, value) => typed(value, inside)?,
        DataType::List(of) | DataType::LargeList(of) | DataType::FixedSizeList(of, _) => {
            DataType::List(item(of)?)
        }
        DataType::Struct(fields) if !fields.is_empty() => {
            let fields = fields.iter().map(|field| {
                let of = typed(field.data_type(), true)?;
                Ok(Arc::new(Field::new(field.name(), of, true)))
            });
            DataType::Struct(fields.collect::<Result<Vec<FieldRef>, String>>()?.into())
        }
        DataType::Map(entries, sorted) => match entries.data_type() {
            DataType::Struct(pair) if pair.len() == 2 => {
                let key = Field::new("key", typed(pair[0].data_type(), true)?, false);
                let value = Field::new("value", typed(pair[1].data_type(), true)?, true);
                let pair = DataType::Struct(vec![key, value].into());
                DataType::Map(Arc::new(Field::new("key_value", pair, false)), *sorted)
            }
            other => return Err(other.to_string()),
        },
        DataType::Time32(_) | DataType::Time64(_) => return Err("a time of day".to_owned()),
        DataType::Interval(_) | DataType::Duration(_) => return Err("a duration".to_owned()),
        other => return Err(other.to_string()),
    })
}

fn unit_of(unit: &TimeUnit) -> &'static str {
    match unit {
        TimeUnit::Second => "seconds",
        TimeUnit::Millisecond => "milliseconds",
        TimeUnit::Microsecond => "microseconds",
        TimeUnit::Nanosecond => "nanoseconds",
    }
}

/// A value that the type in bronze does not hold: its row in the batch, why, and the value.
pub(crate) struct Aside {
    pub(crate) row: usize,
    pub(crate) why: &'static str,
    pub(crate) value: String,
}

/// The values in their type in bronze, null where one is set aside.
pub(crate) fn convert(
    values: &ArrayRef,
    to: &DataType,
) -> Result<(ArrayRef, Vec<Aside>), ArrowError> {
    if values.data_type() == to {
        return Ok((values.clone(), Vec::new()));
    }
    if let (DataType::Timestamp(unit, _), DataType::Timestamp(TimeUnit::Microsecond, zone)) =
        (values.data_type(), to)
    {
        let zone = zone.clone();
        let scaled = match unit {
            TimeUnit::Second => {
                in_micros::<TimestampSecondType>(values, |v| v.checked_mul(1_000_000))
            }
            TimeUnit::Millisecond => {
                in_micros::<TimestampMillisecondType>(values, |v| v.checked_mul(1_000))
            }
            TimeUnit::Microsecond => in_micros::<TimestampMicrosecondType>(values, Some),
            TimeUnit::Nanosecond => in_micros::<TimestampNanosecondType>(values, |v| {
                (v % 1_000 == 0).then_some(v / 1_000)
            }),
        };
        let (array, rows) = scaled;
        let why = match unit {
            TimeUnit::Nanosecond => "finer_than_microseconds",
            _ => "out_of_range",
        };
        let aside = rows
            .into_iter()
            .map(|(row, value)| Aside { row, why, value });
        let array: TimestampMicrosecondArray = array.with_timezone_opt(zone);
        return Ok((Arc::new(array), aside.collect()));
    }
    let strict = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    if values.null_count() == values.len() {
        return Ok((new_null_array(to, values.len()), Vec::new()));
    }
    Ok((cast_with_options(values, to, &strict)?, Vec::new()))
}

type Scaled = (TimestampMicrosecondArray, Vec<(usize, String)>);

fn in_micros<T: ArrowPrimitiveType<Native = i64>>(
    values: &ArrayRef,
    scale: impl Fn(i64) -> Option<i64>,
) -> Scaled {
    let values: &PrimitiveArray<T> = values.as_primitive();
    let mut aside = Vec::new();
    let scaled = values.iter().enumerate().map(|(row, value)| {
        let value = value?;
        let micros = scale(value);
        if micros.is_none() {
            let shown = PrimitiveArray::<TimestampNanosecondType>::from_iter_values([value]);
            let is_ns = T::DATA_TYPE == TimestampNanosecondType::DATA_TYPE;
            let told = shown.value_as_datetime(0).filter(|_| is_ns);
            aside.push((
                row,
                told.map_or_else(|| value.to_string(), |time| time.to_string()),
            ));
        }
        micros
    });
    (scaled.collect(), aside)
}

/// How the reason begins that names a column whose type bronze does not have.
const TYPE: &str = "its column ";
/// How the reason begins of a file whose columns cannot be named.
const NAMES: &str = "its columns cannot be named: ";

/// Whether an object known to be broken for this reason, which this file gave, might be whole under the settings of today.
pub(crate) fn may_be_whole_now(reason: &str) -> bool {
    reason.starts_with(TYPE) || reason.starts_with(NAMES)
}

/// The columns that land, each with its place among the fields.
pub(crate) fn landing(
    object: &Opened,
    fields: &Fields,
) -> Result<Vec<(usize, Column)>, SourceError> {
    let source_names: Vec<&str> = fields.iter().map(|field| field.name().as_str()).collect();
    let folded =
        names::fold_unique(&source_names).map_err(|why| object.broken(&format!("{NAMES}{why}")))?;
    let chosen = object.feed.columns.as_deref();
    let is_there = |name: &String| source_names.contains(&name.as_str()) || folded.contains(name);
    if let Some(missing) = chosen.into_iter().flatten().find(|name| !is_there(name)) {
        return Err(not_there(object.path, missing, &source_names));
    }
    let mut columns = Vec::new();
    for (at, (field, name)) in fields.iter().zip(&folded).enumerate() {
        let is_chosen =
            chosen.is_none_or(|chosen| chosen.contains(field.name()) || chosen.contains(name));
        if !is_chosen {
            continue;
        }
        let data_type = bronze_type(field.data_type()).map_err(|what| {
            let why = format!(
                "{TYPE}`{}` holds {what}, which tables do not have; `columns` of the feed can leave it out",
                field.name()
            );
            object.broken(&why)
        })?;
        if let Some(data_type) = data_type {
            let column = Column {
                name: name.clone(),
                source_name: field.name().clone(),
                data_type,
            };
            columns.push((at, column));
        }
    }
    Ok(columns)
}

/// Rows of a batch, and what of each was set aside, with the column.
pub(crate) struct Rows {
    pub(crate) payload: Vec<ArrayRef>,
    pub(crate) rescued: Vec<Vec<(String, Aside)>>,
}

impl Rows {
    pub(crate) fn of(rows: usize) -> Self {
        let mut rescued = Vec::new();
        rescued.resize_with(rows, Vec::new);
        Self {
            payload: Vec::new(),
            rescued,
        }
    }

    /// Adds a column; `damaged` is the reason if its values are none of its type.
    pub(crate) fn push(
        &mut self,
        object: &Opened,
        column: &Column,
        values: &ArrayRef,
        damaged: &str,
    ) -> Result<(), SourceError> {
        let (values, aside) = convert(values, &column.data_type).map_err(|e| match e {
            ArrowError::CastError(_) => object.broken(damaged).cause(e),
            other => internal(other),
        })?;
        self.add(column, values, aside);
        Ok(())
    }

    pub(crate) fn add(&mut self, column: &Column, values: ArrayRef, aside: Vec<Aside>) {
        for aside in aside {
            self.rescued[aside.row].push((column.name.clone(), aside));
        }
        self.payload.push(values);
    }
}

/// Reads one object of a typed format, batch after batch.
pub(crate) trait Batches {
    /// The columns that land.
    fn columns(&self) -> Vec<Column>;
    /// The next batch; none at the end.
    fn next(&mut self, object: &Opened) -> Result<Option<Rows>, SourceError>;
}

/// Decodes all of an object; the reason if that cannot be. What the decoder does not expect it may panic over.
pub(crate) fn prove(
    object: &Opened,
    open: &dyn Fn() -> Result<Box<dyn Batches>, SourceError>,
    damaged: &str,
) -> Result<Option<String>, SourceError> {
    let all = || -> Result<(), SourceError> {
        let mut batches = open()?;
        while batches.next(object)?.is_some() {}
        Ok(())
    };
    match catch_unwind(AssertUnwindSafe(all)) {
        Ok(read) => read.map(|()| None),
        Err(_) => Ok(Some(damaged.to_owned())),
    }
}

/// Gives the rows of an object, numbered in the order of the file.
pub(crate) fn read(
    object: &Opened,
    of: &Object,
    mut batches: Box<dyn Batches>,
    each: &mut dyn FnMut(RecordBatch) -> Result<(), SourceError>,
) -> Result<ObjectCount, SourceError> {
    let schema = rows::schema(&batches.columns());
    let mut own = OwnColumns::new(object.path, object.op(), &of.mark);
    while let Some(Rows { payload, rescued }) = batches.next(object)? {
        if rescued.is_empty() {
            continue;
        }
        for flaws in rescued {
            let row = own.rows + 1;
            let text = (!flaws.is_empty()).then(|| told(flaws));
            own.push(row, text.as_deref(), 0);
        }
        each(own.finish(&schema, payload)?)?;
    }
    Ok(ObjectCount {
        rows: own.rows,
        rescued: own.rows_rescued,
        blank_lines: 0,
    })
}

/// `_rescued` of a row.
fn told(flaws: Vec<(String, Aside)>) -> String {
    let mut reasons: Vec<&str> = Vec::new();
    let mut values = Map::new();
    for (name, aside) in flaws {
        if !reasons.contains(&aside.why) {
            reasons.push(aside.why);
        }
        values.insert(name, Value::String(aside.value));
    }
    json!({"reason": reasons.join(", "), "values": values}).to_string()
}

/// Columns of an object with their types, and what the first values have in common.
pub(crate) fn sample(
    object: &Opened,
    mut batches: Box<dyn Batches>,
    rows_max: u64,
    written: &'static str,
) -> Result<Sample, SourceError> {
    let columns = batches.columns();
    let mut profiles = vec![discover::Profile::default(); columns.len()];
    let mut rows = 0;
    while rows < rows_max
        && let Some(batch) = batches.next(object)?
    {
        rows += batch.rescued.len() as u64;
        for (profile, values) in profiles.iter_mut().zip(&batch.payload) {
            match values.data_type() {
                DataType::Float64 => {
                    let values = values.as_primitive::<Float64Type>().iter().flatten();
                    values.for_each(|value| profile.see_double(value));
                }
                DataType::Utf8 => {
                    let values = values.as_string::<i32>().iter().flatten();
                    values.for_each(|value| profile.see(value));
                }
                _ => {}
            }
        }
    }
    let columns = columns.into_iter().zip(profiles);
    Ok(Sample {
        columns: columns
            .map(|(column, profile)| SampleColumn {
                source_name: column.source_name,
                name: column.name,
                typed: Some(column.data_type),
                profile,
            })
            .collect(),
        rows,
        written,
        ..Sample::default()
    })
}
