//! `karat import`: what comes of it is validated and runs.

use expect_test::expect;

use crate::project::Project;

const DBT: &[(&str, &str)] = &[
    (
        "shop/dbt_project.yml",
        "name: shop\nprofile: shop\nseeds: { shop: { +docs: { node_color: red } } }\n",
    ),
    (
        "shop/profiles.yml",
        "shop: { target: dev, outputs: { dev: { type: duckdb } } }\n",
    ),
    (
        "shop/seeds/raw_payments.csv",
        "id,order_id,method,amount\n1,1,card,1050\n2,1,coupon,200\n3,2,card,999\n4,2,card,999\n",
    ),
    (
        "shop/models/payments.sql",
        "select id, order_id, method, amount / 100 as amount from {{ ref('raw_payments') }}\n",
    ),
    (
        "shop/models/orders.sql",
        "{% set methods = ['card', 'coupon'] %}\nwith p as (select * from {{ ref('payments') }})\nselect order_id,\n  {% for m in methods -%}\n  sum(case when method = '{{ m }}' then amount else 0 end) as {{ m }}_amount,\n  {% endfor -%}\n  row_number() over (order by sum(amount) desc) as place\nfrom p group by order_id\n",
    ),
    (
        "shop/models/real.sql",
        "select order_id, cast(amount as double) as amount from {{ ref('payments') }}\n",
    ),
    (
        "shop/models/tie.sql",
        "select method, row_number() over (order by amount) as place from {{ ref('raw_payments') }}\n",
    ),
    (
        "shop/models/after_tie.sql",
        "select method from {{ ref('tie') }}\n",
    ),
    (
        "shop/models/schema.yml",
        "models:\n  - name: payments\n    columns:\n      - { name: id, tests: [unique, not_null] }\n      - { name: nothing, tests: [not_null] }\n  - name: orders\n    columns:\n      - { name: order_id, tests: [unique, not_null] }\n",
    ),
];

/// C1, D2, A7: a project of dbt is taken over, validated and run; what karat refuses is listed with what reads it.
#[test]
fn a_dbt_project_is_imported_and_runs() {
    let project = Project::of(DBT);
    let answer = project.karat(&["import", "dbt", "shop", "--out", "new"]);
    assert_eq!(answer.code, 1, "{}", answer.stderr);
    expect![[r#"
        dbt to the project `shop` in new: 8 statements taken over, 3 left out
          model                 3 taken over       2 left out
          seed                  1 taken over       0 left out
          test                  4 taken over       1 left out
        needs a person:
          models/after_tie.sql:1 `after_tie`: it reads `shop_gold.tie`, which is left out
            bring `shop_gold.tie` over first
          models/schema.yml:5 `not_null of payments.nothing`: karat refuses it: unknown column `nothing`
            it must be a column of the model
          models/tie.sql:1 `tie`: karat refuses it: row_number() over has no single answer here: rows could tie, and no unique key of its input is known
            declare the `key:` of the tables read, keep their key columns down to this operator, or order by columns that identify a row
        worth knowing:
          models/payments.sql:1 `/`: of whole numbers it is a decimal in karat, rounded once (docs/types.md), and a double or of other digits there
            cast it to the digits that are wanted
          models/real.sql:1 `real`: it has columns of doubles, as it had
            cast them to decimals where cents count, and take `allow_float` out
        next:
          cd new
          karat validate
          karat run
    "#]].assert_eq(&answer.stdout);
    let again = project.karat(&["import", "dbt", "shop", "--out", "new"]);
    assert_eq!(again.code, 2);
    assert!(again.stderr.contains("is not empty"), "{}", again.stderr);
    for arguments in [
        &["validate", "--project", "new"][..],
        &["run", "--project", "new"][..],
    ] {
        let answer = project.karat(arguments);
        assert_eq!(answer.code, 0, "{}{}", answer.stdout, answer.stderr);
    }
    let orders = "select * from shop_gold.orders";
    let answer = project.karat(&["query", "--project", "new", "--format", "csv", orders]);
    expect![[r#"
        order_id,card_amount,coupon_amount,place
        1,10.500000,2.000000,2
        2,19.980000,0.000000,1
    "#]]
    .assert_eq(&answer.stdout.replace("\r\n", "\n"));
}

/// C4: SQL of a pipeline is taken over, and makes of the same files what the pipeline would.
#[test]
fn a_pipeline_is_imported_and_runs() {
    let sql = "CREATE OR REFRESH STREAMING TABLE events_raw (id int, name string, op string, at timestamp)\nAS SELECT * FROM STREAM read_files('${in}/events', format => 'json');\nCREATE OR REFRESH STREAMING TABLE events (\n  CONSTRAINT has_id EXPECT (id IS NOT NULL) ON VIOLATION DROP ROW\n) AS SELECT * FROM STREAM(events_raw);\nCREATE OR REFRESH STREAMING TABLE people;\nAPPLY CHANGES INTO people FROM STREAM(events) KEYS (id)\n  APPLY AS DELETE WHEN op = \"DELETE\" SEQUENCE BY at COLUMNS * EXCEPT (op);\nCREATE OR REFRESH MATERIALIZED VIEW names AS\nSELECT name, count(*) AS people FROM people GROUP BY name;\n";
    let project = Project::of(&[("pipe/p.sql", sql)]);
    let answer = project.karat(&["import", "dlt", "pipe", "--out", "new", "--name", "shop"]);
    assert_eq!(answer.code, 0, "{}{}", answer.stdout, answer.stderr);
    project.write(
        "new/landing/events/a.json",
        "{\"id\":1,\"name\":\"a\",\"op\":\"NEW\",\"at\":\"2024-01-01 10:00:00\"}\n{\"id\":2,\"name\":\"b\",\"op\":\"NEW\",\"at\":\"2024-01-01 10:00:00\"}\n{\"id\":null,\"name\":\"c\",\"op\":\"NEW\",\"at\":\"2024-01-01 10:00:00\"}\n",
    );
    project.write(
        "new/landing/events/b.json",
        "{\"id\":1,\"name\":\"b\",\"op\":\"UPDATE\",\"at\":\"2024-01-02 10:00:00\"}\n{\"id\":3,\"name\":\"d\",\"op\":\"NEW\",\"at\":\"2024-01-01 10:00:00\"}\n{\"id\":3,\"name\":null,\"op\":\"DELETE\",\"at\":\"2024-01-03 10:00:00\"}\n",
    );
    let answer = project.karat(&["run", "--project", "new"]);
    assert_eq!(answer.code, 0, "{}{}", answer.stdout, answer.stderr);
    let answer = project.karat(&[
        "query",
        "--project",
        "new",
        "--format",
        "csv",
        "select * from shop_gold.names",
    ]);
    expect![[r#"
        name,people
        b,2
    "#]]
    .assert_eq(&answer.stdout.replace("\r\n", "\n"));
}

/// H1: what is no project exits 2 and writes nothing.
#[test]
fn what_is_no_project_is_not_imported() {
    let project = Project::of(&[("empty/readme.txt", ""), ("odd/dbt_project.yml", "[")]);
    for (kind, folder) in [
        ("dbt", "empty"),
        ("dlt", "empty"),
        ("dbt", "odd"),
        ("dbt", "no_such_folder"),
    ] {
        let answer = project.karat(&["import", kind, folder, "--out", "new"]);
        assert!(answer.code == 2 || answer.code == 3, "{}", answer.stderr);
        assert!(!project.path("new").exists(), "{kind} {folder}");
    }
}
