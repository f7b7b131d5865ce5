//! Programs that nobody here wrote, and data as others published them: where they are, and how their scripts are run.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The Python of the peers: what `KARAT_PEERS` names (`cargo xtask` sets it), or the one in the build folder.
pub(crate) fn python() -> PathBuf {
    if let Some(named) = std::env::var_os("KARAT_PEERS") {
        return PathBuf::from(named);
    }
    let build = Path::new(env!("CARGO_BIN_EXE_karat")).parent().unwrap();
    let python = build.parent().unwrap().join("peers/bin/python");
    assert!(
        python.is_file(),
        "the readers that karat is compared with are not installed at {}: run `cargo xtask peers` once, or set KARAT_PEERS to their Python",
        python.display()
    );
    python
}

/// Runs a script of `tests/peers`, which must succeed, and gives what it printed.
pub(crate) fn script(name: &str, arguments: &[&Path]) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/peers")
        .join(name);
    let output = Command::new(python())
        .arg(script)
        .args(arguments)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("PYTHONUTF8", "1")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success(),
        "{name} failed\n{printed}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    printed
}

/// The published data: what `KARAT_SHARED_DATA` names, or `shared/data` beside the clone.
pub(crate) fn shared_data() -> PathBuf {
    let data = std::env::var_os("KARAT_SHARED_DATA").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"),
        PathBuf::from,
    );
    for folder in ["adventureworks", "chinook", "ecb", "northwind"] {
        assert!(
            data.join(folder).is_dir(),
            "the published data are not there ({} has no `{folder}`): set KARAT_SHARED_DATA to the folder that holds `adventureworks`, `chinook`, `ecb` and `northwind`",
            data.display()
        );
    }
    data.canonicalize().unwrap()
}
