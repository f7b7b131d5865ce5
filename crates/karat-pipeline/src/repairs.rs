//! Repairs of bronze rows, read and put in their place (C3). A repair is a whole row of bronze beside the one that it repairs: it has its
//! address, its `_seq`, its `_op` and its load, and says in `_repair` what it is. Whoever reads rows to compute from them reads them through
//! [`in_place`]; loads compare their source with the rows as they were received. [`crate::repair`] makes repairs.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, UInt32Array};
use arrow::compute::{
    concat_batches, filter_record_batch, interleave_record_batch, take_record_batch,
};
use arrow::datatypes::{Schema, SchemaRef};
use arrow::error::ArrowError;
use futures::{StreamExt, TryStreamExt};
use karat_exact::{BatchStream, ExactError, batch_stream};
use karat_lake::{LiveFile, Table, failpoint};
use serde::{Deserialize, Serialize};

use crate::address::{Address, Columns};
use crate::bronze::REPAIR;
use crate::context::Site;
use crate::current::Passed;
use crate::deliveries::Reading;
use crate::error::PipelineError;
use crate::ingest::arrow_error;
use crate::proven::{prove, prove_list};
use crate::publish::{Head, sha256_of_name};
use crate::read;

/// What a repair does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RepairKind {
    /// Other values stand in the row's place, judged by the same rules.
    Fix,
    /// The row goes on although it breaks rules.
    Release,
    /// The row is not read.
    Discard,
}

impl RepairKind {
    /// The word for people and scripts.
    pub fn word(self) -> &'static str {
        match self {
            Self::Fix => "fix",
            Self::Release => "release",
            Self::Discard => "discard",
        }
    }
}

/// What a repair is, as `_repair` says it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repair {
    /// Which repair of the feed, from 1: of several of one row the newest counts.
    pub epoch: i64,
    /// What it does.
    pub kind: RepairKind,
    /// Of a release: the rules that it waives.
    pub rules: Vec<String>,
    /// Why.
    pub reason: String,
    /// Who.
    pub principal: String,
}

/// Repairs of a feed, newest of each row first to be found.
#[derive(Debug, Default)]
pub struct Repairs {
    /// The rows that they put in the place of others, with all columns of bronze.
    rows: Option<RecordBatch>,
    of_rows: Vec<Repair>,
    newest: HashMap<(String, i64), OfDelivery>,
}

/// Where in [`Repairs::rows`] the newest repair of each place of a delivery stands.
#[derive(Debug, Default)]
struct OfDelivery {
    lines: HashMap<i64, usize>,
    seqs: HashMap<Vec<u8>, usize>,
}

impl Repairs {
    /// All repairs that a version of a bronze table holds.
    pub(crate) async fn read(
        site: &Site,
        table: &Table,
        head: &Head,
    ) -> Result<Self, PipelineError> {
        if head.snapshot.schema.field_with_name(REPAIR).is_err() {
            return Ok(Self::default());
        }
        // Another writer may have put repairs and rows of loads into one file.
        let may_hold = |file: &&LiveFile| {
            read::is_of_repairs(&file.path) || sha256_of_name(&file.path).is_none()
        };
        let mut files = read::in_written_order(&head.snapshot);
        files.retain(may_hold);
        prove_list(site, table, head)?;
        prove(site, table, files.iter().copied()).await?;
        let set = read::file_set(table, &head.snapshot, files, None);
        let mut scanned = read::scan(site, &set, "repairs.read").await?;
        let mut batches = Vec::new();
        while let Some(batch) = scanned.try_next().await.map_err(ExactError::from)? {
            let marks = column(&batch, REPAIR)?;
            let is_repair: BooleanArray = (0..batch.num_rows())
                .map(|row| Some(marks.is_valid(row)))
                .collect();
            batches.push(filter_record_batch(&batch, &is_repair).map_err(arrow_error)?);
        }
        let Some(first) = batches.first() else {
            return Ok(Self::default());
        };
        let rows = concat_batches(&first.schema(), &batches).map_err(arrow_error)?;
        let marks = column(&rows, REPAIR)?.as_string_opt::<i32>();
        let of_rows = marks
            .into_iter()
            .flatten()
            .map(|mark| {
                serde_json::from_str(mark.unwrap_or_default()).map_err(|_| PipelineError::Damaged {
                    table: table.dir().to_owned(),
                    file: "its repairs".to_owned(),
                    how: "do not say what they are",
                })
            })
            .collect::<Result<_, _>>()?;
        let mut repairs = Self {
            rows: Some(rows),
            of_rows,
            newest: HashMap::new(),
        };
        repairs.find_newest(|_| true);
        Ok(repairs)
    }

