//! Whether a declared `key` identifies rows: orders are completed from it (D2), so it is proved before a version is made.

use std::collections::HashSet;

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::compute::kernels::cmp::not_distinct;
use arrow::compute::{and, concat};
use arrow::datatypes::DataType;
use karat_exact::fingerprint::row_hashes;

use crate::error::PipelineError;
use crate::ingest::arrow_error;

/// A key that is being checked, batch by batch.
pub(crate) struct UniqueKey<'k> {
    key: &'k [String],
    seen: Seen,
    /// Hash of the key that was found twice.
    twice: Option<u128>,
}

enum Seen {
    /// 128-bit hashes of all keys.
    Hashes(HashSet<u128>),
    /// The last key only: the rows come in its order.
    Last(Option<RecordBatch>),
}

impl<'k> UniqueKey<'k> {
    /// For rows in any order; it remembers what it has seen.
    pub(crate) fn in_any_order(key: &'k [String]) -> Self {
        UniqueKey {
            key,
            seen: Seen::Hashes(HashSet::new()),
            twice: None,
        }
    }

    /// For rows sorted by the key before anything else.
    pub(crate) fn in_key_order(key: &'k [String]) -> Self {
        UniqueKey {
            key,
            seen: Seen::Last(None),
            twice: None,
        }
    }

    /// Takes in the next rows; false if a key stands twice.
    pub(crate) fn holds(&mut self, batch: &RecordBatch) -> Result<bool, PipelineError> {
        if self.key.is_empty() || batch.num_rows() == 0 {
            return Ok(true);
        }
        let keys = self.keys_of(batch)?;
        let nested = |array: &ArrayRef| {
            matches!(
                array.data_type(),
                DataType::List(_) | DataType::Struct(_) | DataType::Map(..)
            )
        };
        if keys.columns().iter().any(nested) && matches!(self.seen, Seen::Last(None)) {
            self.seen = Seen::Hashes(HashSet::new());
        }
        match &mut self.seen {
            Seen::Hashes(seen) => {
                let mut hashes = row_hashes(&keys)?.into_iter();
                self.twice = hashes.find(|hash| !seen.insert(*hash));
                Ok(self.twice.is_none())
            }
            Seen::Last(last) => {
                let rows = keys.num_rows();
                let mut same = None;
                for (at, column) in keys.columns().iter().enumerate() {
                    let before: ArrayRef = match last {
                        Some(last) => {
                            concat(&[last.column(at).as_ref(), column.slice(0, rows - 1).as_ref()])
                                .map_err(arrow_error)?
                        }
                        None => column.slice(0, rows - 1),
                    };
                    let now = column.slice(rows - before.len(), before.len());
                    let equal = not_distinct(&before, &now).map_err(arrow_error)?;
                    same = Some(match same {
                        None => equal,
                        Some(same) => and(&same, &equal).map_err(arrow_error)?,
                    });
                }
                *last = Some(keys.slice(rows - 1, 1));
                let Some(same) = same else {
                    return Ok(true);
                };
                // The comparisons are of each row with the one before: the first may have none.
                let skipped = rows - same.len();
                let twice = (0..same.len()).find(|row| same.is_valid(*row) && same.value(*row));
                self.twice = match twice {
                    Some(row) => row_hashes(&keys.slice(row + skipped, 1))?.first().copied(),
                    None => None,
                };
                Ok(twice.is_none())
            }
        }
    }

    /// Whether one of the rows has a key that was seen; for a key in any order.
    pub(crate) fn meets(&mut self, batch: &RecordBatch) -> Result<bool, PipelineError> {
        let keys = self.keys_of(batch)?;
        let Seen::Hashes(seen) = &self.seen else {
            return Ok(false);
        };
        self.twice = row_hashes(&keys)?
            .into_iter()
            .find(|hash| seen.contains(hash));
        Ok(self.twice.is_some())
    }

    /// Which rows of a batch have the key that was found twice.
    pub(crate) fn has_it(&self, batch: &RecordBatch) -> Result<Vec<bool>, PipelineError> {
        let hashes = row_hashes(&self.keys_of(batch)?)?.into_iter();
        Ok(hashes.map(|hash| Some(hash) == self.twice).collect())
    }

    /// The refusal of a version of `table`, with the addresses of rows that share a key.
    pub(crate) fn refusal(&self, table: &str, at: Vec<String>, hint: &str) -> PipelineError {
        PipelineError::NotUnique {
            table: table.to_owned(),
            key: self.key.join(", "),
            at,
            hint: hint.to_owned(),
        }
    }

    fn keys_of(&self, batch: &RecordBatch) -> Result<RecordBatch, PipelineError> {
        let at: Vec<usize> = self
            .key
            .iter()
            .map(|name| batch.schema().index_of(name))
            .collect::<Result<_, _>>()
            .map_err(|_| PipelineError::Refused {
                what: "`key` names a column that the model does not give".to_owned(),
                hint: "name output columns of the model".to_owned(),
            })?;
        batch.project(&at).map_err(arrow_error)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Int64Array, StringArray};

    use super::*;

    fn batch(rows: &[(Option<i64>, &str)]) -> RecordBatch {
        let n: Int64Array = rows.iter().map(|(n, _)| *n).collect();
        let k: StringArray = rows.iter().map(|(_, k)| Some(*k)).collect();
        RecordBatch::try_from_iter_with_nullable([
            ("n", Arc::new(n) as ArrayRef, true),
            ("k", Arc::new(k) as ArrayRef, true),
        ])
        .expect("a batch")
    }

    /// Whether all batches hold, in key order and in any order.
    fn holds(batches: &[&[(Option<i64>, &str)]]) -> (bool, bool) {
        let key = ["n".to_owned(), "k".to_owned()];
        let all = |mut unique: UniqueKey<'_>| {
            batches
                .iter()
                .all(|rows| unique.holds(&batch(rows)).expect("is checked"))
        };
        (
            all(UniqueKey::in_key_order(&key)),
            all(UniqueKey::in_any_order(&key)),
        )
    }

    #[test]
    fn a_key_that_stands_twice_is_found_within_and_across_batches() {
        assert_eq!(
            holds(&[&[(Some(1), "a"), (Some(1), "b")], &[], &[(Some(2), "b")]]),
            (true, true)
        );
        assert_eq!(
            holds(&[&[(Some(1), "a"), (Some(2), "b"), (Some(2), "b")]]),
            (false, false)
        );
        assert_eq!(
            holds(&[&[(Some(1), "a")], &[], &[(Some(1), "a"), (Some(2), "b")]]),
            (false, false)
        );
        assert_eq!(holds(&[&[(None, "a")], &[(None, "a")]]), (false, false));
        assert_eq!(holds(&[&[(Some(1), "a")], &[(None, "a")]]), (true, true));
    }
}
