//! The consistent cut that a run leaves: every table's version and receipt, chained to the manifest before (A10).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use karat_lake::{Lake, Put, Table, failpoint};
use karat_project::{Layer, TableName};
use karat_receipt::{Digest, Manifest, TableState};

use crate::at_work;
use crate::closing;
use crate::context::Site;
use crate::error::PipelineError;
use crate::layout;
use crate::publish::{Head, head, read_receipt};
use crate::undo;
use crate::verify::{log_digest, newest_checkpoint};

/// Longest wait for another run that writes its manifest: it takes milliseconds.
const MANIFEST_WAIT: Duration = Duration::from_secs(30);

/// The newest manifest with its head.
pub fn newest(lake: &Lake) -> Result<Option<(Manifest, Digest)>, PipelineError> {
    let mut newest: Option<(Manifest, Digest)> = None;
    for manifest in all(lake)? {
        let head = Digest::of(&manifest.1);
        if newest
            .as_ref()
            .is_none_or(|(known, _)| known.sequence < manifest.0.sequence)
        {
            newest = Some((manifest.0, head));
        }
    }
    Ok(newest)
}

/// The version of each table that the newest manifest holds.
pub(crate) fn versions(lake: &Lake) -> Result<BTreeMap<String, i64>, PipelineError> {
    let newest = newest(lake)?.map(|(manifest, _)| manifest.tables);
    let tables = newest.into_iter().flatten();
    Ok(tables.map(|(name, state)| (name, state.version)).collect())
}

/// That a table still has the version that the newest manifest holds: false if it is gone as a whole and a model makes it again (A7). What
/// was received nobody can make again; and a table that lost some commits would go on from a state that its record contradicts.
pub(crate) fn check_kept(
    site: &Site,
    table: &TableName,
    recorded: &BTreeMap<String, i64>,
) -> Result<bool, PipelineError> {
    let name = table.to_string();
    let Some(version) = recorded.get(&name) else {
        return Ok(true);
    };
    let folder = table.folder();
    let in_lake = site.lake.table(&folder);
    match in_lake.newest_version()? {
        Some(newest) if newest >= *version => Ok(true),
        None if table.layer != Layer::Bronze && !is_closed(site, &name)? => Ok(false),
        Some(_) => Err(PipelineError::Damaged {
            table: name,
            file: in_lake.log_dir()?,
            how: "ends before the version that the newest run recorded: commits were lost",
        }),
        None => Err(PipelineError::Damaged {
            table: name,
            file: folder,
            how: "is gone, and the newest run recorded a version of it",
        }),
    }
}

/// Whether business days are closed with versions of a table: made anew, nobody could hold its rows against those (A8).
fn is_closed(site: &Site, table: &str) -> Result<bool, PipelineError> {
    Ok(closing::last(site)?.is_some_and(|tag| tag.tables.contains_key(table)))
}

/// What a run and its plan say of a table whose folder is gone, of which [`check_kept`] says that a model makes it again.
pub(crate) fn made_anew(table: &TableName) -> String {
    format!(
        "the folder of `{table}` was gone: it is made anew, and `verify` tells of the versions that were there"
    )
}

/// The manifest of a run.
pub fn of_run(lake: &Lake, run: &str) -> Result<Option<Manifest>, PipelineError> {
    let path = layout::manifest(run);
    match lake.get(&path)? {
        Some(bytes) => {
            let manifest = Manifest::from_bytes(&bytes).map_err(PipelineError::document(&path))?;
            Ok(Some(manifest))
        }
        None => Ok(None),
    }
}

/// All manifests with their bytes, oldest first.
pub fn all(lake: &Lake) -> Result<Vec<(Manifest, Vec<u8>)>, PipelineError> {
    let mut manifests = Vec::new();
    for name in lake.list(layout::RUNS)? {
        if !name.ends_with(".json") {
            continue;
        }
        let path = format!("{}/{name}", layout::RUNS);
        if let Some(bytes) = lake.get(&path)? {
            let manifest = Manifest::from_bytes(&bytes).map_err(PipelineError::document(&path))?;
            manifests.push((manifest, bytes));
        }
    }
    manifests.sort_by_key(|(manifest, _)| manifest.sequence);
    Ok(manifests)
}

/// Newest versions of all tables of a lake, by two-part name, with their folders.
pub fn heads(lake: &Lake) -> Result<BTreeMap<String, (String, Head)>, PipelineError> {
    let mut heads = BTreeMap::new();
    for folder in lake.tables()? {
        let dir = folder.dir();
        let table = lake.table(&dir);
        if let Some(head) = head(&table)? {
            heads.insert(folder.name(), (dir, head));
        }
    }
    Ok(heads)
}

/// What a run did to one table that no manifest lists yet.
struct Unlisted {
    table: String,
    dir: String,
    run: String,
    version: i64,
    receipt: Option<Digest>,
}

/// How a run ended that is about to write its manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It made no version: no manifest of its own.
    Nothing,
    /// It made versions, and every step ended well.
    Whole,
    /// It made versions, and something failed.
    Partly,
}

/// Writes the manifests of runs that committed and died before theirs; then, if this run made versions, its own.
/// Returns the head of the newest manifest.
pub fn write(site: &Site, ending: Ending) -> Result<Option<Digest>, PipelineError> {
    write_of(site, &site.context.run, ending)
}

