//! A plan in which errors are values (rule E5): every column that may hold an error has a hidden column with the code of the error,
//! and rows whose existence hangs on an error have one for the row. No function of it fails; what its answer holds is checked on top.
//!
//! Plans run with functions that fail, which costs nothing. Where one fails, on a row that may not be part of the answer at all, this
//! plan decides. docs/errors.md has the rule of each operator; one without a rule is refused while planning.

mod groups;
mod joins;
mod order;
mod recursion;
mod unnest;
mod windows;

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, NullEquality, Result, ScalarValue};
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::expr::WindowFunction;
use datafusion::logical_expr::expr::WindowFunctionParams;
use datafusion::logical_expr::utils::{conjunction, split_conjunction_owned};
use datafusion::logical_expr::{
    AggregateUDF, Distinct, EmptyRelation, Expr, JoinType, LogicalPlan, SortExpr, SubqueryAlias,
    Union, WindowFrame, WindowFunctionDefinition, lit,
};
use datafusion::optimizer::{Optimizer, OptimizerConfig};
use datafusion::sql::sqlparser::ast::Statement;

use crate::checked::sql_text;
use crate::conditions::{self, is_bound, is_closed};
use crate::error::ExactError;
use crate::failures::Failures;
use crate::nodes::{aggregate, filter, joined, project, sort, window};
use crate::rows::can_fail;
use crate::total::{first_error, split};
use crate::walks::{Walk, WalkPlan};

/// Rules of DataFusion's optimizer that make joins of subqueries.
const SUBQUERIES: &[&str] = &[
    "rewrite_set_comparison",
    "replace_distinct_aggregate",
    "decorrelate_predicate_subquery",
    "scalar_subquery_to_join",
    "decorrelate_lateral_join",
];

/// First letter of the names of hidden columns.
const HIDDEN: char = '\u{1}';

/// A plan that cannot fail for what its rows hold.
#[derive(Clone, Debug)]
pub(crate) struct Carried {
    /// The columns of the answer, then those of its errors.
    pub(crate) plan: LogicalPlan,
    /// Columns of the answer.
    pub(crate) columns: usize,
    pub(crate) failures: Arc<Failures>,
    /// Whether the optimizer may leave out an expression of the other plan whose error is part of the answer: a key of groups that it
    /// knows to be constant, or to follow from others. Then this plan alone runs.
    pub(crate) alone: bool,
}

/// The plan with its errors as values; None if nothing in it can fail. A plan for which there is no rule is refused.
pub(crate) fn carried(
    plan: &LogicalPlan,
    state: &SessionState,
    sql: &str,
    statement: &Statement,
) -> Result<Option<Carried>> {
    let plan = plan
        .clone()
        .walk_up_with_subqueries(|node| {
            let node = node
                .change_expressions(|expr| conditions::taken_apart(&expr).map(Transformed::yes))?
                .data;
            // The optimizer leaves out a DISTINCT that it knows to change nothing, and with it the doubt of an error in it.
            Ok(Transformed::yes(match node {
                LogicalPlan::Distinct(Distinct::All(input)) => {
                    let by = input.schema().columns().into_iter().map(Expr::Column);
                    aggregate(input.as_ref().clone(), by.collect(), Vec::new())?
                }
                LogicalPlan::Filter(node) if node.predicate.contains_outer() => {
                    match conditions::taken_out(&node.predicate) {
                        Some(predicate) => filter(node.input.as_ref().clone(), predicate)?,
                        None => LogicalPlan::Filter(node),
                    }
                }
                node => node,
            }))
        })?
        .data;
    let all = Failures::of(&plan, sql, statement)?;
    if all.is_empty() && !has_scalar_subquery(&plan)? {
        return Ok(None);
    }
    let mut rules = Optimizer::new().rules;
    rules.retain(|rule| SUBQUERIES.contains(&rule.name()));
    let plan = Optimizer::with_rules(rules).optimize(plan, state, |_, _| {})?;
    let failures = Arc::new(Failures::of(&plan, sql, statement)?);
    let mut carrier = Carrier {
        failures: failures.clone(),
        config: OptimizerConfig::options(state),
        hidden: 0,
        alone: false,
        working: BTreeMap::new(),
    };
    let rows = carrier.answer(&plan)?;
    let columns = rows.visible.len();
    Ok(Some(Carried {
        plan: rows.tidy()?.plan,
        columns,
        failures,
        alone: carrier.alone,
    }))
}

