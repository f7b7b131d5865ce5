//! Where a row came from, as people and messages name it (H2): never by a value of it.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::Int64Type;
use karat_receipt::Digest;

/// Digits of the digest that stands for the place of a row without a line.
const DIGITS: usize = 12;

/// The address of a bronze or quarantine row: `orders.csv@1:6`, by its line in a file; of a database `orders@1:3f09c1d2a4b7`, by the
/// digest of its `_seq`, which holds cursor, key and epoch.
pub(crate) fn of(batch: &RecordBatch, row: usize) -> String {
    let object = batch
        .column_by_name("_object")
        .and_then(|column| column.as_string_opt::<i32>())
        .filter(|column| column.is_valid(row))
        .map_or("", |column| column.value(row));
    let number = |name: &str| {
        batch
            .column_by_name(name)
            .and_then(|column| column.as_primitive_opt::<Int64Type>())
            .filter(|column| column.is_valid(row))
            .map(|column| column.value(row))
    };
    let place = match number("_row") {
        Some(line) => line.to_string(),
        None => position(batch, row).unwrap_or_default(),
    };
    format!("{object}@{}:{place}", number("_delivery").unwrap_or(1))
}

/// What a row of bronze says: I, U, D, T or R (B2).
pub(crate) fn op(batch: &RecordBatch, row: usize) -> &str {
    let column = batch.column_by_name("_op");
    let column = column.and_then(|column| column.as_string_opt::<i32>());
    column.map_or("", |column| column.value(row))
}

/// The load that brought a row of bronze.
pub(crate) fn epoch(batch: &RecordBatch, row: usize) -> Option<i64> {
    let column = batch.column_by_name("_epoch")?;
    Some(column.as_primitive_opt::<Int64Type>()?.value(row))
}

/// The beginning of the digest of a row's `_seq`.
pub(crate) fn position(batch: &RecordBatch, row: usize) -> Option<String> {
    let seq = batch
        .column_by_name("_seq")?
        .as_binary_opt::<i32>()
        .filter(|column| column.is_valid(row))?
        .value(row);
    let mut digest = Digest::of(seq).to_string();
    digest.truncate(DIGITS);
    Some(digest)
}
