//! The first row of every partition, `row_number() over (partition by … order by …) = 1`, as a grouping: nothing is sorted, one row a
//! partition is kept.
//!
//! The order is total when it comes here (D2), so the row is one, whichever way it is found. Of the order only the part is needed
//! that decides the columns which are read above.

use std::collections::BTreeSet;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryBuilder, BooleanArray, Int64Array, StructArray, UInt32Array,
};
use arrow::compute::{SortOptions, take_arrays};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Field, FieldRef, Fields, Float64Type, Int32Type,
    Int64Type, TimestampMicrosecondType,
};
use arrow::row::{RowConverter, SortField};
use datafusion::common::tree_node::Transformed;
use datafusion::common::{Column, ExprSchema, Result, ScalarValue};
use datafusion::functions::core::expr_fn::get_field;
use datafusion::logical_expr::expr::{WindowFunction, WindowFunctionParams};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::{
    AggregateOrderSensitivity, conjunction, format_state_name, split_conjunction,
};
use datafusion::logical_expr::{
    Accumulator, Aggregate, AggregateUDF, AggregateUDFImpl, BinaryExpr, EmitTo, Expr, Filter,
    GroupsAccumulator, LogicalPlan, Operator, Projection, Signature, Volatility, Window,
    WindowFunctionDefinition, lit,
};
use datafusion::optimizer::optimizer::ApplyOrder;
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};

use crate::checked::{Checked, Operation};
use crate::conditions;
use crate::error::ExactError;
use crate::extremes::rank;

/// Puts a grouping in place of a window whose first rows alone are wanted.
#[derive(Debug)]
pub(crate) struct FirstRows;

impl OptimizerRule for FirstRows {
    fn name(&self) -> &str {
        "karat_first_rows"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::TopDown)
    }

    fn rewrite(
        &self,
        plan: LogicalPlan,
        config: &dyn OptimizerConfig,
    ) -> Result<Transformed<LogicalPlan>> {
        let LogicalPlan::Filter(filter) = &plan else {
            return Ok(Transformed::no(plan));
        };
        // Only the columns that are read come through the projection below a filter.
        let (window, projected) = match filter.input.as_ref() {
            LogicalPlan::Window(window) => (window, None),
            LogicalPlan::Projection(projection) => match projection.input.as_ref() {
                LogicalPlan::Window(window) => (window, Some(projection)),
                _ => return Ok(Transformed::no(plan)),
            },
            _ => return Ok(Transformed::no(plan)),
        };
        let Some((_, number)) = numbers_rows(window) else {
            return Ok(Transformed::no(plan));
        };
        let shown = match projected {
            None => Some(number),
            Some(projection) => {
                let at = projection.expr.iter().position(|expr| names(expr, &number));
                at.and_then(|at| projection.schema.columns().into_iter().nth(at))
            }
        };
        let Some(shown) = shown else {
            return Ok(Transformed::no(plan));
        };
        let predicate = conditions::taken_apart(&filter.predicate)?;
        let (first, mut others): (Vec<&Expr>, Vec<&Expr>) = split_conjunction(&predicate)
            .into_iter()
            .partition(|part| is_first(part, &shown));
        if first.is_empty() {
            return Ok(Transformed::no(plan));
        }
        others.dedup();
        let others = conjunction(others.into_iter().cloned());
        let read: BTreeSet<Column> = match projected {
            None => window.schema.columns().into_iter().collect(),
            Some(projection) => {
                let columns = projection.expr.iter().flat_map(Expr::column_refs);
                columns.cloned().collect()
            }
        };
        let Some(mut rows) = first_rows(window, &read)? else {
            return Ok(Transformed::no(plan));
        };
        if let Some(projection) = projected {
            let exprs = projection.expr.clone();
            rows = LogicalPlan::Projection(Projection::try_new(exprs, rows.into())?);
        }
        if let Some(others) = others {
            let others = conditions::guarded(others, rows.schema(), &config.options())?.data;
            rows = LogicalPlan::Filter(Filter::try_new(others, rows.into())?);
        }
        Ok(Transformed::yes(rows))
    }
}

