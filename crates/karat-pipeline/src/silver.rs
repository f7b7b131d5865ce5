//! A silver model: decide whether only new rows need work, judge them, fold AUTO CDC, publish with quarantine (A7, C).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use arrow::array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Int64Array, RecordBatch, StringArray,
};
use arrow::compute::{concat_batches, filter_record_batch};
use arrow::datatypes::{Schema, SchemaRef};
use arrow::row::{OwnedRow, RowConverter, SortField};
use futures::{StreamExt, TryStreamExt};
use karat_exact::fingerprint::row_hashes;
use karat_exact::{BatchStream, ClockUse, ExactError, SortColumn, batch_stream};
use karat_lake::{CanonicalWriter, Layout, LiveFile, Table, WrittenFile, failpoint};
use karat_project::{Action, Feed, Mode, Model, Silver, TableName, WhichColumns};
use karat_receipt::{
    Closed, Digest, ExpectationCount, Input, InputRef, Intent, Kind, Outcome, Receipt,
};
use serde_json::json;

use crate::accounting::{self, Terms};
use crate::address::{self, Address, Columns};
use crate::audit::{self, Candidate};
use crate::clock;
use crate::closing;
use crate::context::{Event, Site};
use crate::current::{self, Passed};
use crate::damage;
use crate::deliveries::{self, FullLoads, Reading};
use crate::epochs::{self, Epochs};
use crate::error::PipelineError;
use crate::explain::Received;
use crate::given;
use crate::ingest::{arrow_error, joined};
use crate::judge::{
    self, ADDRESS, ADDRESSES_MAX, Judge, JudgeCounts, RULE_SEQUENCE_TIE, RULE_VALID_FROM_ORDER,
    RULES_OF_EVENTS, quarantine_schema,
};
use crate::layout;
use crate::model_check::is_of_files;
use crate::proven::{prove, prove_list};
use crate::publish::{
    ADOPTED_GO, Change, Head, Published, head, is_taken_back, no_foreign, own_receipt, publish,
    read_receipt, sha256_of_name,
};
use crate::read;
use crate::repairs::{self, News, Placed, Repairs};
use crate::reshaped;
use crate::scd::{
    DELETE, END_AT, EXISTING, EventCounts, EventFold, EventShape, Folded, GONE, LOAD, PRESENT,
    SEQUENCE, START_AT, ScdType, sequence_column,
};
use crate::snapshots::Snapshots;
use crate::step::{StepReport, check_trusted, keep_code, receipt_base};
use crate::unique::UniqueKey;

/// How a model's next version comes about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Nothing that it depends on changed.
    Nothing,
    /// From all of bronze.
    Rebuild {
        /// Why.
        reason: String,
    },
    /// From the loads after this epoch, and from repairs of rows that it holds back.
    Incremental {
        /// Newest load that the table has taken in.
        after: i64,
        /// Rows in quarantine that were repaired.
        repaired: u64,
    },
}

/// What is known when deciding.
pub struct Facts<'a> {
    /// Whether the table exists.
    pub exists: bool,
    /// Code digest of the newest version.
    pub code_before: Option<String>,
    /// Today's.
    pub code: &'a str,
    /// Newest load that the newest version took in.
    pub consumed: i64,
    /// Whether that load was taken back since.
    pub consumed_undone: bool,
    /// Newest load of the feed that its table holds.
    pub available: i64,
    /// What was read before.
    pub reading_before: &'a Reading,
    /// What is to be read now.
    pub reading: &'a Reading,
    /// Rows that the newest version took in and that were repaired since.
    pub repaired: u64,
    /// All of these are in its quarantine, and it can take them in like new ones.
    pub repaired_apart: bool,
    /// Whether bronze changed without a load: versions of another writer were adopted.
    pub adopted: bool,
    /// The same, also where loads came after it.
    pub adopted_since: bool,
    /// Whether the table itself holds what a person adopted.
    pub holds_adopted: bool,
    /// Whether rows were held back and their table is not there any more.
    pub quarantine_is_gone: bool,
    /// Whether a killed run left an intent open, and with it perhaps a quarantine ahead of the table.
    pub left_open: bool,
    /// What of the values that expressions ask for changed (A9), for a person.
    pub given_anew: Option<&'a str>,
    /// Whether an expression asks for the time.
    pub uses_clock: bool,
    /// What the expressions see of the logical times of the newest version and of this run differs.
    pub time_passed: bool,
    /// Rows of new deliveries can be told from old ones by their load alone.
    pub by_load: bool,
    /// The table folds events in, and has seen none yet.
    pub saw_no_event: bool,
}

/// Decides how a model's next version comes about (A7). Pure.
pub fn decide(facts: &Facts<'_>) -> Decision {
    if !facts.exists {
        return Decision::Rebuild {
            reason: "first version".to_owned(),
        };
    }
    if facts.code_before.as_deref() != Some(facts.code) {
        return Decision::Rebuild {
            reason: "its code changed".to_owned(),
        };
    }
    if facts.quarantine_is_gone {
        return Decision::Rebuild {
            reason: "its quarantine is gone".to_owned(),
        };
    }
    if let Some(what) = facts.given_anew {
        return Decision::Rebuild {
            reason: what.to_owned(),
        };
    }
    if facts.uses_clock && facts.time_passed {
        return Decision::Rebuild {
            reason: "it asks for the time".to_owned(),
        };
    }
    if facts.consumed_undone {
        return Decision::Rebuild {
            reason: "a load that it had read was undone".to_owned(),
        };
    }
    if facts.repaired > 0 && !facts.repaired_apart {
        let (rows, were) = match facts.repaired {
            1 => ("row", "was"),
            _ => ("rows", "were"),
        };
        return Decision::Rebuild {
            reason: format!("{} {rows} that it had read {were} repaired", facts.repaired),
        };
    }
    if facts.available == facts.consumed && facts.repaired == 0 {
        let reason = match (facts.left_open, facts.adopted) {
            (true, _) => "an earlier run left it open",
            (_, true) => "its feed's table changed without a load",
            _ => return Decision::Nothing,
        };
        return Decision::Rebuild {
            reason: reason.to_owned(),
        };
    }
    if facts.adopted_since {
        return Decision::Rebuild {
            reason: "its feed's table changed without a load".to_owned(),
        };
    }
    if facts.holds_adopted {
        return Decision::Rebuild {
            reason: "it holds adopted rows".to_owned(),
        };
    }
    if !facts.by_load {
        return Decision::Rebuild {
            reason: "its feed is read as a whole".to_owned(),
        };
    }
    if facts.uses_clock {
        return Decision::Rebuild {
            reason: "it asks for the time".to_owned(),
        };
    }
    // A delivery that the table holds is no longer read, or one that it left out is read again.
    let old_changed = facts
        .reading_before
        .objects
        .iter()
        .any(|delivery| facts.reading_before.reads(delivery) != facts.reading.reads(delivery));
    let loads_changed = facts.reading.left_out_loads.iter().any(|epoch| {
        *epoch <= facts.consumed && !facts.reading_before.left_out_loads.contains(epoch)
    });
    if old_changed || loads_changed {
        return Decision::Rebuild {
            reason: "an object that it had read was delivered again".to_owned(),
        };
    }
    // There is nothing to fold new events into: all of them are new.
    if facts.saw_no_event {
        return Decision::Rebuild {
            reason: "it has taken in no row yet".to_owned(),
        };
    }
    Decision::Incremental {
        after: facts.consumed,
        repaired: facts.repaired,
    }
}

/// What a plan or a run needs of one silver model.
pub struct SilverPlan {
    /// How the next version comes about.
    pub decision: Decision,
    /// Rows of bronze that it would read.
    pub rows: u64,
    /// Bytes of bronze files that it would read.
    pub bytes: u64,
    /// Rows and bytes of all that a rebuild reads.
    pub whole: (u64, u64),
    /// The same if a load of its feed comes in before.
    pub after_a_load: Box<Option<SilverPlan>>,
}

/// One silver model at work.
pub struct SilverStep<'a> {
    site: &'a Site,
    model: &'a Model,
    silver: &'a Silver,
    feed: &'a Feed,
    table: Table,
    quarantine: Table,
    quarantine_name: TableName,
    /// Of a plan: the schema that its feed's table will have.
    foreseen: Option<SchemaRef>,
    /// Why the stream of judged rows stopped: the stream itself can only say that it did.
    failure: Arc<Mutex<Option<PipelineError>>>,
}

struct State {
    bronze: Head,
    head: Option<Head>,
    quarantine: Option<Head>,
    epochs: Epochs,
    reading: Reading,
    /// Those that count for what is read.
    repairs: Arc<Repairs>,
    /// The newest repair of the feed.
    repaired_to: i64,
    /// Repairs that the newest version has not taken in.
    news: News,
    /// The quarantine without the rows of those repairs, where it holds all of them.
    apart: Option<Apart>,
    /// Whether every row of bronze was written by karat.
    only_ours: bool,
    available: i64,
    /// Loads that the newest version has not taken in.
    new_loads: u64,
    decision: Decision,
    /// What it would be with one more load.
    after_a_load: Decision,
    holds_adopted: bool,
    /// What it reads otherwise than before of objects that it had, for people.
    read_otherwise: Vec<String>,
    judge: Arc<Judge>,
    bronze_table: Table,
    /// The columns of bronze that are read.
    read_schema: SchemaRef,
    /// Epoch of the version to be made.
    epoch: i64,
}

impl<'a> SilverStep<'a> {
    /// A step for a model and the feed that it reads.
    pub fn new(site: &'a Site, model: &'a Model, silver: &'a Silver, feed: &'a Feed) -> Self {
        let quarantine_name = model.name.quarantine();
        Self {
            site,
            model,
            silver,
            feed,
            table: site.lake.table(&model.name.folder()),
            quarantine: site.lake.table(&quarantine_name.folder()),
            quarantine_name,
            foreseen: None,
            failure: Arc::default(),
        }
    }

