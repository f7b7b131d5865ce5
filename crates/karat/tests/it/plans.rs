//! What a plan tells before a run: how long, and where it stops (A7, B6, B8).

use expect_test::expect;

use crate::project::Project;

const SILVER: &str = "from: landing.o\nselect: { id: cast(id as bigint), v: v }\n";

/// What a plan foresees, the run does: the same error, the same code; and the plan leaves no trace.
fn foreseen(project: &Project) -> String {
    let before = project.lake_files();
    let plan = project.karat(&["plan"]);
    assert_eq!(project.lake_files(), before);
    let run = project.karat(&["run", "--quiet"]);
    assert_eq!(plan.code, run.code, "{}\n{}", plan.text(), run.text());
    assert_eq!(plan.stderr, run.stderr);
    plan.text()
}

#[test]
fn a_rebuild_is_told_with_rows_bytes_and_time() {
    let project = Project::one_feed(
        "{ source: landing, name: o, mode: incremental, path: \"*.csv\" }",
        SILVER,
    );
    project.write("landing/a.csv", "id,v\n1,one\n2,two\n");
    expect![[r#"
        step    table                would    because        reads           takes
        load    d_bronze.landing__o  load     1 new object   1 object, 17 B  no estimate: never run
        silver  d_silver.t           rebuild  first version                  no estimate: never run
        2 steps to do; nothing was written
        --- exit 0
    "#]]
    .assert_eq(&project.karat(&["plan"]).text());
    project.run(0);
    project.write(
        "domains/d/silver/t.yaml",
        &SILVER.replace("v: v", "v: upper(v)"),
    );
    let plan = project.karat(&["plan", "--json"]).json();
    let (load, silver) = (&plan["steps"][0], &plan["steps"][1]);
    assert!(load["seconds"].is_null(), "{plan}");
    assert!(silver["seconds"].as_f64().unwrap() > 0.0, "{plan}");
    expect![[r#"
        step    table                would    because           reads            takes
        load    d_bronze.landing__o  nothing  up to date
        silver  d_silver.t           rebuild  its code changed  2 rows, 2,877 B  about N s
        1 step to do, about N s; nothing was written
        --- exit 0
    "#]]
    .assert_eq(&project.karat(&["plan"]).text());
    // More of the same takes longer.
    let rows: String = (3..100_003).map(|id| format!("{id},more\n")).collect();
    project.write("landing/b.csv", &format!("id,v\n{rows}"));
    let more = project.karat(&["plan", "--json"]).json();
    assert!(
        more["steps"][0]["seconds"].as_f64().unwrap() > 0.0,
        "{more}"
    );
    let seconds = |plan: &serde_json::Value| plan["steps"][1]["seconds"].as_f64().unwrap();
    assert!(seconds(&more) > 5.0 * seconds(&plan), "{more}");
    // The journal is a cache: without it there is no guess, and all else stays.
    project.remove(".karat");
    let without = project.karat(&["plan", "--json"]).json();
    assert!(without["steps"][1]["seconds"].is_null(), "{without}");
    assert_eq!(without["steps"][1]["reason"], silver["reason"]);
    assert!(!project.path(".karat").exists());
}

#[test]
fn a_full_load_that_deletes_too_much_is_foreseen() {
    for key in ["", "key: [id], "] {
        let project = Project::one_feed(
            &format!("{{ source: landing, name: o, mode: full, {key}path: \"*.csv\" }}"),
            SILVER,
        );
        project.write("landing/1.csv", "id,v\n1,one\n2,two\n3,three\n");
        let plan = project.karat(&["plan"]);
        assert_eq!(plan.code, 0, "{}", plan.text());
        project.run(0);
        // As many rows, other keys.
        project.write("landing/2.csv", "id,v\n1,one\n5,five\n6,six\n");
        let told = foreseen(&project);
        if key.is_empty() {
            expect![[r#"
                step    table                would    because                      reads                   takes
                load    d_bronze.landing__o  load     1 new object                 1 object, 3 rows, 24 B  about N s
                silver  d_silver.t           rebuild  its feed is read as a whole  0 rows                  about N s
                note: d_silver.t: it also reads the rows that this run loads before it
                2 steps to do, about N s; nothing was written
                --- exit 0
            "#]].assert_eq(&told);
        } else {
            expect![[r#"
                step    table                would  because                                                                                            reads  takes
                load    d_bronze.landing__o  FAIL   `d_bronze.landing__o` was not loaded: the load deletes 2 of 3 rows, more than `max_delete` allows
                silver  d_silver.t           skip   `d_bronze.landing__o` fails
                1 step would fail, with exit 1; nothing was written
                --- stderr
                error: `d_bronze.landing__o` was not loaded: the load deletes 2 of 3 rows, more than `max_delete` allows
                hint: if the source really shrank, run again with `--accept-deletes`; or raise `max_delete` in the feed
                --- exit 1
            "#]].assert_eq(&told);
        }
        project.write("landing/2.csv", "id,v\n1,one\n");
        let told = foreseen(&project);
        assert!(told.contains("deletes 2 of 3 rows"), "{told}");
        project.write("landing/2.csv", "id,v\n");
        let told = foreseen(&project);
        assert!(told.contains("empty or keeps none of the 3"), "{told}");
        // Of two extracts the second is compared with the first.
        project.write("landing/2.csv", "id,v\n1,one\n2,two\n3,three\n4,four\n");
        project.write("landing/3.csv", "id,v\n");
        let told = foreseen(&project);
        assert!(told.contains("empty or keeps none of the 4"), "{told}");
    }
}

#[test]
fn an_emptied_table_of_a_database_is_foreseen() {
    for key in ["", "key: [id], "] {
        let project = Project::one_feed(
            &format!("{{ source: db, table: o, mode: full, {key}}}"),
            &SILVER.replace("landing", "db"),
        );
        project.sqlite("create table o (id integer primary key, v text); insert into o values (1, 'one'), (2, 'two')");
        let plan = project.karat(&["plan", "--json"]).json();
        assert_eq!(plan["steps"][0]["rows"], 2, "{plan}");
        project.run(0);
        project.sqlite("delete from o where id = 2");
        let told = foreseen(&project);
        assert!(told.contains("deletes 1 of 2 rows"), "{told}");
        project.sqlite("delete from o");
        let told = foreseen(&project);
        assert!(told.contains("empty or keeps none of the 2"), "{told}");
    }
}

/// What a model reads is judged by the columns that the loads bring, not by those that are there.
#[test]
fn columns_that_loads_bring_or_lack_are_foreseen() {
    let project = Project::one_feed(
        "{ source: landing, name: o, mode: incremental, path: \"*.csv\" }",
        SILVER,
    );
    project.write("landing/a.csv", "id,w\n1,one\n");
    let plan = project.karat(&["plan"]);
    expect![[r#"
        step    table                would  because                                  reads           takes
        load    d_bronze.landing__o  load   1 new object                             1 object, 11 B  no estimate: never run
        silver  d_silver.t           FAIL   cannot plan `d_silver.t`: no column `v`
        1 step to do, 1 would fail, with exit 2; nothing was written
        --- stderr
        error: no column `v`
         --> domains/d/silver/t.yaml:2:38
          |
        2 | select: { id: cast(id as bigint), v: v }
          |                                      ^
          = hint: did you mean `w`?
        --- exit 2
    "#]].assert_eq(&plan.text());
    assert_eq!(project.run(2).stderr, plan.stderr);
    project.write("landing/b.csv", "id,v\n2,two\n");
    let plan = project.karat(&["plan"]);
    assert_eq!(plan.code, 0, "{}", plan.text());
    project.run(0);
    // Delivered again with other content: what was read of it before goes.
    project.write("landing/b.csv", "id,v\n2,zwei\n");
    let plan = project.karat(&["plan", "--json"]).json();
    assert_eq!(plan["steps"][1]["action"], "rebuild", "{plan}");
    assert_eq!(plan["steps"][1]["rows"], 2, "{plan}");
    let run = project.karat(&["run", "--json"]).json();
    let how = run["steps"][1]["how"].as_str().unwrap();
    assert!(how.starts_with("rebuild: an object"), "{run}");
}

/// A load that a killed run left open comes before what is planned.
#[test]
fn an_extract_is_compared_with_the_load_that_is_taken_up_before_it() {
    let project = Project::one_feed(
        "{ source: landing, name: o, mode: full, key: [id], path: \"*.csv\" }",
        SILVER,
    );
    project.write("landing/1.csv", "id,v\n1,one\n2,two\n");
    let killed = project.karat_with(&["run", "--quiet"], &[("KARAT_FAILPOINT", "files.after")]);
    assert_eq!(killed.code, -1, "{}", killed.text());
    let plan = project.karat(&["plan", "--json"]).json();
    assert_eq!(plan["steps"][0]["rows"], 2, "{plan}");
    project.write("landing/2.csv", "id,v\n");
    let told = project.karat(&["plan"]);
    assert_eq!(told.stderr, project.run(1).stderr);
}
