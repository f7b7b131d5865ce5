//! What a person accepted of a feed's changed schema (B8): kept in the lake, so that every machine knows.

use std::collections::BTreeSet;

use karat_lake::{Lake, Put};
use karat_project::TableName;
use serde_json::json;

use crate::context::Site;
use crate::error::PipelineError;
use crate::layout;

/// Columns whose absence was accepted.
pub fn accepted_missing(lake: &Lake, table: &TableName) -> Result<BTreeSet<String>, PipelineError> {
    let folder = layout::accepted(table);
    let mut accepted = BTreeSet::new();
    for name in lake.list(&folder)? {
        let Some(bytes) = lake.get(&format!("{folder}/{name}"))? else {
            continue;
        };
        let note: serde_json::Value = serde_json::from_slice(&bytes).map_err(|error| {
            PipelineError::Internal(format!("`{folder}/{name}` is damaged: {error}"))
        })?;
        for column in note["missing"].as_array().into_iter().flatten() {
            accepted.extend(column.as_str().map(str::to_owned));
        }
    }
    Ok(accepted)
}

/// Accepts that these columns are missing from now on.
pub fn accept(site: &Site, table: &TableName, missing: &[String]) -> Result<(), PipelineError> {
    let folder = layout::accepted(table);
    let note = json!({
        "missing": missing,
        "principal": site.context.principal,
        "at": site.context.logical_time,
    });
    let bytes = note.to_string().into_bytes();
    let mut number = site.lake.list(&folder)?.len() + 1;
    while site
        .lake
        .put_if_absent(&format!("{folder}/{number}.json"), &bytes)?
        == Put::Exists
    {
        number += 1;
    }
    Ok(())
}
