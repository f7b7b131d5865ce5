//! Files in a folder of their own, and batches as text.

use std::path::Path;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use arrow::record_batch::RecordBatch;
use karat_source::files::Files;
use karat_source::{
    Column, FeedSpec, Known, Load, Mode, Source, SourceBatch, SourceConfig, SourceError,
};

pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes a file whose time of change is `second`.
    pub(crate) fn put(&self, path: &str, bytes: impl AsRef<[u8]>, second: u64) {
        let to = self.path().join(path);
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::write(&to, bytes).unwrap();
        let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(second);
        std::fs::File::options()
            .write(true)
            .open(&to)
            .unwrap()
            .set_modified(time)
            .unwrap();
    }

    pub(crate) fn source(&self) -> Files {
        Files::open(&SourceConfig {
            now_ns: 1_000_000_000_000,
            ..SourceConfig::new(self.path())
        })
        .unwrap()
    }
}

pub(crate) fn feed(path: &str) -> FeedSpec {
    FeedSpec {
        name: "f".to_owned(),
        path: Some(path.to_owned()),
        mode: Mode::Incremental,
        ..FeedSpec::default()
    }
}

pub(crate) fn collect(
    source: &dyn Source,
    feed: &FeedSpec,
    load: &Load,
) -> Result<Vec<SourceBatch>, SourceError> {
    let mut batches = Vec::new();
    source.read(feed, load, &mut |batch| {
        batches.push(batch);
        Ok(())
    })?;
    Ok(batches)
}

pub(crate) fn load_all(
    source: &dyn Source,
    feed: &FeedSpec,
) -> Result<Vec<SourceBatch>, SourceError> {
    let planned = source.plan(feed, &Known::Files(Vec::new()))?;
    let mut batches = Vec::new();
    for load in &planned.loads {
        batches.extend(collect(source, feed, load)?);
    }
    Ok(batches)
}

pub(crate) fn error_text(error: &SourceError) -> String {
    format!(
        "{:?}: {error}\nhint: {}\n",
        error.kind(),
        error.hint_text().unwrap_or("NONE")
    )
}

pub(crate) fn cell(batch: &RecordBatch, column: usize, row: usize) -> String {
    let array = batch.column(column);
    if array.is_null(row) {
        return "∅".to_owned();
    }
    match array.data_type() {
        DataType::Utf8 => {
            let text = array.as_string::<i32>().value(row);
            if text.is_empty() {
                "''".to_owned()
            } else {
                text.escape_debug()
                    .to_string()
                    .replace("\\\"", "\"")
                    .replace("\\'", "'")
            }
        }
        DataType::Int64 => array.as_primitive::<Int64Type>().value(row).to_string(),
        DataType::Float64 => format!("{:?}", array.as_primitive::<Float64Type>().value(row)),
        DataType::Binary => karat_source::decode::hex(array.as_binary::<i32>().value(row)),
        other => panic!("no text for {other}"),
    }
}

/// The header of each object, then a line a row: `line: fields` and what was rescued. `_seq` and `_op` only if asked.
pub(crate) fn show(batches: &[SourceBatch], with_seq: bool) -> String {
    let mut out = String::new();
    let mut header = Vec::new();
    for SourceBatch { batch, .. } in batches {
        let payload = batch.num_columns() - 5;
        let names: Vec<String> = batch.schema().fields()[..payload]
            .iter()
            .map(|f| f.name().clone())
            .collect();
        if names != header {
            out.push_str(&format!("   {}\n", names.join(" | ")));
            header = names;
        }
        for row in 0..batch.num_rows() {
            let cells: Vec<String> = (0..payload).map(|c| cell(batch, c, row)).collect();
            out.push_str(&format!(
                "{}: {}",
                cell(batch, payload + 3, row),
                cells.join(" | ")
            ));
            if with_seq {
                let op = cell(batch, payload + 1, row);
                out.push_str(&format!(
                    "   {op} {} {}",
                    cell(batch, payload + 2, row),
                    cell(batch, payload, row)
                ));
            }
            let rescued = batch.column(payload + 4).as_string::<i32>();
            if !rescued.is_null(row) {
                out.push_str(&format!("   {}", rescued.value(row)));
            }
            out.push('\n');
        }
    }
    out
}

pub(crate) fn show_columns(columns: &[Column]) -> String {
    columns
        .iter()
        .map(|c| format!("{} ({}) {}\n", c.name, c.source_name, c.data_type))
        .collect()
}
