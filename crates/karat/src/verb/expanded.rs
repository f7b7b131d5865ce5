//! `karat plan --expanded`: feeds and models with what defaults add to them. Reads the project's files, and the lake only for `changed`.

use karat_project::{Expanded, Layer, Project, TableName};
use serde_json::{Value, json};

use crate::args::{Global, Select};
use crate::failure::Failure;
use crate::machine::{self, Moment};
use crate::output::Voice;
use crate::site::{self, Opened};

/// Prints them in the order in which a run takes them.
pub(crate) fn run(voice: Voice, global: &Global, select: &Select) -> Result<u8, Failure> {
    let root = site::find_root(global)?;
    let target = global.target.as_deref();
    let loaded = karat_project::load_for_lake(&root, &machine::variable, target);
    let project = loaded.sound().map_err(Failure::Project)?;
    let opened = Opened::of(root, project, global, Moment::now(None)?, None);
    let selected = super::selected_of_lake(voice, &opened, &select.select)?;
    let project = &opened.project;
    let graph = project.graph();
    let tables: Vec<&TableName> = graph
        .order()
        .iter()
        .filter(|name| selected.as_ref().is_none_or(|names| names.contains(name)))
        .collect();
    voice.answer(|| document(project, &tables), || text(project, &tables))?;
    Ok(0)
}

/// The declaration with what it inherits; `None` if that is nothing.
fn expanded<'p>(project: &'p Project, table: &TableName) -> Option<&'p Expanded> {
    match table.layer {
        Layer::Bronze => project.feed(table)?.expanded.as_ref(),
        _ => project.model(table)?.expanded.as_ref(),
    }
}

fn document(project: &Project, tables: &[&TableName]) -> Value {
    let of_table = |table: &&TableName| {
        let expanded = expanded(project, table);
        let defaults = expanded.map(Expanded::inherited).unwrap_or_default();
        let defaults: Vec<Value> = defaults
            .iter()
            .map(|default| {
                json!({ "key": default.key, "value": default.value, "from": project.show_place(default.at) })
            })
            .collect();
        json!({
            "table": table.to_string(),
            "defaults": defaults,
            "expanded": expanded.map(|expanded| expanded.yaml.as_str()),
        })
    };
    json!({ "tables": tables.iter().map(of_table).collect::<Vec<_>>() })
}

fn text(project: &Project, tables: &[&TableName]) -> String {
    let mut text = String::new();
    let mut plain: Vec<String> = Vec::new();
    for table in tables {
        match expanded(project, table) {
            Some(expanded) => {
                text.push_str(&expanded.yaml);
                text.push('\n');
            }
            None => plain.push(table.to_string()),
        }
    }
    if !plain.is_empty() {
        text.push_str("# as they are written, no default adds to them:\n");
        for table in plain {
            text.push_str(&format!("#   {table}\n"));
        }
    }
    text
}
