//! A run that is killed anywhere is continued to the tables that an undisturbed run makes: on both days, with the journal, without
//! it, and with that of another machine; and a commit whose answer is lost is found again.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;

use crate::project::{Project, copy_folder};
use crate::together::left_over;
use crate::two_days::{self, Content, contents, versions};

/// Durable steps; each is killed before and after, at its every hit.
const STEPS: [&str; 7] = [
    "intent", "files", "receipt", "commit", "close", "manifest", "put",
];

/// What becomes of the journal between the kill and the rerun.
#[derive(Debug, Clone, Copy)]
enum Journal {
    Kept,
    Deleted,
    OfAnotherMachine,
}

struct Undisturbed {
    /// Day one loaded.
    day_one: Project,
    /// Both.
    both: Project,
    contents: BTreeMap<String, Content>,
    versions: BTreeMap<String, i64>,
}

#[test]
fn a_run_killed_anywhere_is_continued_to_the_same_tables() {
    killed_anywhere(&STEPS);
}

/// Kills a run of each day before and after each of the steps, between tables, and where a commit's success was not heard.
pub(crate) fn killed_anywhere(steps: &[&str]) {
    let undisturbed = Undisturbed::new();
    let mut points: VecDeque<(u32, String, bool)> = VecDeque::new();
    for day in [1, 2] {
        for step in steps {
            points.push_back((day, format!("{step}.before"), false));
            points.push_back((day, format!("{step}.after"), false));
        }
        points.push_back((day, "between.tables".to_owned(), false));
        points.push_back((day, "commit=lost".to_owned(), true));
    }
    let points = Mutex::new(points);
    let killed = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some((day, point, lost)) = next(&points) {
                    // Documents are put by the dozen; files are written in two layers, one within the other.
                    let stride = match point.split('.').next() {
                        Some("put") => 7,
                        Some("files") => 3,
                        _ => 1,
                    };
                    let mut hits = 0;
                    while undisturbed.survives(
                        day,
                        &format!("{point}:{}", hits * stride + 1),
                        hits,
                        lost,
                    ) {
                        hits += 1;
                    }
                    // Each way with each journal, also where there are few.
                    for number in hits..3 {
                        if hits > 0 && !lost {
                            let nth = (number % hits) * stride + 1;
                            let point = format!("{point}:{nth}");
                            assert!(undisturbed.survives(day, &point, number, lost));
                        }
                    }
                    killed.lock().unwrap().insert((day, point), hits);
                }
            });
        }
    });
    let killed = killed.into_inner().unwrap();
    for ((day, point), hits) in &killed {
        println!("day {day} {point}: {hits}");
    }
    for day in [1, 2] {
        // Two loads, two models of silver with their quarantine, two of gold on day one.
        let commits = killed[&(day, "commit.after".to_owned())];
        assert!(
            commits >= 7,
            "day {day}: only {commits} commits were killed"
        );
        if steps.contains(&"manifest") {
            assert_eq!(killed[&(day, "manifest.before".to_owned())], 1);
        }
    }
    assert!(killed[&(2, "close.after".to_owned())] >= 1, "{killed:?}");
}

fn next<T>(queue: &Mutex<VecDeque<T>>) -> Option<T> {
    queue.lock().unwrap().pop_front()
}

impl Undisturbed {
    fn new() -> Self {
        let day_one = two_days::project();
        two_days::arrive(&day_one, 1);
        run_ok(&day_one, "day one");
        let both = Project::copy_of(&day_one);
        two_days::arrive(&both, 2);
        run_ok(&both, "both days");
        Self {
            contents: contents(&both),
            versions: versions(&both),
            day_one,
            both,
        }
    }

