//! Row accounting (G6): each term was counted where it happened; here they are only added up and compared.

use std::collections::BTreeMap;

use karat_receipt::Receipt;

use crate::error::PipelineError;

/// Terms of one version or one run's share, by name.
pub type Terms = BTreeMap<String, u64>;

/// Of silver, apart from the outcomes: rows that were read with a repair in their place.
pub const REPAIRED: &str = "repaired";

/// Of silver, apart from the outcomes: rows that were not read since a repair takes them out.
pub const DISCARDED: &str = "discarded";

/// What a row that was read can become, per layer.
fn outcomes(layer: &str) -> &'static [&'static str] {
    match layer {
        "bronze" => &["kept", "unchanged"],
        "silver" => &[
            "kept",
            "duplicate",
            "quarantined",
            "dropped",
            "superseded",
            "deleted",
            "unchanged",
        ],
        // Gold counts rows by input and rows written; a quarantine table is written with its silver table.
        _ => &[],
    }
}

/// Whether the terms add up for this layer: `read` equals the sum of the outcomes.
pub fn adds_up(layer: &str, terms: &Terms) -> Result<(), (u64, u64)> {
    let names = outcomes(layer);
    if names.is_empty() {
        return Ok(());
    }
    let read = terms.get("read").copied().unwrap_or(0);
    let sum = names.iter().filter_map(|name| terms.get(*name)).sum();
    if read == sum {
        Ok(())
    } else {
        Err((read, sum))
    }
}

/// Refuses a receipt whose rows do not add up.
pub fn check(receipt: &Receipt) -> Result<(), PipelineError> {
    for terms in [&receipt.accounting, &receipt.accounting_run] {
        if let Err((read, accounted)) = adds_up(&receipt.layer, terms) {
            return Err(PipelineError::Accounting {
                table: receipt.table.clone(),
                read,
                accounted,
                terms: terms
                    .iter()
                    .map(|(name, count)| format!("{name} {count}"))
                    .collect::<Vec<_>>()
                    .join(", "),
            });
        }
    }
    Ok(())
}

/// Compares two counts of the same rows, taken at both ends of their way through an operator.
pub fn same(table: &str, given: u64, found: u64, what: &str) -> Result<(), PipelineError> {
    if given == found {
        return Ok(());
    }
    Err(PipelineError::Accounting {
        table: table.to_owned(),
        read: given,
        accounted: found,
        terms: what.to_owned(),
    })
}

/// Sum of two sets of terms.
pub fn add(left: &Terms, right: &Terms) -> Terms {
    let mut sum = left.clone();
    for (name, count) in right {
        *sum.entry(name.clone()).or_default() += count;
    }
    sum
}
