//! `karat query` says what an expression is worth, exactly, or why it has no value (rules D2, E1 to E6).

use expect_test::expect;

use crate::project::Project;

/// One line for each expression: its type and value, or the error.
fn values(expressions: &[&str]) -> String {
    let project = Project::empty();
    project.write("one.csv", "t\n1\n");
    let mut lines = String::new();
    for expression in expressions {
        let answer = project.karat(&[
            "query",
            "--json",
            "--table",
            "one=one.csv",
            &format!("select {expression} as x from one"),
        ]);
        let document = answer.json();
        let line = if answer.code == 0 {
            format!(
                "{}: {}",
                document["columns"][0]["type"].as_str().unwrap(),
                document["rows"][0]["x"]
            )
        } else {
            format!(
                "exit {}: {}",
                answer.code,
                document["error"]["message"].as_str().unwrap()
            )
        };
        lines.push_str(&format!("{expression}  =>  {line}\n"));
    }
    lines
}

#[test]
fn numbers() {
    expect![[r#"
        0.1  =>  decimal(1,1): 0.1
        0.1 + 0.2  =>  decimal(2,1): 0.3
        1_000 + 0x1F  =>  bigint: 1031
        1 / 3  =>  decimal(38,6): 0.333333
        7 div 2  =>  exit 2: SQL: `div` is no operator
        div(-7, 2)  =>  bigint: -3
        -7 % 3  =>  bigint: -1
        1.00 / 3  =>  decimal(38,8): 0.33333333
        2.5 * 2.5  =>  decimal(4,2): 6.25
        9223372036854775807 + 1  =>  exit 3: the result of `9223372036854775807 + 1` does not fit its type, at 1:8
        1 / 0  =>  exit 3: division by zero in `1 / 0`, at 1:8
        cast('1.5' as bigint)  =>  exit 3: a text is no number that fits in `cast('1.5' as bigint)`, at 1:8
        cast('1.50' as decimal(9,2))  =>  decimal(9,2): 1.5
        cast('1.505' as decimal(9,2))  =>  exit 3: a text is no number that fits in `cast('1.505' as decimal(9,2))`, at 1:8
        cast(1.505 as decimal(9,2))  =>  decimal(9,2): 1.51
        cast(2 as boolean)  =>  exit 3: a value cannot be converted without loss in `cast(2 as boolean)`, at 1:8
        cast('abc' as date)  =>  exit 3: a text is no date in `cast('abc' as date)`, at 1:8
        date '2026-02-30'  =>  exit 3: a text is no date in `date '2026-02-30'`, at 1:8
        decimal_from_double(cast('0.1' as double))  =>  decimal(38,10): 0.1
        cast('NaN' as double) = cast('NaN' as double)  =>  boolean: true
        cast('0.1' as double) = 0.1  =>  boolean: false
        -cast('0' as double) = cast('0' as double)  =>  boolean: true
        9007199254740993 = cast('9007199254740992' as double)  =>  boolean: false
        99999999999999999999999999999999999999 + 1  =>  exit 3: the result of `99999999999999999999999999999999999999 + 1` does not fit its type, at 1:8
        99999999999999999999.9 * 99999999999999999999.9  =>  exit 3: the result of `99999999999999999999.9 * 99999999999999999999.9` does not fit its type, at 1:8
        abs(cast('-9223372036854775808' as bigint))  =>  exit 3: the result of `abs(cast('-9223372036854775808' as bigint))` does not fit its type, at 1:8
        sqrt(2)  =>  double: 1.4142135623730951
        exp(1)  =>  double: 2.718281828459045
        false and 1 / 0 > 0  =>  boolean: false
        true or 1 / 0 > 0  =>  boolean: true
        null and 1 / 0 > 0  =>  boolean: null
        case when true then 1 else 1 / 0 end  =>  decimal(38,6): 1.0
        coalesce(1, 1 / 0)  =>  decimal(38,6): 1.0
        nullif(1, 1)  =>  bigint: null
        random()  =>  exit 2: `random` has no single answer
        upper('straße')  =>  string: "STRASSE"
        interval '1 month'  =>  interval: "1 mons"
    "#]].assert_eq(&values(&[
        "0.1",
        "0.1 + 0.2",
        "1_000 + 0x1F",
        "1 / 3",
        "7 div 2",
        "div(-7, 2)",
        "-7 % 3",
        "1.00 / 3",
        "2.5 * 2.5",
        "9223372036854775807 + 1",
        "1 / 0",
        "cast('1.5' as bigint)",
        "cast('1.50' as decimal(9,2))",
        "cast('1.505' as decimal(9,2))",
        "cast(1.505 as decimal(9,2))",
        "cast(2 as boolean)",
        "cast('abc' as date)",
        "date '2026-02-30'",
        "decimal_from_double(cast('0.1' as double))",
        "cast('NaN' as double) = cast('NaN' as double)",
        "cast('0.1' as double) = 0.1",
        "-cast('0' as double) = cast('0' as double)",
        "9007199254740993 = cast('9007199254740992' as double)",
        "99999999999999999999999999999999999999 + 1",
        "99999999999999999999.9 * 99999999999999999999.9",
        "abs(cast('-9223372036854775808' as bigint))",
        "sqrt(2)",
        "exp(1)",
        "false and 1 / 0 > 0",
        "true or 1 / 0 > 0",
        "null and 1 / 0 > 0",
        "case when true then 1 else 1 / 0 end",
        "coalesce(1, 1 / 0)",
        "nullif(1, 1)",
        "random()",
        "upper('straße')",
        "interval '1 month'",
    ]));
}

