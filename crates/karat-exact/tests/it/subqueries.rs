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
        id bigint
        3
        1
        2
        4
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
        hint: correct the text, or give the type more digits; try_cast makes others null. '1.234,56' is read with cast(translate(x, ',.', '.') as decimal(18, 2)), '' with nullif(x, ''), blanks around a number with trim(x). A text that is compared with a number is read as that number's type: cast it to what it holds, for example cast(x as decimal(18, 2))
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

/// A subquery in an order, and in the condition of a join: the outer columns need not be in the select list.
#[test]
fn of_an_order_and_of_a_join() {
    expect![[r#"
        select id from d.one order by (select count(*) from d.u where u.k < one.k) desc, id
        id bigint
        3
        1
        2
        4
        select id from d.one order by (select max(u.i) from d.u where u.k = one.k), id limit 2
        id bigint
        1
        2
        select id as k from d.one order by (select max(u.i) from d.u where u.k = one.k) desc nulls last, id
        Refused: 1:27: a subquery that asks for the row stands in `order by` or in the condition of a join
        hint: give it a name in the select list and order by that; or join without it, and write it into `where`
        select k, count(*) n from d.one group by k order by (select max(u.i) from d.u where u.k = one.k) desc
        k bigint, n bigint
        2 | 1
        1 | 2
        null | 1
        select s from d.one order by exists (select 1 from d.u where u.k > one.k and u.i > 30), s desc
        s string
        d
        c
        b
        a
        select a.id, b.i from d.one a join d.u b on a.k = b.k and b.i = (select max(c.i) from d.u c where c.k = a.k) order by 1
        id bigint, i bigint
        1 | 10
        2 | 10
        3 | 30
        select a.id, b.i from d.one a join d.u b on b.i > (select avg(c.i) from d.u c) and a.k = b.k order by 1, 2
        id bigint, i bigint
        3 | 30
        select a.id, b.i from d.one a left join d.u b on a.k = b.k and b.i = (select max(c.i) from d.u c where c.k = b.k) order by 1, 2
        id bigint, i bigint
        1 | 10
        2 | 10
        3 | 30
        4 | null
        select a.id, b.i from d.one a left join d.u b on a.k = b.k and (select count(*) from d.u c where c.k = a.k) > 1 order by 1, 2
        id bigint, i bigint
        1 | null
        2 | null
        3 | 20
        3 | 30
        4 | null
        select a.id, b.i from d.one a full join d.u b on a.k = b.k and exists (select 1 from d.u c where c.k > b.k) order by 1, 2
        id bigint, i bigint
        1 | 10
        2 | 10
        3 | 20
        3 | 30
        4 | null
        null | 40
        select a.id, b.i from d.one a left join d.u b on a.k = b.k and a.k in (select c.k from d.u c where c.i > 20) order by 1, 2
        id bigint, i bigint
        1 | null
        2 | null
        3 | 20
        3 | 30
        4 | null
        select a.id, b.i from d.one a join d.u b on a.k = b.k and b.i not in (select c.i from d.u c where c.i < 25) order by 1, 2
        id bigint, i bigint
        3 | 30
        select a.id, b.i from d.one a left join d.u b on (select count(*) from d.u c where c.k = a.k and c.i < b.i) = 1 order by 1, 2
        Refused: a subquery in the condition of an outer join asks for rows of both sides
        hint: let it ask for one side, or make an inner join with it and join its rows to the side that is kept
        select a.id, b.i from d.one a join d.u b on a.k = b.k and exists (select 1 from d.u c where c.i > b.i and c.k = a.id) order by 1, 2
        id bigint, i bigint
        2 | 10
        3 | 20
        3 | 30
        select a.id, b.i from d.one a join d.u b on a.k = b.k and not exists (select 1 from d.u c where c.i > b.i and c.k = a.id) order by 1, 2
        id bigint, i bigint
        1 | 10
        select a.id, b.i from d.one a left join d.u b on a.k = b.k and exists (select 1 from d.u c where c.i > b.i) order by 1, 2
        id bigint, i bigint
        1 | 10
        2 | 10
        3 | 20
        3 | 30
        4 | null
        select a.id, b.i from d.one a left join d.u b on a.k = b.k and cast(b.w as bigint) > (select count(*) from d.u c where c.k = b.k) order by 1, 2
        id bigint, i bigint
        error: a text is no number that fits in `cast(b.w as bigint)`, at 1:64
        hint: correct the text, or give the type more digits; try_cast makes others null. '1.234,56' is read with cast(translate(x, ',.', '.') as decimal(18, 2)), '' with nullif(x, ''), blanks around a number with trim(x). A text that is compared with a number is read as that number's type: cast it to what it holds, for example cast(x as decimal(18, 2))
        select a.id from d.one a join d.u b on a.k = b.k and b.i > (select max(cast(c.w as bigint)) from d.u c where c.k = a.k) order by 1
        id bigint
        error: a text is no number that fits in `cast(c.w as bigint)`, at 1:72
        hint: correct the text, or give the type more digits; try_cast makes others null. '1.234,56' is read with cast(translate(x, ',.', '.') as decimal(18, 2)), '' with nullif(x, ''), blanks around a number with trim(x). A text that is compared with a number is read as that number's type: cast it to what it holds, for example cast(x as decimal(18, 2))
        select a.id, b.i from d.one a left join d.u b on a.k = b.k and cast(b.w as bigint) > (select count(*) from d.u c where c.k = b.k) where a.id < 3 order by 1, 2
        id bigint, i bigint
        1 | 10
        2 | 10
    "#]].assert_eq(&told(&[
        "select id from d.one order by (select count(*) from d.u where u.k < one.k) desc, id",
        "select id from d.one order by (select max(u.i) from d.u where u.k = one.k), id limit 2",
        "select id as k from d.one order by (select max(u.i) from d.u where u.k = one.k) desc nulls last, id",
        "select k, count(*) n from d.one group by k order by (select max(u.i) from d.u where u.k = one.k) desc",
        "select s from d.one order by exists (select 1 from d.u where u.k > one.k and u.i > 30), s desc",
        "select a.id, b.i from d.one a join d.u b on a.k = b.k and b.i = (select max(c.i) from d.u c where c.k = a.k) order by 1",
        "select a.id, b.i from d.one a join d.u b on b.i > (select avg(c.i) from d.u c) and a.k = b.k order by 1, 2",
        "select a.id, b.i from d.one a left join d.u b on a.k = b.k and b.i = (select max(c.i) from d.u c where c.k = b.k) order by 1, 2",
        "select a.id, b.i from d.one a left join d.u b on a.k = b.k and (select count(*) from d.u c where c.k = a.k) > 1 order by 1, 2",
        "select a.id, b.i from d.one a full join d.u b on a.k = b.k and exists (select 1 from d.u c where c.k > b.k) order by 1, 2",
        "select a.id, b.i from d.one a left join d.u b on a.k = b.k and a.k in (select c.k from d.u c where c.i > 20) order by 1, 2",
        "select a.id, b.i from d.one a join d.u b on a.k = b.k and b.i not in (select c.i from d.u c where c.i < 25) order by 1, 2",
        "select a.id, b.i from d.one a left join d.u b on (select count(*) from d.u c where c.k = a.k and c.i < b.i) = 1 order by 1, 2",
        "select a.id, b.i from d.one a join d.u b on a.k = b.k and exists (select 1 from d.u c where c.i > b.i and c.k = a.id) order by 1, 2",
        "select a.id, b.i from d.one a join d.u b on a.k = b.k and not exists (select 1 from d.u c where c.i > b.i and c.k = a.id) order by 1, 2",
        "select a.id, b.i from d.one a left join d.u b on a.k = b.k and exists (select 1 from d.u c where c.i > b.i) order by 1, 2",
        "select a.id, b.i from d.one a left join d.u b on a.k = b.k and cast(b.w as bigint) > (select count(*) from d.u c where c.k = b.k) order by 1, 2",
        "select a.id from d.one a join d.u b on a.k = b.k and b.i > (select max(cast(c.w as bigint)) from d.u c where c.k = a.k) order by 1",
        "select a.id, b.i from d.one a left join d.u b on a.k = b.k and cast(b.w as bigint) > (select count(*) from d.u c where c.k = b.k) where a.id < 3 order by 1, 2",
    ]));
}

