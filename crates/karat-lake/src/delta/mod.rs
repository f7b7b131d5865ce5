//! Delta tables: their log read by karat itself, their commits written through deltalake's `CommitBuilder`.

mod action;
mod checkpoint;
mod features;
mod log;
mod log_store;
mod schema;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use arrow::datatypes::Schema;
use deltalake_core::DeltaTableError;
use deltalake_core::kernel::transaction::{CommitBuilder, TableReference, TransactionError};
use deltalake_core::kernel::{self, Action, EagerSnapshot};
use deltalake_core::logstore::{LogStoreRef, StorageConfig, logstore_for};
use deltalake_core::protocol::{DeltaOperation, SaveMode};
use serde_json::{Value, json};
use url::Url;

use self::action::{Add, Line, Metadata, Protocol};
use self::log::{Listing, State, commit_name};
use self::log_store::DurableLogStore;
use self::schema::{DeltaSchema, from_delta, to_delta};
use crate::schema::has_timestamp_without_zone;
use crate::table::{self, Log, Table};
use crate::{Commit, CommitRecord, LakeError, LiveFile, Snapshot};

pub(crate) const LOG_FOLDER: &str = "_delta_log";
const ENGINE: &str = concat!("karat/", env!("CARGO_PKG_VERSION"));
/// Commits between two checkpoints, unless the table's `delta.checkpointInterval` says otherwise.
const CHECKPOINT_INTERVAL: i64 = 100;
const TIMESTAMP_NTZ: &str = "timestampNtz";
/// The file in a log that names its newest checkpoint.
const LAST_CHECKPOINT: &str = "_last_checkpoint";

/// What a version of a Delta table states besides rows and columns.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    protocol: Protocol,
    metadata: Metadata,
    rules: Vec<(String, String)>,
}

impl Kept {
    /// Refuses, by name, what karat's commits would break.
    pub(crate) fn check_writable(&self, dir: &str) -> Result<(), LakeError> {
        features::check_write(dir, &self.protocol, &self.metadata, &self.rules)
    }
}

fn kept(snapshot: &Snapshot) -> Option<&Kept> {
    match &snapshot.kept {
        table::Kept::Delta(kept) => Some(kept),
        table::Kept::Iceberg(_) => None,
    }
}

/// The log of a Delta table.
pub(crate) struct DeltaLog {
    path: PathBuf,
    dir: String,
    listing: Listing,
}

impl DeltaLog {
    /// The log in a table's folder, if there is one.
    pub(crate) fn open(table: &Table) -> Result<Option<Self>, LakeError> {
        let listing = Listing::read(table.path())?;
        Ok(listing.map(|listing| Self {
            path: table.path().to_path_buf(),
            dir: table.dir().to_owned(),
            listing,
        }))
    }

    /// Files of the log that say other than the commits that they sum up, by name, and what.
    pub(crate) fn altered_summaries(&self) -> Result<Vec<(String, String)>, LakeError> {
        self.listing.altered_summaries()
    }

    fn snapshot(&self, state: State) -> Result<Snapshot, LakeError> {
        let State {
            version,
            protocol,
            metadata,
            metadata_file,
            adds,
            txns,
            checkpoint,
        } = state;
        features::check_read(&self.dir, &protocol, &metadata)?;
        let DeltaSchema { schema, rules } =
            from_delta(&metadata.schema_string, &self.dir, &metadata_file)?;
        let mut files = Vec::with_capacity(adds.len());
        for (path, add) in adds {
            if add.deletion_vector.is_some() {
                return Err(LakeError::refused(
                    "read",
                    &self.dir,
                    format!(
                        "its file `{path}` has a deletion vector (Delta feature deletionVectors)"
                    ),
                    "purge deletion vectors there (REORG TABLE … APPLY (PURGE))",
                ));
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
            checkpoint: checkpoint.map(|name| format!("{LOG_FOLDER}/{name}")),
            dir: self.dir.clone(),
            kept: table::Kept::Delta(Box::new(Kept {
                protocol,
                metadata,
                rules,
            })),
        })
    }

    /// Data files lie below the table's folder; a shallow clone's do not.
    fn check_inside(&self, path: &str) -> Result<(), LakeError> {
        if path.starts_with("file:") || !table::is_inside(path) {
            return Err(LakeError::refused(
                "read",
                &self.dir,
                "it names data files outside its folder",
                "make a deep copy of the table instead of a shallow clone",
            ));
        }
        Ok(())
    }
}

impl Log for DeltaLog {
    fn oldest(&self) -> i64 {
        self.listing.oldest()
    }

    fn newest(&self) -> i64 {
        self.listing.newest()
    }

    fn commits_from(&self, from: i64) -> Vec<i64> {
        self.listing.commits_from(from).collect()
    }

