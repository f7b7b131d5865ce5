//! How Iceberg spells a canonical schema, and which field id each column has.
//!
//! A column keeps its id from version to version. One that is new, or comes again with another type, gets an id that no column of the
//! table ever had: readers find columns by their ids, in the files of every version.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema, SchemaRef, TimeUnit};
use serde::Deserialize;
use serde_json::{Value, json};

use super::metadata;
use crate::LakeError;
use crate::schema::{
    COMMENT, FIELD_ID, decimal, id_of, is_same_type, map_of, unknown_type, unspelled,
};

/// Table property: columns that karat types narrower than Iceberg can, by field id.
pub(crate) const NARROW: &str = "karat.narrow";

/// What karat calls the type of a column, by field id, where Iceberg has no such type: `byte` or `short`.
pub(crate) type Narrow = BTreeMap<i32, String>;

/// A canonical schema with a field id on every field: those of `known`, else such above `last`.
pub(crate) fn assign(schema: &Schema, known: Option<&Schema>, last: i32) -> SchemaRef {
    let mut next = last;
    let fields: Vec<FieldRef> = schema
        .fields()
        .iter()
        .map(|field| {
            let old = known.and_then(|known| known.field_with_name(field.name()).ok());
            let old = old.filter(|old| is_same_type(old.data_type(), field.data_type()));
            numbered(field, old, &mut next)
        })
        .collect();
    Arc::new(Schema::new(fields))
}

/// A field with the ids of an old one of the same type, else with new ones, counted depth first.
fn numbered(field: &Field, old: Option<&Field>, next: &mut i32) -> FieldRef {
    let id = match old.and_then(id_of) {
        Some(id) => id,
        None => {
            *next += 1;
            *next
        }
    };
    let data_type = match (field.data_type(), old.map(Field::data_type)) {
        (DataType::Struct(inner), old) => DataType::Struct(numbered_all(inner, old, next)),
        (DataType::List(item), Some(DataType::List(old))) => {
            DataType::List(numbered(item, Some(old), next))
        }
        (DataType::List(item), _) => DataType::List(numbered(item, None, next)),
        // The pair of a map is no column in Iceberg: its key and value have ids, it has none.
        (DataType::Map(entries, sorted), old) => match entries.data_type() {
            DataType::Struct(pair) => {
                let old = match old {
                    Some(DataType::Map(entries, _)) => Some(entries.data_type()),
                    _ => None,
                };
                let pair = DataType::Struct(numbered_all(pair, old, next));
                DataType::Map(Arc::new(Field::new(entries.name(), pair, false)), *sorted)
            }
            other => other.clone(),
        },
        (other, _) => other.clone(),
    };
    Arc::new(Field::new(field.name(), data_type, field.is_nullable()).with_metadata(id_as(id)))
}

fn numbered_all(fields: &Fields, old: Option<&DataType>, next: &mut i32) -> Fields {
    let old = match old {
        Some(DataType::Struct(old)) => Some(old),
        _ => None,
    };
    fields
        .iter()
        .enumerate()
        .map(|(at, field)| {
            let old = old.and_then(|old| old.get(at)).map(Arc::as_ref);
            numbered(field, old, next)
        })
        .collect()
}

fn id_as(id: i32) -> HashMap<String, String> {
    HashMap::from([(FIELD_ID.to_owned(), id.to_string())])
}

/// The highest field id of a schema.
pub(crate) fn highest_id(fields: &Fields) -> i32 {
    fields.iter().fold(0, |highest, field| {
        let inner = match field.data_type() {
            DataType::Struct(inner) => highest_id(inner),
            DataType::List(item) | DataType::Map(item, _) => {
                highest_id(&Fields::from(vec![Arc::clone(item)]))
            }
            _ => 0,
        };
        highest.max(inner).max(id_of(field).unwrap_or(0))
    })
}

/// Iceberg's JSON of a schema: `numbered` has the ids, `schema` the comments.
pub(crate) fn to_json(
    numbered: &Schema,
    schema: &Schema,
    schema_id: i32,
) -> Result<Value, LakeError> {
    Ok(json!({
        "type": "struct",
        "schema-id": schema_id,
        "fields": fields_json(numbered.fields(), schema.fields())?,
    }))
}

