//! The outcome of a query (rule E5): its rows, or the first error in text order of those that are part of the answer.
//!
//! The plan runs with functions that fail, at full speed. If none fails, no error was anywhere, and the rows are the answer. If one
//! does, it may have failed on a row that is no part of the answer, or not be the first: then the plan that carries errors as values
//! ([`crate::carried`]) decides. The outcome is the same either way, so it depends on nothing but the tables.

use std::collections::BTreeSet;
use std::path::PathBuf;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Int32Type, SchemaRef};
use datafusion::common::DataFusionError;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::StreamExt;

use crate::BatchStream;
use crate::carried::Carried;
use crate::damaged;
use crate::error::ExactError;
use crate::memory;
use crate::panics::caught_in;
use crate::query::{cannot_run, normalise};

/// How DataFusion says that the predicate of a scan failed.
const IN_SCAN: &str = "Error evaluating filter predicate";

/// The rows of a plan in the types of `schema`.
pub(crate) async fn outcome(
    state: SessionState,
    plan: &LogicalPlan,
    carried: Option<Result<Carried, String>>,
    schema: SchemaRef,
) -> Result<BatchStream, ExactError> {
    let mut run = Run {
        given: 0,
        files: BTreeSet::new(),
        rows: None,
        decides: None,
        carried,
        schema: schema.clone(),
        state,
    };
    match run.carried.take() {
        Some(Ok(carried)) if carried.alone => run.carry(carried).await?,
        carried => {
            run.carried = carried;
            if let Err(error) = run.start(plan).await {
                run.decide(error).await?;
            }
        }
    }
    let rows = futures::stream::try_unfold(run, Run::next);
    Ok(Box::pin(RecordBatchStreamAdapter::new(schema, rows)))
}

struct Run {
    /// Rows given so far. Every answer has one order, so a second run begins with the same.
    given: usize,
    rows: Option<BatchStream>,
    /// What the plan that runs reads.
    files: BTreeSet<PathBuf>,
    /// The carried plan, once it runs.
    decides: Option<Decision>,
    carried: Option<Result<Carried, String>>,
    schema: SchemaRef,
    state: SessionState,
}

struct Decision {
    carried: Carried,
    /// Rows to pass over.
    skip: usize,
    /// The first error so far.
    first: Option<i32>,
}

impl Run {
    async fn start(&mut self, plan: &LogicalPlan) -> Result<(), ExactError> {
        let started = caught_in(async {
            let physical = memory::physical(&self.state, plan).await;
            let physical = physical.map_err(cannot_run)?;
            self.files = damaged::files(&physical);
            self.rows = Some(memory::run(&self.state, plan, physical).await?);
            Ok(())
        })
        .await;
        match started {
            Ok(started) => started,
            Err(panic) => Err(damaged::named(panic, std::mem::take(&mut self.files)).await),
        }
    }

    async fn next(mut self) -> Result<Option<(RecordBatch, Run)>, DataFusionError> {
        loop {
            let batch = match &mut self.rows {
                Some(rows) => match caught_in(rows.next()).await {
                    Ok(batch) => batch,
                    Err(panic) => {
                        self.rows = None;
                        let files = std::mem::take(&mut self.files);
                        return Err(damaged::named(panic, files).await.into());
                    }
                },
                None => None,
            };
            let batch = match batch {
                Some(Ok(batch)) => batch,
                Some(Err(error)) => {
                    self.decide(error.into()).await?;
                    continue;
                }
                None => {
                    let failed = self.decides.as_ref();
                    let failed = failed.and_then(|d| Some(d.carried.failures.error(d.first?)));
                    return match failed {
                        Some(error) => Err(error.into()),
                        None => Ok(None),
                    };
                }
            };
            let batch = match &mut self.decides {
                None => batch,
                Some(decision) => match decision.sure(&batch)? {
                    Some(batch) => batch,
                    None => continue,
                },
            };
            match normalise(&batch, &self.schema) {
                Ok(batch) => {
                    self.given += batch.num_rows();
                    return Ok(Some((batch, self)));
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Runs the plan that carries errors, if the failure may be one of a row.
    async fn decide(&mut self, error: ExactError) -> Result<(), ExactError> {
        let of_a_row = match &error {
            ExactError::Overflow(_)
            | ExactError::DivideByZero(_)
            | ExactError::Conversion(_)
            | ExactError::NotA { .. }
            | ExactError::Domain(_)
            | ExactError::ManyRows => true,
            // Of a predicate that the scan evaluates DataFusion keeps the text alone.
            ExactError::Internal(text) => text.contains(IN_SCAN),
            ExactError::Io { source, .. } => source.to_string().contains(IN_SCAN),
            _ => false,
        };
        match self.carried.take().filter(|_| of_a_row) {
            None => Err(damaged::named(error, std::mem::take(&mut self.files)).await),
            Some(Ok(carried)) => {
                tracing::debug!(%error, "an expression failed: the plan that carries errors decides");
                self.carry(carried).await
            }
            Some(Err(why)) => Err(ExactError::refused(
                format!("{error}, and whether that is part of the answer cannot be told: {why}"),
                "write try_cast, and nullif(divisor, 0), which give null".to_owned(),
            )),
        }
    }

    async fn carry(&mut self, carried: Carried) -> Result<(), ExactError> {
        self.rows = None;
        self.start(&carried.plan).await?;
        self.decides = Some(Decision {
            carried,
            skip: self.given,
            first: None,
        });
        Ok(())
    }
}

impl Decision {
    /// The rows of a batch that are not yet given, without their errors; None once there was an error.
    fn sure(&mut self, batch: &RecordBatch) -> Result<Option<RecordBatch>, ExactError> {
        for column in batch.columns().iter().skip(self.carried.columns) {
            let Some(codes) = column.as_primitive_opt::<Int32Type>() else {
                let what = format!("error codes of type {}", column.data_type());
                return Err(ExactError::Internal(what));
            };
            if let Some(code) = arrow::compute::min(codes) {
                self.first = Some(self.first.map_or(code, |known| known.min(code)));
            }
        }
        let skipped = self.skip.min(batch.num_rows());
        self.skip -= skipped;
        if self.first.is_some() || skipped == batch.num_rows() {
            return Ok(None);
        }
        let visible: Vec<usize> = (0..self.carried.columns).collect();
        let batch = batch.project(&visible).map_err(ExactError::arrow)?;
        Ok(Some(batch.slice(skipped, batch.num_rows() - skipped)))
    }
}
