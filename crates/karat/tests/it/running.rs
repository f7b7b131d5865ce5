//! A `karat` beside the test, which holds still at a failpoint and goes on when it is told.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::project::{Answer, Project};

/// A process of its own, as another person would start it.
pub(crate) struct Running(Child);

impl Running {
    /// `karat` with these words; no failpoint is an empty one.
    pub(crate) fn start(project: &Project, words: &[&str], failpoint: &str) -> Self {
        let child = Command::new(env!("CARGO_BIN_EXE_karat"))
            .args(words)
            .current_dir(project.path(""))
            .env("KARAT_FAILPOINT", failpoint)
            .env("USER", "tester")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Self(child)
    }

    /// One that holds still at a failpoint, when it gets there for the n-th time.
    pub(crate) fn stopped_at(project: &Project, words: &[&str], failpoint: &str, nth: u32) -> Self {
        let mut run = Self::start(project, words, &format!("{failpoint}=stop:{nth}"));
        let stat = format!("/proc/{}/stat", run.0.id());
        wait_for("it stops", || {
            assert!(
                run.0.try_wait().unwrap().is_none(),
                "over before {failpoint}"
            );
            let text = std::fs::read_to_string(&stat).unwrap();
            text.rsplit(')')
                .next()
                .unwrap()
                .trim_start()
                .starts_with('T')
        });
        run
    }

    pub(crate) fn go_on(self) -> Answer {
        let pid = self.0.id().to_string();
        let sent = Command::new("kill").args(["-s", "CONT", &pid]).status();
        assert!(sent.unwrap().success());
        self.end()
    }

    /// Killed, with what it had said.
    pub(crate) fn killed(mut self) -> Answer {
        self.0.kill().unwrap();
        self.end()
    }

    pub(crate) fn end(self) -> Answer {
        let output = self.0.wait_with_output().unwrap();
        Answer {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

pub(crate) fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(600), "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