    /// One case; false if the run was over before the failpoint's turn came.
    fn survives(&self, day: u32, failpoint: &str, number: usize, lost: bool) -> bool {
        let case = format!("day {day}, {failpoint}");
        let project = if day == 1 {
            let project = two_days::project();
            two_days::arrive(&project, 1);
            project
        } else {
            let project = Project::copy_of(&self.day_one);
            two_days::arrive(&project, 2);
            project
        };
        let run = project.karat_with(
            &["run", "--quiet", "--threads", "1"],
            &[("KARAT_FAILPOINT", failpoint)],
        );
        if lost {
            assert_eq!(run.code, 0, "{case}: {}", run.stderr);
        } else if run.code != -1 {
            assert_eq!(run.code, 0, "{case}: {}", run.stderr);
            return false;
        }
        let project = self.after_the_kill(project, number);
        if day == 1 {
            // The second day comes before the rerun, or after it.
            if number.is_multiple_of(2) {
                run_ok(&project, &case);
            }
            two_days::arrive(&project, 2);
        }
        run_ok(&project, &case);

        let found = contents(&project);
        let same_loads = versions(&project)["shop/bronze/desk__customers"]
            == self.versions["shop/bronze/desk__customers"];
        for (table, expected) in &self.contents {
            // `_seq` of a cursor holds the epoch (B1): what is read in one load has other addresses than what is read in two.
            let addresses = ["shop_bronze.desk__customers", "shop_quarantine.customers"];
            if addresses.contains(&table.as_str()) && !same_loads {
                continue;
            }
            assert_eq!(
                found[table].fingerprint, expected.fingerprint,
                "{case}: {table}"
            );
            // What gold read tells when it was computed, not what of.
            if !table.starts_with("shop_gold.") {
                assert_eq!(
                    found[table].accounting, expected.accounting,
                    "{case}: {table}"
                );
            }
        }
        assert_eq!(found.len(), self.contents.len(), "{case}");
        // A rerun of every third case: it depends on what was killed, not on when.
        match number % 3 {
            0 => nothing_left(&project, &case),
            _ => verifies(&project, &case),
        }
        // Of a lost answer only the last hit is known to be past: there is nothing that counts it.
        !lost || number < 8
    }

    fn after_the_kill(&self, project: Project, number: usize) -> Project {
        let journal = [Journal::Kept, Journal::Deleted, Journal::OfAnotherMachine][number % 3];
        match journal {
            Journal::Kept => project,
            Journal::Deleted => {
                project.remove(".karat");
                project
            }
            Journal::OfAnotherMachine => {
                let elsewhere = Project::copy_of(&project);
                elsewhere.remove(".karat");
                copy_folder(&self.both.path(".karat"), &elsewhere.path(".karat"));
                elsewhere
            }
        }
    }
}

#[test]
pub(crate) fn what_changed_since_a_kill_is_planned_anew() {
    let stricter = |project: &Project| {
        let path = "domains/shop/silver/orders.yaml";
        let text = std::fs::read_to_string(project.path(path)).unwrap();
        let changed = text.replace("length(country) = 2", "upper(country) <> 'FR'");
        assert_ne!(text, changed);
        project.write(path, &changed);
        text
    };
    let undisturbed = Undisturbed::new();
    let expected = Project::copy_of(&undisturbed.both);
    stricter(&expected);
    run_ok(&expected, "stricter");

    // Quarantine is one step ahead of silver; then the rule changes.
    let project = Project::copy_of(&undisturbed.day_one);
    two_days::arrive(&project, 2);
    kill(&project, "between.tables:2");
    stricter(&project);
    run_ok(&project, "rule changed");
    assert_eq!(contents(&project), contents(&expected));
    nothing_left(&project, "rule changed");

    // The new rule is tried, killed, and taken back.
    let project = Project::copy_of(&undisturbed.both);
    let before = stricter(&project);
    kill(&project, "between.tables");
    project.write("domains/shop/silver/orders.yaml", &before);
    run_ok(&project, "rule taken back");
    let found = contents(&project);
    for (table, content) in &undisturbed.contents {
        assert_eq!(found[table].fingerprint, content.fingerprint, "{table}");
    }
    nothing_left(&project, "rule taken back");
}

#[test]
pub(crate) fn a_source_that_changes_under_an_open_intent_loses_nothing() {
    let undisturbed = two_days::project();
    two_days::arrive(&undisturbed, 1);
    let project = Project::copy_of(&undisturbed);
    let file = "landing/orders/orders_20260105_b.csv";
    let changed = std::fs::read_to_string(project.path(file))
        .unwrap()
        .replace("fr", "it");
    undisturbed.write(file, &changed);
    run_ok(&undisturbed, "undisturbed");

    // Nothing of the load is committed; one of its two files gets other content.
    kill(&project, "files.before");
    project.write(file, &changed);
    run_ok(&project, "changed");
    let (found, expected) = (contents(&project), contents(&undisturbed));
    for table in ["shop_silver.orders", "shop_gold.revenue"] {
        assert_eq!(found[table].fingerprint, expected[table].fingerprint);
    }

    // A database that is away when an open load is taken up is read from the same position later.
    let project = two_days::project();
    two_days::arrive(&project, 1);
    kill(&project, "files.before:3");
    std::fs::rename(project.path("desk.db"), project.path("away.db")).unwrap();
    assert_eq!(project.karat(&["run", "--quiet"]).code, 3);
    std::fs::rename(project.path("away.db"), project.path("desk.db")).unwrap();
    run_ok(&project, "back");
    assert_eq!(
        contents(&project)["shop_silver.customers"].accounting["read"],
        12
    );
}

