//! The order of inner joins: small intermediate results first. A question names its tables in the order in which people think; joined in
//! that order two large tables may meet before the conditions that leave little of either.
//!
//! Rows of tables are known, all else is a guess from them, the same for the same tables and text: a key that several tables share has as
//! many values as the smallest of them has rows, and a condition leaves a part that its form tells. The order as written stays unless
//! the best one is a guess of half its rows or less. Inner joins give the same rows in any order, and errors are those of the answer in any
//! order (rule E5).

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::catalog::default_table_source::source_as_provider;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{Column, ExprSchema, NullEquality, Result};
use datafusion::logical_expr::utils::{conjunction, split_conjunction_owned};
use datafusion::logical_expr::{
    BinaryExpr, Expr, FetchType, Filter, Join, JoinConstraint, JoinType, LogicalPlan, Operator,
    Projection,
};
use datafusion::optimizer::optimizer::ApplyOrder;
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};

use crate::conditions::is_bound;
use crate::guesses::{Guess, ROWS_UNKNOWN, part};
use crate::ranges::Range;
use crate::walks::Walk;

/// Tables that are put into an order: fewer leave no choice, more take too long to try.
const TABLES: std::ops::RangeInclusive<usize> = 3..=24;
/// Up to so many tables every one is tried as the first.
const TABLES_TRIED: usize = 12;
/// The order as written is worth this many times the best.
const WRITTEN: f64 = 2.0;

/// The rule.
#[derive(Debug)]
pub(crate) struct JoinOrder;

impl OptimizerRule for JoinOrder {
    fn name(&self) -> &str {
        "karat_join_order"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::TopDown)
    }

    fn rewrite(
        &self,
        plan: LogicalPlan,
        _config: &dyn OptimizerConfig,
    ) -> Result<Transformed<LogicalPlan>> {
        if joined(&plan).is_none() {
            return Ok(Transformed::no(plan));
        }
        let mut group = Group::default();
        let written = group.add(&plan);
        if !TABLES.contains(&group.tables.len()) || !group.resolve() {
            return Ok(Transformed::no(plan));
        }
        let best = group.best();
        if group.cost(&best) * WRITTEN >= group.cost(&written) {
            return Ok(Transformed::no(plan));
        }
        let schema = Arc::clone(plan.schema());
        let ordered = group.plan(&best)?;
        Ok(Transformed::yes(if schema == *ordered.schema() {
            ordered
        } else {
            LogicalPlan::Projection(Projection::new_from_schema(Arc::new(ordered), schema))
        }))
    }
}

/// The inner join that a plan is, if its order may change.
fn joined(plan: &LogicalPlan) -> Option<&Join> {
    match plan {
        LogicalPlan::Join(join)
            if join.join_type == JoinType::Inner
                && join.null_equality == NullEquality::NullEqualsNothing
                && !join.null_aware =>
        {
            Some(join)
        }
        _ => None,
    }
}

/// Tables by their numbers.
type Set = u32;

/// Joins of joins, down to tables.
#[derive(Clone, Debug)]
enum Tree {
    Table(usize),
    Both(Box<Tree>, Box<Tree>),
}

impl Tree {
    fn set(&self) -> Set {
        match self {
            Tree::Table(at) => 1 << at,
            Tree::Both(left, right) => left.set() | right.set(),
        }
    }
}

struct Table {
    plan: Arc<LogicalPlan>,
    guess: Guess,
}

/// `left = right`, each over the columns of the tables in its set.
struct Equality {
    left: Expr,
    right: Expr,
    sets: (Set, Set),
    /// Values that both may have.
    values: f64,
    /// Equalities of one class are about the same values.
    class: usize,
}

struct Condition {
    expr: Expr,
    set: Set,
    part: f64,
}

/// Tables under inner joins, and what they must meet.
#[derive(Default)]
struct Group {
    tables: Vec<Table>,
    on: Vec<(Expr, Expr)>,
    filters: Vec<Expr>,
    equalities: Vec<Equality>,
    conditions: Vec<Condition>,
}

