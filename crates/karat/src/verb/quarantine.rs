//! `karat quarantine`: rows that broke rules and objects that could not be loaded, listed and shown; and what people make of such rows (C3).

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use karat_pipeline::Site;
use karat_pipeline::quarantine::{
    HeldObject, HeldRow, RepairedRow, Standing, counts, list, repaired, silver_of, tables,
};
use karat_pipeline::repair::{Repaired, Request, RowChange, Rows, repair};
use karat_pipeline::repairs::{Repair, RepairKind};
use karat_project::TableName;
use serde_json::{Map, Value, json};

use crate::anchor;
use crate::args::{Global, QuarantineVerb, RepairRows};
use crate::failure::Failure;
use crate::output::{Table, Voice, counted, stdout_is_terminal, thousands};
use crate::site::{self, Wants};

/// Lists, shows or repairs.
pub(crate) fn run(voice: Voice, global: &Global, what: &QuarantineVerb) -> Result<u8, Failure> {
    match what {
        QuarantineVerb::List {
            tables,
            limit,
            show_values,
            repaired,
        } => {
            check_values(*show_values)?;
            match repaired {
                true => list_repairs(voice, global, tables, *limit, *show_values),
                false => list_held(voice, global, tables, *limit, *show_values),
            }
        }
        QuarantineVerb::Show {
            id,
            table,
            show_values,
        } => {
            check_values(*show_values)?;
            show(voice, global, id, table.as_deref(), *show_values)
        }
        QuarantineVerb::Fix {
            rows,
            rule,
            set,
            row,
        } => {
            let change = RowChange::Fix {
                row: row.as_deref().map(row_of_file).transpose()?,
                set: set.clone(),
            };
            make(voice, global, rows, rule.clone(), change)
        }
        QuarantineVerb::Release { rows, rule } => {
            let by_name = !rows.ids.is_empty();
            let (chosen_by, rules) = match rule.as_slice() {
                rules if by_name => (None, rules.to_vec()),
                [] => (None, Vec::new()),
                [one] => (Some(one.clone()), Vec::new()),
                _ => {
                    return Err(Failure::usage(
                        "several rules choose no rows",
                        "release the rows of one rule at a time, or name the rows",
                    ));
                }
            };
            make(voice, global, rows, chosen_by, RowChange::Release { rules })
        }
        QuarantineVerb::Discard { rows, rule } => {
            make(voice, global, rows, rule.clone(), RowChange::Discard)
        }
    }
}

fn check_values(show_values: bool) -> Result<(), Failure> {
    if show_values && !stdout_is_terminal() {
        return Err(Failure::usage(
            "values of rows are shown only at a terminal",
            "leave `--show-values` out, or type the command at a terminal",
        ));
    }
    Ok(())
}

fn list_held(
    voice: Voice,
    global: &Global,
    names: &[String],
    limit: Option<usize>,
    show_values: bool,
) -> Result<u8, Failure> {
    let opened = site::open_lake(voice, global, None, None)?;
    let threads = opened.threads;
    let is_whole = opened.is_whole();
    let mut feeds = opened.feeds()?;
    let site = opened.site(Wants::reading())?;
    let only = match names {
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
        show_values,
    };
    voice.answer(|| document(&held), || text(&held))?;
    Ok(0)
}

