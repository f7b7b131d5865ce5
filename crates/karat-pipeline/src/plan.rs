//! What a run would do, and why, without doing it: objects of feeds, rows of bronze, inputs of gold.

use std::collections::{BTreeMap, BTreeSet};

use arrow::datatypes::SchemaRef;
use karat_project::{
    Feed, Gold, Graph, Layer, Mode, Model, ModelKind, Silver, Standings, TableName,
};

use crate::absent::{Absence, absent};
use crate::audit;
use crate::closing;
use crate::context::Site;
use crate::damage::check_present;
use crate::epochs::Epochs;
use crate::error::PipelineError;
use crate::expected::{self, Delivery, Seen};
use crate::gold::{GoldStep, Staleness};
use crate::ingest::{self, OpenLoad};
use crate::inventories::Inventories;
use crate::layout;
use crate::manifest::{self, check_kept};
use crate::model_check::Foreseen;
use crate::near_misses::near_misses;
use crate::publish::{head, no_foreign};

use crate::schedule::{Sources, check_made, inputs_outside, written_by};
use crate::silver::{Decision, SilverStep};
use crate::step::{check_signature, check_trusted};
use crate::undo;

/// What a step would do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlannedAction {
    /// Read new objects or rows of a source.
    Load,
    /// Compute a model from all of its input.
    Rebuild,
    /// Compute a model from what is new.
    Incremental,
    /// Make the checks of a model on the version that is there.
    Check,
    /// Nothing.
    Nothing,
    /// Nothing, because there is no input.
    Wait,
    /// Nothing, because an input fails.
    Skip,
    /// It would fail, or cannot be planned.
    Fail,
}

impl PlannedAction {
    /// The word for people and scripts.
    pub fn word(self) -> &'static str {
        match self {
            Self::Load => "load",
            Self::Rebuild => "rebuild",
            Self::Incremental => "incremental",
            Self::Check => "check",
            Self::Nothing => "nothing",
            Self::Wait => "wait",
            Self::Skip => "skip",
            Self::Fail => "fail",
        }
    }

    fn changes_the_table(self) -> bool {
        matches!(self, Self::Load | Self::Rebuild | Self::Incremental)
    }
}

/// One step of a run to come.
#[derive(Debug)]
pub struct PlannedStep {
    /// `load`, `silver` or `gold`.
    pub kind: &'static str,
    /// The table that it would write.
    pub table: String,
    /// What it would do.
    pub action: PlannedAction,
    /// Why.
    pub reason: String,
    /// It does nothing if what it reads, or what a step before it reads, turns out to be as it was.
    pub if_changed: bool,
    /// Objects that it would read.
    pub objects: u64,
    /// Rows that it would read, where they are known before; of rows that this very run loads nobody knows yet.
    pub rows: Option<u64>,
    /// Bytes that it would read, as far as they are known.
    pub bytes: u64,
    /// Of a model: an input that this run changes before.
    pub after: Option<String>,
    /// The checks that it would make (C7), in the order of the model.
    pub checks: Vec<PlannedCheck>,
    /// For a person.
    pub notes: Vec<String>,
    /// Objects that it would hold, with the reason: the run exits 1.
    pub broken: Vec<(String, String)>,
    /// Of a feed without a version: no file has ever matched, and the run exits 1.
    pub found_nothing: bool,
    /// What the feed expects for the business date, if it does.
    pub delivery: Option<Delivery>,
    /// Why a run would stop here, or why that cannot be told.
    pub error: Option<PipelineError>,
}

impl PlannedStep {
    fn new(kind: &'static str, table: &TableName) -> Self {
        Self {
            kind,
            table: table.to_string(),
            action: PlannedAction::Nothing,
            reason: "up to date".to_owned(),
            if_changed: false,
            objects: 0,
            rows: None,
            bytes: 0,
            after: None,
            checks: Vec::new(),
            notes: Vec::new(),
            broken: Vec::new(),
            found_nothing: false,
            delivery: None,
            error: None,
        }
    }

    fn failed(mut self, error: PipelineError) -> Self {
        self.action = PlannedAction::Fail;
        self.reason = error.to_string();
        self.error = Some(error);
        self
    }
}