/// Keyed full loads of parts, killed at every step and at every document that is put: two extracts in one run, and a part that comes
/// late and makes its extract anew.
#[test]
fn full_loads_of_parts_killed_anywhere_are_continued() {
    let start = || {
        let project = Project::one_feed(
            "{ source: landing, name: e, mode: full, key: [id], max_delete: 100%, parts: true, path: \"e*.csv\", file_order: 'e(\\d+)' }",
            "from: landing.e\nselect: { id: cast(id as bigint), v: v }\nauto_cdc: { keys: [id] }\n",
        );
        project.write("landing/e1_a.csv", "id,v\n1,a\n2,a\n");
        project.write("landing/e1_b.csv", "id,v\n3,b\nx,b\n");
        project.write("landing/e2_a.csv", "id,v\n1,A\n");
        project
    };
    let late = |project: &Project| project.write("landing/e2_b.csv", "id,v\n3,b\n4,d\n");
    let tables = ["d_bronze.landing__e", "d_silver.t", "d_quarantine.t"];
    let found = |project: &Project| tables.map(|table| project.fingerprint(table));
    let first = start();
    run_ok(&first, "undisturbed");
    let expected_first = found(&first);
    let both = Project::copy_of(&first);
    late(&both);
    run_ok(&both, "undisturbed, late");
    let expected_both = found(&both);
    let mut cases: VecDeque<(bool, String)> = VecDeque::new();
    for step in STEPS {
        for side in ["before", "after"] {
            cases.push_back((false, format!("{step}.{side}")));
            cases.push_back((true, format!("{step}.{side}")));
        }
    }
    let cases = Mutex::new(cases);
    let kills = Mutex::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some((is_late, point)) = next(&cases) {
                    for nth in 1.. {
                        let case = format!("late {is_late}, {point}:{nth}");
                        let (project, expected) = match is_late {
                            true => (Project::copy_of(&first), &expected_both),
                            false => (start(), &expected_first),
                        };
                        if is_late {
                            late(&project);
                        }
                        let run = project.karat_with(
                            &["run", "--quiet", "--threads", "1"],
                            &[("KARAT_FAILPOINT", &format!("{point}:{nth}"))],
                        );
                        if run.code == 0 {
                            break;
                        }
                        assert_eq!(run.code, -1, "{case}: {}", run.stderr);
                        *kills.lock().unwrap() += 1;
                        run_ok(&project, &case);
                        assert_eq!(&found(&project), expected, "{case}");
                        if nth % 4 == 1 {
                            nothing_left(&project, &case);
                        }
                    }
                }
            });
        }
    });
    let kills = kills.into_inner().unwrap();
    assert!(kills > 60, "only {kills} kills");
}

fn kill(project: &Project, failpoint: &str) {
    let run = project.karat_with(
        &["run", "--quiet", "--threads", "1"],
        &[("KARAT_FAILPOINT", failpoint)],
    );
    assert_eq!(run.code, -1, "{failpoint}: {}{}", run.stdout, run.stderr);
}

/// A rerun has nothing to do and writes nothing; the lake verifies.
fn nothing_left(project: &Project, case: &str) {
    let files = project.lake_files();
    let again = project.karat(&["run", "--quiet"]);
    assert!(
        again.stdout.starts_with("nothing to do"),
        "{case}: {}",
        again.stdout
    );
    assert_eq!(
        project.lake_files(),
        files,
        "{case}: nothing to do writes nothing"
    );
    // What the killed run was writing is gone, and so is its mark.
    assert_eq!(left_over(project), Vec::<String>::new(), "{case}");
    verifies(project, case);
}

fn verifies(project: &Project, case: &str) {
    let verified = project.karat(&["verify", "--json"]);
    assert_eq!(
        verified.code, 0,
        "{case}: {}{}",
        verified.stdout, verified.stderr
    );
    // A receipt of the killed run that no commit names is garbage, and nothing that counts names it: `verify` has compared
    // receipts, inputs and manifests with the logs.
    for file in verified.json()["files"].as_array().unwrap() {
        assert_eq!(file["outcome"], "orphan", "{case}: {file}");
    }
}

fn run_ok(project: &Project, case: &str) {
    let run = project.karat(&["run", "--quiet", "--threads", "1"]);
    assert_eq!(run.code, 0, "{case}: {}{}", run.stdout, run.stderr);
}
