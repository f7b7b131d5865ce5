//! Subqueries in the forms for which the engine has joins: comparisons with any or all rows, `in` where an unknown answer counts, and
//! subqueries that stand for one value without an aggregate.
//!
//! `x < any (select …)` is true if it is true for some row, false if it is false for all, else unknown. Where only rows are kept for
//! which a condition is true, unknown is as good as false, and one `exists` says it all; elsewhere two of them give the three answers.
//! Subqueries in the condition of a join become a filter over it, or columns below it.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, ExprSchema, Result, ScalarValue};
use datafusion::logical_expr::expr::{
    AggregateFunction, BinaryExpr, Case, Exists, InSubquery, SetComparison, SetQuantifier,
};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::{conjunction, merge_schema, split_conjunction_owned};
use datafusion::logical_expr::{
    Aggregate, Expr, ExprSchemable, FetchType, Filter, Join, JoinType, LogicalPlan, Operator,
    Projection, SkipType, Subquery, SubqueryAlias, lit,
};

use crate::checked::{Checked, Operation};
use crate::conversion::Rules;
use crate::error::ExactError;
use crate::planning::needs_exact_comparison;
use crate::scalar::Scalar;
use crate::walks::{Walk, WalkPlan};

/// What the rows of a subquery are called where they are compared with the outer row: both may be of one table.
const ROWS: &str = "\u{1}rows";
/// What begins the names of columns that stand for the subqueries of a join's condition.
const CONDITION: &str = "\u{1}condition";
/// The value of a subquery's one row.
const ONLY: &str = "\u{1}only";

/// The plan with its subqueries in these forms.
pub(crate) fn joinable(plan: LogicalPlan, rules: Rules) -> Result<LogicalPlan> {
    let plan = plan.walk_up_with_subqueries(|node| {
        let schema = merge_schema(&node.inputs());
        match node {
            LogicalPlan::Filter(filter) => filtered(filter, &schema, rules),
            LogicalPlan::Join(join) if join.filter.as_ref().is_some_and(asks_a_table) => {
                conditional(join, &schema, rules).map(Transformed::yes)
            }
            node @ (LogicalPlan::Projection(_)
            | LogicalPlan::Aggregate(_)
            | LogicalPlan::Window(_)
            | LogicalPlan::Sort(_)) => {
                let names = NamePreserver::new(&node);
                let asked = node.change_expressions(|expr| {
                    let name = names.save(&expr);
                    let expr = value(expr, &schema)?;
                    Ok(expr.update_data(|expr| name.restore(expr)))
                })?;
                let plan = single_values(asked.data, rules)?;
                let changed = asked.transformed || plan.transformed;
                Ok(Transformed::new_transformed(plan.data, changed))
            }
            node => single_values(node, rules),
        }
    })?;
    Ok(plan.data)
}

fn filtered(filter: Filter, schema: &DFSchema, rules: Rules) -> Result<Transformed<LogicalPlan>> {
    let parts = split_conjunction_owned(filter.predicate.clone());
    let mut changed = false;
    let mut kept = Vec::with_capacity(parts.len());
    for part in parts {
        let part = condition(part, Alone::Yes, schema)?;
        changed |= part.transformed;
        kept.push(part.data);
    }
    let filter = match (changed, conjunction(kept)) {
        (true, Some(predicate)) => Filter::try_new(predicate, filter.input.clone())?,
        _ => filter,
    };
    single_values(LogicalPlan::Filter(filter), rules)
        .map(|plan| Transformed::new_transformed(plan.data, changed || plan.transformed))
}

fn is_subquery(expr: &Expr) -> bool {
    matches!(
        expr,
        Expr::ScalarSubquery(_) | Expr::Exists(_) | Expr::InSubquery(_) | Expr::SetComparison(_)
    )
}

fn asks_a_table(expr: &Expr) -> bool {
    expr.has(|e| Ok(is_subquery(e))).unwrap_or(false)
}

