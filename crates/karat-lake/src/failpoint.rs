//! Places where a test can let this process die, as if by SIGKILL, stop it, or make it lose an answer or a row (debug builds only).
//!
//! A spec is a comma-separated list of `NAME` (dies), `NAME=stop` (stops until SIGCONT), `NAME=lost` (the answer of a commit, or the
//! first row of a batch) or `NAME=doubled` (that row), each with `:n` for the n-th hit. Each call with a name on the list counts. In
//! release builds nothing is ever armed, and the names are not in the binary.

use std::sync::Mutex;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;

#[derive(Debug)]
struct Armed {
    name: String,
    hits_left: u64,
}

static ARMED: Mutex<Vec<Armed>> = Mutex::new(Vec::new());

/// Arms the failpoints of `spec`, in place of those armed before; an empty spec disarms all.
pub fn arm(spec: &str) {
    if !cfg!(debug_assertions) {
        return;
    }
    let mut armed = lock();
    armed.clear();
    for part in spec
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
    {
        let (name, hits) = match part.rsplit_once(':') {
            Some((name, hits)) => (name, hits.parse().unwrap_or(1)),
            None => (part, 1),
        };
        armed.push(Armed {
            name: name.replace('=', "."),
            hits_left: u64::max(hits, 1),
        });
    }
}

/// Kills or stops this process if the failpoint `name` is armed and its turn has come.
pub fn hit(name: &str) {
    if !cfg!(debug_assertions) {
        return;
    }
    if triggered(name, "stop") {
        signal_self("STOP");
    }
    if its_turn(name) {
        signal_self("KILL");
        std::process::abort();
    }
}

/// Counts a hit; true if the failpoint's turn has come. For failures that are answers, not deaths.
pub fn triggered(name: &str, failure: &str) -> bool {
    cfg!(debug_assertions) && its_turn(&format!("{name}.{failure}"))
}

/// Rows on their way from one operator to the next: without the first one, or with it twice, if that is armed.
pub fn rows(name: &str, batch: RecordBatch) -> RecordBatch {
    if !cfg!(debug_assertions) || batch.num_rows() == 0 {
        return batch;
    }
    if triggered(name, "lost") {
        return batch.slice(1, batch.num_rows() - 1);
    }
    if triggered(name, "doubled") {
        let twice = [&batch.slice(0, 1), &batch];
        return concat_batches(&batch.schema(), twice).unwrap_or(batch);
    }
    batch
}

fn its_turn(name: &str) -> bool {
    let mut armed = lock();
    let Some(at) = armed.iter().position(|armed| armed.name == name) else {
        return false;
    };
    armed[at].hits_left -= 1;
    if armed[at].hits_left > 0 {
        return false;
    }
    armed.remove(at);
    true
}

fn lock() -> std::sync::MutexGuard<'static, Vec<Armed>> {
    ARMED
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// SIGKILL, not `exit`: no destructor, no flush, no handler runs. After SIGSTOP it goes on once somebody says so.
fn signal_self(signal: &str) {
    let pid = std::process::id().to_string();
    let sent = std::process::Command::new("kill")
        .args(["-s", signal, &pid])
        .status();
    debug_assert!(
        sent.is_ok_and(|status| status.success()),
        "cannot send SIG{signal}"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_debug_builds_fail_on_demand() {
        arm("here=lost:2, there=stop");
        assert!(!triggered("here", "doubled"));
        assert!(!triggered("here", "lost"));
        assert_eq!(triggered("here", "lost"), cfg!(debug_assertions));
        assert!(!triggered("here", "lost"));
        assert_eq!(triggered("there", "stop"), cfg!(debug_assertions));
    }
}
