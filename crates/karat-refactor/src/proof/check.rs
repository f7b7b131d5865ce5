//! Whether a proof holds: of these two trees and this mapping, from its digests to the lineage. The first thing that does not hold is told.
//!
//! The proof is read as a claim. Both trees are read and scanned anew; that every edit is licensed is for [`crate::verify`], which never
//! sees a proof.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use karat_receipt::Digest;
use serde::Serialize;

use super::{FileProof, Proof, VERSION};
use crate::asset::{self, AssetReport, Decoded};
use crate::edit::Edit;
use crate::estate::{Files, in_parallel, scan};
use crate::lineage::{Lineage, Used, new_name};
use crate::mapping::Mapping;
use crate::occurrence::Role;
use crate::reader::Options;
use crate::shape::Parsed;
use crate::text::{self, Encoding};

/// A tree of files.
#[derive(Clone, Copy)]
pub struct Tree<'t> {
    /// Its assets.
    pub files: &'t dyn Files,
    /// All its files, read as assets or not, and their SHA-256.
    pub digests: &'t BTreeMap<String, String>,
}

/// What holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Holds {
    /// Files of the tree.
    pub files: usize,
    /// Edits.
    pub edits: usize,
    /// Tables that are read or written under their new names.
    pub tables: usize,
    /// Texts that parse as before.
    pub texts: usize,
}

/// The first thing that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{}{what}", path.as_ref().map(|path| format!("{path}: ")).unwrap_or_default())]
pub struct Fault {
    /// The file, if it is one file.
    pub path: Option<String>,
    /// What is wrong.
    pub what: String,
}

fn of_file(path: &str, what: impl Into<String>) -> Fault {
    Fault {
        path: Some(path.to_owned()),
        what: what.into(),
    }
}

fn of_proof(what: impl Into<String>) -> Fault {
    Fault {
        path: None,
        what: what.into(),
    }
}

/// Checks a proof file against two trees and a mapping.
pub fn check(
    proof: &[u8],
    before: Tree<'_>,
    after: Tree<'_>,
    mapping: &Mapping,
    threads: usize,
) -> Result<Holds, Fault> {
    let proof: Proof = serde_json::from_slice(proof).map_err(|error| {
        of_proof(format!(
            "the file is no proof of `karat refactor apply`: {error}"
        ))
    })?;
    if proof.refactor_proof != VERSION {
        return Err(of_proof(format!(
            "the proof has form {}, and this karat reads form {VERSION}; use the karat that wrote it ({})",
            proof.refactor_proof, proof.karat
        )));
    }
    if proof.mapping != mapping.digest() {
        return Err(of_proof(format!(
            "the proof was made with another mapping: what it says has the SHA-256 {}, that of this one is {}",
            proof.mapping,
            mapping.digest()
        )));
    }
    let mut listed: BTreeMap<&str, &FileProof> = BTreeMap::new();
    for file in &proof.files {
        if listed.insert(&file.path, file).is_some() {
            return Err(of_file(&file.path, "the proof lists it twice"));
        }
    }
    digests(&listed, before.digests, after.digests)?;
    let changes = changes(&listed, before, after, threads)?;
    unlisted_members(&listed, before, after)?;

    let options = Options {
        shapes: true,
        ..Options::default()
    };
    let old = scan(before.files, mapping, &options, threads);
    let new = scan(after.files, mapping, &options, threads);
    let (rewritten, not_a_table, needs_person) = proof.verdicts;
    let counted = rewritten + not_a_table + needs_person;
    if counted != old.counts().total() {
        return Err(of_proof(format!(
            "the proof counts {counted} occurrences, and there are {} in the tree before",
            old.counts().total()
        )));
    }
    let mut holds = Holds {
        files: before.digests.len(),
        ..Holds::default()
    };
    for report in &old.assets {
        let path = report.path.as_str();
        let Ok(index) = after.files.paths().binary_search(&report.path) else {
            return Err(of_file(path, "it cannot be read in the tree after"));
        };
        let edits = changes.get(path).map(Vec::as_slice).unwrap_or_default();
        holds.edits += edits.len();
        let file = listed.get(path).copied();
        holds.tables += lineage(file, report, &new.assets[index], edits, mapping)?;
        holds.texts += shapes(report, &new.assets[index], edits)?;
    }
    Ok(holds)
}

