//! Nodes of plans from their parts.

use std::sync::Arc;

use datafusion::common::{JoinConstraint, NullEquality, Result};
use datafusion::logical_expr::{
    Aggregate, Expr, Filter, Join, JoinType, LogicalPlan, Projection, Sort, SortExpr, Window,
};
use datafusion::physical_plan::ExecutionPlan;

use crate::error::ExactError;

/// The input of an operator that has one.
pub(crate) fn only(mut inputs: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
    match (inputs.pop(), inputs.is_empty()) {
        (Some(input), true) => Ok(input),
        _ => Err(ExactError::Internal("an operator of one input has others".to_owned()).into()),
    }
}

/// These expressions of the rows.
pub(crate) fn project(input: LogicalPlan, exprs: Vec<Expr>) -> Result<LogicalPlan> {
    Ok(LogicalPlan::Projection(Projection::try_new(
        exprs,
        input.into(),
    )?))
}

/// The rows for which it holds.
pub(crate) fn filter(input: LogicalPlan, predicate: Expr) -> Result<LogicalPlan> {
    Ok(LogicalPlan::Filter(Filter::try_new(
        predicate,
        input.into(),
    )?))
}

/// The rows with these window functions behind them.
pub(crate) fn window(input: LogicalPlan, exprs: Vec<Expr>) -> Result<LogicalPlan> {
    Ok(LogicalPlan::Window(Window::try_new(exprs, input.into())?))
}

/// A row a group.
pub(crate) fn aggregate(
    input: LogicalPlan,
    by: Vec<Expr>,
    exprs: Vec<Expr>,
) -> Result<LogicalPlan> {
    Ok(LogicalPlan::Aggregate(Aggregate::try_new(
        input.into(),
        by,
        exprs,
    )?))
}

/// The rows in this order.
pub(crate) fn sort(input: LogicalPlan, expr: Vec<SortExpr>) -> LogicalPlan {
    LogicalPlan::Sort(Sort {
        expr,
        input: input.into(),
        fetch: None,
    })
}

/// A join of two plans.
pub(crate) fn joined(
    left: LogicalPlan,
    right: LogicalPlan,
    on: Vec<(Expr, Expr)>,
    filter: Option<Expr>,
    join_type: JoinType,
    null_equality: NullEquality,
) -> Result<LogicalPlan> {
    Ok(LogicalPlan::Join(Join::try_new(
        left.into(),
        right.into(),
        on,
        filter,
        join_type,
        JoinConstraint::On,
        null_equality,
        false,
    )?))
}
