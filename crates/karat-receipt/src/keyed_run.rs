//! The note that a run which somebody gave a key to ended well.

use serde::{Deserialize, Serialize};

use crate::canonical::{from_self_checked_json, to_self_checked_bytes};
use crate::digest::Digest;
use crate::error::ReceiptError;

/// `_karat/keys/{SHA-256 of the key}.json`. Immutable, written with put-if-absent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyedRun {
    /// The key.
    pub key: String,
    /// What it was asked to run: selectors, as they were written; all, if there are none.
    pub selection: Vec<String>,
    /// The run that ended well.
    pub run: String,
    /// Its logical time, RFC 3339.
    pub logical_time: String,
    /// The lake's head when it ended; none if no run had made a version.
    pub head: Option<Digest>,
}

impl KeyedRun {
    /// The document's one text.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        to_self_checked_bytes("note of a run key", self)
            .expect("no field of this type can hold a float")
    }

    /// Reads a note.
    ///
    /// # Errors
    /// [`ReceiptError::Truncated`], [`ReceiptError::Altered`] or [`ReceiptError::Damaged`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ReceiptError> {
        from_self_checked_json("note of a run key", bytes)
    }
}
