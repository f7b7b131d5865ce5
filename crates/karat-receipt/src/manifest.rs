//! One consistent cut over all tables of a lake after a run (A10). The digest of its bytes is the head.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::canonical::{from_self_checked_json, to_self_checked_bytes};
use crate::digest::Digest;
use crate::error::ReceiptError;

/// `_karat/runs/{run}.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The run.
    pub run: String,
    /// One more than the manifest before.
    pub sequence: u64,
    /// The run's logical time, RFC 3339.
    pub logical_time: String,
    /// Whether every step of the run ended well.
    pub complete: bool,
    /// Every table of the lake, by name.
    pub tables: BTreeMap<String, TableState>,
    /// Digest of the manifest before; none for the first.
    pub previous: Option<Digest>,
    /// The tags of closed business days that were there, by name, with the digests of their bytes (A8).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, Digest>,
}

/// The state of a table in a cut.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableState {
    /// Its version.
    pub version: i64,
    /// The receipt of that version, if it has one.
    pub receipt: Option<Digest>,
    /// Its fingerprint.
    pub fingerprint: String,
    /// Its rows.
    pub rows: u64,
    /// Rolling digest of its log up to that version: a log entry is written after the receipt that it names, so only a later
    /// document can vouch for it.
    #[serde(default)]
    pub log: Option<Digest>,
    /// Files of the log's newest checkpoint, and the one that points to it, by name: other readers start there.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub checkpoint: BTreeMap<String, Digest>,
}

impl Manifest {
    /// The document's one text.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        to_self_checked_bytes("run manifest", self).expect("no field of this type can hold a float")
    }

    /// Reads a manifest.
    ///
    /// # Errors
    /// [`ReceiptError::Truncated`], [`ReceiptError::Altered`] or [`ReceiptError::Damaged`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ReceiptError> {
        from_self_checked_json("run manifest", bytes)
    }

    /// The head: the digest of the manifest's bytes.
    #[must_use]
    pub fn head(&self) -> Digest {
        Digest::of(&self.to_bytes())
    }
}
