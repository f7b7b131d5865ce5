//! `karat receipt`: the record, listed, shown, and completed by a person's word for what another writer did.

use std::collections::BTreeSet;

use karat_pipeline::Site;
use karat_pipeline::adopt::{self, Adopted};
use karat_pipeline::manifest::{self, Ending};
use karat_pipeline::receipts::{self, Recorded};
use karat_project::{Layer, Project, TableName};
use karat_receipt::verify_signature;
use serde_json::{Value, json};

use super::run::say_errors;
use crate::anchor;
use crate::args::{Global, ReceiptVerb};
use crate::failure::{Failure, error_json};
use crate::output::{Table, Voice, short, thousands};
use crate::site::{self, Wants};

/// Lists, shows or adopts.
pub(crate) fn run(voice: Voice, global: &Global, what: &ReceiptVerb) -> Result<u8, Failure> {
    let opened = match what {
        ReceiptVerb::Adopt { .. } | ReceiptVerb::Rotate { .. } => site::open_lake_to_write(global)?,
        ReceiptVerb::List { .. } | ReceiptVerb::Show { .. } | ReceiptVerb::Export { .. } => {
            site::open_lake(voice, global, None, None)?
        }
    };
    if let ReceiptVerb::Export { run, out } = what {
        return super::receipt_export::run(voice, opened, run.as_deref(), out.as_deref());
    }
    if let ReceiptVerb::Rotate { to, reason } = what {
        return super::rotate::run(voice, opened, to, reason);
    }
    let keys = opened.keys()?;
    let threads = opened.threads;
    match what {
        ReceiptVerb::Export { .. } | ReceiptVerb::Rotate { .. } => {}
        ReceiptVerb::List { table } => {
            let site = opened.site(Wants::reading())?;
            let recorded = receipts::list(&site, table.as_deref())?;
            voice.answer(|| list_json(&recorded), || list_text(&recorded))?;
        }
        ReceiptVerb::Show { what } => {
            let site = opened.site(Wants::reading())?;
            let opened = receipts::find(&site, what)?;
            let outcome = verify_signature(&opened, &keys).to_string();
            let receipt = serde_json::to_value(&opened.receipt).unwrap_or(Value::Null);
            let document = json!({ "digest": opened.digest.to_string(), "signature": outcome, "receipt": receipt });
            // A receipt is a document: people see the same one.
            voice.answer(|| document.clone(), || format!("{document:#}\n"))?;
        }
        ReceiptVerb::Adopt { table, reason, .. } => {
            if reason.trim().is_empty() {
                return Err(Failure::usage(
                    "an adoption needs a reason",
                    "say why the versions of another writer are right",
                ));
            }
            let one = table.as_deref().filter(|name| !is_selection(name));
            let selected = match (&table, one) {
                (Some(selection), None) => Some(selected(&opened.project, selection)?),
                _ => None,
            };
            let site = opened.site(Wants::writing())?;
            return match one {
                Some(table) => adopt_one(voice, &site, threads, table, reason),
                None => adopt_all(voice, &site, threads, selected.as_ref(), reason),
            };
        }
    }
    Ok(0)
}

/// Whether several tables are meant, as `--select` writes them.
fn is_selection(text: &str) -> bool {
    text.starts_with("domain:") || text.starts_with('+') || text.ends_with('+')
}

/// The tables that are selected, and those that hold what silver quarantines.
fn selected(project: &Project, selection: &str) -> Result<BTreeSet<TableName>, Failure> {
    let selection = [selection.to_owned()];
    let mut names = super::selected(project, &selection)?.unwrap_or_default();
    let silver = names.iter().filter(|name| name.layer == Layer::Silver);
    let quarantines: Vec<TableName> = silver.map(TableName::quarantine).collect();
    names.extend(quarantines);
    Ok(names)
}

fn adopt_one(
    voice: Voice,
    site: &Site,
    threads: usize,
    table: &str,
    reason: &str,
) -> Result<u8, Failure> {
    let adopted = site::block_on(threads, adopt::adopt(site, table, reason))??;
    let head = manifest::write(site, Ending::Whole)?;
    voice.answer(
        || {
            let mut document = adopted_json(&adopted);
            document["head"] = json!(head.map(|head| head.to_string()));
            document
        },
        || adopted_text(&adopted),
    )?;
    anchor::publish_newest(site)?;
    Ok(0)
}

