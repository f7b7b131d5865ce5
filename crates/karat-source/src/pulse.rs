//! Whether files may have changed, from names, sizes and times alone.

use std::collections::BTreeSet;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::time::UNIX_EPOCH;

/// Collects what is seen of files. The order in which folders list them does not count.
#[derive(Debug, Default)]
pub struct Pulse {
    sum: u64,
}

impl Pulse {
    /// Takes in a file, or that there is none.
    pub fn file(&mut self, path: &Path) {
        let seen = fs::metadata(path).ok().map(|of| {
            let changed = of.modified().ok();
            let changed = changed.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
            (of.len(), changed)
        });
        let mut hash = DefaultHasher::new();
        (path, seen).hash(&mut hash);
        self.sum = self.sum.wrapping_add(hash.finish());
    }

    /// Takes in all files below a folder; what may not be read counts as not there.
    pub fn folder(&mut self, root: &Path) {
        let mut waiting = vec![root.to_path_buf()];
        let mut seen = BTreeSet::new();
        while let Some(folder) = waiting.pop() {
            // Links may lead to one folder by several ways, and round in a circle.
            if !fs::canonicalize(&folder).is_ok_and(|real| seen.insert(real)) {
                continue;
            }
            let entries = fs::read_dir(&folder).into_iter().flatten();
            for path in entries.flatten().map(|entry| entry.path()) {
                if path.is_dir() {
                    waiting.push(path);
                } else {
                    self.file(&path);
                }
            }
        }
    }

    /// The number.
    #[must_use]
    pub fn finish(self) -> u64 {
        self.sum
    }
}
