//! Physical plans that keep to the memory limit: joins that do not fit are merge joins, which spill, and windows are counted.
//!
//! A hash join holds one side and cannot spill it. Under a limit it measures that side while it reads it, and goes on as a merge join if
//! it does not fit ([`crate::fitting_joins`]). Where memory ends all the same before the first row is out, since joins and sorts beside
//! each other took it from each other, the query is planned once more with merge joins alone. Every plan gives the same rows, so the
//! choice shows in time only.

use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DataFusionError, Result};
use datafusion::config::ConfigOptions;
use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryLimit};
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_expr::Partitioning;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::execution_plan::{PlanProperties, replace_children_if_necessary};
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::joins::HashJoinExec;
use datafusion::physical_plan::limit::{GlobalLimitExec, LocalLimitExec};
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::windows::WindowAggExec;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, PhysicalExpr,
    SendableRecordBatchStream, execute_stream,
};
use futures::{StreamExt, stream};

use crate::fitting_joins::{fitting, is_fitting, share};
use crate::large_pages::LargePages;
use crate::nodes::only;
use crate::run_memory::RunMemory;
use crate::window_pieces::WindowPieces;

/// A partition with less memory than this spills all the time.
const BYTES_PARTITION: usize = 32 << 20;
/// Under a limit of so many bytes batches are one row longer: 1,024 rows under 128 MiB, the usual 8,192 from 1 GiB on.
const BYTES_BATCH_ROW: usize = 128 << 10;
/// What each of the first rows of an order may take where they are held, with the batch that it is part of.
const BYTES_FIRST_ROW: usize = 2 << 10;
/// Shorter batches than this cost more than they save.
const ROWS_AT_LEAST: usize = 512;
/// What DataFusion reserves for a run that is merged: two batches, and two of their keys.
const BYTES_RUN_IN_MERGE: usize = 2 << 20;
/// How long the operators of a failed plan are waited for.
const LETTING_GO: Duration = Duration::from_secs(5);

/// Partitions for so many threads under a limit.
pub(crate) fn partitions(threads: usize, limit: Option<usize>) -> usize {
    let most = limit.map_or(usize::MAX, |bytes| bytes / BYTES_PARTITION);
    threads.min(most).max(1)
}

/// Rows of a batch under a limit. Batches on their way between operators are in nobody's account, and a sort that spilled holds one of each
/// of its runs: with wide rows and a small limit those of the usual size would not fit.
pub(crate) fn batch_rows(usual: usize, limit: Option<usize>) -> usize {
    let most = limit.map_or(usize::MAX, |bytes| {
        (bytes / BYTES_BATCH_ROW).max(ROWS_AT_LEAST)
    });
    usual.min(most).max(1)
}

/// Bytes that each sort keeps for merging what it spilled.
pub(crate) fn merge_reserve(partitions: usize, limit: Option<usize>, usual: usize) -> usize {
    match limit {
        Some(bytes) => usual.min(bytes / partitions.max(1) / 3),
        None => usual,
    }
}

/// Runs that a merge reads at once, at most. Without a bound the first of the sorts that run side by side takes all memory that is left
/// for as many of its runs as go in, and whether the others get any is a matter of who was first; what each keeps for merging is enough
/// for so many of rows of a thousand bytes.
pub(crate) fn merged_at_once(partitions: usize, limit: usize, reserve: usize) -> usize {
    let of_reserve = reserve / BYTES_RUN_IN_MERGE;
    let of_limit = limit / partitions.max(1) / BYTES_RUN_IN_MERGE / 4;
    of_reserve.max(of_limit).max(2)
}

/// The plan that fits into the limit.
pub(crate) async fn physical(
    state: &SessionState,
    plan: &LogicalPlan,
) -> Result<Arc<dyn ExecutionPlan>> {
    let physical = in_one_order(state.create_physical_plan(plan).await?)?;
    match state.runtime_env().memory_pool.memory_limit() {
        MemoryLimit::Finite(bytes) => {
            fitting(with_spilling_limits(physical, bytes)?, &share(bytes))
        }
        _ => Ok(physical),
    }
}

