//! `--table NAME=PATH`: files of anybody as tables for a query. Parquet files are read where they lie, a Delta or Iceberg table at one of
//! its versions; CSV and lines of JSON become Parquet in a scratch file first, all columns text.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Field, Int64Type, Schema, SchemaRef};
use chrono::{DateTime, Utc};
use karat_exact::{DataFileRef, FileSet, damaged_footer, lying_footer, open_footer, type_name};
use karat_lake::Table;
use karat_source::{FeedSpec, Known, Mode, ReadCount, SourceConfig, open_source};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::failure::Failure;
use crate::footers::contradiction;
use crate::machine;
use crate::ndjson;

/// Which version of a table is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum AsOf {
    /// The newest.
    Newest,
    /// The one of this number.
    Version(i64),
    /// Of one table, by name, the one of this number.
    TableVersion(String, i64),
    /// The newest up to this time.
    Time(DateTime<Utc>),
    /// The one that a run left.
    Run(String),
}

impl AsOf {
    /// A number is a version, `TABLE@NUMBER` that of one table, RFC 3339 a time, anything else the name of a run.
    pub(crate) fn parse(text: Option<&str>) -> Self {
        let Some(text) = text else {
            return Self::Newest;
        };
        if let Some((table, version)) = text.rsplit_once('@')
            && let Ok(version) = version.parse()
        {
            return Self::TableVersion(table.to_lowercase(), version);
        }
        match (text.parse(), machine::parse_time(text)) {
            (Ok(version), _) => Self::Version(version),
            (_, Ok(time)) => Self::Time(time),
            _ => Self::Run(text.to_owned()),
        }
    }
}

/// Files as tables; what text becomes lies in a scratch folder.
pub(crate) struct NamedFiles<'s> {
    scratch: &'s Path,
    as_of: &'s AsOf,
    /// Whether rows of text files are read as far as they fit.
    lenient: bool,
    /// What the reader of the answer should know about the files.
    pub(crate) notes: Vec<String>,
    /// Whether one of them is a table, which has versions.
    pub(crate) has_versions: bool,
}

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Parquet,
    Csv,
    Lines,
}

impl Kind {
    /// By the end of the name; none if it tells nothing.
    fn of(file: &Path) -> Option<Self> {
        let name = file.file_name()?.to_string_lossy().to_lowercase();
        let name = name.strip_suffix(".gz").unwrap_or(&name);
        let (_, end) = name.rsplit_once('.')?;
        match end {
            "parquet" | "parq" | "pq" => Some(Self::Parquet),
            "csv" | "tsv" | "txt" => Some(Self::Csv),
            "ndjson" | "jsonl" => Some(Self::Lines),
            _ => None,
        }
    }
}

impl<'s> NamedFiles<'s> {
    /// Files for queries, tables at one moment; `lenient` reads rows that do not fit as far as they do.
    pub(crate) fn new(scratch: &'s Path, as_of: &'s AsOf, lenient: bool) -> Self {
        Self {
            scratch,
            as_of,
            lenient,
            notes: Vec::new(),
            has_versions: false,
        }
    }

    /// Reads `NAME=PATH` and finds out what the path holds.
    pub(crate) fn open(&mut self, text: &str) -> Result<(String, FileSet), Failure> {
        let Some((name, path)) = text
            .split_once('=')
            .filter(|(name, path)| !name.is_empty() && !path.is_empty())
        else {
            return Err(Failure::usage(
                format!("`--table {text}` names no file"),
                "write it like `--table orders=orders.parquet`",
            ));
        };
        let name = name.trim().to_lowercase();
        let place = Path::new(path);
        if Table::is_at(place) {
            self.has_versions = true;
            let set = table(place, &name, self.as_of)?;
            return Ok((name, set));
        }
        let files = matching(path)?;
        let files = match kind(&files, path)? {
            Kind::Parquet => files,
            text => self.text_as_parquet(&files, &name, text)?,
        };
        let set = parquet(&files, &name)?;
        Ok((name, set))
    }

    fn text_as_parquet(
        &mut self,
        files: &[PathBuf],
        name: &str,
        kind: Kind,
    ) -> Result<Vec<PathBuf>, Failure> {
        let mut written = Vec::new();
        for (nth, file) in files.iter().enumerate() {
            let target = self.scratch.join(format!("{name}-{nth}.parquet"));
            if kind == Kind::Lines {
                ndjson::as_parquet(file, &target)?;
            } else {
                let count = convert(file, &target, self.lenient)?;
                if count.rescued > 0 {
                    self.notes.push(format!(
                        "{} of {} rows of `{}` do not fit its columns; they are read as far as they do",
                        count.rescued,
                        count.rows,
                        file.display()
                    ));
                }
            }
            written.push(target);
        }
        Ok(written)
    }
}

