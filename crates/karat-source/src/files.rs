//! A folder of text files as a source: which are there, which are new, whether they are whole (B4), and their rows.
//!
//! A plan hashes each new file once, and unpacks a packed one in the same pass to prove it whole. A read trusts path, size and time of change, hashes
//! again only if the time differs (a copied folder), and looks at size and time once more when it is done.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ffi::OsStr;
use std::fs::{self, File, Metadata};
use std::io::Read;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::UNIX_EPOCH;

use arrow::datatypes::DataType;
use globset::{GlobBuilder, GlobMatcher};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::avro_file::{self, Avro};
use crate::control;
use crate::csv::over_limit;
use crate::csv_file::{self, Csv, Runs};
use crate::decode::hex;
use crate::excel_file::{self, Excel};
use crate::format::{FileFormat, ObjectCount, Opened, Sample, SampleColumn, reason_in};
use crate::json_file::{self, Json};
use crate::packed::{self, CHUNK_BYTES, Packing};
use crate::parquet_file::{self, Parquet};
use crate::pattern::{OrderPattern, misordered};
use crate::pulse::Pulse;
use crate::{
    Column, ControlFile, Discovered, DiscoveredColumn, Encoding, ErrorKind, FeedSpec, Format,
    Inventory, Known, KnownObject, Load, Mode, Object, Planned, ReadCount, SinkError, Source,
    SourceBatch, SourceConfig, SourceError, TestReport, discover, names, typed,
};

/// Bytes of new files for which threads are worth starting.
const BYTES_FOR_THREADS: u64 = 8 << 20;
/// Objects whose columns are remembered.
const COLUMNS_REMEMBERED: usize = 10_000;
/// Folders deeper than this are taken for a loop of links.
const DEPTH_MAX: usize = 64;

/// The `files` source.
#[derive(Debug)]
pub struct Files {
    root: PathBuf,
    now_ns: i64,
    chunk: usize,
    /// What [`Files::columns`] found.
    columns: Mutex<HashMap<String, Option<Vec<Column>>>>,
}

#[derive(Debug, Clone)]
struct Listed {
    path: String,
    size: u64,
    mtime_ns: i64,
    /// Why it can be no object.
    broken: Option<String>,
}

impl Listed {
    fn object(&self, mark: &str, sha256: String, delivery: u32, broken: Option<String>) -> Object {
        Object {
            path: self.path.clone(),
            size: self.size,
            mtime_ns: self.mtime_ns,
            sha256,
            delivery,
            duplicate_of: None,
            broken,
            mark: mark.to_owned(),
        }
    }
}

struct Proved {
    sha256: String,
    broken: Option<String>,
    changed_meanwhile: bool,
    /// Whether it is read in a one-byte encoding and is UTF-8.
    looks_utf8: bool,
}

impl Files {
    /// The source at the folder of this configuration. Does not touch the disk.
    pub fn open(config: &SourceConfig) -> Result<Self, SourceError> {
        Ok(Self {
            root: config.path.clone(),
            now_ns: config.now_ns,
            chunk: CHUNK_BYTES,
            columns: Mutex::default(),
        })
    }

    /// With another chunk size; the rows are the same for any.
    #[must_use]
    pub fn with_chunk(mut self, bytes: usize) -> Self {
        self.chunk = bytes;
        self
    }

    fn absolute(&self, path: &str) -> PathBuf {
        path.split('/')
            .fold(self.root.clone(), |folder, part| folder.join(part))
    }

    fn check_root(&self) -> Result<(), SourceError> {
        let shown = self.root.display().to_string();
        let stat = fs::metadata(&self.root)
            .map_err(|e| SourceError::io("list the source folder", &shown, e))?;
        if stat.is_dir() {
            return Ok(());
        }
        Err(SourceError::new(
            ErrorKind::Config,
            format!("cannot list the source folder `{shown}`: it is no folder"),
        )
        .hint("set the source's path to the folder, and the feed's `path` to the files in it"))
    }

    /// The files that the feed's glob names, sorted by path.
    fn list(&self, feed: &FeedSpec) -> Result<Vec<Listed>, SourceError> {
        self.listing(feed).map(|listing| listing.files)
    }

    fn listing(&self, feed: &FeedSpec) -> Result<Listing, SourceError> {
        let glob = feed.path.as_deref().unwrap_or_default();
        let fail = |why: &str| {
            SourceError::new(
                ErrorKind::Config,
                format!(
                    "cannot list the files of feed `{}`: its path `{glob}` {why}",
                    feed.name
                ),
            )
            .hint("write a path relative to the source's folder, with `/`, e.g. `entries/*.csv`")
        };
        if glob.is_empty() {
            return Err(fail("is empty"));
        }
        if glob.starts_with('/')
            || glob.split('/').any(|part| part == ".." || part == ".")
            || glob.contains('\\')
        {
            return Err(fail("is not relative to the source's folder"));
        }
        let matcher = GlobBuilder::new(glob)
            .literal_separator(true)
            .build()
            .map_err(|e| fail("is no glob").cause(e))?
            .compile_matcher();
        self.check_root()?;
        let parts: Vec<&str> = glob.split('/').collect();
        let literal = parts
            .iter()
            .take_while(|part| !part.contains(['*', '?', '[', '{']))
            .count();
        let is_one_file = literal == parts.len();
        let literal = literal.min(parts.len() - 1);
        let deep = glob.contains("**") || glob.contains('{');
        let prefix = parts[..literal].join("/");
        let mut walk = Walk {
            open: Vec::new(),
            matcher,
            depth_max: if deep { DEPTH_MAX } else { parts.len() - 1 },
            folders_are_broken: !matches!(parts.last(), Some(&("*" | "**"))),
            found: Listing::default(),
        };
        let start = if prefix.is_empty() {
            self.root.clone()
        } else {
            self.absolute(&prefix)
        };
        if is_one_file {
            // What lies beside it is nobody's business.
            walk.entry(&self.absolute(glob), glob.to_owned(), literal)?;
        } else if start.exists() || literal == 0 {
            walk.folder(&start, &prefix, literal)?;
        }
        let mut found = walk.found;
        // What tells that a file is complete, or what is in it, is none of them, though a wide pattern names it too.
        let control = feed.control_file.iter().map(|control| &control.path);
        for pattern in feed.done_file.iter().chain(control) {
            let files = found.files.iter();
            let markers: HashSet<String> = files
                .map(|listed| control::beside(&listed.path, pattern))
                .collect();
            found.files.retain(|listed| !markers.contains(&listed.path));
        }
        found.files.sort_by(|a, b| a.path.cmp(&b.path));
        found.folders.sort_unstable();
        Ok(found)
    }

    fn order(feed: &FeedSpec) -> Result<Option<OrderPattern>, SourceError> {
        feed.file_order
            .as_deref()
            .map(OrderPattern::new)
            .transpose()
    }

