//! What can be wrong with a document or a key, with what to do about it.

use std::path::PathBuf;

use crate::digest::Digest;

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReceiptError {
    /// A text that should be a digest is none.
    #[error("`{text}` is no SHA-256 digest: 64 lower-case hexadecimal digits are expected")]
    Digest {
        /// The text found.
        text: String,
    },
    /// A text that should be a time is none.
    #[error("`{text}` is no time: RFC 3339 is expected, such as 2026-10-29T06:00:00Z")]
    Time {
        /// The text found.
        text: String,
    },
    /// A document ends before it is complete.
    #[error("cannot read the {what}: it ends after {size} bytes, in the middle")]
    Truncated {
        /// The kind of document.
        what: &'static str,
        /// How many bytes there are.
        size: usize,
        /// Where the reader stopped.
        source: serde_json::Error,
    },
    /// A document is complete but not what karat writes.
    #[error("cannot read the {what}: it is damaged or altered at line {line}, column {column}")]
    Altered {
        /// The kind of document.
        what: &'static str,
        /// Line of the first mistake, from 1.
        line: usize,
        /// Column of the first mistake.
        column: usize,
        /// What the reader met.
        source: serde_json::Error,
    },
    /// A document can be read but does not have the digest that it states of itself.
    #[error("cannot trust the {what}: it was damaged or altered since it was written")]
    Damaged {
        /// The kind of document.
        what: &'static str,
    },
    /// The bytes do not have the digest under which they are named.
    #[error("the {what} named {expected} was altered: its bytes have the digest {found}")]
    NotItsDigest {
        /// The kind of document.
        what: &'static str,
        /// The digest in the name.
        expected: Digest,
        /// The digest of the bytes.
        found: Digest,
    },
    /// A field contradicts another or holds what it must not.
    #[error("cannot accept the {what}: {problem}")]
    Inconsistent {
        /// The kind of document.
        what: &'static str,
        /// What contradicts what.
        problem: String,
    },
    /// The envelope's JSON is not in its one canonical form.
    #[error("cannot accept the {what}: the JSON of its envelope is not in canonical form")]
    NotCanonical {
        /// The kind of document.
        what: &'static str,
    },
    /// A free-form value holds a floating-point number.
    #[error("cannot write the {what}: it holds a number that is no 64-bit integer")]
    Float {
        /// The kind of document.
        what: &'static str,
    },
    /// A private key cannot be read. The text of the key is in no message.
    #[error("cannot read the signing key: it is no unencrypted Ed25519 key in PKCS#8 PEM form")]
    PrivateKey,
    /// A public key file cannot be read.
    #[error("cannot read the public key `{file}`: {problem}")]
    PublicKey {
        /// The file's name.
        file: String,
        /// What is wrong.
        problem: String,
    },
    /// A rotation hands over to a new key from one that may not do so.
    #[error("cannot follow the rotation `{file}`: {problem}")]
    Rotation {
        /// The file's name.
        file: String,
        /// What is wrong.
        problem: String,
    },
    /// A folder or file of keys cannot be read.
    #[error("cannot read the keys in {}", path.display())]
    KeyFolder {
        /// The folder or file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
}

impl ReceiptError {
    /// What to do next, where there is something to do.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Digest { .. } | Self::Time { .. } => None,
            Self::Damaged { .. } | Self::Truncated { .. } | Self::Altered { .. } => {
                Some("restore the file from a copy of the lake")
            }
            Self::NotItsDigest { .. } | Self::Inconsistent { .. } | Self::NotCanonical { .. } => {
                Some(
                    "restore the file from a copy of the lake; `karat verify` then tells whether it is the right one",
                )
            }
            Self::Float { .. } => Some("carry the number as text"),
            Self::PrivateKey => {
                Some("make one with `openssl genpkey -algorithm ed25519 -out signing.pem`")
            }
            Self::PublicKey { .. } => {
                Some("make one with `openssl pkey -in signing.pem -pubout -out keys/NAME.pub`")
            }
            Self::Rotation { .. } => Some(
                "put back the file and the public key that it goes out from as they were, or take the file away and trust the new key by a file `keys/NAME.pub` of its own",
            ),
            Self::KeyFolder { .. } => {
                Some("check that the folder `keys` and its files may be read")
            }
        }
    }
}
