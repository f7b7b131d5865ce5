//! Orders completed until they are total (D2): where rows could tie, the answer would depend on the layout of files.
//!
//! Inside a plan an order is completed from the unique keys of what is read. Where none is known a model is refused; a query
//! takes all columns that the operator sees, in name order, and says so. On top every answer has one order.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, DataFusionError, Result};
use datafusion::logical_expr::expr::{
    AggregateFunction, NullTreatment, WindowFunction, WindowFunctionParams,
};
use datafusion::logical_expr::{
    Aggregate, Distinct, DistinctOn, Expr, ExprSchemable, Limit, LogicalPlan, Projection, Sort,
    SortExpr, Window, WindowFrame, WindowFrameBound, WindowFrameUnits, WindowFunctionDefinition,
    WindowUDF,
};

use crate::error::ExactError;
use crate::keys::{Key, unique_keys};
use crate::peers::OfPeers;
use crate::walks::{Walk, WalkPlan};

/// Aggregates whose answer depends on the order of rows.
const ORDERED_AGGREGATES: [&str; 5] = [
    "array_agg",
    "string_agg",
    "first_value",
    "last_value",
    "nth_value",
];
/// Window functions whose answer depends on the order of tied rows.
const ORDERED_WINDOWS: [&str; 9] = [
    "row_number",
    "ntile",
    "lag",
    "lead",
    "first_value",
    "last_value",
    "nth_value",
    "array_agg",
    "string_agg",
];

/// What to do where no key is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unknown {
    /// Say which order cannot be proved.
    Refuse,
    /// Order by all columns, with a note.
    AllColumns,
}

/// A plan whose inner orders are total, with notes on what was added without a key.
pub(crate) fn complete(
    plan: LogicalPlan,
    unknown: Unknown,
    notes: &mut Vec<String>,
) -> Result<LogicalPlan> {
    let mut completion = Completion { unknown, notes };
    plan.walk_up_with_subqueries(|node| completion.node(node))
        .map(|transformed| transformed.data)
}

struct Completion<'n> {
    unknown: Unknown,
    notes: &'n mut Vec<String>,
}