fn fields_json(numbered: &Fields, fields: &Fields) -> Result<Vec<Value>, LakeError> {
    let both = numbered.iter().zip(fields);
    both.map(|(numbered, field)| {
        let mut value = json!({
            "id": id_of(numbered).unwrap_or(0),
            "name": field.name(),
            "required": false,
            "type": type_json(numbered.data_type(), field.data_type())?,
        });
        if let Some(comment) = field.metadata().get(COMMENT) {
            value["doc"] = Value::from(comment.as_str());
        }
        Ok(value)
    })
    .collect()
}

fn type_json(numbered: &DataType, data_type: &DataType) -> Result<Value, LakeError> {
    let name = match (numbered, data_type) {
        (DataType::Boolean, _) => "boolean",
        (DataType::Int8 | DataType::Int16 | DataType::Int32, _) => "int",
        (DataType::Int64, _) => "long",
        (DataType::Float32, _) => "float",
        (DataType::Float64, _) => "double",
        (DataType::Date32, _) => "date",
        (DataType::Utf8, _) => "string",
        (DataType::Binary, _) => "binary",
        (DataType::Timestamp(_, Some(_)), _) => "timestamptz",
        (DataType::Timestamp(_, None), _) => "timestamp",
        (DataType::Decimal128(precision, scale), _) => {
            return Ok(Value::String(format!("decimal({precision}, {scale})")));
        }
        (DataType::Struct(numbered), DataType::Struct(fields)) => {
            return Ok(json!({ "type": "struct", "fields": fields_json(numbered, fields)? }));
        }
        (DataType::List(numbered), DataType::List(item)) => {
            return Ok(json!({
                "type": "list",
                "element-id": id_of(numbered).unwrap_or(0),
                "element": type_json(numbered.data_type(), item.data_type())?,
                "element-required": false,
            }));
        }
        (DataType::Map(numbered, _), DataType::Map(entries, _)) => {
            if let (DataType::Struct(numbered), DataType::Struct(pair)) =
                (numbered.data_type(), entries.data_type())
                && let ([key_id, value_id], [key, value]) = (&numbered[..], &pair[..])
            {
                return Ok(json!({
                    "type": "map",
                    "key-id": id_of(key_id).unwrap_or(0),
                    "key": type_json(key_id.data_type(), key.data_type())?,
                    "value-id": id_of(value_id).unwrap_or(0),
                    "value": type_json(value_id.data_type(), value.data_type())?,
                    "value-required": false,
                }));
            }
            return Err(unspelled(data_type, "Iceberg"));
        }
        _ => return Err(unspelled(data_type, "Iceberg")),
    };
    Ok(Value::String(name.into()))
}

/// The columns that Iceberg holds as `int` and karat narrower.
pub(crate) fn narrow(numbered: &Fields) -> Narrow {
    let mut found = Narrow::new();
    for field in numbered {
        match field.data_type() {
            DataType::Int8 => found.extend(id_of(field).map(|id| (id, "byte".to_owned()))),
            DataType::Int16 => found.extend(id_of(field).map(|id| (id, "short".to_owned()))),
            DataType::Struct(inner) => found.extend(narrow(inner)),
            DataType::List(item) | DataType::Map(item, _) => {
                found.extend(narrow(&Fields::from(vec![Arc::clone(item)])));
            }
            _ => {}
        }
    }
    found
}

/// The columns of an Iceberg schema with their field ids, and with their comments; `table` is for messages.
pub(crate) fn from_iceberg(
    fields: &[metadata::Field],
    narrow: &Narrow,
    table: &str,
) -> Result<Schema, LakeError> {
    let reader = Reader { narrow, table };
    Ok(Schema::new(reader.fields(fields, "")?))
}

struct Reader<'a> {
    narrow: &'a Narrow,
    table: &'a str,
}

