//! The shape of the One Trillion Row Challenge: measurements of 412 stations, made file by file from a seed, and its question,
//! answered exactly over as many files as one likes without keeping them.
//!
//! Numbers come from integer arithmetic alone, so that a seed gives the same files everywhere.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{DictionaryArray, Float64Array, Int32Array, RecordBatch, StringArray};
use arrow::compute::{SortColumn, lexsort_to_indices, take_record_batch};
use arrow::datatypes::{DataType, Field, Int32Type, Schema, SchemaRef};
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::basic::Compression;
use datafusion::parquet::errors::ParquetError;
use datafusion::parquet::file::properties::WriterProperties;

use crate::dictionary_aggregate::the_grouping;
use crate::engine::Engine;
use crate::error::ExactError;
use crate::fingerprint::{Fingerprint, Fingerprinter};
use crate::grouped_pages::Part;
use crate::query::Purpose;
use crate::tables::{DataFileRef, FileSet, Tables};

const STATIONS: usize = 412;
/// Rows that are made together.
const BATCH: usize = 8192;
/// Rows of a row group.
const ROW_GROUP: usize = 1 << 20;

/// The question of the challenge.
pub const QUESTION: &str = "select station, min(measure) as min, avg(measure) as mean, max(measure) as max \
     from measurements group by station order by station";

/// Makes files of measurements.
#[derive(Clone, Debug)]
pub struct Measurements {
    seed: u64,
    names: Vec<String>,
    /// In tenths of a degree.
    means: Vec<i64>,
}

/// A generator of 64-bit numbers (splitmix64).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// From 0 up to, and without, `end`.
    fn below(&mut self, end: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(end)) >> 64) as u64
    }

    /// Around 0, with a standard deviation of 100: a sum of twelve even numbers is close to normal.
    fn deviation(&mut self) -> i64 {
        let sum = (0..3).fold(0, |sum, _| {
            let bits = self.next();
            sum + (0..4).map(|k| (bits >> (16 * k)) & 0xffff).sum::<u64>()
        });
        (sum as i64 - 6 * 0xffff) * 100 / 0xffff
    }
}

impl Measurements {
    /// Stations with their names and mean temperatures.
    pub fn new(seed: u64) -> Measurements {
        let mut numbers = Numbers(seed);
        let name = |station: usize, numbers: &mut Numbers| {
            let letters = 1 + numbers.below(11);
            let letter = |_| char::from(b'a' + numbers.below(26) as u8);
            format!(
                "S{station:03}{}",
                (0..letters).map(letter).collect::<String>()
            )
        };
        Measurements {
            seed,
            names: (0..STATIONS)
                .map(|station| name(station, &mut numbers))
                .collect(),
            means: (0..STATIONS)
                .map(|_| numbers.below(471) as i64 - 150)
                .collect(),
        }
    }

    /// Writes the file of this number, and says how large it is. Its rows depend on the seed and the number alone.
    pub fn write(&self, path: &Path, number: u64, rows: u64) -> Result<DataFileRef, ExactError> {
        let fields = vec![
            Field::new("station", dictionary(), true),
            Field::new("measure", DataType::Float64, true),
        ];
        let schema = Arc::new(Schema::new(fields));
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_max_row_group_row_count(Some(ROW_GROUP))
            .build();
        let failed = |error: ParquetError| ExactError::from_datafusion(error.into());
        let file = File::create(path).map_err(|error| ExactError::from_datafusion(error.into()))?;
        let mut writer =
            ArrowWriter::try_new(file, schema.clone(), Some(properties)).map_err(failed)?;
        let names = Arc::new(StringArray::from_iter_values(&self.names));
        let mut numbers = Numbers(self.seed ^ (number + 1).wrapping_mul(0xd6e8_feb8_6659_fd93));
        let mut left = rows;
        while left > 0 {
            let count = left.min(BATCH as u64) as usize;
            left -= count as u64;
            let mut stations = Vec::with_capacity(count);
            let mut measures = Vec::with_capacity(count);
            for _ in 0..count {
                let station = numbers.below(STATIONS as u64) as usize;
                stations.push(station as i32);
                // One division of integers below 2^53: the double nearest to the tenths.
                measures.push((self.means[station] + numbers.deviation()) as f64 / 10.0);
            }
            let keys = Int32Array::from(stations);
            let stations = DictionaryArray::<Int32Type>::try_new(keys, names.clone())
                .map_err(ExactError::arrow)?;
            let measures = Float64Array::from(measures);
            let columns = vec![Arc::new(stations) as _, Arc::new(measures) as _];
            let batch = RecordBatch::try_new(schema.clone(), columns).map_err(ExactError::arrow)?;
            writer.write(&batch).map_err(failed)?;
        }
        writer.close().map_err(failed)?;
        let size = std::fs::metadata(path)
            .map_err(|error| ExactError::from_datafusion(error.into()))?
            .len();
        Ok(DataFileRef {
            path: path.to_path_buf(),
            size,
            rows,
        })
    }
}

fn dictionary() -> DataType {
    DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
}

/// The table as SQL sees it.
fn table() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("station", DataType::Utf8, true),
        Field::new("measure", DataType::Float64, true),
    ]))
}

/// What is known of the answer after some of the files.
#[derive(Default)]
pub struct Answer {
    known: Option<(Part, SchemaRef)>,
}

/// The answer to [`QUESTION`] over all files.
#[derive(Clone, Debug)]
pub struct Answered {
    /// Stations in order.
    pub rows: RecordBatch,
    /// Of those rows: the same for the same seed and rows, whatever the machine.
    pub fingerprint: Fingerprint,
}

impl Answer {
    /// Takes in more files. They may go afterwards.
    pub async fn read(
        &mut self,
        engine: &Engine,
        files: Vec<DataFileRef>,
    ) -> Result<(), ExactError> {
        let set = FileSet {
            schema: table(),
            files,
            key: None,
        };
        let mut tables = Tables::new();
        tables.insert_plain("measurements", set)?;
        let purpose = Purpose::Query { strict: false };
        let prepared = engine
            .prepare(QUESTION, &tables, &purpose)
            .map_err(|error| ExactError::Internal(error.to_string()))?;
        let plan = prepared.physical().await?;
        let context = engine.state.task_ctx();
        let (part, schema) = the_grouping(&plan, &context).await?;
        match &mut self.known {
            None => self.known = Some((part, schema)),
            Some((known, _)) => known.absorb(part)?,
        }
        Ok(())
    }

    /// The answer over all the files.
    pub fn finish(self) -> Result<Answered, ExactError> {
        let Some((part, schema)) = self.known else {
            return Err(ExactError::Internal("an answer without files".to_owned()));
        };
        let groups = part.finish(&schema)?;
        let columns = [SortColumn {
            values: groups.column(0).clone(),
            options: None,
        }];
        let order = lexsort_to_indices(&columns, None).map_err(ExactError::arrow)?;
        let rows = take_record_batch(&groups, &order).map_err(ExactError::arrow)?;
        let names = ["station", "min", "mean", "max"];
        let fields: Vec<Field> = names
            .iter()
            .zip(rows.schema().fields())
            .map(|(name, field)| field.as_ref().clone().with_name(*name))
            .collect();
        let rows = RecordBatch::try_new(Arc::new(Schema::new(fields)), rows.columns().to_vec())
            .map_err(ExactError::arrow)?;
        let mut fingerprinter = Fingerprinter::new(&rows.schema(), &[])?;
        fingerprinter.update(&rows)?;
        Ok(Answered {
            fingerprint: fingerprinter.finish(),
            rows,
        })
    }
}
