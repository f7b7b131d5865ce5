//! What every table format must do: one suite, which Delta and Iceberg both pass.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array,
    Int16Array, Int64Array, ListArray, RecordBatch, StringArray, StructArray,
    TimestampMicrosecondArray,
};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use karat_lake::{CommitError, ErrorClass, Format, LakeError, Snapshot, Table, failpoint};

use crate::{commit, lake_of, rows, schema, table, write};

macro_rules! suite {
    ($($name:ident),* $(,)?) => {
        mod delta {
            $(#[test]
            fn $name() {
                super::$name(karat_lake::Format::Delta);
            })*
        }
        mod iceberg {
            $(#[test]
            fn $name() {
                super::$name(karat_lake::Format::Iceberg);
            })*
        }
    };
}

suite! {
    a_new_table_reads_back,
    append_overwrite_and_history,
    some_files_go_and_the_others_stay,
    a_column_is_added_in_the_commit_that_needs_it,
    properties_and_marks_alone_are_versions,
    every_type_reads_back_with_its_bounds,
    many_appends_read_back,
    a_clock_that_goes_back_hides_no_version,
    the_loser_of_a_race_publishes_nothing,
    of_many_commits_at_once_one_wins,
    the_same_load_twice_is_in_the_table_once,
    a_lost_answer_is_no_failure,
    a_commit_names_files_that_are_there,
    types_that_no_table_holds_are_refused_by_column,
    it_works_inside_a_runtime,
    a_version_in_another_lake_goes_on_there,
    a_log_entry_tells_a_version_apart,
}

fn ids(table: &Table, snapshot: &Snapshot) -> Vec<i64> {
    let mut ids = Vec::new();
    for file in &snapshot.files {
        let opened = std::fs::File::open(table.path().join(&file.path)).unwrap();
        for batch in
            parquet::arrow::arrow_reader::ParquetRecordBatchReader::try_new(opened, 1024).unwrap()
        {
            let batch = batch.unwrap();
            let column = batch
                .column_by_name("id")
                .unwrap()
                .as_any()
                .downcast_ref::<Int64Array>()
                .unwrap()
                .clone();
            ids.extend(column.values());
        }
    }
    ids.sort_unstable();
    ids
}

fn append_overwrite_and_history(format: Format) {
    let (_folder, lake) = lake_of(format);
    let table = table(&lake);
    let files = write(&table, &rows(&[3]), 2);
    assert_eq!(
        table
            .commit(commit(Some(0), schema(), files, vec![], 2))
            .unwrap(),
        1
    );
    let snapshot = table.load().unwrap().unwrap();
    assert_eq!(ids(&table, &snapshot), [1, 2, 3]);
    let files = write(&table, &rows(&[7]), 3);
    assert_eq!(
        table
            .commit(commit(Some(1), schema(), files, snapshot.files, 3))
            .unwrap(),
        2
    );
    let snapshot = table.load().unwrap().unwrap();
    assert_eq!(ids(&table, &snapshot), [7]);
    assert_eq!(ids(&table, &table.load_at(0).unwrap().unwrap()), [1, 2]);
    let error = table.load_at(9).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`ledger/silver/entries` has no version 9: it has 0 to 2"
    );

    let history = table.history(None).unwrap();
    let lines: Vec<_> = history
        .iter()
        .map(|record| {
            (
                record.version,
                record.run.as_deref().unwrap(),
                record.added.len(),
                record.removed.len(),
                record.metadata_changed,
            )
        })
        .collect();
    assert_eq!(
        lines,
        [
            (0, "run-1", 1, 0, true),
            (1, "run-2", 1, 0, false),
            (2, "run-3", 1, 2, false)
        ]
    );
    assert_eq!(history[2].receipt, Some(format!("{:064x}", 3)));
    assert_eq!(history[2].timestamp_ms, Some(1_700_000_000_003));
    assert_eq!(table.history(Some(2)).unwrap().len(), 1);
    // One version's own, whatever came after it.
    assert_eq!(table.record(1).unwrap().as_ref(), Some(&history[1]));
    assert_eq!(table.record(3).unwrap(), None);
}

