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
