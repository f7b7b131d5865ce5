//! Reads the `metadata` folder of a table: which versions there are, and what each says.
//!
//! Version *v* of karat is the metadata file `v{v+1}.metadata.json` of Iceberg's catalog on a file system: it is created once, so there is
//! one commit after each, whoever makes it.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use arrow::datatypes::Schema;
use parquet::arrow::parquet_to_arrow_schema;
use parquet::file::metadata::ParquetMetaDataReader;
use serde_json::Value;

use super::manifests::{self, Entry, ManifestFile, Manifests};
use super::metadata::{COUNT_MAX, Columns, Metadata};
use super::schema::{self, Mapped, NARROW, Narrow};
use super::{
    HINT, Kept, LINKED, LOG_FOLDER, OPERATION, OWN, RECEIPT, RUN, TIME, TXN, VERSION, entry_name,
    stats,
};
use crate::error::{COPY, COPY_WHOLE};
use crate::table::{self, Log, Table};
use crate::{CommitRecord, ErrorClass, LakeError, LiveFile, Snapshot};

/// The log of an Iceberg table.
pub(crate) struct IcebergLog {
    path: PathBuf,
    dir: String,
    versions: BTreeSet<i64>,
    manifests: Manifests,
    /// The last metadata files that were read: a commit is told by what the one before says.
    read: RefCell<HashMap<i64, Rc<Meta>>>,
}

/// One metadata file.
struct Meta {
    file: PathBuf,
    bytes: Vec<u8>,
    metadata: Metadata,
    /// The table's folder as its paths have it.
    location: String,
}

/// Which metadata files a folder holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Listing {
    pub(crate) versions: BTreeSet<i64>,
    /// Metadata files that are no version of karat.
    others: Vec<String>,
}

impl Listing {
    pub(crate) fn read(table: &Path) -> Result<Self, LakeError> {
        let folder = table.join(LOG_FOLDER);
        let mut listing = Self::default();
        if !folder.is_dir() {
            return Ok(listing);
        }
        for name in crate::folder::names_in(&folder)? {
            match version_of(&name) {
                Some(version) => {
                    listing.versions.insert(version);
                }
                None if is_metadata(&name) && !is_temporary(&name) => listing.others.push(name),
                None => {}
            }
        }
        Ok(listing)
    }

    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

fn is_metadata(name: &str) -> bool {
    name.ends_with(".metadata.json") || name.ends_with(".metadata.json.gz")
}

/// Spark writes a version under a UUID first, then renames it; where it was killed, such a file stays. A catalog's begin with a number.
fn is_temporary(name: &str) -> bool {
    let stem = name.split_once('.').map_or(name, |(stem, _)| stem);
    stem.len() == 36 && uuid::Uuid::try_parse(stem).is_ok()
}

/// The version that a metadata file of this name makes.
fn version_of(name: &str) -> Option<i64> {
    let number = name.strip_prefix('v')?.strip_suffix(".metadata.json")?;
    let version = number.parse::<i64>().ok()?.checked_sub(1)?;
    ((0..COUNT_MAX).contains(&version) && entry_name(version) == name).then_some(version)
}

/// What the file for other readers says; none if there is no such file.
pub(crate) fn read_hint(table: &Path) -> Result<Option<String>, LakeError> {
    let path = table.join(LOG_FOLDER).join(HINT);
    match std::fs::read(&path) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(LakeError::io("read", path)(error)),
    }
}

/// The version that it names.
pub(crate) fn named_by(hint: &str) -> Option<i64> {
    hint.trim().parse::<i64>().ok()?.checked_sub(1)
}

/// Table property: ids of columns in files that have none, by name.
const NAME_MAPPING: &str = "schema.name-mapping.default";