/// A join with subqueries in its condition, of which the engine makes wrong joins. Those of an inner join choose among its rows as a filter
/// does; of another join each becomes a column of the side that it asks for.
fn conditional(mut join: Join, schema: &DFSchema, rules: Rules) -> Result<LogicalPlan> {
    let Some(filter) = join.filter.take() else {
        return Ok(LogicalPlan::Join(join));
    };
    if join.join_type == JoinType::Inner {
        let parts = split_conjunction_owned(filter);
        let (asking, plain): (Vec<_>, Vec<_>) = parts.into_iter().partition(asks_a_table);
        join.filter = conjunction(plain);
        let rows = LogicalPlan::Join(join);
        return match conjunction(asking) {
            Some(asking) => {
                let filter = Filter::try_new(asking, rows.into())?;
                Ok(filtered(filter, schema, rules)?.data)
            }
            None => Ok(rows),
        };
    }
    let filter = value(filter, schema)?.data;
    let before = join.schema.columns();
    let mut beside: [Vec<Expr>; 2] = [Vec::new(), Vec::new()];
    let sides = [join.left.schema().clone(), join.right.schema().clone()];
    let filter = filter.walk_down(|expr| {
        let (Expr::ScalarSubquery(of) | Expr::Exists(Exists { subquery: of, .. })) = &expr else {
            return Ok(Transformed::no(expr));
        };
        let of_side = |schema: &DFSchema| {
            of.outer_ref_columns.iter().all(|outer| match outer {
                Expr::OuterReferenceColumn(_, column) => schema.has_column(column),
                _ => false,
            })
        };
        let Some(side) = sides.iter().position(|schema| of_side(schema)) else {
            return Err(ExactError::refused(
                "a subquery in the condition of an outer join asks for rows of both sides".to_owned(),
                "let it ask for one side, or make an inner join with it and join its rows to the side that is kept".to_owned(),
            )
            .into());
        };
        let name = format!("{CONDITION}{side}_{}", beside[side].len());
        beside[side].push(expr.alias(name.clone()));
        let column = Expr::Column(Column::new_unqualified(name));
        Ok(Transformed::new(column, true, TreeNodeRecursion::Jump))
    })?;
    let [left, right] = beside;
    for (side, more) in [(&mut join.left, left), (&mut join.right, right)] {
        if more.is_empty() {
            continue;
        }
        let own = side.schema().columns().into_iter().map(Expr::Column);
        let exprs = own.chain(more).collect();
        let wider = Projection::try_new(exprs, Arc::clone(side))?;
        *side = single_values(LogicalPlan::Projection(wider), rules)?
            .data
            .into();
    }
    let join = Join::try_new(
        join.left,
        join.right,
        join.on,
        Some(filter.data),
        join.join_type,
        join.join_constraint,
        join.null_equality,
        join.null_aware,
    )?;
    let visible = before.into_iter().map(Expr::Column).collect();
    Projection::try_new(visible, LogicalPlan::Join(join).into()).map(LogicalPlan::Projection)
}

/// Whether a condition decides about a row by itself.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Alone {
    Yes,
    /// Others may decide as well: it is reached through `or`.
    No,
}

