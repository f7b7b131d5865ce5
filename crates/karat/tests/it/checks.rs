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
const EACH_KIND: &str = "\
  one_id:         { unique: [id] }
  one_amount:     { unique: [doc, amount] }
  has_account:    { not_null: [account, doc] }
  known_account:  { foreign_key: { columns: [account], references: d_silver.accounts, keys: [id] } }
  not_too_many:   { rows: { min: 1, max: 4 } }
  few_per_doc:    { rows: { max: 2 }, where: \"doc = 'd2'\" }
  sums_to_zero:   { sum: { of: amount, equals: 0, tolerance: 0.005 } }
  fresh:          { freshness: { column: booked_at, within: 26h } }
  as_usual:       { volume: { within: 50%, of_last: 28d } }
  as_accounts:    { same_as: { this: select account, sum(amount) from this where account is not null group by account, query: \"select id, total from d_silver.accounts\" } }
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
    let said = said.filter(|line| !line.contains("run --quiet"));
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
    expect![[r#""#]].assert_eq(&counted);
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
    expect![[r#""#]].assert_eq(&said(&run));
    let steps = run.json()["steps"].clone();
    let mut told = String::new();
    for step in steps.as_array().unwrap() {
        told.push_str(&format!("{} {}\n", step["table"], step["status"]));
        for check in step["checks"].as_array().unwrap() {
            told.push_str(&format!("  {} {}\n", check["name"], check["violations"]));
        }
    }
    expect![[r#""#]].assert_eq(&told);
    // Nothing of it is there, in quarantine neither; its dependants were skipped; bronze has the rows (G2).
    let rows = project.rows("select * from d_silver.entries");
    assert_eq!(before.1, rows);
    let changed = versions(&project).replace(
        "d_bronze.landing__entries 1 5",
        "d_bronze.landing__entries 0 2",
    );
    assert_eq!(before.0, changed);
    // A rerun computes again: neither stuck, nor nothing to do.
    assert_eq!(run_at(&project, SECOND, 1).stderr, run.stderr);
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
    expect![[r#""#]].assert_eq(&project.rows("select account, balance from d_gold.balances"));
}

#[test]
fn warnings_are_told_with_their_places_and_the_version_is_made() {
    let project = ledger(
        "  known: { foreign_key: { columns: [account], references: d_silver.accounts, keys: [id] }, action: warn }\n  small: { sum: { of: amount, max: 1.5 }, where: amount > 0, action: warn }\n",
    );
    project.write("landing/entries2.csv", BAD);
    let run = run_at(&project, FIRST, 0);
    expect![[r#""#]].assert_eq(&said(&run));
    let checks = project.receipt("d_silver.entries")["audit"]["checks"].clone();
    expect![[r#""#]].assert_eq(&checks.to_string());
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
            let run = run_at(&project, SECOND, code);
            told.push_str(&format!(
                "  {}",
                said(&run).replace('\n', "\n  ").trim_end()
            ));
            told.push('\n');
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
    expect![[r#""#]].assert_eq(&told);
    // The day after it is asked again, and what a check reads brings it up, too (C7).
    let run = run_at(&project, "2026-01-08T06:00:00Z", 1);
    expect![[r#""#]].assert_eq(&said(&run));
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
    expect![[r#""#]].assert_eq(&said(&run));
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
        "\
  nothing:   { action: warn }
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
        &expect![[r#""#]],
    );
    // What only planning tells.
    validate(
        "\
  text:      { sum: { of: doc, equals: 0 } }
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
        &expect![[r#""#]],
    );
    // What is made after it cannot be read by a check of it.
    validate(
        "  late: { same_as: { this: 'select account, sum(amount) from this group by account', query: 'select account, balance from d_gold.balances' } }\n",
        &expect![[r#""#]],
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
    expect![[r#""#]].assert_eq(&answer.text());
}
