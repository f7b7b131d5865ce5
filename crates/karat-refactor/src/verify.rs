//! Judges edits, whoever made them: a person, a regular expression, another tool, karat itself.
//!
//! The text before is read with the mapping; the text after must be the same, byte for byte, but for names that the mapping
//! licenses in places where they are tables. The walk trusts no list of edits and no proof file. The first change that nothing
//! licenses is told with the construct that it hit.

use std::collections::BTreeSet;
use std::ops::Range;

use serde::Serialize;

use crate::asset::{self, AssetReport, Decoded};
use crate::candidates::{Candidate, Scanner, Shape};
use crate::current::{Behind, is_looked_up, is_made_current, standing_at};
use crate::edit::applied;
use crate::estate::{Files, in_parallel, scan};
use crate::fragment;
use crate::mapping::{DatabaseLookup, Mapping, TableLookup, quoted};
use crate::occurrence::{NotATable, Occurrence, Subject, Verdict, rule};
use crate::reader::{Options, is_metastore, name_parts};
use crate::report::decisions::Decisions;
use crate::style::{self, Styles};
use crate::text;

mod constants;

/// What became of one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// The same bytes.
    Same,
    /// Changed, and the mapping licenses every change.
    Licensed {
        /// How many names changed.
        changes: usize,
    },
    /// Something changed that nothing licenses.
    Unlicensed(Change),
    /// The file is gone.
    Missing,
    /// The file was not there before.
    Added,
}

impl Outcome {
    /// Whether the mapping licenses it.
    pub fn is_licensed(&self) -> bool {
        matches!(self, Self::Same | Self::Licensed { .. })
    }
}

/// The first change that nothing licenses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Line before, from 1.
    pub line: usize,
    /// Column before, in characters from 1.
    pub column: usize,
    /// The construct that was hit.
    pub what: String,
    /// The line before.
    pub before: String,
    /// The line after.
    pub after: String,
}

/// One file's outcome.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Judged {
    /// Its path.
    pub path: String,
    /// What became of it.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// Occurrences that are as they were and need a person still.
    pub open: usize,
}

/// Judges an estate against what it was before.
pub fn verify(
    before: &dyn Files,
    after: &dyn Files,
    mapping: &Mapping,
    threads: usize,
) -> Vec<Judged> {
    verify_in(before, after, mapping, &Styles::default(), threads)
}

/// The same, where the catalog may come from a parameter too, in files whose style says so.
pub fn verify_in(
    before: &dyn Files,
    after: &dyn Files,
    mapping: &Mapping,
    styles: &Styles,
    threads: usize,
) -> Vec<Judged> {
    verify_decided(
        before,
        after,
        mapping,
        (styles, &Decisions::default()),
        threads,
    )
}

/// The same, with what people decided: names that would be merged with others change only if somebody said so.
pub fn verify_decided(
    before: &dyn Files,
    after: &dyn Files,
    mapping: &Mapping,
    (styles, decisions): (&Styles, &Decisions),
    threads: usize,
) -> Vec<Judged> {
    let options = Options {
        styles: styles.without_statements(),
        decisions: decisions.clone(),
        ..Options::default()
    };
    let reports = scan(before, mapping, &options, threads).assets;
    let scanner = Scanner::new(mapping);
    let compared = in_parallel(before.paths().len(), threads, |index| {
        let path = &before.paths()[index];
        match after.paths().binary_search(path) {
            Err(_) => (Outcome::Missing, BTreeSet::new()),
            Ok(other) => {
                let (old, new) = (before.read(index).ok(), after.read(other).ok());
                // What cannot be read may stand there all the same, if it is the same.
                let unread = old.is_none() && new.is_none();
                if unread
                    && before
                        .digest(index)
                        .is_some_and(|old| after.digest(other) == Some(old))
                {
                    return (Outcome::Same, BTreeSet::new());
                }
                compare(old, new, &reports[index], mapping, &scanner)
            }
        }
    });
    let mut judged: Vec<Judged> = Vec::with_capacity(compared.len());
    let mut changed: Vec<BTreeSet<usize>> = Vec::with_capacity(compared.len());
    for (report, (outcome, places)) in reports.iter().zip(compared) {
        judged.push(Judged {
            path: report.path.clone(),
            open: report.counts().needs_person,
            outcome,
        });
        changed.push(places);
    }
    constants::judge(
        before,
        after,
        mapping,
        (&reports, &changed),
        (styles, threads),
        &mut judged,
    );
    judge_uses(before, (&reports, &changed), &mut judged);
    for path in after.paths() {
        if before.paths().binary_search(path).is_err() {
            judged.push(Judged {
                path: path.clone(),
                outcome: Outcome::Added,
                open: 0,
            });
        }
    }
    judged.sort_by(|a, b| a.path.cmp(&b.path));
    judged
}

