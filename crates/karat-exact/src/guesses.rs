//! How many rows there may be: guesses from the rows of tables and the form of conditions, to choose which side of a join is held and
//! which tables meet first ([`crate::join_order`]). They decide how long a query takes, never what it answers, nor whether it fits: sides
//! of joins are measured ([`crate::fitting_joins`]).

use datafusion::common::stats::Precision;
use datafusion::common::{JoinType, Result, Statistics};
use datafusion::logical_expr::expr::{BinaryExpr, InList};
use datafusion::logical_expr::{Expr, Operator};
use datafusion::physical_expr::expressions::{
    BinaryExpr as PhysicalBinary, InListExpr, IsNotNullExpr, IsNullExpr, LikeExpr, NotExpr,
};
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::joins::{
    CrossJoinExec, HashJoinExec, NestedLoopJoinExec, SortMergeJoinExec,
};
use datafusion::physical_plan::operator_statistics::{
    ExtendedStatistics, StatisticsProvider, StatisticsResult,
};
use datafusion::physical_plan::statistics::{StatisticsArgs, StatisticsContext};
use datafusion::physical_plan::union::UnionExec;
use datafusion::physical_plan::{ExecutionPlan, PhysicalExpr};

/// The part of rows that a comparison with `=` leaves.
const EQUAL: f64 = 0.1;
/// That one with `<`, or anything of which nothing is known.
const OTHER: f64 = 0.33;
/// That `is null` leaves.
const NULL: f64 = 0.1;
/// The most that a list leaves.
const LIST: f64 = 0.5;
/// Rows of what nothing is known of.
pub(crate) const ROWS_UNKNOWN: f64 = 1000.0;
/// Bytes of a text or list.
const BYTES_UNKNOWN: usize = 32;

/// Rows of a plan, and those of the table that it is of, before conditions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Guess {
    pub(crate) rows: f64,
    pub(crate) base: f64,
}

impl Guess {
    /// Rows that are all of a table.
    pub(crate) fn all(rows: f64) -> Guess {
        let rows = rows.max(1.0);
        Guess { rows, base: rows }
    }

    /// A part of the rows.
    pub(crate) fn part(self, part: f64) -> Guess {
        self.at_most((self.rows * part).max(1.0))
    }

    pub(crate) fn at_most(self, rows: f64) -> Guess {
        Guess {
            rows: self.rows.min(rows.max(1.0)),
            base: self.base,
        }
    }

    /// Groups or distinct rows.
    pub(crate) fn groups(self) -> Guess {
        Guess::all(self.rows.powf(0.8))
    }

    /// Both, one after the other.
    pub(crate) fn and(self, other: Guess) -> Guess {
        Guess {
            rows: self.rows + other.rows,
            base: self.base + other.base,
        }
    }

    /// Rows that meet in a key, of which the smaller table has each value once.
    pub(crate) fn on_a_key(self, other: Guess) -> f64 {
        self.rows * other.rows / self.base.min(other.base)
    }

    /// A join of which so many pairs meet.
    pub(crate) fn join(self, other: Guess, kind: JoinType, pairs: f64) -> Guess {
        let rows = match kind {
            JoinType::Inner => pairs,
            JoinType::Left => self.rows.max(pairs),
            JoinType::Right => other.rows.max(pairs),
            JoinType::Full => pairs.max(self.rows + other.rows),
            JoinType::LeftSemi => self.rows.min(pairs),
            JoinType::RightSemi => other.rows.min(pairs),
            JoinType::LeftAnti => self.rows / 2.0,
            JoinType::RightAnti => other.rows / 2.0,
            JoinType::LeftMark => self.rows,
            JoinType::RightMark => other.rows,
        };
        let base = match kind {
            JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark => self.base,
            JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark => other.base,
            _ => self.base.max(other.base),
        };
        Guess {
            rows: rows.max(1.0),
            base,
        }
    }
}

fn either(left: f64, right: f64) -> f64 {
    (left + right).min(1.0)
}

fn compared(op: Operator) -> f64 {
    match op {
        Operator::Eq | Operator::IsNotDistinctFrom => EQUAL,
        Operator::NotEq | Operator::IsDistinctFrom => 1.0 - EQUAL,
        _ => OTHER,
    }
}

fn listed(values: usize, negated: bool) -> f64 {
    let part = (values as f64 * EQUAL).min(LIST);
    if negated { 1.0 - part } else { part }
}

/// The part of rows that a condition leaves.
pub(crate) fn part(condition: &Expr) -> f64 {
    match condition {
        Expr::Alias(alias) => part(&alias.expr),
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => match op {
            Operator::And => part(left) * part(right),
            Operator::Or => either(part(left), part(right)),
            other => compared(*other),
        },
        Expr::Not(inner) => 1.0 - part(inner),
        Expr::IsNull(_) => NULL,
        Expr::IsNotNull(_) => 1.0,
        Expr::InList(InList { list, negated, .. }) => listed(list.len(), *negated),
        Expr::Like(like) if !like.negated => EQUAL,
        Expr::Literal(value, _) if *value == true.into() => 1.0,
        _ => OTHER,
    }
}