/// That the proof lists the files of both trees, no others, with their digests.
fn digests(
    listed: &BTreeMap<&str, &FileProof>,
    before: &BTreeMap<String, String>,
    after: &BTreeMap<String, String>,
) -> Result<(), Fault> {
    for (path, digest) in before {
        let Some(file) = listed.get(path.as_str()) else {
            return Err(of_file(
                path,
                "it is in the tree before, and the proof does not list it",
            ));
        };
        if file.before != *digest {
            return Err(of_file(
                path,
                format!(
                    "it is not the file that the proof was made of: its SHA-256 before is {digest}, the proof says {}",
                    file.before
                ),
            ));
        }
        if !after.contains_key(path) {
            return Err(of_file(path, "it is gone from the tree after"));
        }
    }
    for (path, digest) in after {
        let Some(file) = listed
            .get(path.as_str())
            .filter(|_| before.contains_key(path))
        else {
            return Err(of_file(
                path,
                "it is in the tree after, and was not there before",
            ));
        };
        if file.after != *digest {
            return Err(of_file(
                path,
                format!(
                    "it is not the file that the proof leads to: its SHA-256 after is {digest}, the proof says {}",
                    file.after
                ),
            ));
        }
    }
    for path in listed.keys().filter(|path| !before.contains_key(**path)) {
        let archive = path
            .split_once("!/")
            .and_then(|(archive, _)| listed.get(archive));
        if !archive.is_some_and(|archive| archive.archive) {
            return Err(of_file(
                path,
                "the proof lists it, and it is not in the tree before",
            ));
        }
    }
    Ok(())
}

/// That the listed edits stand where they say and make each file what it is after; the edits of each file in its text.
fn changes<'p>(
    listed: &BTreeMap<&'p str, &FileProof>,
    before: Tree<'_>,
    after: Tree<'_>,
    threads: usize,
) -> Result<BTreeMap<&'p str, Vec<Edit>>, Fault> {
    let files: Vec<(&'p str, &FileProof)> =
        listed.iter().map(|(path, file)| (*path, *file)).collect();
    let checked = in_parallel(files.len(), threads, |index| {
        let (path, file) = files[index];
        if file.archive {
            return match file.edits.is_empty() && file.before != file.after {
                true => Ok(Vec::new()),
                false => Err(of_file(
                    path,
                    "the proof calls it an archive with changed members, and it is none",
                )),
            };
        }
        if file.edits.is_empty() {
            return match file.before == file.after {
                true => Ok(Vec::new()),
                false => Err(of_file(
                    path,
                    "it changed, and the proof lists no edit of it",
                )),
            };
        }
        one_change(path, file, before.files, after.files).map_err(|what| of_file(path, what))
    });
    let mut changes = BTreeMap::new();
    for ((path, _), edits) in files.iter().zip(checked) {
        let edits = edits?;
        if !edits.is_empty() {
            changes.insert(*path, edits);
        }
    }
    Ok(changes)
}

fn one_change(
    path: &str,
    file: &FileProof,
    before: &dyn Files,
    after: &dyn Files,
) -> Result<Vec<Edit>, String> {
    let read = |files: &dyn Files, when: &str| {
        let index = files
            .paths()
            .binary_search_by(|known| known.as_str().cmp(path));
        let index = index.map_err(|_| {
            format!("the proof lists edits of it, and there is no such text in the tree {when}")
        })?;
        files
            .read(index)
            .map_err(|doubt| format!("it cannot be read in the tree {when}: {}", doubt.message))
    };
    let (old, new) = (read(before, "before")?, read(after, "after")?);
    for (bytes, digest, when) in [(&old, &file.before, "before"), (&new, &file.after, "after")] {
        let found = Digest::of(bytes).to_string();
        if found != *digest {
            return Err(format!(
                "its SHA-256 {when} is {found}, the proof says {digest}"
            ));
        }
    }
    let decoded =
        asset::decode(path, &old).map_err(|doubt| format!("it is no text: {}", doubt.message))?;
    if decoded.encoding.name() != file.encoding {
        return Err(format!(
            "its encoding is {}, the proof says {}",
            decoded.encoding.name(),
            file.encoding
        ));
    }
    let edits = edits_in_text(file, &decoded)?;
    let made =
        text::edited(&old, &decoded.text, decoded.encoding, &edits).map_err(|refusal| refusal.0)?;
    if made == new {
        return Ok(edits);
    }
    let same = made
        .iter()
        .zip(&new)
        .take_while(|(made, new)| made == new)
        .count();
    Err(format!(
        "its edits and nothing else do not give the file after: byte {same} is another"
    ))
}

