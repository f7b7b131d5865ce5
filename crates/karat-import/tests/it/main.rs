//! Projects of other tools, text in, text out.

#![allow(clippy::unwrap_used)]

mod broken;
mod dbt;
mod dlt;
mod sdp_meta;

use std::fmt::Write as _;

use karat_import::{Folder, Import};

/// A folder written as one text: each file begins with a line `--- path`.
fn folder(text: &str) -> Folder {
    let mut files: Vec<(String, Vec<u8>)> = Vec::new();
    for line in text.trim_start_matches('\n').split_inclusive('\n') {
        match (line.strip_prefix("--- "), files.last_mut()) {
            (Some(path), _) => files.push((path.trim().to_owned(), Vec::new())),
            (None, Some((_, content))) => content.extend(line.as_bytes()),
            (None, None) => panic!("{line}"),
        }
    }
    Folder::of(files)
}

/// The project that came of it, and the lines about what did not.
fn printed(import: &Import) -> String {
    let mut out = String::new();
    for (path, content) in import.files() {
        if path != "IMPORT.md" {
            let _ = write!(out, "--- {path}\n{}", String::from_utf8_lossy(&content));
        }
    }
    out + &told(import)
}

/// Counts and findings.
fn told(import: &Import) -> String {
    let mut out = String::from("---\n");
    for (kind, count) in import.counts() {
        let _ = writeln!(
            out,
            "{kind}: {} mapped, {} unmapped",
            count.mapped, count.unmapped
        );
    }
    for found in import.findings() {
        let _ = writeln!(
            out,
            "{} {}:{} `{}`: {}; {}",
            found.weight.name(),
            found.file,
            found.line,
            found.construct,
            found.why,
            found.fix
        );
    }
    out
}

/// Refuses nothing that karat-project refuses.
fn sound(import: &Import) {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("project");
    import.write(&root).unwrap();
    let loaded = karat_project::load(&root, &|_| None);
    if let Err(mistakes) = loaded.sound() {
        let mistakes: Vec<String> = mistakes.iter().map(|found| format!("{found}\n")).collect();
        panic!("{}", mistakes.concat());
    }
}