fn compare(
    before: Option<Vec<u8>>,
    after: Option<Vec<u8>>,
    report: &AssetReport,
    mapping: &Mapping,
    scanner: &Scanner<'_>,
) -> (Outcome, BTreeSet<usize>) {
    let unlicensed = |change| (Outcome::Unlicensed(change), BTreeSet::new());
    let (Some(before), Some(after)) = (before, after) else {
        return unlicensed(whole_file("the file cannot be read", "", ""));
    };
    if before == after {
        return (Outcome::Same, BTreeSet::new());
    }
    let (Ok(old), Ok(new)) = (
        asset::decode(&report.path, &before),
        asset::decode(&report.path, &after),
    ) else {
        return unlicensed(whole_file("bytes of a file that is no text", "", ""));
    };
    if old.encoding != new.encoding {
        return unlicensed(whole_file(
            "the encoding",
            old.encoding.name(),
            new.encoding.name(),
        ));
    }
    judge_places(
        report,
        &old,
        &new.text,
        mapping,
        &scanner.candidates(&old.text),
    )
}

fn whole_file(what: &str, before: &str, after: &str) -> Change {
    Change {
        line: 1,
        column: 1,
        what: what.to_owned(),
        before: before.to_owned(),
        after: after.to_owned(),
    }
}

/// A place that may change, and into what.
struct Place<'r> {
    range: Range<usize>,
    /// Exact texts.
    forms: Vec<String>,
    /// Names, by their parts in lower case, in any quoting.
    names: Vec<Vec<String>>,
    /// New beginnings, with what stood there staying behind them.
    prefixes: Vec<String>,
    /// What the place is, if it may not change.
    fixed: Option<NotATable>,
    occurrence: Option<&'r Occurrence>,
    /// The insertion that may stand here, by its number.
    insertion: Option<usize>,
}

/// Judges one text. A statement `USE CATALOG` of a mapped catalog may have been put in at the top, if all names that stay are right with it.
pub fn judge(
    report: &AssetReport,
    before: &Decoded,
    after: &str,
    mapping: &Mapping,
    candidates: &[Candidate],
) -> Outcome {
    judge_places(report, before, after, mapping, candidates).0
}

/// The same, with the first bytes of the places that changed.
fn judge_places(
    report: &AssetReport,
    before: &Decoded,
    after: &str,
    mapping: &Mapping,
    candidates: &[Candidate],
) -> (Outcome, BTreeSet<usize>) {
    let plain = walk(report, before, after, mapping, candidates, None);
    if plain.0.is_licensed() {
        return plain;
    }
    for catalog in mapping.catalogs() {
        let Some(insertion) = style::insertion(before, catalog) else {
            continue;
        };
        let at = insertion.range.start;
        let put_in = after
            .get(at..)
            .is_some_and(|rest| rest.starts_with(&insertion.new));
        if put_in && after.as_bytes()[..at] == before.text.as_bytes()[..at] {
            let without = format!("{}{}", &after[..at], &after[at + insertion.new.len()..]);
            return walk(report, before, &without, mapping, candidates, Some(catalog));
        }
    }
    plain
}

fn walk(
    report: &AssetReport,
    before: &Decoded,
    after: &str,
    mapping: &Mapping,
    candidates: &[Candidate],
    used_catalog: Option<&str>,
) -> (Outcome, BTreeSet<usize>) {
    let mut changed_places: BTreeSet<usize> = BTreeSet::new();
    let outcome = walk_through(
        report,
        before,
        after,
        mapping,
        candidates,
        used_catalog,
        &mut changed_places,
    );
    (outcome, changed_places)
}

