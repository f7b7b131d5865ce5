//! The one way into a table: account, seal the receipt, commit (G2, G6, A4).
//!
//! Whatever a step computed arrives here as files to add and remove against a stated base. The receipt is written under its
//! own digest first; the commit names it and goes in only if the base is still the newest version.

use std::collections::BTreeMap;

use arrow::datatypes::SchemaRef;
use karat_exact::Fingerprint;
use karat_exact::fingerprint::schema_text;
use karat_lake::{
    Commit, CommitError, CommitRecord, LiveFile, Snapshot, Table, WrittenFile, failpoint, hash_file,
};
use karat_project::TableName;
use karat_receipt::{Digest, FileRef, Kind, Opened, Receipt, live_files_digest, seal};
use serde::{Deserialize, Serialize};

use crate::context::{Event, Site};
use crate::error::PipelineError;
use crate::layout;

/// A table's newest version with the receipt that its commit names.
#[derive(Debug, Clone)]
pub struct Head {
    /// The version as the log tells it.
    pub snapshot: Snapshot,
    /// Digest of the receipt, None for a foreign commit.
    pub receipt: Option<Digest>,
    /// Run that made it.
    pub run: Option<String>,
    /// The log entry of the version, relative to the lake, if it is missing: a checkpoint stands in for it.
    pub missing: Option<String>,
}

/// Loads a table's newest version; None if the table does not exist yet.
pub fn head(table: &Table) -> Result<Option<Head>, PipelineError> {
    let Some(snapshot) = table.load()? else {
        return Ok(None);
    };
    // Not the newest of the log: by now that may be another.
    let record = table.record(snapshot.version)?;
    Ok(Some(head_of(table, snapshot, record.as_ref())?))
}

/// A version that a document names, with the receipt that it had. None where the table has no such version, or another in its place:
/// a table whose folder was gone and that a model made anew counts from 0 again.
pub(crate) fn recorded_version(
    table: &Table,
    version: i64,
    receipt: Option<Digest>,
) -> Result<Option<Snapshot>, PipelineError> {
    match table.newest_version()? {
        Some(newest) if newest >= version => {}
        _ => return Ok(None),
    }
    if let Some(receipt) = receipt {
        let record = table.record(version)?;
        let made_by = record.and_then(|record| record.receipt);
        if made_by.as_deref() != Some(receipt.to_string().as_str()) {
            return Ok(None);
        }
    }
    Ok(table.load_at(version)?)
}

/// Loads one version of a table; None if the table does not exist yet.
pub(crate) fn head_at(table: &Table, version: i64) -> Result<Option<Head>, PipelineError> {
    let Some(snapshot) = table.load_at(version)? else {
        return Ok(None);
    };
    let record = table.record(version)?;
    Ok(Some(head_of(table, snapshot, record.as_ref())?))
}

fn head_of(
    table: &Table,
    snapshot: Snapshot,
    record: Option<&CommitRecord>,
) -> Result<Head, PipelineError> {
    Ok(Head {
        missing: match record {
            Some(_) => None,
            None => Some(table.entry_path(snapshot.version)?),
        },
        receipt: record
            .and_then(|record| record.receipt.as_deref())
            .and_then(|text| text.parse().ok()),
        run: record.and_then(|record| record.run.clone()),
        snapshot,
    })
}

/// Said where a model is computed whose table holds what a person adopted (A7).
pub(crate) const ADOPTED_GO: &str = "the adopted rows are replaced by what the model computes";

/// A run goes on from no version of another writer.
pub(crate) fn no_foreign(table: &TableName, head: Option<&Head>) -> Result<(), PipelineError> {
    match head {
        Some(head) => {
            check_entry(table, head)?;
            match head.receipt {
                Some(_) => Ok(()),
                None => Err(PipelineError::Foreign {
                    table: table.to_string(),
                    version: head.snapshot.version,
                }),
            }
        }
        None => Ok(()),
    }
}

