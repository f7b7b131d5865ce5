//! Exact sums and means: state wide enough for any input, one rounding or one check at the end (rules E1, E4).

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt::Debug;
use std::hash::Hash;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BinaryBuilder, BooleanArray, Decimal128Array,
    Decimal256Array, Float64Array, Int64Array,
};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{
    DataType, Decimal128Type, Decimal256Type, Field, FieldRef, Float64Type, Int64Type, i256,
};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::expr::{AggregateFunctionParams, WindowFunctionParams};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::{AggregateOrderSensitivity, format_state_name};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, EmitTo, GroupsAccumulator, ReversedUDAF,
    SetMonotonicity, Signature, Volatility, udaf_default_display_name, udaf_default_human_display,
    udaf_default_schema_name, udaf_default_window_function_display_name,
    udaf_default_window_function_schema_name,
};

use crate::checked::type_error;
use crate::doubles::{DoubleSums, shift_keys};
use crate::error::ExactError;
use crate::extremes::Extremes;
use crate::numbers::{Number, POWERS, Rest, Rounding, divide, divide_wide, fits, number};
use crate::types::type_name;

/// `sum` and `avg`.
pub(crate) fn functions(rounding: Rounding) -> Vec<Arc<AggregateUDF>> {
    [Kind::Sum, Kind::Avg]
        .into_iter()
        .map(|kind| Arc::new(AggregateUDF::new_from_impl(Exact::new(kind, rounding))))
        .collect()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Sum,
    Avg,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Exact {
    kind: Kind,
    rounding: Rounding,
    signature: Signature,
    aliases: Vec<String>,
}

impl Exact {
    fn new(kind: Kind, rounding: Rounding) -> Exact {
        let aliases: &[&str] = match kind {
            Kind::Sum => &["sum"],
            Kind::Avg => &["avg", "mean"],
        };
        Exact {
            kind,
            rounding,
            signature: Signature::user_defined(Volatility::Immutable),
            aliases: aliases.iter().map(ToString::to_string).collect(),
        }
    }

    fn sql_name(&self) -> &'static str {
        match self.kind {
            Kind::Sum => "sum",
            Kind::Avg => "avg",
        }
    }

    fn renamed(&self, text: Result<String>) -> Result<String> {
        text.map(|text| match text.strip_prefix(self.name()) {
            Some(rest) => format!("{}{rest}", self.sql_name()),
            None => text,
        })
    }

    fn totals(&self, input: &DataType, out: &DataType) -> Result<Totals> {
        let sums = match input {
            DataType::Float64 => Sums::Doubles(DoubleSums::default()),
            DataType::Int64 | DataType::Decimal128(..) | DataType::Decimal256(..) => {
                Sums::Decimals(DecimalSums::default())
            }
            other => return Err(ExactError::Internal(format!("{} of {other}", self.name())).into()),
        };
        let scale = match input {
            DataType::Decimal128(_, s) | DataType::Decimal256(_, s) => *s,
            _ => 0,
        };
        Ok(Totals {
            sums,
            counts: Vec::new(),
            kind: self.kind,
            rounding: self.rounding,
            scale,
            width: Width::of(input),
            out: out.clone(),
        })
    }
}

/// DataFusion's `min` or `max`, with doubles in their one order (E6): its accumulator for many groups takes a NaN or the next
/// value by which comes first, and begins with the least finite double, which is more than minus infinity.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Extreme {
    pub(crate) inner: AggregateUDF,
}

fn holds_doubles(args: &AccumulatorArgs) -> bool {
    number(args.return_field.data_type()) == Some(Number::Double)
}

impl AggregateUDFImpl for Extreme {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        self.inner.coerce_types(types)
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.inner.return_type(types)
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        self.inner.accumulator(args)
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        self.inner.create_sliding_accumulator(args)
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs) -> bool {
        match args.return_field.data_type() {
            DataType::Float64 => true,
            _ => !holds_doubles(&args) && self.inner.groups_accumulator_supported(args),
        }
    }

    fn create_groups_accumulator(
        &self,
        args: AccumulatorArgs,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        if *args.return_field.data_type() == DataType::Float64 {
            return Ok(Box::new(Extremes::new(self.name() == "max")));
        }
        self.inner.create_groups_accumulator(args)
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        self.inner.order_sensitivity()
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::Identical
    }

    fn is_descending(&self) -> Option<bool> {
        self.inner.is_descending()
    }

    fn set_monotonicity(&self, data_type: &DataType) -> SetMonotonicity {
        self.inner.inner().set_monotonicity(data_type)
    }
}

