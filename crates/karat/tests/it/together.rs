//! Two runs at once (A5): on one table the second gives way or waits, on others both go on; the end is that of one after the other.

use std::path::Path;

use crate::project::{Answer, Project};
use crate::running::{Running, wait_for};
use crate::two_days::{self, contents};

const ORDERS: &str = "shop_bronze.landing__orders";

/// The shop with a second domain beside it, which shares nothing with it.
fn two_domains() -> Project {
    let project = two_days::project();
    two_days::arrive(&project, 1);
    project.write(
        "domains/stock/domain.yaml",
        "domain: stock\nfeeds:\n  - { source: landing, name: levels, mode: full, key: [item], path: \"levels/*.csv\" }\n",
    );
    project.write(
        "domains/stock/silver/levels.yaml",
        "from: landing.levels\nselect: { item: item, level: cast(level as bigint) }\nkey: [item]\n",
    );
    project.write(
        "domains/stock/gold/low.sql",
        "select item from stock_silver.levels where level < 3 group by item\n",
    );
    project.write("domains/stock/gold/low.yaml", "key: [item]\n");
    project.write("landing/levels/levels_1.csv", "item,level\na,1\nb,5\nc,2\n");
    project
}

/// What must be so once all runs are over: the tables of one run, nothing to do, nothing left, a whole record.
fn as_one_after_the_other(project: &Project, expected: &Project, orphans: usize) {
    assert_eq!(contents(project), contents(expected));
    let again = project.karat(&["run", "--quiet"]);
    assert!(
        again.stdout.starts_with("nothing to do"),
        "{}",
        again.text()
    );
    let verified = project.karat(&["verify", "--json"]);
    assert_eq!(verified.code, 0, "{}", verified.text());
    let document = verified.json();
    let files = document["files"].as_array().unwrap();
    assert_eq!(files.len(), orphans, "{document}");
    assert!(
        files.iter().all(|file| file["outcome"] == "orphan"),
        "{document}"
    );
    assert_eq!(left_over(project), Vec::<String>::new());
}

/// Marks of runs and temporary files: only runs at work and killed ones have any.
pub(crate) fn left_over(project: &Project) -> Vec<String> {
    fn walk(folder: &Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                walk(&path, found);
            } else if name.starts_with("run.") || name.ends_with(".tmp") {
                found.push(name);
            }
        }
    }
    let mut found = Vec::new();
    walk(&project.path("lake"), &mut found);
    found
}

/// The words of a run of its own.
fn run<'w>(more: &[&'w str]) -> Vec<&'w str> {
    [&["run", "--json", "--quiet", "--threads", "1"], more].concat()
}

/// Status of each step that is not `unchanged`.
fn steps(run: &Answer) -> Vec<String> {
    let document = run.json();
    let steps = document["steps"].as_array().unwrap().iter();
    steps
        .filter(|step| step["status"] != "unchanged")
        .map(|step| {
            format!(
                "{} {}",
                step["status"].as_str().unwrap(),
                step["table"].as_str().unwrap()
            )
        })
        .collect()
}

#[test]
fn on_a_shared_table_the_second_run_gives_way() {
    let expected = two_domains();
    expected.run(0);
    let project = two_domains();
    let first = Running::stopped_at(&project, &run(&[]), "commit.before", 1);
    // Who looks is not in the way.
    let status = project.karat(&["status", "--json"]);
    assert_eq!(status.code, 0, "{}", status.text());
    assert_eq!(status.json()["tables"].as_array().unwrap().len(), 0);
    assert_eq!(project.karat(&["verify"]).code, 0);

    let second = project.karat(&["run", "--json", "--quiet", "--threads", "1"]);
    assert_eq!(second.code, 5, "{}", second.text());
    // It shares every table with the first, also those that the first has yet to come to.
    let mut status: Vec<String> = steps(&second);
    status.retain(|step| !step.starts_with("skipped "));
    assert_eq!(
        status,
        [
            "failed shop_bronze.landing__orders",
            "failed shop_bronze.desk__customers",
            "failed stock_bronze.landing__levels",
        ]
    );
    let first = first.go_on();
    assert_eq!(first.code, 0, "{}", first.text());
    assert!(
        steps(&first).contains(&format!("done {ORDERS}")),
        "{:?}",
        steps(&first)
    );
    as_one_after_the_other(&project, &expected, 0);
}

/// What does not depend on a shared table goes on.
#[test]
fn beside_a_run_on_some_tables_the_others_are_made() {
    let expected = two_domains();
    expected.run(0);
    let project = two_domains();
    let shop = ["--select", "domain:shop"];
    let first = Running::stopped_at(&project, &run(&shop), "intent.after", 1);
    let second = project.karat(&["run", "--json", "--quiet", "--threads", "1"]);
    assert_eq!(second.code, 5, "{}", second.text());
    let done: Vec<String> = steps(&second);
    let done = done.iter().filter(|step| step.starts_with("done "));
    assert_eq!(
        done.collect::<Vec<_>>(),
        [
            "done stock_bronze.landing__levels",
            "done stock_silver.levels",
            "done stock_gold.low",
        ]
    );
    let first = first.go_on();
    assert_eq!(first.code, 0, "{}", first.text());
    as_one_after_the_other(&project, &expected, 0);
}

