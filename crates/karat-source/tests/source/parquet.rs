//! Parquet: the types of the writer, what tables have no type for, what is finer than microseconds, and damage anywhere in the file.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, DictionaryArray,
    Float64Array, Int32Array, ListArray, RecordBatch, StringArray, StructArray,
    Time64MicrosecondArray, TimestampMillisecondArray, TimestampNanosecondArray, UInt8Array,
    UInt32Array, UInt64Array,
};
use arrow::datatypes::{Int8Type, Int32Type};
use arrow::util::pretty::pretty_format_batches;
use expect_test::{Expect, expect};
use karat_source::{FeedSpec, Format, Known, Source};
use parquet::arrow::ArrowWriter;

use crate::show::{Folder, feed, load_all, show_columns};

fn spec() -> FeedSpec {
    FeedSpec {
        format: Format::Parquet,
        ..feed("*")
    }
}

fn file(columns: Vec<(&str, ArrayRef)>) -> Vec<u8> {
    let batch =
        RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, c)| (n, c, true)))
            .unwrap();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    bytes
}

fn check(bytes: &[u8], spec: &FeedSpec, expected: Expect) {
    let folder = Folder::new();
    folder.put("t", bytes, 1);
    let source = folder.source();
    let planned = source.plan(spec, &Known::Files(Vec::new())).unwrap();
    let load = &planned.loads[0];
    if let Some(reason) = &load.objects[0].broken {
        return expected.assert_eq(&format!("broken: {reason}\n"));
    }
    let mut shown = load.header.as_deref().map(show_columns).unwrap_or_default();
    let batches: Vec<RecordBatch> = load_all(&source, spec)
        .unwrap()
        .into_iter()
        .map(|b| {
            let payload = b.batch.num_columns() - 5;
            let mut shown: Vec<usize> = (0..payload).collect();
            shown.extend([payload + 3, payload + 4]);
            b.batch.project(&shown).unwrap()
        })
        .collect();
    shown.push_str(&pretty_format_batches(&batches).unwrap().to_string());
    expected.assert_eq(&format!("{shown}\n"));
}

