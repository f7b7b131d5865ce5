//! Conditions inside queries, evaluated by rule E5: `false AND error` is false both ways round, whatever order DataFusion would take.
//!
//! DataFusion evaluates the right side of AND on all rows of a batch, or on some, depending on what the left side gave. So each AND
//! or OR with a part that can fail becomes one function that evaluates all of it with [`crate::rows`]. In a filter or a join the parts
//! that cannot fail stay beside it, so that they are still pushed down, and prune files.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, Result};
use datafusion::logical_expr::expr::BinaryExpr;
use datafusion::logical_expr::utils::{
    conjunction, disjunction, split_binary_owned, split_conjunction_owned,
};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ExprSchemable, LogicalPlan, Operator, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature, Volatility,
};
use datafusion::optimizer::optimizer::ApplyOrder;
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};
use datafusion::physical_expr::PhysicalExpr;

use crate::checked::{Checked, sql_text};
use crate::error::ExactError;
use crate::rows::{Node, Nodes, can_fail};
use crate::walks::Walk;

/// A condition of several parts as one function of the columns that it reads.
#[derive(Debug)]
struct Condition {
    /// Over columns named by their position.
    expr: Expr,
    schema: SchemaRef,
    node: Node,
    /// The same for DataFusion, asked for the error of a row that failed.
    physical: Arc<dyn PhysicalExpr>,
    name: String,
    text: String,
    signature: Signature,
}

impl PartialEq for Condition {
    fn eq(&self, other: &Condition) -> bool {
        self.expr == other.expr && self.schema == other.schema && self.name == other.name
    }
}

impl Eq for Condition {}

impl Hash for Condition {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.expr.hash(state);
        self.name.hash(state);
    }
}

/// Whether an expression means something only in the place of the plan where it stands: it is a subquery or column of a plan around it,
/// a value still to come, or makes rows or groups.
pub(crate) fn is_bound(expr: &Expr) -> bool {
    matches!(
        expr,
        Expr::ScalarSubquery(_)
            | Expr::Exists(_)
            | Expr::InSubquery(_)
            | Expr::SetComparison(_)
            | Expr::OuterReferenceColumn(..)
            | Expr::Placeholder(_)
            | Expr::Unnest(_)
            | Expr::GroupingSet(_)
    )
}

/// Whether an expression can be computed apart from the plan, from the columns of one row: nothing in it is bound to its place, and it
/// takes no other rows. One that cannot be looked into is not.
pub(crate) fn is_closed(expr: &Expr) -> bool {
    let open = expr.has(|e| {
        Ok(is_bound(e) || matches!(e, Expr::AggregateFunction(_) | Expr::WindowFunction(_)))
    });
    matches!(open, Ok(false))
}

/// The expression with each condition that can fail made into one function.
pub(crate) fn guarded(
    expr: Expr,
    schema: &DFSchema,
    config: &Arc<ConfigOptions>,
) -> Result<Transformed<Expr>> {
    if !can_fail(&expr) {
        return Ok(Transformed::no(expr));
    }
    if let Expr::BinaryExpr(BinaryExpr {
        op: Operator::And, ..
    }) = &expr
    {
        return conjuncts(expr, schema, config);
    }
    let mut all = shared(&expr);
    if all.is_empty() || !is_closed(&expr) {
        return replaced(expr, schema, config);
    }
    all.push(replaced(expr, schema, config)?.data);
    match conjunction(all) {
        Some(expr) => Ok(Transformed::yes(expr)),
        None => Err(ExactError::Internal("a condition without parts".into()).into()),
    }
}

/// What all branches of an OR demand and cannot fail at: true where the OR is, and so it can stand beside it, where the optimizer makes a
/// join's equality of it.
fn shared(expr: &Expr) -> Vec<Expr> {
    let branches = split_binary_owned(expr.clone(), Operator::Or);
    let mut demands = branches.into_iter().map(split_conjunction_owned);
    let (Some(first), Some(second)) = (demands.next(), demands.next()) else {
        return Vec::new();
    };
    let others: Vec<Vec<Expr>> = std::iter::once(second).chain(demands).collect();
    let in_all = |part: &Expr| others.iter().all(|other| other.contains(part));
    first
        .into_iter()
        .filter(|part| !can_fail(part) && in_all(part))
        .collect()
}

