//! A run: feeds and models in the order of their graph, side by side where nothing is in the way; one failure stops only what
//! depends on it (H1).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use karat_project::{Feed, Graph, Layer, Model, ModelKind, Project, TableName};
use karat_receipt::Digest;
use karat_source::{FeedSpec, Source};
use tokio::task::JoinSet;

use crate::at_work;
use crate::context::{Event, Site};
use crate::damage;
use crate::error::PipelineError;
use crate::expected;
use crate::gold::GoldStep;
use crate::ingest::{self, ColumnsRead, joined};
use crate::manifest::{self, Ending};
use crate::publish::{head, is_taken_back};
use crate::silver::SilverStep;
use crate::step::{StepReport, StepStatus};
use crate::undo;

/// Opens the sources that feeds name.
pub trait Sources: Send + Sync {
    /// The source of this name, opened once.
    fn open(&self, name: &str) -> Result<Arc<dyn Source>, PipelineError>;
    /// What the source must know of a feed.
    fn spec(&self, feed: &Feed) -> FeedSpec;
}

/// What a run came to.
#[derive(Debug)]
pub struct RunReport {
    /// Steps in the order of the graph.
    pub steps: Vec<StepReport>,
    /// Head of the newest manifest.
    pub head: Option<Digest>,
}

impl RunReport {
    /// Exit code: of several, 2, 4, 5, 3, 1 in this precedence (H1).
    pub fn exit_code(&self) -> u8 {
        let needs_a_person = |step: &StepReport| !step.broken.is_empty() || step.found_nothing;
        crate::error::exit_code_of(
            self.steps.iter().filter_map(|step| step.error.as_ref()),
            self.steps.iter().any(needs_a_person),
        )
    }

    /// What the run's manifest says of it.
    fn ending(&self) -> Ending {
        let failed =
            |step: &StepReport| matches!(step.status, StepStatus::Failed | StepStatus::Skipped);
        match self.made_versions() {
            false => Ending::Nothing,
            true if self.steps.iter().any(failed) => Ending::Partly,
            true => Ending::Whole,
        }
    }

    /// Whether any step made a version; one that failed may have made some before.
    pub fn made_versions(&self) -> bool {
        self.steps.iter().any(StepReport::made_a_version)
    }
}

/// One thing to do.
enum Work<'p> {
    Load,
    Model(&'p Model),
}

/// Runs what is selected: all if `selected` is None.
pub async fn run(
    site: Arc<Site>,
    sources: Arc<dyn Sources>,
    selected: Option<&BTreeSet<TableName>>,
) -> Result<RunReport, PipelineError> {
    let project = &site.project;
    let work = work(project, selected);
    let order: Vec<TableName> = work.iter().map(|(table, _)| table.clone()).collect();
    let _mark = at_work::begin(&site, &order)?;
    undo::finish_open(&site, &order).await?;
    let mut waiting: BTreeMap<TableName, BTreeSet<TableName>> = BTreeMap::new();
    for (table, item) in &work {
        let inputs: BTreeSet<TableName> = match item {
            Work::Load => BTreeSet::new(),
            // What only its checks read is made before it, too.
            Work::Model(model) => model
                .comes_after()
                .into_iter()
                .filter(|input| order.contains(input))
                .cloned()
                .collect(),
        };
        waiting.insert(table.clone(), inputs);
    }
    let reads = columns_read(project);
    let recorded = Arc::new(manifest::versions(&site.lake)?);
    let selected_tables: Arc<BTreeSet<TableName>> = Arc::new(order.iter().cloned().collect());
    let mut finished: BTreeMap<TableName, StepReport> = BTreeMap::new();
    let mut running: JoinSet<(TableName, StepReport)> = JoinSet::new();
    loop {
        while running.len() < site.context.parallel_steps.max(1) {
            let Some(table) = order
                .iter()
                .find(|table| waiting.get(*table).is_some_and(BTreeSet::is_empty))
                .cloned()
            else {
                break;
            };
            waiting.remove(&table);
            spawn(
                &mut running,
                site.clone(),
                sources.clone(),
                table.clone(),
                Known {
                    reads: reads.get(&table).cloned().unwrap_or_default(),
                    outside: inputs_outside(project, &table, |input| order.contains(input)),
                    selected: selected_tables.clone(),
                    recorded: recorded.clone(),
                },
            );
        }
        let Some(done) = running.join_next().await else {
            break;
        };
        let (table, report) = done.map_err(joined)?;
        let failed = matches!(report.status, StepStatus::Failed | StepStatus::Skipped);
        if failed {
            skip_dependants(&table, &mut waiting, &mut finished);
        }
        for inputs in waiting.values_mut() {
            inputs.remove(&table);
        }
        finished.insert(table, report);
    }
    let steps: Vec<StepReport> = order
        .iter()
        .filter_map(|table| finished.remove(table))
        .collect();
    let mut report = RunReport { steps, head: None };
    report.head = manifest::write(&site, report.ending())?;
    Ok(report)
}

