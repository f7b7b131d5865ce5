//! Groups by the key of a join below them: where both sides of the join are dealt out by that key, all rows of a group meet in one place,
//! and are grouped once. Else each thread groups what it reads, and what it has of each group is dealt out and grouped again, which takes
//! longer where there are many groups.

use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{JoinType, Result};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateMode};
use datafusion::physical_plan::execution_plan::replace_children_if_necessary;
use datafusion::physical_plan::joins::{HashJoinExec, PartitionMode};
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::statistics::{StatisticsArgs, StatisticsContext};
use datafusion::physical_plan::{ExecutionPlan, PhysicalExpr};

use crate::walks::Walk;

/// Fewer groups are soon put together.
const MANY: usize = 1 << 16;

/// The rule; after the sides of joins are chosen, and before rows are dealt out for what asks for it.
#[derive(Debug)]
pub(crate) struct JoinedGroups;

impl PhysicalOptimizerRule for JoinedGroups {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if config.execution.target_partitions < 2 {
            return Ok(plan);
        }
        let changed = plan.walk_down(|node| {
            let Some(partial) = node.downcast_ref::<AggregateExec>() else {
                return Ok(Transformed::no(node));
            };
            if *partial.mode() != AggregateMode::Partial || !partial.group_expr().is_single() {
                return Ok(Transformed::no(node));
            }
            let keys = partial.group_expr().expr().iter();
            let keys = keys.map(|(expr, _)| Arc::clone(expr)).collect();
            Ok(match dealt_out(partial.input(), keys)? {
                Some(input) => Transformed::yes(replace_children_if_necessary(node, vec![input])?),
                None => Transformed::no(node),
            })
        })?;
        Ok(changed.data)
    }

    fn name(&self) -> &str {
        "karat_joined_groups"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// The input of a grouping by these keys, its join with both sides dealt out by its key; none if that is no part of theirs.
fn dealt_out(
    input: &Arc<dyn ExecutionPlan>,
    keys: Vec<Arc<dyn PhysicalExpr>>,
) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let columns: Vec<&Column> = keys.iter().filter_map(|key| key.downcast_ref()).collect();
    if let Some(projection) = input.downcast_ref::<ProjectionExec>() {
        let below = columns
            .iter()
            .map(|column| Arc::clone(&projection.expr()[column.index()].expr))
            .collect();
        return match dealt_out(projection.input(), below)? {
            Some(below) => replace_children_if_necessary(Arc::clone(input), vec![below]).map(Some),
            None => Ok(None),
        };
    }
    let Some(join) = input.downcast_ref::<HashJoinExec>() else {
        return Ok(None);
    };
    if *join.partition_mode() != PartitionMode::CollectLeft || join.null_aware {
        return Ok(None);
    }
    let left = join.left().as_ref();
    let rows = StatisticsContext::new()
        .compute(left, &StatisticsArgs::new())?
        .num_rows;
    if rows.get_value().is_none_or(|rows| *rows < MANY) {
        return Ok(None);
    }
    let left = left.schema().fields().len();
    let at = |column: &Column| match &join.projection {
        Some(projection) => projection[column.index()],
        None => column.index(),
    };
    let all_on = join.on().iter().all(|(l, r)| {
        columns.iter().any(|column| {
            let is = |key: &Arc<dyn PhysicalExpr>, index: usize| {
                key.downcast_ref::<Column>()
                    .is_some_and(|key| key.index() == index)
            };
            match (at(column), join.join_type()) {
                (index, JoinType::Inner | JoinType::Left) if index < left => is(l, index),
                (index, JoinType::Inner | JoinType::Right) if index >= left => is(r, index - left),
                _ => false,
            }
        })
    });
    if !all_on {
        return Ok(None);
    }
    let changed = join
        .builder()
        .with_partition_mode(PartitionMode::Partitioned)
        .build()?;
    Ok(Some(Arc::new(changed)))
}
