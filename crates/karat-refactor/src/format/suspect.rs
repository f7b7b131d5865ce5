//! Mapped names and paths in texts whose use is not known: each goes to a person, with its new name and the edit that would write it.
//!
//! Values of pipelines, parameters of jobs and metadata are read by code elsewhere. Whether a name in them may get three parts
//! depends on that code, so nothing is rewritten here.

use std::ops::Range;
use std::sync::Arc;

use super::tree::Tree;
use crate::edit::Edit;
use crate::fragment::{Fragment, PieceKind, has_placeholder};
use crate::mapping::{NewTable, TableLookup, quoted};
use crate::occurrence::{Doubt, Means, NotATable, Role, Subject, Verdict, rule};
use crate::reader::{NamePart, Reader, is_called_like_database, is_metastore};

/// Why names in a text are for a person.
#[derive(Clone, Debug)]
pub(crate) struct Suspicion {
    pub(crate) rule: &'static str,
    pub(crate) message: String,
}

impl Suspicion {
    pub(crate) fn new(rule: &'static str, message: impl Into<String>) -> Self {
        Suspicion {
            rule,
            message: message.into(),
        }
    }

    fn doubt(&self) -> Doubt {
        Doubt::new(self.rule, self.message.clone())
    }
}

/// Whether a text can hold a name with a database or a path at all: most values of a file are words and numbers.
pub(crate) fn is_worth_reading(text: &str) -> bool {
    !text
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b':'))
}

/// Reports all mapped names and paths of a text; what else looks like a name in it is for a person too.
pub(crate) fn read(reader: &mut Reader<'_>, text: &Arc<Fragment>, suspicion: &Suspicion) {
    for range in written(text) {
        reader.region(text, range, Means::NeedsPerson(suspicion.doubt()));
    }
    for parts in names(text.text()) {
        name(reader, text, &parts, suspicion);
    }
    path(reader, text, suspicion);
}

/// A value whose key, or whatever holds it, reads like a database: a mapped database is for a person too.
pub(crate) fn database(
    reader: &mut Reader<'_>,
    text: &Arc<Fragment>,
    key: &str,
    suspicion: &Suspicion,
) {
    if is_called_like_database(key) && !text.text().contains('.') {
        reader.value_for_others(text, suspicion.doubt());
    }
}

/// What of a text is written here, in stretches without a hole: the bytes of a hole are code, and explained as such.
fn written(text: &Arc<Fragment>) -> Vec<Range<usize>> {
    let mut stretches = Vec::new();
    if text.outer().is_none() {
        stretches.push(0..text.text().len());
        return stretches;
    }
    let mut behind = None;
    for piece in text.pieces() {
        let (inner, outer) = (piece.inner(), piece.outer());
        if matches!(piece.kind(), PieceKind::Hole { .. }) {
            behind = None;
            continue;
        }
        match stretches.last_mut() {
            Some(last) if behind == Some(outer.start) && last.end == inner.start => {
                last.end = inner.end
            }
            _ => stretches.push(inner),
        }
        behind = Some(outer.end);
    }
    stretches
}

/// Keys of maps: names in them are read by code elsewhere too.
pub(crate) fn keys(reader: &mut Reader<'_>, file: &Arc<Fragment>, tree: &Tree) {
    let suspicion = Suspicion::new(
        rule::METADATA,
        "a name as the key of a value; what it is used for is decided elsewhere",
    );
    for id in tree.ids() {
        let Some(key) = &tree.node(id).key else {
            continue;
        };
        if !key.text.contains(['.', '/']) {
            continue;
        }
        if let Some(fragment) = key.fragment(file) {
            read(reader, &fragment, &suspicion);
        }
    }
}

/// Ends of file names: `sales.orders.parquet` is a file, and so is `sales.csv` unless the mapping knows a table `csv`.
const FILE_ENDS: &[&str] = &[
    "avro", "csv", "gz", "ipynb", "json", "orc", "parquet", "py", "scala", "sql", "tsv", "txt",
    "xlsx", "xml", "yaml", "yml", "zip",
];

fn name(reader: &mut Reader<'_>, text: &Arc<Fragment>, parts: &[NamePart], suspicion: &Suspicion) {
    if let [.., before, last] = parts
        && FILE_ENDS.contains(&last.text.to_ascii_lowercase().as_str())
        && !matches!(
            reader.mapping.table(&before.text, &last.text),
            TableLookup::Mapped(_) | TableLookup::Contradiction(_)
        )
    {
        return reader.not_a_table(text, range_of(parts), NotATable::HostOrFile);
    }
    let (database, table) = match parts {
        [database, table] => (database, table),
        [catalog, database, table] if is_metastore(&catalog.text) => (database, table),
        [catalog, ..] => {
            // A name with other parts in front is no name of the metastore, unless all of it comes later.
            if !has_placeholder(&catalog.text)
                && reader.mapping.has_catalog(&catalog.text)
                && parts.len() == 3
            {
                reader.not_a_table(text, range_of(parts), NotATable::AlreadyThreePart);
            }
            return;
        }
        [] => return,
    };
    if has_placeholder(&database.text)
        || !text.holes_in(&database.range).is_empty()
        || !reader.mapping.knows_database(&database.text)
    {
        return;
    }
    let range = range_of(parts);
    let (candidates, suggestion, old) =
        if text.holes_in(&table.range).is_empty() && !has_placeholder(&table.text) {
            let news = match reader.mapping.table(&database.text, &table.text) {
                TableLookup::Mapped(new) => vec![new],
                TableLookup::Contradiction(several) => several,
                TableLookup::NotMapped | TableLookup::UnknownDatabase => return,
            };
            let suggestion = match news.as_slice() {
                [new] => edits(text, parts, new),
                _ => Vec::new(),
            };
            let old = format!(
                "{}.{}",
                database.text.to_lowercase(),
                table.text.to_lowercase()
            );
            (
                news.iter().map(NewTable::sql).collect(),
                suggestion,
                Some(old),
            )
        } else {
            let lower = database.text.to_lowercase();
            let all = reader
                .mapping
                .tables()
                .filter(|(old, _)| old.database == lower);
            (
                all.flat_map(|(_, new)| new.iter().map(NewTable::sql))
                    .take(8)
                    .collect(),
                Vec::new(),
                None,
            )
        };
    let verdict = Verdict::NeedsPerson {
        doubt: suspicion.doubt(),
        candidates,
        suggestion,
    };
    reader.occurrence(text, range, Subject::Table, Role::Name, old, verdict);
}

