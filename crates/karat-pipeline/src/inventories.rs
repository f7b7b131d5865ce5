//! What sources hold: each is listed once for all who ask within one command. One that cannot be listed gives nothing to say before a run.

use std::collections::BTreeMap;

use karat_project::Feed;
use karat_source::{FeedSpec, Inventory};

use crate::schedule::Sources;

/// Lists of sources, made when somebody asks.
pub struct Inventories<'s> {
    sources: &'s dyn Sources,
    listed: BTreeMap<String, Option<Inventory>>,
}

impl<'s> Inventories<'s> {
    /// Of these sources.
    pub fn of(sources: &'s dyn Sources) -> Self {
        Self {
            sources,
            listed: BTreeMap::new(),
        }
    }

    /// What a source must know of a feed.
    pub(crate) fn spec(&self, feed: &Feed) -> FeedSpec {
        self.sources.spec(feed)
    }

    /// What the source of this name holds.
    pub(crate) fn source(&mut self, name: &str) -> Option<&mut Inventory> {
        if !self.listed.contains_key(name) {
            let source = self.sources.open(name).ok();
            let inventory = source.and_then(|source| source.inventory().ok());
            self.listed.insert(name.to_owned(), inventory);
        }
        self.listed.get_mut(name)?.as_mut()
    }
}
