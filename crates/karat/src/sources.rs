//! Opens the sources that the project declares, each once, and tells them what feeds ask for.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use karat_pipeline::fixture::{Landed, LandedSources};
use karat_pipeline::{PipelineError, Sources};
use karat_project::{
    self as project, Feed, ModelKind, OnBrokenObject, OnDuplicate, Project, TableName,
};
use karat_source::{self as source, FeedSpec, Source, SourceConfig, open_source};

use crate::site::without_dots;

/// The project's sources.
pub(crate) struct ProjectSources {
    /// Kind and place by name.
    declared: BTreeMap<String, (&'static str, PathBuf)>,
    /// Feeds whose rows a model follows by `auto_cdc`.
    followed: BTreeSet<TableName>,
    now_ns: i64,
    opened: Mutex<BTreeMap<String, Arc<dyn Source>>>,
}

impl ProjectSources {
    /// The sources of a project; paths that are not absolute begin at its folder.
    pub(crate) fn of(project: &Project, root: &Path, now_ns: i64) -> Self {
        let declared = project
            .sources
            .values()
            .map(|decl| {
                (
                    decl.name.clone(),
                    (
                        decl.kind.as_str(),
                        without_dots(&root.join(decl.kind.path().value())),
                    ),
                )
            })
            .collect();
        let followed = project.models.iter().filter_map(|model| match &model.kind {
            ModelKind::Silver(silver) => silver.auto_cdc.as_ref().map(|_| silver.from.clone()),
            ModelKind::Gold(_) => None,
        });
        Self {
            declared,
            followed: followed.collect(),
            now_ns,
            opened: Mutex::new(BTreeMap::new()),
        }
    }
}

/// The one source of a test: what was landed for it.
struct OneSource {
    landed: Landed,
    now_ns: i64,
}

impl Sources for OneSource {
    fn open(&self, _name: &str) -> Result<Arc<dyn Source>, PipelineError> {
        let config = SourceConfig {
            now_ns: self.now_ns,
            ..SourceConfig::new(self.landed.path.clone())
        };
        Ok(Arc::from(open_source(self.landed.kind, &config)?))
    }

    fn spec(&self, _feed: &Feed) -> FeedSpec {
        self.landed.spec.clone()
    }
}

/// Stands in for the project's sources where models are tested.
pub(crate) struct TestSources {
    /// Wall clock in nanoseconds since 1970.
    pub(crate) now_ns: i64,
}

impl LandedSources for TestSources {
    fn over(&self, landed: &Landed) -> Arc<dyn Sources> {
        Arc::new(OneSource {
            landed: landed.clone(),
            now_ns: self.now_ns,
        })
    }

    fn spec(&self, feed: &Feed) -> FeedSpec {
        spec(feed)
    }
}

impl Sources for ProjectSources {
    fn open(&self, name: &str) -> Result<Arc<dyn Source>, PipelineError> {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(source) = opened.get(name) {
            return Ok(source.clone());
        }
        let Some((kind, path)) = self.declared.get(name) else {
            return Err(PipelineError::Refused {
                what: format!("there is no source `{name}`"),
                hint: format!(
                    "karat.yaml declares: {}",
                    self.declared.keys().cloned().collect::<Vec<_>>().join(", ")
                ),
            });
        };
        let config = SourceConfig {
            now_ns: self.now_ns,
            ..SourceConfig::new(path)
        };
        let source: Arc<dyn Source> = Arc::from(open_source(kind, &config)?);
        opened.insert(name.to_owned(), source.clone());
        Ok(source)
    }

