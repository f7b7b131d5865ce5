//! Texts that a join only passes on to a grouping travel as views: joining gathers columns row by row, and a view of a text is copied
//! where the text itself would be, letter by letter, for each row that it meets.
//!
//! Only what names the column and nothing else lies on its way, so that no expression sees another type than before. Above a condition on
//! the rows of a table they become views, too: what it makes of them stays as it was.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{Column, DFSchema, ExprSchema, Result, TableReference};
use datafusion::logical_expr::expr::Alias;
use datafusion::logical_expr::{
    Aggregate, Cast, Expr, JoinType, LogicalPlan, Projection, SubqueryAlias,
};
use datafusion::optimizer::optimizer::ApplyOrder;
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};

use crate::conditions::is_bound;
use crate::walks::Walk;

/// The rule.
#[derive(Debug)]
pub(crate) struct PassingTexts;

impl OptimizerRule for PassingTexts {
    fn name(&self) -> &str {
        "karat_passing_texts"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::TopDown)
    }

    fn supports_rewrite(&self) -> bool {
        true
    }

    fn rewrite(
        &self,
        plan: LogicalPlan,
        _config: &dyn OptimizerConfig,
    ) -> Result<Transformed<LogicalPlan>> {
        let LogicalPlan::Aggregate(aggregate) = &plan else {
            return Ok(Transformed::no(plan));
        };
        match with_views(aggregate)? {
            Some(changed) => Ok(Transformed::yes(changed)),
            None => Ok(Transformed::no(plan)),
        }
    }
}

fn with_views(aggregate: &Aggregate) -> Result<Option<LogicalPlan>> {
    let mut input = Arc::clone(&aggregate.input);
    let mut changed = false;
    for at in 0..aggregate.group_expr.len() {
        let Some(column) = key_alone(aggregate, at)? else {
            continue;
        };
        if *input.schema().data_type(column)? != DataType::Utf8 {
            continue;
        }
        if let Some(carried) = carry(&input, column, false)? {
            input = Arc::new(carried);
            changed = true;
        }
    }
    if !changed {
        return Ok(None);
    }
    let keys = aggregate.group_expr.clone();
    let grouped = Aggregate::try_new(input, keys, aggregate.aggr_expr.clone())?;
    // What is above sees the types that it saw before.
    let before = aggregate.schema.iter();
    let columns: Vec<Expr> = before
        .zip(grouped.schema.iter())
        .map(|((qualifier, old), (_, new))| {
            let same = old.data_type() == new.data_type();
            let target = (!same).then(|| old.data_type().clone());
            column_as(qualifier.cloned(), old.name(), target)
        })
        .collect();
    let grouped = Arc::new(LogicalPlan::Aggregate(grouped));
    Ok(Some(LogicalPlan::Projection(Projection::try_new(
        columns, grouped,
    )?)))
}

/// The column that a key of groups is, if nothing else of the grouping reads it.
fn key_alone(aggregate: &Aggregate, at: usize) -> Result<Option<&Column>> {
    let keys = &aggregate.group_expr;
    // Sets of groups are left alone.
    if keys.iter().any(|key| matches!(key, Expr::GroupingSet(_))) {
        return Ok(None);
    }
    let Some(column) = keys.get(at).and_then(column_below) else {
        return Ok(None);
    };
    let others = keys.iter().enumerate();
    let others = others.filter(|(other, _)| *other != at).map(|(_, key)| key);
    let others = others.chain(&aggregate.aggr_expr);
    Ok(match names_it(others, aggregate.input.schema(), column)? {
        true => None,
        false => Some(column),
    })
}

