//! Groups and their aggregates straight from the pages of Parquet files: keys stay dictionary codes, so that nothing is hashed or
//! compared row by row, and what an aggregate keeps of a group lies in a vector.
//!
//! Whatever this cannot do (an encoding, a type, more groups than it has room for, a broken file) is an error here, on which its
//! caller runs the ordinary plan instead. Its answer is therefore always that of the ordinary plan, and so are its errors.

use std::any::Any;
use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Decimal128Array, Float64Array, Int32Array, Int64Array,
    RecordBatch, RecordBatchOptions, UInt32Array, make_array, new_empty_array, new_null_array,
};
use arrow::buffer::{BooleanBuffer, NullBuffer};
use arrow::compute::{filter, filter_record_batch, prep_null_mask_filter, take};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::{DataFusionError, Result};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::{
    ParquetAccessPlan, ParquetFileMetrics, RowGroupAccessPlanFilter,
};
use datafusion::execution::memory_pool::MemoryReservation;
use datafusion::logical_expr::{EmitTo, GroupsAccumulator};
use datafusion::object_store::local::LocalFileSystem;
use datafusion::parquet::arrow::parquet_to_arrow_schema;
use datafusion::parquet::basic::Type as PhysicalType;
use datafusion::parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_optimizer::pruning::PruningPredicate;
use datafusion::physical_plan::PhysicalExpr;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;

use crate::aggregates::GroupedTotals;
use crate::checksums::CheckedFile;
use crate::double_stats::{DoubleStats, Prepared, Statistic};
use crate::error::ExactError;
use crate::groups::{Groups, KeyValues};
use crate::numbers::canonical;
use crate::pages::{ColumnPages, Values, each_string};

/// Rows that are worked on together, at most: their groups and values stay in the nearest cache.
const ROWS: usize = 4096;
/// Chunks between two looks at memory and at whoever waits.
const CHUNKS_AT_A_TIME: usize = 64;
/// New groups after which memory is looked at before that.
const GROUPS_AT_A_TIME: usize = 1 << 13;
/// Groups of all parts together; with more the ordinary plan is no slower, and it can spill.
const GROUPS: usize = 1 << 23;

/// What is grouped by what.
#[derive(Debug)]
pub(crate) struct Grouping {
    /// Key columns of the files.
    pub(crate) keys: Vec<(String, DataType)>,
    /// Columns of the files that aggregates read.
    pub(crate) columns: Vec<ValueColumn>,
    /// What expressions make of one column alone.
    pub(crate) derived: Vec<Derived>,
    /// Columns and what is derived from them, as expressions see them.
    pub(crate) schema: SchemaRef,
    /// Which rows are grouped; all if there is none.
    pub(crate) condition: Option<Condition>,
    pub(crate) aggregates: Vec<Aggregated>,
}

/// Which rows are grouped.
#[derive(Debug)]
pub(crate) struct Condition {
    /// Over `Grouping::schema`.
    pub(crate) expr: Arc<dyn PhysicalExpr>,
    /// What tells by their statistics that row groups have none of them.
    pub(crate) pruning: Option<PruningPredicate>,
}