fn walk_through(
    report: &AssetReport,
    before: &Decoded,
    after: &str,
    mapping: &Mapping,
    candidates: &[Candidate],
    used_catalog: Option<&str>,
    changed_places: &mut BTreeSet<usize>,
) -> Outcome {
    let text = before.text.as_str();
    let places = places(report, text, mapping, candidates);
    let (mut i, mut j) = (0, 0);
    let mut changes = 0;
    let mut changed_databases: Vec<String> = Vec::new();
    let mut unchanged_bare: Vec<&Occurrence> = Vec::new();
    let mut unchanged: Vec<&Occurrence> = Vec::new();
    let mut parameters = Parameters::of(report);
    let mut moved = Moved::default();
    for (at, place) in places.iter().enumerate() {
        if place.range.start < i {
            continue;
        }
        moved.read(&text[i..place.range.start]);
        let gap = place.range.start - i;
        if after
            .get(j..)
            .is_none_or(|rest| !rest.as_bytes().starts_with(&text.as_bytes()[i..i + gap]))
        {
            return unlicensed(text, after, i, j, &places);
        }
        i += gap;
        j += gap;
        let next_start = places[at + 1..]
            .iter()
            .map(|next| next.range.start)
            .find(|start| *start >= place.range.end)
            .unwrap_or(text.len());
        let ahead = &text.as_bytes()[place.range.end..next_start.min(place.range.end + 32)];
        let rest = &after.as_bytes()[j..];
        let old = &text[place.range.clone()];
        let fits = |length: usize| {
            rest.get(length..)
                .is_some_and(|rest| rest.starts_with(ahead))
        };
        let stays = rest.starts_with(old.as_bytes()) && fits(old.len());
        let changed = place
            .changed_length(after, j, old)
            .filter(|length| fits(*length));
        let length = match (
            stays && (place.insertion.is_none() || changed.is_none()),
            changed,
        ) {
            (true, _) => {
                if let Some(occurrence) = place.occurrence
                    && occurrence.subject == Subject::Table
                    && !occurrence.text.contains('.')
                {
                    unchanged_bare.push(occurrence);
                }
                unchanged.extend(place.occurrence);
                if let Some(change) = place.occurrence.and_then(|found| moved.stays(found, text)) {
                    return Outcome::Unlicensed(change);
                }
                old.len()
            }
            (false, Some(length)) => {
                changes += usize::from(place.insertion.is_none());
                if place.occurrence.is_some() {
                    changed_places.insert(place.range.start);
                }
                parameters.note(place, &after[j..j + length]);
                if let Some(occurrence) = place.occurrence {
                    moved.changes(occurrence, text, &after[j..j + length]);
                }
                if let Some(occurrence) = place.occurrence
                    && occurrence.subject == Subject::Database
                    && let Some(database) = &occurrence.old
                {
                    changed_databases.push(database.to_lowercase());
                }
                length
            }
            // A place around others (a text that was not understood, with a name in it) may change where those may.
            (false, None)
                if places[at + 1..]
                    .iter()
                    .take_while(|next| next.range.start < place.range.end)
                    .any(|next| next.range.end <= place.range.end && next.fixed.is_none()) =>
            {
                continue;
            }
            (false, None) => {
                // The name itself is right, and what stands behind it is not: that is what was hit.
                let whole = match rest.starts_with(old.as_bytes()) {
                    true => Some(old.len()),
                    false => place.changed_length(after, j, old),
                };
                let ends = |length: &usize| {
                    let next = after[j + length..].chars().next();
                    next.is_none_or(|next| {
                        !(next.is_alphanumeric() || matches!(next, '_' | '.' | '`'))
                    })
                };
                return match whole
                    .filter(|length| after.is_char_boundary(j + length))
                    .filter(ends)
                {
                    Some(length) => unlicensed(text, after, place.range.end, j + length, &places),
                    None => unlicensed(text, after, i, j, &places),
                };
            }
        };
        i = place.range.end;
        j += length;
    }
    if text.as_bytes()[i..] != after.as_bytes()[j..] {
        return unlicensed(text, after, i, j, &places);
    }
    if let Some(change) = parameters.amiss(text) {
        return Outcome::Unlicensed(change);
    }
    // A bare name whose database moved with its USE must mean the right table still.
    for occurrence in unchanged_bare {
        if let Some(change) = left_behind(occurrence, &changed_databases, text, mapping) {
            return Outcome::Unlicensed(change);
        }
    }
    if let Some(catalog) = used_catalog {
        if let Some(change) = unchanged
            .into_iter()
            .find_map(|occurrence| wrong_in(occurrence, catalog, text))
        {
            return Outcome::Unlicensed(change);
        }
        changes += 1;
    }
    Outcome::Licensed { changes }
}

