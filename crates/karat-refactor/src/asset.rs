//! One asset: read in its format, then settled. Settling sorts what was found, explains every candidate of the independent
//! scanner, and takes back edits that contradict each other, so that the verdicts add up and the edits can be made.

use std::collections::{BTreeSet, HashSet};
use std::ops::Range;

use karat_receipt::Digest;
use serde::Serialize;

use crate::beside::Already;
use crate::candidates::{Candidate, Scanner, Shape};
use crate::constants::Told;
use crate::current::{Behind, without_moving_others};
use crate::edit::{Edit, Insertion};
use crate::format::{self, Format};
use crate::fragment::Fragment;
use crate::mapping::{Mapping, TableLookup};
use crate::occurrence::{
    Call, Doubt, Finding, Found, Means, NotATable, Occurrence, Passed, Region, Role, Severity,
    Subject, Verdict, rule,
};
use crate::reader::{Reader, is_metastore, name_parts};
use crate::report::Issue;
use crate::report::decisions::Applied;
use crate::rules;
use crate::session::Session;
use crate::shape::{self, Parsed};
use crate::text::{self, Encoding};

/// Everything about one asset.
#[derive(Clone, Debug, Serialize)]
pub struct AssetReport {
    /// Its path in the estate, with `/`; members of archives as `archive.dbc!/member`.
    pub path: String,
    /// What it is; `None` if it is no text.
    pub format: Option<Format>,
    /// Its encoding; `None` if it is no text.
    pub encoding: Option<&'static str>,
    /// Bytes.
    pub size_bytes: u64,
    /// SHA-256 of its bytes.
    pub digest: String,
    /// How many candidates the independent scanner found.
    pub candidates: usize,
    /// How many of them no language explained; each is an occurrence that needs a person.
    pub unexplained: usize,
    /// What was found, in the order of the text.
    pub occurrences: Vec<Occurrence>,
    /// Line and column of each occurrence, from 1.
    pub places: Vec<(usize, usize)>,
    /// Findings about the code, in the order of the text.
    pub findings: Vec<Finding>,
    /// Line and column of each finding, from 1.
    pub finding_places: Vec<(usize, usize)>,
    /// What it runs or includes.
    pub calls: Vec<Call>,
    /// What it passes to notebooks.
    #[serde(skip)]
    pub passed: Vec<Passed>,
    /// Statements that are put in; edits like any other.
    pub insertions: Vec<Insertion>,
    /// Why the asset could not be read as a whole, if so.
    pub trouble: Option<Doubt>,
    /// How its texts parse, in the order of the text, if that was asked for.
    #[serde(skip)]
    pub shapes: Vec<Parsed>,
    /// What it does with texts that fill names, in it and in notebooks that it includes.
    #[serde(skip)]
    pub told: Told,
    /// Everything open or rewritten with its line, if it was asked for.
    #[serde(skip)]
    pub issues: Vec<Issue>,
    /// What decisions of people did.
    #[serde(skip)]
    pub decided: Applied,
    /// Names that are looked up behind a `USE`, here and in notebooks that it includes.
    #[serde(skip)]
    pub(crate) behind: BTreeSet<Behind>,
    /// New names that it has already.
    #[serde(skip)]
    pub(crate) already: BTreeSet<Already>,
}

impl AssetReport {
    /// The edits that are made, in order; they do not overlap.
    pub fn edits(&self) -> Vec<Edit> {
        let mut edits = edits_of(&self.occurrences);
        edits.extend(self.insertions.iter().map(|one| one.edit.clone()));
        edits.sort_by_key(|edit| (edit.range.start, edit.range.end));
        edits
    }

