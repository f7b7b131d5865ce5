//! `karat test`: models on a few rows that are written down, in a lake of their own.

use expect_test::expect;

use crate::project::Project;

fn project(tests: &str) -> Project {
    let project = Project::of(&[
        (
            "karat.yaml",
            "karat: 1\nproject: p\nsources:\n  landing: { type: files, path: landing }\n  db: { type: sqlite, path: shop.db }\n",
        ),
        (
            "domains/d/domain.yaml",
            "domain: d\nfeeds:\n  - { source: landing, name: e, mode: incremental, path: \"in/e_*.csv\", file_order: 'e_(\\d+)', csv: { delimiter: \";\" }, \
             null_values: [N/A], rename: { v: Value } }\n  - { source: db, table: t, mode: incremental, cursor: { column: id }, deletes: none }\n",
        ),
        (
            "domains/d/silver/history.yaml",
            "from: landing.e\nselect: { k: k, v: 'cast(v as decimal(9,2))', at: cast(at as date) }\nexpectations: { positive: { expect: v >= 0, action: quarantine } }\n\
             auto_cdc: { keys: [k], sequence_by: at, stored_as_scd_type: 2, apply_as_deletes: \"op = 'D'\" }\n",
        ),
        (
            "domains/d/silver/typed.yaml",
            "from: db.t\nselect: { id: id, price: 'decimal_from_double(price, 2)', what: what }\nkey: [id]\n",
        ),
        (
            "domains/d/gold/current.sql",
            "select k, v, current_date as day from d_silver.history where __END_AT is null\n",
        ),
        ("domains/d/gold/current.yaml", "key: [k]\n"),
    ]);
    project.write("domains/d/tests/all.yaml", tests);
    project
}

