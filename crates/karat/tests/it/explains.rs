//! `karat explain`: from a figure in gold to the rows, objects and lines that made it, and the figure once more from exactly those.

use expect_test::expect;

use crate::project::Project;

fn project() -> Project {
    let project = Project::of(&[
        (
            "karat.yaml",
            "karat: 1\nproject: p\nsources:\n  landing: { type: files, path: landing }\n",
        ),
        (
            "domains/d/domain.yaml",
            "domain: d\nfeeds:\n  - { source: landing, name: e, mode: incremental, path: \"e_*.csv\" }\n  - { source: landing, name: a, mode: full, path: \"a_*.csv\" }\n",
        ),
        (
            "domains/d/silver/t.yaml",
            "from: landing.e\nselect:\n  id: cast(id as bigint)\n  day: cast(day as date)\n  acc: acc\n  v: \"cast(v as decimal(18,2))\"\nauto_cdc: { keys: [id] }\n",
        ),
        (
            "domains/d/silver/a.yaml",
            "from: landing.a\nselect: { acc: acc, name: name }\n",
        ),
        (
            "domains/d/gold/daily.sql",
            "with booked as (select t.day, t.acc, a.name, t.v from d_silver.t as t join d_silver.a as a on t.acc = a.acc where t.v > 0)
select day, name, sum(v) as total, count(*) as n, sum(v) / count(*) as mean from booked where acc <> 'a9' group by day, name having count(*) < 99",
        ),
        ("landing/a_1.csv", "acc,name\na0,zero\na1,one\n"),
        (
            "landing/e_1.csv",
            "id,day,acc,v\n1,2026-01-01,a0,10\n2,2026-01-01,a0,2\n3,2026-01-01,a1,3\n4,2026-01-02,a0,-4\n5,,a0,5\n",
        ),
    ]);
    project.run(0);
    // A correction of day two.
    project.write("landing/e_2.csv", "id,day,acc,v\n2,2026-01-01,a0,7.50\n");
    project.run(0);
    project
}

/// Run ids and times of this very run.
fn without_runs(text: &str) -> String {
    let mut told = String::new();
    for line in text.lines() {
        let line = match line.split_once(" at 2") {
            Some((line, _)) => line.to_owned(),
            None => line.split(" run 2").next().unwrap().to_owned(),
        };
        told += line.trim_end();
        told.push('\n');
    }
    told
}