/// The catalog that a `USE` goes to which had none in front: names behind it that stay are looked for there now.
#[derive(Default)]
struct Moved(Option<String>);

impl Moved {
    /// What stands between two names.
    fn read(&mut self, text: &str) {
        if self.0.is_some() {
            let lower = text.to_ascii_lowercase();
            if lower.contains("use catalog") || lower.contains("set catalog") {
                self.0 = None;
            }
        }
    }

    /// A name was changed to this.
    fn changes(&mut self, occurrence: &Occurrence, text: &str, new: &str) {
        if occurrence.subject == Subject::Database
            && is_made_current(text, occurrence.range.start)
            && let Some(parts) = name_of(new)
            && let [catalog, _] = parts.as_slice()
        {
            self.0 = Some(catalog.clone());
        }
    }

    /// A name stays; what it means now, if that is not what the mapping says.
    fn stays(&mut self, occurrence: &Occurrence, text: &str) -> Option<Change> {
        if occurrence.subject == Subject::Database
            && occurrence.text.contains('.')
            && is_made_current(text, occurrence.range.start)
        {
            self.0 = None;
        }
        let catalog = self.0.as_deref().filter(|_| is_looked_up(occurrence))?;
        match &occurrence.verdict {
            Verdict::Rewritten { .. } => wrong_in(occurrence, catalog, text),
            _ => {
                let now = format!("{}.{}", quoted(catalog), &text[occurrence.range.clone()]);
                Some(Change {
                    what: format!(
                        "`{}` means `{now}` now, and the mapping does not say so",
                        &text[occurrence.range.clone()]
                    ),
                    ..misread(occurrence, &now, "", text)
                })
            }
        }
    }
}

/// Which names take their catalog from a parameter now, and which of the texts are put in that they need.
struct Parameters<'r> {
    /// The names that need something beside them.
    needing: BTreeSet<(usize, usize)>,
    /// Those of them that were written so.
    written: BTreeSet<(usize, usize)>,
    put_in: BTreeSet<usize>,
    report: &'r AssetReport,
}

impl<'r> Parameters<'r> {
    fn of(report: &'r AssetReport) -> Self {
        let needing = report
            .insertions
            .iter()
            .flat_map(|insertion| &insertion.for_names)
            .map(|range| (range.start, range.end))
            .collect();
        Self {
            needing,
            written: BTreeSet::new(),
            put_in: BTreeSet::new(),
            report,
        }
    }

    /// A place has this new text.
    fn note(&mut self, place: &Place<'_>, new: &str) {
        self.put_in.extend(place.insertion);
        let key = (place.range.start, place.range.end);
        if self.needing.contains(&key) && place.forms.iter().any(|form| form == new) {
            self.written.insert(key);
        }
    }

    /// What is put in and not needed, or needed and not put in.
    fn amiss(&self, text: &str) -> Option<Change> {
        for (index, insertion) in self.report.insertions.iter().enumerate() {
            if insertion.for_names.is_empty() {
                continue;
            }
            let used = |range: &Range<usize>| self.written.contains(&(range.start, range.end));
            let needed = insertion.for_names.iter().any(used);
            if needed == self.put_in.contains(&index) {
                continue;
            }
            let shown = insertion.edit.new.lines().next().unwrap_or_default().trim();
            let what = match needed {
                true => {
                    format!("a name takes its catalog from a parameter, and `{shown}` is missing")
                }
                false => format!("`{shown}` was put in, and no name needs it"),
            };
            let at = insertion.edit.range.start;
            let (line, column) = text::line_and_column(text, at);
            let line_text = line_of(text, at);
            return Some(Change {
                line,
                column,
                what,
                before: line_text.clone(),
                after: line_text,
            });
        }
        None
    }
}

