//! Questions that the pipeline itself asks in SQL: names in quotes, and all rows of an answer.

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use futures::TryStreamExt;
use karat_exact::{Engine, ExactError, Purpose, SqlError, Tables};

use crate::error::PipelineError;
use crate::ingest::arrow_error;

/// A name as SQL takes any name.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Such names with commas between them.
pub(crate) fn quoted_list(names: &[String]) -> String {
    let names: Vec<String> = names.iter().map(|name| quoted(name)).collect();
    names.join(", ")
}

/// All rows of an answer, as one batch; `refused` says what it means that the question cannot be asked of these tables.
pub(crate) async fn all_rows(
    engine: &Engine,
    sql: &str,
    tables: &Tables,
    refused: impl FnOnce(SqlError) -> PipelineError,
) -> Result<RecordBatch, PipelineError> {
    let purpose = Purpose::Query { strict: false };
    let prepared = engine.prepare(sql, tables, &purpose).map_err(refused)?;
    let stream = engine.stream(&prepared).await?;
    let batches: Vec<RecordBatch> = stream.try_collect().await.map_err(ExactError::from)?;
    concat_batches(&prepared.schema(), &batches).map_err(arrow_error)
}
