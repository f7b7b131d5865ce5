//! Closed business days (A8): tags, what they keep from changing, and what was known when.

use std::fs;

use expect_test::expect;

use crate::project::{Answer, Project};
use crate::running::Running;

fn project() -> Project {
    Project::of(&[
        (
            "karat.yaml",
            "karat: 1\nproject: p\nsources:\n  landing: { type: files, path: landing }\ncalendar: {}\n",
        ),
        (
            "domains/d/domain.yaml",
            "domain: d\nfeeds:\n  - { source: landing, name: e, mode: incremental, path: \"*.csv\" }\n",
        ),
        (
            "domains/d/silver/entries.yaml",
            "from: landing.e\nselect: { id: id, book_date: cast(book_date as date), amount: 'cast(amount as decimal(9, 2))', seq: cast(seq as bigint) }\n\
             auto_cdc: { keys: [id], sequence_by: seq }\nbusiness_day: book_date\n",
        ),
        (
            "domains/d/silver/history.yaml",
            "from: landing.e\nselect: { id: id, amount: 'cast(amount as decimal(9, 2))', seq: cast(seq as bigint), since: cast(book_date as timestamp) }\n\
             auto_cdc: { keys: [id], sequence_by: seq, valid_from: since, stored_as_scd_type: 2 }\n",
        ),
        (
            "domains/d/gold/daily.sql",
            "select book_date, sum(amount) as amount from d_silver.entries group by book_date\n",
        ),
        (
            "domains/d/gold/daily.yaml",
            "key: [book_date]\nbusiness_day: book_date\n",
        ),
        (
            "domains/d/gold/total.sql",
            "select 1 as one, sum(amount) as amount from d_silver.entries\n",
        ),
        ("domains/d/gold/total.yaml", "key: [one]\n"),
        (
            "landing/a.csv",
            "id,book_date,amount,seq\n1,2026-10-28,10.00,1\n2,2026-10-29,20.00,2\n",
        ),
    ])
}

/// A run of the evening of a day.
fn run(project: &Project, day: &str, more: &[&str]) -> Answer {
    let at = format!("{day}T20:00:00Z");
    project.karat(&[&["run", "--quiet", "--at", &at], more].concat())
}

fn close(project: &Project, day: &str, at: &str) -> Answer {
    project.karat(&["close", day, "--at", at])
}

fn ask(project: &Project, arguments: &[&str]) -> String {
    project
        .karat(&[&["query", "--quiet", "--format", "csv"], arguments].concat())
        .text()
}

