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
            "from: db.t\nselect:\n  id: id\n  grown: md5(rate) || sha256(rate)\nkey: [id]\n",
        ),
        (
            "domains/shop/gold/g.sql",
            "select approx_median(grown) as middle,\n  random() as ticket\nfrom shop_silver.t\n",
        ),
    ]);
    expect![[r#"
        4 mistakes
        --- stderr
        error: `approx_median` is not exact
         --> domains/shop/gold/g.sql:1:8
          |
        1 | select approx_median(grown) as middle,
          |        ^
          = hint: median(x) is

        error: `random` has no single answer
         --> domains/shop/gold/g.sql:2:3
          |
        2 |   random() as ticket
          |   ^
          = hint: take a value from a column, or uuid_from(...) of a key

        error: `md5` is not there yet
         --> domains/shop/silver/t.yaml:4:10
          |
        4 |   grown: md5(rate) || sha256(rate)
          |          ^
          = hint: uuid_from(...) makes ids out of values

        error: `sha256` is not there yet
         --> domains/shop/silver/t.yaml:4:23
          |
        4 |   grown: md5(rate) || sha256(rate)
          |                       ^
          = hint: uuid_from(...) makes ids out of values

        --- exit 2
    "#]]
    .assert_eq(&project.karat(&["validate"]).text());
}

#[test]
fn what_only_planning_tells_has_a_place_too() {
    let project = Project::of(&[
        (
            "karat.yaml",
            "karat: 1\nproject: p\nsources:\n  landing: { type: files, path: . }\n",
        ),
        (
            "domains/d/domain.yaml",
            "domain: d\nfeeds:\n  - { source: landing, name: o, mode: incremental, path: \"*.csv\", columns: [id, k, v] }\n",
        ),
        (
            "domains/d/silver/o.yaml",
            "from: landing.o\nselect:\n  id: cast(id as bigint)\n  k: k\n  v: cast(v as decimal(18,2))\n",
        ),
    ]);
    for (name, sql) in [
        (
            "a",
            "select k,\n  row_number() over (order by v) as r from d_silver.o",
        ),
        ("b", "select id,\n  k + 1 as x from d_silver.o"),
        ("c", "select id from d_silver.o\nlimit 1"),
        ("d", "select id, null as x from d_silver.o"),
        ("e", "select id from d_silver.o where sum(v) > 1"),
        ("f", "select k, v from d_silver.o group by k"),
        ("g", "select id, v ^ 2 as x from d_silver.o"),
        (
            "h",
            "select a.id, exists (select 1 from d_silver.o b where b.id = a.id) as x from d_silver.o a",
        ),
        (
            "i",
            "select id from d_silver.o where row_number() over (order by id, k, v) = 1",
        ),
    ] {
        project.write(&format!("domains/d/gold/{name}.sql"), sql);
    }
    let found = project.karat(&["validate", "--json"]).json();
    let found: Vec<String> = found["diagnostics"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            format!(
                "{}:{}:{} {} ({})\n",
                one["file"].as_str().unwrap(),
                one["line"],
                one["column"],
                one["message"].as_str().unwrap(),
                one["hint"].as_str().unwrap_or_default()
            )
        })
        .collect();
    expect![[r#"
        domains/d/gold/a.sql:2:3 row_number() over has no single answer here: rows could tie, and no unique key of its input is known (declare the `key:` of the tables read, keep their key columns down to this operator, or order by columns that identify a row)
        domains/d/gold/b.sql:2:3 no operation string + bigint (cast the other side to a number)
        domains/d/gold/c.sql:2:1 LIMIT without ORDER BY has no single answer here: rows could tie, and no unique key of its input is known (declare the `key:` of the tables read, keep their key columns down to this operator, or order by columns that identify a row)
        domains/d/gold/d.sql:1:1 the column `x` has no type: it is always null (cast it, for example cast(null as string))
        domains/d/gold/e.sql:1:27 an aggregate stands in `where` (conditions on groups go into `having`)
        domains/d/gold/f.sql:1:11 column `d_silver.o.v` is neither grouped by nor in an aggregate (add it to `group by`, or say which value is meant, for example max(x))
        domains/d/gold/g.sql:1:12 `^` is a power in some databases and a bitwise xor in others (for a power write the product: x * x)
        domains/d/gold/h.sql:1:1 the engine has no way to run this query: Physical plan does not support logical expression Exists (write a correlated subquery as a join, a window function inside a subquery, and give each column its own name)
        domains/d/gold/i.sql:1:1 the engine has no way to run this query: Physical plan does not support logical expression WindowFunction (write a correlated subquery as a join, a window function inside a subquery, and give each column its own name)
    "#]].assert_eq(&found.concat());
}

#[test]
fn verbs_of_later_versions_are_refused_by_name() {
    let project = Project::initial();
    expect![[r#"
        --- stderr
        error: the verb `replay` is not there yet
        hint: `karat help` shows what there is
        --- exit 2
    "#]]
    .assert_eq(&project.karat(&["replay", "RUN"]).text());
    let fix = project.karat(&["quarantine", "fix", "--json"]);
    assert_eq!(fix.code, 2);
    expect!["the verb `fix` is not there yet"]
        .assert_eq(fix.json()["error"]["message"].as_str().unwrap());
}

#[test]
fn what_a_feed_names_is_in_its_table() {
    let domain = |key: &str| {
        format!(
            "domain: d\nfeeds:\n  - {{ source: landing, name: sites, mode: full, path: \"*.csv\", key: [{key}] }}\n"
        )
    };
    let project = Project::of(&[(
        "karat.yaml",
        "karat: 1\nproject: p\nsources:\n  landing: { type: files, path: landing }\n",
    )]);
    project.write("landing/sites.csv", "site_id,town\n1,Ulm\n");
    project.write("domains/d/domain.yaml", &domain("siteid"));
    expect![[r#"
                table                    version   time  rows
        failed  d_bronze.landing__sites           N s
        run RUN: 0 tables written, 0 unchanged, 1 failed, N s
        --- stderr
        error: cannot load `d_bronze.landing__sites`: `key` names `siteid`, which `d_bronze.landing__sites` does not have
        hint: its columns are site_id, town
        --- exit 2
    "#]].assert_eq(&project.run(2).text());
    project.write("domains/d/domain.yaml", &domain("site_id"));
    project.run(0);
    project.write("domains/d/domain.yaml", &domain("siteid"));
    expect![[r#"
        1 mistake
        --- stderr
        error: `key` names `siteid`, which `d_bronze.landing__sites` does not have
         --> domains/d/domain.yaml:3:7
          |
        3 |   - { source: landing, name: sites, mode: full, path: "*.csv", key: [siteid] }
          |       ^^^^^^
          = hint: its columns are site_id, town

        --- exit 2
    "#]]
    .assert_eq(&project.karat(&["validate"]).text());
}
