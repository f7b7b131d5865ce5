//! Recorded code on recorded versions (A8): what a version was made with, put into a project and a lake of their own, in which an ordinary
//! run makes it again. The lake itself is only read. That run is started by others; what it came to is compared here.

use std::collections::BTreeMap;

use karat_lake::Lake;
use karat_project::{Layer, TableName, recorded_project};
use karat_receipt::{Digest, Kind, Receipt};

use crate::context::Site;
use crate::cut;
use crate::epochs::Epochs;
use crate::error::PipelineError;
use crate::layout;
use crate::manifest;
use crate::publish::{brought_back, head, read_receipt, receipt_of, recorded_version};
use crate::receipts;

/// A version of a model's table that can be made again.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// The table.
    pub table: TableName,
    /// Its receipt.
    pub receipt: Receipt,
    /// The receipt of the quarantine that was written with it, if one was.
    pub quarantine: Option<Receipt>,
}

/// How a version that was made again compares with the recorded one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The same rows in the same columns, and the same in quarantine.
    Same,
    /// Something else.
    Differs {
        /// What of it.
        what: String,
        /// As recorded.
        expected: String,
        /// As made again.
        found: String,
    },
}

/// The versions that a run made of silver and gold tables, by name. Loads of bronze are what replay starts from.
pub fn of_run(site: &Site, run: &str) -> Result<Vec<Recorded>, PipelineError> {
    let digests: Vec<Digest> = match manifest::of_run(&site.lake, run)? {
        Some(manifest) => manifest
            .tables
            .values()
            .filter_map(|state| state.receipt)
            .collect(),
        // A run that was killed has no manifest of its own.
        None => receipts::list(site, None)?
            .iter()
            .map(|recorded| recorded.digest)
            .collect(),
    };
    let mut made: BTreeMap<TableName, Receipt> = BTreeMap::new();
    for digest in digests {
        let receipt = read_receipt(site, digest)?;
        if receipt.run == run && is_of_code(&receipt) && receipt.layer != "bronze" {
            made.insert(named(&receipt.table)?, receipt);
        }
    }
    let models = made
        .iter()
        .filter(|(table, _)| table.layer != Layer::Quarantine);
    let mut found = Vec::new();
    for (table, receipt) in models {
        found.push(Recorded {
            table: table.clone(),
            receipt: as_made(site, receipt.clone())?,
            quarantine: made.get(&table.quarantine()).cloned(),
        });
    }
    match found.is_empty() {
        false => Ok(found),
        true => Err(PipelineError::Refused {
            what: format!("run `{run}` made no version of a silver or gold table"),
            hint: "`karat receipt list` shows which run made what".to_owned(),
        }),
    }
}

/// The newest version of a model's table, or the one of this number.
pub fn of_table(
    site: &Site,
    table: &TableName,
    version: Option<i64>,
) -> Result<Recorded, PipelineError> {
    let name = table.to_string();
    let listed = receipts::list(site, Some(&name))?;
    let found = listed
        .iter()
        .rev()
        .find(|recorded| version.is_none_or(|version| recorded.version == version));
    let receipt = match found {
        Some(recorded) => read_receipt(site, recorded.digest)?,
        None => {
            return Err(PipelineError::Refused {
                what: match version {
                    Some(version) => format!("no receipt is recorded for `{name}@{version}`"),
                    None => format!("no receipt is recorded for `{name}`"),
                },
                hint: format!("`karat receipt list {name}` lists those of the table"),
            });
        }
    };
    if !is_of_code(&receipt) || matches!(table.layer, Layer::Bronze | Layer::Quarantine) {
        let (what, hint) = match (table.layer, receipt.kind) {
            (Layer::Bronze, _) => (
                "is what was received: no code makes it again",
                "`karat verify` compares it with its record; name a silver or gold table",
            ),
            (Layer::Quarantine, _) => (
                "is made with its silver table",
                "name that: its quarantine is compared, too",
            ),
            (_, Kind::Undo) => (
                "has no row since the run that had made the table was undone: no code makes it again",
                "name an earlier version, like `TABLE@3`",
            ),
            _ => (
                "holds what a person adopted from another writer: no code makes it again",
                "name an earlier version, like `TABLE@3`",
            ),
        };
        return Err(PipelineError::Refused {
            what: format!("`{name}@{}` {what}", receipt.version),
            hint: hint.to_owned(),
        });
    }
    Ok(Recorded {
        quarantine: quarantine_of(site, table, &receipt)?,
        table: table.clone(),
        receipt: as_made(site, receipt)?,
    })
}

