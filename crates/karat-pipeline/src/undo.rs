//! A run taken back: each table that it wrote is committed back to the files that it had before, under one manifest (A2, A10).
//!
//! What is to be done is decided first, in `undo_plan`, and put into the lake as one document; then each table gets an intent that names the
//! epochs which count no more, and a commit. Whoever finds an undo that is not finished finishes it, as the document says. What the run had
//! loaded is held: [`Epochs`] lists it as met, until new content comes or a reset of the position lets it go.

use std::collections::{BTreeMap, BTreeSet};

use karat_lake::{LiveFile, LockGuard, Put, Table, WrittenFile};
use karat_project::{Layer, TableName};
use karat_receipt::{Closed, Digest, Intent, Kind, Outcome, Receipt, Undo, UndoneTable};
use serde_json::{Value, json};

use crate::at_work;
use crate::context::{Event, Site};
use crate::epochs::{self, Epochs, UNDOES};
use crate::error::PipelineError;
use crate::layout;
use crate::manifest::{self, Ending};
use crate::proven::{prove, prove_list};
use crate::publish::{
    Change, Head, UNDONE_RUN, UNDONE_TO, UNDONE_TO_RECEIPT, file_fingerprints, head, head_at,
    publish, read_receipt, sha256_of,
};
use crate::read;
use crate::replay::named;
use crate::step::{check_signature, check_trusted, receipt_base};
use crate::undo_plan::{self, refused};

/// What an undo came to.
#[derive(Debug)]
pub struct Undone {
    /// What was set out to be taken back, by whom and why.
    pub of: Undo,
    /// Tables that are as they were before the run.
    pub tables: Vec<TakenBack>,
    /// Head of the newest manifest.
    pub head: Option<Digest>,
}

/// One table as it was before the run.
#[derive(Debug)]
pub struct TakenBack {
    /// The table.
    pub table: TableName,
    /// Its new version.
    pub version: i64,
    /// The version whose files it has; none where the run had made the first.
    pub back_to: Option<i64>,
    /// Its fingerprint.
    pub fingerprint: String,
}

/// Takes a run back, or finishes what a killed process began of that.
pub async fn undo(site: &Site, run: &str, reason: &str) -> Result<Undone, PipelineError> {
    if let Some(begun) = document(site, run)? {
        if is_finished(site, &begun)? {
            return Err(undo_plan::undone_already(&begun));
        }
        let tables = tables_of(&begun)?;
        let _mark = at_work::begin(site, &tables)?;
        let _locks = locks(site, &tables)?;
        // Whoever held them may have been at it.
        return match is_finished(site, &begun)? {
            true => Err(undo_plan::undone_already(&begun)),
            false => finish(site, begun).await,
        };
    }
    if reason.trim().is_empty() {
        return Err(refused(
            "an undo needs a reason",
            "say with `--reason` why the run is taken back: it becomes part of the record",
        ));
    }
    check_signature(site)?;
    let tables = undo_plan::plan(site, run)?.tables;
    let tables: Vec<TableName> = tables.into_iter().map(|planned| planned.table).collect();
    let _mark = at_work::begin(site, &tables)?;
    let _locks = locks(site, &tables)?;
    // Nobody on this machine commits to them now.
    let planned = undo_plan::plan(site, run)?;
    let undo = Undo {
        run: run.to_owned(),
        by: site.context.run.clone(),
        logical_time: site.context.logical_time.clone(),
        principal: site.context.principal.clone(),
        reason: reason.to_owned(),
        tables: planned.tables.into_iter().map(|one| one.entry).collect(),
    };
    for entry in &undo.tables {
        check_there(site, entry).await?;
    }
    let undo = match site
        .lake
        .put_if_absent(&layout::undo(run), &undo.to_bytes())?
    {
        Put::Created => undo,
        Put::Exists => document(site, run)?.unwrap_or(undo),
    };
    finish(site, undo).await
}

/// Finishes undos that share one of these tables and were left by processes that died (A3).
pub(crate) async fn finish_open(site: &Site, tables: &[TableName]) -> Result<(), PipelineError> {
    for undo in unfinished(site)? {
        let of_undo = tables_of(&undo)?;
        if !of_undo
            .iter()
            .any(|table| tables.contains(&writer_of(table)))
        {
            continue;
        }
        let _locks = locks(site, &of_undo)?;
        if is_finished(site, &undo)? {
            continue;
        }
        let (run, by) = (undo.run.clone(), undo.by.clone());
        finish(site, undo).await?;
        site.context.progress.event(&Event::Note(format!(
            "finished the undo of run {run}, left open by run {by}"
        )));
    }
    Ok(())
}

