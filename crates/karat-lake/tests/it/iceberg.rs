//! Iceberg's own: field ids, what other readers find, what is refused by name, and damage that is said, not panicked.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use karat_lake::{ErrorClass, Format, Lake, LakeError, Table};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::{Value, json};

use crate::{DIR, commit, lake_of, names, rows, schema, table, write};

fn iceberg() -> (tempfile::TempDir, Lake, Table) {
    let (folder, lake) = lake_of(Format::Iceberg);
    let table = table(&lake);
    (folder, lake, table)
}

fn metadata(table: &Table, version: i64) -> PathBuf {
    let name = format!("metadata/v{}.metadata.json", version + 1);
    table.path().join(name)
}

fn json_of(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// Changes the newest metadata as another writer would, and says what reading it says.
fn changed(change: impl FnOnce(&mut Value)) -> String {
    let (_folder, _lake, table) = iceberg();
    let path = metadata(&table, 0);
    let mut value = json_of(&path);
    change(&mut value);
    std::fs::write(&path, value.to_string()).unwrap();
    let error = table.load().unwrap_err();
    assert_eq!(error.class(), ErrorClass::Refused, "{error}");
    assert!(error.hint().is_some());
    error
        .to_string()
        .replace("cannot read `ledger/silver/entries`: ", "")
}

fn hint(table: &Table) -> PathBuf {
    table.path().join("metadata/version-hint.text")
}

#[test]
fn other_readers_find_the_newest_version() {
    let (_folder, _lake, table) = iceberg();
    assert_eq!(std::fs::read_to_string(hint(&table)).unwrap(), "1");
    let files = write(&table, &rows(&[3]), 2);
    table
        .commit(commit(Some(0), schema(), files, vec![], 2))
        .unwrap();
    assert_eq!(std::fs::read_to_string(hint(&table)).unwrap(), "2");
    let value = json_of(&metadata(&table, 1));
    assert_eq!(value["format-version"], 2);
    assert_eq!(value["location"], table.path().to_str().unwrap());
    let snapshot = &value["snapshots"][1];
    assert_eq!(snapshot["snapshot-id"], value["current-snapshot-id"]);
    assert_eq!(snapshot["sequence-number"], 2);
    let summary = &snapshot["summary"];
    assert_eq!(
        json!([
            summary["operation"],
            summary["total-records"],
            summary["karat.run"],
            summary["karat.version"]
        ]),
        json!(["append", "3", "run-2", "1"])
    );
    assert_eq!(value["properties"]["karat.txn.ledger.entries"], "2");
    assert_eq!(value["metadata-log"].as_array().unwrap().len(), 1);
}

#[test]
fn a_pointer_that_lags_is_found_and_mended() {
    let (_folder, _lake, table) = iceberg();
    table
        .commit(commit(Some(0), schema(), vec![], vec![], 2))
        .unwrap();
    for (text, says) in [
        (Some("1"), "it names `v1.metadata.json`"),
        (Some("x"), "it says `x`, which is no number"),
        (None, "it is missing"),
    ] {
        match text {
            Some(text) => std::fs::write(hint(&table), text).unwrap(),
            None => std::fs::remove_file(hint(&table)).unwrap(),
        }
        let (path, detail) = table.wrong_pointer().unwrap().unwrap();
        assert_eq!(path, "ledger/silver/entries/metadata/version-hint.text");
        assert!(detail.starts_with(says), "{detail}");
        assert_eq!(table.load().unwrap().unwrap().version, 1);
        table.mend_pointer().unwrap();
        assert_eq!(table.wrong_pointer().unwrap(), None);
    }
    // One that names more than there is: a version was lost.
    std::fs::write(hint(&table), "7").unwrap();
    let error = table.load().unwrap_err();
    assert_eq!(error.class(), ErrorClass::Corrupt);
    assert!(
        error.to_string().ends_with("it names `v7.metadata.json` as the newest metadata, and the newest that is there is `v2.metadata.json`: either was changed or lost"),
        "{error}"
    );
}

/// Who reads while somebody commits finds one version or the next, and no damage.
#[test]
fn a_table_is_whole_while_it_is_written() {
    let (_folder, _lake, table) = iceberg();
    let is_over = AtomicBool::new(false);
    let read = || -> Result<Vec<String>, LakeError> {
        let mut ahead = Vec::new();
        for _ in 0..300 {
            table.newest_version()?;
            let wrong = table.wrong_pointer()?.map(|(_, detail)| detail);
            let numbers = wrong.iter().flat_map(|detail| detail.split("`v").skip(1));
            let numbers = numbers.map(|of| of.split_once('.').unwrap().0.parse::<i64>().unwrap());
            if let [named, newest] = numbers.collect::<Vec<_>>()[..]
                && named > newest
            {
                ahead.extend(wrong);
            }
        }
        Ok(ahead)
    };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let bytes = std::fs::read(metadata(&table, 0)).unwrap();
            let next = table.path().join("metadata/.next");
            let mut version = 0;
            while !is_over.load(Ordering::Relaxed) {
                version += 1;
                std::fs::write(&next, &bytes).unwrap();
                std::fs::rename(&next, metadata(&table, version)).unwrap();
                std::fs::write(&next, (version + 1).to_string()).unwrap();
                std::fs::rename(&next, hint(&table)).unwrap();
                if version > 50 {
                    std::fs::remove_file(metadata(&table, version - 50)).unwrap();
                }
            }
        });
        let done = read();
        is_over.store(true, Ordering::Relaxed);
        assert_eq!(done.unwrap(), Vec::<String>::new());
    });
}

