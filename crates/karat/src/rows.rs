//! Rows as text: aligned columns, CSV, JSON. Numbers keep all their digits; null and an empty text stay apart.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, SchemaRef};
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use serde_json::{Value, json};

use crate::args::Format;
use crate::output::{self, Align, aligned};

/// Rows whose width decides that of the columns.
const LOOK_AHEAD: usize = 1000;

/// Turns batches into text, piece by piece.
pub(crate) struct RowText {
    format: Format,
    schema: SchemaRef,
    rows: u64,
    /// Rows of a table that wait for the widths of its columns.
    waiting: Vec<Vec<String>>,
    widths: Option<Vec<usize>>,
}

impl RowText {
    /// Rows of this schema.
    pub(crate) fn new(format: Format, schema: SchemaRef) -> Self {
        Self {
            format,
            schema,
            rows: 0,
            waiting: Vec::new(),
            widths: None,
        }
    }

    /// What stands before the first row.
    pub(crate) fn head(&self) -> String {
        let names = self
            .schema
            .fields()
            .iter()
            .map(|field| field.name().as_str());
        match self.format {
            Format::Csv => format!("{}\r\n", names.map(csv_text).collect::<Vec<_>>().join(",")),
            Format::Json => {
                let columns: Vec<Value> = self
                    .schema
                    .fields()
                    .iter()
                    .map(|field| json!({ "name": field.name(), "type": karat_exact::type_name(field.data_type()) }))
                    .collect();
                format!("{{\"columns\": {}, \"rows\": [", Value::Array(columns))
            }
            _ => String::new(),
        }
    }

    /// The next rows.
    pub(crate) fn batch(&mut self, batch: &RecordBatch) -> Result<String, ArrowError> {
        // Inside a list or map; a cell of its own that is null is left empty.
        let options = FormatOptions::default().with_null("null");
        let columns = batch
            .columns()
            .iter()
            .map(|column| ArrayFormatter::try_new(column, &options))
            .collect::<Result<Vec<_>, _>>()?;
        let mut text = String::new();
        for row in 0..batch.num_rows() {
            match self.format {
                Format::Table => {
                    let cells = columns
                        .iter()
                        .zip(batch.columns())
                        .map(|(shown, column)| table_cell(shown, column.as_ref(), row))
                        .collect::<Result<_, _>>()?;
                    match &self.widths {
                        Some(widths) => {
                            text.push_str(&aligned(&fitted(cells), widths, &self.aligns()))
                        }
                        None => self.waiting.push(cells),
                    }
                }
                Format::Csv => {
                    let cells: Vec<String> = columns
                        .iter()
                        .zip(batch.columns())
                        .map(|(shown, column)| csv_cell(shown, column.as_ref(), row))
                        .collect::<Result<_, _>>()?;
                    text.push_str(&cells.join(","));
                    text.push_str("\r\n");
                }
                _ => {
                    let separator = match (self.format, self.rows) {
                        (Format::Json, 0) => "\n",
                        (Format::Json, _) => ",\n",
                        _ => "",
                    };
                    text.push_str(separator);
                    text.push('{');
                    for (at, (shown, column)) in columns.iter().zip(batch.columns()).enumerate() {
                        if at > 0 {
                            text.push_str(", ");
                        }
                        text.push_str(
                            &Value::from(self.schema.field(at).name().as_str()).to_string(),
                        );
                        text.push_str(": ");
                        text.push_str(&json_cell(shown, column.as_ref(), row)?);
                    }
                    text.push('}');
                    if self.format == Format::Ndjson {
                        text.push('\n');
                    }
                }
            }
            self.rows += 1;
        }
        if self.waiting.len() >= LOOK_AHEAD {
            text.push_str(&self.release());
        }
        Ok(text)
    }

    /// What stands behind the last row.
    pub(crate) fn tail(&mut self, notes: &[String], error: Option<&Value>) -> String {
        match self.format {
            Format::Table => {
                let rows = self.release();
                let count = format!(
                    "({} row{})\n",
                    self.rows,
                    if self.rows == 1 { "" } else { "s" }
                );
                format!("{rows}{count}")
            }
            Format::Json => {
                let error = error
                    .map(|error| format!(", \"error\": {error}"))
                    .unwrap_or_default();
                let end = if self.rows > 0 { "\n" } else { "" };
                format!("{end}], \"notes\": {}{error}}}\n", json!(notes))
            }
            _ => String::new(),
        }
    }

    fn aligns(&self) -> Vec<Align> {
        self.schema
            .fields()
            .iter()
            .map(|field| {
                if field.data_type().is_numeric() {
                    Align::Right
                } else {
                    Align::Left
                }
            })
            .collect()
    }