    /// How many occurrences have each verdict: rewritten, not a table, needs a person.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for occurrence in &self.occurrences {
            match occurrence.verdict {
                Verdict::Rewritten { .. } => counts.rewritten += 1,
                Verdict::NotATable { .. } => counts.not_a_table += 1,
                Verdict::NeedsPerson { .. } => counts.needs_person += 1,
            }
        }
        counts
    }

    /// Whether a person must look at something.
    pub fn needs_person(&self) -> bool {
        self.trouble.is_some()
            || self.counts().needs_person > 0
            || self
                .findings
                .iter()
                .any(|finding| finding.severity > Severity::Note)
    }

    /// An asset that could not be read.
    pub fn unread(path: &str, bytes: &[u8], trouble: Doubt) -> Self {
        Self {
            path: path.to_owned(),
            format: None,
            encoding: None,
            size_bytes: bytes.len() as u64,
            digest: Digest::of(bytes).to_string(),
            candidates: 0,
            unexplained: 0,
            occurrences: Vec::new(),
            places: Vec::new(),
            findings: Vec::new(),
            finding_places: Vec::new(),
            calls: Vec::new(),
            passed: Vec::new(),
            insertions: Vec::new(),
            trouble: Some(trouble),
            shapes: Vec::new(),
            told: Told::default(),
            issues: Vec::new(),
            decided: Applied::default(),
            behind: BTreeSet::new(),
            already: BTreeSet::new(),
        }
    }
}

/// Occurrences by verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Rewritten.
    pub rewritten: usize,
    /// Proven not a table.
    pub not_a_table: usize,
    /// For a person.
    pub needs_person: usize,
}

impl Counts {
    /// All of them.
    pub fn total(self) -> usize {
        self.rewritten + self.not_a_table + self.needs_person
    }

    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            rewritten: self.rewritten + other.rewritten,
            not_a_table: self.not_a_table + other.not_a_table,
            needs_person: self.needs_person + other.needs_person,
        }
    }
}

fn edits_of(occurrences: &[Occurrence]) -> Vec<Edit> {
    let mut edits: Vec<Edit> = occurrences
        .iter()
        .filter_map(|occurrence| match &occurrence.verdict {
            Verdict::Rewritten { edits, .. } => Some(edits),
            _ => None,
        })
        .flatten()
        .cloned()
        .collect();
    edits.sort_by(|a, b| {
        (a.range.start, a.range.end, &a.new).cmp(&(b.range.start, b.range.end, &b.new))
    });
    edits.dedup();
    edits
}

/// A decoded file.
#[derive(Clone, Debug)]
pub struct Decoded {
    /// Its text, without byte order mark.
    pub text: String,
    /// How bytes stand for it.
    pub encoding: Encoding,
    /// What it is.
    pub format: Format,
}

/// Reads a decoded file with a reader; what was found, and the session it leaves.
pub fn read(mut reader: Reader<'_>, decoded: &Decoded) -> (Found, Session) {
    let root = Fragment::root(decoded.text.clone(), decoded.format.name());
    reader.format = Some(decoded.format);
    format::read(&mut reader, &root, decoded.format);
    let of_data = reader
        .options
        .shapes
        .then(|| shape::of_data(&decoded.text, decoded.format));
    let (mut found, session) = reader.finish();
    found.shapes.extend(of_data.flatten());
    (found, session)
}