#[test]
fn types_stay_what_the_writer_gave() {
    let list = ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1), None]), None]);
    let inner: ArrayRef = Arc::new(StringArray::from(vec![Some("x"), None]));
    let nested = StructArray::try_from(vec![("a", inner)]).unwrap();
    let words: DictionaryArray<Int8Type> = vec![Some("red"), None].into_iter().collect();
    let bytes = file(vec![
        ("Id", Arc::new(Int32Array::from(vec![Some(1), None]))),
        ("u8", Arc::new(UInt8Array::from(vec![255, 0]))),
        ("u32", Arc::new(UInt32Array::from(vec![u32::MAX, 0]))),
        ("u64", Arc::new(UInt64Array::from(vec![u64::MAX, 0]))),
        ("d", Arc::new(Float64Array::from(vec![0.1, -0.0]))),
        ("flag", Arc::new(BooleanArray::from(vec![true, false]))),
        ("day", Arc::new(Date32Array::from(vec![-719_162, 0]))),
        (
            "amount",
            Arc::new(
                Decimal128Array::from(vec![1250, -1])
                    .with_precision_and_scale(10, 2)
                    .unwrap(),
            ),
        ),
        (
            "ms",
            Arc::new(TimestampMillisecondArray::from(vec![1, i64::MAX])),
        ),
        (
            "ns",
            Arc::new(TimestampNanosecondArray::from(vec![1_000, 1_001]).with_timezone("UTC")),
        ),
        (
            "bytes",
            Arc::new(BinaryArray::from(vec![&b"\xff"[..], b""])),
        ),
        ("word", Arc::new(words)),
        ("list", Arc::new(list)),
        ("nested", Arc::new(nested)),
        ("nothing", Arc::new(arrow::array::NullArray::new(2))),
    ]);
    check(
        &bytes,
        &spec(),
        expect![[r#"
        id (Id) Int32
        u8 (u8) Int16
        u32 (u32) Int64
        u64 (u64) Decimal128(20, 0)
        d (d) Float64
        flag (flag) Boolean
        day (day) Date32
        amount (amount) Decimal128(10, 2)
        ms (ms) Timestamp(µs)
        ns (ns) Timestamp(µs, "UTC")
        bytes (bytes) Binary
        word (word) Utf8
        list (list) List(Int32, field: 'element')
        nested (nested) Struct("a": Utf8)
        +----+-----+------------+----------------------+------+-------+------------+--------+-------------------------+-----------------------------+-------+------+-------+--------+------+-------------------------------------------------------------------------------------------------------------------------------+
        | id | u8  | u32        | u64                  | d    | flag  | day        | amount | ms                      | ns                          | bytes | word | list  | nested | _row | _rescued                                                                                                                      |
        +----+-----+------------+----------------------+------+-------+------------+--------+-------------------------+-----------------------------+-------+------+-------+--------+------+-------------------------------------------------------------------------------------------------------------------------------+
        | 1  | 255 | 4294967295 | 18446744073709551615 | 0.1  | true  | 0001-01-01 | 12.50  | 1970-01-01T00:00:00.001 | 1970-01-01T00:00:00.000001Z | ff    | red  | [1, ] | {a: x} | 1    |                                                                                                                               |
        |    | 0   | 0          | 0                    | -0.0 | false | 1970-01-01 | -0.01  |                         |                             |       |      |       | {a: }  | 2    | {"reason":"out_of_range, finer_than_microseconds","values":{"ms":"9223372036854775807","ns":"1970-01-01 00:00:00.000001001"}} |
        +----+-----+------------+----------------------+------+-------+------------+--------+-------------------------+-----------------------------+-------+------+-------+--------+------+-------------------------------------------------------------------------------------------------------------------------------+
    "#]],
    );
}

#[test]
fn what_tables_have_no_type_for_is_named() {
    let bytes = file(vec![
        ("id", Arc::new(Int32Array::from(vec![1]))),
        ("at", Arc::new(Time64MicrosecondArray::from(vec![1]))),
    ]);
    check(
        &bytes,
        &spec(),
        expect![[r#"
        broken: its column `at` holds a time of day, which tables do not have; `columns` of the feed can leave it out
    "#]],
    );
    let chosen = FeedSpec {
        columns: Some(vec!["id".to_owned()]),
        ..spec()
    };
    check(
        &bytes,
        &chosen,
        expect![[r#"
        id (id) Int32
        +----+------+----------+
        | id | _row | _rescued |
        +----+------+----------+
        | 1  | 1    |          |
        +----+------+----------+
    "#]],
    );
    let twice = file(vec![
        ("id", Arc::new(Int32Array::from(vec![1]))),
        ("ID", Arc::new(Int32Array::from(vec![1]))),
    ]);
    check(
        &twice,
        &spec(),
        expect![[r#"
        broken: its columns cannot be named: `id` (column 1) and `ID` (column 2) are both `id` in lower case letters, digits and `_`
    "#]],
    );
    check(
        b"id,v\n1,x\n",
        &spec(),
        expect![[r#"
        broken: it is no Parquet file, or ends early
    "#]],
    );
}

#[test]
fn damage_is_a_broken_object_or_no_damage_to_what_is_read() {
    let text: Vec<String> = (0..50).map(|i| format!("text {i}")).collect();
    let bytes = file(vec![
        ("id", Arc::new(Int32Array::from_iter_values(0..50))),
        ("t", Arc::new(StringArray::from(text))),
    ]);
    let folder = Folder::new();
    let source = folder.source();
    let mut broken = 0;
    for at in (0..bytes.len()).step_by(7) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x55;
        folder.put("t", &damaged, at as u64);
        let planned = source.plan(&spec(), &Known::Files(Vec::new())).unwrap();
        match planned.loads[0].objects[0].broken {
            Some(_) => broken += 1,
            // What a plan took for whole can be read.
            None => drop(load_all(&source, &spec()).unwrap()),
        }
        folder.put("t", &bytes[..at], at as u64);
        let planned = source.plan(&spec(), &Known::Files(Vec::new())).unwrap();
        assert!(planned.loads[0].objects[0].broken.is_some(), "{at} bytes");
    }
    assert!(broken > 20, "{broken} of {} are found", bytes.len() / 7);
}

/// A file with one column of the old 96-bit timestamps: nanoseconds of the day and the Julian day.
fn int96(values: &[(u64, u32)]) -> Vec<u8> {
    use parquet::data_type::{Int96, Int96Type};
    use parquet::file::properties::WriterProperties;
    use parquet::file::writer::SerializedFileWriter;
    use parquet::schema::parser::parse_message_type;
    let schema = parse_message_type("message m { required int96 at; }").unwrap();
    let properties = WriterProperties::builder().build();
    let mut bytes = Vec::new();
    let mut writer =
        SerializedFileWriter::new(&mut bytes, schema.into(), properties.into()).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    let values: Vec<Int96> = values
        .iter()
        .map(|(nanos, day)| Int96::from(vec![*nanos as u32, (*nanos >> 32) as u32, *day]))
        .collect();
    column
        .typed::<Int96Type>()
        .write_batch(&values, None, None)
        .unwrap();
    column.close().unwrap();
    group.close().unwrap();
    writer.close().unwrap();
    bytes
}

#[test]
fn old_timestamps_keep_what_they_say_or_are_set_aside() {
    // 1970-01-01, the same with a nanosecond more, 9999-12-31 (which 64 bits of nanoseconds do not hold), 0001-01-01.
    let bytes = int96(&[
        (1_000, 2_440_588),
        (1_001, 2_440_588),
        (86_399_999_999_000, 5_373_484),
        (0, 1_721_426),
    ]);
    check(
        &bytes,
        &spec(),
        expect![[r#"
        at (at) Timestamp(µs)
        +----------------------------+------+--------------------------------------------------------------------------------------+
        | at                         | _row | _rescued                                                                             |
        +----------------------------+------+--------------------------------------------------------------------------------------+
        | 1970-01-01T00:00:00.000001 | 1    |                                                                                      |
        |                            | 2    | {"reason":"finer_than_microseconds","values":{"at":"1970-01-01 00:00:00.000001001"}} |
        | 9999-12-31T23:59:59.999999 | 3    |                                                                                      |
        | 0001-01-01T00:00:00        | 4    |                                                                                      |
        +----------------------------+------+--------------------------------------------------------------------------------------+
    "#]],
    );
}