/// A condition of which only the truth counts, not whether it is false or unknown.
fn condition(expr: Expr, alone: Alone, schema: &DFSchema) -> Result<Transformed<Expr>> {
    match expr {
        Expr::BinaryExpr(BinaryExpr {
            left,
            op: op @ (Operator::And | Operator::Or),
            right,
        }) => {
            let left = condition(*left, Alone::No, schema)?;
            let right = condition(*right, Alone::No, schema)?;
            let changed = left.transformed || right.transformed;
            let both = BinaryExpr::new(Box::new(left.data), op, Box::new(right.data));
            Ok(Transformed::new_transformed(
                Expr::BinaryExpr(both),
                changed,
            ))
        }
        Expr::Not(inner) => match *inner {
            Expr::SetComparison(of) => condition(Expr::SetComparison(negated(of)), alone, schema),
            Expr::InSubquery(mut of) => {
                of.negated = !of.negated;
                let of = condition(Expr::InSubquery(of), alone, schema)?;
                Ok(Transformed::yes(of.data))
            }
            inner => {
                let inner = value(inner, schema)?;
                Ok(inner.update_data(|inner| Expr::Not(Box::new(inner))))
            }
        },
        Expr::InSubquery(of) => {
            // The engine's own joins for `in`, and for `not in` as a condition of its own that does not ask for the row.
            let plain =
                !of.negated || alone == Alone::Yes && of.subquery.outer_ref_columns.is_empty();
            if plain && !is_mixed(&of, schema)? {
                return Ok(Transformed::no(Expr::InSubquery(of)));
            }
            condition(Expr::SetComparison(comparison_of(of)), alone, schema)
        }
        Expr::SetComparison(of) => {
            let plain = |negated| {
                Transformed::yes(Expr::InSubquery(InSubquery {
                    expr: of.expr.clone(),
                    subquery: of.subquery.clone(),
                    negated,
                }))
            };
            let uncorrelated = of.subquery.outer_ref_columns.is_empty();
            let mixed = comparison_is_mixed(&of.expr, &of.subquery, schema)?;
            Ok(match (of.op, of.quantifier) {
                (Operator::Eq, SetQuantifier::Any) if !mixed => plain(false),
                (Operator::NotEq, SetQuantifier::All)
                    if !mixed && alone == Alone::Yes && uncorrelated =>
                {
                    plain(true)
                }
                (_, SetQuantifier::Any) => {
                    let compared = compared(&of, schema)?;
                    Transformed::yes(exists(&of.subquery, compared.is_true(), false)?)
                }
                (_, SetQuantifier::All) => {
                    let compared = compared(&of, schema)?;
                    Transformed::yes(exists(&of.subquery, compared.is_not_true(), true)?)
                }
            })
        }
        Expr::Exists(Exists { subquery, negated }) => match without_limit(&subquery)? {
            Some(subquery) => Ok(Transformed::yes(Expr::Exists(Exists { subquery, negated }))),
            None => Ok(Transformed::no(Expr::Exists(Exists { subquery, negated }))),
        },
        other => value(other, schema),
    }
}

/// An expression of which it counts whether it is true, false or unknown.
fn value(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    expr.walk_down(|expr| match expr {
        Expr::InSubquery(of) => Ok(Transformed::yes(three(comparison_of(of), schema)?)),
        Expr::SetComparison(of) => Ok(Transformed::yes(three(of, schema)?)),
        Expr::Exists(Exists { subquery, negated }) => match without_limit(&subquery)? {
            Some(subquery) => Ok(Transformed::yes(Expr::Exists(Exists { subquery, negated }))),
            None => Ok(Transformed::no(Expr::Exists(Exists { subquery, negated }))),
        },
        other => Ok(Transformed::no(other)),
    })
}

/// The comparison as one of three answers.
fn three(of: SetComparison, schema: &DFSchema) -> Result<Expr> {
    let compared = compared(&of, schema)?;
    let any = of.quantifier == SetQuantifier::Any;
    let decides = match any {
        // A condition keeps what is true; as it stands, equality is a join's.
        true => compared.clone(),
        false => compared.clone().is_false(),
    };
    let decided = exists(&of.subquery, decides, false)?;
    let unknown = exists(&of.subquery, compared.is_null(), false)?;
    let null = Expr::Literal(ScalarValue::Boolean(None), None);
    Ok(Expr::Case(Case {
        expr: None,
        when_then_expr: vec![
            (Box::new(decided), Box::new(lit(any))),
            (Box::new(unknown), Box::new(null)),
        ],
        else_expr: Some(Box::new(lit(!any))),
    }))
}

/// `in` as `= any`, `not in` as `<> all`.
fn comparison_of(of: InSubquery) -> SetComparison {
    let (op, quantifier) = match of.negated {
        false => (Operator::Eq, SetQuantifier::Any),
        true => (Operator::NotEq, SetQuantifier::All),
    };
    SetComparison {
        expr: of.expr,
        subquery: of.subquery,
        op,
        quantifier,
    }
}

