//! Files on a disk: a sorted walk that survives links in circles, members of `.dbc` archives, bytes on demand.
//!
//! The only module that opens files for reading. Writing is the caller's.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use karat_receipt::{Digest, DigestWriter};

use crate::estate::{FILE_SIZE_MAX, Files};
use crate::occurrence::Doubt;
use crate::packed::{Archive, PackedError};

/// Folders that hold no code of the estate; copied, and not read.
const SKIPPED: &[&str] = &[
    ".git",
    ".hg",
    ".svn",
    "node_modules",
    "__pycache__",
    ".venv",
];

/// Extensions that are never text; they are counted and not opened.
const BINARY: &[&str] = &[
    "7z", "avi", "avro", "bin", "bmp", "class", "crc", "dll", "doc", "docx", "eot", "exe", "gif",
    "gz", "ico", "jar", "jpeg", "jpg", "mov", "mp3", "mp4", "o", "orc", "otf", "parquet", "pbix",
    "pdf", "pickle", "pkl", "png", "pptx", "pyc", "so", "svg", "tar", "tgz", "tif", "tiff", "ttf",
    "vsdx", "webp", "whl", "woff", "woff2", "xls", "xlsx", "zip",
];

/// The most that one archive may hold when unpacked, and the most times that it may grow.
const ARCHIVE_SIZE_MAX: u64 = 1024 * 1024 * 1024;
const ARCHIVE_GROWTH_MAX: u64 = 200;
/// Small members may grow as they like.
const BOMB_SIZE_MIN: u64 = 16 * 1024 * 1024;

/// Where an asset's bytes lie.
#[derive(Clone, Debug)]
enum Place {
    File(PathBuf),
    Member { archive: PathBuf, index: usize },
    Broken(Doubt),
}

/// An archive that was opened, and its name.
type Opened = (PathBuf, Arc<Archive<Arc<[u8]>>>);

/// An estate on a disk.
#[derive(Debug, Default)]
pub struct Walk {
    paths: Vec<String>,
    places: Vec<Place>,
    /// Files that are not read because of what they are, by extension.
    pub skipped: BTreeMap<String, usize>,
    /// All files of the tree that were met, read or not, relative to the root, sorted.
    pub files: Vec<String>,
    /// Links, to files and folders; they are not followed.
    pub links: Vec<String>,
    /// Files of binary kinds, relative to the root, sorted.
    binary: Vec<String>,
    /// Files and links whose name is no UTF-8, by the name that they have here.
    misnamed: BTreeMap<String, PathBuf>,
    root: PathBuf,
    /// The archive that was read last: its notebooks are read one after another.
    opened: Mutex<Option<Opened>>,
}

impl Walk {
    /// Walks a folder, or takes a single file.
    pub fn of(root: &Path) -> std::io::Result<Self> {
        let mut walk = Self {
            root: root.to_path_buf(),
            ..Self::default()
        };
        let mut found: Vec<(String, Place)> = Vec::new();
        if root.is_dir() {
            walk.folder(root, "", &mut found)?;
        } else {
            fs::metadata(root)?;
            let name = root
                .file_name()
                .map(|name| name.to_string_lossy().into_owned());
            walk.file(root, &name.unwrap_or_default(), &mut found);
        }
        found.sort_by(|a, b| a.0.cmp(&b.0));
        walk.files.sort();
        walk.links.sort();
        walk.binary.sort();
        (walk.paths, walk.places) = found.into_iter().unzip();
        Ok(walk)
    }

    /// Where a file of the tree lies on the disk.
    pub fn disk_path(&self, path: &str) -> PathBuf {
        if self.root.is_dir() {
            self.root.join(self.path_in_tree(path))
        } else {
            self.root.clone()
        }
    }

    /// The path of a file or link in any copy of the tree.
    pub fn path_in_tree<'p>(&'p self, path: &'p str) -> &'p Path {
        self.misnamed
            .get(path)
            .map_or(Path::new(path), PathBuf::as_path)
    }

