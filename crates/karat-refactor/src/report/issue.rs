//! Everything that is open or rewritten in an asset, with its line, its context and a fingerprint.
//!
//! A fingerprint is made of the asset, the rule, the text and the line without its blanks; if the same stands in the same line text
//! several times, of a count too. So it survives lines that move, and is another one as soon as its own line changes.

use std::collections::BTreeMap;
use std::ops::Range;

use karat_receipt::Digest;
use serde::Serialize;

use crate::asset::AssetReport;
use crate::edit::Edit;
use crate::fragment::is_placeholder;
use crate::occurrence::{Severity, Verdict};

/// Lines are shown up to this many characters on each side of what is meant.
const CONTEXT_CHARS: usize = 120;

/// The rule of names that are rewritten: two parts where three are wanted.
pub const TWO_PART: &str = "name/two-part";

/// What kind of issue it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum IssueKind {
    /// A name or path that is rewritten.
    Rewritten,
    /// A name or path that needs a person.
    NeedsPerson,
    /// Something about the code.
    Finding,
    /// The asset could not be read.
    Unread,
}

/// A place in lines and columns, from 1; columns count characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Position {
    /// Line.
    pub line: usize,
    /// Column.
    pub column: usize,
}

/// An edit in lines and columns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fix {
    /// First character.
    pub start: Position,
    /// Just behind the last one.
    pub end: Position,
    /// What stands there.
    pub old: String,
    /// What shall stand there.
    pub new: String,
}

/// Something that a person, a machine or a later scan should know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Issue {
    /// Path of the asset.
    pub path: String,
    /// What kind it is.
    pub kind: IssueKind,
    /// The rule.
    pub rule: String,
    /// How bad it is.
    pub severity: Severity,
    /// What is the matter.
    pub message: String,
    /// First character.
    pub start: Position,
    /// Just behind the last one.
    pub end: Position,
    /// What stands there, as the innermost language reads it.
    pub text: String,
    /// The table or path it stands for, if known.
    pub old: Option<String>,
    /// The new name, or what it may become.
    pub candidates: Vec<String>,
    /// The line, shortened.
    pub line: String,
    /// The edits that are made, or suggested.
    pub fixes: Vec<Fix>,
    /// The fingerprint.
    pub fingerprint: String,
    /// Index in the report's occurrences or findings.
    #[serde(skip)]
    pub index: usize,
    /// What the fingerprint is made of, beside the path and the rule: the text, the line without its blanks, and its number among equal ones.
    #[serde(skip)]
    made_of: (String, String, usize),
}

impl Issue {
    /// The fingerprint that it would have in another file.
    pub fn fingerprint_in(&self, path: &str) -> String {
        let (text, line, count) = &self.made_of;
        let first = digest(&[path, &self.rule, text, line]);
        if *count > 1 {
            digest(&[&first, &count.to_string()])
        } else {
            first
        }
    }
}

/// All issues of an asset, in the order of the text; `text` is the decoded text that the report is about.
pub fn issues(report: &AssetReport, text: &str) -> Vec<Issue> {
    let lines = Lines::of(text);
    let mut found = Vec::new();
    if let Some(trouble) = &report.trouble {
        let mut issue = lines.issue(
            text,
            &report.path,
            &(0..0),
            IssueKind::Unread,
            &trouble.rule,
            &trouble.message,
        );
        issue.severity = Severity::Error;
        found.push(issue);
    }
    for (index, occurrence) in report.occurrences.iter().enumerate() {
        let (kind, rule, message, candidates, edits) = match &occurrence.verdict {
            Verdict::NotATable { .. } => continue,
            Verdict::Rewritten { new, edits } => {
                let message = format!(
                    "`{}` becomes `{new}`",
                    occurrence.old.as_deref().unwrap_or(&occurrence.text)
                );
                (
                    IssueKind::Rewritten,
                    TWO_PART,
                    message,
                    vec![new.clone()],
                    edits,
                )
            }
            Verdict::NeedsPerson {
                doubt,
                candidates,
                suggestion,
            } => (
                IssueKind::NeedsPerson,
                doubt.rule.as_str(),
                doubt.message.clone(),
                candidates.clone(),
                suggestion,
            ),
        };
        let mut issue = lines.issue(text, &report.path, &occurrence.range, kind, rule, &message);
        issue.severity = if kind == IssueKind::Rewritten {
            Severity::Note
        } else {
            Severity::Warning
        };
        issue.text = readable(&occurrence.text);
        issue.old.clone_from(&occurrence.old);
        issue.candidates = candidates;
        // A parameter is right only with what is put in beside it.
        let beside = report
            .insertions
            .iter()
            .filter(|insertion| insertion.for_names.contains(&occurrence.range))
            .map(|insertion| &insertion.edit);
        let edits = beside.chain(edits);
        issue.fixes = edits.map(|edit| lines.fix(text, edit)).collect();
        issue.index = index;
        found.push(issue);
    }
    for (index, finding) in report.findings.iter().enumerate() {
        let mut issue = lines.issue(
            text,
            &report.path,
            &finding.range,
            IssueKind::Finding,
            &finding.doubt.rule,
            &finding.doubt.message,
        );
        issue.severity = finding.severity;
        issue.fixes = finding
            .suggestion
            .iter()
            .map(|edit| lines.fix(text, edit))
            .collect();
        issue.index = index;
        found.push(issue);
    }
    found.sort_by(|a, b| (a.start, a.kind, &a.rule).cmp(&(b.start, b.kind, &b.rule)));
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for issue in &mut found {
        let count = seen.entry(issue.fingerprint.clone()).or_default();
        *count += 1;
        if *count > 1 {
            issue.made_of.2 = *count;
            issue.fingerprint = issue.fingerprint_in(&issue.path);
        }
    }
    found
}