/// A check of a step to come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedCheck {
    /// Its name.
    pub name: String,
    /// What it asks, in one word.
    pub kind: &'static str,
    /// `fail` or `warn`.
    pub action: &'static str,
}

/// The checks of a model that a step makes: on the version that it makes, else on the one that is there if what they follow from changed.
fn plan_checks(
    site: &Site,
    model: &Model,
    step: &mut PlannedStep,
    changing: &BTreeMap<TableName, PlannedAction>,
) -> Result<(), PipelineError> {
    if step.action == PlannedAction::Nothing && !model.checks.is_empty() {
        let table = site.lake.table(&model.name.folder());
        let mut read = model.checks.iter().flat_map(|check| &check.reads);
        let changes = read.find(|table| {
            let action = changing.get(*table);
            action.is_some_and(|action| action.changes_the_table())
        });
        let due = match head(&table)? {
            Some(head) => audit::due(site, model, &head)?,
            None => None,
        };
        step.reason = match (changes, due) {
            (Some(table), _) => format!("`{table}`, which its checks read, will change"),
            (None, Some(due)) => due.reason(),
            (None, None) => return Ok(()),
        };
        step.action = PlannedAction::Check;
    }
    if step.action == PlannedAction::Check || step.action.changes_the_table() {
        let checks = model.checks.iter().map(|check| PlannedCheck {
            name: check.name.clone(),
            kind: check.kind.as_str(),
            action: check.action.as_str(),
        });
        step.checks = checks.collect();
    }
    Ok(())
}

/// Exit code of the run that is planned, as far as it can be told.
pub fn exit_code(steps: &[PlannedStep]) -> u8 {
    crate::error::exit_code_of(
        steps.iter().filter_map(|step| step.error.as_ref()),
        steps
            .iter()
            .any(|step| !step.broken.is_empty() || step.found_nothing),
    )
}