    /// For a plan: after loads that give its feed's table this schema.
    #[must_use]
    pub fn after(self, schema: Option<SchemaRef>) -> Self {
        Self {
            foreseen: schema,
            ..self
        }
    }

    /// What a run would do.
    pub async fn plan(&self) -> Result<Option<SilverPlan>, PipelineError> {
        let Some(state) = self.state().await? else {
            if let Some(schema) = &self.foreseen {
                self.judge(&read_schema(schema))?;
            }
            return Ok(None);
        };
        let size = |files: &[&LiveFile]| -> (u64, u64) {
            let sizes = files.iter().map(|file| (file.rows, file.size));
            sizes.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
        };
        let whole = size(&read::of_loads(&state.bronze.snapshot));
        let planned = |decision: &Decision, files: Vec<&LiveFile>, after_a_load| SilverPlan {
            rows: size(&files).0,
            bytes: size(&files).1,
            whole,
            decision: decision.clone(),
            after_a_load: Box::new(after_a_load),
        };
        let next = &state.after_a_load;
        let next_files = match state.reading.only_epoch {
            // Where one load is read, that one takes the place of what is there.
            Some(_) => Vec::new(),
            None => self.files_of(&state, next),
        };
        let next = planned(next, next_files, None);
        let files = self.files_of(&state, &state.decision);
        Ok(Some(planned(&state.decision, files, Some(next))))
    }