impl IcebergLog {
    /// The log in a table's folder, if there is one.
    pub(crate) fn open(table: &Table) -> Result<Option<Self>, LakeError> {
        // Before the folder is listed: a version that the hint names is there by then, whoever commits meanwhile.
        let hint = read_hint(table.path())?;
        let listing = Listing::read(table.path())?;
        if listing.is_empty() {
            return Ok(None);
        }
        if let Some(other) = listing.others.first() {
            let (why, hint) = match other.ends_with(".gz") || other.contains(".gz.") {
                true => (
                    format!("its metadata file `{other}` is compressed"),
                    "set write.metadata.compression-codec to none there, and write a new version",
                ),
                false => (
                    format!(
                        "`metadata/{other}` was written through a catalog, which alone knows the newest version"
                    ),
                    "karat reads tables of the file system, whose metadata files are called v1.metadata.json, v2.metadata.json and so on: give the newest the next such name, or remove it",
                ),
            };
            return Err(LakeError::refused("read", table.dir(), why, hint));
        }
        let newest = listing.versions.last().copied().unwrap_or(0);
        if let Some(named) = hint.as_deref().and_then(named_by)
            && named > newest
        {
            return Err(LakeError::corrupt(
                table.path().join(LOG_FOLDER).join(HINT),
                format!(
                    "it names `{}` as the newest metadata, and the newest that is there is `{}`: either was changed or lost",
                    entry_name(named),
                    entry_name(newest)
                ),
            ));
        }
        Ok(Some(Self {
            path: table.path().to_path_buf(),
            dir: table.dir().to_owned(),
            versions: listing.versions,
            manifests: Manifests::default(),
            read: RefCell::default(),
        }))
    }

