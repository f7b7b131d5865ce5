//! A feed whose declaration was wrong at first: what is said of it, and how it is put right in place (B4, B8).

use expect_test::expect;

use crate::project::Project;

const SILVER: &str = "from: landing.o\nselect: { id: cast(id as bigint), v: v }\n";

fn declare(project: &Project, more: &str) {
    let feed = format!("{{ source: landing, name: o, mode: incremental, path: \"*.csv\"{more} }}");
    project.write(
        "domains/d/domain.yaml",
        &format!("domain: d\nfeeds:\n  - {feed}\n"),
    );
}

fn notes(told: &str) -> String {
    let notes = told
        .lines()
        .filter(|line| line.starts_with("note") || line.starts_with("hint"));
    notes.map(|note| format!("{note}\n")).collect()
}

/// The way that the note names is a way: undo, reset, run.
#[test]
fn a_feed_that_was_loaded_with_the_wrong_csv() {
    let project = Project::one_feed("{ source: landing, name: o, mode: full, path: x }", SILVER);
    project.remove("domains/d/silver/t.yaml");
    declare(&project, "");
    project.write_bytes("landing/a.csv", b"id;v\n1;Z\xFCrich\n2;Bern\n");
    let run = project.karat(&["run", "--quiet", "--json"]);
    let run = run.json()["run_id"].as_str().unwrap().to_owned();
    project.write("domains/d/silver/t.yaml", SILVER);
    declare(
        &project,
        ", csv: { delimiter: \";\", encoding: windows-1252 }",
    );
    let told = notes(&project.karat(&["plan"]).text());
    let reset = project.karat(&["position", "reset", "landing.o"]);
    expect![[r#"
        note: d_bronze.landing__o: what is loaded was read with another `csv`, and stays as it was read; to have it read anew, `karat undo RUN --reason TEXT` (`--plan` shows what else that run wrote), `karat position reset landing.o`, `karat run`; or give the feed another `name`, which makes a table of its own
        hint: a file that is delivered again with other content is loaded by the next run; to have it read anew, `karat undo RUN --reason TEXT` (`--plan` shows what else that run wrote), `karat position reset landing.o`, `karat run`; or give the feed another `name`, which makes a table of its own
    "#]].assert_eq(&(told + &notes(&reset.text())));

    let undo = project.karat(&["undo", &run, "--reason", "read with the wrong csv"]);
    assert_eq!(undo.code, 0, "{}", undo.text());
    assert_eq!(project.karat(&["position", "reset", "landing.o"]).code, 0);
    let plan = project.karat(&["plan"]);
    expect![[r#"
        step    table                would    because        reads           takes
        load    d_bronze.landing__o  load     1 new object   1 object, 21 B  about N s
        silver  d_silver.t           rebuild  first version                  no estimate: never run
        2 steps to do, about N s, 1 without an estimate; nothing was written
        --- exit 0
    "#]]
    .assert_eq(&plan.text());
    project.run(0);
    assert_eq!(
        project.rows("select * from d_silver.t"),
        "id,v\n1,Zürich\n2,Bern\n"
    );
    assert_eq!(notes(&project.karat(&["plan"]).text()), "");
    assert_eq!(project.karat(&["verify"]).code, 0);
}

/// Files that are held for how they are declared were not delivered again once that is mended; and nothing is said of what is held any more.
#[test]
fn files_that_were_held_for_their_csv() {
    let project = Project::one_feed("{ source: landing, name: o, mode: full, path: x }", SILVER);
    declare(&project, "");
    project.write_bytes("landing/a.csv", b"id,\xD6rt,v\n1,x,y\n");
    project.write("landing/b.csv", "id,v\n2,z\n");
    project.run(1);
    let held = project.karat(&["quarantine", "list"]).stdout;
    declare(&project, ", csv: { encoding: windows-1252 }");
    let mended = project.karat(&["plan"]).text();
    project.run(0);
    let after = project.karat(&["plan"]).text();
    expect![[r#"
        table                object  reason
        d_bronze.landing__o  a.csv   its header cannot be read: it is not valid in `utf-8`, the default; if it is Windows-1252, `csv: { encoding: windows-1252 }` of a feed reads it
        0 rows, 1 object in quarantine
        step    table                would        because                                    reads           takes
        load    d_bronze.landing__o  load         1 new object                               1 object, 15 B  about N s
        silver  d_silver.t           incremental  `d_bronze.landing__o` is loaded before it  0 rows          about N s
        note: d_bronze.landing__o: what is loaded was read with another `csv`, and stays as it was read; to have it read anew, `karat undo RUN --reason TEXT` (`--plan` shows what else that run wrote), `karat position reset landing.o`, `karat run`; or give the feed another `name`, which makes a table of its own
        note: d_bronze.landing__o: 1 was held, and can be read now
        note: d_silver.t: it also reads the rows that this run loads before it
        2 steps to do, about N s; nothing was written
        --- exit 0
        step    table                would    because     reads  takes
        load    d_bronze.landing__o  nothing  up to date
        silver  d_silver.t           nothing  up to date
        nothing to do
        --- exit 0
    "#]].assert_eq(&(held + &mended + &after));
}

/// What a `rename` names is there, or it is told which columns are.
#[test]
fn a_rename_of_what_no_file_has() {
    let project = Project::one_feed("{ source: landing, name: o, mode: full, path: x }", SILVER);
    project.write("landing/a.csv", "id,wert\n1,one\n");
    declare(&project, ", rename: { v: werte }");
    let plan = project.karat(&["plan"]);
    let run = project.karat(&["run"]);
    assert_eq!((plan.code, run.code), (2, 2), "{}", plan.text());
    assert_eq!(notes(&plan.text()), notes(&run.text()));
    let misspelled = notes(&run.text());
    declare(&project, ", rename: { v: wert }");
    // What was loaded has it under its own name.
    project.write("landing/b.csv", "id,wert\n2,two\n");
    let told = notes(&project.karat(&["run"]).text());
    expect![[r#"
        note: d_bronze.landing__o: `rename` takes `werte` for `v`, and there is no `werte`: `a.csv` has `id`, `wert`
        --
    "#]].assert_eq(&format!("{misspelled}--\n{told}"));
}

#[test]
fn names_with_blanks_around_them_show() {
    let project = Project::one_feed("{ source: landing, name: o, mode: full, path: x }", SILVER);
    declare(&project, "");
    project.write("landing/a.csv", "id,v\n1,one\n");
    project.run(0);
    project.write("landing/b.csv", " id , v,amt\n2,two,3\n");
    expect![[r#"
        error: cannot load `d_bronze.landing__o`: columns `id`, `v`, which models read, are missing in `b.csv`, which has ` id `, ` v`, `amt`
        hint: if these are their names now, add `rename: { id: src__id_, v: src__v }` to the feed; if it is gone for good, `karat schema accept landing.o` loads it as null; if the file is wrong, have it delivered again, or take it away until then
    "#]].assert_eq(&project.run(1).stderr);
    declare(&project, ", rename: { id: src__id_, v: src__v }");
    project.run(0);
    assert_eq!(
        project.rows("select * from d_silver.t order by id"),
        "id,v\n1,one\n2,two\n"
    );
}

/// Of several extracts one is refused; what the same run loaded before it stays, and the message says no more than that.
#[test]
fn an_extract_that_is_refused_behind_one_that_is_loaded() {
    let project = Project::one_feed(
        "{ source: landing, name: o, mode: full, key: [id], path: \"*.csv\" }",
        SILVER,
    );
    project.write("landing/1.csv", "id,v\n1,one\n2,two\n3,three\n");
    project.run(0);
    project.write("landing/2.csv", "id,v\n1,one\n2,zwei\n3,three\n");
    project.write("landing/3.csv", "id,v\n1,one\n");
    expect![[r#"
                 table                version   time  rows
        failed   d_bronze.landing__o        1  N s  3 read = 1 kept + 2 unchanged
        skipped  d_silver.t                    N s
        sources 3 read = 1 kept + 2 unchanged
        run RUN: 1 table written, 0 unchanged, 1 failed, 1 skipped, N s
        head DIGEST
        --- stderr
        error: `3.csv` was not loaded into `d_bronze.landing__o`: it deletes 2 of 3 rows, more than `max_delete` allows
        hint: nothing of it was loaded; if the source is wrong, have `3.csv` delivered again, or take it away, and run again; if it really shrank, run again with `--accept-deletes`; or raise `max_delete` in the feed
        --- exit 1
    "#]].assert_eq(&project.run(1).text());
}
