//! What can go wrong with a lake, said so that a user can act on it.

use std::path::{Path, PathBuf};

/// What to do about a feature of a foreign table that karat does not read.
pub(crate) const COPY: &str = "copy the table without it, then read the copy";
/// The same of partitions.
pub(crate) const COPY_WHOLE: &str =
    "copy it without partitions: karat skips files by their statistics";

/// What kind of trouble an error is; the binary turns it into an exit code (SEMANTICS H1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorClass {
    /// The operating system does not let us: exit 4.
    NotAllowed,
    /// Somebody else was first, or holds the lock: exit 5.
    Conflict,
    /// Disk, file system, missing file: exit 3.
    Io,
    /// karat does not read or write such a thing: exit 2.
    Refused,
    /// What is on disk contradicts itself: exit 3.
    Corrupt,
}

/// An error of the lake. The text says what we were doing, to what, and why it failed; [`LakeError::hint`] what to do next.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LakeError {
    /// The file system refused an operation.
    #[error("cannot {doing} `{}`: {}", path.display(), reason(source))]
    Io {
        /// Verb phrase, as in "write".
        doing: &'static str,
        /// File or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A folder is no lake.
    #[error("cannot open the lake `{}`: it has no `_karat/format`", path.display())]
    NoLake {
        /// Root of the lake.
        path: PathBuf,
    },
    /// The lake was written by another generation of karat.
    #[error("cannot open the lake `{}`: its `_karat/format` says `{found}`, this karat knows `1`", path.display())]
    Format {
        /// Root of the lake.
        path: PathBuf,
        /// Content of `_karat/format`.
        found: String,
    },
    /// A name that would leave the lake, or cannot be a file.
    #[error("cannot use `{name}` as a path in the lake: {why}")]
    Name {
        /// The name as given.
        name: String,
        /// Why not.
        why: &'static str,
    },
    /// Another process holds the lock.
    #[error("`{name}` is being worked on by another karat process")]
    Locked {
        /// Name of the lock.
        name: String,
    },
    /// A table, file or value that karat does not read or write.
    #[error("cannot {doing} `{what}`: {why}")]
    Refused {
        /// Verb phrase, as in "read".
        doing: &'static str,
        /// Table, column or file.
        what: String,
        /// Names the feature or type.
        why: String,
        /// What to do.
        hint: String,
    },
    /// A log or file that contradicts itself.
    #[error("cannot read `{}`: {why}", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
        /// The parser's word, if there is one.
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// A file that the table names is not there or has another size.
    #[error("the data file `{}` {why}", path.display())]
    DataFile {
        /// The file.
        path: PathBuf,
        /// "is missing" or "has 5 bytes, the log says 7".
        why: String,
    },
    /// The version asked for does not exist.
    #[error("`{table}` has no version {version}: it has {}", versions(*oldest, *newest))]
    NoVersion {
        /// Folder of the table.
        table: String,
        /// The oldest that can be read.
        oldest: i64,
        /// Version asked for.
        version: i64,
        /// Newest version.
        newest: i64,
    },
    /// Arrow or Parquet could not encode the rows.
    #[error("cannot write rows of `{table}`: {why}")]
    Encode {
        /// Folder of the table.
        table: String,
        /// In words without row values.
        why: String,
        /// The library's error.
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// Rows were lost or doubled on their way into files (G6).
    #[error(
        "cannot write `{table}`: its rows do not add up, {given} given to the writer but {written} written"
    )]
    Rows {
        /// Folder of the table.
        table: String,
        /// Rows given.
        given: u64,
        /// Rows that the files hold.
        written: u64,
    },
    /// A commit failed, and our transaction is not in the log.
    #[error("cannot commit version {version} of `{table}`: {why}")]
    Commit {
        /// Folder of the table.
        table: String,
        /// The version that was to be made.
        version: i64,
        /// In words.
        why: String,
        /// The library's error.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl LakeError {
    /// The file or folder that it is about, if it is about one.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Io { path, .. }
            | Self::NoLake { path }
            | Self::Format { path, .. }
            | Self::Corrupt { path, .. }
            | Self::DataFile { path, .. } => Some(path),
            _ => None,
        }
    }

    /// What kind of trouble this is.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Io { source, .. } => class_of_io(source),
            Self::Commit { source, .. } => class_of_cause(source.as_ref()),
            Self::DataFile { .. } | Self::Rows { .. } => ErrorClass::Corrupt,
            Self::Locked { .. } => ErrorClass::Conflict,
            Self::Corrupt { .. } => ErrorClass::Corrupt,
            Self::Encode { source, .. } => match source {
                Some(source) => class_of_cause(source.as_ref()),
                None => ErrorClass::Refused,
            },
            Self::NoLake { .. }
            | Self::Format { .. }
            | Self::Name { .. }
            | Self::Refused { .. }
            | Self::NoVersion { .. } => ErrorClass::Refused,
        }
    }

    /// What to do next, where there is something to say.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Refused { hint, .. } => Some(hint.clone()),
            Self::Locked { .. } => Some("wait for it, or give `--wait 10m`".into()),
            Self::NoLake { .. } => {
                Some("check the target's `lake` path: the first `karat run` makes a lake in an empty folder; if this is one, restore `_karat/format` from a copy of it".into())
            }
            Self::Format { .. } => Some("use the karat version that wrote it".into()),
            Self::DataFile { .. } => Some("restore the file from a copy of the lake; its name holds its SHA-256".into()),
            Self::Corrupt { .. } => Some("restore the file from a copy of the lake".into()),
            Self::Io { source, .. } if source.kind() == std::io::ErrorKind::StorageFull => {
                Some("free space and run again: what was not committed is not lost from the source".into())
            }
            Self::Io { source, .. } if source.kind() == std::io::ErrorKind::ReadOnlyFilesystem => {
                Some("reading (`query`, `status`, `verify`) needs no more; to write, mount it so that this user may, or name another lake: `targets` in karat.yaml, `--target`".into())
            }
            Self::Io { source, .. } if source.kind() == std::io::ErrorKind::FileTooLarge => {
                Some("raise the limit of file sizes (`ulimit -f`, or the file system's) and run again".into())
            }
            Self::Io { doing, source, path } if source.kind() == std::io::ErrorKind::PermissionDenied => {
                let (right, place) = match *doing {
                    "read" | "list" | "find the folder" => ("read", path.as_path()),
                    "create a file in" | "sync the folder" => ("write in", path.as_path()),
                    _ => ("write in", parent_or_self(path)),
                };
                Some(format!("give this user the right to {right} `{}`", place.display()))
            }
            Self::Io { source, .. } if source.kind() == std::io::ErrorKind::Unsupported => {
                Some("put the lake on a file system with hard links (not FAT or some network shares)".into())
            }
            Self::Commit { source, .. } => lake_cause(source.as_ref()).and_then(Self::hint),
            _ => None,
        }
    }

    pub(crate) fn refused(
        doing: &'static str,
        what: &str,
        why: impl Into<String>,
        hint: &str,
    ) -> Self {
        Self::Refused {
            doing,
            what: what.to_owned(),
            why: why.into(),
            hint: hint.to_owned(),
        }
    }

    pub(crate) fn commit(
        table: &str,
        version: i64,
        source: Box<dyn std::error::Error + Send + Sync>,
    ) -> Self {
        let why = lake_cause(source.as_ref())
            .map_or_else(|| "the Delta library refused it".into(), Self::to_string);
        Self::Commit {
            table: table.to_owned(),
            version,
            why,
            source,
        }
    }

    pub(crate) fn io(
        doing: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io {
            doing,
            path,
            source,
        }
    }

    pub(crate) fn corrupt(path: impl Into<PathBuf>, why: impl Into<String>) -> Self {
        Self::Corrupt {
            path: path.into(),
            why: why.into(),
            source: None,
        }
    }

    pub(crate) fn corrupt_by(
        path: impl Into<PathBuf>,
        why: impl Into<String>,
        source: impl std::error::Error + Send + Sync + 'static,
    ) -> Self {
        Self::Corrupt {
            path: path.into(),
            why: why.into(),
            source: Some(Box::new(source)),
        }
    }
}

