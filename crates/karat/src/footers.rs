//! What a Parquet footer says, held against itself: a footer that contradicts itself is believed in nothing, since row counts answer
//! `count(*)`, and statistics decide which rows are read at all.

use parquet::basic::SortOrder;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};
use parquet::file::statistics::Statistics;

/// The first contradiction, if there is one.
pub(crate) fn contradiction(footer: &ParquetMetaData) -> Option<String> {
    let said = footer.file_metadata().num_rows();
    let mut counted: i64 = 0;
    for (at, group) in footer.row_groups().iter().enumerate() {
        let rows = group.num_rows();
        if rows < 0 {
            return Some(format!("row group {at} has {rows} rows"));
        }
        counted = counted.saturating_add(rows);
        for column in group.columns() {
            if let Some(what) = of_column(column, rows) {
                let name = column.column_path().string();
                return Some(format!("column `{name}` of row group {at} {what}"));
            }
        }
    }
    (said != counted).then(|| format!("the file has {said} rows and its row groups have {counted}"))
}

/// What a column says that its row group, or its own statistics, do not.
fn of_column(column: &ColumnChunkMetaData, rows: i64) -> Option<String> {
    let values = column.num_values();
    let is_nested = column.column_descr().max_rep_level() > 0;
    // A list of none is one value still: its absence has a place of its own.
    if values < rows || values > rows && !is_nested {
        return Some(format!("has {values} values for {rows} rows"));
    }
    let statistics = column.statistics()?;
    let nulls = statistics.null_count_opt().unwrap_or(0);
    if i64::try_from(nulls).is_ok_and(|nulls| nulls > values) {
        return Some(format!("has {nulls} nulls among {values} values"));
    }
    let is_signed = column.column_descr().sort_order() == SortOrder::SIGNED;
    let is_upside_down = match statistics {
        Statistics::Boolean(s) => is_less(s.max_opt(), s.min_opt()),
        Statistics::Double(s) => is_less(s.max_opt(), s.min_opt()),
        Statistics::Float(s) => is_less(s.max_opt(), s.min_opt()),
        Statistics::Int32(s) if is_signed => is_less(s.max_opt(), s.min_opt()),
        Statistics::Int64(s) if is_signed => is_less(s.max_opt(), s.min_opt()),
        // Texts and decimals in bytes have orders of their own.
        _ => false,
    };
    is_upside_down.then(|| "has a minimum above its maximum".to_owned())
}

fn is_less<T: PartialOrd>(left: Option<&T>, right: Option<&T>) -> bool {
    matches!((left, right), (Some(left), Some(right)) if left < right)
}