/// Names of any notebook that stay behind a `USE` which went to a catalog must mean the right table there.
fn judge_uses(
    before: &dyn Files,
    (reports, changed): (&[AssetReport], &[BTreeSet<usize>]),
    judged: &mut [Judged],
) {
    let index_of = |path: &str| {
        let found = reports.binary_search_by(|report| report.path.as_str().cmp(path));
        found.ok()
    };
    let behind: BTreeSet<&Behind> = reports.iter().flat_map(|report| &report.behind).collect();
    for one in behind {
        let (Some(used), Some(name)) = (index_of(&one.used.0), index_of(&one.name.0)) else {
            continue;
        };
        let moved = changed[used].contains(&one.used.1) && judged[used].outcome.is_licensed();
        if !moved || changed[name].contains(&one.name.1) {
            continue;
        }
        let catalog = standing_at(&reports[used], one.used.1).find_map(|occurrence| {
            let new = match &occurrence.verdict {
                Verdict::Rewritten { new, .. } => new,
                Verdict::NeedsPerson { candidates, .. } => candidates.first()?,
                Verdict::NotATable { .. } => return None,
            };
            name_of(new.trim_end_matches(".*"))?.into_iter().next()
        });
        let text_of = |index: usize| {
            let bytes = before.read(index).ok()?;
            Some(asset::decode(&reports[index].path, &bytes).ok()?.text)
        };
        let (Some(catalog), Some(text), Some(of_name)) = (catalog, text_of(used), text_of(name))
        else {
            continue;
        };
        let here = standing_at(&reports[name], one.name.1).find(|found| {
            is_looked_up(found)
                || one.is_bare && matches!(found.verdict, Verdict::NeedsPerson { .. })
        });
        let Some(here) = here else { continue };
        let is_right = matches!(here.verdict, Verdict::Rewritten { .. })
            // A name made of texts elsewhere is judged with those.
            && (here.made_of.is_some() || wrong_in(here, &catalog, &of_name).is_none());
        if is_right {
            continue;
        }
        let (line, column) = text::line_and_column(&text, one.used.1);
        let (line_of_name, _) = text::line_and_column(&of_name, one.name.1);
        judged[used].outcome = Outcome::Unlicensed(Change {
            line,
            column,
            what: format!(
                "this goes to the catalog `{catalog}`, and `{}` in line {line_of_name} of {}, which stays, is looked for there now",
                &of_name[here.range.clone()],
                one.name.0
            ),
            before: line_of(&text, one.used.1),
            after: line_of(&text, one.used.1),
        });
    }
}

/// What a name that stayed means under `USE CATALOG`, if that is not what the mapping says.
fn wrong_in(occurrence: &Occurrence, catalog: &str, text: &str) -> Option<Change> {
    let Verdict::Rewritten { new, .. } = &occurrence.verdict else {
        return None;
    };
    let old = occurrence.old.as_deref()?.trim_end_matches(".*");
    let right = format!("{catalog}.{old}").to_lowercase();
    let means = name_of(new.trim_end_matches(".*")).map(|parts| parts.join("."));
    if occurrence.subject == Subject::Path || means.as_deref() == Some(right.as_str()) {
        return None;
    }
    Some(misread(occurrence, &right, new, text))
}

/// A name that stayed and means another table now.
fn misread(occurrence: &Occurrence, now: &str, right: &str, text: &str) -> Change {
    let (line, column) = text::line_and_column(text, occurrence.range.start);
    Change {
        line,
        column,
        what: format!(
            "`{}` means `{now}` now, and the mapping says `{right}`",
            &text[occurrence.range.clone()]
        ),
        before: line_of(text, occurrence.range.start),
        after: line_of(text, occurrence.range.start),
    }
}