impl Condition {
    /// The row groups of a file that may have such rows.
    fn row_groups(&self, meta: &ParquetMetaData) -> Result<Vec<bool>> {
        let groups = meta.row_groups();
        let Some(pruning) = &self.pruning else {
            return Ok(vec![true; groups.len()]);
        };
        let descriptor = meta.file_metadata().schema_descr();
        let written =
            parquet_to_arrow_schema(descriptor, meta.file_metadata().key_value_metadata())?;
        let metrics = ParquetFileMetrics::new(0, "", &ExecutionPlanMetricsSet::new());
        let mut kept = RowGroupAccessPlanFilter::new(ParquetAccessPlan::new_all(groups.len()));
        kept.prune_by_statistics(&written, descriptor, groups, pruning, &metrics);
        let kept = kept.build();
        Ok((0..groups.len()).map(|at| kept.should_scan(at)).collect())
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ValueColumn {
    pub(crate) name: String,
    pub(crate) data_type: DataType,
    /// Whether queries see it with one zero and one NaN.
    pub(crate) one_zero: bool,
}

impl ValueColumn {
    /// The name of a column in expressions.
    pub(crate) fn expr_name(at: usize) -> String {
        format!("c{at}")
    }

    pub(crate) fn field(&self, at: usize) -> Field {
        Field::new(ValueColumn::expr_name(at), self.data_type.clone(), true)
    }
}

/// An expression of one column: worked out once a dictionary, not once a row.
#[derive(Clone, Debug)]
pub(crate) struct Derived {
    /// Which column.
    pub(crate) column: usize,
    /// Over a row of that column.
    pub(crate) expr: Arc<dyn PhysicalExpr>,
    pub(crate) schema: SchemaRef,
}

impl Derived {
    fn evaluate(&self, column: ArrayRef) -> Result<ArrayRef> {
        let rows = column.len();
        let batch = RecordBatch::try_new(self.schema.clone(), vec![column])?;
        self.expr.evaluate(&batch)?.into_array(rows)
    }
}

#[derive(Debug)]
pub(crate) struct Aggregated {
    pub(crate) function: Arc<AggregateFunctionExpr>,
    /// Over `Grouping::schema`.
    pub(crate) args: Vec<Arc<dyn PhysicalExpr>>,
    pub(crate) filter: Option<Arc<dyn PhysicalExpr>>,
}

/// Whether values of this type can be read here.
pub(crate) fn reads(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Int32
            | DataType::Date32
            | DataType::Int64
            | DataType::Timestamp(..)
            | DataType::Float64
            | DataType::Decimal128(..)
    )
}

/// The files of a scan, for whoever has time.
pub(crate) struct Queue {
    files: Vec<PartitionedFile>,
    next: AtomicUsize,
    groups: AtomicUsize,
}

impl Queue {
    pub(crate) fn new(files: Vec<PartitionedFile>) -> Queue {
        Queue {
            files,
            next: AtomicUsize::new(0),
            groups: AtomicUsize::new(0),
        }
    }
}

fn unable(why: impl Into<String>) -> DataFusionError {
    DataFusionError::NotImplemented(why.into())
}

fn too_many_groups() -> DataFusionError {
    unable("too many combinations of keys")
}

/// The groups of some of the rows.
pub(crate) struct Part {
    grouping: Arc<Grouping>,
    groups: Groups,
    /// Rows of each group, if an aggregate counts them.
    rows: Option<Vec<i64>>,
    /// For each value column of which several statistics are asked.
    stats: Vec<Option<DoubleStats>>,
    slots: Vec<Slot>,
    /// Whether aggregates ask for the column as an array.
    as_array: Vec<bool>,
    /// Whether nothing is asked but statistics of one column by one key.
    pairs_only: bool,
    counted: usize,
    /// What all this holds, once there are no more files.
    memory: Option<MemoryReservation>,
}

/// Where the results of an aggregate come from.
enum Slot {
    Rows,
    Doubles(usize, Statistic),
    /// Exact sums of one argument, which leave counting to the rows.
    Sums(Box<GroupedTotals>),
    Other(Box<dyn GroupsAccumulator>),
}

impl Slot {
    fn of(aggregate: &Aggregated, schema: &Schema) -> Result<Slot> {
        let mut accumulator = aggregate.function.create_groups_accumulator()?;
        let is_sum = (accumulator.as_ref() as &dyn Any).is::<GroupedTotals>();
        if aggregate.filter.is_some() || aggregate.args.len() != 1 || !is_sum {
            // Groups have numbers here before they have rows. Without a filter DataFusion's accumulators take each numbered group for one
            // that has had a value; after a filter, of no rows, they ask for each.
            if !aggregate.args.is_empty() {
                let args = aggregate.args.iter();
                let args = args.map(|arg| Ok(new_empty_array(&arg.data_type(schema)?)));
                let no_row = BooleanArray::new(BooleanBuffer::new_unset(0), None);
                let args = args.collect::<Result<Vec<_>>>()?;
                accumulator.update_batch(&args, &[], Some(&no_row), 0)?;
            }
            return Ok(Slot::Other(accumulator));
        }
        match (accumulator as Box<dyn Any>).downcast::<GroupedTotals>() {
            Ok(sums) => Ok(Slot::Sums(sums)),
            Err(_) => Err(unable("an accumulator of two kinds")),
        }
    }
}

impl Part {
    pub(crate) fn new(grouping: Arc<Grouping>) -> Result<Part> {
        let keys = grouping
            .keys
            .iter()
            .map(|(_, data_type)| KeyValues::of_type(data_type))
            .collect::<Option<Vec<_>>>()
            .ok_or_else(|| unable("a key of this type"))?;
        let all_rows = grouping.condition.is_none();
        let statistics: Vec<Option<(usize, Statistic)>> = grouping
            .aggregates
            .iter()
            .map(|a| statistic(&grouping, a).filter(|_| all_rows))
            .collect();
        let asked = |column: usize| {
            let of_column =
                |found: &&Option<(usize, Statistic)>| matches!(found, Some((c, _)) if *c == column);
            statistics.iter().filter(of_column).count()
        };
        let several: Vec<bool> = (0..grouping.columns.len()).map(|c| asked(c) > 1).collect();
        let mut slots = Vec::with_capacity(grouping.aggregates.len());
        let mut as_array = vec![false; grouping.schema.fields().len()];
        if let Some(condition) = &grouping.condition {
            for column in datafusion::physical_expr::utils::collect_columns(&condition.expr) {
                as_array[column.index()] = true;
            }
        }
        for (aggregate, statistic) in grouping.aggregates.iter().zip(statistics) {
            slots.push(match statistic {
                Some((column, statistic)) if several[column] => Slot::Doubles(column, statistic),
                _ if counts_rows(aggregate) => Slot::Rows,
                _ => {
                    for expr in aggregate.args.iter().chain(&aggregate.filter) {
                        for column in datafusion::physical_expr::utils::collect_columns(expr) {
                            as_array[column.index()] = true;
                        }
                    }
                    Slot::of(aggregate, &grouping.schema)?
                }
            });
        }
        let stats = several
            .iter()
            .map(|s| s.then(DoubleStats::default))
            .collect();
        let counted = |slot: &Slot| matches!(slot, Slot::Rows | Slot::Sums(_));
        // A group of which no row is chosen is none.
        let rows = !all_rows || slots.iter().any(counted);
        let pairs_only = all_rows
            && keys.len() == 1
            && grouping.columns.len() == 1
            && slots.iter().all(|slot| matches!(slot, Slot::Doubles(..)));
        Ok(Part {
            groups: Groups::new(keys),
            rows: rows.then(Vec::new),
            stats,
            slots,
            as_array,
            pairs_only,
            counted: 0,
            memory: None,
            grouping,
        })
    }

