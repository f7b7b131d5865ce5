//! Groups: an error in an argument is one of that aggregate, a row in doubt one of every aggregate of its group, an error in a key one
//! of every group that the row could belong to.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::common::{Column, NullEquality, Result, ScalarValue};
use datafusion::logical_expr::expr::{AggregateFunction, GroupingSet};
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{
    Aggregate, Expr, ExprSchemable, JoinType, LogicalPlan, Operator, SortExpr, binary_expr, lit,
};

use super::{
    Carrier, Rows, aggregate, case, count_of, filter, min_of, named, no_code, no_rule, project,
    row_number, unaliased, window,
};
use crate::checked::sql_text;
use crate::nodes::joined;
use crate::total::{aggregate_can_fail, error_of, first_error, total_aggregate, value_of};

/// A key of groups or partitions: its value, and its error if it can be one.
#[derive(Clone, Debug)]
pub(super) struct Key {
    pub(super) value: Expr,
    pub(super) error: Option<Expr>,
}

impl Carrier {
    pub(super) fn grouped(
        &mut self,
        input: Rows,
        by: &[Expr],
        exprs: &[Expr],
        outputs: Vec<Column>,
    ) -> Result<Rows> {
        let sets = by.iter().any(|e| matches!(e, Expr::GroupingSet(_)));
        let computed = outputs.len() - exprs.len();
        let mut keys = Vec::with_capacity(computed);
        if sets {
            for expr in by {
                let columns = expr.column_refs();
                let carries = columns.into_iter().any(|c| input.cells.contains_key(c));
                if carries || crate::rows::can_fail(expr) {
                    return Err(no_rule("a grouping set"));
                }
            }
        } else {
            // Whether some of the keys are known to determine the others.
            let schema = input.schema();
            let plain: Vec<usize> = by
                .iter()
                .filter_map(|key| schema.maybe_index_of_column(key.try_as_col()?))
                .collect();
            let determined = schema.functional_dependencies().iter().any(|dependency| {
                let mut source = dependency.source_indices.iter();
                source.all(|column| plain.contains(column))
            });
            for expr in by {
                let (value, error) = self.both_in(expr, &input)?;
                self.alone |= error.is_some() && (expr.column_refs().is_empty() || determined);
                keys.push(Key { value, error });
            }
        }

        // Keys, then the errors of keys, as columns of the groups.
        let mut groups: Vec<Expr> = Vec::new();
        let mut key_columns = Vec::with_capacity(keys.len());
        for key in &keys {
            let column = self.column();
            groups.push(named(key.value.clone(), &column));
            let error = match &key.error {
                Some(error) => {
                    let cell = self.column();
                    groups.push(named(error.clone(), &cell));
                    Some(Expr::Column(cell))
                }
                None => None,
            };
            key_columns.push(Key {
                value: Expr::Column(column),
                error,
            });
        }
        let groups = match sets {
            true => by.to_vec(),
            false => groups,
        };

        let mut aggregates = Vec::new();
        let mut results = Vec::with_capacity(exprs.len());
        for expr in exprs {
            let Expr::AggregateFunction(function) = unaliased(expr) else {
                return Err(no_rule(&format!("`{}`", sql_text(expr))));
            };
            results.push(self.aggregate(function, expr, &input, &mut aggregates)?);
        }
        let doubt = match (&input.row, by.is_empty()) {
            (Some(row), false) => {
                let (sure, first) = (self.column(), self.column());
                let row = Expr::Column(row.clone());
                let counted = count_of(lit(1i64), Some(row.clone().is_null()));
                aggregates.push(named(counted, &sure));
                aggregates.push(named(min_of(row, None), &first));
                let none_sure = Expr::Column(sure).eq(lit(0i64));
                Some(case(none_sure, Expr::Column(first), no_code()))
            }
            _ => None,
        };
        let below = input.plan.clone();
        let mut plan = aggregate(input.plan, groups, aggregates)?;

        let mut codes: Vec<Expr> = doubt.into_iter().collect();
        if key_columns.iter().any(|key| key.error.is_some()) {
            let flag = self.column();
            plan = self.flagged(plan, &key_columns, below, &keys, &flag)?;
            codes.push(Expr::Column(flag));
        }
        let in_plan = plan.schema().columns();
        let mut all = Vec::with_capacity(outputs.len());
        let mut hidden = Vec::new();
        let mut rows = Rows {
            visible: outputs.clone(),
            ..Rows::plain(plan.clone())
        };
        for (at, column) in outputs.iter().enumerate().take(computed) {
            let Some(key) = key_columns.get(at) else {
                let own = in_plan.get(at).cloned().unwrap_or_else(|| column.clone());
                all.push(named(Expr::Column(own), column));
                continue;
            };
            all.push(named(key.value.clone(), column));
            if let Some(error) = &key.error {
                let cell = self.column();
                hidden.push(named(error.clone(), &cell));
                rows.cells.insert(column.clone(), cell);
            }
        }
        for (column, (value, error)) in outputs[computed..].iter().zip(results) {
            let Some(error) = error else {
                all.push(named(value, column));
                continue;
            };
            let cell = self.column();
            all.push(named(value, column));
            hidden.push(named(error, &cell));
            rows.cells.insert(column.clone(), cell);
        }
        all.extend(hidden);
        if let Some(code) = first_error(codes) {
            let row = self.column();
            all.push(named(code, &row));
            rows.row = Some(row);
        }
        rows.plan = project(plan, all)?;
        Ok(rows)
    }

