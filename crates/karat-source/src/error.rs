//! What can go wrong while reading a source. A message says what was done, to what and why it failed; it never holds a value of a row (H2).

use std::error::Error;

/// What kind of trouble it is, for those who decide how to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// What the project says cannot be done.
    Config,
    /// A file, table or column is not there.
    NotFound,
    /// The operating system does not let us read it.
    Permission,
    /// Another process holds the database.
    Locked,
    /// The database file is damaged.
    Corrupt,
    /// The columns are not what was expected (B8).
    Drift,
    /// The cursor column holds nulls (B7).
    NullCursor,
    /// The cursor column holds values that have no place in its order.
    Cursor,
    /// An object that cannot be read as what it should be (B4).
    Broken,
    /// An object is no longer what was planned: the range cannot be read again (A3).
    Changed,
    /// Disk or system trouble.
    Io,
    /// The receiver of the batches refused one.
    Sink,
}

/// An error of this crate: its kind, a message and what to do next.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct SourceError {
    kind: ErrorKind,
    message: String,
    hint: Option<String>,
    object: Option<String>,
    #[source]
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl SourceError {
    /// An error of this kind.
    #[must_use]
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            hint: None,
            object: None,
            source: None,
        }
    }

    /// Adds what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Names the object (relative path, or table) that it is about.
    #[must_use]
    pub fn object(mut self, object: impl Into<String>) -> Self {
        self.object = Some(object.into());
        self
    }

    /// Keeps the cause.
    #[must_use]
    pub fn cause(mut self, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(cause.into());
        self
    }

    /// The kind.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// What to do next.
    #[must_use]
    pub fn hint_text(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// The object that it is about.
    #[must_use]
    pub fn object_name(&self) -> Option<&str> {
        self.object.as_deref()
    }

    /// Whoever takes the rows of `what` failed.
    pub(crate) fn sink(what: &str, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        let message = format!("cannot pass on rows of `{what}`");
        Self::new(ErrorKind::Sink, message)
            .object(what)
            .cause(cause)
    }

    /// An error of the operating system while doing `doing` to `what`.
    pub(crate) fn io(doing: &str, what: &str, cause: std::io::Error) -> Self {
        use std::io::ErrorKind as Io;
        let (kind, why, hint) = match cause.kind() {
            Io::NotFound => (
                ErrorKind::NotFound,
                "it is not there".to_owned(),
                "check the path, or whether something removed it meanwhile",
            ),
            Io::PermissionDenied => (
                ErrorKind::Permission,
                "permission denied".to_owned(),
                "give the user who runs karat the right to read it",
            ),
            Io::NotADirectory | Io::IsADirectory => (
                ErrorKind::Config,
                cause.kind().to_string(),
                "the path names a folder where a file is expected, or the other way round",
            ),
            _ => (
                ErrorKind::Io,
                cause.kind().to_string(),
                "check the disk, then run again",
            ),
        };
        Self::new(kind, format!("cannot {doing} `{what}`: {why}"))
            .hint(hint)
            .object(what)
            .cause(cause)
    }
}
