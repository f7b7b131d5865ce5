//! A gold model: one SELECT over versions of tables, computed again when anything it depends on changed: in full, or as far as the changes
//! reach (A7, D).

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::RecordBatch;
use arrow::compute::{filter_record_batch, not};
use arrow::datatypes::Schema;
use futures::{StreamExt, TryStreamExt};
use karat_exact::{BatchStream, ClockUse, ExactError, Purpose, SortColumn, Tables, batch_stream};
use karat_lake::{Layout, LiveFile, Table, WrittenFile, failpoint};
use karat_project::{Gold, Layer, Model, Project, TableName};
use karat_receipt::{Closed, Digest, Input, InputRef, Intent, Kind, Outcome};

use crate::accounting;
use crate::audit::{self, Candidate};
use crate::clock;
use crate::closing;
use crate::context::{Event, Site};
use crate::damage;
use crate::epochs::{self, Epochs};
use crate::error::PipelineError;
use crate::given::{self, Values};
use crate::increment::{self, Approach, Part};
use crate::ingest::{arrow_error, joined};
use crate::layout;
use crate::model_check::wrong_day;
use crate::proven::{prove, prove_list};
use crate::publish::{
    ADOPTED_GO, Change, Head, head, is_taken_back, no_foreign, own_receipt, publish, read_receipt,
    sha256_of_name,
};
use crate::read;
use crate::step::{StepReport, check_trusted, keep_code, receipt_base};
use crate::touched::Touched;
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

/// What a run would do with a gold model.
pub struct GoldPlan {
    /// Whether it is stale.
    pub staleness: Staleness,
    /// Which part is computed, if not all.
    pub part: Option<String>,
    /// Rows that are read.
    pub rows: u64,
    /// Bytes of the files that are read.
    pub bytes: u64,
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
    /// It is stale, and nothing but rows of its inputs is why.
    only_inputs_changed: bool,
}

impl State {
    /// That of a model an input of which has no version, with what was read before it.
    fn waiting(
        head: Option<Head>,
        epochs: Epochs,
        inputs: BTreeMap<String, (TableName, Head, String)>,
        input: &TableName,
    ) -> Self {
        Self {
            head,
            epochs,
            inputs,
            staleness: Staleness::Waiting {
                table: input.to_string(),
            },
            only_inputs_changed: false,
        }
    }
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
    pub async fn plan(&self) -> Result<GoldPlan, PipelineError> {
        let state = self.state().await?;
        let mut plan = GoldPlan {
            staleness: state.staleness.clone(),
            part: None,
            rows: 0,
            bytes: 0,
        };
        let mut approach = None;
        if let Staleness::Stale { reason } = &state.staleness {
            approach = Some(self.approach(&state, reason).await?);
        }
        let part = match &approach {
            Some(Approach::Part(part)) => Some(part),
            Some(Approach::Whole { reason }) => {
                let reason = reason.clone();
                plan.staleness = Staleness::Stale { reason };
                None
            }
            None => None,
        };
        plan.part = part.map(|part| part.words.clone());
        for files in self.files_read(&state, part)?.values() {
            plan.rows += files.iter().map(|file| file.rows).sum::<u64>();
            plan.bytes += files.iter().map(|file| file.size).sum::<u64>();
        }
        Ok(plan)
    }

    /// All of it, or a part.
    async fn approach(&self, state: &State, reason: &str) -> Result<Approach, PipelineError> {
        let sources = increment::sources(self.site, (self.model, self.gold), &state.inputs)?;
        let by = self.gold.incremental.as_ref().zip(sources);
        match (by, &state.head, state.epochs.last_current()) {
            (Some(by), Some(head), Some(last)) if state.only_inputs_changed => {
                let (model, reason) = (self.model, reason.to_owned());
                increment::approach(self.site, model, by, (head, last), &state.inputs, reason).await
            }
            _ => Ok(Approach::Whole {
                reason: reason.to_owned(),
            }),
        }
    }

