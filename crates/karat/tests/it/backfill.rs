//! A range of a cursor's feed read again (A8, B7): what was late or changed behind the position comes in, nothing twice, the position stays.

use expect_test::expect;

use crate::dice::Dice;
use crate::project::Project;

const FEED: &str =
    "{ source: db, table: t, mode: incremental, key: [id], cursor: { column: at }, deletes: none }";

fn project(more: &str) -> Project {
    let project = Project::one_feed(
        FEED,
        &format!("from: db.t\nselect: {{ id: id, at: at, v: v }}\n{more}"),
    );
    project.sqlite("create table t (id integer primary key, at integer, v text);");
    project
}

const CURRENT: &str = "auto_cdc: { keys: [id], sequence_by: at }\n";

fn rows(project: &Project) -> String {
    project.rows("select id, v from d_silver.t order by id")
}

fn proven(project: &Project, case: &str) {
    for arguments in [
        &["verify", "--quiet"][..],
        &["replay", "--quiet", "--rebuild", "d_silver.t"],
    ] {
        let answer = project.karat(arguments);
        assert_eq!(answer.code, 0, "{case}: {}", answer.text());
    }
}

/// A late row, and one that changed far behind the position.
fn behind() -> Project {
    let project = project(CURRENT);
    project.sqlite("insert into t values (1, 10, 'a'), (2, 20, 'a'), (3, 30, 'a');");
    project.run(0);
    project.sqlite("insert into t values (4, 15, 'late'); update t set v = 'b' where id = 2;");
    project.run(0);
    project
}

const BACKFILL: [&str; 6] = ["backfill", "db.t", "--from", "12", "--to", "25"];

