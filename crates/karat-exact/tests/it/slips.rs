//! Texts that say something else than they seem to: each a mistake at its place, or the one thing that it can mean.

use expect_test::expect;

use crate::harness::Bench;

fn told(queries: &[&str]) -> String {
    let bench = Bench::new()
        .table("d.t", "k Int64; i Int64", &["k"], &["1,10\n2,20\n3,30\n"])
        .table("d.u", "k Int64; j Int64", &["j"], &["1,5\n1,6\n"]);
    bench.told(queries)
}

#[test]
fn a_number_ends_where_it_ends() {
    expect![[r#"
        select 5 + 1_000, 1_0.2_5, 0x1F + 1, 0xff_ff, x'1F'
        5 + 1000 bigint, 10.25 decimal(4,2), 31 + 1 bigint, 65535 bigint, X'1F' binary
        1005 | 10.25 | 32 | 65535 | 1f
        select 1_
        Syntax: 1:8: `1_` is no number
        hint: digits are grouped like 1_000, hexadecimal ones written like 0x1F; an alias stands behind a space
        select 1__0
        Syntax: 1:8: `1__0` is no number
        hint: digits are grouped like 1_000, hexadecimal ones written like 0x1F; an alias stands behind a space
        select 5 + 1e3_0
        Syntax: 1:12: `1e3_0` is no number
        hint: digits are grouped like 1_000, hexadecimal ones written like 0x1F; an alias stands behind a space
        select 10k from d.t
        Syntax: 1:8: `10k` is no number
        hint: digits are grouped like 1_000, hexadecimal ones written like 0x1F; an alias stands behind a space
        select k, 0x1G from d.t
        Syntax: 1:11: `0x1G` is no number
        hint: digits are grouped like 1_000, hexadecimal ones written like 0x1F; an alias stands behind a space
        select 0b11
        Syntax: 1:8: `0b11` is no number
        hint: digits are grouped like 1_000, hexadecimal ones written like 0x1F; an alias stands behind a space
        select k
        from d.t limit 1o
        Syntax: 2:16: `1o` is no number
        hint: digits are grouped like 1_000, hexadecimal ones written like 0x1F; an alias stands behind a space
    "#]].assert_eq(&told(&[
        "select 5 + 1_000, 1_0.2_5, 0x1F + 1, 0xff_ff, x'1F'",
        "select 1_",
        "select 1__0",
        "select 5 + 1e3_0",
        "select 10k from d.t",
        "select k, 0x1G from d.t",
        "select 0b11",
        "select k\nfrom d.t limit 1o",
    ]));
}

#[test]
fn joins_have_conditions() {
    expect![[r#"
        select count(*) from d.t join d.u
        Syntax: 1:31: a join has no condition
        hint: add on …, or using (…); each row with each is a cross join
        select count(*) from d.t left join d.u where true
        Syntax: 1:36: a join has no condition
        hint: add on …, or using (…); each row with each is a cross join
        select count(*) from d.t join d.u on true
        count(*) bigint
        6
        select count(*) from d.t cross join d.u
        count(*) bigint
        6
        select count(*) from d.t natural join d.u
        count(*) bigint
        2
        select count(*) from d.t, d.u
        count(*) bigint
        6
        select count(*) from d.t join d.u using (k)
        count(*) bigint
        2
        select count(*) from d.t positional join d.u
        Refused: 1:26: `positional join` is not offered
        hint: number the rows, or find the latest one, in a subquery, and join by that; an alias of this name is written with `as`
        select count(*) from d.t asof join d.u on t.k >= u.k
        Syntax: 1:40: Expected: MATCH_CONDITION, found: on
        select count(*) from d.t as asof join d.u on asof.k = u.k
        count(*) bigint
        2
        select k from d.t semi join d.u on t.k = u.k
        k bigint
        1
        select k from d.t anti join d.u on t.k = u.k
        k bigint
        2
        3
    "#]].assert_eq(&told(&[
        "select count(*) from d.t join d.u",
        "select count(*) from d.t left join d.u where true",
        "select count(*) from d.t join d.u on true",
        "select count(*) from d.t cross join d.u",
        "select count(*) from d.t natural join d.u",
        "select count(*) from d.t, d.u",
        "select count(*) from d.t join d.u using (k)",
        "select count(*) from d.t positional join d.u",
        "select count(*) from d.t asof join d.u on t.k >= u.k",
        "select count(*) from d.t as asof join d.u on asof.k = u.k",
        "select k from d.t semi join d.u on t.k = u.k",
        "select k from d.t anti join d.u on t.k = u.k",
    ]));
}

