//! Unique keys of a plan's rows, carried from the declared keys of the tables that it reads (D2).

use std::collections::BTreeSet;

use datafusion::common::{Column, Constraint, JoinType};
use datafusion::logical_expr::{Distinct, Expr, Join, LogicalPlan, TableScan};

/// Columns that together identify a row; empty where there is at most one row.
pub(crate) type Key = BTreeSet<Column>;

/// No plan needs more than a few; joins of joins would make many.
const MOST: usize = 8;

/// The unique keys that are known of a plan's output, shortest first.
pub(crate) fn unique_keys(plan: &LogicalPlan) -> Vec<Key> {
    let mut keys = match plan {
        LogicalPlan::TableScan(scan) => of_table(scan),
        LogicalPlan::Projection(projection) => {
            let outputs = plan.schema().columns();
            let inputs = unique_keys(&projection.input);
            let renamed = |column: &Column| {
                let at = projection
                    .expr
                    .iter()
                    .position(|expr| names(expr, column))?;
                outputs.get(at).cloned()
            };
            inputs
                .iter()
                .filter_map(|key| key.iter().map(renamed).collect())
                .collect()
        }
        LogicalPlan::SubqueryAlias(alias) => {
            let inputs = alias.input.schema().columns();
            let outputs = plan.schema().columns();
            let renamed = |column: &Column| {
                let at = inputs.iter().position(|input| input == column)?;
                outputs.get(at).cloned()
            };
            let keys = unique_keys(&alias.input);
            keys.iter()
                .filter_map(|key| key.iter().map(renamed).collect())
                .collect()
        }
        LogicalPlan::Filter(filter) => unique_keys(&filter.input),
        LogicalPlan::Sort(sort) => unique_keys(&sort.input),
        LogicalPlan::Limit(limit) => unique_keys(&limit.input),
        LogicalPlan::Window(window) => unique_keys(&window.input),
        LogicalPlan::Repartition(repartition) => unique_keys(&repartition.input),
        LogicalPlan::Subquery(subquery) => unique_keys(&subquery.subquery),
        LogicalPlan::Aggregate(aggregate) => {
            // Grouping sets repeat the rows of their parts.
            if aggregate
                .group_expr
                .iter()
                .any(|expr| matches!(expr, Expr::GroupingSet(_)))
            {
                return Vec::new();
            }
            let columns = plan.schema().columns();
            vec![
                columns
                    .into_iter()
                    .take(aggregate.group_expr.len())
                    .collect(),
            ]
        }
        LogicalPlan::Distinct(Distinct::All(input)) => {
            let mut keys = unique_keys(input);
            keys.push(plan.schema().columns().into_iter().collect());
            keys
        }
        LogicalPlan::EmptyRelation(_) => vec![Key::new()],
        LogicalPlan::Join(join) => of_join(join),
        _ => Vec::new(),
    };
    keys.sort_by_key(BTreeSet::len);
    keys.truncate(MOST);
    keys
}

fn of_table(scan: &TableScan) -> Vec<Key> {
    let Some(constraints) = scan.source.constraints() else {
        return Vec::new();
    };
    let schema = scan.source.schema();
    let visible = scan.projected_schema.columns();
    let mut keys = Vec::new();
    for constraint in constraints.iter() {
        let (Constraint::PrimaryKey(indices) | Constraint::Unique(indices)) = constraint;
        let key: Option<Key> = indices
            .iter()
            .map(|at| {
                let name = schema.field(*at).name();
                visible.iter().find(|column| column.name == *name).cloned()
            })
            .collect();
        keys.extend(key);
    }
    keys
}

fn of_join(join: &Join) -> Vec<Key> {
    let left = unique_keys(&join.left);
    match join.join_type {
        JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark => return left,
        JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark => {
            return unique_keys(&join.right);
        }
        JoinType::Inner | JoinType::Left | JoinType::Right | JoinType::Full => {}
    }
    let right = unique_keys(&join.right);
    let of_left: BTreeSet<&Column> = join.on.iter().filter_map(|(left, _)| plain(left)).collect();
    let of_right: BTreeSet<&Column> = join
        .on
        .iter()
        .filter_map(|(_, right)| plain(right))
        .collect();
    let mut keys = Vec::new();
    let holds = |keys: &[Key], on: &BTreeSet<&Column>| {
        keys.iter()
            .any(|key| key.iter().all(|column| on.contains(column)))
    };
    // A row that meets at most one row of the other side stays one row.
    if holds(&right, &of_right) && matches!(join.join_type, JoinType::Inner | JoinType::Left) {
        keys.extend(left.iter().cloned());
    }
    if holds(&left, &of_left) && matches!(join.join_type, JoinType::Inner | JoinType::Right) {
        keys.extend(right.iter().cloned());
    }
    for one in &left {
        for other in &right {
            keys.push(one.union(other).cloned().collect());
        }
    }
    keys
}

fn plain(expr: &Expr) -> Option<&Column> {
    match expr {
        Expr::Column(column) => Some(column),
        _ => None,
    }
}

/// Whether a projected expression is this column, under whatever name.
fn names(expr: &Expr, column: &Column) -> bool {
    match expr {
        Expr::Column(found) => found == column,
        Expr::Alias(alias) => names(&alias.expr, column),
        _ => false,
    }
}
