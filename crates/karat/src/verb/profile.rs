//! `karat profile`: what the data of a table look like, and rules that they keep, as a model takes them.

use arrow::error::ArrowError;
use karat_pipeline::PipelineError;
use karat_pipeline::damage;
use karat_pipeline::profile::{Column, Profile, Proposal, ROWS_MIN, profile, proposals};
use karat_project::Layer;
use serde_json::{Value, json};

use crate::args::{BusinessDay, Global, ProfileArgs};
use crate::failure::Failure;
use crate::machine;
use crate::operand::Operand;
use crate::output::{Table, Voice, counted, thousands};
use crate::rows::{cell, json_value};
use crate::scratch::Scratch;
use crate::site;

/// Characters of a value that are shown.
const SHOWN_MAX: usize = 32;

/// Prints the profile.
pub(crate) fn run(voice: Voice, global: &Global, arguments: &ProfileArgs) -> Result<u8, Failure> {
    let scratch = Scratch::temporary()?;
    let threads = machine::threads(arguments.resources.threads);
    let (engine, lake, _) = site::engine_and_lake(
        voice,
        global,
        None,
        &BusinessDay::default(),
        &arguments.resources,
        &scratch,
    )?;
    let mut notes = Vec::new();
    let of = Operand::open(
        &arguments.table,
        "t",
        lake.as_ref(),
        scratch.path(),
        arguments.lenient,
        &mut notes,
    )?;
    let files = &of.side.files;
    let work = profile(&engine, files, of.side.provenance, &arguments.columns);
    let found = site::block_on(threads, work)?.map_err(|error| match (&lake, &of.table) {
        (Some(site), Some(table)) => damage::named_in(site, [(table, files)], error),
        _ => error,
    })?;
    for note in notes {
        voice.note(&format!("note: {note}"));
    }
    let ranges = found
        .columns
        .iter()
        .map(range)
        .collect::<Result<Vec<_>, _>>();
    let ranges = ranges.map_err(|error| PipelineError::Internal(error.to_string()))?;
    voice.answer(
        || document(&of, &found, &ranges),
        || text(&of, &found, &ranges),
    )?;
    Ok(0)
}

/// Least and greatest value, as people and as programs read them.
type Range = Option<[(String, Value); 2]>;

fn range(column: &Column) -> Result<Range, ArrowError> {
    let Some(row) = &column.range else {
        return Ok(None);
    };
    let value = |at: usize| -> Result<(String, Value), ArrowError> {
        let values = row.column(at).as_ref();
        Ok((cell(values, 0)?, json_value(values, 0)?))
    };
    Ok(Some([value(0)?, value(1)?]))
}

fn document(of: &Operand, profile: &Profile, ranges: &[Range]) -> Value {
    let columns = profile.columns.iter().zip(ranges).map(|(column, range)| {
        let [least, greatest] = match range {
            Some([(_, least), (_, greatest)]) => [least.clone(), greatest.clone()],
            None => [Value::Null, Value::Null],
        };
        let text = column.text.map(|text| {
            json!({ "empty": text.empty, "padded": text.padded, "shortest": text.shortest, "longest": text.longest })
        });
        let (mut expectations, mut not_null, mut unique) = (Vec::new(), false, false);
        for proposal in proposals(column, profile.rows) {
            match proposal {
                Proposal::Expectation(name, sql) if takes_expectations(of) => {
                    expectations.push(json!({ "name": name, "expect": sql }));
                }
                Proposal::Expectation(..) => {}
                Proposal::NotNull => not_null = true,
                Proposal::Unique => unique = true,
            }
        }
        json!({
            "column": column.name, "type": column.kind, "nulls": column.nulls, "distinct": column.distinct,
            "least": least, "greatest": greatest, "text": text, "words": column.words, "expectations": expectations, "not_null": not_null, "unique": unique,
        })
    });
    json!({
        "name": of.side.name, "table": of.table.as_ref().map(ToString::to_string), "version": of.version,
        "rows": profile.rows, "columns": columns.collect::<Vec<_>>(),
    })
}

fn text(of: &Operand, profile: &Profile, ranges: &[Range]) -> String {
    let rows = profile.rows;
    let mut text = format!("{}: {}\n\n", of.side.name, counted(rows, "row"));
    let mut columns = Table::new(&[
        "column",
        "type",
        ">null",
        ">distinct",
        "least",
        "greatest",
        "",
    ]);
    for (column, range) in profile.columns.iter().zip(ranges) {
        let [least, greatest] = match range {
            Some([(least, _), (greatest, _)]) => [cut(least), cut(greatest)],
            None => [String::new(), String::new()],
        };
        columns.row([
            column.name.clone(),
            column.kind.clone(),
            thousands(column.nulls),
            column.distinct.map(thousands).unwrap_or_default(),
            least,
            greatest,
            remark(column),
        ]);
    }
    text.push_str(&columns.text());
    let (mut expectations, mut checks) = (String::new(), String::new());
    for column in &profile.columns {
        let mut expect = |name: &str, sql: String| {
            if takes_expectations(of) {
                let sql = Value::from(sql);
                let name = key(name);
                expectations.push_str(&format!("  {name}: {{ expect: {sql}, action: warn }}\n"));
            }
        };
        let mut check = |what: &str, kind: &str| {
            let name = key(&format!("{}_{what}", column.name));
            checks.push_str(&format!(
                "  {name}: {{ {kind}: [{}] }}\n",
                key(&column.name)
            ));
        };
        for proposal in proposals(column, rows) {
            match proposal {
                Proposal::Expectation(name, sql) => expect(&name, sql),
                Proposal::NotNull if takes_expectations(of) => {
                    let sql = format!("{} is not null", column.sql_name);
                    expect(&format!("{}_is_there", column.name), sql);
                }
                Proposal::NotNull => check("is_there", "not_null"),
                Proposal::Unique => check("is_unique", "unique"),
            }
        }
    }
    if rows < ROWS_MIN {
        text.push_str(&format!(
            "\n# Fewer than {ROWS_MIN} rows tell nothing of rules: none is proposed.\n"
        ));
    } else if !expectations.is_empty() || !checks.is_empty() {
        text.push_str("\n# What all rows of today keep; what of it is a rule, you decide.\n");
    }
    for (title, lines) in [("expectations", expectations), ("checks", checks)] {
        if !lines.is_empty() {
            text.push_str(&format!("{title}:\n{lines}"));
        }
    }
    text
}

/// Gold models have checks alone.
fn takes_expectations(of: &Operand) -> bool {
    of.table
        .as_ref()
        .is_none_or(|table| table.layer != Layer::Gold)
}

/// What a reader of the column should know beside.
fn remark(column: &Column) -> String {
    let Some(text) = column.text else {
        return String::new();
    };
    let mut remarks = Vec::new();
    if text.empty > 0 {
        remarks.push(format!("{} empty", thousands(text.empty)));
    }
    if text.padded > 0 {
        remarks.push(format!(
            "{} with spaces at an end: trim",
            thousands(text.padded)
        ));
    }
    remarks.join(", ")
}

/// A value on one line, not too long.
fn cut(value: &str) -> String {
    match value.char_indices().nth(SHOWN_MAX) {
        Some((at, _)) => format!("{}…", &value[..at]),
        None => value.to_owned(),
    }
}

/// A key of YAML.
fn key(name: &str) -> String {
    let is_plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && name.starts_with(|first: char| first.is_ascii_alphabetic());
    match is_plain {
        true => name.to_owned(),
        false => Value::from(name).to_string(),
    }
}