/// Runs mend every table's hint, also one that somebody commits to.
#[test]
fn a_pointer_does_not_go_back() {
    let (_folder, _lake, table) = iceberg();
    let bytes = std::fs::read(metadata(&table, 0)).unwrap();
    for version in 1..=20 {
        std::fs::remove_file(hint(&table)).unwrap();
        std::thread::scope(|scope| {
            let mended = scope.spawn(|| table.mend_pointer());
            let next = table.path().join("metadata/.next");
            std::fs::write(metadata(&table, version), &bytes).unwrap();
            std::fs::write(&next, (version + 1).to_string()).unwrap();
            std::fs::rename(&next, hint(&table)).unwrap();
            mended.join().unwrap().unwrap();
        });
        assert_eq!(table.wrong_pointer().unwrap(), None);
    }
}

#[test]
fn columns_keep_their_ids() {
    let (_folder, _lake, table) = iceberg();
    let ids = |path: &str| -> Vec<(String, i32)> {
        let file = std::fs::File::open(table.path().join(path)).unwrap();
        let builder = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
        let fields = builder.parquet_schema().root_schema().get_fields();
        fields
            .iter()
            .map(|field| (field.name().to_owned(), field.get_basic_info().id()))
            .collect()
    };
    let of = |names: &[(&str, DataType)], epoch: i64, everything: bool| {
        let fields: Vec<Field> = names
            .iter()
            .map(|(name, of)| Field::new(*name, of.clone(), true))
            .collect();
        let schema = Arc::new(Schema::new(fields));
        let columns: Vec<ArrayRef> = names
            .iter()
            .map(|(_, of)| match of {
                DataType::Int64 => Arc::new(Int64Array::from(vec![epoch])) as ArrayRef,
                _ => Arc::new(StringArray::from(vec!["x"])),
            })
            .collect();
        let batch = RecordBatch::try_new(Arc::clone(&schema), columns).unwrap();
        let current = table.load().unwrap().unwrap();
        let files = write(&table, &batch, epoch);
        let path = files[0].path.clone();
        let going = if everything { current.files } else { vec![] };
        table
            .commit(commit(Some(current.version), schema, files, going, epoch))
            .unwrap();
        ids(&path)
    };
    let (text, number) = (DataType::Utf8, DataType::Int64);
    let named = |found: Vec<(String, i32)>| -> Vec<String> {
        let ids = found.into_iter();
        ids.map(|(name, id)| format!("{name} {id}")).collect()
    };
    // One more, in front; another order; another type; one away and here again.
    let wider = [
        ("at", text.clone()),
        ("id", number.clone()),
        ("name", text.clone()),
    ];
    assert_eq!(named(of(&wider, 2, false)), ["at 3", "id 1", "name 2"]);
    let retyped = [("name", number.clone()), ("id", number.clone())];
    assert_eq!(named(of(&retyped, 3, true)), ["name 4", "id 1"]);
    let again = [("id", number), ("name", text.clone()), ("at", text)];
    assert_eq!(named(of(&again, 4, true)), ["id 1", "name 5", "at 6"]);
    let value = json_of(&metadata(&table, 3));
    assert_eq!(
        (&value["last-column-id"], &value["current-schema-id"]),
        (&json!(6), &json!(3))
    );
    // An old version reads as it was.
    let old = table.load_at(1).unwrap().unwrap();
    assert_eq!(old.schema.field(0).name(), "at");
    assert_eq!(old.files.len(), 2);
}

