//! The audit of a version: the checks of its model, made over its rows before anybody sees it, or over the version that is there when what
//! the checks follow from changed (C7). Which version a model makes is not its business: a check decides whether there is one.

use std::collections::BTreeMap;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type, SchemaRef};
use chrono::DateTime;
use futures::TryStreamExt;
use karat_exact::fingerprint::row_hashes;
use karat_exact::{ClockUse, FileSet, Prepared, SqlError, Tables};
use karat_lake::{LiveFile, Table, WrittenFile, failpoint};
use karat_project::{Check, CheckAction, CheckKind, Model, Place, Ratio, THIS, TableName};
use karat_receipt::{Audit, Audited, CheckCount, Closed, Digest, Input, Outcome, Receipt};

use crate::checks::{self, Asked, Asking, PURPOSE};
use crate::clock;
use crate::context::Site;
use crate::epochs;
use crate::error::{BrokenCheck, PipelineError};
use crate::given::{self, Values};
use crate::gold::unique_key;
use crate::ingest::arrow_error;
use crate::layout;
use crate::proven::{prove, prove_list};
use crate::publish::{Head, head, no_foreign, read_receipt, recorded_version};
use crate::read;
use crate::step::{StepReport, check_trusted, keep_code};

/// Digits of the digest that stands for the key of a row.
const DIGITS: usize = 12;

/// What a version is about to be made of.
pub(crate) struct Candidate<'a> {
    /// The version before it.
    pub(crate) base: Option<&'a Head>,
    /// Its columns.
    pub(crate) schema: &'a SchemaRef,
    /// Files that it has and the version before has not.
    pub(crate) added: &'a [WrittenFile],
    /// Files of the version before that it has not.
    pub(crate) removed: &'a [LiveFile],
}

/// Makes the checks of a model on the version that is about to be made, and puts what they counted into its receipt. Where one with the
/// action `fail` is broken there is no version: what was written is discarded, the intent is settled, and another run computes again.
pub(crate) async fn before_commit(
    site: &Site,
    model: &Model,
    candidate: &Candidate<'_>,
    receipt: &mut Receipt,
    report: &mut StepReport,
) -> Result<(), PipelineError> {
    if model.checks.is_empty() {
        return Ok(());
    }
    let table = site.lake.table(&model.name.folder());
    failpoint::hit("audit.before");
    let made = match Subject::of_candidate(site, model, &table, candidate, receipt) {
        Ok(subject) => subject.audit(None).await,
        Err(error) => Err(error),
    };
    failpoint::hit("audit.after");
    match made {
        Ok(made) => {
            made.tell(report);
            receipt.audit = Some(made.audit);
            Ok(())
        }
        Err(error) => Err(refused(site, model, candidate, receipt.epoch, error)),
    }
}

/// There is no version: what was written is discarded and the intent is settled. Gives the reason back, or why that could not be done.
pub(crate) fn refused(
    site: &Site,
    model: &Model,
    candidate: &Candidate<'_>,
    epoch: i64,
    error: PipelineError,
) -> PipelineError {
    let table = site.lake.table(&model.name.folder());
    for file in candidate.added {
        read::discard(&table, file);
    }
    let closed = Closed {
        feed_or_model: model.name.to_string(),
        epoch,
        outcome: Outcome::Refused,
        reason: error.to_string(),
        objects: Vec::new(),
    };
    match epochs::close(&site.lake, &model.name, &closed) {
        Ok(()) => error,
        Err(other) => other,
    }
}