    /// Brings the model up to date.
    pub async fn run(&self) -> Result<StepReport, PipelineError> {
        self.run_judged().await.map_err(|error| {
            self.failure
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner)
                .take()
                .unwrap_or(error)
        })
    }

    async fn run_judged(&self) -> Result<StepReport, PipelineError> {
        let name = self.model.name.to_string();
        let _lock = self.site.lock(&name)?;
        let mut report = StepReport::new("silver", &name);
        let Some(mut state) = self.state().await? else {
            report.notes.push(format!(
                "`{}` has no version yet: nothing to read",
                self.feed.bronze
            ));
            return Ok(report);
        };
        for (table, head) in [
            (&self.model.name, &state.head),
            (&self.quarantine_name, &state.quarantine),
        ] {
            check_trusted(self.site, table, head.as_ref())?;
        }
        if let Some(head) = &state.head {
            report.version = Some(head.snapshot.version);
            if let Some(digest) = head.receipt {
                report.fingerprint = Some(read_receipt(self.site, digest)?.fingerprint);
            }
        }
        if state.decision == Decision::Nothing {
            let held = (&self.quarantine_name, &self.quarantine, &state.quarantine);
            for (name, table, head) in [(&self.model.name, &self.table, &state.head), held] {
                if let Some(head) = head {
                    damage::check_present(name, table, &head.snapshot)?;
                }
            }
            if let Some(head) = &state.head {
                audit::present(self.site, self.model, head, &mut report).await?;
            }
            return Ok(report);
        }
        crate::step::check_signature(self.site)?;
        // Before anything is written, also of what is held back.
        for (table, head) in [
            (&self.model.name, &state.head),
            (&self.quarantine_name, &state.quarantine),
        ] {
            no_foreign(table, head.as_ref())?;
        }
        if state.holds_adopted {
            report.notes.push(ADOPTED_GO.to_owned());
        }
        report.notes.append(&mut state.read_otherwise);
        let (intent, digest) = self.intent(&state)?;
        state.epoch = intent.epoch;
        let outcome = match &state.decision {
            Decision::Incremental { .. } => match self.incremental(&state, &mut report).await? {
                Some(outcome) => outcome,
                None => {
                    let why = match self.silver.auto_cdc {
                        Some(_) => "late or tied events reach behind what the table has taken in",
                        None => {
                            "more of the repaired rows break a rule than its limit allows of all"
                        }
                    };
                    report.how = Some(format!("rebuild: {why}"));
                    self.rebuild(&state, &mut report).await?
                }
            },
            Decision::Rebuild { reason } => {
                report.how = Some(format!("rebuild: {reason}"));
                self.rebuild(&state, &mut report).await?
            }
            Decision::Nothing => return Ok(report),
        };
        self.publish(&state, intent, digest, outcome, &mut report)
            .await?;
        Ok(report)
    }

    async fn state(&self) -> Result<Option<State>, PipelineError> {
        let bronze_table = self.site.lake.table(&self.feed.bronze.folder());
        let Some(bronze) = head(&bronze_table)? else {
            return Ok(None);
        };
        if is_taken_back(self.site, &bronze)? {
            return Ok(None);
        }
        check_trusted(self.site, &self.feed.bronze, Some(&bronze))?;
        let feed_epochs = Epochs::read(&self.site.lake, &self.feed.bronze, Some(&bronze.snapshot))?;
        feed_epochs.check_whole(&self.feed.bronze)?;
        reshaped::check(self.site, self.feed, &feed_epochs)?;
        let head_now = head(&self.table)?;
        let quarantine = head(&self.quarantine)?;
        let epochs = Epochs::read(
            &self.site.lake,
            &self.model.name,
            head_now.as_ref().map(|head| &head.snapshot),
        )?;
        let code = Digest::of(self.model.code_text().as_bytes()).to_string();
        let schema = self.foreseen.as_ref().unwrap_or(&bronze.snapshot.schema);
        let read_schema = read_schema(schema);
        let judge = self.judge(&read_schema)?;
        let available = feed_epochs.newest_load();
        let consumed = epochs
            .last_done()
            .and_then(|intent| intent.to["bronze_epoch"].as_i64())
            .unwrap_or(0);
        let consumed_repairs = epochs
            .last_done()
            .and_then(|intent| intent.to["repair_epoch"].as_i64())
            .unwrap_or(0);
        let reading = self.reading(&feed_epochs, available)?;
        let repairs = Repairs::read(self.site, &bronze_table, &bronze).await?;
        let repairs = repairs.in_force(&reading);
        let repaired_to = bronze
            .snapshot
            .app_versions
            .get(&layout::repair_app(&self.feed.bronze))
            .copied()
            .unwrap_or(0);
        let reading_before = self.reading(&feed_epochs, consumed)?;
        // The code of the version is in the receipt of the model's newest own version.
        let (last, holds_adopted) = match (&head_now, epochs.last_done()) {
            (Some(head), Some(_)) => own_receipt(self.site, head)?,
            _ => (None, false),
        };
        let fingerprint = match bronze.receipt {
            Some(digest) => Some(read_receipt(self.site, digest)?.fingerprint),
            None => None,
        };
        let adopted = last.as_ref().is_some_and(|last| {
            let input = last.inputs.first().map(|input| &input.fingerprint);
            input != fingerprint.as_ref()
        });
        let only_ours = bronze
            .snapshot
            .files
            .iter()
            .all(|file| sha256_of_name(&file.path).is_some());
        let by_load = only_ours
            && (self.feed.mode == Mode::Incremental
                || self
                    .silver
                    .auto_cdc
                    .as_ref()
                    .is_some_and(|cdc| !self.feed.key.is_empty() || cdc.snapshots.is_some()));
        let clock = judge.clock_use();
        let seen_at = |time: &str| clock::value(clock, time, &self.site.project.timezone);
        let time_passed = epochs.last_done().is_none_or(|intent| {
            seen_at(&intent.logical_time) != seen_at(&self.site.context.logical_time)
        });
        let adopted_since = match &last {
            Some(last) => !no_adoption_since(self.site, &bronze, last)?,
            None => false,
        };
        let held_back = last
            .as_ref()
            .and_then(|last| last.accounting.get("quarantined"))
            .is_some_and(|rows| *rows > 0);
        let news = repairs.news(consumed_repairs, consumed);
        let apart = match (&quarantine, &last) {
            (Some(quarantine), Some(last))
                if !news.of.is_empty() && self.silver.auto_cdc.is_none() && !adopted_since =>
            {
                self.apart(quarantine, epochs.committed(), &news.of).await?
            }
            _ => None,
        };
        let saw_no_event = self.silver.auto_cdc.is_some()
            && last
                .as_ref()
                .is_some_and(|last| !last.parameters.contains_key("high_water"));
        let values = given::of_model(self.site, self.model)?;
        let given_anew = last
            .as_ref()
            .and_then(|last| given::changed(&last.parameters, &values));
        let was_taken_back = match &head_now {
            Some(head) => is_taken_back(self.site, head)?,
            None => false,
        };
        let facts = Facts {
            exists: head_now.is_some() && !was_taken_back,
            given_anew: given_anew.as_deref(),
            code_before: last.map(|last| last.code.to_string()),
            code: &code,
            consumed,
            consumed_undone: feed_epochs.is_undone(consumed),
            available,
            reading_before: &reading_before,
            reading: &reading,
            repaired: news.of.len() as u64,
            repaired_apart: apart.is_some(),
            adopted,
            adopted_since,
            holds_adopted,
            quarantine_is_gone: held_back && quarantine.is_none(),
            left_open: epochs.open().is_some(),
            uses_clock: clock != ClockUse::None,
            time_passed,
            by_load,
            saw_no_event,
        };
        let decision = decide(&facts);
        let after_a_load = decide(&Facts {
            available: available + 1,
            ..facts
        });
        let read_otherwise = match facts.exists {
            true => deliveries::read_otherwise(&reading_before, &reading),
            false => Vec::new(),
        };
        Ok(Some(State {
            bronze,
            head: head_now,
            quarantine,
            epoch: epochs.next(),
            epochs,
            reading,
            repairs: Arc::new(repairs),
            repaired_to,
            news,
            apart,
            only_ours,
            available,
            new_loads: {
                let done = feed_epochs.done();
                done.filter(|load| load.epoch > consumed).count() as u64
            },
            decision,
            after_a_load,
            holds_adopted,
            read_otherwise,
            judge: Arc::new(judge),
            bronze_table,
            read_schema,
        }))
    }

    /// What is read of the loads up to an epoch.
    fn reading(&self, epochs: &Epochs, up_to: i64) -> Result<Reading, PipelineError> {
        let cdc = self.silver.auto_cdc.as_ref();
        let Some(cdc) = cdc.filter(|cdc| cdc.snapshots.is_some()) else {
            return Ok(deliveries::reading(
                self.feed,
                epochs,
                up_to,
                FullLoads::Newest,
            ));
        };
        let mut reading = deliveries::reading(self.feed, epochs, up_to, FullLoads::All);
        let left_out = &reading.left_out_loads;
        let snapshots = Snapshots::of(&self.model.name, cdc, self.feed, epochs, up_to, left_out)?;
        reading.snapshots = Some(snapshots);
        Ok(reading)
    }

    /// The quarantine without the rows at these addresses; None if it does not hold all of them.
    async fn apart(
        &self,
        quarantine: &Head,
        committed: i64,
        of: &BTreeSet<Address>,
    ) -> Result<Option<Apart>, PipelineError> {
        let mut apart = Apart::default();
        let mut found = 0;
        let files = read::in_written_order(&quarantine.snapshot);
        // What a killed run held back is no part of the newest version.
        for file in files
            .into_iter()
            .filter(|file| read::written(&file.path).0 <= committed)
        {
            prove(self.site, &self.quarantine, [file]).await?;
            let set = read::file_set(&self.quarantine, &quarantine.snapshot, [file], None);
            let batches: Vec<RecordBatch> = read::scan(self.site, &set, "silver.held_before")
                .await?
                .try_collect()
                .await
                .map_err(ExactError::from)?;
            let mut rest = Vec::new();
            let before = found;
            for batch in batches {
                let columns = Columns::of(&batch);
                let stays: BooleanArray = (0..batch.num_rows())
                    .map(|row| Some(!of.contains(&columns.at(row))))
                    .collect();
                found += batch.num_rows() - stays.true_count();
                let stays = filter_record_batch(&batch, &stays).map_err(arrow_error)?;
                rest.push(failpoint::rows("silver.stays_held", stays));
            }
            if found > before {
                apart.files.push(file.clone());
                apart.rest.extend(rest);
            }
        }
        Ok((found == of.len()).then_some(apart))
    }

    /// What judges rows of this schema; refused if they are none that the model can read.
    fn judge(&self, read_schema: &SchemaRef) -> Result<Judge, PipelineError> {
        let code = Digest::of(self.model.code_text().as_bytes()).to_string();
        let judge = Judge::compile(
            &self.site.engine,
            self.model,
            self.silver,
            self.feed,
            read_schema,
            &code,
        )?;
        let of_files = is_of_files(&self.site.project, self.feed);
        let undated =
            self.silver.auto_cdc.as_ref().and_then(|cdc| {
                judge::undated_deletes(cdc, self.feed, of_files, &judge.selected())
            });
        match undated {
            Some((what, hint)) => {
                let what = format!("`{}` cannot order deletes: {what}", self.model.name);
                Err(PipelineError::Refused { what, hint })
            }
            None => Ok(judge),
        }
    }

    /// The bronze files that a decision reads.
    fn files_of<'s>(&self, state: &'s State, decision: &Decision) -> Vec<&'s LiveFile> {
        let files = read::of_loads(&state.bronze.snapshot);
        match decision {
            Decision::Nothing => Vec::new(),
            Decision::Rebuild { .. } => match state.reading.only_epoch {
                Some(only) => files
                    .into_iter()
                    .filter(|file| read::written(&file.path).0 == only)
                    .collect(),
                None => files,
            },
            Decision::Incremental { after, .. } => files
                .into_iter()
                .filter(|file| read::written(&file.path).0 > *after)
                .collect(),
        }
    }

    fn intent(&self, state: &State) -> Result<(Intent, Digest), PipelineError> {
        let fingerprint = match state.bronze.receipt {
            Some(digest) => read_receipt(self.site, digest)?.fingerprint,
            None => String::new(),
        };
        let today = Intent {
            feed_or_model: self.model.name.to_string(),
            epoch: state.epochs.next(),
            run: self.site.context.run.clone(),
            logical_time: self.site.context.logical_time.clone(),
            code: keep_code(self.site, self.model.code_text())?,
            parameters: given::of_model(self.site, self.model)?,
            from: state
                .epochs
                .last_done()
                .map_or(serde_json::Value::Null, |intent| intent.to.clone()),
            to: match state.repaired_to {
                0 => json!({ "bronze_epoch": state.available }),
                repairs => json!({ "bronze_epoch": state.available, "repair_epoch": repairs }),
            },
            objects: Vec::new(),
            inputs: BTreeMap::from([(
                self.feed.bronze.to_string(),
                InputRef {
                    version: state.bronze.snapshot.version,
                    fingerprint,
                },
            )]),
        };
        epochs::model_intent(
            &self.site.lake,
            &self.model.name,
            &state.epochs,
            today,
            state.judge.clock_use() != ClockUse::None,
        )
    }

    /// Judged rows of some bronze files, as a stream; quarantine and counts gather aside.
    async fn judged(
        &self,
        state: &State,
        files: &[&LiveFile],
        is_rebuilt: bool,
        aside: &Arc<Mutex<Aside>>,
    ) -> Result<BatchStream, PipelineError> {
        prove_list(self.site, &state.bronze_table, &state.bronze)?;
        prove(self.site, &state.bronze_table, files.iter().copied()).await?;
        let total: u64 = files.iter().map(|file| file.rows).sum();
        let placed = Placed::default();
        let mut rows = self.rows_in_place(state, files, &placed).await?;
        let mut of_news = 0;
        if let Decision::Incremental { repaired: 1.., .. } = &state.decision
            && !is_rebuilt
        {
            // Like new rows: their table does not have them.
            let news = &state.news;
            let repaired = state.repairs.rows_at(&news.rows, &state.read_schema)?;
            let repaired = failpoint::rows("silver.repaired", repaired);
            placed.repaired.add(repaired.num_rows() as u64);
            placed.discarded.add(news.discarded);
            of_news = news.of.len() as u64;
            let repaired = futures::stream::iter([Ok(repaired)]);
            let both = rows.map_err(ExactError::from).chain(repaired);
            rows = batch_stream(state.read_schema.clone(), both);
        }
        let (stream, to_judge) = self.current_rows(state, rows).await?;
        {
            let mut aside = lock(aside);
            aside.to_judge = to_judge;
            aside.placed = placed;
            if state.only_ours {
                let loads: BTreeSet<i64> = files
                    .iter()
                    .map(|file| read::written(&file.path).0)
                    .collect();
                let in_files = state.repairs.count(0, |load| loads.contains(&load));
                aside.in_force = Some(in_files + of_news);
            }
        }
        let judge = state.judge.clone();
        let reading = Arc::new(state.reading.clone());
        let repairs = state.repairs.clone();
        // Batches are judged side by side, and taken in their order.
        let judging = stream.map(move |batch| {
            let (judge, reading, repairs) = (judge.clone(), reading.clone(), repairs.clone());
            let task = batch.map(|batch| {
                let batch = failpoint::rows("silver.read", batch);
                tokio::spawn(async move {
                    let mut counts = JudgeCounts::default();
                    let judged = judge.judge(&batch, &reading, &repairs, &mut counts)?;
                    Ok((batch.num_rows() as u64, counts, judged))
                })
            });
            async move { task.map_err(ExactError::from)?.await.map_err(joined)? }
        });
        let aside = aside.clone();
        let progress = self.site.context.progress.clone();
        let failure = self.failure.clone();
        let table = self.model.name.to_string();
        let mut done = 0;
        let threads = self.site.engine.threads();
        let judged = judging.buffered(threads).map(move |outcome| {
            let (rows, counts, judged) = outcome.map_err(|error: PipelineError| {
                let stopped = ExactError::Internal(error.to_string());
                *failure
                    .lock()
                    .unwrap_or_else(std::sync::PoisonError::into_inner) = Some(error);
                stopped
            })?;
            let mut aside = lock(&aside);
            aside.counts.add(counts);
            aside.truncates.extend(judged.truncates);
            if let Some(quarantined) = judged.quarantined {
                let quarantined = failpoint::rows("silver.quarantined", quarantined);
                aside.quarantined.push(quarantined);
            }
            drop(aside);
            done += rows;
            progress.event(&Event::Advanced {
                table: table.clone(),
                rows,
                percent: (done * 100).checked_div(total).unwrap_or(0).min(100) as u8,
            });
            Ok(failpoint::rows("silver.judged", judged.kept))
        });
        Ok(batch_stream(state.judge.kept_schema(), judged))
    }

    /// Rows of some bronze files with repairs in their place.
    async fn rows_in_place(
        &self,
        state: &State,
        files: &[&LiveFile],
        placed: &Placed,
    ) -> Result<BatchStream, PipelineError> {
        let snapshot = &state.bronze.snapshot;
        let mut set = read::file_set(&state.bronze_table, snapshot, files.iter().copied(), None);
        set.schema = repairs::scanned_schema(&snapshot.schema, &state.read_schema);
        let scanned = read::scan(self.site, &set, "silver.scanned").await?;
        Ok(repairs::in_place(
            scanned,
            &set.schema,
            state.read_schema.clone(),
            state.repairs.clone(),
            files.iter().map(|file| file.rows).sum(),
            placed.clone(),
        ))
    }

    /// A keyed full feed without `auto_cdc` is read as its current rows: the newest of each key that is not deleted. Of other feeds
    /// every row is read. How many there are to judge is counted here.
    async fn current_rows(
        &self,
        state: &State,
        stream: BatchStream,
    ) -> Result<(BatchStream, Passed), PipelineError> {
        let (given, current) = (Passed::default(), Passed::default());
        let counted = given.clone();
        let schema = state.read_schema.clone();
        if self.feed.mode == Mode::Incremental
            || self.feed.key.is_empty()
            || self.silver.auto_cdc.is_some()
        {
            let all = stream.inspect_ok(move |batch| counted.add(batch.num_rows() as u64));
            let all = all.map_err(ExactError::from);
            return Ok((batch_stream(schema, all), given));
        }
        let key = self.feed.key.clone();
        let reading = state.reading.clone();
        let stream = batch_stream(
            schema.clone(),
            stream.map(move |batch| {
                let batch = batch.map_err(ExactError::from)?;
                let Some(epochs) = batch
                    .column_by_name("_epoch")
                    .and_then(|column| column.as_any().downcast_ref::<Int64Array>())
                else {
                    return Err(ExactError::Internal("bronze has no `_epoch`".to_owned()));
                };
                let read = reading.loads_read(epochs);
                counted.add(read.true_count() as u64);
                filter_record_batch(&batch, &read)
                    .map(|batch| failpoint::rows("silver.of_key", batch))
                    .map_err(|error| ExactError::Internal(error.to_string()))
            }),
        );
        // A later row of a key, by `_seq`, replaces the earlier one.
        let mut order: Vec<SortColumn> =
            key.iter().map(|name| SortColumn::ascending(name)).collect();
        order.push(SortColumn::ascending("_seq"));
        let sorted = self.site.engine.sort(stream, &order).await?;
        let stream = current::newest_of_each_key(sorted, schema, key, given, current.clone());
        Ok((stream, current))
    }

    async fn rebuild(
        &self,
        state: &State,
        report: &mut StepReport,
    ) -> Result<Computed, PipelineError> {
        let files = self.files_of(
            state,
            &Decision::Rebuild {
                reason: String::new(),
            },
        );
        let bytes_read: u64 = files.iter().map(|file| file.size).sum();
        report.bytes_read += bytes_read;
        let aside = Arc::new(Mutex::new(Aside::default()));
        let judged = self.judged(state, &files, true, &aside).await?;
        let removed = state
            .head
            .as_ref()
            .map(|head| head.snapshot.files.clone())
            .unwrap_or_default();
        let (schema, added, events): (_, Vec<WrittenFile>, _) = match &self.silver.auto_cdc {
            None => {
                let mut unique = match self.model.cluster_by.is_empty() {
                    true => UniqueKey::in_key_order(self.key()),
                    false => UniqueKey::in_any_order(self.key()),
                };
                let schema = state.judge.selected();
                let added = self.sort_and_write(judged, state, &mut unique).await?;
                (schema, added, None)
            }
            Some(_) => {
                let sorted = self.sorted_events(state, judged).await?;
                let mut fold = EventFold::new(self.shape(state), state.judge.kept_schema())
                    .map_err(arrow_error)?;
                let schema = fold.table_schema();
                let added = self
                    .fold_and_write(state, sorted, &mut fold, &aside)
                    .await?;
                (schema, added, Some(fold.counts()))
            }
        };
        let mut aside = self.take_aside(&aside)?;
        self.check_present(&aside, events.unwrap_or_default())?;
        let kept = added.iter().map(|file| file.rows).sum();
        let terms = aside.terms(events, kept);
        count_aside(&mut aside, events);
        Ok(Computed {
            schema,
            added,
            removed,
            counts: aside.counts,
            quarantined: aside.quarantined,
            full: terms.clone(),
            share: terms,
            kept_before: 0,
            bytes_read,
            replaces: true,
            apart: Apart::default(),
            high_water: aside.high_water,
        })
    }

    /// Only the new loads, and rows in quarantine that were repaired. None: only a rebuild is right, since an event reaches behind what the
    /// table has taken in, or can tell whether a limit is exceeded.
    async fn incremental(
        &self,
        state: &State,
        report: &mut StepReport,
    ) -> Result<Option<Computed>, PipelineError> {
        let (Some(head), Decision::Incremental { .. }) = (&state.head, &state.decision) else {
            return Ok(None);
        };
        let Some(receipt) = head.receipt else {
            return Err(PipelineError::Foreign {
                table: self.model.name.to_string(),
                version: head.snapshot.version,
            });
        };
        let before = read_receipt(self.site, receipt)?;
        let kept_before = before.accounting.get("kept").copied().unwrap_or(0);
        let files = self.files_of(state, &state.decision);
        let mut bytes_read: u64 = files.iter().map(|file| file.size).sum();
        let aside = Arc::new(Mutex::new(Aside::default()));
        let judged = self.judged(state, &files, false, &aside).await?;
        let computed = if self.silver.auto_cdc.is_none() {
            let schema = state.judge.selected();
            let mut unique = UniqueKey::in_any_order(self.key());
            let added = self.sort_and_write(judged, state, &mut unique).await?;
            bytes_read += self
                .prove_new_keys(state, head, &added, &mut unique)
                .await?;
            let aside = self.take_aside(&aside)?;
            // A limit is a share of the rows newly judged (C2): a few repaired ones would exceed it that do not among all.
            if !state.news.of.is_empty() && state.judge.gate(&aside.counts).is_err() {
                for file in &added {
                    read::discard(&self.table, file);
                }
                return Ok(None);
            }
            let share = aside.terms(None, added.iter().map(|file| file.rows).sum());
            let mut full = accounting::add(&before.accounting, &share);
            // Rows that were held back were read before, too: they have another outcome now.
            let of_news = state.news.of.len() as u64;
            for (term, rows) in [
                ("read", of_news),
                ("quarantined", of_news),
                (accounting::REPAIRED, state.news.repaired_before),
            ] {
                if let Some(count) = full.get_mut(term) {
                    *count = count.saturating_sub(rows);
                }
            }
            Computed {
                schema,
                added,
                removed: Vec::new(),
                full,
                share,
                apart: state.apart.clone().unwrap_or_default(),
                kept_before,
                counts: aside.counts,
                quarantined: aside.quarantined,
                bytes_read,
                replaces: false,
                high_water: None,
            }
        } else {
            let merged = match self.shape(state).loads {
                Some(_) => self.merge_loads(state, head, judged, &aside).await?,
                None => self.merge(state, head, &before, judged, &aside).await?,
            };
            let Some(merged) = merged else {
                return Ok(None);
            };
            bytes_read += merged.bytes_read;
            let mut aside = self.take_aside(&aside)?;
            self.check_present(&aside, merged.events)?;
            let share = aside.terms(Some(merged.events), merged.events.kept);
            count_aside(&mut aside, Some(merged.events));
            let mut full = accounting::add(&before.accounting, &share);
            // Rows that stood and were replaced are no longer kept but superseded.
            let replaced = merged.events.existing_superseded;
            if let Some(kept) = full.get_mut("kept") {
                *kept -= replaced;
            }
            *full.entry("superseded".to_owned()).or_default() += replaced;
            Computed {
                schema: head.snapshot.schema.clone(),
                added: merged.added,
                removed: merged.removed,
                full,
                share,
                kept_before,
                counts: aside.counts,
                quarantined: aside.quarantined,
                bytes_read,
                replaces: false,
                apart: Apart::default(),
                high_water: aside.high_water,
            }
        };
        report.bytes_read += bytes_read;
        report.how = Some(format!("incremental: {}", self.news_of(state)));
        Ok(Some(computed))
    }

    /// `1 new load, 2 repaired rows`.
    fn news_of(&self, state: &State) -> String {
        let counted = |count: u64, what: &str| match count {
            0 => None,
            1 => Some(format!("1 {what}")),
            more => Some(format!("{more} {what}s")),
        };
        let loads = counted(state.new_loads, "new load");
        let rows = counted(state.news.of.len() as u64, "repaired row");
        let parts: Vec<String> = loads.into_iter().chain(rows).collect();
        parts.join(", ")
    }

    /// What gathered beside the stream, which has come to its end: every row was judged.
    fn take_aside(&self, aside: &Arc<Mutex<Aside>>) -> Result<Aside, PipelineError> {
        let aside = std::mem::take(&mut *lock(aside));
        let table = self.model.name.to_string();
        let (given, judged) = (aside.to_judge.rows(), aside.counts.read);
        accounting::same(&table, given, judged, "rows to judge, and judged")?;
        if let Some(in_force) = aside.in_force {
            let placed = aside.placed.repaired.rows() + aside.placed.discarded.rows();
            let what = "repairs that count, and rows that they stand for";
            accounting::same(&table, in_force, placed, what)?;
        }
        Ok(aside)
    }

    /// Every row that a rule took out of a snapshot has told that its key is there (G6).
    fn check_present(&self, aside: &Aside, events: EventCounts) -> Result<(), PipelineError> {
        let what = "rows of snapshots that a rule took out, and that told of their key";
        let table = self.model.name.to_string();
        accounting::same(&table, aside.counts.present, events.present, what)
    }

    /// Folds new whole loads into the rows that stand: each is touched, by a row or by there being none.
    async fn merge_loads(
        &self,
        state: &State,
        head: &Head,
        judged: BatchStream,
        aside: &Arc<Mutex<Aside>>,
    ) -> Result<Option<Merged>, PipelineError> {
        let snapshots = state.reading.snapshots.as_ref();
        let consumed = consumed_of(&state.decision);
        let Some(newest) = snapshots.and_then(|snapshots| snapshots.newest_up_to(consumed)) else {
            return Ok(None);
        };
        let shape = self.shape(state);
        let scd = shape.scd;
        let kept_schema = state.judge.kept_schema();
        let files = &head.snapshot.files;
        if files.is_empty() {
            return Ok(None);
        }
        prove_list(self.site, &self.table, head)?;
        prove(self.site, &self.table, files.iter()).await?;
        let set = read::file_set(&self.table, &head.snapshot, files.iter(), None);
        let standing = read::scan(self.site, &set, "silver.standing").await?;
        let as_events = kept_schema.clone();
        let standing = standing.map(move |batch| {
            let batch = batch.map_err(ExactError::from)?;
            let open = open_rows(&batch, scd);
            let open: BooleanArray = (0..batch.num_rows()).map(|row| Some(open(row))).collect();
            filter_record_batch(&batch, &open)
                .map_err(arrow_error)
                .map(|open| failpoint::rows("silver.touched", open))
                .and_then(|open| existing_as_events(&open, &as_events, scd, newest))
                .map_err(|error| ExactError::Internal(error.to_string()))
        });
        let events = standing.chain(judged.map_err(ExactError::from));
        let sorted = self
            .sorted_events(state, batch_stream(kept_schema.clone(), events))
            .await?;
        let mut fold = EventFold::new(shape.clone(), kept_schema).map_err(arrow_error)?;
        let mut added = self.fold_and_write(state, sorted, &mut fold, aside).await?;
        if scd == ScdType::Two {
            let closed = read::scan(self.site, &set, "silver.standing").await?;
            let closed = closed.map(move |batch| {
                let batch = batch.map_err(ExactError::from)?;
                let open = open_rows(&batch, scd);
                let closed: BooleanArray =
                    (0..batch.num_rows()).map(|row| Some(!open(row))).collect();
                filter_record_batch(&batch, &closed)
                    .map(|closed| failpoint::rows("silver.untouched", closed))
                    .map_err(|error| ExactError::Internal(error.to_string()))
            });
            let closed = batch_stream(head.snapshot.schema.clone(), closed);
            let mut order: Vec<SortColumn> = shape
                .keys
                .iter()
                .map(|key| SortColumn::ascending(key))
                .collect();
            order.push(SortColumn::ascending(START_AT));
            let mut sorted = self.site.engine.sort(closed, &order).await?;
            let mut writer = self.writer_from(
                added.len(),
                head.snapshot.schema.clone(),
                Layout::SMALL_FILES,
                state,
            )?;
            while let Some(batch) = sorted.try_next().await.map_err(ExactError::from)? {
                writer.write(&failpoint::rows("silver.written", batch))?;
            }
            let written = tokio::task::spawn_blocking(move || writer.finish());
            added.extend(written.await.map_err(joined)??);
        }
        Ok(Some(Merged {
            added,
            removed: files.clone(),
            bytes_read: files.iter().map(|file| file.size).sum(),
            events: fold.counts(),
        }))
    }

    /// Folds new events into the files that hold their keys.
    async fn merge(
        &self,
        state: &State,
        head: &Head,
        before: &Receipt,
        judged: BatchStream,
        aside: &Arc<Mutex<Aside>>,
    ) -> Result<Option<Merged>, PipelineError> {
        let shape = self.shape(state);
        if shape.scd == ScdType::Two && shape.valid_from != SEQUENCE {
            return Ok(None);
        }
        let kept_schema = state.judge.kept_schema();
        let events: Vec<RecordBatch> = judged.try_collect().await.map_err(ExactError::from)?;
        // A truncate touches every key.
        if !lock(aside).truncates.is_empty() {
            return Ok(None);
        }
        let events = concat_batches(&kept_schema, &events).map_err(arrow_error)?;
        let Some(high_water) = before.parameters.get("high_water") else {
            return Ok(None);
        };
        let sequence = columns(&events, &shape.sequence)?;
        // One that is later in the moment of an event before it takes its place in the history, and what that one ended goes on.
        let compared = match shape.scd {
            ScdType::One => sequence.len(),
            ScdType::Two => 1,
        };
        if !crate::high_water::all_after(&sequence, high_water, compared)? {
            return Ok(None);
        }
        if let Some(newest) = crate::high_water::greatest(&sequence)? {
            lock(aside).high_water = Some(newest);
        } else {
            lock(aside).high_water = Some(high_water.clone());
        }
        let key_fields: Vec<SortField> = shape
            .keys
            .iter()
            .map(|key| {
                Ok(SortField::new(
                    kept_schema.field_with_name(key)?.data_type().clone(),
                ))
            })
            .collect::<Result<_, arrow::error::ArrowError>>()
            .map_err(arrow_error)?;
        let converter = RowConverter::new(key_fields).map_err(arrow_error)?;
        let touched: BTreeSet<OwnedRow> = {
            let rows = converter
                .convert_columns(&columns(&events, &shape.keys)?)
                .map_err(arrow_error)?;
            (0..events.num_rows())
                .map(|row| rows.row(row).owned())
                .collect()
        };
        let candidates: Vec<&LiveFile> = head
            .snapshot
            .files
            .iter()
            .filter(|file| {
                crate::prune::may_hold(
                    file.stats.as_deref(),
                    &shape.keys[0],
                    column(&events, &shape.keys[0]).ok(),
                )
            })
            .collect();
        prove_list(self.site, &self.table, head)?;
        prove(self.site, &self.table, candidates.iter().copied()).await?;
        let mut existing: Vec<RecordBatch> = Vec::new();
        let mut removed = Vec::new();
        let mut rest: Vec<RecordBatch> = Vec::new();
        let mut bytes_read = 0;
        for file in candidates {
            bytes_read += file.size;
            let set = read::file_set(&self.table, &head.snapshot, [file], None);
            let batches: Vec<RecordBatch> = read::scan(self.site, &set, "silver.standing")
                .await?
                .try_collect()
                .await
                .map_err(ExactError::from)?;
            let mut rest_of_file = Vec::new();
            let mut any = false;
            for batch in batches {
                let rows = converter
                    .convert_columns(&columns(&batch, &shape.keys)?)
                    .map_err(arrow_error)?;
                let open = open_rows(&batch, shape.scd);
                let hit: BooleanArray = (0..batch.num_rows())
                    .map(|row| Some(open(row) && touched.contains(&rows.row(row).owned())))
                    .collect();
                if hit.true_count() == 0 {
                    rest_of_file.push(batch);
                    continue;
                }
                any = true;
                let touched = filter_record_batch(&batch, &hit).map_err(arrow_error)?;
                existing.push(failpoint::rows("silver.touched", touched));
                let miss: BooleanArray = hit.iter().map(|hit| hit.map(|hit| !hit)).collect();
                let untouched = filter_record_batch(&batch, &miss).map_err(arrow_error)?;
                rest_of_file.push(failpoint::rows("silver.untouched", untouched));
            }
            if any {
                removed.push(file.clone());
                rest.extend(rest_of_file);
            }
        }
        let mut with_existing = vec![events];
        for batch in &existing {
            with_existing.push(existing_as_events(batch, &kept_schema, shape.scd, 0)?);
        }
        let stream = batch_stream(
            kept_schema.clone(),
            futures::stream::iter(with_existing.into_iter().map(Ok)),
        );
        let sorted = self.sorted_events(state, stream).await?;
        let mut fold = EventFold::new(shape.clone(), kept_schema).map_err(arrow_error)?;
        let table_schema = head.snapshot.schema.clone();
        let mut folded = self.fold(state, sorted, &mut fold, aside).await?;
        let events = fold.counts();
        folded.extend(rest);
        let rows = batch_stream(
            table_schema.clone(),
            futures::stream::iter(folded.into_iter().map(Ok)),
        );
        let mut order: Vec<SortColumn> = shape
            .keys
            .iter()
            .map(|key| SortColumn::ascending(key))
            .collect();
        if shape.scd == ScdType::Two {
            order.push(SortColumn::ascending(START_AT));
        }
        let sorted = self.site.engine.sort(rows, &order).await?;
        // Each key was folded into one row, or into ranges that do not begin together.
        let mut unique = UniqueKey::in_any_order(&[]);
        let added = self
            .write(
                sorted,
                table_schema,
                Layout::SMALL_FILES,
                state,
                &mut unique,
            )
            .await?;
        Ok(Some(Merged {
            added,
            removed,
            bytes_read,
            events,
        }))
    }

    async fn sorted_events(
        &self,
        state: &State,
        events: BatchStream,
    ) -> Result<BatchStream, PipelineError> {
        let mut order: Vec<SortColumn> = self
            .shape(state)
            .keys
            .iter()
            .map(|key| SortColumn::ascending(key))
            .collect();
        // Rows that stand in the table come before every new event of their key.
        order.push(SortColumn::descending(EXISTING));
        let shape = self.shape(state);
        let sequence = match shape.loads {
            Some(_) => vec![LOAD.to_owned()],
            None => shape.sequence,
        };
        order.extend(sequence.iter().map(|name| SortColumn::ascending(name)));
        order.push(SortColumn::ascending("_seq"));
        Ok(self.site.engine.sort(events, &order).await?)
    }

    async fn fold(
        &self,
        state: &State,
        mut sorted: BatchStream,
        fold: &mut EventFold,
        aside: &Arc<Mutex<Aside>>,
    ) -> Result<Vec<RecordBatch>, PipelineError> {
        let mut rows = Vec::new();
        while let Some(batch) = sorted.try_next().await.map_err(ExactError::from)? {
            let batch = failpoint::rows("silver.sorted", batch);
            if let Some(folded) = fold.push(batch).map_err(arrow_error)? {
                put_aside(state, aside, &folded)?;
                rows.push(failpoint::rows("silver.folded", folded.rows));
            }
        }
        if let Some(folded) = fold.finish().map_err(arrow_error)? {
            put_aside(state, aside, &folded)?;
            rows.push(failpoint::rows("silver.folded", folded.rows));
        }
        Ok(rows)
    }

    async fn fold_and_write(
        &self,
        state: &State,
        mut sorted: BatchStream,
        fold: &mut EventFold,
        aside: &Arc<Mutex<Aside>>,
    ) -> Result<Vec<WrittenFile>, PipelineError> {
        let mut writer = self.writer(fold.table_schema(), Layout::SMALL_FILES, state)?;
        let sequence = self.shape(state).sequence;
        let mut high_water = None;
        let mut next = sorted.try_next().await.map_err(ExactError::from)?;
        // Every row is judged by now: what is sorted has no first row before the last one is there.
        let truncates = std::mem::take(&mut lock(aside).truncates);
        if let Some(first) = truncates.first() {
            let truncates = concat_batches(&first.schema(), &truncates).map_err(arrow_error)?;
            let truncates = failpoint::rows("silver.truncates", truncates);
            crate::high_water::raise(&mut high_water, &columns(&truncates, &sequence)?)?;
            fold.truncated_by(&truncates).map_err(arrow_error)?;
        }
        while let Some(batch) = next {
            let batch = failpoint::rows("silver.sorted", batch);
            crate::high_water::raise(&mut high_water, &columns(&batch, &sequence)?)?;
            if let Some(folded) = fold.push(batch).map_err(arrow_error)? {
                put_aside(state, aside, &folded)?;
                writer.write(&failpoint::rows("silver.folded", folded.rows))?;
            }
            next = sorted.try_next().await.map_err(ExactError::from)?;
        }
        if let Some(folded) = fold.finish().map_err(arrow_error)? {
            put_aside(state, aside, &folded)?;
            writer.write(&failpoint::rows("silver.folded", folded.rows))?;
        }
        lock(aside).high_water = high_water;
        failpoint::hit("files.before");
        let files = tokio::task::spawn_blocking(move || writer.finish())
            .await
            .map_err(joined)??;
        failpoint::hit("files.after");
        Ok(files)
    }

    /// Judged rows of a table without AUTO CDC, in its order.
    async fn sort_and_write(
        &self,
        judged: BatchStream,
        state: &State,
        unique: &mut UniqueKey<'_>,
    ) -> Result<Vec<WrittenFile>, PipelineError> {
        let schema = state.judge.selected();
        let order = self.row_order(&schema);
        let sorted = self.site.engine.sort(judged, &order).await?;
        self.write(sorted, schema, Layout::default(), state, unique)
            .await
    }

    async fn write(
        &self,
        mut rows: BatchStream,
        schema: SchemaRef,
        layout: Layout,
        state: &State,
        unique: &mut UniqueKey<'_>,
    ) -> Result<Vec<WrittenFile>, PipelineError> {
        let mut writer = self.writer(schema, layout, state)?;
        while let Some(batch) = rows.try_next().await.map_err(ExactError::from)? {
            if !unique.holds(&batch)? {
                writer.abort();
                return Err(self.not_unique(state, unique).await?);
            }
            writer.write(&failpoint::rows("silver.written", batch))?;
        }
        failpoint::hit("files.before");
        let files = tokio::task::spawn_blocking(move || writer.finish())
            .await
            .map_err(joined)??;
        failpoint::hit("files.after");
        Ok(files)
    }

    /// Proves that no row of the table has a key of the new rows; gives the bytes of the files that had to be asked.
    async fn prove_new_keys(
        &self,
        state: &State,
        head: &Head,
        added: &[WrittenFile],
        unique: &mut UniqueKey<'_>,
    ) -> Result<u64, PipelineError> {
        let Some(first) = self.key().first() else {
            return Ok(0);
        };
        let new = read::written_set(&self.table, &state.judge.selected(), added);
        let values: Vec<RecordBatch> = self
            .site
            .engine
            .scan(&new, Some(std::slice::from_ref(first)))
            .await?
            .try_collect()
            .await
            .map_err(ExactError::from)?;
        let Some(schema) = values.first().map(RecordBatch::schema) else {
            return Ok(0);
        };
        let values = concat_batches(&schema, &values).map_err(arrow_error)?;
        let mut bytes = 0;
        for file in &head.snapshot.files {
            if !crate::prune::may_hold(file.stats.as_deref(), first, Some(values.column(0))) {
                continue;
            }
            bytes += file.size;
            prove(self.site, &self.table, [file]).await?;
            let set = read::file_set(&self.table, &head.snapshot, [file], None);
            let mut keys = self.site.engine.scan(&set, Some(self.key())).await?;
            while let Some(batch) = keys.try_next().await.map_err(ExactError::from)? {
                if unique.meets(&batch)? {
                    for file in added {
                        read::discard(&self.table, file);
                    }
                    return Err(self.not_unique(state, unique).await?);
                }
            }
        }
        Ok(bytes)
    }

    /// Settles the intent of a version whose key does not hold, and says so.
    async fn not_unique(
        &self,
        state: &State,
        unique: &UniqueKey<'_>,
    ) -> Result<PipelineError, PipelineError> {
        let error = unique.refusal(
            &self.model.name.to_string(),
            self.rows_of_one_key(state, unique).await?,
            "name the columns that identify a row in `key`; where rows replace each other, use `auto_cdc`",
        );
        let closed = Closed {
            feed_or_model: self.model.name.to_string(),
            epoch: state.epoch,
            outcome: Outcome::Refused,
            reason: error.to_string(),
            objects: Vec::new(),
        };
        epochs::close(&self.site.lake, &self.model.name, &closed)?;
        Ok(error)
    }

    /// Addresses of rows of bronze that have the key which was found twice.
    async fn rows_of_one_key(
        &self,
        state: &State,
        unique: &UniqueKey<'_>,
    ) -> Result<Vec<String>, PipelineError> {
        let mut rows = self.all_current_rows(state).await?;
        let mut found = Vec::new();
        while let Some(batch) = rows.try_next().await.map_err(ExactError::from)? {
            let (selected, batch) = state.judge.selected_of(&batch, &state.reading)?;
            for (row, has_it) in unique.has_it(&selected)?.into_iter().enumerate() {
                if has_it {
                    found.push(address::of(&batch, row));
                }
            }
            if found.len() >= ADDRESSES_MAX {
                found.truncate(ADDRESSES_MAX);
                break;
            }
        }
        Ok(found)
    }

    /// All rows that a rebuild judges, for whoever looks for some of them.
    async fn all_current_rows(&self, state: &State) -> Result<BatchStream, PipelineError> {
        let all = Decision::Rebuild {
            reason: String::new(),
        };
        let files = self.files_of(state, &all);
        prove(self.site, &state.bronze_table, files.iter().copied()).await?;
        let placed = Placed::default();
        let rows = self.rows_in_place(state, &files, &placed).await?;
        Ok(self.current_rows(state, rows).await?.0)
    }

    /// The rows of bronze from which rows of the table with these keys come, in the order of bronze.
    pub(crate) async fn received(
        &self,
        rows: &RecordBatch,
    ) -> Result<Vec<Received>, PipelineError> {
        let Some(state) = self.state().await? else {
            return Ok(Vec::new());
        };
        let selected = state.judge.selected();
        let named: Vec<String> = match (&self.silver.auto_cdc, self.key()) {
            (Some(cdc), _) => cdc.keys.clone(),
            (None, []) => selected
                .fields()
                .iter()
                .map(|field| field.name().clone())
                .collect(),
            (None, key) => key.to_vec(),
        };
        let hashes = |batch: &RecordBatch| -> Result<Vec<u128>, PipelineError> {
            let schema = batch.schema();
            let at: Result<Vec<usize>, _> =
                named.iter().map(|name| schema.index_of(name)).collect();
            let keys = batch
                .project(&at.map_err(arrow_error)?)
                .map_err(arrow_error)?;
            Ok(row_hashes(&keys)?)
        };
        let wanted = hashes(rows)?;
        let mut bronze = self.all_current_rows(&state).await?;
        let feed_epochs = Epochs::read(
            &self.site.lake,
            &self.feed.bronze,
            Some(&state.bronze.snapshot),
        )?;
        let newest = state.repairs.newest().into_iter();
        let repaired: BTreeMap<Address, usize> = newest.map(|(of, _, row)| (of, row)).collect();
        let mut found = Vec::new();
        while let Some(batch) = bronze.try_next().await.map_err(ExactError::from)? {
            let (selected, batch) = state.judge.selected_of(&batch, &state.reading)?;
            let columns = Columns::of(&batch);
            for (row, hash) in hashes(&selected)?.into_iter().enumerate() {
                for of in (0..wanted.len()).filter(|of| wanted[*of] == hash) {
                    let epoch = columns.epoch(row);
                    let at = columns.at(row);
                    let intent = feed_epochs.done().find(|intent| intent.epoch == epoch);
                    found.push(Received {
                        of,
                        repair: repaired
                            .get(&at)
                            .map(|repair| state.repairs.repair(*repair).clone()),
                        address: at.to_string(),
                        op: address::op(&batch, row).to_owned(),
                        epoch,
                        run: intent.map_or_else(String::new, |intent| intent.run.clone()),
                        loaded_at: intent
                            .map_or_else(String::new, |intent| intent.logical_time.clone()),
                    });
                }
            }
        }
        Ok(found)
    }

    /// Columns that name a row, without `auto_cdc`.
    fn key(&self) -> &[String] {
        self.model.key.as_deref().unwrap_or_default()
    }

    fn writer(
        &self,
        schema: SchemaRef,
        layout: Layout,
        state: &State,
    ) -> Result<CanonicalWriter, PipelineError> {
        self.writer_from(0, schema, layout, state)
    }

    /// A writer after so many files of the version.
    fn writer_from(
        &self,
        files: usize,
        schema: SchemaRef,
        layout: Layout,
        state: &State,
    ) -> Result<CanonicalWriter, PipelineError> {
        let files = files as u32;
        Ok(self
            .table
            .writer(&schema, layout, state.epoch, files, &[])?)
    }

    /// D2(a): `cluster_by`, then `key`. Without a key, all columns follow; after one, none could tell rows apart: that it identifies
    /// them is proved before a version is made.
    fn row_order(&self, schema: &Schema) -> Vec<SortColumn> {
        let mut order: Vec<&String> = self.model.cluster_by.iter().collect();
        let rest: Vec<&String> = match self.key() {
            [] => schema.fields().iter().map(|field| field.name()).collect(),
            key => key.iter().collect(),
        };
        for name in rest {
            if !order.contains(&name) {
                order.push(name);
            }
        }
        order
            .into_iter()
            .map(|name| SortColumn::ascending(name))
            .collect()
    }

    fn shape(&self, state: &State) -> EventShape {
        let selected = state.judge.selected();
        let output: Vec<String> = selected
            .fields()
            .iter()
            .map(|field| field.name().clone())
            .collect();
        let cdc = self.silver.auto_cdc.as_ref();
        let keys = cdc.map(|cdc| cdc.keys.clone()).unwrap_or_default();
        let sequence_by = cdc.map(|cdc| cdc.sequence_by.clone()).unwrap_or_default();
        // The sequence itself is no content: an event that only moves it opens no range (C5).
        let is_tracked = |name: &String| match cdc.map(|cdc| &cdc.track) {
            Some(WhichColumns::Only(only)) => only.contains(name),
            Some(WhichColumns::Except(except)) => {
                !except.contains(name) && !sequence_by.contains(name)
            }
            _ => !sequence_by.contains(name),
        };
        EventShape {
            scd: if cdc.is_some_and(|cdc| cdc.scd_type == 2) {
                ScdType::Two
            } else {
                ScdType::One
            },
            tracked: output
                .iter()
                .filter(|name| !keys.contains(name) && is_tracked(name))
                .cloned()
                .collect(),
            valid_from: cdc
                .and_then(|cdc| cdc.valid_from.clone())
                .unwrap_or_else(|| SEQUENCE.to_owned()),
            ignored_nulls: match cdc.and_then(|cdc| cdc.ignore_null_updates.as_ref()) {
                Some(ignored) => output
                    .iter()
                    .filter(|name| ignored.contains(name))
                    .cloned()
                    .collect(),
                None => Vec::new(),
            },
            loads: match &state.reading.snapshots {
                Some(snapshots) if self.feed.key.is_empty() => Some(snapshots.dates()),
                _ => None,
            },
            sequence: (0..sequence_by.len().max(1)).map(sequence_column).collect(),
            keys,
            output,
        }
    }

    async fn publish(
        &self,
        state: &State,
        intent: Intent,
        intent_digest: Digest,
        computed: Computed,
        report: &mut StepReport,
    ) -> Result<(), PipelineError> {
        if let Err(error) = state.judge.gate(&computed.counts) {
            for file in &computed.added {
                read::discard(&self.table, file);
            }
            let closed = Closed {
                feed_or_model: self.model.name.to_string(),
                epoch: intent.epoch,
                outcome: Outcome::Refused,
                reason: error.to_string(),
                objects: Vec::new(),
            };
            epochs::close(&self.site.lake, &self.model.name, &closed)?;
            return Err(error);
        }
        report.notes.extend(state.judge.warnings(&computed.counts));
        let code = keep_code(self.site, self.model.code_text())?;
        let mut receipt = receipt_base(
            self.site,
            &self.model.name,
            Kind::Transform,
            intent.epoch,
            code,
        );
        receipt.intent = Some(intent_digest);
        receipt.parameters.clone_from(&intent.parameters);
        receipt.inputs = vec![self.input(state)?];
        receipt.expectations = state.judge.expectation_counts(&computed.counts);
        receipt.accounting = computed.full.clone();
        receipt.accounting_run = computed.share.clone();
        receipt.bytes_read = computed.bytes_read;
        if let Some(high_water) = &computed.high_water {
            receipt
                .parameters
                .insert("high_water".to_owned(), high_water.clone());
        }
        accounting::check(&receipt)?;
        computed.check(&receipt.table)?;
        let quarantine_receipt = Receipt {
            accounting: BTreeMap::new(),
            accounting_run: BTreeMap::new(),
            expectations: Vec::new(),
            table: self.quarantine_name.to_string(),
            layer: "quarantine".to_owned(),
            bytes_read: 0,
            ..receipt.clone()
        };
        // Before quarantine, which is written first: of a version that breaks a check nothing stays.
        let candidate = Candidate {
            base: state.head.as_ref(),
            schema: &computed.schema,
            added: &computed.added,
            removed: &computed.removed,
        };
        closing::before_commit(self.site, self.model, &candidate, &mut receipt, report).await?;
        audit::before_commit(self.site, self.model, &candidate, &mut receipt, report).await?;
        self.publish_quarantine(state, quarantine_receipt, &computed)
            .await?;
        failpoint::hit("between.tables");
        report.bytes_written += computed.added.iter().map(|file| file.size).sum::<u64>();
        let published: Published = publish(
            self.site,
            &self.table,
            Change {
                base: state.head.clone(),
                schema: computed.schema,
                added: computed.added,
                removed: computed.removed,
                app: layout::app(&self.model.name),
                operation: if computed.replaces {
                    "OVERWRITE"
                } else {
                    "MERGE"
                },
                receipt,
                excluded: &[],
            },
        )
        .await?;
        let rules = state.judge.expectation_counts(&computed.counts);
        report.notes.extend(hardly_kept(&computed.share, &rules));
        report.rows = computed.share;
        report.committed(published.version, &published.fingerprint.to_string());
        Ok(())
    }

    fn input(&self, state: &State) -> Result<Input, PipelineError> {
        let fingerprint = match state.bronze.receipt {
            Some(digest) => read_receipt(self.site, digest)?.fingerprint,
            None => {
                return Err(PipelineError::Foreign {
                    table: self.feed.bronze.to_string(),
                    version: state.bronze.snapshot.version,
                });
            }
        };
        Ok(Input {
            table: self.feed.bronze.to_string(),
            version: state.bronze.snapshot.version,
            receipt: state.bronze.receipt,
            fingerprint,
        })
    }

    /// Quarantine is written before silver and carries the same epoch: a rerun after a kill between the two finds it done. If
    /// that rerun reads something else, it has another epoch, and takes what the killed run held back out again.
    async fn publish_quarantine(
        &self,
        state: &State,
        mut receipt: Receipt,
        computed: &Computed,
    ) -> Result<(), PipelineError> {
        let Computed {
            quarantined: rows,
            replaces,
            apart,
            ..
        } = computed;
        let replaces = *replaces;
        let held_back = computed.share.get("quarantined").copied().unwrap_or(0);
        let app = layout::app(&self.model.name);
        let already = state
            .quarantine
            .as_ref()
            .and_then(|head| head.snapshot.app_versions.get(&app))
            .is_some_and(|epoch| *epoch >= receipt.epoch);
        let nothing_before = state
            .quarantine
            .as_ref()
            .is_none_or(|head| head.snapshot.files.is_empty());
        let ahead: Vec<LiveFile> = state
            .quarantine
            .iter()
            .flat_map(|head| &head.snapshot.files)
            .filter(|file| read::written(&file.path).0 > state.epochs.committed())
            .cloned()
            .collect();
        let arrived = rows.iter().map(|batch| batch.num_rows() as u64).sum();
        let what = "rows that a rule or a tie holds back, and held";
        accounting::same(&receipt.table, held_back, arrived, what)?;
        let none = arrived == 0;
        let untouched = ahead.is_empty() && apart.files.is_empty();
        if already || (none && untouched && (!replaces || nothing_before)) {
            return Ok(());
        }
        let schema = quarantine_schema();
        let stream = batch_stream(
            schema.clone(),
            futures::stream::iter(
                rows.iter()
                    .chain(&apart.rest)
                    .cloned()
                    .map(Ok)
                    .collect::<Vec<_>>(),
            ),
        );
        let order: Vec<SortColumn> = schema
            .fields()
            .iter()
            .map(|field| SortColumn::ascending(field.name()))
            .collect();
        let mut sorted = self.site.engine.sort(stream, &order).await?;
        let layout = Layout::default();
        let mut writer = self
            .quarantine
            .writer(&schema, layout, receipt.epoch, 0, &[])?;
        while let Some(batch) = sorted.try_next().await.map_err(ExactError::from)? {
            writer.write(&failpoint::rows("silver.held", batch))?;
        }
        let added = writer.finish()?;
        let removed = match (&state.quarantine, replaces) {
            (Some(head), true) => head.snapshot.files.clone(),
            _ => ahead.into_iter().chain(apart.files.clone()).collect(),
        };
        let held = |files: &[LiveFile]| files.iter().map(|file| file.rows).sum::<u64>();
        let before = state
            .quarantine
            .as_ref()
            .map_or(0, |head| held(&head.snapshot.files));
        let new: u64 = added.iter().map(|file| file.rows).sum();
        let stay: u64 = apart.rest.iter().map(|batch| batch.num_rows() as u64).sum();
        let what = "rows held, and written";
        accounting::same(&receipt.table, held_back + stay, new, what)?;
        let repaired = match apart.files.is_empty() {
            true => 0,
            false => state.news.of.len() as u64,
        };
        let what = "rows held before; that stay, and that were repaired";
        accounting::same(&receipt.table, held(&apart.files), stay + repaired, what)?;
        let term = |rows: u64| Terms::from([("kept".to_owned(), rows)]);
        receipt.accounting = term(before - held(&removed) + new);
        receipt.accounting_run = term(held_back);
        publish(
            self.site,
            &self.quarantine,
            Change {
                base: state.quarantine.clone(),
                schema,
                added,
                removed,
                app,
                operation: match (replaces, stay) {
                    (true, _) => "OVERWRITE",
                    (false, 0) => "APPEND",
                    (false, _) => "MERGE",
                },
                receipt,
                excluded: &[],
            },
        )
        .await?;
        Ok(())
    }
}

