//! One Parquet object: the types that its writer gave are kept (B3), its rows are numbered in the order of the file. All of it is decoded before a load
//! is planned, so that a damaged page is a broken object and not half a load (B4).
//!
//! Types are read from the Parquet schema, not from the Arrow schema that some writers add: two files of equal columns are equal whoever wrote them.
//! How values become the types of bronze is left to `typed`.

use std::fs::File;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{
    DataType, Field, Schema, SchemaRef, TimeUnit, TimestampMicrosecondType, TimestampNanosecondType,
};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use parquet::basic::Type as Physical;
use parquet::errors::ParquetError;

use crate::format::{FileFormat, ObjectCount, Opened, Sample};
use crate::rows::BATCH_ROWS;
use crate::typed::{self, Aside, Batches, Rows};
use crate::{Column, FeedSpec, Object, SourceError};

/// The format.
pub(crate) struct Parquet;

impl FileFormat for Parquet {
    fn check(&self, _: &FeedSpec) -> Result<(), SourceError> {
        Ok(())
    }

    fn flaw(&self, object: &Opened, _: bool) -> Result<Option<String>, SourceError> {
        typed::prove(object, &|| Reader::open(object), DAMAGED)
    }

    fn columns(&self, object: &Opened) -> Result<Option<Vec<Column>>, SourceError> {
        let columns = Reader::open(object)?.columns();
        Ok((!columns.is_empty()).then_some(columns))
    }

    fn has_rows(&self, object: &Opened) -> Result<bool, SourceError> {
        Ok(builder(object, None)?.metadata().file_metadata().num_rows() > 0)
    }

    fn read(
        &self,
        object: &Opened,
        of: &Object,
        _: Vec<Column>,
        each: &mut dyn FnMut(RecordBatch) -> Result<(), SourceError>,
    ) -> Result<ObjectCount, SourceError> {
        typed::read(object, of, Reader::open(object)?, each)
    }

    fn sample(&self, object: &Opened, rows_max: u64) -> Result<Option<Sample>, SourceError> {
        typed::sample(object, Reader::open(object)?, rows_max, "Parquet").map(Some)
    }
}

const DAMAGED: &str = "Parquet is damaged";
/// How the reason begins of a file that is none.
const NONE: &str = "it is no Parquet file, or ends early";
/// Whether an object known to be broken for this reason, which this file gave, might be whole under the settings of today.
pub(crate) fn may_be_whole_now(reason: &str, feed: &FeedSpec) -> bool {
    (reason == NONE || reason == DAMAGED) && feed.format != crate::Format::Parquet
}

type Builder = ParquetRecordBatchReaderBuilder<File>;

fn builder(object: &Opened, schema: Option<SchemaRef>) -> Result<Builder, SourceError> {
    let mut options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    if let Some(schema) = schema {
        options = options.with_schema(schema);
    }
    Builder::try_new_with_options(object.file()?, options).map_err(|e| flawed(object, e, NONE))
}

/// An error of the decoder: trouble with the disk, or damage.
fn flawed(object: &Opened, cause: ParquetError, why: &str) -> SourceError {
    if let ParquetError::External(inner) = &cause
        && let Some(io) = inner.downcast_ref::<std::io::Error>()
        && !matches!(
            io.kind(),
            std::io::ErrorKind::UnexpectedEof
                | std::io::ErrorKind::InvalidData
                | std::io::ErrorKind::InvalidInput
                | std::io::ErrorKind::Other
        )
    {
        return SourceError::io("read", object.path, std::io::Error::from(io.kind()));
    }
    object.broken(why).cause(cause)
}

/// Reads batches in the types of bronze.
struct Reader {
    columns: Vec<Column>,
    batches: ParquetRecordBatchReader,
    /// The old 96-bit timestamps once more, in nanoseconds: the other reader cuts off what is finer than microseconds.
    fine: Option<ParquetRecordBatchReader>,
    /// Of each column that lands, its place in the batch, and in the finer one.
    places: Vec<(usize, Option<usize>)>,
}