/// The call of a window that does nothing but number the rows of its partitions, and the column of the numbers.
fn numbers_rows(window: &Window) -> Option<(&WindowFunction, Column)> {
    let [expr] = window.window_expr.as_slice() else {
        return None;
    };
    let Expr::WindowFunction(function) = without_alias(expr) else {
        return None;
    };
    let numbers =
        matches!(&function.fun, WindowFunctionDefinition::WindowUDF(f) if f.name() == "row_number");
    let params = &function.params;
    let plain = !params.partition_by.is_empty() && params.filter.is_none();
    (numbers && plain).then_some((function.as_ref(), window.schema.columns().pop()?))
}

fn without_alias(expr: &Expr) -> &Expr {
    match expr {
        Expr::Alias(alias) => without_alias(&alias.expr),
        expr => expr,
    }
}

fn names(expr: &Expr, column: &Column) -> bool {
    matches!(without_alias(expr), Expr::Column(found) if found == column)
}

/// The expression without casts, none of which change a small number.
fn without_cast(expr: &Expr) -> &Expr {
    match expr {
        Expr::Cast(cast) => without_cast(&cast.expr),
        Expr::ScalarFunction(call) => match (
            call.func.inner().downcast_ref::<Checked>(),
            call.args.as_slice(),
        ) {
            (Some(checked), [arg]) if matches!(checked.operation, Operation::Cast { .. }) => {
                without_cast(arg)
            }
            _ => expr,
        },
        expr => expr,
    }
}

/// `n = 1`, `n <= 1`, `n < 2`, either way round.
fn is_first(expr: &Expr, number: &Column) -> bool {
    let Expr::BinaryExpr(BinaryExpr { left, op, right }) = expr else {
        return false;
    };
    let (column, op, literal) = match (without_cast(left), without_cast(right)) {
        (Expr::Literal(value, _), other) => match op.swap() {
            Some(op) => (other, op, value),
            None => return false,
        },
        (other, Expr::Literal(value, _)) => (other, *op, value),
        _ => return false,
    };
    let limit = match literal.cast_to(&DataType::Int64) {
        Ok(ScalarValue::Int64(Some(limit))) => limit,
        _ => return false,
    };
    let first = match op {
        Operator::Eq | Operator::LtEq => limit == 1,
        Operator::Lt => limit == 2,
        _ => false,
    };
    first && matches!(column, Expr::Column(column) if column == number)
}

/// The first rows of the partitions of a window, with the columns that are read; none if its keys are no columns.
fn first_rows(window: &Window, read: &BTreeSet<Column>) -> Result<Option<LogicalPlan>> {
    let Some((function, number)) = numbers_rows(window) else {
        return Ok(None);
    };
    let WindowFunctionParams {
        partition_by,
        order_by,
        ..
    } = &function.params;
    let column = |expr: &Expr| match expr {
        Expr::Column(column) => Some(column.clone()),
        _ => None,
    };
    let Some(partition) = partition_by
        .iter()
        .map(column)
        .collect::<Option<Vec<Column>>>()
    else {
        return Ok(None);
    };
    let mut order = Vec::new();
    for sort in order_by {
        let Some(by) = column(&sort.expr) else {
            return Ok(None);
        };
        let options = SortOptions {
            descending: !sort.asc,
            nulls_first: sort.nulls_first,
        };
        if !partition.contains(&by) && !order.iter().any(|(known, _)| *known == by) {
            order.push((by, options));
        }
    }
    let inputs = window.input.schema().columns();
    let wanted: Vec<&Column> = inputs
        .iter()
        .filter(|column| read.contains(column) && !partition.contains(column))
        .collect();
    // The first columns of the order decide themselves; what follows only decides between rows that are equal in them.
    let deciding = wanted
        .iter()
        .map(|column| order.iter().position(|(by, _)| by == *column));
    if let Some(places) = deciding.collect::<Option<Vec<usize>>>() {
        order.truncate(places.iter().max().map_or(1, |last| last + 1));
    }
    let mut columns: Vec<Column> = order.iter().map(|(by, _)| by.clone()).collect();
    columns.extend(
        wanted
            .into_iter()
            .filter(|column| !order.iter().any(|(by, _)| by == *column))
            .cloned(),
    );
    let types = columns
        .iter()
        .map(|column| {
            Ok(window
                .input
                .schema()
                .field_from_column(column)?
                .data_type()
                .clone())
        })
        .collect::<Result<Vec<_>>>()?;
    let sorted: Vec<SortField> = types.iter().map(|t| SortField::new(t.clone())).collect();
    if columns.is_empty() || !RowConverter::supports_fields(&sorted) {
        return Ok(None);
    }
    let options = order.into_iter().map(|(_, options)| options).collect();
    let function = AggregateUDF::new_from_impl(FirstRow::new(options));
    let args = columns.iter().cloned().map(Expr::Column).collect();
    let grouped = Aggregate::try_new(
        window.input.clone(),
        partition_by.clone(),
        vec![function.call(args).alias(ROW)],
    )?;
    let row = Expr::Column(Column::new_unqualified(ROW));
    let mut exprs = Vec::new();
    for column in &inputs {
        if partition.contains(column) {
            exprs.push(Expr::Column(column.clone()));
        } else if let Some(at) = columns.iter().position(|known| known == column)
            && read.contains(column)
        {
            let field = get_field(row.clone(), field_name(at));
            exprs.push(field.alias_qualified(column.relation.clone(), &column.name));
        }
    }
    if read.contains(&number) {
        let data_type = window.schema.field_from_column(&number)?.data_type();
        let one = lit(ScalarValue::UInt64(Some(1)).cast_to(data_type)?);
        exprs.push(one.alias_qualified(number.relation.clone(), &number.name));
    }
    let rows = Projection::try_new(exprs, Arc::new(LogicalPlan::Aggregate(grouped)))?;
    Ok(Some(LogicalPlan::Projection(rows)))
}

