//! Grouping on dictionary codes as an operator over an ordinary scan, and the rule that puts it in place of DataFusion's grouping.
//!
//! Below it in the plan stands the scan as it was, so that a plan can be taken apart and sent elsewhere; only where the operator runs
//! and finds local Parquet files does it read their pages itself. It keeps the plan that it replaces and runs that whenever its own
//! way comes to an end: for an encoding that it does not know, too many groups, too little memory, or any error.

use std::fmt;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNodeRecursion};
use datafusion::common::{DataFusionError, Result};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileScanConfig, FileSource, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::MemoryConsumer;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::projection::{ProjectionExpr, update_expr};
use datafusion::physical_expr::utils::reassign_expr_columns;
use datafusion::physical_expr::{EquivalenceProperties, Partitioning, ScalarFunctionExpr};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::pruning::PruningPredicateBuilder;
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateMode};
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    ChildrenPropertiesMode, DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties,
    PhysicalExpr, PlanProperties, ReplaceChildrenOptions, SendableRecordBatchStream,
};
use futures::{StreamExt, TryStreamExt};
use tokio::task::JoinSet;

use crate::error::ExactError;
use crate::grouped_pages::{
    Aggregated, Condition, Derived, Grouping, Part, Queue, ValueColumn, reads,
};
use crate::groups::KeyValues;
use crate::guesses::{physical_part, ranges_of};
use crate::tables::ONE_ZERO;
use crate::walks::Walk;

/// The part of rows that a condition must be guessed to leave: of few, statistics of pages spare the ordinary plan more.
const MANY: f64 = 0.3;

/// Groups the rows of a scan of Parquet files.
#[derive(Debug)]
pub(crate) struct DictionaryAggregateExec {
    grouping: Arc<Grouping>,
    scan: Arc<dyn ExecutionPlan>,
    /// The plan that this replaces, over the same scan.
    ordinary: Arc<dyn ExecutionPlan>,
    properties: Arc<PlanProperties>,
}

impl DictionaryAggregateExec {
    fn new(
        grouping: Arc<Grouping>,
        scan: Arc<dyn ExecutionPlan>,
        ordinary: Arc<dyn ExecutionPlan>,
    ) -> DictionaryAggregateExec {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(ordinary.schema()),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Final,
            Boundedness::Bounded,
        );
        DictionaryAggregateExec {
            grouping,
            scan,
            ordinary,
            properties: Arc::new(properties),
        }
    }
}

impl DisplayAs for DictionaryAggregateExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<&str> = self
            .grouping
            .keys
            .iter()
            .map(|(name, _)| name.as_str())
            .collect();
        let aggregates = self.grouping.aggregates.iter();
        let aggregates: Vec<&str> = aggregates.map(|a| a.function.name()).collect();
        let (keys, aggregates) = (keys.join(", "), aggregates.join(", "));
        write!(
            f,
            "DictionaryAggregateExec: gby=[{keys}], aggr=[{aggregates}]"
        )?;
        match &self.grouping.condition {
            Some(_) => f.write_str(", filtered"),
            None => Ok(()),
        }
    }
}

