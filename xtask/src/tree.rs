//! The files of the repository: those that git tracks or would track, without what it ignores.

use std::path::{Path, PathBuf};

use crate::Failure;
use crate::process;

/// A file of the repository.
pub(crate) struct SourceFile {
    /// Its path from the root, with `/`.
    pub(crate) path: String,
    /// Its text; none if it is binary.
    pub(crate) text: Option<String>,
}

/// The repository's root: the parent of this package's folder.
pub(crate) fn root() -> PathBuf {
    let package = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    package.parent().map(Path::to_path_buf).unwrap_or(package)
}

/// The folder that cargo builds into.
pub(crate) fn target(root: &Path) -> PathBuf {
    // A relative CARGO_TARGET_DIR is relative to where cargo was called; join keeps an absolute one.
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => std::path::absolute(&folder).unwrap_or_else(|_| root.join(&folder)),
        None => root.join("target"),
    }
}

/// All files, sorted by path.
pub(crate) fn files(root: &Path) -> Result<Vec<SourceFile>, Failure> {
    let mut paths = match process::stdout(
        root,
        "git",
        &["ls-files", "-z", "-c", "-o", "--exclude-standard"],
    ) {
        Ok(list) => list
            .split('\0')
            .filter(|path| !path.is_empty())
            .map(str::to_owned)
            .collect(),
        Err(_) => walk(root)?,
    };
    paths.sort();
    paths.dedup();
    let mut files = Vec::new();
    for path in paths {
        // A tracked file that was deleted but not committed is no file.
        let Ok(bytes) = std::fs::read(root.join(&path)) else {
            continue;
        };
        let text = if bytes.contains(&0) {
            None
        } else {
            String::from_utf8(bytes).ok()
        };
        files.push(SourceFile { path, text });
    }
    Ok(files)
}

/// Without git (an unpacked archive): every file but those of hidden folders and of the build.
fn walk(root: &Path) -> Result<Vec<String>, Failure> {
    let mut paths = Vec::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let unreadable =
            |error| Failure::Failed(format!("cannot list {}: {error}", folder.display()));
        for entry in std::fs::read_dir(&folder).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            let Ok(relative) = path.strip_prefix(root) else {
                continue;
            };
            let relative = relative.to_string_lossy().replace('\\', "/");
            let is_skipped = relative == "target" || relative == ".git";
            if path.is_dir() && !is_skipped {
                folders.push(path);
            } else if path.is_file() {
                paths.push(relative);
            }
        }
    }
    Ok(paths)
}
