//! Intents and epochs: what a writer of a table set out to do, and which of it is settled (A2, A3).

use std::collections::{BTreeMap, BTreeSet, HashMap};

use karat_lake::{Lake, Put, Snapshot, failpoint};
use karat_project::{Layer, TableName};
use karat_receipt::{Closed, Digest, Intent, IntentObject, Outcome};
use serde_json::Value;

use crate::at_work;
use crate::context::Site;
use crate::error::PipelineError;
use crate::layout;
use crate::manifest;
use crate::undo;

/// In an intent's `to`: the epochs that an undo takes back.
pub(crate) const UNDOES: &str = "undoes";
/// In an intent's `to`: the undone epochs of a feed that may be loaded again.
pub(crate) const RESETS: &str = "resets";
/// In an intent's `to`: a person set the position.
pub(crate) const SETS: &str = "set";

/// What is on record for one writer.
#[derive(Debug, Default)]
pub struct Epochs {
    intents: BTreeMap<i64, Intent>,
    closed: BTreeMap<i64, Closed>,
    committed: i64,
    /// Epochs that an undo has taken back, each with the epoch of the undo.
    undone: BTreeMap<i64, i64>,
    /// Those of them that a reset of the position has let go: what they brought counts as never met.
    let_go: BTreeSet<i64>,
    /// Objects that the others of them brought, with the reason why they are held.
    held: BTreeMap<i64, Vec<IntentObject>>,
}

impl Epochs {
    /// Reads the record of a table's writer; `snapshot` is the table's newest version.
    pub fn read(
        lake: &Lake,
        table: &TableName,
        snapshot: Option<&Snapshot>,
    ) -> Result<Self, PipelineError> {
        Self::of_writer(lake, layout::intents(table), &layout::app(table), snapshot)
    }

    /// The same of the repairs of a feed, which have epochs of their own (C3).
    pub fn of_repairs(
        lake: &Lake,
        bronze: &TableName,
        snapshot: Option<&Snapshot>,
    ) -> Result<Self, PipelineError> {
        let folder = layout::repair_intents(bronze);
        Self::of_writer(lake, folder, &layout::repair_app(bronze), snapshot)
    }

    fn of_writer(
        lake: &Lake,
        folder: String,
        app: &str,
        snapshot: Option<&Snapshot>,
    ) -> Result<Self, PipelineError> {
        let mut epochs = Self::default();
        if let Some(snapshot) = snapshot {
            epochs.committed = snapshot.app_versions.get(app).copied().unwrap_or(0);
        }
        for name in lake.list(&folder)? {
            let path = format!("{folder}/{name}");
            let Some(stem) = name.strip_suffix(".json") else {
                continue;
            };
            if let Some(epoch) = stem
                .strip_suffix(".closed")
                .and_then(|text| text.parse().ok())
            {
                if let Some(bytes) = lake.get(&path)? {
                    let closed =
                        Closed::from_bytes(&bytes).map_err(PipelineError::document(&path))?;
                    epochs.closed.insert(epoch, closed);
                }
            } else if let Ok(epoch) = stem.parse::<i64>()
                && let Some(bytes) = lake.get(&path)?
            {
                let intent = Intent::from_bytes(&bytes).map_err(PipelineError::document(&path))?;
                epochs.intents.insert(epoch, intent);
            }
        }
        epochs.take_back();
        Ok(epochs)
    }

