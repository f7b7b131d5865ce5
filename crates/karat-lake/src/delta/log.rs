//! Reads a table's `_delta_log` folder: which versions there are, and what is in force at one of them.
//!
//! It needs neither DataFusion nor a runtime: one listing, the newest usable checkpoint, and the commits after it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::action::{self, Add, Line, Metadata, Protocol, Txn};
use super::{LAST_CHECKPOINT, LOG_FOLDER, checkpoint};
use crate::LakeError;

/// The files of a log that matter.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    dir: PathBuf,
    commits: BTreeSet<i64>,
    /// Complete classic checkpoints: version to file names.
    checkpoints: BTreeMap<i64, Vec<String>>,
    /// Further complete classic checkpoints of a version that has one: other readers may take one of these.
    more_checkpoints: BTreeMap<i64, Vec<Vec<String>>>,
    /// Checkpoints of the v2 kind: version to file names.
    v2_checkpoints: BTreeMap<i64, Vec<String>>,
    /// Checksum files, which other readers take columns from: version to file name.
    checksums: BTreeMap<i64, String>,
    /// Compacted commits, which other readers take in place of these: first version to last and file name.
    compacted: BTreeMap<i64, Vec<(i64, String)>>,
}

/// What is in force at a version.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) version: i64,
    pub(crate) protocol: Protocol,
    pub(crate) metadata: Metadata,
    /// The file that the metadata was read from, for messages.
    pub(crate) metadata_file: PathBuf,
    /// Live files by decoded path.
    pub(crate) adds: BTreeMap<String, Add>,
    pub(crate) txns: BTreeMap<String, i64>,
    /// The checkpoint that it was read from, and the commits after it, if it was.
    pub(crate) checkpoint: Option<String>,
}

/// Commits before a checkpoint that are asked for the transactions that it states.
const COMMITS_ASKED: usize = 100;

pub(crate) fn commit_name(version: i64) -> String {
    format!("{version:020}.json")
}

impl Listing {
    /// Lists the log folder; none if there is no table.
    pub(crate) fn read(table_dir: &Path) -> Result<Option<Self>, LakeError> {
        let dir = table_dir.join(LOG_FOLDER);
        let entries = match std::fs::read_dir(&dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(LakeError::io("list", dir)(error)),
        };
        let mut listing = Self {
            dir: dir.clone(),
            ..Self::default()
        };
        let mut parts: BTreeMap<(i64, u32), BTreeMap<u32, String>> = BTreeMap::new();
        for entry in entries {
            let name = entry.map_err(LakeError::io("list", &dir))?.file_name();
            let Some(name) = name.to_str() else { continue };
            let Some((version, rest)) = name.split_once('.') else {
                continue;
            };
            if version.len() != 20 {
                continue;
            }
            let Ok(version) = version.parse::<i64>() else {
                continue;
            };
            match rest.split('.').collect::<Vec<_>>().as_slice() {
                ["json"] => {
                    listing.commits.insert(version);
                }
                ["checkpoint", "parquet"] => {
                    listing.checkpoints.insert(version, vec![name.to_owned()]);
                }
                ["checkpoint", part, count, "parquet"] => {
                    if let (Ok(part), Ok(count)) = (part.parse(), count.parse()) {
                        parts
                            .entry((version, count))
                            .or_default()
                            .insert(part, name.to_owned());
                    }
                }
                ["checkpoint", _uuid, "json" | "parquet"] => {
                    let of_version = listing.v2_checkpoints.entry(version).or_default();
                    of_version.push(name.to_owned());
                }
                ["crc"] => {
                    listing.checksums.insert(version, name.to_owned());
                }
                [last, "compacted", "json"] => {
                    if let Ok(last) = last.parse() {
                        let from = listing.compacted.entry(version).or_default();
                        from.push((last, name.to_owned()));
                    }
                }
                _ => {}
            }
        }
        for ((version, count), parts) in parts {
            if parts.len() == count as usize {
                let names = parts.into_values().collect();
                if listing.checkpoints.contains_key(&version) {
                    let more = listing.more_checkpoints.entry(version).or_default();
                    more.push(names);
                } else {
                    listing.checkpoints.insert(version, names);
                }
            }
        }
        let empty = listing.commits.is_empty()
            && listing.checkpoints.is_empty()
            && listing.v2_checkpoints.is_empty();
        Ok((!empty).then_some(listing))
    }

    /// The oldest version that can be read: what expired logs leave begins with a checkpoint.
    pub(crate) fn oldest(&self) -> i64 {
        match self.commits.first() {
            Some(0) => 0,
            _ => self.checkpoints.keys().next().copied().unwrap_or(0),
        }
    }