/// Repairs of the feeds that are named, or that the silver tables read that are.
fn list_repairs(
    voice: Voice,
    global: &Global,
    names: &[String],
    limit: Option<usize>,
    show_values: bool,
) -> Result<u8, Failure> {
    let opened = site::open_lake(voice, global, None, None)?;
    let threads = opened.threads;
    let is_whole = opened.is_whole();
    let mut feeds = opened.feeds()?;
    let site = opened.site(Wants::reading())?;
    if !names.is_empty() {
        let only = named(&site, is_whole, &feeds, names)?;
        let is_read = |bronze: &TableName| {
            only.iter().any(|table| {
                let model = site.project.model(table);
                table == bronze || model.is_some_and(|model| model.inputs.contains(bronze))
            })
        };
        feeds.retain(is_read);
    }
    let repairs = site::block_on(threads, repaired(&site, &feeds))??;
    let shown = &repairs[..limit.unwrap_or(repairs.len()).min(repairs.len())];
    voice.answer(
        || {
            let shown_repairs = shown.iter().map(|one| {
                let mut repair = repair_json(one, show_values);
                let mut shown = Map::new();
                shown.insert("id".to_owned(), json!(one.id));
                shown.insert("table".to_owned(), json!(one.table.to_string()));
                shown.append(&mut repair);
                Value::Object(shown)
            });
            json!({ "repairs": shown_repairs.collect::<Vec<_>>() })
        },
        || {
            let mut lines = Table::new(&["table", "row", "repair", "", "by", "reason", ""]);
            for one in shown {
                lines.row([
                    one.table.to_string(),
                    one.id.clone(),
                    what_it_does(&one.repair),
                    standing(one),
                    one.repair.principal.clone(),
                    one.repair.reason.clone(),
                    values_shown(&one.content, show_values),
                ]);
            }
            let more = match repairs.len() - shown.len() {
                0 => String::new(),
                _ => format!("; {} listed", shown.len()),
            };
            match repairs.is_empty() {
                true => "no row was repaired\n".to_owned(),
                false => format!(
                    "{}{}{more}\n",
                    lines.text(),
                    counted(repairs.len() as u64, "repair")
                ),
            }
        },
    )?;
    Ok(0)
}

/// `release of known_country`.
fn what_it_does(repair: &Repair) -> String {
    match repair.kind {
        RepairKind::Release => format!("release of {}", repair.rules.join(", ")),
        kind => kind.word().to_owned(),
    }
}

fn standing(one: &RepairedRow) -> String {
    match (one.standing, one.waiting.is_empty()) {
        (Standing::Counts, true) => String::new(),
        (Standing::Counts, false) => format!("waits for a run of {}", one.waiting.join(", ")),
        (standing, _) => standing.word().to_owned(),
    }
}

fn values_shown(content: &str, show_values: bool) -> String {
    match show_values {
        true => content.to_owned(),
        false => String::new(),
    }
}

fn repair_json(one: &RepairedRow, show_values: bool) -> Map<String, Value> {
    let mut shown = Map::new();
    for (name, value) in [
        ("kind", json!(one.repair.kind.word())),
        ("rules", json!(one.repair.rules)),
        ("reason", json!(one.repair.reason)),
        ("principal", json!(one.repair.principal)),
        ("run", json!(one.run)),
        ("at", json!(one.at)),
        ("standing", json!(one.standing.word())),
        ("waiting", json!(one.waiting)),
    ] {
        shown.insert(name.to_owned(), value);
    }
    if show_values {
        shown.insert("values".to_owned(), json!(one.content));
    }
    shown
}

/// One row with all that is known of it.
fn show(
    voice: Voice,
    global: &Global,
    id: &str,
    table: Option<&str>,
    show_values: bool,
) -> Result<u8, Failure> {
    let opened = site::open_lake(voice, global, None, None)?;
    let threads = opened.threads;
    let is_whole = opened.is_whole();
    let feeds = opened.feeds()?;
    let site = opened.site(Wants::reading())?;
    let only = match table {
        None => None,
        Some(table) => Some(named(&site, is_whole, &feeds, &[table.to_owned()])?),
    };
    let found = async {
        let (held, _) = list(&site, None, &[]).await?;
        Ok::<_, karat_pipeline::PipelineError>((held, repaired(&site, &feeds).await?))
    };
    let (mut held, mut repairs) = site::block_on(threads, found)??;
    let is_it = |row: &str, place: &Option<i64>| {
        // A line is a number: 6 does not stand for 61.
        row == id || (place.is_none() && row.starts_with(id) && id.contains(':'))
    };
    held.retain(|row| {
        let of_table = only.as_ref().is_none_or(|only| {
            let bronze = row.bronze.as_ref();
            bronze.is_some_and(|bronze| only.contains(bronze))
                || only.iter().any(|table| table.to_string() == row.table)
        });
        of_table && is_it(&row.id, &row.row)
    });
    repairs.retain(|one| {
        let of_table = only.as_ref().is_none_or(|only| {
            let read = held
                .iter()
                .any(|row| row.bronze.as_ref() == Some(&one.table));
            only.contains(&one.table) || read
        });
        of_table && (one.id == id || held.iter().any(|row| row.id == one.id))
    });
    let mut rows: BTreeSet<(String, String)> = held
        .iter()
        .map(|row| {
            let bronze = row.bronze.as_ref().map(TableName::to_string);
            (bronze.unwrap_or_default(), row.id.clone())
        })
        .collect();
    let of_repairs = repairs.iter();
    rows.extend(of_repairs.map(|one| (one.table.to_string(), one.id.clone())));
    let mut rows = rows.into_iter();
    let (bronze, full_id) = match (rows.next(), rows.next()) {
        (Some(one), None) => one,
        (None, _) => {
            return Err(Failure::usage(
                format!("no row `{id}` is in quarantine, and none was repaired"),
                "`karat quarantine list` names the rows: OBJECT@DELIVERY:LINE, of a database OBJECT@DELIVERY:POSITION",
            ));
        }
        (Some((one, _)), Some((other, _))) => {
            return Err(Failure::usage(
                format!("`{id}` names several rows, of `{one}` and `{other}`"),
                "say more digits, or which table with `--table`",
            ));
        }
    };
    let row = Shown {
        id: full_id,
        bronze,
        held: &held,
        repairs: &repairs,
        show_values,
    };
    voice.answer(|| row.document(), || row.text())?;
    Ok(0)
}

