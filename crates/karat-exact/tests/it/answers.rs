//! E1 to E6: numbers that are right in every order, and queries that are refused instead of answered wrongly.

use expect_test::expect;

use crate::harness::Bench;

fn numbers() -> Bench {
    Bench::new().table(
        "d.t",
        "id Int64; k Utf8; f Float64",
        &["id"],
        &["1,a,0.0\n2,a,-0.0\n", "3,b,NaN\n4,b,-NaN\n5,,1.5\n"],
    )
}

#[test]
fn doubles_have_one_zero_and_one_nan() {
    expect![[r#"
        select id, rank() over (order by f) as r, row_number() over (order by f desc, id) as n from d.t
        id bigint, r bigint, n bigint
        1 | 1 | 4
        2 | 1 | 5
        3 | 4 | 1
        4 | 4 | 2
        5 | 3 | 3
        select case f when -cast(0 as double) then 'zero' end as z, id from d.t where id < 3
        z string, id bigint
        zero | 1
        zero | 2
        select array_agg(f order by f, id) as all from d.t where id < 3
        all list<double>
        [0.0, 0.0]
        select a.id, b.id as other from d.t a join d.t b on a.f = b.f and a.id < b.id
        id bigint, other bigint
        1 | 2
        3 | 4
        select k, min(f) as low, max(f) as high from d.t group by k
        k string, low double, high double
        a | 0.0 | 0.0
        b | NaN | NaN
        null | 1.5 | 1.5
        select id % 2 as g, max(f - cast('inf' as double)) as high, min(cast('inf' as double)) as low from d.t where id < 3 group by id % 2
        g bigint, high double, low double
        0 | -inf | inf
        1 | -inf | inf
    "#]].assert_eq(&numbers().told(&[
            "select id, rank() over (order by f) as r, row_number() over (order by f desc, id) as n from d.t",
            "select case f when -cast(0 as double) then 'zero' end as z, id from d.t where id < 3",
            "select array_agg(f order by f, id) as all from d.t where id < 3",
            "select a.id, b.id as other from d.t a join d.t b on a.f = b.f and a.id < b.id",
            "select k, min(f) as low, max(f) as high from d.t group by k",
            "select id % 2 as g, max(f - cast('inf' as double)) as high, min(cast('inf' as double)) as low from d.t where id < 3 group by id % 2",
        ],
    ));
}

