//! `auto_cdc` in a project file: what contradicts itself or its feed, and that a model recorded is the model declared (A7, C4, C5).

use std::collections::BTreeMap;

use expect_test::{Expect, expect};
use karat_project::recorded_project;

use crate::{diagnostics, load_text, write};

const PROJECT: &str = "--- karat.yaml
karat: 1
project: p
sources:
  landing: { type: files, path: landing }
  db: { type: sqlite, path: shop.db }
--- domains/d/domain.yaml
domain: d
feeds:
  - { source: landing, name: e, mode: incremental, path: \"e*.csv\" }
  - { source: landing, name: s, mode: full, key: [k, l], path: \"s*.csv\", file_order: 's(\\d+)' }
  - { source: landing, name: u, mode: full, path: \"u*.csv\", file_order: 'u(\\d+)' }
  - { source: db, table: t, mode: full, key: [k] }
";

fn model(from: &str, auto_cdc: &str) -> String {
    format!(
        "{PROJECT}--- domains/d/silver/t.yaml\nfrom: {from}\nselect: {{ k: upper(k), l: l, v: v, at: cast(at as date), n: cast(n as bigint) }}\nauto_cdc:\n{auto_cdc}"
    )
}

fn check(from: &str, auto_cdc: &str, expected: Expect) {
    expected.assert_eq(&diagnostics(&model(from, auto_cdc)));
}

#[test]
fn sequences() {
    check(
        "landing.e",
        "  keys: [k]\n  sequence_by: struct(at, n)\n",
        expect![[r#"
            error: `sequence_by` is a column, or a list of columns
             --> domains/d/silver/t.yaml:5:16
              |
            5 |   sequence_by: struct(at, n)
              |                ^^^^^^^^^^^^^
              = hint: write `sequence_by: [at, n]`
        "#]],
    );
    check(
        "landing.e",
        "  keys: [k]\n  sequence_by: [at, nn, at, _seq]\n",
        expect![[r#"
            error: unknown column `nn`
             --> domains/d/silver/t.yaml:5:21
              |
            5 |   sequence_by: [at, nn, at, _seq]
              |                     ^^
              = hint: did you mean `n`?

            error: `at` stands twice in `sequence_by`
             --> domains/d/silver/t.yaml:5:25
              |
            5 |   sequence_by: [at, nn, at, _seq]
              |                         ^^
              = hint: remove one

            error: `_seq` orders events that are equal in all columns of `sequence_by` anyway
             --> domains/d/silver/t.yaml:5:29
              |
            5 |   sequence_by: [at, nn, at, _seq]
              |                             ^^^^
              = hint: leave it out
        "#]],
    );
    check(
        "landing.e",
        "  keys: [k]\n  sequence_by: []\n",
        expect![[r#"
            error: `sequence_by` names no column
             --> domains/d/silver/t.yaml:5:16
              |
            5 |   sequence_by: []
              |                ^
              = hint: name the columns that order the events, or leave it out
        "#]],
    );
    check(
        "landing.e",
        "  keys: [k]\n  sequence_by: { a: b }\n",
        expect![[r#"
            error: `sequence_by` must be a column's name, or a list of columns, found a map
             --> domains/d/silver/t.yaml:5:16
              |
            5 |   sequence_by: { a: b }
              |                ^^^^^^^
        "#]],
    );
}

#[test]
fn snapshots() {
    check(
        "landing.e",
        "  keys: [k]\n  from: snapshots\n",
        expect![[r#"
            error: `from: snapshots` reads full loads, and `landing.e` is `mode: incremental`
             --> domains/d/silver/t.yaml:5:3
              |
            5 |   from: snapshots
              |   ^^^^
              = hint: where each file or reading is the whole table, use `mode: full` in a feed of another `name`; else leave `from` out
        "#]],
    );
    check(
        "landing.s",
        "  keys: [k, v]\n  from: snapshots\n  snapshot_version: \"%Y\"\n  sequence_by: at\n  apply_as_deletes: \"v = 'D'\"\n  ignore_null_updates: true\n",
        expect![[r#"
            error: `v` of `auto_cdc.keys` is not known where a snapshot no longer has a row: of that row bronze keeps the feed's `key`, `k`, `l`
             --> domains/d/silver/t.yaml:2:33
              |
            2 | select: { k: upper(k), l: l, v: v, at: cast(at as date), n: cast(n as bigint) }
              |                                 ^
              = hint: name columns in `keys` that are made of the feed's `key` alone

            error: rows of one snapshot may be of one key: `auto_cdc.keys` is made without `l` of the feed's `key`
             --> domains/d/silver/t.yaml:4:3
              |
            4 |   keys: [k, v]
              |   ^^^^
              = hint: name a column in `keys` that is made of it

            error: `snapshot_version` says nothing with `stored_as_scd_type: 1`
             --> domains/d/silver/t.yaml:6:3
              |
            6 |   snapshot_version: "%Y"
              |   ^^^^^^^^^^^^^^^^
              = hint: remove it, or keep history with type 2

            error: `sequence_by` says nothing with `from: snapshots`
             --> domains/d/silver/t.yaml:7:3
              |
            7 |   sequence_by: at
              |   ^^^^^^^^^^^
              = hint: remove it: snapshots follow each other in the order of their marks

            error: `apply_as_deletes` says nothing with `from: snapshots`
             --> domains/d/silver/t.yaml:8:3
              |
            8 |   apply_as_deletes: "v = 'D'"
              |   ^^^^^^^^^^^^^^^^
              = hint: remove it: what a snapshot no longer has is gone

            error: `ignore_null_updates` says nothing with `from: snapshots`
             --> domains/d/silver/t.yaml:9:3
              |
            9 |   ignore_null_updates: true
              |   ^^^^^^^^^^^^^^^^^^^
              = hint: remove it: a null in a snapshot is the value
        "#]],
    );
    check(
        "db.t",
        "  keys: [k]\n  from: snapshots\n  snapshot_version: \"%Y%m%d\"\n  stored_as_scd_type: 2\n",
        expect![[r#"
            error: the snapshots of `db.t` have no order mark to read a version from: it is a table
             --> domains/d/silver/t.yaml:6:21
              |
            6 |   snapshot_version: "%Y%m%d"
              |                     ^^^^^^^^
              = hint: leave `snapshot_version` out: they are dated by the logical time of their load
        "#]],
    );
    check(
        "landing.u",
        "  keys: [k]\n  from: snapshots\n  stored_as_scd_type: 2\n",
        expect![[r#"
            warning: the ranges of `d_silver.t` begin when karat loads a snapshot: of several that one run loads, only the last holds
             --> domains/d/silver/t.yaml:5:3
              |
            5 |   from: snapshots
              |   ^^^^
              = hint: say how the date is written that `file_order` captures: `snapshot_version: "%Y%m%d"`
        "#]],
    );
    check(
        "landing.u",
        "  keys: [k]\n  from: snapshot\n  snapshot_version: \"%Y%m%d\"\n",
        expect![[r#"
            error: `from` must be `events` or `snapshots`, found `snapshot`
             --> domains/d/silver/t.yaml:5:9
              |
            5 |   from: snapshot
              |         ^^^^^^^^
              = hint: did you mean `snapshots`?

            error: `snapshot_version` says nothing without `from: snapshots`
             --> domains/d/silver/t.yaml:6:3
              |
            6 |   snapshot_version: "%Y%m%d"
              |   ^^^^^^^^^^^^^^^^
              = hint: remove it, or add `from: snapshots`
        "#]],
    );
}

#[test]
fn truncates_and_nulls() {
    check(
        "landing.e",
        "  keys: [k]\n  sequence_by: n\n  valid_from: at\n  stored_as_scd_type: 2\n  apply_as_truncates: \"v = 'T'\"\n  ignore_null_updates: true\n  ignore_null_updates_column_list: [vv]\n",
        expect![[r#"
            error: `apply_as_truncates` does not go with `valid_from`: nobody knows what was dated before it, and came after
             --> domains/d/silver/t.yaml:8:3
              |
            8 |   apply_as_truncates: "v = 'T'"
              |   ^^^^^^^^^^^^^^^^^^
              = hint: order by the date itself: name it first in `sequence_by`, and leave `valid_from` out

            error: `ignore_null_updates` and `ignore_null_updates_column_list` are both given
              --> domains/d/silver/t.yaml:10:3
               |
            10 |   ignore_null_updates_column_list: [vv]
               |   ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
               = hint: keep one

            error: unknown column `vv`
              --> domains/d/silver/t.yaml:10:37
               |
            10 |   ignore_null_updates_column_list: [vv]
               |                                     ^^
               = hint: did you mean `v`?
        "#]],
    );
}

/// What a version was made with is recorded as text, and the project that says the same has the same text.
#[test]
fn recorded_code_is_the_declared_one() {
    for (from, auto_cdc) in [
        (
            "landing.e",
            "  keys: [k, l]\n  sequence_by: [at, n]\n  apply_as_deletes: \"v = 'D'\"\n  apply_as_truncates: \"v = 'T'\"\n  ignore_null_updates_except_column_list: [v]\n  stored_as_scd_type: 2\n  track_history_column_list: [v]\n",
        ),
        (
            "landing.e",
            "  keys: [k]\n  sequence_by: n\n  ignore_null_updates: true\n",
        ),
        (
            "landing.s",
            "  keys: [k, l]\n  from: snapshots\n  snapshot_version: \"%Y%m%d\"\n  stored_as_scd_type: 2\n",
        ),
        ("landing.u", "  keys: [k]\n  from: snapshots\n"),
    ] {
        let project = load_text(&model(from, auto_cdc)).sound().unwrap();
        let declared = &project.models[0];
        let mut code = BTreeMap::from([(declared.name.clone(), declared.code_text().to_owned())]);
        for feed in project.feeds() {
            code.insert(feed.bronze.clone(), feed.code_text());
        }
        let files = recorded_project(&declared.name, &code).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let files: String = files
            .iter()
            .map(|(path, text)| format!("--- {path}\n{text}"))
            .collect();
        write(folder.path(), &files);
        let again = karat_project::load(folder.path(), &|_| None)
            .sound()
            .unwrap();
        assert_eq!(again.models[0].code_text(), declared.code_text());
    }
}
