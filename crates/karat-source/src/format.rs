//! What a format of files must be able to do with one object: say whether it is whole, name its columns, give its rows, and show a sample for a
//! proposal of types. How objects are listed, hashed and planned is left to `files`; how they are unpacked to `packed`.

use std::fs::{File, Metadata};
use std::io::{Seek, SeekFrom};

use arrow::datatypes::DataType;
use arrow::record_batch::RecordBatch;

use crate::names;
use crate::packed::{self, Part, Parts};
use crate::{Column, ErrorKind, FeedSpec, Mode, Object, SourceError, discover};

/// One format. Errors of kind `Broken` are the object's; others stop the feed.
pub(crate) trait FileFormat: Sync {
    /// Checks the settings of a feed.
    fn check(&self, feed: &FeedSpec) -> Result<(), SourceError>;
    /// Why the object, whose packing is whole, cannot be read; `long` if a record of it might be too long.
    fn flaw(&self, object: &Opened, long: bool) -> Result<Option<String>, SourceError>;
    /// Its columns; none if it has nothing that would name them.
    fn columns(&self, object: &Opened) -> Result<Option<Vec<Column>>, SourceError>;
    /// Whether finding the columns takes reading much of the object: they are remembered, and finding them is part of proving it whole.
    fn columns_are_costly(&self) -> bool {
        false
    }
    /// Whether it has a row.
    fn has_rows(&self, object: &Opened) -> Result<bool, SourceError>;
    /// Gives its rows in a fixed order; the columns are those that [`FileFormat::columns`] found.
    fn read(
        &self,
        object: &Opened,
        of: &Object,
        columns: Vec<Column>,
        each: &mut dyn FnMut(RecordBatch) -> Result<(), SourceError>,
    ) -> Result<ObjectCount, SourceError>;
    /// Columns and the first rows; none if there is nothing to see.
    fn sample(&self, object: &Opened, rows_max: u64) -> Result<Option<Sample>, SourceError>;
}

/// An object, opened.
pub(crate) struct Opened<'a> {
    pub(crate) feed: &'a FeedSpec,
    pub(crate) path: &'a str,
    pub(crate) file: File,
    /// As it was when it was opened.
    pub(crate) stat: Metadata,
    /// Bytes read at a time.
    pub(crate) chunk: usize,
}

impl Opened<'_> {
    /// The texts in it.
    pub(crate) fn parts(&self) -> Result<Texts<'_>, SourceError> {
        let parts = Parts::open(self.file()?, self.path, self.feed);
        match parts.map_err(|e| SourceError::io("read", self.path, e))? {
            Ok(parts) => Ok(Texts {
                parts,
                path: self.path,
            }),
            Err(why) => Err(self.broken(&why)),
        }
    }

    /// The file, from its start.
    pub(crate) fn file(&self) -> Result<File, SourceError> {
        let fail = |e| SourceError::io("read", self.path, e);
        let mut file = self.file.try_clone().map_err(fail)?;
        file.seek(SeekFrom::Start(0)).map_err(fail)?;
        Ok(file)
    }

    /// It cannot be read for this reason.
    pub(crate) fn broken(&self, why: &str) -> SourceError {
        broken(self.path, why)
    }

    /// What `_op` its rows have.
    pub(crate) fn op(&self) -> &'static str {
        match self.feed.mode {
            Mode::Full => "R",
            Mode::Incremental => "I",
        }
    }
}

/// The texts in an object, one after another.
pub(crate) struct Texts<'a> {
    parts: Parts,
    path: &'a str,
}

impl Texts<'_> {
    /// The next.
    pub(crate) fn next(&mut self) -> Result<Option<Part>, SourceError> {
        let next = self.parts.next();
        next.map_err(|e| SourceError::io("read", self.path, e))
    }
}

/// The error of an object that cannot be read for this reason.
pub(crate) fn broken(path: &str, why: &str) -> SourceError {
    SourceError::new(ErrorKind::Broken, format!("cannot read `{path}`: {why}"))
        .hint("have it delivered again")
        .object(path)
}

/// The refusal of an object that lacks a column which the feed's `columns` choose (B8).
pub(crate) fn not_there<S: AsRef<str>>(path: &str, missing: &str, names: &[S]) -> SourceError {
    let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
    SourceError::new(
        ErrorKind::Drift,
        format!(
            "cannot read `{path}`: it has no column `{missing}`, which the feed's `columns` choose"
        ),
    )
    .hint(what_to_choose(missing, &names))
    .object(path)
}

/// What to write in `columns` for a name that no object has: blanks around a name are part of it (F1), and nobody sees them.
fn what_to_choose(missing: &str, found: &[&str]) -> String {
    let bare = |name: &str| names::fold(name.trim(), 1);
    let blank = found
        .iter()
        .find(|name| name.trim() != **name && bare(name) == bare(missing));
    if let Some(name) = blank {
        return format!(
            "the header has it with blanks around it: write `\"{name}\"` in `columns`, quotes and blanks included; models call it `{}`",
            names::fold(name, 1)
        );
    }
    let names: Vec<String> = found.iter().map(|name| format!("`{name}`")).collect();
    format!(
        "its header names {}: write one of these in `columns`, or take `{missing}` out of it; if the file is wrong, have it delivered again, or take it away until then",
        names.join(", ")
    )
}

/// An error while reading an unpacked object: trouble with the disk, or what the unpacker found.
pub(crate) fn reading(path: &str, cause: std::io::Error) -> SourceError {
    match packed::reason_of(&cause) {
        Some(why) => broken(path, &why),
        None => SourceError::io("read", path, cause),
    }
}

/// The reason in an error of kind `Broken` about this object, without the object.
pub(crate) fn reason_in(error: &SourceError, path: &str) -> String {
    let message = error.to_string();
    let reason = message.strip_prefix(&format!("cannot read `{path}`: "));
    reason.unwrap_or(&message).to_owned()
}

/// What reading an object counted.
#[derive(Debug, Default)]
pub(crate) struct ObjectCount {
    pub(crate) rows: u64,
    pub(crate) rescued: u64,
    pub(crate) blank_lines: u64,
}

/// A column of a sample.
#[derive(Debug)]
pub(crate) struct SampleColumn {
    /// As the source spells it.
    pub(crate) source_name: String,
    /// Folded.
    pub(crate) name: String,
    /// Its type, if the format gives one.
    pub(crate) typed: Option<DataType>,
    /// What its values have in common.
    pub(crate) profile: discover::Profile,
}

/// What the first rows of an object show.
#[derive(Debug, Default)]
pub(crate) struct Sample {
    pub(crate) columns: Vec<SampleColumn>,
    pub(crate) rows: u64,
    /// Rows with another number of fields than there are columns.
    pub(crate) misfits: u64,
    /// Rows that are not valid in the encoding that they are read in.
    pub(crate) invalid: u64,
    /// Whether rows after these were not looked at.
    pub(crate) goes_on: bool,
    /// How it is written, for a person.
    pub(crate) written: &'static str,
    pub(crate) names_are_made_up: bool,
    /// The first row, which was taken for names and looks like values.
    pub(crate) first_row: Option<String>,
    /// Whether it looks so by itself, whatever follows.
    pub(crate) first_is_number: bool,
    /// Whether it is read in a one-byte encoding and is UTF-8.
    pub(crate) looks_utf8: bool,
}
