//! Window functions: an error in a frame is one of the value over it, an error in an order, or a row in doubt, one of every value of
//! its partition, an error in a partition's key one of every value whose partition the row could belong to.

use datafusion::common::{Column, Result};
use datafusion::logical_expr::expr::{NullTreatment, WindowFunction, WindowFunctionParams};
use datafusion::logical_expr::{Expr, SortExpr, WindowFrame, WindowFunctionDefinition};

use super::groups::{Key, total_of};
use super::{Carrier, Rows, min_over, named, no_code, no_rule, over, project, unaliased, window};
use crate::checked::sql_text;
use crate::peers;
use crate::total::{error_of, first_error, value_of};

/// Window functions that take the value of one row.
const PICKED: [&str; 5] = ["lag", "lead", "first_value", "last_value", "nth_value"];

fn is_picked(name: &str) -> bool {
    PICKED.contains(&name) || peers::PICKED.contains(&name)
}

impl Carrier {
    pub(super) fn windows(
        &mut self,
        input: Rows,
        exprs: &[Expr],
        outputs: Vec<Column>,
    ) -> Result<Rows> {
        let passed = outputs.len() - exprs.len();
        let input = input.tidy()?;
        let mut rows = input.clone();
        let mut results: Vec<(Expr, Option<Expr>, Option<Expr>)> = Vec::with_capacity(exprs.len());
        let mut made = Vec::new();
        for expr in exprs {
            let Expr::WindowFunction(function) = unaliased(expr) else {
                return Err(no_rule(&format!("`{}`", sql_text(expr))));
            };
            results.push(self.window_function(function, expr, &input, &mut rows, &mut made)?);
        }
        // What is taken of a partition, then of its rows in order: one operator each, so that an input is sorted once for each.
        let mut plan = rows.plan;
        for exprs in by_order(made) {
            plan = window(plan, exprs)?;
        }
        let mut all: Vec<Expr> = input.visible.iter().cloned().map(Expr::Column).collect();
        let mut hidden: Vec<Expr> = input.cells.values().cloned().map(Expr::Column).collect();
        let mut cells = input.cells.clone();
        for (column, (value, codes, own)) in outputs[passed..].iter().zip(results) {
            let (value, error) = match codes {
                Some(parts) => self.of_parts(value, own, parts),
                None => (value, own),
            };
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
            plan: project(plan, all)?,
            visible: outputs,
            cells,
            row: input.row,
        })
    }

    /// The value of a window function, the errors of its parts, and its own.
    fn window_function(
        &mut self,
        function: &WindowFunction,
        expr: &Expr,
        input: &Rows,
        rows: &mut Rows,
        made: &mut Vec<Expr>,
    ) -> Result<(Expr, Option<Expr>, Option<Expr>)> {
        let params = &function.params;
        let (mut flags, mut codes) = (None, Vec::new());

        let mut keys = Vec::with_capacity(params.partition_by.len());
        for key in &params.partition_by {
            let (value, error) = self.both_in(key, input)?;
            keys.push(Key { value, error });
        }
        let partition_by: Vec<Expr> = keys.iter().map(|key| key.value.clone()).collect();
        if keys.iter().any(|key| key.error.is_some()) {
            let flag = self.column();
            let (plan, below) = (rows.plan.clone(), input.plan.clone());
            rows.plan = self.flagged(plan, &keys, below, &keys, &flag)?;
            flags = Some(Expr::Column(flag));
        }

        let mut of_partition: Vec<Expr> = input.row.iter().cloned().map(Expr::Column).collect();
        let mut order_by = Vec::with_capacity(params.order_by.len());
        for sort in &params.order_by {
            let (value, error) = self.both_in(&sort.expr, input)?;
            of_partition.extend(error);
            order_by.push(SortExpr {
                expr: value,
                ..sort.clone()
            });
        }

        let mut args = Vec::with_capacity(params.args.len());
        let mut of_args = Vec::new();
        for arg in &params.args {
            let (value, error) = self.both_in(arg, input)?;
            args.push(value);
            of_args.extend(error);
        }
        let mut only = None;
        if let Some(condition) = &params.filter {
            let (value, error) = self.both_in(condition, input)?;
            // The argument of a row that the filter leaves out is not seen.
            if let Some(code) = first_error(std::mem::take(&mut of_args)) {
                let seen = match &error {
                    Some(error) => value.clone().or(error.clone().is_not_null()),
                    None => value.clone(),
                };
                of_args.push(super::case(seen, code, no_code()));
            }
            of_args.extend(error);
            only = Some(Box::new(value));
        }
        let of_args = first_error(of_args);

        let mut own = None;
        let fun = match &function.fun {
            WindowFunctionDefinition::AggregateUDF(udaf) => {
                let (udaf, fails) = total_of(udaf, self.failures.code(unaliased(expr)));
                own = fails.then_some(());
                if let Some(code) = of_args {
                    let first = self.column();
                    let min = datafusion::functions_aggregate::min_max::min_udaf();
                    let (by, order) = (partition_by.clone(), order_by.clone());
                    let least = over(min, code, by, order, params.window_frame.clone());
                    made.push(named(least, &first));
                    codes.push(Expr::Column(first));
                }
                WindowFunctionDefinition::AggregateUDF(udaf)
            }
            fun => {
                if let Some(code) = of_args {
                    let skips = params.null_treatment == Some(NullTreatment::IgnoreNulls);
                    let collects = peers::COLLECTED.contains(&fun.name());
                    if !collects && !is_picked(fun.name()) {
                        return Err(no_rule(&format!("{}() over", fun.name())));
                    }
                    if collects {
                        let first = self.column();
                        let min = datafusion::functions_aggregate::min_max::min_udaf();
                        let (by, order) = (partition_by.clone(), order_by.clone());
                        let least = over(min, code, by, order, params.window_frame.clone());
                        made.push(named(least, &first));
                        codes.push(Expr::Column(first));
                    } else if skips {
                        of_partition.push(code);
                    } else {
                        // The code of the row that is taken.
                        let mut picked = vec![code];
                        let rest = match fun.name() {
                            "lag" | "lead" => 1,
                            _ => args.len(),
                        };
                        picked.extend(args.iter().skip(1).take(rest).cloned());
                        let first = self.column();
                        let of_row = Expr::from(WindowFunction {
                            fun: fun.clone(),
                            params: WindowFunctionParams {
                                args: picked,
                                partition_by: partition_by.clone(),
                                order_by: order_by.clone(),
                                ..params.clone()
                            },
                        });
                        made.push(named(of_row, &first));
                        codes.push(Expr::Column(first));
                    }
                }
                fun.clone()
            }
        };
        if let Some(code) = first_error(of_partition) {
            let first = self.column();
            made.push(named(min_over(code, partition_by.clone()), &first));
            codes.push(Expr::Column(first));
        }
        let column = self.column();
        let call = Expr::from(WindowFunction {
            fun,
            params: WindowFunctionParams {
                args,
                partition_by,
                order_by,
                filter: only,
                window_frame: params.window_frame.clone(),
                null_treatment: params.null_treatment,
                distinct: params.distinct,
            },
        });
        made.push(named(call, &column));
        let codes = match (flags, first_error(codes)) {
            // Which rows the partition has is not known.
            (Some(flag), Some(code)) => Some(super::case(flag.clone().is_not_null(), flag, code)),
            (flag, code) => flag.or(code),
        };
        let result = Expr::Column(column);
        Ok(match own {
            Some(()) => (value_of(result.clone()), codes, Some(error_of(result))),
            None => (result, codes, None),
        })
    }
}

/// Window functions of one partition and order together.
fn by_order(exprs: Vec<Expr>) -> Vec<Vec<Expr>> {
    let key = |expr: &Expr| match unaliased(expr) {
        Expr::WindowFunction(function) => (
            function.params.partition_by.clone(),
            function.params.order_by.clone(),
        ),
        _ => (Vec::new(), Vec::new()),
    };
    let mut operators: Vec<Vec<Expr>> = Vec::new();
    for expr in exprs {
        let same = operators
            .iter_mut()
            .find(|other| other.first().is_some_and(|first| key(first) == key(&expr)));
        match same {
            Some(operator) => operator.push(expr),
            None => operators.push(vec![expr]),
        }
    }
    operators
}

/// The frame from the first row of a partition to the current one.
pub(super) fn up_to_here() -> WindowFrame {
    use datafusion::common::ScalarValue;
    use datafusion::logical_expr::{WindowFrameBound, WindowFrameUnits};
    WindowFrame::new_bounds(
        WindowFrameUnits::Rows,
        WindowFrameBound::Preceding(ScalarValue::UInt64(None)),
        WindowFrameBound::CurrentRow,
    )
}
