//! Manifests and manifest lists: Avro files that name data files, written once under a name that begins with their SHA-256.
//!
//! So the one file that makes a version vouches for all that it leads to: it names its manifest list, which names the manifests, which
//! name the data files, each by its digest. Files of other writers are named otherwise; their digests go into the entry of the log.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};

use super::LOG_FOLDER;
use super::avro::{self, Output, Value};
use crate::canonical::hex;
use crate::folder::put_if_absent;
use crate::{LakeError, sha256_in_name};

/// A manifest as its list names it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ManifestFile {
    /// As the list says it.
    pub(crate) path: String,
    length: i64,
    pub(crate) spec_id: i32,
    /// 0: data files; 1: files with deletes.
    pub(crate) content: i64,
    sequence: i64,
    min_sequence: i64,
    snapshot_id: i64,
    /// Files and rows added, kept and removed; some writers count none.
    files: [Option<i64>; 3],
    rows: [Option<i64>; 3],
    key_metadata: Option<Vec<u8>>,
}

impl ManifestFile {
    /// Whether it names files with deleted rows that are in force.
    pub(crate) fn has_deletes(&self) -> bool {
        self.content != 0 && self.files[..2].iter().any(|files| *files != Some(0))
    }
}

/// What a manifest says of a data file.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct DataFile {
    /// Whole, as the manifest says it.
    pub(crate) path: String,
    pub(crate) format: String,
    pub(crate) rows: u64,
    pub(crate) size: u64,
    pub(crate) column_sizes: BTreeMap<i32, i64>,
    pub(crate) values: BTreeMap<i32, i64>,
    pub(crate) nulls: BTreeMap<i32, i64>,
    pub(crate) not_numbers: BTreeMap<i32, i64>,
    pub(crate) lower: BTreeMap<i32, Vec<u8>>,
    pub(crate) upper: BTreeMap<i32, Vec<u8>>,
    pub(crate) key_metadata: Option<Vec<u8>>,
    pub(crate) split_offsets: Option<Vec<i64>>,
    pub(crate) sort_order: Option<i64>,
}

/// A live file of a version, with what a manifest must keep of it.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) file: DataFile,
    pub(crate) snapshot_id: i64,
    sequence: i64,
    file_sequence: i64,
}

/// The manifests of a table that were read, by their paths in the lake.
#[derive(Debug, Default)]
pub(crate) struct Manifests {
    read: RefCell<HashMap<PathBuf, Arc<Vec<Entry>>>>,
}

impl Manifests {
    /// The live files that a manifest names; `path` is where it lies.
    pub(crate) fn live(
        &self,
        manifest: &ManifestFile,
        path: &Path,
    ) -> Result<Arc<Vec<Entry>>, LakeError> {
        if let Some(known) = self.read.borrow().get(path) {
            return Ok(Arc::clone(known));
        }
        let broken = |why: &str| LakeError::corrupt(path, format!("it is no manifest: {why}"));
        // What an entry does not say it has from the list that names its manifest.
        let entry = |record: &Value| -> Result<Option<Entry>, String> {
            let status = record.field(0).long().ok_or("an entry has no status")?;
            if status == REMOVED {
                return Ok(None);
            }
            // Manifests of format version 1 have the sequence number 0, as do all their entries, also those that are kept.
            let inherits = status == ADDED || manifest.sequence == 0;
            let inherited = inherits.then_some(manifest.sequence);
            let sequence = record.field(3).long().or(inherited);
            let sequence = sequence.ok_or("an entry has no sequence number")?;
            Ok(Some(Entry {
                file: data_file(record.field(2)).ok_or("an entry has no file")?,
                snapshot_id: record.field(1).long().unwrap_or(manifest.snapshot_id),
                sequence,
                file_sequence: record.field(4).long().or(inherited).unwrap_or(sequence),
            }))
        };
        let entries = avro::read(&read_named(path)?, entry).map_err(|why| broken(&why))?;
        let entries: Vec<Entry> = entries.into_iter().flatten().collect();
        let entries = Arc::new(entries);
        self.read
            .borrow_mut()
            .insert(path.to_path_buf(), Arc::clone(&entries));
        Ok(entries)
    }
}

const KEPT: i64 = 0;
const ADDED: i64 = 1;
const REMOVED: i64 = 2;

/// Rows and bytes of a data file are below, so that the sums over millions of files are numbers.
const ROWS_MAX: u64 = 1 << 40;
const BYTES_MAX: u64 = 1 << 40;

