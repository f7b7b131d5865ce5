//! Texts that fill names elsewhere: one that changed must make the right names in every file that reads it, and nothing may be changed twice.
//!
//! That a text may become what it became is licensed like any name. Here the files after are read anew, as they stand: the tables that
//! its names read and write must be those of the mapping. How it was decided that the text may change plays no part in that.

use std::collections::{BTreeMap, BTreeSet};

use super::{Change, Judged, Outcome, line_of};
use crate::asset::{self, AssetReport};
use crate::edit::applied;
use crate::estate::{Files, scan};
use crate::lineage::{Lineage, Used, new_name};
use crate::mapping::Mapping;
use crate::occurrence::{Occurrence, Role, Subject, Verdict};
use crate::reader::Options;
use crate::style::{Style, Styles};
use crate::text;

/// Takes back licences of files in which a name is wrong because of a text that changed, or did not.
pub(super) fn judge(
    before: &dyn Files,
    after: &dyn Files,
    mapping: &Mapping,
    (reports, changed): (&[AssetReport], &[BTreeSet<usize>]),
    (styles, threads): (&Styles, usize),
    judged: &mut [Judged],
) {
    let by_path: BTreeMap<&str, usize> = reports
        .iter()
        .enumerate()
        .map(|(index, report)| (report.path.as_str(), index))
        .collect();
    // Whether the text that begins there changed: as a place of its own, or with the name that it is.
    let has_changed = |(path, start): &crate::constants::Place| {
        by_path.get(path.as_ref()).is_some_and(|index| {
            reports[*index].occurrences.iter().any(|occurrence| {
                let holds = occurrence.range.contains(start);
                holds && changed[*index].contains(&occurrence.range.start)
            })
        })
    };
    let mut concerned: BTreeSet<usize> = BTreeSet::new();
    for (index, report) in reports.iter().enumerate() {
        for occurrence in &report.occurrences {
            let Some(made) = &occurrence.made_of else {
                continue;
            };
            let moved = made
                .constants
                .iter()
                .filter(|place| has_changed(place))
                .count();
            let is_changed = changed[index].contains(&occurrence.range.start);
            // What a parameter gives is not in the files; that it is the right parameter is part of the licence.
            let is_written = |path: &str| styles.of(path) != Style::Parameter;
            if moved > 0
                && is_written(&report.path)
                && made.constants.iter().all(|(path, _)| is_written(path))
            {
                concerned.insert(index);
            }
            let edits = match &occurrence.verdict {
                Verdict::Rewritten { edits, .. } if made.settled => edits.as_slice(),
                _ => &[],
            };
            // With its texts, a name changes in what it says should change with them, and in nothing else.
            let wrong = if edits.is_empty() {
                is_changed && moved > 0
            } else {
                is_changed != (moved == made.constants.len()) || moved > 0 && !is_changed
            };
            if wrong && judged[index].outcome.is_licensed() {
                let what = match is_changed {
                    true => "changed, and so did a text that it is made of",
                    false => "did not change with a text that it is made of",
                };
                let what = format!("`{}` {what}", shown(occurrence));
                judged[index].outcome = unlicensed(before, index, report, occurrence, what);
            }
        }
    }
    if concerned.is_empty() {
        return;
    }
    let read_anew = scan(after, mapping, &Options::default(), threads).assets;
    for index in concerned {
        let report = &reports[index];
        let Ok(other) = after.paths().binary_search(&report.path) else {
            continue;
        };
        if !judged[index].outcome.is_licensed() {
            continue;
        }
        let (old, new) = (
            Lineage::of(report, mapping),
            Lineage::of(&read_anew[other], mapping),
        );
        let settled = |made: &crate::constants::MadeOf| {
            made.settled && made.constants.iter().all(&has_changed)
        };
        let wrong = report
            .occurrences
            .iter()
            .filter(|occurrence| occurrence.made_of.as_ref().is_some_and(settled))
            .find_map(|occurrence| {
                missing(occurrence, &new, mapping).map(|used| (occurrence, used))
            });
        if let Some((occurrence, (_, table))) = wrong {
            let what = format!(
                "a text that `{}` is made of changed, and it does not mean `{table}` now",
                shown(occurrence)
            );
            judged[index].outcome = unlicensed(before, index, report, occurrence, what);
            continue;
        }
        if !old.open.is_empty() {
            continue;
        }
        let known = |used: &Used| {
            let (role, table) = used;
            old.places.contains_key(used)
                || old.places.keys().any(|(of, before)| {
                    of == role && new_name(before, mapping).as_ref() == Some(table)
                })
        };
        if let Some((_, table)) = new.places.keys().find(|used| !known(used))
            && let Some(occurrence) = report
                .occurrences
                .iter()
                .find(|occurrence| occurrence.made_of.is_some())
        {
            let what = format!(
                "a text that `{}` is made of changed, and `{table}` is used now",
                shown(occurrence)
            );
            judged[index].outcome = unlicensed(before, index, report, occurrence, what);
        }
    }
}

/// A table that a name must mean now, and that nothing after means.
fn missing(occurrence: &Occurrence, after: &Lineage, mapping: &Mapping) -> Option<Used> {
    if occurrence.subject != Subject::Table || occurrence.role == Role::Name {
        return None;
    }
    let expected = occurrence
        .tables
        .iter()
        .filter_map(|table| Some((occurrence.role, new_name(table, mapping)?)));
    expected
        .into_iter()
        .find(|used| !after.places.contains_key(used))
}

/// The name as a person sees it.
fn shown(occurrence: &Occurrence) -> String {
    let is_shown = |letter: &char| !crate::fragment::is_placeholder(*letter);
    occurrence.text.chars().filter(is_shown).collect()
}

fn unlicensed(
    before: &dyn Files,
    index: usize,
    report: &AssetReport,
    occurrence: &Occurrence,
    what: String,
) -> Outcome {
    let text = before
        .read(index)
        .ok()
        .and_then(|bytes| asset::decode(&report.path, &bytes).ok())
        .map(|decoded| decoded.text)
        .unwrap_or_default();
    let at = occurrence.range.start.min(text.len());
    let (line, column) = text::line_and_column(&text, at);
    let after = match &occurrence.verdict {
        Verdict::Rewritten { edits, .. } => applied(&text, &occurrence.range, edits),
        _ => None,
    };
    Outcome::Unlicensed(Change {
        line,
        column,
        what,
        before: line_of(&text, at),
        after: after.unwrap_or_default(),
    })
}