/// The column of the grouping that holds the rows.
const ROW: &str = "karat_row";

fn field_name(at: usize) -> String {
    format!("f{at}")
}

/// The row that comes first, of all its arguments, which begin with those to order by.
#[derive(Clone, Debug)]
struct FirstRow {
    order: Vec<SortOptions>,
    signature: Signature,
}

impl FirstRow {
    fn new(order: Vec<SortOptions>) -> FirstRow {
        FirstRow {
            order,
            signature: Signature::user_defined(Volatility::Immutable),
        }
    }
}

impl PartialEq for FirstRow {
    fn eq(&self, other: &FirstRow) -> bool {
        self.order == other.order
    }
}

impl Eq for FirstRow {}

impl Hash for FirstRow {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for options in &self.order {
            (options.descending, options.nulls_first).hash(state);
        }
    }
}

fn fields(types: &[DataType]) -> Fields {
    let field = |(at, t): (usize, &DataType)| Field::new(field_name(at), t.clone(), true);
    types.iter().enumerate().map(field).collect()
}

impl AggregateUDFImpl for FirstRow {
    fn name(&self) -> &str {
        "karat_first_row"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        Ok(types.to_vec())
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Struct(fields(types)))
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let field = |name, t| Arc::new(Field::new(format_state_name(args.name, name), t, true));
        Ok(vec![
            field("row", DataType::Binary),
            field("rank", DataType::Int64),
        ])
    }

    fn accumulator(&self, _: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        Err(ExactError::Internal("the first row of all rows".to_owned()).into())
    }

    fn groups_accumulator_supported(&self, _: AccumulatorArgs) -> bool {
        true
    }

    fn create_groups_accumulator(
        &self,
        args: AccumulatorArgs,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        let types: Vec<DataType> = args
            .expr_fields
            .iter()
            .map(|f| f.data_type().clone())
            .collect();
        Ok(Box::new(Rows::new(&types, &self.order)?))
    }
}

/// The first row of every group so far, in a form whose bytes order as rows do.
struct Rows {
    converter: RowConverter,
    fields: Fields,
    first: SortOptions,
    /// Where the first column places the row of a group: most rows are out by that alone.
    ranks: Vec<i64>,
    kept: Kept,
}

/// Rows as bytes; none for a group without a row.
enum Kept {
    OneWidth {
        width: usize,
        bytes: Vec<u8>,
        met: Vec<bool>,
    },
    Any(Vec<Vec<u8>>),
}

