//! Joins that fit into memory: one side is read, and counted while it is; if it fits, it is looked up in, and if it does not, what was
//! read and what is still to come is sorted, spilled and merged.
//!
//! How large that side is nobody knows before it is there: conditions, groupings and other joins stand below it. So nothing is guessed:
//! the operator has the shape of the hash join that it is made of, says of its rows what that says, and decides before it gives the
//! first. Either way it gives the same rows; only their order within what is promised differs, which nothing above relies on.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::compute::{SortOptions, concat};
use arrow::datatypes::SchemaRef;
use datafusion::common::JoinSide;
use datafusion::common::tree_node::{Transformed, TreeNodeRecursion};
use datafusion::common::utils::memory::RecordBatchMemoryCounter;
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{
    EquivalenceProperties, LexOrdering, Partitioning, PhysicalSortExpr,
};
use datafusion::physical_plan::execution_plan::{
    Boundedness, EmissionType, PlanProperties, replace_children_if_necessary,
};
use datafusion::physical_plan::joins::utils::JoinFilter;
use datafusion::physical_plan::joins::{HashJoinExec, PartitionMode, SortMergeJoinExec};
use datafusion::physical_plan::limit::LocalLimitExec;
use datafusion::physical_plan::metrics::MetricsSet;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, PhysicalExpr,
    SendableRecordBatchStream,
};
use futures::future::{BoxFuture, Shared};
use futures::{FutureExt, StreamExt, TryStreamExt, stream};

use crate::error::ExactError;
use crate::given_rows::GivenRows;
use crate::nodes::only;
use crate::walks::Walk;

/// A hash table's own bytes for each row, and the hashes while it is made.
const BYTES_TABLE: usize = 32;
/// The side of one join takes at most this part of the limit.
const PART_OF_ONE: usize = 4;
/// The sides of all joins of a query take at most this part of the limit: beside them stand sorts, groups and batches on their way.
const PART_OF_ALL: usize = 2;
/// No side is larger than this: the places of its texts are counted in 31 bits.
const BYTES_MOST: usize = i32::MAX as usize;

/// What sides of joins may hold under a limit.
pub(crate) fn share(limit: usize) -> Arc<Share> {
    Arc::new(Share {
        one: (limit / PART_OF_ONE).min(BYTES_MOST),
        all: limit / PART_OF_ALL,
        held: AtomicUsize::new(0),
    })
}

/// The plan with hash joins that fit, where a merge join gives the same rows.
pub(crate) fn fitting(
    plan: Arc<dyn ExecutionPlan>,
    share: &Arc<Share>,
) -> Result<Arc<dyn ExecutionPlan>> {
    let below = plan.children().into_iter().cloned();
    let below = below
        .map(|child| fitting(child, share))
        .collect::<Result<Vec<_>>>()?;
    let plan = match below.is_empty() {
        true => plan,
        false => replace_children_if_necessary(plan, below)?,
    };
    Ok(match plan.downcast_ref::<HashJoinExec>() {
        Some(join) if can_be_merged(join) => {
            let join = join.builder().reset_state().build()?;
            Arc::new(FittingJoin::new(Arc::new(join), Arc::clone(share)))
        }
        _ => plan,
    })
}

/// Whether a plan has a join that fits.
pub(crate) fn is_fitting(plan: &Arc<dyn ExecutionPlan>) -> bool {
    plan.is::<FittingJoin>()
}

/// Whether merging gives the same rows, and can say of them what the hash join says.
fn can_be_merged(join: &HashJoinExec) -> bool {
    let left = join.left().schema();
    let sortable = join.on().iter().all(|(key, _)| {
        key.data_type(&left)
            .is_ok_and(|data_type| !data_type.is_nested())
    });
    let orders = join.properties().equivalence_properties().oeq_class();
    let dealt = match join.partition_mode() {
        PartitionMode::Partitioned => true,
        PartitionMode::CollectLeft => !matches!(
            join.properties().output_partitioning(),
            Partitioning::Range(_)
        ),
        PartitionMode::Auto => false,
    };
    // `not in` knows null as an answer, which no merge join does.
    !join.null_aware && sortable && dealt && orders.iter().count() < 2
}