/// The type that the argument is brought to, which loses nothing.
pub(crate) fn argument(name: &str, data_type: &DataType) -> Result<DataType> {
    Ok(match (number(data_type), data_type) {
        (Some(Number::Integer(_)), DataType::UInt64) => DataType::Decimal128(20, 0),
        (Some(Number::Integer(_) | Number::Null), _) => DataType::Int64,
        (Some(Number::Double), _) => DataType::Float64,
        (Some(Number::Decimal(p, s)), DataType::Decimal256(..)) => DataType::Decimal256(p, s),
        (Some(Number::Decimal(p, s)), _) => DataType::Decimal128(p, s),
        (None, other) => {
            return Err(type_error(
                format!("`{name}` takes a number, not {}", type_name(other)),
                Some("cast it first"),
            ));
        }
    })
}

/// The result type of rule E1.
pub(crate) fn sum_type(data_type: &DataType) -> Result<DataType> {
    Ok(match argument("sum", data_type)? {
        DataType::Decimal128(_, s) => DataType::Decimal128(38, s),
        DataType::Decimal256(_, s) if s <= 38 => DataType::Decimal128(38, s),
        DataType::Decimal256(_, s) => DataType::Decimal256(76, s),
        other => other,
    })
}

/// The result type of rule E1.
pub(crate) fn avg_type(data_type: &DataType) -> Result<DataType> {
    Ok(match argument("avg", data_type)? {
        DataType::Int64 => DataType::Decimal128(38, 6),
        DataType::Decimal128(p, s) => DataType::Decimal128(38, s + 6.min(38i8 - p as i8).max(0)),
        DataType::Decimal256(_, s) if s <= 38 => DataType::Decimal128(38, s),
        DataType::Decimal256(_, s) => DataType::Decimal256(76, s),
        other => other,
    })
}

