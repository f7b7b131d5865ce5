//! Tests of models on a few rows become tests of karat.

use std::fmt::Write as _;

use crate::outline::{ModelTest, Origin, Outline};
use crate::sql::{Dialect, read as read_query};
use crate::tree::{Data, Node};
use crate::yaml_text::item;

use super::known::Known;
use super::relations::Relations;
use super::{Log, Shared};

pub(crate) fn write(shared: &Shared, outline: &mut Outline, relations: &Relations, log: &mut Log) {
    for entry in &shared.properties.unit_tests {
        let name = entry
            .node
            .text("name")
            .unwrap_or_else(|| "unit test".to_owned());
        let origin = entry.origin(&name);
        let keys = |table: &str| key_of(outline, table);
        match test_of(&entry.node, &name, &origin, shared, relations, &keys) {
            Ok(test) => {
                log.item(
                    "unit test",
                    &origin,
                    Some(format!("test of {}", test.model)),
                );
                outline.tests.push(test);
            }
            Err((construct, why)) => {
                log.item("unit test", &origin, None);
                log.unmapped(
                    &origin,
                    construct,
                    why,
                    "write it as a test of karat (`domains/*/tests/*.yaml`)",
                );
            }
        }
    }
}

type Refused = (String, String);

fn test_of(
    node: &Node,
    name: &str,
    origin: &Origin,
    shared: &Shared,
    relations: &Relations,
    keys: &dyn Fn(&str) -> Vec<String>,
) -> Result<ModelTest, Refused> {
    let model = node.text("model").unwrap_or_default();
    let Some(relation) = relations.refs.get(&model) else {
        return Err((format!("model: {model}"), format!("`{model}` is left out")));
    };
    if node.get("overrides").is_some() {
        return Err((
            "overrides".to_owned(),
            "macros and variables are not given to a test".to_owned(),
        ));
    }
    let mut text = format!(
        "  - name: {}\n",
        item(node.text("description").as_deref().unwrap_or(name))
    );
    let mut reads = vec![relation.name.clone()];
    let given = node.get("given").map_or(&[][..], Node::items);
    if !given.is_empty() {
        text.push_str("    given:\n");
    }
    for one in given {
        let input = one.text("input").unwrap_or_default();
        let table = table_of(&input, shared, relations).ok_or_else(|| {
            (
                format!("input: {input}"),
                "the table is left out, or not of the project".to_owned(),
            )
        })?;
        let rows = rows_of(one)?;
        // karat holds no rows of one key, and rows that leave it out have one.
        let lacks = keys(&table).into_iter().find(|key| {
            let rows = one.get("rows").map_or(&[][..], Node::items);
            let has = |row: &Node| {
                row.entries()
                    .iter()
                    .any(|(name, _)| karat_project::fold_name(name) == *key)
            };
            rows.len() > 1 && !rows.iter().all(has)
        });
        if let Some(key) = lacks {
            return Err((
                format!("input: {input}"),
                format!("its rows leave out `{key}`, the key of `{table}`"),
            ));
        }
        let _ = writeln!(
            text,
            "      {table}:{}",
            if rows.is_empty() { " []" } else { "" }
        );
        for row in rows {
            let _ = writeln!(text, "        - {row}");
        }
        reads.push(table);
    }
    let expect = node
        .get("expect")
        .ok_or_else(|| ("expect".to_owned(), "it expects nothing".to_owned()))?;
    let rows = rows_of(expect)?;
    let _ = writeln!(
        text,
        "    expect:{}",
        if rows.is_empty() { " []" } else { "" }
    );
    for row in rows {
        let _ = writeln!(text, "      - {row}");
    }
    Ok(ModelTest {
        model: relation.name.clone(),
        text,
        reads,
        origin: origin.clone(),
    })
}

fn key_of(outline: &Outline, table: &str) -> Vec<String> {
    let Some((schema, own)) = table.split_once('.') else {
        return Vec::new();
    };
    let silver = outline.silver.iter().find(|model| model.table == own);
    let gold = outline.gold.iter().find(|model| model.table == own);
    match schema.ends_with("_silver") {
        true => silver.map_or(Vec::new(), |model| model.key.clone()),
        false => gold.map_or(Vec::new(), |model| model.key.clone()),
    }
}

fn table_of(input: &str, shared: &Shared, relations: &Relations) -> Option<String> {
    let mut known = Known::new(shared);
    let template = crate::jinja::parse(&format!("select * from {{{{ {input} }}}}")).ok()?;
    let rendered = crate::jinja::render(&template, &mut known).ok()?;
    let found = read_query(&rendered.text, Dialect::Unknown, relations).ok()?;
    match found.tables.as_slice() {
        [table] => Some(table.clone()),
        _ => None,
    }
}

/// Rows as flow maps; of `format: csv` and `sql` and of fixtures in files nothing is taken over.
fn rows_of(node: &Node) -> Result<Vec<String>, Refused> {
    let format = node.text("format").unwrap_or_else(|| "dict".to_owned());
    if format != "dict" || node.get("fixture").is_some() {
        return Err((
            format!("format: {format}"),
            "only rows as maps are taken over".to_owned(),
        ));
    }
    let mut rows = Vec::new();
    for row in node.get("rows").map_or(&[][..], Node::items) {
        let mut cells = Vec::new();
        for (column, value) in row.entries() {
            let column = karat_project::fold_name(column);
            let value = match &value.data {
                Data::Null => "null".to_owned(),
                Data::Number(text) => text.clone(),
                Data::Bool(value) => value.to_string(),
                Data::Text(text) => item(text),
                _ => return Err((column, "a cell is a list or a map".to_owned())),
            };
            cells.push(format!("{column}: {value}"));
        }
        rows.push(format!("{{ {} }}", cells.join(", ")));
    }
    Ok(rows)
}