/// What was computed for a version, before it is published.
struct Computed {
    schema: SchemaRef,
    added: Vec<WrittenFile>,
    removed: Vec<LiveFile>,
    counts: JudgeCounts,
    quarantined: Vec<RecordBatch>,
    full: Terms,
    share: Terms,
    /// Rows of the version before, as its receipt accounts for them; 0 if all are replaced.
    kept_before: u64,
    bytes_read: u64,
    replaces: bool,
    /// What becomes of rows that were held back before.
    apart: Apart,
    high_water: Option<String>,
}

/// Files of a quarantine that hold rows which were repaired, and the other rows of these files.
#[derive(Clone, Default)]
struct Apart {
    files: Vec<LiveFile>,
    rest: Vec<RecordBatch>,
}

impl Computed {
    /// The rows of the files against the terms: those kept more are those added, less those removed (G6).
    fn check(&self, table: &str) -> Result<(), PipelineError> {
        let added: u64 = self.added.iter().map(|file| file.rows).sum();
        let removed: u64 = match self.replaces {
            true => 0,
            false => self.removed.iter().map(|file| file.rows).sum(),
        };
        let kept = self.full.get("kept").copied().unwrap_or(0);
        let what = "rows before, and in files written; kept, and in files replaced";
        accounting::same(table, self.kept_before + added, kept + removed, what)
    }
}