impl ExecutionPlan for DictionaryAggregateExec {
    fn name(&self) -> &str {
        "DictionaryAggregateExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.scan]
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false]
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        let condition = self
            .grouping
            .condition
            .iter()
            .map(|condition| &condition.expr);
        let aggregates = self.grouping.aggregates.iter();
        let asked = aggregates.flat_map(|aggregate| aggregate.args.iter().chain(&aggregate.filter));
        for expr in condition.chain(asked) {
            if f(expr)? == TreeNodeRecursion::Stop {
                return Ok(TreeNodeRecursion::Stop);
            }
        }
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let [scan] = children.as_slice() else {
            return Err(ExactError::Internal("a grouping has one input".to_owned()).into());
        };
        let replaced = self.ordinary.clone().walk_down(|node| {
            Ok(match Arc::ptr_eq(&node, &self.scan) {
                true => Transformed::new(scan.clone(), true, TreeNodeRecursion::Stop),
                false => Transformed::no(node),
            })
        })?;
        Ok(Arc::new(DictionaryAggregateExec::new(
            self.grouping.clone(),
            scan.clone(),
            replaced.data,
        )))
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let recompute = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
        self.replace_children(children, recompute)
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        if partition != 0 {
            return Err(ExactError::Internal("a grouping has one partition".to_owned()).into());
        }
        let schema = self.schema();
        let (grouping, ordinary) = (self.grouping.clone(), self.ordinary.clone());
        let (files, parts) = files_of(&self.scan);
        let to = schema.clone();
        let rows = async move {
            let of_pages = match files {
                Some(files) => grouped(&grouping, files, parts, &context).await,
                None => Err(DataFusionError::NotImplemented(
                    "no Parquet scan".to_owned(),
                )),
            };
            let all = of_pages.and_then(|part| part.finish(&to));
            let rows: Result<_> = match all {
                Ok(all) => Ok(pieces(all, context.session_config().batch_size())),
                Err(error) => {
                    tracing::debug!("grouping from pages ends: {error}");
                    Ok(ordinary.execute(0, context)?.left_stream())
                }
            };
            rows
        };
        let rows = futures::stream::once(rows).try_flatten();
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, rows)))
    }
}

/// The rows in batches of the size that operators expect.
fn pieces(
    all: RecordBatch,
    rows: usize,
) -> futures::future::Either<
    SendableRecordBatchStream,
    impl futures::Stream<Item = Result<RecordBatch>>,
> {
    let rows = rows.max(1);
    let starts = (0..all.num_rows()).step_by(rows);
    let pieces: Vec<Result<RecordBatch>> = starts
        .map(|start| Ok(all.slice(start, rows.min(all.num_rows() - start))))
        .collect();
    futures::stream::iter(pieces).right_stream()
}

async fn grouped(
    grouping: &Arc<Grouping>,
    files: Vec<PartitionedFile>,
    parts: usize,
    context: &Arc<TaskContext>,
) -> Result<Part> {
    let queue = Arc::new(Queue::new(files));
    let mut tasks = JoinSet::new();
    for _ in 0..parts.max(1) {
        let memory = MemoryConsumer::new("DictionaryAggregateExec").register(context.memory_pool());
        tasks.spawn(Part::new(grouping.clone())?.work(queue.clone(), memory));
    }
    let mut all: Option<Part> = None;
    while let Some(part) = tasks.join_next().await {
        let part = match part {
            Ok(part) => part?,
            // A defect: whoever tests is to see it, whoever asks has an answer.
            Err(error) if cfg!(debug_assertions) && error.is_panic() => {
                std::panic::resume_unwind(error.into_panic())
            }
            Err(error) => return Err(DataFusionError::External(Box::new(error))),
        };
        match &mut all {
            None => all = Some(part),
            Some(all) => all.absorb(part)?,
        }
    }
    all.ok_or_else(|| ExactError::Internal("a grouping without parts".to_owned()).into())
}

/// The groups of the one grouping on codes in a plan, and the columns that they make; an error if there is none.
pub(crate) async fn the_grouping(
    plan: &Arc<dyn ExecutionPlan>,
    context: &Arc<TaskContext>,
) -> Result<(Part, SchemaRef)> {
    let mut below = plan;
    loop {
        if let Some(operator) = below.downcast_ref::<DictionaryAggregateExec>()
            && let (Some(files), parts) = files_of(&operator.scan)
        {
            let part = grouped(&operator.grouping, files, parts, context).await?;
            return Ok((part, operator.schema()));
        }
        below = match below.children().as_slice() {
            [child] => child,
            _ => return Err(ExactError::Internal("a plan without a grouping".to_owned()).into()),
        };
    }
}

/// The local Parquet files of a scan, side by side over its partitions, and how many those are.
fn files_of(scan: &Arc<dyn ExecutionPlan>) -> (Option<Vec<PartitionedFile>>, usize) {
    let parts = scan.output_partitioning().partition_count();
    let files = parquet_scan(scan).map(|(config, _)| {
        let groups = &config.file_groups;
        let longest = groups.iter().map(|group| group.len()).max().unwrap_or(0);
        let at = |index: usize| {
            groups
                .iter()
                .filter_map(move |group| group.files().get(index))
        };
        (0..longest).flat_map(at).cloned().collect()
    });
    (files, parts)
}