/// Whether a plan may be one for which there is no rule: [`carried`] tells.
pub(crate) fn may_lack_a_rule(plan: &LogicalPlan) -> bool {
    let bound = |expr: &Expr| expr.has(|e| Ok(is_bound(e)));
    let plain = |node: &LogicalPlan| {
        matches!(
            node,
            LogicalPlan::Projection(_)
                | LogicalPlan::Filter(_)
                | LogicalPlan::SubqueryAlias(_)
                | LogicalPlan::Join(_)
                | LogicalPlan::Aggregate(_)
                | LogicalPlan::Window(_)
                | LogicalPlan::Sort(_)
                | LogicalPlan::Limit(_)
                | LogicalPlan::Union(_)
                | LogicalPlan::Distinct(Distinct::All(_))
                | LogicalPlan::TableScan(_)
                | LogicalPlan::EmptyRelation(_)
        )
    };
    let mut found = false;
    let visited = plan.walk(|node| {
        found |= !plain(node);
        node.see_expressions(|expr| {
            found |= bound(expr)?;
            Ok(TreeNodeRecursion::Continue)
        })
    });
    found || visited.is_err()
}

fn has_scalar_subquery(plan: &LogicalPlan) -> Result<bool> {
    let mut found = false;
    plan.walk_with_subqueries(|node| {
        node.see_expressions(|expr| {
            found |= expr.has(|e| Ok(matches!(e, Expr::ScalarSubquery(_))))?;
            Ok(TreeNodeRecursion::Continue)
        })
    })?;
    Ok(found)
}

/// The rows of an operator with their errors.
#[derive(Clone, Debug)]
struct Rows {
    plan: LogicalPlan,
    /// The columns that the operator has in the plan as written.
    visible: Vec<Column>,
    /// Columns whose values may be errors, and where the codes are.
    cells: BTreeMap<Column, Column>,
    /// The code of the error on which the row's existence hangs.
    row: Option<Column>,
}

impl Rows {
    /// Rows that hold no errors.
    fn plain(plan: LogicalPlan) -> Rows {
        Rows {
            visible: plan.schema().columns(),
            plan,
            cells: BTreeMap::new(),
            row: None,
        }
    }

    fn is_plain(&self) -> bool {
        self.cells.is_empty() && self.row.is_none()
    }

    fn schema(&self) -> &DFSchema {
        self.plan.schema()
    }

    /// All columns, the visible ones first.
    fn columns(&self) -> Vec<Column> {
        let mut columns = self.visible.clone();
        columns.extend(self.cells.values().cloned());
        columns.extend(self.row.clone());
        columns
    }

    /// The rows with some of their visible columns left out.
    fn without(mut self, columns: &[Column]) -> Result<Rows> {
        if columns.is_empty() {
            return Ok(self);
        }
        self.visible.retain(|column| !columns.contains(column));
        self.cells.retain(|column, _| !columns.contains(column));
        self.tidy()
    }

    /// The visible columns first, and no column that nobody knows of.
    fn tidy(self) -> Result<Rows> {
        let columns = self.columns();
        if self.plan.schema().columns() == columns {
            return Ok(self);
        }
        let plan = project(self.plan, columns.into_iter().map(Expr::Column).collect())?;
        Ok(Rows { plan, ..self })
    }
}

/// The expression under the name of a column.
fn named(expr: Expr, column: &Column) -> Expr {
    match &expr {
        Expr::Column(found) if found == column => expr,
        _ => expr.alias_qualified(column.relation.clone(), column.name.clone()),
    }
}

fn unaliased(expr: &Expr) -> &Expr {
    match expr {
        Expr::Alias(alias) => unaliased(&alias.expr),
        expr => expr,
    }
}

fn no_code() -> Expr {
    Expr::Literal(ScalarValue::Int32(None), None)
}

fn aggregate_of(function: Arc<AggregateUDF>, of: Expr, only: Option<Expr>) -> Expr {
    Expr::AggregateFunction(AggregateFunction::new_udf(
        function,
        vec![of],
        false,
        only.map(Box::new),
        Vec::new(),
        None,
    ))
}

fn min_of(of: Expr, only: Option<Expr>) -> Expr {
    aggregate_of(
        datafusion::functions_aggregate::min_max::min_udaf(),
        of,
        only,
    )
}

fn count_of(of: Expr, only: Option<Expr>) -> Expr {
    aggregate_of(
        datafusion::functions_aggregate::count::count_udaf(),
        of,
        only,
    )
}

