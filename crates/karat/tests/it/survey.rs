//! One question, one answer: the same rows in other files, in other orders, for other numbers of threads, in fresh processes.
//!
//! Each line of the expected text is a question and what came of it everywhere: an answer, an error, or a refusal with its reason.

use std::fmt::Write as _;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, Date32Array, Decimal128Array, Float64Array, Int64Array, RecordBatch, StringArray,
    UInt64Array,
};
use arrow::compute::take_record_batch;
use expect_test::{Expect, expect};
use parquet::arrow::ArrowWriter;

use crate::dice::Dice;
use crate::project::Project;

/// Rows of the table `t`.
const ROWS: usize = 3000;

/// How rows lie in files, and how many threads read them.
struct Layout {
    folder: &'static str,
    files: usize,
    seed: u64,
    threads: &'static str,
}

const LAYOUTS: [Layout; 5] = [
    Layout {
        folder: "one",
        files: 1,
        seed: 0,
        threads: "1",
    },
    Layout {
        folder: "eight",
        files: 8,
        seed: 1,
        threads: "2",
    },
    Layout {
        folder: "merged",
        files: 1,
        seed: 2,
        threads: "7",
    },
    Layout {
        folder: "three",
        files: 3,
        seed: 3,
        threads: "64",
    },
    Layout {
        folder: "eight",
        files: 8,
        seed: 1,
        threads: "1",
    },
];

/// Ties, nulls, doubles of all sizes, zeros to divide by.
fn rows() -> RecordBatch {
    let mut dice = Dice(7);
    let mut pick = |sides: usize| below(&mut dice, sides);
    let mut ids = Vec::new();
    let (mut keys, mut numbers, mut amounts) = (Vec::new(), Vec::new(), Vec::new());
    let (mut doubles, mut days, mut words) = (Vec::new(), Vec::new(), Vec::new());
    for id in 0..ROWS {
        ids.push(id as i64);
        let key = pick(8);
        keys.push((key > 0).then(|| format!("k{key}")));
        numbers.push((pick(10) > 0).then(|| pick(50) as i64 - 5));
        amounts.push((pick(20) > 0).then(|| pick(2_000_000) as i128 - 1_000_000));
        let size = 10_f64.powi(pick(37) as i32 - 18);
        let double = (pick(2_000_001) as f64 - 1_000_000.0) * size;
        doubles.push((pick(15) > 0).then_some(double));
        days.push(19_000 + pick(30) as i32);
        words.push(["red", "Red", "", "blue", "straße", "ocean"][pick(6)]);
    }
    let amounts = Decimal128Array::from(amounts)
        .with_precision_and_scale(18, 4)
        .unwrap();
    RecordBatch::try_from_iter([
        ("id", Arc::new(Int64Array::from(ids)) as ArrayRef),
        ("k", Arc::new(StringArray::from(keys))),
        ("n", Arc::new(Int64Array::from(numbers))),
        ("d", Arc::new(amounts)),
        ("f", Arc::new(Float64Array::from(doubles))),
        ("day", Arc::new(Date32Array::from(days))),
        ("w", Arc::new(StringArray::from(words))),
    ])
    .unwrap()
}

fn below(dice: &mut Dice, sides: usize) -> usize {
    dice.roll(sides as u64) as usize
}

fn shuffled(rows: &RecordBatch, seed: u64) -> RecordBatch {
    let mut order: Vec<u64> = (0..rows.num_rows() as u64).collect();
    let mut dice = Dice(seed);
    for at in (1..order.len()).rev() {
        order.swap(at, below(&mut dice, at + 1));
    }
    take_record_batch(rows, &UInt64Array::from(order)).unwrap()
}

fn write(folder: &Path, rows: &RecordBatch, files: usize) {
    std::fs::create_dir_all(folder).unwrap();
    let step = rows.num_rows().div_ceil(files);
    for nth in 0..files {
        let from = nth * step;
        let part = rows.slice(from, step.min(rows.num_rows() - from));
        let file = File::create(folder.join(format!("{nth}.parquet"))).unwrap();
        let mut writer = ArrowWriter::try_new(file, rows.schema(), None).unwrap();
        writer.write(&part).unwrap();
        writer.close().unwrap();
    }
}

