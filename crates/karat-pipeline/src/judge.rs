//! Judging rows: select, built-in rules, expectations, and what becomes of each row (B5, C1, C2). Pure: batch in, batches out.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array, RecordBatch, StringArray};
use arrow::buffer::BooleanBuffer;
use arrow::compute::{cast, filter_record_batch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use karat_exact::{ClockUse, Engine, RowExpressions, SqlError, SqlErrorKind};
use karat_project::{Action, AutoCdc, Deletes, Expectation, Feed, Mode, Model, Place, Silver};
use karat_receipt::ExpectationCount;
use karat_source::pattern::OrderPattern;

use crate::address::{self, Columns};
use crate::bronze;
use crate::deliveries::{LeftOut, Reading};
use crate::error::{PipelineError, warning};
use crate::ingest::arrow_error;
use crate::model_check::wrong_day;
use crate::repairs::Repairs;
use crate::scd::{DELETE, EXISTING, GONE, LOAD, PRESENT, sequence_column};
use crate::snapshots;

/// Built-in rule: an expression of the select failed.
pub const RULE_EXPRESSION: &str = "_expression";
/// Built-in rule: something of the row could not be placed.
pub const RULE_RESCUED: &str = "_rescued";
/// Built-in rule of AUTO CDC: a key column is null.
pub const RULE_KEY_NULL: &str = "key_null";
/// Built-in rule of AUTO CDC: the sequence is null.
pub const RULE_SEQUENCE_NULL: &str = "sequence_null";
/// Built-in rule of AUTO CDC: the column of `valid_from` is null.
pub const RULE_VALID_FROM_NULL: &str = "valid_from_null";
/// Built-in rule of AUTO CDC: dated by `valid_from` before the event that it follows.
pub const RULE_VALID_FROM_ORDER: &str = "valid_from_order";
/// Built-in rule of AUTO CDC: equal in order, different in content.
pub const RULE_SEQUENCE_TIE: &str = "sequence_tie";

/// Whether a person may let a row go on that breaks this rule: not where a value that the row needs does not exist, nor where its place
/// among the events of its key is not known (C3).
pub fn can_be_waived(rule: &str) -> bool {
    rule != RULE_EXPRESSION && !RULES_OF_EVENTS.contains(&rule)
}

/// The built-in rules of AUTO CDC, which no model restates.
pub const RULES_OF_EVENTS: [&str; 5] = [
    RULE_KEY_NULL,
    RULE_SEQUENCE_NULL,
    RULE_VALID_FROM_NULL,
    RULE_VALID_FROM_ORDER,
    RULE_SEQUENCE_TIE,
];

/// Address columns that travel with an event so that a tie can be quarantined.
pub const ADDRESS: &[&str] = &["_object", "_delivery", "_row"];
/// The row of bronze as JSON text, in quarantine and beside events.
pub const ROW: &str = "row";
/// What failed, in quarantine: the columns whose expression did, and the reason of what could not be placed. Never a value.
pub const WHY: &str = "why";
/// Rows whose address a gate names.
pub(crate) const ADDRESSES_MAX: usize = 3;
/// Characters of an expression that are shown.
const EXPRESSION_MAX: usize = 80;

/// Columns of a quarantine table.
pub fn quarantine_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("_object", DataType::Utf8, true),
        Field::new("_delivery", DataType::Int64, true),
        Field::new("_row", DataType::Int64, true),
        Field::new("_seq", DataType::Binary, true),
        Field::new("rules", DataType::Utf8, true),
        Field::new(ROW, DataType::Utf8, true),
        Field::new("code", DataType::Utf8, true),
        Field::new(WHY, DataType::Utf8, true),
    ]))
}

/// Counts of one judged stretch of rows.
#[derive(Debug, Clone, Default)]
pub struct JudgeCounts {
    /// Rows seen.
    pub read: u64,
    /// Rows of deliveries that came again.
    pub superseded: u64,
    /// Rows of duplicate deliveries.
    pub duplicate: u64,
    /// Rows dropped by a rule.
    pub dropped: u64,
    /// Rows put into quarantine by a rule.
    pub quarantined: u64,
    /// Rows that broke each rule.
    pub broken: BTreeMap<String, u64>,
    /// Addresses of the first of them.
    pub addresses: BTreeMap<String, Vec<String>>,
    /// Rows judged.
    pub judged: u64,
    /// Of these, deletes and truncates: only rules with `on: all` judge them.
    pub without_values: u64,
    /// Rows of snapshots that a rule took out and that still tell of their key.
    pub present: u64,
}

impl JudgeCounts {
    /// Rows that a rule judges (C2).
    fn judged_by(&self, on_all: bool) -> u64 {
        match on_all {
            true => self.judged,
            false => self.judged - self.without_values,
        }
    }

    /// Takes in the counts of another stretch.
    pub fn add(&mut self, other: JudgeCounts) {
        let JudgeCounts {
            read,
            superseded,
            duplicate,
            dropped,
            quarantined,
            broken,
            addresses,
            judged,
            without_values,
            present,
        } = other;
        self.read += read;
        self.superseded += superseded;
        self.duplicate += duplicate;
        self.dropped += dropped;
        self.quarantined += quarantined;
        self.judged += judged;
        self.without_values += without_values;
        self.present += present;
        for (rule, rows) in broken {
            *self.broken.entry(rule).or_default() += rows;
        }
        for (rule, found) in addresses {
            let first = self.addresses.entry(rule).or_default();
            first.extend(found);
            first.truncate(ADDRESSES_MAX);
        }
    }
}

/// What one batch of bronze came to.
pub struct Judged {
    /// Rows that go on: the selected columns, then for AUTO CDC the event columns.
    pub kept: RecordBatch,
    /// Rows for quarantine, if any.
    pub quarantined: Option<RecordBatch>,
    /// Events that empty the table, with the columns of those that go on, if any.
    pub truncates: Option<RecordBatch>,
}

/// A compiled silver model.
pub struct Judge {
    table: String,
    select: RowExpressions,
    /// Each selected column with its expression, for people.
    select_texts: Vec<String>,
    selected: SchemaRef,
    expectations: Option<RowExpressions>,
    rules: Vec<Expectation>,
    /// Built-in rules that the model restates.
    restated: BTreeMap<String, Expectation>,
    events: Option<EventColumns>,
    kept: SchemaRef,
    payload: Vec<String>,
    null_values: Vec<String>,
    /// Of events of a full feed, its `key`: a load that has no row any more with a null in it says so with a delete, which is of no key.
    key_of_loads: Vec<String>,
    trim: bool,
    code: String,
}

