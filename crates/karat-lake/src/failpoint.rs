//! Places where a test can let this process die, as if by SIGKILL, or lose an answer (debug builds only).
//!
//! A spec is a comma-separated list of `NAME`, `NAME:n` (at the n-th hit), or `NAME=lost`. Each call of [`hit`] with a name
//! on the list counts. In release builds nothing is ever armed.

use std::sync::Mutex;

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
        let part = part.replace("=lost", ".lost");
        let (name, hits) = match part.rsplit_once(':') {
            Some((name, hits)) => (name.to_owned(), hits.parse().unwrap_or(1)),
            None => (part.clone(), 1),
        };
        armed.push(Armed {
            name,
            hits_left: u64::max(hits, 1),
        });
    }
}

/// Kills this process if the failpoint `name` is armed and its turn has come.
pub fn hit(name: &str) {
    if cfg!(debug_assertions) && triggered(name) {
        kill_self();
    }
}

/// Counts a hit; true if the failpoint's turn has come. For failures that are answers, not deaths.
pub fn triggered(name: &str) -> bool {
    if !cfg!(debug_assertions) {
        return false;
    }
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

/// SIGKILL, not `exit`: no destructor, no flush, no handler runs.
fn kill_self() -> ! {
    let pid = std::process::id().to_string();
    let sent = std::process::Command::new("kill")
        .args(["-9", &pid])
        .status();
    if !matches!(sent, Ok(status) if status.success()) {
        std::process::abort();
    }
    loop {
        std::thread::park();
    }
}
