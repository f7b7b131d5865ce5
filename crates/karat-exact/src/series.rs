//! Series of whole numbers, dates and timestamps: `range` without its end, `generate_series` with it, as lists and as tables.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, ListArray, RecordBatch};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute::cast as arrow_cast;
use arrow::datatypes::{
    DataType, Field, Int32Type, Int64Type, IntervalMonthDayNano, IntervalMonthDayNanoType,
    IntervalUnit, Schema, SchemaRef, TimeUnit,
};
use async_trait::async_trait;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::catalog::{
    Session, TableFunction, TableFunctionArgs, TableFunctionImpl, TableProvider,
};
use datafusion::common::{Constraint, Constraints, Result, ScalarValue};
use datafusion::datasource::TableType;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;

use crate::calendar::{DAY_US, Zone, shifted};
use crate::checked::type_error;
use crate::conversion::{self, Rules, failures, is_text};
use crate::error::ExactError;
use crate::numbers::{Number, Outcome, Why, number};
use crate::types::type_name;

/// Values that one row may give.
const MOST: usize = 10_000_000;

/// The type of a series' values, by its arguments.
pub(crate) fn element_type(types: &[DataType]) -> std::result::Result<DataType, String> {
    let whole = |t: &DataType| {
        matches!(
            number(t),
            Some(Number::Integer(_) | Number::Null | Number::Decimal(_, 0))
        )
    };
    if types.iter().all(whole) {
        return Ok(DataType::Int64);
    }
    let moment = |t: &DataType| {
        matches!(
            t,
            DataType::Date32 | DataType::Timestamp(..) | DataType::Null
        )
    };
    let step = |t: &DataType| matches!(t, DataType::Interval(_) | DataType::Null) || is_text(t);
    let item = match types {
        [start, stop, by] if moment(start) && moment(stop) && step(by) => match (start, stop) {
            (DataType::Date32 | DataType::Null, DataType::Date32 | DataType::Null) => {
                Some(DataType::Date32)
            }
            (DataType::Timestamp(_, a), DataType::Timestamp(_, b))
                if a.is_some() != b.is_some() =>
            {
                None
            }
            (DataType::Timestamp(_, zone), _) | (_, DataType::Timestamp(_, zone)) => {
                let zone = zone.as_ref().map(|_| "UTC".into());
                Some(DataType::Timestamp(TimeUnit::Microsecond, zone))
            }
            _ => None,
        },
        _ => None,
    };
    item.ok_or_else(|| {
        let told: Vec<String> = types.iter().map(type_name).collect();
        format!("makes no series of {}", told.join(", "))
    })
}

/// What a series adds from value to value.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Step {
    Number(i64),
    Interval(IntervalMonthDayNano, Option<Zone>),
}

/// A series: numbers, or moments in microseconds.
#[derive(Clone, Copy, Debug)]
struct Series {
    next: Option<i64>,
    stop: i64,
    step: Step,
    upwards: bool,
    inclusive: bool,
}

impl Series {
    /// None: the step leads nowhere.
    fn new(start: i64, stop: i64, step: Step, inclusive: bool) -> Option<Series> {
        let upwards = match step {
            Step::Number(0) => return None,
            Step::Number(step) => step > 0,
            Step::Interval(by, zone) => {
                // A month or a day is what its local time says; the first step tells the direction.
                let second = shifted(start, by, false, zone)?;
                if second == start {
                    return None;
                }
                second > start
            }
        };
        Some(Series {
            next: Some(start),
            stop,
            step,
            upwards,
            inclusive,
        })
    }

    /// The next value; an error where the series goes beyond what there is.
    fn advance(&mut self) -> std::result::Result<Option<i64>, ()> {
        let Some(value) = self.next else {
            return Ok(None);
        };
        let before = if self.upwards {
            value < self.stop
        } else {
            value > self.stop
        };
        let within = before || self.inclusive && value == self.stop;
        if !within {
            self.next = None;
            return Ok(None);
        }
        self.next = match self.step {
            // Beyond the last number there is no further value.
            Step::Number(step) => value.checked_add(step),
            Step::Interval(by, zone) => Some(shifted(value, by, false, zone).ok_or(())?),
        };
        Ok(Some(value))
    }
}

/// The arguments of a series, row by row.
struct Arguments {
    start: Int64Array,
    stop: Int64Array,
    step: ArrayRef,
    nulls: Option<NullBuffer>,
    zone: Option<Zone>,
    item: DataType,
}