/// The extra columns of AUTO CDC.
struct EventColumns {
    combined: SchemaRef,
    program: RowExpressions,
    /// Each expression of the program, for people.
    texts: Vec<String>,
    /// How many of its expressions order the events; conditions follow.
    sequence: usize,
    /// The word of each condition.
    conditions: Vec<&'static str>,
    /// Of a model that follows snapshots.
    snapshots: Option<OfSnapshots>,
    keys: Vec<String>,
    soft_delete: Option<String>,
    /// The selected column that dates ranges, where it is not the sequence.
    valid_from: Option<String>,
}

/// What the rows of snapshots say beside what they hold.
#[derive(Clone, Copy)]
struct OfSnapshots {
    /// From when it holds, in the place of a sequence: a history is kept.
    dated: bool,
    /// Which snapshot each is of: what one does not have is nowhere a row.
    whole: bool,
}

/// What AUTO CDC makes of a batch.
struct Events {
    selected: RecordBatch,
    /// The columns that order events; none without AUTO CDC.
    sequence: Vec<ArrayRef>,
    delete: Vec<bool>,
    /// Events that empty the table: they have no key.
    truncate: Vec<bool>,
    /// Rows without a key.
    key_null: Vec<bool>,
    /// Of whole snapshots: which of them each row is of.
    load: Option<ArrayRef>,
    failed: Vec<Option<BooleanBuffer>>,
}

/// Which expressions failed on which rows.
struct Failures<'a> {
    of: Vec<(&'a str, &'a BooleanBuffer)>,
}

impl<'a> Failures<'a> {
    fn add(&mut self, texts: &'a [String], failed: &'a [Option<BooleanBuffer>]) {
        let both = texts.iter().zip(failed);
        self.of
            .extend(both.filter_map(|(text, failed)| Some((text.as_str(), failed.as_ref()?))));
    }

    fn on(&self, row: usize) -> Vec<String> {
        let of_row = self.of.iter().filter(|(_, failed)| failed.value(row));
        of_row.map(|(text, _)| (*text).to_owned()).collect()
    }
}

/// What judging a batch found.
struct Found<'a> {
    /// Each rule with its action and the rows that break it.
    broken: Vec<(String, Action, Vec<bool>)>,
    failures: Failures<'a>,
}

impl Found<'_> {
    /// What failed on a row that broke these rules, where their names do not tell.
    fn why(&self, batch: &RecordBatch, row: usize, rules: &[&str]) -> Option<String> {
        let mut parts = Vec::new();
        if rules.contains(&RULE_EXPRESSION) {
            parts.extend(self.failures.on(row));
        }
        if rules.contains(&RULE_RESCUED)
            && let Ok(rescued) = texts(batch, "_rescued")
            && rescued.is_valid(row)
        {
            parts.extend(reason_of(rescued.value(row)));
        }
        (!parts.is_empty()).then(|| parts.join("; "))
    }
}