/// The edits of a file, from bytes to its text.
fn edits_in_text(file: &FileProof, decoded: &Decoded) -> Result<Vec<Edit>, String> {
    let text = decoded.text.as_str();
    let mut places = Places::of(text, decoded.encoding);
    let mut edits = Vec::with_capacity(file.edits.len());
    let mut last = 0;
    for (number, edit) in file.edits.iter().enumerate() {
        let named = format!(
            "edit {} at byte {} (`{}` to `{}`)",
            number + 1,
            edit.at,
            edit.old,
            edit.new
        );
        if edit.old == edit.new {
            return Err(format!("{named} changes nothing"));
        }
        if edit.at < last {
            return Err(format!("{named} lies in or before the one in front of it"));
        }
        let stands = places
            .text_at(edit.at)
            .filter(|start| text[*start..].starts_with(&edit.old));
        let Some(start) = stands else {
            return Err(format!(
                "{named} is not where it says: something else stands there"
            ));
        };
        let range = start..start + edit.old.len();
        last = edit.at + decoded.encoding.length(&edit.old);
        edits.push(Edit {
            range,
            old: edit.old.clone(),
            new: edit.new.clone(),
        });
    }
    Ok(edits)
}

/// From bytes of a file to bytes of its text, in one pass.
struct Places<'t> {
    letters: std::str::CharIndices<'t>,
    encoding: Encoding,
    text_length: usize,
    /// Where the pass is, in bytes of the file and of the text.
    now: (usize, usize),
}

impl<'t> Places<'t> {
    fn of(text: &'t str, encoding: Encoding) -> Self {
        Self {
            letters: text.char_indices(),
            encoding,
            text_length: text.len(),
            now: (encoding.mark(), 0),
        }
    }

    /// The place in the text that begins at a byte of the file; `None` if no letter does. Not backwards.
    fn text_at(&mut self, byte: usize) -> Option<usize> {
        while self.now.0 < byte {
            let (at, letter) = self.letters.next()?;
            self.now.0 += self.encoding.length(letter.encode_utf8(&mut [0; 4]));
            self.now.1 = at + letter.len_utf8();
        }
        (self.now.0 == byte && self.now.1 <= self.text_length).then_some(self.now.1)
    }
}

/// That members of changed archives which the proof does not list are as they were.
fn unlisted_members(
    listed: &BTreeMap<&str, &FileProof>,
    before: Tree<'_>,
    after: Tree<'_>,
) -> Result<(), Fault> {
    let of_archive = |path: &str| {
        let archive = path
            .split_once("!/")
            .and_then(|(archive, _)| listed.get(archive));
        archive.is_some_and(|archive| archive.archive)
    };
    for (index, path) in before.files.paths().iter().enumerate() {
        if listed.contains_key(path.as_str()) || !of_archive(path) {
            continue;
        }
        let Ok(other) = after.files.paths().binary_search(path) else {
            return Err(of_file(path, "it is gone from the archive after"));
        };
        if before.files.read(index).ok() != after.files.read(other).ok() {
            return Err(of_file(path, "it changed, and the proof does not list it"));
        }
    }
    for path in after.files.paths() {
        if of_archive(path) && before.files.paths().binary_search(path).is_err() {
            return Err(of_file(
                path,
                "it is in the archive after, and was not there before",
            ));
        }
    }
    Ok(())
}

