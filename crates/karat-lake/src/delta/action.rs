//! The actions of a Delta log as they stand in its JSON lines; only what karat reads of them.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::LakeError;

/// One line: exactly one of these is there in a good log; lines of other kinds are empty here.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Line {
    pub(crate) add: Option<Add>,
    pub(crate) remove: Option<Remove>,
    pub(crate) meta_data: Option<Metadata>,
    pub(crate) protocol: Option<Protocol>,
    pub(crate) txn: Option<Txn>,
    pub(crate) commit_info: Option<CommitInfo>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Add {
    pub(crate) path: String,
    pub(crate) size: i64,
    pub(crate) stats: Option<String>,
    pub(crate) deletion_vector: Option<IgnoredAny>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Remove {
    pub(crate) path: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Metadata {
    pub(crate) id: String,
    pub(crate) name: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) schema_string: String,
    #[serde(default)]
    pub(crate) partition_columns: Vec<String>,
    #[serde(default)]
    pub(crate) configuration: BTreeMap<String, Option<String>>,
    pub(crate) created_time: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Protocol {
    pub(crate) min_reader_version: i64,
    pub(crate) min_writer_version: i64,
    #[serde(default)]
    pub(crate) reader_features: Option<Vec<String>>,
    #[serde(default)]
    pub(crate) writer_features: Option<Vec<String>>,
}

impl Protocol {
    /// Whether checkpoints of the v2 kind may stand in the log.
    pub(crate) fn has_v2_checkpoints(&self) -> bool {
        let features = self.reader_features.iter().flatten();
        features
            .chain(self.writer_features.iter().flatten())
            .any(|feature| feature == "v2Checkpoint")
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Txn {
    pub(crate) app_id: String,
    pub(crate) version: i64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CommitInfo {
    pub(crate) timestamp: Option<i64>,
    pub(crate) in_commit_timestamp: Option<i64>,
    pub(crate) operation: Option<String>,
    #[serde(rename = "karat.receipt")]
    pub(crate) receipt: Option<String>,
    #[serde(rename = "karat.run")]
    pub(crate) run: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RowCount {
    num_records: Option<u64>,
}

impl Add {
    /// Whether it is the same file, with the same statistics where both have any.
    pub(crate) fn is_as(&self, other: &Add) -> bool {
        let stats = |add: &Add| add.stats.as_deref().and_then(document);
        self.size == other.size
            && self.deletion_vector.is_some() == other.deletion_vector.is_some()
            && match (stats(self), stats(other)) {
                (Some(one), Some(other)) => one == other,
                _ => true,
            }
    }

    /// Rows by the statistics, where they tell.
    pub(crate) fn rows(&self) -> Option<u64> {
        let stats = self.stats.as_deref()?;
        serde_json::from_str::<RowCount>(stats).ok()?.num_records
    }
}

/// A JSON text within an action, however it is spaced.
pub(crate) fn document(text: &str) -> Option<serde_json::Value> {
    serde_json::from_str(text).ok()
}

/// Reads a commit file.
pub(crate) fn read_commit(path: &Path) -> Result<Vec<Line>, LakeError> {
    let file = File::open(path).map_err(LakeError::io("read", path))?;
    if file
        .metadata()
        .map_err(LakeError::io("read", path))?
        .is_dir()
    {
        return Err(LakeError::io("read", path)(
            std::io::ErrorKind::IsADirectory.into(),
        ));
    }
    read_lines(path, BufReader::new(file))
}

/// Reads JSON lines; `path` is for messages.
pub(crate) fn read_lines(path: &Path, mut lines: impl BufRead) -> Result<Vec<Line>, LakeError> {
    let mut actions = Vec::new();
    let mut number = 0;
    let mut text = Vec::new();
    loop {
        text.clear();
        number += 1;
        if lines
            .read_until(b'\n', &mut text)
            .map_err(LakeError::io("read", path))?
            == 0
        {
            break;
        }
        if text.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let action = serde_json::from_slice(&text).map_err(|error| {
            LakeError::corrupt_by(path, format!("line {number} is no Delta action"), error)
        })?;
        actions.push(action);
    }
    if actions.is_empty() {
        return Err(LakeError::corrupt(path, "it is empty"));
    }
    Ok(actions)
}

/// A path of the log as a path below the table's folder: percent signs decoded.
pub(crate) fn decode_path(raw: &str) -> Option<String> {
    let bytes = raw.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] == b'%' {
            let digits = raw.get(at + 1..at + 3)?;
            decoded.push(u8::from_str_radix(digits, 16).ok()?);
            at += 3;
        } else {
            decoded.push(bytes[at]);
            at += 1;
        }
    }
    String::from_utf8(decoded).ok()
}
