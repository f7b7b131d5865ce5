//! Column types: what a table can hold, and how Arrow and Delta spell it.
//!
//! A lake has one spelling of each type ([`canonical`]): strings plain Utf8, timestamps in microseconds with zone `UTC` or without
//! zone, lists with items called `element`. Every column may be null: whether an engine can prove that a column has no nulls
//! changes with its plan, and must change neither a schema nor a byte. Comments ride in the field metadata `comment`.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema, SchemaRef, TimeUnit};
use serde_json::{Map, Value, json};

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

fn map_of(key: FieldRef, value: FieldRef) -> DataType {
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

fn id_of(field: &Field) -> Option<i32> {
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
                .is_none_or(|new| delta_type(new.data_type()) != delta_type(old.data_type()))
        })
        .map(|field| field.name().clone())
        .collect()
}

/// Delta's `schemaString` of a canonical schema.
pub(crate) fn to_delta(schema: &Schema) -> String {
    struct_json(schema.fields()).to_string()
}

fn struct_json(fields: &Fields) -> Value {
    let fields: Vec<Value> = fields
        .iter()
        .map(|field| {
            let metadata: BTreeMap<&String, &String> = field
                .metadata()
                .iter()
                .filter(|(key, _)| *key == COMMENT || key.starts_with("karat."))
                .collect();
            json!({
                "name": field.name(),
                "type": delta_type(field.data_type()),
                "nullable": true,
                "metadata": metadata,
            })
        })
        .collect();
    json!({ "type": "struct", "fields": fields })
}

fn delta_type(data_type: &DataType) -> Value {
    let name = match data_type {
        DataType::Boolean => "boolean",
        DataType::Int8 => "byte",
        DataType::Int16 => "short",
        DataType::Int32 => "integer",
        DataType::Int64 => "long",
        DataType::Float32 => "float",
        DataType::Float64 => "double",
        DataType::Date32 => "date",
        DataType::Binary => "binary",
        DataType::Timestamp(_, Some(_)) => "timestamp",
        DataType::Timestamp(_, None) => "timestamp_ntz",
        DataType::Decimal128(precision, scale) => {
            return Value::String(format!("decimal({precision},{scale})"));
        }
        DataType::Struct(fields) => return struct_json(fields),
        DataType::List(item) => {
            return json!({ "type": "array", "elementType": delta_type(item.data_type()), "containsNull": true });
        }
        DataType::Map(entries, _) => {
            if let DataType::Struct(pair) = entries.data_type()
                && let [key, value] = pair.iter().as_slice()
            {
                return json!({
                    "type": "map",
                    "keyType": delta_type(key.data_type()),
                    "valueType": delta_type(value.data_type()),
                    "valueContainsNull": true,
                });
            }
            "map"
        }
        _ => "string",
    };
    Value::String(name.into())
}

/// What a Delta schema holds besides names and types.
#[derive(Debug, Clone)]
pub(crate) struct DeltaSchema {
    pub(crate) schema: SchemaRef,
    /// Metadata keys that bind a writer (`delta.invariants`, `delta.generationExpression`, ...), with their columns.
    pub(crate) rules: Vec<(String, String)>,
}

/// Reads Delta's `schemaString`; `table` and `log` (the file it stands in) are for messages.
pub(crate) fn from_delta(text: &str, table: &str, log: &Path) -> Result<DeltaSchema, LakeError> {
    let value: Value = serde_json::from_str(text)
        .map_err(|error| LakeError::corrupt_by(log, "the schema is no JSON", error))?;
    let mut reader = Reader {
        table,
        log,
        rules: Vec::new(),
    };
    let fields = reader.fields(&value, "")?;
    Ok(DeltaSchema {
        schema: Arc::new(Schema::new(fields)),
        rules: reader.rules,
    })
}

struct Reader<'a> {
    table: &'a str,
    log: &'a Path,
    rules: Vec<(String, String)>,
}

