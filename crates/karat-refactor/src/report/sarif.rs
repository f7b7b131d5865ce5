//! SARIF 2.1.0: what a scan found, for code scanners and editors, with the suggested edits as fixes.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::issue::{Fix, Issue, IssueKind, Position, TWO_PART};
use crate::occurrence::Severity;

/// The document. `version` is karat's own.
pub fn sarif<'i>(issues: impl IntoIterator<Item = &'i Issue>, version: &str) -> String {
    let issues: Vec<&Issue> = issues.into_iter().collect();
    let rules: BTreeSet<&str> = issues.iter().map(|issue| issue.rule.as_str()).collect();
    let index: BTreeMap<&str, usize> = rules
        .iter()
        .enumerate()
        .map(|(index, rule)| (*rule, index))
        .collect();
    let rules: Vec<Value> = rules
        .iter()
        .map(|rule| json!({ "id": rule, "shortDescription": { "text": title(rule) }, "defaultConfiguration": { "level": default_level(rule) } }))
        .collect();
    let results: Vec<Value> = issues
        .iter()
        .map(|issue| result(issue, index[issue.rule.as_str()]))
        .collect();
    let document = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": { "name": "karat", "semanticVersion": version, "rules": rules } },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    });
    let mut text = serde_json::to_string_pretty(&document).expect("a JSON value can be written");
    text.push('\n');
    text
}

/// `name/not-mapped` reads as `Name: not mapped`.
fn title(rule: &str) -> String {
    let (family, what) = rule.split_once('/').unwrap_or(("karat", rule));
    let mut letters = family.chars();
    let first: String = letters
        .next()
        .into_iter()
        .flat_map(char::to_uppercase)
        .collect();
    format!("{first}{}: {}", letters.as_str(), what.replace('-', " "))
}

fn default_level(rule: &str) -> &'static str {
    if rule == TWO_PART { "note" } else { "warning" }
}

fn result(issue: &Issue, rule: usize) -> Value {
    let level = match (issue.kind, issue.severity) {
        (IssueKind::Unread, _) | (_, Severity::Error) => "error",
        (_, Severity::Warning) => "warning",
        (_, Severity::Note) => "note",
    };
    let mut message = issue.message.clone();
    if issue.kind == IssueKind::NeedsPerson && !issue.candidates.is_empty() {
        message.push_str(&format!(" (candidates: {})", issue.candidates.join(", ")));
    }
    let location = json!({ "uri": uri(&issue.path) });
    let mut region = region(issue.start, issue.end);
    region["snippet"] = json!({ "text": issue.text });
    let mut result = json!({
        "ruleId": issue.rule,
        "ruleIndex": rule,
        "level": level,
        "message": { "text": message },
        "locations": [{ "physicalLocation": { "artifactLocation": location, "region": region } }],
        "partialFingerprints": { "karat/v1": issue.fingerprint },
    });
    if !issue.fixes.is_empty() {
        let replacements: Vec<Value> = issue.fixes.iter().map(replacement).collect();
        let text = issue.candidates.first().map_or_else(
            || "make the edit".to_owned(),
            |new| format!("write `{new}`"),
        );
        result["fixes"] = json!([{
            "description": { "text": text },
            "artifactChanges": [{ "artifactLocation": location, "replacements": replacements }],
        }]);
    }
    result
}

fn replacement(fix: &Fix) -> Value {
    json!({ "deletedRegion": region(fix.start, fix.end), "insertedContent": { "text": fix.new } })
}

fn region(start: Position, end: Position) -> Value {
    json!({ "startLine": start.line, "startColumn": start.column, "endLine": end.line, "endColumn": end.column })
}

/// A path as a relative URI.
fn uri(path: &str) -> String {
    let mut uri = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z'
            | b'A'..=b'Z'
            | b'0'..=b'9'
            | b'-'
            | b'.'
            | b'_'
            | b'~'
            | b'/'
            | b'!'
            | b'$'
            | b'('
            | b')'
            | b','
            | b'='
            | b'@'
            | b'+' => {
                uri.push(byte as char);
            }
            other => uri.push_str(&format!("%{other:02X}")),
        }
    }
    // The first segment of a relative URI holds no colon; colons are always escaped above.
    uri
}
