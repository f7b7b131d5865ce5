//! Scans of Parquet files that keep to a memory limit where pages are large.
//!
//! Whoever reads a page holds all of it, and there are writers that make one of all values of a column in a row group, a hundred
//! megabytes and more. What the readers of a plan will hold is known before it runs ([`crate::page_sizes`]). Little of it is what the
//! process takes beside its limit; more is counted against the limit; and where it is more than a part of that, a scan gets fewer
//! readers, or its rows are first written to the spill folder in small pages, one file after the other and before anything else of the
//! plan runs. What even that cannot hold is an error, the same in each run. Rows are the same either way.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatchReader;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DataFusionError, Result};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::{ParquetAccessPlan, RowGroupAccessPlanFilter};
use datafusion::datasource::physical_plan::{
    FileGroup, FileScanConfig, FileScanConfigBuilder, FileSource, ParquetFileMetrics, ParquetSource,
};
use datafusion::datasource::source::DataSourceExec;
use datafusion::execution::SpillFile;
use datafusion::execution::memory_pool::{
    MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation,
};
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::object_store::local::LocalFileSystem;
use datafusion::parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use datafusion::parquet::arrow::{ArrowWriter, ProjectionMask};
use datafusion::parquet::basic::Compression;
use datafusion::parquet::errors::ParquetError;
use datafusion::parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};
use datafusion::parquet::file::properties::{EnabledStatistics, WriterProperties};
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_optimizer::pruning::{PruningPredicate, PruningPredicateBuilder};
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use datafusion::physical_plan::{ExecutionPlan, PhysicalExpr};

use crate::checksums::CheckedFile;
use crate::error::ExactError;
use crate::page_sizes::{Held, at_most, held};
use crate::panics::caught;
use crate::tables::{DataFileRef, partitioned};
use crate::walks::Walk;

/// What all readers of a plan may hold beside the limit.
const BYTES_BESIDE: usize = 64 << 20;
/// What one reader may hold beside the limit while nothing else of its plan runs.
const BYTES_ALONE: usize = 128 << 20;
/// A part of the limit that readers may take of it.
const PART: usize = 8;

/// Of the files that are written: a page, and what of a row group has been encoded when the next begins.
const BYTES_PAGE: usize = 128 << 10;
const BYTES_ROW_GROUP: usize = 2 << 20;
/// Rows that are looked at together for the size of a page.
const ROWS_LOOKED_AT: usize = 64;
/// A batch on its way from the large pages to the small ones.
const BYTES_BATCH: usize = 1 << 20;
const ROWS_BATCH: usize = 8192;

/// What a plan with large pages needs as long as it runs, or runs once more in another form.
#[derive(Default)]
pub(crate) struct LargePages {
    cut: BTreeMap<PathBuf, Arc<Cut>>,
    held: Option<MemoryReservation>,
}

/// Columns and row groups of a file, written again in small pages.
struct Cut {
    columns: BTreeSet<String>,
    groups: BTreeSet<usize>,
    file: PartitionedFile,
    by_scan: usize,
    /// Removed with this.
    _written: Arc<dyn SpillFile>,
}

impl LargePages {
    /// The plan with scans whose readers fit.
    pub(crate) async fn fitted(
        &mut self,
        runtime: &RuntimeEnv,
        plan: Arc<dyn ExecutionPlan>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let pool = &runtime.memory_pool;
        let MemoryLimit::Finite(limit) = pool.memory_limit() else {
            return Ok(plan);
        };
        let mut scans = Vec::new();
        plan.clone().walk_down(|node| {
            scans.extend(Scan::of(&node));
            Ok(Transformed::no(node))
        })?;
        let known = tokio::task::spawn_blocking(move || known(scans));
        let Ok(Some(mut scans)) = known.await else {
            return Ok(plan);
        };
        self.held = None;
        if let Some(held) = reserved(pool, &scans, limit) {
            self.held = held;
            return Ok(plan);
        }
        let share = (BYTES_BESIDE + limit / PART) / scans.len().max(1);
        for (path, part) in to_be_cut(&scans, share) {
            if !self.cut.get(&path).is_some_and(|cut| cut.covers(&part)) {
                let cut = cut(runtime, &path, part).await?;
                self.cut.extend(cut.map(|cut| (path, Arc::new(cut))));
            }
        }
        for scan in &mut scans {
            scan.take(&self.cut, share);
        }
        self.held = reserved(pool, &scans, limit).unwrap_or_else(|| {
            let more = total(&scans).saturating_sub(BYTES_BESIDE);
            let held = consumer(pool);
            held.try_grow(more).ok().map(|()| held)
        });
        if self.held.is_none() && total(&scans) > BYTES_BESIDE {
            return Err(too_many_readers(&scans, limit));
        }
        let mut scans = scans.into_iter();
        let replaced = plan.walk_down(|node| match Scan::of(&node).and_then(|_| scans.next()) {
            Some(scan) => Ok(Transformed::yes(scan.into_plan())),
            None => Ok(Transformed::no(node)),
        })?;
        Ok(replaced.data)
    }
}

