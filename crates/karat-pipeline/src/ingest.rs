//! Loading a feed into bronze: settle what is open, plan, write the intent, read, publish (A2, A3, B).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;

use arrow::array::{Array, Int64Array, RecordBatch, StringArray};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{DataType, SchemaRef};
use futures::{StreamExt, TryStreamExt};
use karat_lake::{CanonicalWriter, Layout, LockGuard, Table, WrittenFile, failpoint};
use karat_project::{Feed, ModelKind, OnAdded, OnMissing, Ratio, TableName};
use karat_receipt::{Closed, Digest, Instant, Intent, IntentObject, Kind, ObjectRef, Outcome};
use karat_source::{
    FeedSpec, Known, KnownObject, LATE_EXTRACT, Load, Mode, Object, ReadCount, Source, SourceBatch,
    SourceError,
};
use serde_json::{Value, json};

use crate::accounting::{self, Terms};
use crate::at_work;
use crate::bronze::{self, Provenance};
use crate::context::{Event, Site};
use crate::damage;
use crate::deliveries::Reading;
use crate::drifted::{self, Header, Renames, THE_SOURCE};
use crate::epochs::{self, Epochs};
use crate::error::PipelineError;
use crate::held::HeldLoads;
use crate::known_rows::{FullDiff, Window};
use crate::layout;
use crate::proven::{prove, prove_list};
use crate::publish::{
    Change, Head, Published, head, head_at, newest_load, no_foreign, publish, read_receipt,
};
use crate::read;
use crate::reshaped;
use crate::step::{StepReport, StepStatus, check_trusted};

/// How a source begins its warning that no file has ever matched.
pub(crate) const NO_FILE_MATCHES: &str = "no file matches";
/// Said of a feed with nothing to load that left out some objects.
pub(crate) const SOME_ARE_HELD: &str =
    "some objects are held in quarantine; `karat quarantine list` shows them";
/// A full load, and what it is compared with, are read for a plan up to this size.
const FORESEEN_BYTES_MAX: u64 = 64 << 20;
/// Nanoseconds of a day.
const DAY_NS: i128 = 86_400 * 1_000_000_000;

/// Columns of a feed that models read, and so may not go missing.
pub type ColumnsRead = BTreeSet<String>;

/// What the next loads of a feed would be, and why.
pub struct FeedPlan {
    /// An intent that is not settled; it is taken up first.
    pub open: Option<OpenLoad>,
    /// Loads after that.
    pub loads: Vec<Load>,
    /// Extracts that are held because a newer one is loaded.
    pub late: Vec<Object>,
    /// For a person.
    pub notes: Vec<String>,
    /// Whether no file has ever matched.
    pub nothing_there: bool,
    /// Rows that the loads would find new, changed or gone, where they were looked at.
    pub changes: Option<u64>,
    /// Rows of the loads, where they were counted.
    pub rows: Option<u64>,
    /// The table's schema after the loads.
    pub schema: Option<SchemaRef>,
    /// Objects that the loads hold, and why: a run that meets them exits 1.
    pub held: Vec<(String, String)>,
    /// Whether the table has no version.
    pub is_new: bool,
    /// Whether an earlier run holds some that are as they were.
    pub holds_some: bool,
    /// Paths of objects that were held, and that the loads take in as they are: the feed is declared otherwise now.
    pub mended: BTreeSet<String>,
    /// Where the loads stop.
    pub refused: Option<PipelineError>,
}

/// A load that a run began and did not settle.
pub struct OpenLoad {
    /// What it set out to load.
    pub intent: Intent,
    /// Whether that run is still at work on this machine.
    pub at_work: bool,
    /// Why the source cannot give it again: it is closed then, and what is there is planned anew (A3).
    pub gone: Option<String>,
}

/// Plans a feed without reading rows and without writing anything.
pub async fn plan(
    site: &Site,
    feed: &Feed,
    spec: &FeedSpec,
    source: &Arc<dyn Source>,
) -> Result<FeedPlan, PipelineError> {
    let table = site.lake.table(&feed.bronze.folder());
    let head = head(&table)?;
    let snapshot = head.as_ref().map(|head| &head.snapshot);
    let epochs = Epochs::read(&site.lake, &feed.bronze, snapshot)?;
    plan_next(site, feed, spec, source, head.as_ref(), &epochs).await
}

/// The same with what becomes of an open load, the rows where they cost little, and what a run would refuse: a version that nobody
/// signed, a commit without a key (G7), columns (B8), the rows of a full load and its time (B6).
pub async fn foresee(
    site: &Site,
    feed: &Feed,
    spec: &FeedSpec,
    source: &Arc<dyn Source>,
) -> Result<FeedPlan, PipelineError> {
    let table = site.lake.table(&feed.bronze.folder());
    let head = head(&table)?;
    check_trusted(site, &feed.bronze, head.as_ref())?;
    let epochs = Epochs::read(
        &site.lake,
        &feed.bronze,
        head.as_ref().map(|head| &head.snapshot),
    )?;
    epochs.check_whole(&feed.bronze)?;
    reshaped::check(site, feed, &epochs)?;
    let loader = Loader {
        site,
        feed,
        spec,
        source,
        table: &table,
        read_by_models: &crate::schedule::columns_read_of(&site.project, &feed.bronze),
    };
    let open = loader.foresee_open(head.as_ref(), &epochs).await?;
    let mut planned = plan_next(site, feed, spec, source, head.as_ref(), &epochs).await?;
    planned.schema = schema_before(head.as_ref());
    planned.refused = loader
        .foresee_loads(&mut planned, open, head.as_ref(), &epochs)
        .await
        .err();
    Ok(planned)
}

/// An open load as a plan sees it.
struct ForeseenOpen {
    load: OpenLoad,
    /// The table's schema after it.
    schema: Option<SchemaRef>,
    /// Its rows, where they were counted.
    rows: Option<u64>,
    notes: Vec<String>,
}

/// What is known of a load that is only planned.
struct Foreseen<'a> {
    /// Its rows, if they cost little.
    rows: Option<u64>,
    /// What the next one is compared with.
    next: Before<'a>,
    /// Rows that are new, changed or gone, if they were looked at.
    changes: Option<u64>,
}

impl<'a> Foreseen<'a> {
    fn new(rows: Option<u64>, next: Before<'a>) -> Self {
        Self {
            rows,
            next,
            changes: None,
        }
    }
}

