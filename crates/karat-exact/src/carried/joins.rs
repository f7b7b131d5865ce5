//! Joins whose condition, or whose rows, may be errors.
//!
//! A pair of rows is sure, in doubt, or none. An error in a key pairs its row with every row of the other side, so rows get copies
//! for a hash join on a copy's number: normal keys meet as they do (0), rows without an error meet those with one (1), and rows with
//! an error meet all (2). One more copy (3) meets nothing and stands for the left row itself, so that what an outer, semi or anti
//! join asks, whether the row has a sure partner, is asked over the copies of the row.

use datafusion::common::{Column, NullEquality, Result, ScalarValue};
use datafusion::logical_expr::utils::{
    conjunction, find_valid_equijoin_key_pair, split_conjunction_owned,
};
use datafusion::logical_expr::{
    BinaryExpr, Expr, ExprSchemable, Join, JoinType, LogicalPlan, LogicalPlanBuilder, Operator, lit,
};

use super::{
    Carrier, Rows, case, filter, min_over, named, no_code, no_rule, over, project, row_number,
    some_value, window,
};
use crate::failures::UNKNOWN;
use crate::nodes::joined;
use crate::total::first_error;

/// What becomes of a left row.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// It comes with each partner.
    Inner,
    /// And alone, if it has no sure one.
    Left,
    /// It comes if it has one.
    Semi,
    /// It comes if it has none.
    Anti,
    /// It comes, and a column says whether it has one.
    Mark,
}

/// Two sides and what makes pairs of them.
struct Pairing {
    left: Rows,
    right: Rows,
    on: Vec<(Expr, Expr)>,
    filter: Option<Expr>,
    null_equality: NullEquality,
    null_aware: bool,
}

impl Carrier {
    pub(super) fn join(&mut self, join: &Join) -> Result<Rows> {
        let (left, right) = (self.node(&join.left)?, self.node(&join.right)?);
        let outputs = join.schema.columns();
        // Values of subqueries are columns of a side. A full join puts rows of both sides together, column by column.
        let (mut of_left, of_right): (Vec<Expr>, Vec<Expr>) = join.on.iter().cloned().unzip();
        of_left.extend(join.filter.clone());
        let (mut of_left, left, left_values) = self.beside_subqueries(&of_left, left)?;
        let (of_right, right, right_values) = self.beside_subqueries(&of_right, right)?;
        if join.join_type == JoinType::Full && !(left_values.is_empty() && right_values.is_empty())
        {
            return Err(no_rule("a full join over a subquery"));
        }
        let filter = join.filter.as_ref().and_then(|_| of_left.pop());
        let mut pairing = Pairing {
            left,
            right,
            on: of_left.into_iter().zip(of_right).collect(),
            filter,
            null_equality: join.null_equality,
            null_aware: join.null_aware,
        };
        self.keys_of_condition(&mut pairing)?;
        let rows = if self.is_simple(&pairing, join.join_type)? {
            simple(pairing, join, &outputs)?
        } else {
            self.doubtful(pairing, join.join_type, &outputs)?
        };
        let rows = Rows {
            visible: outputs,
            ..rows
        };
        rows.tidy()
    }

    /// Makes equalities of the condition keys of the join, where neither side can be an error: pairs that they leave out are none, whatever
    /// the rest of the condition is, and need not be looked at.
    fn keys_of_condition(&self, pairing: &mut Pairing) -> Result<()> {
        let nulls_meet = pairing.null_equality == NullEquality::NullEqualsNull;
        let Some(condition) = pairing.filter.take() else {
            return Ok(());
        };
        let mut rest = Vec::new();
        for part in split_conjunction_owned(condition) {
            match &part {
                Expr::BinaryExpr(BinaryExpr {
                    left,
                    op: Operator::Eq,
                    right,
                }) if !nulls_meet && !pairing.null_aware => {
                    let (l, r) = (pairing.left.schema(), pairing.right.schema());
                    let pair = find_valid_equijoin_key_pair(left, right, l, r)?;
                    let pair = match pair {
                        Some((l, r)) if self.is_key(&l, &r, pairing)? => Some((l, r)),
                        _ => None,
                    };
                    match pair {
                        Some(pair) => pairing.on.push(pair),
                        None => rest.push(part),
                    }
                }
                _ => rest.push(part),
            }
        }
        pairing.filter = conjunction(rest);
        Ok(())
    }

