//! Why a row is what it is: the rows of the versions that its version was made from, down to the objects and lines that were received.
//!
//! Recorded code is asked, over recorded versions, in a lake of their own that [`crate::replay`] stages; the lake itself is only read.

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use futures::TryStreamExt;
use karat_exact::fingerprint::row_hashes;
use karat_exact::{ExactError, Prepared, Purpose, Tables};
use karat_project::{ModelKind, TableName};

use crate::context::Site;
use crate::error::PipelineError;
use crate::gold::unique_key;
use crate::ingest::arrow_error;
use crate::publish::head;
use crate::read;
use crate::repairs::Repair;
use crate::replay::Recorded;
use crate::silver::SilverStep;

/// What stands behind a row of a gold table.
pub struct Explained {
    /// Whether recorded code makes the same row from exactly the rows that are told.
    pub same: bool,
    /// The rows, by table.
    pub sources: Vec<Source>,
    /// Tables that are read as well, and whose part in the row cannot be told: a subquery, or rows that a join does not show.
    pub untold: Vec<String>,
}

/// Rows of one table that stand behind a row; equal rows are told once.
pub struct Source {
    /// The table.
    pub table: TableName,
    /// The version that was read.
    pub version: i64,
    /// How many there are.
    pub count: u64,
    /// The first of them.
    pub rows: RecordBatch,
}

/// A row of bronze that stands behind a row of silver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// The row of silver, by its place among those that were asked for.
    pub of: usize,
    /// Object, delivery and line, or position: `orders.csv@1:6`.
    pub address: String,
    /// What it says: I, U, D, R.
    pub op: String,
    /// The load that brought it.
    pub epoch: i64,
    /// The run of that load.
    pub run: String,
    /// The logical time of that run.
    pub loaded_at: String,
    /// The repair that stands in its place (C3).
    pub repair: Option<Repair>,
}

/// The one row of a version for which a condition holds.
pub async fn row_where(
    site: &Site,
    of: &Recorded,
    condition: Option<&str>,
) -> Result<RecordBatch, PipelineError> {
    let (name, version) = (&of.table, of.receipt.version);
    let table = site.lake.table(&name.folder());
    let Some(snapshot) = table.load_at(version)? else {
        return Err(PipelineError::Refused {
            what: format!("`{name}@{version}` is gone"),
            hint: format!("`karat receipt list {name}` lists the versions"),
        });
    };
    let files = read::in_written_order(&snapshot);
    crate::proven::prove(site, &table, files.iter().copied()).await?;
    let mut tables = Tables::new();
    let set = read::file_set(&table, &snapshot, files, unique_key(&site.project, name));
    tables.insert(&name.schema(), &name.table, set)?;
    let text = match condition {
        Some(condition) => format!("select * from {name} where {condition}"),
        None => format!("select * from {name}"),
    };
    let purpose = Purpose::Query { strict: false };
    let prepared = site.engine.prepare(&text, &tables, &purpose);
    let prepared = prepared.map_err(|error| PipelineError::Refused {
        what: format!(
            "cannot look for the row of `{name}@{version}`: {}",
            error.message
        ),
        hint: error
            .hint
            .unwrap_or_else(|| "write `--where` like the WHERE of a query on the table".to_owned()),
    })?;
    let (rows, count) = first_rows(site, &prepared, 1).await?;
    if count == 1 {
        return Ok(rows);
    }
    let found = match count {
        0 => "no row".to_owned(),
        count => format!("{count} rows"),
    };
    let of_what = condition.map_or_else(String::new, |condition| format!(" where {condition}"));
    Err(PipelineError::Refused {
        what: format!("`{name}@{version}` has {found}{of_what}: one is explained"),
        hint: "say which with `--where`, like `--where \"day = date '2026-01-05'\"`".to_owned(),
    })
}

/// The first rows of an answer, and how many there are.
async fn first_rows(
    site: &Site,
    prepared: &Prepared,
    limit: usize,
) -> Result<(RecordBatch, u64), PipelineError> {
    let mut stream = site.engine.stream(prepared).await?;
    let (mut first, mut kept, mut count) = (Vec::new(), 0, 0);
    while let Some(batch) = stream.try_next().await.map_err(ExactError::from)? {
        count += batch.num_rows() as u64;
        let rows = batch.num_rows().min(limit - kept);
        if rows > 0 {
            kept += rows;
            first.push(batch.slice(0, rows));
        }
    }
    let rows = concat_batches(&prepared.schema(), &first).map_err(arrow_error)?;
    Ok((rows, count))
}

/// What stands behind a row of a gold version, in the lake that was staged for it.
pub async fn of_gold(
    staged: &Site,
    of: &Recorded,
    row: &RecordBatch,
    limit: usize,
) -> Result<Explained, PipelineError> {
    let model = staged.project.model(&of.table);
    let Some(ModelKind::Gold(gold)) = model.map(|model| &model.kind) else {
        return Err(PipelineError::Internal(format!(
            "`{}` is no gold model",
            of.table
        )));
    };
    let mut tables = Tables::new();
    let mut versions = BTreeMap::new();
    for input in &of.receipt.inputs {
        let name: TableName = input
            .table
            .parse()
            .map_err(|_| PipelineError::Internal(format!("a receipt names `{}`", input.table)))?;
        let table = staged.lake.table(&name.folder());
        let Some(head) = head(&table)? else { continue };
        let files = read::in_written_order(&head.snapshot);
        crate::proven::prove(staged, &table, files.iter().copied()).await?;
        let key = unique_key(&staged.project, &name);
        let set = read::file_set(&table, &head.snapshot, files, key);
        tables.insert(&name.schema(), &name.table, set)?;
        versions.insert(input.table.clone(), (name, head.snapshot.version));
    }
    let origins = staged.engine.prepare_origins(&gold.sql, &tables, row);
    let origins = origins.map_err(|error| PipelineError::Sql {
        at: None,
        table: of.table.to_string(),
        error,
    })?;
    let (again, count) = first_rows(staged, &origins.again, 1).await?;
    // Equal rows are one as good as the other.
    let same = count > 0 && row_hashes(&again)? == row_hashes(row)?;
    let mut sources: Vec<Source> = Vec::new();
    for (table, rows) in origins.tables {
        let Some((table, version)) = versions.get(&table).cloned() else {
            continue;
        };
        let (rows, count) = first_rows(staged, &rows, limit).await?;
        if count == 0 {
            continue;
        }
        sources.push(Source {
            table,
            version,
            count,
            rows,
        });
    }
    Ok(Explained {
        same,
        sources,
        untold: origins.untold,
    })
}

/// What was received of the keys of some rows of a silver version, in the lake that was staged for it.
pub async fn of_silver(
    staged: &Site,
    of: &Recorded,
    rows: &RecordBatch,
) -> Result<Vec<Received>, PipelineError> {
    let Some(model) = staged.project.model(&of.table) else {
        return Err(PipelineError::Internal(format!(
            "`{}` is no model",
            of.table
        )));
    };
    let ModelKind::Silver(silver) = &model.kind else {
        return Err(PipelineError::Internal(format!(
            "`{}` is no silver model",
            of.table
        )));
    };
    match staged.project.feed(&silver.from) {
        Some(feed) => {
            SilverStep::new(staged, model, silver, feed)
                .received(rows)
                .await
        }
        None => Err(PipelineError::Internal(format!(
            "`{}` reads no feed",
            of.table
        ))),
    }
}
