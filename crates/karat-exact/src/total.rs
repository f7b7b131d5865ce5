//! Total forms: functions and aggregates that give a value and an error code instead of failing, so that a plan can carry errors
//! past operators that drop or combine rows ([`crate::carried`]).

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Int32Array, RecordBatch, RecordBatchOptions, StructArray,
};
use arrow::compute::nullif;
use arrow::datatypes::{DataType, Field, FieldRef, Fields, Int32Type, Schema, SchemaRef};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{Column, DFSchema, DataFusionError, Result, ScalarValue};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, ColumnarValue, Expr, ExprSchemable, ReversedUDAF,
    ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use crate::error::ExactError;
use crate::failures::{Failed, Failures, code_of};
use crate::numbers::Why;
use crate::rows::{Node, Nodes, blanked};
use crate::walks::Walk;

const TRY: &str = "karat_try";
const VALUE: &str = "karat_value";
const ERROR: &str = "karat_error";
const FIRST: &str = "karat_first_error";

/// Whether a function of this name never fails.
pub(crate) fn is_total(name: &str) -> bool {
    [TRY, VALUE, ERROR, FIRST].contains(&name)
}

/// Whether an aggregate can fail for what its rows hold: those of karat's own whose exact result may not fit.
pub(crate) fn aggregate_can_fail(name: &str) -> bool {
    name.starts_with("karat_") && !crate::accumulators::never_fails(name)
}

fn pair(value: &DataType) -> Fields {
    Fields::from(vec![
        Field::new("value", value.clone(), true),
        Field::new("error", DataType::Int32, true),
    ])
}

/// An expression as a function of its columns that gives its value and its error code.
#[derive(Debug)]
struct Try {
    /// Over columns named by their position.
    expr: Expr,
    schema: SchemaRef,
    carried: BTreeMap<usize, usize>,
    node: Node,
    out: DataType,
    signature: Signature,
}

impl PartialEq for Try {
    fn eq(&self, other: &Try) -> bool {
        self.expr == other.expr && self.schema == other.schema && self.carried == other.carried
    }
}

impl Eq for Try {}

impl Hash for Try {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.expr.hash(state);
        self.carried.hash(state);
    }
}

/// The expression's value, null where it fails, and the code with which it fails, null where it does not. `cells` names the columns
/// that carry errors, and where.
pub(crate) fn split(
    expr: &Expr,
    schema: &DFSchema,
    cells: &BTreeMap<Column, Column>,
    failures: &Arc<Failures>,
    config: &Arc<ConfigOptions>,
) -> Result<(Expr, Expr)> {
    let mut columns: Vec<Column> = expr.column_refs().into_iter().cloned().collect();
    columns.sort();
    let read = columns.len();
    let mut carried = BTreeMap::new();
    for at in 0..read {
        if let Some(error) = cells.get(&columns[at]) {
            carried.insert(at, columns.len());
            columns.push(error.clone());
        }
    }
    let mut fields = Vec::with_capacity(columns.len());
    for (index, column) in columns.iter().enumerate() {
        let data_type = Expr::Column(column.clone()).get_type(schema)?;
        fields.push(Field::new(format!("c{index}"), data_type, true));
    }
    let renamed = expr
        .clone()
        .walk_down(|e| {
            let Expr::Column(column) = &e else {
                return Ok(Transformed::no(e));
            };
            Ok(match columns[..read].binary_search(column) {
                Ok(index) => {
                    Transformed::yes(Expr::Column(Column::new_unqualified(format!("c{index}"))))
                }
                Err(_) => Transformed::no(e),
            })
        })?
        .data;
    let out = expr.get_type(schema)?;
    let schema = Arc::new(Schema::new(fields));
    let texts: BTreeMap<String, Expr> = columns[..read]
        .iter()
        .enumerate()
        .map(|(index, column)| (format!("c{index}"), Expr::Column(column.clone())))
        .collect();
    let nodes =
        Nodes::new(schema.clone(), config)?.with_errors(carried.clone(), failures.clone(), texts);
    let function = ScalarUDF::new_from_impl(Try {
        node: nodes.node(&renamed)?,
        expr: renamed,
        schema,
        carried,
        out,
        signature: Signature::user_defined(Volatility::Immutable),
    });
    let both = function.call(columns.into_iter().map(Expr::Column).collect());
    Ok((value_of(both.clone()), error_of(both)))
}

