//! Where one row of an answer comes from: the rows of tables that stand behind it.
//!
//! From the answer down to its joins and scans, what the row's columns are is what the columns below them must be: a group's columns are
//! those of its rows. Values that are computed from many rows say nothing of one, and are left out. What stands above the joins that are
//! found in this way, all their rows make this one row.

use std::collections::BTreeSet;

use arrow::array::RecordBatch;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{Column, Result, ScalarValue};
use datafusion::logical_expr::{Distinct, Expr, Filter, LogicalPlan, Projection, lit};

use crate::tables::{name_of, tables_asked, tables_read};
use crate::walks::Walk;

/// What tells where a row comes from.
pub(crate) struct Found {
    /// The answer's row once more, from the rows that were found.
    pub(crate) again: LogicalPlan,
    /// Rows of tables that stand behind it: table, and the plan of its distinct rows.
    pub(crate) tables: Vec<(String, LogicalPlan)>,
    /// Tables that are read as well, and whose part in it cannot be told.
    pub(crate) untold: BTreeSet<String>,
}

/// That an expression over a plan's columns is this value.
type Given = (Expr, ScalarValue);

/// What stands behind a row of a plan's answer, whose columns are those of the row, by their place.
pub(crate) fn of_row(plan: &LogicalPlan, row: &RecordBatch) -> Result<Found> {
    let columns = plan.schema().columns();
    let mut given: Vec<Given> = Vec::with_capacity(columns.len());
    for (column, values) in columns.into_iter().zip(row.columns()) {
        given.push((
            Expr::Column(column),
            ScalarValue::try_from_array(values, 0)?,
        ));
    }
    let mut found = Found {
        again: plan.clone(),
        tables: Vec::new(),
        untold: BTreeSet::new(),
    };
    let again = found.below(plan, given.clone())?;
    // Grouping sets and windows make other rows of the same rows, too.
    given.retain(|(_, value)| !value.data_type().is_nested());
    found.again = that_have(again, given)?;
    let told: Vec<String> = found
        .tables
        .iter()
        .map(|(table, _)| table.clone())
        .collect();
    found.untold.retain(|table| !told.contains(table));
    Ok(found)
}

impl Found {
    /// Goes on below one operator; gives it over the rows that were found.
    fn below(&mut self, plan: &LogicalPlan, given: Vec<Given>) -> Result<LogicalPlan> {
        self.untold.extend(tables_asked(plan)?);
        let input = |plan: &LogicalPlan| plan.inputs().first().map(|input| (*input).clone());
        let (inner, given) = match plan {
            LogicalPlan::Projection(projection) => {
                let outputs = plan.schema().columns();
                (input(plan), through(given, &outputs, &projection.expr)?)
            }
            LogicalPlan::SubqueryAlias(alias) if !is_scan(&alias.input) => {
                let outputs = plan.schema().columns();
                let inputs = alias.input.schema().columns().into_iter();
                let inputs: Vec<Expr> = inputs.map(Expr::Column).collect();
                (input(plan), through(given, &outputs, &inputs)?)
            }
            LogicalPlan::Aggregate(aggregate) => {
                let outputs = plan.schema().columns();
                let is_set = |expr: &Expr| matches!(expr, Expr::GroupingSet(_));
                let groups: &[Expr] = match aggregate.group_expr.iter().any(is_set) {
                    true => &[],
                    false => &aggregate.group_expr,
                };
                (input(plan), through(given, &outputs, groups)?)
            }
            LogicalPlan::Window(window) => {
                let inputs = window.input.schema().columns().into_iter();
                let inputs: Vec<Expr> = inputs.map(Expr::Column).collect();
                // The frame's other rows stand behind the value as well: the row itself is only among them.
                let mut split: Vec<Expr> = Vec::new();
                for (nth, expr) in window.window_expr.iter().enumerate() {
                    let Expr::WindowFunction(function) = expr.clone().unalias() else {
                        continue;
                    };
                    let parts = &function.params.partition_by;
                    match nth {
                        0 => split.clone_from(parts),
                        _ => split.retain(|part| parts.contains(part)),
                    }
                }
                let given = through(given, &plan.schema().columns(), &inputs)?;
                let kept = given.into_iter().filter(|(expr, _)| split.contains(expr));
                (input(plan), kept.collect())
            }
            LogicalPlan::Filter(filter) if !is_of_tables(&filter.input) => {
                let mut given = given;
                given.push((filter.predicate.clone(), ScalarValue::Boolean(Some(true))));
                (input(plan), given)
            }
            LogicalPlan::Sort(_)
            | LogicalPlan::Limit(_)
            | LogicalPlan::Distinct(Distinct::All(_)) => (input(plan), given),
            LogicalPlan::Union(union) => {
                let outputs = plan.schema().columns();
                let mut inputs = Vec::with_capacity(union.inputs.len());
                for input in &union.inputs {
                    let columns = input.schema().columns().into_iter();
                    let columns: Vec<Expr> = columns.map(Expr::Column).collect();
                    let given = through(given.clone(), &outputs, &columns)?;
                    inputs.push(self.below(input, given)?);
                }
                return plan.with_new_exprs(plan.expressions(), inputs);
            }
            _ => return self.rows(plan, given),
        };
        match inner {
            Some(inner) => {
                let inner = self.below(&inner, given)?;
                plan.with_new_exprs(plan.expressions(), vec![inner])
            }
            None => Ok(plan.clone()),
        }
    }

