//! The event log as tables for SQL: what runs made and counted, from the manifests and receipts of the lake, and what was attempted and how
//! long it took, from the journal of this project (a cache: where it was deleted those two tables begin anew, A1).

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Decimal128Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use karat_receipt::{Digest, Instant, Manifest, Receipt};
use serde_json::Value;

use crate::context::Site;
use crate::error::PipelineError;
use crate::ingest::arrow_error;
use crate::journal::{Attempt, Journal};
use crate::manifest;
use crate::receipts::{self, Recorded};

/// The schema that the tables have in SQL.
pub const SCHEMA: &str = "karat";

/// The tables; `docs/query.md` says what they hold.
pub const TABLES: [&str; 9] = [
    "runs",
    "versions",
    "accounting",
    "expectations",
    "checks",
    "inputs",
    "objects",
    "attempts",
    "steps",
];

/// One of the tables, or `None` if there is none of this name.
///
/// # Errors
/// Where a document of the lake cannot be read.
pub fn table(
    site: &Site,
    journal: Option<&Journal>,
    name: &str,
) -> Result<Option<RecordBatch>, PipelineError> {
    Ok(Some(match name {
        "runs" => runs(site)?,
        "attempts" => attempts(journal)?,
        "steps" => steps(journal)?,
        _ => {
            let versions = versions(site)?;
            match name {
                "versions" => of_versions(&versions)?,
                "accounting" => accounting(&versions)?,
                "expectations" => expectations(&versions)?,
                "checks" => checks(&versions)?,
                "inputs" => inputs(&versions)?,
                "objects" => objects(&versions)?,
                _ => return Ok(None),
            }
        }
    }))
}

/// A version with its receipt.
struct Version {
    digest: Digest,
    receipt: Receipt,
    signed: bool,
}

/// All versions whose receipts are there, by logical time.
fn versions(site: &Site) -> Result<Vec<Version>, PipelineError> {
    let version = |recorded: Recorded| {
        recorded.opened.map(|opened| Version {
            digest: recorded.digest,
            signed: !opened.signatures.is_empty(),
            receipt: opened.receipt,
        })
    };
    let recorded = receipts::list(site, None)?.into_iter();
    Ok(recorded.filter_map(version).collect())
}

fn runs(site: &Site) -> Result<RecordBatch, PipelineError> {
    let mut made: BTreeMap<String, i64> = BTreeMap::new();
    for version in versions(site)? {
        *made.entry(version.receipt.run).or_default() += 1;
    }
    let manifests: Vec<(Manifest, String)> = manifest::all(&site.lake)?
        .into_iter()
        .map(|(manifest, bytes)| (manifest, Digest::of(&bytes).to_string()))
        .collect();
    let rows = Rows(&manifests);
    batch(vec![
        ("run", rows.text(|(of, _)| Some(of.run.clone()))),
        ("sequence", rows.whole(|(of, _)| signed(of.sequence))),
        (
            "logical_time",
            rows.time(|(of, _)| instant(&of.logical_time)),
        ),
        ("complete", rows.truth(|(of, _)| of.complete)),
        (
            "versions",
            rows.whole(|(of, _)| made.get(&of.run).copied().or(Some(0))),
        ),
        ("head", rows.text(|(_, head)| Some(head.clone()))),
        (
            "previous",
            rows.text(|(of, _)| of.previous.map(|digest| digest.to_string())),
        ),
    ])
}

fn of_versions(versions: &[Version]) -> Result<RecordBatch, PipelineError> {
    let rows = Rows(versions);
    let text = |of: fn(&Receipt) -> String| rows.text(|version| Some(of(&version.receipt)));
    let count = |of: fn(&Receipt) -> u64| rows.whole(|version| signed(of(&version.receipt)));
    batch(vec![
        ("table_name", text(|of| of.table.clone())),
        ("version", rows.whole(|of| Some(of.receipt.version))),
        ("layer", text(|of| of.layer.clone())),
        ("kind", text(|of| word(&of.kind))),
        ("run", text(|of| of.run.clone())),
        (
            "logical_time",
            rows.time(|of| instant(&of.receipt.logical_time)),
        ),
        ("epoch", rows.whole(|of| Some(of.receipt.epoch))),
        (
            "rows",
            rows.whole(|of| of.receipt.fingerprint.split(':').next()?.parse().ok()),
        ),
        ("fingerprint", text(|of| of.fingerprint.clone())),
        ("files_added", count(|of| of.files_added.len() as u64)),
        ("files_removed", count(|of| of.files_removed.len() as u64)),
        ("bytes_read", count(|of| of.bytes_read)),
        ("bytes_written", count(|of| of.bytes_written)),
        ("principal", text(|of| of.principal.clone())),
        ("target", text(|of| of.target.clone())),
        ("trigger", text(|of| of.trigger.clone())),
        ("karat_version", text(|of| of.karat_version.clone())),
        ("reason", rows.text(|of| of.receipt.reason.clone())),
        ("code", text(|of| of.code.to_string())),
        ("signed", rows.truth(|of| of.signed)),
        ("receipt", rows.text(|of| Some(of.digest.to_string()))),
        (
            "previous",
            rows.text(|of| of.receipt.previous.map(|digest| digest.to_string())),
        ),
    ])
}