fn data_file(record: &Value) -> Option<DataFile> {
    let numbers = |id: i32| -> BTreeMap<i32, i64> {
        let pairs = pairs(record.field(id)).into_iter();
        pairs
            .filter_map(|(id, value)| Some((id, value.long()?)))
            .collect()
    };
    let bounds = |id: i32| -> BTreeMap<i32, Vec<u8>> {
        let pairs = pairs(record.field(id)).into_iter();
        pairs
            .filter_map(|(id, value)| Some((id, value.bytes()?.to_vec())))
            .collect()
    };
    let size = |id: i32, most: u64| {
        let size = u64::try_from(record.field(id).long()?).ok()?;
        (size < most).then_some(size)
    };
    let offsets = record.field(132);
    Some(DataFile {
        path: record.field(100).text()?.to_owned(),
        format: record.field(101).text()?.to_owned(),
        rows: size(103, ROWS_MAX)?,
        size: size(104, BYTES_MAX)?,
        column_sizes: numbers(108),
        values: numbers(109),
        nulls: numbers(110),
        not_numbers: numbers(137),
        lower: bounds(125),
        upper: bounds(128),
        key_metadata: record.field(131).bytes().map(<[u8]>::to_vec),
        split_offsets: (*offsets != Value::Null)
            .then(|| offsets.list().iter().filter_map(Value::long).collect()),
        sort_order: record.field(140).long(),
    })
}

/// Key and value of a map with integer keys: a list of records, whose two fields have ids of their own.
fn pairs(list: &Value) -> Vec<(i32, &Value)> {
    let pair = |record: &'_ Value| match record {
        Value::Record(fields) => match &fields[..] {
            [(_, Value::Long(key)), (_, _)] => i32::try_from(*key).ok(),
            _ => None,
        },
        _ => None,
    };
    let mut found = Vec::new();
    for record in list.list() {
        if let (Some(key), Value::Record(fields)) = (pair(record), record) {
            found.push((key, &fields[1].1));
        }
    }
    found
}

/// The bytes of a file that karat may have named by their digest; such must have it.
fn read_named(path: &Path) -> Result<Vec<u8>, LakeError> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(LakeError::corrupt(
                path,
                "it is missing, and a version of the table names it",
            ));
        }
        Err(error) => return Err(LakeError::io("read", path)(error)),
    };
    let name = path.file_name().and_then(|name| name.to_str());
    if let Some(named) = name.and_then(sha256_in_name)
        && named != hex(&Sha256::digest(&bytes))
    {
        return Err(LakeError::corrupt(
            path,
            "its bytes are not those that were written: its SHA-256 is not the one in its name",
        ));
    }
    Ok(bytes)
}

/// Reads a manifest list.
pub(crate) fn read_list(path: &Path) -> Result<Vec<ManifestFile>, LakeError> {
    let broken = |why: &str| LakeError::corrupt(path, format!("it is no manifest list: {why}"));
    let manifest = |record: &Value| {
        manifest_file(record).ok_or_else(|| "an entry of it names no manifest".to_owned())
    };
    avro::read(&read_named(path)?, manifest).map_err(|why| broken(&why))
}

fn manifest_file(record: &Value) -> Option<ManifestFile> {
    let number = |id: i32| record.field(id).long();
    Some(ManifestFile {
        path: record.field(500).text()?.to_owned(),
        length: number(501)?,
        spec_id: i32::try_from(number(502)?).ok()?,
        content: number(517).unwrap_or(0),
        sequence: number(515).unwrap_or(0),
        min_sequence: number(516).unwrap_or(0),
        snapshot_id: number(503)?,
        files: [number(504), number(505), number(506)],
        rows: [number(512), number(513), number(514)],
        key_metadata: record.field(519).bytes().map(<[u8]>::to_vec),
    })
}

/// Files that karat writes for one version: in memory first, since their names are their digests.
pub(crate) struct Scribe<'t> {
    /// The table's folder.
    pub(crate) folder: &'t Path,
    /// The same as the metadata says it.
    pub(crate) location: &'t str,
    pub(crate) table: &'t str,
    pub(crate) snapshot_id: i64,
    pub(crate) sequence: i64,
    /// The schema of the version, as in the metadata.
    pub(crate) schema: Json,
    pub(crate) spec_id: i32,
    /// What was made, to be put in its place: path and bytes.
    pub(crate) made: Vec<(PathBuf, Vec<u8>)>,
}

