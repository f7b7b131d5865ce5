//! `karat quarantine list`: rows that broke rules, objects that could not be loaded.

use std::collections::{BTreeMap, BTreeSet};

use karat_pipeline::Site;
use karat_pipeline::quarantine::{HeldObject, HeldRow, counts, list, silver_of, tables};
use karat_project::TableName;
use serde_json::{Map, Value, json};

use crate::args::{Global, QuarantineVerb};
use crate::failure::Failure;
use crate::output::{Table, Voice, counted, stdout_is_terminal, thousands};
use crate::site::{self, Wants};

/// Lists what is held back.
pub(crate) fn run(voice: Voice, global: &Global, what: &QuarantineVerb) -> Result<u8, Failure> {
    let QuarantineVerb::List {
        tables: names,
        limit,
        show_values,
    } = what;
    if *show_values && !stdout_is_terminal() {
        return Err(Failure::usage(
            "values of rows are shown only at a terminal",
            "leave `--show-values` out, or type the command at a terminal",
        ));
    }
    let opened = site::open_lake(voice, global, None, None)?;
    let threads = opened.threads;
    let is_whole = opened.is_whole();
    let mut feeds = opened.feeds()?;
    let site = opened.site(Wants::reading())?;
    let only = match names.as_slice() {
        [] => None,
        names => Some(named(&site, is_whole, &feeds, names)?),
    };
    if let Some(only) = &only {
        feeds.retain(|bronze| only.contains(bronze));
    }
    let (rows, objects) = site::block_on(threads, list(&site, only.as_ref(), &feeds))??;
    let held = Held {
        counts: counts(&rows),
        rows_shown: limit.unwrap_or(rows.len()).min(rows.len()),
        objects_shown: limit.unwrap_or(objects.len()).min(objects.len()),
        rows: &rows,
        objects: &objects,
        show_values: *show_values,
    };
    voice.answer(|| document(&held), || text(&held))?;
    Ok(0)
}

/// The tables that are asked for: those that the lake has something of, by name, else what a selection of the project says.
fn named(
    site: &Site,
    is_whole: bool,
    feeds: &[TableName],
    names: &[String],
) -> Result<BTreeSet<TableName>, Failure> {
    let mut known = tables(site)?;
    known.extend_from_slice(feeds);
    let mut found = BTreeSet::new();
    for name in names {
        let name = silver_of(name).unwrap_or_else(|| name.clone());
        if let Some(table) = known.iter().find(|table| table.to_string() == name) {
            found.insert(table.clone());
        } else if is_whole {
            let selected = super::selected(&site.project, std::slice::from_ref(&name))?;
            found.extend(selected.unwrap_or_default());
        } else {
            let names: Vec<String> = known.iter().map(TableName::to_string).collect();
            return Err(Failure::usage(
                format!(
                    "nothing of `{name}` can be in quarantine: the lake has no such silver or bronze table"
                ),
                format!("it has: {}", names.join(", ")),
            ));
        }
    }
    Ok(found)
}

/// What is in quarantine, and how much of it is listed.
struct Held<'h> {
    counts: BTreeMap<(&'h str, &'h str), u64>,
    rows: &'h [HeldRow],
    rows_shown: usize,
    objects: &'h [HeldObject],
    objects_shown: usize,
    show_values: bool,
}

fn document(held: &Held) -> Value {
    let counts: Vec<Value> = held
        .counts
        .iter()
        .map(|((table, rule), rows)| json!({ "table": table, "rule": rule, "rows": rows }))
        .collect();
    let rows: Vec<Value> = held
        .rows
        .iter()
        .take(held.rows_shown)
        .map(|row| {
            let mut shown = Map::new();
            shown.insert("id".to_owned(), json!(row.id));
            shown.insert("table".to_owned(), json!(row.table));
            shown.insert("object".to_owned(), json!(row.object));
            shown.insert("row".to_owned(), json!(row.row));
            shown.insert("position".to_owned(), json!(row.position));
            shown.insert("rules".to_owned(), json!(row.rules));
            shown.insert("why".to_owned(), json!(row.why));
            if held.show_values {
                shown.insert("values".to_owned(), json!(row.content));
            }
            Value::Object(shown)
        })
        .collect();
    let objects = held.objects.iter().take(held.objects_shown);
    let objects: Vec<Value> =
        objects.map(|object| json!({ "object": object.object, "reason": object.reason, "table": object.table })).collect();
    json!({
        "counts": counts, "rows": rows, "objects": objects,
        "rows_held": held.rows.len(), "objects_held": held.objects.len(),
    })
}

fn text(held: &Held) -> String {
    let mut counts = Table::new(&["table", "rule", ">rows"]);
    for ((table, rule), rows) in &held.counts {
        counts.row([(*table).to_owned(), (*rule).to_owned(), thousands(*rows)]);
    }
    let rows = &held.rows[..held.rows_shown];
    // Most rules say by their name what is wrong.
    let failed = rows.iter().any(|row| row.why.is_some());
    let what_failed = if failed { "what failed" } else { "" };
    let mut held_rows = Table::new(&["table", "object", ">row", "rules", what_failed, ""]);
    for row in rows {
        let line = row.row.map(|line| line.to_string());
        let line = line.or_else(|| row.position.clone()).unwrap_or_default();
        let values = if held.show_values {
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
    for object in &held.objects[..held.objects_shown] {
        held_objects.row([
            object.table.clone(),
            object.object.clone(),
            object.reason.clone(),
        ]);
    }
    let lists = [counts.text(), held_rows.text(), held_objects.text()];
    let lists: Vec<String> = lists.into_iter().filter(|list| !list.is_empty()).collect();
    let mut text = lists.join("\n");
    let left_out = (
        held.rows.len() - held.rows_shown,
        held.objects.len() - held.objects_shown,
    );
    let more = match left_out {
        (0, 0) => String::new(),
        _ => format!(
            "; {} and {} listed",
            counted(held.rows_shown as u64, "row"),
            counted(held.objects_shown as u64, "object")
        ),
    };
    text.push_str(&match (held.rows.len() as u64, held.objects.len() as u64) {
        (0, 0) => "nothing is in quarantine\n".to_owned(),
        (rows, objects) => format!(
            "{}, {} in quarantine{more}\n",
            counted(rows, "row"),
            counted(objects, "object")
        ),
    });
    text
}