struct Merged {
    added: Vec<WrittenFile>,
    removed: Vec<LiveFile>,
    bytes_read: u64,
    events: EventCounts,
}

/// What gathers beside the stream of kept rows.
#[derive(Default)]
struct Aside {
    counts: JudgeCounts,
    quarantined: Vec<RecordBatch>,
    high_water: Option<String>,
    /// Events that empty the table.
    truncates: Vec<RecordBatch>,
    /// Rows that are to be judged, counted before.
    to_judge: Passed,
    /// Rows in whose place a repair stands.
    placed: Placed,
    /// Repairs of rows that are read; None where another writer may have taken such rows away.
    in_force: Option<u64>,
}

impl Aside {
    /// Terms of G6; `written` is what the writer counted (or, of a merge, the fold).
    fn terms(&self, events: Option<EventCounts>, written: u64) -> Terms {
        let mut terms = BTreeMap::from([
            ("read".to_owned(), self.counts.read),
            ("kept".to_owned(), written),
            ("duplicate".to_owned(), self.counts.duplicate),
            ("quarantined".to_owned(), self.counts.quarantined),
            ("dropped".to_owned(), self.counts.dropped),
            ("superseded".to_owned(), self.counts.superseded),
            ("deleted".to_owned(), 0),
            ("unchanged".to_owned(), 0),
        ]);
        // Rows with a repair in their place are read like others, discarded ones are not: both are counted apart (G6).
        let placed = &self.placed;
        for (term, rows) in [
            (accounting::REPAIRED, placed.repaired.rows()),
            (accounting::DISCARDED, placed.discarded.rows()),
        ] {
            if rows > 0 {
                terms.insert(term.to_owned(), rows);
            }
        }
        if let Some(events) = events {
            let mut of_events = events.terms();
            of_events.remove("kept");
            terms = accounting::add(&terms, &of_events);
        }
        terms
    }
}