impl Arguments {
    /// None: an argument of some row does not convert.
    fn new(
        arrays: &[ArrayRef],
        rows: usize,
        item: &DataType,
        rules: Rules,
    ) -> std::result::Result<Option<Arguments>, ExactError> {
        let mut failed = false;
        let mut convert =
            |array: &ArrayRef, to: &DataType| -> std::result::Result<ArrayRef, ExactError> {
                let done = conversion::cast(array, to, rules)?;
                failed |= done.failed.is_some();
                Ok(done.array)
            };
        let numbers = *item == DataType::Int64;
        let constant = |value: i64| -> ArrayRef { Arc::new(Int64Array::from(vec![value; rows])) };
        let (start, stop, step) = match arrays {
            [stop] => (constant(0), stop.clone(), constant(1)),
            [start, stop] => (start.clone(), stop.clone(), constant(1)),
            [start, stop, step, ..] => (start.clone(), stop.clone(), step.clone()),
            [] => return Err(ExactError::Internal("a series of nothing".to_string())),
        };
        let micros = |array: ArrayRef| -> std::result::Result<Int64Array, ExactError> {
            let plain = match item {
                DataType::Date32 => arrow_cast(&array, &DataType::Int32)
                    .map_err(ExactError::arrow)?
                    .as_primitive::<Int32Type>()
                    .unary::<_, Int64Type>(|day| i64::from(day) * DAY_US),
                _ => arrow_cast(&array, &DataType::Int64)
                    .map_err(ExactError::arrow)?
                    .as_primitive::<Int64Type>()
                    .clone(),
            };
            Ok(plain)
        };
        let (start, stop) = (convert(&start, item)?, convert(&stop, item)?);
        let (start, stop) = (micros(start)?, micros(stop)?);
        let step = if numbers {
            convert(&step, &DataType::Int64)?
        } else {
            let interval = DataType::Interval(IntervalUnit::MonthDayNano);
            arrow_cast(&step, &interval).map_err(ExactError::arrow)?
        };
        let nulls = NullBuffer::union(start.nulls(), stop.nulls());
        let nulls = NullBuffer::union(nulls.as_ref(), step.nulls());
        let zone = match item {
            DataType::Timestamp(_, Some(_)) => Some(Zone::new(rules.timezone)),
            _ => None,
        };
        Ok((!failed).then_some(Arguments {
            start,
            stop,
            step,
            nulls,
            zone,
            item: item.clone(),
        }))
    }

    fn row(&self, row: usize, inclusive: bool) -> Option<Series> {
        let step = match self.step.as_primitive_opt::<Int64Type>() {
            Some(steps) => Step::Number(steps.value(row)),
            None => {
                let by = self
                    .step
                    .as_primitive::<IntervalMonthDayNanoType>()
                    .value(row);
                if self.item == DataType::Date32 && by.nanoseconds % (DAY_US * 1_000) != 0 {
                    return None;
                }
                Step::Interval(by, self.zone)
            }
        };
        Series::new(self.start.value(row), self.stop.value(row), step, inclusive)
    }
}

/// Numbers or microseconds as values of the series' type.
fn values(plain: Vec<i64>, item: &DataType) -> std::result::Result<ArrayRef, ExactError> {
    let plain: ArrayRef = match item {
        DataType::Date32 => Arc::new(Int64Array::from(
            plain.into_iter().map(|us| us / DAY_US).collect::<Vec<_>>(),
        )),
        _ => Arc::new(Int64Array::from(plain)),
    };
    let plain = match item {
        DataType::Date32 => arrow_cast(&plain, &DataType::Int32).map_err(ExactError::arrow)?,
        _ => plain,
    };
    arrow_cast(&plain, item).map_err(ExactError::arrow)
}

/// A list for each row.
pub(crate) fn lists(
    arrays: &[ArrayRef],
    rows: usize,
    out: &DataType,
    inclusive: bool,
    rules: Rules,
) -> Result<Outcome> {
    let DataType::List(field) = out else {
        return Err(ExactError::Internal(format!("a series as {out}")).into());
    };
    let item = field.data_type();
    let Some(arguments) = Arguments::new(arrays, rows, item, rules)? else {
        return Err(ExactError::Conversion("range".to_string()).into());
    };
    let mut plain = Vec::new();
    let mut lengths = Vec::with_capacity(rows);
    let mut bad = Vec::new();
    for row in 0..rows {
        let from = plain.len();
        let null = arguments.nulls.as_ref().is_some_and(|n| n.is_null(row));
        if !null {
            let whole = arguments.row(row, inclusive).is_some_and(|mut series| {
                loop {
                    match series.advance() {
                        Ok(Some(value)) if plain.len() - from < MOST => plain.push(value),
                        Ok(None) => break true,
                        _ => break false,
                    }
                }
            });
            if !whole {
                plain.truncate(from);
                bad.push(row);
            }
        }
        lengths.push(plain.len() - from);
        if plain.len() > i32::MAX as usize {
            return Err(ExactError::Memory(
                "series of this length are tables: select … from generate_series(…)".to_string(),
            )
            .into());
        }
    }
    let (nulls, failed) = failures(arguments.nulls.as_ref(), &bad, rows);
    let array = ListArray::try_new(
        field.clone(),
        OffsetBuffer::from_lengths(lengths),
        values(plain, item)?,
        nulls,
    )?;
    Ok(Outcome {
        array: Arc::new(array),
        failed,
        why: Why::Domain,
    })
}

