//! The same rows give the same bytes (SEMANTICS G8).

use std::sync::Arc;

use arrow::array::*;
use arrow::compute::cast;
use arrow::datatypes::*;
use karat_lake::{CanonicalWriter, Layout, WrittenFile};

fn write(batches: &[RecordBatch], layout: Layout) -> Vec<WrittenFile> {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = CanonicalWriter::new(
        folder.path().to_owned(),
        batches[0].schema(),
        layout,
        1,
        0,
        &[],
    )
    .unwrap();
    for batch in batches {
        writer.write(batch).unwrap();
    }
    let files = writer.finish().unwrap();
    for file in &files {
        let (size, sha256) = karat_lake::hash_file(&folder.path().join(&file.path)).unwrap();
        assert_eq!((size, &sha256), (file.size, &file.sha256));
    }
    files
}

fn one(column: ArrayRef) -> RecordBatch {
    let field = Field::new("c", column.data_type().clone(), true);
    RecordBatch::try_new(Arc::new(Schema::new(vec![field])), vec![column]).unwrap()
}

fn split(batch: &RecordBatch, rows: usize) -> Vec<RecordBatch> {
    (0..batch.num_rows())
        .step_by(rows)
        .map(|at| batch.slice(at, rows.min(batch.num_rows() - at)))
        .collect()
}

fn retyped(batch: &RecordBatch, from: &DataType, to: &DataType) -> RecordBatch {
    let columns: Vec<ArrayRef> = batch
        .columns()
        .iter()
        .map(|column| {
            if column.data_type() == from {
                cast(column, to).unwrap()
            } else {
                Arc::clone(column)
            }
        })
        .collect();
    let fields: Vec<Field> = batch
        .schema()
        .fields()
        .iter()
        .zip(&columns)
        .map(|(field, column)| Field::new(field.name(), column.data_type().clone(), true))
        .collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
}

#[test]
fn neither_batches_nor_string_types_show() {
    const ROWS: i64 = 40_000;
    // Many distinct long strings: the dictionary overflows within a group, which is where chunk borders show.
    let text: StringArray = (0..ROWS)
        .map(|row| (row % 97 != 0).then(|| format!("{:0>60}", row * 7919 % 39_989)))
        .collect();
    let few: StringArray = (0..ROWS)
        .map(|row| Some(format!("c{}", row % 11)))
        .collect();
    let number: Int64Array = (0..ROWS)
        .map(|row| (row % 5 != 0).then_some(row * row))
        .collect();
    let batch = RecordBatch::try_from_iter_with_nullable([
        ("text", Arc::new(text) as ArrayRef, true),
        ("few", Arc::new(few) as ArrayRef, true),
        ("number", Arc::new(number) as ArrayRef, true),
    ])
    .unwrap();
    let layout = Layout {
        rows_per_file: 30_000,
        rows_per_group: 20_000,
    };
    let expected = write(std::slice::from_ref(&batch), layout);
    assert_eq!(
        expected.iter().map(|file| file.rows).collect::<Vec<_>>(),
        [30_000, 10_000]
    );
    for rows in [1000, 8192, 8193] {
        assert_eq!(
            write(&split(&batch, rows), layout),
            expected,
            "batches of {rows}"
        );
    }
    let dictionary = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    for data_type in [DataType::Utf8View, DataType::LargeUtf8, dictionary] {
        let batch = retyped(&batch, &DataType::Utf8, &data_type);
        assert_eq!(write(&split(&batch, 3000), layout), expected, "{data_type}");
    }
    let total: karat_exact::Fingerprint = expected
        .iter()
        .fold(karat_exact::Fingerprint::default(), |sum, file| {
            sum + file.fingerprint
        });
    let whole = write(&[batch], Layout::default());
    assert_eq!((whole.len(), whole[0].fingerprint), (1, total));
}

