//! Which values of a gold model's columns the changes of a table touch: those whose rows, taken together, are other rows than before (A7).
//!
//! Two versions of a table share most of their files; what differs lies in the files of only one of them. Rows that were only moved into
//! another file cancel out, since the sums of their hashes do.

use std::collections::{BTreeSet, HashMap, HashSet};

use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch, UInt64Array};
use arrow::compute::{concat, take};
use arrow::datatypes::{Field, Schema};
use futures::TryStreamExt;
use karat_exact::fingerprint::row_hashes;
use karat_exact::{ExactError, Slice};
use karat_lake::{LiveFile, Snapshot, Table};

use crate::context::Site;
use crate::error::PipelineError;
use crate::ingest::arrow_error;
use crate::proven::prove;
use crate::read;

/// More values than this are no small part of a table: it is made anew.
pub(crate) const VALUES_MAX: usize = 10_000;
/// More different values in the files that differ than this are not told apart.
const SEEN_MAX: usize = 4_000_000;

/// Values of a model's columns, each column's on its own: a row is touched if each of its columns has one of them.
#[derive(Clone, Debug)]
pub(crate) struct Touched {
    columns: Vec<TouchedColumn>,
}

#[derive(Clone, Debug)]
struct TouchedColumn {
    name: String,
    hashes: HashSet<u128>,
    values: Vec<ArrayRef>,
}

/// Rows with one value: how many more there are than before, and by how much the sum of their hashes grew.
#[derive(Default)]
struct Change {
    rows: i64,
    hashes: u128,
}

impl Touched {
    /// None yet, of these columns.
    pub(crate) fn of(by: &[String]) -> Self {
        let column = |name: &String| TouchedColumn {
            name: name.clone(),
            hashes: HashSet::new(),
            values: Vec::new(),
        };
        Self {
            columns: by.iter().map(column).collect(),
        }
    }

    /// The columns.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|column| column.name.as_str())
    }

    /// How many combinations of values are touched, at most.
    pub(crate) fn count(&self) -> u64 {
        let counts = self.columns.iter().map(|column| column.hashes.len() as u64);
        counts.product()
    }

    /// Whether there are too many of them for a part.
    pub(crate) fn are_too_many(&self) -> bool {
        self.columns
            .iter()
            .any(|column| column.hashes.len() > VALUES_MAX)
    }

    /// The part of a query's answer that has these values.
    pub(crate) fn slice(&self) -> Result<Slice, PipelineError> {
        let mut columns = Vec::with_capacity(self.columns.len());
        for column in &self.columns {
            columns.push((column.name.clone(), column.all()?));
        }
        Ok(Slice { columns })
    }

    /// Which rows of a batch have these values.
    pub(crate) fn has(&self, batch: &RecordBatch) -> Result<BooleanArray, PipelineError> {
        let mut has = vec![true; batch.num_rows()];
        for column in &self.columns {
            let hashes = hashes_of(batch, std::slice::from_ref(&column.name), &[&column.name])?;
            for (has, hash) in has.iter_mut().zip(hashes) {
                *has &= column.hashes.contains(&hash);
            }
        }
        Ok(has.into())
    }

    /// The files that may hold such values in the first of these columns, which have the names that the table has for them.
    pub(crate) fn files<'f>(
        &self,
        files: impl IntoIterator<Item = &'f LiveFile>,
        ways: &BTreeSet<Vec<String>>,
    ) -> Result<Vec<&'f LiveFile>, PipelineError> {
        let mut found: Vec<&LiveFile> = files.into_iter().collect();
        if let Some(column) = self.columns.first() {
            let values = column.all()?;
            // Statistics say nothing of nulls that `may_hold` would ask.
            if values.null_count() == 0 {
                found.retain(|file| {
                    let mut names = ways.iter().filter_map(|way| way.first());
                    names.any(|name| {
                        crate::prune::may_hold(file.stats.as_deref(), name, Some(&values))
                    })
                });
            }
        }
        Ok(found)
    }

    /// Takes in what differs between two versions of a table. `ways` are the columns in which it holds the values. False if there are too
    /// many to tell.
    pub(crate) async fn take_in(
        &mut self,
        site: &Site,
        table: &Table,
        (before, now): (&Snapshot, &Snapshot),
        ways: &BTreeSet<Vec<String>>,
    ) -> Result<bool, PipelineError> {
        let names: Vec<&str> = self.names().collect();
        let mut changes: Vec<Changes> = ways.iter().map(|_| Changes::default()).collect();
        for (version, other, sign) in [(before, now, -1), (now, before, 1)] {
            let others: HashSet<&str> = other.files.iter().map(|file| &*file.path).collect();
            let only = || {
                version
                    .files
                    .iter()
                    .filter(|file| !others.contains(&*file.path))
            };
            prove(site, table, only()).await?;
            let set = read::file_set(table, version, only(), None);
            let mut rows = read::scan(site, &set, "gold.changed").await?;
            while let Some(batch) = rows.try_next().await.map_err(ExactError::from)? {
                let hashes = row_hashes(&batch)?;
                for (way, changes) in ways.iter().zip(&mut changes) {
                    changes.add(&batch, &hashes, (way, &names), sign)?;
                    if changes.of.len() > SEEN_MAX {
                        return Ok(false);
                    }
                }
            }
        }
        for changes in changes {
            changes.into_touched(&mut self.columns)?;
        }
        Ok(!self.are_too_many())
    }
}