    /// Grouping sets, some key of which may be an error: the union of a grouping by each set.
    pub(super) fn over_sets(
        &mut self,
        input: Rows,
        of: &GroupingSet,
        exprs: &[Expr],
        outputs: Vec<Column>,
    ) -> Result<Rows> {
        let all: Vec<Expr> = of.distinct_expr().into_iter().cloned().collect();
        let sets: Vec<Vec<Expr>> = match of {
            GroupingSet::Rollup(keys) => (0..=keys.len()).map(|n| keys[..n].to_vec()).collect(),
            GroupingSet::Cube(keys) if keys.len() < 16 => (0..1usize << keys.len())
                .map(|chosen| {
                    let keys = keys.iter().enumerate();
                    let keys = keys.filter(|(at, _)| chosen >> at & 1 == 1);
                    keys.map(|(_, key)| key.clone()).collect()
                })
                .collect(),
            GroupingSet::Cube(_) => return Err(no_rule("a cube of so many columns")),
            GroupingSet::GroupingSets(sets) => sets.clone(),
        };
        let id_type = Aggregate::grouping_id_type(all.len(), 0);
        let mut ids = BTreeSet::new();
        let mut parts = Vec::with_capacity(sets.len());
        for set in sets {
            let id = all
                .iter()
                .fold(0u64, |id, key| id << 1 | u64::from(!set.contains(key)));
            if !ids.insert(id) || all.len() > 64 {
                return Err(no_rule("a grouping set that is there twice"));
            }
            let columns: Vec<Column> = (0..set.len() + exprs.len())
                .map(|_| self.column())
                .collect();
            let rows = self.grouped(input.clone(), &set, exprs, columns.clone())?;
            let mut cells = Vec::with_capacity(outputs.len());
            for key in &all {
                cells.push(match set.iter().position(|own| own == key) {
                    Some(at) => Expr::Column(columns[at].clone()),
                    None => {
                        let none = ScalarValue::try_new_null(&key.get_type(input.schema())?)?;
                        Expr::Literal(none, None)
                    }
                });
            }
            let id = ScalarValue::UInt64(Some(id)).cast_to(&id_type)?;
            cells.push(Expr::Literal(id, None));
            cells.extend(columns[set.len()..].iter().cloned().map(Expr::Column));
            parts.push(self.projected(&cells, outputs.clone(), rows)?);
        }
        self.united(parts, outputs)
    }

    /// The value and the error of an aggregate, as columns of the groups.
    fn aggregate(
        &mut self,
        function: &AggregateFunction,
        expr: &Expr,
        input: &Rows,
        aggregates: &mut Vec<Expr>,
    ) -> Result<(Expr, Option<Expr>)> {
        let params = &function.params;
        let mut codes = Vec::new();
        let mut args = Vec::with_capacity(params.args.len());
        for arg in &params.args {
            let (value, error) = self.both_in(arg, input)?;
            args.push(value);
            codes.extend(error);
        }
        let mut order_by = Vec::with_capacity(params.order_by.len());
        for sort in &params.order_by {
            let (value, error) = self.both_in(&sort.expr, input)?;
            codes.extend(error);
            order_by.push(SortExpr {
                expr: value,
                ..sort.clone()
            });
        }
        codes.extend(input.row.clone().map(Expr::Column));
        let (mut only, mut seen) = (None, None);
        if let Some(condition) = &params.filter {
            let (value, error) = self.both_in(condition, input)?;
            seen = Some(match &error {
                Some(error) => value.clone().or(error.clone().is_not_null()),
                None => value.clone(),
            });
            codes.extend(error);
            only = Some(Box::new(value));
        }
        let fails = aggregate_can_fail(function.func.name());
        let func = match fails {
            true => total_aggregate(function.func.clone(), self.failures.code(unaliased(expr))),
            false => function.func.clone(),
        };
        let column = self.column();
        let call = AggregateFunction::new_udf(
            func,
            args,
            params.distinct,
            only,
            order_by,
            params.null_treatment,
        );
        aggregates.push(named(Expr::AggregateFunction(call), &column));
        let result = Expr::Column(column);
        let (value, own) = match fails {
            true => (value_of(result.clone()), Some(error_of(result))),
            false => (result, None),
        };
        let Some(code) = first_error(codes) else {
            return Ok((value, own));
        };
        let first = self.column();
        aggregates.push(named(min_of(code, seen), &first));
        Ok(self.of_parts(value, own, Expr::Column(first)))
    }

