//! Which objects of a feed silver reads (B4, B6): the newest delivery of each path, one of several equal ones, the newest full load.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use karat_project::{Feed, Mode, OnDuplicate};
use karat_receipt::IntentObject;

use crate::epochs::Epochs;

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
    /// Every delivery that these loads brought.
    pub objects: BTreeSet<(String, i64)>,
}

impl Reading {
    /// Whether these loads brought a delivery and it is read.
    pub fn reads(&self, delivery: &(String, i64)) -> bool {
        self.objects.contains(delivery) && !self.left_out.contains_key(delivery)
    }

    /// Why a delivery is not read; None if it is.
    pub fn left_out(&self, object: &str, delivery: i64) -> Option<LeftOut> {
        if self.left_out.is_empty() {
            return None;
        }
        self.left_out.get(&(object.to_owned(), delivery)).copied()
    }
}

/// Decides what silver reads, from the loads that are committed up to `epoch`.
pub fn reading(feed: &Feed, epochs: &Epochs, up_to: i64) -> Reading {
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
        if feed.key.is_empty() {
            reading.only_epoch = epochs
                .done()
                .filter(|intent| intent.epoch <= up_to)
                .map(|intent| intent.epoch)
                .next_back();
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
