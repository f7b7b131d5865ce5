//! What people decided, remembered: who, why, and about which place.
//!
//! A decision belongs to the fingerprint of an issue ([`super::issue`]), so it survives rescans and lines that move, and it is
//! asked again when the line that it decided about changes. Decisions that fit nothing any more are told, and kept in the file.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::issue::{Issue, IssueKind};
use crate::asset::AssetReport;
use crate::edit::Edit;
use crate::occurrence::{NotATable, Verdict};

/// What was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Make the suggested edits.
    Rewrite,
    /// It is no table.
    NotATable,
    /// It stays as it is, and that is right.
    Keep,
}

impl Answer {
    /// The word of it, as people write it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Rewrite => "rewrite",
            Self::NotATable => "not-a-table",
            Self::Keep => "keep",
        }
    }
}

/// One decision.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    /// Path of the asset, for people.
    pub path: String,
    /// The rule that asked.
    pub rule: String,
    /// What stood there, for people.
    pub text: String,
    /// The line, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub line: String,
    /// The fingerprint of the issue.
    pub fingerprint: String,
    /// What was decided.
    pub answer: Answer,
    /// Who decided.
    pub by: String,
    /// Why.
    pub why: String,
    /// When, as the caller writes it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub at: String,
}

/// A decisions file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decisions {
    by_fingerprint: BTreeMap<String, Decision>,
}

/// Why a decisions file is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct DecisionsError(pub String);

#[derive(Serialize, Deserialize)]
struct File {
    karat_decisions: u32,
    decisions: Vec<Decision>,
}

impl Decisions {
    /// Reads a decisions file.
    pub fn parse(text: &str) -> Result<Self, DecisionsError> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let file: File = serde_json::from_str(text).map_err(|error| {
            let merge = ["<<<<<<<", "=======", ">>>>>>>"];
            let advice = if text.lines().any(|line| merge.iter().any(|mark| line.starts_with(mark))) {
                "a merge left its marks in it: keep the entries of both sides, with commas between them"
            } else {
                "the file is written by karat, take it back from version control"
            };
            DecisionsError(format!("the decisions cannot be read: {error}; {advice}"))
        })?;
        if file.karat_decisions != 1 {
            return Err(DecisionsError(format!(
                "the decisions are of version {}, and this karat reads version 1; use the karat that wrote them",
                file.karat_decisions
            )));
        }
        let mut decisions = Decisions::default();
        for decision in file.decisions {
            if decision.by.trim().is_empty() || decision.why.trim().is_empty() {
                return Err(DecisionsError(format!(
                    "the decision on `{}` in {} names nobody or no reason; fill in `by` and `why`",
                    decision.text, decision.path
                )));
            }
            if let Some(other) = decisions.by_fingerprint.get(&decision.fingerprint)
                && other.answer != decision.answer
            {
                return Err(DecisionsError(format!(
                    "two decisions on `{}` in {} contradict each other: {} says `{}`, {} says `{}`; keep one",
                    decision.text,
                    decision.path,
                    other.by,
                    other.answer.word(),
                    decision.by,
                    decision.answer.word()
                )));
            }
            decisions
                .by_fingerprint
                .insert(decision.fingerprint.clone(), decision);
        }
        Ok(decisions)
    }

    /// The file: sorted by path and place in it, so that it can be merged line by line.
    pub fn to_text(&self) -> String {
        let mut decisions: Vec<Decision> = self.by_fingerprint.values().cloned().collect();
        decisions.sort();
        let file = File {
            karat_decisions: 1,
            decisions,
        };
        let mut text = serde_json::to_string_pretty(&file).expect("decisions are plain values");
        text.push('\n');
        text
    }

    /// Remembers a decision on an issue.
    pub fn decide(&mut self, issue: &Issue, answer: Answer, by: &str, why: &str, at: &str) {
        let decision = Decision {
            path: issue.path.clone(),
            rule: issue.rule.clone(),
            text: issue.text.clone(),
            line: issue.line.clone(),
            fingerprint: issue.fingerprint.clone(),
            answer,
            by: by.to_owned(),
            why: why.to_owned(),
            at: at.to_owned(),
        };
        self.by_fingerprint
            .insert(decision.fingerprint.clone(), decision);
    }

    /// The decision on an issue.
    pub fn of(&self, issue: &Issue) -> Option<&Decision> {
        self.by_fingerprint.get(&issue.fingerprint)
    }

    /// Decisions that no issue of a scan asked for: their line has changed or is gone. `used` are fingerprints of all issues.
    pub fn stale(&self, used: &BTreeSet<String>) -> Vec<&Decision> {
        self.by_fingerprint
            .values()
            .filter(|decision| !used.contains(&decision.fingerprint))
            .collect()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.by_fingerprint.is_empty()
    }
}

