//! `--table NAME=PATH`: files of anybody as tables for one query. Parquet files are read where they lie, a Delta table at its
//! newest version; CSV becomes Parquet in a scratch file first, all columns text.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Field, Schema, SchemaRef};
use karat_exact::{DataFileRef, FileSet};
use karat_source::{FeedSpec, Known, Mode, ReadCount, SourceConfig, open_source};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::failure::Failure;

/// Files as tables; what CSV becomes lies in a scratch folder.
pub(crate) struct NamedFiles<'s> {
    scratch: &'s Path,
    /// What the reader of the answer should know about the files.
    pub(crate) notes: Vec<String>,
}

impl<'s> NamedFiles<'s> {
    /// Files for one query.
    pub(crate) fn new(scratch: &'s Path) -> Self {
        Self {
            scratch,
            notes: Vec::new(),
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
        let set = if place.join("_delta_log").is_dir() {
            delta(place)?
        } else {
            let files = matching(path)?;
            let is_text = files.iter().all(|file| is_csv(file));
            let files = if is_text {
                self.csv_as_parquet(&files, &name)?
            } else {
                files
            };
            parquet(&files)?
        };
        Ok((name, set))
    }

    fn csv_as_parquet(&mut self, files: &[PathBuf], name: &str) -> Result<Vec<PathBuf>, Failure> {
        let mut written = Vec::new();
        for (nth, file) in files.iter().enumerate() {
            let target = self.scratch.join(format!("{name}-{nth}.parquet"));
            let count = convert(file, &target)?;
            if count.rescued > 0 {
                self.notes.push(format!(
                    "{} of {} rows of `{}` do not fit its columns; they are read as far as they do",
                    count.rescued,
                    count.rows,
                    file.display()
                ));
            }
            written.push(target);
        }
        Ok(written)
    }
}

fn is_csv(file: &Path) -> bool {
    let name = file.to_string_lossy().to_lowercase();
    [".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz"]
        .iter()
        .any(|end| name.ends_with(end))
}

fn delta(folder: &Path) -> Result<FileSet, Failure> {
    let folder = std::path::absolute(folder).map_err(Failure::io("find", folder))?;
    let Some(snapshot) = karat_lake::Table::at(&folder).load()? else {
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

/// The file, the Parquet files of the folder, or what the pattern matches, sorted.
fn matching(path: &str) -> Result<Vec<PathBuf>, Failure> {
    let place = Path::new(path);
    let mut found = Vec::new();
    if place.is_dir() {
        walk(place, &mut found)?;
        found.retain(|file| {
            file.extension()
                .is_some_and(|extension| extension == "parquet")
        });
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
        walk(if relative { Path::new(".") } else { &fixed }, &mut found)?;
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
    } else if place.is_file() {
        found.push(place.to_path_buf());
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
        "name a Parquet or CSV file, a folder or pattern of Parquet files, or the folder of a Delta table",
    )
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) -> Result<(), Failure> {
    for entry in std::fs::read_dir(folder).map_err(Failure::io("read", folder))? {
        let path = entry.map_err(Failure::io("read", folder))?.path();
        if path.is_dir() {
            walk(&path, found)?;
        } else {
            found.push(path);
        }
    }
    Ok(())
}

fn parquet(files: &[PathBuf]) -> Result<FileSet, Failure> {
    let mut fields: Vec<Arc<Field>> = Vec::new();
    let mut refs = Vec::new();
    for path in files {
        let file = File::open(path).map_err(Failure::io("open", path))?;
        let size = file.metadata().map_err(Failure::io("open", path))?.len();
        let reader = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|error| {
            Failure::usage(
                format!("`{}` is no Parquet file: {error}", path.display()),
                "CSV files are known by `.csv` or `.tsv`",
            )
        })?;
        for field in reader.schema().fields() {
            if !fields.iter().any(|known| known.name() == field.name()) {
                fields.push(Arc::new(field.as_ref().clone().with_nullable(true)));
            }
        }
        let rows = u64::try_from(reader.metadata().file_metadata().num_rows()).unwrap_or(0);
        refs.push(DataFileRef {
            path: path.clone(),
            size,
            rows,
        });
    }
    Ok(FileSet {
        schema: Arc::new(Schema::new(fields)),
        files: refs,
        key: None,
    })
}

/// Reads a text file by the rules of a feed (F1, F3) and keeps its payload columns.
fn convert(file: &Path, target: &Path) -> Result<ReadCount, Failure> {
    let folder = file.parent().unwrap_or(file);
    let source = open_source("files", &SourceConfig::new(folder))?;
    let name = file
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let mut spec = FeedSpec {
        name: "file".to_owned(),
        path: Some(name.clone()),
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
    for load in &planned.loads {
        let read = source.read(&spec, load, &mut |rows| {
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
        })?;
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

fn is_own(name: &str) -> bool {
    ["_seq", "_op", "_object", "_row", "_rescued"].contains(&name)
}
