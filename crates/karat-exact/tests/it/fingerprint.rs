//! Vectors of fingerprint v1, and what it must not depend on.

use std::sync::Arc;

use arrow::array::*;
use arrow::compute::{cast, concat};
use arrow::datatypes::{DataType, Field, Fields, Schema, TimeUnit, i256};
use karat_exact::fingerprint::{Fingerprint, Fingerprinter, schema_text};
use serde_json::{Value, json};

fn data_type(text: &str) -> DataType {
    let zone = Some("UTC".into());
    match text {
        "boolean" => DataType::Boolean,
        "tinyint" => DataType::Int8,
        "integer" => DataType::Int32,
        "bigint" => DataType::Int64,
        "bigint unsigned" => DataType::UInt64,
        "double" => DataType::Float64,
        "real" => DataType::Float32,
        "decimal(9,2)" => DataType::Decimal128(9, 2),
        "decimal(38,6)" => DataType::Decimal128(38, 6),
        "decimal(76,2)" => DataType::Decimal256(76, 2),
        "string" => DataType::Utf8,
        "binary" => DataType::Binary,
        "date" => DataType::Date32,
        "time(us)" => DataType::Time64(TimeUnit::Microsecond),
        "time(ns)" => DataType::Time64(TimeUnit::Nanosecond),
        "timestamp(us)" => DataType::Timestamp(TimeUnit::Microsecond, None),
        "timestamp(ms)" => DataType::Timestamp(TimeUnit::Millisecond, None),
        "timestamp(ns)" => DataType::Timestamp(TimeUnit::Nanosecond, None),
        "timestamp(us) with time zone" => DataType::Timestamp(TimeUnit::Microsecond, zone),
        "timestamp(ns) with time zone" => DataType::Timestamp(TimeUnit::Nanosecond, zone),
        "list<integer>" => DataType::new_list(DataType::Int32, true),
        "list<string>" => DataType::new_list(DataType::Utf8, true),
        "struct<b: integer, a: string>" => DataType::Struct(Fields::from(vec![
            Field::new("b", DataType::Int32, true),
            Field::new("a", DataType::Utf8, true),
        ])),
        "map<string, integer>" => {
            let entries = Fields::from(vec![
                Field::new("key", DataType::Utf8, false),
                Field::new("value", DataType::Int32, true),
            ]);
            DataType::Map(
                Arc::new(Field::new("entries", DataType::Struct(entries), false)),
                false,
            )
        }
        other => panic!("no type {other} in vectors"),
    }
}

