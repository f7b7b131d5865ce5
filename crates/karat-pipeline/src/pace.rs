//! How long steps took, as the reports of earlier runs say, and so how long planned ones will take (A7). A guess for people: no
//! decision hangs on it. The reports come from the journal, a cache; without them there is no guess.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::plan::{PlannedAction, PlannedStep};

/// What is known of the steps of earlier runs, by table.
#[derive(Debug, Default)]
pub struct Paces {
    steps: BTreeMap<String, Vec<Done>>,
}

/// How long a planned step will take.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Estimate {
    /// About this many seconds.
    Seconds(f64),
    /// No run of it is remembered.
    NeverRun,
    /// How much it would read cannot be told.
    UnknownSize,
}

#[derive(Debug)]
struct Done {
    way: PlannedAction,
    rows: u64,
    bytes: u64,
    seconds: f64,
}

#[derive(Deserialize)]
struct Report {
    #[serde(default)]
    steps: Vec<Step>,
}

#[derive(Deserialize)]
struct Step {
    table: String,
    kind: String,
    status: String,
    rows: Option<BTreeMap<String, u64>>,
    seconds: f64,
    how: Option<String>,
    bytes_read: u64,
}

/// With less than this to read, a step takes the time of its commit.
const LITTLE_ROWS: u64 = 10_000;
/// The same in bytes.
const LITTLE_BYTES: u64 = 1 << 20;

fn share(amount: u64, before: u64, little: u64) -> f64 {
    amount.max(little) as f64 / before.max(little) as f64
}

impl Paces {
    /// From reports of runs, newest first; one that cannot be read is passed over.
    pub fn of(reports: &[String]) -> Self {
        let mut paces = Self::default();
        let reports = reports.iter();
        for report in reports.filter_map(|text| serde_json::from_str::<Report>(text).ok()) {
            for step in report
                .steps
                .into_iter()
                .filter(|step| step.status == "done")
            {
                let read = step.rows.as_ref().and_then(|rows| rows.get("read"));
                let rows = read.copied().unwrap_or(0);
                if rows == 0 && step.bytes_read == 0 {
                    continue;
                }
                let is_rebuild = step.how.is_some_and(|how| how.starts_with("rebuild"));
                let way = match step.kind.as_str() {
                    "load" => PlannedAction::Load,
                    _ if is_rebuild => PlannedAction::Rebuild,
                    _ => PlannedAction::Incremental,
                };
                paces.steps.entry(step.table).or_default().push(Done {
                    way,
                    rows,
                    bytes: step.bytes_read,
                    seconds: step.seconds,
                });
            }
        }
        paces
    }

    /// How long each step will take, in their order.
    pub fn estimates(&self, steps: &[PlannedStep]) -> Vec<Estimate> {
        let mut loaded: BTreeMap<&str, Option<u64>> = BTreeMap::new();
        let mut estimates = Vec::with_capacity(steps.len());
        for step in steps {
            let mut rows = step.rows;
            if step.action == PlannedAction::Load {
                rows = rows.or_else(|| self.rows_of(step));
                loaded.insert(&step.table, rows);
            } else if let Some(before) = step.after.as_deref().and_then(|table| loaded.get(table)) {
                rows = before.map(|before| before + rows.unwrap_or(0));
            }
            estimates.push(self.estimate(step, rows));
        }
        estimates
    }

    /// Rows of a load by its bytes, as they were before.
    fn rows_of(&self, step: &PlannedStep) -> Option<u64> {
        let done = self.largest(step).filter(|done| done.bytes > 0)?;
        Some((step.bytes as f64 / done.bytes as f64 * done.rows as f64) as u64)
    }

    /// The step of the same way that read most: it says most of the pace.
    fn largest(&self, step: &PlannedStep) -> Option<&Done> {
        let done = self.steps.get(&step.table)?;
        let same_way = done.iter().filter(|done| done.way == step.action);
        same_way
            .max_by_key(|done| done.rows)
            .or_else(|| done.iter().max_by_key(|done| done.rows))
    }

    fn estimate(&self, step: &PlannedStep, rows: Option<u64>) -> Estimate {
        let Some(done) = self.largest(step) else {
            return Estimate::NeverRun;
        };
        let share = match rows {
            Some(rows) if done.rows > 0 => share(rows, done.rows, LITTLE_ROWS),
            _ if step.bytes > 0 && done.bytes > 0 => share(step.bytes, done.bytes, LITTLE_BYTES),
            _ => return Estimate::UnknownSize,
        };
        Estimate::Seconds(done.seconds * share)
    }
}