    fn meta(&self, version: i64) -> Result<Rc<Meta>, LakeError> {
        if let Some(known) = self.read.borrow().get(&version) {
            return Ok(Rc::clone(known));
        }
        let file = self.path.join(LOG_FOLDER).join(entry_name(version));
        let bytes = match std::fs::read(&file) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(LakeError::corrupt(file, "the metadata file is missing"));
            }
            Err(error) => return Err(LakeError::io("read", file)(error)),
        };
        #[derive(serde::Deserialize)]
        #[serde(rename_all = "kebab-case")]
        struct FormatOf {
            format_version: i64,
        }
        let corrupt = |error| LakeError::corrupt_by(&file, "it is no metadata of Iceberg", error);
        let format: FormatOf = serde_json::from_slice(&bytes).map_err(corrupt)?;
        if format.format_version != 2 {
            let why = format!(
                "it has version {} of Iceberg's format, karat knows 2",
                format.format_version
            );
            return Err(LakeError::refused(
                "read",
                &self.dir,
                why,
                "copy it into a table of version 2",
            ));
        }
        let metadata = Metadata::parse(&bytes).map_err(|why| {
            LakeError::corrupt(&file, format!("it is no metadata of Iceberg: {why}"))
        })?;
        let location = self.location(&metadata)?;
        let meta = Rc::new(Meta {
            file,
            bytes,
            metadata,
            location,
        });
        let mut read = self.read.borrow_mut();
        read.retain(|known, _| (version - known).abs() <= 1);
        read.insert(version, Rc::clone(&meta));
        Ok(meta)
    }

    /// The table's folder as its metadata says it, which must be the one that it lies in.
    fn location(&self, metadata: &Metadata) -> Result<String, LakeError> {
        let stated = metadata.location.trim_end_matches('/');
        let plain = without_scheme(stated);
        let marker = self.path.join(LOG_FOLDER).join(LINKED);
        let is_here = match std::fs::read_to_string(&marker) {
            // Beside the lake, a version is what it is there.
            Ok(linked) => linked == plain,
            Err(_) => Path::new(plain) == self.path || same_folder(Path::new(plain), &self.path),
        };
        match is_here {
            true => Ok(plain.to_owned()),
            false => Err(LakeError::refused(
                "read",
                &self.dir,
                format!(
                    "its metadata says that it lies in `{stated}`: it was moved, or is a copy, and the metadata of Iceberg holds whole paths"
                ),
                "read it where it was made, or move it back there",
            )),
        }
    }

    /// Where a file lies that the metadata names; below the table's folder.
    fn place(&self, meta: &Meta, path: &str) -> Result<String, LakeError> {
        let below = without_scheme(path)
            .strip_prefix(&meta.location)
            .and_then(|rest| rest.strip_prefix('/'))
            .filter(|rest| table::is_inside(rest));
        below.map(str::to_owned).ok_or_else(|| {
            LakeError::refused(
                "read",
                &self.dir,
                "it names files outside its folder",
                "copy the table with its data files into one folder",
            )
        })
    }

    /// The manifests of a version, whatever they name.
    fn listed(&self, meta: &Meta) -> Result<Vec<ManifestFile>, LakeError> {
        let Some(snapshot) = meta.metadata.current_snapshot() else {
            return Ok(Vec::new());
        };
        let place = self.place(meta, &snapshot.manifest_list)?;
        manifests::read_list(&self.path.join(place))
    }

    /// The manifests of a version whose rows are to be read.
    fn list(&self, meta: &Meta) -> Result<Vec<ManifestFile>, LakeError> {
        let list = self.listed(meta)?;
        for manifest in &list {
            if manifest.has_deletes() {
                return Err(LakeError::refused(
                    "read",
                    &self.dir,
                    "it has files with deleted rows (merge-on-read)",
                    "rewrite its data files there (`rewrite_data_files` with `delete-file-threshold` 1)",
                ));
            }
            let spec = meta.metadata.spec(manifest.spec_id);
            if spec.is_none_or(|spec| !spec.fields.is_empty()) {
                return Err(self.partitioned(&meta.metadata, manifest.spec_id));
            }
        }
        Ok(list)
    }

    fn partitioned(&self, metadata: &Metadata, spec: i32) -> LakeError {
        let fields = metadata.spec(spec);
        let names: Vec<&str> = fields
            .iter()
            .flat_map(|spec| &spec.fields)
            .map(|field| field.name.as_str())
            .collect();
        LakeError::refused(
            "read",
            &self.dir,
            format!("it is partitioned by {}", names.join(", ")),
            COPY_WHOLE,
        )
    }

    fn live(&self, meta: &Meta, manifest: &ManifestFile) -> Result<Arc<Vec<Entry>>, LakeError> {
        let place = self.place(meta, &manifest.path)?;
        self.manifests.live(manifest, &self.path.join(place))
    }

    /// Data files that some manifests name, by path relative to the table; not those outside its folder.
    fn files(
        &self,
        meta: &Meta,
        list: &[&ManifestFile],
        numbered: Option<&Schema>,
    ) -> Result<BTreeMap<String, LiveFile>, LakeError> {
        let mut files = BTreeMap::new();
        for manifest in list.iter().filter(|manifest| manifest.content == 0) {
            for entry in unless_refused(self.live(meta, manifest))?.iter() {
                if let Ok(path) = self.place(meta, &entry.file.path) {
                    files.insert(path.clone(), live_file(path, entry, numbered));
                }
            }
        }
        Ok(files)
    }

    fn columns(&self, meta: &Meta, of: &Columns) -> Result<Schema, LakeError> {
        schema::from_iceberg(&of.fields, &narrow_of(&meta.metadata), &self.dir)
    }

    /// Files of other columns than the table has now would be read wrongly: karat finds columns by their names.
    fn check_columns(
        &self,
        meta: &Meta,
        numbered: &Schema,
        entries: &[Arc<Vec<Entry>>],
    ) -> Result<(), LakeError> {
        let metadata = &meta.metadata;
        let mut writers: BTreeSet<i64> = BTreeSet::new();
        for entry in entries.iter().flat_map(|entries| entries.iter()) {
            if !entry.file.format.eq_ignore_ascii_case("parquet") {
                let why = format!("it has data files of the format {}", entry.file.format);
                return Err(LakeError::refused(
                    "read",
                    &self.dir,
                    why,
                    "rewrite them as Parquet there",
                ));
            }
            writers.insert(entry.snapshot_id);
        }
        let mut written: BTreeSet<i32> = BTreeSet::new();
        for writer in writers {
            let schema = metadata
                .snapshot(writer)
                .and_then(|snapshot| snapshot.schema_id);
            match schema {
                Some(schema) => {
                    written.insert(schema);
                }
                // Of a snapshot that has expired, any may have been the one.
                None => written.extend(metadata.schemas.iter().map(|schema| schema.schema_id)),
            }
        }
        for schema_id in written {
            let Some(schema) = metadata.schema(schema_id) else {
                continue;
            };
            let columns = self.columns(meta, schema)?;
            if let Some(changed) = schema::changed(columns.fields(), numbered.fields(), "") {
                return Err(LakeError::refused(
                    "read",
                    &self.dir,
                    format!("{changed}, and files from before are in it"),
                    COPY,
                ));
            }
        }
        Ok(())
    }

    /// Files of other writers may have a column under another name than the table: Iceberg finds it by its id, karat by its name.
    fn check_names(&self, meta: &Meta, numbered: &Schema, place: &str) -> Result<(), LakeError> {
        if crate::sha256_in_name(place).is_some() {
            return Ok(());
        }
        let Some(columns) = columns_in(&self.path.join(place))? else {
            return Ok(());
        };
        let names = meta.metadata.properties.get(NAME_MAPPING);
        let names: Vec<Mapped> = names
            .and_then(|names| serde_json::from_str(names).ok())
            .unwrap_or_default();
        match schema::misnamed(columns.fields(), numbered.fields(), &names, "") {
            None => Ok(()),
            Some(misnamed) => Err(LakeError::refused(
                "read",
                &self.dir,
                format!("{misnamed} in its file `{place}`"),
                "copy the table under names of letters, digits and `_`, then read the copy",
            )),
        }
    }
}

