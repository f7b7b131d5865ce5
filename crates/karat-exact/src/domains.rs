//! Correlated subqueries for which the engine has no join: one that compares otherwise than by equality below an aggregate, takes the first
//! rows of an order, or unnests a column of the outer row. Its *domain*, the different combinations of outer values that it asks for, becomes
//! a table; the subquery is computed for all of them at once, each operator keeping the domain's columns beside its own; and the outer rows
//! find their values by an ordinary join. Errors follow the rules of these operators (E5).

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{
    Column, DFSchema, ExprSchema, NullEquality, Result, ScalarValue, TableReference,
};
use datafusion::logical_expr::expr::{Case, Exists, WindowFunction, WindowFunctionParams};
use datafusion::logical_expr::{
    Aggregate, Distinct, Expr, FetchType, Join, JoinType, Limit, LogicalPlan, LogicalPlanBuilder,
    Projection, SkipType, Sort, SortExpr, Subquery, SubqueryAlias, Window, WindowFrame,
    WindowFunctionDefinition, lit,
};
use datafusion::optimizer::decorrelate::PullUpCorrelatedExpr;

use crate::nodes::{self, joined, project};
use crate::rows::can_fail;
use crate::walks::{Walk, WalkPlan};

const NULLS_DIFFER: NullEquality = NullEquality::NullEqualsNothing;

/// What begins the names of domains, and of what is computed over them: no text has it.
const HIDDEN: char = '\u{1}';

/// The plan with such subqueries as joins. A subquery that has no other way, and none here, stays and is refused by whoever meets it.
pub(crate) fn over_domains(plan: LogicalPlan) -> Result<LogicalPlan> {
    let mut made = 0;
    let plan = plan.walk_up_with_subqueries(|node| {
        let mut domains = Domains { made };
        let node = match node {
            LogicalPlan::Join(join) => domains.lateral(join)?,
            LogicalPlan::Projection(projection) if passes(&projection) => {
                let below = projection.input.inputs()[0].clone();
                Transformed::yes(project(below, projection.expr)?)
            }
            LogicalPlan::Projection(_)
            | LogicalPlan::Filter(_)
            | LogicalPlan::Aggregate(_)
            | LogicalPlan::Window(_)
            | LogicalPlan::Sort(_) => domains.beside(node)?,
            node => Transformed::no(node),
        };
        made = domains.made;
        Ok(node)
    })?;
    Ok(plan.data)
}

/// Whether a projection, and the one below it, only pass columns of sorted rows: an answer's order is looked for below one.
fn passes(projection: &Projection) -> bool {
    let columns = |of: &Projection| of.expr.iter().all(|expr| matches!(expr, Expr::Column(_)));
    match projection.input.as_ref() {
        LogicalPlan::Projection(below) => {
            columns(projection)
                && columns(below)
                && matches!(below.input.as_ref(), LogicalPlan::Sort(_))
        }
        _ => false,
    }
}

struct Domains {
    /// Tables made so far.
    made: usize,
}

/// The combinations of outer values that a subquery asks for.
struct Domain {
    plan: LogicalPlan,
    /// A column of the outer rows, and the domain's.
    columns: Vec<(Column, Column)>,
}

impl Domain {
    fn own(&self) -> impl Iterator<Item = Expr> + '_ {
        self.columns
            .iter()
            .map(|(_, own)| Expr::Column(own.clone()))
    }

    /// The expression with the domain's columns in place of the outer ones.
    fn inside(&self, expr: &Expr) -> Result<Expr> {
        let changed = expr.clone().walk_up(|e| match &e {
            Expr::OuterReferenceColumn(_, outer) => {
                let own = self.columns.iter().find(|(other, _)| other == outer);
                Ok(own.map_or_else(
                    || Transformed::no(e.clone()),
                    |(_, own)| Transformed::yes(Expr::Column(own.clone())),
                ))
            }
            _ => Ok(Transformed::no(e)),
        })?;
        Ok(changed.data)
    }

    /// The same under the name that the expression had.
    fn named(&self, expr: &Expr, name: (Option<&TableReference>, &str)) -> Result<Expr> {
        let inside = self.inside(expr)?;
        let (relation, name) = name;
        Ok(match inside {
            Expr::Column(column) if column.name == name && column.relation.as_ref() == relation => {
                Expr::Column(column)
            }
            other => other
                .unalias()
                .alias_qualified(relation.cloned(), name.to_owned()),
        })
    }

    fn each_inside(&self, sort: &[SortExpr]) -> Result<Vec<SortExpr>> {
        let inside = sort.iter().map(|key| {
            Ok(SortExpr {
                expr: self.inside(&key.expr)?,
                ..key.clone()
            })
        });
        inside.collect()
    }
}

