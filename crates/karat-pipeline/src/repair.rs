//! Repairs of rows in quarantine (C3): `fix`, `release` and `discard` append rows to the bronze table of the feed, under an intent, a receipt
//! and epochs of their own. [`crate::repairs`] reads them back; what they come to is silver's next version.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
    new_null_array,
};
use arrow::compute::{CastOptions, cast_with_options, concat_batches};
use arrow::datatypes::{DataType, Schema, SchemaRef};
use futures::TryStreamExt;
use karat_exact::ExactError;
use karat_lake::{Layout, LiveFile, Table, failpoint};
use karat_project::{Feed, ModelKind, TableName, nearest};
use karat_receipt::{Closed, Intent, Kind, Outcome};
use karat_source::names;
use serde_json::{Map, Value, json};

use crate::accounting::{self, Terms};
use crate::address::{Address, Columns, Place};
use crate::at_work;
use crate::bronze::{self, REPAIR};
use crate::context::Site;
use crate::deliveries::{self, FullLoads, LeftOut, Reading};
use crate::epochs::{self, Epochs};
use crate::error::PipelineError;
use crate::ingest::{arrow_error, joined};
use crate::judge::{RULE_RESCUED, can_be_waived};
use crate::layout;
use crate::manifest::{self, Ending};
use crate::proven::{prove, prove_list};
use crate::publish::{Change, Head, head, no_foreign, own_receipt, publish, read_receipt};
use crate::quarantine::{self, HeldRow};
use crate::read;
use crate::repairs::{Repair, RepairKind, Repairs, is_read};
use crate::step::{check_signature, check_trusted, keep_code, receipt_base};
use crate::undo;

/// Digits of the digest of a position that must be given at least.
const DIGITS_MIN: usize = 4;
/// Addresses that a message names.
const NAMED_MAX: usize = 3;

/// What is to be done, to which rows, and why.
#[derive(Debug, Clone)]
pub struct Request {
    /// What.
    pub change: RowChange,
    /// To which rows.
    pub rows: Rows,
    /// Why; part of the record.
    pub reason: String,
}

/// What is to become of each row.
#[derive(Debug, Clone)]
pub enum RowChange {
    /// It gets other values.
    Fix {
        /// The row whole, as JSON: what it does not name becomes null.
        row: Option<Map<String, Value>>,
        /// Columns and their values as text, after `row`: empty is null, `""` is the empty text (F1).
        set: Vec<(String, String)>,
    },
    /// It goes on although it breaks these rules; without names, all that it broke.
    Release {
        /// Rules that are waived.
        rules: Vec<String>,
    },
    /// It is not read any more.
    Discard,
}

impl RowChange {
    fn kind(&self) -> RepairKind {
        match self {
            Self::Fix { .. } => RepairKind::Fix,
            Self::Release { .. } => RepairKind::Release,
            Self::Discard => RepairKind::Discard,
        }
    }
}

/// Which rows: by name, or those in quarantine that all of the rest holds for.
#[derive(Debug, Clone, Default)]
pub struct Rows {
    /// Addresses, as `quarantine list` names them; of a position its first digits.
    pub ids: Vec<String>,
    /// Only of these silver tables, or of these feeds' bronze tables.
    pub tables: Option<BTreeSet<TableName>>,
    /// Only rows that broke this rule.
    pub rule: Option<String>,
    /// Only rows of this object.
    pub object: Option<String>,
}

/// What became of the rows of one feed.
#[derive(Debug)]
pub struct Repaired {
    /// The feed's bronze table.
    pub table: TableName,
    /// Rows that were repaired: their addresses, and of a release the rules that are waived.
    pub rows: Vec<(String, Vec<String>)>,
    /// Rows that have this very repair already.
    pub unchanged: Vec<String>,
    /// Number of the repair, and the version of the table that has it; None where every row has it already.
    pub made: Option<(i64, i64)>,
    /// Silver tables over the feed: the next run takes the repair in.
    pub models: Vec<TableName>,
}

/// Rows of one feed that are to be repaired, with the rules that each broke.
type Wanted = BTreeMap<Address, BTreeSet<String>>;