    /// The SHA-256 of every file of the estate, read as an asset or not.
    pub fn digests(&self) -> std::io::Result<BTreeMap<String, String>> {
        let of_estate = |path: &&String| !path.split('/').any(|part| SKIPPED.contains(&part));
        let files = self.files.iter().filter(of_estate);
        let digest = |path: &String| {
            let mut digest = DigestWriter::new();
            std::io::copy(&mut fs::File::open(self.disk_path(path))?, &mut digest)?;
            Ok((path.clone(), digest.finish().to_string()))
        };
        files.map(digest).collect()
    }

    /// Files of binary kinds, which are not opened.
    pub fn skipped_paths(&self) -> &[String] {
        &self.binary
    }

    fn folder(
        &mut self,
        folder: &Path,
        prefix: &str,
        found: &mut Vec<(String, Place)>,
    ) -> std::io::Result<()> {
        // No recursion: folders may be nested as deeply as the disk allows.
        let mut open = vec![(folder.to_path_buf(), prefix.to_owned(), true)];
        while let Some((folder, prefix, of_estate)) = open.pop() {
            let entries = match fs::read_dir(&folder) {
                Ok(entries) => entries,
                Err(error) if prefix.is_empty() => return Err(error),
                Err(error) => {
                    let doubt = Doubt::new(
                        "file/unreadable",
                        format!("the folder cannot be read: {error}"),
                    );
                    found.push((
                        prefix.trim_end_matches('/').to_owned(),
                        Place::Broken(doubt),
                    ));
                    continue;
                }
            };
            for entry in entries {
                let entry = entry?;
                let raw = entry.path();
                let name = shown_name(&entry.file_name());
                let path = format!("{prefix}{name}");
                let kind = entry.file_type()?;
                let is_misnamed = raw
                    .strip_prefix(&self.root)
                    .is_ok_and(|inside| inside.to_str().is_none());
                if is_misnamed && !kind.is_dir() {
                    let inside = raw.strip_prefix(&self.root).unwrap_or(&raw);
                    self.misnamed.insert(path.clone(), inside.to_path_buf());
                }
                if kind.is_symlink() {
                    // A link to a file is another name of it; a link to a folder may be a circle.
                    self.links.push(path);
                } else if kind.is_dir() {
                    let of_estate = of_estate && !SKIPPED.contains(&name.as_str());
                    open.push((entry.path(), format!("{path}/"), of_estate));
                } else if kind.is_file() && of_estate && is_misnamed {
                    self.files.push(path.clone());
                    let doubt = Doubt::new(
                        "file/name",
                        "its name is no UTF-8: it is copied, and not read; give it another name",
                    );
                    found.push((path, Place::Broken(doubt)));
                } else if kind.is_file() && of_estate {
                    self.file(&entry.path(), &path, found);
                } else if kind.is_file() {
                    self.files.push(path);
                }
            }
        }
        Ok(())
    }

    fn file(&mut self, disk: &Path, path: &str, found: &mut Vec<(String, Place)>) {
        self.files.push(path.to_owned());
        let name = path.rsplit('/').next().unwrap_or(path);
        let extension = name
            .rsplit_once('.')
            .map(|(_, extension)| extension.to_ascii_lowercase())
            .unwrap_or_default();
        if extension == "dbc" {
            match members(disk) {
                Ok(members) => found.extend(members.into_iter().map(|(index, member)| {
                    let place = Place::Member {
                        archive: disk.to_path_buf(),
                        index,
                    };
                    (format!("{path}!/{member}"), place)
                })),
                Err(doubt) => found.push((path.to_owned(), Place::Broken(doubt))),
            }
        } else if BINARY.contains(&extension.as_str()) {
            self.binary.push(path.to_owned());
            *self.skipped.entry(extension).or_default() += 1;
        } else {
            found.push((path.to_owned(), Place::File(disk.to_path_buf())));
        }
    }
}

impl Files for Walk {
    fn paths(&self) -> &[String] {
        &self.paths
    }

