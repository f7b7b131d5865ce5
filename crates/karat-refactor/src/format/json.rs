//! JSON files: told apart by what they hold, then read as pipelines, jobs or metadata.

use std::sync::Arc;

use super::tree::Tree;
use super::{databricks, metadata};
use crate::factory;
use crate::fragment::Fragment;
use crate::reader::Reader;

/// Reads a JSON file.
pub(crate) fn read(reader: &mut Reader<'_>, file: &Arc<Fragment>) {
    match Tree::json(file.text()) {
        Ok(tree) => {
            if !factory::read(reader, file, &tree) && !databricks::read(reader, file, &tree) {
                metadata::read_tree(reader, file, &tree);
            }
            comments(reader, file, &tree);
        }
        Err(broken) => super::unreadable(reader, file, "JSON", &broken),
    }
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
    let mut at = 0;
    for span in strings
        .into_iter()
        .chain([file.text().len()..file.text().len()])
    {
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