/// Runs a plan; if memory ends before the first rows are out and hash joins held some of it, merge joins take their place.
pub(crate) async fn run(
    state: &SessionState,
    plan: &LogicalPlan,
    physical: Arc<dyn ExecutionPlan>,
) -> Result<SendableRecordBatchStream> {
    let all = state.runtime_env();
    let mut pages = LargePages::default();
    let physical = pages.fitted(all, physical).await?;
    if !has_hash_join(&physical) {
        let rows = execute_stream(physical, state.task_ctx())?;
        return Ok(kept(rows, pages));
    }
    let memory = Arc::new(RunMemory::new(Arc::clone(&all.memory_pool)));
    let own = RuntimeEnv {
        memory_pool: memory.clone(),
        ..all.as_ref().clone()
    };
    let context = SessionStateBuilder::new_from_existing(state.clone())
        .with_runtime_env(Arc::new(own))
        .build()
        .task_ctx();
    let mut rows = execute_stream(physical, context)?;
    let schema = rows.schema();
    let first = rows.next().await;
    if let Some(Err(error)) = &first
        && matches!(error.find_root(), DataFusionError::ResourcesExhausted(_))
    {
        tracing::debug!(%error, "memory ended: merge joins take the place of hash joins");
        drop(rows);
        // A join that is slow to end leaves less memory to the next plan, which spills then.
        let _ = tokio::time::timeout(LETTING_GO, memory.is_let_go()).await;
        let merging = pages.fitted(all, merging(state, plan).await?).await?;
        let rows = execute_stream(merging, state.task_ctx())?;
        return Ok(kept(rows, pages));
    }
    let rows = stream::iter(first).chain(rows);
    let rows = Box::pin(RecordBatchStreamAdapter::new(schema, rows));
    Ok(kept(rows, pages))
}

/// The rows, with what their plan reads kept as long as they are.
fn kept(rows: SendableRecordBatchStream, pages: LargePages) -> SendableRecordBatchStream {
    let schema = rows.schema();
    let rows = rows.inspect(move |_| {
        let _ = &pages;
    });
    Box::pin(RecordBatchStreamAdapter::new(schema, rows))
}

/// The plan with merge joins wherever columns must be equal.
async fn merging(state: &SessionState, plan: &LogicalPlan) -> Result<Arc<dyn ExecutionPlan>> {
    let mut config = state.config().clone();
    // DataFusion makes merge joins for several partitions only.
    let partitions = config.target_partitions().max(2);
    config = config.with_target_partitions(partitions);
    config.options_mut().optimizer.prefer_hash_join = false;
    let state = SessionStateBuilder::new_from_existing(state.clone())
        .with_config(config)
        .build();
    let merging = in_one_order(state.create_physical_plan(plan).await?)?;
    match state.runtime_env().memory_pool.memory_limit() {
        MemoryLimit::Finite(bytes) => with_spilling_limits(merging, bytes),
        _ => Ok(merging),
    }
}

/// The plan with a whole sort wherever the first rows of an order are so many that to hold them could take more than there is: what
/// DataFusion holds for `order by … limit` it cannot spill.
fn with_spilling_limits(
    plan: Arc<dyn ExecutionPlan>,
    bytes: usize,
) -> Result<Arc<dyn ExecutionPlan>> {
    let children = plan.children().into_iter().cloned();
    let children = children.map(|child| with_spilling_limits(child, bytes));
    let plan = replace_children_if_necessary(plan.clone(), children.collect::<Result<_>>()?)?;
    let Some(sort) = plan.downcast_ref::<SortExec>() else {
        return Ok(plan);
    };
    let partitions = plan.output_partitioning().partition_count().max(1);
    match sort.fetch() {
        Some(rows) if rows > bytes / partitions / BYTES_FIRST_ROW => {
            let sorted = Arc::new(sort.with_fetch(None));
            Ok(Arc::new(LocalLimitExec::new(sorted, rows)))
        }
        _ => Ok(plan),
    }
}

/// The plan with one stream of rows at the end. Above the last sort DataFusion may deal rows out to threads again, to compute a
/// projection side by side, and whoever reads several streams as one loses the order in which they were (D2).
fn in_one_order(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    let plan = undealt(plan)?;
    if plan.output_partitioning().partition_count() == 1 {
        return Ok(plan);
    }
    Ok(match plan.output_ordering().cloned() {
        Some(order) => Arc::new(SortPreservingMergeExec::new(order, plan)),
        None => Arc::new(CoalescePartitionsExec::new(plan)),
    })
}