/// Makes the checks of a model on the version that is there, where what they follow from changed since they were made on it.
pub(crate) async fn present(
    site: &Site,
    model: &Model,
    head: &Head,
    report: &mut StepReport,
) -> Result<(), PipelineError> {
    let (Some(due), Some(of)) = (due(site, model, head)?, head.receipt) else {
        return Ok(());
    };
    let table = site.lake.table(&model.name.folder());
    let version = head.snapshot.version;
    let subject = Subject::of_present(site, model, &table, head, of)?;
    let made = subject.audit(Some(version)).await?;
    made.tell(report);
    if due != Due::Clock {
        let count = made.audit.checks.len();
        report.notes.push(format!(
            "{count} {} made on version {version}, which was there: {}",
            if count == 1 {
                "check was"
            } else {
                "checks were"
            },
            due.reason()
        ));
    }
    // What follows from the moment is asked again by each run.
    if made.uses == ClockUse::Time {
        return Ok(());
    }
    let of_audit = Of {
        receipt: of,
        code: made.audit.code,
        others: fingerprints(&made.audit.inputs),
        values: made.audit.parameters.clone(),
    };
    let path = layout::audit(&model.name, of_audit.digest(made.audit.clock.as_deref()));
    let document = Audited {
        table: model.name.to_string(),
        version,
        receipt: of,
        run: site.context.run.clone(),
        logical_time: site.context.logical_time.clone(),
        principal: site.context.principal.clone(),
        audit: made.audit,
    };
    site.lake.put_if_absent(&path, &document.to_bytes())?;
    Ok(())
}

/// What a model promises of its newest version as time goes on: a check of its kind `freshness` or `volume`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promise {
    /// The check's name.
    pub check: String,
    /// `freshness` or `volume`.
    pub kind: &'static str,
    /// `fail` or `warn`.
    pub action: CheckAction,
    /// What breaks it at this moment; None while it is kept.
    pub broken: Option<String>,
}

/// The promises of a model, asked of the version that is there at this moment. Writes nothing.
pub(crate) async fn promises(
    site: &Site,
    model: &Model,
    head: &Head,
) -> Result<Vec<Promise>, PipelineError> {
    let of_time: Vec<&Check> = model
        .checks
        .iter()
        .filter(|check| is_of_time(check))
        .collect();
    let Some(receipt) = head.receipt.filter(|_| !of_time.is_empty()) else {
        return Ok(Vec::new());
    };
    let table = site.lake.table(&model.name.folder());
    let receipt = read_receipt(site, receipt)?;
    let subject = Subject::of(
        site,
        model,
        &table,
        (&head.snapshot.schema, &[], head.snapshot.files.clone()),
        (receipt.logical_time, receipt.previous),
        Vec::new(),
    )?;
    let tables = subject.tables()?;
    let mut promises = Vec::new();
    for check in of_time {
        let asked = subject
            .asking()
            .of(check, subject.files.schema.fields().len());
        let mut uses = ClockUse::None;
        let found = subject.answer(check, asked, &tables, &mut uses).await?;
        let said = || checks::said(check, found.violations);
        promises.push(Promise {
            check: check.name.clone(),
            kind: check.kind.as_str(),
            action: check.action,
            broken: (found.violations > 0).then(|| found.what.clone().unwrap_or_else(said)),
        });
    }
    Ok(promises)
}

/// Whether a check may be broken by time alone, or by what the rows of a version are beside those before.
fn is_of_time(check: &Check) -> bool {
    matches!(
        check.kind,
        CheckKind::Freshness { .. } | CheckKind::Volume { .. }
    )
}

/// Why the checks of a version that is there are to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Due {
    /// They are others than those that were made.
    Checks,
    /// A table that they read changed.
    Table(String),
    /// A value that they ask for changed: what, for a person.
    Given(String),
    /// They ask for the time.
    Clock,
}

impl Due {
    /// For a person.
    pub(crate) fn reason(&self) -> String {
        match self {
            Self::Checks => "its checks changed".to_owned(),
            Self::Table(table) => format!("`{table}`, which its checks read, changed"),
            Self::Given(what) => format!("its checks ask for a value: {what}"),
            Self::Clock => "its checks ask for the time".to_owned(),
        }
    }
}