    /// The newest version.
    pub(crate) fn newest(&self) -> i64 {
        let newest = [
            self.commits.last(),
            self.checkpoints.keys().last(),
            self.v2_checkpoints.keys().last(),
        ];
        newest.into_iter().flatten().copied().max().unwrap_or(-1)
    }

    /// Versions whose commit is still readable, from `from` on, oldest first.
    pub(crate) fn commits_from(&self, from: i64) -> impl DoubleEndedIterator<Item = i64> {
        self.commits.range(from..).copied()
    }

    /// Names of the commits and checkpoints up to `version`.
    pub(crate) fn files_up_to(&self, version: i64) -> impl Iterator<Item = String> {
        let commits = self.commits.range(..=version).copied().map(commit_name);
        let checkpoints = self.checkpoints.range(..=version);
        commits.chain(checkpoints.flat_map(|(_, names)| names.clone()))
    }

    pub(crate) fn commit_path(&self, version: i64) -> PathBuf {
        self.dir.join(commit_name(version))
    }

    pub(crate) fn read_commit(&self, version: i64) -> Result<Vec<Line>, LakeError> {
        action::read_commit(&self.commit_path(version))
    }

    /// What is in force at `version`, which is not above the newest.
    pub(crate) fn state_at(&self, table: &str, version: i64) -> Result<State, LakeError> {
        let mut replay = Replay::default();
        let mut unreadable = None;
        let mut checkpoint = None;
        let mut next = 0;
        for (&at, names) in self.checkpoints.range(..=version).rev() {
            let start = self.replay_checkpoint(names);
            match start.and_then(|start| self.with_its_transactions(at, names, start)) {
                Ok(start) => {
                    replay = start;
                    next = at + 1;
                    checkpoint = names.first().cloned();
                    break;
                }
                // An older one, or the commits themselves, may do: karat never removes them.
                Err(error) => {
                    tracing::warn!(%error, "checkpoint skipped");
                    unreadable.get_or_insert(error);
                }
            }
        }
        for version in next..=version {
            if !self.commits.contains(&version) {
                return Err(unreadable.unwrap_or_else(|| self.missing(table, version)));
            }
            replay.commit(self.read_commit(version)?, &self.commit_path(version))?;
        }
        Ok(State {
            checkpoint,
            ..replay.finish(version, &self.dir)?
        })
    }

    /// A checkpoint whose transactions are those of the commits up to it: by them a run knows what is loaded. What many commits do not
    /// tell is believed, and one whose own commit is gone.
    fn with_its_transactions(
        &self,
        at: i64,
        names: &[String],
        start: Replay,
    ) -> Result<Replay, LakeError> {
        if !self.commits.contains(&at) {
            return Ok(start);
        }
        let mut seen: BTreeMap<String, i64> = BTreeMap::new();
        for version in self.commits.range(..=at).rev().take(COMMITS_ASKED) {
            for Txn { app_id, version } in self
                .read_commit(*version)?
                .into_iter()
                .filter_map(|line| line.txn)
            {
                seen.entry(app_id).or_insert(version);
            }
            if start.txns.keys().all(|app| seen.contains_key(app)) {
                break;
            }
        }
        let differs = |(app, version): (&String, &i64)| start.txns.get(app) != Some(version);
        if seen.iter().any(differs) {
            return Err(LakeError::corrupt(
                self.dir.join(&names[0]),
                "the checkpoint states other transactions than the commits before it",
            ));
        }
        Ok(start)
    }