    /// Only those of rows that are read: with the delivery of its row a repair lapses.
    #[must_use]
    pub(crate) fn in_force(mut self, reading: &Reading) -> Self {
        let Some(rows) = self.rows.clone() else {
            return self;
        };
        let columns = Columns::of(&rows);
        self.find_newest(|row| is_read(reading, &columns, row));
        self
    }

    fn find_newest(&mut self, counts: impl Fn(usize) -> bool) {
        let Some(rows) = &self.rows else { return };
        let columns = Columns::of(rows);
        let mut newest: HashMap<(String, i64), OfDelivery> = HashMap::new();
        for row in (0..rows.num_rows()).filter(|row| counts(*row)) {
            let delivery = (columns.object(row).to_owned(), columns.delivery(row));
            let of = newest.entry(delivery).or_default();
            let known = match columns.line(row) {
                Some(line) => of.lines.entry(line).or_insert(row),
                None => of.seqs.entry(columns.seq(row).to_vec()).or_insert(row),
            };
            if self.of_rows[*known].epoch < self.of_rows[row].epoch {
                *known = row;
            }
        }
        self.newest = newest;
    }

    /// Whether there is none that counts.
    pub fn is_empty(&self) -> bool {
        self.newest.is_empty()
    }

    /// The newest repair of the row at a place of a batch of bronze, as a row of [`Self::rows`].
    fn at(&self, columns: &Columns<'_>, row: usize, of: Option<&OfDelivery>) -> Option<usize> {
        let of = of?;
        let found = match columns.line(row) {
            Some(line) => of.lines.get(&line),
            None => of.seqs.get(columns.seq(row)),
        };
        // A load that was made anew may have a row at the address of one that it replaced.
        let of_load = |found: &&usize| {
            let rows = self.rows.as_ref();
            rows.is_some_and(|rows| Columns::of(rows).epoch(**found) == columns.epoch(row))
        };
        found.filter(of_load).copied()
    }

    fn of(&self, object: &str, delivery: i64) -> Option<&OfDelivery> {
        self.newest.get(&(object.to_owned(), delivery))
    }

    /// Whether the row at a place of a batch of bronze goes on although it breaks this rule.
    pub(crate) fn waives(&self, columns: &Columns<'_>, row: usize, rule: &str) -> bool {
        if self.is_empty() {
            return false;
        }
        let of = self.of(columns.object(row), columns.delivery(row));
        self.at(columns, row, of).is_some_and(|found| {
            let repair = &self.of_rows[found];
            repair.kind == RepairKind::Release && repair.rules.iter().any(|waived| waived == rule)
        })
    }

    /// The newest repair of each row, by address, with the load of the row and the place in [`Self::rows`].
    pub(crate) fn newest(&self) -> Vec<(Address, i64, usize)> {
        let Some(rows) = &self.rows else {
            return Vec::new();
        };
        let columns = Columns::of(rows);
        let of_deliveries = self.newest.values();
        let mut newest: Vec<(Address, i64, usize)> = of_deliveries
            .flat_map(|of| of.lines.values().chain(of.seqs.values()))
            .map(|&row| (columns.at(row), columns.epoch(row), row))
            .collect();
        newest.sort();
        newest
    }

    /// Every repair, oldest first, with its address and its place in [`Self::rows`].
    pub(crate) fn all(&self) -> Vec<(Address, usize)> {
        let Some(rows) = &self.rows else {
            return Vec::new();
        };
        let columns = Columns::of(rows);
        let mut all: Vec<(Address, usize)> = (0..rows.num_rows())
            .map(|row| (columns.at(row), row))
            .collect();
        all.sort_by_key(|(_, row)| self.of_rows[*row].epoch);
        all
    }

