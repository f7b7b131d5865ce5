//! A folder for spilled rows and converted files, one a process, gone when it ends. What a killed process left is removed by the
//! next one that comes along: a kernel lock tells the dead from the living.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};

use crate::failure::Failure;

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
        fs::create_dir_all(base).map_err(Failure::io("make the folder", base))?;
        Self::named(base, "")
    }

    /// A new folder for temporary files, which other users of the machine can neither read nor stand in the way of.
    pub(crate) fn temporary() -> Result<Self, Failure> {
        Self::named(&std::env::temp_dir(), "karat-")
    }

    fn named(base: &Path, prefix: &str) -> Result<Self, Failure> {
        sweep(base, prefix);
        let name = uuid::Uuid::new_v4().simple().to_string();
        let path = base.join(format!("{prefix}{name}"));
        private_folder(&path).map_err(Failure::io("make the folder", &path))?;
        let lock = own(&path).map_err(Failure::io("lock", &path))?;
        Ok(Self {
            path,
            lock: Some(lock),
        })
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

/// Locks a folder that was just made. The lock file gets its name when it is locked: whoever sweeps meanwhile sees none, or a living one.
fn own(folder: &Path) -> std::io::Result<File> {
    let unnamed = folder.join("in-use.new");
    let file = File::create_new(&unnamed)?;
    file.try_lock()?;
    fs::rename(unnamed, folder.join(LOCK))?;
    Ok(file)
}

/// The lock of a folder whose process is dead.
fn locked(folder: &Path) -> std::io::Result<File> {
    let file = OpenOptions::new().write(true).open(folder.join(LOCK))?;
    file.try_lock()?;
    Ok(file)
}

/// A folder that only this user can look into.
fn private_folder(path: &Path) -> std::io::Result<()> {
    let mut folder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut folder, 0o700);
    folder.create(path)
}

/// Removes what dead processes of this user left. Whatever goes wrong here is tried again by the next.
fn sweep(base: &Path, prefix: &str) {
    let Ok(entries) = fs::read_dir(base) else {
        return;
    };
    for entry in entries.flatten() {
        if !entry.file_name().to_string_lossy().starts_with(prefix) {
            continue;
        }
        let path = entry.path();
        // Without its lock file a folder is just being made.
        if let Ok(dead) = locked(&path) {
            let _ = fs::remove_dir_all(&path);
            drop(dead);
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
        // Many at once: each keeps what it has made until it lets go.
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        let own = Scratch::below(base.path()).unwrap();
                        fs::write(own.path().join("rows"), "1").unwrap();
                    }
                });
            }
        });
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = fs::metadata(living.path()).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o700);
        }
    }
}
