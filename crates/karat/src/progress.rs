//! Progress of a run on stderr: bars on a terminal, plain lines without one.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use karat_pipeline::{Event, Progress, Silent};

use crate::args::ProgressStyle as Style;
use crate::output;

/// Lines of progress are this many per cent apart.
const STEP_PERCENT: u8 = 5;

/// What listens to a run.
pub(crate) fn listener(quiet: bool, style: Style) -> std::sync::Arc<dyn Progress> {
    if quiet {
        std::sync::Arc::new(Silent)
    } else if style == Style::Auto && output::stderr_is_terminal() {
        std::sync::Arc::new(Bars {
            // Where the answer goes to the same terminal, it says all this again.
            is_answer_seen: output::stdout_is_terminal(),
            ..Bars::default()
        })
    } else {
        std::sync::Arc::new(Lines::default())
    }
}

/// What is known of a table at work.
struct Seen {
    since: Instant,
    rows: u64,
    percent: u8,
}

impl Seen {
    fn now() -> Self {
        Self {
            since: Instant::now(),
            rows: 0,
            percent: 0,
        }
    }
}

/// Plain lines: `start TABLE`, `progress TABLE PERCENT`, `commit TABLE`, `finish TABLE STATUS ROWS rows SECONDS s`.
#[derive(Default)]
struct Lines {
    seen: Mutex<BTreeMap<String, Seen>>,
}

impl Progress for Lines {
    fn event(&self, event: &Event) {
        let mut seen = locked(&self.seen);
        match event {
            Event::Started { table, .. } => {
                seen.insert(table.clone(), Seen::now());
                line(&format!("start {table}"));
            }
            Event::Advanced {
                table,
                rows,
                percent,
            } => {
                let at = seen.entry(table.clone()).or_insert_with(Seen::now);
                at.rows += rows;
                if *percent >= at.percent.saturating_add(STEP_PERCENT)
                    || (*percent >= 100 && at.percent < 100)
                {
                    at.percent = *percent;
                    line(&format!("progress {table} {percent}"));
                }
            }
            Event::Committing { table } => line(&format!("commit {table}")),
            Event::Finished { table, status } => {
                let at = seen.remove(table).unwrap_or_else(Seen::now);
                line(&format!(
                    "finish {table} {status} {} rows {:.2} s",
                    at.rows,
                    at.since.elapsed().as_secs_f64()
                ));
            }
            Event::Note(text) => line(&format!("note: {text}")),
        }
    }
}

/// A bar for each table at work; finished tables leave a line if they did something and no answer will follow at the same terminal.
#[derive(Default)]
struct Bars {
    is_answer_seen: bool,
    all: MultiProgress,
    bars: Mutex<BTreeMap<String, (ProgressBar, Seen)>>,
}

impl Progress for Bars {
    fn event(&self, event: &Event) {
        let mut bars = locked(&self.bars);
        match event {
            Event::Started { table, .. } => {
                let bar = ProgressBar::new(100).with_style(bar_style("  {eta:>4}"));
                let bar = self.all.add(bar.with_prefix(table.clone()));
                bar.enable_steady_tick(Duration::from_millis(120));
                bars.insert(table.clone(), (bar, Seen::now()));
            }
            Event::Advanced {
                table,
                rows,
                percent,
            } => {
                if let Some((bar, seen)) = bars.get_mut(table) {
                    seen.rows += rows;
                    bar.set_position(u64::from(*percent));
                    let rows = output::counted(seen.rows, "row");
                    if *percent < 100 {
                        bar.set_message(rows);
                    } else {
                        // All is read; how long the rest takes is not known.
                        bar.set_style(bar_style(""));
                        bar.set_message(format!("{rows}, writing"));
                    }
                }
            }
            Event::Committing { table } => {
                if let Some((bar, _)) = bars.get(table) {
                    bar.set_message("committing");
                }
            }
            Event::Finished { table, status } => {
                let Some((bar, seen)) = bars.remove(table) else {
                    return;
                };
                bar.finish_and_clear();
                self.all.remove(&bar);
                if status != "unchanged" && !self.is_answer_seen {
                    let rows = if seen.rows > 0 {
                        output::counted(seen.rows, "row")
                    } else {
                        String::new()
                    };
                    let text = format!(
                        "{status:<9} {table:<40} {rows:>16}  {}",
                        output::seconds(seen.since.elapsed().as_secs_f64())
                    );
                    let _ = self.all.println(text);
                }
            }
            Event::Note(text) => {
                let _ = self.all.println(format!("note: {text}"));
            }
        }
    }
}

fn bar_style(after: &str) -> ProgressStyle {
    let template =
        format!("{{spinner}} {{prefix:<40!}} {{wide_bar}} {{percent:>3}} %  {{msg}}{after}");
    ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// What a long verb is at, on stderr: one line that renews itself on a terminal, plain lines without one, nothing if quiet.
pub(crate) enum Activity {
    Silent,
    /// Lines that begin with the verb.
    Lines(&'static str),
    Spinner(ProgressBar),
}

impl Activity {
    pub(crate) fn new(verb: &'static str, quiet: bool, style: Style) -> Self {
        if quiet {
            Self::Silent
        } else if style == Style::Auto && output::stderr_is_terminal() {
            let style = ProgressStyle::with_template("{spinner} {msg}, {elapsed}")
                .unwrap_or_else(|_| ProgressStyle::default_spinner());
            let spinner = ProgressBar::new_spinner().with_style(style);
            spinner.enable_steady_tick(Duration::from_millis(120));
            Self::Spinner(spinner)
        } else {
            Self::Lines(verb)
        }
    }

    /// What is being done from now on.
    pub(crate) fn now(&self, text: &str) {
        match self {
            Self::Silent => {}
            Self::Lines(verb) => line(&format!("{verb}: {text}")),
            Self::Spinner(spinner) => {
                spinner.reset_elapsed();
                spinner.set_message(text.to_owned());
            }
        }
    }

    /// Prints something else, above the line that renews itself.
    pub(crate) fn above(&self, print: impl FnOnce()) {
        match self {
            Self::Silent | Self::Lines(_) => print(),
            Self::Spinner(spinner) => spinner.suspend(print),
        }
    }

    /// Leaves nothing behind.
    pub(crate) fn done(&self) {
        if let Self::Spinner(spinner) = self {
            spinner.finish_and_clear();
        }
    }
}

/// Each line goes out at once: whoever reads it may act on it.
fn line(text: &str) {
    let _ = std::io::stderr()
        .lock()
        .write_all(format!("{text}\n").as_bytes());
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
