//! `karat query` on a lake and on files.

use expect_test::expect;

use crate::project::Project;

#[test]
fn gold_in_all_formats() {
    let project = Project::initial();
    assert_eq!(project.karat(&["run", "--quiet"]).code, 0);
    let query = "select * from shop_gold.revenue order by country";
    expect![[r#"
        country  orders  revenue
        CH            2   140.45
        DE            1    80.00
        FR            1   210.10
        (3 rows)
        --- exit 0
    "#]]
    .assert_eq(&project.karat(&["query", query]).text());
    expect![[r#"
        country,orders,revenue
        CH,2,140.45
        DE,1,80.00
        FR,1,210.10
        --- exit 0
    "#]]
    .assert_eq(&project.karat(&["query", "--format", "csv", query]).text());
    expect![[r#"
        {"country": "CH", "orders": 2, "revenue": 140.45}
        {"country": "DE", "orders": 1, "revenue": 80.00}
        {"country": "FR", "orders": 1, "revenue": 210.10}
        --- exit 0
    "#]]
    .assert_eq(
        &project
            .karat(&["query", "--format", "ndjson", query])
            .text(),
    );
    let document = project.karat(&["query", "--json", query]).json();
    assert_eq!(document["rows"][1]["country"], "DE");
}

#[test]
fn a_query_on_files_needs_no_project() {
    let project = Project::of(&[("orders.csv", "id,amount\n1,2.50\n2,\n3,4.00\n")]);
    let query = "select count(*) as orders, sum(cast(amount as decimal(9,2))) as amount from o";
    expect![[r#"
        orders  amount
             3    6.50
        (1 row)
        --- exit 0
    "#]]
    .assert_eq(
        &project
            .karat(&["query", "--table", "o=orders.csv", query])
            .text(),
    );
}

#[test]
fn a_file_with_rows_that_do_not_fit_or_with_none() {
    let project = Project::of(&[
        ("ragged.csv", "id,v\n1,one\n2,two,zwei\n3\n"),
        ("header.csv", "id,v\n"),
        ("empty.csv", ""),
        ("carriage.csv", "id,v\r1,one\r"),
    ]);
    let query = |file: &str, sql: &str| {
        let answer = project.karat(&["query", "--table", &format!("t={file}"), sql]);
        answer
            .text()
            .replace(&project.path("").display().to_string(), "")
    };
    expect![[r#"
        id  v
        1   one
        2   two
        3
        (3 rows)
        --- stderr
        note: 2 of 3 rows of `ragged.csv` do not fit its columns; they are read as far as they do
        --- exit 0
    "#]]
    .assert_eq(&query("ragged.csv", "select * from t order by id"));
    expect![[r#"
        n  v
        0
        (1 row)
        --- exit 0
    "#]]
    .assert_eq(&query(
        "header.csv",
        "select count(*) as n, max(v) as v from t",
    ));
    expect![[r#"
        --- stderr
        error: `empty.csv` is empty
        hint: a table needs a header
        --- exit 2
    "#]]
    .assert_eq(&query("empty.csv", "select * from t"));
    expect![[r#"
        --- stderr
        error: cannot read `carriage.csv`: its header cannot be read: lines end in a carriage return alone
        --- exit 1
    "#]].assert_eq(&query("carriage.csv", "select * from t"));
}

#[test]
fn a_table_that_is_not_there() {
    let project = Project::initial();
    expect![[r#"
        --- stderr
        error: there is no table `shop_gold.nothing` in the lake
         --> line 1, column 15
          |
        1 | select * from shop_gold.nothing
          |               ^
        hint: `karat status` lists the tables; `--table NAME=PATH` names files
        --- exit 2
    "#]]
    .assert_eq(
        &project
            .karat(&["query", "select * from shop_gold.nothing"])
            .text(),
    );
}

#[test]
fn a_run_or_a_time_names_the_cut() {
    let project = Project::initial();
    let run = project.karat(&["run", "--json", "--at", "2026-01-05T18:00:00Z"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    let first = run.json()["run_id"].as_str().unwrap().to_owned();
    project.write(
        "landing/orders/orders_20260106.csv",
        "order_id,country,amount,ordered_at\n6,ch,1.00,2026-01-06 08:00:00\n",
    );
    let run = project.karat(&["run", "--quiet", "--at", "2026-01-06T18:00:00Z"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    let query = "select sum(orders) as orders from shop_gold.revenue";
    let orders = |more: &[&str]| {
        let answer = project.karat(&[&["query", "--json", query], more].concat());
        assert_eq!(answer.code, 0, "{}", answer.stderr);
        answer.json()["rows"][0]["orders"].as_i64().unwrap()
    };
    assert_eq!(orders(&[]), 5);
    assert_eq!(orders(&["--run", &first]), 4);
    assert_eq!(orders(&["--as-of", "2026-01-06T00:00:00Z"]), 4);
    assert_eq!(orders(&["--as-of", "2026-01-06T18:00:00Z"]), 5);
    let before = project.karat(&["query", "--as-of", "2026-01-01T00:00:00Z", query]);
    assert_eq!(before.code, 2, "{}", before.stderr);
}

#[test]
fn an_error_behind_the_first_rows_leaves_one_document() {
    let project = Project::initial();
    assert_eq!(project.karat(&["run", "--quiet"]).code, 0);
    let failed = project.karat(&[
        "query",
        "--json",
        "select revenue / (orders - 1) as x from shop_gold.revenue",
    ]);
    assert_eq!(failed.code, 3);
    assert_eq!(failed.json()["error"]["exit_code"], 3);
}

#[cfg(unix)]
#[test]
fn a_reader_that_leaves_is_no_error() {
    use std::process::{Command, Stdio};
    let project = Project::empty();
    let rows: String = (0..200_000).map(|row| format!("{row}\n")).collect();
    project.write("rows.csv", &format!("n\n{rows}"));
    let mut child = Command::new(env!("CARGO_BIN_EXE_karat"))
        .args([
            "query",
            "--format",
            "csv",
            "--table",
            "r=rows.csv",
            "select * from r",
        ])
        .current_dir(project.path(""))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}
