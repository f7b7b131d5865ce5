//! What an undo of a run would take back, and why it cannot: decided from the logs and receipts of the lake, before anything is written.

use std::collections::BTreeMap;

use karat_lake::CommitRecord;
use karat_project::{Layer, TableName};
use karat_receipt::{Kind, Receipt, Undo, UndoneTable};

use crate::at_work;
use crate::closing;
use crate::context::Site;
use crate::epochs::Epochs;
use crate::error::PipelineError;
use crate::layout;
use crate::publish::{brought_back, head, read_receipt};
use crate::undo::{documents, how_to_finish, is_finished, writer_of};

/// What an undo would do.
#[derive(Debug)]
pub struct UndoPlan {
    /// The run.
    pub run: String,
    /// Every table that it wrote, in the order in which they are taken back.
    pub tables: Vec<PlannedUndo>,
}

/// What an undo would do to one table.
#[derive(Debug)]
pub struct PlannedUndo {
    /// The table.
    pub table: TableName,
    /// Its newest version.
    pub version: i64,
    /// The version whose files it would have again; none where the run made the first.
    pub back_to: Option<i64>,
    /// Its rows.
    pub rows: u64,
    /// Its rows then.
    pub rows_then: u64,
    /// Objects that the run loaded, and that would be held.
    pub held: Vec<String>,
    pub(crate) entry: UndoneTable,
}

/// The versions of one table that the run made, and what was before.
struct Written {
    newest: i64,
    versions: Vec<i64>,
    back_to: Option<i64>,
}

/// Plans the undo of a run; refuses what cannot be taken back, by name.
pub fn plan(site: &Site, run: &str) -> Result<UndoPlan, PipelineError> {
    for undo in documents(site)? {
        if undo.run == run {
            return Err(match is_finished(site, &undo)? {
                true => undone_already(&undo),
                false => refused(
                    format!(
                        "the undo of run {run} is not finished: run {} began it ({})",
                        undo.by, undo.reason
                    ),
                    how_to_finish(run),
                ),
            });
        }
        if undo.by == run {
            return Err(refused(
                format!(
                    "run {run} took run {} back: an undo is not undone",
                    undo.run
                ),
                "to have again what that run loaded: `karat position reset SOURCE.FEED`, then `karat run`",
            ));
        }
    }
    if at_work::is_at_work(site, run)? {
        return Err(refused(
            format!("run {run} is not finished: it is at work"),
            "wait for its end, or stop it and type `karat run`, which settles what it left",
        ));
    }
    let mut histories = BTreeMap::new();
    for folder in site.lake.tables()? {
        let schema = format!("{}_{}", folder.domain, folder.layer);
        let Some(name) = TableName::from_parts(&schema, &folder.table) else {
            continue;
        };
        let records = site.lake.table(&folder.dir()).history(None)?;
        histories.insert(name.clone(), History::of(site, name, records));
    }
    let mut written = BTreeMap::new();
    for (name, history) in &histories {
        if let Some(of_run) = history.written_by(run)? {
            written.insert(name.clone(), of_run);
        }
    }
    if written.is_empty() {
        return Err(refused(
            format!("no version in the lake is of a run `{run}`: there is nothing to take back"),
            "`karat receipt list` shows which run made what",
        ));
    }
    if !is_listed(site, run)? {
        return Err(refused(
            format!("run {run} is not finished: it was killed, and no manifest lists what it made"),
            "`karat run` settles what it left; then take it back",
        ));
    }
    for (name, history) in &histories {
        if !written.contains_key(name) {
            check_apart(name, history, &histories, &written)?;
        }
    }
    with_silver(&histories, &mut written)?;
    let mut tables = Vec::with_capacity(written.len());
    for (name, of_run) in &written {
        tables.push(planned(site, run, name, of_run, &histories, &written)?);
    }
    check_open(site, run, &tables)?;
    tables.sort_by_key(|one| (place(one.table.layer), one.table.clone()));
    Ok(UndoPlan {
        run: run.to_owned(),
        tables,
    })
}

/// That no business day was closed with what the run made of silver and gold: such rows change with a run that says why (A8).
fn check_open(site: &Site, run: &str, tables: &[PlannedUndo]) -> Result<(), PipelineError> {
    let Some(tag) = closing::last(site)? else {
        return Ok(());
    };
    let is_closed = |one: &&PlannedUndo| {
        let tagged = tag.tables.get(&one.entry.table);
        matches!(one.table.layer, Layer::Silver | Layer::Gold)
            && tagged.is_some_and(|tagged| Some(tagged.version) > one.entry.back_to)
    };
    match tables.iter().find(is_closed) {
        None => Ok(()),
        Some(one) => Err(refused(
            format!(
                "business days up to {} were closed with what run {run} made of `{}`",
                tag.business_date, one.table
            ),
            "correct the rows where they come from, and let `karat run --restate REASON` change the closed days",
        )),
    }
}

