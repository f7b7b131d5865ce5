//! What karat states about its work, and how anyone checks it: receipts, envelopes, keys, the chain, and the small
//! documents beside the tables (intents, closings, run manifests).
//!
//! Nothing here opens a table or reads a clock. Data passes through the modules in this order:
//!
//! - [`digest`]: SHA-256 as a value, of bytes or of a stream.
//! - [`canonical`]: the one JSON text of a document, so that equal documents have equal digests.
//! - [`live`]: the digest of the list of a table's live files.
//! - [`receipt`]: what a receipt holds (SEMANTICS G3).
//! - [`intent`]: what a load will read, written before it reads, how it was closed without a commit (A2, A3), and what
//!   a person accepted of a feed.
//! - [`manifest`]: one consistent cut over all tables, whose digest is the head (A10).
//! - [`instant`]: RFC 3339 times as numbers, for the validity of keys.
//! - [`keys`]: Ed25519 keys and the key ring of a project (G7).
//! - [`rotation`]: a key hands over to the next, signed by both.
//! - [`envelope`]: receipt to in-toto Statement v1 in a DSSE envelope, and back.
//! - [`chain`]: whether a table's receipts follow from one another.
//! - [`keyed_run`]: the note of a run that had a key of its starter.
//! - [`tag`]: versions of all tables under the name of a closed business day.
//! - [`undo`]: what an undo set out to take back.
//! - [`error`]: the one error type.

pub mod audit;
pub mod canonical;
pub mod chain;
pub mod digest;
pub mod envelope;
pub mod error;
pub mod instant;
pub mod intent;
pub mod keyed_run;
pub mod keys;
pub mod live;
pub mod manifest;
pub mod receipt;
pub mod rotation;
pub mod tag;
pub mod undo;

pub use audit::{Audit, Audited, CheckCount};
pub use chain::{ChainFinding, ChainLink, ChainProblem, check_chain};
pub use digest::{Digest, DigestWriter};
pub use envelope::{
    Opened, PREDICATE_TYPE, Sealed, Signature, SignatureOutcome, open, open_expecting,
    pre_authentication_encoding, seal, verify_signature,
};
pub use error::ReceiptError;
pub use instant::Instant;
pub use intent::{Accepted, Closed, InputRef, Intent, IntentObject, Outcome};
pub use keyed_run::KeyedRun;
pub use keys::{KeyId, KeyRing, PublicKey, SigningKey, TrustedKey};
pub use live::live_files_digest;
pub use manifest::{Manifest, TableState};
pub use receipt::{ExpectationCount, FileRef, Input, Kind, ObjectRef, Receipt};
pub use rotation::{OpenedRotation, Rotation};
pub use tag::{OpenedTag, TAG_PREDICATE_TYPE, Tag, TaggedTable};
pub use undo::{Undo, UndoneTable};
