//! E5 by example: a query fails if and only if an error is part of its answer, and says which expression it was.

use expect_test::{Expect, expect};

use crate::harness::Bench;

fn bench() -> Bench {
    let columns = "k Int64; a Int64; b Int64; s Utf8";
    Bench::new()
        .table(
            "s.t",
            columns,
            &["k"],
            &["1,10,2,7\n2,10,0,x\n3,10,5,3\n", "4,,,\n"],
        )
        .table("s.u", "k Int64; c Int64", &["k"], &["1,1\n3,0\n"])
        .table("s.none", "k Int64; c Int64", &["k"], &[])
}

fn check(queries: &[&str], expected: Expect) {
    let bench = bench();
    let mut text = String::new();
    for sql in queries {
        let answer = bench.query(sql);
        let answer = answer.split_once('\n').map_or("", |(_, rows)| rows);
        text += &format!("{sql}\n");
        for row in answer.lines() {
            text += &format!("  {row}\n");
        }
    }
    expected.assert_eq(&text);
}

#[test]
fn rows_that_a_query_removes_take_their_errors_with_them() {
    check(
        &[
            "select k, q from (select k, a / b as q from s.t) x where k <> 2",
            "select k from (select k, a / b as q from s.t) x",
            "select k from s.t where k >= 2 and b <> 0 and a / b > 1",
            "select k from s.t where a / b > 1",
            "select t.k from s.t t join s.u u on t.k = u.k where a / b > 1",
            "select sum(q) as s from (select k, a / b as q from s.t where b <> 0 or k < 100) x join s.u u using (k)",
            "select t.k from s.t t join s.u u on t.a / t.b = u.c",
            "select t.k from s.t t join s.none u on t.a / t.b = u.c",
            "select t.k from s.t t join s.u u on t.k = u.k and t.b + 1 = u.c + 2",
            "select t.k from s.t t join s.u u on t.k = u.k and u.c + 1 = t.b + case t.k when 2 then 9223372036854775807 else 0 end",
            "select t.k from s.t t join s.u u on t.k = u.k and u.c + 1 = t.k + 9223372036854775806",
            "select k from s.t where a / b > 1 order by k limit 1",
            "select k from s.t where a / b > 1 order by k limit 2",
            "select k, a / b as q from s.t order by k limit 1",
        ],
        expect![[r#"
            select k, q from (select k, a / b as q from s.t) x where k <> 2
              1 | 5.000000
              3 | 2.000000
              4 | null
            select k from (select k, a / b as q from s.t) x
              1
              2
              3
              4
            select k from s.t where k >= 2 and b <> 0 and a / b > 1
              3
            select k from s.t where a / b > 1
              error: division by zero in `a / b`, at 1:25
              hint: use nullif(divisor, 0), or leave those rows out with case
            select t.k from s.t t join s.u u on t.k = u.k where a / b > 1
              1
              3
            select sum(q) as s from (select k, a / b as q from s.t where b <> 0 or k < 100) x join s.u u using (k)
              7.000000
            select t.k from s.t t join s.u u on t.a / t.b = u.c
              error: division by zero in `t.a / t.b`, at 1:37
              hint: use nullif(divisor, 0), or leave those rows out with case
            select t.k from s.t t join s.none u on t.a / t.b = u.c
            select t.k from s.t t join s.u u on t.k = u.k and t.b + 1 = u.c + 2
              1
            select t.k from s.t t join s.u u on t.k = u.k and u.c + 1 = t.b + case t.k when 2 then 9223372036854775807 else 0 end
              1
            select t.k from s.t t join s.u u on t.k = u.k and u.c + 1 = t.k + 9223372036854775806
              error: the result of `t.k + 9223372036854775806` does not fit its type, at 1:61
              hint: cast an operand to a wider type, for example decimal(38, s)
            select k from s.t where a / b > 1 order by k limit 1
              1
            select k from s.t where a / b > 1 order by k limit 2
              error: division by zero in `a / b`, at 1:25
              hint: use nullif(divisor, 0), or leave those rows out with case
            select k, a / b as q from s.t order by k limit 1
              1 | 5.000000
        "#]],
    );
}

#[test]
fn an_error_is_one_of_what_it_decides() {
    check(
        &[
            "select k % 2 as odd, count(*) as n from s.t group by k % 2",
            "select odd, n from (select k % 2 as odd, count(*) as n, sum(a / b) as s from s.t group by k % 2) x",
            "select odd, s from (select k % 2 as odd, sum(a / b) as s from s.t group by k % 2) x",
            "select odd, s from (select k % 2 as odd, sum(a / b) as s from s.t group by k % 2) x where odd = 1",
            "select k, q from (select distinct k, a / b as q from s.t) x where k = 1",
            "select a, q from (select distinct a, a / b as q from s.t) x where q = 5",
            "select k from s.u where exists (select 1 from s.t t where t.k >= u.k and t.a / t.b > 1)",
            "select k from s.u where not exists (select 1 from s.t t where t.k <= u.k and t.a / t.b > 100)",
            "select u.k, x.k as p from s.u u left join (select k from s.t where a / b > 100) x on x.k <= u.k",
            "select k, r from (select k, rank() over (order by a / b) as r from s.t) x",
            "select k from (select k, rank() over (order by a / b) as r from s.t) x",
            "select k, r from (select k, lag(a / b) over (order by k) as r from s.t) x where k = 2",
            "select k, (select max(a / b) from s.t) as m from s.none",
            "select k, (select a from s.t) as m from s.u",
            "select k from s.u where (select count(*) from s.t t where t.k = u.k and t.a / t.b > 1 or t.k = u.k and t.a = 9) > 0",
            "select k from s.t where (select count(*) from s.t u where u.k = t.k and u.a / u.b > 1 or u.k = t.k and u.a = 10) > 0",
            "select k from s.t where (select count(*) from s.t u where u.k = t.k and u.a / u.b > 1 or u.k = t.k and u.a = 9) > 0",
            "select k, case when k = 2 then 0 else a / b end as q, coalesce(b, a / b) as c from s.t",
            "select k from s.t where cast(s as int) = 7 or k = 2",
            "select k from s.t where cast(s as int) = 7 or k = 1",
        ],
        expect![[r#"
            select k % 2 as odd, count(*) as n from s.t group by k % 2
              0 | 2
              1 | 2
            select odd, n from (select k % 2 as odd, count(*) as n, sum(a / b) as s from s.t group by k % 2) x
              0 | 2
              1 | 2
            select odd, s from (select k % 2 as odd, sum(a / b) as s from s.t group by k % 2) x
              error: division by zero in `a / b`, at 1:46
              hint: use nullif(divisor, 0), or leave those rows out with case
            select odd, s from (select k % 2 as odd, sum(a / b) as s from s.t group by k % 2) x where odd = 1
              1 | 7.000000
            select k, q from (select distinct k, a / b as q from s.t) x where k = 1
              1 | 5.000000
            select a, q from (select distinct a, a / b as q from s.t) x where q = 5
              error: division by zero in `a / b`, at 1:38
              hint: use nullif(divisor, 0), or leave those rows out with case
            select k from s.u where exists (select 1 from s.t t where t.k >= u.k and t.a / t.b > 1)
              1
              3
            select k from s.u where not exists (select 1 from s.t t where t.k <= u.k and t.a / t.b > 100)
              error: division by zero in `t.a / t.b`, at 1:78
              hint: use nullif(divisor, 0), or leave those rows out with case
            select u.k, x.k as p from s.u u left join (select k from s.t where a / b > 100) x on x.k <= u.k
              error: division by zero in `a / b`, at 1:68
              hint: use nullif(divisor, 0), or leave those rows out with case
            select k, r from (select k, rank() over (order by a / b) as r from s.t) x
              error: division by zero in `a / b`, at 1:51
              hint: use nullif(divisor, 0), or leave those rows out with case
            select k from (select k, rank() over (order by a / b) as r from s.t) x
              1
              2
              3
              4
            select k, r from (select k, lag(a / b) over (order by k) as r from s.t) x where k = 2
              2 | 5.000000
            select k, (select max(a / b) from s.t) as m from s.none
            select k, (select a from s.t) as m from s.u
              error: a subquery that stands for one value gives more than one row
              hint: make it one row: an aggregate like max(x), or a condition on a key
            select k from s.u where (select count(*) from s.t t where t.k = u.k and t.a / t.b > 1 or t.k = u.k and t.a = 9) > 0
              1
              3
            select k from s.t where (select count(*) from s.t u where u.k = t.k and u.a / u.b > 1 or u.k = t.k and u.a = 10) > 0
              1
              2
              3
            select k from s.t where (select count(*) from s.t u where u.k = t.k and u.a / u.b > 1 or u.k = t.k and u.a = 9) > 0
              error: division by zero in `u.a / u.b`, at 1:73
              hint: use nullif(divisor, 0), or leave those rows out with case
            select k, case when k = 2 then 0 else a / b end as q, coalesce(b, a / b) as c from s.t
              1 | 5.000000 | 2.000000
              2 | 0.000000 | 0.000000
              3 | 2.000000 | 5.000000
              4 | null | null
            select k from s.t where cast(s as int) = 7 or k = 2
              1
              2
            select k from s.t where cast(s as int) = 7 or k = 1
              error: a text is no number that fits in `cast(s as int)`, at 1:25
              hint: correct the text, or give the type more digits; try_cast makes others null. '1.234,56' is read with cast(translate(x, ',.', '.') as decimal(18, 2)), '' with nullif(x, ''), blanks around a number with trim(x). A text that is compared with a number is read as that number's type: cast it to what it holds, for example cast(x as decimal(18, 2))
        "#]],
    );
}

#[test]
fn the_expression_named_is_the_first_in_the_text() {
    check(
        &[
            "select k,\n  cast(s as int) as n,\n  a / b as q\nfrom s.t",
            "select 1 / c as r, cast(s as int) as n from s.t join s.u on t.k = u.k or s = 'x' where u.k = 3",
            "select sum(9223372036854775807) as s from s.t",
            "select -(-9223372036854775807 - k) as n from s.t where k = 1",
        ],
        expect![[r#"
            select k,
              cast(s as int) as n,
              a / b as q
            from s.t
              error: a text is no number that fits in `cast(s as int)`, at 2:3
              hint: correct the text, or give the type more digits; try_cast makes others null. '1.234,56' is read with cast(translate(x, ',.', '.') as decimal(18, 2)), '' with nullif(x, ''), blanks around a number with trim(x). A text that is compared with a number is read as that number's type: cast it to what it holds, for example cast(x as decimal(18, 2))
            select 1 / c as r, cast(s as int) as n from s.t join s.u on t.k = u.k or s = 'x' where u.k = 3
              error: division by zero in `1 / c`, at 1:8
              hint: use nullif(divisor, 0), or leave those rows out with case
            select sum(9223372036854775807) as s from s.t
              error: the result of `sum(9223372036854775807)` does not fit its type, at 1:8
              hint: cast an operand to a wider type, for example decimal(38, s)
            select -(-9223372036854775807 - k) as n from s.t where k = 1
              error: the result of `-(-9223372036854775807 - k)` does not fit its type, at 1:8
              hint: cast an operand to a wider type, for example decimal(38, s)
        "#]],
    );
}

#[test]
fn rows_of_lists_and_recursions_carry_errors() {
    check(
        &[
            "select k, v from (select k, unnest([a / b, 1]) as v from s.t) x where k <> 2",
            "select k from (select k, unnest([a / b, 1]) as v from s.t) x",
            "select k, v from (select k, unnest([a, b]) as v, 10 / b as q from s.t) x",
            "select v from (select unnest([a, b]) as v, 10 / b as q from s.t) x where v > 5 and q > 0",
            "select q from (select unnest([a, b]) as v, 10 / b as q from s.t) x",
            "select q from (select unnest([a, b]) as v, k, 10 / b as q from s.t) x where k = 1",
            "with recursive r as (select 1 as x union all select x + 1 from r where x < 5) select sum(x) from r",
            "with recursive r as (select 3 as x, 0 as y union all select x - 1, 6 / (x - 1) from r where x > 0) select x, y from r where x > 0",
            "with recursive r as (select 3 as x, 0 as y union all select x - 1, 6 / (x - 1) from r where x > 0) select x, y from r",
            "with recursive r as (select 3 as x union all select x - 1 from r where 6 / x > 0) select x from r where x > 1",
            "with recursive r as (select 1 as x union select 6 / (x - 1) from r where x > 0) select count(*) from r",
        ],
        expect![[r#"
            select k, v from (select k, unnest([a / b, 1]) as v from s.t) x where k <> 2
              1 | 5.000000
              1 | 1.000000
              3 | 2.000000
              3 | 1.000000
              4 | null
              4 | 1.000000
            select k from (select k, unnest([a / b, 1]) as v from s.t) x
              error: division by zero in `a / b`, at 1:34
              hint: use nullif(divisor, 0), or leave those rows out with case
            select k, v from (select k, unnest([a, b]) as v, 10 / b as q from s.t) x
              1 | 10
              1 | 2
              2 | 10
              2 | 0
              3 | 10
              3 | 5
              4 | null
              4 | null
            select v from (select unnest([a, b]) as v, 10 / b as q from s.t) x where v > 5 and q > 0
              error: division by zero in `10 / b`, at 1:44
              hint: use nullif(divisor, 0), or leave those rows out with case
            select q from (select unnest([a, b]) as v, 10 / b as q from s.t) x
              error: division by zero in `10 / b`, at 1:44
              hint: use nullif(divisor, 0), or leave those rows out with case
            select q from (select unnest([a, b]) as v, k, 10 / b as q from s.t) x where k = 1
              5.000000
              5.000000
            with recursive r as (select 1 as x union all select x + 1 from r where x < 5) select sum(x) from r
              15
            with recursive r as (select 3 as x, 0 as y union all select x - 1, 6 / (x - 1) from r where x > 0) select x, y from r where x > 0
              1 | 6
              2 | 3
              3 | 0
            with recursive r as (select 3 as x, 0 as y union all select x - 1, 6 / (x - 1) from r where x > 0) select x, y from r
              error: division by zero in `6 / (x - 1)`, at 1:68
              hint: use nullif(divisor, 0), or leave those rows out with case
            with recursive r as (select 3 as x union all select x - 1 from r where 6 / x > 0) select x from r where x > 1
              error: division by zero in `6 / x`, at 1:72
              hint: use nullif(divisor, 0), or leave those rows out with case
            with recursive r as (select 1 as x union select 6 / (x - 1) from r where x > 0) select count(*) from r
              error: division by zero in `6 / (x - 1)`, at 1:49
              hint: use nullif(divisor, 0), or leave those rows out with case
        "#]],
    );
}