/// What a full load that is only planned would be compared with.
enum Before<'a> {
    /// The newest version.
    InTheLake(Option<&'a Head>, &'a Epochs),
    /// The rows that a keyed load leaves, which is planned before it and has these columns.
    Compared(Box<FullDiff>, SchemaRef, &'a Load),
    /// A load of this many rows, which is planned before it.
    Load(u64, &'a Load),
    /// Nobody knows.
    Unknown,
}

/// What a keyed full load does to the rows before it.
struct Changes {
    kept: u64,
    repeated: u64,
    deleted: u64,
    rows_before: u64,
}

impl FeedPlan {
    /// Leaves out the objects of a load that is taken up before.
    fn without(&mut self, intent: &Intent) {
        let is_of_it = |object: &Object| {
            let mut objects = intent.objects.iter();
            objects.any(|one| one.path == object.path && one.sha256 == object.sha256)
        };
        for load in &mut self.loads {
            load.objects.retain(|object| !is_of_it(object));
        }
        if !intent.objects.is_empty() {
            self.loads.retain(|load| !load.objects.is_empty());
        }
    }
}

async fn plan_next(
    site: &Site,
    feed: &Feed,
    spec: &FeedSpec,
    source: &Arc<dyn Source>,
    head: Option<&Head>,
    epochs: &Epochs,
) -> Result<FeedPlan, PipelineError> {
    let known = known(site, source.as_ref(), spec, epochs);
    // Before a position is compared with what has another type now.
    if let (Known::Cursor(_), Some(head)) = (&known, head)
        && let Some(error) = retyped(feed, spec, source, head).await?
    {
        return Err(error);
    }
    let planned = {
        let source = source.clone();
        let spec = FeedSpec {
            known_columns: known_columns(site, feed, head),
            one_of_columns: one_of_columns(site, feed, head)?,
            ..spec.clone()
        };
        let known = known.clone();
        tokio::task::spawn_blocking(move || source.plan(&spec, &known))
            .await
            .map_err(joined)??
    };
    let mut loads = planned.loads;
    if loads.is_empty()
        && head.is_none()
        && epochs.open().is_none()
        && let Known::Cursor(position) = &known
    {
        loads.push(load_of_no_row(position.clone()));
    }
    let mut notes = planned.warnings;
    let nothing_there = notes.iter().any(|note| note.starts_with(NO_FILE_MATCHES));
    if feed.cursor.is_some() && feed.deletes.is_none() {
        notes.push(format!(
            "`{}` is incremental: deletes in the source are not seen; say so with `deletes: none` or `deletes: {{ soft: COLUMN }}`",
            feed.bronze
        ));
    }
    notes.extend(reshaped::read_otherwise(site, feed, head, epochs)?);
    notes.extend(reshaped::renamed_late(feed, head, epochs));
    notes.extend(same_marks(spec, &loads, epochs));
    notes.extend(future_cursor(site, feed, &loads, epochs));
    if source.kind() != "files" {
        let whole = spec.mode == Mode::Full;
        notes.extend(HeldLoads::of(epochs).note(&feed.short_name(), whole));
    }
    for waits in &planned.waiting {
        let (path, why) = (&waits.path, &waits.why);
        notes.push(format!("`{path}` {why}: left for a later run"));
    }
    Ok(FeedPlan {
        open: None,
        mended: mended(&loads, epochs),
        loads,
        late: planned.late,
        notes,
        nothing_there,
        changes: None,
        rows: None,
        schema: None,
        held: Vec::new(),
        is_new: head.is_none(),
        holds_some: holds_some(epochs),
        refused: None,
    })
}

/// The refusal of a database's table of which columns have other types than bronze has.
async fn retyped(
    feed: &Feed,
    spec: &FeedSpec,
    source: &Arc<dyn Source>,
    head: &Head,
) -> Result<Option<PipelineError>, PipelineError> {
    let (source, spec) = (source.clone(), spec.clone());
    let header = tokio::task::spawn_blocking(move || source.header(&spec, None));
    let Some(columns) = header.await.map_err(joined)?? else {
        return Ok(None);
    };
    let header = Header::of(THE_SOURCE.to_owned(), columns, feed);
    let drift = bronze::drift(&head.snapshot.schema, &header.columns);
    Ok(drifted::retyped(feed, &header, &drift.types))
}

/// Objects of these loads of which no delivery was whole before, and whose bytes are those of the newest.
fn mended(loads: &[Load], epochs: &Epochs) -> BTreeSet<String> {
    let again = loads.iter().flat_map(|load| &load.objects);
    let again = again.filter(|object| object.delivery > 1 && object.broken.is_none());
    let mut mended: BTreeMap<&str, &Object> =
        again.map(|object| (object.path.as_str(), object)).collect();
    if mended.is_empty() {
        return BTreeSet::new();
    }
    for (_, before) in epochs.objects() {
        if before.broken.is_none() {
            mended.remove(before.path.as_str());
        }
    }
    for before in epochs.newest_objects() {
        let path = before.path.as_str();
        if mended
            .get(path)
            .is_some_and(|now| now.sha256 != before.sha256)
        {
            mended.remove(path);
        }
    }
    mended.into_keys().map(str::to_owned).collect()
}

/// The first load of a table that a cursor finds without a row: models that read it need not wait for one, as of a full load, and the
/// feed stands where it stood.
fn load_of_no_row(position: Option<Value>) -> Load {
    let position = position.unwrap_or_default();
    Load {
        from: position.clone(),
        to: position,
        ..Load::default()
    }
}

/// Full loads of files that take the place of another with their order mark (B4): meant for one that is delivered again, seldom for
/// two files.
fn same_marks(spec: &FeedSpec, loads: &[Load], epochs: &Epochs) -> Vec<String> {
    let mut notes = Vec::new();
    if spec.mode != Mode::Full || spec.parts {
        return notes;
    }
    let mut by_mark: BTreeMap<&str, &str> = BTreeMap::new();
    for intent in epochs.done() {
        if let (Some(mark), Some(object)) = (intent.to["mark"].as_str(), intent.objects.first()) {
            by_mark.insert(mark, &object.path);
        }
    }
    for load in loads {
        let (Some(mark), Some(object)) = (load.mark.as_deref(), load.objects.first()) else {
            continue;
        };
        if let Some(before) = by_mark.insert(mark, &object.path)
            && before != object.path
        {
            notes.push(format!(
                "`{}` takes the place of `{before}`: both have the order mark `{mark}`; if they are parts of one load, declare `parts: true`",
                object.path
            ));
        }
    }
    notes
}

/// A cursor that stands in the future: rows that come with values of today are never read.
fn future_cursor(site: &Site, feed: &Feed, loads: &[Load], epochs: &Epochs) -> Option<String> {
    let cursor = feed.cursor.as_ref()?;
    let position = match loads.last() {
        Some(load) => &load.to,
        None => &epochs.position()?.to["position"],
    };
    let value = position["cursor"].as_str()?;
    let day = Instant::parse(value.get(..10)?).ok()?.as_nanoseconds();
    let now = Instant::parse(&site.context.logical_time).ok()?;
    // No zone is a day ahead.
    let is_ahead = day > now.as_nanoseconds() + DAY_NS;
    is_ahead.then(|| {
        format!(
            "`{}` of `{}` has come to {value}, which lies in the future: rows with lesser values are no longer read; correct that row, then `karat position set`",
            cursor.column, feed.bronze
        )
    })
}

/// Columns of which a file of a loaded feed has one at least, under the names of the files: with none of them it would be refused for what
/// models read (B8), and is another file. None where files may lack them.
fn one_of_columns(
    site: &Site,
    feed: &Feed,
    head: Option<&Head>,
) -> Result<Vec<String>, PipelineError> {
    let Some(head) = head.filter(|_| feed.on_schema_change.missing == OnMissing::Fail) else {
        return Ok(Vec::new());
    };
    let read = crate::schedule::columns_read_of(&site.project, &feed.bronze);
    let accepted = crate::schema_accept::accepted_missing(&site.lake, &feed.bronze)?;
    let payload = bronze::payload(&head.snapshot.schema);
    let names: Vec<String> = payload
        .into_iter()
        .map(|field| field.name().clone())
        .collect();
    let refused = |name: &String| read.contains(name) && !accepted.contains(name);
    if !names.iter().any(refused) {
        return Ok(Vec::new());
    }
    let renamed = feed.rename.values().cloned();
    Ok(names.into_iter().chain(renamed).collect())
}

/// Names that a header of this feed is expected to have: the table's, before there is one those that models read.
fn known_columns(site: &Site, feed: &Feed, head: Option<&Head>) -> Vec<String> {
    let mut names: Vec<String> = match head {
        Some(head) => bronze::payload(&head.snapshot.schema)
            .into_iter()
            .map(|field| field.name().clone())
            .collect(),
        None => crate::schedule::columns_read_of(&site.project, &feed.bronze)
            .into_iter()
            .collect(),
    };
    names.extend(feed.rename.values().cloned());
    names
}

/// Position of a feed as its source understands it.
fn known(site: &Site, source: &dyn Source, spec: &FeedSpec, epochs: &Epochs) -> Known {
    if source.kind() == "files" {
        return Known::Files(known_objects(epochs));
    }
    match spec.mode {
        Mode::Incremental => Known::Cursor(
            epochs
                .position()
                .map(|intent| intent.to["position"].clone()),
        ),
        Mode::Full => Known::Full {
            mark: live_mark(site),
        },
    }
}

/// The order mark of a full load of a live source: the logical time, as text that sorts as times do, whatever their fractions.
fn live_mark(site: &Site) -> String {
    chrono::DateTime::from_timestamp_micros(site.context.logical_time_us).map_or_else(
        || site.context.logical_time.clone(),
        |time| time.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string(),
    )
}

/// The objects that settled loads have met, as a source knows them.
pub fn known_objects(epochs: &Epochs) -> Vec<KnownObject> {
    epochs
        .objects()
        .into_iter()
        .map(|(_, object)| KnownObject {
            path: object.path.clone(),
            size: object.size,
            mtime_ns: object.mtime_ns,
            sha256: object.sha256.clone(),
            delivery: u32::try_from(object.delivery).unwrap_or(u32::MAX),
            broken: object.broken.clone(),
        })
        .collect()
}

/// Loads a feed until nothing is left to load. What was committed before a failure stays, and is in the report.
pub async fn load(
    site: &Site,
    feed: &Feed,
    spec: &FeedSpec,
    source: &Arc<dyn Source>,
    read_by_models: &ColumnsRead,
) -> Result<StepReport, PipelineError> {
    let mut report = StepReport::new("load", &feed.bronze.to_string());
    match load_all(site, feed, spec, source, read_by_models, &mut report).await {
        Ok(()) => Ok(report),
        Err(error) if report.status == StepStatus::Done || !report.broken.is_empty() => {
            report.status = StepStatus::Failed;
            report.error = Some(error);
            Ok(report)
        }
        Err(error) => Err(error),
    }
}

async fn load_all(
    site: &Site,
    feed: &Feed,
    spec: &FeedSpec,
    source: &Arc<dyn Source>,
    read_by_models: &ColumnsRead,
    report: &mut StepReport,
) -> Result<(), PipelineError> {
    let name = feed.bronze.to_string();
    let _lock: LockGuard = site.lock(&name)?;
    let table = site.lake.table(&feed.bronze.folder());
    let loader = Loader {
        site,
        feed,
        spec,
        source,
        table: &table,
        read_by_models,
    };

    let mut head_now = head(&table)?;
    check_trusted(site, &feed.bronze, head_now.as_ref())?;
    let mut epochs = Epochs::read(
        &site.lake,
        &feed.bronze,
        head_now.as_ref().map(|head| &head.snapshot),
    )?;
    epochs.check_whole(&feed.bronze)?;
    reshaped::check(site, feed, &epochs)?;
    epochs::settle_word(&site.lake, &feed.bronze, &epochs)?;
    if let Some(open) = epochs.open().cloned() {
        loader
            .take_up(open, head_now.clone(), &epochs, report)
            .await?;
        head_now = head(&table)?;
        epochs = Epochs::read(
            &site.lake,
            &feed.bronze,
            head_now.as_ref().map(|head| &head.snapshot),
        )?;
    }
    let planned = plan_next(site, feed, spec, source, head_now.as_ref(), &epochs).await?;
    report.notes.extend(planned.notes);
    let planned_nothing = planned.nothing_there;
    if !planned.late.is_empty() {
        let late = planned.late.into_iter().map(|object| Object {
            broken: Some(LATE_EXTRACT.to_owned()),
            ..object
        });
        loader.hold(late.collect(), "late_extract", &epochs, report)?;
        epochs = Epochs::read(
            &site.lake,
            &feed.bronze,
            head_now.as_ref().map(|head| &head.snapshot),
        )?;
    }
    if !planned.loads.is_empty() {
        no_foreign(&feed.bronze, head_now.as_ref())?;
    }
    let mut renames = Renames::default();
    for load in planned.loads {
        let epoch = epochs.next();
        loader.check_signature()?;
        reshaped::check_mark(feed, &load, &epochs)?;
        let intent = loader.intent(epoch, &load)?;
        let columns = loader.columns_of(&load).await;
        let schema = columns.and_then(|columns| {
            renames.see(&columns);
            loader.schema_for(schema_before(head_now.as_ref()), &columns)
        });
        let schema = match schema {
            Ok(schema) => schema,
            Err(error) => {
                // Of this load nothing goes in, but what is broken in it is known from now on (B4).
                let objects = load.objects.into_iter();
                let broken: Vec<Object> = objects.filter(|one| one.broken.is_some()).collect();
                if !broken.is_empty() {
                    loader.hold(broken, "the load was refused", &epochs, report)?;
                }
                return Err(error);
            }
        };
        let digest = epochs::write_intent(&site.lake, &feed.bronze, &intent)?;
        loader
            .execute(
                &intent,
                digest,
                load,
                schema,
                head_now.clone(),
                &epochs,
                report,
            )
            .await?;
        head_now = head(&table)?;
        epochs = Epochs::read(
            &site.lake,
            &feed.bronze,
            head_now.as_ref().map(|head| &head.snapshot),
        )?;
    }
    report.notes.extend(renames.notes(feed));
    report.found_nothing = planned_nothing && head_now.is_none();
    if let Some(head) = &head_now {
        report.version = Some(head.snapshot.version);
        if report.fingerprint.is_none()
            && let Some(digest) = head.receipt
        {
            report.fingerprint = Some(read_receipt(site, digest)?.fingerprint);
        }
        damage::check_present(&feed.bronze, &table, &head.snapshot)?;
    }
    if holds_some(&epochs) && report.status == StepStatus::Unchanged {
        report.notes.push(SOME_ARE_HELD.to_owned());
    }
    Ok(())
}

/// A range of a cursor's feed that is read again (A8).
pub(crate) struct LoadedRange<'a> {
    pub(crate) feed: &'a Feed,
    pub(crate) spec: &'a FeedSpec,
    pub(crate) source: &'a Arc<dyn Source>,
    pub(crate) reads: &'a ColumnsRead,
    /// Values of the cursor, as the source keeps them.
    pub(crate) from: Value,
    pub(crate) to: Value,
}