impl Judge {
    /// Compiles a model against the schema of its bronze table.
    pub fn compile(
        engine: &Engine,
        model: &Model,
        silver: &Silver,
        feed: &Feed,
        bronze: &SchemaRef,
        code: &str,
    ) -> Result<Self, PipelineError> {
        let table = &model.name.to_string();
        let first = |errors: Vec<(usize, SqlError)>, places: &[Place]| match errors
            .into_iter()
            .next()
        {
            Some((nth, error)) => PipelineError::Sql {
                table: table.clone(),
                at: Some(places.get(nth).copied().unwrap_or(model.at)),
                error: with_spelling(error, bronze),
            },
            None => PipelineError::Internal(format!("an expression of `{table}` has no program")),
        };
        let places: Vec<Place> = silver.select.iter().map(|column| column.at).collect();
        let select: Vec<(String, String)> = silver
            .select
            .iter()
            .map(|column| (column.name.clone(), column.sql.clone()))
            .collect();
        // In the form that the recorded code has, so that a rebuild from the record says the same.
        let select_texts = silver
            .select
            .iter()
            .map(|column| shown(&column.name, &column.shown()))
            .collect();
        let select = RowExpressions::compile(engine, bronze.clone(), &select)
            .map_err(|errors| first(errors, &places))?;
        let selected = select.output_schema();
        let floats = karat_exact::float_columns(&selected);
        if !floats.is_empty() && model.allow_float.is_none() {
            return Err(PipelineError::Float {
                table: table.clone(),
                columns: floats,
            });
        }
        if let Some(wrong) = wrong_day(model, &selected) {
            return Err(wrong.into());
        }
        let (rules, restated): (Vec<Expectation>, Vec<Expectation>) = silver
            .expectations
            .iter()
            .cloned()
            .partition(|rule| rule.sql.is_some());
        let restated = restated
            .into_iter()
            .map(|rule| (rule.name.clone(), rule))
            .collect();
        let expectations = if rules.is_empty() {
            None
        } else {
            let expressions: Vec<(String, String)> = rules
                .iter()
                .map(|rule| (rule.name.clone(), rule.sql.clone().unwrap_or_default()))
                .collect();
            let places: Vec<Place> = rules.iter().map(|rule| rule.at).collect();
            Some(
                RowExpressions::compile(engine, selected.clone(), &expressions)
                    .map_err(|errors| first(errors, &places))?,
            )
        };
        let payload: Vec<String> = crate::bronze::payload(bronze)
            .iter()
            .map(|field| field.name().clone())
            .collect();

        let mut kept_fields: Vec<Field> = selected
            .fields()
            .iter()
            .map(|field| field.as_ref().clone())
            .collect();
        let mut events = None;
        if let Some(cdc) = &silver.auto_cdc {
            let combined = combined_schema(&selected, bronze);
            let sequence_by = match cdc.sequence_by.as_slice() {
                [] => vec!["_seq".to_owned()],
                columns => columns.to_vec(),
            };
            let sequence = sequence_by.len();
            let texts_of_sequence = sequence_by.iter().map(|by| shown("sequence_by", by));
            let mut texts: Vec<String> = texts_of_sequence.collect();
            texts.extend(cdc.conditions().map(|of| shown(of.word, &of.shown())));
            let expressions = sequence_by.into_iter().enumerate();
            let mut expressions: Vec<(String, String)> = expressions
                .map(|(nth, by)| (sequence_column(nth), by))
                .collect();
            expressions.extend(
                cdc.conditions()
                    .map(|of| (format!("__{}", of.word), of.sql.clone())),
            );
            let program = RowExpressions::compile(engine, combined.clone(), &expressions)
                .map_err(|errors| first(errors, &[]))?;
            let snapshots = cdc.snapshots.as_ref().map(|_| OfSnapshots {
                dated: cdc.scd_type == 2,
                whole: feed.key.is_empty(),
            });
            let mut program_schema = program.output_schema();
            if snapshots.is_some_and(|of| of.dated) {
                let version =
                    snapshots::version_of(cdc).map_err(|(what, hint)| PipelineError::Refused {
                        what: format!("`{table}` cannot date its snapshots: {what}"),
                        hint,
                    })?;
                let dated = snapshots::range_type(version.as_ref());
                let field = Field::new(sequence_column(0), dated, true);
                program_schema = Arc::new(Schema::new(vec![field]));
            }
            if let Some((at, error)) = ordered_by_text(silver, &selected) {
                return Err(PipelineError::Sql {
                    table: table.clone(),
                    at: Some(at),
                    error,
                });
            }
            let sequence_type = program_schema.field(0).data_type();
            if let Some((what, hint)) = undated_history(cdc, &selected, sequence_type) {
                return Err(PipelineError::Refused {
                    what: format!("`{table}` cannot keep a history: {what}"),
                    hint,
                });
            }
            let of_conditions = program_schema.fields().iter().skip(sequence);
            for (condition, field) in cdc.conditions().zip(of_conditions) {
                if let Some(error) = is_no_condition(condition.word, field.data_type()) {
                    return Err(PipelineError::Sql {
                        table: table.clone(),
                        at: Some(condition.at),
                        error,
                    });
                }
            }
            for field in program_schema.fields().iter().take(sequence) {
                kept_fields.push(Field::new(field.name(), field.data_type().clone(), true));
            }
            kept_fields.push(Field::new("_seq", DataType::Binary, true));
            kept_fields.push(Field::new(DELETE, DataType::Boolean, false));
            kept_fields.push(Field::new(GONE, DataType::Boolean, false));
            kept_fields.push(Field::new(EXISTING, DataType::Boolean, false));
            if snapshots.is_some_and(|of| of.whole) {
                kept_fields.push(Field::new(LOAD, DataType::Int64, true));
                kept_fields.push(Field::new(PRESENT, DataType::Boolean, false));
            }
            for name in ADDRESS {
                kept_fields.push(bronze.field_with_name(name).map_err(arrow_error)?.clone());
            }
            events = Some(EventColumns {
                combined,
                program,
                texts,
                sequence,
                snapshots,
                keys: cdc.keys.clone(),
                conditions: cdc.conditions().map(|condition| condition.word).collect(),
                soft_delete: match &feed.deletes {
                    Some(Deletes::Soft(column)) => Some(column.clone()),
                    _ => None,
                },
                valid_from: cdc.valid_from.clone().filter(|_| cdc.scd_type == 2),
            });
        }
        Ok(Self {
            table: table.clone(),
            select,
            select_texts,
            selected,
            expectations,
            rules,
            restated,
            events,
            kept: Arc::new(Schema::new(kept_fields)),
            payload,
            null_values: feed.null_values.clone(),
            key_of_loads: match (feed.mode, &silver.auto_cdc) {
                (Mode::Full, Some(_)) => feed.key.clone(),
                _ => Vec::new(),
            },
            trim: silver.trim,
            code: code.to_owned(),
        })
    }

    /// The selected columns.
    pub fn selected(&self) -> SchemaRef {
        self.selected.clone()
    }

    /// Schema of the rows that go on.
    pub fn kept_schema(&self) -> SchemaRef {
        self.kept.clone()
    }

    /// What the expressions take from the run's time.
    pub fn clock_use(&self) -> ClockUse {
        let of_rules = self.expectations.as_ref().map(RowExpressions::clock_use);
        let of_events = self.events.as_ref();
        let of_events = of_events.map(|events| events.program.clock_use());
        self.select
            .clock_use()
            .max(of_rules.unwrap_or_default())
            .max(of_events.unwrap_or_default())
    }

    /// Bronze columns that the model computes from.
    pub fn columns_used(&self) -> std::collections::BTreeSet<String> {
        let mut used = self.select.columns_used();
        if let Some(events) = &self.events {
            used.extend(events.program.columns_used());
        }
        used
    }

