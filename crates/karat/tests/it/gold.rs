//! Gold: one SELECT a table, over what it may read, with numbers that are exact or an error (rules D1, D2, E1 to E3, G6).

use expect_test::expect;

use crate::project::Project;

const SHOP: &str = "karat: 1\nproject: p\nsources:\n  landing: { type: files, path: landing }\n";
const SALES: &str = r#"from: landing.sales
select:
  id: cast(id as bigint)
  shop: shop
  amount: cast(amount as decimal(18,2))
  pieces: cast(pieces as bigint)
key: [id]
"#;

/// A gold table over the sales of domain `d`.
fn project_of(sql: &str, options: &str) -> Project {
    Project::of(&[
        ("karat.yaml", SHOP),
        (
            "domains/d/domain.yaml",
            "domain: d\nfeeds:\n  - { source: landing, name: sales, mode: incremental, path: \"*.csv\" }\n",
        ),
        ("domains/d/silver/sales.yaml", SALES),
        ("domains/d/gold/g.sql", sql),
        ("domains/d/gold/g.yaml", options),
        (
            "landing/a.csv",
            "id,shop,amount,pieces\n1,x,0.10,3\n2,x,0.20,4\n3,y,-0.05,0\n4,y,9999999999999999.99,9223372036854775807\n",
        ),
    ])
}