    /// Takes files from the queue until there are none.
    pub(crate) async fn work(
        mut self,
        queue: Arc<Queue>,
        memory: MemoryReservation,
    ) -> Result<Part> {
        loop {
            let Some(file) = queue.files.get(queue.next.fetch_add(1, Ordering::Relaxed)) else {
                self.memory = Some(memory);
                return Ok(self);
            };
            let path = LocalFileSystem::new().path_to_filesystem(&file.object_meta.location)?;
            let opened = Arc::new(CheckedFile::new(File::open(path)?));
            let meta = ParquetMetaDataReader::new().parse_and_finish(opened.as_ref())?;
            let columns = self.columns_in(&meta)?;
            let asked = match &self.grouping.condition {
                Some(condition) => condition.row_groups(&meta)?,
                None => vec![true; meta.num_row_groups()],
            };
            for index in 0..meta.num_row_groups() {
                if !asked[index] {
                    continue;
                }
                let first = meta.row_group(index).column(0);
                let start = first
                    .dictionary_page_offset()
                    .unwrap_or(first.data_page_offset());
                if file
                    .range
                    .as_ref()
                    .is_some_and(|range| !range.contains(start))
                {
                    continue;
                }
                let mut row_group = RowGroup::open(&self, &opened, &meta, index, &columns)?;
                while self.some_chunks(&mut row_group)? {
                    self.check(&queue, &memory)?;
                    tokio::task::yield_now().await;
                }
                self.check(&queue, &memory)?;
            }
        }
    }

    fn check(&mut self, queue: &Queue, memory: &MemoryReservation) -> Result<()> {
        let more = self.groups.len() - self.counted;
        self.counted += more;
        if queue.groups.fetch_add(more, Ordering::Relaxed) + more > GROUPS {
            return Err(unable("more groups than there is room for"));
        }
        memory.try_resize(self.size())
    }

    fn size(&self) -> usize {
        let stats: usize = self.stats.iter().flatten().map(DoubleStats::size).sum();
        let slots = self.slots.iter().map(|slot| match slot {
            Slot::Other(accumulator) => accumulator.size(),
            Slot::Sums(sums) => sums.size(),
            Slot::Rows | Slot::Doubles(..) => 0,
        });
        let rows = self.rows.as_ref().map_or(0, |rows| rows.capacity() * 8);
        self.groups.size() + stats + rows + slots.sum::<usize>()
    }

    /// Where the columns stand in a file, keys first.
    fn columns_in(&self, meta: &ParquetMetaData) -> Result<Vec<usize>> {
        let descriptor = meta.file_metadata().schema_descr();
        let written =
            parquet_to_arrow_schema(descriptor, meta.file_metadata().key_value_metadata())?;
        let keys = self.grouping.keys.iter().map(|(name, t)| (name, t));
        let values = self
            .grouping
            .columns
            .iter()
            .map(|c| (&c.name, &c.data_type));
        let mut columns = Vec::new();
        for (name, data_type) in keys.chain(values) {
            let found = written.field_with_name(name)?;
            if !same_type(found.data_type(), data_type) {
                return Err(unable("a column of another type than its table's"));
            }
            let leaf = descriptor
                .columns()
                .iter()
                .position(|column| column.path().parts() == [name.as_str()])
                .ok_or_else(|| unable("a column that is not flat"))?;
            columns.push(leaf);
        }
        Ok(columns)
    }

    /// Works on the next rows; false at the end of the row group.
    fn some_chunks(&mut self, row_group: &mut RowGroup) -> Result<bool> {
        for _ in 0..CHUNKS_AT_A_TIME {
            let rows = row_group.rows_at_hand()?;
            if rows == 0 {
                return Ok(false);
            }
            self.chunk(row_group, rows)?;
            if self.groups.len() - self.counted > GROUPS_AT_A_TIME {
                break;
            }
        }
        Ok(true)
    }

