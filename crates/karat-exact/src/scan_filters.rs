//! Filters go down to the files that they prune, and no further.
//!
//! DataFusion's rule follows a column through a projection by its name, so that of two columns `k` above a join it may take the other,
//! and drops the filter: `t1 right join t2 on t1.k = t2.k where t1.k + 0 > 1` kept rows without a t1. So it is asked only about a filter
//! with one way down to its rows, on which no two columns share a name. All else was pushed by the rules before.

use std::collections::HashSet;
use std::sync::Arc;

use crate::walks::Walk;
use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNodeRecursion};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::filter_pushdown::FilterPushdown;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::filter::FilterExec;

/// DataFusion's rules of this name are replaced.
pub(crate) const REPLACED: &str = "FilterPushdown";
/// The one of them that serves filters made while a query runs, which karat has switched off.
pub(crate) const NOT_NEEDED: &str = "FilterPushdown(Post)";

/// Tells scans which rows are asked for.
#[derive(Debug)]
pub(crate) struct ScanFilters;

impl PhysicalOptimizerRule for ScanFilters {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let rule = FilterPushdown::new();
        plan.walk_down(|node| {
            if node.downcast_ref::<FilterExec>().is_none() || !has_one_way(&node) {
                return Ok(Transformed::no(node));
            }
            let pushed = rule.optimize(node, config)?;
            Ok(Transformed::new(pushed, true, TreeNodeRecursion::Jump))
        })
        .map(|transformed| transformed.data)
    }

    fn name(&self) -> &str {
        "karat_scan_filters"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

fn has_one_way(plan: &Arc<dyn ExecutionPlan>) -> bool {
    let mut node = plan;
    loop {
        let schema = node.schema();
        let mut names = HashSet::new();
        if !schema
            .fields()
            .iter()
            .all(|field| names.insert(field.name()))
        {
            return false;
        }
        match node.children().as_slice() {
            [] => return true,
            [child] => node = child,
            _ => return false,
        }
    }
}
