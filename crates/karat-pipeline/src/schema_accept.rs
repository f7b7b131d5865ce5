//! What a person accepted of a feed's changed schema (B8): kept in the lake, so that every machine knows.

use std::collections::BTreeSet;
use std::sync::Arc;

use karat_lake::{Lake, Put};
use karat_project::{Feed, TableName};
use karat_receipt::Accepted;
use karat_source::{FeedSpec, Source};

use crate::bronze::{PayloadColumn, bronze_name, drift};
use crate::context::Site;
use crate::error::PipelineError;
use crate::ingest::ColumnsRead;
use crate::layout;
use crate::publish::head;

/// Columns whose absence was accepted.
pub fn accepted_missing(lake: &Lake, table: &TableName) -> Result<BTreeSet<String>, PipelineError> {
    let folder = layout::accepted(table);
    let mut accepted = BTreeSet::new();
    for name in lake.list(&folder)? {
        let Some(bytes) = lake.get(&format!("{folder}/{name}"))? else {
            continue;
        };
        accepted.extend(Accepted::from_bytes(&bytes)?.missing);
    }
    Ok(accepted)
}

/// Accepts that these columns are missing from now on.
pub fn accept(site: &Site, table: &TableName, missing: &[String]) -> Result<(), PipelineError> {
    let folder = layout::accepted(table);
    let mut note = Accepted {
        feed: table.to_string(),
        number: site.lake.list(&folder)?.len() as u64 + 1,
        missing: missing.to_vec(),
        principal: site.context.principal.clone(),
        logical_time: site.context.logical_time.clone(),
    };
    loop {
        let path = format!("{folder}/{}.json", note.number);
        match site.lake.put_if_absent(&path, &note.to_bytes())? {
            Put::Created => return Ok(()),
            Put::Exists => note.number += 1,
        }
    }
}

/// Columns that models read and that the next loads of a feed lack.
pub async fn missing_now(
    site: &Site,
    feed: &Feed,
    spec: &FeedSpec,
    source: &Arc<dyn Source>,
    read_by_models: &ColumnsRead,
) -> Result<BTreeSet<String>, PipelineError> {
    let Some(head) = head(&site.lake.table(&feed.bronze.folder()))? else {
        return Ok(BTreeSet::new());
    };
    let accepted = accepted_missing(&site.lake, &feed.bronze)?;
    let planned = crate::ingest::plan(site, feed, spec, source).await?;
    let mut headers = Vec::new();
    for load in &planned.loads {
        if load.objects.is_empty() {
            headers.extend(load.header.clone());
        }
        for object in load.objects.iter().filter(|object| object.broken.is_none()) {
            headers.extend(source.header(spec, Some(object))?);
        }
    }
    let mut missing = BTreeSet::new();
    for header in headers {
        let columns: Vec<PayloadColumn> = header
            .into_iter()
            .map(|column| PayloadColumn {
                name: bronze_name(&column.name, &feed.rename),
                source_name: column.source_name,
                data_type: column.data_type,
            })
            .collect();
        missing.extend(drift(&head.snapshot.schema, &columns).missing);
    }
    missing.retain(|name| read_by_models.contains(name) && !accepted.contains(name));
    Ok(missing)
}
