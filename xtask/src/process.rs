//! Child processes: started, waited for, never left behind.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::Failure;

/// The cargo that called us, without what it set for this program: build scripts that ask for the name of a package would run
/// again, and everything above them be compiled again, each time `cargo xtask` and `cargo` take turns.
pub(crate) fn cargo(root: &Path) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (name, _) in std::env::vars_os() {
        let set_by_cargo = name.to_str().is_some_and(|name| {
            name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
        });
        if set_by_cargo {
            command.env_remove(name);
        }
    }
    command.current_dir(root);
    command
}

/// Runs a command to its end, with our output as its own.
pub(crate) fn run(what: &str, command: &mut Command) -> Result<(), Failure> {
    let status = command
        .status()
        .map_err(|error| not_started(what, &error))?;
    if status.success() {
        Ok(())
    } else {
        Err(Failure::Failed(format!("{what} failed ({status})")))
    }
}

/// What a short command prints.
pub(crate) fn stdout(root: &Path, program: &str, arguments: &[&str]) -> Result<String, Failure> {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(root)
        .output()
        .map_err(|error| not_started(program, &error))?;
    if !output.status.success() {
        return Err(Failure::Failed(format!(
            "{program} failed ({})",
            output.status
        )));
    }
    String::from_utf8(output.stdout)
        .map_err(|_| Failure::Failed(format!("{program} printed no UTF-8")))
}

/// Runs a command to its end, printing its lines and handing each to `see`. Tells whether it succeeded.
pub(crate) fn watch(
    what: &str,
    command: &mut Command,
    mut see: impl FnMut(&str),
) -> Result<bool, Failure> {
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| not_started(what, &error))?;
    if let Some(output) = child.stdout.take() {
        for line in BufReader::new(output).split(b'\n') {
            let Ok(line) = line else { break };
            let line = String::from_utf8_lossy(&line);
            println!("{line}");
            see(&line);
        }
    }
    let status = child.wait().map_err(|error| not_started(what, &error))?;
    Ok(status.success())
}

fn not_started(what: impl AsRef<OsStr>, error: &std::io::Error) -> Failure {
    Failure::Failed(format!(
        "cannot run {}: {error}",
        what.as_ref().to_string_lossy()
    ))
}

/// What cargo's test runner counted over all binaries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TestCount {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) ignored: u64,
}

impl TestCount {
    /// Adds a line like `test result: ok. 37 passed; 0 failed; 0 ignored; …`; other lines count nothing.
    pub(crate) fn see(&mut self, line: &str) {
        let Some((_, counts)) = line
            .strip_prefix("test result: ")
            .and_then(|line| line.split_once(". "))
        else {
            return;
        };
        for part in counts.split(';') {
            let Some((number, word)) = part.trim().split_once(' ') else {
                continue;
            };
            let Ok(number) = number.parse::<u64>() else {
                continue;
            };
            match word {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" => self.ignored += number,
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::TestCount;

    #[test]
    fn results_of_binaries_add_up() {
        let mut count = TestCount::default();
        count.see("test result: ok. 37 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out; finished in 1.46s");
        count.see("test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s");
        count.see("test chain::ok ... ok");
        assert_eq!(
            count,
            TestCount {
                passed: 40,
                failed: 2,
                ignored: 1
            }
        );
    }
}