impl Group {
    fn add(&mut self, plan: &LogicalPlan) -> Tree {
        let Some(join) = joined(plan) else {
            self.tables.push(Table {
                guess: guess(plan),
                plan: Arc::new(plan.clone()),
            });
            return Tree::Table(self.tables.len() - 1);
        };
        self.on.extend(join.on.iter().cloned());
        if let Some(filter) = &join.filter {
            self.filters.extend(split_conjunction_owned(filter.clone()));
        }
        let left = self.add(&join.left);
        let right = self.add(&join.right);
        Tree::Both(Box::new(left), Box::new(right))
    }

    /// Finds the tables of each condition; false if that cannot be told of one.
    fn resolve(&mut self) -> bool {
        let filters = std::mem::take(&mut self.filters);
        for expr in filters {
            // Between joins there may be equalities that no join has taken yet.
            if let Some(pair) = self.key(&expr) {
                self.on.push(pair);
                continue;
            }
            let Some(set) = self.tables_of(&expr) else {
                return false;
            };
            let range = |column: &Column| {
                let table = &self.tables[self.table_of(column)?];
                range_of(&table.plan, column)
            };
            let part = part(&expr, &range);
            self.conditions.push(Condition { expr, set, part });
        }
        let mut classes: BTreeMap<String, usize> = BTreeMap::new();
        for (left, right) in std::mem::take(&mut self.on) {
            let (Some(a), Some(b)) = (self.tables_of(&left), self.tables_of(&right)) else {
                return false;
            };
            let next = classes.len();
            let first = *classes.entry(left.to_string()).or_insert(next);
            let second = *classes.entry(right.to_string()).or_insert(first);
            let class = first.min(second);
            for known in classes.values_mut() {
                if *known == first || *known == second {
                    *known = class;
                }
            }
            self.equalities.push(Equality {
                values: self.base(a).min(self.base(b)),
                left,
                right,
                sets: (a, b),
                class: 0,
            });
        }
        let mut values: BTreeMap<usize, f64> = BTreeMap::new();
        for equality in &mut self.equalities {
            let class = classes.get(&equality.left.to_string());
            equality.class = class.copied().unwrap_or(usize::MAX);
            let least = values.entry(equality.class).or_insert(f64::INFINITY);
            *least = least.min(equality.values);
        }
        for equality in &mut self.equalities {
            equality.values = values[&equality.class].max(1.0);
        }
        true
    }

    /// Both sides of an equality between columns of two tables.
    fn key(&self, expr: &Expr) -> Option<(Expr, Expr)> {
        let Expr::BinaryExpr(BinaryExpr { left, op, right }) = expr else {
            return None;
        };
        let (Expr::Column(a), Operator::Eq, Expr::Column(b)) = (left.as_ref(), op, right.as_ref())
        else {
            return None;
        };
        let (first, second) = (self.table_of(a)?, self.table_of(b)?);
        let kind = |table: usize, column: &Column| {
            let schema = self.tables[table].plan.schema();
            let field = schema.field_from_column(column).ok()?;
            Some(field.data_type().clone()).filter(|kind| !kind.is_nested())
        };
        let alike = kind(first, a)? == kind(second, b)?;
        (first != second && alike).then(|| (left.as_ref().clone(), right.as_ref().clone()))
    }

    /// The tables whose columns an expression reads.
    fn tables_of(&self, expr: &Expr) -> Option<Set> {
        if expr.has(|e| Ok(is_bound(e))).unwrap_or(true) {
            return None;
        }
        let mut set = 0;
        for column in expr.column_refs() {
            set |= 1 << self.table_of(column)?;
        }
        Some(set)
    }

    fn table_of(&self, column: &Column) -> Option<usize> {
        let has = |table: &Table| table.plan.schema().has_column(column);
        let mut found = (0..self.tables.len()).filter(|&at| has(&self.tables[at]));
        let first = found.next();
        first.filter(|_| found.next().is_none())
    }

    fn base(&self, set: Set) -> f64 {
        let tables = self.tables.iter().enumerate();
        let of = tables.filter(|(at, _)| set & (1 << at) != 0);
        of.map(|(_, table)| table.guess.base).fold(1.0, f64::max)
    }