impl Reader<'_> {
    fn corrupt(&self, path: &str) -> LakeError {
        LakeError::corrupt(
            self.log,
            format!("the schema is no Delta schema at column `{path}`"),
        )
    }

    fn fields(&mut self, value: &Value, path: &str) -> Result<Vec<FieldRef>, LakeError> {
        let fields = value
            .get("fields")
            .and_then(Value::as_array)
            .ok_or_else(|| self.corrupt(path))?;
        fields.iter().map(|field| self.field(field, path)).collect()
    }

    fn field(&mut self, value: &Value, parent: &str) -> Result<FieldRef, LakeError> {
        let name = value
            .get("name")
            .and_then(Value::as_str)
            .ok_or_else(|| self.corrupt(parent))?;
        let path = if parent.is_empty() {
            name.to_owned()
        } else {
            format!("{parent}.{name}")
        };
        let data_type =
            self.data_type(value.get("type").ok_or_else(|| self.corrupt(&path))?, &path)?;
        let mut kept = HashMap::new();
        for (key, value) in value
            .get("metadata")
            .and_then(Value::as_object)
            .unwrap_or(&Map::new())
        {
            if key == COMMENT || key.starts_with("karat.") {
                if let Some(value) = value.as_str() {
                    kept.insert(key.clone(), value.to_owned());
                }
            } else if key.starts_with("delta.") {
                self.rules.push((path.clone(), key.clone()));
            }
        }
        Ok(Arc::new(
            Field::new(name, data_type, true).with_metadata(kept),
        ))
    }

    fn data_type(&mut self, value: &Value, path: &str) -> Result<DataType, LakeError> {
        if let Some(name) = value.as_str() {
            return self.primitive(name, path);
        }
        let part = |key: &str| {
            value.get(key).ok_or_else(|| {
                LakeError::corrupt(
                    self.log,
                    format!("the schema is no Delta schema at column `{path}`"),
                )
            })
        };
        match value.get("type").and_then(Value::as_str) {
            Some("struct") => Ok(DataType::Struct(self.fields(value, path)?.into())),
            Some("array") => {
                let item = part("elementType")?;
                let item = self.data_type(item, &format!("{path}.element"))?;
                Ok(DataType::List(Arc::new(Field::new("element", item, true))))
            }
            Some("map") => {
                let (key, item) = (part("keyType")?, part("valueType")?);
                let key = self.data_type(key, &format!("{path}.key"))?;
                let item = self.data_type(item, &format!("{path}.value"))?;
                Ok(map_of(
                    Arc::new(Field::new("key", key, false)),
                    Arc::new(Field::new("value", item, true)),
                ))
            }
            _ => Err(self.corrupt(path)),
        }
    }

    fn primitive(&self, name: &str, path: &str) -> Result<DataType, LakeError> {
        Ok(match name {
            "boolean" => DataType::Boolean,
            "byte" => DataType::Int8,
            "short" => DataType::Int16,
            "integer" => DataType::Int32,
            "long" => DataType::Int64,
            "float" => DataType::Float32,
            "double" => DataType::Float64,
            "date" => DataType::Date32,
            "binary" => DataType::Binary,
            "string" => DataType::Utf8,
            "timestamp" => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            "timestamp_ntz" => DataType::Timestamp(TimeUnit::Microsecond, None),
            // Delta's short form of decimal(10,0).
            "decimal" => DataType::Decimal128(10, 0),
            _ => {
                let decimal = name
                    .strip_prefix("decimal(")
                    .and_then(|rest| rest.strip_suffix(')'));
                let digits = decimal.and_then(|digits| digits.split_once(','));
                let parsed = digits.and_then(|(precision, scale)| {
                    Some((
                        precision.trim().parse::<u8>().ok()?,
                        scale.trim().parse::<i8>().ok()?,
                    ))
                });
                match parsed {
                    Some((precision @ 1..=38, scale @ 0..=38)) => {
                        DataType::Decimal128(precision, scale)
                    }
                    _ => {
                        return Err(LakeError::Refused {
                            doing: "read",
                            what: self.table.to_owned(),
                            why: format!(
                                "column `{path}` has the type `{name}`, which karat does not know"
                            ),
                            hint: "copy the table without this column".into(),
                        });
                    }
                }
            }
        })
    }
}
