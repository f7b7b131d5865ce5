//! Taking another writer's commits into the record (G2): a commit without data whose receipt covers them.

use std::collections::BTreeMap;

use karat_exact::Fingerprint;
use karat_receipt::{Digest, Input, Kind};

use crate::context::Site;
use crate::error::PipelineError;
use crate::publish::{Head, adopt_commit, head};
use crate::read;

/// What an adoption covered.
#[derive(Debug)]
pub struct Adopted {
    /// Versions that had no receipt.
    pub versions: Vec<i64>,
    /// Version of the adopting commit.
    pub version: i64,
    /// Its receipt.
    pub receipt: Digest,
    /// Fingerprint of the table.
    pub fingerprint: Fingerprint,
}

/// Adopts every foreign version of a table since its newest receipt.
pub async fn adopt(
    site: &Site,
    name: &str,
    layer: &str,
    dir: &str,
    reason: &str,
) -> Result<Adopted, PipelineError> {
    let _lock = site.lake.lock(name, site.context.wait)?;
    let table = site.lake.table(dir);
    let Some(now) = head(&table)? else {
        return Err(PipelineError::Refused {
            what: format!("there is no table `{name}` in the lake"),
            hint: "`karat status` lists the tables".to_owned(),
        });
    };
    let history = table.history(None)?;
    let foreign: Vec<i64> = history
        .iter()
        .rev()
        .take_while(|record| record.receipt.is_none())
        .map(|record| record.version)
        .collect();
    if foreign.is_empty() {
        return Err(PipelineError::Refused {
            what: format!("`{name}` has no foreign version: its newest commit has a receipt"),
            hint: "nothing needs to be adopted".to_owned(),
        });
    }
    let before: Option<Digest> = history
        .iter()
        .rev()
        .find_map(|record| record.receipt.as_ref())
        .and_then(|text| text.parse().ok());
    let excluded = read::excluded(layer);
    let mut prints = BTreeMap::new();
    for file in &now.snapshot.files {
        let print =
            read::fingerprint_file(site, &table, &now.snapshot.schema, file, excluded).await?;
        prints.insert(file.path.clone(), print);
    }
    let mut versions = foreign;
    versions.sort_unstable();
    let inputs = versions
        .iter()
        .map(|version| Input {
            table: name.to_owned(),
            version: *version,
            receipt: None,
            fingerprint: String::new(),
        })
        .collect();
    let base = Head {
        receipt: before,
        ..now
    };
    let (version, receipt, fingerprint) = adopt_commit(
        site,
        &table,
        name,
        layer,
        base,
        prints,
        inputs,
        Kind::Adopt,
        reason,
    )
    .await?;
    Ok(Adopted {
        versions,
        version,
        receipt,
        fingerprint,
    })
}
