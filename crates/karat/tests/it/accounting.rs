//! Accounting that can fail (G6): a row that is lost or doubled anywhere between two operators fails the run, leaves no receipt, and
//! the run after it is as if nothing had been.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;

use crate::project::Project;
use crate::two_days::{Content, contents};

/// Ways of rows from one operator to the next, in the order of a run, with the days that are tried: the first day makes tables, the
/// second changes them.
const WAYS: &[(&str, &[u32])] = &[
    // Bronze: from the source, completed, compared with what is known, and what a full load no longer has.
    ("load.read", &[2]),
    ("load.completed", &[2]),
    ("load.known", &[2]),
    ("load.changed", &[2]),
    ("load.deleted", &[2]),
    // Every layer: into chunks, and from there to what is said of a file, and into it.
    ("writer.chunk", &[2]),
    ("writer.observer", &[2]),
    ("writer.encoder", &[2]),
    // Silver: from bronze's files, newest of each key, judged, held back, sorted, folded, written.
    ("silver.scanned", &[2]),
    ("silver.of_key", &[2]),
    ("silver.read", &[2]),
    ("silver.judged", &[1, 2]),
    ("silver.quarantined", &[2]),
    ("silver.held", &[2]),
    ("silver.sorted", &[1, 2]),
    ("silver.tied", &[1]),
    ("silver.truncates", &[1]),
    ("silver.folded", &[1, 2]),
    ("silver.written", &[1, 2]),
    // Silver, only what is new: the files that hold its keys.
    ("silver.standing", &[2]),
    ("silver.touched", &[2]),
    ("silver.untouched", &[2]),
    // Gold: from the query into the writer.
    ("gold.computed", &[2]),
];

const FILES: &[(&str, &str)] = &[
    (
        "karat.yaml",
        "karat: 1\nproject: p\nsources:\n  landing: { type: files, path: landing }\n  db: { type: sqlite, path: shop.db }\n",
    ),
    (
        "domains/d/domain.yaml",
        "domain: d
feeds:
  - { source: landing, name: e, mode: incremental, path: \"e_*.csv\", file_order: '_(\\d+)' }
  - { source: landing, name: p, mode: full, key: [k], path: \"p_*.csv\", file_order: '_(\\d+)', max_delete: 100% }
  - { source: landing, name: t, mode: incremental, path: \"t_*.csv\", file_order: '_(\\d+)' }
  - { source: landing, name: u, mode: full, path: \"u_*.csv\", file_order: '_(\\d+)', max_delete: 100% }
  - { source: db, table: n, mode: incremental, key: [id], cursor: { column: at, lag: 2 }, deletes: none }
",
    ),
    (
        "domains/d/silver/current.yaml",
        "from: landing.e\nselect: { k: k, v: cast(v as bigint), at: cast(at as date) }\nauto_cdc: { keys: [k], sequence_by: at }\n",
    ),
    (
        "domains/d/silver/history.yaml",
        "from: landing.e\nselect: { k: k, v: cast(v as bigint), at: cast(at as date) }\nauto_cdc: { keys: [k], sequence_by: at, stored_as_scd_type: 2 }\n",
    ),
    (
        "domains/d/silver/emptied.yaml",
        "from: landing.t\nselect: { k: k, at: cast(at as date) }\nauto_cdc: { keys: [k], sequence_by: at, apply_as_truncates: \"op = 'T'\" }\n",
    ),
    (
        "domains/d/silver/followed.yaml",
        "from: landing.u\nselect: { k: k, v: v }\nexpectations: { good: { expect: \"v <> 'bad'\", action: quarantine } }\nauto_cdc: { keys: [k], from: snapshots, stored_as_scd_type: 2, snapshot_version: \"%Y%m%d\" }\n",
    ),
    (
        "domains/d/silver/prices.yaml",
        "from: landing.p\nselect: { k: k, price: \"cast(price as decimal(9, 2))\" }\nkey: [k]\n",
    ),
    (
        "domains/d/silver/notes.yaml",
        "from: db.n\nselect: { id: id, at: at, text: text }\nexpectations: { some: { expect: \"text is not null\", action: quarantine } }\n",
    ),
    (
        "domains/d/gold/totals.sql",
        "select c.k, sum(c.v * p.price) as total from d_silver.current c join d_silver.prices p on c.k = p.k group by c.k\n",
    ),
    ("domains/d/gold/totals.yaml", "key: [k]\n"),
];

fn arrive(project: &Project, day: u32) {
    if day == 1 {
        // Two files of one mark: `c` ties. One number is none.
        project.write(
            "landing/e_1.csv",
            "k,v,at\na,1,2026-01-01\nb,2,2026-01-01\nc,3,2026-01-01\nd,4,2026-01-01\ne,x,2026-01-01\n",
        );
        project.write(
            "landing/e_x_1.csv",
            "k,v,at\n,9,2026-01-01\n,8,2026-01-01\nc,4,2026-01-01\n",
        );
        project.write(
            "landing/t_1.csv",
            "k,at,op\na,2026-01-01,I\n,2026-01-02,T\nb,2026-01-03,I\n",
        );
        project.write("landing/u_20260101.csv", "k,v\na,1\nb,2\nc,bad\n");
        project.write("landing/p_1.csv", "k,price\na,1.50\nb,2.50\nd,3.50\ne,x\n");
        project.sqlite("create table n (id integer, at integer, text text); insert into n values (1, 1, 'x'), (2, 2, null), (3, 3, 'z')");
    } else {
        project.write(
            "landing/e_2.csv",
            "k,v,at\na,5,2026-01-02\nf,6,2026-01-02\ng,x,2026-01-02\n",
        );
        project.write("landing/t_2.csv", "k,at,op\nc,2026-01-04,I\n");
        project.write("landing/u_20260102.csv", "k,v\na,1\nb,bad\nd,4\n");
        project.write("landing/p_2.csv", "k,price\na,1.75\nb,2.50\ne,x\n");
        project.sqlite("insert into n values (4, 4, null), (5, 5, 'v')");
    }
}

struct Days {
    /// Before each day: what has arrived, and not yet been loaded.
    before: [Project; 2],
    after: [BTreeMap<String, Content>; 2],
}

impl Days {
    fn new() -> Self {
        let project = Project::of(FILES);
        let mut before = Vec::new();
        let mut after = Vec::new();
        for day in 1..=2 {
            arrive(&project, day);
            before.push(Project::copy_of(&project));
            project.run(0);
            after.push(contents(&project));
        }
        Self {
            before: before.try_into().ok().unwrap(),
            after: after.try_into().ok().unwrap(),
        }
    }
}

#[test]
fn a_row_lost_or_doubled_on_any_way_fails_the_run() {
    let days = Days::new();
    let mut cases = VecDeque::new();
    for (way, on) in WAYS {
        for day in *on {
            for failure in ["lost", "doubled"] {
                cases.push_back((*way, *day, failure));
            }
        }
    }
    let cases = Mutex::new(cases);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let Some((way, day, failure)) = cases.lock().unwrap().pop_front() else {
                        break;
                    };
                    // A row of every batch is lost, one is doubled. All tables have a writer: each third batch there.
                    let stride = if way.starts_with("writer") { 3 } else { 1 };
                    let mut cases = 0;
                    while days.notices(
                        day,
                        &format!("{way}={failure}:{}", 1 + cases * stride),
                        cases,
                    ) {
                        cases += 1;
                        if failure == "doubled" {
                            break;
                        }
                    }
                    assert!(cases > 0, "day {day}: no row goes the way {way}");
                    println!("day {day} {way} {failure}: {cases}");
                }
            });
        }
    });
}

