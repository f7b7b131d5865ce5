//! Sorts of streams: in memory on all threads, and beyond the memory limit by DataFusion's external sort.
//!
//! Batches are sorted while they come. When all are there, keys sampled from them cut the whole into ranges of about equal size, and
//! each range is gathered and sorted by a task of its own: a sample sort (Frazer and McKellar, 1970). No thread merges everything.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{RecordBatch, UInt32Array};
use arrow::compute::{SortOptions, concat_batches, take_record_batch};
use arrow::datatypes::SchemaRef;
use arrow::row::{OwnedRow, Row, RowConverter, Rows, SortField};
use datafusion::common::DataFusionError;
use datafusion::common::runtime::SpawnedTask;
use datafusion::common::utils::memory::get_record_batch_memory_size;
use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::MemoryConsumer;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{LexOrdering, Partitioning, PhysicalSortExpr};
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use datafusion::physical_plan::{ExecutionPlan, SendableRecordBatchStream};
use futures::stream::{self, FuturesOrdered};
use futures::{Stream, StreamExt, TryStreamExt};

use crate::BatchStream;
use crate::engine::Engine;
use crate::error::ExactError;

/// Rows of a range that one task gathers and sorts.
const RANGE_ROWS: usize = 65_536;
/// Bytes of it, where rows are wide.
const RANGE_BYTES: usize = 16 << 20;
/// Tasks for each thread that may be under way: what takes their rows need not wait for one, nor they for it.
const TASKS_AHEAD: usize = 3;
/// Rows for each of which one key is looked at when ranges are cut.
const ROWS_PER_SAMPLE: usize = 512;

/// A column to sort by; nulls last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SortColumn {
    name: String,
    descending: bool,
}

impl SortColumn {
    /// Smallest first.
    pub fn ascending(name: &str) -> SortColumn {
        SortColumn {
            name: name.to_owned(),
            descending: false,
        }
    }

    /// Largest first.
    pub fn descending(name: &str) -> SortColumn {
        SortColumn {
            name: name.to_owned(),
            descending: true,
        }
    }

    fn options(&self) -> SortOptions {
        SortOptions {
            descending: self.descending,
            nulls_first: false,
        }
    }
}

impl Engine {
    /// Sorts rows, with spill beyond the memory limit. Rows equal in all the columns come in no particular order.
    pub async fn sort(
        &self,
        rows: BatchStream,
        by: &[SortColumn],
    ) -> Result<BatchStream, ExactError> {
        if by.is_empty() {
            return Ok(rows);
        }
        let schema = rows.schema();
        let order = Arc::new(Order::new(&schema, by)?);
        let (engine, by) = (self.clone(), by.to_vec());
        let sorted = async move { engine.sorted(rows, order, &by).await };
        let sorted = stream::once(sorted).try_flatten();
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, sorted)))
    }

    async fn sorted(
        &self,
        mut rows: BatchStream,
        order: Arc<Order>,
        by: &[SortColumn],
    ) -> Result<BatchStream, DataFusionError> {
        let threads = self.threads();
        let held = MemoryConsumer::new("sort")
            .with_can_spill(true)
            .register(&self.state.runtime_env().memory_pool);
        let mut runs: Vec<Run> = Vec::new();
        let mut tasks = FuturesOrdered::new();
        while let Some(batch) = rows.try_next().await? {
            if batch.num_rows() == 0 {
                continue;
            }
            if held.try_grow(get_record_batch_memory_size(&batch)).is_err() {
                runs.extend(tasks.try_collect::<Vec<_>>().await?);
                drop(held);
                let first = runs.into_iter().map(|run| Ok(run.rows)).chain([Ok(batch)]);
                return self.external(rows, first.collect(), by);
            }
            let order = Arc::clone(&order);
            tasks.push_back(in_task(move || Run::new(batch, &order)));
            if tasks.len() > threads * TASKS_AHEAD
                && let Some(run) = tasks.next().await
            {
                runs.push(run?);
            }
        }
        runs.extend(tasks.try_collect::<Vec<_>>().await?);
        let batch_rows = self.state.config().batch_size();
        let schema = rows.schema();
        let in_memory: usize = runs.iter().map(|run| run.rows.num_rows()).sum();
        let ranges = in_memory
            .div_ceil(RANGE_ROWS)
            .max(held.size().div_ceil(RANGE_BYTES));
        // The reservation lives as long as the runs that it is for.
        let sorted = in_ranges(runs, order, ranges, threads)
            .await?
            .inspect(move |_| {
                let _ = &held;
            });
        let batches = sorted.flat_map(move |range| match range {
            Ok(range) => stream::iter(cut(range, batch_rows)).left_stream(),
            Err(error) => stream::iter([Err(error)]).right_stream(),
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, batches)))
    }

    /// DataFusion's sort, which spills.
    fn external(
        &self,
        rest: BatchStream,
        first: Vec<Result<RecordBatch, DataFusionError>>,
        by: &[SortColumn],
    ) -> Result<BatchStream, DataFusionError> {
        let schema = rest.schema();
        let rows = RecordBatchStreamAdapter::new(schema.clone(), stream::iter(first).chain(rest));
        let mut order = Vec::with_capacity(by.len());
        for column in by {
            let expr = Column::new_with_schema(&column.name, &schema)?;
            order.push(PhysicalSortExpr::new(Arc::new(expr), column.options()));
        }
        let none = || ExactError::Internal("a sort by no column".to_owned());
        let order = LexOrdering::new(order).ok_or_else(none)?;
        let input = Arc::new(StreamingTableExec::try_new(
            schema.clone(),
            vec![Arc::new(Once {
                schema,
                rows: Mutex::new(Some(Box::pin(rows))),
            })],
            None,
            [],
            false,
            None,
        )?);
        let threads = self.threads();
        let sorted: Arc<dyn ExecutionPlan> = if threads > 1 {
            let dealt = RepartitionExec::try_new(input, Partitioning::RoundRobinBatch(threads))?;
            let sort =
                SortExec::new(order.clone(), Arc::new(dealt)).with_preserve_partitioning(true);
            Arc::new(SortPreservingMergeExec::new(order, Arc::new(sort)))
        } else {
            Arc::new(SortExec::new(order, input))
        };
        sorted.execute(0, self.state.task_ctx())
    }
}