impl AggregateUDFImpl for Exact {
    fn name(&self) -> &str {
        match self.kind {
            Kind::Sum => "karat_sum",
            Kind::Avg => "karat_avg",
        }
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn schema_name(&self, params: &AggregateFunctionParams) -> Result<String> {
        self.renamed(udaf_default_schema_name(self, params))
    }

    fn human_display(&self, params: &AggregateFunctionParams) -> Result<String> {
        self.renamed(udaf_default_human_display(self, params))
    }

    fn display_name(&self, params: &AggregateFunctionParams) -> Result<String> {
        self.renamed(udaf_default_display_name(self, params))
    }

    fn window_function_schema_name(&self, params: &WindowFunctionParams) -> Result<String> {
        self.renamed(udaf_default_window_function_schema_name(self, params))
    }

    fn window_function_display_name(&self, params: &WindowFunctionParams) -> Result<String> {
        self.renamed(udaf_default_window_function_display_name(self, params))
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        match types {
            [one] => Ok(vec![argument(self.sql_name(), one)?]),
            _ => Err(type_error(
                format!(
                    "`{}` takes 1 argument, not {}",
                    self.sql_name(),
                    types.len()
                ),
                None,
            )),
        }
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        let [input] = types else {
            return Err(type_error(
                format!(
                    "`{}` takes 1 argument, not {}",
                    self.sql_name(),
                    types.len()
                ),
                None,
            ));
        };
        match self.kind {
            Kind::Sum => sum_type(input),
            Kind::Avg => avg_type(input),
        }
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let Some(input) = args.input_fields.first() else {
            return Err(
                ExactError::Internal(format!("{} without an argument", self.name())).into(),
            );
        };
        if args.is_distinct {
            let item = Field::new_list_field(input.data_type().clone(), true);
            return Ok(vec![Arc::new(Field::new_list(
                format_state_name(args.name, "distinct"),
                item,
                true,
            ))]);
        }
        let width = Width::of(input.data_type());
        let sum = match input.data_type() {
            DataType::Float64 => DataType::Binary,
            DataType::Decimal128(_, s) | DataType::Decimal256(_, s) => width.state(*s),
            _ => width.state(0),
        };
        let integer = |name| {
            let name = format_state_name(args.name, name);
            Arc::new(Field::new(name, DataType::Int64, true))
        };
        let mut fields = vec![
            Arc::new(Field::new(format_state_name(args.name, "sum"), sum, true)),
            integer("count"),
        ];
        if width == Width::Unbounded {
            fields.push(integer("wraps"));
        }
        Ok(fields)
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let Some(input) = args
            .expr_fields
            .first()
            .map(|field| field.data_type().clone())
        else {
            return Err(
                ExactError::Internal(format!("{} without an argument", self.name())).into(),
            );
        };
        let mut totals = self.totals(&input, args.return_field.data_type())?;
        totals.resize(1);
        let name = written(args.name);
        if args.is_distinct {
            return Ok(Box::new(Distinct {
                seen: HashMap::new(),
                input,
                function: self.clone(),
                out: args.return_field.data_type().clone(),
                name,
            }));
        }
        Ok(Box::new(One { totals, name }))
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs) -> bool {
        !args.is_distinct
    }

    fn create_groups_accumulator(
        &self,
        args: AccumulatorArgs,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        let Some(input) = args.expr_fields.first() else {
            return Err(
                ExactError::Internal(format!("{} without an argument", self.name())).into(),
            );
        };
        let totals = self.totals(input.data_type(), args.return_field.data_type())?;
        Ok(Box::new(GroupedTotals {
            totals,
            name: written(args.name),
        }))
    }
}

fn written(name: &str) -> String {
    name.replace("karat_sum(", "sum(")
        .replace("karat_avg(", "avg(")
}

/// A sum of any number of 256-bit integers: `low` + `wraps` · 2^256.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Wide {
    low: i256,
    wraps: i64,
}

impl Wide {
    fn add(self, value: i256) -> Wide {
        match self.low.checked_add(value) {
            Some(low) => Wide { low, ..self },
            None => Wide {
                low: self.low.wrapping_add(value),
                wraps: self.wraps + if value.is_negative() { -1 } else { 1 },
            },
        }
    }

    /// The sum, if it has 256 bits.
    fn exact(self) -> Option<i256> {
        (self.wraps == 0).then_some(self.low)
    }
}

/// Exact sums of unscaled decimals: 128 bits a group, and more for those that outgrow them.
#[derive(Debug, Default)]
struct DecimalSums {
    low: Vec<i128>,
    /// What left the low 128 bits.
    high: HashMap<usize, Wide>,
}

impl DecimalSums {
    #[inline]
    fn add(&mut self, group: usize, value: i128) {
        let (sum, overflow) = self.low[group].overflowing_add(value);
        if overflow {
            let left = i256::from_i128(self.low[group]);
            self.carry(group, left);
            self.low[group] = value;
        } else {
            self.low[group] = sum;
        }
    }

    #[cold]
    fn carry(&mut self, group: usize, value: i256) {
        let slot = self.high.entry(group).or_default();
        *slot = slot.add(value);
    }

    fn add_wide(&mut self, group: usize, value: i256) {
        match value.to_i128() {
            Some(value) => self.add(group, value),
            None => self.carry(group, value),
        }
    }

    /// Adds the sum of a group of others.
    fn absorb(&mut self, group: usize, others: &DecimalSums, at: usize) {
        if let Some(high) = others.high.get(&at) {
            self.carry(group, high.low);
            self.high.entry(group).or_default().wraps += high.wraps;
        }
        self.add(group, others.low[at]);
    }

    fn sum(&self, group: usize) -> Wide {
        let high = self.high.get(&group).copied().unwrap_or_default();
        high.add(i256::from_i128(self.low[group]))
    }
}

/// How many bits the sum of any 2^63 values needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Width {
    /// 128: of integers, and of decimals of 19 digits.
    Narrow,
    /// 256: of decimals of 38 digits.
    Usual,
    /// More: what leaves 256 bits is counted apart.
    Unbounded,
}

