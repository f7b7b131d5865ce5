//! What is kept of what was seen: occurrences, stretches that explain others, findings; and how verdicts are taken back.

use std::ops::Range;
use std::sync::Arc;

use super::constant::{Filled, Wish};
use super::{Reader, Spot};
use crate::constants::{Constant, Made, MadeOf, Place};
use crate::edit::{Edit, Insertion};
use crate::fragment::{self, Fragment};
use crate::occurrence::{
    Doubt, Finding, Means, NotATable, Occurrence, Region, Role, Severity, Subject, Verdict, rule,
};

/// How far back an occurrence can be distrusted.
const DISTRUST_MAX: usize = 4096;

impl Reader<'_> {
    /// This is not a table, and why.
    pub fn not_a_table(
        &mut self,
        fragment: &Arc<Fragment>,
        range: Range<usize>,
        reason: NotATable,
    ) {
        self.occurrence(
            fragment,
            range,
            Subject::Table,
            Role::Name,
            None,
            Verdict::NotATable { reason },
        );
    }

    /// The name that begins here was taken for a table, and there is reason to doubt it: its edits become a suggestion.
    pub fn distrust(&mut self, fragment: &Arc<Fragment>, start: usize, doubt: Doubt) {
        let place = fragment.locate(&(start..start + 1)).start;
        for occurrence in self.found.occurrences.iter_mut().rev().take(DISTRUST_MAX) {
            if occurrence.range.start != place {
                continue;
            }
            if let Verdict::Rewritten { new, edits } = &occurrence.verdict {
                occurrence.verdict = Verdict::NeedsPerson {
                    doubt: doubt.clone(),
                    candidates: vec![new.clone()],
                    suggestion: edits.clone(),
                };
            }
        }
    }

    /// A person must look at this.
    pub fn needs_person(
        &mut self,
        fragment: &Arc<Fragment>,
        range: Range<usize>,
        doubt: Doubt,
        candidates: Vec<String>,
    ) {
        self.occurrence(
            fragment,
            range,
            Subject::Table,
            Role::Name,
            None,
            Verdict::NeedsPerson {
                doubt,
                candidates,
                suggestion: Vec::new(),
            },
        );
    }

    /// Any occurrence, with a verdict of one's own. The methods above are right for nearly all.
    pub fn occurrence(
        &mut self,
        fragment: &Arc<Fragment>,
        range: Range<usize>,
        subject: Subject,
        role: Role,
        old: Option<String>,
        verdict: Verdict,
    ) {
        self.table_occurrence(fragment, range, (subject, role), old, verdict, Vec::new());
    }

    /// An occurrence with the tables that it may stand for.
    pub(super) fn table_occurrence(
        &mut self,
        fragment: &Arc<Fragment>,
        range: Range<usize>,
        (subject, role): (Subject, Role),
        old: Option<String>,
        verdict: Verdict,
        tables: Vec<String>,
    ) {
        if !self.is_own(fragment, range.start) {
            self.wish = None;
            return;
        }
        let text = fragment.text().get(range.clone()).unwrap_or_default();
        let spot = match self.spot {
            Spot::Identifier if !fragment.holes_in(&range).is_empty() => {
                Spot::Literal("a part of the name is put in from elsewhere")
            }
            spot => spot,
        };
        self.spots.push(spot);
        let holes = fragment.holes_in(&range);
        self.filled.push(Filled {
            marks: holes.iter().map(|hole| hole.mark).collect(),
            wish: self.wish.take(),
            settled: false,
        });
        let place = fragment.locate(&range);
        let verdict = whole_in(&place, verdict);
        let occurrence = Occurrence {
            range: place,
            text: text.to_owned(),
            layers: fragment.layers().into_iter().map(str::to_owned).collect(),
            subject,
            role,
            old,
            tables,
            verdict,
            made_of: None,
        };
        self.session.uses.note(self.asset, &occurrence);
        self.found.occurrences.push(occurrence);
    }

    /// Whether a place lies in this asset. Functions of included notebooks are entered too; what is seen in their text is told
    /// when they are read themselves.
    pub(crate) fn is_own(&self, fragment: &Arc<Fragment>, at: usize) -> bool {
        self.root.is_none_or(|root| root == fragment.root_at(at))
    }

    /// How many occurrences there are so far.
    pub(crate) fn occurrences(&self) -> usize {
        self.found.occurrences.len()
    }

    /// An occurrence by its number.
    pub(crate) fn occurrence_at(&self, index: usize) -> Option<&Occurrence> {
        self.found.occurrences.get(index)
    }

    /// Drops, of the occurrences from a number on, the names that are nothing but one of these holes: who fills it is judged where
    /// it is filled. Says whether there were any.
    pub(crate) fn without(&mut self, from: usize, holes: &[Range<usize>]) -> bool {
        let before = self.found.occurrences.len();
        let mut index = 0;
        let mut kept = Vec::with_capacity(before);
        self.found.occurrences.retain(|occurrence| {
            index += 1;
            let whole = occurrence.text.chars().all(fragment::is_placeholder);
            let keep = index <= from || !whole || !holes.contains(&occurrence.range);
            kept.push(keep);
            keep
        });
        let mut of_spots = kept.iter();
        self.spots
            .retain(|_| of_spots.next().copied().unwrap_or(true));
        let mut of_filled = kept.iter();
        self.filled
            .retain(|_| of_filled.next().copied().unwrap_or(true));
        self.found.occurrences.len() < before
    }

    /// Where an occurrence stands in a SQL statement, by its number.
    pub(crate) fn spot_of(&self, index: usize) -> Spot {
        self.spots.get(index).copied().unwrap_or_default()
    }

    /// The holes of an occurrence, by its number, and what it would have them be filled with.
    pub(crate) fn filled_at(&self, index: usize) -> Option<(&[usize], Option<&Wish>)> {
        let filled = self.filled.get(index)?;
        Some((&filled.marks, filled.wish.as_ref()))
    }

    /// Whether a name, by its number, is right because of the texts that fill it.
    pub(crate) fn changes_in_constant(&self, index: usize) -> bool {
        self.filled.get(index).is_some_and(|filled| filled.settled)
    }

    /// The texts that fill a name change: the name is right with what else it wished.
    pub(crate) fn settle_by_constants(&mut self, index: usize, constants: Vec<Place>) {
        let (Some(filled), Some(occurrence)) = (
            self.filled.get_mut(index),
            self.found.occurrences.get_mut(index),
        ) else {
            return;
        };
        let Some(wish) = &filled.wish else { return };
        filled.settled = true;
        let (new, edits) = (wish.new.clone(), wish.edits.clone());
        let before = std::mem::replace(&mut occurrence.verdict, Verdict::Rewritten { new, edits });
        let in_place = match before {
            Verdict::Rewritten { edits, .. } => Some(edits),
            _ => None,
        };
        occurrence.made_of = Some(MadeOf {
            constants,
            settled: true,
            in_place,
        });
    }

    /// The texts that fill a name do not change, though it would be right then.
    pub(crate) fn leave_constants(&mut self, index: usize, constants: Vec<Place>) {
        if let Some(occurrence) = self.found.occurrences.get_mut(index) {
            occurrence.made_of = Some(MadeOf {
                constants,
                settled: false,
                in_place: None,
            });
        }
    }

    /// What the asset does with texts that fill names.
    pub(crate) fn tell(&mut self, constants: Vec<Constant>, made: Vec<Made>) {
        self.found.told.constants = constants;
        self.found.told.made = made;
    }

    /// The asset imports a module, or names of it.
    pub(crate) fn imports(&mut self, name: &str) {
        let last = name.rsplit('.').next().unwrap_or(name);
        self.found.told.imports.insert(last.to_lowercase());
    }

    /// Whether some of the asset's code does not parse.
    pub(crate) fn has_unparsed(&self) -> bool {
        !self.found.unparsed.is_empty()
    }

    /// Whether some of the asset's code was not read at all.
    pub(crate) fn has_not_parsed(&self) -> bool {
        self.found.findings.iter().any(Finding::is_not_parsed)
    }

    /// Writes a name in another way, by its number.
    pub(crate) fn write_anew(&mut self, index: usize, anew: Vec<Edit>) {
        if let Some(occurrence) = self.found.occurrences.get_mut(index)
            && let Verdict::Rewritten { edits, .. } = &mut occurrence.verdict
        {
            *edits = anew;
        }
    }

    /// Something that is put in beside names.
    pub(crate) fn put_in(&mut self, insertion: Insertion) {
        self.found.insertions.push(insertion);
    }

    /// Something about a stretch of the asset's text.
    pub(crate) fn finding_at(&mut self, range: Range<usize>, severity: Severity, doubt: Doubt) {
        self.found.findings.push(Finding {
            range,
            doubt,
            severity,
            suggestion: Vec::new(),
        });
    }

    /// The stretches of the asset's text that are code.
    pub(crate) fn code(&self) -> impl Iterator<Item = Range<usize>> {
        self.found
            .regions
            .iter()
            .filter(|region| region.means == Means::NotATable(NotATable::Code))
            .map(|region| region.range.clone())
    }

    /// Leaves an edit that was thought right to a person.
    pub(crate) fn demote(&mut self, index: usize, doubt: Doubt) {
        let Some(occurrence) = self.found.occurrences.get_mut(index) else {
            return;
        };
        if let Verdict::Rewritten { new, edits } = &mut occurrence.verdict {
            occurrence.verdict = Verdict::NeedsPerson {
                doubt,
                candidates: vec![std::mem::take(new)],
                suggestion: std::mem::take(edits),
            };
        }
    }

    /// A name, by its number, turned out to be no table.
    pub(crate) fn is_no_table(&mut self, index: usize, reason: NotATable) {
        if let Some(occurrence) = self.found.occurrences.get_mut(index) {
            occurrence.verdict = Verdict::NotATable { reason };
        }
    }

    /// All candidates in this stretch that have no occurrence of their own are this. Inner regions win over outer ones.
    pub fn region(&mut self, fragment: &Arc<Fragment>, range: Range<usize>, means: Means) {
        if !self.is_own(fragment, range.start) {
            return;
        }
        self.found.regions.push(Region {
            range: fragment.locate(&range),
            means,
        });
    }

    /// This program does not parse as a whole.
    pub(crate) fn unparsed(&mut self, fragment: &Arc<Fragment>) {
        if self.is_own(fragment, 0) {
            let whole = fragment.locate(&(0..fragment.text().len()));
            self.found.unparsed.push(whole);
        }
    }

    /// Something about the code itself.
    pub fn finding(
        &mut self,
        fragment: &Arc<Fragment>,
        range: Range<usize>,
        severity: Severity,
        doubt: Doubt,
    ) {
        if !self.is_own(fragment, range.start) {
            return;
        }
        self.found.findings.push(Finding {
            range: fragment.locate(&range),
            doubt,
            severity,
            suggestion: Vec::new(),
        });
    }
}

/// A name whose edits do not all lie where it is told to be is put together from several places: nobody could judge them by it.
fn whole_in(place: &Range<usize>, verdict: Verdict) -> Verdict {
    let lies_in = |edit: &Edit| place.start <= edit.range.start && edit.range.end <= place.end;
    match verdict {
        Verdict::Rewritten { new, edits } if !edits.iter().all(lies_in) => Verdict::NeedsPerson {
            doubt: Doubt::new(
                rule::SCATTERED,
                "the name is put together from several places, and the new one would change more than one of them",
            ),
            candidates: vec![new],
            suggestion: Vec::new(),
        },
        verdict => verdict,
    }
}