/// Loads a range again; the position stays where it is.
pub(crate) async fn load_range(
    site: &Site,
    range: &LoadedRange<'_>,
) -> Result<StepReport, PipelineError> {
    let feed = range.feed;
    let mut report = StepReport::new("load", &feed.bronze.to_string());
    let _lock: LockGuard = site.lock(&feed.bronze.to_string())?;
    let table = site.lake.table(&feed.bronze.folder());
    let loader = range.loader(site, &table);
    let (head_now, epochs) = loader.state_of_range().await?;
    epochs::settle_word(&site.lake, &feed.bronze, &epochs)?;
    no_foreign(&feed.bronze, Some(&head_now))?;
    loader.check_signature()?;
    let position = epochs
        .position()
        .map_or(Value::Null, |intent| intent.to["position"].clone());
    let load = range.load();
    let mut intent = loader.intent(epochs.next(), &load)?;
    intent.from = json!({ "position": position });
    intent.to["position"] = position;
    intent.to[RANGE] = json!({ "from": range.from, "to": range.to });
    let schema = loader.schema_of(Some(&head_now), &load).await?;
    let digest = epochs::write_intent(&site.lake, &feed.bronze, &intent)?;
    let base = Some(head_now);
    loader
        .execute(&intent, digest, load, schema, base, &epochs, &mut report)
        .await?;
    Ok(report)
}

/// What that would come to, by reading the range: `read`, `kept`, `unchanged`.
pub(crate) async fn foresee_range(
    site: &Site,
    range: &LoadedRange<'_>,
) -> Result<Terms, PipelineError> {
    let table = site.lake.table(&range.feed.bronze.folder());
    let loader = range.loader(site, &table);
    let (head_now, epochs) = loader.state_of_range().await?;
    let load = range.load();
    let Some(schema) = loader.schema_of(Some(&head_now), &load).await? else {
        return Ok(Terms::new());
    };
    let fields = bronze::payload(&schema).into_iter();
    let payload: Vec<String> = fields.map(|field| field.name().clone()).collect();
    let mut window = loader.window(&payload, Some(&head_now), &epochs).await?;
    let (source, spec) = (range.source.clone(), range.spec.clone());
    let rename = range.feed.rename.clone();
    let counting = tokio::task::spawn_blocking(move || -> Result<_, PipelineError> {
        let mut kept = 0;
        let count = source.read(&spec, &load, &mut |batch| {
            let nowhere = Provenance::default();
            let batch = bronze::complete(&batch.batch, &schema, &rename, 1, &nowhere)?;
            kept += window.news(&batch)?.num_rows() as u64;
            Ok(())
        })?;
        Ok((count.rows, kept))
    });
    let (read, kept) = counting.await.map_err(joined)??;
    Ok(Terms::from([
        ("read".to_owned(), read),
        ("kept".to_owned(), kept),
        ("unchanged".to_owned(), read - kept),
    ]))
}

/// In an intent's `to`: the range of a cursor that is read again, beside the position, which stays.
const RANGE: &str = "range";

/// The range that a load read again, if it was one of these.
pub(crate) fn range_of(intent: &Intent) -> Option<(Value, Value)> {
    let range = &intent.to[RANGE];
    range
        .is_object()
        .then(|| (range["from"].clone(), range["to"].clone()))
}

impl<'a> LoadedRange<'a> {
    fn loader(&self, site: &'a Site, table: &'a Table) -> Loader<'a> {
        Loader {
            site,
            feed: self.feed,
            spec: self.spec,
            source: self.source,
            table,
            read_by_models: self.reads,
        }
    }

    fn load(&self) -> Load {
        load_of_range(&self.from, &self.to)
    }
}

fn load_of_range(from: &Value, to: &Value) -> Load {
    Load {
        from: json!({ "cursor": from, "from": from }),
        to: json!({ "cursor": to }),
        ..Load::default()
    }
}

/// Whether objects of the feed are held in quarantine: those that came whole since are not.
fn holds_some(epochs: &Epochs) -> bool {
    let mut objects = epochs.newest_objects().into_iter();
    objects.any(|object| object.broken.is_some())
}

/// Broken objects of loads that a killed run committed and never told of: no manifest has them yet (A10, B4).
pub(crate) fn untold(
    site: &Site,
    bronze: &TableName,
    recorded: &BTreeMap<String, i64>,
) -> Result<Vec<(String, String)>, PipelineError> {
    let table = site.lake.table(&bronze.folder());
    let told = recorded.get(&bronze.to_string()).copied();
    let newest = table.newest_version()?;
    if newest.is_none() || newest <= told {
        return Ok(Vec::new());
    }
    let epoch_at = |version: Option<i64>| -> Result<i64, PipelineError> {
        let snapshot = match version {
            Some(version) => table.load_at(version)?,
            None => None,
        };
        let epoch = snapshot.and_then(|snapshot| {
            let app = layout::app(bronze);
            snapshot.app_versions.get(&app).copied()
        });
        Ok(epoch.unwrap_or(0))
    };
    let (from, snapshot) = (epoch_at(told)?, table.load()?);
    let epochs = Epochs::read(&site.lake, bronze, snapshot.as_ref())?;
    let done = epochs.done().filter(|intent| intent.epoch > from);
    let objects = done.flat_map(|intent| &intent.objects);
    Ok(objects
        .filter_map(|object| Some((object.path.clone(), object.broken.clone()?)))
        .collect())
}

/// Objects of a load that are listed and not loaded, with the reason.
fn broken_of(objects: &[Object]) -> impl Iterator<Item = (String, String)> + '_ {
    let reason = |object: &Object| Some((object.path.clone(), object.broken.clone()?));
    objects.iter().filter_map(reason)
}

struct Loader<'a> {
    site: &'a Site,
    feed: &'a Feed,
    spec: &'a FeedSpec,
    source: &'a Arc<dyn Source>,
    table: &'a Table,
    read_by_models: &'a ColumnsRead,
}

/// What reading a load came to.
struct Landed {
    files: Vec<WrittenFile>,
    count: ReadCount,
    kept: u64,
    unchanged: u64,
    /// Of a cursor: kept rows that bronze had, but for columns that are new.
    widened: u64,
    repeated: u64,
    deleted: u64,
    /// Of a keyed full load: whether a key is new, has other content, or is gone.
    changes_a_key: Option<bool>,
    load_fingerprint: Option<String>,
}

impl Landed {
    /// Whether the table would be another after it.
    fn changes_anything(&self) -> bool {
        let any = self.kept > 0 || !self.files.is_empty();
        self.changes_a_key.unwrap_or(any)
    }
}