/// The columns of a Parquet file with their field ids. None of one that is not there or is no Parquet: who reads its rows says so.
fn columns_in(path: &Path) -> Result<Option<Schema>, LakeError> {
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(LakeError::io("read", path)(error)),
    };
    let Ok(footer) = ParquetMetaDataReader::new().parse_and_finish(&file) else {
        return Ok(None);
    };
    let columns = footer.file_metadata().schema_descr();
    Ok(parquet_to_arrow_schema(columns, None).ok())
}

impl Log for IcebergLog {
    fn oldest(&self) -> i64 {
        self.versions.first().copied().unwrap_or(0)
    }

    fn newest(&self) -> i64 {
        self.versions.last().copied().unwrap_or(-1)
    }

    fn commits_from(&self, from: i64) -> Vec<i64> {
        self.versions.range(from..).copied().collect()
    }

    fn record(&self, version: i64) -> Result<CommitRecord, LakeError> {
        // What keeps the rows of a version from being read does not keep it from being told, nor those after it.
        let now = match self.meta(version) {
            Err(error) if error.class() == ErrorClass::Refused && version < self.newest() => {
                return Ok(CommitRecord {
                    metadata_changed: true,
                    ..CommitRecord::of(version)
                });
            }
            now => now?,
        };
        let before = match self.versions.contains(&(version - 1)) {
            true => unless_refused(self.meta(version - 1).map(Some))?,
            false => None,
        };
        let (metadata, own) = (&now.metadata, own_summary(&now.metadata, version));
        let said = |key: &str| own.and_then(|own| own.get(key)).cloned();
        let current = metadata.current_snapshot();
        let foreign_operation = || {
            let snapshot = current.filter(|snapshot| {
                let known = before.as_ref().map(|before| &before.metadata);
                known.is_none_or(|known| known.snapshot(snapshot.snapshot_id).is_none())
            });
            let operation = snapshot.and_then(|snapshot| snapshot.summary.get("operation"));
            operation.map(|operation| operation.to_uppercase())
        };
        let numbered = self.columns(&now, metadata.current_schema()).ok();
        let numbered = numbered.as_ref();
        let listed = unless_refused(self.listed(&now))?;
        let listed_before = match &before {
            Some(before) => unless_refused(self.listed(before))?,
            None => Vec::new(),
        };
        let paths = |list: &[ManifestFile]| -> BTreeSet<String> {
            list.iter().map(|one| one.path.clone()).collect()
        };
        let (paths_now, paths_before) = (paths(&listed), paths(&listed_before));
        let new: Vec<&ManifestFile> = listed
            .iter()
            .filter(|one| !paths_before.contains(&one.path))
            .collect();
        let gone: Vec<&ManifestFile> = listed_before
            .iter()
            .filter(|one| !paths_now.contains(&one.path))
            .collect();
        let mut added = self.files(&now, &new, numbered)?;
        let mut removed = Vec::new();
        if let Some(before) = &before {
            for (path, _) in self.files(before, &gone, numbered)? {
                if added.remove(&path).is_none() {
                    removed.push(path);
                }
            }
        }
        let txns = txns_of(metadata);
        let known_txns = before.as_ref().map(|before| txns_of(&before.metadata));
        let app_versions = txns
            .into_iter()
            .filter(|(app, version)| {
                known_txns.as_ref().and_then(|known| known.get(app)) != Some(version)
            })
            .collect();
        let metadata_changed = before.as_ref().is_none_or(|before| {
            before.metadata.current_schema_id != metadata.current_schema_id
                || properties_of(&before.metadata) != properties_of(metadata)
        });
        Ok(CommitRecord {
            version,
            timestamp_ms: said(TIME)
                .and_then(|time| time.parse().ok())
                .or(Some(metadata.last_updated_ms)),
            operation: said(OPERATION).or_else(foreign_operation),
            receipt: said(RECEIPT),
            run: said(RUN),
            added: added.into_values().collect(),
            removed,
            app_versions,
            metadata_changed,
        })
    }

