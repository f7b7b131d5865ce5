//! RANGE frames: offsets as exact as the column that orders, and a refusal where a column has no distances.

use expect_test::expect;

use crate::harness::Bench;

fn told(queries: &[&str]) -> String {
    let bench = Bench::new();
    bench.told(queries)
}

#[test]
fn an_offset_finer_than_the_column_counts_exactly() {
    expect![[r#"
        select x, array_agg(x) over (order by x range between 1.55 preceding and current row) a from (values (1.0),(2.2),(2.5),(2.6)) v(x)
        x decimal(2,1), a list<decimal(2,1)>
        1.0 | [1.0]
        2.2 | [1.0, 2.2]
        2.5 | [1.0, 2.2, 2.5]
        2.6 | [2.2, 2.5, 2.6]
        select x, count(*) over (order by x range between 0.005 preceding and 1e-3 following) n from (values (1.00),(1.01)) v(x)
        x decimal(3,2), n bigint
        1.00 | 1
        1.01 | 1
        select x, array_agg(x) over (order by x range between 2.5 preceding and 0.5 preceding) a from (values (1),(2),(3),(4)) v(x)
        x bigint, a list<bigint>
        1 | null
        2 | [1]
        3 | [1, 2]
        4 | [2, 3]
        select x, array_agg(x) over (order by x desc range between 0.5 following and 12.5e-1 following) a from (values (1),(2),(3)) v(x)
        x bigint, a list<bigint>
        1 | null
        2 | [1]
        3 | [2]
        select x, array_agg(x) over (order by x range between 0.5 preceding and current row) a from (values (double '1'),(1.5),(1.75)) v(x)
        x double, a list<double>
        1.0 | [1.0]
        1.5 | [1.0, 1.5]
        1.75 | [1.5, 1.75]
        select x, count(*) over (order by x range between 100 preceding and current row) n from (values (1.5),(9.5),(-9.5)) v(x)
        x decimal(2,1), n bigint
        -9.5 | 1
        1.5 | 2
        9.5 | 3
    "#]].assert_eq(&told(&[
        "select x, array_agg(x) over (order by x range between 1.55 preceding and current row) a from (values (1.0),(2.2),(2.5),(2.6)) v(x)",
        "select x, count(*) over (order by x range between 0.005 preceding and 1e-3 following) n from (values (1.00),(1.01)) v(x)",
        "select x, array_agg(x) over (order by x range between 2.5 preceding and 0.5 preceding) a from (values (1),(2),(3),(4)) v(x)",
        "select x, array_agg(x) over (order by x desc range between 0.5 following and 12.5e-1 following) a from (values (1),(2),(3)) v(x)",
        "select x, array_agg(x) over (order by x range between 0.5 preceding and current row) a from (values (double '1'),(1.5),(1.75)) v(x)",
        "select x, count(*) over (order by x range between 100 preceding and current row) n from (values (1.5),(9.5),(-9.5)) v(x)",
    ]));
}

#[test]
fn days_are_days() {
    expect![[r#"
        select d, count(*) over (order by d range between 1 preceding and current row) n from (values (date '2024-01-01'),(date '2024-01-02'),(date '2024-01-04')) v(d)
        d date, n bigint
        2024-01-01 | 1
        2024-01-02 | 2
        2024-01-04 | 1
        select d, count(*) over (order by d range between current row and interval 1 month following) n from (values (date '2024-01-31'),(date '2024-02-29'),(date '2024-03-01')) v(d)
        d date, n bigint
        2024-01-31 | 2
        2024-02-29 | 2
        2024-03-01 | 1
        select d, count(*) over (order by d range between 1.5 preceding and current row) n from (values (date '2024-01-01')) v(d)
        Type: 1:35: a RANGE frame over `v.d`, of type date: 1.5 is no whole number of days
        hint: write an interval, for example interval '7 days'
        select d, count(*) over (order by d range between interval '1 hour' preceding and current row) n from (values (date '2024-01-01')) v(d)
        Type: 1:35: a RANGE frame over `v.d`, of type date: '1 hour' has a time of day, and a date has none
        hint: write whole days, or cast the date to timestamp
        select d, count(*) over (order by d range between 1 preceding and current row) n from (values (timestamp '2024-01-01 00:00:00')) v(d)
        Type: 1:35: a RANGE frame over `v.d`, of type timestamp: nothing says what 1 counts
        hint: write an interval, for example interval '7 days'
        select d, count(*) over (order by d range between interval '1 hour' preceding and current row) n from (values (timestamp '2024-01-01 00:00:00'), (timestamp '2024-01-01 01:00:00')) v(d)
        d timestamp, n bigint
        2024-01-01T00:00:00 | 1
        2024-01-01T01:00:00 | 2
        select d, count(*) over (order by d range between interval '1 day' preceding and current row) n from (values (timestamptz '2024-01-01 00:00:00')) v(d)
        Type: 1:35: a RANGE frame over `v.d`, of type timestamp with time zone: '1 day' has another length where summer time begins or ends
        hint: write hours, for example interval '24 hours'
    "#]].assert_eq(&told(&[
        "select d, count(*) over (order by d range between 1 preceding and current row) n from (values (date '2024-01-01'),(date '2024-01-02'),(date '2024-01-04')) v(d)",
        "select d, count(*) over (order by d range between current row and interval 1 month following) n from (values (date '2024-01-31'),(date '2024-02-29'),(date '2024-03-01')) v(d)",
        "select d, count(*) over (order by d range between 1.5 preceding and current row) n from (values (date '2024-01-01')) v(d)",
        "select d, count(*) over (order by d range between interval '1 hour' preceding and current row) n from (values (date '2024-01-01')) v(d)",
        "select d, count(*) over (order by d range between 1 preceding and current row) n from (values (timestamp '2024-01-01 00:00:00')) v(d)",
        "select d, count(*) over (order by d range between interval '1 hour' preceding and current row) n from (values (timestamp '2024-01-01 00:00:00'), (timestamp '2024-01-01 01:00:00')) v(d)",
        "select d, count(*) over (order by d range between interval '1 day' preceding and current row) n from (values (timestamptz '2024-01-01 00:00:00')) v(d)",
    ]));
}

