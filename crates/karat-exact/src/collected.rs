//! `array_agg` and `string_agg` in an order: the rows of all groups in one buffer, as bytes that sort as the order does, sorted once at the
//! end. DataFusion keeps an accumulator for each group, and asks for sorted input on top.
//!
//! Without an order, or with `distinct`, its own accumulators do the work.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, LargeBinaryBuilder, LargeStringBuilder, ListArray,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute::{cast, concat};
use arrow::datatypes::{DataType, Field, FieldRef};
use arrow::row::{RowConverter, SortField};
use datafusion::common::Result;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::{AggregateOrderSensitivity, format_state_name};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, GroupsAccumulator, ReversedUDAF, Signature,
};
use datafusion::physical_expr::expressions::Literal;

use crate::accumulators::{GroupOf, Groups, One, Store, broken_state, each_row};
use crate::error::ExactError;

/// Rows that are decoded together.
const PIECE: usize = 1 << 16;

/// DataFusion's `array_agg` or `string_agg`, with another way to collect in an order.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Collected {
    pub(crate) inner: AggregateUDF,
}

impl Collected {
    /// The rows of many groups, if there is an order that bytes can have.
    fn store(&self, args: &AccumulatorArgs) -> Result<Option<Rows>> {
        if args.is_distinct || args.order_bys.is_empty() {
            return Ok(None);
        }
        let Some(value) = args.expr_fields.first() else {
            return Ok(None);
        };
        let arguments = args.exprs.len();
        let mut columns: Vec<usize> = (arguments..arguments + args.order_bys.len()).collect();
        let mut fields = Vec::new();
        for sort in args.order_bys {
            let data_type = sort.expr.data_type(args.schema)?;
            fields.push(SortField::new_with_options(data_type, sort.options));
        }
        let in_order = |sort: &datafusion::physical_expr::PhysicalSortExpr| {
            args.exprs.first().is_some_and(|expr| sort.expr.eq(expr))
        };
        let value_at = args.order_bys.iter().position(in_order);
        let value_at = value_at.unwrap_or_else(|| {
            columns.push(0);
            fields.push(SortField::new(value.data_type().clone()));
            fields.len() - 1
        });
        if !RowConverter::supports_fields(&fields) {
            return Ok(None);
        }
        let gives = match (self.name(), args.return_field.data_type()) {
            ("string_agg", _) => Gives::Text(separator(args)?),
            (_, DataType::List(item)) => Gives::List(item.clone()),
            _ => return Ok(None),
        };
        let skips_nulls = args.ignore_nulls || matches!(gives, Gives::Text(_));
        Ok(Some(Rows::new(Arc::new(Plan {
            converter: RowConverter::new(fields)?,
            columns,
            value_at,
            skips_nulls,
            gives,
        }))))
    }
}

fn separator(args: &AccumulatorArgs) -> Result<String> {
    let literal = args.exprs.get(1).and_then(|expr| {
        let expr = expr.as_ref() as &dyn std::any::Any;
        expr.downcast_ref::<Literal>()
    });
    let literal = literal.ok_or_else(|| {
        let hint = "for example string_agg(x, ', ')".to_owned();
        ExactError::refused(
            "the separator of `string_agg` must be a literal".into(),
            hint,
        )
    })?;
    let text = literal.value().try_as_str().flatten();
    Ok(text.unwrap_or_default().to_owned())
}

impl AggregateUDFImpl for Collected {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
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

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        // Where the order is one that bytes cannot have, this is not used.
        let sortable = args
            .ordering_fields
            .iter()
            .chain(args.input_fields.first())
            .map(|field| SortField::new(field.data_type().clone()))
            .collect::<Vec<_>>();
        if args.is_distinct
            || args.ordering_fields.is_empty()
            || !RowConverter::supports_fields(&sortable)
        {
            return self.inner.state_fields(args);
        }
        let name = format_state_name(args.name, "rows");
        Ok(vec![Arc::new(Field::new(
            name,
            DataType::LargeBinary,
            true,
        ))])
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        match self.store(&args)? {
            Some(mut store) => {
                store.resize(1);
                Ok(Box::new(One::new(Box::new(store))))
            }
            None => self.inner.accumulator(args),
        }
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        self.inner.create_sliding_accumulator(args)
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs) -> bool {
        matches!(self.store(&args), Ok(Some(_))) || self.inner.groups_accumulator_supported(args)
    }

    fn create_groups_accumulator(
        &self,
        args: AccumulatorArgs,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        match self.store(&args)? {
            Some(store) => Ok(Box::new(Groups::new(Box::new(store)))),
            None => self.inner.create_groups_accumulator(args),
        }
    }

    fn supports_null_handling_clause(&self) -> bool {
        self.inner.supports_null_handling_clause()
    }

    /// The accumulators sort by themselves; DataFusion gives the order's columns to those that input in that order would help.
    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Beneficial
    }

    fn with_beneficial_ordering(
        self: Arc<Self>,
        _: bool,
    ) -> Result<Option<Arc<dyn AggregateUDFImpl>>> {
        Ok(Some(self))
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::NotSupported
    }
}

