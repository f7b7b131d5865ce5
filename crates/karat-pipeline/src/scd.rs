//! AUTO CDC: from the ordered events of each key to its current row (SCD 1) or its ranges (SCD 2).
//!
//! This is the decision alone (SEMANTICS C4, C5): it takes events that are already sorted by key, sequence and `_seq`,
//! and says which rows stand in the table, from when to when, and what became of every other event. Reading, sorting and
//! writing belong to [`crate::silver`].

use arrow::array::{
    Array, ArrayRef, BooleanArray, Int64Array, RecordBatch, RecordBatchOptions, UInt32Array,
    new_null_array,
};
use arrow::compute::{concat, concat_batches, take, take_record_batch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::row::{RowConverter, Rows, SortField};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

/// First column of a range, inclusive.
pub const START_AT: &str = "__START_AT";
/// Second column of a range, exclusive; null while the range is open.
pub const END_AT: &str = "__END_AT";
/// Working column: the first column of `sequence_by` (an event without one never gets here); see [`sequence_column`].
pub const SEQUENCE: &str = "__sequence";
/// Working column: true where the event deletes its key.
pub const DELETE: &str = "__delete";
/// Working column: true where a full load no longer has the key. Whatever an earlier load said of the key is over then, also what it
/// dated later than the load.
pub const GONE: &str = "__gone";
/// Working column: true for a row that the table already holds and that only takes part in the comparison.
pub const EXISTING: &str = "__existing";

/// Working column, of whole loads that follow each other alone: the place of the load that a row is of.
pub const LOAD: &str = "__load";
/// Working column, of whole loads alone: true for a row that a rule took out; it says that its load has the key, and nothing more.
pub const PRESENT: &str = "__present";

/// Working column of the nth column of `sequence_by`, from 0.
pub fn sequence_column(nth: usize) -> String {
    match nth {
        0 => SEQUENCE.to_owned(),
        nth => format!("{SEQUENCE}_{}", nth + 1),
    }
}

/// Which history is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScdType {
    /// The current row of each key.
    One,
    /// Every range of each key, half-open.
    Two,
}

/// What the fold needs to know of the event columns.
#[derive(Debug, Clone)]
pub struct EventShape {
    /// Kind of history.
    pub scd: ScdType,
    /// Output columns that identify a row, in order.
    pub keys: Vec<String>,
    /// Columns that order the events of a key before `_seq`, the first before the next.
    pub sequence: Vec<String>,
    /// Output columns, in table order (without `__START_AT` and `__END_AT`).
    pub output: Vec<String>,
    /// Output columns whose change opens a range.
    pub tracked: Vec<String>,
    /// Output columns in which a null leaves the value as it was.
    pub ignored_nulls: Vec<String>,
    /// Column that dates a range; the first of the sequence unless `valid_from` is declared.
    pub valid_from: String,
    /// Where events are rows of whole loads, which say by what they do not have that it is gone: from when each load holds, in order.
    pub loads: Option<ArrayRef>,
}

/// What became of events, each counted where it happened (G6).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EventCounts {
    /// Events that stand as rows of the table.
    pub kept: u64,
    /// Events equal to another in key, sequence, `_seq` and content.
    pub duplicate: u64,
    /// Events replaced by a later one of their key.
    pub superseded: u64,
    /// Events that delete their key.
    pub deleted: u64,
    /// Events that change nothing: no tracked column, or deletes where there is no row.
    pub unchanged: u64,
    /// Events that tie with another of different content.
    pub tied: u64,
    /// Events dated before the one that they follow.
    pub dated_back: u64,
    /// Rows that only tell that a whole load has their key; they are none of the other terms.
    pub present: u64,
    /// Rows that the table already held and that were replaced.
    pub existing_superseded: u64,
    /// Rows that the table already held and that still stand, open or newly closed.
    pub existing_kept: u64,
}