    /// Proves files side by side, since hashing takes a thread as long as reading does; the outcomes in the order of the files.
    fn prove_all(
        &self,
        files: &[&Listed],
        feed: &FeedSpec,
    ) -> Vec<Result<Option<Proved>, SourceError>> {
        let bytes: u64 = files.iter().map(|listed| listed.size).sum();
        let threads = match bytes < BYTES_FOR_THREADS {
            true => 1,
            false => thread::available_parallelism().map_or(1, usize::from),
        };
        let next = AtomicUsize::new(0);
        let work = || -> Vec<(usize, Result<Option<Proved>, SourceError>)> {
            let mine = std::iter::from_fn(|| {
                let nth = next.fetch_add(1, Ordering::Relaxed);
                files.get(nth).map(|listed| (nth, self.prove(listed, feed)))
            });
            mine.collect()
        };
        let mut proofs = thread::scope(|scope| {
            let others: Vec<_> = (1..threads.min(files.len()))
                .map(|_| scope.spawn(work))
                .collect();
            let mut proofs = work();
            for other in others {
                proofs.extend(other.join().unwrap_or_else(|panic| resume_unwind(panic)));
            }
            proofs
        });
        proofs.sort_by_key(|(nth, _)| *nth);
        proofs.into_iter().map(|(_, proof)| proof).collect()
    }

    /// Hashes a file and proves that it can be unpacked to its end.
    fn prove(&self, listed: &Listed, feed: &FeedSpec) -> Result<Option<Proved>, SourceError> {
        if listed.broken.is_some() {
            return Ok(Some(Proved {
                sha256: hex(&Sha256::digest(b"")),
                broken: listed.broken.clone(),
                changed_meanwhile: false,
                looks_utf8: false,
            }));
        }
        let path = self.absolute(&listed.path);
        let mut file = match File::open(&path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            other => other.map_err(|e| SourceError::io("open", &listed.path, e))?,
        };
        let fail = |e| SourceError::io("read", &listed.path, e);
        let is_text = feed.format.is_text();
        let packing = match is_text {
            true => Packing::of(&mut file, &listed.path, feed.csv.compression).map_err(fail)?,
            false => Packing::Plain,
        };
        let mut hashing = Hashing {
            inner: &mut file,
            hash: Sha256::new(),
            bytes: 0,
            failed: None,
        };
        let mut runs = Runs::new(&feed.csv);
        let mut broken = match packing {
            Packing::Plain | Packing::Zip => None,
            stream => packed::prove_stream(
                &mut hashing,
                stream,
                listed.size,
                &feed.unpack,
                &mut |bytes| runs.see(bytes),
            ),
        };
        let mut chunk = vec![0; CHUNK_BYTES];
        // Plain, or what is left behind the place where unpacking failed.
        loop {
            match hashing.read(&mut chunk) {
                Ok(0) => break,
                Ok(n) if packing == Packing::Plain && is_text => runs.see(&chunk[..n]),
                Ok(_) => {}
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(e) => return Err(fail(e)),
            }
        }
        if let Some(e) = hashing.failed {
            return Err(fail(e));
        }
        let bytes = hashing.bytes;
        let sha256 = hex(&hashing.hash.finalize());
        let stat = file.metadata().map_err(fail)?;
        let changed_meanwhile =
            bytes != listed.size || stat.len() != listed.size || mtime_ns(&stat) != listed.mtime_ns;
        if broken.is_none() && packing == Packing::Plain && is_text && !changed_meanwhile {
            broken = packed::no_text(&mut file).map_err(fail)?;
        }
        let looks_utf8 = feed.format == Format::Csv && runs.are_utf8();
        if broken.is_none() && !changed_meanwhile {
            let opened = Opened {
                feed,
                path: &listed.path,
                file,
                stat,
                chunk: self.chunk,
            };
            let whole = whole(&opened, packing, runs);
            let whole = whole.and_then(|why| match why {
                // What is read for them may be all of it.
                None if format_of(feed).columns_are_costly() => self.columns(&opened).map(|_| None),
                why => Ok(why),
            });
            let whole = whole.and_then(|why| match (why, &feed.control_file) {
                (None, Some(control)) => self.control_flaw(control, &opened, listed, &sha256),
                (why, _) => Ok(why),
            });
            broken = match whole {
                Err(e) if e.kind() == ErrorKind::Broken => Some(reason_in(&e, &listed.path)),
                other => other?,
            };
        }
        Ok(Some(Proved {
            sha256,
            broken,
            changed_meanwhile,
            looks_utf8,
        }))
    }

    /// Why an object is not complete yet: a file that tells so is not there. Of one that was delivered before, the marker of that
    /// delivery may still lie there: one that is older than the object counts for nothing.
    fn incomplete(&self, feed: &FeedSpec, listed: &Listed, again: bool) -> Option<String> {
        let done = feed.done_file.as_deref();
        let control = feed
            .control_file
            .as_ref()
            .map(|control| control.path.as_str());
        done.into_iter().chain(control).find_map(|pattern| {
            let marker = control::beside(&listed.path, pattern);
            let stat = fs::metadata(self.absolute(&marker)).ok();
            match stat.filter(Metadata::is_file) {
                None => Some(format!("has no `{marker}` beside it")),
                Some(stat) if again && mtime_ns(&stat) < listed.mtime_ns => {
                    Some(format!("is newer than its `{marker}`"))
                }
                Some(_) => None,
            }
        })
    }

    /// Why an object does not hold what the file beside it says.
    fn control_flaw(
        &self,
        control: &ControlFile,
        opened: &Opened,
        listed: &Listed,
        sha256: &str,
    ) -> Result<Option<String>, SourceError> {
        let feed = opened.feed;
        let path = self.absolute(&control::beside(&listed.path, &control.path));
        control::against_file(control, feed, &listed.path, &path, sha256, |each| {
            let Some(columns) = self.columns(opened)? else {
                return Ok(());
            };
            let object = listed.object("", String::new(), 1, None);
            let mut each = |batch: arrow::record_batch::RecordBatch| {
                each(batch);
                Ok(())
            };
            format_of(feed)
                .read(opened, &object, columns, &mut each)
                .map(drop)
        })
    }

