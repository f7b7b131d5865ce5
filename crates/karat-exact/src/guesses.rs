//! How many rows there may be: guesses from the rows of tables and the form of conditions, to choose which side of a join is held and
//! which tables meet first ([`crate::join_order`]). They decide how long a query takes, never what it answers, nor whether it fits: sides
//! of joins are measured ([`crate::fitting_joins`]).

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::common::stats::Precision;
use datafusion::common::{Column, JoinType, Result, ScalarValue, Statistics};
use datafusion::logical_expr::expr::{BinaryExpr, InList};
use datafusion::logical_expr::{Expr, Operator};
use datafusion::physical_expr::expressions::{
    BinaryExpr as PhysicalBinary, CastExpr, Column as PhysicalColumn, InListExpr, IsNotNullExpr,
    IsNullExpr, LikeExpr, Literal, NotExpr,
};
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateMode};
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::joins::{
    CrossJoinExec, HashJoinExec, NestedLoopJoinExec, SortMergeJoinExec,
};
use datafusion::physical_plan::operator_statistics::{
    ExtendedStatistics, StatisticsProvider, StatisticsResult,
};
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::statistics::{StatisticsArgs, StatisticsContext};
use datafusion::physical_plan::union::UnionExec;
use datafusion::physical_plan::{ExecutionPlan, PhysicalExpr};

use crate::common_parts::Once;
use crate::ranges::{Range, number};