impl Width {
    fn of(input: &DataType) -> Width {
        match input {
            DataType::Int64 | DataType::Decimal128(..=19, _) => Width::Narrow,
            DataType::Decimal256(..) => Width::Unbounded,
            _ => Width::Usual,
        }
    }

    /// The type of a sum that is passed on to be merged.
    fn state(self, scale: i8) -> DataType {
        match self {
            Width::Narrow => DataType::Decimal128(38, scale),
            Width::Usual | Width::Unbounded => DataType::Decimal256(76, scale),
        }
    }
}

#[derive(Debug)]
enum Sums {
    Decimals(DecimalSums),
    Doubles(DoubleSums),
}

/// Sums and counts of every group.
#[derive(Debug)]
struct Totals {
    sums: Sums,
    counts: Vec<i64>,
    kind: Kind,
    rounding: Rounding,
    scale: i8,
    width: Width,
    out: DataType,
}

fn unexpected(array: &dyn Array) -> datafusion::common::DataFusionError {
    ExactError::Internal(format!("an aggregate got {}", array.data_type())).into()
}

impl Totals {
    fn resize(&mut self, groups: usize) {
        if groups <= self.counts.len() {
            return;
        }
        self.counts.resize(groups, 0);
        match &mut self.sums {
            Sums::Decimals(sums) => sums.low.resize(groups, 0),
            Sums::Doubles(sums) => sums.resize(groups),
        }
    }

    /// Adds the values to the groups that `group_of` gives for their rows, or takes them away again.
    fn update(
        &mut self,
        array: &ArrayRef,
        filter: Option<&BooleanArray>,
        retract: bool,
        group_of: impl Fn(usize) -> usize,
    ) -> Result<()> {
        let chosen = filter.map(|filter| match filter.nulls() {
            Some(nulls) => filter.values() & nulls.inner(),
            None => filter.values().clone(),
        });
        let valid = match (array.nulls().filter(|nulls| nulls.null_count() > 0), chosen) {
            (None, None) => None,
            (Some(nulls), None) => Some(nulls.inner().clone()),
            (None, Some(chosen)) => Some(chosen),
            (Some(nulls), Some(chosen)) => Some(nulls.inner() & &chosen),
        };
        let step = if retract { -1 } else { 1 };
        let Totals { sums, counts, .. } = self;
        macro_rules! each {
            ($values:expr, $add:expr) => {{
                let mut add = $add;
                match &valid {
                    None => {
                        for (row, value) in $values.iter().enumerate() {
                            let group = group_of(row);
                            counts[group] += step;
                            add(group, *value);
                        }
                    }
                    Some(valid) => {
                        for row in valid.set_indices() {
                            let group = group_of(row);
                            counts[group] += step;
                            add(group, $values[row]);
                        }
                    }
                }
            }};
        }
        match (sums, array.data_type()) {
            (Sums::Decimals(sums), DataType::Int64) => {
                each!(
                    array.as_primitive::<Int64Type>().values(),
                    |group, value: i64| sums.add(
                        group,
                        if retract {
                            -i128::from(value)
                        } else {
                            i128::from(value)
                        }
                    )
                )
            }
            (Sums::Decimals(sums), DataType::Decimal128(..)) => {
                each!(
                    array.as_primitive::<Decimal128Type>().values(),
                    |group, value: i128| sums.add(group, if retract { -value } else { value })
                )
            }
            (Sums::Decimals(sums), DataType::Decimal256(..)) => {
                each!(
                    array.as_primitive::<Decimal256Type>().values(),
                    |group, value: i256| sums
                        .add_wide(group, if retract { value.wrapping_neg() } else { value })
                )
            }
            (Sums::Doubles(sums), DataType::Float64) => {
                each!(
                    array.as_primitive::<Float64Type>().values(),
                    |group, value: f64| sums.add(group, value, retract)
                )
            }
            _ => return Err(unexpected(array.as_ref())),
        }
        Ok(())
    }