#[test]
fn what_models_make_of_a_few_rows() {
    let project = project(
        "model: d_silver.history
tests:
  - name: a change closes the range before, a delete closes the last
    given:
      landing.e:
        - { k: a, Value: 1.00, at: 2026-01-01, op: I }
        - { k: a, Value: 2.00, at: 2026-01-03, op: I }
        - { k: a, at: 2026-01-05, op: D }
        - { k: \"b \\\"\\n;\", Value: N/A, at: 2026-01-01 }
        - { k: c, Value: -1, at: 2026-01-01 }
        - { k: d, Value: much, at: 2026-01-01 }
    expect:
      - { k: a, v: 2, __START_AT: 2026-01-03, __END_AT: 2026-01-05 }
      - { k: a, v: 1.0, __START_AT: 2026-01-01, __END_AT: 2026-01-03 }
    quarantine:
      - { row: 4, rules: [positive] }
      - { row: 5, rules: [positive] }
      - { row: 6, rules: [_expression] }
  - name: nothing
    given: { landing.e: [] }
    expect: []
    quarantine: []
",
    );
    project.write(
        "domains/d/tests/typed.yaml",
        "model: d_silver.typed
tests:
  - name: what a database keeps as a double is a price
    given: { db.t: [ { id: 1, price: 7.1, what: ~ }, { id: 2, price: 8.25, what: \"\" } ] }
    expect: [ { id: 2, price: 8.25, what: \"\" }, { id: 1, price: 7.10 } ]
",
    );
    project.write(
        "domains/d/tests/current.yaml",
        "model: d_gold.current
tests:
  - name: the day is the test's
    at: 2026-03-31T23:59:59Z
    given: { d_silver.history: [ { k: a, v: 1, __START_AT: 2026-01-01 }, { k: a, v: 0, __START_AT: 2025-01-01, __END_AT: 2026-01-01 } ] }
    expect: [ { k: a, v: 1.00, day: 2026-03-31 } ]
",
    );
    expect![[r#"
        4 tests passed in N s
        --- exit 0
    "#]]
    .assert_eq(&project.karat(&["test"]).text());
    // Neither a lake nor a source came into being, and nothing of the project changed.
    assert!(!project.path("lake").exists() && !project.path(".karat").exists());
    let one = project.karat(&["test", "--select", "d_gold.current"]);
    assert!(one.stdout.starts_with("1 test passed"), "{}", one.text());
    let one = project.karat(&["test", "--name", "double"]);
    assert!(one.stdout.starts_with("1 test passed"), "{}", one.text());
}

#[test]
fn what_is_not_as_expected_is_shown_cell_by_cell() {
    let project = project(
        "model: d_gold.current
tests:
  - name: cells
    given: { d_silver.history: [ { k: a, v: 1, __START_AT: 2026-01-01 }, { k: b, v: 2, __START_AT: 2026-01-01 } ] }
    expect: [ { k: a, v: 3 }, { k: c, v: 2 } ]
  - name: no number
    given: { d_silver.history: [ { k: a, v: one } ] }
    expect: []
  - name: one key twice
    given: { d_silver.history: [ { k: a, __START_AT: 2026-01-01 }, { K: a, __start_at: 2026-01-01 } ] }
    expect: []
  - name: no such column
    given: { d_silver.history: [ { kk: a } ] }
    expect: []
  - name: nobody expects it
    given: { d_silver.history: [ { k: a, v: 1 } ] }
    expect: []
",
    );
    project.write(
        "domains/d/tests/held.yaml",
        "model: d_silver.history
tests:
  - name: held
    given: { landing.e: [ { k: a, Value: 1, at: 2026-01-01 }, { k: b, Value: -1, at: 2026-01-01 } ] }
    quarantine: [ { row: 1, rules: [positive] } ]
  - name: aside
    given: { landing.e: [ { k: a, Value: -1, at: 2026-01-01 } ] }
    expect: [ { k: a, v: -1 } ]
  - name: a slip
    at: yesterday
    given: { landing.e: [ { k: a, Valu: 1, at: 2026-01-01 } ] }
    expect: [ { k: a, v: 1 } ]
  - name: another
    given: { landing.e: [ { k: a, Vv: 1, at: 2026-01-01 } ] }
    expect: [ { k: a, v: 1 } ]
",
    );
    expect![[r#"
        FAILED domains/d/tests/all.yaml:3: cells
          differs     k=a: v 3.00 → 1.00
          unexpected  k=b: v=2.00
          missing     k=c: v=2.00

        FAILED domains/d/tests/all.yaml:6: no number
          row 1 for `d_silver.history`: the value of `v` is no decimal(9,2)
          hint: write it as SQL reads it from text; null is `null`, or leaving it out

        FAILED domains/d/tests/all.yaml:9: one key twice
          two rows that are given for `d_silver.history` have one key (k, __START_AT)
          hint: a table never holds such rows: give one of them another key

        FAILED domains/d/tests/all.yaml:12: no such column
          `d_silver.history` has no column `kk`
          hint: did you mean `k`?

        FAILED domains/d/tests/all.yaml:15: nobody expects it
          unexpected  k=a, v=1.00, day=2000-01-01

        FAILED domains/d/tests/held.yaml:3: held
          quarantine: row 1 (positive) is not held
          quarantine: row 2 (positive) is held, and not expected

        FAILED domains/d/tests/held.yaml:6: aside
          missing     k=a, v=-1.00
          in quarantine: row 1 (positive)

        FAILED domains/d/tests/held.yaml:9: a slip
          `at: yesterday` is no time
          hint: write it like TIME

        FAILED domains/d/tests/held.yaml:13: another
          the rows for `landing.e` have a column `Vv`, which the model does not read
          hint: did you mean `v`?

        9 of 9 tests failed, in N s
        --- exit 1
    "#]]
    .assert_eq(&project.karat(&["test"]).text());
    assert_eq!(
        project.karat(&["run", "--quiet"]).code,
        3,
        "there is no source"
    );
}

#[test]
fn mistakes_in_tests_are_mistakes_of_the_project() {
    let project = project(
        "model: d_gold.curent
tests: []
",
    );
    project.write(
        "domains/d/tests/more.yaml",
        "model: d_gold.current
tests:
  - name: x
    given: { d_silver.typed: [] }
    quarantine: []
  - name: x
    givn: {}
    expect: [ 1 ]
",
    );
    expect![[r#"
        6 mistakes
        --- stderr
        error: domain `d` has no model `d_gold.curent`
         --> domains/d/tests/all.yaml:1:8
          |
        1 | model: d_gold.curent
          |        ^^^^^^^^^^^^^
          = hint: did you mean `d_gold.current`?

        error: `d_gold.current` does not read `d_silver.typed`
         --> domains/d/tests/more.yaml:4:14
          |
        4 |     given: { d_silver.typed: [] }
          |              ^^^^^^^^^^^^^^
          = hint: it reads: d_silver.history

        error: only silver models have a quarantine
         --> domains/d/tests/more.yaml:5:17
          |
        5 |     quarantine: []
          |                 ^
          = hint: leave `quarantine` out

        error: two tests of this file are called `x`
         --> domains/d/tests/more.yaml:6:11
          |
        6 |   - name: x
          |           ^
          = hint: give one another name

        error: unknown key `givn` in a test
         --> domains/d/tests/more.yaml:7:5
          |
        7 |     givn: {}
          |     ^^^^
          = hint: did you mean `given`?

        error: `expect` must be a map of names, found a number
         --> domains/d/tests/more.yaml:8:15
          |
        8 |     expect: [ 1 ]
          |               ^

        --- exit 2
    "#]]
    .assert_eq(&project.karat(&["validate"]).text());
    let none = Project::initial();
    none.remove("domains/shop/tests");
    expect![[r#"
        --- stderr
        error: the project has no tests
        hint: a test of a model is written into `domains/DOMAIN/tests/NAME.yaml`; docs/project.md has the keys
        --- exit 2
    "#]].assert_eq(&none.karat(&["test"]).text());
}