/// Repairs rows, one commit a feed.
pub async fn repair(site: &Site, request: &Request) -> Result<Vec<Repaired>, PipelineError> {
    if request.reason.trim().is_empty() {
        return Err(refused(
            "a repair needs a reason",
            "say with `--reason` why it is right: it becomes part of the record",
        ));
    }
    let wanted = wanted(site, &request.rows).await?;
    if let RowChange::Fix { row: Some(_), .. } = &request.change
        && wanted.values().map(BTreeMap::len).sum::<usize>() > 1
    {
        return Err(refused(
            "`--row` states one row whole, and several are named",
            "name one row, or change columns of several with `--set COLUMN=VALUE`",
        ));
    }
    check_signature(site)?;
    let tables: Vec<TableName> = wanted.keys().cloned().collect();
    let _mark = at_work::begin(site, &tables)?;
    undo::finish_open(site, &tables).await?;
    let mut repaired = Vec::new();
    let mut outcome = Ok(());
    for (bronze, rows) in &wanted {
        match of_feed(site, bronze, rows, request).await {
            Ok(one) => repaired.push(one),
            Err(error) => {
                outcome = Err(error);
                break;
            }
        }
    }
    if repaired.iter().any(|one| one.made.is_some()) {
        let ending = match outcome {
            Ok(()) => Ending::Whole,
            Err(_) => Ending::Partly,
        };
        manifest::write(site, ending)?;
    }
    outcome.map(|()| repaired)
}

/// The rows that are asked for, by the bronze table of their feed.
async fn wanted(site: &Site, which: &Rows) -> Result<BTreeMap<TableName, Wanted>, PipelineError> {
    let held = quarantine::rows(site, None).await?;
    let is_of = |row: &HeldRow, bronze: &TableName| {
        let tables = which.tables.as_ref();
        tables.is_none_or(|tables| {
            tables.contains(bronze) || tables.iter().any(|table| table.to_string() == row.table)
        })
    };
    let mut known: BTreeMap<(TableName, Address), BTreeSet<String>> = BTreeMap::new();
    for row in &held {
        if let Some(bronze) = row.bronze.as_ref().filter(|bronze| is_of(row, bronze)) {
            let key = (bronze.clone(), row.address.clone());
            known.entry(key).or_default().extend(row.rules.clone());
        }
    }
    let mut wanted: BTreeMap<TableName, Wanted> = BTreeMap::new();
    if which.ids.is_empty() {
        for ((bronze, address), rules) in known {
            let of_rule = which.rule.as_ref().is_none_or(|rule| rules.contains(rule));
            let of_object = which.object.as_ref();
            if of_rule && of_object.is_none_or(|object| *object == address.object) {
                wanted.entry(bronze).or_default().insert(address, rules);
            }
        }
        if wanted.is_empty() {
            return Err(refused(
                "no row in quarantine is chosen by that",
                "`karat quarantine list` shows the rows and the rules that they broke",
            ));
        }
        return Ok(wanted);
    }
    // A row that was repaired before may be repaired again, also where it is in quarantine no more.
    for feed in site.project.feeds() {
        let bronze = &feed.bronze;
        let of_its_models = |table: &TableName| reads(site, table, bronze);
        let tables = which.tables.as_ref();
        if tables.is_some_and(|tables| {
            !tables
                .iter()
                .any(|table| table == bronze || of_its_models(table))
        }) {
            continue;
        }
        let table = site.lake.table(&bronze.folder());
        let Some(head) = head(&table)? else { continue };
        for (address, ..) in Repairs::read(site, &table, &head).await?.newest() {
            known.entry((bronze.clone(), address)).or_default();
        }
    }
    for id in &which.ids {
        let (bronze, address) = named(&known, id)?;
        let rules = known[&(bronze.clone(), address.clone())].clone();
        wanted
            .entry(bronze.clone())
            .or_default()
            .insert(address.clone(), rules);
    }
    Ok(wanted)
}