fn consumer(pool: &Arc<dyn MemoryPool>) -> MemoryReservation {
    MemoryConsumer::new("PageReaders").register(pool)
}

fn total(scans: &[Scan]) -> usize {
    scans.iter().map(|scan| scan.readers * scan.by_scan()).sum()
}

/// What readers hold beyond what the process takes anyway, counted against the limit; none if that is too much.
fn reserved(
    pool: &Arc<dyn MemoryPool>,
    scans: &[Scan],
    limit: usize,
) -> Option<Option<MemoryReservation>> {
    let more = total(scans).saturating_sub(BYTES_BESIDE);
    if more == 0 {
        return Some(None);
    }
    let held = consumer(pool);
    (more <= limit / PART && held.try_grow(more).is_ok()).then_some(Some(held))
}

fn too_many_readers(scans: &[Scan], limit: usize) -> DataFusionError {
    let largest = scans.iter().flat_map(|scan| &scan.files);
    let largest = largest.max_by_key(|file| file.held.by_scan);
    let path = largest
        .map(|file| file.path.display().to_string())
        .unwrap_or_default();
    ExactError::Memory(format!(
        "reading {} Parquet tables side by side, `{path}` among them, needs {} MiB, more than the limit of {} MiB leaves it",
        scans.len(),
        total(scans) >> 20,
        limit >> 20,
    ))
    .into()
}

/// A scan of local Parquet files.
struct Scan {
    config: FileScanConfig,
    columns: BTreeSet<String>,
    predicate: Option<Arc<dyn PhysicalExpr>>,
    files: Vec<Source>,
    readers: usize,
}

/// A file of a scan, whole.
struct Source {
    file: PartitionedFile,
    path: PathBuf,
    meta: Option<Arc<ParquetMetaData>>,
    leaves: Vec<usize>,
    groups: Vec<usize>,
    held: Held,
}

impl Scan {
    fn of(plan: &Arc<dyn ExecutionPlan>) -> Option<Scan> {
        let scan = plan.downcast_ref::<DataSourceExec>()?;
        let (config, source) = scan.downcast_to_file_source::<ParquetSource>()?;
        let schema = source.table_schema();
        let simple = config.object_store_url == ObjectStoreUrl::local_filesystem()
            && schema.table_partition_cols().is_empty()
            // Several groups in an order of their own are left as they are.
            && (!config.preserve_order || config.file_groups.len() == 1);
        if !simple {
            return None;
        }
        let schema = schema.table_schema();
        let mut indices = source.projection()?.column_indices();
        let predicate = source.filter();
        indices.extend(
            predicate
                .iter()
                .flat_map(collect_columns)
                .map(|column| column.index()),
        );
        let fields = indices
            .into_iter()
            .filter_map(|index| schema.fields().get(index));
        let columns = fields.map(|field| field.name().clone()).collect();
        let mut files: Vec<Source> = Vec::new();
        let mut seen = BTreeSet::new();
        for file in config.file_groups.iter().flat_map(FileGroup::files) {
            let location = &file.object_meta.location;
            let path = LocalFileSystem::new().path_to_filesystem(location).ok()?;
            // A part of a file, and the others of it.
            if seen.insert(path.clone()) || file.range.is_none() {
                let mut file = file.clone();
                file.range = None;
                files.push(Source {
                    file,
                    path,
                    meta: None,
                    leaves: Vec::new(),
                    groups: Vec::new(),
                    held: Held::default(),
                });
            }
        }
        Some(Scan {
            config: config.clone(),
            columns,
            predicate,
            files,
            readers: config.file_groups.len(),
        })
    }

