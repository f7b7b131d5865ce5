//! AUTO CDC: events of a key become its current row or its ranges, in any order of arrival (rules C4 to C6).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BinaryArray, BooleanArray, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use expect_test::expect;
use karat_pipeline::scd::{DELETE, EXISTING, EventFold, EventShape, GONE, SEQUENCE, ScdType};

use crate::dice::Dice;
use crate::project::Project;

pub(crate) const FEED: &str =
    "{ source: landing, name: e, mode: incremental, path: \"*.csv\", file_order: '_(\\d+)' }";

fn silver(more: &str) -> String {
    format!(
        "from: landing.e\nselect: {{ k: k, v: v, u: u, at: cast(at as date) }}\nauto_cdc: {{ keys: [k], sequence_by: at, apply_as_deletes: \"op = 'D'\"{more} }}\n"
    )
}

/// Loads one file with these events: `key value untracked day op`, in words.
fn project_of(more: &str, events: &str) -> Project {
    let project = Project::one_feed(FEED, &silver(more));
    project.write("landing/e_1.csv", &csv(events));
    project.run(0);
    project
}

pub(crate) fn csv(events: &str) -> String {
    let mut text = "k,v,u,at,op\n".to_owned();
    for event in events
        .lines()
        .map(str::trim)
        .filter(|event| !event.is_empty())
    {
        let fields: Vec<&str> = event
            .split(' ')
            .map(|word| if word == "-" { "" } else { word })
            .collect();
        text.push_str(&fields.join(","));
        text.push('\n');
    }
    text
}

const EVENTS: &str = "
    a 1 - 2026-01-01 I
    a 2 - 2026-01-03 I
    a 1 - 2026-01-05 I
    a 1 x 2026-01-06 I
    b 1 - 2026-01-01 I
    b - - 2026-01-02 D
    b 2 - 2026-01-04 I
    c - - 2026-01-05 D
    c 9 - 2026-01-04 I
    d 1 - 2026-01-01 I
    d 1 - - I
    - 1 - 2026-01-01 I
";

