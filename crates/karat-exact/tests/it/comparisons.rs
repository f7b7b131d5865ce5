//! E1, E3, E6: comparisons of different kinds of numbers, number literals, and what planning may not fail on.

use expect_test::{Expect, expect};

use crate::harness::Bench;

fn check(queries: &[&str], expected: Expect) {
    let bench = Bench::new()
        .table(
            "s.t",
            "n Int64; d Decimal128(38, 2); f Float64; s Utf8",
            &["n"],
            &["9007199254740993,9007199254740993.00,9007199254740992,x\n2,2.00,2,y\n3,0.10,0.1,z\n"],
        )
        .table(
            "s.u",
            "f Float64; m Int64",
            &["f"],
            &["9007199254740992,1\n2,2\n0.1,3\n"],
        );
    let mut text = String::new();
    for sql in queries {
        let answer = bench.query(sql);
        text += &format!("{sql}\n  {}\n", answer.replace('\n', "\n  "));
    }
    expected.assert_eq(&text);
}

#[test]
fn integers_decimals_and_doubles_compare_by_exact_value() {
    check(
        &[
            "select n from s.t where n = f",
            "select n from s.t where d = f",
            "select n from s.t where n in (f, 2.0)",
            "select n from s.t where n not in (f, cast(3 as double))",
            "select n from s.t where n between f and f + 1",
            "select n from s.t where case n when f then true else false end",
            "select n from s.t where n is not distinct from f",
            "select t.n, u.m from s.t t join s.u u on t.n = u.f",
            "select t.n, u.m from s.t t left join s.u u on t.d = u.f",
            "select t.n, t.f from s.t t join s.u u using (f)",
            "select n from s.t where exists (select 1 from s.u where u.f = t.n)",
            "select n from s.t where n in (select f from s.u)",
            "select n from s.t where nullif(n, f) is null",
            "select greatest(n, f) as g from s.t",
            "select max(x) as m from (select n as x from s.t union all select f from s.u) y",
            "select n as x from s.t union select f from s.u",
            "select n as x from s.t intersect select f from s.u",
            "select case when n > 2 then n else f end as x from s.t",
            "select coalesce(n, f) as x from s.t",
        ],
        expect![[r#"
            select n from s.t where n = f
              n bigint
              2
            select n from s.t where d = f
              n bigint
              2
            select n from s.t where n in (f, 2.0)
              n bigint
              2
            select n from s.t where n not in (f, cast(3 as double))
              n bigint
              9007199254740993
            select n from s.t where n between f and f + 1
              n bigint
              2
            select n from s.t where case n when f then true else false end
              n bigint
              2
            select n from s.t where n is not distinct from f
              n bigint
              2
            select t.n, u.m from s.t t join s.u u on t.n = u.f
              n bigint, m bigint
              2 | 2
            select t.n, u.m from s.t t left join s.u u on t.d = u.f
              n bigint, m bigint
              2 | 2
              3 | null
              9007199254740993 | null
            select t.n, t.f from s.t t join s.u u using (f)
              n bigint, f double
              2 | 2.0
              3 | 0.1
              9007199254740993 | 9007199254740992.0
            select n from s.t where exists (select 1 from s.u where u.f = t.n)
              n bigint
              2
            select n from s.t where n in (select f from s.u)
              n bigint
              2
            select n from s.t where nullif(n, f) is null
              n bigint
              error: a value cannot be converted without loss in `cast(s.t.n as double)`, at 1:8
              hint: round the value first, give the target more digits, or correct the text; a double becomes a decimal by decimal_from_double(round(x, 4), 4)
            select greatest(n, f) as g from s.t
              g double
              error: a value cannot be converted without loss in `cast(s.t.n as double)`, at 1:17
              hint: round the value first, give the target more digits, or correct the text; a double becomes a decimal by decimal_from_double(round(x, 4), 4)
            select max(x) as m from (select n as x from s.t union all select f from s.u) y
              Refused: 1:12: a union of bigint with double: column `x`
              hint: cast both to one type, for example with decimal_from_double(x)
            select n as x from s.t union select f from s.u
              Refused: 1:13: a union of bigint with double: column `x`
              hint: cast both to one type, for example with decimal_from_double(x)
            select n as x from s.t intersect select f from s.u
              x bigint
              2
            select case when n > 2 then n else f end as x from s.t
              x double
              error: a value cannot be converted without loss in `cast(s.t.n as double)`, at 1:18
              hint: round the value first, give the target more digits, or correct the text; a double becomes a decimal by decimal_from_double(round(x, 4), 4)
            select coalesce(n, f) as x from s.t
              x double
              error: a value cannot be converted without loss in `cast(s.t.n as double)`, at 1:17
              hint: round the value first, give the target more digits, or correct the text; a double becomes a decimal by decimal_from_double(round(x, 4), 4)
        "#]],
    );
}

#[test]
fn number_literals_are_whole_or_decimal() {
    check(
        &[
            "select 1e10 as x, -1e3 as y, 1.5e3 as z, 25e-3 as w, 1e0 as o",
            "select n from s.t where n < 1e1 and n in (2e0, 5)",
            "select 1e200 as x",
            "select n + 1e77 as x from s.t",
            "select 1e-80 as x",
            "select cast('1e200' as double) as x, double '1e200' as y",
            "select -9223372036854775808 as x, 9223372036854775808 as y",
            "select -(-9223372036854775808) as x",
            "select -cast('-9223372036854775808' as bigint) as x",
            "select 123456789012345678901234567890123456789012345 * 1e20 / 1e40 as x",
            "select 12345678901234567890123456789012345678 * 1000 as x",
            "select cast(12345678901234567890123456789012345678 as decimal(38, 0)) * 1000 / 1000 as x",
        ],
        expect![[r#"
            select 1e10 as x, -1e3 as y, 1.5e3 as z, 25e-3 as w, 1e0 as o
              x decimal(11,0), y decimal(4,0), z decimal(4,0), w decimal(3,3), o decimal(1,0)
              10000000000 | -1000 | 1500 | 0.025 | 1
            select n from s.t where n < 1e1 and n in (2e0, 5)
              n bigint
              2
            select 1e200 as x
              Refused: 1:8: `1e200` has more than 76 digits
              hint: for a double write double '1e200'
            select n + 1e77 as x from s.t
              Refused: 1:12: `1e77` has more than 76 digits
              hint: for a double write double '1e77'
            select 1e-80 as x
              Refused: 1:8: `1e-80` has more than 76 digits
              hint: for a double write double '1e-80'
            select cast('1e200' as double) as x, double '1e200' as y
              x double, y double
              1e200 | 1e200
            select -9223372036854775808 as x, 9223372036854775808 as y
              x bigint, y decimal(19,0)
              -9223372036854775808 | 9223372036854775808
            select -(-9223372036854775808) as x
              x bigint
              error: the result of `-(-9223372036854775808)` does not fit its type, at 1:8
              hint: cast an operand to a wider type, for example decimal(38, s)
            select -cast('-9223372036854775808' as bigint) as x
              x bigint
              error: the result of `-cast('-9223372036854775808' as bigint)` does not fit its type, at 1:8
              hint: cast an operand to a wider type, for example decimal(38, s)
            select 123456789012345678901234567890123456789012345 * 1e20 / 1e40 as x
              x decimal(38,6)
              1234567890123456789012345.678901
            select 12345678901234567890123456789012345678 * 1000 as x
              x decimal(38,0)
              error: the result of `12345678901234567890123456789012345678 * 1000` does not fit its type, at 1:8
              hint: cast an operand to a wider type, for example decimal(38, s)
            select cast(12345678901234567890123456789012345678 as decimal(38, 0)) * 1000 / 1000 as x
              x decimal(38,6)
              error: the result of `cast(12345678901234567890123456789012345678 as decimal(38,0)) * 1000 / 1000` does not fit its type, at 1:8
              hint: cast an operand to a wider type, for example decimal(38, s)
        "#]],
    );
}

#[test]
fn no_cast_fails_while_planning() {
    check(
        &[
            "select case when false then cast('x' as int) else 1 end as x",
            "select n from s.t where n > 100 and cast('x' as int) > n and false",
            "select coalesce(n, cast('x' as int)) as x from s.t where n = 2",
            "select n from s.t where n = 2 or n = cast('x' as int)",
            "select n from s.t where n in (1, cast('x' as int)) and n < 0",
            "select cast('x' as int) as x from s.t where false",
            "select count(*) as c from s.t where date '2026-02-30' < date '2026-03-01' and false",
        ],
        expect![[r#"
            select case when false then cast('x' as int) else 1 end as x
              x bigint
              1
            select n from s.t where n > 100 and cast('x' as int) > n and false
              n bigint
            select coalesce(n, cast('x' as int)) as x from s.t where n = 2
              x bigint
              2
            select n from s.t where n = 2 or n = cast('x' as int)
              n bigint
              error: a text is no number that fits in `cast('x' as int)`, at 1:38
              hint: correct the text, or give the type more digits; try_cast makes others null. '1.234,56' is read with cast(translate(x, ',.', '.') as decimal(18, 2)), '' with nullif(x, ''), blanks around a number with trim(x). A text that is compared with a number is read as that number's type: cast it to what it holds, for example cast(x as decimal(18, 2))
            select n from s.t where n in (1, cast('x' as int)) and n < 0
              n bigint
            select cast('x' as int) as x from s.t where false
              x integer
            select count(*) as c from s.t where date '2026-02-30' < date '2026-03-01' and false
              c bigint
              0
        "#]],
    );
}

/// A text that a condition only compares is read in another way than one that it computes with: the rows are the same.
#[test]
fn texts_that_are_only_compared_are_the_same_texts() {
    let long = "a text that is longer than what fits beside its length";
    let texts = [
        "",
        "a",
        "ab",
        "a text",
        long,
        "Z",
        "ä",
        "zz%z",
        "a_b",
        "\u{1F600}",
    ];
    let mut rows = String::new();
    for (at, a) in texts.iter().enumerate() {
        for b in texts.iter().skip(at % 3) {
            rows.push_str(&format!("{at},{a},{b}\n"));
        }
    }
    let bench = Bench::new().table(
        "d.t",
        "n Int64; a Utf8; b Utf8",
        &[],
        &[&rows, "20,,\n21,a,\n"],
    );
    for condition in [
        "{a} = 'a text'",
        "{a} <> 'a' and n > 2",
        "{a} < 'ab' or {b} >= 'zz%z'",
        "{a} in ('a', 'Z', 'ä') and {b} is not null",
        "{a} not in ('a', 'b') or {a} is null",
        "{a} like 'a%' and not ({b} = 'Z' or {b} like '%t%')",
        "{a} ilike 'z' or {a} like 'a\\_%'",
        "({a} is distinct from 'a') and ({b} is not distinct from 'ä')",
        "'a' < {a} and {a} = {b}",
        "{a} = 'ab' or upper({a}) = 'ZZ%Z'",
        "{a} between 'a' and 'b' and n in (3, 4)",
    ] {
        for (columns, end) in [
            ("n, a, b", "order by 1, 2, 3"),
            ("count(*)", ""),
            ("b, max(a)", "group by b order by b"),
        ] {
            let asked = |a: &str, b: &str| {
                let condition = condition.replace("{a}", a).replace("{b}", b);
                bench.query(&format!(
                    "select {columns} from d.t where {condition} {end}"
                ))
            };
            let compared = asked("a", "b");
            assert!(!compared.contains("hint"), "{condition}: {compared}");
            assert_eq!(compared, asked("(a || '')", "(b || '')"), "{condition}");
        }
    }
}
