//! A receipt as an in-toto Statement v1 in a DSSE envelope, and back.
//!
//! Sealing is a function of receipt and key: Ed25519 is deterministic, and so are the bytes. Opening accepts only those
//! bytes: one canonical JSON text, a subject that agrees with the predicate, standard base64 with padding. So a byte
//! changed anywhere is found by the signature, by the form, or by the digest that names the file.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::canonical::{from_json, integers_only, to_canonical_bytes};
use crate::digest::Digest;
use crate::error::ReceiptError;
use crate::keys::{KeyId, KeyRing, SigningKey};
use crate::receipt::Receipt;

/// What kind of predicate a receipt is. It names a meaning, no address.
pub const PREDICATE_TYPE: &str = "urn:karat:receipt:v1";
const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";
const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";

/// The bytes of an envelope and their digest, which is the receipt's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// SHA-256 of `bytes`.
    pub digest: Digest,
    /// The envelope's JSON.
    pub bytes: Vec<u8>,
}

/// A receipt that was read; whether its signatures hold is [`verify_signature`]'s question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// SHA-256 of the envelope's bytes.
    pub digest: Digest,
    /// What it states.
    pub receipt: Receipt,
    /// Its signatures, not checked yet.
    pub signatures: Vec<Signature>,
    /// The statement's bytes, which the signatures cover.
    pub payload: Vec<u8>,
}

/// A signature of an envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// The key that the envelope names.
    pub key_id: String,
    /// The signature's bytes.
    pub bytes: Vec<u8>,
}

/// What a key ring says about an opened receipt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignatureOutcome {
    /// There is no signature.
    Unsigned,
    /// A trusted key signed it.
    Valid {
        /// The key.
        key_id: KeyId,
    },
    /// No key of the ring has the named id.
    UnknownKey {
        /// The id that the envelope names.
        key_id: String,
    },
    /// A trusted key is named, but it did not sign these bytes.
    Invalid,
    /// A trusted key signed it, but not at a time at which it may.
    OutsideValidity {
        /// The key.
        key_id: KeyId,
    },
    /// A key signed it that was revoked since.
    Revoked {
        /// The key.
        key_id: KeyId,
    },
}

impl SignatureOutcome {
    /// Whether a trusted key vouches for the receipt.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        matches!(self, Self::Valid { .. })
    }
}

impl std::fmt::Display for SignatureOutcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unsigned => f.write_str("unsigned"),
            Self::Valid { key_id } => write!(f, "signed by {key_id}"),
            Self::UnknownKey { key_id } => write!(f, "signed by the unknown key `{key_id}`"),
            Self::Invalid => f.write_str("the signature does not fit"),
            Self::OutsideValidity { key_id } => {
                write!(f, "signed by {key_id} outside its validity")
            }
            Self::Revoked { key_id } => write!(f, "signed by {key_id}, which is revoked"),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Envelope {
    payload: String,
    #[serde(rename = "payloadType")]
    payload_type: String,
    signatures: Vec<EnvelopeSignature>,
}

#[derive(Serialize, Deserialize)]
struct EnvelopeSignature {
    #[serde(default)]
    keyid: String,
    sig: String,
}

#[derive(Serialize, Deserialize)]
struct Statement<R> {
    #[serde(rename = "_type")]
    statement_type: String,
    subject: Vec<Subject>,
    #[serde(rename = "predicateType")]
    predicate_type: String,
    predicate: R,
}

#[derive(Serialize, Deserialize, PartialEq, Eq)]
pub(crate) struct Subject {
    name: String,
    digest: SubjectDigest,
}

#[derive(Serialize, Deserialize, PartialEq, Eq)]
struct SubjectDigest {
    sha256: Digest,
}

impl Subject {
    fn of(receipt: &Receipt) -> Self {
        Self::named(receipt.subject(), receipt.live_files)
    }