impl Loader<'_> {
    fn check_signature(&self) -> Result<(), PipelineError> {
        crate::step::check_signature(self.site)
    }

    fn code(&self) -> Result<Digest, PipelineError> {
        crate::step::keep_code(self.site, &self.feed.code_text())
    }

    fn intent(&self, epoch: i64, load: &Load) -> Result<Intent, PipelineError> {
        Ok(Intent {
            feed_or_model: self.feed.bronze.to_string(),
            epoch,
            run: self.site.context.run.clone(),
            logical_time: self.site.context.logical_time.clone(),
            code: self.code()?,
            parameters: BTreeMap::new(),
            from: json!({ "position": load.from }),
            to: json!({ "position": load.to, "mark": load.mark, "logical_time_us": self.site.context.logical_time_us }),
            objects: load.objects.iter().map(intent_object).collect(),
            inputs: BTreeMap::new(),
        })
    }

    /// A feed that was loaded before, with nothing left open: a range of it may be read again.
    async fn state_of_range(&self) -> Result<(Head, Epochs), PipelineError> {
        let bronze = &self.feed.bronze;
        let Some(head) = head(self.table)? else {
            return Err(PipelineError::Refused {
                what: format!("`{bronze}` has no version: there is nothing to read again"),
                hint: "`karat run` loads it".to_owned(),
            });
        };
        check_trusted(self.site, bronze, Some(&head))?;
        let epochs = Epochs::read(&self.site.lake, bronze, Some(&head.snapshot))?;
        epochs.check_whole(bronze)?;
        reshaped::check(self.site, self.feed, &epochs)?;
        if let Some(open) = epochs.unsettled() {
            return Err(PipelineError::Refused {
                what: format!("load {} of `{bronze}` is still open", open.epoch),
                hint: "`karat run` settles it; then read the range again".to_owned(),
            });
        }
        Ok((head, epochs))
    }

    /// An open intent keeps its range and its objects; today's code reads them (A3).
    async fn take_up(
        &self,
        intent: Intent,
        head_now: Option<Head>,
        epochs: &Epochs,
        report: &mut StepReport,
    ) -> Result<(), PipelineError> {
        let load = load_of(&intent);
        if let Some(why) = reshaped::since_open(self.site, self.feed, &intent)? {
            report.notes.push(format!(
                "closed load {} of `{}`, left open by run {}: {why}",
                intent.epoch, self.feed.bronze, intent.run
            ));
            return self.close(intent.epoch, Outcome::Unreadable, why, Vec::new());
        }
        let which = format!(
            "load {} of `{}`, left open by run {}",
            intent.epoch, self.feed.bronze, intent.run
        );
        let note = report.notes.len();
        report.notes.push(format!("took up {which}"));
        let gone = match self.columns_of(&load).await {
            Ok(columns) => {
                self.check_signature()?;
                let schema = self.schema_for(schema_before(head_now.as_ref()), &columns)?;
                let digest = epochs::intent_digest(&intent)?;
                match self
                    .execute(&intent, digest, load, schema, head_now, epochs, report)
                    .await
                {
                    Err(PipelineError::Source(error)) if cannot_give_again(&error) => error,
                    other => return other,
                }
            }
            Err(PipelineError::Source(error)) if cannot_give_again(&error) => error,
            Err(other) => return Err(other),
        };
        report.notes[note] = format!("closed {which}: {gone}");
        self.close(
            intent.epoch,
            Outcome::Unreadable,
            gone.to_string(),
            Vec::new(),
        )
    }

    /// Objects that are listed and not loaded: broken ones (B4), extracts older than the newest loaded (B6).
    fn hold(
        &self,
        held: Vec<Object>,
        why: &str,
        epochs: &Epochs,
        report: &mut StepReport,
    ) -> Result<(), PipelineError> {
        let load = Load {
            objects: held,
            mark: None,
            ..Load::default()
        };
        let mut intent = self.intent(epochs.next(), &load)?;
        intent.to = epochs
            .position()
            .map_or(Value::Null, |intent| intent.to.clone());
        epochs::write_intent(&self.site.lake, &self.feed.bronze, &intent)?;
        self.close(
            intent.epoch,
            Outcome::Unreadable,
            why.to_owned(),
            intent.objects,
        )?;
        report.broken.extend(broken_of(&load.objects));
        Ok(())
    }

    fn close(
        &self,
        epoch: i64,
        outcome: Outcome,
        reason: String,
        objects: Vec<IntentObject>,
    ) -> Result<(), PipelineError> {
        epochs::close(
            &self.site.lake,
            &self.feed.bronze,
            &Closed {
                feed_or_model: self.feed.bronze.to_string(),
                epoch,
                outcome,
                reason,
                objects,
            },
        )
    }

    /// Columns of all objects of a load, by bronze name, and where each was found.
    async fn columns_of(&self, load: &Load) -> Result<Vec<Header>, PipelineError> {
        let source = self.source.clone();
        let spec = self.spec.clone();
        let objects: Vec<Object> = load
            .objects
            .iter()
            .filter(|object| object.broken.is_none())
            .cloned()
            .collect();
        let is_database = load.objects.is_empty();
        let headers = tokio::task::spawn_blocking(move || {
            if is_database {
                let header = source.header(&spec, None)?;
                return Ok(vec![(THE_SOURCE.to_owned(), header)]);
            }
            objects
                .iter()
                .map(|object| {
                    Ok((
                        format!("`{}`", object.path),
                        source.header(&spec, Some(object))?,
                    ))
                })
                .collect::<Result<Vec<_>, SourceError>>()
        })
        .await
        .map_err(joined)??;
        Ok(headers
            .into_iter()
            .filter_map(|(place, header)| Some((place, header?)))
            .map(|(place, header)| Header::of(place, header, self.feed))
            .collect())
    }

    /// The schema that a load commits with.
    async fn schema_of(
        &self,
        head: Option<&Head>,
        load: &Load,
    ) -> Result<Option<SchemaRef>, PipelineError> {
        let columns = self.columns_of(load).await?;
        self.schema_for(schema_before(head), &columns)
    }

    /// Decides on drift (B8): the schema that the load commits with, or the refusal.
    fn schema_for(
        &self,
        before: Option<SchemaRef>,
        headers: &[Header],
    ) -> Result<Option<SchemaRef>, PipelineError> {
        let table = self.feed.bronze.to_string();
        let source_feed = self.feed.short_name();
        let mut schema = match (before, headers.first()) {
            (Some(before), _) => before,
            (None, Some(first)) => bronze::create_schema(&first.columns),
            (None, None) => return Ok(None),
        };
        let accepted = crate::schema_accept::accepted_missing(&self.site.lake, &self.feed.bronze)?;
        let lacks = |schema: &SchemaRef, header: &Header| {
            let mut missing = bronze::drift(schema, &header.columns).missing;
            missing.retain(|name| {
                self.read_by_models.contains(name)
                    && !accepted.contains(name)
                    && self.feed.on_schema_change.missing == OnMissing::Fail
            });
            missing
        };
        for (nth, header) in headers.iter().enumerate() {
            let Header { place, columns } = header;
            if let Some((one, other)) = bronze::same_name(columns) {
                return Err(PipelineError::Drift {
                    table,
                    what: format!(
                        "{place} has both `{}` and `{}`, and both would fill `{}`",
                        one.source_name, other.source_name, one.name
                    ),
                    hint: format!(
                        "remove the `rename` of `{}` from feed `{source_feed}`, or rename the other",
                        one.name
                    ),
                });
            }
            let drift = bronze::drift(&schema, columns);
            if let Some(error) = drifted::retyped(self.feed, header, &drift.types) {
                return Err(error);
            }
            let missing = lacks(&schema, header);
            if !missing.is_empty() {
                let behind = headers.iter().skip(nth + 1);
                let others = behind.filter(|other| !lacks(&schema, other).is_empty());
                let others: Vec<&str> = others.map(|other| other.place.as_str()).collect();
                let missing: Vec<&String> = missing.iter().collect();
                let added = &drift.added;
                return Err(drifted::missing(
                    self.feed, header, &missing, added, &others,
                ));
            }
            match self.feed.on_schema_change.added {
                OnAdded::Evolve => schema = bronze::evolve_schema(&schema, &drift.added),
                OnAdded::Ignore => {}
                OnAdded::Fail => {
                    if let Some(column) = drift.added.first() {
                        return Err(PipelineError::Drift {
                            table,
                            what: format!(
                                "column `{}` is new in {place} (`added: fail`)",
                                column.name
                            ),
                            hint: format!(
                                "`on_schema_change: {{ added: evolve }}` of feed `{source_feed}` takes it in, `added: ignore` leaves it out"
                            ),
                        });
                    }
                }
            }
        }
        Ok(Some(schema))
    }

    /// Rows of a load, if they cost little: those of new files show in their bytes.
    async fn count(&self, load: &Load) -> Result<Option<u64>, PipelineError> {
        if self.spec.mode != Mode::Full && !load.objects.is_empty() {
            return Ok(None);
        }
        let (source, spec, load) = (self.source.clone(), self.spec.clone(), load.clone());
        let count =
            tokio::task::spawn_blocking(move || source.count(&spec, &load, FORESEEN_BYTES_MAX));
        Ok(count.await.map_err(joined)??)
    }

    /// What becomes of a load that a run left open: another is at it, it is taken up, or it cannot be read again (A3).
    async fn foresee_open(
        &self,
        head: Option<&Head>,
        epochs: &Epochs,
    ) -> Result<Option<ForeseenOpen>, PipelineError> {
        let Some(intent) = epochs.open() else {
            return Ok(None);
        };
        let before = schema_before(head);
        let mut open = ForeseenOpen {
            load: OpenLoad {
                intent: intent.clone(),
                at_work: at_work::is_at_work(self.site, &intent.run)?,
                gone: None,
            },
            schema: before.clone(),
            rows: None,
            notes: Vec::new(),
        };
        if !open.load.at_work {
            open.load.gone = reshaped::since_open(self.site, self.feed, intent)?;
            if open.load.gone.is_some() {
                return Ok(Some(open));
            }
        }
        let load = load_of(intent);
        let columns = match self.columns_of(&load).await {
            Ok(columns) => columns,
            Err(PipelineError::Source(error)) if cannot_give_again(&error) => {
                open.load.gone = Some(error.to_string());
                return Ok(Some(open));
            }
            Err(error) => return Err(error),
        };
        if open.load.at_work {
            // What its columns come to is that run's business.
            open.schema = self.schema_for(before.clone(), &columns).unwrap_or(before);
            return Ok(Some(open));
        }
        self.check_signature()?;
        open.schema = self.schema_for(before, &columns)?;
        if let Some(schema) = open
            .schema
            .as_ref()
            .filter(|_| load.is_readable(self.spec.mode))
        {
            let before = Before::InTheLake(head, epochs);
            let time = &intent.logical_time;
            let foreseen = self
                .foresee_rows(&load, schema, before, time, &mut open.notes)
                .await?;
            open.rows = foreseen.rows;
        }
        Ok(Some(open))
    }

    /// Schema and rows after an open load and those that are planned, as far as the run would come.
    async fn foresee_loads(
        &self,
        planned: &mut FeedPlan,
        open: Option<ForeseenOpen>,
        head: Option<&Head>,
        epochs: &Epochs,
    ) -> Result<(), PipelineError> {
        let mut before = Before::InTheLake(head, epochs);
        let mut rows = (!planned.loads.is_empty()).then_some(0);
        let mut changes = rows;
        let mut taken_up = None;
        if let Some(open) = open {
            planned.schema = open.schema;
            planned.notes.extend(open.notes);
            if open.load.gone.is_none() {
                planned.without(&open.load.intent);
                let load = taken_up.insert(load_of(&open.load.intent));
                if !open.load.at_work {
                    planned.held.extend(broken_of(&load.objects));
                }
                rows = open.rows;
                before = open
                    .rows
                    .map_or(Before::Unknown, |rows| Before::Load(rows, load));
            }
            planned.open = Some(open.load);
        }
        let late = planned.late.iter();
        let late = late.map(|object| (object.path.clone(), LATE_EXTRACT.to_owned()));
        planned.held.extend(late);
        if !planned.loads.is_empty() {
            no_foreign(&self.feed.bronze, head)?;
            self.check_signature()?;
        }
        let mut renames = Renames::default();
        for load in &planned.loads {
            planned.held.extend(broken_of(&load.objects));
            reshaped::check_mark(self.feed, load, epochs)?;
            let columns = self.columns_of(load).await?;
            renames.see(&columns);
            planned.schema = self.schema_for(planned.schema.take(), &columns)?;
            let readable = load.is_readable(self.spec.mode);
            let Some(schema) = planned.schema.as_ref().filter(|_| readable) else {
                continue;
            };
            let time = &self.site.context.logical_time;
            let foreseen = self
                .foresee_rows(load, schema, before, time, &mut planned.notes)
                .await?;
            before = foreseen.next;
            rows = rows.zip(foreseen.rows).map(|(sum, rows)| sum + rows);
            changes = changes.zip(foreseen.changes).map(|(sum, rows)| sum + rows);
        }
        planned.rows = rows;
        planned.notes.extend(renames.notes(self.feed));
        let is_reshaped =
            head.is_none_or(|head| planned.schema.as_ref() != Some(&head.snapshot.schema));
        let of_objects = planned.loads.iter().any(|load| !load.objects.is_empty());
        if planned.open.is_none() && !is_reshaped && !of_objects {
            planned.changes = changes;
        }
        Ok(())
    }

    /// What a planned load would bring; refused if it is a full one that deletes too much, or brings changes at a time before the newest
    /// load's (B6).
    async fn foresee_rows<'a>(
        &self,
        load: &'a Load,
        schema: &SchemaRef,
        before: Before<'a>,
        logical_time: &str,
        notes: &mut Vec<String>,
    ) -> Result<Foreseen<'a>, PipelineError> {
        let Some(rows) = self.count(load).await? else {
            return Ok(Foreseen::new(None, Before::Unknown));
        };
        if self.spec.mode != Mode::Full {
            return Ok(Foreseen::new(Some(rows), before));
        }
        let mut found = None;
        let mut back = None;
        let mut after = Before::Load(rows, load);
        let of_one_mark = |other: &Load| load.mark.is_some() && other.mark == load.mark;
        let (deleted, rows_before) =
            match before {
                Before::Unknown => return Ok(Foreseen::new(Some(rows), after)),
                Before::InTheLake(_, epochs) if self.repeats_last_extract(load, epochs) => {
                    return Ok(Foreseen::new(Some(rows), before));
                }
                Before::Load(_, other) | Before::Compared(_, _, other) if of_one_mark(other) => {
                    return Ok(Foreseen::new(Some(rows), after));
                }
                // Which keys it has nobody compared; without a row it has none of them.
                Before::Load(before, _) if !self.feed.key.is_empty() && rows > 0 => (0, before),
                Before::Load(before, _) => (before.saturating_sub(rows), before),
                Before::Compared(state, columns, _) if columns != *schema => {
                    let before = state.keys_before();
                    (if rows > 0 { 0 } else { before }, before)
                }
                Before::Compared(state, ..) => {
                    let changes;
                    (changes, after) = self.foresee_changes(load, schema, state).await?;
                    (changes.deleted, changes.rows_before)
                }
                Before::InTheLake(head, epochs) if self.feed.key.is_empty() => {
                    let before = self.rows_of_load_before(load, head, epochs);
                    (before.saturating_sub(rows), before)
                }
                Before::InTheLake(head, epochs) => {
                    back = self.goes_back(logical_time, load, epochs);
                    let files = head.iter().flat_map(|head| &head.snapshot.files);
                    let bytes: u64 = files.map(|file| file.size).sum();
                    if rows > 0 && bytes > FORESEEN_BYTES_MAX {
                        notes.extend(back.map(|error| {
                            format!("if the source has changed, the run stops: {error}")
                        }));
                        return Ok(Foreseen::new(Some(rows), after));
                    }
                    let state = self.state_before(load, schema, head, epochs).await?;
                    let changes;
                    (changes, after) = self.foresee_changes(load, schema, Box::new(state)).await?;
                    if let Some(error) = self.shares_keys(load, changes.repeated) {
                        return Err(error);
                    }
                    let changed = changes.kept + changes.deleted;
                    found = Some(changed);
                    back = back.filter(|_| changed > 0);
                    (changes.deleted, changes.rows_before)
                }
            };
        check_deletes(
            &self.feed.bronze.to_string(),
            load.objects.first().map(|object| object.path.as_str()),
            self.max_delete(),
            rows,
            deleted,
            rows_before,
        )?;
        match back {
            Some(error) => Err(error),
            None => Ok(Foreseen {
                changes: found,
                ..Foreseen::new(Some(rows), after)
            }),
        }
    }

    /// What a keyed full load would change, how many keys there are, and the state that it leaves: by reading it, as the load itself will.
    async fn foresee_changes<'a>(
        &self,
        load: &'a Load,
        schema: &SchemaRef,
        mut state: Box<FullDiff>,
    ) -> Result<(Changes, Before<'a>), PipelineError> {
        let rows_before = state.keys_before();
        let (source, spec) = (self.source.clone(), self.spec.clone());
        let (read, columns, rename) = (load.clone(), schema.clone(), self.feed.rename.clone());
        let counting = tokio::task::spawn_blocking(move || -> Result<_, PipelineError> {
            source.read(&spec, &read, &mut |batch| {
                let nowhere = Provenance::default();
                let batch = bronze::complete(&batch.batch, &columns, &rename, 1, &nowhere)?;
                state.changes(&batch)?;
                Ok(())
            })?;
            let counts = state.counts();
            let deleted = state.fewer();
            state.forget_unseen();
            let changes = Changes {
                kept: counts.new_in_the_end,
                repeated: counts.repeated,
                deleted,
                rows_before,
            };
            Ok((changes, state))
        });
        let (changes, state) = counting.await.map_err(joined)??;
        Ok((changes, Before::Compared(state, schema.clone(), load)))
    }

    /// How much a full load may delete; none where a person has agreed to all.
    fn max_delete(&self) -> Option<Ratio> {
        (!self.site.context.accept_deletes).then_some(self.feed.max_delete)
    }

    /// Reads one load and publishes it, or closes it.
    #[expect(
        clippy::too_many_arguments,
        reason = "one call site; each is a different fact of the load"
    )]
    async fn execute(
        &self,
        intent: &Intent,
        intent_digest: Digest,
        mut load: Load,
        schema: Option<SchemaRef>,
        head_now: Option<Head>,
        epochs: &Epochs,
        report: &mut StepReport,
    ) -> Result<(), PipelineError> {
        load.epoch = Some(intent.epoch);
        report.broken.extend(broken_of(&load.objects));
        let readable = load.is_readable(self.spec.mode);
        let Some(schema) = schema.filter(|_| readable) else {
            let (outcome, reason) = if readable {
                (Outcome::Empty, "no object holds a row or a header")
            } else {
                (Outcome::Unreadable, "no object could be read")
            };
            return self.close(
                intent.epoch,
                outcome,
                reason.to_owned(),
                intent.objects.clone(),
            );
        };
        if self.repeats_last_extract(&load, epochs) {
            return self.close(
                intent.epoch,
                Outcome::Empty,
                "equal to the full load before".to_owned(),
                intent.objects.clone(),
            );
        }

        if let Some(run) = self.held_state(&load, &schema, epochs).await? {
            return self.close(
                intent.epoch,
                Outcome::Empty,
                format!("held: it is what run {run}, which was undone, had loaded"),
                intent.objects.clone(),
            );
        }

        let landed = self
            .land(intent, &load, &schema, head_now.as_ref(), epochs)
            .await;
        let landed = match landed {
            Ok(landed) => landed,
            Err(error @ PipelineError::Deletes { .. }) => {
                self.close(
                    intent.epoch,
                    Outcome::Refused,
                    error.to_string(),
                    Vec::new(),
                )?;
                return Err(error);
            }
            Err(error) => return Err(error),
        };
        if let Some(error) = self.shares_keys(&load, landed.repeated) {
            for file in &landed.files {
                read::discard(self.table, file);
            }
            let reason = error.to_string();
            self.close(intent.epoch, Outcome::Refused, reason, Vec::new())?;
            return Err(error);
        }
        let changes = landed.changes_anything();
        let back = self.goes_back(&intent.logical_time, &load, epochs);
        if let Some(error) = back.filter(|_| changes) {
            for file in &landed.files {
                read::discard(self.table, file);
            }
            let reason = error.to_string();
            self.close(intent.epoch, Outcome::Refused, reason, Vec::new())?;
            return Err(error);
        }
        report.bytes_read += landed.count.bytes;
        if landed.repeated > 0 {
            report.notes.push(format!(
                "in a load of `{}`, {} a `key` that stands before in the same load: the last row of a key counts",
                self.feed.bronze,
                match landed.repeated {
                    1 => "1 row has".to_owned(),
                    rows => format!("{rows} rows have"),
                }
            ));
        }
        if landed.deleted > 0 {
            report.add_rows(&Terms::from([("deleted".to_owned(), landed.deleted)]));
        }
        let nothing_new = self.equals_last_full_load(&landed, head_now.as_ref())?
            || self.equals_held_load(&landed, epochs)?
            || self.changes_nothing(&load, &landed, &schema, head_now.as_ref(), epochs)
            || (!landed.changes_anything()
                && self.says_nothing_new(&load, head_now.as_ref(), epochs));
        let kept = if nothing_new { 0 } else { landed.kept };
        let share = Terms::from([
            ("read".to_owned(), landed.count.rows),
            ("kept".to_owned(), kept),
            (
                "unchanged".to_owned(),
                landed.unchanged + landed.kept - kept,
            ),
        ]);
        report.add_rows(&share);
        if nothing_new {
            for file in &landed.files {
                read::discard(self.table, file);
            }
            return self.close(
                intent.epoch,
                Outcome::Empty,
                "nothing new in the source".to_owned(),
                intent.objects.clone(),
            );
        }
        let doubled = self.doubled(landed.widened, &schema, head_now.as_ref());
        let published = self
            .publish_load(
                intent,
                intent_digest,
                &load,
                schema,
                head_now,
                landed,
                share,
            )
            .await?;
        report.committed(published.version, &published.fingerprint.to_string());
        report.notes.extend(doubled);
        Ok(())
    }

    /// Rows of a cursor's window that came again because a column is new, if a model has no way to tell that they are the same (B7).
    fn doubled(&self, widened: u64, schema: &SchemaRef, head: Option<&Head>) -> Option<String> {
        let rows = match widened {
            0 => return None,
            1 => "1 row was".to_owned(),
            rows => format!("{rows} rows were"),
        };
        let mut models = self.site.project.models.iter();
        let model = models.find(|model| match &model.kind {
            ModelKind::Silver(silver) => {
                silver.from == self.feed.bronze && silver.auto_cdc.is_none()
            }
            ModelKind::Gold(_) => false,
        })?;
        let before = &head?.snapshot.schema;
        let added = bronze::payload(schema).into_iter();
        let added = added.filter(|field| before.field_with_name(field.name()).is_err());
        let added: Vec<String> = added.map(|field| format!("`{}`", field.name())).collect();
        Some(format!(
            "{rows} read again with {}, which bronze did not have: `{}` holds both readings; with a primary key at the source, or `key` in the feed from its first load on, and `auto_cdc: {{ keys: [COLUMN] }}` in the model the newest counts",
            added.join(", "),
            model.name
        ))
    }

    /// A live source is as it is now, and `_seq` orders its full loads by their logical time, then by their epoch (B1): changes found at a
    /// time before the newest load's would count as older than what they replace (B6).
    fn goes_back(&self, logical_time: &str, load: &Load, epochs: &Epochs) -> Option<PipelineError> {
        let keyed_full = self.spec.mode == Mode::Full && !self.feed.key.is_empty();
        if !keyed_full || !load.objects.is_empty() {
            return None;
        }
        let time = |text: &str| Instant::parse(text).ok();
        let loads = epochs.done().filter(|done| done.to["mark"].is_string());
        let newest = loads.max_by_key(|done| time(&done.logical_time))?;
        (time(logical_time) < time(&newest.logical_time)).then(|| PipelineError::GoesBack {
            table: self.feed.bronze.to_string(),
            mark: logical_time.to_owned(),
            newest: newest.logical_time.clone(),
        })
    }

    /// Whether a load without rows leaves all as it is. Objects without a row are recorded in a commit, and so is a table without a
    /// row that had some. So is a table that was never loaded: models that read it need not wait for its first row.
    fn says_nothing_new(&self, load: &Load, head: Option<&Head>, epochs: &Epochs) -> bool {
        let whole = self.spec.mode == Mode::Full && self.feed.key.is_empty();
        head.is_some()
            && load.objects.is_empty()
            && !(whole && self.rows_of_load_before(load, head, epochs) > 0)
    }

    /// A file extract with the very content of the newest loaded one (A3).
    fn repeats_last_extract(&self, load: &Load, epochs: &Epochs) -> bool {
        if self.spec.mode != Mode::Full || load.objects.is_empty() {
            return false;
        }
        let Some(last) = epochs.last_done() else {
            return false;
        };
        last.objects.len() == load.objects.len()
            && last
                .objects
                .iter()
                .zip(&load.objects)
                .all(|(before, now)| before.sha256 == now.sha256)
    }

    /// An unkeyed full load of a database with the very rows of the newest loaded one (A3).
    fn equals_last_full_load(
        &self,
        landed: &Landed,
        head: Option<&Head>,
    ) -> Result<bool, PipelineError> {
        let (Some(now), Some(digest)) =
            (&landed.load_fingerprint, head.and_then(|head| head.receipt))
        else {
            return Ok(false);
        };
        let before = newest_load(self.site, digest)?;
        Ok(before.parameters.get("load_fingerprint") == Some(now))
    }

    /// The same of a load that was taken back and is held.
    fn equals_held_load(&self, landed: &Landed, epochs: &Epochs) -> Result<bool, PipelineError> {
        let Some(now) = &landed.load_fingerprint else {
            return Ok(false);
        };
        for (base, _) in HeldLoads::of(epochs).states() {
            let then = head_at(self.table, base)?;
            if let Some(digest) = then.and_then(|then| then.receipt)
                && newest_load(self.site, digest)?
                    .parameters
                    .get("load_fingerprint")
                    == Some(now)
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The run, which was undone, that had found a live table, loaded in full by its key, as it is now.
    async fn held_state(
        &self,
        load: &Load,
        schema: &SchemaRef,
        epochs: &Epochs,
    ) -> Result<Option<String>, PipelineError> {
        let keyed_full = self.spec.mode == Mode::Full && !self.feed.key.is_empty();
        if !keyed_full || !load.objects.is_empty() {
            return Ok(None);
        }
        for (base, run) in HeldLoads::of(epochs).states() {
            let Some(then) = head_at(self.table, base)? else {
                continue;
            };
            let state = self.state_at(load, schema, &then, epochs).await?;
            let (changes, _) = self.foresee_changes(load, schema, Box::new(state)).await?;
            if changes.kept == 0 && changes.deleted == 0 {
                return Ok(Some(run.to_owned()));
            }
        }
        Ok(None)
    }

    /// What the rows of a cursor are compared with.
    async fn window(
        &self,
        payload: &[String],
        head: Option<&Head>,
        epochs: &Epochs,
    ) -> Result<Window, PipelineError> {
        // With all columns in bronze, the content has the cursor and whatever key the source has. A key that was declared since
        // the last load makes other places of the same rows.
        let by_content = self.feed.columns.is_none();
        let mut seen = Window::new(payload, by_content);
        if let Some(head) = head {
            let before = bronze::payload(&head.snapshot.schema);
            let before = before.iter().map(|field| field.name().clone());
            seen = seen.with_columns_before(before.collect());
            self.remember(&mut seen, head, epochs).await?;
        }
        Ok(seen)
    }

    /// Takes in what bronze has, and what is held of loads that were taken back, oldest first.
    async fn remember(
        &self,
        seen: &mut Window,
        head: &Head,
        epochs: &Epochs,
    ) -> Result<(), PipelineError> {
        let held = HeldLoads::of(epochs);
        if held.is_empty() {
            let mut stream = self.bronze_rows(head).await?;
            while let Some(batch) = stream
                .try_next()
                .await
                .map_err(karat_exact::ExactError::from)?
            {
                seen.remember(&batch).map_err(arrow_error)?;
            }
            return Ok(());
        }
        prove_list(self.site, self.table, head)?;
        for (version, file) in held.files_among(self.table, head)? {
            prove(self.site, self.table, [&file]).await?;
            let set = read::file_set(self.table, &version, [&file], None);
            let mut stream = read::scan(self.site, &set, "load.known").await?;
            while let Some(batch) = stream
                .try_next()
                .await
                .map_err(karat_exact::ExactError::from)?
            {
                let received = crate::repairs::received(batch).map_err(arrow_error)?;
                seen.remember(&received).map_err(arrow_error)?;
            }
        }
        Ok(())
    }

    /// A keyed full load of files whose rows are those of the load before, in other bytes (A3). One that takes the place of a committed
    /// load is recorded all the same, and so is one that brings a column.
    fn changes_nothing(
        &self,
        load: &Load,
        landed: &Landed,
        schema: &SchemaRef,
        head: Option<&Head>,
        epochs: &Epochs,
    ) -> bool {
        let is_keyed = self.spec.mode == Mode::Full && !self.feed.key.is_empty();
        let takes_a_place = epochs
            .done()
            .any(|intent| intent.to["mark"].as_str() == load.mark.as_deref());
        is_keyed
            && !load.objects.is_empty()
            && !landed.changes_anything()
            && !takes_a_place
            && head.is_some_and(|head| head.snapshot.schema.fields() == schema.fields())
    }

    /// A full load of a database whose `key` does not tell its rows apart: `_seq` orders them by that key (B1), so none is the last.
    fn shares_keys(&self, load: &Load, repeated: u64) -> Option<PipelineError> {
        (load.objects.is_empty() && repeated > 0).then(|| PipelineError::NotUnique {
            table: self.feed.bronze.to_string(),
            key: self.feed.key.join(", "),
            at: Vec::new(),
            hint: "name the columns that identify a row in the feed's `key`, or leave it out of a feed of another `name`: then each load is kept whole"
                .to_owned(),
        })
    }

    /// What a keyed full load is compared with.
    async fn state_before(
        &self,
        load: &Load,
        schema: &SchemaRef,
        head: Option<&Head>,
        epochs: &Epochs,
    ) -> Result<FullDiff, PipelineError> {
        if let Some((what, hint)) = bronze::absent(self.feed, schema) {
            let what = format!("cannot load `{}`: {what}", self.feed.bronze);
            return Err(PipelineError::Refused { what, hint });
        }
        match head {
            Some(head) => self.state_at(load, schema, head, epochs).await,
            None => self.no_state(schema),
        }
    }

    /// The state of no row.
    fn no_state(&self, schema: &SchemaRef) -> Result<FullDiff, PipelineError> {
        let fields = bronze::payload(schema).into_iter();
        let payload: Vec<String> = fields.map(|field| field.name().clone()).collect();
        FullDiff::new(schema, &self.feed.key, &payload).map_err(|error| self.no_key(error))
    }

    /// The state that a version of the table holds, without loads that this one takes the place of.
    async fn state_at(
        &self,
        load: &Load,
        schema: &SchemaRef,
        head: &Head,
        epochs: &Epochs,
    ) -> Result<FullDiff, PipelineError> {
        let mut state = self.no_state(schema)?;
        let before = Reading {
            left_out_loads: self.replaced_by(load, epochs),
            ..Reading::default()
        };
        let mut stream = self.bronze_rows(head).await?;
        while let Some(batch) = stream
            .try_next()
            .await
            .map_err(karat_exact::ExactError::from)?
        {
            let loads = batch
                .column_by_name("_epoch")
                .and_then(|column| column.as_any().downcast_ref::<Int64Array>())
                .ok_or_else(|| PipelineError::Internal("bronze has no `_epoch`".to_owned()))?;
            let batch =
                filter_record_batch(&batch, &before.loads_read(loads)).map_err(arrow_error)?;
            state.remember(&batch).map_err(arrow_error)?;
        }
        Ok(state)
    }

    async fn land(
        &self,
        intent: &Intent,
        load: &Load,
        schema: &SchemaRef,
        head: Option<&Head>,
        epochs: &Epochs,
    ) -> Result<Landed, PipelineError> {
        let payload: Vec<String> = bronze::payload(schema)
            .iter()
            .map(|field| field.name().clone())
            .collect();
        let keyed_full = self.spec.mode == Mode::Full && !self.feed.key.is_empty();
        let cursor = self.spec.mode == Mode::Incremental && load.objects.is_empty();
        let mut diff = None;
        let mut window = None;
        if keyed_full {
            diff = Some(self.state_before(load, schema, head, epochs).await?);
        } else if cursor {
            window = Some(self.window(&payload, head, epochs).await?);
        }
        let rows_before = match &diff {
            Some(diff) => diff.keys_before(),
            None if self.spec.mode == Mode::Full => self.rows_of_load_before(load, head, epochs),
            None => 0,
        };

        failpoint::hit("files.before");
        let (sender, receiver) = sync_channel::<SourceBatch>(4);
        let reading = {
            let source = self.source.clone();
            let spec = self.spec.clone();
            let load = load.clone();
            tokio::task::spawn_blocking(move || {
                source.read(&spec, &load, &mut |batch| {
                    sender.send(batch).map_err(|_| "the writer stopped".into())
                })
            })
        };
        let table = self.site.lake.table(&self.feed.bronze.folder());
        let layout = Layout::default();
        let writer = table.writer(&schema, layout, intent.epoch, 0, read::BRONZE_EXCLUDED)?;
        let landing = Landing {
            table: self.feed.bronze.to_string(),
            schema: schema.clone(),
            rename: self.feed.rename.clone(),
            keys: self.feed.key.clone(),
            provenance: Provenance {
                epoch: intent.epoch,
                run: intent.run.clone(),
                loaded_at_us: intent.to["logical_time_us"]
                    .as_i64()
                    .unwrap_or(self.site.context.logical_time_us),
            },
            deliveries: load
                .objects
                .iter()
                .map(|object| i64::from(object.delivery))
                .collect(),
            object: load.objects.first().map(|object| object.path.clone()),
            sizes: load.objects.iter().map(|object| object.size).collect(),
            fingerprinted: self.spec.mode == Mode::Full && !keyed_full && load.objects.is_empty(),
            max_delete: self.max_delete(),
            mark: load.mark.clone(),
            rows_before,
        };
        let progress = self.site.context.progress.clone();
        let writing = tokio::task::spawn_blocking(move || {
            landing.write(receiver, writer, diff, window, &|rows, percent, table| {
                progress.event(&Event::Advanced {
                    table: table.to_owned(),
                    rows,
                    percent,
                });
            })
        });
        let written = writing.await.map_err(joined)?;
        let count = reading.await.map_err(joined)?;
        let (files, mut landed) = match (written, count) {
            // What the writer says of rows that are not all there misleads; only if it stopped first does it say why.
            (Err(_), Err(error)) if error.kind() != karat_source::ErrorKind::Sink => {
                return Err(error.into());
            }
            (Ok((writer, landed)), Ok(count)) => {
                let files = writer.finish()?;
                (files, Landed { count, ..landed })
            }
            (Ok((writer, _)), Err(error)) => {
                writer.abort();
                return Err(error.into());
            }
            (Err(error), _) => return Err(error),
        };
        failpoint::hit("files.after");
        landed.files = files;
        Ok(landed)
    }

    /// Committed loads that a load takes the place of: those of its own order mark, and those that another has replaced (B4).
    fn replaced_by(&self, load: &Load, epochs: &Epochs) -> BTreeSet<i64> {
        let mut replaced = crate::deliveries::superseded_loads(epochs, epochs.committed());
        if !load.objects.is_empty() {
            replaced.extend(epochs.done().filter_map(|intent| {
                let mark = intent.to["mark"].as_str()?;
                (load.mark.as_deref() == Some(mark)).then_some(intent.epoch)
            }));
        }
        replaced
    }

    /// Rows of the newest load that this one does not replace.
    fn rows_of_load_before(&self, load: &Load, head: Option<&Head>, epochs: &Epochs) -> u64 {
        let replaced = self.replaced_by(load, epochs);
        let before = epochs
            .done()
            .map(|intent| intent.epoch)
            .rfind(|epoch| !replaced.contains(epoch));
        head.map_or(0, |head| {
            head.snapshot
                .files
                .iter()
                .filter(|file| Some(read::written(&file.path).0) == before)
                .map(|file| file.rows)
                .sum()
        })
    }

    async fn bronze_rows(&self, head: &Head) -> Result<karat_exact::BatchStream, PipelineError> {
        let files = read::of_loads(&head.snapshot);
        prove_list(self.site, self.table, head)?;
        prove(self.site, self.table, files.iter().copied()).await?;
        let set = read::file_set(self.table, &head.snapshot, files, None);
        let rows = read::scan(self.site, &set, "load.known").await?;
        // The source is compared with what it said: a repair is no word of it.
        let received = rows.map(|batch| {
            let batch = batch.map_err(karat_exact::ExactError::from)?;
            crate::repairs::received(batch)
                .map_err(|error| karat_exact::ExactError::Internal(error.to_string()))
        });
        Ok(karat_exact::batch_stream(set.schema.clone(), received))
    }

    fn no_key(&self, error: arrow::error::ArrowError) -> PipelineError {
        PipelineError::Refused {
            what: format!("cannot load `{}` by its key: {error}", self.feed.bronze),
            hint: "name columns of the source in `key`, folded to lower case".to_owned(),
        }
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "one call site; each is a different fact of the load"
    )]
    async fn publish_load(
        &self,
        intent: &Intent,
        intent_digest: Digest,
        load: &Load,
        schema: SchemaRef,
        base: Option<Head>,
        landed: Landed,
        share: Terms,
    ) -> Result<Published, PipelineError> {
        let before = match base.as_ref().and_then(|head| head.receipt) {
            Some(digest) => Some(read_receipt(self.site, digest)?),
            None => None,
        };
        let mut receipt = crate::step::receipt_base(
            self.site,
            &self.feed.bronze,
            Kind::Load,
            intent.epoch,
            self.code()?,
        );
        receipt.intent = Some(intent_digest);
        receipt.objects = load
            .objects
            .iter()
            .map(|object| ObjectRef {
                path: object.path.clone(),
                size: object.size,
                sha256: object.sha256.clone(),
                delivery: i64::from(object.delivery),
            })
            .collect();
        receipt.accounting = before.map_or_else(
            || share.clone(),
            |before| accounting::add(&before.accounting, &share),
        );
        receipt.accounting_run = share;
        receipt.bytes_read = landed.count.bytes;
        if let Some(fingerprint) = &landed.load_fingerprint {
            receipt
                .parameters
                .insert("load_fingerprint".to_owned(), fingerprint.clone());
        }
        let operation = if base.is_some() { "APPEND" } else { "CREATE" };
        publish(
            self.site,
            self.table,
            Change {
                base,
                schema,
                added: landed.files,
                removed: Vec::new(),
                app: layout::app(&self.feed.bronze),
                operation,
                receipt,
                excluded: read::BRONZE_EXCLUDED,
            },
        )
        .await
    }
}