    fn by_scan(&self) -> usize {
        self.files
            .iter()
            .map(|file| file.held.by_scan)
            .max()
            .unwrap_or(0)
    }

    /// Reads footers, and finds what is asked of the files.
    fn look(&mut self) -> Option<()> {
        let schema = self.config.file_schema();
        let predicate = self.predicate.clone();
        let predicate = predicate.and_then(|expr| pruning(expr, schema));
        for file in &mut self.files {
            let opened = File::open(&file.path).ok()?;
            let meta = ParquetMetaDataReader::new()
                .parse_and_finish(&opened)
                .ok()?;
            file.leaves = leaves(&meta, &self.columns);
            file.groups = match &predicate {
                Some(predicate) => asked_for(&meta, schema, predicate),
                None => (0..meta.num_row_groups()).collect(),
            };
            file.held.by_scan = at_most(&meta, &file.leaves, &file.groups);
            file.meta = Some(Arc::new(meta));
        }
        Some(())
    }

    /// Reads the heads of pages.
    fn measure(&mut self) -> Option<()> {
        for file in &mut self.files {
            let meta = file.meta.as_ref()?;
            let mut opened = File::open(&file.path).ok()?;
            file.held = held(&mut opened, meta, &file.leaves, &file.groups);
        }
        Some(())
    }

    fn fits(&self, share: usize) -> bool {
        self.readers * self.by_scan() <= share
    }

    /// Takes what was written in small pages in place of the files, and as many readers as fit then.
    fn take(&mut self, cut: &BTreeMap<PathBuf, Arc<Cut>>, share: usize) {
        for file in &mut self.files {
            let part = Part {
                columns: &self.columns,
                groups: &file.groups,
            };
            if let Some(cut) = cut.get(&file.path).filter(|cut| cut.holds(&part)) {
                file.file = cut.file.clone();
                file.held.by_scan = cut.by_scan;
            }
        }
        if !self.fits(share) {
            self.readers = (share / self.by_scan().max(1)).clamp(1, self.readers);
        }
    }

    fn into_plan(self) -> Arc<dyn ExecutionPlan> {
        let mut groups = vec![FileGroup::default(); self.config.file_groups.len()];
        let readers = self.readers.max(1);
        let fewer = readers < groups.len();
        for file in self.files {
            let size = file.file.object_meta.size;
            let bound = |reader: usize| (size as u128 * reader as u128 / readers as u128) as i64;
            for (reader, group) in groups.iter_mut().enumerate().take(readers) {
                let mut part = file.file.clone();
                if readers > 1 {
                    part = part.with_range(bound(reader), bound(reader + 1));
                }
                group.push(part);
            }
        }
        let in_order = self.config.preserve_order;
        let config = FileScanConfigBuilder::from(self.config)
            .with_file_groups(groups)
            // Else partitions without files would take some of the others'.
            .with_preserve_order(in_order || fewer)
            .build();
        DataSourceExec::from_data_source(config)
    }
}

/// The scans with what their readers hold; none where a file cannot be read: whoever runs the plan says so.
fn known(mut scans: Vec<Scan>) -> Option<Vec<Scan>> {
    for scan in &mut scans {
        scan.look()?;
    }
    if total(&scans) > BYTES_BESIDE {
        for scan in &mut scans {
            scan.measure()?;
        }
    }
    Some(scans)
}

/// The leaves of these columns, as far as a file has them.
fn leaves(meta: &ParquetMetaData, columns: &BTreeSet<String>) -> Vec<usize> {
    let schema = meta.file_metadata().schema_descr();
    let wanted = |leaf: &usize| columns.contains(schema.get_column_root(*leaf).name());
    (0..schema.num_columns()).filter(wanted).collect()
}

fn pruning(expr: Arc<dyn PhysicalExpr>, schema: &SchemaRef) -> Option<PruningPredicate> {
    let builder = PruningPredicateBuilder::new().with_file_schema(Arc::clone(schema));
    builder.try_build(expr).ok()
}

