//! Any loads, undos, resets and repairs in any order (C6, A7): tables are what a naive model says was loaded and not taken back, the next run after
//! an undo too, and equal to a rebuild.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::dice::Dice;
use crate::project::Project;

/// How files are loaded, and what silver makes of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Events(u32),
    Rows,
    Snapshots(&'static str),
}

const GOLD: &str = "select g, count(*) as c, min(v) as v from d_silver.t group by g";

impl Kind {
    fn project(self) -> Project {
        let feed = match self {
            Self::Events(_) | Self::Rows => {
                "{ source: landing, name: e, mode: incremental, path: \"*.csv\", file_order: 'e_(\\d+)' }".to_owned()
            }
            Self::Snapshots(key) => format!(
                "{{ source: landing, name: e, mode: full,{key} max_delete: 100%, path: \"*.csv\", file_order: 'e_(\\d{{8}})' }}"
            ),
        };
        let (columns, more) = match self {
            Self::Events(scd) => (
                "k: k, g: g, v: v, at: cast(at as bigint)",
                format!("auto_cdc: {{ keys: [k], sequence_by: at, apply_as_deletes: \"op = 'D'\", stored_as_scd_type: {} }}\n", scd),
            ),
            Self::Rows => ("k: k, g: g, v: v", String::new()),
            Self::Snapshots(_) => (
                "k: k, g: g, v: v",
                "auto_cdc: { keys: [k], from: snapshots, snapshot_version: \"%Y%m%d\", stored_as_scd_type: 2 }\n".to_owned(),
            ),
        };
        // Ranges of SCD 2 are dated.
        let columns = match self {
            Self::Events(2) => {
                "k: k, g: g, v: v, at: \"cast('2026-01-01' as date) + cast(at as int)\""
            }
            _ => columns,
        };
        let op = match self {
            Self::Events(_) => ", op: op",
            _ => "",
        };
        let project = Project::one_feed(
            &feed,
            &format!(
                "from: landing.e\nselect: {{ {columns}{op} }}\nexpectations: {{ known: {{ expect: \"v <> 'x'\", action: quarantine }} }}\n{more}"
            ),
        );
        project.write("domains/d/gold/g.sql", GOLD);
        project.write(
            "domains/d/gold/g.yaml",
            "key: [g]\nincremental: { by: [g] }\n",
        );
        project
    }

    fn is_full(self) -> bool {
        matches!(self, Self::Snapshots(_))
    }

    fn name(self, number: u64) -> String {
        match self.is_full() {
            true => format!("e_{}.csv", 20_260_100 + number),
            false => format!("e_{number}.csv"),
        }
    }

    /// The text of a file.
    fn text(self, dice: &mut Dice) -> String {
        let header = match self {
            Self::Events(_) => "k,g,v,at,op\n",
            _ => "k,g,v\n",
        };
        let mut text = header.to_owned();
        let mut keys = BTreeSet::new();
        for _ in 0..=dice.roll(4) {
            let key = dice.roll(5);
            if self.is_full() && !keys.insert(key) {
                continue;
            }
            let value = ["a", "b", "c", "x"][dice.roll(4) as usize];
            write!(text, "k{key},g{},{value}", dice.roll(3)).unwrap();
            if let Self::Events(_) = self {
                let op = if dice.roll(5) == 0 { "D" } else { "U" };
                // No two events of one moment: their order would follow from `_seq` alone.
                write!(text, ",{},{op}", dice.roll(300)).unwrap();
            }
            text.push('\n');
        }
        text
    }
}

/// What a naive reader knows: which content of which file each run loaded.
#[derive(Debug, Default, Clone)]
struct Model {
    /// What lies in the folder.
    landing: BTreeMap<u64, String>,
    /// Runs that stand, oldest first, with the files that they loaded.
    runs: Vec<(String, Vec<(u64, String)>)>,
    /// Files whose newest content is held.
    held: BTreeMap<u64, String>,
}

impl Model {
    /// The newest content of each file, as loaded.
    fn loaded(&self) -> BTreeMap<u64, &str> {
        let loads = self.runs.iter().flat_map(|(_, files)| files);
        loads.map(|(file, text)| (*file, text.as_str())).collect()
    }

    /// What a run would load.
    fn pending(&self, full: bool) -> Vec<(u64, String)> {
        let loaded = self.loaded();
        let newest = loaded.keys().next_back().copied();
        let files = self.landing.iter().filter(|(file, text)| {
            let is_held = self.held.get(file) == Some(text);
            let is_late = full && newest.is_some_and(|newest| **file < newest);
            loaded.get(file) != Some(&text.as_str()) && !is_held && !is_late
        });
        files.map(|(file, text)| (*file, text.clone())).collect()
    }
}

