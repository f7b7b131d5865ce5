//! Groups on dictionary codes and first rows of partitions: the answers, and the errors, of the plans that they replace.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, Date32Array, Decimal128Array, Float64Array, Int32Array, Int64Array, RecordBatch,
    StringArray, TimestampMicrosecondArray,
};
use arrow::csv::WriterBuilder;
use arrow::datatypes::SchemaRef;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::basic::Compression;
use datafusion::parquet::file::properties::{WriterProperties, WriterVersion};
use expect_test::expect;
use futures::TryStreamExt;
use karat_exact::trillion::{Answer, Measurements};
use karat_exact::{
    DataFileRef, Engine, EngineConfig, ExactError, FileSet, Purpose, Rounding, Tables,
};
use proptest::prelude::*;
use tempfile::TempDir;

use crate::harness::wait;

/// One row: two strings, four numbers, and whether each is null.
type Row = (u8, u8, i64, i32, f64, i64, u8);

fn column<T, A: FromIterator<Option<T>>>(rows: &[Row], bit: u8, value: impl Fn(&Row) -> T) -> A {
    let cell = |row: &Row| (row.6 >> bit & 1 == 0).then(|| value(row));
    rows.iter().map(cell).collect()
}

fn batch(rows: &[Row]) -> RecordBatch {
    let decimal = |array: Decimal128Array, p, s| array.with_precision_and_scale(p, s).unwrap();
    let columns: Vec<(&str, ArrayRef)> = vec![
        (
            "S",
            Arc::new(column::<_, StringArray>(rows, 0, |r| {
                format!("{:.1$}", "desk ünit", usize::from(r.0))
            })),
        ),
        (
            "d",
            Arc::new(column::<_, Date32Array>(rows, 1, |r| i32::from(r.1) - 3)),
        ),
        ("i", Arc::new(column::<_, Int64Array>(rows, 2, |r| r.2))),
        ("n", Arc::new(column::<_, Int32Array>(rows, 3, |r| r.3))),
        ("x", Arc::new(column::<_, Float64Array>(rows, 4, |r| r.4))),
        (
            "m",
            Arc::new(decimal(
                column(rows, 5, |r| i128::from(r.5 % 1_000_000)),
                18,
                4,
            )),
        ),
        (
            "w",
            Arc::new(decimal(column(rows, 6, |r| i128::from(r.5) << 40), 38, 10)),
        ),
        (
            "t",
            Arc::new(
                column::<_, TimestampMicrosecondArray>(rows, 1, |r| r.2 % INSTANTS)
                    .with_timezone("UTC"),
            ),
        ),
        (
            "u",
            Arc::new((0..rows.len() as i64).map(Some).collect::<Int64Array>()),
        ),
    ];
    RecordBatch::try_from_iter_with_nullable(
        columns
            .into_iter()
            .map(|(name, column)| (name, column, true)),
    )
    .unwrap()
}

/// How files are written.
#[derive(Clone, Debug)]
struct Layout {
    files: usize,
    row_group: usize,
    page: usize,
    dictionary: bool,
    second_version: bool,
    compression: Compression,
}

fn write(folder: &Path, batch: &RecordBatch, layout: &Layout) -> FileSet {
    let version = match layout.second_version {
        true => WriterVersion::PARQUET_2_0,
        false => WriterVersion::PARQUET_1_0,
    };
    let properties = WriterProperties::builder()
        .set_writer_version(version)
        .set_max_row_group_row_count(Some(layout.row_group))
        .set_data_page_row_count_limit(layout.page)
        .set_write_batch_size(layout.page)
        .set_dictionary_enabled(layout.dictionary)
        .set_column_dictionary_enabled("S".into(), true)
        .set_compression(layout.compression)
        .build();
    let rows = batch.num_rows();
    let share = rows.div_ceil(layout.files).max(1);
    let file = |number: usize| {
        let path = folder.join(format!("{number} ü.parquet"));
        let part = batch.slice(number * share, share.min(rows - number * share));
        let file = File::create(&path).unwrap();
        let mut writer =
            ArrowWriter::try_new(file, batch.schema(), Some(properties.clone())).unwrap();
        writer.write(&part).unwrap();
        writer.close().unwrap();
        DataFileRef {
            size: path.metadata().unwrap().len(),
            rows: part.num_rows() as u64,
            path,
        }
    };
    FileSet {
        schema: batch.schema(),
        files: (0..rows.div_ceil(share)).map(file).collect(),
        key: None,
    }
}