/// Row groups in which a row may be one that is asked for.
fn asked_for(
    meta: &ParquetMetaData,
    schema: &SchemaRef,
    predicate: &PruningPredicate,
) -> Vec<usize> {
    let all = ParquetAccessPlan::new_all(meta.num_row_groups());
    let mut asked = RowGroupAccessPlanFilter::new(all);
    let parquet_schema = meta.file_metadata().schema_descr();
    let metrics = ParquetFileMetrics::new(0, "", &ExecutionPlanMetricsSet::new());
    asked.prune_by_statistics(
        schema,
        parquet_schema,
        meta.row_groups(),
        predicate,
        &metrics,
    );
    asked.row_group_indexes().collect()
}

/// What a scan needs of a file.
struct Part<'s> {
    columns: &'s BTreeSet<String>,
    groups: &'s [usize],
}

/// What all scans together need of a file.
struct Wanted {
    columns: BTreeSet<String>,
    groups: BTreeSet<usize>,
    meta: Arc<ParquetMetaData>,
}

impl Cut {
    fn covers(&self, wanted: &Wanted) -> bool {
        self.columns.is_superset(&wanted.columns) && self.groups.is_superset(&wanted.groups)
    }

    fn holds(&self, part: &Part<'_>) -> bool {
        self.columns.is_superset(part.columns)
            && part.groups.iter().all(|group| self.groups.contains(group))
    }
}

/// Files of which one reader holds more than there is for all readers of their scan, with what all such scans need of them.
fn to_be_cut(scans: &[Scan], share: usize) -> BTreeMap<PathBuf, Wanted> {
    let mut wanted: BTreeMap<PathBuf, Wanted> = BTreeMap::new();
    for scan in scans.iter().filter(|scan| scan.by_scan() > share) {
        let each = share / scan.readers.max(1);
        for file in scan.files.iter().filter(|file| file.held.by_scan > each) {
            let Some(meta) = &file.meta else {
                continue;
            };
            let part = wanted.entry(file.path.clone()).or_insert_with(|| Wanted {
                columns: BTreeSet::new(),
                groups: BTreeSet::new(),
                meta: Arc::clone(meta),
            });
            part.columns.extend(scan.columns.iter().cloned());
            part.groups.extend(&file.groups);
        }
    }
    wanted
}

/// Writes a part of a file to the spill folder; none if it cannot be read, which is told by the scan that meets it.
async fn cut(runtime: &RuntimeEnv, path: &Path, wanted: Wanted) -> Result<Option<Cut>> {
    let meta = &wanted.meta;
    let leaves = leaves(meta, &wanted.columns);
    let groups: Vec<usize> = wanted.groups.iter().copied().collect();
    let Ok(mut opened) = File::open(path) else {
        return Ok(None);
    };
    let holds = held(&mut opened, meta, &leaves, &groups);
    let _held = alone(&runtime.memory_pool, path, &holds)?;
    let failed = |error: ParquetError| -> DataFusionError {
        let what = format!(
            "cannot write `{}` in small pages to the spill folder",
            path.display()
        );
        let source = Box::new(error);
        ExactError::Io { what, source }.into()
    };
    let read = Reading {
        path,
        meta: Arc::clone(meta),
        leaves,
    };
    let Some(nothing) = read.rows(Vec::new()) else {
        return Ok(None);
    };
    let schema = nothing.schema();
    let written = runtime
        .disk_manager
        .create_tmp_file("large pages of a Parquet file")?;
    let Some(to) = written.path().map(Path::to_owned) else {
        return Ok(None);
    };
    let sink = OpenOptions::new().write(true).truncate(true).open(&to);
    let sink = BufWriter::new(sink.map_err(|error| failed(error.into()))?);
    let mut writer =
        ArrowWriter::try_new(sink, Arc::clone(&schema), Some(small())).map_err(failed)?;
    let (mut given, mut found) = (0, 0);
    for group in &groups {
        given += u64::try_from(meta.row_group(*group).num_rows()).unwrap_or(0);
        let Some(mut reader) = read.rows(vec![*group]) else {
            return Ok(None);
        };
        while let Some(rows) = caught(|| reader.next())? {
            let Ok(rows) = rows else {
                return Ok(None);
            };
            found += rows.num_rows() as u64;
            writer.write(&rows).map_err(failed)?;
            if writer.in_progress_size() > BYTES_ROW_GROUP {
                writer.flush().map_err(failed)?;
            }
            tokio::task::yield_now().await;
        }
    }
    let footer = writer.close().map_err(failed)?;
    if given != found {
        let what = format!("rows of `{}` were read", path.display());
        return Err(ExactError::Rows { what, given, found }.into());
    }
    let Ok(again) = ArrowReaderMetadata::try_new(Arc::new(footer), Default::default()) else {
        return Ok(None);
    };
    let columns = |schema: &SchemaRef| -> Vec<_> {
        let fields = schema.fields().iter();
        fields
            .map(|field| (field.name().clone(), field.data_type().clone()))
            .collect()
    };
    if columns(again.schema()) != columns(&schema) {
        return Ok(None);
    }
    let all: Vec<usize> = (0..again.parquet_schema().num_columns()).collect();
    let every: Vec<usize> = (0..again.metadata().num_row_groups()).collect();
    let mut opened = File::open(&to)?;
    let by_scan = held(&mut opened, again.metadata(), &all, &every).by_scan;
    let file = partitioned(&DataFileRef {
        size: opened.metadata()?.len(),
        rows: found,
        path: to,
    })?;
    Ok(Some(Cut {
        columns: wanted.columns,
        groups: wanted.groups,
        file,
        by_scan,
        _written: written,
    }))
}