    fn chunk(&mut self, row_group: &mut RowGroup, mut rows: usize) -> Result<()> {
        let groups = &mut row_group.groups;
        groups.resize(rows, 0);
        let alone = match row_group.keys.as_mut_slice() {
            [key] => key.read_codes(&mut self.groups, rows)?.then_some(&*key),
            _ => None,
        };
        if let Some(key) = alone {
            if self.pairs_only
                && let ([column], [Some(stats)]) =
                    (row_group.values.as_mut_slice(), self.stats.as_mut_slice())
                && column.add_pairs(stats, self.groups.len(), key, rows)?
            {
                return Ok(());
            }
            for (group, code) in groups.iter_mut().zip(key.pages.codes()) {
                *group = key.groups[*code as usize] as usize;
            }
        } else {
            let mut known = usize::MAX;
            if let [key] = row_group.keys.as_mut_slice() {
                // Values of a dictionary have numbers before a row has them.
                key.turn(&mut self.groups.keys[0])?;
                known = self.groups.keys[0].len();
            }
            for (at, key) in row_group.keys.iter_mut().enumerate() {
                key.numbers(rows, &mut self.groups.keys[at], &mut row_group.numbers[at])?;
            }
            if known < usize::MAX && self.groups.are_numbers(known) {
                for (group, number) in groups.iter_mut().zip(&row_group.numbers[0]) {
                    *group = *number as usize;
                }
            } else if !self.groups.of_rows(&row_group.numbers, groups) {
                return Err(too_many_groups());
            }
        }
        let total = self.groups.len();
        let mut arrays = vec![None; self.grouping.schema.fields().len()];
        for (at, column) in row_group.values.iter_mut().enumerate() {
            let chunk = Chunk {
                rows,
                groups,
                total,
                stats: self.stats[at].as_mut(),
                as_array: self.as_array[at],
            };
            arrays[at] = column.chunk(chunk)?;
            for derived in &mut column.derived {
                arrays[derived.at] = derived.of_chunk.take();
            }
        }
        if let Some(condition) = &self.grouping.condition {
            let chosen = self
                .grouping
                .evaluate(&condition.expr, &arrays, rows, &mut None)?;
            let chosen = match chosen.as_boolean() {
                chosen if chosen.null_count() > 0 => prep_null_mask_filter(chosen),
                chosen => chosen.clone(),
            };
            rows = chosen.true_count();
            if rows < chosen.len() {
                for array in arrays.iter_mut().flatten() {
                    *array = filter(array, &chosen)?;
                }
                let mut kept = 0;
                for row in chosen.values().set_indices() {
                    groups[kept] = groups[row];
                    kept += 1;
                }
                groups.truncate(kept);
            }
        }
        if let Some(counts) = &mut self.rows {
            counts.resize(total, 0);
            groups.iter().for_each(|group| counts[*group] += 1);
        }
        let mut batch = None;
        for (slot, aggregate) in self.slots.iter_mut().zip(&self.grouping.aggregates) {
            if matches!(slot, Slot::Rows | Slot::Doubles(..)) {
                continue;
            }
            let mut evaluate = |expr: &Arc<dyn PhysicalExpr>| {
                self.grouping.evaluate(expr, &arrays, rows, &mut batch)
            };
            let args = aggregate
                .args
                .iter()
                .map(&mut evaluate)
                .collect::<Result<Vec<_>>>()?;
            let filter = aggregate.filter.as_ref().map(&mut evaluate).transpose()?;
            let filter = filter.as_ref().map(|filter| filter.as_boolean());
            match (slot, args.as_slice()) {
                (Slot::Sums(sums), [arg]) => sums.add_uncounted(arg, groups, total)?,
                (Slot::Other(accumulator), args) => {
                    accumulator.update_batch(args, groups, filter, total)?;
                }
                _ => return Err(unable("an aggregate with other arguments")),
            }
        }
        Ok(())
    }

    /// Takes in the groups of other rows.
    pub(crate) fn absorb(&mut self, other: Part) -> Result<()> {
        // In the worst case all groups of the other are new here, while it still has them.
        let size = self.size();
        if let Some(memory) = &self.memory {
            memory.try_resize(size + other.size())?;
        }
        let held = other.memory;
        let Some(groups) = self.groups.groups_of(&other.groups)? else {
            return Err(too_many_groups());
        };
        let total = self.groups.len();
        if let (Some(counts), Some(more)) = (&mut self.rows, &other.rows) {
            counts.resize(total, 0);
            for (group, count) in groups.iter().zip(more) {
                counts[*group] += count;
            }
        }
        for (stats, more) in self.stats.iter_mut().zip(other.stats) {
            if let (Some(stats), Some(more)) = (stats, more) {
                stats.resize(total);
                stats.absorb(more, &groups);
            }
        }
        for (slot, more) in self.slots.iter_mut().zip(other.slots) {
            match (slot, more) {
                (Slot::Sums(sums), Slot::Sums(more)) => sums.absorb(*more, &groups, total),
                (Slot::Other(accumulator), Slot::Other(mut more)) => {
                    let states = more.state(EmitTo::All)?;
                    // A part that saw no row has no state of its groups.
                    let known = states.first().map_or(0, |state| state.len());
                    accumulator.merge_batch(&states, &groups[..known], total)?;
                }
                _ => {}
            }
        }
        drop(held);
        if let Some(memory) = &self.memory {
            memory.try_resize(self.size())?;
        }
        Ok(())
    }

