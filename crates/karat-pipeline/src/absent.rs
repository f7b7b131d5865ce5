//! Feeds that name nothing in their source: worth a look before a run, and no mistake, since files and tables may come.

use std::collections::BTreeMap;

use karat_project::{Feed, Place, Project, TableName, nearest};
use karat_source::{FeedSpec, Found, Inventory};

use crate::inventories::Inventories;

/// A name that leads nowhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Absence {
    /// The bronze table that stays as it is; of an empty source the first.
    pub table: TableName,
    /// Where it is named.
    pub at: Place,
    /// What is not there.
    pub message: String,
    /// What is.
    pub hint: Option<String>,
}

/// Hints are searched for so many; a project that is wrong everywhere needs no more.
const HINTS_MAX: usize = 50;
/// Names that a hint tells.
const TOLD_MAX: usize = 3;

/// Such feeds among these, in order.
pub fn absent<'p>(
    project: &Project,
    inventories: &mut Inventories<'_>,
    feeds: impl Iterator<Item = &'p Feed>,
) -> Vec<Absence> {
    let mut by_source: BTreeMap<&str, Vec<&Feed>> = BTreeMap::new();
    for feed in feeds {
        by_source.entry(&feed.source).or_default().push(feed);
    }
    let mut absences = Vec::new();
    let mut hints_left = HINTS_MAX;
    for (name, feeds) in by_source {
        let Some(declared) = project.sources.get(name) else {
            continue;
        };
        let specs: Vec<FeedSpec> = feeds.iter().map(|feed| inventories.spec(feed)).collect();
        let (Some(inventory), Some(first)) = (inventories.source(name), feeds.first()) else {
            continue;
        };
        if inventory.is_empty() {
            absences.push(Absence {
                table: first.bronze.clone(),
                at: declared.at,
                message: format!("source `{name}` is empty"),
                hint: None,
            });
            continue;
        }
        for (feed, spec) in feeds.iter().zip(&specs) {
            absences.extend(look(feed, spec, inventory, &mut hints_left));
        }
    }
    absences
}

fn look(
    feed: &Feed,
    spec: &FeedSpec,
    inventory: &mut Inventory,
    hints_left: &mut usize,
) -> Option<Absence> {
    let Found::Nothing {
        missing,
        within,
        beside,
    } = inventory.find(spec)
    else {
        return None;
    };
    let source = &feed.source;
    let message = match (&spec.path, &spec.table) {
        (Some(pattern), _) => format!("no file matches `{pattern}` in source `{source}`"),
        (None, Some(table)) => format!("there is no table `{table}` in source `{source}`"),
        (None, None) => return None,
    };
    let hint = hints_left.checked_sub(1).map(|left| {
        *hints_left = left;
        match nearest(&missing, beside.iter().map(String::as_str)) {
            Some(near) => format!("did you mean `{within}{near}`?"),
            None => what_there_is(&within, &beside),
        }
    });
    Some(Absence {
        table: feed.bronze.clone(),
        at: feed.object_at,
        message,
        hint: hint.filter(|hint| !hint.is_empty()),
    })
}

fn what_there_is(within: &str, beside: &[String]) -> String {
    if beside.is_empty() {
        return String::new();
    }
    let told = beside[..beside.len().min(TOLD_MAX)].join(", ");
    let more = if beside.len() > TOLD_MAX { ", …" } else { "" };
    match within {
        "" => format!("there is {told}{more}"),
        _ => format!("`{within}` holds {told}{more}"),
    }
}