impl Rows {
    fn new(types: &[DataType], order: &[SortOptions]) -> Result<Rows> {
        let options = |at: usize| order.get(at).copied().unwrap_or_default();
        let sorted = types
            .iter()
            .enumerate()
            .map(|(at, t)| SortField::new_with_options(t.clone(), options(at)));
        let kept = match types.iter().all(DataType::is_primitive) {
            true => Kept::OneWidth {
                width: 0,
                bytes: Vec::new(),
                met: Vec::new(),
            },
            false => Kept::Any(Vec::new()),
        };
        Ok(Rows {
            converter: RowConverter::new(sorted.collect())?,
            fields: fields(types),
            first: options(0),
            ranks: Vec::new(),
            kept,
        })
    }

    fn resize(&mut self, groups: usize) {
        // No row is after all others: bytes decide between equal ranks.
        self.ranks.resize(groups, i64::MAX);
        match &mut self.kept {
            Kept::OneWidth { width, bytes, met } => {
                met.resize(groups, false);
                bytes.resize(groups * *width, 0);
            }
            Kept::Any(rows) => rows.resize(groups, Vec::new()),
        }
    }

    /// Integers that never place a row after one that follows it.
    fn ranks_of(&self, column: &ArrayRef) -> Vec<i64> {
        let mut ranks: Vec<i64> = match column.data_type() {
            DataType::Int32 => wide(column.as_primitive::<Int32Type>().values()),
            DataType::Date32 => wide(column.as_primitive::<Date32Type>().values()),
            DataType::Int64 => column.as_primitive::<Int64Type>().values().to_vec(),
            DataType::Timestamp(arrow::datatypes::TimeUnit::Microsecond, _) => column
                .as_primitive::<TimestampMicrosecondType>()
                .values()
                .to_vec(),
            DataType::Float64 => {
                let doubles = column.as_primitive::<Float64Type>();
                doubles.values().iter().map(|x| rank(*x)).collect()
            }
            DataType::Decimal128(precision, _) if *precision <= 18 => {
                let decimals = column.as_primitive::<Decimal128Type>();
                decimals.values().iter().map(|x| *x as i64).collect()
            }
            _ => return vec![0; column.len()],
        };
        if self.first.descending {
            ranks.iter_mut().for_each(|rank| *rank = !*rank);
        }
        if let Some(nulls) = column.nulls().filter(|nulls| nulls.null_count() > 0) {
            let null = if self.first.nulls_first {
                i64::MIN
            } else {
                i64::MAX
            };
            for (row, rank) in ranks.iter_mut().enumerate() {
                if nulls.is_null(row) {
                    *rank = null;
                }
            }
        }
        ranks
    }

    /// Keeps a row if it comes before that of its group.
    fn offer(&mut self, group: usize, rank: i64, row: &[u8]) {
        let first = match &mut self.kept {
            Kept::OneWidth { width, bytes, met } => {
                if *width == 0 {
                    *width = row.len();
                    bytes.resize(met.len() * *width, 0);
                }
                let slot = &mut bytes[group * *width..(group + 1) * *width];
                let first = !met[group] || row < &slot[..];
                if first {
                    slot.copy_from_slice(row);
                    met[group] = true;
                }
                first
            }
            Kept::Any(rows) => {
                let slot = &mut rows[group];
                let first = slot.is_empty() || row < slot.as_slice();
                if first {
                    slot.clear();
                    slot.extend_from_slice(row);
                }
                first
            }
        };
        if first {
            self.ranks[group] = rank;
        }
    }

    /// The kept rows of the first n groups.
    fn rows(&self, n: usize) -> Vec<Option<&[u8]>> {
        match &self.kept {
            Kept::OneWidth { width, bytes, met } => (0..n)
                .map(|group| met[group].then(|| &bytes[group * width..(group + 1) * width]))
                .collect(),
            Kept::Any(rows) => {
                let rows = rows[..n].iter();
                rows.map(|row| Some(row.as_slice()).filter(|row| !row.is_empty()))
                    .collect()
            }
        }
    }