#[test]
fn other_spellings_of_a_type_give_the_same_file() {
    let file = |column: ArrayRef| write(&[one(column)], Layout::default()).remove(0);
    let micros = |zone: Option<&str>| -> ArrayRef {
        let array = TimestampMicrosecondArray::from(vec![Some(1_700_000_000_000_000), None]);
        Arc::new(array.with_timezone_opt(zone.map(str::to_owned)))
    };
    let utc = file(micros(Some("UTC")));
    for unit in [
        TimeUnit::Second,
        TimeUnit::Millisecond,
        TimeUnit::Nanosecond,
    ] {
        let zurich = cast(
            &micros(Some("Europe/Zurich")),
            &DataType::Timestamp(unit, Some("Europe/Zurich".into())),
        )
        .unwrap();
        assert_eq!(file(zurich), utc);
    }
    assert_ne!(file(micros(None)).sha256, utc.sha256);
    let bytes: ArrayRef = Arc::new(BinaryArray::from_opt_vec(vec![Some(b"ab"), None]));
    let binary = file(Arc::clone(&bytes));
    for data_type in [
        DataType::LargeBinary,
        DataType::BinaryView,
        DataType::FixedSizeBinary(2),
    ] {
        assert_eq!(file(cast(&bytes, &data_type).unwrap()), binary);
    }
    let mut lists = ListBuilder::new(Int64Builder::new());
    lists.append_value([Some(1), None]);
    lists.append_null();
    lists.append_value([Some(2), Some(3)]);
    let lists: ArrayRef = Arc::new(lists.finish());
    let list = file(Arc::clone(&lists));
    for data_type in [
        DataType::LargeList(Arc::new(Field::new("x", DataType::Int64, true))),
        DataType::FixedSizeList(Arc::new(Field::new("item", DataType::Int64, true)), 2),
    ] {
        assert_eq!(file(cast(&lists, &data_type).unwrap()), list, "{data_type}");
    }
}

#[test]
fn what_would_lose_digits_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let column: ArrayRef = Arc::new(TimestampNanosecondArray::from(vec![1_001]));
    let batch = one(column);
    let mut writer = CanonicalWriter::new(
        folder.path().to_owned(),
        batch.schema(),
        Layout::default(),
        1,
        0,
        &[],
    )
    .unwrap();
    let error = writer.write(&batch).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("column `c`: a timestamp is finer than a microsecond"),
        "{error}"
    );
    let other = one(Arc::new(Int32Array::from(vec![1])));
    let error = writer.write(&other).unwrap_err();
    assert!(
        error.to_string().contains("column `c`: its type is Int32"),
        "{error}"
    );
}

#[test]
fn statistics_are_exact_bounds() {
    let stats = |column: ArrayRef| write(&[one(column)], Layout::default()).remove(0).stats;
    let decimal = Decimal128Array::from(vec![
        Some(-5),
        None,
        Some(12_345_678_901_234_567_890_123_456_789),
    ]);
    assert_eq!(
        stats(Arc::new(decimal.with_precision_and_scale(38, 3).unwrap())),
        r#"{"numRecords":3,"minValues":{"c":-0.005},"maxValues":{"c":12345678901234567890123456.789},"nullCount":{"c":1}}"#
    );
    let times = TimestampMicrosecondArray::from(vec![-1, 1_700_000_000_123_456]);
    assert_eq!(
        stats(Arc::new(times.with_timezone("UTC"))),
        r#"{"numRecords":2,"minValues":{"c":"1969-12-31T23:59:59.999999Z"},"maxValues":{"c":"2023-11-14T22:13:20.123456Z"},"nullCount":{"c":0}}"#
    );
    assert_eq!(
        stats(Arc::new(Date32Array::from(vec![0, 19_675]))),
        r#"{"numRecords":2,"minValues":{"c":"1970-01-01"},"maxValues":{"c":"2023-11-14"},"nullCount":{"c":0}}"#
    );
    assert_eq!(
        stats(Arc::new(Float64Array::from(vec![0.0, 0.1]))),
        r#"{"numRecords":2,"minValues":{"c":-0.0},"maxValues":{"c":0.1},"nullCount":{"c":0}}"#
    );
    for value in [f64::NAN, f64::INFINITY] {
        assert_eq!(
            stats(Arc::new(Float64Array::from(vec![0.0, value]))),
            r#"{"numRecords":2,"nullCount":{"c":0}}"#
        );
    }
    assert_eq!(
        stats(Arc::new(BooleanArray::from(vec![
            Some(false),
            None,
            Some(true)
        ]))),
        r#"{"numRecords":3,"minValues":{"c":false},"maxValues":{"c":true},"nullCount":{"c":1}}"#
    );
    let long = "a".repeat(31);
    let strings = StringArray::from(vec![format!("{long}\u{10ffff}x"), format!("{long}zz")]);
    let text = stats(Arc::new(strings));
    assert!(
        text.contains(&format!(r#""minValues":{{"c":"{long}z"}}"#)),
        "{text}"
    );
    assert!(
        text.contains(&format!(r#""maxValues":{{"c":"{}b"}}"#, "a".repeat(30))),
        "{text}"
    );
    let all_null: ArrayRef = Arc::new(Int64Array::from(vec![None, None]));
    assert_eq!(
        stats(all_null),
        r#"{"numRecords":2,"minValues":{},"maxValues":{},"nullCount":{"c":2}}"#
    );
    let inner: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), Some(2), None]));
    let fields = Fields::from(vec![Field::new("x", DataType::Int64, true)]);
    let group = StructArray::new(fields, vec![inner], Some(vec![true, false, true].into()));
    assert_eq!(
        stats(Arc::new(group)),
        r#"{"numRecords":3,"minValues":{"c":{"x":1}},"maxValues":{"c":{"x":1}},"nullCount":{"c":{"x":2}}}"#
    );
}

