//! One commit of an Iceberg table: manifests, their list, the metadata file that makes the version, and the hint for other readers.
//!
//! Each is on disk before the next, and the metadata file is created only if there is none of its name: of two writers one wins. What a
//! loser or a killed process leaves is named by its digest and by no version.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};

use arrow::datatypes::{Field, Schema};

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::log::Listing;
use super::manifests::{Fate, ManifestFile, Scribe, put_all};
use super::metadata::Metadata;
use super::schema::{NARROW, highest_id, narrow, to_json};
use super::{
    HINT, Kept, LOG_FOLDER, OPERATION, RECEIPT, RUN, TIME, TXN, VERSION, entry_name, kept, schema,
    stats,
};
use crate::canonical::Named;
use crate::folder::{Put, create_temporary, put_if_absent, sync_dir};
use crate::table::{self, Table};
use crate::{Commit, LakeError, Snapshot, failpoint};

/// Manifests at which a commit makes one of all: who reads the table opens each.
const MANIFESTS_MAX: usize = 100;
/// Files named by a manifest that merging makes.
const FILES_IN_MANIFEST: usize = 20_000;
/// Metadata files that a metadata file names, as other writers do.
const LOGGED_METADATA: usize = 100;

/// A commit on its way into a table.
pub(crate) struct Prepared {
    path: PathBuf,
    dir: String,
    version: i64,
    /// Manifests and their list.
    made: Vec<(PathBuf, Vec<u8>)>,
    metadata: Vec<u8>,
}

impl Prepared {
    /// Makes the files of a commit of a version; `columns` is the commit's schema in its one spelling.
    pub(crate) fn new(
        table: &Table,
        commit: &Commit,
        columns: &Schema,
        current: Option<&Snapshot>,
        version: i64,
    ) -> Result<Self, LakeError> {
        let base = current.and_then(kept);
        let path = table.path().to_path_buf();
        let location = match (base, path.to_str()) {
            (Some(base), _) => base.location.clone(),
            (None, Some(path)) => path.to_owned(),
            (None, None) => {
                return Err(LakeError::Name {
                    name: path.display().to_string(),
                    why: "it is no Unicode, and the metadata of Iceberg holds whole paths",
                });
            }
        };
        let change = Change {
            table,
            commit,
            columns,
            numbered: match base {
                Some(base) => {
                    let known = known(columns, &base.numbered, commit);
                    schema::assign(columns, Some(&known), base.metadata.last_column_id)
                }
                None => schema::assign(columns, None, 0),
            },
            base,
            location,
            version,
        };
        let (metadata, made) = change.make()?;
        Ok(Self {
            path,
            dir: table.dir().to_owned(),
            version,
            made,
            metadata,
        })
    }

    /// Writes the version.
    pub(crate) fn put(&mut self) -> Result<(), LakeError> {
        let failed = |error: LakeError| LakeError::commit(&self.dir, self.version, Box::new(error));
        put_all(&self.made).map_err(failed)?;
        failpoint::hit("commit.manifests");
        let path = self.path.join(LOG_FOLDER).join(entry_name(self.version));
        let put = put_if_absent(&path, &self.metadata).map_err(failed)?;
        if failpoint::triggered("commit", "lost") {
            let lost = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
            return Err(failed(LakeError::io("write", path)(lost)));
        }
        match put {
            Put::Created => Ok(()),
            Put::Exists => {
                let there = std::io::Error::from(std::io::ErrorKind::AlreadyExists);
                Err(failed(LakeError::io("create", path)(there)))
            }
        }
    }

    /// What follows a commit, and does not undo it if it fails.
    pub(crate) fn follow_up(&self) {
        failpoint::hit("commit.hint");
        if let Err(error) = write_hint(&self.path, self.version) {
            tracing::warn!(table = %self.dir, version = self.version, %error, "other readers are not told of the new version");
        }
    }
}

