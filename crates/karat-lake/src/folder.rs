//! The lake's folders: `{domain}/{layer}/{table}/` for tables, `_karat/` for what karat knows about them (SEMANTICS H4).
//!
//! Files below `_karat/` are created once and never changed: [`Lake::put_if_absent`] puts a file there whole or not at all.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::failpoint;
use crate::lock::{self, LockGuard, RunMark};
use crate::table::{Format, Table};
use crate::{ErrorClass, LakeError};

const FORMAT: &str = "1";
const FORMAT_FILE: &str = "_karat/format";

/// A lake on a file system.
#[derive(Debug, Clone)]
pub struct Lake {
    root: PathBuf,
    formats: Arc<Formats>,
}

/// In which formats tables are made that are not there yet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Formats {
    /// Of all that are not named.
    pub default: Format,
    /// By folder relative to the lake.
    pub of: BTreeMap<String, Format>,
}

/// What [`Lake::put_if_absent`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// The file is new, with our bytes.
    Created,
    /// A file of that name was there; it is untouched, and may hold other bytes.
    Exists,
}

/// What the mark of a run on this machine says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Marked {
    /// Of one that is at work.
    AtWork(String),
    /// Of one whose process died.
    Dead(String),
}

/// A folder that holds a table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TableDir {
    /// The business domain.
    pub domain: String,
    /// bronze, silver, gold or quarantine.
    pub layer: String,
    /// The table's own name.
    pub table: String,
}

impl TableDir {
    /// The folder relative to the lake: `domain/layer/table`.
    pub fn dir(&self) -> String {
        format!("{}/{}/{}", self.domain, self.layer, self.table)
    }

    /// The name by which SQL and receipts call the table: `domain_layer.table`.
    pub fn name(&self) -> String {
        format!("{}_{}.{}", self.domain, self.layer, self.table)
    }
}

impl Lake {
    /// Opens the lake at `root`, making it first if the folder is missing or empty. Running it twice, or twice at once, makes one lake.
    pub fn create(root: &Path) -> Result<Self, LakeError> {
        let lake = Self {
            root: absolute(root)?,
            formats: Arc::default(),
        };
        match lake.check_format() {
            Err(LakeError::NoLake { .. }) if lake.is_unused()? => {}
            checked => return checked.map(|()| lake),
        }
        create_dirs(&lake.root)?;
        lake.put_if_absent(FORMAT_FILE, FORMAT.as_bytes())?;
        lake.check_format()?;
        Ok(lake)
    }

    /// Opens the lake at `root`.
    pub fn open(root: &Path) -> Result<Self, LakeError> {
        let lake = Self {
            root: absolute(root)?,
            formats: Arc::default(),
        };
        lake.check_format()?;
        Ok(lake)
    }

    /// Opens the lake at `root` for reading; a folder that is missing or empty is a lake without tables. Writes nothing.
    pub fn open_or_empty(root: &Path) -> Result<Self, LakeError> {
        let lake = Self {
            root: absolute(root)?,
            formats: Arc::default(),
        };
        match lake.check_format() {
            Err(LakeError::NoLake { .. }) if names_in(&lake.root)?.is_empty() => Ok(lake),
            checked => checked.map(|()| lake),
        }
    }

    /// The same lake, in which new tables are made in these formats. A table that is there keeps its own.
    #[must_use]
    pub fn with_formats(self, formats: Formats) -> Self {
        Self {
            formats: Arc::new(formats),
            ..self
        }
    }

    /// The formats of new tables.
    pub fn formats(&self) -> &Formats {
        &self.formats
    }

    /// The lake's folder, absolute.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Creates the file `rel` with `bytes`, unless there is one. All or nothing: a reader, or a crash, never sees half a file,
    /// and the file is on disk when this returns.
    pub fn put_if_absent(&self, rel: &str, bytes: &[u8]) -> Result<Put, LakeError> {
        let path = self.path(rel)?;
        failpoint::hit("put.before");
        let put = put_if_absent(&path, bytes)?;
        failpoint::hit("put.after");
        Ok(put)
    }