    /// Keys and results of all groups, in columns of these types.
    pub(crate) fn finish(mut self, schema: &SchemaRef) -> Result<RecordBatch> {
        let types: Vec<DataType> = self.grouping.keys.iter().map(|(_, t)| t.clone()).collect();
        let mut columns = self.groups.columns(&types)?;
        let total = self.groups.len();
        let mut rows = self.rows.take().unwrap_or_default();
        rows.resize(total, 0);
        for slot in &mut self.slots {
            columns.push(match slot {
                Slot::Rows => Arc::new(Int64Array::from(rows.clone())),
                Slot::Sums(sums) => {
                    sums.count(&rows);
                    sums.evaluate(EmitTo::All)?
                }
                Slot::Doubles(column, statistic) => match &mut self.stats[*column] {
                    Some(stats) => {
                        stats.resize(total);
                        stats.column(*statistic)
                    }
                    None => return Err(unable("statistics that were not kept")),
                },
                Slot::Other(accumulator) => accumulator.evaluate(EmitTo::All)?,
            });
        }
        let all = RecordBatch::try_new(schema.clone(), columns)?;
        if self.grouping.condition.is_none() || rows.iter().all(|count| *count > 0) {
            return Ok(all);
        }
        let chosen: BooleanArray = rows.iter().map(|count| Some(*count > 0)).collect();
        Ok(filter_record_batch(&all, &chosen)?)
    }
}

impl Grouping {
    /// An expression over the columns of a chunk, which are put together once at most.
    fn evaluate(
        &self,
        expr: &Arc<dyn PhysicalExpr>,
        arrays: &[Option<ArrayRef>],
        rows: usize,
        batch: &mut Option<RecordBatch>,
    ) -> Result<ArrayRef> {
        if let Some(column) = expr.downcast_ref::<Column>()
            && let Some(Some(array)) = arrays.get(column.index())
        {
            return Ok(array.clone());
        }
        let batch = match batch {
            Some(batch) => batch,
            None => batch.insert(self.batch(arrays, rows)?),
        };
        expr.evaluate(batch)?.into_array(rows)
    }