    /// Rows of some of the tables joined, however that was done.
    fn rows(&self, set: Set) -> f64 {
        let mut rows = 1.0;
        for (at, table) in self.tables.iter().enumerate() {
            if set & (1 << at) != 0 {
                rows *= table.guess.rows;
            }
        }
        // Tables that are equal in a class already are so once; keys of several columns have at most as many values as a table has rows.
        let mut connected: BTreeMap<usize, Vec<Set>> = BTreeMap::new();
        let mut pairs: BTreeMap<(Set, Set), f64> = BTreeMap::new();
        for equality in &self.equalities {
            let (a, b) = equality.sets;
            if (a | b) & !set != 0 {
                continue;
            }
            let known = connected.entry(equality.class).or_default();
            if known.iter().any(|all| (a | b) & !all == 0) {
                continue;
            }
            let mut all = a | b;
            known.retain(|other| {
                let meets = other & all != 0;
                if meets {
                    all |= other;
                }
                !meets
            });
            known.push(all);
            *pairs.entry((a.min(b), a.max(b))).or_insert(1.0) /= equality.values;
        }
        for ((a, b), part) in pairs {
            rows *= part.max(1.0 / self.base(a).min(self.base(b)).max(1.0));
        }
        for condition in &self.conditions {
            if condition.set & !set == 0 {
                rows *= condition.part;
            }
        }
        rows
    }

    /// Rows that the joins of a tree give, and those of its tables.
    fn cost(&self, tree: &Tree) -> f64 {
        match tree {
            Tree::Table(at) => self.tables[*at].guess.rows,
            Tree::Both(left, right) => self.cost(left) + self.cost(right) + self.rows(tree.set()),
        }
    }

    /// Whether something besides chance brings two sets together.
    fn meet(&self, left: Set, right: Set) -> bool {
        self.equalities.iter().any(|equality| {
            let (a, b) = equality.sets;
            let across = |a: Set, b: Set| a & !left == 0 && b & !right == 0;
            a != 0 && b != 0 && (across(a, b) || across(b, a))
        })
    }

    fn best(&self) -> Tree {
        let mut best = self.smallest_first();
        let mut cost = self.cost(&best);
        if self.tables.len() <= TABLES_TRIED {
            for first in 0..self.tables.len() {
                let tree = self.one_after_the_other(first);
                let costs = self.cost(&tree);
                if costs < cost {
                    (best, cost) = (tree, costs);
                }
            }
        }
        best
    }

    /// Joins the two of all that give the fewest rows, again and again.
    fn smallest_first(&self) -> Tree {
        let mut trees: Vec<Tree> = (0..self.tables.len()).map(Tree::Table).collect();
        while trees.len() > 1 {
            let mut best: Option<((bool, f64), usize, usize)> = None;
            for right in 1..trees.len() {
                for left in 0..right {
                    let (a, b) = (trees[left].set(), trees[right].set());
                    let rank = (!self.meet(a, b), self.rows(a | b));
                    if best.as_ref().is_none_or(|(known, ..)| rank < *known) {
                        best = Some((rank, left, right));
                    }
                }
            }
            let Some((_, left, right)) = best else {
                break;
            };
            let second = trees.remove(right);
            let first = trees.remove(left);
            trees.push(self.both(first, second));
        }
        trees.remove(0)
    }

    /// Joins one table after the other to the first, always the one that leaves the fewest rows.
    fn one_after_the_other(&self, first: usize) -> Tree {
        let mut tree = Tree::Table(first);
        let mut rest: Vec<usize> = (0..self.tables.len()).filter(|&at| at != first).collect();
        while !rest.is_empty() {
            let set = tree.set();
            let rank = |at: usize| (!self.meet(set, 1 << at), self.rows(set | 1 << at));
            let mut next = 0;
            for at in 1..rest.len() {
                if rank(rest[at]) < rank(rest[next]) {
                    next = at;
                }
            }
            let table = Tree::Table(rest.remove(next));
            tree = self.both(tree, table);
        }
        tree
    }

    /// With the smaller side first, which is the one that is held.
    fn both(&self, left: Tree, right: Tree) -> Tree {
        let (left, right) = match self.rows(right.set()) < self.rows(left.set()) {
            true => (right, left),
            false => (left, right),
        };
        Tree::Both(Box::new(left), Box::new(right))
    }

