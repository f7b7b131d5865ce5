//! Where the lake stands, from the lake alone (A1).

use std::collections::BTreeSet;

use karat_lake::Format;
use karat_project::{ModelKind, TableName};
use karat_receipt::Kind;

pub use crate::audit::Promise;
use crate::audit::promises;
use crate::context::Site;
use crate::error::PipelineError;
use crate::proven::check_head;
use crate::publish::{UNDONE_RUN, head, newest_load, receipt_of};

/// One table.
#[derive(Debug)]
pub struct TableStatus {
    /// Two-part name.
    pub table: String,
    /// bronze, silver, gold or quarantine.
    pub layer: String,
    /// Folder of the table, relative to the lake.
    pub dir: String,
    /// Its format; None of a folder that holds two.
    pub format: Option<Format>,
    /// Newest version; None of a table that cannot be read.
    pub version: Option<i64>,
    /// Its rows.
    pub rows: Option<u64>,
    /// Its fingerprint; None for a foreign version.
    pub fingerprint: Option<String>,
    /// Digest of its receipt.
    pub receipt: Option<String>,
    /// Logical time of the run that made it; of a feed, that loaded it.
    pub fresh_as_of: Option<String>,
    /// The run that was undone, where the newest version is one that an undo brought back.
    pub undone: Option<String>,
    /// Whether the project still declares it.
    pub declared: bool,
    /// What its model promises as time goes on, and whether that holds now.
    pub promises: Vec<Promise>,
    /// Why the table cannot be read: damage, or something of another writer that karat does not read. It hides no other table.
    pub problem: Option<PipelineError>,
}

/// All tables of the lake.
pub async fn status(site: &Site) -> Result<Vec<TableStatus>, PipelineError> {
    let declared = declared(site);
    let mut tables = Vec::new();
    for folder in site.lake.tables()? {
        let dir = folder.dir();
        let name = folder.name();
        let table = site.lake.table(&dir);
        let found = head(&table).and_then(|head| match head {
            Some(head) => {
                if let Ok(name) = name.parse() {
                    check_head(site, &name, &head)?;
                }
                Ok(Some((receipt_of(site, &head)?, head)))
            }
            None => Ok(None),
        });
        let (head, problem) = match found {
            Ok(None) => continue,
            Ok(found) => (found, None),
            Err(problem) => (None, Some(problem)),
        };
        let (receipt, head) = head.unzip();
        let receipt = receipt.flatten();
        let model = name
            .parse()
            .ok()
            .and_then(|name: TableName| site.project.model(&name));
        let promised = match (model, &head) {
            (Some(model), Some(head)) => promises(site, model, head).await,
            _ => Ok(Vec::new()),
        };
        let (promises, problem) = match promised {
            Ok(promises) => (promises, problem),
            Err(error) => (Vec::new(), Some(error)),
        };
        let digest = head.as_ref().and_then(|head| head.receipt);
        // A repair brings no newer row of the source.
        let fresh_as_of = match digest {
            Some(digest) => newest_load(site, digest).ok(),
            None => None,
        };
        let fresh_as_of = fresh_as_of.map(|receipt| receipt.logical_time);
        tables.push(TableStatus {
            declared: declared.contains(&name),
            table: name,
            layer: folder.layer,
            format: table.format().ok(),
            dir,
            version: head.as_ref().map(|head| head.snapshot.version),
            rows: head.map(|head| head.snapshot.files.iter().map(|file| file.rows).sum()),
            fingerprint: receipt.as_ref().map(|receipt| receipt.fingerprint.clone()),
            receipt: digest.map(|digest| digest.to_string()),
            undone: receipt
                .as_ref()
                .and_then(|receipt| receipt.parameters.get(UNDONE_RUN).cloned())
                .filter(|_| receipt.as_ref().is_some_and(|one| one.kind == Kind::Undo)),
            fresh_as_of,
            promises,
            problem,
        });
    }
    tables.sort_by(|a, b| a.table.cmp(&b.table));
    Ok(tables)
}

/// Names of the tables that the project declares, quarantine among them.
fn declared(site: &Site) -> BTreeSet<String> {
    let mut names: BTreeSet<String> = site
        .project
        .feeds()
        .map(|feed| feed.bronze.to_string())
        .collect();
    for model in &site.project.models {
        names.insert(model.name.to_string());
        if matches!(model.kind, ModelKind::Silver(_)) {
            names.insert(model.name.quarantine().to_string());
        }
    }
    names
}