    /// The bytes of the file `rel`, if there is one.
    pub fn get(&self, rel: &str) -> Result<Option<Vec<u8>>, LakeError> {
        let path = self.path(rel)?;
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(LakeError::io("read", path)(error)),
        }
    }

    /// Names in the folder `rel_dir`, sorted, without temporary files; empty if there is no such folder.
    pub fn list(&self, rel_dir: &str) -> Result<Vec<String>, LakeError> {
        let path = if rel_dir.is_empty() {
            self.root.clone()
        } else {
            self.path(rel_dir)?
        };
        names_in(&path)
    }

    /// That files may be created in the folder `rel_dir`, or where it is to be made: what can be told without trying. Says nothing of
    /// systems that cannot be asked.
    pub fn check_may_create(&self, rel_dir: &str) -> Result<(), LakeError> {
        let path = self.path(rel_dir)?;
        let there = path.ancestors().find(|folder| folder.exists());
        match there {
            Some(folder) => may_create(folder).map_err(LakeError::io("create a file in", folder)),
            None => Ok(()),
        }
    }

    /// Takes the lock `name`, waiting up to `wait` for whoever holds it. It is free again when the guard drops or the process dies.
    pub fn lock(&self, name: &str, wait: Duration) -> Result<LockGuard, LakeError> {
        let path = self.path(&format!("_karat/locks/{name}.lock"))?;
        lock::take(name, &path, wait)
    }

    /// Marks a run as being at work, until the mark drops or the process dies. `says` is what [`Self::marked`] tells others.
    pub fn mark(&self, name: &str, says: &str) -> Result<RunMark, LakeError> {
        lock::mark(&self.path(&format!("_karat/locks/{name}.lock"))?, says)
    }

    /// What the mark of a run says; none if it has ended.
    pub fn marked(&self, name: &str) -> Result<Option<Marked>, LakeError> {
        let path = self.path(&format!("_karat/locks/{name}.lock"))?;
        let is_at_work = lock::is_marked(&path)?;
        match fs::read_to_string(&path) {
            Ok(says) if is_at_work => Ok(Some(Marked::AtWork(says))),
            Ok(says) => Ok(Some(Marked::Dead(says))),
            // It ended meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(LakeError::io("read the lock", &path)(error)),
        }
    }

    /// Removes the mark of a dead run.
    pub fn clear_mark(&self, name: &str) -> Result<(), LakeError> {
        let path = self.path(&format!("_karat/locks/{name}.lock"))?;
        remove_if_there(&path)
    }

    /// Whether a run on this machine is at work under this mark.
    pub fn is_marked(&self, name: &str) -> Result<bool, LakeError> {
        lock::is_marked(&self.path(&format!("_karat/locks/{name}.lock"))?)
    }

    /// Waits for the run under this mark: whether it ended before the time was over, of which what was waited is taken off.
    pub fn wait_for(&self, name: &str, left: &mut Duration) -> Result<bool, LakeError> {
        lock::within(left, || Ok(!self.is_marked(name)?))
    }

    /// All tables of the lake, sorted.
    pub fn tables(&self) -> Result<Vec<TableDir>, LakeError> {
        let mut tables = Vec::new();
        for domain in visible_folders(&self.root)? {
            let domain_path = self.root.join(&domain);
            for layer in visible_folders(&domain_path)? {
                let layer_path = domain_path.join(&layer);
                for table in visible_folders(&layer_path)? {
                    if Table::is_at(&layer_path.join(&table)) {
                        tables.push(TableDir {
                            domain: domain.clone(),
                            layer: layer.clone(),
                            table,
                        });
                    }
                }
            }
        }
        tables.sort();
        Ok(tables)
    }

    /// The table in the folder `dir` (`domain/layer/table`), which need not exist yet.
    pub fn table(&self, dir: &str) -> Table {
        let format = self.formats.of.get(dir).copied();
        let format = format.unwrap_or(self.formats.default);
        Table::new(self.root.join(dir), dir.to_owned(), format)
    }

    /// Whether nothing lies in the folder, or no more than the beginning of a lake: `_karat` without a file.
    fn is_unused(&self) -> Result<bool, LakeError> {
        let names = names_in(&self.root)?;
        let only_ours = names.iter().all(|name| name == "_karat");
        Ok(only_ours && names_in(&self.root.join("_karat"))?.is_empty())
    }

    fn check_format(&self) -> Result<(), LakeError> {
        match self.get(FORMAT_FILE)? {
            None => Err(LakeError::NoLake {
                path: self.root.clone(),
            }),
            Some(bytes) => {
                let found = String::from_utf8_lossy(&bytes).into_owned();
                if found == FORMAT {
                    Ok(())
                } else {
                    let found: String = found.chars().take(40).collect();
                    let found = found.escape_debug().to_string();
                    Err(LakeError::Format {
                        path: self.root.clone(),
                        found,
                    })
                }
            }
        }
    }

    pub(crate) fn path(&self, rel: &str) -> Result<PathBuf, LakeError> {
        check_name(rel)?;
        Ok(self.root.join(rel))
    }
}

/// A relative path of plain names, so that nothing leaves the lake.
fn check_name(rel: &str) -> Result<(), LakeError> {
    let refuse = |why| {
        Err(LakeError::Name {
            name: rel.to_owned(),
            why,
        })
    };
    if rel.contains(['\\', '\0']) {
        return refuse("it holds a backslash or a zero character");
    }
    for part in rel.split('/') {
        match part {
            "" => return refuse("it has an empty part, or is absolute"),
            "." | ".." => return refuse("it holds `.` or `..`"),
            _ => {}
        }
    }
    Ok(())
}

/// Absolute, and without `..`: object stores take no path with it. What is there is asked where that leads, so that links count as they do
/// for everybody else.
fn absolute(path: &Path) -> Result<PathBuf, LakeError> {
    let whole = std::path::absolute(path).map_err(LakeError::io("find the folder", path))?;
    if !whole.components().any(|part| part == Component::ParentDir) {
        return Ok(whole);
    }
    let mut found = PathBuf::new();
    for part in whole.components() {
        match part {
            Component::ParentDir => {
                found = match found.canonicalize() {
                    Ok(known) => known,
                    Err(error) if error.kind() == io::ErrorKind::NotFound => found,
                    Err(error) => return Err(LakeError::io("find the folder", found)(error)),
                };
                found.pop();
            }
            part => found.push(part),
        }
    }
    Ok(found)
}