fn count_aside(aside: &mut Aside, events: Option<EventCounts>) {
    let Some(events) = events else { return };
    for (count, rule) in [
        (events.tied, RULE_SEQUENCE_TIE),
        (events.dated_back, RULE_VALID_FROM_ORDER),
    ] {
        if count > 0 {
            *aside.counts.broken.entry(rule.to_owned()).or_default() += count;
        }
    }
}

/// The columns of bronze without those that no model may read and no judgement needs (B2).
fn read_schema(bronze: &Schema) -> SchemaRef {
    let unread = ["_run", "_loaded_at"];
    let fields = bronze.fields().iter();
    let read = fields.filter(|field| !unread.contains(&field.name().as_str()));
    Arc::new(Schema::new(read.cloned().collect::<Vec<_>>()))
}

/// Whether nobody adopted versions of another writer since the version of bronze that a version was made from.
fn no_adoption_since(site: &Site, bronze: &Head, last: &Receipt) -> Result<bool, PipelineError> {
    let made_from = last.inputs.first().and_then(|input| input.receipt);
    let mut next = bronze.receipt;
    while let Some(digest) = next.filter(|_| next != made_from) {
        let receipt = read_receipt(site, digest)?;
        if receipt.kind == Kind::Adopt {
            return Ok(false);
        }
        next = receipt.previous;
    }
    Ok(next.is_some())
}

