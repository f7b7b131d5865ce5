//! Names that other databases have for what is there, and zones that are not.

use expect_test::expect;

use crate::harness::Bench;

fn told(queries: &[&str]) -> String {
    let bench = Bench::new().table(
        "d.t",
        "id Int64; day Date32",
        &["id"],
        &["1,2024-02-29\n-7,2023-12-31\n"],
    );
    bench.told(queries)
}

#[test]
fn mean_what_is_there() {
    expect![[r#"
        select mod(id, 3), if(id > 0, 'more', 'less') i from d.t
        d.t.id % 3 bigint, i string
        -1 | less
        1 | more
        select year(day), quarter(day) q, month(day) m, week(day) w, dayofmonth(day) d, dayofweek(day) dow, dayofyear(day) doy, hour(timestamp '2024-01-01 10:11:12') h from d.t
        year(day) integer, q integer, m integer, w integer, d integer, dow integer, doy integer, h integer
        2023 | 4 | 12 | 52 | 31 | 0 | 365 | 10
        2024 | 1 | 2 | 9 | 29 | 4 | 60 | 10
        select every(id > 0), list(id), count_if(id > 0) c, count_if(id > 0) filter (where id < 0) n from d.t
        every(id > 0) boolean, array_agg(d.t.id) list<bigint>, c bigint, n bigint
        false | [-7, 1] | 1 | 0
        select list_value(1, 2), mod(7, 2) * 3 x, mod(1, 0) from d.t
        list_value(1, 2) list<bigint>, x bigint, 1 % 0 bigint
        error: division by zero in `(1) % (0)`, at 1:47
        hint: use nullif(divisor, 0), or leave those rows out with case
        select id from d.t where year(day) = 2024 and mod(id + 1, 2) = 0
        id bigint
        1
    "#]].assert_eq(&told(&[
        "select mod(id, 3), if(id > 0, 'more', 'less') i from d.t",
        "select year(day), quarter(day) q, month(day) m, week(day) w, dayofmonth(day) d, dayofweek(day) dow, dayofyear(day) doy, hour(timestamp '2024-01-01 10:11:12') h from d.t",
        "select every(id > 0), list(id), count_if(id > 0) c, count_if(id > 0) filter (where id < 0) n from d.t",
        "select list_value(1, 2), mod(7, 2) * 3 x, mod(1, 0) from d.t",
        "select id from d.t where year(day) = 2024 and mod(id + 1, 2) = 0",
    ]));
}

#[test]
fn zones_are_known_or_told() {
    expect![[r#"
        select timestamp '2024-01-01 00:00:00' at time zone 'europe/berlin'
        Type: no time zone `europe/berlin`
        hint: did you mean 'Europe/Berlin'?
        select timestamp '2024-01-01 00:00:00' at time zone 'Nowhere/City'
        Type: no time zone `Nowhere/City`
        hint: zones are called as in the time-zone database, like 'Europe/Berlin' or 'UTC'
        select timestamp '2024-01-01 00:00:00' at time zone 'utc'
        Type: no time zone `utc`
        hint: did you mean 'UTC'?
    "#]]
    .assert_eq(&told(&[
        "select timestamp '2024-01-01 00:00:00' at time zone 'europe/berlin'",
        "select timestamp '2024-01-01 00:00:00' at time zone 'Nowhere/City'",
        "select timestamp '2024-01-01 00:00:00' at time zone 'utc'",
    ]));
}