/// `range` and `generate_series` where a table may stand.
pub(crate) fn table_functions(rules: Rules) -> Vec<Arc<TableFunction>> {
    [("range", false), ("generate_series", true)]
        .into_iter()
        .map(|(name, inclusive)| {
            let function = SeriesFunction {
                name,
                inclusive,
                rules,
            };
            Arc::new(TableFunction::new(name.to_string(), Arc::new(function)))
        })
        .collect()
}

#[derive(Debug)]
struct SeriesFunction {
    name: &'static str,
    inclusive: bool,
    rules: Rules,
}

impl TableFunctionImpl for SeriesFunction {
    fn call_with_args(&self, args: TableFunctionArgs) -> Result<Arc<dyn TableProvider>> {
        let wrong = |what: String| {
            type_error(
                format!("`{}` {what}", self.name),
                Some("for example generate_series(1, 10), or two dates and an interval"),
            )
        };
        let literals: Option<Vec<ScalarValue>> = args
            .exprs()
            .iter()
            .map(|expr| match expr {
                Expr::Literal(value, _) => Some(value.clone()),
                _ => None,
            })
            .collect();
        let literals = literals.ok_or_else(|| wrong("takes constants as a table".to_string()))?;
        if literals.is_empty() || literals.len() > 3 {
            return Err(wrong(format!(
                "takes 1 to 3 arguments, not {}",
                literals.len()
            )));
        }
        let types: Vec<DataType> = literals.iter().map(ScalarValue::data_type).collect();
        let item = element_type(&types).map_err(&wrong)?;
        let arrays: Vec<ArrayRef> = literals
            .iter()
            .map(|value| value.to_array_of_size(1))
            .collect::<Result<_>>()?;
        let arguments = Arguments::new(&arrays, 1, &item, self.rules)?
            .ok_or_else(|| wrong("takes whole numbers".to_string()))?;
        let series = if arguments
            .nulls
            .as_ref()
            .is_some_and(|nulls| nulls.is_null(0))
        {
            None
        } else {
            let series = arguments
                .row(0, self.inclusive)
                .ok_or_else(|| wrong("has a step that leads nowhere".to_string()))?;
            Some(series)
        };
        let schema = Arc::new(Schema::new(vec![Field::new("value", item, false)]));
        let rows = SeriesRows {
            schema: schema.clone(),
            series,
        };
        Ok(Arc::new(SeriesTable {
            rows: StreamingTable::try_new(schema, vec![Arc::new(rows)])?,
            constraints: Constraints::new_unverified(vec![Constraint::Unique(vec![0])]),
        }))
    }
}

/// A table of one column, whose values are all different.
#[derive(Debug)]
struct SeriesTable {
    rows: StreamingTable,
    constraints: Constraints,
}

#[async_trait]
impl TableProvider for SeriesTable {
    fn schema(&self) -> SchemaRef {
        self.rows.schema()
    }

    fn table_type(&self) -> TableType {
        TableType::Temporary
    }

    fn constraints(&self) -> Option<&Constraints> {
        Some(&self.constraints)
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        self.rows.scan(state, projection, filters, limit).await
    }
}

#[derive(Clone, Debug)]
struct SeriesRows {
    schema: SchemaRef,
    series: Option<Series>,
}

impl PartitionStream for SeriesRows {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let rows = context.session_config().batch_size();
        let schema = self.schema.clone();
        let item = self.schema.field(0).data_type().clone();
        let mut series = self.series;
        let batches = std::iter::from_fn(move || {
            let series = series.as_mut()?;
            let mut plain = Vec::with_capacity(rows);
            while plain.len() < rows {
                match series.advance() {
                    Ok(Some(value)) => plain.push(value),
                    Ok(None) => break,
                    Err(()) => {
                        series.next = None;
                        return Some(Err(ExactError::Domain("generate_series".to_string()).into()));
                    }
                }
            }
            if plain.is_empty() {
                return None;
            }
            let column = values(plain, &item).map_err(Into::into);
            Some(column.and_then(|column| Ok(RecordBatch::try_new(schema.clone(), vec![column])?)))
        });
        Box::pin(RecordBatchStreamAdapter::new(
            self.schema.clone(),
            futures::stream::iter(batches),
        ))
    }
}
