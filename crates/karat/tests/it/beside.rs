//! Queries beside other programs: TPC-H against DuckDB, the shell at a terminal, the memory that a process takes.

use std::path::Path;

use expect_test::{Expect, expect};

use crate::peers;
use crate::project::Project;

fn check(script: &str, project: &Project, expected: Expect) {
    let karat = Path::new(env!("CARGO_BIN_EXE_karat"));
    expected.assert_eq(&peers::script(script, &[&project.path(""), karat]));
}

#[test]
fn tpch_has_the_answers_of_duckdb() {
    check(
        "tpch.py",
        &Project::empty(),
        expect![[r#"
        1: 4 rows, equal
        2: 4 rows, equal
        3: 10 rows, equal
        4: 5 rows, equal
        5: 5 rows, equal
        6: 1 rows, equal
        7: 4 rows, equal
        8: 2 rows, equal
        9: 175 rows, equal
        10: 20 rows, equal
        11: 24 rows, equal
        12: 2 rows, equal
        13: 26 rows, equal
        14: 1 rows, equal
        15: 1 rows, equal
        16: 300 rows, equal
        17: 1 rows, equal
        18: 13 rows, equal
        19: 1 rows, equal
        20: 2 rows, equal
        21: 4 rows, equal
        22: 7 rows, equal
    "#]],
    );
}

/// Each answer is that of a query without limit, and the process keeps to the limit and what it needs besides.
#[cfg(target_os = "linux")]
#[test]
fn queries_keep_to_their_memory() {
    let project = Project::empty();
    let karat = Path::new(env!("CARGO_BIN_EXE_karat"));
    let folder = project.path("");
    let more = ["60000", "group", "sort"].map(Path::new);
    let arguments = [&[folder.as_path(), karat], more.as_slice()].concat();
    expect![[r#"
        group: the same answer; within the limit
        sort: the same answer; within the limit
    "#]]
    .assert_eq(&peers::script("memory.py", &arguments));
}

#[cfg(unix)]
#[test]
fn a_shell_at_a_terminal() {
    let rows: String = (1..=300).map(|id| format!("{id},v{id}\n")).collect();
    let project = Project::of(&[("t.csv", &format!("id,v\n{rows}"))]);
    check(
        "shell.py",
        &project,
        expect![[r#"
        Exact SQL. `\?` tells what can be typed, `\q` leaves.
        karat> \d
        table  rows  files
        t       300      1
        (1 row)
        karat> \d t
        column  type
        id      string
        v       string
        (2 rows)
        karat> select id,
           ...>   v from t order by cast(id as int) limit 1;
        note: the order of LIMIT was completed with all columns, in name order: no unique key is known
        id  v
        1   v1
        (1 row)
        karat> select v from t where id = '2';
        v
        v2
        (1 row)
        karat> select nothing from t;
        error: no column `nothing`
         --> line 1, column 8
          |
        1 | select nothing from t
          |        ^
        hint: there are id, v
        karat> select count(*) as n from t a, t b, t c, t d where a.v || b.v || c.v || d.v = 'x';
        ^Cerror: given up
        ^C
        karat> select nothing from t;
        error: no column `nothing`
         --> line 1, column 8
          |
        1 | select nothing from t
          |        ^
        hint: there are id, v
        karat> explain select id from t;
        sort: expr=[id ASC NULLS LAST], preserve_partitioning=[false]
          scan 1 file: columns [id]
        karat> \x
        error: there is no `\x` here
        hint: `\?` tells what there is
        karat>

        exit 0
        remembered:
          select id, v from t order by cast(id as int) limit 1;
          select v from t where id = '2';
          select nothing from t;
          select count(*) as n from t a, t b, t c, t d where a.v || b.v || c.v || d.v = 'x';
          select nothing from t;
          explain select id from t;
    "#]],
    );
}