/// Adopts what waits among several tables; the code is that of what fails, as of a run (H1).
fn adopt_all(
    voice: Voice,
    site: &Site,
    threads: usize,
    selected: Option<&BTreeSet<TableName>>,
    reason: &str,
) -> Result<u8, Failure> {
    let all = site::block_on(threads, adopt::adopt_all(site, selected, reason))??;
    let head = match all.adopted.is_empty() {
        true => manifest::newest(&site.lake)?.map(|(_, head)| head),
        false => manifest::write(site, Ending::Whole)?,
    };
    voice.answer(
        || {
            let adopted: Vec<Value> = all.adopted.iter().map(adopted_json).collect();
            let failed = all.failed.iter();
            let failed: Vec<Value> = failed
                .map(|(table, error)| {
                    json!({ "table": table, "error": error_json(error, error.hint(), error.exit_code()) })
                })
                .collect();
            json!({ "adopted": adopted, "failed": failed, "head": head.map(|head| head.to_string()) })
        },
        || match all.adopted.is_empty() && all.failed.is_empty() {
            true => "no table waits for a person's word\n".to_owned(),
            false => all.adopted.iter().map(adopted_text).collect(),
        },
    )?;
    say_errors(site, all.failed.iter().map(|(_, error)| error));
    anchor::publish_newest(site)?;
    Ok(all.exit_code())
}

fn adopted_json(adopted: &Adopted) -> Value {
    json!({
        "table": adopted.table, "versions": adopted.versions, "version": adopted.version,
        "receipt": adopted.receipt.to_string(), "fingerprint": adopted.fingerprint.to_string(),
    })
}

fn adopted_text(adopted: &Adopted) -> String {
    let versions: Vec<String> = adopted.versions.iter().map(i64::to_string).collect();
    let word = if versions.len() == 1 {
        "version"
    } else {
        "versions"
    };
    format!(
        "`{}`: {word} {} adopted by version {}\n",
        adopted.table,
        versions.join(", "),
        adopted.version
    )
}

fn rows_of(recorded: &Recorded) -> Option<u64> {
    let opened = recorded.opened.as_ref()?;
    opened.receipt.fingerprint.split(':').next()?.parse().ok()
}

fn list_json(recorded: &[Recorded]) -> Value {
    let list: Vec<Value> = recorded
        .iter()
        .map(|one| {
            let receipt = one.opened.as_ref().map(|opened| &opened.receipt);
            json!({
                "table": one.table, "version": one.version, "receipt": one.digest.to_string(),
                "kind": receipt.map(|receipt| receipt.kind), "run": receipt.map(|receipt| &receipt.run),
                "logical_time": receipt.map(|receipt| &receipt.logical_time), "rows": rows_of(one),
                "signed": one.opened.as_ref().map(|opened| !opened.signatures.is_empty()), "missing": receipt.is_none(),
            })
        })
        .collect();
    json!({ "receipts": list })
}

fn list_text(recorded: &[Recorded]) -> String {
    let mut lines = Table::new(&["table", ">version", "receipt", ">rows", "run", ""]);
    for one in recorded {
        let receipt = one.opened.as_ref().map(|opened| &opened.receipt);
        // A run is named after the moment when it began, which is its logical time unless `--at` gave another.
        let other_time = receipt.filter(|receipt| {
            let moment = |text: &str| -> String {
                text.chars().filter(char::is_ascii_digit).take(17).collect()
            };
            moment(&receipt.run) != moment(&receipt.logical_time)
        });
        lines.row([
            one.table.clone(),
            one.version.to_string(),
            short(&one.digest.to_string()),
            rows_of(one).map(thousands).unwrap_or_default(),
            receipt.map_or_else(|| "MISSING".to_owned(), |receipt| receipt.run.clone()),
            other_time
                .map(|receipt| format!("at {}", receipt.logical_time))
                .unwrap_or_default(),
        ]);
    }
    if recorded.is_empty() {
        "no receipts yet; `karat run` writes them\n".to_owned()
    } else {
        lines.text()
    }
}