/// What decisions did to an asset.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Fingerprints of decisions that were asked for.
    pub used: Vec<String>,
    /// Decisions to rewrite without edits to make: a person must write them.
    pub without_edit: Vec<Decision>,
}

/// Why no edit can be made for an open question, if so: a decision to rewrite would come to nothing. `report` is that of its asset.
pub fn why_no_edit(report: &AssetReport, issue: &Issue) -> Option<String> {
    if issue.kind != IssueKind::NeedsPerson {
        return Some("it is about the code, for which karat makes no edits".to_owned());
    }
    let verdict = report.occurrences.get(issue.index).map(|one| &one.verdict);
    let Some(Verdict::NeedsPerson {
        candidates,
        suggestion,
        ..
    }) = verdict
    else {
        return Some("it is settled already".to_owned());
    };
    if suggestion.is_empty() {
        return Some(match candidates.as_slice() {
            [] => "karat knows no new name for it".to_owned(),
            [only] => format!("karat suggests no edit that would write `{only}` here"),
            several => format!(
                "karat does not know which of `{}` it becomes",
                several.join("`, `")
            ),
        });
    }
    let made = report.edits();
    (!suggestion.iter().all(|edit| is_free(edit, &made)))
        .then(|| "an edit that is made anyway changes the same bytes".to_owned())
}

/// Whether an edit meets none of those that are made.
fn is_free(edit: &Edit, made: &[Edit]) -> bool {
    made.iter().all(|other| {
        other == edit || other.range.end <= edit.range.start || edit.range.end <= other.range.start
    })
}

/// Puts the decisions in the place of open verdicts and findings. `issues` are those of the report.
pub fn apply(report: &mut AssetReport, issues: &[Issue], decisions: &Decisions) -> Applied {
    let mut applied = Applied::default();
    if decisions.is_empty() {
        return applied;
    }
    let mut settled_findings = BTreeSet::new();
    // Edits of decisions must not meet those that are made anyway, nor each other.
    let mut taken: Vec<Edit> = report.edits();
    for issue in issues {
        let Some(decision) = decisions.of(issue) else {
            continue;
        };
        applied.used.push(issue.fingerprint.clone());
        match issue.kind {
            IssueKind::Finding if decision.answer != Answer::Rewrite => {
                settled_findings.insert(issue.index);
            }
            // Findings are about code: no edit is made for them.
            IssueKind::Finding => applied.without_edit.push(decision.clone()),
            IssueKind::NeedsPerson => {
                let Some(occurrence) = report.occurrences.get_mut(issue.index) else {
                    continue;
                };
                let Verdict::NeedsPerson {
                    candidates,
                    suggestion,
                    ..
                } = &occurrence.verdict
                else {
                    continue;
                };
                match decision.answer {
                    Answer::Rewrite => {
                        let free = |edit: &Edit| is_free(edit, &taken);
                        if suggestion.is_empty() || !suggestion.iter().all(free) {
                            applied.without_edit.push(decision.clone());
                            continue;
                        }
                        taken.extend(suggestion.iter().cloned());
                        occurrence.verdict = Verdict::Rewritten {
                            new: candidates.first().cloned().unwrap_or_default(),
                            edits: suggestion.clone(),
                        };
                    }
                    Answer::NotATable | Answer::Keep => {
                        occurrence.verdict = Verdict::NotATable {
                            reason: NotATable::Decided,
                        };
                    }
                }
            }
            _ => {}
        }
    }
    let mut index = 0;
    let mut places = std::mem::take(&mut report.finding_places).into_iter();
    report.findings.retain(|_| {
        let kept = !settled_findings.contains(&index);
        let place = places.next();
        if kept {
            report.finding_places.extend(place);
        }
        index += 1;
        kept
    });
    applied
}
