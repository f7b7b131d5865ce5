//! Commits: create, append, overwrite, evolve; races, repeats and lost answers.

use karat_lake::{CanonicalWriter, ErrorClass, Layout};

use crate::{commit, lake, names, rows, schema, table, write};

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
