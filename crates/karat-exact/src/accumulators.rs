//! karat's aggregates beyond sum and avg as DataFusion sees them: names, types, and one store of all groups behind each kind of
//! accumulator. What they compute is in [`crate::moments`], [`crate::ranks`] and [`crate::choices`].

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::fmt::Debug;
use std::hash::Hash;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray};
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::expr::{AggregateFunctionParams, WindowFunctionParams};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::{AggregateOrderSensitivity, format_state_name};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, EmitTo, GroupsAccumulator, Signature, Volatility,
    udaf_default_display_name, udaf_default_human_display, udaf_default_schema_name,
    udaf_default_window_function_display_name, udaf_default_window_function_schema_name,
};
use datafusion::physical_expr::expressions::Literal;

use crate::checked::type_error;
use crate::choices::Choice;
use crate::error::ExactError;
use crate::moments::Moment;
use crate::numbers::Rounding;
use crate::ranks::Rank;

/// The aggregates of this file.
pub(crate) fn functions(rounding: Rounding) -> Vec<Arc<AggregateUDF>> {
    all()
        .map(|function| Arc::new(AggregateUDF::new_from_impl(Own::new(function, rounding))))
        .collect()
}

fn all() -> impl Iterator<Item = Function> {
    let moments = Moment::ALL.into_iter().map(Function::Moment);
    let ranks = Rank::ALL.into_iter().map(Function::Rank);
    let choices = Choice::ALL.into_iter().map(Function::Choice);
    moments.chain(ranks).chain(choices)
}

/// Whether an aggregate of this file gives a value for any rows: a double, or one of the values that it was given.
pub(crate) fn never_fails(name: &str) -> bool {
    all().any(|function| {
        function.name() == name
            && match function {
                Function::Moment(_) | Function::Choice(_) => true,
                // Between decimals of 76 digits there may be one that does not fit.
                Function::Rank(rank) => !rank.interpolates(),
            }
    })
}

/// What an aggregate computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Function {
    Moment(Moment),
    Rank(Rank),
    Choice(Choice),
}

impl Function {
    fn name(self) -> &'static str {
        match self {
            Function::Moment(moment) => moment.name(),
            Function::Rank(rank) => rank.name(),
            Function::Choice(choice) => choice.name(),
        }
    }

    fn aliases(self) -> &'static [&'static str] {
        match self {
            Function::Moment(moment) => moment.aliases(),
            Function::Rank(rank) => rank.aliases(),
            Function::Choice(choice) => choice.aliases(),
        }
    }

    /// The name in SQL.
    pub(crate) fn sql_name(self) -> &'static str {
        self.name()
            .strip_prefix("karat_")
            .unwrap_or_else(|| self.name())
    }

    /// The types that the arguments are brought to, without loss.
    fn arguments(self, types: &[DataType]) -> Result<Vec<DataType>> {
        match self {
            Function::Moment(moment) => moment.arguments(types),
            Function::Rank(rank) => rank.arguments(types),
            Function::Choice(choice) => choice.arguments(types),
        }
    }

    /// The result type of arguments as they are written.
    pub(crate) fn result(self, types: &[DataType]) -> Result<DataType> {
        let types = self.arguments(types)?;
        match self {
            Function::Moment(moment) => Ok(moment.result()),
            Function::Rank(rank) => rank.result(&types[0]),
            Function::Choice(_) => Ok(types[0].clone()),
        }
    }

    fn state(self, types: &[DataType]) -> Vec<DataType> {
        let list = |item: &DataType| DataType::new_list(item.clone(), true);
        match self {
            Function::Moment(_) => vec![DataType::Binary],
            Function::Rank(_) => types.first().map(list).into_iter().collect(),
            Function::Choice(_) => types
                .iter()
                .cloned()
                .chain(std::iter::once(DataType::Boolean))
                .collect(),
        }
    }

    fn store(self, call: &Call) -> Result<Box<dyn Store>> {
        match self {
            Function::Moment(moment) => moment.store(call),
            Function::Rank(rank) => rank.store(call),
            Function::Choice(choice) => choice.store(call),
        }
    }
}

/// How often the wrong number of arguments is the mistake, in one message.
pub(crate) fn expect_arguments(name: &str, wanted: usize, types: &[DataType]) -> Result<()> {
    if types.len() == wanted {
        return Ok(());
    }
    let s = if wanted == 1 { "" } else { "s" };
    Err(type_error(
        format!("`{name}` takes {wanted} argument{s}, not {}", types.len()),
        None,
    ))
}