    /// What the repair at a place of [`Self::rows`] is.
    pub(crate) fn repair(&self, row: usize) -> &Repair {
        &self.of_rows[row]
    }

    /// The rows that repairs put in the place of others.
    pub(crate) fn rows(&self) -> Option<&RecordBatch> {
        self.rows.as_ref()
    }

    /// The newest repairs of rows that loads up to one brought, made after repair `since`: what a table that has taken in those loads and
    /// those repairs does not know yet.
    pub(crate) fn news(&self, since: i64, load: i64) -> News {
        let mut news = News::default();
        for (address, of_load, row) in self.newest() {
            if of_load > load || self.of_rows[row].epoch <= since {
                continue;
            }
            match self.of_rows[row].kind {
                RepairKind::Discard => news.discarded += 1,
                RepairKind::Fix | RepairKind::Release => news.rows.push(row),
            }
            news.of.insert(address);
        }
        let before = self.all().into_iter();
        let before = before.filter(|(address, row)| {
            self.of_rows[*row].epoch <= since && news.of.contains(address)
        });
        let before: BTreeMap<Address, usize> = before.collect();
        let stood = before.values();
        news.repaired_before = stood
            .filter(|row| self.of_rows[**row].kind != RepairKind::Discard)
            .count() as u64;
        news
    }

    /// Some of the rows that repairs put in the place of others.
    pub(crate) fn rows_at(
        &self,
        rows: &[usize],
        schema: &SchemaRef,
    ) -> Result<RecordBatch, PipelineError> {
        let Some(all) = &self.rows else {
            return Ok(RecordBatch::new_empty(schema.clone()));
        };
        let all = projected(all, schema).map_err(arrow_error)?;
        let at: UInt32Array = rows.iter().map(|row| *row as u32).collect();
        take_record_batch(&all, &at).map_err(arrow_error)
    }

    /// How many there are of rows that loads in a range of epochs brought, made after repair `since`.
    pub(crate) fn count(&self, since: i64, of_load: impl Fn(i64) -> bool) -> u64 {
        let newest = self.newest();
        let counted = newest
            .iter()
            .filter(|(_, load, row)| of_load(*load) && self.of_rows[*row].epoch > since);
        counted.count() as u64
    }
}

/// Repairs that a table has not taken in yet, of rows that it has.
#[derive(Debug, Clone, Default)]
pub(crate) struct News {
    /// Addresses of the rows.
    pub(crate) of: BTreeSet<Address>,
    /// Places in [`Repairs::rows`] of the rows that are read now.
    pub(crate) rows: Vec<usize>,
    /// Rows that are not read any more.
    pub(crate) discarded: u64,
    /// Rows in whose place an older repair stood, which the table has taken in.
    pub(crate) repaired_before: u64,
}

/// Whether silver reads the row at a place of a batch of bronze.
pub(crate) fn is_read(reading: &Reading, columns: &Columns<'_>, row: usize) -> bool {
    let epoch = columns.epoch(row);
    reading.only_epoch.is_none_or(|only| only == epoch)
        && !reading.left_out_loads.contains(&epoch)
        && reading
            .left_out(columns.object(row), columns.delivery(row))
            .is_none()
}

/// What became of rows on their way, counted there (G6).
#[derive(Clone, Default)]
pub(crate) struct Placed {
    /// Rows in whose place a repair stands.
    pub(crate) repaired: Passed,
    /// Rows that a repair takes out of what is read.
    pub(crate) discarded: Passed,
}

/// The columns to scan so that rows of `schema` can be read with repairs in their place.
pub(crate) fn scanned_schema(bronze: &Schema, schema: &SchemaRef) -> SchemaRef {
    match bronze.field_with_name(REPAIR) {
        Ok(field) => {
            let fields = schema.fields().iter().map(|field| field.as_ref().clone());
            Arc::new(Schema::new(
                fields.chain([field.clone()]).collect::<Vec<_>>(),
            ))
        }
        Err(_) => schema.clone(),
    }
}

