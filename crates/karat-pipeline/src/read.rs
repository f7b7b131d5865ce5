//! Reading versions of tables: file sets for the engine, fingerprints decoded from rows.

use arrow::datatypes::SchemaRef;
use futures::{StreamExt, TryStreamExt};
use karat_exact::fingerprint::Fingerprinter;
use karat_exact::{BatchStream, DataFileRef, ExactError, FileSet, Fingerprint, batch_stream};
use karat_lake::{LiveFile, Snapshot, Table, WrittenFile, failpoint};

use crate::context::Site;
use crate::error::PipelineError;

/// Provenance columns that are outside every bronze fingerprint (B2).
pub const BRONZE_EXCLUDED: &[&str] = &["_run", "_loaded_at", "_epoch"];

/// Columns outside the fingerprint of a table of this layer.
pub fn excluded(layer: &str) -> &'static [&'static str] {
    if layer == "bronze" {
        BRONZE_EXCLUDED
    } else {
        &[]
    }
}

/// Some live files of a version as the engine reads them.
pub fn file_set<'a>(
    table: &Table,
    snapshot: &Snapshot,
    files: impl IntoIterator<Item = &'a LiveFile>,
    key: Option<Vec<String>>,
) -> FileSet {
    FileSet {
        schema: snapshot.schema.clone(),
        files: files
            .into_iter()
            .map(|file| data_file(table, &file.path, file.size, file.rows))
            .collect(),
        key,
    }
}

/// All rows of files, in list order. What comes out is counted against what the log states of the files (G6): a stream that lost
/// or doubled a row ends in an error. `point` names the way for tests that do so.
pub async fn scan(
    site: &Site,
    files: &FileSet,
    point: &'static str,
) -> Result<BatchStream, PipelineError> {
    let stated: u64 = files.files.iter().map(|file| file.rows).sum();
    let rows = site.engine.scan(files, None).await?;
    let counted = futures::stream::unfold(Some((rows, 0)), move |state| async move {
        let (mut rows, seen) = state?;
        match rows.next().await {
            Some(Ok(batch)) => {
                let batch = failpoint::rows(point, batch);
                let seen = seen + batch.num_rows() as u64;
                Some((Ok(batch), Some((rows, seen))))
            }
            Some(Err(error)) => Some((Err(error.into()), None)),
            None if seen == stated => None,
            None => {
                let lost = ExactError::Rows {
                    what: "lie in the files".to_owned(),
                    given: stated,
                    found: seen,
                };
                Some((Err(lost), None))
            }
        }
    });
    Ok(batch_stream(files.schema.clone(), counted))
}

pub(crate) fn data_file(table: &Table, path: &str, size: u64, rows: u64) -> DataFileRef {
    DataFileRef {
        path: table.path().join(path),
        size,
        rows,
    }
}

/// Files that were just written as the engine reads them.
pub fn written_set(table: &Table, schema: &SchemaRef, files: &[WrittenFile]) -> FileSet {
    FileSet {
        schema: schema.clone(),
        files: files
            .iter()
            .map(|file| data_file(table, &file.path, file.size, file.rows))
            .collect(),
        key: None,
    }
}

/// All live files of a version, in the order in which they were written: epoch, then ordinal.
pub fn in_written_order(snapshot: &Snapshot) -> Vec<&LiveFile> {
    let mut files: Vec<&LiveFile> = snapshot.files.iter().collect();
    files.sort_by_key(|file| (written(&file.path), file.path.clone()));
    files
}

/// Stands before the epoch in the name of a file of repairs.
pub const REPAIR_WRITER: &str = "r";

/// Whether a data file of bronze holds repairs, and no rows of a load (C3). Of a file that another writer made its name does not tell, and
/// only its rows do.
pub fn is_of_repairs(path: &str) -> bool {
    let stem = path.strip_suffix(".parquet").unwrap_or(path);
    let epoch = stem.rsplitn(3, '-').nth(1).unwrap_or_default();
    crate::publish::sha256_of_name(path).is_some() && epoch.starts_with(REPAIR_WRITER)
}

/// The live files of a bronze table that hold rows as they were received, in the order in which they were written.
pub fn of_loads(snapshot: &Snapshot) -> Vec<&LiveFile> {
    let mut files = in_written_order(snapshot);
    files.retain(|file| !is_of_repairs(&file.path));
    files
}

/// Epoch and ordinal that a data file's name states: `{sha256}-{epoch}-{ordinal}.parquet`; 0 of one that is
/// no load's.
pub fn written(path: &str) -> (i64, u64) {
    let stem = path.strip_suffix(".parquet").unwrap_or(path);
    let mut parts = stem.rsplitn(3, '-');
    let ordinal = parts.next().and_then(|text| text.parse().ok()).unwrap_or(0);
    let epoch = parts.next().and_then(|text| text.parse().ok()).unwrap_or(0);
    (epoch, ordinal)
}

/// Fingerprint of one file's rows, decoded anew.
pub async fn fingerprint_file(
    site: &Site,
    table: &Table,
    schema: &SchemaRef,
    file: &LiveFile,
    excluded: &[&str],
) -> Result<Fingerprint, PipelineError> {
    let set = FileSet {
        schema: schema.clone(),
        files: vec![data_file(table, &file.path, file.size, file.rows)],
        key: None,
    };
    let stream = site.engine.scan(&set, None).await?;
    fingerprint_stream(schema, stream, excluded).await
}

/// Fingerprint of a stream of rows.
pub async fn fingerprint_stream(
    schema: &SchemaRef,
    mut stream: BatchStream,
    excluded: &[&str],
) -> Result<Fingerprint, PipelineError> {
    let mut fingerprinter = Fingerprinter::new(schema, excluded)?;
    while let Some(batch) = stream
        .try_next()
        .await
        .map_err(karat_exact::ExactError::from)?
    {
        fingerprinter.update(&batch)?;
    }
    Ok(fingerprinter.finish())
}

/// Removes a file that was written for a version that is not to be. One that was there before may be live: it stays.
pub fn discard(table: &Table, file: &WrittenFile) {
    if !file.existed {
        // What cannot be removed is an orphan, which `verify` lists.
        let _ = std::fs::remove_file(table.path().join(&file.path));
    }
}
