//! A table: its snapshots, its history, and the one way to change it, whatever its format.
//!
//! A commit is a list of adds and removes against a stated base version. It goes in only if that is still the newest version, and
//! only if the table does not carry the writer's transaction yet (SEMANTICS A4). After any failure the log is asked first whether the
//! commit is in it: an answer can be lost on the way back.
//!
//! What a format does is [`Log`] (to read) and `Prepared` (to commit); what a table that is there has for a format, its folder says.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use karat_exact::Fingerprint;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::canonical::{Named, WrittenFile};
use crate::delta::{self, DeltaLog};
use crate::iceberg::{self, IcebergLog};
use crate::{CanonicalWriter, CommitError, LakeError, Layout, failpoint, schema};

/// A table's folder in a lake; the table need not exist yet.
#[derive(Debug, Clone)]
pub struct Table {
    path: PathBuf,
    dir: String,
    /// What the first commit makes of it.
    new: Format,
}

/// How a table keeps its log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// Delta Lake: `_delta_log/`.
    #[default]
    Delta,
    /// Apache Iceberg: `metadata/`.
    Iceberg,
}

impl Format {
    /// The word for it, in projects and in answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Delta => "delta",
            Self::Iceberg => "iceberg",
        }
    }

    /// The folder of its log, below the table's.
    fn log_folder(self) -> &'static str {
        match self {
            Self::Delta => delta::LOG_FOLDER,
            Self::Iceberg => iceberg::LOG_FOLDER,
        }
    }

    /// Name of the file in the log that makes a version.
    fn entry_name(self, version: i64) -> String {
        match self {
            Self::Delta => delta::entry_name(version),
            Self::Iceberg => iceberg::entry_name(version),
        }
    }
}

/// The log of a table that is there, as its format keeps it.
pub(crate) trait Log {
    /// The oldest version that can be read.
    fn oldest(&self) -> i64;

    /// The newest version.
    fn newest(&self) -> i64;

    /// Versions whose commits are there, from `from` on, oldest first.
    fn commits_from(&self, from: i64) -> Vec<i64>;

    /// The commit that made a version.
    fn record(&self, version: i64) -> Result<CommitRecord, LakeError>;

    /// The table at a version between the oldest and the newest.
    fn snapshot_at(&self, version: i64) -> Result<Snapshot, LakeError>;

    /// Files of the log up to a version, relative to the table.
    fn files_up_to(&self, version: i64) -> Result<Vec<String>, LakeError>;
}

/// What a version states besides rows and columns, for the commit after it.
#[derive(Debug, Clone)]
pub(crate) enum Kept {
    Delta(Box<delta::Kept>),
    Iceberg(Arc<iceberg::Kept>),
}

/// A commit that is ready to go in.
enum Prepared {
    Delta(delta::Prepared),
    Iceberg(iceberg::Prepared),
}

/// The file of a log that makes a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// Path relative to the table's folder.
    pub path: String,
    /// What it says: its bytes, and the digests of what they lead to unless that is named by its digest.
    pub text: Vec<u8>,
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
    /// Table properties, as in `delta.…`; not those in which karat keeps what a commit states.
    pub properties: BTreeMap<String, String>,
    /// The file, relative to the table's folder, that its state was read from in place of the commits up to it; none if from those alone.
    pub checkpoint: Option<String>,
    pub(crate) dir: String,
    pub(crate) kept: Kept,
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
    /// Statistics as Delta spells them (`numRecords`, `minValues`, `maxValues`, `nullCount`) as JSON text, where the writer kept any.
    pub stats: Option<String>,
}

impl LiveFile {
    /// The SHA-256 in the file's name, if karat named it.
    pub fn sha256(&self) -> Option<&str> {
        sha256_in_name(&self.path)
    }
}