/// What rows are sorted by, as bytes that compare like the rows.
struct Order {
    /// Places of the columns.
    columns: Vec<usize>,
    converter: RowConverter,
}

impl Order {
    fn new(schema: &SchemaRef, by: &[SortColumn]) -> Result<Order, ExactError> {
        let mut columns = Vec::with_capacity(by.len());
        let mut fields = Vec::with_capacity(by.len());
        for column in by {
            let at = schema.index_of(&column.name).map_err(ExactError::arrow)?;
            let data_type = schema.field(at).data_type().clone();
            columns.push(at);
            fields.push(SortField::new_with_options(data_type, column.options()));
        }
        let converter = RowConverter::new(fields).map_err(ExactError::arrow)?;
        Ok(Order { columns, converter })
    }

    fn keys(&self, rows: &RecordBatch) -> Result<Rows, DataFusionError> {
        let columns: Vec<_> = self
            .columns
            .iter()
            .map(|at| Arc::clone(rows.column(*at)))
            .collect();
        Ok(self.converter.convert_columns(&columns)?)
    }

    /// The rows in order, and their keys in the order in which they were given.
    fn sorted(&self, rows: RecordBatch) -> Result<(RecordBatch, Rows, Vec<u32>), DataFusionError> {
        let keys = self.keys(&rows)?;
        let places = places(&keys);
        let is_sorted = places.is_sorted();
        if is_sorted {
            return Ok((rows, keys, places));
        }
        let indices = UInt32Array::from(places);
        let sorted = take_record_batch(&rows, &indices)?;
        Ok((sorted, keys, indices.values().to_vec()))
    }
}

/// The keys' numbers in the order of the keys; of equal ones the first comes first. No key is the beginning of another (arrow's row
/// format), so keys that end within their heads are equal where the heads are.
fn places(keys: &Rows) -> Vec<u32> {
    let heads: Vec<u128> = keys.iter().map(first_bytes).collect();
    let is_whole = keys.iter().all(|key| key.data().len() <= HEAD_BYTES);
    if let Some(places) = is_whole.then(|| packed(&heads)).flatten() {
        return places;
    }
    // Most comparisons are decided by the first bytes, which lie side by side.
    let mut places: Vec<(u128, u32)> = heads.into_iter().zip(0..).collect();
    places.sort_unstable_by(|a, b| {
        let by_rest = || keys.row(a.1 as usize).cmp(&keys.row(b.1 as usize));
        a.0.cmp(&b.0).then_with(by_rest).then(a.1.cmp(&b.1))
    });
    places.into_iter().map(|(_, at)| at).collect()
}

/// The same for keys that are near each other: how far each is from the least and its number fit into one word, and words sort fast.
fn packed(heads: &[u128]) -> Option<Vec<u32>> {
    let (least, greatest) = (*heads.iter().min()?, *heads.iter().max()?);
    let count_bits = usize::BITS - heads.len().leading_zeros();
    // Where keys are shorter than a head, all of them end in zeros, which say nothing.
    let shared = heads
        .iter()
        .map(|head| (head - least).trailing_zeros())
        .min()?
        .min(u128::BITS - 1);
    let far = u128::BITS - ((greatest - least) >> shared).leading_zeros();
    if far + count_bits > u64::BITS {
        return None;
    }
    let mut words: Vec<u64> = heads
        .iter()
        .zip(0_u64..)
        .map(|(head, at)| (((head - least) >> shared) as u64) << count_bits | at)
        .collect();
    words.sort_unstable();
    let number = (1_u64 << count_bits) - 1;
    Some(
        words
            .into_iter()
            .map(|word| (word & number) as u32)
            .collect(),
    )
}