/// That the tables after are those that the mapping makes of the tables before; how many.
fn lineage(
    file: Option<&FileProof>,
    old: &AssetReport,
    new: &AssetReport,
    edits: &[Edit],
    mapping: &Mapping,
) -> Result<usize, Fault> {
    let path = old.path.as_str();
    let does = |(role, table): &Used| {
        format!(
            "{} `{table}`",
            if *role == Role::Write {
                "writes"
            } else {
                "reads"
            }
        )
    };
    let (before, after) = (Lineage::of(old, mapping), Lineage::of(new, mapping));
    let told = file.map(FileProof::moved).unwrap_or_default();
    if file.is_some_and(|file| file.reads.len() + file.writes.len() != told.len()) {
        return Err(of_file(path, "the proof tells of a table twice"));
    }
    // A file that the run left alone, because a patch cannot show it, keeps its names.
    let left_alone = told.is_empty() && edits.is_empty() && !old.edits().is_empty();
    let expected: BTreeSet<Used> = if left_alone {
        before.places.keys().cloned().collect()
    } else {
        for (used, new) in &before.moved {
            if told.get(used) != Some(new) {
                return Err(of_file(
                    path,
                    format!(
                        "it {}, which becomes `{new}`, and the proof does not say so",
                        does(used)
                    ),
                ));
            }
        }
        for (used, new) in &told {
            if new_name(&used.1, mapping).as_ref() != Some(new) {
                return Err(of_file(
                    path,
                    format!(
                        "the proof says that it {}, which becomes `{new}`, and the mapping does not",
                        does(used)
                    ),
                ));
            }
        }
        let settled = before.places.keys().filter(|used| !told.contains_key(used));
        let moved = told.iter().map(|((role, _), new)| (*role, new.clone()));
        settled.cloned().chain(moved).collect()
    };
    for used in &expected {
        if !after.places.contains_key(used) {
            return Err(of_file(
                path,
                format!("after the edits, nothing in it {}", does(used)),
            ));
        }
    }
    // What was open may be anything now; nothing else may be new.
    let open: Vec<Range<usize>> = before
        .open
        .iter()
        .map(|place| moved_by(place, edits))
        .collect();
    for (used, places) in &after.places {
        let is_open = |place: &Range<usize>| {
            open.iter()
                .any(|open| open.start < place.end && place.start < open.end)
        };
        if !expected.contains(used)
            && let Some(place) = places.iter().find(|place| !is_open(place))
        {
            let shown = new
                .occurrences
                .iter()
                .find(|found| found.range == *place)
                .map_or("", |found| &found.text);
            return Err(of_file(
                path,
                format!(
                    "after the edits, `{shown}` {}, and before nothing in it did",
                    does(used)
                ),
            ));
        }
    }
    Ok(expected.len())
}

/// Where a place of the text is after edits, with what was put in at its ends.
fn moved_by(place: &Range<usize>, edits: &[Edit]) -> Range<usize> {
    let (mut start, mut end) = (place.start, place.end);
    for edit in edits {
        let grown = |at: usize| (at + edit.new.len()).saturating_sub(edit.old.len());
        if edit.range.end <= place.start && edit.range.start < place.start {
            start = grown(start);
        }
        if edit.range.start <= place.end {
            end = grown(end);
        }
    }
    start..end.max(start)
}

/// That every text parses as before; how many.
fn shapes(old: &AssetReport, new: &AssetReport, edits: &[Edit]) -> Result<usize, Fault> {
    // Statements that were put in are texts of their own.
    let put_in: Vec<Range<usize>> = edits
        .iter()
        .filter(|edit| edit.old.is_empty() && edit.new.ends_with('\n'))
        .map(|edit| {
            let start = moved_by(&edit.range, edits).start;
            start..start + edit.new.len()
        })
        .collect();
    let is_own = |shape: &&Parsed| !put_in.iter().any(|range| range.contains(&shape.at));
    let mut after = new.shapes.iter().filter(is_own);
    for shape in &old.shapes {
        match after.next() {
            Some(other) if shape.is_like(other) => {}
            other => {
                let at = other.map_or(0, |other| other.at);
                return Err(of_file(
                    &old.path,
                    format!(
                        "the {} at byte {} of its text does not parse as before (after: at byte {at})",
                        shape.what, shape.at
                    ),
                ));
            }
        }
    }
    match after.next() {
        None => Ok(old.shapes.len()),
        Some(more) => Err(of_file(
            &old.path,
            format!(
                "after the edits there is more {} at byte {} of its text",
                more.what, more.at
            ),
        )),
    }
}