#[test]
fn a_range_is_read_again() {
    let project = behind();
    assert_eq!(rows(&project), "id,v\n1,a\n2,a\n3,a\n");
    let planned = project.karat(&[&BACKFILL[..], &["--plan"]].concat());
    expect![[r#"
        `d_bronze.db__t`: 2 rows read = 2 to load + 0 unchanged
        nothing was written
        --- exit 0
    "#]]
    .assert_eq(&planned.text());
    let done = project.karat(&BACKFILL);
    expect![[r#"
        `d_bronze.db__t`: 2 rows read = 2 kept + 0 unchanged
        version 1; `karat run` takes it into the models
        head DIGEST
        --- exit 0
    "#]]
    .assert_eq(&done.text());
    let position = project.karat(&["position", "show", "--json"]).json();
    assert_eq!(position["positions"][0]["cursor"], 30);
    project.run(0);
    assert_eq!(rows(&project), "id,v\n1,a\n2,b\n3,a\n4,late\n");
    proven(&project, "read again");
    let again = project.karat(&[&BACKFILL[..], &["--json"]].concat());
    assert_eq!(again.json()["rows"]["unchanged"], 2, "{}", again.text());
    assert!(again.json()["version"].is_null(), "{}", again.text());
    // The next load goes on where the feed stood.
    project.sqlite("insert into t values (5, 31, 'c');");
    let run = project.karat(&["run", "--json", "--quiet"]).json();
    assert_eq!(run["steps"][0]["rows"]["kept"], 1, "{run}");
    // It is a run like others.
    let project = behind();
    let done = project.karat(&[&BACKFILL[..], &["--json"]].concat()).json();
    let run = done["run"].as_str().unwrap();
    let undone = project.karat(&["undo", run, "--reason", "x"]);
    assert_eq!(undone.code, 0, "{}", undone.text());
    project.run(0);
    assert_eq!(rows(&project), "id,v\n1,a\n2,a\n3,a\n");
    proven(&project, "undone");
    // What it had brought lies behind the position: only the range brings it again.
    let reset = project.karat(&["position", "reset", "db.t"]);
    expect![[r#"
        `db.t` goes back before what was undone: it is read on after 30 (recorded as epoch 4); `karat run` loads it
        the range that was read again is behind the position: `karat backfill db.t --from "12" --to "25"` reads it
        --- exit 0
    "#]]
    .assert_eq(&reset.text());
    project.run(0);
    assert_eq!(project.karat(&BACKFILL).code, 0);
    project.run(0);
    assert_eq!(rows(&project), "id,v\n1,a\n2,b\n3,a\n4,late\n");
    proven(&project, "again");
}

#[test]
fn what_has_no_range_is_refused() {
    let project = behind();
    let wrong = project.karat(&["backfill", "db.t", "--from", "x", "--to", "25"]);
    expect![[r#"
        --- stderr
        error: the cursor `at` of `d_bronze.db__t` holds numbers, and the value given is no number
        hint: `karat position show` shows the value that it has
        --- exit 2
    "#]]
    .assert_eq(&wrong.text());
    let turned = project.karat(&["backfill", "db.t", "--from", "100", "--to", "25"]);
    expect![[r#"
        --- stderr
        error: the range of `d_bronze.db__t` ends before it begins
        hint: give the least value with `--from`, the greatest with `--to`; texts are ordered by their bytes
        --- exit 2
    "#]]
    .assert_eq(&turned.text());
    // Texts that look like numbers are texts, and ordered as such (B7).
    let texts = Project::one_feed(FEED, "from: db.t\nselect: { id: id, v: v }\n");
    texts.sqlite("create table t (id integer primary key, at text, v text); insert into t values (1, '10', 'a'), (2, '50', 'a'), (3, '85', 'a');");
    texts.run(0);
    let range = |from: &str, to: &str| {
        let answer = texts.karat(&["backfill", "db.t", "--from", from, "--to", to, "--json"]);
        let read = answer.code == 0;
        read.then(|| answer.json()["rows"]["read"].as_u64().unwrap())
    };
    assert_eq!(range("10", "9"), Some(3));
    assert_eq!(range("9", "10"), None);
    let files = Project::one_feed(
        "{ source: landing, name: e, mode: incremental, path: \"*.csv\" }",
        "from: landing.e\nselect: { k: k }\n",
    );
    files.write("landing/e.csv", "k\n1\n");
    files.run(0);
    let none = files.karat(&["backfill", "landing.e", "--from", "1", "--to", "2"]);
    expect![[r#"
        --- stderr
        error: `d_bronze.landing__e` has no cursor: there is no range of it to read again
        hint: a file that is delivered again with other content is loaded by the next run; what was undone comes back with `karat position reset`
        --- exit 2
    "#]]
    .assert_eq(&none.text());
}

/// Killed anywhere, the same command or a run goes on (A3).
#[test]
fn a_backfill_killed_anywhere_is_continued() {
    let start = behind();
    let mut kills = 0;
    for step in ["intent", "files", "commit", "manifest", "put"] {
        for side in ["before", "after"] {
            let project = Project::copy_of(&start);
            let killed =
                project.karat_with(&BACKFILL, &[("KARAT_FAILPOINT", &format!("{step}.{side}"))]);
            assert_eq!(killed.code, -1, "{step}.{side}: {}", killed.text());
            kills += 1;
            if kills % 2 == 0 {
                project.run(0);
            }
            let again = project.karat(&BACKFILL);
            if again.stderr.contains("is still open") {
                project.run(0);
            }
            project.run(0);
            assert_eq!(
                rows(&project),
                match project.karat(&[&BACKFILL[..], &["--json"]].concat()).json()["rows"]["kept"]
                    .as_u64()
                {
                    Some(0) => "id,v\n1,a\n2,b\n3,a\n4,late\n",
                    _ => "not all was loaded",
                },
                "{step}.{side}"
            );
            proven(&project, &format!("{step}.{side}"));
        }
    }
}

/// Whatever is read in whichever ranges, in the end the table is the source's (C6).
#[test]
fn any_ranges_bring_in_what_the_source_has() {
    let mut dice = Dice(11);
    let project = project(CURRENT);
    let mut rows_of_source = std::collections::BTreeMap::new();
    for step in 0..6 {
        for _ in 0..3 {
            let id = 1 + dice.roll(12);
            let value = format!("v{step}{}", dice.roll(9));
            // A key stays at its place in the order: only what it says changes.
            project.sqlite(&format!(
                "insert into t values ({id}, {}, '{value}') on conflict (id) do update set v = excluded.v;",
                id * 10
            ));
            rows_of_source.insert(id, value);
        }
        project.run(0);
        let from = dice.roll(60);
        let to = from + dice.roll(60);
        let answer = project.karat(&[
            "backfill",
            "db.t",
            "--from",
            &from.to_string(),
            "--to",
            &to.to_string(),
        ]);
        assert_eq!(answer.code, 0, "{}", answer.text());
    }
    let all = project.karat(&["backfill", "db.t", "--from", "0", "--to", "999"]);
    assert_eq!(all.code, 0, "{}", all.text());
    project.run(0);
    let expected = rows_of_source.iter().map(|(id, v)| format!("{id},{v}\n"));
    assert_eq!(
        rows(&project),
        format!("id,v\n{}", expected.collect::<String>())
    );
    proven(&project, "all");
}