    fn batch(&self, arrays: &[Option<ArrayRef>], rows: usize) -> Result<RecordBatch> {
        let arrays = arrays
            .iter()
            .zip(self.schema.fields())
            .map(|(array, field)| match array {
                Some(array) => array.clone(),
                // No expression of this batch reads it.
                None => new_null_array(field.data_type(), rows),
            });
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        Ok(RecordBatch::try_new_with_options(
            self.schema.clone(),
            arrays.collect(),
            &options,
        )?)
    }
}

/// Which statistic of which column of doubles an aggregate is, if it is one.
fn statistic(grouping: &Grouping, aggregate: &Aggregated) -> Option<(usize, Statistic)> {
    let [arg] = aggregate.args.as_slice() else {
        return None;
    };
    let column = arg.downcast_ref::<Column>()?.index();
    let known = grouping.columns.get(column)?;
    if aggregate.filter.is_some() || !known.one_zero || known.data_type != DataType::Float64 {
        return None;
    }
    let statistic = match aggregate.function.fun().name() {
        "min" => Statistic::Least,
        "max" => Statistic::Greatest,
        "karat_sum" => Statistic::Sum,
        "karat_avg" => Statistic::Mean,
        "count" => Statistic::Count,
        _ => return None,
    };
    Some((column, statistic))
}

/// Whether an aggregate is `count(*)`.
fn counts_rows(aggregate: &Aggregated) -> bool {
    use datafusion::physical_expr::expressions::Literal;
    let constant = |arg: &Arc<dyn PhysicalExpr>| {
        arg.downcast_ref::<Literal>()
            .is_some_and(|literal| !literal.value().is_null())
    };
    aggregate.function.fun().name() == "count"
        && aggregate.filter.is_none()
        && aggregate.args.iter().all(constant)
}

/// Whether a file's column holds what its table's column does.
fn same_type(written: &DataType, data_type: &DataType) -> bool {
    let string =
        |t: &DataType| matches!(t, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
    match written {
        DataType::Dictionary(_, value) => string(value) && string(data_type),
        written => written == data_type || string(written) && string(data_type),
    }
}

/// The columns of a row group, read side by side.
struct RowGroup {
    keys: Vec<KeyPages>,
    values: Vec<ValuePages>,
    rows_left: usize,
    numbers: Vec<Vec<u32>>,
    groups: Vec<usize>,
}

impl RowGroup {
    fn open(
        part: &Part,
        file: &Arc<CheckedFile>,
        meta: &ParquetMetaData,
        index: usize,
        columns: &[usize],
    ) -> Result<RowGroup> {
        let group = meta.row_group(index);
        let rows = usize::try_from(group.num_rows())
            .map_err(|_| unable("a row group of less than no rows"))?;
        let open = |column: &usize| ColumnPages::open(file.clone(), group.column(*column), rows);
        let (keys, values) = columns.split_at(part.grouping.keys.len());
        let mut row_group = RowGroup {
            keys: Vec::new(),
            values: Vec::new(),
            rows_left: rows,
            numbers: vec![Vec::new(); keys.len()],
            groups: Vec::new(),
        };
        for column in keys {
            row_group.keys.push(KeyPages {
                pages: open(column)?,
                numbers: Vec::new(),
                groups: Vec::new(),
                unknown: 0,
            });
        }
        let grouping = &part.grouping;
        for (at, (column, known)) in values.iter().zip(&grouping.columns).enumerate() {
            let derived = grouping.derived.iter().enumerate();
            let derived = derived.filter(|(_, derived)| derived.column == at);
            row_group.values.push(ValuePages {
                pages: open(column)?,
                column: known.clone(),
                dictionary: None,
                prepared: None,
                derived: derived
                    .map(|(index, derived)| DerivedPages {
                        derived: derived.clone(),
                        at: grouping.columns.len() + index,
                        of_dictionary: None,
                        of_chunk: None,
                    })
                    .collect(),
            });
        }
        Ok(row_group)
    }

    /// Rows that all columns have in their pages at hand.
    fn rows_at_hand(&mut self) -> Result<usize> {
        let ended = self.rows_left == 0;
        let mut rows = self.rows_left.min(ROWS);
        let keys = self.keys.iter_mut().map(|key| &mut key.pages);
        for pages in keys.chain(self.values.iter_mut().map(|value| &mut value.pages)) {
            let here = pages.rows_at_hand()?;
            if ended && here > 0 {
                return Err(unable("a column with more rows than its row group"));
            }
            rows = rows.min(here);
        }
        if rows == 0 && self.rows_left > 0 {
            return Err(unable("a column with fewer rows than its row group"));
        }
        self.rows_left -= rows;
        Ok(rows)
    }
}

/// A key column of a row group.
struct KeyPages {
    pages: ColumnPages,
    /// The numbers of the values of the dictionary.
    numbers: Vec<u32>,
    /// Their groups, where this is the only key, or [`NO_GROUP`] where no row had the value yet.
    groups: Vec<u32>,
    /// How many of them are not known.
    unknown: usize,
}

const NO_GROUP: u32 = u32::MAX;

impl KeyPages {
    /// Reads the codes of the next rows and finds the groups of all values they have, by this key alone; false, and nothing read, if they
    /// have no codes or some are null.
    fn read_codes(&mut self, known: &mut Groups, rows: usize) -> Result<bool> {
        if !self.pages.is_coded(rows) {
            return Ok(false);
        }
        self.turn(&mut known.keys[0])?;
        if self.groups.len() != self.numbers.len() {
            self.groups = vec![NO_GROUP; self.numbers.len()];
            self.unknown = self.groups.len();
        }
        let (_, Values::Codes(codes)) = self.pages.read(rows)? else {
            return Err(unable("a page of another encoding"));
        };
        check_codes(codes, self.numbers.len())?;
        for code in codes {
            if self.unknown == 0 {
                break;
            }
            let group = &mut self.groups[*code as usize];
            if *group == NO_GROUP {
                let found = known.of_number(self.numbers[*code as usize]);
                *group = found.ok_or_else(too_many_groups)? as u32;
                self.unknown -= 1;
            }
        }
        Ok(true)
    }

    /// Gives the values of a dictionary that was met their numbers.
    fn turn(&mut self, known: &mut KeyValues) -> Result<()> {
        if let Some((bytes, count)) = self.pages.new_dictionary() {
            self.numbers.clear();
            self.groups.clear();
            match known {
                KeyValues::Strings(strings) => each_string(&bytes, count, |string| {
                    let text = std::str::from_utf8(string).map_err(|error| {
                        datafusion::parquet::errors::ParquetError::External(Box::new(error))
                    })?;
                    self.numbers.push(strings.number_of(text));
                    Ok(())
                })?,
                KeyValues::Integers(integers) => {
                    for value in self.integers(&bytes)?.into_iter().take(count) {
                        self.numbers.push(integers.number(value));
                    }
                }
            }
        }
        Ok(())
    }

    /// The numbers of the next rows.
    fn numbers(&mut self, rows: usize, known: &mut KeyValues, out: &mut Vec<u32>) -> Result<()> {
        self.turn(known)?;
        let physical = self.pages.physical();
        let (valid, values) = self.pages.read(rows)?;
        out.clear();
        match values {
            Values::Codes(codes) => {
                check_codes(codes, self.numbers.len())?;
                out.extend(codes.iter().map(|code| self.numbers[*code as usize]));
            }
            Values::Plain(bytes) => {
                let KeyValues::Integers(integers) = known else {
                    return Err(unable("strings without a dictionary"));
                };
                match physical {
                    PhysicalType::INT32 => {
                        out.extend(narrow(bytes).map(|v| integers.number(i64::from(v))));
                    }
                    PhysicalType::INT64 => out.extend(wide(bytes).map(|v| integers.number(v))),
                    _ => return Err(unable("a key of this type")),
                }
            }
        }
        if let Some(valid) = valid {
            *out = spread(out, &valid, known.null());
        }
        Ok(())
    }

    fn integers(&self, bytes: &[u8]) -> Result<Vec<i64>> {
        match self.pages.physical() {
            PhysicalType::INT32 => Ok(narrow(bytes).map(i64::from).collect()),
            PhysicalType::INT64 => Ok(wide(bytes).collect()),
            _ => Err(unable("a key of this type")),
        }
    }
}

fn check_codes(codes: &[u32], values: usize) -> Result<()> {
    let highest = codes.iter().copied().fold(0, u32::max);
    if codes.is_empty() || (highest as usize) < values {
        return Ok(());
    }
    Err(unable("a code beyond its dictionary"))
}

fn narrow(bytes: &[u8]) -> impl Iterator<Item = i32> {
    let (values, _) = bytes.as_chunks::<4>();
    values.iter().map(|bytes| i32::from_le_bytes(*bytes))
}

fn wide(bytes: &[u8]) -> impl Iterator<Item = i64> {
    let (values, _) = bytes.as_chunks::<8>();
    values.iter().map(|bytes| i64::from_le_bytes(*bytes))
}

/// Values at the rows that have one.
fn spread<T: Copy>(values: &[T], valid: &BooleanBuffer, missing: T) -> Vec<T> {
    let mut all = vec![missing; valid.len()];
    for (row, value) in valid.set_indices().zip(values) {
        all[row] = *value;
    }
    all
}

/// A value column of a row group.
struct ValuePages {
    pages: ColumnPages,
    column: ValueColumn,
    dictionary: Option<Numbers>,
    /// The dictionary as statistics add it.
    prepared: Option<Prepared>,
    derived: Vec<DerivedPages>,
}

/// What an expression makes of a value column.
struct DerivedPages {
    derived: Derived,
    /// Its place among all columns.
    at: usize,
    of_dictionary: Option<ArrayRef>,
    of_chunk: Option<ArrayRef>,
}

/// Values of one width.
#[derive(Clone)]
enum Numbers {
    Narrow(Vec<i32>),
    Wide(Vec<i64>),
    Doubles(Vec<f64>),
    Decimals(Vec<i128>),
}

/// What is wanted of the next rows of a column.
struct Chunk<'c> {
    rows: usize,
    groups: &'c [usize],
    total: usize,
    stats: Option<&'c mut DoubleStats>,
    as_array: bool,
}

impl ValuePages {
    /// Takes in a dictionary that was met.
    fn turn(&mut self, stats: Option<&mut DoubleStats>) -> Result<()> {
        let Some((bytes, _)) = self.pages.new_dictionary() else {
            return Ok(());
        };
        let dictionary = self.numbers(&bytes)?;
        self.prepared = match (stats, &dictionary) {
            (Some(stats), Numbers::Doubles(values)) => stats.prepare(values),
            _ => None,
        };
        if !self.derived.is_empty() {
            let values = dictionary
                .clone()
                .into_array(None, &self.column.data_type)?;
            for derived in &mut self.derived {
                derived.of_dictionary = Some(derived.derived.evaluate(values.clone())?);
            }
        }
        self.dictionary = Some(dictionary);
        Ok(())
    }

