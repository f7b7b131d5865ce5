//! What is said of columns that a load does not have: those that models read (B8), and those that `rename` takes for others.

use std::collections::BTreeSet;

use karat_project::Feed;

use crate::bronze::PayloadColumn;
use crate::error::PipelineError;

/// The columns of one object, or of a database's table.
pub(crate) struct Header {
    /// For a message: the object's path, or `the source`.
    pub(crate) place: String,
    pub(crate) columns: Vec<PayloadColumn>,
}

/// Columns that a message lists.
const LISTED_MAX: usize = 20;

/// The refusal of a load without columns that models read; `added` are those that it has and the table has not.
pub(crate) fn refusal(
    feed: &Feed,
    header: &Header,
    missing: &[&String],
    added: &[PayloadColumn],
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
    let candidates: Option<Vec<(&str, &PayloadColumn)>> = match (missing, added) {
        ([name], [one]) => Some(vec![(name.as_str(), one)]),
        _ => missing
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
            let name = missing.first().map_or("", |name| name.as_str());
            format!("if it was renamed, {}", renames(&[(name, "NEW_NAME")]))
        }
    };
    let has = listed(header.columns.iter());
    let what = match missing {
        [name] => {
            format!("column `{name}`, which a model reads, is missing in {place}, which has {has}")
        }
        _ => format!(
            "columns {}, which models read, are missing in {place}, which has {has}",
            quoted(missing.iter().map(|name| name.as_str()))
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