/// Settles what was found in a file.
pub fn settle(
    path: &str,
    bytes: &[u8],
    decoded: &Decoded,
    found: Found,
    scanner: &Scanner<'_>,
) -> AssetReport {
    let Found {
        mut occurrences,
        mut findings,
        regions,
        mut passed,
        mut calls,
        mut insertions,
        mut shapes,
        unparsed,
        told,
        already,
    } = found;
    order(&mut occurrences);
    let candidates = scanner.candidates(&decoded.text);
    let mut unexplained = 0;
    let covering = Covering::of(&occurrences);
    let mut regions = Regions::of(&regions);
    let mut added = Vec::new();
    for candidate in &candidates {
        if covering.covers(&occurrences, candidate) {
            continue;
        }
        let means = regions.over(&candidate.written).cloned();
        let verdict = explain(&decoded.text, candidate, means);
        if let Verdict::NeedsPerson { doubt, .. } = &verdict
            && doubt.rule == rule::NOT_UNDERSTOOD
        {
            unexplained += 1;
        }
        added.push(Occurrence {
            range: candidate.range.clone(),
            text: decoded.text[candidate.range.clone()].to_owned(),
            layers: vec![decoded.format.name().to_owned()],
            subject: if candidate.shape == Shape::Path {
                Subject::Path
            } else {
                Subject::Candidate
            },
            role: Role::Name,
            old: None,
            tables: Vec::new(),
            verdict,
            made_of: None,
        });
    }
    occurrences.append(&mut added);
    order(&mut occurrences);
    without_collisions(&mut occurrences, &decoded.text);
    without_new_quotes(&mut occurrences, &unparsed);
    without_gluing(&mut occurrences, &decoded.text);
    without_moving_others(&mut occurrences, &decoded.text);
    without_use(&mut insertions, &occurrences);
    rules::about_new_paths(&mut findings, &occurrences);
    findings.sort_by(|a, b| {
        (a.range.start, a.range.end, &a.doubt).cmp(&(b.range.start, b.range.end, &b.doubt))
    });
    findings.dedup();
    passed.sort();
    passed.dedup();
    calls.sort();
    calls.dedup();
    shapes.sort();
    shapes.dedup();
    let lines = Lines::of(&decoded.text);
    AssetReport {
        path: path.to_owned(),
        format: Some(decoded.format),
        encoding: Some(decoded.encoding.name()),
        size_bytes: bytes.len() as u64,
        digest: Digest::of(bytes).to_string(),
        candidates: candidates.len(),
        unexplained,
        places: occurrences
            .iter()
            .map(|found| lines.place(&decoded.text, found.range.start))
            .collect(),
        finding_places: findings
            .iter()
            .map(|found| lines.place(&decoded.text, found.range.start))
            .collect(),
        occurrences,
        findings,
        calls,
        passed,
        insertions,
        trouble: None,
        shapes,
        told,
        issues: Vec::new(),
        decided: Applied::default(),
        behind: BTreeSet::new(),
        already,
    }
}

/// Reads and settles the bytes of a file, given a reader for its text.
pub fn decode(path: &str, bytes: &[u8]) -> Result<Decoded, Doubt> {
    let (text, encoding) =
        text::decode(bytes).map_err(|error| Doubt::new("file/not-text", error.to_string()))?;
    let format = Format::of(path, &text);
    Ok(Decoded {
        text,
        encoding,
        format,
    })
}

fn order(occurrences: &mut Vec<Occurrence>) {
    let weight = |occurrence: &Occurrence| match occurrence.verdict {
        Verdict::NeedsPerson { .. } => 0,
        Verdict::Rewritten { .. } => 1,
        Verdict::NotATable { .. } => 2,
    };
    occurrences.sort_by(|a, b| {
        (
            a.range.start,
            a.range.end,
            weight(a),
            &a.text,
            a.subject,
            a.role,
        )
            .cmp(&(
                b.range.start,
                b.range.end,
                weight(b),
                &b.text,
                b.subject,
                b.role,
            ))
    });
    // The same text may be read in several ways (once by each caller, once in each branch): equal readings are one.
    occurrences.dedup_by(|later, first| {
        let equal = later.range == first.range && later.verdict == first.verdict;
        if equal {
            join_tables(first, &mut later.tables);
        }
        equal
    });
}

/// One place, read twice: it stands for the tables of both readings.
fn join_tables(first: &mut Occurrence, others: &mut Vec<String>) {
    first.tables.append(others);
    first.tables.sort();
    first.tables.dedup();
}

/// Regions, asked about places in the order of the text: a large file has as many regions as candidates.
struct Regions<'r> {
    regions: &'r [Region],
    by_start: Vec<usize>,
    /// How many of `by_start` have begun.
    begun: usize,
    /// Those that have begun and not ended.
    open: BTreeSet<usize>,
}

impl<'r> Regions<'r> {
    fn of(regions: &'r [Region]) -> Self {
        let mut by_start: Vec<usize> = (0..regions.len()).collect();
        by_start.sort_by_key(|index| regions[*index].range.start);
        Self {
            regions,
            by_start,
            begun: 0,
            open: BTreeSet::new(),
        }
    }