/// One step's outcome: rows of the table, and events that tie.
#[derive(Debug)]
pub struct Folded {
    /// Rows for the table, in key order (and by `__START_AT`).
    pub rows: RecordBatch,
    /// Event rows that tie (C4), as they came in.
    pub tied: RecordBatch,
    /// Event rows whose `valid_from` lies before that of the event that they follow (C5), as they came in.
    pub dated_back: RecordBatch,
}

/// Folds sorted events into rows, a batch at a time; memory is bounded by the longest key.
#[derive(Debug)]
pub struct EventFold {
    shape: EventShape,
    input: SchemaRef,
    table: SchemaRef,
    carry: Vec<RecordBatch>,
    counts: EventCounts,
    truncates: Truncates,
}

/// Events that empty the table, in order.
#[derive(Debug, Default)]
struct Truncates {
    /// Their place among all events, as bytes that compare like it.
    order: Vec<Box<[u8]>>,
    /// Their dates; none where there is no truncate.
    dates: Option<ArrayRef>,
    /// Whether one ended a row.
    ended: Vec<bool>,
}

impl Truncates {
    /// The first one that comes after an event.
    fn after(&self, event: &[u8]) -> usize {
        self.order.partition_point(|truncate| **truncate <= *event)
    }
}

impl EventFold {
    /// A fold over events with the given schema: the output columns, those of the sequence, `_seq`, [`DELETE`], [`GONE`], [`EXISTING`] and
    /// whatever else the caller wants to see again on tied events.
    pub fn new(shape: EventShape, input: SchemaRef) -> Result<Self, ArrowError> {
        let mut fields = Vec::new();
        for name in &shape.output {
            fields.push(input.field_with_name(name)?.clone());
        }
        if shape.scd == ScdType::Two {
            let range_type = input
                .field_with_name(&shape.valid_from)?
                .data_type()
                .clone();
            fields.push(Field::new(START_AT, range_type.clone(), true));
            fields.push(Field::new(END_AT, range_type, true));
        }
        let table = Arc::new(Schema::new(fields));
        Ok(Self {
            shape,
            input,
            table,
            carry: Vec::new(),
            counts: EventCounts::default(),
            truncates: Truncates::default(),
        })
    }

    /// The events that empty the table: all of them, before the first other event.
    pub fn truncated_by(&mut self, events: &RecordBatch) -> Result<(), ArrowError> {
        let order = self.order_of(events)?;
        let mut rows: Vec<usize> = (0..events.num_rows()).collect();
        rows.sort_by(|a, b| order.row(*a).cmp(&order.row(*b)));
        rows.dedup_by(|a, b| order.row(*a) == order.row(*b));
        self.counts.duplicate += (events.num_rows() - rows.len()) as u64;
        let at: UInt32Array = rows.iter().map(|row| *row as u32).collect();
        self.truncates = Truncates {
            order: rows
                .iter()
                .map(|row| order.row(*row).as_ref().into())
                .collect(),
            dates: Some(take(column(events, &self.shape.valid_from)?, &at, None)?),
            ended: vec![false; rows.len()],
        };
        Ok(())
    }

    fn order_of(&self, events: &RecordBatch) -> Result<Rows, ArrowError> {
        let order: Vec<&str> = match self.shape.loads {
            // A whole load has one row of a key: which came first says nothing.
            Some(_) => vec![LOAD],
            None => {
                let sequence = self.shape.sequence.iter().map(String::as_str);
                sequence.chain(["_seq"]).collect()
            }
        };
        rows_of(events, &order)
    }

    /// Schema of the rows.
    pub fn table_schema(&self) -> SchemaRef {
        self.table.clone()
    }

    /// Counts so far.
    pub fn counts(&self) -> EventCounts {
        self.counts
    }

