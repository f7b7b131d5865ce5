//! Files beside those of a feed that it passes over because of a letter or an ending: `orders.csv.gz` beside `orders*.csv`. Worth a note,
//! and no mistake: they may be there for others.

use std::collections::BTreeMap;

use karat_project::{Feed, Project, TableName};
use karat_source::FeedSpec;

use crate::inventories::Inventories;

/// Names that a note tells.
const TOLD_MAX: usize = 3;

/// What is passed over, in words, by feed.
pub fn near_misses<'p>(
    project: &'p Project,
    inventories: &mut Inventories<'_>,
    feeds: impl Iterator<Item = &'p Feed>,
) -> Vec<(TableName, String)> {
    let mut by_source: BTreeMap<&str, Vec<&Feed>> = BTreeMap::new();
    for feed in feeds.filter(|feed| feed.path.is_some()) {
        by_source.entry(&feed.source).or_default().push(feed);
    }
    let mut told = Vec::new();
    for (name, feeds) in by_source {
        let of_source = project.feeds().filter(|feed| feed.source == name);
        let all: Vec<FeedSpec> = of_source.map(|feed| inventories.spec(feed)).collect();
        let specs: Vec<FeedSpec> = feeds.iter().map(|feed| inventories.spec(feed)).collect();
        let Some(inventory) = inventories.source(name) else {
            continue;
        };
        for (feed, spec) in feeds.into_iter().zip(&specs) {
            let missed = inventory.near_misses(spec, &all);
            if let Some(note) = note(feed, &missed) {
                told.push((feed.bronze.clone(), note));
            }
        }
    }
    told
}

fn note(feed: &Feed, missed: &[String]) -> Option<String> {
    let names: Vec<String> = missed
        .iter()
        .take(TOLD_MAX)
        .map(|path| format!("`{path}`"))
        .collect();
    let names = names.join(", ");
    let (verb, it, its) = match missed.len() {
        0 => return None,
        1 => ("is", "it belongs", "its name does"),
        _ => ("are", "they belong", "their names do"),
    };
    let more = match missed.len().saturating_sub(TOLD_MAX) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let pattern = feed.path.as_deref().unwrap_or_default();
    Some(format!(
        "{names}{more} {verb} not read: {its} not match `{pattern}`; widen `path` of the feed if {it} to it"
    ))
}