fn engine(folder: &Path, threads: usize, batch_rows: usize, memory: Option<usize>) -> Engine {
    Engine::new(EngineConfig {
        threads,
        memory_bytes: memory,
        spill_dir: folder.join("spill"),
        logical_time_us: 0,
        timezone: "UTC".to_owned(),
        rounding: Rounding::HalfEven,
        batch_rows,
    })
    .unwrap()
}

/// The answer as CSV or the error, and the plan.
fn run(engine: &Engine, tables: &Tables, sql: &str) -> (String, String) {
    let prepared = engine
        .prepare(sql, tables, &Purpose::Query { strict: false })
        .unwrap();
    wait(async {
        let plan = prepared.explain().await.unwrap().join("\n");
        let rows: Result<Vec<RecordBatch>, ExactError> = async {
            Ok(engine
                .stream(&prepared)
                .await?
                .try_collect::<Vec<_>>()
                .await?)
        }
        .await;
        let text = match rows {
            Ok(batches) => csv(&prepared.schema(), &batches),
            Err(error) => format!("error: {error}"),
        };
        (text, plan)
    })
}

fn csv(schema: &SchemaRef, batches: &[RecordBatch]) -> String {
    let mut text = Vec::new();
    let mut writer = WriterBuilder::new()
        .with_null("null".into())
        .build(&mut text);
    for batch in batches {
        assert_eq!(batch.schema(), *schema);
        writer.write(batch).unwrap();
    }
    drop(writer);
    String::from_utf8(text).unwrap()
}

/// What is asked of groups.
const GROUPED: &[&str] = &[
    "select s, min(x) a, max(x) b, avg(x) c, sum(x) d, count(x) e, count(*) f from {} group by s",
    "select s, d, sum(m) a, sum(m * 2) b, avg(m) c, max(w) e, count(*) f, avg(w) g from {} group by s, d",
    "select i, sum(w) a, min(n) b, max(i) c, count(n) e, min(x) f from {} group by i",
    "select n, i, s, d, sum(x) a, min(t) b, sum(n + 1) c from {} group by n, i, s, d",
    "select d, sum(i) a, count(*) filter (where n > 0) b, sum(x) filter (where m < 10) c from {} group by d",
    "select t, s, avg(i) a, max(x + 1) b, sum(coalesce(n, 7)) c, min(m * n) e from {} group by t, s having count(*) > 1",
    "select sum(c) a, max(b) b from (select s, n, count(*) c, min(d) b from {} group by s, n)",
    "select s, sum(m) a, avg(x) b, count(*) c, count(i) e, max(w) f, min(x) g from {} where n <= 1 group by s",
    "select i, d, sum(m * n) a, min(t) b from {} where n > -2 or d is null group by i, d",
    "select s, sum(100 / n) a, count(*) filter (where i > 0) b from {} where n <> 0 group by s",
    "select n, max(i) a from {} where m < 0 group by n",
];

/// Beyond these microseconds an instant has no text.
const INSTANTS: i64 = 4_000_000_000_000_000;

/// Windows of which the first rows are wanted; the second time the optimizer does not see it.
const FIRST: &[&str] = &[
    "select s, i, x from (select *, row_number() over (partition by s order by x desc) r from t) where r {}",
    "select d, m, u, s from (select *, row_number() over (partition by d, n order by i, u) r from t) where r {} and m > 0 and 100 / n > 0",
    "select s, r, w from (select s, w, row_number() over (partition by s order by n desc nulls first, m) r from t) where r {}",
    "select * from (select *, row_number() over (partition by i order by t, s desc) r from t) where r {}",
];

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let double = prop_oneof![
        4 => (-200i32..200).prop_map(|tenths| f64::from(tenths) / 10.0),
        1 => any::<f64>(),
        1 => prop::sample::select(vec![0.0, -0.0, f64::NAN, -f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 5e-324, 1e308]),
    ];
    let integer =
        prop_oneof![4 => -20i64..20, 1 => (0i64..9).prop_map(|k| k << 40), 1 => any::<i64>()];
    let null = prop_oneof![3 => Just(0u8), 1 => any::<u8>()];
    let row = (
        0u8..9,
        0u8..7,
        integer,
        -3i32..3,
        double,
        any::<i64>(),
        null,
    );
    prop::collection::vec(row, 0..120)
}

