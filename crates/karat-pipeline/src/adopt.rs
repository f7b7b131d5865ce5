//! Taking another writer's commits into the record (G2): a commit without data whose receipt covers them.

use karat_exact::Fingerprint;
use karat_project::TableName;
use karat_receipt::{Digest, Input, Kind};

use crate::context::Site;
use crate::error::PipelineError;
use crate::publish::{Head, head, publish_adoption, read_receipt};
use crate::read;
use crate::step::receipt_base;

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
pub async fn adopt(site: &Site, name: &str, reason: &str) -> Result<Adopted, PipelineError> {
    let parsed: TableName = name.parse().map_err(|_| no_table(name))?;
    let _lock = site.lake.lock(name, site.context.wait)?;
    let table = site.lake.table(&parsed.folder());
    let Some(now) = head(&table)? else {
        return Err(no_table(name));
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
    let last = history.iter().rev().find(|record| record.receipt.is_some());
    let before = match last {
        Some(record) => table.load_at(record.version)?.map(|snapshot| Head {
            snapshot,
            receipt: record.receipt.as_deref().and_then(|text| text.parse().ok()),
            run: record.run.clone(),
        }),
        None => None,
    };
    let mut versions = foreign;
    versions.sort_unstable();
    let mut receipt = receipt_base(
        site,
        &parsed,
        Kind::Adopt,
        now.snapshot.version + 1,
        Digest::of(b""),
    );
    receipt.reason = Some(reason.to_owned());
    // What karat counted stays as it was: it did not see the rows of the other writer come in.
    if let Some(digest) = before.as_ref().and_then(|head| head.receipt) {
        receipt.accounting = read_receipt(site, digest)?.accounting;
    }
    receipt.inputs = versions
        .iter()
        .map(|version| Input {
            table: name.to_owned(),
            version: *version,
            receipt: None,
            fingerprint: String::new(),
        })
        .collect();
    let excluded = read::excluded(parsed.layer.as_str());
    let published =
        publish_adoption(site, &table, &now, before.as_ref(), receipt, excluded).await?;
    Ok(Adopted {
        versions,
        version: published.version,
        receipt: published.receipt,
        fingerprint: published.fingerprint,
    })
}

fn no_table(name: &str) -> PipelineError {
    PipelineError::Refused {
        what: format!("there is no table `{name}` in the lake"),
        hint: "`karat status` lists the tables".to_owned(),
    }
}