/// The edits that would write a new name; none where it cannot be written.
fn edits(text: &Arc<Fragment>, parts: &[NamePart], new: &NewTable) -> Vec<Edit> {
    let (database, table) = match parts {
        [database, table] => (database, table),
        [_, database, table] => (database, table),
        _ => return Vec::new(),
    };
    let start = parts[0].range.start;
    let schema = format!(
        "{}.{}",
        quoted(&new.catalog),
        if database.text.eq_ignore_ascii_case(&new.schema) {
            text.text()[database.range.clone()].to_owned()
        } else {
            quoted(&new.schema)
        }
    );
    let mut wanted = vec![(start..database.range.end, schema)];
    if !table.text.eq_ignore_ascii_case(&new.table) {
        wanted.push((table.range.clone(), quoted(&new.table)));
    }
    let edits: Result<Vec<Edit>, _> = wanted
        .into_iter()
        .map(|(range, new)| text.edit(range, &new))
        .collect();
    edits.unwrap_or_default()
}

fn path(reader: &mut Reader<'_>, text: &Arc<Fragment>, suspicion: &Suspicion) {
    let content = text.text();
    let start = content.len() - content.trim_start().len();
    let scheme = if content[start..].starts_with("dbfs:/") {
        5
    } else {
        0
    };
    let Some((length, new)) = reader.mapping.path(&content[start + scheme..]) else {
        return;
    };
    let (new, old) = (
        new.to_owned(),
        content[start + scheme..start + scheme + length].to_owned(),
    );
    let range = start..start + scheme + length;
    let suggestion = text.edit(range.clone(), &new).into_iter().collect();
    let verdict = Verdict::NeedsPerson {
        doubt: suspicion.doubt(),
        candidates: vec![new],
        suggestion,
    };
    reader.occurrence(text, range, Subject::Path, Role::Name, Some(old), verdict);
}

fn range_of(parts: &[NamePart]) -> Range<usize> {
    parts[0].range.start..parts[parts.len() - 1].range.end
}

/// All runs of two or more words with dots between, as `db.t` and `` `db`.`t` ``. A run next to a letter that names do not have in
/// front (`@`, `/`, `-`, `\`, `:`) is an address or a path and is left to the regions.
pub(crate) fn names(text: &str) -> Vec<Vec<NamePart>> {
    let mut found = Vec::new();
    let mut parts: Vec<NamePart> = Vec::new();
    let mut at = 0;
    let mut before = ' ';
    let mut begins_after = ' ';
    while let Some(letter) = text[at..].chars().next() {
        let part = if letter == '`' {
            text[at + 1..].find('`').map(|length| NamePart {
                range: at..at + length + 2,
                text: text[at + 1..at + 1 + length].to_owned(),
                quoted: true,
            })
        } else if is_word(letter) {
            let length = text[at..]
                .find(|letter| !is_word(letter))
                .unwrap_or(text.len() - at);
            Some(NamePart {
                range: at..at + length,
                text: text[at..at + length].to_owned(),
                quoted: false,
            })
        } else {
            None
        };
        match part {
            Some(part) => {
                if parts.is_empty() {
                    begins_after = before;
                }
                at = part.range.end;
                before = 'x';
                parts.push(part);
                if text[at..].starts_with('.')
                    && text[at + 1..].starts_with(|next| is_word(next) || next == '`')
                {
                    at += 1;
                    continue;
                }
                let after = text[at..].chars().next().unwrap_or(' ');
                let name = parts.len() > 1
                    && !matches!(begins_after, '@' | '/' | '-' | '\\' | '.' | '$')
                    && !matches!(after, '/' | '(' | '-' | '@' | '\\');
                if name {
                    found.push(std::mem::take(&mut parts));
                }
                parts.clear();
            }
            None => {
                before = letter;
                at += letter.len_utf8();
            }
        }
    }
    found
}

fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_' || crate::fragment::is_placeholder(letter)
}

#[cfg(test)]
mod tests {
    use super::names;

    #[test]
    fn names_are_words_with_dots() {
        let text = "raw.x,`a`.`b c` a.b.c me@x.y /p/a.b q.w/ f.g( 1.5 é.ü end.";
        let found: Vec<String> = names(text)
            .iter()
            .map(|parts| {
                parts
                    .iter()
                    .map(|part| part.text.as_str())
                    .collect::<Vec<_>>()
                    .join("|")
            })
            .collect();
        assert_eq!(found, ["raw|x", "a|b c", "a|b|c", "1|5", "é|ü"]);
    }
}