    /// What the last region that holds a place says; places must not go backwards.
    fn over(&mut self, place: &Range<usize>) -> Option<&'r Means> {
        let regions = self.regions;
        while let Some(index) = self.by_start.get(self.begun)
            && regions[*index].range.start <= place.start
        {
            self.open.insert(*index);
            self.begun += 1;
        }
        self.open
            .retain(|index| regions[*index].range.end > place.start);
        let holding = |index: &&usize| regions[**index].range.end >= place.end;
        let last = self.open.iter().rev().find(holding);
        last.map(|index| &regions[*index].means)
    }
}

/// Which occurrences cover a place.
struct Covering {
    /// The greatest end among the occurrences up to each one.
    ends: Vec<usize>,
}

impl Covering {
    fn of(occurrences: &[Occurrence]) -> Self {
        let mut end = 0;
        let ends = occurrences
            .iter()
            .map(|occurrence| {
                end = end.max(occurrence.range.end);
                end
            })
            .collect();
        Self { ends }
    }

    fn covers(&self, occurrences: &[Occurrence], candidate: &Candidate) -> bool {
        let behind =
            occurrences.partition_point(|occurrence| occurrence.range.start < candidate.range.end);
        for at in (0..behind).rev() {
            if self.ends[at] <= candidate.range.start {
                return false;
            }
            let occurrence = &occurrences[at];
            let inside = occurrence.range.start <= candidate.written.start
                && candidate.written.end <= occurrence.range.end;
            let touches = occurrence.range.end > candidate.range.start;
            // Something that was proven harmless explains only what lies in it; an edit or a question also what it touches.
            if inside || touches && !matches!(occurrence.verdict, Verdict::NotATable { .. }) {
                return true;
            }
        }
        false
    }
}

/// The verdict on a candidate that no occurrence covers.
fn explain(text: &str, candidate: &Candidate, means: Option<Means>) -> Verdict {
    let not = |reason| Verdict::NotATable { reason };
    let before = &text[..candidate.range.start];
    let behind = &text[candidate.range.end..];
    if candidate.shape == Shape::Path {
        return match means {
            Some(Means::NotATable(reason @ (NotATable::Comment | NotATable::WorkspacePath))) => {
                not(reason)
            }
            _ => Verdict::NeedsPerson {
                doubt: Doubt::new(
                    rule::PATH,
                    "a mapped path in a place where karat does not move paths",
                ),
                candidates: Vec::new(),
                suggestion: Vec::new(),
            },
        };
    }
    match means {
        Some(Means::NotATable(reason)) => return not(reason),
        _ if candidate.shape != Shape::Bare && has_parts_in_front(before) => {
            return not(NotATable::LongerName);
        }
        Some(Means::NeedsPerson(doubt)) => {
            return Verdict::NeedsPerson {
                doubt,
                candidates: Vec::new(),
                suggestion: Vec::new(),
            };
        }
        None => {}
    }
    if before.ends_with('@') || before.ends_with("://") {
        return not(NotATable::HostOrFile);
    }
    if candidate.shape == Shape::Pair && (before.ends_with(['/', '\\']) || behind.starts_with('/'))
    {
        return not(NotATable::PathSegment);
    }
    const FILES: &[&str] = &[
        ".csv", ".json", ".parquet", ".py", ".sql", ".txt", ".xlsx", ".xml", ".yml", ".yaml",
        ".zip", ".gz", ".com", ".net", ".org",
    ];
    let shown = text[candidate.range.clone()].to_ascii_lowercase();
    if candidate.shape == Shape::Pair && FILES.iter().any(|end| shown.ends_with(end)) {
        return not(NotATable::HostOrFile);
    }
    Verdict::NeedsPerson {
        doubt: Doubt::new(
            rule::NOT_UNDERSTOOD,
            "looks like a mapped name, in a place that karat does not understand",
        ),
        candidates: Vec::new(),
        suggestion: Vec::new(),
    }
}