/// Whether a version is what recorded code made of recorded versions: also one that an undo brought back.
fn is_of_code(receipt: &Receipt) -> bool {
    match receipt.kind {
        Kind::Transform => true,
        Kind::Undo => brought_back(receipt).is_some(),
        Kind::Load | Kind::Adopt | Kind::Repair => false,
    }
}

/// A receipt with the logical time at which its rows were computed, which is not that of an undo that brought them back.
fn as_made(site: &Site, mut receipt: Receipt) -> Result<Receipt, PipelineError> {
    let mut brought = brought_back(&receipt);
    while let Some((_, digest)) = brought {
        let before = read_receipt(site, digest)?;
        receipt.logical_time.clone_from(&before.logical_time);
        brought = brought_back(&before);
    }
    Ok(receipt)
}

/// The quarantine as it was written with a version; none if that version wrote none.
fn quarantine_of(
    site: &Site,
    table: &TableName,
    receipt: &Receipt,
) -> Result<Option<Receipt>, PipelineError> {
    if table.layer != Layer::Silver {
        return Ok(None);
    }
    let quarantine = table.quarantine();
    if head(&site.lake.table(&quarantine.folder()))?.is_none() {
        return Ok(None);
    }
    let listed = receipts::list(site, Some(&quarantine.to_string()))?;
    // An undo writes a quarantine only where the run that it took back had.
    let mut epochs = vec![receipt.epoch];
    let mut brought = brought_back(receipt);
    while let Some((_, digest)) = brought {
        let before = read_receipt(site, digest)?;
        epochs.push(before.epoch);
        brought = brought_back(&before);
    }
    for recorded in listed.iter().rev() {
        let of_version = read_receipt(site, recorded.digest)?;
        if epochs.contains(&of_version.epoch) && is_of_code(&of_version) {
            return Ok(Some(of_version));
        }
    }
    Ok(None)
}

/// The files of a project that declares what a version was made with; into the lake of that project come the tables that it read, as they
/// were when it read them. A run of the project that selects the table makes the version again.
pub fn stage(
    site: &Site,
    of: &Recorded,
    lake: &Lake,
) -> Result<BTreeMap<String, String>, PipelineError> {
    let mut code = BTreeMap::new();
    gather(site, &of.table, &of.receipt, &mut code)?;
    let files =
        recorded_project(&of.table, &code).map_err(|not_recorded| PipelineError::Refused {
            what: format!(
                "`{}@{}` cannot be made again: {not_recorded}",
                of.table, of.receipt.version
            ),
            hint: format!(
                "it was made by karat {}: replay it with that version",
                of.receipt.karat_version
            ),
        })?;
    for input in &of.receipt.inputs {
        let table = named(&input.table)?;
        link_version(site, &table, input.version, input.receipt, lake)?;
    }
    Ok(files)
}

/// Links a version of a table into another lake, with its receipt and, of bronze, the record of its loads.
pub(crate) fn link_version(
    site: &Site,
    table: &TableName,
    version: i64,
    receipt: Option<Digest>,
    lake: &Lake,
) -> Result<(), PipelineError> {
    let of_table = site.lake.table(&table.folder());
    if recorded_version(&of_table, version, receipt)?.is_none() {
        return Err(cut::gone(table, version));
    }
    site.lake.link_table(&table.folder(), version, lake)?;
    let mut next = receipt;
    while let Some(digest) = next {
        let receipt = read_receipt(site, digest)?;
        site.lake.link(&layout::receipt(digest), lake)?;
        site.lake.link(&layout::file_fingerprints(digest), lake)?;
        next = receipt.previous.filter(|_| receipt.kind == Kind::Adopt);
    }
    match table.layer {
        Layer::Bronze => link_loads(site, table, lake),
        _ => Ok(()),
    }
}

