//! A Delta table: its snapshots, its history, and the one way to change it.
//!
//! A commit is a list of adds and removes against a stated base version. It goes in only if that is still the newest version, and
//! only if the table does not carry the writer's transaction yet (SEMANTICS A4). After any failure the log is asked first whether the
//! commit is in it: an answer can be lost on the way back.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use arrow::datatypes::SchemaRef;
use deltalake_core::DeltaTableError;
use deltalake_core::kernel::transaction::{CommitBuilder, TableReference, TransactionError};
use deltalake_core::kernel::{self, Action, EagerSnapshot};
use deltalake_core::logstore::{LogStoreRef, StorageConfig, logstore_for};
use deltalake_core::protocol::{DeltaOperation, SaveMode};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use url::Url;

use crate::action::{Add, Line, Metadata, Protocol};
use crate::canonical::WrittenFile;
use crate::checkpoint;
use crate::log::{self, Listing, State};
use crate::log_store::DurableLogStore;
use crate::{CommitError, LakeError, failpoint, features, schema};

const ENGINE: &str = concat!("karat/", env!("CARGO_PKG_VERSION"));
/// Commits between two checkpoints, unless the table's `delta.checkpointInterval` says otherwise.
const CHECKPOINT_INTERVAL: i64 = 100;
const TIMESTAMP_NTZ: &str = "timestampNtz";

/// A table's folder in a lake; the table need not exist yet.
#[derive(Debug, Clone)]
pub struct Table {
    path: PathBuf,
    dir: String,
}

/// A table at one version.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The version.
    pub version: i64,
    /// Columns in canonical types; comments in the field metadata `comment`.
    pub schema: SchemaRef,
    /// Live files, sorted by path.
    pub files: Vec<LiveFile>,
    /// Newest transaction of each application.
    pub app_versions: BTreeMap<String, i64>,
    /// Table properties (`delta.…` and others).
    pub properties: BTreeMap<String, String>,
    dir: String,
    protocol: Protocol,
    metadata: Metadata,
    rules: Vec<(String, String)>,
}

/// A data file that a version names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveFile {
    /// Path relative to the table's folder, `/` between parts.
    pub path: String,
    /// Bytes, as the log says.
    pub size: u64,
    /// Rows.
    pub rows: u64,
    /// Delta's statistics (`numRecords`, `minValues`, `maxValues`, `nullCount`) as JSON text, where the writer kept any.
    pub stats: Option<String>,
}

impl LiveFile {
    /// The SHA-256 in the file's name, if karat named it.
    pub fn sha256(&self) -> Option<&str> {
        sha256_in_name(&self.path)
    }
}

/// The SHA-256 in the name of a data file, given relative to its table, if karat named it.
pub fn sha256_in_name(path: &str) -> Option<&str> {
    let digest = path.get(..64)?;
    let named = path.as_bytes().get(64) == Some(&b'-');
    (named
        && digest
            .bytes()
            .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)))
    .then_some(digest)
}

/// A change of a table, for [`Table::commit`].
#[derive(Debug, Clone)]
pub struct Commit {
    /// The version that this change was made for; none: the table is to be created.
    pub base: Option<i64>,
    /// All columns after the change. Unless every live file is removed, columns may only be added.
    pub schema: SchemaRef,
    /// New files, already in the table's folder.
    pub add: Vec<WrittenFile>,
    /// Live files that go.
    pub remove: Vec<LiveFile>,
    /// The writer's transaction: application and its version (an epoch). A table takes each at most once.
    pub app: (String, i64),
    /// Digest of the receipt.
    pub receipt: String,
    /// The run.
    pub run: String,
    /// What history shows, as in `WRITE`.
    pub operation: String,
    /// Wall-clock time for the log, in milliseconds since 1970.
    pub timestamp_ms: i64,
    /// Table properties to set; those not named stay as they are.
    pub properties: BTreeMap<String, String>,
}

/// One commit of a table's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitRecord {
    /// The version it made.
    pub version: i64,
    /// Time of the commit in milliseconds since 1970, by its writer's clock.
    pub timestamp_ms: Option<i64>,
    /// The operation's name.
    pub operation: Option<String>,
    /// Digest of karat's receipt; none for a foreign commit.
    pub receipt: Option<String>,
    /// karat's run.
    pub run: Option<String>,
    /// Files added; `rows` is 0 where a foreign writer kept no count.
    pub added: Vec<LiveFile>,
    /// Paths removed.
    pub removed: Vec<String>,
    /// Transactions.
    pub app_versions: BTreeMap<String, i64>,
    /// True if the commit states a schema or properties.
    pub metadata_changed: bool,
}