/// One call of an aggregate: what a store needs to know.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// The types of the arguments.
    pub(crate) types: Vec<DataType>,
    /// The result's type.
    pub(crate) out: DataType,
    /// The arguments that are literals.
    pub(crate) literals: Vec<Option<ScalarValue>>,
    /// Whether WITHIN GROUP orders downwards.
    pub(crate) descending: bool,
    pub(crate) rounding: Rounding,
    /// Whether rows will be taken away again.
    pub(crate) sliding: bool,
    /// As the author wrote it.
    pub(crate) text: String,
}

/// Which group each row of a batch belongs to.
#[derive(Clone, Copy)]
pub(crate) enum GroupOf<'a> {
    One,
    Each(&'a [usize]),
    /// Every row is a group of its own.
    Row,
}

impl GroupOf<'_> {
    #[inline]
    pub(crate) fn row(self, row: usize) -> usize {
        match self {
            GroupOf::One => 0,
            GroupOf::Each(groups) => groups[row],
            GroupOf::Row => row,
        }
    }
}

/// The states of all groups of one aggregate.
pub(crate) trait Store: Debug + Send + Sync {
    fn groups(&self) -> usize;
    fn resize(&mut self, groups: usize);
    /// Adds rows to their groups.
    fn update(
        &mut self,
        arrays: &[ArrayRef],
        filter: Option<&BooleanArray>,
        groups: GroupOf,
    ) -> Result<()>;
    /// Takes away the rows that were added first.
    fn retract(&mut self, arrays: &[ArrayRef]) -> Result<()>;
    fn retracts(&self) -> bool {
        true
    }
    fn merge(&mut self, states: &[ArrayRef], groups: GroupOf) -> Result<()>;
    /// The states of the first n groups, which are forgotten next and may be gone.
    fn states(&mut self, n: usize) -> Result<Vec<ArrayRef>>;
    /// The results of the first n groups, which stay: windows ask again and again.
    fn results(&mut self, n: usize) -> Result<ArrayRef>;
    /// Forgets the first n groups; the others move down.
    fn drop_first(&mut self, n: usize);
    fn size(&self) -> usize;
    /// The same without groups.
    fn empty(&self) -> Box<dyn Store>;
}

/// Rows that are chosen by the filter and have no null in any of the arrays; `None`: all.
pub(crate) fn chosen(arrays: &[ArrayRef], filter: Option<&BooleanArray>) -> Option<BooleanBuffer> {
    let mut chosen = filter.map(|filter| match filter.nulls() {
        Some(nulls) => filter.values() & nulls.inner(),
        None => filter.values().clone(),
    });
    for array in arrays {
        if let Some(nulls) = array.logical_nulls().filter(|nulls| nulls.null_count() > 0) {
            chosen = Some(match chosen {
                Some(chosen) => &chosen & nulls.inner(),
                None => nulls.inner().clone(),
            });
        }
    }
    chosen
}

/// Calls `f` with each chosen row.
#[inline]
pub(crate) fn each_row(rows: usize, chosen: Option<&BooleanBuffer>, mut f: impl FnMut(usize)) {
    match chosen {
        None => (0..rows).for_each(f),
        Some(chosen) => chosen.set_indices().for_each(&mut f),
    }
}

pub(crate) fn broken_state(name: &str) -> ExactError {
    ExactError::Internal(format!("the state of `{name}` is broken"))
}

/// An aggregate of karat's own.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Own {
    function: Function,
    rounding: Rounding,
    signature: Signature,
    aliases: Vec<String>,
}

impl Own {
    fn new(function: Function, rounding: Rounding) -> Own {
        Own {
            function,
            rounding,
            signature: Signature::user_defined(Volatility::Immutable),
            aliases: function.aliases().iter().map(ToString::to_string).collect(),
        }
    }

    fn renamed(&self, text: Result<String>) -> Result<String> {
        text.map(|text| match text.strip_prefix(self.name()) {
            Some(rest) => format!("{}{rest}", self.function.sql_name()),
            None => text,
        })
    }