/// The same of a condition in a physical plan.
pub(crate) fn physical_part(condition: &dyn PhysicalExpr) -> f64 {
    if let Some(binary) = condition.downcast_ref::<PhysicalBinary>() {
        let sides = || {
            (
                physical_part(binary.left().as_ref()),
                physical_part(binary.right().as_ref()),
            )
        };
        return match binary.op() {
            Operator::And => sides().0 * sides().1,
            Operator::Or => either(sides().0, sides().1),
            other => compared(*other),
        };
    }
    if let Some(not) = condition.downcast_ref::<NotExpr>() {
        return 1.0 - physical_part(not.arg().as_ref());
    }
    if let Some(list) = condition.downcast_ref::<InListExpr>() {
        return listed(list.list().len(), list.negated());
    }
    if let Some(like) = condition.downcast_ref::<LikeExpr>()
        && !like.negated()
    {
        return EQUAL;
    }
    if condition.is::<IsNullExpr>() {
        return NULL;
    }
    if condition.is::<IsNotNullExpr>() {
        return 1.0;
    }
    OTHER
}

/// Guesses for whoever chooses the sides of joins.
#[derive(Debug)]
pub(crate) struct Guesses;

impl StatisticsProvider for Guesses {
    fn compute_statistics(
        &self,
        plan: &dyn ExecutionPlan,
        below: &[ExtendedStatistics],
    ) -> Result<StatisticsResult> {
        let below: Vec<Guess> = below.iter().map(of).collect();
        let guess = guess(plan, &below);
        let schema = plan.schema();
        let width: usize = schema
            .fields()
            .iter()
            .map(|field| field.data_type().primitive_width().unwrap_or(BYTES_UNKNOWN))
            .sum();
        let mut known = Statistics::new_unknown(&schema);
        known.num_rows = Precision::Inexact(guess.rows as usize);
        known.total_byte_size = Precision::Inexact((guess.rows * width as f64) as usize);
        let mut known = ExtendedStatistics::new(known);
        known.set_extension(guess);
        Ok(StatisticsResult::Computed(known))
    }
}

fn of(known: &ExtendedStatistics) -> Guess {
    let guess = known.get_extension::<Guess>().copied();
    guess.unwrap_or(Guess::all(ROWS_UNKNOWN))
}

fn guess(plan: &dyn ExecutionPlan, below: &[Guess]) -> Guess {
    let joined = |kind: JoinType, keys: bool, filtered: bool| {
        let [left, right] = below else {
            return Guess::all(ROWS_UNKNOWN);
        };
        let pairs = match keys {
            true => left.on_a_key(*right),
            false => left.rows * right.rows,
        };
        left.join(*right, kind, pairs * if filtered { OTHER } else { 1.0 })
    };
    let guess = if let Some(filter) = plan.downcast_ref::<FilterExec>() {
        let part = physical_part(filter.predicate().as_ref());
        first(below).part(part)
    } else if let Some(join) = plan.downcast_ref::<HashJoinExec>() {
        joined(*join.join_type(), true, join.filter().is_some())
    } else if let Some(join) = plan.downcast_ref::<SortMergeJoinExec>() {
        joined(join.join_type(), true, join.filter().is_some())
    } else if let Some(join) = plan.downcast_ref::<NestedLoopJoinExec>() {
        joined(*join.join_type(), false, join.filter().is_some())
    } else if plan.is::<CrossJoinExec>() {
        joined(JoinType::Inner, false, false)
    } else if let Some(aggregate) = plan.downcast_ref::<AggregateExec>() {
        match aggregate.group_expr().is_empty() {
            true => Guess::all(1.0),
            false => first(below).groups(),
        }
    } else if plan.is::<UnionExec>() {
        let all = below.iter().copied().reduce(Guess::and);
        all.unwrap_or(Guess::all(ROWS_UNKNOWN))
    } else if plan.is::<EmptyExec>() {
        Guess::all(1.0)
    } else if plan.children().is_empty() {
        let known = StatisticsContext::new().compute(plan, &StatisticsArgs::new());
        let rows = known
            .ok()
            .and_then(|known| known.num_rows.get_value().copied());
        Guess::all(rows.map_or(ROWS_UNKNOWN, |rows| rows as f64))
    } else {
        first(below)
    };
    plan.fetch()
        .map_or(guess, |fetch| guess.at_most(fetch as f64))
}

fn first(below: &[Guess]) -> Guess {
    below.first().copied().unwrap_or(Guess::all(ROWS_UNKNOWN))
}