    /// Opens the object that was planned; refuses another.
    fn open_object<'a>(
        &self,
        feed: &'a FeedSpec,
        object: &'a Object,
    ) -> Result<Opened<'a>, SourceError> {
        let mut file = File::open(self.absolute(&object.path))
            .map_err(|e| SourceError::io("open", &object.path, e))?;
        let fail = |e| SourceError::io("read", &object.path, e);
        let stat = file.metadata().map_err(fail)?;
        let changed = || {
            SourceError::new(ErrorKind::Changed, format!("cannot read `{}`: it is not the file that was planned, its content changed since", object.path))
                .hint("run again: the new content is planned as the next delivery")
                .object(&object.path)
        };
        if stat.len() != object.size {
            return Err(changed());
        }
        if mtime_ns(&stat) != object.mtime_ns {
            let mut hashing = Hashing {
                inner: &mut file,
                hash: Sha256::new(),
                bytes: 0,
                failed: None,
            };
            std::io::copy(&mut hashing, &mut std::io::sink()).map_err(fail)?;
            if hex(&hashing.hash.finalize()) != object.sha256 {
                return Err(changed());
            }
        }
        Ok(Opened {
            feed,
            path: &object.path,
            file,
            stat,
            chunk: self.chunk,
        })
    }

    /// The columns of an object; those of a whole file that had to be read for them are remembered.
    fn columns(&self, opened: &Opened) -> Result<Option<Vec<Column>>, SourceError> {
        let format = format_of(opened.feed);
        if !format.columns_are_costly() {
            return format.columns(opened);
        }
        let feed = opened.feed;
        let asked = format!(
            "{} {:?} {:?} {:?} {:?} {:?} {:?} {} {} {}",
            feed.name,
            feed.format,
            feed.json,
            feed.excel,
            feed.columns,
            feed.unpack,
            feed.csv.compression,
            opened.path,
            opened.stat.len(),
            mtime_ns(&opened.stat),
        );
        let known = |known: &mut HashMap<String, _>| known.get(&asked).cloned();
        let mut columns = self.columns.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(columns) = known(&mut columns) {
            return Ok(columns);
        }
        drop(columns);
        let found = format.columns(opened)?;
        let mut columns = self.columns.lock().unwrap_or_else(PoisonError::into_inner);
        if columns.len() >= COLUMNS_REMEMBERED {
            columns.clear();
        }
        columns.insert(asked, found.clone());
        Ok(found)
    }

    /// Reads the rows of one object.
    fn read_object(
        &self,
        feed: &FeedSpec,
        object: &Object,
        each: &mut dyn FnMut(arrow::record_batch::RecordBatch) -> Result<(), SourceError>,
    ) -> Result<ObjectCount, SourceError> {
        let opened = self.open_object(feed, object)?;
        let Some(columns) = self.columns(&opened)? else {
            return Ok(ObjectCount::default());
        };
        let count = format_of(feed).read(&opened, object, columns, each)?;
        let before = &opened.stat;
        let after = opened
            .file
            .metadata()
            .map_err(|e| SourceError::io("read", &object.path, e))?;
        if after.len() != before.len() || mtime_ns(&after) != mtime_ns(before) {
            return Err(SourceError::new(ErrorKind::Changed, format!("cannot read `{}`: it was written to while it was read", object.path))
                .hint("let the sender write elsewhere and move the file when it is complete, or set `stable_for`")
                .object(&object.path));
        }
        Ok(count)
    }

    /// Objects without rows are never duplicates (B4). One that cannot be read counts as having some.
    fn has_rows(&self, feed: &FeedSpec, object: &Object) -> bool {
        let opened = self.open_object(feed, object);
        opened
            .and_then(|opened| format_of(feed).has_rows(&opened))
            .unwrap_or(true)
    }

    /// Columns of some files together, the newest of them last, and what their first rows have in common.
    fn sample(&self, feed: &FeedSpec, files: &[&Listed]) -> Result<Sampled, SourceError> {
        let mut sampled = Sampled::default();
        let mut failed = None;
        // The newest tells most about what comes next.
        for listed in files.iter().rev().take(SAMPLE_FILES) {
            match self.sample_file(feed, listed) {
                Ok(Some(sample)) => sampled.add(feed, sample),
                Ok(None) => {}
                Err(e)
                    if matches!(
                        e.kind(),
                        ErrorKind::Broken | ErrorKind::Drift | ErrorKind::Io
                    ) =>
                {
                    sampled.notes.push(format!("left out: {e}"));
                    failed.get_or_insert(e);
                }
                Err(e) => return Err(e),
            }
            if sampled.rows >= SAMPLE_ROWS_MAX {
                break;
            }
        }
        if let (0, Some(error)) = (sampled.files, failed) {
            return Err(error);
        }
        Ok(sampled)
    }

    /// A file that no feed names, with the separator and encoding that it seems to be written in.
    fn looked_at(&self, listed: &Listed, feed: &mut FeedSpec) -> Result<Sampled, SourceError> {
        let mut sampled = self.sample(feed, &[listed]);
        if feed.format != Format::Csv {
            return sampled;
        }
        let is_other = match &sampled {
            Ok(sampled) => sampled.invalid > 0,
            Err(e) => e.kind() == ErrorKind::Broken,
        };
        if is_other {
            let mut other = feed.clone();
            other.csv.encoding = Encoding::Windows1252;
            if let Ok(mut found) = self.sample(&other, &[listed]) {
                found.looks_utf8 = false;
                found.notes.push(
                    "it is not valid in `utf-8`, and is read as Windows-1252 here: look whether its letters are right".to_owned(),
                );
                (*feed, sampled) = (other, Ok(found));
            }
        }
        if let Some(delimiter) = sampled.as_ref().ok().and_then(Sampled::other_delimiter) {
            let mut other = feed.clone();
            other.csv.delimiter = delimiter.to_owned();
            let notes = sampled.as_ref().map(|sampled| sampled.notes.clone());
            if let Ok(mut found) = self.sample(&other, &[listed])
                && found.misfits == 0
            {
                found.looks_utf8 = false;
                found.notes = notes.unwrap_or_default();
                (*feed, sampled) = (other, Ok(found));
            }
        }
        if sampled
            .as_ref()
            .is_ok_and(|sampled| sampled.first_is_number)
        {
            let mut other = feed.clone();
            other.csv.header = false;
            if let Ok(mut found) = self.sample(&other, &[listed])
                && let Ok(with_header) = &mut sampled
            {
                let names = found.columns.iter();
                other.columns = Some(names.map(|column| column.source_name.clone()).collect());
                found.notes = std::mem::take(&mut with_header.notes);
                found.first_row = with_header.first_row.take();
                (*feed, sampled) = (other, Ok(found));
            }
        }
        sampled
    }

    fn sample_file(&self, feed: &FeedSpec, listed: &Listed) -> Result<Option<Sample>, SourceError> {
        let object = listed.object("", String::new(), 1, None);
        let opened = self.open_object(feed, &object)?;
        format_of(feed).sample(&opened, SAMPLE_ROWS)
    }
}

/// Files and rows that a proposal looks at.
const SAMPLE_FILES: usize = 50;
const SAMPLE_ROWS: u64 = 10_000;
const SAMPLE_ROWS_MAX: u64 = 200_000;

/// What was seen of some files, the newest first.
#[derive(Debug, Default)]
struct Sampled {
    files: usize,
    rows: u64,
    misfits: u64,
    invalid: u64,
    goes_on: bool,
    written: &'static str,
    names_are_made_up: bool,
    /// Of the newest file in which it is so.
    first_row: Option<String>,
    first_is_number: bool,
    looks_utf8: bool,
    notes: Vec<String>,
    columns: Vec<SampledColumn>,
}

