//! How Delta spells a canonical schema, and what else its schemas hold.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema, SchemaRef, TimeUnit};
use serde_json::{Map, Value, json};

use crate::LakeError;
use crate::schema::{COMMENT, decimal, map_of, unknown_type, unspelled};

/// Delta's `schemaString` of a canonical schema.
pub(crate) fn to_delta(schema: &Schema) -> Result<String, LakeError> {
    Ok(struct_json(schema.fields())?.to_string())
}

fn struct_json(fields: &Fields) -> Result<Value, LakeError> {
    let fields: Vec<Value> = fields
        .iter()
        .map(|field| {
            let metadata: BTreeMap<&String, &String> = field
                .metadata()
                .iter()
                .filter(|(key, _)| *key == COMMENT || key.starts_with("karat."))
                .collect();
            Ok(json!({
                "name": field.name(),
                "type": delta_type(field.data_type())?,
                "nullable": true,
                "metadata": metadata,
            }))
        })
        .collect::<Result<_, LakeError>>()?;
    Ok(json!({ "type": "struct", "fields": fields }))
}

fn delta_type(data_type: &DataType) -> Result<Value, LakeError> {
    let name = match data_type {
        DataType::Boolean => "boolean",
        DataType::Int8 => "byte",
        DataType::Int16 => "short",
        DataType::Int32 => "integer",
        DataType::Int64 => "long",
        DataType::Float32 => "float",
        DataType::Float64 => "double",
        DataType::Date32 => "date",
        DataType::Utf8 => "string",
        DataType::Binary => "binary",
        DataType::Timestamp(_, Some(_)) => "timestamp",
        DataType::Timestamp(_, None) => "timestamp_ntz",
        DataType::Decimal128(precision, scale) => {
            return Ok(Value::String(format!("decimal({precision},{scale})")));
        }
        DataType::Struct(fields) => return struct_json(fields),
        DataType::List(item) => {
            let item = delta_type(item.data_type())?;
            return Ok(json!({ "type": "array", "elementType": item, "containsNull": true }));
        }
        DataType::Map(entries, _) => {
            if let DataType::Struct(pair) = entries.data_type()
                && let [key, value] = pair.iter().as_slice()
            {
                return Ok(json!({
                    "type": "map",
                    "keyType": delta_type(key.data_type())?,
                    "valueType": delta_type(value.data_type())?,
                    "valueContainsNull": true,
                }));
            }
            return Err(unspelled(data_type, "Delta"));
        }
        _ => return Err(unspelled(data_type, "Delta")),
    };
    Ok(Value::String(name.into()))
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
            _ => decimal(name).ok_or_else(|| unknown_type(self.table, path, name))?,
        })
    }
}
