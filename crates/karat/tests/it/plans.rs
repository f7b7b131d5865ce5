//! What a plan tells before a run: how long, and where it stops (A7, B6, B8).

use expect_test::expect;

use crate::project::{Answer, Project};

const SILVER: &str = "from: landing.o\nselect: { id: cast(id as bigint), v: v }\n";

/// What a plan foresees, the run does: the same error, the same objects held, the same code; and the plan leaves no trace.
fn foreseen(project: &Project) -> String {
    foreseen_at(project, &[])
}

fn foreseen_at(project: &Project, time: &[&str]) -> String {
    let before = project.lake_files();
    let plan = project.karat(&[&["plan"], time].concat());
    assert_eq!(project.lake_files(), before);
    let run = project.karat(&[&["run", "--quiet"], time].concat());
    assert_eq!(plan.code, run.code, "{}\n{}", plan.text(), run.text());
    let held = |answer: &Answer| -> Vec<String> {
        let lines = answer.stdout.lines();
        let held = lines.filter(|line| line.starts_with("held "));
        held.map(str::to_owned).collect()
    };
    assert_eq!(held(&plan), held(&run), "{}\n{}", plan.text(), run.text());
    let errors = |answer: &Answer| -> Vec<String> {
        let lines = answer.stderr.lines();
        let told = lines.filter(|line| !line.starts_with("note: "));
        told.map(str::to_owned).collect()
    };
    assert_eq!(errors(&plan), errors(&run));
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
                step    table                would  because                                                                                                   reads  takes
                load    d_bronze.landing__o  FAIL   `2.csv` was not loaded into `d_bronze.landing__o`: it deletes 2 of 3 rows, more than `max_delete` allows
                silver  d_silver.t           skip   `d_bronze.landing__o` fails
                1 step would fail, with exit 1; nothing was written
                --- stderr
                error: `2.csv` was not loaded into `d_bronze.landing__o`: it deletes 2 of 3 rows, more than `max_delete` allows
                hint: nothing of it was loaded; if the source is wrong, have `2.csv` delivered again, or take it away, and run again; if it really shrank, run again with `--accept-deletes`; or raise `max_delete` in the feed
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
        project.write("landing/3.csv", "id,v\n1,one\n7,two\n8,three\n9,four\n");
        let told = foreseen(&project);
        let swapped = told.contains("deletes 3 of 4 rows");
        assert_eq!(swapped, !key.is_empty(), "{told}");
        let run = project.karat(&["run"]);
        assert_eq!(run.code, i32::from(swapped), "{}", run.text());
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

/// Keyed full loads of a database are compared with the lake, and `--at` with the time of the newest load (B6).
#[test]
fn a_load_that_goes_back_in_time_is_foreseen() {
    let project = Project::one_feed(
        "{ source: db, table: o, mode: full, key: [id], max_delete: 100% }",
        &SILVER.replace("landing", "db"),
    );
    project
        .sqlite("create table o (id integer, v text); insert into o values (1, 'one'), (2, 'two')");
    let run = project.karat(&["run", "--quiet", "--at", "2062-01-10T00:00:00Z"]);
    assert_eq!(run.code, 0, "{}", run.text());
    let early = ["--at", "2026-01-05T00:00:00Z"];
    // As long as nothing changed, nothing goes back.
    let told = foreseen_at(&project, &early);
    assert!(told.ends_with("--- exit 0\n"), "{told}");
    for change in [
        "update o set v = 'zwei' where id = 2",
        "update o set v = 'two' where id = 2; delete from o where id = 1",
    ] {
        project.sqlite(change);
        let told = foreseen_at(&project, &early);
        assert!(told.contains("FAIL"), "{told}");
        expect![[r#"
            error: `d_bronze.db__o` was not loaded: the logical time TIME is before TIME, that of its newest load, and what changed would count as older
            hint: run with a later `--at`, or without it; if the clock was wrong or `--at` was, go on with `--at 2062-01-10T00:00:00Z` or later
            --- exit 1
        "#]].assert_eq(told.split_once("--- stderr\n").unwrap().1);
    }
    // A load that was left open keeps its own time.
    let killed = project.karat_with(
        &["run", "--quiet", "--at", "2026-01-05T00:00:00Z"],
        &[("KARAT_FAILPOINT", "intent.after")],
    );
    assert_eq!(killed.code, -1, "{}", killed.text());
    let told = foreseen_at(&project, &["--at", "2062-01-11T00:00:00Z"]);
    assert!(told.contains("is before"), "{told}");
    let told = foreseen_at(&project, &["--at", "2062-01-11T00:00:00Z"]);
    assert!(told.ends_with("--- exit 0\n"), "{told}");
}

#[test]
fn objects_that_a_run_holds_are_foreseen() {
    let feed = "{ source: landing, name: o, mode: incremental, path: \"*.csv*\" }";
    let project = Project::one_feed(feed, SILVER);
    // Nothing there needs a person, too.
    expect![[r#"
        step    table                would    because                                   reads  takes
        load    d_bronze.landing__o  nothing  nothing is there yet
        silver  d_silver.t           wait     `d_bronze.landing__o` has no version yet
        note: d_bronze.landing__o: no file matches `*.csv*` in the source's folder: there is readme.txt
        nothing to do, with exit 1
        --- exit 1
    "#]].assert_eq(&foreseen(&project));
    project.write("landing/a.csv", "id,v\n1,one\n");
    let whole = project.write_gzip("landing/b.csv.gz", "id,v\n2,two\n");
    project.write_bytes("landing/b.csv.gz", &whole[..whole.len() - 9]);
    let plan = project.karat(&["plan", "--json"]).json();
    expect![[r#"[{"object":"b.csv.gz","reason":"gzip ends early"}]"#]]
        .assert_eq(&plan["steps"][0]["broken"].to_string());
    expect![[r#"
        step    table                would    because        reads            takes
        load    d_bronze.landing__o  load     2 new objects  2 objects, 33 B  no estimate: never run
        silver  d_silver.t           rebuild  first version                   no estimate: never run
        held    b.csv.gz of d_bronze.landing__o: gzip ends early
        2 steps to do, with exit 1; nothing was written
        --- exit 1
    "#]]
    .assert_eq(&foreseen(&project));
    // From now on it is on record.
    expect![[r#"
        step    table                would    because     reads  takes
        load    d_bronze.landing__o  nothing  up to date
        silver  d_silver.t           nothing  up to date
        note: d_bronze.landing__o: some objects are held in quarantine; `karat quarantine list` shows them
        nothing to do
        --- exit 0
    "#]].assert_eq(&foreseen(&project));
    project.write("landing/c.csv", "id,v\n3,three\n");
    assert!(!foreseen(&project).contains("b.csv.gz"));
    // What is on record stops no feed; what comes new does.
    let domain = std::fs::read_to_string(project.path("domains/d/domain.yaml")).unwrap();
    project.write(
        "domains/d/domain.yaml",
        &domain.replace(" }", ", on_broken_object: stop }"),
    );
    assert!(foreseen(&project).ends_with("--- exit 0\n"));
    project.write_bytes("landing/d.csv.gz", &whole[..whole.len() - 8]);
    expect![[r#"
        step    table                would  because                                              reads  takes
        load    d_bronze.landing__o  FAIL   cannot load `d.csv.gz` of feed `o`: gzip ends early
        silver  d_silver.t           skip   `d_bronze.landing__o` fails
        1 step would fail, with exit 1; nothing was written
        --- stderr
        error: cannot load `d.csv.gz` of feed `o`: gzip ends early
        hint: have it delivered again, or take `on_broken_object: stop` from the feed to go on without it
        --- exit 1
    "#]].assert_eq(&foreseen(&project));

    // In a load that is refused for its columns, what is broken is known from then on.
    let project = Project::one_feed(feed, SILVER);
    project.write("landing/a.csv", "id,v\n1,one\n");
    project.run(0);
    project.write("landing/b.csv", "id,w\n2,two\n");
    project.write_bytes("landing/c.csv.gz", &whole[..whole.len() - 9]);
    expect![[r#"
        step    table                would  because                                                                                                         reads  takes
        load    d_bronze.landing__o  FAIL   cannot load `d_bronze.landing__o`: column `v`, which a model reads, is missing in `b.csv`, which has `id`, `w`
        silver  d_silver.t           skip   `d_bronze.landing__o` fails
        held    c.csv.gz of d_bronze.landing__o: gzip ends early
        1 step would fail, with exit 1; nothing was written
        --- stderr
        error: cannot load `d_bronze.landing__o`: column `v`, which a model reads, is missing in `b.csv`, which has `id`, `w`
        hint: if it is now called `w`, add `rename: { v: w }` to the feed; if it is gone for good, `karat schema accept landing.o` loads it as null; if the file is wrong, have it delivered again, or take it away until then
        --- exit 1
    "#]].assert_eq(&foreseen(&project));
    let again = foreseen(&project);
    assert!(!again.contains("held "), "{again}");

    // A load of which nothing is left changes no table.
    let lost = Project::one_feed(feed, SILVER);
    lost.write_bytes("landing/c.csv.gz", &whole[..whole.len() - 9]);
    lost.write("landing/d.csv", "");
    expect![[r#"
        step    table                would    because                                    reads  takes
        load    d_bronze.landing__o  nothing  2 new objects: no row and no header in it
        silver  d_silver.t           wait     `d_bronze.landing__o` has no version yet
        held    c.csv.gz of d_bronze.landing__o: gzip ends early
        nothing to do, with exit 1
        --- exit 1
    "#]].assert_eq(&foreseen(&lost));
    let empty = Project::one_feed(feed, SILVER);
    empty.write("landing/d.csv", "");
    expect![[r#"
        step    table                would    because                                   reads  takes
        load    d_bronze.landing__o  nothing  1 new object: no row and no header in it
        silver  d_silver.t           wait     `d_bronze.landing__o` has no version yet
        nothing to do
        --- exit 0
    "#]]
    .assert_eq(&foreseen(&empty));

    let extracts = Project::one_feed(
        "{ source: landing, name: o, mode: full, path: \"*.csv\" }",
        SILVER,
    );
    extracts.write("landing/2.csv", "id,v\n1,one\n");
    extracts.run(0);
    extracts.write("landing/1.csv", "id,v\n1,eins\n");
    expect![[r#"
        step    table                would    because     reads  takes
        load    d_bronze.landing__o  nothing  up to date
        silver  d_silver.t           nothing  up to date
        held    1.csv of d_bronze.landing__o: late_extract: a newer full load is already loaded
        note: d_bronze.landing__o: `1.csv` is older than the newest extract loaded; it is held as late_extract
        nothing to do, with exit 1
        --- exit 1
    "#]].assert_eq(&foreseen(&extracts));
    assert!(foreseen(&extracts).ends_with("--- exit 0\n"));
}

/// Files of a version that are gone are seen where nothing would be computed.
#[test]
fn missing_files_are_foreseen() {
    for table in ["bronze/landing__o", "silver/t"] {
        let project = Project::one_feed(
            "{ source: landing, name: o, mode: incremental, path: \"*.csv\" }",
            SILVER,
        );
        project.write("landing/a.csv", "id,v\n1,one\n");
        project.run(0);
        let files = project.lake_files();
        let of_table = |name: &&String| name.contains(table) && name.ends_with(".parquet");
        let file = files.iter().find(of_table).unwrap();
        project.remove(&format!("lake/{file}"));
        let told = foreseen(&project);
        assert!(told.contains("is missing"), "{table}: {told}");
    }
}

/// A rule is rehearsed on all that bronze holds before it is switched on, and nothing of the rehearsal stays (A7).
#[test]
fn a_new_rule_is_rehearsed_on_all_history() {
    let project = Project::initial();
    project.run(0);
    let model = "domains/shop/silver/orders.yaml";
    let text = std::fs::read_to_string(project.path(model)).unwrap();
    project.write(
        model,
        &text.replace(
            "expectations:\n",
            "expectations:\n  cheap: { expect: \"amount < 100\", action: quarantine }\n  seen: { expect: \"amount <> 80\" }\n",
        ),
    );
    let before = project.lake_files();
    let told = project.karat(&["plan", "--rehearse"]);
    assert_eq!(project.lake_files(), before);
    let at = told.stdout.find("rehearsed").unwrap();
    expect![[r#"
        rehearsed  shop_silver.orders: 2 rows, 4 now
                   quarantined 3 of 5, 1 now
                   cheap (quarantine): 2 rows would break it, a new rule; the first: orders/orders_20260105.csv@1:2
                   known_country (quarantine): 1 row would break it, 1 now; the first: orders/orders_20260105.csv@1:6
                   seen (warn): 1 row would break it, a new rule
        rehearsed  shop_gold.revenue: 2 rows, 3 now
    "#]].assert_eq(&told.stdout[at..]);
    let document = project.karat(&["plan", "--rehearse", "--json"]).json();
    let foreseen = &document["steps"][1]["rehearsal"];
    // The run makes what was rehearsed.
    project.run(0);
    let status = project.karat(&["status", "--json"]).json();
    let tables = status["tables"].as_array().unwrap().clone();
    let made = tables
        .iter()
        .find(|table| table["table"] == "shop_silver.orders");
    assert_eq!(
        made.unwrap()["fingerprint"],
        foreseen["fingerprint"],
        "{foreseen}"
    );
    // A gate that would not open is told with its code.
    project.write(model, &text.replace("action: quarantine", "action: fail"));
    let told = project.karat(&["plan", "--rehearse"]);
    expect![[r#"
        step    table                        would    because                           reads            takes
        load    shop_bronze.landing__orders  nothing  up to date
        silver  shop_silver.orders           rebuild  its code changed                  5 rows, 3,698 B  about N s
        gold    shop_gold.revenue            rebuild  `shop_silver.orders` will change  2 rows, 1,074 B  about N s
        2 steps to do, about N s, with exit 1; nothing was written
        rehearsed  shop_silver.orders: makes no version, for the reason below
        rehearsed  shop_gold.revenue: skipped, `shop_silver.orders` fails
        --- stderr
        progress shop_silver.orders 100
        error: `shop_silver.orders` was not committed: 1 row breaks `known_country` (action: fail): orders/orders_20260105.csv@1:6
        hint: nothing was written; look at the source rows of `shop_silver.orders`, correct them there, or give the rule the action `quarantine`
        --- exit 1
    "#]].assert_eq(&told.text());
}

/// Of a table that is read whole the plan knows whether it changed, where it can be compared at little cost; else it says so.
#[test]
fn a_table_that_is_read_whole_is_planned_by_what_changed() {
    let steps = |project: &Project| -> Vec<String> {
        let plan = project.karat(&["plan", "--json"]).json();
        let steps = plan["steps"].as_array().unwrap().iter();
        let text = |step: &serde_json::Value, key| step[key].as_str().unwrap().to_owned();
        steps
            .map(|step| {
                let (action, reason) = (text(step, "action"), text(step, "reason"));
                let or = if step["if_changed"] == true { "?" } else { "" };
                format!("{action}{or}: {reason}")
            })
            .collect()
    };
    let of = |key: &str| {
        let project = Project::one_feed(
            &format!("{{ source: db, table: o, mode: full{key} }}"),
            &SILVER.replace("landing", "db"),
        );
        project.write(
            "domains/d/gold/n.sql",
            "select count(*) as n from d_silver.t\n",
        );
        project.sqlite(
            "create table o (id integer, v text); insert into o values (1, 'one'), (2, 'two')",
        );
        project.run(0);
        project
    };
    let keyed = of(", key: [id]");
    expect![[r#"
        nothing: the whole table was read and compared: nothing has changed
        nothing: up to date
        nothing: up to date"#]]
    .assert_eq(&steps(&keyed).join("\n"));
    keyed.sqlite("update o set v = 'zwei' where id = 2; insert into o values (3, 'three')");
    expect![[r#"
        load: 2 rows changed in the whole table
        rebuild: its feed is read as a whole
        rebuild: `d_silver.t` will change"#]]
    .assert_eq(&steps(&keyed).join("\n"));
    // Nothing tells rows without a key from each other.
    let without = of("");
    expect![[r#"
        load?: the whole table is read and compared
        rebuild?: its feed is read as a whole
        rebuild?: `d_silver.t` may change"#]]
    .assert_eq(&steps(&without).join("\n"));
    let told = without.karat(&["plan"]).stdout;
    assert!(
        told.contains("3 steps to do, if what is read has changed"),
        "{told}"
    );
}

/// What `validate` says of a model, `plan` and `run` say, with its code, before the first run and after one.
#[test]
fn validate_plan_and_run_agree() {
    let files = [
        (
            "karat.yaml",
            "karat: 1\nproject: p\nsources:\n  landing: { type: files, path: landing }\n",
        ),
        (
            "domains/d/domain.yaml",
            "domain: d\nfeeds:\n  - { source: landing, name: o, mode: incremental, path: \"*.csv\" }\n",
        ),
        (
            "domains/d/silver/t.yaml",
            "from: landing.o\nselect: { id: cast(id as bigint), day: cast(day as date), v: \"cast(v as decimal(9,2))\" }\n",
        ),
        (
            "domains/d/gold/g.sql",
            "select id, day, v from d_silver.t\n",
        ),
        (
            "domains/d/gold/h.sql",
            "select count(*) as n from d_gold.g\n",
        ),
        (
            "landing/a.csv",
            "id,day,v\n1,2026-01-01,2\n2,2026-02-01,3.5\n",
        ),
    ];
    let mistakes = [
        (
            "select id, stddev(v) as sd, avg(v) as a from d_silver.t group by id\n",
            "{}\n",
        ),
        (
            "select date_trunc('month', day) as month, sum(v) as v from d_silver.t group by 1\n",
            "incremental: { by: [month] }\n",
        ),
        ("select id, v from d_silver.t where day > 'x'\n", "{}\n"),
        ("select id, v from d_silver.t\n", "business_day: id\n"),
        (
            "select id, v from d_silver.t\n",
            "checks: { c: { sql: \"select id from this where v > true\" } }\n",
        ),
    ];
    let mut told = String::new();
    for made_before in [false, true] {
        for (sql, yaml) in mistakes {
            let project = Project::of(&files);
            if made_before {
                project.run(0);
            }
            project.write("domains/d/gold/g.sql", sql);
            project.write("domains/d/gold/g.yaml", yaml);
            let validated = project.karat(&["validate"]);
            let planned = foreseen(&project);
            let (_, error) = planned.split_once("--- stderr\n").unwrap();
            let (error, code) = error.split_once("--- exit ").unwrap();
            assert_eq!((validated.code, code), (2, "2\n"), "{planned}");
            assert!(
                validated.stderr.contains(error.trim()),
                "{}\n{error}",
                validated.text()
            );
            if !made_before {
                told += error;
            }
        }
    }
    expect![[r#"
        error: the column `sd` holds doubles, which no model stores unasked
         --> domains/d/gold/g.sql:1:25
          |
        1 | select id, stddev(v) as sd, avg(v) as a from d_silver.t group by id
          |                         ^^
          = hint: round and cast to decimal, for example decimal_from_double(round(x, 4), 4), or state `allow_float: "reason"` in the model
        error: `d_gold.g` cannot be computed by `month` alone: all of `d_silver.t` is read, since its rows are grouped by `date_trunc('month', d_silver.t.day)`, and no column of it holds that
         --> domains/d/gold/g.yaml:1:14
          |
        1 | incremental: { by: [month] }
          |              ^^^^^^^^^^^^^^
          = hint: leave out `incremental`: no part of the model can be told, and it is computed in full
        error: `'x'` stands where date is needed, and cannot be read as one
         --> domains/d/gold/g.sql:1:42
          |
        1 | select id, v from d_silver.t where day > 'x'
          |                                          ^
          = hint: a date is written 2026-01-31; to_date(text, format) reads others
        error: `business_day: id` is a bigint: it must be a date or a timestamp
         --> domains/d/gold/g.sql:1:1
          |
        1 | select id, v from d_silver.t
          | ^
          = hint: name a column that says to which day a row belongs
        error: no comparison decimal(9,2) > boolean
         --> domains/d/gold/g.yaml:1:21
          |
        1 | checks: { c: { sql: "select id from this where v > true" } }
          |                     ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
          = hint: a truth is compared with true and false, or is a condition by itself
    "#]].assert_eq(&told);
    // What is mended runs.
    let project = Project::of(&files);
    project.write(
        "domains/d/gold/g.sql",
        "select decimal_from_double(round(stddev(v), 4), 4) as sd from d_silver.t\n",
    );
    assert_eq!(project.karat(&["validate"]).code, 0);
    project.run(0);
    assert_eq!(project.rows("select sd from d_gold.g"), "sd\n1.0607\n");
}
