//! Whether files may have changed, from names, sizes and times alone.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// Folders in folders that are looked into: links may lead round in a circle.
const DEPTH_MAX: usize = 64;

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
        let mut waiting: Vec<(PathBuf, usize)> = vec![(root.to_path_buf(), 0)];
        while let Some((folder, depth)) = waiting.pop() {
            let entries = fs::read_dir(&folder).into_iter().flatten();
            for path in entries.flatten().map(|entry| entry.path()) {
                if path.is_dir() {
                    if depth < DEPTH_MAX {
                        waiting.push((path, depth + 1));
                    }
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