#[derive(Debug)]
struct Plan {
    converter: RowConverter,
    /// Which of the arguments, and of the order's columns behind them, make a row.
    columns: Vec<usize>,
    /// Which of these is collected.
    value_at: usize,
    skips_nulls: bool,
    gives: Gives,
}

#[derive(Debug)]
enum Gives {
    List(FieldRef),
    /// With this between the texts.
    Text(String),
}

/// Rows as they came, with the group of each.
#[derive(Debug)]
struct Rows {
    plan: Arc<Plan>,
    bytes: Vec<u8>,
    /// Where each row ends.
    ends: Vec<usize>,
    groups: Vec<u32>,
    total: usize,
}

impl Rows {
    fn new(plan: Arc<Plan>) -> Rows {
        Rows {
            plan,
            bytes: Vec::new(),
            ends: Vec::new(),
            groups: Vec::new(),
            total: 0,
        }
    }

    fn row(&self, at: usize) -> &[u8] {
        let from = match at {
            0 => 0,
            _ => self.ends[at - 1],
        };
        &self.bytes[from..self.ends[at]]
    }

    fn push(&mut self, group: usize, row: &[u8]) {
        self.bytes.extend_from_slice(row);
        self.ends.push(self.bytes.len());
        self.groups.push(group as u32);
    }

    /// The rows of the first n groups one group after the other, and where each group ends.
    fn by_group(&self, n: usize) -> (Vec<u32>, Vec<usize>) {
        let mut starts = vec![0usize; n + 1];
        let taken = || self.groups.iter().map(|group| *group as usize).enumerate();
        for (_, group) in taken().filter(|(_, group)| *group < n) {
            starts[group + 1] += 1;
        }
        for group in 0..n {
            starts[group + 1] += starts[group];
        }
        let mut rows = vec![0u32; starts[n]];
        let mut next = starts.clone();
        for (row, group) in taken().filter(|(_, group)| *group < n) {
            rows[next[group]] = row as u32;
            next[group] += 1;
        }
        starts.remove(0);
        (rows, starts)
    }

    /// What is collected of these rows.
    fn values(&self, rows: &[u32]) -> Result<ArrayRef> {
        let converter = &self.plan.converter;
        let parser = converter.parser();
        let rows = rows.iter().map(|row| parser.parse(self.row(*row as usize)));
        let columns = converter.convert_rows(rows)?;
        let column = columns.into_iter().nth(self.plan.value_at);
        Ok(column.ok_or_else(|| broken_state("array_agg"))?)
    }

    fn lists(&self, item: &FieldRef, rows: &[u32], ends: &[usize]) -> Result<ArrayRef> {
        let mut pieces = Vec::new();
        for piece in rows.chunks(PIECE) {
            pieces.push(cast(&self.values(piece)?, item.data_type())?);
        }
        let values = match pieces.as_slice() {
            [] => arrow::array::new_empty_array(item.data_type()),
            [one] => one.clone(),
            several => {
                let several: Vec<&dyn Array> = several.iter().map(AsRef::as_ref).collect();
                concat(&several)?
            }
        };
        let lengths = lengths(ends);
        let nulls = NullBuffer::from_iter(lengths.iter().map(|length| *length > 0));
        let offsets = OffsetBuffer::from_lengths(lengths);
        let list = ListArray::try_new(item.clone(), offsets, values, Some(nulls))?;
        Ok(Arc::new(list))
    }

    fn texts(&self, separator: &str, rows: &[u32], ends: &[usize]) -> Result<ArrayRef> {
        let mut builder = LargeStringBuilder::with_capacity(ends.len(), 0);
        let (mut group, mut text) = (0, String::new());
        let mut at = 0;
        let mut finished = |group: &mut usize, text: &mut String, at: usize| {
            while *group < ends.len() && ends[*group] == at {
                let from = match *group {
                    0 => 0,
                    before => ends[before - 1],
                };
                builder.append_option((from < at).then_some(text.as_str()));
                text.clear();
                *group += 1;
            }
        };
        finished(&mut group, &mut text, 0);
        let mut starts_group = true;
        for piece in rows.chunks(PIECE) {
            let values = cast(&self.values(piece)?, &DataType::LargeUtf8)?;
            for value in values.as_string::<i64>().iter() {
                if !starts_group {
                    text.push_str(separator);
                }
                text.push_str(value.unwrap_or_default());
                at += 1;
                let before = group;
                finished(&mut group, &mut text, at);
                starts_group = group > before;
            }
        }
        Ok(Arc::new(builder.finish()))
    }
}