    /// The plan of a tree; each condition stands where all of its tables are there for the first time.
    fn plan(&self, tree: &Tree) -> Result<LogicalPlan> {
        let set = tree.set();
        let whole = set == self.base_set();
        let (left, right) = match tree {
            Tree::Table(_) => (set, 0),
            Tree::Both(left, right) => (left.set(), right.set()),
        };
        let here = |of: Set| match tree {
            Tree::Table(_) => of == set,
            // What reads no table stands on top.
            Tree::Both(..) => {
                of & !set == 0 && of & !left != 0 && of & !right != 0 || of == 0 && whole
            }
        };
        let mut on = Vec::new();
        let mut filters = Vec::new();
        for equality in &self.equalities {
            let (a, b) = equality.sets;
            if !here(a | b) {
                continue;
            }
            let (first, second) = (equality.left.clone(), equality.right.clone());
            match (
                a & !left == 0 && b & !right == 0,
                b & !left == 0 && a & !right == 0,
            ) {
                (true, _) if a != 0 && b != 0 => on.push((first, second)),
                (_, true) if a != 0 && b != 0 => on.push((second, first)),
                _ => filters.push(first.eq(second)),
            }
        }
        let conditions = self
            .conditions
            .iter()
            .filter(|condition| here(condition.set));
        filters.extend(conditions.map(|condition| condition.expr.clone()));
        let filter = conjunction(filters);
        match tree {
            Tree::Table(at) => {
                let plan = Arc::clone(&self.tables[*at].plan);
                Ok(match filter {
                    Some(filter) => LogicalPlan::Filter(Filter::try_new(filter, plan)?),
                    None => Arc::unwrap_or_clone(plan),
                })
            }
            Tree::Both(first, second) => Ok(LogicalPlan::Join(Join::try_new(
                Arc::new(self.plan(first)?),
                Arc::new(self.plan(second)?),
                on,
                filter,
                JoinType::Inner,
                JoinConstraint::On,
                NullEquality::NullEqualsNothing,
                false,
            )?)),
        }
    }

    fn base_set(&self) -> Set {
        (1 << self.tables.len()) - 1
    }
}

fn guess(plan: &LogicalPlan) -> Guess {
    let first = || {
        let first = plan.inputs().first().map(|input| guess(input));
        first.unwrap_or(Guess::all(ROWS_UNKNOWN))
    };
    match plan {
        LogicalPlan::TableScan(scan) => {
            let provider = source_as_provider(&scan.source).ok();
            let known = provider.and_then(|provider| provider.statistics());
            let rows = known.and_then(|known| known.num_rows.get_value().copied());
            let range = |column: &Column| range_of(plan, column);
            let part = scan
                .filters
                .iter()
                .map(|filter| part(filter, &range))
                .product();
            Guess::all(rows.map_or(ROWS_UNKNOWN, |rows| rows as f64)).part(part)
        }
        LogicalPlan::Filter(filter) => {
            let range = |column: &Column| range_of(&filter.input, column);
            first().part(part(&filter.predicate, &range))
        }
        LogicalPlan::Aggregate(aggregate) if aggregate.group_expr.is_empty() => Guess::all(1.0),
        LogicalPlan::Aggregate(aggregate) => {
            let keys = aggregate.group_expr.iter();
            let values = keys.map(|key| range_of(&aggregate.input, key.try_as_col()?)?.values());
            first().groups(values.product())
        }
        LogicalPlan::Distinct(_) => first().groups(None),
        LogicalPlan::Limit(limit) => match limit.get_fetch_type() {
            Ok(FetchType::Literal(Some(fetch))) => first().at_most(fetch as f64),
            _ => first(),
        },
        LogicalPlan::Join(join) => {
            let (left, right) = (guess(&join.left), guess(&join.right));
            let pairs = match join.on.is_empty() {
                true => left.rows * right.rows,
                false => left.on_a_key(right),
            };
            let range = |column: &Column| {
                range_of(&join.left, column).or_else(|| range_of(&join.right, column))
            };
            let filter = join.filter.as_ref();
            let part = filter.map_or(1.0, |filter| part(filter, &range));
            left.join(right, join.join_type, pairs * part)
        }
        LogicalPlan::Union(union) => {
            let all = union.inputs.iter().map(|input| guess(input));
            all.reduce(Guess::and).unwrap_or(Guess::all(ROWS_UNKNOWN))
        }
        LogicalPlan::Values(values) => Guess::all(values.values.len() as f64),
        LogicalPlan::EmptyRelation(_) => Guess::all(1.0),
        _ => first(),
    }
}

