//! Every rule finds its own example, and does not find it once it is mended.

use karat_refactor::Verdict;
use karat_refactor::rules::RULES;

use crate::show::{mapping, scanned};

/// Rules found in a text, in the language that it looks like.
fn found(text: &str) -> Vec<String> {
    let path = if text.starts_with("CREATE") {
        "x.sql"
    } else if text.starts_with("dapply") {
        "x.r"
    } else if text.starts_with("FileSystem") || text.contains("%scala") {
        "x.scala"
    } else {
        "x.py"
    };
    let text = if path == "x.sql" {
        format!("spark.sql(\"\"\"{text}\"\"\")")
    } else {
        text.to_owned()
    };
    let path = if path == "x.sql" { "x.py" } else { path };
    let scan = scanned(&[(path, &text)], &mapping());
    let mut rules: Vec<String> = scan
        .assets
        .iter()
        .flat_map(|asset| asset.findings.iter())
        .map(|finding| finding.doubt.rule.clone())
        .collect();
    let occurrences = scan.assets.iter().flat_map(|asset| &asset.occurrences);
    rules.extend(
        occurrences.filter_map(|occurrence| match &occurrence.verdict {
            Verdict::NeedsPerson { doubt, .. } => Some(doubt.rule.clone()),
            _ => None,
        }),
    );
    rules.sort();
    rules.dedup();
    rules
}

#[test]
fn every_rule_finds_its_example() {
    for rule in RULES {
        assert!(
            found(rule.before).iter().any(|id| id == rule.id),
            "{}: `{}` gives {:?}",
            rule.id,
            rule.before,
            found(rule.before)
        );
        assert!(
            rule.after.is_empty() || !found(rule.after).iter().any(|id| id == rule.id),
            "{}: `{}` is found still",
            rule.id,
            rule.after
        );
        assert!(!rule.finds.is_empty() && !rule.why.is_empty());
    }
}

#[test]
fn rules_have_names_of_their_own() {
    let mut ids: Vec<&str> = RULES.iter().map(|rule| rule.id).collect();
    let count = ids.len();
    assert!(ids.is_sorted(), "in the order of their names: {ids:?}");
    ids.dedup();
    assert_eq!(ids.len(), count);
}