/// Bytes that the sides of a query's joins may hold, and those that they do.
#[derive(Debug)]
pub(crate) struct Share {
    one: usize,
    all: usize,
    held: AtomicUsize,
}

/// What one side holds of the share.
#[derive(Debug)]
struct Part {
    share: Arc<Share>,
    bytes: usize,
}

impl Part {
    /// Takes more, or says that there is no more.
    fn grow(&mut self, bytes: usize) -> bool {
        let own = self.bytes.saturating_add(bytes);
        let all = self.share.held.fetch_add(bytes, Ordering::AcqRel);
        self.bytes = own;
        own <= self.share.one && all.saturating_add(bytes) <= self.share.all
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        self.share.held.fetch_sub(self.bytes, Ordering::AcqRel);
    }
}

/// A hash join whose side is measured before it is one.
struct FittingJoin {
    join: Arc<HashJoinExec>,
    share: Arc<Share>,
    /// Where one side serves all partitions: what was decided.
    decided: Arc<Decided>,
}

impl FittingJoin {
    fn new(join: Arc<HashJoinExec>, share: Arc<Share>) -> FittingJoin {
        let to_come = join.properties().output_partitioning().partition_count();
        let decided = Arc::new(Decided {
            shared: Mutex::new(None),
            to_come: AtomicUsize::new(to_come),
        });
        FittingJoin {
            join,
            share,
            decided,
        }
    }
}

type Decision = Shared<BoxFuture<'static, Result<Arc<Chosen>, Arc<DataFusionError>>>>;

/// What was decided for all partitions, as long as one of them is still to end.
struct Decided {
    shared: Mutex<Option<Decision>>,
    to_come: AtomicUsize,
}

/// One partition's hold on what was decided.
struct Turn(Arc<Decided>);

impl Drop for Turn {
    fn drop(&mut self) {
        if self.0.to_come.fetch_sub(1, Ordering::AcqRel) == 1 {
            let mut shared = self.0.shared.lock().unwrap_or_else(PoisonError::into_inner);
            *shared = None;
        }
    }
}

/// The join that was chosen, and what its side holds meanwhile.
struct Chosen {
    plan: Arc<dyn ExecutionPlan>,
    _part: Option<Part>,
}

impl fmt::Debug for FittingJoin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FittingJoin")
            .field("join", &self.join)
            .finish_non_exhaustive()
    }
}

impl DisplayAs for FittingJoin {
    fn fmt_as(&self, kind: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.join.fmt_as(kind, f)
    }
}

impl ExecutionPlan for FittingJoin {
    fn name(&self) -> &str {
        "FittingJoinExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.join.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        self.join.children()
    }

