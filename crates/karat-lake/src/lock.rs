//! A kernel file lock: one karat at a time on a feed or model of one machine (SEMANTICS A5).
//!
//! It keeps the second process from doing work in vain. Correctness rests on the commit, not on it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::LakeError;
use crate::folder::{create_dirs, create_temporary};

const STEP: Duration = Duration::from_millis(25);

/// Holds a lock until it is dropped or the process dies.
#[derive(Debug)]
pub struct LockGuard {
    _file: File,
}

pub(crate) fn take(name: &str, path: &Path, wait: Duration) -> Result<LockGuard, LakeError> {
    if let Some(dir) = path.parent() {
        create_dirs(dir)?;
    }
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .map_err(LakeError::io("open the lock", path))?;
    let locked = within(&mut { wait }, || match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(LakeError::io("lock", path)(error)),
    })?;
    if locked {
        return Ok(LockGuard { _file: file });
    }
    Err(LakeError::Locked {
        name: name.to_owned(),
    })
}

/// Whether something is so before this time is over, of which what was waited is taken off.
pub(crate) fn within(
    left: &mut Duration,
    mut is_so: impl FnMut() -> Result<bool, LakeError>,
) -> Result<bool, LakeError> {
    while !is_so()? {
        if left.is_zero() {
            return Ok(false);
        }
        let step = STEP.min(*left);
        std::thread::sleep(step);
        *left -= step;
    }
    Ok(true)
}

/// Says that a run is at work: a lock with a name of its own, whose file goes with it.
#[derive(Debug)]
pub struct RunMark {
    path: PathBuf,
    _guard: LockGuard,
}

impl Drop for RunMark {
    fn drop(&mut self) {
        // What stays behind is found free by whoever looks.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// The file gets its name when it is locked: who finds it without a lock knows that its process is dead.
pub(crate) fn mark(path: &Path, says: &str) -> Result<RunMark, LakeError> {
    let dir = path.parent().unwrap_or(path);
    create_dirs(dir)?;
    let (temporary, mut file) = create_temporary(dir)?;
    file.lock().map_err(LakeError::io("lock", &temporary))?;
    file.write_all(says.as_bytes())
        .map_err(LakeError::io("write", &temporary))?;
    std::fs::rename(&temporary, path).map_err(LakeError::io("create", path))?;
    Ok(RunMark {
        _guard: LockGuard { _file: file },
        path: path.to_path_buf(),
    })
}

/// Whether the process that made a mark still lives.
pub(crate) fn is_marked(path: &Path) -> Result<bool, LakeError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(LakeError::io("open the lock", path)(error)),
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(LakeError::io("lock", path)(error)),
    }
}