/// What came of a question in one layout.
fn outcome(project: &Project, layout: &Layout, question: &str) -> String {
    let folder = layout.folder;
    let answer = project.karat(&[
        "query",
        "--quiet",
        "--format",
        "json",
        "--threads",
        layout.threads,
        "--table",
        &format!("t={folder}"),
        question,
    ]);
    match answer.code {
        0 => answer.stdout,
        _ => answer.stderr.lines().next().unwrap_or_default().to_owned(),
    }
}

fn check(questions: &[&str], expected: Expect) {
    let project = Project::empty();
    let rows = rows();
    for layout in &LAYOUTS {
        let rows = match layout.seed {
            0 => rows.clone(),
            seed => shuffled(&rows, seed),
        };
        write(&project.path(layout.folder), &rows, layout.files);
    }
    let mut text = String::new();
    for question in questions {
        let first = outcome(&project, &LAYOUTS[0], question);
        let others = LAYOUTS[1..]
            .iter()
            .map(|layout| outcome(&project, layout, question));
        let differs = others.into_iter().find(|other| *other != first);
        let told = match (differs, first.strip_prefix("error: ")) {
            (Some(other), _) => format!("DIFFERS\n    {first}\n    {other}"),
            (None, Some(error)) => error.to_owned(),
            (None, None) => "one answer".to_owned(),
        };
        writeln!(text, "{question}\n  {told}").unwrap();
    }
    expected.assert_eq(&text);
}

