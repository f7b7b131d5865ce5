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
    let first = match voice.json {
        true => Telling::News,
        false => Telling::Always,
    };
    let mut ended = once(voice, global, arguments, first)?;
    voice.note("watching; Ctrl-C ends it");
    let (mut again, mut waits) = (TRIES_AGAIN, watched.settles());
    loop {
        let mut runs = watched.runs();
        let begun = Instant::now();
        let mut pause = arguments.every;
        loop {
            sleep(pause);
            let looking = Instant::now();
            let now = watched.look(global);
            pause = arguments.every.max(looking.elapsed() * LOOKS_SHARE);
            if now != seen || watched.runs() != runs {
                (seen, runs) = (now, watched.runs());
                waits = watched.settles();
                break;
            }
            if begun.elapsed() >= waits {
                waits = RUNS_EVERY;
                break;
            }
        }
        // After a run that failed, one with nothing to do is news.
        let telling = match ended {
            0 => Telling::News,
            _ if voice.json => Telling::News,
            _ => Telling::Always,
        };
        ended = match once(voice, global, arguments, telling) {
            Ok(code) => code,
            Err(failure) if failure.reader_is_gone() => return Err(failure),
            Err(failure) => {
                output::print_error(&failure.text());
                failure.exit_code()
            }
        };
        (waits, again) = match ended {
            0 => (waits, TRIES_AGAIN),
            _ => (waits.min(again), (again * 2).min(RUNS_EVERY)),
        };
    }
}

/// What is looked at.
struct Watched {
    root: PathBuf,
    /// How the project's files looked when its sources were read from them.
    project: u64,
    sources: Option<(Arc<ProjectSources>, Vec<String>)>,
    /// The longest `stable_for` of a feed: a file that is too young is looked at again when it is old enough.
    stable_for: Duration,
    lake: Option<PathBuf>,
    /// The file of holidays.
    holidays: Option<PathBuf>,
}

impl Watched {
    fn of(global: &Global) -> Result<Self, Failure> {
        let root = site::find_root(global)?;
        Ok(Self {
            project: 0,
            sources: None,
            stable_for: Duration::ZERO,
            lake: None,
            holidays: None,
            root,
        })
    }

    /// When a run after a change is followed by another.
    fn settles(&self) -> Duration {
        match self.stable_for {
            Duration::ZERO => RUNS_EVERY,
            young => young + Duration::from_millis(500),
        }
    }

    /// Another number when a run, a repair or an adoption has made a version.
    fn runs(&self) -> u64 {
        let mut runs = Pulse::default();
        if let Some(lake) = &self.lake {
            runs.folder(&lake.join("_karat").join("runs"));
        }
        runs.finish()
    }

    /// The same when a file of the project has changed.
    fn pulse_of_project(&self) -> u64 {
        let mut project = Pulse::default();
        project.file(&self.root.join("karat.yaml"));
        project.folder(&self.root.join("domains"));
        project.folder(&self.root.join("keys"));
        if let Some(file) = &self.holidays {
            project.file(file);
        }
        project.finish()
    }

    /// A number that is another when something may have changed.
    fn look(&mut self, global: &Global) -> u64 {
        let mut project = self.pulse_of_project();
        if project != self.project || self.sources.is_none() {
            // One with mistakes has none; the run tells of them.
            let opened = site::open(global, None, None).ok();
            self.lake = opened.as_ref().and_then(|opened| opened.lake_folder().ok());
            let calendar = opened
                .as_ref()
                .and_then(|opened| opened.project.calendar.as_ref());
            let holidays = calendar.and_then(|calendar| calendar.file.as_ref());
            self.holidays = holidays.map(|file| self.root.join(file));
            let feeds = opened.iter().flat_map(|opened| opened.project.feeds());
            self.stable_for = feeds.map(|feed| feed.stable_for).max().unwrap_or_default();
            self.sources = opened.map(|opened| {
                let names = opened.project.sources.keys().cloned().collect();
                (opened.sources(), names)
            });
            // The file of holidays is known only now.
            project = self.pulse_of_project();
            self.project = project;
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