impl Completion<'_> {
    fn node(&mut self, node: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
        match node {
            LogicalPlan::Window(window) => self.window(window),
            LogicalPlan::Aggregate(aggregate) => self.aggregate(aggregate),
            LogicalPlan::Limit(limit) => self.limit(limit),
            LogicalPlan::Distinct(Distinct::On(on)) => self.distinct_on(on),
            other => Ok(Transformed::no(other)),
        }
    }

    fn window(&mut self, window: Window) -> Result<Transformed<LogicalPlan>> {
        let names = LogicalPlan::Window(window.clone()).schema().columns();
        let passed = window.input.schema().fields().len();
        let sliding =
            under_old_names(&window.window_expr, &names[passed..], |inner| match inner {
                Expr::WindowFunction(function) => {
                    Ok(match extreme_of_truth(&function, window.input.schema()) {
                        Some(extreme) => Transformed::yes(Expr::WindowFunction(Box::new(extreme))),
                        None => Transformed::no(Expr::WindowFunction(function)),
                    })
                }
                other => Ok(Transformed::no(other)),
            })?;
        if let Some(exprs) = sliding {
            let window = Window::try_new(exprs, window.input)?;
            let again = self.window(window.clone())?;
            let plan = match again.transformed {
                true => again.data,
                false => LogicalPlan::Window(window),
            };
            return Ok(Transformed::yes(plan));
        }
        let mut numbers: Vec<Expr> = Vec::new();
        for expr in &window.window_expr {
            expr.walk(|inner| {
                if let Expr::WindowFunction(function) = inner {
                    one_for_all_rows(function)?;
                }
                Ok(TreeNodeRecursion::Continue)
            })?;
        }
        let completed =
            under_old_names(&window.window_expr, &names[passed..], |inner| match inner {
                Expr::WindowFunction(mut function) if depends_on_ties(&function) => {
                    let params = &function.params;
                    let known: Vec<&Expr> = params
                        .partition_by
                        .iter()
                        .chain(params.order_by.iter().map(|sort| &sort.expr))
                        .collect();
                    let word = format!("{}() over", written_name(function.fun.name()));
                    let added = self.missing(&word, &window.input, &known)?;
                    if added.is_empty() {
                        return Ok(Transformed::no(Expr::WindowFunction(function)));
                    }
                    if !survives_a_longer_order(&function) {
                        let number = number_of_rows(&function, added, &mut numbers);
                        let function = of_peers(*function, number, &window.input)?;
                        return Ok(Transformed::yes(function));
                    }
                    function.params.order_by.extend(added);
                    let function = Expr::WindowFunction(function);
                    Ok(Transformed::yes(function))
                }
                other => Ok(Transformed::no(other)),
            })?;
        let Some(exprs) = completed else {
            return Ok(Transformed::no(LogicalPlan::Window(window)));
        };
        let mut input = window.input.as_ref().clone();
        if !numbers.is_empty() {
            let outputs = input.schema().columns();
            let numbered = numbers
                .iter()
                .map(|number| Column::new_unqualified(number.schema_name().to_string()));
            let outputs = outputs.into_iter().chain(numbered).collect();
            input = by_order(numbers, input, outputs)?;
        }
        by_order(exprs, input, names).map(Transformed::yes)
    }

    fn aggregate(&mut self, aggregate: Aggregate) -> Result<Transformed<LogicalPlan>> {
        let names = aggregate.schema.columns();
        let groups = names.len() - aggregate.aggr_expr.len();
        let completed = under_old_names(
            &aggregate.aggr_expr,
            &names[groups..],
            |inner| match inner {
                Expr::AggregateFunction(mut function) if is_ordered_aggregate(&function) => {
                    let added = self.aggregate_order(&function, &aggregate)?;
                    let changed = !added.is_empty();
                    function.params.order_by.extend(added);
                    let function = Expr::AggregateFunction(function);
                    Ok(Transformed::new_transformed(function, changed))
                }
                other => Ok(Transformed::no(other)),
            },
        )?;
        let Some(exprs) = completed else {
            return Ok(Transformed::no(LogicalPlan::Aggregate(aggregate)));
        };
        let completed = Aggregate::try_new(aggregate.input, aggregate.group_expr, exprs)?;
        Ok(Transformed::yes(LogicalPlan::Aggregate(completed)))
    }

    fn aggregate_order(
        &mut self,
        function: &AggregateFunction,
        aggregate: &Aggregate,
    ) -> Result<Vec<SortExpr>> {
        let name = function.func.name();
        let params = &function.params;
        let collects = matches!(name, "array_agg" | "string_agg");
        // Rows that tie in what is collected are interchangeable.
        let argument = params.args.first();
        let ordered = |expr: &Expr| params.order_by.iter().any(|sort| sort.expr == *expr);
        if collects && argument.is_some_and(ordered) {
            return Ok(Vec::new());
        }
        if params.distinct {
            return Ok(argument.map(ascending).into_iter().collect());
        }
        let known: Vec<&Expr> = aggregate
            .group_expr
            .iter()
            .chain(params.order_by.iter().map(|sort| &sort.expr))
            .collect();
        if collects && self.key(&aggregate.input, &known).is_none() {
            return Ok(argument.map(ascending).into_iter().collect());
        }
        self.missing(&format!("{name}()"), &aggregate.input, &known)
    }

    fn limit(&mut self, limit: Limit) -> Result<Transformed<LogicalPlan>> {
        let (input, changed) = self.ordered_input(&limit.input)?;
        if !changed {
            return Ok(Transformed::no(LogicalPlan::Limit(limit)));
        }
        let limit = Limit {
            input: input.into(),
            ..limit
        };
        Ok(Transformed::yes(LogicalPlan::Limit(limit)))
    }

    /// The input of a LIMIT under a total order.
    fn ordered_input(&mut self, input: &LogicalPlan) -> Result<(LogicalPlan, bool)> {
        match input {
            LogicalPlan::Sort(sort) => {
                let known: Vec<&Expr> = sort.expr.iter().map(|sort| &sort.expr).collect();
                let added = self.missing("LIMIT", &sort.input, &known)?;
                if added.is_empty() {
                    return Ok((input.clone(), false));
                }
                let mut sort = sort.clone();
                sort.expr.extend(added);
                Ok((LogicalPlan::Sort(sort), true))
            }
            // Columns that only the order needs are projected away above the sort.
            LogicalPlan::Projection(projection)
                if matches!(projection.input.as_ref(), LogicalPlan::Sort(_)) =>
            {
                let (sorted, changed) = self.ordered_input(&projection.input)?;
                let mut projection = projection.clone();
                projection.input = sorted.into();
                Ok((LogicalPlan::Projection(projection), changed))
            }
            // One row for each value of its order's first columns: nothing ties.
            LogicalPlan::Distinct(Distinct::On(_)) => Ok((input.clone(), false)),
            // An offset above a limit cuts what is ordered below.
            LogicalPlan::Limit(_) => Ok((input.clone(), false)),
            other => {
                let expr = self.missing("LIMIT without ORDER BY", other, &[])?;
                if expr.is_empty() {
                    return Ok((other.clone(), false));
                }
                let sort = Sort {
                    expr,
                    input: other.clone().into(),
                    fetch: None,
                };
                Ok((LogicalPlan::Sort(sort), true))
            }
        }
    }

    fn distinct_on(&mut self, mut on: DistinctOn) -> Result<Transformed<LogicalPlan>> {
        let written = on.sort_expr.take();
        let in_own_order = written.is_some();
        let mut order = written.unwrap_or_else(|| on.on_expr.iter().map(ascending).collect());
        let known: Vec<&Expr> = order
            .iter()
            .map(|sort| &sort.expr)
            .chain(&on.on_expr)
            .collect();
        let added = self.missing("DISTINCT ON", &on.input, &known)?;
        order.extend(added);
        on.sort_expr = Some(order);
        let plan = LogicalPlan::Distinct(Distinct::On(on));
        if in_own_order {
            return Ok(Transformed::yes(plan));
        }
        let outputs = plan.schema().columns();
        let mut expr = Vec::new();
        extend(&mut expr, outputs);
        Ok(Transformed::yes(LogicalPlan::Sort(Sort {
            expr,
            input: plan.into(),
            fetch: None,
        })))
    }

    /// The shortest unique key of the input, if one is known or covered by `known`.
    fn key(&self, input: &LogicalPlan, known: &[&Expr]) -> Option<Key> {
        let keys = unique_keys(input);
        let open = |key: &Key| key.iter().filter(|column| !is_known(known, column)).count();
        keys.into_iter().min_by_key(open)
    }

    /// What must be added to the known columns so that no two rows tie.
    fn missing(
        &mut self,
        operator: &str,
        input: &LogicalPlan,
        known: &[&Expr],
    ) -> Result<Vec<SortExpr>> {
        let mut all = input.schema().columns();
        // Rows that are equal in every column are one as good as the other.
        if all.iter().all(|column| is_known(known, column)) {
            return Ok(Vec::new());
        }
        let columns: Vec<Column> = match (self.key(input, known), self.unknown) {
            (Some(key), _) => key.into_iter().collect(),
            (None, Unknown::AllColumns) => {
                all.sort_by(|a, b| (&a.name, &a.relation).cmp(&(&b.name, &b.relation)));
                self.notes.push(format!(
                    "the order of {operator} was completed with all columns, in name order: no unique key is known"
                ));
                all
            }
            (None, Unknown::Refuse) => {
                return Err(DataFusionError::from(ExactError::refused(
                    format!("{operator} has no single answer here: rows could tie, and no unique key of its input is known"),
                    "declare the `key:` of the tables read, keep their key columns down to this operator, or order by columns that identify a row".to_owned(),
                )));
            }
        };
        let missing = columns
            .into_iter()
            .filter(|column| !is_known(known, column));
        Ok(missing
            .map(|column| ascending(&Expr::Column(column)))
            .collect())
    }
}