/// Whether other parts of one dotted name stand right in front, written out from its beginning: `app.sales.orders` is no name of the metastore,
/// whose own names are the only ones that may stand in front of a database.
fn has_parts_in_front(before: &str) -> bool {
    /// No name is longer.
    const FRONT_MAX: usize = 256;
    let Some(parts) = before.strip_suffix('.') else {
        return false;
    };
    let belongs = |letter: char| letter.is_alphanumeric() || letter == '_' || letter == '.';
    let mut letters = parts.chars().rev().take(FRONT_MAX);
    let boundary = letters.find(|letter| !belongs(*letter));
    let length: usize = parts
        .chars()
        .rev()
        .take(FRONT_MAX)
        .take_while(|letter| belongs(*letter))
        .map(char::len_utf8)
        .sum();
    let front = &parts[parts.len() - length..];
    let is_whole = match boundary {
        Some(letter) => letter.is_whitespace() || "'\"(,=[;".contains(letter),
        None => length == parts.len(),
    };
    let begins_like_a_name =
        front.starts_with(|letter: char| letter.is_alphabetic() || letter == '_');
    let last = front.rsplit('.').next().unwrap_or(front);
    is_whole
        && begins_like_a_name
        && !front.contains("..")
        && !last.is_empty()
        && !is_metastore(last)
}

/// Where two occurrences want different bytes in one place, or one says table and the other not, a person decides.
fn without_collisions(occurrences: &mut Vec<Occurrence>, text: &str) {
    let doubt = |message: String| Verdict::NeedsPerson {
        doubt: Doubt::new(rule::CONTRADICTION, message),
        candidates: Vec::new(),
        suggestion: Vec::new(),
    };
    // One place, one verdict: code that runs twice, or in two branches, is read twice.
    let mut settled: Vec<Occurrence> = Vec::with_capacity(occurrences.len());
    for mut occurrence in occurrences.drain(..) {
        let Some(first) = settled
            .last_mut()
            .filter(|first| first.range == occurrence.range)
        else {
            settled.push(occurrence);
            continue;
        };
        match (&first.verdict, &occurrence.verdict) {
            (Verdict::Rewritten { edits, .. }, Verdict::Rewritten { edits: others, .. })
                if edits == others => {}
            (Verdict::Rewritten { new, .. }, _) | (_, Verdict::Rewritten { new, .. }) => {
                let message = format!(
                    "this place is read in more than one way; one of them makes `{new}` of it"
                );
                if !matches!(first.verdict, Verdict::NeedsPerson { .. }) {
                    first.verdict = doubt(message);
                }
            }
            // In order: what needs a person comes first.
            _ => {}
        }
        join_tables(first, &mut occurrence.tables);
    }
    *occurrences = settled;
    // Edits that overlap, or do not fit the text.
    let mut edits: Vec<(Range<usize>, String, usize)> = Vec::new();
    for (index, occurrence) in occurrences.iter().enumerate() {
        if let Verdict::Rewritten { edits: wanted, .. } = &occurrence.verdict {
            edits.extend(
                wanted
                    .iter()
                    .map(|edit| (edit.range.clone(), edit.new.clone(), index)),
            );
        }
    }
    edits.sort_by(|a, b| (a.0.start, a.0.end, &a.1).cmp(&(b.0.start, b.0.end, &b.1)));
    let mut wrong = Vec::new();
    for pair in edits.windows(2) {
        let (first, second) = (&pair[0], &pair[1]);
        let same = first.0 == second.0 && first.1 == second.1;
        let overlap = second.0.start < first.0.end || first.0 == second.0;
        if overlap && !same {
            wrong.extend([first.2, second.2]);
        }
    }
    wrong.extend(
        edits
            .iter()
            .filter(|(range, _, _)| text.get(range.clone()).is_none())
            .map(|(_, _, index)| *index),
    );
    for index in wrong {
        occurrences[index].verdict = doubt("two edits would change the same bytes".to_owned());
    }
}

