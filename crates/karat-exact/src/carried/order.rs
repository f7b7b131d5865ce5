//! Orders and limits. In an order an error comes before every value; under LIMIT a row in doubt, or one whose error decides its place
//! among others, makes an error of itself and of each row after it.

use datafusion::common::{Column, Result, ScalarValue};
use datafusion::logical_expr::{
    Expr, FetchType, Limit, LogicalPlan, SkipType, Sort, SortExpr, WindowFrame, lit,
};

use super::windows::up_to_here;
use super::{Carrier, Rows, case, min_over, named, no_code, no_rule, over, project, sort, window};
use crate::total::first_error;
use crate::walks::Walk;

impl Carrier {
    /// The answer in its order: a row whose place among others is decided by an error is one.
    pub(super) fn sorted_answer(&mut self, node: &Sort) -> Result<Rows> {
        let input = self.node(&node.input)?;
        let (keys, input, values) = self.keys_of(node, input)?;
        let mut codes = Vec::new();
        let (mut before, mut ties) = (Vec::new(), Vec::new());
        let mut by = Vec::with_capacity(keys.len());
        for key in &keys {
            let (value, error) = self.both_in(&key.expr, &input)?;
            // An error in a cell of the answer is seen there.
            let cell = matches!(&value, Expr::Column(column) if input.visible.contains(column));
            if let Some(code) = &error
                && !cell
            {
                codes.push(self.tied(code.clone(), &before, &mut ties));
            }
            before.extend(error);
            before.push(value.clone());
            by.push(SortExpr {
                expr: value,
                ..key.clone()
            });
        }
        let mut rows = input;
        for tie in ties {
            rows.plan = window(rows.plan, vec![tie])?;
        }
        if let Some(code) = first_error(codes) {
            rows = self.in_doubt(rows, code)?;
        }
        rows.plan = sort(rows.plan, by);
        rows.without(&values)
    }

    /// The keys of an order beside the values of the subqueries in them, which are columns of the rows.
    fn keys_of(&mut self, node: &Sort, input: Rows) -> Result<(Vec<SortExpr>, Rows, Vec<Column>)> {
        let exprs: Vec<Expr> = node.expr.iter().map(|key| key.expr.clone()).collect();
        let (exprs, input, values) = self.beside_subqueries(&exprs, input)?;
        let keys = exprs.into_iter().zip(&node.expr);
        let keys = keys.map(|(expr, key)| SortExpr {
            expr,
            ..key.clone()
        });
        Ok((keys.collect(), input, values))
    }

    /// The error of a key where another row agrees in the keys before it; alone among those its place is known. `ties` gets the window
    /// function that counts them.
    fn tied(&mut self, code: Expr, before: &[Expr], ties: &mut Vec<Expr>) -> Expr {
        let tied = self.column();
        let count = datafusion::functions_aggregate::count::count_udaf();
        let frame = WindowFrame::new(None);
        let count = over(count, lit(1i64), before.to_vec(), Vec::new(), frame);
        ties.push(named(count, &tied));
        case(Expr::Column(tied).gt(lit(1i64)), code, no_code())
    }

    /// Rows in an order that nobody sees.
    pub(super) fn sorted_inside(&mut self, node: &Sort) -> Result<Rows> {
        let input = self.node(&node.input)?;
        if !input.is_plain() {
            return Ok(input);
        }
        for key in &node.expr {
            // Nobody sees the order, so that an error in it is none.
            let asks = key.expr.has(|e| Ok(matches!(e, Expr::ScalarSubquery(_))))?;
            if asks || self.fails(&key.expr, &input)? {
                return Ok(input);
            }
        }
        let plan = sort(input.plan, node.expr.clone());
        Ok(Rows::plain(plan))
    }