/// An aggregate of Int32 codes over a window.
fn over(
    function: Arc<AggregateUDF>,
    of: Expr,
    partition_by: Vec<Expr>,
    order_by: Vec<SortExpr>,
    frame: WindowFrame,
) -> Expr {
    Expr::from(WindowFunction {
        fun: WindowFunctionDefinition::AggregateUDF(function),
        params: WindowFunctionParams {
            args: vec![of],
            partition_by,
            order_by,
            window_frame: frame,
            filter: None,
            null_treatment: None,
            distinct: false,
        },
    })
}

fn min_over(of: Expr, partition_by: Vec<Expr>) -> Expr {
    over(
        datafusion::functions_aggregate::min_max::min_udaf(),
        of,
        partition_by,
        Vec::new(),
        WindowFrame::new(None),
    )
}

fn row_number() -> Expr {
    Expr::from(WindowFunction::new(
        datafusion::functions_window::row_number::row_number_udwf(),
        Vec::new(),
    ))
}

fn case(when: Expr, then: Expr, otherwise: Expr) -> Expr {
    Expr::Case(datafusion::logical_expr::expr::Case {
        expr: None,
        when_then_expr: vec![(Box::new(when), Box::new(then))],
        else_expr: Some(Box::new(otherwise)),
    })
}

fn no_rule(what: &str) -> datafusion::common::DataFusionError {
    ExactError::refused(
        format!("{what} cannot carry the error of an expression below it (E5)"),
        "compute the cast or quotient above it, or write try_cast and nullif(divisor, 0), which give null"
            .to_owned(),
    )
    .into()
}

struct Carrier {
    failures: Arc<Failures>,
    config: Arc<ConfigOptions>,
    /// Hidden columns made so far.
    hidden: usize,
    /// See [`Carried::alone`].
    alone: bool,
    /// Working tables of the recursions that are being taken apart, by name.
    working: BTreeMap<String, recursion::Working>,
}

impl Carrier {
    /// The name of a new hidden column.
    fn name(&mut self) -> String {
        self.hidden += 1;
        format!("{HIDDEN}{}", self.hidden)
    }

    fn column(&mut self) -> Column {
        Column::new_unqualified(self.name())
    }

    /// The value and the error of an expression over a schema.
    fn both(
        &self,
        expr: &Expr,
        schema: &DFSchema,
        cells: &BTreeMap<Column, Column>,
    ) -> Result<(Expr, Option<Expr>)> {
        let bare = unaliased(expr);
        if let Expr::Column(column) = bare {
            return Ok((bare.clone(), cells.get(column).cloned().map(Expr::Column)));
        }
        let carries = bare
            .column_refs()
            .into_iter()
            .any(|column| cells.contains_key(column));
        if !carries && !can_fail(bare) {
            return Ok((bare.clone(), None));
        }
        closed(bare)?;
        let (value, error) = split(bare, schema, cells, &self.failures, &self.config)?;
        Ok((value, Some(error)))
    }

    fn both_in(&self, expr: &Expr, rows: &Rows) -> Result<(Expr, Option<Expr>)> {
        self.both(expr, rows.schema(), &rows.cells)
    }

    /// Whether the expression may be an error.
    fn fails(&self, expr: &Expr, rows: &Rows) -> Result<bool> {
        Ok(self.both_in(expr, rows)?.1.is_some())
    }

    /// The rows that a query answers with: their order is part of the answer.
    fn answer(&mut self, plan: &LogicalPlan) -> Result<Rows> {
        match plan {
            LogicalPlan::Sort(sort) => self.sorted_answer(sort),
            LogicalPlan::Projection(projection)
                if matches!(
                    projection.input.as_ref(),
                    LogicalPlan::Sort(_) | LogicalPlan::Projection(_)
                ) =>
            {
                let input = self.answer(&projection.input)?;
                self.projected(&projection.expr, projection.schema.columns(), input)
            }
            other => self.node(other),
        }
    }