impl SampledColumn {
    fn proposed(self) -> DiscoveredColumn {
        let Some(typed) = self.typed else {
            return self.profile.propose(self.name, &self.source_name);
        };
        let (proposed, stays_double) = self.profile.propose_declared(&self.name, "", &typed);
        DiscoveredColumn {
            name: self.name,
            source_name: self.source_name,
            source_type: typed.to_string(),
            proposed,
            stays_double,
        }
    }
}

#[derive(Debug)]
struct SampledColumn {
    name: String,
    source_name: String,
    /// Its type, if the format gives one.
    typed: Option<DataType>,
    profile: discover::Profile,
    /// The first file that had it, and how many had it.
    since: usize,
    files: usize,
}

impl Sampled {
    fn add(&mut self, feed: &FeedSpec, sample: Sample) {
        self.rows += sample.rows;
        self.misfits += sample.misfits;
        self.invalid += sample.invalid;
        self.goes_on |= sample.goes_on;
        self.written = sample.written;
        self.names_are_made_up |= sample.names_are_made_up;
        self.first_row = self.first_row.take().or(sample.first_row);
        self.first_is_number |= sample.first_is_number;
        self.looks_utf8 |= sample.looks_utf8;
        let has_names = feed.csv.header || feed.format != Format::Csv;
        let chosen = feed.columns.as_deref().filter(|_| has_names);
        for SampleColumn {
            source_name,
            name,
            typed,
            profile,
        } in sample.columns
        {
            if chosen
                .is_some_and(|chosen| !chosen.contains(&source_name) && !chosen.contains(&name))
            {
                continue;
            }
            match self.columns.iter_mut().find(|column| column.name == name) {
                Some(column) => {
                    column.profile.join(&profile);
                    column.since = self.files;
                    column.files += 1;
                }
                None => self.columns.push(SampledColumn {
                    name,
                    source_name,
                    typed,
                    profile,
                    since: self.files,
                    files: usize::from(self.files == 0),
                }),
            }
        }
        self.files += 1;
    }

    /// What separates columns, if it is something else than the feed says: there is one column, and its name holds it.
    fn other_delimiter(&self) -> Option<&'static str> {
        let [only] = &self.columns[..] else {
            return None;
        };
        let mut usual = [";", "\t", "|", ","].into_iter();
        usual.find(|delimiter| only.source_name.contains(delimiter))
    }

    fn discovered(self, feed: &FeedSpec, files: &[&Listed]) -> Discovered {
        let other_delimiter = self.other_delimiter();
        let mut notes = self.notes;
        let place = match files {
            [only] => only.path.clone(),
            _ => feed.path.clone().unwrap_or_default(),
        };
        match (&self.first_row, feed.csv.header) {
            (Some(row), true) => notes.push(format!(
                "the first row, `{row}`, looks like values and not like names: if it is a row, declare `csv: {{ header: false }}` and name the columns, `columns: [first, second, …]`; else it is lost"
            )),
            (Some(row), false) => notes.push(format!(
                "the first row, `{row}`, looks like values: it is read as a row here, and names are made up: give better ones in `columns`"
            )),
            (None, _) if self.names_are_made_up => {
                notes.push("no header and no `columns:`: names are made up".to_owned());
            }
            (None, _) => {}
        }
        if self.looks_utf8 {
            notes.push(format!("it is read as `{}`, and {IS_UTF8}", self.written));
        }
        if self.files > 0 {
            let plural = |count: u64, word: &str| match count {
                1 => format!("1 {word}"),
                more => format!("{more} {word}s"),
            };
            let of = match files {
                [only] => format!("`{}`", only.path),
                _ => plural(self.files as u64, "file"),
            };
            // Of the rows behind them nothing is known.
            let (first, so_far) = match self.goes_on {
                true => ("the first ", " so far"),
                false => ("", ""),
            };
            notes.push(format!(
                "{first}{} of {of} looked at, {}{so_far}",
                plural(self.rows, "row"),
                self.written
            ));
            if self.invalid > 0 {
                notes.push(format!(
                    "{} of them {} not valid in `{}`, and would be rescued: declare `encoding` under `csv` of the feed, e.g. `windows-1252`",
                    self.invalid,
                    if self.invalid == 1 { "is" } else { "are" },
                    self.written
                ));
            }
            if self.misfits > 0 {
                notes.push(format!(
                    "{} of them {} another number of fields than there are columns, and would be rescued: look at the delimiter, at quotes, and at `terminator_in_fields`",
                    self.misfits,
                    if self.misfits == 1 { "has" } else { "have" }
                ));
            }
        }
        let blank = self.columns.iter().filter(|column| {
            let name = column.source_name.trim();
            !name.is_empty() && name != column.source_name
        });
        for column in blank {
            notes.push(format!(
                "the header has blanks around `{}`: they are part of the name, and bronze calls it `{}`",
                column.source_name, column.name
            ));
        }
        if let (Format::Csv, Some(delimiter)) = (feed.format, other_delimiter) {
            notes.push(format!(
                "one column; if its parts are columns, declare `csv: {{ delimiter: \"{}\" }}`",
                delimiter.escape_default()
            ));
        }
        let mut columns = Vec::new();
        for column in self.columns {
            // In every file since the first that had it: what a model reads may not go missing (B8).
            if column.files == column.since + 1 {
                columns.push(column.proposed());
            } else {
                notes.push(format!("`{}` is not in every file: left out", column.name));
            }
        }
        Discovered {
            name: place,
            columns,
            mode_hint: feed.mode.word().to_owned(),
            key_hint: Vec::new(),
            feed_hint: None,
            notes,
        }
    }
}

