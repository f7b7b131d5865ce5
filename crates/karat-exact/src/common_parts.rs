//! Parts of a plan that occur more than once, as a `with` does that is read twice, are computed once: the first that asks has them
//! computed, and all read the same rows.
//!
//! Parts are compared after the optimizer has pushed columns and conditions into each, and only whole ones that are equal are put
//! together. The rows are held in memory as far as a share of the limit goes, and in a file beyond it. Of a part that groups nothing and
//! has no window the rows are read again: to hold them could cost more than to read them.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::RecordBatch;
use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::common::runtime::SpawnedTask;
use datafusion::common::tree_node::{Transformed, TreeNodeRecursion};
use datafusion::common::{DFSchemaRef, DataFusionError, Result, Statistics};
use datafusion::config::ConfigOptions;
use datafusion::execution::context::QueryPlanner;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryLimit, MemoryReservation};
use datafusion::execution::{SpillFile, TaskContext};
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{
    Expr, Extension, LogicalPlan, UserDefinedLogicalNode, UserDefinedLogicalNodeCore,
};
use datafusion::physical_expr::EquivalenceProperties;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::execution_plan::{
    Boundedness, EmissionType, PlanProperties, replace_children_if_necessary,
};
use datafusion::physical_plan::metrics::{ExecutionPlanMetricsSet, SpillMetrics};
use datafusion::physical_plan::statistics::StatisticsArgs;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, PhysicalExpr,
    SendableRecordBatchStream, SpillManager, displayable,
};
use datafusion::physical_planner::{DefaultPhysicalPlanner, ExtensionPlanner, PhysicalPlanner};
use futures::future::{BoxFuture, Shared};
use futures::{FutureExt, StreamExt, TryStreamExt, stream};

use crate::error::ExactError;
use crate::nodes::only;
use crate::walks::{Walk, WalkPlan};

/// Of the memory that a query has, the part that rows of common parts may take before they go to a file.
const SHARE_OF_LIMIT: usize = 8;
/// The same where there is no limit.
const BYTES_WITHOUT_LIMIT: usize = 512 << 20;

/// The plan with its common parts marked.
pub(crate) fn marked(plan: &LogicalPlan) -> Result<LogicalPlan> {
    let mut seen: HashMap<LogicalPlan, usize> = HashMap::new();
    let mut recurs = false;
    plan.walk_with_subqueries(|node| {
        if matches!(node, LogicalPlan::RecursiveQuery(_)) {
            // Its parts are run again and again, each time over other rows.
            recurs = true;
            return Ok(TreeNodeRecursion::Stop);
        }
        if is_worth_it(node)? {
            *seen.entry(node.clone()).or_default() += 1;
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    seen.retain(|_, count| *count > 1);
    if recurs || seen.is_empty() {
        return Ok(plan.clone());
    }
    // A part of a part occurs as often as that one, and says nothing of its own.
    let mut whole: HashMap<LogicalPlan, usize> = HashMap::new();
    plan.walk_with_subqueries(|node| {
        if !seen.contains_key(node) {
            return Ok(TreeNodeRecursion::Continue);
        }
        *whole.entry(node.clone()).or_default() += 1;
        Ok(TreeNodeRecursion::Jump)
    })?;
    whole.retain(|_, count| *count > 1);
    let mut numbers: HashMap<LogicalPlan, usize> = HashMap::new();
    let marked = plan.clone().walk_down_with_subqueries(|node| {
        if !whole.contains_key(&node) {
            return Ok(Transformed::no(node));
        }
        let next = numbers.len() + 1;
        let number = *numbers.entry(node.clone()).or_insert(next);
        let node = Arc::new(CommonPart {
            number,
            input: node,
        });
        let node = LogicalPlan::Extension(Extension { node });
        Ok(Transformed::new(node, true, TreeNodeRecursion::Jump))
    })?;
    Ok(marked.data)
}

/// Whether a part computes so much that its rows are kept, and means the same wherever it stands.
fn is_worth_it(plan: &LogicalPlan) -> Result<bool> {
    // What it encloses is one, and its place takes nothing else.
    if matches!(plan, LogicalPlan::Subquery(_)) {
        return Ok(false);
    }
    let (mut computes, mut stands_alone) = (false, true);
    plan.walk_with_subqueries(|node| {
        computes |= matches!(
            node,
            LogicalPlan::Aggregate(_) | LogicalPlan::Distinct(_) | LogicalPlan::Window(_)
        );
        stands_alone &= !matches!(node, LogicalPlan::Extension(_));
        node.see_expressions(|expr| {
            stands_alone &= !expr.has(|part| {
                Ok(matches!(
                    part,
                    Expr::OuterReferenceColumn(..)
                        | Expr::ScalarSubquery(_)
                        | Expr::Exists(_)
                        | Expr::InSubquery(_)
                        | Expr::SetComparison(_)
                ))
            })?;
            Ok(TreeNodeRecursion::Continue)
        })?;
        Ok(match stands_alone {
            true => TreeNodeRecursion::Continue,
            false => TreeNodeRecursion::Stop,
        })
    })?;
    Ok(computes && stands_alone)
}

/// A part that occurs again elsewhere under the same number.
#[derive(Debug, PartialEq, Eq)]
struct CommonPart {
    number: usize,
    input: LogicalPlan,
}

impl Hash for CommonPart {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.number.hash(state);
    }
}

impl PartialOrd for CommonPart {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        self.number.partial_cmp(&other.number)
    }
}

impl UserDefinedLogicalNodeCore for CommonPart {
    fn name(&self) -> &str {
        "CommonPart"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        self.input.schema()
    }

    fn expressions(&self) -> Vec<Expr> {
        Vec::new()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "CommonPart: {}", self.number)
    }

    fn with_exprs_and_inputs(&self, _: Vec<Expr>, mut inputs: Vec<LogicalPlan>) -> Result<Self> {
        match (inputs.pop(), inputs.is_empty()) {
            (Some(input), true) => Ok(CommonPart {
                number: self.number,
                input,
            }),
            _ => Err(ExactError::Internal("a common part is one plan".to_owned()).into()),
        }
    }
}

