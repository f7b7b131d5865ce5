//! The greatest sequence value that a table has taken in: events after it can be folded in without looking back.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BinaryArray, Scalar, StringArray};
use arrow::compute::kernels::cmp::gt;
use arrow::compute::{SortOptions, cast, sort_limit};
use arrow::datatypes::DataType;

use crate::error::PipelineError;
use crate::ingest::arrow_error;

/// The greatest value as text; None if there is none.
pub(crate) fn greatest(values: &ArrayRef) -> Result<Option<String>, PipelineError> {
    let options = SortOptions {
        descending: true,
        nulls_first: false,
    };
    let top = sort_limit(values, Some(options), Some(1)).map_err(arrow_error)?;
    if top.is_empty() || top.is_null(0) {
        return Ok(None);
    }
    to_text(&top)
}

/// Raises a high-water mark to the greatest of these values.
pub(crate) fn raise(mark: &mut Option<String>, values: &ArrayRef) -> Result<(), PipelineError> {
    let Some(newest) = greatest(values)? else {
        return Ok(());
    };
    let higher = match mark {
        None => true,
        Some(before) => {
            let one = from_text(&newest, values.data_type())?;
            all_after(&one, before)?
        }
    };
    if higher {
        *mark = Some(newest);
    }
    Ok(())
}

/// Whether every value comes strictly after the mark.
pub(crate) fn all_after(values: &ArrayRef, mark: &str) -> Result<bool, PipelineError> {
    let mark = Scalar::new(from_text(mark, values.data_type())?);
    let after = gt(values, &mark).map_err(arrow_error)?;
    Ok(after.null_count() == 0 && after.true_count() == values.len())
}

fn to_text(one: &ArrayRef) -> Result<Option<String>, PipelineError> {
    if let Some(binary) = one.as_any().downcast_ref::<BinaryArray>() {
        return Ok(Some(
            binary
                .value(0)
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect(),
        ));
    }
    let text = cast(one, &DataType::Utf8).map_err(arrow_error)?;
    Ok(text
        .as_any()
        .downcast_ref::<StringArray>()
        .map(|text| text.value(0).to_owned()))
}

fn from_text(text: &str, data_type: &DataType) -> Result<ArrayRef, PipelineError> {
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
