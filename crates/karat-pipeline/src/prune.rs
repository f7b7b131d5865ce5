//! Which files of a table may hold one of some keys, from the statistics in its log.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use serde_json::Value;

/// Whether a file with these statistics (Delta's JSON) may hold one of the values in its column `key`; true when in doubt.
pub(crate) fn may_hold(stats: Option<&str>, key: &str, values: Option<&ArrayRef>) -> bool {
    let (Some(values), Some(stats)) = (values, stats) else {
        return true;
    };
    let Ok(stats) = serde_json::from_str::<Value>(stats) else {
        return true;
    };
    let (low, high) = (&stats["minValues"][key], &stats["maxValues"][key]);
    match values.data_type() {
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => {
            let (Some(low), Some(high)) = (low.as_i64(), high.as_i64()) else {
                return true;
            };
            let Ok(values) = cast(values, &DataType::Int64) else {
                return true;
            };
            values
                .as_primitive::<Int64Type>()
                .iter()
                .flatten()
                .any(|value| low <= value && value <= high)
        }
        // Dates are compared as their text, which sorts as they do.
        DataType::Utf8 | DataType::Date32 => {
            let (Some(low), Some(high)) = (low.as_str(), high.as_str()) else {
                return true;
            };
            let Ok(values) = cast(values, &DataType::Utf8) else {
                return true;
            };
            values
                .as_string::<i32>()
                .iter()
                .flatten()
                .any(|value| low <= value && value <= high)
        }
        _ => true,
    }
}