impl Reader<'_> {
    fn fields(&self, fields: &[metadata::Field], parent: &str) -> Result<Vec<FieldRef>, LakeError> {
        let fields = fields.iter();
        fields
            .map(|field| {
                let path = match parent {
                    "" => field.name.clone(),
                    parent => format!("{parent}.{}", field.name),
                };
                let made = self.field(&field.name, field.id, &field.of, true, &path)?;
                Ok(match &field.doc {
                    None => made,
                    Some(doc) => {
                        let mut metadata = made.metadata().clone();
                        metadata.insert(COMMENT.to_owned(), doc.clone());
                        Arc::new(made.as_ref().clone().with_metadata(metadata))
                    }
                })
            })
            .collect()
    }

    fn field(
        &self,
        name: &str,
        id: i32,
        of: &Value,
        nullable: bool,
        path: &str,
    ) -> Result<FieldRef, LakeError> {
        let data_type = self.data_type(id, of, path)?;
        Ok(Arc::new(
            Field::new(name, data_type, nullable).with_metadata(id_as(id)),
        ))
    }

    fn data_type(&self, id: i32, of: &Value, path: &str) -> Result<DataType, LakeError> {
        if let Some(name) = of.as_str() {
            return self.primitive(id, name, path);
        }
        let part = |name: &str, key: &str, nullable: bool| {
            let id = of[format!("{key}-id")].as_i64();
            let id = id.and_then(|id| i32::try_from(id).ok());
            match id {
                Some(id) => self.field(name, id, &of[key], nullable, &format!("{path}.{name}")),
                None => Err(self.unknown(&of.to_string(), path)),
            }
        };
        match of["type"].as_str() {
            Some("struct") => {
                let fields = serde_json::from_value::<Vec<metadata::Field>>(of["fields"].clone());
                let fields = fields.map_err(|_| self.unknown(&of.to_string(), path))?;
                Ok(DataType::Struct(self.fields(&fields, path)?.into()))
            }
            Some("list") => Ok(DataType::List(part("element", "element", true)?)),
            Some("map") => Ok(map_of(
                part("key", "key", false)?,
                part("value", "value", true)?,
            )),
            _ => Err(self.unknown(&of.to_string(), path)),
        }
    }

    fn primitive(&self, id: i32, name: &str, path: &str) -> Result<DataType, LakeError> {
        Ok(match name {
            "boolean" => DataType::Boolean,
            "int" => match self.narrow.get(&id).map(String::as_str) {
                Some("byte") => DataType::Int8,
                Some("short") => DataType::Int16,
                _ => DataType::Int32,
            },
            "long" => DataType::Int64,
            "float" => DataType::Float32,
            "double" => DataType::Float64,
            "date" => DataType::Date32,
            "timestamp" => DataType::Timestamp(TimeUnit::Microsecond, None),
            "timestamptz" => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            "string" => DataType::Utf8,
            "binary" => DataType::Binary,
            _ => decimal(name).ok_or_else(|| self.unknown(name, path))?,
        })
    }

    fn unknown(&self, of: &str, path: &str) -> LakeError {
        unknown_type(self.table, path, of)
    }
}

/// The same columns as all of karat sees them: without field ids, like those of a Delta table.
pub(crate) fn without_ids(schema: &Schema) -> SchemaRef {
    Arc::new(Schema::new(stripped(schema.fields(), true)))
}

fn stripped(fields: &Fields, with_comments: bool) -> Fields {
    let field = |field: &FieldRef| {
        let data_type = match field.data_type() {
            DataType::Struct(inner) => DataType::Struct(stripped(inner, true)),
            DataType::List(item) => {
                DataType::List(stripped(&Fields::from(vec![Arc::clone(item)]), false)[0].clone())
            }
            DataType::Map(entries, sorted) => DataType::Map(
                match entries.data_type() {
                    DataType::Struct(pair) => Arc::new(Field::new(
                        entries.name(),
                        DataType::Struct(stripped(pair, false)),
                        false,
                    )),
                    _ => Arc::clone(entries),
                },
                *sorted,
            ),
            other => other.clone(),
        };
        let mut metadata = field.metadata().clone();
        metadata.retain(|key, _| with_comments && key == COMMENT);
        Arc::new(Field::new(field.name(), data_type, field.is_nullable()).with_metadata(metadata))
    };
    fields.iter().map(field).collect()
}

/// Of columns that files were written with, those that the table has otherwise by now, in words: karat finds columns by their names.
pub(crate) fn changed(written: &Fields, now: &Fields, parent: &str) -> Option<String> {
    for field in now {
        let path = match parent {
            "" => field.name().clone(),
            parent => format!("{parent}.{}", field.name()),
        };
        let id = id_of(field);
        let same_name = written.iter().find(|old| old.name() == field.name());
        let same_id = written.iter().find(|old| id.is_some() && id_of(old) == id);
        match (same_name, same_id) {
            (None, None) => {}
            (None, Some(old)) => {
                return Some(format!("column `{path}` was called `{}`", old.name()));
            }
            (Some(old), _) if id_of(old) != id => {
                return Some(format!("column `{path}` was dropped and made anew"));
            }
            (Some(old), _) => {
                let inner = match (old.data_type(), field.data_type()) {
                    (DataType::Struct(old), DataType::Struct(new)) => changed(old, new, &path),
                    (DataType::List(old), DataType::List(new))
                    | (DataType::Map(old, _), DataType::Map(new, _)) => changed(
                        &Fields::from(vec![Arc::clone(old)]),
                        &Fields::from(vec![Arc::clone(new)]),
                        &path,
                    ),
                    (old, new) if old == new => None,
                    (old, new) => Some(format!("column `{path}` was {old} and is {new}")),
                };
                if inner.is_some() {
                    return inner;
                }
            }
        }
    }
    None
}