impl Source for Files {
    fn kind(&self) -> &'static str {
        "files"
    }

    fn test(&self) -> Result<TestReport, SourceError> {
        self.check_root()?;
        let shown = self.root.display().to_string();
        let entries = fs::read_dir(&self.root)
            .map_err(|e| SourceError::io("list the source folder", &shown, e))?
            .count();
        Ok(TestReport {
            summary: format!(
                "folder with {entries} {}",
                if entries == 1 { "entry" } else { "entries" }
            ),
            details: Vec::new(),
        })
    }

    fn pulse(&self) -> Result<u64, SourceError> {
        self.check_root()?;
        let mut pulse = Pulse::default();
        pulse.folder(&self.root);
        Ok(pulse.finish())
    }

    fn discover(&self, feed: Option<&FeedSpec>) -> Result<Vec<Discovered>, SourceError> {
        if let Some(feed) = feed {
            let listed = self.list(feed)?;
            let files: Vec<&Listed> = listed
                .iter()
                .filter(|listed| listed.broken.is_none() && listed.size > 0)
                .collect();
            if files.is_empty() {
                return Ok(Vec::new());
            }
            return Ok(vec![self.sample(feed, &files)?.discovered(feed, &files)]);
        }
        let mut found = Vec::new();
        let all = FeedSpec {
            path: Some("**/*".to_owned()),
            ..FeedSpec::default()
        };
        for listed in self.list(&all)?.into_iter().filter(|l| l.broken.is_none()) {
            let Some((format, delimiter)) = by_ending(&listed.path) else {
                continue;
            };
            let mut feed = FeedSpec {
                path: Some(listed.path.clone()),
                mode: Mode::Incremental,
                format,
                ..FeedSpec::default()
            };
            feed.csv.delimiter = delimiter.to_owned();
            let mut one = match self.looked_at(&listed, &mut feed) {
                Ok(sampled) => sampled.discovered(&feed, &[&listed]),
                Err(e) => Discovered {
                    name: listed.path.clone(),
                    columns: Vec::new(),
                    mode_hint: "incremental".to_owned(),
                    key_hint: Vec::new(),
                    feed_hint: None,
                    notes: vec![e.to_string()],
                },
            };
            one.feed_hint = Some(feed_hint(&listed.path, &feed));
            found.push(one);
        }
        found.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }

    fn inventory(&self) -> Result<Inventory, SourceError> {
        self.check_root()?;
        Ok(Inventory::of_folder(&self.root))
    }

    fn header(
        &self,
        feed: &FeedSpec,
        object: Option<&Object>,
    ) -> Result<Option<Vec<Column>>, SourceError> {
        let Some(object) = object else {
            return Err(SourceError::new(
                ErrorKind::Config,
                format!(
                    "cannot tell the columns of feed `{}`: no file is named",
                    feed.name
                ),
            )
            .hint("name one of the load's objects"));
        };
        self.columns(&self.open_object(feed, object)?)
    }

    fn plan(&self, feed: &FeedSpec, from: &Known) -> Result<Planned, SourceError> {
        let known: &[KnownObject] = match from {
            Known::Files(known) => known,
            _ => {
                return Err(SourceError::new(
                    ErrorKind::Config,
                    format!("cannot plan feed `{}`: files have no cursor", feed.name),
                )
                .hint("remove `cursor:` from the feed"));
            }
        };
        packed::check(feed)?;
        format_of(feed).check(feed)?;
        let order = Self::order(feed)?;
        let mark_of = |path: &str| -> Result<String, SourceError> {
            let Some(order) = &order else {
                return Ok(path.to_owned());
            };
            order.mark(path).ok_or_else(|| {
                SourceError::new(ErrorKind::Config, format!("cannot order `{path}` among the files of feed `{}`: `file_order` does not match it", feed.name))
                    .hint("widen `file_order`, or narrow the feed's `path` so that it leaves this file out")
                    .object(path)
            })
        };
        let mut newest: HashMap<&str, &KnownObject> = HashMap::new();
        for object in known {
            let slot = newest.entry(&object.path).or_insert(object);
            if object.delivery > slot.delivery {
                *slot = object;
            }
        }

        // Of the extracts that are loaded, not of those that were held. One that came again broken stays loaded as it was before.
        // Of two with one mark the one with the later path is the newer, whenever they come (C6).
        let mut newest_extract: Option<(String, &str)> = None;
        for object in known.iter().filter(|o| o.broken.is_none()) {
            let mark = mark_of(&object.path).unwrap_or_default();
            newest_extract = newest_extract.max(Some((mark, &object.path)));
        }
        let is_late = |mark: &str, path: &str| {
            let newest = newest_extract.as_ref().filter(|_| feed.mode == Mode::Full);
            newest.is_some_and(|(newest, of)| match feed.parts {
                true => mark < newest.as_str(),
                false => (mark, path) < (newest.as_str(), *of),
            })
        };

        let mut planned = Planned::default();
        let mut fresh: Vec<Object> = Vec::new();
        let mut listed_known: Vec<Object> = Vec::new();
        let Listing {
            files: listed,
            folders,
        } = self.listing(feed)?;
        if listed.is_empty() && known.is_empty() {
            planned.warnings.push(format!(
                "no file matches `{}` in the source's folder",
                feed.path.as_deref().unwrap_or_default()
            ));
        }
        let paths: Vec<String> = match order {
            Some(_) => Vec::new(),
            None => listed.iter().map(|listed| listed.path.clone()).collect(),
        };
        let mut in_utf8: Vec<&str> = Vec::new();
        let mut unproved = Vec::new();
        for listed in listed {
            let mark = mark_of(&listed.path)?;
            let before = newest.get(listed.path.as_str()).copied();
            let as_before =
                before.is_some_and(|b| (b.size, b.mtime_ns) == (listed.size, listed.mtime_ns));
            let may_be_whole_now = before
                .and_then(|b| b.broken.as_deref())
                .is_some_and(|reason| match reason {
                    // Held for its place alone: once that is another, it is loaded.
                    LATE_EXTRACT => !is_late(&mark, &listed.path),
                    reason => may_be_whole_now(reason, &listed, feed),
                });
            if let Some(before) = before
                && as_before
                && !may_be_whole_now
            {
                listed_known.push(listed.object(
                    &mark,
                    before.sha256.clone(),
                    before.delivery,
                    before.broken.clone(),
                ));
                continue;
            }
            let young = feed.stable_for.is_some_and(|d| {
                i128::from(self.now_ns) - i128::from(listed.mtime_ns) < d.as_nanos() as i128
            });
            if young {
                planned.wait(&listed.path, "is younger than `stable_for`");
                continue;
            }
            if let Some(why) = self.incomplete(feed, &listed, before.is_some()) {
                planned.wait(&listed.path, &why);
                continue;
            }
            unproved.push((listed, mark, before, as_before, may_be_whole_now));
        }
        let to_prove: Vec<&Listed> = unproved.iter().map(|(listed, ..)| listed).collect();
        let proofs = self.prove_all(&to_prove, feed);
        for ((listed, mark, before, as_before, may_be_whole_now), proof) in
            unproved.iter().zip(proofs)
        {
            let Some(proved) = proof? else {
                planned.warnings.push(format!(
                    "`{}` was there when the files were listed and is gone now; it is left out",
                    listed.path
                ));
                continue;
            };
            if proved.changed_meanwhile {
                planned.wait(&listed.path, "is being written");
                continue;
            }
            if proved.looks_utf8 && proved.broken.is_none() {
                in_utf8.push(&listed.path);
            }
            match before {
                Some(before)
                    if before.sha256 == proved.sha256
                        && !(*may_be_whole_now && proved.broken.is_none()) =>
                {
                    let same = listed.object(
                        mark,
                        before.sha256.clone(),
                        before.delivery,
                        before.broken.clone(),
                    );
                    listed_known.push(same.clone());
                    if !as_before {
                        planned.touched.push(same.into());
                    }
                }
                _ => fresh.push(listed.object(
                    mark,
                    proved.sha256,
                    before.map_or(1, |b| b.delivery + 1),
                    proved.broken,
                )),
            }
        }
        fresh.sort_by(|a, b| (&a.mark, &a.path).cmp(&(&b.mark, &b.path)));
        if feed.on_broken_stop
            && let Some(object) = fresh.iter().find(|o| o.broken.is_some())
        {
            let why = object.broken.as_deref().unwrap_or_default();
            return Err(SourceError::new(ErrorKind::Broken, format!("cannot load `{}` of feed `{}`: {why}", object.path, feed.name))
                .hint("have it delivered again, or take `on_broken_object: stop` from the feed to go on without it")
                .object(&object.path));
        }
        if let Some(first) = in_utf8.first() {
            planned.warnings.push(format!(
                "`{first}`{} is read as `{}`, and {IS_UTF8}",
                and_more(in_utf8.len()),
                feed.csv.encoding.name()
            ));
        }
        if !feed.on_duplicate_load {
            self.find_duplicates(feed, &mut fresh, &newest, &mark_of)?;
            let mut twice = fresh
                .iter()
                .filter_map(|object| Some((&object.path, object.duplicate_of.as_ref()?)));
            if let Some((path, of)) = twice.next() {
                planned.warnings.push(format!(
                    "`{path}`{} holds, byte for byte, what `{of}` holds, and counts as a duplicate: where both count, declare `on_duplicate: load`",
                    and_more(1 + twice.count())
                ));
            }
        }
        if (!fresh.is_empty() || known.is_empty())
            && let Some(first) = folders.first()
        {
            let more = and_more(folders.len());
            planned.warnings.push(format!(
                "`{first}`{more} is a folder that `{glob}` matches too; what is in it is not read: `{glob}/*` would name it",
                glob = feed.path.as_deref().unwrap_or_default()
            ));
        }
        if !fresh.is_empty() {
            let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
            if let Some((first, second)) = misordered(&paths) {
                planned.warnings.push(format!(
                    "`{first}` counts as older than `{second}`: whole paths are ordered as text; capture the number with `file_order` to order by it"
                ));
            }
        }
        let count_before = known.len();
        let objects_to_load =
            |objects: Vec<Object>, mark: Option<String>, planned_before: usize| {
                let header = objects
                    .iter()
                    .find(|o| o.broken.is_none())
                    .and_then(|o| self.header(feed, Some(o)).ok().flatten());
                let from = json!({"objects": planned_before});
                let to = json!({"objects": planned_before + objects.len()});
                Load {
                    objects,
                    from,
                    to,
                    header,
                    mark,
                    epoch: None,
                }
            };
        match feed.mode {
            Mode::Incremental => {
                if !fresh.is_empty() {
                    planned
                        .loads
                        .push(objects_to_load(fresh, None, count_before));
                }
            }
            Mode::Full => {
                let (late, timely): (Vec<Object>, Vec<Object>) = fresh
                    .into_iter()
                    .partition(|o| o.broken.is_none() && is_late(&o.mark, &o.path));
                for object in &late {
                    let of_one_mark = newest_extract
                        .as_ref()
                        .filter(|(mark, _)| *mark == object.mark);
                    let than = match of_one_mark {
                        Some((mark, of)) => {
                            format!("`{of}` by its path, with the same order mark `{mark}`")
                        }
                        None => "the newest extract loaded".to_owned(),
                    };
                    planned.warnings.push(format!(
                        "`{}` is older than {than}; it is held as late_extract",
                        object.path
                    ));
                }
                planned.late = late;
                let mut by_mark: BTreeMap<String, Vec<Object>> = BTreeMap::new();
                let mut loads: Vec<(String, Vec<Object>)> = Vec::new();
                for object in timely {
                    if feed.parts {
                        by_mark.entry(object.mark.clone()).or_default().push(object);
                    } else {
                        loads.push((object.mark.clone(), vec![object]));
                    }
                }
                // A part that comes later makes the load of its mark anew, from all parts.
                for object in listed_known {
                    if let Some(parts) = by_mark.get_mut(&object.mark) {
                        parts.push(object);
                    }
                }
                let mut gone: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
                if feed.parts {
                    for object in known.iter().filter(|o| o.broken.is_none()) {
                        let Ok(mark) = mark_of(&object.path) else {
                            continue;
                        };
                        let is_gone = by_mark
                            .get(&mark)
                            .is_some_and(|parts| parts.iter().all(|p| p.path != object.path));
                        if is_gone {
                            gone.entry(mark).or_default().insert(object.path.clone());
                        }
                    }
                }
                for (mark, mut objects) in by_mark {
                    if let Some(gone) = gone.remove(&mark) {
                        // A part that is being delivered again is waited for; without one that is gone, its rows would be deleted.
                        let waits = planned.waiting.iter();
                        if waits
                            .map(|waits| &waits.path)
                            .any(|path| gone.contains(path))
                        {
                            for object in &objects {
                                planned.wait(
                                    &object.path,
                                    "is a part of a load of which another is being delivered again",
                                );
                            }
                            break;
                        }
                        return Err(part_is_gone(feed, &objects, &gone));
                    }
                    objects.sort_by(|a, b| a.path.cmp(&b.path));
                    loads.push((mark, objects));
                }
                let mut before = count_before;
                for (mark, objects) in loads {
                    let load = objects_to_load(objects, Some(mark), before);
                    before += load.objects.len();
                    planned.loads.push(load);
                }
            }
        }
        planned
            .warnings
            .extend(header_of_values(feed, &planned.loads));
        Ok(planned)
    }

    fn count(
        &self,
        feed: &FeedSpec,
        load: &Load,
        bytes_max: u64,
    ) -> Result<Option<u64>, SourceError> {
        let sizes = load.objects.iter().map(|object| object.size);
        if sizes.sum::<u64>() > bytes_max {
            return Ok(None);
        }
        let count = self.read(feed, load, &mut |_| Ok(()))?;
        Ok(Some(count.rows))
    }

    fn read(
        &self,
        feed: &FeedSpec,
        load: &Load,
        sink: &mut dyn FnMut(SourceBatch) -> Result<(), SinkError>,
    ) -> Result<ReadCount, SourceError> {
        let mut count = ReadCount::default();
        for (index, object) in load.objects.iter().enumerate() {
            if object.broken.is_some() {
                count.object_rows.push(0);
                continue;
            }
            let one = self.read_object(feed, object, &mut |batch| {
                sink(SourceBatch {
                    object: Some(index),
                    batch,
                })
                .map_err(|e| SourceError::sink(&object.path, e))
            })?;
            count.rows += one.rows;
            count.rescued += one.rescued;
            count.blank_lines += one.blank_lines;
            count.bytes += object.size;
            count.object_rows.push(one.rows);
        }
        Ok(count)
    }
}

