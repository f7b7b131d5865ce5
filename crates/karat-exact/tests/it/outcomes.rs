//! E5 over random queries: whatever the plan, the outcome, answer or error, is that of a naive interpreter which goes row by row.
//!
//! `KARAT_OUTCOMES=n` asks for n queries, `KARAT_SEED=s` for others.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{Array, AsArray, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Int64Type, Schema};
use futures::TryStreamExt;
use karat_exact::{
    Engine, EngineConfig, ExactError, FileSet, Purpose, Rounding, SqlErrorKind, Tables,
};
use tempfile::TempDir;

use crate::harness::{wait, write};
use crate::interpreter::{Outcome, interpret};
use crate::queries::{Dice, Query, query};

/// Rows of the two tables: k, a, b and a text.
pub(crate) type Rows = Vec<(Option<i64>, Option<i64>, Option<i64>, Option<&'static str>)>;

pub(crate) fn rows(dice: &mut Dice, most: usize) -> Rows {
    let one = |dice: &mut Dice| {
        (
            dice.pick(&[Some(0), Some(1), Some(2), None]),
            dice.pick(&[
                Some(1),
                Some(2),
                Some(7),
                Some(i64::MAX),
                Some(i64::MIN),
                None,
            ]),
            dice.pick(&[Some(0), Some(1), Some(2), Some(3), Some(2), None]),
            dice.pick(&[Some("1"), Some("2"), Some("x"), Some("0"), None]),
        )
    };
    // Half of the tables hold nothing that fails in the usual places.
    let (tame, keyed) = (dice.chance(35), dice.chance(30));
    let count = dice.below(most + 1);
    let mut rows: Rows = (0..count).map(|_| one(dice)).collect();
    if keyed {
        for (at, row) in rows.iter_mut().enumerate() {
            row.0 = Some(at as i64);
        }
    }
    if tame {
        for row in &mut rows {
            row.1 = row.1.map(|a| a.clamp(-9, 9));
            row.2 = row.2.map(|b| b.max(1));
            row.3 = row
                .3
                .map(|s| if s == "x" && dice.chance(80) { "3" } else { s });
        }
    }
    rows
}

fn batch(prefix: &str, rows: &Rows) -> RecordBatch {
    let number = |name: &str| Field::new(format!("{prefix}{name}"), DataType::Int64, true);
    let schema = Schema::new(vec![
        number("k"),
        number("a"),
        number("b"),
        Field::new(format!("{prefix}s"), DataType::Utf8, true),
    ]);
    let k: Int64Array = rows.iter().map(|row| row.0).collect();
    let a: Int64Array = rows.iter().map(|row| row.1).collect();
    let b: Int64Array = rows.iter().map(|row| row.2).collect();
    let s: StringArray = rows.iter().map(|row| row.3).collect();
    RecordBatch::try_new(
        Arc::new(schema),
        vec![Arc::new(k), Arc::new(a), Arc::new(b), Arc::new(s)],
    )
    .unwrap()
}

/// What DataFusion 55 cannot plan, without anything of karat's: windows over CASE after a join, aggregates over a scalar subquery.
const CANNOT_PLAN: [&str; 3] = [
    "Expects PARTITION BY expression to be ordered",
    "All partition by columns should have an ordering",
    "Physical input schema should be the same",
];

/// One way to lay out the rows and to run the query.
#[derive(Clone, Copy, Debug)]
struct Way {
    threads: usize,
    batch_rows: usize,
    files: usize,
    shuffled: bool,
    filters: bool,
}

const WAYS: [Way; 6] = [
    Way {
        threads: 1,
        batch_rows: 8192,
        files: 1,
        shuffled: false,
        filters: false,
    },
    Way {
        threads: 2,
        batch_rows: 1,
        files: 3,
        shuffled: true,
        filters: false,
    },
    Way {
        threads: 8,
        batch_rows: 7,
        files: 4,
        shuffled: true,
        filters: true,
    },
    Way {
        threads: 1,
        batch_rows: 7,
        files: 1,
        shuffled: true,
        filters: true,
    },
    Way {
        threads: 2,
        batch_rows: 8192,
        files: 2,
        shuffled: true,
        filters: true,
    },
    Way {
        threads: 8,
        batch_rows: 1,
        files: 5,
        shuffled: false,
        filters: false,
    },
];

fn table(folder: &TempDir, name: &str, data: &Rows, way: Way, dice: &mut Dice) -> FileSet {
    // Where k identifies a row, the optimizer knows it.
    let mut keys: Vec<Option<i64>> = data.iter().map(|row| row.0).collect();
    keys.sort_unstable();
    keys.dedup();
    let key = keys.len() == data.len() && keys.first() != Some(&None);

    let mut rows = data.clone();
    if way.shuffled {
        for at in (1..rows.len()).rev() {
            rows.swap(at, dice.below(at + 1));
        }
    }
    let each = rows.len().div_ceil(way.files).max(1);
    let mut files = Vec::new();
    for (at, rows) in rows.chunks(each).enumerate() {
        let batch = batch(name, &rows.to_vec());
        let path = folder.path().join(format!("{name}{at}.parquet"));
        files.push(write(&path, &batch.schema(), &batch));
    }
    FileSet {
        schema: batch(name, &Vec::new()).schema(),
        files,
        key: key.then(|| vec![format!("{name}k")]),
    }
}

fn engine(folder: &TempDir, way: Way) -> Engine {
    let mut engine = Engine::new(EngineConfig {
        threads: way.threads,
        memory_bytes: None,
        spill_dir: folder.path().join("spill"),
        logical_time_us: 0,
        timezone: "UTC".to_owned(),
        rounding: Rounding::HalfAwayFromZero,
        batch_rows: way.batch_rows,
    })
    .unwrap();
    if way.filters {
        for option in [
            "datafusion.execution.parquet.pushdown_filters",
            "datafusion.execution.parquet.reorder_filters",
            "datafusion.optimizer.enable_join_dynamic_filter_pushdown",
            "datafusion.optimizer.enable_topk_dynamic_filter_pushdown",
            "datafusion.optimizer.enable_dynamic_filter_pushdown",
        ] {
            engine = engine.vary(option, "true").unwrap();
        }
    }
    engine
}

/// What the engine gives: rows in no order, or the error and where it stands.
fn run(sql: &str, t: &Rows, u: &Rows, way: Way, dice: &mut Dice) -> Result<Outcome, String> {
    let folder = TempDir::new().unwrap();
    let mut tables = Tables::new();
    tables
        .insert_plain("t", table(&folder, "t", t, way, dice))
        .unwrap();
    tables
        .insert_plain("u", table(&folder, "u", u, way, dice))
        .unwrap();
    let engine = engine(&folder, way);
    let prepared = match engine.prepare(sql, &tables, &Purpose::Query { strict: false }) {
        Ok(prepared) => prepared,
        Err(error) if error.kind == SqlErrorKind::Refused => {
            return Ok(Outcome::Refused(error.message));
        }
        Err(error) => return Err(format!("cannot plan: {error:?}")),
    };
    let answer = wait(async {
        let stream = engine.stream(&prepared).await?;
        stream
            .try_collect::<Vec<RecordBatch>>()
            .await
            .map_err(ExactError::from)
    });
    match answer {
        Ok(batches) => {
            let mut rows: Vec<String> = batches.iter().flat_map(lines).collect();
            rows.sort();
            Ok(Outcome::Rows(rows))
        }
        Err(ExactError::At {
            error,
            line: 1,
            column,
        }) => Ok(Outcome::Error(bare(&error.to_string()), column)),
        Err(ExactError::Internal(text)) if CANNOT_PLAN.iter().any(|part| text.contains(part)) => {
            Ok(Outcome::Refused(text))
        }
        Err(ExactError::Refused { what, .. }) => Ok(Outcome::Refused(what)),
        Err(ExactError::ManyRows) => Ok(Outcome::Error("many rows".to_owned(), 0)),
        Err(error) => Err(format!("failed: {error:?}")),
    }
}

fn bare(message: &str) -> String {
    let text = message.split('`').nth(1).unwrap_or(message);
    plain(text)
}

/// Without case, spaces and brackets.
pub(crate) fn plain(text: &str) -> String {
    let text = text.to_lowercase();
    text.chars().filter(|c| !" ()".contains(*c)).collect()
}

fn lines(batch: &RecordBatch) -> Vec<String> {
    let cell = |column: usize, row: usize| {
        let column = batch.column(column);
        if column.is_null(row) {
            return "null".to_owned();
        }
        if let Some(numbers) = column.as_primitive_opt::<Int64Type>() {
            return numbers.value(row).to_string();
        }
        column.as_string::<i32>().value(row).to_owned()
    };
    (0..batch.num_rows())
        .map(|row| {
            let mut line = String::new();
            for column in 0..batch.num_columns() {
                let _ = write!(line, "{} | ", cell(column, row));
            }
            line
        })
        .collect()
}

fn number(name: &str, otherwise: u64) -> u64 {
    let asked = std::env::var(name).ok().and_then(|n| n.parse().ok());
    asked.unwrap_or(otherwise)
}

#[test]
fn an_outcome_depends_on_nothing_but_the_tables() {
    outcomes(number("KARAT_OUTCOMES", 30), number("KARAT_SEED", 1));
}

/// Part of `cargo xtask soak`.
#[test]
fn soak_of_outcomes() {
    let Some(minutes) = std::env::var("KARAT_SOAK_MINUTES").ok() else {
        return;
    };
    let until = Instant::now() + Duration::from_secs(60 * minutes.parse::<u64>().unwrap());
    let mut seed = number("KARAT_SOAK_SEED", 1);
    while Instant::now() < until {
        seed = seed.wrapping_add(7_919);
        outcomes(40, seed);
    }
}

fn outcomes(count: u64, seed: u64) {
    let (mut answers, mut errors, mut refused) = (0u64, 0u64, 0u64);
    let mut failures = Vec::new();
    for case in 0..count {
        let mut dice = Dice::new(seed.wrapping_mul(1_000_003).wrapping_add(case));
        let (t, u) = (rows(&mut dice, 7), rows(&mut dice, 6));
        let query: Query = query(&mut dice);
        let sql = query.sql();
        let expected = interpret(&query, &sql, &t, &u);
        let first = dice.below(WAYS.len());
        for step in [0, 2, 3] {
            let way = WAYS[(first + step) % WAYS.len()];
            let found = run(&sql, &t, &u, way, &mut dice);
            match &found {
                Ok(Outcome::Refused(_)) => {
                    refused += 1;
                    continue;
                }
                Ok(found) if *found == expected => continue,
                _ => {}
            }
            failures.push(format!(
                "case {case}, {way:?}\n{sql}\nt {t:?}\nu {u:?}\nexpected {expected:?}\nfound {found:?}\n"
            ));
            break;
        }
        match expected {
            Outcome::Rows(_) => answers += 1,
            _ => errors += 1,
        }
    }
    let found = failures.len();
    failures.truncate(5);
    let failures = failures.join("\n");
    assert!(
        found == 0,
        "seed {seed}: {found} of {count} differ\n{failures}"
    );
    // The queries are of all kinds.
    assert!(
        answers * 10 > count && errors * 10 > count,
        "{answers} answers, {errors} errors"
    );
    assert!(refused * 20 < count * 3, "{refused} runs refused");
}
