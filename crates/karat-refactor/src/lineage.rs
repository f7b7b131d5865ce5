//! Lineage: the tables that an asset reads and writes, and what the mapping makes of them. Where that is not known, the place is open.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::asset::AssetReport;
use crate::mapping::{DatabaseLookup, Mapping, TableLookup, quoted};
use crate::occurrence::{NotATable, Role, Subject, Verdict};
use crate::reader::name_parts;

/// A table that is read or written; names as [`crate::Occurrence::tables`] writes them.
pub type Used = (Role, String);

/// The lineage of one asset.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lineage {
    /// Tables that are known, as they are named now, and where.
    pub places: BTreeMap<Used, Vec<Range<usize>>>,
    /// Those of them that are rewritten, and their new names.
    pub moved: BTreeMap<Used, String>,
    /// Where a table may stand that is not known, or that a person must see.
    pub open: Vec<Range<usize>>,
}

impl Lineage {
    /// The lineage that a report tells.
    pub fn of(report: &AssetReport, mapping: &Mapping) -> Self {
        let mut lineage = Self::default();
        for occurrence in &report.occurrences {
            let moves = match &occurrence.verdict {
                Verdict::NeedsPerson { .. } => {
                    lineage.open.push(occurrence.range.clone());
                    continue;
                }
                Verdict::Rewritten { .. } => true,
                Verdict::NotATable {
                    reason: NotATable::AlreadyThreePart,
                } => false,
                Verdict::NotATable { .. } => continue,
            };
            if occurrence.subject != Subject::Table || occurrence.role == Role::Name {
                continue;
            }
            if occurrence.tables.is_empty() {
                lineage.open.push(occurrence.range.clone());
            }
            for table in &occurrence.tables {
                let used = (occurrence.role, table.clone());
                if let Some(new) = new_name(table, mapping).filter(|_| moves) {
                    lineage.moved.insert(used.clone(), new);
                }
                let places = lineage.places.entry(used).or_default();
                places.push(occurrence.range.clone());
            }
        }
        lineage
    }
}

/// What the mapping makes of a table of the metastore, in lower case; `None` for other tables and those that it does not know.
pub fn new_name(table: &str, mapping: &Mapping) -> Option<String> {
    let lower = |parts: [&str; 2]| parts.map(|part| quoted(&part.to_lowercase())).join(".");
    if let Some(database) = table.strip_suffix(".*") {
        let [database] = name_parts(database, 0..database.len())?.try_into().ok()?;
        return match mapping.database(&database.text) {
            DatabaseLookup::One(new) => Some(format!("{}.*", lower([&new.catalog, &new.schema]))),
            _ => None,
        };
    }
    let [database, table] = name_parts(table, 0..table.len())?.try_into().ok()?;
    match mapping.table(&database.text, &table.text) {
        TableLookup::Mapped(new) => {
            let table = quoted(&new.table.to_lowercase());
            Some(format!("{}.{table}", lower([&new.catalog, &new.schema])))
        }
        _ => None,
    }
}