#[test]
fn a_figure_leads_to_the_lines_that_made_it() {
    let project = project();
    let explain = |arguments: &[&str]| {
        let explained = project.karat(&[&["explain", "--quiet"], arguments].concat());
        format!("{}exit {}", without_runs(&explained.stdout), explained.code)
    };
    expect![[r#"
        d_gold.daily@1
          day     2026-01-01
          name    zero
          total   17.50
          n       2
          mean    8.750000
        made by
        computed again from the rows below: the same

        d_silver.t@1: 2 rows
        id  day         acc  v
        1   2026-01-01  a0   10.00
            e_1.csv@1:2  I  load 1
        2   2026-01-01  a0   7.50
            e_1.csv@1:3  I  load 1
            e_2.csv@1:2  I  load 2

        d_silver.a@0: 1 row
        acc  name
        a0   zero
            a_1.csv@1:2  R  load 1
        exit 0"#]]
    .assert_eq(&explain(&[
        "d_gold.daily",
        "--where",
        "day = date '2026-01-01' and name = 'zero'",
    ]));
    // As it was before the correction, by the code and the rows of then.
    expect![[r#"
        d_gold.daily@0
          total   12.00
        made by
        computed again from the rows below: the same

        d_silver.t@0: 2 rows, the first 1
        id  day         acc  v
        1   2026-01-01  a0   10.00
            e_1.csv@1:2  I  load 1

        d_silver.a@0: 1 row
        acc  name
        a0   zero
            a_1.csv@1:2  R  load 1
        exit 0"#]]
    .assert_eq(&explain(&[
        "d_gold.daily@0",
        "--where",
        "day = date '2026-01-01' and name = 'zero'",
        "--column",
        "total",
        "--limit",
        "1",
    ]));
    expect![[r#"
        d_gold.daily@1
          day     null
          name    zero
          total   5.00
          n       1
          mean    5.000000
        made by
        computed again from the rows below: the same

        d_silver.t@1: 1 row
        id  day   acc  v
        5   null  a0   5.00
            e_1.csv@1:6  I  load 1

        d_silver.a@0: 1 row
        acc  name
        a0   zero
            a_1.csv@1:2  R  load 1
        exit 0"#]]
    .assert_eq(&explain(&["d_gold.daily", "--where", "day is null"]));
    expect![[r#"
        d_silver.t@1
          id      2
          day     2026-01-01
          acc     a0
          v       7.50
        made by

        d_bronze.landing__e: 2 rows
        e_1.csv@1:3  I  load 1
        e_2.csv@1:2  I  load 2
        exit 0"#]]
    .assert_eq(&explain(&["d_silver.t", "--where", "id = 2"]));
    // A feed without a key is known by all that a row says.
    expect![[r#"
        d_silver.a@0
          acc     a1
          name    one
        made by

        d_bronze.landing__a: 1 row
        a_1.csv@1:3  R  load 1
        exit 0"#]]
    .assert_eq(&explain(&["d_silver.a", "--where", "acc = 'a1'"]));
}

/// Whatever the query: the row is made again from what is told, and what is not told is said.
#[test]
fn every_row_of_any_query_comes_again_from_what_is_told() {
    let project = project();
    for (name, sql) in [
        (
            "total",
            "select sum(v) as v, max(day) as day from d_silver.t",
        ),
        (
            "pairs",
            "select t.id, u.id as other, t.v - u.v as more from d_silver.t as t, d_silver.t as u where t.day = u.day and t.id < u.id",
        ),
        ("kinds", "select distinct acc from d_silver.t where v > 3"),
        (
            "ranks",
            "select id, row_number() over (partition by day order by v, id) as place from d_silver.t",
        ),
        (
            "both",
            "select acc, v from d_silver.t union all select name, total from d_gold.daily",
        ),
        (
            "first",
            "select id, v from d_silver.t order by v desc, id limit 2",
        ),
        (
            "known",
            "select t.id from d_silver.t as t where exists (select 1 from d_silver.a as a where a.acc = t.acc and a.name <> 'one')",
        ),
        (
            "outer_names",
            "select t.id, a.name from d_silver.t as t left join d_silver.a as a on a.acc = t.acc and a.name = 'one'",
        ),
        (
            "sets",
            "select acc, sum(v) as v from d_silver.t group by rollup(acc)",
        ),
        (
            "nested",
            "select month, sum(total) as v from (select date_trunc('month', day) as month, total from d_gold.daily) as m group by month",
        ),
    ] {
        project.write(&format!("domains/d/gold/{name}.sql"), sql);
    }
    project.run(0);
    let mut told = String::new();
    for name in [
        "total",
        "pairs",
        "kinds",
        "ranks",
        "both",
        "first",
        "known",
        "outer_names",
        "sets",
        "nested",
    ] {
        let rows = project.karat(&[
            "query",
            "--quiet",
            "--format",
            "ndjson",
            &format!("select * from d_gold.{name}"),
        ]);
        for row in rows.stdout.lines() {
            let row: serde_json::Value = serde_json::from_str(row).unwrap();
            let conditions = row
                .as_object()
                .unwrap()
                .iter()
                .map(|(column, value)| match value {
                    serde_json::Value::Null => format!("{column} is null"),
                    serde_json::Value::String(text) => format!("{column} = '{text}'"),
                    value => format!("{column} = {value}"),
                });
            let condition = conditions.collect::<Vec<_>>().join(" and ");
            let explained = project.karat(&[
                "explain",
                "--json",
                &format!("d_gold.{name}"),
                "--where",
                &condition,
            ]);
            let json = explained.json();
            let sources = json["sources"].as_array().unwrap().iter();
            let sources: Vec<String> = sources
                .map(|source| {
                    format!(
                        "{} of {}",
                        source["count"],
                        source["table"].as_str().unwrap()
                    )
                })
                .collect();
            told += &format!(
                "{name} where {condition}: same {}, {} {}\n",
                json["same"],
                sources.join(", "),
                json["untold"]
            );
        }
    }
    expect![[r#"
        total where v = 21.5 and day = '2026-01-02': same true, 5 of d_silver.t []
        pairs where id = 1 and other = 2 and more = 2.5: same true, 1 of d_silver.t, 1 of d_silver.t []
        pairs where id = 1 and other = 3 and more = 7.0: same true, 1 of d_silver.t, 1 of d_silver.t []
        pairs where id = 2 and other = 3 and more = 4.5: same true, 1 of d_silver.t, 1 of d_silver.t []
        kinds where acc = 'a0': same true, 3 of d_silver.t []
        ranks where id = 1 and place = 3: same true, 5 of d_silver.t []
        ranks where id = 2 and place = 2: same true, 5 of d_silver.t []
        ranks where id = 3 and place = 1: same true, 5 of d_silver.t []
        ranks where id = 4 and place = 1: same true, 5 of d_silver.t []
        ranks where id = 5 and place = 1: same true, 5 of d_silver.t []
        both where acc = 'a0' and v = -4.0: same true, 1 of d_silver.t []
        both where acc = 'a0' and v = 5.0: same true, 1 of d_silver.t []
        both where acc = 'a0' and v = 7.5: same true, 1 of d_silver.t []
        both where acc = 'a0' and v = 10.0: same true, 1 of d_silver.t []
        both where acc = 'a1' and v = 3.0: same true, 1 of d_silver.t []
        both where acc = 'one' and v = 3.0: same true, 1 of d_gold.daily []
        both where acc = 'zero' and v = 5.0: same true, 1 of d_gold.daily []
        both where acc = 'zero' and v = 17.5: same true, 1 of d_gold.daily []
        first where id = 1 and v = 10.0: same true, 1 of d_silver.t []
        first where id = 2 and v = 7.5: same true, 1 of d_silver.t []
        known where id = 1: same true, 1 of d_silver.t ["d_silver.a"]
        known where id = 2: same true, 1 of d_silver.t ["d_silver.a"]
        known where id = 4: same true, 1 of d_silver.t ["d_silver.a"]
        known where id = 5: same true, 1 of d_silver.t ["d_silver.a"]
        outer_names where id = 1 and name is null: same true, 1 of d_silver.t []
        outer_names where id = 2 and name is null: same true, 1 of d_silver.t []
        outer_names where id = 3 and name = 'one': same true, 1 of d_silver.t, 1 of d_silver.a []
        outer_names where id = 4 and name is null: same true, 1 of d_silver.t []
        outer_names where id = 5 and name is null: same true, 1 of d_silver.t []
        sets where acc = 'a0' and v = 18.5: same true, 5 of d_silver.t []
        sets where acc = 'a1' and v = 3.0: same true, 5 of d_silver.t []
        sets where acc is null and v = 21.5: same true, 5 of d_silver.t []
        nested where month = '2026-01-01' and v = 20.5: same true, 2 of d_gold.daily []
        nested where month is null and v = 5.0: same true, 1 of d_gold.daily []
    "#]].assert_eq(&told);
}

/// A repair stands in the place of its row, and is told with who gave it and why (C3).
#[test]
fn a_repaired_row_tells_its_repair() {
    let project = project();
    let silver = "from: landing.e\nselect:\n  id: cast(id as bigint)\n  v: \"cast(v as decimal(18,2))\"\nexpectations: { booked: { expect: \"v > 0\", action: quarantine } }\nauto_cdc: { keys: [id] }\n";
    project.write("domains/d/silver/s.yaml", silver);
    project.run(0);
    let fixed = project.karat(&[
        "quarantine",
        "fix",
        "e_1.csv@1:5",
        "--set",
        "v=4",
        "--reason",
        "the sign was wrong",
    ]);
    assert_eq!(fixed.code, 0, "{}", fixed.text());
    project.run(0);
    let explained = project
        .karat(&["explain", "d_silver.s", "--where", "id = 4", "--json"])
        .json();
    let received = &explained["received"][0];
    assert_eq!(explained["row"]["v"], "4.00", "{explained}");
    assert_eq!(received["address"], "e_1.csv@1:5", "{explained}");
    assert_eq!(received["repair"]["kind"], "fix", "{explained}");
    assert_eq!(
        received["repair"]["reason"], "the sign was wrong",
        "{explained}"
    );
}

#[test]
fn what_cannot_be_explained_is_said() {
    let project = project();
    let mut told = String::new();
    for arguments in [
        &["d_gold.daily"][..],
        &["d_gold.daily", "--where", "name = 'nobody'"],
        &["d_gold.daily", "--where", "foo = 1"],
        &["d_gold.daily", "--where", "day ="],
        &["d_gold.daily@9", "--where", "n = 1"],
        &["d_gold.nothing"],
        &["d_bronze.landing__e"],
        &["daily"],
        &["d_gold.daily", "--where", "day is null", "--column", "sum"],
    ] {
        let explained = project.karat(&[&["explain"], arguments].concat());
        told += &format!("{}exit {}\n", explained.stderr, explained.code);
    }
    expect![[r#"
        error: `d_gold.daily@1` has 3 rows: one is explained
        hint: say which with `--where`, like `--where "day = date '2026-01-05'"`
        exit 2
        error: `d_gold.daily@1` has no row where name = 'nobody': one is explained
        hint: say which with `--where`, like `--where "day = date '2026-01-05'"`
        exit 2
        error: cannot look for the row of `d_gold.daily@1`: no column `foo`
        hint: there are day, name, total, n, mean
        exit 2
        error: cannot look for the row of `d_gold.daily@1`: Expected: an expression, found: EOF
        hint: write `--where` like the WHERE of a query on the table
        exit 2
        error: no receipt is recorded for `d_gold.daily@9`
        hint: `karat receipt list d_gold.daily` lists those of the table
        exit 2
        error: there is no table `d_gold.nothing` in the lake
        hint: `karat status` lists the tables
        exit 2
        error: `d_bronze.landing__e@1` is what was received: no code makes it again
        hint: `karat verify` compares it with its record; name a silver or gold table
        exit 2
        error: `daily` is not a table's name: it is written `domain_layer.table`, like `sales_silver.orders`
        hint: `karat status` lists the tables
        exit 2
        error: `d_gold.daily` has no column `sum`
        hint: its columns: day, name, total, n, mean
        exit 2
    "#]].assert_eq(&told);
}
