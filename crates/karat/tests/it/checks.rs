//! Checks of whole tables: made on each version before it is visible, and on the one that is there when they change (rules C7, G2, G3, H1,
//! H2). "Write, audit, publish": what breaks a check with the action `fail` nobody ever sees.

use std::sync::atomic::{AtomicBool, Ordering};

use expect_test::{Expect, expect};

use crate::project::{Answer, Project};

/// Two days of entries and their accounts.
const DAY_ONE: &str = "id,account,amount,booked_at,doc\n1,a,10.00,2026-01-05T10:00:00,d1\n2,b,-10.00,2026-01-05T11:00:00,d1\n";
const BAD: &str = "id,account,amount,booked_at,doc\n3,,5.00,2026-01-05T09:00:00,d2\n4,zz,1.00,2026-01-05T09:00:00,d2\n5,a,1.00,2026-01-05T09:00:00,d2\n";
const GOOD: &str = "id,account,amount,booked_at,doc\n3,a,5.00,2026-01-06T09:00:00,d2\n4,b,-5.00,2026-01-06T09:00:00,d2\n";
/// Day one was loaded at the first, day two at the second.
const FIRST: &str = "2026-01-06T00:00:00Z";
const SECOND: &str = "2026-01-07T06:00:00Z";

/// One check of each kind, all of which day one keeps.
const EACH_KIND: &str = "  one_id:         { unique: [id] }
  one_amount:     { unique: [doc, amount] }
  has_account:    { not_null: [account, doc] }
  known_account:  { foreign_key: { columns: [account], references: d_silver.accounts, keys: [id] } }
  not_too_many:   { rows: { min: 1, max: 4 } }
  few_per_doc:    { rows: { max: 2 }, where: \"doc = 'd2'\" }
  sums_to_zero:   { sum: { of: amount, equals: 0, tolerance: 0.005 } }
  fresh:          { freshness: { column: booked_at, within: 26h } }
  as_usual:       { volume: { within: 50%, of_last: 28d } }
  as_accounts:    { same_as: { this: \"select account, sum(amount) from this where account is not null group by account\", query: \"select id, total from d_silver.accounts\" } }
  no_large:
    sql: |
      select id, amount
      from this
      where amount > 4 and doc = 'd2' -- and so on
";

/// A ledger `d_silver.entries` with these checks, its accounts, and `d_gold.balances` over it.
fn ledger(checks: &str) -> Project {
    let project = Project::of(&[
        (
            "karat.yaml",
            "karat: 1\nproject: p\nsources:\n  landing: { type: files, path: landing }\n",
        ),
        (
            "domains/d/domain.yaml",
            "domain: d\nfeeds:\n  - { source: landing, name: entries, mode: incremental, path: \"entries*.csv\" }\n  - { source: landing, name: accounts, mode: full, key: [id], path: \"accounts_*.csv\", file_order: 'accounts_(\\d+)', max_delete: 100% }\n",
        ),
        (
            "domains/d/silver/accounts.yaml",
            "from: landing.accounts\nselect: { id: id, total: 'cast(total as decimal(18,2))' }\nauto_cdc: { keys: [id], sequence_by: _seq }\n",
        ),
        (
            "domains/d/gold/balances.sql",
            "select account, sum(amount) as balance from d_silver.entries group by account\n",
        ),
        ("domains/d/gold/balances.yaml", "key: [account]\n"),
        ("landing/accounts_1.csv", "id,total\na,10.00\nb,-10.00\n"),
        ("landing/entries1.csv", DAY_ONE),
    ]);
    write_checks(&project, checks);
    project
}

fn write_checks(project: &Project, checks: &str) {
    let checks = match checks.is_empty() {
        true => String::new(),
        false => format!("checks:\n{checks}"),
    };
    project.write(
        "domains/d/silver/entries.yaml",
        &format!("from: landing.entries\nselect:\n  id: cast(id as bigint)\n  account: account\n  amount: cast(amount as decimal(18,2))\n  booked_at: cast(booked_at as timestamp)\n  doc: doc\nkey: [id]\n{checks}"),
    );
}

fn run_at(project: &Project, at: &str, code: i32) -> Answer {
    let run = project.karat(&["run", "--at", at]);
    assert_eq!(run.code, code, "{}", run.text());
    run
}

/// What a run says of checks: its notes and errors.
fn said(answer: &Answer) -> String {
    let said = answer.stderr.lines();
    // Not what goes on meanwhile, which only `--quiet` leaves out together with the notes.
    let goes_on = ["start ", "progress ", "commit ", "finish "];
    let said = said.filter(|line| !goes_on.iter().any(|word| line.starts_with(word)));
    said.map(|line| format!("{line}\n")).collect()
}

fn versions(project: &Project) -> String {
    let status = project.karat(&["status", "--json"]).json();
    let mut told = String::new();
    for table in status["tables"].as_array().unwrap() {
        let name = table["table"].as_str().unwrap();
        told.push_str(&format!("{name} {} {}\n", table["version"], table["rows"]));
    }
    told
}

#[test]
fn a_version_that_breaks_a_check_is_never_made_and_one_that_keeps_all_tells_so() {
    let project = ledger(EACH_KIND);
    let plan = project.karat(&["plan", "--at", FIRST]);
    let listed: Vec<&str> = plan
        .stdout
        .lines()
        .filter(|line| line.starts_with("checks"))
        .collect();
    expect!["checks  d_silver.entries: one_id (unique), one_amount (unique), has_account (not_null), known_account (foreign_key), not_too_many (rows), few_per_doc (rows), sums_to_zero (sum), fresh (freshness), as_usual (volume), as_accounts (same_as), no_large (sql)"].assert_eq(&listed.join("\n"));
    assert_eq!(said(&run_at(&project, FIRST, 0)), "");
    let receipt = project.receipt("d_silver.entries");
    let audit = &receipt["audit"];
    let mut counted = String::new();
    for check in audit["checks"].as_array().unwrap() {
        counted.push_str(&format!("{check}\n"));
    }
    expect![[r#"
        {"name":"one_id","kind":"unique","action":"fail","violations":0,"note":"proven by the key of the model"}
        {"name":"one_amount","kind":"unique","action":"fail","violations":0,"note":null}
        {"name":"has_account","kind":"not_null","action":"fail","violations":0,"note":null}
        {"name":"known_account","kind":"foreign_key","action":"fail","violations":0,"note":null}
        {"name":"not_too_many","kind":"rows","action":"fail","violations":0,"note":null}
        {"name":"few_per_doc","kind":"rows","action":"fail","violations":0,"note":null}
        {"name":"sums_to_zero","kind":"sum","action":"fail","violations":0,"note":null}
        {"name":"fresh","kind":"freshness","action":"fail","violations":0,"note":null}
        {"name":"as_usual","kind":"volume","action":"fail","violations":0,"note":"no row in a version of the last 28d: nothing to compare with"}
        {"name":"as_accounts","kind":"same_as","action":"fail","violations":0,"note":null}
        {"name":"no_large","kind":"sql","action":"fail","violations":0,"note":null}
    "#]].assert_eq(&counted);
    assert_eq!(audit["clock"], FIRST);
    assert_eq!(audit["inputs"][0]["table"], "d_silver.accounts");

    // Day two breaks each of them but the one that the key proves: one message tells all (H1, H2), and no value.
    let before = (
        versions(&project),
        project.rows("select * from d_silver.entries"),
    );
    project.write("landing/entries2.csv", BAD);
    let run = project.karat(&["run", "--json", "--quiet", "--at", SECOND]);
    assert_eq!(run.code, 1, "{}", run.text());
    expect![[r#"
        error: `d_silver.entries` was not committed:
          check `one_amount`: 2 rows share their (amount, doc) with another: key e01800f58864
          check `has_account`: 1 row with a null in (account, doc): key 2a3ef019236f
          check `known_account`: 1 row whose (account) is not in `d_silver.accounts` (id): key 8db7433d0a37
          check `not_too_many`: 5 rows, and not at least 1 and at most 4
          check `few_per_doc`: 3 rows, and not at most 2
          check `sums_to_zero`: `sum(amount)` is not 0 within 0.005
          check `fresh`: no `booked_at` lies within 26h before the logical time
          check `as_usual`: 5 rows are more than 50% off the mean of 2, of 1 version in the last 28d
          check `as_accounts`: 3 rows of the two answers are in one of them only
          check `no_large`: its query finds 1 row: key 2a3ef019236f
        hint: nothing was written, and readers see the version before; correct the rows where they come from, or give the check the action `warn`
    "#]].assert_eq(&said(&run));
    let steps = run.json()["steps"].clone();
    let mut told = String::new();
    for step in steps.as_array().unwrap() {
        told.push_str(&format!("{} {}\n", step["table"], step["status"]));
        for check in step["checks"].as_array().unwrap() {
            told.push_str(&format!("  {} {}\n", check["name"], check["violations"]));
        }
    }
    expect![[r#"
        "d_bronze.landing__entries" "done"
        "d_bronze.landing__accounts" "unchanged"
        "d_silver.accounts" "unchanged"
        "d_silver.entries" "failed"
          "one_id" 0
          "one_amount" 2
          "has_account" 1
          "known_account" 1
          "not_too_many" 1
          "few_per_doc" 1
          "sums_to_zero" 1
          "fresh" 1
          "as_usual" 1
          "as_accounts" 3
          "no_large" 1
        "d_gold.balances" "skipped"
    "#]]
    .assert_eq(&told);
    // Nothing of it is there, in quarantine neither; its dependants were skipped; bronze has the rows (G2).
    let rows = project.rows("select * from d_silver.entries");
    assert_eq!(before.1, rows);
    let changed = versions(&project).replace(
        "d_bronze.landing__entries 1 5",
        "d_bronze.landing__entries 0 2",
    );
    assert_eq!(before.0, changed);
    // A rerun computes again: neither stuck, nor nothing to do.
    let again = project.karat(&["run", "--quiet", "--at", SECOND]);
    assert_eq!((again.code, &again.stderr), (1, &run.stderr));
    assert_eq!(project.karat(&["verify", "--quiet"]).code, 0);
    // Mended at the source, it is made; the file that nobody names any more is gone.
    project.write("landing/entries2.csv", GOOD);
    project.write("landing/accounts_2.csv", "id,total\na,15.00\nb,-15.00\n");
    write_checks(
        &project,
        &EACH_KIND
            .replace("within: 50%", "within: 100%")
            .replace("amount > 4", "amount > 5"),
    );
    run_at(&project, SECOND, 0);
    let verified = project.karat(&["verify", "--files"]);
    assert_eq!(verified.code, 0, "{}", verified.text());
    assert!(!verified.stdout.contains("orphan"), "{}", verified.text());
    expect![[r#"
        account,balance
        a,15.00
        b,-15.00
    "#]]
    .assert_eq(&project.rows("select account, balance from d_gold.balances"));
}

#[test]
fn histories_own_tables_reserved_words_and_tables_without_rows_are_checked() {
    let project = Project::one_feed(
        "{ source: landing, name: e, mode: incremental, path: \"e*.csv\" }",
        "from: landing.e
select: { id: cast(id as bigint), parent: cast(parent as bigint), order: order, date: cast(date as date), at: cast(at as timestamp with time zone) }
auto_cdc: { keys: [id], sequence_by: at, stored_as_scd_type: 2 }
checks:
  tree:    { foreign_key: { columns: [parent], references: this, keys: [id] } }
  named:   { foreign_key: { columns: [parent], references: d_silver.t, keys: [id] } }
  current: { unique: [id], where: __end_at is null }
  history: { unique: [__START_AT, id] }
  day:     { freshness: { column: date, within: 30h } }
  moment:  { freshness: { column: at, within: 20h }, where: \"\\\"order\\\" = 'p'\" }
  words:   { not_null: [order, date] }
  window:  { sql: \"select id from (select id, row_number() over (partition by id order by at) as n from this) where n > 5\" }
",
    );
    project.write(
        "domains/d/gold/none.sql",
        "select id, count(*) as n from d_silver.t where false group by id\n",
    );
    project.write("domains/d/gold/none.yaml", "key: [id]\nchecks: { some: { rows: { min: 1 }, action: warn }, nothing: { sum: { of: n, equals: 0 } }, as_before: { volume: { within: 10%, of_last: 1d } } }\n");
    project.write("landing/e1.csv", "id,parent,order,date,at\n1,,p,2026-01-05,2026-01-05T10:00:00Z\n2,1,p,2026-01-05,2026-01-05T12:00:00Z\n2,1,q,2026-01-05,2026-01-05T13:00:00Z\n");
    let validated = project.karat(&["validate"]);
    assert_eq!(validated.code, 0, "{}", validated.text());
    expect![[r#"
        note: d_gold.none: check `some`: 0 rows, and not at least 1 (action: warn)
    "#]]
    .assert_eq(&said(&run_at(&project, "2026-01-06T05:00:00Z", 0)));
    project.write(
        "landing/e2.csv",
        "id,parent,order,date,at\n3,9,,2026-01-05,2026-01-05T14:00:00Z\n",
    );
    // A second more than 30 hours after the beginning of the day.
    expect![[r#"
        note: d_gold.none: skipped: `d_silver.t` failed
        error: `d_silver.t` was not committed:
          check `tree`: 1 row whose (parent) is not in `d_silver.t` (id): key 27f5dc6ee158
          check `named`: 1 row whose (parent) is not in `d_silver.t` (id): key 27f5dc6ee158
          check `day`: no `date` lies within 30h before the logical time
          check `words`: 1 row with a null in (date, order): key 27f5dc6ee158
        hint: nothing was written, and readers see the version before; correct the rows where they come from, or give the check the action `warn`
    "#]]
    .assert_eq(&said(&run_at(&project, "2026-01-06T06:00:01Z", 1)));
    // What is promised of a table is asked at the moment of the question, without a run.
    let status = project.karat(&["status"]);
    assert_eq!(status.code, 1, "{}", status.text());
    let promised = status.stdout.lines().filter_map(|line| {
        let at = line.find("freshness").or_else(|| line.find("volume"))?;
        Some(format!("{} {}\n", line.split(' ').next()?, &line[at..]))
    });
    expect![[r#"
        d_gold.none volume as promised
        d_silver.t freshness `day` is broken: no `date` lies within 30h before the logical time; freshness `moment` is broken: no `at` lies within 20h before the logical time
    "#]]
    .assert_eq(&promised.collect::<String>());
}

#[test]
fn warnings_are_told_with_their_places_and_the_version_is_made() {
    let project = ledger(
        "  known: { foreign_key: { columns: [account], references: d_silver.accounts, keys: [id] }, action: warn }\n  small: { sum: { of: amount, max: 1.5 }, where: amount > 0, action: warn }\n",
    );
    project.write("landing/entries2.csv", BAD);
    let run = run_at(&project, FIRST, 0);
    expect![[r#"
        note: d_silver.entries: check `known`: 1 row whose (account) is not in `d_silver.accounts` (id): key 8db7433d0a37 (action: warn)
        note: d_silver.entries: check `small`: `sum(amount)` is not at most 1.5 (action: warn)
    "#]].assert_eq(&said(&run));
    let checks = project.receipt("d_silver.entries")["audit"]["checks"].clone();
    expect![[r#"[{"name":"known","kind":"foreign_key","action":"warn","violations":1,"note":null},{"name":"small","kind":"sum","action":"warn","violations":1,"note":null}]"#]].assert_eq(&checks.to_string());
}

#[test]
fn checks_that_change_alone_are_made_once_on_the_version_that_is_there() {
    let project = ledger("");
    run_at(&project, FIRST, 0);
    let before = versions(&project);
    let mut told = String::new();
    let mut step = |what: &str, code: i32| {
        let plan = project.karat(&["plan", "--at", SECOND]);
        let plan = plan
            .stdout
            .lines()
            .filter(|line| line.contains("d_gold.balances"));
        let plan: Vec<&str> = plan.collect();
        told.push_str(&format!("{what}\n  plan: {}\n", plan.join(" | ")));
        for _ in 0..2 {
            for line in said(&run_at(&project, SECOND, code)).lines() {
                told.push_str(&format!("  {line}\n"));
            }
        }
        assert_eq!(before, versions(&project));
    };
    let gold = |checks: &str| {
        project.write(
            "domains/d/gold/balances.yaml",
            &format!("key: [account]\n{checks}"),
        );
    };
    // The rows are no others: no version of any table is made (A7), and a pass is on record, so that the next run has nothing to do.
    gold(
        "checks: { two: { rows: { min: 2 } }, known: { foreign_key: { columns: [account], references: d_silver.accounts, keys: [id] } } }\n",
    );
    step("new checks that hold", 0);
    gold(
        "checks: { two: { rows: { min: 3 } }, known: { foreign_key: { columns: [account], references: d_silver.accounts, keys: [id] } } }\n",
    );
    step("one that does not", 1);
    gold(
        "# said otherwise\nchecks: { two: { rows: { min: 2 }, description: as before }, known: { foreign_key: { references: d_silver.accounts, columns: [account], keys: [id] } } }\n",
    );
    step("as before", 0);
    gold(
        "checks: { today: { sql: 'select account from this where current_date > date ''2026-01-07''' } }\n",
    );
    step("one that asks for the day", 0);
    expect![[r#"
        new checks that hold
          plan: gold    d_gold.balances             check    its checks changed | checks  d_gold.balances: two (rows), known (foreign_key)
          note: d_gold.balances: 2 checks were made on version 0, which was there: its checks changed
        one that does not
          plan: gold    d_gold.balances             check    its checks changed | checks  d_gold.balances: two (rows), known (foreign_key)
          error: version 0 of `d_gold.balances` is not what it should be: check `two`: 2 rows, and not at least 3
          hint: the version stays as it is; correct the rows where they come from, the table that the check reads, or the check
          error: version 0 of `d_gold.balances` is not what it should be: check `two`: 2 rows, and not at least 3
          hint: the version stays as it is; correct the rows where they come from, the table that the check reads, or the check
        as before
          plan: gold    d_gold.balances             nothing  up to date
        one that asks for the day
          plan: gold    d_gold.balances             check    its checks changed | checks  d_gold.balances: today (sql)
          note: d_gold.balances: 1 check was made on version 0, which was there: its checks changed
    "#]].assert_eq(&told);
    // The day after it is asked again, and what a check reads brings it up, too (C7).
    let run = run_at(&project, "2026-01-08T06:00:00Z", 1);
    expect![[r#"
        error: version 0 of `d_gold.balances` is not what it should be: check `today`: its query finds 2 rows: key 5407b91d7552, key 7e9e7fa01b65
        hint: the version stays as it is; correct the rows where they come from, the table that the check reads, or the check
    "#]].assert_eq(&said(&run));
    gold(
        "checks: { known: { foreign_key: { columns: [account], references: d_silver.accounts, keys: [id] } } }\n",
    );
    run_at(&project, SECOND, 0);
    project.write("landing/accounts_2.csv", "id,total\na,10.00\n");
    let plan = project.karat(&["plan", "--at", SECOND]);
    assert!(
        plan.stdout
            .contains("`d_silver.accounts`, which its checks read, will change"),
        "{}",
        plan.stdout
    );
    let run = run_at(&project, SECOND, 1);
    expect![[r#"
        error: version 0 of `d_gold.balances` is not what it should be: check `known`: 1 row whose (account) is not in `d_silver.accounts` (id): key 7e9e7fa01b65
        hint: the version stays as it is; correct the rows where they come from, the table that the check reads, or the check
    "#]].assert_eq(&said(&run));
}

#[test]
fn a_reader_never_sees_a_version_that_is_under_audit() {
    let project = ledger("  none: { sql: select id from this where doc = 'd2' }\n");
    run_at(&project, FIRST, 0);
    let expected = project.rows("select * from d_silver.entries");
    project.write("landing/entries2.csv", BAD);
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut seen = 0;
            while !over.load(Ordering::Relaxed) || seen < 3 {
                assert_eq!(project.rows("select * from d_silver.entries"), expected);
                seen += 1;
            }
        });
        run_at(&project, FIRST, 1);
        over.store(true, Ordering::Relaxed);
        reader.join().unwrap();
    });
}

#[test]
fn a_run_that_is_killed_before_or_after_the_audit_is_continued() {
    for point in ["audit.before", "audit.after"] {
        for (day_two, code) in [(GOOD, 0), (BAD, 1)] {
            let project = ledger(
                "  known: { foreign_key: { columns: [account], references: d_silver.accounts, keys: [id] } }\n",
            );
            run_at(&project, FIRST, 0);
            project.write("landing/entries2.csv", day_two);
            let undisturbed = Project::copy_of(&project);
            let killed = project.karat_with(
                &["run", "--quiet", "--at", SECOND],
                &[("KARAT_FAILPOINT", &format!("{point}:1"))],
            );
            assert!(
                killed.code != 0 && killed.code != 1,
                "{point}: {}",
                killed.text()
            );
            run_at(&project, SECOND, code);
            run_at(&undisturbed, SECOND, code);
            let rows = |project: &Project| project.rows("select * from d_silver.entries");
            assert_eq!(rows(&project), rows(&undisturbed), "{point}");
            assert_eq!(versions(&project), versions(&undisturbed), "{point}");
            let verified = project.karat(&["verify", "--quiet"]);
            assert_eq!(verified.code, 0, "{}", verified.text());
        }
    }
}

fn validate(checks: &str, expected: &Expect) {
    let project = ledger(checks);
    let answer = project.karat(&["validate"]);
    assert_eq!(answer.code, 2, "{}", answer.text());
    expected.assert_eq(&answer.text());
}

#[test]
fn mistakes_in_checks_are_told_in_one_pass_with_their_places() {
    validate(
        "  nothing:   { action: warn }
  unknown:   { uniqe: [id] }
  two:       { rows: { min: 1 }, unique: [id] }
  column:    { not_null: [acount] }
  twins:     { unique: [id, id] }
  table:     { foreign_key: { columns: [account], references: d_silver.acounts } }
  key:       { foreign_key: { columns: [account], references: d_silver.accounts } }
  keys:      { foreign_key: { columns: [account, id], references: d_silver.accounts, keys: [id] } }
  limits:    { rows: { min: 3, max: 1 } }
  bound:     { sum: { of: amount } }
  number:    { sum: { of: amnt, equals: none } }
  share:     { volume: { within: 50, of_last: 28 }, where: id > 0 }
  action:    { unique: [id], action: drop }
  star:      { sql: select nme from this x where x.idd = 1 }
  syntax:    { sql: select id frm this }
  bronze:    { sql: select a from d_bronze.landing__entries }
",
        &expect![[r#"
            20 mistakes
            --- stderr
            error: check `nothing` asks nothing
              --> domains/d/silver/entries.yaml:10:3
               |
            10 |   nothing:   { action: warn }
               |   ^^^^^^^
               = hint: give it one of `unique`, `not_null`, `foreign_key`, `rows`, `sum`, `freshness`, `volume`, `same_as`, `sql`

            error: unknown key `uniqe` in a check
              --> domains/d/silver/entries.yaml:11:16
               |
            11 |   unknown:   { uniqe: [id] }
               |                ^^^^^
               = hint: did you mean `unique`?

            error: check `two` asks two things: `rows` and `unique`
              --> domains/d/silver/entries.yaml:12:34
               |
            12 |   two:       { rows: { min: 1 }, unique: [id] }
               |                                  ^^^^^^
               = hint: make a check of its own of each

            error: unknown column `acount`
              --> domains/d/silver/entries.yaml:13:27
               |
            13 |   column:    { not_null: [acount] }
               |                           ^^^^^^
               = hint: did you mean `account`?

            error: `id` stands twice in `unique`
              --> domains/d/silver/entries.yaml:14:29
               |
            14 |   twins:     { unique: [id, id] }
               |                             ^^
               = hint: remove one

            error: there is no table `d_silver.acounts`
              --> domains/d/silver/entries.yaml:15:63
               |
            15 |   table:     { foreign_key: { columns: [account], references: d_silver.acounts } }
               |                                                               ^^^^^^^^^^^^^^^^
               = hint: did you mean `d_silver.accounts`?

            error: `d_silver.accounts` has no column `account`
              --> domains/d/silver/entries.yaml:16:41
               |
            16 |   key:       { foreign_key: { columns: [account], references: d_silver.accounts } }
               |                                         ^^^^^^^
               = hint: name its columns in `keys`

            error: 2 columns are held against 1
              --> domains/d/silver/entries.yaml:17:92
               |
            17 |   keys:      { foreign_key: { columns: [account, id], references: d_silver.accounts, keys: [id] } }
               |                                                                                            ^^^
               = hint: name one of `keys` for each of `columns`, in their order

            error: `min` is more than `max`
              --> domains/d/silver/entries.yaml:18:16
               |
            18 |   limits:    { rows: { min: 3, max: 1 } }
               |                ^^^^
               = hint: no table can keep it

            error: `sum` has no bound
              --> domains/d/silver/entries.yaml:19:16
               |
            19 |   bound:     { sum: { of: amount } }
               |                ^^^
               = hint: give it `equals`, `min` or `max`

            error: unknown column `amnt`
              --> domains/d/silver/entries.yaml:20:27
               |
            20 |   number:    { sum: { of: amnt, equals: none } }
               |                           ^^^^
               = hint: a check sees the columns of the table

            error: `equals` must be a decimal number, like `0` or `-12.50`
              --> domains/d/silver/entries.yaml:20:41
               |
            20 |   number:    { sum: { of: amnt, equals: none } }
               |                                         ^^^^

            error: `within` must be a share in percent, like `1%`
              --> domains/d/silver/entries.yaml:21:34
               |
            21 |   share:     { volume: { within: 50, of_last: 28 }, where: id > 0 }
               |                                  ^^
               = hint: write `50%` if you mean 50 percent

            error: `of_last` must be a time, like `15m` (ms, s, m, h, d)
              --> domains/d/silver/entries.yaml:21:47
               |
            21 |   share:     { volume: { within: 50, of_last: 28 }, where: id > 0 }
               |                                               ^^

            error: `where` says nothing beside `volume`
              --> domains/d/silver/entries.yaml:21:53
               |
            21 |   share:     { volume: { within: 50, of_last: 28 }, where: id > 0 }
               |                                                     ^^^^^
               = hint: remove it: the versions before count all of their rows

            error: `action` must be `fail` or `warn`, found `drop`
              --> domains/d/silver/entries.yaml:22:38
               |
            22 |   action:    { unique: [id], action: drop }
               |                                      ^^^^

            error: `d_silver.entries` has no column `nme`
              --> domains/d/silver/entries.yaml:23:28
               |
            23 |   star:      { sql: select nme from this x where x.idd = 1 }
               |                            ^^^
               = hint: it has: account, amount, booked_at, doc, id

            error: `d_silver.entries` has no column `idd`
              --> domains/d/silver/entries.yaml:23:52
               |
            23 |   star:      { sql: select nme from this x where x.idd = 1 }
               |                                                    ^^^
               = hint: did you mean `id`?

            error: SQL: expected end of statement, found this
              --> domains/d/silver/entries.yaml:24:35
               |
            24 |   syntax:    { sql: select id frm this }
               |                                   ^^^^

            error: reading bronze tables in gold is not available in this version: `d_bronze.landing__entries`
              --> domains/d/silver/entries.yaml:25:35
               |
            25 |   bronze:    { sql: select a from d_bronze.landing__entries }
               |                                   ^^^^^^^^^^^^^^^^^^^^^^^^^
               = hint: read it through a silver model

            --- exit 2
        "#]],
    );
    // What only planning tells.
    validate(
        "  text:      { sum: { of: doc, equals: 0 } }
  condition: { unique: [doc], where: id + 1 }
  fresh:     { freshness: { column: doc, within: 1h } }
  call:      { sql: select nosuch(id) from this }
  types:
    sql: |
      select id
      from this
      where booked_at > 5
  width:     { same_as: { query: select id from d_silver.accounts } }
  kinds:     { foreign_key: { columns: [booked_at], references: d_silver.accounts, keys: [total] } }
",
        &expect![[r#"
            7 mistakes
            --- stderr
            error: `of` is a string
              --> domains/d/silver/entries.yaml:10:27
               |
            10 |   text:      { sum: { of: doc, equals: 0 } }
               |                           ^^^
               = hint: a sum is exact: cast to decimal (`decimal_from_double(x)`)

            error: `where` is a bigint
              --> domains/d/silver/entries.yaml:11:38
               |
            11 |   condition: { unique: [doc], where: id + 1 }
               |                                      ^^^^^^
               = hint: write a condition, which is true or false

            error: `doc` is a string: only a date or timestamp tells how fresh a table is
              --> domains/d/silver/entries.yaml:12:3
               |
            12 |   fresh:     { freshness: { column: doc, within: 1h } }
               |   ^^^^^
               = hint: name a date or timestamp

            error: no function `nosuch`
              --> domains/d/silver/entries.yaml:13:21
               |
            13 |   call:      { sql: select nosuch(id) from this }
               |                     ^^^^^^^^^^^^^^^^^^^^^^^^^^^
               = hint: `karat query "show functions"` lists those that there are

            error: no comparison timestamp > bigint
              --> domains/d/silver/entries.yaml:16:7
               |
            16 |       select id
               |       ^
               = hint: a date is written date '2026-01-31', a moment timestamp '2026-01-31 12:34:56'

            error: it does not give as many columns as it is held against: 1, and not 5
              --> domains/d/silver/entries.yaml:19:34
               |
            19 |   width:     { same_as: { query: select id from d_silver.accounts } }
               |                                  ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
               = hint: say with `this` which columns are compared: `this: "select … from this"`

            error: no comparison decimal(18,2) = timestamp
              --> domains/d/silver/entries.yaml:20:3
               |
            20 |   kinds:     { foreign_key: { columns: [booked_at], references: d_silver.accounts, keys: [total] } }
               |   ^^^^^
               = hint: a date is written date '2026-01-31', a moment timestamp '2026-01-31 12:34:56'

            --- exit 2
        "#]],
    );
    // What is made after it cannot be read by a check of it.
    validate(
        "  late: { same_as: { this: 'select account, sum(amount) from this group by account', query: 'select account, balance from d_gold.balances' } }\n",
        &expect![[r#"
            1 mistake
            --- stderr
            error: cycle: `d_silver.entries` (in its check `late`) reads `d_gold.balances` reads `d_silver.entries`
              --> domains/d/silver/entries.yaml:10:123
               |
            10 | …his: 'select account, sum(amount) from this group by account', query: 'select account, balance from d_gold.balances' } }
               |                                                                                                      ^^^^^^^^^^^^^^^
               = hint: what a check reads is made before it: move the check to the table that is made last, which can read both

            --- exit 2
        "#]],
    );
}

#[test]
fn tests_of_models_ask_the_checks_that_their_rows_can_answer() {
    let project = ledger(EACH_KIND);
    project.write(
        "domains/d/tests/entries.yaml",
        "model: d_silver.entries
tests:
  - name: an account that nobody knows
    given:
      landing.entries: [{ id: 1, account: a, amount: 1.00, doc: x }, { id: 2, account: q, amount: -1.00, doc: x }]
      d_silver.accounts: [{ id: a, total: 1.00 }, { id: b, total: -1.00 }]
    expect: [{ id: 1 }, { id: 2 }]
    checks: [as_accounts, known_account]
  - name: wrong in two ways
    given:
      landing.entries: [{ id: 1, account: a, amount: 1.00, doc: x }]
    checks: [has_account]
  - name: what is not given is not asked
    given:
      landing.entries: [{ id: 1, account: a, amount: 0.00, doc: x }]
    expect: [{ id: 1 }]
",
    );
    let answer = project.karat(&["test"]);
    expect![[r#"
        FAILED domains/d/tests/entries.yaml:9: wrong in two ways
          check `sums_to_zero` (sum) is broken: 1 violation
          check `has_account` is expected to be broken, and holds

        1 of 3 tests failed, in N s
        --- exit 1
    "#]]
    .assert_eq(&answer.text());
}