fn consumed_of(decision: &Decision) -> i64 {
    match decision {
        Decision::Incremental { after, .. } => *after,
        _ => 0,
    }
}

fn lock(aside: &Arc<Mutex<Aside>>) -> std::sync::MutexGuard<'_, Aside> {
    aside
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn put_aside(
    state: &State,
    aside: &Arc<Mutex<Aside>>,
    folded: &Folded,
) -> Result<(), PipelineError> {
    let tied = failpoint::rows("silver.tied", folded.tied.clone());
    for (events, rule) in [
        (&tied, RULE_SEQUENCE_TIE),
        (&folded.dated_back, RULE_VALID_FROM_ORDER),
    ] {
        if events.num_rows() > 0 {
            let rows = state.judge.rows_aside(events, rule)?;
            lock(aside).quarantined.push(rows);
        }
    }
    Ok(())
}

/// Which rows of a table a new event can change: all of SCD 1, the open ones of SCD 2.
fn open_rows(batch: &RecordBatch, scd: ScdType) -> Box<dyn Fn(usize) -> bool> {
    let end = match scd {
        ScdType::One => None,
        ScdType::Two => batch.column_by_name(END_AT).cloned(),
    };
    Box::new(move |row| end.as_ref().is_none_or(|end| end.is_null(row)))
}

