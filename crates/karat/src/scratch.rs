//! A folder for spilled rows and converted files, one a process, gone when it ends. What a killed process left is removed by the
//! next one that comes along: a kernel lock tells the dead from the living.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};

use crate::failure::Failure;
use crate::machine;

/// Held as long as the folder is in use.
const LOCK: &str = "in-use.lock";

/// A folder of this process.
pub(crate) struct Scratch {
    path: PathBuf,
    /// None once the folder is to go: where files are locked against removal, the lock must be let go first.
    lock: Option<File>,
}

impl Scratch {
    /// A new folder below `base`, which is made if missing.
    pub(crate) fn below(base: &Path) -> Result<Self, Failure> {
        sweep(base);
        let name = uuid::Uuid::new_v4().simple().to_string();
        let path = base.join(name);
        fs::create_dir_all(&path).map_err(Failure::io("make the folder", &path))?;
        let lock = locked(&path).map_err(Failure::io("lock", &path))?;
        Ok(Self {
            path,
            lock: Some(lock),
        })
    }

    /// A new folder among the temporary files of this user.
    pub(crate) fn temporary() -> Result<Self, Failure> {
        let user: String = machine::user()
            .chars()
            .map(|letter| {
                if letter.is_alphanumeric() {
                    letter
                } else {
                    '_'
                }
            })
            .collect();
        Self::below(&std::env::temp_dir().join(format!("karat-{user}")))
    }

    /// The folder.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        self.lock = None;
        // What cannot be removed now is swept by the next process.
        let _ = fs::remove_dir_all(&self.path);
    }
}

fn locked(folder: &Path) -> std::io::Result<File> {
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(folder.join(LOCK))?;
    file.try_lock()?;
    Ok(file)
}

/// Removes what dead processes left. Whatever goes wrong here is tried again by the next.
fn sweep(base: &Path) {
    let Ok(entries) = fs::read_dir(base) else {
        return;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        // Without its lock file a folder is just being made.
        if path.join(LOCK).is_file() && locked(&path).is_ok() {
            let _ = fs::remove_dir_all(&path);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_living_are_spared_and_the_dead_swept() {
        let base = tempfile::tempdir().unwrap();
        let living = Scratch::below(base.path()).unwrap();
        let dead = base.path().join("dead");
        fs::create_dir(&dead).unwrap();
        fs::write(dead.join(LOCK), "").unwrap();
        let path = Scratch::below(base.path()).unwrap().path().to_path_buf();
        assert!(living.path().is_dir());
        assert!(!dead.exists());
        assert!(!path.exists());
    }
}
