//! What a run is given beside its inputs (A9): parameters and the business date. They decide what is made again, and are recorded with it.

use std::fs;

use expect_test::expect;
use serde_json::Value;

use crate::project::{Answer, Project};

const KARAT: &str = "karat: 1
project: p
timezone: Europe/Zurich
params:
  rate: { type: 'decimal(9, 4)', default: 1.5 }
  since: { type: date }
  limit: { type: bigint, default: 1000 }
calendar: { holidays: calendar/holidays.csv, business_date: day_before }
sources:
  landing: { type: files, path: landing }
";

/// A silver model that asks for two parameters, a gold model for the business date, one whose check asks, and one that asks for nothing.
fn project() -> Project {
    Project::of(&[
        ("karat.yaml", KARAT),
        (
            "calendar/holidays.csv",
            "date;name\n2026-01-01;New Year\n2026-12-25;Christmas\n",
        ),
        (
            "domains/d/domain.yaml",
            "domain: d\nfeeds:\n  - { source: landing, name: e, mode: incremental, path: \"*.csv\", csv: { delimiter: \";\" } }\n",
        ),
        (
            "domains/d/silver/t.yaml",
            "from: landing.e\nselect: { id: id, v: 'cast(cast(v as decimal(9, 2)) * $rate as decimal(18, 6))', day: cast(day as date) }\n\
             expectations: { recent: { expect: day >= $Since, action: quarantine } }\nkey: [id]\n",
        ),
        (
            "domains/d/silver/plain.yaml",
            "from: landing.e\nselect: { id: id }\nkey: [id]\n",
        ),
        (
            "domains/d/gold/today.sql",
            "select id, v, business_date() as day, business_date() - day as age from d_silver.t\n",
        ),
        ("domains/d/gold/today.yaml", "key: [id]\n"),
        (
            "domains/d/gold/checked.sql",
            "select id from d_silver.plain\n",
        ),
        (
            "domains/d/gold/checked.yaml",
            "key: [id]\nchecks: { few: { sql: 'select id from this where cast(id as bigint) > $limit' } }\n",
        ),
        (
            "landing/a.csv",
            "id;v;day\n1;10.00;2026-10-01\n2;20.00;2026-10-28\n",
        ),
    ])
}

/// What a plan would do, why, and what is given.
fn plan(answer: &Answer) -> String {
    let document = answer.json();
    let steps = document["steps"].as_array().unwrap().iter();
    let steps = steps.map(|step| {
        let of = |key: &str| step[key].as_str().unwrap_or_default();
        format!("{} {}: {}\n", of("table"), of("action"), of("reason"))
    });
    format!("{}given {}\n", steps.collect::<String>(), document["given"])
}

/// The parameters in the receipt of the newest version of a table.
fn recorded(project: &Project, table: &str) -> Value {
    let receipt = project.karat(&["receipt", "show", "--json", table]).json();
    let found = receipt["receipt"]["parameters"].clone();
    match found.is_null() {
        true => receipt["parameters"].clone(),
        false => found,
    }
}

fn rows(project: &Project, sql: &str) -> String {
    project
        .karat(&["query", "--quiet", "--format", "csv", sql])
        .text()
}

