//! A project of dbt: seeds become silver tables, models gold ones, tests checks, snapshots AUTO CDC.
//!
//! - `project_file`: `dbt_project.yml`, `profiles.yml`, and what they configure.
//! - `properties`: what YAML says of models, seeds and sources.
//! - `known`: what a template may ask: `ref`, `source`, `var`, `config`.
//! - `seeds`: CSV files with the types that dbt reads in them.
//! - `relations`: tables by the names that templates give.
//! - `models`: SELECTs, in the order in which they read each other.
//! - `snapshots`: histories.
//! - `checks`: tests of tables.
//! - `unit_tests`: tests of models on a few rows.

mod checks;
mod known;
mod models;
mod project_file;
mod properties;
mod relations;
mod seeds;
mod snapshots;
mod unit_tests;

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::folder::Folder;
use crate::import::{Finding, Import, ImportError, Item, Weight};
use crate::jinja::{Macro, NotPlain, parse};
use crate::outline::{Origin, Outline};
use crate::sql::Dialect;

pub(crate) use project_file::ProjectFile;
use properties::Properties;
use relations::Relations;

/// What the person who imports says.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Whose SQL it is; without it `profiles.yml` tells.
    pub dialect: Option<Dialect>,
    /// Variables beside those of `dbt_project.yml`.
    pub vars: Vec<(String, String)>,
}

/// Everything that is found on the way.
#[derive(Debug, Default)]
pub(crate) struct Log {
    pub(crate) items: Vec<Item>,
    pub(crate) findings: Vec<Finding>,
}

impl Log {
    pub(crate) fn item(&mut self, kind: &'static str, origin: &Origin, became: Option<String>) {
        self.items.push(Item {
            kind,
            name: origin.name.clone(),
            file: origin.file.clone(),
            line: origin.line,
            became,
        });
    }

    pub(crate) fn unmapped(
        &mut self,
        origin: &Origin,
        construct: impl Into<String>,
        why: impl Into<String>,
        fix: impl Into<String>,
    ) {
        self.add(Weight::Unmapped, origin, construct, why, fix);
    }

    pub(crate) fn note(
        &mut self,
        origin: &Origin,
        construct: impl Into<String>,
        why: impl Into<String>,
        fix: impl Into<String>,
    ) {
        self.add(Weight::Note, origin, construct, why, fix);
    }

    fn add(
        &mut self,
        weight: Weight,
        origin: &Origin,
        construct: impl Into<String>,
        why: impl Into<String>,
        fix: impl Into<String>,
    ) {
        self.findings.push(Finding {
            weight,
            file: origin.file.clone(),
            line: origin.line,
            construct: construct.into(),
            why: why.into(),
            fix: fix.into(),
        });
    }

    pub(crate) fn not_plain(&mut self, origin: &Origin, found: &NotPlain) {
        let at = Origin {
            line: found.line,
            ..origin.clone()
        };
        self.unmapped(&at, &found.construct, &found.why, &found.fix);
    }
}

/// What all parts of an import share.
pub(crate) struct Shared {
    pub(crate) project: ProjectFile,
    pub(crate) dialect: Dialect,
    pub(crate) macros: BTreeMap<String, Rc<Macro>>,
    pub(crate) docs: BTreeMap<String, String>,
    pub(crate) properties: Properties,
}