/// Why a commit did not go in.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// The table is no longer at the base version: somebody else committed first (A4, A5).
    #[error("`{table}` changed while we worked: expected version {}, found {}", version_text(*base), version_text(*found))]
    Conflict {
        /// Folder of the table.
        table: String,
        /// The version the commit was made for; none: the table was to be created.
        base: Option<i64>,
        /// The newest version now; none: there is no table.
        found: Option<i64>,
    },
    /// The table carries this application's transaction already.
    #[error("`{table}` has this load already, in version {version}")]
    AlreadyCommitted {
        /// Folder of the table.
        table: String,
        /// The version that carries it (the newest, where the log no longer tells).
        version: i64,
    },
    /// Anything else.
    #[error(transparent)]
    Lake(#[from] LakeError),
}

impl CommitError {
    /// What kind of trouble this is.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Conflict { .. } | Self::AlreadyCommitted { .. } => ErrorClass::Conflict,
            Self::Lake(error) => error.class(),
        }
    }

    /// What to do next, where there is something to say.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Conflict { .. } => Some("run again: nothing of this run is in the table".into()),
            Self::AlreadyCommitted { .. } => None,
            Self::Lake(error) => error.hint(),
        }
    }
}

fn version_text(version: Option<i64>) -> String {
    version.map_or_else(|| "no table".into(), |version| version.to_string())
}

