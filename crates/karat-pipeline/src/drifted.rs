//! What is said of columns that are not as they were: those that have another type, those that models read and a load has not (B8), and those
//! that `rename` takes for others.

use std::collections::BTreeSet;

use arrow::datatypes::DataType;
use karat_project::Feed;
use karat_source::Column;

use crate::bronze::{self, PayloadColumn};
use crate::error::PipelineError;

/// The columns of one object, or of a database's table.
pub(crate) struct Header {
    /// For a message: the object's path, or `the source`.
    pub(crate) place: String,
    pub(crate) columns: Vec<PayloadColumn>,
}

impl Header {
    pub(crate) fn of(place: String, columns: Vec<Column>, feed: &Feed) -> Self {
        let columns = columns.into_iter().map(|column| PayloadColumn {
            name: bronze::bronze_name(&column.name, &feed.rename),
            source_name: column.source_name,
            data_type: column.data_type,
        });
        Self {
            place,
            columns: columns.collect(),
        }
    }
}

/// The place of a database's table.
pub(crate) const THE_SOURCE: &str = "the source";

/// Columns that a message lists.
const LISTED_MAX: usize = 20;

/// The refusal of a load with columns of other types than the table's: column, type in the table, type now. None if there are none. All are
/// told at once, with what gives a database's table its old types, so that the position and the models stay.
pub(crate) fn retyped(
    feed: &Feed,
    header: &Header,
    types: &[(String, DataType, DataType)],
) -> Option<PipelineError> {
    let (first, others) = types.split_first()?;
    let place = &header.place;
    let told = |(name, have, got): &(String, DataType, DataType)| {
        let (have, got) = (karat_exact::type_name(have), karat_exact::type_name(got));
        (format!("`{name}`"), format!("from {have} to {got}"))
    };
    let what = match others {
        [] => {
            let (name, change) = told(first);
            format!("column {name} changed its type {change} in {place}")
        }
        _ => {
            let changes = types.iter().map(told);
            let changes: Vec<String> = changes
                .map(|(name, change)| format!("{name} ({change})"))
                .collect();
            format!(
                "columns {} changed their types in {place}",
                changes.join(", ")
            )
        }
    };
    let source_feed = feed.short_name();
    let another = format!(
        "give feed `{source_feed}` another `name`, which makes a table of its own, read from its beginning"
    );
    let hint = match (&feed.table, feed.cursor.is_some() && feed.key.is_empty()) {
        // The key of a cursor's rows is part of their order, and a view has none of its own.
        (Some(_), true) => format!("restore the type at the source, or {another}"),
        (Some(table), false) => format!(
            "restore the type at the source; or give the feed a view with the old types, and leave everything else as it is (`name: {}`, `table: {table}_before`): `{}`{}; or {another}",
            feed.name,
            view_as_before(table, header, types),
            match types
                .iter()
                .any(|(_, have, got)| have.is_numeric() && !got.is_numeric())
            {
                true => " (SQLite casts what is no number to 0: look first whether there is such)",
                false => "",
            }
        ),
        (None, _) => format!(
            "restore the type at the source, or load it under another name in `rename` of feed `{source_feed}`"
        ),
    };
    Some(PipelineError::Drift {
        table: feed.bronze.to_string(),
        what,
        hint,
    })
}

/// The statement of a view that has the types of the bronze table.
fn view_as_before(table: &str, header: &Header, types: &[(String, DataType, DataType)]) -> String {
    let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let columns = header.columns.iter().map(|column| {
        let name = quoted(&column.source_name);
        let before = types.iter().find(|(retyped, ..)| *retyped == column.name);
        match before.map(|(_, have, _)| have) {
            None => name,
            Some(DataType::Int64) => format!("cast({name} as integer) as {name}"),
            Some(DataType::Float64) => format!("cast({name} as real) as {name}"),
            Some(DataType::Utf8) => format!("cast({name} as text) as {name}"),
            Some(_) => format!("cast({name} as blob) as {name}"),
        }
    });
    let columns: Vec<String> = columns.collect();
    format!(
        "create view {} as select {} from {}",
        quoted(&format!("{table}_before")),
        columns.join(", "),
        quoted(table)
    )
}