/// Whether the checks of a model are to be made on the version that is there, and why.
pub(crate) fn due(site: &Site, model: &Model, head: &Head) -> Result<Option<Due>, PipelineError> {
    let Some(receipt) = head.receipt.filter(|_| !model.checks.is_empty()) else {
        return Ok(None);
    };
    let mut others = BTreeMap::new();
    for name in read_by(model) {
        match crate::publish::head(&site.lake.table(&name.folder()))?.map(|head| head.receipt) {
            Some(Some(receipt)) => {
                let fingerprint = read_receipt(site, receipt)?.fingerprint;
                others.insert(name.to_string(), fingerprint);
            }
            // Whoever makes the checks says what is missing.
            _ => return Ok(Some(Due::Table(name.to_string()))),
        }
    }
    let code = Digest::of(site.project.checks_text(model).as_bytes());
    let day = clock::value(
        ClockUse::Day,
        &site.context.logical_time,
        &site.project.timezone,
    );
    let values = given::of_checks(site, model)?;
    let made = read_receipt(site, receipt)?.audit;
    let why = match &made {
        Some(made) if made.code == code => {
            let before = fingerprints(&made.inputs);
            let changed = others
                .iter()
                .find(|(name, fingerprint)| before.get(*name) != Some(fingerprint));
            let seen = made.clock.as_ref();
            let given_anew = given::changed(&made.parameters, &values);
            match (changed, given_anew) {
                (Some((name, _)), _) => Due::Table(name.clone()),
                (None, Some(what)) => Due::Given(what),
                (None, None)
                    if seen.is_none_or(|seen| {
                        *seen == site.context.logical_time || Some(seen) == day.as_ref()
                    }) =>
                {
                    return Ok(None);
                }
                (None, None) => Due::Clock,
            }
        }
        _ => Due::Checks,
    };
    // A note that nobody signed does not count where signatures are demanded (G7).
    if site.demands_signatures() {
        return Ok(Some(why));
    }
    let of = Of {
        receipt,
        code,
        others,
        values,
    };
    for clock in [None, day.as_deref()] {
        let path = layout::audit(&model.name, of.digest(clock));
        if let Some(bytes) = site.lake.get(&path)? {
            let noted = Audited::from_bytes(&bytes).map_err(PipelineError::document(&path))?;
            if noted.receipt == receipt && noted.audit.code == code {
                return Ok(None);
            }
        }
    }
    Ok(Some(why))
}

/// All that the outcome of an audit follows from, but for the clock.
struct Of {
    receipt: Digest,
    code: Digest,
    others: BTreeMap<String, String>,
    values: Values,
}

impl Of {
    fn digest(&self, clock: Option<&str>) -> Digest {
        let mut text = format!("karat audit 1\n{}\n{}\n", self.receipt, self.code);
        for (name, fingerprint) in &self.others {
            text.push_str(&format!("{name} {fingerprint}\n"));
        }
        for (name, value) in &self.values {
            text.push_str(&format!("{name} {value:?}\n"));
        }
        text.push_str(clock.unwrap_or_default());
        Digest::of(text.as_bytes())
    }
}

fn fingerprints(inputs: &[Input]) -> BTreeMap<String, String> {
    let inputs = inputs.iter();
    inputs
        .map(|input| (input.table.clone(), input.fingerprint.clone()))
        .collect()
}

/// The tables beside its own that the checks of a model read.
fn read_by(model: &Model) -> Vec<&TableName> {
    let mut tables: Vec<&TableName> = model.checks.iter().flat_map(|check| &check.reads).collect();
    tables.sort();
    tables.dedup();
    tables
}

/// What came of an audit in which nothing with the action `fail` is broken.
struct Made {
    audit: Audit,
    uses: ClockUse,
    warnings: Vec<String>,
}

impl Made {
    fn tell(&self, report: &mut StepReport) {
        report.checks.clone_from(&self.audit.checks);
        report.notes.extend(self.warnings.iter().cloned());
    }
}

