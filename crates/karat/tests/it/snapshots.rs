//! AUTO CDC from snapshots: full loads become the current rows or the history of each key (rules B6, C4 to C6).

use std::collections::{BTreeMap, BTreeSet};

use expect_test::expect;

use crate::dice::Dice;
use crate::peers::shared_data;
use crate::project::Project;

/// Dated extracts; with a key, bronze keeps the changes, without, whole loads.
fn feed(key: &str) -> String {
    format!(
        "{{ source: landing, name: e, mode: full,{key} max_delete: 100%, path: \"*.csv\", file_order: 'e_(\\d{{8}})' }}"
    )
}

const KEYED: &str = " key: [k],";

fn silver(more: &str) -> String {
    format!(
        "from: landing.e\nselect: {{ k: k, v: v }}\nexpectations: {{ good: {{ expect: \"v <> 'bad'\", action: quarantine }} }}\nauto_cdc: {{ keys: [k], from: snapshots{more} }}\n"
    )
}

const HISTORY: &str = ", stored_as_scd_type: 2, snapshot_version: \"%Y%m%d\"";

#[test]
fn a_vanished_key_is_closed_and_a_returned_one_leaves_the_gap() {
    for key in [KEYED, ""] {
        for (more, rows) in [
            (
                HISTORY,
                expect![[r#"
                    k,v,__start_at,__end_at
                    a,1,2026-01-01,2026-01-05
                    a,2,2026-01-05,
                    b,1,2026-01-01,2026-01-02
                    b,1,2026-01-05,
                    c,1,2026-01-02,
                "#]],
            ),
            (
                "",
                expect![[r#"
                    k,v
                    a,2
                    b,1
                    c,1
                "#]],
            ),
        ] {
            let project = Project::one_feed(&feed(key), &silver(more));
            // Days are missing; two come in one run, and the newest comes first by name of its run.
            project.write("landing/e_20260105.csv", "k,v\na,2\nb,1\nc,1\n");
            project.write("landing/e_20260101.csv", "k,v\na,1\nb,1\n");
            project.write("landing/e_20260102.csv", "k,v\na,1\nc,1\n");
            project.run(0);
            rows.assert_eq(&project.rows("select * from d_silver.t"));
            let verified = project.karat(&["verify"]);
            assert_eq!(verified.code, 0, "{}", verified.text());
        }
    }
}

/// A snapshot: its date, and the value of each key.
type Snapshot = (String, BTreeMap<String, String>);

/// What snapshots say of each key, one after the other: a row that a rule holds back tells that the key is there, and nothing more.
fn naive(snapshots: &[Snapshot], history: bool) -> Vec<String> {
    let keys: BTreeSet<&String> = snapshots.iter().flat_map(|(_, rows)| rows.keys()).collect();
    let mut table = Vec::new();
    for key in keys {
        let mut open: Option<(&String, &String)> = None;
        let mut ranges = Vec::new();
        for (date, rows) in snapshots {
            match (rows.get(key), open) {
                (Some(value), _) if value == "bad" => {}
                (Some(value), Some((before, _))) if value == before => {}
                (value, before) => {
                    ranges.extend(before.map(|(value, start)| (value, start, Some(date))));
                    open = value.map(|value| (value, date));
                }
            }
        }
        ranges.extend(open.map(|(value, start)| (value, start, None)));
        for (value, start, end) in ranges {
            match (history, end) {
                (true, Some(end)) => table.push(format!("{key},{value},{start},{end}")),
                (true, None) => table.push(format!("{key},{value},{start},")),
                (false, None) => table.push(format!("{key},{value}")),
                (false, Some(_)) => {}
            }
        }
    }
    table.sort();
    table
}

/// C6: with a key and without, all at once and day by day, some days wrong first, the same table, which is that of the naive model.
#[test]
fn snapshots_in_any_batching_give_one_table() {
    for seed in 0..6 {
        let mut dice = Dice(800 + seed);
        let history = seed % 2 == 0;
        let more = if history { HISTORY } else { "" };
        let mut extract = || {
            let mut rows = BTreeMap::from([("fixed".to_owned(), "1".to_owned())]);
            for key in ["a", "b", "c", "d", "e"] {
                let value = ["1", "2", "3", "bad"][dice.roll(4) as usize];
                if dice.roll(3) > 0 {
                    rows.insert(key.to_owned(), value.to_owned());
                }
            }
            rows
        };
        let text = |rows: &BTreeMap<String, String>| -> String {
            let rows = rows.iter().map(|(key, value)| format!("{key},{value}\n"));
            format!("k,v\n{}", rows.collect::<String>())
        };
        let days: Vec<u32> = vec![1, 2, 4, 5, 6, 9, 10, 14];
        let right: Vec<Snapshot> = days
            .iter()
            .map(|day| (format!("2026-01-{day:02}"), extract()))
            .collect();
        let wrong: Vec<BTreeMap<String, String>> = days.iter().map(|_| extract()).collect();
        let expected = naive(&right, history);
        let mut prints = Vec::new();
        for key in [KEYED, ""] {
            let (whole, parts) = (
                Project::one_feed(&feed(key), &silver(more)),
                Project::one_feed(&feed(key), &silver(more)),
            );
            let mut incremental = 0;
            for (at, (date, rows)) in right.iter().enumerate() {
                let name = format!("landing/e_{}.csv", date.replace('-', ""));
                whole.write(&name, &text(rows));
                if seed > 3 && dice.roll(2) == 0 {
                    parts.write(&name, &text(&wrong[at]));
                    parts.run(0);
                }
                parts.write(&name, &text(rows));
                if dice.roll(3) > 0 || at + 1 == right.len() {
                    let run = parts.karat(&["run", "--json"]);
                    assert_eq!(run.code, 0, "{}", run.text());
                    incremental += usize::from(run.stdout.contains("\"incremental: "));
                }
            }
            whole.run(0);
            let columns = match history {
                true => "k, v, __START_AT, __END_AT",
                false => "k, v",
            };
            let table = whole.rows(&format!("select {columns} from d_silver.t"));
            let rows: Vec<&str> = table.lines().skip(1).collect();
            assert_eq!(rows, expected, "seed {seed} {key}");
            // What came twice has another delivery.
            let tables = ["d_silver.t", "d_quarantine.t"];
            for table in &tables[..if seed > 3 { 1 } else { 2 }] {
                assert_eq!(
                    parts.fingerprint(table),
                    whole.fingerprint(table),
                    "seed {seed} {key} {table}"
                );
            }
            if seed <= 3 {
                let accounting = parts.accounting("d_silver.t");
                assert_eq!(
                    accounting,
                    whole.accounting("d_silver.t"),
                    "seed {seed} {key}"
                );
                assert!(incremental > 0, "seed {seed} {key}");
            }
            for arguments in [&["replay", "--rebuild", "d_silver.t"][..], &["verify"]] {
                let answer = parts.karat(arguments);
                assert_eq!(answer.code, 0, "seed {seed} {key}: {}", answer.text());
            }
            prints.push(whole.fingerprint("d_silver.t"));
        }
        assert_eq!(prints[0], prints[1], "seed {seed}");
    }
}

/// A snapshot has one row of a key: two that differ are held back, and the state before goes on; two equal ones are one (C4).
#[test]
fn two_rows_of_one_key_in_a_snapshot() {
    let project = Project::one_feed(&feed(""), &silver(HISTORY));
    project.write("landing/e_20260101.csv", "k,v\na,1\nb,1\nb,1\n");
    project.write("landing/e_20260102.csv", "k,v\na,2\na,3\nb,1\n");
    project.run(0);
    expect![[r#"
        k,v,__start_at,__end_at
        a,1,2026-01-01,
        b,1,2026-01-01,
    "#]]
    .assert_eq(&project.rows("select * from d_silver.t"));
    expect!["6 read = 1 duplicate + 2 kept + 2 quarantined + 1 unchanged"]
        .assert_eq(&project.accounting("d_silver.t"));
    expect![[r#"
        _object,_row,rules
        e_20260102.csv,2,sequence_tie
        e_20260102.csv,3,sequence_tie
    "#]]
    .assert_eq(&project.rows("select _object, _row, rules from d_quarantine.t"));
    // A repair of one of them decides, also in a load that is not the newest.
    project.write("landing/e_20260103.csv", "k,v\na,3\n");
    project.run(0);
    let discarded = project.karat(&[
        "quarantine",
        "discard",
        "e_20260102.csv@1:2",
        "--reason",
        "sent twice",
    ]);
    assert_eq!(discarded.code, 0, "{}", discarded.text());
    project.run(0);
    expect![[r#"
        k,v,__start_at,__end_at
        a,1,2026-01-01,2026-01-02
        a,3,2026-01-02,
        b,1,2026-01-01,2026-01-03
    "#]]
    .assert_eq(&project.rows("select * from d_silver.t"));
}

/// A table of a database is a snapshot each time it is loaded; it holds from the logical time of its load on.
#[test]
fn a_live_table_is_followed() {
    for key in [KEYED, ""] {
        let project = Project::one_feed(
            &format!("{{ source: db, table: e, mode: full,{key} max_delete: 100% }}"),
            "from: db.e\nselect: { k: k, v: v }\nauto_cdc: { keys: [k], from: snapshots, stored_as_scd_type: 2 }\n",
        );
        project.sqlite("create table e (k text primary key, v text)");
        for (day, change) in [
            (1, "insert into e values ('a', '1'), ('b', '1')"),
            (
                2,
                "update e set v = '2' where k = 'a'; delete from e where k = 'b'",
            ),
            (3, "select 1"),
            (4, "insert into e values ('b', '1')"),
        ] {
            project.sqlite(change);
            let at = format!("2026-01-0{day}T06:00:00Z");
            let run = project.karat(&["run", "--quiet", "--at", &at]);
            assert_eq!(run.code, 0, "{}", run.text());
        }
        expect![[r#"
            k,v,__start_at,__end_at
            a,1,2026-01-01T06:00:00Z,2026-01-02T06:00:00Z
            a,2,2026-01-02T06:00:00Z,
            b,1,2026-01-01T06:00:00Z,2026-01-02T06:00:00Z
            b,1,2026-01-04T06:00:00Z,
        "#]]
        .assert_eq(&project.rows("select * from d_silver.t"));
    }
}

/// A late extract is held (B6), a broken one is no snapshot, an empty one needs a person's word and closes all.
#[test]
fn extracts_that_are_late_broken_or_empty() {
    for key in [KEYED, ""] {
        let project = Project::one_feed(&feed(key), &silver(HISTORY));
        project.write("landing/e_20260101.csv", "k,v\na,1\n");
        project.write("landing/e_20260105.csv", "k,v\na,1\n");
        project.run(0);
        project.write("landing/e_20260103.csv", "k,v\nb,1\n");
        project.run(1);
        // Half of a file.
        let packed = project.write_gzip("landing/e_20260106.csv", "k,v\nc,1\n");
        project.write_bytes("landing/e_20260106.csv", &packed[..packed.len() / 2]);
        project.run(1);
        project.write("landing/e_20260107.csv", "k,v\n");
        project.run(1);
        let accepted = project.karat(&["run", "--quiet", "--accept-deletes"]);
        assert_eq!(accepted.code, 0, "{}", accepted.text());
        project.write("landing/e_20260108.csv", "k,v\na,1\n");
        project.run(0);
        expect![[r#"
            k,v,__start_at,__end_at
            a,1,2026-01-01,2026-01-07
            a,1,2026-01-08,
        "#]]
        .assert_eq(&project.rows("select * from d_silver.t"));
    }
}

/// What contradicts the order of the snapshots, or cannot be read, is told before anything is made of it.
#[test]
fn versions_that_do_not_fit() {
    let order = |pattern: &str, version: &str| {
        Project::one_feed(
            &format!(
                "{{ source: landing, name: e, mode: full, key: [k], max_delete: 100%, path: \"*.csv\", file_order: '{pattern}' }}"
            ),
            &silver(&format!(
                ", stored_as_scd_type: 2, snapshot_version: \"{version}\""
            )),
        )
    };
    let project = order("e_(\\d{8})", "%d%m%Y");
    project.write("landing/e_01022026.csv", "k,v\na,1\n");
    project.write("landing/e_31012026.csv", "k,v\na,2\n");
    expect![[r#"
        error: `d_silver.t` cannot date its snapshots: `e_31012026.csv` of `d_bronze.landing__e` follows `e_01022026.csv` by its order mark, and comes before it by its date
        hint: let `file_order` capture dates that sort as they follow each other, like 20261030, and declare them with `snapshot_version`
    "#]].assert_eq(&project.run(2).stderr);
    let project = order("(e_\\d+)", "%Y%m%d");
    project.write("landing/e_20260101.csv", "k,v\na,1\n");
    expect![[r#"
        no mistakes in 1 model
        --- stderr
        warning: `d_silver.t` cannot date the snapshot `e_20260101.csv`: its order mark, `e_20260101`, is not written like that
         --> domains/d/silver/t.yaml:4:82
          |
        4 | auto_cdc: { keys: [k], from: snapshots, stored_as_scd_type: 2, snapshot_version: "%Y%m%d" }
          |                                                                                  ^^^^^^^^^
          = hint: let `file_order` of the feed capture the date alone, and `snapshot_version` say how it is written

        --- exit 0
    "#]].assert_eq(&project.karat(&["validate"]).text());
    expect![[r#"
        error: `d_silver.t` cannot date its snapshots: the order mark of `e_20260101.csv`, `e_20260101`, is not written as `%Y%m%d`
        hint: let `file_order` capture the date alone, and `snapshot_version` say how it is written
    "#]].assert_eq(&project.run(2).stderr);
    let project = order("e_(\\d{6})", "%Y%m");
    expect![[r#"
        1 mistake, 1 warning
        --- stderr
        warning: no file matches `*.csv` in source `landing`
         --> domains/d/domain.yaml:3:79
          |
        3 |   - { source: landing, name: e, mode: full, key: [k], max_delete: 100%, path: "*.csv", file_order: 'e_(\d{6})' }
          |                                                                               ^^^^^^^
          = hint: there is readme.txt

        error: `d_silver.t` cannot date its snapshots: `snapshot_version: %Y%m` states no whole date: year, month and day
         --> domains/d/silver/t.yaml:4:82
          |
        4 | auto_cdc: { keys: [k], from: snapshots, stored_as_scd_type: 2, snapshot_version: "%Y%m" }
          |                                                                                  ^^^^^^^
          = hint: write how the text looks that `file_order` captures: `%Y%m%d` is 20261030

        --- exit 2
    "#]].assert_eq(&project.karat(&["validate"]).text());
}

/// `karat test` gives one snapshot, of the test's time.
#[test]
fn a_model_over_snapshots_is_tested() {
    let project = Project::one_feed(&feed(KEYED), &silver(HISTORY));
    project.write(
        "domains/d/tests/t.yaml",
        "model: d_silver.t\ntests:\n  - name: holds from its snapshot on\n    at: 2026-01-31T00:00:00Z\n    given:\n      landing.e:\n        - { k: a, v: 1 }\n    expect:\n      - { k: a, v: 1, __START_AT: 2026-01-31 }\n",
    );
    let tested = project.karat(&["test"]);
    assert_eq!(tested.code, 0, "{}", tested.text());
}

/// Currencies come and go: the rates of the first day of each year, as the European Central Bank published them.
#[test]
fn currencies_come_and_go() {
    let text = std::fs::read_to_string(shared_data().join("ecb/eurofxref-hist.csv")).unwrap();
    let mut lines = text
        .lines()
        .map(|line| line.trim_end_matches(',').split(','));
    let names: Vec<&str> = lines.next().unwrap().skip(1).collect();
    // The newest day comes first: of each year the last one that is met is its first.
    let mut years: BTreeMap<String, Snapshot> = BTreeMap::new();
    for mut line in lines {
        let date = line.next().unwrap().to_owned();
        let rates = names.iter().zip(line).filter(|(_, rate)| *rate != "N/A");
        let there = rates.map(|(name, _)| ((*name).to_owned(), "there".to_owned()));
        years.insert(date[..4].to_owned(), (date, there.collect()));
    }
    let snapshots: Vec<Snapshot> = years.into_values().collect();
    let expected = naive(&snapshots, true);
    for key in [" key: [currency],", ""] {
        let project = Project::one_feed(
            &feed(key)
                .replace("'e_(", "'(")
                .replace("\\d{8}", "\\d+-\\d+-\\d+"),
            "from: landing.e\nselect: { currency: currency, state: \"'there'\" }\nauto_cdc: { keys: [currency], from: snapshots, stored_as_scd_type: 2, snapshot_version: \"%Y-%m-%d\" }\n",
        );
        for (date, rates) in &snapshots {
            let rates: String = rates.keys().map(|name| format!("{name}\n")).collect();
            project.write(
                &format!("landing/{date}.csv"),
                &format!("currency\n{rates}"),
            );
        }
        project.run(0);
        let table = project.rows("select * from d_silver.t");
        assert_eq!(table.lines().skip(1).collect::<Vec<_>>(), expected);
        expect![[r#"
            currency,__start_at,__end_at
            BGN,2001-01-02,2026-01-02
            HRK,2006-01-02,2023-01-02
            RUB,2006-01-02,2023-01-02
        "#]].assert_eq(&project.rows(
            "select currency, __START_AT, __END_AT from d_silver.t where __END_AT is not null and __START_AT > date '1999-12-31'",
        ));
    }
}

/// Customers of Northwind, in an extract a day in which some are gone, some are changed, some are back.
#[test]
fn customers_of_northwind_with_planted_edits() {
    let text = std::fs::read_to_string(shared_data().join("northwind/customers.csv")).unwrap();
    let (header, rows) = text.split_once('\n').unwrap();
    let customers: BTreeMap<&str, &str> = rows
        .lines()
        .map(|row| (row.split(',').next().unwrap(), row))
        .collect();
    let mut dice = Dice(4711);
    let mut cities: BTreeMap<&str, u64> = customers.keys().map(|id| (*id, 0)).collect();
    let mut snapshots: Vec<Snapshot> = Vec::new();
    for day in 1..=6 {
        for city in cities.values_mut() {
            *city += u64::from(dice.roll(20) == 0);
        }
        let there = cities.iter().filter(|_| dice.roll(25) > 0);
        let there = there.map(|(id, city)| ((*id).to_owned(), city.to_string()));
        snapshots.push((format!("2026-02-{day:02}"), there.collect()));
    }
    let mut prints = Vec::new();
    for key in [" key: [customer_id],", ""] {
        let project = Project::one_feed(
            &feed(key),
            "from: landing.e\nselect: { id: customer_id, moved: moved, company: company_name, city: city }\nauto_cdc: { keys: [id], from: snapshots, stored_as_scd_type: 2, snapshot_version: \"%Y%m%d\" }\n",
        );
        for (at, (date, there)) in snapshots.iter().enumerate() {
            let rows: String = there
                .iter()
                .map(|(id, moved)| format!("{moved},{}\n", customers[id.as_str()]))
                .collect();
            let name = format!("landing/e_{}.csv", date.replace('-', ""));
            project.write(&name, &format!("moved,{header}\n{rows}"));
            if at % 2 == 1 {
                project.run(0);
            }
        }
        let found = project.rows("select id, moved, __START_AT, __END_AT from d_silver.t");
        let mut found: Vec<&str> = found.lines().skip(1).collect();
        found.sort();
        assert_eq!(found, naive(&snapshots, true), "{key}");
        prints.push(project.fingerprint("d_silver.t"));
    }
    assert_eq!(prints[0], prints[1]);
}