/// That the log still has the entry of a version.
pub(crate) fn check_entry(table: &TableName, head: &Head) -> Result<(), PipelineError> {
    match &head.missing {
        None => Ok(()),
        Some(file) => Err(PipelineError::Damaged {
            table: table.to_string(),
            file: file.clone(),
            how: "is missing, and a checkpoint stands in for it",
        }),
    }
}

/// The receipt of the newest version that karat itself made, and whether adopted versions of another writer came after it.
pub(crate) fn own_receipt(
    site: &Site,
    head: &Head,
) -> Result<(Option<Receipt>, bool), PipelineError> {
    let mut next = head.receipt;
    let mut adopted = false;
    while let Some(digest) = next {
        let receipt = read_receipt(site, digest)?;
        if receipt.kind != Kind::Adopt {
            return Ok((Some(receipt), adopted));
        }
        adopted = true;
        next = receipt.previous;
    }
    Ok((None, adopted))
}

/// The receipt that a feed's table had before people repaired rows of it; of a version that an undo brought back, that version's.
pub(crate) fn newest_load(site: &Site, digest: Digest) -> Result<Receipt, PipelineError> {
    let mut receipt = read_receipt(site, digest)?;
    loop {
        let before = match receipt.kind {
            Kind::Repair => receipt.previous,
            Kind::Undo => brought_back(&receipt).map(|(_, digest)| digest),
            Kind::Load | Kind::Transform | Kind::Adopt => None,
        };
        let Some(before) = before else {
            return Ok(receipt);
        };
        receipt = read_receipt(site, before)?;
    }
}

/// In the parameters of an undo's receipt: the run that was taken back.
pub(crate) const UNDONE_RUN: &str = "undo.run";
/// The version whose files the table has again; not there where the run had made the first.
pub(crate) const UNDONE_TO: &str = "undo.version";
/// Its receipt.
pub(crate) const UNDONE_TO_RECEIPT: &str = "undo.receipt";

/// The version that an undo brought back, and its receipt; None if the run that was taken back had made the table.
pub(crate) fn brought_back(receipt: &Receipt) -> Option<(i64, Digest)> {
    let of = |key: &str| {
        receipt
            .parameters
            .get(key)
            .filter(|_| receipt.kind == Kind::Undo)
    };
    let version = of(UNDONE_TO)?.parse().ok()?;
    Some((version, of(UNDONE_TO_RECEIPT)?.parse().ok()?))
}

/// Whether a table is as if it had never been made: the run that made it was taken back. It has no row, and counts as one without a version.
pub(crate) fn is_taken_back(site: &Site, head: &Head) -> Result<bool, PipelineError> {
    let Some(receipt) = receipt_of(site, head)? else {
        return Ok(false);
    };
    Ok(receipt.kind == Kind::Undo && brought_back(&receipt).is_none())
}

/// Reads the receipt that a head names.
pub fn receipt_of(site: &Site, head: &Head) -> Result<Option<Receipt>, PipelineError> {
    let Some(digest) = head.receipt else {
        return Ok(None);
    };
    read_receipt(site, digest).map(Some)
}

/// Reads a receipt by its digest.
pub fn read_receipt(site: &Site, digest: Digest) -> Result<Receipt, PipelineError> {
    Ok(open_receipt(site, digest)?.receipt)
}

/// The same with who signed it.
pub(crate) fn open_receipt(site: &Site, digest: Digest) -> Result<Opened, PipelineError> {
    Ok(receipt_and_bytes(site, digest)?.0)
}

/// The same with the bytes of its document.
pub(crate) fn receipt_and_bytes(
    site: &Site,
    digest: Digest,
) -> Result<(Opened, Vec<u8>), PipelineError> {
    let path = layout::receipt(digest);
    let bytes = site
        .lake
        .get(&path)?
        .ok_or_else(|| PipelineError::MissingReceipt {
            digest: digest.to_string(),
        })?;
    let opened = karat_receipt::open_expecting(&bytes, &digest);
    Ok((opened.map_err(PipelineError::document(&path))?, bytes))
}

