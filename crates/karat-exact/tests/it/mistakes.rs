//! All mistakes of one text, each at its place, and none that only follows from another.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use expect_test::expect;
use karat_exact::{Purpose, RowExpressions, SqlError};

use crate::harness::Bench;

fn columns() -> SchemaRef {
    let column = |name: &str, of| Field::new(name, of, true);
    Arc::new(Schema::new(vec![
        column("id", DataType::Int64),
        column("name", DataType::Utf8),
        column("day", DataType::Date32),
    ]))
}

fn told(error: &SqlError) -> String {
    let at = error.line.zip(error.column);
    let at = at.map_or("?".to_owned(), |(line, column)| format!("{line}:{column}"));
    let hint = error.hint.as_deref().unwrap_or_default();
    format!("  {at} {} ({hint})\n", error.message)
}

/// Over two tables `s.a` and `s.b` of equal columns.
fn mistakes(texts: &[&str]) -> String {
    let engine = Bench::new().engine();
    let key = Some(vec!["id".to_owned()]);
    let tables = BTreeMap::from([
        ("s.a".to_owned(), (columns(), key.clone())),
        ("s.b".to_owned(), (columns(), key)),
    ]);
    let purpose = Purpose::Model {
        key: None,
        cluster_by: Vec::new(),
        allow_float: false,
    };
    let mut lines = String::new();
    for sql in texts {
        lines.push_str(&format!("{sql}\n"));
        match engine.plan_schema(sql, &tables, &purpose) {
            Ok(_) => lines.push_str("  fine\n"),
            Err(errors) => lines.extend(errors.iter().map(told)),
        }
    }
    lines
}

#[test]
fn of_a_query() {
    expect![[r#"
        select nosuch, upper(nowhere) as n, frist(id) as f, id + day as s
        from s.a where gone > 1 order by lost
          1:8 no column `nosuch` (there are id, name, day)
          1:22 no column `nowhere` (there are id, name, day)
          1:37 no function `frist` (`karat query "show functions"` lists those that there are)
          2:16 no column `gone` (there are id, name, day)
          2:34 no column `lost` (there are nosuch, n, f, s, id, name, day)
        select s.gone, s.id from (select gone, id from s.a) as s
          1:34 no column `gone` (there are id, name, day)
        with c as (select gone, max(absent) as m from s.a group by gone) select c.gone as x, m, c.n from c
          1:19 no column `gone` (there are id, name, day)
          1:29 no column `absent` (there are id, name, day)
          1:91 no column `c.n` (did you mean `m`?)
        select id from s.a where exists (select 1 from s.b as z where z.j = a.i)
          1:65 no column `z.j` (there are id, name, day)
          1:71 no column `a.i` (did you mean `id`?)
        select a.idd, b.nam as n from s.a as a join s.b as b on a.id = b.idd where a.id = b.id and c.id = 1
          1:10 no column `a.idd` (did you mean `id`?)
          1:17 no column `b.nam` (did you mean `name`?)
          1:66 no column `b.idd` (did you mean `id`?)
          1:94 no column `c.id` (did you mean `id`?)
        select mediann(id, gone) as m, median(id) as n from s.a group by gone
          1:8 no function `mediann` (did you mean `median`?)
          1:20 no column `gone` (there are id, name, day)
          1:66 no column `gone` (there are m, n, id, name, day)
        select gone from s.a union all select lost from s.b
          1:8 no column `gone` (there are id, name, day)
          1:39 no column `lost` (there are id, name, day)
        select id as n, count(*) over (partition by gone order by lost) as c from s.a
          1:45 no column `gone` (there are id, name, day)
          1:59 no column `lost` (there are id, name, day)
        select id from s.a where id = any (select idd from s.b)
          1:43 no column `idd` (did you mean `id`?)
        select case when gone then 1 else lost end as c, coalesce(id, void) as v from s.a
          1:18 no column `gone` (there are id, name, day)
          1:35 no column `lost` (there are id, name, day)
          1:63 no column `void` (there are id, name, day)
        select sum(gone) + sum(lost) as s from s.a having max(void) > 1
          1:12 no column `gone` (there are id, name, day)
          1:24 no column `lost` (there are id, name, day)
          1:55 no column `void` (there are s, id, name, day)
        select id from s.a join s.b using (idd)
          1:36 no column `idd` (did you mean `id`?)
        select current_dat as d, name.x as y from s.a
          1:8 no column `current_dat` (there are id, name, day)
        select array_transform([1], e -> e + 1) as t from s.a
          fine
        select i from s.a as x(i, n, d) where x.id = 1
          1:41 no column `x.id` (did you mean `d`?)
    "#]].assert_eq(&mistakes(&[
        "select nosuch, upper(nowhere) as n, frist(id) as f, id + day as s\nfrom s.a where gone > 1 order by lost",
        "select s.gone, s.id from (select gone, id from s.a) as s",
        "with c as (select gone, max(absent) as m from s.a group by gone) select c.gone as x, m, c.n from c",
        "select id from s.a where exists (select 1 from s.b as z where z.j = a.i)",
        "select a.idd, b.nam as n from s.a as a join s.b as b on a.id = b.idd where a.id = b.id and c.id = 1",
        "select mediann(id, gone) as m, median(id) as n from s.a group by gone",
        "select gone from s.a union all select lost from s.b",
        "select id as n, count(*) over (partition by gone order by lost) as c from s.a",
        "select id from s.a where id = any (select idd from s.b)",
        "select case when gone then 1 else lost end as c, coalesce(id, void) as v from s.a",
        "select sum(gone) + sum(lost) as s from s.a having max(void) > 1",
        "select id from s.a join s.b using (idd)",
        "select current_dat as d, name.x as y from s.a",
        "select array_transform([1], e -> e + 1) as t from s.a",
        "select i from s.a as x(i, n, d) where x.id = 1",
    ]));
}