    /// Judges one batch of bronze rows, in which repairs stand in the place of the rows that they repair.
    pub fn judge(
        &self,
        batch: &RecordBatch,
        reading: &Reading,
        repairs: &Repairs,
        counts: &mut JudgeCounts,
    ) -> Result<Judged, PipelineError> {
        let batch = self.only_read(batch, reading, counts)?;
        let rows = batch.num_rows();
        let read = self.trimmed(&batch)?;
        let selected = self.select.evaluate(&self.with_null_values(&read)?)?;
        let selected_batch = RecordBatch::try_new(self.selected.clone(), selected.columns.clone())
            .map_err(arrow_error)?;
        let source_delete = deletes_of_source(&batch)?;

        let mut broken: Vec<(String, Action, Vec<bool>)> = Vec::new();
        let mut failed = any_failed(&selected.failed, rows);
        let events =
            self.event_columns(&read, selected_batch, &source_delete, reading, &mut broken)?;
        // Neither has values to judge (C2).
        let without_values = events.delete.iter().zip(&events.truncate);
        let without_values: Vec<bool> = without_values.map(|(d, t)| *d || *t).collect();
        let mut failures = Failures { of: Vec::new() };
        failures.add(&self.select_texts, &selected.failed);
        if let Some(columns) = &self.events {
            failures.add(&columns.texts, &events.failed);
        }
        let of_events = any_failed(&events.failed, rows);
        let selected_batch = &events.selected;
        for (row, of_event) in of_events.into_iter().flatten().enumerate() {
            failed.get_or_insert_with(|| vec![false; rows])[row] |= of_event;
        }
        self.built_in(RULE_EXPRESSION, failed, Some(&without_values), &mut broken);
        let rescued = batch.column_by_name("_rescued").map(|column| {
            (0..rows)
                .map(|row| column.is_valid(row))
                .collect::<Vec<bool>>()
        });
        self.built_in(RULE_RESCUED, rescued, Some(&without_values), &mut broken);

        if let Some(program) = &self.expectations {
            let outcome = program.evaluate(selected_batch)?;
            let expression_failed = broken
                .iter()
                .find(|(name, ..)| name == RULE_EXPRESSION)
                .map(|(_, _, rows)| rows.clone());
            let judged = self.rules.iter().zip(&outcome.columns).zip(&outcome.failed);
            for (number, ((rule, column), failed)) in judged.enumerate() {
                let holds = column
                    .as_any()
                    .downcast_ref::<BooleanArray>()
                    .ok_or_else(|| PipelineError::Refused {
                        what: format!(
                            "expectation `{}` of `{}` is not a condition",
                            rule.name, self.table
                        ),
                        hint: "write an expression that is true or false".to_owned(),
                    })?;
                let mut rows_broken = Vec::with_capacity(rows);
                for row in 0..rows {
                    let exempt = (without_values[row] && !rule.on_all)
                        // A row whose expression failed has no value to judge.
                        || expression_failed.as_ref().is_some_and(|failed| failed[row]);
                    if !exempt && failed.as_ref().is_some_and(|failed| failed.value(row)) {
                        return Err(PipelineError::FailedExpectation {
                            table: self.table.clone(),
                            rule: rule.name.clone(),
                            row: address::of(&batch, row),
                            why: program.error(
                                number,
                                &selected_batch.slice(row, 1),
                                rule.sql.as_deref().unwrap_or_default(),
                            )?,
                        });
                    }
                    let holds_here = holds.is_valid(row) && holds.value(row);
                    rows_broken.push(!exempt && !holds_here);
                }
                broken.push((rule.name.clone(), rule.action, rows_broken));
            }
        }
        counts.judged += rows as u64;
        counts.without_values += without_values.iter().filter(|exempt| **exempt).count() as u64;
        waive(&batch, repairs, &mut broken);
        let found = Found { broken, failures };
        self.decide(&batch, &events, &found, counts)
    }

    /// The select of the rows of a batch that are read, unjudged, and these rows.
    pub fn selected_of(
        &self,
        batch: &RecordBatch,
        reading: &Reading,
    ) -> Result<(RecordBatch, RecordBatch), PipelineError> {
        let batch = self.only_read(batch, reading, &mut JudgeCounts::default())?;
        let read = self.with_null_values(&self.trimmed(&batch)?)?;
        let selected = self.select.evaluate(&read)?;
        let selected = RecordBatch::try_new(self.selected.clone(), selected.columns);
        Ok((selected.map_err(arrow_error)?, batch))
    }

    /// Leaves out what is not read, counted as what it is.
    fn only_read(
        &self,
        batch: &RecordBatch,
        reading: &Reading,
        counts: &mut JudgeCounts,
    ) -> Result<RecordBatch, PipelineError> {
        let mut batch = batch.clone();
        if let Some(only) = reading.only_epoch {
            let epoch = integers(&batch, "_epoch")?;
            let keep: BooleanArray = epoch
                .iter()
                .map(|value| Some(value == Some(only)))
                .collect();
            batch = filter_record_batch(&batch, &keep).map_err(arrow_error)?;
        }
        counts.read += batch.num_rows() as u64;
        if !reading.left_out_loads.is_empty() {
            let read = reading.loads_read(integers(&batch, "_epoch")?);
            counts.superseded += (read.len() - read.true_count()) as u64;
            batch = filter_record_batch(&batch, &read).map_err(arrow_error)?;
        }
        if !self.key_of_loads.is_empty() {
            let op = texts(&batch, "_op")?;
            let keys = self.key_of_loads.iter();
            let keys: Vec<&ArrayRef> = keys.filter_map(|key| batch.column_by_name(key)).collect();
            let of_a_key: BooleanArray = (0..batch.num_rows())
                .map(|row| Some(op.value(row) != "D" || keys.iter().all(|key| key.is_valid(row))))
                .collect();
            counts.superseded += (of_a_key.len() - of_a_key.true_count()) as u64;
            batch = filter_record_batch(&batch, &of_a_key).map_err(arrow_error)?;
        }
        if reading.left_out.is_empty() {
            return Ok(batch);
        }
        let object = texts(&batch, "_object")?;
        let delivery = integers(&batch, "_delivery")?;
        let mut keep = Vec::with_capacity(batch.num_rows());
        let mut last: Option<(&str, i64, Option<LeftOut>)> = None;
        for row in 0..batch.num_rows() {
            let (path, number) = (object.value(row), delivery.value(row));
            let left_out = match last {
                Some((known, of, outcome)) if known == path && of == number => outcome,
                _ => reading.left_out(path, number),
            };
            last = Some((path, number, left_out));
            match left_out {
                None => {}
                Some(LeftOut::Superseded) => counts.superseded += 1,
                Some(LeftOut::Duplicate) => counts.duplicate += 1,
            }
            keep.push(left_out.is_none());
        }
        filter_record_batch(&batch, &BooleanArray::from(keep)).map_err(arrow_error)
    }

    /// `null_values` of the feed act when silver reads (F1).
    fn with_null_values(&self, batch: &RecordBatch) -> Result<RecordBatch, PipelineError> {
        if self.null_values.is_empty() {
            return Ok(batch.clone());
        }
        let is_null = |value: &str| self.null_values.iter().any(|null| null == value);
        self.with_texts(batch, |value| match is_null(value) {
            true => None,
            false => Some(value),
        })
    }

    /// `trim` of the model: texts without the blanks at their ends, as SQL's `trim` gives them.
    fn trimmed(&self, batch: &RecordBatch) -> Result<RecordBatch, PipelineError> {
        match self.trim {
            true => self.with_texts(batch, |value| Some(value.trim_matches(' '))),
            false => Ok(batch.clone()),
        }
    }

