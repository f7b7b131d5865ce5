//! Columns of databases that declare no type: a run never infers one (B3), so each row with a value in such a column goes into quarantine.
//! Worth a look before the first run, and no mistake, since blobs need no type.

use karat_project::{Place, Project};
use karat_source::sqlite::GIVE_A_TYPE;

use crate::inventories::Inventories;

/// A feed whose table has such columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Untyped {
    /// Where its table is named.
    pub at: Place,
    /// Which columns have no type, and what comes of it.
    pub message: String,
    /// What to do.
    pub hint: String,
}

/// Such feeds, in order.
pub fn untyped(project: &Project, inventories: &mut Inventories<'_>) -> Vec<Untyped> {
    let mut found = Vec::new();
    for feed in project.feeds() {
        let Some(table) = &feed.table else {
            continue;
        };
        let spec = inventories.spec(feed);
        let inventory = inventories.source(&feed.source);
        let columns = inventory.map_or_else(Vec::new, |inventory| inventory.untyped_of(&spec));
        let names: Vec<String> = columns.iter().map(|name| format!("`{name}`")).collect();
        let (which, they) = match names.as_slice() {
            [] => continue,
            [one] => (
                format!("column {one} of `{table}` declares no type and is"),
                "in it",
            ),
            several => (
                format!(
                    "columns {} of `{table}` declare no type and are",
                    several.join(", ")
                ),
                "in them",
            ),
        };
        found.push(Untyped {
            at: feed.object_at,
            message: format!(
                "{which} read as binary: a row with a number or a text {they} goes into quarantine"
            ),
            hint: GIVE_A_TYPE.to_owned(),
        });
    }
    found
}