    fn record(&self, version: i64) -> Result<CommitRecord, LakeError> {
        read_record(
            version,
            self.listing.read_commit(version)?,
            &self.listing.commit_path(version),
        )
    }

    fn snapshot_at(&self, version: i64) -> Result<Snapshot, LakeError> {
        self.snapshot(self.listing.state_at(&self.dir, version)?)
    }

    fn files_up_to(&self, version: i64) -> Result<Vec<String>, LakeError> {
        let names = self.listing.files_up_to(version);
        Ok(names.map(|name| format!("{LOG_FOLDER}/{name}")).collect())
    }
}

/// The file of a log that makes a version.
pub(crate) fn entry_name(version: i64) -> String {
    commit_name(version)
}

/// The version of a checkpoint, by the name of one of its files.
fn checkpoint_version(name: &str) -> Option<i64> {
    let (version, rest) = name.split_once('.')?;
    rest.starts_with("checkpoint.")
        .then(|| version.parse().ok())
        .flatten()
}

/// Of these files of a log, those of the newest checkpoint up to a version, and the one that points to it.
pub(crate) fn newest_checkpoint(names: Vec<String>, version: i64) -> Vec<String> {
    let versions = names.iter().filter_map(|name| checkpoint_version(name));
    let Some(newest) = versions.filter(|at| *at <= version).max() else {
        return Vec::new();
    };
    let mut files = names;
    files.retain(|name| checkpoint_version(name) == Some(newest) || name == LAST_CHECKPOINT);
    files
}

/// Whether a file of a log goes on with every checkpoint, of which `name` is one.
pub(crate) fn is_pointer(file: &str) -> bool {
    file == LAST_CHECKPOINT
}

/// Whether a file of a log belongs to a checkpoint.
pub(crate) fn is_checkpoint(name: &str) -> bool {
    checkpoint_version(name).is_some()
}

/// A commit on its way into a log.
pub(crate) struct Prepared {
    path: PathBuf,
    dir: String,
    version: i64,
    base: Option<i64>,
    actions: Vec<Action>,
    interval: i64,
}

impl Prepared {
    /// Makes the actions of a commit of a version; `schema` is the commit's in its one spelling.
    pub(crate) fn new(
        table: &Table,
        commit: &Commit,
        schema: &Schema,
        current: Option<&Snapshot>,
        version: i64,
    ) -> Result<Self, LakeError> {
        let mut prepared = Self {
            path: table.path().to_path_buf(),
            dir: table.dir().to_owned(),
            version,
            base: commit.base,
            actions: Vec::new(),
            interval: checkpoint_interval(commit, current),
        };
        prepared.actions = prepared.actions(commit, schema, current)?;
        Ok(prepared)
    }

    /// Writes the log entry.
    pub(crate) fn put(&mut self) -> Result<(), LakeError> {
        let actions = std::mem::take(&mut self.actions);
        self.write(self.version, self.base, actions)
    }

    /// What follows a commit, and does not undo it if it fails.
    pub(crate) fn follow_up(&self) {
        self.checkpoint_if_due(self.version, self.interval);
    }

    /// The actions of a commit.
    fn actions(
        &self,
        commit: &Commit,
        schema: &Schema,
        current: Option<&Snapshot>,
    ) -> Result<Vec<Action>, LakeError> {
        let mut actions = vec![self.commit_info(commit)];
        actions.extend(self.protocol(schema, current)?);
        actions.extend(self.metadata(commit, schema, current)?);
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
        schema: &Schema,
        current: Option<&Snapshot>,
    ) -> Result<Option<Action>, LakeError> {
        let needs_ntz = has_timestamp_without_zone(schema);
        let features = |features: &Option<Vec<String>>| -> BTreeSet<String> {
            features
                .iter()
                .flatten()
                .cloned()
                .chain([TIMESTAMP_NTZ.to_owned()])
                .collect()
        };
        let value = match current.and_then(kept) {
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
        schema: &Schema,
        current: Option<&Snapshot>,
    ) -> Result<Option<Action>, LakeError> {
        let schema_string = to_delta(schema)?;
        let mut properties =
            current.map_or_else(default_properties, |current| current.properties.clone());
        properties.extend(commit.properties.clone());
        if let Some(current) = current
            && to_delta(&current.schema)? == schema_string
            && current.properties == properties
        {
            return Ok(None);
        }
        let known = current.and_then(kept).map(|kept| &kept.metadata);
        let value = json!({
            "id": known.map_or_else(|| table::new_id(&self.dir, commit).to_string(), |known| known.id.clone()),
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
        let dir = self.path.join(LOG_FOLDER);
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

fn read_record(version: i64, lines: Vec<Line>, file: &Path) -> Result<CommitRecord, LakeError> {
    let mut record = CommitRecord::of(version);
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