    /// The batch with other texts in its payload; a column in which none is another stays what it is.
    fn with_texts(
        &self,
        batch: &RecordBatch,
        other: impl Fn(&str) -> Option<&str>,
    ) -> Result<RecordBatch, PipelineError> {
        let mut columns = batch.columns().to_vec();
        for name in &self.payload {
            let Ok(at) = batch.schema().index_of(name) else {
                continue;
            };
            let Some(text) = columns[at].as_any().downcast_ref::<StringArray>() else {
                continue;
            };
            if text
                .iter()
                .flatten()
                .any(|value| other(value) != Some(value))
            {
                columns[at] = Arc::new(
                    text.iter()
                        .map(|value| value.and_then(&other))
                        .collect::<StringArray>(),
                );
            }
        }
        RecordBatch::try_new(batch.schema(), columns).map_err(arrow_error)
    }

    fn built_in(
        &self,
        name: &str,
        rows: Option<Vec<bool>>,
        exempt: Option<&[bool]>,
        broken: &mut Vec<(String, Action, Vec<bool>)>,
    ) {
        let Some(mut rows) = rows else { return };
        let restated = self.restated.get(name);
        if let Some(exempt) = exempt.filter(|_| restated.is_none_or(|rule| !rule.on_all)) {
            for (row, exempt) in rows.iter_mut().zip(exempt) {
                *row &= !exempt;
            }
        }
        if rows.iter().any(|row| *row) {
            broken.push((name.to_owned(), self.action_of(name), rows));
        }
    }

    /// What a built-in rule does.
    fn action_of(&self, name: &str) -> Action {
        self.restated
            .get(name)
            .map_or(Action::Quarantine, |rule| rule.action)
    }

    /// Sequence and delete mark of each row, and the rules that AUTO CDC brings.
    fn event_columns(
        &self,
        batch: &RecordBatch,
        selected: RecordBatch,
        source_delete: &[bool],
        reading: &Reading,
        broken: &mut Vec<(String, Action, Vec<bool>)>,
    ) -> Result<Events, PipelineError> {
        let Some(events) = &self.events else {
            return Ok(Events {
                selected,
                sequence: Vec::new(),
                delete: source_delete.to_vec(),
                truncate: vec![false; batch.num_rows()],
                key_null: Vec::new(),
                load: None,
                failed: Vec::new(),
            });
        };
        let columns: Vec<ArrayRef> = events
            .combined
            .fields()
            .iter()
            .map(|field| {
                selected
                    .column_by_name(field.name())
                    .or_else(|| batch.column_by_name(field.name()))
                    .cloned()
                    .ok_or_else(|| PipelineError::Internal(format!("no column `{}`", field.name())))
            })
            .collect::<Result<_, _>>()?;
        let combined =
            RecordBatch::try_new(events.combined.clone(), columns).map_err(arrow_error)?;
        let outcome = events.program.evaluate(&combined)?;
        let mut delete = source_delete.to_vec();
        let mut truncate = vec![false; batch.num_rows()];
        let of_conditions = outcome.columns.iter().skip(events.sequence);
        for (word, marks) in events.conditions.iter().zip(of_conditions) {
            let marks = marks
                .as_any()
                .downcast_ref::<BooleanArray>()
                .ok_or_else(|| PipelineError::Refused {
                    what: format!("`{word}` of `{}` is not a condition", self.table),
                    hint: "write an expression that is true or false".to_owned(),
                })?;
            let of_kind = match *word {
                "apply_as_truncates" => &mut truncate,
                _ => &mut delete,
            };
            for (row, is_one) in of_kind.iter_mut().enumerate() {
                *is_one |= marks.is_valid(row) && marks.value(row);
            }
        }
        let mut sequence = outcome.columns[..events.sequence].to_vec();
        if let Some(soft) = &events.soft_delete {
            // A flag may be a number, a time or a text.
            let marks = cast(column(batch, soft)?, &DataType::Utf8).map_err(arrow_error)?;
            let marks = marks.as_string::<i32>();
            for (row, delete) in delete.iter_mut().enumerate() {
                *delete |= marks.is_valid(row) && !says_no(marks.value(row));
            }
        }
        let mut load: Option<ArrayRef> = None;
        if let Some(of) = &events.snapshots {
            let snapshots = reading.snapshots.as_ref().ok_or_else(|| {
                PipelineError::Internal(format!("`{}` has no snapshots", self.table))
            })?;
            let epochs = integers(batch, "_epoch")?;
            if of.dated {
                sequence = vec![snapshots.dates_of(epochs)];
            }
            load = of
                .whole
                .then(|| Arc::new(snapshots.places_of(epochs)) as ArrayRef);
        } else if source_delete.iter().any(|delete| *delete) {
            let first = sequence.remove(0);
            let dated = crate::marks::date_deletes(&self.table, batch, source_delete, first)?;
            sequence.insert(0, dated);
        }
        let nulls: Vec<bool> = (0..batch.num_rows())
            .map(|row| {
                sequence
                    .iter()
                    .chain(&load)
                    .any(|column| column.is_null(row))
            })
            .collect();
        self.built_in(RULE_SEQUENCE_NULL, Some(nulls), None, broken);
        let selected = self.dated(events, batch, selected, source_delete, broken)?;
        let mut key_null = vec![false; batch.num_rows()];
        for key in &events.keys {
            let column = selected
                .column_by_name(key)
                .ok_or_else(|| PipelineError::Refused {
                    what: format!(
                        "`{}` has no column `{key}`, which `auto_cdc.keys` names",
                        self.table
                    ),
                    hint: "add it to `select`".to_owned(),
                })?;
            for (row, null) in key_null.iter_mut().enumerate() {
                *null |= column.is_null(row) && !truncate[row];
            }
        }
        self.built_in(RULE_KEY_NULL, Some(key_null.clone()), None, broken);
        Ok(Events {
            selected,
            sequence,
            delete,
            truncate,
            key_null,
            load,
            failed: outcome.failed,
        })
    }

