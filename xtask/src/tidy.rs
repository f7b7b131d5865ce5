//! `cargo xtask tidy`: everything about the repository that a machine can check without building it.

use std::path::Path;

use crate::{Failure, edges, links, mask, process, rules, tree};

/// Whether clippy runs too: it needs the dependencies built.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lints {
    /// Only what needs no build.
    Skip,
    /// Also clippy, with warnings as errors.
    Run,
}

/// Pages that every reader expects.
const PAGES: &[&str] = &["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "LICENSE"];

/// Prints every finding; fails if there is one.
pub(crate) fn run(root: &Path, lints: Lints) -> Result<(), Failure> {
    let mut findings = Vec::new();
    for page in PAGES.iter().filter(|page| !root.join(page).is_file()) {
        findings.push(format!("{page}: is missing"));
    }
    for file in &tree::files(root)? {
        findings.extend(rules::check(file));
        let Some(text) = &file.text else { continue };
        let is_package = file.path == "xtask/Cargo.toml"
            || (file.path.starts_with("crates/") && file.path.matches('/').count() == 2);
        if is_package && file.path.ends_with("/Cargo.toml") {
            findings.extend(edges::check(&file.path, text));
        }
        if file.path.ends_with(".rs") {
            findings.extend(edges::check_source(&file.path, &mask::code_only(text)));
        }
        if file.path.ends_with(".md") {
            findings.extend(links::check(root, &file.path, text));
        }
    }
    for finding in &findings {
        println!("{finding}");
    }
    let mut problems = Vec::new();
    if !findings.is_empty() {
        problems.push(format!("{} findings", findings.len()));
    }
    if process::run(
        "fmt",
        process::cargo(root).args(["fmt", "--all", "--check"]),
    )
    .is_err()
    {
        problems.push("`cargo fmt` would change files".to_owned());
    }
    if lints == Lints::Run {
        let mut clippy = process::cargo(root);
        clippy.args([
            "clippy",
            "--workspace",
            "--all-targets",
            "--locked",
            "--",
            "-D",
            "warnings",
        ]);
        if process::run("clippy", &mut clippy).is_err() {
            problems.push("clippy has warnings".to_owned());
        }
    }
    if problems.is_empty() {
        println!("tidy: nothing to tidy");
        Ok(())
    } else {
        Err(Failure::Failed(format!(
            "not tidy: {}",
            problems.join(", ")
        )))
    }
}