/// Undos that are not finished, by the run that they take back.
pub fn unfinished(site: &Site) -> Result<Vec<Undo>, PipelineError> {
    let mut unfinished = Vec::new();
    for undo in documents(site)? {
        if !is_finished(site, &undo)? {
            unfinished.push(undo);
        }
    }
    Ok(unfinished)
}

/// The undo that is not finished and takes this table back, if there is one: nothing is recorded of the table before it is.
pub(crate) fn unfinished_of(site: &Site, table: &TableName) -> Result<Option<Undo>, PipelineError> {
    let name = table.to_string();
    let of_table = |undo: &Undo| undo.tables.iter().any(|entry| entry.table == name);
    Ok(unfinished(site)?.into_iter().find(of_table))
}

/// What a person does about an undo that is not finished. A run finishes it only if it has one of its tables, which the project may not.
pub fn how_to_finish(run: &str) -> String {
    format!("finish it: `karat undo {run} --reason TEXT`, or a run of one of its tables")
}

/// All undos of the lake.
pub(crate) fn documents(site: &Site) -> Result<Vec<Undo>, PipelineError> {
    let mut documents = Vec::new();
    for name in site.lake.list(layout::UNDO)? {
        if let Some(run) = name.strip_suffix(".json") {
            documents.extend(document(site, run)?);
        }
    }
    Ok(documents)
}

fn document(site: &Site, run: &str) -> Result<Option<Undo>, PipelineError> {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if run.is_empty() || !run.bytes().all(is_name) {
        return Ok(None);
    }
    let path = layout::undo(run);
    match site.lake.get(&path)? {
        Some(bytes) => {
            let undo = Undo::from_bytes(&bytes).map_err(PipelineError::document(&path))?;
            Ok(Some(undo))
        }
        None => Ok(None),
    }
}