    /// Fixes the widths and lets the waiting rows go.
    fn release(&mut self) -> String {
        if self.widths.is_some() {
            return String::new();
        }
        let names: Vec<String> = self
            .schema
            .fields()
            .iter()
            .map(|field| field.name().clone())
            .collect();
        let waiting: Vec<Vec<String>> = std::mem::take(&mut self.waiting)
            .into_iter()
            .map(fitted)
            .collect();
        let mut widths: Vec<usize> = names.iter().map(|name| name.chars().count()).collect();
        for row in &waiting {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let aligns = self.aligns();
        let mut text = aligned(&names, &widths, &aligns);
        for row in &waiting {
            text.push_str(&aligned(row, &widths, &aligns));
        }
        self.widths = Some(widths);
        text
    }
}

/// Control characters would move the cursor of a terminal.
fn fitted(cells: Vec<String>) -> Vec<String> {
    cells.iter().map(|cell| output::shown(cell)).collect()
}

fn is_text(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
    )
}

fn table_cell(
    shown: &ArrayFormatter<'_>,
    column: &dyn Array,
    row: usize,
) -> Result<String, ArrowError> {
    if column.is_null(row) {
        return Ok(String::new());
    }
    let text = shown.value(row).try_to_string()?;
    if text.is_empty() && is_text(column.data_type()) {
        Ok("\"\"".to_owned())
    } else {
        Ok(text)
    }
}

fn csv_cell(
    shown: &ArrayFormatter<'_>,
    column: &dyn Array,
    row: usize,
) -> Result<String, ArrowError> {
    if column.is_null(row) {
        return Ok(String::new());
    }
    Ok(csv_text(&shown.value(row).try_to_string()?))
}

