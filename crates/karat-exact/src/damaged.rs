//! Which file it was: a decoder that meets bytes that are none of its own says what it did not understand, and not where. Once a query
//! has failed at one, its files are decoded in their order until the damaged one is found.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::datasource::physical_plan::FileScanConfig;
use datafusion::datasource::source::DataSourceExec;
use datafusion::object_store::local::LocalFileSystem;
use datafusion::parquet::arrow::ProjectionMask;
use datafusion::parquet::arrow::arrow_reader::{
    ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
};
use datafusion::parquet::errors::ParquetError;
use datafusion::parquet::file::metadata::PageIndexPolicy;
use datafusion::physical_plan::ExecutionPlan;

use crate::checksums::CheckedFile;
use crate::error::ExactError;
use crate::panics::{caught, told_of};

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

/// The error with the name of the file, if it is one of a decoder or a panic that a file explains.
pub(crate) async fn named(error: ExactError, files: BTreeSet<PathBuf>) -> ExactError {
    let may_be_of_a_file = match &error {
        ExactError::Io { source, .. } => source.is::<ParquetError>() && !error.is_denied(),
        ExactError::Panic(_) => true,
        // A panic of a task, as DataFusion hands it on.
        ExactError::Internal(text) => text.contains("panicked"),
        _ => false,
    };
    if !may_be_of_a_file {
        return error;
    }
    let search = move || files.iter().find_map(|path| damage(path));
    match tokio::task::spawn_blocking(search).await {
        Ok(Some(found)) => {
            told_of(&error.to_string());
            found
        }
        _ => error,
    }
}

/// What a decoder gives; bytes that make it panic are as broken as those that it refuses.
fn decoded<T>(
    decode: impl FnOnce() -> Result<T, ParquetError>,
) -> std::result::Result<T, ParquetError> {
    match caught(decode) {
        Ok(decoded) => decoded,
        Err(ExactError::Panic(text)) => Err(ParquetError::General(text)),
        Err(error) => Err(ParquetError::General(error.to_string())),
    }
}

/// What is said of a file whose decoder failed.
fn told(path: &Path, what: &str, error: &ParquetError) -> ExactError {
    ExactError::Io {
        what: format!("`{}` is damaged: {what}", path.display()),
        source: Box::new(innermost(error)),
    }
}

/// What `open` makes of the footer of a Parquet file; a footer at which its decoder panics is an error with the name of the file.
pub fn open_footer<T>(
    path: &Path,
    open: impl FnOnce() -> Result<T, ParquetError>,
) -> Result<Result<T, ParquetError>, ExactError> {
    match caught(open) {
        Ok(opened) => Ok(opened),
        Err(ExactError::Panic(text)) => Err(told(path, FOOTER, &ParquetError::General(text))),
        Err(error) => Err(error),
    }
}

const FOOTER: &str = "its footer cannot be read";

/// What begins every Parquet file.
const MAGIC: [u8; 4] = *b"PAR1";

/// That a file begins as a Parquet file does and its footer cannot be read; None: it is none.
pub fn damaged_footer(path: &Path, error: &ParquetError) -> Option<ExactError> {
    let mut begins = [0; MAGIC.len()];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut begins));
    (read.is_ok() && begins == MAGIC).then(|| told(path, FOOTER, error))
}

/// That the parts of a footer cannot all be true; `what` says which.
pub fn lying_footer(path: &Path, what: String) -> ExactError {
    told(
        path,
        "its footer contradicts itself",
        &ParquetError::General(what),
    )
}

/// What of a file cannot be decoded: page after page, or at the places where its page index says that pages are.
fn damage(path: &Path) -> Option<ExactError> {
    undecoded(path, PageIndexPolicy::Skip, FOOTER, "").or_else(|| {
        let index = "its page index cannot be read";
        undecoded(path, PageIndexPolicy::Optional, index, " by its page index")
    })
}

fn undecoded(path: &Path, index: PageIndexPolicy, unopened: &str, how: &str) -> Option<ExactError> {
    let open = || {
        decoded(|| {
            let options = ArrowReaderOptions::new().with_page_index_policy(index);
            let file = CheckedFile::new(File::open(path)?);
            ParquetRecordBatchReaderBuilder::try_new_with_options(file, options)
        })
    };
    let columns = match open() {
        Ok(reader) => reader.parquet_schema().num_columns(),
        Err(error) => return Some(told(path, unopened, &error)),
    };
    for column in 0..columns {
        let reader = open().ok()?;
        let name = reader.parquet_schema().column(column).path().string();
        let mask = ProjectionMask::leaves(reader.parquet_schema(), [column]);
        let read = decoded(|| {
            for batch in reader.with_projection(mask).build()? {
                batch.map_err(ParquetError::from)?;
            }
            Ok(())
        });
        if let Err(error) = read {
            let what = format!("its column `{name}` cannot be decoded{how}");
            return Some(told(path, &what, &error));
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
