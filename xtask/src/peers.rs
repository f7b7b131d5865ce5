//! The peers: readers of tables that nobody here wrote, from PyPI, in a virtual environment below the build folder.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Failure, process, tree};

/// What is installed, every version pinned.
const REQUIREMENTS: &str = include_str!("../peers.txt");

/// Makes the environment unless it is there with just these versions, and returns its Python.
pub(crate) fn ensure(root: &Path) -> Result<PathBuf, Failure> {
    let folder = tree::target(root).join("peers");
    let python = folder.join("bin").join("python");
    let stamp = folder.join("installed.txt");
    let is_current =
        std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == REQUIREMENTS);
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
    let mut install = Command::new(&python);
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
    install.arg(root.join("xtask").join("peers.txt"));
    process::run("pip install of the peers", &mut install)?;
    // Written last: an installation that was cut off is done again.
    std::fs::write(&stamp, REQUIREMENTS)
        .map_err(|error| Failure::Failed(format!("cannot write {}: {error}", stamp.display())))?;
    Ok(python)
}
