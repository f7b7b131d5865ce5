//! `karat diff`: two versions of a table, or any two tables, against each other. What differs is found by the pipeline.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::error::ArrowError;
use karat_pipeline::diff::{ColumnDiff, Diff, First, Question, diff};
use karat_pipeline::{PipelineError, damage};
use karat_project::TableName;
use serde_json::{Map, Value, json};

use crate::args::{BusinessDay, DiffArgs, Global};
use crate::failure::Failure;
use crate::machine;
use crate::operand::{BEFORE, Operand, parts};
use crate::output::{Table, Voice, counted, shown, thousands};
use crate::rows::{cell, json_value};
use crate::scratch::Scratch;
use crate::site::{self, OpenSite};

/// Prints what differs; with `--check`, 1 if anything does.
pub(crate) fn run(voice: Voice, global: &Global, arguments: &DiffArgs) -> Result<u8, Failure> {
    let scratch = Scratch::temporary()?;
    let threads = machine::threads(arguments.resources.threads);
    let (old, new) = operands(&arguments.old, arguments.new.as_deref());
    let (engine, lake, _) = site::engine_and_lake(
        voice,
        global,
        None,
        &BusinessDay::default(),
        &arguments.resources,
        &scratch,
    )?;
    let mut notes = Vec::new();
    let old = Operand::open(
        &old,
        "old",
        lake.as_ref(),
        scratch.path(),
        arguments.lenient,
        &mut notes,
    )?;
    let new = match new {
        Some(text) => Operand::open(
            &text,
            "new",
            lake.as_ref(),
            scratch.path(),
            arguments.lenient,
            &mut notes,
        )?,
        None => {
            return Err(Failure::usage(
                format!("there is nothing to compare `{}` with", arguments.old),
                "name a second table or file: `karat diff OLD NEW`",
            ));
        }
    };
    let listed = |names: &[String]| (!names.is_empty()).then(|| names.to_vec());
    let question = Question {
        key: listed(&arguments.key),
        columns: listed(&arguments.columns),
        first: arguments.limit as usize,
    };
    let work = diff(&engine, &old.side, &new.side, &question);
    let found = site::block_on(threads, work)?
        .map_err(|error| named(lake.as_ref(), [&old, &new], error))?;
    for note in notes.iter().chain(&found.notes) {
        voice.note(&format!("note: {note}"));
    }
    let shown_rows = found.first.as_ref().map(rows).transpose();
    let shown_rows = shown_rows.map_err(not_shown)?.unwrap_or_default();
    let sums = found.columns.iter().map(sums);
    let sums = sums.collect::<Result<Vec<_>, _>>().map_err(not_shown)?;
    voice.answer(
        || document(&old, &new, &found, &shown_rows, &sums),
        || text(&old, &new, &found, &shown_rows, &sums),
    )?;
    Ok(u8::from(arguments.check && !found.is_empty()))
}

/// The two texts: what is left out of the second is the first's.
fn operands(old: &str, new: Option<&str>) -> (String, Option<String>) {
    let (place, version) = parts(old);
    let of_lake = place.to_lowercase().parse::<TableName>().is_ok();
    match (new, version) {
        (Some(at), _) if at.starts_with('@') => (old.to_owned(), Some(format!("{place}{at}"))),
        (Some(new), _) => (old.to_owned(), Some(new.to_owned())),
        (None, Some(_)) => (old.to_owned(), Some(place.to_owned())),
        (None, None) if of_lake => (format!("{place}@{BEFORE}"), Some(place.to_owned())),
        (None, None) => (old.to_owned(), None),
    }
}

/// The error with the damaged file of the lake that caused it, if one did.
fn named(lake: Option<&OpenSite>, both: [&Operand; 2], error: PipelineError) -> PipelineError {
    let Some(site) = lake else {
        return error;
    };
    let read = both
        .into_iter()
        .filter_map(|one| Some((one.table.as_ref()?, &one.side.files)));
    damage::named_in(site, read, error)
}

fn not_shown(error: ArrowError) -> Failure {
    PipelineError::Internal(error.to_string()).into()
}

/// One value as people and as programs read it.
#[derive(Debug, Clone)]
struct Cell {
    text: String,
    value: Value,
}

/// One row that differs.
struct Row {
    change: String,
    identity: Vec<Cell>,
    /// Of each column that differs: which, old, new.
    differing: Vec<(usize, Cell, Cell)>,
    /// All other columns, of a row that only one of the two has.
    whole: Vec<Cell>,
}

fn cell_of(batch: &RecordBatch, column: usize, row: usize) -> Result<Cell, ArrowError> {
    let column = batch.column(column);
    Ok(Cell {
        text: cell(column.as_ref(), row)?,
        value: json_value(column.as_ref(), row)?,
    })
}