    /// Files from which readers take what the commits say, and that say something else: checkpoints, the pointer to the newest, checksums,
    /// compacted commits. Each with what is wrong. Of a log that begins with a checkpoint, those after it.
    pub(crate) fn altered_summaries(&self) -> Result<Vec<(String, String)>, LakeError> {
        let mut altered = Vec::from_iter(self.wrong_pointer()?);
        let (mut replay, mut next) = match self.commits.first() {
            Some(0) => (Replay::default(), 0),
            _ => match self.checkpoints.first_key_value() {
                Some((at, names)) => (self.replay_checkpoint(names)?, at + 1),
                None => return Ok(altered),
            },
        };
        let mut compacted: BTreeMap<i64, Vec<(&str, Replay)>> = BTreeMap::new();
        while self.commits.contains(&next) {
            for (last, name) in self.compacted.get(&next).into_iter().flatten() {
                let mut instead = replay.clone();
                let path = self.dir.join(name);
                match action::read_commit(&path).and_then(|lines| instead.commit(lines, &path)) {
                    Ok(()) => compacted.entry(*last).or_default().push((name, instead)),
                    Err(error) => altered.push((name.clone(), error.to_string())),
                }
            }
            replay.commit(self.read_commit(next)?, &self.commit_path(next))?;
            let more = self.more_checkpoints.get(&next).into_iter().flatten();
            for names in self.checkpoints.get(&next).into_iter().chain(more) {
                let why = match self.replay_checkpoint(names) {
                    Ok(found) => replay.other_than(&found).map(str::to_owned),
                    Err(error) => Some(error.to_string()),
                };
                altered.extend(why.map(|why| (names[0].clone(), why)));
            }
            if let Some(name) = self.checksums.get(&next) {
                let why = match self.read_checksum(name) {
                    Ok(found) => replay.other_than_checksum(&found).map(str::to_owned),
                    Err(error) => Some(error.to_string()),
                };
                altered.extend(why.map(|why| (name.clone(), why)));
            }
            for (name, found) in compacted.remove(&next).into_iter().flatten() {
                let why = replay.other_than(&found);
                altered.extend(why.map(|why| (name.to_owned(), why.to_owned())));
            }
            next += 1;
        }
        let has_v2 = replay
            .protocol
            .as_ref()
            .is_some_and(Protocol::has_v2_checkpoints);
        if !has_v2 {
            let why = "it is of the Delta feature v2Checkpoint, which the table does not have";
            let names = self.v2_checkpoints.values().flatten();
            altered.extend(names.map(|name| (name.clone(), why.to_owned())));
        }
        let of_no_version = "there is no commit of its version";
        let checksums = self.checksums.range(next..).map(|(_, name)| name.as_str());
        let beyond = compacted.into_values().flatten().map(|(name, _)| name);
        let later = self.compacted.range(next..).flat_map(|(_, all)| all);
        let beyond = beyond.chain(later.map(|(_, name)| name.as_str()));
        altered.extend(
            checksums
                .chain(beyond)
                .map(|name| (name.to_owned(), of_no_version.to_owned())),
        );
        Ok(altered)
    }

    /// The pointer to the newest checkpoint, where it names one that is not there: other readers fail then.
    fn wrong_pointer(&self) -> Result<Option<(String, String)>, LakeError> {
        #[derive(Deserialize)]
        struct Pointer {
            version: i64,
        }
        let path = self.dir.join(LAST_CHECKPOINT);
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(LakeError::io("read", path)(error)),
        };
        let why = match serde_json::from_slice::<Pointer>(&text) {
            Ok(Pointer { version })
                if self.checkpoints.contains_key(&version)
                    || self.v2_checkpoints.contains_key(&version) =>
            {
                return Ok(None);
            }
            Ok(Pointer { version }) => {
                format!("it names the checkpoint of version {version}, which is not there")
            }
            Err(error) => format!("it cannot be read: {error}"),
        };
        Ok(Some((LAST_CHECKPOINT.to_owned(), why)))
    }

    fn read_checksum(&self, name: &str) -> Result<Checksum, LakeError> {
        let path = self.dir.join(name);
        let text = std::fs::read(&path).map_err(LakeError::io("read", &path))?;
        serde_json::from_slice(&text)
            .map_err(|error| LakeError::corrupt(&path, format!("it cannot be read: {error}")))
    }

    fn missing(&self, table: &str, version: i64) -> LakeError {
        if self.v2_checkpoints.range(version..).next().is_some() {
            return LakeError::refused(
                "read",
                table,
                "its log starts with a checkpoint of the Delta feature v2Checkpoint",
                "set delta.checkpointPolicy to classic there and make a checkpoint",
            );
        }
        LakeError::corrupt(
            self.commit_path(version),
            "the commit is missing, and no checkpoint replaces it",
        )
    }

    fn replay_checkpoint(&self, names: &[String]) -> Result<Replay, LakeError> {
        let mut replay = Replay::default();
        for name in names {
            let path = self.dir.join(name);
            replay.commit(checkpoint::read(&path)?, &path)?;
        }
        if replay.protocol.is_none() || replay.metadata.is_none() {
            return Err(LakeError::corrupt(
                self.dir.join(&names[0]),
                "the checkpoint has no protocol or no metadata",
            ));
        }
        Ok(replay)
    }
}

/// What a checksum file states of its version (`.crc` of the Delta protocol); what else may be in it no commit of karat's has.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Checksum {
    table_size_bytes: Option<i64>,
    num_files: Option<u64>,
    metadata: Option<Metadata>,
    protocol: Option<Protocol>,
    set_transactions: Option<Vec<Txn>>,
    all_files: Option<Vec<Add>>,
}

#[derive(Debug, Default, Clone)]
struct Replay {
    protocol: Option<Protocol>,
    metadata: Option<(Metadata, PathBuf)>,
    adds: BTreeMap<String, Add>,
    txns: BTreeMap<String, i64>,
}