impl Reader {
    fn open(object: &Opened) -> Result<Box<dyn Batches>, SourceError> {
        let first = builder(object, None)?;
        let descriptor = first.parquet_schema();
        let fields = first.schema().fields();
        let (roots, columns): (Vec<usize>, Vec<Column>) =
            typed::landing(object, fields)?.into_iter().unzip();
        let is_old: Vec<bool> = (0..fields.len())
            .map(|root| {
                let mut leaves = (0..descriptor.num_columns())
                    .filter(|leaf| descriptor.get_column_root_idx(*leaf) == root);
                leaves.any(|leaf| descriptor.column(leaf).physical_type() == Physical::INT96)
            })
            .collect();
        let coarse: Vec<Field> = fields
            .iter()
            .zip(&is_old)
            .map(|(field, is_old)| match field.data_type() {
                DataType::Timestamp(_, zone) if *is_old => {
                    let micros = DataType::Timestamp(TimeUnit::Microsecond, zone.clone());
                    field.as_ref().clone().with_data_type(micros)
                }
                _ => field.as_ref().clone(),
            })
            .collect();
        let old_roots: Vec<usize> = roots
            .iter()
            .copied()
            .filter(|root| {
                is_old[*root] && matches!(fields[*root].data_type(), DataType::Timestamp(..))
            })
            .collect();
        let mask = ProjectionMask::roots(descriptor, roots.iter().copied());
        let (main, fine) = if old_roots.is_empty() {
            (first, None)
        } else {
            let mask = ProjectionMask::roots(descriptor, old_roots.iter().copied());
            let fine = first
                .with_projection(mask)
                .with_batch_size(BATCH_ROWS)
                .build();
            let fine = fine.map_err(|e| flawed(object, e, DAMAGED))?;
            let schema = Arc::new(Schema::new(coarse));
            (builder(object, Some(schema))?, Some(fine))
        };
        let batches = main
            .with_projection(mask)
            .with_batch_size(BATCH_ROWS)
            .build();
        let places = roots.iter().enumerate();
        Ok(Box::new(Self {
            places: places
                .map(|(at, root)| (at, old_roots.iter().position(|old| old == root)))
                .collect(),
            columns,
            batches: batches.map_err(|e| flawed(object, e, DAMAGED))?,
            fine,
        }))
    }
}

impl Batches for Reader {
    fn columns(&self) -> Vec<Column> {
        self.columns.clone()
    }

    fn next(&mut self, object: &Opened) -> Result<Option<Rows>, SourceError> {
        let damaged = |e: arrow::error::ArrowError| object.broken(DAMAGED).cause(e);
        let Some(batch) = self.batches.next().transpose().map_err(damaged)? else {
            return Ok(None);
        };
        let fine = match &mut self.fine {
            Some(fine) => fine.next().transpose().map_err(damaged)?,
            None => None,
        };
        let mut rows = Rows::of(batch.num_rows());
        for (column, (at, fine_at)) in self.columns.iter().zip(&self.places) {
            match (&fine, fine_at) {
                (Some(fine), Some(fine_at)) => {
                    let (values, aside) = without_finer(batch.column(*at), fine.column(*fine_at));
                    rows.add(column, values, aside);
                }
                _ => rows.push(object, column, batch.column(*at), DAMAGED)?,
            }
        }
        Ok(Some(rows))
    }
}

/// Timestamps in microseconds, without those that have more. The nanoseconds of a time before 1677 or after 2262 do not fit 64 bits: nothing can
/// be said of them, and they stay.
fn without_finer(micros: &ArrayRef, nanos: &ArrayRef) -> (ArrayRef, Vec<Aside>) {
    let (Some(coarse), Some(fine)) = (
        micros.as_primitive_opt::<TimestampMicrosecondType>(),
        nanos.as_primitive_opt::<TimestampNanosecondType>(),
    ) else {
        return (micros.clone(), Vec::new());
    };
    let mut aside = Vec::new();
    let zone = coarse.timezone().map(Arc::from);
    let kept = coarse
        .iter()
        .zip(fine.iter())
        .enumerate()
        .map(|(row, (coarse, fine))| {
            let (coarse, fine) = (coarse?, fine?);
            let is_finer = coarse.checked_mul(1_000).is_some_and(|whole| {
                whole != fine && fine.wrapping_sub(whole).unsigned_abs() < 1_000
            });
            if is_finer {
                let time = arrow::temporal_conversions::timestamp_ns_to_datetime(fine);
                aside.push(Aside {
                    row,
                    why: "finer_than_microseconds",
                    value: time.map_or_else(|| fine.to_string(), |time| time.to_string()),
                });
                return None;
            }
            Some(coarse)
        });
    let kept: arrow::array::TimestampMicrosecondArray = kept.collect();
    (Arc::new(kept.with_timezone_opt(zone)), aside)
}
