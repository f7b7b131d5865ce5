//! What an undo set out to take back, written before it takes anything back (A2).

use serde::{Deserialize, Serialize};

use crate::canonical::{from_self_checked_json, to_self_checked_bytes};
use crate::error::ReceiptError;

/// `_karat/undo/{run}.json`: a run is being taken back, or was. Immutable, written with put-if-absent, so that a run is taken back once, by
/// whoever finishes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undo {
    /// The run that is taken back.
    pub run: String,
    /// The run that takes it back: its commits and its manifest have this name, also where another process finishes it.
    pub by: String,
    /// That run's logical time, RFC 3339.
    pub logical_time: String,
    /// Who asked for it.
    pub principal: String,
    /// Why.
    pub reason: String,
    /// Every table that the run wrote, in the order in which they are taken back: what is read before what reads it.
    pub tables: Vec<UndoneTable>,
}

/// How one table is taken back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UndoneTable {
    /// The table, such as `ledger_silver.entries`.
    pub table: String,
    /// The version on which the commit goes.
    pub base: i64,
    /// The version whose files the table has again; none where the run made its first.
    pub back_to: Option<i64>,
    /// The epoch of the commit, of the table's writer.
    pub epoch: i64,
    /// Epochs of that writer that count no more.
    pub undoes: Vec<i64>,
    /// Of a feed: epochs of its repairs whose rows are gone, for whoever reads the document. karat finds repairs by the files that are live.
    pub repairs: Vec<i64>,
}

impl Undo {
    /// The document's one text.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        to_self_checked_bytes("undo", self).expect("no field of this type can hold a float")
    }

    /// Reads one.
    ///
    /// # Errors
    /// [`ReceiptError::Truncated`], [`ReceiptError::Altered`] or [`ReceiptError::Damaged`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ReceiptError> {
        from_self_checked_json("undo", bytes)
    }
}