    /// Finds what undos took back, and what resets have let go of it.
    fn take_back(&mut self) {
        for (epoch, intent) in &self.intents {
            let is_committed = *epoch <= self.committed && !self.closed.contains_key(epoch);
            if is_undo(intent) && is_committed {
                let undone = epochs_in(&intent.to[UNDOES]);
                self.undone.extend(undone.map(|undone| (undone, *epoch)));
            }
            if self.closed.contains_key(epoch) || is_word(intent) {
                self.let_go.extend(epochs_in(&intent.to[RESETS]));
            }
        }
        if self.undone.is_empty() {
            return;
        }
        let stands = |object: &IntentObject| (object.path.clone(), object.delivery);
        let standing: BTreeSet<(String, i64)> = self
            .objects()
            .into_iter()
            .map(|(_, object)| stands(object))
            .collect();
        let mut held = BTreeMap::new();
        for (undone, by) in &self.undone {
            let undo = &self.intents[by].to;
            let text = |key: &str| undo[key].as_str().unwrap_or_default().to_owned();
            let reason = format!(
                "undone with run {} ({}): held until new content comes, or `karat position reset`",
                text("run"),
                text("reason")
            );
            let objects = self.seen(*undone).iter();
            let objects = objects.filter(|object| !standing.contains(&stands(object)));
            let objects = objects.map(|object| IntentObject {
                broken: object.broken.clone().or_else(|| Some(reason.clone())),
                ..object.clone()
            });
            held.insert(*undone, objects.collect());
        }
        self.held = held;
    }

    /// The objects that count as met with a load, as its intent or its closing note has them.
    fn seen(&self, epoch: i64) -> &[IntentObject] {
        match (self.closed.get(&epoch), self.intents.get(&epoch)) {
            (Some(closed), _) => &closed.objects,
            (None, Some(intent)) if epoch <= self.committed => &intent.objects,
            _ => &[],
        }
    }

    /// Refuses a feed whose record has a hole: what it had loaded would be loaded again, or count as loaded and be nowhere. Models need no
    /// such check; without a record they are rebuilt.
    pub fn check_whole(&self, table: &TableName) -> Result<(), PipelineError> {
        let newest = self.intents.keys().next_back().copied().unwrap_or(0);
        let hole = (1..=newest.max(self.committed)).find_map(|epoch| {
            if !self.intents.contains_key(&epoch) {
                return Some((epoch, "is missing: what that load brought is not known"));
            }
            let lost = "is followed by others, and its load is neither in the table nor closed: commits of the table were lost";
            (epoch < newest && !self.is_settled(epoch)).then_some((epoch, lost))
        });
        match hole {
            None => Ok(()),
            Some((epoch, how)) => Err(PipelineError::Damaged {
                table: table.to_string(),
                file: format!("{}/{epoch}.json", layout::intents(table)),
                how,
            }),
        }
    }

    /// The newest epoch that the table carries; 0 if none.
    pub fn committed(&self) -> i64 {
        self.committed
    }

    /// The intent of a load or a version that is neither committed nor closed, if there is one. There is never more than one: a new epoch is
    /// taken only when the one before is settled.
    pub fn open(&self) -> Option<&Intent> {
        self.unsettled().filter(|intent| !is_undo(intent))
    }

    /// The same of whatever the writer set out to do, an undo among it.
    pub fn unsettled(&self) -> Option<&Intent> {
        self.intents
            .iter()
            .next_back()
            .filter(|(epoch, _)| !self.is_settled(**epoch))
            .map(|(_, intent)| intent)
    }

    /// The intent of an epoch.
    pub(crate) fn intent(&self, epoch: i64) -> Option<&Intent> {
        self.intents.get(&epoch)
    }

    /// The intent with which this run took epochs back.
    pub(crate) fn undo_by(&self, run: &str) -> Option<&Intent> {
        let mut intents = self.intents.values();
        intents.find(|intent| is_undo(intent) && intent.run == run)
    }