    /// The files that are read, by input.
    fn files_read<'s>(
        &self,
        state: &'s State,
        part: Option<&Part>,
    ) -> Result<BTreeMap<&'s str, Vec<&'s LiveFile>>, PipelineError> {
        let mut read = BTreeMap::new();
        for (name, (_, head, _)) in &state.inputs {
            let files = read::in_written_order(&head.snapshot);
            let files = match part {
                Some(part) => part.input_files(name, files)?,
                None => files,
            };
            read.insert(name.as_str(), files);
        }
        Ok(read)
    }

    /// Brings the model up to date.
    pub async fn run(&self) -> Result<StepReport, PipelineError> {
        let name = self.model.name.to_string();
        let _lock = self.site.lock(&name)?;
        let mut report = StepReport::new("gold", &name);
        let state = self.state().await?;
        check_trusted(self.site, &self.model.name, state.head.as_ref())?;
        if let Some(head) = &state.head {
            report.version = Some(head.snapshot.version);
            if let Some(digest) = head.receipt {
                report.fingerprint = Some(read_receipt(self.site, digest)?.fingerprint);
            }
        }
        let reason = match &state.staleness {
            Staleness::Current => {
                if let Some(head) = &state.head {
                    damage::check_present(&self.model.name, &self.table, &head.snapshot)?;
                    audit::present(self.site, self.model, head, &mut report).await?;
                }
                return Ok(report);
            }
            Staleness::Waiting { table } => {
                report
                    .notes
                    .push(format!("`{table}` has no version yet: nothing to read"));
                return Ok(report);
            }
            Staleness::Stale { reason } => reason.clone(),
        };
        crate::step::check_signature(self.site)?;
        no_foreign(&self.model.name, state.head.as_ref())?;
        if let Some(head) = &state.head
            && own_receipt(self.site, head)?.1
        {
            report.notes.push(ADOPTED_GO.to_owned());
        }
        let part = match self.approach(&state, &reason).await? {
            Approach::Part(part) => {
                report.how = Some(format!("incremental: {}", part.words));
                Some(part)
            }
            Approach::Whole { reason } => {
                report.how = Some(format!("rebuild: {reason}"));
                None
            }
        };
        self.compute(state, part, &mut report).await?;
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
                return Ok(State::waiting(head_now, epochs, inputs, input));
            };
            let Some(digest) = head.receipt else {
                return Err(PipelineError::Foreign {
                    table: input.to_string(),
                    version: head.snapshot.version,
                });
            };
            check_trusted(self.site, input, Some(&head))?;
            if is_taken_back(self.site, &head)? {
                return Ok(State::waiting(head_now, epochs, inputs, input));
            }
            let fingerprint = read_receipt(self.site, digest)?.fingerprint;
            inputs.insert(input.to_string(), (input.clone(), head, fingerprint));
        }
        let code = Digest::of(self.model.code_text().as_bytes());
        let taken_back = match &head_now {
            Some(head) => is_taken_back(self.site, head)?,
            None => false,
        };
        let made = head_now.as_ref().filter(|_| !taken_back);
        let values = given::of_model(self.site, self.model)?;
        let stale = self.stale(made, &epochs, &inputs, (code, &values));
        Ok(State {
            head: head_now,
            epochs,
            inputs,
            only_inputs_changed: matches!(stale, Some((_, true))),
            staleness: match stale {
                Some((reason, _)) => Staleness::Stale { reason },
                None => Staleness::Current,
            },
        })
    }

    /// Why the model is stale, and whether only its inputs' rows are why; None if it is current.
    fn stale(
        &self,
        head: Option<&Head>,
        epochs: &Epochs,
        inputs: &BTreeMap<String, (TableName, Head, String)>,
        (code, values): (Digest, &Values),
    ) -> Option<(String, bool)> {
        let stale = |reason: &str| Some((reason.to_owned(), false));
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
        if let Some(what) = given::changed(&last.parameters, values) {
            return stale(&what);
        }
        for (name, (_, _, fingerprint)) in inputs {
            if last
                .inputs
                .get(name)
                .is_none_or(|before| &before.fingerprint != fingerprint)
            {
                return Some((format!("`{name}` changed"), true));
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
        None
    }

    async fn compute(
        &self,
        state: State,
        part: Option<Part>,
        report: &mut StepReport,
    ) -> Result<(), PipelineError> {
        let name = self.model.name.to_string();
        let mut tables = Tables::new();
        let files_read = self.files_read(&state, part.as_ref())?;
        for (name, (table, head, _)) in &state.inputs {
            let lake_table = self.site.lake.table(&table.folder());
            let set = read::file_set(
                &lake_table,
                &head.snapshot,
                files_read[name.as_str()].iter().copied(),
                unique_key(&self.site.project, table),
            );
            tables.insert(&table.schema(), &table.table, set)?;
        }
        let purpose = Purpose::Model {
            key: self.model.key.clone(),
            cluster_by: self.model.cluster_by.clone(),
            allow_float: self.model.allow_float.is_some(),
        };
        let (engine, sql) = (&self.site.engine, &self.gold.sql);
        let prepared = match &part {
            Some(part) => engine.prepare_slice(sql, &tables, &purpose, &part.touched.slice()?),
            None => engine.prepare(sql, &tables, &purpose),
        };
        let prepared = prepared.map_err(|error| PipelineError::Sql {
            at: None,
            table: name.clone(),
            error,
        })?;
        report.notes.extend(prepared.notes());
        if let Some(wrong) = wrong_day(self.model, &prepared.schema()) {
            return Err(wrong.into());
        }

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
            parameters: given::of_model(self.site, self.model)?,
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
            let files = &files_read[table.to_string().as_str()];
            prove(self.site, &lake_table, files.iter().copied()).await?;
        }
        let schema = prepared.schema();
        let rows = self.site.engine.stream(&prepared).await?;
        let (mut rows, removed) = match (&part, &state.head) {
            (Some(part), Some(head)) => self.among_the_others(part, head, rows).await?,
            (_, Some(head)) => (rows, head.snapshot.files.clone()),
            (_, None) => (rows, Vec::new()),
        };
        let layout = match &self.gold.incremental {
            Some(_) => Layout::SMALL_FILES,
            None => Layout::default(),
        };
        let mut writer = self.table.writer(&schema, layout, intent.epoch, 0, &[])?;
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
            epochs::close(&self.site.lake, &self.model.name, &closed)?;
            if let Some(head) = &state.head {
                audit::present(self.site, self.model, head, report).await?;
            }
            return Ok(());
        }

        let mut receipt = receipt_base(
            self.site,
            &self.model.name,
            Kind::Transform,
            intent.epoch,
            code,
        );
        receipt.intent = Some(intent_digest);
        receipt.parameters.clone_from(&intent.parameters);
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
        // The version in full, also where only a part of it was computed (G6).
        let stands = match (&part, &state.head) {
            (Some(_), Some(head)) => {
                let rows = |files: &[LiveFile]| files.iter().map(|file| file.rows).sum::<u64>();
                rows(&head.snapshot.files) - rows(&removed)
            }
            _ => 0,
        };
        let version = stands + written;
        receipt.accounting.insert("written".to_owned(), version);
        let read = || files_read.values().flatten();
        let rewritten = match &part {
            Some(_) => removed.iter().map(|file| file.size).sum(),
            None => 0,
        };
        let rows_read: u64 = read().map(|file| file.rows).sum();
        receipt.bytes_read = rewritten + read().map(|file| file.size).sum::<u64>();
        if part.is_some() {
            let share = [
                ("read".to_owned(), rows_read),
                ("written".to_owned(), written),
            ];
            receipt.accounting_run = BTreeMap::from(share);
        }
        report.bytes_read = receipt.bytes_read;
        report.bytes_written = added.iter().map(|file| file.size).sum();
        let rows = [("read".to_owned(), rows_read), ("kept".to_owned(), version)];
        report.rows = BTreeMap::from(rows);
        let candidate = Candidate {
            base: state.head.as_ref(),
            schema: &schema,
            added: &added,
            removed: &removed,
        };
        closing::before_commit(self.site, self.model, &candidate, &mut receipt, report).await?;
        audit::before_commit(self.site, self.model, &candidate, &mut receipt, report).await?;
        let published = publish(
            self.site,
            &self.table,
            Change {
                base: state.head,
                schema,
                added,
                removed,
                app: layout::app(&self.model.name),
                operation: match part {
                    Some(_) => "MERGE",
                    None => "OVERWRITE",
                },
                receipt,
                excluded: &[],
            },
        )
        .await?;
        report.committed(published.version, &published.fingerprint.to_string());
        Ok(())
    }

    /// The new rows of a part, in one order with the rows that stay of the files which hold rows of that part; and these files.
    async fn among_the_others(
        &self,
        part: &Part,
        head: &Head,
        new: BatchStream,
    ) -> Result<(BatchStream, Vec<LiveFile>), PipelineError> {
        let by: Vec<String> = part.touched.names().map(str::to_owned).collect();
        let ways = BTreeSet::from([by.clone()]);
        let mut removed = Vec::new();
        for file in part.touched.files(&head.snapshot.files, &ways)? {
            let set = read::file_set(&self.table, &head.snapshot, [file], None);
            let mut rows = self.site.engine.scan(&set, Some(&by)).await?;
            while let Some(batch) = rows.try_next().await.map_err(ExactError::from)? {
                if part.touched.has(&batch)?.true_count() > 0 {
                    removed.push(file.clone());
                    break;
                }
            }
        }
        prove(self.site, &self.table, &removed).await?;
        let set = read::file_set(&self.table, &head.snapshot, &removed, None);
        let standing = read::scan(self.site, &set, "gold.standing").await?;
        let touched = part.touched.clone();
        let stay = standing.map(move |batch| {
            let batch = batch?;
            others(&touched, &batch).map_err(told)
        });
        let schema = new.schema();
        let order = row_order(self.model, &schema);
        let rows = batch_stream(schema, stay.chain(new.map_err(ExactError::from)));
        Ok((self.site.engine.sort(rows, &order).await?, removed))
    }
}