#[test]
fn what_we_would_read_wrongly_is_refused() {
    assert_eq!(
        changed(|value| value["format-version"] = json!(3)),
        "it has version 3 of Iceberg's format, karat knows 2"
    );
    let spec = json!([{ "spec-id": 0, "fields": [{ "name": "name_bucket", "transform": "bucket[4]", "source-id": 2, "field-id": 1000 }] }]);
    assert_eq!(
        changed(|value| value["partition-specs"] = spec),
        "it is partitioned by name_bucket"
    );
    let more = |id: i64, name: &str, of: &str| json!({ "id": id, "name": name, "required": false, "type": of });
    // As after a change of the schema there: files of the first one are in the table.
    let evolved = |field: Value| {
        move |value: &mut Value| {
            let mut schema = value["schemas"][0].clone();
            schema["schema-id"] = json!(1);
            schema["fields"][1] = field;
            value["schemas"].as_array_mut().unwrap().push(schema);
            value["current-schema-id"] = json!(1);
        }
    };
    assert_eq!(
        changed(evolved(more(2, "who", "string"))),
        "column `who` was called `name`, and files from before are in it"
    );
    assert_eq!(
        changed(evolved(more(9, "name", "string"))),
        "column `name` was dropped and made anew, and files from before are in it"
    );
    assert_eq!(
        changed(evolved(more(2, "name", "binary"))),
        "column `name` was Utf8 and is Binary, and files from before are in it"
    );
    assert_eq!(
        changed(evolved(more(3, "id2", "uuid"))),
        "column `id2` has the type `uuid`, which karat does not know"
    );
    assert!(
        changed(|value| value["location"] = json!("/elsewhere/entries")).starts_with(
            "its metadata says that it lies in `/elsewhere/entries`: it was moved, or is a copy"
        )
    );
    let outside = json!("file:///elsewhere/list.avro");
    assert_eq!(
        changed(|value| value["snapshots"][0]["manifest-list"] = outside),
        "it names files outside its folder"
    );
}

#[test]
fn a_catalogs_table_and_a_folder_of_two_are_refused() {
    let (_folder, _lake, table) = iceberg();
    // What Spark leaves where it was killed is no catalog's.
    let temporary = "metadata/3f1c9d5e-7a0b-4c2d-8e9f-0a1b2c3d4e5f.metadata.json";
    std::fs::copy(metadata(&table, 0), table.path().join(temporary)).unwrap();
    assert_eq!(table.load().unwrap().unwrap().version, 0);
    let other = table.path().join("metadata/00002-6b2f.metadata.json");
    std::fs::copy(metadata(&table, 0), &other).unwrap();
    let error = table.load().unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot read `ledger/silver/entries`: `metadata/00002-6b2f.metadata.json` was written through a catalog, which alone knows the newest version"
    );
    std::fs::rename(&other, table.path().join("metadata/v2.gz.metadata.json")).unwrap();
    let error = table.load().unwrap_err();
    assert!(error.to_string().ends_with("is compressed"), "{error}");
    std::fs::remove_file(table.path().join("metadata/v2.gz.metadata.json")).unwrap();
    let (_other, of_delta) = lake_of(Format::Delta);
    let of_delta = crate::table(&of_delta);
    std::fs::create_dir(table.path().join("_delta_log")).unwrap();
    assert_eq!(table.format().unwrap(), Format::Iceberg);
    for name in names(&of_delta.path().join("_delta_log")) {
        let log = format!("_delta_log/{name}");
        std::fs::copy(of_delta.path().join(&log), table.path().join(&log)).unwrap();
    }
    let error = table.load().unwrap_err();
    assert_eq!(error.class(), ErrorClass::Refused);
    assert!(
        error
            .to_string()
            .contains("a Delta table (`_delta_log`) and an Iceberg table (`metadata`)"),
        "{error}"
    );
}