/// Whether every table is settled, and a manifest lists it.
pub(crate) fn is_finished(site: &Site, undo: &Undo) -> Result<bool, PipelineError> {
    let Some(manifest) = manifest::of_run(&site.lake, &undo.by)? else {
        return Ok(false);
    };
    if manifest.complete {
        return Ok(true);
    }
    for entry in &undo.tables {
        let table: TableName = named(&entry.table)?;
        let epochs = epochs_of(site, &writer_of(&table))?;
        let is_given_up = epoch_of(&epochs, undo).is_some_and(|own| epochs.closed(own).is_some());
        if !is_given_up && taken_back(site, undo, &table)?.is_none() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The record of a writer.
fn epochs_of(site: &Site, writer: &TableName) -> Result<Epochs, PipelineError> {
    let head = head(&site.lake.table(&writer.folder()))?;
    Epochs::read(&site.lake, writer, head.as_ref().map(|head| &head.snapshot))
}

/// The epoch under which an undo takes a writer's tables back; None if it has not come to them. It is that of the document, unless somebody
/// took that one in between: the intent tells whose it is.
pub(crate) fn epoch_of(epochs: &Epochs, undo: &Undo) -> Option<i64> {
    epochs.undo_by(&undo.by).map(|intent| intent.epoch)
}

/// The newest version of a table, if the undo has taken it back.
fn taken_back(site: &Site, undo: &Undo, table: &TableName) -> Result<Option<Head>, PipelineError> {
    match epoch_of(&epochs_of(site, &writer_of(table))?, undo) {
        Some(epoch) => carried(site, table, epoch),
        None => Ok(None),
    }
}

/// The newest version of a table, if its writer's epoch has come so far.
fn carried(site: &Site, table: &TableName, epoch: i64) -> Result<Option<Head>, PipelineError> {
    let app = layout::app(&writer_of(table));
    let head = head(&site.lake.table(&table.folder()))?;
    Ok(head.filter(|head| {
        let newest = head.snapshot.app_versions.get(&app);
        newest.is_some_and(|newest| *newest >= epoch)
    }))
}

/// The table whose writer writes this one: quarantine is written with silver.
pub(crate) fn writer_of(table: &TableName) -> TableName {
    match table.layer {
        Layer::Quarantine => {
            TableName::new(table.domain.clone(), Layer::Silver, table.table.clone())
        }
        _ => table.clone(),
    }
}

fn tables_of(undo: &Undo) -> Result<Vec<TableName>, PipelineError> {
    undo.tables
        .iter()
        .map(|entry| named(&entry.table))
        .collect()
}

/// The locks of all writers, in one order.
pub(crate) fn locks(site: &Site, tables: &[TableName]) -> Result<Vec<LockGuard>, PipelineError> {
    let writers: BTreeSet<String> = tables
        .iter()
        .map(|table| writer_of(table).to_string())
        .collect();
    let mut locks = Vec::with_capacity(writers.len());
    for writer in writers {
        locks.push(site.lock(&writer)?);
    }
    Ok(locks)
}

/// Settles each table of an undo, then lists it in the manifest. The locks are taken.
async fn finish(site: &Site, undo: Undo) -> Result<Undone, PipelineError> {
    check_signature(site)?;
    let mut given_up = Vec::new();
    for entry in &undo.tables {
        let table: TableName = named(&entry.table)?;
        if taken_back(site, &undo, &table)?.is_some() {
            continue;
        }
        if let Some(on_top) = take_back(site, &undo, entry, &table).await? {
            given_up.push(format!("`{table}` has version {on_top}"));
        }
    }
    let ending = match given_up.is_empty() {
        true => Ending::Whole,
        false => Ending::Partly,
    };
    let head = manifest::write_of(site, &undo.by, ending)?;
    if !given_up.is_empty() {
        return Err(refused(
            format!(
                "run {} is taken back only in part: {}, which somebody committed meanwhile",
                undo.run,
                given_up.join(", ")
            ),
            "`karat run` makes models again from what is there; look at feeds with `karat query`",
        ));
    }
    let mut tables = Vec::with_capacity(undo.tables.len());
    for entry in &undo.tables {
        let table: TableName = named(&entry.table)?;
        if let Some(head) = taken_back(site, &undo, &table)?
            && let Some(digest) = head.receipt
        {
            tables.push(TakenBack {
                table,
                version: head.snapshot.version,
                back_to: entry.back_to,
                fingerprint: read_receipt(site, digest)?.fingerprint,
            });
        }
    }
    Ok(Undone {
        of: undo,
        tables,
        head,
    })
}

/// Commits one table back. Gives the version that stands on the run's, if another writer or run was faster: then it is left as it is.
async fn take_back(
    site: &Site,
    undo: &Undo,
    entry: &UndoneTable,
    table: &TableName,
) -> Result<Option<i64>, PipelineError> {
    let writer = writer_of(table);
    let of_writer = head(&site.lake.table(&writer.folder()))?;
    let snapshot = of_writer.as_ref().map(|head| &head.snapshot);
    let epochs = Epochs::read(&site.lake, &writer, snapshot)?;
    let in_lake = site.lake.table(&table.folder());
    let Some(now) = head(&in_lake)? else {
        return Err(PipelineError::Damaged {
            table: table.to_string(),
            file: table.folder(),
            how: "is gone, and the run that is taken back wrote it",
        });
    };
    let written = epoch_of(&epochs, undo);
    if written.is_some_and(|own| epochs.closed(own).is_some()) {
        return Ok(Some(now.snapshot.version));
    }
    let epoch = written.unwrap_or_else(|| entry.epoch.max(epochs.next()));
    epochs::settle_word(&site.lake, &writer, &epochs)?;
    if let Some(open) = epochs.unsettled().filter(|open| open.epoch < epoch) {
        let reason = format!("its run ended early, and run {} was taken back", undo.run);
        close(site, &writer, open.epoch, reason)?;
    }
    let then = match entry.back_to {
        Some(version) => head_at(&in_lake, version)?,
        None => None,
    };
    let base = base_receipt(site, table, &now)?;
    let before = match then.as_ref().and_then(|then| then.receipt) {
        Some(digest) => Some((read_receipt(site, digest)?, digest)),
        None => None,
    };
    let intent = intent(undo, entry, epoch, &writer, &before, &base);
    let digest = match epochs.intent(epoch) {
        Some(written) => epochs::intent_digest(written)?,
        None => epochs::write_intent(&site.lake, &writer, &intent)?,
    };
    if now.snapshot.version != entry.base {
        let reason = format!("version {} came before it", now.snapshot.version);
        close(site, &writer, epoch, reason)?;
        return Ok(Some(now.snapshot.version));
    }
    check_trusted(site, table, Some(&now))?;
    let excluded = read::excluded(table.layer.as_str());
    let (added, removed) = files(site, &in_lake, &now, then.as_ref(), excluded).await?;
    // Files that stay may have columns that came with the run: nulls in all rows, so that the fingerprint is the old one (G1).
    let everything_goes = removed.len() == now.snapshot.files.len();
    let schema = match &then {
        Some(then) if everything_goes => then.snapshot.schema.clone(),
        _ => now.snapshot.schema.clone(),
    };
    let mut receipt = receipt(site, undo, epoch, table, before, &base);
    receipt.intent = Some(digest);
    publish(
        site,
        &in_lake,
        Change {
            base: Some(now),
            schema,
            added,
            removed,
            app: layout::app(&writer),
            operation: "UNDO",
            receipt,
            excluded,
        },
    )
    .await?;
    Ok(None)
}

fn base_receipt(site: &Site, table: &TableName, now: &Head) -> Result<Receipt, PipelineError> {
    match now.receipt {
        Some(digest) => read_receipt(site, digest),
        None => Err(PipelineError::Foreign {
            table: table.to_string(),
            version: now.snapshot.version,
        }),
    }
}

fn close(site: &Site, writer: &TableName, epoch: i64, reason: String) -> Result<(), PipelineError> {
    let note = Closed {
        feed_or_model: writer.to_string(),
        epoch,
        outcome: Outcome::Refused,
        reason,
        objects: Vec::new(),
    };
    epochs::close(&site.lake, writer, &note)
}

/// The same bytes, whoever writes it.
fn intent(
    undo: &Undo,
    entry: &UndoneTable,
    epoch: i64,
    writer: &TableName,
    before: &Option<(Receipt, Digest)>,
    base: &Receipt,
) -> Intent {
    // Quarantine and silver share it, and silver has every epoch.
    let mut of_undo = undo.tables.iter();
    let entry = of_undo
        .find(|one| one.table == writer.to_string())
        .unwrap_or(entry);
    Intent {
        feed_or_model: writer.to_string(),
        epoch,
        run: undo.by.clone(),
        logical_time: undo.logical_time.clone(),
        code: before.as_ref().map_or(base.code, |(before, _)| before.code),
        parameters: BTreeMap::new(),
        from: Value::Null,
        to: json!({
            UNDOES: entry.undoes, "repairs": entry.repairs, "run": undo.run, "base": entry.base, "back_to": entry.back_to,
            "reason": undo.reason, "principal": undo.principal,
        }),
        objects: Vec::new(),
        inputs: BTreeMap::new(),
    }
}

/// The table is what its code made of its inputs at the version that comes back, and so is what was counted then.
fn receipt(
    site: &Site,
    undo: &Undo,
    epoch: i64,
    table: &TableName,
    before: Option<(Receipt, Digest)>,
    base: &Receipt,
) -> Receipt {
    let code = before.as_ref().map_or(base.code, |(before, _)| before.code);
    let mut receipt = receipt_base(site, table, Kind::Undo, epoch, code);
    receipt.run.clone_from(&undo.by);
    receipt.logical_time.clone_from(&undo.logical_time);
    receipt.reason = Some(undo.reason.clone());
    if let Some((before, digest)) = before {
        receipt.inputs = before.inputs;
        receipt.expectations = before.expectations;
        receipt.audit = before.audit;
        receipt.accounting = before.accounting;
        receipt.parameters = before.parameters;
        let back = [
            (UNDONE_TO, before.version.to_string()),
            (UNDONE_TO_RECEIPT, digest.to_string()),
        ];
        let back = back.map(|(key, value)| (key.to_owned(), value));
        receipt.parameters.extend(back);
    }
    let run = undo.run.clone();
    receipt.parameters.insert(UNDONE_RUN.to_owned(), run);
    receipt
}

/// The files that a commit back adds and removes.
async fn files(
    site: &Site,
    table: &Table,
    now: &Head,
    then: Option<&Head>,
    excluded: &[&str],
) -> Result<(Vec<WrittenFile>, Vec<LiveFile>), PipelineError> {
    let paths = |head: &Head| -> BTreeSet<String> {
        let files = head.snapshot.files.iter();
        files.map(|file| file.path.clone()).collect()
    };
    let (live, wanted) = (paths(now), then.map(paths).unwrap_or_default());
    let gone = now.snapshot.files.iter();
    let removed = gone.filter(|file| !wanted.contains(&file.path)).cloned();
    let removed = removed.collect();
    let Some(then) = then else {
        return Ok((Vec::new(), removed));
    };
    let back: Vec<&LiveFile> = then
        .snapshot
        .files
        .iter()
        .filter(|file| !live.contains(&file.path))
        .collect();
    prove(site, table, back.iter().copied()).await?;
    let prints = file_fingerprints(site, table, then, excluded).await?;
    let mut added = Vec::with_capacity(back.len());
    for file in back {
        let print = prints.files.get(&file.path).copied().unwrap_or_default();
        let sha256 = sha256_of(site, table, &file.path)?;
        added.push(then.snapshot.put_back(file, sha256, print));
    }
    Ok((added, removed))
}

/// That nothing stands in the way once the undo is written down: signatures, files and their bytes.
async fn check_there(site: &Site, entry: &UndoneTable) -> Result<(), PipelineError> {
    let name: TableName = named(&entry.table)?;
    let table = site.lake.table(&name.folder());
    let Some(now) = head(&table)? else {
        return Ok(());
    };
    check_trusted(site, &name, Some(&now))?;
    let Some(version) = entry.back_to else {
        return Ok(());
    };
    if let Some(then) = head_at(&table, version)? {
        check_trusted(site, &name, Some(&then))?;
        prove_list(site, &table, &then)?;
        prove(site, &table, &then.snapshot.files).await?;
    }
    Ok(())
}