impl Files {
    /// A new path with content that the newest delivery of another path has. Of several new paths with one content the first in order is no duplicate.
    /// Which of the two silver reads is decided by `file_order`, not here.
    fn find_duplicates(
        &self,
        feed: &FeedSpec,
        fresh: &mut [Object],
        newest: &HashMap<&str, &KnownObject>,
        mark_of: &dyn Fn(&str) -> Result<String, SourceError>,
    ) -> Result<(), SourceError> {
        let mut holder: HashMap<String, (String, String)> = HashMap::new();
        let delivered_again: HashSet<&str> = fresh.iter().map(|f| f.path.as_str()).collect();
        for object in newest.values().filter(|o| o.broken.is_none()) {
            if delivered_again.contains(object.path.as_str()) {
                continue;
            }
            let place = (
                mark_of(&object.path).unwrap_or_default(),
                object.path.clone(),
            );
            let slot = holder
                .entry(object.sha256.clone())
                .or_insert_with(|| place.clone());
            if place < *slot {
                *slot = place;
            }
        }
        for object in fresh.iter_mut().filter(|o| o.broken.is_none()) {
            match holder.get(&object.sha256) {
                Some((_, path))
                    if object.delivery == 1 && object.size > 0 && self.has_rows(feed, object) =>
                {
                    object.duplicate_of = Some(path.clone())
                }
                Some(_) => {}
                None => {
                    holder.insert(
                        object.sha256.clone(),
                        (object.mark.clone(), object.path.clone()),
                    );
                }
            }
        }
        Ok(())
    }
}