    pub(crate) fn named(name: String, sha256: Digest) -> Self {
        Self {
            name,
            digest: SubjectDigest { sha256 },
        }
    }
}

/// Seals a receipt. Without a key the envelope has no signatures; with the same key the bytes are the same.
#[must_use]
pub fn seal(receipt: &Receipt, key: Option<&SigningKey>) -> Sealed {
    let payload = statement("receipt", PREDICATE_TYPE, Subject::of(receipt), receipt);
    let bytes = signed("receipt", &payload, key.as_slice());
    Sealed {
        digest: Digest::of(&bytes),
        bytes,
    }
}

/// The bytes of an envelope around a statement, signed by each of the keys.
pub(crate) fn signed(what: &'static str, payload: &[u8], keys: &[&SigningKey]) -> Vec<u8> {
    let message = pre_authentication_of(payload);
    let signatures = keys.iter().map(|key| EnvelopeSignature {
        keyid: key.id().to_string(),
        sig: STANDARD.encode(key.sign(&message)),
    });
    let envelope = Envelope {
        payload: STANDARD.encode(payload),
        payload_type: PAYLOAD_TYPE.to_owned(),
        signatures: signatures.collect(),
    };
    integers_only(what, &envelope)
}

/// Opens an envelope: its form, its type and its agreement with itself are checked, its signatures are not.
///
/// # Errors
/// [`ReceiptError`] says what is cut off, altered or contradictory.
pub fn open(bytes: &[u8]) -> Result<Opened, ReceiptError> {
    let (payload, signatures) = unpacked("receipt", bytes)?;
    let receipt = open_statement(&payload)?;
    Ok(Opened {
        digest: Digest::of(bytes),
        receipt,
        signatures,
        payload,
    })
}

/// The statement in an envelope and its signatures, neither looked into.
pub(crate) fn unpacked(
    what: &'static str,
    bytes: &[u8],
) -> Result<(Vec<u8>, Vec<Signature>), ReceiptError> {
    let inconsistent = |problem: String| ReceiptError::Inconsistent { what, problem };
    let envelope: Envelope = from_json(what, bytes)?;
    let value: Value = from_json(what, bytes)?;
    if to_canonical_bytes(what, &value)? != bytes {
        return Err(ReceiptError::NotCanonical { what });
    }
    if envelope.payload_type != PAYLOAD_TYPE {
        return Err(inconsistent(format!("payloadType is not `{PAYLOAD_TYPE}`")));
    }
    let payload = STANDARD
        .decode(&envelope.payload)
        .map_err(|_| inconsistent("payload is no standard base64 text".to_owned()))?;
    let mut signatures = Vec::new();
    for signature in envelope.signatures {
        let bytes = STANDARD
            .decode(&signature.sig)
            .map_err(|_| inconsistent("a signature is no standard base64 text".to_owned()))?;
        signatures.push(Signature {
            key_id: signature.keyid,
            bytes,
        });
    }
    Ok((payload, signatures))
}

/// Opens the envelope that is named after this digest.
///
/// # Errors
/// [`ReceiptError::NotItsDigest`] if the bytes are not those, before anything else is looked at.
pub fn open_expecting(bytes: &[u8], expected: &Digest) -> Result<Opened, ReceiptError> {
    let found = Digest::of(bytes);
    if found != *expected {
        return Err(ReceiptError::NotItsDigest {
            what: "receipt",
            expected: *expected,
            found,
        });
    }
    open(bytes)
}

fn open_statement(payload: &[u8]) -> Result<Receipt, ReceiptError> {
    let receipt: Receipt = stated("receipt", PREDICATE_TYPE, payload, Subject::of)?;
    receipt.check()?;
    Ok(receipt)
}

