//! The checks that were made on a version of a table, and what each counted (C7, G3): counts, and never a value.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::canonical::{from_self_checked_json, to_self_checked_bytes};
use crate::digest::Digest;
use crate::error::ReceiptError;
use crate::receipt::Input;

/// What was checked, and against what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Audit {
    /// Digest of the checks' text.
    pub code: Digest,
    /// The versions of other tables that the checks read.
    pub inputs: Vec<Input>,
    /// What the checks saw of the logical time: the moment, the day, or nothing.
    pub clock: Option<String>,
    /// The values that they asked for, as in [`crate::Receipt::parameters`] (A9).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, String>,
    /// Each check, in the order of the model.
    pub checks: Vec<CheckCount>,
}

/// What a check counted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CheckCount {
    /// Its name.
    pub name: String,
    /// What it asks: `unique`, `not_null`, `foreign_key`, `rows`, `sum`, `freshness`, `volume`, `same_as` or `sql`.
    pub kind: String,
    /// `fail` or `warn`.
    pub action: String,
    /// What is wrong: rows, or 1 where the table as a whole breaks it; 0 where it holds.
    pub violations: u64,
    /// How it came to be answered, where it was not by looking at the rows.
    pub note: Option<String>,
}

/// `_karat/audits/{domain}/{layer}.{table}/{digest}.json`: a version that was there already kept other checks than those of its receipt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Audited {
    /// The table.
    pub table: String,
    /// Its version.
    pub version: i64,
    /// The receipt of that version.
    pub receipt: Digest,
    /// The run that made the checks.
    pub run: String,
    /// Its logical time, RFC 3339.
    pub logical_time: String,
    /// Who ran it.
    pub principal: String,
    /// What was checked.
    pub audit: Audit,
}

impl Audited {
    /// The document's one text.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        to_self_checked_bytes("audit", self).expect("no field of this type can hold a float")
    }

    /// Reads the note of an audit.
    ///
    /// # Errors
    /// [`ReceiptError::Truncated`], [`ReceiptError::Altered`] or [`ReceiptError::Damaged`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ReceiptError> {
        from_self_checked_json("audit", bytes)
    }
}