/// Plans queries with their common parts computed once.
#[derive(Debug)]
pub(crate) struct OncePlanner;

#[async_trait]
impl QueryPlanner for OncePlanner {
    async fn create_physical_plan(
        &self,
        plan: &LogicalPlan,
        session: &dyn Session,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let parts = Arc::new(Parts::default());
        DefaultPhysicalPlanner::with_extension_planners(vec![parts])
            .create_physical_plan(&marked(plan)?, session)
            .await
    }
}

/// The rows of each part of one query.
#[derive(Default)]
struct Parts(Mutex<HashMap<usize, Arc<Rows>>>);

#[async_trait]
impl ExtensionPlanner for Parts {
    async fn plan_extension(
        &self,
        _: &dyn PhysicalPlanner,
        node: &dyn UserDefinedLogicalNode,
        _: &[&LogicalPlan],
        inputs: &[Arc<dyn ExecutionPlan>],
        _: &dyn Session,
        _: &PhysicalPlanningContext,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let (Some(part), [input]) = (node.as_any().downcast_ref::<CommonPart>(), inputs) else {
            return Ok(None);
        };
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let rows = all.entry(part.number).or_default();
        Ok(Some(Arc::new(Once::new(
            part.number,
            Arc::clone(input),
            Arc::clone(rows),
        ))))
    }
}

type Computed = Shared<BoxFuture<'static, Result<Arc<Vec<Arc<Partition>>>, Arc<DataFusionError>>>>;

/// What all occurrences of a part read, as often as they like: a join that does not fit begins its side anew. It is let go with the plan.
#[derive(Default)]
struct Rows(Mutex<Option<Computed>>);

struct Partition {
    batches: Vec<RecordBatch>,
    _held: MemoryReservation,
    /// What did not go into memory.
    rest: Option<(SpillManager, Arc<dyn SpillFile>)>,
}

/// A part of a plan that is computed when its first occurrence is read.
pub(crate) struct Once {
    number: usize,
    input: Arc<dyn ExecutionPlan>,
    rows: Arc<Rows>,
    properties: Arc<PlanProperties>,
}

