//! Mistakes in a project, and in what is typed: each message names what, where, why and the way out.

use expect_test::expect;

use crate::project::Project;

#[test]
fn there_is_no_project() {
    let project = Project::empty();
    expect![[r#"
        --- stderr
        error: there is no project here: neither this folder nor one above it has a karat.yaml
        hint: go to a project's folder, name it with `--project DIR`, or start one with `karat init FOLDER`
        --- exit 2
    "#]]
    .assert_eq(&project.karat(&["run"]).text());
}

#[test]
fn all_mistakes_of_the_files_at_once() {
    let project = Project::initial();
    project.write(
        "domains/shop/silver/orders.yaml",
        "from: landing.order\nselect:\n  order_id: cast(order_id as bigint)\nexpectation: {}\n",
    );
    project.write(
        "domains/shop/gold/revenue.sql",
        "select country, sum(amount) as revenue\nfrom shop_silver.orders\ngroup by\n",
    );
    expect![[r#"
        3 mistakes
        --- stderr
        error: SQL: expected an expression, found the end of the text
         --> domains/shop/gold/revenue.sql:3:9
          |
        3 | group by
          |         ^

        error: there is no feed `landing.order` in domain `shop`
         --> domains/shop/silver/orders.yaml:1:7
          |
        1 | from: landing.order
          |       ^^^^^^^^^^^^^
          = hint: did you mean `landing.orders`?

        error: unknown key `expectation` in a silver model
         --> domains/shop/silver/orders.yaml:4:1
          |
        4 | expectation: {}
          | ^^^^^^^^^^^
          = hint: did you mean `expectations`?

        --- exit 2
    "#]]
    .assert_eq(&project.karat(&["validate"]).text());
}

#[test]
fn yaml_that_is_none() {
    let project = Project::initial();
    project.write("karat.yaml", "karat: 1\nproject: [p\n");
    expect![[r#"
        --- stderr
        error: YAML: while parsing a flow sequence, expected ',' or ']'
         --> karat.yaml:3:1

        error: the project has 1 mistake
        hint: `karat validate` lists them at any time
        --- exit 2
    "#]]
    .assert_eq(&project.karat(&["run"]).text());
}

#[test]
fn scripts_get_one_document_when_something_is_wrong() {
    let project = Project::empty();
    expect![[r#"
        {
          "error": {
            "message": "there is no project here: neither this folder nor one above it has a karat.yaml",
            "causes": [],
            "hint": "go to a project's folder, name it with `--project DIR`, or start one with `karat init FOLDER`",
            "exit_code": 2
          }
        }
    "#]]
    .assert_eq(&project.karat(&["status", "--json"]).stdout);
    let typed = project.karat(&["statsu", "--json"]);
    assert_eq!(typed.code, 2);
    assert_eq!(
        typed.json()["error"]["message"],
        "unrecognized subcommand 'statsu'"
    );
}

#[test]
fn sql_is_planned_against_the_columns_that_are_known() {
    let project = Project::of(&[
        (
            "karat.yaml",
            "karat: 1\nproject: p\nsources:\n  landing: { type: files, path: . }\n",
        ),
        (
            "domains/shop/domain.yaml",
            "domain: shop\nfeeds:\n  - { source: landing, name: orders, mode: incremental, path: \"*.csv\", columns: [id, amount] }\n",
        ),
        (
            "domains/shop/silver/orders.yaml",
            "from: landing.orders\nselect:\n  id: cast(id as bigint)\n  amount: cast(amount as decimal(18,2))\n",
        ),
        (
            "domains/shop/gold/total.sql",
            "select sum(o.amount) as total,\n       nosuch(o.id) as what\nfrom shop_silver.orders o\n",
        ),
    ]);
    let validated = project.karat(&["validate"]);
    assert_eq!(validated.code, 2, "{}", validated.text());
    assert!(
        validated
            .stderr
            .contains("--> domains/shop/gold/total.sql:2:"),
        "{}",
        validated.stderr
    );
    assert!(
        validated.stderr.contains("nosuch(o.id)"),
        "{}",
        validated.stderr
    );
    // Mended, it is planned once and known from then on.
    project.write(
        "domains/shop/gold/total.sql",
        "select sum(o.amount) as total from shop_silver.orders o\n",
    );
    let first = project.karat(&["validate", "--json"]).json();
    assert_eq!(first["ok"], true, "{first}");
    let second = project.karat(&["validate", "--json"]).json();
    assert_eq!(
        (&second["planned"], &second["known"]),
        (&0.into(), &2.into())
    );
}

#[test]
fn refused_functions_are_found_before_any_column_is_known() {
    let project = Project::of(&[
        (
            "karat.yaml",
            "karat: 1\nproject: p\nsources:\n  db: { type: sqlite, path: shop.db }\n",
        ),
        (
            "domains/shop/domain.yaml",
            "domain: shop\nfeeds:\n  - { source: db, table: t, mode: full }\n",
        ),
        (
            "domains/shop/silver/t.yaml",
            "from: db.t\nselect:\n  id: id\n  grown: exp(rate) * ln(rate)\nkey: [id]\n",
        ),
        (
            "domains/shop/gold/g.sql",
            "select median(grown) as middle,\n  random() as ticket\nfrom shop_silver.t\n",
        ),
    ]);
    expect![[r#"
        4 mistakes
        --- stderr
        error: `median` is not there yet
         --> domains/shop/gold/g.sql:1:8
          |
        1 | select median(grown) as middle,
          |        ^
          = hint: rank the rows with row_number() over (order by ...) and pick

        error: `random` has no single answer
         --> domains/shop/gold/g.sql:2:3
          |
        2 |   random() as ticket
          |   ^
          = hint: take a value from a column, or uuid_from(...) of a key

        error: `exp` is not there yet: the platform's gives other digits on other machines
         --> domains/shop/silver/t.yaml:4:10
          |
        4 |   grown: exp(rate) * ln(rate)
          |          ^
          = hint: compute it before loading, or use + - * /

        error: `ln` is not there yet: the platform's gives other digits on other machines
         --> domains/shop/silver/t.yaml:4:22
          |
        4 |   grown: exp(rate) * ln(rate)
          |                      ^
          = hint: compute it before loading, or use + - * /

        --- exit 2
    "#]]
    .assert_eq(&project.karat(&["validate"]).text());
}
