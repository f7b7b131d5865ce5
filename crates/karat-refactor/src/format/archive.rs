//! Notebooks as members of a `.dbc` archive: JSON with commands, each in a language.

use std::sync::Arc;

use super::{jupyter, notebook};
use crate::fragment::Fragment;
use crate::language::Language;
use crate::occurrence::{Doubt, Means, NotATable};
use crate::reader::Reader;

/// Reads one member.
pub(super) fn read(reader: &mut Reader<'_>, fragment: &Arc<Fragment>) {
    let text = fragment.text();
    let Some(document) = jupyter::document(reader, fragment) else {
        return;
    };
    let Some(root) = document.roots().first().copied() else {
        return;
    };
    // What surrounds the commands are settings, results and drawings.
    reader.region(
        fragment,
        0..text.len(),
        Means::NotATable(NotATable::StringData),
    );
    let language = document
        .get(root, "language", text)
        .and_then(|node| document.string(node, text));
    let language = match language.as_deref().map(str::to_ascii_lowercase).as_deref() {
        Some("sql") => Language::Sql,
        Some("scala") => Language::Scala,
        Some("r") => Language::R,
        _ => Language::Python,
    };
    let Some(commands) = document.get(root, "commands", text) else {
        return;
    };
    let mut ordered: Vec<_> = document.children(commands).to_vec();
    // Commands are stored in any order; `position` tells where they stand.
    let position = |id: &crate::json::NodeId| {
        document
            .get(*id, "position", text)
            .and_then(|node| text[document.node(node).span.clone()].parse::<f64>().ok())
            .unwrap_or(0.0)
    };
    ordered.sort_by(|a, b| position(a).total_cmp(&position(b)));
    for command in ordered {
        if let Some(node) = document.get(command, "command", text) {
            // Its own region, so that what the cell's language leaves open is not taken for a setting.
            let span = document.node(node).span.clone();
            let doubt = Doubt::new(
                crate::occurrence::rule::NOT_UNDERSTOOD,
                "code that was not understood",
            );
            reader.region(fragment, span, Means::NeedsPerson(doubt));
            let source = jupyter::source_text(fragment, &document, node);
            notebook::cell(reader, &source, language);
        }
    }
}