impl Once {
    fn new(number: usize, input: Arc<dyn ExecutionPlan>, rows: Arc<Rows>) -> Once {
        // Of an order in its rows nobody above makes use: so no occurrence is planned otherwise than the others for it.
        let properties = PlanProperties::new(
            EquivalenceProperties::new(input.schema()),
            input.output_partitioning().clone(),
            EmissionType::Final,
            Boundedness::Bounded,
        );
        Once {
            number,
            input,
            rows,
            properties: Arc::new(properties),
        }
    }
}

impl fmt::Debug for Once {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Once")
            .field("number", &self.number)
            .field("input", &self.input)
            .finish_non_exhaustive()
    }
}

impl DisplayAs for Once {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OnceExec: part {}", self.number)
    }
}

impl ExecutionPlan for Once {
    fn name(&self) -> &str {
        "OnceExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
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
        let rows = Arc::clone(&self.rows);
        Ok(Arc::new(Once::new(self.number, only(children)?, rows)))
    }

    fn statistics_from_inputs(
        &self,
        inputs: &[Arc<Statistics>],
        _: &StatisticsArgs,
    ) -> Result<Arc<Statistics>> {
        Ok(inputs.first().map_or_else(
            || Arc::new(Statistics::new_unknown(&self.schema())),
            Arc::clone,
        ))
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let schema = self.schema();
        let mut computed = self.rows.0.lock().unwrap_or_else(PoisonError::into_inner);
        let computed = computed
            .get_or_insert_with(|| {
                let input = Arc::clone(&self.input);
                let computing = async move { kept(input, context).await.map_err(Arc::new) };
                computing.boxed().shared()
            })
            .clone();
        let rows = async move {
            let all = computed.await.map_err(DataFusionError::Shared)?;
            let rows = all.get(partition).ok_or_else(|| {
                let why = format!("a common part has no partition {partition}");
                DataFusionError::from(ExactError::Internal(why))
            })?;
            given(Arc::clone(rows))
        };
        let rows = stream::once(rows).try_flatten();
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, rows)))
    }
}

/// Computes a part: all its partitions, side by side.
async fn kept(
    input: Arc<dyn ExecutionPlan>,
    context: Arc<TaskContext>,
) -> Result<Arc<Vec<Arc<Partition>>>> {
    let partitions = input.output_partitioning().partition_count();
    let bytes = match context.memory_pool().memory_limit() {
        MemoryLimit::Finite(bytes) => bytes / SHARE_OF_LIMIT,
        _ => BYTES_WITHOUT_LIMIT,
    };
    let most = bytes / partitions.max(1);
    let tasks: Vec<_> = (0..partitions)
        .map(|partition| {
            let rows = input.execute(partition, Arc::clone(&context))?;
            let reading = held(rows, partition, most, Arc::clone(&context));
            Ok(SpawnedTask::spawn(reading))
        })
        .collect::<Result<_>>()?;
    let mut all = Vec::with_capacity(partitions);
    for task in tasks {
        let rows = task
            .join_unwind()
            .await
            .map_err(|error| DataFusionError::from(ExactError::Internal(error.to_string())))??;
        all.push(Arc::new(rows));
    }
    Ok(Arc::new(all))
}

async fn held(
    mut rows: SendableRecordBatchStream,
    partition: usize,
    most: usize,
    context: Arc<TaskContext>,
) -> Result<Partition> {
    let held =
        MemoryConsumer::new(format!("CommonPart[{partition}]")).register(context.memory_pool());
    let mut batches = Vec::new();
    let mut bytes = 0;
    while let Some(batch) = rows.try_next().await? {
        let more = batch.get_array_memory_size();
        if bytes + more <= most && held.try_grow(more).is_ok() {
            bytes += more;
            batches.push(batch);
            continue;
        }
        let (manager, file) = to_file(batch, rows, partition, &context).await?;
        return Ok(Partition {
            batches,
            _held: held,
            rest: Some((manager, file)),
        });
    }
    Ok(Partition {
        batches,
        _held: held,
        rest: None,
    })
}

