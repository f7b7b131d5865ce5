//! The one JSON text of a document: keys sorted by bytes, no white space, UTF-8 unescaped, integers only.
//!
//! Equal documents have equal bytes, so a digest of the bytes is a digest of the document. Python makes the same text
//! with `json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)`. Floating-point numbers are
//! refused, because readers disagree about their last digit.
//!
//! Documents that no other document names yet (intents, closing notes, the newest manifest) carry the SHA-256 of their
//! own text in the member `sha256`. It finds damage; it is no proof against forgery, which can compute it too.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::digest::Digest;
use crate::error::ReceiptError;

/// The canonical bytes of a document that may hold free-form values.
///
/// # Errors
/// [`ReceiptError::Float`] if a number in it is not an integer of 64 bits.
pub fn to_canonical_bytes<T: Serialize>(
    what: &'static str,
    document: &T,
) -> Result<Vec<u8>, ReceiptError> {
    let mut bytes = Vec::new();
    write_value(what, &to_value(document), &mut bytes)?;
    Ok(bytes)
}

/// The member that holds a document's digest of itself.
const SELF_DIGEST: &str = "sha256";

/// The canonical bytes of a document with the digest of its own text.
pub(crate) fn to_self_checked_bytes<T: Serialize>(
    what: &'static str,
    document: &T,
) -> Result<Vec<u8>, ReceiptError> {
    let mut value = to_value(document);
    let digest = Digest::of(&to_canonical_bytes(what, &value)?);
    if let Value::Object(members) = &mut value {
        members.insert(SELF_DIGEST.to_owned(), Value::String(digest.to_string()));
    }
    to_canonical_bytes(what, &value)
}

/// Reads a document written by [`to_self_checked_bytes`]: a byte changed anywhere is found.
pub(crate) fn from_self_checked_json<T: DeserializeOwned>(
    what: &'static str,
    bytes: &[u8],
) -> Result<T, ReceiptError> {
    let document = from_json(what, bytes)?;
    let damaged = || ReceiptError::Damaged { what };
    let mut value: Value = from_json(what, bytes)?;
    if to_canonical_bytes(what, &value).map_err(|_| damaged())? != bytes {
        return Err(damaged());
    }
    let stated = value
        .as_object_mut()
        .and_then(|members| members.remove(SELF_DIGEST))
        .ok_or_else(damaged)?;
    let digest = Digest::of(&to_canonical_bytes(what, &value)?);
    if stated.as_str() == Some(&digest.to_string()) {
        Ok(document)
    } else {
        Err(damaged())
    }
}

fn to_value<T: Serialize>(document: &T) -> Value {
    serde_json::to_value(document).expect("the documents of this crate have string keys only")
}

/// The canonical bytes of a document whose types hold no floating-point number.
pub(crate) fn integers_only<T: Serialize>(what: &'static str, document: &T) -> Vec<u8> {
    to_canonical_bytes(what, document).expect("no field of this type can hold a float")
}

fn write_value(what: &'static str, value: &Value, bytes: &mut Vec<u8>) -> Result<(), ReceiptError> {
    match value {
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by(|a, b| a.0.as_bytes().cmp(b.0.as_bytes()));
            bytes.push(b'{');
            for (i, (key, member)) in members.into_iter().enumerate() {
                if i > 0 {
                    bytes.push(b',');
                }
                write_scalar(&Value::String(key.clone()), bytes);
                bytes.push(b':');
                write_value(what, member, bytes)?;
            }
            bytes.push(b'}');
        }
        Value::Array(elements) => {
            bytes.push(b'[');
            for (i, element) in elements.iter().enumerate() {
                if i > 0 {
                    bytes.push(b',');
                }
                write_value(what, element, bytes)?;
            }
            bytes.push(b']');
        }
        Value::Number(number) if !number.is_i64() && !number.is_u64() => {
            return Err(ReceiptError::Float { what });
        }
        scalar => write_scalar(scalar, bytes),
    }
    Ok(())
}

fn write_scalar(scalar: &Value, bytes: &mut Vec<u8>) {
    serde_json::to_writer(bytes, scalar).expect("writing to a vector cannot fail");
}

/// Reads a document. What is missing, cut off or of a wrong type is an error that says where; unknown keys are
/// skipped, because a later karat may state more.
pub(crate) fn from_json<T: DeserializeOwned>(
    what: &'static str,
    bytes: &[u8],
) -> Result<T, ReceiptError> {
    serde_json::from_slice(bytes).map_err(|source| {
        let (line, column) = (source.line(), source.column());
        if source.is_eof() {
            ReceiptError::Truncated {
                what,
                size: bytes.len(),
                source,
            }
        } else {
            ReceiptError::Altered {
                what,
                line,
                column,
                source,
            }
        }
    })
}
