//! Jupyter notebooks: cells whose source is a JSON string or a list of lines. Outputs are data.

use std::ops::Range;
use std::sync::Arc;

use super::notebook;
use crate::fragment::Fragment;
use crate::json::{self, Document, Kind, NodeId};
use crate::language::{Language, dialect};
use crate::occurrence::{Doubt, Means, NotATable};
use crate::reader::Reader;

/// The JSON of a notebook; where it is none, a person must look at all of it.
pub(super) fn document(reader: &mut Reader<'_>, fragment: &Arc<Fragment>) -> Option<Document> {
    let text = fragment.text();
    match Document::parse(text) {
        Ok(document) => Some(document),
        Err(error) => {
            let doubt = Doubt::new(
                "file/broken",
                format!("the notebook is no JSON: {}", error.message),
            );
            reader.region(fragment, 0..text.len(), Means::NeedsPerson(doubt));
            None
        }
    }
}

/// Reads a Jupyter notebook.
pub(super) fn read(reader: &mut Reader<'_>, fragment: &Arc<Fragment>) {
    let text = fragment.text();
    let Some(document) = document(reader, fragment) else {
        return;
    };
    let Some(mut root) = document.roots().first().copied() else {
        return;
    };
    // Synapse keeps a notebook as the properties of a resource.
    if document.get(root, "cells", text).is_none()
        && let Some(properties) = document.get(root, "properties", text)
    {
        root = properties;
    }
    let language = main_language(&document, root, text);
    // Names in metadata are settings of the notebook, not tables.
    if let Some(metadata) = document.get(root, "metadata", text) {
        let span = document.node(metadata).span.clone();
        reader.region(fragment, span, Means::NotATable(NotATable::StringData));
    }
    let Some(cells) = document.get(root, "cells", text) else {
        return;
    };
    let cells = document.children(cells);
    let from = reader.occurrences();
    for cell in cells {
        read_cell(reader, fragment, &document, *cell, language);
    }
    if document.at(root, &DATABRICKS, text).is_some() {
        return;
    }
    // Other notebooks run their SQL on whatever they are connected to, all cells on the same.
    let sign = cells.iter().find_map(|cell| {
        let source = source_text(fragment, &document, document.get(*cell, "source", text)?);
        let code = source.text().trim_start();
        let is_sql = match code.strip_prefix('%') {
            Some(magic) => magic.trim_start_matches('%').starts_with("sql"),
            None => language == Language::Sql,
        };
        is_sql.then(|| dialect::sign(code)).flatten()
    });
    if let Some(sign) = sign {
        dialect::leave_to_a_person(reader, from, sign);
    }
}

/// Where Databricks keeps what it says about a notebook.
const DATABRICKS: [&str; 2] = ["metadata", "application/vnd.databricks.v1+notebook"];

fn main_language(document: &Document, root: NodeId, text: &str) -> Language {
    let paths: [&[&str]; 3] = [
        &["metadata", "language_info", "name"],
        &["metadata", "kernelspec", "language"],
        &[DATABRICKS[0], DATABRICKS[1], "language"],
    ];
    let name = paths
        .iter()
        .filter_map(|path| document.at(root, path, text))
        .find_map(|node| document.string(node, text));
    match name.as_deref().map(str::to_ascii_lowercase).as_deref() {
        Some("sql") => Language::Sql,
        Some("scala") => Language::Scala,
        Some("r") => Language::R,
        _ => Language::Python,
    }
}

fn read_cell(
    reader: &mut Reader<'_>,
    fragment: &Arc<Fragment>,
    document: &Document,
    cell: NodeId,
    language: Language,
) {
    let text = fragment.text();
    for (key, reason) in [
        ("outputs", NotATable::StringData),
        ("attachments", NotATable::StringData),
        ("metadata", NotATable::StringData),
    ] {
        if let Some(node) = document.get(cell, key, text) {
            let span = document.node(node).span.clone();
            reader.region(fragment, span, Means::NotATable(reason));
        }
    }
    let Some(source) = document.get(cell, "source", text) else {
        return;
    };
    let source = source_text(fragment, document, source);
    let kind = document
        .get(cell, "cell_type", text)
        .and_then(|node| document.string(node, text));
    match kind.as_deref() {
        Some("code") => notebook::cell(reader, &source, language),
        Some(_) => reader.read(&source, Language::Markdown),
        None => {}
    }
}

/// The text of a string, or of a list of strings that are its lines.
pub(super) fn source_text(
    fragment: &Arc<Fragment>,
    document: &Document,
    node: NodeId,
) -> Arc<Fragment> {
    let value = document.node(node);
    let spans: Vec<Range<usize>> = match &value.kind {
        Kind::Array(items) => items
            .iter()
            .map(|item| document.node(*item))
            .filter(|item| item.kind == Kind::String)
            .map(|item| item.span.clone())
            .collect(),
        Kind::String => return json::string(fragment, &value.span),
        _ => Vec::new(),
    };
    json::lines(fragment, &spans)
}