/// A table that checks read, at the version that they see.
struct Other {
    name: TableName,
    table: Table,
    head: Head,
    input: Input,
}

/// A version under audit.
struct Subject<'a> {
    site: &'a Site,
    model: &'a Model,
    table: &'a Table,
    files: FileSet,
    /// Files that this run did not write.
    old: Vec<LiveFile>,
    rows: u64,
    /// The logical time of the run that makes the version.
    made_at: String,
    /// The receipt of the version before.
    before: Option<Digest>,
    others: Vec<Other>,
}

/// What one check found.
struct Found {
    violations: u64,
    at: Vec<String>,
    /// Whether there are more than those.
    more: u64,
    what: Option<String>,
    note: Option<String>,
}

impl Found {
    fn count(violations: u64) -> Self {
        Self {
            violations,
            at: Vec::new(),
            more: 0,
            what: None,
            note: None,
        }
    }

    fn passed(note: &str) -> Self {
        Self {
            note: Some(note.to_owned()),
            ..Self::count(0)
        }
    }
}

impl<'a> Subject<'a> {
    fn of_candidate(
        site: &'a Site,
        model: &'a Model,
        table: &'a Table,
        candidate: &Candidate<'_>,
        receipt: &Receipt,
    ) -> Result<Self, PipelineError> {
        let base = candidate.base.map(|head| &head.snapshot.files);
        let gone = |file: &&LiveFile| candidate.removed.iter().any(|one| one.path == file.path);
        let old = base
            .into_iter()
            .flatten()
            .filter(|file| !gone(file))
            .cloned();
        let mut others = Vec::new();
        for name in read_by(model) {
            let pinned = receipt
                .inputs
                .iter()
                .find(|input| input.table == name.to_string());
            others.push(other(site, model, name, pinned)?);
        }
        Self::of(
            site,
            model,
            table,
            (candidate.schema, candidate.added, old.collect()),
            (
                site.context.logical_time.clone(),
                candidate.base.and_then(|head| head.receipt),
            ),
            others,
        )
    }

    fn of_present(
        site: &'a Site,
        model: &'a Model,
        table: &'a Table,
        head: &Head,
        receipt: Digest,
    ) -> Result<Self, PipelineError> {
        let receipt = read_receipt(site, receipt)?;
        prove_list(site, table, head)?;
        let mut others = Vec::new();
        for name in read_by(model) {
            others.push(other(site, model, name, None)?);
        }
        Self::of(
            site,
            model,
            table,
            (&head.snapshot.schema, &[], head.snapshot.files.clone()),
            (receipt.logical_time, receipt.previous),
            others,
        )
    }

    fn of(
        site: &'a Site,
        model: &'a Model,
        table: &'a Table,
        (schema, added, old): (&SchemaRef, &[WrittenFile], Vec<LiveFile>),
        (made_at, before): (String, Option<Digest>),
        others: Vec<Other>,
    ) -> Result<Self, PipelineError> {
        let mut files = read::written_set(table, schema, added);
        files.files.extend(
            old.iter()
                .map(|file| read::data_file(table, &file.path, file.size, file.rows)),
        );
        files.key = unique_key(&site.project, &model.name);
        Ok(Self {
            site,
            model,
            table,
            rows: files.files.iter().map(|file| file.rows).sum(),
            files,
            old,
            made_at,
            before,
            others,
        })
    }