/// Plans what is selected: all if `selected` is None. Writes nothing.
pub async fn plan(
    site: &Site,
    sources: &dyn Sources,
    selected: Option<&BTreeSet<TableName>>,
) -> Vec<PlannedStep> {
    let project = &site.project;
    let wanted = |table: &TableName| selected.is_none_or(|selected| selected.contains(table));
    let mut steps = Vec::new();
    let mut changing: BTreeMap<TableName, PlannedAction> = BTreeMap::new();
    let mut if_changed: BTreeSet<TableName> = BTreeSet::new();
    let mut loaded: BTreeMap<TableName, Loaded> = BTreeMap::new();
    // A manifest that cannot be read stops the run, which says so.
    let recorded = manifest::versions(&site.lake).unwrap_or_default();
    // So does a tag.
    let last = closing::last_closed(&site.lake).unwrap_or_default();
    let last = last.map(|(day, _)| day);
    let standings = Standings::default();
    let mut foreseen = Foreseen::new(project, &standings, &site.lake, &site.engine);
    for feed in project.feeds().filter(|feed| wanted(&feed.bronze)) {
        let mut after = Loaded::default();
        let step = plan_feed(site, sources, feed, &mut after).await;
        if let Some(schema) = &after.schema {
            foreseen.known(&feed.bronze, schema.clone());
        }
        loaded.insert(feed.bronze.clone(), after);
        let step = unless_refused(site, &feed.bronze, step, &recorded);
        changing.insert(feed.bronze.clone(), step.action);
        if step.if_changed {
            if_changed.insert(feed.bronze.clone());
        }
        steps.push(step);
    }
    let idle = project
        .feeds()
        .filter(|feed| changing.get(&feed.bronze) == Some(&PlannedAction::Nothing));
    let mut inventories = Inventories::of(sources);
    let mut absences: BTreeMap<String, Absence> = absent(project, &mut inventories, idle)
        .into_iter()
        .map(|absence| (absence.table.to_string(), absence))
        .collect();
    for step in &mut steps {
        let Some(absence) = absences.remove(&step.table) else {
            continue;
        };
        // The source has said that nothing matches, but not what there is.
        let said = step
            .notes
            .iter_mut()
            .find(|note| note.starts_with(ingest::NO_FILE_MATCHES));
        match (said, absence.hint) {
            (Some(note), Some(hint)) => note.push_str(&format!(": {hint}")),
            (Some(_), None) => {}
            (None, Some(hint)) => step.notes.push(format!("{}: {hint}", absence.message)),
            (None, None) => step.notes.push(absence.message),
        }
    }
    let planned = project.feeds().filter(|feed| wanted(&feed.bronze));
    for (table, note) in near_misses(project, &mut inventories, planned) {
        let table = table.to_string();
        if let Some(step) = steps.iter_mut().find(|step| step.table == table) {
            step.notes.push(note);
        }
    }
    for table in Graph::of(project).order() {
        let Some(model) = project.model(table).filter(|model| wanted(&model.name)) else {
            continue;
        };
        let changes = |input: &&TableName| {
            let action = changing.get(*input);
            action.is_some_and(|action| action.changes_the_table())
        };
        let is_certain = |input: &&TableName| !if_changed.contains(*input);
        let mut changed = model.inputs.iter().filter(changes);
        let before = match changed.clone().find(is_certain) {
            Some(certain) => Some(certain),
            None => changed.next(),
        };
        let before = before.map(|table| Before {
            table,
            if_changed: if_changed.contains(table),
        });
        let stopped = model.comes_after().into_iter().find(|input| {
            matches!(
                changing.get(*input),
                Some(PlannedAction::Fail | PlannedAction::Skip)
            )
        });
        if let Some(stopped) = stopped {
            let mut step = PlannedStep::new(table.layer.as_str(), table);
            step.action = PlannedAction::Skip;
            step.reason = format!("`{stopped}` fails");
            changing.insert(table.clone(), step.action);
            steps.push(step);
            continue;
        }
        let outside = inputs_outside(project, table, wanted);
        let before_it = check_made(site, table, &outside)
            .and_then(|()| expected::check_before(site, table, &wanted));
        if let Err(error) = before_it {
            let step = PlannedStep::new(table.layer.as_str(), table).failed(error);
            changing.insert(table.clone(), step.action);
            steps.push(step);
            continue;
        }
        let mut step = match &model.kind {
            ModelKind::Silver(silver) => {
                let after = before.and_then(|before| loaded.get(before.table));
                plan_silver(site, model, silver, before, after).await
            }
            ModelKind::Gold(gold) => plan_gold(site, model, gold, before).await,
        };
        // What one input will be is no help where another is not there, and is not made either.
        let is_missing = |input: &&TableName| !changes(input) && !has_version(site, input);
        if let (ModelKind::Gold(_), true, Some(missing)) = (
            &model.kind,
            step.action.changes_the_table(),
            model.inputs.iter().find(is_missing),
        ) {
            step.action = PlannedAction::Wait;
            step.reason = format!("`{missing}` has no version yet");
            step.rows = None;
        }
        let mut step = unless_refused(site, table, step, &recorded);
        step.after = before.map(|before| before.table.to_string());
        if let Err(error) = plan_checks(site, model, &mut step, &changing) {
            step = step.failed(error);
        }
        if step.action.changes_the_table()
            && let Some(mistake) = foreseen.mistake(model)
        {
            step = step.failed(mistake);
        }
        if step.action.changes_the_table() && has_version(site, table) {
            step.notes.extend(closing::foretold(site, model, last));
        }
        changing.insert(table.clone(), step.action);
        if step.if_changed {
            if_changed.insert(table.clone());
        }
        steps.push(step);
    }
    // An undo that cannot be read stops the run, which says so.
    for undo in undo::unfinished(site).unwrap_or_default() {
        let of_undo = |table: &str| undo.tables.iter().any(|entry| entry.table == table);
        for step in steps.iter_mut().filter(|step| of_undo(&step.table)) {
            step.notes.push(format!(
                "run {} is being undone, and that is not finished: a run finishes it before anything else, so this may change",
                undo.run
            ));
        }
    }
    steps
}

/// An input of a model that a step before it changes.
#[derive(Clone, Copy)]
struct Before<'m> {
    table: &'m TableName,
    /// Whether that step is known to change it only by what it will read.
    if_changed: bool,
}