/// What is read comes before what reads it; quarantine before silver, as where a run writes them.
fn place(layer: Layer) -> u8 {
    match layer {
        Layer::Bronze => 0,
        Layer::Quarantine => 1,
        Layer::Silver => 2,
        Layer::Gold => 3,
    }
}

pub(crate) fn refused(what: impl Into<String>, hint: impl Into<String>) -> PipelineError {
    PipelineError::Refused {
        what: what.into(),
        hint: hint.into(),
    }
}

pub(crate) fn undone_already(undo: &Undo) -> PipelineError {
    refused(
        format!(
            "run {} is undone already: run {} took it back ({})",
            undo.run, undo.by, undo.reason
        ),
        "to have again what it loaded: `karat position reset SOURCE.FEED`, then `karat run`",
    )
}

/// Whether a manifest is a run's.
fn is_listed(site: &Site, run: &str) -> Result<bool, PipelineError> {
    Ok(site.lake.get(&layout::manifest(run))?.is_some())
}

/// The log of one table, where undos lead back.
struct History<'s> {
    site: &'s Site,
    name: TableName,
    records: BTreeMap<i64, CommitRecord>,
}

impl<'s> History<'s> {
    fn of(site: &'s Site, name: TableName, records: Vec<CommitRecord>) -> Self {
        let records = records.into_iter();
        Self {
            site,
            name,
            records: records.map(|record| (record.version, record)).collect(),
        }
    }

    fn newest(&self) -> Option<i64> {
        self.records.keys().next_back().copied()
    }

    fn run(&self, version: i64) -> Option<&str> {
        self.records.get(&version)?.run.as_deref()
    }

    fn receipt(&self, version: i64) -> Result<Option<Receipt>, PipelineError> {
        let receipt = self.records.get(&version).and_then(|record| {
            let digest = record.receipt.as_deref()?;
            digest.parse().ok()
        });
        receipt
            .map(|digest| read_receipt(self.site, digest))
            .transpose()
    }

    /// The version whose files a version has: its own, or the one that an undo brought back; None if the table was taken back as a whole.
    fn content(&self, version: i64) -> Result<Option<i64>, PipelineError> {
        let mut at = version;
        while let Some(receipt) = self.receipt(at)? {
            if receipt.kind != Kind::Undo {
                break;
            }
            match brought_back(&receipt) {
                Some((before, _)) if before < at => at = before,
                _ => return Ok(None),
            }
        }
        Ok(Some(at))
    }

    /// The version that stood before one.
    fn before(&self, version: i64) -> Result<Option<i64>, PipelineError> {
        match self.records.contains_key(&(version - 1)) {
            true => self.content(version - 1),
            false if version == 0 => Ok(None),
            false => Err(refused(
                format!(
                    "the log of `{}` before version {version} is gone: what was there cannot be brought back",
                    self.name
                ),
                "restore it from a backup of the lake",
            )),
        }
    }

    /// The versions of a run; refused if something stands on them.
    fn written_by(&self, run: &str) -> Result<Option<Written>, PipelineError> {
        let of_run = |version: i64| self.run(version) == Some(run);
        if !self.records.keys().any(|version| of_run(*version)) {
            return Ok(None);
        }
        let Some(newest) = self.newest() else {
            return Ok(None);
        };
        let mut above = None;
        let mut at = self.content(newest)?;
        while let Some(version) = at.filter(|version| !of_run(*version)) {
            above = Some(version);
            at = self.before(version)?;
        }
        let Some(first) = at else {
            return Ok(None);
        };
        if let Some(above) = above {
            return Err(self.built_on(above, run));
        }
        let mut versions = Vec::new();
        let mut next = Some(first);
        while let Some(version) = next.filter(|version| of_run(*version)) {
            if let Some(receipt) = self.receipt(version)?
                && receipt.kind == Kind::Adopt
            {
                return Err(refused(
                    format!(
                        "run {run} adopted what another writer had committed to `{}`: that is not the run's to take back",
                        self.name
                    ),
                    "correct the rows at their source, or let the model be computed again",
                ));
            }
            versions.push(version);
            next = self.before(version)?;
        }
        if let Some(version) = next
            && self
                .receipt(version)?
                .is_none_or(|receipt| receipt.kind == Kind::Adopt)
        {
            return Err(refused(
                format!(
                    "version {version} of `{}`, which was before run {run}, holds what another writer committed: no code makes it",
                    self.name
                ),
                "correct the rows at their source, and run again",
            ));
        }
        Ok(Some(Written {
            newest,
            versions,
            back_to: next,
        }))
    }

    /// The refusal of an undo of what this version stands on.
    fn built_on(&self, version: i64, run: &str) -> PipelineError {
        let name = &self.name;
        match self.run(version) {
            Some(later) => refused(
                format!(
                    "run {run} cannot be undone: run {later} built version {version} of `{name}` on it"
                ),
                format!("take that one back first: `karat undo {later} --reason TEXT`"),
            ),
            None => refused(
                format!(
                    "run {run} cannot be undone: another writer committed version {version} of `{name}` on it"
                ),
                "look at what it wrote, and correct the rows at their source",
            ),
        }
    }
}