/// What the files are, which must be one thing.
fn kind(files: &[PathBuf], path: &str) -> Result<Kind, Failure> {
    let mut first: Option<(Kind, &PathBuf)> = None;
    for file in files {
        let kind = Kind::of(file).unwrap_or(Kind::Parquet);
        match first {
            None => first = Some((kind, file)),
            Some((known, other)) if known != kind => {
                return Err(Failure::usage(
                    format!(
                        "`{path}` holds files of several kinds: `{}` and `{}`",
                        other.display(),
                        file.display()
                    ),
                    "name one kind with a pattern, like `folder/*.csv`",
                ));
            }
            Some(_) => {}
        }
    }
    first
        .map(|(kind, _)| kind)
        .ok_or_else(|| nothing_there(path))
}

fn table(folder: &Path, name: &str, as_of: &AsOf) -> Result<FileSet, Failure> {
    let folder = std::path::absolute(folder).map_err(Failure::io("find", folder))?;
    let table = Table::at(&folder);
    let snapshot = match as_of {
        AsOf::Newest => table.load()?,
        AsOf::Version(version) => table.load_at(*version)?,
        AsOf::TableVersion(of, version) if of == name => table.load_at(*version)?,
        AsOf::TableVersion(..) => table.load()?,
        AsOf::Time(time) => {
            let limit = time.timestamp_millis();
            let version =
                newest_commit(&table, |made_ms, _| made_ms.is_some_and(|ms| ms <= limit))?;
            table.load_at(version.ok_or_else(|| no_version(&folder, "that was there then"))?)?
        }
        AsOf::Run(run) => {
            let version = newest_commit(&table, |_, by| by == Some(run.as_str()))?;
            table.load_at(version.ok_or_else(|| no_version(&folder, "that this run made"))?)?
        }
    };
    let Some(snapshot) = snapshot else {
        return Err(nothing_there(&folder.display().to_string()));
    };
    let files = snapshot
        .files
        .iter()
        .map(|file| DataFileRef {
            path: folder.join(&file.path),
            size: file.size,
            rows: file.rows,
        })
        .collect();
    Ok(FileSet {
        schema: snapshot.schema.clone(),
        files,
        key: None,
    })
}

/// The newest version whose commit's time and run will do.
fn newest_commit(
    table: &Table,
    will_do: impl Fn(Option<i64>, Option<&str>) -> bool,
) -> Result<Option<i64>, Failure> {
    let history = table.history(None)?;
    let found = history
        .iter()
        .rev()
        .find(|commit| will_do(commit.timestamp_ms, commit.run.as_deref()));
    Ok(found.map(|commit| commit.version))
}

fn no_version(folder: &Path, which: &str) -> Failure {
    Failure::usage(
        format!("the table `{}` has no version {which}", folder.display()),
        "`--as-of` takes the number of a version, a time like 2026-10-29T18:00:00Z, or a run of karat",
    )
}

/// The file, the data files of the folder, or what the pattern matches, sorted.
fn matching(path: &str) -> Result<Vec<PathBuf>, Failure> {
    let place = Path::new(path);
    let mut found = Vec::new();
    if place.is_dir() {
        walk(place, &mut found)?;
        found.retain(|file| Kind::of(file).is_some());
    } else if place.is_file() {
        found.push(place.to_path_buf());
    } else if path.contains(['*', '?', '[']) {
        let pattern = globset::GlobBuilder::new(path)
            .literal_separator(true)
            .build()
            .map_err(|error| {
                Failure::usage(
                    format!("`{path}` is no pattern: {error}"),
                    "use `*` and `**`",
                )
            })?
            .compile_matcher();
        let fixed: PathBuf = place
            .components()
            .take_while(|part| !part.as_os_str().to_string_lossy().contains(['*', '?', '[']))
            .collect();
        let relative = fixed.as_os_str().is_empty();
        let start = if relative { Path::new(".") } else { &fixed };
        if start.is_dir() {
            walk(start, &mut found)?;
        }
        found = found
            .into_iter()
            .map(|file| {
                if relative {
                    file.strip_prefix(".")
                        .map(Path::to_path_buf)
                        .unwrap_or(file)
                } else {
                    file
                }
            })
            .collect();
        found.retain(|file| pattern.is_match(file));
    }
    if found.is_empty() {
        return Err(nothing_there(path));
    }
    found.sort();
    found
        .iter()
        .map(|file| std::path::absolute(file).map_err(Failure::io("find", file)))
        .collect()
}

