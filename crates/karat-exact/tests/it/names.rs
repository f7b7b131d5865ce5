//! Names that mean a column here and a table or an output there.

use expect_test::expect;

use crate::harness::Bench;

fn told(queries: &[&str]) -> String {
    let bench = Bench::new()
        .table(
            "d.one",
            "id Int64; k Int64; i Int64",
            &["id"],
            &["1,1,10\n2,1,30\n3,2,20\n4,3,5\n"],
        )
        .table("d.t", "k Int64; t Int64", &["k"], &["1,7\n2,8\n5,9\n"]);
    bench.told(queries)
}

#[test]
fn an_order_by_an_aggregate_means_the_column_below() {
    expect![[r#"
        select k, sum(i) as i from d.one group by k order by sum(i) desc
        k bigint, i bigint
        1 | 40
        2 | 20
        3 | 5
        select k, sum(i) as i from d.one group by k order by SUM(i) desc, k limit 1
        k bigint, i bigint
        1 | 40
        select k, sum(i) as i from d.one group by k order by max(i)
        k bigint, i bigint
        3 | 5
        2 | 20
        1 | 40
        select k, sum(i) as i from d.one group by k having sum(i) > 5 order by -sum(i)
        k bigint, i bigint
        1 | 40
        2 | 20
        select k, sum(i) as total from d.one group by k order by total desc
        k bigint, total bigint
        1 | 40
        2 | 20
        3 | 5
        select k, count(*) as i from d.one group by k order by i desc, k
        k bigint, i bigint
        1 | 2
        2 | 1
        3 | 1
    "#]]
    .assert_eq(&told(&[
        "select k, sum(i) as i from d.one group by k order by sum(i) desc",
        "select k, sum(i) as i from d.one group by k order by SUM(i) desc, k limit 1",
        "select k, sum(i) as i from d.one group by k order by max(i)",
        "select k, sum(i) as i from d.one group by k having sum(i) > 5 order by -sum(i)",
        "select k, sum(i) as total from d.one group by k order by total desc",
        "select k, count(*) as i from d.one group by k order by i desc, k",
    ]));
}

#[test]
fn groups_by_all_have_conditions() {
    expect![[r#"
        select i % 3 m, count(*) n from d.one group by all having m > 0
        m bigint, n bigint
        1 | 1
        2 | 2
        select i % 3 m, count(*) n from d.one group by all having n > 1
        m bigint, n bigint
        2 | 2
        select k, i % 3 m, (select max(x.k) from d.t x) q, count(*) + 1 n from d.one group by all having m > 0 order by 1
        k bigint, m bigint, q bigint, n bigint
        1 | 1 | 5 | 2
        2 | 2 | 5 | 2
        3 | 2 | 5 | 2
    "#]].assert_eq(&told(&[
        "select i % 3 m, count(*) n from d.one group by all having m > 0",
        "select i % 3 m, count(*) n from d.one group by all having n > 1",
        "select k, i % 3 m, (select max(x.k) from d.t x) q, count(*) + 1 n from d.one group by all having m > 0 order by 1",
    ]));
}

#[test]
fn a_table_is_a_table_below_a_column_of_its_name() {
    expect![[r#"
        select (select max(x.id) from d.one x where x.k = t.k) q from d.t t
        q bigint
        2
        3
        null
        select t.k, (select max(t) from d.t x where x.k = t.k) from d.t
        k bigint, (select max(t) as "max(t)" from d.t x where x.k = t.k) bigint
        1 | 7
        2 | 8
        5 | 9
        select t.* from d.t t where exists (select 1 from d.t u where u.k = t.k and u.t > 7)
        k bigint, t bigint
        2 | 8
        5 | 9
        select t.nosuch from d.t t
        Type: a field of a bigint: only a struct has fields
        hint: a column is written column, or table.column
    "#]]
    .assert_eq(&told(&[
        "select (select max(x.id) from d.one x where x.k = t.k) q from d.t t",
        "select t.k, (select max(t) from d.t x where x.k = t.k) from d.t",
        "select t.* from d.t t where exists (select 1 from d.t u where u.k = t.k and u.t > 7)",
        "select t.nosuch from d.t t",
    ]));
}

#[test]
fn rows_are_among_rows() {
    expect![[r#"
        select id from d.one where (k, i) in (select k, i from d.one where i > 10)
        id bigint
        2
        3
        select id from d.one where (k, i) in (select k, t + 3 from d.t) or id = 4
        id bigint
        1
        4
        select id from d.one where (k, i) not in (select k, i from d.one where i > 10)
        Refused: 1:29: `(k, i) in (select …)` stands elsewhere than as a condition of `where`
        hint: write exists, or not exists (select 1 from … where x = a and y = b)
    "#]]
    .assert_eq(&told(&[
        "select id from d.one where (k, i) in (select k, i from d.one where i > 10)",
        "select id from d.one where (k, i) in (select k, t + 3 from d.t) or id = 4",
        "select id from d.one where (k, i) not in (select k, i from d.one where i > 10)",
    ]));
}