#[test]
fn the_current_row_and_the_ranges_of_a_key() {
    let current = project_of("", EVENTS);
    expect![[r#"
        k,v,u,at
        a,1,x,2026-01-06
        b,2,,2026-01-04
        d,1,,2026-01-01
    "#]]
    .assert_eq(&current.rows("select * from d_silver.t"));
    expect!["12 read = 2 deleted + 3 kept + 2 quarantined + 5 superseded"]
        .assert_eq(&current.accounting("d_silver.t"));
    expect![[r#"
        _row,rules
        12,sequence_null
        13,key_null
    "#]]
    .assert_eq(&current.rows("select _row, rules from d_quarantine.t"));
    let history = project_of(", stored_as_scd_type: 2", EVENTS);
    expect![[r#"
        k,v,u,at,__start_at,__end_at
        a,1,x,2026-01-06,2026-01-06,
        a,1,,2026-01-01,2026-01-01,2026-01-03
        a,1,,2026-01-05,2026-01-05,2026-01-06
        a,2,,2026-01-03,2026-01-03,2026-01-05
        b,1,,2026-01-01,2026-01-01,2026-01-02
        b,2,,2026-01-04,2026-01-04,
        c,9,,2026-01-04,2026-01-04,2026-01-05
        d,1,,2026-01-01,2026-01-01,
    "#]]
    .assert_eq(&history.rows("select * from d_silver.t"));
    expect!["12 read = 2 deleted + 8 kept + 2 quarantined"]
        .assert_eq(&history.accounting("d_silver.t"));
    // Late: it splits the range it falls in; before a delete it does not revive the key.
    history.write(
        "landing/e_2.csv",
        &csv("a 7 - 2026-01-02 I\nb 5 - 2026-01-01 I"),
    );
    history.run(0);
    expect![[r#"
        k,v,__start_at,__end_at
        a,1,2026-01-01,2026-01-02
        a,1,2026-01-05,2026-01-06
        a,1,2026-01-06,
        a,2,2026-01-03,2026-01-05
        a,7,2026-01-02,2026-01-03
        b,2,2026-01-04,
        b,5,2026-01-01,2026-01-02
    "#]]
    .assert_eq(&history.rows("select k, v, __START_AT, __END_AT from d_silver.t where k < 'c'"));
}

#[test]
fn untracked_columns_open_no_range() {
    let project = project_of(
        ", stored_as_scd_type: 2, track_history_except_column_list: [u]",
        "
        a 1 x 2026-01-01 I
        a 1 y 2026-01-02 I
        a 2 y 2026-01-03 I
        ",
    );
    expect![[r#"
        k,v,u,at,__start_at,__end_at
        a,1,y,2026-01-02,2026-01-01,2026-01-03
        a,2,y,2026-01-03,2026-01-03,
    "#]]
    .assert_eq(&project.rows("select * from d_silver.t"));
    expect!["3 read = 2 kept + 1 unchanged"].assert_eq(&project.accounting("d_silver.t"));
    project.write("landing/e_2.csv", &csv("a 2 z 2026-01-04 I"));
    project.run(0);
    expect![[r#"
        k,v,u,at,__start_at,__end_at
        a,1,y,2026-01-02,2026-01-01,2026-01-03
        a,2,z,2026-01-04,2026-01-03,
    "#]]
    .assert_eq(&project.rows("select * from d_silver.t"));
}

/// Two files of one order mark: their rows are equal in order.
#[test]
fn events_equal_in_order() {
    let project = Project::one_feed(FEED, &silver(""));
    project.write(
        "landing/x_1.csv",
        &csv("a 1 - 2026-01-01 I\nb 1 - 2026-01-01 I\n"),
    );
    project.write(
        "landing/y_1.csv",
        &csv("a 1 - 2026-01-01 I\nb 2 - 2026-01-01 I\nc 3 - 2026-01-01 I\n"),
    );
    project.run(0);
    expect![[r#"
        k,v,u,at
        a,1,,2026-01-01
        c,3,,2026-01-01
    "#]]
    .assert_eq(&project.rows("select * from d_silver.t"));
    expect!["5 read = 1 duplicate + 2 kept + 2 quarantined"]
        .assert_eq(&project.accounting("d_silver.t"));
    expect![[r#"
        _object,_row,rules,row
        x_1.csv,3,sequence_tie,"{""at"":""2026-01-01"",""k"":""b"",""v"":""1""}"
        y_1.csv,3,sequence_tie,"{""at"":""2026-01-01"",""k"":""b"",""v"":""2""}"
    "#]]
    .assert_eq(&project.rows("select _object, _row, rules, row from d_quarantine.t"));
    // A tie with what the table has taken in already.
    project.write("landing/z_1.csv", &csv("a 5 - 2026-01-01 I\n"));
    project.run(0);
    expect![[r#"
        k,v,u,at
        c,3,,2026-01-01
    "#]]
    .assert_eq(&project.rows("select * from d_silver.t"));
    expect!["6 read = 1 kept + 5 quarantined"].assert_eq(&project.accounting("d_silver.t"));
}

#[test]
fn ranges_are_dated() {
    let project = Project::one_feed(
        FEED,
        "from: landing.e\nselect: { k: k, v: v, n: cast(u as bigint) }\nauto_cdc: { keys: [k], sequence_by: n, stored_as_scd_type: 2 }\n",
    );
    expect![[r#"
        1 mistake, 1 warning
        --- stderr
        warning: no file matches `*.csv` in source `landing`
         --> domains/d/domain.yaml:3:58
          |
        3 |   - { source: landing, name: e, mode: incremental, path: "*.csv", file_order: '_(\d+)' }
          |                                                          ^^^^^^^
          = hint: there is readme.txt

        error: `d_silver.t` cannot keep a history: its `sequence_by` is a bigint, which dates no range
         --> domains/d/silver/t.yaml:1:1
          |
        1 | from: landing.e
          | ^
          = hint: name the selected date or timestamp from which a state holds: `valid_from: COLUMN`

        --- exit 2
    "#]].assert_eq(&project.karat(&["validate"]).text());
    project.write(
        "domains/d/silver/t.yaml",
        "from: landing.e\nselect: { k: k, v: v, n: cast(u as bigint), at: cast(at as date) }\nauto_cdc: { keys: [k], sequence_by: n, stored_as_scd_type: 2, valid_from: at }\n",
    );
    project.write(
        "landing/e_1.csv",
        &csv("a 1 1 2026-01-01 I\na 2 2 2026-02-01 I\na 3 3 - I\n"),
    );
    project.run(0);
    expect![[r#"
        k,v,n,at,__start_at,__end_at
        a,1,1,2026-01-01,2026-01-01,2026-02-01
        a,2,2,2026-02-01,2026-02-01,
    "#]]
    .assert_eq(&project.rows("select * from d_silver.t"));
    expect![[r#"
        _row,rules
        4,valid_from_null
    "#]]
    .assert_eq(&project.rows("select _row, rules from d_quarantine.t"));
}

/// Where a column dates the ranges, it may contradict the order of the events: no range ends before it begins (C5).
#[test]
fn a_range_does_not_end_before_it_begins() {
    let project = Project::one_feed(
        FEED,
        "from: landing.e\nselect: { k: k, v: v, n: cast(u as bigint), at: cast(at as date) }\nauto_cdc: { keys: [k], sequence_by: n, stored_as_scd_type: 2, valid_from: at, apply_as_deletes: \"op = 'D'\" }\n",
    );
    project.write(
        "landing/e_1.csv",
        &csv("a 1 1 2026-01-10 I\na 2 2 2026-01-05 I\na 3 3 2026-01-20 I\na 4 4 2026-01-20 I\nb 1 1 2026-01-10 I\nb - 2 2026-01-09 D\n"),
    );
    project.run(0);
    expect![[r#"
        k,v,n,at,__start_at,__end_at
        a,1,1,2026-01-10,2026-01-10,2026-01-20
        a,4,4,2026-01-20,2026-01-20,
        b,1,1,2026-01-10,2026-01-10,
    "#]]
    .assert_eq(&project.rows("select * from d_silver.t"));
    expect![[r#"
        _row,rules
        3,valid_from_order
        7,valid_from_order
    "#]]
    .assert_eq(&project.rows("select _row, rules from d_quarantine.t"));
    expect!["6 read = 3 kept + 2 quarantined + 1 superseded"]
        .assert_eq(&project.accounting("d_silver.t"));
    // One that arrives later is judged as if it had come with the others.
    let whole = Project::copy_of(&project);
    let (text, later) = (
        csv("a 5 0 2026-01-15 I\n"),
        csv("a 5 0 2026-01-15 I\na 6 6 2026-01-25 I\n"),
    );
    project.write("landing/e_2.csv", &text);
    project.run(0);
    project.write("landing/e_3.csv", &csv("a 6 6 2026-01-25 I\n"));
    project.run(0);
    whole.write("landing/e_2.csv", &later);
    whole.run(0);
    expect![[r#"
        k,v,n,at,__start_at,__end_at
        a,4,4,2026-01-20,2026-01-20,2026-01-25
        a,5,0,2026-01-15,2026-01-15,2026-01-20
        a,6,6,2026-01-25,2026-01-25,
        b,1,1,2026-01-10,2026-01-10,
    "#]]
    .assert_eq(&project.rows("select * from d_silver.t"));
    assert_eq!(
        project.fingerprint("d_silver.t"),
        whole.fingerprint("d_silver.t")
    );
    // A key that a full load no longer has was not yet valid, or is closed on the day of that load.
    let project = Project::one_feed(
        "{ source: landing, name: e, mode: full, key: [k], max_delete: 100%, path: \"*.csv\", file_order: '_(\\d+)' }",
        "from: landing.e\nselect: { k: k, v: v, at: cast(at as date) }\nauto_cdc: { keys: [k], stored_as_scd_type: 2, valid_from: at }\n",
    );
    project.write(
        "landing/e_20260104.csv",
        "k,v,at\na,1,2026-01-01\nb,1,2026-01-09\n",
    );
    project.write(
        "landing/e_20260105.csv",
        "k,v,at\na,2,2026-01-08\nb,1,2026-01-09\n",
    );
    project.write("landing/e_20260106.csv", "k,v,at\nc,1,2026-01-01\n");
    project.run(0);
    expect![[r#"
        k,v,at,__start_at,__end_at
        a,1,2026-01-01,2026-01-01,2026-01-06
        c,1,2026-01-01,2026-01-01,
    "#]]
    .assert_eq(&project.rows("select * from d_silver.t"));
    expect!["6 read = 2 deleted + 2 kept + 2 superseded"]
        .assert_eq(&project.accounting("d_silver.t"));
}

#[derive(Clone)]
pub(crate) struct Event {
    pub(crate) key: String,
    pub(crate) value: String,
    pub(crate) day: u32,
    pub(crate) delete: bool,
    /// The delete of a full load that no longer has the key.
    pub(crate) gone: bool,
    pub(crate) seq: u64,
}

impl Event {
    fn date(&self) -> String {
        format!("2026-01-{:02}", self.day)
    }
}

/// The naive model: sort, then walk.
pub(crate) fn naive(events: &[Event], history: bool) -> Vec<String> {
    naive_and_deleted(events, history).0
}

/// The same, and how many deletes found a row.
fn naive_and_deleted(events: &[Event], history: bool) -> (Vec<String>, u64) {
    let mut deleted = 0;
    let mut keys: BTreeMap<&str, Vec<&Event>> = BTreeMap::new();
    for event in events {
        keys.entry(&event.key).or_default().push(event);
    }
    let mut rows = Vec::new();
    for (key, mut events) in keys {
        // A later full load that has the key again, dated before the load without it, is right that it is there.
        let every = events.clone();
        events.retain(|gone| {
            let back =
                |event: &&Event| !event.delete && event.day < gone.day && event.seq > gone.seq;
            !gone.gone || !every.iter().any(back)
        });
        // A full load without the key ends what earlier loads said of it, whatever they dated later.
        let all = events.clone();
        let is_over = |event: &Event| {
            let mut gone = all.iter().filter(|other| other.gone);
            gone.any(|gone| gone.day < event.day && gone.seq > event.seq)
        };
        let mut enders = BTreeSet::new();
        for event in all.iter().filter(|event| !event.delete && is_over(event)) {
            let before = all.iter().filter(|gone| gone.gone && gone.day < event.day);
            enders.extend(before.map(|gone| (gone.seq, gone.day)).max());
        }
        events.retain(|event| !is_over(event));
        events.sort_by_key(|event| (event.day, event.seq));
        let mut ranges: Vec<(String, u32, Option<u32>)> = Vec::new();
        for event in &events {
            let end = event.day;
            let open = ranges.last_mut().filter(|range| range.2.is_none());
            let ends = open.is_some() || (event.gone && enders.contains(&(event.seq, event.day)));
            deleted += u64::from(event.delete && ends);
            match open {
                Some(range) if event.delete => range.2 = Some(end),
                Some(range) if range.0 == event.value => {}
                Some(range) => {
                    range.2 = Some(end);
                    ranges.push((event.value.clone(), end, None));
                }
                None if event.delete => {}
                None => ranges.push((event.value.clone(), end, None)),
            }
            // A state that holds for no time at all has never been.
            ranges.retain(|range| range.2 != Some(range.1));
            // Two ranges of one state that meet are one.
            let mut merged: Vec<(String, u32, Option<u32>)> = Vec::new();
            for range in ranges.drain(..) {
                match merged.last_mut() {
                    Some(last) if last.0 == range.0 && last.2 == Some(range.1) => last.2 = range.2,
                    _ => merged.push(range),
                }
            }
            ranges = merged;
        }
        for (value, start, end) in ranges {
            if history {
                let end = end.map_or(String::new(), |end| format!("2026-01-{end:02}"));
                rows.push(format!("{key},{value},2026-01-{start:02},{end}"));
            } else if end.is_none() {
                rows.push(format!("{key},{value}"));
            }
        }
    }
    rows.sort();
    (rows, deleted)
}

/// The decision alone, on many more events: ties, duplicates, and batches cut anywhere.
#[test]
fn the_fold_agrees_with_the_naive_model() {
    for seed in 0..400 {
        let mut dice = Dice(seed);
        let scd = if seed % 2 == 0 {
            ScdType::One
        } else {
            ScdType::Two
        };
        let mut events: Vec<Event> = (0..dice.roll(40))
            .map(|_| {
                let delete = dice.roll(4) == 0;
                Event {
                    key: dice.roll(4).to_string(),
                    value: dice.roll(3).to_string(),
                    day: 1 + dice.roll(6) as u32,
                    delete,
                    gone: delete && seed % 4 > 1,
                    seq: dice.roll(20),
                }
            })
            .collect();
        // As the pipeline sorts them; those that are equal in order come in any order.
        events.sort_by_key(|event| (event.key.clone(), event.day, event.seq));
        let batch = batch_of(&events);
        let shape = EventShape {
            scd,
            keys: vec!["k".to_owned()],
            sequence: vec![SEQUENCE.to_owned()],
            output: vec!["k".to_owned(), "v".to_owned()],
            tracked: vec!["v".to_owned()],
            ignored_nulls: Vec::new(),
            loads: None,
            valid_from: SEQUENCE.to_owned(),
        };
        let mut fold = EventFold::new(shape, batch.schema()).unwrap();
        let mut folded = Vec::new();
        let mut at = 0;
        while at < batch.num_rows() {
            let rows = (1 + dice.roll(7) as usize).min(batch.num_rows() - at);
            folded.extend(fold.push(batch.slice(at, rows)).unwrap());
            at += rows;
        }
        folded.extend(fold.finish().unwrap());
        let mut rows = Vec::new();
        let mut tied = 0;
        for part in &folded {
            tied += part.tied.num_rows();
            let text = |name: &str, row: usize| {
                let column =
                    cast(part.rows.column_by_name(name).unwrap(), &DataType::Utf8).unwrap();
                let column = column.as_string::<i32>();
                if column.is_null(row) {
                    String::new()
                } else {
                    column.value(row).to_owned()
                }
            };
            for row in 0..part.rows.num_rows() {
                let columns: &[&str] = match scd {
                    ScdType::One => &["k", "v"],
                    ScdType::Two => &["k", "v", "__START_AT", "__END_AT"],
                };
                rows.push(
                    columns
                        .iter()
                        .map(|name| text(name, row))
                        .collect::<Vec<_>>()
                        .join(","),
                );
            }
        }
        rows.sort();
        let single = without_ties(&events);
        let (expected, deleted) = naive_and_deleted(&single, scd == ScdType::Two);
        assert_eq!(rows, expected, "seed {seed}");
        let counts = fold.counts();
        assert_eq!(counts.deleted, deleted, "seed {seed}: {counts:?}");
        let terms: u64 = counts.terms().values().sum();
        assert_eq!(terms, events.len() as u64, "seed {seed}: {counts:?}");
        assert_eq!(counts.kept, rows.len() as u64, "seed {seed}");
        assert_eq!(
            (counts.tied, counts.duplicate),
            (tied as u64, (events.len() - tied - single.len()) as u64),
            "seed {seed}"
        );
    }
}

/// Of events that are equal in order: one if they are equal, none if not.
fn without_ties(events: &[Event]) -> Vec<Event> {
    events
        .iter()
        .enumerate()
        .filter(|(at, event)| {
            let place = |other: &Event| (other.key.clone(), other.day, other.seq);
            let alike = events.iter().filter(|other| place(other) == place(event));
            alike
                .clone()
                .all(|other| (&other.value, other.delete) == (&event.value, event.delete))
                && events.iter().position(|other| place(other) == place(event)) == Some(*at)
        })
        .map(|(_, event)| event.clone())
        .collect()
}

fn batch_of(events: &[Event]) -> RecordBatch {
    let texts = |of: &dyn Fn(&Event) -> String| -> ArrayRef {
        Arc::new(
            events
                .iter()
                .map(|event| Some(of(event)))
                .collect::<StringArray>(),
        )
    };
    let seqs: Vec<[u8; 8]> = events.iter().map(|event| event.seq.to_be_bytes()).collect();
    let flags = |of: &dyn Fn(&Event) -> bool| -> ArrayRef {
        Arc::new(
            events
                .iter()
                .map(|event| Some(of(event)))
                .collect::<BooleanArray>(),
        )
    };
    RecordBatch::try_from_iter([
        ("k", texts(&|event| event.key.clone())),
        ("v", texts(&|event| event.value.clone())),
        (SEQUENCE, texts(&Event::date)),
        (
            "_seq",
            Arc::new(BinaryArray::from_iter_values(&seqs)) as ArrayRef,
        ),
        (DELETE, flags(&|event| event.delete)),
        (GONE, flags(&|event| event.gone)),
        (EXISTING, flags(&|_| false)),
    ])
    .unwrap()
}

/// C6, through the whole program: files arrive in any order and in any number of runs; the table is that of one load.
#[test]
fn any_arrival_and_any_batching_give_one_table() {
    for seed in 0..6 {
        let mut dice = Dice(seed);
        let history = seed % 2 == 1;
        // In the last third some files come with wrong content first.
        let again = seed >= 4;
        // Late events make the table anew; in the second half each file is newer than the one before, and only what is new is read.
        let in_order = (2..4).contains(&seed);
        let more = if history {
            ", stored_as_scd_type: 2"
        } else {
            ""
        };
        let files = 6;
        let mut texts: Vec<String> = vec!["k,v,u,at,op\n".to_owned(); files];
        let mut events = Vec::new();
        for (file, text) in texts.iter_mut().enumerate() {
            for row in 0..5 + dice.roll(10) {
                let key = ["a", "b", "c", "d"][dice.roll(4) as usize];
                let value = ["x", "y", "z"][dice.roll(3) as usize];
                let day = match in_order {
                    false => 1 + dice.roll(9) as u32,
                    true => 1 + 3 * file as u32 + dice.roll(3) as u32,
                };
                let delete = dice.roll(4) == 0;
                let op = if delete { "D" } else { "I" };
                text.push_str(&format!("{key},{value},,2026-01-{day:02},{op}\n"));
                events.push(Event {
                    key: key.to_owned(),
                    value: value.to_owned(),
                    day,
                    delete,
                    gone: false,
                    seq: file as u64 * 1000 + row,
                });
            }
        }
        let whole = Project::one_feed(FEED, &silver(more));
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

        let parts = Project::one_feed(FEED, &silver(more));
        let mut waiting: Vec<usize> = (0..files).collect();
        let mut incremental = 0;
        while !waiting.is_empty() {
            for _ in 0..=dice.roll(2) {
                if waiting.is_empty() {
                    break;
                }
                let next = if in_order {
                    0
                } else {
                    dice.roll(waiting.len() as u64) as usize
                };
                let file = waiting.remove(next);
                let name = format!("landing/e_{file}.csv");
                if again && dice.roll(2) == 0 {
                    parts.write(&name, &format!("k,v,u,at,op\na,wrong{file},,2026-01-05,I\nzz,wrong,,2026-01-0{},D\n,x,,,\n", 1 + file));
                    parts.run(0);
                }
                parts.write(&name, &texts[file]);
            }
            let run = parts.karat(&["run", "--json"]);
            assert_eq!(run.code, 0, "{}", run.text());
            let step = run.json()["steps"]
                .as_array()
                .unwrap()
                .iter()
                .find(|step| step["table"] == "d_silver.t")
                .unwrap()
                .clone();
            incremental += usize::from(step["how"].as_str().unwrap().starts_with("incremental"));
        }
        if again {
            assert_eq!(
                parts.fingerprint("d_silver.t"),
                whole.fingerprint("d_silver.t"),
                "seed {seed}"
            );
            assert_eq!(
                parts.rows("select count(*) as n from d_quarantine.t"),
                "n\n0\n"
            );
            continue;
        }
        for table in ["d_silver.t", "d_bronze.landing__e"] {
            assert_eq!(
                parts.fingerprint(table).split(':').next(),
                whole.fingerprint(table).split(':').next(),
                "seed {seed} {table}"
            );
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
        assert!(!in_order || incremental > 1, "seed {seed}: {incremental}");
    }
}

/// A database changes between the runs, within the lag, also back to what it was and at one moment (B1, B7, C4 to C6): the current rows are
/// those that it holds, the history is that of what the readings saw, and what was made load by load is a rebuild's.
#[test]
fn a_cursor_follows_its_table() {
    for seed in 0..4 {
        let mut dice = Dice(500 + seed);
        let history = seed % 2 == 1;
        let more = match seed {
            0 => "",
            1 => ", sequence_by: at, stored_as_scd_type: 2, track_history_column_list: [v]",
            2 => ", sequence_by: at",
            _ => ", valid_from: at, stored_as_scd_type: 2, track_history_column_list: [v]",
        };
        let project = Project::one_feed(
            "{ source: db, table: o, mode: incremental, key: [id], cursor: { column: at, lag: 2d }, deletes: { soft: gone } }",
            &format!(
                "from: db.o\nselect: {{ k: k, v: v, at: cast(at as date) }}\nauto_cdc: {{ keys: [k]{more} }}\n"
            ),
        );
        project.sqlite(
            "create table o (id integer primary key, k text, v text, at date, gone boolean)",
        );
        let database = rusqlite::Connection::open(project.path("shop.db")).unwrap();
        let mut seen: BTreeMap<String, Event> = BTreeMap::new();
        let mut events: Vec<Event> = Vec::new();
        for round in 0..9_u64 {
            for _ in 0..5 {
                let id = dice.roll(6);
                // Committed late: up to two days behind the newest. A row's own cursor never goes back.
                let day = 1 + 2 * round + dice.roll(3);
                let gone = ["0", "1", "null", "0"][dice.roll(4) as usize];
                database
                    .execute_batch(&format!(
                        "insert into o values ({id}, 'k{id}', 'v{}', '2026-01-{day:02}', {gone}) on conflict do update set v = excluded.v, at = excluded.at, gone = excluded.gone where excluded.at >= at",
                        dice.roll(3)
                    ))
                    .unwrap();
            }
            project.run(0);
            let mut statement = database
                .prepare("select k, v, cast(substr(at, 9) as integer), ifnull(gone, 0) from o")
                .unwrap();
            let mut found = statement.query([]).unwrap();
            while let Some(row) = found.next().unwrap() {
                let event = Event {
                    key: row.get(0).unwrap(),
                    value: row.get(1).unwrap(),
                    day: row.get(2).unwrap(),
                    delete: row.get(3).unwrap(),
                    gone: false,
                    seq: round,
                };
                let is_news = seen.get(&event.key).is_none_or(|before| {
                    (&before.value, before.day, before.delete)
                        != (&event.value, event.day, event.delete)
                });
                if is_news {
                    seen.insert(event.key.clone(), event.clone());
                    events.push(event);
                }
            }
            let columns = match history {
                true => "k, v, __START_AT, __END_AT",
                false => "k, v",
            };
            let rows = project.rows(&format!("select {columns} from d_silver.t"));
            let mut rows: Vec<&str> = rows.lines().skip(1).collect();
            rows.sort();
            assert_eq!(rows, naive(&events, history), "seed {seed}, round {round}");
            if !history {
                let mut held: Vec<String> = seen
                    .values()
                    .filter(|event| !event.delete)
                    .map(|event| format!("{},{}", event.key, event.value))
                    .collect();
                held.sort();
                assert_eq!(rows, held, "seed {seed}, round {round}");
            }
        }
        let rebuilt = project.karat(&["replay", "--rebuild", "d_silver.t"]);
        assert_eq!(rebuilt.code, 0, "seed {seed}: {}", rebuilt.text());
        let verified = project.karat(&["verify"]);
        assert_eq!(verified.code, 0, "seed {seed}: {}", verified.text());
    }
}

/// Files of one order mark have rows that are equal in order: one if they are equal, all held back if not, whenever they come (C4).
#[test]
fn ties_and_duplicates_in_any_arrival() {
    for seed in 0..4 {
        let mut dice = Dice(300 + seed);
        let history = seed % 2 == 1;
        let more = if history {
            ", stored_as_scd_type: 2"
        } else {
            ""
        };
        let mut files: Vec<(String, String)> = Vec::new();
        let mut events = Vec::new();
        for mark in 0..3 {
            let mut first: Vec<Event> = Vec::new();
            for part in ["x", "y"] {
                let mut text = "k,v,u,at,op\n".to_owned();
                for row in 0..8 {
                    let mut event = Event {
                        key: ["a", "b", "c"][dice.roll(3) as usize].to_owned(),
                        value: dice.roll(3).to_string(),
                        day: 1 + dice.roll(5) as u32,
                        delete: dice.roll(5) == 0,
                        gone: false,
                        seq: mark * 1000 + row,
                    };
                    if part == "x" {
                        first.push(event.clone());
                    } else if dice.roll(2) == 0 {
                        let value = event.value;
                        event = first[row as usize].clone();
                        if dice.roll(2) == 0 {
                            event.value = value;
                        }
                    }
                    let op = if event.delete { "D" } else { "I" };
                    text += &format!("{},{},,{},{op}\n", event.key, event.value, event.date());
                    events.push(event);
                }
                files.push((format!("landing/{part}_{mark}.csv"), text));
            }
        }
        let single = without_ties(&events);
        let (whole, parts) = (
            Project::one_feed(FEED, &silver(more)),
            Project::one_feed(FEED, &silver(more)),
        );
        for (name, text) in &files {
            whole.write(name, text);
        }
        whole.run(0);
        while !files.is_empty() {
            let (name, text) = files.remove(dice.roll(files.len() as u64) as usize);
            parts.write(&name, &text);
            if dice.roll(2) == 0 || files.is_empty() {
                parts.run(0);
            }
        }
        let columns = if history {
            "k, v, __START_AT, __END_AT"
        } else {
            "k, v"
        };
        let table = whole.rows(&format!("select {columns} from d_silver.t"));
        let rows: Vec<&str> = table.lines().skip(1).collect();
        assert_eq!(rows, naive(&single, history), "seed {seed}");
        for table in ["d_silver.t", "d_quarantine.t"] {
            assert_eq!(
                parts.fingerprint(table),
                whole.fingerprint(table),
                "seed {seed} {table}"
            );
        }
        let accounting = whole.accounting("d_silver.t");
        assert_eq!(parts.accounting("d_silver.t"), accounting, "seed {seed}");
        for term in ["duplicate", "quarantined"] {
            assert!(accounting.contains(term), "seed {seed}: {accounting}");
        }
    }
}

/// Extracts of every day, some of them wrong first, loaded in any batching: history and current rows are those of one run over the
/// right ones (B4, B6, C6).
#[test]
fn full_loads_in_any_batching_give_one_table() {
    let feed = "{ source: landing, name: e, mode: full, key: [k], max_delete: 100%, path: \"*.csv\", file_order: '_(\\d+)' }";
    for (seed, silver) in [
        "auto_cdc: { keys: [k], stored_as_scd_type: 2, sequence_by: at }",
        "auto_cdc: { keys: [k] }",
        "key: [k]",
        "auto_cdc: { keys: [k], stored_as_scd_type: 2, valid_from: at }",
    ]
    .iter()
    .enumerate()
    {
        let mut dice = Dice(100 + seed as u64);
        let silver =
            format!("from: landing.e\nselect: {{ k: k, v: v, at: cast(at as date) }}\n{silver}\n");
        let mut extract = |day: usize| {
            let mut text = "k,v,at\nfixed,1,2026-01-01\n".to_owned();
            for key in ["a", "b", "c", "d"] {
                if dice.roll(3) > 0 {
                    text.push_str(&format!("{key},{},2026-01-{day:02}\n", dice.roll(3)));
                }
            }
            text
        };
        let days = 1..=7;
        let right: Vec<String> = days.clone().map(&mut extract).collect();
        let wrong: Vec<String> = days.clone().map(&mut extract).collect();
        let name = |day: usize| format!("landing/e_202601{day:02}.csv");
        let whole = Project::one_feed(feed, &silver);
        let parts = Project::one_feed(feed, &silver);
        for day in days {
            whole.write(&name(day), &right[day - 1]);
            if dice.roll(2) == 0 {
                parts.write(&name(day), &wrong[day - 1]);
                parts.run(0);
            }
            parts.write(&name(day), &right[day - 1]);
            if dice.roll(3) > 0 {
                parts.run(0);
            }
        }
        whole.run(0);
        parts.run(0);
        assert_eq!(
            parts.rows("select * from d_silver.t"),
            whole.rows("select * from d_silver.t"),
            "{silver}"
        );
        assert_eq!(
            parts.fingerprint("d_silver.t"),
            whole.fingerprint("d_silver.t"),
            "{silver}"
        );
        let verified = parts.karat(&["verify"]);
        assert_eq!(verified.code, 0, "{}", verified.text());
        let current = whole.rows(if silver.contains("type: 2") {
            "select k, v from d_silver.t where __END_AT is null"
        } else {
            "select k, v from d_silver.t"
        });
        let newest: String = {
            let mut rows: Vec<String> = right[6]
                .lines()
                .skip(1)
                .map(|row| row[..row.len() - 11].to_owned() + "\n")
                .collect();
            rows.sort();
            format!("k,v\n{}", rows.concat())
        };
        assert_eq!(current, newest, "{silver}");
    }
}

/// A row that is dated after the load that no longer has it is gone all the same; one that comes back is there again.
#[test]
fn a_full_load_ends_what_it_no_longer_has() {
    let feed = "{ source: landing, name: e, mode: full, key: [k], max_delete: 100%, path: \"*.csv\", file_order: '_(\\d+)' }";
    for (history, rows, accounting) in [
        (
            "",
            "k,v,at\na,1,2026-01-01\nc,3,2026-01-09\n",
            "7 read = 2 deleted + 2 kept + 3 superseded",
        ),
        (
            ", stored_as_scd_type: 2",
            "k,v,at,__start_at,__end_at\na,1,2026-01-01,2026-01-01,\nb,1,2026-01-01,2026-01-01,2026-01-06\nc,3,2026-01-09,2026-01-09,\n",
            "7 read = 2 deleted + 3 kept + 2 superseded",
        ),
    ] {
        let silver = format!(
            "from: landing.e\nselect: {{ k: k, v: v, at: cast(at as date) }}\nauto_cdc: {{ keys: [k], sequence_by: at{history} }}\n"
        );
        let days = [
            "k,v,at\na,1,2026-01-01\nb,1,2026-01-01\nc,1,2026-01-08\n",
            "k,v,at\na,1,2026-01-01\nb,2,2026-01-20\n",
            "k,v,at\na,1,2026-01-01\nc,3,2026-01-09\n",
        ];
        let (whole, parts) = (
            Project::one_feed(feed, &silver),
            Project::one_feed(feed, &silver),
        );
        for (day, text) in days.iter().enumerate() {
            let name = format!("landing/e_2026010{}.csv", 4 + day);
            whole.write(&name, text);
            parts.write(&name, text);
            parts.run(0);
        }
        whole.run(0);
        assert_eq!(whole.rows("select * from d_silver.t"), rows);
        assert_eq!(whole.accounting("d_silver.t"), accounting);
        assert_eq!(
            parts.fingerprint("d_silver.t"),
            whole.fingerprint("d_silver.t")
        );
        assert_eq!(parts.accounting("d_silver.t"), accounting);
    }
}

/// A delete that is dated before all that is known of its key deletes nothing, and is counted as that.
#[test]
fn a_delete_before_the_first_row_changes_nothing() {
    for more in ["", ", stored_as_scd_type: 2"] {
        let project = project_of(
            more,
            "a 1 - 2026-01-05 I\na - - 2026-01-03 D\nz - - 2026-01-03 D",
        );
        assert_eq!(project.rows("select k, v from d_silver.t"), "k,v\na,1\n");
        assert_eq!(
            project.accounting("d_silver.t"),
            "3 read = 1 kept + 2 unchanged"
        );
        project.write(
            "landing/e_2.csv",
            &csv("a - - 2026-01-07 D\nz - - 2026-01-08 D"),
        );
        project.run(0);
        // The same by what is new alone: only where there is a row, a delete counts as one.
        let (rows, accounting) = match more {
            "" => ("k,v\n", "5 read = 1 deleted + 1 superseded + 3 unchanged"),
            _ => ("k,v\na,1\n", "5 read = 1 deleted + 1 kept + 3 unchanged"),
        };
        assert_eq!(project.rows("select k, v from d_silver.t"), rows);
        assert_eq!(project.accounting("d_silver.t"), accounting);
    }
}

/// Without `auto_cdc` as well: wrong deliveries, copies under other names and broken rows in any batching.
#[test]
fn plain_tables_and_quarantine_in_any_batching() {
    let silver = "from: landing.e\nselect: { k: k, n: cast(v as bigint) }\nexpectations: { small: { expect: \"n < 8\", action: quarantine }, even: { expect: \"n <> 3\", action: drop } }\n";
    for seed in 0..3 {
        let mut dice = Dice(200 + seed);
        let mut text = |file: u64| {
            let rows: String = (0..3 + dice.roll(5))
                .map(|row| match dice.roll(6) {
                    0 => format!("{file}x{row},no number,,,\n"),
                    1 => format!("{file}x{row},1\n"),
                    _ => format!("{file}x{row},{},,,\n", dice.roll(10)),
                })
                .collect();
            format!("k,v,u,at,op\n{rows}")
        };
        let mut files: Vec<(String, String)> = (0..6)
            .map(|file| (format!("landing/e_{file}.csv"), text(file)))
            .collect();
        files.push(("landing/copy_9.csv".to_owned(), files[1].1.clone()));
        files.push(("landing/copy_0.csv".to_owned(), files[4].1.clone()));
        let wrong = text(7);
        let whole = Project::one_feed(FEED, silver);
        for (name, text) in &files {
            whole.write(name, text);
        }
        whole.run(0);
        let parts = Project::one_feed(FEED, silver);
        while !files.is_empty() {
            let (name, text) = files.remove(dice.roll(files.len() as u64) as usize);
            if dice.roll(3) == 0 {
                parts.write(&name, &wrong);
                parts.run(0);
            }
            parts.write(&name, &text);
            if dice.roll(2) == 0 {
                parts.run(0);
            }
        }
        parts.run(0);
        assert_eq!(
            parts.fingerprint("d_silver.t"),
            whole.fingerprint("d_silver.t"),
            "seed {seed}"
        );
        for query in [
            "select * from d_silver.t",
            "select _object, _row, rules, row from d_quarantine.t",
        ] {
            assert_eq!(parts.rows(query), whole.rows(query), "seed {seed}");
        }
        let verified = parts.karat(&["verify"]);
        assert_eq!(verified.code, 0, "{}", verified.text());
    }
}

/// A key that one extract lacks and the next has again, with its old date, is there: the newest extract says so (C4).
#[test]
fn a_key_that_comes_back_with_its_old_date_is_there() {
    for scd in [1, 2] {
        let project = Project::one_feed(
            "{ source: landing, name: e, mode: full, key: [k], max_delete: 100%, path: \"*.csv\", file_order: '_(\\d+)' }",
            &format!(
                "from: landing.e\nselect: {{ k: k, at: cast(at as timestamp), v: v }}\nauto_cdc: {{ keys: [k], sequence_by: at, stored_as_scd_type: {scd} }}\n"
            ),
        );
        let now = match scd {
            1 => "select k, v from d_silver.t order by k",
            _ => "select k, v from d_silver.t where __end_at is null order by k",
        };
        for (mark, rows, expected) in [
            (
                20260101,
                "a,2025-06-01 00:00:00,one\nb,2025-06-01 00:00:00,two\n",
                "k,v\na,one\nb,two\n",
            ),
            (20260102, "a,2025-06-01 00:00:00,one\n", "k,v\na,one\n"),
            (
                20260103,
                "a,2025-06-01 00:00:00,one\nb,2025-06-01 00:00:00,back\n",
                "k,v\na,one\nb,back\n",
            ),
            (20260104, "a,2025-06-01 00:00:00,one\n", "k,v\na,one\n"),
            (
                20260105,
                "a,2025-06-01 00:00:00,one\nb,2026-01-05 00:00:00,new\n",
                "k,v\na,one\nb,new\n",
            ),
        ] {
            project.write(&format!("landing/e_{mark}.csv"), &format!("k,at,v\n{rows}"));
            project.run(0);
            assert_eq!(project.rows(now), expected, "type {scd}, {mark}");
        }
        let replayed = project.karat(&["replay", "--rebuild", "d_silver.t"]);
        assert_eq!(replayed.code, 0, "{}", replayed.text());
    }
}