/// One value as an array of length one.
fn one(data_type: &DataType, value: &Value) -> ArrayRef {
    if value.is_null() {
        return new_null_array(data_type, 1);
    }
    let text = || value.as_str().unwrap();
    match data_type {
        DataType::Boolean => Arc::new(BooleanArray::from(vec![value.as_bool().unwrap()])),
        DataType::Utf8 => Arc::new(StringArray::from(vec![text()])),
        DataType::Binary => {
            let bytes: Vec<u8> = (0..text().len() / 2)
                .map(|i| u8::from_str_radix(&text()[2 * i..2 * i + 2], 16).unwrap())
                .collect();
            Arc::new(BinaryArray::from(vec![bytes.as_slice()]))
        }
        DataType::Float64 if text().starts_with("0x") => {
            Arc::new(Float64Array::from(vec![f64::from_bits(
                u64::from_str_radix(&text()[2..], 16).unwrap(),
            )]))
        }
        DataType::Decimal128(p, s) => {
            let value: i128 = text().replace('.', "").parse().unwrap();
            Arc::new(
                Decimal128Array::from(vec![value])
                    .with_precision_and_scale(*p, *s)
                    .unwrap(),
            )
        }
        DataType::Decimal256(p, s) => {
            let value = i256::from_string(&text().replace('.', "")).unwrap();
            Arc::new(
                Decimal256Array::from(vec![value])
                    .with_precision_and_scale(*p, *s)
                    .unwrap(),
            )
        }
        DataType::Date32 => cast(
            &Int32Array::from(vec![text().parse::<i32>().unwrap()]),
            data_type,
        )
        .unwrap(),
        DataType::Time64(_) | DataType::Timestamp(..) => cast(
            &Int64Array::from(vec![text().parse::<i64>().unwrap()]),
            data_type,
        )
        .unwrap(),
        DataType::List(item) => {
            let items: Vec<ArrayRef> = value
                .as_array()
                .unwrap()
                .iter()
                .map(|v| one(item.data_type(), v))
                .collect();
            let refs: Vec<&dyn Array> = items.iter().map(AsRef::as_ref).collect();
            let values = if refs.is_empty() {
                new_empty_array(item.data_type())
            } else {
                concat(&refs).unwrap()
            };
            let offsets = arrow::buffer::OffsetBuffer::from_lengths([values.len()]);
            Arc::new(ListArray::new(item.clone(), offsets, values, None))
        }
        DataType::Struct(fields) => {
            let columns = fields
                .iter()
                .map(|f| one(f.data_type(), &value[f.name()]))
                .collect();
            Arc::new(StructArray::new(fields.clone(), columns, None))
        }
        DataType::Map(entries, _) => {
            let DataType::Struct(fields) = entries.data_type() else {
                unreachable!()
            };
            let pairs = value.as_array().unwrap();
            let column = |k: usize| {
                let items: Vec<ArrayRef> = pairs
                    .iter()
                    .map(|pair| one(fields[k].data_type(), &pair[k]))
                    .collect();
                let refs: Vec<&dyn Array> = items.iter().map(AsRef::as_ref).collect();
                concat(&refs).unwrap()
            };
            let entry_array = StructArray::new(fields.clone(), vec![column(0), column(1)], None);
            let offsets = arrow::buffer::OffsetBuffer::from_lengths([pairs.len()]);
            Arc::new(MapArray::new(
                entries.clone(),
                offsets,
                entry_array,
                None,
                false,
            ))
        }
        _ => cast(&StringArray::from(vec![text()]), data_type).unwrap(),
    }
}

fn batch(columns: &[(&str, &str)], rows: &Value) -> RecordBatch {
    let fields: Vec<Field> = columns
        .iter()
        .map(|(name, t)| Field::new(*name, data_type(t), true))
        .collect();
    let schema = Arc::new(Schema::new(fields));
    let arrays = columns
        .iter()
        .enumerate()
        .map(|(k, (_, t))| {
            let cells: Vec<ArrayRef> = rows
                .as_array()
                .unwrap()
                .iter()
                .map(|row| one(&data_type(t), &row[k]))
                .collect();
            concat(&cells.iter().map(AsRef::as_ref).collect::<Vec<_>>()).unwrap()
        })
        .collect();
    RecordBatch::try_new(schema, arrays).unwrap()
}

fn of(batch: &RecordBatch) -> Fingerprint {
    let mut fingerprinter = Fingerprinter::new(&batch.schema(), &[]).unwrap();
    fingerprinter.update(batch).unwrap();
    fingerprinter.finish()
}

