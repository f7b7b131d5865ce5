//! The log store that deltalake commits through: it writes commit files whole, durable and at most once.
//!
//! object_store's local file system never syncs; a commit that is visible but not on disk could vanish with the power.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use deltalake_core::kernel::Version;
use deltalake_core::kernel::transaction::TransactionError;
use deltalake_core::logstore::{CommitOrBytes, LogStore, LogStoreConfig, LogStoreRef};
use deltalake_core::{DeltaResult, ObjectStore};
use uuid::Uuid;

use super::LOG_FOLDER;
use super::log::{Listing, commit_name};
use crate::failpoint;
use crate::folder::{self, Put};

#[derive(Debug, Clone)]
pub(crate) struct DurableLogStore {
    inner: InnerStore,
    table_dir: PathBuf,
    /// The one version that this commit may make.
    version: Version,
}

#[derive(Clone)]
struct InnerStore(LogStoreRef);

impl std::fmt::Debug for InnerStore {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.0.root_url().as_str())
    }
}

impl DurableLogStore {
    pub(crate) fn new(inner: LogStoreRef, table_dir: PathBuf, version: Version) -> Self {
        Self {
            inner: InnerStore(inner),
            table_dir,
            version,
        }
    }
}

fn failed(msg: &str, source: impl std::error::Error + Send + Sync + 'static) -> TransactionError {
    TransactionError::LogStoreError {
        msg: msg.to_owned(),
        source: Box::new(source),
    }
}

#[async_trait::async_trait]
impl LogStore for DurableLogStore {
    /// The name makes deltalake hand over the bytes instead of a temporary object.
    fn name(&self) -> String {
        "DefaultLogStore".into()
    }

    async fn read_commit_entry(&self, version: Version) -> DeltaResult<Option<Bytes>> {
        self.inner.0.read_commit_entry(version).await
    }

    async fn write_commit_entry(
        &self,
        version: Version,
        commit_or_bytes: CommitOrBytes,
        _operation_id: Uuid,
    ) -> Result<(), TransactionError> {
        if version != self.version {
            return Err(TransactionError::VersionAlreadyExists(self.version));
        }
        let CommitOrBytes::LogBytes(bytes) = commit_or_bytes else {
            let error = std::io::Error::from(std::io::ErrorKind::InvalidInput);
            return Err(failed("a commit came as a temporary file", error));
        };
        let name = commit_name(i64::try_from(version).unwrap_or(i64::MAX));
        let put = folder::put_if_absent(&self.table_dir.join(LOG_FOLDER).join(name), &bytes)
            .map_err(|error| failed("the commit file could not be written", error))?;
        if failpoint::triggered("commit", "lost") {
            return Err(failed(
                "the answer was lost (failpoint)",
                std::io::Error::from(std::io::ErrorKind::ConnectionReset),
            ));
        }
        match put {
            Put::Created => Ok(()),
            Put::Exists => Err(TransactionError::VersionAlreadyExists(version)),
        }
    }

    async fn abort_commit_entry(
        &self,
        _version: Version,
        _commit_or_bytes: CommitOrBytes,
        _operation_id: Uuid,
    ) -> Result<(), TransactionError> {
        Ok(())
    }

    async fn get_latest_version(&self, start_version: Version) -> DeltaResult<Version> {
        match Listing::read(&self.table_dir) {
            Ok(Some(listing)) => Ok(Version::try_from(listing.newest()).unwrap_or(start_version)),
            _ => self.inner.0.get_latest_version(start_version).await,
        }
    }

    fn object_store(&self, operation_id: Option<Uuid>) -> Arc<dyn ObjectStore> {
        self.inner.0.object_store(operation_id)
    }

    fn root_object_store(&self, operation_id: Option<Uuid>) -> Arc<dyn ObjectStore> {
        self.inner.0.root_object_store(operation_id)
    }

    fn config(&self) -> &LogStoreConfig {
        self.inner.0.config()
    }
}
