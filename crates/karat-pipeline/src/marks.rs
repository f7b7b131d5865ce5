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
pub(crate) fn mark_date(seq: &[u8]) -> Option<String> {
    let mark = seq.split(|byte| *byte == 0).next()?;
    let mark = std::str::from_utf8(mark).ok()?;
    if mark.len() > 10 && mark.as_bytes()[4] == b'-' && mark.contains(':') {
        return Some(mark.trim_end_matches('Z').to_owned());
    }
    // Numbers of marks have zeros before them so that they sort: `00002026-00000001-00000031` is a date too.
    let numbers = mark
        .split(|c: char| !c.is_ascii_digit())
        .filter(|run| !run.is_empty())
        .map(|run| format!("{:0>2}", run.trim_start_matches('0')));
    let digits: String = numbers.collect();
    if digits.len() != 8 {
        return None;
    }
    let date = format!("{}-{}-{}", &digits[..4], &digits[4..6], &digits[6..]);
    date.parse::<chrono::NaiveDate>().ok().map(|_| date)
}

fn undated(table: &str, why: &str) -> PipelineError {
    PipelineError::Refused {
        what: format!(
            "cannot date a delete of `{table}`: its full loads state no time for it, and the sequence {why}"
        ),
        hint: "capture a date such as 20261030 with `file_order` in the feed".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::mark_date;

    #[test]
    fn dates_are_read_from_marks_and_other_numbers_are_none() {
        for (seq, date) in [
            (&b"20261030\0key"[..], Some("2026-10-30")),
            (b"2026-10-30\0key", Some("2026-10-30")),
            (b"00002026-00000001-00000031\0key", Some("2026-01-31")),
            (b"2026-10-30T01:02:03Z\0key", Some("2026-10-30T01:02:03")),
            (b"00000010\0key", None),
            (b"20261399\0key", None),
            (b";2026103000\0key", None),
        ] {
            assert_eq!(mark_date(seq).as_deref(), date);
        }
    }
}
