//! Paths of storage: which part of one the mapping moves, and whether it can be written where it stands.

use std::ops::Range;
use std::sync::Arc;

use super::Reader;
use crate::fragment::{self, Fragment};
use crate::occurrence::{Doubt, Role, Subject, Verdict, rule};

impl Reader<'_> {
    /// A path of storage: rewritten if the mapping moves it, else no occurrence. A range that holds more than the path is fine as
    /// long as the path begins it.
    pub fn path(&mut self, fragment: &Arc<Fragment>, range: Range<usize>) {
        let Some(text) = fragment.text().get(range.clone()) else {
            return;
        };
        crate::rules::path(self, fragment, range.clone());
        let literal_end = text.find(fragment::is_placeholder).unwrap_or(text.len());
        let literal = &text[..literal_end];
        let skipped = path_scheme(literal);
        let Some((length, new)) = self.mapping.path(&literal[skipped..]) else {
            if let Some((known, _)) = self.mapping.paths().find(|(old, _)| {
                literal_end < text.len()
                    && literal.len() > skipped + 1
                    && starts_like(old, &literal[skipped..])
            }) {
                let message =
                    format!("the path is put together at run time, and may lie in `{known}`");
                self.occurrence(
                    fragment,
                    range,
                    Subject::Path,
                    Role::Name,
                    None,
                    Verdict::NeedsPerson {
                        doubt: Doubt::new(rule::PATH, message),
                        candidates: Vec::new(),
                        suggestion: Vec::new(),
                    },
                );
            }
            return;
        };
        let (new, end) = (new.to_owned(), range.start + skipped + length);
        let old = Some(literal[skipped..skipped + length].to_owned());
        let longer = literal_end < text.len()
            && self
                .mapping
                .paths()
                .any(|(path, _)| path.len() > length && starts_like(path, &literal[skipped..]));
        let local = literal.starts_with("/dbfs/") && !new.starts_with("/Volumes/");
        let verdict = if longer || local {
            let message = if local {
                format!(
                    "a path of the driver's file system cannot become `{new}`; only volumes can be opened as files"
                )
            } else {
                "the path is put together at run time, and a longer mapped path may be meant"
                    .to_owned()
            };
            Verdict::NeedsPerson {
                doubt: Doubt::new(rule::PATH, message),
                candidates: vec![new],
                suggestion: Vec::new(),
            }
        } else {
            match fragment.edit(range.start..end, &new) {
                Ok(edit) => Verdict::Rewritten {
                    new,
                    edits: vec![edit],
                },
                Err(refusal) => Verdict::NeedsPerson {
                    doubt: Doubt::new(
                        rule::PATH,
                        format!("the new path cannot be written here: {refusal}"),
                    ),
                    candidates: vec![new],
                    suggestion: Vec::new(),
                },
            }
        };
        self.occurrence(fragment, range, Subject::Path, Role::Name, old, verdict);
    }
}

/// The length of what Databricks allows in front of a path without changing it: `dbfs:`, `/dbfs`.
fn path_scheme(path: &str) -> usize {
    if path
        .get(..5)
        .is_some_and(|start| start.eq_ignore_ascii_case("dbfs:"))
    {
        // `dbfs:///mnt` is `dbfs:/mnt`.
        let slashes = path[5..].bytes().take_while(|byte| *byte == b'/').count();
        return 5 + slashes.saturating_sub(1);
    }
    if path.starts_with("/dbfs/") {
        return 5;
    }
    0
}

fn starts_like(old: &str, text: &str) -> bool {
    old.get(..text.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(text))
}
