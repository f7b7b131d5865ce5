//! Silver: rows that fail, rules, what is set aside and how it is counted (rules B2, B5, C1 to C3, F1, F2, G6).

use expect_test::expect;

use crate::project::Project;

const FEED: &str = "{ source: landing, name: o, mode: incremental, path: \"*.csv\" }";

#[test]
pub(crate) fn every_rule_is_counted_and_the_strongest_decides() {
    let project = Project::one_feed(
        FEED,
        r#"from: landing.o
select:
  id: cast(id as bigint)
  amount: cast(amount as decimal(9,2))
expectations:
  small: { expect: "amount < 100", action: warn }
  not_seven: { expect: "id <> 7", action: drop }
  positive: { expect: "amount > 0", action: quarantine }
"#,
    );
    project.write(
        "landing/a.csv",
        "id,amount\n1,10\n2,500\n7,500\n7,-1\n3,0\n4,\nx,1\n5,1.234\n6,1,extra\n8\n9,\"\"\n",
    );
    project.run(0);
    expect![[r#"
        id,amount
        1,10.00
        2,500.00
    "#]]
    .assert_eq(&project.rows("select * from d_silver.t"));
    expect!["11 read = 1 dropped + 2 kept + 8 quarantined"]
        .assert_eq(&project.accounting("d_silver.t"));
    let receipt = project.receipt("d_silver.t");
    let counts: Vec<String> = receipt["expectations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|rule| {
            format!(
                "{} {} {} of {}\n",
                rule["name"].as_str().unwrap(),
                rule["action"].as_str().unwrap(),
                rule["failed"],
                rule["passed"].as_u64().unwrap() + rule["failed"].as_u64().unwrap()
            )
        })
        .collect();
    expect![[r#"
        _expression quarantine 3 of 11
        _rescued quarantine 2 of 11
        small warn 4 of 11
        not_seven drop 2 of 11
        positive quarantine 4 of 11
    "#]]
    .assert_eq(&counts.concat());
    expect![[r#"
        table       rule         rows
        d_silver.t  _expression     3
        d_silver.t  _rescued        2
        d_silver.t  not_seven       1
        d_silver.t  positive        4
        d_silver.t  small           2

        table       row         rules                      what failed
        d_silver.t  a.csv@1:5   not_seven, positive
        d_silver.t  a.csv@1:6   positive
        d_silver.t  a.csv@1:7   positive, small
        d_silver.t  a.csv@1:8   _expression                id: cast(id as bigint)
        d_silver.t  a.csv@1:9   _expression                amount: cast(amount as decimal(9, 2))
        d_silver.t  a.csv@1:10  _rescued                   too_many_fields
        d_silver.t  a.csv@1:11  _rescued, positive, small  missing_fields
        d_silver.t  a.csv@1:12  _expression                amount: cast(amount as decimal(9, 2))
        8 rows, 0 objects in quarantine
    "#]]
    .assert_eq(&project.karat(&["quarantine", "list"]).stdout);
    let rows = &project.karat(&["quarantine", "list", "--json"]).json()["rows"];
    expect![[r#"{"id":"a.csv@1:5","table":"d_silver.t","object":"a.csv","row":5,"position":null,"rules":["not_seven","positive"],"why":null,"repair":null}"#]].assert_eq(&rows[0].to_string());
    expect![[r#"
        _object,_delivery,_row,rules,row
        a.csv,1,5,"not_seven,positive","{""amount"":""-1"",""id"":""7""}"
        a.csv,1,6,positive,"{""amount"":""0"",""id"":""3""}"
        a.csv,1,7,"positive,small","{""id"":""4""}"
        a.csv,1,8,_expression,"{""amount"":""1"",""id"":""x""}"
        a.csv,1,9,_expression,"{""amount"":""1.234"",""id"":""5""}"
        a.csv,1,10,_rescued,"{""amount"":""1"",""id"":""6""}"
        a.csv,1,11,"_rescued,positive,small","{""id"":""8""}"
        a.csv,1,12,_expression,"{""amount"":"""",""id"":""9""}"
    "#]]
    .assert_eq(&project.rows("select _object, _delivery, _row, rules, row from d_quarantine.t"));
    assert_eq!(project.karat(&["verify"]).code, 0);
}

/// Rows of a database have no line: each has an address of its own all the same, and none is a value.
#[test]
fn rows_of_a_database_have_addresses() {
    let project = Project::one_feed(
        "{ source: db, table: o, mode: full, key: [id] }",
        "from: db.o\nselect: { id: id, amount: \"cast(decimal_from_double(amount) as decimal(4, 2))\", n: \"cast(n as bigint) + 1\" }\n",
    );
    project.sqlite("create table o (id integer primary key, amount real, n text); insert into o values (1, 1.5, '1'), (2, 100.0, '1'), (3, 1.0, 'x'), (4, 1000.0, 'y')");
    let run = project.karat(&["run", "--quiet", "--at", "2026-01-05T20:00:00Z"]);
    assert_eq!(run.code, 0, "{}", run.text());
    expect![[r#"
        table       rule         rows
        d_silver.t  _expression     3

        table       row               rules        what failed
        d_silver.t  o@1:34b77d7e067f  _expression  amount: cast(decimal_from_double(amount) as decimal(4, 2))
        d_silver.t  o@1:0a19538ffc24  _expression  n: cast(n as bigint) + 1
        d_silver.t  o@1:d70f18fe782d  _expression  amount: cast(decimal_from_double(amount) as decimal(4, 2)); n: cast(n as bigint) + 1
        3 rows, 0 objects in quarantine
    "#]].assert_eq(&project.karat(&["quarantine", "list"]).stdout);
    let rows = &project.karat(&["quarantine", "list", "--json"]).json()["rows"];
    expect![[r#"{"id":"o@1:34b77d7e067f","table":"d_silver.t","object":"o","row":null,"position":"34b77d7e067f","rules":["_expression"],"why":"amount: cast(decimal_from_double(amount) as decimal(4, 2))","repair":null}"#]].assert_eq(&rows[0].to_string());
    project.write(
        "domains/d/silver/t.yaml",
        "from: db.o\nselect: { id: id, n: n }\nexpectations: { number: { expect: \"n = '1'\", action: fail } }\n",
    );
    expect![[r#"
        error: `d_silver.t` was not committed: 2 rows break `number` (action: fail): o@1:0a19538ffc24, o@1:d70f18fe782d
        hint: nothing was written; look at the source rows of `d_silver.t`, correct them there, or give the rule the action `quarantine`
    "#]].assert_eq(&project.run(1).stderr);
}

#[test]
fn gates_decide_whether_a_version_is_made() {
    let silver = |rules: &str| {
        format!(
            "from: landing.o\nselect: {{ id: cast(id as bigint) }}\nexpectations: {{ {rules} }}\n"
        )
    };
    let project = Project::one_feed(
        FEED,
        &silver("known: { expect: \"id < 100\", action: quarantine, limit: 40% }"),
    );
    project.write("landing/a.csv", "id\n1\n2\n100\n");
    project.run(0);
    // 1 of 2 newly judged rows, though 2 of 5 of all.
    project.write("landing/b.csv", "id\n3\n101\n");
    expect![[r#"
        error: `d_silver.t` was not committed: 1 of 2 rows broke `known`, its limit is 40%: b.csv@1:3
        hint: nothing was written; look at the source, or raise the rule's `limit`
    "#]]
    .assert_eq(&project.run(1).stderr);
    project.run(1);
    expect!["n\n2\n"].assert_eq(&project.rows("select count(*) as n from d_silver.t"));
    project.write(
        "domains/d/silver/t.yaml",
        &silver("known: { expect: \"id < 100\", action: quarantine, limit: 60% }"),
    );
    project.run(0);
    expect!["n\n3\n"].assert_eq(&project.rows("select count(*) as n from d_silver.t"));
    // A built-in rule has its limit as well.
    project.write("landing/c.csv", "id\nx\n4\n");
    project.write(
        "domains/d/silver/t.yaml",
        &silver("_expression: { action: quarantine, limit: 10% }"),
    );
    expect![[r#"
        error: `d_silver.t` was not committed: 1 of 7 rows broke `_expression`, its limit is 10%: c.csv@1:2
        hint: nothing was written; look at the source, or raise the rule's `limit`
    "#]]
    .assert_eq(&project.run(1).stderr);
    project.write(
        "domains/d/silver/t.yaml",
        &silver("_expression: { action: fail }"),
    );
    expect![[r#"
        error: `d_silver.t` was not committed: 1 row breaks `_expression` (action: fail): c.csv@1:2
        hint: nothing was written; look at the source rows of `d_silver.t`, correct them there, or give the rule the action `quarantine`
    "#]].assert_eq(&project.run(1).stderr);
    project.write(
        "domains/d/silver/t.yaml",
        &silver("_expression: { action: drop }"),
    );
    project.run(0);
    expect!["7 read = 1 dropped + 6 kept"].assert_eq(&project.accounting("d_silver.t"));
}

#[test]
fn deletes_are_judged_only_when_asked_for() {
    let silver = |rule: &str| {
        format!(
            "from: landing.o\nselect: {{ id: cast(id as bigint), v: cast(v as bigint), op: op }}\nexpectations: {{ known: {{ expect: \"v > 0\", action: quarantine{rule} }} }}\nauto_cdc: {{ keys: [id], apply_as_deletes: \"op = 'D'\" }}\n"
        )
    };
    let project = Project::one_feed(FEED, &silver(""));
    // The last one's `v` is no number: a delete needs none.
    project.write(
        "landing/a.csv",
        "id,v,op\n1,1,I\n2,1,I\n3,1,I\n1,,D\n2,-,D\n",
    );
    project.run(0);
    expect!["id,v,op\n3,1,I\n"].assert_eq(&project.rows("select * from d_silver.t"));
    expect!["5 read = 2 deleted + 1 kept + 2 superseded"]
        .assert_eq(&project.accounting("d_silver.t"));
    project.write("domains/d/silver/t.yaml", &silver(", on: all"));
    project.run(0);
    expect![[r#"
        id,v,op
        1,1,I
        2,1,I
        3,1,I
    "#]]
    .assert_eq(&project.rows("select * from d_silver.t"));
    expect!["5 read = 3 kept + 2 quarantined"].assert_eq(&project.accounting("d_silver.t"));
}

#[test]
pub(crate) fn texts_become_values_or_fail_the_row() {
    let project = Project::one_feed(
        "{ source: landing, name: o, mode: incremental, path: \"*.csv\", null_values: [N/A] }",
        r#"from: landing.o
select:
  n: cast(n as bigint)
  d: cast(d as decimal(5,2))
  day: cast(day as date)
  at: cast(at as timestamp)
  t: t
"#,
    );
    project.write(
        "landing/a.csv",
        concat!(
            "n,d,day,at,t\n",
            "1,1.50,2026-02-28,2026-01-01 10:00:00.123456,N/A\n",
            "N/A,,,,\"\"\n",
            "9223372036854775808,1,2026-01-01,2026-01-01 00:00:00,too large\n",
            "1,1.505,2026-01-01,2026-01-01 00:00:00,a digit lost\n",
            "1,1000,2026-01-01,2026-01-01 00:00:00,too wide\n",
            "1,NaN,2026-01-01,2026-01-01 00:00:00,no number\n",
            "1,1,2026-02-30,2026-01-01 00:00:00,no day\n",
            "1,1,2026-01-01,2026-01-01 00:00:00.1234567,too fine\n",
            " 1,1,2026-01-01,2026-01-01 00:00:00,a blank\n",
            "1,1e2,2026-01-01,2026-01-01T00:00:00,an exponent\n",
        ),
    );
    project.run(0);
    expect![[r#"
        n,d,day,at,t
        1,1.50,2026-02-28,2026-01-01T10:00:00.123456,
        1,100.00,2026-01-01,2026-01-01T00:00:00,an exponent
        ,,,,""
    "#]]
    .assert_eq(&project.rows("select * from d_silver.t"));
    expect![[r#"
        _row,rules
        4,_expression
        5,_expression
        6,_expression
        7,_expression
        8,_expression
        9,_expression
        10,_expression
    "#]]
    .assert_eq(&project.rows("select _row, rules from d_quarantine.t"));
    // What the feed says of nulls is part of what the model is (A7).
    let domain = std::fs::read_to_string(project.path("domains/d/domain.yaml")).unwrap();
    project.write(
        "domains/d/domain.yaml",
        &domain.replace("N/A", "N/A, no day"),
    );
    project.run(0);
    let plan = project.karat(&["plan", "--json"]).json();
    assert!(
        plan["steps"]
            .as_array()
            .unwrap()
            .iter()
            .all(|step| step["action"] == "nothing"),
        "{plan}"
    );
}

#[test]
fn a_shifted_line_is_set_aside_whole() {
    let project = Project::one_feed(FEED, "from: landing.o\nselect: { id: id, v: v }\n");
    project.write_bytes(
        "landing/a.csv",
        b"id,v\n1,a\n2,b,c\n3\n4,\"d\"e\n5,\xff\xfe\n6,f\n7,\"g\n8,h\n",
    );
    project.run(0);
    expect![[r#"
        id,v
        1,a
        6,f
    "#]]
    .assert_eq(&project.rows("select * from d_silver.t"));
    expect![[r#"
        _row,id,v,_rescued
        3,2,b,"{""reason"":""too_many_fields"",""extra"":[""c""]}"
        4,3,,"{""reason"":""missing_fields"",""missing"":[""v""]}"
        5,4,"""d""e","{""reason"":""stray_quote"",""stray"":[""v""]}"
        6,5,,"{""reason"":""invalid_encoding"",""encoding"":""utf-8"",""bytes"":{""v"":""fffe""}}"
        8,7,,"{""reason"":""unclosed_quote"",""column"":""v"",""text"":""\""g\n8,h\n""}"
    "#]].assert_eq(&project.rows("select _row, id, v, _rescued from d_bronze.landing__o where _rescued is not null order by _row"));
    expect!["7 read = 2 kept + 5 quarantined"].assert_eq(&project.accounting("d_silver.t"));
    // Restated, the row goes on with what could be placed.
    project.write(
        "domains/d/silver/t.yaml",
        "from: landing.o\nselect: { id: id, v: v }\nexpectations: { _rescued: { action: warn } }\n",
    );
    project.run(0);
    expect!["7 read = 7 kept"].assert_eq(&project.accounting("d_silver.t"));
}

#[test]
pub(crate) fn provenance_is_no_content() {
    for column in ["_run", "_loaded_at", "_epoch", "_delivery"] {
        let project = Project::one_feed(
            FEED,
            &format!("from: landing.o\nselect: {{ id: id, p: {column} }}\n"),
        );
        project.write("landing/a.csv", "id\n1\n");
        let run = project.run(2);
        assert!(
            run.stderr
                .contains(&format!("error: `{column}` says how a row came here")),
            "{}",
            run.stderr
        );
    }
    // The address and the order of a row are content.
    let project = Project::one_feed(
        FEED,
        "from: landing.o\nselect: { id: id, o: _object, r: _row }\n",
    );
    project.write("landing/a.csv", "id\n1\n");
    project.run(0);
    expect!["id,o,r\n1,a.csv,2\n"].assert_eq(&project.rows("select * from d_silver.t"));
}

/// A rule whose expression fails says so: it is the rule that is wrong, not the row.
#[test]
fn a_failing_expectation_fails_the_model() {
    let project = Project::one_feed(
        FEED,
        "from: landing.o\nselect: { id: cast(id as bigint) }\nexpectations: { ratio: { expect: \"10 / id > 1\", action: drop } }\n",
    );
    project.write("landing/a.csv", "id\n1\n0\n");
    expect![[r#"
        error: `d_silver.t` was not committed: the expression of its expectation `ratio` fails on row `a.csv@1:3`
          caused by: division by zero in `10 / id > 1`
        hint: an overflow, a division by zero or a cast: let the rule leave such rows out with `case when … then … end`
    "#]].assert_eq(&project.run(3).stderr);
}

#[test]
fn a_key_without_auto_cdc_is_proved_within_a_load_and_across_loads() {
    let model = "from: landing.o\nselect:\n  id: cast(id as bigint)\n  v: v\nkey: [id]\n";
    let project = Project::one_feed(FEED, model);
    project.write("landing/a.csv", "id,v\n1,a\n2,b\n");
    project.run(0);
    project.write("landing/b.csv", "id,v\n3,c\n5,e\n");
    project.run(0);
    project.write("landing/c.csv", "id,v\n2,z\n4,d\n");
    let refused = project.run(1);
    expect![[r#"
        error: `d_silver.t` was not committed: its rows are not unique by `key: [id]`: a.csv@1:3, c.csv@1:2
        hint: name the columns that identify a row in `key`; where rows replace each other, use `auto_cdc`
    "#]]
    .assert_eq(&refused.stderr);
    expect![[r#"
        id,v
        1,a
        2,b
        3,c
        5,e
    "#]]
    .assert_eq(&project.rows("select * from d_silver.t"));
    // The row comes back right: the table is what it would be had it come so at first.
    project.write("landing/c.csv", "id,v\n4,d\n");
    project.run(0);
    expect!["7 read = 5 kept + 2 superseded"].assert_eq(&project.accounting("d_silver.t"));
    assert_eq!(project.karat(&["verify", "--quiet"]).code, 0);
    project.remove("lake");
    project.write("landing/d.csv", "id,v\n9,x\n9,x\n");
    assert!(
        project
            .run(1)
            .stderr
            .contains("by `key: [id]`: d.csv@1:2, d.csv@1:3\n")
    );
}