impl ScalarUDFImpl for Try {
    fn name(&self) -> &str {
        TRY
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        Ok(types.to_vec())
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        let args: Vec<String> = args.iter().map(|a| a.schema_name().to_string()).collect();
        Ok(format!(
            "{TRY}({})({})",
            self.expr.schema_name(),
            args.join(",")
        ))
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Struct(pair(&self.out)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = args.number_rows;
        let columns = args
            .args
            .iter()
            .map(|arg| arg.to_array(rows))
            .collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)?;
        let value = self.node.evaluate(&batch)?;
        let array = blanked(value.array(rows)?, value.failed.as_ref())?;
        let codes = match &value.failed {
            Some(failed) => failed.column(),
            None => Failed::none(rows).column(),
        };
        let both = StructArray::try_new(pair(&self.out), vec![array, Arc::new(codes)], None)?;
        Ok(ColumnarValue::Array(Arc::new(both)))
    }
}

/// One side of what [`Try`] and [`Total`] give.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Part {
    error: bool,
    signature: Signature,
}

pub(crate) fn value_of(both: Expr) -> Expr {
    part(both, false)
}

pub(crate) fn error_of(both: Expr) -> Expr {
    part(both, true)
}

fn part(both: Expr, error: bool) -> Expr {
    let signature = Signature::user_defined(Volatility::Immutable);
    ScalarUDF::new_from_impl(Part { error, signature }).call(vec![both])
}

impl ScalarUDFImpl for Part {
    fn name(&self) -> &str {
        if self.error { ERROR } else { VALUE }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        Ok(types.to_vec())
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match types {
            [DataType::Struct(fields)] if fields.len() == 2 => {
                Ok(fields[usize::from(self.error)].data_type().clone())
            }
            _ => Err(ExactError::Internal(format!("{} of {types:?}", self.name())).into()),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [both] = args.args.as_slice() else {
            return Err(ExactError::Internal(format!("{} of nothing", self.name())).into());
        };
        let both = both.to_array(args.number_rows)?;
        let both = both.as_struct();
        let one = both.column(usize::from(self.error)).clone();
        let Some(nulls) = both.nulls().filter(|nulls| nulls.null_count() > 0) else {
            return Ok(ColumnarValue::Array(one));
        };
        let missing = arrow::array::BooleanArray::new(!nulls.inner(), None);
        Ok(ColumnarValue::Array(nullif(&one, &missing)?))
    }
}

/// The first error in text order of several codes.
#[derive(Debug, PartialEq, Eq, Hash)]
struct First {
    signature: Signature,
}

/// The first error of those that there are; None if there can be none.
pub(crate) fn first_error(codes: Vec<Expr>) -> Option<Expr> {
    if codes.len() < 2 {
        return codes.into_iter().next();
    }
    let signature = Signature::user_defined(Volatility::Immutable);
    Some(ScalarUDF::new_from_impl(First { signature }).call(codes))
}

impl ScalarUDFImpl for First {
    fn name(&self) -> &str {
        FIRST
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        Ok(vec![DataType::Int32; types.len()])
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Int32)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = args.number_rows;
        let mut first: Vec<Option<i32>> = vec![None; rows];
        for arg in &args.args {
            let column = arg.to_array(rows)?;
            let Some(codes) = column.as_primitive_opt::<Int32Type>() else {
                let what = format!("error codes of type {}", column.data_type());
                return Err(ExactError::Internal(what).into());
            };
            if codes.null_count() == rows {
                continue;
            }
            for (slot, code) in first.iter_mut().zip(codes.iter()) {
                if let Some(code) = code {
                    *slot = Some(slot.map_or(code, |known| known.min(code)));
                }
            }
        }
        Ok(ColumnarValue::Array(Arc::new(Int32Array::from(first))))
    }
}

/// An aggregate that gives its value and its error code.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Total {
    inner: Arc<AggregateUDF>,
    code: i32,
    name: String,
}

/// The total form of an aggregate; `code` is that of its expression.
pub(crate) fn total_aggregate(inner: Arc<AggregateUDF>, code: i32) -> Arc<AggregateUDF> {
    let name = format!("karat_try_{}", inner.name());
    Arc::new(AggregateUDF::new_from_impl(Total { inner, code, name }))
}

