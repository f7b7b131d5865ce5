//! The documents below `_karat/` against each other and against the tables' logs: manifests and their chain, intents and how they
//! were settled, code, what was accepted, checkpoints. That a receipt is as its commit names it is checked table by table.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use karat_lake::{Format, Lake, Table};
use karat_project::{Layer, TableName};
use karat_receipt::{Accepted, Closed, Digest, Intent, Manifest, TableState, Undo};

use super::{KnownHead, TableLog, VerifyReport, entry_digest, intent_path, rolled, slashed};
use crate::epochs::{Epochs, is_undo};
use crate::error::PipelineError;
use crate::layout;
use crate::undo;

/// Checks all documents of a lake, and that the chain holds the manifests of these heads.
pub(super) fn check(
    lake: &Lake,
    report: &mut VerifyReport,
    logs: &BTreeMap<String, TableLog>,
    heads: &[KnownHead],
) -> Result<(), PipelineError> {
    let manifests = manifests(lake, report, logs)?;
    let there: BTreeSet<Digest> = manifests.iter().map(|manifest| manifest.digest).collect();
    for head in heads.iter().filter(|head| head.digest.is_none()) {
        let detail = format!(
            "{} names no head: it was altered, or its writer was cut off",
            head.from
        );
        report.file(layout::RUNS, "mismatch", detail);
    }
    let known = heads
        .iter()
        .filter_map(|head| Some((head.digest?, &head.from)));
    let gone: Vec<(Digest, &String)> = known
        .filter(|(digest, _)| !there.contains(digest))
        .collect();
    if let Some((digest, from)) = gone.last() {
        let others = match gone.len() {
            1 => String::new(),
            all => format!(", nor those of {} before it", all - 1),
        };
        let detail = format!(
            "no manifest has the digest {digest}, which {from} names{others}: the end of the lake was cut off, or it is another lake"
        );
        report.file(layout::RUNS, "missing", detail);
    }
    let mut trusted = Trusted::new();
    for manifest in &manifests {
        for (table, state) in &manifest.document.tables {
            tables(lake, report, &mut trusted, logs, manifest, table, state)?;
        }
    }
    checkpoints(lake, report, logs, &manifests)?;
    let code = code(lake, report)?;
    intents(lake, report, logs, &manifests, &code);
    undos(lake, report, logs, &manifests)?;
    accepted(lake, report);
    inputs(report, logs);
    report.head = manifests.last().map(|manifest| manifest.digest);
    Ok(())
}

/// A manifest that can be read.
struct Read {
    document: Manifest,
    digest: Digest,
    path: String,
}

/// All manifests, oldest first, each following from the one before.
fn manifests(
    lake: &Lake,
    report: &mut VerifyReport,
    logs: &BTreeMap<String, TableLog>,
) -> Result<Vec<Read>, PipelineError> {
    let mut manifests: Vec<Read> = Vec::new();
    let mut damaged = false;
    for name in lake.list(layout::RUNS)? {
        let path = format!("{}/{name}", layout::RUNS);
        let Some(bytes) = lake.get(&path)? else {
            continue;
        };
        let wrong = match Manifest::from_bytes(&bytes) {
            Ok(document) if format!("{}.json", document.run) == name => {
                manifests.push(Read {
                    document,
                    digest: Digest::of(&bytes),
                    path,
                });
                continue;
            }
            Ok(_) => "it is the manifest of another run".to_owned(),
            Err(error) => error.to_string(),
        };
        damaged = true;
        report.file(&path, "mismatch", wrong);
    }
    manifests.sort_by_key(|manifest| manifest.document.sequence);
    let mut before: Option<&Read> = None;
    let mut gap = false;
    for manifest in &manifests {
        let next = before.map_or(1, |before| before.document.sequence + 1);
        if manifest.document.sequence > next {
            // One that cannot be read was told already.
            if !damaged {
                gap = true;
                let number = manifest.document.sequence - 1;
                let detail = format!("manifest {number}, which it names, is missing");
                report.file(&manifest.path, "mismatch", detail);
            }
        } else if manifest.document.previous != before.map(|before| before.digest) {
            let detail = "it does not name the manifest before it".to_owned();
            report.file(&manifest.path, "mismatch", detail);
        }
        before = Some(manifest);
    }
    runs(report, logs, &manifests, damaged, gap);
    Ok(manifests)
}