    fn read(&self, index: usize) -> Result<Vec<u8>, Doubt> {
        let unreadable = |error: std::io::Error| {
            Doubt::new(
                "file/unreadable",
                format!("the file cannot be read: {error}"),
            )
        };
        match &self.places[index] {
            Place::Broken(doubt) => Err(doubt.clone()),
            Place::File(path) => {
                let size = fs::metadata(path).map_err(unreadable)?.len();
                if size > FILE_SIZE_MAX {
                    let message = format!(
                        "the file has {size} bytes; karat reads files of up to {FILE_SIZE_MAX}"
                    );
                    return Err(Doubt::new("file/too-large", message));
                }
                fs::read(path).map_err(unreadable)
            }
            Place::Member { archive, index } => {
                let archive = self.opened(archive)?;
                let member = archive
                    .members()
                    .get(*index)
                    .ok_or_else(|| Doubt::new("file/broken", "the archive changed"))?;
                // What the archive was let in for is what it said of itself.
                let limit = member.size.min(FILE_SIZE_MAX);
                archive.unpack(member, limit).map_err(broken)
            }
        }
    }

    fn digest(&self, index: usize) -> Option<Digest> {
        let of_tree;
        let file = match &self.places[index] {
            Place::File(path) => path,
            Place::Member { archive, .. } => archive,
            Place::Broken(_) => {
                of_tree = self.disk_path(&self.paths[index]);
                &of_tree
            }
        };
        let mut digest = DigestWriter::new();
        std::io::copy(&mut fs::File::open(file).ok()?, &mut digest).ok()?;
        Some(digest.finish())
    }
}

impl Walk {
    fn opened(&self, archive: &Path) -> Result<Arc<Archive<Arc<[u8]>>>, Doubt> {
        let mut last = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((path, opened)) = last.as_ref()
            && path == archive
        {
            return Ok(Arc::clone(opened));
        }
        *last = None;
        let bytes: Arc<[u8]> = archive_bytes(archive)?.into();
        let opened = Arc::new(Archive::read(bytes).map_err(broken)?);
        *last = Some((archive.to_path_buf(), Arc::clone(&opened)));
        Ok(opened)
    }
}

/// A name as text; bytes that are no UTF-8 as `\xff`, so that two such names differ.
fn shown_name(name: &std::ffi::OsStr) -> String {
    match name.to_str() {
        Some(name) => name.to_owned(),
        None => name.as_encoded_bytes().escape_ascii().to_string(),
    }
}

fn broken(error: PackedError) -> Doubt {
    Doubt::new(
        "file/broken",
        format!("the archive cannot be read: {error}"),
    )
}

fn archive_bytes(archive: &Path) -> Result<Vec<u8>, Doubt> {
    let unreadable = |error: std::io::Error| {
        Doubt::new(
            "file/unreadable",
            format!("the archive cannot be read: {error}"),
        )
    };
    let size = fs::metadata(archive).map_err(unreadable)?.len();
    if size > FILE_SIZE_MAX {
        let message = format!("the archive has {size} bytes; karat reads up to {FILE_SIZE_MAX}");
        return Err(Doubt::new("file/too-large", message));
    }
    fs::read(archive).map_err(unreadable)
}

/// The notebooks of an archive; refuses what would not fit in memory.
fn members(archive: &Path) -> Result<Vec<(usize, String)>, Doubt> {
    let bytes = archive_bytes(archive)?;
    let archive = Archive::read(&bytes).map_err(broken)?;
    let mut found = Vec::new();
    let mut unpacked = 0_u64;
    for (index, member) in archive.members().iter().enumerate() {
        if member.is_folder() {
            continue;
        }
        unpacked += member.size;
        let growth = member.size / member.packed_size.max(1);
        if unpacked > ARCHIVE_SIZE_MAX || growth > ARCHIVE_GROWTH_MAX && member.size > BOMB_SIZE_MIN
        {
            let message = format!(
                "`{}` would unpack to {} bytes: refused as a zip bomb",
                member.name, member.size
            );
            return Err(Doubt::new("file/zip-bomb", message));
        }
        found.push((index, member.name.clone()));
    }
    found.sort_by(|a, b| a.1.cmp(&b.1));
    Ok(found)
}

/// The archive with some members replaced; the others are copied as they are packed.
pub fn repacked(archive: &[u8], replaced: &BTreeMap<String, Vec<u8>>) -> Result<Vec<u8>, Doubt> {
    Archive::read(archive)
        .and_then(|archive| archive.with_replaced(replaced))
        .map_err(broken)
}