#[test]
fn any_loads_undos_and_resets_are_as_a_naive_model_says() {
    let kinds = [
        Kind::Events(1),
        Kind::Events(2),
        Kind::Rows,
        Kind::Snapshots(" key: [k],"),
        Kind::Snapshots(""),
    ];
    std::thread::scope(|scope| {
        for (number, kind) in kinds.into_iter().enumerate() {
            scope.spawn(move || {
                for seed in seeds() {
                    any_of_files(kind, seed * 100 + number as u64);
                }
            });
        }
    });
}

/// More of them: `KARAT_UNDO_SEEDS=50`.
fn seeds() -> std::ops::RangeInclusive<u64> {
    let more = std::env::var("KARAT_UNDO_SEEDS").ok();
    1..=more.and_then(|text| text.parse().ok()).unwrap_or(1)
}

fn any_of_files(kind: Kind, seed: u64) {
    let mut dice = Dice(seed);
    let project = kind.project();
    let mut model = Model::default();
    let mut next = 1;
    let mut said = String::new();
    for step in 0..14 {
        let case = |said: &str| format!("{kind:?} seed {seed} step {step}: {said}");
        let roll = match step {
            // Once at least.
            9 if !said.contains("undo") => 7,
            _ => dice.roll(10),
        };
        match roll {
            0..=2 => {
                let text = kind.text(&mut dice);
                project.write(&format!("landing/{}", kind.name(next)), &text);
                write!(said, " new{next}").unwrap();
                model.landing.insert(next, text);
                next += 1;
                continue;
            }
            // A file comes again, other than it ever was.
            3 if next > 1 && !kind.is_full() => {
                let file = 1 + dice.roll(next - 1);
                let text = kind.text(&mut dice);
                if model.landing[&file] == text || model.loaded().get(&file) == Some(&text.as_str())
                {
                    continue;
                }
                project.write(&format!("landing/{}", kind.name(file)), &text);
                write!(said, " again{file}").unwrap();
                model.landing.insert(file, text);
                continue;
            }
            4..=6 => {
                let run = project.karat(&["run", "--json", "--quiet"]);
                assert!(
                    [0, 1].contains(&run.code),
                    "{}: {}",
                    case(&said),
                    run.text()
                );
                let pending = model.pending(kind.is_full());
                write!(
                    said,
                    " run{:?}",
                    pending.iter().map(|(file, _)| file).collect::<Vec<_>>()
                )
                .unwrap();
                let document = run.json();
                let mut steps = document["steps"].as_array().unwrap().iter();
                if steps.any(|step| step["status"] == "done") {
                    let id = document["run_id"].as_str().unwrap().to_owned();
                    for (file, _) in &pending {
                        model.held.remove(file);
                    }
                    model.runs.push((id, pending));
                } else {
                    assert!(pending.is_empty(), "{}: {}", case(&said), run.text());
                }
            }
            7..=8 => {
                let Some((run, files)) = model.runs.pop() else {
                    continue;
                };
                write!(
                    said,
                    " undo{:?}",
                    files.iter().map(|(file, _)| file).collect::<Vec<_>>()
                )
                .unwrap();
                let answer = project.karat(&["undo", &run, "--reason", "r"]);
                assert_eq!(answer.code, 0, "{}: {}", case(&said), answer.text());
                for (file, text) in files {
                    model.held.entry(file).or_insert(text);
                }
            }
            _ => {
                if model.held.is_empty() {
                    continue;
                }
                said.push_str(" reset");
                let answer = project.karat(&["position", "reset", "landing.e"]);
                assert_eq!(answer.code, 0, "{}: {}", case(&said), answer.text());
                model.held.clear();
                continue;
            }
        }
        agrees(kind, &project, &model, &case(&said));
    }
}

/// The tables are those of a project that has loaded what stands, and nothing else.
fn agrees(kind: Kind, project: &Project, model: &Model, case: &str) {
    let loaded = model.loaded();
    if loaded.is_empty() {
        return;
    }
    let naive = kind.project();
    for (file, text) in &loaded {
        naive.write(&format!("landing/{}", kind.name(*file)), text);
    }
    naive.run(0);
    for table in ["d_silver.t", "d_gold.g"] {
        assert_eq!(
            project.fingerprint(table),
            naive.fingerprint(table),
            "{case}: {table}"
        );
    }
    let held = |project: &Project| {
        project.rows("select _object, _row, rules from d_quarantine.t order by _object, _row")
    };
    let has = |project: &Project| project.path("lake/d/quarantine/t").exists();
    match (has(project), has(&naive)) {
        (true, true) => assert_eq!(held(project), held(&naive), "{case}"),
        (true, false) => assert_eq!(held(project).lines().count(), 1, "{case}"),
        (false, other) => assert!(!other, "{case}"),
    }
    for arguments in [
        &["verify"][..],
        &["replay", "--quiet", "--rebuild", "d_silver.t", "d_gold.g"],
    ] {
        let answer = project.karat(arguments);
        assert_eq!(answer.code, 0, "{case}: {}", answer.text());
    }
}

