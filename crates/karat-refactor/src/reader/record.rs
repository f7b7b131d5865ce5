//! What is kept of what was seen: occurrences, stretches that explain others, findings; and how verdicts are taken back.

use std::ops::Range;
use std::sync::Arc;

use super::{Reader, Spot};
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
        let place = fragment.locate(&range);
        let verdict = whole_in(&place, verdict);
        self.found.occurrences.push(Occurrence {
            range: place,
            text: text.to_owned(),
            layers: fragment.layers().into_iter().map(str::to_owned).collect(),
            subject,
            role,
            old,
            tables,
            verdict,
        });
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
        let mut kept = kept.into_iter();
        self.spots.retain(|_| kept.next().unwrap_or(true));
        self.found.occurrences.len() < before
    }

    /// Where an occurrence stands in a SQL statement, by its number.
    pub(crate) fn spot_of(&self, index: usize) -> Spot {
        self.spots.get(index).copied().unwrap_or_default()
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