fn left_behind(
    occurrence: &Occurrence,
    moved: &[String],
    text: &str,
    mapping: &Mapping,
) -> Option<Change> {
    // What needs a person anyway stays open: it may be no table of this database at all.
    if !matches!(occurrence.verdict, Verdict::Rewritten { .. }) {
        return None;
    }
    let (database, table) = occurrence.old.as_deref()?.split_once('.')?;
    if !moved.iter().any(|moved| moved == database) {
        return None;
    }
    let TableLookup::Mapped(new) = mapping.table(database, table) else {
        return None;
    };
    let DatabaseLookup::One(schema) = mapping.database(database) else {
        return None;
    };
    if new.schema() == schema && new.table.eq_ignore_ascii_case(table) {
        return None;
    }
    let now = format!("{}.{table}", schema.sql());
    Some(misread(occurrence, &now, &new.sql(), text))
}

impl Place<'_> {
    /// The length of a licensed new text at `j`.
    fn changed_length(&self, after: &str, j: usize, old: &str) -> Option<usize> {
        let rest = after.get(j..)?;
        if let Some(form) = self
            .forms
            .iter()
            .filter(|form| rest.starts_with(form.as_str()))
            .max_by_key(|form| form.len())
        {
            return Some(form.len());
        }
        if let Some((parts, length)) = loose_name(rest)
            && self.names.contains(&parts)
        {
            return Some(length);
        }
        self.prefixes.iter().find_map(|prefix| {
            let bare = rest.strip_prefix(prefix.as_str())?;
            bare.starts_with(old).then_some(prefix.len() + old.len())
        })
    }
}

fn places<'r>(
    report: &'r AssetReport,
    text: &str,
    mapping: &Mapping,
    candidates: &[Candidate],
) -> Vec<Place<'r>> {
    let mut places: Vec<Place<'r>> = Vec::new();
    for occurrence in &report.occurrences {
        let mut place = Place {
            range: occurrence.range.clone(),
            forms: Vec::new(),
            names: Vec::new(),
            prefixes: Vec::new(),
            fixed: None,
            occurrence: Some(occurrence),
            insertion: None,
        };
        match &occurrence.verdict {
            Verdict::Rewritten { edits, .. } if occurrence.made_of.is_some() => {
                let made = occurrence.made_of.iter();
                let in_place = made.filter_map(|made| made.in_place.as_ref());
                for edits in in_place.chain([edits]) {
                    let form = applied(text, &occurrence.range, edits);
                    place
                        .forms
                        .extend(form.filter(|form| *form != text[occurrence.range.clone()]));
                }
            }
            Verdict::Rewritten { new, edits } => {
                if let Some(form) = applied(text, &occurrence.range, edits) {
                    place.forms.push(form);
                }
                place.names.extend(name_of(new));
            }
            // The mapping says what it becomes, and not that two tables become one.
            Verdict::NeedsPerson { doubt, .. } if doubt.rule == rule::BESIDE_NEW => {}
            Verdict::NeedsPerson {
                candidates,
                suggestion,
                ..
            } => {
                if !suggestion.is_empty()
                    && let Some(form) = applied(text, &occurrence.range, suggestion)
                {
                    place.forms.push(form);
                }
                // One of several may be the wrong one, and a name in the place of a variable is no longer decided at run time.
                if let [candidate] = candidates.as_slice()
                    && !is_decided_later(occurrence)
                {
                    place.names.extend(name_of(candidate));
                }
                place
                    .names
                    .extend(mapped_name(&text[occurrence.range.clone()], mapping));
                for catalog in mapping.catalogs() {
                    if is_right_in_front(occurrence, catalog, mapping) {
                        place.prefixes.push(format!("{catalog}."));
                        place.prefixes.push(format!("`{catalog}`."));
                    }
                }
            }
            Verdict::NotATable {
                reason: NotATable::Comment,
            } => {
                place
                    .names
                    .extend(mapped_name(&text[occurrence.range.clone()], mapping));
            }
            Verdict::NotATable { reason } => place.fixed = Some(*reason),
        }
        places.push(place);
    }
    // Comments are not reported name by name where a language covers them whole.
    for candidate in candidates
        .iter()
        .filter(|candidate| candidate.shape == Shape::MappedPair)
    {
        let known = places.iter().any(|place| {
            place.range.start < candidate.range.end && place.range.end > candidate.range.start
        });
        if !known {
            places.push(Place {
                range: candidate.range.clone(),
                forms: Vec::new(),
                names: mapped_name(&text[candidate.range.clone()], mapping)
                    .into_iter()
                    .collect(),
                prefixes: Vec::new(),
                fixed: None,
                occurrence: None,
                insertion: None,
            });
        }
    }
    for (index, insertion) in report.insertions.iter().enumerate() {
        if insertion.for_names.is_empty() {
            continue;
        }
        places.push(Place {
            range: insertion.edit.range.clone(),
            forms: vec![insertion.edit.new.clone()],
            names: Vec::new(),
            prefixes: Vec::new(),
            fixed: None,
            occurrence: None,
            insertion: Some(index),
        });
    }
    places.sort_by_key(|place| {
        (
            place.range.start,
            place.insertion.is_none(),
            std::cmp::Reverse(place.range.end),
        )
    });
    places
}