    fn spec(&self, feed: &Feed) -> FeedSpec {
        FeedSpec {
            followed: self.followed.contains(&feed.bronze),
            ..spec(feed)
        }
    }
}

/// The key by the names that a database has for it now; `key` names columns of bronze (B8).
fn key_at_source(feed: &Feed) -> Vec<String> {
    let now = |name: &String| match &feed.table {
        Some(_) => feed.rename.get(name).unwrap_or(name).clone(),
        None => name.clone(),
    };
    feed.key.iter().map(now).collect()
}

/// What a source must know of a feed.
pub(crate) fn spec(feed: &Feed) -> FeedSpec {
    let csv = &feed.csv;
    FeedSpec {
        name: feed.name.clone(),
        table: feed.table.clone(),
        path: feed.path.clone(),
        mode: match feed.mode {
            project::Mode::Full => source::Mode::Full,
            project::Mode::Incremental => source::Mode::Incremental,
        },
        key: key_at_source(feed),
        cursor: feed.cursor.as_ref().map(|cursor| source::Cursor {
            column: cursor.column.clone(),
            lag: cursor.lag.map(|lag| match lag {
                project::Lag::Time(time) => source::Lag::Time(time),
                project::Lag::Count(count) => {
                    source::Lag::Number(i64::try_from(count).unwrap_or(i64::MAX))
                }
            }),
            nulls_include: cursor.nulls_include,
        }),
        followed: false,
        csv: source::CsvOptions {
            delimiter: csv.delimiter.clone(),
            terminator: csv.terminator.clone(),
            quote: csv.quote,
            header: csv.header,
            encoding: match csv.encoding {
                project::Encoding::Utf8 => source::Encoding::Utf8,
                project::Encoding::Utf16 => source::Encoding::Utf16,
                project::Encoding::Utf16Le => source::Encoding::Utf16Le,
                project::Encoding::Utf16Be => source::Encoding::Utf16Be,
                project::Encoding::Windows1252 => source::Encoding::Windows1252,
            },
            compression: match csv.compression {
                project::Compression::Auto => source::Compression::Auto,
                project::Compression::None => source::Compression::None,
                project::Compression::Gzip => source::Compression::Gzip,
                project::Compression::Zstd => source::Compression::Zstd,
                project::Compression::Bzip2 => source::Compression::Bzip2,
                project::Compression::Zip => source::Compression::Zip,
            },
            terminator_in_fields: csv.terminator_in_fields,
            max_line_bytes: usize::try_from(csv.max_line_bytes).unwrap_or(usize::MAX),
            header_record: csv.header_record.as_ref().map(control_record),
            trailer: csv.trailer.as_ref().map(control_record),
        },
        format: match feed.format {
            project::Format::Csv => source::Format::Csv,
            project::Format::Ndjson => source::Format::Ndjson,
            project::Format::Json => source::Format::Json,
            project::Format::Parquet => source::Format::Parquet,
            project::Format::Avro => source::Format::Avro,
            project::Format::Excel => source::Format::Excel,
        },
        excel: source::ExcelOptions {
            sheet: feed.excel.sheet.clone(),
            header_row: feed.excel.header_row,
            range: feed.excel.range.clone(),
            fill_merged: feed.excel.fill_merged,
        },
        json: source::JsonOptions {
            records: feed.json.records.clone(),
            document: feed.json.document.clone(),
            columns: feed.pointers.clone(),
            max_record_bytes: usize::try_from(feed.json.max_record_bytes).unwrap_or(usize::MAX),
        },
        unpack: source::Unpack {
            max_ratio: feed.unpack.max_ratio,
            max_bytes: feed.unpack.max_bytes,
            members: feed.unpack.members.clone(),
        },
        columns: feed.columns.clone(),
        null_values: feed.null_values.clone(),
        known_columns: Vec::new(),
        one_of_columns: Vec::new(),
        file_order: feed.file_order.clone(),
        parts: feed.parts,
        on_duplicate_load: feed.on_duplicate == OnDuplicate::Load,
        on_broken_stop: feed.on_broken_object == OnBrokenObject::Stop,
        stable_for: Some(feed.stable_for).filter(|time| !time.is_zero()),
        done_file: feed.done_file.clone(),
        control_file: feed
            .control_file
            .as_ref()
            .map(|control| source::ControlFile {
                path: control.path.clone(),
                starts_with: control.starts_with.clone(),
                delimiter: control.delimiter.clone(),
                count: control.totals.count,
                sums: control.totals.sums.clone(),
                sha256: control.sha256,
            }),
    }
}

fn control_record(record: &project::ControlRecord) -> source::ControlRecord {
    source::ControlRecord {
        starts_with: record.starts_with.clone(),
        count: record.totals.count,
        sums: record.totals.sums.clone(),
    }
}