    /// The joined tables under all that was passed: their rows.
    fn rows(&mut self, plan: &LogicalPlan, given: Vec<Given>) -> Result<LogicalPlan> {
        let conditions = given
            .into_iter()
            .map(|(expr, value)| match value.is_null() {
                true => expr.is_null(),
                false => expr.eq(lit(value)),
            });
        let rows = match conditions.reduce(Expr::and) {
            Some(condition) => {
                LogicalPlan::Filter(Filter::try_new(condition, plan.clone().into())?)
            }
            None => plan.clone(),
        };
        let visible = plan.schema().columns();
        let mut leaves = Vec::new();
        leaves_of(plan, &mut leaves);
        for (leaf, table) in leaves {
            let columns = leaf.schema().columns();
            match table {
                Some(table) if columns.iter().all(|column| visible.contains(column)) => {
                    // An outer join fills in a row of nulls, which is none of the table.
                    let is_there = columns.iter().cloned().map(Expr::Column);
                    let is_there = is_there.map(Expr::is_not_null).reduce(Expr::or);
                    let rows = match is_there {
                        Some(is_there) => {
                            LogicalPlan::Filter(Filter::try_new(is_there, rows.clone().into())?)
                        }
                        None => rows.clone(),
                    };
                    let plain = columns.into_iter().map(|column: Column| {
                        let name = column.name.clone();
                        Expr::Column(column).alias(name)
                    });
                    let of_table = Projection::try_new(plain.collect(), rows.into())?;
                    let of_table = LogicalPlan::Projection(of_table).into();
                    let distinct = LogicalPlan::Distinct(Distinct::All(of_table));
                    self.tables.push((table, distinct));
                }
                _ => self.untold.extend(tables_read(leaf)?),
            }
        }
        Ok(rows)
    }
}

/// The rows of a plan for which all of this is given.
fn that_have(plan: LogicalPlan, given: Vec<Given>) -> Result<LogicalPlan> {
    let conditions = given
        .into_iter()
        .map(|(expr, value)| match value.is_null() {
            true => expr.is_null(),
            false => expr.eq(lit(value)),
        });
    match conditions.reduce(Expr::and) {
        Some(condition) => Ok(LogicalPlan::Filter(Filter::try_new(
            condition,
            plan.into(),
        )?)),
        None => Ok(plan),
    }
}

/// What is given of outputs, as given of what stands behind them; what is computed by the operator itself is left out.
fn through(given: Vec<Given>, outputs: &[Column], exprs: &[Expr]) -> Result<Vec<Given>> {
    let mut inner = Vec::with_capacity(given.len());
    for (expr, value) in given {
        let mut is_known = true;
        let expr = expr.walk_up(|expr| {
            let Expr::Column(column) = &expr else {
                return Ok(Transformed::no(expr));
            };
            let at = outputs.iter().position(|output| output == column);
            match at.and_then(|at| exprs.get(at)) {
                Some(behind) => Ok(Transformed::yes(behind.clone().unalias())),
                None => {
                    is_known = false;
                    Ok(Transformed::no(expr))
                }
            }
        })?;
        // A constant tells no rows apart.
        if is_known && !expr.data.column_refs().is_empty() {
            inner.push((expr.data, value));
        }
    }
    Ok(inner)
}

fn is_scan(plan: &LogicalPlan) -> bool {
    matches!(plan, LogicalPlan::TableScan(_))
}

/// Whether all columns of tables are visible here.
fn is_of_tables(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::TableScan(_) | LogicalPlan::Join(_) => true,
        LogicalPlan::SubqueryAlias(alias) => is_scan(&alias.input),
        LogicalPlan::Filter(filter) => is_of_tables(&filter.input),
        _ => false,
    }
}

/// The inputs of joins: tables by name, and what is none.
fn leaves_of<'p>(plan: &'p LogicalPlan, leaves: &mut Vec<(&'p LogicalPlan, Option<String>)>) {
    match plan {
        LogicalPlan::Join(join) => {
            leaves_of(&join.left, leaves);
            leaves_of(&join.right, leaves);
        }
        LogicalPlan::Filter(filter) => leaves_of(&filter.input, leaves),
        LogicalPlan::TableScan(scan) => leaves.push((plan, name_of(scan))),
        LogicalPlan::SubqueryAlias(alias) => match alias.input.as_ref() {
            LogicalPlan::TableScan(scan) => leaves.push((plan, name_of(scan))),
            _ => leaves.push((plan, None)),
        },
        other => leaves.push((other, None)),
    }
}