#[test]
fn parquet_holds_icebergs_types_and_field_ids() {
    let folder = tempfile::tempdir().unwrap();
    let decimal = |precision| -> ArrayRef {
        Arc::new(
            Decimal128Array::from(vec![1])
                .with_precision_and_scale(precision, 2)
                .unwrap(),
        )
    };
    let mut lists = ListBuilder::new(Int64Builder::new());
    lists.append_value([Some(1)]);
    let mut maps = MapBuilder::new(None, StringBuilder::new(), Int32Builder::new());
    maps.keys().append_value("k");
    maps.values().append_value(1);
    maps.append(true).unwrap();
    let inner: ArrayRef = Arc::new(BooleanArray::from(vec![true]));
    let fields = Fields::from(vec![Field::new("x", DataType::Boolean, true)]);
    let batch = RecordBatch::try_from_iter([
        ("small", decimal(9)),
        ("middle", decimal(18)),
        ("large", decimal(38)),
        ("list", Arc::new(lists.finish()) as ArrayRef),
        ("map", Arc::new(maps.finish()) as ArrayRef),
        (
            "struct",
            Arc::new(StructArray::new(fields, vec![inner], None)) as ArrayRef,
        ),
        (
            "zone",
            Arc::new(TimestampMicrosecondArray::from(vec![1]).with_timezone("UTC")) as ArrayRef,
        ),
        (
            "plain",
            Arc::new(TimestampMicrosecondArray::from(vec![1])) as ArrayRef,
        ),
    ])
    .unwrap();
    let mut writer = CanonicalWriter::new(
        folder.path().to_owned(),
        batch.schema(),
        Layout::default(),
        1,
        0,
        &[],
    )
    .unwrap();
    writer.write(&batch).unwrap();
    let files = writer.finish().unwrap();
    let file = std::fs::File::open(folder.path().join(&files[0].path)).unwrap();
    let metadata = parquet::file::metadata::ParquetMetaDataReader::new()
        .parse_and_finish(&file)
        .unwrap();
    let file = metadata.file_metadata();
    assert_eq!(
        (file.created_by(), file.key_value_metadata()),
        (Some("karat canonical-1"), None)
    );
    let mut text = Vec::new();
    parquet::schema::printer::print_schema(&mut text, file.schema());
    expect_test::expect![[r#"
        message table {
          OPTIONAL INT32 small [1] (DECIMAL(9,2));
          OPTIONAL INT64 middle [2] (DECIMAL(18,2));
          OPTIONAL FIXED_LEN_BYTE_ARRAY (16) large [3] (DECIMAL(38,2));
          OPTIONAL group list [4] (LIST) {
            REPEATED group list {
              OPTIONAL INT64 element [5];
            }
          }
          OPTIONAL group map [6] (MAP) {
            REPEATED group key_value {
              REQUIRED BYTE_ARRAY key [7] (STRING);
              OPTIONAL INT32 value [8];
            }
          }
          OPTIONAL group struct [9] {
            OPTIONAL BOOLEAN x [10];
          }
          OPTIONAL INT64 zone [11] (TIMESTAMP(MICROS,true));
          OPTIONAL INT64 plain [12] (TIMESTAMP(MICROS,false));
        }
    "#]]
    .assert_eq(&String::from_utf8(text).unwrap());
}

/// One small file of every type a table can hold. A change here is canonical-2.
#[test]
fn golden_files() {
    let strings =
        |values: &[Option<&str>]| -> ArrayRef { Arc::new(StringArray::from(values.to_vec())) };
    let mut lists = ListBuilder::new(StringBuilder::new());
    lists.append_value([Some("a"), None]);
    lists.append_null();
    lists.append(true);
    let mut maps = MapBuilder::new(None, StringBuilder::new(), Int64Builder::new());
    maps.keys().append_value("k");
    maps.values().append_value(1);
    maps.append(true).unwrap();
    maps.append(false).unwrap();
    let inner: ArrayRef = Arc::new(Int32Array::from(vec![Some(1), None, Some(3)]));
    let fields = Fields::from(vec![Field::new("x", DataType::Int32, true)]);
    let group = StructArray::new(fields, vec![inner], Some(vec![true, true, false].into()));
    let decimal = |precision: u8| -> ArrayRef {
        let array = Decimal128Array::from(vec![Some(-12_345), None, Some(99_999)]);
        Arc::new(array.with_precision_and_scale(precision, 2).unwrap())
    };
    let times = TimestampMicrosecondArray::from(vec![Some(-1), None, Some(1_700_000_000_123_456)]);
    let columns: Vec<(&str, ArrayRef)> = vec![
        (
            "boolean",
            Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)])),
        ),
        (
            "byte",
            Arc::new(Int8Array::from(vec![Some(-128), None, Some(127)])),
        ),
        (
            "short",
            Arc::new(Int16Array::from(vec![Some(i16::MIN), None, Some(i16::MAX)])),
        ),
        (
            "integer",
            Arc::new(Int32Array::from(vec![Some(i32::MIN), None, Some(i32::MAX)])),
        ),
        (
            "long",
            Arc::new(Int64Array::from(vec![Some(i64::MIN), None, Some(i64::MAX)])),
        ),
        (
            "float",
            Arc::new(Float32Array::from(vec![Some(-0.0), None, Some(f32::NAN)])),
        ),
        (
            "double",
            Arc::new(Float64Array::from(vec![
                Some(0.1),
                None,
                Some(f64::INFINITY),
            ])),
        ),
        ("decimal(9,2)", decimal(9)),
        ("decimal(18,2)", decimal(18)),
        ("decimal(38,2)", decimal(38)),
        (
            "date",
            Arc::new(Date32Array::from(vec![Some(-1), None, Some(19_675)])),
        ),
        ("timestamp", Arc::new(times.clone().with_timezone("UTC"))),
        ("timestamp_ntz", Arc::new(times)),
        ("string", strings(&[Some(""), None, Some("Zürich")])),
        (
            "binary",
            Arc::new(BinaryArray::from_opt_vec(vec![
                Some(b""),
                None,
                Some(b"\0\xff"),
            ])),
        ),
        ("array", Arc::new(lists.finish())),
        ("map", Arc::new(maps.finish())),
        ("struct", Arc::new(group)),
    ];
    let mut text = String::new();
    for (name, column) in columns {
        let file = write(&[one(column)], Layout::default()).remove(0);
        text.push_str(&format!("{name} {} {}\n", file.size, file.sha256));
    }
    let number: Int64Array = (0..20_000).map(|row| Some(row * row % 9973)).collect();
    let word: StringArray = (0..20_000)
        .map(|row| Some(format!("w{}", row * 31 % 7919)))
        .collect();
    let large = RecordBatch::try_from_iter([
        ("number", Arc::new(number) as ArrayRef),
        ("word", Arc::new(word) as ArrayRef),
    ])
    .unwrap();
    let layout = Layout {
        rows_per_file: 15_000,
        rows_per_group: 9_000,
    };
    for file in write(&[large], layout) {
        text.push_str(&format!("large {} {}\n", file.size, file.sha256));
    }
    expect_test::expect_file!["canonical-1.txt"].assert_eq(&text);
}
