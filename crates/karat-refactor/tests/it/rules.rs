//! Every rule finds its own example, and does not find it once it is mended.

use std::fmt::Write as _;

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

/// The manual page is made of the rules themselves.
#[test]
fn the_manual_page_is_made_of_the_rules() {
    let mut page = String::from(
        "# Rules of `karat refactor` about code\n\nMade from `crates/karat-refactor/src/rules`; a test keeps it true. Rules of the family `shape/` find code \
         that breaks on three-part names\nthough the name is right, `refused/` what Unity Catalog refuses, `name/` what a person should know about a name.\n\
         karat never edits for these rules.\n",
    );
    for rule in RULES {
        writeln!(
            page,
            "\n## {}\n\n{} *{:?}.*\n\n{}\n",
            rule.id, rule.finds, rule.severity, rule.why
        )
        .unwrap();
        writeln!(page, "```\n{}\n```", rule.before).unwrap();
        if !rule.after.is_empty() {
            writeln!(page, "\nBecomes:\n\n```\n{}\n```", rule.after).unwrap();
        }
        if !rule.not_safe.is_empty() {
            writeln!(page, "\nNot safe: {}", rule.not_safe).unwrap();
        }
    }
    expect_test::expect_file!["../../../../docs/refactor-rules.md"].assert_eq(&page);
}
