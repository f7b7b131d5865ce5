//! Where the lake stands, from the lake alone (A1).

use karat_project::ModelKind;

use crate::context::Site;
use crate::error::PipelineError;
use crate::manifest;
use crate::publish::read_receipt;

/// One table.
#[derive(Debug, Clone)]
pub struct TableStatus {
    /// Two-part name.
    pub table: String,
    /// bronze, silver, gold or quarantine.
    pub layer: String,
    /// Folder of the table, relative to the lake.
    pub dir: String,
    /// Newest version.
    pub version: i64,
    /// Its rows.
    pub rows: u64,
    /// Its fingerprint; None for a foreign version.
    pub fingerprint: Option<String>,
    /// Digest of its receipt.
    pub receipt: Option<String>,
    /// Logical time of the run that made it.
    pub fresh_as_of: Option<String>,
    /// Whether the project still declares it.
    pub declared: bool,
}

/// All tables of the lake.
pub async fn status(site: &Site) -> Result<Vec<TableStatus>, PipelineError> {
    let mut tables = Vec::new();
    for (name, (dir, head)) in manifest::heads(&site.lake)? {
        let receipt = match head.receipt {
            Some(digest) => Some(read_receipt(site, digest)?),
            None => None,
        };
        let layer = dir.split('/').nth(1).unwrap_or_default().to_owned();
        tables.push(TableStatus {
            declared: declares(site, &name),
            table: name,
            layer,
            dir,
            version: head.snapshot.version,
            rows: head.snapshot.files.iter().map(|file| file.rows).sum(),
            fingerprint: receipt.as_ref().map(|receipt| receipt.fingerprint.clone()),
            receipt: head.receipt.map(|digest| digest.to_string()),
            fresh_as_of: receipt.map(|receipt| receipt.logical_time),
        });
    }
    Ok(tables)
}

fn declares(site: &Site, name: &str) -> bool {
    site.project
        .feeds()
        .any(|feed| feed.bronze.to_string() == name)
        || site.project.models.iter().any(|model| {
            model.name.to_string() == name
                || (matches!(model.kind, ModelKind::Silver(_))
                    && model.name.quarantine().to_string() == name)
        })
}
