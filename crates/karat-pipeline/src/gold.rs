//! A gold model: one SELECT over versions of tables, rebuilt in full when anything it depends on changed (A7, D).

use std::collections::BTreeMap;

use futures::TryStreamExt;
use karat_exact::{ClockUse, ExactError, Purpose, Tables};
use karat_lake::{CanonicalWriter, Layout, Table, WrittenFile, failpoint};
use karat_project::{Gold, Layer, Model, Project, TableName};
use karat_receipt::{Closed, Digest, Input, InputRef, Intent, Kind, Outcome};

use crate::accounting;
use crate::clock;
use crate::context::{Event, Site};
use crate::damage;
use crate::epochs::{self, Epochs};
use crate::error::PipelineError;
use crate::ingest::joined;
use crate::layout;
use crate::proven::{prove, prove_list};
use crate::publish::{
    ADOPTED_GO, Change, Head, head, no_foreign, own_receipt, publish, read_receipt, sha256_of_name,
};
use crate::read;
use crate::step::{StepReport, check_signed, keep_code, receipt_base};
use crate::unique::UniqueKey;

/// Why a gold model is stale, or that it is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Staleness {
    /// Nothing that it depends on changed.
    Current,
    /// It must be computed again.
    Stale {
        /// Why.
        reason: String,
    },
    /// A table that it reads has no version yet.
    Waiting {
        /// That table.
        table: String,
    },
}

/// One gold model at work.
pub struct GoldStep<'a> {
    site: &'a Site,
    model: &'a Model,
    gold: &'a Gold,
    table: Table,
}

struct State {
    head: Option<Head>,
    epochs: Epochs,
    inputs: BTreeMap<String, (TableName, Head, String)>,
    staleness: Staleness,
}

/// The key that makes rows of a table unique, as declared (D2).
pub fn unique_key(project: &Project, table: &TableName) -> Option<Vec<String>> {
    if table.layer == Layer::Bronze {
        return Some(vec!["_seq".to_owned(), "_delivery".to_owned()]);
    }
    project.model(table)?.row_key()
}

impl<'a> GoldStep<'a> {
    /// A step for a model.
    pub fn new(site: &'a Site, model: &'a Model, gold: &'a Gold) -> Self {
        Self {
            site,
            model,
            gold,
            table: site.lake.table(&model.name.folder()),
        }
    }

    /// Whether a run would compute it, and over how many rows.
    pub async fn plan(&self) -> Result<(Staleness, u64, u64), PipelineError> {
        let state = self.state().await?;
        let files = state
            .inputs
            .values()
            .flat_map(|(_, head, _)| &head.snapshot.files);
        let (rows, bytes) = files.fold((0, 0), |(rows, bytes), file| {
            (rows + file.rows, bytes + file.size)
        });
        Ok((state.staleness, rows, bytes))
    }

    /// Brings the model up to date.
    pub async fn run(&self) -> Result<StepReport, PipelineError> {
        let name = self.model.name.to_string();
        let _lock = self.site.lock(&name)?;
        let mut report = StepReport::new("gold", &name);
        let state = self.state().await?;
        check_signed(self.site, &self.model.name, state.head.as_ref())?;
        if let Some(head) = &state.head {
            report.version = Some(head.snapshot.version);
            if let Some(digest) = head.receipt {
                report.fingerprint = Some(read_receipt(self.site, digest)?.fingerprint);
            }
        }
        match &state.staleness {
            Staleness::Current => {
                if let Some(head) = &state.head {
                    damage::check_present(&self.model.name, &self.table, &head.snapshot)?;
                }
                return Ok(report);
            }
            Staleness::Waiting { table } => {
                report
                    .notes
                    .push(format!("`{table}` has no version yet: nothing to read"));
                return Ok(report);
            }
            Staleness::Stale { reason } => report.how = Some(format!("rebuild: {reason}")),
        }
        crate::step::check_signature(self.site)?;
        no_foreign(&self.model.name, state.head.as_ref())?;
        if let Some(head) = &state.head
            && own_receipt(self.site, head)?.1
        {
            report.notes.push(ADOPTED_GO.to_owned());
        }
        self.compute(state, &mut report).await?;
        Ok(report)
    }

