//! Which version of a table a query reads: the newest, the one of a run's manifest (A10), or one by its number.

use karat_exact::FileSet;
use karat_lake::Snapshot;
use karat_project::{Layer, TableName};
use karat_receipt::{Instant, Manifest, Tag};

use crate::bronze::REPAIR;
use crate::closing;
use crate::context::Site;
use crate::error::PipelineError;
use crate::gold::unique_key;
use crate::manifest;
use crate::proven::check_head;
use crate::publish::{head, head_at, recorded_version};
use crate::read;

/// One consistent cut through the lake.
#[derive(Debug, Clone)]
pub enum Cut {
    /// Newest versions, as they are.
    Newest,
    /// Versions as one run left them.
    Manifest(Box<Manifest>),
    /// Versions as a business day was closed with them.
    Tag(Box<Tag>),
    /// One version; of one table only, since each table counts its own.
    Version(i64),
}

/// The cut that a run left, or that a business day was closed with.
pub fn of_run(site: &Site, run: &str) -> Result<Cut, PipelineError> {
    if let Some(tag) = closing::tag(site, run)? {
        return Ok(Cut::Tag(Box::new(tag)));
    }
    match manifest::of_run(&site.lake, run)? {
        Some(manifest) => Ok(Cut::Manifest(Box::new(manifest))),
        None => Err(PipelineError::Refused {
            what: format!("there is no run `{run}` with versions of its own in the lake"),
            hint: "`karat receipt list` shows the runs".to_owned(),
        }),
    }
}

/// The cut of the newest run whose logical time is not after this one.
pub fn as_of(site: &Site, time: &str) -> Result<Cut, PipelineError> {
    let limit = Instant::parse(time)?;
    let mut found = None;
    for (manifest, _) in manifest::all(&site.lake)? {
        if Instant::parse(&manifest.logical_time)? <= limit {
            found = Some(manifest);
        }
    }
    match found {
        Some(manifest) => Ok(Cut::Manifest(Box::new(manifest))),
        None => Err(PipelineError::Refused {
            what: format!("no run of this lake has a logical time up to {time}"),
            hint: "`karat receipt list` shows the runs".to_owned(),
        }),
    }
}

/// The number of a table's version in a cut; None if the cut has no such table.
pub fn version(site: &Site, cut: &Cut, name: &TableName) -> Result<Option<i64>, PipelineError> {
    match cut {
        Cut::Newest => Ok(site.lake.table(&name.folder()).newest_version()?),
        Cut::Version(version) => Ok(Some(*version)),
        Cut::Tag(_) | Cut::Manifest(_) => {
            Ok(recorded(site, cut, name)?.map(|snapshot| snapshot.version))
        }
    }
}

/// The version that a document names, which is not another in the place of one that is gone.
fn recorded(site: &Site, cut: &Cut, name: &TableName) -> Result<Option<Snapshot>, PipelineError> {
    let table = name.to_string();
    let stated = match cut {
        Cut::Newest | Cut::Version(_) => None,
        Cut::Tag(tag) => tag.tables.get(&table).map(|one| (one.version, one.receipt)),
        Cut::Manifest(manifest) => {
            let one = manifest.tables.get(&table);
            one.map(|one| (one.version, one.receipt))
        }
    };
    let Some((version, receipt)) = stated else {
        return Ok(None);
    };
    let in_lake = site.lake.table(&name.folder());
    match recorded_version(&in_lake, version, receipt)? {
        Some(snapshot) => Ok(Some(snapshot)),
        None => Err(gone(name, version)),
    }
}

pub(crate) fn gone(table: &TableName, version: i64) -> PipelineError {
    PipelineError::Damaged {
        table: table.to_string(),
        file: format!("{}@{version}", table.folder()),
        how: "is gone: its folder was, and the table was made anew since",
    }
}

/// The files of a table in a cut; None if the cut has no such table.
pub fn file_set(
    site: &Site,
    cut: &Cut,
    name: &TableName,
) -> Result<Option<FileSet>, PipelineError> {
    let table = site.lake.table(&name.folder());
    let head = match cut {
        Cut::Newest => head(&table)?,
        Cut::Version(version) => head_at(&table, *version)?,
        Cut::Tag(_) | Cut::Manifest(_) => match recorded(site, cut, name)? {
            Some(snapshot) => head_at(&table, snapshot.version)?,
            None => None,
        },
    };
    if let Some(head) = &head {
        check_head(site, name, head)?;
    }
    let snapshot = head.map(|head| head.snapshot);
    Ok(snapshot.map(|snapshot| {
        let files = read::in_written_order(&snapshot);
        let mut key = unique_key(&site.project, name);
        if let Some(key) = &mut key
            && name.layer == Layer::Bronze
            && snapshot.schema.field_with_name(REPAIR).is_ok()
        {
            // A repair has the `_seq` and the delivery of the row that it repairs.
            key.push(REPAIR.to_owned());
        }
        read::file_set(&table, &snapshot, files, key)
    }))
}