fn layouts() -> impl Strategy<Value = Layout> {
    let compression = prop::sample::select(vec![
        Compression::SNAPPY,
        Compression::UNCOMPRESSED,
        Compression::ZSTD(Default::default()),
    ]);
    let sizes = (1usize..4, 1usize..200, 1usize..60);
    (sizes, any::<bool>(), any::<bool>(), compression).prop_map(
        |((files, row_group, page), dictionary, second_version, compression)| Layout {
            files,
            row_group,
            page,
            dictionary,
            second_version,
            compression,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4, max_shrink_iters: 30, ..ProptestConfig::default() })]

    #[test]
    fn groups_are_those_of_the_ordinary_plan(
        rows in rows(),
        layout in layouts(),
        threads in 1usize..4,
        batch_rows in prop::sample::select(vec![1usize, 7, 8192]),
    ) {
        let folder = TempDir::new().unwrap();
        let mut tables = Tables::new();
        tables.insert_plain("t", write(folder.path(), &batch(&rows), &layout)).unwrap();
        let engine = engine(folder.path(), threads, batch_rows, None);
        for sql in GROUPED {
            let (found, plan) = run(&engine, &tables, &sql.replace("{}", "t"));
            prop_assert!(rows.is_empty() || plan.contains("group on codes"), "{}", plan);
            // Nobody sees that this is true of every row.
            let every = "(select * from t where octet_length(coalesce(s, '')) < 99)";
            let (expected, ordinary) = run(&engine, &tables, &sql.replace("{}", every));
            prop_assert!(!ordinary.contains("group on codes"), "{}", ordinary);
            prop_assert_eq!(found, expected, "{}", sql);
        }
    }

    #[test]
    fn first_rows_are_those_of_the_window(
        rows in rows(),
        layout in layouts(),
        threads in 1usize..4,
        batch_rows in prop::sample::select(vec![1usize, 7, 8192]),
    ) {
        let folder = TempDir::new().unwrap();
        let mut tables = Tables::new();
        tables.insert_plain("t", write(folder.path(), &batch(&rows), &layout)).unwrap();
        let engine = engine(folder.path(), threads, batch_rows, None);
        for sql in FIRST {
            let (found, plan) = run(&engine, &tables, &sql.replace("{}", "= 1"));
            prop_assert!(!plan.contains("window"), "{}", plan);
            let (expected, window) = run(&engine, &tables, &sql.replace("{}", "in (1, 1000000)"));
            prop_assert!(rows.is_empty() || window.contains("window"), "{}", window);
            // The two texts differ, and with them the places in them.
            let found = found.split(", at ").next();
            let expected = expected.split(", at ").next();
            prop_assert_eq!(found, expected, "{}\n{}", sql, window);
        }
    }
}

/// Rows enough for two row groups, the same every time.
fn many(rows: i64) -> RecordBatch {
    let row = |k: i64| {
        (
            (k % 9) as u8,
            (k % 7) as u8,
            k * 7 % 1000,
            (k % 5) as i32,
            (k % 331) as f64 / 10.0,
            k,
            0,
        )
    };
    batch(&(0..rows).map(row).collect::<Vec<_>>())
}

fn layout() -> Layout {
    Layout {
        files: 2,
        row_group: 10_000,
        page: 3_000,
        dictionary: true,
        second_version: false,
        compression: Compression::SNAPPY,
    }
}

/// A condition on columns without a null, of which some rows are chosen, all, and none.
#[test]
fn some_all_and_no_rows_are_chosen() {
    let folder = TempDir::new().unwrap();
    let mut tables = Tables::new();
    let files = write(folder.path(), &many(20_000), &layout());
    tables.insert_plain("t", files).unwrap();
    let engine = engine(folder.path(), 2, 8192, None);
    for condition in ["n <= 1", "n < 99", "n < -99"] {
        let sql = format!("select s, sum(m) a, count(*) b, max(i) c from t where {condition}");
        let (found, plan) = run(&engine, &tables, &format!("{sql} group by s"));
        assert!(plan.contains("group on codes"), "{plan}");
        let seen = "octet_length(coalesce(s, '')) < 99";
        let (expected, _) = run(&engine, &tables, &format!("{sql} and {seen} group by s"));
        assert_eq!(found, expected, "{condition}");
    }
}