/// Rows of bronze as they are to be read: the newest repair in the place of its row, no row that was discarded, and no repair as a row of
/// its own. What comes out is counted against the `stated` rows that go in.
pub(crate) fn in_place(
    rows: BatchStream,
    scanned: &Schema,
    schema: SchemaRef,
    repairs: Arc<Repairs>,
    stated: u64,
    placed: Placed,
) -> BatchStream {
    if scanned.field_with_name(REPAIR).is_err() {
        return rows;
    }
    let of = schema.clone();
    let state = Some((rows, 0_u64));
    let batches = futures::stream::unfold(state, move |state| {
        let (schema, repairs, placed) = (of.clone(), repairs.clone(), placed.clone());
        async move {
            let (mut rows, seen) = state?;
            match rows.next().await {
                Some(Ok(batch)) => match placed_in(&batch, &schema, &repairs, &placed) {
                    Ok((batch, left_out)) => {
                        let batch = failpoint::rows("silver.repaired", batch);
                        let seen = seen + (batch.num_rows() + left_out) as u64;
                        Some((Ok(batch), Some((rows, seen))))
                    }
                    Err(error) => Some((Err(ExactError::Internal(error.to_string())), None)),
                },
                Some(Err(error)) => Some((Err(error.into()), None)),
                None if seen == stated => None,
                None => {
                    let lost = ExactError::Rows {
                        what: "were read before repairs took their place".to_owned(),
                        given: stated,
                        found: seen,
                    };
                    Some((Err(lost), None))
                }
            }
        }
    });
    batch_stream(schema, batches)
}

/// The rows of a batch of bronze that came from the source.
pub(crate) fn received(batch: RecordBatch) -> Result<RecordBatch, ArrowError> {
    match batch.column_by_name(REPAIR) {
        Some(marks) if marks.null_count() < marks.len() => {
            let received: BooleanArray = (0..marks.len())
                .map(|row| Some(marks.is_null(row)))
                .collect();
            filter_record_batch(&batch, &received)
        }
        _ => Ok(batch),
    }
}

/// One batch with repairs in their place, and how many of its rows are not read as rows.
fn placed_in(
    batch: &RecordBatch,
    schema: &SchemaRef,
    repairs: &Repairs,
    placed: &Placed,
) -> Result<(RecordBatch, usize), ArrowError> {
    let marks = batch.column_by_name(REPAIR);
    let columns = Columns::of(batch);
    let mut taken: Vec<(usize, usize)> = Vec::with_capacity(batch.num_rows());
    let (mut left_out, mut repaired, mut discarded) = (0, 0, 0);
    let mut last: Option<(&str, i64, Option<&OfDelivery>)> = None;
    for row in 0..batch.num_rows() {
        if marks.is_some_and(|marks| marks.is_valid(row)) {
            left_out += 1;
            continue;
        }
        let (object, delivery) = (columns.object(row), columns.delivery(row));
        let of = match last {
            Some((known, of, found)) if known == object && of == delivery => found,
            _ => repairs.of(object, delivery),
        };
        last = Some((object, delivery, of));
        match repairs.at(&columns, row, of) {
            None => taken.push((0, row)),
            Some(found) if repairs.of_rows[found].kind == RepairKind::Discard => {
                left_out += 1;
                discarded += 1;
            }
            Some(found) => {
                repaired += 1;
                taken.push((1, found));
            }
        }
    }
    placed.repaired.add(repaired);
    placed.discarded.add(discarded);
    let rows = projected(batch, schema)?;
    if repaired == 0 && left_out == 0 {
        return Ok((rows, 0));
    }
    let repaired = match &repairs.rows {
        Some(repaired) => projected(repaired, schema)?,
        None => RecordBatch::new_empty(schema.clone()),
    };
    let placed = interleave_record_batch(&[&rows, &repaired], &taken)?;
    Ok((placed, left_out))
}

fn projected(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    let columns: Vec<ArrayRef> = schema
        .fields()
        .iter()
        .map(|field| {
            let column = batch.column_by_name(field.name()).cloned();
            column.ok_or_else(|| {
                ArrowError::SchemaError(format!("bronze has no column `{}`", field.name()))
            })
        })
        .collect::<Result<_, _>>()?;
    RecordBatch::try_new(schema.clone(), columns)
}

fn column<'b>(batch: &'b RecordBatch, name: &str) -> Result<&'b ArrayRef, PipelineError> {
    let column = batch.column_by_name(name);
    column.ok_or_else(|| PipelineError::Internal(format!("no column `{name}`")))
}
