//! Bronze: what was received, and which of it silver reads (rules B1 to B10).

use std::time::{Duration, SystemTime};

use expect_test::expect;

use crate::project::Project;

const FILES: &str =
    "{ source: landing, name: orders, mode: incremental, path: \"*.csv*\", file_order: '_(\\d+)' }";
const ORDERS: &str = "from: landing.orders\nselect: { id: cast(id as bigint), v: v }\n";

#[test]
fn objects_are_told_apart_by_path_and_content() {
    let project = Project::one_feed(FILES, ORDERS);
    let silver = |project: &Project| project.rows("select * from d_silver.t");
    project.write("landing/a_1.csv", "id,v\n1,one\n2,two\n");
    project.write("landing/b_2.csv", "id,v\n3,three\n");
    project.run(0);
    // The same path with new content: silver reads the newest.
    project.write("landing/a_1.csv", "id,v\n1,ONE\n");
    project.run(0);
    expect![[r#"
        id,v
        1,ONE
        3,three
    "#]]
    .assert_eq(&silver(&project));
    expect!["4 read = 2 kept + 2 superseded"].assert_eq(&project.accounting("d_silver.t"));
    // A new path with known content: read once, from the path that is first in order.
    project.write("landing/c_0.csv", "id,v\n3,three\n");
    // Objects without rows are no duplicates of each other.
    project.write("landing/d_3.csv", "id,v\n");
    project.write("landing/e_4.csv", "id,v\n");
    project.run(0);
    expect![[r#"
        id,v
        1,ONE
        3,three
    "#]]
    .assert_eq(&silver(&project));
    expect!["5 read = 1 duplicate + 2 kept + 2 superseded"]
        .assert_eq(&project.accounting("d_silver.t"));
    expect![[r#"
        _object,_delivery,_row,id,v,_op
        a_1.csv,1,2,1,one,I
        a_1.csv,1,3,2,two,I
        a_1.csv,2,2,1,ONE,I
        b_2.csv,1,2,3,three,I
        c_0.csv,1,2,3,three,I
    "#]]
    .assert_eq(&project.rows("select _object, _delivery, _row, id, v, _op from d_bronze.landing__orders order by _object, _delivery, _row"));
    // The first content comes back: it is the next delivery, not an old one.
    project.write("landing/a_1.csv", "id,v\n1,one\n2,two\n");
    project.run(0);
    expect![[r#"
        id,v
        1,one
        2,two
        3,three
    "#]]
    .assert_eq(&silver(&project));
    // As if the older had never come.
    let fresh = Project::one_feed(FILES, ORDERS);
    fresh.write("landing/a_1.csv", "id,v\n1,one\n2,two\n");
    fresh.write("landing/b_2.csv", "id,v\n3,three\n");
    fresh.run(0);
    assert_eq!(
        project.fingerprint("d_silver.t"),
        fresh.fingerprint("d_silver.t")
    );

    let twice = Project::one_feed(&FILES.replace(" }", ", on_duplicate: load }"), ORDERS);
    twice.write("landing/a_1.csv", "id,v\n1,one\n");
    twice.write("landing/b_2.csv", "id,v\n1,one\n");
    twice.run(0);
    expect![[r#"
        id,v
        1,one
        1,one
    "#]]
    .assert_eq(&silver(&twice));
}

#[test]
fn a_broken_object_is_held_and_comes_back_mended() {
    let project = Project::one_feed(FILES, ORDERS);
    project.write("landing/a_1.csv", "id,v\n1,one\n");
    let whole = project.write_gzip("landing/b_2.csv.gz", "id,v\n2,two\n");
    project.write_bytes("landing/b_2.csv.gz", &whole[..whole.len() - 9]);
    let first = project.run(1);
    assert!(first.stdout.contains("b_2.csv.gz"), "{}", first.text());
    expect![[r#"
        id,v
        1,one
    "#]]
    .assert_eq(&project.rows("select * from d_silver.t"));
    expect![[r#"
        {
          "counts": [],
          "rows": [],
          "objects": [
            {
              "object": "b_2.csv.gz",
              "reason": "gzip ends early",
              "table": "d_bronze.landing__orders"
            }
          ],
          "rows_held": 0,
          "objects_held": 1
        }
    "#]]
    .assert_eq(&project.karat(&["quarantine", "list", "--json"]).stdout);
    project.run(0);
    project.write_bytes("landing/b_2.csv.gz", &whole);
    project.run(0);
    expect![[r#"
        id,v
        1,one
        2,two
    "#]]
    .assert_eq(&project.rows("select * from d_silver.t"));
    expect![[r#"
        nothing is in quarantine
    "#]]
    .assert_eq(&project.karat(&["quarantine", "list"]).stdout);

    let stops = Project::one_feed(&FILES.replace(" }", ", on_broken_object: stop }"), ORDERS);
    stops.write("landing/a_1.csv", "id,v\n1,one\n");
    stops.write_bytes("landing/b_2.csv.gz", &whole[..whole.len() - 9]);
    expect![[r#"
                 table                     version   time  rows
        failed   d_bronze.landing__orders           N s
        skipped  d_silver.t                         N s
        run RUN: 0 tables written, 0 unchanged, 1 failed, 1 skipped, N s
        --- stderr
        error: cannot load `b_2.csv.gz` of feed `orders`: gzip ends early
        hint: have it delivered again, or take `on_broken_object: stop` from the feed to go on without it
        --- exit 1
    "#]].assert_eq(&stops.run(1).text());
    stops.run(1);
    stops.write_bytes("landing/b_2.csv.gz", &whole);
    stops.run(0);
    expect![[r#"
        id,v
        1,one
        2,two
    "#]]
    .assert_eq(&stops.rows("select * from d_silver.t"));
}

/// An open load whose object changed is given up; nothing of it is lost.
#[test]
fn what_an_abandoned_load_had_planned_is_planned_anew() {
    let project = Project::one_feed(FILES, ORDERS);
    project.write("landing/a_1.csv", "id,v\n1,one\n");
    project.write("landing/b_2.csv", "id,v\n2,two\n");
    let killed = project.karat_with(&["run", "--quiet"], &[("KARAT_FAILPOINT", "intent.after")]);
    assert_eq!(killed.code, -1);
    project.write("landing/b_2.csv", "id,v\n2,two\n3,three\n");
    project.run(0);
    expect![[r#"
        id,v
        1,one
        2,two
        3,three
    "#]]
    .assert_eq(&project.rows("select * from d_silver.t"));

    let database = Project::one_feed(
        "{ source: db, table: orders, mode: incremental, cursor: { column: id } }",
        "from: db.orders\nselect: { id: id, v: v }\n",
    );
    database
        .sqlite("create table orders (id integer, v text); insert into orders values (1, 'one')");
    let killed = database.karat_with(&["run", "--quiet"], &[("KARAT_FAILPOINT", "intent.after")]);
    assert_eq!(killed.code, -1);
    std::fs::rename(database.path("shop.db"), database.path("away.db")).unwrap();
    database.run(3);
    std::fs::rename(database.path("away.db"), database.path("shop.db")).unwrap();
    database.run(0);
    expect![[r#"
        id,v
        1,one
    "#]]
    .assert_eq(&database.rows("select * from d_silver.t"));
}

const PEOPLE: &str = "{ source: landing, name: people, mode: full, key: [id], max_delete: 60%, path: \"people*.csv\", file_order: 'people_(\\d+)' }";
const HISTORY: &str = "from: landing.people\nselect: { id: cast(id as bigint), v: v, day: \"cast(coalesce(day, '2026-01-01') as date)\" }\nauto_cdc: { keys: [id], stored_as_scd_type: 2, valid_from: day }\n";

#[test]
fn keyed_full_loads_become_changes_in_mark_order() {
    let project = Project::one_feed(
        PEOPLE,
        &HISTORY.replace("coalesce(day, '2026-01-01')", "day"),
    );
    let changes = "select _object, _op, id, v from d_bronze.landing__people order by _epoch, id";
    project.write(
        "landing/people_20260102.csv",
        "id,v,day\n1,b,2026-01-02\n3,x,2026-01-02\n",
    );
    project.write(
        "landing/people_20260101.csv",
        "id,v,day\n1,a,2026-01-01\n2,y,2026-01-01\n",
    );
    project.run(0);
    expect![[r#"
        _object,_op,id,v
        people_20260101.csv,I,1,a
        people_20260101.csv,I,2,y
        people_20260102.csv,U,1,b
        ,D,2,
        people_20260102.csv,I,3,x
    "#]]
    .assert_eq(&project.rows(changes));
    let history = "select id, v, __START_AT, __END_AT from d_silver.t";
    expect![[r#"
        id,v,__start_at,__end_at
        1,a,2026-01-01,2026-01-02
        1,b,2026-01-02,
        2,y,2026-01-01,2026-01-02
        3,x,2026-01-02,
    "#]]
    .assert_eq(&project.rows(history));
    // One that is older than the newest is held.
    project.write("landing/people_20260100.csv", "id,v,day\n9,z,2026-01-01\n");
    expect![[r#"
        held    people_20260100.csv of d_bronze.landing__people: late_extract: a newer full load is already loaded
        nothing written: 2 tables up to date, N s
        head DIGEST
        --- exit 1
    "#]].assert_eq(&project.run(1).text());
    project.run(0);
    expect![[r#"
        table                     object               reason
        d_bronze.landing__people  people_20260100.csv  late_extract: a newer full load is already loaded
        0 rows, 1 object in quarantine
    "#]].assert_eq(&project.karat(&["quarantine", "list"]).stdout);
    // The newest is delivered again: what its first content said is gone, as if it had never come.
    project.write(
        "landing/people_20260102.csv",
        "id,v,day\n1,a,2026-01-01\n2,y,2026-01-01\n4,n,2026-01-02\n",
    );
    project.run(0);
    expect![[r#"
        id,v,__start_at,__end_at
        1,a,2026-01-01,
        2,y,2026-01-01,
        4,n,2026-01-02,
    "#]]
    .assert_eq(&project.rows(history));
    expect!["6 read = 3 kept + 3 superseded"].assert_eq(&project.accounting("d_silver.t"));
    let fresh = Project::one_feed(
        PEOPLE,
        &HISTORY.replace("coalesce(day, '2026-01-01')", "day"),
    );
    fresh.write(
        "landing/people_20260101.csv",
        "id,v,day\n1,a,2026-01-01\n2,y,2026-01-01\n",
    );
    fresh.write(
        "landing/people_20260102.csv",
        "id,v,day\n1,a,2026-01-01\n2,y,2026-01-01\n4,n,2026-01-02\n",
    );
    fresh.run(0);
    assert_eq!(
        project.fingerprint("d_silver.t"),
        fresh.fingerprint("d_silver.t")
    );
}

/// An extract is held for its place in the order alone: when the order is another, it is loaded.
#[test]
fn a_late_extract_that_is_no_longer_late() {
    let project = Project::one_feed(PEOPLE, "from: landing.people\nselect: { id: id, v: v }\n");
    project.write("landing/people_2_a.csv", "id,v\n1,b\n");
    project.run(0);
    project.write("landing/people_1_b.csv", "id,v\n1,a\n");
    project.run(1);
    project.run(0);
    let feed = PEOPLE.replace("people_(\\d+)", "people_\\d_(\\w)");
    project.write(
        "domains/d/domain.yaml",
        &format!("domain: d\nfeeds:\n  - {feed}\n"),
    );
    project.run(0);
    assert_eq!(
        project.karat(&["quarantine", "list"]).stdout,
        "nothing is in quarantine\n"
    );
    assert_eq!(project.rows("select * from d_silver.t"), "id,v\n1,a\n");
}

#[test]
fn parts_of_one_mark_are_one_full_load() {
    for key in ["", "key: [id], "] {
        let feed = format!(
            "{{ source: landing, name: people, mode: full, {key}max_delete: 60%, parts: true, path: \"people*.csv\", file_order: 'people_(\\d+)' }}"
        );
        let project = Project::one_feed(
            &feed,
            "from: landing.people\nselect: { id: cast(id as bigint), v: v }\n",
        );
        let silver = "select id, v from d_silver.t order by id";
        project.write("landing/people_1_a.csv", "id,v\n1,a\n");
        project.write("landing/people_1_b.csv", "id,v\n2,b\n3,c\n");
        project.run(0);
        assert_eq!(project.rows(silver), "id,v\n1,a\n2,b\n3,c\n");
        // The second part is late: until it comes, its rows are gone.
        project.write("landing/people_2_a.csv", "id,v\n1,A\n3,c\n");
        project.run(0);
        assert_eq!(project.rows(silver), "id,v\n1,A\n3,c\n");
        project.write("landing/people_2_b.csv", "id,v\n2,b\n");
        project.run(0);
        assert_eq!(project.rows(silver), "id,v\n1,A\n2,b\n3,c\n", "{key}");
    }
}

#[test]
fn a_full_load_that_deletes_too_much_needs_a_word() {
    for (key, source, name) in [
        ("key: [id], ", "landing, path: \"p_*.csv\"", "p"),
        ("", "landing, path: \"p_*.csv\"", "p"),
        ("key: [id], ", "db, table: p", "p"),
        ("", "db, table: p", "p"),
    ] {
        let feed =
            format!("{{ source: {source}, name: {name}, mode: full, {key}max_delete: 20% }}");
        let from = source.split(',').next().unwrap();
        let project = Project::one_feed(
            &feed,
            &format!("from: {from}.p\nselect: {{ id: cast(id as bigint) }}\n"),
        );
        project.sqlite("create table p (id integer primary key)");
        let mut load = 0;
        let mut put = |ids: &[i32]| {
            load += 1;
            let rows: Vec<String> = ids.iter().map(|id| format!("{id}\n")).collect();
            project.write(
                &format!("landing/p_{load}.csv"),
                &format!("id\n{}", rows.concat()),
            );
            let values: Vec<String> = ids
                .iter()
                .map(|id| format!("insert into p values ({id});"))
                .collect();
            project.sqlite(&format!("delete from p; {}", values.concat()));
        };
        let count = || project.rows("select count(*) as n from d_silver.t");
        put(&[1, 2, 3, 4, 5]);
        project.run(0);
        put(&[1, 2, 3, 4]);
        project.run(0);
        put(&[1, 2]);
        let refused = project.run(1);
        assert!(
            refused.stderr.contains("`d_bronze.")
                && refused
                    .stderr
                    .contains("deletes 2 of 4 rows, more than `max_delete` allows"),
            "{}",
            refused.stderr
        );
        put(&[]);
        project.run(1);
        assert_eq!(count(), "n\n4\n");
        assert_eq!(
            project.karat(&["run", "--quiet", "--accept-deletes"]).code,
            0
        );
        assert_eq!(count(), "n\n0\n", "{feed}");
        project.run(0);
    }
}

#[test]
fn an_equal_full_load_is_no_news() {
    let project = Project::one_feed(
        "{ source: db, table: p, mode: full }",
        "from: db.p\nselect: { id: id }\n",
    );
    project.sqlite("create table p (id integer); insert into p values (1), (2)");
    project.run(0);
    let files = project.lake_files().len();
    let again = project.run(0);
    assert!(
        again.stdout.starts_with("nothing to do"),
        "{}",
        again.text()
    );
    // The note that the load was equal, and no more.
    assert_eq!(
        project.lake_files().len(),
        files + 2,
        "{:#?}",
        project.lake_files()
    );
}

/// A value that has no place among those of the cursor would stop each load after it, or have it read nothing (B7).
#[test]
fn a_position_of_another_kind_is_refused() {
    let feed = "{ source: db, table: o, mode: incremental, cursor: { column: at }, deletes: none }";
    let silver = "from: db.o\nselect: { id: id }\n";
    let project = Project::one_feed(feed, silver);
    project
        .sqlite("create table o (id integer, at integer); insert into o values (1, -7), (2, -3)");
    let set = |value: &str| project.karat(&["position", "set", "db.o", value]).text();
    // Before the first load the source says what the column holds.
    expect![[r#"
        --- stderr
        error: the cursor `at` of `d_bronze.db__o` holds numbers, and the value given is no number
        hint: give a value as the column has it, like `1200`
        --- exit 2
    "#]]
    .assert_eq(&set("2026-01-05"));
    expect![[r#"
        `db.o` reads on after the value given (recorded as epoch 1)
        --- exit 0
    "#]]
    .assert_eq(&set("-5"));
    project.run(0);
    assert_eq!(project.rows("select id from d_bronze.db__o"), "id\n2\n");
    expect![[r#"
        --- stderr
        error: the cursor `at` of `d_bronze.db__o` holds numbers, and the value given is no number
        hint: `karat position show` shows the value that it has
        --- exit 2
    "#]]
    .assert_eq(&set("soon"));
    assert!(set("nan").ends_with("--- exit 2\n"));
    assert!(set("-10").ends_with("--- exit 0\n"));
    project.run(0);
    assert_eq!(
        project.rows("select id from d_bronze.db__o order by id"),
        "id\n1\n2\n"
    );
    // Dates are texts in SQLite; those that it has say so.
    project.sqlite("create table e (id integer, at date); insert into e values (1, '2026-01-05')");
    project.write(
        "domains/d/domain.yaml",
        &format!(
            "domain: d\nfeeds:\n  - {}\n",
            feed.replace("table: o", "table: e")
        ),
    );
    project.write("domains/d/silver/t.yaml", &silver.replace("db.o", "db.e"));
    project.run(0);
    let set = |value: &str| project.karat(&["position", "set", "db.e", value]).text();
    expect![[r#"
        --- stderr
        error: the cursor `at` of `d_bronze.db__e` holds dates or times, and the value given is no date or time
        hint: `karat position show` shows the value that it has
        --- exit 2
    "#]].assert_eq(&set("17"));
    assert!(set("2026-01-04").ends_with("--- exit 0\n"));
    // Another cursor has values of its own.
    let domain = std::fs::read_to_string(project.path("domains/d/domain.yaml")).unwrap();
    project.write(
        "domains/d/domain.yaml",
        &domain.replace("column: at", "column: id"),
    );
    assert!(set("2026-01-04").ends_with("--- exit 2\n"));
    assert!(set("0").ends_with("--- exit 0\n"));
}

/// Without `auto_cdc` nothing says that a row of the window, read again with a column more, is the one that bronze has (B7).
#[test]
fn a_column_that_is_added_is_told_where_a_window_is_read_twice() {
    let feed = "{ source: db, table: o, mode: incremental, cursor: { column: at, lag: 10 }, deletes: none }";
    let silver = "from: db.o\nselect: { id: id, v: v }\n";
    let rows = "select id, v from d_silver.t order by id";
    let project = Project::one_feed(feed, silver);
    project.sqlite(
        "create table o (id integer, v text, at integer);
         insert into o values (1, 'a', 100), (2, 'b', 105), (3, 'old', 50)",
    );
    expect![[r#"
        no mistakes in 1 model; SQL of `d_silver.t` not planned: the columns that it reads are known after the first load
        --- stderr
        warning: `d_silver.t` may hold a row of `db.o` twice: its cursor's `lag` reads rows again, and one that changed meanwhile, or has a new column, is one row more
         --> domains/d/silver/t.yaml:1:7
          |
        1 | from: db.o
          |       ^^^^
          = hint: say what names a row: with a primary key at the source, or `key` in the feed from its first load on, and `auto_cdc: { keys: [COLUMN] }` in the model the newest reading counts

        --- exit 0
    "#]].assert_eq(&project.karat(&["validate"]).text());
    let run = project.run(0);
    assert!(!run.stderr.contains("again"), "{}", run.text());
    project.sqlite(
        "alter table o add column note text default 'x'; insert into o values (4, 'c', 106, 'y')",
    );
    let run = project.karat(&["run"]);
    let notes = run.stderr.lines().filter(|line| line.starts_with("note: "));
    let notes: Vec<&str> = notes.collect();
    expect![[r#"
        note: d_bronze.db__o: 2 rows were read again with `note`, which bronze did not have: `d_silver.t` holds both readings; with a primary key at the source, or `key` in the feed from its first load on, and `auto_cdc: { keys: [COLUMN] }` in the model the newest counts
    "#]].assert_eq(&format!("{}\n", notes.join("\n")));
    expect![[r#"
        id,v
        1,a
        1,a
        2,b
        2,b
        3,old
        4,c
    "#]]
    .assert_eq(&project.rows(rows));
    // Without a `key` nobody could tell which of two readings is the later, so `auto_cdc` is refused; and a `key` is a part of `_seq`, so it
    // is not given to a table that has rows without.
    project.write(
        "domains/d/silver/t.yaml",
        &format!("{silver}auto_cdc: {{ keys: [id] }}\n"),
    );
    expect![[r#"
                 table           version   time  rows
        failed   d_bronze.db__o           N s
        skipped  d_silver.t               N s
        run RUN: 0 tables written, 0 unchanged, 1 failed, 1 skipped, N s
        head DIGEST
        --- stderr
        error: cannot follow rows of `o` with `auto_cdc`: it has no primary key, and feed `o` no `key` (B1)
        hint: declare the columns that name a row as `key` of the feed; a feed that was loaded without needs another `name`, too
        --- exit 2
    "#]].assert_eq(&project.run(2).text());
    let keyed = feed.replace("mode:", "key: [id], mode:");
    let declare = |feed: &str| {
        project.write(
            "domains/d/domain.yaml",
            &format!("domain: d\nfeeds:\n  - {feed}\n"),
        );
    };
    declare(&keyed);
    expect![[r#"
                 table           version   time  rows
        failed   d_bronze.db__o           N s
        skipped  d_silver.t               N s
        run RUN: 0 tables written, 0 unchanged, 1 failed, 1 skipped, N s
        head DIGEST
        --- stderr
        error: `d_bronze.db__o` was loaded with no `key`, and its feed now has `key: id`: rows of both would not make one table
        hint: take the change back, or give feed `db.o` another `name`, so that it makes a table of its own, and its models the new `from`
        --- exit 2
    "#]].assert_eq(&project.run(2).text());
    declare(&keyed.replace("table: o,", "table: o, name: p,"));
    project.write(
        "domains/d/silver/t.yaml",
        &format!(
            "{}auto_cdc: {{ keys: [id] }}\n",
            silver.replace("db.o", "db.p")
        ),
    );
    project.run(0);
    // What changes while its cursor stands still is seen, also when it goes back.
    for (sql, expected) in [
        (
            "update o set v = 'A' where id = 1",
            "id,v\n1,A\n2,b\n3,old\n4,c\n",
        ),
        (
            "update o set v = 'a' where id = 1",
            "id,v\n1,a\n2,b\n3,old\n4,c\n",
        ),
    ] {
        project.sqlite(sql);
        project.run(0);
        assert_eq!(project.rows(rows), expected, "{sql}");
    }
}

/// A run that was killed said nothing of the objects that it held: the next one does, and the one after is done with it (B4, H1).
#[test]
fn what_a_killed_run_held_is_told_by_the_next() {
    let project = Project::one_feed(
        "{ source: landing, name: o, mode: incremental, path: \"*.csv.gz\" }",
        "from: landing.o\nselect: { id: id }\nkey: [id]\n",
    );
    project.write_gzip("landing/1.csv.gz", "id\n1\n");
    let packed = project.write_gzip("landing/2.csv.gz", &"some,text\n".repeat(1000));
    project.write_bytes("landing/2.csv.gz", &packed[..packed.len() / 2]);
    let killed = project.karat_with(&["run", "--quiet"], &[("KARAT_FAILPOINT", "commit.after")]);
    assert_eq!(killed.code, -1, "{}", killed.text());
    let next = project.run(1);
    assert!(
        next.stdout
            .contains("held    2.csv.gz of d_bronze.landing__o"),
        "{}",
        next.text()
    );
    project.run(0);
}

#[test]
fn a_cursor_reads_its_window_again() {
    let project = Project::one_feed(
        "{ source: db, table: orders, mode: incremental, key: [id], cursor: { column: at, lag: 10 }, deletes: { soft: gone } }",
        "from: db.orders\nselect: { id: id, v: v }\nauto_cdc: { keys: [id] }\n",
    );
    let silver = "select id, v from d_silver.t order by id";
    project.sqlite(
        "create table orders (id integer, v text, at integer, gone integer);
         insert into orders values (1, 'a', 100, 0), (2, 'b', 105, null)",
    );
    project.run(0);
    // Late within the lag, an update, a soft delete, and one that comes too late.
    project.sqlite(
        "insert into orders values (3, 'late', 96, 0), (4, 'lost', 50, 0);
         update orders set v = 'B', at = 106 where id = 2;
         update orders set gone = 1, at = 107 where id = 1",
    );
    project.run(0);
    expect![[r#"
        id,v
        2,B
        3,late
    "#]]
    .assert_eq(&project.rows(silver));
    let receipt = project.receipt("d_bronze.db__orders");
    expect!["3 read = 3 kept"].assert_eq(&crate::project::terms(&receipt["accounting_run"]));
    // What is read again and equal is not appended.
    project.sqlite("insert into orders values (5, 'new', 108, 0)");
    project.run(0);
    let receipt = project.receipt("d_bronze.db__orders");
    expect!["3 read = 1 kept + 2 unchanged"]
        .assert_eq(&crate::project::terms(&receipt["accounting_run"]));
    let again = project.run(0);
    assert!(
        again.stdout.starts_with("nothing to do"),
        "{}",
        again.text()
    );
    let position = project.karat(&["position", "show", "--json"]).json();
    assert_eq!(position["positions"][0]["cursor"], 108, "{position}");
    // A value that no load could go on from is refused where it is typed.
    expect![[r#"
        --- stderr
        error: the cursor `at` of `d_bronze.db__orders` holds numbers, and the value given is no number
        hint: `karat position show` shows the value that it has
        --- exit 2
    "#]]
    .assert_eq(&project.karat(&["position", "set", "db.orders", "yesterday"]).text());
    // The cursor is set back by hand: what was lost is read.
    let set = project.karat(&["position", "set", "db.orders", "50"]);
    assert_eq!(set.code, 0, "{}", set.text());
    project.run(0);
    expect![[r#"
        id,v
        2,B
        3,late
        4,lost
        5,new
    "#]]
    .assert_eq(&project.rows(silver));
    // A column of another type is another column.
    project.sqlite("create table kept as select * from orders; drop table orders; create table orders (id text, v text, at integer, gone integer); insert into orders select id, v, at + 100, gone from kept");
    expect![[r#"
        error: cannot load `d_bronze.db__orders`: column `id` changed its type from bigint to string in the source
        hint: restore the type at the source; or give the feed a view with the old types, and leave everything else as it is (`name: orders`, `table: orders_before`): `create view "orders_before" as select cast("id" as integer) as "id", "v", "at", "gone" from "orders"` (SQLite casts what is no number to 0: look first whether there is such); or give feed `db.orders` another `name`, which makes a table of its own, read from its beginning
    "#]].assert_eq(&project.run(1).stderr);
    project.sqlite("drop table orders; create table orders (id integer, v text, at integer, gone integer); insert into orders select * from kept");
    project.run(0);
    // A row without cursor would never be seen.
    project.sqlite("insert into orders values (6, 'null', null, 0)");
    expect![[r#"
                 table                version   time  rows
        failed   d_bronze.db__orders           N s
        skipped  d_silver.t                    N s
        run RUN: 0 tables written, 0 unchanged, 1 failed, 1 skipped, N s
        head DIGEST
        --- stderr
        error: cannot read table `orders` by its cursor `at`: 1 row has none, and no load would ever see it
        hint: choose a column that is never null, or state `cursor: { nulls: include }` to read these rows with every load
        --- exit 1
    "#]].assert_eq(&project.run(1).text());
    let domain = std::fs::read_to_string(project.path("domains/d/domain.yaml")).unwrap();
    project.write(
        "domains/d/domain.yaml",
        &domain.replace("lag: 10", "lag: 10, nulls: include"),
    );
    project.run(0);
    project.run(0);
    expect![[r#"
        id,v
        2,B
        3,late
        4,lost
        5,new
        6,null
    "#]]
    .assert_eq(&project.rows(silver));
    expect![[r#"
        rows
        8
    "#]]
    .assert_eq(&project.rows("select count(*) as rows from d_bronze.db__orders"));
}

#[test]
fn columns_come_go_and_are_renamed() {
    let project = Project::one_feed(FILES, ORDERS);
    project.write("landing/a_1.csv", "id,v\n1,one\n");
    project.run(0);
    project.write("landing/a_2.csv", "v,id,extra\ntwo,2,x\n");
    project.run(0);
    project.write("landing/a_3.csv", "id,value,extra\n3,three,y\n");
    expect![[r#"
                 table                     version   time  rows
        failed   d_bronze.landing__orders           N s
        skipped  d_silver.t                         N s
        run RUN: 0 tables written, 0 unchanged, 1 failed, 1 skipped, N s
        head DIGEST
        --- stderr
        error: cannot load `d_bronze.landing__orders`: column `v`, which a model reads, is missing in `a_3.csv`, which has `id`, `value`, `extra`
        hint: if it is now called `value`, add `rename: { v: value }` to the feed; if it is gone for good, `karat schema accept landing.orders` loads it as null; if the file is wrong, have it delivered again, or take it away until then
        --- exit 1
    "#]].assert_eq(&project.run(1).text());
    let domain = std::fs::read_to_string(project.path("domains/d/domain.yaml")).unwrap();
    project.write(
        "domains/d/domain.yaml",
        &domain.replace("mode:", "rename: { v: value }, mode:"),
    );
    project.run(0);
    expect![[r#"
        id,v
        1,one
        2,two
        3,three
    "#]]
    .assert_eq(&project.rows("select id, v from d_silver.t order by id"));
    expect![[r#"
        id,v,extra
        1,one,
        2,two,x
        3,three,y
    "#]]
    .assert_eq(&project.rows("select id, v, extra from d_bronze.landing__orders order by id"));
    // Gone for good.
    project.write("landing/a_4.csv", "id\n4\n");
    expect![[r#"
        error: cannot load `d_bronze.landing__orders`: column `v`, which a model reads, is missing in `a_4.csv`, which has `id`
        hint: if it was renamed, add `rename: { v: NEW_NAME }` to the feed; if it is gone for good, `karat schema accept landing.orders` loads it as null; if the file is wrong, have it delivered again, or take it away until then
    "#]].assert_eq(&project.run(1).stderr);
    expect![[r#"
        accepted: v of `landing.orders` may be missing, and is null then
        --- exit 0
    "#]]
    .assert_eq(
        &project
            .karat(&["schema", "accept", "landing.orders"])
            .text(),
    );
    project.run(0);
    expect![[r#"
        id,v
        1,one
        2,two
        3,three
        4,
    "#]]
    .assert_eq(&project.rows("select id, v from d_silver.t order by id"));
    project.write("landing/a_5.csv", "id,v,value\n5,five,z\n");
    expect![[r#"
        error: cannot load `d_bronze.landing__orders`: `a_5.csv` has both `v` and `value`, and both would fill `v`
        hint: remove the `rename` of `v` from feed `landing.orders`, or rename the other
    "#]].assert_eq(&project.run(1).stderr);
    // Under `added: fail` the message says what helps.
    project.write(
        "domains/d/domain.yaml",
        &domain.replace(
            "mode:",
            "on_schema_change: { added: fail }, rename: { v: value }, mode:",
        ),
    );
    project.write("landing/a_5.csv", "id,v,more\n5,five,z\n");
    expect![[r#"
        error: cannot load `d_bronze.landing__orders`: column `more` is new in `a_5.csv` (`added: fail`)
        hint: `on_schema_change: { added: evolve }` of feed `landing.orders` takes it in, `added: ignore` leaves it out
    "#]].assert_eq(&project.run(1).stderr);
}

#[test]
fn columns_are_chosen_before_they_land() {
    let project = Project::one_feed(
        "{ source: landing, name: orders, mode: incremental, path: \"*.csv\", columns: [Id, V] }",
        ORDERS,
    );
    project.write(
        "landing/a.csv",
        "Id,IBAN,V,_x,_Run\n1,CH93,one,x,r\n2,CH94,two,y,q,SECRET\n",
    );
    project.run(0);
    let bronze = project
        .karat(&["query", "--json", "select * from d_bronze.landing__orders"])
        .stdout;
    assert!(
        !bronze.contains("CH9") && !bronze.contains("SECRET"),
        "{bronze}"
    );
    let all = Project::one_feed(
        "{ source: landing, name: orders, mode: incremental, path: \"*.csv\" }",
        ORDERS,
    );
    all.write("landing/a.csv", "Id,V,_x,_Run,Größe (cm),\n1,one,x,r,5,6\n");
    all.run(0);
    expect![[r#"
        id,v,src__x,src__run,gr__e__cm_,column_6
        1,one,x,r,5,6
    "#]].assert_eq(&all.rows("select * from (select id, v, src__x, src__run, gr__e__cm_, column_6 from d_bronze.landing__orders) as b"));
    for (key, text) in [
        ("where", "where: \"a > 1\""),
        ("mask", "mask: { iban: hash }"),
    ] {
        let project = Project::one_feed(
            &format!(
                "{{ source: landing, name: orders, mode: incremental, path: \"*.csv\", {text} }}"
            ),
            ORDERS,
        );
        let refused = project.run(2);
        assert!(
            refused.stderr.contains(&format!("`{key}`")),
            "{}",
            refused.stderr
        );
    }
}

#[test]
fn two_feeds_of_one_name_are_a_mistake() {
    let project = Project::one_feed(
        "{ source: db, table: main.orders, mode: full }\n  - { source: db, table: orders, mode: full }",
        "from: db.orders\nselect: { id: id }\n",
    );
    expect![[r#"
        1 mistake
        --- stderr
        error: two feeds make the table `d_bronze.db__orders` (B10); the first is `db.orders` in domains/d/domain.yaml:3
         --> domains/d/domain.yaml:4:7
          |
        4 |   - { source: db, table: orders, mode: full }
          |       ^^^^^^
          = hint: give one of them another `name`

        --- exit 2
    "#]].assert_eq(&project.karat(&["validate"]).text());
}

/// A file that is only touched is hashed once more, and is no news.
#[test]
fn a_touched_file_is_no_news() {
    let project = Project::one_feed(FILES, ORDERS);
    project.write("landing/a_1.csv", "id,v\n1,one\n");
    project.run(0);
    let file = std::fs::File::options()
        .write(true)
        .open(project.path("landing/a_1.csv"))
        .unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(3600))
        .unwrap();
    let again = project.run(0);
    assert!(
        again.stdout.starts_with("nothing to do"),
        "{}",
        again.text()
    );
}

/// A feed of several loads that fails at a later one: what was committed is reported, counted and in a manifest.
#[test]
fn loads_before_one_that_fails_stay() {
    let project = Project::of(&[
        (
            "karat.yaml",
            "karat: 1\nproject: p\nsources:\n  landing: { type: files, path: landing }\n",
        ),
        (
            "domains/d/domain.yaml",
            "domain: d\nfeeds:\n  - { source: landing, name: sites, mode: full, path: \"*.csv\", file_order: '(\\d+)', key: [id] }\n",
        ),
        (
            "domains/d/silver/sites.yaml",
            "from: landing.sites\nselect:\n  id: cast(id as bigint)\n  town: town\nkey: [id]\n",
        ),
    ]);
    project.write("landing/1.csv", "id,town\n1,Ulm\n2,Bonn\n");
    project.write("landing/2.csv", "id,town\n1,Ulm\n2,Bonn\n3,Kiel\n");
    project.write("landing/3.csv", "id,place\n1,Ulm\n");
    let run = project.karat(&["run", "--json"]);
    let load = run.json()["steps"][0].clone();
    expect!["failed 1 5"].assert_eq(&format!(
        "{} {} {}",
        load["status"].as_str().unwrap(),
        load["version"],
        load["rows"]["read"]
    ));
    assert!(run.json()["head"].is_string(), "{}", run.text());
    project.write(
        "landing/3.csv",
        "id,town\n1,Ulm\n2,Bonn\n3,Kiel\n4,Hoof\n4,Hof\n",
    );
    let run = project.karat(&["run", "--json"]).json();
    expect!["in a load of `d_bronze.landing__sites`, 1 row has a `key` that stands before in the same load: the last row of a key counts"]
        .assert_eq(run["steps"][0]["notes"][0].as_str().unwrap());
    assert_eq!(project.karat(&["verify"]).code, 0);
    assert_eq!(
        project
            .rows("select count(*) as n from d_silver.sites")
            .trim(),
        "n\n4"
    );
}

/// A newest extract that comes again broken is loaded as it was: one older than it is late all the same (B4, B6).
#[test]
fn an_extract_between_the_newest_two_is_late_though_the_newest_came_again_broken() {
    for key in ["", "key: [id], "] {
        let feed = format!(
            "{{ source: landing, name: e, mode: full, {key}max_delete: 100%, path: \"e*.csv\", file_order: 'e(\\d+)' }}"
        );
        let project = Project::one_feed(
            &feed,
            "from: landing.e\nselect: { id: cast(id as bigint), v: v }\n",
        );
        let silver = "select * from d_silver.t";
        project.write("landing/e05.csv", "id,v\n1,a\n2,a\n");
        project.write("landing/e07.csv", "id,v\n1,c\n2,a\n3,c\n");
        project.run(0);
        let packed = project.write_gzip("landing/e07.csv", "id,v\n1,k\n");
        project.write_bytes("landing/e07.csv", &packed[..packed.len() - 2]);
        project.run(1);
        project.write("landing/e06.csv", "id,v\n1,OLD\n");
        let late = project.run(1);
        assert!(late.stdout.contains("e06.csv"), "{}", late.text());
        assert!(late.stdout.contains("late_extract"), "{}", late.text());
        project.run(0);
        assert_eq!(project.rows(silver), "id,v\n1,c\n2,a\n3,c\n", "{key}");
        // Mended, the newest is the newest again; the late one stays late.
        project.write("landing/e07.csv", "id,v\n1,k\n");
        project.run(0);
        assert_eq!(project.rows(silver), "id,v\n1,k\n", "{key}");
    }
}

/// Parts that were moved away belong to their extract: without them nothing is made anew (B6).
#[test]
fn a_part_more_is_not_loaded_without_the_parts_that_are_gone() {
    for key in ["", "key: [id], "] {
        let feed = format!(
            "{{ source: landing, name: e, mode: full, {key}parts: true, path: \"e*.csv\", file_order: 'e(\\d+)' }}"
        );
        let project = Project::one_feed(
            &feed,
            "from: landing.e\nselect: { id: cast(id as bigint), v: v }\n",
        );
        project.write("landing/e01_a.csv", "id,v\n1,a\n2,a\n");
        project.write("landing/e02_a.csv", "id,v\n1,a\n2,a\n");
        project.write("landing/e02_b.csv", "id,v\n3,b\n4,b\n");
        project.run(0);
        project.remove("landing/e02_b.csv");
        // Nothing came: what is loaded stays, also without its files.
        project.run(0);
        project.write("landing/e02_c.csv", "id,v\n5,c\n");
        expect![[r#"
            error: cannot load `e02_a.csv`, `e02_c.csv` of feed `e`: `e02_b.csv` of the same extract is not there any more, and without it the rows would be gone
            hint: put it back beside the others; a part that is withdrawn is delivered again with its header alone
        "#]].assert_eq(&project.run(1).stderr);
        let silver = "select * from d_silver.t order by id";
        assert_eq!(project.rows(silver), "id,v\n1,a\n2,a\n3,b\n4,b\n");
        project.write("landing/e02_b.csv", "id,v\n");
        project.run(0);
        assert_eq!(project.rows(silver), "id,v\n1,a\n2,a\n5,c\n", "{key}");
    }
}

/// What a row says again after it said something else is the newest it says (B4, B7), also where its cursor stands still.
#[test]
fn a_row_that_goes_back_to_what_it_was_is_read_again() {
    for (key, more) in [("", ""), ("key: [id], ", ", lag: 5"), ("", ", lag: 5")] {
        let project = Project::one_feed(
            &format!(
                "{{ source: db, table: o, mode: incremental, {key}cursor: {{ column: at{more} }}, deletes: {{ soft: gone }} }}"
            ),
            "from: db.o\nselect: { id: id, v: v }\nauto_cdc: { keys: [id] }\n",
        );
        let silver = || project.rows("select v from d_silver.t where id = 1");
        project.sqlite("create table o (id integer primary key, v text, at integer, gone integer); insert into o values (1, 'open', 1, 0)");
        project.run(0);
        for (change, expected) in [
            ("v = 'closed'", "v\nclosed\n"),
            ("v = 'open'", "v\nopen\n"),
            ("gone = 1", "v\n"),
            ("gone = 0", "v\nopen\n"),
        ] {
            project.sqlite(&format!("update o set {change}"));
            project.run(0);
            assert_eq!(silver(), expected, "{key}{more}: {change}");
            // Read again with a row beside it, and equal.
            project.sqlite("insert into o (v, at) values ('beside', 1)");
            project.run(0);
        }
        let count = "select count(*) as n from d_bronze.db__o where id = 1";
        assert_eq!(project.rows(count), "n\n5\n", "{key}{more}");
    }
}

/// Two full loads of a live source at one logical time are two, the later the newer; and times sort as times, not as texts (B1).
#[test]
fn full_loads_of_a_database_are_ordered_by_time_and_then_by_load() {
    for at in ["2026-06-02T00:00:00Z", "2026-06-02T00:00:00.5Z"] {
        let project = Project::one_feed(
            "{ source: db, table: p, mode: full, key: [id], max_delete: 100% }",
            "from: db.p\nselect: { id: id, v: v }\nauto_cdc: { keys: [id] }\n",
        );
        let run = |at: &str| {
            let run = project.karat(&["run", "--quiet", "--at", at]);
            assert_eq!(run.code, 0, "{}", run.text());
        };
        project.sqlite("create table p (id integer primary key, v text); insert into p values (1, 'old'), (2, 'x'), (3, 'y')");
        run("2026-06-02T00:00:00Z");
        project.sqlite("update p set v = 'new' where id = 1; delete from p where id = 2");
        run(at);
        let silver = "select * from d_silver.t";
        assert_eq!(project.rows(silver), "id,v\n1,new\n3,y\n", "{at}");
        project.sqlite("insert into p values (2, 'z'); delete from p where id = 3");
        run(at);
        assert_eq!(project.rows(silver), "id,v\n1,new\n2,z\n", "{at}");
        assert_eq!(
            project.karat(&["quarantine", "list"]).stdout,
            "nothing is in quarantine\n"
        );
    }
}

/// A keyed extract with the rows of the one before in other bytes is no version of any table (A3, A7); one that takes the place of
/// a loaded one is, though it brings no row.
#[test]
fn an_extract_of_equal_rows_in_other_bytes_is_no_news() {
    let project = Project::one_feed(
        PEOPLE,
        "from: landing.people\nselect: { id: cast(id as bigint), v: v }\nauto_cdc: { keys: [id] }\n",
    );
    project.write("landing/people_1.csv", "id,v\n1,a\n2,b\n");
    project.run(0);
    project.write("landing/people_2.csv", "id,v\n2,b\n1,a\n");
    let again = project.run(0);
    assert!(
        again.stdout.starts_with("nothing to do"),
        "{}",
        again.text()
    );
    // Its place in the order is taken.
    project.write("landing/people_3.csv", "id,v\n1,a\n3,c\n");
    project.run(0);
    project.write("landing/people_2b.csv", "id,v\n1,z\n");
    assert!(project.run(1).stdout.contains("late_extract"));
    project.write("landing/people_3.csv", "id,v\n2,b\n1,a\n");
    project.run(0);
    assert_eq!(project.rows("select * from d_silver.t"), "id,v\n1,a\n2,b\n");
}

/// `_seq` orders the full loads of a database by their logical time: one that goes back would lose against what it replaces (B1, B6).
#[test]
fn a_full_load_of_a_database_does_not_go_back_in_time() {
    let project = Project::one_feed(
        "{ source: db, table: t, mode: full, key: [id], max_delete: 100% }",
        "from: db.t\nselect: { id: id, v: v }\nauto_cdc: { keys: [id] }\n",
    );
    let run = |at: &str, code: i32| {
        let run = project.karat(&["run", "--quiet", "--at", at]);
        assert_eq!(run.code, code, "{at}: {}", run.text());
        run.stderr
    };
    project.sqlite(
        "create table t (id integer, v text); insert into t values (1, 'a'), (2, 'b'), (3, 'c');",
    );
    run("2062-01-10T00:00:00Z", 0);
    // Nothing changed: nothing goes back.
    run("2026-01-05T00:00:00Z", 0);
    project.sqlite("update t set v = 'C' where id = 3; delete from t where id = 1;");
    let before = project.lake_files();
    expect![[r#"
        error: `d_bronze.db__t` was not loaded: the logical time 2026-01-05T00:00:00Z is before 2062-01-10T00:00:00Z, that of its newest load, and what changed would count as older
        hint: run with a later `--at`, or without it; if the clock was wrong or `--at` was, go on with `--at 2062-01-10T00:00:00Z` or later
    "#]].assert_eq(&run("2026-01-05T00:00:00Z", 1));
    let data = |files: Vec<String>| {
        files
            .into_iter()
            .filter(|name| name.ends_with(".parquet"))
            .collect::<Vec<_>>()
    };
    assert_eq!(data(project.lake_files()), data(before));
    run("2062-01-10T00:00:00Z", 0);
    assert_eq!(
        project.rows("select id, v from d_silver.t"),
        "id,v\n2,b\n3,C\n"
    );
    assert_eq!(project.karat(&["verify"]).code, 0);
}

/// A rerun with nothing to do writes nothing, also where an extract has a key twice.
#[test]
fn a_key_that_stands_twice_in_a_load() {
    let project = Project::one_feed(
        "{ source: landing, name: e, mode: full, key: [k], path: \"*.csv\", file_order: '_(\\d+)' }",
        "from: landing.e\nselect: { k: k, v: v }\nauto_cdc: { keys: [k] }\n",
    );
    project.write("landing/a_1.csv", "k,v\na,1\na,2\nb,1\n,x\n,y\n");
    project.run(0);
    project.write("landing/a_2.csv", "k,v\nb,1\na,1\na,2\n,x\n,y\n");
    let run = project.karat(&["run", "--json"]).json();
    expect![[r#"{"kept":0,"read":5,"unchanged":5}"#]]
        .assert_eq(&serde_json::to_string(&run["steps"][0]["rows"]).unwrap());
    assert_eq!(run["status"], "nothing_to_do", "{run}");
    expect![[r#"
        k,v
        a,2
        b,1
    "#]]
    .assert_eq(&project.rows("select * from d_silver.t"));
    // Of a database no row is the last of its key.
    let project = Project::one_feed(
        "{ source: db, table: o, mode: full, key: [k], max_delete: 100% }",
        "from: db.o\nselect: { k: k, v: v }\nkey: [k]\n",
    );
    project.sqlite("create table o (k text, v text); insert into o values ('a', '1'), (null, 'x')");
    project.run(0);
    project.sqlite("insert into o values ('a', '2')");
    let plan = project.karat(&["plan", "--quiet"]);
    expect![[r#"
        step    table           would  because                                                                    reads  takes
        load    d_bronze.db__o  FAIL   `d_bronze.db__o` was not committed: its rows are not unique by `key: [k]`
        silver  d_silver.t      skip   `d_bronze.db__o` fails
        1 step would fail, with exit 1; nothing was written
        --- stderr
        error: `d_bronze.db__o` was not committed: its rows are not unique by `key: [k]`
        hint: name the columns that identify a row in the feed's `key`, or leave it out of a feed of another `name`: then each load is kept whole
        --- exit 1
    "#]].assert_eq(&plan.text());
    expect![[r#"
                 table           version   time  rows
        failed   d_bronze.db__o           N s
        skipped  d_silver.t               N s
        run RUN: 0 tables written, 0 unchanged, 1 failed, 1 skipped, N s
        head DIGEST
        --- stderr
        error: `d_bronze.db__o` was not committed: its rows are not unique by `key: [k]`
        hint: name the columns that identify a row in the feed's `key`, or leave it out of a feed of another `name`: then each load is kept whole
        --- exit 1
    "#]].assert_eq(&project.run(1).text());
    project.sqlite("delete from o where k = 'a' and v = '1'; insert into o values (null, 'y')");
    project.run(1);
    project.sqlite("delete from o where v = 'y'");
    project.run(0);
    expect![[r#"
        k,v
        a,2
        ,x
    "#]]
    .assert_eq(&project.rows("select * from d_silver.t"));
}

/// What a report says was kept is in the table.
#[test]
fn a_whole_load_like_the_one_before_keeps_nothing() {
    let project = Project::one_feed(
        "{ source: db, table: o, mode: full }",
        "from: db.o\nselect: { k: k }\n",
    );
    project.sqlite("create table o (k text); insert into o values ('a'), ('b')");
    project.run(0);
    let run = project.karat(&["run", "--json"]).json();
    expect![[r#"{"kept":0,"read":2,"unchanged":2}"#]]
        .assert_eq(&serde_json::to_string(&run["steps"][0]["rows"]).unwrap());
}

/// Rows without a whole key take the place of no other (B5): each is in silver or in quarantine, and gone with the load that has none.
#[test]
fn rows_without_a_key_are_all_there() {
    let project = Project::one_feed(
        "{ source: landing, name: e, mode: full, key: [k], max_delete: 100%, path: \"*.csv\", file_order: '(\\d+)' }",
        "from: landing.e\nselect: { k: cast(k as bigint), v: v }\n",
    );
    let told = || {
        let run = project.karat(&["run", "--json"]);
        assert_eq!(run.code, 0, "{}", run.text());
        let steps = run.json()["steps"].as_array().unwrap().clone();
        let rows: Vec<String> = steps
            .iter()
            .map(|step| format!("{} {}", step["status"], step["rows"]))
            .collect();
        let silver = project.rows("select k, v from d_silver.t order by k, v");
        let held = project.rows("select why, _row from d_quarantine.t order by _row");
        assert_eq!(project.karat(&["verify"]).code, 0);
        format!("{}\n{silver}{held}", rows.join("\n"))
    };
    // Fields that are missing, and keys that are null.
    project.write("landing/1.csv", "v,k\n5\n6\n7\n7\nx,\ny,\na,1\n");
    expect![[r#"
        "done" {"kept":7,"read":7,"unchanged":0}
        "done" {"deleted":0,"dropped":0,"duplicate":0,"kept":3,"quarantined":4,"read":7,"superseded":0,"unchanged":0}
        k,v
        1,a
        ,x
        ,y
        why,_row
        missing_fields,2
        missing_fields,3
        missing_fields,4
        missing_fields,5
    "#]].assert_eq(&told());
    // The same rows, in another order: nothing is new.
    project.write("landing/2.csv", "v,k\na,1\ny,\n7\n6\n7\n5\nx,\n");
    expect![[r#"
        "unchanged" {"kept":0,"read":7,"unchanged":7}
        "unchanged" {"read":0,"kept":0}
        k,v
        1,a
        ,x
        ,y
        why,_row
        missing_fields,2
        missing_fields,3
        missing_fields,4
        missing_fields,5
    "#]]
    .assert_eq(&told());
    project.write("landing/3.csv", "v,k\n7\nx,\nb,2\n");
    expect![[r#"
        "done" {"deleted":1,"kept":3,"read":3,"unchanged":0}
        "done" {"deleted":0,"dropped":0,"duplicate":0,"kept":2,"quarantined":1,"read":3,"superseded":0,"unchanged":0}
        k,v
        2,b
        ,x
        why,_row
        missing_fields,2
    "#]].assert_eq(&told());
    project.write("landing/4.csv", "v,k\nb,2\n");
    expect![[r#"
        "done" {"deleted":1,"kept":0,"read":1,"unchanged":1}
        "done" {"deleted":0,"dropped":0,"duplicate":0,"kept":1,"quarantined":0,"read":1,"superseded":0,"unchanged":0}
        k,v
        2,b
        why,_row
    "#]].assert_eq(&told());
}

/// Rows without a key count for `max_delete` one by one (B6), and what says that there is none any more is of no key.
#[test]
fn rows_without_a_key_are_missed() {
    let rows = |keys: std::ops::Range<u32>, nameless: u32| {
        let mut text = "id,v\n".to_owned();
        keys.for_each(|key| text += &format!("{key},1\n"));
        (0..nameless).for_each(|row| text += &format!(",{row}\n"));
        text
    };
    let project = Project::one_feed(
        "{ source: landing, name: o, mode: full, key: [id], path: \"*.csv\", file_order: '(\\d+)' }",
        "from: landing.o\nselect: { id: cast(id as bigint), v: v }\nauto_cdc: { keys: [id] }\n",
    );
    project.write("landing/1.csv", &rows(0..100, 100));
    project.run(0);
    for fewer in [rows(0..100, 0), rows(0..100, 1), rows(0..88, 100)] {
        project.write("landing/2.csv", &fewer);
        for verb in ["plan", "run"] {
            let told = project.karat(&[verb]);
            assert_eq!(told.code, 1, "{}", told.text());
            assert!(
                told.text().contains("of 200 rows, more than"),
                "{}",
                told.text()
            );
        }
    }
    project.write("landing/2.csv", &rows(0..100, 0));
    let run = project.karat(&["run", "--accept-deletes", "--json"]);
    assert_eq!(run.code, 0, "{}", run.text());
    let silver = &run.json()["steps"][1];
    assert_eq!(silver["rows"]["superseded"], 1, "{silver}");
    assert_eq!(silver["notes"], serde_json::json!([]), "{silver}");
    let held = "select count(*) as n, count(_object) as addressed from d_quarantine.t";
    assert_eq!(project.rows(held), "n,addressed\n100,100\n");
}

/// A copy is read for itself once its original is another (B4), and that is told.
#[test]
fn a_copy_that_is_read_now_is_told() {
    let project = Project::one_feed(
        "{ source: landing, name: o, mode: incremental, path: \"*.csv\" }",
        "from: landing.o\nselect: { id: cast(id as bigint), v: v }\n",
    );
    project.write("landing/o.csv", "id,v\n1,10\n");
    project.write("landing/o_copy.csv", "id,v\n1,10\n");
    project.run(0);
    project.write("landing/o.csv", "id,v\n1,99\n");
    let run = project.karat(&["run", "--json"]);
    expect![[r#"
        [
          "delivered again: `o.csv`; the rows that it had before are no longer read",
          "so far a copy of another file, and read for itself since that one was delivered again: `o_copy.csv`; if its rows are no longer true, have it delivered again, too, without them"
        ]"#]]
    .assert_eq(&serde_json::to_string_pretty(&run.json()["steps"][1]["notes"]).unwrap());
    assert_eq!(
        project.rows("select v from d_silver.t order by v"),
        "v\n10\n99\n"
    );
}

/// What takes the place of something else, and what no longer reads, is told.
#[test]
fn loads_that_hide_rows_are_told() {
    let project = Project::one_feed(
        "{ source: landing, name: e, mode: full, key: [k], max_delete: 100%, path: \"*.csv\", file_order: '_(\\d+)' }",
        "from: landing.e\nselect: { k: k, v: v }\nauto_cdc: { keys: [k] }\n",
    );
    project.write("landing/a_20260104.csv", "k,v\na,1\n");
    project.write("landing/b_20260104.csv", "k,v\nb,1\nb,2\n");
    let notes =
        |project: &Project| project.karat(&["run", "--json"]).json()["steps"][0]["notes"].clone();
    let notes = |project: &Project| serde_json::to_string_pretty(&notes(project)).unwrap();
    expect![[r#"
        [
          "`b_20260104.csv` takes the place of `a_20260104.csv`: both have the order mark `20260104`; if they are parts of one load, declare `parts: true`",
          "in a load of `d_bronze.landing__e`, 1 row has a `key` that stands before in the same load: the last row of a key counts"
        ]"#]].assert_eq(&notes(&project));
    project.write("landing/c_20260104.csv", "k,v\nb,2\n");
    expect![[r#"
        [
          "`c_20260104.csv` takes the place of `b_20260104.csv`: both have the order mark `20260104`; if they are parts of one load, declare `parts: true`"
        ]"#]].assert_eq(&notes(&project));
    // The same path again is what marks that come again are for.
    project.write("landing/c_20260104.csv", "k,v\nb,3\n");
    expect!["[]"].assert_eq(&notes(&project));
    // Whatever comes first, the later path is the newer (C6).
    project.write("landing/bb_20260104.csv", "k,v\nb,4\n");
    expect![[r#"
        [
          "`bb_20260104.csv` is older than `c_20260104.csv` by its path, with the same order mark `20260104`; it is held as late_extract",
          "some objects are held in quarantine; `karat quarantine list` shows them"
        ]"#]].assert_eq(&notes(&project));
    assert_eq!(project.rows("select v from d_silver.t"), "v\n3\n");
    let project = Project::one_feed(
        "{ source: db, table: t, mode: incremental, key: [id], cursor: { column: at }, deletes: none }",
        "from: db.t\nselect: { id: id }\n",
    );
    project.sqlite("create table t (id integer, at text); insert into t values (1, '2026-01-05 08:00:00'), (2, '9999-01-01 00:00:00');");
    expect![[r#"
        [
          "`at` of `d_bronze.db__t` has come to 9999-01-01 00:00:00, which lies in the future: rows with lesser values are no longer read; correct that row, then `karat position set`"
        ]"#]].assert_eq(&notes(&project));
    project.sqlite("insert into t values (3, '2026-01-06 08:00:00');");
    expect![[r#"
        [
          "`at` of `d_bronze.db__t` has come to 9999-01-01 00:00:00, which lies in the future: rows with lesser values are no longer read; correct that row, then `karat position set`"
        ]"#]].assert_eq(&notes(&project));
}

/// A plan says what a run would come to, as far as that is known without rows.
#[test]
fn a_plan_foresees_drift_and_open_loads() {
    let project = Project::one_feed(
        "{ source: landing, name: o, mode: incremental, path: \"*.csv\" }",
        "from: landing.o\nselect: { id: id, v: v }\n",
    );
    project.write("landing/a.csv", "id,v\n1,one\n");
    let killed = project.karat_with(&["run", "--quiet"], &[("KARAT_FAILPOINT", "files.before")]);
    assert_eq!(killed.code, -1, "{}", killed.text());
    project.write("landing/b.csv", "id,v\n2,two\n");
    let load = |project: &Project, code: i32| {
        let plan = project.karat(&["plan", "--json"]);
        assert_eq!(plan.code, code, "{}", plan.text());
        plan.json()["steps"][0].clone()
    };
    let step = load(&project, 0);
    assert_eq!(step["objects"], 2, "{step}");
    let reason = step["reason"].as_str().unwrap();
    assert!(reason.starts_with("load 1 was left open by run "), "{step}");
    assert!(reason.ends_with("; 1 new object"), "{step}");
    project.remove("landing/a.csv");
    let step = load(&project, 0);
    assert_eq!(step["reason"], "1 new object", "{step}");
    let note = step["notes"][0].as_str().unwrap();
    assert!(note.contains("cannot be taken up: "), "{step}");
    project.run(0);
    project.write("landing/c.csv", "id,w\n3,three\n");
    let step = load(&project, 1);
    let run = project.run(1);
    let message = step["error"]["message"].as_str().unwrap();
    assert!(run.stderr.contains(message), "{step}: {}", run.text());
}

/// A table of a database without a row is loaded like a file with a header alone: what reads it does not wait for its first row.
#[test]
fn an_empty_table_of_a_database_is_a_table() {
    for mode in ["full", "full, key: [id]"] {
        let project = Project::one_feed(
            &format!("{{ source: db, table: o, mode: {mode} }}"),
            "from: db.o\nselect: { id: id }\n",
        );
        project.write(
            "domains/d/gold/g.sql",
            "select count(*) as n from d_silver.t\n",
        );
        project.sqlite("create table o (id integer primary key, v text)");
        project.run(0);
        assert_eq!(project.rows("select n from d_gold.g"), "n\n0\n");
        let again = project.karat(&["run", "--json"]).json();
        assert_eq!(again["status"], "nothing_to_do", "{again}");
        project.sqlite("insert into o values (1, 'one')");
        project.run(0);
        assert_eq!(project.rows("select n from d_gold.g"), "n\n1\n");
        assert_eq!(project.karat(&["verify", "--all"]).code, 0);
    }
}

/// The same of one that is read by a cursor, whose position stays where it was until a row comes.
#[test]
fn an_empty_table_that_is_read_by_a_cursor_is_a_table() {
    let current = "from: db.o\nselect: { id: id, v: v }\n";
    let history = "from: db.o\nselect: { id: id, v: v, day: cast(at as date) }\nauto_cdc: { keys: [id], sequence_by: day, stored_as_scd_type: 2 }\n";
    for silver in [current, history] {
        let project = Project::one_feed(
            "{ source: db, table: o, mode: incremental, cursor: { column: at }, deletes: none }",
            silver,
        );
        project.write(
            "domains/d/gold/g.sql",
            "select count(*) as n from d_silver.t\n",
        );
        project.sqlite("create table o (id integer primary key, v text, at text)");
        let plan = project.karat(&["plan", "--json"]).json();
        let load = &plan["steps"][0];
        assert_eq!(load["reason"], "the table is made, without a row yet");
        project.run(0);
        assert_eq!(project.rows("select n from d_gold.g"), "n\n0\n");
        let bronze = project.rows("select id, v, at from d_bronze.db__o");
        assert_eq!(bronze, "id,v,at\n");
        let cursor = || {
            let shown = project.karat(&["position", "show", "--json"]).json();
            shown["positions"][0]["cursor"].clone()
        };
        assert_eq!(cursor(), serde_json::Value::Null);
        let again = project.karat(&["run", "--json"]).json();
        assert_eq!(again["status"], "nothing_to_do", "{again}");
        let plan = project.karat(&["plan"]);
        assert!(plan.stdout.ends_with("nothing to do\n"), "{}", plan.text());
        project.sqlite("insert into o values (1, 'one', '2026-01-05')");
        let run = project.karat(&["run", "--json"]).json();
        let how = match silver == history {
            true => "rebuild: it has taken in no row yet",
            false => "incremental: 1 new load",
        };
        assert_eq!(run["steps"][1]["how"], how, "{run}");
        assert_eq!(project.rows("select n from d_gold.g"), "n\n1\n");
        assert_eq!(cursor(), "2026-01-05");
        assert_eq!(project.karat(&["verify", "--all"]).code, 0);
    }
    // A position that was set before the first load stays, too.
    let project = Project::one_feed(
        "{ source: db, table: o, mode: incremental, cursor: { column: id }, deletes: none }",
        "from: db.o\nselect: { id: id }\n",
    );
    project.sqlite("create table o (id integer primary key)");
    let set = project.karat(&["position", "set", "db.o", "2"]);
    assert_eq!(set.code, 0, "{}", set.text());
    project.run(0);
    assert_eq!(project.rows("select id from d_silver.t"), "id\n");
    project.sqlite("insert into o values (1), (3)");
    project.run(0);
    assert_eq!(project.rows("select id from d_silver.t"), "id\n3\n");
}

/// So is a feed of files without a row, however it is loaded.
#[test]
fn files_of_a_header_alone_are_a_table() {
    for mode in ["incremental", "full", "full, key: [id]"] {
        let project = Project::one_feed(
            &format!("{{ source: landing, name: o, mode: {mode}, path: \"*.csv\" }}"),
            "from: landing.o\nselect: { id: cast(id as bigint) }\n",
        );
        project.write(
            "domains/d/gold/g.sql",
            "select count(*) as n from d_silver.t\n",
        );
        // One without a header tells no columns: there is no table to make.
        project.write("landing/a.csv", "");
        let run = project.run(0);
        assert!(
            run.stdout.contains("3 tables without a version"),
            "{}",
            run.text()
        );
        project.write("landing/b.csv", "id,v\n");
        project.run(0);
        assert_eq!(project.rows("select n from d_gold.g"), "n\n0\n");
        let bronze = project.rows("select id, v from d_bronze.landing__o");
        assert_eq!(bronze, "id,v\n");
        let again = project.karat(&["run", "--json"]).json();
        assert_eq!(again["status"], "nothing_to_do", "{again}");
        project.write("landing/c.csv", "id,v\n1,one\n");
        project.run(0);
        assert_eq!(project.rows("select n from d_gold.g"), "n\n1\n");
    }
}

/// Without the record of a load nobody knows what is in the table: its rows would come in twice, or be missed for ever.
#[test]
fn a_record_with_a_hole_is_told() {
    let loaded = Project::one_feed(
        "{ source: landing, name: e, mode: incremental, path: \"*.csv\" }",
        "from: landing.e\nselect: { id: id }\n",
    );
    for id in [1, 2] {
        loaded.write(&format!("landing/e_{id}.csv"), &format!("id\n{id}\n"));
        loaded.run(0);
    }
    let told = |project: &Project| {
        let plan = project.karat(&["plan", "--quiet"]);
        assert_eq!(plan.code, 1, "{}", plan.text());
        assert_eq!(project.rows("select * from d_silver.t"), "id\n1\n2\n");
        project.run(1).stderr
    };
    let intent = Project::copy_of(&loaded);
    intent.remove("lake/_karat/intents/d/landing__e/1.json");
    expect![[r#"
        error: `d_bronze.landing__e` is not as its record says: its file `_karat/intents/d/landing__e/1.json` is missing: what that load brought is not known
        hint: `karat verify` lists all that differs; restore the file from a backup of the lake
    "#]].assert_eq(&told(&intent));
    let commits = Project::copy_of(&loaded);
    commits.remove("lake/d/bronze");
    expect![[r#"
        error: `d_bronze.landing__e` is not as its record says: its file `d/bronze/landing__e` is gone, and the newest run recorded a version of it
        hint: `karat verify` lists all that differs; restore the file from a backup of the lake
    "#]].assert_eq(&told(&commits));
    // A model is made anew.
    let model = Project::copy_of(&loaded);
    model.remove("lake/_karat/intents/d/silver.t");
    model.remove("lake/d/silver");
    model.run(0);
    assert_eq!(model.rows("select * from d_silver.t"), "id\n1\n2\n");
}

/// Columns that a view calculates may have no type, and a run infers none (B3): it is told before the run, by it, and in quarantine.
#[test]
fn a_view_without_types_is_told_with_what_to_declare() {
    let project = Project::one_feed(
        "{ source: db, table: totals, mode: full }",
        "from: db.totals\nselect: { id: id, total: total }\n",
    );
    project.sqlite(
        "create table o (id integer primary key, amount integer, at text);
         insert into o values (1, 5, 'x'), (2, 7, 'y');
         create view totals as select id, sum(amount) as total, cast(count(*) as integer) as n from o group by id",
    );
    expect![[r#"
        no mistakes in 1 model; SQL of `d_silver.t` not planned: the columns that it reads are known after the first load
        --- stderr
        warning: column `total` of `totals` declares no type and is read as binary: a row with a number or a text in it goes into quarantine
         --> domains/d/domain.yaml:3:26
          |
        3 |   - { source: db, table: totals, mode: full }
          |                          ^^^^^^
          = hint: give it one in the database (in a view `cast(… as integer)`, `real` or `text`), or leave it out with `columns` of the feed

        --- exit 0
    "#]].assert_eq(&project.karat(&["validate"]).text());
    expect![[r#"
        totals (full)
        from: db.totals
        select:
          id:    id
          total: total
          "n":   n
          note: column `total` declares no type: it is read as binary, and cells that are none are rescued: give it one in the database (in a view `cast(… as integer)`, `real` or `text`), or leave it out with `columns` of the feed
        --- exit 0
    "#]].assert_eq(&project.karat(&["source", "discover", "db", "Totals"]).text());
    project.write(
        "domains/d/silver/t.yaml",
        "from: DB.Totals\nselect: { id: id, total: total }\n",
    );
    project.run(0);
    assert_eq!(
        project.rows("select rules, why from d_quarantine.t"),
        "rules,why\n_rescued,no_declared_type\n_rescued,no_declared_type\n"
    );
    // As it is said.
    project.sqlite("drop view totals; create view totals as select id, cast(sum(amount) as integer) as total from o group by id");
    project.remove("lake");
    let validate = project.karat(&["validate"]);
    assert_eq!(validate.stderr, "", "{}", validate.text());
    project.run(0);
    assert_eq!(
        project.rows("select id, total from d_silver.t order by id"),
        "id,total\n1,5\n2,7\n"
    );
}

/// Files that a pattern misses by a letter are passed over, and that is said (B4).
#[test]
fn files_beside_those_of_a_feed_are_noted() {
    let project = Project::one_feed(
        "{ source: landing, name: o, mode: incremental, path: \"orders*.csv\" }",
        "from: landing.o\nselect: { id: id }\n",
    );
    for name in [
        "orders_1.csv",
        "orders_2.CSV",
        "Orders_3.csv",
        "orders_4.csv.gz",
        "orders_5.txt",
        "orders_1.csv.md5",
    ] {
        project.write(&format!("landing/{name}"), "id\n1\n");
    }
    let notes = |arguments: &[&str]| {
        let answer = project.karat(arguments);
        assert_eq!(answer.code, 0, "{}", answer.text());
        let lines = answer.stdout.lines().filter(|line| line.contains("note: "));
        lines
            .map(|line| format!("{}\n", line.trim()))
            .collect::<String>()
    };
    expect![[r#"
        note: d_bronze.landing__o: `Orders_3.csv`, `orders_2.CSV`, `orders_4.csv.gz` and 1 more are not read: their names do not match `orders*.csv`; widen `path` of the feed if they belong to it
    "#]].assert_eq(&notes(&["plan"]));
    assert_eq!(notes(&["source", "test", "landing"]), notes(&["plan"]));
    project.run(0);
    assert!(notes(&["plan"]).contains("Orders_3.csv"));
}

/// What `columns` choose must stand in the header as it is written; blanks that nobody sees are told (F1).
#[test]
fn a_header_with_blanks_is_told_as_it_stands() {
    let feed =
        "{ source: landing, name: o, mode: incremental, path: \"*.csv\", columns: [id, amount] }";
    let project = Project::one_feed(feed, "from: landing.o\nselect: { id: id }\n");
    project.write("landing/a.csv", "id, amount ,Order No\n1,2,3\n");
    expect![[r#"
        error: cannot read `a.csv`: it has no column `amount`, which the feed's `columns` choose
        hint: the header has it with blanks around it: write `" amount "` in `columns`, quotes and blanks included; models call it `src__amount_`
    "#]].assert_eq(&project.run(1).stderr);
    let domain = |columns: &str| {
        let feed = feed.replace("[id, amount]", columns);
        project.write(
            "domains/d/domain.yaml",
            &format!("domain: d\nfeeds:\n  - {feed}\n"),
        );
    };
    domain("[id, number]");
    expect![[r#"
        error: cannot read `a.csv`: it has no column `number`, which the feed's `columns` choose
        hint: its header names `id`, ` amount `, `Order No`: write one of these in `columns`, or take `number` out of it; if the file is wrong, have it delivered again, or take it away until then
    "#]].assert_eq(&project.run(1).stderr);
    domain("[id, ' amount ', Order No]");
    project.write(
        "domains/d/silver/t.yaml",
        "from: landing.o\nselect: { id: id, amount: amount, no: order_no }\n",
    );
    expect![[r#"
        error: unknown column `amount`: the feed `landing.o` declares its `columns`
         --> domains/d/silver/t.yaml:2:27
          |
        2 | select: { id: id, amount: amount, no: order_no }
          |                           ^^^^^^
          = hint: `columns` has it as ` amount `, with blanks around it: write `src__amount_`

        error: the project has 1 mistake
        hint: `karat validate` lists them, and what is wrong in SQL
    "#]]
    .assert_eq(&project.run(2).stderr);
    project.write(
        "domains/d/domain.yaml",
        &format!(
            "domain: d\nfeeds:\n  - {}\n",
            feed.replace(", columns: [id, amount]", "")
        ),
    );
    expect![[r#"
        error: no column `amount`
         --> domains/d/silver/t.yaml:2:27
          |
        2 | select: { id: id, amount: amount, no: order_no }
          |                           ^^^^^^
          = hint: the source calls it ` amount `, with blanks around it: write `src__amount_`
    "#]]
    .assert_eq(&project.run(2).stderr);
    expect![[r#"
        error: no column `amount`
         --> domains/d/silver/t.yaml:2:27
          |
        2 | select: { id: id, amount: amount, no: order_no }
          |                           ^^^^^^
          = hint: the source calls it ` amount `, with blanks around it: write `src__amount_`

    "#]]
    .assert_eq(&project.karat(&["validate"]).stderr);
    expect![[r#"
        a.csv (incremental)
        from: landing.o
        select:
          id:           cast(id as bigint)
          src__amount_: cast(src__amount_ as bigint)
          order_no:     cast(order_no as bigint)
          note: 1 row of `a.csv` looked at, utf-8
          note: the header has blanks around ` amount `: they are part of the name, and bronze calls it `src__amount_`
    "#]].assert_eq(&project.karat(&["source", "discover", "landing", "o"]).stdout);
}

/// What is in quarantine is counted first, and only as much of it is listed as was asked for.
#[test]
fn a_part_of_the_quarantine_is_listed() {
    let project = Project::one_feed(
        "{ source: landing, name: o, mode: incremental, path: \"*.csv*\" }",
        "from: landing.o\nselect: { id: cast(id as bigint), v: v }\nexpectations: { short: { expect: length(v) < 4, action: quarantine }, has_v: { expect: v <> '', action: quarantine } }\n",
    );
    project.write(
        "domains/d/silver/u.yaml",
        "from: landing.o\nselect: { id: cast(id as bigint) }\n",
    );
    project.write(
        "landing/a.csv",
        "id,v\nx,three\ny,four\n3,\n4,ok\n5,seven\n",
    );
    project.write("landing/b.csv.gz", "no gzip\n");
    project.run(1);
    let list = |more: &[&str]| {
        project
            .karat(&[&["quarantine", "list"], more].concat())
            .text()
    };
    expect![[r#"
        table       rule         rows
        d_silver.t  _expression     2
        d_silver.t  has_v           1
        d_silver.t  short           2
        d_silver.u  _expression     2

        table       row        rules        what failed
        d_silver.t  a.csv@1:2  _expression  id: cast(id as bigint)

        table                object    reason
        d_bronze.landing__o  b.csv.gz  it is no gzip, and should be by its name or by `compression`
        6 rows, 1 object in quarantine; 1 row and 1 object listed
        --- exit 0
    "#]]
    .assert_eq(&list(&["--limit", "1"]));
    let one = list(&["d_silver.u"]);
    expect![[r#"
        table       rule         rows
        d_silver.u  _expression     2

        table       row        rules        what failed
        d_silver.u  a.csv@1:2  _expression  id: cast(id as bigint)
        d_silver.u  a.csv@1:3  _expression  id: cast(id as bigint)
        2 rows, 0 objects in quarantine
        --- exit 0
    "#]]
    .assert_eq(&one);
    assert_eq!(list(&["d_quarantine.u"]), one);
    expect![[r#"
        table                object    reason
        d_bronze.landing__o  b.csv.gz  it is no gzip, and should be by its name or by `compression`
        0 rows, 1 object in quarantine
        --- exit 0
    "#]]
    .assert_eq(&list(&["landing.o"]));
    assert_eq!(list(&["domain:d"]), list(&[]));
    expect![[r#"
        --- stderr
        error: cannot select `d_silver.w`: no table or feed has this name
        hint: did you mean `d_silver.t`?
        --- exit 2
    "#]]
    .assert_eq(&list(&["d_silver.w"]));
    let json = project
        .karat(&["quarantine", "list", "--json", "--limit", "2", "d_silver.t"])
        .json();
    assert_eq!(json["rows"].as_array().unwrap().len(), 2);
    expect![[r#"[{"table":"d_silver.t","rule":"_expression","rows":2},{"table":"d_silver.t","rule":"has_v","rows":1},{"table":"d_silver.t","rule":"short","rows":2}] 4 0"#]].assert_eq(&format!("{} {} {}", json["counts"], json["rows_held"], json["objects_held"]));
    // What the lake has is listed where the project has a mistake.
    project.write(
        "domains/d/silver/u.yaml",
        "from: landing.o\nselct: { id: id }\n",
    );
    let listed = project.karat(&["quarantine", "list", "d_silver.u"]);
    assert!(
        one.starts_with(&listed.stdout) && listed.code == 0,
        "{}",
        listed.text()
    );
    expect![[r#"
        --- stderr
        note: the project has 1 mistake, which `karat validate` shows; the lake is read without what the project declares
        error: nothing of `d_silver.w` can be in quarantine: the lake has no such silver or bronze table
        hint: it has: d_silver.t, d_silver.u, d_bronze.landing__o
        --- exit 2
    "#]].assert_eq(&list(&["d_silver.w"]));
}

/// A time may be written shorter than the position: a date alone is midnight, `.000` is no fraction (B7).
#[test]
fn a_shorter_writing_of_the_time_of_the_position_is_read() {
    for (lag, first, later) in [
        ("", "2026-01-06 00:00:00", "2026-01-06"),
        ("", "2026-01-06 10:00:00.000", "2026-01-06 10:00:00"),
        (", lag: 1d", "2026-01-06 00:00:00", "2026-01-05"),
        ("", "2026-01-06 10:00:00.500", "2026-01-06 10:00:00.5"),
    ] {
        let project = Project::one_feed(
            &format!(
                "{{ source: db, table: t, mode: incremental, cursor: {{ column: at{lag} }} }}"
            ),
            "from: db.t\nselect: { id: id, at: at }\n",
        );
        project.sqlite(&format!(
            "create table t (id integer primary key, at text); insert into t values (1, '{first}')"
        ));
        project.run(0);
        project.sqlite(&format!("insert into t values (2, '{later}')"));
        project.run(0);
        project.run(0);
        let ids = project.rows("select id from d_silver.t order by id");
        assert_eq!(ids, "id\n1\n2\n", "{first} and {later}{lag}");
    }
}

/// Rows that nothing names may be equal, and each is a row, however the loads cut them (B7, C6).
#[test]
fn equal_rows_of_a_cursor_feed_without_a_key_are_all_there() {
    for lag in ["", ", lag: 5"] {
        let project = Project::one_feed(
            &format!(
                "{{ source: db, table: t, mode: incremental, cursor: {{ column: at{lag} }} }}"
            ),
            "from: db.t\nselect: { at: at, v: v }\n",
        );
        project.sqlite("create table t (at integer, v integer); insert into t values (12, 5), (12, 5), (11, 1)");
        let rows = |n: u32, sum: u32| {
            project.run(0);
            project.run(0);
            let found = project.rows("select count(*) as n, sum(v) as s from d_silver.t");
            assert_eq!(found, format!("n,s\n{n},{sum}\n"), "{lag}");
        };
        rows(3, 11);
        project.sqlite("insert into t values (12, 5), (13, 2)");
        rows(5, 18);
        project.sqlite("insert into t values (13, 2), (13, 2), (13, 2)");
        rows(8, 24);
    }
}

/// A text orders events by its bytes (C4): where nobody said so, it is a mistake, before it keeps a wrong row.
#[test]
fn a_text_of_a_file_orders_no_events() {
    let of = |at: &str| {
        let project = Project::one_feed(
            "{ source: landing, name: e, mode: incremental, path: \"*.csv\" }",
            &format!(
                "from: landing.e\nselect:\n  id: cast(id as bigint)\n  at: {at}\nauto_cdc: {{ keys: [id], sequence_by: at }}\n"
            ),
        );
        project.write("landing/1.csv", "id,at\n1,9\n1,10\n");
        project
    };
    let mut told = String::new();
    for verb in ["validate", "run"] {
        let refused = of("at").karat(&[verb, "--quiet"]);
        assert_eq!(refused.code, 2, "{}", refused.text());
        told += &refused.stderr;
    }
    expect![[r#"
        error: `sequence_by: at` is a string, which orders events by its bytes: `10` comes before `9`, and `02.11.` before `30.10.`
         --> domains/d/silver/t.yaml:4:7
          |
        4 |   at: at
          |       ^^
          = hint: select it as a number, a date or a timestamp: `at: cast(at as bigint)`; where its bytes are its order, say so: `at: cast(at as string)`

        error: `sequence_by: at` is a string, which orders events by its bytes: `10` comes before `9`, and `02.11.` before `30.10.`
         --> domains/d/silver/t.yaml:4:7
          |
        4 |   at: at
          |       ^^
          = hint: select it as a number, a date or a timestamp: `at: cast(at as bigint)`; where its bytes are its order, say so: `at: cast(at as string)`
    "#]].assert_eq(&told);
    for (at, kept) in [("cast(at as bigint)", "10"), ("cast(at as string)", "9")] {
        let project = of(at);
        project.run(0);
        assert_eq!(
            project.rows("select at from d_silver.t"),
            format!("at\n{kept}\n")
        );
    }
}

/// Files that are none of the feed's, and several that lack a column, in one delivery (B4, B8).
#[test]
fn odd_files_beside_others() {
    let project = Project::one_feed(
        "{ source: landing, name: orders, mode: incremental, path: \"*.csv\" }",
        ORDERS,
    );
    project.write("landing/a.csv", "id,v\n1,one\n");
    project.run(0);
    project.write("landing/b.csv", "<!DOCTYPE html>\n<p>error</p>\n");
    project.write("landing/c.csv", "7,seven\n8,eight\n");
    project.write("landing/d.csv", "id,v\n2,two\n");
    let answer = project.karat(&["run", "--quiet"]);
    expect![[r#"
              table                     version   time  rows
        done  d_bronze.landing__orders        1  N s  1 read = 1 kept
        done  d_silver.t                      1  N s  1 read = 1 kept   incremental: 1 new load
        held    b.csv of d_bronze.landing__orders: its header cannot be read: of the feed's columns (`id`, `v`) it has none, but `<!DOCTYPE html>`; if they have other names now, `rename` of the feed says which
        held    c.csv of d_bronze.landing__orders: its header cannot be read: of the feed's columns (`id`, `v`) it has none, but `7`, `seven`; if they have other names now, `rename` of the feed says which
        sources 1 read = 1 kept; silver 1 read = 1 kept
        run RUN: 2 tables written, 0 unchanged, N s
        head DIGEST
        --- exit 1
    "#]].assert_eq(&answer.text());
    expect![[r#"
        id,v
        1,one
        2,two
    "#]]
    .assert_eq(&project.rows("select * from d_silver.t"));
    expect![[r#"
        table                     object  reason
        d_bronze.landing__orders  b.csv   its header cannot be read: of the feed's columns (`id`, `v`) it has none, but `<!DOCTYPE html>`; if they have other names now, `rename` of the feed says which
        d_bronze.landing__orders  c.csv   its header cannot be read: of the feed's columns (`id`, `v`) it has none, but `7`, `seven`; if they have other names now, `rename` of the feed says which
        0 rows, 2 objects in quarantine
    "#]].assert_eq(&project.karat(&["quarantine", "list"]).stdout);
    // Once the feed says what they are called, the file is looked at again.
    project.remove("landing/b.csv");
    project.remove("landing/c.csv");
    for name in ["e", "f", "g"] {
        project.write(&format!("landing/{name}.csv"), "id,value\n3,three\n");
    }
    expect![[r#"
        step    table                     would  because                                                                                                                                                               reads  takes
        load    d_bronze.landing__orders  FAIL   cannot load `d_bronze.landing__orders`: column `v`, which a model reads, is missing in `e.csv`, which has `id`, `value`; `f.csv`, `g.csv` lack what models read, too
        silver  d_silver.t                skip   `d_bronze.landing__orders` fails
        note: d_bronze.landing__orders: `f.csv` (and 1 more) holds, byte for byte, what `e.csv` holds, and counts as a duplicate: where both count, declare `on_duplicate: load`
        1 step would fail, with exit 1; nothing was written
        --- stderr
        error: cannot load `d_bronze.landing__orders`: column `v`, which a model reads, is missing in `e.csv`, which has `id`, `value`; `f.csv`, `g.csv` lack what models read, too
        hint: if it is now called `value`, add `rename: { v: value }` to the feed; if it is gone for good, `karat schema accept landing.orders` loads it as null; if the file is wrong, have it delivered again, or take it away until then
        --- exit 1
    "#]].assert_eq(&project.karat(&["plan"]).text());
}
