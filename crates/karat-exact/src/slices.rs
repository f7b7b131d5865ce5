//! Parts of an answer: its rows of some values of some of its columns, computed from the rows of those values alone.
//!
//! `book_date in (…)` above a query means the same below it where every operator between keeps rows of different values apart: groups
//! and windows that are partitioned by the column, joins that equate it. Where one does not, the tables below it are read whole, and the
//! condition stays above it, so that the part is right in any case; [`SliceSources`] tells which tables those are, and why.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef};
use arrow::datatypes::DataType;
use datafusion::common::{Column, DataFusionError, JoinType, Result, ScalarValue};
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{
    Aggregate, BinaryExpr, Distinct, Expr, Filter, Join, LogicalPlan, Operator, Projection,
    TableScan, Union, Unnest, Window,
};

use crate::checked::sql_text;
use crate::error::ExactError;
use crate::tables::{name_of, tables_asked, tables_read};

/// Which part of an answer: the rows whose columns each have one of the values given for them.
#[derive(Clone, Debug)]
pub struct Slice {
    /// Column of the answer, and its distinct values; null is one.
    pub columns: Vec<(String, ArrayRef)>,
}

/// Where the columns of a slice come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SliceSources {
    /// Tables of which only rows with the slice's values are read: the columns that hold them, in the order of the slice's. A table that
    /// is read in several ways may have several.
    pub carried: BTreeMap<String, BTreeSet<Vec<String>>>,
    /// Tables that are read whole, and why.
    pub whole: BTreeMap<String, String>,
}

/// Where the columns `by` of a plan's answer come from.
pub(crate) fn sources(plan: &LogicalPlan, by: &[String]) -> Result<SliceSources> {
    let columns = columns_of(plan, by)?;
    let mut slicer = Slicer::new(columns.iter().map(|_| None).collect());
    slicer.slice(plan, &columns, &[])?;
    Ok(slicer.told())
}

/// The plan of a part of a plan's answer.
pub(crate) fn sliced(plan: &LogicalPlan, slice: &Slice) -> Result<LogicalPlan> {
    let by: Vec<String> = slice.columns.iter().map(|(name, _)| name.clone()).collect();
    let columns = columns_of(plan, &by)?;
    let values = slice.columns.iter().map(|(_, values)| Some(values.clone()));
    Slicer::new(values.collect()).slice(plan, &columns, &[])
}

/// The columns of a plan's answer that have these names, if they can tell rows apart.
fn columns_of(plan: &LogicalPlan, by: &[String]) -> Result<Vec<Column>> {
    by.iter()
        .map(|name| {
            let schema = plan.schema();
            let found = schema.iter().find(|(_, field)| field.name() == name);
            let (relation, field) = found.ok_or_else(|| {
                refused(
                    format!("the answer has no column `{name}`"),
                    "name columns that the SELECT gives",
                )
            })?;
            if field.data_type().is_floating() || field.data_type().is_nested() {
                return Err(refused(
                    format!(
                        "`{name}` is of type {}, whose values are no names of parts",
                        crate::type_name(field.data_type())
                    ),
                    "name columns of integers, decimals, texts, dates or times",
                ));
            }
            Ok(Column::new(relation.cloned(), field.name()))
        })
        .collect()
}

fn refused(message: String, hint: &str) -> DataFusionError {
    DataFusionError::from(ExactError::refused(message, hint.to_owned()))
}

struct Slicer {
    /// The values of each column; none while only the sources are asked for.
    values: Vec<Option<ArrayRef>>,
    sources: SliceSources,
}

impl Slicer {
    fn new(values: Vec<Option<ArrayRef>>) -> Self {
        Self {
            values,
            sources: SliceSources::default(),
        }
    }

    /// What was found: a table that is somewhere read whole is one.
    fn told(mut self) -> SliceSources {
        let whole = &self.sources.whole;
        self.sources
            .carried
            .retain(|table, _| !whole.contains_key(table));
        self.sources
    }

