//! The handing over from one key to the next (SEMANTICS G7): a statement that both sign, in the envelope that receipts have. Whoever
//! trusts the old key can trust the new one by it, and the old one signs no more from its time on.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::envelope::{Subject, pre_authentication_of, signed, stated, statement, unpacked};
use crate::error::ReceiptError;
use crate::instant::Instant;
use crate::keys::{KeyId, PublicKey, SigningKey};

/// What kind of predicate a rotation is. It names a meaning, no address.
pub const ROTATION_TYPE: &str = "urn:karat:key-rotation:v1";
/// How the name of a rotation's file ends.
pub const ROTATION_SUFFIX: &str = ".rotation.json";
const WHAT: &str = "rotation";

/// A new key in the place of an old one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// The key that signs until then.
    pub from: KeyId,
    /// The key that signs from then on.
    pub to: PublicKey,
    /// The first logical time of the new key, and the first at which the old one signs no more.
    pub at: Instant,
    /// Why.
    pub reason: String,
    /// Who rotated.
    pub principal: String,
}

/// As it is written: text only, so that equal rotations have equal bytes.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Predicate {
    at: String,
    from: String,
    principal: String,
    /// The new key's raw 32 bytes in base64.
    public_key: String,
    reason: String,
    to: String,
}

impl Predicate {
    fn subject(&self) -> Subject {
        let bytes = STANDARD.decode(&self.public_key).unwrap_or_default();
        Subject::named(format!("key {}", self.to), Digest::of(&bytes))
    }
}

impl Rotation {
    /// The name of its file among the public keys.
    #[must_use]
    pub fn file_name(&self) -> String {
        format!("{}-{}{ROTATION_SUFFIX}", self.from, self.to.id())
    }

    /// The bytes of the statement, signed by the old key and by the new one. The same rotation gives the same bytes.
    ///
    /// # Errors
    /// [`ReceiptError::Rotation`] if the keys are not those that the rotation names, or one and the same.
    pub fn seal(&self, old: &SigningKey, new: &SigningKey) -> Result<Vec<u8>, ReceiptError> {
        let wrong = |problem: String| ReceiptError::Rotation {
            file: self.file_name(),
            problem,
        };
        if old.id() != self.from || new.public_key() != self.to {
            return Err(wrong(
                "it names other keys than it is signed with".to_owned(),
            ));
        }
        if old.id() == new.id() {
            return Err(wrong(format!("{} is the key that signs now", old.id())));
        }
        let predicate = Predicate {
            at: self.at.to_string(),
            from: self.from.to_string(),
            principal: self.principal.clone(),
            public_key: STANDARD.encode(self.to.as_bytes()),
            reason: self.reason.clone(),
            to: self.to.id().to_string(),
        };
        let payload = statement(WHAT, ROTATION_TYPE, predicate.subject(), &predicate);
        Ok(signed(WHAT, &payload, &[old, new]))
    }

    /// Reads a rotation, which the new key has signed. That the old one has, [`OpenedRotation::is_signed_by`] tells once it is known.
    ///
    /// # Errors
    /// [`ReceiptError`] says what is cut off, altered or contradictory; [`ReceiptError::Rotation`] names the file.
    pub fn open(file: &str, bytes: &[u8]) -> Result<OpenedRotation, ReceiptError> {
        let wrong = |problem: String| ReceiptError::Rotation {
            file: file.to_owned(),
            problem,
        };
        // It lies in the project and not in the lake: whoever mends it must know which one it is.
        let of_file = |error: ReceiptError| {
            let text = error.to_string();
            wrong(
                text.split_once(": ")
                    .map_or(&*text, |(_, why)| why)
                    .to_owned(),
            )
        };
        let (payload, signatures) = unpacked(WHAT, bytes).map_err(of_file)?;
        let predicate: Predicate =
            stated(WHAT, ROTATION_TYPE, &payload, Predicate::subject).map_err(of_file)?;
        let to = STANDARD
            .decode(&predicate.public_key)
            .ok()
            .and_then(|bytes| PublicKey::from_bytes(&bytes))
            .ok_or_else(|| wrong("its new key is no Ed25519 key".to_owned()))?;
        let of = |id: &str| {
            let mut named = signatures.iter().filter(|signature| signature.key_id == id);
            match (named.next(), named.next()) {
                (Some(only), None) => Ok(only.bytes.clone()),
                _ => Err(wrong(format!("it is not signed once by {id}"))),
            }
        };
        let message = pre_authentication_of(&payload);
        if to.id().as_str() != predicate.to || !to.verifies(&message, &of(&predicate.to)?) {
            return Err(wrong(format!(
                "the signature of the new key {} does not fit",
                predicate.to
            )));
        }
        Ok(OpenedRotation {
            by_old: of(&predicate.from)?,
            message,
            rotation: Rotation {
                from: KeyId::named(&predicate.from),
                to,
                at: Instant::parse(&predicate.at).map_err(|error| wrong(error.to_string()))?,
                reason: predicate.reason,
                principal: predicate.principal,
            },
        })
    }
}

/// A rotation that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenedRotation {
    /// What it states.
    pub rotation: Rotation,
    message: Vec<u8>,
    by_old: Vec<u8>,
}

impl OpenedRotation {
    /// Whether this key signed it as the one that hands over.
    #[must_use]
    pub fn is_signed_by(&self, old: &PublicKey) -> bool {
        old.verifies(&self.message, &self.by_old)
    }
}