/// What a file is whose declared encoding is one of one byte a letter.
const IS_UTF8: &str = "is valid UTF-8 throughout: its letters beyond ASCII come out wrong (`Ã¤` for `ä`); take `encoding` out of `csv` of the feed";

/// The number of others, behind the first.
fn and_more(count: usize) -> String {
    match count {
        0 | 1 => String::new(),
        many => format!(" (and {} more)", many - 1),
    }
}

/// The note on a header with a number or a date for a name.
fn header_of_values(feed: &FeedSpec, loads: &[Load]) -> Option<String> {
    if feed.format != Format::Csv || !feed.csv.header || feed.columns.is_some() {
        return None;
    }
    let load = loads.iter().find(|load| load.header.is_some())?;
    let names: Vec<&str> = load
        .header
        .iter()
        .flatten()
        .map(|column| column.source_name.as_str())
        .collect();
    let value = discover::value_among_names(&names)?;
    let object = load.objects.iter().find(|object| object.broken.is_none())?;
    Some(format!(
        "`{}` has the column name `{value}`: if its first row holds values, it is lost; declare `csv: {{ header: false }}` and name the columns, `columns: [first, second, …]`; if these are names, list them in `columns`",
        object.path
    ))
}

/// The refusal of a load made anew from the parts of its mark, of which some are not there any more.
fn part_is_gone(feed: &FeedSpec, objects: &[Object], gone: &BTreeSet<String>) -> SourceError {
    let mut more: Vec<&str> = objects.iter().map(|o| o.path.as_str()).collect();
    more.sort_unstable();
    let named = |paths: &[&str]| {
        let quoted: Vec<String> = paths.iter().map(|path| format!("`{path}`")).collect();
        quoted.join(", ")
    };
    let paths: Vec<&str> = gone.iter().map(String::as_str).collect();
    let (verb, it) = match paths.len() {
        1 => ("is", "it"),
        _ => ("are", "them"),
    };
    SourceError::new(
        ErrorKind::Broken,
        format!(
            "cannot load {} of feed `{}`: {} of the same extract {verb} not there any more, and without {it} the rows would be gone",
            named(&more),
            feed.name,
            named(&paths)
        ),
    )
    .hint(format!(
        "put {it} back beside the others; a part that is withdrawn is delivered again with its header alone"
    ))
    .object(paths[0])
}

/// What a glob names.
#[derive(Debug, Default)]
struct Listing {
    files: Vec<Listed>,
    /// Folders that a `*` at the end of the glob names too, and that are not read.
    folders: Vec<String>,
}

struct Walk {
    /// The folders that are being listed, without links: a link that leads back to one of them shows nothing new.
    open: Vec<PathBuf>,
    matcher: GlobMatcher,
    depth_max: usize,
    folders_are_broken: bool,
    found: Listing,
}

impl Walk {
    fn folder(&mut self, folder: &Path, relative: &str, depth: usize) -> Result<(), SourceError> {
        let fail = |e| match relative {
            "" => SourceError::io("list the source folder", &folder.display().to_string(), e),
            _ => SourceError::io("list the folder", relative, e),
        };
        let entries = match fs::read_dir(folder) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound && depth > 0 => return Ok(()),
            other => other.map_err(fail)?,
        };
        let real = fs::canonicalize(folder).map_err(fail)?;
        if self.open.contains(&real) {
            return Ok(());
        }
        self.open.push(real);
        for entry in entries {
            let entry = entry.map_err(fail)?;
            let name = in_unicode(&entry.file_name());
            let path = if relative.is_empty() {
                name
            } else {
                format!("{relative}/{name}")
            };
            self.entry(&entry.path(), path, depth)?;
        }
        self.open.pop();
        Ok(())
    }

    fn entry(&mut self, at: &Path, path: String, depth: usize) -> Result<(), SourceError> {
        let matches = self.matcher.is_match(&path);
        let stat = match fs::metadata(at) {
            Ok(stat) => stat,
            Err(e) => {
                return match fs::symlink_metadata(at) {
                    Ok(link) if link.file_type().is_symlink() => {
                        if matches {
                            self.hold(path, &link, LINK);
                        }
                        Ok(())
                    }
                    _ if e.kind() == std::io::ErrorKind::NotFound => Ok(()),
                    _ => Err(SourceError::io("look at", &path, e)),
                };
            }
        };
        let has_unicode_name = at.file_name().is_none_or(|name| name.to_str().is_some());
        if !has_unicode_name {
            if matches || (stat.is_dir() && depth < self.depth_max) {
                self.hold(path, &stat, NAME);
            }
        } else if stat.is_dir() {
            if depth < self.depth_max {
                self.folder(at, &path, depth + 1)?;
            } else if matches && !self.folders_are_broken {
                self.found.folders.push(path.clone());
            }
            if matches && self.folders_are_broken {
                self.hold(path, &stat, FOLDER);
            }
        } else if matches {
            if stat.is_file() {
                self.found.files.push(Listed {
                    path,
                    size: stat.len(),
                    mtime_ns: mtime_ns(&stat),
                    broken: None,
                });
            } else {
                self.hold(path, &stat, NO_FILE);
            }
        }
        Ok(())
    }

    /// What can be no object.
    fn hold(&mut self, path: String, stat: &Metadata, why: &str) {
        self.found.files.push(Listed {
            path,
            size: if stat.is_file() { stat.len() } else { 0 },
            mtime_ns: mtime_ns(stat),
            broken: Some(why.to_owned()),
        });
    }
}

/// A name for people: bytes that are no UTF-8 as `\xE9`.
fn in_unicode(name: &OsStr) -> String {
    let mut text = String::new();
    for chunk in name.as_encoded_bytes().utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02X}"));
        }
    }
    text
}

