//! `cargo xtask bench`: builds karat for release and hands it to the scripts in `bench/`.
//!
//! A script finds the binary in `KARAT`, and runs under the Python that has the peers.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Failure, peers, process, tree};

/// The binary, and DataFusion as it comes in the same build, which `bench/query.py --cost` compares it with.
const BUILT: [&str; 8] = [
    "--package",
    "karat",
    "--package",
    "karat-exact",
    "--bin",
    "karat",
    "--example",
    "plain",
];

/// Runs every script, or the one that the first argument names; the other arguments are theirs.
pub(crate) fn run(root: &Path, arguments: &[String]) -> Result<(), Failure> {
    let mut scripts = scripts(&root.join("bench"))?;
    let mut rest = arguments;
    if let Some((name, others)) = arguments.split_first()
        && !name.starts_with('-')
    {
        scripts.retain(|script| {
            script
                .file_stem()
                .is_some_and(|stem| stem.to_string_lossy() == *name)
        });
        if scripts.is_empty() {
            return Err(Failure::Usage(format!(
                "there is no script bench/{name}.py"
            )));
        }
        rest = others;
    }
    if scripts.is_empty() {
        return Err(Failure::Failed("there are no scripts in bench/".to_owned()));
    }
    process::run(
        "cargo build",
        process::cargo(root)
            .args(["build", "--release", "--locked"])
            .args(BUILT),
    )?;
    let python = peers::ensure(root)?;
    let karat = tree::target(root).join("release").join("karat");
    check_release(&karat)?;
    for script in scripts {
        let mut command = Command::new(&python);
        command
            .arg(&script)
            .args(rest)
            .current_dir(root)
            .env("KARAT", &karat)
            .env("KARAT_PEERS", &python);
        process::run(&script.display().to_string(), &mut command)?;
    }
    Ok(())
}

/// Nobody can make a release build lose a row: what tests do that with is not in it.
fn check_release(karat: &Path) -> Result<(), Failure> {
    let name = b"KARAT_FAILPOINT";
    let binary = std::fs::read(karat)
        .map_err(|error| Failure::Failed(format!("cannot read {}: {error}", karat.display())))?;
    if binary.windows(name.len()).any(|found| found == name) {
        return Err(Failure::Failed(
            "the release build has failpoints: they belong behind `cfg!(debug_assertions)`"
                .to_owned(),
        ));
    }
    Ok(())
}

fn scripts(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Ok(Vec::new());
    };
    let mut scripts = Vec::new();
    for entry in entries {
        let path = entry
            .map_err(|error| Failure::Failed(format!("cannot list bench/: {error}")))?
            .path();
        if path.extension().is_some_and(|extension| extension == "py") {
            scripts.push(path);
        }
    }
    scripts.sort();
    Ok(scripts)
}