    async fn state(&self) -> Result<State, PipelineError> {
        let head_now = head(&self.table)?;
        let epochs = Epochs::read(
            &self.site.lake,
            &self.model.name,
            head_now.as_ref().map(|head| &head.snapshot),
        )?;
        let mut inputs = BTreeMap::new();
        for input in &self.model.inputs {
            let table = self.site.lake.table(&input.folder());
            let Some(head) = head(&table)? else {
                return Ok(State {
                    head: head_now,
                    epochs,
                    inputs,
                    staleness: Staleness::Waiting {
                        table: input.to_string(),
                    },
                });
            };
            let Some(digest) = head.receipt else {
                return Err(PipelineError::Foreign {
                    table: input.to_string(),
                    version: head.snapshot.version,
                });
            };
            check_signed(self.site, input, Some(&head))?;
            let fingerprint = read_receipt(self.site, digest)?.fingerprint;
            inputs.insert(input.to_string(), (input.clone(), head, fingerprint));
        }
        let code = Digest::of(self.model.code_text().as_bytes());
        let staleness = self.staleness(head_now.as_ref(), &epochs, &inputs, code)?;
        Ok(State {
            head: head_now,
            epochs,
            inputs,
            staleness,
        })
    }

    fn staleness(
        &self,
        head: Option<&Head>,
        epochs: &Epochs,
        inputs: &BTreeMap<String, (TableName, Head, String)>,
        code: Digest,
    ) -> Result<Staleness, PipelineError> {
        let stale = |reason: &str| {
            Ok(Staleness::Stale {
                reason: reason.to_owned(),
            })
        };
        if head.is_none() {
            return stale("first version");
        }
        if epochs.open().is_some() {
            return stale("an earlier run left it open");
        }
        let Some(last) = epochs.last_current() else {
            return stale("it has no recorded intent");
        };
        if last.code != code {
            return stale("its code changed");
        }
        for (name, (_, _, fingerprint)) in inputs {
            if last
                .inputs
                .get(name)
                .is_none_or(|before| &before.fingerprint != fingerprint)
            {
                return stale(&format!("`{name}` changed"));
            }
        }
        let uses = match (last.to["uses_clock"].as_bool(), last.to["day"].as_str()) {
            (Some(true), Some(_)) => ClockUse::Day,
            (Some(true), None) => ClockUse::Time,
            _ => ClockUse::None,
        };
        let seen_at = |time: &str| clock::value(uses, time, &self.site.project.timezone);
        if seen_at(&last.logical_time) != seen_at(&self.site.context.logical_time) {
            return stale("it asks for the time");
        }
        Ok(Staleness::Current)
    }

