//! The proof: what was changed, in bytes, and what the files were before and after. `verify` reads it and believes nothing of it.

use serde::{Deserialize, Serialize};

use karat_receipt::Digest;

use crate::asset::{AssetReport, Counts};
use crate::edit::Edit;
use crate::fragment::Refusal;
use crate::occurrence::{Role, Verdict};
use crate::text::{self, Encoding};

/// The proof of one `apply`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// Version of this document's form.
    pub refactor_proof: u32,
    /// Version of karat.
    pub karat: String,
    /// SHA-256 of what the mapping says.
    pub mapping: String,
    /// Occurrences rewritten, not a table, for a person.
    pub verdicts: (usize, usize, usize),
    /// One entry a changed file.
    pub files: Vec<FileProof>,
}

/// The proof of one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileProof {
    /// Its path.
    pub path: String,
    /// SHA-256 before.
    pub before: String,
    /// SHA-256 after.
    pub after: String,
    /// The edits, in order, in bytes of the file before.
    pub edits: Vec<ByteEdit>,
    /// Tables read before, and what they are after.
    pub reads: Vec<(String, String)>,
    /// Tables written before, and what they are after.
    pub writes: Vec<(String, String)>,
}

/// An edit in bytes of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    text: &str,
    encoding: Encoding,
) -> Result<(Vec<u8>, FileProof), Refusal> {
    let edits = report.edits();
    let after = text::edited(bytes, text, encoding, &edits)?;
    check(bytes, text, encoding, &edits, &after)?;
    let ranges: Vec<_> = edits.iter().map(|edit| edit.range.clone()).collect();
    let places = text::byte_ranges(text, encoding, &ranges);
    let lineage = |role: Role| {
        let mut tables: Vec<(String, String)> = report
            .occurrences
            .iter()
            .filter(|occurrence| occurrence.role == role)
            .filter_map(|occurrence| match &occurrence.verdict {
                Verdict::Rewritten { new, .. } => Some((occurrence.old.clone()?, new.clone())),
                _ => None,
            })
            .collect();
        tables.sort();
        tables.dedup();
        tables
    };
    let proof = FileProof {
        path: report.path.clone(),
        before: report.digest.clone(),
        after: Digest::of(&after).to_string(),
        edits: edits
            .iter()
            .zip(places)
            .map(|(edit, place)| ByteEdit {
                at: place.start,
                old: edit.old.clone(),
                new: edit.new.clone(),
            })
            .collect(),
        reads: lineage(Role::Read),
        writes: lineage(Role::Write),
    };
    Ok((after, proof))
}

/// That the text between edits is the same, that what the edits say stood there did, and that taking them back gives the file again.
fn check(
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

/// The proof of a whole run.
pub fn whole(karat: &str, mapping: &str, counts: Counts, files: Vec<FileProof>) -> Proof {
    Proof {
        refactor_proof: 1,
        karat: karat.to_owned(),
        mapping: mapping.to_owned(),
        verdicts: (counts.rewritten, counts.not_a_table, counts.needs_person),
        files,
    }
}