#[test]
fn a_commit_of_another_writer_has_no_receipt() {
    let (_folder, _lake, table) = iceberg();
    // It sets a property, and leaves the snapshot of karat as the newest.
    let mut value = json_of(&metadata(&table, 0));
    value["properties"]["owner"] = json!("somebody");
    std::fs::write(metadata(&table, 1), value.to_string()).unwrap();
    let snapshot = table.load().unwrap().unwrap();
    assert_eq!(
        (snapshot.version, snapshot.properties["owner"].as_str()),
        (1, "somebody")
    );
    let record = table.history(Some(1)).unwrap().remove(0);
    assert_eq!(
        (record.receipt, record.run, record.metadata_changed),
        (None, None, true)
    );
    assert!(record.app_versions.is_empty());
    // And on from there, with what it set.
    let files = write(&table, &rows(&[3]), 2);
    table
        .commit(commit(Some(1), schema(), files, vec![], 2))
        .unwrap();
    assert_eq!(
        table.load().unwrap().unwrap().properties["owner"],
        "somebody"
    );
}

/// A type that karat does not know, added there and taken out again: the versions are told, and the newest is read.
#[test]
fn a_version_that_is_not_read_is_told_all_the_same() {
    let (_folder, _lake, table) = iceberg();
    let mut value = json_of(&metadata(&table, 0));
    let mut wider = value["schemas"][0].clone();
    wider["schema-id"] = json!(1);
    let more = json!({ "id": 3, "name": "u", "required": false, "type": "uuid" });
    wider["fields"].as_array_mut().unwrap().push(more);
    value["schemas"].as_array_mut().unwrap().push(wider);
    for (version, schema) in [(1, 1), (2, 0)] {
        value["current-schema-id"] = json!(schema);
        std::fs::write(metadata(&table, version), value.to_string()).unwrap();
    }
    assert_eq!(table.load_at(1).unwrap_err().class(), ErrorClass::Refused);
    assert_eq!(table.load().unwrap().unwrap().rows(), 2);
    let history = table.history(None).unwrap();
    let told = history.iter().map(|record| {
        let receipt = record.receipt.is_some();
        (record.version, receipt, record.added.len())
    });
    let told: Vec<_> = told.collect();
    assert_eq!(told, [(0, true, 1), (1, false, 0), (2, false, 0)]);
    // As before the table was upgraded to the format version that karat knows.
    value["format-version"] = json!(1);
    std::fs::write(metadata(&table, 0), value.to_string()).unwrap();
    let history = table.history(None).unwrap();
    assert_eq!((history.len(), &history[0].receipt), (3, &None));
}