/// The one row that an address names.
fn named<'k>(
    known: &'k BTreeMap<(TableName, Address), BTreeSet<String>>,
    id: &str,
) -> Result<&'k (TableName, Address), PipelineError> {
    let exact: Vec<&(TableName, Address)> = known
        .keys()
        .filter(|(_, address)| address.to_string() == id)
        .collect();
    let found = match exact.is_empty() {
        false => exact,
        // A line is a number: 6 does not stand for 61.
        true => known
            .keys()
            .filter(|(_, address)| {
                let digits = id.rsplit(':').next().unwrap_or_default();
                matches!(address.place, Place::Seq(_))
                    && digits.len() >= DIGITS_MIN
                    && address.to_string().starts_with(id)
            })
            .collect(),
    };
    match found.as_slice() {
        [one] => Ok(one),
        [] => Err(refused(
            format!("no row `{id}` is in quarantine, and none was repaired"),
            "`karat quarantine list` names the rows: OBJECT@DELIVERY:LINE, of a database OBJECT@DELIVERY:POSITION",
        )),
        several => {
            let all: Vec<String> = several
                .iter()
                .take(NAMED_MAX)
                .map(|(bronze, address)| format!("{address} of `{bronze}`"))
                .collect();
            Err(refused(
                format!("`{id}` names {} rows: {}", several.len(), all.join(", ")),
                "say more digits, or which table with `--table`",
            ))
        }
    }
}

fn reads(site: &Site, table: &TableName, bronze: &TableName) -> bool {
    site.project
        .model(table)
        .is_some_and(|model| match &model.kind {
            ModelKind::Silver(silver) => silver.from == *bronze,
            ModelKind::Gold(_) => false,
        })
}

/// Silver tables over a feed.
pub(crate) fn silver_over(site: &Site, bronze: &TableName) -> Vec<TableName> {
    let models = site.project.models.iter().map(|model| &model.name);
    models
        .filter(|table| reads(site, table, bronze))
        .cloned()
        .collect()
}

/// What is known of a feed when its rows are repaired.
struct State<'s> {
    site: &'s Site,
    feed: &'s Feed,
    table: Table,
    head: Head,
    loads: Epochs,
    repairs: Epochs,
    reading: Reading,
    in_force: Repairs,
}

async fn of_feed(
    site: &Site,
    bronze: &TableName,
    wanted: &Wanted,
    request: &Request,
) -> Result<Repaired, PipelineError> {
    let Some(feed) = site.project.feed(bronze) else {
        return Err(refused(
            format!("`{bronze}` is no feed of this project: nobody knows what it reads"),
            "declare the feed again, or repair the rows at the source",
        ));
    };
    let _lock = site.lock(&bronze.to_string())?;
    let table = site.lake.table(&bronze.folder());
    let Some(head) = head(&table)? else {
        return Err(refused(
            format!("`{bronze}` has no version"),
            "`karat run` loads it",
        ));
    };
    check_trusted(site, bronze, Some(&head))?;
    no_foreign(bronze, Some(&head))?;
    let loads = Epochs::read(&site.lake, bronze, Some(&head.snapshot))?;
    let repairs = Epochs::of_repairs(&site.lake, bronze, Some(&head.snapshot))?;
    let reading = deliveries::reading(
        feed,
        &loads,
        loads.committed(),
        FullLoads::read_of(&site.project, feed),
    );
    let in_force = Repairs::read(site, &table, &head).await?.in_force(&reading);
    let state = State {
        site,
        feed,
        table,
        head,
        loads,
        repairs,
        reading,
        in_force,
    };
    state.repair(wanted, request).await
}