    /// Counts how often each value of the next rows meets the groups of a key whose codes are read, of so many groups; false, and nothing
    /// read, if rows have no codes or are not counted so.
    fn add_pairs(
        &mut self,
        stats: &mut DoubleStats,
        total: usize,
        key: &KeyPages,
        rows: usize,
    ) -> Result<bool> {
        if !self.pages.is_coded(rows) {
            return Ok(false);
        }
        self.turn(Some(stats))?;
        stats.resize(total);
        let (Some(dictionary), Some(prepared)) = (&self.dictionary, &self.prepared) else {
            return Ok(false);
        };
        let Some(pairs) = stats.pairs(prepared, rows) else {
            return Ok(false);
        };
        let (_, Values::Codes(codes)) = self.pages.read(rows)? else {
            return Err(unable("a page of another encoding"));
        };
        check_codes(codes, dictionary.len())?;
        let known = &key.groups[..];
        let groups = key.pages.codes().iter();
        pairs.add(codes, groups.map(|code| known[*code as usize] as usize));
        Ok(true)
    }

    /// Reads the next rows: into statistics, if there are any, into what is derived, and as an array, if one is asked for.
    fn chunk(&mut self, chunk: Chunk<'_>) -> Result<Option<ArrayRef>> {
        let Chunk {
            rows,
            groups,
            total,
            mut stats,
            as_array,
        } = chunk;
        self.turn(stats.as_deref_mut())?;
        let (physical, width) = (self.pages.physical(), self.pages.width());
        let (valid, values) = self.pages.read(rows)?;
        let mut chosen = Vec::new();
        let groups = match &valid {
            Some(valid) => {
                chosen.extend(valid.set_indices().map(|row| groups[row]));
                &chosen[..]
            }
            None => groups,
        };
        let mut done = false;
        let mut derive = !self.derived.is_empty();
        let numbers = match values {
            Values::Codes(codes) => {
                let Some(dictionary) = &self.dictionary else {
                    return Err(unable("codes without a dictionary"));
                };
                check_codes(codes, dictionary.len())?;
                if let (Some(stats), Some(prepared)) = (&mut stats, &self.prepared) {
                    stats.resize(total);
                    done = stats.add_codes(prepared, codes, groups);
                }
                // What is made of a null is in no dictionary.
                if derive && valid.is_none() {
                    derive = false;
                    let codes = UInt32Array::from(codes.to_vec());
                    for derived in &mut self.derived {
                        let of_dictionary = derived.of_dictionary.as_ref();
                        let taken = of_dictionary.map(|values| take(values, &codes, None));
                        derived.of_chunk = taken.transpose()?;
                    }
                }
                if !as_array && !derive && (done || stats.is_none()) {
                    return Ok(None);
                }
                dictionary.at(codes)
            }
            Values::Plain(bytes) => stored(bytes, physical, width, &self.column)?,
        };
        if let (Some(stats), false, Numbers::Doubles(values)) = (stats, done, &numbers) {
            stats.resize(total);
            stats.add(values, groups);
        }
        if !as_array && !derive {
            return Ok(None);
        }
        let array = numbers.into_array(valid, &self.column.data_type)?;
        if derive {
            for derived in &mut self.derived {
                derived.of_chunk = Some(derived.derived.evaluate(array.clone())?);
            }
        }
        Ok(Some(array))
    }

