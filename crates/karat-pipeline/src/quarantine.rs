//! What is held back: rows that broke rules, objects that could not be loaded (C3, B4).

use arrow::array::{Array, AsArray};
use arrow::datatypes::Int64Type;
use futures::TryStreamExt;
use karat_exact::ExactError;

use crate::context::Site;
use crate::epochs::Epochs;
use crate::error::PipelineError;
use crate::manifest;
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
    /// First physical line, from 1.
    pub row: Option<i64>,
    /// Rules that it broke.
    pub rules: Vec<String>,
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

/// Everything in quarantine.
pub async fn list(site: &Site) -> Result<(Vec<HeldRow>, Vec<HeldObject>), PipelineError> {
    let mut rows = Vec::new();
    for (name, (dir, head)) in manifest::heads(&site.lake)? {
        let Some((domain, _)) = name.split_once("_quarantine.") else {
            continue;
        };
        let table = format!(
            "{domain}_silver.{}",
            name.rsplit('.').next().unwrap_or_default()
        );
        let lake_table = site.lake.table(&dir);
        let set = read::file_set(
            &lake_table,
            &head.snapshot,
            read::in_written_order(&head.snapshot),
            None,
        );
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
                let object = text("_object", row);
                let line = number("_row", row);
                let delivery = number("_delivery", row).unwrap_or(1);
                rows.push(HeldRow {
                    id: format!(
                        "{object}@{delivery}:{}",
                        line.map_or_else(String::new, |line| line.to_string())
                    ),
                    table: table.clone(),
                    object,
                    row: line,
                    rules: text("rules", row).split(',').map(str::to_owned).collect(),
                    content: text("row", row),
                });
            }
        }
    }
    Ok((rows, objects(site).await?))
}

/// Objects that are broken or held, each in its newest delivery.
async fn objects(site: &Site) -> Result<Vec<HeldObject>, PipelineError> {
    let mut held = Vec::new();
    for feed in site.project.feeds() {
        let table = site.lake.table(&feed.bronze.folder());
        let head = head(&table)?;
        let epochs = Epochs::read(
            &site.lake,
            &feed.bronze,
            head.as_ref().map(|head| &head.snapshot),
        )?;
        let objects = epochs.objects();
        for (_, object) in &objects {
            let newest = objects
                .iter()
                .filter(|(_, other)| other.path == object.path)
                .map(|(_, other)| other.delivery)
                .max();
            if let Some(reason) = &object.broken
                && newest == Some(object.delivery)
            {
                held.push(HeldObject {
                    table: feed.bronze.to_string(),
                    object: object.path.clone(),
                    reason: reason.clone(),
                });
            }
        }
    }
    Ok(held)
}
