//! What a load or a model will read, written before it reads anything (A2), the note that settles an intent which made
//! no commit (A3), and what a person accepted of a feed (B8). All are immutable and written with put-if-absent.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::canonical::{from_self_checked_json, to_self_checked_bytes};
use crate::digest::Digest;
use crate::error::ReceiptError;

/// `_karat/intents/{domain}/{source}__{feed}/{epoch}.json`, or the same for a model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// The feed or model.
    pub feed_or_model: String,
    /// Its epoch.
    pub epoch: i64,
    /// The run that planned it.
    pub run: String,
    /// That run's logical time, RFC 3339.
    pub logical_time: String,
    /// Digest of the code that was to run.
    pub code: Digest,
    /// Its parameters.
    pub parameters: BTreeMap<String, String>,
    /// The position from which the load reads.
    pub from: Value,
    /// The position up to which it reads; the feed's position once the commit is there.
    pub to: Value,
    /// The objects it reads.
    #[serde(default)]
    pub objects: Vec<IntentObject>,
    /// The tables a model reads, by name.
    #[serde(default)]
    pub inputs: BTreeMap<String, InputRef>,
}

/// An object that a load reads, as it was when the load was planned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IntentObject {
    /// Path relative to the source's root.
    pub path: String,
    /// Size in bytes.
    pub size: u64,
    /// Time of its last change, nanoseconds since 1970.
    pub mtime_ns: i64,
    /// SHA-256 of its bytes, hexadecimal.
    pub sha256: String,
    /// Which content of this path it is, from 1.
    pub delivery: i64,
    /// The path that delivered the same content before, if any (B4).
    #[serde(default)]
    pub duplicate_of: Option<String>,
    /// Why it cannot be read whole, if it cannot.
    #[serde(default)]
    pub broken: Option<String>,
    /// What `file_order` captured from its path: its place among the objects (B1).
    #[serde(default)]
    pub mark: String,
}

/// A table that a model reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputRef {
    /// Its version.
    pub version: i64,
    /// Its fingerprint.
    pub fingerprint: String,
}

impl Intent {
    /// The document's one text.
    ///
    /// # Errors
    /// [`ReceiptError::Float`] if `from` or `to` hold a floating-point number: a position carries it as text.
    pub fn to_bytes(&self) -> Result<Vec<u8>, ReceiptError> {
        to_self_checked_bytes("intent", self)
    }

    /// Reads an intent.
    ///
    /// # Errors
    /// [`ReceiptError::Truncated`], [`ReceiptError::Altered`] or [`ReceiptError::Damaged`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ReceiptError> {
        from_self_checked_json("intent", bytes)
    }
}

/// `{epoch}.closed.json`: the intent made no commit and never will.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closed {
    /// The feed or model.
    pub feed_or_model: String,
    /// The epoch it settles.
    pub epoch: i64,
    /// How it ended.
    pub outcome: Outcome,
    /// Why, in a sentence.
    pub reason: String,
    /// The objects that count as seen although no commit names them.
    #[serde(default)]
    pub objects: Vec<IntentObject>,
}

/// How an intent ended without a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// There was nothing to store.
    Empty,
    /// A limit or a person said no.
    Refused,
    /// The source cannot give this range again.
    Unreadable,
}

impl Closed {
    /// The document's one text.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        to_self_checked_bytes("closing note", self).expect("no field of this type can hold a float")
    }

    /// Reads a closing note.
    ///
    /// # Errors
    /// [`ReceiptError::Truncated`], [`ReceiptError::Altered`] or [`ReceiptError::Damaged`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ReceiptError> {
        from_self_checked_json("closing note", bytes)
    }
}

/// `_karat/schema/{domain}/{source}__{feed}/{number}.json`: columns of a feed may be missing from now on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// The feed.
    pub feed: String,
    /// Which note of this feed it is, from 1.
    pub number: u64,
    /// Columns that may be missing.
    pub missing: Vec<String>,
    /// Who accepted it.
    pub principal: String,
    /// When, RFC 3339.
    pub logical_time: String,
}

impl Accepted {
    /// The document's one text.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        to_self_checked_bytes("accepted schema", self)
            .expect("no field of this type can hold a float")
    }

    /// Reads what was accepted.
    ///
    /// # Errors
    /// [`ReceiptError::Truncated`], [`ReceiptError::Altered`] or [`ReceiptError::Damaged`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ReceiptError> {
        from_self_checked_json("accepted schema", bytes)
    }
}