/// The part of rows that a comparison with `=` leaves.
const EQUAL: f64 = 0.1;
/// That one with `<`, or anything of which nothing is known.
const OTHER: f64 = 0.33;
/// That `is null` leaves.
const NULL: f64 = 0.1;
/// The most that a list leaves.
const LIST: f64 = 0.5;
/// The least that a comparison leaves, where it is known what there is.
const LEAST: f64 = 0.0001;
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

    /// Groups or distinct rows; `values` is how many there may be of what is grouped by, where that is known.
    pub(crate) fn groups(self, values: Option<f64>) -> Guess {
        Guess::all(match values {
            Some(values) => self.rows.min(values),
            None => self.rows.powf(0.8),
        })
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

/// What a condition asks, as far as guesses go.
enum Condition {
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Not(Box<Condition>),
    Compared(Operator, Option<Place>),
    Listed(Vec<Condition>, bool),
    Null,
    Like,
    Always,
    Unknown,
}

/// What a comparison compares: a column of which it is known where it lies, and a value.
struct Place {
    column: String,
    range: Range,
    value: f64,
}

impl Place {
    fn new(column: String, range: Option<Range>, value: &ScalarValue) -> Option<Place> {
        Some(Place {
            column,
            range: range?,
            value: number(value)?,
        })
    }

    /// The part of rows that have this value.
    fn equal(&self) -> f64 {
        let Range {
            least,
            greatest,
            step,
        } = self.range;
        if self.value < least || self.value > greatest {
            return LEAST;
        }
        match step > 0.0 {
            true => (step / (greatest - least + step)).max(LEAST),
            false => EQUAL,
        }
    }
}

/// What conditions leave of where a column lies.
struct Left {
    range: Range,
    from: f64,
    to: f64,
}

impl Left {
    fn part(&self) -> f64 {
        let width = self.range.greatest - self.range.least;
        match width > 0.0 {
            true => ((self.to - self.from) / width).clamp(LEAST, 1.0),
            false if self.from <= self.to => 1.0,
            false => LEAST,
        }
    }
}

impl Condition {
    /// The part of rows that it leaves.
    fn part(&self) -> f64 {
        match self {
            Condition::All(all) => all_of(all),
            Condition::Any(any) => any.iter().map(Condition::part).sum::<f64>().min(1.0),
            Condition::Not(inner) => 1.0 - inner.part(),
            Condition::Compared(op, place) => compared(*op, place.as_ref()),
            Condition::Listed(values, negated) => {
                let part = values.iter().map(Condition::part).sum::<f64>().min(LIST);
                if *negated { 1.0 - part } else { part }
            }
            Condition::Null => NULL,
            Condition::Like => EQUAL,
            Condition::Always => 1.0,
            Condition::Unknown => OTHER,
        }
    }

    /// The conditions of which all must hold.
    fn parts(&self) -> Vec<&Condition> {
        match self {
            Condition::All(all) => all.iter().flat_map(Condition::parts).collect(),
            one => vec![one],
        }
    }
}

/// Bounds of one column are taken together.
fn all_of(all: &[Condition]) -> f64 {
    let mut left: BTreeMap<&str, Left> = BTreeMap::new();
    let mut part = 1.0;
    for condition in all.iter().flat_map(Condition::parts) {
        match condition {
            Condition::Compared(
                op @ (Operator::Lt | Operator::LtEq | Operator::Gt | Operator::GtEq),
                Some(place),
            ) => {
                let left = left.entry(&place.column).or_insert(Left {
                    range: place.range,
                    from: place.range.least,
                    to: place.range.greatest,
                });
                match op {
                    Operator::Lt | Operator::LtEq => left.to = left.to.min(place.value),
                    _ => left.from = left.from.max(place.value),
                }
            }
            other => part *= other.part(),
        }
    }
    left.values()
        .map(Left::part)
        .fold(part, |all, one| all * one)
}

fn compared(op: Operator, place: Option<&Place>) -> f64 {
    let equal = || place.map_or(EQUAL, Place::equal);
    match (op, place) {
        (Operator::Eq | Operator::IsNotDistinctFrom, _) => equal(),
        (Operator::NotEq | Operator::IsDistinctFrom, _) => 1.0 - equal(),
        (Operator::Lt | Operator::LtEq, Some(place)) => Left {
            range: place.range,
            from: place.range.least,
            to: place.value.min(place.range.greatest),
        }
        .part(),
        (Operator::Gt | Operator::GtEq, Some(place)) => Left {
            range: place.range,
            from: place.value.max(place.range.least),
            to: place.range.greatest,
        }
        .part(),
        _ => OTHER,
    }
}

/// The part of rows that a condition leaves, over columns that lie where `range` says.
pub(crate) fn part(condition: &Expr, range: &dyn Fn(&Column) -> Option<Range>) -> f64 {
    logical(condition, range).part()
}

fn logical(condition: &Expr, range: &dyn Fn(&Column) -> Option<Range>) -> Condition {
    let inner = |expr: &Expr| logical(expr, range);
    let place = |column: &Expr, value: &Expr| {
        let Expr::Literal(value, _) = value else {
            return None;
        };
        let column = uncast(column).try_as_col()?;
        Place::new(column.flat_name(), range(column), value)
    };
    match condition {
        Expr::Alias(alias) => inner(&alias.expr),
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => match op {
            Operator::And => Condition::All(vec![inner(left), inner(right)]),
            Operator::Or => Condition::Any(vec![inner(left), inner(right)]),
            op => match (place(left, right), op.swap()) {
                (None, Some(swapped)) => Condition::Compared(swapped, place(right, left)),
                (place, _) => Condition::Compared(*op, place),
            },
        },
        Expr::Between(between) if !between.negated => Condition::All(vec![
            Condition::Compared(Operator::GtEq, place(&between.expr, &between.low)),
            Condition::Compared(Operator::LtEq, place(&between.expr, &between.high)),
        ]),
        Expr::Not(expr) => Condition::Not(Box::new(inner(expr))),
        Expr::IsNull(_) => Condition::Null,
        Expr::IsNotNull(_) => Condition::Always,
        Expr::InList(InList {
            expr,
            list,
            negated,
        }) => {
            let values = list.iter();
            let values = values.map(|value| Condition::Compared(Operator::Eq, place(expr, value)));
            Condition::Listed(values.collect(), *negated)
        }
        Expr::Like(like) if !like.negated => Condition::Like,
        Expr::Literal(value, _) if *value == true.into() => Condition::Always,
        _ => Condition::Unknown,
    }
}

fn uncast(expr: &Expr) -> &Expr {
    match expr {
        Expr::Cast(cast) => uncast(&cast.expr),
        expr => expr,
    }
}

/// The same of a condition in a physical plan, over columns by their number.
pub(crate) fn physical_part(
    condition: &Arc<dyn PhysicalExpr>,
    range: &dyn Fn(usize) -> Option<Range>,
) -> f64 {
    physical(condition, range).part()
}

fn physical(
    condition: &Arc<dyn PhysicalExpr>,
    range: &dyn Fn(usize) -> Option<Range>,
) -> Condition {
    let inner = |expr: &Arc<dyn PhysicalExpr>| physical(expr, range);
    let place = |column: &Arc<dyn PhysicalExpr>, value: &Arc<dyn PhysicalExpr>| {
        let value = value.downcast_ref::<Literal>()?.value();
        let mut column = column;
        while let Some(cast) = column.downcast_ref::<CastExpr>() {
            column = cast.expr();
        }
        let column = column.downcast_ref::<PhysicalColumn>()?;
        Place::new(column.index().to_string(), range(column.index()), value)
    };
    if let Some(binary) = condition.downcast_ref::<PhysicalBinary>() {
        let (left, right) = (binary.left(), binary.right());
        return match binary.op() {
            Operator::And => Condition::All(vec![inner(left), inner(right)]),
            Operator::Or => Condition::Any(vec![inner(left), inner(right)]),
            op => match (place(left, right), op.swap()) {
                (None, Some(swapped)) => Condition::Compared(swapped, place(right, left)),
                (place, _) => Condition::Compared(*op, place),
            },
        };
    }
    if let Some(not) = condition.downcast_ref::<NotExpr>() {
        return Condition::Not(Box::new(inner(not.arg())));
    }
    if let Some(list) = condition.downcast_ref::<InListExpr>() {
        let values = list.list().iter();
        let values =
            values.map(|value| Condition::Compared(Operator::Eq, place(list.expr(), value)));
        return Condition::Listed(values.collect(), list.negated());
    }
    if let Some(like) = condition.downcast_ref::<LikeExpr>()
        && !like.negated()
    {
        return Condition::Like;
    }
    if condition.is::<IsNullExpr>() {
        return Condition::Null;
    }
    match condition.is::<IsNotNullExpr>() {
        true => Condition::Always,
        false => Condition::Unknown,
    }
}

/// Where the columns lie that a plan hands up as files have them; of all others nothing is known.
pub(crate) fn ranges_of(plan: &Arc<dyn ExecutionPlan>) -> Vec<Option<Range>> {
    let children = plan.children();
    let [below] = children.as_slice() else {
        if !children.is_empty() {
            return Vec::new();
        }
        let known = StatisticsContext::new().compute(plan.as_ref(), &StatisticsArgs::new());
        let columns = known.iter().flat_map(|known| &known.column_statistics);
        return columns.map(Range::of).collect();
    };
    let below = ranges_of(below);
    let at = |at: usize| below.get(at).copied().flatten();
    let of = |expr: &Arc<dyn PhysicalExpr>| {
        let column = expr.downcast_ref::<PhysicalColumn>();
        column.and_then(|column| at(column.index()))
    };
    if let Some(filter) = plan.downcast_ref::<FilterExec>() {
        return match filter.projection() {
            Some(projection) => projection.iter().map(|column| at(*column)).collect(),
            None => below,
        };
    }
    if let Some(projection) = plan.downcast_ref::<ProjectionExec>() {
        let outputs = projection.expr().iter();
        return outputs.map(|output| of(&output.expr)).collect();
    }
    if let Some(aggregate) = plan.downcast_ref::<AggregateExec>() {
        return aggregate
            .group_expr()
            .expr()
            .iter()
            .map(|(key, _)| of(key))
            .collect();
    }
    let is_passed_on =
        plan.is::<RepartitionExec>() || plan.is::<CoalescePartitionsExec>() || plan.is::<Once>();
    if is_passed_on { below } else { Vec::new() }
}

/// How many values there may be of what a grouping groups by.
fn values_of(aggregate: &AggregateExec) -> Option<f64> {
    let below = ranges_of(aggregate.input());
    let keys = aggregate.group_expr().expr().iter();
    keys.map(|(key, _)| {
        let column = key.downcast_ref::<PhysicalColumn>()?;
        below.get(column.index()).copied().flatten()?.values()
    })
    .product()
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
        let ranges = ranges_of(filter.input());
        let range = |at: usize| ranges.get(at).copied().flatten();
        first(below).part(physical_part(filter.predicate(), &range))
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
            // Each thread has groups of its own: how many there are in all, the stage above says.
            false if *aggregate.mode() == AggregateMode::Partial => first(below),
            false => first(below).groups(values_of(aggregate)),
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

#[cfg(test)]
mod tests {
    use datafusion::logical_expr::{col, lit};

    use super::*;

    #[test]
    fn what_a_condition_leaves_follows_from_where_its_columns_lie() {
        // `day` lies between 1 and 100, as whole numbers do; of `text` nothing is known.
        let range = |column: &Column| {
            (column.name == "day").then_some(Range {
                least: 1.0,
                greatest: 100.0,
                step: 1.0,
            })
        };
        let parts = |condition: Expr| format!("{:.4}", part(&condition, &range));
        let day = || col("day");
        let text = || col("text");
        let from_10_to_20 = day().gt_eq(lit(10)).and(day().lt(lit(20)));
        assert_eq!(parts(from_10_to_20.clone()), "0.1010");
        assert_eq!(parts(from_10_to_20.and(text().eq(lit("a")))), "0.0101");
        assert_eq!(parts(day().between(lit(10), lit(20))), "0.1010");
        assert_eq!(parts(lit(90).lt(day())), "0.1010");
        assert_eq!(parts(day().eq(lit(5))), "0.0100");
        assert_eq!(parts(day().eq(lit(500))), "0.0001");
        assert_eq!(parts(day().in_list(vec![lit(5), lit(6)], false)), "0.0200");
        assert_eq!(parts(day().gt(lit(500)).or(day().lt(lit(0)))), "0.0002");
        assert_eq!(
            parts(text().gt(lit("a")).and(text().lt(lit("b")))),
            "0.1089"
        );
    }
}
