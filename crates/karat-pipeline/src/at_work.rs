//! Runs at work on this machine (A5): each keeps a mark in the lake that names it and its tables, until it ends or its process dies. Of two that
//! share a table the later one gives way, or waits, before it reads: both see the same order, so they never stop each other.

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::time::Duration;

use karat_lake::{LakeError, LockGuard, Marked, RunMark};
use karat_project::TableName;

use crate::context::Site;
use crate::error::PipelineError;

/// How long a run waits for another that begins at this moment.
const GATE_WAIT: Duration = Duration::from_secs(30);

/// Before the name of the machine, which is the first line of a mark.
const HOST: &str = "@";

/// The machine of `user@host`.
fn host(principal: &str) -> &str {
    principal.rsplit('@').next().unwrap_or(principal)
}

/// Runs that began before this one, by the tables that they are to work on.
#[derive(Debug, Default)]
pub struct Claims(OnceLock<BTreeMap<String, Vec<String>>>);

/// The name of a run's mark.
fn mark_of(run: &str) -> String {
    format!("run.{run}")
}

/// Whether a run is at work on this machine.
pub fn is_at_work(site: &Site, run: &str) -> Result<bool, PipelineError> {
    Ok(site.lake.is_marked(&mark_of(run))?)
}

/// Marks this run as being at work on these tables, so that nobody takes its commits for those of a dead run. What dead ones left
/// half written is cleared away, and their marks after it.
pub(crate) fn begin(site: &Site, tables: &[TableName]) -> Result<RunMark, PipelineError> {
    let _gate = site.lake.lock("begin", GATE_WAIT)?;
    let mut before: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut dead = Vec::new();
    for name in site.lake.list("_karat/locks")? {
        let Some(mark) = name.strip_suffix(".lock") else {
            continue;
        };
        if !mark.starts_with("run.") {
            continue;
        }
        match site.lake.marked(mark)? {
            None => {}
            Some(Marked::Dead(theirs)) => dead.push((mark.to_owned(), theirs)),
            Some(Marked::AtWork(theirs)) => {
                for table in theirs.lines() {
                    let marks = before.entry(table.to_owned()).or_default();
                    marks.push(mark.to_owned());
                }
            }
        }
    }
    // That a run of another machine is at work, its mark may not tell here.
    let here = format!("{HOST}{}", host(&site.context.principal));
    for (mark, theirs) in dead {
        let is_elsewhere = |first: &str| first.starts_with(HOST) && first != here;
        if theirs.lines().next().is_some_and(is_elsewhere) {
            continue;
        }
        let tables = theirs.lines().filter_map(|table| table.parse().ok());
        let tables: Vec<TableName> = tables.collect();
        let is_free = |table: &TableName| !before.contains_key(&table.to_string());
        // What somebody works on, or what we may not touch, is for a later run.
        if tables
            .iter()
            .all(|table| is_free(table) && clear(site, table).is_ok())
        {
            site.lake.clear_mark(&mark)?;
        }
    }
    let ours: String = std::iter::once(here)
        .chain(tables.iter().map(TableName::to_string))
        .map(|line| line + "\n")
        .collect();
    let mark = site.lake.mark(&mark_of(&site.context.run), &ours)?;
    // A process has one run; a second one would only wait for the same.
    let _ = site.claims.0.set(before);
    Ok(mark)
}

/// Clears away what a dead run was writing of a table that nobody works on.
fn clear(site: &Site, table: &TableName) -> Result<(), LakeError> {
    let _lock = site.lake.lock(&table.to_string(), Duration::ZERO)?;
    for written in [table.clone(), table.quarantine()] {
        site.lake.table(&written.folder()).remove_temporaries()?;
    }
    Ok(())
}

impl Site {
    /// Takes the lock of a table that this run works on, waiting as long as it may for runs that began before.
    pub(crate) fn lock(&self, table: &str) -> Result<LockGuard, LakeError> {
        let mut left = self.context.wait;
        let before = self.claims.0.get().and_then(|claims| claims.get(table));
        for mark in before.into_iter().flatten() {
            if !self.lake.wait_for(mark, &mut left)? {
                return Err(LakeError::Locked {
                    name: table.to_owned(),
                });
            }
        }
        self.lake.lock(table, left)
    }
}
