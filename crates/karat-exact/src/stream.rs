//! Streams of rows outside SQL: raw scans of files, and rows that come from elsewhere.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::common::DataFusionError;
use datafusion::physical_plan::common::spawn_buffered;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::{Stream, StreamExt};

use crate::BatchStream;
use crate::engine::Engine;
use crate::error::ExactError;
use crate::tables::{FileSet, file_scan};

/// Batches that a scan decodes ahead of whoever reads them.
const BATCHES_AHEAD: usize = 2;

impl Engine {
    /// The rows of files as they are: files in list order, rows in file order; all columns, or those named, in that order.
    pub async fn scan(
        &self,
        files: &FileSet,
        columns: Option<&[String]>,
    ) -> Result<BatchStream, ExactError> {
        let projection = match columns {
            None => None,
            Some(names) => {
                let indices = names.iter().map(|name| files.schema.index_of(name));
                Some(
                    indices
                        .collect::<Result<Vec<_>, _>>()
                        .map_err(ExactError::arrow)?,
                )
            }
        };
        let plan = file_scan(files, projection, None, true)?;
        let rows = plan.execute(0, self.state.task_ctx())?;
        // Files are decoded while the rows before are worked on.
        Ok(spawn_buffered(rows, BATCHES_AHEAD))
    }
}

/// Rows that come from outside as a stream for the engine.
pub fn batch_stream(
    schema: SchemaRef,
    rows: impl Stream<Item = Result<RecordBatch, ExactError>> + Send + 'static,
) -> BatchStream {
    let rows = rows.map(|batch| batch.map_err(DataFusionError::from));
    Box::pin(RecordBatchStreamAdapter::new(schema, rows))
}
