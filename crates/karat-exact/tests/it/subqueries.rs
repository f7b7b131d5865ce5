//! Subqueries in every place, correlated by more than equality.

use expect_test::expect;

use crate::harness::Bench;

fn told(queries: &[&str]) -> String {
    let bench = Bench::new()
        .table(
            "d.one",
            "id Int64; k Int64; s Utf8",
            &["id"],
            &["1,1,a\n2,1,b\n3,2,c\n4,,d\n"],
        )
        .table(
            "d.u",
            "k Int64; i Int64; w Utf8",
            &["i"],
            &["1,10,5\n2,20,x\n", "2,30,6\n3,40,7\n"],
        );
    bench.told(queries)
}

#[test]
fn of_one_value() {
    expect![[r#"
        select id, (select count(*) from d.u where u.k > one.k) c from d.one
        id bigint, c bigint
        1 | 3
        2 | 3
        3 | 1
        4 | 0
        select id, (select sum(u.i) from d.u where u.k > one.k) c from d.one order by id desc
        id bigint, c bigint
        4 | null
        3 | 40
        2 | 90
        1 | 90
        select id, (select x.i from d.u x where x.k = one.k order by x.i desc limit 1) v from d.one
        id bigint, v bigint
        1 | 10
        2 | 10
        3 | 30
        4 | null
        select id, (select x.i + one.id from d.u x where x.k >= one.k order by x.i limit 1 offset 1) v from d.one
        id bigint, v bigint
        1 | 21
        2 | 22
        3 | 33
        4 | null
        select max((select count(*) from d.u b where b.k = a.k)) m from d.one a
        m bigint
        2
        select id from d.one where (select count(*) from d.u where u.k > one.k) > 2
        id bigint
        1
        2
        select id from d.one order by (select count(*) from d.u where u.k < one.k) desc, id
        Refused: 1:22: a subquery that asks for the row stands in `order by` or in the condition of a join
        hint: give it a name in the select list and order by that; or join without it, and write it into `where`
        select (select count(*) from d.u where u.k < one.k) c, count(*) n from d.one group by 1
        c bigint, n bigint
        0 | 3
        1 | 1
        select id, row_number() over (order by (select max(i) from d.u where u.k = one.k), id) n from d.one
        id bigint, n bigint
        1 | 1
        2 | 2
        3 | 3
        4 | 4
        select id, (select string_agg(w, ',' order by i) from d.u where u.k > one.k) l from d.one
        id bigint, l string
        1 | x,6,7
        2 | x,6,7
        3 | 7
        4 | null
        select id, (select count(distinct u.k) from d.u join d.one b on u.k = b.k where b.id >= one.id) c from d.one
        id bigint, c bigint
        1 | 2
        2 | 2
        3 | 1
        4 | 0
    "#]].assert_eq(&told(&[
        "select id, (select count(*) from d.u where u.k > one.k) c from d.one",
        "select id, (select sum(u.i) from d.u where u.k > one.k) c from d.one order by id desc",
        "select id, (select x.i from d.u x where x.k = one.k order by x.i desc limit 1) v from d.one",
        "select id, (select x.i + one.id from d.u x where x.k >= one.k order by x.i limit 1 offset 1) v from d.one",
        "select max((select count(*) from d.u b where b.k = a.k)) m from d.one a",
        "select id from d.one where (select count(*) from d.u where u.k > one.k) > 2",
        "select id from d.one order by (select count(*) from d.u where u.k < one.k) desc, id",
        "select (select count(*) from d.u where u.k < one.k) c, count(*) n from d.one group by 1",
        "select id, row_number() over (order by (select max(i) from d.u where u.k = one.k), id) n from d.one",
        "select id, (select string_agg(w, ',' order by i) from d.u where u.k > one.k) l from d.one",
        "select id, (select count(distinct u.k) from d.u join d.one b on u.k = b.k where b.id >= one.id) c from d.one",
    ]));
}

#[test]
fn of_yes_and_no() {
    expect![[r#"
        select exists(select 1) e, exists(select 1 from d.u where false) f
        e boolean, f boolean
        true | false
        select id, exists(select 1 from d.u where u.k = one.k) e, not exists(select 1 from d.u where u.k > one.k) n from d.one
        id bigint, e boolean, n boolean
        1 | true | false
        2 | true | false
        3 | true | false
        4 | false | true
        select id, k in (select k from d.u) i, k not in (select k from d.u) n from d.one
        id bigint, i boolean, n boolean
        1 | true | false
        2 | true | false
        3 | true | false
        4 | null | null
        select id, case when exists(select 1 from d.u where u.k = one.k) then s else '-' end c from d.one
        id bigint, c string
        1 | a
        2 | b
        3 | c
        4 | -
        select id, k in (select k from d.u where u.i > one.id) i from d.one
        id bigint, i boolean
        1 | true
        2 | true
        3 | true
        4 | null
        select id, k in (select nullif(k, 1) from d.u) i, id not in (select nullif(k, 1) from d.u) n from d.one
        id bigint, i boolean, n boolean
        1 | null | null
        2 | null | false
        3 | true | false
        4 | null | null
        select count(*) filter (where k in (select k from d.u where i < 25)) n from d.one
        n bigint
        3
        select id from d.one order by k not in (select k from d.u), id desc
        id bigint
        3
        2
        1
        4
    "#]].assert_eq(&told(&[
        "select exists(select 1) e, exists(select 1 from d.u where false) f",
        "select id, exists(select 1 from d.u where u.k = one.k) e, not exists(select 1 from d.u where u.k > one.k) n from d.one",
        "select id, k in (select k from d.u) i, k not in (select k from d.u) n from d.one",
        "select id, case when exists(select 1 from d.u where u.k = one.k) then s else '-' end c from d.one",
        "select id, k in (select k from d.u where u.i > one.id) i from d.one",
        "select id, k in (select nullif(k, 1) from d.u) i, id not in (select nullif(k, 1) from d.u) n from d.one",
        "select count(*) filter (where k in (select k from d.u where i < 25)) n from d.one",
        "select id from d.one order by k not in (select k from d.u), id desc",
    ]));
}