/// The refusal of a load without columns that models read; `added` are those that it has and the table has not, `others` the places
/// where such are missing as well.
pub(crate) fn missing(
    feed: &Feed,
    header: &Header,
    names: &[&String],
    added: &[PayloadColumn],
    others: &[&str],
) -> PipelineError {
    let place = &header.place;
    let source_feed = feed.short_name();
    // A name that differs in blanks and the like alone, or the only one that is new.
    let alike = |name: &str| {
        let plain = |folded: &str| {
            let folded = folded.strip_prefix("src__").unwrap_or(folded);
            folded.trim_matches('_').replace('_', "")
        };
        let mut alike = added.iter().filter(|one| plain(&one.name) == plain(name));
        alike.next().filter(|_| alike.next().is_none())
    };
    let candidates: Option<Vec<(&str, &PayloadColumn)>> = match (names, added) {
        ([name], [one]) => Some(vec![(name.as_str(), one)]),
        _ => names
            .iter()
            .map(|name| Some((name.as_str(), alike(name)?)))
            .collect(),
    };
    let renames = |pairs: &[(&str, &str)]| {
        let pairs: Vec<String> = pairs
            .iter()
            .map(|(name, source)| format!("{name}: {source}"))
            .collect();
        format!("add `rename: {{ {} }}` to the feed; ", pairs.join(", "))
    };
    let renamed = match candidates.as_deref() {
        Some([(name, one)]) => format!(
            "if it is now called `{}`, {}",
            one.source_name,
            renames(&[(name, &one.name)])
        ),
        Some(several) => {
            let pairs: Vec<(&str, &str)> = several
                .iter()
                .map(|(name, one)| (*name, one.name.as_str()))
                .collect();
            format!("if these are their names now, {}", renames(&pairs))
        }
        None => {
            let name = names.first().map_or("", |name| name.as_str());
            format!("if it was renamed, {}", renames(&[(name, "NEW_NAME")]))
        }
    };
    let taken = names.iter().find_map(|name| {
        let mut renames = feed.rename.iter();
        renames.find(|(_, source)| source == name)
    });
    let renamed = match taken {
        Some((bronze, source)) => format!(
            "`rename` of the feed takes `{source}` for `{bronze}`: take that back, and let models read both, `coalesce({source}, {bronze})`; "
        ),
        None => renamed,
    };
    let has = listed(header.columns.iter());
    let what = match names {
        [name] => {
            format!("column `{name}`, which a model reads, is missing in {place}, which has {has}")
        }
        _ => format!(
            "columns {}, which models read, are missing in {place}, which has {has}",
            quoted(names.iter().map(|name| name.as_str()))
        ),
    };
    let what = match others.len().saturating_sub(LISTED_MAX) {
        _ if others.is_empty() => what,
        0 => {
            let lack = if others.len() == 1 { "lacks" } else { "lack" };
            format!("{what}; {} {lack} what models read, too", others.join(", "))
        }
        more => format!(
            "{what}; {} and {more} more lack what models read, too",
            others[..LISTED_MAX].join(", ")
        ),
    };
    PipelineError::Drift {
        table: feed.bronze.to_string(),
        what,
        hint: format!(
            "{renamed}if it is gone for good, `karat schema accept {source_feed}` loads it as null{}",
            mistaken(place)
        ),
    }
}

/// The way out where a file is wrong, and not the project: as long as it lies there, its feed waits.
fn mistaken(place: &str) -> &'static str {
    match place.starts_with('`') {
        true => "; if the file is wrong, have it delivered again, or take it away until then",
        false => "",
    }
}

/// Names of columns as the source writes them.
fn listed<'a>(columns: impl ExactSizeIterator<Item = &'a PayloadColumn>) -> String {
    let more = columns.len().saturating_sub(LISTED_MAX);
    let mut text = quoted(
        columns
            .take(LISTED_MAX)
            .map(|column| column.source_name.as_str()),
    );
    match (text.is_empty(), more) {
        (true, _) => text.push_str("none"),
        (false, 0) => {}
        (false, more) => text.push_str(&format!(" and {more} more")),
    }
    text
}

fn quoted<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

/// Whether the loads of a step have what `rename` takes for other columns.
#[derive(Default)]
pub(crate) struct Renames {
    /// Columns of bronze that were there, under the one name or the other.
    filled: BTreeSet<String>,
    /// The columns of the newest object that was seen.
    newest: Option<(String, String)>,
}

impl Renames {
    pub(crate) fn see(&mut self, headers: &[Header]) {
        for header in headers {
            let names = header.columns.iter().map(|column| column.name.clone());
            self.filled.extend(names);
            self.newest = Some((header.place.clone(), listed(header.columns.iter())));
        }
    }

    /// A note for each `rename` that none of them has: mostly its name is misspelled.
    pub(crate) fn notes(&self, feed: &Feed) -> Vec<String> {
        let Some((place, has)) = &self.newest else {
            return Vec::new();
        };
        let renames = feed.rename.iter();
        let empty = renames.filter(|(bronze, _)| !self.filled.contains(*bronze));
        empty
            .map(|(bronze, source)| {
                format!("`rename` takes `{source}` for `{bronze}`, and there is no `{source}`: {place} has {has}")
            })
            .collect()
    }
}
