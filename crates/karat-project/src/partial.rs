//! A project that may have mistakes: what of it can be looked at further, and is never run.

use std::collections::BTreeMap;

use crate::model::Project;
use crate::table_name::TableName;

/// How far a model's own declaration holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Its files have no mistake.
    Sound,
    /// Its files have mistakes; what it reads is known, and which columns it has.
    Mistaken,
    /// Its files have mistakes; what it reads is known, but not which columns it has.
    Gapped,
    /// Its files have mistakes, and not all that it reads is known.
    Unresolved,
}

/// How far each model's own declaration holds.
#[derive(Clone, Debug, Default)]
pub struct Standings {
    /// Of the models that are not sound.
    pub(crate) unsound: BTreeMap<TableName, Standing>,
}

impl Standings {
    /// That of one model.
    pub fn of(&self, model: &TableName) -> Standing {
        self.unsound.get(model).copied().unwrap_or(Standing::Sound)
    }
}

/// What could be read of a project: all models whose files could be, and the feeds without a mistake.
#[derive(Clone, Debug)]
pub struct Partial {
    pub(crate) project: Project,
    pub(crate) standings: Standings,
}

impl Partial {
    /// A project whose models, if it has any, are sound.
    pub(crate) fn of(project: Project) -> Self {
        Self {
            project,
            standings: Standings::default(),
        }
    }

    /// What could be read; [`crate::Loaded::sound`] gives the project to run.
    pub fn project(&self) -> &Project {
        &self.project
    }

    /// To look for more mistakes in, and not to run.
    pub fn split(self) -> (Project, Standings) {
        (self.project, self.standings)
    }
}
