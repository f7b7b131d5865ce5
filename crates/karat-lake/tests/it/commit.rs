//! Commits: create, append, overwrite, evolve; races, repeats and lost answers.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Int64Array, RecordBatch, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use karat_lake::{
    CanonicalWriter, CommitError, ErrorClass, LakeError, Layout, Snapshot, Table, failpoint,
};

use crate::{commit, lake, names, rows, schema, table, write};

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

#[test]
fn a_new_table_reads_back() {
    let (_folder, lake) = lake();
    let table = lake.table("ledger/silver/entries");
    assert!(table.load().unwrap().is_none());
    assert!(table.history(None).unwrap().is_empty());
    let table = crate::table(&lake);
    let snapshot = table.load().unwrap().unwrap();
    assert_eq!(snapshot.version, 0);
    assert_eq!(snapshot.schema, schema());
    assert_eq!(snapshot.comment("name"), Some("Who"));
    assert_eq!(snapshot.app_versions["ledger.entries"], 1);
    assert_eq!(
        snapshot.properties["delta.enableExpiredLogCleanup"],
        "false"
    );
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

#[test]
fn append_overwrite_and_history() {
    let (_folder, lake) = lake();
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
}

#[test]
fn a_column_is_added_in_the_commit_that_needs_it() {
    let (_folder, lake) = lake();
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
    let log =
        std::fs::read_to_string(table.path().join("_delta_log/00000000000000000001.json")).unwrap();
    assert!(log.contains("timestampNtz"), "{log}");
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

#[test]
fn the_loser_of_a_race_publishes_nothing() {
    let (_folder, lake) = lake();
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

#[test]
fn of_many_commits_at_once_one_wins() {
    let (_folder, lake) = lake();
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

#[test]
fn the_same_load_twice_is_in_the_table_once() {
    let (_folder, lake) = lake();
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

#[test]
fn a_lost_answer_is_no_failure() {
    let (_folder, lake) = lake();
    let table = table(&lake);
    let files = write(&table, &rows(&[3]), 2);
    failpoint::arm("commit=lost");
    assert_eq!(
        table
            .commit(commit(Some(0), schema(), files, vec![], 2))
            .unwrap(),
        1
    );
    assert_eq!(table.load().unwrap().unwrap().rows(), 3);
    assert!(!failpoint::triggered("commit", "lost"));
}

#[test]
fn a_commit_names_files_that_are_there() {
    let (_folder, lake) = lake();
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

#[test]
fn checkpoints_are_made_and_read_and_no_entry_goes() {
    let (_folder, lake) = lake();
    let table = lake.table(crate::DIR);
    let mut first = commit(None, schema(), write(&table, &rows(&[0]), 0), vec![], 0);
    first
        .properties
        .insert("delta.checkpointInterval".into(), "3".into());
    table.commit(first).unwrap();
    for epoch in 1..5 {
        let files = write(&table, &rows(&[epoch]), epoch);
        let mut commit = commit(Some(epoch - 1), schema(), files, vec![], epoch);
        commit.app.0 = format!("app {epoch}");
        table.commit(commit).unwrap();
    }
    let whole = table.load().unwrap().unwrap();
    assert_eq!((whole.rows(), whole.app_versions.len()), (5, 5));
    let log = table.path().join("_delta_log");
    let checkpoint = log.join("00000000000000000002.checkpoint.parquet");
    assert!(checkpoint.is_file());
    assert_eq!(table.history(None).unwrap().len(), 5);
    // From the checkpoint alone, as after another tool's clean-up.
    for version in 0..=2 {
        std::fs::rename(
            log.join(format!("{version:020}.json")),
            log.join(format!("{version}.away")),
        )
        .unwrap();
    }
    let from_checkpoint = table.load().unwrap().unwrap();
    assert_eq!(from_checkpoint.files, whole.files);
    assert_eq!(from_checkpoint.schema, whole.schema);
    assert_eq!(from_checkpoint.properties, whole.properties);
    assert_eq!(from_checkpoint.app_versions, whole.app_versions);
    assert_eq!(table.history(None).unwrap().len(), 2);
    // From the commits, if the checkpoint is damaged.
    for version in 0..=2 {
        std::fs::rename(
            log.join(format!("{version}.away")),
            log.join(format!("{version:020}.json")),
        )
        .unwrap();
    }
    std::fs::write(&checkpoint, "no parquet").unwrap();
    assert_eq!(table.load().unwrap().unwrap().files, whole.files);
}

#[test]
fn damaged_logs_are_said_not_panicked() {
    let (_folder, lake) = lake();
    let table = table(&lake);
    let log = table.path().join("_delta_log/00000000000000000000.json");
    let whole = std::fs::read(&log).unwrap();
    for length in (0..whole.len()).step_by(7) {
        std::fs::write(&log, &whole[..length]).unwrap();
        if let Err(error) = table.load() {
            assert_eq!(error.class(), ErrorClass::Corrupt, "{error}");
        }
        let _ = table.history(None);
    }
    std::fs::write(&log, &whole).unwrap();
    std::fs::write(
        table.path().join("_delta_log/00000000000000000002.json"),
        &whole,
    )
    .unwrap();
    let error = table.load().unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("the commit is missing, and no checkpoint replaces it"),
        "{error}"
    );
    std::fs::create_dir(table.path().join("_delta_log/00000000000000000001.json")).unwrap();
    let error = table.load().unwrap_err();
    assert!(
        error.to_string().ends_with("it is a folder, not a file"),
        "{error}"
    );
}

#[test]
fn a_writer_that_is_dropped_leaves_nothing() {
    let (_folder, lake) = lake();
    let table = lake.table(crate::DIR);
    let layout = Layout {
        rows_per_file: 2,
        rows_per_group: 1,
    };
    let writer = || {
        let mut writer =
            CanonicalWriter::new(table.path().to_owned(), schema(), layout, 1, 0, &[]).unwrap();
        writer.write(&rows(&[1, 2, 3])).unwrap();
        writer
    };
    writer().abort();
    assert!(names(table.path()).is_empty());
    let files = writer().finish().unwrap();
    assert_eq!(
        files
            .iter()
            .map(|file| (file.rows, file.existed))
            .collect::<Vec<_>>(),
        [(2, false), (1, false)]
    );
    assert!(files[1].path.ends_with("-1-1.parquet"));
    assert_eq!(names(table.path()).len(), 2);
    assert!(writer().finish().unwrap().iter().all(|file| file.existed));
    let none = CanonicalWriter::new(table.path().to_owned(), schema(), layout, 1, 0, &[]).unwrap();
    assert!(none.finish().unwrap().is_empty());
}

#[test]
fn types_that_no_table_holds_are_refused_by_column() {
    let (_folder, lake) = lake();
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

#[test]
fn it_works_inside_a_runtime() {
    let (_folder, lake) = lake();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async { table(&lake).load().unwrap().unwrap() });
}

#[cfg(unix)]
#[test]
fn a_folder_without_rights_is_not_allowed() {
    use std::os::unix::fs::PermissionsExt;
    let (_folder, lake) = lake();
    let table = table(&lake);
    let log = table.path().join("_delta_log");
    std::fs::set_permissions(&log, std::fs::Permissions::from_mode(0o555)).unwrap();
    // The superuser may write all the same.
    let superuser = std::fs::write(log.join("probe"), "").is_ok();
    let outcome = table.commit(commit(Some(0), schema(), vec![], vec![], 2));
    std::fs::set_permissions(&log, std::fs::Permissions::from_mode(0o755)).unwrap();
    if !superuser {
        let error = outcome.unwrap_err();
        assert_eq!(error.class(), ErrorClass::NotAllowed, "{error:?}");
    }
}