    fn snapshot_at(&self, version: i64) -> Result<Snapshot, LakeError> {
        let meta = self.meta(version)?;
        let metadata = &meta.metadata;
        let spec = metadata.spec(metadata.default_spec_id);
        if spec.is_some_and(|spec| !spec.fields.is_empty()) {
            return Err(self.partitioned(metadata, metadata.default_spec_id));
        }
        let numbered = self.columns(&meta, metadata.current_schema())?;
        let list = self.list(&meta)?;
        let mut manifests = Vec::with_capacity(list.len());
        for manifest in list {
            let live = self.live(&meta, &manifest)?;
            manifests.push((manifest, live));
        }
        let live: Vec<_> = manifests.iter().map(|(_, live)| Arc::clone(live)).collect();
        self.check_columns(&meta, &numbered, &live)?;
        let mut files = BTreeMap::new();
        for entry in live.iter().flat_map(|entries| entries.iter()) {
            let path = self.place(&meta, &entry.file.path)?;
            self.check_names(&meta, &numbered, &path)?;
            files.insert(path.clone(), live_file(path, entry, Some(&numbered)));
        }
        let value: Value = serde_json::from_slice(&meta.bytes).map_err(|error| {
            LakeError::corrupt_by(&meta.file, "it is no metadata of Iceberg", error)
        })?;
        Ok(Snapshot {
            version,
            schema: schema::without_ids(&numbered),
            files: files.into_values().collect(),
            app_versions: txns_of(metadata),
            properties: properties_of(metadata),
            checkpoint: None,
            dir: self.dir.clone(),
            kept: table::Kept::Iceberg(Arc::new(Kept {
                value,
                numbered,
                location: meta.location.clone(),
                manifests,
                metadata: metadata.clone(),
            })),
        })
    }