/// What that file says of a version.
pub(crate) fn hint(version: i64) -> String {
    (version + 1).to_string()
}

/// Writes the file that names the newest metadata file, `version` or a later one, in the place of the one before. Whoever lists the folder
/// and then writes may be overtaken in between: so it is listed again after each writing, until nothing newer is there.
pub(crate) fn write_hint(table: &Path, mut version: i64) -> Result<(), LakeError> {
    loop {
        replace_hint(table, version)?;
        match Listing::read(table)?.versions.last() {
            Some(&newest) if newest > version => version = newest,
            _ => return Ok(()),
        }
    }
}

fn replace_hint(table: &Path, version: i64) -> Result<(), LakeError> {
    let dir = table.join(LOG_FOLDER);
    let (temporary, mut file) = create_temporary(&dir)?;
    let path = dir.join(HINT);
    let text = hint(version);
    let written = file
        .write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .and_then(|()| std::fs::rename(&temporary, &path));
    if let Err(error) = written {
        // It is hidden, and nobody reads it.
        let _ = std::fs::remove_file(&temporary);
        return Err(LakeError::io("write", path)(error));
    }
    sync_dir(&dir)
}

/// Columns with their field ids as the files have them that go back into the table, else as the version before has them.
fn known(columns: &Schema, base: &Schema, commit: &Commit) -> Schema {
    let back = commit.add.iter().filter_map(|file| match &file.named {
        Named::Before(before) => before.as_ref().map(|before| &before.numbered),
        Named::Now { .. } => None,
    });
    let back: Vec<&Schema> = back.collect();
    let of = |field: &Field| {
        let mut all = back.iter().copied().chain([base]);
        all.find_map(|schema| {
            let known = schema.field_with_name(field.name()).ok()?;
            crate::schema::is_same_type(known.data_type(), field.data_type()).then(|| known.clone())
        })
    };
    Schema::new(
        columns
            .fields()
            .iter()
            .filter_map(|field| of(field))
            .collect::<Vec<_>>(),
    )
}

/// What a commit is made from.
struct Change<'c> {
    table: &'c Table,
    commit: &'c Commit,
    columns: &'c Schema,
    /// The columns with their field ids.
    numbered: arrow::datatypes::SchemaRef,
    base: Option<&'c Kept>,
    /// The table's folder as its paths have it.
    location: String,
    version: i64,
}

/// Files that a version makes, by where they go.
type Made = Vec<(PathBuf, Vec<u8>)>;