/// Columns of a file that are read page by page.
struct Reading<'p> {
    path: &'p Path,
    meta: Arc<ParquetMetaData>,
    leaves: Vec<usize>,
}

impl Reading<'_> {
    /// The rows of these row groups; none if the file cannot be read.
    fn rows(&self, groups: Vec<usize>) -> Option<ParquetRecordBatchReader> {
        let (mut rows, mut bytes) = (0, 0);
        for group in &groups {
            let group = self.meta.row_group(*group);
            let chunks = self.leaves.iter().map(|leaf| group.column(*leaf));
            bytes += chunks.map(|chunk| chunk.uncompressed_size()).sum::<i64>();
            rows += group.num_rows();
        }
        let rows = usize::try_from(rows).unwrap_or(0);
        let bytes = usize::try_from(bytes).unwrap_or(0).max(1);
        let batch =
            (BYTES_BATCH as u128 * rows as u128 / bytes as u128).clamp(1, ROWS_BATCH as u128);
        let file = CheckedFile::new(File::open(self.path).ok()?);
        let meta = ArrowReaderMetadata::try_new(Arc::clone(&self.meta), Default::default()).ok()?;
        let schema = self.meta.file_metadata().schema_descr();
        let mask = ProjectionMask::leaves(schema, self.leaves.iter().copied());
        let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(file, meta)
            .with_projection(mask)
            .with_row_groups(groups)
            .with_batch_size(batch as usize);
        caught(|| reader.build()).ok()?.ok()
    }
}

/// What reading the pages of a file takes beyond what is free while nothing else runs.
fn alone(pool: &Arc<dyn MemoryPool>, path: &Path, holds: &Held) -> Result<MemoryReservation> {
    let reservation = consumer(pool);
    let more = holds.by_pages.saturating_sub(BYTES_ALONE);
    if more > 0 && reservation.try_grow(more).is_err() {
        let (column, page) = holds.largest.clone().unwrap_or_default();
        let mib = |bytes: usize| bytes.div_ceil(1 << 20);
        return Err(ExactError::Memory(format!(
            "`{}` has pages of up to {} MiB (column `{column}`), and whoever reads the columns that are asked for holds {} MiB at once: raise \
             `--memory` to {} MiB or more, ask for fewer columns, or have the file written with smaller row groups",
            path.display(),
            mib(page),
            mib(holds.by_pages),
            mib(more),
        ))
        .into());
    }
    Ok(reservation)
}