fn the_loser_of_a_race_publishes_nothing(format: Format) {
    let (_folder, lake) = lake_of(format);
    let table = table(&lake);
    for epoch in [2, 3] {
        let files = write(&table, &rows(&[epoch]), epoch);
        let outcome = table.commit(commit(Some(0), schema(), files, vec![], epoch));
        match (epoch, outcome) {
            (2, Ok(1)) => {}
            (3, Err(error)) => {
                assert_eq!(error.class(), ErrorClass::Conflict);
                assert_eq!(
                    error.to_string(),
                    "`ledger/silver/entries` changed while we worked: expected version 0, found 1"
                );
            }
            (_, other) => panic!("{other:?}"),
        }
    }
    assert_eq!(table.load().unwrap().unwrap().rows(), 3);
}

fn of_many_commits_at_once_one_wins(format: Format) {
    let (_folder, lake) = lake_of(format);
    let table = lake.table(crate::DIR);
    let race = |base: Option<i64>, offset: i64| {
        let outcomes: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..6)
                .map(|number| {
                    let table = table.clone();
                    scope.spawn(move || {
                        let files = write(&table, &rows(&[number]), offset + number);
                        let mut commit = commit(base, schema(), files, vec![], offset + number);
                        commit.app.0 = format!("app {number}");
                        table.commit(commit)
                    })
                })
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect()
        });
        let won = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        let lost = outcomes
            .iter()
            .filter(|outcome| matches!(outcome, Err(CommitError::Conflict { .. })))
            .count();
        assert_eq!((won, lost), (1, 5), "{outcomes:?}");
    };
    race(None, 0);
    race(Some(0), 100);
    assert_eq!(table.load().unwrap().unwrap().rows(), 2);
}

fn the_same_load_twice_is_in_the_table_once(format: Format) {
    let (_folder, lake) = lake_of(format);
    let table = table(&lake);
    let files = write(&table, &rows(&[3]), 2);
    table
        .commit(commit(Some(0), schema(), files, vec![], 2))
        .unwrap();
    for (base, epoch, at) in [(Some(1), 2, 1), (Some(0), 1, 0), (None, 1, 0)] {
        let error = table
            .commit(commit(base, schema(), vec![], vec![], epoch))
            .unwrap_err();
        assert!(
            matches!(error, CommitError::AlreadyCommitted { version, .. } if version == at),
            "{error:?}"
        );
    }
}

/// In a process of its own: failpoints are the process's, and another test's commit would meet the one that is armed here.
fn a_lost_answer_is_no_failure(format: Format) {
    const ALONE: &str = "KARAT_LAKE_TEST_ALONE";
    if std::env::var_os(ALONE).is_none() {
        let name = format!("tables::{}::a_lost_answer_is_no_failure", format.name());
        let output = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", &name])
            .env(ALONE, "1")
            .output()
            .unwrap();
        let printed = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success() && printed.contains("1 passed"),
            "{printed}"
        );
        return;
    }
    let (_folder, lake) = lake_of(format);
    let table = table(&lake);
    let files = write(&table, &rows(&[3]), 2);
    failpoint::arm("commit=lost");
    assert_eq!(
        table
            .commit(commit(Some(0), schema(), files, vec![], 2))
            .unwrap(),
        1
    );
    assert!(!failpoint::triggered("commit", "lost"), "it did not fire");
    assert_eq!(table.load().unwrap().unwrap().rows(), 3);
}

fn a_commit_names_files_that_are_there(format: Format) {
    let (_folder, lake) = lake_of(format);
    let table = table(&lake);
    let files = write(&table, &rows(&[3]), 2);
    let path = table.path().join(&files[0].path);
    std::fs::write(&path, "short").unwrap();
    let error = table
        .commit(commit(Some(0), schema(), files.clone(), vec![], 2))
        .unwrap_err();
    assert!(error.to_string().contains("has 5 bytes"), "{error}");
    std::fs::remove_file(path).unwrap();
    let error = table
        .commit(commit(Some(0), schema(), files, vec![], 2))
        .unwrap_err();
    assert!(error.to_string().ends_with("is missing"), "{error}");
    let live = table.load().unwrap().unwrap().files;
    let mut gone = live.clone();
    gone[0].path = "other.parquet".into();
    assert!(
        table
            .commit(commit(Some(0), schema(), vec![], gone, 2))
            .is_err()
    );
    assert_eq!(table.load().unwrap().unwrap().files, live);
}