    /// Takes the next batch of sorted events and gives what is decided by now.
    pub fn push(&mut self, batch: RecordBatch) -> Result<Option<Folded>, ArrowError> {
        if batch.num_rows() == 0 {
            return Ok(None);
        }
        let keys = self.key_rows(&batch)?;
        let last = batch.num_rows() - 1;
        let mut open_from = last;
        while open_from > 0 && keys.row(open_from - 1) == keys.row(last) {
            open_from -= 1;
        }
        let same_key_as_carry = match self.carry.last() {
            Some(tail) if open_from == 0 => {
                let tail_keys = self.key_rows(&tail.slice(tail.num_rows() - 1, 1))?;
                // Rows of two conversions by equal converters are comparable as bytes.
                tail_keys.row(0).as_ref() == keys.row(0).as_ref()
            }
            _ => false,
        };
        if same_key_as_carry || (self.carry.is_empty() && open_from == 0) {
            self.carry.push(batch);
            return Ok(None);
        }
        let mut complete = std::mem::take(&mut self.carry);
        if open_from > 0 {
            complete.push(batch.slice(0, open_from));
        }
        self.carry
            .push(batch.slice(open_from, batch.num_rows() - open_from));
        let complete = concat_batches(&self.input, &complete)?;
        self.fold(&complete).map(Some)
    }

    /// Decides the last key, and what became of the events that empty the table.
    pub fn finish(&mut self) -> Result<Option<Folded>, ArrowError> {
        let rest = std::mem::take(&mut self.carry);
        let folded = match rest.is_empty() {
            true => None,
            false => {
                let rest = concat_batches(&self.input, &rest)?;
                Some(self.fold(&rest)?)
            }
        };
        for ended in std::mem::take(&mut self.truncates.ended) {
            match ended {
                true => self.counts.deleted += 1,
                false => self.counts.unchanged += 1,
            }
        }
        Ok(folded)
    }

    fn key_rows(&self, batch: &RecordBatch) -> Result<Rows, ArrowError> {
        let names: Vec<&str> = self.shape.keys.iter().map(String::as_str).collect();
        rows_of(batch, &names)
    }

    fn fold(&mut self, events: &RecordBatch) -> Result<Folded, ArrowError> {
        let keys = self.key_rows(events)?;
        let mut content_names: Vec<&str> = self.shape.output.iter().map(String::as_str).collect();
        content_names.push(DELETE);
        let dates = match self.shape.scd {
            ScdType::Two => Some(self.dates_of(events)?),
            ScdType::One => None,
        };
        let group = Group {
            rows: events.num_rows(),
            order: self.order_of(events)?,
            seq: rows_of(events, &["_seq"])?,
            content: rows_of(events, &content_names)?,
            dates: dates.as_ref().map(comparable).transpose()?,
            loads: match &self.shape.loads {
                Some(loads) => Some(LoadsOfRows {
                    of: places(events)?,
                    present: boolean(events, PRESENT)?,
                    count: loads.len(),
                }),
                None => None,
            },
            truncates: &self.truncates,
            delete: boolean(events, DELETE)?,
            gone: boolean(events, GONE)?,
            existing: boolean(events, EXISTING)?,
        };

        let mut decided = Decided::default();
        let mut of_keys = Vec::new();
        let mut from = 0;
        for row in 1..=events.num_rows() {
            if row == events.num_rows() || keys.row(row) != keys.row(from) {
                of_keys.push(group.that_count(from..row, &mut decided, &mut self.counts));
                from = row;
            }
        }
        let states = self.states(events, &group, &of_keys)?;
        let tracked: Vec<&str> = self.shape.tracked.iter().map(String::as_str).collect();
        let tracked = rows_of(&states, &tracked)?;
        for of_key in &of_keys {
            match &group.dates {
                None => group.current(of_key, &mut decided, &mut self.counts),
                Some(dates) => {
                    group.ranges(dates, &tracked, of_key, &mut decided, &mut self.counts);
                }
            }
        }
        for truncate in &decided.truncates_that_end {
            self.truncates.ended[*truncate] = true;
        }

        let tied = take_record_batch(events, &UInt32Array::from(decided.tied))?;
        let dated_back = take_record_batch(events, &UInt32Array::from(decided.dated_back))?;
        let standing = UInt32Array::from(decided.standing);
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(self.table.fields().len());
        for values in states.columns() {
            columns.push(take(values, &standing, None)?);
        }
        if let Some(dates) = &dates {
            columns.push(take(dates, &UInt32Array::from(decided.starts), None)?);
            columns.push(if dates.is_empty() {
                new_null_array(dates.data_type(), 0)
            } else {
                take(dates, &UInt32Array::from(decided.ends), None)?
            });
        }
        Ok(Folded {
            rows: RecordBatch::try_new(self.table.clone(), columns)?,
            tied,
            dated_back,
        })
    }