/// Makes a project of karat out of one of dbt.
pub fn import(folder: &Folder, settings: &Settings) -> Result<Import, ImportError> {
    let mut log = Log::default();
    let project = ProjectFile::read(folder, settings, &mut log)?;
    let dialect = project.dialect(folder, settings, &mut log);
    let mut shared = Shared {
        dialect,
        macros: BTreeMap::new(),
        docs: BTreeMap::new(),
        properties: Properties::default(),
        project,
    };
    read_macros(folder, &mut shared, &mut log);
    read_docs(folder, &mut shared);
    shared.properties = Properties::read(folder, &shared, &mut log);

    let domain = shared.project.domain.clone();
    let mut outline = Outline {
        project: domain.clone(),
        comment: format!(
            "Imported from the dbt project `{}`: IMPORT.md says what became of each statement.",
            shared.project.name
        ),
        domain,
        ..Outline::default()
    };
    let mut relations = Relations::default();
    seeds::read(folder, &shared, &mut outline, &mut relations, &mut log);
    relations::add_sources(&shared, &outline, &mut relations, &mut log);
    let models = models::read(folder, &shared, &mut relations, &mut log);
    let histories = snapshots::read(folder, &shared, &outline, &mut relations, &mut log);
    models::write(
        models,
        histories,
        &shared,
        &mut outline,
        &mut relations,
        &mut log,
    );
    checks::write(folder, &shared, &mut outline, &relations, &mut log);
    unit_tests::write(&shared, &mut outline, &relations, &mut log);
    list_the_rest(folder, &shared, &mut log);

    Ok(Import::of(outline, log.items, log.findings))
}

fn read_macros(folder: &Folder, shared: &mut Shared, log: &mut Log) {
    let paths: Vec<&str> = folder
        .paths()
        .filter(|path| path.ends_with(".sql") && shared.project.is_in("macro-paths", path))
        .collect();
    for path in paths {
        let origin = Origin {
            file: path.to_owned(),
            line: 1,
            name: path.to_owned(),
        };
        let Some(text) = text_of(folder, path, log) else {
            continue;
        };
        match parse(text) {
            Ok(template) => {
                for found in template.macros {
                    shared.macros.insert(found.name.clone(), Rc::new(found));
                }
            }
            Err(found) => log.not_plain(&origin, &found),
        }
    }
}

/// The text of a file; one that is none is told.
pub(crate) fn text_of<'f>(folder: &'f Folder, path: &str, log: &mut Log) -> Option<&'f str> {
    match folder.text(path)? {
        Ok(text) => Some(text),
        Err(line) => {
            let origin = Origin {
                file: path.to_owned(),
                line,
                name: path.to_owned(),
            };
            log.unmapped(&origin, path, "the file is no UTF-8", "save it as UTF-8");
            None
        }
    }
}

fn read_docs(folder: &Folder, shared: &mut Shared) {
    for path in folder.paths().filter(|path| path.ends_with(".md")) {
        let Some(Ok(text)) = folder.text(path) else {
            continue;
        };
        // A page that is no template documents nothing.
        let Ok(template) = parse(text) else { continue };
        for block in template.docs {
            let mut known = known::Nothing;
            if let Ok(rendered) = crate::jinja::render_block(&block, &mut known) {
                shared
                    .docs
                    .insert(block.name, rendered.text.trim().to_owned());
            }
        }
    }
}

/// What dbt has and karat has not, by name.
fn list_the_rest(folder: &Folder, shared: &Shared, log: &mut Log) {
    for path in folder.paths().filter(|path| path.ends_with(".sql")) {
        if shared.project.is_in("analysis-paths", path) {
            let origin = Origin {
                file: path.to_owned(),
                line: 1,
                name: stem(path).to_owned(),
            };
            log.item("analysis", &origin, None);
            log.unmapped(
                &origin,
                &origin.name,
                "an analysis makes no table",
                "ask it with `karat query`",
            );
        }
    }
}

/// A file's name without folder and ending.
pub(crate) fn stem(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.split('.').next().unwrap_or(name)
}

/// A name as karat has it (F3): lower case letters, digits and `_`, a letter first.
pub(crate) fn own_name(name: &str) -> String {
    let folded = karat_project::fold_name(name);
    let folded = folded.trim_start_matches('_');
    match folded.starts_with(|c: char| c.is_ascii_lowercase()) {
        true => folded.to_owned(),
        false => format!("t_{folded}"),
    }
}