fn lengths(ends: &[usize]) -> Vec<usize> {
    let starts = std::iter::once(&0).chain(ends);
    starts.zip(ends).map(|(start, end)| end - start).collect()
}

impl Store for Rows {
    fn groups(&self) -> usize {
        self.total
    }

    fn resize(&mut self, groups: usize) {
        self.total = self.total.max(groups);
    }

    fn update(
        &mut self,
        arrays: &[ArrayRef],
        filter: Option<&BooleanArray>,
        groups: GroupOf,
    ) -> Result<()> {
        let plan = self.plan.clone();
        let columns = plan.columns.iter().map(|column| arrays.get(*column));
        let columns: Option<Vec<ArrayRef>> = columns.map(|column| column.cloned()).collect();
        let (Some(columns), Some(value)) = (columns, arrays.first()) else {
            return Err(broken_state("array_agg").into());
        };
        let values = match plan.skips_nulls {
            true => &arrays[..1],
            false => &[],
        };
        let chosen = crate::accumulators::chosen(values, filter);
        let rows = plan.converter.convert_columns(&columns)?;
        each_row(value.len(), chosen.as_ref(), |row| {
            self.push(groups.row(row), rows.row(row).data());
        });
        Ok(())
    }

    fn retract(&mut self, _: &[ArrayRef]) -> Result<()> {
        Err(broken_state("array_agg").into())
    }

    fn retracts(&self) -> bool {
        false
    }

    fn merge(&mut self, states: &[ArrayRef], groups: GroupOf) -> Result<()> {
        let broken = || broken_state("array_agg");
        let states = states.first().and_then(|s| s.as_binary_opt::<i64>());
        for (at, state) in states.ok_or_else(broken)?.iter().enumerate() {
            let mut rest = state.unwrap_or_default();
            while let Some((length, behind)) = rest.split_first_chunk::<4>() {
                let row = behind.split_at_checked(u32::from_le_bytes(*length) as usize);
                let (row, behind) = row.ok_or_else(broken)?;
                self.push(groups.row(at), row);
                rest = behind;
            }
        }
        Ok(())
    }

    fn states(&mut self, n: usize) -> Result<Vec<ArrayRef>> {
        let (rows, ends) = self.by_group(n);
        let mut builder = LargeBinaryBuilder::with_capacity(n, self.bytes.len() + 4 * rows.len());
        let (mut from, mut state) = (0, Vec::new());
        for end in ends {
            for row in &rows[from..end] {
                let row = self.row(*row as usize);
                state.extend((row.len() as u32).to_le_bytes());
                state.extend_from_slice(row);
            }
            builder.append_option((from < end).then_some(&state));
            state.clear();
            from = end;
        }
        Ok(vec![Arc::new(builder.finish())])
    }

    fn results(&mut self, n: usize) -> Result<ArrayRef> {
        let (mut rows, ends) = self.by_group(n);
        let mut from = 0;
        for end in &ends {
            rows[from..*end]
                .sort_unstable_by(|a, b| self.row(*a as usize).cmp(self.row(*b as usize)));
            from = *end;
        }
        match &self.plan.gives {
            Gives::List(item) => self.lists(item, &rows, &ends),
            Gives::Text(separator) => self.texts(separator, &rows, &ends),
        }
    }

    fn drop_first(&mut self, n: usize) {
        let mut kept = Rows::new(self.plan.clone());
        kept.total = self.total.saturating_sub(n);
        if kept.total > 0 {
            for (row, group) in self.groups.iter().enumerate() {
                if *group as usize >= n {
                    kept.push(*group as usize - n, self.row(row));
                }
            }
        }
        *self = kept;
    }

    fn size(&self) -> usize {
        size_of::<Self>()
            + self.bytes.capacity()
            + self.ends.capacity() * size_of::<usize>()
            + self.groups.capacity() * size_of::<u32>()
    }

    fn empty(&self) -> Box<dyn Store> {
        Box::new(Rows::new(self.plan.clone()))
    }
}
