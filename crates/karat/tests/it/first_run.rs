//! From `karat init` to proven gold: the first things that anybody does.

use expect_test::expect;

use crate::project::Project;

#[test]
fn init_validates_and_plans_before_anything_was_loaded() {
    let project = Project::initial();
    expect![[r#"
        no mistakes in 2 models
        --- exit 0
    "#]]
    .assert_eq(&project.karat(&["validate"]).text());
    expect![[r#"
        step    table                        would    because        reads            takes
        load    shop_bronze.landing__orders  load     1 new object   1 object, 196 B  no estimate: never run
        silver  shop_silver.orders           rebuild  first version                   no estimate: never run
        gold    shop_gold.revenue            rebuild  first version                   no estimate: never run
        3 steps to do; nothing was written
        --- exit 0
    "#]]
    .assert_eq(&project.karat(&["plan"]).text());
    assert!(
        project.lake_files().is_empty(),
        "validate and plan write nothing"
    );
    expect![[r#"
        the lake has no tables yet; `karat run` makes them
        --- exit 0
    "#]]
    .assert_eq(&project.karat(&["status"]).text());
}

#[test]
fn a_run_makes_gold_and_a_second_one_nothing() {
    let project = Project::initial();
    let run = project.karat(&["run", "--json"]);
    assert_eq!(run.code, 0, "{}\n{}", run.stdout, run.stderr);
    let document = run.json();
    assert_eq!(document["status"], "done");
    let silver = document["steps"]
        .as_array()
        .unwrap()
        .iter()
        .find(|step| step["table"] == "shop_silver.orders")
        .unwrap();
    assert_eq!(silver["rows"]["read"], 5);
    assert_eq!(silver["rows"]["kept"], 4);
    assert_eq!(silver["rows"]["quarantined"], 1);

    let status = project.karat(&["status", "--json"]).json();
    let files = project.lake_files();
    let again = project.karat(&["run"]);
    assert_eq!(again.code, 0, "{}", again.stderr);
    assert!(
        again.stdout.starts_with("nothing to do"),
        "{}",
        again.stdout
    );
    assert_eq!(project.lake_files(), files, "nothing to do writes nothing");
    assert_eq!(project.karat(&["status", "--json"]).json(), status);

    let verified = project.karat(&["verify", "--json"]);
    assert_eq!(verified.code, 0, "{}", verified.stdout);
    assert_eq!(verified.json()["ok"], true);

    // The journal is a cache (A1).
    std::fs::remove_dir_all(project.path(".karat")).unwrap();
    assert_eq!(project.karat(&["status", "--json"]).json(), status);
    assert_eq!(project.karat(&["verify"]).code, 0);
    expect![[r#"
        nothing to do: 3 tables up to date, N s
        head DIGEST
        --- exit 0
    "#]]
    .assert_eq(&project.karat(&["run", "--quiet"]).text());
}

#[test]
fn what_is_held_back_is_listed_and_the_position_known() {
    let project = Project::initial();
    assert_eq!(project.karat(&["run", "--quiet"]).code, 0);
    expect![[r#"
        table               rule           rows
        shop_silver.orders  known_country     1

        table               row                             rules
        shop_silver.orders  orders/orders_20260105.csv@1:6  known_country
        1 row, 0 objects in quarantine
        --- exit 0
    "#]]
    .assert_eq(&project.karat(&["quarantine", "list"]).text());
    expect![[r#"
        feed            table                        epoch  objects  held  cursor
        landing.orders  shop_bronze.landing__orders      1        1     0
        --- exit 0
    "#]]
    .assert_eq(&project.karat(&["position", "show"]).text());
}

#[test]
fn init_overwrites_nothing() {
    let project = Project::initial();
    expect![[r#"
        --- stderr
        error: there is a project in `.` already
        hint: name another folder
        --- exit 2
    "#]]
    .assert_eq(&project.karat(&["init"]).text());
}

#[test]
fn only_the_selected_steps_run() {
    let project = Project::initial();
    let run = project.karat(&["run", "--json", "--select", "landing.orders"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert_eq!(run.json()["steps"].as_array().unwrap().len(), 1);
    expect![[r#"
        --- stderr
        error: cannot select `shop_silver.order`: no table or feed has this name
        hint: did you mean `shop_silver.orders`?
        --- exit 2
    "#]]
    .assert_eq(
        &project
            .karat(&["run", "--select", "shop_silver.order"])
            .text(),
    );
}

#[test]
fn a_killed_run_is_continued_to_the_same_fingerprints() {
    let whole = Project::initial();
    assert_eq!(whole.karat(&["run", "--quiet"]).code, 0);
    let fingerprints = |project: &Project| -> Vec<String> {
        project.karat(&["status", "--json"]).json()["tables"]
            .as_array()
            .unwrap()
            .iter()
            .map(|table| format!("{} {}", table["table"], table["fingerprint"]))
            .collect()
    };
    for point in [
        "intent.after",
        "files.after",
        "receipt.after:2",
        "manifest.before",
    ] {
        let project = Project::initial();
        let killed = project.karat_with(&["run", "--quiet"], &[("KARAT_FAILPOINT", point)]);
        assert_eq!(killed.code, -1, "{point}: {}", killed.stderr);
        let run = project.karat(&["run", "--quiet"]);
        assert_eq!(run.code, 0, "{point}: {}", run.stderr);
        assert_eq!(fingerprints(&project), fingerprints(&whole), "{point}");
        assert_eq!(project.karat(&["verify"]).code, 0, "{point}");
    }
}
