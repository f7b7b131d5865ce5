//! Vouching for versions (G2): a commit without data whose receipt covers those of another writer, which have none, and, where
//! signatures are demanded, those whose receipt has no signature that counts (G7).

use std::collections::BTreeSet;

use karat_exact::Fingerprint;
use karat_lake::CommitRecord;
use karat_project::TableName;
use karat_receipt::{Digest, Input, KeyRing, Kind, verify_signature};

use crate::context::Site;
use crate::error::PipelineError;
use crate::proven::{prove, prove_list};
use crate::publish::{Head, head, open_receipt, publish_adoption, read_receipt};
use crate::read;
use crate::step::{check_signature, receipt_base};
use crate::verify::vouched_for;

/// What an adoption covered.
#[derive(Debug)]
pub struct Adopted {
    /// The table.
    pub table: String,
    /// Versions that had no receipt, or none with a signature that counts.
    pub versions: Vec<i64>,
    /// Version of the adopting commit.
    pub version: i64,
    /// Its receipt.
    pub receipt: Digest,
    /// Fingerprint of the table.
    pub fingerprint: Fingerprint,
}

/// What the adoption of several tables came to.
#[derive(Debug, Default)]
pub struct AdoptedAll {
    /// Tables that waited for a person's word, in the order of their names.
    pub adopted: Vec<Adopted>,
    /// Tables of which nobody can vouch, and why.
    pub failed: Vec<(String, PipelineError)>,
}

impl AdoptedAll {
    /// Exit code: of several failures, as of a run (H1).
    pub fn exit_code(&self) -> u8 {
        crate::error::exit_code_of(self.failed.iter().map(|(_, error)| error), false)
    }
}

/// Adopts every foreign version of a table since its newest receipt, and every version that lacks the signature that is demanded.
pub async fn adopt(site: &Site, name: &str, reason: &str) -> Result<Adopted, PipelineError> {
    let parsed: TableName = name.parse().map_err(|_| no_table(name))?;
    check_signature(site)?;
    if head(&site.lake.table(&parsed.folder()))?.is_none() {
        return Err(no_table(name));
    }
    let adopted = adopt_waiting(site, &parsed, reason).await?;
    adopted.ok_or_else(|| PipelineError::Refused {
        what: format!("`{name}` has no foreign version: its newest commit has a receipt"),
        hint: "nothing needs to be adopted".to_owned(),
    })
}

/// The same for each of these tables that waits for it; all of the lake if `selected` is None. One that fails stops no other.
pub async fn adopt_all(
    site: &Site,
    selected: Option<&BTreeSet<TableName>>,
    reason: &str,
) -> Result<AdoptedAll, PipelineError> {
    check_signature(site)?;
    let mut all = AdoptedAll::default();
    for folder in site.lake.tables()? {
        let schema = format!("{}_{}", folder.domain, folder.layer);
        let Some(name) = TableName::from_parts(&schema, &folder.table) else {
            continue;
        };
        if selected.is_some_and(|selected| !selected.contains(&name)) {
            continue;
        }
        match adopt_waiting(site, &name, reason).await {
            Ok(adopted) => all.adopted.extend(adopted),
            Err(error) => all.failed.push((name.to_string(), error)),
        }
    }
    all.adopted
        .sort_by(|left, right| left.table.cmp(&right.table));
    all.failed.sort_by(|left, right| left.0.cmp(&right.0));
    Ok(all)
}

/// None if nothing of the table waits for a person's word.
async fn adopt_waiting(
    site: &Site,
    parsed: &TableName,
    reason: &str,
) -> Result<Option<Adopted>, PipelineError> {
    let name = parsed.to_string();
    let name = name.as_str();
    let table = site.lake.table(&parsed.folder());
    // Another run may be at a table that needs no word.
    if waiting(site, name, &table.history(None)?)?.is_empty() {
        return Ok(None);
    }
    let _lock = site.lake.lock(name, site.context.wait)?;
    let Some(now) = head(&table)? else {
        return Ok(None);
    };
    let history = table.history(None)?;
    let covered = waiting(site, name, &history)?;
    if covered.is_empty() {
        return Ok(None);
    }
    let last = history.iter().rev().find(|record| record.receipt.is_some());
    let before = match last {
        Some(record) => table.load_at(record.version)?.map(|snapshot| Head {
            snapshot,
            receipt: record.receipt.as_deref().and_then(|text| text.parse().ok()),
            run: record.run.clone(),
            missing: None,
        }),
        None => None,
    };
    if now.receipt.is_some() {
        // A version with a receipt is vouched for as that receipt states it, or not at all.
        prove_list(site, &table, &now)?;
        prove(site, &table, &now.snapshot.files).await?;
    }
    let mut receipt = receipt_base(
        site,
        parsed,
        Kind::Adopt,
        now.snapshot.version + 1,
        Digest::of(b""),
    );
    receipt.reason = Some(reason.to_owned());
    // What karat counted stays as it was: it did not see the rows of the other writer come in.
    if let Some(digest) = before.as_ref().and_then(|head| head.receipt) {
        receipt.accounting = read_receipt(site, digest)?.accounting;
    }
    let versions = covered.iter().map(|input| input.version).collect();
    receipt.inputs = covered;
    let excluded = read::excluded(parsed.layer.as_str());
    let published =
        publish_adoption(site, &table, &now, before.as_ref(), receipt, excluded).await?;
    Ok(Some(Adopted {
        table: name.to_owned(),
        versions,
        version: published.version,
        receipt: published.receipt,
        fingerprint: published.fingerprint,
    }))
}

/// Versions that wait for a person's word, oldest first.
fn waiting(site: &Site, name: &str, history: &[CommitRecord]) -> Result<Vec<Input>, PipelineError> {
    let foreign = history
        .iter()
        .rev()
        .take_while(|record| record.receipt.is_none())
        .map(|record| Input {
            table: name.to_owned(),
            version: record.version,
            receipt: None,
            fingerprint: String::new(),
        });
    let mut covered: Vec<Input> = foreign.collect();
    covered.extend(not_signed(site, name, history)?);
    covered.sort_by_key(|input| input.version);
    Ok(covered)
}

/// Versions whose receipt lacks the signature that the target demands, and that nobody has vouched for.
fn not_signed(
    site: &Site,
    name: &str,
    history: &[CommitRecord],
) -> Result<Vec<Input>, PipelineError> {
    if !site.demands_signatures() {
        return Ok(Vec::new());
    }
    let ring = KeyRing::load(&site.root.join("keys"))?;
    let (mut signed, mut others) = (Vec::new(), Vec::new());
    for record in history {
        let digest = record.receipt.as_deref().and_then(|text| text.parse().ok());
        let Some(digest) = digest else { continue };
        let opened = open_receipt(site, digest)?;
        if verify_signature(&opened, &ring).is_valid() {
            signed.push(opened);
        } else {
            others.push((record.version, opened));
        }
    }
    let vouched = vouched_for(signed.iter());
    others.retain(|(_, opened)| !vouched.contains(&opened.digest));
    let inputs = others.into_iter().map(|(version, opened)| Input {
        table: name.to_owned(),
        version,
        receipt: Some(opened.digest),
        fingerprint: opened.receipt.fingerprint,
    });
    Ok(inputs.collect())
}

fn no_table(name: &str) -> PipelineError {
    PipelineError::Refused {
        what: format!("there is no table `{name}` in the lake"),
        hint: "`karat status` lists the tables".to_owned(),
    }
}