#[test]
fn sums_of_wide_decimals_do_not_wrap() {
    let mut said = String::new();
    for threads in [1, 3] {
        let mut bench = numbers();
        bench.threads = threads;
        said += &bench.told(&[
                "select sum(x) as s from (select cast('9e75' as decimal(76,0)) * id as x from d.t where id < 2 \
                 union all select cast('9e75' as decimal(76,0)) from d.t) s",
                "select sum(x) as s from (select cast('9e75' as decimal(76,0)) as x from d.t \
                 union all select cast('-9e75' as decimal(76,0)) from d.t union all select id from d.t) s",
                "select k, avg(x) as a from (select k, cast('1e30' as decimal(76,5)) + id as x from d.t) s group by k",
            ],
        );
    }
    expect![[r#"
        select sum(x) as s from (select cast('9e75' as decimal(76,0)) * id as x from d.t where id < 2 union all select cast('9e75' as decimal(76,0)) from d.t) s
        s decimal(38,0)
        error: the result of `sum(x)` does not fit its type, at 1:8
        hint: cast an operand to a wider type, for example decimal(38, s)
        select sum(x) as s from (select cast('9e75' as decimal(76,0)) as x from d.t union all select cast('-9e75' as decimal(76,0)) from d.t union all select id from d.t) s
        s decimal(38,0)
        15
        select k, avg(x) as a from (select k, cast('1e30' as decimal(76,5)) + id as x from d.t) s group by k
        k string, a decimal(38,5)
        a | 1000000000000000000000000000001.50000
        b | 1000000000000000000000000000003.50000
        null | 1000000000000000000000000000005.00000
        select sum(x) as s from (select cast('9e75' as decimal(76,0)) * id as x from d.t where id < 2 union all select cast('9e75' as decimal(76,0)) from d.t) s
        s decimal(38,0)
        error: the result of `sum(x)` does not fit its type, at 1:8
        hint: cast an operand to a wider type, for example decimal(38, s)
        select sum(x) as s from (select cast('9e75' as decimal(76,0)) as x from d.t union all select cast('-9e75' as decimal(76,0)) from d.t union all select id from d.t) s
        s decimal(38,0)
        15
        select k, avg(x) as a from (select k, cast('1e30' as decimal(76,5)) + id as x from d.t) s group by k
        k string, a decimal(38,5)
        a | 1000000000000000000000000000001.50000
        b | 1000000000000000000000000000003.50000
        null | 1000000000000000000000000000005.00000
    "#]].assert_eq(&said);
}

#[test]
fn a_cast_may_be_the_key_of_a_join() {
    expect![[r#"
        select a.id from d.t a join d.t b on cast(cast(a.id as string) as bigint) = b.id where a.id < 3
        id bigint
        1
        2
        select id from d.t where cast(id as int) in (select id from d.t where f = 0)
        id bigint
        1
        2
        select id from d.t where id in (select f from d.t)
        id bigint
    "#]].assert_eq(&numbers().told(&[
            "select a.id from d.t a join d.t b on cast(cast(a.id as string) as bigint) = b.id where a.id < 3",
            "select id from d.t where cast(id as int) in (select id from d.t where f = 0)",
            "select id from d.t where id in (select f from d.t)",
        ],
    ));
}

#[test]
fn what_would_be_answered_wrongly_is_refused() {
    expect![[r#"
        select 2 ^ 3 as x
        Refused: `^` is a power in some databases and a bitwise xor in others
        hint: for a power write the product: x * x
        select id from d.t where k like 'a!%' escape '!'
        Refused: 1:28: `like … escape` takes no character but the backslash
        hint: write like 'a\%b', or starts_with(), contains() and strpos()
        select date '9999-12-31' + interval '1 month 2 days' as x
        x date
        error: an argument is outside of what `cast('9999-12-31' as date) + interval '1 month 2 day'` is defined for, at 1:8
        hint: leave those rows out with case when ... then ... end
        select lead(id, 1, 1.5) over (order by id) as x from d.t
        Type: 1:8: the default of `lead` does not fit bigint
        hint: cast the first argument to a type that holds both
        select id, lead(id, 1, 0.0) over (order by id) as x from d.t where id < 3
        id bigint, x bigint
        1 | 2
        2 | 0
        select (select id from d.t) as x
        x bigint
        error: a subquery that stands for one value gives more than one row
        hint: make it one row: an aggregate like max(x), or a condition on a key
        select ntile(0) over (order by id) as x from d.t
        x bigint
        error: an argument is outside of what `ntile` is defined for
        hint: leave those rows out with case when ... then ... end
        select id from d.t where regexp_like(k, '(a)\1')
        id bigint
        error: an argument is outside of what `regexp_like(k, '(a)\1')` is defined for, at 1:26
        hint: leave those rows out with case when ... then ... end
        select id, exists (select 1 from d.t b where b.id = a.id) as x from d.t a
        id bigint, x boolean
        1 | true
        2 | true
        3 | true
        4 | true
        5 | true
        select k, grouping(k) as g, count(*) as n from d.t group by rollup (k)
        k string, g integer, n bigint
        a | 0 | 2
        b | 0 | 2
        null | 0 | 1
        null | 1 | 5
    "#]].assert_eq(&numbers().told(&[
            "select 2 ^ 3 as x",
            "select id from d.t where k like 'a!%' escape '!'",
            "select date '9999-12-31' + interval '1 month 2 days' as x",
            "select lead(id, 1, 1.5) over (order by id) as x from d.t",
            "select id, lead(id, 1, 0.0) over (order by id) as x from d.t where id < 3",
            "select (select id from d.t) as x",
            "select ntile(0) over (order by id) as x from d.t",
            "select id from d.t where regexp_like(k, '(a)\\1')",
            "select id, exists (select 1 from d.t b where b.id = a.id) as x from d.t a",
            "select k, grouping(k) as g, count(*) as n from d.t group by rollup (k)",
        ],
    ));
}

