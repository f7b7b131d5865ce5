//! The shape of bronze tables: payload columns, karat's own columns, and how a source's batch becomes one (B2, B3, B8).

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray, new_null_array,
};
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef, TimeUnit};
use arrow::error::ArrowError;
use karat_project::Feed;
use karat_source::names;

/// karat's own columns, in table order, after the payload that the table was created with.
pub const OWN: &[&str] = &[
    "_seq",
    "_op",
    "_object",
    "_delivery",
    "_row",
    "_epoch",
    "_rescued",
    "_fixes",
    "_run",
    "_loaded_at",
];

/// karat's column of tables that have repairs (C3): null of a row as it was received, else what the repair is, as JSON text. It comes with
/// the first repair, so that tables without one are as they were.
pub const REPAIR: &str = "_repair";

fn own_field(name: &str) -> Field {
    let data_type = match name {
        "_seq" => DataType::Binary,
        "_delivery" | "_row" | "_epoch" => DataType::Int64,
        "_loaded_at" => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        _ => DataType::Utf8,
    };
    Field::new(name, data_type, true)
}

/// One payload column as a source announces it.
#[derive(Debug, Clone, PartialEq)]
pub struct PayloadColumn {
    /// Name in bronze (F3, after `rename`).
    pub name: String,
    /// The source's spelling.
    pub source_name: String,
    /// Type (B3).
    pub data_type: DataType,
}

/// What a load's columns mean for a table.
#[derive(Debug, PartialEq)]
pub struct Drift {
    /// Columns that the table has not got yet.
    pub added: Vec<PayloadColumn>,
    /// Payload columns of the table that the load lacks.
    pub missing: Vec<String>,
    /// Columns whose type differs: name, type in the table, type in the load.
    pub types: Vec<(String, DataType, DataType)>,
}

/// What a feed names as its key or cursor and its table does not have: what is wrong, and what to do.
pub fn absent(feed: &Feed, schema: &Schema) -> Option<(String, String)> {
    let key = feed.key.iter().map(|name| ("key", name));
    // With `rename`, a cursor may go by the name that it has at the source.
    let cursor = feed.cursor.iter().filter(|_| feed.rename.is_empty());
    let cursor = cursor.map(|cursor| ("cursor", &cursor.column));
    let (what, name) = key
        .chain(cursor)
        .find(|(_, name)| schema.field_with_name(name).is_err())?;
    let columns: Vec<&str> = payload(schema)
        .iter()
        .map(|field| field.name().as_str())
        .collect();
    Some((
        format!(
            "`{what}` names `{name}`, which `{}` does not have",
            feed.bronze
        ),
        format!("its columns are {}", columns.join(", ")),
    ))
}

/// Payload columns of a bronze table.
pub fn payload(schema: &Schema) -> Vec<&Field> {
    schema
        .fields()
        .iter()
        .map(AsRef::as_ref)
        .filter(|field| {
            let name = field.name().as_str();
            name != REPAIR && !OWN.contains(&name)
        })
        .collect()
}

/// What to write for a column that is not there, where the source has one of that name with blanks around it: they are part of the name
/// (F1, F3), and nobody sees them.
pub fn name_with_blanks(schema: &Schema, wanted: &str) -> Option<String> {
    let of_blanks = |field: &&Field| {
        let spelled = field.metadata().get("comment");
        spelled.is_some_and(|spelled| {
            spelled.trim() != spelled && names::fold(spelled.trim(), 1) == wanted.to_lowercase()
        })
    };
    let field = payload(schema).into_iter().find(of_blanks)?;
    Some(format!(
        "the source calls it `{}`, with blanks around it: write `{}`",
        field.metadata().get("comment")?,
        field.name()
    ))
}

/// Compares a load's columns with a table's.
pub fn drift(table: &Schema, load: &[PayloadColumn]) -> Drift {
    let known: BTreeMap<&str, &Field> = payload(table)
        .into_iter()
        .map(|field| (field.name().as_str(), field))
        .collect();
    let mut drift = Drift {
        added: Vec::new(),
        missing: Vec::new(),
        types: Vec::new(),
    };
    for column in load {
        match known.get(column.name.as_str()) {
            None => drift.added.push(column.clone()),
            Some(field) if field.data_type() != &column.data_type => {
                drift.types.push((
                    column.name.clone(),
                    field.data_type().clone(),
                    column.data_type.clone(),
                ));
            }
            Some(_) => {}
        }
    }
    drift.missing = known
        .keys()
        .filter(|name| !load.iter().any(|column| column.name == **name))
        .map(|name| (*name).to_owned())
        .collect();
    drift
}