#[test]
fn vectors_hold() {
    /// Name, columns with their types, values.
    type Case<'a> = (&'a str, Vec<(&'a str, &'a str)>, Value);
    let cases: Vec<Case> = vec![
        (
            "boolean",
            vec![("c", "boolean")],
            json!([[true], [false], [null]]),
        ),
        (
            "integers, minimal",
            vec![("c", "bigint")],
            json!([
                ["0"],
                ["1"],
                ["-1"],
                ["127"],
                ["128"],
                ["-128"],
                ["-129"],
                ["9223372036854775807"],
                ["-9223372036854775808"]
            ]),
        ),
        (
            "integer, one byte wide",
            vec![("c", "tinyint")],
            json!([["0"], ["1"], ["-1"], ["127"], ["-128"]]),
        ),
        (
            "the same integers, wider",
            vec![("c", "bigint")],
            json!([["0"], ["1"], ["-1"], ["127"], ["-128"]]),
        ),
        (
            "unsigned beyond bigint",
            vec![("c", "bigint unsigned")],
            json!([["18446744073709551615"]]),
        ),
        (
            "decimal",
            vec![("c", "decimal(9,2)")],
            json!([["1.50"], ["100.00"], ["0.00"], ["-0.01"]]),
        ),
        (
            "the same decimals, wider",
            vec![("c", "decimal(38,6)")],
            json!([["1.500000"], ["100.000000"], ["0.000000"], ["-0.010000"]]),
        ),
        (
            "decimal of 76 digits",
            vec![("c", "decimal(76,2)")],
            json!([
                ["1.50"],
                ["12345678901234567890123456789012345678901234567890.12"],
                ["100000000000000000000000000000000000000000.00"]
            ]),
        ),
        (
            "double",
            vec![("c", "double")],
            json!([
                ["0"],
                ["-0"],
                ["1.5"],
                ["0x7ff8000000000000"],
                ["0xfff8000000000001"],
                ["0x7ff0000000000000"],
                ["0x0000000000000001"]
            ]),
        ),
        ("real", vec![("c", "real")], json!([["0"], ["1.5"]])),
        (
            "string",
            vec![("c", "string")],
            json!([["a"], [""], ["\u{e9}"], ["e\u{301}"], [null]]),
        ),
        ("null is not empty", vec![("c", "string")], json!([[null]])),
        ("empty is not null", vec![("c", "string")], json!([[""]])),
        (
            "binary",
            vec![("c", "binary")],
            json!([["61"], [""], ["00ff"]]),
        ),
        (
            "date",
            vec![("c", "date")],
            json!([["0"], ["20000"], ["-1"]]),
        ),
        (
            "time",
            vec![("c", "time(us)")],
            json!([["0"], ["86399999999"]]),
        ),
        (
            "time with nanoseconds",
            vec![("c", "time(ns)")],
            json!([["1000"], ["1001"]]),
        ),
        (
            "timestamp",
            vec![("c", "timestamp(us)")],
            json!([["0"], ["1700000000000000"], ["-1000"]]),
        ),
        (
            "timestamp in milliseconds",
            vec![("c", "timestamp(ms)")],
            json!([["0"], ["1700000000000"], ["-1"]]),
        ),
        (
            "timestamp with nanoseconds",
            vec![("c", "timestamp(ns)")],
            json!([["1700000000000000000"], ["1700000000000000001"], ["-1"]]),
        ),
        (
            "timestamp with zone",
            vec![("c", "timestamp(us) with time zone")],
            json!([["0"], ["1700000000000000"]]),
        ),
        (
            "timestamp with zone and nanoseconds",
            vec![("c", "timestamp(ns) with time zone")],
            json!([["1"]]),
        ),
        (
            "list",
            vec![("c", "list<integer>")],
            json!([[["1", null, "2"]], [[]], [null]]),
        ),
        (
            "list of strings",
            vec![("c", "list<string>")],
            json!([[["", null]]]),
        ),
        (
            "struct",
            vec![("c", "struct<b: integer, a: string>")],
            json!([[{"b": "1", "a": "x"}], [{"b": null, "a": null}], [null]]),
        ),
        (
            "map, any order of entries",
            vec![("c", "map<string, integer>")],
            json!([[[["b", "2"], ["a", null]]], [[["a", null], ["b", "2"]]]]),
        ),
        (
            "two columns",
            vec![("b", "integer"), ("a", "string")],
            json!([["1", "x"], [null, "y"], ["2", null], [null, null]]),
        ),
        (
            "renamed",
            vec![("b2", "integer"), ("a", "string")],
            json!([["1", "x"], [null, "y"], ["2", null], [null, null]]),
        ),
        (
            "an all-null column added",
            vec![("b", "integer"), ("z", "decimal(9,2)"), ("a", "string")],
            json!([
                ["1", null, "x"],
                [null, null, "y"],
                ["2", null, null],
                [null, null, null]
            ]),
        ),
        (
            "duplicate rows",
            vec![("c", "integer")],
            json!([["7"], ["7"]]),
        ),
        ("the row once", vec![("c", "integer")], json!([["7"]])),
    ];
    let mut out = String::from("[\n");
    for (k, (name, columns, rows)) in cases.iter().enumerate() {
        let rows_batch = batch(columns, rows);
        let mut total = Fingerprint::default();
        let mut row_bytes = Vec::new();
        for row in 0..rows_batch.num_rows() {
            total += of(&rows_batch.slice(row, 1));
            row_bytes.push(
                karat_exact::fingerprint::row_bytes(&rows_batch, row)
                    .unwrap()
                    .iter()
                    .map(|b| format!("{b:02x}"))
                    .collect::<String>(),
            );
        }
        assert_eq!(of(&rows_batch), total, "{name}");
        let columns: Vec<Value> = columns
            .iter()
            .map(|(name, t)| json!({"name": name, "type": t}))
            .collect();
        let case = json!({"case": name, "columns": columns, "rows": rows, "row_bytes": row_bytes, "fingerprint": of(&rows_batch)});
        out += &format!("  {case}{}\n", if k + 1 < cases.len() { "," } else { "" });
    }
    out += "]\n";
    expect_test::expect_file!["../fingerprint-vectors.json"].assert_eq(&out);
}

