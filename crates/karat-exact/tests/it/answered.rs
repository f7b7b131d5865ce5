//! Answered, not refused, on files without declared keys: each window function that DataFusion has, aggregates that depend on an order,
//! sets, limits. One answer for any number of threads and any order of rows in any number of files.

use std::collections::BTreeSet;

use datafusion::execution::session_state::SessionStateBuilder;
use expect_test::expect;

use crate::harness::Bench;

const COLUMNS: &str = "id Int64; k Utf8; n Int64; d Decimal128(10, 2)";

/// Ties in every column but the first, and nulls.
fn rows() -> Vec<String> {
    let row = |id: i64| {
        let k = ["a", "b", "", "c"][(id * 7 % 4) as usize];
        let n = match id * 5 % 7 {
            3 => String::new(),
            n => n.to_string(),
        };
        format!("{id},{k},{n},{}.{:02}\n", id * 11 % 3, id * 13 % 2)
    };
    (0..60).map(row).collect()
}

/// The same rows in other files and another order, and the threads that read them.
fn layouts() -> Vec<Bench> {
    let rows = rows();
    let layout = |threads: usize, step: usize, files: usize| {
        let rows: Vec<&str> = (0..rows.len())
            .map(|at| rows[at * step % rows.len()].as_str())
            .collect();
        let parts: Vec<String> = rows
            .chunks(rows.len().div_ceil(files))
            .map(|part| part.concat())
            .collect();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let mut bench = Bench::new().table("f.t", COLUMNS, &[], &parts);
        bench.threads = threads;
        bench
    };
    vec![layout(1, 1, 1), layout(7, 11, 3), layout(64, 13, 8)]
}

/// Whether all layouts give one answer, and what begins it.
fn asked(layouts: &[Bench], sql: &str) -> String {
    let mut answers = layouts.iter().map(|bench| bench.query(sql));
    let first = answers.next().unwrap_or_default();
    if let Some(other) = answers.find(|other| *other != first) {
        return format!("{sql}\n  DIFFERS\n{first}\n{other}\n");
    }
    let told: Vec<&str> = first
        .lines()
        .filter(|line| !line.starts_with("note: "))
        .take(3)
        .collect();
    format!("{sql}\n  {}\n", told.join(" / "))
}