/// Fingerprints of a version's live files, kept beside its receipt.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct FileFingerprints {
    /// By file path, relative to the table.
    pub files: BTreeMap<String, Fingerprint>,
}

/// Files and facts of one change to one table.
pub struct Change {
    /// Newest version, None to create the table.
    pub base: Option<Head>,
    /// Schema of the new version.
    pub schema: SchemaRef,
    /// Files to add.
    pub added: Vec<WrittenFile>,
    /// Files to remove.
    pub removed: Vec<LiveFile>,
    /// Application of the table's transaction, e.g. `feed:ledger.landing__entries`.
    pub app: String,
    /// Word for the log: `APPEND`, `OVERWRITE`, `MERGE`, `CREATE`.
    pub operation: &'static str,
    /// The receipt with everything but what follows from the files.
    pub receipt: Receipt,
    /// Columns outside the fingerprint.
    pub excluded: &'static [&'static str],
}

/// A committed version.
#[derive(Debug, Clone)]
pub struct Published {
    /// The version.
    pub version: i64,
    /// Digest of its receipt.
    pub receipt: Digest,
    /// Fingerprint of the whole table.
    pub fingerprint: Fingerprint,
    /// Rows of the whole table.
    pub rows: u64,
}

/// SHA-256 that a data file's name states; None for a file that karat did not name.
pub fn sha256_of_name(path: &str) -> Option<&str> {
    let digest = path.get(..64)?;
    let hexadecimal = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    (path.as_bytes().get(64) == Some(&b'-') && digest.bytes().all(hexadecimal)).then_some(digest)
}

/// SHA-256 of a data file: as its name states it; of an adopted file of another writer, from its bytes.
pub fn sha256_of(site: &Site, table: &Table, path: &str) -> Result<String, PipelineError> {
    match sha256_of_name(path) {
        Some(digest) => Ok(digest.to_owned()),
        None => Ok(hash_file(&site.lake.root().join(table.dir()).join(path))?.1),
    }
}

/// The fingerprint of each live file of a version: from beside its receipt if they are those that it states, else decoded from the
/// rows again.
pub async fn file_fingerprints(
    site: &Site,
    table: &Table,
    head: &Head,
    excluded: &[&str],
) -> Result<FileFingerprints, PipelineError> {
    let mut known = FileFingerprints::default();
    if let Some(digest) = head.receipt
        && let Some(bytes) = site.lake.get(&layout::file_fingerprints(digest))?
        && Digest::of(&bytes) == read_receipt(site, digest)?.file_fingerprints
        && let Ok(found) = serde_json::from_slice::<FileFingerprints>(&bytes)
    {
        known = found;
    }
    for file in &head.snapshot.files {
        if !known.files.contains_key(&file.path) {
            // One of a version that is being adopted is as it is found.
            if head.receipt.is_some() {
                crate::proven::prove(site, table, [file]).await?;
            }
            let fingerprint =
                crate::read::fingerprint_file(site, table, &head.snapshot.schema, file, excluded)
                    .await?;
            known.files.insert(file.path.clone(), fingerprint);
        }
    }
    Ok(known)
}