impl Table {
    pub(crate) fn new(path: PathBuf, dir: String) -> Self {
        Self { path, dir }
    }

    /// The table in this folder, which need not be in a lake of karat: for reading.
    pub fn at(path: &Path) -> Self {
        let dir = path.display().to_string();
        Self::new(path.to_path_buf(), dir)
    }

    /// The table's folder, absolute.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The table's folder relative to the lake.
    pub fn dir(&self) -> &str {
        &self.dir
    }

    /// The newest version's number without reading it; none if there is no table.
    pub fn newest_version(&self) -> Result<Option<i64>, LakeError> {
        Ok(Listing::read(&self.path)?.map(|listing| listing.newest()))
    }

    /// The newest version; none if there is no table.
    pub fn load(&self) -> Result<Option<Snapshot>, LakeError> {
        let Some(listing) = Listing::read(&self.path)? else {
            return Ok(None);
        };
        let newest = listing.newest();
        self.snapshot(listing.state_at(&self.dir, newest)?)
            .map(Some)
    }

    /// The table at `version`; none if there is no table.
    pub fn load_at(&self, version: i64) -> Result<Option<Snapshot>, LakeError> {
        let Some(listing) = Listing::read(&self.path)? else {
            return Ok(None);
        };
        let (oldest, newest) = (listing.oldest(), listing.newest());
        if version < oldest || version > newest {
            return Err(LakeError::NoVersion {
                table: self.dir.clone(),
                oldest,
                version,
                newest,
            });
        }
        self.snapshot(listing.state_at(&self.dir, version)?)
            .map(Some)
    }

    /// The commits from version `from` on (default: all) whose log entries are still there, newest last.
    pub fn history(&self, from: Option<i64>) -> Result<Vec<CommitRecord>, LakeError> {
        let Some(listing) = Listing::read(&self.path)? else {
            return Ok(Vec::new());
        };
        listing
            .commits_from(from.unwrap_or(0))
            .map(|version| {
                record(
                    version,
                    listing.read_commit(version)?,
                    &listing.commit_path(version),
                )
            })
            .collect()
    }

    /// Changes the table and returns its new version.
    pub fn commit(&self, commit: Commit) -> Result<i64, CommitError> {
        let current = self.load()?;
        if let Some(current) = &current
            && current
                .app_versions
                .get(&commit.app.0)
                .is_some_and(|&version| version >= commit.app.1)
        {
            let version = self
                .find_app(&commit.app, 0)?
                .map_or(current.version, |record| record.version);
            return Err(CommitError::AlreadyCommitted {
                table: self.dir.clone(),
                version,
            });
        }
        let found = current.as_ref().map(|current| current.version);
        if found != commit.base {
            return Err(self.conflict(commit.base, found));
        }
        let version = commit.base.map_or(0, |base| base + 1);
        let actions = self.actions(&commit, current.as_ref())?;
        let interval = checkpoint_interval(&commit, current.as_ref());
        drop(current);

        failpoint::hit("commit.before");
        let outcome = self.write(version, commit.base, actions);
        failpoint::hit("commit.after");
        if let Err(error) = outcome {
            self.settle(&commit, version, error)?;
        }
        self.checkpoint_if_due(version, interval);
        Ok(version)
    }

    fn snapshot(&self, state: State) -> Result<Snapshot, LakeError> {
        let State {
            version,
            protocol,
            metadata,
            metadata_file,
            adds,
            txns,
        } = state;
        features::check_read(&self.dir, &protocol, &metadata)?;
        let schema::DeltaSchema { schema, rules } =
            schema::from_delta(&metadata.schema_string, &self.dir, &metadata_file)?;
        let mut files = Vec::with_capacity(adds.len());
        for (path, add) in adds {
            if add.deletion_vector.is_some() {
                return Err(LakeError::Refused {
                    doing: "read",
                    what: self.dir.clone(),
                    why: format!(
                        "its file `{path}` has a deletion vector (Delta feature deletionVectors)"
                    ),
                    hint: "purge deletion vectors there (REORG TABLE … APPLY (PURGE))".into(),
                });
            }
            self.check_inside(&path)?;
            let rows = match add.rows() {
                Some(rows) => rows,
                None => checkpoint::rows_of(&self.path.join(&path))?,
            };
            files.push(live_file(path, add, rows));
        }
        let properties = metadata
            .configuration
            .iter()
            .filter_map(|(key, value)| Some((key.clone(), value.clone()?)))
            .collect();
        Ok(Snapshot {
            version,
            schema,
            files,
            app_versions: txns,
            properties,
            dir: self.dir.clone(),
            protocol,
            metadata,
            rules,
        })
    }

