//! Metadata that holds names: tables of feeds and mappings in CSV, configuration in JSON and YAML.
//!
//! Who reads these files is not written in them, so every mapped name in them is for a person, with the new name and the edit that
//! writes it. What stands in a column or under a key of prose is no name.

use std::ops::Range;
use std::sync::Arc;

use super::suspect::{self, Suspicion};
use super::tree::Tree;
use crate::fragment::{Escape, Fragment, Refusal};
use crate::occurrence::{Means, NotATable, rule};
use crate::reader::Reader;

/// Keys and columns that hold prose.
const PROSE: &[&str] = &[
    "description",
    "comment",
    "comments",
    "notes",
    "note",
    "remark",
    "remarks",
    "$schema",
];

fn suspicion() -> Suspicion {
    Suspicion::new(
        rule::METADATA,
        "a name in metadata; right only if the code that reads it takes three-part names, so change both together",
    )
}

/// Reads JSON or YAML that is no pipeline and no job.
pub(crate) fn read_tree(reader: &mut Reader<'_>, file: &Arc<Fragment>, tree: &Tree) {
    for id in tree.ids() {
        if !tree.text(id).is_some_and(suspect::is_worth_reading) {
            if let (Some(key), Some(fragment)) = (tree.key(id), tree.fragment(file, id)) {
                suspect::database(reader, &fragment, key, &suspicion());
            }
            continue;
        }
        let Some(fragment) = tree.fragment(file, id) else {
            continue;
        };
        let prose = tree
            .key(id)
            .is_some_and(|key| PROSE.contains(&key.to_lowercase().as_str()));
        value(reader, &fragment, prose);
    }
    suspect::keys(reader, file, tree);
}

/// A value: prose is no table, anything else may be one.
fn value(reader: &mut Reader<'_>, fragment: &Arc<Fragment>, is_prose: bool) {
    if is_prose {
        let whole = 0..fragment.text().len();
        reader.region(fragment, whole, Means::NotATable(NotATable::Comment));
    } else {
        suspect::read(reader, fragment, &suspicion());
    }
}

/// Reads CSV with any of the usual separators.
pub(crate) fn read_csv(reader: &mut Reader<'_>, file: &Arc<Fragment>) {
    let separator = separator(file.text());
    let mut prose: Vec<bool> = Vec::new();
    for (index, row) in rows(file.text(), separator).into_iter().enumerate() {
        if index == 0 {
            let name = |cell: &Cell| {
                file.text()[cell.range.clone()]
                    .trim_matches('"')
                    .trim()
                    .to_lowercase()
            };
            prose = row
                .iter()
                .map(|cell| PROSE.contains(&name(cell).as_str()))
                .collect();
        }
        for (column, cell) in row.iter().enumerate() {
            if !suspect::is_worth_reading(&file.text()[cell.range.clone()]) {
                continue;
            }
            let fragment = fragment_of(file, cell);
            let prose = prose.get(column).copied().unwrap_or(false);
            value(reader, &fragment, prose);
        }
    }
}

/// A cell, with its quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Cell {
    range: Range<usize>,
    quoted: bool,
}

/// A quoted cell: quotes in it are doubled.
#[derive(Clone, Copy, Debug)]
struct CellEscape;

impl Escape for CellEscape {
    fn escape(&self, text: &str) -> Result<String, Refusal> {
        Ok(text.replace('"', "\"\""))
    }
}

/// A bare cell: what could end it is refused.
#[derive(Clone, Copy, Debug)]
struct BareCellEscape;

impl Escape for BareCellEscape {
    fn escape(&self, text: &str) -> Result<String, Refusal> {
        if text.contains([',', ';', '\t', '|', '"', '\n', '\r']) {
            return Err(Refusal("the new text needs quotes in this cell".to_owned()));
        }
        Ok(text.to_owned())
    }
}