/// What in a type may not be null, by its path; `path` is that of the type. A map's keys never are, whoever wrote it.
pub(crate) fn required_in(of: &Value, path: &str) -> Option<String> {
    let part = |key: &str| {
        let path = format!("{path}.{key}");
        let is_required = of[format!("{key}-required")] == true;
        match is_required {
            true => Some(path),
            false => required_in(&of[key], &path),
        }
    };
    match of["type"].as_str()? {
        "list" => part("element"),
        "map" => part("key").or_else(|| part("value")),
        "struct" => of["fields"].as_array()?.iter().find_map(|field| {
            let path = format!("{path}.{}", field["name"].as_str()?);
            match field["required"] == true {
                true => Some(path),
                false => required_in(&field["type"], &path),
            }
        }),
        _ => None,
    }
}

/// What the table property `schema.name-mapping.default` says of a column: its id in files whose columns have none.
#[derive(Debug, Deserialize)]
pub(crate) struct Mapped {
    #[serde(rename = "field-id")]
    id: Option<i32>,
    names: Vec<String>,
    #[serde(default)]
    fields: Vec<Mapped>,
}

fn mapped<'m>(names: &'m [Mapped], name: &str) -> Option<&'m Mapped> {
    names
        .iter()
        .find(|one| one.names.iter().any(|of| of == name))
}

/// A column that a file of another writer has under another name than the table, in words: Iceberg finds columns by their ids, and there
/// the names may be older ones, or such as Avro allows. `names` is for files without ids.
pub(crate) fn misnamed(
    file: &Fields,
    table: &Fields,
    names: &[Mapped],
    parent: &str,
) -> Option<String> {
    let id_in_file = |field: &FieldRef| {
        id_of(field).or_else(|| mapped(names, field.name()).and_then(|one| one.id))
    };
    for field in table {
        let path = match parent {
            "" => field.name().clone(),
            parent => format!("{parent}.{}", field.name()),
        };
        let id = id_of(field);
        let same_name = file.iter().find(|other| other.name() == field.name());
        let same_id = file
            .iter()
            .find(|other| id.is_some() && id_in_file(other) == id);
        match (same_name, same_id) {
            (_, Some(other)) if other.name() != field.name() => {
                return Some(format!("column `{path}` is called `{}`", other.name()));
            }
            (_, Some(other)) => {
                let below = mapped(names, field.name()).map_or(&[][..], |one| &one.fields);
                let inner = misnamed_in(other.data_type(), field.data_type(), below, &path);
                if inner.is_some() {
                    return inner;
                }
            }
            (Some(other), None) => {
                return Some(match id_in_file(other) {
                    Some(_) => format!("another column is called `{path}`"),
                    None => format!("column `{path}` has no field id"),
                });
            }
            (None, None) => {}
        }
    }
    None
}

fn misnamed_in(file: &DataType, table: &DataType, names: &[Mapped], path: &str) -> Option<String> {
    let below = |name: &str| mapped(names, name).map_or(&[][..], |one| &one.fields);
    match (file, table) {
        (DataType::Struct(file), DataType::Struct(table)) => misnamed(file, table, names, path),
        (DataType::List(file), DataType::List(table)) => misnamed_in(
            file.data_type(),
            table.data_type(),
            below("element"),
            &format!("{path}.element"),
        ),
        (DataType::Map(file, _), DataType::Map(table, _)) => {
            match (file.data_type(), table.data_type()) {
                (DataType::Struct(file), DataType::Struct(table)) => {
                    file.iter().zip(table).find_map(|(file, table)| {
                        let (name, path) = (table.name(), format!("{path}.{}", table.name()));
                        misnamed_in(file.data_type(), table.data_type(), below(name), &path)
                    })
                }
                _ => None,
            }
        }
        _ => None,
    }
}