/// The same of a run whose work this one has finished.
pub(crate) fn write_of(
    site: &Site,
    run: &str,
    ending: Ending,
) -> Result<Option<Digest>, PipelineError> {
    // Tables are looked at under the lock: a manifest that another run writes meanwhile must not be put back.
    let _lock = site.lake.lock("manifest", MANIFEST_WAIT)?;
    let mut newest = newest(&site.lake)?;
    let unlisted = unlisted(site, run)?;
    // An undo is one step: no reader sees the half of it that a killed process left. Whoever finishes it lists it.
    let undoing = undo::unfinished(site)?;
    let is_half = |run: &str| undoing.iter().any(|undo| undo.by == run);
    let mut dead: BTreeSet<&str> = BTreeSet::new();
    for change in &unlisted {
        if change.run != run && !is_half(&change.run) && !at_work::is_at_work(site, &change.run)? {
            dead.insert(&change.run);
        }
    }
    for dead in dead {
        newest = Some(append(site, &unlisted, newest, dead, false)?);
    }
    if ending != Ending::Nothing {
        let whole = ending == Ending::Whole;
        newest = Some(append(site, &unlisted, newest, run, whole)?);
    }
    Ok(newest.map(|(_, head)| head))
}

/// The newest version of each table that each run made, of runs without a manifest. The log tells: what another writer committed may
/// be past reading, and is no reason to leave out the others.
fn unlisted(site: &Site, ours: &str) -> Result<Vec<Unlisted>, PipelineError> {
    let mut unlisted = Vec::new();
    for folder in site.lake.tables()? {
        let dir = folder.dir();
        let name = folder.name();
        let table = site.lake.table(&dir);
        let Some(newest) = table.newest_version()? else {
            continue;
        };
        table.mend_pointer()?;
        let newest = table.history(Some(newest))?.pop();
        if let Some(run) = newest.and_then(|record| record.run)
            && listed(site, &run, ours)?
        {
            continue;
        }
        let mut runs: BTreeSet<String> = BTreeSet::new();
        for record in table.history(None)?.into_iter().rev() {
            // A foreign commit is no run's; what came before it may be.
            let Some(run) = record.run else { continue };
            if listed(site, &run, ours)? {
                break;
            }
            if runs.insert(run.clone()) {
                unlisted.push(Unlisted {
                    table: name.clone(),
                    dir: dir.clone(),
                    run,
                    version: record.version,
                    receipt: record.receipt.and_then(|text| text.parse().ok()),
                });
            }
        }
    }
    Ok(unlisted)
}

/// Whether a table is no longer the one of a manifest, since it was made anew in the place of a folder that was gone.
fn is_anew(table: &Table, listed: &TableState) -> Result<bool, PipelineError> {
    if table
        .newest_version()?
        .is_none_or(|newest| newest < listed.version)
    {
        return Ok(true);
    }
    let Some(record) = table.record(listed.version)? else {
        return Ok(false);
    };
    let made_by = record.receipt.and_then(|text| text.parse().ok());
    Ok(listed.receipt.is_some() && made_by != listed.receipt)
}

/// Whether a run other than ours has its manifest.
fn listed(site: &Site, run: &str, ours: &str) -> Result<bool, PipelineError> {
    Ok(run != ours && site.lake.get(&layout::manifest(run))?.is_some())
}

/// The tags that are there, with their digests: a later one that is gone is missed by `verify`.
fn tags(lake: &Lake) -> Result<BTreeMap<String, Digest>, PipelineError> {
    let mut tags = BTreeMap::new();
    for name in lake.list(layout::TAGS)? {
        if let Some(tag) = name.strip_suffix(".json")
            && let Some(bytes) = lake.get(&layout::tag(tag))?
        {
            tags.insert(tag.to_owned(), Digest::of(&bytes));
        }
    }
    Ok(tags)
}

/// Writes one manifest: the tables that the run changed as it left them, everything else as in the manifest before.
fn append(
    site: &Site,
    unlisted: &[Unlisted],
    before: Option<(Manifest, Digest)>,
    run: &str,
    complete: bool,
) -> Result<(Manifest, Digest), PipelineError> {
    let (mut tables, sequence, previous) = match before {
        Some((manifest, head)) => (manifest.tables, manifest.sequence + 1, Some(head)),
        None => (BTreeMap::new(), 1, None),
    };
    let mut logical_time = site.context.logical_time.clone();
    for change in unlisted.iter().filter(|change| change.run == run) {
        let table = site.lake.table(&change.dir);
        let listed = match tables.get(&change.table) {
            Some(listed) if !is_anew(&table, listed)? => Some(listed),
            _ => None,
        };
        let is_newer = listed.is_none_or(|listed| listed.version < change.version);
        let (true, Some(digest)) = (is_newer, change.receipt) else {
            continue;
        };
        let vouched = listed.and_then(|listed| Some((listed.version, listed.log?)));
        let receipt = read_receipt(site, digest)?;
        let rows = receipt.fingerprint.split(':').next();
        tables.insert(
            change.table.clone(),
            TableState {
                version: change.version,
                receipt: change.receipt,
                rows: rows.and_then(|rows| rows.parse().ok()).unwrap_or(0),
                fingerprint: receipt.fingerprint,
                log: log_digest(&table, vouched, change.version)?,
                checkpoint: newest_checkpoint(&table, change.version)?,
            },
        );
        logical_time = receipt.logical_time;
    }
    let mut manifest = Manifest {
        run: run.to_owned(),
        sequence,
        logical_time,
        complete,
        tables,
        previous,
        tags: tags(&site.lake)?,
    };
    failpoint::hit("manifest.before");
    let mut again = 1;
    loop {
        let bytes = manifest.to_bytes();
        let path = layout::manifest(&manifest.run);
        let put = site.lake.put_if_absent(&path, &bytes)?;
        if put == Put::Created || site.lake.get(&path)?.as_deref() == Some(&bytes[..]) {
            failpoint::hit("manifest.after");
            return Ok((manifest, Digest::of(&bytes)));
        }
        // Another machine took this run for dead and listed the half of it: the whole gets a name of its own.
        again += 1;
        manifest.run = format!("{run}-{again}");
    }
}
