//! Unions one after the other: DataFusion reads all sides of a union at once, each on the threads that one would take, and each scan keeps
//! pages of its own. Here a thread reads its part of one side and then its part of the next, so that a union of ten sides takes the
//! memory of one.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::config::ConfigOptions;
use datafusion::execution::TaskContext;
use datafusion::physical_expr::{EquivalenceProperties, Partitioning};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::execution_plan::{
    Boundedness, EmissionType, PlanProperties, replace_children_if_necessary,
};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::union::UnionExec;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, PhysicalExpr,
    SendableRecordBatchStream,
};
use futures::{StreamExt, TryStreamExt, stream};

/// The rule.
#[derive(Debug)]
pub(crate) struct UnionsInTurn;

impl PhysicalOptimizerRule for UnionsInTurn {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let children = plan.children();
        if children.is_empty() {
            return Ok(plan);
        }
        let below = children.into_iter().cloned();
        let below = below
            .map(|child| self.optimize(child, config))
            .collect::<Result<Vec<_>>>()?;
        let plan = replace_children_if_necessary(plan, below)?;
        let threads = config.execution.target_partitions;
        let crowded = plan.is::<UnionExec>()
            && plan.output_partitioning().partition_count() > threads
            // Whoever asked for sorted sides merges them.
            && plan.output_ordering().is_none();
        Ok(match crowded {
            true => Arc::new(InTurn::new(
                plan.children().into_iter().cloned().collect(),
                plan.schema(),
            )),
            false => plan,
        })
    }

    fn name(&self) -> &str {
        "karat_unions_in_turn"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// Inputs of one schema, one after the other in each partition.
#[derive(Debug)]
struct InTurn {
    inputs: Vec<Arc<dyn ExecutionPlan>>,
    properties: Arc<PlanProperties>,
}

impl InTurn {
    fn new(inputs: Vec<Arc<dyn ExecutionPlan>>, schema: arrow::datatypes::SchemaRef) -> InTurn {
        let parts = inputs
            .iter()
            .map(|input| input.output_partitioning().partition_count());
        let properties = PlanProperties::new(
            EquivalenceProperties::new(schema),
            Partitioning::UnknownPartitioning(parts.max().unwrap_or(1)),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        InTurn {
            inputs,
            properties: Arc::new(properties),
        }
    }
}

impl DisplayAs for InTurn {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("InTurnExec")
    }
}

impl ExecutionPlan for InTurn {
    fn name(&self) -> &str {
        "InTurnExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        self.inputs.iter().collect()
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false; self.inputs.len()]
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
        Ok(Arc::new(InTurn::new(children, self.schema())))
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let has = |input: &&Arc<dyn ExecutionPlan>| {
            partition < input.output_partitioning().partition_count()
        };
        let inputs: Vec<_> = self.inputs.iter().filter(has).cloned().collect();
        let schema = self.schema();
        // Each begins when the one before it has ended.
        let rows = stream::iter(inputs)
            .map(move |input| input.execute(partition, Arc::clone(&context)))
            .try_flatten();
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, rows)))
    }
}