    /// Adds every value to the group of its row; without nulls and filters this is most of the work of a query.
    fn add(&mut self, array: &ArrayRef, groups: &[usize]) -> Result<()> {
        for group in groups {
            self.counts[*group] += 1;
        }
        self.add_values(array, groups)
    }

    fn add_values(&mut self, array: &ArrayRef, groups: &[usize]) -> Result<()> {
        match (&mut self.sums, array.data_type()) {
            (Sums::Doubles(sums), DataType::Float64) => {
                sums.add_all(array.as_primitive::<Float64Type>().values(), groups);
            }
            (Sums::Decimals(sums), DataType::Int64) => {
                let values = array.as_primitive::<Int64Type>().values();
                for (value, group) in values.iter().zip(groups) {
                    sums.add(*group, i128::from(*value));
                }
            }
            (Sums::Decimals(sums), DataType::Decimal128(..)) => {
                let values = array.as_primitive::<Decimal128Type>().values();
                for (value, group) in values.iter().zip(groups) {
                    sums.add(*group, *value);
                }
            }
            (Sums::Decimals(sums), DataType::Decimal256(..)) => {
                let values = array.as_primitive::<Decimal256Type>().values();
                for (value, group) in values.iter().zip(groups) {
                    sums.add_wide(*group, *value);
                }
            }
            _ => return Err(unexpected(array.as_ref())),
        }
        Ok(())
    }

    fn merge(&mut self, states: &[ArrayRef], group_of: impl Fn(usize) -> usize) -> Result<()> {
        let (state, counts, wraps) = match (states, self.width) {
            ([state, counts], Width::Narrow | Width::Usual) => (state, counts, None),
            ([state, counts, wraps], Width::Unbounded) => {
                (state, counts, Some(wraps.as_primitive::<Int64Type>()))
            }
            _ => {
                let why = format!("{} states of an aggregate", states.len());
                return Err(ExactError::Internal(why).into());
            }
        };
        let counts = counts.as_primitive::<Int64Type>();
        if let (Sums::Decimals(sums), Width::Narrow) = (&mut self.sums, self.width) {
            let values = state.as_primitive::<Decimal128Type>();
            for row in 0..values.len() {
                if values.is_valid(row) && counts.is_valid(row) {
                    let group = group_of(row);
                    self.counts[group] += counts.value(row);
                    sums.add(group, values.value(row));
                }
            }
            return Ok(());
        }
        for row in 0..state.len() {
            if state.is_null(row) || counts.is_null(row) {
                continue;
            }
            let group = group_of(row);
            self.counts[group] += counts.value(row);
            match &mut self.sums {
                Sums::Decimals(sums) => {
                    sums.add_wide(group, state.as_primitive::<Decimal256Type>().value(row));
                    if let Some(wraps) = wraps.map(|wraps| wraps.value(row)).filter(|n| *n != 0) {
                        sums.high.entry(group).or_default().wraps += wraps;
                    }
                }
                Sums::Doubles(sums) => sums
                    .merge(group, state.as_binary::<i32>().value(row))
                    .ok_or_else(|| {
                        ExactError::Internal("the state of a sum of doubles is broken".into())
                    })?,
            }
        }
        Ok(())
    }

    /// The states of the first n groups.
    fn states(&mut self, n: usize) -> Result<Vec<ArrayRef>> {
        self.settle();
        let nulls = NullBuffer::from_iter(self.counts[..n].iter().map(|count| *count != 0));
        let mut wraps = Vec::new();
        let state: ArrayRef = match &self.sums {
            Sums::Decimals(sums) if self.width == Width::Narrow => {
                if !sums.high.is_empty() {
                    let why = "a sum holds values that have more digits than their type";
                    return Err(ExactError::Internal(why.to_string()).into());
                }
                Arc::new(
                    Decimal128Array::new(sums.low[..n].to_vec().into(), Some(nulls))
                        .with_precision_and_scale(38, self.scale)?,
                )
            }
            Sums::Decimals(sums) => {
                let totals: Vec<Wide> = (0..n).map(|group| sums.sum(group)).collect();
                wraps.extend(totals.iter().map(|total| total.wraps));
                let values: Vec<i256> = totals.iter().map(|total| total.low).collect();
                Arc::new(
                    Decimal256Array::new(values.into(), Some(nulls))
                        .with_precision_and_scale(76, self.scale)?,
                )
            }
            Sums::Doubles(sums) => {
                let mut builder = BinaryBuilder::new();
                for group in 0..n {
                    match self.counts[group] {
                        0 => builder.append_null(),
                        _ => builder.append_value(sums.encode(group)),
                    }
                }
                let array: BinaryArray = builder.finish();
                Arc::new(array)
            }
        };
        let mut states = vec![
            state,
            Arc::new(Int64Array::from(self.counts[..n].to_vec())) as ArrayRef,
        ];
        if self.width == Width::Unbounded {
            states.push(Arc::new(Int64Array::from(wraps)));
        }
        Ok(states)
    }

