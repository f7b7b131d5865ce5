//! What is known already: a list of fingerprints, so that a check in CI fails on new two-part names only.
//!
//! After the migration every mapped old name that a scan finds is new code in the old way, whether karat could rewrite it or not. What
//! stood there when the baseline was written may stay, also where its file has another name now; it is told when it is gone, so that the
//! baseline can shrink.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::issue::{Issue, IssueKind};
use crate::occurrence::Severity;

/// A baseline file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Baseline {
    known: BTreeMap<String, Known>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Known {
    path: String,
    rule: String,
    text: String,
    fingerprint: String,
}

#[derive(Serialize, Deserialize)]
struct File {
    karat_baseline: u32,
    known: Vec<Known>,
}

/// Why a baseline is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BaselineError(pub String);

/// What a check says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Check<'i> {
    /// What the baseline does not know.
    pub new: Vec<&'i Issue>,
    /// How many issues it knows.
    pub known: usize,
    /// What it knows and is gone: path and text.
    pub gone: Vec<(String, String)>,
}

impl Check<'_> {
    /// Whether nothing is new.
    pub fn passes(&self) -> bool {
        self.new.is_empty()
    }
}

/// Notes are worth knowing and never fail a check; a rewritten name does, for it is an old name in new code.
fn counts(issue: &Issue) -> bool {
    issue.kind == IssueKind::Rewritten || issue.severity > Severity::Note
}

impl Baseline {
    /// Knows all issues of a scan.
    pub fn of<'i>(issues: impl IntoIterator<Item = &'i Issue>) -> Self {
        let known = issues
            .into_iter()
            .filter(|issue| counts(issue))
            .map(|issue| {
                let known = Known {
                    path: issue.path.clone(),
                    rule: issue.rule.clone(),
                    text: issue.text.clone(),
                    fingerprint: issue.fingerprint.clone(),
                };
                (issue.fingerprint.clone(), known)
            });
        Baseline {
            known: known.collect(),
        }
    }

    /// Reads a baseline file.
    pub fn parse(text: &str) -> Result<Self, BaselineError> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let file: File = serde_json::from_str(text).map_err(|error| {
            BaselineError(format!(
                "the baseline cannot be read: {error}; write it again with `--write-baseline`"
            ))
        })?;
        if file.karat_baseline != 1 {
            return Err(BaselineError(format!(
                "the baseline is of version {}, and this karat reads version 1; write it again with `--write-baseline`",
                file.karat_baseline
            )));
        }
        Ok(Baseline {
            known: file
                .known
                .into_iter()
                .map(|known| (known.fingerprint.clone(), known))
                .collect(),
        })
    }

    /// The file, sorted.
    pub fn to_text(&self) -> String {
        let mut known: Vec<Known> = self.known.values().cloned().collect();
        known.sort();
        let mut text = serde_json::to_string_pretty(&File {
            karat_baseline: 1,
            known,
        })
        .expect("a baseline is plain values");
        text.push('\n');
        text
    }

    /// Compares a scan with the baseline. `exists` says whether the estate has a file: what the baseline knows of one that is gone, and stands
    /// in the same line of another now, was moved with it. Each file that is gone lends its lines to one other.
    pub fn check<'i>(
        &self,
        issues: impl IntoIterator<Item = &'i Issue>,
        exists: impl Fn(&str) -> bool,
    ) -> Check<'i> {
        let mut check = Check::default();
        let mut seen = BTreeSet::new();
        let mut unknown: BTreeMap<&str, Vec<&Issue>> = BTreeMap::new();
        for issue in issues.into_iter().filter(|issue| counts(issue)) {
            if self.known.contains_key(&issue.fingerprint) {
                check.known += 1;
                seen.insert(issue.fingerprint.clone());
            } else {
                unknown.entry(&issue.path).or_default().push(issue);
            }
        }
        let paths = self.known.values().map(|known| known.path.as_str());
        let mut gone: BTreeSet<&str> = paths.filter(|path| !exists(path)).collect();
        for (_, mut issues) in unknown {
            let known_in = |path: &str| {
                let known = issues
                    .iter()
                    .filter(|issue| self.known.contains_key(&issue.fingerprint_in(path)));
                known.count()
            };
            let best = gone
                .iter()
                .map(|path| (known_in(path), *path))
                .max_by(|a, b| a.0.cmp(&b.0).then(b.1.cmp(a.1)));
            if let Some((1.., old)) = best {
                gone.remove(old);
                issues.retain(|issue| {
                    let fingerprint = issue.fingerprint_in(old);
                    let known = self.known.contains_key(&fingerprint);
                    if known {
                        check.known += 1;
                        seen.insert(fingerprint);
                    }
                    !known
                });
            }
            check.new.append(&mut issues);
        }
        let gone = self
            .known
            .values()
            .filter(|known| !seen.contains(&known.fingerprint));
        check.gone = gone
            .map(|known| (known.path.clone(), known.text.clone()))
            .collect();
        check.gone.sort();
        check
    }
}