/// One row that is shown.
struct Shown<'s> {
    id: String,
    bronze: String,
    held: &'s [HeldRow],
    repairs: &'s [RepairedRow],
    show_values: bool,
}

impl Shown<'_> {
    /// What it holds, as it is read now.
    fn content(&self) -> Option<&str> {
        let newest = self.repairs.iter().rev();
        let counting = newest.clone().find(|one| one.standing == Standing::Counts);
        let held = self.held.first().map(|row| row.content.as_str());
        counting
            .map(|one| one.content.as_str())
            .or(held)
            .or_else(|| newest.clone().next().map(|one| one.content.as_str()))
    }

    fn document(&self) -> Value {
        let first = self.held.first();
        let held: Vec<Value> = self
            .held
            .iter()
            .map(|row| json!({ "table": row.table, "rules": row.rules, "why": row.why }))
            .collect();
        let repairs = self.repairs.iter();
        let repairs: Vec<Value> = repairs
            .map(|one| Value::Object(repair_json(one, self.show_values)))
            .collect();
        let mut shown = json!({
            "id": self.id, "table": self.bronze,
            "object": first.map(|row| &row.object), "row": first.and_then(|row| row.row),
            "position": first.and_then(|row| row.position.as_ref()),
            "held": held, "repairs": repairs,
        });
        if self.show_values {
            shown["values"] = json!(self.content());
        }
        shown
    }

    fn text(&self) -> String {
        let mut text = format!("{} of {}\n", self.id, self.bronze);
        if self.held.is_empty() {
            text.push_str("in quarantine no more\n");
        }
        let mut held = Table::new(&["held back from", "rules", "what failed"]);
        for row in self.held {
            held.row([
                row.table.clone(),
                row.rules.join(", "),
                row.why.clone().unwrap_or_default(),
            ]);
        }
        text.push_str(&held.text());
        let mut repairs = Table::new(&["repair", "", "by", "reason", "run"]);
        for one in self.repairs {
            repairs.row([
                what_it_does(&one.repair),
                standing(one),
                one.repair.principal.clone(),
                one.repair.reason.clone(),
                one.run.clone(),
            ]);
        }
        text.push_str(&repairs.text());
        if let Some(content) = self.content().filter(|_| self.show_values) {
            let values: Map<String, Value> = serde_json::from_str(content).unwrap_or_default();
            let mut columns = Table::new(&["column", "value"]);
            for (name, value) in values {
                let value = match value {
                    Value::String(text) => text,
                    other => other.to_string(),
                };
                columns.row([name, value]);
            }
            text.push_str(&columns.text());
        }
        text
    }
}

/// A row as a person has written it.
fn row_of_file(path: &Path) -> Result<Map<String, Value>, Failure> {
    let text = std::fs::read_to_string(path).map_err(Failure::io("read", path))?;
    match serde_json::from_str(&text) {
        Ok(Value::Object(row)) => Ok(row),
        _ => Err(Failure::usage(
            format!("`{}` holds no JSON object", path.display()),
            "write `{\"column\": \"value\", …}`, with every column that is not null",
        )),
    }
}