/// As many bytes of a key as one comparison takes.
const HEAD_BYTES: usize = 16;

fn first_bytes(key: Row<'_>) -> u128 {
    let key = key.data();
    let mut bytes = [0; HEAD_BYTES];
    let length = key.len().min(HEAD_BYTES);
    bytes[..length].copy_from_slice(&key[..length]);
    u128::from_be_bytes(bytes)
}

/// A sorted batch, and some of its keys.
struct Run {
    rows: RecordBatch,
    samples: Vec<OwnedRow>,
}

impl Run {
    fn new(rows: RecordBatch, order: &Order) -> Result<Run, DataFusionError> {
        let (rows, keys, places) = order.sorted(rows)?;
        let samples = places
            .chunks(ROWS_PER_SAMPLE)
            .map(|chunk| keys.row(chunk[chunk.len() / 2] as usize).owned())
            .collect();
        Ok(Run { rows, samples })
    }
}

/// Where a range of rows ends: before this key; of rows that have it, after those of earlier runs. So also one key alone is cut.
struct Splitter {
    key: OwnedRow,
    run: usize,
}

/// The ranges of the whole, in order, each sorted.
async fn in_ranges(
    runs: Vec<Run>,
    order: Arc<Order>,
    ranges: usize,
    threads: usize,
) -> Result<impl Stream<Item = Result<RecordBatch, DataFusionError>> + Send, DataFusionError> {
    let splitters = Arc::new(splitters(&runs, ranges));
    let runs = Arc::new(runs);
    let cuts: Vec<Vec<usize>> = stream::iter(0..runs.len())
        .map(|nth| {
            let (runs, splitters, order) = (runs.clone(), splitters.clone(), order.clone());
            in_task(move || cuts(&runs[nth].rows, nth, &splitters, &order))
        })
        .buffered(threads)
        .try_collect()
        .await?;
    let cuts = Arc::new(cuts);
    let ranges = match runs.is_empty() {
        true => 0,
        false => splitters.len() + 1,
    };
    let sorted = stream::iter(0..ranges).map(move |range| {
        let (runs, cuts, order) = (runs.clone(), cuts.clone(), order.clone());
        in_task(move || sorted_range(&runs, &cuts, range, &order))
    });
    Ok(sorted.buffered(threads * TASKS_AHEAD))
}

fn splitters(runs: &[Run], ranges: usize) -> Vec<Splitter> {
    let mut samples: Vec<(&OwnedRow, usize)> = runs
        .iter()
        .enumerate()
        .flat_map(|(nth, run)| run.samples.iter().map(move |key| (key, nth)))
        .collect();
    samples.sort_unstable();
    let places = (1..ranges).map(|range| samples.len() * range / ranges);
    let mut chosen: Vec<(&OwnedRow, usize)> =
        places.filter_map(|at| samples.get(at).copied()).collect();
    chosen.dedup();
    chosen
        .into_iter()
        .map(|(key, run)| Splitter {
            key: key.clone(),
            run,
        })
        .collect()
}

/// Rows of a run before each splitter.
fn cuts(
    rows: &RecordBatch,
    nth: usize,
    splitters: &[Splitter],
    order: &Order,
) -> Result<Vec<usize>, DataFusionError> {
    let keys = order.keys(rows)?;
    let places: Vec<Row<'_>> = keys.iter().collect();
    Ok(splitters
        .iter()
        .map(|splitter| {
            let key = splitter.key.row();
            match nth < splitter.run {
                true => places.partition_point(|row| *row <= key),
                false => places.partition_point(|row| *row < key),
            }
        })
        .collect())
}

fn sorted_range(
    runs: &[Run],
    cuts: &[Vec<usize>],
    range: usize,
    order: &Order,
) -> Result<RecordBatch, DataFusionError> {
    let Some(first) = runs.first() else {
        return Err(ExactError::Internal("a range of nothing".to_owned()).into());
    };
    let parts: Vec<RecordBatch> = runs
        .iter()
        .zip(cuts)
        .filter_map(|(run, cuts)| {
            let from = if range == 0 { 0 } else { cuts[range - 1] };
            let to = cuts.get(range).copied().unwrap_or(run.rows.num_rows());
            (to > from).then(|| run.rows.slice(from, to - from))
        })
        .collect();
    let rows = concat_batches(first.rows.schema_ref(), &parts)?;
    Ok(order.sorted(rows)?.0)
}

