//! JSON files: told apart by what they hold, then read as pipelines, jobs or metadata.

use std::sync::Arc;

use super::tree::{Kind, Tree};
use super::{databricks, jupyter, metadata};
use crate::factory;
use crate::fragment::Fragment;
use crate::occurrence::{Means, NotATable};
use crate::reader::Reader;

/// Reads a JSON file.
pub(crate) fn read(reader: &mut Reader<'_>, file: &Arc<Fragment>) {
    match Tree::json(file.text()) {
        Ok(tree) => {
            if synapse(reader, file, &tree) {
                return;
            }
            if !factory::read(reader, file, &tree) && !databricks::read(reader, file, &tree) {
                metadata::read_tree(reader, file, &tree);
            }
            comments(reader, file, &tree);
        }
        Err(broken) => super::unreadable(reader, file, "JSON", &broken),
    }
}

/// Notebooks and SQL scripts of Synapse are code in resources of their own. Its SQL pools hold no tables of the metastore.
fn synapse(reader: &mut Reader<'_>, file: &Arc<Fragment>, tree: &Tree) -> bool {
    let Some(root) = tree.roots().first().copied() else {
        return false;
    };
    let cells = tree.at(root, &["properties", "cells"]);
    if cells.is_some_and(|cells| tree.node(cells).kind == Kind::List) {
        jupyter::read(reader, file);
        return true;
    }
    let script = tree
        .text_at(root, &["properties", "content", "query"])
        .is_some()
        && tree.text_at(root, &["properties", "type"]) == Some("SqlQuery");
    if script {
        let whole = 0..file.text().len();
        reader.region(file, whole, Means::NotATable(NotATable::ForeignSource));
    }
    script
}

/// Comments lie between values; what lies there and is no blank and no mark is a comment.
fn comments(reader: &mut Reader<'_>, file: &Arc<Fragment>, tree: &Tree) {
    let mut strings: Vec<std::ops::Range<usize>> = Vec::new();
    for id in tree.ids() {
        let node = tree.node(id);
        strings.extend(node.key.as_ref().map(|key| key.span.clone()));
        if tree.text(id).is_some() {
            strings.push(node.span.clone());
        }
    }
    strings.sort_by_key(|span| span.start);
    let end = file.text().len();
    strings.push(end..end);
    let mut at = 0;
    for span in strings {
        if file
            .text()
            .get(at..span.start)
            .is_some_and(|between| between.contains("//") || between.contains("/*"))
        {
            super::comment(reader, file, at..span.start);
        }
        at = at.max(span.end);
    }
}