    async fn compute(&self, state: State, report: &mut StepReport) -> Result<(), PipelineError> {
        let name = self.model.name.to_string();
        let mut tables = Tables::new();
        for (table, head, _) in state.inputs.values() {
            let lake_table = self.site.lake.table(&table.folder());
            let files = read::in_written_order(&head.snapshot);
            let set = read::file_set(
                &lake_table,
                &head.snapshot,
                files,
                unique_key(&self.site.project, table),
            );
            tables.insert(&table.schema(), &table.table, set)?;
        }
        let purpose = Purpose::Model {
            key: self.model.key.clone(),
            cluster_by: self.model.cluster_by.clone(),
            allow_float: self.model.allow_float.is_some(),
        };
        let prepared = self
            .site
            .engine
            .prepare(&self.gold.sql, &tables, &purpose)
            .map_err(|error| PipelineError::Sql {
                at: None,
                table: name.clone(),
                error,
            })?;
        report.notes.extend(prepared.notes());

        let code = keep_code(self.site, self.model.code_text())?;
        let uses = prepared.clock_use();
        let mut to = serde_json::json!({ "uses_clock": uses != ClockUse::None });
        if uses == ClockUse::Day {
            let logical_time = &self.site.context.logical_time;
            to["day"] = clock::value(uses, logical_time, &self.site.project.timezone).into();
        }
        let today = Intent {
            feed_or_model: name.clone(),
            epoch: state.epochs.next(),
            run: self.site.context.run.clone(),
            logical_time: self.site.context.logical_time.clone(),
            code,
            parameters: self.site.context.parameters.clone(),
            from: serde_json::Value::Null,
            to,
            objects: Vec::new(),
            inputs: state
                .inputs
                .iter()
                .map(|(name, (_, head, fingerprint))| {
                    (
                        name.clone(),
                        InputRef {
                            version: head.snapshot.version,
                            fingerprint: fingerprint.clone(),
                        },
                    )
                })
                .collect(),
        };
        let (intent, intent_digest) = epochs::model_intent(
            &self.site.lake,
            &self.model.name,
            &state.epochs,
            today,
            uses != ClockUse::None,
        )?;

        for (table, head, _) in state.inputs.values() {
            let lake_table = self.site.lake.table(&table.folder());
            prove_list(self.site, &lake_table, head)?;
            prove(self.site, &lake_table, &head.snapshot.files).await?;
        }
        let schema = prepared.schema();
        let mut rows = self.site.engine.stream(&prepared).await?;
        let mut writer = CanonicalWriter::new(
            self.site.lake.root().join(self.model.name.folder()),
            schema.clone(),
            Layout::default(),
            intent.epoch,
            0,
            &[],
        )?;
        let mut computed = 0;
        // The SELECT may order its rows otherwise.
        let mut unique = UniqueKey::in_any_order(self.model.key.as_deref().unwrap_or_default());
        while let Some(batch) = rows.try_next().await.map_err(ExactError::from)? {
            if !unique.holds(&batch)? {
                writer.abort();
                return Err(unique.refusal(
                    &name,
                    Vec::new(),
                    "name the columns that identify a row in `key`",
                ));
            }
            self.site.context.progress.event(&Event::Advanced {
                table: name.clone(),
                rows: batch.num_rows() as u64,
                percent: 0,
            });
            computed += batch.num_rows() as u64;
            let batch = failpoint::rows("gold.computed", batch);
            writer.write(&batch)?;
        }
        failpoint::hit("files.before");
        let added = tokio::task::spawn_blocking(move || writer.finish())
            .await
            .map_err(joined)??;
        failpoint::hit("files.after");
        let written: u64 = added.iter().map(|file| file.rows).sum();
        accounting::same(&name, computed, written, "rows of the query, and written")?;

        let removed = state
            .head
            .as_ref()
            .map(|head| head.snapshot.files.clone())
            .unwrap_or_default();
        let schema_same = state
            .head
            .as_ref()
            .is_some_and(|head| head.snapshot.schema.fields() == schema.fields());
        if schema_same && same_bytes(&added, removed.iter().map(|file| file.path.as_str())) {
            for file in &added {
                read::discard(&self.table, file);
            }
            report
                .notes
                .push("computed again with an equal result: no new version".to_owned());
            let closed = Closed {
                feed_or_model: name.clone(),
                epoch: intent.epoch,
                outcome: Outcome::Empty,
                reason: "equal to the version before".to_owned(),
                objects: Vec::new(),
            };
            return epochs::close(&self.site.lake, &self.model.name, &closed);
        }

        let mut receipt = receipt_base(
            self.site,
            &self.model.name,
            Kind::Transform,
            intent.epoch,
            code,
        );
        receipt.intent = Some(intent_digest);
        receipt.inputs = state
            .inputs
            .iter()
            .map(|(name, (_, head, fingerprint))| Input {
                table: name.clone(),
                version: head.snapshot.version,
                receipt: head.receipt,
                fingerprint: fingerprint.clone(),
            })
            .collect();
        for (name, (_, head, _)) in &state.inputs {
            receipt.accounting.insert(
                format!("read {name}"),
                head.snapshot.files.iter().map(|file| file.rows).sum(),
            );
        }
        receipt.accounting.insert("written".to_owned(), written);
        receipt.bytes_read = state
            .inputs
            .values()
            .flat_map(|(_, head, _)| &head.snapshot.files)
            .map(|file| file.size)
            .sum();
        report.bytes_read = receipt.bytes_read;
        report.bytes_written = added.iter().map(|file| file.size).sum();
        report.rows = BTreeMap::from([
            (
                "read".to_owned(),
                state
                    .inputs
                    .values()
                    .flat_map(|(_, head, _)| &head.snapshot.files)
                    .map(|file| file.rows)
                    .sum(),
            ),
            ("kept".to_owned(), written),
        ]);
        let published = publish(
            self.site,
            &self.table,
            Change {
                base: state.head,
                schema,
                added,
                removed,
                app: layout::app(&self.model.name),
                operation: "OVERWRITE",
                receipt,
                excluded: &[],
            },
        )
        .await?;
        report.committed(published.version, &published.fingerprint.to_string());
        Ok(())
    }
}

/// Whether new files have the very bytes of the live ones, in order (G8).
fn same_bytes<'f>(added: &[WrittenFile], live: impl Iterator<Item = &'f str>) -> bool {
    let mut before: Vec<&str> = live.filter_map(sha256_of_name).collect();
    let mut now: Vec<&str> = added.iter().map(|file| file.sha256.as_str()).collect();
    before.sort_unstable();
    now.sort_unstable();
    before == now
}