fn fragment_of(file: &Arc<Fragment>, cell: &Cell) -> Arc<Fragment> {
    let mut builder = file.inside("CSV cell");
    if !cell.quoted {
        builder.escape(&BareCellEscape).verbatim(cell.range.clone());
        return builder.build();
    }
    builder.escape(&CellEscape);
    let (mut at, end) = (cell.range.start + 1, cell.range.end - 1);
    while at < end {
        let rest = &file.text()[at..end];
        let length = rest.find("\"\"").unwrap_or(rest.len());
        if length > 0 {
            builder.verbatim(at..at + length);
        }
        at += length;
        if at < end {
            builder.escaped(at..at + 2, "\"");
            at += 2;
        }
    }
    builder.build()
}

/// The separator that the first lines have most of; a comma if they have none.
fn separator(text: &str) -> u8 {
    let head: Vec<&str> = text.lines().take(20).collect();
    let count = |separator: char| {
        head.iter()
            .map(|line| line.matches(separator).count())
            .sum::<usize>()
    };
    [(b',', ','), (b';', ';'), (b'\t', '\t'), (b'|', '|')]
        .into_iter()
        .rev()
        .max_by_key(|(_, letter)| count(*letter))
        .map_or(b',', |(byte, _)| byte)
}

/// All cells. A quote that is never closed makes a bare cell, so that the rest of the file is read.
fn rows(text: &str, separator: u8) -> Vec<Vec<Cell>> {
    let bytes = text.as_bytes();
    let mut rows = Vec::new();
    let mut row = Vec::new();
    let mut at = if text.starts_with('\u{feff}') {
        '\u{feff}'.len_utf8()
    } else {
        0
    };
    let ends = |at: usize| {
        bytes
            .get(at)
            .is_none_or(|byte| *byte == separator || matches!(byte, b'\n' | b'\r'))
    };
    while at < bytes.len() {
        let start = at;
        let quoted_end = (bytes[at] == b'"')
            .then(|| closing_quote(bytes, at + 1))
            .flatten()
            .filter(|end| ends(*end));
        let end = match quoted_end {
            Some(end) => end,
            None => (at..).find(|at| ends(*at)).unwrap_or(bytes.len()),
        };
        row.push(Cell {
            range: start..end,
            quoted: quoted_end.is_some(),
        });
        at = end;
        match bytes.get(at) {
            Some(byte) if *byte == separator => at += 1,
            Some(b'\r') if bytes.get(at + 1) == Some(&b'\n') => {
                at += 2;
                rows.push(std::mem::take(&mut row));
            }
            Some(_) => {
                at += 1;
                rows.push(std::mem::take(&mut row));
            }
            None => {}
        }
    }
    if !row.is_empty() {
        rows.push(row);
    }
    rows
}

/// Just behind the quote that closes a cell.
fn closing_quote(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        match bytes.get(at)? {
            b'"' if bytes.get(at + 1) == Some(&b'"') => at += 2,
            b'"' => return Some(at + 1),
            _ => at += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn cells_of_any_csv() {
        let text = "a;b\r\n\"x \"\"y\"\"\";\"open\n;z\n";
        let cells: Vec<Vec<&str>> = rows(text, separator(text))
            .iter()
            .map(|row| row.iter().map(|cell| &text[cell.range.clone()]).collect())
            .collect();
        assert_eq!(
            cells,
            [
                vec!["a", "b"],
                vec!["\"x \"\"y\"\"\"", "\"open"],
                vec!["", "z"]
            ]
        );
        let file = Fragment::root(text.to_owned(), "file");
        let cell = fragment_of(&file, &rows(text, b';')[1][0]);
        assert_eq!(cell.text(), "x \"y\"");
    }

    proptest! {
        #[test]
        fn every_byte_is_in_a_cell_or_between(text in "[a\",;\n\r\\PC]{0,30}") {
            let mut at = 0;
            for cell in rows(&text, b',').into_iter().flatten() {
                prop_assert!(cell.range.start >= at);
                at = cell.range.end;
                let file = Fragment::root(text.clone(), "file");
                fragment_of(&file, &cell);
            }
        }
    }
}
