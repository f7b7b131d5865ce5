//! The record, read: which receipts the commits of a lake name, and one receipt by digest or by table and version.

use karat_receipt::{Digest, Opened};

use crate::context::Site;
use crate::error::PipelineError;
use crate::layout;

/// A receipt and the commit that names it.
#[derive(Debug)]
pub struct Recorded {
    /// Two-part name of the table.
    pub table: String,
    /// Version that the commit made.
    pub version: i64,
    /// Digest of the receipt.
    pub digest: Digest,
    /// What it says; None if it is missing.
    pub opened: Option<Opened>,
}

/// Receipts that commits name, by table and version; only of one table if `only` is given.
pub fn list(site: &Site, only: Option<&str>) -> Result<Vec<Recorded>, PipelineError> {
    let mut recorded = Vec::new();
    let mut known = false;
    for folder in site.lake.tables()? {
        let name = folder.name();
        if only.is_some_and(|only| only != name) {
            continue;
        }
        known = true;
        for commit in site.lake.table(&folder.dir()).history(None)? {
            let Some(digest) = commit.receipt.as_deref().and_then(|text| text.parse().ok()) else {
                continue;
            };
            recorded.push(Recorded {
                table: name.clone(),
                version: commit.version,
                digest,
                opened: read(site, digest)?,
            });
        }
    }
    match only {
        Some(only) if !known => Err(no_table(only)),
        _ => Ok(recorded),
    }
}

/// The receipt that a digest (or the beginning of one), a table, or `table@version` names.
pub fn find(site: &Site, what: &str) -> Result<Opened, PipelineError> {
    let looks_like_digest = what.len() >= 6 && what.bytes().all(|byte| byte.is_ascii_hexdigit());
    let digest = if looks_like_digest {
        by_digest(site, what)?
    } else {
        by_table(site, what)?
    };
    read(site, digest)?.ok_or_else(|| PipelineError::MissingReceipt {
        digest: digest.to_string(),
    })
}

fn by_digest(site: &Site, beginning: &str) -> Result<Digest, PipelineError> {
    let beginning = beginning.to_ascii_lowercase();
    let mut found: Vec<Digest> = Vec::new();
    for name in site.lake.list(layout::RECEIPTS)? {
        if let Some(digest) = name
            .strip_suffix(".json")
            .and_then(|text| text.parse().ok())
            && name.starts_with(&beginning)
        {
            found.push(digest);
        }
    }
    match found.as_slice() {
        [one] => Ok(*one),
        [] => Err(PipelineError::Refused {
            what: format!("there is no receipt `{beginning}` in the lake"),
            hint: "`karat receipt list` lists them".to_owned(),
        }),
        several => Err(PipelineError::Refused {
            what: format!("{} receipts begin with `{beginning}`", several.len()),
            hint: "give more digits".to_owned(),
        }),
    }
}

fn by_table(site: &Site, what: &str) -> Result<Digest, PipelineError> {
    let (name, version) = match what.split_once('@') {
        Some((name, version)) => (name, Some(version)),
        None => (what, None),
    };
    let mut recorded = list(site, Some(name))?;
    if let Some(version) = version {
        recorded.retain(|recorded| recorded.version.to_string() == version);
    }
    match recorded.last() {
        Some(recorded) => Ok(recorded.digest),
        None => Err(PipelineError::Refused {
            what: format!("no receipt is recorded for `{what}`"),
            hint: format!("`karat receipt list {name}` lists those of the table"),
        }),
    }
}

fn read(site: &Site, digest: Digest) -> Result<Option<Opened>, PipelineError> {
    let path = layout::receipt(digest);
    match site.lake.get(&path)? {
        Some(bytes) => {
            let opened = karat_receipt::open_expecting(&bytes, &digest);
            Ok(Some(opened.map_err(PipelineError::document(&path))?))
        }
        None => Ok(None),
    }
}

fn no_table(name: &str) -> PipelineError {
    PipelineError::Refused {
        what: format!("there is no table `{name}` in the lake"),
        hint: "`karat status` lists the tables".to_owned(),
    }
}