#[test]
fn what_has_no_distances_is_refused() {
    expect![[r#"
        select count(*) over (order by x range between 1 preceding and current row) n from (values ('a')) v(x)
        Type: 1:32: a RANGE frame over `v.x`, of type string: it has no distances, so no offset
        hint: order by a number, date or timestamp, or count rows: rows between 1 preceding and current row
        select count(*) over (order by x range between 1 preceding and current row) n from (values (true)) v(x)
        Type: 1:32: a RANGE frame over `v.x`, of type boolean: it has no distances, so no offset
        hint: order by a number, date or timestamp, or count rows: rows between 1 preceding and current row
        select count(*) over (order by x range between 1 preceding and current row) n from (values ([1])) v(x)
        Type: 1:32: a RANGE frame over `v.x`, of type list<bigint>: it has no distances, so no offset
        hint: order by a number, date or timestamp, or count rows: rows between 1 preceding and current row
        select count(*) over (order by x range between 1 preceding and current row) n from (values (time '10:00')) v(x)
        Type: 1:32: a RANGE frame over `v.x`, of type time: it has no distances, so no offset
        hint: order by a number, date or timestamp, or count rows: rows between 1 preceding and current row
        select count(*) over (order by x range between 1 preceding and current row) n from (values (x'00')) v(x)
        Type: 1:32: a RANGE frame over `v.x`, of type binary: it has no distances, so no offset
        hint: order by a number, date or timestamp, or count rows: rows between 1 preceding and current row
        select count(*) over (order by x range between interval '1 day' preceding and current row) n from (values (1)) v(x)
        Type: 1:32: a RANGE frame over `v.x`, of type bigint: '1 day' is no number
        hint: write a number, for example 10 preceding
        select count(*) over (order by x range between -1 preceding and current row) n from (values (1)) v(x)
        Type: 1:49: the offset of a frame is a literal of at least 0, not `-1`
        hint: write a number or an interval, for example 10 preceding or interval '7 days' preceding
        select count(*) over (order by x rows between x preceding and current row) n from (values (1)) v(x)
        Type: 1:47: the offset of a frame is a literal of at least 0, not `x`
        hint: write how many, for example 10 preceding
        select count(*) over (order by x range between 3000000000 preceding and current row) n from (values (cast(1 as integer))) v(x)
        Type: 1:32: a RANGE frame over `v.x`, of type integer: 3000000000 does not fit that type
        hint: order by the column cast to a wider type, or write unbounded
        select count(*) over (order by x range between current row and unbounded following) n from (values ('a')) v(x)
        n bigint
        1
    "#]].assert_eq(&told(&[
        "select count(*) over (order by x range between 1 preceding and current row) n from (values ('a')) v(x)",
        "select count(*) over (order by x range between 1 preceding and current row) n from (values (true)) v(x)",
        "select count(*) over (order by x range between 1 preceding and current row) n from (values ([1])) v(x)",
        "select count(*) over (order by x range between 1 preceding and current row) n from (values (time '10:00')) v(x)",
        "select count(*) over (order by x range between 1 preceding and current row) n from (values (x'00')) v(x)",
        "select count(*) over (order by x range between interval '1 day' preceding and current row) n from (values (1)) v(x)",
        "select count(*) over (order by x range between -1 preceding and current row) n from (values (1)) v(x)",
        "select count(*) over (order by x rows between x preceding and current row) n from (values (1)) v(x)",
        "select count(*) over (order by x range between 3000000000 preceding and current row) n from (values (cast(1 as integer))) v(x)",
        "select count(*) over (order by x range between current row and unbounded following) n from (values ('a')) v(x)",
    ]));
}
