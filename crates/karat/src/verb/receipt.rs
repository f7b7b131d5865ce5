//! `karat receipt`: the record, listed, shown, and completed by a person's word for what another writer did.

use karat_pipeline::receipts::{self, Recorded};
use karat_pipeline::{Site, adopt};
use karat_receipt::verify_signature;
use serde_json::{Value, json};

use crate::args::{Global, ReceiptVerb};
use crate::failure::Failure;
use crate::output::{Table, Voice, short, thousands};
use crate::site::{self, Wants};

/// Lists, shows or adopts.
pub(crate) fn run(voice: Voice, global: &Global, what: &ReceiptVerb) -> Result<u8, Failure> {
    let opened = match what {
        ReceiptVerb::Adopt { .. } => site::open_lake_to_write(global)?,
        ReceiptVerb::List { .. } | ReceiptVerb::Show { .. } => {
            site::open_lake(voice, global, None, None)?
        }
    };
    let keys = opened.keys()?;
    let threads = opened.threads;
    match what {
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
        ReceiptVerb::Adopt { table, reason } => {
            if reason.trim().is_empty() {
                return Err(Failure::usage(
                    "an adoption needs a reason",
                    "say why the versions of another writer are right",
                ));
            }
            let site = opened.site(Wants::writing())?;
            adopted(voice, &site, threads, table, reason)?;
        }
    }
    Ok(0)
}

fn adopted(
    voice: Voice,
    site: &Site,
    threads: usize,
    table: &str,
    reason: &str,
) -> Result<(), Failure> {
    let adopted = site::block_on(threads, adopt::adopt(site, table, reason))??;
    let head = karat_pipeline::manifest::write(site, karat_pipeline::manifest::Ending::Whole)?;
    voice.answer(
        || {
            json!({
                "table": table, "versions": adopted.versions, "version": adopted.version, "receipt": adopted.receipt.to_string(),
                "fingerprint": adopted.fingerprint.to_string(), "head": head.map(|head| head.to_string()),
            })
        },
        || {
            let versions: Vec<String> = adopted.versions.iter().map(i64::to_string).collect();
            let word = if versions.len() == 1 { "version" } else { "versions" };
            format!("`{table}`: {word} {} adopted by version {}\n", versions.join(", "), adopted.version)
        },
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