    pub(super) fn limited(&mut self, limit: &Limit) -> Result<Rows> {
        let (SkipType::Literal(skip), FetchType::Literal(fetch)) =
            (limit.get_skip_type()?, limit.get_fetch_type()?)
        else {
            return Err(no_rule("a limit that is no number"));
        };
        let cut = |plan: LogicalPlan, skip: usize, fetch: Option<usize>| {
            let number = |n: usize| {
                let n = i64::try_from(n).unwrap_or(i64::MAX);
                Some(Box::new(Expr::Literal(ScalarValue::Int64(Some(n)), None)))
            };
            LogicalPlan::Limit(Limit {
                skip: (skip > 0).then(|| number(skip)).flatten(),
                fetch: fetch.and_then(number),
                input: plan.into(),
            })
        };
        match limit.input.as_ref() {
            LogicalPlan::Projection(projection)
                if matches!(projection.input.as_ref(), LogicalPlan::Sort(_)) =>
            {
                let below = Limit {
                    input: projection.input.clone(),
                    ..limit.clone()
                };
                let rows = self.limited(&below)?;
                self.projected(&projection.expr, projection.schema.columns(), rows)
            }
            LogicalPlan::Sort(node) => {
                let input = self.node(&node.input)?;
                self.first_rows(node, input, skip, fetch, &cut)
            }
            other => {
                let mut rows = self.node(other)?;
                if let Some(row) = rows.row.clone() {
                    let (all, first) = (Vec::new(), self.column());
                    let code = min_over(Expr::Column(row), all);
                    rows.plan = window(rows.plan, vec![named(code, &first)])?;
                    rows.row = Some(first);
                    rows = rows.tidy()?;
                }
                rows.plan = cut(rows.plan, skip, fetch);
                Ok(rows)
            }
        }
    }

    fn first_rows(
        &mut self,
        node: &Sort,
        input: Rows,
        skip: usize,
        fetch: Option<usize>,
        cut: &dyn Fn(LogicalPlan, usize, Option<usize>) -> LogicalPlan,
    ) -> Result<Rows> {
        let (keys, input, values) = self.keys_of(node, input)?;
        let mut fails = input.row.is_some();
        for key in &keys {
            fails |= self.fails(&key.expr, &input)?;
        }
        if !fails {
            let plan = cut(sort(input.plan, keys), skip, fetch);
            return Rows { plan, ..input }.without(&values);
        }
        // The keys as columns: errors first, then values; what is sure before what is in doubt.
        let columns = input.columns();
        let mut all: Vec<Expr> = columns.iter().cloned().map(Expr::Column).collect();
        let mut by = Vec::new();
        let mut before: Vec<Expr> = Vec::new();
        let mut codes: Vec<Expr> = input.row.iter().cloned().map(Expr::Column).collect();
        let mut ties = Vec::new();
        for key in &keys {
            let (value, error) = self.both_in(&key.expr, &input)?;
            if let Some(error) = error {
                let code = self.column();
                all.push(named(error, &code));
                let code = Expr::Column(code);
                by.push(code.clone().sort(true, false));
                codes.push(self.tied(code.clone(), &before, &mut ties));
                before.push(code);
            }
            let column = self.column();
            all.push(named(value, &column));
            by.push(SortExpr {
                expr: Expr::Column(column.clone()),
                ..key.clone()
            });
            before.push(Expr::Column(column));
        }
        if let Some(row) = &input.row {
            by.push(Expr::Column(row.clone()).sort(true, true));
        }
        let plan = sort(project(input.plan.clone(), all)?, by.clone());
        // One row more, so that the last one's ties are seen.
        let mut plan = match fetch {
            Some(fetch) => cut(plan, 0, Some(skip.saturating_add(fetch).saturating_add(1))),
            None => plan,
        };
        for tie in ties {
            plan = window(plan, vec![tie])?;
        }
        let row = self.column();
        let code = first_error(codes).unwrap_or_else(no_code);
        let min = datafusion::functions_aggregate::min_max::min_udaf();
        let so_far = over(min, code, Vec::new(), by.clone(), up_to_here());
        let plan = window(plan, vec![named(so_far, &row)])?;
        let plan = cut(sort(plan, by), skip, fetch);
        let rows = Rows {
            plan,
            row: Some(row),
            ..input
        };
        rows.tidy()?.without(&values)
    }
}