    /// Data files lie below the table's folder; a shallow clone's do not.
    fn check_inside(&self, path: &str) -> Result<(), LakeError> {
        let outside = path.starts_with('/')
            || path.contains("://")
            || path.split('/').any(|part| part == "..");
        if outside || path.starts_with("file:") {
            return Err(LakeError::Refused {
                doing: "read",
                what: self.dir.clone(),
                why: "it names data files outside its folder".into(),
                hint: "make a deep copy of the table instead of a shallow clone".into(),
            });
        }
        Ok(())
    }

    fn conflict(&self, base: Option<i64>, found: Option<i64>) -> CommitError {
        CommitError::Conflict {
            table: self.dir.clone(),
            base,
            found,
        }
    }

    fn refuse(&self, why: String, hint: &str) -> LakeError {
        LakeError::Refused {
            doing: "write",
            what: self.dir.clone(),
            why,
            hint: hint.into(),
        }
    }

    /// The actions of a commit, after checking that the table may take them.
    fn actions(
        &self,
        commit: &Commit,
        current: Option<&Snapshot>,
    ) -> Result<Vec<Action>, LakeError> {
        let schema = schema::canonical(&commit.schema)?;
        if let Some(current) = current {
            current.check_writable()?;
        }
        self.check_files(commit, current)?;
        let everything_goes =
            current.is_none_or(|current| current.files.len() == commit.remove.len());
        if let Some(current) = current
            && !everything_goes
        {
            let lost = schema::incompatible_columns(&current.schema, &schema);
            if !lost.is_empty() {
                let why = format!(
                    "its files hold columns that the new schema drops or types otherwise: {}",
                    lost.join(", ")
                );
                return Err(self.refuse(why, "write the table anew, or keep the columns"));
            }
        }
        let mut actions = vec![self.commit_info(commit)];
        actions.extend(self.protocol(&schema, current)?);
        actions.extend(self.metadata(commit, &schema, current)?);
        actions.push(Action::Txn(kernel::Transaction {
            app_id: commit.app.0.clone(),
            version: commit.app.1,
            last_updated: Some(commit.timestamp_ms),
        }));
        let mut remove: Vec<&LiveFile> = commit.remove.iter().collect();
        remove.sort_by(|left, right| left.path.cmp(&right.path));
        for file in remove {
            actions.push(Action::Remove(kernel::Remove {
                path: file.path.clone(),
                data_change: true,
                deletion_timestamp: Some(commit.timestamp_ms),
                extended_file_metadata: Some(true),
                partition_values: Some(HashMap::new()),
                size: i64::try_from(file.size).ok(),
                ..kernel::Remove::default()
            }));
        }
        for file in &commit.add {
            actions.push(Action::Add(kernel::Add {
                path: file.path.clone(),
                size: i64::try_from(file.size).unwrap_or(i64::MAX),
                modification_time: commit.timestamp_ms,
                data_change: true,
                stats: Some(file.stats.clone()),
                ..kernel::Add::default()
            }));
        }
        Ok(actions)
    }

