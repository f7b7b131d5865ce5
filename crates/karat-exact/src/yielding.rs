//! Joins that let others in: one that makes many rows of few would otherwise hold its thread until its end, also when nobody waits for it.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::config::ConfigOptions;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::execution_plan::replace_children_if_necessary;
use datafusion::physical_plan::joins::{CrossJoinExec, NestedLoopJoinExec};

/// Puts a point where work can stop above each join without equality.
#[derive(Debug)]
pub(crate) struct YieldingJoins;

impl PhysicalOptimizerRule for YieldingJoins {
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
            let child = self.optimize(child.clone(), config)?;
            let multiplies = child.is::<CrossJoinExec>() || child.is::<NestedLoopJoinExec>();
            below.push(match multiplies {
                true => Arc::new(CooperativeExec::new(child)) as Arc<dyn ExecutionPlan>,
                false => child,
            });
        }
        replace_children_if_necessary(plan, below)
    }

    fn name(&self) -> &str {
        "karat_yielding_joins"
    }

    fn schema_check(&self) -> bool {
        true
    }
}