    fn apply_expressions(
        &self,
        f: &mut dyn for<'a> FnMut(&'a Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        self.join.apply_expressions(f)
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let builder = self.join.builder().reset_state();
        let join = builder.with_new_children(children)?.build()?;
        Ok(Arc::new(FittingJoin::new(
            Arc::new(join),
            Arc::clone(&self.share),
        )))
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let schema = self.schema();
        let parts = self
            .join
            .properties()
            .output_partitioning()
            .partition_count();
        let whole = *self.join.partition_mode() == PartitionMode::CollectLeft;
        let (turn, decision, at) = if whole {
            let turn = Turn(Arc::clone(&self.decided));
            let mut shared = turn.0.shared.lock().unwrap_or_else(PoisonError::into_inner);
            let decision = shared.get_or_insert_with(|| {
                let sides = Sides {
                    left: Arc::clone(self.join.left()),
                    right: Arc::clone(self.join.right()),
                    partition: 0,
                    parts,
                };
                decide(&self.join, sides, &self.share, &context)
            });
            let decision = decision.clone();
            drop(shared);
            (Some(turn), decision, partition)
        } else {
            let right = Arc::clone(self.join.right());
            let sides = Sides {
                left: Arc::clone(self.join.left()),
                right: Arc::new(OnePartition::new(right, partition)),
                partition,
                parts: 1,
            };
            (None, decide(&self.join, sides, &self.share, &context), 0)
        };
        let rows = async move {
            let chosen = decision.await.map_err(DataFusionError::Shared)?;
            let rows = chosen.plan.execute(at, context)?;
            // The side is held as long as there may be rows.
            let held = (chosen, turn);
            Ok::<_, DataFusionError>(rows.inspect(move |_| {
                let _ = &held;
            }))
        };
        let rows = stream::once(rows).try_flatten();
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, rows)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        self.join.metrics()
    }

    fn fetch(&self) -> Option<usize> {
        self.join.fetch()
    }
}

/// Both inputs of a join, or of one partition of it.
struct Sides {
    left: Arc<dyn ExecutionPlan>,
    right: Arc<dyn ExecutionPlan>,
    /// The partition of the left that is read.
    partition: usize,
    /// Partitions that come out.
    parts: usize,
}

/// Reads the left side as far as it fits, and chooses.
fn decide(
    join: &Arc<HashJoinExec>,
    sides: Sides,
    share: &Arc<Share>,
    context: &Arc<TaskContext>,
) -> Decision {
    let (join, context) = (Arc::clone(join), Arc::clone(context));
    let part = Part {
        share: Arc::clone(share),
        bytes: 0,
    };
    let deciding = async move { chosen(&join, sides, part, context).await.map_err(Arc::new) };
    deciding.boxed().shared()
}

async fn chosen(
    join: &HashJoinExec,
    sides: Sides,
    mut part: Part,
    context: Arc<TaskContext>,
) -> Result<Arc<Chosen>> {
    let schema = sides.left.schema();
    let mut rows = sides.left.execute(sides.partition, Arc::clone(&context))?;
    // Nothing of the left is kept beside its rows.
    drop(sides.left);
    let consumer = MemoryConsumer::new(format!("HashJoinInput[{}]", sides.partition));
    let held = consumer.register(context.memory_pool());
    let mut counter = RecordBatchMemoryCounter::new();
    let mut read = VecDeque::new();
    while let Some(batch) = rows.next().await {
        let batch = batch?;
        let bytes = counter.count_batch(&batch) + batch.num_rows() * BYTES_TABLE;
        let fits = part.grow(bytes) && held.try_grow(bytes).is_ok();
        read.push_back((batch, if fits { bytes } else { 0 }));
        if !fits {
            drop(part);
            let rest = Some(rows);
            let left = Arc::new(Given { read, rest, held }.plan(schema));
            let plan = merged(join, left, sides.right, sides.parts)?;
            return Ok(Arc::new(Chosen { plan, _part: None }));
        }
    }
    drop(rows);
    let (batch, bytes) = one_batch(&schema, read)?;
    let read = VecDeque::from([(batch, bytes)]);
    let rest = None;
    let left = Arc::new(Given { read, rest, held }.plan(schema));
    let looked_up = join.builder().reset_state();
    let plan = looked_up
        .with_new_children(vec![left, sides.right])?
        .build_exec()?;
    Ok(Arc::new(Chosen {
        plan,
        _part: Some(part),
    }))
}