fn columns(plan: &LogicalPlan) -> Vec<Expr> {
    plan.schema()
        .columns()
        .into_iter()
        .map(Expr::Column)
        .collect()
}

/// Keys by which two columns are equal, nulls too. Joins for which null is null do not keep to that in their other conditions: the
/// optimizer makes keys of those as well.
fn same(left: &Column, right: &Column, schema: &DFSchema) -> Result<Vec<(Expr, Expr)>> {
    let of = schema.field_from_column(left)?.data_type();
    let some = Expr::Literal(ScalarValue::new_default(of)?, None);
    let [left, right] = [left, right].map(|column| Expr::Column(column.clone()));
    let value = |column: Expr| {
        Expr::Case(Case {
            expr: None,
            when_then_expr: vec![(Box::new(column.clone().is_null()), Box::new(some.clone()))],
            else_expr: Some(Box::new(column)),
        })
    };
    let missing = (left.clone().is_null(), right.clone().is_null());
    Ok(vec![(value(left), value(right)), missing])
}

/// The outer columns that an expression or plan asks for.
fn outer_columns(plan: &LogicalPlan) -> Vec<Column> {
    let mut found: Vec<Column> = Vec::new();
    for expr in plan.all_out_ref_exprs() {
        if let Expr::OuterReferenceColumn(_, column) = expr
            && !found.contains(&column)
        {
            found.push(column);
        }
    }
    found
}

