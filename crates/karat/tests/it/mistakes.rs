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

/// Only the target must be readable (G5): whoever asks what the lake holds is told of the mistakes, and gets the answer.
#[test]
fn verbs_that_read_the_lake_work_beside_mistakes() {
    let project = Project::initial();
    assert_eq!(project.karat(&["run", "--quiet"]).code, 0);
    let position = project.karat(&["position", "show"]).stdout;
    project.write("domains/shop/silver/orders.yaml", "from: nowhere\n");
    let yaml = std::fs::read_to_string(project.path("karat.yaml")).unwrap();
    project.write(
        "karat.yaml",
        &format!("{yaml}  other: {{ type: oracle }}\n"),
    );
    for verb in [
        "status",
        "verify",
        "quarantine list",
        "receipt list",
        "receipt show shop_gold.revenue",
        "position show landing.orders",
    ] {
        let arguments: Vec<&str> = verb.split(' ').collect();
        let answer = project.karat(&arguments);
        assert_eq!(answer.code, 0, "{verb}: {}", answer.text());
        assert!(
            answer.stderr.starts_with("note: the project has "),
            "{verb}: {}",
            answer.text()
        );
    }
    expect![[r#"
        n
        4
        (1 row)
        --- stderr
        note: the project has 3 mistakes, which `karat validate` shows; the lake is read without what the project declares
        --- exit 0
    "#]].assert_eq(
        &project
            .karat(&["query", "select count(*) as n from shop_silver.orders"])
            .text(),
    );
    assert_eq!(project.karat(&["position", "show"]).stdout, position);
    assert!(!project.karat(&["status"]).stdout.contains("no longer"));
    // What writes, or reads the sources, needs the whole project.
    for verb in [
        "plan",
        "run",
        "receipt adopt shop_gold.revenue why",
        "source test",
    ] {
        let arguments: Vec<&str> = verb.split(' ').collect();
        assert_eq!(project.karat(&arguments).code, 2, "{verb}");
    }
    project.write("karat.yaml", &yaml.replace("project:", "projekt:"));
    assert_eq!(project.karat(&["status"]).code, 2);
}

#[test]
fn yaml_that_is_none() {
    let project = Project::initial();
    project.write("karat.yaml", "karat: 1\nproject: [p\n");
    expect![[r#"
        --- stderr
        error: YAML: a `[` before this has no `]`, or its entries no `,` between them
         --> karat.yaml:3:1
          = hint: look at the lines before this one

        error: the project has 1 mistake
        hint: `karat validate` lists them, and what is wrong in SQL
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
            "from: db.t\nselect:\n  id: id\n  grown: blake3(rate) || blake2b(rate)\nkey: [id]\n",
        ),
        (
            "domains/shop/gold/g.sql",
            "select approx_percentile_cont_with_weight(grown, 1, 0.5) as middle,\n  random() as ticket\nfrom shop_silver.t\n",
        ),
    ]);
    expect![[r#"
        4 mistakes
        --- stderr
        error: `approx_percentile_cont_with_weight` has no exact answer: weights that are no whole numbers are not rows
         --> domains/shop/gold/g.sql:1:8
          |
        1 | select approx_percentile_cont_with_weight(grown, 1, 0.5) as middle,
          |        ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
          = hint: percentile_cont(x, 0.9) within group (order by x) is exact

        error: `random` has no single answer
         --> domains/shop/gold/g.sql:2:3
          |
        2 |   random() as ticket
          |   ^^^^^^
          = hint: take a value from a column, or uuid_from(...) of a key

        error: `blake3` is not offered
         --> domains/shop/silver/t.yaml:4:10
          |
        4 |   grown: blake3(rate) || blake2b(rate)
          |          ^^^^^^
          = hint: use sha256(x)

        error: `blake2b` is not offered
         --> domains/shop/silver/t.yaml:4:26
          |
        4 |   grown: blake3(rate) || blake2b(rate)
          |                          ^^^^^^^
          = hint: use sha256(x)

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
        domains/d/domain.yaml:3:58 no file matches `*.csv` in source `landing` (there is karat.yaml)
        domains/d/gold/a.sql:2:3 row_number() over has no single answer here: rows could tie, and no unique key of its input is known (declare the `key:` of the tables read, keep their key columns down to this operator, or order by columns that identify a row)
        domains/d/gold/b.sql:2:3 no operation string + bigint (cast the text to a number, for example cast(x as decimal(18, 2)))
        domains/d/gold/c.sql:2:1 LIMIT without ORDER BY has no single answer here: rows could tie, and no unique key of its input is known (declare the `key:` of the tables read, keep their key columns down to this operator, or order by columns that identify a row)
        domains/d/gold/d.sql:1:20 the column `x` has no type: it is always null (cast it, for example cast(null as string))
        domains/d/gold/e.sql:1:27 an aggregate stands in `where` (conditions on groups go into `having`)
        domains/d/gold/f.sql:1:11 column `d_silver.o.v` is neither grouped by nor in an aggregate (add it to `group by`, or say which value is meant, for example max(x))
        domains/d/gold/g.sql:1:12 `^` is a power in some databases and a bitwise xor in others (for a power write the product: x * x)
        domains/d/gold/i.sql:1:46 a window function (`over`) stands where rows are chosen (compute it in a subquery, and choose by its column outside)
    "#]].assert_eq(&found.concat());
}

/// A key that is wrong is told, and nothing of who reads its model.
#[test]
fn a_wrong_key_of_a_model_is_its_own_mistake_alone() {
    let project = Project::one_feed(
        "{ source: landing, name: o, mode: incremental, path: \"o.csv\" }",
        "from: landing.o\nselect: { id: cast(id as bigint), v: v }\naccess: public\n",
    );
    project.write(
        "domains/d/gold/g.sql",
        "select t.id, t.v from d_silver.t as t\n",
    );
    project.write("domains/e/domain.yaml", "domain: e\n");
    project.write(
        "domains/e/gold/h.sql",
        "select o.id from d_silver.t as o where o.v = 'x'\n",
    );
    let told = |wrong: &str, right: &str| {
        let file = "domains/d/silver/t.yaml";
        let sound = std::fs::read_to_string(project.path(file)).unwrap();
        project.write(file, &sound.replace(right, wrong));
        let answer = project.karat(&["validate"]);
        project.write(file, &sound);
        answer.text()
    };
    let all = [
        ("selct:", "select:"),
        ("acces:", "access:"),
        ("access: publc", "access: public"),
    ];
    expect![[r#"
        1 mistake, 1 warning
        --- stderr
        warning: no file matches `o.csv` in source `landing`
         --> domains/d/domain.yaml:3:58
          |
        3 |   - { source: landing, name: o, mode: incremental, path: "o.csv" }
          |                                                          ^^^^^^^^
          = hint: there is readme.txt

        error: unknown key `selct` in a silver model
         --> domains/d/silver/t.yaml:2:1
          |
        2 | selct: { id: cast(id as bigint), v: v }
          | ^^^^^
          = hint: did you mean `select`?

        --- exit 2
        1 mistake, 1 warning
        --- stderr
        warning: no file matches `o.csv` in source `landing`
         --> domains/d/domain.yaml:3:58
          |
        3 |   - { source: landing, name: o, mode: incremental, path: "o.csv" }
          |                                                          ^^^^^^^^
          = hint: there is readme.txt

        error: unknown key `acces` in a silver model
         --> domains/d/silver/t.yaml:3:1
          |
        3 | acces: public
          | ^^^^^
          = hint: did you mean `access`?

        --- exit 2
        1 mistake, 1 warning
        --- stderr
        warning: no file matches `o.csv` in source `landing`
         --> domains/d/domain.yaml:3:58
          |
        3 |   - { source: landing, name: o, mode: incremental, path: "o.csv" }
          |                                                          ^^^^^^^^
          = hint: there is readme.txt

        error: `access` must be `private` or `public`, found `publc`
         --> domains/d/silver/t.yaml:3:9
          |
        3 | access: publc
          |         ^^^^^
          = hint: did you mean `public`?

        --- exit 2
    "#]]
    .assert_eq(&all.map(|(wrong, right)| told(wrong, right)).concat());
    assert_eq!(project.karat(&["validate"]).code, 0);
}

#[test]
fn verbs_of_later_versions_are_refused_by_name() {
    let project = Project::initial();
    expect![[r#"
        --- stderr
        error: run `RUN` made no version of a silver or gold table
        hint: `karat receipt list` shows which run made what
        --- exit 2
    "#]]
    .assert_eq(&project.karat(&["replay", "RUN"]).text());
    let backfill = project.karat(&["backfill", "--json"]);
    assert_eq!(backfill.code, 2);
    expect!["the following required arguments were not provided:"]
        .assert_eq(backfill.json()["error"]["message"].as_str().unwrap());
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

/// A mistake of every kind at once: each is told in one go, at its place, and nothing else is.
#[test]
fn a_mistake_of_every_kind_at_once() {
    let project = Project::of(&[
        (
            "karat.yaml",
            "karat: 1\nproject: p\ntimezone: Europe/Zuerich\nsources:\n  landing: { type: files, path: landing }\n  shop: { type: sqlite, path: shop.db }\n",
        ),
        ("landing/orders/1.csv", "id,amount,day\n"),
        (
            "domains/d/domain.yaml",
            "domain: d\nfeeds:\n\
             \x20 - { source: landing, name: orders, mode: incremental, path: \"orders/*.csv\", columns: [id, amount, day] }\n\
             \x20 - { source: landing, name: late, mode: incremental, path: \"ordres/*.csv\" }\n\
             \x20 - { source: landing, name: twice, mode: incremental, path: \"orders/*.csv\" }\n\
             \x20 - { source: landing, name: twice, mode: full, path: \"orders/1.csv\" }\n\
             \x20 - { source: landing, name: odd, mode: sometimes, path: \"orders/*.csv\" }\n\
             \x20 - { source: shop, table: custmers, mode: full }\n",
        ),
        // Sound but for two expectations.
        (
            "domains/d/silver/orders.yaml",
            "from: landing.orders\nselect:\n  id: cast(id as bigint)\n  amount: cast(amount as decimal(18,2))\n  day: cast(day as date)\nexpectations:\n  typed: { expect: \"amount + day > 0\" }\n  whole: { expect: \"id + 1\" }\n  fine: { expect: \"id > 0\" }\n",
        ),
        // Expressions that are wrong, and an expectation over one that is not.
        (
            "domains/d/silver/lines.yaml",
            "from: landing.orders\nselect:\n  id: cast(id as bigint)\n  what: nosuch(id) + alsonot(amount)\n  block: |\n    upper(day)\n      + 1\nexpectations:\n  sound: { expect: \"length(id) + 'x' > 0\" }\n  unjudged: { expect: \"what > 0\" }\n",
        ),
        // A mistake of the file, and one of its SQL.
        (
            "domains/d/silver/keys.yaml",
            "from: landing.orders\nselects: {}\nselect:\n  id: cast(id as bigint)\n  amount: cast(amount as decimals)\n  gone: trim(nothing)\n",
        ),
        (
            "domains/d/silver/odd.yaml",
            "from: landing.odd\nselect:\n  id: firts(id)\n",
        ),
        (
            "domains/d/silver/twice.yaml",
            "from: landing.twice\nselect:\n  id: id\n",
        ),
        // Reads a model that is wrong in an expectation alone: its columns are known.
        (
            "domains/d/gold/reads.sql",
            "select amonut, day + amount as x,\n  firsst(id) as f, random() as r\nfrom d_silver.orders\norder by nowhere\n",
        ),
        (
            "domains/d/gold/missing.sql",
            "select fisrt(o.id) as f from d_silver.order as o\n",
        ),
        (
            "domains/d/gold/ring_a.sql",
            "select id, mediann(id) as m from d_gold.ring_b\n",
        ),
        (
            "domains/d/gold/ring_b.sql",
            "select id from d_gold.ring_a\n",
        ),
        (
            "domains/d/gold/syntax.sql",
            "select id\nfrom d_silver.orders\nwhere\n",
        ),
        // Of what is wrong only through others nothing is said.
        (
            "domains/d/gold/innocent.sql",
            "select x, f, r, row_number() over (order by x) as n from d_gold.reads\n",
        ),
        (
            "domains/d/gold/innocent_too.sql",
            "select r.id, t.id as tid from d_gold.ring_a as r join d_silver.twice as t on t.id = r.id\n",
        ),
    ]);
    project.sqlite("create table customers (id integer primary key, name text)");
    expect![[r#"
        22 mistakes, 2 warnings
        --- stderr
        warning: no file matches `ordres/*.csv` in source `landing`
         --> domains/d/domain.yaml:4:61
          |
        4 |   - { source: landing, name: late, mode: incremental, path: "ordres/*.csv" }
          |                                                             ^^^^^^^^^^^^^^^
          = hint: did you mean `orders`?

        error: two feeds make the table `d_bronze.landing__twice` (B10); the first is `landing.twice` in domains/d/domain.yaml:5
         --> domains/d/domain.yaml:6:7
          |
        6 |   - { source: landing, name: twice, mode: full, path: "orders/1.csv" }
          |       ^^^^^^
          = hint: give one of them another `name`

        error: `mode` must be `full` or `incremental`, found `sometimes`
         --> domains/d/domain.yaml:7:41
          |
        7 |   - { source: landing, name: odd, mode: sometimes, path: "orders/*.csv" }
          |                                         ^^^^^^^^^

        warning: there is no table `custmers` in source `shop`
         --> domains/d/domain.yaml:8:28
          |
        8 |   - { source: shop, table: custmers, mode: full }
          |                            ^^^^^^^^
          = hint: did you mean `customers`?

        error: no function `fisrt`
         --> domains/d/gold/missing.sql:1:8
          |
        1 | select fisrt(o.id) as f from d_silver.order as o
          |        ^^^^^
          = hint: `karat query "show functions"` lists those that there are

        error: there is no table `d_silver.order`
         --> domains/d/gold/missing.sql:1:30
          |
        1 | select fisrt(o.id) as f from d_silver.order as o
          |                              ^^^^^^^^^^^^^^
          = hint: did you mean `d_silver.orders`?

        error: `d_silver.orders` has no column `amonut`
         --> domains/d/gold/reads.sql:1:8
          |
        1 | select amonut, day + amount as x,
          |        ^^^^^^
          = hint: did you mean `amount`?

        error: no operation date + decimal(18,2)
         --> domains/d/gold/reads.sql:1:16
          |
        1 | select amonut, day + amount as x,
          |                ^^^
          = hint: cast the other side to a number

        error: no function `firsst`
         --> domains/d/gold/reads.sql:2:3
          |
        2 |   firsst(id) as f, random() as r
          |   ^^^^^^
          = hint: `karat query "show functions"` lists those that there are

        error: `random` has no single answer
         --> domains/d/gold/reads.sql:2:20
          |
        2 |   firsst(id) as f, random() as r
          |                    ^^^^^^
          = hint: take a value from a column, or uuid_from(...) of a key

        error: no function `mediann`
         --> domains/d/gold/ring_a.sql:1:12
          |
        1 | select id, mediann(id) as m from d_gold.ring_b
          |            ^^^^^^^
          = hint: did you mean `median`?

        error: cycle: `d_gold.ring_a` reads `d_gold.ring_b` reads `d_gold.ring_a`
         --> domains/d/gold/ring_a.sql:1:34
          |
        1 | select id, mediann(id) as m from d_gold.ring_b
          |                                  ^^^^^^^^^^^^^
          = hint: a table cannot depend on itself; break the cycle with a table of its own

        error: SQL: expected an expression, found the end of the text
         --> domains/d/gold/syntax.sql:3:6
          |
        3 | where
          |      ^

        error: unknown key `selects` in a silver model
         --> domains/d/silver/keys.yaml:2:1
          |
        2 | selects: {}
          | ^^^^^^^
          = hint: did you mean `select`?

        error: no type `decimals`
         --> domains/d/silver/keys.yaml:5:26
          |
        5 |   amount: cast(amount as decimals)
          |                          ^^^^^^^^
          = hint: types are bigint, integer, decimal(p, s), double, string, boolean, date, timestamp and others

        error: unknown column `nothing`: the feed `landing.orders` declares its `columns`
         --> domains/d/silver/keys.yaml:6:14
          |
        6 |   gone: trim(nothing)
          |              ^^^^^^^
          = hint: it declares: amount, day, id

        error: no function `nosuch`
         --> domains/d/silver/lines.yaml:4:9
          |
        4 |   what: nosuch(id) + alsonot(amount)
          |         ^^^^^^
          = hint: `karat query "show functions"` lists those that there are

        error: no function `alsonot`
         --> domains/d/silver/lines.yaml:4:22
          |
        4 |   what: nosuch(id) + alsonot(amount)
          |                      ^^^^^^^
          = hint: `karat query "show functions"` lists those that there are

        error: no operation string + bigint
         --> domains/d/silver/lines.yaml:6:11
          |
        6 |     upper(day)
          |           ^^^
          = hint: cast the text to a number, for example cast(x as decimal(18, 2))

        error: no operation integer + string
         --> domains/d/silver/lines.yaml:9:28
          |
        9 |   sound: { expect: "length(id) + 'x' > 0" }
          |                            ^^
          = hint: cast the text to a number, for example cast(x as decimal(18, 2))

        error: no function `firts`
         --> domains/d/silver/odd.yaml:3:7
          |
        3 |   id: firts(id)
          |       ^^^^^
          = hint: `karat query "show functions"` lists those that there are

        error: no operation decimal(18,2) + date
         --> domains/d/silver/orders.yaml:7:21
          |
        7 |   typed: { expect: "amount + day > 0" }
          |                     ^^^^^^
          = hint: cast the other side to a number

        error: expectation `whole` is a bigint, not a condition
         --> domains/d/silver/orders.yaml:8:20
          |
        8 |   whole: { expect: "id + 1" }
          |                    ^^^^^^^^^
          = hint: write an expression that is true or false

        error: `Europe/Zuerich` is no time zone of the time-zone database
         --> karat.yaml:3:11
          |
        3 | timezone: Europe/Zuerich
          |           ^^^^^^^^^^^^^^
          = hint: write it like `Europe/Berlin` or `UTC`

        --- exit 2
    "#]].assert_eq(&project.karat(&["validate"]).text());
    // What runs, runs on sound projects only.
    expect![[r#"
        hint: `karat validate` lists them, and what is wrong in SQL
        error: the project has 8 mistakes"#]]
    .assert_eq(
        &project
            .karat(&["run", "--quiet"])
            .stderr
            .lines()
            .rev()
            .take(2)
            .collect::<Vec<_>>()
            .join("\n"),
    );
}

#[test]
fn feeds_that_name_nothing_are_worth_a_look() {
    let project = Project::of(&[
        (
            "karat.yaml",
            "karat: 1\nproject: p\nsources:\n  landing: { type: files, path: landing }\n  empty: { type: files, path: empty }\n  none: { type: files, path: none }\n",
        ),
        ("landing/orders/1.csv", "id\n1\n"),
        ("landing/orders/2.tsv", "id\n1\n"),
        ("landing/readme.txt", "files land here\n"),
        (
            "domains/d/domain.yaml",
            "domain: d\nfeeds:\n\
             \x20 - { source: landing, name: a, mode: incremental, path: \"orders/*.csv\" }\n\
             \x20 - { source: landing, name: b, mode: incremental, path: \"order/*.csv\" }\n\
             \x20 - { source: landing, name: c, mode: incremental, path: \"orders/*.json\" }\n\
             \x20 - { source: landing, name: d, mode: full, path: readme.md }\n\
             \x20 - { source: empty, name: e, mode: full, path: \"*.csv\" }\n\
             \x20 - { source: none, name: f, mode: full, path: \"*.csv\" }\n",
        ),
    ]);
    std::fs::create_dir(project.path("empty")).unwrap();
    expect![[r#"
        no mistakes in 0 models
        --- stderr
        warning: no file matches `order/*.csv` in source `landing`
         --> domains/d/domain.yaml:4:58
          |
        4 |   - { source: landing, name: b, mode: incremental, path: "order/*.csv" }
          |                                                          ^^^^^^^^^^^^^^
          = hint: did you mean `orders`?

        warning: no file matches `orders/*.json` in source `landing`
         --> domains/d/domain.yaml:5:58
          |
        5 |   - { source: landing, name: c, mode: incremental, path: "orders/*.json" }
          |                                                          ^^^^^^^^^^^^^^^^
          = hint: `orders/` holds 1.csv, 2.tsv

        warning: no file matches `readme.md` in source `landing`
         --> domains/d/domain.yaml:6:51
          |
        6 |   - { source: landing, name: d, mode: full, path: readme.md }
          |                                                   ^^^^^^^^^
          = hint: did you mean `readme.txt`?

        warning: source `empty` is empty
         --> karat.yaml:5:3
          |
        5 |   empty: { type: files, path: empty }
          |   ^^^^^

        --- exit 0
    "#]]
    .assert_eq(&project.karat(&["validate"]).text());
    std::fs::create_dir(project.path("none")).unwrap();
    expect![[r#"
        step  table                would    because               reads          takes
        load  d_bronze.landing__a  load     1 new object          1 object, 5 B  no estimate: never run
        load  d_bronze.landing__b  nothing  nothing is there yet
        load  d_bronze.landing__c  nothing  nothing is there yet
        load  d_bronze.landing__d  nothing  nothing is there yet
        load  d_bronze.empty__e    nothing  nothing is there yet
        load  d_bronze.none__f     nothing  nothing is there yet
        note: d_bronze.landing__b: no file matches `order/*.csv` in the source's folder: did you mean `orders`?
        note: d_bronze.landing__c: no file matches `orders/*.json` in the source's folder: `orders/` holds 1.csv, 2.tsv
        note: d_bronze.landing__d: no file matches `readme.md` in the source's folder: did you mean `readme.txt`?
        note: d_bronze.empty__e: no file matches `*.csv` in the source's folder
        note: d_bronze.none__f: no file matches `*.csv` in the source's folder
        1 step to do, with exit 1; nothing was written
        --- exit 1
    "#]].assert_eq(&project.karat(&["plan"]).text());
}

#[test]
fn messages_of_the_engine_are_told_in_our_words() {
    let project = Project::empty();
    project.write("a.csv", "i,j\n1,2\n");
    let mut said = String::new();
    for sql in [
        "select 'x' || 1, i from a",
        "select i from (select i, j as i from a) as s",
        "select i from a where exists (select 1 from a as z where z.i = b.j)",
        "select cast('abc' as date) as d from a",
        "select cast(i as boolean) as b, cast('x' as timestamp) as t from a",
        "select cast(i as bigint) as x from a union all select cast(j as double) from a",
        "select nosuch(i) from a",
        "select i from a -- nosuch is no function\nwhere 'nosuch' = nosuch(j)",
        "select i + date '2026-01-01' as x from a",
        "select sum(i) as s from a where sum(i) > 1",
        "select i, i as i from a",
        "select a.* from a join a as b on a.i = b.i and b.k = 1",
        "select i from a union select i, j from a",
        "select (select i, j from a) as x from a",
        "select i from a group by k",
        "select substr(i) as x from a",
        "select array_append(i, j) as x from a",
        "select case when i then 1 else 'a' end as x from a",
        "select i from a having count(*) > j",
        "select i from a limit i",
        "select max(sum(i)) from a",
        "select lag(i) from a",
        "select i from a order by 3",
        "select i from a group by 9",
        "select * from nowhere",
        "select i from a as x(p)",
        "select i from a where i in (select i, j from a)",
        "select count(distinct i, j) as n from a",
        "select interval '1 fortnight' as x from a",
        "select unnest(i) as x from a",
        "select i[1] as x from a",
        "select i.j as x from a",
        "select [i] from a",
        "select i from a where j = \"2\"",
        "select i from a where i between 1 and true",
        "select i from a where i > 2026-03-04",
        "select i from a where cast(i as timestamp) = '04.03.2026'",
    ] {
        let answer = project.karat(&[
            "query", "--quiet", "--format", "csv", "--table", "a=a.csv", sql,
        ]);
        said.push_str(&format!("{sql}\n{}\n", answer.text().replace('\r', "")));
    }
    expect![[r#"
        select 'x' || 1, i from a
        'x' || 1,i
        x1,1
        --- exit 0

        select i from (select i, j as i from a) as s
        --- stderr
        error: column `i` is ambiguous
         --> line 1, column 8
          |
        1 | select i from (select i, j as i from a) as s
          |        ^
        hint: write it with its table: t.column
        --- exit 2

        select i from a where exists (select 1 from a as z where z.i = b.j)
        --- stderr
        error: no column `b.j`
         --> line 1, column 64
          |
        1 | select i from a where exists (select 1 from a as z where z.i = b.j)
          |                                                                ^
        hint: did you mean `j`?
        --- exit 2

        select cast('abc' as date) as d from a
        --- stderr
        error: a text is no date in `cast('abc' as date)`, at 1:8
        hint: a date is written 2026-01-31; read others with to_date(text, format), like to_date(x, '%d.%m.%Y'), one with a time behind it with cast(cast(x as timestamp) as date), or let try_cast make them null
        --- exit 3

        select cast(i as boolean) as b, cast('x' as timestamp) as t from a
        --- stderr
        error: a text is no timestamp in `cast('x' as timestamp)`, at 1:33
        hint: a timestamp is written 2026-01-31 12:34:56; one that ends in Z or an offset is cast to timestamp with time zone; read others with to_timestamp(text, format), or let try_cast make them null
        --- exit 3

        select cast(i as bigint) as x from a union all select cast(j as double) from a
        --- stderr
        error: a union of bigint with double: column `x`
         --> line 1, column 29
          |
        1 | select cast(i as bigint) as x from a union all select cast(j as double) from a
          |                             ^
        hint: cast both to one type, for example with decimal_from_double(x)
        --- exit 2

        select nosuch(i) from a
        --- stderr
        error: no function `nosuch`
         --> line 1, column 8
          |
        1 | select nosuch(i) from a
          |        ^
        hint: `karat query "show functions"` lists those that there are
        --- exit 2

        select i from a -- nosuch is no function
        where 'nosuch' = nosuch(j)
        --- stderr
        error: no function `nosuch`
         --> line 2, column 18
          |
        2 | where 'nosuch' = nosuch(j)
          |                  ^
        hint: `karat query "show functions"` lists those that there are
        --- exit 2

        select i + date '2026-01-01' as x from a
        --- stderr
        error: no operation string + date
         --> line 1, column 8
          |
        1 | select i + date '2026-01-01' as x from a
          |        ^
        hint: dates take whole days or an interval: day + 1, moment + interval '1 hour'
        --- exit 2

        select sum(i) as s from a where sum(i) > 1
        --- stderr
        error: an aggregate stands in `where`
         --> line 1, column 27
          |
        1 | select sum(i) as s from a where sum(i) > 1
          |                           ^
        hint: conditions on groups go into `having`
        --- exit 2

        select i, i as i from a
        --- stderr
        error: two columns of this select list are called `i`
         --> line 1, column 16
          |
        1 | select i, i as i from a
          |                ^
        hint: give each a name of its own with `as`
        --- exit 2

        select a.* from a join a as b on a.i = b.i and b.k = 1
        --- stderr
        error: no column `b.k`
         --> line 1, column 48
          |
        1 | select a.* from a join a as b on a.i = b.i and b.k = 1
          |                                                ^
        hint: did you mean `i`?
        --- exit 2

        select i from a union select i, j from a
        --- stderr
        error: the sides of this `union` have different numbers of columns
         --> line 1, column 1
          |
        1 | select i from a union select i, j from a
          | ^
        hint: give each side the same columns, in the same order
        --- exit 2

        select (select i, j from a) as x from a
        --- stderr
        error: a subquery that stands for a value has several columns
        hint: let it select one
        --- exit 2

        select i from a group by k
        --- stderr
        error: no column `k`
         --> line 1, column 26
          |
        1 | select i from a group by k
          |                          ^
        hint: did you mean `i`?
        --- exit 2

        select substr(i) as x from a
        --- stderr
        error: `substr` has no start
         --> line 1, column 8
          |
        1 | select substr(i) as x from a
          |        ^
        hint: write substr(text, start, length), the first letter is 1
        --- exit 2

        select array_append(i, j) as x from a
        --- stderr
        error: `array_append` does not take (string, string)
         --> line 1, column 8
          |
        1 | select array_append(i, j) as x from a
          |        ^
        hint: cast the argument first
        --- exit 2

        select case when i then 1 else 'a' end as x from a
        x
        1
        --- exit 0

        select i from a having count(*) > j
        --- stderr
        error: column `a.i` is neither grouped by nor in an aggregate
         --> line 1, column 8
          |
        1 | select i from a having count(*) > j
          |        ^
        hint: add it to `group by`, or say which value is meant, for example max(x)
        --- exit 2

        select i from a limit i
        --- stderr
        error: no column `i`
         --> line 1, column 23
          |
        1 | select i from a limit i
          |                       ^
        hint: no columns are visible here
        --- exit 2

        select max(sum(i)) from a
        --- stderr
        error: `sum` takes a number, not string
         --> line 1, column 12
          |
        1 | select max(sum(i)) from a
          |            ^
        hint: cast the argument first
        --- exit 2

        select lag(i) from a
        --- stderr
        error: `lag` cannot be called like this
         --> line 1, column 8
          |
        1 | select lag(i) from a
          |        ^
        hint: a window function needs `over (order by …)`, and only those and aggregates have one
        --- exit 2

        select i from a order by 3
        --- stderr
        error: `order by 3` counts columns, and there is 1
         --> line 1, column 17
          |
        1 | select i from a order by 3
          |                 ^
        hint: order by a name
        --- exit 2

        select i from a group by 9
        --- stderr
        error: `group by 9` counts columns, and there is 1
         --> line 1, column 17
          |
        1 | select i from a group by 9
          |                 ^
        hint: group by a name
        --- exit 2

        select * from nowhere
        --- stderr
        error: there is no table `nowhere`
         --> line 1, column 15
          |
        1 | select * from nowhere
          |               ^
        hint: `--table` names a; there is no project here whose tables could be read
        --- exit 2

        select i from a as x(p)
        --- stderr
        error: a table has 2 columns, and its alias names 1
        hint: name all of them, or none
        --- exit 2

        select i from a where i in (select i, j from a)
        --- stderr
        error: a subquery that stands for a value has several columns
         --> line 1, column 36
          |
        1 | select i from a where i in (select i, j from a)
          |                                    ^
        hint: let it select one
        --- exit 2

        select count(distinct i, j) as n from a
        --- stderr
        error: `count(distinct …)` of several columns
         --> line 1, column 8
          |
        1 | select count(distinct i, j) as n from a
          |        ^
        hint: count the rows of a subquery: select count(*) from (select distinct a, b from t)
        --- exit 2

        select interval '1 fortnight' as x from a
        --- stderr
        error: `1 fortnight` is no interval
        hint: write it like interval '1 month' or interval '2 days'
        --- exit 2

        select unnest(i) as x from a
        --- stderr
        error: `unnest` takes a list or a struct
         --> line 1, column 8
          |
        1 | select unnest(i) as x from a
          |        ^
        hint: map_entries(m) is the list of a map's entries
        --- exit 2

        select i[1] as x from a
        --- stderr
        error: `array_element` does not take (string, bigint)
        hint: cast an argument, or look at the order of the arguments
        --- exit 2

        select i.j as x from a
        --- stderr
        error: a field of a string: only a struct has fields
        hint: a column is written column, or table.column
        --- exit 2

        select [i] from a
        make_array(a.i)
        [1]
        --- exit 0

        select i from a where j = "2"
        --- stderr
        error: no column `2`
         --> line 1, column 27
          |
        1 | select i from a where j = "2"
          |                           ^
        hint: text stands in single quotes: '2'; did you mean `i`?
        --- exit 2

        select i from a where i between 1 and true
        --- stderr
        error: no comparison string <= boolean
         --> line 1, column 23
          |
        1 | select i from a where i between 1 and true
          |                       ^
        hint: a truth is compared with true and false, or is a condition by itself
        --- exit 2

        select i from a where i > 2026-03-04
        --- stderr
        error: SQL: `2026-03-04` without quotes is a subtraction, 2019
         --> line 1, column 27
          |
        1 | select i from a where i > 2026-03-04
          |                           ^
        hint: a date is written date '2026-03-04'; a subtraction has blanks: 2026 - 03 - 04
        --- exit 2

        select i from a where cast(i as timestamp) = '04.03.2026'
        --- stderr
        error: `'04.03.2026'` stands where timestamp is needed, and cannot be read as one
         --> line 1, column 46
          |
        1 | select i from a where cast(i as timestamp) = '04.03.2026'
          |                                              ^
        hint: a timestamp is written 2026-01-31 12:34:56; to_timestamp(text, format) reads others
        --- exit 2

    "#]].assert_eq(&said);
}

#[test]
fn what_a_run_would_refuse_is_told_before_it() {
    let project = Project::one_feed(
        "{ source: landing, name: o, mode: incremental, path: \"*.csv\" }",
        "from: landing.o\nselect: { id: cast(id as bigint), v: v }\nauto_cdc: { keys: [id], apply_as_deletes: v }\n",
    );
    project.write("landing/a.csv", "id,v\n1,one\n");
    project.write(
        "domains/d/gold/g.sql",
        "select count(*) as n from d_silver.t where id = $p\n",
    );
    expect![[r#"
        2 mistakes
        --- stderr
        error: `$p` is no parameter of the project
         --> domains/d/gold/g.sql:1:49
          |
        1 | select count(*) as n from d_silver.t where id = $p
          |                                                 ^^
          = hint: declare it in karat.yaml: `params: { p: { type: date } }`

        error: `apply_as_deletes` is a string, not a condition
         --> domains/d/silver/t.yaml:3:43
          |
        3 | auto_cdc: { keys: [id], apply_as_deletes: v }
          |                                           ^
          = hint: write an expression that is true for a delete, e.g. `_op = 'D'`

        --- exit 2
    "#]]
    .assert_eq(&project.karat(&["validate"]).text());
}

/// The first delete of a keyed full load needs a time: that its order mark has none is told before (C4, C5).
#[test]
fn a_file_order_that_need_not_be_a_date_is_told() {
    let project = Project::one_feed(
        "{ source: landing, name: o, mode: full, key: [id], path: \"o_*.csv\", file_order: 'o_(\\d+)' }",
        "from: landing.o\nselect: { id: cast(id as bigint), at: cast(at as date) }\nauto_cdc: { keys: [id], sequence_by: at }\n",
    );
    expect![[r#"
        no mistakes in 1 model
        --- stderr
        warning: no file matches `o_*.csv` in source `landing`
         --> domains/d/domain.yaml:3:62
          |
        3 |   - { source: landing, name: o, mode: full, key: [id], path: "o_*.csv", file_order: 'o_(\d+)' }
          |                                                              ^^^^^^^^^
          = hint: there is readme.txt

        warning: the full loads of `d_bronze.landing__o` may state no time for their deletes: what `file_order: o_(\d+)` captures need not be a date; `d_silver.t`, which orders them by `sequence_by: at`, stops at the first delete then
         --> domains/d/domain.yaml:3:85
          |
        3 |   - { source: landing, name: o, mode: full, key: [id], path: "o_*.csv", file_order: 'o_(\d+)' }
          |                                                                                     ^^^^^^^^^^
          = hint: capture a date, like `(\d{8})` of `orders_20261030.csv`, with `file_order`, or use `sequence_by: _seq` in the model

        --- exit 0
    "#]].assert_eq(&project.karat(&["validate"]).text());
    project.write(
        "landing/o_20261030.csv",
        "id,at\n1,2026-10-30\n2,2026-10-30\n",
    );
    expect![[r#"
        no mistakes in 1 model
        --- exit 0
    "#]]
    .assert_eq(&project.karat(&["validate"]).text());
    project.run(0);
    project.write("landing/o_1.csv", "id,at\n");
    let told = project.karat(&["validate"]).text();
    assert!(
        told.contains("the order mark of `o_1.csv` is no date"),
        "{told}"
    );
    project.remove("landing/o_1.csv");
    // Without a pattern the path is the mark.
    let feed = "domain: d\nfeeds:\n  - { source: landing, name: o, mode: full, key: [id], path: \"*.csv\" }\n";
    project.write("domains/d/domain.yaml", feed);
    assert_eq!(
        project.karat(&["validate"]).stdout,
        "no mistakes in 1 model\n"
    );
    project.write("landing/x.csv", "id,at\n");
    let told = project.karat(&["validate"]).text();
    assert!(
        told.contains("the order mark is the path, and `x.csv` has no date"),
        "{told}"
    );
    // Ordered by what bronze has, deletes need no time.
    project.write(
        "domains/d/silver/t.yaml",
        "from: landing.o\nselect: { id: cast(id as bigint), at: at }\nauto_cdc: { keys: [id], sequence_by: _seq }\n",
    );
    let told = project.karat(&["validate"]);
    assert_eq!(
        (told.code, told.stdout.as_str()),
        (0, "no mistakes in 1 model\n"),
        "{}",
        told.stderr
    );
}

/// What was typed wrong says what to type next, in text and in JSON, and exits 2 (H1, H2).
#[test]
fn a_mistyped_command_ends_with_what_to_do() {
    let project = Project::empty();
    let mut told = String::new();
    for line in [
        "run --foo",
        "receipt shw x",
        "recipt list",
        "run --wait 5",
        "query",
        "receipt show",
    ] {
        let words: Vec<&str> = line.split(' ').collect();
        let answer = project.karat(&words);
        told.push_str(&format!("$ karat {line}\n{}", answer.text()));
        let document = project.karat(&[&words[..], &["--json"]].concat());
        assert_eq!(document.code, 2);
        let hint = document.json()["error"]["hint"]
            .as_str()
            .unwrap()
            .to_owned();
        assert!(
            answer.stderr.ends_with(&format!("hint: {hint}\n")),
            "{}",
            answer.text()
        );
    }
    expect![[r#"
        $ karat run --foo
        --- stderr
        error: unexpected argument '--foo' found

        Usage: karat run [OPTIONS]

        hint: `karat run --help` shows how it is written
        --- exit 2
        $ karat receipt shw x
        --- stderr
        error: unrecognized subcommand 'shw'

          tip: a similar subcommand exists: 'show'

        Usage: karat receipt [OPTIONS] <COMMAND>

        hint: `karat receipt --help` shows how it is written
        --- exit 2
        $ karat recipt list
        --- stderr
        error: unrecognized subcommand 'recipt'

          tip: some similar subcommands exist: 'refactor', 'receipt'

        Usage: karat [OPTIONS] <VERB>

        hint: `karat help` shows what there is
        --- exit 2
        $ karat run --wait 5
        --- stderr
        error: invalid value '5' for '--wait <DURATION>': write a duration with its unit, like `90s`, `10m` or `2h`

        hint: `karat help` shows what there is
        --- exit 2
        $ karat query
        --- stderr
        error: there is no SELECT to run
        hint: give it as an argument, with `--file`, or as `-` on stdin; at a terminal a shell opens without it
        --- exit 2
        $ karat receipt show
        --- stderr
        error: the following required arguments were not provided:
          <DIGEST|TABLE[@VERSION]>

        Usage: karat receipt show <DIGEST|TABLE[@VERSION]>

        hint: `karat receipt show --help` shows how it is written
        --- exit 2
    "#]].assert_eq(&told);
    let help = project.karat(&["run", "--help"]);
    assert_eq!((help.code, help.stderr.as_str()), (0, ""));
}

/// A path that is told is the one that people would write.
#[test]
fn paths_are_told_without_dots() {
    let project = Project::one_feed(
        "{ source: landing, name: o, mode: incremental, path: \"*.csv\" }",
        "from: landing.o\nselect: { id: id }\n",
    );
    let config = std::fs::read_to_string(project.path("karat.yaml")).unwrap();
    project.write(
        "karat.yaml",
        &config.replace("path: landing", "path: ./landing"),
    );
    project.remove("landing");
    let run = project.run(3);
    let folder = project.path("landing").display().to_string();
    assert!(run.stderr.contains(&folder), "{}", run.text());
}
