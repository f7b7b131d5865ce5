//! Versions of all tables under a name: a business day that a person closed (A8). Sealed and signed like a receipt.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::envelope::{
    Sealed, Signature, SignatureOutcome, Subject, signature_of, signed, stated, statement, unpacked,
};
use crate::error::ReceiptError;
use crate::instant::Instant;
use crate::keys::{KeyRing, SigningKey};

/// The predicate of a tag's statement.
pub const TAG_PREDICATE_TYPE: &str = "urn:karat:tag:v1";
const WHAT: &str = "tag";

/// `_karat/tags/{name}.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tag {
    /// Its name: the day, like `2026-10-30`; for a day that is closed once more `2026-10-30.2`.
    pub name: String,
    /// The business day that is closed with it, and all days before.
    pub business_date: String,
    /// The execution that wrote it.
    pub run: String,
    /// Its logical time, RFC 3339.
    pub logical_time: String,
    /// Who closed the day.
    pub principal: String,
    /// The target's name.
    pub target: String,
    /// Digest of the newest manifest: the head (A10).
    pub head: Digest,
    /// Every table of the lake by name.
    pub tables: BTreeMap<String, TaggedTable>,
}

/// A table as the tag names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaggedTable {
    /// Its version.
    pub version: i64,
    /// The receipt of that version, if it has one.
    pub receipt: Option<Digest>,
    /// Its fingerprint.
    pub fingerprint: String,
    /// The column that told to which day a row belongs, if its model had one; tags of earlier versions do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub business_day: Option<String>,
}

/// A tag that was read; whether its signatures hold is [`OpenedTag::signature`]'s question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenedTag {
    /// What it states.
    pub tag: Tag,
    signatures: Vec<Signature>,
    payload: Vec<u8>,
}

impl OpenedTag {
    /// What a key ring says of its signatures.
    #[must_use]
    pub fn signature(&self, ring: &KeyRing) -> SignatureOutcome {
        let logical_time = &self.tag.logical_time;
        signature_of(&self.payload, &self.signatures, logical_time, ring)
    }
}

impl Tag {
    fn subject(&self) -> Subject {
        Subject::named(format!("tag {}", self.name), self.head)
    }

    /// Seals it. Without a key the envelope has no signatures.
    #[must_use]
    pub fn seal(&self, key: Option<&SigningKey>) -> Sealed {
        let payload = statement(WHAT, TAG_PREDICATE_TYPE, self.subject(), self);
        let bytes = signed(WHAT, &payload, key.as_slice());
        Sealed {
            digest: Digest::of(&bytes),
            bytes,
        }
    }

    /// Opens the envelope of a tag.
    ///
    /// # Errors
    /// [`ReceiptError`] says what is cut off, altered or contradictory.
    pub fn open(bytes: &[u8]) -> Result<OpenedTag, ReceiptError> {
        let (payload, signatures) = unpacked(WHAT, bytes)?;
        let tag: Tag = stated(WHAT, TAG_PREDICATE_TYPE, &payload, Tag::subject)?;
        if Instant::parse(&tag.logical_time).is_err() {
            return Err(ReceiptError::Inconsistent {
                what: WHAT,
                problem: "its logical_time is no RFC 3339 time".to_owned(),
            });
        }
        Ok(OpenedTag {
            tag,
            signatures,
            payload,
        })
    }
}
