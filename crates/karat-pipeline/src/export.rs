//! The record of a run, whole and apart from the lake (G4): its manifest and those before, the receipts of its tables back to their
//! first, and the intents and code that they name. No data file and no log, whose statistics hold values: only documents that never
//! hold any.

use std::collections::{BTreeMap, BTreeSet};

use karat_project::{Layer, TableName};
use karat_receipt::{Digest, Kind, Receipt};

use crate::context::Site;
use crate::error::PipelineError;
use crate::layout;
use crate::manifest;
use crate::publish::receipt_and_bytes;
use crate::replay::named;

/// Documents of a lake, which stand on their own.
#[derive(Debug)]
pub struct Export {
    /// The run.
    pub run: String,
    /// The digest of its manifest.
    pub head: Digest,
    /// Tables that the manifest names.
    pub tables: usize,
    /// Receipts among the documents.
    pub receipts: usize,
    /// Each document's bytes, by its path in the lake.
    pub documents: BTreeMap<String, Vec<u8>>,
}

/// The record of a run that made versions.
///
/// # Errors
/// [`PipelineError::Refused`] if there is no such run, [`PipelineError::MissingReceipt`] or [`PipelineError::Damaged`] if the record has a
/// hole: what cannot be checked is not given out.
pub fn of_run(site: &Site, run: &str) -> Result<Export, PipelineError> {
    let mut manifests = manifest::all(&site.lake)?;
    let Some(at) = manifests
        .iter()
        .position(|(manifest, _)| manifest.run == run)
    else {
        return Err(PipelineError::Refused {
            what: format!("there is no run `{run}` with versions of its own in the lake"),
            hint: "`karat receipt list` shows the runs".to_owned(),
        });
    };
    manifests.truncate(at + 1);
    let mut documents = BTreeMap::new();
    let mut waiting: Vec<Digest> = Vec::new();
    let (mut head, mut tables) = (Digest::of(b""), 0);
    for (manifest, bytes) in manifests {
        head = Digest::of(&bytes);
        tables = manifest.tables.len();
        documents.insert(layout::manifest(&manifest.run), bytes);
        // Those of the runs before are among what comes before these, but for versions that nothing follows from.
        waiting.extend(manifest.tables.values().filter_map(|state| state.receipt));
    }
    let mut seen: BTreeSet<Digest> = BTreeSet::new();
    while let Some(digest) = waiting.pop() {
        if !seen.insert(digest) {
            continue;
        }
        let (opened, bytes) = receipt_and_bytes(site, digest)?;
        documents.insert(layout::receipt(digest), bytes);
        let receipt = opened.receipt;
        named_by(site, &receipt, &mut documents)?;
        waiting.extend(receipt.previous);
        waiting.extend(receipt.inputs.iter().filter_map(|input| input.receipt));
    }
    Ok(Export {
        run: run.to_owned(),
        head,
        tables,
        receipts: seen.len(),
        documents,
    })
}

/// Adds the intent and the code of a receipt, and the text of its checks.
fn named_by(
    site: &Site,
    receipt: &Receipt,
    documents: &mut BTreeMap<String, Vec<u8>>,
) -> Result<(), PipelineError> {
    let mut add = |path: String, digest: Digest, is_needed: bool| {
        if documents.contains_key(&path) {
            return Ok(());
        }
        match site.lake.get(&path)? {
            Some(bytes) if Digest::of(&bytes) == digest => {
                documents.insert(path, bytes);
                Ok(())
            }
            None if !is_needed => Ok(()),
            found => Err(PipelineError::Damaged {
                table: receipt.subject(),
                file: path,
                how: match found {
                    Some(_) => "is not what its receipt names",
                    None => "is gone, and its receipt names it",
                },
            }),
        }
    };
    if let Some(intent) = receipt.intent {
        let table: TableName = named(&receipt.table)?;
        let path = match receipt.kind {
            Kind::Repair => format!("{}/{}.json", layout::repair_intents(&table), receipt.epoch),
            // Quarantine is written with silver, under its intent (C3).
            _ if table.layer == Layer::Quarantine => {
                let silver = TableName::new(table.domain, Layer::Silver, table.table);
                layout::intent(&silver, receipt.epoch)
            }
            _ => layout::intent(&table, receipt.epoch),
        };
        add(path, intent, true)?;
    }
    // Who adopts runs nothing.
    let ran = receipt.kind != Kind::Adopt;
    add(layout::code(receipt.code), receipt.code, ran)?;
    match &receipt.audit {
        Some(audit) => add(layout::code(audit.code), audit.code, true),
        None => Ok(()),
    }
}