/// Makes a repair.
fn make(
    voice: Voice,
    global: &Global,
    which: &RepairRows,
    rule: Option<String>,
    change: RowChange,
) -> Result<u8, Failure> {
    let opened = site::open_lake_to_write(global)?;
    let threads = opened.threads;
    let feeds = opened.feeds()?;
    let site = opened.site(Wants {
        wait: which.wait.unwrap_or_default(),
        ..Wants::writing()
    })?;
    let tables = match &which.table {
        None => None,
        Some(table) => Some(named(&site, true, &feeds, &[table.to_owned()])?),
    };
    let kind = match &change {
        RowChange::Fix { .. } => RepairKind::Fix,
        RowChange::Release { .. } => RepairKind::Release,
        RowChange::Discard => RepairKind::Discard,
    };
    let request = Request {
        change,
        rows: Rows {
            ids: which.ids.clone(),
            tables,
            rule,
            object: which.object.clone(),
        },
        reason: which.reason.clone(),
    };
    let made = site::block_on(threads, repair(&site, &request))??;
    voice.answer(
        || {
            let tables: Vec<Value> = made.iter().map(made_json).collect();
            json!({
                "kind": kind.word(), "reason": request.reason, "principal": site.context.principal,
                "run": site.context.run, "tables": tables,
            })
        },
        || made.iter().map(|one| made_text(kind, one)).collect(),
    )?;
    anchor::publish_newest(&site)?;
    Ok(0)
}

fn made_json(made: &Repaired) -> Value {
    let rows: Vec<Value> = made
        .rows
        .iter()
        .map(|(id, rules)| json!({ "id": id, "rules": rules }))
        .collect();
    let models: Vec<String> = made.models.iter().map(TableName::to_string).collect();
    json!({
        "table": made.table.to_string(), "repair": made.made.map(|(epoch, _)| epoch),
        "version": made.made.map(|(_, version)| version), "rows": rows, "unchanged": made.unchanged,
        "models": models,
    })
}

fn made_text(kind: RepairKind, made: &Repaired) -> String {
    let done = match kind {
        RepairKind::Fix => "fixed",
        RepairKind::Release => "released",
        RepairKind::Discard => "discarded",
    };
    let mut text = String::new();
    if let Some((epoch, version)) = made.made {
        text.push_str(&format!(
            "{} of `{}` {done}: repair {epoch}, version {version}\n",
            counted(made.rows.len() as u64, "row"),
            made.table
        ));
        let silver: Vec<String> = made.models.iter().map(|one| format!("`{one}`")).collect();
        if !silver.is_empty() {
            text.push_str(&format!(
                "`karat run` brings {} up to date\n",
                silver.join(", ")
            ));
        }
    }
    if !made.unchanged.is_empty() {
        text.push_str(&format!(
            "{} of `{}` {} this repair already\n",
            counted(made.unchanged.len() as u64, "row"),
            made.table,
            if made.unchanged.len() == 1 {
                "has"
            } else {
                "have"
            }
        ));
    }
    text
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
            let repair = row.repair.as_ref().map(|(repair, waits)| {
                json!({
                    "kind": repair.kind.word(), "rules": repair.rules, "reason": repair.reason,
                    "principal": repair.principal, "waits": waits,
                })
            });
            shown.insert("repair".to_owned(), json!(repair));
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
    let repaired = rows.iter().any(|row| row.repair.is_some());
    let repair = if repaired { "repair" } else { "" };
    let mut held_rows = Table::new(&["table", "row", "rules", what_failed, repair, ""]);
    for row in rows {
        let values = if held.show_values {
            row.content.clone()
        } else {
            String::new()
        };
        held_rows.row([
            row.table.clone(),
            row.id.clone(),
            row.rules.join(", "),
            row.why.clone().unwrap_or_default(),
            match &row.repair {
                Some((repair, true)) => format!("{}, waits for a run", repair.kind.word()),
                Some((repair, false)) => repair.kind.word().to_owned(),
                None => String::new(),
            },
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
