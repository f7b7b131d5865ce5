//! The overview as CSV, for spreadsheets, and as JSON, for other tools.

use super::issue::IssueKind;
use super::overview::Overview;
use crate::occurrence::Severity;

/// One line for each issue.
pub fn issues_csv(overview: &Overview) -> String {
    let header = [
        "path",
        "line",
        "column",
        "kind",
        "severity",
        "rule",
        "text",
        "old",
        "new",
        "message",
        "context",
        "owner",
        "fingerprint",
    ];
    let owner_of = |path: &str| {
        let at = overview
            .assets
            .partition_point(|asset| asset.path.as_str() < path);
        let found = overview.assets.get(at).filter(|asset| asset.path == path);
        // Reports come sorted; where a caller has another order, the list is searched.
        found
            .or_else(|| overview.assets.iter().find(|asset| asset.path == path))
            .map_or("", |asset| asset.owner.as_str())
    };
    let rows = overview.issues.iter().map(|issue| {
        let kind = match issue.kind {
            IssueKind::Rewritten => "rewritten",
            IssueKind::NeedsPerson => "needs a person",
            IssueKind::Finding => "finding",
            IssueKind::Unread => "not read",
        };
        let severity = match issue.severity {
            Severity::Note => "note",
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        vec![
            issue.path.clone(),
            issue.start.line.to_string(),
            issue.start.column.to_string(),
            kind.to_owned(),
            severity.to_owned(),
            issue.rule.clone(),
            issue.text.clone(),
            issue.old.clone().unwrap_or_default(),
            issue.candidates.join(" "),
            issue.message.clone(),
            issue.line.clone(),
            owner_of(&issue.path).to_owned(),
            issue.fingerprint.clone(),
        ]
    });
    csv(&header, rows)
}

/// One line for each asset.
pub fn assets_csv(overview: &Overview) -> String {
    let header = [
        "path",
        "format",
        "owner",
        "score",
        "rewritten",
        "not_a_table",
        "needs_person",
        "findings",
        "step",
    ];
    let rows = overview.assets.iter().map(|asset| {
        vec![
            asset.path.clone(),
            asset.format.to_owned(),
            asset.owner.clone(),
            asset.score.to_string(),
            asset.counts.rewritten.to_string(),
            asset.counts.not_a_table.to_string(),
            asset.counts.needs_person.to_string(),
            asset.findings.to_string(),
            asset.step.to_string(),
        ]
    });
    csv(&header, rows)
}

/// One line for each table.
pub fn tables_csv(overview: &Overview) -> String {
    let header = [
        "old",
        "new",
        "score",
        "readers",
        "writers",
        "occurrences",
        "open",
    ];
    let rows = overview.tables.iter().map(|table| {
        vec![
            table.old.clone(),
            table.new.join(" "),
            table.score.to_string(),
            table.readers.to_string(),
            table.writers.to_string(),
            table.occurrences.to_string(),
            table.open.to_string(),
        ]
    });
    csv(&header, rows)
}

/// Everything.
pub fn json(overview: &Overview) -> String {
    let mut text = serde_json::to_string_pretty(overview).expect("an overview is plain values");
    text.push('\n');
    text
}

fn csv(header: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut text = header.join(",");
    text.push_str("\r\n");
    for row in rows {
        let cells: Vec<String> = row.iter().map(|cell| quoted(cell)).collect();
        text.push_str(&cells.join(","));
        text.push_str("\r\n");
    }
    text
}

/// A cell. What a spreadsheet would take for a formula gets an apostrophe in front: code in a file must not run in a report.
fn quoted(cell: &str) -> String {
    let formula = cell.starts_with(['=', '+', '-', '\t', '\r'])
        || cell.starts_with('@') && cell.contains('(');
    let cell = if formula {
        format!("'{cell}")
    } else {
        cell.to_owned()
    };
    if cell.contains([',', '"', '\n', '\r', ';']) {
        format!("\"{}\"", cell.replace('"', "\"\""))
    } else {
        cell
    }
}