    fn asking(&self) -> Asking<'_> {
        Asking {
            model: self.model,
            schema: &self.files.schema,
            logical_time: &self.site.context.logical_time,
            timezone: &self.site.project.timezone,
        }
    }

    /// Makes all checks; an error if one with the action `fail` is broken. `version` is that of a version that is there.
    async fn audit(&self, version: Option<i64>) -> Result<Made, PipelineError> {
        let name = self.model.name.to_string();
        let asking = self.asking();
        let tables = self.tables()?;
        let mut proven = false;
        let mut uses = ClockUse::None;
        let mut counts = Vec::new();
        let mut broken = Vec::new();
        let mut warnings = Vec::new();
        for check in &self.model.checks {
            let mut width = self.files.schema.fields().len();
            if let CheckKind::SameAs { query, .. } = &check.kind {
                let planned = self.prepare(&query.sql, &tables, query.at, true)?;
                width = planned.schema().fields().len();
            }
            if matches!(check.kind, CheckKind::Freshness { .. }) {
                uses = ClockUse::Time;
            }
            let asked = asking.of(check, width);
            let looks = matches!(
                asked,
                Asked::Count { .. } | Asked::CountedRows { .. } | Asked::Answer { .. }
            );
            if looks && !proven {
                self.prove().await?;
                proven = true;
            }
            let found = self.answer(check, asked, &tables, &mut uses).await?;
            counts.push(CheckCount {
                name: check.name.clone(),
                kind: check.kind.as_str().to_owned(),
                action: check.action.as_str().to_owned(),
                violations: found.violations,
                note: found.note,
            });
            if found.violations == 0 {
                continue;
            }
            let one = BrokenCheck {
                name: check.name.clone(),
                what: found
                    .what
                    .unwrap_or_else(|| checks::said(check, found.violations)),
                at: found.at,
                more: found.more,
            };
            match check.action {
                CheckAction::Fail => broken.push(one),
                CheckAction::Warn => warnings.push(format!("{one} (action: warn)")),
            }
        }
        if !broken.is_empty() {
            return Err(PipelineError::Check {
                table: name,
                version,
                broken,
                checks: counts,
            });
        }
        let code = keep_code(self.site, &self.site.project.checks_text(self.model))?;
        Ok(Made {
            audit: Audit {
                code,
                inputs: self
                    .others
                    .iter()
                    .map(|other| other.input.clone())
                    .collect(),
                clock: clock::value(
                    uses,
                    &self.site.context.logical_time,
                    &self.site.project.timezone,
                ),
                parameters: given::of_checks(self.site, self.model)?,
                checks: counts,
            },
            uses,
            warnings,
        })
    }

    /// The version under its own name and as `this`, and the other tables.
    fn tables(&self) -> Result<Tables, PipelineError> {
        let mut tables = Tables::new();
        let own = &self.model.name;
        tables.insert_plain(THIS, self.files.clone())?;
        tables.insert(&own.schema(), &own.table, self.files.clone())?;
        for other in &self.others {
            let snapshot = &other.head.snapshot;
            let files = read::in_written_order(snapshot);
            let key = unique_key(&self.site.project, &other.name);
            let files = read::file_set(&other.table, snapshot, files, key);
            tables.insert(&other.name.schema(), &other.name.table, files)?;
        }
        Ok(tables)
    }

    /// The files that this run did not write are as they were written (A7).
    async fn prove(&self) -> Result<(), PipelineError> {
        prove(self.site, self.table, &self.old).await?;
        for other in &self.others {
            if other.head.receipt == other.input.receipt {
                prove_list(self.site, &other.table, &other.head)?;
            }
            prove(self.site, &other.table, &other.head.snapshot.files).await?;
        }
        Ok(())
    }

    fn prepare(
        &self,
        sql: &str,
        tables: &Tables,
        at: Place,
        as_written: bool,
    ) -> Result<Prepared, PipelineError> {
        let prepared = self.site.engine.prepare(sql, tables, &PURPOSE);
        prepared.map_err(|error| PipelineError::Sql {
            table: self.model.name.to_string(),
            at: Some(at),
            error: match as_written {
                true => error,
                // A place in the text that was made of it says nothing.
                false => SqlError {
                    line: None,
                    column: None,
                    ..error
                },
            },
        })
    }

    async fn answer(
        &self,
        check: &Check,
        asked: Asked,
        tables: &Tables,
        uses: &mut ClockUse,
    ) -> Result<Found, PipelineError> {
        let within = |rows: u64, min: Option<u64>, max: Option<u64>| {
            let is_broken = min.is_some_and(|min| rows < min) || max.is_some_and(|max| rows > max);
            let mut found = Found::count(u64::from(is_broken));
            found.what = Some(checks::said(check, rows));
            found
        };
        match asked {
            Asked::Proven { note } => Ok(Found::passed(note)),
            Asked::Rows { min, max } => Ok(within(self.rows, min, max)),
            Asked::Volume {
                within: share,
                of_last_us,
            } => self.volume(check, share, of_last_us),
            Asked::CountedRows { sql, min, max } => {
                let prepared = self.prepare(&sql, tables, check.at, false)?;
                *uses = (*uses).max(prepared.clock_use());
                let (count, _) = self.first_row(check, &prepared).await?;
                Ok(within(count, min, max))
            }
            Asked::Count { sql, sample } => {
                let prepared = self.prepare(&sql, tables, check.at, false)?;
                *uses = (*uses).max(prepared.clock_use());
                let (count, _) = self.first_row(check, &prepared).await?;
                let mut found = Found::count(count);
                if let Some(sample) = sample.filter(|_| count > 0) {
                    let prepared = self.prepare(&sample, tables, check.at, false)?;
                    let (_, rows) = self.first_row(check, &prepared).await?;
                    found.at = located(&rows)?;
                    if !matches!(check.kind, CheckKind::Unique { .. }) {
                        found.more = count.saturating_sub(found.at.len() as u64);
                    }
                }
                Ok(found)
            }
            Asked::Answer { sql } => {
                let at = check.kind.queries().first().map_or(check.at, |sql| sql.at);
                let prepared = self.prepare(&sql, tables, at, true)?;
                *uses = (*uses).max(prepared.clock_use());
                self.rows_of(check, &prepared).await
            }
        }
    }

    /// The number in the first row, if it is one, and the first batch.
    async fn first_row(
        &self,
        check: &Check,
        prepared: &Prepared,
    ) -> Result<(u64, RecordBatch), PipelineError> {
        let failed = |source| self.failed(check, source);
        let mut rows = self.site.engine.stream(prepared).await.map_err(failed)?;
        let mut first = RecordBatch::new_empty(prepared.schema());
        while let Some(batch) = rows
            .try_next()
            .await
            .map_err(|error| failed(error.into()))?
        {
            if first.num_rows() == 0 {
                first = batch;
            }
        }
        let mut count = 0;
        if first.num_rows() > 0 && first.num_columns() > 0 {
            let number = cast(first.column(0), &DataType::Int64).map_err(arrow_error)?;
            let number = number.as_primitive::<Int64Type>();
            if number.is_valid(0) {
                count = u64::try_from(number.value(0)).unwrap_or(0);
            }
        }
        Ok((count, first))
    }

    /// Each row of the answer is one thing wrong.
    async fn rows_of(&self, check: &Check, prepared: &Prepared) -> Result<Found, PipelineError> {
        let failed = |source| self.failed(check, source);
        let key = self.model.row_key().unwrap_or_default();
        let schema = prepared.schema();
        let key: Option<Vec<usize>> = key
            .iter()
            .map(|name| schema.index_of(&name.to_lowercase()).ok())
            .collect();
        let key = key.filter(|key| !key.is_empty());
        let mut rows = self.site.engine.stream(prepared).await.map_err(failed)?;
        let mut found = Found::count(0);
        while let Some(batch) = rows
            .try_next()
            .await
            .map_err(|error| failed(error.into()))?
        {
            found.violations += batch.num_rows() as u64;
            let left = checks::SAMPLE - found.at.len();
            if let Some(key) = key.as_ref().filter(|_| left > 0) {
                let first = batch.slice(0, left.min(batch.num_rows()));
                found
                    .at
                    .extend(located(&first.project(key).map_err(arrow_error)?)?);
            }
        }
        found.more = found.violations - found.at.len() as u64;
        Ok(found)
    }

    fn failed(&self, check: &Check, source: karat_exact::ExactError) -> PipelineError {
        PipelineError::FailedCheck {
            table: self.model.name.to_string(),
            check: check.name.clone(),
            source,
        }
    }

    /// The rows against the mean of the versions before, as their receipts state them.
    fn volume(&self, check: &Check, share: Ratio, of_last_us: i64) -> Result<Found, PipelineError> {
        let micros = |text: &str| {
            let time = DateTime::parse_from_rfc3339(text).ok();
            time.map_or(0, |time| time.timestamp_micros())
        };
        let now = micros(&self.made_at);
        let (mut versions, mut sum) = (0_u64, 0_u64);
        let mut next = self.before;
        while let Some(digest) = next {
            let receipt = read_receipt(self.site, digest)?;
            let age = now - micros(&receipt.logical_time);
            if age > of_last_us {
                break;
            }
            if age >= 0 {
                let rows = receipt.fingerprint.split(':').next();
                sum += rows.and_then(|rows| rows.parse::<u64>().ok()).unwrap_or(0);
                versions += 1;
            }
            next = receipt.previous;
        }
        let CheckKind::Volume { shown, .. } = &check.kind else {
            return Ok(Found::count(0));
        };
        if sum == 0 {
            return Ok(Found::passed(&format!(
                "no row in a version of the last {shown}: nothing to compare with"
            )));
        }
        // |rows - mean| / mean, without a fraction.
        let rows = u128::from(self.rows) * u128::from(versions);
        let off = rows.abs_diff(u128::from(sum)) * 1_000_000_000;
        let is_broken = off > u128::from(sum) * u128::from(share.billionths);
        let mut found = Found::count(u64::from(is_broken));
        found.what = Some(format!(
            "{} rows are more than {share} off the mean of {}, of {versions} {} in the last {shown}",
            self.rows,
            (sum + versions / 2) / versions,
            if versions == 1 { "version" } else { "versions" },
        ));
        Ok(found)
    }
}

