//! Column types: what a table can hold, whatever its format.
//!
//! A lake has one spelling of each type ([`canonical`]): strings plain Utf8, timestamps in microseconds with zone `UTC` or without
//! zone, lists with items called `element`. Every column may be null: whether an engine can prove that a column has no nulls
//! changes with its plan, and must change neither a schema nor a byte. Comments ride in the field metadata `comment`.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema, SchemaRef, TimeUnit};

use crate::LakeError;

/// Key of the comment in a field's metadata, in Arrow and in Delta.
pub const COMMENT: &str = "comment";
/// Key of Parquet's field id in a field's metadata.
pub const FIELD_ID: &str = "PARQUET:field_id";

/// The schema as a table holds it; an error names the first column whose type no table can hold.
pub fn canonical(schema: &Schema) -> Result<SchemaRef, LakeError> {
    let refuse = |what: &str, why: &str, hint: &str| {
        Err(LakeError::Refused {
            doing: "store",
            what: what.into(),
            why: why.into(),
            hint: hint.into(),
        })
    };
    if schema.fields().is_empty() {
        return refuse("a table", "it has no columns", "select at least one column");
    }
    let mut seen = HashSet::new();
    let mut fields = Vec::with_capacity(schema.fields().len());
    for field in schema.fields() {
        if !seen.insert(field.name().to_lowercase()) {
            return refuse(
                field.name(),
                "two columns have this name",
                "rename one of them; upper and lower case count as equal",
            );
        }
        fields.push(canonical_field(field, field.name())?);
    }
    Ok(Arc::new(Schema::new(fields)))
}

/// A column of a foreign table whose type, as its format calls it, karat does not know.
pub(crate) fn unknown_type(table: &str, column: &str, of: &str) -> LakeError {
    LakeError::refused(
        "read",
        table,
        format!("column `{column}` has the type `{of}`, which karat does not know"),
        "copy the table without this column",
    )
}

/// A format that has no word for a type of a canonical schema: one was forgotten.
pub(crate) fn unspelled(data_type: &DataType, format: &str) -> LakeError {
    LakeError::Refused {
        doing: "store",
        what: data_type.to_string(),
        why: format!("karat does not know how {format} calls this type"),
        hint: "this is a bug of karat: please report it".into(),
    }
}

fn canonical_field(field: &Field, path: &str) -> Result<FieldRef, LakeError> {
    let name = field.name();
    if name.is_empty() || name.contains([' ', ',', ';', '{', '}', '(', ')', '\n', '\t', '=']) {
        return Err(LakeError::Refused {
            doing: "store",
            what: path.to_owned(),
            why: "a column name is empty or holds a blank or one of ,;{}()=".into(),
            hint: "give the column another name with `as`".into(),
        });
    }
    let data_type = canonical_type(field.data_type(), path)?;
    Ok(Arc::new(
        Field::new(name, data_type, true).with_metadata(kept_metadata(field)),
    ))
}

