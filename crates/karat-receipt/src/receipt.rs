//! What a receipt holds: what a run read, ran and wrote for one version of one table (SEMANTICS G3). Never a row value.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::audit::Audit;
use crate::digest::Digest;
use crate::error::ReceiptError;
use crate::instant::Instant;

/// The predicate of a statement: everything karat states about one version of one table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The table, such as `ledger_silver.entries`.
    pub table: String,
    /// The version for which this was written: the commit is conditional on it (G2).
    pub version: i64,
    /// What made the version.
    pub kind: Kind,
    /// Bronze, silver, gold or quarantine.
    pub layer: String,
    /// The run.
    pub run: String,
    /// The run's one logical time, RFC 3339 (A6).
    pub logical_time: String,
    /// The epoch of the load or model.
    pub epoch: i64,
    /// The intent that came before, if there is one.
    pub intent: Option<Digest>,
    /// The tables read, with their receipts: the edges of the graph.
    pub inputs: Vec<Input>,
    /// The objects of the source read.
    pub objects: Vec<ObjectRef>,
    /// The code that ran.
    pub code: Digest,
    /// The parameters it ran with.
    pub parameters: BTreeMap<String, String>,
    /// Who ran it.
    pub principal: String,
    /// The target's name.
    pub target: String,
    /// What started the run.
    pub trigger: String,
    /// The version of karat.
    pub karat_version: String,
    /// The version of the time-zone table.
    pub tzdata: String,
    /// The version of the Unicode tables.
    pub unicode: String,
    /// What each expectation counted.
    pub expectations: Vec<ExpectationCount>,
    /// The checks that the version was held to before it was visible (C7); left out where its model has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit: Option<Audit>,
    /// Row accounting of the version in full (G6): `read`, `kept`, `duplicate`, `quarantined`, and so on.
    pub accounting: BTreeMap<String, u64>,
    /// Row accounting of this run's share.
    pub accounting_run: BTreeMap<String, u64>,
    /// Fingerprint of the version's content: `{rows}:{sum as 32 hexadecimal digits}` (G1).
    pub fingerprint: String,
    /// Digest of the schema.
    pub schema: Digest,
    /// Files that this version has and the one before had not.
    pub files_added: Vec<FileRef>,
    /// Files that the version before had and this one has not.
    pub files_removed: Vec<FileRef>,
    /// Digest of the sorted list of all live files, see [`crate::live_files_digest`].
    pub live_files: Digest,
    /// Digest of what is kept beside the receipt: the fingerprint of each live file.
    pub file_fingerprints: Digest,
    /// Bytes read to make it.
    pub bytes_read: u64,
    /// Bytes written to make it.
    pub bytes_written: u64,
    /// The receipt of the version before; none for the first.
    pub previous: Option<Digest>,
    /// Why, where a person had to say so.
    pub reason: Option<String>,
    /// Closed business days whose rows it changed, for that reason (A8); left out where there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub restated: Vec<String>,
}

/// What made a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A feed was loaded into bronze.
    Load,
    /// A model was computed.
    Transform,
    /// A person adopted versions that karat did not write.
    Adopt,
    /// A person repaired rows of bronze that were in quarantine.
    Repair,
    /// A run was taken back: the files of the version before it, made by the code and from the inputs of that version.
    Undo,
}

/// A table that was read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Input {
    /// Its name.
    pub table: String,
    /// The version read.
    pub version: i64,
    /// The receipt of that version, if it has one.
    pub receipt: Option<Digest>,
    /// The fingerprint of that version; empty for a version of another writer, which has no receipt either.
    pub fingerprint: String,
}

/// An object of a source that was read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ObjectRef {
    /// Path relative to the source's root.
    pub path: String,
    /// Size in bytes.
    pub size: u64,
    /// SHA-256 of its bytes, hexadecimal.
    pub sha256: String,
    /// Which content of this path it is, from 1.
    pub delivery: i64,
}

/// What an expectation counted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ExpectationCount {
    /// Its name.
    pub name: String,
    /// `warn`, `drop`, `quarantine` or `fail`.
    pub action: String,
    /// Rows that met it.
    pub passed: u64,
    /// Rows that broke it.
    pub failed: u64,
}

/// A data file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FileRef {
    /// Path relative to the table's folder.
    pub path: String,
    /// Size in bytes.
    pub size: u64,
    /// SHA-256 of its bytes, hexadecimal.
    pub sha256: String,
    /// Rows in it.
    pub rows: u64,
    /// Fingerprint of its rows; empty if nobody computed it.
    pub fingerprint: String,
}

impl Receipt {
    /// The statement's subject: `{table}@{version}`.
    #[must_use]
    pub fn subject(&self) -> String {
        format!("{}@{}", self.table, self.version)
    }

    /// Checks what the types cannot: that digests are digests, fingerprints fingerprints and times times.
    ///
    /// # Errors
    /// [`ReceiptError::Inconsistent`], naming the field.
    pub fn check(&self) -> Result<(), ReceiptError> {
        let wrong = |problem: String| {
            Err(ReceiptError::Inconsistent {
                what: "receipt",
                problem,
            })
        };
        if self.version < 0 {
            return wrong(format!(
                "version {} of `{}` is negative",
                self.version, self.table
            ));
        }
        if Instant::parse(&self.logical_time).is_err() {
            return wrong(format!(
                "logical_time of `{}` is no RFC 3339 time",
                self.subject()
            ));
        }
        if parse_fingerprint(&self.fingerprint).is_none() {
            return wrong(format!("the fingerprint of `{}` is none", self.subject()));
        }
        for input in &self.inputs {
            // Of a version of another writer, which an adoption covers, nobody has computed one.
            let is_foreign = input.receipt.is_none() && input.fingerprint.is_empty();
            if !is_foreign && parse_fingerprint(&input.fingerprint).is_none() {
                return wrong(format!(
                    "the fingerprint of input `{}` is none",
                    input.table
                ));
            }
        }
        for object in &self.objects {
            if object.sha256.parse::<Digest>().is_err() {
                return wrong(format!("the digest of object `{}` is none", object.path));
            }
        }
        for file in self.files_added.iter().chain(&self.files_removed) {
            if file.sha256.parse::<Digest>().is_err() {
                return wrong(format!("the digest of file `{}` is none", file.path));
            }
            if !file.fingerprint.is_empty() && parse_fingerprint(&file.fingerprint).is_none() {
                return wrong(format!("the fingerprint of file `{}` is none", file.path));
            }
        }
        Ok(())
    }
}

/// Rows and sum of a fingerprint in its one text form. The arithmetic of the chain needs no more of it than this;
/// how it is computed is karat-exact's affair.
pub(crate) fn parse_fingerprint(text: &str) -> Option<(u64, u128)> {
    let (rows, sum) = text.split_once(':')?;
    let is_number =
        rows == "0" || (!rows.starts_with('0') && rows.bytes().all(|b| b.is_ascii_digit()));
    let is_sum = sum.len() == 32 && sum.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if !is_number || !is_sum {
        return None;
    }
    Some((rows.parse().ok()?, u128::from_str_radix(sum, 16).ok()?))
}
