//! Grouping sets over columns: what rollup, cube and grouping sets compute is computed once below them, under the name that it has there.
//! A key that fails is then a cell of a row, and the plan that carries errors takes the sets apart into groupings of one set each.

use datafusion::common::tree_node::Transformed;
use datafusion::common::{Column, Result};
use datafusion::logical_expr::expr::GroupingSet;
use datafusion::logical_expr::{Aggregate, Expr, LogicalPlan, Projection};

use crate::walks::{Walk, WalkPlan};

/// The plan with columns alone in its grouping sets.
pub(crate) fn over_columns(plan: LogicalPlan) -> Result<LogicalPlan> {
    let plan = plan.walk_up_with_subqueries(|node| match node {
        LogicalPlan::Aggregate(aggregate) => computed_below(aggregate),
        node => Ok(Transformed::no(node)),
    })?;
    Ok(plan.data)
}

fn computed_below(aggregate: Aggregate) -> Result<Transformed<LogicalPlan>> {
    let [Expr::GroupingSet(sets)] = &aggregate.group_expr[..] else {
        return Ok(Transformed::no(LogicalPlan::Aggregate(aggregate)));
    };
    let mut below: Vec<(Expr, Column)> = Vec::new();
    let mut column = |expr: &Expr| -> Expr {
        if matches!(expr, Expr::Column(_)) {
            return expr.clone();
        }
        let named = Column::new_unqualified(expr.schema_name().to_string());
        if !below.iter().any(|(_, other)| *other == named) {
            below.push((expr.clone(), named.clone()));
        }
        Expr::Column(named)
    };
    let each = |exprs: &[Expr], column: &mut dyn FnMut(&Expr) -> Expr| -> Vec<Expr> {
        exprs.iter().map(column).collect()
    };
    let sets = match sets {
        GroupingSet::Rollup(exprs) => GroupingSet::Rollup(each(exprs, &mut column)),
        GroupingSet::Cube(exprs) => GroupingSet::Cube(each(exprs, &mut column)),
        GroupingSet::GroupingSets(sets) => {
            let sets = sets.iter().map(|exprs| each(exprs, &mut column));
            GroupingSet::GroupingSets(sets.collect())
        }
    };
    let taken = |named: &Column| aggregate.input.schema().has_column(named);
    if below.is_empty() || below.iter().any(|(_, named)| taken(named)) {
        return Ok(Transformed::no(LogicalPlan::Aggregate(aggregate)));
    }
    let mut exprs: Vec<Expr> = aggregate
        .input
        .schema()
        .columns()
        .into_iter()
        .map(Expr::Column)
        .collect();
    for (expr, named) in &below {
        exprs.push(expr.clone().unalias().alias(named.name.clone()));
    }
    let input = Projection::try_new(exprs, aggregate.input.clone())?;
    // `grouping(x)` names what is grouped by.
    let asked = aggregate.aggr_expr.into_iter().map(|expr| {
        let expr = expr.walk_up(|e| match e {
            Expr::AggregateFunction(mut call) if call.func.name() == "grouping" => {
                for arg in &mut call.params.args {
                    if let Some((_, named)) = below.iter().find(|(expr, _)| expr == arg) {
                        *arg = Expr::Column(named.clone());
                    }
                }
                Ok(Transformed::yes(Expr::AggregateFunction(call)))
            }
            e => Ok(Transformed::no(e)),
        })?;
        Ok(expr.data)
    });
    let asked = asked.collect::<Result<Vec<_>>>()?;
    let plan = Aggregate::try_new(
        LogicalPlan::Projection(input).into(),
        vec![Expr::GroupingSet(sets)],
        asked,
    )?;
    Ok(Transformed::yes(LogicalPlan::Aggregate(plan)))
}