/// Runs that committed and have no manifest: one that was there is missing, or one is yet to be written.
fn runs(
    report: &mut VerifyReport,
    logs: &BTreeMap<String, TableLog>,
    manifests: &[Read],
    damaged: bool,
    gap: bool,
) {
    let listed: BTreeSet<&str> = manifests
        .iter()
        .map(|manifest| manifest.document.run.as_str())
        .collect();
    for (table, log) in logs {
        let newest = manifests.last().and_then(|manifest| {
            let state = manifest.document.tables.get(table);
            state.map(|state| state.version)
        });
        for (version, entry) in log.versions.iter().flatten() {
            let Some(run) = &entry.run else { continue };
            if listed.contains(run.as_str()) || damaged {
                continue;
            }
            let path = layout::manifest(run);
            if newest.is_none_or(|newest| *version > newest) {
                let detail = "no manifest lists what this run committed: it is at work, was killed, or its manifest was removed; the next run writes it";
                report.file(&path, "unfinished", detail.to_owned());
            } else if gap {
                report.file(&path, "missing", "a later manifest names it".to_owned());
            }
        }
    }
}

/// How far older manifests vouch for a table's log: up to which version, and its rolling digest there.
type Trusted<'m> = BTreeMap<&'m str, (i64, Digest)>;

/// Compares what a manifest states of a table with its log: the entries since the manifest before it that states the table, so
/// that each entry is told by the one manifest that was first to vouch for it.
fn tables<'m>(
    lake: &Lake,
    report: &mut VerifyReport,
    trusted: &mut Trusted<'m>,
    logs: &BTreeMap<String, TableLog>,
    manifest: &Read,
    table: &'m str,
    state: &TableState,
) -> Result<(), PipelineError> {
    let before = trusted.get(table).copied();
    let first = before.map_or(0, |(version, _)| version + 1);
    let Some(stated) = state.log.filter(|_| first <= state.version) else {
        return Ok(());
    };
    trusted.insert(table, (state.version, stated));
    let Some(log) = logs.get(table) else {
        let folder = table.parse::<TableName>().map(|table| table.folder());
        report.file(
            &folder.unwrap_or_else(|_| table.to_owned()),
            "missing",
            "a manifest lists this table, the lake does not have it".to_owned(),
        );
        return Ok(());
    };
    let in_lake = lake.table(&log.dir);
    // Where the log cannot be read, one entry of Delta was named; of Iceberg, what one entry says leads to others.
    if log.versions.is_none() && in_lake.format()? == Format::Delta {
        return Ok(());
    }
    let mut there = BTreeMap::new();
    for version in first..=state.version {
        let digest = match &log.versions {
            Some(versions) => versions.get(&version).map(|entry| entry.digest),
            None => match entry_digest(&in_lake, version) {
                Ok(digest) => digest,
                // That it may not be read was told.
                Err(_) => return Ok(()),
            },
        };
        there.extend(digest.map(|digest| (version, digest)));
    }
    let mut rolling = before.map(|(_, digest)| digest);
    for version in first..=state.version {
        rolling = there.get(&version).map(|digest| rolled(rolling, *digest));
        if rolling.is_none() {
            break;
        }
    }
    if rolling == Some(stated) {
        let Some(versions) = &log.versions else {
            return Ok(());
        };
        let entry = versions.get(&state.version);
        let same = entry.is_some_and(|entry| {
            let prints = entry.fingerprint.as_ref();
            entry.receipt == state.receipt && prints.is_none_or(|print| *print == state.fingerprint)
        });
        if !same {
            let version = state.version;
            let detail = format!("what it states of {table}@{version} is not what the log states");
            report.file(&manifest.path, "mismatch", detail);
        }
        return Ok(());
    }
    let entry = match in_lake.format()? {
        Format::Delta => "the log entry",
        Format::Iceberg => "the metadata, or a file of another writer that it leads to,",
    };
    for version in first..=state.version {
        let (outcome, detail) = match (there.contains_key(&version), state.version - first) {
            (false, _) => ("missing", "a manifest lists this version".to_owned()),
            (true, 0) => (
                "mismatch",
                format!("{entry} is not the one that a manifest states"),
            ),
            (true, _) => (
                "mismatch",
                format!(
                    "one of the log entries {first} to {} is not the one that a manifest states",
                    state.version
                ),
            ),
        };
        report.file(&in_lake.entry_path(version)?, outcome, detail);
    }
    Ok(())
}