/// Whether parts of a name are put in at run time.
fn is_decided_later(occurrence: &Occurrence) -> bool {
    occurrence.text.contains(fragment::is_placeholder)
}

/// Whether this catalog in front of what stands there is right for every mapped table that it may be.
fn is_right_in_front(occurrence: &Occurrence, catalog: &str, mapping: &Mapping) -> bool {
    let Some(parts) = name_of(&occurrence.text) else {
        return false;
    };
    let known = |part: &'_ str| (!part.contains(fragment::is_placeholder)).then(|| part.to_owned());
    let (database, table) = match (occurrence.subject, parts.as_slice()) {
        (Subject::Path, _) => return false,
        (Subject::Database, [database]) => (known(database), None),
        // A bare name needs a schema too, if it is not a whole name in a variable.
        (_, [whole]) if known(whole).is_some() => return false,
        (_, [_]) => (None, None),
        (_, [database, table]) => (known(database), known(table)),
        _ => return false,
    };
    mapping.only_adds(catalog, database.as_deref(), table.as_deref())
}

/// The parts of a written name, in lower case.
fn name_of(name: &str) -> Option<Vec<String>> {
    let parts = name_parts(name, 0..name.len())?;
    Some(
        parts
            .into_iter()
            .map(|part| part.text.to_lowercase())
            .collect(),
    )
}

fn mapped_name(old: &str, mapping: &Mapping) -> Option<Vec<String>> {
    let parts = name_of(old)?;
    let (database, table) = match parts.as_slice() {
        [database, table] => (database, table),
        [catalog, database, table] if is_metastore(catalog) => (database, table),
        _ => return None,
    };
    match mapping.table(database, table) {
        TableLookup::Mapped(new) => Some(vec![
            new.catalog.to_lowercase(),
            new.schema.to_lowercase(),
            new.table.to_lowercase(),
        ]),
        _ => None,
    }
}

/// The longest dotted name that a text begins with, in lower case, and its length.
fn loose_name(text: &str) -> Option<(Vec<String>, usize)> {
    let mut end = 0;
    let mut in_backticks = false;
    for (at, letter) in text.char_indices() {
        let belongs = letter == '`'
            || in_backticks && letter != '\n'
            || letter.is_alphanumeric()
            || letter == '_'
            || letter == '.';
        if !belongs {
            break;
        }
        if letter == '`' {
            in_backticks = !in_backticks;
        }
        end = at + letter.len_utf8();
    }
    let trimmed = text[..end].trim_end_matches('.').len();
    let parts = name_of(&text[..trimmed])?;
    Some((parts, trimmed))
}

fn line_of(text: &str, at: usize) -> String {
    let at = at.min(text.len());
    let start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    let line = text[start..].lines().next().unwrap_or_default();
    line.chars().take(200).collect()
}