    /// The plan's rows with the values of the slice in `by`, one column for each of the slice's. `equal` are columns that an operator
    /// above lets through only where they are equal.
    fn slice(
        &mut self,
        plan: &LogicalPlan,
        by: &[Column],
        equal: &[(Column, Column)],
    ) -> Result<LogicalPlan> {
        // What is asked of other tables concerns rows of all values.
        self.note(
            tables_asked(plan)?,
            "a subquery asks it for rows of all values",
        );
        match plan {
            LogicalPlan::TableScan(scan) => self.scan(plan, scan, by),
            LogicalPlan::EmptyRelation(_) | LogicalPlan::Values(_) => self.kept(plan, by),
            LogicalPlan::Projection(projection) => self.projection(plan, projection, by),
            LogicalPlan::Filter(filter) => {
                let mut equal = equal.to_vec();
                equal.extend(equalities(
                    Some(&filter.predicate),
                    &filter.input,
                    &filter.input,
                ));
                let input = self.slice(&filter.input, by, &equal)?;
                let filter = Filter::try_new(filter.predicate.clone(), Arc::new(input))?;
                Ok(LogicalPlan::Filter(filter))
            }
            LogicalPlan::Sort(sort) if sort.fetch.is_none() => {
                let mut sort = sort.clone();
                sort.input = Arc::new(self.slice(&sort.input, by, equal)?);
                Ok(LogicalPlan::Sort(sort))
            }
            LogicalPlan::SubqueryAlias(alias) => {
                let inner = renamed(
                    by,
                    &plan.schema().columns(),
                    &alias.input.schema().columns(),
                );
                let mut alias = alias.clone();
                alias.input = Arc::new(self.slice(&alias.input, &inner, &[])?);
                Ok(LogicalPlan::SubqueryAlias(alias))
            }
            LogicalPlan::Distinct(Distinct::All(input)) => {
                let input = self.slice(input, by, &[])?;
                Ok(LogicalPlan::Distinct(Distinct::All(Arc::new(input))))
            }
            LogicalPlan::Distinct(Distinct::On(on)) => {
                let outputs = plan.schema().columns();
                let inner = sources_of(by, &outputs, &on.select_expr);
                let held =
                    |column: &Column| on.on_expr.iter().any(|expr| plain(expr) == Some(column));
                match inner {
                    Ok(inner) if inner.iter().all(held) => {
                        let mut on = on.clone();
                        on.input = Arc::new(self.slice(&on.input, &inner, &[])?);
                        Ok(LogicalPlan::Distinct(Distinct::On(on)))
                    }
                    _ => self.whole(plan, by, "DISTINCT ON chooses among rows of other values"),
                }
            }
            LogicalPlan::Aggregate(aggregate) => self.aggregate(plan, aggregate, by),
            LogicalPlan::Window(window) => self.window(plan, window, by),
            LogicalPlan::Union(union) => {
                let outputs = plan.schema().columns();
                let mut inputs = Vec::with_capacity(union.inputs.len());
                for input in &union.inputs {
                    let inner = renamed(by, &outputs, &input.schema().columns());
                    inputs.push(Arc::new(self.slice(input, &inner, &[])?));
                }
                Ok(LogicalPlan::Union(Union {
                    inputs,
                    schema: union.schema.clone(),
                }))
            }
            LogicalPlan::Join(join) => self.join(plan, join, by, equal),
            LogicalPlan::Unnest(unnest) => self.unnest(plan, unnest, by),
            LogicalPlan::Limit(_) | LogicalPlan::Sort(_) => {
                self.whole(plan, by, "LIMIT counts rows of all values")
            }
            LogicalPlan::RecursiveQuery(_) => self.whole(
                plan,
                by,
                "a recursive query goes from rows to rows of other values",
            ),
            _ => self.whole(plan, by, "an operator above it mixes rows of all values"),
        }
    }

    fn scan(&mut self, plan: &LogicalPlan, scan: &TableScan, by: &[Column]) -> Result<LogicalPlan> {
        let columns = by.iter().map(|column| column.name.clone()).collect();
        if let Some(table) = name_of(scan) {
            let ways = self.sources.carried.entry(table).or_default();
            ways.insert(columns);
        }
        self.kept(plan, by)
    }

    fn projection(
        &mut self,
        plan: &LogicalPlan,
        projection: &Projection,
        by: &[Column],
    ) -> Result<LogicalPlan> {
        match sources_of(by, &plan.schema().columns(), &projection.expr) {
            Ok(inner) => {
                let input = self.slice(&projection.input, &inner, &[])?;
                let projected = Projection::try_new(projection.expr.clone(), Arc::new(input))?;
                Ok(LogicalPlan::Projection(projected))
            }
            Err(column) => {
                let why = format!("`{}` is computed, and no column of it", column.name);
                self.whole(plan, by, &why)
            }
        }
    }