/// That a table which the run did not write was not made from what it wrote.
fn check_apart(
    name: &TableName,
    history: &History<'_>,
    histories: &BTreeMap<TableName, History<'_>>,
    written: &BTreeMap<TableName, Written>,
) -> Result<(), PipelineError> {
    let Some(newest) = history.newest() else {
        return Ok(());
    };
    let Some(receipt) = history.receipt(newest)? else {
        return Ok(());
    };
    // An adoption lists versions of its own table.
    for input in receipt
        .inputs
        .iter()
        .filter(|_| receipt.kind != Kind::Adopt)
    {
        let Some(table) = input.table.parse::<TableName>().ok() else {
            continue;
        };
        let (Some(of_run), Some(log)) = (written.get(&table), histories.get(&table)) else {
            continue;
        };
        let Some(read) = log.content(input.version)? else {
            continue;
        };
        if of_run.versions.contains(&read) {
            let version = history.content(newest)?.unwrap_or(newest);
            let later = history.run(version).unwrap_or_default();
            return Err(refused(
                format!(
                    "what was written to `{table}` cannot be undone: run {later} made version {version} of `{name}` from it"
                ),
                format!("take that one back first: `karat undo {later} --reason TEXT`"),
            ));
        }
    }
    Ok(())
}

/// The silver table of a quarantine that the run wrote without it: their writer has one epoch.
fn with_silver(
    histories: &BTreeMap<TableName, History<'_>>,
    written: &mut BTreeMap<TableName, Written>,
) -> Result<(), PipelineError> {
    let quarantines: Vec<TableName> = written
        .keys()
        .filter(|table| table.layer == Layer::Quarantine)
        .cloned()
        .collect();
    for quarantine in quarantines {
        let silver = writer_of(&quarantine);
        if written.contains_key(&silver) {
            continue;
        }
        let Some(history) = histories.get(&silver) else {
            return Err(refused(
                format!("`{silver}` has no version, and the run wrote its quarantine"),
                "`karat run` makes it; then take back that run",
            ));
        };
        if let Some(newest) = history.newest() {
            let as_it_is = Written {
                newest,
                versions: Vec::new(),
                back_to: history.content(newest)?,
            };
            written.insert(silver, as_it_is);
        }
    }
    Ok(())
}

fn planned(
    site: &Site,
    run: &str,
    name: &TableName,
    of_run: &Written,
    histories: &BTreeMap<TableName, History<'_>>,
    written: &BTreeMap<TableName, Written>,
) -> Result<PlannedUndo, PipelineError> {
    let writer = writer_of(name);
    let of_writer = head(&site.lake.table(&writer.folder()))?;
    let snapshot = of_writer.as_ref().map(|head| &head.snapshot);
    let epochs = Epochs::read(&site.lake, &writer, snapshot)?;
    if name.layer == Layer::Bronze {
        epochs.check_whole(name)?;
        if let Some(open) = epochs.unsettled() {
            return Err(refused(
                format!(
                    "run {run} cannot be undone: load {} of `{name}` is still open, left by run {}",
                    open.epoch, open.run
                ),
                "`karat run` settles it",
            ));
        }
    }
    let (mut undoes, mut repairs) = (Vec::new(), Vec::new());
    if *name == writer {
        let (app, repair_app) = (layout::app(name), layout::repair_app(name));
        for version in &of_run.versions {
            let record = histories.get(name).and_then(|log| log.records.get(version));
            let apps = record.map(|record| &record.app_versions);
            undoes.extend(apps.and_then(|apps| apps.get(&app)));
            repairs.extend(apps.and_then(|apps| apps.get(&repair_app)));
        }
        undoes.extend(epochs.closed_of(run));
        undoes.retain(|epoch| !epochs.is_undone(*epoch));
        undoes.sort_unstable();
        undoes.dedup();
        repairs.sort_unstable();
    }
    debug_assert!(written.contains_key(&writer));
    let table = site.lake.table(&name.folder());
    let rows_at = |version: Option<i64>| -> Result<u64, PipelineError> {
        let snapshot = match version {
            Some(version) => table.load_at(version)?,
            None => None,
        };
        Ok(snapshot.map_or(0, |snapshot| snapshot.rows()))
    };
    let mut held = Vec::new();
    for epoch in &undoes {
        let intent = epochs.intent(*epoch).into_iter();
        let objects = intent.flat_map(|intent| &intent.objects);
        let whole = objects.filter(|object| object.broken.is_none());
        held.extend(whole.map(|object| object.path.clone()));
    }
    held.sort();
    held.dedup();
    Ok(PlannedUndo {
        table: name.clone(),
        version: of_run.newest,
        back_to: of_run.back_to,
        rows: rows_at(Some(of_run.newest))?,
        rows_then: rows_at(of_run.back_to)?,
        held,
        entry: UndoneTable {
            table: name.to_string(),
            base: of_run.newest,
            back_to: of_run.back_to,
            epoch: epochs.next(),
            undoes,
            repairs,
        },
    })
}