    fn node(&mut self, plan: &LogicalPlan) -> Result<Rows> {
        match plan {
            LogicalPlan::Projection(projection) => {
                let input = self.node(&projection.input)?;
                self.projected(&projection.expr, projection.schema.columns(), input)
            }
            LogicalPlan::Filter(node) => {
                let input = self.node(&node.input)?;
                self.filtered(&node.predicate, input)
            }
            LogicalPlan::SubqueryAlias(alias) => {
                let input = self.node(&alias.input)?.tidy()?;
                let old = input.columns();
                let node = SubqueryAlias::try_new(input.plan.into(), alias.alias.clone())?;
                let plan = LogicalPlan::SubqueryAlias(node);
                let new = plan.schema().columns();
                let renamed = |column: &Column| {
                    let at = old.iter().position(|other| other == column);
                    at.and_then(|at| new.get(at)).cloned().ok_or_else(|| {
                        ExactError::Internal(format!("no column {column} under an alias"))
                    })
                };
                let mut cells = BTreeMap::new();
                for (column, error) in &input.cells {
                    cells.insert(renamed(column)?, renamed(error)?);
                }
                Ok(Rows {
                    visible: new.iter().take(input.visible.len()).cloned().collect(),
                    row: input.row.as_ref().map(renamed).transpose()?,
                    cells,
                    plan,
                })
            }
            LogicalPlan::Join(join) => self.join(join),
            LogicalPlan::Aggregate(node) => {
                let input = self.node(&node.input)?;
                let columns = node.schema.columns();
                let exprs: Vec<Expr> = node
                    .group_expr
                    .iter()
                    .chain(&node.aggr_expr)
                    .cloned()
                    .collect();
                let (exprs, input) = self.without_subqueries(&exprs, input)?;
                let (by, exprs) = exprs.split_at(node.group_expr.len());
                match by {
                    [Expr::GroupingSet(sets)]
                        if by[0]
                            .column_refs()
                            .into_iter()
                            .any(|column| input.cells.contains_key(column)) =>
                    {
                        self.over_sets(input, sets, exprs, columns)
                    }
                    _ => self.grouped(input, by, exprs, columns),
                }
            }
            LogicalPlan::Window(node) => {
                let input = self.node(&node.input)?;
                let columns = node.schema.columns();
                let (exprs, input, values) = self.beside_subqueries(&node.window_expr, input)?;
                let (passed, computed) = columns.split_at(columns.len() - exprs.len());
                let outputs = [passed, &values, computed].concat();
                let rows = self.windows(input, &exprs, outputs)?;
                rows.without(&values)
            }
            LogicalPlan::Sort(node) => self.sorted_inside(node),
            LogicalPlan::Limit(limit) => self.limited(limit),
            LogicalPlan::Union(union) => {
                let inputs = union.inputs.iter().map(|input| self.node(input));
                let inputs = inputs.collect::<Result<Vec<_>>>()?;
                self.united(inputs, union.schema.columns())
            }
            LogicalPlan::Values(values) => {
                let fallible = values.values.iter().flatten().any(can_fail);
                if !fallible {
                    return Ok(Rows::plain(plan.clone()));
                }
                let columns = values.schema.columns();
                let mut rows = Vec::with_capacity(values.values.len());
                for exprs in &values.values {
                    let one = LogicalPlan::EmptyRelation(EmptyRelation {
                        produce_one_row: true,
                        schema: Arc::new(DFSchema::empty()),
                    });
                    rows.push(self.projected(exprs, columns.clone(), Rows::plain(one))?);
                }
                match rows.len() {
                    1 => Ok(rows.remove(0)),
                    _ => self.united(rows, columns),
                }
            }
            LogicalPlan::Unnest(node) => self.unnested(node),
            LogicalPlan::Repartition(node) => self.node(&node.input),
            LogicalPlan::TableScan(scan) => match self.working(scan)? {
                Some(rows) => Ok(rows),
                None => Ok(Rows::plain(plan.clone())),
            },
            LogicalPlan::EmptyRelation(_) => Ok(Rows::plain(plan.clone())),
            LogicalPlan::RecursiveQuery(query) if fallible(plan)? => self.recursion(query),
            other => match fallible(other)? {
                false => Ok(Rows::plain(plan.clone())),
                true => Err(no_rule(&operator(other))),
            },
        }
    }

    /// The expressions over rows, under the names of columns.
    fn projected(&mut self, exprs: &[Expr], columns: Vec<Column>, input: Rows) -> Result<Rows> {
        let (exprs, input) = self.without_subqueries(exprs, input)?;
        let mut all = Vec::with_capacity(exprs.len());
        let mut hidden = Vec::new();
        let mut cells = BTreeMap::new();
        for (expr, column) in exprs.iter().zip(&columns) {
            let (value, error) = self.both_in(expr, &input)?;
            all.push(named(value, column));
            if let Some(error) = error {
                let cell = self.column();
                hidden.push(named(error, &cell));
                cells.insert(column.clone(), cell);
            }
        }
        all.extend(hidden);
        all.extend(input.row.clone().map(Expr::Column));
        Ok(Rows {
            plan: project(input.plan, all)?,
            visible: columns,
            cells,
            row: input.row,
        })
    }