#[test]
fn rows_of_a_closed_day_change_only_with_a_reason() {
    let project = project();
    assert_eq!(run(&project, "2026-10-29", &[]).code, 0);
    expect![[r#"
        closed 2026-10-29: the tag `2026-10-29` names 5 tables
        head DIGEST
        --- exit 0
    "#]]
    .assert_eq(&close(&project, "2026-10-29", "2026-10-29T21:00:00Z").text());
    // A day later: new rows are no change of what was closed, nor is a figure over all days.
    project.write(
        "landing/b.csv",
        "id,book_date,amount,seq\n3,2026-10-30,5.00,3\n",
    );
    let next = run(&project, "2026-10-30", &[]);
    assert_eq!(next.code, 0, "{}", next.text());
    // A correction of an entry of the closed day.
    project.write(
        "landing/c.csv",
        "id,book_date,amount,seq\n2,2026-10-29,22.00,4\n",
    );
    let refused = run(&project, "2026-10-30", &[]);
    expect![[r#"
                 table                version   time  rows
        done     d_bronze.landing__e        2  N s  1 read = 1 kept
        failed   d_silver.entries              N s
        done     d_silver.history           2  N s  4 read = 3 kept
                                                      + 1 superseded   rebuild: late or tied events reach behind what the table has taken in
        skipped  d_gold.daily                  N s
        skipped  d_gold.total                  N s
        sources 1 read = 1 kept; silver 4 read = 3 kept + 1 superseded
        run RUN: 2 tables written, 0 unchanged, 1 failed, 2 skipped, N s
        head DIGEST
        --- stderr
        error: `d_silver.entries` was not committed: it changes rows of 2026-10-29, and business days up to 2026-10-29 are closed; version 1 stays
        hint: nothing was written; if what was reported is to be corrected, run again with `--restate REASON`, which the receipt will state
        --- exit 1
    "#]].assert_eq(&refused.text());
    expect![[r#"
        book_date,amount
        2026-10-28,10.00
        2026-10-29,20.00
        2026-10-30,5.00
        --- exit 0
    "#]]
    .assert_eq(&ask(&project, &["select * from d_gold.daily"]));
    let restated = run(
        &project,
        "2026-10-30",
        &["--restate", "invoice 2 was wrong"],
    );
    expect![[r#"
              table             version   time  rows
        done  d_silver.entries        2  N s  1 read = 1 kept   incremental: 1 new load
        done  d_gold.daily            2  N s  3 read, 3 written   rebuild: `d_silver.entries` changed
        done  d_gold.total            2  N s  3 read, 1 written   rebuild: `d_silver.entries` changed
        silver 1 read = 1 kept
        run RUN: 3 tables written, 2 unchanged, N s
        head DIGEST
        --- exit 0
    "#]].assert_eq(&restated.text());
    let receipt = |table: &str| {
        let receipt = project.karat(&["receipt", "show", "--json", table]).json();
        let receipt = match receipt["receipt"].is_null() {
            true => receipt,
            false => receipt["receipt"].clone(),
        };
        format!("{table} {} {}", receipt["reason"], receipt["restated"])
    };
    expect![[r#"
        d_silver.entries "invoice 2 was wrong" ["2026-10-29"]
        d_gold.daily "invoice 2 was wrong" ["2026-10-29"]
        d_gold.total null null"#]]
    .assert_eq(
        &["d_silver.entries", "d_gold.daily", "d_gold.total"]
            .map(receipt)
            .join("\n"),
    );
    // What was closed is still to be read, and compared.
    expect![[r#"
        book_date,amount
        2026-10-28,10.00
        2026-10-29,20.00
        --- exit 0
    "#]]
    .assert_eq(&ask(
        &project,
        &["--as-of", "2026-10-29", "select * from d_gold.daily"],
    ));
    let diff = project.karat(&["diff", "d_gold.daily@2026-10-29", "d_gold.daily"]);
    expect![[r#"
        d_gold.daily@0 → d_gold.daily@2, by book_date
        rows 2 → 3: 1 added, 0 removed, 1 changed, 1 equal

        column  rows  old sum  new sum  difference
        amount     1    30.00    37.00        7.00

        changed  book_date=2026-10-29: amount 20.00 → 22.00
        added    book_date=2026-10-30: amount=5.00
        --- exit 0
    "#]]
    .assert_eq(&diff.text());
    // A run for the closed day itself changes no table without a day column either.
    project.write(
        "domains/d/gold/total.sql",
        "select 1 as one, sum(amount) + 1 as amount from d_silver.entries\n",
    );
    let of_day = run(&project, "2026-10-30", &["--business-date", "2026-10-29"]);
    expect![[r#"
                table         version   time  rows
        failed  d_gold.total           N s
        run RUN: 0 tables written, 4 unchanged, 1 failed, N s
        head DIGEST
        --- stderr
        error: `d_gold.total` was not committed: it changes rows of 2026-10-29, and business days up to 2026-10-29 are closed; version 2 stays
        hint: nothing was written; if what was reported is to be corrected, run again with `--restate REASON`, which the receipt will state
        --- exit 1
    "#]].assert_eq(&of_day.text());
    let plan = project.karat(&[
        "plan",
        "--quiet",
        "--business-date",
        "2026-10-29",
        "--at",
        "2026-10-30T21:00:00Z",
    ]);
    assert_eq!(plan.code, 0, "{}", plan.text());
    let verified = project.karat(&["verify", "--quiet"]);
    assert_eq!(verified.code, 0, "{}", verified.text());
}

#[test]
fn a_day_is_closed_when_nothing_of_it_is_left_to_do() {
    let project = project();
    let late = "2026-11-03T06:00:00Z";
    let told = |day: &str, at: &str| close(&project, day, at).text();
    expect![[r#"
        --- stderr
        error: 2026-10-29 cannot be closed: the lake has no tables
        hint: `karat run` makes them
        --- exit 2
    "#]]
    .assert_eq(&told("2026-10-29", late));
    assert_eq!(run(&project, "2026-10-29", &[]).code, 0);
    expect![[r#"
        --- stderr
        error: 2026-10-31 cannot be closed: it is no business day by the project's calendar
        hint: close the last business day: it closes all days before, too
        --- exit 2
    "#]]
    .assert_eq(&told("2026-10-31", late));
    expect![[r#"
        --- stderr
        error: 2026-11-04 cannot be closed: it has not come yet
        hint: close a day that is over
        --- exit 2
    "#]]
    .assert_eq(&told("2026-11-04", late));
    project.write(
        "landing/b.csv",
        "id,book_date,amount,seq\n3,2026-10-30,5.00,3\n",
    );
    expect![[r#"
        --- stderr
        error: 2026-10-29 cannot be closed: 5 steps are not done: `d_bronze.landing__e` (load: 1 new object), `d_silver.entries` (incremental: `d_bronze.landing__e` is loaded before it), `d_silver.history` (incremental: `d_bronze.landing__e` is loaded before it), `d_gold.daily` (rebuild: `d_silver.entries` will change), `d_gold.total` (rebuild: `d_silver.entries` will change)
        hint: bring it to an end first: `karat run --business-date 2026-10-29`
        --- exit 1
    "#]].assert_eq(&told("2026-10-29", late));
    assert_eq!(run(&project, "2026-10-30", &[]).code, 0);
    assert_eq!(close(&project, "2026-10-30", late).code, 0);
    expect![[r#"
        --- stderr
        error: 2026-10-30 cannot be closed: it is closed already, by tester@vm at TIME, and no table has changed since
        hint: there is nothing to do
        --- exit 2
    "#]].assert_eq(&told("2026-10-30", late));
    expect![[r#"
        --- stderr
        error: 2026-10-29 cannot be closed: 2026-10-30 is closed already, and with it the days before
        hint: `karat status` tells the last close
        --- exit 2
    "#]].assert_eq(&told("2026-10-29", late));
    // After a restatement the day can be closed once more, and both tags stay.
    project.write(
        "landing/c.csv",
        "id,book_date,amount,seq\n3,2026-10-30,6.00,4\n",
    );
    assert_eq!(run(&project, "2026-10-30", &["--restate", "late"]).code, 0);
    expect![[r#"
        closed 2026-10-30: the tag `2026-10-30.2` names 5 tables
        head DIGEST
        --- exit 0
    "#]]
    .assert_eq(&told("2026-10-30", late));
    let of = |tag: &str| {
        ask(
            &project,
            &[
                "--as-of",
                tag,
                "select amount from d_silver.entries where id = '3'",
            ],
        )
    };
    expect![[r#"
        amount
        5.00
        --- exit 0
        amount
        6.00
        --- exit 0
    "#]]
    .assert_eq(&(of("2026-10-30") + &of("2026-10-30.2")));
    let status = project.karat(&["status", "--json"]).json();
    expect![[r#""2026-10-30.2""#]].assert_eq(&status["closed"]["tag"].to_string());
    // A tag that is gone is missed: the manifest of a later run names it.
    let second = project.path("lake/_karat/tags/2026-10-30.2.json");
    let bytes = fs::read(&second).unwrap();
    project.write(
        "landing/d.csv",
        "id,book_date,amount,seq\n4,2026-11-02,6.00,5\n",
    );
    assert_eq!(run(&project, "2026-11-02", &[]).code, 0);
    fs::remove_file(&second).unwrap();
    let verified = project.karat(&["verify", "--quiet", "--signatures"]);
    assert_eq!(verified.code, 1, "{}", verified.text());
    assert!(
        verified.text().contains("a manifest names this tag"),
        "{}",
        verified.text()
    );
    fs::write(&second, bytes).unwrap();
    // A tag that was altered.
    let path = project.path("lake/_karat/tags/2026-10-30.json");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replacen('e', "f", 1)).unwrap();
    let verified = project.karat(&["verify", "--quiet"]);
    assert_eq!(verified.code, 1, "{}", verified.text());
    assert!(
        verified.text().contains("2026-10-30.json"),
        "{}",
        verified.text()
    );
}

/// Valid at a day, as known at a time: the history of today's knowledge, and of what was known when the day was closed.
#[test]
fn valid_at_a_day_as_known_at_a_time() {
    let project = project();
    assert_eq!(run(&project, "2026-10-29", &[]).code, 0);
    assert_eq!(
        close(&project, "2026-10-29", "2026-10-29T21:00:00Z").code,
        0
    );
    // Known a day later: entry 2 had another amount from the 29th on.
    project.write(
        "landing/c.csv",
        "id,book_date,amount,seq\n2,2026-10-29,22.00,4\n",
    );
    assert_eq!(run(&project, "2026-10-30", &[]).code, 1);
    let valid = "select id, amount from d_silver.history \
                 where __start_at <= timestamp '2026-10-29' and (__end_at > timestamp '2026-10-29' or __end_at is null)";
    expect![[r#"
        id,amount
        1,10.00
        2,20.00
        --- exit 0
    "#]]
    .assert_eq(&ask(&project, &["--as-of", "2026-10-29", valid]));
    expect![[r#"
        id,amount
        1,10.00
        2,20.00
        --- exit 0
    "#]]
    .assert_eq(&ask(&project, &["--as-of", "2026-10-29T20:00:00Z", valid]));
    expect![[r#"
        id,amount
        1,10.00
        2,22.00
        --- exit 0
    "#]]
    .assert_eq(&ask(&project, &[valid]));
}

#[test]
fn a_day_column_is_a_day() {
    let project = project();
    project.write(
        "domains/d/gold/total.yaml",
        "key: [one]\nbusiness_day: one\n",
    );
    expect![[r#"
        1 mistake
        --- stderr
        error: `business_day: one` is a bigint: it must be a date or a timestamp
         --> domains/d/gold/total.sql:1:1
          |
        1 | select 1 as one, sum(amount) as amount from d_silver.entries
          | ^
          = hint: name a column that says to which day a row belongs

        --- exit 2
    "#]]
    .assert_eq(&project.karat(&["validate"]).text());
    project.write(
        "domains/d/gold/total.yaml",
        "key: [one]\nbusiness_day: two\n",
    );
    expect![[r#"
        1 mistake
        --- stderr
        error: unknown column `two`
         --> domains/d/gold/total.yaml:2:15
          |
        2 | business_day: two
          |               ^^^
          = hint: it must be a column of the model

        --- exit 2
    "#]]
    .assert_eq(&project.karat(&["validate"]).text());
}

/// A8: the closed days of a table stay those of the column by which they were closed.
#[test]
fn a_closed_day_does_not_follow_the_yaml() {
    let project = project();
    assert_eq!(run(&project, "2026-10-29", &[]).code, 0);
    assert_eq!(
        close(&project, "2026-10-29", "2026-10-29T21:00:00Z").code,
        0
    );
    let silver = fs::read_to_string(project.path("domains/d/silver/entries.yaml")).unwrap();
    let without = silver.replace("business_day: book_date\n", "");
    let another = without.replace(
        "amount: 'cast",
        "later: cast('2099-01-01' as date), amount: 'cast",
    ) + "business_day: later\n";
    project.write(
        "landing/c.csv",
        "id,book_date,amount,seq\n2,2026-10-29,22.00,4\n",
    );
    for text in [&without, &another] {
        let changed = Project::copy_of(&project);
        changed.write("domains/d/silver/entries.yaml", text);
        let refused = run(&changed, "2026-10-30", &[]);
        assert_eq!(refused.code, 1, "{}", refused.text());
        assert!(
            refused
                .stderr
                .contains("`d_silver.entries` was not committed: it changes rows of 2026-10-2"),
            "{}",
            refused.stderr
        );
    }
    // Who closes by another column is told.
    project.write("domains/d/silver/entries.yaml", &without);
    assert_eq!(run(&project, "2026-10-30", &["--restate", "late"]).code, 0);
    expect![[r#"
        closed 2026-10-30: the tag `2026-10-30` names 5 tables
        head DIGEST
        --- stderr
        note: the days of `d_silver.entries` were closed by its column `book_date`, and are closed by no column from now on
        --- exit 0
    "#]]
    .assert_eq(&close(&project, "2026-10-30", "2026-10-30T21:00:00Z").text());
}

/// A8, F2: the day of an instant is that of the project's zone.
#[test]
fn the_day_of_an_instant_is_local() {
    let project = project();
    let karat = fs::read_to_string(project.path("karat.yaml")).unwrap();
    project.write("karat.yaml", &(karat + "timezone: America/New_York\n"));
    project.write(
        "domains/d/silver/entries.yaml",
        "from: landing.e\nselect: { id: id, at: cast(book_date as timestamp with time zone), book_date: cast(cast(book_date as timestamp with time zone) as date), amount: 'cast(amount as decimal(9, 2))', seq: cast(seq as bigint) }\n\
         auto_cdc: { keys: [id], sequence_by: seq }\nbusiness_day: at\n",
    );
    // In New York it is the evening of the 29th.
    project.write(
        "landing/a.csv",
        "id,book_date,amount,seq\n1,2026-10-30T02:00:00Z,10.00,1\n2,2026-10-30T12:00:00Z,20.00,2\n",
    );
    let ran = run(&project, "2026-10-30", &[]);
    assert_eq!(ran.code, 0, "{}", ran.text());
    assert_eq!(
        close(&project, "2026-10-29", "2026-10-30T21:00:00Z").code,
        0
    );
    project.write(
        "landing/b.csv",
        "id,book_date,amount,seq\n2,2026-10-30T12:00:00Z,21.00,3\n",
    );
    let open = run(&project, "2026-10-30", &[]);
    assert_eq!(open.code, 0, "{}", open.text());
    project.write(
        "landing/c.csv",
        "id,book_date,amount,seq\n1,2026-10-30T02:00:00Z,11.00,4\n",
    );
    let refused = run(&project, "2026-10-30", &[]);
    assert!(
        refused.stderr.contains("it changes rows of 2026-10-29,"),
        "{}",
        refused.text()
    );
}

/// A8: from its plan to the tag nobody commits to a table beside a close.
#[test]
fn a_close_and_an_undo_wait_for_each_other() {
    let project = project();
    let first = project.karat(&["run", "--quiet", "--json", "--at", "2026-10-29T20:00:00Z"]);
    let first = first.json()["run_id"].as_str().unwrap().to_owned();
    let undo = ["undo", &first, "--reason", "a bad file"];
    let stopped = Running::stopped_at(&project, &undo, "put.before", 1);
    let locked = close(&project, "2026-10-29", "2026-10-29T21:00:00Z");
    assert_eq!(locked.code, 5, "{}", locked.text());
    assert_eq!(stopped.go_on().code, 0);
    let project = self::project();
    let first = project.karat(&["run", "--quiet", "--json", "--at", "2026-10-29T20:00:00Z"]);
    let first = first.json()["run_id"].as_str().unwrap().to_owned();
    let closing = ["close", "2026-10-29", "--at", "2026-10-29T21:00:00Z"];
    let stopped = Running::stopped_at(&project, &closing, "tag.before", 1);
    let locked = project.karat(&["undo", &first, "--reason", "a bad file"]);
    assert_eq!(locked.code, 5, "{}", locked.text());
    assert_eq!(stopped.go_on().code, 0);
    let refused = project.karat(&["undo", &first, "--reason", "a bad file"]);
    assert_eq!(refused.code, 2, "{}", refused.text());
}

/// A table that nobody can bring back is in nobody's way (A8).
#[test]
fn a_table_that_is_gone_and_undeclared_is_left_out() {
    let project = project();
    assert_eq!(run(&project, "2026-10-29", &[]).code, 0);
    project.remove("lake/d/gold/total");
    project.remove("domains/d/gold/total.sql");
    project.remove("domains/d/gold/total.yaml");
    expect![[r#"
        closed 2026-10-29: the tag `2026-10-29` names 4 tables
        head DIGEST
        --- stderr
        note: `d_gold.total` is not in the tag: its folder is gone, and the project no longer declares it
        --- exit 0
    "#]]
    .assert_eq(&close(&project, "2026-10-29", "2026-10-29T21:00:00Z").text());
    // Days have four digits of a year: none after them is closed by a slip of the hand.
    let far = close(&project, "+10000-01-01", "2026-10-29T21:00:00Z");
    assert_eq!(far.code, 2, "{}", far.text());
    assert!(far.stderr.contains("+10000-01-01"), "{}", far.stderr);
}

/// A rehearsal ends as the run would (A7, A8).
#[test]
fn a_rehearsal_foresees_that_a_day_is_closed() {
    let project = project();
    assert_eq!(run(&project, "2026-10-29", &[]).code, 0);
    assert_eq!(
        close(&project, "2026-10-29", "2026-10-29T21:00:00Z").code,
        0
    );
    let sql =
        "select book_date, sum(amount) + 1 as amount from d_silver.entries group by book_date\n";
    project.write("domains/d/gold/daily.sql", sql);
    let rehearse = |project: &Project| project.karat(&["plan", "--quiet", "--rehearse"]);
    let refused = rehearse(&project);
    assert_eq!(refused.code, 1, "{}", refused.text());
    let ran = run(&project, "2026-10-30", &[]);
    assert_eq!(ran.code, 1, "{}", ran.text());
    let error =
        "error: `d_gold.daily` was not committed: it changes rows of 2026-10-28, 2026-10-29, and";
    assert!(refused.stderr.contains(error), "{}", refused.stderr);
    assert!(ran.stderr.contains(error), "{}", ran.stderr);
    // Other rows of the closed days may be made in another way.
    project.write(
        "domains/d/gold/daily.sql",
        "select book_date, sum(amount + 0) as amount from d_silver.entries group by book_date\n",
    );
    let same = rehearse(&project);
    assert_eq!(same.code, 0, "{}", same.text());
}

/// Whether a table that is read whole has changed since may not be known: that is no reason to leave a day open.
#[test]
fn a_day_is_closed_over_feeds_that_are_read_whole() {
    let project = Project::of(&[
        (
            "karat.yaml",
            "karat: 1\nproject: p\nsources:\n  db: { type: sqlite, path: shop.db }\ncalendar: {}\n",
        ),
        (
            "domains/d/domain.yaml",
            "domain: d\nfeeds:\n  - { source: db, table: o, mode: full }\n  - { source: db, table: k, mode: full, key: [id] }\n",
        ),
        (
            "domains/d/silver/o.yaml",
            "from: db.o\nselect: { id: cast(id as bigint) }\n",
        ),
        (
            "domains/d/gold/n.sql",
            "select count(*) as n from d_silver.o\n",
        ),
    ]);
    project.sqlite("create table o (id integer); insert into o values (1); create table k (id integer); insert into k values (1)");
    assert_eq!(run(&project, "2026-10-29", &[]).code, 0);
    expect![[r#"
        closed 2026-10-29: the tag `2026-10-29` names 4 tables
        head DIGEST
        --- stderr
        note: d_bronze.db__o: whether the source has changed since the last load was not looked at; what it brings then comes after 2026-10-29
        --- exit 0
    "#]].assert_eq(&close(&project, "2026-10-29", "2026-10-29T21:00:00Z").text());
    // What is known to have changed is to be loaded before.
    project.sqlite("insert into k values (2)");
    let refused = close(&project, "2026-10-30", "2026-10-30T21:00:00Z");
    assert_eq!(refused.code, 1, "{}", refused.text());
    assert!(
        refused
            .stderr
            .contains("`d_bronze.db__k` (load: 1 row changed in the whole table)"),
        "{}",
        refused.text()
    );
}
