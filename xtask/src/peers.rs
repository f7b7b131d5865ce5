//! The peers: readers of tables that nobody here wrote, from PyPI, in a virtual environment below the build folder.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Failure, process, tree};

/// What is installed, every version pinned.
const REQUIREMENTS: &str = include_str!("../peers.txt");
/// What is installed apart, into the folder `duckdb-delta` of the environment.
const REQUIREMENTS_DELTA: &str = include_str!("../peers-duckdb-delta.txt");

/// Makes the environment unless it is there with just these versions, and returns its Python.
pub(crate) fn ensure(root: &Path) -> Result<PathBuf, Failure> {
    let folder = tree::target(root).join("peers");
    let python = folder.join("bin").join("python");
    let stamp = folder.join("installed.txt");
    let wanted = [REQUIREMENTS, REQUIREMENTS_DELTA].concat();
    let is_current = std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted);
    if is_current && python.is_file() {
        return Ok(python);
    }
    println!("peers: installing into {}", folder.display());
    process::run(
        "python3 -m venv",
        Command::new("python3")
            .args(["-m", "venv", "--clear"])
            .arg(&folder),
    )
    .map_err(|_| {
        Failure::Failed(
            "cannot make a virtual environment; on Debian: apt install python3-venv".to_owned(),
        )
    })?;
    install(&python, &root.join("xtask").join("peers.txt"), None)?;
    install(
        &python,
        &root.join("xtask").join("peers-duckdb-delta.txt"),
        Some(&folder.join("duckdb-delta")),
    )?;
    // Written last: an installation that was cut off is done again.
    std::fs::write(&stamp, wanted)
        .map_err(|error| Failure::Failed(format!("cannot write {}: {error}", stamp.display())))?;
    Ok(python)
}

/// Installs what a file requires, into the environment or apart from it.
fn install(python: &Path, requirements: &Path, apart: Option<&Path>) -> Result<(), Failure> {
    let mut install = Command::new(python);
    install.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--only-binary",
        ":all:",
        "-r",
    ]);
    install.arg(requirements);
    if let Some(folder) = apart {
        install.arg("--target").arg(folder);
    }
    process::run("pip install of the peers", &mut install)
}