    /// Rows whose predicate is true, and in doubt those on which it is an error.
    fn filtered(&mut self, predicate: &Expr, input: Rows) -> Result<Rows> {
        let visible = input.visible.clone();
        let (predicates, input) =
            self.without_subqueries(std::slice::from_ref(predicate), input)?;
        let Some(predicate) = predicates.into_iter().next() else {
            return Ok(input);
        };
        let parts = split_conjunction_owned(predicate.clone());
        let mut safe = Vec::new();
        for part in &parts {
            if !self.fails(part, &input)? {
                safe.push(part.clone());
            }
        }
        if safe.len() == parts.len() {
            let plan = filter(input.plan.clone(), predicate)?;
            return Rows {
                plan,
                visible,
                ..input
            }
            .tidy();
        }
        let (value, error) = self.both_in(&predicate, &input)?;
        let error = error.unwrap_or_else(no_code);
        safe.push(value.or(error.clone().is_not_null()));
        let kept = conjunction(safe).unwrap_or_else(|| lit(true));
        let plan = filter(input.plan.clone(), kept)?;
        self.in_doubt(
            Rows {
                plan,
                visible,
                ..input
            },
            error,
        )
    }

    /// The rows, which exist only if there was no such error.
    fn in_doubt(&mut self, rows: Rows, error: Expr) -> Result<Rows> {
        let row = self.column();
        let codes = rows.row.iter().cloned().map(Expr::Column).chain([error]);
        let error = first_error(codes.collect()).unwrap_or_else(no_code);
        let columns = rows.visible.iter().chain(rows.cells.values());
        let mut all: Vec<Expr> = columns.cloned().map(Expr::Column).collect();
        all.push(named(error, &row));
        Ok(Rows {
            plan: project(rows.plan, all)?,
            row: Some(row),
            ..rows
        })
    }

    /// The rows of several inputs, column by column.
    fn united(&mut self, inputs: Vec<Rows>, columns: Vec<Column>) -> Result<Rows> {
        let mut cells = BTreeMap::new();
        for (at, column) in columns.iter().enumerate() {
            let carries = inputs.iter().any(|rows| {
                let own = rows.visible.get(at);
                own.is_some_and(|own| rows.cells.contains_key(own))
            });
            if carries {
                cells.insert(column.clone(), self.column());
            }
        }
        let row = match inputs.iter().any(|rows| rows.row.is_some()) {
            true => Some(self.column()),
            false => None,
        };
        let mut plans = Vec::with_capacity(inputs.len());
        for rows in inputs {
            let mut all: Vec<Expr> = Vec::new();
            for (own, column) in rows.visible.iter().zip(&columns) {
                all.push(match own.name == column.name {
                    true => Expr::Column(own.clone()),
                    false => Expr::Column(own.clone()).alias(column.name.clone()),
                });
            }
            for (at, column) in columns.iter().enumerate() {
                let Some(cell) = cells.get(column) else {
                    continue;
                };
                let own = rows.visible.get(at).and_then(|own| rows.cells.get(own));
                let code = own.cloned().map_or_else(no_code, Expr::Column);
                all.push(named(code, cell));
            }
            if let Some(row) = &row {
                let code = rows.row.clone().map_or_else(no_code, Expr::Column);
                all.push(named(code, row));
            }
            plans.push(Arc::new(project(rows.plan, all)?));
        }
        let plan = LogicalPlan::Union(Union::try_new_with_loose_types(plans)?);
        let found = plan.schema().columns();
        let all = columns.iter().cloned();
        let all: Vec<Column> = all
            .chain(cells.values().cloned())
            .chain(row.clone())
            .collect();
        let exprs = found
            .into_iter()
            .zip(&all)
            .map(|(found, column)| named(Expr::Column(found), column));
        Ok(Rows {
            plan: project(plan, exprs.collect())?,
            visible: columns,
            cells,
            row,
        })
    }