fn nothing_there(path: &str) -> Failure {
    Failure::usage(
        format!("there is nothing to read at `{path}`"),
        "name a Parquet, CSV or NDJSON file, a folder or pattern of such files, or the folder of a Delta or Iceberg table",
    )
}

/// Files of a folder and those below it, without what is hidden or a writer's own (`_SUCCESS`, `.crc`).
fn walk(folder: &Path, found: &mut Vec<PathBuf>) -> Result<(), Failure> {
    for entry in std::fs::read_dir(folder).map_err(Failure::io("read", folder))? {
        let entry = entry.map_err(Failure::io("read", folder))?;
        let path = entry.path();
        if entry.file_name().to_string_lossy().starts_with(['_', '.']) {
            continue;
        }
        if path.is_dir() {
            walk(&path, found)?;
        } else {
            found.push(path);
        }
    }
    Ok(())
}

/// Rows that are there, as a table for a query: in a file.
pub(crate) fn written(rows: &RecordBatch, path: &Path, name: &str) -> Result<FileSet, Failure> {
    let file = File::create(path).map_err(Failure::io("write", path))?;
    let write = |file| {
        let mut writer = ArrowWriter::try_new(file, rows.schema(), None)?;
        writer.write(rows)?;
        writer.close()
    };
    write(file).map_err(|error| Failure::io("write", path)(std::io::Error::other(error)))?;
    parquet(&[path.to_path_buf()], name)
}

fn parquet(files: &[PathBuf], name: &str) -> Result<FileSet, Failure> {
    let mut fields: Vec<(Arc<Field>, &PathBuf)> = Vec::new();
    let mut refs = Vec::new();
    for path in files {
        let file = File::open(path).map_err(Failure::io("open", path))?;
        let size = file.metadata().map_err(Failure::io("open", path))?.len();
        let opened = open_footer(path, || ParquetRecordBatchReaderBuilder::try_new(file))?;
        let reader = opened.map_err(|error| match damaged_footer(path, &error) {
            Some(damaged) => damaged.into(),
            None => Failure::usage(
                format!("`{}` is no Parquet file: {error}", path.display()),
                "text files are known by their names: `.csv`, `.tsv`, `.ndjson` or `.jsonl`, each also with `.gz`",
            ),
        })?;
        if let Some(what) = contradiction(reader.metadata()) {
            return Err(lying_footer(path, what).into());
        }
        for field in reader.schema().fields() {
            let known = fields
                .iter()
                .find(|(known, _)| known.name() == field.name());
            match known {
                Some((known, other)) => {
                    same_type(name, known, other, field, path)?;
                }
                None => {
                    let field = field.as_ref().clone().with_nullable(true);
                    fields.push((Arc::new(field), path));
                }
            }
        }
        let rows = u64::try_from(reader.metadata().file_metadata().num_rows()).unwrap_or(0);
        refs.push(DataFileRef {
            path: path.clone(),
            size,
            rows,
        });
    }
    if fields.is_empty() {
        let file = files.first().map(|file| file.display().to_string());
        return Err(Failure::usage(
            format!("`{}` has no columns", file.unwrap_or_default()),
            "a table needs at least one column",
        ));
    }
    let fields: Vec<Arc<Field>> = fields.into_iter().map(|(field, _)| field).collect();
    Ok(FileSet {
        schema: Arc::new(Schema::new(fields)),
        files: refs,
        key: None,
    })
}

/// A column of several types would mean something else in each file, and which of them counts would depend on their order.
fn same_type(
    table: &str,
    known: &Field,
    other: &Path,
    field: &Field,
    path: &Path,
) -> Result<(), Failure> {
    let (one, two) = (type_name(known.data_type()), type_name(field.data_type()));
    if one == two {
        return Ok(());
    }
    Err(Failure::usage(
        format!(
            "the column `{}` of `{table}` is {one} in `{}` and {two} in `{}`",
            field.name(),
            other.display(),
            path.display()
        ),
        "name them as two tables, and cast in the query",
    ))
}