impl Total {
    fn value_field(&self, both: &FieldRef) -> Result<FieldRef> {
        match both.data_type() {
            DataType::Struct(fields) if fields.len() == 2 => Ok(fields[0].clone()),
            other => Err(ExactError::Internal(format!("{} gives {other}", self.name)).into()),
        }
    }

    fn wrapped(
        &self,
        args: AccumulatorArgs,
        make: impl Fn(&AggregateUDF, AccumulatorArgs) -> Result<Box<dyn Accumulator>>,
    ) -> Result<Box<dyn Accumulator>> {
        let field = self.value_field(&args.return_field)?;
        let value = field.data_type().clone();
        let inner = make(
            &self.inner,
            AccumulatorArgs {
                return_field: field,
                ..args
            },
        )?;
        Ok(Box::new(TotalAccumulator {
            inner,
            code: self.code,
            value,
            failed: None,
        }))
    }
}

impl AggregateUDFImpl for Total {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        self.inner.coerce_types(types)
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Struct(pair(&self.inner.return_type(types)?)))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let return_field = self.value_field(&args.return_field)?;
        let mut fields = self.inner.state_fields(StateFieldsArgs {
            return_field,
            ..args
        })?;
        let name = format!("{}[error]", self.name);
        fields.push(Arc::new(Field::new(name, DataType::Int32, true)));
        Ok(fields)
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        self.wrapped(args, |inner, args| inner.accumulator(args))
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        self.wrapped(args, |inner, args| inner.create_sliding_accumulator(args))
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        self.inner.order_sensitivity()
    }

    fn supports_null_handling_clause(&self) -> bool {
        self.inner.supports_null_handling_clause()
    }

    fn supports_within_group_clause(&self) -> bool {
        self.inner.supports_within_group_clause()
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::NotSupported
    }
}

#[derive(Debug)]
struct TotalAccumulator {
    inner: Box<dyn Accumulator>,
    code: i32,
    value: DataType,
    failed: Option<i32>,
}

impl TotalAccumulator {
    /// Keeps a failure that is in the rows as a code.
    fn keep<T>(&mut self, result: Result<T>) -> Result<Option<T>> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(error) => {
                let code = code_of(self.code, reason(error)?);
                self.failed = Some(self.failed.map_or(code, |known| known.min(code)));
                Ok(None)
            }
        }
    }
}

/// The reason of a failure that is in the rows.
fn reason(error: DataFusionError) -> Result<Why> {
    Ok(match ExactError::from(error) {
        ExactError::Overflow(_) => Why::Overflow,
        ExactError::DivideByZero(_) => Why::DivideByZero,
        ExactError::Conversion(_) => Why::Conversion,
        ExactError::NotA { what, .. } => Why::NotA(what),
        ExactError::Domain(_) => Why::Domain,
        ExactError::ManyRows => Why::ManyRows,
        other => return Err(other.into()),
    })
}

impl Accumulator for TotalAccumulator {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let result = self.inner.update_batch(values);
        self.keep(result).map(|_| ())
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.inner.retract_batch(values)
    }

    fn supports_retract_batch(&self) -> bool {
        self.inner.supports_retract_batch()
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let kept = self.failed;
        let result = self.inner.evaluate();
        let value = self.keep(result)?;
        // In a window the next frame may be fine again.
        let failed = std::mem::replace(&mut self.failed, kept);
        let value = match value.filter(|_| failed.is_none()) {
            Some(value) => value,
            None => ScalarValue::try_from(&self.value)?,
        };
        let columns = vec![
            value.to_array()?,
            Arc::new(Int32Array::from(vec![failed])) as ArrayRef,
        ];
        let both = StructArray::try_new(pair(&self.value), columns, None)?;
        Ok(ScalarValue::Struct(Arc::new(both)))
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.inner.size()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let mut state = self.inner.state()?;
        state.push(ScalarValue::Int32(self.failed));
        Ok(state)
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let Some((failed, states)) = states.split_last() else {
            return Err(ExactError::Internal("an aggregate without a state".into()).into());
        };
        if let Some(code) = arrow::compute::min(failed.as_primitive::<Int32Type>()) {
            self.failed = Some(self.failed.map_or(code, |known| known.min(code)));
        }
        let result = self.inner.merge_batch(states);
        self.keep(result).map(|_| ())
    }
}