/// The writing half of a load: runs on its own thread, fed by the reading half.
struct Landing {
    table: String,
    schema: SchemaRef,
    rename: BTreeMap<String, String>,
    keys: Vec<String>,
    provenance: Provenance,
    deliveries: Vec<i64>,
    /// The first object, of files.
    object: Option<String>,
    sizes: Vec<u64>,
    fingerprinted: bool,
    max_delete: Option<Ratio>,
    mark: Option<String>,
    /// Of a full load: keys of the state before, or rows of the load before.
    rows_before: u64,
}

impl Landing {
    fn write(
        self,
        batches: std::sync::mpsc::Receiver<SourceBatch>,
        mut writer: CanonicalWriter,
        mut diff: Option<FullDiff>,
        mut window: Option<Window>,
        progress: &dyn Fn(u64, u8, &str),
    ) -> Result<(CanonicalWriter, Landed), PipelineError> {
        let mut landed = Landed {
            files: Vec::new(),
            count: ReadCount::default(),
            kept: 0,
            unchanged: 0,
            widened: 0,
            repeated: 0,
            deleted: 0,
            changes_a_key: None,
            load_fingerprint: None,
        };
        let mut content = if self.fingerprinted {
            let mut excluded: Vec<&str> = bronze::OWN.to_vec();
            excluded.retain(|name| *name != "_rescued");
            Some(karat_exact::fingerprint::Fingerprinter::new(
                &self.schema,
                &excluded,
            )?)
        } else {
            None
        };
        let total: u64 = self.sizes.iter().sum();
        let mut rows_read = 0;
        for source_batch in batches {
            let arrived = failpoint::rows("load.read", source_batch.batch);
            rows_read += arrived.num_rows() as u64;
            let delivery = source_batch
                .object
                .and_then(|object| self.deliveries.get(object))
                .copied()
                .unwrap_or(1);
            let batch = bronze::complete(
                &arrived,
                &self.schema,
                &self.rename,
                delivery,
                &self.provenance,
            )
            .map_err(arrow_error)?;
            let read = batch.num_rows() as u64;
            let mut batch = failpoint::rows("load.completed", batch);
            if let Some(content) = &mut content {
                content.update(&batch)?;
            }
            if let Some(diff) = &mut diff {
                batch = diff.changes(&batch).map_err(arrow_error)?;
            } else if let Some(window) = &mut window {
                let news = window.news(&batch).map_err(arrow_error)?;
                landed.unchanged += (batch.num_rows() - news.num_rows()) as u64;
                landed.widened += window.widened(&news).map_err(arrow_error)?;
                batch = news;
            }
            let batch = failpoint::rows("load.changed", batch);
            landed.kept += batch.num_rows() as u64;
            writer.write(&batch)?;
            let done: u64 = source_batch
                .object
                .map_or(0, |object| self.sizes.iter().take(object).sum());
            let percent = (done * 100).checked_div(total).unwrap_or(0) as u8;
            progress(read, percent, &self.table);
        }
        if let Some(diff) = &mut diff {
            landed.unchanged = diff.counts().unchanged;
            landed.repeated = diff.counts().repeated;
            let gone = diff.deletes(&self.schema).map_err(arrow_error)?;
            landed.deleted = gone.num_rows() as u64;
            let is_new = diff.counts().new_in_the_end > 0;
            landed.changes_a_key = Some(is_new || landed.deleted > 0);
            if let Err(error) = self.check_deletes(rows_read, diff.fewer()) {
                writer.abort();
                return Err(error);
            }
            if gone.num_rows() > 0 {
                let gone = failpoint::rows("load.deleted", self.deleted_rows(&gone)?);
                let what = "rows that the load no longer has, and marks of it";
                accounting::same(&self.table, landed.deleted, gone.num_rows() as u64, what)?;
                writer.write(&gone)?;
            }
        }
        if diff.is_none()
            && let Err(error) =
                self.check_deletes(rows_read, self.rows_before.saturating_sub(rows_read))
        {
            writer.abort();
            return Err(error);
        }
        landed.load_fingerprint = content.map(|content| content.finish().to_string());
        Ok((writer, landed))
    }