    /// A value that is an error where a part of it is, else where it fails itself.
    pub(super) fn of_parts(
        &self,
        value: Expr,
        own: Option<Expr>,
        parts: Expr,
    ) -> (Expr, Option<Expr>) {
        let failed = parts.clone().is_not_null();
        let error = match own {
            Some(own) => case(failed.clone(), parts.clone(), own),
            None => parts,
        };
        // The value of rows without the failed ones is nothing to go on with.
        let value = Expr::Case(datafusion::logical_expr::expr::Case {
            expr: None,
            when_then_expr: vec![(Box::new(!failed), Box::new(value))],
            else_expr: None,
        });
        (value, Some(error))
    }

    /// The rows with one more column: the error of a key of the row itself, or the first of those in a key of another row that
    /// agrees with it in the keys in which neither has one. `below` holds all rows with keys, `below_keys` over it.
    pub(super) fn flagged(
        &mut self,
        plan: LogicalPlan,
        keys: &[Key],
        below: LogicalPlan,
        below_keys: &[Key],
        flag: &Column,
    ) -> Result<LogicalPlan> {
        // The keys of the rows that have an error in one.
        let (mut groups, mut theirs) = (Vec::new(), Vec::new());
        for key in below_keys {
            let column = self.column();
            groups.push(named(key.value.clone(), &column));
            let error = match &key.error {
                Some(error) => {
                    let cell = self.column();
                    groups.push(named(error.clone(), &cell));
                    Some(Expr::Column(cell))
                }
                None => None,
            };
            theirs.push(Key {
                value: Expr::Column(column),
                error,
            });
        }
        let failed = aggregate(below, groups, Vec::new())?;
        let code = |keys: &[Key]| {
            let codes = keys.iter().filter_map(|key| key.error.clone()).collect();
            first_error(codes).unwrap_or_else(no_code)
        };
        let failed = filter(failed, code(&theirs).is_not_null())?;
        let their_code = self.column();
        let mut all: Vec<Expr> = failed
            .schema()
            .columns()
            .into_iter()
            .map(Expr::Column)
            .collect();
        all.push(named(code(&theirs), &their_code));
        let failed = project(failed, all)?;

        let columns = plan.schema().columns();
        let (id, own) = (self.column(), self.column());
        let plan = window(plan, vec![named(row_number(), &id)])?;
        let mut all: Vec<Expr> = columns.iter().cloned().map(Expr::Column).collect();
        all.push(Expr::Column(id.clone()));
        all.push(named(code(keys), &own));
        let plan = project(plan, all)?;

        let mut on = Vec::new();
        let mut compatible = vec![Expr::Column(own.clone()).is_null()];
        for (mine, their) in keys.iter().zip(&theirs) {
            match &their.error {
                None => on.push((mine.value.clone(), their.value.clone())),
                Some(error) => compatible.push(error.clone().is_not_null().or(binary_expr(
                    mine.value.clone(),
                    Operator::IsNotDistinctFrom,
                    their.value.clone(),
                ))),
            }
        }
        let pairs = joined(
            plan,
            failed,
            on,
            conjunction(compatible),
            JoinType::Left,
            NullEquality::NullEqualsNull,
        )?;
        let first = self.column();
        let mut by: Vec<Expr> = columns.iter().cloned().map(Expr::Column).collect();
        by.push(Expr::Column(id));
        by.push(Expr::Column(own.clone()));
        let least = named(min_of(Expr::Column(their_code), None), &first);
        let plan = aggregate(pairs, by, vec![least])?;
        let mut all: Vec<Expr> = columns.into_iter().map(Expr::Column).collect();
        let code = first_error(vec![Expr::Column(own), Expr::Column(first)]);
        all.push(named(code.unwrap_or_else(no_code), flag));
        project(plan, all)
    }
}

/// The function of an aggregate, total where it can fail.
pub(super) fn total_of(
    function: &Arc<datafusion::logical_expr::AggregateUDF>,
    code: i32,
) -> (Arc<datafusion::logical_expr::AggregateUDF>, bool) {
    match aggregate_can_fail(function.name()) {
        true => (total_aggregate(function.clone(), code), true),
        false => (function.clone(), false),
    }
}