/// What a scan reads, if it is one of local Parquet files, whole; what it is asked to prune by stands above it as well.
fn parquet_scan(plan: &Arc<dyn ExecutionPlan>) -> Option<(&FileScanConfig, &ParquetSource)> {
    let scan = plan.downcast_ref::<DataSourceExec>()?;
    let (config, source) = scan.downcast_to_file_source::<ParquetSource>()?;
    let plain = config.limit.is_none()
        && config.object_store_url == ObjectStoreUrl::local_filesystem()
        && source.table_schema().table_partition_cols().is_empty();
    plain.then_some((config, source))
}

/// Puts the operator in place of groupings that it can do; the last rule but the check of the plan.
#[derive(Debug)]
pub(crate) struct GroupOnCodes;

impl PhysicalOptimizerRule for GroupOnCodes {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let replaced = plan.walk_down(|node| {
            Ok(match replacement(&node)? {
                Some(operator) => Transformed::new(operator, true, TreeNodeRecursion::Jump),
                None => Transformed::no(node),
            })
        })?;
        Ok(replaced.data)
    }

    fn name(&self) -> &str {
        "karat_group_on_codes"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

fn replacement(node: &Arc<dyn ExecutionPlan>) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let Some(outer) = node.downcast_ref::<AggregateExec>() else {
        return Ok(None);
    };
    let Some(inner) = first_stage(outer) else {
        return Ok(None);
    };
    let Some((grouping, scan)) = grouping_of(inner)? else {
        return Ok(None);
    };
    let partitioning = node.output_partitioning().clone();
    let ordinary: Arc<dyn ExecutionPlan> = match partitioning.partition_count() {
        1 => node.clone(),
        _ => Arc::new(CoalescePartitionsExec::new(node.clone())),
    };
    let operator: Arc<dyn ExecutionPlan> = Arc::new(DictionaryAggregateExec::new(
        Arc::new(grouping),
        scan,
        ordinary,
    ));
    Ok(Some(match partitioning {
        Partitioning::UnknownPartitioning(1) => operator,
        other if other.partition_count() == 1 => operator,
        Partitioning::Hash(exprs, count) => {
            let hash = Partitioning::Hash(exprs, count);
            Arc::new(RepartitionExec::try_new(operator, hash)?)
        }
        other => {
            let dealt = Partitioning::RoundRobinBatch(other.partition_count());
            Arc::new(RepartitionExec::try_new(operator, dealt)?)
        }
    }))
}

/// The stage of a grouping that reads rows; there may be another above it.
fn first_stage(outer: &AggregateExec) -> Option<&AggregateExec> {
    let plain = |stage: &AggregateExec| {
        stage.limit_options().is_none()
            && stage.group_expr().is_single()
            && !stage.group_expr().is_empty()
    };
    if !plain(outer) {
        return None;
    }
    match outer.mode() {
        AggregateMode::Single | AggregateMode::SinglePartitioned => Some(outer),
        AggregateMode::Final | AggregateMode::FinalPartitioned => {
            let mut below = outer.input();
            while below.downcast_ref::<RepartitionExec>().is_some()
                || below.downcast_ref::<CoalescePartitionsExec>().is_some()
            {
                below = below.children().first().copied()?;
            }
            let inner = below.downcast_ref::<AggregateExec>()?;
            let partial = *inner.mode() == AggregateMode::Partial;
            (partial && plain(inner)).then_some(inner)
        }
        _ => None,
    }
}