/// Whether a table has a version.
fn has_version(site: &Site, table: &TableName) -> bool {
    matches!(head(&site.lake.table(&table.folder())), Ok(Some(_)))
}

/// What a run refuses of a table before it computes anything.
fn unless_refused(
    site: &Site,
    table: &TableName,
    mut step: PlannedStep,
    recorded: &BTreeMap<String, i64>,
) -> PlannedStep {
    if step.error.is_some() {
        return step;
    }
    match not_refused(site, table, step.action, recorded) {
        Ok(gone) => {
            step.notes.extend(gone);
            step
        }
        Err(error) => step.failed(error),
    }
}

/// That a run finds the table as karat left it, signed and with all its files, and may commit to it (A4, G7); tells of folders that are gone.
fn not_refused(
    site: &Site,
    table: &TableName,
    action: PlannedAction,
    recorded: &BTreeMap<String, i64>,
) -> Result<Vec<String>, PipelineError> {
    let (mut heads, mut gone) = (Vec::new(), Vec::new());
    for name in written_by(table) {
        if !check_kept(site, &name, recorded)? {
            gone.push(manifest::made_anew(&name));
        }
        let in_lake = site.lake.table(&name.folder());
        let head = head(&in_lake)?;
        check_trusted(site, &name, head.as_ref())?;
        heads.push((name, in_lake, head));
    }
    if action.changes_the_table() {
        let of_table = [layout::intents(table), table.folder()];
        let folders = of_table.iter().map(String::as_str);
        for folder in folders.chain([layout::RECEIPTS, layout::RUNS]) {
            site.lake.check_may_create(folder)?;
        }
    }
    let computes = table.layer != Layer::Bronze && action.changes_the_table();
    if computes {
        check_signature(site)?;
    }
    for (name, in_lake, head) in &heads {
        // Who does nothing looks at the table itself.
        if computes || name == table {
            no_foreign(name, head.as_ref())?;
        }
        if let Some(head) = head.as_ref().filter(|_| !computes) {
            check_present(name, in_lake, &head.snapshot)?;
        }
    }
    Ok(gone)
}

/// What a feed expects, among what it has met and what would come.
fn expected_of(
    site: &Site,
    feed: &Feed,
    coming: Vec<Seen<'_>>,
) -> Result<Option<Delivery>, PipelineError> {
    if feed.expect.is_none() {
        return Ok(None);
    }
    let head = head(&site.lake.table(&feed.bronze.folder()))?;
    let snapshot = head.as_ref().map(|head| &head.snapshot);
    let epochs = Epochs::read(&site.lake, &feed.bronze, snapshot)?;
    let left_open = epochs.open().into_iter().flat_map(|open| &open.objects);
    let left_open = left_open.map(|object| (object.path.as_str(), object.broken.as_deref()));
    let all = expected::seen(&epochs).into_iter();
    expected::among(site, feed, all.chain(left_open).chain(coming))
}

/// What is known of a feed's table after its loads.
#[derive(Default)]
struct Loaded {
    schema: Option<SchemaRef>,
    /// Whether an object comes again with other content.
    again: bool,
}