    /// From when each event holds; after those of the events the dates of what ends a state without being an event of its key.
    fn dates_of(&self, events: &RecordBatch) -> Result<ArrayRef, ArrowError> {
        let of_events = column(events, &self.shape.valid_from)?;
        match self.shape.loads.as_ref().or(self.truncates.dates.as_ref()) {
            Some(others) => concat(&[of_events.as_ref(), others.as_ref()]),
            None => Ok(of_events.clone()),
        }
    }

    /// The state of its key after each event: its own values, and where a null changes nothing, those of the newest event before it that
    /// has one, as far as the key's last delete.
    fn states(
        &self,
        events: &RecordBatch,
        group: &Group<'_>,
        of_keys: &[Events],
    ) -> Result<RecordBatch, ArrowError> {
        let mut fields = Vec::with_capacity(self.shape.output.len());
        let mut columns = Vec::with_capacity(self.shape.output.len());
        for name in &self.shape.output {
            let values = column(events, name)?;
            fields.push(self.input.field_with_name(name)?.clone());
            if !self.shape.ignored_nulls.contains(name) || values.null_count() == 0 {
                columns.push(values.clone());
                continue;
            }
            let mut from: Vec<u32> = (0..events.num_rows() as u32).collect();
            for of_key in of_keys {
                let mut known = None;
                for &event in &of_key.events {
                    if group.is_delete(event) {
                        known = None;
                    } else if values.is_valid(event) {
                        known = Some(event as u32);
                    } else if let Some(known) = known {
                        from[event] = known;
                    }
                }
            }
            columns.push(take(values, &UInt32Array::from(from), None)?);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(events.num_rows()));
        RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)
    }
}

/// Row indices that a fold decided on.
#[derive(Default)]
struct Decided {
    standing: Vec<u32>,
    /// For each standing row the event that began its range.
    starts: Vec<u32>,
    /// For each standing row the event that ends its range.
    ends: Vec<Option<u32>>,
    tied: Vec<u32>,
    dated_back: Vec<u32>,
    /// Truncates that ended a row.
    truncates_that_end: BTreeSet<usize>,
}

impl Decided {
    fn stand(&mut self, start: usize, newest: usize, end: Option<usize>) {
        self.standing.push(newest as u32);
        self.starts.push(start as u32);
        self.ends.push(end.map(|end| end as u32));
    }
}

/// The events of one key that count, in order.
struct Events {
    events: Vec<usize>,
    /// Deletes of full loads that end rows which were dated after them.
    enders: Vec<usize>,
}

/// The events of one batch in comparable form. What ends a state without being an event of its key has a number after them.
struct Group<'t> {
    /// How many events there are.
    rows: usize,
    order: Rows,
    seq: Rows,
    content: Rows,
    /// From when a state holds; of SCD 2 alone.
    dates: Option<Rows>,
    loads: Option<LoadsOfRows>,
    truncates: &'t Truncates,
    delete: BooleanArray,
    gone: BooleanArray,
    existing: BooleanArray,
}

/// Which of several whole loads each event is a row of.
struct LoadsOfRows {
    of: Int64Array,
    present: BooleanArray,
    count: usize,
}