/// One row for each member of a list in each receipt.
fn listed<'a, T: 'a, L: IntoIterator<Item = T> + 'a>(
    versions: &'a [Version],
    list: impl Fn(&'a Receipt) -> L + 'a,
) -> Vec<(&'a Receipt, T)> {
    let members = |version: &'a Version| {
        let members = list(&version.receipt).into_iter();
        members.map(move |member| (&version.receipt, member))
    };
    versions.iter().flat_map(members).collect()
}

/// The columns that say which version a row is of.
fn of<T>(rows: &Rows<'_, (&Receipt, T)>) -> Vec<(&'static str, ArrayRef)> {
    vec![
        ("table_name", rows.text(|(of, _)| Some(of.table.clone()))),
        ("version", rows.whole(|(of, _)| Some(of.version))),
        ("run", rows.text(|(of, _)| Some(of.run.clone()))),
    ]
}

fn accounting(versions: &[Version]) -> Result<RecordBatch, PipelineError> {
    let list = listed(versions, |receipt| {
        let whole = receipt.accounting.iter().map(|term| ("version", term));
        let share = receipt.accounting_run.iter().map(|term| ("run", term));
        whole.chain(share).collect::<Vec<_>>()
    });
    let rows = Rows(&list);
    let mut columns = of(&rows);
    columns.extend([
        (
            "share",
            rows.text(|(_, (share, _))| Some((*share).to_owned())),
        ),
        (
            "term",
            rows.text(|(_, (_, (term, _)))| Some((*term).clone())),
        ),
        ("rows", rows.whole(|(_, (_, (_, count)))| signed(**count))),
    ]);
    batch(columns)
}

fn expectations(versions: &[Version]) -> Result<RecordBatch, PipelineError> {
    let list = listed(versions, |receipt| &receipt.expectations);
    let rows = Rows(&list);
    let mut columns = of(&rows);
    columns.extend([
        ("name", rows.text(|(_, of)| Some(of.name.clone()))),
        ("action", rows.text(|(_, of)| Some(of.action.clone()))),
        ("passed", rows.whole(|(_, of)| signed(of.passed))),
        ("failed", rows.whole(|(_, of)| signed(of.failed))),
    ]);
    batch(columns)
}

fn checks(versions: &[Version]) -> Result<RecordBatch, PipelineError> {
    let list = listed(versions, |receipt| {
        receipt.audit.iter().flat_map(|audit| &audit.checks)
    });
    let rows = Rows(&list);
    let mut columns = of(&rows);
    columns.extend([
        ("name", rows.text(|(_, of)| Some(of.name.clone()))),
        ("kind", rows.text(|(_, of)| Some(of.kind.clone()))),
        ("action", rows.text(|(_, of)| Some(of.action.clone()))),
        ("violations", rows.whole(|(_, of)| signed(of.violations))),
        ("note", rows.text(|(_, of)| of.note.clone())),
    ]);
    batch(columns)
}

fn inputs(versions: &[Version]) -> Result<RecordBatch, PipelineError> {
    let list = listed(versions, |receipt| &receipt.inputs);
    let rows = Rows(&list);
    let mut columns = of(&rows);
    columns.extend([
        ("input", rows.text(|(_, of)| Some(of.table.clone()))),
        ("input_version", rows.whole(|(_, of)| Some(of.version))),
        (
            "fingerprint",
            rows.text(|(_, of)| Some(of.fingerprint.clone())),
        ),
        (
            "receipt",
            rows.text(|(_, of)| of.receipt.map(|digest| digest.to_string())),
        ),
    ]);
    batch(columns)
}

fn objects(versions: &[Version]) -> Result<RecordBatch, PipelineError> {
    let list = listed(versions, |receipt| &receipt.objects);
    let rows = Rows(&list);
    let mut columns = of(&rows);
    columns.extend([
        ("object", rows.text(|(_, of)| Some(of.path.clone()))),
        ("size", rows.whole(|(_, of)| signed(of.size))),
        ("sha256", rows.text(|(_, of)| Some(of.sha256.clone()))),
        ("delivery", rows.whole(|(_, of)| Some(of.delivery))),
    ]);
    batch(columns)
}