    /// Epochs that an undo has taken back and no reset has let go, each with the epoch of the undo: what they brought is held.
    pub(crate) fn held_loads(&self) -> impl DoubleEndedIterator<Item = (i64, i64)> + '_ {
        let held = self.undone.iter().map(|(undone, by)| (*undone, *by));
        held.filter(|(undone, _)| !self.let_go.contains(undone))
    }

    /// Whether an epoch was taken back.
    pub(crate) fn is_undone(&self, epoch: i64) -> bool {
        self.undone.contains_key(&epoch)
    }

    /// Epochs that a run closed without a commit.
    pub(crate) fn closed_of<'e>(&'e self, run: &'e str) -> impl Iterator<Item = i64> + 'e {
        let closed = self.closed.keys().copied();
        closed.filter(move |epoch| {
            let intent = self.intents.get(epoch);
            intent.is_some_and(|intent| intent.run == run && !is_undo(intent))
        })
    }

    pub(crate) fn is_settled(&self, epoch: i64) -> bool {
        let is_word = || self.intents.get(&epoch).is_some_and(is_word);
        epoch <= self.committed || self.closed.contains_key(&epoch) || is_word()
    }

    /// A person's word on the position whose command died before it had settled it.
    pub(crate) fn open_word(&self) -> Option<&Intent> {
        let newest = self.intents.values().next_back();
        newest.filter(|intent| {
            is_word(intent)
                && intent.epoch > self.committed
                && !self.closed.contains_key(&intent.epoch)
        })
    }

    /// Epoch for the next intent.
    pub fn next(&self) -> i64 {
        self.intents
            .keys()
            .next_back()
            .copied()
            .unwrap_or(0)
            .max(self.committed)
            + 1
    }

    /// Intents of loads or versions that are committed and were not taken back, oldest first.
    pub fn done(&self) -> impl DoubleEndedIterator<Item = &Intent> {
        self.intents.values().filter(|intent| {
            intent.epoch <= self.committed
                && !self.closed.contains_key(&intent.epoch)
                && !self.undone.contains_key(&intent.epoch)
                && !is_undo(intent)
        })
    }

    /// The newest of them.
    pub fn last_done(&self) -> Option<&Intent> {
        self.done().next_back()
    }

    /// The newest load that the table holds; 0 if none.
    pub(crate) fn newest_load(&self) -> i64 {
        self.last_done().map_or(0, |intent| intent.epoch)
    }

    /// The newest intent whose outcome is the table as it is: committed, or closed because there was nothing to store.
    pub fn last_current(&self) -> Option<&Intent> {
        let newest = self.intents.values().rev();
        let mut current = newest.filter(|intent| !self.undone.contains_key(&intent.epoch));
        current.find(|intent| self.moves(intent))
    }

    /// The same of the loads that were taken back and are held, too: where a feed is read on. What was refused or could not be read is read
    /// again, and what is held is not.
    pub fn position(&self) -> Option<&Intent> {
        let newest = self.intents.values().rev();
        let mut known = newest.filter(|intent| !self.let_go.contains(&intent.epoch));
        known.find(|intent| self.moves(intent))
    }

    /// Where a feed was read on before these loads.
    pub(crate) fn position_before(&self, epoch: i64) -> Option<&Intent> {
        let before = self.intents.range(..epoch).rev().map(|(_, intent)| intent);
        let mut known = before.filter(|intent| !self.let_go.contains(&intent.epoch));
        known.find(|intent| self.moves(intent))
    }

    fn moves(&self, intent: &Intent) -> bool {
        match self.closed.get(&intent.epoch) {
            Some(closed) => closed.outcome == Outcome::Empty,
            None => is_word(intent) || (intent.epoch <= self.committed && !is_undo(intent)),
        }
    }

    /// How an epoch was closed, if it was.
    pub fn closed(&self, epoch: i64) -> Option<&Closed> {
        self.closed.get(&epoch)
    }

    /// Every object that a settled load has met, oldest first: those loaded, and those that a closing note counts as seen. Those of loads that
    /// were taken back are held: they are as broken ones, until a reset lets them go.
    pub fn objects(&self) -> Vec<(i64, &IntentObject)> {
        let mut objects = Vec::new();
        for epoch in self.intents.keys() {
            let seen = match self.undone.contains_key(epoch) {
                true if self.let_go.contains(epoch) => continue,
                true => self.held.get(epoch).map_or(&[][..], Vec::as_slice),
                false => self.seen(*epoch),
            };
            objects.extend(seen.iter().map(|object| (*epoch, object)));
        }
        objects
    }

    /// The same, each path in its newest delivery, in the order in which paths were first met.
    pub fn newest_objects(&self) -> Vec<&IntentObject> {
        let mut places: HashMap<&str, usize> = HashMap::new();
        let mut newest: Vec<&IntentObject> = Vec::new();
        for (_, object) in self.objects() {
            match places.get(object.path.as_str()) {
                Some(&place) if newest[place].delivery <= object.delivery => newest[place] = object,
                Some(_) => {}
                None => {
                    places.insert(&object.path, newest.len());
                    newest.push(object);
                }
            }
        }
        newest
    }
}

