//! Iceberg tables of the file system's catalog, format version 2: no server, one metadata file a version, created once.
//!
//! Metadata is edited as JSON, so that what other writers put there stays; manifests are read and written by an Avro of our own, which is
//! smaller than what libraries for Iceberg bring with them. Data files are karat's own. What karat does not know is refused by name.

mod avro;
mod commit;
mod log;
mod manifests;
mod metadata;
mod schema;
mod stats;

use std::path::Path;
use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};

use serde_json::Value;

pub(crate) use self::commit::Prepared;
pub(crate) use self::log::{IcebergLog, add_digests};
use self::log::{Listing, named_by, read_hint};
pub(crate) use self::manifests::DataFile;
use self::manifests::{Entry, ManifestFile};
use self::metadata::Metadata;
use crate::canonical::Before;
use crate::table::Table;
use crate::{LakeError, Snapshot};

pub(crate) const LOG_FOLDER: &str = "metadata";
/// The file by which other readers find the newest metadata file.
const HINT: &str = "version-hint.text";
/// In a copy beside the lake: the folder that the metadata means.
const LINKED: &str = ".karat-linked";

/// What karat's own words begin with, in the properties of a table and in the summary of a snapshot.
const OWN: &str = "karat.";
/// Property: the newest epoch of an application, whose name follows.
const TXN: &str = "karat.txn.";
/// In the summary of a snapshot: the version that it made. Where it says another, another writer made this one.
const VERSION: &str = "karat.version";
const RECEIPT: &str = "karat.receipt";
const RUN: &str = "karat.run";
const OPERATION: &str = "karat.operation";
/// The time of the commit by its writer's clock; Iceberg's own time never goes back.
const TIME: &str = "karat.timestamp-ms";

/// What a version of an Iceberg table states, for the commit after it.
#[derive(Debug)]
pub(crate) struct Kept {
    /// The metadata as it stands in its file.
    value: Value,
    metadata: Metadata,
    /// The columns with their field ids.
    numbered: Schema,
    /// The table's folder as its paths have it.
    location: String,
    /// Manifests with the live files that they name.
    manifests: Vec<(ManifestFile, Arc<Vec<Entry>>)>,
}

impl Kept {
    /// Refuses, by name, what karat's commits would break.
    pub(crate) fn check_writable(&self, dir: &str) -> Result<(), LakeError> {
        let refuse = |why: String, hint: &str| Err(LakeError::refused("write", dir, why, hint));
        let columns = self.metadata.current_schema();
        if !columns.identifier_field_ids.is_empty() {
            return refuse(
                "it has identifier fields".into(),
                "unset them there; state the key in the silver model",
            );
        }
        let mut fields = columns.fields.iter();
        let required = fields.find_map(|field| {
            let below = || schema::required_in(&field.of, &field.name);
            field.required.then(|| field.name.clone()).or_else(below)
        });
        if let Some(path) = required {
            return refuse(
                format!("column `{path}` is required"),
                "make it optional there; state it as an expectation of the silver model",
            );
        }
        Ok(())
    }
}

/// Name of the metadata file that makes a version.
pub(crate) fn entry_name(version: i64) -> String {
    format!("v{}.metadata.json", version + 1)
}

/// Whether a folder holds an Iceberg table, or may: a log that may not be looked at hides no table.
pub(crate) fn is_at(table: &Path) -> bool {
    Listing::read(table).map_or(true, |listing| !listing.is_empty())
}

/// A schema with the field ids that a commit onto this version gives its columns.
pub(crate) fn with_ids(
    current: Option<&Snapshot>,
    columns: &SchemaRef,
) -> Result<SchemaRef, LakeError> {
    let canonical = crate::schema::canonical(columns)?;
    Ok(match current.and_then(kept) {
        Some(kept) => schema::assign(
            &canonical,
            Some(&kept.numbered),
            kept.metadata.last_column_id,
        ),
        None => schema::assign(&canonical, None, 0),
    })
}

/// What the manifests of a version say of a file, by its path in the table.
pub(crate) fn named(kept: &Kept, path: &str) -> Option<Before> {
    let mut live = kept.manifests.iter().flat_map(|(_, live)| live.iter());
    let whole = format!("{}/{path}", kept.location);
    let found = live.find(|entry| log::without_scheme(&entry.file.path) == whole);
    found.map(|entry| Before {
        file: entry.file.clone(),
        numbered: kept.numbered.clone(),
    })
}

fn kept(snapshot: &Snapshot) -> Option<&Kept> {
    match &snapshot.kept {
        crate::table::Kept::Iceberg(kept) => Some(kept),
        crate::table::Kept::Delta(_) => None,
    }
}

/// What is wrong with the file by which other readers find the newest version.
pub(crate) fn wrong_pointer(table: &Table) -> Result<Option<(String, String)>, LakeError> {
    let mut found = read_hint(table.path())?;
    let newest = loop {
        let listing = Listing::read(table.path())?;
        let Some(&newest) = listing.versions.last() else {
            return Ok(None);
        };
        if found.as_deref() == Some(&commit::hint(newest)) {
            return Ok(None);
        }
        // Somebody may have committed since it was read.
        let again = read_hint(table.path())?;
        if again == found {
            break newest;
        }
        found = again;
    };
    let says = match found {
        Some(text) => match named_by(&text) {
            Some(named) if named != newest => format!("it names `{}`", entry_name(named)),
            _ => {
                let shown: String = text.chars().take(40).collect();
                format!("it says `{}`, which is no number", shown.escape_debug())
            }
        },
        None => "it is missing".to_owned(),
    };
    let detail = format!(
        "{says}, and the newest metadata is `{}`: other readers begin here; the next run writes it anew",
        entry_name(newest)
    );
    let path = format!("{}/{LOG_FOLDER}/{HINT}", table.dir());
    Ok(Some((path, detail)))
}

/// Writes the file by which other readers find the newest version, if it does not name that one.
pub(crate) fn mend_pointer(table: &Table) -> Result<(), LakeError> {
    let listing = Listing::read(table.path())?;
    let Some(&newest) = listing.versions.last() else {
        return Ok(());
    };
    let found = read_hint(table.path())?;
    // One that names more than there is, is a matter for a person: a version may be lost.
    let is_ahead = found.as_deref().and_then(named_by) > Some(newest);
    match is_ahead || found.is_some_and(|text| text == commit::hint(newest)) {
        true => Ok(()),
        false => commit::write_hint(table.path(), newest),
    }
}

/// Names of manifests and lists, of this version or that, whose bytes are not those that their names state.
pub(crate) fn altered(table: &Table) -> Result<Vec<String>, LakeError> {
    let folder = table.path().join(LOG_FOLDER);
    let mut altered = Vec::new();
    for name in crate::folder::names_in(&folder)? {
        if let Some(named) = crate::sha256_in_name(&name) {
            let (_, found) = crate::hash_file(&folder.join(&name))?;
            if found != named {
                altered.push(name);
            }
        }
    }
    Ok(altered)
}

/// Says in a copy beside the lake which folder its metadata means.
pub(crate) fn mark_linked(snapshot: &Snapshot, copy: &Path) -> Result<(), LakeError> {
    let Some(kept) = kept(snapshot) else {
        return Ok(());
    };
    let path = copy.join(LOG_FOLDER).join(LINKED);
    std::fs::write(&path, &kept.location).map_err(LakeError::io("write", path))
}