#[test]
fn of_two_runs_that_begin_together_one_does_the_work() {
    let expected = two_domains();
    expected.run(0);
    for _ in 0..5 {
        let project = two_domains();
        let first = Running::start(&project, &run(&[]), "");
        let second = Running::start(&project, &run(&[]), "");
        let (first, second) = (first.end(), second.end());
        // The second may begin when the first is over.
        let codes = [first.code, second.code];
        assert!(
            [[0, 5], [5, 0], [0, 0]].contains(&codes),
            "{codes:?}: {}{}",
            first.text(),
            second.text()
        );
        as_one_after_the_other(&project, &expected, 0);
    }
}

#[test]
fn runs_that_wait_for_each_other_do_the_work_once() {
    let expected = two_domains();
    let mut of_one = steps(&expected.karat(&["run", "--json", "--quiet"]));
    let project = two_domains();
    let wait = ["--wait", "60s"];
    let first = Running::stopped_at(&project, &run(&wait), "files.before", 1);
    let second = Running::start(&project, &run(&wait), "");
    wait_for("both are at work", || left_over(&project).len() >= 2);
    let first = first.go_on();
    let second = second.end();
    assert_eq!(
        (first.code, second.code),
        (0, 0),
        "{}{}",
        first.text(),
        second.text()
    );
    let mut both = steps(&first);
    both.extend(steps(&second));
    both.sort();
    of_one.sort();
    assert_eq!(both, of_one);
    as_one_after_the_other(&project, &expected, 0);
}

#[test]
fn runs_that_share_no_table_go_on_side_by_side() {
    let expected = two_domains();
    expected.run(0);
    let (shop, stock) = (["--select", "domain:shop"], ["--select", "domain:stock"]);
    // One stands still having committed nothing, one table, or several, while the other runs to its end.
    for (point, nth) in [
        ("intent.after", 1),
        ("commit.after", 1),
        ("commit.after", 3),
    ] {
        let project = two_domains();
        let first = Running::stopped_at(&project, &run(&shop), point, nth);
        let second = Running::start(&project, &run(&stock), "").end();
        assert_eq!(second.code, 0, "{point}: {}", second.text());
        for looking in ["status", "verify", "plan"] {
            assert_eq!(project.karat(&[looking]).code, 0, "{point}: {looking}");
        }
        let first = first.go_on();
        assert_eq!(first.code, 0, "{point}: {}", first.text());
        as_one_after_the_other(&project, &expected, 0);
    }
    for _ in 0..3 {
        let project = two_domains();
        let first = Running::start(&project, &run(&shop), "");
        let second = Running::start(&project, &run(&stock), "");
        let (first, second) = (first.end(), second.end());
        assert_eq!(
            (first.code, second.code),
            (0, 0),
            "{}{}",
            first.text(),
            second.text()
        );
        as_one_after_the_other(&project, &expected, 0);
    }
}

/// Locks are of one machine: without them the commit decides, and the loser has published nothing.
#[test]
fn of_two_machines_the_loser_at_the_commit_publishes_nothing() {
    let expected = two_domains();
    expected.run(0);
    let project = two_domains();
    let first = Running::stopped_at(&project, &run(&[]), "commit.before", 1);
    project.remove("lake/_karat/locks");
    let second = project.karat(&["run", "--json", "--quiet"]);
    assert_eq!(second.code, 0, "{}", second.text());
    let first = first.go_on();
    assert_eq!(first.code, 5, "{}", first.text());
    let document = first.json();
    let error = &document["steps"][0]["error"];
    assert_eq!(document["steps"][0]["table"], ORDERS);
    let message = error["message"].as_str().unwrap();
    assert!(
        message.contains("nothing of this step was published"),
        "{message}"
    );
    // Its receipt is named by no commit.
    as_one_after_the_other(&project, &expected, 1);
}

#[test]
fn a_killed_run_blocks_nobody() {
    let expected = two_domains();
    expected.run(0);
    let project = two_domains();
    for point in ["files.before", "commit.after:2", "manifest.before"] {
        let killed = Running::start(&project, &run(&[]), point).end();
        assert_eq!(killed.code, -1, "{point}: {}", killed.text());
    }
    project.run(0);
    let temporary = left_over(&project);
    assert!(
        !temporary.iter().any(|name| name.starts_with("run.")),
        "{temporary:?}"
    );
    assert_eq!(contents(&project), contents(&expected));
}