/// Where a column lies that a plan hands up as its one table has it.
fn range_of(plan: &LogicalPlan, column: &Column) -> Option<Range> {
    match plan {
        LogicalPlan::TableScan(scan) => {
            let provider = source_as_provider(&scan.source).ok()?;
            let at = provider.schema().index_of(&column.name).ok()?;
            Range::of(provider.statistics()?.column_statistics.get(at)?)
        }
        LogicalPlan::Filter(_) | LogicalPlan::SubqueryAlias(_) | LogicalPlan::Projection(_) => {
            let inputs = plan.inputs();
            range_of(inputs.first()?, column)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::{DataType, Field, Schema};

    use crate::{DataFileRef, Engine, EngineConfig, FileSet, Purpose, Rounding, Tables};

    /// The joins of a question, as they are planned over tables with so many rows.
    async fn joins(sql: &str) -> String {
        let engine = Engine::new(EngineConfig {
            threads: 1,
            memory_bytes: None,
            spill_dir: std::env::temp_dir(),
            logical_time_us: 0,
            timezone: "UTC".to_owned(),
            rounding: Rounding::HalfAwayFromZero,
            batch_rows: 8192,
        })
        .expect("an engine");
        let mut tables = Tables::new();
        for (name, rows, columns) in [
            ("sales", 1_000_000, "item day customer amount"),
            ("stock", 10_000_000, "s_item s_day s_amount"),
            ("items", 10_000, "i_item i_kind"),
            ("days", 70_000, "d_day d_week d_year"),
            ("customers", 100_000, "c_customer c_state"),
        ] {
            let fields = columns
                .split(' ')
                .map(|column| Field::new(column, DataType::Int64, true));
            let files = FileSet {
                schema: Schema::new(fields.collect::<Vec<_>>()).into(),
                files: vec![DataFileRef {
                    path: std::env::temp_dir().join(name),
                    size: rows,
                    rows,
                }],
                key: None,
            };
            tables.insert_plain(name, files).expect("a table");
        }
        let prepared = engine.prepare(sql, &tables, &Purpose::Query { strict: false });
        let prepared = prepared.map_err(|error| error.message).expect("planned");
        let lines = prepared.explain().await.expect("planned");
        let told = lines
            .iter()
            .filter(|line| line.contains("join:") || line.contains("scan"));
        let told = told.map(|line| {
            let depth = line.len() - line.trim_start().len();
            let line = line.trim_start();
            let end = line.find(", projection").unwrap_or(line.len());
            format!("{}{}\n", " ".repeat(depth / 2), &line[..end])
        });
        told.collect()
    }

    /// How far to the right the scan of a column stands: the further, the earlier it is joined.
    fn depth(joins: &str, column: &str) -> usize {
        let mut scans = joins.lines().filter(|line| line.contains("scan"));
        let line = scans.find(|line| line.contains(column)).unwrap_or(joins);
        line.len() - line.trim_start().len()
    }

    #[tokio::test]
    async fn large_tables_meet_last() {
        let told = joins(
            "select count(*) from sales join stock on item = s_item join items on i_item = item join customers on c_customer = customer \
             join days a on day = a.d_day join days b on s_day = b.d_day \
             where a.d_week = b.d_week and s_amount < amount and a.d_year = 1999 and c_state = 7",
        )
        .await;
        assert!(depth(&told, "s_item") < depth(&told, "amount"), "{told}");
        // By both of its keys, so that its rows do not multiply.
        assert!(
            told.contains("on=[(d_day, s_day), (item, s_item)]"),
            "{told}"
        );
    }

    #[tokio::test]
    async fn an_order_that_is_as_good_stays() {
        let told = joins(
            "select count(*) from sales join items on i_item = item join days on d_day = day where d_year = 1999",
        )
        .await;
        let first = told.lines().find(|line| line.contains("join:"));
        assert!(first.is_some_and(|line| line.contains("d_day")), "{told}");
    }
}