    /// `valid_from` of every event: a delete of a full load has the date of its load, another row without one is broken.
    fn dated(
        &self,
        events: &EventColumns,
        batch: &RecordBatch,
        selected: RecordBatch,
        source_delete: &[bool],
        broken: &mut Vec<(String, Action, Vec<bool>)>,
    ) -> Result<RecordBatch, PipelineError> {
        let Some(name) = &events.valid_from else {
            return Ok(selected);
        };
        let at = selected.schema().index_of(name).map_err(arrow_error)?;
        let dates = crate::marks::date_deletes(
            &self.table,
            batch,
            source_delete,
            selected.column(at).clone(),
        )?;
        let nulls = (0..batch.num_rows())
            .map(|row| dates.is_null(row))
            .collect();
        self.built_in(RULE_VALID_FROM_NULL, Some(nulls), None, broken);
        let mut columns = selected.columns().to_vec();
        columns[at] = dates;
        RecordBatch::try_new(selected.schema(), columns).map_err(arrow_error)
    }

    /// fail > quarantine > drop > warn, row by row; every rule is counted.
    fn decide(
        &self,
        batch: &RecordBatch,
        events: &Events,
        found: &Found<'_>,
        counts: &mut JudgeCounts,
    ) -> Result<Judged, PipelineError> {
        let rows = batch.num_rows();
        let broken = &found.broken;
        let mut keep = vec![true; rows];
        let mut aside = vec![false; rows];
        let mut rules: Vec<Vec<&str>> = if broken.is_empty() {
            Vec::new()
        } else {
            vec![Vec::new(); rows]
        };
        for (name, action, rows_broken) in broken {
            let mut count = 0;
            let addresses = counts.addresses.entry(name.clone()).or_default();
            for (row, is_broken) in rows_broken.iter().enumerate() {
                if !is_broken {
                    continue;
                }
                count += 1;
                if addresses.len() < ADDRESSES_MAX {
                    addresses.push(address::of(batch, row));
                }
                rules[row].push(name);
                match action {
                    Action::Warn => {}
                    Action::Drop => keep[row] = false,
                    Action::Quarantine => {
                        keep[row] = false;
                        aside[row] = true;
                    }
                    // The gate stands at the end of the model; until then the row is counted like a kept one.
                    Action::Fail => {}
                }
            }
            *counts.broken.entry(name.clone()).or_default() += count;
        }
        // Counted one by one, each where it is decided (G6).
        for row in 0..rows {
            if aside[row] {
                counts.quarantined += 1;
            } else if !keep[row] {
                counts.dropped += 1;
            }
        }
        let quarantined = if aside.iter().any(|aside| *aside) {
            let at: Vec<usize> = (0..rows).filter(|row| aside[*row]).collect();
            let names: Vec<String> = at
                .iter()
                .map(|row| {
                    let mut names = rules[*row].clone();
                    names.sort_unstable();
                    names.dedup();
                    names.join(",")
                })
                .collect();
            let whys = at
                .iter()
                .map(|row| found.why(batch, *row, &rules[*row]))
                .collect();
            Some(self.quarantine_rows(batch, &BooleanArray::from(aside), names, whys)?)
        } else {
            None
        };
        let mut columns = events.selected.columns().to_vec();
        if !events.sequence.is_empty() {
            columns.extend(events.sequence.iter().cloned());
            columns.push(column(batch, "_seq")?.clone());
            columns.push(Arc::new(BooleanArray::from(events.delete.clone())));
            columns.push(Arc::new(BooleanArray::from(deletes_of_source(batch)?)));
            columns.push(Arc::new(BooleanArray::from(vec![false; rows])));
            if let Some(load) = &events.load {
                columns.push(load.clone());
                let out: Vec<bool> = keep.iter().map(|keep| !keep).collect();
                columns.push(Arc::new(BooleanArray::from(out)));
                // A row that a rule takes out still tells that its snapshot has the key.
                for (row, keep) in keep.iter_mut().enumerate() {
                    if !*keep && !events.key_null[row] && load.is_valid(row) {
                        *keep = true;
                        counts.present += 1;
                    }
                }
            }
            for name in ADDRESS {
                columns.push(column(batch, name)?.clone());
            }
        }
        let kept = RecordBatch::try_new(self.kept.clone(), columns).map_err(arrow_error)?;
        let mut truncates = None;
        if events.truncate.iter().any(|truncate| *truncate) {
            let truncate = keep
                .iter()
                .zip(&events.truncate)
                .map(|(k, t)| Some(*k && *t));
            let truncate: BooleanArray = truncate.collect();
            truncates = Some(filter_record_batch(&kept, &truncate).map_err(arrow_error)?);
            for (keep, truncate) in keep.iter_mut().zip(&events.truncate) {
                *keep &= !truncate;
            }
        }
        let kept = if keep.iter().all(|keep| *keep) {
            kept
        } else {
            filter_record_batch(&kept, &BooleanArray::from(keep)).map_err(arrow_error)?
        };
        Ok(Judged {
            kept,
            quarantined,
            truncates,
        })
    }

    fn quarantine_rows(
        &self,
        batch: &RecordBatch,
        aside: &BooleanArray,
        rules: Vec<String>,
        whys: Vec<Option<String>>,
    ) -> Result<RecordBatch, PipelineError> {
        let rows = filter_record_batch(batch, aside).map_err(arrow_error)?;
        let count = rows.num_rows();
        let mut columns: Vec<ArrayRef> = Vec::new();
        for name in ADDRESS {
            columns.push(column(&rows, name)?.clone());
        }
        columns.push(column(&rows, "_seq")?.clone());
        columns.push(Arc::new(StringArray::from(rules)));
        columns.push(Arc::new(StringArray::from(crate::row_json::rows_as_json(
            &rows,
            &self.payload,
        )?)));
        columns.push(Arc::new(StringArray::from(vec![self.code.as_str(); count])));
        columns.push(Arc::new(StringArray::from(whys)));
        RecordBatch::try_new(quarantine_schema(), columns).map_err(arrow_error)
    }

    /// Events that a rule on their order holds back, as quarantine rows. Their payload is read from what the event carries: the selected columns.
    pub fn rows_aside(
        &self,
        tied: &RecordBatch,
        rule: &'static str,
    ) -> Result<RecordBatch, PipelineError> {
        let count = tied.num_rows();
        let names: Vec<String> = self
            .selected
            .fields()
            .iter()
            .map(|field| field.name().clone())
            .collect();
        let mut columns: Vec<ArrayRef> = Vec::new();
        for name in ADDRESS {
            columns.push(column(tied, name)?.clone());
        }
        columns.push(column(tied, "_seq")?.clone());
        columns.push(Arc::new(StringArray::from(vec![rule; count])));
        columns.push(Arc::new(StringArray::from(crate::row_json::rows_as_json(
            tied, &names,
        )?)));
        columns.push(Arc::new(StringArray::from(vec![self.code.as_str(); count])));
        columns.push(Arc::new(StringArray::new_null(count)));
        RecordBatch::try_new(quarantine_schema(), columns).map_err(arrow_error)
    }

