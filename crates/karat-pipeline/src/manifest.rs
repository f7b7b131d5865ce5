//! The consistent cut that a run leaves: every table's version and receipt, chained to the manifest before (A10).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use karat_lake::{Lake, failpoint};
use karat_receipt::{Digest, Manifest, TableState};

use crate::context::Site;
use crate::error::PipelineError;
use crate::layout;
use crate::publish::{Head, head, read_receipt};

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

/// The manifest of a run.
pub fn of_run(lake: &Lake, run: &str) -> Result<Option<Manifest>, PipelineError> {
    match lake.get(&layout::manifest(run))? {
        Some(bytes) => Ok(Some(Manifest::from_bytes(&bytes)?)),
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
        if let Some(bytes) = lake.get(&format!("{}/{name}", layout::RUNS))? {
            manifests.push((Manifest::from_bytes(&bytes)?, bytes));
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
            heads.insert(
                format!("{}_{}.{}", folder.domain, folder.layer, folder.table),
                (dir, head),
            );
        }
    }
    Ok(heads)
}

/// Writes the manifests of runs that committed and died before theirs; then, if this run made versions, its own.
/// Returns the head of the newest manifest.
pub fn write(site: &Site, made_versions: bool) -> Result<Option<Digest>, PipelineError> {
    let heads = heads(&site.lake)?;
    let _lock = site.lake.lock("manifest", MANIFEST_WAIT)?;
    let mut newest = newest(&site.lake)?;
    let mut orphans: BTreeSet<String> = BTreeSet::new();
    for (_, head) in heads.values() {
        if let Some(run) = &head.run
            && run != &site.context.run
            && site.lake.get(&layout::manifest(run))?.is_none()
        {
            orphans.insert(run.clone());
        }
    }
    for run in orphans {
        newest = Some(append(site, &heads, newest, &run, false)?);
    }
    if made_versions {
        newest = Some(append(site, &heads, newest, &site.context.run, true)?);
    }
    Ok(newest.map(|(_, head)| head))
}

/// Writes one manifest: what this run or an earlier one committed as it is now, everything else as in the manifest before.
fn append(
    site: &Site,
    heads: &BTreeMap<String, (String, Head)>,
    before: Option<(Manifest, Digest)>,
    run: &str,
    complete: bool,
) -> Result<(Manifest, Digest), PipelineError> {
    let (mut tables, sequence, previous) = match before {
        Some((manifest, head)) => (manifest.tables, manifest.sequence + 1, Some(head)),
        None => (BTreeMap::new(), 1, None),
    };
    for (name, (dir, head)) in heads {
        let settled = match &head.run {
            Some(by) => by == run || site.lake.get(&layout::manifest(by))?.is_some(),
            None => false,
        };
        // Another run is at this table: it stays as in the manifest before.
        if !settled && tables.contains_key(name) {
            continue;
        }
        if !settled && head.run.is_some() {
            continue;
        }
        let (fingerprint, rows) = match head.receipt {
            Some(digest) => {
                let receipt = read_receipt(site, digest)?;
                let rows = receipt
                    .fingerprint
                    .split(':')
                    .next()
                    .and_then(|rows| rows.parse().ok())
                    .unwrap_or(0);
                (receipt.fingerprint, rows)
            }
            None => (
                String::new(),
                head.snapshot.files.iter().map(|file| file.rows).sum(),
            ),
        };
        // Only what is new since the manifest before needs to be read again.
        let log = match tables.get(name) {
            Some(before) if before.version == head.snapshot.version => before.log,
            _ => log_digest(site, dir, head.snapshot.version)?,
        };
        tables.insert(
            name.clone(),
            TableState {
                version: head.snapshot.version,
                receipt: head.receipt,
                fingerprint,
                rows,
                log,
            },
        );
    }
    let manifest = Manifest {
        run: run.to_owned(),
        sequence,
        logical_time: site.context.logical_time.clone(),
        complete,
        tables,
        previous,
    };
    failpoint::hit("manifest.before");
    let bytes = manifest.to_bytes();
    site.lake.put_if_absent(&layout::manifest(run), &bytes)?;
    failpoint::hit("manifest.after");
    Ok((manifest, Digest::of(&bytes)))
}

/// Rolling digest of a table's log up to a version.
fn log_digest(site: &Site, dir: &str, version: i64) -> Result<Option<Digest>, PipelineError> {
    let history = site.lake.table(dir).history(None)?;
    Ok(crate::verify::rolling_log(&site.lake, dir, &history)?
        .get(&version)
        .copied())
}