/// Whether a path that a log names, relative to its table, is one below the table's folder.
pub(crate) fn is_inside(path: &str) -> bool {
    !path.split('/').any(|part| matches!(part, "" | "." | ".."))
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

impl CommitRecord {
    /// A version of which nothing is known yet.
    pub(crate) fn of(version: i64) -> Self {
        Self {
            version,
            timestamp_ms: None,
            operation: None,
            receipt: None,
            run: None,
            added: Vec::new(),
            removed: Vec::new(),
            app_versions: BTreeMap::new(),
            metadata_changed: false,
        }
    }
}

impl Table {
    /// The table in this folder of a lake; if it is to be made, then in this format.
    pub(crate) fn new(path: PathBuf, dir: String, new: Format) -> Self {
        Self { path, dir, new }
    }

    /// The table in this folder, which need not be in a lake of karat: for reading.
    pub fn at(path: &Path) -> Self {
        let dir = path.display().to_string();
        Self::new(path.to_path_buf(), dir, Format::default())
    }

    /// Whether there is a table in this folder. One that this user may not look into counts as one: who reads it is told.
    pub fn is_at(path: &Path) -> bool {
        let is_hidden = || {
            let found = std::fs::read_dir(path).map(drop);
            found.is_err_and(|error| error.kind() == std::io::ErrorKind::PermissionDenied)
        };
        path.join(delta::LOG_FOLDER).is_dir() || iceberg::is_at(path) || is_hidden()
    }

    /// The table's folder, absolute.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The table's folder relative to the lake.
    pub fn dir(&self) -> &str {
        &self.dir
    }

    /// The format of the table that is there, else the one in which it is to be made.
    pub fn format(&self) -> Result<Format, LakeError> {
        let delta = self.path.join(delta::LOG_FOLDER).is_dir();
        let is_delta = || Ok::<bool, LakeError>(DeltaLog::open(self)?.is_some());
        match (delta, iceberg::is_at(&self.path)) {
            (false, false) => Ok(self.new),
            (false, true) => Ok(Format::Iceberg),
            (true, false) if self.new == Format::Delta || is_delta()? => Ok(Format::Delta),
            (true, false) => Ok(self.new),
            (true, true) if is_delta()? => Err(self.two_formats()),
            (true, true) => Ok(Format::Iceberg),
        }
    }

    /// The folder of its log, relative to the lake.
    pub fn log_dir(&self) -> Result<String, LakeError> {
        Ok(format!("{}/{}", self.dir, self.format()?.log_folder()))
    }

    /// A folder that holds tables of two formats is none: two writers would each see half of it.
    pub(crate) fn log(&self) -> Result<Option<Box<dyn Log>>, LakeError> {
        let delta = DeltaLog::open(self)?;
        let iceberg = IcebergLog::open(self)?;
        match (delta, iceberg) {
            (Some(_), Some(_)) => Err(self.two_formats()),
            (Some(log), None) => Ok(Some(Box::new(log))),
            (None, Some(log)) => Ok(Some(Box::new(log))),
            (None, None) => Ok(None),
        }
    }

    fn two_formats(&self) -> LakeError {
        LakeError::refused(
            "read",
            &self.dir,
            "its folder holds a Delta table (`_delta_log`) and an Iceberg table (`metadata`)",
            "move one of the two folders away, and its data files with it",
        )
    }

    /// The newest version's number without reading it; none if there is no table.
    pub fn newest_version(&self) -> Result<Option<i64>, LakeError> {
        Ok(self.log()?.map(|log| log.newest()))
    }

    /// The newest version; none if there is no table.
    pub fn load(&self) -> Result<Option<Snapshot>, LakeError> {
        let Some(log) = self.log()? else {
            return Ok(None);
        };
        log.snapshot_at(log.newest()).map(Some)
    }

    /// The table at `version`; none if there is no table.
    pub fn load_at(&self, version: i64) -> Result<Option<Snapshot>, LakeError> {
        let Some(log) = self.log()? else {
            return Ok(None);
        };
        let (oldest, newest) = (log.oldest(), log.newest());
        if version < oldest || version > newest {
            return Err(LakeError::NoVersion {
                table: self.dir.clone(),
                oldest,
                version,
                newest,
            });
        }
        log.snapshot_at(version).map(Some)
    }

    /// The commits from version `from` on (default: all) whose log entries are still there, newest last.
    pub fn history(&self, from: Option<i64>) -> Result<Vec<CommitRecord>, LakeError> {
        let Some(log) = self.log()? else {
            return Ok(Vec::new());
        };
        let versions = log.commits_from(from.unwrap_or(0)).into_iter();
        versions.map(|version| log.record(version)).collect()
    }

    /// Removes what writers that died had not finished. For one who knows that nobody writes this table.
    pub fn remove_temporaries(&self) -> Result<(), LakeError> {
        crate::folder::remove_temporaries(&self.path)?;
        match self.path.is_dir() {
            true => crate::folder::remove_temporaries(&self.path.join(self.format()?.log_folder())),
            false => Ok(()),
        }
    }

    /// The commit that made this version; none if its log entry is not there.
    pub fn record(&self, version: i64) -> Result<Option<CommitRecord>, LakeError> {
        let Some(log) = self.log()? else {
            return Ok(None);
        };
        match log.commits_from(version).first() == Some(&version) {
            true => log.record(version).map(Some),
            false => Ok(None),
        }
    }

    /// The file of the log that makes a version, which need not be there, relative to the lake.
    pub fn entry_path(&self, version: i64) -> Result<String, LakeError> {
        let format = self.format()?;
        Ok(format!(
            "{}/{}/{}",
            self.dir,
            format.log_folder(),
            format.entry_name(version)
        ))
    }

    /// What the log says of a version, for its digest; none if that is not there.
    pub fn log_entry(&self, version: i64) -> Result<Option<LogEntry>, LakeError> {
        let format = self.format()?;
        let path = format!("{}/{}", format.log_folder(), format.entry_name(version));
        let file = self.path.join(&path);
        let mut text = match std::fs::read(&file) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(LakeError::io("read", file)(error)),
        };
        if format == Format::Iceberg {
            iceberg::add_digests(self, version, &mut text);
        }
        Ok(Some(LogEntry { path, text }))
    }

    /// Files of the log's newest checkpoint up to a version, and of the one that points to it, by name: other readers begin there. A
    /// format without checkpoints has none.
    pub fn newest_checkpoint(&self, version: i64) -> Result<BTreeMap<String, Vec<u8>>, LakeError> {
        let mut files = BTreeMap::new();
        if self.format()? == Format::Delta {
            let folder = self.path.join(delta::LOG_FOLDER);
            for name in delta::newest_checkpoint(crate::folder::names_in(&folder)?, version) {
                let path = folder.join(&name);
                let bytes = std::fs::read(&path).map_err(LakeError::io("read", path))?;
                files.insert(name, bytes);
            }
        }
        Ok(files)
    }

    /// Whether a file that was once among [`Self::newest_checkpoint`] goes on by now: it points to the newest, and there is a newer one
    /// than those that `is_known` knows.
    pub fn checkpoint_went_on(
        &self,
        name: &str,
        is_known: impl Fn(&str) -> bool,
    ) -> Result<bool, LakeError> {
        if !delta::is_pointer(name) {
            return Ok(false);
        }
        let names = crate::folder::names_in(&self.path.join(delta::LOG_FOLDER))?;
        let newer = |found: &String| delta::is_checkpoint(found) && !is_known(found);
        Ok(names.iter().any(newer))
    }

    /// What is wrong with the file by which other readers find the newest version, if the format has one: its path relative to the
    /// lake, and a sentence.
    pub fn wrong_pointer(&self) -> Result<Option<(String, String)>, LakeError> {
        match self.format()? {
            Format::Delta => Ok(None),
            Format::Iceberg => iceberg::wrong_pointer(self),
        }
    }

    /// Files of the log whose bytes are not those that their own names state, relative to the lake. Delta's entries have no such names: a
    /// manifest of a run states their digests.
    pub fn altered_log_files(&self) -> Result<Vec<(String, String)>, LakeError> {
        let named = |names: Vec<(String, String)>, folder: &str| {
            let names = names.into_iter();
            let named = names.map(|(name, why)| (format!("{}/{folder}/{name}", self.dir), why));
            named.collect()
        };
        if self.format()? == Format::Delta {
            let log = DeltaLog::open(self)?;
            let altered = log.map(|log| log.altered_summaries()).transpose()?;
            return Ok(named(altered.unwrap_or_default(), delta::LOG_FOLDER));
        }
        let why =
            "its bytes are not those that were written: its SHA-256 is not the one in its name";
        let altered = iceberg::altered(self)?.into_iter();
        let altered = altered.map(|name| (name, why.to_owned()));
        Ok(named(altered.collect(), iceberg::LOG_FOLDER))
    }

    /// Brings the file by which other readers find the newest version up to it, where a writer died before it could.
    pub fn mend_pointer(&self) -> Result<(), LakeError> {
        match self.format()? {
            Format::Delta => Ok(()),
            Format::Iceberg => iceberg::mend_pointer(self),
        }
    }

    /// A writer of files for this table; of `ordinal` is the first. The columns `excluded` stay out of the fingerprint.
    pub fn writer(
        &self,
        schema: &SchemaRef,
        layout: Layout,
        epoch: i64,
        ordinal: u32,
        excluded: &[&str],
    ) -> Result<CanonicalWriter, LakeError> {
        let schema = match self.format()? {
            Format::Delta => Arc::clone(schema),
            Format::Iceberg => iceberg::with_ids(self.load()?.as_ref(), schema)?,
        };
        CanonicalWriter::new(self.path.clone(), schema, layout, epoch, ordinal, excluded)
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
        let mut prepared = self.prepare(&commit, current.as_ref(), version)?;
        drop(current);

        failpoint::hit("commit.before");
        let outcome = match &mut prepared {
            Prepared::Delta(prepared) => prepared.put(),
            Prepared::Iceberg(prepared) => prepared.put(),
        };
        failpoint::hit("commit.after");
        if let Err(error) = outcome {
            self.settle(&commit, version, error)?;
        }
        match &prepared {
            Prepared::Delta(prepared) => prepared.follow_up(),
            Prepared::Iceberg(prepared) => prepared.follow_up(),
        }
        Ok(version)
    }

    /// Checks that the table may take a commit, and makes it ready.
    fn prepare(
        &self,
        commit: &Commit,
        current: Option<&Snapshot>,
        version: i64,
    ) -> Result<Prepared, LakeError> {
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
        let format = match current.map(|current| &current.kept) {
            Some(Kept::Delta(_)) => Format::Delta,
            Some(Kept::Iceberg(_)) => Format::Iceberg,
            None => self.new,
        };
        Ok(match format {
            Format::Delta => Prepared::Delta(delta::Prepared::new(
                self, commit, &schema, current, version,
            )?),
            Format::Iceberg => Prepared::Iceberg(iceberg::Prepared::new(
                self, commit, &schema, current, version,
            )?),
        })
    }

    fn conflict(&self, base: Option<i64>, found: Option<i64>) -> CommitError {
        CommitError::Conflict {
            table: self.dir.clone(),
            base,
            found,
        }
    }

    pub(crate) fn refuse(&self, why: String, hint: &str) -> LakeError {
        LakeError::refused("write", &self.dir, why, hint)
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

    /// After a failed commit: is it in the log all the same, was somebody else first, or did it fail?
    fn settle(&self, commit: &Commit, version: i64, error: LakeError) -> Result<(), CommitError> {
        let found = self.find_app(&commit.app, version)?;
        match found {
            Some(record)
                if record.version == version
                    && record.receipt.as_deref() == Some(&commit.receipt) =>
            {
                tracing::info!(version, table = %self.dir, "the answer of a commit was lost; it is in the log");
                crate::folder::sync_dir(&self.path.join(self.format()?.log_folder()))?;
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
        let Some(log) = self.log()? else {
            return Ok(None);
        };
        let mut found = None;
        for version in log.commits_from(from).into_iter().rev() {
            let record = log.record(version)?;
            match record.app_versions.get(&app.0) {
                Some(&carried) if carried >= app.1 => found = Some(record),
                Some(_) => break,
                None => {}
            }
        }
        Ok(found)
    }
}

impl Snapshot {
    /// A file of this version, for a commit that puts it back into the table; it lies there still.
    pub fn put_back(
        &self,
        file: &LiveFile,
        sha256: String,
        fingerprint: Fingerprint,
    ) -> WrittenFile {
        let named = match &self.kept {
            Kept::Delta(_) => None,
            Kept::Iceberg(kept) => iceberg::named(kept, &file.path).map(Box::new),
        };
        WrittenFile {
            path: file.path.clone(),
            size: file.size,
            sha256,
            rows: file.rows,
            fingerprint,
            stats: match &file.stats {
                Some(stats) => stats.clone(),
                None => json!({ "numRecords": file.rows }).to_string(),
            },
            named: Named::Before(named),
            existed: true,
        }
    }

    /// Refuses, by name, a table whose features or rules karat's commits would break.
    pub fn check_writable(&self) -> Result<(), LakeError> {
        match &self.kept {
            Kept::Delta(kept) => kept.check_writable(&self.dir),
            Kept::Iceberg(kept) => kept.check_writable(&self.dir),
        }
    }

    /// Rows of all live files.
    pub fn rows(&self) -> u64 {
        let rows = self.files.iter().map(|file| file.rows);
        rows.fold(0, u64::saturating_add)
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

/// The id of a table that a commit makes: no random number, but the digest of what made the table.
pub(crate) fn new_id(dir: &str, commit: &Commit) -> uuid::Uuid {
    let text = format!(
        "karat table\n{dir}\n{}\n{}\n{}",
        commit.run, commit.receipt, commit.timestamp_ms
    );
    let digest = Sha256::digest(text.as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}