/// Without the dealing out of one stream above which nothing but columns and rows are chosen.
fn undealt(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    let children = plan.children();
    let [below] = children.as_slice() else {
        return Ok(plan);
    };
    let below = Arc::clone(below);
    if let Some(dealt) = plan.downcast_ref::<RepartitionExec>() {
        let from_one = below.output_partitioning().partition_count() == 1;
        let in_turn = matches!(dealt.partitioning(), Partitioning::RoundRobinBatch(_));
        return match from_one && in_turn {
            true => undealt(below),
            false => Ok(plan),
        };
    }
    let chooses = plan.is::<ProjectionExec>()
        || plan.is::<FilterExec>()
        || plan.is::<CooperativeExec>()
        || plan.is::<GlobalLimitExec>();
    match chooses {
        true => replace_children_if_necessary(plan, vec![undealt(below)?]),
        false => Ok(plan),
    }
}

fn has_hash_join(plan: &Arc<dyn ExecutionPlan>) -> bool {
    plan.is::<HashJoinExec>() || is_fitting(plan) || plan.children().into_iter().any(has_hash_join)
}

/// Windows by key run some partitions at a time ([`crate::window_pieces`]); below those that hold all of their rows bytes are counted:
/// DataFusion does not.
#[derive(Debug)]
pub(crate) struct CountedWindows;

impl PhysicalOptimizerRule for CountedWindows {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let children = plan.children();
        if children.is_empty() {
            return Ok(plan);
        }
        let mut below = Vec::with_capacity(children.len());
        for child in children {
            below.push(self.optimize(child.clone(), config)?);
        }
        let plan = replace_children_if_necessary(plan, below)?;
        if !plan.is::<WindowAggExec>() {
            return Ok(plan);
        }
        let plan = WindowPieces::of(plan);
        match plan.children().as_slice() {
            [child] if plan.is::<WindowAggExec>() && !child.is::<HeldRows>() => {
                let held = Arc::new(HeldRows::new(Arc::clone(child)));
                replace_children_if_necessary(plan, vec![held])
            }
            _ => Ok(plan),
        }
    }

    fn name(&self) -> &str {
        "karat_counted_windows"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// Rows that the operator above keeps until its end.
#[derive(Debug)]
struct HeldRows {
    input: Arc<dyn ExecutionPlan>,
}

impl HeldRows {
    fn new(input: Arc<dyn ExecutionPlan>) -> HeldRows {
        HeldRows { input }
    }
}

impl DisplayAs for HeldRows {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HeldRowsExec")
    }
}

impl ExecutionPlan for HeldRows {
    fn name(&self) -> &str {
        "HeldRowsExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.input.properties()
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
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
        Ok(Arc::new(HeldRows::new(only(children)?)))
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let mut rows = self.input.execute(partition, context.clone())?;
        let held =
            MemoryConsumer::new(format!("WindowRows[{partition}]")).register(context.memory_pool());
        let schema = rows.schema();
        // The reservation lives as long as the stream, and the operator above keeps the stream as long as the rows.
        let counted = stream::poll_fn(move |context| {
            let next = rows.poll_next_unpin(context);
            if let Poll::Ready(Some(Ok(batch))) = &next
                && let Err(error) = held.try_grow(batch.get_array_memory_size())
            {
                return Poll::Ready(Some(Err(error)));
            }
            next
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, counted)))
    }
}

/// What SQL calls the operator that asked for memory under this name.
pub(crate) fn operator(consumer: &str) -> &'static str {
    const OPERATORS: [(&str, &str); 18] = [
        ("CommonPart", "a part that the query has more than once"),
        (
            "HashJoinInput",
            "a join, for the side that it looks rows up in,",
        ),
        ("SMJStream", "a merge join, for rows of one key,"),
        (
            "NestedLoopJoin",
            "a join without an equality between columns",
        ),
        ("PiecewiseMergeJoin", "a join on a comparison"),
        ("CrossJoin", "a join of each row with each"),
        ("WindowRows", "a window function"),
        ("TopK", "`order by … limit`"),
        ("PartitionedTopK", "`order by … limit`"),
        ("ExternalSorter", "a sort"),
        ("SortPreservingMerge", "a sort"),
        ("RepartitionExec", "the exchange of rows between threads"),
        ("RecursiveQuery", "a recursive query"),
        ("AggregateStream", "`group by` or `distinct`"),
        ("Aggregate", "`group by` or `distinct`"),
        ("Hash", "`group by` or `distinct`"),
        ("PageReaders", "reading Parquet files with large pages"),
        ("Buffer", "rows on their way"),
    ];
    OPERATORS
        .iter()
        .find(|(name, _)| consumer.contains(name))
        .map_or("an operator", |(_, words)| words)
}