/// What the rest of the project says of one step.
struct Known {
    /// Of a feed: the payload columns that models read.
    reads: ColumnsRead,
    /// Of a model: what it reads and this run does not make.
    outside: Vec<TableName>,
    /// All that this run makes.
    selected: Arc<BTreeSet<TableName>>,
    /// Versions that the newest run recorded.
    recorded: Arc<BTreeMap<String, i64>>,
}

/// What the model of this table reads that is not selected.
pub(crate) fn inputs_outside(
    project: &Project,
    table: &TableName,
    is_selected: impl Fn(&TableName) -> bool,
) -> Vec<TableName> {
    let inputs = project.model(table).map(|model| model.inputs.iter());
    let outside = inputs.into_iter().flatten();
    outside
        .filter(|input| !is_selected(input))
        .cloned()
        .collect()
}

/// That all of these have a version: what is selected without them would wait for ever, and never be current (H1).
pub(crate) fn check_made(
    site: &Site,
    table: &TableName,
    outside: &[TableName],
) -> Result<(), PipelineError> {
    for input in outside {
        let made = match head(&site.lake.table(&input.folder()))? {
            Some(head) => !is_taken_back(site, &head)?,
            None => false,
        };
        if !made {
            return Err(PipelineError::NotMade {
                table: table.to_string(),
                input: input.to_string(),
            });
        }
    }
    Ok(())
}