    fn is_key(&self, l: &Expr, r: &Expr, pairing: &Pairing) -> Result<bool> {
        let (left, right) = (&pairing.left, &pairing.right);
        let (l_type, r_type) = (l.get_type(left.schema())?, r.get_type(right.schema())?);
        // Of doubles, several stand for one number.
        let plain = !l_type.is_floating() && !l_type.is_nested();
        Ok(plain && l_type == r_type && !self.fails(l, left)? && !self.fails(r, right)?)
    }

    /// Whether no pair is in doubt: the join carries the errors of its columns as they are.
    fn is_simple(&self, pairing: &Pairing, join_type: JoinType) -> Result<bool> {
        let (left, right) = (&pairing.left, &pairing.right);
        let doubt = match join_type {
            JoinType::Inner => false,
            JoinType::Left | JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark => {
                right.row.is_some()
            }
            JoinType::Right | JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark => {
                left.row.is_some()
            }
            JoinType::Full => left.row.is_some() || right.row.is_some(),
        };
        if doubt {
            return Ok(false);
        }
        for (l, r) in &pairing.on {
            if self.fails(l, left)? || self.fails(r, right)? {
                return Ok(false);
            }
        }
        let Some(condition) = &pairing.filter else {
            return Ok(true);
        };
        let (schema, cells) = pairing.both_sides()?;
        Ok(self.both(condition, &schema, &cells)?.1.is_none())
    }

    fn doubtful(
        &mut self,
        pairing: Pairing,
        join_type: JoinType,
        outputs: &[Column],
    ) -> Result<Rows> {
        match join_type {
            JoinType::Inner => self.paired(pairing, Kind::Inner, None),
            JoinType::Left => self.paired(pairing, Kind::Left, None),
            JoinType::LeftSemi => self.paired(pairing, Kind::Semi, None),
            JoinType::LeftAnti => self.paired(pairing, Kind::Anti, None),
            JoinType::LeftMark => self.paired(pairing, Kind::Mark, outputs.last()),
            JoinType::Right => self.paired(pairing.swapped(), Kind::Left, None),
            JoinType::RightSemi => self.paired(pairing.swapped(), Kind::Semi, None),
            JoinType::RightAnti => self.paired(pairing.swapped(), Kind::Anti, None),
            JoinType::RightMark => self.paired(pairing.swapped(), Kind::Mark, outputs.last()),
            JoinType::Full => {
                // The rows of the right side without a sure partner, beside nulls.
                let left_columns = pairing.left.visible.clone();
                let lone = self.paired(pairing.copy().swapped(), Kind::Anti, None)?;
                let mut all = Vec::new();
                for column in &left_columns {
                    let data_type = Expr::Column(column.clone()).get_type(pairing.left.schema())?;
                    let null = Expr::Literal(ScalarValue::try_from(&data_type)?, None);
                    all.push(named(null, column));
                }
                all.extend(lone.columns().into_iter().map(Expr::Column));
                let mut visible = left_columns;
                visible.extend(lone.visible.clone());
                let lone = Rows {
                    plan: project(lone.plan, all)?,
                    visible,
                    ..lone
                }
                .tidy()?;
                let pairs = self.paired(pairing, Kind::Left, None)?;
                self.united(vec![pairs, lone], outputs.to_vec())
            }
        }
    }

