//! Which file it was: a decoder that meets bytes that are none of its own says what it did not understand, and not where. Once a query
//! has failed at one, its files are decoded in their order until the damaged one is found.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::datasource::physical_plan::FileScanConfig;
use datafusion::datasource::source::DataSourceExec;
use datafusion::object_store::local::LocalFileSystem;
use datafusion::parquet::arrow::ProjectionMask;
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use datafusion::parquet::errors::ParquetError;
use datafusion::physical_plan::ExecutionPlan;

use crate::error::ExactError;

/// The local files that a plan reads.
pub(crate) fn files(plan: &Arc<dyn ExecutionPlan>) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    collect(plan, &mut found);
    found
}

fn collect(plan: &Arc<dyn ExecutionPlan>, found: &mut BTreeSet<PathBuf>) {
    let config = plan.downcast_ref::<DataSourceExec>().and_then(|scan| {
        let source = scan.data_source().as_ref() as &dyn std::any::Any;
        source.downcast_ref::<FileScanConfig>()
    });
    let groups = config.map(|config| config.file_groups.as_slice());
    for file in groups
        .unwrap_or_default()
        .iter()
        .flat_map(|group| group.files())
    {
        let location = &file.object_meta.location;
        found.extend(LocalFileSystem::new().path_to_filesystem(location).ok());
    }
    for child in plan.children() {
        collect(child, found);
    }
}

/// The error with the name of the file, if it is one of a decoder.
pub(crate) async fn named(error: ExactError, files: BTreeSet<PathBuf>) -> ExactError {
    let ExactError::Io { source, .. } = &error else {
        return error;
    };
    if !source.is::<ParquetError>() || error.is_denied() {
        return error;
    }
    // A decoder that panics here has told enough before.
    let search = move || files.iter().find_map(|path| damage(path));
    match tokio::task::spawn_blocking(search).await {
        Ok(Some(found)) => found,
        _ => error,
    }
}

/// What of a file cannot be decoded.
fn damage(path: &Path) -> Option<ExactError> {
    let told = |what: &str, error: ParquetError| ExactError::Io {
        what: format!("`{}` is damaged: {what}", path.display()),
        source: Box::new(innermost(&error)),
    };
    let open = || -> Result<_, ParquetError> {
        ParquetRecordBatchReaderBuilder::try_new(File::open(path)?)
    };
    let columns = match open() {
        Ok(reader) => reader.parquet_schema().num_columns(),
        Err(error) => return Some(told("its footer cannot be read", error)),
    };
    for column in 0..columns {
        let reader = open().ok()?;
        let name = reader.parquet_schema().column(column).path().string();
        let mask = ProjectionMask::leaves(reader.parquet_schema(), [column]);
        let decoded = reader.with_projection(mask).build().and_then(|rows| {
            for batch in rows {
                batch.map_err(ParquetError::from)?;
            }
            Ok(())
        });
        if let Err(error) = decoded {
            return Some(told(
                &format!("its column `{name}` cannot be decoded"),
                error,
            ));
        }
    }
    None
}

/// What the innermost of the decoders said.
pub(crate) fn innermost(error: &ParquetError) -> ParquetError {
    const WRAPPERS: [&str; 4] = [
        "Parquet error: ",
        "Parquet argument error: ",
        "Arrow: ",
        "External: ",
    ];
    let text = error.to_string();
    let mut told = text.as_str();
    while let Some(rest) = WRAPPERS
        .iter()
        .find_map(|wrapper| told.strip_prefix(wrapper))
    {
        told = rest;
    }
    ParquetError::General(told.to_owned())
}