/// The rows in one batch, column by column, so that they are there twice for one column only.
fn one_batch(
    schema: &SchemaRef,
    read: VecDeque<(RecordBatch, usize)>,
) -> Result<(RecordBatch, usize)> {
    let mut columns: Vec<Vec<ArrayRef>> =
        vec![Vec::with_capacity(read.len()); schema.fields().len()];
    let (mut rows, mut bytes) = (0, 0);
    for (batch, counted) in read {
        rows += batch.num_rows();
        bytes += counted;
        for (column, array) in columns.iter_mut().zip(batch.columns()) {
            column.push(Arc::clone(array));
        }
    }
    if rows == 0 {
        return Ok((RecordBatch::new_empty(Arc::clone(schema)), bytes));
    }
    let mut whole = Vec::with_capacity(columns.len());
    for column in columns {
        let arrays: Vec<&dyn arrow::array::Array> = column.iter().map(AsRef::as_ref).collect();
        whole.push(concat(&arrays)?);
    }
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    let batch = RecordBatch::try_new_with_options(Arc::clone(schema), whole, &options)?;
    Ok((batch, bytes))
}

/// The same join by sorting both sides, with the partitions and the order that the hash join promises.
fn merged(
    join: &HashJoinExec,
    left: Arc<dyn ExecutionPlan>,
    right: Arc<dyn ExecutionPlan>,
    parts: usize,
) -> Result<Arc<dyn ExecutionPlan>> {
    let on = join.on().to_vec();
    let (left_keys, right_keys): (Vec<_>, Vec<_>) = on.iter().cloned().unzip();
    let plan = SortMergeJoinExec::try_new(
        sorted(left, left_keys, parts)?,
        sorted(right, right_keys, parts)?,
        on,
        join.filter().map(left_first).transpose()?,
        *join.join_type(),
        vec![SortOptions::default(); join.on().len()],
        join.null_equality(),
    )?;
    let mut plan: Arc<dyn ExecutionPlan> = Arc::new(plan);
    if let Some(projection) = &join.projection {
        let schema = plan.schema();
        let columns = projection.iter().map(|&at| {
            let name = schema.field(at).name();
            let column: Arc<dyn PhysicalExpr> = Arc::new(Column::new(name, at));
            (column, name.clone())
        });
        plan = Arc::new(ProjectionExec::try_new(columns.collect::<Vec<_>>(), plan)?);
    }
    if parts > 1
        && let Partitioning::Hash(keys, count) = join.properties().output_partitioning()
    {
        let dealt = Partitioning::Hash(keys.clone(), *count);
        plan = Arc::new(RepartitionExec::try_new(plan, dealt)?);
    }
    if let Some(order) = join.properties().output_ordering() {
        plan = Arc::new(SortExec::new(order.clone(), plan).with_preserve_partitioning(true));
    }
    if let Some(fetch) = join.fetch() {
        plan = Arc::new(LocalLimitExec::new(plan, fetch));
    }
    Ok(plan)
}

/// The condition with the columns of the left before those of the right: a merge join gives them in this order whatever the condition says,
/// which is another one where the sides were exchanged.
fn left_first(filter: &JoinFilter) -> Result<JoinFilter> {
    let columns = filter.column_indices();
    let mut order: Vec<usize> = (0..columns.len()).collect();
    order.sort_by_key(|&at| columns[at].side != JoinSide::Left);
    let expression = Arc::clone(filter.expression()).walk_up(|expr| {
        let Some(column) = expr.downcast_ref::<Column>() else {
            return Ok(Transformed::no(expr));
        };
        match order.iter().position(|&at| at == column.index()) {
            Some(at) => Ok(Transformed::yes(Arc::new(Column::new(column.name(), at)))),
            None => Err(ExactError::Internal(
                "a join's condition reads a column that it has not".to_owned(),
            )
            .into()),
        }
    })?;
    let schema = filter.schema().project(&order)?;
    let columns = order.iter().map(|&at| columns[at].clone()).collect();
    Ok(JoinFilter::new(expression.data, columns, Arc::new(schema)))
}