impl Change<'_> {
    fn make(&self) -> Result<(Vec<u8>, Made), LakeError> {
        for file in &self.commit.add {
            if let Named::Now { physical, .. } = &file.named
                && physical.as_ref() != self.numbered.as_ref()
            {
                let why = format!("the file `{}` was written for other columns", file.path);
                return Err(self
                    .table
                    .refuse(why, "this is a bug of karat: please report it"));
            }
        }
        let (schema_id, new_schema) = self.schema()?;
        let spoken = match &new_schema {
            Some(new) => new.clone(),
            None => to_json(&self.numbered, self.columns, schema_id)?,
        };
        let snapshot_id = self.snapshot_id();
        let sequence = self
            .base
            .map_or(1, |base| base.metadata.last_sequence_number + 1);
        let parent = self
            .base
            .and_then(|base| base.metadata.current_snapshot_id());
        let spec_id = self.base.map_or(0, |base| base.metadata.default_spec_id);
        let mut scribe = Scribe {
            folder: self.table.path(),
            location: &self.location,
            table: self.table.dir(),
            snapshot_id,
            sequence,
            schema: spoken,
            spec_id,
            made: Vec::new(),
        };
        let sums = self.manifests(&mut scribe)?;
        let list = scribe.list(&sums.manifests, parent)?;
        let made = scribe.made;

        let now = self.now_ms();
        let mut value = match self.base {
            Some(base) => base.value.clone(),
            None => self.fresh(),
        };
        if let Some(base) = self.base {
            let logged = json!({
                "timestamp-ms": base.metadata.last_updated_ms,
                "metadata-file": format!("{}/{LOG_FOLDER}/{}", self.location, entry_name(self.version - 1)),
            });
            let log = array(&mut value, "metadata-log");
            log.push(logged);
            let more = log.len().saturating_sub(LOGGED_METADATA);
            log.drain(..more);
        }
        if let Some(new) = new_schema {
            array(&mut value, "schemas").push(new);
        }
        value["current-schema-id"] = json!(schema_id);
        let last_column = self.base.map_or(0, |base| base.metadata.last_column_id);
        value["last-column-id"] = json!(last_column.max(highest_id(self.numbered.fields())));
        value["last-sequence-number"] = json!(sequence);
        value["last-updated-ms"] = json!(now);
        value["properties"] = json!(self.properties());
        let mut snapshot = json!({
            "snapshot-id": snapshot_id,
            "sequence-number": sequence,
            "timestamp-ms": now,
            "manifest-list": list,
            "summary": self.summary(sums.counts),
            "schema-id": schema_id,
        });
        if let Some(parent) = parent {
            snapshot["parent-snapshot-id"] = json!(parent);
        }
        array(&mut value, "snapshots").push(snapshot);
        value["current-snapshot-id"] = json!(snapshot_id);
        if !value["refs"].is_object() {
            value["refs"] = json!({});
        }
        let mut main = match &value["refs"]["main"] {
            Value::Object(main) => main.clone(),
            _ => Map::new(),
        };
        main.insert("snapshot-id".into(), json!(snapshot_id));
        main.insert("type".into(), json!("branch"));
        value["refs"]["main"] = Value::Object(main);
        array(&mut value, "snapshot-log")
            .push(json!({ "timestamp-ms": now, "snapshot-id": snapshot_id }));

        let bytes = serde_json::to_vec(&value).map_err(|error| self.unsaid("metadata", error))?;
        Metadata::parse(&bytes).map_err(|why| LakeError::Encode {
            table: self.table.dir().to_owned(),
            why: format!("no metadata of Iceberg can be made: {why}"),
            source: None,
        })?;
        Ok((bytes, made))
    }

    fn unsaid(&self, what: &str, error: serde_json::Error) -> LakeError {
        LakeError::Encode {
            table: self.table.dir().to_owned(),
            why: format!("no {what} of Iceberg can be made"),
            source: Some(Box::new(error)),
        }
    }

    /// Time of the version: Iceberg's goes only forward, whatever the clock does.
    fn now_ms(&self) -> i64 {
        let before = self.base.map(|base| base.metadata.last_updated_ms + 1);
        before.map_or(self.commit.timestamp_ms, |before| {
            before.max(self.commit.timestamp_ms)
        })
    }

    /// No random number, but the digest of what makes the version.
    fn snapshot_id(&self) -> i64 {
        let mut salt = 0_u64;
        loop {
            let text = format!(
                "karat snapshot\n{}\n{}\n{}\n{}\n{salt}",
                self.table.dir(),
                self.commit.run,
                self.commit.receipt,
                self.version
            );
            let digest = Sha256::digest(text.as_bytes());
            let mut bytes = [0; 8];
            bytes.copy_from_slice(&digest[..8]);
            let id = i64::from_be_bytes(bytes) & i64::MAX;
            let is_taken = self
                .base
                .is_some_and(|base| base.metadata.snapshot(id).is_some());
            if id > 0 && !is_taken {
                return id;
            }
            salt += 1;
        }
    }

    /// The id of the schema of this version, and the schema if it is new.
    fn schema(&self) -> Result<(i32, Option<Value>), LakeError> {
        let Some(base) = self.base else {
            return Ok((0, Some(to_json(&self.numbered, self.columns, 0)?)));
        };
        let known = base.value["schemas"].as_array();
        let mut next = 0;
        for schema in known.into_iter().flatten() {
            let id = schema["schema-id"]
                .as_i64()
                .and_then(|id| i32::try_from(id).ok());
            let Some(id) = id else { continue };
            next = next.max(id + 1);
            if schema["fields"] == to_json(&self.numbered, self.columns, id)?["fields"]
                && schema
                    .get("identifier-field-ids")
                    .is_none_or(|ids| ids == &json!([]))
            {
                return Ok((id, None));
            }
        }
        let new = to_json(&self.numbered, self.columns, next)?;
        Ok((next, Some(new)))
    }

    fn properties(&self) -> BTreeMap<String, String> {
        let mut properties: BTreeMap<String, String> = match self.base {
            Some(base) => base.metadata.properties.clone(),
            None => default_properties(),
        };
        properties.extend(self.commit.properties.clone());
        let (app, epoch) = &self.commit.app;
        properties.insert(format!("{TXN}{app}"), epoch.to_string());
        let narrow = narrow(self.numbered.fields());
        match narrow.is_empty() {
            true => properties.remove(NARROW),
            false => properties.insert(NARROW.into(), json!(narrow).to_string()),
        };
        properties
    }

    /// Metadata of a table that is not there yet, without what every commit sets.
    fn fresh(&self) -> Value {
        json!({
            "format-version": 2,
            "table-uuid": table::new_id(self.table.dir(), self.commit).to_string(),
            "location": self.location,
            "last-sequence-number": 0,
            "last-updated-ms": 0,
            "last-column-id": 0,
            "current-schema-id": 0,
            "schemas": [],
            "default-spec-id": 0,
            "partition-specs": [{ "spec-id": 0, "fields": [] }],
            "last-partition-id": 999,
            "default-sort-order-id": 0,
            "sort-orders": [{ "order-id": 0, "fields": [] }],
            "properties": {},
            "current-snapshot-id": -1,
            "refs": {},
            "snapshots": [],
            "statistics": [],
            "partition-statistics": [],
            "snapshot-log": [],
            "metadata-log": [],
        })
    }

    /// Makes the manifests of the version.
    fn manifests(&self, scribe: &mut Scribe<'_>) -> Result<Sums, LakeError> {
        let whole = |path: &str| format!("{}/{path}", self.location);
        let mut going: BTreeSet<String> = self
            .commit
            .remove
            .iter()
            .map(|file| whole(&file.path))
            .collect();
        let mut sums = Sums::default();
        let base = self.base.map_or(&[][..], |base| &base.manifests[..]);
        let is_going =
            |path: &str, going: &BTreeSet<String>| going.contains(super::log::without_scheme(path));
        let mut kept = Vec::new();
        for (manifest, live) in base {
            let touched = live.iter().any(|entry| is_going(&entry.file.path, &going));
            if !touched {
                // One that names nothing any more goes.
                if !live.is_empty() {
                    kept.push((manifest, live));
                }
                for entry in live.iter() {
                    sums.counts.total(entry.file.rows, entry.file.size);
                }
                continue;
            }
            let mut fates = Vec::with_capacity(live.len());
            for entry in live.iter() {
                let (rows, bytes) = (entry.file.rows, entry.file.size);
                if going.remove(super::log::without_scheme(&entry.file.path)) {
                    sums.counts.deleted(rows, bytes);
                    fates.push(Fate::Removed(entry));
                } else {
                    sums.counts.total(rows, bytes);
                    fates.push(Fate::Kept(entry));
                }
            }
            sums.manifests.push(scribe.manifest(fates)?);
        }
        if kept.len() >= MANIFESTS_MAX {
            let entries: Vec<_> = kept.iter().flat_map(|(_, live)| live.iter()).collect();
            for part in entries.chunks(FILES_IN_MANIFEST) {
                let fates = part.iter().map(|entry| Fate::Kept(entry));
                sums.manifests.push(scribe.manifest(fates)?);
            }
        } else {
            sums.manifests
                .extend(kept.into_iter().map(|(manifest, _)| manifest.clone()));
        }
        if !self.commit.add.is_empty() {
            let mut fates = Vec::with_capacity(self.commit.add.len());
            for file in &self.commit.add {
                let named = stats::data_file(whole(&file.path), file);
                fates.push(Fate::Added(named));
                sums.counts.added(file.rows, file.size);
            }
            sums.manifests.push(scribe.manifest(fates)?);
        }
        Ok(sums)
    }

    fn summary(&self, counts: Counts) -> BTreeMap<&'static str, String> {
        let operation = match (self.commit.add.is_empty(), self.commit.remove.is_empty()) {
            (false, true) => "append",
            (false, false) => "overwrite",
            (true, false) => "delete",
            // Columns, properties, or a mark alone: the rows are the same.
            (true, true) => "replace",
        };
        let mut summary = BTreeMap::from([
            ("operation", operation.to_owned()),
            (VERSION, self.version.to_string()),
            (RECEIPT, self.commit.receipt.clone()),
            (RUN, self.commit.run.clone()),
            (OPERATION, self.commit.operation.clone()),
            (TIME, self.commit.timestamp_ms.to_string()),
            ("engine-name", "karat".to_owned()),
            ("engine-version", env!("CARGO_PKG_VERSION").to_owned()),
        ]);
        let told = [
            ("added-data-files", counts.added_files),
            ("added-records", counts.added_rows),
            ("added-files-size", counts.added_bytes),
            ("deleted-data-files", counts.deleted_files),
            ("deleted-records", counts.deleted_rows),
            ("removed-files-size", counts.deleted_bytes),
        ];
        let told = told.into_iter().filter(|(_, count)| *count > 0);
        let totals = [
            ("total-data-files", counts.files),
            ("total-records", counts.rows),
            ("total-files-size", counts.bytes),
            ("total-delete-files", 0),
            ("total-position-deletes", 0),
            ("total-equality-deletes", 0),
        ];
        summary.extend(
            told.chain(totals)
                .map(|(key, count)| (key, count.to_string())),
        );
        summary
    }
}