    fn check_files(&self, commit: &Commit, current: Option<&Snapshot>) -> Result<(), LakeError> {
        let mut live: BTreeSet<&str> = current
            .iter()
            .flat_map(|current| &current.files)
            .map(|file| file.path.as_str())
            .collect();
        for file in &commit.remove {
            if !live.remove(file.path.as_str()) {
                let why = format!(
                    "the file `{}` that is to go is not in version {}",
                    file.path,
                    current.map_or(-1, |current| current.version)
                );
                return Err(self.refuse(why, "this is a bug of karat: please report it"));
            }
        }
        for file in &commit.add {
            if !live.insert(&file.path) {
                let why = format!("the file `{}` is in the table already", file.path);
                return Err(self.refuse(why, "this is a bug of karat: please report it"));
            }
            let path = self.path.join(&file.path);
            match std::fs::metadata(&path) {
                Ok(found) if found.is_file() && found.len() == file.size => {}
                Ok(found) if found.is_file() => {
                    let why = format!("has {} bytes, {} were written", found.len(), file.size);
                    return Err(LakeError::DataFile { path, why });
                }
                Ok(_) => {
                    return Err(LakeError::DataFile {
                        path,
                        why: "is a folder".into(),
                    });
                }
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                    return Err(LakeError::DataFile {
                        path,
                        why: "is missing".into(),
                    });
                }
                Err(error) => return Err(LakeError::io("read", path)(error)),
            }
        }
        Ok(())
    }

    fn commit_info(&self, commit: &Commit) -> Action {
        let info = [
            ("karat.receipt", &commit.receipt),
            ("karat.run", &commit.run),
        ];
        Action::CommitInfo(kernel::CommitInfo {
            timestamp: Some(commit.timestamp_ms),
            operation: Some(commit.operation.clone()),
            operation_parameters: Some(HashMap::new()),
            read_version: commit.base.and_then(|base| u64::try_from(base).ok()),
            is_blind_append: Some(false),
            engine_info: Some(ENGINE.into()),
            info: info
                .into_iter()
                .map(|(key, value)| (key.to_owned(), Value::from(value.as_str())))
                .collect(),
            ..kernel::CommitInfo::default()
        })
    }

    /// A protocol action where the table is new, or its first timestamp without zone asks for more.
    fn protocol(
        &self,
        schema: &arrow::datatypes::Schema,
        current: Option<&Snapshot>,
    ) -> Result<Option<Action>, LakeError> {
        let needs_ntz = schema::has_timestamp_without_zone(schema);
        let features = |features: &Option<Vec<String>>| -> BTreeSet<String> {
            features
                .iter()
                .flatten()
                .cloned()
                .chain([TIMESTAMP_NTZ.to_owned()])
                .collect()
        };
        let value = match current {
            None if !needs_ntz => json!({ "minReaderVersion": 1, "minWriterVersion": 2 }),
            None => json!({
                "minReaderVersion": 3, "minWriterVersion": 7,
                "readerFeatures": [TIMESTAMP_NTZ], "writerFeatures": [TIMESTAMP_NTZ],
            }),
            Some(current) => {
                let protocol = &current.protocol;
                let has_ntz = protocol
                    .writer_features
                    .iter()
                    .flatten()
                    .any(|feature| feature == TIMESTAMP_NTZ);
                if !needs_ntz || has_ntz {
                    return Ok(None);
                }
                json!({
                    "minReaderVersion": 3, "minWriterVersion": 7,
                    "readerFeatures": features(&protocol.reader_features),
                    "writerFeatures": features(&protocol.writer_features),
                })
            }
        };
        let protocol =
            serde_json::from_value(value).map_err(|error| self.unsaid("protocol", error))?;
        Ok(Some(Action::Protocol(protocol)))
    }

    /// A metadata action where the table is new, or schema or properties change.
    fn metadata(
        &self,
        commit: &Commit,
        schema: &arrow::datatypes::Schema,
        current: Option<&Snapshot>,
    ) -> Result<Option<Action>, LakeError> {
        let schema_string = schema::to_delta(schema);
        let mut properties =
            current.map_or_else(default_properties, |current| current.properties.clone());
        properties.extend(commit.properties.clone());
        if let Some(current) = current
            && schema::to_delta(&current.schema) == schema_string
            && current.properties == properties
        {
            return Ok(None);
        }
        let known = current.map(|current| &current.metadata);
        let value = json!({
            "id": known.map_or_else(|| self.new_id(commit), |known| known.id.clone()),
            "name": known.and_then(|known| known.name.clone()),
            "description": known.and_then(|known| known.description.clone()),
            "format": { "provider": "parquet", "options": {} },
            "schemaString": schema_string,
            "partitionColumns": [],
            "configuration": properties,
            "createdTime": known.map_or(Some(commit.timestamp_ms), |known| known.created_time),
        });
        let metadata =
            serde_json::from_value(value).map_err(|error| self.unsaid("metadata", error))?;
        Ok(Some(Action::Metadata(metadata)))
    }

    fn unsaid(&self, what: &str, error: serde_json::Error) -> LakeError {
        LakeError::Encode {
            table: self.dir.clone(),
            why: format!("no {what} action can be made"),
            source: Some(Box::new(error)),
        }
    }

    /// The table's id: no random number, but the digest of what made the table.
    fn new_id(&self, commit: &Commit) -> String {
        let text = format!(
            "karat table\n{}\n{}\n{}\n{}",
            self.dir, commit.run, commit.receipt, commit.timestamp_ms
        );
        let digest = Sha256::digest(text.as_bytes());
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        uuid::Builder::from_custom_bytes(bytes)
            .into_uuid()
            .to_string()
    }

    /// Writes the log entry of `version`.
    fn write(
        &self,
        version: i64,
        base: Option<i64>,
        actions: Vec<Action>,
    ) -> Result<(), LakeError> {
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| {
            LakeError::commit(&self.dir, version, source)
        };
        let wanted = u64::try_from(version).unwrap_or_default();
        let inner = self.log_store(version)?;
        let store: LogStoreRef = Arc::new(DurableLogStore::new(inner, self.path.clone(), wanted));
        let table_dir = self.path.clone();
        let base = base.and_then(|base| u64::try_from(base).ok());
        block_on(async move {
            let snapshot = match base {
                Some(base) => Some(EagerSnapshot::try_new(store.as_ref(), Some(base)).await?),
                None => None,
            };
            let reference = snapshot
                .as_ref()
                .map(|snapshot| snapshot as &dyn TableReference);
            let operation = DeltaOperation::Write {
                mode: SaveMode::Append,
                partition_by: None,
                predicate: None,
            };
            let prepared = CommitBuilder::default()
                .with_actions(actions)
                .with_max_retries(0)
                .build(reference, store, operation)
                .into_prepared_commit_future()
                .await?;
            // Only the commit itself: the hook after it would read the table again and clean up logs.
            let made = prepared.await?.version;
            tracing::debug!(version = made, table = %table_dir.display(), "committed");
            if made == wanted {
                Ok(())
            } else {
                Err(TransactionError::VersionAlreadyExists(made).into())
            }
        })
        .map_err(|error| failed(Box::new(error)))?
        .map_err(|error: DeltaTableError| failed(Box::new(error)))
    }

    /// After a failed commit: is it in the log all the same, was somebody else first, or did it fail?
    fn settle(&self, commit: &Commit, version: i64, error: LakeError) -> Result<(), CommitError> {
        let found = self.find_app(&commit.app, version)?;
        match found {
            Some(record)
                if record.version == version
                    && record.receipt.as_deref() == Some(&commit.receipt) =>
            {
                tracing::info!(version, table = %self.dir, "the answer of a commit was lost; it is in the log");
                crate::folder::sync_dir(&self.path.join("_delta_log"))?;
                Ok(())
            }
            Some(record) => Err(CommitError::AlreadyCommitted {
                table: self.dir.clone(),
                version: record.version,
            }),
            None => {
                let newest = self.newest_version()?;
                if newest != commit.base {
                    Err(self.conflict(commit.base, newest))
                } else {
                    Err(error.into())
                }
            }
        }
    }

    /// The oldest commit from version `from` on that carries the transaction or a later one of its application.
    fn find_app(&self, app: &(String, i64), from: i64) -> Result<Option<CommitRecord>, LakeError> {
        let Some(listing) = Listing::read(&self.path)? else {
            return Ok(None);
        };
        let mut found = None;
        for version in listing.commits_from(from).rev() {
            let record = record(
                version,
                listing.read_commit(version)?,
                &listing.commit_path(version),
            )?;
            match record.app_versions.get(&app.0) {
                Some(&carried) if carried >= app.1 => found = Some(record),
                Some(_) => break,
                None => {}
            }
        }
        Ok(found)
    }

    fn checkpoint_if_due(&self, version: i64, interval: i64) {
        if (version + 1) % interval == 0
            && let Err(error) = self.checkpoint(version)
        {
            // The commits stay readable without it.
            tracing::warn!(table = %self.dir, version, %error, "no checkpoint was made");
        }
    }

    fn checkpoint(&self, version: i64) -> Result<(), LakeError> {
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| {
            LakeError::commit(&self.dir, version, source)
        };
        let url = self.url()?;
        let at = u64::try_from(version).unwrap_or_default();
        block_on(async move {
            deltalake_core::checkpoints::create_checkpoint_from_table_url_and_cleanup(
                url,
                at,
                Some(false),
                None,
            )
            .await
        })
        .map_err(|error| failed(Box::new(error)))?
        .map_err(|error| failed(Box::new(error)))?;
        let dir = self.path.join("_delta_log");
        let path = dir.join(format!("{version:020}.checkpoint.parquet"));
        std::fs::File::open(&path)
            .and_then(|file| file.sync_all())
            .map_err(LakeError::io("write", path))?;
        crate::folder::sync_dir(&dir)
    }

    fn url(&self) -> Result<Url, LakeError> {
        Url::from_directory_path(&self.path).map_err(|()| LakeError::Name {
            name: self.path.display().to_string(),
            why: "it is not absolute",
        })
    }

    fn log_store(&self, version: i64) -> Result<LogStoreRef, LakeError> {
        crate::folder::create_dirs(&self.path)?;
        logstore_for(&self.url()?, StorageConfig::default())
            .map_err(|error| LakeError::commit(&self.dir, version, Box::new(error)))
    }
}