#[test]
fn a_value_that_changed_makes_again_what_asks_for_it() {
    let project = project();
    // In Zurich it is Friday already: the last business day before is Thursday.
    let at = ["--at", "2026-10-29T23:30:00Z"];
    let run = |more: &[&str]| {
        let all = [&["run", "--quiet", "--json"], at.as_slice(), more].concat();
        project.karat(&all)
    };
    let planned = |more: &[&str]| {
        let all = [&["plan", "--quiet", "--json"], at.as_slice(), more].concat();
        plan(&project.karat(&all))
    };
    assert_eq!(run(&["--param", "since=2026-10-15"]).code, 0);
    expect![[r#"
        id,v,day,age
        2,30.000000,2026-10-29,1
        --- exit 0
    "#]]
    .assert_eq(&rows(&project, "select id, v, day, age from d_gold.today"));
    // One text and another of the same value are one value.
    expect![[r#"
        d_bronze.landing__e nothing: up to date
        d_silver.plain nothing: up to date
        d_silver.t nothing: up to date
        d_gold.checked nothing: up to date
        d_gold.today nothing: up to date
        given {"$limit":"1000","$rate":"1.5000","$since":"2026-10-15","business_date()":"2026-10-29"}
    "#]]
    .assert_eq(&planned(&[
        "--param",
        "since=2026-10-15",
        "--param",
        "rate=01.50",
    ]));
    expect![[r#"
        d_bronze.landing__e nothing: up to date
        d_silver.plain nothing: up to date
        d_silver.t rebuild: `$since` is 2026-09-01, was 2026-10-15
        d_gold.checked check: its checks ask for a value: `$limit` is 1, was 1000
        d_gold.today rebuild: `d_silver.t` will change
        given {"$limit":"1","$rate":"1.5000","$since":"2026-09-01","business_date()":"2026-10-29"}
    "#]]
    .assert_eq(&planned(&[
        "--param",
        "since=2026-09-01",
        "--param",
        "limit=1",
    ]));
    expect![[r#"
        d_bronze.landing__e nothing: up to date
        d_silver.plain nothing: up to date
        d_silver.t nothing: up to date
        d_gold.checked nothing: up to date
        d_gold.today rebuild: the business date is 2026-10-28, was 2026-10-29
        given {"$limit":"1000","$rate":"1.5000","$since":"2026-10-15","business_date()":"2026-10-28"}
    "#]]
    .assert_eq(&planned(&[
        "--param",
        "since=2026-10-15",
        "--business-date",
        "2026-10-28",
    ]));
    let text = project.karat(&[
        "plan",
        "--quiet",
        at[0],
        at[1],
        "--param",
        "since=2026-10-15",
        "--param",
        "rate=2",
    ]);
    expect![[r#"
        given   $limit = 1000, $rate = 2.0000, $since = 2026-10-15, business_date() = 2026-10-29
        step    table                would    because                        reads            takes
        load    d_bronze.landing__e  nothing  up to date
        silver  d_silver.plain       nothing  up to date
        silver  d_silver.t           rebuild  `$rate` is 2.0000, was 1.5000  2 rows, 3,141 B  about N s
        gold    d_gold.checked       nothing  up to date
        gold    d_gold.today         rebuild  `d_silver.t` will change       1 row, 719 B     about N s
        2 steps to do, about N s; nothing was written
        --- exit 0
    "#]].assert_eq(&text.text());
    let again = run(&["--param", "since=2026-09-01", "--param", "rate=2"]);
    assert_eq!(again.code, 0, "{}", again.text());
    expect![[r#"
        id,v,day,age
        1,20.000000,2026-10-29,28
        2,40.000000,2026-10-29,1
        --- exit 0
    "#]]
    .assert_eq(&rows(&project, "select id, v, day, age from d_gold.today"));
    // Each receipt has what its model asks for, and no more.
    let of = |table: &str| recorded(&project, table).to_string();
    expect![[r#"
        d_silver.t {"$rate":"2.0000","$since":"2026-09-01"}
        d_silver.plain {}
        d_gold.today {"business_date()":"2026-10-29"}
        d_bronze.landing__e {}"#]]
    .assert_eq(
        &[
            "d_silver.t",
            "d_silver.plain",
            "d_gold.today",
            "d_bronze.landing__e",
        ]
        .map(|table| format!("{table} {}", of(table)))
        .join("\n"),
    );
    // A key of a run stands for what it was given, too.
    let keyed = run(&[
        "--run-key",
        "k",
        "--param",
        "since=2026-09-01",
        "--param",
        "rate=2",
    ]);
    assert_eq!(keyed.code, 0, "{}", keyed.text());
    let other = run(&["--run-key", "k", "--param", "since=2026-09-01"]);
    assert_eq!(other.code, 2, "{}", other.text());
    assert!(
        other
            .stderr
            .contains("another `--select`, `--param` or `--business-date`"),
        "{}",
        other.stderr
    );
}

/// A check is no part of the code (C7): its values decide when it is made again.
#[test]
fn a_check_is_made_again_with_another_value() {
    let project = project();
    let run = |limit: &str| {
        project.karat(&[
            "run",
            "--quiet",
            "--at",
            "2026-10-30T06:00:00Z",
            "--param",
            "since=2026-01-01",
            "--param",
            limit,
        ])
    };
    assert_eq!(run("limit=1000").code, 0);
    let broken = run("limit=1");
    assert_eq!(broken.code, 1);
    expect![[r#"
                table           version   time  rows
        failed  d_gold.checked           N s
        run RUN: 0 tables written, 4 unchanged, 1 failed, N s
        head DIGEST
        --- stderr
        error: version 0 of `d_gold.checked` is not what it should be: check `few`: its query finds 1 row: key DIGEST
        hint: the version stays as it is; correct the rows where they come from, the table that the check reads, or the check
        --- exit 1
    "#]].assert_eq(&broken.text());
    // That it held with this value is noted.
    assert_eq!(run("limit=50").code, 0);
    let notes = project.lake_files();
    let notes = notes
        .iter()
        .filter(|name| name.starts_with("_karat/audits/"));
    assert_eq!(notes.count(), 1);
    assert_eq!(run("limit=50").code, 0);
}

/// Replay and explain take the recorded values, whatever the project says today (A8).
#[test]
fn recorded_values_make_the_version_again() {
    let project = project();
    let run = project.karat(&[
        "run",
        "--quiet",
        "--param",
        "since=2026-10-15",
        "--param",
        "rate=0.5",
        "--business-date",
        "2026-10-30",
    ]);
    assert_eq!(run.code, 0, "{}", run.text());
    project.write("karat.yaml", "karat: 1\nproject: p\ntimezone: Europe/Zurich\nsources:\n  landing: { type: files, path: landing }\n");
    project.remove("calendar");
    let replayed = project.karat(&["replay", "--json", "--quiet"]);
    assert_eq!(replayed.code, 0, "{}", replayed.text());
    assert_eq!(replayed.json()["tables"].as_array().unwrap().len(), 4);
    let explained = project.karat(&["explain", "--quiet", "d_gold.today"]);
    assert_eq!(explained.code, 0, "{}", explained.text());
    assert!(explained.stdout.contains("10.00"), "{}", explained.text());
}

#[test]
fn what_is_wrong_with_given_values_is_said_before_anything_runs() {
    let project = project();
    let told = |arguments: &[&str]| {
        let answer = project.karat(arguments);
        assert_eq!(answer.code, 2, "{}", answer.text());
        assert!(project.lake_files().is_empty());
        answer.text()
    };
    let at = "2026-10-30T06:00:00Z";
    expect![[r#"
        --- stderr
        error: `$since` has no value, and `d_silver.t` asks for it
        hint: give it by `--param since=VALUE`, or its `default` in karat.yaml
        --- exit 2
    "#]]
    .assert_eq(&told(&["run", "--at", at]));
    expect![[r#"
        --- stderr
        error: `sinze` is no parameter of the project
        hint: did you mean `since`?
        --- exit 2
    "#]]
    .assert_eq(&told(&["plan", "--at", at, "--param", "sinze=2026-01-01"]));
    expect![[r#"
        --- stderr
        error: `--param since=1.1.2026`: `1.1.2026` is no date
        hint: write it like `--param since=2026-10-30`
        --- exit 2
    "#]]
    .assert_eq(&told(&["run", "--param", "since=1.1.2026"]));
    expect![[r#"
        --- stderr
        error: `since:date` is no parameter of the project
        hint: the type of a parameter stands in karat.yaml: leave it out here
        --- exit 2
    "#]]
    .assert_eq(&told(&["run", "--param", "since:date=2026-01-01"]));
    expect![[r#"
        --- stderr
        error: `--param rate=1.00005`: `1.00005` is no decimal(9, 4)
        hint: write it like `--param rate=1.05`
        --- exit 2
    "#]]
    .assert_eq(&told(&["run", "--param", "rate=1.00005"]));
    expect![[r#"
        --- stderr
        error: the parameter `rate` is given twice
        hint: give each once
        --- exit 2
    "#]]
    .assert_eq(&told(&["run", "--param", "rate=1", "--param", "rate=2"]));
    expect![[r#"
        --- stderr
        error: `--param since` gives no value
        hint: write it like `--param day=2026-01-31`
        --- exit 2
    "#]]
    .assert_eq(&told(&["validate", "--param", "since"]));
    expect![[r#"
        --- stderr
        error: invalid value '30.10.2026' for '--business-date <DATE>': write a day like 2026-10-30

        hint: `karat help` shows what there is
        --- exit 2
    "#]]
    .assert_eq(&told(&["run", "--business-date", "30.10.2026"]));
    // A calendar without the day (A9).
    let of_2028 = [
        "run",
        "--param",
        "since=2026-01-01",
        "--at",
        "2028-01-03T06:00:00Z",
    ];
    expect![[r#"
        --- stderr
        error: `d_gold.today` asks for the business date, and the calendar does not cover 2028-01-02: its holidays (calendar/holidays.csv) are those of 2026
        hint: add the holidays of 2028 to calendar/holidays.csv, or give `--business-date`
        --- exit 2
    "#]].assert_eq(&told(&of_2028));
    // The first day's own is covered, the one before it is not.
    expect![[r#"
        --- stderr
        error: `d_gold.today` asks for the business date, and the calendar does not cover 2025-12-31: its holidays (calendar/holidays.csv) are those of 2026
        hint: add the holidays of 2025 to calendar/holidays.csv, or give `--business-date`
        --- exit 2
    "#]].assert_eq(&told(&[
        "run",
        "--param",
        "since=2026-01-01",
        "--at",
        "2026-01-01T06:00:00Z",
    ]));
    // What asks for nothing is not kept from running.
    let plain = project.karat(&["run", "--quiet", "--select", "+d_gold.checked"]);
    assert_eq!(plain.code, 0, "{}", plain.text());
    assert_eq!(project.karat(&["validate"]).code, 0);
}

#[test]
fn a_test_states_its_values() {
    let project = project();
    project.write(
        "domains/d/tests/today.yaml",
        "model: d_gold.today
tests:
  - name: the age of a row
    business_date: 2026-10-30
    given: { d_silver.t: [ { id: a, day: 2026-10-01 } ] }
    expect: [ { id: a, day: 2026-10-30, age: 29 } ]
  - name: by the calendar
    at: 2026-11-02T12:00:00Z
    given: { d_silver.t: [ { id: a, day: 2026-10-30 } ] }
    expect: [ { id: a, day: 2026-10-30, age: 0 } ]
  - name: without a day
    given: { d_silver.t: [ { id: a } ] }
    expect: [ { id: a } ]
",
    );
    project.write(
        "domains/d/tests/t.yaml",
        "model: d_silver.t
tests:
  - name: another rate
    params: { rate: 2, since: 2026-01-01 }
    given: { landing.e: [ { id: a, v: 1, day: 2026-01-01 }, { id: b, v: 1, day: 2025-12-31 } ] }
    expect: [ { id: a, v: 2 } ]
    quarantine: [ { row: 2, rules: [recent] } ]
  - name: the default
    params: { since: 2026-01-01 }
    given: { landing.e: [ { id: a, v: 1, day: 2026-01-01 } ] }
    expect: [ { id: a, v: 1.5 } ]
",
    );
    expect![[r#"
        FAILED domains/d/tests/today.yaml:11: without a day
          `d_gold.today` asks for the business date, and the calendar does not cover 1999-12-31: its holidays (calendar/holidays.csv) are those of 2026
          hint: a test states it: `params: { NAME: VALUE }`, `business_date: 2026-10-30`

        1 of 5 tests failed, in N s
        --- exit 1
    "#]].assert_eq(&project.karat(&["test"]).text());
    let day = project.karat(&["test", "--quiet", "--business-date", "2026-10-30"]);
    assert_eq!(day.code, 0, "{}", day.text());
}

/// A query knows the project's parameters by their types, and its business date.
#[test]
fn a_query_has_the_values_of_the_project() {
    let project = project();
    let at = "2026-10-30T06:00:00Z";
    let ask = |arguments: &[&str]| {
        let all = [&["query", "--format", "csv", "--at", at], arguments].concat();
        project.karat(&all).text()
    };
    expect![[r#"
        rate,n,day
        1.5000,1001,2026-10-29
        --- exit 0
    "#]]
    .assert_eq(&ask(&[
        "select $rate as rate, $limit + 1 as n, business_date() as day",
    ]));
    expect![[r#"
        rate,day
        2.0000,2026-10-28
        --- exit 0
    "#]]
    .assert_eq(&ask(&[
        "--param",
        "rate=2",
        "--business-date",
        "2026-10-28",
        "select $rate as rate, business_date() as day",
    ]));
    expect![[r#"
        --- stderr
        error: `$rat` has no value
         --> line 1, column 8
          |
        1 | select $rat as rate
          |        ^
        hint: there are $limit, $rate, $since
        --- exit 2
    "#]]
    .assert_eq(&ask(&["select $rat as rate"]));
    expect![[r#"
        --- stderr
        error: `business_date` takes no argument
         --> line 1, column 8
          |
        1 | select business_date(1) as day
          |        ^
        hint: write business_date()
        --- exit 2
    "#]]
    .assert_eq(&ask(&["select business_date(1) as day"]));
    let nowhere = Project::empty();
    let outside = nowhere.karat(&["query", "select business_date() as day"]);
    expect![[r#"
        --- stderr
        error: there is no business date
         --> line 1, column 8
          |
        1 | select business_date() as day
          |        ^
        hint: give it by `--business-date 2026-10-30`, or declare a `calendar` in karat.yaml
        --- exit 2
    "#]]
    .assert_eq(&outside.text());
    assert!(fs::read_dir(nowhere.path("")).unwrap().next().is_none());
}

/// A part of an incremental model is one of the same values; another value makes all of it (A7).
#[test]
fn an_incremental_model_keeps_its_value() {
    let project = project();
    project.write(
        "domains/d/gold/today.sql",
        "select id, max(v) * $rate as v from d_silver.t group by id\n",
    );
    project.write(
        "domains/d/gold/today.yaml",
        "key: [id]\nincremental: { by: [id] }\n",
    );
    let run = |rate: &str| {
        let run = project.karat(&[
            "run",
            "--json",
            "--quiet",
            "--business-date",
            "2026-10-30",
            "--param",
            "since=2026-01-01",
            "--param",
            rate,
        ]);
        assert_eq!(run.code, 0, "{}", run.text());
        let steps = run.json()["steps"].as_array().unwrap().clone();
        let of = steps.iter().find(|step| step["table"] == "d_gold.today");
        of.unwrap()["how"].as_str().unwrap_or("current").to_owned()
    };
    assert_eq!(run("rate=1"), "rebuild: first version");
    project.write("landing/b.csv", "id;v;day\n3;30.00;2026-10-29\n");
    expect!["incremental: 1 of 3 `id`: `d_silver.t` changed"].assert_eq(&run("rate=1"));
    expect!["rebuild: `$rate` is 2.0000, was 1.0000"].assert_eq(&run("rate=2"));
    expect!["current"].assert_eq(&run("rate=2.0"));
    let rebuilt = project.karat(&["replay", "--quiet", "--rebuild", "d_gold.today"]);
    assert_eq!(rebuilt.code, 0, "{}", rebuilt.text());
}
