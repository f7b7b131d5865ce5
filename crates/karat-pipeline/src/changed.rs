//! Which models say something else than what their tables were made with: `--select changed` (A7).

use karat_lake::Lake;
use karat_project::{Project, TableName};
use karat_receipt::Digest;

use crate::epochs::Epochs;
use crate::error::PipelineError;

/// Models whose code is not that of their newest version, and those that have none yet, by name.
///
/// # Errors
/// Where the lake's record of a model cannot be read.
pub fn models(lake: &Lake, project: &Project) -> Result<Vec<TableName>, PipelineError> {
    let mut changed = Vec::new();
    for model in &project.models {
        let snapshot = lake.table(&model.name.folder()).load()?;
        let epochs = Epochs::read(lake, &model.name, snapshot.as_ref())?;
        let today = Digest::of(model.code_text().as_bytes());
        let made_with = epochs.last_current().map(|intent| intent.code);
        if snapshot.is_none() || made_with != Some(today) {
            changed.push(model.name.clone());
        }
    }
    changed.sort();
    Ok(changed)
}