#[test]
fn rules_that_our_commits_would_not_keep_are_refused() {
    for (key, at, why) in [
        ("required", json!(true), "column `id` is required"),
        ("", json!([1]), "it has identifier fields"),
        (
            "more",
            json!({ "type": "list", "element-id": 4, "element": "long", "element-required": true }),
            "column `more.element` is required",
        ),
        (
            "more",
            json!({ "type": "map", "key-id": 4, "key": "long", "value-id": 5, "value-required": false, "value": {
                "type": "struct", "fields": [{ "id": 6, "name": "a", "required": true, "type": "long" }],
            }}),
            "column `more.value.a` is required",
        ),
    ] {
        let (_folder, _lake, table) = iceberg();
        let path = metadata(&table, 0);
        let mut value = json_of(&path);
        match key {
            "" => value["schemas"][0]["identifier-field-ids"] = at,
            "more" => value["schemas"][0]["fields"]
                .as_array_mut()
                .unwrap()
                .push(json!({ "id": 3, "name": "more", "required": false, "type": at })),
            key => value["schemas"][0]["fields"][0][key] = at,
        }
        std::fs::write(&path, value.to_string()).unwrap();
        assert_eq!(table.load().unwrap().unwrap().rows(), 2);
        let error = table
            .commit(commit(Some(0), schema(), vec![], vec![], 2))
            .unwrap_err();
        assert_eq!(error.class(), ErrorClass::Refused, "{error}");
        assert!(error.to_string().ends_with(why), "{error}");
    }
}

#[test]
fn damage_is_said_not_panicked() {
    let (_folder, _lake, table) = iceberg();
    let files = write(&table, &rows(&[3]), 2);
    table
        .commit(commit(Some(0), schema(), files, vec![], 2))
        .unwrap();
    let folder = table.path().join("metadata");
    let found = names(&folder);
    assert_eq!(found.len(), 7, "{found:?}");
    for name in found.iter().filter(|name| name.ends_with(".avro")) {
        let path = folder.join(name);
        let whole = std::fs::read(&path).unwrap();
        let mut flipped = whole.clone();
        flipped[whole.len() / 2] ^= 1;
        for bytes in [&whole[..whole.len() / 2], &[], &flipped] {
            std::fs::write(&path, bytes).unwrap();
            let error = table.history(None).unwrap_err();
            assert_eq!(error.class(), ErrorClass::Corrupt, "{error}");
            assert_eq!(error.path(), Some(path.as_path()));
        }
        std::fs::remove_file(&path).unwrap();
        let error = table.history(None).unwrap_err();
        assert_eq!(error.class(), ErrorClass::Corrupt, "{error}");
        std::fs::write(&path, &whole).unwrap();
        // As of another writer, whose names are no digests.
        let plain = folder.join("plain.avro");
        let snapshot = metadata(&table, 1);
        let text = std::fs::read_to_string(&snapshot).unwrap();
        std::fs::write(&snapshot, text.replace(name.as_str(), "plain.avro")).unwrap();
        for length in (0..whole.len()).step_by(31) {
            std::fs::write(&plain, &whole[..length]).unwrap();
            let _ = table.load();
            let mut flipped = whole.clone();
            flipped[length] ^= 0x81;
            std::fs::write(&plain, &flipped).unwrap();
            let _ = table.load();
        }
        std::fs::write(&snapshot, text).unwrap();
        std::fs::remove_file(&plain).unwrap();
    }
    let newest = metadata(&table, 1);
    let whole = std::fs::read(&newest).unwrap();
    for length in (0..whole.len()).step_by(97) {
        std::fs::write(&newest, &whole[..length]).unwrap();
        let error = table.load().unwrap_err();
        assert_eq!(error.class(), ErrorClass::Corrupt, "{error}");
    }
    std::fs::write(&newest, &whole).unwrap();
    std::fs::remove_file(metadata(&table, 0)).unwrap();
    assert_eq!(table.load().unwrap().unwrap().rows(), 3);
    assert_eq!(table.load_at(0).unwrap_err().class(), ErrorClass::Refused);
}

#[test]
fn a_folder_with_manifests_alone_is_no_table() {
    let (_folder, lake, table) = iceberg();
    std::fs::remove_file(metadata(&table, 0)).unwrap();
    std::fs::remove_file(hint(&table)).unwrap();
    assert!(table.load().unwrap().is_none());
    assert!(lake.tables().unwrap().is_empty());
    crate::table(&lake);
    assert_eq!(lake.tables().unwrap()[0].dir(), DIR);
}