/// Rows that stand in the table as events that come before all new ones; of whole loads in the place of the newest that it has taken in.
fn existing_as_events(
    rows: &RecordBatch,
    kept: &SchemaRef,
    scd: ScdType,
    load: i64,
) -> Result<RecordBatch, PipelineError> {
    let count = rows.num_rows();
    let mut columns: Vec<ArrayRef> = Vec::with_capacity(kept.fields().len());
    for field in kept.fields() {
        let values: ArrayRef = match field.name().as_str() {
            SEQUENCE => match (scd, rows.column_by_name(START_AT)) {
                (ScdType::Two, Some(start)) => start.clone(),
                // SCD 1 keeps no sequence: null sorts where `nulls first` is asked for.
                _ => arrow::array::new_null_array(field.data_type(), count),
            },
            // Where a range begins, only the first column of its event is known.
            name if name.starts_with(SEQUENCE) => {
                arrow::array::new_null_array(field.data_type(), count)
            }
            "_seq" => Arc::new(BinaryArray::from(vec![&b""[..]; count])),
            LOAD => Arc::new(Int64Array::from(vec![load; count])),
            DELETE | GONE | PRESENT => Arc::new(BooleanArray::from(vec![false; count])),
            EXISTING => Arc::new(BooleanArray::from(vec![true; count])),
            "_object" => Arc::new(StringArray::from(vec![None::<&str>; count])),
            "_delivery" | "_row" if ADDRESS.contains(&field.name().as_str()) => {
                Arc::new(Int64Array::from(vec![None::<i64>; count]))
            }
            name => column(rows, name)?.clone(),
        };
        columns.push(values);
    }
    RecordBatch::try_new(kept.clone(), columns).map_err(arrow_error)
}

fn column<'b>(batch: &'b RecordBatch, name: &str) -> Result<&'b ArrayRef, PipelineError> {
    batch
        .column_by_name(name)
        .ok_or_else(|| PipelineError::Internal(format!("no column `{name}`")))
}

fn columns(batch: &RecordBatch, names: &[String]) -> Result<Vec<ArrayRef>, PipelineError> {
    names
        .iter()
        .map(|name| column(batch, name).cloned())
        .collect()
}

/// Fewer rows in quarantine are counted and no more.
const FEW: u64 = 10;

/// Said of new rows of which rules held back all, or a tenth and more: within its limits that is no failure (H1), and hardly what was meant.
fn hardly_kept(share: &Terms, rules: &[ExpectationCount]) -> Option<String> {
    let of = |term: &str| share.get(term).copied().unwrap_or(0);
    let (all, held) = (of("read"), of("quarantined"));
    let which = match held {
        0 => return None,
        _ if held == all => format!("every row that was read, {all}, went into quarantine"),
        FEW.. if held.saturating_mul(10) >= all => {
            format!("{held} of {all} rows that were read went into quarantine")
        }
        _ => return None,
    };
    let mut holding: Vec<&ExpectationCount> = rules.iter().collect();
    holding.retain(|rule| rule.action == Action::Quarantine.as_str() && rule.failed > 0);
    let most = holding.iter().max_by_key(|rule| rule.failed);
    let broken = most.map_or_else(String::new, |rule| match holding.len() {
        1 => format!(", by `{}`", rule.name),
        _ => format!(", most of them by `{}`", rule.name),
    });
    let limit = match most {
        // The rules on events take no limit.
        Some(rule) if RULES_OF_EVENTS.contains(&rule.name.as_str()) => String::new(),
        Some(rule) => format!(
            "; `limit:` of `{}` under `expectations` makes it a failure",
            rule.name
        ),
        None => "; a `limit:` of the expectation makes it a failure".to_owned(),
    };
    Some(format!(
        "{which}{broken}: `karat quarantine list` says why{limit}"
    ))
}
