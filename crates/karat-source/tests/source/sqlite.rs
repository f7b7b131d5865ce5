//! SQLite files: types by declaration, full loads, cursors, and what can be wrong with the file.

use std::time::Duration;

use expect_test::expect;
use karat_source::{
    Cursor, ErrorKind, FeedSpec, Known, Lag, Mode, Source, SourceConfig, open_source, with_epoch,
};
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::show::{Folder, collect, error_text, show, show_columns};

fn database(folder: &Folder, sql: &str) -> Connection {
    let connection = Connection::open(folder.path().join("t.db")).unwrap();
    connection.execute_batch(sql).unwrap();
    connection
}

fn source(folder: &Folder) -> Box<dyn Source> {
    open_source(
        "sqlite",
        &SourceConfig {
            busy_wait: Duration::from_millis(20),
            ..SourceConfig::new(folder.path().join("t.db"))
        },
    )
    .unwrap()
}

fn full(table: &str) -> FeedSpec {
    FeedSpec {
        name: "f".to_owned(),
        table: Some(table.to_owned()),
        mode: Mode::Full,
        ..FeedSpec::default()
    }
}

fn by_cursor(table: &str, column: &str, lag: Option<Lag>) -> FeedSpec {
    FeedSpec {
        mode: Mode::Incremental,
        followed: false,
        cursor: Some(Cursor {
            column: column.to_owned(),
            lag,
            nulls_include: false,
        }),
        ..full(table)
    }
}