#[test]
fn physical_types_do_not_matter() {
    let plain = batch(
        &[("c", "string"), ("n", "integer")],
        &json!([
            ["a", "1"],
            ["", "-5"],
            [null, null],
            ["a string that is longer than a view's inline part", "3"]
        ]),
    );
    for string in [
        DataType::LargeUtf8,
        DataType::Utf8View,
        DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)),
    ] {
        let c = cast(plain.column(0), &string).unwrap();
        let n = cast(plain.column(1), &DataType::Int64).unwrap();
        let schema = Arc::new(Schema::new(vec![
            Field::new("n", DataType::Int64, true),
            Field::new("c", string, true),
        ]));
        let other = RecordBatch::try_new(schema, vec![n, c]).unwrap();
        assert_eq!(of(&plain), of(&other));
    }
}

#[test]
fn fingerprints_add_subtract_and_print() {
    let rows = batch(&[("c", "integer")], &json!([["1"], ["2"], ["3"]]));
    let (first, rest) = (of(&rows.slice(0, 1)), of(&rows.slice(1, 2)));
    assert_eq!(first + rest, of(&rows));
    assert_eq!(of(&rows) - rest, first);
    assert_eq!(first.to_string().parse::<Fingerprint>().unwrap(), first);
    assert_eq!(
        Fingerprint::default().to_string(),
        "0:00000000000000000000000000000000"
    );
    for wrong in [
        "",
        "1",
        "1:ab",
        "x:00000000000000000000000000000000",
        "1:0000000000000000000000000000000G",
    ] {
        assert!(wrong.parse::<Fingerprint>().is_err(), "{wrong}");
    }
}

#[test]
fn what_has_no_encoding_is_refused() {
    let schema = Schema::new(vec![Field::new(
        "d",
        DataType::Duration(TimeUnit::Second),
        true,
    )]);
    assert!(Fingerprinter::new(&schema, &[]).is_err());
    assert!(Fingerprinter::new(&schema, &["d"]).is_ok());
}

#[test]
fn schema_text_is_one_line_a_column() {
    let schema = Schema::new(vec![
        Field::new("id", DataType::Int64, false),
        Field::new("amount", DataType::Decimal128(12, 2), true),
        Field::new(
            "at",
            DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            true,
        ),
    ]);
    expect_test::expect![[r#"
        id	bigint not null
        amount	decimal(12,2)
        at	timestamp with time zone
    "#]]
    .assert_eq(&schema_text(&schema));
}