    fn drop_first(&mut self, n: usize) {
        self.ranks.drain(..n);
        match &mut self.kept {
            Kept::OneWidth { width, bytes, met } => {
                met.drain(..n);
                bytes.drain(..(n * *width).min(bytes.len()));
            }
            Kept::Any(rows) => drop(rows.drain(..n)),
        }
    }

    fn emitted(&self, emit_to: EmitTo) -> usize {
        match emit_to {
            EmitTo::All => self.ranks.len(),
            EmitTo::First(n) => n,
        }
    }
}

fn wide(values: &[i32]) -> Vec<i64> {
    values.iter().map(|value| i64::from(*value)).collect()
}

/// The rows that pass a filter.
fn passing(filter: Option<&BooleanArray>, row: usize) -> bool {
    filter.is_none_or(|filter| filter.is_valid(row) && filter.value(row))
}

impl GroupsAccumulator for Rows {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        total: usize,
    ) -> Result<()> {
        self.resize(total);
        let Some(first) = values.first() else {
            return Err(ExactError::Internal("a first row of no columns".to_owned()).into());
        };
        let ranks = self.ranks_of(first);
        let mut offered: Vec<u32> = Vec::new();
        for (row, (group, rank)) in groups.iter().zip(&ranks).enumerate() {
            if *rank <= self.ranks[*group] && passing(filter, row) {
                offered.push(row as u32);
            }
        }
        let indices = UInt32Array::from(offered);
        let chosen = take_arrays(values, &indices, None)?;
        let rows = self.converter.convert_columns(&chosen)?;
        for (row, at) in rows.iter().zip(indices.values()) {
            let at = *at as usize;
            self.offer(groups[at], ranks[at], row.data());
        }
        Ok(())
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let n = self.emitted(emit_to);
        let parser = self.converter.parser();
        let mut kept = Vec::with_capacity(n);
        for row in self.rows(n) {
            match row {
                Some(row) => kept.push(parser.parse(row)),
                None => {
                    let none = "a partition without a row".to_owned();
                    return Err(ExactError::Internal(none).into());
                }
            }
        }
        let columns = self.converter.convert_rows(kept)?;
        self.drop_first(n);
        Ok(Arc::new(StructArray::try_new(
            self.fields.clone(),
            columns,
            None,
        )?))
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let n = self.emitted(emit_to);
        let mut rows = BinaryBuilder::new();
        self.rows(n)
            .into_iter()
            .for_each(|row| rows.append_option(row));
        let ranks = self.ranks[..n].to_vec();
        self.drop_first(n);
        Ok(vec![
            Arc::new(rows.finish()),
            Arc::new(Int64Array::from(ranks)),
        ])
    }

    fn merge_batch(&mut self, states: &[ArrayRef], groups: &[usize], total: usize) -> Result<()> {
        self.resize(total);
        let [rows, ranks] = states else {
            return Err(ExactError::Internal("a first row has two states".to_owned()).into());
        };
        let (rows, ranks) = (rows.as_binary::<i32>(), ranks.as_primitive::<Int64Type>());
        for (at, group) in groups.iter().enumerate() {
            if rows.is_valid(at) && ranks.value(at) <= self.ranks[*group] {
                self.offer(*group, ranks.value(at), rows.value(at));
            }
        }
        Ok(())
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        let Some(first) = values.first() else {
            return Err(ExactError::Internal("a first row of no columns".to_owned()).into());
        };
        let ranks = self.ranks_of(first);
        let rows = self.converter.convert_columns(values)?;
        let mut state = BinaryBuilder::new();
        for (at, row) in rows.iter().enumerate() {
            state.append_option(passing(filter, at).then_some(row.data()));
        }
        Ok(vec![
            Arc::new(state.finish()),
            Arc::new(Int64Array::from(ranks)),
        ])
    }

    fn size(&self) -> usize {
        let kept = match &self.kept {
            Kept::OneWidth { bytes, met, .. } => bytes.capacity() + met.capacity(),
            Kept::Any(rows) => {
                let bytes: usize = rows.iter().map(Vec::capacity).sum();
                bytes + rows.capacity() * size_of::<Vec<u8>>()
            }
        };
        size_of::<Self>() + kept + self.ranks.capacity() * size_of::<i64>()
    }
}