    /// The gates on a run: `fail`, then limits (C2).
    pub fn gate(&self, counts: &JudgeCounts) -> Result<(), PipelineError> {
        for rule in self.restated.values().chain(&self.rules) {
            let rows = counts.broken.get(&rule.name).copied().unwrap_or(0);
            let at = counts
                .addresses
                .get(&rule.name)
                .cloned()
                .unwrap_or_default();
            if rule.action == Action::Fail && rows > 0 {
                return Err(PipelineError::Expectation {
                    table: self.table.clone(),
                    rule: rule.name.clone(),
                    rows,
                    at,
                });
            }
            if let Some(limit) = &rule.limit
                && limit.is_exceeded_by(rows, counts.judged_by(rule.on_all))
            {
                return Err(PipelineError::Limit {
                    table: self.table.clone(),
                    rule: rule.name.clone(),
                    rows,
                    judged: counts.judged_by(rule.on_all),
                    limit: limit.to_string(),
                    at,
                });
            }
        }
        Ok(())
    }

    /// What rules found that only warn: no outcome of a row tells.
    pub fn warnings(&self, counts: &JudgeCounts) -> Vec<String> {
        let rules = self.restated.values().chain(&self.rules);
        let warned = rules.filter(|rule| rule.action == Action::Warn);
        warned
            .filter_map(|rule| {
                let rows = counts
                    .broken
                    .get(&rule.name)
                    .copied()
                    .filter(|rows| *rows > 0)?;
                let at = counts
                    .addresses
                    .get(&rule.name)
                    .map_or(&[][..], Vec::as_slice);
                Some(warning(&rule.name, rows, counts.judged_by(rule.on_all), at))
            })
            .collect()
    }

    /// Counts per rule for the receipt.
    pub fn expectation_counts(&self, counts: &JudgeCounts) -> Vec<ExpectationCount> {
        let mut all = Vec::new();
        let mut add = |name: &str, action: &str, on_all: bool| {
            let failed = counts.broken.get(name).copied().unwrap_or(0);
            all.push(ExpectationCount {
                name: name.to_owned(),
                action: action.to_owned(),
                passed: counts.judged_by(on_all).saturating_sub(failed),
                failed,
            });
        };
        for name in [
            RULE_EXPRESSION,
            RULE_RESCUED,
            RULE_KEY_NULL,
            RULE_SEQUENCE_NULL,
            RULE_SEQUENCE_TIE,
            RULE_VALID_FROM_NULL,
            RULE_VALID_FROM_ORDER,
        ] {
            if counts.broken.contains_key(name) {
                let on_all = self.restated.get(name).is_some_and(|rule| rule.on_all);
                add(name, self.action_of(name).as_str(), on_all);
            }
        }
        for rule in &self.rules {
            add(&rule.name, rule.action.as_str(), rule.on_all);
        }
        all
    }
}

/// A rule that a release waives for a row counts as met by it (C3).
fn waive(batch: &RecordBatch, repairs: &Repairs, broken: &mut Vec<(String, Action, Vec<bool>)>) {
    if repairs.is_empty() {
        return;
    }
    let columns = Columns::of(batch);
    for (rule, _, rows) in broken.iter_mut() {
        if !can_be_waived(rule) {
            continue;
        }
        for (row, is_broken) in rows.iter_mut().enumerate() {
            *is_broken &= !(*is_broken && repairs.waives(&columns, row, rule));
        }
    }
    // Built-in rules are counted where a row breaks them.
    broken.retain(|(rule, _, rows)| rule != RULE_RESCUED || rows.iter().any(|row| *row));
}

/// What is wrong with an `apply_as_deletes` or the like of this type, if it is no condition.
pub(crate) fn is_no_condition(word: &str, found: &DataType) -> Option<SqlError> {
    if matches!(found, DataType::Boolean | DataType::Null) {
        return None;
    }
    Some(SqlError {
        message: format!(
            "`{word}` is a {}, not a condition",
            karat_exact::type_name(found)
        ),
        line: None,
        column: None,
        hint: Some(format!(
            "write an expression that is true for {}, e.g. `{}`",
            match word {
                "apply_as_truncates" => "an event that empties the table",
                _ => "a delete",
            },
            match word {
                "apply_as_truncates" => "operation = 'T'",
                _ => "_op = 'D'",
            },
        )),
        kind: SqlErrorKind::Type,
    })
}

/// Why the ranges of SCD 2 would have no dates (C5), and the way out.
pub(crate) fn undated_history(
    cdc: &AutoCdc,
    selected: &Schema,
    sequence: &DataType,
) -> Option<(String, String)> {
    let is_date =
        |data_type: &DataType| matches!(data_type, DataType::Date32 | DataType::Timestamp(..));
    if cdc.scd_type != 2 {
        return None;
    }
    match &cdc.valid_from {
        None if is_date(sequence) => None,
        None => Some((
            format!(
                "its `sequence_by` {} a {}, which dates no range",
                match cdc.sequence_by.as_slice() {
                    [_, _, ..] => "begins with",
                    _ => "is",
                },
                karat_exact::type_name(sequence)
            ),
            "name the selected date or timestamp from which a state holds: `valid_from: COLUMN`"
                .to_owned(),
        )),
        Some(name) => {
            let field = selected.field_with_name(name).ok()?;
            (!is_date(field.data_type())).then(|| {
                (
                    format!(
                        "its `valid_from: {name}` is a {}",
                        karat_exact::type_name(field.data_type())
                    ),
                    "name a column that is a date or a timestamp, or cast it in `select`"
                        .to_owned(),
                )
            })
        }
    }
}