/// RFC 4180; an empty text is quoted, so that it is no null (F1).
fn csv_text(text: &str) -> String {
    if text.is_empty() || text.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

fn json_cell(
    shown: &ArrayFormatter<'_>,
    column: &dyn Array,
    row: usize,
) -> Result<String, ArrowError> {
    if column.is_null(row) {
        return Ok("null".to_owned());
    }
    match column.data_type() {
        DataType::List(_) => {
            let items = column.as_list::<i32>().value(row);
            let inner = formatter(items.as_ref())?;
            let cells = (0..items.len())
                .map(|at| json_cell(&inner, items.as_ref(), at))
                .collect::<Result<Vec<_>, _>>()?;
            return Ok(format!("[{}]", cells.join(", ")));
        }
        DataType::Struct(fields) => {
            let cells = fields
                .iter()
                .zip(column.as_struct().columns())
                .map(|(field, held)| {
                    let name = Value::from(field.name().as_str());
                    let cell = json_cell(&formatter(held.as_ref())?, held.as_ref(), row)?;
                    Ok(format!("{name}: {cell}"))
                })
                .collect::<Result<Vec<_>, ArrowError>>()?;
            return Ok(format!("{{{}}}", cells.join(", ")));
        }
        // Names of a JSON object are texts, whatever the keys are.
        DataType::Map(..) => {
            let entries = column.as_map().value(row);
            let (keys, values) = (entries.column(0), entries.column(1));
            let (names, inner) = (formatter(keys.as_ref())?, formatter(values.as_ref())?);
            let cells = (0..entries.len())
                .map(|at| {
                    let name = Value::from(names.value(at).try_to_string()?);
                    let cell = json_cell(&inner, values.as_ref(), at)?;
                    Ok(format!("{name}: {cell}"))
                })
                .collect::<Result<Vec<_>, ArrowError>>()?;
            return Ok(format!("{{{}}}", cells.join(", ")));
        }
        _ => {}
    }
    let text = shown.value(row).try_to_string()?;
    Ok(match column.data_type() {
        DataType::Float16 | DataType::Float32 | DataType::Float64 => match text.as_str() {
            "NaN" => "\"NaN\"".to_owned(),
            "inf" => "\"Infinity\"".to_owned(),
            "-inf" => "\"-Infinity\"".to_owned(),
            _ => text,
        },
        DataType::Boolean => text,
        number if number.is_numeric() => text,
        _ => Value::String(text).to_string(),
    })
}

/// One value as people read it; null is `null`, an empty text `""`.
pub(crate) fn cell(column: &dyn Array, row: usize) -> Result<String, ArrowError> {
    match column.is_null(row) {
        true => Ok("null".to_owned()),
        false => table_cell(&formatter(column)?, column, row),
    }
}

/// One value as JSON. Decimals are texts, since a program would read a number as a double.
pub(crate) fn json_value(column: &dyn Array, row: usize) -> Result<Value, ArrowError> {
    let text = json_cell(&formatter(column)?, column, row)?;
    match column.data_type() {
        _ if column.is_null(row) => Ok(Value::Null),
        number if number.is_decimal() => Ok(Value::String(text)),
        // A decimal may lie inside.
        nested if nested.is_nested() => Ok(Value::String(text)),
        _ => serde_json::from_str(&text).map_err(|error| ArrowError::JsonError(error.to_string())),
    }
}

fn formatter(column: &dyn Array) -> Result<ArrayFormatter<'_>, ArrowError> {
    ArrayFormatter::try_new(column, &FormatOptions::new())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::Arc;

    use arrow::array::{Decimal128Array, Float64Array, Int64Array, StringArray};
    use arrow::datatypes::{Field, Schema};
    use expect_test::{Expect, expect};

    use super::*;

    fn batch() -> RecordBatch {
        let schema = Schema::new(vec![
            Field::new("id", DataType::Int64, true),
            Field::new("amount", DataType::Decimal128(38, 2), true),
            Field::new("ratio", DataType::Float64, true),
            Field::new("name", DataType::Utf8, true),
        ]);
        let amounts = Decimal128Array::from(vec![Some(10_i128.pow(30) + 1), None])
            .with_precision_and_scale(38, 2)
            .unwrap();
        RecordBatch::try_new(
            Arc::new(schema),
            vec![
                Arc::new(Int64Array::from(vec![Some(1), None])),
                Arc::new(amounts),
                Arc::new(Float64Array::from(vec![Some(f64::NAN), Some(0.1)])),
                Arc::new(StringArray::from(vec![Some(""), Some("a,\"b\"")])),
            ],
        )
        .unwrap()
    }

    fn check(format: Format, expected: Expect) {
        let batch = batch();
        let mut rows = RowText::new(format, batch.schema());
        let text = format!(
            "{}{}{}",
            rows.head(),
            rows.batch(&batch).unwrap(),
            rows.tail(&[], None)
        );
        expected.assert_eq(&text.replace("\r\n", "\n"));
    }

    #[test]
    fn a_table_lines_up_and_tells_null_from_empty() {
        check(
            Format::Table,
            expect![[r#"
                id                            amount  ratio  name
                 1  10000000000000000000000000000.01    NaN  ""
                                                        0.1  a,"b"
                (2 rows)
            "#]],
        );
    }

    #[test]
    fn csv_quotes_an_empty_text_and_leaves_null_empty() {
        check(
            Format::Csv,
            expect![[r#"
                id,amount,ratio,name
                1,10000000000000000000000000000.01,NaN,""
                ,,0.1,"a,""b"""
            "#]],
        );
    }

    #[test]
    fn json_keeps_all_digits() {
        check(
            Format::Json,
            expect![[r#"
                {"columns": [{"name":"id","type":"bigint"},{"name":"amount","type":"decimal(38,2)"},{"name":"ratio","type":"double"},{"name":"name","type":"string"}], "rows": [
                {"id": 1, "amount": 10000000000000000000000000000.01, "ratio": "NaN", "name": ""},
                {"id": null, "amount": null, "ratio": 0.1, "name": "a,\"b\""}
                ], "notes": []}
            "#]],
        );
    }

    #[test]
    fn lists_and_structs_are_json_inside_json() {
        use arrow::array::{ArrayRef, ListArray, StructArray};
        use arrow::datatypes::Int32Type;
        let list =
            ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1), None]), None]);
        let names: ArrayRef = Arc::new(StringArray::from(vec!["a", ""]));
        let pair = StructArray::from(vec![(
            Arc::new(Field::new("n", DataType::Utf8, true)),
            names,
        )]);
        let batch = RecordBatch::try_from_iter([
            ("l", Arc::new(list) as ArrayRef),
            ("s", Arc::new(pair) as ArrayRef),
        ])
        .unwrap();
        let mut rows = RowText::new(Format::Ndjson, batch.schema());
        expect![[r#"
            {"l": [1, null], "s": {"n": "a"}}
            {"l": null, "s": {"n": ""}}
        "#]]
        .assert_eq(&rows.batch(&batch).unwrap());
    }

    #[test]
    fn a_null_inside_a_map_is_null() {
        use arrow::array::builder::{Int64Builder, MapBuilder, StringBuilder};
        let mut map = MapBuilder::new(None, StringBuilder::new(), Int64Builder::new());
        map.keys().append_value("a");
        map.values().append_value(1);
        map.keys().append_value("b");
        map.values().append_null();
        map.append(true).unwrap();
        map.append(false).unwrap();
        let map = Arc::new(map.finish()) as arrow::array::ArrayRef;
        let batch = RecordBatch::try_from_iter([("m", map)]).unwrap();
        let text = |format| RowText::new(format, batch.schema()).batch(&batch).unwrap();
        expect![[r#"
            {"m": {"a": 1, "b": null}}
            {"m": null}
        "#]]
        .assert_eq(&text(Format::Ndjson));
        assert_eq!(text(Format::Csv), "\"{a: 1, b: null}\"\r\n\r\n");
    }
}