    fn check_deletes(&self, rows_read: u64, deleted: u64) -> Result<(), PipelineError> {
        check_deletes(
            &self.table,
            self.object.as_deref(),
            self.max_delete,
            rows_read,
            deleted,
            self.rows_before,
        )
    }

    /// Rows with `_op` D for keys that a full load no longer has; their `_seq` is the load's mark, of a live source its epoch, then the
    /// key.
    fn deleted_rows(&self, keys: &RecordBatch) -> Result<RecordBatch, PipelineError> {
        let rows = keys.num_rows();
        let mark = self.mark.clone().unwrap_or_default();
        let mut fields: Vec<arrow::datatypes::Field> = keys
            .schema()
            .fields()
            .iter()
            .map(|field| field.as_ref().clone())
            .collect();
        let mut columns = keys.columns().to_vec();
        let key_names: Vec<&str> = self.keys.iter().map(String::as_str).collect();
        let encoded = crate::scd::rows_of(keys, &key_names).map_err(arrow_error)?;
        let seq: arrow::array::BinaryArray = (0..rows)
            .map(|row| {
                let mut value = mark.clone().into_bytes();
                value.push(0);
                if self.deliveries.is_empty() {
                    value.extend(karat_source::epoch_bytes(self.provenance.epoch));
                }
                // After every row number of the load: a delete is the last word of its load.
                value.push(0xff);
                value.extend_from_slice(encoded.row(row).as_ref());
                Some(value)
            })
            .collect();
        fields.push(arrow::datatypes::Field::new("_seq", DataType::Binary, true));
        columns.push(Arc::new(seq));
        fields.push(arrow::datatypes::Field::new("_op", DataType::Utf8, true));
        columns.push(Arc::new(StringArray::from(vec!["D"; rows])));
        let batch = RecordBatch::try_new(Arc::new(arrow::datatypes::Schema::new(fields)), columns)
            .map_err(arrow_error)?;
        let completed =
            bronze::complete(&batch, &self.schema, &BTreeMap::new(), 1, &self.provenance)
                .map_err(arrow_error)?;
        debug_assert_eq!(
            completed
                .column_by_name("_delivery")
                .map(|c| c.data_type().clone()),
            Some(Int64Array::from(vec![1]).data_type().clone())
        );
        Ok(completed)
    }
}