#[test]
fn a_scan_stands_below_the_operator() {
    let folder = TempDir::new().unwrap();
    let mut tables = Tables::new();
    tables
        .insert_plain("t", write(folder.path(), &many(10), &layout()))
        .unwrap();
    let sql = "select s, avg(x) a, count(*) c from t group by s";
    let (_, plan) = run(&engine(folder.path(), 1, 8192, None), &tables, sql);
    let operators = plan
        .lines()
        .map(|line| line.split("file_groups").next().unwrap_or(line));
    expect![[r#"
        select: expr=[s as s, avg(t.x) as a, count(*) as c]
          sort: expr=[s ASC NULLS LAST], preserve_partitioning=[false]
            group on codes: gby=[S], aggr=[avg(t.x), count(*)]
              scan 2 files: columns [s, x]"#]]
    .assert_eq(&operators.collect::<Vec<_>>().join("\n"));
}

/// The ordinary plan takes over where memory ends, for a column that is not as its table says, and for a file that is broken.
#[test]
fn what_codes_cannot_do_the_ordinary_plan_does() {
    let folder = TempDir::new().unwrap();
    let mut tables = Tables::new();
    let set = write(folder.path(), &many(30_000), &layout());
    tables.insert_plain("t", set.clone()).unwrap();
    let sql = "select u, s, max(x) a from t group by u, s order by u limit 2";
    let plenty = run(&engine(folder.path(), 2, 8192, None), &tables, sql).0;
    let little = run(&engine(folder.path(), 2, 8192, Some(3 << 20)), &tables, sql).0;
    assert_eq!(plenty, little);
    expect![[r#"
        u,s,a
        0,,0.0
        1,d,0.1
    "#]]
    .assert_eq(&plenty);

    let sql = "select s, sum(i) a from t group by s";
    let path = &set.files[1].path;
    let mut bytes = std::fs::read(path).unwrap();
    bytes[4..2_000].fill(0xff);
    std::fs::write(path, bytes).unwrap();
    let engine = engine(folder.path(), 2, 8192, None);
    let broken = run(&engine, &tables, sql).0;
    assert!(broken.starts_with("error: "), "{broken}");
}

/// Moments by many groups, collected rows, and the first rows of an order where these are many: little memory gives the same answer.
#[test]
fn what_holds_much_spills() {
    let folder = TempDir::new().unwrap();
    let mut tables = Tables::new();
    let set = write(folder.path(), &many(40_000), &layout());
    tables.insert_plain("t", set).unwrap();
    let plenty = engine(folder.path(), 2, 512, None);
    let little = engine(folder.path(), 2, 512, Some(8 << 20));
    for sql in [
        "select sum(v) a, sum(c) b, count(*) n from (select u, var_pop(x) v, corr(x, i) c from t group by u)",
        "select count(*) a, sum(v) b from (select u, s, stddev_pop(m) v, regr_r2(x, m) w from t group by u, s)",
        "select max(length(a)) a, sum(cardinality(b)) b from (select i, string_agg(s, ', ' order by u desc) a, \
         array_agg(w order by x, u) b from t group by i)",
        "select u, s from t order by x desc, u limit 3 offset 39000",
        "select max(u) a, sum(i) b from (select u, i from t order by s desc, u limit 35000)",
    ] {
        let (expected, _) = run(&plenty, &tables, sql);
        let (found, plan) = run(&little, &tables, sql);
        assert!(!expected.starts_with("error"), "{sql}: {expected}");
        assert_eq!(found, expected, "{sql}\n{plan}");
    }
}

/// More rows than windows by key take at a time: partitions that are one row, some, more than a piece, and one alone.
#[test]
fn windows_by_key_are_groups_at_each_row() {
    let folder = TempDir::new().unwrap();
    let mut tables = Tables::new();
    let set = write(folder.path(), &many(120_000), &layout());
    tables.insert_plain("t", set).unwrap();
    for key in ["u", "i, d", "n, s", "d", "coalesce(n, 0) * 0"] {
        let every = format!(
            "over (partition by {key} order by u rows between unbounded preceding and unbounded following)"
        );
        let windows = format!(
            "select count(*) a, sum(c) b, sum(v) c, sum(f) d from (select count(*) {every} c, sum(i) {every} v, first_value(u) {every} f from t)"
        );
        let groups = format!(
            "select sum(c) a, sum(c * c) b, sum(c * v) c, sum(c * f) d from (select count(*) c, sum(i) v, min(u) f from t group by {key})"
        );
        let plenty = engine(folder.path(), 2, 8192, None);
        let little = engine(folder.path(), 2, 512, Some(32 << 20));
        let (expected, _) = run(&plenty, &tables, &groups);
        // What has one partition must hold it.
        let is_one = key.contains('*');
        for engine in [Some(plenty), Some(little).filter(|_| !is_one)]
            .into_iter()
            .flatten()
        {
            let (found, plan) = run(&engine, &tables, &windows);
            assert_eq!(found, expected, "{windows}\n{plan}");
            assert!(plan.contains("by partitions"), "{plan}");
        }
    }
}

#[test]
fn what_is_collected_has_its_order_its_nulls_and_its_filter() {
    let folder = TempDir::new().unwrap();
    let mut tables = Tables::new();
    let rows = [
        (1, 0, 1, 5, 1.5, 0, 0),
        (2, 0, 2, 5, f64::NAN, 0, 0b100),
        (3, 0, 3, 6, -0.0, 0, 0b1),
        (4, 0, 4, 6, 0.0, 0, 0b1),
        (5, 0, 5, 7, 2.5, 0, 0b1),
        (6, 0, 6, 5, 1.5, 0, 0),
    ];
    tables
        .insert_plain("t", write(folder.path(), &batch(&rows), &layout()))
        .unwrap();
    let engine = engine(folder.path(), 2, 2, None);
    let found = |sql: &str| run(&engine, &tables, sql).0;
    let collected = "string_agg(s, '+' order by u desc) a, array_to_string(array_agg(i order by x desc, u), ' ', '-') b, \
        array_to_string(array_agg(s order by i nulls first), ' ', '-') c, array_to_string(array_agg(u) filter (where x > 1), ' ') d";
    expect![[r#"
        n,a,b,c,d
        5,desk ü+de+d,- 1 6,de d desk ü,0 1 5
        6,null,3 4,- -,null
        7,null,5,-,4
    "#]]
    .assert_eq(&found(&format!("select n, {collected} from t group by n")));
    expect![[r#"
        a,b,c,d
        desk ü+de+d,- 5 1 6 3 4,de d - - - desk ü,0 1 4 5
    "#]]
    .assert_eq(&found(&format!("select {collected} from t")));
    expect![[r#"
        a,b,c,d
        null,null,null,null
    "#]]
    .assert_eq(&found(&format!("select {collected} from t where u < 0")));
}

/// The dictionary of a key names its group before a row does, and the row's value is null.
#[test]
fn a_group_of_nulls_has_no_least_value() {
    let folder = TempDir::new().unwrap();
    let mut tables = Tables::new();
    let rows = [(1, 0, 0, 5, 0.0, 0, 0), (2, 0, 0, 5, 0.0, 0, 0b1000)];
    let layout = Layout {
        files: 1,
        page: 1,
        ..layout()
    };
    let set = write(folder.path(), &batch(&rows), &layout);
    tables.insert_plain("t", set).unwrap();
    let sql = "select s, min(n) a from t group by s";
    let (found, _) = run(&engine(folder.path(), 1, 8192, None), &tables, sql);
    assert_eq!(found, "s,a\nd,5\nde,null\n");
}

#[test]
fn errors_of_groups_are_those_of_the_ordinary_plan() {
    let folder = TempDir::new().unwrap();
    let mut tables = Tables::new();
    let rows: Vec<Row> = (0..4).map(|k| (k, 0, i64::MAX - 1, 0, 0.0, 0, 0)).collect();
    tables
        .insert_plain("t", write(folder.path(), &batch(&rows), &layout()))
        .unwrap();
    let engine = engine(folder.path(), 2, 8192, None);
    let found = |sql: &str| run(&engine, &tables, sql).0;
    expect![[r#"
        error: the result of `sum(i)` does not fit its type, at 1:11
        error: the result of `i + 9` does not fit its type, at 1:15
        error: division by zero in `1 / n`, at 1:15"#]]
    .assert_eq(
        &[
            "select d, sum(i) a from t group by d",
            "select s, min(i + 9) a from t group by s",
            "select s, max(1 / n) a from t group by s",
        ]
        .map(found)
        .join("\n"),
    );
}

#[test]
fn a_trillion_begins_with_the_same_rows_everywhere() {
    let answer = |threads: usize, files: &[&[u64]]| {
        let folder = TempDir::new().unwrap();
        let engine = engine(folder.path(), threads, 8192, None);
        let measurements = Measurements::new(7);
        let mut answer = Answer::default();
        for numbers in files {
            let write = |number: &u64| {
                let path = folder.path().join(format!("{number}.parquet"));
                measurements.write(&path, *number, 20_000).unwrap()
            };
            let made = numbers.iter().map(write).collect();
            wait(answer.read(&engine, made)).unwrap();
        }
        answer.finish().unwrap()
    };
    let one = answer(1, &[&[0], &[1], &[2]]);
    let other = answer(3, &[&[2, 0], &[1]]);
    assert_eq!(one.rows, other.rows);
    expect![[r#"
        412 stations, 412:9841ffed58c88ce6e5a1e25fcc30bb04
        station,min,mean,max
        S000axplg,-26.1,-2.234814814814815,19.6
        S001idkcyx,-8.7,19.682098765432098,46.1
    "#]]
    .assert_eq(&format!(
        "{} stations, {}\n{}",
        one.rows.num_rows(),
        one.fingerprint,
        csv(&one.rows.schema(), &[one.rows.slice(0, 2)])
    ));
}