/// Rows by the digests of their keys (H2).
fn located(keys: &RecordBatch) -> Result<Vec<String>, PipelineError> {
    let hashes = row_hashes(keys)?;
    Ok(hashes
        .into_iter()
        .take(checks::SAMPLE)
        .map(|hash| {
            let mut digits = format!("{hash:032x}");
            digits.truncate(DIGITS);
            format!("key {digits}")
        })
        .collect())
}

/// A table that a check reads: as the rows were made from it, else its newest version.
fn other(
    site: &Site,
    model: &Model,
    name: &TableName,
    pinned: Option<&Input>,
) -> Result<Other, PipelineError> {
    let table = site.lake.table(&name.folder());
    let newest = head(&table)?;
    let Some(newest) = newest else {
        let check = model.checks.iter().find(|check| check.reads.contains(name));
        return Err(PipelineError::NotChecked {
            table: model.name.to_string(),
            check: check.map_or(String::new(), |check| check.name.clone()),
            input: name.to_string(),
        });
    };
    no_foreign(name, Some(&newest))?;
    check_trusted(site, name, Some(&newest))?;
    if let Some(input) = pinned
        && input.version != newest.snapshot.version
    {
        if let Some(snapshot) = recorded_version(&table, input.version, input.receipt)? {
            return Ok(Other {
                name: name.clone(),
                table,
                head: Head {
                    snapshot,
                    receipt: input.receipt,
                    run: None,
                    missing: None,
                },
                input: input.clone(),
            });
        }
    }
    let fingerprint = match newest.receipt {
        Some(receipt) => read_receipt(site, receipt)?.fingerprint,
        None => String::new(),
    };
    let input = Input {
        table: name.to_string(),
        version: newest.snapshot.version,
        receipt: newest.receipt,
        fingerprint,
    };
    Ok(Other {
        name: name.clone(),
        table,
        head: newest,
        input,
    })
}