/// B6: an empty load after one that was not, or one that deletes too much, needs a person's word.
fn check_deletes(
    table: &str,
    object: Option<&str>,
    max_delete: Option<Ratio>,
    rows_read: u64,
    deleted: u64,
    rows_before: u64,
) -> Result<(), PipelineError> {
    let Some(max_delete) = max_delete else {
        return Ok(());
    };
    let too_many = max_delete.is_exceeded_by(deleted, rows_before);
    if rows_before > 0 && (rows_read == 0 || too_many) {
        return Err(PipelineError::Deletes {
            table: table.to_owned(),
            object: object.map(str::to_owned),
            deleted,
            before: rows_before,
        });
    }
    Ok(())
}

fn schema_before(head: Option<&Head>) -> Option<SchemaRef> {
    head.map(|head| head.snapshot.schema.clone())
}

/// The load that an intent set out to make.
fn load_of(intent: &Intent) -> Load {
    if let Value::Object(range) = &intent.to[RANGE] {
        return Load {
            epoch: Some(intent.epoch),
            ..load_of_range(&range["from"], &range["to"])
        };
    }
    Load {
        objects: intent.objects.iter().map(object_of).collect(),
        from: intent.from["position"].clone(),
        to: intent.to["position"].clone(),
        header: None,
        mark: intent.to["mark"].as_str().map(str::to_owned),
        epoch: Some(intent.epoch),
    }
}