    fn settle(&mut self) {
        if let Sums::Doubles(sums) = &mut self.sums {
            sums.settle();
        }
    }

    /// The results of the first n groups.
    fn results(&mut self, n: usize, name: &str) -> Result<ArrayRef> {
        self.settle();
        let counts = &self.counts[..n];
        let nulls = Some(NullBuffer::from_iter(
            counts.iter().map(|count| *count != 0),
        ))
        .filter(|nulls| nulls.null_count() > 0);
        let overflow = || ExactError::Overflow(name.to_string());
        Ok(match (&self.sums, &self.out) {
            (Sums::Doubles(sums), _) => {
                let value = |group: usize| match (counts[group], self.kind) {
                    (0, _) => 0.0,
                    (_, Kind::Sum) => sums.sum(group),
                    (count, Kind::Avg) => sums.mean(group, count.unsigned_abs()),
                };
                let values: Vec<f64> = (0..n).map(value).collect();
                Arc::new(Float64Array::new(values.into(), nulls))
            }
            (Sums::Decimals(sums), DataType::Int64) => {
                let mut values = Vec::with_capacity(n);
                for (group, count) in counts.iter().enumerate() {
                    let sum = sums
                        .sum(group)
                        .exact()
                        .and_then(i256::to_i128)
                        .and_then(|sum| i64::try_from(sum).ok());
                    values.push(if *count == 0 {
                        0
                    } else {
                        sum.ok_or_else(overflow)?
                    });
                }
                Arc::new(Int64Array::new(values.into(), nulls))
            }
            (Sums::Decimals(sums), DataType::Decimal128(p, s))
                if self.width == Width::Narrow && sums.high.is_empty() =>
            {
                let k = i32::from(*s) - i32::from(self.scale);
                let factor = usize::try_from(k).ok().and_then(|k| POWERS.get(k));
                let mut values = Vec::with_capacity(n);
                for (sum, count) in sums.low.iter().zip(counts) {
                    let value = match (count, self.kind) {
                        (0, _) => Some(0),
                        (_, Kind::Sum) => Some(*sum),
                        (count, Kind::Avg) => {
                            let rest = Rest::Round(self.rounding);
                            match factor.and_then(|factor| sum.checked_mul(*factor)) {
                                Some(scaled) => Some(divide(scaled, i128::from(*count), rest)),
                                None => divide_wide(
                                    i256::from_i128(*sum),
                                    k,
                                    i256::from_i128(i128::from(*count)),
                                    rest,
                                )
                                .and_then(i256::to_i128),
                            }
                        }
                    };
                    values.push(value.filter(|v| fits(*v, *p)).ok_or_else(overflow)?);
                }
                Arc::new(
                    Decimal128Array::new(values.into(), nulls).with_precision_and_scale(*p, *s)?,
                )
            }
            (Sums::Decimals(sums), DataType::Decimal128(p, s) | DataType::Decimal256(p, s)) => {
                let mut values = Vec::with_capacity(n);
                for (group, count) in counts.iter().enumerate() {
                    let value = match (count, self.kind, sums.sum(group).exact()) {
                        (0, _, _) => Some(i256::ZERO),
                        (_, _, None) => None,
                        (_, Kind::Sum, exact) => exact,
                        (count, Kind::Avg, Some(exact)) => {
                            let k = i32::from(*s) - i32::from(self.scale);
                            divide_wide(
                                exact,
                                k,
                                i256::from_i128(i128::from(*count)),
                                Rest::Round(self.rounding),
                            )
                        }
                    };
                    values.push(value.ok_or_else(overflow)?);
                }
                if let DataType::Decimal256(..) = self.out {
                    if values.iter().any(|v| !crate::numbers::fits_wide(*v, *p)) {
                        return Err(overflow().into());
                    }
                    return Ok(Arc::new(
                        Decimal256Array::new(values.into(), nulls)
                            .with_precision_and_scale(*p, *s)?,
                    ));
                }
                let mut narrow = Vec::with_capacity(n);
                for value in values {
                    narrow.push(
                        value
                            .to_i128()
                            .filter(|v| fits(*v, *p))
                            .ok_or_else(overflow)?,
                    );
                }
                Arc::new(
                    Decimal128Array::new(narrow.into(), nulls).with_precision_and_scale(*p, *s)?,
                )
            }
            (_, other) => {
                return Err(
                    ExactError::Internal(format!("an aggregate that gives {other}")).into(),
                );
            }
        })
    }