/// The rows in batches of so many.
fn cut(rows: RecordBatch, batch_rows: usize) -> Vec<Result<RecordBatch, DataFusionError>> {
    (0..rows.num_rows())
        .step_by(batch_rows)
        .map(|from| Ok(rows.slice(from, batch_rows.min(rows.num_rows() - from))))
        .collect()
}

/// Work that begins at once beside this thread's, and is given up when nobody waits for it.
fn in_task<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, DataFusionError> + Send + 'static,
) -> impl Future<Output = Result<T, DataFusionError>> + Send {
    let task = SpawnedTask::spawn(async move { work() });
    async move {
        let joined = task.join_unwind().await;
        joined.map_err(|error| DataFusionError::External(Box::new(error)))?
    }
}

/// A stream that a plan may read once.
struct Once {
    schema: SchemaRef,
    rows: Mutex<Option<BatchStream>>,
}

impl fmt::Debug for Once {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a stream of rows")
    }
}

impl PartitionStream for Once {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let rows = self
            .rows
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        rows.unwrap_or_else(|| {
            let twice = ExactError::Internal("a stream was read twice".to_owned());
            let failed = futures::stream::iter([Err(DataFusionError::from(twice))]);
            Box::pin(RecordBatchStreamAdapter::new(self.schema.clone(), failed))
        })
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, Int64Array, StringArray};

    use super::*;

    /// Batches of pseudo-random rows: few different keys, many, texts longer than what is compared first, nulls.
    fn batches(seed: u64, keys: u64) -> Vec<RecordBatch> {
        let mut state = seed;
        let mut next = move |below: u64| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        (0..12)
            .map(|nth| {
                let rows: Vec<(Option<i64>, Option<String>, i64)> = (0..nth * 97 % 700)
                    .map(|row| {
                        let n = next(keys);
                        let key = (n % 11 != 3).then_some(n as i64 - 40);
                        let text = (next(7) > 0).then(|| {
                            format!(
                                "{}{}",
                                "long prefix of a text ".repeat((n % 2) as usize),
                                next(keys)
                            )
                        });
                        (key, text, nth * 1000 + row)
                    })
                    .collect();
                let columns: [(&str, ArrayRef); 3] = [
                    (
                        "n",
                        Arc::new(rows.iter().map(|row| row.0).collect::<Int64Array>()),
                    ),
                    (
                        "t",
                        Arc::new(
                            rows.iter()
                                .map(|row| row.1.clone())
                                .collect::<StringArray>(),
                        ),
                    ),
                    (
                        "id",
                        Arc::new(rows.iter().map(|row| row.2).collect::<Int64Array>()),
                    ),
                ];
                let columns = columns.map(|(name, column)| (name, column, true));
                RecordBatch::try_from_iter_with_nullable(columns).expect("a batch")
            })
            .collect()
    }

    fn lines(rows: &[RecordBatch]) -> Vec<String> {
        let table = arrow::util::pretty::pretty_format_batches(rows)
            .expect("is shown")
            .to_string();
        table
            .lines()
            .skip(3)
            .filter(|line| !line.starts_with('+'))
            .map(str::to_owned)
            .collect()
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn ranges_in_a_row_are_what_one_sort_gives() {
        let by = [
            SortColumn::descending("t"),
            SortColumn::ascending("n"),
            SortColumn::ascending("id"),
        ];
        for (seed, keys) in [(1, 1), (2, 9), (3, 1_000_000)] {
            let batches = batches(seed, keys);
            let schema = batches[0].schema();
            for columns in [&by[..], &by[1..], &by[1..2], &by[2..]] {
                let order = Arc::new(Order::new(&schema, columns).expect("an order"));
                let whole = concat_batches(&schema, &batches).expect("one batch");
                let expected = lines(&[order.sorted(whole).expect("is sorted").0]);
                for ranges in [0, 1, 2, 5, 40] {
                    let runs = batches.iter().filter(|batch| batch.num_rows() > 0);
                    let runs: Vec<Run> = runs
                        .map(|batch| Run::new(batch.clone(), &order).expect("a run"))
                        .collect();
                    let sorted = in_ranges(runs, order.clone(), ranges, 2)
                        .await
                        .expect("ranges");
                    let sorted: Vec<RecordBatch> = sorted.try_collect().await.expect("is sorted");
                    assert!(
                        ranges < 5 || keys == 1 || sorted.len() > 2,
                        "{} ranges",
                        sorted.len()
                    );
                    assert!(
                        lines(&sorted) == expected,
                        "seed {seed}, {ranges} ranges by {columns:?}"
                    );
                }
            }
        }
    }
}
