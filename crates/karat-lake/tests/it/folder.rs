//! Folders, create-once files, locks.

use std::time::Duration;

use karat_lake::{ErrorClass, Lake, LakeError, Put};

use crate::{DIR, lake, names, table};

#[test]
fn creating_twice_makes_one_lake() {
    let (_folder, lake) = lake();
    Lake::create(lake.root()).unwrap();
    Lake::open(lake.root()).unwrap();
    assert_eq!(lake.get("_karat/format").unwrap().unwrap(), b"1");
}

#[test]
fn an_empty_folder_is_no_lake() {
    let folder = tempfile::tempdir().unwrap();
    let error = Lake::open(folder.path()).unwrap_err();
    assert!(matches!(error, LakeError::NoLake { .. }));
    assert!(error.hint().is_some());
}

#[test]
fn another_format_is_refused() {
    let (_folder, lake) = lake();
    std::fs::write(lake.root().join("_karat/format"), "2").unwrap();
    let error = Lake::open(lake.root()).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("its `_karat/format` says `2`, this karat knows `1`"),
        "{error}"
    );
}

#[test]
fn a_file_is_put_once() {
    let (_folder, lake) = lake();
    assert_eq!(
        lake.put_if_absent("_karat/intents/a/1.json", b"one")
            .unwrap(),
        Put::Created
    );
    assert_eq!(
        lake.put_if_absent("_karat/intents/a/1.json", b"two")
            .unwrap(),
        Put::Exists
    );
    assert_eq!(
        lake.get("_karat/intents/a/1.json").unwrap().unwrap(),
        b"one"
    );
    assert_eq!(names(&lake.root().join("_karat/intents/a")), ["1.json"]);
    assert_eq!(lake.list("_karat/intents").unwrap(), ["a"]);
    assert!(lake.list("_karat/nothing").unwrap().is_empty());
    assert!(lake.get("_karat/intents/a/2.json").unwrap().is_none());
}

#[test]
fn of_many_who_put_at_once_one_wins() {
    let (_folder, lake) = lake();
    let created: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|number: u8| {
                let lake = &lake;
                scope.spawn(move || lake.put_if_absent("_karat/x", &[number; 5000]).unwrap())
            })
            .collect();
        threads
            .into_iter()
            .filter(|_| true)
            .map(|thread| usize::from(thread.join().unwrap() == Put::Created))
            .sum()
    });
    assert_eq!(created, 1);
    let bytes = lake.get("_karat/x").unwrap().unwrap();
    assert!(bytes.len() == 5000 && bytes.iter().all(|byte| *byte == bytes[0]));
}

#[test]
fn names_do_not_leave_the_lake() {
    let (_folder, lake) = lake();
    for name in ["../x", "/etc/x", "a//b", "", "a/./b", "a\\b"] {
        let error = lake.put_if_absent(name, b"").unwrap_err();
        assert!(matches!(error, LakeError::Name { .. }), "{name}: {error}");
    }
}

#[test]
fn a_folder_where_a_file_should_be_is_said() {
    let (_folder, lake) = lake();
    std::fs::create_dir_all(lake.root().join("_karat/intents/1.json")).unwrap();
    let error = lake
        .put_if_absent("_karat/intents/1.json", b"")
        .unwrap_err();
    assert!(
        error.to_string().ends_with("it is a folder, not a file"),
        "{error}"
    );
    let error = lake.get("_karat/intents/1.json").unwrap_err();
    assert_eq!(error.class(), ErrorClass::Io);
    std::fs::write(lake.root().join("file"), "").unwrap();
    let error = lake.put_if_absent("file/x", b"").unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("a part of the path is a file, not a folder"),
        "{error}"
    );
}

#[test]
fn a_lock_is_held_once_and_freed() {
    let (_folder, lake) = lake();
    let guard = lake.lock("ledger/entries", Duration::ZERO).unwrap();
    let error = lake
        .lock("ledger/entries", Duration::from_millis(30))
        .unwrap_err();
    assert_eq!(error.class(), ErrorClass::Conflict);
    assert!(error.to_string().contains("`ledger/entries`"), "{error}");
    lake.lock("ledger/other", Duration::ZERO).unwrap();
    drop(guard);
    lake.lock("ledger/entries", Duration::ZERO).unwrap();
}

#[test]
fn who_waits_gets_the_lock() {
    let (_folder, lake) = lake();
    let guard = lake.lock("x", Duration::ZERO).unwrap();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| lake.lock("x", Duration::from_secs(60)).is_ok());
        drop(guard);
        assert!(waiting.join().unwrap());
    });
}

#[test]
fn tables_are_folders_with_a_log() {
    let (_folder, lake) = lake();
    table(&lake);
    std::fs::create_dir_all(lake.root().join("ledger/gold/none")).unwrap();
    let tables: Vec<String> = lake
        .tables()
        .unwrap()
        .iter()
        .map(karat_lake::TableDir::dir)
        .collect();
    assert_eq!(tables, [DIR]);
}
