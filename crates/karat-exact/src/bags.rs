//! `intersect all` and `except all`. DataFusion makes a join of them that keeps every row with an equal one on the other side, however
//! many there are. Here equal rows are numbered on both sides, and the number joins them too: the third of them needs a third partner.

use crate::walks::WalkPlan;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{Column, NullEquality, Result};
use datafusion::logical_expr::expr::{WindowFunction, WindowFunctionParams};
use datafusion::logical_expr::{
    Distinct, Expr, Join, JoinType, LogicalPlan, Projection, Window, WindowFrame,
    WindowFunctionDefinition,
};

/// The numbers of equal rows on either side.
const NUMBERS: [&str; 2] = ["\u{1}nth left", "\u{1}nth right"];

/// The plan with each such join counting.
pub(crate) fn counted(plan: LogicalPlan) -> Result<LogicalPlan> {
    let plan = plan.walk_up_with_subqueries(|node| match node {
        LogicalPlan::Join(join) if is_of_bags(&join) => Ok(Transformed::yes(by_number(join)?)),
        other => Ok(Transformed::no(other)),
    })?;
    Ok(plan.data)
}

/// Only set operations join nulls with nulls. Without `all` the left side is distinct, and then a number changes nothing.
fn is_of_bags(join: &Join) -> bool {
    let sides = matches!(join.join_type, JoinType::LeftSemi | JoinType::LeftAnti);
    let distinct = matches!(join.left.as_ref(), LogicalPlan::Distinct(Distinct::All(_)));
    sides && join.null_equality == NullEquality::NullEqualsNull && !distinct
}

fn by_number(mut join: Join) -> Result<LogicalPlan> {
    let columns = join.left.schema().columns();
    let [left, right] = NUMBERS;
    join.left = numbered(join.left.as_ref().clone(), left)?.into();
    join.right = numbered(join.right.as_ref().clone(), right)?.into();
    let number = |name: &str| Expr::Column(Column::new_unqualified(name));
    join.on.push((number(left), number(right)));
    let join = Join::try_new(
        join.left,
        join.right,
        join.on,
        join.filter,
        join.join_type,
        join.join_constraint,
        join.null_equality,
        join.null_aware,
    )?;
    let columns = columns.into_iter().map(Expr::Column).collect();
    Ok(LogicalPlan::Projection(Projection::try_new(
        columns,
        LogicalPlan::Join(join).into(),
    )?))
}

/// The rows with the number of each among its equals. Which of them gets which number nobody can tell.
fn numbered(plan: LogicalPlan, name: &str) -> Result<LogicalPlan> {
    let row_number = datafusion::functions_window::row_number::row_number_udwf();
    let partition_by = plan.schema().columns().into_iter().map(Expr::Column);
    let number = Expr::from(WindowFunction {
        fun: WindowFunctionDefinition::WindowUDF(row_number),
        params: WindowFunctionParams {
            args: Vec::new(),
            partition_by: partition_by.collect(),
            order_by: Vec::new(),
            window_frame: WindowFrame::new(None),
            filter: None,
            null_treatment: None,
            distinct: false,
        },
    });
    let number = number.alias(name);
    Ok(LogicalPlan::Window(Window::try_new(
        vec![number],
        plan.into(),
    )?))
}
