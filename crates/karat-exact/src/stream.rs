//! Streams of rows outside SQL: raw scans of files, and sorts that spill.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::RecordBatch;
use arrow::compute::SortOptions;
use arrow::datatypes::SchemaRef;
use datafusion::common::DataFusionError;
use datafusion::execution::TaskContext;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{LexOrdering, Partitioning, PhysicalSortExpr};
use datafusion::physical_plan::common::spawn_buffered;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use datafusion::physical_plan::{ExecutionPlan, SendableRecordBatchStream};
use futures::{Stream, StreamExt};

use crate::BatchStream;
use crate::engine::Engine;
use crate::error::ExactError;
use crate::tables::{FileSet, file_scan};

/// Batches that a scan decodes ahead of whoever reads them.
const BATCHES_AHEAD: usize = 2;

/// A column to sort by; nulls last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SortColumn {
    name: String,
    descending: bool,
}

impl SortColumn {
    /// Smallest first.
    pub fn ascending(name: &str) -> SortColumn {
        SortColumn {
            name: name.to_owned(),
            descending: false,
        }
    }

    /// Largest first.
    pub fn descending(name: &str) -> SortColumn {
        SortColumn {
            name: name.to_owned(),
            descending: true,
        }
    }
}

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
        let plan = file_scan(files, projection, true)?;
        let rows = plan.execute(0, self.state.task_ctx())?;
        // Files are decoded while the rows before are worked on.
        Ok(spawn_buffered(rows, BATCHES_AHEAD))
    }

    /// Sorts rows, with spill beyond the memory limit. Rows equal in all the columns come in no particular order.
    pub async fn sort(
        &self,
        rows: BatchStream,
        by: &[SortColumn],
    ) -> Result<BatchStream, ExactError> {
        let schema = rows.schema();
        let mut order = Vec::with_capacity(by.len());
        for column in by {
            let expr = Column::new_with_schema(&column.name, &schema)?;
            let options = SortOptions {
                descending: column.descending,
                nulls_first: false,
            };
            order.push(PhysicalSortExpr::new(Arc::new(expr), options));
        }
        let Some(order) = LexOrdering::new(order) else {
            return Ok(rows);
        };
        let input = Arc::new(StreamingTableExec::try_new(
            schema.clone(),
            vec![Arc::new(Once {
                schema,
                rows: Mutex::new(Some(rows)),
            })],
            None,
            [],
            false,
            None,
        )?);
        let threads = self.state.config().target_partitions();
        let sorted: Arc<dyn ExecutionPlan> = if threads > 1 {
            let dealt = RepartitionExec::try_new(input, Partitioning::RoundRobinBatch(threads))?;
            let sort =
                SortExec::new(order.clone(), Arc::new(dealt)).with_preserve_partitioning(true);
            Arc::new(SortPreservingMergeExec::new(order, Arc::new(sort)))
        } else {
            Arc::new(SortExec::new(order, input))
        };
        Ok(sorted.execute(0, self.state.task_ctx())?)
    }
}

/// A stream that a plan may read once.
struct Once {
    schema: SchemaRef,
    rows: Mutex<Option<BatchStream>>,
}

impl fmt::Debug for Once {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a stream of rows")
    }
}

impl PartitionStream for Once {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let rows = self
            .rows
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        rows.unwrap_or_else(|| {
            let twice = ExactError::Internal("a stream was read twice".to_owned());
            let failed = futures::stream::iter([Err(DataFusionError::from(twice))]);
            Box::pin(RecordBatchStreamAdapter::new(self.schema.clone(), failed))
        })
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