impl State<'_> {
    async fn repair(&self, wanted: &Wanted, request: &Request) -> Result<Repaired, PipelineError> {
        let (site, bronze) = (self.site, &self.feed.bronze);
        for address in wanted.keys() {
            self.check_read(address)?;
        }
        let standing: BTreeMap<Address, usize> = self
            .in_force
            .newest()
            .into_iter()
            .map(|(address, _, row)| (address, row))
            .collect();
        let mut waived: BTreeMap<&Address, Vec<String>> = BTreeMap::new();
        if let RowChange::Release { rules } = &request.change {
            for (address, broken) in wanted {
                let before = standing.get(address).map(|row| self.in_force.repair(*row));
                let rule = request.rows.rule.as_ref();
                let rules = self.waived(address, broken, rules, rule, before)?;
                waived.insert(address, rules);
            }
        }
        let found = self.find(wanted, &standing).await?;
        let schema = bronze::with_repairs(&self.head.snapshot.schema);
        let epoch = self.repairs.next();
        let mut repaired = Repaired {
            table: bronze.clone(),
            rows: Vec::new(),
            unchanged: Vec::new(),
            made: None,
            models: silver_over(site, bronze),
        };
        let mut rows = Vec::new();
        for (address, row) in &found {
            let repair = Repair {
                epoch,
                kind: request.change.kind(),
                rules: waived.remove(address).unwrap_or_default(),
                reason: request.reason.clone(),
                principal: site.context.principal.clone(),
            };
            let changed = self.changed(row, &request.change)?;
            let has_it = standing.get(address).is_some_and(|at| {
                let stands = self.in_force.repair(*at);
                (stands.kind, &stands.rules) == (repair.kind, &repair.rules)
                    && changed.columns() == row.columns()
            });
            if has_it {
                repaired.unchanged.push(address.to_string());
                continue;
            }
            rows.push(self.completed(&changed, &schema, &repair)?);
            repaired.rows.push((address.to_string(), repair.rules));
        }
        if rows.is_empty() {
            return Ok(repaired);
        }
        let rows = concat_batches(&schema, &rows).map_err(arrow_error)?;
        let version = self.commit(epoch, rows, &repaired.rows, request).await?;
        repaired.made = Some((epoch, version));
        Ok(repaired)
    }

    /// Refuses a row that silver does not read any more: a repair of it would lapse at once.
    fn check_read(&self, address: &Address) -> Result<(), PipelineError> {
        let (object, bronze) = (&address.object, &self.feed.bronze);
        match self.reading.left_out(object, address.delivery) {
            None => Ok(()),
            Some(LeftOut::Superseded) => Err(refused(
                format!(
                    "`{address}` is not read any more: `{object}` was delivered again to `{bronze}`"
                ),
                "`karat run` judges the newest delivery; then `karat quarantine list` shows its rows",
            )),
            Some(LeftOut::Duplicate) => Err(refused(
                format!(
                    "`{address}` is not read: another object of `{bronze}` has the content of `{object}`"
                ),
                "`karat run`, then `karat quarantine list` names the row by the object that is read",
            )),
        }
    }

    /// The rules that a release waives for a row.
    fn waived(
        &self,
        address: &Address,
        broken: &BTreeSet<String>,
        named: &[String],
        chosen_by: Option<&String>,
        before: Option<&Repair>,
    ) -> Result<Vec<String>, PipelineError> {
        let mut rules: BTreeSet<String> = named.iter().cloned().collect();
        if rules.is_empty() {
            match chosen_by {
                Some(rule) => rules.extend([rule.clone()]),
                None => rules.extend(broken.iter().cloned()),
            }
            // What was waived before stays so; who names rules names all of them.
            if let Some(before) = before.filter(|before| before.kind == RepairKind::Release) {
                rules.extend(before.rules.iter().cloned());
            }
        }
        if rules.is_empty() {
            return Err(refused(
                format!("`{address}` is not in quarantine: nobody knows which rules to waive"),
                "name them: `--rule NAME`",
            ));
        }
        if let Some(rule) = rules.iter().find(|rule| !can_be_waived(rule)) {
            return Err(refused(
                format!(
                    "`{address}` cannot be released from `{rule}`: the row lacks a value, or a place, that it needs"
                ),
                "`karat quarantine fix` gives it one; `karat quarantine discard` leaves it out",
            ));
        }
        let known = self.rules();
        if let Some(rule) = rules
            .iter()
            .find(|rule| !broken.contains(*rule) && !known.contains(*rule))
        {
            let names = broken.iter().chain(&known).map(String::as_str);
            let hint = match nearest(rule, names) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!(
                    "it broke: {}",
                    broken.iter().cloned().collect::<Vec<_>>().join(", ")
                ),
            };
            return Err(refused(
                format!("no model over `{}` has a rule `{rule}`", self.feed.bronze),
                hint,
            ));
        }
        Ok(rules.into_iter().collect())
    }

    /// Rules of the models over the feed that a person may waive.
    fn rules(&self) -> BTreeSet<String> {
        let models = self.site.project.models.iter();
        let silver = models.filter_map(|model| match &model.kind {
            ModelKind::Silver(silver) if silver.from == self.feed.bronze => Some(silver),
            _ => None,
        });
        let rules = silver.flat_map(|silver| &silver.expectations);
        let mut rules: BTreeSet<String> = rules.map(|rule| rule.name.clone()).collect();
        rules.insert(RULE_RESCUED.to_owned());
        rules
    }

    /// Each row as it is read: with the repair that stands in its place, else as it was received.
    async fn find(
        &self,
        wanted: &Wanted,
        standing: &BTreeMap<Address, usize>,
    ) -> Result<BTreeMap<Address, RecordBatch>, PipelineError> {
        let mut found: BTreeMap<Address, RecordBatch> = BTreeMap::new();
        for (address, row) in standing {
            if let (true, Some(rows)) = (wanted.contains_key(address), self.in_force.rows()) {
                found.insert(address.clone(), rows.slice(*row, 1));
            }
        }
        let missing: BTreeSet<&Address> = wanted
            .keys()
            .filter(|address| !found.contains_key(*address))
            .collect();
        if missing.is_empty() {
            return Ok(found);
        }
        let snapshot = &self.head.snapshot;
        let files = self.files_of(&missing);
        prove_list(self.site, &self.table, &self.head)?;
        prove(self.site, &self.table, files.iter().copied()).await?;
        let set = read::file_set(&self.table, snapshot, files, None);
        let mut rows = read::scan(self.site, &set, "repairs.found").await?;
        while let Some(batch) = rows.try_next().await.map_err(ExactError::from)? {
            let batch = crate::repairs::received(batch).map_err(arrow_error)?;
            let columns = Columns::of(&batch);
            for row in 0..batch.num_rows() {
                let address = columns.at(row);
                if !missing.contains(&address) || !is_read(&self.reading, &columns, row) {
                    continue;
                }
                if found.insert(address.clone(), batch.slice(row, 1)).is_some() {
                    return Err(refused(
                        format!(
                            "several rows of `{}` have the address `{address}`: none can be told from the others",
                            self.feed.bronze
                        ),
                        "name the columns that identify a row in the feed's `key`, or repair them at the source",
                    ));
                }
            }
        }
        match missing
            .into_iter()
            .find(|address| !found.contains_key(*address))
        {
            None => Ok(found),
            Some(gone) => Err(refused(
                format!(
                    "`{gone}` is not read any more: a later load of `{}` took the place of its own",
                    self.feed.bronze
                ),
                "`karat run` judges what is there now; then `karat quarantine list` shows it",
            )),
        }
    }

    /// The files that may hold these rows: those of the loads that brought their objects; of a database all.
    fn files_of(&self, wanted: &BTreeSet<&Address>) -> Vec<&LiveFile> {
        let mut files = read::of_loads(&self.head.snapshot);
        let mut brought: BTreeMap<(&str, i64), BTreeSet<i64>> = BTreeMap::new();
        for intent in self.loads.done() {
            for object in &intent.objects {
                let loads = brought.entry((&object.path, object.delivery)).or_default();
                loads.insert(intent.epoch);
            }
        }
        let mut loads = BTreeSet::from([0]);
        for address in wanted {
            match brought.get(&(address.object.as_str(), address.delivery)) {
                Some(epochs) => loads.extend(epochs),
                None => return files,
            }
        }
        files.retain(|file| loads.contains(&read::written(&file.path).0));
        files
    }

    /// A row with what the change does to its values.
    fn changed(&self, row: &RecordBatch, change: &RowChange) -> Result<RecordBatch, PipelineError> {
        let RowChange::Fix { row: whole, set } = change else {
            return Ok(row.clone());
        };
        let schema = row.schema();
        let mut columns = row.columns().to_vec();
        let mut values: Vec<(String, Option<String>)> = Vec::new();
        if let Some(whole) = whole {
            let payload = bronze::payload(&schema);
            values.extend(payload.iter().map(|field| (field.name().clone(), None)));
            for (name, value) in whole {
                values.push((name.clone(), json_value(name, value)?));
            }
        }
        for (name, text) in set {
            values.push((name.clone(), set_value(text)));
        }
        for (name, value) in values {
            let at = self.column(&schema, &name)?;
            let field = schema.field(at);
            columns[at] = typed(field.name(), field.data_type(), value.as_deref())?;
        }
        // What could not be placed has been looked at: the row is what the person says.
        if let Ok(at) = schema.index_of("_rescued") {
            columns[at] = new_null_array(schema.field(at).data_type(), row.num_rows());
        }
        RecordBatch::try_new(schema, columns).map_err(arrow_error)
    }

    /// The payload column of this name, in bronze or as the source spells it.
    fn column(&self, schema: &Schema, name: &str) -> Result<usize, PipelineError> {
        let payload = bronze::payload(schema);
        let folded = names::fold(name, 1);
        let is_it = |field: &&&arrow::datatypes::Field| {
            *field.name() == folded
                || field
                    .metadata()
                    .get("comment")
                    .is_some_and(|spelled| spelled == name)
        };
        if let Some(field) = payload.iter().find(is_it) {
            return schema.index_of(field.name()).map_err(arrow_error);
        }
        let names: Vec<&str> = payload.iter().map(|field| field.name().as_str()).collect();
        let hint = match nearest(&folded, names.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("its columns are {}", names.join(", ")),
        };
        let what = match name.starts_with('_') {
            true => format!(
                "`{name}` is a column of karat's own, and says where a row of `{}` came from",
                self.feed.bronze
            ),
            false => format!("`{}` has no column `{name}`", self.feed.bronze),
        };
        Err(refused(what, hint))
    }

    /// The row of a repair with all columns.
    fn completed(
        &self,
        row: &RecordBatch,
        schema: &SchemaRef,
        repair: &Repair,
    ) -> Result<RecordBatch, PipelineError> {
        let mark = serde_json::to_string(repair)
            .map_err(|error| PipelineError::Internal(error.to_string()))?;
        let context = &self.site.context;
        let columns = schema.fields().iter().map(|field| -> ArrayRef {
            match field.name().as_str() {
                REPAIR => Arc::new(StringArray::from(vec![mark.as_str()])),
                "_run" => Arc::new(StringArray::from(vec![context.run.as_str()])),
                "_loaded_at" => Arc::new(
                    TimestampMicrosecondArray::from(vec![context.logical_time_us])
                        .with_timezone("UTC"),
                ),
                name => match row.column_by_name(name) {
                    Some(column) => column.clone(),
                    None => new_null_array(field.data_type(), 1),
                },
            }
        });
        RecordBatch::try_new(schema.clone(), columns.collect()).map_err(arrow_error)
    }

    /// Appends the rows of one repair.
    async fn commit(
        &self,
        epoch: i64,
        rows: RecordBatch,
        repaired: &[(String, Vec<String>)],
        request: &Request,
    ) -> Result<i64, PipelineError> {
        let (site, bronze) = (self.site, &self.feed.bronze);
        let Some(digest) = self.head.receipt else {
            return Err(PipelineError::Foreign {
                table: bronze.to_string(),
                version: self.head.snapshot.version,
            });
        };
        let kind = request.change.kind();
        let before = read_receipt(site, digest)?;
        // The rows are those of loads: what they mean is said by the code of the newest.
        let code = match own_receipt(site, &self.head)? {
            (Some(own), _) => own.code,
            (None, _) => keep_code(site, &self.feed.code_text())?,
        };
        if let Some(open) = self.repairs.open() {
            let closed = Closed {
                feed_or_model: layout::repair_writer(bronze),
                epoch: open.epoch,
                outcome: Outcome::Refused,
                reason: "its command ended early: nothing of it was stored".to_owned(),
                objects: Vec::new(),
            };
            epochs::close_repair(&site.lake, bronze, &closed)?;
        }
        let intent = Intent {
            feed_or_model: layout::repair_writer(bronze),
            epoch,
            run: site.context.run.clone(),
            logical_time: site.context.logical_time.clone(),
            code,
            parameters: BTreeMap::new(),
            from: Value::Null,
            to: json!({
                "kind": kind.word(),
                "rows": repaired.iter().map(|(id, rules)| json!({ "row": id, "rules": rules })).collect::<Vec<_>>(),
                "reason": request.reason,
                "principal": site.context.principal,
            }),
            objects: Vec::new(),
            inputs: BTreeMap::new(),
        };
        let intent_digest = epochs::write_repair_intent(&site.lake, bronze, &intent)?;
        let schema = rows.schema();
        let count = rows.num_rows() as u64;
        let table = self.table.clone();
        let of_files = schema.clone();
        let writing = move || -> Result<_, PipelineError> {
            let layout = Layout::default();
            let excluded = read::BRONZE_EXCLUDED;
            let writer = table.writer(&of_files, layout, epoch, 0, excluded)?;
            let mut writer = writer.of_writer(read::REPAIR_WRITER);
            writer.write(&failpoint::rows("repair.written", rows))?;
            Ok(writer.finish()?)
        };
        let added = tokio::task::spawn_blocking(writing)
            .await
            .map_err(joined)??;
        let written: u64 = added.iter().map(|file| file.rows).sum();
        accounting::same(
            &bronze.to_string(),
            count,
            written,
            "rows to repair, and written",
        )?;
        let share = Terms::from([("read".to_owned(), count), ("kept".to_owned(), written)]);
        let mut receipt = receipt_base(site, bronze, Kind::Repair, epoch, code);
        receipt.intent = Some(intent_digest);
        receipt.accounting = accounting::add(&before.accounting, &share);
        receipt.accounting_run = share;
        receipt.reason = Some(request.reason.clone());
        receipt
            .parameters
            .insert("repair".to_owned(), kind.word().to_owned());
        let published = publish(
            site,
            &self.table,
            Change {
                base: Some(self.head.clone()),
                schema,
                added,
                removed: Vec::new(),
                app: layout::repair_app(bronze),
                operation: "REPAIR",
                receipt,
                excluded: read::BRONZE_EXCLUDED,
            },
        )
        .await?;
        Ok(published.version)
    }
}

