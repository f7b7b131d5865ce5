//! What the world ships and what breaks: a clear error or a row set aside, nothing lost, and the next run after mending works.

use std::io::Write as _;
use std::process::Command;

use expect_test::expect;

use crate::project::{Answer, Project};

const FEED: &str = "{ source: landing, name: o, mode: incremental, path: \"*.csv\" }";
const SILVER: &str = "from: landing.o\nselect: { id: cast(id as bigint), v: v }\n";

fn count(project: &Project) -> String {
    project
        .rows("select count(*) as n from d_silver.t")
        .replace("n\n", "")
        .trim()
        .to_owned()
}

#[test]
fn files_that_are_none() {
    let project = Project::one_feed(
        &FEED.replace(" }", ", csv: { max_line_bytes: 100000 } }"),
        SILVER,
    );
    project.write("landing/a.csv", "id,v\n1,one\n");
    project.write("landing/empty.csv", "");
    project.write("landing/header.csv", "id,v\n");
    project.write("landing/folder.csv/inside.txt", "");
    project.write(
        "landing/long.csv",
        &format!("id,v\n2,two\n3,{}\n", "x".repeat(200_000)),
    );
    expect![[r#"
              table                version   time  rows
        done  d_bronze.landing__o        0  N s  1 read = 1 kept
        done  d_silver.t                 0  N s  1 read = 1 kept
        held    folder.csv of d_bronze.landing__o: it is a folder, not a file
        held    long.csv of d_bronze.landing__o: the row that begins in line 3 is longer than 100000 bytes
        sources 1 read = 1 kept; silver 1 read = 1 kept
        run RUN: 2 tables written, 0 unchanged, N s
        head DIGEST
        --- exit 1
    "#]].assert_eq(&project.run(1).text());
    assert_eq!(count(&project), "1");
    project.run(0);
    // Mended one after the other.
    std::fs::remove_dir_all(project.path("landing/folder.csv")).unwrap();
    project.write("landing/folder.csv", "id,v\n4,four\n");
    project.write("landing/empty.csv", "id,v\n5,five\n");
    project.write("landing/long.csv", "id,v\n2,two\n3,three\n");
    project.run(0);
    assert_eq!(count(&project), "5");
    assert_eq!(
        project.karat(&["quarantine", "list"]).stdout,
        "nothing is in quarantine\n"
    );
    assert_eq!(project.karat(&["verify"]).code, 0);
}

#[test]
fn headers_that_cannot_be_read() {
    let project = Project::one_feed(FEED, SILVER);
    project.write("landing/a.csv", "id,v\n1,one\n");
    project.write("landing/b.csv", "id,\"v\n2,two\n");
    project.write("landing/c.csv", "id,v\r3,three\r");
    project.write("landing/d.csv", "i\0d\0,\0v\0\n\0");
    // In quotes a line break is part of a name.
    project.write("landing/e.csv", "id,v,\"in\rEUR\"\r\n5,five,7\r\n");
    project.write("landing/z.csv", "id,v\n9,nine\n");
    expect![[r#"
              table                version   time  rows
        done  d_bronze.landing__o        0  N s  3 read = 3 kept
        done  d_silver.t                 0  N s  3 read = 3 kept
        held    b.csv of d_bronze.landing__o: its header cannot be read: a quote in it is never closed; `csv: { quote: none }` of a feed reads files in which nothing is quoted
        held    c.csv of d_bronze.landing__o: its header cannot be read: lines end in a carriage return alone; `csv: { terminator: "\r" }` of a feed reads it
        held    d.csv of d_bronze.landing__o: its header cannot be read: it holds zero bytes, as UTF-16 does; `csv: { encoding: utf-16le }` of a feed reads it
        sources 3 read = 3 kept; silver 3 read = 3 kept
        run RUN: 2 tables written, 0 unchanged, N s
        head DIGEST
        --- exit 1
    "#]].assert_eq(&project.run(1).text());
    project.run(0);
    assert_eq!(count(&project), "3");
    // Read in another way, the file is whole.
    project.write(
        "domains/d/domain.yaml",
        &format!(
            "domain: d\nfeeds:\n  - {}\n",
            FEED.replace(" }", ", csv: { terminator: \"\\r\" } }")
        ),
    );
    project.write("landing/d.csv", "id,v\r4,four\r");
    project.run(0);
    expect![[r#"
        table                object  reason
        d_bronze.landing__o  b.csv   its header cannot be read: a quote in it is never closed; `csv: { quote: none }` of a feed reads files in which nothing is quoted
        0 rows, 1 object in quarantine
    "#]]
    .assert_eq(&project.karat(&["quarantine", "list"]).stdout);
    expect![[r#"
        id,v
        1,one
        3,three
        4,four
        5,five
        9,nine
    "#]]
    .assert_eq(&project.rows("select * from d_silver.t"));
}

#[test]
fn headers_that_are_equal_after_folding() {
    let project = Project::one_feed(FEED, SILVER);
    project.write("landing/a.csv", "id,V,v\n1,one,uno\n");
    project.write("landing/b.csv", "id,v\n2,two\n");
    expect![[r#"
              table                version   time  rows
        done  d_bronze.landing__o        0  N s  1 read = 1 kept
        done  d_silver.t                 0  N s  1 read = 1 kept
        held    a.csv of d_bronze.landing__o: its header cannot be read: `V` (column 2) and `v` (column 3) are both `v` in lower case letters, digits and `_`
        sources 1 read = 1 kept; silver 1 read = 1 kept
        run RUN: 2 tables written, 0 unchanged, N s
        head DIGEST
        --- exit 1
    "#]].assert_eq(&project.run(1).text());
    project.run(0);
    assert_eq!(count(&project), "1");
    project.write("landing/a.csv", "id,v,w\n1,one,uno\n");
    project.run(0);
    assert_eq!(count(&project), "2");
    // Where order matters, the feed stops.
    let strict = Project::one_feed(&FEED.replace(" }", ", on_broken_object: stop }"), SILVER);
    strict.write("landing/a.csv", "id,V,v\n1,one,uno\n");
    strict.write("landing/b.csv", "id,v\n2,two\n");
    expect![[r#"
        error: cannot load `a.csv` of feed `o`: its header cannot be read: `V` (column 2) and `v` (column 3) are both `v` in lower case letters, digits and `_`
        hint: have it delivered again, or take `on_broken_object: stop` from the feed to go on without it
    "#]].assert_eq(&strict.run(1).stderr);
}

#[test]
fn a_file_with_another_delimiter() {
    let project = Project::one_feed(FEED, SILVER);
    // Before there is a table, the names that models read are known.
    project.write("landing/a.csv", "id;v\n1;one\n");
    expect![[r#"
        held    a.csv of d_bronze.landing__o: its header cannot be read: it is one column with the delimiter `,`; with `;` it has the known columns `id`, `v`
        nothing written: 2 tables without a version, N s
        --- exit 1
    "#]].assert_eq(&project.run(1).text());
    project.write("landing/b.csv", "id,v\n2,two\n");
    project.write("landing/c.csv", "\"id\"\t\"v\"\tw\n3\tthree\tx\n");
    project.run(1);
    expect![[r#"
        table                object  reason
        d_bronze.landing__o  a.csv   its header cannot be read: it is one column with the delimiter `,`; with `;` it has the known columns `id`, `v`
        d_bronze.landing__o  c.csv   its header cannot be read: it is one column with the delimiter `,`; with `\t` it has the known columns `id`, `v`
        0 rows, 2 objects in quarantine
    "#]].assert_eq(&project.karat(&["quarantine", "list"]).stdout);
    assert_eq!(count(&project), "1");
}

/// A load that drift refuses tells what is broken in it all the same.
#[test]
fn a_broken_file_beside_one_that_drifted() {
    let project = Project::one_feed(FEED, SILVER);
    project.write("landing/a.csv", "id,v\n1,one\n");
    project.run(0);
    project.write("landing/b.csv", "id,w\n2,two\n");
    let whole = project.write_gzip("landing/c.csv.gz", "id,v\n3,three\n");
    project.write_bytes("landing/c.csv.gz", &whole[..whole.len() - 6]);
    let feed = FEED.replace("*.csv", "*");
    project.write(
        "domains/d/domain.yaml",
        &format!("domain: d\nfeeds:\n  - {feed}\n"),
    );
    project.remove("landing/readme.txt");
    expect![[r#"
                 table                version   time  rows
        failed   d_bronze.landing__o           N s
        skipped  d_silver.t                    N s
        held    c.csv.gz of d_bronze.landing__o: gzip ends early
        run RUN: 0 tables written, 0 unchanged, 1 failed, 1 skipped, N s
        head DIGEST
        --- stderr
        error: cannot load `d_bronze.landing__o`: column `v`, which a model reads, is missing in `b.csv`, which has `id`, `w`
        hint: if it is now called `w`, add `rename: { v: w }` to the feed; if it is gone for good, `karat schema accept landing.o` loads it as null; if the file is wrong, have it delivered again, or take it away until then
        --- exit 1
    "#]].assert_eq(&project.run(1).text());
    expect![[r#"
        table                object    reason
        d_bronze.landing__o  c.csv.gz  gzip ends early
        0 rows, 1 object in quarantine
    "#]]
    .assert_eq(&project.karat(&["quarantine", "list"]).stdout);
    project.write("landing/b.csv", "id,v\n2,two\n");
    project.run(0);
    assert_eq!(count(&project), "2");
}

#[test]
fn cursor_values_without_a_place() {
    let said = |lag: &str, table: &str, rows: &str| {
        let project = Project::one_feed(
            &format!(
                "{{ source: db, table: o, mode: incremental, key: [id], deletes: none, cursor: {{ column: at{lag} }} }}"
            ),
            "from: db.o\nselect: { id: id }\nauto_cdc: { keys: [id] }\n",
        );
        project.sqlite(&format!(
            "create table o {table}; insert into o values {rows}"
        ));
        let run = project.run(1);
        let plan = project.karat(&["plan", "--quiet"]);
        assert_eq!(plan.code, 1, "{}", plan.text());
        assert!(
            plan.stdout
                .ends_with("1 step would fail, with exit 1; nothing was written\n"),
            "{}",
            plan.text()
        );
        run.stderr
    };
    let text = [
        said(
            "",
            "(id integer primary key, at datetime)",
            "(1, '2026-10-29 08:00:00'), (7, 'n/a'), (9, '')",
        ),
        said(
            ", lag: 1h",
            "(id integer primary key, at text)",
            "(1, '2026-10-29 08:00:00'), (7, 'soon')",
        ),
        said(
            ", lag: 1h",
            "(id integer primary key, at text)",
            "(1, '2026-10-29 08:00:00'), (7, '2026-10-29 25:00:00')",
        ),
        said(
            "",
            "(id text primary key, at integer) without rowid",
            "('a', 1), ('b', 'x')",
        ),
        said(
            "",
            "(id integer primary key, at date)",
            "(1, '2026-10-29'), (2, 20261030)",
        ),
        said(
            "",
            "(id integer primary key, at text)",
            "(1, '2026-10-29 08:00:00'), (7, 'soon')",
        ),
        said(
            "",
            "(id integer primary key, at timestamp)",
            "(1, '2026-10-29T10:00:00'), (2, '2026-10-29'), (3, '2026-10-29T10:00:00.5'), (7, '2026-10-29 11:00:00')",
        ),
        said(
            ", lag: 15m",
            "(id integer primary key, at timestamp)",
            "(1, '2026-10-29 10:00:00+02:00'), (2, '2026-10-29 11:00:00+02:00'), (7, '2026-10-29 09:30:00+00:00')",
        ),
        said(
            "",
            "(id integer primary key, at text)",
            "(1, '2026-10-29T10:00:00Z'), (2, '2026-10-29T10:00:01Z'), (7, '2026-10-29T10:00:00.5Z')",
        ),
    ];
    expect![[r#"
        error: cannot read table `o` by its cursor `at`: the row with rowid 7 and 1 more have no date there
        hint: correct it at the source (`select * from "o" where "at" IS NOT NULL AND NOT "at" GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]*'`), or choose another cursor
        error: cannot read table `o` by its cursor `at`: the row with rowid 7 has no date there
        hint: correct it at the source (`select * from "o" where "at" IS NOT NULL AND NOT "at" GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]*'`), or choose another cursor
        error: cannot read table `o` by its cursor `at`: the row with rowid 7 has no date or time that karat reads there
        hint: correct it at the source (`select * from "o" where "at" = (SELECT max("at" COLLATE BINARY) FROM "o")`), or choose another cursor
        error: cannot read table `o` by its cursor `at`: the row whose key has the digest 72fc11d070d9 has a text among numbers there
        hint: correct it at the source (`select * from "o" where typeof("at") = 'text'`), or choose another cursor
        error: cannot read table `o` by its cursor `at`: the row with rowid 2 has a number among texts there
        hint: correct it at the source (`select * from "o" where typeof("at") IN ('integer', 'real')`), or choose another cursor
        error: cannot read table `o` by its cursor `at`: the row with rowid 7 has no date there
        hint: correct it at the source (`select * from "o" where "at" IS NOT NULL AND NOT "at" GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]*'`), or choose another cursor
        error: cannot read table `o` by its cursor `at`: the row with rowid 7 has a time that is not written as the others (separator, zone or digits) there
        hint: correct it at the source (`select * from "o" where "at" GLOB '?????????? *' AND substr("at", 12) NOT GLOB '*[-+Zz]*'`), or choose another cursor
        error: cannot read table `o` by its cursor `at`: the row with rowid 7 has a time that is not written as the others (separator, zone or digits) there
        hint: correct it at the source (`select * from "o" where "at" GLOB '?????????? *+00:00'`), or choose another cursor
        error: cannot read table `o` by its cursor `at`: the row with rowid 7 has a time that is not written as the others (separator, zone or digits) there
        hint: correct it at the source (`select * from "o" where "at" GLOB '??????????T*Z' AND length("at") = 22`), or choose another cursor
    "#]].assert_eq(&text.concat());
}

/// A position that texts written otherwise would be compared with is told, not gone on from.
#[test]
fn a_position_that_is_written_otherwise_than_its_column() {
    let project = Project::one_feed(
        "{ source: db, table: o, mode: incremental, deletes: none, cursor: { column: at } }",
        "from: db.o\nselect: { id: id }\nauto_cdc: { keys: [id] }\n",
    );
    project.sqlite("create table o (id integer primary key, at timestamp); insert into o values (1, '2026-10-29T10:00:00')");
    project.run(0);
    project.sqlite(
        "update o set at = replace(at, 'T', ' '); insert into o values (2, '2026-10-29 11:00:00')",
    );
    let written = project.run(1).stderr;
    // What would have no place at all is refused where it is typed.
    let none = project.karat(&["position", "set", "db.o", "soon"]).stderr;
    expect![[r#"
        error: cannot go on reading table `o` by `at`: the position and the column write a time differently (separator, zone or digits), and texts are ordered by their bytes
        hint: set the position anew with `karat position set`, to a value written as the column's
        error: the cursor `at` of `d_bronze.db__o` holds dates or times, and the value given is no date or time
        hint: `karat position show` shows the value that it has
    "#]].assert_eq(&(written + &none));
    project.karat(&["position", "set", "db.o", "2026-10-29"]);
    project.run(0);
    assert_eq!(project.rows("select id from d_silver.t"), "id\n1\n2\n");
}

#[test]
fn a_column_that_no_file_has() {
    let project = Project::one_feed(FEED, SILVER);
    project.write("landing/a.csv", "id,w\n1,one\n");
    expect![[r#"
        error: no column `v`
         --> domains/d/silver/t.yaml:2:38
          |
        2 | select: { id: cast(id as bigint), v: v }
          |                                      ^
          = hint: did you mean `w`?
    "#]]
    .assert_eq(&project.run(2).stderr);
    project.write("landing/a.csv", "id,v\n1,one\n");
    project.run(0);
    assert_eq!(count(&project), "1");
}

#[test]
fn folders_and_variables_that_are_not_there() {
    let project = Project::one_feed(FEED, SILVER);
    project.write(
        "karat.yaml",
        "karat: 1\nproject: p\nsources:\n  landing: { type: files, path: \"${env:NOT_SET}/in\" }\n",
    );
    expect![[r#"
        error: `sources.landing.path` needs the variable `NOT_SET`, which is not set
         --> karat.yaml:4:33
          |
        4 |   landing: { type: files, path: "${env:NOT_SET}/in" }
          |                                 ^^^^^^^^^^^^^^^^^^^^
          = hint: set NOT_SET in the environment

        error: the project has 1 mistake
        hint: `karat validate` lists them, and what is wrong in SQL
    "#]]
    .assert_eq(&project.run(2).stderr);
    let landing = project.path("landing").display().to_string();
    let answer = project.karat_with(&["run", "--quiet"], &[("NOT_SET", &landing)]);
    assert_eq!(answer.code, 3, "{}", answer.text());
    expect![[r#"
        error: cannot list the source folder `LANDING/in`: it is not there
          caused by: No such file or directory (os error 2)
        hint: check the path, or whether something removed it meanwhile
    "#]]
    .assert_eq(&answer.stderr.replace(&landing, "LANDING"));
    project.write("landing/in/a.csv", "id,v\n1,one\n");
    let answer = project.karat_with(&["run", "--quiet"], &[("NOT_SET", &landing)]);
    assert_eq!(answer.code, 0, "{}", answer.text());
    // Who reads the lake needs no way to the sources.
    assert_eq!(count(&project), "1");
    for verb in [
        "status",
        "verify",
        "quarantine list",
        "receipt list",
        "position show",
    ] {
        let arguments: Vec<&str> = verb.split(' ').collect();
        let answer = project.karat(&arguments);
        assert_eq!(answer.code, 0, "{verb}: {}", answer.text());
    }
    assert_eq!(project.karat(&["plan"]).code, 2);
}

const TABLE: &str = "{ source: db, table: o, mode: full, key: [id] }";

#[test]
fn a_database_that_is_locked_damaged_or_none() {
    let project = Project::one_feed(TABLE, &SILVER.replace("landing.o", "db.o"));
    let folder = project.path("").display().to_string();
    let said = |answer: Answer| answer.stderr.replace(&folder, "");
    expect![[r#"
        error: cannot open the database `shop.db`: it is not there
          caused by: No such file or directory (os error 2)
        hint: check the path, or whether something removed it meanwhile
    "#]]
    .assert_eq(&said(project.run(3)));
    project.write("shop.db", "this is a text, and it is long enough to be taken for a database file by its size alone; it is none\n");
    expect![[r#"
        error: cannot read the database `shop.db`: it is no SQLite database, or encrypted
          caused by: file is not a database
          caused by: Error code 26: file is not a database
        hint: check the source's path
    "#]]
    .assert_eq(&said(project.run(3)));
    std::fs::remove_file(project.path("shop.db")).unwrap();
    project.sqlite("create table x (id integer)");
    expect![[r#"
        error: cannot read table `o` of `shop.db`: there is none of that name
        hint: it has: x
    "#]]
    .assert_eq(&said(project.run(3)));
    project.sqlite("create table o (id integer primary key, v text); with recursive n(i) as (select 1 union all select i + 1 from n where i < 500) insert into o select i, hex(randomblob(100)) from n");
    let writer = rusqlite::Connection::open(project.path("shop.db")).unwrap();
    writer.execute_batch("begin exclusive").unwrap();
    expect![[r#"
        error: cannot read the database `shop.db`: another process holds it, and did not let go within 5 s
          caused by: database is locked
          caused by: Error code 5: database is locked
        hint: run again when the writer is done, or read from a copy
    "#]].assert_eq(&said(project.run(3)));
    writer.execute_batch("rollback").unwrap();
    drop(writer);
    project.run(0);
    assert_eq!(count(&project), "500");
    // One page of the table is overwritten: nothing of the load is taken in.
    let whole = std::fs::read(project.path("shop.db")).unwrap();
    let mut damaged = whole.clone();
    let middle = whole.len() / 2 / 4096 * 4096;
    damaged[middle..middle + 4096].fill(0xab);
    project.write_bytes("shop.db", &damaged);
    expect![[r#"
        error: cannot read table `o` of `shop.db`: the file is damaged
          caused by: database disk image is malformed
          caused by: Error code 11: database disk image is malformed
        hint: run `PRAGMA integrity_check` with the sqlite3 shell, and restore the file from its backup
    "#]].assert_eq(&said(project.run(3)));
    assert_eq!(count(&project), "500");
    project.write_bytes("shop.db", &whole);
    project.run(0);
    assert_eq!(project.karat(&["verify"]).code, 0);
}

#[test]
fn cells_that_do_not_fit_their_declared_type() {
    let project = Project::one_feed(
        TABLE,
        "from: db.o\nselect: { id: id, n: n, amount: decimal_from_double(amount) }\n",
    );
    project.sqlite(
        "create table o (id integer primary key, n integer, amount numeric(10,2));
         insert into o values (1, 5, 1.10), (2, 'five', 2), (3, 9223372036854775807, 9e999), (4, null, 1e300), (5, 6, 'x')",
    );
    project.run(0);
    expect![[r#"
        id,n,amount
        1,5,1.1000000000
    "#]]
    .assert_eq(&project.rows("select * from d_silver.t"));
    expect![[r#"
        rules,row
        _expression,"{""amount"":""1e300"",""id"":""4""}"
        _expression,"{""amount"":""inf"",""id"":""3"",""n"":""9223372036854775807""}"
        _rescued,"{""amount"":""2.0"",""id"":""2""}"
        _rescued,"{""id"":""5"",""n"":""6""}"
    "#]]
    .assert_eq(&project.rows("select rules, row from d_quarantine.t"));
    expect![[r#"
        id,n,amount,_rescued
        1,5,1.1,
        2,,2.0,"{""reason"":""type_mismatch"",""cells"":{""n"":{""type"":""text"",""text"":""five""}}}"
        3,9223372036854775807,inf,
        4,,1e300,
        5,6,,"{""reason"":""type_mismatch"",""cells"":{""amount"":{""type"":""text"",""text"":""x""}}}"
    "#]].assert_eq(&project.rows("select id, n, amount, _rescued from d_bronze.db__o"));
}

#[test]
fn a_path_with_spaces_and_umlauts() {
    let outer = Project::empty();
    let folder = outer.path("Müller & Söhne (2026)");
    std::fs::create_dir_all(&folder).unwrap();
    let folder = folder.display().to_string();
    for arguments in [
        &["init", &folder][..],
        &["--project", &folder, "run", "--quiet"],
        &["--project", &folder, "verify"],
        &[
            "--project",
            &folder,
            "query",
            "select count(*) as n from shop_silver.orders",
        ],
    ] {
        let answer = outer.karat(arguments);
        assert_eq!(answer.code, 0, "{arguments:?}\n{}", answer.text());
    }
    let odd = Project::one_feed(
        "{ source: landing, name: o, mode: incremental, path: \"Ein gang/*.csv\" }",
        SILVER,
    );
    odd.write("landing/Ein gang/Größe %20 #1.csv", "id,v\n1,one\n");
    odd.run(0);
    expect!["n,o\n1,Ein gang/Größe %20 #1.csv\n"]
        .assert_eq(&odd.rows("select count(*) as n, max(_object) as o from d_bronze.landing__o"));
    assert_eq!(odd.karat(&["verify"]).code, 0);
}

#[test]
fn numbers_that_are_too_large_or_none() {
    let project = Project::one_feed(
        &FEED.replace("name: o", "name: o, null_values: ['null']"),
        r#"from: landing.o
allow_float: infinity and NaN are told here
select:
  id: cast(id as int)
  n: cast(n as bigint)
  amount: cast(amount as decimal(5, 2))
  x: cast(x as double)
"#,
    );
    project.write(
        "landing/a.csv",
        "id,n,amount,x\n1,9223372036854775807,999.99,1.7976931348623157e308\n2,9223372036854775808,1,1\n3,1,1000,1\n4,1,0.001,1\n\
         5,1,NaN,1\n6,Infinity,1,1\n7,1,1,NaN\n8,1,1,Infinity\n9,1,1,-inf\n10,1,1,1e309\n2147483648,1,1,1\n11,1e3,1,1\n12,,1e-2,null\n\
         13,0x10,1,1\n14,１,1,1\n15, 1,1,1\n16,1_000,1,1\n17,\"1,5\",1,1\n",
    );
    project.run(0);
    expect![[r#"
        id,n,amount,x
        1,9223372036854775807,999.99,1.7976931348623157e308
        7,1,1.00,NaN
        8,1,1.00,inf
        9,1,1.00,-inf
        11,1000,1.00,1.0
        12,,0.01,
    "#]]
    .assert_eq(&project.rows("select * from d_silver.t"));
    expect![[r#"
        _row,rules,row
        3,_expression,"{""amount"":""1"",""id"":""2"",""n"":""9223372036854775808"",""x"":""1""}"
        4,_expression,"{""amount"":""1000"",""id"":""3"",""n"":""1"",""x"":""1""}"
        5,_expression,"{""amount"":""0.001"",""id"":""4"",""n"":""1"",""x"":""1""}"
        6,_expression,"{""amount"":""NaN"",""id"":""5"",""n"":""1"",""x"":""1""}"
        7,_expression,"{""amount"":""1"",""id"":""6"",""n"":""Infinity"",""x"":""1""}"
        11,_expression,"{""amount"":""1"",""id"":""10"",""n"":""1"",""x"":""1e309""}"
        12,_expression,"{""amount"":""1"",""id"":""2147483648"",""n"":""1"",""x"":""1""}"
        15,_expression,"{""amount"":""1"",""id"":""13"",""n"":""0x10"",""x"":""1""}"
        16,_expression,"{""amount"":""1"",""id"":""14"",""n"":""１"",""x"":""1""}"
        17,_expression,"{""amount"":""1"",""id"":""15"",""n"":"" 1"",""x"":""1""}"
        18,_expression,"{""amount"":""1"",""id"":""16"",""n"":""1_000"",""x"":""1""}"
        19,_expression,"{""amount"":""1"",""id"":""17"",""n"":""1,5"",""x"":""1""}"
    "#]]
    .assert_eq(&project.rows("select _row, rules, row from d_quarantine.t"));
    expect!["18 read = 6 kept + 12 quarantined"].assert_eq(&project.accounting("d_silver.t"));
}

/// A line of 200 MB is refused before it fills the memory, and whatever stands before and after it in other files is loaded.
#[test]
fn a_line_of_200_megabytes() {
    const MEASURED: &str = "import resource, subprocess, sys\n\
        code = subprocess.run(sys.argv[1:]).returncode\n\
        print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024, 'MiB at most', file=sys.stderr)\n\
        sys.exit(code)\n";
    let project = Project::one_feed(FEED, SILVER);
    project.write("landing/a.csv", "id,v\n1,one\n");
    let mut file = std::fs::File::create(project.path("landing/long.csv")).unwrap();
    file.write_all(b"id,v\n2,two\n3,").unwrap();
    let piece = vec![b'x'; 1_000_000];
    for _ in 0..200 {
        file.write_all(&piece).unwrap();
    }
    file.write_all(b"\n4,four\n").unwrap();
    drop(file);
    let output = Command::new("python3")
        .args(["-c", MEASURED, env!("CARGO_BIN_EXE_karat")])
        .args(["run", "--quiet"])
        .current_dir(project.path(""))
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    let memory_mib: u64 = said.split(' ').next().unwrap().parse().unwrap();
    assert!(memory_mib < 400, "{said}");
    expect![[r#"
        table                object    reason
        d_bronze.landing__o  long.csv  the row that begins in line 3 is longer than 67108864 bytes
        0 rows, 1 object in quarantine
    "#]]
    .assert_eq(&project.karat(&["quarantine", "list"]).stdout);
    assert_eq!(count(&project), "1");
    project.write("landing/long.csv", "id,v\n2,two\n3,three\n4,four\n");
    project.run(0);
    assert_eq!(count(&project), "4");
}

/// The program as a user to whom the rights of files apply: of the superuser's own it keeps none.
#[cfg(target_os = "linux")]
fn without_privileges(project: &Project, arguments: &[&str]) -> Answer {
    use std::os::unix::fs::MetadataExt as _;
    let is_superuser = std::fs::metadata("/proc/self").unwrap().uid() == 0;
    let mut command = Command::new(if is_superuser {
        "setpriv"
    } else {
        env!("CARGO_BIN_EXE_karat")
    });
    if is_superuser {
        command
            .args(["--bounding-set", "-dac_override,-dac_read_search", "--"])
            .arg(env!("CARGO_BIN_EXE_karat"));
    }
    let output = command
        .args(arguments)
        .current_dir(project.path(""))
        .output()
        .unwrap();
    Answer {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

#[cfg(target_os = "linux")]
#[test]
fn files_and_folders_without_permission() {
    use std::os::unix::fs::PermissionsExt as _;
    let project = Project::one_feed(FEED, SILVER);
    let folder = project.path("").display().to_string();
    let rights = |name: &str, mode: u32| {
        let path = project.path(name);
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    // What is said while this place has these rights; the next run without the obstacle finds everything.
    let said = |name: &str, mode: u32, arguments: &[&str]| {
        rights(name, mode);
        let answer = without_privileges(&project, arguments);
        rights(name, 0o755);
        // DataFusion names a file without its first slash.
        format!("{}exit {}\n\n", answer.stderr, answer.code)
            .replace(&folder, "")
            .replace(folder.trim_start_matches('/'), "")
    };
    let run = ["run", "--quiet"];
    project.write("landing/a.csv", "id,v\n1,one\n");
    let mut all = said("landing/a.csv", 0, &run) + &said("landing", 0, &run);
    project.run(0);
    assert_eq!(count(&project), "1");
    project.write("landing/b.csv", "id,v\n2,two\n");
    all += &said("lake/_karat/intents/d/landing__o", 0o555, &run);
    all += &said("lake/d/bronze/landing__o", 0o555, &run);
    // What a plan can tell of it without trying.
    all += &said("lake/d/bronze/landing__o", 0o555, &["plan", "--quiet"]);
    all += &said("lake/d/silver/t/_delta_log", 0o555, &run);
    project.run(0);
    assert_eq!(count(&project), "2");
    all += &said(
        "lake/d/silver/t/_delta_log",
        0,
        &["query", "select * from d_silver.t"],
    );
    let data = project
        .lake_files()
        .into_iter()
        .find(|name| name.starts_with("d/silver/t/") && name.ends_with(".parquet"))
        .unwrap();
    let shown = said(
        &format!("lake/{data}"),
        0,
        &["query", "select * from d_silver.t"],
    );
    all += &shown.replace(data.rsplit('/').next().unwrap(), "FILE");
    // It is not known whether such a file is what was written.
    rights(&format!("lake/{data}"), 0);
    let verified = without_privileges(&project, &["verify", "--json"]);
    rights(&format!("lake/{data}"), 0o755);
    assert_eq!(verified.code, 4, "{}", verified.text());
    let document = verified.json();
    let files = document["files"].as_array().unwrap();
    let of_file = files.iter().find(|file| file["path"] == data.as_str());
    assert_eq!(of_file.unwrap()["outcome"], "unreadable", "{document}");
    let tables = document["tables"].as_array().unwrap();
    let of_table = tables.iter().find(|table| table["table"] == "d_silver.t");
    assert_eq!(of_table.unwrap()["outcome"], "unreadable", "{document}");
    all += &said("domains/d/silver/t.yaml", 0, &run);
    expect![[r#"
        error: cannot open `a.csv`: permission denied
          caused by: Permission denied (os error 13)
        hint: give the user who runs karat the right to read it
        exit 4

        error: cannot list the source folder `landing`: permission denied
          caused by: Permission denied (os error 13)
        hint: give the user who runs karat the right to read it
        exit 4

        error: cannot create a file in `lake/_karat/intents/d/landing__o`: permission denied
          caused by: Permission denied (os error 13)
        hint: give this user the right to write in `lake/_karat/intents/d/landing__o`
        exit 4

        error: cannot create a file in `lake/d/bronze/landing__o`: permission denied
          caused by: Permission denied (os error 13)
        hint: give this user the right to write in `lake/d/bronze/landing__o`
        exit 4

        error: cannot create a file in `lake/d/bronze/landing__o`: permission denied
          caused by: Permission denied (os error 13)
        hint: give this user the right to write in `lake/d/bronze/landing__o`
        exit 4

        error: cannot commit version 1 of `d/silver/t`: cannot create a file in `lake/d/silver/t/_delta_log`: permission denied
          caused by: Transaction failed: Transaction failed: the commit file could not be written
          caused by: Permission denied (os error 13)
        hint: give this user the right to write in `lake/d/silver/t/_delta_log`
        exit 4

        error: cannot list `lake/d/silver/t/_delta_log`: permission denied
          caused by: Permission denied (os error 13)
        hint: give this user the right to read `lake/d/silver/t/_delta_log`
        exit 4

        error: cannot read a Parquet file: permission denied
          caused by: Parquet error: Failed to fetch metadata for file lake/d/silver/t/FILE: Object Store error: Generic LocalFileSystem error: Unable to open file lake/d/silver/t/FILE: Permission denied (os error 13)
        hint: give this user the right to read the lake, and to write in `.karat/`
        exit 4

        error: cannot read the file: permission denied
         --> domains/d/silver/t.yaml

        error: the project has 1 mistake
        hint: `karat validate` lists them, and what is wrong in SQL
        exit 2

    "#]].assert_eq(&all);
    let verified = project.karat(&["verify"]);
    assert_eq!(verified.code, 0, "{}", verified.text());
}

/// Rows that no disk of a megabyte holds.
#[cfg(target_os = "linux")]
fn rows_of_two_megabytes() -> String {
    let mut state = 1u64;
    let mut text = String::from("id,v\n");
    for id in 0..60_000 {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        text.push_str(&format!(
            "{id},{state:016x}{:016x}\n",
            state.rotate_left(17) ^ id
        ));
    }
    text
}

/// A shell in a name space of its own, so that a disk it mounts is gone with it.
#[cfg(target_os = "linux")]
fn shell(project: &Project, script: &str, mounts: bool) -> Answer {
    let mut command = Command::new(if mounts { "unshare" } else { "sh" });
    if mounts {
        command.args(["--user", "--map-root-user", "--mount", "sh"]);
    }
    let output = command
        .args(["-c", script])
        .current_dir(project.path(""))
        .env("KARAT", env!("CARGO_BIN_EXE_karat"))
        .output()
        .unwrap();
    Answer {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A disk of one megabyte fills up and grows; where no disk may be mounted, a limit of file sizes takes its place.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk() {
    let project = Project::one_feed(FEED, SILVER);
    project.write(
        "karat.yaml",
        "karat: 1\nproject: p\ntargets: { dev: { lake: small/lake, default: true } }\nsources:\n  landing: { type: files, path: landing }\n",
    );
    project.write("landing/a.csv", "id,v\n1,one\n");
    project.write("waiting.csv", &rows_of_two_megabytes());
    project.write("small/readme.txt", "the lake is here\n");
    const STEPS: &str = r#"
        run() { $limit "$KARAT" run --quiet 2>said >/dev/null; echo "run $?"; sed '1s/`[^`]*`/`FILE`/' said; }
        count() { "$KARAT" query --quiet --format csv 'select count(*) as n from d_silver.t'; }
        run
        cp waiting.csv landing/b.csv
        start
        run
        count
        run
        stop
        run
        count
        "$KARAT" verify >/dev/null
        echo "verify $?"
    "#;
    let limit = format!(
        "limited() {{ (trap '' XFSZ; ulimit -f 1024; \"$@\"); }}\nstart() {{ limit=limited; }}\nstop() {{ limit=; }}\n{STEPS}"
    );
    let disk = format!(
        "mount -t tmpfs -o size=1m karat-test small || exit 99\nstart() {{ :; }}\nstop() {{ mount -o remount,size=64m small; }}\n{STEPS}"
    );
    let small = Project::copy_of(&project);
    let limited = shell(&project, &limit, false);
    expect![[r#"
        run 0
        run 3
        error: cannot write `FILE`: it would be larger than files may be here
          caused by: File too large (os error 27)
        hint: raise the limit of file sizes (`ulimit -f`, or the file system's) and run again
        n
        1
        run 3
        error: cannot write `FILE`: it would be larger than files may be here
          caused by: File too large (os error 27)
        hint: raise the limit of file sizes (`ulimit -f`, or the file system's) and run again
        run 0
        n
        60001
        verify 0
        --- exit 0
    "#]]
    .assert_eq(&limited.text());
    let full = shell(&small, &disk, true);
    if full.code != 99 && !full.stderr.contains("unshare failed") {
        expect![[r#"
            run 0
            run 3
            error: cannot write `FILE`: the disk is full
              caused by: No space left on device (os error 28)
            hint: free space and run again: what was not committed is not lost from the source
            n
            1
            run 3
            error: cannot write `FILE`: the disk is full
              caused by: No space left on device (os error 28)
            hint: free space and run again: what was not committed is not lost from the source
            run 0
            n
            60001
            verify 0
            --- exit 0
        "#]]
        .assert_eq(&full.text());
    }
}

/// Columns that are no number in all rows of a group have no bounds.
#[test]
fn columns_that_are_no_number_anywhere() {
    let project = Project::one_feed(
        "{ source: landing, name: o, mode: full, path: \"*.csv\" }",
        "from: landing.o\nselect: { id: cast(id as bigint), x: cast(x as double), y: cast(x as real) }\nkey: [id]\nallow_float: NaN is told here\n",
    );
    let rows: String = (0..20_000).map(|id| format!("{id},NaN\n")).collect();
    project.write("landing/1.csv", &format!("id,x\n{rows}"));
    project.run(0);
    assert_eq!(
        project.rows("select count(*) as n, count(distinct x) as x, max(y) as y from d_silver.t"),
        "n,x,y\n20000,1,NaN\n"
    );
    let verify = project.karat(&["verify"]);
    assert_eq!(verify.code, 0, "{}", verify.text());
}

/// What was received does not begin anew where its folder or its last commits are gone: the record knows better. A model's table is made
/// again as a whole, and the reader is told.
#[test]
fn tables_that_are_gone() {
    let project = Project::one_feed(
        "{ source: landing, name: o, mode: incremental, path: \"*.csv\" }",
        "from: landing.o\nselect: { id: id }\nkey: [id]\n",
    );
    project.write(
        "domains/d/gold/g.sql",
        "select count(*) as n from d_silver.t\n",
    );
    project.write("landing/1.csv", "id\n1\n");
    project.run(0);
    project.write("landing/2.csv", "id\n2\n");
    project.run(0);
    for (gone, table) in [
        ("lake/d/bronze/landing__o", "d_bronze.landing__o"),
        (
            "lake/d/silver/t/_delta_log/00000000000000000001.json",
            "d_silver.t",
        ),
    ] {
        let broken = Project::copy_of(&project);
        broken.remove(gone);
        for verb in ["plan", "run"] {
            let told = broken.karat(&[verb]);
            assert_eq!(told.code, 1, "{gone}: {}", told.text());
            let message = format!("error: `{table}` is not as its record says: its file `");
            assert!(told.stderr.contains(&message), "{gone}: {}", told.text());
        }
    }
    project.remove("lake/d/silver/t");
    let run = project.karat(&["run"]);
    assert_eq!(run.code, 0, "{}", run.text());
    let note = "note: d_silver.t: the folder of `d_silver.t` was gone: it is made anew";
    assert!(run.stderr.contains(note), "{}", run.text());
    assert_eq!(project.rows("select * from d_gold.g"), "n\n2\n");
    // It counts from 0 again: what named the versions that were there says so, and work goes on.
    let older = project.karat(&["receipt", "list", "--json"]).json()["receipts"][0]["run"].clone();
    let gone = project.karat(&[
        "query",
        "--run",
        older.as_str().unwrap(),
        "select * from d_silver.t",
    ]);
    assert_eq!(gone.code, 1, "{}", gone.text());
    assert!(gone.stderr.contains("made anew"), "{}", gone.stderr);
    for id in 8..11 {
        project.write(&format!("landing/z{id}.csv"), &format!("id,v\n{id},more\n"));
        project.run(0);
    }
    let rebuilt = project.karat(&["replay", "--rebuild", "d_silver.t", "d_gold.g"]);
    assert_eq!(rebuilt.code, 0, "{}", rebuilt.text());
}

/// Quarantine whose folder is gone comes back with its silver table, as a whole.
#[test]
fn a_lost_quarantine_is_made_again() {
    let project = Project::one_feed(FEED, SILVER);
    let held = || project.karat(&["quarantine", "list", "--json"]).json()["rows_held"].clone();
    for id in ["1", "x", "2", "y"] {
        project.write(&format!("landing/{id}.csv"), &format!("id,v\n{id},one\n"));
        project.run(0);
    }
    assert_eq!(held(), 2);
    project.remove("lake/d/quarantine/t");
    let plan = project.karat(&["plan"]);
    assert!(
        plan.stdout.contains("its quarantine is gone"),
        "{}",
        plan.text()
    );
    project.run(0);
    assert_eq!(held(), 2);
    project.write("landing/z.csv", "id,v\nz,one\n");
    project.run(0);
    project.write("landing/zz.csv", "id,v\n9,one\n");
    project.run(0);
    assert_eq!(held(), 3);
}

/// A link that leads back to a folder above it shows nothing new, and the walk ends.
#[cfg(unix)]
#[test]
fn links_that_lead_round_in_a_circle() {
    use std::os::unix::fs::symlink;
    let project = Project::one_feed(
        "{ source: landing, name: o, mode: incremental, path: \"**/*.csv\" }",
        SILVER,
    );
    project.write("landing/a/1.csv", "id,v\n1,one\n");
    project.write("landing/b/2.csv", "id,v\n2,two\n");
    for (to, from) in [
        ("..", "a/up"),
        ("..", "a/up2"),
        (".", "b/here"),
        ("../a", "b/other"),
        ("../b", "a/other"),
    ] {
        symlink(to, project.path("landing").join(from)).unwrap();
    }
    project.run(0);
    // By the link beside it each file has a second path, and is known.
    assert_eq!(
        project.rows("select count(*) as n, count(distinct id) as ids from d_silver.t"),
        "n,ids\n2,2\n"
    );
    assert_eq!(project.karat(&["source", "discover", "landing"]).code, 0);
}

#[test]
fn paths_that_climb() {
    let project = Project::initial();
    let karat = std::fs::read_to_string(project.path("karat.yaml")).unwrap();
    project.write(
        "karat.yaml",
        &karat.replace("./lake", "landing/../../beside"),
    );
    let inner = Project::empty();
    let root = inner.path("project");
    crate::project::copy_folder(&project.path("."), &root);
    let up = root.join("domains/..");
    let karat = |verb: &[&str]| {
        let project = up.display().to_string();
        let answer = inner.karat(&[&["--project", &project, "--quiet"], verb].concat());
        assert_eq!(answer.code, 0, "{verb:?} {}", answer.text());
        answer.stdout
    };
    karat(&["run"]);
    assert!(inner.path("beside/_karat").is_dir());
    karat(&["verify"]);
    karat(&["replay"]);
    let file = "project/../beside/o.parquet";
    let query = "select * from shop_gold.revenue";
    let out = inner.path("beside/o.parquet").display().to_string();
    karat(&["query", "--format", "parquet", "--output", &out, query]);
    let table = format!("t={file}");
    let found = inner.karat(&[
        "query",
        "--table",
        &table,
        "--format",
        "csv",
        "select count(*) as n from t",
    ]);
    assert_eq!(found.stdout, "n\r\n3\r\n", "{}", found.text());
}

/// Another line end or encoding than the feed declares would make a header of all that a file holds, and columns of its rows.
#[test]
fn a_header_that_swallows_its_file_is_held() {
    let swapped: Vec<u8> = "id,v\n1,one\n"
        .encode_utf16()
        .flat_map(u16::to_be_bytes)
        .collect();
    for (csv, bytes, why) in [
        (
            "{ delimiter: \"+|\", terminator: \"&|\\n\", quote: none }",
            b"id+|v\n1+|2\n3+|4\n".as_slice(),
            "it runs over several lines, since none ends with `terminator: \"&|\\n\"`; leave `terminator` under `csv` of the feed out",
        ),
        (
            "{ encoding: utf-16le }",
            swapped.as_slice(),
            "read as `utf-16le` it is all that the file holds, and no letter of it is a Latin one; `csv: { encoding: utf-16be }` of a feed reads it",
        ),
        (
            "{ encoding: utf-16le }",
            b"id,v\n2,xx\n".as_slice(),
            "read as `utf-16le` it is all that the file holds, and no letter of it is a Latin one; it is UTF-8, which is read where `csv` of the feed names no `encoding`",
        ),
    ] {
        let project = Project::one_feed(&FEED.replace(" }", &format!(", csv: {csv} }}")), SILVER);
        project.write_bytes("landing/a.csv", bytes);
        let held = project.run(1);
        assert!(
            held.stdout
                .contains(&format!("its header cannot be read: {why}")),
            "{}",
            held.text()
        );
    }
    // Once it is declared as it is, it is read.
    let project = Project::one_feed(
        &FEED.replace(" }", ", csv: { terminator: \"|\\n\" } }"),
        SILVER,
    );
    project.write("landing/a.csv", "id,v\n1,one\n2,two\n");
    project.run(1);
    let domain = std::fs::read_to_string(project.path("domains/d/domain.yaml")).unwrap();
    project.write(
        "domains/d/domain.yaml",
        &domain.replace(", csv: { terminator: \"|\\n\" }", ""),
    );
    project.run(0);
    assert_eq!(count(&project), "2");
}