#[test]
fn beside_each_row() {
    expect![[r#"
        select id, l.i from d.one left join lateral (select u.i from d.u where u.k >= one.k order by u.i limit 2) l on true
        id bigint, i bigint
        1 | 10
        1 | 20
        2 | 10
        2 | 20
        3 | 20
        3 | 30
        4 | null
        select id, l.c from d.one cross join lateral (select sum(u.i) c from d.u where u.k > one.k) l
        id bigint, c bigint
        1 | 90
        2 | 90
        3 | 40
        4 | null
        select id, l.i from d.one, lateral (select u.i from d.u where u.k = one.k order by u.k limit 1) l
        id bigint, i bigint
        1 | 10
        2 | 10
        3 | 20
        select id, v from (select id, [k, id] as list from d.one) t cross join unnest(t.list) q(v) where id < 3
        id bigint, v bigint
        1 | 1
        1 | 1
        2 | 1
        2 | 2
        select t.id, q.v from (values (1, [1, 2]), (2, [3])) t(id, list), unnest(t.list) as q(v)
        id bigint, v bigint
        1 | 1
        1 | 2
        2 | 3
    "#]].assert_eq(&told(&[
        "select id, l.i from d.one left join lateral (select u.i from d.u where u.k >= one.k order by u.i limit 2) l on true",
        "select id, l.c from d.one cross join lateral (select sum(u.i) c from d.u where u.k > one.k) l",
        "select id, l.i from d.one, lateral (select u.i from d.u where u.k = one.k order by u.k limit 1) l",
        "select id, v from (select id, [k, id] as list from d.one) t cross join unnest(t.list) q(v) where id < 3",
        "select t.id, q.v from (values (1, [1, 2]), (2, [3])) t(id, list), unnest(t.list) as q(v)",
    ]));
}

#[test]
fn null_is_null_where_it_is_said_and_nowhere_else() {
    expect![[r#"
        select count(*) n from d.one a join d.one b on a.k is not distinct from b.k
        n bigint
        6
        select count(*) n from d.one a join d.one b on a.k is not distinct from b.k where a.k + 0 = b.k + 0
        n bigint
        5
        select count(*) n from d.one a join d.one b on (a.k is not distinct from b.k) and nullif(a.s, 'a') = nullif(b.s, 'a')
        n bigint
        3
        select a.id, l.i from d.one a join lateral (select u.i, nullif(u.k, 2) k from d.u where u.i > a.id order by u.i limit 3) l on a.k = l.k
        id bigint, i bigint
        1 | 10
        2 | 10
        select id from d.one where (select nullif(u.k, 2) from d.u where u.k >= one.k order by u.i desc limit 1) = k
        id bigint
    "#]].assert_eq(&told(&[
        "select count(*) n from d.one a join d.one b on a.k is not distinct from b.k",
        "select count(*) n from d.one a join d.one b on a.k is not distinct from b.k where a.k + 0 = b.k + 0",
        "select count(*) n from d.one a join d.one b on (a.k is not distinct from b.k) and nullif(a.s, 'a') = nullif(b.s, 'a')",
        "select a.id, l.i from d.one a join lateral (select u.i, nullif(u.k, 2) k from d.u where u.i > a.id order by u.i limit 3) l on a.k = l.k",
        "select id from d.one where (select nullif(u.k, 2) from d.u where u.k >= one.k order by u.i desc limit 1) = k",
    ]));
}

#[test]
fn with_errors_where_they_are_seen() {
    expect![[r#"
        select id, (select sum(cast(u.w as bigint)) from d.u where u.k > one.k) c from d.one where id <> 1
        id bigint, c bigint
        error: a text is no number that fits in `cast(u.w as bigint)`, at 1:24
        hint: correct the text, or give the type more digits; try_cast makes others null. A text that is compared with a number is read as that number's type: cast it to what it holds, for example cast(x as decimal(18, 2))
        select id, (select sum(cast(u.w as bigint)) from d.u where u.k > one.k) c from d.one where id = 3
        id bigint, c bigint
        3 | 7
        select id from (select id, (select sum(cast(u.w as bigint)) from d.u where u.k > one.k) c from d.one) x
        id bigint
        1
        2
        3
        4
        select id, (select cast(u.w as bigint) from d.u where u.k >= one.k order by i desc limit 1) c from d.one
        id bigint, c bigint
        1 | 7
        2 | 7
        3 | 7
        4 | null
        select id, exists(select 1 from d.u where cast(u.w as bigint) > one.k) e from d.one
        id bigint, e boolean
        error: `exists` stands where the engine has no join for it
        hint: let it be a condition of its own in `where`, or join a subquery and ask whether it gave a row
    "#]].assert_eq(&told(&[
        "select id, (select sum(cast(u.w as bigint)) from d.u where u.k > one.k) c from d.one where id <> 1",
        "select id, (select sum(cast(u.w as bigint)) from d.u where u.k > one.k) c from d.one where id = 3",
        "select id from (select id, (select sum(cast(u.w as bigint)) from d.u where u.k > one.k) c from d.one) x",
        "select id, (select cast(u.w as bigint) from d.u where u.k >= one.k order by i desc limit 1) c from d.one",
        "select id, exists(select 1 from d.u where cast(u.w as bigint) > one.k) e from d.one",
    ]));
}