impl Days {
    /// One case; false if the run was over before the failpoint's turn came.
    fn notices(&self, day: u32, failpoint: &str, number: usize) -> bool {
        let case = format!("day {day}, {failpoint}");
        let at = day as usize - 1;
        let project = Project::copy_of(&self.before[at]);
        let before = receipts(&project);
        let run = project.karat_with(
            &["run", "--json", "--quiet", "--threads", "1"],
            &[("KARAT_FAILPOINT", failpoint)],
        );
        if run.code == 0 {
            assert_eq!(contents(&project), self.after[at], "{case}: not noticed");
            return false;
        }
        assert_eq!(run.code, 3, "{case}: {}", run.text());
        let document = run.json();
        let mut failed = Vec::new();
        for step in document["steps"].as_array().unwrap() {
            if step["status"] == "failed" {
                let message = step["error"]["message"].as_str().unwrap();
                assert!(message.contains("do not add up"), "{case}: {message}");
                failed.push(step["table"].as_str().unwrap().to_owned());
            }
        }
        let [table] = failed.as_slice() else {
            panic!("{case}: {failed:?}");
        };
        let name = table.rsplit('.').next().unwrap();
        let of_it = [table.clone(), format!("d_quarantine.{name}")];
        for (name, of) in receipts(&project) {
            assert!(
                before.contains_key(&name) || !of_it.contains(&of),
                "{case}: a receipt of {of}"
            );
        }
        // Going on depends on the way, not on the batch.
        if number == 0 && failpoint.contains("lost") {
            project.run(0);
            assert_eq!(
                contents(&project),
                self.after[at],
                "{case}: the run after it"
            );
        }
        true
    }
}

/// Every receipt in the lake, whether or not a commit names it, with its table.
fn receipts(project: &Project) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for name in project.lake_files() {
        if name.starts_with("_karat/receipts/") && !name.ends_with(".files.json") {
            let bytes = std::fs::read(project.path("lake").join(&name)).unwrap();
            let receipt = karat_receipt::open(&bytes).unwrap().receipt;
            found.insert(name, receipt.table);
        }
    }
    found
}