/// Publishes a change: fills the receipt from the files, checks that its rows add up, writes it, commits.
pub async fn publish(
    site: &Site,
    table: &Table,
    change: Change,
) -> Result<Published, PipelineError> {
    let Change {
        base,
        schema,
        added,
        removed,
        app,
        operation,
        mut receipt,
        excluded,
    } = change;
    crate::accounting::check(&receipt)?;
    check_audited(site, &receipt)?;

    let mut live: Live = BTreeMap::new();
    if let Some(head) = &base {
        if head.receipt.is_none() {
            return Err(PipelineError::Foreign {
                table: receipt.table.clone(),
                version: head.snapshot.version,
            });
        }
        let prints = file_fingerprints(site, table, head, excluded).await?;
        for file in &head.snapshot.files {
            let print = prints.files.get(&file.path).copied().unwrap_or_default();
            live.insert(file.path.clone(), (file.size, print));
        }
        for file in &removed {
            let Some((size, print)) = live.remove(&file.path) else {
                return Err(PipelineError::Internal(format!(
                    "`{}` is not a live file of `{}`",
                    file.path, receipt.table
                )));
            };
            receipt
                .files_removed
                .push(file_ref(site, table, &file.path, size, print)?);
        }
    }
    for file in &added {
        live.insert(file.path.clone(), (file.size, file.fingerprint));
        receipt.files_added.push(file_ref(
            site,
            table,
            &file.path,
            file.size,
            file.fingerprint,
        )?);
    }
    // What an undo adds was written before.
    receipt.bytes_written = match receipt.kind {
        Kind::Undo => 0,
        _ => added.iter().map(|file| file.size).sum(),
    };
    receipt.previous = base.as_ref().and_then(|head| head.receipt);
    let sealed = put_receipt(site, table, &mut receipt, base.as_ref(), &schema, &live)?;
    site.proven.wrote(table, &added);
    commit(
        site,
        table,
        base.as_ref(),
        schema,
        (added, removed),
        (app, operation),
        &receipt,
        sealed,
    )
}

/// That a version which its model made was held to the model's checks (C7); rows that stand in for a table in a test were not.
fn check_audited(site: &Site, receipt: &Receipt) -> Result<(), PipelineError> {
    let name = receipt.table.parse::<TableName>().ok();
    let model = name.and_then(|name| site.project.model(&name));
    // A version that is brought back was visible before: its checks are made again where they are due.
    let is_made = receipt.kind != Kind::Undo;
    let unchecked = model.is_some_and(|model| {
        let by_it = receipt.code == Digest::of(model.code_text().as_bytes());
        is_made && by_it && !model.checks.is_empty() && receipt.audit.is_none()
    });
    match unchecked {
        true => Err(PipelineError::Internal(format!(
            "the checks of `{}` were not made",
            receipt.table
        ))),
        false => Ok(()),
    }
}

/// Takes foreign versions into the record: a commit without data, whose receipt holds the difference to the last receipt.
pub async fn publish_adoption(
    site: &Site,
    table: &Table,
    now: &Head,
    before: Option<&Head>,
    mut receipt: Receipt,
    excluded: &[&str],
) -> Result<Published, PipelineError> {
    let old = match before {
        Some(head) => {
            let prints = file_fingerprints(site, table, head, excluded).await?;
            files_of(head, &prints)
        }
        None => Live::new(),
    };
    let live = files_of(now, &file_fingerprints(site, table, now, excluded).await?);
    for (path, (size, print)) in &old {
        if !live.contains_key(path) {
            receipt
                .files_removed
                .push(file_ref(site, table, path, *size, *print)?);
        }
    }
    for (path, (size, print)) in &live {
        if !old.contains_key(path) {
            receipt
                .files_added
                .push(file_ref(site, table, path, *size, *print)?);
        }
    }
    receipt.previous = before.and_then(|head| head.receipt);
    let schema = now.snapshot.schema.clone();
    let sealed = put_receipt(site, table, &mut receipt, Some(now), &schema, &live)?;
    let app = format!("adopt:{}", receipt.table);
    commit(
        site,
        table,
        Some(now),
        schema,
        (Vec::new(), Vec::new()),
        (app, "ADOPT"),
        &receipt,
        sealed,
    )
}

/// Size and fingerprint of each live file, by path.
type Live = BTreeMap<String, (u64, Fingerprint)>;

fn files_of(head: &Head, prints: &FileFingerprints) -> Live {
    let files = head.snapshot.files.iter();
    files
        .map(|file| {
            let print = prints.files.get(&file.path).copied().unwrap_or_default();
            (file.path.clone(), (file.size, print))
        })
        .collect()
}