fn attempts(journal: Option<&Journal>) -> Result<RecordBatch, PipelineError> {
    let list: Vec<Attempt> = match journal {
        Some(journal) => journal.attempts(u32::MAX).map_err(unreadable)?,
        None => Vec::new(),
    };
    let rows = Rows(&list);
    batch(vec![
        ("run", rows.text(|of| Some(of.run.clone()))),
        ("target", rows.text(|of| Some(of.target.clone()))),
        ("verb", rows.text(|of| Some(of.verb.clone()))),
        ("principal", rows.text(|of| Some(of.principal.clone()))),
        ("logical_time", rows.time(|of| instant(&of.logical_time))),
        (
            "started_at",
            rows.time(|of| of.started_ms.checked_mul(1000)),
        ),
        (
            "finished_at",
            rows.time(|of| of.finished_ms?.checked_mul(1000)),
        ),
        ("exit_code", rows.whole(|of| of.exit_code.map(i64::from))),
    ])
}

/// Steps as the reports of runs tell of them; `run --json` prints the same.
fn steps(journal: Option<&Journal>) -> Result<RecordBatch, PipelineError> {
    let reports = match journal {
        Some(journal) => journal.reports(u32::MAX).map_err(unreadable)?,
        None => Vec::new(),
    };
    let mut list: Vec<(String, Value)> = Vec::new();
    for report in reports {
        let report: Value = serde_json::from_str(&report).unwrap_or(Value::Null);
        let run = report["run_id"].as_str().unwrap_or_default().to_owned();
        for step in report["steps"].as_array().into_iter().flatten() {
            list.push((run.clone(), step.clone()));
        }
    }
    let rows = Rows(&list);
    let text = |key: &'static str| rows.text(|(_, step)| step[key].as_str().map(str::to_owned));
    let whole = |key: &'static str| rows.whole(|(_, step)| step[key].as_i64());
    batch(vec![
        ("run", rows.text(|(run, _)| Some(run.clone()))),
        ("table_name", text("table")),
        ("kind", text("kind")),
        ("status", text("status")),
        ("how", text("how")),
        ("version", whole("version")),
        (
            "rows_read",
            rows.whole(|(_, step)| step["rows"]["read"].as_i64()),
        ),
        ("bytes_read", whole("bytes_read")),
        ("bytes_written", whole("bytes_written")),
        (
            "seconds",
            rows.seconds(|(_, step)| step["seconds"].as_f64())?,
        ),
        (
            "error",
            rows.text(|(_, step)| step["error"]["message"].as_str().map(str::to_owned)),
        ),
    ])
}

/// Rows of a table to be, as columns.
struct Rows<'a, T>(&'a [T]);

impl<T> Rows<'_, T> {
    fn text(&self, of: impl Fn(&T) -> Option<String>) -> ArrayRef {
        Arc::new(self.0.iter().map(of).collect::<StringArray>())
    }

    fn whole(&self, of: impl Fn(&T) -> Option<i64>) -> ArrayRef {
        Arc::new(self.0.iter().map(of).collect::<Int64Array>())
    }

    fn truth(&self, of: impl Fn(&T) -> bool) -> ArrayRef {
        Arc::new(
            self.0
                .iter()
                .map(|row| Some(of(row)))
                .collect::<BooleanArray>(),
        )
    }

    /// Microseconds since 1970, UTC.
    fn time(&self, of: impl Fn(&T) -> Option<i64>) -> ArrayRef {
        let times = self.0.iter().map(of).collect::<TimestampMicrosecondArray>();
        Arc::new(times.with_timezone("UTC"))
    }

    /// With three decimals.
    fn seconds(&self, of: impl Fn(&T) -> Option<f64>) -> Result<ArrayRef, PipelineError> {
        #[expect(clippy::cast_possible_truncation, reason = "no run takes that long")]
        let thousandths = |row| of(row).map(|seconds| (seconds * 1000.0).round() as i128);
        let seconds = self.0.iter().map(thousandths).collect::<Decimal128Array>();
        let seconds = seconds.with_precision_and_scale(18, 3);
        Ok(Arc::new(seconds.map_err(arrow_error)?))
    }
}

fn batch(columns: Vec<(&'static str, ArrayRef)>) -> Result<RecordBatch, PipelineError> {
    RecordBatch::try_from_iter_with_nullable(
        columns
            .into_iter()
            .map(|(name, column)| (name, column, true)),
    )
    .map_err(arrow_error)
}

/// A count as SQL knows it.
fn signed(count: u64) -> Option<i64> {
    i64::try_from(count).ok()
}

fn instant(text: &str) -> Option<i64> {
    let moment = Instant::parse(text).ok()?.as_nanoseconds();
    i64::try_from(moment.div_euclid(1000)).ok()
}

/// A word of a receipt, as its JSON has it.
fn word(value: &impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(word)) => word,
        _ => String::new(),
    }
}

fn unreadable(error: crate::journal::JournalError) -> PipelineError {
    PipelineError::Internal(error.to_string())
}
