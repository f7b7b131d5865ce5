//! A row as JSON text, for quarantine: every column, in the order of the names, null columns left out. The order in which bronze got
//! its columns is one of arrival, and the text is content (C6).

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::DataType;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use serde_json::{Map, Value};

use crate::error::PipelineError;
use crate::ingest::arrow_error;

/// The named columns of each row as a JSON object. Numbers keep their digits as text; binary is hexadecimal.
pub(crate) fn rows_as_json(
    batch: &RecordBatch,
    names: &[String],
) -> Result<Vec<String>, PipelineError> {
    let options = FormatOptions::default();
    let mut columns = Vec::new();
    let mut names: Vec<&String> = names.iter().collect();
    names.sort_unstable();
    for name in names {
        if let Some(column) = batch.column_by_name(name) {
            columns.push((
                name,
                column,
                ArrayFormatter::try_new(column.as_ref(), &options).map_err(arrow_error)?,
            ));
        }
    }
    let mut rows = Vec::with_capacity(batch.num_rows());
    for row in 0..batch.num_rows() {
        let mut object = Map::new();
        for (name, column, formatter) in &columns {
            if column.is_null(row) {
                continue;
            }
            let value = match column.data_type() {
                DataType::Boolean => Value::Bool(column.as_boolean().value(row)),
                _ => Value::String(formatter.value(row).try_to_string().map_err(arrow_error)?),
            };
            object.insert((*name).clone(), value);
        }
        rows.push(Value::Object(object).to_string());
    }
    Ok(rows)
}
