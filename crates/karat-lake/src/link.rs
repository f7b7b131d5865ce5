//! A version of a table, or a file of the record, in another lake without copying it: for work beside a lake that must not change it.

use std::fs;
use std::io;
use std::path::Path;

use crate::LakeError;
use crate::folder::Lake;
use crate::iceberg;

impl Lake {
    /// Gives `other` the file `rel` of this lake; false if there is none.
    pub fn link(&self, rel: &str, other: &Lake) -> Result<bool, LakeError> {
        let from = self.path(rel)?;
        if !from.is_file() {
            return Ok(false);
        }
        link(&from, &other.path(rel)?)?;
        Ok(true)
    }

    /// Gives `other` the table in the folder `dir` as it was at `version`, whatever became of it since.
    pub fn link_table(&self, dir: &str, version: i64, other: &Lake) -> Result<(), LakeError> {
        let table = self.table(dir);
        let (Some(snapshot), Some(log)) = (table.load_at(version)?, table.log()?) else {
            return Err(LakeError::corrupt(
                table.path(),
                "the log of the table is missing",
            ));
        };
        let to = other.root().join(dir);
        let log = log.files_up_to(version)?.into_iter();
        let files = snapshot.files.iter().map(|file| file.path.clone());
        for name in log.chain(files) {
            link(&table.path().join(&name), &to.join(&name))?;
        }
        iceberg::mark_linked(&snapshot, &to)
    }
}

fn link(from: &Path, to: &Path) -> Result<(), LakeError> {
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder).map_err(LakeError::io("create", folder))?;
    }
    match linked(from, to) {
        // Two tables may lead to one receipt.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        done => done.map_err(LakeError::io("link", from)),
    }
}

#[cfg(unix)]
fn linked(from: &Path, to: &Path) -> io::Result<()> {
    // A link of a name, not of the bytes: it needs no rights on the file, and may cross file systems.
    if !from.exists() {
        return Err(io::ErrorKind::NotFound.into());
    }
    std::os::unix::fs::symlink(from, to)
}

#[cfg(not(unix))]
fn linked(from: &Path, to: &Path) -> io::Result<()> {
    match fs::hard_link(from, to) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            fs::copy(from, to).map(|_| ())
        }
        done => done,
    }
}