/// The condition with what all branches of an OR demand taken out of it: `(a and x) or (a and y)` is `a and (x or y)`, for errors as for
/// unknowns. A subquery whose rows depend on outer columns becomes a join only by equalities that stand on their own.
pub(crate) fn taken_out(expr: &Expr) -> Option<Expr> {
    let mut all = Vec::new();
    let mut changed = false;
    for part in split_conjunction_owned(expr.clone()) {
        let demanded = shared(&part);
        if demanded.is_empty() {
            all.push(part);
            continue;
        }
        changed = true;
        let branches = split_binary_owned(part, Operator::Or);
        let rests = branches.into_iter().map(|branch| {
            let parts = split_conjunction_owned(branch);
            conjunction(parts.into_iter().filter(|part| !demanded.contains(part)))
        });
        // A branch that demands nothing more is true wherever the others could be.
        let rests: Option<Vec<Expr>> = rests.collect();
        all.extend(demanded.iter().cloned());
        all.extend(rests.and_then(disjunction));
    }
    match changed {
        true => conjunction(all),
        false => None,
    }
}

fn replaced(
    expr: Expr,
    schema: &DFSchema,
    config: &Arc<ConfigOptions>,
) -> Result<Transformed<Expr>> {
    expr.walk_down(|e| {
        let condition = matches!(
            &e,
            Expr::BinaryExpr(BinaryExpr {
                op: Operator::And | Operator::Or,
                ..
            })
        );
        if !condition || !can_fail(&e) || !is_closed(&e) {
            return Ok(Transformed::no(e));
        }
        Ok(Transformed::new(
            call(e, schema, config)?,
            true,
            TreeNodeRecursion::Jump,
        ))
    })
}

/// `A AND F`, where only F can fail, as `A AND condition(A AND F)`: right in any order of evaluation.
fn conjuncts(
    expr: Expr,
    schema: &DFSchema,
    config: &Arc<ConfigOptions>,
) -> Result<Transformed<Expr>> {
    let mut parts: Vec<Expr> = Vec::new();
    for part in split_conjunction_owned(expr) {
        if !parts.contains(&part) {
            parts.push(part);
        }
    }
    let (inside, outside): (Vec<Expr>, Vec<Expr>) = parts.into_iter().partition(is_closed);
    let safe: Vec<Expr> = inside
        .iter()
        .filter(|part| !can_fail(part))
        .cloned()
        .collect();
    let mut all = safe;
    for part in inside.iter().flat_map(shared) {
        if !all.contains(&part) {
            all.push(part);
        }
    }
    // Where the ordinary plan fails, errors are carried: what hardly ever fails may stand alone, too, as a join's key.
    if inside.len() > 1 {
        all.extend(inside.iter().filter(|part| is_key_of_sums(part)).cloned());
    }
    if let Some(condition) = conjunction(inside.clone()) {
        all.push(match inside.len() {
            1 => replaced(condition, schema, config)?.data,
            _ if can_fail(&condition) => call(condition, schema, config)?,
            _ => condition,
        });
    }
    all.extend(outside);
    match conjunction(all) {
        Some(expr) => Ok(Transformed::yes(expr)),
        None => Err(ExactError::Internal("a condition without parts".into()).into()),
    }
}

fn call(expr: Expr, schema: &DFSchema, config: &Arc<ConfigOptions>) -> Result<Expr> {
    let (name, text) = (expr.schema_name().to_string(), sql_text(&expr));
    let mut columns: Vec<Column> = expr.column_refs().into_iter().cloned().collect();
    columns.sort();
    let mut fields = Vec::with_capacity(columns.len());
    for (index, column) in columns.iter().enumerate() {
        let data_type = Expr::Column(column.clone()).get_type(schema)?;
        fields.push(Field::new(format!("c{index}"), data_type, true));
    }
    let renamed = expr
        .walk_down(|e| {
            let Expr::Column(column) = &e else {
                return Ok(Transformed::no(e));
            };
            match columns.binary_search(column) {
                Ok(index) => Ok(Transformed::yes(Expr::Column(Column::new_unqualified(
                    format!("c{index}"),
                )))),
                Err(_) => Ok(Transformed::no(e)),
            }
        })?
        .data;
    let inner = Arc::new(Schema::new(fields));
    let nodes = Nodes::new(inner.clone(), config)?;
    let condition = Condition {
        node: nodes.node(&renamed)?,
        physical: nodes.physical(&renamed, &DFSchema::try_from(inner.as_ref().clone())?)?,
        expr: renamed,
        schema: inner,
        name,
        text,
        signature: Signature::user_defined(Volatility::Immutable),
    };
    Ok(ScalarUDF::new_from_impl(condition).call(columns.into_iter().map(Expr::Column).collect()))
}

impl ScalarUDFImpl for Condition {
    fn name(&self) -> &str {
        "karat_condition"
    }

