//! What `USE` takes along: a database with its catalog moves the session to that catalog, and every name behind it that has no catalog of its
//! own is looked for there. Which names those are is told here; what becomes of them is for [`crate::asset`] and [`crate::verify`].

use crate::fragment;
use crate::occurrence::{Doubt, Occurrence, Subject, Verdict, rule};
use crate::reader::name_parts;

/// Whether the name that begins here is made the current database, by what stands in front of it: `USE sales`, `USE SCHEMA sales`,
/// `setCurrentDatabase("sales")`, in any quotes.
pub(crate) fn is_made_current(text: &str, at: usize) -> bool {
    let mut before = text.get(..at).unwrap_or_default();
    let mut word = || {
        let belongs = |letter: char| letter.is_alphanumeric() || letter == '_';
        before =
            before.trim_end_matches(|letter| !belongs(letter) && letter != '\n' && letter != ';');
        let start = before.trim_end_matches(belongs).len();
        let (rest, word) = before.split_at(start);
        before = rest;
        word.to_ascii_lowercase()
    };
    match word().as_str() {
        "use" | "setcurrentdatabase" => true,
        "schema" | "database" | "namespace" => word() == "use",
        _ => false,
    }
}

/// Whether a name, as it stands, is looked for in the current catalog: a table behind its database, or a database by itself.
pub(crate) fn is_looked_up(occurrence: &Occurrence) -> bool {
    let parts = match occurrence.subject {
        Subject::Table | Subject::Qualifier => 2,
        Subject::Database => 1,
        Subject::Path | Subject::Candidate => return false,
    };
    let is_name = match &occurrence.verdict {
        Verdict::Rewritten { .. } => true,
        Verdict::NotATable { .. } => false,
        Verdict::NeedsPerson { doubt, .. } => ![
            rule::METADATA,
            rule::OTHER_DIALECT,
            rule::NOT_UNDERSTOOD,
            rule::NOT_PARSED,
        ]
        .contains(&doubt.rule.as_str()),
    };
    let text = &occurrence.text;
    is_name && name_parts(text, 0..text.len()).is_some_and(|found| found.len() == parts)
}

/// Leaves a `USE` to a person if names behind it stay as they are: they would be looked for in the catalog that it goes to.
pub(crate) fn without_moving_others(occurrences: &mut [Occurrence], text: &str) {
    let mut stays: Option<String> = None;
    for occurrence in occurrences.iter_mut().rev() {
        if let Verdict::Rewritten { new, edits } = &occurrence.verdict
            && let Some(other) = &stays
            && occurrence.subject == Subject::Database
            && occurrence.made_of.is_none()
            && !edits.is_empty()
            && is_made_current(text, occurrence.range.start)
        {
            occurrence.verdict = Verdict::NeedsPerson {
                doubt: Doubt::new(
                    rule::TAKES_ALONG,
                    format!(
                        "`{other}` behind it stays as it is, and would be looked for in the catalog of `{new}` too: settle that first, or put `hive_metastore.` in front of it"
                    ),
                ),
                candidates: vec![new.clone()],
                suggestion: edits.clone(),
            };
        }
        if matches!(occurrence.verdict, Verdict::NeedsPerson { .. }) && is_looked_up(occurrence) {
            stays = Some(shown(&occurrence.text));
        }
    }
}

/// A name with what is decided at run time as `{…}`.
fn shown(name: &str) -> String {
    let mut shown = String::new();
    for letter in name.chars() {
        match fragment::is_placeholder(letter) {
            true if shown.ends_with("{…}") => {}
            true => shown.push_str("{…}"),
            false => shown.push(letter),
        }
    }
    shown
}
