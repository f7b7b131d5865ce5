//! The lake on disk: folders and format, create-once files, locks, canonical Parquet files, and tables in Delta or Iceberg.
//!
//! This crate is the only one that knows how Delta and Iceberg keep a table. It writes data files and commits them as a list of adds and removes
//! against a stated base version (SEMANTICS A4); what goes into them, and what a receipt says, is for others.
//! Modules stand in the order data passes through them.

pub mod error;
pub mod failpoint;

pub mod folder;
pub mod lock;

pub mod canonical;
mod constant;
mod encode;
mod observe;
pub mod schema;
pub mod stats;
mod worker;

mod delta;
mod iceberg;
pub mod table;

mod link;

pub use canonical::{CanonicalWriter, Layout, WrittenFile, hash_file};
pub use error::{CommitError, ErrorClass, LakeError};
pub use folder::{Formats, Lake, Marked, Put, TableDir, put_if_absent};
pub use lock::{LockGuard, RunMark};
pub use table::{
    Commit, CommitRecord, Format, LiveFile, LogEntry, Snapshot, Table, sha256_in_name,
};