fn negated(of: SetComparison) -> SetComparison {
    let quantifier = match of.quantifier {
        SetQuantifier::Any => SetQuantifier::All,
        SetQuantifier::All => SetQuantifier::Any,
    };
    SetComparison {
        op: of.op.negate().unwrap_or(of.op),
        quantifier,
        ..of
    }
}

fn is_mixed(of: &InSubquery, schema: &DFSchema) -> Result<bool> {
    comparison_is_mixed(&of.expr, &of.subquery, schema)
}

/// Whether the engine's join would compare rounded numbers (E6).
fn comparison_is_mixed(expr: &Expr, subquery: &Subquery, schema: &DFSchema) -> Result<bool> {
    let Some(field) = subquery.subquery.schema().fields().first() else {
        return Ok(false);
    };
    Ok(needs_exact_comparison(
        &expr.get_type(schema)?,
        field.data_type(),
    ))
}

/// The comparison of the outer row with a row of the subquery, as the subquery sees it.
fn compared(of: &SetComparison, schema: &DFSchema) -> Result<Expr> {
    let outer = of.expr.as_ref().clone().walk_up(|expr| match expr {
        Expr::Column(column) => {
            let field = schema.field_from_column(&column)?;
            let outer = Expr::OuterReferenceColumn(Arc::clone(field), column);
            Ok(Transformed::yes(outer))
        }
        other => Ok(Transformed::no(other)),
    })?;
    let (_, field) = of.subquery.subquery.schema().qualified_field(0);
    let inner = Column::new(Some(ROWS), field.name());
    Ok(Expr::BinaryExpr(BinaryExpr::new(
        Box::new(outer.data),
        of.op,
        Box::new(Expr::Column(inner)),
    )))
}

fn exists(of: &Subquery, condition: Expr, negated: bool) -> Result<Expr> {
    let filter = match below_projection(of, &condition)? {
        Some(filter) => filter,
        None => {
            let rows = SubqueryAlias::try_new(Arc::clone(&of.subquery), ROWS)?;
            Filter::try_new(condition, LogicalPlan::SubqueryAlias(rows).into())?
        }
    };
    let plan = LogicalPlan::Filter(filter);
    Ok(Expr::Exists(Exists {
        subquery: of_plan(plan, of),
        negated,
    }))
}

/// The condition on the rows from which a subquery takes its value. One that asks for the outer row itself has to be compared there: the
/// engine lifts its own conditions over a projection, but not over another name.
fn below_projection(of: &Subquery, condition: &Expr) -> Result<Option<Filter>> {
    let LogicalPlan::Projection(projection) = of.subquery.as_ref() else {
        return Ok(None);
    };
    let [value] = &projection.expr[..] else {
        return Ok(None);
    };
    let inner = projection.input.schema();
    // A column of the outer row that is called like one of these would be taken for it.
    let is_ambiguous = condition.has(|expr| {
        Ok(match expr {
            Expr::OuterReferenceColumn(_, outer) => {
                let of_inner = |table| inner.iter().any(|(inner, _)| inner == Some(table));
                outer.relation.as_ref().is_none_or(of_inner)
            }
            _ => false,
        })
    })?;
    if of.outer_ref_columns.is_empty() || is_ambiguous {
        return Ok(None);
    }
    let condition = condition.clone().walk_up(|expr| match &expr {
        Expr::Column(column)
            if column
                .relation
                .as_ref()
                .is_some_and(|of| of.table() == ROWS) =>
        {
            Ok(Transformed::yes(value.clone().unalias()))
        }
        _ => Ok(Transformed::no(expr)),
    })?;
    // Of two filters, one over the other, the engine lifts the conditions of one only.
    let filter = match projection.input.as_ref() {
        LogicalPlan::Filter(below) => Filter::try_new(
            below.predicate.clone().and(condition.data),
            below.input.clone(),
        ),
        _ => Filter::try_new(condition.data, projection.input.clone()),
    };
    filter.map(Some)
}