    fn drop_first(&mut self, n: usize) {
        self.counts.drain(..n);
        match &mut self.sums {
            Sums::Decimals(sums) => {
                sums.low.drain(..n);
                shift_keys(&mut sums.high, n);
            }
            Sums::Doubles(sums) => sums.drop_first(n),
        }
        // A grouping that spilled has the room again.
        if self.counts.is_empty() {
            self.counts.shrink_to_fit();
            match &mut self.sums {
                Sums::Decimals(sums) => *sums = DecimalSums::default(),
                Sums::Doubles(sums) => *sums = DoubleSums::default(),
            }
        }
    }

    fn size(&self) -> usize {
        let sums = match &self.sums {
            Sums::Decimals(sums) => {
                sums.low.capacity() * size_of::<i128>()
                    + sums.high.capacity() * size_of::<(usize, Wide)>()
            }
            Sums::Doubles(sums) => sums.size(),
        };
        size_of::<Self>() + sums + self.counts.capacity() * size_of::<i64>()
    }
}

fn argument_of(values: &[ArrayRef]) -> Result<&ArrayRef> {
    values
        .first()
        .ok_or_else(|| ExactError::Internal("an aggregate without an argument".into()).into())
}

/// One group, also for sliding windows.
#[derive(Debug)]
struct One {
    totals: Totals,
    name: String,
}

impl Accumulator for One {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.totals.update(argument_of(values)?, None, false, |_| 0)
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.totals.update(argument_of(values)?, None, true, |_| 0)
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        ScalarValue::try_from_array(&self.totals.results(1, &self.name)?, 0)
    }

    fn size(&self) -> usize {
        self.totals.size()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        self.totals
            .states(1)?
            .iter()
            .map(|state| ScalarValue::try_from_array(state, 0))
            .collect()
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.totals.merge(states, |_| 0)
    }
}

/// Many groups.
pub(crate) struct GroupedTotals {
    totals: Totals,
    name: String,
}

impl GroupedTotals {
    /// Adds values without counting rows, for whoever counts the rows of groups once for all their sums: only nulls are taken off.
    pub(crate) fn add_uncounted(
        &mut self,
        array: &ArrayRef,
        groups: &[usize],
        total: usize,
    ) -> Result<()> {
        self.totals.resize(total);
        if array.null_count() == 0 {
            return self.totals.add_values(array, groups);
        }
        self.totals.update(array, None, false, |row| groups[row])?;
        for group in groups {
            self.totals.counts[*group] -= 1;
        }
        Ok(())
    }

    /// Adds the rows of the groups to their counts.
    pub(crate) fn count(&mut self, rows: &[i64]) {
        self.totals.resize(rows.len());
        for (count, rows) in self.totals.counts.iter_mut().zip(rows) {
            *count += rows;
        }
    }