#[test]
fn every_window_function() {
    let layouts = layouts();
    let mut defaults = SessionStateBuilder::new_with_default_features();
    let functions = defaults.window_functions().take().unwrap_or_default();
    let names: BTreeSet<&str> = functions.iter().map(|function| function.name()).collect();
    let calls = names.into_iter().map(|name| {
        let args = match name {
            "row_number" | "rank" | "dense_rank" | "percent_rank" | "cume_dist" => "",
            "ntile" => "4",
            "nth_value" => "id, 2",
            "lag" | "lead" => "id, 2, -1",
            _ => "id",
        };
        format!("{name}({args}) over w as {name}")
    });
    let calls = calls.collect::<Vec<_>>().join(", ");
    let text: String = ["", "partition by k order by n"]
        .iter()
        .map(|order| format!("select id, {calls} from f.t window w as ({order})"))
        .map(|sql| asked(&layouts, &sql))
        .collect();
    expect![[r#"
        select id, cume_dist() over w as cume_dist, dense_rank() over w as dense_rank, first_value(id) over w as first_value, lag(id, 2, -1) over w as lag, last_value(id) over w as last_value, lead(id, 2, -1) over w as lead, nth_value(id, 2) over w as nth_value, ntile(4) over w as ntile, percent_rank() over w as percent_rank, rank() over w as rank, row_number() over w as row_number from f.t window w as ()
          id bigint, cume_dist double, dense_rank bigint, first_value bigint, lag bigint, last_value bigint, lead bigint, nth_value bigint, ntile bigint, percent_rank double, rank bigint, row_number bigint / 0 | 1.0 | 1 | 0 | -1 | 55 | 12 | 6 | 1 | 0.0 | 1 | 1 / 1 | 1.0 | 1 | 0 | 52 | 55 | 13 | 6 | 4 | 0.0 | 1 | 51
        select id, cume_dist() over w as cume_dist, dense_rank() over w as dense_rank, first_value(id) over w as first_value, lag(id, 2, -1) over w as lag, last_value(id) over w as last_value, lead(id, 2, -1) over w as lead, nth_value(id, 2) over w as nth_value, ntile(4) over w as ntile, percent_rank() over w as percent_rank, rank() over w as rank, row_number() over w as row_number from f.t window w as (partition by k order by n)
          id bigint, cume_dist double, dense_rank bigint, first_value bigint, lag bigint, last_value bigint, lead bigint, nth_value bigint, ntile bigint, percent_rank double, rank bigint, row_number bigint / 0 | 0.2 | 1 | 0 | -1 | 28 | 28 | 56 | 1 | 0.0 | 1 | 1 / 1 | 0.7333333333333333 | 5 | 21 | 57 | 1 | 25 | 49 | 3 | 0.5714285714285714 | 9 | 11
    "#]].assert_eq(&text);
}

#[test]
fn what_depends_on_an_order() {
    let layouts = layouts();
    let text: String = [
        "select id, last_value(d) over (partition by k order by n) as x from f.t",
        "select id, first_value(id) over (order by n groups between 1 preceding and 1 following) as x from f.t",
        "select id, nth_value(id, 3) over (order by n range between 1 preceding and current row) as x from f.t",
        "select id, array_agg(id) over (partition by k order by n) as x from f.t",
        "select id, string_agg(k, ',') over (order by n desc) as x from f.t",
        "select k, first_value(id) as a, last_value(id order by n) as b, nth_value(id, 2) as c from f.t group by k",
        "select k, array_agg(id) as a, array_agg(n order by d) as b, string_agg(distinct k, '-') as c from f.t group by k",
        "select distinct on (k) k, id, n from f.t order by k, n",
        "select distinct k, n from f.t",
        "select id from f.t order by n limit 3",
        "select id from f.t limit 4 - 1 offset 10 / 5",
        "select k, n from f.t intersect all select k, n from f.t where id < 30",
        "select k, n from f.t except all select k, n from f.t where id < 30",
        "select id from f.t where n > all (select n from f.t where n < 4)",
        "select id from f.t where n < any (select id from f.t where id < 3)",
    ]
    .iter()
    .map(|sql| asked(&layouts, sql))
    .collect();
    expect![[r#"
        select id, last_value(d) over (partition by k order by n) as x from f.t
          id bigint, x decimal(10,2) / 0 | 2.00 / 1 | 2.01
        select id, first_value(id) over (order by n groups between 1 preceding and 1 following) as x from f.t
          id bigint, x bigint / 0 | 0 / 1 | 12
        select id, nth_value(id, 3) over (order by n range between 1 preceding and current row) as x from f.t
          id bigint, x bigint / 0 | 21 / 1 | 33
        select id, array_agg(id) over (partition by k order by n) as x from f.t
          id bigint, x list<bigint> / 0 | [0, 56, 28] / 1 | [21, 49, 45, 17, 41, 13, 33, 5, 57, 29, 1]
        select id, string_agg(k, ',') over (order by n desc) as x from f.t
          id bigint, x string / 0 | b,a,b,c,a,c,a,b,c,a,c,c,b,a,c,c,b,a,b,a,b,a,c,c,b,a,b,c,c,b,a,b,a,c,a,b,a,b,c / 1 | b,a,b,c,a,c,a,b,c,a,c,c,b
        select k, first_value(id) as a, last_value(id order by n) as b, nth_value(id, 2) as c from f.t group by k
          k string, a bigint, b bigint, c bigint / a | 0 | 16 | 12 / b | 3 | 23 | 15
        select k, array_agg(id) as a, array_agg(n order by d) as b, string_agg(distinct k, '-') as c from f.t group by k
          k string, a list<bigint>, b list<bigint>, c string / a | [0, 4, 8, 12, 16, 20, 24, 28, 32, 36, 40, 44, 48, 52, 56] | [0, 1, 2, 4, 5, 0, 2, 5, 6, null, 0, 1, 4, 6, null] | a / b | [3, 7, 11, 15, 19, 23, 27, 31, 35, 39, 43, 47, 51, 55, 59] | [1, 2, 5, 6, null, 0, 1, 4, 6, null, 0, 1, 2, 4, 5] | b
        select distinct on (k) k, id, n from f.t order by k, n
          k string, id bigint, n bigint / a | 0 | 0 / b | 35 | 0
        select distinct k, n from f.t
          k string, n bigint / a | 0 / a | 1
        select id from f.t order by n limit 3
          id bigint / 0 / 7
        select id from f.t limit 4 - 1 offset 10 / 5
          id bigint / 2 / 3
        select k, n from f.t intersect all select k, n from f.t where id < 30
          k string, n bigint / a | 0 / a | 0
        select k, n from f.t except all select k, n from f.t where id < 30
          k string, n bigint / a | 0 / a | 1
        select id from f.t where n > all (select n from f.t where n < 4)
          id bigint / 1 / 4
        select id from f.t where n < any (select id from f.t where id < 3)
          id bigint / 0 / 3
    "#]].assert_eq(&text);
}

#[test]
fn bags_count_equal_rows() {
    let bench = Bench::new()
        .table(
            "f.a",
            "x Int64; y Utf8",
            &[],
            &["1,p\n1,p\n1,p\n,q\n,q\n2,r\n"],
        )
        .table(
            "f.b",
            "x Int32; y Utf8",
            &[],
            &["1,p\n,q\n,q\n,q\n1,p\n3,s\n"],
        );
    let answers = bench.told(&[
        "select * from f.a intersect all select * from f.b",
        "select * from f.a except all select * from f.b",
        "select * from f.b except all select * from f.a",
        "select * from f.a intersect select * from f.b",
        "select distinct * from f.a except all select * from f.b where x = 2",
        "select x from f.a except all (select x from f.b intersect all select x from f.a)",
        "select count(*) as n from (select x, y from f.a intersect all select x, y from f.b) s where x = 1",
        "select 10 / x as q from f.a intersect all select 10 / x from f.b",
        "select 10 / (x - 1) as q from f.a intersect all select 10 / x from f.b",
    ]);
    expect![[r#"
        select * from f.a intersect all select * from f.b
        x bigint, y string
        1 | p
        1 | p
        null | q
        null | q
        select * from f.a except all select * from f.b
        x bigint, y string
        1 | p
        2 | r
        select * from f.b except all select * from f.a
        x integer, y string
        3 | s
        null | q
        select * from f.a intersect select * from f.b
        x bigint, y string
        1 | p
        null | q
        select distinct * from f.a except all select * from f.b where x = 2
        x bigint, y string
        1 | p
        2 | r
        null | q
        select x from f.a except all (select x from f.b intersect all select x from f.a)
        x bigint
        1
        2
        select count(*) as n from (select x, y from f.a intersect all select x, y from f.b) s where x = 1
        n bigint
        2
        select 10 / x as q from f.a intersect all select 10 / x from f.b
        q decimal(38,6)
        10.000000
        10.000000
        null
        null
        select 10 / (x - 1) as q from f.a intersect all select 10 / x from f.b
        q decimal(38,6)
        error: division by zero in `10 / (x - 1)`, at 1:8
        hint: use nullif(divisor, 0), or leave those rows out with case
    "#]].assert_eq(&answers);
}

#[test]
fn comparisons_with_rows_have_three_answers() {
    let bench = Bench::new()
        .table("f.t", "x Int64; k Utf8", &[], &["1,a\n3,b\n,c\n5,d\n"])
        .table("f.some", "y Int64", &[], &["3\n5\n"])
        .table("f.gaps", "y Int64; k Utf8", &[], &["3,a\n,b\n"])
        .table("f.none", "y Int64", &[], &[""])
        .table("f.double", "z Float64", &[], &["3.0\n9007199254740992.0\n"]);
    let answers: String = [
        "x > any (select y from f.some)",
        "x > any (select y from f.gaps)",
        "x >= all (select y from f.some)",
        "x <> all (select y from f.gaps)",
        "x = any (select y from f.gaps)",
        "x <= all (select y from f.none)",
        "x > any (select y from f.none)",
        "not x > any (select y from f.gaps)",
        "not x = all (select y from f.some)",
        "(x > any (select y from f.gaps)) is null",
        "(x not in (select y from f.gaps)) is null",
        "x = 1 or x not in (select y from f.some)",
        "x = 1 or x not in (select y from f.gaps)",
        "x not in (select y from f.some where y > x)",
        "x = 5 or x not in (select x from f.t where x < 4)",
        "x < any (select x from f.t)",
        "x >= all (select x from f.t where x is not null)",
        "x + 9007199254740990 in (select z from f.double)",
        "x not in (select z from f.double)",
        "x = any (select 10 / (y - 3) from f.some where y > 3)",
        "x < any (select 10 / (y - 3) from f.some)",
        "exists (select y from f.some where y = x order by y limit 1)",
        "exists (select y from f.some where y = x limit 0)",
        "(select y from f.some where y = x) = 3",
        "(select y from f.some where y > x) = 5",
    ]
    .iter()
    .map(|condition| {
        let sql = format!("select x from f.t where {condition}");
        format!(
            "{sql}\n  {}\n",
            bench.query(&sql).lines().collect::<Vec<_>>().join(" / ")
        )
    })
    .collect();
    expect![[r#"
        select x from f.t where x > any (select y from f.some)
          x bigint / 5
        select x from f.t where x > any (select y from f.gaps)
          x bigint / 5
        select x from f.t where x >= all (select y from f.some)
          x bigint / 5
        select x from f.t where x <> all (select y from f.gaps)
          x bigint
        select x from f.t where x = any (select y from f.gaps)
          x bigint / 3
        select x from f.t where x <= all (select y from f.none)
          x bigint / 1 / 3 / 5 / null
        select x from f.t where x > any (select y from f.none)
          x bigint
        select x from f.t where not x > any (select y from f.gaps)
          x bigint
        select x from f.t where not x = all (select y from f.some)
          x bigint / 1 / 3 / 5
        select x from f.t where (x > any (select y from f.gaps)) is null
          x bigint / 1 / 3 / null
        select x from f.t where (x not in (select y from f.gaps)) is null
          x bigint / 1 / 5 / null
        select x from f.t where x = 1 or x not in (select y from f.some)
          x bigint / 1
        select x from f.t where x = 1 or x not in (select y from f.gaps)
          x bigint / 1
        select x from f.t where x not in (select y from f.some where y > x)
          x bigint / 1 / 3 / 5 / null
        select x from f.t where x = 5 or x not in (select x from f.t where x < 4)
          x bigint / 5
        select x from f.t where x < any (select x from f.t)
          x bigint / 1 / 3
        select x from f.t where x >= all (select x from f.t where x is not null)
          x bigint / 5
        select x from f.t where x + 9007199254740990 in (select z from f.double)
          x bigint
        select x from f.t where x not in (select z from f.double)
          x bigint / 1 / 5
        select x from f.t where x = any (select 10 / (y - 3) from f.some where y > 3)
          x bigint / 5
        select x from f.t where x < any (select 10 / (y - 3) from f.some)
          x bigint / error: division by zero in `10 / (y - 3)`, at 1:41 / hint: use nullif(divisor, 0), or leave those rows out with case
        select x from f.t where exists (select y from f.some where y = x order by y limit 1)
          x bigint / 3 / 5
        select x from f.t where exists (select y from f.some where y = x limit 0)
          note: the order of LIMIT without ORDER BY was completed with all columns, in name order: no unique key is known / x bigint
        select x from f.t where (select y from f.some where y = x) = 3
          x bigint / 3
        select x from f.t where (select y from f.some where y > x) = 5
          x bigint / error: a subquery that stands for one value gives more than one row / hint: make it one row: an aggregate like max(x), or a condition on a key
    "#]].assert_eq(&answers);
}

#[test]
fn more_of_sql() {
    let bench = Bench::new()
        .table("f.t", "x Int64; k Utf8", &[], &["1,a\n3,b\n,c\n5,b\n"])
        .table("f.u", "x Float64; w Utf8", &[], &["1.0,p\n3.5,q\n,r\n"])
        .table("f.z", "w Utf8", &[], &["a\nb\nb\n"]);
    let answers: String = [
        "select k, w from f.t join f.u using (x)",
        "select t.k, u.w from f.t full join f.u on t.x = u.x",
        "select x from f.t intersect select x from f.u",
        "select lag(null, 1, 'none') over (order by x) as l, lead(null, 1, 7) over (order by x) as m from f.t",
        "select nanvl(x, 1) as a, nanvl(cast('NaN' as double), 2.5) as b from f.t where x = 3",
        "select date_trunc('hour', time '14:30:45') as h, date '2026-01-31' - null as n",
        "select date_trunc('day', time '14:30:45') as h",
        "select from_unixtime(7.5) as a, to_unixtime(cast(7 as double)) as b",
        "select to_unixtime(cast(7.5 as double)) as b",
        "select abs(-1), abs(-1.0), var(x), var_samp(x) from f.t",
        "select x << 2 as l, x >> 1 as r, 1 << 62 as m from f.t where x = 5",
        "select x << 62 as l from f.t",
        "select x >> (- 1) as r from f.t",
        "select x from f.t limit 7 / 2",
        "select x from f.t order by all desc",
        "select k, (select w from f.z where w = k) as w from f.t where x = 1",
        "select k, (select w from f.z where w = k) as w from f.t",
        "select k, (select w from f.z where w = k) as w from f.t where (select w from f.z where w = k) = 'a' or x is null",
        "select x from f.t order by x + (select max(x) from f.t), k",
        "select sum(x + (select max(x) from f.t)) as s, sum(x) over () as o from f.t group by x",
        "select x, sum(x + (select max(x) from f.t)) over () as s from f.t",
        "select sum(x + (select x from f.t)) as s from f.t",
        "select x from f.t order by x + (select x from f.t) limit 1",
        "select a.x from f.t a join f.t b on a.x = b.x + (select min(x) from f.t) + 1",
        "select cast(struct(1, 'a') as struct(c0 bigint, c1 string)) as s",
        "select cast(named_struct('a', 1, 'b', named_struct('c', 2)) as struct(a decimal(9, 2), b struct(c string))) as s",
        "select * from f.t |> where x > 1 |> aggregate count(*) as n group by k |> order by n desc |> limit 1",
        "select x from f.t |> except all (select 3) |> select x + 1 as y",
    ]
    .iter()
    .map(|sql| format!("{sql}\n  {}\n", bench.query(sql).lines().collect::<Vec<_>>().join(" / ")))
    .collect();
    expect![[r#"
        select k, w from f.t join f.u using (x)
          k string, w string / a | p
        select t.k, u.w from f.t full join f.u on t.x = u.x
          k string, w string / a | p / b | null / b | null / c | null / null | q / null | r
        select x from f.t intersect select x from f.u
          x bigint / 1 / null
        select lag(null, 1, 'none') over (order by x) as l, lead(null, 1, 7) over (order by x) as m from f.t
          note: the order of lag() over was completed with all columns, in name order: no unique key is known / note: the order of lead() over was completed with all columns, in name order: no unique key is known / l string, m bigint / none | null / null | 7 / null | null / null | null
        select nanvl(x, 1) as a, nanvl(cast('NaN' as double), 2.5) as b from f.t where x = 3
          a double, b double / 3.0 | 2.5
        select date_trunc('hour', time '14:30:45') as h, date '2026-01-31' - null as n
          h time, n bigint / 14:00:00 | null
        select date_trunc('day', time '14:30:45') as h
          Type: a time of day is cut to an hour or less / hint: 'hour', 'minute', 'second', 'millisecond' or 'microsecond'
        select from_unixtime(7.5) as a, to_unixtime(cast(7 as double)) as b
          a timestamp, b bigint / 1970-01-01T00:00:07.500 | 7
        select to_unixtime(cast(7.5 as double)) as b
          b bigint / error: a value cannot be converted without loss in `to_unixtime(cast(7.5 as double))`, at 1:8 / hint: round the value first, give the target more digits, or correct the text; a double becomes a decimal by decimal_from_double(round(x, 4), 4)
        select abs(-1), abs(-1.0), var(x), var_samp(x) from f.t
          abs(-1) bigint, abs(-1.0) decimal(2,1), var(x) double, var_samp(x) double / 1 | 1.0 | 4.0 | 4.0
        select x << 2 as l, x >> 1 as r, 1 << 62 as m from f.t where x = 5
          l bigint, r bigint, m bigint / 20 | 2 | 4611686018427387904
        select x << 62 as l from f.t
          l bigint / error: the result of `x << 62` does not fit its type, at 1:8 / hint: cast an operand to a wider type, for example decimal(38, s)
        select x >> (- 1) as r from f.t
          r bigint / error: the result of `x >> (-1)` does not fit its type, at 1:8 / hint: cast an operand to a wider type, for example decimal(38, s)
        select x from f.t limit 7 / 2
          note: the order of LIMIT without ORDER BY was completed with all columns, in name order: no unique key is known / x bigint / 1 / 3 / 5 / null
        select x from f.t order by all desc
          x bigint / 5 / 3 / 1 / null
        select k, (select w from f.z where w = k) as w from f.t where x = 1
          k string, w string / a | a
        select k, (select w from f.z where w = k) as w from f.t
          k string, w string / error: a subquery that stands for one value gives more than one row / hint: make it one row: an aggregate like max(x), or a condition on a key
        select k, (select w from f.z where w = k) as w from f.t where (select w from f.z where w = k) = 'a' or x is null
          k string, w string / error: a subquery that stands for one value gives more than one row / hint: make it one row: an aggregate like max(x), or a condition on a key
        select x from f.t order by x + (select max(x) from f.t), k
          x bigint / 1 / 3 / 5 / null
        select sum(x + (select max(x) from f.t)) as s, sum(x) over () as o from f.t group by x
          s bigint, o bigint / 6 | 9 / 8 | 9 / 10 | 9 / null | 9
        select x, sum(x + (select max(x) from f.t)) over () as s from f.t
          x bigint, s bigint / 1 | 24 / 3 | 24 / 5 | 24 / null | 24
        select sum(x + (select x from f.t)) as s from f.t
          s bigint / error: a subquery that stands for one value gives more than one row / hint: make it one row: an aggregate like max(x), or a condition on a key
        select x from f.t order by x + (select x from f.t) limit 1
          note: the order of LIMIT was completed with all columns, in name order: no unique key is known / x bigint / error: a subquery that stands for one value gives more than one row / hint: make it one row: an aggregate like max(x), or a condition on a key
        select a.x from f.t a join f.t b on a.x = b.x + (select min(x) from f.t) + 1
          x bigint / 3 / 5
        select cast(struct(1, 'a') as struct(c0 bigint, c1 string)) as s
          s struct<c0: bigint, c1: string> / {c0: 1, c1: a}
        select cast(named_struct('a', 1, 'b', named_struct('c', 2)) as struct(a decimal(9, 2), b struct(c string))) as s
          s struct<a: decimal(9,2), b: struct<c: string>> / {a: 1.00, b: {c: 2}}
        select * from f.t |> where x > 1 |> aggregate count(*) as n group by k |> order by n desc |> limit 1
          k string, n bigint / b | 2
        select x from f.t |> except all (select 3) |> select x + 1 as y
          Syntax: EXCEPT pipe operator requires DISTINCT modifier
    "#]].assert_eq(&answers);
}