/// The plan with one of its columns as views from its scan on; none if something on the way reads it, or if it passes no join.
fn carry(plan: &LogicalPlan, column: &Column, joined: bool) -> Result<Option<LogicalPlan>> {
    let at = plan.schema().index_of_column(column)?;
    match plan {
        LogicalPlan::Projection(projection) => {
            let Some(source) = column_below(&projection.expr[at]) else {
                return Ok(None);
            };
            let others = projection.expr.iter().enumerate();
            let others = others
                .filter(|(other, _)| *other != at)
                .map(|(_, expr)| expr);
            if names_it(others, projection.input.schema(), source)? {
                return Ok(None);
            }
            let Some(input) = carry(&projection.input, source, joined)? else {
                return Ok(None);
            };
            let changed = Projection::try_new(projection.expr.clone(), Arc::new(input))?;
            Ok(Some(LogicalPlan::Projection(changed)))
        }
        LogicalPlan::Aggregate(aggregate) => {
            let Some(source) = key_alone(aggregate, at)? else {
                return Ok(None);
            };
            let Some(input) = carry(&aggregate.input, source, joined)? else {
                return Ok(None);
            };
            let keys = aggregate.group_expr.clone();
            let grouped = Aggregate::try_new(Arc::new(input), keys, aggregate.aggr_expr.clone())?;
            Ok(Some(LogicalPlan::Aggregate(grouped)))
        }
        LogicalPlan::SubqueryAlias(alias) => {
            let source = Column::from(alias.input.schema().qualified_field(at));
            let Some(input) = carry(&alias.input, &source, joined)? else {
                return Ok(None);
            };
            let changed = SubqueryAlias::try_new(Arc::new(input), alias.alias.clone())?;
            Ok(Some(LogicalPlan::SubqueryAlias(changed)))
        }
        LogicalPlan::Filter(filter) => {
            if names_it([&filter.predicate], filter.input.schema(), column)? {
                // [`crate::viewed_texts`] reads them as views where the condition can do with views.
                return match joined && matches!(*filter.input, LogicalPlan::TableScan(_)) {
                    true => as_view(plan, at).map(Some),
                    false => Ok(None),
                };
            }
            let Some(input) = carry(&filter.input, column, joined)? else {
                return Ok(None);
            };
            plan.with_new_exprs(plan.expressions(), vec![input])
                .map(Some)
        }
        LogicalPlan::Join(join) => {
            if names_it(&plan.expressions(), plan.schema(), column)? {
                return Ok(None);
            }
            let left = join.left.schema().fields().len();
            let (side, at) = match join.join_type {
                JoinType::RightSemi | JoinType::RightAnti => (1, at),
                JoinType::Inner | JoinType::Left | JoinType::Right | JoinType::Full
                    if at >= left =>
                {
                    (1, at - left)
                }
                // What is no column of a side is whether a row has another one.
                _ if at >= left => return Ok(None),
                _ => (0, at),
            };
            let mut sides = [&join.left, &join.right].map(|side| side.as_ref().clone());
            let source = Column::from(sides[side].schema().qualified_field(at));
            let Some(input) = carry(&sides[side], &source, true)? else {
                return Ok(None);
            };
            sides[side] = input;
            plan.with_new_exprs(plan.expressions(), sides.to_vec())
                .map(Some)
        }
        LogicalPlan::TableScan(_) if joined => as_view(plan, at).map(Some),
        _ => Ok(None),
    }
}

/// The rows of a plan, one of their columns as views.
fn as_view(plan: &LogicalPlan, at: usize) -> Result<LogicalPlan> {
    let columns = plan.schema().iter().enumerate();
    let columns = columns.map(|(nth, (qualifier, field))| {
        let target = (nth == at).then_some(DataType::Utf8View);
        column_as(qualifier.cloned(), field.name(), target)
    });
    let columns = columns.collect();
    let projection = Projection::try_new(columns, Arc::new(plan.clone()))?;
    Ok(LogicalPlan::Projection(projection))
}

/// A column under its own name, as it is or in another type.
fn column_as(qualifier: Option<TableReference>, name: &str, target: Option<DataType>) -> Expr {
    let column = Expr::Column(Column::new(qualifier.clone(), name));
    match target {
        Some(data_type) => {
            Expr::Cast(Cast::new(Box::new(column), data_type)).alias_qualified(qualifier, name)
        }
        None => column,
    }
}

/// The column that an expression merely names.
fn column_below(expr: &Expr) -> Option<&Column> {
    match expr {
        Expr::Column(column) => Some(column),
        Expr::Alias(Alias { expr, .. }) => column_below(expr),
        _ => None,
    }
}

/// Whether an expression over this schema reads the column; one that is bound to a plan around it may.
fn names_it<'e>(
    exprs: impl IntoIterator<Item = &'e Expr>,
    schema: &DFSchema,
    column: &Column,
) -> Result<bool> {
    let at = schema.index_of_column(column)?;
    for expr in exprs {
        let named = expr.has(|below| {
            Ok(match below {
                Expr::Column(named) => schema.index_of_column(named).ok() == Some(at),
                other => is_bound(other),
            })
        })?;
        if named {
            return Ok(true);
        }
    }
    Ok(false)
}