    /// Takes in the sums of other rows, whose groups have these numbers here.
    pub(crate) fn absorb(&mut self, mut other: GroupedTotals, groups: &[usize], total: usize) {
        let (here, there) = (&mut self.totals, &mut other.totals);
        here.resize(total);
        here.settle();
        there.settle();
        for (group, (at, count)) in groups.iter().zip(there.counts.iter().enumerate()) {
            here.counts[*group] += count;
            match (&mut here.sums, &there.sums) {
                (Sums::Decimals(sums), Sums::Decimals(others)) => sums.absorb(*group, others, at),
                (Sums::Doubles(sums), Sums::Doubles(others)) => sums.absorb(*group, others, at),
                _ => {}
            }
        }
    }

    fn emitted(&self, emit_to: EmitTo) -> usize {
        match emit_to {
            EmitTo::All => self.totals.counts.len(),
            EmitTo::First(n) => n,
        }
    }
}

impl GroupsAccumulator for GroupedTotals {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        total: usize,
    ) -> Result<()> {
        self.totals.resize(total);
        let array = argument_of(values)?;
        if filter.is_none() && array.null_count() == 0 {
            return self.totals.add(array, groups);
        }
        self.totals.update(array, filter, false, |row| groups[row])
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let n = self.emitted(emit_to);
        let results = self.totals.results(n, &self.name)?;
        self.totals.drop_first(n);
        Ok(results)
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let n = self.emitted(emit_to);
        let states = self.totals.states(n)?;
        self.totals.drop_first(n);
        Ok(states)
    }

    fn merge_batch(&mut self, states: &[ArrayRef], groups: &[usize], total: usize) -> Result<()> {
        self.totals.resize(total);
        self.totals.merge(states, |row| groups[row])
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        let array = argument_of(values)?;
        let sums = match self.totals.sums {
            Sums::Decimals(_) => Sums::Decimals(DecimalSums::default()),
            Sums::Doubles(_) => Sums::Doubles(DoubleSums::default()),
        };
        let mut each = Totals {
            sums,
            counts: Vec::new(),
            out: self.totals.out.clone(),
            ..self.totals
        };
        each.resize(array.len());
        each.update(array, filter, false, |row| row)?;
        each.states(array.len())
    }

    fn size(&self) -> usize {
        self.totals.size()
    }
}

/// `sum(distinct x)`, `avg(distinct x)`: the values, each with how often it is there, then their exact sum.
#[derive(Debug)]
struct Distinct {
    seen: HashMap<ScalarValue, u64>,
    input: DataType,
    function: Exact,
    out: DataType,
    name: String,
}

impl Distinct {
    fn each(array: &ArrayRef, mut f: impl FnMut(ScalarValue)) -> Result<()> {
        for row in 0..array.len() {
            if array.is_valid(row) {
                f(match ScalarValue::try_from_array(array, row)? {
                    ScalarValue::Float64(Some(x)) => {
                        ScalarValue::Float64(Some(crate::numbers::canonical(x)))
                    }
                    value => value,
                });
            }
        }
        Ok(())
    }

    fn add(&mut self, array: &ArrayRef) -> Result<()> {
        Distinct::each(array, |value| *self.seen.entry(value).or_default() += 1)
    }
}

impl Accumulator for Distinct {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.add(&argument_of(values)?.clone())
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        Distinct::each(argument_of(values)?, |value| {
            if let Entry::Occupied(mut known) = self.seen.entry(value) {
                *known.get_mut() -= 1;
                if *known.get() == 0 {
                    known.remove();
                }
            }
        })
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let mut totals = self.function.totals(&self.input, &self.out)?;
        totals.resize(1);
        if !self.seen.is_empty() {
            let array = ScalarValue::iter_to_array(self.seen.keys().cloned())?;
            totals.update(&array, None, false, |_| 0)?;
        }
        ScalarValue::try_from_array(&totals.results(1, &self.name)?, 0)
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.seen.capacity() * (size_of::<(ScalarValue, u64)>() + 8)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let values: Vec<ScalarValue> = self.seen.keys().cloned().collect();
        Ok(vec![ScalarValue::List(ScalarValue::new_list_nullable(
            &values,
            &self.input,
        ))])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for list in argument_of(states)?
            .clone()
            .as_list::<i32>()
            .iter()
            .flatten()
        {
            self.add(&list)?;
        }
        Ok(())
    }
}
