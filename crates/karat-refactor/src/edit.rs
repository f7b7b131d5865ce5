//! Edits: a stretch of an asset's text, what stands there, what shall stand there. Putting many of them in at once, and the
//! edits that take them back. Which edits there are is decided elsewhere.

use std::ops::Range;

use serde::{Deserialize, Serialize};

/// One replaced stretch; an insertion where the range is empty.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Edit {
    /// Bytes of the decoded text of the asset.
    pub range: Range<usize>,
    /// What stands there.
    pub old: String,
    /// What shall stand there.
    pub new: String,
}

/// Text that is put in beside names: a statement, the mark that makes an f-string of a text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Insertion {
    /// The edit; its range is empty.
    pub edit: Edit,
    /// The names, by their bytes in the asset's text, whose edits need it; empty if it is there for the whole file.
    pub for_names: Vec<Range<usize>>,
}

impl Insertion {
    /// One for the whole file.
    pub fn of_file(edit: Edit) -> Self {
        Self {
            edit,
            for_names: Vec::new(),
        }
    }
}

/// The text of a range after the edits in it; none if they lie across each other or outside.
pub(crate) fn applied(text: &str, range: &Range<usize>, edits: &[Edit]) -> Option<String> {
    let mut edits: Vec<&Edit> = edits.iter().collect();
    edits.sort_by_key(|edit| (edit.range.start, edit.range.end));
    let mut form = String::new();
    let mut at = range.start;
    for edit in edits {
        if edit.range.start < at || edit.range.end > range.end {
            return None;
        }
        form.push_str(text.get(at..edit.range.start)?);
        form.push_str(&edit.new);
        at = edit.range.end;
    }
    form.push_str(text.get(at..range.end)?);
    Some(form)
}