async fn plan_feed(
    site: &Site,
    sources: &dyn Sources,
    feed: &Feed,
    loaded: &mut Loaded,
) -> PlannedStep {
    let mut step = PlannedStep::new("load", &feed.bronze);
    let spec = sources.spec(feed);
    let planned = match sources.open(&feed.source) {
        Ok(source) => ingest::foresee(site, feed, &spec, &source).await,
        Err(error) => Err(error),
    };
    let planned = match planned {
        Ok(planned) => planned,
        Err(error) => return step.failed(error),
    };
    loaded.schema = planned.schema;
    step.notes = planned.notes;
    step.rows = planned.rows;
    step.broken = planned.held;
    step.found_nothing = planned.nothing_there && planned.is_new;
    if let Some(error) = planned.refused {
        return step.failed(error);
    }
    let mut reasons = Vec::new();
    if let Some(OpenLoad {
        intent,
        at_work,
        gone,
    }) = &planned.open
    {
        let (epoch, run) = (intent.epoch, &intent.run);
        match (at_work, gone) {
            (true, _) => {
                reasons.push(format!("run {run} is at work on load {epoch}"));
                step.notes.push(
                    "a run that begins before that one ends stops with exit 5, or waits with `--wait`"
                        .to_owned(),
                );
            }
            (false, None) => {
                reasons.push(format!("load {epoch} was left open by run {run}"));
                step.objects += intent.objects.len() as u64;
                let sizes = intent.objects.iter().map(|object| object.size);
                step.bytes += sizes.sum::<u64>();
            }
            (false, Some(why)) => step.notes.push(format!(
                "load {epoch}, left open by run {run}, cannot be taken up: {why}; it is closed, and what is there is planned anew"
            )),
        }
    }
    let new = planned.loads.iter().flat_map(|load| &load.objects);
    let mut again = 0_u64;
    let mut objects = 0_u64;
    for object in new {
        objects += 1;
        again += u64::from(object.delivery > 1 && !planned.mended.contains(&object.path));
        step.bytes += object.size;
    }
    step.objects += objects;
    let coming = planned.loads.iter().flat_map(|load| &load.objects);
    let coming = coming.map(|object| (object.path.as_str(), object.broken.as_deref()));
    match expected_of(site, feed, coming.collect()) {
        Ok(delivery) => {
            step.notes
                .extend(delivery.as_ref().and_then(Delivery::awaited));
            let timezone = &site.project.timezone;
            let failure = delivery
                .as_ref()
                .and_then(|delivery| delivery.failure(timezone));
            step.delivery = delivery;
            if let Some(error) = failure {
                return step.failed(error);
            }
        }
        Err(error) => return step.failed(error),
    }
    if planned.changes == Some(0) {
        step.reason = "the whole table was read and compared: nothing has changed".to_owned();
        return step;
    }
    if objects > 0 {
        reasons.push(format!("{objects} new {}", plural(objects, "object")));
    } else if !planned.loads.is_empty() {
        step.if_changed = planned.open.is_none()
            && !planned.is_new
            && planned.changes.is_none()
            && feed.mode == Mode::Full;
        reasons.push(match feed.cursor {
            _ if planned.is_new && planned.rows == Some(0) => {
                "the table is made, without a row yet".to_owned()
            }
            Some(_) => "rows after the position".to_owned(),
            None => match planned.changes {
                Some(rows) => format!("{rows} {} changed in the whole table", plural(rows, "row")),
                None => "the whole table is read and compared".to_owned(),
            },
        });
    }
    loaded.again = again > 0;
    if again > 0 {
        step.notes
            .push(format!("{again} delivered again with other content"));
    }
    match planned.mended.len() {
        0 => {}
        1 => step
            .notes
            .push("1 was held, and can be read now".to_owned()),
        held => step
            .notes
            .push(format!("{held} were held, and can be read now")),
    }
    let readable = planned.loads.iter();
    let readable = readable.filter(|load| load.is_readable(spec.mode)).count();
    let is_open = planned.open.is_some_and(|open| open.gone.is_none());
    if !reasons.is_empty() && (is_open || readable > 0) && loaded.schema.is_some() {
        step.action = PlannedAction::Load;
        step.reason = reasons.join("; ");
    } else if !reasons.is_empty() {
        // Noted for the next run, and no version of any table.
        step.reason = match readable {
            0 => format!("{}: nothing of it can be loaded", reasons.join("; ")),
            _ => format!("{}: no row and no header in it", reasons.join("; ")),
        };
    } else if step.found_nothing {
        step.reason = "nothing is there yet".to_owned();
    } else if planned.holds_some {
        step.notes.push(ingest::SOME_ARE_HELD.to_owned());
    }
    step
}