/// Digests of the files of a log's newest checkpoint up to a version, and of the one that points to it. karat itself reads the
/// commits; other readers begin here.
pub(crate) fn newest_checkpoint(
    table: &Table,
    version: i64,
) -> Result<BTreeMap<String, Digest>, PipelineError> {
    let files = table.newest_checkpoint(version)?.into_iter();
    Ok(files
        .map(|(name, bytes)| (name, Digest::of(&bytes)))
        .collect())
}

/// Checkpoints are as the manifests since state them.
fn checkpoints(
    lake: &Lake,
    report: &mut VerifyReport,
    logs: &BTreeMap<String, TableLog>,
    manifests: &[Read],
) -> Result<(), PipelineError> {
    let mut stated: BTreeMap<(&str, &str), Digest> = BTreeMap::new();
    for manifest in manifests {
        for (table, state) in &manifest.document.tables {
            for (name, digest) in &state.checkpoint {
                stated.insert((table, name), *digest);
            }
        }
    }
    for (&(table, name), digest) in &stated {
        let Some(log) = logs.get(table) else { continue };
        let in_lake = lake.table(&log.dir);
        // The pointer goes on with every checkpoint, also one that no manifest states yet.
        let is_known = |found: &str| stated.contains_key(&(table, found));
        if in_lake.checkpoint_went_on(name, is_known)? {
            continue;
        }
        let path = format!("{}/{name}", in_lake.log_dir()?);
        match lake.get(&path)? {
            None => report.file(&path, "missing", "a manifest lists it".to_owned()),
            Some(bytes) if Digest::of(&bytes) != *digest => {
                let detail = "its digest is not the one that a manifest states".to_owned();
                report.file(&path, "mismatch", detail);
            }
            Some(_) => {}
        }
    }
    Ok(())
}

/// Recorded code has the digest that names it; returns what there is.
fn code(lake: &Lake, report: &mut VerifyReport) -> Result<BTreeSet<String>, PipelineError> {
    let mut paths = BTreeSet::new();
    for name in lake.list(layout::CODE)? {
        let path = format!("{}/{name}", layout::CODE);
        let Some(bytes) = lake.get(&path)? else {
            continue;
        };
        if layout::code(Digest::of(&bytes)) != path {
            report.file(&path, "mismatch", "its digest is not its name".to_owned());
        }
        paths.insert(path);
    }
    Ok(paths)
}

/// Intents of one writer by epoch; none for one that cannot be read.
type OfWriter = BTreeMap<i64, Option<Intent>>;