/// The predicate of a statement, whose type and subject are what they must be.
pub(crate) fn stated<P: DeserializeOwned>(
    what: &'static str,
    predicate_type: &str,
    payload: &[u8],
    subject: impl Fn(&P) -> Subject,
) -> Result<P, ReceiptError> {
    let inconsistent = |problem: String| Err(ReceiptError::Inconsistent { what, problem });
    // The types come first: the predicate of another type would otherwise be called damaged.
    let types: Statement<Value> = from_json("statement", payload)?;
    if types.statement_type != STATEMENT_TYPE {
        return inconsistent(format!("the statement's _type is not `{STATEMENT_TYPE}`"));
    }
    if types.predicate_type != predicate_type {
        return inconsistent(format!(
            "the statement's predicateType is not `{predicate_type}`"
        ));
    }
    let statement: Statement<P> = from_json("statement", payload)?;
    if statement.subject != [subject(&statement.predicate)] {
        return inconsistent("the statement's subject is not what it tells of".to_owned());
    }
    Ok(statement.predicate)
}

/// The bytes of a statement.
pub(crate) fn statement<P: Serialize>(
    what: &'static str,
    predicate_type: &str,
    subject: Subject,
    predicate: &P,
) -> Vec<u8> {
    let statement = Statement {
        statement_type: STATEMENT_TYPE.to_owned(),
        subject: vec![subject],
        predicate_type: predicate_type.to_owned(),
        predicate,
    };
    integers_only(what, &statement)
}

/// The bytes that a DSSE signature covers: type and body, each with its length, so that neither can pass for the other.
#[must_use]
pub fn pre_authentication_encoding(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let mut bytes = format!(
        "DSSEv1 {} {payload_type} {} ",
        payload_type.len(),
        payload.len()
    )
    .into_bytes();
    bytes.extend_from_slice(payload);
    bytes
}

/// What the signatures around this statement cover.
pub(crate) fn pre_authentication_of(payload: &[u8]) -> Vec<u8> {
    pre_authentication_encoding(PAYLOAD_TYPE, payload)
}

/// What the ring says about the signatures of a receipt. One bad signature by a known key spoils all others; else one
/// valid signature is enough.
#[must_use]
pub fn verify_signature(opened: &Opened, ring: &KeyRing) -> SignatureOutcome {
    let logical_time = &opened.receipt.logical_time;
    signature_of(&opened.payload, &opened.signatures, logical_time, ring)
}

/// The same of the payload of any envelope that one key signs, at this logical time.
pub(crate) fn signature_of(
    payload: &[u8],
    signatures: &[Signature],
    logical_time: &str,
    ring: &KeyRing,
) -> SignatureOutcome {
    let message = pre_authentication_of(payload);
    let mut outcome = SignatureOutcome::Unsigned;
    for signature in signatures {
        let found = verify_one(signature, &message, logical_time, ring);
        if rank(&found) > rank(&outcome) {
            outcome = found;
        }
    }
    outcome
}

fn verify_one(
    signature: &Signature,
    message: &[u8],
    logical_time: &str,
    ring: &KeyRing,
) -> SignatureOutcome {
    let Some((id, trusted)) = ring.find(&signature.key_id) else {
        return SignatureOutcome::UnknownKey {
            key_id: signature.key_id.clone(),
        };
    };
    let key_id = id.clone();
    if !trusted.key.verifies(message, &signature.bytes) {
        return SignatureOutcome::Invalid;
    }
    if trusted.revoked {
        return SignatureOutcome::Revoked { key_id };
    }
    if !trusted.may_sign_at(logical_time) {
        return SignatureOutcome::OutsideValidity { key_id };
    }
    SignatureOutcome::Valid { key_id }
}

fn rank(outcome: &SignatureOutcome) -> u8 {
    match outcome {
        SignatureOutcome::Unsigned => 0,
        SignatureOutcome::UnknownKey { .. } => 1,
        SignatureOutcome::OutsideValidity { .. } => 2,
        SignatureOutcome::Revoked { .. } => 3,
        SignatureOutcome::Valid { .. } => 4,
        SignatureOutcome::Invalid => 5,
    }
}