impl Group<'_> {
    /// The events of a key that count, and what ends their states without being one of them.
    fn that_count(
        &self,
        range: Range<usize>,
        decided: &mut Decided,
        counts: &mut EventCounts,
    ) -> Events {
        let events = self.without_ties(range.clone(), decided, counts);
        let mut events = self.without_gone(events, counts);
        if let Some(loads) = &self.loads {
            events.events = self.with_gaps(loads, range, events.events);
        }
        if !self.truncates.order.is_empty() {
            events.events = self.with_truncates(events.events);
        }
        match &self.dates {
            None => events,
            Some(dates) => self.forward(dates, events, decided, counts),
        }
    }

    /// Events that are equal in order: one if their content is equal, all tied if not.
    fn without_ties(
        &self,
        range: Range<usize>,
        decided: &mut Decided,
        counts: &mut EventCounts,
    ) -> Vec<usize> {
        let loads = self.loads.as_ref();
        let all = range.len();
        let rows: Vec<usize> = range
            .filter(|row| loads.is_none_or(|loads| !loads.present.value(*row)))
            .collect();
        counts.present += (all - rows.len()) as u64;
        let mut events = Vec::with_capacity(rows.len());
        for equal in rows.chunk_by(|a, b| self.order.row(*a) == self.order.row(*b)) {
            let first = equal[0];
            let content = self.content.row(first);
            let order = self.order.row(first);
            let with_a_truncate = self
                .truncates
                .order
                .binary_search_by(|truncate| (**truncate).cmp(order.as_ref()))
                .is_ok();
            let same_content = equal.iter().all(|row| self.content.row(*row) == content);
            if same_content && !with_a_truncate {
                counts.duplicate += (equal.len() - 1) as u64;
                events.push(first);
            } else {
                counts.tied += equal.len() as u64;
                decided.tied.extend(equal.iter().map(|row| *row as u32));
            }
        }
        events
    }

    /// Of a key's rows in whole loads: after the last load of each stretch that has it comes the first that does not. A load whose row of
    /// the key a rule took out, or whose rows of it tie, has the key, and says nothing more.
    fn with_gaps(
        &self,
        loads: &LoadsOfRows,
        range: Range<usize>,
        events: Vec<usize>,
    ) -> Vec<usize> {
        let mut with_gaps = Vec::with_capacity(events.len() + 1);
        let mut events = events.into_iter().peekable();
        for row in range.clone() {
            let load = loads.of.value(row);
            let next = range.end.min(row + 1);
            if next < range.end && loads.of.value(next) == load {
                continue;
            }
            with_gaps.extend(std::iter::from_fn(|| {
                events.next_if(|event| loads.of.value(*event) <= load)
            }));
            let after = load as usize + 1;
            let has_it = next < range.end && loads.of.value(next) as usize == after;
            if after < loads.count && !has_it {
                with_gaps.push(self.rows + after);
            }
        }
        with_gaps
    }

    /// After each event the first truncate that follows it, if that comes before the next event.
    fn with_truncates(&self, events: Vec<usize>) -> Vec<usize> {
        let mut with_truncates = Vec::with_capacity(events.len());
        for (at, &event) in events.iter().enumerate() {
            with_truncates.push(event);
            let order = self.order.row(event);
            let truncate = self.truncates.after(order.as_ref());
            let is_first = events
                .get(at + 1)
                .is_none_or(|next| self.truncates.after(self.order.row(*next).as_ref()) > truncate);
            if truncate < self.truncates.order.len() && is_first {
                with_truncates.push(self.rows + truncate);
            }
        }
        with_truncates
    }

    /// Whether it ends the state of its key.
    fn is_delete(&self, event: usize) -> bool {
        event >= self.rows || self.delete.value(event)
    }

    /// Whether it ends what was dated later as well.
    fn is_gone(&self, event: usize) -> bool {
        event >= self.rows || self.gone.value(event)
    }

    fn is_existing(&self, event: usize) -> bool {
        event < self.rows && self.existing.value(event)
    }

    /// A full load that no longer has the key ends all that earlier loads said of it. What they dated later than that load would come
    /// after the delete by its sequence, and stand for ever: it is replaced. The other way round, a later load that has the key again, with a
    /// date before the delete's, would be ended by it for ever: then the delete is, since the newest extract says that the row is there.
    fn without_gone(&self, mut events: Vec<usize>, counts: &mut EventCounts) -> Events {
        let mut latest: Option<usize> = None;
        events.retain(|&event| {
            if self.existing.value(event) {
                return true;
            }
            let is_later = |latest: usize| self.seq.row(latest) > self.seq.row(event);
            if self.gone.value(event) {
                let contradicted = latest.is_some_and(is_later);
                counts.unchanged += u64::from(contradicted);
                return !contradicted;
            }
            if !self.delete.value(event) && !latest.is_some_and(is_later) {
                latest = Some(event);
            }
            true
        });
        let mut newest_gone: Option<usize> = None;
        let mut enders = Vec::new();
        events.retain(|&event| {
            // Rows that the table holds come before every new event.
            if let Some(gone) = newest_gone.filter(|_| !self.existing.value(event))
                && self.seq.row(event) < self.seq.row(gone)
            {
                counts.superseded += 1;
                if !self.delete.value(event) && enders.last() != Some(&gone) {
                    enders.push(gone);
                }
                return false;
            }
            if self.gone.value(event) {
                newest_gone = Some(event);
            }
            true
        });
        Events { events, enders }
    }

    /// Events dated before the one that they follow begin no range: it would end before it begins. A full load that no longer has the
    /// key is no such event: what was dated later than it never came to hold.
    fn forward(
        &self,
        dates: &Rows,
        of: Events,
        decided: &mut Decided,
        counts: &mut EventCounts,
    ) -> Events {
        let mut events: Vec<usize> = Vec::with_capacity(of.events.len());
        let mut enders = of.enders;
        for event in of.events {
            if self.is_gone(event) {
                while let Some(&last) = events.last()
                    && dates.row(last) > dates.row(event)
                {
                    events.pop();
                    counts.superseded += u64::from(last < self.rows);
                    if !self.is_delete(last) && enders.last() != Some(&event) {
                        enders.push(event);
                    }
                }
            } else if let Some(&last) = events.last()
                && dates.row(last) > dates.row(event)
            {
                counts.dated_back += 1;
                decided.dated_back.push(event as u32);
                continue;
            }
            events.push(event);
        }
        Events { events, enders }
    }

    /// Counts the delete at a position: one that finds no row changes nothing.
    fn count_delete(
        &self,
        of: &Events,
        position: usize,
        decided: &mut Decided,
        counts: &mut EventCounts,
    ) {
        let before = position.checked_sub(1).map(|before| of.events[before]);
        let finds_a_row = before.is_some_and(|before| !self.is_delete(before));
        let finds_a_row = finds_a_row || of.enders.contains(&of.events[position]);
        if let Some(unsaid) = of.events[position].checked_sub(self.rows) {
            // It is no event of this key; a truncate is counted once for all of them.
            if finds_a_row && !self.truncates.order.is_empty() {
                decided.truncates_that_end.insert(unsaid);
            }
        } else if finds_a_row {
            counts.deleted += 1;
        } else {
            counts.unchanged += 1;
        }
    }

    fn current(&self, of: &Events, decided: &mut Decided, counts: &mut EventCounts) {
        let events = &of.events;
        for (position, &event) in events.iter().enumerate() {
            let existing = self.is_existing(event);
            if self.is_delete(event) {
                self.count_delete(of, position, decided, counts);
            } else if position + 1 < events.len() {
                if existing {
                    counts.existing_superseded += 1
                } else {
                    counts.superseded += 1
                }
            } else {
                if existing {
                    counts.existing_kept += 1
                } else {
                    counts.kept += 1
                }
                decided.stand(event, event, None);
            }
        }
    }

    fn ranges(
        &self,
        dates: &Rows,
        tracked: &Rows,
        of: &Events,
        decided: &mut Decided,
        counts: &mut EventCounts,
    ) {
        let events = &of.events;
        // The event that began the open range, and the newest that confirmed it: untracked columns are the newest's (as in Lakeflow).
        let mut open: Option<(usize, usize)> = None;
        for (position, &event) in events.iter().enumerate() {
            // Of events of one moment only the last can hold for any time at all.
            let outlived = events
                .get(position + 1)
                .is_some_and(|&next| dates.row(next) == dates.row(event));
            let existing = self.is_existing(event);
            if self.is_delete(event) {
                self.count_delete(of, position, decided, counts);
                if !outlived && let Some((start, newest)) = open.take() {
                    decided.stand(start, newest, Some(event));
                }
                continue;
            }
            if outlived {
                if existing {
                    counts.existing_superseded += 1
                } else {
                    counts.superseded += 1
                }
                continue;
            }
            if let Some((start, newest)) = open {
                if tracked.row(start) == tracked.row(event) {
                    counts.unchanged += 1;
                    open = Some((start, event));
                    continue;
                }
                decided.stand(start, newest, Some(event));
            }
            if existing {
                counts.existing_kept += 1
            } else {
                counts.kept += 1
            }
            open = Some((event, event));
        }
        if let Some((start, newest)) = open {
            decided.stand(start, newest, None);
        }
    }
}