fn types_that_no_table_holds_are_refused_by_column(format: Format) {
    let (_folder, lake) = lake_of(format);
    let table = lake.table(crate::DIR);
    for (data_type, why) in [
        (DataType::UInt64, "UInt64 has no sign"),
        (DataType::Null, "its type is unknown"),
        (DataType::Time64(TimeUnit::Microsecond), "no time of day"),
        (DataType::Decimal128(5, -2), "decimal(5, -2)"),
    ] {
        let schema = Arc::new(Schema::new(vec![Field::new("bad", data_type, true)]));
        let error = table
            .commit(commit(None, schema, vec![], vec![], 1))
            .unwrap_err();
        let text = error.to_string();
        assert!(
            text.starts_with("cannot store `bad`: ") && text.contains(why),
            "{text}"
        );
        assert!(error.hint().is_some());
        assert!(matches!(
            error,
            CommitError::Lake(LakeError::Refused { .. })
        ));
    }
    assert!(table.load().unwrap().is_none());
}

fn it_works_inside_a_runtime(format: Format) {
    let (_folder, lake) = lake_of(format);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async { table(&lake).load().unwrap().unwrap() });
}

fn a_new_table_reads_back(format: Format) {
    let (_folder, lake) = lake_of(format);
    let table = lake.table("ledger/silver/entries");
    assert!(table.load().unwrap().is_none());
    assert!(table.history(None).unwrap().is_empty());
    let table = crate::table(&lake);
    let snapshot = table.load().unwrap().unwrap();
    assert_eq!(snapshot.version, 0);
    assert_eq!(snapshot.schema, schema());
    assert_eq!(snapshot.comment("name"), Some("Who"));
    assert_eq!(snapshot.app_versions["ledger.entries"], 1);
    let kept = match format {
        Format::Delta => "delta.enableExpiredLogCleanup",
        Format::Iceberg => "write.metadata.delete-after-commit.enabled",
    };
    assert_eq!(snapshot.properties[kept], "false");
    assert_eq!(table.format().unwrap(), format);
    assert!(Table::is_at(table.path()));
    assert_eq!(snapshot.rows(), 2);
    assert_eq!(ids(&table, &snapshot), [1, 2]);
    let file = &snapshot.files[0];
    assert_eq!(
        file.stats.as_deref(),
        Some(
            r#"{"numRecords":2,"minValues":{"id":1,"name":"n1"},"maxValues":{"id":2,"name":"n2"},"nullCount":{"id":0,"name":0}}"#
        )
    );
    let (size, sha256) = karat_lake::hash_file(&table.path().join(&file.path)).unwrap();
    assert_eq!((size, Some(sha256.as_str())), (file.size, file.sha256()));
}

fn a_column_is_added_in_the_commit_that_needs_it(format: Format) {
    let (_folder, lake) = lake_of(format);
    let table = table(&lake);
    let at = Field::new("at", DataType::Timestamp(TimeUnit::Microsecond, None), true);
    let mut fields: Vec<_> = schema().fields().iter().cloned().collect();
    fields.push(Arc::new(at));
    let wider = Arc::new(Schema::new(fields));
    let mut columns = rows(&[3]).columns().to_vec();
    columns.push(Arc::new(TimestampMicrosecondArray::from(vec![Some(5)])) as ArrayRef);
    let batch = RecordBatch::try_new(Arc::clone(&wider), columns).unwrap();
    let files = write(&table, &batch, 2);
    table
        .commit(commit(Some(0), Arc::clone(&wider), files, vec![], 2))
        .unwrap();
    let snapshot = table.load().unwrap().unwrap();
    assert_eq!(snapshot.schema, wider);
    assert_eq!(snapshot.files.len(), 2);
    // And on from there.
    let files = write(&table, &batch, 3);
    table
        .commit(commit(Some(1), wider, files, vec![], 3))
        .unwrap();

    let error = table
        .commit(commit(Some(2), schema(), vec![], vec![], 4))
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot write `ledger/silver/entries`: its files hold columns that the new schema drops or types otherwise: at"
    );
    // A rebuild may have any columns.
    let live = table.load().unwrap().unwrap().files;
    let files = write(&table, &rows(&[1]), 4);
    table
        .commit(commit(Some(2), schema(), files, live, 4))
        .unwrap();
    assert_eq!(table.load().unwrap().unwrap().schema, schema());
}