/// Two columns of one load that have the same name in bronze, which `rename` can bring about.
pub fn same_name(load: &[PayloadColumn]) -> Option<(&PayloadColumn, &PayloadColumn)> {
    let mut seen: BTreeMap<&str, &PayloadColumn> = BTreeMap::new();
    load.iter()
        .find_map(|column| seen.insert(&column.name, column).map(|one| (one, column)))
}

/// Schema of a new bronze table.
pub fn create_schema(columns: &[PayloadColumn]) -> SchemaRef {
    let mut fields: Vec<Field> = columns.iter().map(payload_field).collect();
    fields.extend(OWN.iter().map(|name| own_field(name)));
    Arc::new(Schema::new(fields))
}

/// The table's schema with new payload columns at its end, so that field ids stay.
pub fn evolve_schema(table: &SchemaRef, added: &[PayloadColumn]) -> SchemaRef {
    if added.is_empty() {
        return table.clone();
    }
    with_more(table, added.iter().map(payload_field))
}

/// The table's schema with the column of repairs at its end.
pub fn with_repairs(table: &SchemaRef) -> SchemaRef {
    if table.field_with_name(REPAIR).is_ok() {
        return table.clone();
    }
    with_more(table, [own_field(REPAIR)])
}

fn with_more(table: &SchemaRef, more: impl IntoIterator<Item = Field>) -> SchemaRef {
    let mut fields: Vec<FieldRef> = table.fields().to_vec();
    fields.extend(more.into_iter().map(Arc::new));
    Arc::new(Schema::new(fields))
}

fn payload_field(column: &PayloadColumn) -> Field {
    let field = Field::new(&column.name, column.data_type.clone(), true);
    if column.source_name == column.name {
        return field;
    }
    field.with_metadata(std::collections::HashMap::from([(
        "comment".to_owned(),
        column.source_name.clone(),
    )]))
}

/// Values that are the same for all rows of a batch.
#[derive(Debug, Clone, Default)]
pub struct Provenance {
    /// Epoch of the load.
    pub epoch: i64,
    /// Run of the load's intent.
    pub run: String,
    /// Logical time of the load's intent, microseconds.
    pub loaded_at_us: i64,
}

/// A source's batch as rows of the bronze table: columns by name (after `rename`), missing ones null, karat's own filled in.
pub fn complete(
    batch: &RecordBatch,
    schema: &SchemaRef,
    rename: &BTreeMap<String, String>,
    delivery: i64,
    provenance: &Provenance,
) -> Result<RecordBatch, ArrowError> {
    let rows = batch.num_rows();
    let mut by_name: BTreeMap<String, ArrayRef> = BTreeMap::new();
    for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
        let name = bronze_name(field.name(), rename);
        by_name.insert(name, column.clone());
    }
    let mut columns: Vec<ArrayRef> = Vec::with_capacity(schema.fields().len());
    for field in schema.fields() {
        let column: ArrayRef = match field.name().as_str() {
            "_delivery" => Arc::new(Int64Array::from(vec![delivery; rows])),
            "_epoch" => Arc::new(Int64Array::from(vec![provenance.epoch; rows])),
            "_run" => Arc::new(StringArray::from(vec![provenance.run.as_str(); rows])),
            "_loaded_at" => Arc::new(
                TimestampMicrosecondArray::from(vec![provenance.loaded_at_us; rows])
                    .with_timezone("UTC"),
            ),
            name => match by_name.get(name) {
                Some(column) => column.clone(),
                None => new_null_array(field.data_type(), rows),
            },
        };
        columns.push(column);
    }
    RecordBatch::try_new(schema.clone(), columns)
}

/// The bronze name of a source column: `rename` maps a bronze name to the source's new name for it (B8).
pub fn bronze_name(folded: &str, rename: &BTreeMap<String, String>) -> String {
    rename
        .iter()
        .find(|(_, source)| source.as_str() == folded)
        .map_or_else(|| folded.to_owned(), |(bronze, _)| bronze.clone())
}