/// Places of elements, from 1, beside one list or several.
#[test]
fn elements_with_their_places() {
    expect![[r#"
        select v, n from unnest([30, 10, 20]) with ordinality as t(v, n) order by n
        v bigint, n bigint
        30 | 1
        10 | 2
        20 | 3
        select t.id, e.v, e.n from (values (1, [7, 8]), (2, cast(null as bigint[])), (3, [9])) t(id, list), unnest(t.list) with ordinality as e(v, n) order by 1, 3
        id bigint, v bigint, n bigint
        1 | 7 | 1
        1 | 8 | 2
        3 | 9 | 1
        select a, b, n from unnest([1, 2, 3], ['x']) with ordinality as t(a, b, n) order by n
        a bigint, b string, n bigint
        1 | x | 1
        2 | null | 2
        3 | null | 3
        select o.id, e.w, e.n from d.one o cross join unnest(string_to_array(concat(o.s, ',z'), ',')) with ordinality e(w, n) where o.id < 3 order by 1, 3
        id bigint, w string, n bigint
        1 | a | 1
        1 | z | 2
        2 | b | 1
        2 | z | 2
        select * from unnest([1]) with ordinality
        Name: 1:23: the columns of `unnest … with ordinality` have no names
        hint: name its columns and the places: unnest(x) with ordinality as t(element, place)
        select * from unnest([1]) with ordinality as t(v)
        Name: 1:23: the columns of `unnest … with ordinality` have no names
        hint: name its columns and the places: unnest(x) with ordinality as t(element, place)
        select sum(n) s from unnest([5, 6]) with ordinality as t(v, n) where v > 5
        s bigint
        2
        select v from unnest([1 / 0, 2]) with ordinality as t(v, n) where n > 5
        v decimal(38,6)
        select t.id, e.v, e.n from (values (1, [7, 8]), (3, [9])) t(id, list) left join lateral unnest(t.list) with ordinality as e(v, n) on e.v > 7 order by 1, 3
        id bigint, v bigint, n bigint
        1 | 8 | 2
        3 | 9 | 1
        select sum(unnest([1, 2])) s
        Refused: 1:12: `unnest` stands where no list is taken apart: in `where`, an aggregate, a window or `distinct on`
        hint: take it apart in a subquery: select … from (select unnest(list) as element from t)
    "#]].assert_eq(&told(&[
        "select v, n from unnest([30, 10, 20]) with ordinality as t(v, n) order by n",
        "select t.id, e.v, e.n from (values (1, [7, 8]), (2, cast(null as bigint[])), (3, [9])) t(id, list), unnest(t.list) with ordinality as e(v, n) order by 1, 3",
        "select a, b, n from unnest([1, 2, 3], ['x']) with ordinality as t(a, b, n) order by n",
        "select o.id, e.w, e.n from d.one o cross join unnest(string_to_array(concat(o.s, ',z'), ',')) with ordinality e(w, n) where o.id < 3 order by 1, 3",
        "select * from unnest([1]) with ordinality",
        "select * from unnest([1]) with ordinality as t(v)",
        "select sum(n) s from unnest([5, 6]) with ordinality as t(v, n) where v > 5",
        "select v from unnest([1 / 0, 2]) with ordinality as t(v, n) where n > 5",
        "select t.id, e.v, e.n from (values (1, [7, 8]), (3, [9])) t(id, list) left join lateral unnest(t.list) with ordinality as e(v, n) on e.v > 7 order by 1, 3",
        "select sum(unnest([1, 2])) s",
    ]));
}