fn sorted(
    side: Arc<dyn ExecutionPlan>,
    keys: Vec<Arc<dyn PhysicalExpr>>,
    parts: usize,
) -> Result<Arc<dyn ExecutionPlan>> {
    let order = keys
        .iter()
        .map(|key| PhysicalSortExpr::new(Arc::clone(key), SortOptions::default()));
    let Some(order) = LexOrdering::new(order) else {
        return Err(ExactError::Internal("a join has keys".to_owned()).into());
    };
    let dealt: Arc<dyn ExecutionPlan> = match parts {
        1 => side,
        _ => Arc::new(RepartitionExec::try_new(
            side,
            Partitioning::Hash(keys, parts),
        )?),
    };
    Ok(Arc::new(
        SortExec::new(order, dealt).with_preserve_partitioning(true),
    ))
}

/// Rows that were read, and those that are still to come.
struct Given {
    read: VecDeque<(RecordBatch, usize)>,
    rest: Option<SendableRecordBatchStream>,
    held: MemoryReservation,
}

impl Given {
    fn plan(self, schema: SchemaRef) -> GivenRows {
        let rows = stream::try_unfold(self, |mut given| async move {
            if let Some((batch, bytes)) = given.read.pop_front() {
                // Whoever takes the batch counts it from now on.
                given.held.shrink(bytes);
                return Ok(Some((batch, given)));
            }
            let next = match &mut given.rest {
                Some(rest) => rest.next().await.transpose()?,
                None => None,
            };
            Ok(next.map(|batch| (batch, given)))
        });
        GivenRows::new(one_partition(EquivalenceProperties::new(schema)), rows)
    }
}

fn one_partition(equal: EquivalenceProperties) -> Arc<PlanProperties> {
    Arc::new(PlanProperties::new(
        equal,
        Partitioning::UnknownPartitioning(1),
        EmissionType::Incremental,
        Boundedness::Bounded,
    ))
}

/// One partition of a plan.
#[derive(Debug)]
struct OnePartition {
    input: Arc<dyn ExecutionPlan>,
    partition: usize,
    properties: Arc<PlanProperties>,
}

impl OnePartition {
    fn new(input: Arc<dyn ExecutionPlan>, partition: usize) -> OnePartition {
        OnePartition {
            properties: one_partition(input.equivalence_properties().clone()),
            input,
            partition,
        }
    }
}

impl DisplayAs for OnePartition {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OnePartitionExec: {}", self.partition)
    }
}

impl ExecutionPlan for OnePartition {
    fn name(&self) -> &str {
        "OnePartitionExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
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
        Ok(Arc::new(OnePartition::new(only(children)?, self.partition)))
    }