impl Snapshot {
    /// Refuses, by name, a table whose features or rules karat's commits would break.
    pub fn check_writable(&self) -> Result<(), LakeError> {
        features::check_write(&self.dir, &self.protocol, &self.metadata, &self.rules)
    }

    /// Rows of all live files.
    pub fn rows(&self) -> u64 {
        self.files.iter().map(|file| file.rows).sum()
    }

    /// The comment of a column.
    pub fn comment(&self, column: &str) -> Option<&str> {
        self.schema
            .field_with_name(column)
            .ok()?
            .metadata()
            .get(schema::COMMENT)
            .map(String::as_str)
    }
}

fn checkpoint_interval(commit: &Commit, current: Option<&Snapshot>) -> i64 {
    const KEY: &str = "delta.checkpointInterval";
    let stated = commit
        .properties
        .get(KEY)
        .or_else(|| current?.properties.get(KEY));
    let interval = stated.and_then(|interval| interval.parse().ok());
    interval
        .filter(|interval| *interval > 0)
        .unwrap_or(CHECKPOINT_INTERVAL)
}

/// Nothing disappears unless told (A11): by default deltalake drops log entries after 30 days.
fn default_properties() -> BTreeMap<String, String> {
    [
        ("delta.checkpointInterval", "100"),
        ("delta.deletedFileRetentionDuration", "interval 36500 days"),
        ("delta.enableExpiredLogCleanup", "false"),
        ("delta.logRetentionDuration", "interval 36500 days"),
    ]
    .into_iter()
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .collect()
}