    fn call(&self, args: &AccumulatorArgs) -> Call {
        let types = args.expr_fields.iter().map(|f| f.data_type().clone());
        let literal = |expr: &Arc<dyn datafusion::physical_plan::PhysicalExpr>| {
            let expr = expr.as_ref() as &dyn std::any::Any;
            expr.downcast_ref::<Literal>().map(|l| l.value().clone())
        };
        Call {
            types: types.collect(),
            out: args.return_field.data_type().clone(),
            literals: args.exprs.iter().map(literal).collect(),
            descending: args
                .order_bys
                .first()
                .is_some_and(|sort| sort.options.descending),
            rounding: self.rounding,
            sliding: false,
            text: args.name.replace(self.name(), self.function.sql_name()),
        }
    }
}

impl AggregateUDFImpl for Own {
    fn name(&self) -> &str {
        self.function.name()
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
        self.function.arguments(types)
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.function.result(types)
    }

    fn default_value(&self, data_type: &DataType) -> Result<ScalarValue> {
        match self.function {
            Function::Moment(Moment::RegrCount) => Ok(ScalarValue::Int64(Some(0))),
            _ => ScalarValue::try_from(data_type),
        }
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }

    fn supports_within_group_clause(&self) -> bool {
        matches!(self.function, Function::Rank(_))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let types: Vec<DataType> = args
            .input_fields
            .iter()
            .map(|f| f.data_type().clone())
            .collect();
        let states = if args.is_distinct {
            types
                .iter()
                .map(|t| DataType::new_list(t.clone(), true))
                .collect()
        } else {
            self.function.state(&types)
        };
        let field = |(index, data_type): (usize, DataType)| {
            let name = format_state_name(args.name, &format!("state{index}"));
            Arc::new(Field::new(name, data_type, true))
        };
        Ok(states.into_iter().enumerate().map(field).collect())
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let call = self.call(&args);
        let mut store = self.function.store(&call)?;
        if args.is_distinct {
            return Ok(Box::new(Distinct {
                seen: HashMap::new(),
                heap: 0,
                types: call.types,
                store,
            }));
        }
        store.resize(1);
        Ok(Box::new(One { store }))
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        if args.is_distinct {
            return self.accumulator(args);
        }
        let call = Call {
            sliding: true,
            ..self.call(&args)
        };
        let mut store = self.function.store(&call)?;
        if store.retracts() {
            store.resize(1);
            return Ok(Box::new(One { store }));
        }
        Ok(Box::new(Sliding {
            store,
            rows: VecDeque::new(),
        }))
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs) -> bool {
        !args.is_distinct
    }

    fn create_groups_accumulator(
        &self,
        args: AccumulatorArgs,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        let store = self.function.store(&self.call(&args))?;
        Ok(Box::new(Groups { store }))
    }
}

/// One group, also for sliding windows.
#[derive(Debug)]
pub(crate) struct One {
    store: Box<dyn Store>,
}

impl One {
    pub(crate) fn new(store: Box<dyn Store>) -> One {
        One { store }
    }
}

fn scalars(arrays: &[ArrayRef]) -> Result<Vec<ScalarValue>> {
    arrays
        .iter()
        .map(|array| ScalarValue::try_from_array(array, 0))
        .collect()
}

impl Accumulator for One {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.store.update(values, None, GroupOf::One)
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.store.retract(values)
    }

    fn supports_retract_batch(&self) -> bool {
        self.store.retracts()
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        ScalarValue::try_from_array(&self.store.results(1)?, 0)
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.store.size()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        scalars(&self.store.states(1)?)
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.store.merge(states, GroupOf::One)
    }
}

/// A frame that slides over an aggregate that can take nothing away: its rows are kept and asked anew.
#[derive(Debug)]
struct Sliding {
    store: Box<dyn Store>,
    rows: VecDeque<Vec<ArrayRef>>,
}

impl Sliding {
    fn whole(&self) -> Result<Box<dyn Store>> {
        let mut store = self.store.empty();
        store.resize(1);
        for arrays in &self.rows {
            store.update(arrays, None, GroupOf::One)?;
        }
        Ok(store)
    }
}

