//! What is held back: rows that broke rules, objects that could not be loaded (C3, B4); and what people repaired of it.

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::util::display::array_value_to_string;
use futures::TryStreamExt;
use karat_exact::ExactError;
use karat_project::TableName;

use crate::address::{self, Address, Columns};
use crate::context::Site;
use crate::deliveries::{self, FullLoads};
use crate::epochs::Epochs;
use crate::error::PipelineError;
use crate::ingest::arrow_error;
use crate::judge::WHY;
use crate::manifest;
use crate::proven::prove;
use crate::publish::{Head, head, own_receipt};
use crate::read;
use crate::repairs::{Repair, Repairs};
use crate::{bronze, row_json};

/// One row in quarantine.
#[derive(Debug, Clone)]
pub struct HeldRow {
    /// Its address: object, delivery, row.
    pub id: String,
    /// The same in its parts.
    pub address: Address,
    /// Silver table that it is held back from.
    pub table: String,
    /// Bronze table that it lies in; None where no receipt tells.
    pub bronze: Option<TableName>,
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
    /// The repair that counts for it, and whether the table was made before that.
    pub repair: Option<(Repair, bool)>,
}

/// Whether a repair counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It stands in the place of its row.
    Counts,
    /// A newer repair of the row does.
    Replaced,
    /// The delivery of its row is not read any more.
    Lapsed,
}

impl Standing {
    /// The word for people and scripts.
    pub fn word(self) -> &'static str {
        match self {
            Self::Counts => "counts",
            Self::Replaced => "replaced",
            Self::Lapsed => "lapsed",
        }
    }
}

/// One repair of a row.
#[derive(Debug, Clone)]
pub struct RepairedRow {
    /// Address of the row.
    pub id: String,
    /// Bronze table that it lies in.
    pub table: TableName,
    /// What it is: kind, rules, who, why.
    pub repair: Repair,
    /// The run that made it.
    pub run: String,
    /// When: the logical time of that run.
    pub at: String,
    /// Whether it counts.
    pub standing: Standing,
    /// Silver tables that were made before it, where it counts.
    pub waiting: Vec<String>,
    /// The row that it puts in the place of the other, as JSON text: shown only when asked for (H2).
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
    Ok((rows(site, only).await?, objects(site, feeds)?))
}

