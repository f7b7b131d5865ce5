//! `karat source`: whether sources can be reached, what they hold, and a proposal for silver that a person edits (B3).

use std::path::PathBuf;

use karat_pipeline::inventories::Inventories;
use karat_pipeline::near_misses::near_misses;
use karat_pipeline::{PipelineError, Sources};
use karat_project::{Feed, Mode, fold_name};
use karat_source::{Discovered, DiscoveredColumn, not_looked_at};
use serde_json::{Value, json};

use crate::args::{Global, SourceVerb};
use crate::failure::{Failure, error_json, error_text};
use crate::output::{Table, Voice, print_error};
use crate::site::{self, Opened};

/// Tests or discovers.
pub(crate) fn run(voice: Voice, global: &Global, what: &SourceVerb) -> Result<u8, Failure> {
    let opened = site::open_sources(voice, global)?;
    match what {
        SourceVerb::Test { name } => test(voice, &opened, name.as_deref()),
        SourceVerb::Discover { name, feed, write } => {
            discover(voice, &opened, name, feed.as_deref(), *write)
        }
    }
}

fn test(voice: Voice, opened: &Opened, only: Option<&str>) -> Result<u8, Failure> {
    let sources = opened.sources();
    let names: Vec<String> = match only {
        Some(name) => {
            known(opened, name)?;
            vec![name.to_owned()]
        }
        None => opened.project.sources.keys().cloned().collect(),
    };
    let mut lines = Table::new(&["source", "outcome", ""]);
    let mut documents: Vec<Value> = Vec::new();
    let mut errors: Vec<PipelineError> = Vec::new();
    let feeds = opened.project.feeds();
    let feeds = feeds.filter(|feed| names.contains(&feed.source));
    let passed_over = near_misses(
        &opened.project,
        &mut Inventories::of(sources.as_ref()),
        feeds,
    );
    for name in &names {
        let tested = sources
            .open(name)
            .and_then(|source| source.test().map_err(PipelineError::from));
        match tested {
            Ok(report) => {
                lines.row([name.clone(), "ok".to_owned(), report.summary.clone()]);
                for detail in &report.details {
                    lines.row([String::new(), String::new(), detail.clone()]);
                }
                let notes = passed_over.iter().filter(|(table, _)| {
                    let feed = opened.project.feed(table);
                    feed.is_some_and(|feed| feed.source == *name)
                });
                let notes: Vec<String> = notes
                    .map(|(table, note)| format!("{table}: {note}"))
                    .collect();
                for note in &notes {
                    lines.row([String::new(), String::new(), format!("note: {note}")]);
                }
                documents.push(json!({ "source": name, "ok": true, "summary": report.summary, "details": report.details, "notes": notes, "error": null }));
            }
            Err(error) => {
                // Why is said once, on stderr.
                lines.row([name.clone(), "FAILED".to_owned(), String::new()]);
                documents.push(json!({ "source": name, "ok": false, "summary": null, "details": [], "notes": [], "error": error_json(&error, error.hint(), error.exit_code()) }));
                errors.push(error);
            }
        }
    }
    voice.answer(
        || json!({ "ok": errors.is_empty(), "sources": documents }),
        || lines.text(),
    )?;
    for error in &errors {
        print_error(&error_text(error, error.hint()));
    }
    let codes: Vec<u8> = errors.iter().map(PipelineError::exit_code).collect();
    Ok([2, 4, 5, 3, 1]
        .into_iter()
        .find(|code| codes.contains(code))
        .unwrap_or(0))
}

/// That the project declares a source of this name.
fn known(opened: &Opened, name: &str) -> Result<(), Failure> {
    if opened.project.sources.contains_key(name) {
        return Ok(());
    }
    let names: Vec<&str> = opened.project.sources.keys().map(String::as_str).collect();
    Err(Failure::usage(
        format!("there is no source `{name}`"),
        format!("karat.yaml declares: {}", names.join(", ")),
    ))
}

fn discover(
    voice: Voice,
    opened: &Opened,
    name: &str,
    feed: Option<&str>,
    write: bool,
) -> Result<u8, Failure> {
    let sources = opened.sources();
    let source = sources.open(name)?;
    let declared = match feed {
        Some(feed) => {
            let feed = format!("{name}.{feed}");
            let found = super::feed(&opened.project, &feed);
            Some(found.map_err(|failure| match opened.mistakes {
                0 => failure,
                // It may be declared in a file that cannot be read.
                _ => Failure::usage(
                    format!("there is no feed `{feed}` in what can be read of the project"),
                    "mend what `karat validate` shows, and ask again",
                ),
            })?)
        }
        None => None,
    };
    let spec = declared.map(|feed| sources.spec(feed));
    let found = source.discover(spec.as_ref())?;
    let passed_over = match declared {
        Some(_) => None,
        None => not_looked_at(source.inventory()?.files().iter().map(String::as_str)),
    };
    let written = match (declared, found.first()) {
        (Some(feed), Some(first)) if write => Some(write_silver(opened, feed, first)?),
        _ => None,
    };
    voice.answer(
        || {
            let found: Vec<Value> = found.iter().map(discovered_json).collect();
            json!({ "source": name, "found": found, "not_looked_at": passed_over, "written": written.as_ref().map(|path| path.display().to_string()) })
        },
        || {
            let mut text = String::new();
            for one in &found {
                text.push_str(&discovered_text(name, one, declared));
            }
            if found.is_empty() {
                text.push_str("nothing found\n");
            }
            if let Some(others) = &passed_over {
                text.push_str(&format!("note: {others}\n"));
            }
            if let Some(path) = &written {
                text.push_str(&format!("written to {}: look at each type, then `karat validate`\n", path.display()));
            }
            text
        },
    )?;
    Ok(0)
}