#[test]
fn a_null_in_a_subquery_is_neither_yes_nor_no() {
    expect![[r#"
        select id from d.t where k not in (select k from d.t where id < 3) and id > 0
        id bigint
        3
        4
        select id from d.t where k in (select k from d.t where id < 3) or id = 5
        id bigint
        1
        2
        5
        select id from d.t where k not in (select k from d.t where id < 3) or id = 5
        id bigint
        3
        4
        5
        select id from d.t a where k not in (select k from d.t b where b.id < a.id)
        id bigint
        1
        3
        select id from d.t where (k in (select k from d.t)) is null
        id bigint
        5
        select id from d.t where not exists (select 1 from d.t b where b.k = t.k and b.id < 3) or id = 1
        id bigint
        1
        3
        4
        5
    "#]].assert_eq(&numbers().told(&[
            "select id from d.t where k not in (select k from d.t where id < 3) and id > 0",
            "select id from d.t where k in (select k from d.t where id < 3) or id = 5",
            "select id from d.t where k not in (select k from d.t where id < 3) or id = 5",
            "select id from d.t a where k not in (select k from d.t b where b.id < a.id)",
            "select id from d.t where (k in (select k from d.t)) is null",
            "select id from d.t where not exists (select 1 from d.t b where b.k = t.k and b.id < 3) or id = 1",
        ],
    ));
}

#[test]
fn coalesce_may_stand_beside_what_can_fail() {
    expect![[r#"
        select id from d.t where 10 / id > 2 and coalesce(k, 'z') <> 'b'
        id bigint
        1
        2
        select id, coalesce(k, 'z') || nvl2(k, '!', '?') as x from d.t where cast(id as int) > 3 and nvl(k, 'z') > 'a'
        id bigint, x string
        4 | b!
        5 | z?
    "#]].assert_eq(&numbers().told(&[
            "select id from d.t where 10 / id > 2 and coalesce(k, 'z') <> 'b'",
            "select id, coalesce(k, 'z') || nvl2(k, '!', '?') as x from d.t where cast(id as int) > 3 and nvl(k, 'z') > 'a'",
        ],
    ));
}

