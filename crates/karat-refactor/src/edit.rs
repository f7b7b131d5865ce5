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
