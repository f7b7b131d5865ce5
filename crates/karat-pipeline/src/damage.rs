//! Data files of a version that are gone or are not what was written: found cheaply before work, and by name after a read failed.

use karat_exact::ExactError;
use karat_lake::{Snapshot, Table, hash_file};
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
/// tables that were read are looked at, and the first that is not as it was written is the error.
pub fn named(site: &Site, tables: &[TableName], error: PipelineError) -> PipelineError {
    let may_be_damage = match &error {
        PipelineError::Exact(inner) | PipelineError::Compute { source: inner, .. } => {
            matches!(inner, ExactError::Io { .. } | ExactError::Internal(_)) && !inner.is_denied()
        }
        _ => false,
    };
    if !may_be_damage {
        return error;
    }
    for name in tables {
        let table = site.lake.table(&name.folder());
        let Ok(Some(snapshot)) = table.load() else {
            continue;
        };
        if let Err(missing) = check_present(name, &table, &snapshot) {
            return missing;
        }
        for file in &snapshot.files {
            let found = hash_file(&table.path().join(&file.path));
            let differs = match (file.sha256(), &found) {
                (Some(stated), Ok((_, found))) => stated != found,
                // One that another writer named, or that cannot be read at all: the reader's own words are all there is.
                _ => false,
            };
            if differs {
                return PipelineError::Damaged {
                    table: name.to_string(),
                    file: format!("{}/{}", name.folder(), file.path),
                    how: "is damaged: its bytes are not those that were written",
                };
            }
        }
    }
    error
}