fn rows(first: &First) -> Result<Vec<Row>, ArrowError> {
    let batch = &first.rows;
    let others = 1 + first.identity.len();
    (0..batch.num_rows())
        .map(|row| {
            let change = cell_of(batch, 0, row)?.text;
            let identity = (1..others).map(|column| cell_of(batch, column, row));
            let mut shown = Row {
                identity: identity.collect::<Result<_, _>>()?,
                change,
                differing: Vec::new(),
                whole: Vec::new(),
            };
            for nth in 0..first.others.len() {
                let at = others + 3 * nth;
                let (old, new) = (cell_of(batch, at, row)?, cell_of(batch, at + 1, row)?);
                let differs = batch.column(at + 2);
                match shown.change.as_str() {
                    "added" => shown.whole.push(new),
                    "removed" => shown.whole.push(old),
                    _ if differs.is_valid(row) && differs.as_boolean().value(row) => {
                        shown.differing.push((nth, old, new));
                    }
                    _ => {}
                }
            }
            Ok(shown)
        })
        .collect()
}

/// The sum of the old, of the new, and the difference.
fn sums(column: &ColumnDiff) -> Result<Option<[Cell; 3]>, ArrowError> {
    let Some(sums) = &column.sums else {
        return Ok(None);
    };
    let of = |at| cell_of(sums, at, 0);
    Ok(Some([of(0)?, of(1)?, of(2)?]))
}

fn document(
    old: &Operand,
    new: &Operand,
    diff: &Diff,
    rows: &[Row],
    sums: &[Option<[Cell; 3]>],
) -> Value {
    let side = |operand: &Operand, rows: u64| {
        json!({
            "name": operand.side.name, "table": operand.table.as_ref().map(ToString::to_string), "version": operand.version,
            "fingerprint": operand.side.fingerprint, "rows": rows,
        })
    };
    let typed = |columns: &[(String, String)]| -> Vec<Value> {
        let each = columns.iter();
        each.map(|(name, kind)| json!({ "column": name, "type": kind }))
            .collect()
    };
    let retyped: Vec<Value> = diff
        .columns_retyped
        .iter()
        .map(|(name, old, new)| {
            json!({ "column": name, "old": old, "new": new, "compared": !diff.not_compared.contains(name) })
        })
        .collect();
    let columns: Vec<Value> = diff
        .columns
        .iter()
        .zip(sums)
        .map(|(column, sums)| {
            let sums = sums.as_ref().map(|[old, new, difference]| {
                json!({ "old": old.value, "new": new.value, "difference": difference.value })
            });
            json!({ "column": column.column, "changed": column.changed, "sum": sums })
        })
        .collect();
    json!({
        "old": side(old, diff.old), "new": side(new, diff.new), "equal": diff.is_empty(), "key": diff.key,
        "rows": { "added": diff.added, "removed": diff.removed, "changed": diff.changed, "equal": diff.equal() },
        "columns": columns,
        "columns_added": typed(&diff.columns_added), "columns_removed": typed(&diff.columns_removed), "columns_retyped": retyped,
        "first": documents(diff.first.as_ref(), rows), "bytes_read": diff.bytes_read,
    })
}

fn documents(first: Option<&First>, rows: &[Row]) -> Vec<Value> {
    let Some(first) = first else {
        return Vec::new();
    };
    let object = |names: &[String], cells: &mut dyn Iterator<Item = &Cell>| -> Value {
        let pairs = names.iter().zip(cells);
        Value::Object(
            pairs
                .map(|(name, cell)| (name.clone(), cell.value.clone()))
                .collect(),
        )
    };
    rows.iter()
        .map(|row| {
            let mut shown = Map::new();
            shown.insert("change".to_owned(), json!(row.change));
            shown.insert(
                "row".to_owned(),
                object(&first.identity, &mut row.identity.iter()),
            );
            if row.change == "changed" {
                let columns: Map<String, Value> = row
                    .differing
                    .iter()
                    .map(|(nth, old, new)| {
                        (
                            first.others[*nth].clone(),
                            json!({ "old": old.value, "new": new.value }),
                        )
                    })
                    .collect();
                shown.insert("columns".to_owned(), Value::Object(columns));
            } else {
                shown.insert(
                    "columns".to_owned(),
                    object(&first.others, &mut row.whole.iter()),
                );
            }
            Value::Object(shown)
        })
        .collect()
}