/// How the files in the spill folder are written.
fn small() -> WriterProperties {
    WriterProperties::builder()
        .set_compression(Compression::LZ4_RAW)
        .set_data_page_size_limit(BYTES_PAGE)
        .set_dictionary_page_size_limit(BYTES_PAGE)
        .set_write_batch_size(ROWS_LOOKED_AT)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .build()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{
        ArrayRef, BooleanArray, Decimal128Array, Int64Array, ListArray, StringArray,
        TimestampMicrosecondArray,
    };
    use arrow::datatypes::Int32Type;
    use arrow::record_batch::RecordBatch;
    use arrow::util::pretty::pretty_format_batches;
    use datafusion::execution::memory_pool::GreedyMemoryPool;
    use expect_test::{Expect, expect};
    use futures::TryStreamExt;
    use tempfile::TempDir;

    use super::*;
    use crate::{Engine, EngineConfig, FileSet, Purpose, Rounding, Tables};

    /// A row takes a little more than a thousand bytes.
    const ROWS: i64 = 24_000;

    /// A table of one file and one row group; its texts are one page of 24 MB, as DuckDB writes them.
    fn table(folder: &TempDir) -> Tables {
        let (rows, nulls) = (|| 0..ROWS, |id: &i64| *id % 5 != 0);
        let text = |id| format!("{id:064}").repeat(16);
        let list = |id: i64| nulls(&id).then(|| vec![Some(id as i32), None]);
        let times = rows().map(|id| id * 1_000_001).collect::<Vec<_>>();
        let decimals = rows().map(|id| nulls(&id).then(|| i128::from(id) << 70));
        let columns: [(&str, ArrayRef); 6] = [
            ("Id", Arc::new(rows().collect::<Int64Array>())),
            (
                "d",
                Arc::new(
                    decimals
                        .collect::<Decimal128Array>()
                        .with_precision_and_scale(38, 3)
                        .expect("fits"),
                ),
            ),
            (
                "at",
                Arc::new(TimestampMicrosecondArray::from(times).with_timezone("UTC")),
            ),
            (
                "b",
                Arc::new(
                    rows()
                        .map(|id| nulls(&id).then_some(id % 2 == 0))
                        .collect::<BooleanArray>(),
                ),
            ),
            (
                "l",
                Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(
                    rows().map(list),
                )),
            ),
            (
                "s",
                Arc::new(
                    rows()
                        .map(|id| nulls(&id).then(|| text(id)))
                        .collect::<StringArray>(),
                ),
            ),
        ];
        let batch = RecordBatch::try_from_iter_with_nullable(
            columns.map(|(name, column)| (name, column, true)),
        );
        let batch = batch.expect("a batch");
        let all = usize::MAX;
        let properties = WriterProperties::builder()
            .set_dictionary_enabled(false)
            .set_data_page_size_limit(all)
            .set_data_page_row_count_limit(all)
            .build();
        let path = folder.path().join("wide.parquet");
        let file = File::create(&path).expect("a file");
        let mut writer =
            ArrowWriter::try_new(file, batch.schema(), Some(properties)).expect("a writer");
        writer.write(&batch).expect("written");
        writer.close().expect("written");
        let size = path.metadata().expect("a file").len();
        let files = FileSet {
            schema: batch.schema(),
            files: vec![DataFileRef {
                path,
                size,
                rows: ROWS as u64,
            }],
            key: None,
        };
        let mut tables = Tables::new();
        tables.insert_plain("wide", files).expect("a table");
        tables
    }

    fn engine(folder: &TempDir, limit_mib: Option<usize>) -> Engine {
        Engine::new(EngineConfig {
            threads: 2,
            memory_bytes: limit_mib.map(|mib| mib << 20),
            spill_dir: folder.path().join("spilled"),
            logical_time_us: 0,
            timezone: "UTC".to_owned(),
            rounding: Rounding::HalfAwayFromZero,
            batch_rows: 8192,
        })
        .expect("an engine")
    }

    /// How each scan of a question is read under a limit.
    async fn check(limit_mib: usize, sql: &str, expected: Expect) {
        let folder = TempDir::new().expect("a folder");
        let tables = table(&folder);
        let engine = engine(&folder, Some(limit_mib));
        let prepared = engine.prepare(sql, &tables, &Purpose::Query { strict: false });
        let prepared = prepared.map_err(|error| error.message).expect("planned");
        let plan = prepared.physical().await.expect("planned");
        let mut pages = LargePages::default();
        let plan = pages
            .fitted(engine.state.runtime_env(), plan)
            .await
            .expect("fits");
        let mut told = String::new();
        plan.walk_down(|node| {
            let scan = node.downcast_ref::<DataSourceExec>();
            let scan = scan.and_then(|scan| scan.downcast_to_file_source::<ParquetSource>());
            if let Some((config, _)) = scan {
                let groups = &config.file_groups;
                let readers = groups.iter().filter(|group| !group.is_empty()).count();
                let mut files = groups.iter().flat_map(FileGroup::files);
                let own = |file: &PartitionedFile| file.path().filename() == Some("wide.parquet");
                let kind = match files.all(own) {
                    true => "the file",
                    false => "small pages",
                };
                told += &format!("{readers} of {} partitions read {kind}\n", groups.len());
            }
            Ok(Transformed::no(node))
        })
        .expect("walked");
        let held = pages.held.as_ref().map_or(0, MemoryReservation::size);
        told += &format!("counted: {} MiB\n", held >> 20);
        expected.assert_eq(&told);
        drop(pages);
        let left = std::fs::read_dir(folder.path().join("spilled"));
        let left = left
            .into_iter()
            .flatten()
            .flatten()
            .flat_map(|entry| std::fs::read_dir(entry.path()));
        assert_eq!(left.flatten().count(), 0, "what was written is removed");
    }

    #[tokio::test]
    async fn large_pages_are_counted_then_read_one_by_one_then_cut() {
        let one = "select count(*), max(s) from wide";
        let two = "select count(*) from (select s, id from wide union all select s, id + 1 from wide) q where s <> 'x'";
        check(
            512,
            one,
            expect![[r#"
            2 of 2 partitions read the file
            counted: 11 MiB
        "#]],
        )
        .await;
        check(
            64,
            one,
            expect![[r#"
            1 of 2 partitions read the file
            counted: 0 MiB
        "#]],
        )
        .await;
        check(
            64,
            two,
            expect![[r#"
            2 of 2 partitions read small pages
            2 of 2 partitions read small pages
            counted: 0 MiB
        "#]],
        )
        .await;
    }

    #[tokio::test]
    async fn what_is_not_read_does_not_count() {
        check(
            64,
            "select count(*), max(d), max(l[1]) from wide",
            expect![[r#"
                2 of 2 partitions read the file
                counted: 0 MiB
            "#]],
        )
        .await;
        check(
            64,
            "select count(*), max(s) from wide where id < 0",
            expect![[r#"
                2 of 2 partitions read the file
                counted: 0 MiB
            "#]],
        )
        .await;
    }

    #[tokio::test]
    async fn small_pages_hold_the_same_values() {
        let folder = TempDir::new().expect("a folder");
        let tables = table(&folder);
        let columns = "id, d, at, b, l, length(s) as n, substr(s, 60, 9) as t";
        let sql = format!(
            "select {columns} from wide where id % 997 = 3 union all select {columns} from wide where id % 1009 = 5"
        );
        let mut answers = Vec::new();
        for limit in [None, Some(64)] {
            let engine = engine(&folder, limit);
            let prepared = engine.prepare(&sql, &tables, &Purpose::Query { strict: false });
            let prepared = prepared.map_err(|error| error.message).expect("planned");
            let rows = engine.stream(&prepared).await.expect("runs");
            let rows: Vec<RecordBatch> = rows.try_collect().await.expect("runs");
            answers.push(pretty_format_batches(&rows).expect("a text").to_string());
        }
        assert_eq!(answers[0], answers[1]);
        assert_eq!(answers[0].lines().count(), 4 + 25 + 24);
    }

    #[test]
    fn a_page_that_does_not_fit_is_told_with_what_would_do() {
        let pool: Arc<dyn MemoryPool> = Arc::new(GreedyMemoryPool::new(64 << 20));
        let holds = |mib: usize| Held {
            by_pages: mib << 20,
            largest: Some(("s".to_owned(), (mib - 20) << 20)),
            ..Held::default()
        };
        let path = Path::new("big.parquet");
        assert!(alone(&pool, path, &holds(190)).is_ok());
        let told = alone(&pool, path, &holds(193)).expect_err("too large");
        expect!["not enough memory: `big.parquet` has pages of up to 173 MiB (column `s`), and whoever reads the columns that are asked for holds 193 MiB at once: raise `--memory` to 65 MiB or more, ask for fewer columns, or have the file written with smaller row groups"].assert_eq(&ExactError::from(told).to_string());
    }
}