    fn execute(&self, _: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        self.input.execute(self.partition, context)
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::Int64Array;
    use arrow::util::pretty::pretty_format_batches;
    use datafusion::datasource::MemTable;
    use datafusion::execution::runtime_env::RuntimeEnv;
    use datafusion::physical_plan::collect;
    use datafusion::prelude::{SessionConfig, SessionContext};

    use super::*;
    use crate::session::{Settings, session_state};
    use crate::tables::{CATALOG, SCHEMA};

    /// `a` and `b`: keys, of which some are null and some have no partner, and numbers of rows, in small batches.
    fn context(threads: usize, whole: bool) -> SessionContext {
        let mut config = SessionConfig::new()
            .with_target_partitions(threads)
            .with_batch_size(8)
            .with_default_catalog_and_schema(CATALOG, SCHEMA);
        let state = session_state(
            &Settings::plain(),
            config.clone(),
            Arc::new(RuntimeEnv::default()),
        );
        config = state.config().clone();
        if !whole {
            let optimizer = &mut config.options_mut().optimizer;
            optimizer.hash_join_single_partition_threshold = 0;
            optimizer.hash_join_single_partition_threshold_rows = 0;
        }
        let state =
            datafusion::execution::session_state::SessionStateBuilder::new_from_existing(state)
                .with_config(config)
                .build();
        let context = SessionContext::new_with_state(state);
        for (name, rows, keys, from) in [("a", 60, 11, 0), ("b", 40, 9, 4)] {
            let batch = |at: i64| {
                let numbers = at * 5..at * 5 + 5;
                let key = |n: i64| (n % keys != 3).then_some(n % keys + from);
                let columns = [
                    (
                        "k",
                        Arc::new(numbers.clone().map(key).collect::<Int64Array>()) as ArrayRef,
                        true,
                    ),
                    (
                        "n",
                        Arc::new(numbers.map(Some).collect::<Int64Array>()) as ArrayRef,
                        true,
                    ),
                ];
                RecordBatch::try_from_iter_with_nullable(columns).expect("a batch")
            };
            let batches: Vec<_> = (0..rows / 5).map(batch).collect();
            let parts = batches.chunks(3).map(<[RecordBatch]>::to_vec).collect();
            let table = MemTable::try_new(batches[0].schema(), parts).expect("a table");
            context
                .register_table(name, Arc::new(table))
                .expect("registered");
        }
        context
    }

    async fn answer(context: &SessionContext, sql: &str, one: Option<usize>) -> String {
        let plan = context.sql(sql).await.expect("planned");
        let mut plan = plan.create_physical_plan().await.expect("planned");
        if let Some(one) = one {
            let share = Arc::new(Share {
                one,
                all: usize::MAX,
                held: AtomicUsize::new(0),
            });
            plan = fitting(plan, &share).expect("fits");
            let shown = format!("{plan:?}");
            assert!(
                shown.contains("FittingJoin") || sql.contains("not in"),
                "{shown}"
            );
            let rows = collect(plan, context.task_ctx()).await.expect("runs");
            assert_eq!(share.held.load(Ordering::Acquire), 0, "{sql}");
            return pretty_format_batches(&rows).expect("shown").to_string();
        }
        let rows = collect(plan, context.task_ctx()).await.expect("runs");
        pretty_format_batches(&rows).expect("shown").to_string()
    }

    /// Looked up in, merged from the first batch on, or merged after some: on one thread or more, dealt out or not.
    #[tokio::test]
    async fn every_join_gives_the_same_rows() {
        let sums = "count(*), sum(a.n), sum(b.n), sum(a.k), sum(a.n * b.n)";
        let of_a = "select count(*), sum(n), sum(k) from a where";
        let questions = [
            format!("select {sums} from a join b on a.k = b.k"),
            format!("select {sums} from a join b on a.k = b.k and a.n > b.n"),
            format!("select {sums} from a left join b on a.k = b.k and a.n > b.n"),
            format!("select {sums} from a right join b on a.k = b.k and a.n > b.n"),
            format!("select {sums} from a full join b on a.k = b.k and a.n + 30 < b.n"),
            format!("{of_a} exists (select 1 from b where b.k = a.k and b.n < a.n)"),
            format!("{of_a} not exists (select 1 from b where b.k = a.k and b.n < a.n)"),
            format!("{of_a} n > 50 or exists (select 1 from b where b.k = a.k and b.n < a.n)"),
            format!("{of_a} k not in (select k from b where k is not null)"),
            "select a.k, count(*), sum(b.n) from a join b on a.k = b.k join a c on c.k = b.k group by a.k order by a.k limit 3".to_owned(),
            "select count(*) from (select k from a except select k from b)".to_owned(),
            "select a.k, a.n, b.n, row_number() over (partition by a.k order by a.n, b.n) from a join b on a.k = b.k order by 1, 2, 3 limit 2".to_owned(),
        ];
        for sql in &questions {
            let want = answer(&context(1, true), sql, None).await;
            for (threads, whole) in [(1, true), (2, true), (3, false)] {
                let context = context(threads, whole);
                for one in [0, 700, usize::MAX] {
                    let got = answer(&context, sql, Some(one)).await;
                    assert_eq!(
                        got, want,
                        "{sql}, {threads} threads, whole {whole}, {one} bytes"
                    );
                }
            }
        }
    }
}