fn discovered_json(one: &Discovered) -> Value {
    let columns: Vec<Value> = one
        .columns
        .iter()
        .map(|column| json!({ "name": column.name, "source_name": column.source_name, "source_type": column.source_type, "proposed": column.proposed }))
        .collect();
    json!({ "name": one.name, "mode": one.mode_hint, "key": one.key_hint, "feed": one.feed_hint, "columns": columns, "notes": one.notes })
}

fn discovered_text(source: &str, one: &Discovered, feed: Option<&Feed>) -> String {
    let mut text = format!("{} ({})\n", one.name, one.mode_hint);
    if let Some(feed) = feed {
        text.push_str(&silver_yaml(feed, one));
    } else {
        let mut columns = Table::new(&["  column", "type", "for silver"]);
        for column in &one.columns {
            columns.row([
                format!("  {}", column.name),
                column.source_type.clone(),
                column.proposed.clone(),
            ]);
        }
        text.push_str(&columns.text());
    }
    if let Some(feed) = &one.feed_hint {
        text.push_str(&format!("  feed: - {{ source: {source}, {feed} }}\n"));
    }
    for note in &one.notes {
        text.push_str(&format!("  note: {note}\n"));
    }
    text
}

/// A silver model as a first draft: valid, and able to run as it is.
fn silver_yaml(feed: &Feed, found: &Discovered) -> String {
    let columns: Vec<Drafted> = found
        .columns
        .iter()
        .map(|column| Drafted::of(column, feed))
        .collect();
    let widths = columns.iter().map(|column| column.key.chars().count());
    let width = widths.max().unwrap_or(0) + 1;
    let mut text = format!("from: {}\nselect:\n", feed.short_name());
    for column in &columns {
        let key = format!("{}:", column.key);
        let line = format!("{key:<width$} {}", yaml_text(&column.sql));
        text.push_str(&match column.stays_double {
            false => format!("  {line}\n"),
            true => format!("  # {line}  # a double that no decimal holds: state `allow_float: \"why\"` to take it\n"),
        });
    }
    let key = if feed.key.is_empty() {
        &found.key_hint
    } else {
        &feed.key
    };
    // A key is taken by its name in bronze, and only if it is selected.
    let key: Option<Vec<&str>> = key
        .iter()
        .map(|name| {
            let mut drafted = columns.iter().filter(|column| !column.stays_double);
            let found = drafted.find(|column| column.bronze == *name)?;
            Some(found.key.as_str())
        })
        .collect();
    if let Some(key) = key.filter(|key| !key.is_empty()) {
        let key = key.join(", ");
        // Of a key that is read again and again, the newest row counts; whole loads without changes hold it once.
        text.push_str(&if feed.mode == Mode::Incremental || !feed.key.is_empty() {
            format!("auto_cdc: {{ keys: [{key}] }}\n")
        } else {
            format!("key: [{key}]\n")
        });
    }
    text
}

/// One column of a draft.
struct Drafted {
    /// Its name in bronze.
    bronze: String,
    /// Its name in silver, as a key of YAML.
    key: String,
    sql: String,
    stays_double: bool,
}

impl Drafted {
    fn of(column: &DiscoveredColumn, feed: &Feed) -> Self {
        let bronze = karat_pipeline::bronze::bronze_name(&column.name, &feed.rename);
        let sql = match bronze == column.name {
            true => column.proposed.clone(),
            false => renamed(&column.proposed, &column.name, &bronze),
        };
        // A name of silver begins with a letter.
        let name = match bronze.starts_with(|c: char| c.is_ascii_lowercase()) {
            true => bronze.clone(),
            false => format!("c_{bronze}"),
        };
        // Words that YAML takes for something else than text.
        let is_word =
            ["true", "false", "null", "yes", "no", "on", "off", "y", "n"].contains(&name.as_str());
        Self {
            bronze,
            key: if is_word { format!("\"{name}\"") } else { name },
            sql,
            stays_double: column.stays_double,
        }
    }
}

/// An expression over another column name.
fn renamed(sql: &str, from: &str, to: &str) -> String {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut text = String::new();
    let mut rest = sql;
    while let Some(at) = rest.find(from) {
        let (before, after) = (&rest[..at], &rest[at + from.len()..]);
        let is_whole = !before.ends_with(is_name) && !after.starts_with(is_name);
        text.push_str(before);
        text.push_str(if is_whole { to } else { from });
        rest = after;
    }
    text + rest
}

/// An expression as a YAML scalar.
fn yaml_text(sql: &str) -> String {
    let plain = sql
        .chars()
        .all(|c| c.is_alphanumeric() || matches!(c, '_' | '(' | ')' | ' ' | ',' | '.'))
        && sql.starts_with(|c: char| c.is_ascii_alphabetic());
    if plain {
        sql.to_owned()
    } else if sql.contains('"') {
        format!("'{}'", sql.replace('\'', "''"))
    } else {
        format!("\"{}\"", sql.replace('\\', "\\\\"))
    }
}

fn write_silver(opened: &Opened, feed: &Feed, found: &Discovered) -> Result<PathBuf, Failure> {
    let relative = PathBuf::from("domains")
        .join(&feed.bronze.domain)
        .join("silver")
        .join(format!("{}.yaml", fold_name(&feed.name)));
    let path = opened.root.join(&relative);
    if path.exists() {
        return Err(Failure::usage(
            format!("`{}` exists: it is not overwritten", relative.display()),
            "leave `--write` out to see the proposal",
        ));
    }
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(Failure::io("make the folder", folder))?;
    }
    std::fs::write(&path, silver_yaml(feed, found)).map_err(Failure::io("write", &path))?;
    Ok(relative)
}
