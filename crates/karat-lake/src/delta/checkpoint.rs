//! Reads a classic checkpoint: a Parquet file (or several) with the actions that are in force at its version.
//!
//! Its rows are turned into the JSON lines that a commit holds, so that there is one way to understand an action.

use std::fs::File;
use std::path::Path;

use arrow::json::LineDelimitedWriter;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::action::{Line, read_lines};
use crate::LakeError;

const ROOTS: [&str; 4] = ["add", "metaData", "protocol", "txn"];

pub(crate) fn read(path: &Path) -> Result<Vec<Line>, LakeError> {
    let corrupt = |error| LakeError::corrupt_by(path, "it is no readable checkpoint", error);
    let file = File::open(path).map_err(LakeError::io("read", path))?;
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(corrupt)?;
    let schema = builder.parquet_schema();
    let roots: Vec<usize> = schema
        .root_schema()
        .get_fields()
        .iter()
        .enumerate()
        .filter(|(_, field)| ROOTS.contains(&field.name()))
        .map(|(index, _)| index)
        .collect();
    let mask = ProjectionMask::roots(schema, roots);
    let reader = builder.with_projection(mask).build().map_err(corrupt)?;
    let mut text = Vec::new();
    let mut writer = LineDelimitedWriter::new(&mut text);
    for batch in reader {
        let batch = batch
            .map_err(|error| LakeError::corrupt_by(path, "it is no readable checkpoint", error))?;
        writer
            .write(&batch)
            .map_err(|error| LakeError::corrupt_by(path, "it is no readable checkpoint", error))?;
    }
    writer
        .finish()
        .map_err(|error| LakeError::corrupt_by(path, "it is no readable checkpoint", error))?;
    drop(writer);
    read_lines(path, text.as_slice())
}

/// Rows of a data file by its footer, for foreign files without statistics.
pub(crate) fn rows_of(path: &Path) -> Result<u64, LakeError> {
    let file = File::open(path).map_err(LakeError::io("read", path))?;
    let builder = ParquetRecordBatchReaderBuilder::try_new(file)
        .map_err(|error| LakeError::corrupt_by(path, "it is no Parquet file", error))?;
    Ok(builder.metadata().file_metadata().num_rows().unsigned_abs())
}