async fn plan_silver(
    site: &Site,
    model: &Model,
    silver: &Silver,
    before: Option<Before<'_>>,
    loaded: Option<&Loaded>,
) -> PlannedStep {
    let mut step = PlannedStep::new("silver", &model.name);
    let Some(feed) = site.project.feed(&silver.from) else {
        let error = PipelineError::Internal(format!("`{}` reads no feed", model.name));
        return step.failed(error);
    };
    let planned = match SilverStep::new(site, model, silver, feed)
        .after(loaded.and_then(|loaded| loaded.schema.clone()))
        .plan()
        .await
    {
        Ok(planned) => planned,
        Err(error) => return step.failed(error),
    };
    match planned {
        None => {
            step.action = if before.is_some() {
                PlannedAction::Rebuild
            } else {
                PlannedAction::Wait
            };
            step.reason = match before {
                Some(_) => "first version".to_owned(),
                None => format!("`{}` has no version yet", silver.from),
            };
        }
        Some(mut planned) => {
            let is_current = matches!(planned.decision, Decision::Nothing);
            if before.is_some()
                && let Some(after) = planned.after_a_load.take()
            {
                planned = after;
                step.notes
                    .push("it also reads the rows that this run loads before it".to_owned());
            }
            step.rows = Some(planned.rows);
            step.bytes = planned.bytes;
            match (planned.decision, before) {
                (Decision::Nothing, _) => {}
                (Decision::Rebuild { reason }, _) => {
                    step.action = PlannedAction::Rebuild;
                    step.reason = reason;
                    step.if_changed = is_current && before.is_some_and(|before| before.if_changed);
                }
                (Decision::Incremental { .. }, Some(_)) if loaded.is_some_and(|one| one.again) => {
                    step.action = PlannedAction::Rebuild;
                    step.reason = "an object that it had read is delivered again".to_owned();
                    (step.rows, step.bytes) = (Some(planned.whole.0), planned.whole.1);
                }
                (Decision::Incremental { .. }, Some(Before { table, if_changed })) => {
                    step.action = PlannedAction::Incremental;
                    step.if_changed = if_changed;
                    step.reason = match if_changed {
                        true => format!("`{table}` may have new rows by then"),
                        false => format!("`{table}` is loaded before it"),
                    };
                }
                (Decision::Incremental { after, repaired }, None) => {
                    step.action = PlannedAction::Incremental;
                    step.reason = match (planned.rows, repaired) {
                        (_, 0) => format!("loads after {after} of `{}`", silver.from),
                        (0, 1) => "a row in quarantine was repaired".to_owned(),
                        (0, rows) => format!("{rows} rows in quarantine were repaired"),
                        (_, rows) => format!(
                            "loads after {after} of `{}`, and repairs of {rows} {} in quarantine",
                            silver.from,
                            plural(rows, "row")
                        ),
                    };
                    step.rows = Some(planned.rows + repaired);
                }
            }
        }
    }
    step
}

async fn plan_gold(
    site: &Site,
    model: &Model,
    gold: &Gold,
    before: Option<Before<'_>>,
) -> PlannedStep {
    let mut step = PlannedStep::new("gold", &model.name);
    let planned = match GoldStep::new(site, model, gold).plan().await {
        Ok(planned) => planned,
        Err(error) => return step.failed(error),
    };
    step.rows = Some(planned.rows);
    step.bytes = planned.bytes;
    match (planned.staleness, before) {
        (Staleness::Stale { reason }, _) => {
            step.action = match planned.part {
                Some(_) => PlannedAction::Incremental,
                None => PlannedAction::Rebuild,
            };
            step.reason = planned.part.unwrap_or(reason);
        }
        (Staleness::Current, None) => {}
        (Staleness::Current, Some(Before { table, if_changed })) => {
            step.action = PlannedAction::Rebuild;
            step.if_changed = if_changed;
            step.reason = match if_changed {
                true => format!("`{table}` may change"),
                false => format!("`{table}` will change"),
            };
            if let Some(incremental) = &gold.incremental {
                let by = incremental.by.join(", ");
                step.reason += &format!(
                    "; of `{by}` only the values that it touches, if all that changes holds them"
                );
            }
        }
        (Staleness::Waiting { table }, None) => {
            step.action = PlannedAction::Wait;
            step.reason = format!("`{table}` has no version yet");
        }
        (Staleness::Waiting { .. }, Some(_)) => {
            step.action = PlannedAction::Rebuild;
            step.reason = "first version".to_owned();
            step.rows = None;
        }
    }
    step
}

fn plural(count: u64, word: &str) -> String {
    if count == 1 {
        word.to_owned()
    } else {
        format!("{word}s")
    }
}