    /// The expressions with a column for each scalar subquery: it is null for no row, and an error for more than one.
    fn without_subqueries(&mut self, exprs: &[Expr], input: Rows) -> Result<(Vec<Expr>, Rows)> {
        let any = exprs.iter().any(|expr| {
            matches!(
                expr.has(|e| Ok(matches!(e, Expr::ScalarSubquery(_)))),
                Ok(true)
            )
        });
        if !any {
            return Ok((exprs.to_vec(), input));
        }
        let mut rows = input;
        let mut replaced = Vec::with_capacity(exprs.len());
        for expr in exprs {
            let mut found = Vec::new();
            let expr = expr.clone().walk_down(|e| {
                let Expr::ScalarSubquery(subquery) = &e else {
                    return Ok(Transformed::no(e));
                };
                if !subquery.outer_ref_columns.is_empty() {
                    return Err(no_rule("a correlated subquery in this place"));
                }
                let column = self.column();
                found.push((subquery.subquery.clone(), column.clone()));
                Ok(Transformed::new(
                    Expr::Column(column),
                    true,
                    TreeNodeRecursion::Jump,
                ))
            })?;
            replaced.push(expr.data);
            for (plan, column) in found {
                rows = self.with_scalar(rows, &plan, column)?;
            }
        }
        Ok((replaced, rows))
    }

    /// The same with the values of the subqueries among the visible columns of the rows, the last of them.
    fn beside_subqueries(
        &mut self,
        exprs: &[Expr],
        input: Rows,
    ) -> Result<(Vec<Expr>, Rows, Vec<Column>)> {
        let before: Vec<Column> = input.cells.keys().cloned().collect();
        let (exprs, mut rows) = self.without_subqueries(exprs, input)?;
        let values = rows.cells.keys().filter(|column| !before.contains(column));
        let values: Vec<Column> = values.cloned().collect();
        rows.visible.extend(values.iter().cloned());
        Ok((exprs, rows, values))
    }

    /// The rows beside the one value of a subquery.
    fn with_scalar(&mut self, rows: Rows, plan: &LogicalPlan, column: Column) -> Result<Rows> {
        let inner = self.node(plan)?;
        let [value] = inner.visible.as_slice() else {
            return Err(no_rule("a subquery of several columns"));
        };
        let (value, many) = (value.clone(), self.column());
        let mut codes: Vec<Expr> = inner.cells.values().cloned().map(Expr::Column).collect();
        codes.extend(inner.row.clone().map(Expr::Column));
        let error = first_error(codes).unwrap_or_else(no_code);
        let first = datafusion::functions_aggregate::first_last::first_value_udaf();
        let (counted, least_error) = (self.column(), self.column());
        let one = aggregate(
            inner.plan,
            Vec::new(),
            vec![
                named(aggregate_of(first, Expr::Column(value), None), &column),
                named(min_of(error, None), &least_error),
                named(count_of(lit(1i64), None), &counted),
            ],
        )?;
        let several = case(
            Expr::Column(counted).gt(lit(1i64)),
            lit(self.failures.many_rows()),
            no_code(),
        );
        let error = case(
            Expr::Column(least_error.clone()).is_not_null(),
            Expr::Column(least_error),
            several,
        );
        let one = project(one, vec![Expr::Column(column.clone()), named(error, &many)])?;
        let plan = joined(
            rows.plan.clone(),
            one,
            Vec::new(),
            None,
            JoinType::Inner,
            NullEquality::NullEqualsNothing,
        )?;
        let mut cells = rows.cells.clone();
        cells.insert(column, many);
        Ok(Rows {
            plan,
            cells,
            ..rows
        })
    }
}

/// Whether an expression in a plan can fail for what its rows hold.
fn fallible(plan: &LogicalPlan) -> Result<bool> {
    let mut fallible = false;
    plan.walk_with_subqueries(|node| {
        node.see_expressions(|expr| {
            fallible |= can_fail(expr);
            Ok(TreeNodeRecursion::Continue)
        })
    })?;
    Ok(fallible)
}

/// Refuses an expression that cannot be computed apart from the plan.
fn closed(expr: &Expr) -> Result<()> {
    match is_closed(expr) {
        true => Ok(()),
        false => Err(no_rule(&format!("`{}`", sql_text(expr)))),
    }
}

fn operator(plan: &LogicalPlan) -> String {
    match plan {
        LogicalPlan::Subquery(_) => "a lateral subquery".to_owned(),
        other => {
            let text = other.display().to_string();
            let end = text.find([':', ' ', '(']).unwrap_or(text.len());
            format!("the operator {}", &text[..end])
        }
    }
}

/// The value that stands for no value of a type, where only equality counts.
fn some_value(data_type: &DataType) -> Result<Expr> {
    Ok(Expr::Literal(ScalarValue::new_default(data_type)?, None))
}
