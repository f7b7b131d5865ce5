//! A range of a cursor's source read again, as a new load (A8): rows that were late, or changed behind the position and the lag.
//!
//! What bronze has is compared as with every load of a cursor (B7): rows that are as they were read last are not appended. The position stays
//! where it is.

use karat_project::{Feed, Mode, ModelKind, TableName};
use karat_receipt::Digest;
use serde_json::Value;

use crate::accounting::Terms;
use crate::at_work;
use crate::context::Site;
use crate::error::PipelineError;
use crate::ingest::{self, LoadedRange};
use crate::manifest::{self, Ending};
use crate::position::cursor_cell;
use crate::repair::silver_over;
use crate::schedule::{Sources, columns_read_of};
use crate::step::{StepReport, StepStatus};
use crate::undo;

/// Values of the cursor, as its column has them; both belong to the range.
#[derive(Debug, Clone)]
pub struct Range {
    /// The least.
    pub from: String,
    /// The greatest.
    pub to: String,
}

/// What a backfill came to, or would come to.
#[derive(Debug)]
pub struct Backfilled {
    /// Rows: `read`, `kept`, `unchanged`.
    pub rows: Terms,
    /// The load; none of a plan, or where nothing was new.
    pub step: Option<StepReport>,
    /// Silver tables over the feed: the next run takes the rows in.
    pub models: Vec<TableName>,
    /// Of these, those in which a row that changed would stand beside what it was before.
    pub beside: Vec<TableName>,
    /// Head of the newest manifest.
    pub head: Option<Digest>,
}

/// Numbers of a cursor of numbers are compared as such, all else by its bytes, as the source does (B7).
fn ends_before_it_begins(from: &Value, to: &Value) -> bool {
    let number = |value: &Value| match &value["real"] {
        Value::String(text) => text.parse::<f64>().ok(),
        _ => value.as_f64(),
    };
    match (from, to) {
        (Value::String(from), Value::String(to)) => to < from,
        _ => match (from.as_i64(), to.as_i64()) {
            (Some(from), Some(to)) => to < from,
            _ => number(to) < number(from),
        },
    }
}

/// Reads a range again; a plan reads it, too, and writes nothing.
pub async fn backfill(
    site: &Site,
    sources: &dyn Sources,
    feed: &Feed,
    range: &Range,
    is_planned: bool,
) -> Result<Backfilled, PipelineError> {
    let Some(cursor) = feed
        .cursor
        .as_ref()
        .filter(|_| feed.mode == Mode::Incremental)
    else {
        return Err(PipelineError::Refused {
            what: format!(
                "`{}` has no cursor: there is no range of it to read again",
                feed.bronze
            ),
            hint: "a file that is delivered again with other content is loaded by the next run; what was undone comes back with `karat position reset`".to_owned(),
        });
    };
    let from = cursor_cell(site, sources, feed, &cursor.column, &range.from)?;
    let to = cursor_cell(site, sources, feed, &cursor.column, &range.to)?;
    if ends_before_it_begins(&from, &to) {
        return Err(PipelineError::Refused {
            what: format!("the range of `{}` ends before it begins", feed.bronze),
            hint: "give the least value with `--from`, the greatest with `--to`; texts are ordered by their bytes".to_owned(),
        });
    }
    let source = sources.open(&feed.source)?;
    let spec = sources.spec(feed);
    let reads = columns_read_of(&site.project, &feed.bronze);
    let of_range = LoadedRange {
        feed,
        spec: &spec,
        source: &source,
        reads: &reads,
        from,
        to,
    };
    let models = silver_over(site, &feed.bronze);
    let beside = models
        .iter()
        .filter(|table| {
            let model = site.project.model(table);
            model.is_some_and(|model| match &model.kind {
                ModelKind::Silver(silver) => silver.auto_cdc.is_none(),
                ModelKind::Gold(_) => false,
            })
        })
        .cloned()
        .collect();
    if is_planned {
        return Ok(Backfilled {
            rows: ingest::foresee_range(site, &of_range).await?,
            step: None,
            models,
            beside,
            head: None,
        });
    }
    let tables = [feed.bronze.clone()];
    let _mark = at_work::begin(site, &tables)?;
    undo::finish_open(site, &tables).await?;
    let step = ingest::load_range(site, &of_range).await?;
    let is_done = step.status == StepStatus::Done;
    let ending = match is_done {
        true => Ending::Whole,
        false => Ending::Nothing,
    };
    let head = manifest::write(site, ending)?;
    Ok(Backfilled {
        rows: step.rows.clone(),
        step: is_done.then_some(step),
        models,
        beside,
        head,
    })
}
