//! SQL in, what was understood of it out.
#![allow(clippy::unwrap_used, reason = "a test may fail by panic")]

use expect_test::{Expect, expect};
use karat_sql::{Expression, Query, normalised};

fn check(sql: &str, expected: Expect) {
    let shown = match Query::parse(sql) {
        Ok(query) => {
            let at = |span: karat_sql::Span| {
                format!(
                    "{}:{}+{}",
                    span.start.line,
                    span.start.column,
                    span.length()
                )
            };
            let tables: Vec<String> = query
                .tables
                .iter()
                .map(|table| format!("{}@{}", table.name(), at(table.span)))
                .collect();
            let outputs: Vec<String> = query
                .outputs
                .iter()
                .map(|output| match (&output.name, output.star) {
                    (Some(name), _) => name.clone(),
                    (None, true) => "*".to_string(),
                    (None, false) => "?".to_string(),
                })
                .collect();
            let columns: Vec<String> = query
                .columns
                .iter()
                .map(|column| {
                    let dot: String = column
                        .qualifier
                        .iter()
                        .map(|part| format!("{part}."))
                        .collect();
                    let from = match &column.tables {
                        None => "?".to_string(),
                        Some(tables) => tables
                            .iter()
                            .map(|at| query.tables[*at].name())
                            .chain(column.derived.iter().map(|at| {
                                let derived = &query.derived[*at];
                                let names: Vec<&str> =
                                    derived.columns.iter().map(String::as_str).collect();
                                format!("{}({})", derived.name, names.join(","))
                            }))
                            .collect::<Vec<_>>()
                            .join("|"),
                    };
                    format!("{dot}{}<-{from}", column.name)
                })
                .collect();
            format!(
                "tables {}\noutput {}\ncolumns {}\n",
                tables.join(" "),
                outputs.join(" "),
                columns.join(" ")
            )
        }
        Err(error) => format!(
            "{}:{}+{} {error} ({})\n",
            error.line,
            error.column,
            error.length,
            error.hint.as_deref().unwrap_or("")
        ),
    };
    expected.assert_eq(&shown);
}