/// Whether an intent takes epochs back.
pub(crate) fn is_undo(intent: &Intent) -> bool {
    intent.to[UNDOES].is_array()
}

/// Whether an intent is a person's word on the position: it holds as it is written.
fn is_word(intent: &Intent) -> bool {
    intent.to[RESETS].is_array() || intent.to[SETS] == Value::Bool(true)
}

/// Settles a person's word on the position of a feed whose command died before it could.
pub(crate) fn settle_word(
    lake: &Lake,
    bronze: &TableName,
    epochs: &Epochs,
) -> Result<(), PipelineError> {
    match epochs.open_word() {
        Some(word) => close_word(lake, bronze, word),
        None => Ok(()),
    }
}

/// The note that settles it.
pub(crate) fn close_word(
    lake: &Lake,
    bronze: &TableName,
    word: &Intent,
) -> Result<(), PipelineError> {
    let what = match word.to[RESETS].is_array() {
        true => "reset",
        false => "set",
    };
    let by = word.to["principal"].as_str().unwrap_or_default();
    let closed = Closed {
        feed_or_model: bronze.to_string(),
        epoch: word.epoch,
        outcome: Outcome::Empty,
        reason: format!("position {what} by {by}"),
        objects: Vec::new(),
    };
    close(lake, bronze, &closed)
}

fn epochs_in(list: &Value) -> impl Iterator<Item = i64> + '_ {
    list.as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_i64)
}

/// Bronze tables of all feeds that the lake has a record of, whatever the project declares, sorted.
pub fn feeds(lake: &Lake) -> Result<Vec<TableName>, PipelineError> {
    let mut feeds = Vec::new();
    for domain in lake.list(layout::INTENTS)? {
        for name in lake.list(&format!("{}/{domain}", layout::INTENTS))? {
            // A model's folder begins with its layer and a point.
            let table = TableName::from_parts(&format!("{domain}_{}", Layer::Bronze), &name);
            feeds.extend(table);
        }
    }
    Ok(feeds)
}

/// What a stopped writer had set out to do.
#[derive(Debug)]
pub struct Unsettled {
    /// The table.
    pub table: TableName,
    epoch: i64,
    run: String,
    is_repair: bool,
}

/// Work of stopped writers that is not settled: whoever takes it up does so with its logical time. What of a table that is gone as a whole
/// the project no longer declares is left out: nobody takes that up, and declared again the table is missed first.
pub fn unsettled(site: &Site) -> Result<Vec<Unsettled>, PipelineError> {
    let lake = &site.lake;
    let mut tables = feeds(lake)?;
    tables.extend(
        lake.tables()?
            .iter()
            .filter_map(|dir| dir.name().parse().ok()),
    );
    tables.sort();
    tables.dedup();
    let recorded = manifest::versions(lake)?;
    let mut unsettled = Vec::new();
    for table in tables {
        let snapshot = lake.table(&table.folder()).load()?;
        let is_gone = snapshot.is_none() && recorded.contains_key(&table.to_string());
        if is_gone && !is_declared(site, &table) {
            continue;
        }
        let of_repairs = match table.layer {
            Layer::Bronze => Epochs::of_repairs(lake, &table, snapshot.as_ref())?,
            _ => Epochs::default(),
        };
        let own = Epochs::read(lake, &table, snapshot.as_ref())?;
        for (epochs, is_repair) in [(own, false), (of_repairs, true)] {
            if let Some(open) = epochs.open() {
                unsettled.push(Unsettled {
                    table: table.clone(),
                    epoch: open.epoch,
                    run: open.run.clone(),
                    is_repair,
                });
            }
        }
    }
    Ok(unsettled)
}

/// Whether the project still has what writes a table.
pub(crate) fn is_declared(site: &Site, table: &TableName) -> bool {
    let writer = undo::writer_of(table);
    site.project.feed(&writer).is_some() || site.project.model(&writer).is_some()
}