    fn aggregate(
        &mut self,
        plan: &LogicalPlan,
        aggregate: &Aggregate,
        by: &[Column],
    ) -> Result<LogicalPlan> {
        let sets = |expr: &Expr| matches!(expr, Expr::GroupingSet(_));
        if aggregate.group_expr.iter().any(sets) {
            return self.whole(plan, by, "grouping sets sum up rows of all values");
        }
        match sources_of(by, &plan.schema().columns(), &aggregate.group_expr) {
            Ok(inner) => {
                let mut aggregate = aggregate.clone();
                aggregate.input = Arc::new(self.slice(&aggregate.input, &inner, &[])?);
                Ok(LogicalPlan::Aggregate(aggregate))
            }
            Err(column) => {
                let at = plan.schema().maybe_index_of_column(&column);
                let why = match at.and_then(|at| aggregate.group_expr.get(at)) {
                    Some(expr) => format!(
                        "its rows are grouped by `{}`, and no column of it holds that",
                        sql_text(expr)
                    ),
                    None => "its rows are grouped, and not by a column of its own".to_owned(),
                };
                self.whole(plan, by, &why)
            }
        }
    }

    fn window(
        &mut self,
        plan: &LogicalPlan,
        window: &Window,
        by: &[Column],
    ) -> Result<LogicalPlan> {
        let inputs = window.input.schema().columns();
        for column in by {
            let is_split = |expr: &Expr| {
                let Expr::WindowFunction(function) = expr.clone().unalias() else {
                    return false;
                };
                let mut parts = function.params.partition_by.iter();
                parts.any(|part| plain(part) == Some(column))
            };
            if !inputs.contains(column) || !window.window_expr.iter().all(is_split) {
                let why = format!("a window sees rows of other values of `{}`", column.name);
                return self.whole(plan, by, &why);
            }
        }
        let mut window = window.clone();
        window.input = Arc::new(self.slice(&window.input, by, &[])?);
        Ok(LogicalPlan::Window(window))
    }

    fn unnest(
        &mut self,
        plan: &LogicalPlan,
        unnest: &Unnest,
        by: &[Column],
    ) -> Result<LogicalPlan> {
        let (outputs, inputs) = (plan.schema().columns(), unnest.input.schema().columns());
        let kept = |column: &Column| {
            let at = outputs.iter().position(|one| one == column)?;
            let from = *unnest.dependency_indices.get(at)?;
            let taken = unnest.list_type_columns.iter().any(|(one, _)| *one == from)
                || unnest.struct_type_columns.contains(&from);
            inputs.get(from).filter(|_| !taken).cloned()
        };
        let Some(inner) = by.iter().map(kept).collect::<Option<Vec<_>>>() else {
            return self.whole(plan, by, "its values are taken out of lists");
        };
        let mut unnest = unnest.clone();
        unnest.input = Arc::new(self.slice(&unnest.input, &inner, &[])?);
        Ok(LogicalPlan::Unnest(unnest))
    }

    fn join(
        &mut self,
        plan: &LogicalPlan,
        join: &Join,
        by: &[Column],
        equal: &[(Column, Column)],
    ) -> Result<LogicalPlan> {
        let mut pairs = equalities(join.filter.as_ref(), &join.left, &join.right);
        pairs.extend(join.on.iter().filter_map(|(left, right)| {
            same_type(plain(left)?, &join.left, plain(right)?, &join.right)
        }));
        if join.join_type == JoinType::Inner {
            pairs.extend(equal.iter().cloned());
        }
        // The columns as one side has them: its own, or those that the join equates with the other's.
        let of_side = |side: &LogicalPlan, and_equal: bool| -> Option<Vec<Column>> {
            let held = |column: &Column| side.schema().has_column(column);
            by.iter()
                .map(|column| {
                    if held(column) {
                        return Some(column.clone());
                    }
                    let mut partners = pairs.iter().filter_map(|(one, other)| {
                        let partner = if one == column {
                            other
                        } else if other == column {
                            one
                        } else {
                            return None;
                        };
                        held(partner).then(|| partner.clone())
                    });
                    partners.next().filter(|_| and_equal)
                })
                .collect()
        };
        let names: Vec<&str> = by.iter().map(|column| column.name.as_str()).collect();
        let unequal = format!("a join with it does not equate `{}`", names.join("`, `"));
        let unequal = unequal.as_str();
        let (left, right) = match join.join_type {
            JoinType::Inner => {
                let (left, right) = (of_side(&join.left, true), of_side(&join.right, true));
                if left.is_none() && right.is_none() {
                    return self.whole(plan, by, unequal);
                }
                (left, right)
            }
            // Rows that have no partner are kept: their side must have the columns itself.
            JoinType::Left | JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark => {
                match of_side(&join.left, false) {
                    Some(left) => (Some(left), of_side(&join.right, true)),
                    None => return self.whole(plan, by, "an outer join fills it with nulls"),
                }
            }
            JoinType::Right | JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark => {
                match of_side(&join.right, false) {
                    Some(right) => (of_side(&join.left, true), Some(right)),
                    None => return self.whole(plan, by, "an outer join fills it with nulls"),
                }
            }
            JoinType::Full => {
                return self.whole(plan, by, "a full join fills it with nulls");
            }
        };
        let mut side = |input: &LogicalPlan, columns: Option<Vec<Column>>| match columns {
            Some(columns) => self.slice(input, &columns, &pairs),
            None => self.note_whole(input, unequal).map(|()| input.clone()),
        };
        let mut sliced = join.clone();
        sliced.left = Arc::new(side(&join.left, left)?);
        sliced.right = Arc::new(side(&join.right, right)?);
        Ok(LogicalPlan::Join(sliced))
    }