impl Accumulator for Sliding {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.rows.push_back(values.to_vec());
        Ok(())
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let mut gone = values.first().map_or(0, |array| array.len());
        while let Some(first) = self.rows.front_mut() {
            let rows = first.first().map_or(0, |array| array.len());
            if rows > gone {
                for array in first {
                    *array = array.slice(gone, rows - gone);
                }
                break;
            }
            gone -= rows;
            self.rows.pop_front();
        }
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        ScalarValue::try_from_array(&self.whole()?.results(1)?, 0)
    }

    fn size(&self) -> usize {
        let arrays = self.rows.iter().flatten();
        size_of::<Self>()
            + arrays
                .map(|array| array.get_array_memory_size())
                .sum::<usize>()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        scalars(&self.whole()?.states(1)?)
    }

    fn merge_batch(&mut self, _: &[ArrayRef]) -> Result<()> {
        Err(ExactError::Internal("a frame that slides is merged".into()).into())
    }
}

/// Many groups.
pub(crate) struct Groups {
    store: Box<dyn Store>,
}

impl Groups {
    pub(crate) fn new(store: Box<dyn Store>) -> Groups {
        Groups { store }
    }

    fn emitted(&self, emit_to: EmitTo) -> usize {
        match emit_to {
            EmitTo::All => self.store.groups(),
            EmitTo::First(n) => n,
        }
    }

    /// Forgets groups that are given away; with all of them gone the room that they had, so that a grouping that spilled has it again.
    fn forget(&mut self, n: usize) {
        if n == self.store.groups() {
            self.store = self.store.empty();
        } else {
            self.store.drop_first(n);
        }
    }
}

impl GroupsAccumulator for Groups {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        total: usize,
    ) -> Result<()> {
        self.store.resize(total);
        self.store.update(values, filter, GroupOf::Each(groups))
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let n = self.emitted(emit_to);
        let results = self.store.results(n)?;
        self.forget(n);
        Ok(results)
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let n = self.emitted(emit_to);
        let states = self.store.states(n)?;
        self.forget(n);
        Ok(states)
    }

    fn merge_batch(&mut self, states: &[ArrayRef], groups: &[usize], total: usize) -> Result<()> {
        self.store.resize(total);
        self.store.merge(states, GroupOf::Each(groups))
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        let rows = values.first().map_or(0, |array| array.len());
        let mut each = self.store.empty();
        each.resize(rows);
        each.update(values, filter, GroupOf::Row)?;
        each.states(rows)
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.store.size()
    }
}

/// Each row of arguments once, with how often it is there, then the aggregate of those.
#[derive(Debug)]
struct Distinct {
    seen: HashMap<Vec<ScalarValue>, u64>,
    /// What the values hold beside themselves.
    heap: usize,
    types: Vec<DataType>,
    store: Box<dyn Store>,
}

impl Distinct {
    fn each(arrays: &[ArrayRef], mut f: impl FnMut(Vec<ScalarValue>)) -> Result<()> {
        let chosen = chosen(&arrays[..1], None);
        let rows = arrays.first().map_or(0, |array| array.len());
        for row in 0..rows {
            if chosen.as_ref().is_some_and(|chosen| !chosen.value(row)) {
                continue;
            }
            let values = arrays.iter().map(|array| {
                Ok(match ScalarValue::try_from_array(array, row)? {
                    ScalarValue::Float64(Some(x)) => {
                        ScalarValue::Float64(Some(crate::numbers::canonical(x)))
                    }
                    value => value,
                })
            });
            f(values.collect::<Result<Vec<ScalarValue>>>()?);
        }
        Ok(())
    }

    fn add(&mut self, arrays: &[ArrayRef]) -> Result<()> {
        let (seen, heap) = (&mut self.seen, &mut self.heap);
        Distinct::each(arrays, |values| {
            let size: usize = values.iter().map(ScalarValue::size).sum();
            let count = seen.entry(values).or_default();
            if *count == 0 {
                *heap += size;
            }
            *count += 1;
        })
    }

    fn columns(&self) -> Result<Vec<ArrayRef>> {
        let column = |index: usize| {
            let values = self.seen.keys().map(|row| row[index].clone());
            match self.seen.is_empty() {
                true => Ok(arrow::array::new_empty_array(&self.types[index])),
                false => ScalarValue::iter_to_array(values),
            }
        };
        (0..self.types.len()).map(column).collect()
    }
}