/// The rows in quarantine of these silver tables, of all if None.
pub async fn rows(
    site: &Site,
    only: Option<&BTreeSet<TableName>>,
) -> Result<Vec<HeldRow>, PipelineError> {
    let mut rows = Vec::new();
    let mut repairs: BTreeMap<TableName, Repairs> = BTreeMap::new();
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
        let bronze = input_of(site, &head)?;
        if let Some(bronze) = &bronze
            && !repairs.contains_key(bronze)
        {
            repairs.insert(bronze.clone(), in_force(site, bronze).await?);
        }
        let made_with = made_with(site, &table)?;
        let repaired: BTreeMap<Address, &Repair> = bronze
            .iter()
            .filter_map(|bronze| repairs.get(bronze))
            .flat_map(|repairs| {
                let newest = repairs.newest().into_iter();
                newest.map(move |(address, _, row)| (address, repairs.repair(row)))
            })
            .collect();
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
            let columns = Columns::of(&batch);
            for row in 0..batch.num_rows() {
                let line = columns.line(row);
                let address = columns.at(row);
                let repair = repaired.get(&address).map(|repair| {
                    let waits = repair.epoch > made_with;
                    ((*repair).clone(), waits)
                });
                rows.push(HeldRow {
                    id: address.to_string(),
                    address,
                    table: table.clone(),
                    bronze: bronze.clone(),
                    repair,
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
    Ok(rows)
}

/// The bronze table whose rows a quarantine table holds back, as its newest own receipt says.
fn input_of(site: &Site, quarantine: &Head) -> Result<Option<TableName>, PipelineError> {
    let (receipt, _) = match quarantine.receipt {
        Some(_) => own_receipt(site, quarantine)?,
        None => (None, false),
    };
    let inputs = receipt.map(|receipt| receipt.inputs).unwrap_or_default();
    Ok(inputs.first().and_then(|input| input.table.parse().ok()))
}

/// The newest repair that the newest version of a silver table was made with.
fn made_with(site: &Site, silver: &str) -> Result<i64, PipelineError> {
    let Ok(table) = silver.parse::<TableName>() else {
        return Ok(0);
    };
    let head = head(&site.lake.table(&table.folder()))?;
    let epochs = Epochs::read(&site.lake, &table, head.as_ref().map(|head| &head.snapshot))?;
    let last = epochs.last_done();
    let repairs = last.and_then(|intent| intent.to["repair_epoch"].as_i64());
    Ok(repairs.unwrap_or(0))
}

/// The repairs of a feed that count, as far as the project says what of it is read.
async fn in_force(site: &Site, bronze: &TableName) -> Result<Repairs, PipelineError> {
    let table = site.lake.table(&bronze.folder());
    let Some(head) = head(&table)? else {
        return Ok(Repairs::default());
    };
    let repairs = Repairs::read(site, &table, &head).await?;
    match site.project.feed(bronze) {
        Some(feed) => {
            let loads = Epochs::read(&site.lake, bronze, Some(&head.snapshot))?;
            let reading = deliveries::reading(
                feed,
                &loads,
                loads.committed(),
                FullLoads::read_of(&site.project, feed),
            );
            Ok(repairs.in_force(&reading))
        }
        None => Ok(repairs),
    }
}

/// Every repair of rows of these feeds, oldest first.
pub async fn repaired(site: &Site, feeds: &[TableName]) -> Result<Vec<RepairedRow>, PipelineError> {
    let mut found = Vec::new();
    let mut silver: Vec<(String, Option<TableName>, i64)> = Vec::new();
    for (name, (_, head)) in manifest::heads(&site.lake)? {
        if name
            .split_once('.')
            .is_some_and(|(schema, _)| schema.ends_with("_silver"))
        {
            let made_with = made_with(site, &name)?;
            silver.push((name, input_of(site, &head)?, made_with));
        }
    }
    for bronze in feeds {
        let table = site.lake.table(&bronze.folder());
        let Some(head) = head(&table)? else { continue };
        let all = Repairs::read(site, &table, &head).await?;
        let Some(rows) = all.rows() else { continue };
        let newest: BTreeSet<usize> = all.newest().into_iter().map(|(.., row)| row).collect();
        let in_force = in_force(site, bronze).await?;
        let counting: BTreeSet<usize> =
            in_force.newest().into_iter().map(|(.., row)| row).collect();
        for (address, row) in all.all() {
            let repair = all.repair(row).clone();
            let standing = match (counting.contains(&row), newest.contains(&row)) {
                (true, _) => Standing::Counts,
                (false, true) => Standing::Lapsed,
                (false, false) => Standing::Replaced,
            };
            let made_before = silver.iter().filter(|(_, input, made_with)| {
                standing == Standing::Counts
                    && input.as_ref() == Some(bronze)
                    && *made_with < repair.epoch
            });
            found.push(RepairedRow {
                id: address.to_string(),
                table: bronze.clone(),
                run: text_of(rows, "_run", row),
                at: loaded_at(rows, row)?,
                standing,
                waiting: made_before.map(|(name, ..)| name.clone()).collect(),
                content: content(rows, row)?,
                repair,
            });
        }
    }
    Ok(found)
}

fn text_of(rows: &RecordBatch, name: &str, row: usize) -> String {
    let column = rows.column_by_name(name);
    let column = column.and_then(|column| column.as_string_opt::<i32>());
    let column = column.filter(|column| column.is_valid(row));
    column.map_or_else(String::new, |column| column.value(row).to_owned())
}

fn loaded_at(rows: &RecordBatch, row: usize) -> Result<String, PipelineError> {
    let Some(column) = rows.column_by_name("_loaded_at") else {
        return Ok(String::new());
    };
    array_value_to_string(column, row).map_err(arrow_error)
}

/// The payload of one row as JSON text.
fn content(rows: &RecordBatch, row: usize) -> Result<String, PipelineError> {
    let schema = rows.schema();
    let payload = bronze::payload(&schema).into_iter();
    let payload: Vec<String> = payload.map(|field| field.name().clone()).collect();
    let rows = row_json::rows_as_json(&rows.slice(row, 1), &payload)?;
    Ok(rows.into_iter().next().unwrap_or_default())
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