    fn schema_name(&self, _args: &[Expr]) -> Result<String> {
        Ok(self.name.clone())
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        Ok(types.to_vec())
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = args.number_rows;
        let columns = args
            .args
            .iter()
            .map(|arg| arg.to_array(rows))
            .collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)?;
        let value = self.node.evaluate(&batch)?;
        if let Some(row) = value
            .failed
            .as_ref()
            .and_then(|failed| failed.mask().set_indices().next())
        {
            return Err(match self.physical.evaluate(&batch.slice(row, 1)) {
                Err(error) => error,
                Ok(_) => ExactError::failed_in(&self.text).into(),
            });
        }
        Ok(ColumnarValue::Array(value.array(rows)?))
    }
}

/// Makes conditions again out of filters that the optimizer has joined or moved.
#[derive(Debug)]
pub(crate) struct Conditions;

impl OptimizerRule for Conditions {
    fn name(&self) -> &str {
        "karat_conditions"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::BottomUp)
    }

    fn rewrite(
        &self,
        plan: LogicalPlan,
        config: &dyn OptimizerConfig,
    ) -> Result<Transformed<LogicalPlan>> {
        match plan {
            LogicalPlan::Filter(mut filter) => {
                match again(&filter.predicate, filter.input.schema(), &config.options())? {
                    Some(predicate) => {
                        filter.predicate = predicate;
                        Ok(Transformed::yes(LogicalPlan::Filter(filter)))
                    }
                    None => Ok(Transformed::no(LogicalPlan::Filter(filter))),
                }
            }
            LogicalPlan::Join(mut join) => {
                let Some(filter) = &join.filter else {
                    return Ok(Transformed::no(LogicalPlan::Join(join)));
                };
                let mut both = join.left.schema().as_ref().clone();
                both.merge(join.right.schema());
                match again(filter, &both, &config.options())? {
                    Some(filter) => {
                        join.filter = Some(filter);
                        Ok(Transformed::yes(LogicalPlan::Join(join)))
                    }
                    None => Ok(Transformed::no(LogicalPlan::Join(join))),
                }
            }
            other => Ok(Transformed::no(other)),
        }
    }
}

/// Whether a condition is an equality of two tables, and can fail only where a sum or product of their columns is too large: `a.n = b.n + 1`.
fn is_key_of_sums(part: &Expr) -> bool {
    let Expr::BinaryExpr(BinaryExpr {
        left,
        op: Operator::Eq,
        right,
    }) = part
    else {
        return false;
    };
    let table_of = |side: &Expr| {
        let columns = side.column_refs();
        let mut tables = columns.iter().map(|column| column.relation.clone());
        let first = tables.next().flatten()?;
        tables
            .all(|other| other.as_ref() == Some(&first))
            .then_some(first)
    };
    let (Some(l), Some(r)) = (table_of(left), table_of(right)) else {
        return false;
    };
    let fails_otherwise = |side: &Expr| {
        side.has(|e| {
            Ok(match e {
                // A cast that could fail is one of ours.
                Expr::Column(_) | Expr::Literal(..) | Expr::Cast(_) => false,
                Expr::ScalarFunction(call) => {
                    let checked = call.func.inner().downcast_ref::<Checked>();
                    !checked.is_some_and(Checked::only_overflows)
                }
                _ => true,
            })
        })
        .unwrap_or(true)
    };
    l != r && can_fail(part) && !fails_otherwise(left) && !fails_otherwise(right)
}

/// The predicate with its conditions taken apart and made again; none if that changes nothing.
fn again(predicate: &Expr, schema: &DFSchema, config: &Arc<ConfigOptions>) -> Result<Option<Expr>> {
    if !can_fail(predicate) {
        return Ok(None);
    }
    let made = guarded(taken_apart(predicate)?, schema, config)?.data;
    Ok(Some(made).filter(|made| made != predicate))
}

/// The expression with its conditions written out again.
pub(crate) fn taken_apart(expr: &Expr) -> Result<Expr> {
    let apart = expr.clone().walk_up(|e| {
        let Expr::ScalarFunction(call) = &e else {
            return Ok(Transformed::no(e));
        };
        let Some(condition) = call.func.inner().downcast_ref::<Condition>() else {
            return Ok(Transformed::no(e));
        };
        let args = &call.args;
        condition.expr.clone().walk_down(|inner| {
            let index = match &inner {
                Expr::Column(column) => column
                    .name
                    .strip_prefix('c')
                    .and_then(|index| index.parse::<usize>().ok()),
                _ => None,
            };
            match index.and_then(|index| args.get(index)) {
                Some(arg) => Ok(Transformed::new(arg.clone(), true, TreeNodeRecursion::Jump)),
                None => Ok(Transformed::no(inner)),
            }
        })
    })?;
    Ok(apart.data)
}
