//! Which objects of a feed silver reads (B4, B6): the newest delivery of each path, one of several equal ones, the newest full load.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use arrow::array::{BooleanArray, Int64Array};
use karat_project::{Feed, Mode, ModelKind, OnDuplicate, Project};
use karat_receipt::IntentObject;

use crate::epochs::Epochs;
use crate::snapshots::Snapshots;

/// Why silver leaves an object out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeftOut {
    /// The same path came again with other content.
    Superseded,
    /// The same content is read under another path.
    Duplicate,
}

/// What silver reads of a feed's bronze rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reading {
    /// Deliveries that are not read.
    pub left_out: HashMap<(String, i64), LeftOut>,
    /// Full loads without a key: only this epoch is read.
    pub only_epoch: Option<i64>,
    /// Full loads with a key whose order mark was delivered again: later loads say what they are compared with as if these had never come.
    pub left_out_loads: BTreeSet<i64>,
    /// Every delivery that these loads brought.
    pub objects: BTreeSet<(String, i64)>,
    /// Of a model that follows snapshots: those that it reads.
    pub(crate) snapshots: Option<Snapshots>,
}

/// Which loads are read of a full feed without a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FullLoads {
    /// The newest.
    Newest,
    /// All: a model follows them as snapshots (C5).
    All,
}

impl FullLoads {
    /// What the models of a project read of a feed, taken together.
    pub fn read_of(project: &Project, feed: &Feed) -> Self {
        let follows = project.models.iter().any(|model| match &model.kind {
            ModelKind::Silver(silver) if silver.from == feed.bronze => {
                let cdc = silver.auto_cdc.as_ref();
                cdc.is_some_and(|cdc| cdc.snapshots.is_some())
            }
            _ => false,
        });
        match follows {
            true => Self::All,
            false => Self::Newest,
        }
    }
}

impl Reading {
    /// Whether these loads brought a delivery and it is read.
    pub fn reads(&self, delivery: &(String, i64)) -> bool {
        self.objects.contains(delivery) && !self.left_out.contains_key(delivery)
    }

    /// Which rows are of loads that are read, by `_epoch`.
    pub fn loads_read(&self, epochs: &Int64Array) -> BooleanArray {
        epochs
            .iter()
            .map(|epoch| Some(epoch.is_none_or(|epoch| !self.left_out_loads.contains(&epoch))))
            .collect()
    }

    /// Why a delivery is not read; None if it is.
    pub fn left_out(&self, object: &str, delivery: i64) -> Option<LeftOut> {
        if self.left_out.is_empty() {
            return None;
        }
        self.left_out.get(&(object.to_owned(), delivery)).copied()
    }
}

/// What is read otherwise since then of the deliveries that were there: those of paths that were delivered again, and copies of what they
/// were, which stand on their own now (B4).
pub fn read_otherwise(before: &Reading, now: &Reading) -> Vec<String> {
    let mut gone = BTreeSet::new();
    let mut back = BTreeSet::new();
    for delivery in &before.objects {
        match (before.reads(delivery), now.reads(delivery)) {
            (true, false) => gone.insert(&delivery.0),
            (false, true) => back.insert(&delivery.0),
            _ => continue,
        };
    }
    let named = |paths: &BTreeSet<&String>| {
        let first = paths.first().map_or("", |path| path.as_str());
        match paths.len() {
            1 => format!("`{first}`"),
            all => format!("`{first}` and {} more", all - 1),
        }
    };
    let mut told = Vec::new();
    if !gone.is_empty() {
        told.push(format!(
            "delivered again: {}; the rows that it had before are no longer read",
            named(&gone)
        ));
    }
    if !back.is_empty() {
        told.push(format!(
            "so far a copy of another file, and read for itself since that one was delivered again: {}; if its rows are no longer true, have it delivered again, too, without them",
            named(&back)
        ));
    }
    told
}

/// Full loads of files whose order mark came again in a later load (B4): a part more, or the same path with new content.
pub fn superseded_loads(epochs: &Epochs, up_to: i64) -> BTreeSet<i64> {
    let mut newest: BTreeMap<&str, i64> = BTreeMap::new();
    let mut superseded = BTreeSet::new();
    for intent in epochs.done().filter(|intent| intent.epoch <= up_to) {
        // A live source has no objects: its mark is a time, and a second load at the same time is a load of its own.
        if let Some(mark) = intent.to["mark"]
            .as_str()
            .filter(|_| !intent.objects.is_empty())
        {
            superseded.extend(newest.insert(mark, intent.epoch));
        }
    }
    superseded
}

/// Decides what silver reads, from the loads that are committed up to `epoch`.
pub fn reading(feed: &Feed, epochs: &Epochs, up_to: i64, loads: FullLoads) -> Reading {
    let done: Vec<(i64, &IntentObject)> = epochs
        .done()
        .filter(|intent| intent.epoch <= up_to)
        .flat_map(|intent| intent.objects.iter().map(|object| (intent.epoch, object)))
        .filter(|(_, object)| object.broken.is_none())
        .collect();
    let mut reading = Reading {
        objects: done
            .iter()
            .map(|(_, object)| (object.path.clone(), object.delivery))
            .collect(),
        ..Reading::default()
    };
    if feed.mode == Mode::Full {
        if feed.key.is_empty() && loads == FullLoads::Newest {
            reading.only_epoch = epochs
                .done()
                .filter(|intent| intent.epoch <= up_to)
                .map(|intent| intent.epoch)
                .next_back();
        } else {
            reading.left_out_loads = superseded_loads(epochs, up_to);
        }
        // Each file of a full feed is a load of its own; the loads follow each other in mark order (B6).
        return reading;
    }
    let mut newest: BTreeMap<&str, &IntentObject> = BTreeMap::new();
    for (_, object) in &done {
        match newest.get(object.path.as_str()) {
            Some(known) if known.delivery > object.delivery => {}
            _ => {
                newest.insert(&object.path, object);
            }
        }
    }
    for (_, object) in &done {
        if newest[object.path.as_str()].delivery != object.delivery {
            reading
                .left_out
                .insert((object.path.clone(), object.delivery), LeftOut::Superseded);
        }
    }
    if feed.on_duplicate == OnDuplicate::Load {
        return reading;
    }
    let mut first: BTreeMap<&str, &IntentObject> = BTreeMap::new();
    for object in newest.values() {
        match first.get(object.sha256.as_str()) {
            Some(known) if (&known.mark, &known.path) <= (&object.mark, &object.path) => {}
            _ => {
                first.insert(&object.sha256, object);
            }
        }
    }
    for object in newest.values() {
        if first[object.sha256.as_str()].path != object.path {
            reading
                .left_out
                .insert((object.path.clone(), object.delivery), LeftOut::Duplicate);
        }
    }
    reading
}