/// Reads a text file by the rules of a feed (F1, F3) and keeps its payload columns.
fn convert(file: &Path, target: &Path, lenient: bool) -> Result<ReadCount, Failure> {
    let folder = file.parent().unwrap_or(file);
    let source = open_source("files", &SourceConfig::new(folder))?;
    let name = file
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let mut spec = FeedSpec {
        name: "file".to_owned(),
        path: Some(globset::escape(&name)),
        mode: Mode::Full,
        ..FeedSpec::default()
    };
    if name.to_lowercase().contains(".tsv") {
        spec.csv.delimiter = "\t".to_owned();
    }
    let planned = source.plan(&spec, &Known::Files(Vec::new()))?;
    let broken = planned
        .loads
        .iter()
        .flat_map(|load| &load.objects)
        .find_map(|object| object.broken.clone());
    if let Some(reason) = broken {
        return Err(Failure::NeedsPerson {
            what: format!("cannot read `{}`: {reason}", file.display()),
            hint: String::new(),
        });
    }
    let failed = |error: parquet::errors::ParquetError| Failure::Io {
        doing: "write",
        path: target.to_path_buf(),
        source: std::io::Error::other(error),
    };
    let create = |schema: SchemaRef| -> Result<ArrowWriter<File>, Failure> {
        let file = File::create(target).map_err(Failure::io("create", target))?;
        ArrowWriter::try_new(file, schema, None).map_err(failed)
    };
    let mut writer: Option<ArrowWriter<File>> = None;
    let mut count = ReadCount::default();
    let mut misfit: Option<Failure> = None;
    for load in &planned.loads {
        let read = source.read(&spec, load, &mut |rows| {
            if !lenient && let Some((line, why)) = first_misfit(&rows.batch) {
                let failure = Failure::NeedsPerson {
                    what: format!("cannot read line {line} of `{}`: {why}", file.display()),
                    hint: "mend the file, or read what fits of such rows with `--lenient`"
                        .to_owned(),
                };
                let stop = failure.to_string();
                misfit = Some(failure);
                return Err(stop.into());
            }
            let schema = rows.batch.schema();
            let payload: Vec<usize> = (0..schema.fields().len())
                .filter(|at| !is_own(schema.field(*at).name()))
                .collect();
            let batch: RecordBatch = rows.batch.project(&payload)?;
            if writer.is_none() {
                writer = Some(create(batch.schema())?);
            }
            if let Some(writer) = &mut writer {
                writer.write(&batch)?;
            }
            Ok(())
        });
        if let Some(misfit) = misfit {
            return Err(misfit);
        }
        let read = read?;
        count.rows += read.rows;
        count.rescued += read.rescued;
    }
    if writer.is_none() {
        // A header alone is a table without rows.
        let object = planned.loads.iter().flat_map(|load| &load.objects).next();
        if let Some(columns) = source.header(&spec, object)? {
            let fields: Vec<Field> = columns
                .into_iter()
                .map(|column| Field::new(column.name, column.data_type, true))
                .collect();
            writer = Some(create(Arc::new(Schema::new(fields)))?);
        }
    }
    match writer {
        Some(writer) => {
            writer.close().map_err(failed)?;
            Ok(count)
        }
        None => Err(Failure::usage(
            format!("`{}` is empty", file.display()),
            "a table needs a header",
        )),
    }
}

/// The line of the first row that does not fit the columns, and why it does not.
fn first_misfit(batch: &RecordBatch) -> Option<(i64, String)> {
    let rescued = batch.column_by_name("_rescued")?.as_string_opt::<i32>()?;
    let row = (0..rescued.len()).find(|row| rescued.is_valid(*row))?;
    let lines = batch.column_by_name("_row")?;
    let line = lines.as_primitive_opt::<Int64Type>()?.value(row);
    let told: serde_json::Value = serde_json::from_str(rescued.value(row)).unwrap_or_default();
    let reasons = told["reason"].as_str().unwrap_or_default().split(", ");
    let reasons: Vec<&str> = reasons
        .map(|reason| match reason {
            "missing_fields" => "it has fewer fields than the header",
            "too_many_fields" => "it has more fields than the header",
            "stray_quote" => "a quote in it stands where none belongs",
            "unclosed_quote" => "a quote that opens in it is never closed",
            "invalid_encoding" => {
                "it is not valid in its encoding (UTF-8, where no byte order mark says another)"
            }
            other => other,
        })
        .collect();
    Some((line, reasons.join(", ")))
}

fn is_own(name: &str) -> bool {
    ["_seq", "_op", "_object", "_row", "_rescued"].contains(&name)
}