/// Feeds first, then models in the order of the graph.
fn work<'p>(
    project: &'p Project,
    selected: Option<&BTreeSet<TableName>>,
) -> Vec<(TableName, Work<'p>)> {
    let wanted = |table: &TableName| selected.is_none_or(|selected| selected.contains(table));
    let mut work: Vec<(TableName, Work<'p>)> = project
        .feeds()
        .filter(|feed| wanted(&feed.bronze))
        .map(|feed| (feed.bronze.clone(), Work::Load))
        .collect();
    for table in Graph::of(project).order() {
        if let Some(model) = project.model(table)
            && wanted(table)
        {
            work.push((table.clone(), Work::Model(model)));
        }
    }
    work
}

/// Which payload columns of each feed the models read (B8).
pub fn columns_read(project: &Project) -> BTreeMap<TableName, ColumnsRead> {
    let mut reads: BTreeMap<TableName, ColumnsRead> = BTreeMap::new();
    for model in &project.models {
        if let ModelKind::Silver(silver) = &model.kind {
            let columns = silver
                .select
                .iter()
                .flat_map(|column| &column.reads)
                .cloned();
            reads
                .entry(silver.from.clone())
                .or_default()
                .extend(columns);
        }
    }
    reads
}

/// Which payload columns of one feed the models read.
pub fn columns_read_of(project: &Project, bronze: &TableName) -> ColumnsRead {
    let models = project.models.iter();
    let silver = models.filter_map(|model| match &model.kind {
        ModelKind::Silver(silver) if silver.from == *bronze => Some(silver),
        _ => None,
    });
    silver
        .flat_map(|silver| &silver.select)
        .flat_map(|column| column.reads.iter().cloned())
        .collect()
}

fn spawn(
    running: &mut JoinSet<(TableName, StepReport)>,
    site: Arc<Site>,
    sources: Arc<dyn Sources>,
    table: TableName,
    known: Known,
) {
    running.spawn(async move {
        let name = table.to_string();
        site.context.progress.event(&Event::Started {
            table: name.clone(),
            bytes: 0,
        });
        let started = Instant::now();
        // A task of its own: should karat panic in it, that is the failure of this step alone.
        let inner = {
            let (site, table) = (site.clone(), table.clone());
            tokio::spawn(async move { step(&site, sources.as_ref(), &table, &known).await })
        };
        let (kind, outcome) = match inner.await {
            Ok(done) => done,
            Err(error) => (kind_of(&table), Err(joined(error))),
        };
        let mut report = match outcome.and_then(has_receipt) {
            Ok(report) => report,
            Err(error) => {
                let mut report = StepReport::new(kind, &name);
                report.status = StepStatus::Failed;
                if let PipelineError::Check { checks, .. } = &error {
                    report.checks.clone_from(checks);
                }
                report.error = Some(error);
                report
            }
        };
        report.seconds = started.elapsed().as_secs_f64();
        site.context.progress.event(&Event::Finished {
            table: name,
            status: report.status.word().to_owned(),
        });
        (table, report)
    });
}

/// A step with nothing to do found its table as karat left it, or else a person must look at what another writer did.
fn has_receipt(report: StepReport) -> Result<StepReport, PipelineError> {
    match report.version {
        Some(version) if report.fingerprint.is_none() => Err(PipelineError::Foreign {
            table: report.table,
            version,
        }),
        _ => Ok(report),
    }
}

async fn step(
    site: &Site,
    sources: &dyn Sources,
    table: &TableName,
    known: &Known,
) -> (&'static str, Result<StepReport, PipelineError>) {
    let mut gone = Vec::new();
    for written in written_by(table) {
        match manifest::check_kept(site, &written, &known.recorded) {
            Ok(true) => {}
            Ok(false) => gone.push(manifest::made_anew(&written)),
            Err(error) => return (kind_of(table), Err(error)),
        }
    }
    if let Some(feed) = site.project.feed(table) {
        let untold = match ingest::untold(site, table, &known.recorded) {
            Ok(untold) => untold,
            Err(error) => return ("load", Err(error)),
        };
        let outcome = match sources.open(&feed.source) {
            Ok(source) => ingest::load(site, feed, &sources.spec(feed), &source, &known.reads)
                .await
                .map_err(|error| damage::named(site, std::slice::from_ref(table), error)),
            Err(error) => Err(error),
        };
        let outcome = outcome.map(|mut report| {
            let told = report.broken.clone();
            let untold = untold.into_iter().filter(|one| !told.contains(one));
            report.broken.extend(untold);
            report
        });
        let outcome = outcome.and_then(|report| as_expected(site, feed, report));
        return ("load", outcome);
    }
    let is_selected = |table: &TableName| known.selected.contains(table);
    let checked = check_made(site, table, &known.outside)
        .and_then(|()| expected::check_before(site, table, &is_selected));
    if let Err(error) = checked {
        return (kind_of(table), Err(error));
    }
    let made = model(site, table).await;
    let made = made.map(|mut report| {
        report.notes.extend(gone);
        report
    });
    (kind_of(table), made)
}

/// The report of a feed's loads, failed if a delivery is overdue: what was loaded stays, and nothing is made of it.
fn as_expected(
    site: &Site,
    feed: &Feed,
    mut report: StepReport,
) -> Result<StepReport, PipelineError> {
    if report.status == StepStatus::Failed {
        return Ok(report);
    }
    let Some(delivery) = expected::of_feed(site, feed)? else {
        return Ok(report);
    };
    report.notes.extend(delivery.awaited());
    if let Some(error) = delivery.failure(&site.project.timezone) {
        if report.status == StepStatus::Unchanged {
            // It made none of it.
            (report.version, report.fingerprint) = (None, None);
        }
        report.status = StepStatus::Failed;
        report.error = Some(error);
    }
    Ok(report)
}

/// Brings the table of one model up to date, by itself: the run's manifest is left to [`run`].
pub async fn model(site: &Site, table: &TableName) -> Result<StepReport, PipelineError> {
    let internal = |what: &str| Err(PipelineError::Internal(format!("`{table}` {what}")));
    let Some(model) = site.project.model(table) else {
        return internal("is no feed and no model");
    };
    let outcome = match &model.kind {
        ModelKind::Silver(silver) => match site.project.feed(&silver.from) {
            Some(feed) => SilverStep::new(site, model, silver, feed).run().await,
            None => internal("reads no feed"),
        },
        ModelKind::Gold(gold) => GoldStep::new(site, model, gold).run().await,
    };
    outcome.map_err(|error| {
        let mut read = model.inputs.clone();
        read.push(table.clone());
        match damage::named(site, &read, error) {
            PipelineError::Exact(source) => PipelineError::Compute {
                table: table.to_string(),
                source,
            },
            other => other,
        }
    })
}

/// The tables that one step writes.
pub(crate) fn written_by(table: &TableName) -> Vec<TableName> {
    match table.layer {
        Layer::Silver => vec![table.clone(), table.quarantine()],
        _ => vec![table.clone()],
    }
}

/// What makes the table: a load, or the model of a layer.
fn kind_of(table: &TableName) -> &'static str {
    match table.layer {
        Layer::Bronze => "load",
        layer => layer.as_str(),
    }
}

/// Everything downstream of a failed step is skipped.
fn skip_dependants(
    failed: &TableName,
    waiting: &mut BTreeMap<TableName, BTreeSet<TableName>>,
    finished: &mut BTreeMap<TableName, StepReport>,
) {
    let dependants: Vec<TableName> = waiting
        .iter()
        .filter(|(_, inputs)| inputs.contains(failed))
        .map(|(table, _)| table.clone())
        .collect();
    for table in dependants {
        waiting.remove(&table);
        let kind = kind_of(&table);
        let mut report = StepReport::new(kind, &table.to_string());
        report.status = StepStatus::Skipped;
        report.notes.push(format!("skipped: `{failed}` failed"));
        finished.insert(table.clone(), report);
        skip_dependants(&table, waiting, finished);
    }
}