/// The rows to be sorted, with the columns that subqueries of the order ask for: the engine adds only those that the order itself names.
fn with_columns_asked_for(rows: LogicalPlan, sort: &LogicalPlan) -> Result<LogicalPlan> {
    let LogicalPlan::Projection(projection) = &rows else {
        return Ok(rows);
    };
    let mut missing: Vec<Column> = Vec::new();
    for expr in sort.expressions() {
        expr.walk(|e| {
            if let Expr::ScalarSubquery(of) | Expr::Exists(Exists { subquery: of, .. }) = e {
                for column in outer_columns(&of.subquery) {
                    if !missing.contains(&column) {
                        missing.push(column);
                    }
                }
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
    }
    let below = projection.input.schema();
    missing.retain(|column| !projection.schema.has_column(column) && below.has_column(column));
    if missing.is_empty() {
        return Ok(rows);
    }
    let mut exprs = projection.expr.clone();
    exprs.extend(missing.into_iter().map(Expr::Column));
    // A column of the answer may have the name of one of them.
    Ok(project(projection.input.as_ref().clone(), exprs).unwrap_or(rows))
}

fn asks(expr: &Expr) -> bool {
    expr.has(|e| Ok(matches!(e, Expr::OuterReferenceColumn(..))))
        .unwrap_or(true)
}

/// Whether a plan asks for an outer row, or holds an expression that may.
fn plan_asks(plan: &LogicalPlan) -> bool {
    has_expression(plan, asks)
}

/// Whether an expression of a plan is so, or nobody can tell.
fn has_expression(plan: &LogicalPlan, is: fn(&Expr) -> bool) -> bool {
    let mut found = false;
    let visited = plan.walk_with_subqueries(|node| {
        node.see_expressions(|expr| {
            found |= is(expr);
            Ok(TreeNodeRecursion::Continue)
        })
    });
    found || visited.is_err()
}

/// Whether the column comes from a table, or is computed from one by what cannot fail: it is no error, whatever becomes of the row.
fn is_read(plan: &LogicalPlan, column: &Column) -> bool {
    let Some(at) = plan.schema().maybe_index_of_column(column) else {
        return false;
    };
    match plan {
        LogicalPlan::TableScan(_) => true,
        LogicalPlan::Values(values) => !values.values.iter().flatten().any(can_fail),
        LogicalPlan::Filter(_)
        | LogicalPlan::Sort(_)
        | LogicalPlan::Limit(_)
        | LogicalPlan::SubqueryAlias(_)
        | LogicalPlan::Distinct(Distinct::All(_)) => {
            let input = plan.inputs()[0];
            is_read(input, &Column::from(input.schema().qualified_field(at)))
        }
        LogicalPlan::Projection(projection) => match projection.expr.get(at) {
            Some(expr) => {
                let columns = expr.column_refs();
                let mut columns = columns.into_iter();
                !may_fail_itself(expr) && columns.all(|below| is_read(&projection.input, below))
            }
            None => false,
        },
        LogicalPlan::Aggregate(aggregate) => match aggregate.group_expr.get(at) {
            Some(Expr::Column(below)) => is_read(&aggregate.input, below),
            _ => false,
        },
        LogicalPlan::Window(window) => is_read(&window.input, column),
        LogicalPlan::Join(join) => is_read(&join.left, column) || is_read(&join.right, column),
        _ => false,
    }
}

/// Whether the engine's own rules make a join of a correlated subquery.
fn has_a_join(plan: &LogicalPlan) -> bool {
    let mut pull_up = PullUpCorrelatedExpr::new().with_need_handle_count_bug(true);
    let pulled = plan.clone().rewrite(&mut pull_up);
    let rest = pulled.map(|plan| plan_asks(&plan.data));
    pull_up.can_pull_up && matches!(rest, Ok(false))
}

impl Domains {
    fn name(&mut self) -> String {
        self.made += 1;
        format!("{HIDDEN}domain{}", self.made)
    }

    fn domain(&mut self, outer: &LogicalPlan, asked: Vec<Column>) -> Result<Option<Domain>> {
        let own = asked.iter().all(|column| is_read(outer, column));
        let compared = asked.iter().all(|column| {
            let field = outer.schema().field_from_column(column);
            field.is_ok_and(|field| ScalarValue::new_default(field.data_type()).is_ok())
        });
        if asked.is_empty() || !own || !compared {
            return Ok(None);
        }
        let name = self.name();
        let titled = asked.iter().enumerate();
        let exprs =
            titled.map(|(at, column)| Expr::Column(column.clone()).alias(format!("{HIDDEN}{at}")));
        let values = project(outer.clone(), exprs.collect())?;
        let values = LogicalPlan::Distinct(Distinct::All(values.into()));
        let plan = LogicalPlan::SubqueryAlias(SubqueryAlias::try_new(values.into(), name)?);
        let own = plan.schema().columns();
        Ok(Some(Domain {
            plan,
            columns: asked.into_iter().zip(own).collect(),
        }))
    }

    /// An operator with a column of its input in place of each scalar subquery, and of each `exists` that is a value.
    fn beside(&mut self, node: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
        let [input] = node.inputs()[..] else {
            return Ok(Transformed::no(node));
        };
        let mut rows = match node {
            LogicalPlan::Sort(_) => with_columns_asked_for(input.clone(), &node)?,
            _ => input.clone(),
        };
        let conditions = matches!(node, LogicalPlan::Filter(_));
        // Elsewhere the engine has no join even for those that it knows.
        let known = conditions || matches!(node, LogicalPlan::Projection(_));
        let names = datafusion::logical_expr::expr_rewriter::NamePreserver::new(&node);
        let before = node.schema().columns();
        let changed = node.clone().change_expressions(|expr| {
            let name = names.save(&expr);
            let expr = expr.walk_up(|e| {
                let (of, exists) = match &e {
                    Expr::ScalarSubquery(of) => (of, None),
                    Expr::Exists(Exists { subquery, negated }) if !conditions => {
                        (subquery, Some(*negated))
                    }
                    _ => return Ok(Transformed::no(e)),
                };
                match self.column(&mut rows, of, exists, known)? {
                    Some(value) => Ok(Transformed::yes(value)),
                    None => Ok(Transformed::no(e)),
                }
            })?;
            Ok(expr.update_data(|expr| name.restore(expr)))
        })?;
        if !changed.transformed {
            return Ok(Transformed::no(node));
        }
        let exprs = changed.data.expressions();
        let made = match changed.data {
            LogicalPlan::Sort(sort) => LogicalPlan::Sort(Sort {
                input: rows.into(),
                ..sort
            }),
            LogicalPlan::Filter(filter) => nodes::filter(rows, filter.predicate)?,
            LogicalPlan::Window(window) => nodes::window(rows, window.window_expr)?,
            LogicalPlan::Aggregate(aggregate) => {
                nodes::aggregate(rows, aggregate.group_expr, aggregate.aggr_expr)?
            }
            _ => project(rows, exprs)?,
        };
        let made = match made.schema().columns() == before {
            true => made,
            false => project(made, before.into_iter().map(Expr::Column).collect())?,
        };
        Ok(Transformed::yes(made))
    }

    /// The value of a subquery as a column of the rows; None where nothing is to be done, or can be.
    fn column(
        &mut self,
        rows: &mut LogicalPlan,
        of: &Subquery,
        exists: Option<bool>,
        known: bool,
    ) -> Result<Option<Expr>> {
        let asked = outer_columns(&of.subquery);
        let inner = match exists {
            None => of.subquery.as_ref().clone(),
            // As many rows as there are, none included: one value for each outer row.
            Some(_) => {
                if may_fail(&of.subquery) {
                    return Ok(None);
                }
                let count = datafusion::functions_aggregate::count::count_udaf();
                let count = count.call(vec![lit(1i64)]);
                let counted =
                    Aggregate::try_new(Arc::clone(&of.subquery), Vec::new(), vec![count])?;
                LogicalPlan::Aggregate(counted)
            }
        };
        let value = |count: Expr, negated: bool| match negated {
            true => count.eq(lit(0i64)),
            false => count.gt(lit(0i64)),
        };
        if asked.is_empty() {
            let Some(negated) = exists else {
                return Ok(None);
            };
            let counted = Expr::ScalarSubquery(Subquery {
                subquery: inner.into(),
                outer_ref_columns: Vec::new(),
                spans: of.spans.clone(),
            });
            return Ok(Some(value(counted, negated)));
        }
        if known && exists.is_none() && has_a_join(&of.subquery) {
            return Ok(None);
        }
        let Some(domain) = self.domain(rows, asked)? else {
            return Ok(None);
        };
        let Some(inner) = self.unnested(&inner, &domain)? else {
            return Ok(None);
        };
        let name = self.name();
        let alias = SubqueryAlias::try_new(uniquely_named(inner)?.into(), name)?;
        let alias = LogicalPlan::SubqueryAlias(alias);
        let found = alias.schema().columns();
        let (keys, [result]) = found.split_at(domain.columns.len()) else {
            return Ok(None);
        };
        let mut on = Vec::new();
        for ((outer, _), key) in domain.columns.iter().zip(keys) {
            on.extend(same(outer, key, rows.schema())?);
        }
        let result = Expr::Column(result.clone());
        *rows = joined(rows.clone(), alias, on, None, JoinType::Left, NULLS_DIFFER)?;
        Ok(Some(match exists {
            Some(negated) => value(result, negated),
            None => result,
        }))
    }

    /// A join with a lateral subquery on its right.
    fn lateral(&mut self, join: Join) -> Result<Transformed<LogicalPlan>> {
        let no = |join| Ok(Transformed::no(LogicalPlan::Join(join)));
        let (subquery, alias) = match join.right.as_ref() {
            LogicalPlan::Subquery(of) => (of, None),
            LogicalPlan::SubqueryAlias(of) => match of.input.as_ref() {
                LogicalPlan::Subquery(below) => (below, Some(of.alias.clone())),
                _ => return no(join),
            },
            _ => return no(join),
        };
        let asked = outer_columns(&subquery.subquery);
        let kind = matches!(join.join_type, JoinType::Inner | JoinType::Left);
        if !kind || !join.on.is_empty() || asked.is_empty() || has_a_join(&subquery.subquery) {
            return no(join);
        }
        let Some(domain) = self.domain(&join.left, asked)? else {
            return no(join);
        };
        let Some(inner) = self.unnested(&subquery.subquery, &domain)? else {
            return no(join);
        };
        let own: Vec<Column> = join.right.schema().columns();
        // The domain keeps its name beside the columns of the subquery.
        let found = inner.schema().columns();
        let (keys, values) = found.split_at(domain.columns.len());
        let mut exprs: Vec<Expr> = keys.iter().cloned().map(Expr::Column).collect();
        for (value, column) in values.iter().zip(&own) {
            let relation = alias.clone().or_else(|| column.relation.clone());
            let value = Expr::Column(value.clone());
            exprs.push(value.alias_qualified(relation, column.name.clone()));
        }
        let right = project(inner, exprs)?;
        let mut on = Vec::new();
        for (outer, own) in &domain.columns {
            on.extend(same(outer, own, join.left.schema())?);
        }
        let before = join.schema.columns();
        let plan = joined(
            join.left.as_ref().clone(),
            right,
            on,
            join.filter,
            join.join_type,
            NULLS_DIFFER,
        )?;
        let plan = project(plan, before.into_iter().map(Expr::Column).collect())?;
        Ok(Transformed::yes(plan))
    }

    /// The rows of a subquery for each row of the domain: the domain's columns, then its own.
    fn unnested(&mut self, plan: &LogicalPlan, domain: &Domain) -> Result<Option<LogicalPlan>> {
        if !plan_asks(plan) {
            let (left, right) = (domain.plan.clone(), plan.clone());
            return joined(left, right, Vec::new(), None, JoinType::Inner, NULLS_DIFFER).map(Some);
        }
        // A subquery of the subquery that asks for the outer row as well.
        let deep = plan.expressions().iter().any(|expr| {
            let of = expr.has(|e| {
                Ok(match e {
                    Expr::ScalarSubquery(of) => names_outer(of, domain),
                    Expr::Exists(of) => names_outer(&of.subquery, domain),
                    Expr::InSubquery(of) => names_outer(&of.subquery, domain),
                    Expr::SetComparison(_) => true,
                    _ => false,
                })
            });
            of.unwrap_or(true)
        });
        if deep {
            return Ok(None);
        }
        macro_rules! below {
            ($input:expr) => {
                match self.unnested($input, domain)? {
                    Some(input) => input,
                    None => return Ok(None),
                }
            };
        }
        Ok(Some(match plan {
            LogicalPlan::Filter(filter) => {
                let input = below!(&filter.input);
                let predicate = domain.inside(&filter.predicate)?;
                nodes::filter(input, predicate)?
            }
            LogicalPlan::Projection(projection) => {
                let input = below!(&projection.input);
                let mut exprs: Vec<Expr> = domain.own().collect();
                for (expr, name) in projection.expr.iter().zip(projection.schema.iter()) {
                    exprs.push(domain.named(expr, (name.0, name.1.name()))?);
                }
                project(input, exprs)?
            }
            LogicalPlan::SubqueryAlias(alias) => {
                let input = below!(&alias.input);
                let own = input.schema().columns();
                let mut exprs: Vec<Expr> = domain.own().collect();
                let renamed = own
                    .iter()
                    .skip(domain.columns.len())
                    .zip(alias.schema.iter());
                for (column, (_, field)) in renamed {
                    let column = Expr::Column(column.clone());
                    let of = Some(alias.alias.clone());
                    exprs.push(column.alias_qualified(of, field.name().clone()));
                }
                project(input, exprs)?
            }
            LogicalPlan::Distinct(Distinct::All(input)) => {
                LogicalPlan::Distinct(Distinct::All(below!(input).into()))
            }
            // Nobody sees the order of the rows of a set.
            LogicalPlan::Sort(sort) if sort.fetch.is_none() => below!(&sort.input),
            LogicalPlan::Aggregate(aggregate) => {
                let sets = aggregate
                    .group_expr
                    .iter()
                    .any(|expr| matches!(expr, Expr::GroupingSet(_)));
                if sets {
                    return Ok(None);
                }
                let input = below!(&aggregate.input);
                self.grouped(aggregate, input, domain)?
            }
            LogicalPlan::Window(window) => {
                let input = below!(&window.input);
                let passed = window.input.schema().fields().len();
                let mut exprs = Vec::with_capacity(window.window_expr.len());
                for (expr, name) in window
                    .window_expr
                    .iter()
                    .zip(window.schema.iter().skip(passed))
                {
                    let inside = expr.clone().walk_up(|e| match e {
                        Expr::WindowFunction(mut call) => {
                            let own = domain.own().chain(call.params.partition_by);
                            call.params.partition_by = own.collect();
                            Ok(Transformed::yes(Expr::WindowFunction(call)))
                        }
                        e => Ok(Transformed::no(e)),
                    })?;
                    exprs.push(domain.named(&inside.data, (name.0, name.1.name()))?);
                }
                LogicalPlan::Window(Window::try_new(exprs, input.into())?)
            }
            LogicalPlan::Limit(limit) => match self.limited(limit, domain)? {
                Some(plan) => plan,
                None => return Ok(None),
            },
            LogicalPlan::Join(join) => match self.join(join, domain)? {
                Some(plan) => plan,
                None => return Ok(None),
            },
            LogicalPlan::Unnest(unnest) => {
                let input = below!(&unnest.input);
                LogicalPlanBuilder::from(input)
                    .unnest_columns_with_options(
                        unnest.exec_columns.clone(),
                        unnest.options.clone(),
                    )?
                    .build()?
            }
            _ => return Ok(None),
        }))
    }

    /// Groups within each row of the domain. Without keys there is a group also where there are no rows.
    fn grouped(
        &mut self,
        aggregate: &Aggregate,
        input: LogicalPlan,
        domain: &Domain,
    ) -> Result<LogicalPlan> {
        let mut by: Vec<Expr> = domain.own().collect();
        let keys = aggregate.group_expr.len();
        for (expr, name) in aggregate.group_expr.iter().zip(aggregate.schema.iter()) {
            by.push(domain.named(expr, (name.0, name.1.name()))?);
        }
        let names = aggregate.schema.iter().skip(keys);
        let mut exprs = Vec::with_capacity(aggregate.aggr_expr.len());
        for (expr, name) in aggregate.aggr_expr.iter().zip(names) {
            exprs.push(domain.named(expr, (name.0, name.1.name()))?);
        }
        if keys > 0 {
            return Ok(LogicalPlan::Aggregate(Aggregate::try_new(
                input.into(),
                by,
                exprs,
            )?));
        }
        // Each row of the domain beside its rows, or beside none: an aggregate takes the rows that are there.
        let (there, row) = (format!("{HIDDEN}there{}", self.made), self.name());
        let mut titled: Vec<Expr> = Vec::new();
        for (at, (_, own)) in domain.columns.iter().enumerate() {
            let key = Expr::Column(own.clone());
            titled.push(key.alias_qualified(Some(row.clone()), format!("{HIDDEN}{at}")));
        }
        titled.extend(columns(&input).into_iter().skip(domain.columns.len()));
        titled.push(lit(true).alias(there.clone()));
        let rows = project(input, titled)?;
        let found = rows.schema().columns();
        let mut on = Vec::new();
        for ((_, own), found) in domain.columns.iter().zip(&found) {
            on.extend(same(own, found, domain.plan.schema())?);
        }
        let rows = joined(
            domain.plan.clone(),
            rows,
            on,
            None,
            JoinType::Left,
            NULLS_DIFFER,
        )?;
        let there = Expr::Column(Column::new_unqualified(there));
        let exprs = exprs.into_iter().map(|expr| {
            expr.walk_up(|e| match e {
                Expr::AggregateFunction(mut call) => {
                    let filter = match call.params.filter.take() {
                        Some(filter) => there.clone().and(*filter),
                        None => there.clone(),
                    };
                    call.params.filter = Some(Box::new(filter));
                    Ok(Transformed::yes(Expr::AggregateFunction(call)))
                }
                e => Ok(Transformed::no(e)),
            })
            .map(|expr| expr.data)
        });
        let exprs = exprs.collect::<Result<Vec<_>>>()?;
        Ok(LogicalPlan::Aggregate(Aggregate::try_new(
            rows.into(),
            by,
            exprs,
        )?))
    }

    /// The first rows of each row of the domain.
    fn limited(&mut self, limit: &Limit, domain: &Domain) -> Result<Option<LogicalPlan>> {
        let (SkipType::Literal(skip), FetchType::Literal(fetch)) =
            (limit.get_skip_type()?, limit.get_fetch_type()?)
        else {
            return Ok(None);
        };
        // What stands between a limit and its order computes cells, and leaves the rows.
        let mut above: Vec<&Projection> = Vec::new();
        let mut below = limit.input.as_ref();
        while let LogicalPlan::Projection(projection) = below {
            if !matches!(
                projection.input.as_ref(),
                LogicalPlan::Sort(_) | LogicalPlan::Projection(_)
            ) {
                break;
            }
            above.push(projection);
            below = &projection.input;
        }
        let (order, input) = match below {
            LogicalPlan::Sort(sort) if sort.fetch.is_none() => {
                (domain.each_inside(&sort.expr)?, sort.input.as_ref())
            }
            // Without an order nothing was to be passed.
            _ => {
                above.clear();
                (Vec::new(), limit.input.as_ref())
            }
        };
        let Some(rows) = self.unnested(input, domain)? else {
            return Ok(None);
        };
        let kept = columns(&rows);
        let number = self.name();
        let ordered = !order.is_empty();
        let call = Expr::from(WindowFunction {
            fun: WindowFunctionDefinition::WindowUDF(
                datafusion::functions_window::row_number::row_number_udwf(),
            ),
            params: WindowFunctionParams {
                args: Vec::new(),
                partition_by: domain.own().collect(),
                order_by: order,
                window_frame: WindowFrame::new(ordered.then_some(true)),
                filter: None,
                null_treatment: None,
                distinct: false,
            },
        });
        let rows = nodes::window(rows, vec![call.alias(number.clone())])?;
        let number = Expr::Column(Column::new_unqualified(number));
        let within =
            |rows: usize| Expr::Literal(ScalarValue::UInt64(u64::try_from(rows).ok()), None);
        let mut chosen = number.clone().gt(within(skip));
        if let Some(fetch) = fetch {
            chosen = chosen.and(number.lt_eq(within(skip.saturating_add(fetch))));
        }
        let mut rows = project(nodes::filter(rows, chosen)?, kept)?;
        for projection in above.into_iter().rev() {
            let mut exprs: Vec<Expr> = domain.own().collect();
            for (expr, name) in projection.expr.iter().zip(projection.schema.iter()) {
                exprs.push(domain.named(expr, (name.0, name.1.name()))?);
            }
            rows = project(rows, exprs)?;
        }
        Ok(Some(rows))
    }

    fn join(&mut self, join: &Join, domain: &Domain) -> Result<Option<LogicalPlan>> {
        let (left, right) = (plan_asks(&join.left), plan_asks(&join.right));
        let keeps_left = matches!(
            join.join_type,
            JoinType::Inner | JoinType::Left | JoinType::LeftSemi | JoinType::LeftAnti
        );
        let inner = join.join_type == JoinType::Inner;
        if !keeps_left || right && (left || !inner) {
            return Ok(None);
        }
        let filter = join.filter.as_ref().map(|filter| domain.inside(filter));
        let filter = filter.transpose()?;
        let mut on = Vec::with_capacity(join.on.len());
        for (l, r) in &join.on {
            on.push((domain.inside(l)?, domain.inside(r)?));
        }
        let side = if right { &join.right } else { &join.left };
        let Some(side) = self.unnested(side, domain)? else {
            return Ok(None);
        };
        let (left, right_plan) = match right {
            true => (join.left.clone(), Arc::new(side)),
            false => (Arc::new(side), join.right.clone()),
        };
        let plan = LogicalPlan::Join(Join::try_new(
            left,
            right_plan,
            on,
            filter,
            join.join_type,
            join.join_constraint,
            join.null_equality,
            join.null_aware,
        )?);
        let mut all: Vec<Expr> = domain.own().collect();
        all.extend(join.schema.columns().into_iter().map(Expr::Column));
        project(plan, all).map(Some)
    }
}

fn names_outer(of: &Subquery, domain: &Domain) -> bool {
    let asked = outer_columns(&of.subquery);
    asked
        .iter()
        .any(|column| domain.columns.iter().any(|(outer, _)| outer == column))
}

/// Whether an expression of a plan may fail, as far as it can be told before casts are checked.
fn may_fail(plan: &LogicalPlan) -> bool {
    has_expression(plan, may_fail_itself)
}

fn may_fail_itself(expr: &Expr) -> bool {
    let open = expr.has(|e| {
        Ok(matches!(
            e,
            Expr::Cast(_)
                | Expr::Negative(_)
                | Expr::ScalarSubquery(_)
                | Expr::AggregateFunction(_)
                | Expr::WindowFunction(_)
        ))
    });
    open.unwrap_or(true) || can_fail(expr)
}

/// The columns under names that differ without their tables.
fn uniquely_named(plan: LogicalPlan) -> Result<LogicalPlan> {
    let schema: &DFSchema = plan.schema();
    let exprs = schema.columns().into_iter().enumerate();
    let exprs = exprs.map(|(at, column)| Expr::Column(column).alias(format!("{HIDDEN}{at}")));
    let exprs = exprs.collect();
    project(plan, exprs)
}