/// What happens to a file of a new manifest.
pub(crate) enum Fate<'e> {
    Added(DataFile),
    Kept(&'e Entry),
    Removed(&'e Entry),
}

impl Scribe<'_> {
    fn failed(&self, error: std::io::Error) -> LakeError {
        LakeError::Encode {
            table: self.table.to_owned(),
            why: "its manifests cannot be written".into(),
            source: Some(Box::new(error)),
        }
    }

    /// Makes a manifest.
    pub(crate) fn manifest<'e>(
        &mut self,
        fates: impl IntoIterator<Item = Fate<'e>>,
    ) -> Result<ManifestFile, LakeError> {
        let mut records = Output::default();
        let (mut files, mut rows, mut min_sequence) = ([0; 3], [0; 3], self.sequence);
        for fate in fates {
            let (status, snapshot_id, sequences, file, at) = match &fate {
                Fate::Added(file) => (ADDED, self.snapshot_id, None, file, 0),
                Fate::Kept(of) => {
                    min_sequence = min_sequence.min(of.sequence);
                    let sequences = Some((of.sequence, of.file_sequence));
                    (KEPT, of.snapshot_id, sequences, &of.file, 1)
                }
                Fate::Removed(of) => {
                    let sequences = Some((of.sequence, of.file_sequence));
                    (REMOVED, self.snapshot_id, sequences, &of.file, 2)
                }
            };
            files[at] += 1;
            rows[at] += i64::try_from(file.rows).unwrap_or(i64::MAX);
            records.long(status).maybe(Some(snapshot_id), |to, id| {
                to.long(id);
            });
            for sequence in [sequences.map(|of| of.0), sequences.map(|of| of.1)] {
                records.maybe(sequence, |to, sequence| {
                    to.long(sequence);
                });
            }
            write_file(&mut records, file);
        }
        let count = u64::try_from(files.iter().sum::<i64>()).unwrap_or(0);
        let metadata = [
            ("schema", self.schema.to_string()),
            ("schema-id", self.schema["schema-id"].to_string()),
            ("partition-spec", "[]".to_owned()),
            ("partition-spec-id", self.spec_id.to_string()),
            ("format-version", "2".to_owned()),
            ("content", "data".to_owned()),
        ];
        let bytes = records
            .into_file(&manifest_schema(), &metadata, count)
            .map_err(|error| self.failed(error))?;
        Ok(ManifestFile {
            length: i64::try_from(bytes.len()).unwrap_or(i64::MAX),
            path: self.named(bytes, "m.avro"),
            spec_id: self.spec_id,
            content: 0,
            sequence: self.sequence,
            min_sequence,
            snapshot_id: self.snapshot_id,
            files: files.map(Some),
            rows: rows.map(Some),
            key_metadata: None,
        })
    }

    /// Makes the list of a version's manifests; gives its path as the metadata says it.
    pub(crate) fn list(
        &mut self,
        manifests: &[ManifestFile],
        parent: Option<i64>,
    ) -> Result<String, LakeError> {
        let mut records = Output::default();
        for manifest in manifests {
            records
                .bytes(manifest.path.as_bytes())
                .long(manifest.length)
                .long(manifest.spec_id.into())
                .long(manifest.content)
                .long(manifest.sequence)
                .long(manifest.min_sequence)
                .long(manifest.snapshot_id);
            for count in manifest.files.iter().chain(&manifest.rows) {
                records.long(count.unwrap_or(0));
            }
            // Bounds of partitions: there are none.
            records.long(1).long(0);
            records.maybe(manifest.key_metadata.as_deref(), |to, key| {
                to.bytes(key);
            });
        }
        let metadata = [
            ("snapshot-id", self.snapshot_id.to_string()),
            (
                "parent-snapshot-id",
                parent.map_or_else(|| "null".to_owned(), |parent| parent.to_string()),
            ),
            ("sequence-number", self.sequence.to_string()),
            ("format-version", "2".to_owned()),
        ];
        let bytes = records
            .into_file(&list_schema(), &metadata, manifests.len() as u64)
            .map_err(|error| self.failed(error))?;
        Ok(self.named(bytes, "list.avro"))
    }

    fn named(&mut self, bytes: Vec<u8>, what: &str) -> String {
        let name = format!("{}-{what}", hex(&Sha256::digest(&bytes)));
        self.made
            .push((self.folder.join(LOG_FOLDER).join(&name), bytes));
        format!("{}/{LOG_FOLDER}/{name}", self.location)
    }
}

/// Puts files in their places. One that is there has the same bytes.
pub(crate) fn put_all(made: &[(PathBuf, Vec<u8>)]) -> Result<(), LakeError> {
    for (path, bytes) in made {
        put_if_absent(path, bytes)?;
    }
    Ok(())
}

