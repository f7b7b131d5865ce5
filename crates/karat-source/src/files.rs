//! A folder of text files as a source: which are there, which are new, whether they are whole (B4), and their rows.
//!
//! A plan hashes each new file once, and unpacks a packed one in the same pass to prove it whole. A read trusts path, size and time of change, hashes
//! again only if the time differs (a copied folder), and looks at size and time once more when it is done.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ffi::OsStr;
use std::fs::{self, File, Metadata};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::UNIX_EPOCH;

use arrow::datatypes::DataType;
use flate2::bufread::{GzDecoder, MultiGzDecoder};
use globset::{GlobBuilder, GlobMatcher};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::csv::{CsvReader, Dialect, FIELDS_MAX, FieldKind, over_limit};
use crate::decode::{Decoded, hex};
use crate::pattern::{OrderPattern, misordered};
use crate::rows::{BATCH_ROWS, Layout, RowBuilder};
use crate::{
    Column, Compression, CsvOptions, Discovered, Encoding, ErrorKind, FeedSpec, Inventory, Known,
    KnownObject, Load, Mode, Object, Planned, ReadCount, SinkError, Source, SourceBatch,
    SourceConfig, SourceError, TestReport, discover, names,
};

/// Bytes read at a time; fits the second-level cache together with its marks.
const CHUNK_BYTES: usize = 256 << 10;
/// As much of a file as a header takes, most times.
const HEADER_BYTES: usize = 16 << 10;
/// Bytes of new files for which threads are worth starting.
const BYTES_FOR_THREADS: u64 = 8 << 20;
/// Folders deeper than this are taken for a loop of links.
const DEPTH_MAX: usize = 64;

/// The `files` source.
#[derive(Debug)]
pub struct Files {
    root: PathBuf,
    now_ns: i64,
    chunk: usize,
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
}

enum Body {
    Plain(File),
    Gzip(Box<MultiGzDecoder<BufReader<File>>>),
}

impl Read for Body {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Self::Plain(file) => file.read(out),
            Self::Gzip(file) => file.read(out),
        }
    }
}

impl Body {
    fn new(file: File, packed: bool) -> Self {
        if packed {
            Self::Gzip(Box::new(MultiGzDecoder::new(BufReader::with_capacity(
                CHUNK_BYTES,
                file,
            ))))
        } else {
            Self::Plain(file)
        }
    }

    fn file(&self) -> &File {
        match self {
            Self::Plain(file) => file,
            Self::Gzip(file) => file.get_ref().get_ref(),
        }
    }
}