/// Rewrites names that stand in comments as they are written: two parts, both mapped.
pub(crate) fn rewrite_comments(report: &mut AssetReport, text: &str, mapping: &Mapping) {
    for occurrence in &mut report.occurrences {
        let comment = Verdict::NotATable {
            reason: NotATable::Comment,
        };
        if occurrence.verdict != comment {
            continue;
        }
        let range = occurrence.range.clone();
        let (Some(before), Some(old)) = (text.get(..range.start), text.get(range.clone())) else {
            continue;
        };
        // A part of a longer name, a path or an address; a hint to the planner is no prose.
        let hint = before
            .rfind("/*")
            .is_some_and(|at| before[at..].starts_with("/*+") && !before[at..].contains("*/"));
        if hint || before.ends_with(['.', '/', '\\', '@', '`', ':']) {
            continue;
        }
        let Some(parts) = name_parts(old, 0..old.len()) else {
            continue;
        };
        let [database, table] = parts.as_slice() else {
            continue;
        };
        let TableLookup::Mapped(new) = mapping.table(&database.text, &table.text) else {
            continue;
        };
        let new = new.sql();
        occurrence.old = Some(format!("{}.{}", database.text, table.text).to_lowercase());
        occurrence.verdict = Verdict::Rewritten {
            edits: vec![Edit {
                range,
                old: old.to_owned(),
                new: new.clone(),
            }],
            new,
        };
    }
}

/// Drops insertions of which no edited name needs any more.
pub(crate) fn without_use(insertions: &mut Vec<Insertion>, occurrences: &[Occurrence]) {
    let edited: HashSet<&Range<usize>> = occurrences
        .iter()
        .filter(|occurrence| matches!(&occurrence.verdict, Verdict::Rewritten { edits, .. } if !edits.is_empty()))
        .map(|occurrence| &occurrence.range)
        .collect();
    insertions.retain_mut(|insertion| {
        insertion.for_names.retain(|range| edited.contains(range));
        !insertion.for_names.is_empty()
    });
}

/// Where a program does not parse, a backtick more may pair up with one that stands about, so that other code is read as text.
fn without_new_quotes(occurrences: &mut [Occurrence], unparsed: &[Range<usize>]) {
    if unparsed.is_empty() {
        return;
    }
    for occurrence in occurrences {
        let place = &occurrence.range;
        let lies_in = |whole: &Range<usize>| whole.start <= place.start && place.end <= whole.end;
        if let Verdict::Rewritten { new, edits } = &occurrence.verdict
            && edits
                .iter()
                .any(|edit| edit.new.contains('`') && !edit.old.contains('`'))
            && unparsed.iter().any(lies_in)
        {
            let message = "the new name needs backticks, and the code around it does not parse";
            occurrence.verdict = Verdict::NeedsPerson {
                doubt: Doubt::new(rule::SCATTERED, message),
                candidates: vec![new.clone()],
                suggestion: edits.clone(),
            };
        }
    }
}

/// A backtick parts a name from a letter beside it, in code that is broken there; without it they would be one word.
fn without_gluing(occurrences: &mut [Occurrence], text: &str) {
    let is_letter = |letter: char| letter.is_alphanumeric() || letter == '_';
    let glues = |edit: &Edit| {
        let loses = |of: fn(&str, char) -> bool| of(&edit.old, '`') && !of(&edit.new, '`');
        let mut before = text[..edit.range.start].chars().rev();
        // The `n` of `\n` is no letter.
        let behind_letter = before.next().is_some_and(is_letter) && before.next() != Some('\\');
        let before_letter = text[edit.range.end..].starts_with(is_letter);
        behind_letter && loses(|text, c| text.starts_with(c))
            || before_letter && loses(|text, c| text.ends_with(c))
    };
    for occurrence in occurrences {
        if let Verdict::Rewritten { new, edits } = &occurrence.verdict
            && edits.iter().any(glues)
        {
            let message = "a letter touches the backtick of the name";
            occurrence.verdict = Verdict::NeedsPerson {
                doubt: Doubt::new(rule::SCATTERED, message),
                candidates: vec![new.clone()],
                suggestion: Vec::new(),
            };
        }
    }
}

/// The starts of a text's lines.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Self {
        let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        Self(
            std::iter::once(0)
                .chain(breaks.map(|(at, _)| at + 1))
                .collect(),
        )
    }

    /// Line and column in characters, from 1.
    fn place(&self, text: &str, at: usize) -> (usize, usize) {
        let line = self.0.partition_point(|start| *start <= at).max(1);
        let start = self.0[line - 1];
        let column = text
            .get(start..at)
            .map_or(0, |before| before.chars().count());
        (line, column + 1)
    }
}