fn write_file(to: &mut Output, file: &DataFile) {
    to.long(0)
        .bytes(file.path.as_bytes())
        .bytes(file.format.as_bytes())
        // The partition is a record without fields.
        .count(file.rows)
        .count(file.size);
    for numbers in [
        &file.column_sizes,
        &file.values,
        &file.nulls,
        &file.not_numbers,
    ] {
        to.maybe((!numbers.is_empty()).then_some(numbers), |to, numbers| {
            to.list(numbers.iter(), |to, (id, value)| {
                to.long((*id).into()).long(*value);
            });
        });
    }
    for bounds in [&file.lower, &file.upper] {
        to.maybe((!bounds.is_empty()).then_some(bounds), |to, bounds| {
            to.list(bounds.iter(), |to, (id, value)| {
                to.long((*id).into()).bytes(value);
            });
        });
    }
    to.maybe(file.key_metadata.as_deref(), |to, key| {
        to.bytes(key);
    });
    to.maybe(file.split_offsets.as_ref(), |to, offsets| {
        to.list(offsets.iter(), |to, offset| {
            to.long(*offset);
        });
    });
    // Of files with deletes by value, which karat does not write.
    to.maybe(None::<()>, |_, ()| {});
    to.maybe(file.sort_order, |to, order| {
        to.long(order);
    });
}

/// Iceberg's `manifest_entry` of format version 2, of a table without partitions.
fn manifest_schema() -> Json {
    let map = |name: &str, id: i32, key: i32, value: &str| {
        json!({
            "name": name, "field-id": id, "default": null,
            "type": ["null", {
                "type": "array", "logicalType": "map",
                "items": {
                    "type": "record", "name": format!("k{key}_v{}", key + 1),
                    "fields": [
                        { "name": "key", "type": "int", "field-id": key },
                        { "name": "value", "type": value, "field-id": key + 1 },
                    ],
                },
            }],
        })
    };
    let maybe = |name: &str, id: i32, of: Json| json!({ "name": name, "type": ["null", of], "default": null, "field-id": id });
    let list = |of: &str, id: i32| json!({ "type": "array", "items": of, "element-id": id });
    json!({
        "type": "record", "name": "manifest_entry",
        "fields": [
            { "name": "status", "type": "int", "field-id": 0 },
            maybe("snapshot_id", 1, json!("long")),
            maybe("sequence_number", 3, json!("long")),
            maybe("file_sequence_number", 4, json!("long")),
            {
                "name": "data_file", "field-id": 2,
                "type": {
                    "type": "record", "name": "r2",
                    "fields": [
                        { "name": "content", "type": "int", "field-id": 134 },
                        { "name": "file_path", "type": "string", "field-id": 100 },
                        { "name": "file_format", "type": "string", "field-id": 101 },
                        {
                            "name": "partition", "field-id": 102,
                            "type": { "type": "record", "name": "r102", "fields": [] },
                        },
                        { "name": "record_count", "type": "long", "field-id": 103 },
                        { "name": "file_size_in_bytes", "type": "long", "field-id": 104 },
                        map("column_sizes", 108, 117, "long"),
                        map("value_counts", 109, 119, "long"),
                        map("null_value_counts", 110, 121, "long"),
                        map("nan_value_counts", 137, 138, "long"),
                        map("lower_bounds", 125, 126, "bytes"),
                        map("upper_bounds", 128, 129, "bytes"),
                        maybe("key_metadata", 131, json!("bytes")),
                        maybe("split_offsets", 132, list("long", 133)),
                        maybe("equality_ids", 135, list("int", 136)),
                        maybe("sort_order_id", 140, json!("int")),
                    ],
                },
            },
        ],
    })
}

/// Iceberg's `manifest_file` of format version 2.
fn list_schema() -> Json {
    let field = |name: &str, of: &str, id: i32| json!({ "name": name, "type": of, "field-id": id });
    json!({
        "type": "record", "name": "manifest_file",
        "fields": [
            field("manifest_path", "string", 500),
            field("manifest_length", "long", 501),
            field("partition_spec_id", "int", 502),
            field("content", "int", 517),
            field("sequence_number", "long", 515),
            field("min_sequence_number", "long", 516),
            field("added_snapshot_id", "long", 503),
            field("added_files_count", "int", 504),
            field("existing_files_count", "int", 505),
            field("deleted_files_count", "int", 506),
            field("added_rows_count", "long", 512),
            field("existing_rows_count", "long", 513),
            field("deleted_rows_count", "long", 514),
            {
                "name": "partitions", "field-id": 507, "default": null,
                "type": ["null", {
                    "type": "array", "element-id": 508,
                    "items": {
                        "type": "record", "name": "r508",
                        "fields": [
                            field("contains_null", "boolean", 509),
                            { "name": "contains_nan", "type": ["null", "boolean"], "default": null, "field-id": 518 },
                            { "name": "lower_bound", "type": ["null", "bytes"], "default": null, "field-id": 510 },
                            { "name": "upper_bound", "type": ["null", "bytes"], "default": null, "field-id": 511 },
                        ],
                    },
                }],
            },
            { "name": "key_metadata", "type": ["null", "bytes"], "default": null, "field-id": 519 },
        ],
    })
}