#[test]
fn tables_and_outputs() {
    check(
        "select o.id, Amount as Total, sum(x), 1 from Sales_Silver.Orders o",
        expect![[r#"
        tables sales_silver.orders@1:46+19
        output id total ? ?
        columns o.id<-sales_silver.orders amount<-sales_silver.orders x<-sales_silver.orders
    "#]],
    );
    check(
        "select a from a_silver.b union all select c from d_silver.e order by a",
        expect![[r#"
        tables a_silver.b@1:15+10 d_silver.e@1:50+10
        output a
        columns a<-a_silver.b c<-d_silver.e a<-?
    "#]],
    );
    check(
        "select *, b.* from a_silver.b as b",
        expect![[r#"
        tables a_silver.b@1:20+10
        output * *
        columns 
    "#]],
    );
    check(
        "select 1 as one",
        expect![[r#"
        tables 
        output one
        columns 
    "#]],
    );
    check(
        "from a_silver.b",
        expect![[r#"
        tables a_silver.b@1:6+10
        output *
        columns 
    "#]],
    );
}

#[test]
fn ctes_aliases_subqueries_and_functions_are_no_tables() {
    check(
        "with a as (select x from p_silver.q), b as (select y from a) select a.x, b.y from a join b on a.x = b.y",
        expect![[r#"
            tables p_silver.q@1:26+10
            output x y
            columns x<-p_silver.q y<-a(x) a.x<-a(x) b.y<-b(y) a.x<-a(x) b.y<-b(y)
        "#]],
    );
    check(
        "with recursive r as (select 1 as n union all select n + 1 from r where n < 5) select n from r",
        expect![[r#"
            tables 
            output n
            columns n<-r(n) n<-r(n) n<-r(n)
        "#]],
    );
    check(
        "select t.x from (select x from p_silver.q) t where exists (select 1 from p_silver.r where r.k = t.x)",
        expect![[r#"
            tables p_silver.q@1:32+10 p_silver.r@1:74+10
            output x
            columns t.x<-t(x) x<-p_silver.q|t(x) r.k<-p_silver.r t.x<-t(x)
        "#]],
    );
    check(
        "select v, s from unnest([1, 2]) as u(v), generate_series(1, 3) as g(s), (values (1), (2)) as w(z)",
        expect![[r#"
        tables 
        output v s
        columns v<-? s<-?
    "#]],
    );
    check(
        "select x from a_silver.b where b.y in (select y from a_silver.c) and x > (select max(z) from a_silver.d)",
        expect![[r#"
        tables a_silver.b@1:15+10 a_silver.c@1:54+10 a_silver.d@1:94+10
        output x
        columns x<-a_silver.b b.y<-a_silver.b y<-a_silver.c|a_silver.b x<-a_silver.b z<-a_silver.d|a_silver.b
    "#]],
    );
    check(
        "select p.x from (a_silver.b p join a_silver.c q on p.x = q.x) left join lateral (select p.x as z) l on true",
        expect![[r#"
        tables a_silver.b@1:18+10 a_silver.c@1:36+10
        output x
        columns p.x<-a_silver.b p.x<-a_silver.b q.x<-a_silver.c p.x<-a_silver.b
    "#]],
    );
}

#[test]
fn columns_are_traced_only_where_the_text_tells() {
    check(
        "select a_silver.b.x, b.y, c.z, w from a_silver.b, a_silver.c",
        expect![[r#"
        tables a_silver.b@1:39+10 a_silver.c@1:51+10
        output x y z w
        columns a_silver.b.x<-a_silver.b b.y<-a_silver.b c.z<-a_silver.c w<-a_silver.b|a_silver.c
    "#]],
    );
    check(
        "select x as y, count(*) filter (where f > 0) as n from a_silver.b group by y having n > 1 order by y",
        expect![[r#"
        tables a_silver.b@1:56+10
        output y n
        columns x<-a_silver.b f<-a_silver.b y<-? n<-? y<-?
    "#]],
    );
    check(
        "select s.field.inner, m['k'], (l)[1], r.a[1].b, transform(l, e -> e + f) as t from a_silver.b",
        expect![[r#"
            tables a_silver.b@1:84+10
            output inner ? ? ? t
            columns s.field.inner<-? m<-a_silver.b l<-a_silver.b r<-a_silver.b l<-a_silver.b e<-? e<-? f<-a_silver.b
        "#]],
    );
    check(
        "select x from a_silver.b order by (select max(y) from a_silver.c where k = b.x)",
        expect![[r#"
        tables a_silver.b@1:15+10 a_silver.c@1:55+10
        output x
        columns x<-a_silver.b y<-? k<-? b.x<-?
    "#]],
    );
    check(
        "select sum(x) over (partition by p order by o rows between 1 preceding and current row) as s, extract(year from d) as e, interval '1 day' as i, cast(z as decimal(10, 2)) as c from a_silver.b",
        expect![[r#"
        tables a_silver.b@1:181+10
        output s e i c
        columns x<-a_silver.b p<-a_silver.b o<-a_silver.b d<-a_silver.b z<-a_silver.b
    "#]],
    );
}

#[test]
fn columns_of_subqueries_and_ctes_are_known_where_each_has_a_name() {
    for (sql, expected) in [
        (
            "with x as (select a, b as c from s_silver.t), y(d) as (select * from s_silver.t) select a, x.c, d, x.e from x, y",
            expect![[r#"
                tables s_silver.t@1:34+10 s_silver.t@1:70+10
                output a c d e
                columns a<-s_silver.t b<-s_silver.t a<-x(a,c)|y(d) x.c<-x(a,c) d<-x(a,c)|y(d) x.e<-x(a,c)
            "#]],
        ),
        (
            "select a, q.B, z from (select t.a, \"B\" from s_silver.t union all select 1, 2) as q join s_silver.u on q.a = u.a",
            expect![[r#"
                tables s_silver.u@1:89+10 s_silver.t@1:45+10
                output a b z
                columns a<-s_silver.u|q(a,b) q.b<-q(a,b) z<-s_silver.u|q(a,b) t.a<-s_silver.t b<-s_silver.t|s_silver.u|q(a,b) q.a<-q(a,b) u.a<-s_silver.u
            "#]],
        ),
        (
            "select a from (select * from s_silver.t) q, (select count(*) from s_silver.t) r where q.b = r.c",
            expect![[r#"
                tables s_silver.t@1:30+10 s_silver.t@1:67+10
                output a
                columns a<-? q.b<-? r.c<-?
            "#]],
        ),
        (
            "with recursive r as (select 1 as n union all select n + 1 from r where n < 3) select n, m from r",
            expect![[r#"
                tables 
                output n m
                columns n<-r(n) n<-r(n) n<-r(n) m<-r(n)
            "#]],
        ),
        (
            "select v.a, (select max(b) from (values (1)) as w(b) where b < v.a) from (values (1, 2)) v",
            expect![[r#"
                tables 
                output a ?
                columns v.a<-v(column1,column2) b<-w(b)|v(column1,column2) b<-w(b)|v(column1,column2) v.a<-v(column1,column2)
            "#]],
        ),
        (
            "with x as (select 1 as a) select (with x as (select 2 as b) select x.b from x) as c, x.a, x from x",
            expect![[r#"
                tables 
                output c a x
                columns x.b<-x(b) x.a<-x(a) x<-?
            "#]],
        ),
    ] {
        check(sql, expected);
    }
}

#[test]
fn exactly_one_select() {
    check(
        "",
        expect![[r#"
        1:1+1 SQL: there is no SELECT (write one SELECT; comments alone make no table)
    "#]],
    );
    check(
        "select 1 as a;;\n-- end\n",
        expect![[r#"
        tables 
        output a
        columns 
    "#]],
    );
    check(
        "select 1 as a; select 2 as b",
        expect![[r#"
        1:16+6 SQL: a second statement begins here (write exactly one SELECT)
    "#]],
    );
    check(
        "values (1)",
        expect![[r#"
        tables 
        output column1
        columns 
    "#]],
    );
    check(
        "table a",
        expect![[r#"
        1:1+5 SQL: expected an SQL statement, found table ()
    "#]],
    );
    check(
        "-- c\n  drop table a",
        expect![[r#"
        2:3+4 SQL: `drop` is not a SELECT (write exactly one SELECT)
    "#]],
    );
    check(
        "with x as (delete from a returning b) select b from x",
        expect![[r#"
        1:12+25 SQL: `delete` is not a SELECT (write exactly one SELECT)
    "#]],
    );
    check(
        "select a into b from c_silver.d",
        expect![[r#"
        1:15+1 SQL: `select into` writes a table (a model is one SELECT; its own name is the table)
    "#]],
    );
    check(
        "select a from c_silver.d for update",
        expect![[r#"
        1:1+24 SQL: a model cannot lock rows (remove `for update` or `for share`)
    "#]],
    );
    check(
        "explain select 1",
        expect![[r#"
        1:1+7 SQL: `explain` is not a SELECT (write exactly one SELECT)
    "#]],
    );
}

#[test]
fn what_the_engine_would_pass_over_is_refused() {
    for (sql, place) in [
        ("select a from d.t tablesample (10)", "1:15"),
        ("select a from (select 1 as a) s tablesample (10)", "1:16"),
        ("select a from d.t with (nolock)", "1:15"),
        ("select a from d.t partition (p)", "1:15"),
        ("select a from d.t prewhere a > 1", "1:28"),
        ("select a from d.t settings x = 1", "1:1"),
        ("select a from d.t format JSON", "1:1"),
        ("select a, count(*) from d.t group by a with rollup", "1:38"),
        ("select a from d.t distribute by a", "1:1"),
        ("select quantile(0.5)(a) from d.t", "1:8"),
        ("select a from d.t where a is distinct from b and c", "1:25"),
    ] {
        let error = karat_sql::Query::parse(sql).expect_err(sql);
        assert_eq!(
            format!("{}:{}", error.line, error.column),
            place,
            "{sql}: {error}"
        );
        assert!(error.hint.is_some(), "{sql}");
    }
}

#[test]
fn a_query_may_have_pipes_and_a_model_may_not() {
    let sql =
        "select a from d.t |> join d.u using (a) |> union all (select a from d.v) |> where a > 1";
    let tables = karat_sql::references(sql).expect("a query");
    let names: Vec<String> = tables.iter().map(karat_sql::TableRef::name).collect();
    assert_eq!(names, ["d.t", "d.v", "d.u"]);
    let error = karat_sql::Query::parse(sql).expect_err("no model");
    assert_eq!((error.line, error.column), (1, 1), "{error}");
}

#[test]
fn a_type_of_structs_has_either_kind_of_brackets() {
    for sql in [
        "select cast(a as struct(b integer, c struct(d decimal(9, 2)))) from d.t",
        "select cast(a as struct<b integer>), a::struct(b integer)[] as struct from d.t",
        "select struct(a, b) as c from d.t",
    ] {
        let query = karat_sql::Query::parse(sql).expect(sql);
        assert_eq!(query.tables.len(), 1, "{sql}");
    }
}

#[test]
fn an_expression_over_one_row_is_held_to_the_same() {
    let error = Expression::parse("a is distinct from b and c").expect_err("is refused");
    assert_eq!((error.line, error.column), (1, 1), "{error}");
    assert!(Expression::parse("(a is distinct from b) and c").is_ok());
}

#[test]
fn a_comparison_in_brackets_is_clear() {
    for sql in [
        "select a from d.t where (a is distinct from b) and c",
        "select a from d.t where c and a is not distinct from b + 1",
        "select a from d.t where a is distinct from (b and c)",
    ] {
        assert!(karat_sql::Query::parse(sql).is_ok(), "{sql}");
    }
}

#[test]
fn syntax_errors_have_a_place() {
    check(
        "select a,\n  b c d\nfrom x_silver.y",
        expect![[r#"
        2:7+1 SQL: expected end of statement, found d ()
    "#]],
    );
    check(
        "select (a",
        expect![[r#"
        1:10+1 SQL: expected ), found the end of the text ()
    "#]],
    );
    check(
        "select 'ä', ß ß ß",
        expect![[r#"
        1:17+1 SQL: expected end of statement, found ß ()
    "#]],
    );
    check(
        "select 'open",
        expect![[r#"
        1:8+1 SQL: unterminated string literal ()
    "#]],
    );
    check(
        "select /* open",
        expect![[r#"
        1:15+1 SQL: unexpected EOF while in a multi-line comment ()
    "#]],
    );
    check(
        "selec 1",
        expect![[r#"
        1:1+5 SQL: expected an SQL statement, found selec ()
    "#]],
    );
    check(
        &format!("select {}1{}", "(".repeat(2000), ")".repeat(2000)),
        expect![[r#"
        1:1+1 SQL: nested too deeply (split it with `with name as (…)`)
    "#]],
    );
}

#[test]
fn slips_are_told_with_what_was_meant() {
    let texts = [
        "select a from d.t where day > 2026-03-04",
        "select a\nfrom d.t where day between 2026-03-01 and 2026-03-05",
        "select top 3 * from d.t",
        "select distinct TOP (10) a from d.t",
        "select case when amount > 0 then 'x' from d.t",
        "select a, case when a is distinct from b then 1 else 2 as c from d.t",
        "select sum(case when a then case b when 1 then 2 end) as s from d.t",
        "select top from d.t",
        "select a, end from d.t",
        "select a from d.t end where a > 5",
        "from d.t where a > 5",
        "select a from d.t group order by a",
        "select 2026 - 03 - 04 as n, 2026-13-01 as m, top, case from d.t where top = 3",
        "select t.top as a, t.end, case when a then 1 end as b from d.t as t where top > 1",
    ];
    let told = |sql: &&str| match Query::parse(sql) {
        Ok(_) => format!("{sql}\n  fine\n"),
        Err(error) => format!(
            "{sql}\n  {}:{}+{} {error} ({})\n",
            error.line,
            error.column,
            error.length,
            error.hint.as_deref().unwrap_or("")
        ),
    };
    let told: String = texts.iter().map(told).collect();
    expect![[r#"
        select a from d.t where day > 2026-03-04
          1:31+10 SQL: `2026-03-04` without quotes is a subtraction, 2019 (a date is written date '2026-03-04'; a subtraction has blanks: 2026 - 03 - 04)
        select a
        from d.t where day between 2026-03-01 and 2026-03-05
          2:28+10 SQL: `2026-03-01` without quotes is a subtraction, 2022 (a date is written date '2026-03-01'; a subtraction has blanks: 2026 - 03 - 01)
        select top 3 * from d.t
          1:8+3 SQL: `top` is not available (write `limit 3` at the end of the query)
        select distinct TOP (10) a from d.t
          1:17+3 SQL: `top` is not available (write `limit 10` at the end of the query)
        select case when amount > 0 then 'x' from d.t
          1:8+4 SQL: this `case` has no `end` (write case when … then … else … end)
        select a, case when a is distinct from b then 1 else 2 as c from d.t
          1:11+4 SQL: this `case` has no `end` (write case when … then … else … end)
        select sum(case when a then case b when 1 then 2 end) as s from d.t
          1:12+4 SQL: this `case` has no `end` (write case when … then … else … end)
        select top from d.t
          1:8+3 SQL: `top` stands for a name here, and is a word of SQL (as a name it is written in double quotes: "top")
        select a, end from d.t
          1:11+3 SQL: `end` stands for a name here, and is a word of SQL (as a name it is written in double quotes: "end")
        select a from d.t end where a > 5
          1:19+3 SQL: expected the end of the query, found end ()
        from d.t where a > 5
          1:10+5 SQL: expected end of statement, found where (begin with `select *`)
        select a from d.t group order by a
          1:19+5 SQL: expected end of statement, found group ()
        select 2026 - 03 - 04 as n, 2026-13-01 as m, top, case from d.t where top = 3
          1:46+3 SQL: `top` stands for a name here, and is a word of SQL (as a name it is written in double quotes: "top")
        select t.top as a, t.end, case when a then 1 end as b from d.t as t where top > 1
          fine
    "#]].assert_eq(&told);
}

#[test]
fn expressions() {
    let check = |sql: &str, expected: Expect| {
        let shown = match Expression::parse(sql) {
            Ok(expression) => {
                let columns: Vec<&str> = expression
                    .columns
                    .iter()
                    .map(|column| column.name.as_str())
                    .collect();
                format!("{} | {}", columns.join(" "), expression.normalised())
            }
            Err(error) => format!(
                "{}:{}+{} {error} ({})",
                error.line,
                error.column,
                error.length,
                error.hint.as_deref().unwrap_or("")
            ),
        };
        expected.assert_eq(&shown);
    };
    check(
        "CAST(Amount AS decimal(10,2))",
        expect!["amount | cast ( amount as decimal ( 10 , 2 ) )"],
    );
    check(
        "case when a = 'X y' then \"B c\" else null end",
        expect![[r#"a b c | case when a = 'X y' then "B c" else null end"#]],
    );
    check(
        "a +",
        expect!["1:4+1 SQL: expected an expression, found the end of the text ()"],
    );
    check(
        "a, b",
        expect!["1:2+1 SQL: expected the end of the expression, found , ()"],
    );
    check(
        "a;",
        expect!["1:2+1 SQL: a semicolon does not belong in an expression ()"],
    );
    check(
        "a as b",
        expect!["1:3+2 SQL: `as` does not belong here: the key is the name ()"],
    );
    check(
        "(select 1)",
        expect![
            "1:2+8 SQL: a subquery is not available in an expression over one row (join in a gold model instead)"
        ],
    );
    check(
        "*",
        expect!["1:1+1 SQL: expected an expression, found * ()"],
    );
    check(
        "case when day > date '2026-01-01' then 1 else 2",
        expect!["1:1+4 SQL: this `case` has no `end` (write case when … then … else … end)"],
    );
    check(
        "day >= 2026-01-01",
        expect![
            "1:8+10 SQL: `2026-01-01` without quotes is a subtraction, 2024 (a date is written date '2026-01-01'; a subtraction has blanks: 2026 - 01 - 01)"
        ],
    );
    check(
        "a = 1 or note <> null",
        expect![
            "1:10+12 SQL: nothing is other than null: this is never true (write `x is not null`)"
        ],
    );
    check(
        "null = note",
        expect!["1:1+11 SQL: nothing is equal to null: this is never true (write `x is null`)"],
    );
    check("amount + end", expect!["amount end | amount + end"]);
    check(
        " -- nothing",
        expect!["1:1+1 SQL: the expression is empty ()"],
    );
}

#[test]
fn normalised_text_keeps_what_matters() {
    let same = |a: &str, b: &str| assert_eq!(normalised(a).unwrap(), normalised(b).unwrap());
    same("select a from t", "SELECT\n\ta /* x */ FROM T -- y\n;");
    same("a>=1", "a >= 1");
    let differ = |a: &str, b: &str| assert_ne!(normalised(a).unwrap(), normalised(b).unwrap());
    differ("'A'", "'a'");
    differ("'a b'", "'a  b'");
    differ("\"A\"", "\"a\"");
    differ("'a''b'", "'a' 'b'");
    differ("1.10", "1.1");
    differ("e'\\n'", "'\\n'");
}

proptest::proptest! {
    #[test]
    fn any_text_gives_an_answer(text in "[ -~äß\n]{0,60}") {
        let _ = Query::parse(&text);
        let _ = Expression::parse(&text);
        let _ = Query::parse(&format!("select {text} from a_silver.b"));
    }

    #[test]
    fn normalising_twice_is_normalising_once(text in "(select|from|a|B|'x Y'|\"Q q\"|1.0|,|\\(|\\)|>=|--c\n| |\n){0,30}") {
        if let Ok(once) = normalised(&text) {
            proptest::prop_assert_eq!(normalised(&once).unwrap(), once);
        }
    }
}