/// What a stage groups by what, in columns of files, and the scan of those.
fn grouping_of(stage: &AggregateExec) -> Result<Option<(Grouping, Arc<dyn ExecutionPlan>)>> {
    let functions = stage.aggr_expr();
    let supported = functions.iter().all(|function| {
        !function.is_distinct()
            && function.order_bys().is_empty()
            && function.groups_accumulator_supported()
    });
    if !supported {
        return Ok(None);
    }
    // All expressions, down to the columns of the table.
    let keys: Vec<Arc<dyn PhysicalExpr>> = stage.group_expr().input_exprs();
    let args: Vec<Vec<Arc<dyn PhysicalExpr>>> = functions.iter().map(|f| f.expressions()).collect();
    let filters = stage.filter_expr();
    let mut all: Vec<Arc<dyn PhysicalExpr>> = keys.clone();
    all.extend(args.iter().flatten().cloned());
    all.extend(filters.iter().flatten().cloned());
    let mut below = stage.input().clone();
    let mut is_filtered = false;
    let (scan, table, pruned_by) = loop {
        if let Some((config, source)) = parquet_scan(&below) {
            if source.filter().is_some() && !is_filtered {
                return Ok(None);
            }
            if let Some(projection) = source.projection() {
                substitute(&mut all, projection.as_ref())?;
            }
            break (below.clone(), config.file_schema().clone(), source.filter());
        }
        if let Some(projection) = below.downcast_ref::<ProjectionExec>() {
            substitute(&mut all, projection.expr())?;
        } else if let Some(filter) = below.downcast_ref::<FilterExec>() {
            let ranges = ranges_of(filter.input());
            let range = |at: usize| ranges.get(at).copied().flatten();
            let leaves = physical_part(filter.predicate(), &range);
            if is_filtered || filter.fetch().is_some() || leaves < MANY {
                return Ok(None);
            }
            if let Some(projection) = filter.projection() {
                let schema = filter.input().schema();
                let columns = projection.iter().map(|at| {
                    let name = schema.field(*at).name();
                    ProjectionExpr::new(Arc::new(Column::new(name, *at)), name)
                });
                substitute(&mut all, &columns.collect::<Vec<_>>())?;
            }
            is_filtered = true;
            all.push(filter.predicate().clone());
        } else if !below.downcast_ref::<RepartitionExec>().is_some_and(deals) {
            return Ok(None);
        }
        let Some(child) = below.children().first().map(|child| (*child).clone()) else {
            return Ok(None);
        };
        below = child;
    };
    let mut key_columns = Vec::new();
    for key in all.drain(..keys.len()) {
        let Some(field) = key
            .downcast_ref::<Column>()
            .and_then(|c| table.fields().get(c.index()))
        else {
            return Ok(None);
        };
        if KeyValues::of_type(field.data_type()).is_none() {
            return Ok(None);
        }
        key_columns.push((field.name().clone(), field.data_type().clone()));
    }
    let mut known = Known::default();
    let mut exprs = Vec::new();
    for expr in all {
        let Some(expr) = known.over_columns(expr, &table)? else {
            return Ok(None);
        };
        exprs.push(expr);
    }
    let Known { columns, derived } = known;
    let mut fields: Vec<Field> = columns
        .iter()
        .enumerate()
        .map(|(at, c)| c.field(at))
        .collect();
    for (at, derived) in derived.iter().enumerate() {
        let data_type = derived.expr.data_type(&derived.schema)?;
        fields.push(Field::new(derived_name(at), data_type, true));
    }
    let schema = Arc::new(Schema::new(fields));
    let exprs = exprs
        .into_iter()
        .map(|expr| reassign_expr_columns(expr, &schema));
    let exprs = exprs.collect::<Result<Vec<_>>>()?;
    let mut exprs = exprs.into_iter();
    let mut aggregates = Vec::new();
    for (function, args) in functions.iter().zip(&args) {
        aggregates.push(Aggregated {
            function: function.clone(),
            args: exprs.by_ref().take(args.len()).collect(),
            filter: None,
        });
    }
    for (aggregate, filter) in aggregates.iter_mut().zip(filters) {
        if filter.is_some() {
            aggregate.filter = exprs.next();
        }
    }
    let condition = match exprs.next().filter(|_| is_filtered) {
        Some(expr) => Some(Condition {
            expr,
            pruning: pruned_by
                .map(|filter| {
                    PruningPredicateBuilder::new()
                        .with_file_schema(table.clone())
                        .try_build(filter)
                })
                .transpose()?,
        }),
        None => None,
    };
    let grouping = Grouping {
        condition,
        keys: key_columns,
        columns,
        derived,
        schema,
        aggregates,
    };
    Ok(Some((grouping, scan)))
}

