//! What an undo holds of a source that is read anew each time: rows after a cursor, or a whole table. Of files it holds objects, which
//! [`Epochs`] lists as met.
//!
//! A row, or a state of a whole table, that the undone run had loaded is not loaded again as long as it is the same; other content is new.

use std::collections::{BTreeMap, BTreeSet};

use karat_lake::{LiveFile, Snapshot, Table};

use crate::epochs::Epochs;
use crate::error::PipelineError;
use crate::publish::Head;
use crate::read;

/// Loads of a feed that were taken back and that no reset has let go, by undo, oldest first.
#[derive(Debug, Default)]
pub(crate) struct HeldLoads {
    undos: Vec<HeldUndo>,
    /// The newest load that the table holds.
    newest_load: i64,
}

#[derive(Debug)]
struct HeldUndo {
    epoch: i64,
    /// The run that was taken back.
    run: String,
    /// The version that it had left.
    base: Option<i64>,
    loads: BTreeSet<i64>,
}

impl HeldLoads {
    /// Those on record for a feed.
    pub(crate) fn of(epochs: &Epochs) -> Self {
        let mut undos: BTreeMap<i64, HeldUndo> = BTreeMap::new();
        for (load, by) in epochs.held_loads() {
            let to = epochs.intent(by).map(|intent| &intent.to);
            let undo = undos.entry(by).or_insert_with(|| HeldUndo {
                epoch: by,
                run: to
                    .and_then(|to| to["run"].as_str())
                    .unwrap_or_default()
                    .to_owned(),
                base: to.and_then(|to| to["base"].as_i64()),
                loads: BTreeSet::new(),
            });
            undo.loads.insert(load);
        }
        Self {
            undos: undos.into_values().collect(),
            newest_load: epochs.newest_load(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.undos.is_empty()
    }

    /// Versions whose rows were a whole state of the source, with the run that had read it: of a live table that is loaded in full, until other
    /// content is loaded.
    pub(crate) fn states(&self) -> impl Iterator<Item = (i64, &str)> {
        let newest = self.newest_load;
        let since = self.undos.iter().filter(move |undo| undo.epoch > newest);
        since.filter_map(|undo| Some((undo.base?, undo.run.as_str())))
    }

    /// What a plan and a run say of it.
    pub(crate) fn note(&self, feed: &str, whole: bool) -> Option<String> {
        let since = self.undos.iter();
        let runs: BTreeSet<&str> = since
            .filter(|undo| !whole || undo.epoch > self.newest_load)
            .map(|undo| undo.run.as_str())
            .collect();
        let what = match runs.len() {
            0 => return None,
            1 => format!("run {}, which was", runs.into_iter().collect::<String>()),
            several => format!("{several} runs, which were"),
        };
        Some(format!(
            "what {what} undone, had loaded is held until the source has other content; `karat position reset {feed}` lets it be loaded again"
        ))
    }

    /// The files that hold rows of the loads of a table's newest version, and of those that are held, oldest first, each with a version that
    /// names it.
    pub(crate) fn files_among(
        &self,
        table: &Table,
        now: &Head,
    ) -> Result<Vec<(Snapshot, LiveFile)>, PipelineError> {
        let mut files: Vec<(Snapshot, LiveFile)> = read::of_loads(&now.snapshot)
            .into_iter()
            .map(|file| (now.snapshot.clone(), file.clone()))
            .collect();
        for undo in &self.undos {
            let Some(base) = undo.base else { continue };
            let Some(then) = table.load_at(base)? else {
                continue;
            };
            let of_undo = read::of_loads(&then).into_iter();
            let of_undo = of_undo.filter(|file| undo.loads.contains(&read::written(&file.path).0));
            let of_undo: Vec<LiveFile> = of_undo.cloned().collect();
            files.extend(of_undo.into_iter().map(|file| (then.clone(), file)));
        }
        files.sort_by_key(|(_, file)| (read::written(&file.path), file.path.clone()));
        Ok(files)
    }
}