#[test]
fn what_is_not_there_is_told() {
    expect![[r#"
        select from d.t
        Syntax: 1:1: a select list is empty
        hint: name columns, or write `*`
        from d.t select k
        k bigint
        1
        2
        3
        select extract(foo from date '2024-01-01')
        Type: 1:30: `foo` is no part of a date or time
        hint: parts are year, quarter, month, week, day, dow, isodow, doy, isoyear, hour, minute, second, millisecond, microsecond, nanosecond, epoch
        select extract(timezone from date '2024-01-01'), 1
        Type: 1:35: `timezone` is no part of a date or time
        hint: parts are year, quarter, month, week, day, dow, isodow, doy, isoyear, hour, minute, second, millisecond, microsecond, nanosecond, epoch
        select date_part('decade', date '2024-01-01')
        Type: 1:18: `decade` is no part of a date or time
        hint: parts are year, quarter, month, week, day, dow, isodow, doy, isoyear, hour, minute, second, millisecond, microsecond, nanosecond, epoch
        select extract(years from date '2024-01-01'), extract(qtr from date '2024-01-01'), date_part('msec', time '10:00')
        EXTRACT(YEARS FROM DATE '2024-01-01') integer, EXTRACT(qtr FROM DATE '2024-01-01') integer, date_part('msec', TIME '10:00') integer
        2024 | 1 | 0
        select count(*) over w from d.t
        Name: 1:22: no window `w`
        hint: write over (…), or give the select a clause: window w as (…)
        select k from d.t where k is not distinct from 1 and i > 0
        Syntax: 1:48: `is distinct from` would take all that follows it for its right side
        hint: put it in brackets: (a is distinct from b) and c
        select k from d.t limit -1
        k bigint
        error: `limit` and `offset` count rows: less than 0 there are not
        hint: write a number of at least 0
        select k, count(*) over w from d.t window w as (order by k)
        k bigint, count(*) ORDER BY [d.t.k ASC NULLS LAST] ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW bigint
        1 | 1
        2 | 2
        3 | 3
        select k from d.t order by k desc fetch first 2 rows only
        k bigint
        3
        2
        select k from d.t order by k offset 1 rows fetch next row only
        k bigint
        2
        select to_char(date '2024-01-31', 'YYYY-MM')
        Type: 1:8: `to_char`: the format holds no %: formats are written as in strptime, for example '%Y-%m-%d' for yyyy-MM-dd
        hint: for example to_char(day, '%Y-%m')
        select date_format(date '2024-01-31', 'dd.MM')
        Type: `to_char`: the format holds no %
        hint: for example to_char(day, '%Y-%m')
        select to_char(date '2024-01-31', '%Y-%m') as m
        m string
        2024-01
        select a * b from (values ('1', '2')) t(a, b)
        Type: 1:8: no operation string * string
        hint: columns of CSV are text until they are cast, for example cast(x as decimal(18, 2)) or cast(x as date)
    "#]].assert_eq(&told(&[
        "select from d.t",
        "from d.t select k",
        "select extract(foo from date '2024-01-01')",
        "select extract(timezone from date '2024-01-01'), 1",
        "select date_part('decade', date '2024-01-01')",
        "select extract(years from date '2024-01-01'), extract(qtr from date '2024-01-01'), date_part('msec', time '10:00')",
        "select count(*) over w from d.t",
        "select k from d.t where k is not distinct from 1 and i > 0",
        "select k from d.t limit -1",
        "select k, count(*) over w from d.t window w as (order by k)",
        "select k from d.t order by k desc fetch first 2 rows only",
        "select k from d.t order by k offset 1 rows fetch next row only",
        "select to_char(date '2024-01-31', 'YYYY-MM')",
        "select date_format(date '2024-01-31', 'dd.MM')",
        "select to_char(date '2024-01-31', '%Y-%m') as m",
        "select a * b from (values ('1', '2')) t(a, b)",
    ]));
}

