//! SQLite files: types by declaration, full loads, cursors, and what can be wrong with the file.

use std::time::Duration;

use expect_test::expect;
use karat_source::{Cursor, ErrorKind, FeedSpec, Known, Lag, Mode, Source, SourceConfig, open_source, with_epoch};
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::show::{Folder, collect, error_text, show, show_columns};

fn database(folder: &Folder, sql: &str) -> Connection {
    let connection = Connection::open(folder.path().join("t.db")).unwrap();
    connection.execute_batch(sql).unwrap();
    connection
}

fn source(folder: &Folder) -> Box<dyn Source> {
    open_source("sqlite", &SourceConfig { busy_wait: Duration::from_millis(20), ..SourceConfig::new(folder.path().join("t.db")) }).unwrap()
}

fn full(table: &str) -> FeedSpec {
    FeedSpec { name: "f".to_owned(), table: Some(table.to_owned()), mode: Mode::Full, ..FeedSpec::default() }
}

fn by_cursor(table: &str, column: &str, lag: Option<Lag>) -> FeedSpec {
    FeedSpec { mode: Mode::Incremental, cursor: Some(Cursor { column: column.to_owned(), lag, nulls_include: false }), ..full(table) }
}

fn read_full(folder: &Folder, feed: &FeedSpec) -> String {
    let source = source(folder);
    match source.plan(feed, &Known::Full { mark: "T1".to_owned() }) {
        Ok(planned) => show(&collect(&*source, feed, &planned.loads[0]).unwrap(), true),
        Err(e) => error_text(&e),
    }
}

/// Reads what is new, and moves the position.
fn read_next(folder: &Folder, feed: &FeedSpec, position: &mut Value) -> String {
    let source = source(folder);
    match source.plan(feed, &Known::Cursor(Some(position.clone()))) {
        Ok(planned) => match planned.loads.first() {
            None => "nothing new\n".to_owned(),
            Some(load) => {
                *position = load.to.clone();
                format!("from {} to {}\n{}", load.from, load.to["cursor"], show(&collect(&*source, feed, load).unwrap(), true))
            }
        },
        Err(e) => error_text(&e),
    }
}

