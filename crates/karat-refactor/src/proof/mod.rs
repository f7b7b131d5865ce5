//! The proof: every file of the tree with its digests before and after, every edit in bytes, and the lineage.
//!
//! Made while edits are made, and not needed for anything but [`check`], which believes nothing of it. `tools/check_refactor_proof.py`
//! checks digests and edits without karat.

mod check;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use karat_receipt::Digest;

use crate::asset::{AssetReport, Decoded};
use crate::edit::Edit;
use crate::estate::Scan;
use crate::fragment::Refusal;
use crate::lineage::{Lineage, Used};
use crate::mapping::Mapping;
use crate::occurrence::Role;
use crate::text::{self, Encoding};

pub use check::{Fault, Holds, Tree, check};

/// The version of the document's form.
pub const VERSION: u32 = 2;

/// The proof of one `apply`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proof {
    /// Version of this document's form.
    pub refactor_proof: u32,
    /// Version of karat.
    pub karat: String,
    /// SHA-256 of what the mapping says.
    pub mapping: String,
    /// Occurrences rewritten, not a table, for a person.
    pub verdicts: (usize, usize, usize),
    /// Every file of the tree, and the changed members of archives, by path.
    pub files: Vec<FileProof>,
}

/// The proof of one file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileProof {
    /// Its path.
    pub path: String,
    /// SHA-256 before.
    pub before: String,
    /// SHA-256 after.
    pub after: String,
    /// Whether it is an archive that was packed again with changed members.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub archive: bool,
    /// How its bytes stand for text, if it is edited.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub encoding: String,
    /// The edits, in order, in bytes of the file before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub edits: Vec<ByteEdit>,
    /// Tables read before, and what they are after.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reads: Vec<(String, String)>,
    /// Tables written before, and what they are after.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub writes: Vec<(String, String)>,
}

/// An edit in bytes of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ByteEdit {
    /// The first byte.
    pub at: usize,
    /// What stood there.
    pub old: String,
    /// What stands there.
    pub new: String,
}

/// The bytes of a file after its edits, and the proof of it.
pub fn edited(
    report: &AssetReport,
    bytes: &[u8],
    decoded: &Decoded,
    mapping: &Mapping,
) -> Result<(Vec<u8>, FileProof), Refusal> {
    let (text, encoding) = (decoded.text.as_str(), decoded.encoding);
    let edits = report.edits();
    let after = text::edited(bytes, text, encoding, &edits)?;
    can_be_taken_back(bytes, text, encoding, &edits, &after)?;
    let ranges: Vec<_> = edits.iter().map(|edit| edit.range.clone()).collect();
    let places = text::byte_ranges(text, encoding, &ranges);
    let edits = edits.into_iter().zip(places).map(|(edit, place)| ByteEdit {
        at: place.start,
        old: edit.old,
        new: edit.new,
    });
    let proof = FileProof {
        after: Digest::of(&after).to_string(),
        encoding: encoding.name().to_owned(),
        edits: edits.collect(),
        ..unedited(report, mapping)
    };
    Ok((after, proof))
}

/// The proof of a file without edits: names in it may have moved with a `USE` elsewhere.
fn unedited(report: &AssetReport, mapping: &Mapping) -> FileProof {
    let lineage = Lineage::of(report, mapping);
    let moved = |wanted: Role| {
        let moved = lineage.moved.iter();
        moved
            .filter(|((role, _), _)| *role == wanted)
            .map(|((_, old), new)| (old.clone(), new.clone()))
            .collect()
    };
    FileProof {
        path: report.path.clone(),
        before: report.digest.clone(),
        after: report.digest.clone(),
        reads: moved(Role::Read),
        writes: moved(Role::Write),
        ..FileProof::default()
    }
}

impl FileProof {
    /// The tables that move by it, with their new names.
    fn moved(&self) -> BTreeMap<Used, String> {
        let all = |role: Role, tables: &[(String, String)]| -> Vec<(Used, String)> {
            let tables = tables.iter().cloned();
            tables.map(|(old, new)| ((role, old), new)).collect()
        };
        let reads = all(Role::Read, &self.reads);
        reads
            .into_iter()
            .chain(all(Role::Write, &self.writes))
            .collect()
    }
}

/// The proof of a whole run: `made` are the files and members that were edited, `digests` those of all files before, `archives` those
/// that were packed again, with their digests after.
pub fn whole(
    karat: &str,
    mapping: &Mapping,
    scan: &Scan,
    made: Vec<FileProof>,
    digests: &BTreeMap<String, String>,
    archives: &BTreeMap<String, String>,
) -> Proof {
    let counts = scan.counts();
    let mut files: BTreeMap<String, FileProof> = BTreeMap::new();
    for (path, digest) in digests {
        let packed = archives.get(path);
        let file = FileProof {
            path: path.clone(),
            before: digest.clone(),
            after: packed.unwrap_or(digest).clone(),
            archive: packed.is_some(),
            ..FileProof::default()
        };
        files.insert(path.clone(), file);
    }
    // What has edits and is not among `made` was left as it is.
    for report in scan
        .assets
        .iter()
        .filter(|report| report.edits().is_empty())
    {
        if let Some(file) = files.get_mut(&report.path) {
            let of_report = unedited(report, mapping);
            (file.reads, file.writes) = (of_report.reads, of_report.writes);
        }
    }
    for file in made {
        files.insert(file.path.clone(), file);
    }
    Proof {
        refactor_proof: VERSION,
        karat: karat.to_owned(),
        mapping: mapping.digest().to_owned(),
        verdicts: (counts.rewritten, counts.not_a_table, counts.needs_person),
        files: files.into_values().collect(),
    }
}

/// That the text between edits is the same, that what the edits say stood there did, and that taking them back gives the file again.
fn can_be_taken_back(
    bytes: &[u8],
    before: &str,
    encoding: Encoding,
    edits: &[Edit],
    after: &[u8],
) -> Result<(), Refusal> {
    for edit in edits {
        if before.get(edit.range.clone()) != Some(edit.old.as_str()) {
            return Err(Refusal(format!(
                "an edit at byte {} does not fit the text",
                edit.range.start
            )));
        }
    }
    let (_, back) = crate::patch::inverted(before, edits);
    let (text, again) = text::decode(after).map_err(|error| Refusal(error.to_string()))?;
    if again != encoding {
        return Err(Refusal(
            "the edits would change the encoding of the file".to_owned(),
        ));
    }
    if text::edited(after, &text, encoding, &back)? != bytes {
        return Err(Refusal(
            "the inverse edits do not give the file back".to_owned(),
        ));
    }
    Ok(())
}
