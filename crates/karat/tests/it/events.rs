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

/// `key v w day op` in words, `-` for null: an event leaves out what it does not change.
fn partial(more: &str, events: &str) -> Project {
    let project = Project::one_feed(FEED, &partial_silver(more));
    project.write("landing/e_1.csv", &csv(events));
    project.run(0);
    project
}

fn partial_silver(more: &str) -> String {
    format!(
        "from: landing.e\nselect: {{ k: k, v: v, w: u, at: cast(at as date) }}\nauto_cdc: {{ keys: [k], sequence_by: at, apply_as_deletes: \"op = 'D'\", apply_as_truncates: \"op = 'T'\"{more} }}\n"
    )
}

#[test]
fn nulls_that_leave_the_value_as_it_was() {
    let events = "
        a 1 x 2026-01-01 I
        a - y 2026-01-02 I
        a 2 - 2026-01-03 I
        a - - 2026-01-04 D
        a - z 2026-01-05 I
        b - - 2026-01-01 I
        b 5 - 2026-01-01 I
    ";
    let project = partial(", stored_as_scd_type: 2, ignore_null_updates: true", events);
    expect![[r#"
        k,v,w,at,__start_at,__end_at
        a,1,x,2026-01-01,2026-01-01,2026-01-02
        a,1,y,2026-01-02,2026-01-02,2026-01-03
        a,2,y,2026-01-03,2026-01-03,2026-01-04
        a,,z,2026-01-05,2026-01-05,
        b,5,,2026-01-01,2026-01-01,
    "#]]
    .assert_eq(&project.rows("select * from d_silver.t"));
    // What is new is merged into what stands.
    project.write(
        "landing/e_2.csv",
        &csv("a 3 - 2026-01-06 I\nb - q 2026-01-06 I"),
    );
    project.run(0);
    expect![[r#"
        k,v,w,at,__start_at,__end_at
        a,3,z,2026-01-06,2026-01-06,
        b,5,q,2026-01-06,2026-01-06,
    "#]]
    .assert_eq(&project.rows("select * from d_silver.t where __END_AT is null"));
    for (more, rows) in [
        (
            ", ignore_null_updates_column_list: [v]",
            "k,v,w\na,,z\nb,5,\n",
        ),
        (
            ", ignore_null_updates_except_column_list: [v]",
            "k,v,w\na,,z\nb,5,\n",
        ),
        ("", "k,v,w\na,,z\nb,5,\n"),
    ] {
        let project = partial(more, events);
        assert_eq!(project.rows("select k, v, w from d_silver.t"), rows);
    }
    let listed = |more: &str| {
        partial(more, "a 1 x 2026-01-01 I\na - - 2026-01-02 I").rows("select v, w from d_silver.t")
    };
    assert_eq!(
        listed(", ignore_null_updates_column_list: [v]"),
        "v,w\n1,\n"
    );
    assert_eq!(
        listed(", ignore_null_updates_except_column_list: [v]"),
        "v,w\n,x\n"
    );
    assert_eq!(listed(", ignore_null_updates: false"), "v,w\n,\n");
}

#[test]
fn a_truncate_empties_the_table() {
    let events = "
        a 1 - 2026-01-01 I
        b 1 - 2026-01-01 I
        - - - 2026-01-03 T
        a 2 - 2026-01-04 I
        c 1 - 2026-01-05 I
        - - - 2026-01-02 T
        - - - 2026-01-02 T
        d 1 - 2026-01-03 I
    ";
    let current = partial("", events);
    expect![[r#"
        k,v,at
        a,2,2026-01-04
        c,1,2026-01-05
        d,1,2026-01-03
    "#]]
    .assert_eq(&current.rows("select k, v, at from d_silver.t"));
    expect!["8 read = 1 deleted + 3 kept + 2 superseded + 2 unchanged"]
        .assert_eq(&current.accounting("d_silver.t"));
    let history = partial(", stored_as_scd_type: 2", events);
    expect![[r#"
        k,v,__start_at,__end_at
        a,1,2026-01-01,2026-01-02
        a,2,2026-01-04,
        b,1,2026-01-01,2026-01-02
        c,1,2026-01-05,
        d,1,2026-01-03,
    "#]]
    .assert_eq(&history.rows("select k, v, __START_AT, __END_AT from d_silver.t"));
    expect!["8 read = 1 deleted + 5 kept + 2 unchanged"]
        .assert_eq(&history.accounting("d_silver.t"));
    // One that comes alone, later than all: nothing is left, or nothing is open.
    for project in [&current, &history] {
        project.write("landing/e_2.csv", &csv("- - - 2026-01-09 T"));
        project.run(0);
    }
    assert_eq!(current.rows("select * from d_silver.t"), "k,v,w,at\n");
    assert_eq!(
        history.rows("select count(*) as n from d_silver.t where __END_AT is null"),
        "n\n0\n"
    );
    let explained = history.karat(&["explain", "d_silver.t", "--where", "k = 'c'"]);
    assert_eq!(explained.code, 0, "{}", explained.text());
}

/// Deletes and truncates have no values to judge, unless a rule says so (C2).
#[test]
fn expectations_on_events() {
    let events = "
        a 1 x 2026-01-01 I
        b 9 x 2026-01-01 I
        a - - 2026-01-02 D
        - - - 2026-01-03 T
        c - - 2026-01-04 I
        d 1 - 2026-01-04 I
    ";
    let with = |on: &str| {
        let silver = partial_silver("");
        let project = Project::one_feed(
            FEED,
            &format!(
                "{silver}expectations: {{ has_v: {{ expect: \"v is not null\", action: quarantine{on} }}, small: {{ expect: \"v < 5\", action: drop }} }}\n"
            ),
        );
        project.write("landing/e_1.csv", &csv(events));
        project.run(0);
        project
    };
    let project = with("");
    assert_eq!(project.rows("select k from d_silver.t"), "k\nd\n");
    let held = project.rows("select _row, rules from d_quarantine.t");
    assert_eq!(held, "_row,rules\n6,\"has_v,small\"\n");
    expect!["6 read = 1 deleted + 1 dropped + 1 kept + 1 quarantined + 1 superseded + 1 unchanged"]
        .assert_eq(&project.accounting("d_silver.t"));
    let project = with(", on: all");
    expect![[r#"
        k,v,at
        a,1,2026-01-01
        d,1,2026-01-04
    "#]]
    .assert_eq(&project.rows("select k, v, at from d_silver.t"));
    expect![[r#"
        _row,rules
        4,has_v
        5,has_v
        6,"has_v,small"
    "#]]
    .assert_eq(&project.rows("select _row, rules from d_quarantine.t"));
}

/// An event of the random histories below.
#[derive(Clone)]
struct Partial {
    key: u64,
    values: [Option<u64>; 2],
    day: u32,
    /// I, D or T.
    op: char,
    seq: u64,
}

/// The naive model: events in order; what holds at the end of a day holds for that day.
fn end_of_days(events: &[Partial], ignored: [bool; 2], history: bool) -> Vec<String> {
    let mut events = events.to_vec();
    events.sort_by_key(|event| (event.day, event.seq));
    let mut rows = Vec::new();
    for key in 0..4 {
        let mut state: Option<[Option<u64>; 2]> = None;
        let mut days: Vec<(u32, Option<[Option<u64>; 2]>)> = Vec::new();
        for event in events
            .iter()
            .filter(|event| event.op == 'T' || event.key == key)
        {
            state = match event.op {
                'I' => Some(std::array::from_fn(|at| match event.values[at] {
                    None if ignored[at] => state.and_then(|before| before[at]),
                    value => value,
                })),
                _ => None,
            };
            match days.last_mut() {
                Some((day, of_day)) if *day == event.day => *of_day = state,
                _ => days.push((event.day, state)),
            }
        }
        days.dedup_by(|next, before| next.1 == before.1);
        for (at, (day, state)) in days.iter().enumerate() {
            let Some(state) = state else { continue };
            let [v, w] = state.map(|value| value.map_or(String::new(), |value| value.to_string()));
            let end = days
                .get(at + 1)
                .map_or(String::new(), |(end, _)| format!("2026-01-{end:02}"));
            match (history, end.is_empty()) {
                (true, _) => rows.push(format!("{key},{v},{w},2026-01-{day:02},{end}")),
                (false, true) => rows.push(format!("{key},{v},{w}")),
                (false, false) => {}
            }
        }
    }
    rows.sort();
    rows
}

/// Truncates and partial updates in any order of arrival, and in any number of runs: the table of the naive model (C4 to C6).
#[test]
fn truncates_and_partial_updates_in_any_arrival() {
    for seed in 0..8 {
        let mut dice = Dice(900 + seed);
        let history = seed % 2 == 1;
        let (ignored, list) = match seed / 2 {
            0 => ([true, true], "ignore_null_updates: true"),
            1 => ([true, false], "ignore_null_updates_column_list: [v]"),
            2 => ([false, true], "ignore_null_updates_except_column_list: [v]"),
            _ => ([false, false], "ignore_null_updates: false"),
        };
        let in_order = seed >= 4;
        let more = match history {
            true => format!(", {list}, stored_as_scd_type: 2"),
            false => format!(", {list}"),
        };
        let files = 6;
        let mut texts: Vec<String> = vec!["k,v,u,at,op\n".to_owned(); files];
        let mut events = Vec::new();
        for (file, text) in texts.iter_mut().enumerate() {
            for row in 0..5 + dice.roll(9) {
                let mut value = || (dice.roll(3) > 0).then(|| dice.roll(3));
                let values = [value(), value()];
                let day = match in_order {
                    false => 1 + dice.roll(8) as u32,
                    true => 1 + 3 * file as u32 + dice.roll(3) as u32,
                };
                // In the last file of those in order there is no truncate: it is folded in.
                let op = match dice.roll(12) {
                    0 if !in_order || file % 2 == 0 => 'T',
                    1 | 2 => 'D',
                    _ => 'I',
                };
                let event = Partial {
                    key: dice.roll(4),
                    values,
                    day,
                    op,
                    seq: file as u64 * 1000 + row,
                };
                let cell = |value: Option<u64>| value.map_or(String::new(), |v| v.to_string());
                let key = if op == 'T' {
                    String::new()
                } else {
                    event.key.to_string()
                };
                text.push_str(&format!(
                    "{key},{},{},2026-01-{day:02},{op}\n",
                    cell(values[0]),
                    cell(values[1])
                ));
                events.push(event);
            }
        }
        let (whole, parts) = (
            Project::one_feed(FEED, &partial_silver(&more)),
            Project::one_feed(FEED, &partial_silver(&more)),
        );
        for (file, text) in texts.iter().enumerate() {
            whole.write(&format!("landing/e_{file}.csv"), text);
        }
        whole.run(0);
        let columns = match history {
            true => "k, v, w, __START_AT, __END_AT",
            false => "k, v, w",
        };
        // `at` moves with each event: it is no part of a state.
        let table = whole.rows(&format!("select {columns} from d_silver.t"));
        let mut rows: Vec<&str> = table.lines().skip(1).collect();
        rows.sort();
        assert_eq!(rows, end_of_days(&events, ignored, history), "seed {seed}");
        let mut waiting: Vec<usize> = (0..files).collect();
        let mut incremental = 0;
        while !waiting.is_empty() {
            let next = match in_order {
                true => 0,
                false => dice.roll(waiting.len() as u64) as usize,
            };
            let file = waiting.remove(next);
            parts.write(&format!("landing/e_{file}.csv"), &texts[file]);
            if dice.roll(3) > 0 || waiting.is_empty() || in_order {
                let run = parts.karat(&["run", "--json"]);
                assert_eq!(run.code, 0, "{}", run.text());
                incremental += usize::from(run.stdout.contains("\"incremental: "));
            }
        }
        assert!(!in_order || incremental > 1, "seed {seed}: {incremental}");
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
        for arguments in [&["replay", "--rebuild", "d_silver.t"][..], &["verify"]] {
            let answer = parts.karat(arguments);
            assert_eq!(answer.code, 0, "seed {seed}: {}", answer.text());
        }
    }
}
