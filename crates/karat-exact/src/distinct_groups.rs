//! Aggregates of distinct values as aggregates over groups, which spill where a set of values of one aggregate would not fit.
//!
//! The rule is DataFusion's, held back where it is wrong or no gain: beside the distinct values it would take any `sum`, `min` or `max`
//! apart by its name, and sums of rounded sums are not the sum; and of what is neither counted nor added the order may matter.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::tree_node::Transformed;
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::optimizer::optimizer::ApplyOrder;
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};

/// The rule's name.
pub(crate) const SINGLE_DISTINCT: &str = "single_distinct_aggregation_to_group_by";
/// Aggregates whose value is that of their distinct values, in any order.
const ANY_ORDER: [&str; 5] = ["count", "karat_sum", "karat_avg", "min", "max"];

/// The rule, where all aggregates are of distinct values.
#[derive(Debug)]
pub(crate) struct DistinctGroups {
    pub(crate) inner: Arc<dyn OptimizerRule + Send + Sync>,
}

impl OptimizerRule for DistinctGroups {
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
        let distinct = |expr: &Expr| match expr {
            Expr::AggregateFunction(call) => {
                call.params.distinct
                    && call.params.args.len() == 1
                    && ANY_ORDER.contains(&call.func.name())
            }
            _ => false,
        };
        match &plan {
            LogicalPlan::Aggregate(aggregate) if aggregate.aggr_expr.iter().all(distinct) => {
                self.inner.rewrite(plan, config)
            }
            _ => Ok(Transformed::no(plan)),
        }
    }
}