fn parent_or_self(path: &Path) -> &Path {
    path.parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(path)
}

fn class_of_io(error: &std::io::Error) -> ErrorClass {
    match error.kind() {
        std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => {
            ErrorClass::NotAllowed
        }
        _ => ErrorClass::Io,
    }
}

/// Our own error within the chain of causes.
fn lake_cause<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a LakeError> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(lake) = error.downcast_ref::<LakeError>() {
            return Some(lake);
        }
        next = error.source();
    }
    None
}

/// The class of the first I/O error in the chain of causes.
fn class_of_cause(error: &(dyn std::error::Error + 'static)) -> ErrorClass {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(io) = error.downcast_ref::<std::io::Error>() {
            return class_of_io(io);
        }
        next = error.source();
    }
    ErrorClass::Io
}

/// The plain reason, without the operating system's error number.
fn reason(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "it does not exist".into(),
        std::io::ErrorKind::PermissionDenied => "permission denied".into(),
        std::io::ErrorKind::ReadOnlyFilesystem => "the file system is read-only".into(),
        std::io::ErrorKind::StorageFull => "the disk is full".into(),
        std::io::ErrorKind::QuotaExceeded => "this user's quota of the disk is used up".into(),
        std::io::ErrorKind::FileTooLarge => "it would be larger than files may be here".into(),
        std::io::ErrorKind::IsADirectory => "it is a folder, not a file".into(),
        std::io::ErrorKind::NotADirectory => "a part of the path is a file, not a folder".into(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use deltalake_core::DeltaTableError;
    use deltalake_core::kernel::transaction::TransactionError;

    use super::*;

    #[test]
    fn the_cause_is_found_through_the_delta_library() {
        let denied = std::io::Error::from(std::io::ErrorKind::PermissionDenied);
        let cause = LakeError::io("create a file in", "/lake/x/_delta_log")(denied);
        let delta = DeltaTableError::from(TransactionError::LogStoreError {
            msg: "no".into(),
            source: Box::new(cause),
        });
        let error = LakeError::commit("a/silver/b", 3, Box::new(delta));
        assert_eq!(error.class(), ErrorClass::NotAllowed);
        assert_eq!(
            error.to_string(),
            "cannot commit version 3 of `a/silver/b`: cannot create a file in `/lake/x/_delta_log`: permission denied"
        );
        assert_eq!(
            error.hint().as_deref(),
            Some("give this user the right to write in `/lake/x/_delta_log`")
        );
    }
}

/// The versions that there are.
fn versions(oldest: i64, newest: i64) -> String {
    match oldest == newest {
        true => format!("only {newest}"),
        false => format!("{oldest} to {newest}"),
    }
}