#[test]
pub(crate) fn sums_and_means_are_exact() {
    let project = project_of(
        "select shop, count(*) as n, sum(amount) as total, avg(amount) as mean, min(pieces) as least, sum(amount) * 0.1 as tenth from d_silver.sales group by shop",
        "key: [shop]\n",
    );
    project.run(0);
    expect![[r#"
        shop,n,total,mean,least,tenth
        x,2,0.30,0.15000000,3,0.030
        y,2,9999999999999999.94,4999999999999999.97000000,0,999999999999999.994
    "#]]
    .assert_eq(&project.rows("select * from d_gold.g"));
    let answer = project
        .karat(&["query", "--json", "select * from d_gold.g"])
        .json();
    expect![[r#"[{"name":"shop","type":"string"},{"name":"n","type":"bigint"},{"name":"total","type":"decimal(38,2)"},{"name":"mean","type":"decimal(38,8)"},{"name":"least","type":"bigint"},{"name":"tenth","type":"decimal(38,3)"}]"#]].assert_eq(&answer["columns"].to_string());
    let receipt = project.receipt("d_gold.g");
    expect![[r#"{"read d_silver.sales":4,"written":2}"#]]
        .assert_eq(&receipt["accounting"].to_string());
}

#[test]
fn what_does_not_fit_is_an_error_that_names_the_expression() {
    let mut said = String::new();
    for sql in [
        "select sum(pieces) as s from d_silver.sales",
        "select id, pieces + 1 as s from d_silver.sales",
        "select id, amount / pieces as s from d_silver.sales",
        "select id, cast(amount as decimal(5,2)) as s from d_silver.sales",
        "select sum(cast(amount as decimal(38,20)) * 10000000000) as s from d_silver.sales",
    ] {
        let project = project_of(sql, "{}\n");
        said.push_str(&format!("{sql}\n{}", project.run(3).stderr));
        // What it reads is there, and the next run after mending works.
        project.write(
            "domains/d/gold/g.sql",
            "select count(*) as n from d_silver.sales",
        );
        project.run(0);
        assert_eq!(project.rows("select * from d_gold.g"), "n\n4\n");
    }
    expect![[r#"
        select sum(pieces) as s from d_silver.sales
        error: cannot compute `d_gold.g`: the result of `sum(pieces)` does not fit its type, at 1:8
        hint: cast an operand to a wider type, for example decimal(38, s)
        select id, pieces + 1 as s from d_silver.sales
        error: cannot compute `d_gold.g`: the result of `pieces + 1` does not fit its type, at 1:12
        hint: cast an operand to a wider type, for example decimal(38, s)
        select id, amount / pieces as s from d_silver.sales
        error: cannot compute `d_gold.g`: division by zero in `amount / pieces`, at 1:12
        hint: use nullif(divisor, 0), or leave those rows out with case
        select id, cast(amount as decimal(5,2)) as s from d_silver.sales
        error: cannot compute `d_gold.g`: the result of `cast(amount as decimal(5,2))` does not fit its type, at 1:12
        hint: cast an operand to a wider type, for example decimal(38, s)
        select sum(cast(amount as decimal(38,20)) * 10000000000) as s from d_silver.sales
        error: cannot compute `d_gold.g`: the result of `sum(cast(amount as decimal(38,20)) * 10000000000)` does not fit its type, at 1:8
        hint: cast an operand to a wider type, for example decimal(38, s)
    "#]].assert_eq(&said);
}

#[test]
fn mistakes_are_found_early() {
    let mut said = String::new();
    for sql in [
        "select * from d_silver.sales",
        "select id, price from d_silver.sales",
        "select id\nfrom d_silver.sale",
        "select id from p_dev.d_silver.sales",
        "select id, cast(amount as double) as a from d_silver.sales",
        "select id, random() as r from d_silver.sales",
        "select id, _run from d_bronze.landing__sales",
        "select amount, row_number() over (partition by shop) as n from (select shop, amount from d_silver.sales) as s",
        "select id from d_silver.sales; select 1",
        "delete from d_silver.sales",
    ] {
        let project = project_of(sql, "{}\n");
        let run = project.run(2);
        let read = if project.lake_files().is_empty() {
            "nothing was read"
        } else {
            "after reading"
        };
        said.push_str(&format!("## {sql}  ({read})\n{}\n", run.stderr));
    }
    expect![[r###"
        ## select * from d_silver.sales  (nothing was read)
        error: `*` is refused in a model: a new column would change the table (B8)
         --> domains/d/gold/g.sql:1:8
          |
        1 | select * from d_silver.sales
          |        ^
          = hint: name the columns

        error: the project has 1 mistake
        hint: `karat validate` lists them, and what is wrong in SQL

        ## select id, price from d_silver.sales  (nothing was read)
        error: `d_silver.sales` has no column `price`
         --> domains/d/gold/g.sql:1:12
          |
        1 | select id, price from d_silver.sales
          |            ^^^^^
          = hint: it has: amount, id, pieces, shop

        error: the project has 1 mistake
        hint: `karat validate` lists them, and what is wrong in SQL

        ## select id
        from d_silver.sale  (nothing was read)
        error: there is no table `d_silver.sale`
         --> domains/d/gold/g.sql:2:6
          |
        2 | from d_silver.sale
          |      ^^^^^^^^^^^^^
          = hint: did you mean `d_silver.sales`?

        error: the project has 1 mistake
        hint: `karat validate` lists them, and what is wrong in SQL

        ## select id from p_dev.d_silver.sales  (nothing was read)
        error: `p_dev` is this project's own catalog: each target has its own (D1)
         --> domains/d/gold/g.sql:1:16
          |
        1 | select id from p_dev.d_silver.sales
          |                ^^^^^^^^^^^^^^^^^^^^
          = hint: write `d_silver.sales`

        error: the project has 1 mistake
        hint: `karat validate` lists them, and what is wrong in SQL

        ## select id, cast(amount as double) as a from d_silver.sales  (after reading)
        error: the column `a` holds doubles, which no model stores unasked
         --> domains/d/gold/g.sql:1:38
          |
        1 | select id, cast(amount as double) as a from d_silver.sales
          |                                      ^
          = hint: round and cast to decimal, for example decimal_from_double(round(x, 4), 4), or state `allow_float: "reason"` in the model

        ## select id, random() as r from d_silver.sales  (after reading)
        error: `random` has no single answer
         --> domains/d/gold/g.sql:1:12
          |
        1 | select id, random() as r from d_silver.sales
          |            ^^^^^^
          = hint: take a value from a column, or uuid_from(...) of a key

        ## select id, _run from d_bronze.landing__sales  (nothing was read)
        error: `_run` says how a row came here, not what it is: refused in silver and gold (B2)
         --> domains/d/gold/g.sql:1:12
          |
        1 | select id, _run from d_bronze.landing__sales
          |            ^^^^
          = hint: query it in bronze with `karat query`

        error: reading bronze tables in gold is not available in this version: `d_bronze.landing__sales`
         --> domains/d/gold/g.sql:1:22
          |
        1 | select id, _run from d_bronze.landing__sales
          |                      ^^^^^^^^^^^^^^^^^^^^^^^
          = hint: read it through a silver model

        error: the project has 2 mistakes
        hint: `karat validate` lists them, and what is wrong in SQL

        ## select amount, row_number() over (partition by shop) as n from (select shop, amount from d_silver.sales) as s  (after reading)
        error: row_number() over has no single answer here: rows could tie, and no unique key of its input is known
         --> domains/d/gold/g.sql:1:16
          |
        1 | select amount, row_number() over (partition by shop) as n from (select shop, amount from d_silver.sales) as s
          |                ^^^^^^^^^^
          = hint: declare the `key:` of the tables read, keep their key columns down to this operator, or order by columns that identify a row

        ## select id from d_silver.sales; select 1  (nothing was read)
        error: SQL: a second statement begins here
         --> domains/d/gold/g.sql:1:32
          |
        1 | select id from d_silver.sales; select 1
          |                                ^^^^^^
          = hint: write exactly one SELECT

        error: the project has 1 mistake
        hint: `karat validate` lists them, and what is wrong in SQL

        ## delete from d_silver.sales  (nothing was read)
        error: SQL: `delete` is not a SELECT
         --> domains/d/gold/g.sql:1:1
          |
        1 | delete from d_silver.sales
          | ^^^^^^
          = hint: write exactly one SELECT

        error: the project has 1 mistake
        hint: `karat validate` lists them, and what is wrong in SQL

    "###]].assert_eq(&said);
}

#[test]
fn another_domain_reads_what_is_public() {
    let project = project_of("select count(*) as n from d_silver.sales", "{}\n");
    project.write("domains/e/domain.yaml", "domain: e\n");
    project.write(
        "domains/e/gold/h.sql",
        "select count(*) as n from d_silver.sales\n",
    );
    expect![[r#"
        error: `d_silver.sales` belongs to domain `d` and is not public (D1)
         --> domains/e/gold/h.sql:1:27
          |
        1 | select count(*) as n from d_silver.sales
          |                           ^^^^^^^^^^^^^^
          = hint: its owner can mark it `access: public` in domains/d/silver/sales.yaml

        error: the project has 1 mistake
        hint: `karat validate` lists them, and what is wrong in SQL
    "#]]
    .assert_eq(&project.run(2).stderr);
    project.write(
        "domains/d/silver/sales.yaml",
        &format!("access: public\n{SALES}"),
    );
    project.run(0);
    assert_eq!(project.rows("select * from e_gold.h"), "n\n4\n");
}

/// Every receipt of a run adds up, and the run's line is made of them.
#[test]
pub(crate) fn rows_add_up_from_source_to_gold() {
    let sql = "select shop, sum(amount) as total from d_silver.sales group by shop";
    let project = project_of(sql, "key: [shop]\n");
    project.write(
        "landing/b.csv",
        "id,shop,amount,pieces\n5,z,x,1\n6,z\n7,z,1,1\n",
    );
    project.write(
        "landing/c.csv",
        "id,shop,amount,pieces\n5,z,x,1\n6,z\n7,z,1,1\n",
    );
    expect![[r#"
              table                    version   time  rows
        done  d_bronze.landing__sales        0  N s  10 read = 10 kept
        done  d_silver.sales                 0  N s  10 read = 5 kept
                                                       + 3 duplicate + 2 quarantined
        done  d_gold.g                       0  N s  5 read, 3 written
        sources 10 read = 10 kept; silver 10 read = 5 kept + 3 duplicate + 2 quarantined
        run RUN: 3 tables written, 0 unchanged, N s
        head DIGEST
        --- exit 0
    "#]]
    .assert_eq(&project.run(0).text());
    expect!["10 read = 3 duplicate + 5 kept + 2 quarantined"]
        .assert_eq(&project.accounting("d_silver.sales"));
}