fn intent_object(object: &Object) -> IntentObject {
    IntentObject {
        path: object.path.clone(),
        size: object.size,
        mtime_ns: object.mtime_ns,
        sha256: object.sha256.clone(),
        delivery: i64::from(object.delivery),
        duplicate_of: object.duplicate_of.clone(),
        broken: object.broken.clone(),
        mark: object.mark.clone(),
    }
}

fn object_of(object: &IntentObject) -> Object {
    Object {
        path: object.path.clone(),
        size: object.size,
        mtime_ns: object.mtime_ns,
        sha256: object.sha256.clone(),
        delivery: u32::try_from(object.delivery).unwrap_or(u32::MAX),
        duplicate_of: object.duplicate_of.clone(),
        broken: object.broken.clone(),
        mark: object.mark.clone(),
    }
}

fn cannot_give_again(error: &karat_source::SourceError) -> bool {
    use karat_source::ErrorKind as Kind;
    matches!(error.kind(), Kind::Changed | Kind::NotFound | Kind::Broken)
}

pub(crate) fn arrow_error(error: arrow::error::ArrowError) -> PipelineError {
    PipelineError::Internal(error.to_string())
}

pub(crate) fn joined(error: tokio::task::JoinError) -> PipelineError {
    PipelineError::Internal(format!("a task ended early: {error}"))
}
