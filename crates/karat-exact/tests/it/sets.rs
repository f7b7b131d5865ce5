//! Grouping sets over what is computed, and over what can fail.

use expect_test::expect;

use crate::harness::Bench;

fn told(queries: &[&str]) -> String {
    let bench = Bench::new().table(
        "d.t",
        "id Int64; k Int64; s Utf8; day Date32",
        &["id"],
        &[
            "1,1,7,2024-01-05\n2,1,8,2024-01-09\n",
            "3,2,x,2024-02-01\n4,2,9,2024-02-01\n5,,,2024-03-01\n",
        ],
    );
    bench.told(queries)
}

#[test]
fn what_is_computed_is_grouped_by() {
    expect![[r#"
        select date_trunc('month', day) m, k, count(*) n from d.t group by rollup(date_trunc('month', day), k)
        m date, k bigint, n bigint
        2024-01-01 | 1 | 2
        2024-01-01 | null | 2
        2024-02-01 | 2 | 2
        2024-02-01 | null | 2
        2024-03-01 | null | 1
        2024-03-01 | null | 1
        null | null | 5
        select k % 2 p, grouping(k % 2) g, sum(id) s from d.t group by cube(k % 2)
        p bigint, g integer, s bigint
        0 | 0 | 7
        1 | 0 | 3
        null | 0 | 5
        null | 1 | 15
        select coalesce(s, 'none') c, k, count(*) n from d.t group by grouping sets ((coalesce(s, 'none')), (k), ())
        c string, k bigint, n bigint
        7 | null | 1
        8 | null | 1
        9 | null | 1
        none | null | 1
        x | null | 1
        null | 1 | 2
        null | 2 | 2
        null | null | 1
        null | null | 5
        select m, count(*) n from (select k + 1 as m from d.t) x group by rollup(m)
        m bigint, n bigint
        2 | 2
        3 | 2
        null | 1
        null | 5
        select count(*) n from d.t where id > 100 group by rollup(k)
        n bigint
        0
    "#]].assert_eq(&told(&[
        "select date_trunc('month', day) m, k, count(*) n from d.t group by rollup(date_trunc('month', day), k)",
        "select k % 2 p, grouping(k % 2) g, sum(id) s from d.t group by cube(k % 2)",
        "select coalesce(s, 'none') c, k, count(*) n from d.t group by grouping sets ((coalesce(s, 'none')), (k), ())",
        "select m, count(*) n from (select k + 1 as m from d.t) x group by rollup(m)",
        "select count(*) n from d.t where id > 100 group by rollup(k)",
    ]));
}

#[test]
fn a_condition_on_no_column_leaves_no_group_of_all_rows() {
    expect![[r#"
        select n from (select 2 as k, count(*) n from d.t) x where k = 1
        n bigint
        select k, n from (select k, count(*) n from d.t group by rollup(k)) x where k = 1
        k bigint, n bigint
        1 | 2
        select k, n from (select 2 as p, k, count(*) n from d.t group by rollup(k)) x where p = 1
        k bigint, n bigint
    "#]]
    .assert_eq(&told(&[
        "select n from (select 2 as k, count(*) n from d.t) x where k = 1",
        "select k, n from (select k, count(*) n from d.t group by rollup(k)) x where k = 1",
        "select k, n from (select 2 as p, k, count(*) n from d.t group by rollup(k)) x where p = 1",
    ]));
}

#[test]
fn a_key_that_fails_is_an_error_of_its_groups() {
    expect![[r#"
        select cast(s as bigint) v, count(*) n from d.t group by rollup(cast(s as bigint))
        v bigint, n bigint
        error: a text is no number that fits in `cast(s as bigint)`, at 1:8
        hint: correct the text, or give the type more digits; try_cast makes others null. '1.234,56' is read with cast(translate(x, ',.', '.') as decimal(18, 2)), '' with nullif(x, ''), blanks around a number with trim(x). A text that is compared with a number is read as that number's type: cast it to what it holds, for example cast(x as decimal(18, 2))
        select cast(s as bigint) v, count(*) n from d.t where k = 1 group by rollup(cast(s as bigint))
        v bigint, n bigint
        7 | 1
        8 | 1
        null | 2
        select n from (select cast(s as bigint) v, k, count(*) n from d.t group by grouping sets ((cast(s as bigint)), (k))) x where k is not null
        n bigint
        2
        2
        select v, k, n from (select cast(s as bigint) v, k, grouping(k) g, count(*) n, max(id) m from d.t group by cube(cast(s as bigint), k)) x where k = 1
        v bigint, k bigint, n bigint
        7 | 1 | 1
        8 | 1 | 1
        null | 1 | 2
        select n from (select cast(s as bigint) v, count(*) n from d.t where id > 100 or cast(s as bigint) > 100 and id < 3 group by rollup(cast(s as bigint))) x
        n bigint
        0
    "#]].assert_eq(&told(&[
        "select cast(s as bigint) v, count(*) n from d.t group by rollup(cast(s as bigint))",
        "select cast(s as bigint) v, count(*) n from d.t where k = 1 group by rollup(cast(s as bigint))",
        "select n from (select cast(s as bigint) v, k, count(*) n from d.t group by grouping sets ((cast(s as bigint)), (k))) x where k is not null",
        "select v, k, n from (select cast(s as bigint) v, k, grouping(k) g, count(*) n, max(id) m from d.t group by cube(cast(s as bigint), k)) x where k = 1",
        "select n from (select cast(s as bigint) v, count(*) n from d.t where id > 100 or cast(s as bigint) > 100 and id < 3 group by rollup(cast(s as bigint))) x",
    ]));
}