fn mtime_ns(stat: &Metadata) -> i64 {
    match stat.modified() {
        Err(_) => 0,
        Ok(time) => match time.duration_since(UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_nanos()).unwrap_or(i64::MAX),
            Err(before) => i64::try_from(before.duration().as_nanos()).map_or(i64::MIN, |n| -n),
        },
    }
}

struct Hashing<'a> {
    inner: &'a mut File,
    hash: Sha256,
    bytes: u64,
    /// Trouble with the disk, which an unpacker would report as damage.
    failed: Option<std::io::Error>,
}

impl Read for Hashing<'_> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        match self.inner.read(out) {
            Ok(n) => {
                self.hash.update(&out[..n]);
                self.bytes += n as u64;
                Ok(n)
            }
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => Err(e),
            Err(e) => {
                let copy = std::io::Error::from(e.kind());
                self.failed = Some(e);
                Err(copy)
            }
        }
    }
}

/// Why a full extract that is older than the newest loaded one is not loaded (B6).
pub const LATE_EXTRACT: &str = "late_extract: a newer full load is already loaded";
const FOLDER: &str = "it is a folder, not a file";
const NO_FILE: &str = "it is no regular file";
const LINK: &str = "it is a link that leads nowhere";
const NAME: &str = "its name is not valid Unicode: rename it";
/// Whether an object known to be broken for this reason might be whole under the settings of today, though its bytes are the same.
fn may_be_whole_now(reason: &str, listed: &Listed, feed: &FeedSpec) -> bool {
    match reason {
        FOLDER | NO_FILE | LINK | NAME => listed.broken.is_none(),
        reason if reason.starts_with(csv_file::HEADER) => true,
        reason if json_file::may_be_whole_now(reason, feed) => true,
        reason if typed::may_be_whole_now(reason) => true,
        reason if control::may_be_whole_now(reason) => true,
        reason if parquet_file::may_be_whole_now(reason, feed) => true,
        reason if avro_file::may_be_whole_now(reason, feed) => true,
        reason if excel_file::may_be_whole_now(reason, feed) => true,
        // Also as earlier versions said it, which read neither bzip2 nor Zstandard nor archives.
        reason if reason.starts_with("it is ") && reason.contains(packed::NOT_TEXT) => {
            !feed.format.is_text()
                || ["bzip2", "Zstandard", "ZIP"]
                    .iter()
                    .any(|now_read| reason.contains(now_read))
        }
        reason if packed::may_be_whole_now(reason, feed) => true,
        other => {
            other.contains("is longer than")
                && !other.contains(&over_limit(feed.csv.max_line_bytes))
        }
    }
}

/// The keys of a feed of one file, but for its source.
fn feed_hint(path: &str, feed: &FeedSpec) -> String {
    let file = path.rsplit('/').next().unwrap_or(path);
    let stem = file
        .split('.')
        .find(|part| !part.is_empty())
        .unwrap_or(file);
    let format = match feed.format {
        Format::Csv => "",
        Format::Ndjson => ", format: ndjson",
        Format::Json => ", format: json",
        Format::Parquet => ", format: parquet",
        Format::Avro => ", format: avro",
        Format::Excel => ", format: excel",
    };
    let mut csv = Vec::new();
    if feed.csv.delimiter != "," {
        let delimiter = feed.csv.delimiter.escape_default();
        csv.push(format!("delimiter: \"{delimiter}\""));
    }
    if !feed.csv.header {
        csv.push("header: false".to_owned());
    }
    if feed.csv.encoding != Encoding::Utf8 {
        csv.push(format!("encoding: {}", feed.csv.encoding.name()));
    }
    let csv = match csv.is_empty() {
        true => String::new(),
        false => format!(", csv: {{ {} }}", csv.join(", ")),
    };
    let columns = match &feed.columns {
        None => String::new(),
        Some(names) => format!(", columns: [{}]", names.join(", ")),
    };
    format!(
        "name: {}, mode: incremental, path: {}{format}{csv}{columns}",
        names::fold(stem, 1),
        names::quoted(path)
    )
}

/// The format, and the delimiter, that the ending of a path tells.
fn by_ending(path: &str) -> Option<(Format, &'static str)> {
    let path = path.to_lowercase();
    let packings = [".gz", ".zst", ".bz2", ".zip"];
    let unpacked = packings
        .iter()
        .find_map(|packing| path.strip_suffix(packing));
    let (_, ending) = unpacked.unwrap_or(&path).rsplit_once('.')?;
    let (format, delimiter) = match ending {
        "csv" | "txt" => (Format::Csv, ","),
        "tsv" => (Format::Csv, "\t"),
        "ndjson" | "jsonl" => (Format::Ndjson, ","),
        "json" => (Format::Json, ","),
        "parquet" => (Format::Parquet, ","),
        "avro" => (Format::Avro, ","),
        "xlsx" | "xlsm" | "xlsb" | "xls" | "ods" => (Format::Excel, ","),
        _ => return None,
    };
    (unpacked.is_none() || format.is_text()).then_some((format, delimiter))
}

/// Of paths in a folder: one line on those at which a proposal does not look, if there are any.
#[must_use]
pub fn not_looked_at<'a>(paths: impl Iterator<Item = &'a str>) -> Option<String> {
    let mut others = paths.filter(|path| by_ending(path).is_none());
    let first = others.next()?;
    let more = others.count();
    let (more, are) = match more {
        0 => (String::new(), "is"),
        more => (format!(" (and {more} more)"), "are"),
    };
    Some(format!(
        "`{first}`{more} {are} not looked at: files are that end in .csv, .tsv, .txt, .json, .ndjson, .jsonl, .parquet, .avro, .xlsx, .xlsm, .xlsb, .xls or .ods, those of text also packed (.gz, .zst, .bz2, .zip); a feed reads a file of any name (`path`, `format`)"
    ))
}

/// The format that a feed is written in.
fn format_of(feed: &FeedSpec) -> &'static dyn FileFormat {
    match feed.format {
        Format::Csv => &Csv,
        Format::Ndjson | Format::Json => &Json,
        Format::Parquet => &Parquet,
        Format::Avro => &Avro,
        Format::Excel => &Excel,
    }
}

/// Why an object whose stream could be unpacked is not whole.
fn whole(opened: &Opened, packing: Packing, mut runs: Runs) -> Result<Option<String>, SourceError> {
    let mut long = runs.are_suspicious();
    if packing == Packing::Zip {
        let mut texts = opened.parts()?;
        let mut chunk = vec![0; CHUNK_BYTES];
        while let Some(mut part) = texts.next()? {
            runs = Runs::new(&opened.feed.csv);
            loop {
                match part.read(&mut chunk) {
                    Ok(0) => break,
                    Ok(n) => runs.see(&chunk[..n]),
                    Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                    Err(e) => return Err(crate::format::reading(opened.path, e)),
                }
            }
            long |= runs.are_suspicious();
        }
    }
    format_of(opened.feed).flaw(opened, long)
}