#[test]
fn of_an_expression() {
    let engine = Bench::new().engine();
    let texts = [
        "trim(gone) || frist(lost, id)",
        "name = 'x' and cast(id as decimals) > 1",
        "id > 0 and median(id) > exp(void)",
        "name + 1",
        "\"ID\" + 1",
        "case when gone = lost then id end",
    ];
    let expressions: Vec<(String, String)> = texts
        .iter()
        .enumerate()
        .map(|(nth, text)| (format!("x{nth}"), (*text).to_owned()))
        .collect();
    let errors = RowExpressions::compile(&engine, columns(), &expressions)
        .err()
        .unwrap();
    let lines: String = errors
        .iter()
        .map(|(nth, error)| format!("{}\n{}", texts[*nth], told(error)))
        .collect();
    expect![[r#"
        trim(gone) || frist(lost, id)
          1:6 no column `gone` (there are id, name, day)
        trim(gone) || frist(lost, id)
          1:15 no function `frist` (`karat query "show functions"` lists those that there are)
        trim(gone) || frist(lost, id)
          1:21 no column `lost` (there are id, name, day)
        name = 'x' and cast(id as decimals) > 1
          1:27 no type `decimals` (types are bigint, integer, decimal(p, s), double, string, boolean, date, timestamp and others)
        id > 0 and median(id) > exp(void)
          1:29 no column `void` (there are id, name, day)
        name + 1
          1:1 no operation string + bigint (cast the text to a number, for example cast(x as decimal(18, 2)))
        case when gone = lost then id end
          1:11 no column `gone` (there are id, name, day)
        case when gone = lost then id end
          1:18 no column `lost` (there are id, name, day)
    "#]].assert_eq(&lines);
}

#[test]
fn that_the_text_itself_explains() {
    expect![[r#"
        select id from s.a where name = $p
          1:33 `$p` has no value (a query gets it by `--param NAME=VALUE`; those of models are declared in karat.yaml, under `params`)
        select id from read_csv('x.csv')
          1:16 there is no table function `read_csv` (`karat query --table NAME=PATH` reads a file as a table; tables are made by generate_series and range)
        select nosuch from s.a join s.b on a.id = b.id
          1:8 no column `nosuch` (there are id, name, day)
        select name + 1 as n from s.a
          1:8 no operation string + bigint (cast the text to a number, for example cast(x as decimal(18, 2)))
        select 1e400 as n
          1:8 `1e400` has more than 76 digits (no type holds it: the greatest double is about 1.8e308)
        select 1e200 as n
          1:8 `1e200` has more than 76 digits (for a double write double '1e200')
    "#]].assert_eq(&mistakes(&[
        "select id from s.a where name = $p",
        "select id from read_csv('x.csv')",
        "select nosuch from s.a join s.b on a.id = b.id",
        "select name + 1 as n from s.a",
        "select 1e400 as n",
        "select 1e200 as n",
    ]));
}

/// Comparisons that do not go are told in SQL's names of types, with the place and what to write.
#[test]
fn of_comparisons() {
    expect![[r#"
        select id from s.a where day > 20260304
          1:26 no comparison date > bigint (a date is written date '2026-01-31', a moment timestamp '2026-01-31 12:34:56')
        select id from s.a where cast(day as timestamp) > id
          1:31 no comparison timestamp > bigint (a date is written date '2026-01-31', a moment timestamp '2026-01-31 12:34:56')
        select id from s.a where day between 1 and 2
          1:26 no comparison date >= bigint (a date is written date '2026-01-31', a moment timestamp '2026-01-31 12:34:56')
        select id from s.a where id > 1 and (day in (1, 2) or name = 'x')
          1:38 no comparison date = bigint (a date is written date '2026-01-31', a moment timestamp '2026-01-31 12:34:56')
        select id from s.a where id = true
          1:26 no comparison bigint = boolean (a truth is compared with true and false, or is a condition by itself)
        select id from s.a where [id] = 'x'
          1:27 no comparison list<bigint> = string (an element of a list is asked for by array_has(list, x), a field by its name)
        select id from s.a where name = 'x' and
          cast(day as timestamp) >= '04.03.2026'
          2:29 `'04.03.2026'` stands where timestamp is needed, and cannot be read as one (a timestamp is written 2026-01-31 12:34:56; to_timestamp(text, format) reads others)
        select id from s.a where day = '04.03.2026'
          1:32 `'04.03.2026'` stands where date is needed, and cannot be read as one (a date is written 2026-01-31; to_date(text, format) reads others)
        select id from s.a where id = 'abc' or name = 'abcd'
          1:31 `'abc'` stands where bigint is needed, and cannot be read as one (write a value of that type, or cast the other side to `string`)
        select id from s.a where id = 'abc' or name = 'abc'
          ? `'abc'` stands where bigint is needed, and cannot be read as one (write a value of that type, or cast the other side to `string`)
        select 'a' + 1 as x
          1:8 no operation string + bigint: `'a' + 1` (cast the text to a number, for example cast(x as decimal(18, 2)))
        select id from s.a where name = "Abc"
          1:33 no column `abc` (text stands in single quotes: 'Abc'; there are id, name, day)
        select id, case id when day then 1 end as x from s.a
          1:17 no comparison bigint = date (a date is written date '2026-01-31', a moment timestamp '2026-01-31 12:34:56')
        select case when id = 1 then day else [1] end as x from s.a
          1:8 the answers of a `case` have no common type: `then` gives date, and `else` list<bigint> (cast them to one type)
        select id from s.a where id in (select day from s.b)
          1:26 no comparison bigint = date (a date is written date '2026-01-31', a moment timestamp '2026-01-31 12:34:56')
        select a.id from s.a as a join s.b as b on a.id = b.day
          1:44 no comparison bigint = date (a date is written date '2026-01-31', a moment timestamp '2026-01-31 12:34:56')
        select id from s.a where day like 'x%'
          1:30 `like` asks about text, not about date (cast it: cast(x as string) like 'a%')
        select a.* from s.a join s.b using (id)
          1:8 no table here is called `a` (a table keeps its whole name, like sales_gold.t, until `as t` gives it another)
        select id from s.a where day is null or day = cast(null as date) or id in (1, null)
          fine
        select id from s.a where day is distinct from id
          1:26 no comparison date is distinct from bigint (a date is written date '2026-01-31', a moment timestamp '2026-01-31 12:34:56')
        select to_number(name) as a, len(name) as b, date(day) as c, iif(id = 1, 1, 2) as d, isnull(id, 0) as e from s.a
          1:8 no function `to_number` (write cast(x as decimal(18, 2)), for '1.234,56' cast(translate(x, ',.', '.') as decimal(18, 2)))
          1:30 no function `len` (write length(x))
          1:46 no function `date` (write cast(x as date))
          1:62 no function `iif` (write case when c then a else b end, or if(c, a, b))
          1:86 no function `isnull` (write coalesce(x, y), or ask x is null)
        select listagg(name, ', ') as a, group_concat(name) as b, count_distinct(name) as c from s.a
          1:8 no function `listagg` (write string_agg(x, ', ' order by x))
          1:34 no function `group_concat` (write string_agg(x, ', ' order by x))
          1:59 no function `count_distinct` (write count(distinct x))
        select strptime(name, '%Y') as a, getdate() as b from s.a
          1:8 no function `strptime` (write to_timestamp(x, '%d.%m.%Y %H:%M:%S') or to_date(x, '%d.%m.%Y'))
          1:35 no function `getdate` (write now() or current_date)
    "#]].assert_eq(&mistakes(&[
        "select id from s.a where day > 20260304",
        "select id from s.a where cast(day as timestamp) > id",
        "select id from s.a where day between 1 and 2",
        "select id from s.a where id > 1 and (day in (1, 2) or name = 'x')",
        "select id from s.a where id = true",
        "select id from s.a where [id] = 'x'",
        "select id from s.a where name = 'x' and\n  cast(day as timestamp) >= '04.03.2026'",
        "select id from s.a where day = '04.03.2026'",
        "select id from s.a where id = 'abc' or name = 'abcd'",
        "select id from s.a where id = 'abc' or name = 'abc'",
        "select 'a' + 1 as x",
        "select id from s.a where name = \"Abc\"",
        "select id, case id when day then 1 end as x from s.a",
        "select case when id = 1 then day else [1] end as x from s.a",
        "select id from s.a where id in (select day from s.b)",
        "select a.id from s.a as a join s.b as b on a.id = b.day",
        "select id from s.a where day like 'x%'",
        "select a.* from s.a join s.b using (id)",
        "select id from s.a where day is null or day = cast(null as date) or id in (1, null)",
        "select id from s.a where day is distinct from id",
        "select to_number(name) as a, len(name) as b, date(day) as c, iif(id = 1, 1, 2) as d, isnull(id, 0) as e from s.a",
        "select listagg(name, ', ') as a, group_concat(name) as b, count_distinct(name) as c from s.a",
        "select strptime(name, '%Y') as a, getdate() as b from s.a",
    ]));
}
