//! `karat quarantine list`: rows that broke rules, objects that could not be loaded.

use karat_pipeline::quarantine::{HeldObject, HeldRow, list};
use serde_json::{Map, Value, json};

use crate::args::{Global, QuarantineVerb};
use crate::failure::Failure;
use crate::output::{Table, Voice, counted, stdout_is_terminal};
use crate::site::{self, Wants};

/// Lists what is held back.
pub(crate) fn run(voice: Voice, global: &Global, what: &QuarantineVerb) -> Result<u8, Failure> {
    let QuarantineVerb::List { show_values } = what;
    if *show_values && !stdout_is_terminal() {
        return Err(Failure::usage(
            "values of rows are shown only at a terminal",
            "leave `--show-values` out, or type the command at a terminal",
        ));
    }
    let opened = site::open_lake(voice, global, None, None)?;
    let threads = opened.threads;
    let feeds = opened.feeds()?;
    let site = opened.site(Wants::reading())?;
    let (rows, objects) = site::block_on(threads, list(&site, &feeds))??;
    voice.answer(
        || document(&rows, &objects, *show_values),
        || text(&rows, &objects, *show_values),
    )?;
    Ok(0)
}

fn document(rows: &[HeldRow], objects: &[HeldObject], show_values: bool) -> Value {
    let rows: Vec<Value> = rows
        .iter()
        .map(|row| {
            let mut shown = Map::new();
            shown.insert("id".to_owned(), json!(row.id));
            shown.insert("table".to_owned(), json!(row.table));
            shown.insert("object".to_owned(), json!(row.object));
            shown.insert("row".to_owned(), json!(row.row));
            shown.insert("position".to_owned(), json!(row.position));
            shown.insert("rules".to_owned(), json!(row.rules));
            shown.insert("why".to_owned(), json!(row.why));
            if show_values {
                shown.insert("values".to_owned(), json!(row.content));
            }
            Value::Object(shown)
        })
        .collect();
    let objects: Vec<Value> =
        objects.iter().map(|object| json!({ "object": object.object, "reason": object.reason, "table": object.table })).collect();
    json!({ "rows": rows, "objects": objects })
}

fn text(rows: &[HeldRow], objects: &[HeldObject], show_values: bool) -> String {
    // Most rules say by their name what is wrong.
    let failed = rows.iter().any(|row| row.why.is_some());
    let what_failed = if failed { "what failed" } else { "" };
    let mut held_rows = Table::new(&["table", "object", ">row", "rules", what_failed, ""]);
    for row in rows {
        let line = row.row.map(|line| line.to_string());
        let line = line.or_else(|| row.position.clone()).unwrap_or_default();
        let values = if show_values {
            row.content.clone()
        } else {
            String::new()
        };
        held_rows.row([
            row.table.clone(),
            row.object.clone(),
            line,
            row.rules.join(", "),
            row.why.clone().unwrap_or_default(),
            values,
        ]);
    }
    let mut held_objects = Table::new(&["table", "object", "reason"]);
    for object in objects {
        held_objects.row([
            object.table.clone(),
            object.object.clone(),
            object.reason.clone(),
        ]);
    }
    let mut text = held_rows.text();
    if !rows.is_empty() && !objects.is_empty() {
        text.push('\n');
    }
    text.push_str(&held_objects.text());
    text.push_str(&match (rows.len() as u64, objects.len() as u64) {
        (0, 0) => "nothing is in quarantine\n".to_owned(),
        (rows, objects) => format!(
            "{}, {} in quarantine\n",
            counted(rows, "row"),
            counted(objects, "object")
        ),
    });
    text
}
