//! Between which values the columns of files lie, as far as footers tell. Guesses live by it ([`crate::guesses`]), answers do not.

use std::cmp::Ordering;
use std::fs::File;

use arrow::array::{Array, ArrayRef};
use arrow::datatypes::DataType;
use datafusion::common::stats::Precision;
use datafusion::common::{ColumnStatistics, ScalarValue, Statistics};
use datafusion::parquet::arrow::arrow_reader::statistics::StatisticsConverter;
use datafusion::parquet::arrow::parquet_to_arrow_schema;
use datafusion::parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};

use crate::tables::FileSet;

/// Files whose footers are read, the first and the last among them.
const FILES: usize = 8;
/// Row groups of a file that are looked at, the first and the last among them.
const GROUPS: usize = 32;
const DAY: f64 = 86_400.0;

/// Between which values a column lies, in the numbers of [`number`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Range {
    pub(crate) least: f64,
    pub(crate) greatest: f64,
    /// How far apart two values are at least; 0 where that is not known.
    pub(crate) step: f64,
}

impl Range {
    /// How many values there may be in it, where that is known.
    pub(crate) fn values(&self) -> Option<f64> {
        (self.step > 0.0).then(|| (self.greatest - self.least) / self.step + 1.0)
    }

    /// The range that a column's statistics tell.
    pub(crate) fn of(known: &ColumnStatistics) -> Option<Range> {
        let least = known.min_value.get_value()?;
        Some(Range {
            least: number(least)?,
            greatest: number(known.max_value.get_value()?)?,
            step: match least.data_type() {
                kind if kind.is_integer() => 1.0,
                DataType::Date32 => DAY,
                _ => 0.0,
            },
        })
    }
}

/// A value as a number that others of its kind compare with: days and times as seconds. None of what is no number, nor null.
pub(crate) fn number(value: &ScalarValue) -> Option<f64> {
    let at = |value: &Option<i64>, unit: f64| value.map(|value| value as f64 / unit);
    match value {
        ScalarValue::Date32(days) => days.map(|days| f64::from(days) * DAY),
        ScalarValue::TimestampSecond(value, _) => at(value, 1.0),
        ScalarValue::TimestampMillisecond(value, _) => at(value, 1e3),
        ScalarValue::TimestampMicrosecond(value, _) => at(value, 1e6),
        ScalarValue::TimestampNanosecond(value, _) => at(value, 1e9),
        ScalarValue::Boolean(_) | ScalarValue::Null => None,
        other if other.data_type().is_numeric() => match other.cast_to(&DataType::Float64) {
            Ok(ScalarValue::Float64(value)) => value.filter(|value| value.is_finite()),
            _ => None,
        },
        _ => None,
    }
}

/// What the footers of some files say of the columns of all. A file that cannot be read says nothing: whoever reads its rows tells.
pub(crate) fn known(files: &FileSet) -> Vec<ColumnStatistics> {
    let mut known = Statistics::new_unknown(&files.schema).column_statistics;
    for file in spread(&files.files, FILES) {
        let Ok(opened) = File::open(&file.path) else {
            continue;
        };
        if let Ok(footer) = ParquetMetaDataReader::new().parse_and_finish(&opened) {
            add(&mut known, files, &footer);
        }
    }
    known
}

fn add(known: &mut [ColumnStatistics], files: &FileSet, footer: &ParquetMetaData) {
    let meta = footer.file_metadata();
    let parquet = meta.schema_descr();
    let Ok(arrow) = parquet_to_arrow_schema(parquet, meta.key_value_metadata()) else {
        return;
    };
    let groups = spread(footer.row_groups(), GROUPS);
    for (known, field) in known.iter_mut().zip(files.schema.fields()) {
        let kind = field.data_type();
        if !(kind.is_numeric() || kind.is_temporal()) {
            continue;
        }
        let Ok(converter) = StatisticsConverter::try_new(field.name(), &arrow, parquet) else {
            continue;
        };
        let told =
            |array: Option<ArrayRef>, kept: &mut Precision<ScalarValue>, better: Ordering| {
                for value in array.iter().flat_map(values) {
                    let before = kept.get_value().map(|before| value.partial_cmp(before));
                    if before.is_none_or(|order| order == Some(better)) {
                        *kept = Precision::Inexact(value);
                    }
                }
            };
        let least = converter.row_group_mins(groups.iter().copied()).ok();
        told(least, &mut known.min_value, Ordering::Less);
        let greatest = converter.row_group_maxes(groups.iter().copied()).ok();
        told(greatest, &mut known.max_value, Ordering::Greater);
    }
}

fn values(array: &ArrayRef) -> Vec<ScalarValue> {
    let known = (0..array.len()).filter(|at| array.is_valid(*at));
    known
        .filter_map(|at| ScalarValue::try_from_array(array, at).ok())
        .collect()
}

/// So many of a list, from its first to its last.
fn spread<T>(all: &[T], most: usize) -> Vec<&T> {
    if all.len() <= most {
        return all.iter().collect();
    }
    let last = all.len() - 1;
    (0..most).map(|at| &all[at * last / (most - 1)]).collect()
}