/// An operator's expressions with their orders completed; None if nothing was missing. A longer order would change a column's name,
/// by which operators above refer to it, so each keeps its own.
fn under_old_names(
    exprs: &[Expr],
    names: &[Column],
    mut complete: impl FnMut(Expr) -> Result<Transformed<Expr>>,
) -> Result<Option<Vec<Expr>>> {
    let mut changed = false;
    let mut completed = Vec::with_capacity(exprs.len());
    for (expr, name) in exprs.iter().zip(names) {
        let expr = expr.clone().walk_up(&mut complete)?;
        changed |= expr.transformed;
        completed.push(match (expr.transformed, expr.data) {
            // A name around a name hides what it is from the optimizer.
            (true, named @ Expr::Alias(_)) | (false, named) => named,
            (true, other) => other.alias(name.name.clone()),
        });
    }
    Ok(changed.then_some(completed))
}

/// The name by which SQL calls a function.
fn written_name(name: &str) -> &str {
    name.strip_prefix("karat_").unwrap_or(name)
}

fn is_known(known: &[&Expr], column: &Column) -> bool {
    known
        .iter()
        .any(|expr| matches!(expr, Expr::Column(found) if found == column))
}

fn is_ordered_aggregate(function: &AggregateFunction) -> bool {
    ORDERED_AGGREGATES.contains(&function.func.name())
}

