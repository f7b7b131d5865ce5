//! Iceberg tables as other writers make them: their Avro is not karat's, their data files are called otherwise and name columns otherwise.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema};
use karat_lake::{ErrorClass, Format, Table};
use parquet::arrow::ArrowWriter;
use serde_json::{Value, json};

use crate::{DIR, lake_of};

/// Avro of a value, as its schema says.
fn encode(schema: &Value, value: &Value, to: &mut Vec<u8>) {
    if let Some(options) = schema.as_array() {
        let at = options
            .iter()
            .position(|option| (option == "null") == value.is_null())
            .unwrap();
        long(i64::try_from(at).unwrap(), to);
        return encode(&options[at], value, to);
    }
    match schema.as_str().or(schema["type"].as_str()).unwrap() {
        "null" => {}
        "int" | "long" => long(value.as_i64().unwrap_or(0), to),
        "string" | "bytes" => sized(value.as_str().unwrap_or("").as_bytes(), to),
        "record" => {
            for field in schema["fields"].as_array().unwrap() {
                encode(&field["type"], &value[field["name"].as_str().unwrap()], to);
            }
        }
        other => unreachable!("{other}"),
    }
}

fn long(value: i64, to: &mut Vec<u8>) {
    let mut rest = ((value << 1) ^ (value >> 63)).cast_unsigned();
    while rest > 0x7f {
        to.push((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    to.push(rest as u8);
}

fn sized(bytes: &[u8], to: &mut Vec<u8>) {
    long(i64::try_from(bytes.len()).unwrap(), to);
    to.extend_from_slice(bytes);
}

/// An Avro file of so many records.
fn avro(schema: &Value, codec: &str, count: usize, records: &[u8]) -> Vec<u8> {
    let packed = match codec {
        "zstandard" => zstd::encode_all(records, 0).unwrap(),
        _ => records.to_vec(),
    };
    let mut file = b"Obj\x01".to_vec();
    long(2, &mut file);
    for (key, value) in [
        ("avro.schema", schema.to_string()),
        ("avro.codec", codec.into()),
    ] {
        sized(key.as_bytes(), &mut file);
        sized(value.as_bytes(), &mut file);
    }
    long(0, &mut file);
    file.extend([7; 16]);
    long(i64::try_from(count).unwrap(), &mut file);
    sized(&packed, &mut file);
    file.extend([7; 16]);
    file
}

fn record(name: &str, fields: &[(&str, Value, i32)]) -> Value {
    let fields = fields.iter();
    let fields: Vec<Value> = fields
        .map(|(name, of, id)| json!({ "name": name, "type": of, "field-id": id }))
        .collect();
    json!({ "type": "record", "name": name, "fields": fields })
}

fn manifest_schema() -> Value {
    let maybe = json!(["null", "long"]);
    let file = record(
        "r2",
        &[
            ("content", json!("int"), 134),
            ("file_path", json!("string"), 100),
            ("file_format", json!("string"), 101),
            ("partition", record("r102", &[]), 102),
            ("record_count", json!("long"), 103),
            ("file_size_in_bytes", json!("long"), 104),
        ],
    );
    let fields = [
        ("status", json!("int"), 0),
        ("snapshot_id", maybe.clone(), 1),
        ("sequence_number", maybe.clone(), 3),
        ("file_sequence_number", maybe, 4),
        ("data_file", file, 2),
    ];
    record("manifest_entry", &fields)
}

fn list_schema() -> Value {
    let fields = [
        ("manifest_path", "string", 500),
        ("manifest_length", "long", 501),
        ("partition_spec_id", "int", 502),
        ("content", "int", 517),
        ("sequence_number", "long", 515),
        ("min_sequence_number", "long", 516),
        ("added_snapshot_id", "long", 503),
        ("added_files_count", "int", 504),
        ("existing_files_count", "int", 505),
        ("deleted_files_count", "int", 506),
    ];
    record(
        "manifest_file",
        &fields.map(|(name, of, id)| (name, json!(of), id)),
    )
}

/// A table of one data file, as another writer states it.
struct Other {
    /// Columns of the table: name and field id.
    columns: Vec<(&'static str, i32)>,
    /// The same of the data file.
    in_file: Vec<(&'static str, i32)>,
    metadata: Value,
    list: Vec<Value>,
    entries: Vec<Value>,
    codec: &'static str,
}

impl Default for Other {
    fn default() -> Self {
        let metadata = json!({
            "format-version": 2,
            "table-uuid": "6b2f0000-0000-4000-8000-000000000000",
            "last-sequence-number": 1,
            "last-updated-ms": 5,
            "last-column-id": 9,
            "current-schema-id": 0,
            "default-spec-id": 0,
            "partition-specs": [{ "spec-id": 0, "fields": [] }],
            "last-partition-id": 999,
            "default-sort-order-id": 0,
            "sort-orders": [{ "order-id": 0, "fields": [] }],
            "properties": {},
            "current-snapshot-id": 8,
        });
        let entry =
            json!({ "status": 1, "data_file": { "file_format": "PARQUET", "record_count": 2 } });
        let manifest = json!({
            "content": 0, "sequence_number": 1, "min_sequence_number": 1,
            "added_snapshot_id": 8, "added_files_count": 1,
        });
        Self {
            columns: vec![("id", 1), ("at", 2)],
            in_file: vec![("id", 1), ("at", 2)],
            metadata,
            list: vec![manifest],
            entries: vec![entry],
            codec: "null",
        }
    }
}

fn write_parquet(path: &Path, columns: &[(&str, i32)]) {
    let fields = columns.iter().map(|(name, id)| {
        let id = Some(("PARQUET:field_id".to_owned(), id.to_string()));
        let id = id.filter(|(_, id)| id != "0");
        Field::new(*name, DataType::Int64, true).with_metadata(id.into_iter().collect())
    });
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let values = columns.iter();
    let values = values
        .map(|(_, id)| Arc::new(Int64Array::from(vec![i64::from(*id), 7])) as ArrayRef)
        .collect();
    let rows = RecordBatch::try_new(Arc::clone(&schema), values).unwrap();
    let mut writer =
        ArrowWriter::try_new(std::fs::File::create(path).unwrap(), schema, None).unwrap();
    writer.write(&rows).unwrap();
    writer.close().unwrap();
}

impl Other {
    fn write(mut self, table: &Table) {
        let at = |name: &str| format!("{}/{name}", table.path().display());
        for folder in ["data", "metadata"] {
            std::fs::create_dir_all(at(folder)).unwrap();
        }
        write_parquet(Path::new(&at("data/a.parquet")), &self.in_file);
        for entry in &mut self.entries {
            entry["data_file"]["file_path"] = json!(at("data/a.parquet"));
            let size = std::fs::metadata(at("data/a.parquet")).unwrap().len();
            entry["data_file"]["file_size_in_bytes"] = json!(size);
        }
        for manifest in &mut self.list {
            manifest["manifest_path"] = json!(at("metadata/m0.avro"));
        }
        for (name, schema, records) in [
            ("metadata/m0.avro", manifest_schema(), &self.entries),
            ("metadata/snap.avro", list_schema(), &self.list),
        ] {
            let mut bytes = Vec::new();
            for record in records {
                encode(&schema, record, &mut bytes);
            }
            let file = avro(&schema, self.codec, records.len(), &bytes);
            std::fs::write(at(name), file).unwrap();
        }
        let columns = self.columns.iter();
        let fields: Vec<Value> = columns
            .map(|(name, id)| json!({ "id": id, "name": name, "required": false, "type": "long" }))
            .collect();
        self.metadata["location"] = json!(at("")[..at("").len() - 1]);
        self.metadata["schemas"] = json!([{ "type": "struct", "schema-id": 0, "fields": fields }]);
        self.metadata["snapshots"] = json!([{
            "snapshot-id": 8, "sequence-number": 1, "timestamp-ms": 5, "schema-id": 0,
            "manifest-list": at("metadata/snap.avro"), "summary": { "operation": "append" },
        }]);
        std::fs::write(at("metadata/v1.metadata.json"), self.metadata.to_string()).unwrap();
        std::fs::write(at("metadata/version-hint.text"), "1").unwrap();
    }

    /// The rows that karat counts, or the reason why it does not read the table.
    fn read(self) -> Result<u64, String> {
        let (_folder, lake) = lake_of(Format::Iceberg);
        let table = lake.table(DIR);
        self.write(&table);
        match table.load() {
            Ok(snapshot) => Ok(snapshot.unwrap().rows()),
            Err(error) => {
                assert_eq!(error.class(), ErrorClass::Refused, "{error}");
                assert!(error.hint().is_some());
                let text = error.to_string();
                Err(text.replace("cannot read `ledger/silver/entries`: ", ""))
            }
        }
    }
}

/// Iceberg finds a column by its id: in a file it may have the name that it had, or one that Avro allows.
#[test]
fn columns_are_called_in_files_as_in_the_table() {
    let read = |in_file: &[(&'static str, i32)], mapping: Option<&str>| {
        let mut other = Other {
            columns: vec![("id", 1), ("a-b", 2)],
            in_file: in_file.to_vec(),
            ..Other::default()
        };
        if let Some(mapping) = mapping {
            other.metadata["properties"]["schema.name-mapping.default"] = json!(mapping);
        }
        other.read()
    };
    let refused = |why: &str| Err(format!("{why} in its file `data/a.parquet`"));
    assert_eq!(read(&[("id", 1), ("a-b", 2)], None), Ok(2));
    // A column that is younger than the file, and one that the table has no more.
    assert_eq!(read(&[("id", 1), ("gone", 3)], None), Ok(2));
    assert_eq!(
        read(&[("id", 1), ("a_x2Db", 2)], None),
        refused("column `a-b` is called `a_x2Db`")
    );
    assert_eq!(
        read(&[("a-b", 1), ("id", 2)], None),
        refused("column `id` is called `a-b`")
    );
    assert_eq!(
        read(&[("id", 1), ("a-b", 3)], None),
        refused("another column is called `a-b`")
    );
    // Files that another program wrote, without ids: the table says what their columns are.
    let without = [("id", 0), ("a-b", 0)];
    assert_eq!(read(&without, None), refused("column `id` has no field id"));
    let names = |second: &str| {
        format!(
            r#"[{{"field-id":1,"names":["id"]}},{{"field-id":2,"names":["{second}","other"]}}]"#
        )
    };
    assert_eq!(read(&without, Some(&names("a-b"))), Ok(2));
    assert_eq!(
        read(&[("id", 0), ("other", 0)], Some(&names("a-b"))),
        refused("column `a-b` is called `other`")
    );
}

/// A file that means harm costs neither the stack nor the memory.
#[test]
fn few_bytes_stand_for_few_values() {
    // Records that each hold the one before, once or twice; none is spelled deeper than the others.
    let chain = |length: usize, times: usize| {
        let fields = (0..length).map(|at| {
            let before = match at {
                0 => json!("null"),
                at => json!(format!("a{}", at - 1)),
            };
            let inner = (0..times).map(|time| (["x", "y"][time], before.clone(), 0));
            let of = record(&format!("a{at}"), &inner.collect::<Vec<_>>());
            json!({ "name": format!("f{at}"), "type": ["null", of] })
        });
        json!({ "type": "record", "name": "r", "fields": fields.collect::<Vec<_>>() })
    };
    let last = |length: usize| [vec![0; length - 1], vec![2]].concat();
    // Twenty levels are within the limit, a million values in twenty bytes are not.
    let lists = |item: Value| record("r", &[("l", json!({ "type": "array", "items": item }), 0)]);
    let wide: Vec<_> = (0..2000).map(|_| ("n", json!("null"), 0)).collect();
    let wide = record("w", &[&wide[..], &[("b", json!("int"), 0)]].concat());
    let mut thousand = vec![208, 15];
    thousand.extend([0; 1000]);
    thousand.push(0);
    for (schema, bytes, why) in [
        (chain(5_000, 1), last(5_000), "its schema nests too deep"),
        (chain(60, 2), last(60), "its schema nests too deep"),
        (
            chain(20, 2),
            last(20),
            "it stands for more values than a file of its size can hold",
        ),
        (
            lists(json!("null")),
            vec![200, 1, 0],
            "its schema has a list of nothing",
        ),
        (
            lists(record("e", &[])),
            vec![200, 1, 0],
            "its schema has a list of nothing",
        ),
        (
            lists(wide),
            thousand,
            "it stands for more values than a file of its size can hold",
        ),
    ] {
        let (_folder, lake) = lake_of(Format::Iceberg);
        let table = lake.table(DIR);
        Other::default().write(&table);
        let list = table.path().join("metadata/snap.avro");
        std::fs::write(&list, avro(&schema, "null", 1, &bytes)).unwrap();
        let error = table.load().unwrap_err();
        assert_eq!(error.class(), ErrorClass::Corrupt);
        let text = error.to_string();
        assert!(
            text.ends_with(&format!("it is no manifest list: {why}")),
            "{text}"
        );
    }
}

/// A table that was upgraded has manifests of format version 1: their entries have no sequence number, that of the manifest is 0.
#[test]
fn manifests_from_before_an_upgrade_are_read() {
    let mut other = Other::default();
    other.list[0]["sequence_number"] = json!(0);
    other.entries[0]["status"] = json!(0);
    assert_eq!(other.read(), Ok(2));
}

/// Numbers beyond all that a table comes to are damage, and overflow nothing.
#[test]
fn numbers_that_no_table_comes_to_are_refused() {
    let corrupt = |change: fn(&mut Other), why: &str| {
        let (_folder, lake) = lake_of(Format::Iceberg);
        let table = lake.table(DIR);
        let mut other = Other::default();
        change(&mut other);
        other.write(&table);
        let error = table.load().unwrap_err();
        assert_eq!(error.class(), ErrorClass::Corrupt);
        assert!(error.to_string().ends_with(why), "{error}");
    };
    let none = "a number in it is none that a table comes to";
    corrupt(
        |other| other.metadata["last-updated-ms"] = json!(i64::MAX),
        none,
    );
    corrupt(
        |other| other.metadata["last-sequence-number"] = json!(i64::MAX),
        none,
    );
    corrupt(
        |other| other.metadata["last-column-id"] = json!(i32::MAX),
        none,
    );
    corrupt(
        |other| other.entries[0]["data_file"]["record_count"] = json!(i64::MAX),
        "an entry has no file",
    );
}

/// What a manifest states besides the metadata file: deletes, and the partitions that the table had once.
#[test]
fn manifests_of_deletes_and_of_partitions_are_refused() {
    let mut other = Other::default();
    let mut deletes = other.list[0].clone();
    deletes["content"] = json!(1);
    other.list.push(deletes);
    let why = "it has files with deleted rows (merge-on-read)";
    assert_eq!(other.read(), Err(why.into()));
    let mut other = Other::default();
    let field =
        json!({ "name": "id_bucket", "transform": "bucket[4]", "source-id": 1, "field-id": 1000 });
    let before = json!({ "spec-id": 1, "fields": [field] });
    other.metadata["partition-specs"]
        .as_array_mut()
        .unwrap()
        .push(before);
    other.list[0]["partition_spec_id"] = json!(1);
    assert_eq!(other.read(), Err("it is partitioned by id_bucket".into()));
}

#[test]
fn avro_is_read_however_it_is_packed() {
    for codec in ["null", "zstandard"] {
        let other = Other {
            codec,
            ..Other::default()
        };
        assert_eq!(other.read(), Ok(2), "{codec}");
    }
}