    fn paired(&mut self, pairing: Pairing, kind: Kind, mark: Option<&Column>) -> Result<Rows> {
        let (schema, cells) = pairing.both_sides()?;
        let Pairing {
            left,
            right,
            on,
            filter: extra,
            null_equality,
            null_aware,
        } = pairing;

        // Keys that cannot be errors stay the keys of the join.
        let (mut hard, mut soft, mut conditions) = (Vec::new(), Vec::new(), Vec::new());
        let (mut left_errors, mut right_errors) = (Vec::new(), Vec::new());
        for (l, r) in on {
            let (l_value, l_error) = self.both_in(&l, &left)?;
            let (r_value, r_error) = self.both_in(&r, &right)?;
            let unknown = |value: &Expr| case(value.clone().is_null(), lit(UNKNOWN), no_code());
            let (l_error, r_error) = match null_aware {
                true => (
                    first_error(l_error.into_iter().chain([unknown(&l_value)]).collect()),
                    first_error(r_error.into_iter().chain([unknown(&r_value)]).collect()),
                ),
                false => (l_error, r_error),
            };
            if l_error.is_none() && r_error.is_none() {
                hard.push((l, r));
                continue;
            }
            conditions.push(match null_equality {
                NullEquality::NullEqualsNothing => l.eq(r),
                NullEquality::NullEqualsNull => datafusion::logical_expr::binary_expr(
                    l,
                    datafusion::logical_expr::Operator::IsNotDistinctFrom,
                    r,
                ),
            });
            left_errors.extend(l_error);
            right_errors.extend(r_error);
            soft.push((l_value, r_value));
        }
        conditions.extend(extra);
        let condition = conjunction(conditions);
        let of_pair = match &condition {
            Some(condition) => Some(self.both(condition, &schema, &cells)?),
            None => None,
        };

        let (id, copy_left, copy_right) = (self.column(), self.column(), self.column());
        let (here, left_error, right_error) = (self.column(), self.column(), self.column());

        // The left side: an id, the error of its keys, its copies.
        let mut plan = left.plan.clone();
        if kind != Kind::Inner {
            plan = window(plan, vec![named(row_number(), &id)])?;
        }
        let mut all: Vec<Expr> = plan
            .schema()
            .columns()
            .into_iter()
            .map(Expr::Column)
            .collect();
        let error = first_error(left_errors).unwrap_or_else(no_code);
        all.push(named(error, &left_error));
        let plan = project(plan, all)?;
        let fine = Expr::Column(left_error.clone()).is_null();
        let copy = |number: i32| Expr::Column(copy_left.clone()).eq(lit(number));
        let mut kept = copy(0).and(fine.clone());
        if !soft.is_empty() {
            kept = kept.or(copy(1).and(fine.clone())).or(copy(2).and(!fine));
        }
        if kind != Kind::Inner {
            kept = kept.or(copy(3));
        }
        let left_plan = filter(copies(plan, &copy_left, 4)?, kept)?;

        // The right side.
        let mut all: Vec<Expr> = right.columns().into_iter().map(Expr::Column).collect();
        let error = first_error(right_errors).unwrap_or_else(no_code);
        all.push(named(error, &right_error));
        all.push(named(lit(true), &here));
        let plan = project(right.plan.clone(), all)?;
        let fine = Expr::Column(right_error.clone()).is_null();
        let copy = |number: i32| Expr::Column(copy_right.clone()).eq(lit(number));
        let mut kept = copy(0).and(fine.clone());
        if !soft.is_empty() {
            kept = kept.or(copy(1).and(!fine)).or(copy(2));
        }
        let right_plan = filter(copies(plan, &copy_right, 3)?, kept)?;

        let mut keys = vec![(
            Expr::Column(copy_left.clone()),
            Expr::Column(copy_right.clone()),
        )];
        keys.extend(hard);
        for (l, r) in soft {
            let none = some_value(&l.get_type(left.schema())?)?;
            let (left_copy, right_copy) = (
                Expr::Column(copy_left.clone()).eq(lit(0i32)),
                Expr::Column(copy_right.clone()).eq(lit(0i32)),
            );
            keys.push((case(left_copy, l, none.clone()), case(right_copy, r, none)));
        }
        // Where `not in` meets a null, the pair is neither true nor false.
        let kept = of_pair.clone().map(|(value, error)| {
            let error = error.unwrap_or_else(no_code);
            match null_aware {
                true => value.clone().or(error.is_not_null()).or(value.is_null()),
                false => value.or(error.is_not_null()),
            }
        });
        let join_type = match kind {
            Kind::Inner => JoinType::Inner,
            _ => JoinType::Left,
        };
        let pairs = joined(left_plan, right_plan, keys, kept, join_type, null_equality)?;

        // The doubt of a pair.
        let mut codes: Vec<Expr> = right.row.iter().cloned().map(Expr::Column).collect();
        if let Some((value, error)) = of_pair {
            codes.extend(error);
            if null_aware {
                codes.push(case(value.is_null(), lit(UNKNOWN), no_code()));
            }
        }
        let error = first_error(codes).unwrap_or_else(no_code);
        let present = Expr::Column(here.clone()).is_not_null();
        let doubt = self.column();
        let mut all: Vec<Expr> = left.columns().into_iter().map(Expr::Column).collect();
        all.extend(right.columns().into_iter().map(Expr::Column));
        all.push(Expr::Column(copy_left.clone()));
        all.push(Expr::Column(here.clone()));
        if kind != Kind::Inner {
            all.push(Expr::Column(id.clone()));
        }
        all.push(named(case(present.clone(), error, no_code()), &doubt));
        let pairs = project(pairs, all)?;

        let mut rows = Rows {
            plan: pairs,
            visible: left.visible.clone(),
            cells: left.cells.clone(),
            row: left.row.clone(),
        };
        let doubt = Expr::Column(doubt);
        if kind == Kind::Inner {
            rows.with_right(&right);
            return self.in_doubt(rows, doubt);
        }

        // Whether the row of a copy has a sure partner, and the first error of those in doubt.
        let (sure, first) = (self.column(), self.column());
        let is_sure = case(
            present.clone().and(doubt.clone().is_null()),
            lit(1i32),
            lit(0i32),
        );
        let max = datafusion::functions_aggregate::min_max::max_udaf();
        let frame = datafusion::logical_expr::WindowFrame::new(None);
        let by = vec![Expr::Column(id)];
        rows.plan = window(
            rows.plan,
            vec![
                named(over(max, is_sure, by.clone(), Vec::new(), frame), &sure),
                named(min_over(doubt.clone(), by), &first),
            ],
        )?;
        let is_sure = Expr::Column(sure).eq(lit(1i32));
        let first = Expr::Column(first);
        let alone = Expr::Column(copy_left).eq(lit(3i32));
        match kind {
            Kind::Inner | Kind::Left => {
                let kept = present.clone().or(alone.and(!is_sure));
                rows.plan = filter(rows.plan, kept)?;
                rows.with_right(&right);
                self.in_doubt(rows, case(present, doubt, first))
            }
            Kind::Semi => {
                let kept = alone.and(is_sure.clone().or(first.clone().is_not_null()));
                rows.plan = filter(rows.plan, kept)?;
                self.in_doubt(rows, case(is_sure, no_code(), first))
            }
            Kind::Anti => {
                let mut kept = alone.and(!is_sure);
                if null_aware {
                    let known = first.clone().is_null().or(first.clone().lt(lit(UNKNOWN)));
                    kept = kept.and(known);
                }
                rows.plan = filter(rows.plan, kept)?;
                self.in_doubt(rows, first)
            }
            Kind::Mark => {
                let Some(mark) = mark else {
                    return Err(no_rule("a mark join without its mark"));
                };
                let cell = self.column();
                let mut all: Vec<Expr> = rows.columns().into_iter().map(Expr::Column).collect();
                all.push(named(is_sure.clone(), mark));
                all.push(named(case(is_sure, no_code(), first), &cell));
                rows.plan = project(filter(rows.plan, alone)?, all)?;
                rows.visible.push(mark.clone());
                rows.cells.insert(mark.clone(), cell);
                Ok(rows)
            }
        }
    }
}