/// A reading of a row of a database.
struct Reading {
    load: usize,
    id: i64,
    value: String,
}

/// Rows of a database by a cursor with a lag: rows that were undone are held one by one; a reset goes back before them.
#[test]
fn any_rows_of_a_cursor_undone_and_reset() {
    for seed in seeds() {
        any_of_cursor(seed);
    }
}

const LAG: i64 = 3;

fn any_of_cursor(seed: u64) {
    let mut dice = Dice(seed);
    let project = Project::one_feed(
        "{ source: db, table: t, mode: incremental, key: [id], cursor: { column: at, lag: 3 }, deletes: none }",
        "from: db.t\nselect: { id: id, at: at, v: v }\nauto_cdc: { keys: [id] }\n",
    );
    project.sqlite("create table t (id integer primary key, at integer, v text);");
    let mut source: BTreeMap<i64, String> = BTreeMap::new();
    let mut readings: Vec<Reading> = Vec::new();
    let mut runs: Vec<(String, usize)> = Vec::new();
    let mut held: BTreeSet<usize> = BTreeSet::new();
    // Where the cursor stood before each load.
    let mut before: BTreeMap<usize, Option<i64>> = BTreeMap::new();
    let mut position: Option<i64> = None;
    let mut said = String::new();
    for step in 0..24 {
        match dice.roll(9) {
            0..=2 => {
                for _ in 0..=dice.roll(2) {
                    let id = source.len() as i64 + 1;
                    let value = format!("v{}", dice.roll(100));
                    project.sqlite(&format!("insert into t values ({id}, {id}, '{value}');"));
                    source.insert(id, value);
                }
                said.push_str(" new");
                continue;
            }
            3 if !source.is_empty() => {
                let id = 1 + dice.roll(source.len() as u64) as i64;
                let value = format!("w{}", dice.roll(3));
                project.sqlite(&format!("update t set v = '{value}' where id = {id};"));
                write!(said, " set{id}").unwrap();
                source.insert(id, value);
                continue;
            }
            4..=5 => {
                let load = before.len();
                let mut new = Vec::new();
                for (id, value) in &source {
                    let is_read = position.is_none_or(|position| *id >= position - LAG);
                    let known = readings.iter().rev().find(|reading| reading.id == *id);
                    if is_read && known.is_none_or(|known| known.value != *value) {
                        new.push(Reading {
                            load,
                            id: *id,
                            value: value.clone(),
                        });
                    }
                }
                let run = project.karat(&["run", "--json", "--quiet"]);
                assert_eq!(run.code, 0, "seed {seed} step {step}{said}: {}", run.text());
                write!(
                    said,
                    " run{:?}",
                    new.iter().map(|one| one.id).collect::<Vec<_>>()
                )
                .unwrap();
                let document = run.json();
                before.insert(load, position);
                position = position.max(source.keys().next_back().copied());
                if document["status"] != "nothing_to_do" {
                    runs.push((document["run_id"].as_str().unwrap().to_owned(), load));
                    readings.extend(new);
                } else {
                    assert!(new.is_empty(), "seed {seed} step {step}{said}");
                }
            }
            6..=7 => {
                let Some((run, load)) = runs.pop() else {
                    continue;
                };
                write!(said, " undo{load}").unwrap();
                let answer = project.karat(&["undo", &run, "--reason", "r"]);
                assert_eq!(
                    answer.code,
                    0,
                    "seed {seed} step {step}{said}: {}",
                    answer.text()
                );
                held.insert(load);
            }
            _ => {
                let Some(first) = held.first().copied() else {
                    continue;
                };
                said.push_str(" reset");
                let answer = project.karat(&["position", "reset", "db.t"]);
                assert_eq!(
                    answer.code,
                    0,
                    "seed {seed} step {step}{said}: {}",
                    answer.text()
                );
                readings.retain(|reading| !held.contains(&reading.load));
                position = before[&first];
                held.clear();
                continue;
            }
        }
        let mut rows: BTreeMap<i64, &str> = BTreeMap::new();
        for reading in readings
            .iter()
            .filter(|reading| !held.contains(&reading.load))
        {
            rows.insert(reading.id, &reading.value);
        }
        let mut expected = String::from("id,v\n");
        for (id, value) in rows {
            writeln!(expected, "{id},{value}").unwrap();
        }
        if project.path("lake/d/silver/t").exists() {
            let found = project.rows("select id, v from d_silver.t order by id");
            assert_eq!(found, expected, "seed {seed} step {step}{said}");
            let verified = project.karat(&["verify", "--quiet"]);
            assert_eq!(
                verified.code,
                0,
                "seed {seed} step {step}{said}: {}",
                verified.text()
            );
        }
    }
    assert!(said.contains("undo"), "{said}");
}