    /// The plan with the condition above it, over tables that are read whole.
    fn whole(&mut self, plan: &LogicalPlan, by: &[Column], why: &str) -> Result<LogicalPlan> {
        self.note_whole(plan, why)?;
        self.kept(plan, by)
    }

    fn note_whole(&mut self, plan: &LogicalPlan, why: &str) -> Result<()> {
        self.note(tables_read(plan)?, why);
        Ok(())
    }

    fn note(&mut self, tables: BTreeSet<String>, why: &str) {
        for table in tables {
            let whole = self.sources.whole.entry(table);
            whole.or_insert_with(|| why.to_owned());
        }
    }

    /// The plan's rows with the values of the slice.
    fn kept(&self, plan: &LogicalPlan, by: &[Column]) -> Result<LogicalPlan> {
        let mut kept: Option<Expr> = None;
        for (column, values) in by.iter().zip(&self.values) {
            let Some(values) = values else { continue };
            let condition = is_one_of(column, values)?;
            kept = Some(match kept {
                Some(before) => before.and(condition),
                None => condition,
            });
        }
        match kept {
            Some(condition) => Ok(LogicalPlan::Filter(Filter::try_new(
                condition,
                Arc::new(plan.clone()),
            )?)),
            None => Ok(plan.clone()),
        }
    }
}

fn is_one_of(column: &Column, values: &ArrayRef) -> Result<Expr> {
    let expr = Expr::Column(column.clone());
    let mut list = Vec::with_capacity(values.len());
    for row in 0..values.len() {
        if values.is_valid(row) {
            list.push(Expr::Literal(
                ScalarValue::try_from_array(values, row)?,
                None,
            ));
        }
    }
    let among = match list.is_empty() {
        true => datafusion::logical_expr::lit(false),
        false => expr.clone().in_list(list, false),
    };
    Ok(match values.null_count() {
        0 => among,
        _ => among.or(expr.is_null()),
    })
}

fn plain(expr: &Expr) -> Option<&Column> {
    match expr {
        Expr::Column(column) => Some(column),
        Expr::Alias(alias) => plain(&alias.expr),
        _ => None,
    }
}

/// The same columns under other names, by their place.
fn renamed(columns: &[Column], from: &[Column], to: &[Column]) -> Vec<Column> {
    let place = |column: &Column| from.iter().position(|one| one == column);
    let places = columns.iter().filter_map(place);
    places.filter_map(|at| to.get(at).cloned()).collect()
}

/// The columns of the input that stand behind outputs; an output that is none.
fn sources_of(by: &[Column], outputs: &[Column], exprs: &[Expr]) -> Result<Vec<Column>, Column> {
    by.iter()
        .map(|column| {
            let at = outputs.iter().position(|one| one == column);
            let expr = at.and_then(|at| exprs.get(at));
            expr.and_then(plain).cloned().ok_or_else(|| column.clone())
        })
        .collect()
}

/// Columns that a condition lets through only where they are equal, of one type.
fn equalities(
    condition: Option<&Expr>,
    left: &LogicalPlan,
    right: &LogicalPlan,
) -> Vec<(Column, Column)> {
    let conditions = condition.map(split_conjunction).unwrap_or_default();
    let equal = conditions.into_iter().filter_map(|expr| {
        let Expr::BinaryExpr(BinaryExpr {
            left: one,
            op: Operator::Eq,
            right: other,
        }) = expr
        else {
            return None;
        };
        let (one, other) = (plain(one)?, plain(other)?);
        same_type(one, left, other, right).or_else(|| same_type(other, left, one, right))
    });
    equal.collect()
}

/// Both columns, if they are there and values of one are values of the other.
fn same_type(
    one: &Column,
    left: &LogicalPlan,
    other: &Column,
    right: &LogicalPlan,
) -> Option<(Column, Column)> {
    let of = |plan: &LogicalPlan, column: &Column| -> Option<DataType> {
        let schema = plan.schema();
        let at = schema.maybe_index_of_column(column)?;
        Some(schema.field(at).data_type().clone())
    };
    let same = of(left, one)? == of(right, other)?;
    same.then(|| (one.clone(), other.clone()))
}
