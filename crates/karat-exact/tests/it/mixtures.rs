//! A decimal beside a double, where both stand for one value.

use expect_test::expect;

use crate::harness::Bench;

fn told(queries: &[&str]) -> String {
    let bench = Bench::new().table(
        "d.t",
        "id Int64; f Float64; x Decimal128(12, 2)",
        &["id"],
        &["1,0.1,0.10\n2,NaN,9346690.85\n3,1e300,2.50\n4,,\n"],
    );
    bench.told(queries)
}

#[test]
fn a_number_of_the_text_is_a_double() {
    expect![[r#"
        select coalesce(f, 0.5) c, greatest(f, -0.5) g, case when id = 4 then 1.0 / 4 else f end v, nvl(f, 1) n, [f, 0.1] l from d.t
        c double, g double, v double, n double, l list<double>
        0.1 | 0.1 | 0.1 | 0.1 | [0.1, 0.1]
        0.5 | -0.5 | 0.25 | 1.0 | [null, 0.1]
        1e300 | 1e300 | 1e300 | 1e300 | [1e300, 0.1]
        NaN | NaN | NaN | NaN | [NaN, 0.1]
        select sum(a) s, max(b) from (values (double '0.1', 1), (0.2, 2.5), (0.3, -1), (-1, null)) v(a, b)
        s double, max(v.b) decimal(21,1)
        -0.4 | 2.5
        select f from d.t where id = 1 union all select 0 union all select 0.25
        f double
        0.0
        0.1
        0.25
        select v + 1 w from (select 0 as v union all select f from d.t where id < 3) u
        w double
        1.0
        1.1
        NaN
        select a from (values (double 'NaN'), (1.5)) v(a)
        a double
        1.5
        NaN
    "#]].assert_eq(&told(&[
        "select coalesce(f, 0.5) c, greatest(f, -0.5) g, case when id = 4 then 1.0 / 4 else f end v, nvl(f, 1) n, [f, 0.1] l from d.t",
        "select sum(a) s, max(b) from (values (double '0.1', 1), (0.2, 2.5), (0.3, -1), (-1, null)) v(a, b)",
        "select f from d.t where id = 1 union all select 0 union all select 0.25",
        "select v + 1 w from (select 0 as v union all select f from d.t where id < 3) u",
        "select a from (values (double 'NaN'), (1.5)) v(a)",
    ]));
}

#[test]
fn a_decimal_of_the_rows_is_no_double() {
    expect![[r#"
        select coalesce(f, x) from d.t
        Type: 1:20: `d.t.x`, decimal(12,2), stands for one value with doubles
        hint: cast it, cast(x as double), or the doubles, with decimal_from_double(x, s) or a cast that fails where digits would be lost
        select greatest(x, f) from d.t
        Type: 1:17: `d.t.x`, decimal(12,2), stands for one value with doubles
        hint: cast it, cast(x as double), or the doubles, with decimal_from_double(x, s) or a cast that fails where digits would be lost
        select case when id = 1 then x else f end c from d.t
        Type: 1:30: `d.t.x`, decimal(12,2), stands for one value with doubles
        hint: cast it, cast(x as double), or the doubles, with decimal_from_double(x, s) or a cast that fails where digits would be lost
        select coalesce(f, cast(x as double)) c from d.t
        c double
        0.1
        1e300
        NaN
        null
        select coalesce(x, decimal_from_double(f, 2)) c from d.t where id = 1
        c decimal(38,2)
        0.10
        select f from d.t union all select x from d.t
        Refused: 1:8: a union of double with decimal(12,2): column `f`
        hint: cast both to one type, for example with decimal_from_double(x)
        select f + x, f < x from d.t where id = 1
        d.t.f + d.t.x double, d.t.f < d.t.x boolean
        0.2 | false
        select coalesce(x, 1.5), coalesce(f, id) from d.t where id <> 2
        coalesce(x, 1.5) decimal(12,2), coalesce(d.t.f,d.t.id) double
        0.10 | 0.1
        1.50 | 4.0
        2.50 | 1e300
    "#]].assert_eq(&told(&[
        "select coalesce(f, x) from d.t",
        "select greatest(x, f) from d.t",
        "select case when id = 1 then x else f end c from d.t",
        "select coalesce(f, cast(x as double)) c from d.t",
        "select coalesce(x, decimal_from_double(f, 2)) c from d.t where id = 1",
        "select f from d.t union all select x from d.t",
        "select f + x, f < x from d.t where id = 1",
        "select coalesce(x, 1.5), coalesce(f, id) from d.t where id <> 2",
    ]));
}