impl Replay {
    fn commit(&mut self, lines: Vec<Line>, file: &Path) -> Result<(), LakeError> {
        let mut added = Vec::new();
        for line in lines {
            if let Some(add) = line.add {
                added.push(add);
            }
            if let Some(remove) = line.remove {
                self.adds.remove(&decoded(&remove.path, file)?);
            }
            if let Some(metadata) = line.meta_data {
                self.metadata = Some((metadata, file.to_owned()));
            }
            if let Some(protocol) = line.protocol {
                self.protocol = Some(protocol);
            }
            if let Some(Txn { app_id, version }) = line.txn {
                self.txns.insert(app_id, version);
            }
        }
        // Actions of one commit have no order; a file removed and added in it is live with its new entry.
        for add in added {
            self.adds.insert(decoded(&add.path, file)?, add);
        }
        Ok(())
    }

    fn shape(&self) -> Option<Shape<'_>> {
        let (metadata, _) = self.metadata.as_ref()?;
        Some(Shape::of(metadata))
    }

    /// What a checkpoint, or another summary with all actions, says else, if anything.
    fn other_than(&self, checkpoint: &Replay) -> Option<&'static str> {
        let (ours, theirs) = (self, checkpoint);
        let same_files = ours.adds.len() == theirs.adds.len()
            && ours
                .adds
                .iter()
                .all(|(path, add)| theirs.adds.get(path).is_some_and(|other| add.is_as(other)));
        match () {
            () if !same_files => Some("it lists other data files than the commits up to it"),
            () if ours.txns != theirs.txns => {
                Some("it states other transactions than the commits up to it")
            }
            () if ours.shape() != theirs.shape() => {
                Some("it states other columns or properties than the commits up to it")
            }
            () if ours.protocol != theirs.protocol => {
                Some("it states another protocol than the commits up to it")
            }
            () => None,
        }
    }

    /// What a checksum file says else, if anything.
    fn other_than_checksum(&self, found: &Checksum) -> Option<&'static str> {
        let files = found.all_files.as_ref();
        let same_files = files.is_none_or(|files| {
            let listed = |add: &Add| {
                let path = action::decode_path(&add.path)?;
                Some(self.adds.get(&path)?.is_as(add))
            };
            files.len() == self.adds.len() && files.iter().all(|add| listed(add) == Some(true))
        });
        let count = found.num_files.is_none_or(|n| n == self.adds.len() as u64);
        let bytes: i64 = self.adds.values().map(|add| add.size).sum();
        let is_set = |txn: &Txn| self.txns.get(&txn.app_id) == Some(&txn.version);
        let set = found.set_transactions.as_ref();
        let same_set = set.is_none_or(|set| set.len() == self.txns.len() && set.iter().all(is_set));
        let theirs = found.metadata.as_ref().map(Shape::of);
        match () {
            () if !same_files || !count || found.table_size_bytes.is_some_and(|n| n != bytes) => {
                Some("it states other data files than the commits up to it")
            }
            () if !same_set => Some("it states other transactions than the commits up to it"),
            () if theirs.is_some() && theirs != self.shape() => {
                Some("it states other columns or properties than the commits up to it")
            }
            () if found.protocol.is_some() && found.protocol != self.protocol => {
                Some("it states another protocol than the commits up to it")
            }
            () => None,
        }
    }

    fn finish(self, version: i64, dir: &Path) -> Result<State, LakeError> {
        let protocol = self
            .protocol
            .ok_or_else(|| LakeError::corrupt(dir, "no commit states the table's protocol"))?;
        let (metadata, metadata_file) = self
            .metadata
            .ok_or_else(|| LakeError::corrupt(dir, "no commit states the table's schema"))?;
        Ok(State {
            version,
            protocol,
            metadata,
            metadata_file,
            adds: self.adds,
            txns: self.txns,
            checkpoint: None,
        })
    }
}

/// What of a table's metadata shapes its rows.
#[derive(PartialEq)]
struct Shape<'a> {
    id: &'a str,
    schema: Option<serde_json::Value>,
    partition_columns: &'a [String],
    configuration: &'a BTreeMap<String, Option<String>>,
}

impl<'a> Shape<'a> {
    fn of(metadata: &'a Metadata) -> Self {
        Self {
            id: &metadata.id,
            schema: action::document(&metadata.schema_string),
            partition_columns: &metadata.partition_columns,
            configuration: &metadata.configuration,
        }
    }
}

pub(crate) fn decoded(path: &str, file: &Path) -> Result<String, LakeError> {
    action::decode_path(path).ok_or_else(|| {
        LakeError::corrupt(
            file,
            "a file name in it is not percent-encoded as it should be",
        )
    })
}