/// The window functions over the input, one operator for those of one partition and order: an operator sorts its input once.
fn by_order(exprs: Vec<Expr>, input: LogicalPlan, outputs: Vec<Column>) -> Result<LogicalPlan> {
    let key = |expr: &Expr| {
        let function = match expr {
            Expr::Alias(alias) => alias.expr.as_ref(),
            expr => expr,
        };
        match function {
            Expr::WindowFunction(function) => (
                function.params.partition_by.clone(),
                function.params.order_by.clone(),
            ),
            _ => (Vec::new(), Vec::new()),
        }
    };
    let mut operators: Vec<Vec<Expr>> = Vec::new();
    for expr in exprs {
        match operators
            .iter_mut()
            .find(|other| key(&other[0]) == key(&expr))
        {
            Some(operator) => operator.push(expr),
            None => operators.push(vec![expr]),
        }
    }
    let mut plan = input;
    for exprs in operators {
        plan = LogicalPlan::Window(Window::try_new(exprs, plan.into())?);
    }
    if plan.schema().columns() == outputs {
        return Ok(plan);
    }
    let columns = outputs.into_iter().map(Expr::Column).collect();
    Ok(LogicalPlan::Projection(Projection::try_new(
        columns,
        plan.into(),
    )?))
}

fn depends_on_ties(function: &WindowFunction) -> bool {
    let name = function.fun.name();
    if ORDERED_WINDOWS.contains(&name) {
        return true;
    }
    // An aggregate over a frame that counts rows sees some of the tied ones and not others.
    let frame = &function.params.window_frame;
    let whole = from_the_start(&frame.start_bound) && to_the_end(&frame.end_bound);
    matches!(function.fun, WindowFunctionDefinition::AggregateUDF(_))
        && frame.units == WindowFrameUnits::Rows
        && !whole
}

fn from_the_start(bound: &WindowFrameBound) -> bool {
    matches!(bound, WindowFrameBound::Preceding(rows) if rows.is_null())
}

fn to_the_end(bound: &WindowFrameBound) -> bool {
    matches!(bound, WindowFrameBound::Following(rows) if rows.is_null())
}

/// `bool_and` and `bool_or` over a frame whose start moves, as the least and the greatest of two truths, which can leave rows again.
fn extreme_of_truth(function: &WindowFunction, schema: &DFSchema) -> Option<WindowFunction> {
    use datafusion::functions_aggregate::min_max::{max_udaf, min_udaf};
    let extreme = match function.fun.name() {
        "bool_and" => min_udaf(),
        "bool_or" => max_udaf(),
        _ => return None,
    };
    let truth = |arg: &Expr| matches!(arg.get_type(schema), Ok(DataType::Boolean));
    if from_the_start(&function.params.window_frame.start_bound)
        || !function.params.args.iter().all(truth)
    {
        return None;
    }
    Some(WindowFunction {
        fun: WindowFunctionDefinition::AggregateUDF(extreme),
        params: function.params.clone(),
    })
}