fn kept_metadata(field: &Field) -> HashMap<String, String> {
    let kept = |key: &str| key == COMMENT || key == FIELD_ID || key.starts_with("karat.");
    field
        .metadata()
        .iter()
        .filter(|(key, _)| kept(key))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

fn canonical_type(data_type: &DataType, path: &str) -> Result<DataType, LakeError> {
    let refuse = |why: String, hint: &str| {
        Err(LakeError::Refused {
            doing: "store",
            what: path.to_owned(),
            why,
            hint: hint.to_owned(),
        })
    };
    let named = |field: &FieldRef, name: &str, nullable: bool| -> Result<FieldRef, LakeError> {
        let data_type = canonical_type(field.data_type(), &format!("{path}.{name}"))?;
        let kept = kept_metadata(field)
            .into_iter()
            .filter(|(key, _)| key == FIELD_ID)
            .collect();
        Ok(Arc::new(
            Field::new(name, data_type, nullable).with_metadata(kept),
        ))
    };
    Ok(match data_type {
        DataType::Boolean
        | DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::Float32
        | DataType::Float64
        | DataType::Date32 => data_type.clone(),
        DataType::Date64 => DataType::Date32,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8,
        DataType::Binary
        | DataType::LargeBinary
        | DataType::BinaryView
        | DataType::FixedSizeBinary(_) => DataType::Binary,
        DataType::Timestamp(_, None) => DataType::Timestamp(TimeUnit::Microsecond, None),
        DataType::Timestamp(_, Some(_)) => {
            DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
        }
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale) => {
            if *scale < 0
                || i16::from(*scale) > i16::from(*precision)
                || *precision > 38
                || *precision == 0
            {
                return refuse(
                    format!("decimal({precision}, {scale}) is no table type"),
                    "cast it to a decimal of at most 38 digits whose scale is between 0 and its digits",
                );
            }
            DataType::Decimal128(*precision, *scale)
        }
        DataType::Dictionary(_, value) => canonical_type(value, path)?,
        DataType::RunEndEncoded(_, values) => canonical_type(values.data_type(), path)?,
        DataType::Struct(fields) => {
            if fields.is_empty() {
                return refuse(
                    "a struct without fields is no table type".into(),
                    "drop the column, or give the struct a field",
                );
            }
            let mut seen = HashSet::new();
            let mut canonical = Vec::with_capacity(fields.len());
            for field in fields {
                if !seen.insert(field.name().to_lowercase()) {
                    return refuse(
                        format!("two fields of the struct are called `{}`", field.name()),
                        "rename one of them",
                    );
                }
                canonical.push(canonical_field(field, &format!("{path}.{}", field.name()))?);
            }
            DataType::Struct(canonical.into())
        }
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::FixedSizeList(item, _)
        | DataType::ListView(item)
        | DataType::LargeListView(item) => DataType::List(named(item, "element", true)?),
        DataType::Map(entries, _) => {
            let DataType::Struct(pair) = entries.data_type() else {
                return refuse(
                    "the map has no keys and values".into(),
                    "report this as a bug of karat",
                );
            };
            let [key, value] = pair.iter().as_slice() else {
                return refuse(
                    "the map has no keys and values".into(),
                    "report this as a bug of karat",
                );
            };
            map_of(named(key, "key", false)?, named(value, "value", true)?)
        }
        DataType::UInt8 | DataType::UInt16 | DataType::UInt32 => {
            return refuse(
                format!("{data_type} has no sign; tables know signed integers only"),
                "cast it to bigint",
            );
        }
        DataType::UInt64 => {
            return refuse(
                "UInt64 has no sign; tables know signed integers only".into(),
                "cast it to bigint or decimal(20, 0)",
            );
        }
        DataType::Decimal256(precision, scale) => {
            return refuse(
                format!("decimal({precision}, {scale}) is no table type"),
                "cast it to a decimal of at most 38 digits",
            );
        }
        DataType::Null => {
            return refuse(
                "its type is unknown, since it is always null".into(),
                "cast the null to a type, as in `cast(null as string)`",
            );
        }
        DataType::Time32(_) | DataType::Time64(_) => {
            return refuse(
                "tables have no time of day".into(),
                "cast it to string, or add it to a date",
            );
        }
        DataType::Interval(_) | DataType::Duration(_) => {
            return refuse(
                "tables have no durations".into(),
                "store a number of seconds or days",
            );
        }
        other => {
            return refuse(
                format!("{other} is no table type"),
                "cast it to another type",
            );
        }
    })
}

pub(crate) fn map_of(key: FieldRef, value: FieldRef) -> DataType {
    let entries = DataType::Struct(Fields::from(vec![key, value]));
    DataType::Map(Arc::new(Field::new("key_value", entries, false)), false)
}

/// The canonical schema with a Parquet field id on every field: those that it carries, else its place, counted depth first from 1.
pub(crate) fn with_field_ids(schema: &Schema) -> SchemaRef {
    let mut used = HashSet::new();
    collect_ids(schema.fields(), &mut used);
    let mut place = 0;
    let fields = number(schema.fields(), &mut place, &mut used);
    Arc::new(Schema::new(fields))
}

/// The Parquet field id of a field, if it carries one.
pub(crate) fn id_of(field: &Field) -> Option<i32> {
    field
        .metadata()
        .get(FIELD_ID)
        .and_then(|id| id.parse().ok())
}