fn live_file(path: String, add: Add, rows: u64) -> LiveFile {
    LiveFile {
        path,
        size: add.size.unsigned_abs(),
        rows,
        stats: add.stats,
    }
}

fn record(version: i64, lines: Vec<Line>, file: &Path) -> Result<CommitRecord, LakeError> {
    let mut record = CommitRecord {
        version,
        timestamp_ms: None,
        operation: None,
        receipt: None,
        run: None,
        added: Vec::new(),
        removed: Vec::new(),
        app_versions: BTreeMap::new(),
        metadata_changed: false,
    };
    for line in lines {
        if let Some(info) = line.commit_info {
            record.timestamp_ms = info.in_commit_timestamp.or(info.timestamp);
            record.operation = info.operation;
            record.receipt = info.receipt;
            record.run = info.run;
        }
        if let Some(add) = line.add {
            let rows = add.rows().unwrap_or(0);
            record
                .added
                .push(live_file(log::decoded(&add.path, file)?, add, rows));
        }
        if let Some(remove) = line.remove {
            record.removed.push(log::decoded(&remove.path, file)?);
        }
        if let Some(txn) = line.txn {
            record.app_versions.insert(txn.app_id, txn.version);
        }
        record.metadata_changed |= line.meta_data.is_some();
    }
    Ok(record)
}

/// Runs a future of deltalake to its end, from any thread, inside or outside another runtime.
fn block_on<T: Send>(future: impl Future<Output = T> + Send) -> std::io::Result<T> {
    let runtime = runtime()?;
    std::thread::scope(|scope| {
        let worker = std::thread::Builder::new()
            .name("karat-commit".into())
            .spawn_scoped(scope, || runtime.block_on(future))?;
        worker
            .join()
            .map_err(|_| std::io::Error::other("the Delta library panicked"))
    })
}

/// The runtime of all commits, built once. One thread builds it: a second one could not be dropped inside another runtime.
fn runtime() -> std::io::Result<&'static tokio::runtime::Runtime> {
    static RUNTIME: OnceLock<tokio::runtime::Runtime> = OnceLock::new();
    static BUILDING: Mutex<()> = Mutex::new(());
    let _building = BUILDING.lock().unwrap_or_else(PoisonError::into_inner);
    if RUNTIME.get().is_none() {
        let built = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("karat-lake")
            .enable_all()
            .build()?;
        // Nobody else sets it while we hold the lock.
        let _ = RUNTIME.set(built);
    }
    RUNTIME
        .get()
        .ok_or_else(|| std::io::Error::other("the runtime of commits is not there"))
}
