//! DataFusion's rule that leaves out joins which change no row of the answer, held back where something in a join can fail: with the
//! join goes its condition, and the error that would be part of the answer (rule E5).

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TreeNodeRecursion};
use datafusion::logical_expr::LogicalPlan;
use datafusion::optimizer::optimizer::ApplyOrder;
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};

use crate::rows::can_fail;

/// The rule's name.
pub(crate) const ELIMINATE_JOIN: &str = "eliminate_join";

/// The rule, where no join can fail.
#[derive(Debug)]
pub(crate) struct KeptJoins {
    pub(crate) inner: Arc<dyn OptimizerRule + Send + Sync>,
}

impl OptimizerRule for KeptJoins {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        self.inner.apply_order()
    }

    fn rewrite(
        &self,
        plan: LogicalPlan,
        config: &dyn OptimizerConfig,
    ) -> Result<Transformed<LogicalPlan>> {
        if a_join_can_fail(&plan)? {
            return Ok(Transformed::no(plan));
        }
        self.inner.rewrite(plan, config)
    }
}

fn a_join_can_fail(plan: &LogicalPlan) -> Result<bool> {
    let mut found = false;
    plan.apply_with_subqueries(|node| {
        if matches!(node, LogicalPlan::Join(_)) {
            node.apply_with_subqueries(|below| {
                below.apply_expressions(|expr| {
                    found |= can_fail(expr);
                    Ok(TreeNodeRecursion::Continue)
                })
            })?;
            return Ok(TreeNodeRecursion::Jump);
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(found)
}