/// A text with what is decided at run time as `{…}`.
fn readable(text: &str) -> String {
    let mut readable = String::with_capacity(text.len());
    let mut in_hole = false;
    for letter in text.chars() {
        let hole = is_placeholder(letter);
        match hole {
            true if !in_hole => readable.push_str("{…}"),
            true => {}
            false => readable.push(letter),
        }
        in_hole = hole;
    }
    readable
}

fn digest(parts: &[&str]) -> String {
    let mut bytes = Vec::new();
    for part in parts {
        bytes.extend_from_slice(&(part.len() as u64).to_le_bytes());
        bytes.extend_from_slice(part.as_bytes());
    }
    let hex: String = Digest::of(&bytes)
        .as_bytes()
        .iter()
        .take(16)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    hex
}

/// The starts of a text's lines.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Self {
        let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        Lines(
            std::iter::once(0)
                .chain(breaks.map(|(at, _)| at + 1))
                .collect(),
        )
    }

    fn position(&self, text: &str, at: usize) -> Position {
        let line = self.0.partition_point(|start| *start <= at).max(1);
        let start = self.0[line - 1];
        let column = text
            .get(start..at)
            .map_or(0, |before| before.chars().count())
            + 1;
        Position { line, column }
    }

    /// The whole line that holds a byte.
    fn line<'t>(&self, text: &'t str, at: usize) -> (usize, &'t str) {
        let line = self.0.partition_point(|start| *start <= at).max(1);
        let start = self.0[line - 1];
        let end = self.0.get(line).map_or(text.len(), |next| next - 1);
        (start, text.get(start..end).unwrap_or_default())
    }

    fn fix(&self, text: &str, edit: &Edit) -> Fix {
        Fix {
            start: self.position(text, edit.range.start),
            end: self.position(text, edit.range.end),
            old: edit.old.clone(),
            new: edit.new.clone(),
        }
    }

    fn issue(
        &self,
        text: &str,
        path: &str,
        range: &Range<usize>,
        kind: IssueKind,
        rule: &str,
        message: &str,
    ) -> Issue {
        let shown = text.get(range.clone()).unwrap_or_default();
        let (start, whole) = self.line(text, range.start);
        // A notebook in one line of JSON: what is near must be enough.
        let near = near(
            whole,
            range.start - start..(range.end - start).min(whole.len()),
        );
        let folded: String = near.split_whitespace().collect::<Vec<_>>().join(" ");
        Issue {
            path: path.to_owned(),
            kind,
            rule: rule.to_owned(),
            severity: Severity::Warning,
            message: message.to_owned(),
            start: self.position(text, range.start),
            end: self.position(text, range.end),
            text: shown.to_owned(),
            old: None,
            candidates: Vec::new(),
            fingerprint: digest(&[path, rule, shown, &folded]),
            line: near.trim().to_owned(),
            fixes: Vec::new(),
            index: 0,
            made_of: (shown.to_owned(), folded, 1),
        }
    }
}

/// What stands around a range, up to [`CONTEXT_CHARS`] on each side.
fn near(line: &str, range: Range<usize>) -> &str {
    let before = line[..range.start]
        .char_indices()
        .rev()
        .take(CONTEXT_CHARS)
        .last()
        .map_or(range.start, |(at, _)| at);
    let behind = line[range.end..]
        .char_indices()
        .nth(CONTEXT_CHARS)
        .map_or(line.len(), |(at, _)| range.end + at);
    &line[before..behind]
}
