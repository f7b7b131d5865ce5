//! Tags of closed business days: each is whole, signed where signatures are demanded, and names versions that are there as it states them.

use std::collections::{BTreeMap, BTreeSet};

use karat_receipt::{Digest, KeyRing, SignatureOutcome, Tag};

use super::{TableLog, VerifyReport};
use crate::closing;
use crate::context::Site;
use crate::error::PipelineError;
use crate::layout;
use crate::manifest;

/// Checks all tags of a lake.
pub(super) fn check(
    site: &Site,
    keys: &KeyRing,
    report: &mut VerifyReport,
    logs: &BTreeMap<String, TableLog>,
) -> Result<(), PipelineError> {
    let names = site.lake.list(layout::TAGS)?;
    // Manifests that cannot be read are told elsewhere.
    let manifests = manifest::all(&site.lake).ok();
    let heads: Option<BTreeSet<Digest>> = manifests
        .as_ref()
        .map(|all| all.iter().map(|(_, bytes)| Digest::of(bytes)).collect());
    let stated: BTreeMap<String, Digest> = manifests
        .into_iter()
        .flatten()
        .flat_map(|(manifest, _)| manifest.tags)
        .collect();
    for (name, digest) in &stated {
        let path = layout::tag(name);
        match site.lake.get(&path)? {
            None => report.file(&path, "missing", "a manifest names this tag".to_owned()),
            Some(bytes) if Digest::of(&bytes) != *digest => {
                let detail = "its digest is not the one that a manifest states".to_owned();
                report.file(&path, "mismatch", detail);
            }
            Some(_) => {}
        }
    }
    for name in names {
        let path = format!("{}/{name}", layout::TAGS);
        let Some(bytes) = site.lake.get(&path)? else {
            continue;
        };
        let opened = match Tag::open(&bytes) {
            Ok(opened) => opened,
            Err(error) => {
                report.file(&path, "mismatch", error.to_string());
                continue;
            }
        };
        let mut wrong = |detail: String| report.file(&path, "mismatch", detail);
        let tag = &opened.tag;
        let day = closing::day_of(&tag.name).map(|day| day.to_string());
        if layout::tag(&tag.name) != path || day.as_ref() != Some(&tag.business_date) {
            wrong(format!("it is the tag `{}`", tag.name));
        }
        match opened.signature(keys) {
            SignatureOutcome::Unsigned if !site.demands_signatures() => {}
            outcome if outcome.is_valid() => {}
            outcome => wrong(outcome.to_string()),
        }
        if heads
            .as_ref()
            .is_some_and(|heads| !heads.contains(&tag.head))
        {
            wrong(format!(
                "the lake has no manifest with its head {}",
                tag.head
            ));
        }
        for (table, tagged) in &tag.tables {
            let Some(log) = logs.get(table) else {
                wrong(format!("the lake does not have `{table}`"));
                continue;
            };
            let Some(versions) = &log.versions else {
                continue;
            };
            let version = tagged.version;
            match versions.get(&version) {
                None => wrong(format!("{table}@{version}, which it names, is missing")),
                Some(entry) if entry.receipt != tagged.receipt => wrong(format!(
                    "{table}@{version} has another receipt than it states"
                )),
                Some(entry)
                    if entry
                        .fingerprint
                        .as_ref()
                        .is_some_and(|found| *found != tagged.fingerprint) =>
                {
                    wrong(format!(
                        "{table}@{version} has another fingerprint than it states"
                    ));
                }
                Some(_) => {}
            }
        }
    }
    Ok(())
}
