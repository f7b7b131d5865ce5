//! Bounds of columns on their way into a manifest and out of it.

use std::cell::Cell;

use arrow::datatypes::{DataType, Fields, Schema};

use super::manifests::DataFile;
use crate::WrittenFile;
use crate::canonical::Named;
use crate::schema::id_of;
use crate::stats::{Bound, ColumnStats, FileStats};

/// What a manifest says of a file that karat wrote; `path` is the whole one.
pub(crate) fn data_file(path: String, file: &WrittenFile) -> DataFile {
    let (columns, physical) = match &file.named {
        Named::Now { columns, physical } => (columns.as_slice(), physical.fields().clone()),
        Named::Before(Some(before)) => return before.file.clone(),
        Named::Before(None) => (&[][..], Fields::empty()),
    };
    let mut named = DataFile {
        path,
        format: "PARQUET".into(),
        rows: file.rows,
        size: file.size,
        ..DataFile::default()
    };
    let count = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    for column in columns {
        named.values.insert(column.id, count(file.rows));
        named.nulls.insert(column.id, count(column.nulls));
        let of = type_of(&physical, column.id);
        let (Some((min, max)), Some(of)) = (&column.range, of) else {
            continue;
        };
        if let (Some(min), Some(max)) = (to_bytes(min, of), to_bytes(max, of)) {
            named.lower.insert(column.id, min);
            named.upper.insert(column.id, max);
        }
    }
    named
}

/// The type of the column with this field id.
fn type_of(fields: &Fields, id: i32) -> Option<&DataType> {
    fields.iter().find_map(|field| match field.data_type() {
        DataType::Struct(inner) => type_of(inner, id),
        of => (id_of(field) == Some(id)).then_some(of),
    })
}

/// A bound in Iceberg's binary form.
fn to_bytes(bound: &Bound, of: &DataType) -> Option<Vec<u8>> {
    Some(match bound {
        Bound::Boolean(value) => vec![u8::from(*value)],
        Bound::Integer(value) => match of {
            DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Date32 => {
                i32::try_from(*value).ok()?.to_le_bytes().to_vec()
            }
            _ => value.to_le_bytes().to_vec(),
        },
        Bound::Decimal(value) => {
            // As few bytes as hold it with its sign, the high ones first.
            let bytes = value.to_be_bytes();
            let spare = bytes.windows(2).take_while(|pair| {
                let sign = pair[1] & 0x80;
                (pair[0] == 0 && sign == 0) || (pair[0] == 0xff && sign != 0)
            });
            bytes[spare.count()..].to_vec()
        }
        Bound::Float(value) => match of {
            #[expect(
                clippy::cast_possible_truncation,
                reason = "it is a float of 32 bits that was widened"
            )]
            DataType::Float32 => (*value as f32).to_le_bytes().to_vec(),
            _ => value.to_le_bytes().to_vec(),
        },
        Bound::Text(value) => value.as_bytes().to_vec(),
    })
}

/// Delta's statistics of a file that a manifest names, by which karat skips files; `numbered` has field ids.
pub(crate) fn stats_text(numbered: &Schema, file: &DataFile) -> String {
    let all_told = Cell::new(true);
    let stated = |id: i32| {
        let of = type_of(numbered.fields(), id)?;
        let range = match (file.lower.get(&id), file.upper.get(&id)) {
            (Some(min), Some(max)) => from_bytes(min, of).zip(from_bytes(max, of)),
            _ => None,
        };
        let nulls = file.nulls.get(&id).copied();
        let nulls = nulls.and_then(|nulls| u64::try_from(nulls).ok());
        all_told.set(all_told.get() && nulls.is_some());
        nulls.map(|nulls| ColumnStats { id, nulls, range })
    };
    let text = FileStats::of_columns(numbered, file.rows, stated).to_json();
    match all_told.get() {
        true => text,
        // A writer that counts no nulls, or a column that is younger than the file: what is not told may not be taken for told.
        false => format!(r#"{{"numRecords":{}}}"#, file.rows),
    }
}

fn from_bytes(bytes: &[u8], of: &DataType) -> Option<Bound> {
    let integer = || -> Option<i64> {
        match bytes.len() {
            4 => Some(i32::from_le_bytes(bytes.try_into().ok()?).into()),
            8 => Some(i64::from_le_bytes(bytes.try_into().ok()?)),
            _ => None,
        }
    };
    Some(match of {
        DataType::Boolean => Bound::Boolean(*bytes.first()? != 0),
        DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::Date32
        | DataType::Timestamp(..) => Bound::Integer(integer()?),
        DataType::Decimal128(..) => {
            let first = bytes.first()?;
            let mut whole = [if first & 0x80 == 0 { 0 } else { 0xff }; 16];
            let start = 16_usize.checked_sub(bytes.len())?;
            whole[start..].copy_from_slice(bytes);
            Bound::Decimal(i128::from_be_bytes(whole))
        }
        DataType::Float32 => {
            let value = f32::from_le_bytes(bytes.try_into().ok()?);
            Bound::Float(finite(value.into())?)
        }
        DataType::Float64 => {
            let value = f64::from_le_bytes(bytes.try_into().ok()?);
            Bound::Float(finite(value)?)
        }
        DataType::Utf8 => Bound::Text(std::str::from_utf8(bytes).ok()?.to_owned()),
        _ => return None,
    })
}

fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}