/// Every epoch has an intent, and every intent but the newest is settled: its table carries it, or a note closes it.
fn intents(
    lake: &Lake,
    report: &mut VerifyReport,
    logs: &BTreeMap<String, TableLog>,
    manifests: &[Read],
    code: &BTreeSet<String>,
) {
    let mut writers: BTreeMap<String, OfWriter> = BTreeMap::new();
    let mut closed: BTreeSet<(String, i64)> = BTreeSet::new();
    walk_json(&lake.root().join("_karat/intents"), &mut |path| {
        let shown = slashed(path.strip_prefix(lake.root()).unwrap_or(path));
        let Some((folder, name)) = shown.rsplit_once('/') else {
            return;
        };
        let stem = name.trim_end_matches(".json");
        let is_closing = stem.ends_with(".closed");
        let Ok(epoch) = stem.trim_end_matches(".closed").parse::<i64>() else {
            report.file(&shown, "mismatch", "its name is no epoch".to_owned());
            return;
        };
        let bytes = std::fs::read(path).map_err(|error| error.to_string());
        let is_here = |writer: &str, stated: i64| {
            let stated = intent_path(writer, stated);
            match stated.trim_end_matches(".json") == format!("{folder}/{epoch}") {
                true => Ok(()),
                false => Err(format!("it belongs to `{stated}`")),
            }
        };
        let read = if is_closing {
            closed.insert((folder.to_owned(), epoch));
            bytes.and_then(|bytes| {
                let note = Closed::from_bytes(&bytes).map_err(|error| error.to_string())?;
                is_here(&note.feed_or_model, note.epoch)
            })
        } else {
            let intents = writers.entry(folder.to_owned()).or_default();
            let read = bytes.and_then(|bytes| {
                let intent = Intent::from_bytes(&bytes).map_err(|error| error.to_string())?;
                is_here(&intent.feed_or_model, intent.epoch)?;
                Ok(intent)
            });
            intents.insert(epoch, read.as_ref().ok().cloned());
            read.map(drop)
        };
        if let Err(detail) = read {
            report.file(&shown, "mismatch", detail);
        }
    });
    let whole: BTreeSet<&str> = manifests
        .iter()
        .filter(|manifest| manifest.document.complete)
        .map(|manifest| manifest.document.run.as_str())
        .collect();
    for (folder, epoch) in &closed {
        let intents = writers.entry(folder.clone()).or_default();
        if !intents.contains_key(epoch) {
            let path = format!("{folder}/{epoch}.json");
            report.file(&path, "missing", "a note closes it".to_owned());
            intents.insert(*epoch, None);
        }
    }
    for (folder, intents) in &writers {
        let newest = intents.keys().next_back().copied().unwrap_or(0);
        for epoch in (1..newest).filter(|epoch| !intents.contains_key(epoch)) {
            let path = format!("{folder}/{epoch}.json");
            report.file(&path, "missing", "there are later epochs".to_owned());
        }
        for (epoch, intent) in intents {
            let Some(intent) = intent else { continue };
            let code_path = layout::code(intent.code);
            if !code.contains(&code_path) {
                let detail = format!("code of `{folder}/{epoch}.json`");
                report.file(&code_path, "missing", detail);
            }
            if let Some(run) = intent.to["run"].as_str().filter(|_| is_undo(intent)) {
                let path = layout::undo(run);
                if !lake.root().join(&path).exists() {
                    let detail = format!("`{folder}/{epoch}.json` takes that run back");
                    report.file(&path, "missing", detail);
                }
            }
            let repaired = intent.feed_or_model.strip_prefix(layout::REPAIR);
            let log = logs.get(repaired.unwrap_or(&intent.feed_or_model));
            let carried = log.is_some_and(|log| {
                let epochs = match repaired {
                    Some(_) => &log.repairs,
                    None => &log.epochs,
                };
                log.versions.is_none() || epochs.contains(epoch)
            });
            if carried || closed.contains(&(folder.clone(), *epoch)) {
                continue;
            }
            let why = if *epoch < newest {
                "its epoch is not in its table, and there are later ones"
            } else if whole.contains(intent.run.as_str()) {
                "its epoch is not in its table, and its run ended well"
            } else {
                continue;
            };
            let path = format!("{folder}/{epoch}.closed.json");
            report.file(&path, "missing", why.to_owned());
        }
    }
}