/// That counts, separators and defaults, which window functions take once, are not columns: of which row they were would change the answer.
fn one_for_all_rows(function: &WindowFunction) -> Result<()> {
    let name = written_name(function.fun.name());
    let (first, hint) = match name {
        "nth_value" => (1, "for example nth_value(x, 2)"),
        "string_agg" => (1, "for example string_agg(x, ', ')"),
        "ntile" => (0, "for example ntile(4)"),
        "lag" | "lead" => (
            1,
            "for example lag(x, 1, 0); where x is never null, coalesce(lag(x) over (…), y) has a default of each row's own",
        ),
        _ => return Ok(()),
    };
    let args = function.params.args.iter().skip(first);
    match args.clone().find(|arg| !arg.column_refs().is_empty()) {
        None => Ok(()),
        Some(arg) => Err(ExactError::refused(
            format!("`{name}` takes one value for all rows, and `{arg}` is of each row its own"),
            hint.to_owned(),
        )
        .into()),
    }
}

/// Whether the function means the same under a longer order: the frames of `range` and `groups` end with the last row that ties
/// with the current one, and under a longer order none does.
fn survives_a_longer_order(function: &WindowFunction) -> bool {
    let name = function.fun.name();
    let frame = &function.params.window_frame;
    let (start, end) = (&frame.start_bound, &frame.end_bound);
    let current = |bound: &WindowFrameBound| matches!(bound, WindowFrameBound::CurrentRow);
    if frame.units == WindowFrameUnits::Rows
        || matches!(name, "row_number" | "ntile" | "lag" | "lead")
        || from_the_start(start) && to_the_end(end)
    {
        return true;
    }
    let skips_nulls = function.params.null_treatment == Some(NullTreatment::IgnoreNulls);
    match name {
        "first_value" => !skips_nulls && from_the_start(start) && current(end),
        "last_value" => !skips_nulls && current(start) && to_the_end(end),
        _ => false,
    }
}

/// The column that numbers the rows of a partition in their completed order; `numbers` has those that there are.
fn number_of_rows(
    function: &WindowFunction,
    added: Vec<SortExpr>,
    numbers: &mut Vec<Expr>,
) -> Column {
    let params = &function.params;
    let mut order_by = params.order_by.clone();
    order_by.extend(added);
    let row_number = datafusion::functions_window::row_number::row_number_udwf();
    let number = Expr::from(WindowFunction {
        fun: WindowFunctionDefinition::WindowUDF(row_number),
        params: WindowFunctionParams {
            args: Vec::new(),
            partition_by: params.partition_by.clone(),
            order_by,
            window_frame: WindowFrame::new(None),
            filter: None,
            null_treatment: None,
            distinct: false,
        },
    });
    let known = numbers.iter().position(|other| match other {
        Expr::Alias(alias) => *alias.expr == number,
        _ => false,
    });
    let at = known.unwrap_or(numbers.len());
    let name = format!("\u{1}number {at}");
    if known.is_none() {
        numbers.push(number.alias(name.clone()));
    }
    Column::new_unqualified(name)
}

/// The function over the frame as written, in which rows that tie are told apart by their number.
fn of_peers(function: WindowFunction, number: Column, input: &LogicalPlan) -> Result<Expr> {
    let name = function.fun.name().to_owned();
    let gives = Expr::from(function.clone()).get_type(input.schema())?;
    let params = &function.params;
    let instead = match params.distinct || params.filter.is_some() {
        true => None,
        false => OfPeers::instead_of(&name, gives),
    };
    let Some(instead) = instead else {
        return Err(frame_of_ties(&function));
    };
    let mut params = function.params;
    let after = params.args.len().min(1);
    params.args.insert(after, Expr::Column(number));
    let instead = Arc::new(WindowUDF::new_from_impl(instead));
    Ok(Expr::from(WindowFunction {
        fun: WindowFunctionDefinition::WindowUDF(instead),
        params,
    }))
}

fn frame_of_ties(function: &WindowFunction) -> DataFusionError {
    let name = function.fun.name();
    ExactError::refused(
        format!("{name}() over a range of rows that tie has no single answer"),
        "order by columns that identify a row, or count rows: rows between unbounded preceding and current row (or unbounded following)".to_owned(),
    )
    .into()
}