/// Whether rows are dealt out as they come: who gets them makes no difference.
fn deals(repartition: &RepartitionExec) -> bool {
    matches!(repartition.partitioning(), Partitioning::RoundRobinBatch(_))
}

fn substitute(exprs: &mut [Arc<dyn PhysicalExpr>], projected: &[ProjectionExpr]) -> Result<()> {
    for expr in exprs {
        if let Some(below) = update_expr(expr, projected, true)? {
            *expr = below;
        }
    }
    Ok(())
}

/// The columns that expressions read.
#[derive(Default)]
struct Known {
    columns: Vec<ValueColumn>,
    derived: Vec<Derived>,
}

fn derived_name(at: usize) -> String {
    format!("d{at}")
}

impl Known {
    /// The expression over value columns and what is derived from one of them, by name; none if a column cannot be read.
    fn over_columns(
        &mut self,
        expr: Arc<dyn PhysicalExpr>,
        table: &Schema,
    ) -> Result<Option<Arc<dyn PhysicalExpr>>> {
        let mut readable = true;
        let over = expr.walk_down(|node| {
            let leaves = leaves(&node, table)?;
            let Some([first, others @ ..]) = leaves.as_deref() else {
                readable &= leaves.is_some();
                return Ok(Transformed::no(node));
            };
            if others.iter().any(|other| other != first) {
                return Ok(Transformed::no(node));
            }
            let column = self.column(first);
            if leaf(&node, table).is_some() {
                return Ok(Transformed::new(
                    column_expr(column),
                    true,
                    TreeNodeRecursion::Jump,
                ));
            }
            let expr = node.walk_down(|inner| {
                Ok(match leaf(&inner, table) {
                    Some(_) => Transformed::new(
                        Arc::new(Column::new(&ValueColumn::expr_name(column), 0)) as _,
                        true,
                        TreeNodeRecursion::Jump,
                    ),
                    None => Transformed::no(inner),
                })
            })?;
            self.derived.push(Derived {
                column,
                expr: expr.data,
                schema: Arc::new(Schema::new(vec![first.field(column)])),
            });
            let name = derived_name(self.derived.len() - 1);
            let derived: Arc<dyn PhysicalExpr> = Arc::new(Column::new(&name, 0));
            Ok(Transformed::new(derived, true, TreeNodeRecursion::Jump))
        })?;
        Ok(readable.then_some(over.data))
    }

    fn column(&mut self, wanted: &ValueColumn) -> usize {
        let at = self.columns.iter().position(|known| known == wanted);
        at.unwrap_or_else(|| {
            self.columns.push(wanted.clone());
            self.columns.len() - 1
        })
    }
}

fn column_expr(at: usize) -> Arc<dyn PhysicalExpr> {
    Arc::new(Column::new(&ValueColumn::expr_name(at), at))
}

/// The column of a file that an expression is, as queries see it.
fn leaf(node: &Arc<dyn PhysicalExpr>, table: &Schema) -> Option<ValueColumn> {
    let function = node.downcast_ref::<ScalarFunctionExpr>();
    let one_zero = function
        .filter(|f| f.name() == ONE_ZERO)
        .and_then(|f| f.args().first());
    let column = one_zero.unwrap_or(node).downcast_ref::<Column>()?;
    let field = table.fields().get(column.index())?;
    Some(ValueColumn {
        name: field.name().clone(),
        data_type: field.data_type().clone(),
        one_zero: one_zero.is_some() && *field.data_type() == DataType::Float64,
    })
}

/// The columns of files that an expression reads; none if one of them cannot be read here.
fn leaves(expr: &Arc<dyn PhysicalExpr>, table: &Schema) -> Result<Option<Vec<ValueColumn>>> {
    let mut found = Some(Vec::new());
    expr.walk(|node| {
        let column = leaf(node, table);
        if column.is_none() && node.downcast_ref::<Column>().is_none() {
            return Ok(TreeNodeRecursion::Continue);
        }
        match (&mut found, column.filter(|column| reads(&column.data_type))) {
            (Some(found), Some(column)) => found.push(column),
            _ => found = None,
        }
        Ok(TreeNodeRecursion::Jump)
    })?;
    Ok(found)
}
