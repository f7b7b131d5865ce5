//! Runs under a key of whoever starts them (a scheduler's id of an activity): one that ended well is not made again, however often it is asked for.

use karat_lake::Lake;
use karat_receipt::{Digest, KeyedRun};

use crate::error::PipelineError;
use crate::layout;

/// The run that ended well under this key, if one did.
///
/// # Errors
/// Where its note cannot be read.
pub fn done(lake: &Lake, key: &str) -> Result<Option<KeyedRun>, PipelineError> {
    let path = path(key);
    match lake.get(&path)? {
        Some(bytes) => {
            let note = KeyedRun::from_bytes(&bytes).map_err(PipelineError::document(&path))?;
            Ok(Some(note))
        }
        None => Ok(None),
    }
}

/// Notes that a run ended well under its key. The first such run counts.
///
/// # Errors
/// Where the lake cannot be written.
pub fn note(lake: &Lake, run: &KeyedRun) -> Result<(), PipelineError> {
    lake.put_if_absent(&path(&run.key), &run.to_bytes())?;
    Ok(())
}

fn path(key: &str) -> String {
    format!("{}/{}.json", layout::KEYS, Digest::of(key.as_bytes()))
}