/// `--set COLUMN=`: null; `--set COLUMN=""`: the empty text (F1).
fn set_value(text: &str) -> Option<String> {
    match text {
        "" => None,
        "\"\"" => Some(String::new()),
        text => Some(text.to_owned()),
    }
}

/// A value of `--row` as text: bronze holds what a text format has as it stands there (B3).
fn json_value(name: &str, value: &Value) -> Result<Option<String>, PipelineError> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text.clone())),
        Value::Number(number) if number.is_f64() => Err(refused(
            format!(
                "`{name}` of the row is a number with a fraction, whose digits JSON does not keep"
            ),
            "write it as a text, between quotes",
        )),
        other => Ok(Some(other.to_string())),
    }
}

/// A column of one value of the type that bronze has.
fn typed(name: &str, data_type: &DataType, value: Option<&str>) -> Result<ArrayRef, PipelineError> {
    let Some(text) = value else {
        return Ok(new_null_array(data_type, 1));
    };
    let shown = karat_exact::type_name(data_type);
    let does_not_fit = || {
        refused(
            format!("the value given for `{name}` is no {shown}"),
            "bronze keeps the types of its source: give the value as it would be there",
        )
    };
    let fraction = text.split_once('.').map_or("", |(_, digits)| digits);
    let digits = fraction.trim_end_matches('0').len();
    match data_type {
        DataType::Utf8 => return Ok(Arc::new(StringArray::from(vec![text]))),
        DataType::Int64 => {
            let number = text.parse::<i64>().map_err(|_| does_not_fit())?;
            return Ok(Arc::new(Int64Array::from(vec![number])));
        }
        DataType::Decimal128(_, scale)
            if text.contains(['e', 'E']) || digits > usize::try_from(*scale).unwrap_or(0) =>
        {
            return Err(does_not_fit());
        }
        DataType::Timestamp(..)
            if fraction.chars().take_while(char::is_ascii_digit).count() > 6 =>
        {
            return Err(does_not_fit());
        }
        DataType::Boolean
        | DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Float32
        | DataType::Float64
        | DataType::Decimal128(..)
        | DataType::Date32
        | DataType::Timestamp(..) => {}
        _ => {
            return Err(refused(
                format!("`{name}` is {shown}: a value of that type cannot be written as text"),
                "repair the row at the source, or discard it",
            ));
        }
    }
    let options = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    let text = StringArray::from(vec![text]);
    let value = cast_with_options(&text, data_type, &options).map_err(|_| does_not_fit())?;
    match value.is_null(0) {
        true => Err(does_not_fit()),
        false => Ok(value),
    }
}

fn refused(what: impl Into<String>, hint: impl Into<String>) -> PipelineError {
    PipelineError::Refused {
        what: what.into(),
        hint: hint.into(),
    }
}