/// What a window function takes once is no column: of which row it was would decide (D2).
#[test]
fn what_a_window_takes_once() {
    expect![[r#"
        select id, nth_value(s, k) over (order by k) v from d.one
        Refused: 1:12: `nth_value` takes one value for all rows, and `d.one.k` is of each row its own
        hint: for example nth_value(x, 2)
        select id, nth_value(s, k) over (order by id rows between unbounded preceding and current row) v from d.one
        Refused: 1:12: `nth_value` takes one value for all rows, and `d.one.k` is of each row its own
        hint: for example nth_value(x, 2)
        select id, nth_value(s, 1 + 1) over (order by k) v from d.one
        id bigint, v string
        1 | b
        2 | b
        3 | b
        4 | b
        select string_agg(s, s) over (order by k) v from d.one
        Refused: 1:8: `string_agg` takes one value for all rows, and `d.one.s` is of each row its own
        hint: for example string_agg(x, ', ')
        select ntile(k) over (order by id) v from d.one
        Refused: 1:8: `ntile` takes one value for all rows, and `d.one.k` is of each row its own
        hint: for example ntile(4)
        select lag(s, k) over (order by id) v from d.one
        Refused: 1:8: `lag` takes one value for all rows, and `d.one.k` is of each row its own
        hint: for example lag(x, 1, 0); where x is never null, coalesce(lag(x) over (…), y) has a default of each row's own
        select lag(s, 1, s) over (order by id) v from d.one
        Refused: 1:8: `lag` takes one value for all rows, and `d.one.s` is of each row its own
        hint: for example lag(x, 1, 0); where x is never null, coalesce(lag(x) over (…), y) has a default of each row's own
        select nth_value(s, k order by id) v from d.one group by k
        v string
        error: the count of `nth_value` must be a literal
        hint: for example nth_value(x, 2)
        select string_agg(s, ',' order by id) over (partition by k) v from d.one
        Refused: 1:39: an aggregate with `over` has no order of its own
        hint: write the order into over (…), with a frame: rows between unbounded preceding and unbounded following
        select id, bool_or(k = 2) over (order by id rows 1 preceding) o, bool_and(k = 1) over (order by id rows between current row and 1 following) a from d.one
        id bigint, o boolean, a boolean
        1 | false | true
        2 | false | false
        3 | true | false
        4 | true | null
        select k, count(*) n, max(s) m from d.one group by all order by all desc
        k bigint, n bigint, m string
        2 | 1 | c
        1 | 2 | b
        null | 1 | d
    "#]].assert_eq(&told(&[
        "select id, nth_value(s, k) over (order by k) v from d.one",
        "select id, nth_value(s, k) over (order by id rows between unbounded preceding and current row) v from d.one",
        "select id, nth_value(s, 1 + 1) over (order by k) v from d.one",
        "select string_agg(s, s) over (order by k) v from d.one",
        "select ntile(k) over (order by id) v from d.one",
        "select lag(s, k) over (order by id) v from d.one",
        "select lag(s, 1, s) over (order by id) v from d.one",
        "select nth_value(s, k order by id) v from d.one group by k",
        "select string_agg(s, ',' order by id) over (partition by k) v from d.one",
        "select id, bool_or(k = 2) over (order by id rows 1 preceding) o, bool_and(k = 1) over (order by id rows between current row and 1 following) a from d.one",
        "select k, count(*) n, max(s) m from d.one group by all order by all desc",
    ]));
}