/// What undos set out to do is done, table by table, or will be by whoever comes next.
fn undos(
    lake: &Lake,
    report: &mut VerifyReport,
    logs: &BTreeMap<String, TableLog>,
    manifests: &[Read],
) -> Result<(), PipelineError> {
    for name in lake.list(layout::UNDO)? {
        let path = format!("{}/{name}", layout::UNDO);
        let Some(bytes) = lake.get(&path)? else {
            continue;
        };
        let undo = match Undo::from_bytes(&bytes) {
            Ok(undo) if layout::undo(&undo.run) == path => undo,
            Ok(_) => {
                report.file(&path, "mismatch", "it is of another run".to_owned());
                continue;
            }
            Err(error) => {
                report.file(&path, "mismatch", error.to_string());
                continue;
            }
        };
        let ended_well = manifests
            .iter()
            .any(|manifest| manifest.document.complete && manifest.document.run == undo.by);
        for entry in &undo.tables {
            // Quarantine is written with silver, which has every epoch.
            let Some(table) = entry.table.parse::<TableName>().ok() else {
                continue;
            };
            let log = logs.get(&entry.table);
            // An intent that cannot be read is told where it lies.
            let epochs = Epochs::read(lake, &table, None).ok();
            let own = epochs.and_then(|epochs| undo::epoch_of(&epochs, &undo));
            let epoch = own.unwrap_or(entry.epoch);
            let is_settled = table.layer == Layer::Quarantine
                || log.is_some_and(|log| log.versions.is_none() || log.epochs.contains(&epoch))
                || lake.get(&layout::closed(&table, epoch))?.is_some();
            if is_settled {
                continue;
            }
            match ended_well {
                true => {
                    let detail = format!("`{table}` does not have its epoch {epoch}");
                    report.file(&path, "mismatch", detail);
                }
                false => {
                    let detail = format!(
                        "`{table}` is not taken back yet; {}",
                        undo::how_to_finish(&undo.run)
                    );
                    report.file(&path, "unfinished", detail);
                }
            }
        }
    }
    Ok(())
}

/// Notes of what was accepted of a feed, numbered from 1.
fn accepted(lake: &Lake, report: &mut VerifyReport) {
    let mut found: BTreeMap<String, BTreeSet<u64>> = BTreeMap::new();
    walk_json(&lake.root().join(layout::SCHEMA), &mut |path| {
        let shown = slashed(path.strip_prefix(lake.root()).unwrap_or(path));
        if let Some((folder, name)) = shown.rsplit_once('/')
            && let Ok(number) = name.trim_end_matches(".json").parse()
        {
            found.entry(folder.to_owned()).or_default().insert(number);
        }
        let read = std::fs::read(path)
            .map_err(|error| error.to_string())
            .and_then(|bytes| Accepted::from_bytes(&bytes).map_err(|error| error.to_string()));
        let detail = match read {
            Ok(note) => {
                let place = note
                    .feed
                    .parse::<TableName>()
                    .map(|feed| format!("{}/{}.json", layout::accepted(&feed), note.number));
                match place {
                    Ok(place) if place == shown => return,
                    _ => "it belongs to another feed or has another number".to_owned(),
                }
            }
            Err(error) => error,
        };
        report.file(&shown, "mismatch", detail);
    });
    for (folder, numbers) in found {
        let last = numbers.last().copied().unwrap_or(0);
        for number in (1..last).filter(|number| !numbers.contains(number)) {
            let path = format!("{folder}/{number}.json");
            report.file(&path, "missing", "there are later ones".to_owned());
        }
    }
}

/// What a receipt says of its inputs is what their logs and receipts say: so the graph leads back to the sources.
fn inputs(report: &mut VerifyReport, logs: &BTreeMap<String, TableLog>) {
    let mut wrong = Vec::new();
    for (table, log) in logs {
        for (version, entry) in log.versions.iter().flatten() {
            for input in &entry.inputs {
                let of_input = logs.get(&input.table);
                let Some(found) = of_input
                    .and_then(|log| log.versions.as_ref())
                    .and_then(|versions| versions.get(&input.version))
                else {
                    continue;
                };
                let same = |fingerprint: &String| fingerprint == &input.fingerprint;
                if found.receipt != input.receipt || !found.fingerprint.as_ref().is_none_or(same) {
                    wrong.push((table, *version, input, found.receipt));
                }
            }
        }
    }
    for (table, version, input, found) in wrong {
        let text = |digest: Option<Digest>| digest.map(|digest| digest.to_string());
        report.contradict(
            table,
            version,
            text(input.receipt),
            text(found),
            format!(
                "what its receipt says of {}@{} is not what that table's log says",
                input.table, input.version
            ),
        );
    }
}

fn walk_json(folder: &Path, visit: &mut dyn FnMut(&Path)) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            walk_json(&path, visit);
        } else if path
            .extension()
            .is_some_and(|extension| extension == "json")
        {
            visit(&path);
        }
    }
}
