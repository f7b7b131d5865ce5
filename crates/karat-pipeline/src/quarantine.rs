//! What is held back: rows that broke rules, objects that could not be loaded (C3, B4).

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::{Array, AsArray};
use arrow::datatypes::Int64Type;
use futures::TryStreamExt;
use karat_exact::ExactError;
use karat_project::TableName;

use crate::address;
use crate::context::Site;
use crate::epochs::Epochs;
use crate::error::PipelineError;
use crate::judge::WHY;
use crate::manifest;
use crate::proven::prove;
use crate::publish::head;
use crate::read;

/// One row in quarantine.
#[derive(Debug, Clone)]
pub struct HeldRow {
    /// Its address: object, delivery, row.
    pub id: String,
    /// Silver table that it is held back from.
    pub table: String,
    /// Object that it came in.
    pub object: String,
    /// First physical line, from 1; none of a database.
    pub row: Option<i64>,
    /// Where there is no line: the beginning of the digest of cursor, key and epoch.
    pub position: Option<String>,
    /// Rules that it broke.
    pub rules: Vec<String>,
    /// What failed, where a rule's name does not tell; not known of rows that earlier versions held back.
    pub why: Option<String>,
    /// The row as JSON text: shown only when asked for (H2).
    pub content: String,
}

/// One object that is not loaded.
#[derive(Debug, Clone)]
pub struct HeldObject {
    /// Bronze table of its feed.
    pub table: String,
    /// Path relative to the source.
    pub object: String,
    /// Why.
    pub reason: String,
}

/// Rows that are held, by table and rule, in this order; a row that broke several rules counts for each.
pub fn counts(rows: &[HeldRow]) -> BTreeMap<(&str, &str), u64> {
    let mut counts = BTreeMap::new();
    for row in rows {
        for rule in &row.rules {
            *counts
                .entry((row.table.as_str(), rule.as_str()))
                .or_default() += 1;
        }
    }
    counts
}

/// The silver tables that have a quarantine in the lake.
pub fn tables(site: &Site) -> Result<Vec<TableName>, PipelineError> {
    let names = manifest::heads(&site.lake)?.into_keys();
    let silver = names.filter_map(|name| silver_of(&name)?.parse().ok());
    Ok(silver.collect())
}

/// The silver table that a quarantine table, `d_quarantine.t`, belongs to.
pub fn silver_of(name: &str) -> Option<String> {
    let (domain, table) = name.split_once("_quarantine.")?;
    Some(format!("{domain}_silver.{table}"))
}

/// What is in quarantine: rows of these silver tables (of all if None), objects of these feeds.
pub async fn list(
    site: &Site,
    only: Option<&BTreeSet<TableName>>,
    feeds: &[TableName],
) -> Result<(Vec<HeldRow>, Vec<HeldObject>), PipelineError> {
    let mut rows = Vec::new();
    for (name, (dir, head)) in manifest::heads(&site.lake)? {
        let Some(table) = silver_of(&name) else {
            continue;
        };
        let is_wanted =
            |only: &BTreeSet<TableName>| only.iter().any(|one| one.to_string() == table);
        if !only.is_none_or(is_wanted) {
            continue;
        }
        let lake_table = site.lake.table(&dir);
        let set = read::file_set(
            &lake_table,
            &head.snapshot,
            read::in_written_order(&head.snapshot),
            None,
        );
        prove(site, &lake_table, &head.snapshot.files).await?;
        let mut stream = site.engine.scan(&set, None).await?;
        while let Some(batch) = stream.try_next().await.map_err(ExactError::from)? {
            let text = |column: &str, row: usize| {
                batch
                    .column_by_name(column)
                    .and_then(|column| column.as_string_opt::<i32>())
                    .filter(|column| column.is_valid(row))
                    .map(|column| column.value(row).to_owned())
                    .unwrap_or_default()
            };
            let number = |column: &str, row: usize| {
                batch
                    .column_by_name(column)
                    .and_then(|column| column.as_primitive_opt::<Int64Type>())
                    .filter(|column| column.is_valid(row))
                    .map(|column| column.value(row))
            };
            for row in 0..batch.num_rows() {
                let line = number("_row", row);
                rows.push(HeldRow {
                    id: address::of(&batch, row),
                    table: table.clone(),
                    object: text("_object", row),
                    row: line,
                    position: match line {
                        Some(_) => None,
                        None => address::position(&batch, row),
                    },
                    rules: text("rules", row).split(',').map(str::to_owned).collect(),
                    why: Some(text(WHY, row)).filter(|why| !why.is_empty()),
                    content: text("row", row),
                });
            }
        }
    }
    Ok((rows, objects(site, feeds)?))
}

/// Objects of these feeds that are broken or held, each in its newest delivery.
fn objects(site: &Site, feeds: &[TableName]) -> Result<Vec<HeldObject>, PipelineError> {
    let mut held = Vec::new();
    for bronze in feeds {
        let head = head(&site.lake.table(&bronze.folder()))?;
        let epochs = Epochs::read(&site.lake, bronze, head.as_ref().map(|head| &head.snapshot))?;
        for object in epochs.newest_objects() {
            if let Some(reason) = &object.broken {
                held.push(HeldObject {
                    table: bronze.to_string(),
                    object: object.path.clone(),
                    reason: reason.clone(),
                });
            }
        }
    }
    Ok(held)
}