fn collect_ids(fields: &Fields, used: &mut HashSet<i32>) {
    for field in fields {
        used.extend(id_of(field));
        match field.data_type() {
            DataType::Struct(inner) => collect_ids(inner, used),
            DataType::List(item) | DataType::Map(item, _) => {
                collect_ids(&Fields::from(vec![Arc::clone(item)]), used)
            }
            _ => {}
        }
    }
}

fn number(fields: &Fields, place: &mut i32, used: &mut HashSet<i32>) -> Fields {
    fields
        .iter()
        .map(|field| number_one(field, place, used))
        .collect()
}

fn number_one(field: &Field, place: &mut i32, used: &mut HashSet<i32>) -> FieldRef {
    let id = match id_of(field) {
        Some(id) => id,
        None => {
            *place += 1;
            while !used.insert(*place) {
                *place += 1;
            }
            *place
        }
    };
    let data_type = match field.data_type() {
        DataType::Struct(inner) => DataType::Struct(number(inner, place, used)),
        DataType::List(item) => DataType::List(number_one(item, place, used)),
        // The pair of a map is no column in Iceberg: its key and value have ids, it has none.
        DataType::Map(entries, sorted) => match entries.data_type() {
            DataType::Struct(pair) => {
                let pair = DataType::Struct(number(pair, place, used));
                DataType::Map(Arc::new(Field::new(entries.name(), pair, false)), *sorted)
            }
            other => other.clone(),
        },
        other => other.clone(),
    };
    let mut metadata: HashMap<String, String> = HashMap::new();
    metadata.insert(FIELD_ID.into(), id.to_string());
    Arc::new(Field::new(field.name(), data_type, field.is_nullable()).with_metadata(metadata))
}

/// True if a column of this schema is a timestamp without zone, at any depth.
pub(crate) fn has_timestamp_without_zone(schema: &Schema) -> bool {
    fn holds(data_type: &DataType) -> bool {
        match data_type {
            DataType::Timestamp(_, None) => true,
            DataType::Struct(fields) => fields.iter().any(|field| holds(field.data_type())),
            DataType::List(item) | DataType::Map(item, _) => holds(item.data_type()),
            _ => false,
        }
    }
    schema.fields().iter().any(|field| holds(field.data_type()))
}

/// The names of columns of `old` that `new` lacks or types otherwise; rows written for `old` cannot be read as `new` then.
pub(crate) fn incompatible_columns(old: &Schema, new: &Schema) -> Vec<String> {
    let by_name: BTreeMap<&str, &FieldRef> = new
        .fields()
        .iter()
        .map(|field| (field.name().as_str(), field))
        .collect();
    old.fields()
        .iter()
        .filter(|old| {
            by_name
                .get(old.name().as_str())
                .is_none_or(|new| !is_same_type(new.data_type(), old.data_type()))
        })
        .map(|field| field.name().clone())
        .collect()
}

/// The type that both formats write as `decimal(18,2)`.
pub(crate) fn decimal(name: &str) -> Option<DataType> {
    let digits = name.strip_prefix("decimal(")?.strip_suffix(')')?;
    let (precision, scale) = digits.split_once(',')?;
    match (precision.trim().parse().ok()?, scale.trim().parse().ok()?) {
        (precision @ 1..=38, scale @ 0..=38) => Some(DataType::Decimal128(precision, scale)),
        _ => None,
    }
}

/// Whether two canonical types are one, whatever the metadata of the fields in them.
pub(crate) fn is_same_type(left: &DataType, right: &DataType) -> bool {
    match (left, right) {
        (DataType::Struct(left), DataType::Struct(right)) => {
            left.len() == right.len()
                && left.iter().zip(right).all(|(left, right)| {
                    left.name() == right.name() && is_same_type(left.data_type(), right.data_type())
                })
        }
        (DataType::List(left), DataType::List(right))
        | (DataType::Map(left, _), DataType::Map(right, _)) => {
            is_same_type(left.data_type(), right.data_type())
        }
        (left, right) => left == right,
    }
}