#[test]
fn errors_are_seen_only_where_they_are_part_of_the_answer() {
    let project = Project::empty();
    project.write("t.csv", "a,b\n1,0\n2,1\n3,\n");
    let rows = |sql: &str| {
        let answer = project.karat(&[
            "query", "--quiet", "--format", "csv", "--table", "t=t.csv", sql,
        ]);
        format!("{sql}\n{}", answer.text().replace('\r', ""))
    };
    let mut said = String::new();
    for sql in [
        "select a from t where cast(b as bigint) <> 0 and 1 / cast(b as bigint) = 1",
        "select count(*) as n from (select 1 / cast(b as bigint) as x from t) as s",
        "select a, case when b <> '0' then 1 / cast(b as bigint) end as x from t",
        "select sum(1 / cast(b as bigint)) as x from t",
        "select a from t where 1 / cast(b as bigint) = 1",
        "select a from t order by 1 / cast(b as bigint) limit 1",
    ] {
        said.push_str(&rows(sql));
    }
    expect![[r#"
        select a from t where cast(b as bigint) <> 0 and 1 / cast(b as bigint) = 1
        a
        2
        --- exit 0
        select count(*) as n from (select 1 / cast(b as bigint) as x from t) as s
        n
        3
        --- exit 0
        select a, case when b <> '0' then 1 / cast(b as bigint) end as x from t
        a,x
        1,
        2,1.000000
        3,
        --- exit 0
        select sum(1 / cast(b as bigint)) as x from t
        --- stderr
        error: division by zero in `1 / cast(b as bigint)`, at 1:12
        hint: use nullif(divisor, 0), or leave those rows out with case
        --- exit 3
        select a from t where 1 / cast(b as bigint) = 1
        --- stderr
        error: division by zero in `1 / cast(b as bigint)`, at 1:23
        hint: use nullif(divisor, 0), or leave those rows out with case
        --- exit 3
        select a from t order by 1 / cast(b as bigint) limit 1
        --- stderr
        error: division by zero in `1 / cast(b as bigint)`, at 1:26
        hint: use nullif(divisor, 0), or leave those rows out with case
        --- exit 3
    "#]]
    .assert_eq(&said);
}

#[test]
fn answers_have_one_order() {
    let project = Project::empty();
    project.write("t.csv", "a,b\nb,\na,2\n\"\",1\na,1\n,9\n");
    let query = |more: &[&str], sql: &str| {
        project
            .karat(&[&["query", "--table", "t=t.csv", sql], more].concat())
            .text()
            .replace('\r', "")
    };
    expect![[r#"
        a,b
        "",1
        a,1
        a,2
        b,
        ,9
        --- exit 0
    "#]]
    .assert_eq(&query(&["--format", "csv"], "select a, b from t"));
    expect![[r#"
        a,b
        ,9
        a,2
        "",1
        a,1
        b,
        --- exit 0
    "#]]
    .assert_eq(&query(
        &["--format", "csv"],
        "select a, b from t order by b desc",
    ));
    expect![[r#"
        --- stderr
        error: row_number() over has no single answer here: rows could tie, and no unique key of its input is known
         --> line 1, column 11
          |
        1 | select a, row_number() over (order by a) as n from t
          |           ^
        hint: declare the `key:` of the tables read, keep their key columns down to this operator, or order by columns that identify a row
        --- exit 2
    "#]].assert_eq(&query(&["--format", "csv", "--strict"], "select a, row_number() over (order by a) as n from t"));
    expect![[r#"
        a,n
        "",1
        a,2
        a,3
        b,4
        ,5
        --- stderr
        note: the order of row_number() over was completed with all columns, in name order: no unique key is known
        --- exit 0
    "#]].assert_eq(&query(&["--format", "csv"], "select a, row_number() over (order by a) as n from t"));
}