/// A text of bronze that would order events as it is, by its bytes (C4). What CSV files hold is text, and hardly ever in that order; whoever
/// means it says so with an expression.
pub(crate) fn ordered_by_text(silver: &Silver, selected: &Schema) -> Option<(Place, SqlError)> {
    let cdc = silver.auto_cdc.as_ref()?;
    cdc.sequence_by.iter().find_map(|name| {
        let field = selected.field_with_name(name).ok()?;
        let column = silver.select.iter().find(|column| column.name == *name)?;
        let is_text = matches!(
            field.data_type(),
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
        );
        if !is_text || !column.is_text_of_one() {
            return None;
        }
        let error = SqlError {
            message: format!(
                "`sequence_by: {name}` is a string, which orders events by its bytes: `10` comes before `9`, and `02.11.` before `30.10.`"
            ),
            line: None,
            column: None,
            hint: Some(format!(
                "select it as a number, a date or a timestamp: `{name}: cast({0} as bigint)`; where its bytes are its order, say so: `{name}: cast({0} as string)`",
                column.sql.trim()
            )),
            kind: SqlErrorKind::Type,
        };
        Some((column.at, error))
    })
}

/// Why the deletes of a keyed full feed cannot be dated for `auto_cdc`, and what to do: a load has no row for them, so that only its
/// order mark tells when they happened.
pub(crate) fn undated_deletes(
    cdc: &AutoCdc,
    feed: &Feed,
    of_files: bool,
    selected: &Schema,
) -> Option<(String, String)> {
    if feed.mode != Mode::Full || feed.key.is_empty() || cdc.snapshots.is_some() {
        return None;
    }
    if let [_, _, ..] = cdc.sequence_by.as_slice() {
        let what = format!(
            "the full loads of `{}` state at most a date for their deletes, and `sequence_by: [{}]` takes more",
            feed.bronze,
            cdc.sequence_by.join(", ")
        );
        let hint = "order by one date or timestamp, or use `sequence_by: _seq`";
        return Some((what, hint.to_owned()));
    }
    let sequence = cdc.sequence_by.first().map(|name| ("sequence_by", name));
    let valid_from = cdc.valid_from.as_ref().filter(|_| cdc.scd_type == 2);
    let dated_by = sequence.or(valid_from.map(|name| ("valid_from", name)));
    let (word, name) = dated_by?;
    let hint =
        "capture a date such as 20261030 with `file_order` in the feed, or use `sequence_by: _seq`";
    let why = |why: &str| {
        let what = format!(
            "the full loads of `{}` state no time for their deletes, and {why}",
            feed.bronze
        );
        Some((what, hint.to_owned()))
    };
    let data_type = selected.field_with_name(name).ok()?.data_type();
    if !matches!(data_type, DataType::Date32 | DataType::Timestamp(..)) {
        return why(&format!(
            "`{word}: {name}` is a {}, not a date or timestamp",
            karat_exact::type_name(data_type)
        ));
    }
    let pattern = feed.file_order.as_deref().filter(|_| of_files)?;
    match OrderPattern::new(pattern) {
        Ok(order) if !order.may_capture_a_date() => {
            why(&format!("`file_order: {pattern}` captures no date"))
        }
        _ => None,
    }
}

/// Selected columns, then what bronze has under other names, without provenance.
fn combined_schema(selected: &SchemaRef, bronze: &SchemaRef) -> SchemaRef {
    let mut fields: Vec<Field> = selected
        .fields()
        .iter()
        .map(|field| field.as_ref().clone())
        .collect();
    for field in bronze.fields() {
        let provenance =
            ["_run", "_loaded_at", "_epoch", "_delivery"].contains(&field.name().as_str());
        if !provenance && selected.index_of(field.name()).is_err() {
            fields.push(field.as_ref().clone());
        }
    }
    Arc::new(Schema::new(fields))
}

/// A column with its expression, cut where it is long.
fn shown(name: &str, sql: &str) -> String {
    if sql.chars().count() <= EXPRESSION_MAX {
        return format!("{name}: {sql}");
    }
    let beginning: String = sql.chars().take(EXPRESSION_MAX).collect();
    format!("{name}: {beginning}…")
}

/// The mistake, with what the source calls a column that is not there.
pub(crate) fn with_spelling(error: SqlError, bronze: &Schema) -> SqlError {
    let missing = error.message.strip_prefix("no column `");
    let missing = missing.and_then(|rest| rest.strip_suffix('`'));
    match missing.and_then(|name| bronze::name_with_blanks(bronze, name)) {
        Some(hint) => SqlError {
            hint: Some(hint),
            ..error
        },
        None => error,
    }
}

/// The reason in `_rescued`, a word of the source's reader.
fn reason_of(rescued: &str) -> Option<String> {
    let rescued: serde_json::Value = serde_json::from_str(rescued).ok()?;
    Some(rescued["reason"].as_str()?.to_owned())
}

fn any_failed(failed: &[Option<BooleanBuffer>], rows: usize) -> Option<Vec<bool>> {
    let mut any: Option<Vec<bool>> = None;
    for mask in failed.iter().flatten() {
        let any = any.get_or_insert_with(|| vec![false; rows]);
        for (row, value) in any.iter_mut().enumerate() {
            *value |= mask.value(row);
        }
    }
    any
}

/// Texts of a soft-delete column that mean: not deleted.
fn says_no(mark: &str) -> bool {
    ["", "0", "0.0", "false", "f", "no", "n"]
        .iter()
        .any(|no| mark.eq_ignore_ascii_case(no))
}

fn deletes_of_source(batch: &RecordBatch) -> Result<Vec<bool>, PipelineError> {
    let op = texts(batch, "_op")?;
    Ok((0..batch.num_rows())
        .map(|row| op.is_valid(row) && op.value(row) == "D")
        .collect())
}

fn column<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a ArrayRef, PipelineError> {
    batch
        .column_by_name(name)
        .ok_or_else(|| PipelineError::Internal(format!("no column `{name}`")))
}

fn texts<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a StringArray, PipelineError> {
    column(batch, name)?
        .as_any()
        .downcast_ref()
        .ok_or_else(|| PipelineError::Internal(format!("column `{name}` is no text")))
}

fn integers<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a Int64Array, PipelineError> {
    column(batch, name)?
        .as_any()
        .downcast_ref()
        .ok_or_else(|| PipelineError::Internal(format!("column `{name}` is no bigint")))
}