/// Fills in what follows from the live files, and writes the receipt and the fingerprints beside it.
fn put_receipt(
    site: &Site,
    table: &Table,
    receipt: &mut Receipt,
    base: Option<&Head>,
    schema: &SchemaRef,
    live: &Live,
) -> Result<Digest, PipelineError> {
    let fingerprint = live
        .values()
        .fold(Fingerprint::default(), |sum, (_, print)| sum + *print);
    receipt.version = base.map_or(0, |head| head.snapshot.version + 1);
    receipt.fingerprint = fingerprint.to_string();
    receipt.schema = Digest::of(schema_text(schema).as_bytes());
    let mut digests = Vec::with_capacity(live.len());
    for (path, (size, _)) in live {
        digests.push((path.as_str(), *size, sha256_of(site, table, path)?));
    }
    receipt.live_files = live_files_digest(
        digests
            .iter()
            .map(|(path, size, digest)| (*path, *size, digest.as_str())),
    );
    let prints = FileFingerprints {
        files: live
            .iter()
            .map(|(path, (_, print))| (path.clone(), *print))
            .collect(),
    };
    let prints =
        serde_json::to_vec(&prints).map_err(|error| PipelineError::Internal(error.to_string()))?;
    receipt.file_fingerprints = Digest::of(&prints);
    let sealed = seal(receipt, site.context.key.as_ref());
    failpoint::hit("receipt.before");
    site.lake
        .put_if_absent(&layout::file_fingerprints(sealed.digest), &prints)?;
    site.lake
        .put_if_absent(&layout::receipt(sealed.digest), &sealed.bytes)?;
    failpoint::hit("receipt.after");
    Ok(sealed.digest)
}

/// Commits against the stated base, naming the receipt.
#[expect(
    clippy::too_many_arguments,
    reason = "the facts of one commit, called from two places"
)]
fn commit(
    site: &Site,
    table: &Table,
    base: Option<&Head>,
    schema: SchemaRef,
    (add, remove): (Vec<WrittenFile>, Vec<LiveFile>),
    (app, operation): (String, &str),
    receipt: &Receipt,
    sealed: Digest,
) -> Result<Published, PipelineError> {
    site.context.progress.event(&Event::Committing {
        table: receipt.table.clone(),
    });
    let committed = table.commit(Commit {
        base: base.map(|head| head.snapshot.version),
        schema,
        add,
        remove,
        app: (app, receipt.epoch),
        receipt: sealed.to_string(),
        run: receipt.run.clone(),
        operation: operation.to_owned(),
        timestamp_ms: site.context.now_ms(),
        properties: BTreeMap::new(),
    });
    let version = match committed {
        Ok(version) => version,
        // Ours after all, its answer lost: not so if it names another receipt, of a run on another machine.
        Err(CommitError::AlreadyCommitted { version, .. })
            if version == receipt.version && names(table, version, sealed)? =>
        {
            version
        }
        Err(CommitError::AlreadyCommitted { .. } | CommitError::Conflict { .. }) => {
            return Err(PipelineError::LostRace {
                table: receipt.table.clone(),
            });
        }
        Err(CommitError::Lake(error)) => return Err(error.into()),
    };
    let fingerprint: Fingerprint = receipt
        .fingerprint
        .parse()
        .map_err(|_| PipelineError::Internal("a fingerprint does not read back".to_owned()))?;
    Ok(Published {
        version,
        receipt: sealed,
        fingerprint,
        rows: fingerprint.rows,
    })
}

fn names(table: &Table, version: i64, receipt: Digest) -> Result<bool, PipelineError> {
    let record = table.record(version)?;
    let named = record.and_then(|record| record.receipt);
    Ok(named.is_some_and(|named| named == receipt.to_string()))
}

fn file_ref(
    site: &Site,
    table: &Table,
    path: &str,
    size: u64,
    fingerprint: Fingerprint,
) -> Result<FileRef, PipelineError> {
    Ok(FileRef {
        path: path.to_owned(),
        size,
        sha256: sha256_of(site, table, path)?,
        rows: fingerprint.rows,
        fingerprint: fingerprint.to_string(),
    })
}