fn some_files_go_and_the_others_stay(format: Format) {
    let (_folder, lake) = lake_of(format);
    let table = table(&lake);
    for epoch in [2, 3] {
        let files = write(&table, &rows(&[epoch * 10]), epoch);
        let base = Some(epoch - 2);
        table
            .commit(commit(base, schema(), files, vec![], epoch))
            .unwrap();
    }
    let files = table.load().unwrap().unwrap().files;
    let going = files.iter().find(|file| {
        let stats = file.stats.as_deref().unwrap();
        stats.contains(r#""minValues":{"id":20,"#)
    });
    let going = going.unwrap().clone();
    let added = write(&table, &rows(&[7]), 4);
    table
        .commit(commit(Some(2), schema(), added, vec![going.clone()], 4))
        .unwrap();
    let snapshot = table.load().unwrap().unwrap();
    assert_eq!(ids(&table, &snapshot), [1, 2, 7, 30]);
    assert_eq!(
        ids(&table, &table.load_at(2).unwrap().unwrap()),
        [1, 2, 20, 30]
    );
    let record = table.history(Some(3)).unwrap().remove(0);
    assert_eq!(record.removed, [going.path]);
    assert_eq!(record.added.len(), 1);
    // What went comes back as what it was.
    let files = write(&table, &rows(&[20]), 2);
    assert!(files[0].existed);
    table
        .commit(commit(Some(3), schema(), files, vec![], 5))
        .unwrap();
    assert_eq!(table.load().unwrap().unwrap().rows(), 5);
}

fn properties_and_marks_alone_are_versions(format: Format) {
    let (_folder, lake) = lake_of(format);
    let table = table(&lake);
    let mut one = commit(Some(0), schema(), vec![], vec![], 2);
    one.properties
        .insert("owner".into(), "Ärger & Söhne".into());
    assert_eq!(table.commit(one).unwrap(), 1);
    let mut other = commit(Some(1), schema(), vec![], vec![], 1);
    other.app.0 = "adopt:ledger.entries".into();
    other.operation = "ADOPT".into();
    assert_eq!(table.commit(other).unwrap(), 2);
    let snapshot = table.load().unwrap().unwrap();
    assert_eq!(snapshot.properties["owner"], "Ärger & Söhne");
    assert_eq!(snapshot.rows(), 2);
    assert_eq!(
        snapshot.app_versions,
        BTreeMap::from([
            ("adopt:ledger.entries".to_owned(), 1),
            ("ledger.entries".to_owned(), 2)
        ])
    );
    let history = table.history(None).unwrap();
    assert!(history[1].metadata_changed && !history[2].metadata_changed);
    assert_eq!(history[2].operation.as_deref(), Some("ADOPT"));
    assert_eq!(
        history[2].app_versions,
        BTreeMap::from([("adopt:ledger.entries".to_owned(), 1)])
    );
}

fn every_type_reads_back_with_its_bounds(format: Format) {
    let inner = vec![Field::new("x", DataType::Float32, true)];
    let point = StructArray::new(
        inner.clone().into(),
        vec![Arc::new(Float32Array::from(vec![Some(-0.0), Some(1.5)]))],
        None,
    );
    let item = Arc::new(Field::new("element", DataType::Utf8, true));
    let words = ListArray::new(
        Arc::clone(&item),
        OffsetBuffer::from_lengths([2, 0]),
        Arc::new(StringArray::from(vec![Some("a"), None])),
        None,
    );
    let long = "\u{10FFFF}".repeat(40);
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("flag", Arc::new(BooleanArray::from(vec![Some(true), None]))),
        ("small", Arc::new(Int16Array::from(vec![-3, 4]))),
        (
            "day",
            Arc::new(Date32Array::from(vec![Some(-1), Some(20_000)])),
        ),
        (
            "at",
            Arc::new(TimestampMicrosecondArray::from(vec![1, -1]).with_timezone("UTC")),
        ),
        (
            "amount",
            Arc::new(
                Decimal128Array::from(vec![-12_345_678_901_234_567_890, 129])
                    .with_precision_and_scale(38, 2)
                    .unwrap(),
            ),
        ),
        ("ratio", Arc::new(Float64Array::from(vec![0.5, -2.25]))),
        (
            "text",
            Arc::new(StringArray::from(vec![Some("ä"), Some("b")])),
        ),
        ("point", Arc::new(point)),
        ("words", Arc::new(words)),
        (
            "none",
            Arc::new(StringArray::from(vec![None::<&str>, None])),
        ),
    ];
    let batch = RecordBatch::try_from_iter_with_nullable(
        columns
            .into_iter()
            .map(|(name, column)| (name, column, true)),
    )
    .unwrap();
    let (_folder, lake) = lake_of(format);
    let table = lake.table(crate::DIR);
    let files = write(&table, &batch, 1);
    let stats = files[0].stats.clone();
    table
        .commit(commit(None, batch.schema(), files, vec![], 1))
        .unwrap();
    let snapshot = table.load().unwrap().unwrap();
    assert_eq!(snapshot.schema, batch.schema());
    assert_eq!(snapshot.files[0].stats.as_deref(), Some(stats.as_str()));
    // A text without a text above it, and no number: no bounds, in either format.
    let odd = RecordBatch::try_from_iter_with_nullable([
        (
            "text",
            Arc::new(StringArray::from(vec![long.as_str()])) as ArrayRef,
            true,
        ),
        (
            "ratio",
            Arc::new(Float64Array::from(vec![f64::NAN])) as ArrayRef,
            true,
        ),
    ])
    .unwrap();
    let table = lake.table("ledger/silver/odd");
    let files = write(&table, &odd, 1);
    table
        .commit(commit(None, odd.schema(), files, vec![], 1))
        .unwrap();
    let snapshot = table.load().unwrap().unwrap();
    assert_eq!(
        snapshot.files[0].stats.as_deref(),
        Some(r#"{"numRecords":1,"nullCount":{"text":0,"ratio":0}}"#)
    );
}

fn many_appends_read_back(format: Format) {
    let (_folder, lake) = lake_of(format);
    let table = table(&lake);
    for epoch in 2..=110 {
        let files = write(&table, &rows(&[epoch * 10]), epoch);
        table
            .commit(commit(Some(epoch - 2), schema(), files, vec![], epoch))
            .unwrap();
    }
    let snapshot = table.load().unwrap().unwrap();
    assert_eq!((snapshot.files.len(), snapshot.rows()), (110, 111));
    let history = table.history(None).unwrap();
    assert_eq!(history.len(), 110);
    let only_added =
        |record: &karat_lake::CommitRecord| (record.added.len(), record.removed.len()) == (1, 0);
    assert!(history.iter().all(only_added));
    assert_eq!(table.load_at(57).unwrap().unwrap().files.len(), 58);
}

fn a_clock_that_goes_back_hides_no_version(format: Format) {
    let (_folder, lake) = lake_of(format);
    let table = table(&lake);
    for (epoch, at) in [(2, 5_000_000), (3, 1_900_000_000_000), (4, 0)] {
        let files = write(&table, &rows(&[epoch * 10]), epoch);
        let mut commit = commit(Some(epoch - 2), schema(), files, vec![], epoch);
        commit.timestamp_ms = at;
        table.commit(commit).unwrap();
    }
    let times: Vec<_> = table
        .history(None)
        .unwrap()
        .iter()
        .map(|record| record.timestamp_ms.unwrap())
        .collect();
    assert_eq!(times, [1_700_000_000_001, 5_000_000, 1_900_000_000_000, 0]);
    assert_eq!(table.load().unwrap().unwrap().rows(), 5);
}

fn a_version_in_another_lake_goes_on_there(format: Format) {
    let (_folder, lake) = lake_of(format);
    let table = table(&lake);
    let files = write(&table, &rows(&[3]), 2);
    table
        .commit(commit(Some(0), schema(), files, vec![], 2))
        .unwrap();
    let (_beside, other) = lake_of(Format::Delta);
    lake.link_table(crate::DIR, 0, &other).unwrap();
    let there = other.table(crate::DIR);
    assert_eq!(there.newest_version().unwrap(), Some(0));
    assert_eq!(there.format().unwrap(), format);
    assert_eq!(
        there.history(None).unwrap(),
        table.history(None).unwrap()[..1]
    );
    let files = write(&there, &rows(&[9]), 2);
    there
        .commit(commit(Some(0), schema(), files, vec![], 2))
        .unwrap();
    assert_eq!(ids(&there, &there.load().unwrap().unwrap()), [1, 2, 9]);
    assert_eq!(ids(&table, &table.load().unwrap().unwrap()), [1, 2, 3]);
}

fn a_log_entry_tells_a_version_apart(format: Format) {
    let (_folder, lake) = lake_of(format);
    let table = table(&lake);
    let entry = table.log_entry(0).unwrap().unwrap();
    assert_eq!(
        table.entry_path(0).unwrap(),
        format!("{}/{}", crate::DIR, entry.path)
    );
    assert_eq!(table.log_entry(1).unwrap(), None);
    let files = write(&table, &rows(&[3]), 2);
    table
        .commit(commit(Some(0), schema(), files, vec![], 2))
        .unwrap();
    assert_eq!(table.log_entry(0).unwrap().unwrap(), entry);
    assert_ne!(table.log_entry(1).unwrap().unwrap().text, entry.text);
    assert_eq!(table.wrong_pointer().unwrap(), None);
}