async fn to_file(
    first: RecordBatch,
    mut rows: SendableRecordBatchStream,
    partition: usize,
    context: &TaskContext,
) -> Result<(SpillManager, Arc<dyn SpillFile>)> {
    let metrics = SpillMetrics::new(&ExecutionPlanMetricsSet::new(), partition);
    let manager = SpillManager::new(context.runtime_env(), metrics, rows.schema());
    let mut file = manager.create_in_progress_file("rows of a common part")?;
    file.append_batch(&first)?;
    while let Some(batch) = rows.try_next().await? {
        file.append_batch(&batch)?;
    }
    let file = file.finish()?.ok_or_else(|| {
        let why = "rows of a common part are in no file".to_owned();
        DataFusionError::from(ExactError::Internal(why))
    })?;
    Ok((manager, file))
}

fn given(rows: Arc<Partition>) -> Result<stream::BoxStream<'static, Result<RecordBatch>>> {
    let rest = match &rows.rest {
        Some((manager, file)) => manager
            .read_spill_as_stream(Arc::clone(file), None)?
            .boxed(),
        None => stream::empty().boxed(),
    };
    let held = stream::unfold((rows, 0), |(rows, next)| async move {
        let batch = rows.batches.get(next)?.clone();
        Some((Ok(batch), (rows, next + 1)))
    });
    Ok(held.chain(rest).boxed())
}

/// Takes those for what they were of which only one occurrence is left, or which are planned otherwise in one place than in another.
#[derive(Debug)]
pub(crate) struct CommonParts;