#[cfg(unix)]
fn may_create(folder: &Path) -> io::Result<()> {
    use rustix::fs::{Access, access};
    Ok(access(folder, Access::WRITE_OK | Access::EXEC_OK)?)
}

#[cfg(not(unix))]
fn may_create(_folder: &Path) -> io::Result<()> {
    Ok(())
}

fn visible_folders(path: &Path) -> Result<Vec<String>, LakeError> {
    let mut names = names_in(path)?;
    names.retain(|name| !name.starts_with('_') && path.join(name).is_dir());
    Ok(names)
}

pub(crate) fn names_in(path: &Path) -> Result<Vec<String>, LakeError> {
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(LakeError::io("list", path)(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(LakeError::io("list", path))?;
        // A name that is not UTF-8 is none of ours.
        if let Ok(name) = entry.file_name().into_string()
            && !name.starts_with('.')
        {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

static TEMPORARY: AtomicU64 = AtomicU64::new(0);

/// Opens a new file in `dir` under a name nobody else has. Its leading dot hides it from [`Lake::list`] and from Delta readers.
pub(crate) fn create_temporary(dir: &Path) -> Result<(PathBuf, File), LakeError> {
    let process = std::process::id();
    loop {
        let number = TEMPORARY.fetch_add(1, Ordering::Relaxed);
        let path = dir.join(format!(".karat-{process}-{number}.tmp"));
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(file) => return Ok((path, file)),
            // Left behind by a killed process, or in use on another machine: take the next.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(LakeError::io("create a file in", dir)(error)),
        }
    }
}

/// Removes what writers that died left in `dir` under names of [`create_temporary`].
pub(crate) fn remove_temporaries(dir: &Path) -> Result<(), LakeError> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(LakeError::io("list", dir)(error)),
    };
    for entry in entries {
        let entry = entry.map_err(LakeError::io("list", dir))?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(".karat-") && name.ends_with(".tmp") {
            remove_if_there(&entry.path())?;
        }
    }
    Ok(())
}

fn remove_if_there(path: &Path) -> Result<(), LakeError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(LakeError::io("remove", path)(error))
        }
        _ => Ok(()),
    }
}

/// Creates `path` with `bytes` unless it exists: temporary file, fsync, hard link, fsync of the folder.
///
/// # Errors
/// [`LakeError::Io`] with what could not be done; nobody sees a part of the file.
pub fn put_if_absent(path: &Path, bytes: &[u8]) -> Result<Put, LakeError> {
    let dir = path.parent().unwrap_or(path);
    if path.symlink_metadata().is_ok() {
        return exists(path);
    }
    create_dirs(dir)?;
    let (temporary, mut file) = create_temporary(dir)?;
    let linked = file
        .write_all(bytes)
        .and_then(|()| file.sync_all())
        .map_err(LakeError::io("write", path))
        .and_then(|()| match fs::hard_link(&temporary, path) {
            Ok(()) => Ok(Put::Created),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => exists(path),
            Err(error) => Err(LakeError::io("create", path)(error)),
        });
    drop(file);
    let removed = fs::remove_file(&temporary);
    let put = linked?;
    removed.map_err(LakeError::io("remove", temporary))?;
    if put == Put::Created {
        sync_dir(dir)?;
    }
    Ok(put)
}

fn exists(path: &Path) -> Result<Put, LakeError> {
    if path.is_dir() {
        return Err(LakeError::io("create", path)(
            io::ErrorKind::IsADirectory.into(),
        ));
    }
    Ok(Put::Exists)
}

/// Creates `dir` and its parents, each new one made durable in its parent.
pub(crate) fn create_dirs(dir: &Path) -> Result<(), LakeError> {
    if dir.is_dir() {
        return Ok(());
    }
    if let Some(parent) = dir.parent() {
        create_dirs(parent)?;
    }
    match fs::create_dir(dir) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && dir.is_dir() => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            return Err(LakeError::io("create the folder", dir)(
                io::ErrorKind::NotADirectory.into(),
            ));
        }
        Err(error) => return Err(LakeError::io("create the folder", dir)(error)),
    }
    match dir.parent().map(sync_dir) {
        // A parent that we may write in but not open (rights of the folder above the lake) is not ours to sync.
        Some(Err(error)) if error.class() != ErrorClass::NotAllowed => Err(error),
        _ => Ok(()),
    }
}

/// Makes the names in `dir` durable.
pub(crate) fn sync_dir(dir: &Path) -> Result<(), LakeError> {
    if cfg!(windows) {
        return Ok(());
    }
    File::open(dir)
        .and_then(|folder| folder.sync_all())
        .map_err(LakeError::io("sync the folder", dir))
}