fn read_full(folder: &Folder, feed: &FeedSpec) -> String {
    let source = source(folder);
    match source.plan(
        feed,
        &Known::Full {
            mark: "T1".to_owned(),
        },
    ) {
        Ok(planned) => show(&collect(&*source, feed, &planned.loads[0]).unwrap(), true),
        Err(e) => error_text(&e).replace(&folder.path().display().to_string(), "…"),
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
                format!(
                    "from {} to {}\n{}",
                    load.from,
                    load.to["cursor"],
                    show(&collect(&*source, feed, load).unwrap(), true)
                )
            }
        },
        Err(e) => error_text(&e).replace(&folder.path().display().to_string(), "…"),
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
    expect![[r#"
        id (Id) Int64
        n (N) Int64
        r (R) Float64
        d (D) Float64
        t (T) Utf8
        at (At) Utf8
        b (B) Binary
        u (U) Binary
    "#]]
    .assert_eq(&show_columns(
        &source.header(&full("t"), None).unwrap().unwrap(),
    ));
    expect![[r#"
           id | n | r | d | t | at | b | u
        ∅: 1 | 7 | 1.5 | 2.0 | x | 2026-10-29 | 00ff | 01   R T 54310002bff00000000000008000000000000000
        ∅: 2 | ∅ | ∅ | ∅ | 5 | ∅ | ∅ | ∅   R T 54310002c0000000000000008000000000000000   {"reason":"type_mismatch","cells":{"n":{"type":"text","text":"seven"},"r":{"type":"text","text":"inf"},"d":{"type":"integer","text":"9007199254740993"},"at":{"type":"integer","text":"20261029"},"b":{"type":"text","text":"text"},"u":{"type":"text","text":"u"}}}
        ∅: 3 | ∅ | inf | 0.1 | ∅ | ∅ | ∅ | ∅   R T 54310002c0080000000000008000000000000000   {"reason":"type_mismatch","cells":{"n":{"type":"real","text":"1.5"},"t":{"type":"text","hex":"ff41"}}}
    "#]].assert_eq(&read_full(&folder, &full("T")));
    let found = source.discover(None).unwrap();
    let shown: String = found[0]
        .columns
        .iter()
        .map(|c| format!("{} {}: {}\n", c.name, c.source_type, c.proposed))
        .collect();
    expect![[r#"
        T key ["id"]
        id INTEGER: id
        n BIGINT: n
        r REAL: r
        d DECIMAL(10,2): cast(decimal_from_double(d, 2) as decimal(10, 2))
        t NVARCHAR(10): t
        at DATETIME: cast(at as date)
        b BLOB: b
        u : u
    "#]]
    .assert_eq(&format!(
        "{} key {:?}\n{shown}",
        found[0].name, found[0].key_hint
    ));
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
    expect![[r#"
           a | b | c
        ∅: C | 1 | y   R keyed 54310002bff0000000000000800000000000000003430000
        ∅: b | 1 | x   R keyed 54310002bff0000000000000800000000000000003620000
        ∅: a | 2 | z   R keyed 54310002c000000000000000800000000000000003610000
    "#]]
    .assert_eq(&read_full(&folder, &full("keyed")));
    expect![[r#"
           a | b
        ∅: ∅ | n   R heap 5431000000000000000001
        ∅: 1 | x   R heap 5431000000000000000002
        ∅: 1 | x   R heap 5431000000000000000003
        ∅: 1 | y   R heap 5431000000000000000004
        ∅: 2 | x   R heap 5431000000000000000005
    "#]]
    .assert_eq(&read_full(&folder, &full("heap")));
    let chosen = FeedSpec {
        key: vec!["c".to_owned()],
        columns: Some(vec!["c".to_owned()]),
        ..full("keyed")
    };
    expect![[r#"
           c
        ∅: x   R keyed 54310003780000
        ∅: y   R keyed 54310003790000
        ∅: z   R keyed 543100037a0000
    "#]]
    .assert_eq(&read_full(&folder, &chosen));
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
    expect![[r#"
        from {"cursor":null,"from":null} to 20
           id | v | at
        ∅: 1 | a | 10   U t 02c024000000000000800000000000000002bff00000000000008000000000000000
        ∅: 2 | b | 20   U t 02c034000000000000800000000000000002c0000000000000008000000000000000
        ∅: 3 | c | 20   U t 02c034000000000000800000000000000002c0080000000000008000000000000000
    "#]]
    .assert_eq(&read_next(&folder, &spec, &mut position));
    expect![["nothing new\n"]].assert_eq(&read_next(&folder, &spec, &mut position));
    // A row that comes late within the lag, one that changes behind it, one that is new.
    db.execute_batch(
        "INSERT INTO t VALUES (4, 'late', 16); UPDATE t SET v = 'unseen' WHERE id = 1;",
    )
    .unwrap();
    expect![[r#"
        from {"cursor":20,"from":15} to 20
           id | v | at
        ∅: 4 | late | 16   U t 02c030000000000000800000000000000002c0100000000000008000000000000000
        ∅: 2 | b | 20   U t 02c034000000000000800000000000000002c0000000000000008000000000000000
        ∅: 3 | c | 20   U t 02c034000000000000800000000000000002c0080000000000008000000000000000
    "#]]
    .assert_eq(&read_next(&folder, &spec, &mut position));
    db.execute_batch("INSERT INTO t VALUES (5, 'new', 30)")
        .unwrap();
    let source = source(&folder);
    let planned = source
        .plan(&spec, &Known::Cursor(Some(position.clone())))
        .unwrap();
    // Beyond the bound that the plan fixed.
    db.execute_batch("INSERT INTO t VALUES (6, 'too new', 31)")
        .unwrap();
    let batches = collect(&*source, &spec, &planned.loads[0]).unwrap();
    expect![[r#"
           id | v | at
        ∅: 4 | late | 16   U t 02c030000000000000800000000000000002c0100000000000008000000000000000
        ∅: 2 | b | 20   U t 02c034000000000000800000000000000002c0000000000000008000000000000000
        ∅: 3 | c | 20   U t 02c034000000000000800000000000000002c0080000000000008000000000000000
        ∅: 5 | new | 30   U t 02c03e000000000000800000000000000002c0140000000000008000000000000000
    "#]]
    .assert_eq(&show(&batches, true));
    let later = with_epoch(&batches[0].batch, 7).unwrap();
    assert_eq!(
        crate::show::cell(&later, 3, 0).len(),
        crate::show::cell(&batches[0].batch, 3, 0).len() + 16
    );
    db.execute_batch("DELETE FROM t WHERE id > 1").unwrap();
    let back = source.plan(&spec, &Known::Cursor(Some(position))).unwrap();
    expect![[r#"
        0 ["the greatest `at` of table `t` is below the position: rows were removed, or the table was restored"]
    "#]].assert_eq(&format!("{:?} {:?}\n", back.loads.len(), back.warnings));
}

#[test]
fn text_cursors_take_a_duration_and_a_position_may_be_a_bare_value() {
    let folder = Folder::new();
    database(
        &folder,
        "CREATE TABLE t (v TEXT, at TIMESTAMP); INSERT INTO t VALUES ('a', '2026-10-29 08:00:00'), ('b', '2026-10-29 08:10:00'), ('c', '2026-10-29 09:00:00');",
    );
    let spec = by_cursor("t", "at", Some(Lag::Time(Duration::from_secs(900))));
    expect![[r#"
        from {"cursor":"2026-10-29 08:20:00","from":"2026-10-29 08:05:00"} to "2026-10-29 09:00:00"
           v | at
        ∅: b | 2026-10-29 08:10:00   U t 03323032362d31302d32392030383a31303a3030000071c111bb7c898666163cf26ce6dab724bbc116babc4ece119dbfbc0e242ea0c2
        ∅: c | 2026-10-29 09:00:00   U t 03323032362d31302d32392030393a30303a30300000eff518485ad2e87db49e5c42d8df577141599e83ea415d46f30fd3c9bbaaaa8f
    "#]].assert_eq(&read_next(&folder, &spec, &mut json!("2026-10-29 08:20:00")));
    expect![[r#"
        Config: cannot take the lag from cursor `at`: it holds text, and the lag is a number
        hint: a number as lag suits integer and real cursors, a duration (`15m`) suits dates and times kept as text (`2026-10-29 08:00:00`)
    "#]].assert_eq(&read_next(&folder, &by_cursor("t", "at", Some(Lag::Number(5))), &mut json!("2026-10-29 08:20:00")));
    expect![[r#"
        Drift: cannot go on reading table `t` by `at`: the position and the column are not of one type any more
        hint: set the position anew with `karat position set`
    "#]].assert_eq(&read_next(&folder, &spec, &mut json!(5)));
}

#[test]
fn cursors_that_would_lose_rows_are_refused() {
    let folder = Folder::new();
    database(
        &folder,
        "CREATE TABLE t (id INTEGER PRIMARY KEY, at INT, x); INSERT INTO t VALUES (1, NULL, 1), (2, 5, 'a'), (3, NULL, 2.5);",
    );
    let mut spec = by_cursor("t", "at", None);
    expect![[r#"
        NullCursor: cannot read table `t` by its cursor `at`: 2 rows have none, and no load would ever see them
        hint: choose a column that is never null, or state `cursor: { nulls: include }` to read these rows with every load
    "#]].assert_eq(&read_next(&folder, &spec, &mut Value::Null));
    spec.cursor.as_mut().unwrap().nulls_include = true;
    let mut position = Value::Null;
    expect![[r#"
        from {"cursor":null,"from":null} to 5
           id | at | x
        ∅: 1 | ∅ | ∅   U t 0102bff00000000000008000000000000000   {"reason":"no_declared_type","cells":{"x":{"type":"integer","text":"1"}}}
        ∅: 3 | ∅ | ∅   U t 0102c0080000000000008000000000000000   {"reason":"no_declared_type","cells":{"x":{"type":"real","text":"2.5"}}}
        ∅: 2 | 5 | ∅   U t 02c014000000000000800000000000000002c0000000000000008000000000000000   {"reason":"no_declared_type","cells":{"x":{"type":"text","text":"a"}}}
    "#]].assert_eq(&read_next(&folder, &spec, &mut position));
    expect![["nothing new\n"]].assert_eq(&read_next(&folder, &spec, &mut position));
    expect![[r#"
        Cursor: cannot read table `t` by its cursor `x`: the row with rowid 2 has a text among numbers there
        hint: correct it at the source (`select * from "t" where typeof("x") = 'text'`), or choose another cursor
    "#]].assert_eq(&read_next(&folder, &by_cursor("t", "x", None), &mut Value::Null));
    expect![[r#"
        Drift: cannot read table `t`: it has no column `nope`, which the feed names as cursor
        hint: name one of its columns in the feed: id, at, x
    "#]]
    .assert_eq(&read_next(
        &folder,
        &by_cursor("t", "nope", None),
        &mut Value::Null,
    ));
    expect![[r#"
        NotFound: cannot read table `none` of `…/t.db`: there is none of that name
        hint: it has: t
    "#]]
    .assert_eq(&read_next(
        &folder,
        &by_cursor("none", "at", None),
        &mut Value::Null,
    ));
}

#[test]
fn a_real_cursor_survives_json_to_the_last_bit() {
    let folder = Folder::new();
    let db = database(
        &folder,
        "CREATE TABLE t (id INTEGER PRIMARY KEY, at REAL); INSERT INTO t VALUES (1, 2461000.7777777778), (2, 5e-324), (3, 0.1);",
    );
    let spec = by_cursor("t", "at", None);
    let mut position = Value::Null;
    expect![[r#"
        from {"cursor":null,"from":null} to {"real":"2461000.777777778"}
           id | at
        ∅: 2 | 5e-324   U t 028000000000000001800000000000000002c0000000000000008000000000000000
        ∅: 3 | 0.1   U t 02bfb999999999999a800000000000000002c0080000000000008000000000000000
        ∅: 1 | 2461000.777777778   U t 02c142c6a4638e38e4800000000000000002bff00000000000008000000000000000
    "#]].assert_eq(&read_next(&folder, &spec, &mut position));
    position = serde_json::from_str(&position.to_string()).unwrap();
    expect![["nothing new\n"]].assert_eq(&read_next(&folder, &spec, &mut position));
    // Whatever came after it would never be read.
    db.execute_batch("INSERT INTO t VALUES (4, 9e999)").unwrap();
    expect![[r#"
        Cursor: cannot read table `t` by its cursor `at`: the row with rowid 4 has no number that another could be greater than (infinity) there
        hint: correct it at the source (`select * from "t" where "at" = 9e999`), or choose another cursor
    "#]].assert_eq(&read_next(&folder, &spec, &mut position));
}

#[test]
fn columns_that_fold_alike_are_an_error_of_their_table_alone() {
    let folder = Folder::new();
    database(
        &folder,
        "CREATE TABLE bad (\"a b\" TEXT, a_b TEXT); CREATE TABLE good (a TEXT);",
    );
    expect![[r#"
        Drift: cannot name the columns of `bad`: `a b` (column 1) and `a_b` (column 2) are both `a_b` in lower case letters, digits and `_`
        hint: rename one of them at the source
    "#]].assert_eq(&read_full(&folder, &full("bad")));
    let found = source(&folder).discover(None).unwrap();
    let shown: String = found
        .iter()
        .map(|d| format!("{} {} columns {:?}\n", d.name, d.columns.len(), d.notes))
        .collect();
    expect![[r#"
        bad 0 columns ["cannot name the columns of `bad`: `a b` (column 1) and `a_b` (column 2) are both `a_b` in lower case letters, digits and `_`"]
        good 1 columns []
    "#]].assert_eq(&shown);
}

#[test]
fn a_database_that_cannot_be_read_says_why() {
    let folder = Folder::new();
    let kind = || source(&folder).test().unwrap_err();
    assert_eq!(kind().kind(), ErrorKind::NotFound);
    folder.put(
        "t.db",
        "this is no database, but it is long enough to be taken for one ".repeat(40),
        1,
    );
    expect![[r#"
        Corrupt: cannot read the database `…/t.db`: it is no SQLite database, or encrypted
        hint: check the source's path
    "#]]
    .assert_eq(&error_text(&kind()).replace(&folder.path().display().to_string(), "…"));
    std::fs::remove_file(folder.path().join("t.db")).unwrap();

    let db = database(
        &folder,
        "CREATE TABLE t (a TEXT); INSERT INTO t VALUES ('x'); BEGIN EXCLUSIVE;",
    );
    expect![[r#"
        Locked: cannot read the database `…/t.db`: another process holds it, and did not let go within 0.02 s
        hint: run again when the writer is done, or read from a copy
    "#]].assert_eq(&error_text(&kind()).replace(&folder.path().display().to_string(), "…"));
    db.execute_batch("COMMIT").unwrap();
    db.execute_batch("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) INSERT INTO t SELECT 'row ' || i FROM n").unwrap();
    drop(db);

    let path = folder.path().join("t.db");
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[4096 + 10..middle].fill(0xEE);
    std::fs::write(&path, bytes).unwrap();
    let source = source(&folder);
    let planned = source
        .plan(
            &full("t"),
            &Known::Full {
                mark: "m".to_owned(),
            },
        )
        .unwrap();
    let error = collect(&*source, &full("t"), &planned.loads[0]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    assert_eq!(kind().kind(), ErrorKind::Config);
}

#[test]
fn a_wal_database_is_read_beside_its_writer() {
    let folder = Folder::new();
    let db = database(
        &folder,
        "PRAGMA journal_mode = WAL; CREATE TABLE t (a TEXT); INSERT INTO t VALUES ('in the log');",
    );
    db.execute_batch("BEGIN IMMEDIATE; INSERT INTO t VALUES ('not yet');")
        .unwrap();
    expect![[r#"
           a
        ∅: in the log   R t 5431000000000000000001
    "#]]
    .assert_eq(&read_full(&folder, &full("t")));
}

#[test]
fn a_damaged_database_gives_rows_or_an_error_but_no_panic() {
    let folder = Folder::new();
    let db = database(
        &folder,
        "PRAGMA page_size = 512; CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT, at REAL, b BLOB);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60)
         INSERT INTO t SELECT i, 'row ' || i, i * 1.5, zeroblob(i) FROM n;",
    );
    drop(db);
    let path = folder.path().join("t.db");
    let whole = std::fs::read(&path).unwrap();
    let (mut read, mut failed) = (0, 0);
    let mut state = 1u64;
    let mut next = |below: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    for round in 0..150 {
        let mut bytes = whole.clone();
        for _ in 0..=round % 8 {
            // The first pages hold the schema.
            let at = next(if round % 2 == 0 { 1024 } else { bytes.len() });
            bytes[at] = next(256) as u8;
        }
        if round % 10 == 9 {
            bytes.truncate(next(bytes.len()));
        }
        std::fs::write(&path, bytes).unwrap();
        let source = source(&folder);
        let _ = source.discover(None);
        for spec in [full("t"), by_cursor("t", "at", None)] {
            let known = match spec.mode {
                Mode::Full => Known::Full {
                    mark: "m".to_owned(),
                },
                Mode::Incremental => Known::Cursor(None),
            };
            let rows = source.plan(&spec, &known).and_then(|planned| {
                planned
                    .loads
                    .iter()
                    .map(|load| collect(&*source, &spec, load))
                    .collect::<Result<Vec<_>, _>>()
            });
            match rows {
                Ok(_) => read += 1,
                Err(error) => {
                    assert!(error.hint_text().is_some(), "{error}");
                    failed += 1;
                }
            }
        }
    }
    assert!(read > 10 && failed > 10, "{read} read, {failed} failed");
}