#[test]
fn types_are_the_declared_ones_and_what_does_not_fit_is_rescued() {
    let folder = Folder::new();
    database(
        &folder,
        "CREATE TABLE T (Id INTEGER PRIMARY KEY, N BIGINT, R REAL, D DECIMAL(10,2), T NVARCHAR(10), At DATETIME, B BLOB, U);
         INSERT INTO T VALUES (1, 7, 1.5, 2, 'x', '2026-10-29', x'00ff', x'01');
         INSERT INTO T VALUES (2, 'seven', 'inf', 9007199254740993, 5, 20261029, 'text', 'u');
         INSERT INTO T VALUES (3, 1.5, 9e999, 0.1, cast(x'ff41' as text), NULL, NULL, NULL);",
    );
    let source = source(&folder);
    expect![[r#""#]].assert_eq(&show_columns(&source.header(&full("t"), None).unwrap().unwrap()));
    expect![[r#""#]].assert_eq(&read_full(&folder, &full("T")));
    let found = source.discover(None).unwrap();
    let shown: String = found[0].columns.iter().map(|c| format!("{} {}: {}\n", c.name, c.source_type, c.proposed)).collect();
    expect![[r#""#]].assert_eq(&format!("{} key {:?}\n{shown}", found[0].name, found[0].key_hint));
}

#[test]
fn full_loads_are_ordered_by_key_or_by_everything() {
    let folder = Folder::new();
    database(
        &folder,
        "CREATE TABLE keyed (a TEXT COLLATE NOCASE, b INT, c TEXT, PRIMARY KEY (b, a));
         INSERT INTO keyed VALUES ('b', 1, 'x'), ('C', 1, 'y'), ('a', 2, 'z');
         CREATE TABLE heap (a INT, b TEXT); INSERT INTO heap VALUES (2, 'x'), (1, 'y'), (1, 'x'), (1, 'x'), (NULL, 'n');",
    );
    expect![[r#""#]].assert_eq(&read_full(&folder, &full("keyed")));
    expect![[r#""#]].assert_eq(&read_full(&folder, &full("heap")));
    let chosen = FeedSpec { key: vec!["c".to_owned()], columns: Some(vec!["c".to_owned()]), ..full("keyed") };
    expect![[r#""#]].assert_eq(&read_full(&folder, &chosen));
}

#[test]
fn a_cursor_reads_its_window_again_and_stops_at_the_bound() {
    let folder = Folder::new();
    let db = database(
        &folder,
        "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT, at INTEGER); INSERT INTO t VALUES (1, 'a', 10), (2, 'b', 20), (3, 'c', 20);",
    );
    let spec = by_cursor("t", "at", Some(Lag::Number(5)));
    let mut position = Value::Null;
    expect![[r#""#]].assert_eq(&read_next(&folder, &spec, &mut position));
    expect![["nothing new\n"]].assert_eq(&read_next(&folder, &spec, &mut position));
    // A row that comes late within the lag, one that changes behind it, one that is new.
    db.execute_batch("INSERT INTO t VALUES (4, 'late', 16); UPDATE t SET v = 'unseen' WHERE id = 1;").unwrap();
    expect![[r#""#]].assert_eq(&read_next(&folder, &spec, &mut position));
    db.execute_batch("INSERT INTO t VALUES (5, 'new', 30)").unwrap();
    let source = source(&folder);
    let planned = source.plan(&spec, &Known::Cursor(Some(position.clone()))).unwrap();
    // Beyond the bound that the plan fixed.
    db.execute_batch("INSERT INTO t VALUES (6, 'too new', 31)").unwrap();
    let batches = collect(&*source, &spec, &planned.loads[0]).unwrap();
    expect![[r#""#]].assert_eq(&show(&batches, true));
    let later = with_epoch(&batches[0].batch, 7).unwrap();
    assert_eq!(crate::show::cell(&later, 3, 0).len(), crate::show::cell(&batches[0].batch, 3, 0).len() + 16);
    db.execute_batch("DELETE FROM t WHERE id > 1").unwrap();
    let back = source.plan(&spec, &Known::Cursor(Some(position))).unwrap();
    expect![[r#""#]].assert_eq(&format!("{:?} {:?}\n", back.loads.len(), back.warnings));
}

#[test]
fn text_cursors_take_a_duration_and_a_position_may_be_a_bare_value() {
    let folder = Folder::new();
    database(&folder, "CREATE TABLE t (v TEXT, at TIMESTAMP); INSERT INTO t VALUES ('a', '2026-10-29 08:00:00'), ('b', '2026-10-29 08:10:00'), ('c', '2026-10-29 09:00:00');");
    let spec = by_cursor("t", "at", Some(Lag::Time(Duration::from_secs(900))));
    expect![[r#""#]].assert_eq(&read_next(&folder, &spec, &mut json!("2026-10-29 08:20:00")));
    expect![[r#""#]].assert_eq(&read_next(&folder, &by_cursor("t", "at", Some(Lag::Number(5))), &mut json!("2026-10-29 08:20:00")));
    expect![[r#""#]].assert_eq(&read_next(&folder, &spec, &mut json!(5)));
}

#[test]
fn cursors_that_would_lose_rows_are_refused() {
    let folder = Folder::new();
    database(&folder, "CREATE TABLE t (id INTEGER PRIMARY KEY, at INT, x); INSERT INTO t VALUES (1, NULL, 1), (2, 5, 'a'), (3, NULL, 2.5);");
    let mut spec = by_cursor("t", "at", None);
    expect![[r#""#]].assert_eq(&read_next(&folder, &spec, &mut Value::Null));
    spec.cursor.as_mut().unwrap().nulls_include = true;
    let mut position = Value::Null;
    expect![[r#""#]].assert_eq(&read_next(&folder, &spec, &mut position));
    expect![["nothing new\n"]].assert_eq(&read_next(&folder, &spec, &mut position));
    expect![[r#""#]].assert_eq(&read_next(&folder, &by_cursor("t", "x", None), &mut Value::Null));
    expect![[r#""#]].assert_eq(&read_next(&folder, &by_cursor("t", "nope", None), &mut Value::Null));
    expect![[r#""#]].assert_eq(&read_next(&folder, &by_cursor("none", "at", None), &mut Value::Null));
}

#[test]
fn a_database_that_cannot_be_read_says_why() {
    let folder = Folder::new();
    let kind = || source(&folder).test().unwrap_err();
    assert_eq!(kind().kind(), ErrorKind::NotFound);
    folder.put("t.db", "this is no database, but it is long enough to be taken for one ".repeat(40), 1);
    expect![[r#""#]].assert_eq(&error_text(&kind()).replace(&folder.path().display().to_string(), "…"));
    std::fs::remove_file(folder.path().join("t.db")).unwrap();

    let db = database(&folder, "CREATE TABLE t (a TEXT); INSERT INTO t VALUES ('x'); BEGIN EXCLUSIVE;");
    expect![[r#""#]].assert_eq(&error_text(&kind()).replace(&folder.path().display().to_string(), "…"));
    db.execute_batch("COMMIT").unwrap();
    db.execute_batch("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) INSERT INTO t SELECT 'row ' || i FROM n").unwrap();
    drop(db);

    let path = folder.path().join("t.db");
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[4096 + 10..middle].fill(0xEE);
    std::fs::write(&path, bytes).unwrap();
    let source = source(&folder);
    let planned = source.plan(&full("t"), &Known::Full { mark: "m".to_owned() }).unwrap();
    let error = collect(&*source, &full("t"), &planned.loads[0]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    assert_eq!(kind().kind(), ErrorKind::Config);
}

#[test]
fn a_wal_database_is_read_beside_its_writer() {
    let folder = Folder::new();
    let db = database(&folder, "PRAGMA journal_mode = WAL; CREATE TABLE t (a TEXT); INSERT INTO t VALUES ('in the log');");
    db.execute_batch("BEGIN IMMEDIATE; INSERT INTO t VALUES ('not yet');").unwrap();
    expect![[r#""#]].assert_eq(&read_full(&folder, &full("t")));
}
