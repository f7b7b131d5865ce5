//! Optimizer rules of DataFusion that are asked only where they are right.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNodeRecursion};
use datafusion::common::{NullEquality, Result};
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{Expr, JoinType, LogicalPlan};
use datafusion::optimizer::optimizer::ApplyOrder;
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};

use crate::rows::can_fail;
use crate::walks::WalkPlan;

/// A rule, and the plans that it may have.
#[derive(Debug)]
struct HeldBack {
    rule: Arc<dyn OptimizerRule + Send + Sync>,
    is_right: fn(&LogicalPlan) -> Result<bool>,
}

/// The rule as it may run: most are right everywhere.
pub(crate) fn held_back(
    rule: Arc<dyn OptimizerRule + Send + Sync>,
) -> Arc<dyn OptimizerRule + Send + Sync> {
    let is_right = match rule.name() {
        "eliminate_join" => no_join_can_fail,
        "push_down_filter" => asks_for_groups,
        "extract_equijoin_predicate" => keeps_nulls_apart,
        "eliminate_cross_join" => has_no_equal_nulls,
        "single_distinct_aggregation_to_group_by" => is_of_distinct_values,
        _ => return rule,
    };
    Arc::new(HeldBack { rule, is_right })
}

impl OptimizerRule for HeldBack {
    fn name(&self) -> &str {
        self.rule.name()
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        self.rule.apply_order()
    }

    fn rewrite(
        &self,
        plan: LogicalPlan,
        config: &dyn OptimizerConfig,
    ) -> Result<Transformed<LogicalPlan>> {
        match (self.is_right)(&plan)? {
            true => self.rule.rewrite(plan, config),
            false => Ok(Transformed::no(plan)),
        }
    }
}

/// Joins that change no row of the answer may be left out unless something in one can fail: with the join goes its condition, and the
/// error that would be part of the answer (rule E5).
fn no_join_can_fail(plan: &LogicalPlan) -> Result<bool> {
    let mut found = false;
    plan.walk_with_subqueries(|node| {
        if matches!(node, LogicalPlan::Join(_)) {
            node.walk_with_subqueries(|below| {
                below.see_expressions(|expr| {
                    found |= can_fail(expr);
                    Ok(TreeNodeRecursion::Continue)
                })
            })?;
            return Ok(TreeNodeRecursion::Jump);
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(!found)
}

/// A condition that names no column, like `2 = 1` of `select 2 as k, count(*) … where k = 1`, goes below a grouping with the others: there it
/// takes the rows from the group of all rows, which is there without rows too.
fn asks_for_groups(plan: &LogicalPlan) -> Result<bool> {
    let LogicalPlan::Filter(filter) = plan else {
        return Ok(true);
    };
    let LogicalPlan::Aggregate(aggregate) = filter.input.as_ref() else {
        return Ok(true);
    };
    let by = &aggregate.group_expr;
    let always = by.is_empty() || by.iter().any(|e| matches!(e, Expr::GroupingSet(_)));
    let conditions = split_conjunction(&filter.predicate);
    Ok(!always || conditions.into_iter().all(|e| e.any_column_refs()))
}

/// A join by keys of which null equals null, with a condition beside them: its equalities would become keys, and null equal null in them.
fn keeps_nulls_apart(plan: &LogicalPlan) -> Result<bool> {
    Ok(match plan {
        LogicalPlan::Join(join) => {
            join.null_equality == NullEquality::NullEqualsNothing
                || join.on.is_empty()
                || join.filter.is_none()
        }
        _ => true,
    })
}

/// The same of inner joins that are taken apart and put together anew with the conditions over them.
fn has_no_equal_nulls(plan: &LogicalPlan) -> Result<bool> {
    let mut found = false;
    plan.walk_with_subqueries(|node| {
        if let LogicalPlan::Join(join) = node {
            found |= join.join_type == JoinType::Inner
                && join.null_equality == NullEquality::NullEqualsNull;
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(!found)
}

/// Aggregates whose value is that of their distinct values, in any order.
const ANY_ORDER: [&str; 5] = ["count", "karat_sum", "karat_avg", "min", "max"];

/// Aggregates of distinct values may be aggregates over groups, which spill where a set of values would not fit, if all of them are: the
/// rule takes any other `sum`, `min` or `max` beside them apart by its name, and sums of rounded sums are not the sum.
fn is_of_distinct_values(plan: &LogicalPlan) -> Result<bool> {
    let is_distinct = |expr: &Expr| match expr {
        Expr::AggregateFunction(call) => {
            call.params.distinct
                && call.params.args.len() == 1
                && ANY_ORDER.contains(&call.func.name())
        }
        _ => false,
    };
    Ok(match plan {
        LogicalPlan::Aggregate(aggregate) => aggregate.aggr_expr.iter().all(is_distinct),
        _ => false,
    })
}