impl TouchedColumn {
    fn all(&self) -> Result<ArrayRef, PipelineError> {
        let parts: Vec<&dyn Array> = self.values.iter().map(AsRef::as_ref).collect();
        match parts.as_slice() {
            [] => Ok(arrow::array::new_empty_array(
                &arrow::datatypes::DataType::Utf8,
            )),
            parts => concat(parts).map_err(arrow_error),
        }
    }

    /// Adds values that it does not have yet.
    fn add(&mut self, values: &ArrayRef) -> Result<(), PipelineError> {
        let schema = Schema::new(vec![Field::new(
            &self.name,
            values.data_type().clone(),
            true,
        )]);
        let batch =
            RecordBatch::try_new(schema.into(), vec![values.clone()]).map_err(arrow_error)?;
        let mut new = Vec::new();
        for (row, hash) in row_hashes(&batch)?.into_iter().enumerate() {
            if self.hashes.insert(hash) {
                new.push(row as u64);
            }
        }
        if !new.is_empty() {
            let new = take(values, &UInt64Array::from(new), None).map_err(arrow_error)?;
            self.values.push(new);
        }
        Ok(())
    }
}

/// What changed, by the values of some columns.
#[derive(Default)]
struct Changes {
    of: HashMap<u128, (Change, usize)>,
    /// The values, in the order in which they were met, by batch.
    values: Vec<RecordBatch>,
    met: usize,
}

impl Changes {
    fn add(
        &mut self,
        batch: &RecordBatch,
        hashes: &[u128],
        (way, names): (&[String], &[&str]),
        sign: i64,
    ) -> Result<(), PipelineError> {
        let mut new = Vec::new();
        let keys = hashes_of(batch, way, names)?;
        for (row, (key, hash)) in keys.into_iter().zip(hashes).enumerate() {
            let met = self.met + new.len();
            let (change, _) = self.of.entry(key).or_insert_with(|| {
                new.push(row as u64);
                (Change::default(), met)
            });
            change.rows += sign;
            change.hashes = match sign {
                1 => change.hashes.wrapping_add(*hash),
                _ => change.hashes.wrapping_sub(*hash),
            };
        }
        if !new.is_empty() {
            self.met += new.len();
            let held = named(batch, way, names)?;
            let new = UInt64Array::from(new);
            let held = arrow::compute::take_record_batch(&held, &new).map_err(arrow_error)?;
            self.values.push(held);
        }
        Ok(())
    }

    fn into_touched(self, columns: &mut [TouchedColumn]) -> Result<(), PipelineError> {
        let changed = self.of.into_values().filter(|(change, _)| {
            let Change { rows, hashes } = change;
            (*rows, *hashes) != (0, 0)
        });
        let mut places: Vec<usize> = changed.map(|(_, met)| met).collect();
        places.sort_unstable();
        let mut places = places.into_iter().peekable();
        let mut first = 0;
        for batch in &self.values {
            let end = first + batch.num_rows();
            let mut here = Vec::new();
            while let Some(place) = places.next_if(|place| *place < end) {
                here.push((place - first) as u64);
            }
            let here = UInt64Array::from(here);
            for (column, values) in columns.iter_mut().zip(batch.columns()) {
                column.add(&take(values, &here, None).map_err(arrow_error)?)?;
            }
            first = end;
        }
        Ok(())
    }
}

/// Columns of a batch under the names that the model has for them.
fn named(
    batch: &RecordBatch,
    columns: &[String],
    names: &[&str],
) -> Result<RecordBatch, PipelineError> {
    let mut fields = Vec::with_capacity(columns.len());
    let mut arrays = Vec::with_capacity(columns.len());
    for (column, name) in columns.iter().zip(names) {
        let at = batch.schema().index_of(column).map_err(arrow_error)?;
        let array = batch.column(at).clone();
        fields.push(Field::new(*name, array.data_type().clone(), true));
        arrays.push(array);
    }
    RecordBatch::try_new(Schema::new(fields).into(), arrays).map_err(arrow_error)
}

/// A hash of each row's values in these columns.
fn hashes_of(
    batch: &RecordBatch,
    columns: &[String],
    names: &[&str],
) -> Result<Vec<u128>, PipelineError> {
    Ok(row_hashes(&named(batch, columns, names)?)?)
}