fn text(
    old: &Operand,
    new: &Operand,
    diff: &Diff,
    rows: &[Row],
    sums: &[Option<[Cell; 3]>],
) -> String {
    let by = match &diff.key {
        Some(key) => format!(", by {}", key.join(", ")),
        None => ", rows as a whole".to_owned(),
    };
    let mut text = format!("{} → {}{by}\n", old.side.name, new.side.name);
    if diff.is_empty() {
        let why = match diff.bytes_read {
            0 => ", nothing had to be read",
            _ => "",
        };
        text.push_str(&format!(
            "equal: the same {}{why}\n",
            counted(diff.new, "row")
        ));
        return text;
    }
    let changed = match diff.changed {
        Some(changed) => format!(", {} changed", thousands(changed)),
        None => String::new(),
    };
    text.push_str(&format!(
        "rows {} → {}: {} added, {} removed{changed}, {} equal\n",
        thousands(diff.old),
        thousands(diff.new),
        thousands(diff.added),
        thousands(diff.removed),
        thousands(diff.equal()),
    ));
    for (columns, which) in [(&diff.columns_added, "new"), (&diff.columns_removed, "old")] {
        for (name, kind) in columns {
            text.push_str(&shown(&format!(
                "column only in the {which}: {name} {kind}"
            )));
            text.push('\n');
        }
    }
    for (name, old, new) in &diff.columns_retyped {
        let compared = match diff.not_compared.contains(name) {
            true => "; not compared",
            false => "",
        };
        text.push_str(&shown(&format!("column {name}: {old} → {new}{compared}")));
        text.push('\n');
    }
    text.push_str(&columns_text(diff, sums));
    text.push_str(&rows_text(diff, rows, &Words::OF_A_DIFF));
    text
}

/// What rows that differ are called.
pub(super) struct Words {
    added: &'static str,
    removed: &'static str,
    changed: &'static str,
}

impl Words {
    const OF_A_DIFF: Self = Self {
        added: "added",
        removed: "removed",
        changed: "changed",
    };
    /// Of what a test expects, the old, and what was made, the new.
    pub(super) const OF_A_TEST: Self = Self {
        added: "unexpected",
        removed: "missing",
        changed: "differs",
    };

    fn of(&self, change: &str) -> &'static str {
        match change {
            "added" => self.added,
            "removed" => self.removed,
            _ => self.changed,
        }
    }

    fn width(&self) -> usize {
        self.added
            .len()
            .max(self.removed.len())
            .max(self.changed.len())
    }
}

/// The rows that differ, one a line.
pub(super) fn difference(diff: &Diff, words: &Words) -> Result<String, Failure> {
    let rows = diff.first.as_ref().map(rows).transpose();
    let rows = rows.map_err(not_shown)?.unwrap_or_default();
    Ok(rows_text(diff, &rows, words).trim_start().to_owned())
}

fn columns_text(diff: &Diff, sums: &[Option<[Cell; 3]>]) -> String {
    let rows = if diff.key.is_some() { ">rows" } else { "" };
    let headings = ["column", rows, ">old sum", ">new sum", ">difference"];
    let some_sum = sums.iter().any(Option::is_some);
    let mut columns = Table::new(if some_sum { &headings } else { &headings[..2] });
    for (column, sums) in diff.columns.iter().zip(sums) {
        let changed = column.changed.map(thousands).unwrap_or_default();
        let mut cells = vec![column.column.clone(), changed];
        match sums {
            Some(sums) => cells.extend(sums.iter().map(|sum| sum.text.clone())),
            None => cells.resize(if some_sum { 5 } else { 2 }, String::new()),
        }
        columns.row(cells);
    }
    match columns.text() {
        empty if empty.is_empty() => empty,
        table => format!("\n{table}"),
    }
}

fn rows_text(diff: &Diff, rows: &[Row], words: &Words) -> String {
    let Some(first) = &diff.first else {
        return String::new();
    };
    let mut text = String::from("\n");
    for row in rows {
        let pairs = |names: &[String], cells: &[Cell]| -> String {
            let pairs = names.iter().zip(cells);
            let pairs = pairs.map(|(name, cell)| format!("{name}={}", cell.text));
            pairs.collect::<Vec<_>>().join(", ")
        };
        let word = words.of(&row.change);
        let width = words.width();
        let mut line = format!("{word:<width$}  {}", pairs(&first.identity, &row.identity));
        if row.change == "changed" {
            let changes = row.differing.iter().map(|(nth, old, new)| {
                format!("{} {} → {}", first.others[*nth], old.text, new.text)
            });
            line.push_str(&format!(": {}", changes.collect::<Vec<_>>().join("; ")));
        } else if !row.whole.is_empty() {
            line.push_str(&format!(": {}", pairs(&first.others, &row.whole)));
        }
        text.push_str(&shown(&line).replace('\n', " "));
        text.push('\n');
    }
    let all = diff.added + diff.removed + diff.changed.unwrap_or(0);
    let more = all.saturating_sub(rows.len() as u64);
    if more > 0 {
        text.push_str(&format!(
            "and {} more; `--limit N` shows more of them\n",
            thousands(more)
        ));
    }
    text
}
