//! Windows by key, some partitions at a time. DataFusion's operator keeps all rows that it is given, and a small array for each partition
//! and function until the end; nobody counts those, and with many partitions they are more than the rows. The rows come in the order
//! of the partitions, so this operator hands them over in pieces that end where a partition does.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::{concat, partition};
use datafusion::common::Result;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::physical_plan::execution_plan::{PlanProperties, replace_children_if_necessary};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::windows::WindowAggExec;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, PhysicalExpr, SendableRecordBatchStream,
};
use futures::{StreamExt, TryStreamExt, stream};

use crate::given_rows::GivenRows;
use crate::nodes::only;

/// Rows of a piece, unless one partition has more.
const PIECE_ROWS: usize = 1 << 15;

/// Runs the window operator below it piece by piece.
#[derive(Debug)]
pub(crate) struct WindowPieces {
    window: Arc<dyn ExecutionPlan>,
}

impl WindowPieces {
    /// In place of a window operator, if its rows come in the order of its partitions.
    pub(crate) fn of(window: Arc<dyn ExecutionPlan>) -> Arc<dyn ExecutionPlan> {
        match keys(&window) {
            Some(_) => Arc::new(WindowPieces { window }),
            None => window,
        }
    }
}

/// What tells the partitions apart; none if there is one.
fn keys(window: &Arc<dyn ExecutionPlan>) -> Option<Vec<Arc<dyn PhysicalExpr>>> {
    let window = window.downcast_ref::<WindowAggExec>()?;
    let wanted = window.window_expr().first()?.partition_by().len();
    let keys = window.partition_by_sort_keys().ok()?;
    let keys: Vec<_> = keys.into_iter().map(|key| key.expr).collect();
    (wanted > 0 && keys.len() == wanted).then_some(keys)
}

impl DisplayAs for WindowPieces {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WindowPiecesExec")
    }
}

impl ExecutionPlan for WindowPieces {
    fn name(&self) -> &str {
        "WindowPiecesExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.window.properties()
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.window]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn for<'a> FnMut(&'a Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let window = only(children)?;
        Ok(Arc::new(WindowPieces { window }))
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let inputs = self.window.children();
        let (Some(keys), [input]) = (keys(&self.window), inputs.as_slice()) else {
            return self.window.execute(partition, context);
        };
        let held =
            MemoryConsumer::new(format!("WindowRows[{partition}]")).register(context.memory_pool());
        let cutter = Cutter {
            rows: input.execute(partition, context.clone())?,
            properties: input.properties().clone(),
            keys,
            held,
            piece: VecDeque::new(),
            count: 0,
            ended: false,
        };
        let window = self.window.clone();
        let pieces = stream::try_unfold(cutter, |mut cutter| async move {
            Ok(cutter.next().await?.map(|piece| (piece, cutter)))
        });
        let rows = pieces.and_then(move |piece| {
            let run = replace_children_if_necessary(window.clone(), vec![Arc::new(piece)])
                .and_then(|window| window.execute(partition, context.clone()));
            std::future::ready(run)
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(
            self.schema(),
            rows.try_flatten(),
        )))
    }
}

/// Cuts rows where partitions end.
struct Cutter {
    rows: SendableRecordBatchStream,
    properties: Arc<PlanProperties>,
    keys: Vec<Arc<dyn PhysicalExpr>>,
    held: MemoryReservation,
    /// What is not yet handed over.
    piece: VecDeque<RecordBatch>,
    count: usize,
    ended: bool,
}

impl Cutter {
    /// The next piece; none at the end.
    async fn next(&mut self) -> Result<Option<GivenRows>> {
        // Whoever asks has done with the piece before.
        let left = self.piece.iter().map(RecordBatch::get_array_memory_size);
        self.held.try_resize(left.sum())?;
        while !self.ended {
            let Some(batch) = self.rows.next().await.transpose()? else {
                self.ended = true;
                break;
            };
            if batch.num_rows() == 0 {
                continue;
            }
            self.held.try_grow(batch.get_array_memory_size())?;
            let cut = match self.count + batch.num_rows() >= PIECE_ROWS {
                true => self.last_start(&batch)?,
                false => None,
            };
            let Some(cut) = cut else {
                self.count += batch.num_rows();
                self.piece.push_back(batch);
                continue;
            };
            if cut > 0 {
                self.piece.push_back(batch.slice(0, cut));
            }
            let piece = std::mem::take(&mut self.piece);
            let rest = batch.slice(cut, batch.num_rows() - cut);
            self.count = rest.num_rows();
            self.piece.push_back(rest);
            return Ok(Some(self.of(piece)));
        }
        let piece = std::mem::take(&mut self.piece);
        Ok((!piece.is_empty()).then(|| self.of(piece)))
    }

    fn of(&self, rows: VecDeque<RecordBatch>) -> GivenRows {
        let rows = stream::iter(rows.into_iter().map(Ok));
        GivenRows::new(self.properties.clone(), rows)
    }

    /// Where the last partition of a batch begins; none if that is before the batch.
    fn last_start(&self, batch: &RecordBatch) -> Result<Option<usize>> {
        let columns = self.keys_of(batch)?;
        let last = partition(&columns)?.ranges().pop();
        if let Some(last) = last.filter(|last| last.start > 0) {
            return Ok(Some(last.start));
        }
        let Some(before) = self.piece.back() else {
            return Ok(None);
        };
        let end = before.slice(before.num_rows() - 1, 1);
        let ends = self.keys_of(&end)?;
        let both = ends.iter().zip(&columns);
        let both = both.map(|(end, start)| concat(&[end.as_ref(), start.slice(0, 1).as_ref()]));
        let both = both.collect::<std::result::Result<Vec<_>, _>>()?;
        Ok((partition(&both)?.len() > 1).then_some(0))
    }

    fn keys_of(&self, batch: &RecordBatch) -> Result<Vec<ArrayRef>> {
        let key = |key: &Arc<dyn PhysicalExpr>| key.evaluate(batch)?.into_array(batch.num_rows());
        self.keys.iter().map(key).collect()
    }
}