    fn files_up_to(&self, version: i64) -> Result<Vec<String>, LakeError> {
        let versions = self.versions.range(..=version).copied().map(entry_name);
        let names = crate::folder::names_in(&self.path.join(LOG_FOLDER))?;
        let manifests = names.into_iter().filter(|name| name.ends_with(".avro"));
        let names = versions.chain(manifests);
        Ok(names.map(|name| format!("{LOG_FOLDER}/{name}")).collect())
    }
}

fn unless_refused<T: Default>(found: Result<T, LakeError>) -> Result<T, LakeError> {
    match found {
        Err(error) if error.class() == ErrorClass::Refused => Ok(T::default()),
        found => found,
    }
}

fn live_file(path: String, entry: &Entry, numbered: Option<&Schema>) -> LiveFile {
    LiveFile {
        path,
        size: entry.file.size,
        rows: entry.file.rows,
        stats: numbered.map(|numbered| stats::stats_text(numbered, &entry.file)),
    }
}

/// What karat's commit of this version says, if it made it: of another writer's, the newest snapshot may be one of karat's from before.
fn own_summary(metadata: &Metadata, version: i64) -> Option<&BTreeMap<String, String>> {
    let summary = &metadata.current_snapshot()?.summary;
    (summary.get(VERSION)?.parse() == Ok(version)).then_some(summary)
}

fn txns_of(metadata: &Metadata) -> BTreeMap<String, i64> {
    let properties = metadata.properties.iter();
    properties
        .filter_map(|(key, value)| Some((key.strip_prefix(TXN)?.to_owned(), value.parse().ok()?)))
        .collect()
}

fn properties_of(metadata: &Metadata) -> BTreeMap<String, String> {
    let properties = metadata.properties.iter();
    properties
        .filter(|(key, _)| !key.starts_with(OWN))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

fn narrow_of(metadata: &Metadata) -> Narrow {
    let text = metadata.properties.get(NARROW);
    text.and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default()
}

/// A path without `file:`, with which some writers begin it.
pub(crate) fn without_scheme(path: &str) -> &str {
    match path.strip_prefix("file:") {
        Some(rest) => rest.strip_prefix("//").unwrap_or(rest),
        None => path,
    }
}

fn same_folder(left: &Path, right: &Path) -> bool {
    match (left.canonicalize(), right.canonicalize()) {
        (Ok(left), Ok(right)) => left == right,
        _ => false,
    }
}

impl std::fmt::Debug for IcebergLog {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.dir)
    }
}

/// Adds, for the digest of a version's log entry, those of the files that it leads to and that another writer named: one a line. What
/// cannot be read adds nothing, so that the digest is another one.
pub(crate) fn add_digests(table: &Table, version: i64, text: &mut Vec<u8>) {
    match foreign_digests(table, version) {
        Ok(digests) => {
            for (place, sha256) in digests {
                text.extend(format!("\n{sha256} {place}").bytes());
            }
        }
        Err(error) => {
            tracing::debug!(%error, version, "the log entry leads to what cannot be read");
        }
    }
}

fn foreign_digests(table: &Table, version: i64) -> Result<BTreeMap<String, String>, LakeError> {
    let mut digests = BTreeMap::new();
    let Some(log) = IcebergLog::open(table)? else {
        return Ok(digests);
    };
    let meta = log.meta(version)?;
    let Some(snapshot) = meta.metadata.current_snapshot() else {
        return Ok(digests);
    };
    let mut places = vec![log.place(&meta, &snapshot.manifest_list)?];
    for manifest in log.list(&meta)? {
        places.push(log.place(&meta, &manifest.path)?);
    }
    for place in places {
        let name = place.rsplit('/').next().unwrap_or(&place);
        if crate::sha256_in_name(name).is_none() {
            let (_, sha256) = crate::hash_file(&log.path.join(&place))?;
            digests.insert(place, sha256);
        }
    }
    Ok(digests)
}