impl PhysicalOptimizerRule for CommonParts {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let mut found: HashMap<usize, Option<(usize, String)>> = HashMap::new();
        count(&plan, &mut found);
        if found.is_empty() {
            return Ok(plan);
        }
        agreeing(plan, &found)
    }

    fn name(&self) -> &str {
        "karat_common_parts"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// For each part how often it occurs and what it looks like; none if not everywhere the same.
fn count(plan: &Arc<dyn ExecutionPlan>, found: &mut HashMap<usize, Option<(usize, String)>>) {
    if let Some(once) = plan.downcast_ref::<Once>() {
        let input = &once.input;
        let looks = format!(
            "{:?}\n{}\n{}",
            input.schema(),
            input.output_partitioning(),
            displayable(input.as_ref()).indent(true)
        );
        let as_before = found.entry(once.number).or_insert(Some((0, looks.clone())));
        match as_before {
            Some((times, before)) if *before == looks => *times += 1,
            other => *other = None,
        }
        return;
    }
    for child in plan.children() {
        count(child, found);
    }
}

fn agreeing(
    plan: Arc<dyn ExecutionPlan>,
    found: &HashMap<usize, Option<(usize, String)>>,
) -> Result<Arc<dyn ExecutionPlan>> {
    if let Some(once) = plan.downcast_ref::<Once>() {
        return match found.get(&once.number) {
            Some(Some((times, _))) if *times > 1 => Ok(plan),
            _ => Ok(Arc::clone(&once.input)),
        };
    }
    let children = plan.children().into_iter().cloned();
    let children = children.map(|child| agreeing(child, found));
    replace_children_if_necessary(Arc::clone(&plan), children.collect::<Result<_>>()?)
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, Int64Array};
    use arrow::util::pretty::pretty_format_batches;
    use datafusion::datasource::MemTable;
    use datafusion::execution::memory_pool::FairSpillPool;
    use datafusion::execution::runtime_env::RuntimeEnvBuilder;
    use datafusion::execution::session_state::SessionStateBuilder;
    use datafusion::physical_plan::collect;
    use datafusion::prelude::{SessionConfig, SessionContext};
    use expect_test::expect;

    use super::*;
    use crate::session::{Settings, session_state};

    /// What karat's planner is compared with.
    #[derive(Debug)]
    struct EachTime;

    #[async_trait]
    impl QueryPlanner for EachTime {
        async fn create_physical_plan(
            &self,
            plan: &LogicalPlan,
            session: &dyn Session,
        ) -> Result<Arc<dyn ExecutionPlan>> {
            let planner = DefaultPhysicalPlanner::default();
            planner.create_physical_plan(plan, session).await
        }
    }

    fn context(threads: usize, limit: Option<usize>, once: bool) -> SessionContext {
        let mut runtime = RuntimeEnvBuilder::new();
        if let Some(bytes) = limit {
            runtime = runtime.with_memory_pool(Arc::new(FairSpillPool::new(bytes)));
        }
        let runtime = Arc::new(runtime.build().expect("a runtime"));
        let config = SessionConfig::new()
            .with_target_partitions(threads)
            .with_batch_size(512);
        let mut state = session_state(&Settings::plain(), config, runtime);
        if !once {
            state = SessionStateBuilder::new_from_existing(state)
                .with_query_planner(Arc::new(EachTime))
                .build();
        }
        let context = SessionContext::new_with_state(state);
        let batch = |at: i64| {
            let numbers = at * 500..at * 500 + 500;
            let columns = [
                (
                    "k",
                    Arc::new(numbers.clone().map(|n| n % 4_001).collect::<Int64Array>())
                        as ArrayRef,
                ),
                ("n", Arc::new(numbers.collect::<Int64Array>()) as ArrayRef),
            ];
            RecordBatch::try_from_iter(columns).expect("a batch")
        };
        let parts = vec![(0..9).map(batch).collect(), (9..16).map(batch).collect()];
        let table = MemTable::try_new(batch(0).schema(), parts).expect("a table");
        context
            .register_table("t", Arc::new(table))
            .expect("registered");
        context
    }

    /// The answer or its error, and whether parts were computed once, and went to a file.
    async fn answer(context: &SessionContext, sql: &str) -> (String, usize) {
        let plan = context.sql(sql).await.expect("planned");
        let plan = plan.create_physical_plan().await.expect("planned");
        let parts = format!("{plan:?}").matches("Once {").count();
        let rows = collect(plan, context.task_ctx()).await;
        let told = match rows {
            Ok(rows) => pretty_format_batches(&rows).expect("shown").to_string(),
            Err(error) => ExactError::from(error).to_string(),
        };
        (told, parts)
    }

    /// In memory and in a file, on one thread and on more, read to the end and not: as if each had been computed where it stands.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_is_computed_once_is_what_is_computed_each_time() {
        let sums = "with s as (select k, sum(n) as n, count(*) as c from t group by k)";
        let questions = [
            format!("{sums} select count(*), sum(a.n), sum(b.c) from s a join s b on a.k = b.k + 1"),
            format!("{sums} select k, n from s where n = (select max(n) from s)"),
            format!("{sums} select count(*), sum(a.n + b.n + c.n) from s a join s b on a.k = b.k join s c on c.k = b.n"),
            format!("{sums} select count(*), sum(n) from (select n from s union all select n + 0 from s) u"),
            format!("{sums} select k, n from s where exists (select 1 from s o where o.n < s.k) order by k limit 3"),
            format!("{sums} select sum(n) from s"),
            "select a.n, b.n from t a join t b on a.k = b.n order by a.n, b.n limit 2".to_owned(),
            "with s as (select k, 1 / (k - 4000) as q, count(*) as c from t group by k) select count(*), sum(a.q) from s a join s b on a.q = b.q".to_owned(),
            "with w as (select k, n, row_number() over (partition by k order by n) as r from t) select count(*), sum(a.n) from w a join w b on a.k = b.k and a.r = b.r + 1".to_owned(),
            "select sum(n) as s from t where n > (select sum(k) / 4000 from t) union all select sum(k) from t where k < (select sum(k) / 4000 from t) order by 1".to_owned(),
        ];
        let mut parts = String::new();
        for sql in &questions {
            for threads in [1, 3] {
                let (want, none) = answer(&context(threads, None, false), sql).await;
                assert_eq!(none, 0, "{sql}");
                for limit in [None, Some(24 << 20), Some(1 << 20)] {
                    // Sorts and joins of several threads take more, whoever computes them.
                    let is_small = limit == Some(1 << 20) && sql.contains("join s c");
                    if is_small || (limit.is_some() && sql.contains("over (")) {
                        continue;
                    }
                    let (got, found) = answer(&context(threads, limit, true), sql).await;
                    assert_eq!(got, want, "{sql}, {threads} threads, {limit:?}");
                    if (threads, limit) == (3, None) {
                        parts += &format!("{found} ");
                    }
                }
            }
        }
        expect!["0 2 3 2 2 0 0 2 2 0 "].assert_eq(&parts);
    }
}