fn column<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a ArrayRef, ArrowError> {
    batch
        .column_by_name(name)
        .ok_or_else(|| ArrowError::SchemaError(format!("the events have no column `{name}`")))
}

fn boolean(batch: &RecordBatch, name: &str) -> Result<BooleanArray, ArrowError> {
    column(batch, name)?
        .as_any()
        .downcast_ref::<BooleanArray>()
        .cloned()
        .ok_or_else(|| ArrowError::SchemaError(format!("the event column `{name}` is not Boolean")))
}

fn comparable(values: &ArrayRef) -> Result<Rows, ArrowError> {
    RowConverter::new(vec![SortField::new(values.data_type().clone())])?
        .convert_columns(std::slice::from_ref(values))
}

fn places(batch: &RecordBatch) -> Result<Int64Array, ArrowError> {
    column(batch, LOAD)?
        .as_any()
        .downcast_ref::<Int64Array>()
        .cloned()
        .ok_or_else(|| ArrowError::SchemaError(format!("the event column `{LOAD}` is no number")))
}

/// The named columns of a batch in comparable form.
pub(crate) fn rows_of(batch: &RecordBatch, names: &[&str]) -> Result<Rows, ArrowError> {
    if names.is_empty() {
        // Rows without columns are all equal; a constant column says so.
        let constant: ArrayRef = Arc::new(BooleanArray::from(vec![false; batch.num_rows()]));
        return RowConverter::new(vec![SortField::new(DataType::Boolean)])?
            .convert_columns(&[constant]);
    }
    let mut fields = Vec::with_capacity(names.len());
    let mut columns = Vec::with_capacity(names.len());
    for name in names {
        let values = column(batch, name)?;
        fields.push(SortField::new(values.data_type().clone()));
        columns.push(values.clone());
    }
    RowConverter::new(fields)?.convert_columns(&columns)
}

impl EventCounts {
    /// The outcomes of new events under their accounting names.
    pub fn terms(&self) -> BTreeMap<String, u64> {
        BTreeMap::from([
            ("kept".to_owned(), self.kept),
            ("duplicate".to_owned(), self.duplicate),
            ("superseded".to_owned(), self.superseded),
            ("deleted".to_owned(), self.deleted),
            ("unchanged".to_owned(), self.unchanged),
            ("quarantined".to_owned(), self.tied + self.dated_back),
        ])
    }
}