impl Rows {
    /// The columns of the right side beside those of the left.
    fn with_right(&mut self, right: &Rows) {
        self.visible.extend(right.visible.iter().cloned());
        let cells = right.cells.iter().map(|(c, e)| (c.clone(), e.clone()));
        self.cells.extend(cells);
    }
}

impl Pairing {
    fn swapped(self) -> Pairing {
        Pairing {
            left: self.right,
            right: self.left,
            on: self.on.into_iter().map(|(l, r)| (r, l)).collect(),
            ..self
        }
    }

    fn copy(&self) -> Pairing {
        Pairing {
            left: self.left.clone(),
            right: self.right.clone(),
            on: self.on.clone(),
            filter: self.filter.clone(),
            null_equality: self.null_equality,
            null_aware: self.null_aware,
        }
    }

    /// The columns of both sides, and their errors.
    fn both_sides(
        &self,
    ) -> Result<(
        datafusion::common::DFSchema,
        std::collections::BTreeMap<Column, Column>,
    )> {
        let schema = self.left.schema().join(self.right.schema())?;
        let mut cells = self.left.cells.clone();
        cells.extend(self.right.cells.iter().map(|(c, e)| (c.clone(), e.clone())));
        Ok((schema, cells))
    }
}

/// The join as it is, with the errors of its columns.
fn simple(pairing: Pairing, join: &Join, outputs: &[Column]) -> Result<Rows> {
    let (left, right) = (pairing.left, pairing.right);
    let plan = LogicalPlan::Join(Join::try_new(
        left.plan.clone().into(),
        right.plan.clone().into(),
        pairing.on,
        pairing.filter,
        join.join_type,
        join.join_constraint,
        join.null_equality,
        join.null_aware,
    )?);
    let (mut cells, mut row) = (left.cells, left.row);
    match join.join_type {
        JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark => {}
        JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark => {
            (cells, row) = (right.cells, right.row);
        }
        JoinType::Inner | JoinType::Left | JoinType::Right | JoinType::Full => {
            cells.extend(right.cells);
            let both = [row.clone(), right.row.clone()].into_iter().flatten();
            let mut both: Vec<Column> = both.collect();
            if both.len() == 2 {
                // Only an inner join has two rows in doubt here.
                let codes = both.iter().cloned().map(Expr::Column).collect();
                let error = first_error(codes).unwrap_or_else(no_code);
                let columns = outputs.iter().chain(cells.values()).cloned();
                let mut all: Vec<Expr> = columns.map(Expr::Column).collect();
                all.push(named(error, &both[0].clone()));
                return Ok(Rows {
                    plan: project(plan, all)?,
                    visible: outputs.to_vec(),
                    cells,
                    row: Some(both.remove(0)),
                });
            }
            row = both.pop();
        }
    }
    Ok(Rows {
        plan,
        visible: outputs.to_vec(),
        cells,
        row,
    })
}

/// Each row `count` times, numbered from 0.
fn copies(plan: LogicalPlan, number: &Column, count: i32) -> Result<LogicalPlan> {
    let values = (0..count).map(|n| vec![lit(n)]).collect();
    let numbers = LogicalPlanBuilder::values(values)?.build()?;
    let column = numbers.schema().columns().into_iter().map(Expr::Column);
    let numbers = project(numbers, column.map(|c| named(c, number)).collect())?;
    joined(
        plan,
        numbers,
        Vec::new(),
        None,
        JoinType::Inner,
        NullEquality::NullEqualsNothing,
    )
}