    fn numbers(&self, bytes: &[u8]) -> Result<Numbers> {
        stored(
            bytes,
            self.pages.physical(),
            self.pages.width(),
            &self.column,
        )
    }
}

/// Values as Parquet stores them.
fn stored(
    bytes: &[u8],
    physical: PhysicalType,
    width: usize,
    column: &ValueColumn,
) -> Result<Numbers> {
    Ok(match (&column.data_type, physical) {
        (DataType::Int32 | DataType::Date32, PhysicalType::INT32) => {
            Numbers::Narrow(narrow(bytes).collect())
        }
        (DataType::Int64 | DataType::Timestamp(..), PhysicalType::INT64) => {
            Numbers::Wide(wide(bytes).collect())
        }
        (DataType::Float64, PhysicalType::DOUBLE) => {
            let doubles = wide(bytes).map(|bits| f64::from_bits(bits as u64));
            Numbers::Doubles(match column.one_zero {
                true => doubles.map(canonical).collect(),
                false => doubles.collect(),
            })
        }
        (DataType::Decimal128(..), PhysicalType::INT32) => {
            Numbers::Decimals(narrow(bytes).map(i128::from).collect())
        }
        (DataType::Decimal128(..), PhysicalType::INT64) => {
            Numbers::Decimals(wide(bytes).map(i128::from).collect())
        }
        (DataType::Decimal128(..), PhysicalType::FIXED_LEN_BYTE_ARRAY)
            if (1..=16).contains(&width) =>
        {
            Numbers::Decimals(bytes.chunks_exact(width).map(big_endian).collect())
        }
        _ => return Err(unable("a column that is stored in another way")),
    })
}

fn big_endian(bytes: &[u8]) -> i128 {
    let negative = bytes.first().is_some_and(|byte| byte & 0x80 != 0);
    let mut all = [if negative { 0xff } else { 0 }; 16];
    all[16 - bytes.len()..].copy_from_slice(bytes);
    i128::from_be_bytes(all)
}

impl Numbers {
    fn len(&self) -> usize {
        match self {
            Numbers::Narrow(values) => values.len(),
            Numbers::Wide(values) => values.len(),
            Numbers::Doubles(values) => values.len(),
            Numbers::Decimals(values) => values.len(),
        }
    }

    /// The values with these codes, which are checked.
    fn at(&self, codes: &[u32]) -> Numbers {
        fn gather<T: Copy>(values: &[T], codes: &[u32]) -> Vec<T> {
            codes.iter().map(|code| values[*code as usize]).collect()
        }
        match self {
            Numbers::Narrow(values) => Numbers::Narrow(gather(values, codes)),
            Numbers::Wide(values) => Numbers::Wide(gather(values, codes)),
            Numbers::Doubles(values) => Numbers::Doubles(gather(values, codes)),
            Numbers::Decimals(values) => Numbers::Decimals(gather(values, codes)),
        }
    }

    fn into_array(self, valid: Option<BooleanBuffer>, data_type: &DataType) -> Result<ArrayRef> {
        fn all<T: Copy + Default>(values: Vec<T>, valid: Option<&BooleanBuffer>) -> Vec<T> {
            match valid {
                Some(valid) => spread(&values, valid, T::default()),
                None => values,
            }
        }
        let some = valid.as_ref();
        let nulls = valid.clone().map(NullBuffer::new);
        let data = match self {
            Numbers::Narrow(values) => Int32Array::new(all(values, some).into(), nulls).into_data(),
            Numbers::Wide(values) => Int64Array::new(all(values, some).into(), nulls).into_data(),
            Numbers::Doubles(values) => {
                return Ok(Arc::new(Float64Array::new(all(values, some).into(), nulls)));
            }
            Numbers::Decimals(values) => {
                let (DataType::Decimal128(precision, scale), values) =
                    (data_type, all(values, some))
                else {
                    return Err(ExactError::Internal(format!("decimals as {data_type}")).into());
                };
                return Ok(Arc::new(
                    Decimal128Array::new(values.into(), nulls)
                        .with_precision_and_scale(*precision, *scale)?,
                ));
            }
        };
        if data.data_type() == data_type {
            return Ok(make_array(data));
        }
        Ok(make_array(
            data.into_builder().data_type(data_type.clone()).build()?,
        ))
    }
}