/// Manifests of a version, and what they name.
#[derive(Default)]
struct Sums {
    manifests: Vec<ManifestFile>,
    counts: Counts,
}

#[derive(Default)]
struct Counts {
    files: u64,
    rows: u64,
    bytes: u64,
    added_files: u64,
    added_rows: u64,
    added_bytes: u64,
    deleted_files: u64,
    deleted_rows: u64,
    deleted_bytes: u64,
}

impl Counts {
    fn total(&mut self, rows: u64, bytes: u64) {
        self.files += 1;
        self.rows += rows;
        self.bytes += bytes;
    }

    fn added(&mut self, rows: u64, bytes: u64) {
        self.total(rows, bytes);
        self.added_files += 1;
        self.added_rows += rows;
        self.added_bytes += bytes;
    }

    fn deleted(&mut self, rows: u64, bytes: u64) {
        self.deleted_files += 1;
        self.deleted_rows += rows;
        self.deleted_bytes += bytes;
    }
}

/// Nothing disappears unless told (A11): no writer deletes old metadata files, and none lets snapshots expire.
fn default_properties() -> BTreeMap<String, String> {
    [
        ("gc.enabled", "false"),
        ("history.expire.max-snapshot-age-ms", "3155760000000"),
        ("write.metadata.delete-after-commit.enabled", "false"),
        ("write.parquet.compression-codec", "zstd"),
    ]
    .into_iter()
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .collect()
}

/// A list in a JSON object, made if it is not there.
fn array<'v>(value: &'v mut Value, key: &str) -> &'v mut Vec<Value> {
    if !value[key].is_array() {
        value[key] = json!([]);
    }
    match &mut value[key] {
        Value::Array(items) => items,
        _ => unreachable!("it was just made"),
    }
}
