//! Runs taken back (A2, A3, A8, A10, B1, B4, B6, B7, C3, G3): what becomes of tables, of what was loaded, of the next run; what is refused; killed anywhere.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;

use expect_test::expect;

use crate::project::{Answer, Project};
use crate::two_days::{self, Content, contents};

const FEED: &str =
    "{ source: landing, name: e, mode: incremental, path: \"*.csv\", file_order: '_(\\d+)' }";

const SILVER: &str = "from: landing.e
select: { id: cast(id as bigint), v: v, n: cast(n as bigint) }
expectations:
  known: { expect: \"v in ('a', 'b')\", action: quarantine }
auto_cdc: { keys: [id] }
";

const TABLES: [&str; 4] = [
    "d_bronze.landing__e",
    "d_silver.t",
    "d_quarantine.t",
    "d_gold.g",
];

/// Two files, two runs; the second adds a column, a row in quarantine, and changes a row.
fn two_runs() -> (Project, String) {
    let project = first_run();
    project.write("landing/e_2.csv", "id,v,n,w\n2,b,20,x\n3,a,30,y\n4,q,1,z\n");
    let run = run_id(&project);
    (project, run)
}

fn first_run() -> Project {
    let project = Project::one_feed(FEED, SILVER);
    project.write(
        "domains/d/gold/g.sql",
        "select v, sum(n) as n, count(*) as c from d_silver.t group by v\n",
    );
    project.write(
        "domains/d/gold/g.yaml",
        "key: [v]\nincremental: { by: [v] }\n",
    );
    project.write("landing/e_1.csv", "id,v,n\n1,a,1\n2,a,2\n9,z,9\n");
    project.run(0);
    project
}

/// Runs, and says which run it was.
fn run_id(project: &Project) -> String {
    let run = project.karat(&["run", "--json", "--quiet"]);
    assert_eq!(run.code, 0, "{}", run.text());
    run.json()["run_id"].as_str().unwrap().to_owned()
}

fn undo(project: &Project, run: &str) -> Answer {
    let answer = project.karat(&["undo", run, "--reason", "a bad file"]);
    assert_eq!(answer.code, 0, "{}", answer.text());
    answer
}

fn refused(project: &Project, run: &str) -> String {
    let answer = project.karat(&["undo", run, "--reason", "no"]);
    assert_eq!(answer.code, 2, "{}", answer.text());
    let planned = project.karat(&["undo", run, "--plan"]);
    assert_eq!(planned.code, 2, "{}", planned.text());
    assert_eq!(planned.stderr, answer.stderr);
    let text = answer.stderr;
    text.replace(run, "RUN")
}

fn prints(project: &Project) -> Vec<String> {
    TABLES.map(|table| project.fingerprint(table)).to_vec()
}

/// What a person sees of the words of a run: other runs are called by their order.
fn without(text: &str, runs: &[(&str, &str)]) -> String {
    let mut text = text.to_owned();
    for (run, name) in runs {
        text = text.replace(run, name);
    }
    text
}

fn proven(project: &Project, case: &str) {
    let verified = project.karat(&["verify", "--all", "--json"]);
    assert_eq!(verified.code, 0, "{case}: {}", verified.text());
    for file in verified.json()["files"].as_array().unwrap() {
        assert_eq!(file["outcome"], "orphan", "{case}: {file}");
    }
    let silver = project.karat(&["replay", "--quiet", "--rebuild", "d_silver.t"]);
    assert_eq!(silver.code, 0, "{case}: {}", silver.text());
}

fn nothing_to_do(project: &Project) {
    let files = project.lake_files();
    let run = project.karat(&["run", "--quiet"]);
    assert!(run.stdout.starts_with("nothing to do"), "{}", run.text());
    assert_eq!(project.lake_files(), files);
}

#[test]
pub(crate) fn a_run_is_taken_back_and_what_it_loaded_is_held() {
    let (project, second) = two_runs();
    let before = Project::copy_of(&first_run());
    let expected = prints(&before);
    let planned = project.karat(&["undo", &second, "--plan"]);
    expect![[r#"
        table                version  back to    rows  then
        d_bronze.landing__e        1  version 0     6     3
        d_quarantine.t             1  version 0     2     1
        d_silver.t                 1  version 0     3     2
        d_gold.g                   1  version 0     2     1
        held  e_2.csv of `d_bronze.landing__e`, until new content comes or `karat position reset`
        4 tables to take back; nothing was written
        --- exit 0
    "#]]
    .assert_eq(&planned.text());
    let answer = undo(&project, &second);
    let document = project.karat(&["receipt", "list", "--json"]).json();
    let newest = document["receipts"].as_array().unwrap().iter();
    let by = newest
        .filter(|receipt| receipt["kind"] == "undo")
        .map(|receipt| receipt["run"].as_str().unwrap().to_owned())
        .collect::<std::collections::BTreeSet<_>>();
    assert_eq!(by.len(), 1, "one run, one manifest");
    let by = by.into_iter().next().unwrap();
    let names = [(second.as_str(), "SECOND"), (by.as_str(), "THIRD")];
    let said: Vec<&str> = answer.stdout.lines().collect();
    expect!["run THIRD: 4 tables as before run SECOND; what that run loaded is held until new content comes, or `karat position reset`"]
        .assert_eq(&without(said[said.len() - 2], &names));
    assert_eq!(prints(&project), expected);
    let accounting = |project: &Project| project.accounting("d_silver.t");
    assert_eq!(accounting(&project), accounting(&before));
    proven(&project, "undone");
    nothing_to_do(&project);

    // Whoever asks is told.
    let status = project.karat(&["status"]).stdout;
    let noted = status
        .lines()
        .filter(|line| line.contains("which was undone"));
    assert_eq!(noted.count(), 4, "{status}");
    let fresh = |project: &Project, table: &str| {
        let status = project.karat(&["status", "--json"]).json();
        let tables = status["tables"].as_array().unwrap().iter();
        let mut of = tables.filter(|one| one["table"] == table);
        of.next().unwrap()["fresh_as_of"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let first = project.receipt("d_silver.t@0")["logical_time"].clone();
    assert_eq!(fresh(&project, "d_silver.t"), first.as_str().unwrap());
    let held = project.karat(&["quarantine", "list"]).stdout;
    expect![[r#"
        table       rule   rows
        d_silver.t  known     1

        table       row          rules
        d_silver.t  e_1.csv@1:4  known

        table                object   reason
        d_bronze.landing__e  e_2.csv  undone with run SECOND (a bad file): held until new content comes, or `karat position reset`
        1 row, 1 object in quarantine
    "#]]
    .assert_eq(&without(&held, &names));
    let plan = project.karat(&["plan"]).stdout;
    assert!(
        plan.contains("some objects are held in quarantine"),
        "{plan}"
    );
    let position = project.karat(&["position", "show"]).stdout;
    assert!(
        position.contains("1 load undone and held: `karat position reset landing.e`"),
        "{position}"
    );
    let receipt = project.receipt("d_silver.t");
    expect!["undo 3 a bad file: SECOND, version 0"].assert_eq(&without(
        &format!(
            "{} {} {}: {}, version {}",
            receipt["kind"].as_str().unwrap(),
            receipt["epoch"],
            receipt["reason"].as_str().unwrap(),
            receipt["parameters"]["undo.run"].as_str().unwrap(),
            receipt["parameters"]["undo.version"].as_str().unwrap()
        ),
        &names,
    ));

    // Readers of old cuts see them; `diff`, `explain` and `replay` know the version.
    let rows = project.karat(&[
        "query",
        "--quiet",
        "--run",
        &second,
        "select count(*) as n from d_silver.t",
    ]);
    assert!(rows.stdout.contains('3'), "{}", rows.text());
    let diff = project.karat(&["diff", "d_silver.t@0", "d_silver.t", "--check"]);
    assert_eq!(diff.code, 0, "{}", diff.text());
    let differs = project.karat(&["diff", "d_silver.t", "--check"]);
    assert_eq!(differs.code, 1, "{}", differs.text());
    let explained = project.karat(&["explain", "d_gold.g", "--where", "v = 'a'"]);
    assert_eq!(explained.code, 0, "{}", explained.text());
    assert!(
        explained.stdout.contains("e_1.csv@1:2"),
        "{}",
        explained.stdout
    );
    for arguments in [
        &["replay", by.as_str()][..],
        &["replay", second.as_str()],
        &["replay", "--rebuild", "d_gold.g"],
        &["plan", "--rehearse"],
    ] {
        let answer = project.karat(arguments);
        assert_eq!(answer.code, 0, "{arguments:?}: {}", answer.text());
    }

    // New content of the same path is loaded, and is as if the other had never come.
    let mended = Project::copy_of(&project);
    let text = "id,v,n\n2,b,21\n3,a,30\n";
    mended.write("landing/e_2.csv", text);
    mended.run(0);
    let fresh = first_run();
    fresh.write("landing/e_2.csv", text);
    fresh.run(0);
    for table in ["d_silver.t", "d_gold.g"] {
        assert_eq!(mended.fingerprint(table), fresh.fingerprint(table));
    }
    assert_eq!(
        mended.accounting("d_silver.t"),
        fresh.accounting("d_silver.t")
    );
    let gone = mended.karat(&["quarantine", "list"]).stdout;
    assert!(!gone.contains("undone"), "{gone}");
    proven(&mended, "mended");

    // The word of a person lets it be loaded again.
    let reset = project.karat(&["position", "reset", "landing.e", "--reason", "it was right"]);
    expect![[r#"
        `landing.e` goes back before what was undone: 1 object may be loaded again (recorded as epoch 4); `karat run` loads it
        --- exit 0
    "#]]
    .assert_eq(&reset.text());
    let plan = project.karat(&["plan", "--json"]).json();
    assert_eq!(plan["steps"][0]["action"], "load");
    assert_eq!(plan["steps"][0]["objects"], 1);
    project.run(0);
    let (again, _) = two_runs();
    assert_eq!(prints(&project), prints(&again));
    proven(&project, "loaded again");
    let more = project.karat(&["position", "reset", "landing.e"]);
    expect![[r#"
        --- stderr
        error: nothing of `d_bronze.landing__e` was undone: its position has nowhere to go back to
        hint: a file that is delivered again with other content is loaded by the next run; to have it read anew, take back the 2 runs that loaded it, from the newest (`karat undo RUN --reason TEXT`), then `karat position reset landing.e`, `karat run`; or give the feed another `name`, which makes a table of its own
        --- exit 2
    "#]]
    .assert_eq(&more.text());
}

#[test]
fn what_cannot_be_taken_back_is_refused_by_name() {
    let (project, second) = two_runs();
    let third = {
        project.write("landing/e_3.csv", "id,v,n\n7,a,7\n");
        run_id(&project)
    };
    let name = |text: String| without(&text, &[(third.as_str(), "THIRD")]);
    expect![[r#"
        error: run RUN cannot be undone: run THIRD built version 2 of `d_bronze.landing__e` on it
        hint: take that one back first: `karat undo THIRD --reason TEXT`
    "#]]
    .assert_eq(&name(refused(&project, &second)));
    // One after the other, newest first.
    undo(&project, &third);
    let by = project.receipt("d_silver.t")["run"].clone();
    let by = by.as_str().unwrap();
    undo(&project, &second);
    let first = first_run();
    assert_eq!(prints(&project), prints(&first));
    proven(&project, "two undone");
    let already = refused(&project, &second);
    assert!(
        already.starts_with("error: run RUN is undone already: run "),
        "{already}"
    );
    let of_undo = refused(&project, by);
    assert!(
        of_undo.starts_with(&format!(
            "error: run RUN took run {third} back: an undo is not undone\n"
        )),
        "{of_undo}"
    );
    expect![[r#"
        error: no version in the lake is of a run `RUN`: there is nothing to take back
        hint: `karat receipt list` shows which run made what
    "#]]
    .assert_eq(&refused(&project, "20260101T000000000Z-00000000"));
    let empty = project.karat(&["undo", &third, "--reason", " "]);
    assert_eq!(empty.code, 2, "{}", empty.text());

    // A model that another run made from what the run loaded.
    let (project, second) = two_runs();
    project.write(
        "domains/d/gold/h.sql",
        "select count(*) as c from d_silver.t\n",
    );
    let third = run_id(&project);
    let name = |text: String| without(&text, &[(third.as_str(), "THIRD")]);
    expect![[r#"
        error: what was written to `d_silver.t` cannot be undone: run THIRD made version 0 of `d_gold.h` from it
        hint: take that one back first: `karat undo THIRD --reason TEXT`
    "#]]
    .assert_eq(&name(refused(&project, &second)));

    // Another writer's commit.
    let (project, second) = two_runs();
    project.write(
        "lake/d/silver/t/_delta_log/00000000000000000002.json",
        "{\"commitInfo\":{\"timestamp\":0,\"operation\":\"WRITE\"}}\n",
    );
    expect![[r#"
        error: run RUN cannot be undone: another writer committed version 2 of `d_silver.t` on it
        hint: look at what it wrote, and correct the rows at their source
    "#]]
    .assert_eq(&refused(&project, &second));

    // A run that was killed.
    let project = first_run();
    project.write("landing/e_2.csv", "id,v,n\n2,b,20\n");
    let killed = project.karat_with(
        &["run", "--quiet"],
        &[("KARAT_FAILPOINT", "commit.after:2")],
    );
    assert_eq!(killed.code, -1);
    let killed = project.receipt("d_bronze.landing__e")["run"].clone();
    let killed = killed.as_str().unwrap();
    expect![[r#"
        error: run RUN is not finished: it was killed, and no manifest lists what it made
        hint: `karat run` settles what it left; then take it back
    "#]]
    .assert_eq(&refused(&project, killed));

    // A file of the version before that is gone: nothing is written.
    let (project, second) = two_runs();
    let file = project
        .lake_files()
        .into_iter()
        .find(|name| name.starts_with("d/gold/g/") && name.ends_with("-1-0.parquet"));
    project.remove(&format!("lake/{}", file.unwrap()));
    let files = project.lake_files();
    let answer = project.karat(&["undo", &second, "--reason", "x"]);
    assert_eq!(answer.code, 1, "{}", answer.text());
    assert!(answer.stderr.contains("is missing"), "{}", answer.text());
    assert_eq!(project.lake_files(), files);
}

/// The first run of all leaves tables without a row, which count as never made.
#[test]
pub(crate) fn the_first_run_is_taken_back() {
    let project = first_run();
    let run = project.receipt("d_silver.t")["run"].clone();
    undo(&project, run.as_str().unwrap());
    for table in TABLES {
        assert_eq!(project.fingerprint(table).split(':').next(), Some("0"));
    }
    nothing_to_do(&project);
    let plan = project.karat(&["plan", "--json"]).json();
    let actions: Vec<&str> = plan["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| step["action"].as_str().unwrap())
        .collect();
    assert_eq!(actions, ["nothing", "wait", "wait"]);
    let verified = project.karat(&["verify", "--all"]);
    assert_eq!(verified.code, 0, "{}", verified.text());
    let replayed = project.karat(&["replay", "--rebuild", "d_silver.t"]);
    assert_eq!(replayed.code, 2, "{}", replayed.text());

    project.write("landing/e_1.csv", "id,v,n\n1,b,5\n");
    project.run(0);
    expect![[r#"
        id,v,n
        1,b,5
    "#]]
    .assert_eq(&project.rows("select * from d_silver.t"));
    expect![[r#"
        v,n,c
        b,5,1
    "#]]
    .assert_eq(&project.rows("select * from d_gold.g"));
    proven(&project, "made anew");
}

/// A repair is a run of its own, and so is what a run makes of it (C3).
#[test]
pub(crate) fn repairs_are_taken_back() {
    let project = first_run();
    let expected = prints(&project);
    let fix = project.karat(&[
        "quarantine",
        "fix",
        "e_1.csv@1:4",
        "--set",
        "v=a",
        "--reason",
        "typed wrongly",
        "--json",
    ]);
    assert_eq!(fix.code, 0, "{}", fix.text());
    let fix = fix.json()["run"].as_str().unwrap().to_owned();
    // Before a run has taken it in, and after.
    let before = Project::copy_of(&project);
    let said = undo(&before, &fix).stdout;
    assert!(
        said.contains("; the rows that it repaired are in quarantine again\n"),
        "{said}"
    );
    assert_eq!(prints(&before), expected);
    nothing_to_do(&before);
    proven(&before, "repair undone");

    let run = run_id(&project);
    let repaired = prints(&project);
    let later = refused(&project, &fix);
    assert!(
        later.contains(&format!("run {run} made version 1 of `d_")),
        "{later}"
    );
    let said = undo(&project, &run).stdout;
    assert!(
        said.contains("; the next `karat run` makes them again from what is there\n"),
        "{said}"
    );
    // The repair stands: the next run takes it in again.
    project.run(0);
    assert_eq!(prints(&project), repaired);
    let run = project.receipt("d_silver.t")["run"].clone();
    undo(&project, run.as_str().unwrap());
    undo(&project, &fix);
    assert_eq!(prints(&project), expected);
    nothing_to_do(&project);
    proven(&project, "both undone");
    // And the row may be repaired again.
    let release = project.karat(&[
        "quarantine",
        "release",
        "e_1.csv@1:4",
        "--reason",
        "it is right",
    ]);
    assert_eq!(release.code, 0, "{}", release.text());
    project.run(0);
    assert_eq!(
        project.accounting("d_silver.t"),
        "3 read = 3 kept; 1 repaired"
    );
    proven(&project, "released");
}

/// Full loads: the state before counts again, for what is compared next too (B6).
#[test]
pub(crate) fn full_loads_are_taken_back() {
    for (key, history) in [
        (" key: [k],", true),
        ("", true),
        (" key: [k],", false),
        ("", false),
    ] {
        let feed = format!(
            "{{ source: landing, name: e, mode: full,{key} max_delete: 100%, path: \"*.csv\", file_order: 'e_(\\d{{8}})' }}"
        );
        let silver = match (history, key.is_empty()) {
            (true, _) => {
                "from: landing.e\nselect: { k: k, v: v }\nauto_cdc: { keys: [k], from: snapshots, snapshot_version: \"%Y%m%d\", stored_as_scd_type: 2 }\n"
            }
            (false, _) => "from: landing.e\nselect: { k: k, v: v }\nkey: [k]\n",
        };
        let project = Project::one_feed(&feed, silver);
        let states = |project: &Project| {
            ["d_bronze.landing__e", "d_silver.t"].map(|table| project.fingerprint(table))
        };
        project.write("landing/e_20260101.csv", "k,v\na,1\nb,1\n");
        project.run(0);
        let first = states(&project);
        project.write("landing/e_20260102.csv", "k,v\na,2\nc,2\n");
        project.write("landing/e_20260103.csv", "k,v\na,2\nc,3\n");
        let second = run_id(&project);
        let case = format!("key {key:?} history {history}");
        undo(&project, &second);
        assert_eq!(states(&project), first, "{case}");
        nothing_to_do(&project);
        // The day after: compared with day one.
        project.write("landing/e_20260104.csv", "k,v\nb,4\n");
        project.run(0);
        let fresh = Project::one_feed(&feed, silver);
        for name in ["e_20260101.csv", "e_20260104.csv"] {
            let text = std::fs::read_to_string(project.path(&format!("landing/{name}"))).unwrap();
            fresh.write(&format!("landing/{name}"), &text);
        }
        fresh.run(0);
        let silver_of = |project: &Project| project.fingerprint("d_silver.t");
        assert_eq!(silver_of(&project), silver_of(&fresh), "{case}");
        proven(&project, &case);
        // They are older now than what is loaded.
        let reset = project.karat(&["position", "reset", "landing.e"]);
        assert_eq!(reset.code, 0, "{}", reset.text());
        project.run(1);
        let held = project.karat(&["quarantine", "list"]).stdout;
        assert_eq!(held.matches("late_extract").count(), 2, "{held}");
        assert_eq!(silver_of(&project), silver_of(&fresh), "{case}");
        proven(&project, &case);
    }
}

/// What is read from a database is read anew each time: what was undone is held as long as it is the same (B6, B7).
#[test]
fn loads_of_a_database_are_taken_back_and_held() {
    for (feed, silver) in [
        (
            "{ source: db, table: t, mode: full, key: [id], max_delete: 100% }",
            "key: [id]\n",
        ),
        (
            "{ source: db, table: t, mode: full, max_delete: 100% }",
            "key: [id]\n",
        ),
        (
            "{ source: db, table: t, mode: incremental, key: [id], cursor: { column: at, lag: 10 }, deletes: none }",
            "auto_cdc: { keys: [id] }\n",
        ),
    ] {
        let project = Project::one_feed(
            feed,
            &format!("from: db.t\nselect: {{ id: id, at: at, v: v }}\n{silver}"),
        );
        let rows = |project: &Project| project.rows("select id, v from d_silver.t order by id");
        let fingerprints = |project: &Project| {
            ["d_bronze.db__t", "d_silver.t"].map(|table| project.fingerprint(table))
        };
        project.sqlite("create table t (id integer primary key, at integer, v text); insert into t values (1, 1, 'a'), (2, 2, 'a');");
        project.run(0);
        let first = fingerprints(&project);
        project.sqlite("update t set v = 'bad' where id = 2; insert into t values (3, 3, 'bad');");
        let second = run_id(&project);
        undo(&project, &second);
        assert_eq!(fingerprints(&project), first, "{feed}");
        let plan = project.karat(&["plan"]).stdout;
        assert!(
            plan.contains("undone, had loaded is held until the source has other content; `karat position reset db.t` lets it be loaded again"),
            "{plan}"
        );
        for _ in 0..2 {
            project.run(0);
            assert_eq!(fingerprints(&project), first, "{feed}");
        }
        proven(&project, feed);
        let held = Project::copy_of(&project);
        // Somebody mends a part of it.
        project.sqlite("update t set v = 'good' where id = 3;");
        project.run(0);
        let mended = match feed.contains("cursor") {
            // Rows are held one by one, a whole table as a whole.
            true => "id,v\n1,a\n2,a\n3,good\n",
            false => "id,v\n1,a\n2,bad\n3,good\n",
        };
        assert_eq!(rows(&project), mended, "{feed}");
        proven(&project, feed);
        let reset = held.karat(&[
            "position", "reset", "db.t", "--reason", "so it is", "--json",
        ]);
        assert_eq!(reset.code, 0, "{}", reset.text());
        held.run(0);
        assert_eq!(rows(&held), "id,v\n1,a\n2,bad\n3,bad\n", "{feed}");
        proven(&held, feed);
    }
}

/// Durable steps; each is killed before and after, at its every hit.
const STEPS: [&str; 4] = ["intent", "commit", "manifest", "put"];

/// An undo that is killed anywhere is finished by the same command, or by the next run (A3).
#[test]
fn an_undo_killed_anywhere_is_finished() {
    let day_one = two_days::project();
    two_days::arrive(&day_one, 1);
    day_one.run(0);
    let expected = contents(&day_one);
    let both = Project::copy_of(&day_one);
    two_days::arrive(&both, 2);
    let second = run_id(&both);
    let mut points: VecDeque<String> = STEPS
        .iter()
        .flat_map(|step| [format!("{step}.before"), format!("{step}.after")])
        .collect();
    points.push_back("commit=lost".to_owned());
    let points = Mutex::new(points);
    let kills = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                loop {
                    let Some(point) = points.lock().unwrap().pop_front() else {
                        return;
                    };
                    let mut hits = 0;
                    while survives(&both, &second, &point, hits, &expected) {
                        hits += 1;
                    }
                    kills.lock().unwrap().insert(point, hits);
                }
            });
        }
    });
    let kills = kills.into_inner().unwrap();
    // Two loads, two models of silver with their quarantine, two of gold.
    assert!(kills["commit.after"] >= 6, "{kills:?}");
    assert_eq!(kills["manifest.before"], 1, "{kills:?}");
}

/// One case; false if the undo was over before the failpoint's turn came.
fn survives(
    both: &Project,
    run: &str,
    point: &str,
    hits: usize,
    expected: &BTreeMap<String, Content>,
) -> bool {
    // Documents are put by the dozen, receipts among them.
    let stride = if point.starts_with("put") { 5 } else { 1 };
    let point = format!("{point}:{}", hits * stride + 1);
    let case = &point;
    let project = Project::copy_of(both);
    let command = ["undo", run, "--reason", "a bad day"];
    let killed = project.karat_with(&command, &[("KARAT_FAILPOINT", &point)]);
    let lost = point.contains("lost");
    if lost || killed.code != -1 {
        assert_eq!(killed.code, 0, "{case}: {}", killed.text());
        if !lost {
            return false;
        }
    }
    match hits % 2 {
        0 => {
            let again = project.karat(&command);
            let done = again.stderr.contains("is undone already");
            assert!(again.code == 0 || done, "{case}: {}", again.text());
        }
        _ => {
            // Before the undo is written down, nothing has happened: a run finds nothing to finish.
            project.run(0);
            let again = project.karat(&command);
            let done = again.stderr.contains("is undone already");
            assert!(again.code == 0 || done, "{case}: {}", again.text());
        }
    }
    let found = contents(&project);
    for (table, content) in expected {
        assert_eq!(&found[table], content, "{case}: {table}");
    }
    if hits % 3 == 1 {
        let verified = project.karat(&["verify", "--json"]);
        assert_eq!(verified.code, 0, "{case}: {}", verified.text());
        for file in verified.json()["files"].as_array().unwrap() {
            assert_eq!(file["outcome"], "orphan", "{case}: {file}");
        }
    }
    if hits.is_multiple_of(3) {
        // What the run had computed again with an equal result is computed once more, and makes no version either.
        project.run(0);
        assert_eq!(&contents(&project), expected, "{case}");
    }
    !lost || hits < 6
}

/// Readers find columns of Iceberg by their ids: those of the files that come back, and not new ones.
#[test]
fn columns_of_iceberg_come_back_with_their_ids() {
    crate::project::on_iceberg(|| {
        let project = first_run();
        let ids = |version: i64| {
            let path = format!("lake/d/gold/g/metadata/v{}.metadata.json", version + 1);
            let text = std::fs::read_to_string(project.path(&path)).unwrap();
            let metadata: serde_json::Value = serde_json::from_str(&text).unwrap();
            let current = &metadata["current-schema-id"];
            let schemas = metadata["schemas"].as_array().unwrap();
            let schema = schemas.iter().find(|one| one["schema-id"] == *current);
            let fields = schema.unwrap()["fields"].as_array().unwrap().iter();
            fields
                .map(|field| format!("{} {} {}\n", field["id"], field["name"], field["type"]))
                .collect::<String>()
        };
        project.write(
            "domains/d/gold/g.sql",
            "select v, cast(sum(n) as varchar) as n from d_silver.t group by v\n",
        );
        let run = run_id(&project);
        undo(&project, &run);
        assert_ne!(ids(0), ids(1));
        assert_eq!(ids(0), ids(2));
        assert_eq!(project.karat(&["verify", "--all"]).code, 0);
    });
}

/// What a business day was closed with is not taken back; an undo that is not finished is in the way of a close and of a new key (A8, G7).
#[test]
fn closed_days_stay_and_what_is_unfinished_comes_first() {
    let (project, run) = two_runs();
    let killed = project.karat_with(
        &["undo", &run, "--reason", "a bad file"],
        &[("KARAT_FAILPOINT", "put.after:1")],
    );
    assert_eq!(killed.code, -1, "{}", killed.text());
    let told = |arguments: &[&str]| {
        let answer = project.karat(arguments);
        assert!(
            answer
                .stderr
                .contains(&format!("the undo of run {run} is not finished")),
            "{}",
            answer.text()
        );
        answer.code
    };
    assert_eq!(told(&["close", "2026-01-05"]), 2);
    assert_eq!(told(&["plan"]), 0);
    assert_eq!(told(&["status"]), 0);
    let undoing = project.karat(&["status", "--json"]).json()["undoing"].clone();
    assert_eq!(undoing[0]["run"], run.as_str(), "{undoing}");
    undo(&project, &run);
    project.write("landing/e_3.csv", "id,v,n,w\n5,b,5,x\n");
    let last = run_id(&project);
    let closed = project.karat(&["close", "2026-01-05"]);
    assert_eq!(closed.code, 0, "{}", closed.text());
    let answer = project.karat(&["undo", &last, "--reason", "late"]);
    assert_eq!(answer.code, 2, "{}", answer.text());
    assert!(
        answer
            .stderr
            .contains("business days up to 2026-01-05 were closed"),
        "{}",
        answer.stderr
    );
    // A document that cannot be read is told with its code, and hides no table.
    for document in [format!("undo/{run}"), "tags/2026-01-05".to_owned()] {
        let damaged = Project::copy_of(&project);
        let path = damaged.path(&format!("lake/_karat/{document}.json"));
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        let status = damaged.karat(&["status"]);
        assert_eq!(status.code, 3, "{}", status.text());
        assert!(status.stdout.contains("d_gold.g"), "{}", status.text());
        assert!(status.stderr.contains(&document), "{}", status.text());
        let status = damaged.karat(&["status", "--json"]).json();
        assert_eq!(status["problems"].as_array().unwrap().len(), 1, "{status}");
    }
    // Made anew, nobody could hold its rows against those of the close.
    project.remove("lake/d/gold/g");
    assert_eq!(project.karat(&["run"]).code, 1);
    let gone = project.karat(&["query", "--as-of", "2026-01-05", "select * from d_gold.g"]);
    assert_eq!(gone.code, 1, "{}", gone.text());
}

/// Between a killed undo and its end nobody sets a position; an epoch that somebody took all the same does not stop it (A2, A3).
#[test]
fn a_position_waits_for_the_undo() {
    let project = Project::one_feed(
        "{ source: db, table: t, mode: incremental, key: [id], cursor: { column: at }, deletes: none }",
        "from: db.t\nselect: { id: id, at: at, v: v }\nauto_cdc: { keys: [id] }\n",
    );
    let rows = || project.rows("select id, v from d_silver.t order by id");
    project.sqlite("create table t (id integer primary key, at integer, v text); insert into t values (1, 1, 'a'), (2, 2, 'a');");
    project.run(0);
    project.sqlite("insert into t values (3, 3, 'bad');");
    let second = run_id(&project);
    // What another machine would have written before it saw the undo.
    let other = Project::copy_of(&project);
    let set = other.karat(&["position", "set", "db.t", "2"]);
    assert_eq!(set.code, 0, "{}", set.text());
    let killed = project.karat_with(
        &["undo", &second, "--reason", "a bad row"],
        &[("KARAT_FAILPOINT", "put.after:1")],
    );
    assert_eq!(killed.code, -1, "{}", killed.text());
    for command in [&["set", "db.t", "2"][..], &["reset", "db.t"]] {
        let answer = project.karat(&[&["position"], command].concat());
        assert_eq!(answer.code, 2, "{}", answer.text());
        expect![[r#"
            error: the undo of run RUN is not finished, and takes `d_bronze.db__t` back
            hint: finish it: `karat undo RUN --reason TEXT`, or a run of one of its tables; then change the position
        "#]]
        .assert_eq(&answer.stderr.replace(&second, "RUN"));
    }
    let planned = project.karat(&["undo", &second, "--plan"]);
    assert_eq!(planned.code, 2, "{}", planned.text());
    assert!(
        planned.stderr.contains("is not finished: run "),
        "{}",
        planned.stderr
    );
    let verified = project.karat(&["verify"]);
    assert!(
        verified.stdout.contains(&format!(
            "is not taken back yet; finish it: `karat undo {second} --reason TEXT`"
        )),
        "{}",
        verified.text()
    );
    let intents = "lake/_karat/intents/d";
    let of_feed = |project: &Project| -> Vec<String> {
        let files = project.files_below(intents);
        files
            .into_iter()
            .filter(|name| name.contains("db__t"))
            .collect()
    };
    let known = of_feed(&project);
    for file in of_feed(&other) {
        if !known.contains(&file) {
            let file = format!("{intents}/{file}");
            std::fs::copy(other.path(&file), project.path(&file)).unwrap();
        }
    }
    undo(&project, &second);
    assert_eq!(rows(), "id,v\n1,a\n2,a\n");
    proven(&project, "another epoch");
    let again = project.karat(&["undo", &second, "--reason", "x"]);
    assert!(
        again.stderr.contains("is undone already"),
        "{}",
        again.text()
    );
    // What was undone is held, after whichever position.
    project.run(0);
    assert_eq!(rows(), "id,v\n1,a\n2,a\n");
    project.sqlite("insert into t values (4, 4, 'good');");
    project.run(0);
    assert_eq!(rows(), "id,v\n1,a\n2,a\n4,good\n");
    proven(&project, "after it");
}

/// No manifest has the half of an undo, also of a run beside it (A10).
#[test]
fn no_reader_sees_the_half_of_an_undo() {
    let (project, run) = two_runs();
    let killed = project.karat_with(
        &["undo", &run, "--reason", "a bad file"],
        &[("KARAT_FAILPOINT", "commit.after:1")],
    );
    assert_eq!(killed.code, -1, "{}", killed.text());
    project.write("domains/d/gold/h.sql", "select 1 as one\n");
    let beside = project.karat(&["run", "--json", "--quiet", "--select", "d_gold.h"]);
    assert_eq!(beside.code, 0, "{}", beside.text());
    let beside = beside.json()["run_id"].as_str().unwrap().to_owned();
    let seen = |run: &str| {
        let ask = |table: &str| {
            let sql = format!("select count(*) as n from {table}");
            let answer =
                project.karat(&["query", "--quiet", "--format", "csv", "--run", run, &sql]);
            answer.stdout.lines().nth(1).unwrap_or_default().to_owned()
        };
        TABLES.map(ask)
    };
    assert_eq!(seen(&beside), ["6", "3", "2", "2"].map(str::to_owned));
    undo(&project, &run);
    let by = project.receipt("d_silver.t")["run"].clone();
    assert_eq!(
        seen(by.as_str().unwrap()),
        ["3", "2", "1", "1"].map(str::to_owned)
    );
    proven(&project, "whole");
}
