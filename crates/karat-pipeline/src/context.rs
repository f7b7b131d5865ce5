//! What a run takes from outside, all in one place: who, when, with how much, and where progress goes.

use std::sync::Arc;
use std::time::Duration;

use karat_exact::Engine;
use karat_lake::Lake;
use karat_project::Project;
use karat_receipt::SigningKey;

use crate::at_work::Claims;
use crate::given::Values;
use crate::proven::Proven;

/// One execution's facts. Nothing below this reads a clock, an environment or a random source.
pub struct Context {
    /// Id of the run, sortable by time.
    pub run: String,
    /// The one logical time, microseconds since 1970 (A6).
    pub logical_time_us: i64,
    /// The same as RFC 3339 text.
    pub logical_time: String,
    /// Who runs it.
    pub principal: String,
    /// Name of the target.
    pub target: String,
    /// What set it off: `manual`, `schedule`.
    pub trigger: String,
    /// Version of karat.
    pub karat_version: String,
    /// Values of parameters and the business date, by the names under which what asks for them is recorded (A9).
    pub parameters: Values,
    /// Steps that may run side by side.
    pub parallel_steps: usize,
    /// How long to wait for a table that another run is at; zero does not wait (A5).
    pub wait: Duration,
    /// `--accept-deletes`: full loads may delete more than `max_delete` (B6).
    pub accept_deletes: bool,
    /// `--restate`: why rows of closed business days may change (A8).
    pub restate: Option<String>,
    /// Signs receipts, if the project has a key.
    pub key: Option<SigningKey>,
    /// Where progress goes.
    pub progress: Arc<dyn Progress>,
    /// Wall clock for the time of a commit in a table's log, milliseconds since 1970. It decides nothing.
    pub clock: Arc<dyn Fn() -> i64 + Send + Sync>,
}

impl Context {
    /// The wall clock.
    pub fn now_ms(&self) -> i64 {
        (self.clock)()
    }
}

/// Listens to the progress of a run. Calls come from several threads.
pub trait Progress: Send + Sync {
    /// Called for each event, in order within one table.
    fn event(&self, event: &Event);
}

/// One thing that happened, for progress bars and plain lines.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A step begins; `bytes` is what it expects to read, 0 if unknown.
    Started {
        /// Table that the step writes.
        table: String,
        /// Bytes that it expects to read.
        bytes: u64,
    },
    /// Some more was read.
    Advanced {
        /// Table that the step writes.
        table: String,
        /// Rows since the last event.
        rows: u64,
        /// Share of the expected bytes, in per cent.
        percent: u8,
    },
    /// The commit of a table follows.
    Committing {
        /// Table that is committed.
        table: String,
    },
    /// A step ended.
    Finished {
        /// Table that the step writes.
        table: String,
        /// Outcome in one word.
        status: String,
    },
    /// Something a person should read.
    Note(String),
}

/// Listens to nothing.
pub struct Silent;

impl Progress for Silent {
    fn event(&self, _event: &Event) {}
}

/// A project opened at one of its targets, with the engine that computes for it.
pub struct Site {
    /// What was declared.
    pub project: Project,
    /// Folder of the project.
    pub root: std::path::PathBuf,
    /// The target's lake.
    pub lake: Lake,
    /// The engine.
    pub engine: Engine,
    /// This execution.
    pub context: Context,
    /// Data files that this execution has proven.
    pub proven: Proven,
    /// Runs that began before this execution.
    pub claims: Claims,
}

impl Site {
    /// Whether the target takes no version without a signature that counts (G7).
    pub(crate) fn demands_signatures(&self) -> bool {
        let target = self.project.targets.get(&self.context.target);
        target.is_some_and(|target| target.require_signature)
    }
}