/// Clauses that tools like to lose, as people call them.
const CLAUSES: &[&str] = &[
    "PARTITION",
    "VERSION",
    "TIMESTAMP",
    "TABLESAMPLE",
    "PIVOT",
    "UNPIVOT",
    "LATERAL",
    "LOCATION",
    "USING",
    "PARTITIONED",
    "CLUSTER",
    "TBLPROPERTIES",
    "OPTIONS",
    "ZORDER",
    "WHERE",
    "ORDER",
    "GROUP",
    "HAVING",
    "LIMIT",
    "WINDOW",
    "WITH",
    "COMMENT",
];

/// The first change that nothing licenses, from two places up to which all was fine.
fn unlicensed(before: &str, after: &str, i: usize, j: usize, places: &[Place<'_>]) -> Outcome {
    let same = before.as_bytes()[i..]
        .iter()
        .zip(&after.as_bytes()[j..])
        .take_while(|(a, b)| a == b)
        .count();
    let mut at = i + same;
    while !before.is_char_boundary(at) {
        at -= 1;
    }
    let place = places
        .iter()
        .find(|place| place.range.start <= at && at < place.range.end.max(place.range.start + 1));
    // The word that was hit, from its beginning; a line break or sign is told by itself.
    let in_word = before[at..]
        .chars()
        .next()
        .is_some_and(|letter| letter.is_alphanumeric() || letter == '_' || letter == '%');
    let mut start = at;
    while let Some(letter) = before[..start].chars().next_back() {
        if !in_word || !(letter.is_alphanumeric() || letter == '_' || letter == '%') || start == i {
            break;
        }
        start -= letter.len_utf8();
    }
    let shown: String = before[start..]
        .chars()
        .take_while(|letter| *letter != '\n' && *letter != '\r')
        .take(60)
        .collect();
    let line = line_of(before, start);
    let trimmed = line.trim_start();
    let word: String = shown
        .trim_start()
        .chars()
        .take_while(|letter| letter.is_alphanumeric() || *letter == '_')
        .collect();
    let what = if let Some(place) = place {
        match (place.fixed, place.occurrence) {
            _ if place.insertion.is_some() => {
                "what stands here in front of the old text is not what a parameter needs".to_owned()
            }
            (Some(reason), _) => format!(
                "`{}` is no table ({}), and was changed",
                &before[place.range.clone()],
                reason.words()
            ),
            (
                None,
                Some(Occurrence {
                    verdict: Verdict::NeedsPerson { doubt, .. },
                    ..
                }),
            ) if doubt.rule == rule::BESIDE_NEW => {
                format!(
                    "`{}` was changed, and nobody decided that: {}",
                    &before[place.range.clone()],
                    doubt.message
                )
            }
            _ => format!(
                "`{}` became a name that the mapping does not say",
                &before[place.range.clone()]
            ),
        }
    } else if trimmed.contains("MAGIC %") || trimmed.starts_with('%') {
        format!("the cell marker `{trimmed}`")
    } else if [
        "COMMAND ----------",
        "Databricks notebook source",
        "DBTITLE",
    ]
    .iter()
    .any(|mark| trimmed.contains(mark))
    {
        format!("the notebook line `{trimmed}`")
    } else if trimmed.starts_with("--") || trimmed.starts_with("//") || trimmed.starts_with('#') {
        format!("the comment `{trimmed}`")
    } else if ["--", "//", "/*", "#"]
        .iter()
        .any(|mark| shown.trim_start().starts_with(mark))
    {
        format!("the comment `{}`", shown.trim())
    } else if let Some(clause) = CLAUSES
        .iter()
        .find(|clause| word.eq_ignore_ascii_case(clause))
    {
        format!("the clause {clause}: `{}`", shown.trim())
    } else if shown.trim().is_empty() {
        "white space or a line break".to_owned()
    } else {
        format!("`{}`", shown.trim())
    };
    let (number, column) = text::line_and_column(before, start);
    let mut q = (j + same).min(after.len());
    while !after.is_char_boundary(q) {
        q -= 1;
    }
    Outcome::Unlicensed(Change {
        line: number,
        column,
        what,
        before: line,
        after: line_of(after, q),
    })
}
