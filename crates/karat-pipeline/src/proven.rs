//! Data files proven before their rows are used: a version comes from what the record says of its inputs, or not at all (A7, G4).
//!
//! A receipt states the fingerprints of the versions that were read, which is true only if their files still hold what was written.
//! So each file is hashed before its rows go into a load, a model or a fingerprint, once a run: a second step that reads it finds it
//! proven as long as its size and its time of change are the same. What the run wrote itself was hashed while it was written.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use futures::{StreamExt, TryStreamExt};
use karat_exact::fingerprint::schema_text;
use karat_lake::{LiveFile, Table, WrittenFile, hash_file};
use karat_project::TableName;
use karat_receipt::{Digest, live_files_digest};

use crate::context::Site;
use crate::error::PipelineError;
use crate::ingest::joined;
use crate::publish::{Head, check_entry, read_receipt, sha256_of_name};

/// The files that this run has hashed, as they were then.
#[derive(Debug, Default)]
pub struct Proven {
    files: Mutex<HashMap<PathBuf, Stamp>>,
}

/// By what a file is known to be the one that was hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    size: u64,
    modified: SystemTime,
}

/// A file that is to be hashed.
struct Unproven {
    path: String,
    absolute: PathBuf,
    size: u64,
    sha256: String,
    stamp: Option<Stamp>,
}

impl Proven {
    /// Takes in files whose bytes were hashed as they were written.
    pub(crate) fn wrote(&self, table: &Table, files: &[WrittenFile]) {
        for file in files {
            let path = table.path().join(&file.path);
            // One of an earlier run that was found in its place was not written now.
            if !file.existed {
                let stamp = stamp(&path);
                self.remember(path, stamp);
            }
        }
    }

    fn remember(&self, path: PathBuf, stamp: Option<Stamp>) {
        if let Some(stamp) = stamp {
            let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
            files.insert(path, stamp);
        }
    }

    fn knows(&self, path: &Path, stamp: Option<Stamp>) -> bool {
        let files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        stamp.is_some() && files.get(path) == stamp.as_ref()
    }
}

/// Proves that files of a table hold the bytes that were written; the first that does not is the error.
pub(crate) async fn prove<'f>(
    site: &Site,
    table: &Table,
    files: impl IntoIterator<Item = &'f LiveFile>,
) -> Result<(), PipelineError> {
    let mut unproven = Vec::new();
    let mut digests = Digests::default();
    for file in files {
        let absolute = table.path().join(&file.path);
        if matches!(absolute.try_exists(), Ok(false)) {
            return Err(damaged(table, &file.path, "is missing"));
        }
        let stamp = stamp(&absolute);
        if site.proven.knows(&absolute, stamp) {
            continue;
        }
        let Some(sha256) = digests.of(site, table, &file.path)? else {
            return Err(damaged(table, &file.path, "is in no receipt"));
        };
        unproven.push(Unproven {
            path: file.path.clone(),
            absolute,
            size: file.size,
            sha256,
            stamp,
        });
    }
    let hashing = unproven.into_iter().map(|file| {
        tokio::task::spawn_blocking(move || hash_file(&file.absolute).map(|found| (file, found)))
    });
    let mut hashed = futures::stream::iter(hashing).buffered(site.engine.threads());
    while let Some((file, (size, sha256))) = hashed.try_next().await.map_err(joined)?.transpose()? {
        if size != file.size || sha256 != file.sha256 {
            let how = "is damaged: its bytes are not those that were written";
            return Err(damaged(table, &file.path, how));
        }
        site.proven.remember(file.absolute, file.stamp);
    }
    Ok(())
}

/// Proves that the log of a table names the files that the receipt of its newest version states, and no others.
pub(crate) fn prove_list(site: &Site, table: &Table, head: &Head) -> Result<(), PipelineError> {
    let Some(receipt) = head.receipt else {
        return Ok(());
    };
    let mut digests = Digests::default();
    let mut files = Vec::with_capacity(head.snapshot.files.len());
    for file in &head.snapshot.files {
        let sha256 = digests.of(site, table, &file.path)?.unwrap_or_default();
        files.push((file.path.as_str(), file.size, sha256));
    }
    let listed = live_files_digest(
        files
            .iter()
            .map(|(path, size, sha256)| (*path, *size, sha256.as_str())),
    );
    if listed == read_receipt(site, receipt)?.live_files {
        return Ok(());
    }
    let how = "leads to other data files than its receipt states";
    if let Some(checkpoint) = &head.snapshot.checkpoint {
        return Err(damaged(table, checkpoint, how));
    }
    let entry = table.entry_path(head.snapshot.version)?;
    let below = entry.strip_prefix(&format!("{}/", table.dir()));
    Err(damaged(table, below.unwrap_or(&entry), how))
}

/// That the log has the entry of a version, and that what a checkpoint says in the place of the log is what the receipt states: nothing
/// else vouches for it.
pub(crate) fn check_head(site: &Site, name: &TableName, head: &Head) -> Result<(), PipelineError> {
    check_entry(name, head)?;
    let (Some(checkpoint), Some(receipt)) = (&head.snapshot.checkpoint, head.receipt) else {
        return Ok(());
    };
    let table = site.lake.table(&name.folder());
    prove_list(site, &table, head)?;
    let schema = Digest::of(schema_text(&head.snapshot.schema).as_bytes());
    if schema == read_receipt(site, receipt)?.schema {
        return Ok(());
    }
    let how = "states other columns than its receipt";
    Err(damaged(&table, checkpoint, how))
}

/// What files must hash to.
#[derive(Default)]
struct Digests {
    /// As receipts state them: needed for files that another writer named.
    stated: Option<BTreeMap<String, String>>,
}

impl Digests {
    /// The SHA-256 in the file's name; of an adopted file, the one that its adoption states.
    fn of(
        &mut self,
        site: &Site,
        table: &Table,
        path: &str,
    ) -> Result<Option<String>, PipelineError> {
        if let Some(named) = sha256_of_name(path) {
            return Ok(Some(named.to_owned()));
        }
        let stated = match &self.stated {
            Some(stated) => stated,
            None => self.stated.insert(stated(site, table)?),
        };
        Ok(stated.get(path).cloned())
    }
}

fn stated(site: &Site, table: &Table) -> Result<BTreeMap<String, String>, PipelineError> {
    let mut stated = BTreeMap::new();
    for record in table.history(None)? {
        let named = record.receipt.as_deref();
        let Some(digest) = named.and_then(|text| text.parse::<Digest>().ok()) else {
            continue;
        };
        let added = read_receipt(site, digest)?.files_added.into_iter();
        stated.extend(added.map(|file| (file.path, file.sha256)));
    }
    Ok(stated)
}

/// None of a file that cannot be looked at or whose time of change is not known: it is hashed each time.
fn stamp(path: &Path) -> Option<Stamp> {
    let found = std::fs::metadata(path).ok()?;
    Some(Stamp {
        size: found.len(),
        modified: found.modified().ok()?,
    })
}

fn damaged(table: &Table, file: &str, how: &'static str) -> PipelineError {
    let dir = table.dir();
    let mut parts = dir.splitn(3, '/');
    let mut part = || parts.next().unwrap_or_default();
    PipelineError::Damaged {
        table: format!("{}_{}.{}", part(), part(), part()),
        file: format!("{dir}/{file}"),
        how,
    }
}
