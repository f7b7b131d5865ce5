//! What models would make of all that the lake has, without making it (A7): today's code, run in a lake of its own beside the versions that it
//! reads, and its counts held against those of the newest versions. That a version is a function of code and inputs makes the answer the one of the run.

use std::collections::{BTreeMap, BTreeSet};

use karat_lake::Lake;
use karat_project::{Graph, Layer, TableName};
use karat_receipt::Receipt;

use crate::accounting::Terms;
use crate::closing;
use crate::context::Site;
use crate::error::PipelineError;
use crate::publish::{head, own_receipt, receipt_of};
use crate::quarantine;
use crate::replay::link_version;
use crate::schedule;

/// Rows in quarantine among which the first of each rule is looked for.
const LOOKED_THROUGH_MAX: u64 = 1_000_000;

/// What came of one model.
#[derive(Debug)]
pub struct Rehearsed {
    /// Its table.
    pub table: TableName,
    /// What its newest version is; None if it has none.
    pub before: Option<Counts>,
    /// What a version of today's code over all rows would be.
    pub after: Outcome,
    /// The address of the first row in quarantine by rule.
    pub first: BTreeMap<String, String>,
}

/// What came of making it.
#[derive(Debug)]
pub enum Outcome {
    /// A version that counts this.
    Made(Counts),
    /// None, for this reason.
    Failed(PipelineError),
    /// None, since this model that it reads fails.
    Skipped(TableName),
}

impl Outcome {
    /// Why there is no version, if that lies in this model.
    #[must_use]
    pub fn error(&self) -> Option<&PipelineError> {
        match self {
            Self::Failed(error) => Some(error),
            Self::Made(_) | Self::Skipped(_) => None,
        }
    }
}

/// What a version's receipt counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counts {
    /// Its rows.
    pub rows: u64,
    /// Its fingerprint.
    pub fingerprint: String,
    /// Rows by what became of them, of the version in full.
    pub accounting: Terms,
    /// Rows that broke each rule, with its action.
    pub broken: BTreeMap<String, (String, u64)>,
}

impl Counts {
    fn of(receipt: &Receipt) -> Self {
        let rows = receipt.fingerprint.split(':').next();
        let broken = receipt.expectations.iter();
        Self {
            rows: rows.and_then(|rows| rows.parse().ok()).unwrap_or(0),
            fingerprint: receipt.fingerprint.clone(),
            accounting: receipt.accounting.clone(),
            broken: broken
                .map(|rule| (rule.name.clone(), (rule.action.clone(), rule.failed)))
                .collect(),
        }
    }
}

/// Links into `lake` the newest versions of the tables that these models read and that none of them makes.
///
/// # Errors
/// [`PipelineError::Refused`] where such a table has no version yet.
pub fn stage(site: &Site, models: &[TableName], lake: &Lake) -> Result<(), PipelineError> {
    let graph = Graph::of(&site.project);
    let made: BTreeSet<&TableName> = models.iter().collect();
    let mut linked: BTreeSet<&TableName> = BTreeSet::new();
    for model in models {
        for table in graph.inputs(model) {
            if made.contains(table) || !linked.insert(table) {
                continue;
            }
            let Some(head) = head(&site.lake.table(&table.folder()))? else {
                return Err(PipelineError::Refused {
                    what: format!(
                        "cannot rehearse `{model}`: `{table}`, which it reads, has no version yet"
                    ),
                    hint: match table.layer {
                        Layer::Bronze => "`karat run` loads it".to_owned(),
                        _ => format!("rehearse it, too: `--select +{model}`"),
                    },
                });
            };
            link_version(site, table, head.snapshot.version, head.receipt, lake)?;
        }
    }
    Ok(())
}

/// Makes each of the models, in their order, in the lake of `staged`, and compares with the newest versions of `site`.
///
/// # Errors
/// Where the record of the lake cannot be read; what a model fails with is told with it.
pub async fn rehearse(
    site: &Site,
    staged: &Site,
    models: &[TableName],
) -> Result<Vec<Rehearsed>, PipelineError> {
    let mut rehearsed: Vec<Rehearsed> = Vec::new();
    let graph = Graph::of(&site.project);
    for model in graph.order().iter().filter(|table| models.contains(table)) {
        let before = match head(&site.lake.table(&model.folder()))? {
            Some(head) => own_receipt(site, &head)?.0,
            None => None,
        };
        let not_made = rehearsed.iter().find(|other| {
            !matches!(other.after, Outcome::Made(_)) && graph.inputs(model).contains(&&other.table)
        });
        let after = match not_made {
            Some(other) => Outcome::Skipped(other.table.clone()),
            None => match made(staged, model).await {
                Ok(counts) => match closing::foreseen(site, staged, model).await? {
                    None => Outcome::Made(counts),
                    Some(error) => Outcome::Failed(error),
                },
                Err(error) => Outcome::Failed(error),
            },
        };
        let first = match &after {
            Outcome::Made(counts) => first_of_each_rule(staged, model, counts).await?,
            Outcome::Failed(_) | Outcome::Skipped(_) => BTreeMap::new(),
        };
        rehearsed.push(Rehearsed {
            table: model.clone(),
            before: before.as_ref().map(Counts::of),
            after,
            first,
        });
    }
    Ok(rehearsed)
}

async fn made(staged: &Site, model: &TableName) -> Result<Counts, PipelineError> {
    schedule::model(staged, model).await?;
    let made = match head(&staged.lake.table(&model.folder()))? {
        Some(head) => receipt_of(staged, &head)?,
        None => None,
    };
    let receipt = made.ok_or_else(|| {
        PipelineError::Internal(format!("the rehearsal of `{model}` left no version"))
    })?;
    Ok(Counts::of(&receipt))
}

async fn first_of_each_rule(
    staged: &Site,
    model: &TableName,
    counts: &Counts,
) -> Result<BTreeMap<String, String>, PipelineError> {
    let held = counts.accounting.get("quarantined").copied().unwrap_or(0);
    if held == 0 || held > LOOKED_THROUGH_MAX {
        return Ok(BTreeMap::new());
    }
    let only = BTreeSet::from([model.clone()]);
    let mut rows = quarantine::rows(staged, Some(&only)).await?;
    rows.sort_by(|left, right| left.address.cmp(&right.address));
    let mut first = BTreeMap::new();
    for row in rows {
        for rule in row.rules {
            first.entry(rule).or_insert_with(|| row.id.clone());
        }
    }
    Ok(first)
}
