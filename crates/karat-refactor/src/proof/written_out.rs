//! Files whose catalogs come from parameters, as they are with the catalogs of the mapping written out: lineage and parse are judged of those.
//!
//! That the parameters themselves are licensed is for [`crate::verify`].

use std::collections::{BTreeMap, BTreeSet};

use super::check::{Fault, Tree, of_file};
use crate::asset;
use crate::edit::Edit;
use crate::estate::{Files, Scan, scan};
use crate::mapping::Mapping;
use crate::occurrence::Doubt;
use crate::reader::Options;
use crate::style::{Style, Styles};
use crate::text;

/// A tree in which some files have other bytes.
pub(super) struct WrittenOut<'t> {
    files: &'t dyn Files,
    replaced: BTreeMap<usize, Vec<u8>>,
}

impl Files for WrittenOut<'_> {
    fn paths(&self) -> &[String] {
        self.files.paths()
    }

    fn read(&self, index: usize) -> Result<Vec<u8>, Doubt> {
        match self.replaced.get(&index) {
            Some(bytes) => Ok(bytes.clone()),
            None => self.files.read(index),
        }
    }
}

/// The tree after with catalogs written out; `changes` become the edits that lead there. `old`: the tree before, with literal names.
pub(super) fn written_out<'t>(
    before: Tree<'t>,
    after: Tree<'t>,
    mapping: &Mapping,
    (styles, threads): (&Styles, usize),
    old: &Scan,
    changes: &mut BTreeMap<&str, Vec<Edit>>,
) -> Result<WrittenOut<'t>, Fault> {
    let mut tree = WrittenOut {
        files: after.files,
        replaced: BTreeMap::new(),
    };
    if !changes
        .keys()
        .any(|path| styles.of(path) == Style::Parameter)
    {
        return Ok(tree);
    }
    let options = Options {
        styles: styles.without_statements(),
        ..Options::default()
    };
    let styled = scan(before.files, mapping, &options, threads);
    for (index, (literal, styled)) in old.assets.iter().zip(&styled.assets).enumerate() {
        let path = literal.path.as_str();
        if styles.of(path) != Style::Parameter {
            continue;
        }
        let Some(edits) = changes.get_mut(path) else {
            continue;
        };
        let with_parameters: BTreeSet<(usize, usize, String)> =
            styled.edits().iter().map(key).collect();
        let made: BTreeSet<(usize, usize, String)> = edits.iter().map(key).collect();
        if !with_parameters.is_subset(&made) {
            return Err(of_file(path, "its edits are not those of its style"));
        }
        // What a person decided, and names in comments, are edits in any style.
        edits.retain(|edit| !with_parameters.contains(&key(edit)));
        edits.extend(literal.edits());
        edits.sort_by_key(key);
        edits.dedup();
        let unreadable = |why: String| of_file(path, why);
        let bytes = before
            .files
            .read(index)
            .map_err(|doubt| unreadable(doubt.message))?;
        let decoded = asset::decode(path, &bytes).map_err(|doubt| unreadable(doubt.message))?;
        let bytes = text::edited(&bytes, &decoded.text, decoded.encoding, edits)
            .map_err(|refusal| unreadable(refusal.0))?;
        if let Ok(other) = after.files.paths().binary_search(&literal.path) {
            tree.replaced.insert(other, bytes);
        }
    }
    Ok(tree)
}

fn key(edit: &Edit) -> (usize, usize, String) {
    (edit.range.start, edit.range.end, edit.new.clone())
}