fn of_plan(plan: LogicalPlan, like: &Subquery) -> Subquery {
    Subquery {
        outer_ref_columns: plan.all_out_ref_exprs(),
        subquery: Arc::new(plan),
        spans: like.spans.clone(),
    }
}

/// `exists (select … limit 1)` asks what it asks without the limit.
fn without_limit(of: &Subquery) -> Result<Option<Subquery>> {
    let LogicalPlan::Limit(limit) = of.subquery.as_ref() else {
        return Ok(None);
    };
    let all = matches!(limit.get_skip_type()?, SkipType::Literal(0));
    let some = match limit.get_fetch_type()? {
        FetchType::Literal(fetch) => fetch.is_none_or(|fetch| fetch > 0),
        FetchType::UnsupportedExpr => false,
    };
    if !all || !some {
        return Ok(None);
    }
    let input = match limit.input.as_ref() {
        LogicalPlan::Sort(sort) => sort.input.as_ref(),
        input => input,
    };
    Ok(Some(of_plan(input.clone(), of)))
}

/// An operator whose correlated subqueries give one row each: more than one is an error of the value (E5).
fn single_values(node: LogicalPlan, rules: Rules) -> Result<Transformed<LogicalPlan>> {
    let names = NamePreserver::new(&node);
    node.change_expressions(|expr| {
        let name = names.save(&expr);
        let expr = expr.walk_up(|expr| match expr {
            Expr::ScalarSubquery(of) if may_have_many_rows(&of) => {
                Ok(Transformed::yes(Expr::ScalarSubquery(single(of, rules)?)))
            }
            other => Ok(Transformed::no(other)),
        })?;
        Ok(expr.update_data(|expr| name.restore(expr)))
    })
}

fn may_have_many_rows(of: &Subquery) -> bool {
    let mut plan = of.subquery.as_ref();
    while let LogicalPlan::Projection(_)
    | LogicalPlan::SubqueryAlias(_)
    | LogicalPlan::Sort(_)
    | LogicalPlan::Filter(_) = plan
    {
        plan = plan.inputs()[0];
    }
    let aggregated = matches!(plan, LogicalPlan::Aggregate(_));
    !of.outer_ref_columns.is_empty()
        && !aggregated
        && of.subquery.max_rows().is_none_or(|most| most > 1)
        && of.subquery.schema().fields().len() == 1
}

/// The value of the one row of a subquery.
fn single(of: Subquery, rules: Rules) -> Result<Subquery> {
    let plan = match of.subquery.as_ref() {
        // Nobody sees the order of one row.
        LogicalPlan::Sort(sort) => sort.input.as_ref().clone(),
        plan => plan.clone(),
    };
    let value = Column::from(plan.schema().qualified_field(0));
    let call = |function, of: Expr| {
        Expr::AggregateFunction(AggregateFunction::new_udf(
            function,
            vec![of],
            false,
            None,
            Vec::new(),
            None,
        ))
    };
    let count = call(
        datafusion::functions_aggregate::count::count_udaf(),
        lit(1i64),
    );
    let min = call(
        datafusion::functions_aggregate::min_max::min_udaf(),
        Expr::Column(value),
    );
    let plan = LogicalPlan::Aggregate(Aggregate::try_new(
        plan.into(),
        Vec::new(),
        vec![count, min],
    )?);
    let [count, min] =
        [0, 1].map(|at| Expr::Column(Column::from(plan.schema().qualified_field(at))));
    let only = Checked::new(Operation::Scalar(Scalar::OnlyValue), rules, 0)
        .with_text("(select …)")
        .call(vec![count, min]);
    let plan = Projection::try_new(vec![only.alias(ONLY)], plan.into())?;
    Ok(of_plan(LogicalPlan::Projection(plan), &of))
}
