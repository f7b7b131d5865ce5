//! Data files of a version that are gone or are not what was written: found cheaply before work, and by name after a read failed.

use std::path::Path;

use karat_exact::{ExactError, FileSet};
use karat_lake::{Snapshot, Table, hash_file, sha256_in_name};
use karat_project::TableName;

use crate::context::Site;
use crate::error::PipelineError;

/// That every file which a version names is there. Their content is for `verify`.
pub(crate) fn check_present(
    name: &TableName,
    table: &Table,
    snapshot: &Snapshot,
) -> Result<(), PipelineError> {
    for file in &snapshot.files {
        let found = std::fs::metadata(table.path().join(&file.path));
        if found.is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound) {
            return Err(PipelineError::Damaged {
                table: name.to_string(),
                file: format!("{}/{}", name.folder(), file.path),
                how: "is missing",
            });
        }
    }
    Ok(())
}

/// What a reader says of a damaged file names neither the file nor the way out. Where an error may come from one, the files of the
/// newest versions of the tables that were read are looked at, and the first that is not as it was written is the error.
pub fn named(site: &Site, tables: &[TableName], error: PipelineError) -> PipelineError {
    if !may_be_damage(&error) {
        return error;
    }
    for name in tables {
        let table = site.lake.table(&name.folder());
        let Ok(Some(snapshot)) = table.load() else {
            continue;
        };
        let mut files = snapshot
            .files
            .iter()
            .map(|file| table.path().join(&file.path));
        if let Some(found) = files.find_map(|path| damaged(site, name, &path)) {
            return found;
        }
    }
    error
}

/// The same over the files that were read, of whichever version they are.
pub fn named_in<'r>(
    site: &Site,
    read: impl IntoIterator<Item = (&'r TableName, &'r FileSet)>,
    error: PipelineError,
) -> PipelineError {
    if !may_be_damage(&error) {
        return error;
    }
    let found = read.into_iter().find_map(|(name, set)| {
        let mut files = set.files.iter();
        files.find_map(|file| damaged(site, name, &file.path))
    });
    found.unwrap_or(error)
}

fn may_be_damage(error: &PipelineError) -> bool {
    match error {
        PipelineError::Exact(inner) | PipelineError::Compute { source: inner, .. } => {
            let of_a_file = matches!(
                inner,
                ExactError::Io { .. }
                    | ExactError::Internal(_)
                    | ExactError::Panic(_)
                    | ExactError::Rows { .. }
            );
            of_a_file && !inner.is_denied()
        }
        _ => false,
    }
}

/// What is wrong with a file of a table. One that another writer named, or that cannot be read at all, is not known to be damaged: the
/// reader's own words are all there is.
fn damaged(site: &Site, name: &TableName, path: &Path) -> Option<PipelineError> {
    let table = site.lake.table(&name.folder());
    let within = path.strip_prefix(table.path()).unwrap_or(path);
    let told = |how| PipelineError::Damaged {
        table: name.to_string(),
        file: format!("{}/{}", name.folder(), within.display()),
        how,
    };
    if !path.exists() {
        return Some(told("is missing"));
    }
    let within = within.to_string_lossy();
    let stated = sha256_in_name(&within)?;
    let (_, found) = hash_file(path).ok()?;
    (stated != found).then(|| told("is damaged: its bytes are not those that were written"))
}
