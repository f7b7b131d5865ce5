//! The greatest sequence that a table has taken in: events after it can be folded in without looking back.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BinaryArray, StringArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use arrow::row::{RowConverter, Rows, SortField};

use crate::error::PipelineError;
use crate::ingest::arrow_error;

/// The greatest sequence as text, of several columns as a JSON list of their texts; None if there is none.
pub(crate) fn greatest(sequence: &[ArrayRef]) -> Result<Option<String>, PipelineError> {
    let rows = comparable(sequence)?;
    let greatest = (0..rows.num_rows()).max_by(|a, b| rows.row(*a).cmp(&rows.row(*b)));
    let Some(row) = greatest.filter(|row| sequence.iter().all(|column| column.is_valid(*row)))
    else {
        return Ok(None);
    };
    let texts = sequence
        .iter()
        .map(|column| to_text(&column.slice(row, 1)))
        .collect::<Result<Vec<String>, PipelineError>>()?;
    match texts.as_slice() {
        [one] => Ok(Some(one.clone())),
        several => Ok(Some(serde_json::json!(several).to_string())),
    }
}

/// Raises a high-water mark to the greatest of these sequences.
pub(crate) fn raise(mark: &mut Option<String>, sequence: &[ArrayRef]) -> Result<(), PipelineError> {
    let Some(newest) = greatest(sequence)? else {
        return Ok(());
    };
    let higher = match mark {
        None => true,
        Some(before) => {
            let of = |text: &str| -> Result<Rows, PipelineError> {
                comparable(&from_text(text, sequence)?.unwrap_or_default())
            };
            let (newest, before) = (of(&newest)?, of(before)?);
            // Rows of two conversions by equal converters are comparable as bytes.
            newest.row(0).as_ref() > before.row(0).as_ref()
        }
    };
    if higher {
        *mark = Some(newest);
    }
    Ok(())
}

/// Whether every sequence comes strictly after the mark, by its first `columns` alone.
pub(crate) fn all_after(
    sequence: &[ArrayRef],
    mark: &str,
    columns: usize,
) -> Result<bool, PipelineError> {
    let Some(mark) = from_text(mark, sequence)? else {
        return Ok(false);
    };
    let columns = columns.min(sequence.len());
    let mark = comparable(&mark[..columns])?;
    let rows = comparable(&sequence[..columns])?;
    let complete = sequence.iter().all(|column| column.null_count() == 0);
    Ok(complete && rows.iter().all(|row| row.as_ref() > mark.row(0).as_ref()))
}

fn comparable(columns: &[ArrayRef]) -> Result<Rows, PipelineError> {
    let fields = columns
        .iter()
        .map(|column| SortField::new(column.data_type().clone()))
        .collect();
    RowConverter::new(fields)
        .and_then(|converter| converter.convert_columns(columns))
        .map_err(arrow_error)
}

fn to_text(one: &ArrayRef) -> Result<String, PipelineError> {
    if let Some(binary) = one.as_any().downcast_ref::<BinaryArray>() {
        let bytes = binary.value(0).iter();
        return Ok(bytes.map(|byte| format!("{byte:02x}")).collect());
    }
    let text = cast(one, &DataType::Utf8).map_err(arrow_error)?;
    let text = text.as_any().downcast_ref::<StringArray>();
    Ok(text
        .map(|text| text.value(0).to_owned())
        .unwrap_or_default())
}

/// The mark in the types of these columns, one row; None if it has not as many.
fn from_text(mark: &str, like: &[ArrayRef]) -> Result<Option<Vec<ArrayRef>>, PipelineError> {
    let texts: Vec<String> = match like.len() {
        1 => vec![mark.to_owned()],
        _ => serde_json::from_str(mark).unwrap_or_default(),
    };
    if texts.len() != like.len() {
        return Ok(None);
    }
    let columns = texts.iter().zip(like);
    let columns = columns.map(|(text, like)| one_from_text(text, like.data_type()));
    columns.collect::<Result<_, _>>().map(Some)
}

fn one_from_text(text: &str, data_type: &DataType) -> Result<ArrayRef, PipelineError> {
    if data_type == &DataType::Binary {
        let bytes: Option<Vec<u8>> = (0..text.len() / 2)
            .map(|at| {
                text.get(2 * at..2 * at + 2)
                    .and_then(|hex| u8::from_str_radix(hex, 16).ok())
            })
            .collect();
        let bytes = bytes.ok_or_else(|| {
            PipelineError::Internal("a high-water mark is not hexadecimal".to_owned())
        })?;
        return Ok(Arc::new(BinaryArray::from(vec![bytes.as_slice()])));
    }
    let text: ArrayRef = Arc::new(StringArray::from(vec![text]));
    cast(&text, data_type).map_err(arrow_error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_columns_are_compared_from_left_to_right() {
        let of = |rows: &[(&str, i64)]| -> Vec<ArrayRef> {
            let days: StringArray = rows.iter().map(|(day, _)| Some(*day)).collect();
            let days = cast(&(Arc::new(days) as ArrayRef), &DataType::Date32).unwrap();
            let numbers = rows.iter().map(|(_, number)| *number);
            let numbers = arrow::array::Int64Array::from_iter_values(numbers);
            vec![days, Arc::new(numbers)]
        };
        let mut mark = None;
        raise(&mut mark, &of(&[("2026-01-02", 9), ("2026-01-03", 2)])).unwrap();
        raise(&mut mark, &of(&[("2026-01-03", 10), ("2026-01-01", 99)])).unwrap();
        let mark = mark.unwrap();
        assert_eq!(mark, r#"["2026-01-03","10"]"#);
        for (day, number, after, day_after) in [
            ("2026-01-03", 11, true, false),
            ("2026-01-03", 10, false, false),
            ("2026-01-03", 9, false, false),
            ("2026-01-04", 1, true, true),
        ] {
            let one = of(&[(day, number)]);
            assert_eq!(all_after(&one, &mark, 2).unwrap(), after);
            assert_eq!(all_after(&one, &mark, 1).unwrap(), day_after);
        }
    }
}