#[test]
fn sums_of_doubles_and_decimals() {
    check(
        &[
            "select sum(f), avg(f), min(f), max(f), count(f) from t",
            "select k, sum(f), avg(f), sum(d), avg(d), avg(n) from t group by k",
            "select k, w, sum(f * cast(n as double)) from t group by grouping sets ((k, w), (k), ())",
            "select k, w, sum(d * n), count(*) from t group by rollup (k, w)",
            "select sum(distinct n), sum(f), count(distinct w), count(distinct k) from t",
            "select k, sum(f) filter (where n > 10), sum(d) from t group by k having sum(d) > 0",
            "select stddev(f), var_pop(f), corr(f, cast(n as double)) from t",
            "select k, stddev(d), covar_samp(d, n) from t group by k",
            "select median(n), median(f) from t",
            "select bool_and(n > 0), bool_or(n > 40) from t",
        ],
        expect![[r#"
            select sum(f), avg(f), min(f), max(f), count(f) from t
              one answer
            select k, sum(f), avg(f), sum(d), avg(d), avg(n) from t group by k
              one answer
            select k, w, sum(f * cast(n as double)) from t group by grouping sets ((k, w), (k), ())
              one answer
            select k, w, sum(d * n), count(*) from t group by rollup (k, w)
              one answer
            select sum(distinct n), sum(f), count(distinct w), count(distinct k) from t
              one answer
            select k, sum(f) filter (where n > 10), sum(d) from t group by k having sum(d) > 0
              one answer
            select stddev(f), var_pop(f), corr(f, cast(n as double)) from t
              one answer
            select k, stddev(d), covar_samp(d, n) from t group by k
              one answer
            select median(n), median(f) from t
              one answer
            select bool_and(n > 0), bool_or(n > 40) from t
              one answer
        "#]],
    );
}

#[test]
fn windows_over_ties() {
    check(
        &[
            "select sum(id * r) from (select id, row_number() over (partition by k order by day) as r from t) q",
            "select id, rank() over (order by day) as a, dense_rank() over (order by day) as b from t",
            "select id, percent_rank() over (order by day) as a, cume_dist() over (order by day) as b from t",
            "select id, ntile(7) over (partition by w order by day) as a from t",
            "select id, lag(id) over (order by day) as a, lead(n, 2, 0) over (partition by k order by day) as b from t",
            "select id, first_value(id) over (partition by k order by day) as a from t",
            "select id, last_value(id) over (partition by k order by day rows between unbounded preceding and unbounded following) as a from t",
            "select id, nth_value(id, 3) over (partition by k order by day rows between unbounded preceding and unbounded following) as a from t",
            "select id, sum(f) over (partition by k order by day) as a from t",
            "select id, sum(f) over (order by day rows between 20 preceding and 3 following) as a from t",
            "select id, avg(d) over (order by n range between 2 preceding and current row) as a from t",
            "select id, count(*) over (partition by day) as a, max(f) over (partition by w) as b from t",
            "select id, array_agg(id) over (partition by k, day order by n) as a from t",
            "select id, last_value(id) over (partition by k order by day) as a from t",
            "select id, first_value(id) over (order by n range between 2 preceding and 1 following) as a from t",
            "select id, nth_value(w, 2) over (partition by w order by n) as a from t",
            "select id, string_agg(w, '') over (partition by k, day order by n) as a from t",
            "select k, sum(d) as a, rank() over (order by sum(d) desc) as r from t group by k",
        ],
        expect![[r#"
            select sum(id * r) from (select id, row_number() over (partition by k order by day) as r from t) q
              one answer
            select id, rank() over (order by day) as a, dense_rank() over (order by day) as b from t
              one answer
            select id, percent_rank() over (order by day) as a, cume_dist() over (order by day) as b from t
              one answer
            select id, ntile(7) over (partition by w order by day) as a from t
              one answer
            select id, lag(id) over (order by day) as a, lead(n, 2, 0) over (partition by k order by day) as b from t
              one answer
            select id, first_value(id) over (partition by k order by day) as a from t
              one answer
            select id, last_value(id) over (partition by k order by day rows between unbounded preceding and unbounded following) as a from t
              one answer
            select id, nth_value(id, 3) over (partition by k order by day rows between unbounded preceding and unbounded following) as a from t
              one answer
            select id, sum(f) over (partition by k order by day) as a from t
              one answer
            select id, sum(f) over (order by day rows between 20 preceding and 3 following) as a from t
              one answer
            select id, avg(d) over (order by n range between 2 preceding and current row) as a from t
              one answer
            select id, count(*) over (partition by day) as a, max(f) over (partition by w) as b from t
              one answer
            select id, array_agg(id) over (partition by k, day order by n) as a from t
              one answer
            select id, last_value(id) over (partition by k order by day) as a from t
              one answer
            select id, first_value(id) over (order by n range between 2 preceding and 1 following) as a from t
              one answer
            select id, nth_value(w, 2) over (partition by w order by n) as a from t
              one answer
            select id, string_agg(w, '') over (partition by k, day order by n) as a from t
              one answer
            select k, sum(d) as a, rank() over (order by sum(d) desc) as r from t group by k
              one answer
        "#]],
    );
}

#[test]
fn orders_that_are_not_total() {
    check(
        &[
            "select * from t",
            "select id from t limit 10",
            "select id from t limit 10 offset 5",
            "select id from t limit 30 / 3 offset 2 + 3",
            "select id, day from t order by day limit 20",
            "select day, w from t order by day desc, w",
            "select k, first_value(id) as a, last_value(id) as b from t group by k",
            "select k, first_value(id order by day) as a, nth_value(id, 2 order by day desc) as b from t group by k",
            "select k, any_value(id) as a from t group by k",
            "select k, array_agg(id) as a from t where n < 3 group by k",
            "select w, array_agg(day order by n) as a from t where id < 900 group by w",
            "select k, string_agg(w, ',') as a from t where n < 0 group by k",
            "select k, string_agg(distinct w, ',' order by w) as a from t group by k",
            "select distinct on (k) k, id, day from t order by k, day",
            "select distinct w, day from t",
            "select k from t group by k",
            "select * from (select id, f from t order by day limit 100) q where f > 0",
            "select n, (select max(id) from t u where u.n = t.n) as a from t where id < 50",
        ],
        expect![[r#"
            select * from t
              one answer
            select id from t limit 10
              one answer
            select id from t limit 10 offset 5
              one answer
            select id from t limit 30 / 3 offset 2 + 3
              one answer
            select id, day from t order by day limit 20
              one answer
            select day, w from t order by day desc, w
              one answer
            select k, first_value(id) as a, last_value(id) as b from t group by k
              one answer
            select k, first_value(id order by day) as a, nth_value(id, 2 order by day desc) as b from t group by k
              one answer
            select k, any_value(id) as a from t group by k
              one answer
            select k, array_agg(id) as a from t where n < 3 group by k
              one answer
            select w, array_agg(day order by n) as a from t where id < 900 group by w
              one answer
            select k, string_agg(w, ',') as a from t where n < 0 group by k
              one answer
            select k, string_agg(distinct w, ',' order by w) as a from t group by k
              one answer
            select distinct on (k) k, id, day from t order by k, day
              one answer
            select distinct w, day from t
              one answer
            select k from t group by k
              one answer
            select * from (select id, f from t order by day limit 100) q where f > 0
              one answer
            select n, (select max(id) from t u where u.n = t.n) as a from t where id < 50
              one answer
        "#]],
    );
}

#[test]
fn sets_and_joins() {
    check(
        &[
            "select k, w from t union select w, k from t",
            "select k from t union all select w from t",
            "select n from t where id < 1000 intersect select n from t where id > 2000",
            "select n from t except select n from t where id > 40",
            "select n from t where id < 100 intersect all select n from t where id > 2900",
            "select n, k from t except all select n, k from t where id > 100",
            "select id from t where n > all (select n from t where n < 40)",
            "select id from t where f < any (select n from t where id < 50)",
            "select id from t where n = 3 or n not in (select n from t where n > 7)",
            "select id, (select w from t b where b.id = a.id + 1) as next from t a where id < 50",
            "select a.id, b.id as other from t a join t b on a.day = b.day and a.n = b.n where a.id < 300",
            "select a.k, count(*) as c, sum(b.f) as s from t a left join t b on a.n = b.n and b.id < 500 group by a.k",
            "select a.id from t a full join (select * from t where id < 20) b on a.id = b.id where b.id is null or b.n > 3",
            "select a.id, b.id as other from t a join t b on a.d < b.d where a.id < 30 and b.id < 30",
            "select count(*) from t a cross join t b where a.id < 100 and b.id < 100",
            "select id from t where n in (select n from t where k = 'k3')",
            "select id from t where n not in (select n from t where n > 5)",
            "select id from t a where exists (select 1 from t b where b.n = a.n and b.day < a.day)",
            "select id from t a where not exists (select 1 from t b where b.k = a.k and b.d > a.d)",
            "with recursive r as (select 1 as x union all select x + 1 from r where x < 50) select sum(x) from r",
            "select u.x, count(*) from t, unnest([1, 2]) as u(x) group by u.x",
            "select id, x.s from t a, lateral (select sum(d) as s from t b where b.day = a.day) x where id < 50",
        ],
        expect![[r#"
            select k, w from t union select w, k from t
              one answer
            select k from t union all select w from t
              one answer
            select n from t where id < 1000 intersect select n from t where id > 2000
              one answer
            select n from t except select n from t where id > 40
              one answer
            select n from t where id < 100 intersect all select n from t where id > 2900
              one answer
            select n, k from t except all select n, k from t where id > 100
              one answer
            select id from t where n > all (select n from t where n < 40)
              one answer
            select id from t where f < any (select n from t where id < 50)
              one answer
            select id from t where n = 3 or n not in (select n from t where n > 7)
              one answer
            select id, (select w from t b where b.id = a.id + 1) as next from t a where id < 50
              one answer
            select a.id, b.id as other from t a join t b on a.day = b.day and a.n = b.n where a.id < 300
              one answer
            select a.k, count(*) as c, sum(b.f) as s from t a left join t b on a.n = b.n and b.id < 500 group by a.k
              one answer
            select a.id from t a full join (select * from t where id < 20) b on a.id = b.id where b.id is null or b.n > 3
              one answer
            select a.id, b.id as other from t a join t b on a.d < b.d where a.id < 30 and b.id < 30
              one answer
            select count(*) from t a cross join t b where a.id < 100 and b.id < 100
              one answer
            select id from t where n in (select n from t where k = 'k3')
              one answer
            select id from t where n not in (select n from t where n > 5)
              one answer
            select id from t a where exists (select 1 from t b where b.n = a.n and b.day < a.day)
              one answer
            select id from t a where not exists (select 1 from t b where b.k = a.k and b.d > a.d)
              one answer
            with recursive r as (select 1 as x union all select x + 1 from r where x < 50) select sum(x) from r
              one answer
            select u.x, count(*) from t, unnest([1, 2]) as u(x) group by u.x
              one answer
            select id, x.s from t a, lateral (select sum(d) as s from t b where b.day = a.day) x where id < 50
              one answer
        "#]],
    );
}

#[test]
fn comparisons_and_functions() {
    check(
        &[
            "select count(*) from t where f > n",
            "select count(*) from t where d = f or n = f",
            "select id from t where n in (1, 2.5, cast(3 as double))",
            "select a.id from t a join t b on a.n = b.f",
            "select w, upper(w), length(w), substr(w, 2), w || '!' from t",
            "select id, round(f, 2), abs(f), floor(d), ceil(d), trunc(d, 1) from t where abs(f) < 1e9",
            "select id, sqrt(abs(f)), ln(abs(f) + 1), exp(0.1) from t",
            "select id, day + 3, date_trunc('month', day), extract(dow from day), day - date '2020-01-01' from t",
            "select id, case when n > 10 then 'a' when n > 0 then 'b' end, coalesce(k, w), nullif(w, '') from t",
            "select id, cast(d as string), cast(n as decimal(10,2)), try_cast(w as bigint) from t",
            "select w from t where w like '%e%' and w not like 'r_d'",
            "select random(), id from t",
            "select uuid() from t",
        ],
        expect![[r#"
            select count(*) from t where f > n
              one answer
            select count(*) from t where d = f or n = f
              one answer
            select id from t where n in (1, 2.5, cast(3 as double))
              one answer
            select a.id from t a join t b on a.n = b.f
              one answer
            select w, upper(w), length(w), substr(w, 2), w || '!' from t
              one answer
            select id, round(f, 2), abs(f), floor(d), ceil(d), trunc(d, 1) from t where abs(f) < 1e9
              one answer
            select id, sqrt(abs(f)), ln(abs(f) + 1), exp(0.1) from t
              one answer
            select id, day + 3, date_trunc('month', day), extract(dow from day), day - date '2020-01-01' from t
              one answer
            select id, case when n > 10 then 'a' when n > 0 then 'b' end, coalesce(k, w), nullif(w, '') from t
              one answer
            select id, cast(d as string), cast(n as decimal(10,2)), try_cast(w as bigint) from t
              one answer
            select w from t where w like '%e%' and w not like 'r_d'
              one answer
            select random(), id from t
              `random` has no single answer
            select uuid() from t
              `uuid` has no single answer
        "#]],
    );
}

#[test]
fn errors_are_errors_everywhere() {
    check(
        &[
            "select id, 100 / n from t where n <> 0",
            "select id, 100 / n from t",
            "select sum(100 / n) from t where n > 0",
            "select id from t where n <> 0 and 100 / n > 3",
            "select id from t where 100 / n > 3 or n = 0",
            "select id from t where 100 / n > 3",
            "select cast(w as bigint) from t",
            "select k, sum(cast(n as bigint) * 9000000000000000000) from t group by k",
            "select sum(n + 9223372036854775807) from t",
            "select max(id) from (select id, 1 / n as x from t) q where id < 10",
            "select a.id from t a join t b on a.id = b.id and 10 / b.n > 1 where b.n <> 0",
            "select id from (select id, n, 100 / n as q from t) s where n > 0 and q > 3",
        ],
        expect![[r#"
            select id, 100 / n from t where n <> 0
              one answer
            select id, 100 / n from t
              division by zero in `100 / n`, at 1:12
            select sum(100 / n) from t where n > 0
              one answer
            select id from t where n <> 0 and 100 / n > 3
              one answer
            select id from t where 100 / n > 3 or n = 0
              one answer
            select id from t where 100 / n > 3
              division by zero in `100 / n`, at 1:24
            select cast(w as bigint) from t
              a text is no number that fits in `cast(w as bigint)`, at 1:8
            select k, sum(cast(n as bigint) * 9000000000000000000) from t group by k
              the result of `cast(n as bigint) * 9000000000000000000` does not fit its type, at 1:15
            select sum(n + 9223372036854775807) from t
              the result of `n + 9223372036854775807` does not fit its type, at 1:12
            select max(id) from (select id, 1 / n as x from t) q where id < 10
              one answer
            select a.id from t a join t b on a.id = b.id and 10 / b.n > 1 where b.n <> 0
              one answer
            select id from (select id, n, 100 / n as q from t) s where n > 0 and q > 3
              one answer
        "#]],
    );
}
