//! What `USE` takes along: a database with its catalog moves the session to that catalog, and every name behind it that has no catalog of its
//! own is looked for there. Which names those are is told here; what becomes of them is for [`crate::asset`] and [`crate::verify`].

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::asset::{self, AssetReport};
pub(crate) use crate::constants::Place;
use crate::edit::Edit;
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
            occurrence.verdict = takes_along(other, new, edits);
        }
        if matches!(occurrence.verdict, Verdict::NeedsPerson { .. }) && is_looked_up(occurrence) {
            stays = Some(shown(&occurrence.text));
        }
    }
}

fn takes_along(other: &str, new: &str, edits: &[Edit]) -> Verdict {
    Verdict::NeedsPerson {
        doubt: Doubt::new(
            rule::TAKES_ALONG,
            format!(
                "`{other}` behind it stays as it is, and would be looked for in the catalog of `{new}` too: settle that first, or put `hive_metastore.` in front of it"
            ),
        ),
        candidates: vec![new.to_owned()],
        suggestion: edits.to_vec(),
    }
}

/// The `USE`s of a session, by their places in the estate.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Uses {
    /// One of these made current what is; none if nobody did, or not in the metastore.
    pub(crate) last: BTreeSet<Place>,
    /// What was looked up since.
    pub(crate) behind: BTreeSet<Behind>,
}

/// A name that is looked up in the catalog of a `USE`, whichever notebooks they stand in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Behind {
    pub(crate) used: Place,
    pub(crate) name: Place,
    /// Whether it is a table without its database that stays as it is.
    pub(crate) is_bare: bool,
    shown: String,
}

impl Uses {
    /// A name was read.
    pub(crate) fn note(&mut self, asset: &str, occurrence: &Occurrence) {
        if self.last.is_empty() {
            return;
        }
        let is_bare = is_bare_and_stays(occurrence);
        if !is_bare && !is_looked_up(occurrence) {
            return;
        }
        let name: Place = (asset.into(), occurrence.range.start);
        self.behind.extend(self.last.iter().map(|used| Behind {
            used: used.clone(),
            name: name.clone(),
            is_bare,
            shown: shown(&occurrence.text),
        }));
    }
}

/// A table without its database that has no new name, or may not be merged with it.
fn is_bare_and_stays(occurrence: &Occurrence) -> bool {
    let stays = matches!(
        &occurrence.verdict,
        Verdict::NeedsPerson { doubt, .. } if [rule::NOT_MAPPED, rule::BESIDE_NEW].contains(&doubt.rule.as_str())
    );
    let text = &occurrence.text;
    stays
        && occurrence.subject == Subject::Table
        && name_parts(text, 0..text.len()).is_some_and(|parts| parts.len() == 1)
}

/// What stands at a place of an asset.
pub(crate) fn standing_at(report: &AssetReport, start: usize) -> impl Iterator<Item = &Occurrence> {
    let all = &report.occurrences;
    let from = all.partition_point(|occurrence| occurrence.range.start < start);
    all[from..]
        .iter()
        .take_while(move |occurrence| occurrence.range.start == start)
}

fn is_rewritten(occurrence: &Occurrence) -> bool {
    matches!(&occurrence.verdict, Verdict::Rewritten { edits, .. } if !edits.is_empty())
}

/// The `USE`s of an estate that would take along what stays as it is, each with one such name.
pub(crate) fn taking_along(assets: &[AssetReport]) -> BTreeMap<Place, String> {
    let by_path: HashMap<&str, &AssetReport> = assets
        .iter()
        .map(|report| (report.path.as_str(), report))
        .collect();
    let behind: BTreeSet<&Behind> = assets.iter().flat_map(|report| &report.behind).collect();
    let mut taking: BTreeMap<Place, String> = BTreeMap::new();
    loop {
        let before = taking.len();
        for one in &behind {
            let Some(report) = by_path.get(one.name.0.as_ref()) else {
                continue;
            };
            let mut here = standing_at(report, one.name.1);
            // A `USE` that is left to a person is itself looked up behind the one before.
            let stays = taking.contains_key(&one.name)
                || match one.is_bare {
                    true => !here.any(is_rewritten),
                    false => here.any(|occurrence| {
                        matches!(occurrence.verdict, Verdict::NeedsPerson { .. })
                            && is_looked_up(occurrence)
                    }),
                };
            if stays {
                let known = taking.entry(one.used.clone());
                known.or_insert_with(|| one.shown.clone());
            }
        }
        if taking.len() == before {
            return taking;
        }
    }
}

/// Whether an asset would edit one of these `USE`s; and whether one of them by a text that stands elsewhere.
pub(crate) fn edits_one_of(report: &AssetReport, uses: &BTreeMap<Place, String>) -> (bool, bool) {
    let mut edited = uses
        .keys()
        .filter(|(path, _)| path.as_ref() == report.path)
        .flat_map(|(_, start)| standing_at(report, *start))
        .filter(|occurrence| matches!(occurrence.verdict, Verdict::Rewritten { .. }))
        .filter(|occurrence| is_rewritten(occurrence) || occurrence.made_of.is_some())
        .map(|occurrence| occurrence.made_of.is_some())
        .peekable();
    (edited.peek().is_some(), edited.any(|made| made))
}

/// Leaves these `USE`s to a person.
pub(crate) fn leave(report: &mut AssetReport, uses: &BTreeMap<Place, String>) {
    for ((path, start), other) in uses {
        if path.as_ref() != report.path {
            continue;
        }
        for occurrence in &mut report.occurrences {
            if occurrence.range.start == *start
                && let Verdict::Rewritten { new, edits } = &occurrence.verdict
            {
                // Edits of a text that fills it are made there, or not at all.
                let edits: &[Edit] = match occurrence.made_of {
                    None => edits,
                    Some(_) => &[],
                };
                occurrence.verdict = takes_along(other, new, edits);
            }
        }
    }
    asset::without_use(&mut report.insertions, &report.occurrences);
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
