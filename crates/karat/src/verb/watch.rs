//! `karat run --watch`: a run whenever a source or the project has changed. Between runs it looks at names, sizes and times alone.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use karat_pipeline::Sources;
use karat_source::Pulse;

use super::run::{Telling, once};
use crate::args::{Global, RunArgs};
use crate::failure::Failure;
use crate::output::{self, Voice};
use crate::site;
use crate::sources::ProjectSources;

/// A look may take this part of the time at most: after a long one the next waits longer.
const LOOKS_SHARE: u32 = 20;
/// After so long it runs although nothing has changed: the day may be another.
const RUNS_EVERY: Duration = Duration::from_secs(600);
/// After a run that could not do all, it tries again although nothing has changed; each time twice as long, up to [`RUNS_EVERY`].
const TRIES_AGAIN: Duration = Duration::from_secs(15);

/// Runs until the process is ended. A project with mistakes is waited for; the first time it must be without.
pub(super) fn run(voice: Voice, global: &Global, arguments: &RunArgs) -> Result<u8, Failure> {
    let mut watched = Watched::of(global)?;
    let mut seen = watched.look(global);
    once(voice, global, arguments, Telling::Always)?;
    voice.note("watching; Ctrl-C ends it");
    let (mut again, mut waits) = (TRIES_AGAIN, RUNS_EVERY);
    loop {
        let begun = Instant::now();
        let mut pause = arguments.every;
        loop {
            sleep(pause);
            let looking = Instant::now();
            let now = watched.look(global);
            pause = arguments.every.max(looking.elapsed() * LOOKS_SHARE);
            if now != seen || begun.elapsed() >= waits {
                seen = now;
                break;
            }
        }
        let code = match once(voice, global, arguments, Telling::News) {
            Ok(code) => code,
            Err(failure) if failure.reader_is_gone() => return Err(failure),
            Err(failure) => {
                output::print_error(&failure.text());
                failure.exit_code()
            }
        };
        (waits, again) = match code {
            0 => (RUNS_EVERY, TRIES_AGAIN),
            _ => (again, (again * 2).min(RUNS_EVERY)),
        };
    }
}

/// What is looked at.
struct Watched {
    root: PathBuf,
    /// How the project's files looked when its sources were read from them.
    project: u64,
    sources: Option<(Arc<ProjectSources>, Vec<String>)>,
}

impl Watched {
    fn of(global: &Global) -> Result<Self, Failure> {
        let root = site::find_root(global)?;
        Ok(Self {
            project: 0,
            sources: None,
            root,
        })
    }

    /// A number that is another when something may have changed.
    fn look(&mut self, global: &Global) -> u64 {
        let mut project = Pulse::default();
        project.file(&self.root.join("karat.yaml"));
        project.folder(&self.root.join("domains"));
        project.folder(&self.root.join("keys"));
        let project = project.finish();
        if project != self.project || self.sources.is_none() {
            self.project = project;
            // One with mistakes has none; the run tells of them.
            let opened = site::open(global, None, None).ok();
            self.sources = opened.map(|opened| {
                let names = opened.project.sources.keys().cloned().collect();
                (opened.sources(), names)
            });
        }
        let mut pulse = project;
        if let Some((sources, names)) = &self.sources {
            for name in names {
                // One that cannot be reached has a pulse again when it can.
                let of = sources.open(name).and_then(|source| Ok(source.pulse()?));
                pulse = pulse.wrapping_mul(31).wrapping_add(of.unwrap_or(0));
            }
        }
        pulse
    }
}