/// What is on record of the loads that a table holds in this lake.
fn link_loads(site: &Site, bronze: &TableName, lake: &Lake) -> Result<(), PipelineError> {
    let snapshot = lake.table(&bronze.folder()).load()?;
    let epochs = Epochs::read(&site.lake, bronze, snapshot.as_ref())?;
    for epoch in 1..=epochs.committed() {
        site.lake.link(&layout::intent(bronze, epoch), lake)?;
        site.lake.link(&layout::closed(bronze, epoch), lake)?;
    }
    for intent in epochs.done() {
        site.lake.link(&layout::code(intent.code), lake)?;
    }
    Ok(())
}

/// The code of a table and of all that leads to it, by table.
fn gather(
    site: &Site,
    table: &TableName,
    receipt: &Receipt,
    code: &mut BTreeMap<TableName, String>,
) -> Result<(), PipelineError> {
    let mut own = receipt.clone();
    while own.kind == Kind::Adopt {
        let Some(previous) = own.previous else { break };
        own = read_receipt(site, previous)?;
    }
    let path = layout::code(own.code);
    let damaged = |how| PipelineError::Damaged {
        table: table.to_string(),
        file: path.clone(),
        how,
    };
    let Some(text) = site.lake.get(&path)? else {
        return Err(damaged("is missing: the code of the version is not known"));
    };
    if Digest::of(&text) != own.code {
        return Err(damaged("has other bytes than its name says"));
    }
    code.insert(table.clone(), String::from_utf8_lossy(&text).into_owned());
    for input in &own.inputs {
        let name = named(&input.table)?;
        if let (Some(digest), false) = (input.receipt, code.contains_key(&name)) {
            let receipt = read_receipt(site, digest)?;
            gather(site, &name, &receipt, code)?;
        }
    }
    Ok(())
}

/// Compares what the run in the staged project made with what is recorded.
pub fn compare(of: &Recorded, staged: &Site) -> Result<Outcome, PipelineError> {
    let pairs = [
        (&of.table, Some(&of.receipt), ""),
        (
            &of.table.quarantine(),
            of.quarantine.as_ref(),
            " in quarantine",
        ),
    ];
    for (table, expected, place) in pairs {
        let Some(expected) = expected else { continue };
        let made = match head(&staged.lake.table(&table.folder()))? {
            Some(head) => receipt_of(staged, &head)?,
            None => None,
        };
        let differs = |what: &str, expected: &str, found: String| {
            Ok(Outcome::Differs {
                what: format!("{what}{place}"),
                expected: expected.to_owned(),
                found,
            })
        };
        let Some(made) = made else {
            let none = "none".to_owned();
            // A quarantine without a row is not written anew.
            if expected.fingerprint.starts_with("0:") {
                continue;
            }
            return differs("rows", &expected.fingerprint, none);
        };
        if made.fingerprint != expected.fingerprint {
            return differs("rows", &expected.fingerprint, made.fingerprint);
        }
        if made.schema != expected.schema {
            let (was, is) = (expected.schema.to_string(), made.schema.to_string());
            return differs("columns", &was, is);
        }
        if table == &of.table && made.code != expected.code {
            let (was, is) = (expected.code.to_string(), made.code.to_string());
            return differs("code", &was, is);
        }
    }
    Ok(Outcome::Same)
}

/// A table that a receipt names.
pub(crate) fn named(table: &str) -> Result<TableName, PipelineError> {
    table
        .parse()
        .map_err(|_| PipelineError::Internal(format!("a receipt names the table `{table}`")))
}