impl Accumulator for Distinct {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.add(values)
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let (seen, heap) = (&mut self.seen, &mut self.heap);
        Distinct::each(values, |values| {
            let size: usize = values.iter().map(ScalarValue::size).sum();
            if let Entry::Occupied(mut known) = seen.entry(values) {
                *known.get_mut() -= 1;
                if *known.get() == 0 {
                    known.remove();
                    *heap = heap.saturating_sub(size);
                }
            }
        })
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let mut store = self.store.empty();
        store.resize(1);
        store.update(&self.columns()?, None, GroupOf::One)?;
        ScalarValue::try_from_array(&store.results(1)?, 0)
    }

    fn size(&self) -> usize {
        size_of::<Self>()
            + self.seen.capacity() * (size_of::<(Vec<ScalarValue>, u64)>() + 8)
            + self.heap
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let lists = self.columns()?.into_iter().map(|column| {
            let list = datafusion::common::utils::SingleRowListArrayBuilder::new(column);
            list.build_list_scalar()
        });
        Ok(lists.collect())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let rows = states.first().map_or(0, |state| state.len());
        for row in 0..rows {
            let lists: Vec<ArrayRef> = states
                .iter()
                .filter(|state| state.is_valid(row))
                .map(|state| state.as_list::<i32>().value(row))
                .collect();
            if lists.len() == states.len() {
                self.add(&lists)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Engine, EngineConfig};
    use crate::memory;
    use crate::tables::{CATALOG, SCHEMA};
    use arrow::array::{
        Decimal128Array, Float64Array, Int64Array, RecordBatch, StringArray, UInt32Array,
    };
    use arrow::compute::take_record_batch;
    use arrow::util::pretty::pretty_format_batches;
    use datafusion::catalog::{
        CatalogProvider, MemoryCatalogProvider, MemorySchemaProvider, SchemaProvider,
    };
    use datafusion::datasource::MemTable;
    use datafusion::physical_plan::collect;
    use datafusion::prelude::SessionContext;

    const AGGREGATES: &str = "count(*), sum(f), avg(d), min(f), max(x), var_samp(f), var_pop(d), stddev(n), stddev_pop(f), covar(f, d), \
        covar_pop(n, f), corr(f, d), corr(d, d), regr_slope(d, n), regr_intercept(f, n), regr_r2(d, f), regr_count(d, f), \
        regr_avgx(d, f), regr_avgy(d, f), regr_sxx(n, d), regr_syy(n, d), regr_sxy(n, f), median(f), median(d), \
        percentile_cont(n, 0.3), percentile_disc(x, 0.7), percentile_disc(0.25) within group (order by f desc), mode(x), mode(n), \
        array_agg(n order by n desc nulls first), string_agg(x, '+' order by d, x), array_agg(x order by x) filter (where n > 0), \
        any_value(x), min_by(x, n), max_by(x, f), bit_and(n), bit_or(n), bit_xor(n), \
        median(n) filter (where n > 0), var_pop(f) filter (where x > 'b')";
    const DISTINCT: &str = "sum(distinct n), avg(distinct d), count(distinct x), var_samp(distinct f), median(distinct n)";

    /// Rows with many ties, in a pseudo-random order.
    fn table(rows: u64, groups: u64) -> RecordBatch {
        let mut state = 1u64;
        let mut next = |below: u64| {
            state = state
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            (state >> 33) % below
        };
        let (mut k, mut n, mut d, mut f, mut x) = (vec![], vec![], vec![], vec![], vec![]);
        for _ in 0..rows {
            k.push(next(groups) as i64);
            n.push((next(10) != 0).then(|| next(50) as i64 - 20));
            d.push((next(10) != 0).then(|| {
                i128::from(next(1 << 31))
                    * if next(2) == 0 {
                        1
                    } else {
                        -i128::from(next(1 << 31)) << 60
                    }
            }));
            let double = f64::from_bits(next(1 << 31) << 32 | next(1 << 31));
            f.push((next(10) != 0).then(|| {
                if next(3) == 0 {
                    double
                } else {
                    next(100) as f64 / 8.0
                }
            }));
            x.push((next(10) != 0).then(|| ["a", "b", "cc", "d"][next(4) as usize]));
        }
        let d = Decimal128Array::from(d)
            .with_precision_and_scale(38, 9)
            .expect("a decimal");
        RecordBatch::try_from_iter_with_nullable([
            ("k", Arc::new(Int64Array::from(k)) as ArrayRef, true),
            ("n", Arc::new(Int64Array::from(n)) as ArrayRef, true),
            ("d", Arc::new(d) as ArrayRef, true),
            ("f", Arc::new(Float64Array::from(f)) as ArrayRef, true),
            ("x", Arc::new(StringArray::from(x)) as ArrayRef, true),
        ])
        .expect("a batch")
    }

    /// The answer to a query over rows laid out in files and batches.
    fn answer(
        sql: &str,
        parts: Vec<Vec<RecordBatch>>,
        batch: usize,
        memory: Option<usize>,
    ) -> String {
        let spill = tempfile::tempdir().expect("a folder");
        let engine = Engine::new(EngineConfig {
            threads: parts.len(),
            memory_bytes: memory,
            spill_dir: spill.path().to_path_buf(),
            logical_time_us: 0,
            timezone: "UTC".to_string(),
            rounding: Rounding::HalfAwayFromZero,
            batch_rows: batch,
        })
        .expect("an engine");
        let context = SessionContext::new_with_state(engine.state.clone());
        let table = MemTable::try_new(parts[0][0].schema(), parts).expect("a table");
        let schema = MemorySchemaProvider::new();
        schema
            .register_table("t".to_string(), Arc::new(table))
            .expect("registers");
        let catalog = MemoryCatalogProvider::new();
        catalog
            .register_schema(SCHEMA, Arc::new(schema))
            .expect("registers");
        context.register_catalog(CATALOG, Arc::new(catalog));
        let tasks = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime");
        let batches = tasks
            .block_on(async {
                let (state, plan) = context.sql(sql).await?.into_parts();
                // As the engine runs it: rows in the order that was asked for.
                collect(memory::physical(&state, &plan).await?, state.task_ctx()).await
            })
            .expect("an answer");
        pretty_format_batches(&batches).expect("a text").to_string()
    }

    /// The same rows in another order, cut into partitions and batches.
    fn laid_out(
        all: &RecordBatch,
        stride: u32,
        parts: usize,
        batch: usize,
    ) -> Vec<Vec<RecordBatch>> {
        let rows = all.num_rows() as u32;
        let order: UInt32Array = (0..rows)
            .map(|row| (row.wrapping_mul(stride)) % rows)
            .collect();
        let mixed = take_record_batch(all, &order).expect("all rows");
        let cut = |part: usize| {
            let (from, to) = (
                part * rows as usize / parts,
                (part + 1) * rows as usize / parts,
            );
            (from..to)
                .step_by(batch)
                .map(|at| mixed.slice(at, batch.min(to - at)))
                .collect()
        };
        (0..parts).map(cut).collect()
    }

    #[test]
    fn partitions_batches_and_the_order_of_rows_do_not_show() {
        let all = table(211, 5);
        for sql in [
            format!("select k, {AGGREGATES}, {DISTINCT} from t group by k order by k"),
            format!("select {AGGREGATES}, {DISTINCT} from t"),
            format!(
                "select k, x, {AGGREGATES} from t group by grouping sets ((k), (x), ()) order by k, x, count(*)"
            ),
        ] {
            let first = answer(&sql, laid_out(&all, 1, 1, 8192), 8192, None);
            for (stride, parts, batch) in [(3, 1, 1), (7, 2, 50), (11, 8, 7), (13, 3, 8192)] {
                let other = answer(&sql, laid_out(&all, stride, parts, batch), batch, None);
                assert!(
                    other == first,
                    "{stride} {parts} {batch}: {sql}\n{other}\n{first}"
                );
            }
        }
    }

    #[test]
    fn states_that_are_spilled_and_merged_give_the_same() {
        let all = table(20_000, 6_000);
        let sql = "select * from (select k, var_pop(f) as v, covar_pop(n, d) as c, median(f) as m, percentile_cont(d, 0.3) as p, \
            percentile_disc(x, 0.5) as q, mode(x) as o, string_agg(x, '+' order by n, x) as t, max_by(n, x) as b, sum(f) as s from t group by k) where m > 12";
        // A sort would want more memory than there is.
        let sorted = |text: String| {
            let mut lines: Vec<&str> = text.lines().collect();
            lines.sort_unstable();
            lines.join("\n")
        };
        let first = sorted(answer(sql, laid_out(&all, 1, 1, 8192), 8192, None));
        let limited = |sql: &str| answer(sql, laid_out(&all, 7, 2, 1000), 1000, Some(6_000_000));
        let spilled = limited(&format!("explain analyze {sql}"))
            .split("spill_count=")
            .any(|rest| rest.starts_with(|c: char| ('1'..='9').contains(&c)));
        assert!(spilled, "the memory is enough");
        let other = sorted(limited(sql));
        assert!(other == first, "{other}\n{first}");
    }
}
