//! `cargo xtask test`: what must hold before anything is handed in.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use crate::process::{self, TestCount};
use crate::{Failure, peers, tidy};

/// Tidy, the peers, the second implementations, the tests; one closing line with the time of each.
pub(crate) fn run(root: &Path) -> Result<(), Failure> {
    let mut clock = Clock {
        last: Instant::now(),
        stages: Vec::new(),
    };
    tidy::run(root, tidy::Lints::Skip)?;
    clock.stage("tidy");
    let python = peers::ensure(root)?;
    clock.stage("peers");
    let vectors = root.join("tools").join("check_vectors.py");
    process::run(
        "tools/check_vectors.py",
        Command::new(&python).arg(vectors).current_dir(root),
    )?;
    clock.stage("second implementation");
    let mut count = TestCount::default();
    let mut command = process::cargo(root);
    command
        .args(["test", "--workspace", "--locked", "--no-fail-fast"])
        .env("KARAT_PEERS", &python);
    let succeeded = process::watch("cargo test", &mut command, |line| count.see(line))?;
    clock.stage("tests");

    let TestCount {
        passed,
        failed,
        ignored,
    } = count;
    let summary = format!(
        "{passed} passed, {failed} failed, {ignored} ignored; {}",
        clock.stages.join(", ")
    );
    if succeeded && failed == 0 && passed > 0 {
        println!("test: ok: {summary}");
        Ok(())
    } else {
        Err(Failure::Failed(format!("tests failed: {summary}")))
    }
}

struct Clock {
    last: Instant,
    stages: Vec<String>,
}

impl Clock {
    fn stage(&mut self, name: &str) {
        self.stages
            .push(format!("{name} {:.1} s", self.last.elapsed().as_secs_f64()));
        self.last = Instant::now();
    }
}
