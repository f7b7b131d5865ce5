//! AUTO CDC over events with more to say than a key and a date: several sequence columns (rules C4 to C6).

use expect_test::expect;

use crate::dice::Dice;
use crate::history::{Event, FEED, csv, naive};
use crate::project::Project;

/// Events that are ordered by a date and a number, arriving in any order and in any number of runs; what comes later than all before is
/// folded in, where only the number is later in the history of its day as well (C4 to C6).
#[test]
fn several_sequence_columns_in_any_arrival() {
    for seed in 0..6 {
        let mut dice = Dice(700 + seed);
        let history = seed % 2 == 1;
        let more = match history {
            true => ", stored_as_scd_type: 2, track_history_except_column_list: [n]",
            false => "",
        };
        let silver = format!(
            "from: landing.e\nselect: {{ k: k, v: v, at: cast(at as date), n: cast(u as bigint) }}\nauto_cdc: {{ keys: [k], sequence_by: [at, n], apply_as_deletes: \"op = 'D'\"{more} }}\n"
        );
        let files = 5;
        let mut texts: Vec<String> = vec!["k,v,u,at,op\n".to_owned(); files];
        let mut events = Vec::new();
        for (file, text) in texts.iter_mut().enumerate() {
            for row in 0..4 + dice.roll(8) {
                let (key, value) = (dice.roll(4), dice.roll(3));
                let within = dice.roll(4);
                let (day, number) = match seed {
                    0 | 1 => (1 + dice.roll(4) as u32, within),
                    2 | 3 => (1 + file as u32, within),
                    _ => (1 + file as u32 / 2, 10 * file as u64 + within),
                };
                let delete = dice.roll(4) == 0;
                let op = if delete { "D" } else { "I" };
                text.push_str(&format!("{key},{value},{number},2026-01-{day:02},{op}\n"));
                events.push(Event {
                    key: key.to_string(),
                    value: value.to_string(),
                    day,
                    delete,
                    gone: false,
                    seq: number * 1_000_000 + file as u64 * 1000 + row,
                });
            }
        }
        let (whole, parts) = (
            Project::one_feed(FEED, &silver),
            Project::one_feed(FEED, &silver),
        );
        for (file, text) in texts.iter().enumerate() {
            whole.write(&format!("landing/e_{file}.csv"), text);
        }
        whole.run(0);
        let columns = if history {
            "k, v, __START_AT, __END_AT"
        } else {
            "k, v"
        };
        let table = whole.rows(&format!("select {columns} from d_silver.t"));
        let rows: Vec<&str> = table.lines().skip(1).collect();
        assert_eq!(rows, naive(&events, history), "seed {seed}");
        let mut waiting: Vec<usize> = (0..files).collect();
        let mut incremental = 0;
        while !waiting.is_empty() {
            let next = match seed {
                0 | 1 => dice.roll(waiting.len() as u64) as usize,
                _ => 0,
            };
            let file = waiting.remove(next);
            parts.write(&format!("landing/e_{file}.csv"), &texts[file]);
            let run = parts.karat(&["run", "--json"]);
            assert_eq!(run.code, 0, "{}", run.text());
            let run = run.json();
            let mut steps = run["steps"].as_array().unwrap().iter();
            let step = steps.find(|step| step["table"] == "d_silver.t").unwrap();
            incremental += usize::from(step["how"].as_str().unwrap().starts_with("incremental"));
        }
        assert_eq!(
            parts.fingerprint("d_silver.t"),
            whole.fingerprint("d_silver.t"),
            "seed {seed}"
        );
        assert_eq!(
            parts.accounting("d_silver.t"),
            whole.accounting("d_silver.t"),
            "seed {seed}"
        );
        // In a history only a later day is later; in the current rows a later number of the same day is, too.
        let expected = match seed {
            2..=4 => files - 1,
            5 => 2,
            _ => incremental,
        };
        assert_eq!(incremental, expected, "seed {seed}");
        let rebuilt = parts.karat(&["replay", "--rebuild", "d_silver.t"]);
        assert_eq!(rebuilt.code, 0, "seed {seed}: {}", rebuilt.text());
    }
}

/// A sequence that begins with a number dates nothing; a null in any of its columns has no place (C4, C5).
#[test]
fn a_sequence_of_a_number_and_a_date() {
    let silver = |more: &str| {
        format!(
            "from: landing.e\nselect: {{ k: k, v: v, n: cast(u as bigint), at: cast(at as date) }}\nauto_cdc: {{ keys: [k], sequence_by: [n, at], stored_as_scd_type: 2{more} }}\n"
        )
    };
    let project = Project::one_feed(FEED, &silver(""));
    project.write(
        "landing/e_1.csv",
        &csv("a 1 1 2026-01-03 I\na 2 2 2026-02-01 I\na 3 2 2026-02-05 I\na 4 3 - I\na 5 - 2026-03-01 I"),
    );
    expect![[r#"
        1 mistake
        --- stderr
        error: `d_silver.t` cannot keep a history: its `sequence_by` begins with a bigint, which dates no range
         --> domains/d/silver/t.yaml:1:1
          |
        1 | from: landing.e
          | ^
          = hint: name the selected date or timestamp from which a state holds: `valid_from: COLUMN`

        --- exit 2
    "#]].assert_eq(&project.karat(&["validate"]).text());
    project.write("domains/d/silver/t.yaml", &silver(", valid_from: at"));
    project.run(0);
    expect![[r#"
        k,v,n,at,__start_at,__end_at
        a,1,1,2026-01-03,2026-01-03,2026-02-01
        a,2,2,2026-02-01,2026-02-01,2026-02-05
        a,3,2,2026-02-05,2026-02-05,
    "#]]
    .assert_eq(&project.rows("select * from d_silver.t"));
    expect![[r#"
        _row,rules
        5,"sequence_null,valid_from_null"
        6,sequence_null
    "#]]
    .assert_eq(&project.rows("select _row, rules from d_quarantine.t"));
}
