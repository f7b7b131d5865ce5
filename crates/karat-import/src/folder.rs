//! The files of a project that is imported.

use std::collections::BTreeMap;
use std::path::Path;

use crate::import::ImportError;

/// Folders in which no project keeps what it is made of.
const PASSED: [&str; 8] = [
    "target",
    "dbt_packages",
    "dbt_modules",
    "node_modules",
    "logs",
    "__pycache__",
    "venv",
    "build",
];
/// What the tools that are imported read.
const ENDINGS: [&str; 10] = [
    "sql", "yml", "yaml", "csv", "md", "json", "py", "ddl", "ipynb", "template",
];
const FILES_MAX: usize = 100_000;
const BYTES_MAX: u64 = 1 << 30;
const DEPTH_MAX: usize = 64;

/// Files by their path from the folder, with `/`.
#[derive(Clone, Debug, Default)]
pub struct Folder {
    files: BTreeMap<String, Vec<u8>>,
}

impl Folder {
    /// Reads what the tools read of a folder. Links are not followed, hidden folders and those that tools write are passed over.
    pub fn read(root: &Path) -> Result<Folder, ImportError> {
        let mut folder = Folder::default();
        let mut bytes = 0;
        folder.read_below(root, "", 0, &mut bytes)?;
        Ok(folder)
    }

    /// Files that are there already, for tests.
    pub fn of(files: impl IntoIterator<Item = (String, Vec<u8>)>) -> Folder {
        Folder {
            files: files.into_iter().collect(),
        }
    }

    fn read_below(
        &mut self,
        path: &Path,
        name: &str,
        depth: usize,
        bytes: &mut u64,
    ) -> Result<(), ImportError> {
        let failed = |source| ImportError::Read {
            path: path.to_path_buf(),
            source,
        };
        if depth > DEPTH_MAX {
            return Err(ImportError::TooLarge("more than 64 folders deep"));
        }
        for entry in std::fs::read_dir(path).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let own = entry.file_name().to_string_lossy().into_owned();
            let kind = entry.file_type().map_err(failed)?;
            let below = match name.is_empty() {
                true => own.clone(),
                false => format!("{name}/{own}"),
            };
            if kind.is_dir() {
                if !own.starts_with('.') && !PASSED.contains(&own.as_str()) {
                    self.read_below(&entry.path(), &below, depth + 1, bytes)?;
                }
                continue;
            }
            let ending = own
                .rsplit_once('.')
                .map(|(_, ending)| ending.to_lowercase());
            let is_read =
                kind.is_file() && ending.is_some_and(|ending| ENDINGS.contains(&ending.as_str()));
            if !is_read {
                continue;
            }
            *bytes += entry.metadata().map_err(failed)?.len();
            if *bytes > BYTES_MAX {
                return Err(ImportError::TooLarge("more than 1 GiB of files"));
            }
            if self.files.len() >= FILES_MAX {
                return Err(ImportError::TooLarge("more than 100,000 files"));
            }
            let content = std::fs::read(entry.path()).map_err(|source| ImportError::Read {
                path: entry.path(),
                source,
            })?;
            self.files.insert(below, content);
        }
        Ok(())
    }

    /// Paths in their order.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    pub(crate) fn bytes(&self, path: &str) -> Option<&[u8]> {
        self.files.get(path).map(Vec::as_slice)
    }

    /// A file as text, without a byte order mark; `Some(Err)` where it is none.
    pub(crate) fn text(&self, path: &str) -> Option<Result<&str, u32>> {
        let bytes = self.files.get(path)?;
        Some(match std::str::from_utf8(bytes) {
            Ok(text) => Ok(text.strip_prefix('\u{feff}').unwrap_or(text)),
            Err(error) => {
                let before = &bytes[..error.valid_up_to()];
                let line = before.iter().filter(|byte| **byte == b'\n').count();
                Err(line as u32 + 1)
            }
        })
    }
}