fn ascending(expr: &Expr) -> SortExpr {
    expr.clone().sort(true, false)
}

/// The plan under its one order (D2a): its ORDER BY, else `first`; then all output columns from left to right, nulls last.
pub(crate) fn order_answer(plan: LogicalPlan, first: &[String]) -> Result<LogicalPlan> {
    match plan {
        LogicalPlan::Sort(mut sort) => {
            let outputs = sort.input.schema().columns();
            extend_over(&mut sort.expr, outputs, &sort.input);
            Ok(LogicalPlan::Sort(sort))
        }
        LogicalPlan::Projection(mut projection)
            if matches!(projection.input.as_ref(), LogicalPlan::Sort(_)) =>
        {
            let LogicalPlan::Sort(mut sort) = projection.input.as_ref().clone() else {
                return Ok(LogicalPlan::Projection(projection));
            };
            // Only columns are dropped here, so every output is a column of the sorted rows.
            let outputs = projection.expr.iter().filter_map(|expr| match expr {
                Expr::Column(column) => Some(column.clone()),
                Expr::Alias(alias) => match alias.expr.as_ref() {
                    Expr::Column(column) => Some(column.clone()),
                    _ => None,
                },
                _ => None,
            });
            let outputs = outputs.collect();
            extend_over(&mut sort.expr, outputs, &sort.input);
            projection.input = LogicalPlan::Sort(sort).into();
            Ok(LogicalPlan::Projection(projection))
        }
        // A limit's input was ordered already; its rows come out in that order.
        LogicalPlan::Limit(mut limit) => {
            limit.input = order_answer(limit.input.as_ref().clone(), first)?.into();
            Ok(LogicalPlan::Limit(limit))
        }
        // It comes in the order that its ORDER BY gave it, with one row for each value of that order's first columns.
        LogicalPlan::Distinct(Distinct::On(_)) => Ok(plan),
        plan => {
            let outputs = plan.schema().columns();
            let mut order = Vec::new();
            for name in first {
                let found = outputs
                    .iter()
                    .find(|column| column.name.eq_ignore_ascii_case(name));
                order.extend(found.map(|column| ascending(&Expr::Column(column.clone()))));
            }
            extend(&mut order, outputs);
            let sort = Sort {
                expr: order,
                input: plan.into(),
                fetch: None,
            };
            Ok(LogicalPlan::Sort(sort))
        }
    }
}

/// The same over an input that may have one column under two names: the second says nothing new.
fn extend_over(order: &mut Vec<SortExpr>, columns: Vec<Column>, input: &LogicalPlan) {
    let known: Vec<_> = order
        .iter()
        .filter_map(|sort| source(input, sort.expr.try_as_col()?, 0))
        .collect();
    let new = |column: &Column| match source(input, column, 0) {
        Some(found) => !known.contains(&found),
        None => true,
    };
    extend(order, columns.into_iter().filter(new).collect());
}

/// Where a column comes from: how far below, and which one there.
fn source(plan: &LogicalPlan, column: &Column, depth: usize) -> Option<(usize, usize)> {
    let at = plan.schema().maybe_index_of_column(column)?;
    let below = match plan {
        LogicalPlan::Projection(projection) => match projection.expr.get(at)? {
            Expr::Column(column) => Some((&projection.input, column.clone())),
            Expr::Alias(alias) => match alias.expr.as_ref() {
                Expr::Column(column) => Some((&projection.input, column.clone())),
                _ => None,
            },
            _ => None,
        },
        LogicalPlan::Distinct(Distinct::All(input)) => {
            Some((input, Column::from(input.schema().qualified_field(at))))
        }
        _ => None,
    };
    match below {
        Some((input, column)) => source(input, &column, depth + 1),
        None => Some((depth, at)),
    }
}

fn extend(order: &mut Vec<SortExpr>, columns: Vec<Column>) {
    for column in columns {
        if !order
            .iter()
            .any(|sort| matches!(&sort.expr, Expr::Column(found) if *found == column))
        {
            order.push(ascending(&Expr::Column(column)));
        }
    }
}