/// The rows that a part leaves as they are.
fn others(touched: &Touched, batch: &RecordBatch) -> Result<RecordBatch, PipelineError> {
    let others = not(&touched.has(batch)?).map_err(arrow_error)?;
    filter_record_batch(batch, &others).map_err(arrow_error)
}

/// A failure within a stream of rows.
fn told(error: PipelineError) -> ExactError {
    match error {
        PipelineError::Exact(error) => error,
        other => ExactError::Internal(other.to_string()),
    }
}

/// The order of a model's rows (D2): as declared, then all columns.
fn row_order(model: &Model, schema: &Schema) -> Vec<SortColumn> {
    let first = match model.cluster_by.is_empty() {
        true => model.key.as_deref().unwrap_or_default(),
        false => &model.cluster_by,
    };
    let mut order: Vec<&String> = first.iter().collect();
    for field in schema.fields() {
        if !order.contains(&field.name()) {
            order.push(field.name());
        }
    }
    let columns = order.into_iter();
    columns.map(|name| SortColumn::ascending(name)).collect()
}

/// Whether new files have the very bytes of the live ones, in order (G8).
fn same_bytes<'f>(added: &[WrittenFile], live: impl Iterator<Item = &'f str>) -> bool {
    let mut before: Vec<&str> = live.filter_map(sha256_of_name).collect();
    let mut now: Vec<&str> = added.iter().map(|file| file.sha256.as_str()).collect();
    before.sort_unstable();
    now.sort_unstable();
    before == now
}
