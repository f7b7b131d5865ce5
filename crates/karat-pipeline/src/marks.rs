//! When a delete of a keyed full load happened: the load has no row for it, so its order mark must tell.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BinaryArray, RecordBatch, StringArray};
use arrow::compute::{cast, interleave};
use arrow::datatypes::DataType;

use crate::error::PipelineError;
use crate::ingest::arrow_error;

/// Gives each delete that has no sequence of its own the date of its load's order mark: `20261030`, `2026-10-30` or a timestamp.
pub(crate) fn date_deletes(
    table: &str,
    batch: &RecordBatch,
    deletes: &[bool],
    sequence: ArrayRef,
) -> Result<ArrayRef, PipelineError> {
    let needs: Vec<bool> = deletes
        .iter()
        .enumerate()
        .map(|(row, delete)| *delete && sequence.is_null(row))
        .collect();
    if !needs.iter().any(|need| *need) {
        return Ok(sequence);
    }
    if !matches!(
        sequence.data_type(),
        DataType::Date32 | DataType::Timestamp(..)
    ) {
        return Err(undated(table, "is no date or timestamp"));
    }
    let seq = batch
        .column_by_name("_seq")
        .and_then(|column| column.as_any().downcast_ref::<BinaryArray>())
        .ok_or_else(|| PipelineError::Internal("bronze has no `_seq`".to_owned()))?;
    let mut dates: Vec<Option<String>> = Vec::with_capacity(needs.len());
    for (row, need) in needs.iter().enumerate() {
        dates.push(if *need {
            Some(
                mark_date(seq.value(row))
                    .ok_or_else(|| undated(table, "cannot be taken from the order mark"))?,
            )
        } else {
            None
        });
    }
    let dates: ArrayRef = Arc::new(StringArray::from(dates));
    let dates = cast(&dates, sequence.data_type()).map_err(arrow_error)?;
    let picks: Vec<(usize, usize)> = needs
        .iter()
        .enumerate()
        .map(|(row, need)| (usize::from(*need), row))
        .collect();
    interleave(&[sequence.as_ref(), dates.as_ref()], &picks).map_err(arrow_error)
}

/// The date or timestamp text at the start of `_seq`.
fn mark_date(seq: &[u8]) -> Option<String> {
    let mark = seq.split(|byte| *byte == 0).next()?;
    let mark = std::str::from_utf8(mark).ok()?;
    let digits: String = mark.chars().filter(char::is_ascii_digit).collect();
    if mark.len() > 10 && mark.as_bytes()[4] == b'-' && mark.contains(':') {
        return Some(mark.trim_end_matches('Z').to_owned());
    }
    if digits.len() != 8 {
        return None;
    }
    Some(format!(
        "{}-{}-{}",
        &digits[..4],
        &digits[4..6],
        &digits[6..]
    ))
}

fn undated(table: &str, why: &str) -> PipelineError {
    PipelineError::Refused {
        what: format!("cannot date a delete of `{table}`: its full loads state no time for it, and the sequence {why}"),
        hint: "capture a date such as 20261030 with `file_order` in the feed, or use `sequence_by: _seq`".to_owned(),
    }
}