/// The zone is Europe/Berlin.
#[test]
fn days_and_months_of_an_instant_are_local() {
    let at = |text: &str, by: &str| {
        format!("select cast('{text}' as timestamp with time zone) {by} as x, 1 as one")
    };
    let queries = [
        at("2024-03-30 12:30:00", "+ interval '1 day'"),
        at("2024-03-30 12:30:00", "+ interval '24 hours'"),
        at("2024-04-15 12:00:00", "- interval '1 month'"),
        at("2024-03-30 02:30:00", "+ interval '1 day'"),
        "select extract(epoch from cast('2024-07-01T12:00:00Z' as timestamp with time zone)) as x, \
         extract(hour from cast('2024-07-01T12:00:00Z' as timestamp with time zone)) as h"
            .to_owned(),
    ];
    let queries: Vec<&str> = queries.iter().map(String::as_str).collect();
    expect![[r#"
        select cast('2024-03-30 12:30:00' as timestamp with time zone) + interval '1 day' as x, 1 as one
        x timestamp with time zone, one bigint
        2024-03-31T10:30:00Z | 1
        select cast('2024-03-30 12:30:00' as timestamp with time zone) + interval '24 hours' as x, 1 as one
        x timestamp with time zone, one bigint
        2024-03-31T11:30:00Z | 1
        select cast('2024-04-15 12:00:00' as timestamp with time zone) - interval '1 month' as x, 1 as one
        x timestamp with time zone, one bigint
        2024-03-15T11:00:00Z | 1
        select cast('2024-03-30 02:30:00' as timestamp with time zone) + interval '1 day' as x, 1 as one
        x timestamp with time zone, one bigint
        error: an argument is outside of what `cast('2024-03-30 02:30:00' as timestamp with time zone) + INTERVAL '1 day'` is defined for, at 1:8
        hint: leave those rows out with case when ... then ... end
        select extract(epoch from cast('2024-07-01T12:00:00Z' as timestamp with time zone)) as x, extract(hour from cast('2024-07-01T12:00:00Z' as timestamp with time zone)) as h
        x double, h integer
        1719835200.0 | 14
    "#]].assert_eq(&numbers().told(&queries));
}

#[test]
fn a_date_in_milliseconds_with_a_time_of_day_fails_its_row() {
    let bench = Bench::new().table(
        "d.t",
        "id Int64; d Date64",
        &["id"],
        &["1,1969-12-31T00:00:00\n2,1969-12-31T12:00:00\n3,\n"],
    );
    expect![[r#"
        select id, d from d.t where id <> 2
        id bigint, d date
        1 | 1969-12-31
        3 | null
        select d from d.t
        d date
        error: a value cannot be converted without loss in `cast(d.t.d as date)`, at 1:8
        hint: round the value first, give the target more digits, or correct the text; a double becomes a decimal by decimal_from_double(round(x, 4), 4)
        select cast(d as timestamp) as t from d.t
        t timestamp
        error: a value cannot be converted without loss in `cast(d as timestamp)`, at 1:8
        hint: round the value first, give the target more digits, or correct the text; a double becomes a decimal by decimal_from_double(round(x, 4), 4)
        select id, try_cast(d as date) as d, try_cast(d as string) as s from d.t
        id bigint, d date, s string
        1 | 1969-12-31 | 1969-12-31
        2 | null | null
        3 | null | null
    "#]].assert_eq(&bench.told(&[
            "select id, d from d.t where id <> 2",
            "select d from d.t",
            "select cast(d as timestamp) as t from d.t",
            "select id, try_cast(d as date) as d, try_cast(d as string) as s from d.t",
        ],
    ));
}

#[test]
fn a_filter_above_an_outer_join_stays_with_its_column() {
    let bench = Bench::new()
        .table("d.a", "k Int64; v Int64", &[], &["1,10\n2,20\n,40\n"])
        .table("d.b", "k Int64; v Int64", &[], &["1,11\n2,21\n51,\n"]);
    expect![[r#"
        select * from d.a right join d.b on a.k = b.k where a.k + 0 > 1
        k bigint, v bigint, k bigint, v bigint
        2 | 20 | 2 | 21
        select * from d.b left join d.a on a.k = b.k where a.k + 0 > 1
        k bigint, v bigint, k bigint, v bigint
        2 | 21 | 2 | 20
        select count(*) as c from d.a right join d.b on a.k = b.k where coalesce(a.v, 5) > 12
        c bigint
        1
        select * from d.a full join d.b on a.k = b.k where b.v + 0 > 11
        k bigint, v bigint, k bigint, v bigint
        2 | 20 | 2 | 21
    "#]]
    .assert_eq(&bench.told(&[
        "select * from d.a right join d.b on a.k = b.k where a.k + 0 > 1",
        "select * from d.b left join d.a on a.k = b.k where a.k + 0 > 1",
        "select count(*) as c from d.a right join d.b on a.k = b.k where coalesce(a.v, 5) > 12",
        "select * from d.a full join d.b on a.k = b.k where b.v + 0 > 11",
    ]));
}

#[test]
fn distinct_on_keeps_its_order_under_a_limit() {
    let bench = Bench::new().table(
        "d.t",
        "id Int64; k Utf8; n Int64",
        &["id"],
        &["1,a,5\n2,a,7\n3,b,1\n4,c,2\n5,c,3\n"],
    );
    expect![[r#"
        select distinct on (k) k, n from d.t order by k desc, n desc limit 2
        k string, n bigint
        c | 3
        b | 1
        select distinct on (k) n, k from d.t order by k desc, n desc
        n bigint, k string
        3 | c
        1 | b
        7 | a
        select distinct on (k) n, k from d.t
        n bigint, k string
        1 | b
        2 | c
        5 | a
        select distinct on (k) n, k from d.t limit 2
        n bigint, k string
        1 | b
        2 | c
    "#]]
    .assert_eq(&bench.told(&[
        "select distinct on (k) k, n from d.t order by k desc, n desc limit 2",
        "select distinct on (k) n, k from d.t order by k desc, n desc",
        "select distinct on (k) n, k from d.t",
        "select distinct on (k) n, k from d.t limit 2",
    ]));
}