impl Unsettled {
    /// Whether a run of the project would take it up, or is at it.
    pub fn is_taken_up(&self, site: &Site) -> Result<bool, PipelineError> {
        Ok(is_declared(site, &self.table) || at_work::is_at_work(site, &self.run)?)
    }

    /// Settles it without a commit: declared again, its writer begins anew.
    pub fn give_up(&self, site: &Site, why: &str) -> Result<(), PipelineError> {
        let _lock = site.lake.lock(&self.table.to_string(), site.context.wait)?;
        let note = Closed {
            feed_or_model: self.table.to_string(),
            epoch: self.epoch,
            outcome: Outcome::Refused,
            reason: why.to_owned(),
            objects: Vec::new(),
        };
        match self.is_repair {
            true => close_repair(&site.lake, &self.table, &note),
            false => close(&site.lake, &self.table, &note),
        }
    }
}

/// Writes the intent of a model's next version, or takes up the one that a killed run left open. That one is taken up only if
/// it says what would be done today; with other inputs, code, parameters or, where it counts, another time it is closed, so that
/// an intent is always what its version was made from (A2, A7).
pub fn model_intent(
    lake: &Lake,
    table: &TableName,
    epochs: &Epochs,
    today: Intent,
    uses_clock: bool,
) -> Result<(Intent, Digest), PipelineError> {
    let Some(open) = epochs.open() else {
        let digest = write_intent(lake, table, &today)?;
        return Ok((today, digest));
    };
    let same = open.code == today.code
        && open.parameters == today.parameters
        && open.inputs == today.inputs
        && open.to == today.to
        && !(uses_clock && open.logical_time != today.logical_time);
    if same {
        return Ok((open.clone(), intent_digest(open)?));
    }
    let note = Closed {
        feed_or_model: table.to_string(),
        epoch: open.epoch,
        outcome: Outcome::Refused,
        reason: "its run ended early, and what it depends on has changed since: planned anew"
            .to_owned(),
        objects: Vec::new(),
    };
    close(lake, table, &note)?;
    let digest = write_intent(lake, table, &today)?;
    Ok((today, digest))
}

/// Writes an intent (put-if-absent). If somebody else wrote the same epoch first, this run has lost the race.
pub fn write_intent(
    lake: &Lake,
    table: &TableName,
    intent: &Intent,
) -> Result<Digest, PipelineError> {
    put_intent(lake, &layout::intents(table), table, intent)
}

/// The same of a repair of this feed.
pub fn write_repair_intent(
    lake: &Lake,
    bronze: &TableName,
    intent: &Intent,
) -> Result<Digest, PipelineError> {
    put_intent(lake, &layout::repair_intents(bronze), bronze, intent)
}

fn put_intent(
    lake: &Lake,
    folder: &str,
    table: &TableName,
    intent: &Intent,
) -> Result<Digest, PipelineError> {
    failpoint::hit("intent.before");
    let bytes = intent.to_bytes()?;
    match lake.put_if_absent(&format!("{folder}/{}.json", intent.epoch), &bytes)? {
        Put::Created => {}
        Put::Exists => {
            return Err(PipelineError::LostRace {
                table: table.to_string(),
            });
        }
    }
    failpoint::hit("intent.after");
    Ok(Digest::of(&bytes))
}

/// Digest of an intent that is already written.
pub fn intent_digest(intent: &Intent) -> Result<Digest, PipelineError> {
    Ok(Digest::of(&intent.to_bytes()?))
}

/// Settles an epoch without a commit.
pub fn close(lake: &Lake, table: &TableName, closed: &Closed) -> Result<(), PipelineError> {
    put_closed(lake, &layout::intents(table), closed)
}

/// The same of a repair of this feed.
pub fn close_repair(lake: &Lake, bronze: &TableName, closed: &Closed) -> Result<(), PipelineError> {
    put_closed(lake, &layout::repair_intents(bronze), closed)
}

fn put_closed(lake: &Lake, folder: &str, closed: &Closed) -> Result<(), PipelineError> {
    failpoint::hit("close.before");
    let path = format!("{folder}/{}.closed.json", closed.epoch);
    lake.put_if_absent(&path, &closed.to_bytes())?;
    failpoint::hit("close.after");
    Ok(())
}