/// `from t` gives all columns, wherever it stands, ordered like any answer (D2a).
#[test]
fn a_query_without_select_gives_all_columns() {
    let bench = Bench::new()
        .table("d.t", "k Int64; i Int64", &["k"], &["3,30\n1,10\n2,20\n"])
        .table("d.u", "k Int64; j Int64", &["j"], &["1,6\n1,5\n"])
        .table("d.w", "a Int64; b Int64", &["a", "b"], &["1,2\n1,1\n"]);
    expect![[r#"
        from d.t
        k bigint, i bigint
        1 | 10
        2 | 20
        3 | 30
        from d.t limit 1
        k bigint, i bigint
        1 | 10
        from d.t where i > 10 order by i desc
        Syntax: 1:10: Expected: end of statement, found: where
        from d.u
        k bigint, j bigint
        1 | 5
        1 | 6
        from d.w limit 2
        a bigint, b bigint
        1 | 1
        1 | 2
        from d.t join d.u using (k)
        k bigint, i bigint, j bigint
        1 | 10 | 5
        1 | 10 | 6
        select i from (from d.t) where k = 2
        i bigint
        20
        with s as (from d.t limit 2) from s
        k bigint, i bigint
        1 | 10
        2 | 20
        select count(*) from (from d.t)
        count(*) bigint
        3
        select k from d.t where exists (from d.u where u.k = t.k)
        Syntax: 1:42: Expected: ), found: where
        from d.t union all (from d.w)
        k bigint, i bigint
        1 | 1
        1 | 2
        1 | 10
        2 | 20
        3 | 30
        (from d.t) limit 1
        k bigint, i bigint
        1 | 10
        select * from d.t
        k bigint, i bigint
        1 | 10
        2 | 20
        3 | 30
        select * from d.t limit 2
        k bigint, i bigint
        1 | 10
        2 | 20
        select i, k from d.t order by k
        i bigint, k bigint
        10 | 1
        20 | 2
        30 | 3
        select k, i, count(*) from d.t group by rollup (k, i) order by k
        k bigint, i bigint, count(*) bigint
        1 | 10 | 1
        1 | null | 1
        2 | 20 | 1
        2 | null | 1
        3 | 30 | 1
        3 | null | 1
        null | null | 3
        from d.t |> where k > 1 |> select i
        i bigint
        20
        30
        from d.t select
        Syntax: Expected: an expression, found: EOF
        select k from d.t end where k = 1
        Syntax: 1:19: Expected: the end of the query, found: end
    "#]]
    .assert_eq(&bench.told(&[
        "from d.t",
        "from d.t limit 1",
        "from d.t where i > 10 order by i desc",
        "from d.u",
        "from d.w limit 2",
        "from d.t join d.u using (k)",
        "select i from (from d.t) where k = 2",
        "with s as (from d.t limit 2) from s",
        "select count(*) from (from d.t)",
        "select k from d.t where exists (from d.u where u.k = t.k)",
        "from d.t union all (from d.w)",
        "(from d.t) limit 1",
        "select * from d.t",
        "select * from d.t limit 2",
        "select i, k from d.t order by k",
        "select k, i, count(*) from d.t group by rollup (k, i) order by k",
        "from d.t |> where k > 1 |> select i",
        "from d.t select",
        "select k from d.t end where k = 1",
    ]));
}

/// Brackets around a name make a list, and whoever comes from a database where they are quotes is told.
#[test]
fn a_list_of_one_name_is_told() {
    let bench = Bench::new().table("d.t", "k Int64; i Int64", &["k"], &["1,10\n"]);
    expect![[r#"
        select [k] from d.t
        note: `[k]` is a list of one value; a name that needs quotes stands in double ones: "k"
        make_array(d.t.k) list<bigint>
        [1]
        select k from (select [I] from d.t) as x cross join d.t
        note: `[I]` is a list of one value; a name that needs quotes stands in double ones: "I"
        k bigint
        1
        select [k] as ks, [k, i], [1], array[k] from d.t
        ks list<bigint>, make_array(d.t.k,d.t.i) list<bigint>, [1] list<bigint>, make_array(d.t.k) list<bigint>
        [1] | [1, 10] | [1] | [1]
    "#]].assert_eq(&bench.told(&[
        "select [k] from d.t",
        "select k from (select [I] from d.t) as x cross join d.t",
        "select [k] as ks, [k, i], [1], array[k] from d.t",
    ]));
}