impl Files {
    /// The source at the folder of this configuration. Does not touch the disk.
    pub fn open(config: &SourceConfig) -> Result<Self, SourceError> {
        Ok(Self {
            root: config.path.clone(),
            now_ns: config.now_ns,
            chunk: CHUNK_BYTES,
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
        let csv = &feed.csv;
        if listed.broken.is_some() {
            return Ok(Some(Proved {
                sha256: hex(&Sha256::digest(b"")),
                broken: listed.broken.clone(),
                changed_meanwhile: false,
            }));
        }
        let path = self.absolute(&listed.path);
        let mut file = match File::open(&path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            other => other.map_err(|e| SourceError::io("open", &listed.path, e))?,
        };
        let fail = |e| SourceError::io("read", &listed.path, e);
        let packed = is_packed(&mut file, &listed.path, csv.compression).map_err(fail)?;
        let mut hashing = Hashing {
            inner: &mut file,
            hash: Sha256::new(),
            bytes: 0,
            failed: None,
        };
        let mut runs = Runs::new(csv);
        let mut chunk = vec![0; CHUNK_BYTES];
        let mut broken = if packed {
            unpack(&mut hashing, &mut chunk, &mut runs)
        } else {
            None
        };
        // Plain, or what is left behind the place where unpacking failed.
        loop {
            match hashing.read(&mut chunk) {
                Ok(0) => break,
                Ok(n) if !packed => runs.see(&chunk[..n]),
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
        if broken.is_none() && !packed && !changed_meanwhile {
            file.seek(SeekFrom::Start(0)).map_err(fail)?;
            let mut start = Vec::with_capacity(START_BYTES);
            let mut head = (&file).take(START_BYTES as u64);
            head.read_to_end(&mut start).map_err(fail)?;
            broken = no_text(&start);
        }
        if broken.is_none() && !changed_meanwhile && csv.header {
            broken = self.header_flaw(&file, packed, &listed.path, feed)?;
        }
        if broken.is_none() && !changed_meanwhile && runs.are_suspicious() {
            broken = self.cut(file, packed, &listed.path, csv)?;
        }
        Ok(Some(Proved {
            sha256,
            broken,
            changed_meanwhile,
        }))
    }

    /// Why no names can be had from the header.
    fn header_flaw(
        &self,
        file: &File,
        packed: bool,
        path: &str,
        feed: &FeedSpec,
    ) -> Result<Option<String>, SourceError> {
        let csv = &feed.csv;
        let fail = |e| SourceError::io("read", path, e);
        let mut file = file.try_clone().map_err(fail)?;
        file.seek(SeekFrom::Start(0)).map_err(fail)?;
        let input = Decoded::new(Body::new(file, packed), csv.encoding);
        let mut reader = CsvReader::new(
            input,
            path,
            Dialect::new(csv)?,
            self.chunk.min(HEADER_BYTES),
        );
        match header_names(&mut reader, csv, path) {
            Ok(None) => Ok(None),
            Ok(Some(names)) => {
                let folded = names::fold_unique(&names).map(drop);
                let why = folded.err().or_else(|| other_delimiter(&names, feed));
                Ok(why.map(|why| format!("{HEADER}{why}")))
            }
            Err(e) if e.kind() == ErrorKind::Broken => {
                let message = e.to_string();
                let why = message.strip_prefix(&format!("cannot read the header of `{path}`: "));
                // A row that is too long is told with its line.
                Ok(why.map(|why| format!("{HEADER}{why}")))
            }
            Err(e) => Err(e),
        }
    }

    /// Cuts the whole file into rows, to see whether each can be held. Only for files where one might be too long.
    fn cut(
        &self,
        mut file: File,
        packed: bool,
        path: &str,
        csv: &CsvOptions,
    ) -> Result<Option<String>, SourceError> {
        file.seek(SeekFrom::Start(0))
            .map_err(|e| SourceError::io("read", path, e))?;
        let mut reader = CsvReader::new(
            Decoded::new(Body::new(file, packed), csv.encoding),
            path,
            Dialect::new(csv)?,
            self.chunk,
        );
        loop {
            match reader.advance() {
                Ok(true) => {}
                Ok(false) => return Ok(None),
                Err(e) if e.kind() == ErrorKind::Broken => {
                    let message = e.to_string();
                    let reason = message
                        .strip_prefix(&format!("cannot read `{path}`: "))
                        .unwrap_or(&message);
                    return Ok(Some(reason.to_owned()));
                }
                Err(e) => return Err(e),
            }
        }
    }

    fn open_body(&self, feed: &FeedSpec, object: &Object) -> Result<(Body, Metadata), SourceError> {
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
            file.seek(SeekFrom::Start(0)).map_err(fail)?;
        }
        let packed = is_packed(&mut file, &object.path, feed.csv.compression).map_err(fail)?;
        Ok((Body::new(file, packed), stat))
    }

    fn open_csv(
        &self,
        feed: &FeedSpec,
        object: &Object,
    ) -> Result<(CsvReader<Body>, Metadata), SourceError> {
        let dialect = Dialect::new(&feed.csv)?;
        let (body, stat) = self.open_body(feed, object)?;
        Ok((
            CsvReader::new(
                Decoded::new(body, feed.csv.encoding),
                &object.path,
                dialect,
                self.chunk,
            ),
            stat,
        ))
    }

    /// Reads the rows of one object; stops when `each` says so.
    fn read_object(
        &self,
        feed: &FeedSpec,
        object: &Object,
        each: &mut dyn FnMut(arrow::record_batch::RecordBatch) -> Result<(), SourceError>,
    ) -> Result<ObjectCount, SourceError> {
        let (mut reader, before) = self.open_csv(feed, object)?;
        let mut count = ObjectCount::default();
        let Some(layout) = layout(&mut reader, feed, &object.path)? else {
            return Ok(count);
        };
        let several = layout.slots.len() > 1;
        reader.expect_fields(layout.slots.len());
        let op = match feed.mode {
            Mode::Full => "R",
            Mode::Incremental => "I",
        };
        let mut builder = RowBuilder::new(layout, &object.path, op, &object.mark, BATCH_ROWS);
        while reader.advance()? {
            if several && reader.is_blank() {
                count.blank_lines += 1;
                continue;
            }
            if builder.push(&reader)
                && let Some(batch) = builder.finish()?
            {
                each(batch)?;
            }
        }
        if let Some(batch) = builder.finish()? {
            each(batch)?;
        }
        let body = reader.into_input();
        let after = body
            .file()
            .metadata()
            .map_err(|e| SourceError::io("read", &object.path, e))?;
        if after.len() != before.len() || mtime_ns(&after) != mtime_ns(&before) {
            return Err(SourceError::new(ErrorKind::Changed, format!("cannot read `{}`: it was written to while it was read", object.path))
                .hint("let the sender write elsewhere and move the file when it is complete, or set `stable_for`")
                .object(&object.path));
        }
        count.rows = builder.rows;
        count.rescued = builder.rows_rescued;
        Ok(count)
    }

    /// Objects without rows are never duplicates (B4). One that cannot be read counts as having some.
    fn has_rows(&self, feed: &FeedSpec, object: &Object) -> bool {
        let first = || -> Result<bool, SourceError> {
            let (mut reader, _) = self.open_csv(feed, object)?;
            let Some(layout) = layout(&mut reader, feed, &object.path)? else {
                return Ok(false);
            };
            reader.expect_fields(layout.slots.len());
            while reader.advance()? {
                if layout.slots.len() <= 1 || !reader.is_blank() {
                    return Ok(true);
                }
            }
            Ok(false)
        };
        first().unwrap_or(true)
    }

    /// Columns of some files together, the newest of them last, and what their first rows have in common.
    fn sample(&self, feed: &FeedSpec, files: &[&Listed]) -> Result<Discovered, SourceError> {
        let mut sampled = Sampled::default();
        let mut failed = None;
        // The newest tells most about what comes next.
        for listed in files.iter().rev().take(SAMPLE_FILES) {
            match self.sample_file(feed, listed, &mut sampled) {
                Ok(()) => {}
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
        Ok(sampled.discovered(feed, files))
    }

    fn sample_file(
        &self,
        feed: &FeedSpec,
        listed: &Listed,
        sampled: &mut Sampled,
    ) -> Result<(), SourceError> {
        let path = &listed.path;
        let object = Object {
            path: path.clone(),
            size: listed.size,
            mtime_ns: listed.mtime_ns,
            sha256: String::new(),
            delivery: 1,
            duplicate_of: None,
            broken: None,
            mark: String::new(),
        };
        let (mut reader, _) = self.open_csv(feed, &object)?;
        let mut pending = false;
        let names = match (feed.csv.header, &feed.columns) {
            (false, Some(columns)) => columns.clone(),
            (false, None) => {
                pending = next_record(&mut reader)?;
                sampled.names_are_made_up = true;
                (1..=reader.spans().len())
                    .map(|i| format!("column_{i}"))
                    .collect()
            }
            (true, _) => match header_names(&mut reader, &feed.csv, path)? {
                Some(names) => names,
                // A file without a line says nothing.
                None => return Ok(()),
            },
        };
        let folded = names::fold_all(&names, path)?;
        let several = names.len() > 1;
        reader.expect_fields(names.len());
        let mut profiles = vec![discover::Profile::default(); names.len()];
        let mut rows = 0;
        while rows < SAMPLE_ROWS && (pending || reader.advance()?) {
            pending = false;
            if several && reader.is_blank() {
                continue;
            }
            // What a row lacks or has too much is rescued, not typed.
            if reader.spans().len() == names.len() {
                for (profile, span) in profiles.iter_mut().zip(reader.spans()) {
                    let value = reader.field(*span);
                    let value = String::from_utf8_lossy(&value);
                    if !feed.null_values.iter().any(|null| *null == value) {
                        profile.see(&value);
                    }
                }
            }
            rows += 1;
        }
        sampled.rows += rows;
        sampled.encoding = reader.encoding().name();
        sampled.add(feed, &names, &folded, &profiles);
        Ok(())
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
    encoding: &'static str,
    names_are_made_up: bool,
    notes: Vec<String>,
    columns: Vec<SampledColumn>,
}

#[derive(Debug)]
struct SampledColumn {
    name: String,
    source_name: String,
    profile: discover::Profile,
    /// The first file that had it, and how many had it.
    since: usize,
    files: usize,
}

impl Sampled {
    fn add(
        &mut self,
        feed: &FeedSpec,
        names: &[String],
        folded: &[String],
        profiles: &[discover::Profile],
    ) {
        let chosen = feed.columns.as_deref().filter(|_| feed.csv.header);
        for ((source_name, name), profile) in names.iter().zip(folded).zip(profiles) {
            if chosen.is_some_and(|chosen| !chosen.contains(source_name) && !chosen.contains(name))
            {
                continue;
            }
            match self.columns.iter_mut().find(|column| column.name == *name) {
                Some(column) => {
                    column.profile.join(profile);
                    column.since = self.files;
                    column.files += 1;
                }
                None => self.columns.push(SampledColumn {
                    name: name.clone(),
                    source_name: source_name.clone(),
                    profile: profile.clone(),
                    since: self.files,
                    files: usize::from(self.files == 0),
                }),
            }
        }
        self.files += 1;
    }

    fn discovered(self, feed: &FeedSpec, files: &[&Listed]) -> Discovered {
        let mut notes = self.notes;
        let place = match files {
            [only] => only.path.clone(),
            _ => feed.path.clone().unwrap_or_default(),
        };
        if self.names_are_made_up {
            notes.push("no header and no `columns:`: names are made up".to_owned());
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
            notes.push(format!(
                "{} of {of} looked at, {}",
                plural(self.rows, "row"),
                self.encoding
            ));
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
        if let [only] = &self.columns[..]
            && let Some(delimiter) = [";", "\t", "|", ","]
                .iter()
                .find(|d| only.source_name.contains(**d))
        {
            notes.push(format!(
                "one column; if its parts are columns, declare `csv: {{ delimiter: \"{}\" }}`",
                delimiter.escape_default()
            ));
        }
        let mut columns = Vec::new();
        for column in self.columns {
            // In every file since the first that had it: what a model reads may not go missing (B8).
            if column.files == column.since + 1 {
                columns.push(column.profile.propose(column.name, &column.source_name));
            } else {
                notes.push(format!("`{}` is not in every file: left out", column.name));
            }
        }
        Discovered {
            name: place,
            columns,
            mode_hint: feed.mode.word().to_owned(),
            key_hint: Vec::new(),
            notes,
        }
    }
}

#[derive(Debug, Default)]
struct ObjectCount {
    rows: u64,
    rescued: u64,
    blank_lines: u64,
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
            return Ok(vec![self.sample(feed, &files)?]);
        }
        let mut found = Vec::new();
        for glob in ["**/*.csv", "**/*.csv.gz", "**/*.tsv", "**/*.tsv.gz"] {
            let mut feed = FeedSpec {
                path: Some(glob.to_owned()),
                mode: Mode::Incremental,
                ..FeedSpec::default()
            };
            if glob.contains("tsv") {
                feed.csv.delimiter = "\t".to_owned();
            }
            for listed in self.list(&feed)?.into_iter().filter(|l| l.broken.is_none()) {
                found.push(
                    self.sample(&feed, &[&listed])
                        .unwrap_or_else(|e| Discovered {
                            name: listed.path.clone(),
                            columns: Vec::new(),
                            mode_hint: "incremental".to_owned(),
                            key_hint: Vec::new(),
                            notes: vec![e.to_string()],
                        }),
                );
            }
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
        let (mut reader, _) = self.open_csv(feed, object)?;
        Ok(layout(&mut reader, feed, &object.path)?.map(|l| l.columns))
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
        Dialect::new(&feed.csv)?;
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
        let mut newest_mark: Option<String> = None;
        for object in known.iter().filter(|o| o.broken.is_none()) {
            newest_mark = newest_mark.max(Some(mark_of(&object.path).unwrap_or_default()));
        }
        let is_late = |mark: &str| {
            feed.mode == Mode::Full && newest_mark.as_deref().is_some_and(|newest| mark < newest)
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
                    LATE_EXTRACT => !is_late(&mark),
                    reason => may_be_whole_now(reason, &listed, &feed.csv),
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
                planned.waiting.push(listed.path.clone());
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
                planned.warnings.push(format!(
                    "`{}` is being written; it is left for the next load",
                    listed.path
                ));
                planned.waiting.push(listed.path.clone());
                continue;
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
        if !feed.on_duplicate_load {
            self.find_duplicates(feed, &mut fresh, &newest, &mark_of)?;
        }
        if (!fresh.is_empty() || known.is_empty())
            && let Some(first) = folders.first()
        {
            let more = match folders.len() {
                1 => String::new(),
                many => format!(" (and {} more)", many - 1),
            };
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
                    .partition(|o| o.broken.is_none() && is_late(&o.mark));
                for object in &late {
                    planned.warnings.push(format!(
                        "`{}` is older than the newest extract loaded; it is held as late_extract",
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
                        if gone.iter().any(|path| planned.waiting.contains(path)) {
                            planned.waiting.extend(objects.into_iter().map(|o| o.path));
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

/// Leaves the file at its start.
fn is_packed(file: &mut File, path: &str, compression: Compression) -> std::io::Result<bool> {
    let by_content = match compression {
        Compression::None => return Ok(false),
        Compression::Gzip => return Ok(true),
        Compression::Auto => {
            let mut magic = [0; 2];
            let found = file.read_exact(&mut magic).is_ok() && magic == [0x1F, 0x8B];
            file.seek(SeekFrom::Start(0))?;
            found
        }
    };
    Ok(by_content || path.to_ascii_lowercase().ends_with(".gz"))
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

const HEADER: &str = "its header cannot be read: ";
/// Why a full extract that is older than the newest loaded one is not loaded (B6).
pub const LATE_EXTRACT: &str = "late_extract: a newer full load is already loaded";
const FOLDER: &str = "it is a folder, not a file";
const NO_FILE: &str = "it is no regular file";
const LINK: &str = "it is a link that leads nowhere";
const NAME: &str = "its name is not valid Unicode: rename it";
const GZIP_EMPTY: &str = "it is empty, and should be gzip by its name or by `compression`";
const GZIP_NONE: &str = "it is no gzip, and should be by its name or by `compression`";
const GZIP_SHORT: &str = "gzip ends early";
const GZIP_DAMAGED: &str = "gzip is damaged";
const GZIP_FOLLOWED: &str = "gzip is complete, but bytes that are no gzip follow it";

/// Whether an object known to be broken for this reason might be whole under the settings of today, though its bytes are the same.
fn may_be_whole_now(reason: &str, listed: &Listed, csv: &CsvOptions) -> bool {
    match reason {
        FOLDER | NO_FILE | LINK | NAME => listed.broken.is_none(),
        GZIP_EMPTY | GZIP_NONE | GZIP_SHORT | GZIP_DAMAGED | GZIP_FOLLOWED => {
            csv.compression == Compression::None
        }
        header if header.starts_with(HEADER) => true,
        other => {
            other.contains("is longer than") && !other.contains(&over_limit(csv.max_line_bytes))
        }
    }
}

/// Bytes at the start of a file by which a format is known.
const START_BYTES: usize = 16;

/// Why it is no text, if its first bytes are those of another format.
fn no_text(start: &[u8]) -> Option<String> {
    let what = match start {
        [
            b'B',
            b'Z',
            b'h',
            b'1'..=b'9',
            b'1',
            b'A',
            b'Y',
            b'&',
            b'S',
            b'Y',
            ..,
        ] => "bzip2",
        [0x28, 0xB5, 0x2F, 0xFD, ..] => "Zstandard",
        [0xFD, b'7', b'z', b'X', b'Z', 0, ..] => "xz",
        [0x04, 0x22, 0x4D, 0x18, ..] => "LZ4",
        [b'7', b'z', 0xBC, 0xAF, 0x27, 0x1C, ..] => "7z",
        [b'P', b'K', 3, 4, ..] => "a ZIP archive or a workbook",
        [0xD0, 0xCF, 0x11, 0xE0, ..] => "an Office document",
        [b'P', b'A', b'R', b'1', 0..0x20, ..] => "Parquet",
        [b'A', b'R', b'R', b'O', b'W', b'1', 0, ..] => "Arrow",
        [b'O', b'b', b'j', 1, ..] => "Avro",
        [b'S', b'Q', b'L', b'i', b't', b'e', b' ', ..] if start.ends_with(&[0]) => "SQLite",
        [b'%', b'P', b'D', b'F', b'-', ..] => "PDF",
        _ => return None,
    };
    Some(format!(
        "it is {what}, not text: files are read as text, plain or gzip"
    ))
}

/// Unpacks to the end, member after member; the reason if that fails.
fn unpack(packed: &mut Hashing, chunk: &mut [u8], runs: &mut Runs) -> Option<String> {
    let mut input = BufReader::with_capacity(CHUNK_BYTES, packed);
    let mut members = 0;
    loop {
        // Trouble with the disk is kept by `Hashing`; it looks like an early end here.
        let next = loop {
            match input.fill_buf() {
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                other => break other.ok().and_then(|bytes| bytes.first().copied()),
            }
        };
        match (next, members) {
            (None, 0) => return Some(GZIP_EMPTY.to_owned()),
            (None, _) => return None,
            (Some(0x1F), _) => {}
            (Some(_), 0) => return Some(GZIP_NONE.to_owned()),
            (Some(_), _) => return Some(GZIP_FOLLOWED.to_owned()),
        }
        let mut member = GzDecoder::new(input);
        loop {
            match member.read(chunk) {
                Ok(0) => break,
                Ok(n) => runs.see(&chunk[..n]),
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => {
                    return Some(GZIP_SHORT.to_owned());
                }
                Err(_) => return Some(GZIP_DAMAGED.to_owned()),
            }
        }
        input = member.into_inner();
        members += 1;
    }
}

/// Whether a row might be longer than it may be. Cheap: looks for two bytes a chunk; the rows themselves are cut only if it might.
struct Runs {
    last: u8,
    quote: Option<u8>,
    bytes_max: usize,
    bytes: usize,
    run: usize,
    longest: usize,
    /// A terminator may be text, so that runs do not tell how long a row is.
    hidden: bool,
}

impl Runs {
    fn new(csv: &CsvOptions) -> Self {
        let last = csv
            .terminator
            .as_ref()
            .and_then(|t| t.as_bytes().last().copied())
            .unwrap_or(b'\n');
        let quote = csv.quote.and_then(|q| u8::try_from(q).ok());
        let hidden = csv.terminator_in_fields
            || csv.terminator.as_ref().is_some_and(|t| t.len() > 1)
            || is_utf16(csv.encoding);
        // Runs between the first and the last terminator of a chunk are not looked at.
        let hidden = hidden || csv.max_line_bytes < CHUNK_BYTES;
        // A byte of Windows-1252 makes at most three of UTF-8.
        let bytes_max = if csv.encoding == Encoding::Utf8 {
            csv.max_line_bytes
        } else {
            csv.max_line_bytes / 3
        };
        Self {
            last,
            quote,
            bytes_max,
            bytes: 0,
            run: 0,
            longest: 0,
            hidden,
        }
    }

    fn see(&mut self, chunk: &[u8]) {
        if self.bytes == 0 && (chunk.starts_with(b"\xFF\xFE") || chunk.starts_with(b"\xFE\xFF")) {
            self.hidden = true;
            self.bytes_max /= 2;
        }
        self.bytes = self.bytes.saturating_add(chunk.len());
        self.hidden = self.hidden
            || self
                .quote
                .is_some_and(|q| memchr::memchr(q, chunk).is_some());
        match memchr::memrchr(self.last, chunk) {
            None => self.run = self.run.saturating_add(chunk.len()),
            Some(last) => {
                self.run += memchr::memchr(self.last, chunk).unwrap_or(last);
                self.longest = self.longest.max(self.run);
                self.run = chunk.len() - last - 1;
            }
        }
    }

    fn are_suspicious(&self) -> bool {
        let longest = self.longest.max(self.run);
        longest > self.bytes_max.min(FIELDS_MAX) || (self.hidden && self.bytes > self.bytes_max)
    }
}

fn is_utf16(encoding: Encoding) -> bool {
    matches!(
        encoding,
        Encoding::Utf16 | Encoding::Utf16Le | Encoding::Utf16Be
    )
}

fn next_record(reader: &mut CsvReader<Body>) -> Result<bool, SourceError> {
    while reader.advance()? {
        if !reader.is_blank() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The names in the header; none if the file holds no line. A header from which no names can be had breaks the file.
fn header_names(
    reader: &mut CsvReader<Body>,
    csv: &CsvOptions,
    path: &str,
) -> Result<Option<Vec<String>>, SourceError> {
    if !next_record(reader)? {
        return Ok(None);
    }
    let has = |byte: u8, quoted: bool| {
        reader.spans().iter().any(|span| {
            (quoted || span.kind == FieldKind::Plain)
                && memchr::memchr(byte, &reader.field(*span)).is_some()
        })
    };
    let fields = || reader.spans().iter().map(|span| reader.field(*span));
    let zeros: usize = fields()
        .map(|field| memchr::memchr_iter(0, &field).count())
        .sum();
    let (why, hint) = if reader.spans().iter().any(|s| s.kind == FieldKind::Unclosed) {
        (
            "a quote in it is never closed",
            "check `quote` under `csv` of the feed (`quote: none` if nothing is quoted)",
        )
    } else if zeros > 0 && 4 * zeros >= reader.record().len() {
        (
            "it holds zero bytes, as UTF-16 does",
            "check `encoding` under `csv` of the feed; UTF-16 needs it where no byte order mark says so",
        )
    } else if csv.terminator.is_none() && has(b'\r', false) {
        (
            "lines end in a carriage return alone",
            "declare `terminator: \"\\r\"` under `csv` of the feed",
        )
    } else if fields().any(|field| field.iter().any(is_no_text)) {
        (
            "it holds control characters, as no text does",
            "check that it is a text file, and `encoding` under `csv` of the feed",
        )
    } else if fields().any(|field| std::str::from_utf8(&field).is_err()) {
        (
            "it is not valid in its encoding",
            "declare `encoding` under `csv` of the feed, e.g. `windows-1252`",
        )
    } else {
        return Ok(Some(
            reader
                .spans()
                .iter()
                .map(|s| String::from_utf8_lossy(&reader.field(*s)).into_owned())
                .collect(),
        ));
    };
    Err(SourceError::new(
        ErrorKind::Broken,
        format!("cannot read the header of `{path}`: {why}"),
    )
    .hint(hint)
    .object(path))
}

/// A control character that no name of a column holds, whatever breaks its lines.
fn is_no_text(byte: &u8) -> bool {
    byte.is_ascii_control() && !matches!(byte, b'\t' | b'\n' | b'\r' | 0x1C..=0x1F)
}

/// What a header of one column says that is the known columns between other delimiters.
fn other_delimiter(names: &[String], feed: &FeedSpec) -> Option<String> {
    let [only] = names else { return None };
    let is_known = |name: &String| feed.known_columns.contains(name);
    if is_known(&names::fold(only, 1)) {
        return None;
    }
    let usual = [";", "\t", "|", ","].into_iter();
    usual
        .filter(|delimiter| *delimiter != feed.csv.delimiter)
        .find_map(|delimiter| {
            let parts: Vec<String> = only
                .split(delimiter)
                .enumerate()
                .map(|(i, part)| names::fold(part.trim_matches(['"', ' ']), i + 1))
                .collect();
            let known: Vec<String> = parts
                .iter()
                .filter(|part| is_known(part))
                .map(|part| format!("`{part}`"))
                .collect();
            // One name may be chance, and a new column may be among them.
            (known.len() > 1 && 2 * known.len() > parts.len()).then(|| {
            format!(
                "it is one column with the delimiter `{}`; with `{}` it has the known columns {}",
                feed.csv.delimiter.escape_default(),
                delimiter.escape_default(),
                known.join(", ")
            )
        })
        })
}

/// What to write in `columns` for a name that no header has: blanks around a name are part of it (F1), and nobody sees them.
fn what_to_choose(missing: &str, found: &[String]) -> String {
    let bare = |name: &str| names::fold(name.trim(), 1);
    let blank = found
        .iter()
        .find(|name| name.trim() != name.as_str() && bare(name) == bare(missing));
    if let Some(name) = blank {
        return format!(
            "the header has it with blanks around it: write `\"{name}\"` in `columns`, quotes and blanks included; models call it `{}`",
            names::fold(name, 1)
        );
    }
    let names: Vec<String> = found.iter().map(|name| format!("`{name}`")).collect();
    format!(
        "its header names {}: write one of these in `columns`, or take `{missing}` out of it; if the file is wrong, have it delivered again, or take it away until then",
        names.join(", ")
    )
}

/// Reads the header, if there is one, and finds where each field goes. None: the file holds no line.
fn layout(
    reader: &mut CsvReader<Body>,
    feed: &FeedSpec,
    path: &str,
) -> Result<Option<Layout>, SourceError> {
    let column = |name: String, source_name: &str| Column {
        name,
        source_name: source_name.to_owned(),
        data_type: DataType::Utf8,
    };
    if !feed.csv.header {
        let Some(names) = feed.columns.as_deref().filter(|c| !c.is_empty()) else {
            return Err(SourceError::new(ErrorKind::Config, format!("cannot name the columns of feed `{}`: its files have no header and it declares no columns", feed.name))
                .hint("declare `columns: [first, second, …]`; `karat source discover` writes a proposal"));
        };
        let folded = names::fold_all(names, &feed.name)?;
        let columns: Vec<Column> = names
            .iter()
            .zip(folded)
            .map(|(source_name, name)| column(name, source_name))
            .collect();
        let slots = (0..columns.len()).map(Some).collect();
        return Ok(Some(Layout { columns, slots }));
    }
    let Some(found) = header_names(reader, &feed.csv, path)? else {
        return Ok(None);
    };
    let folded = names::fold_all(&found, path)?;
    let mut columns = Vec::new();
    let mut slots = Vec::new();
    let chosen = feed.columns.as_deref();
    if let Some(chosen) = chosen
        && let Some(missing) = chosen
            .iter()
            .find(|c| !found.contains(c) && !folded.contains(c))
    {
        return Err(SourceError::new(ErrorKind::Drift, format!("cannot read `{path}`: it has no column `{missing}`, which the feed's `columns` choose"))
            .hint(what_to_choose(missing, &found))
            .object(path));
    }
    for (source_name, name) in found.iter().zip(folded) {
        if chosen.is_none_or(|chosen| chosen.contains(source_name) || chosen.contains(&name)) {
            slots.push(Some(columns.len()));
            columns.push(column(name, source_name));
        } else {
            slots.push(None);
        }
    }
    Ok(Some(Layout { columns, slots }))
}
