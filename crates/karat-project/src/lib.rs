//! What a project declares, checked once, and the graph of its tables.
//!
//! [`load`] reads every file of a project folder and reports all mistakes in one pass, each with its place and a hint. Only
//! without one [`Loaded::sound`] gives a [`Project`] to run; what could be read of another is a [`Partial`], in which whoever
//! plans SQL finds the rest of the mistakes. No clock, no environment and no network: variables come from the caller.
//!
//! The modules in the order data passes through them:
//! `files` finds and reads the files, `yaml` makes trees with positions of them, `cells` cuts sheets and `feeds_csv` makes trees of their rows, `schema` holds the key tables, `decode`
//! checks trees against them, `defaults` puts into a tree what others say of it, `expanded` shows that, `project_file` with `params`, `calendar` and `day`, `domain_file` with `expected`, `model_file` and `test_file` read one kind of file each into the types of
//! `model`, `checks` those of whole tables, `feed_shape` says what of a feed its rows depend on, `links` checks what needs several files, `partial` tells what holds of a project with mistakes, `graph` orders
//! the tables; `recorded` makes files of a project out of recorded code. `diagnostic` and `nearest` are for the messages; `reference` makes the JSON Schemas and `docs/project.md` from
//! the key tables.

mod calendar;
mod cells;
mod checks;
mod day;
mod decode;
mod defaults;
mod diagnostic;
mod domain_file;
mod expanded;
mod expected;
mod feed_shape;
mod feeds_csv;
mod files;
mod graph;
mod links;
mod model;
mod model_file;
mod nearest;
mod params;
mod partial;
mod project_file;
mod recorded;
mod reference;
mod schema;
mod table_name;
mod test_file;
mod yaml;

use std::collections::BTreeSet;
use std::path::Path;

pub use calendar::{Calendar, NotCovered};
pub use checks::{Check, CheckAction, CheckKind, SqlText, SumBounds, THIS};
pub use day::{Day, Weekday};
pub use decode::{At, Ratio, fold_name, parse_duration};
pub use diagnostic::{Diagnostic, Place, Severity, shown_line};
pub use expected::{Expected, ExpectedFile};
pub use feed_shape::FeedShape;
pub use graph::{Graph, SelectError, Selector};
pub use model::{
    Access, Action, Anchor, AutoCdc, Compression, ControlFile, ControlRecord, Csv, Cursor, Deletes,
    Domain, Encoding, EventCondition, Excel, Expanded, Expectation, Feed, Format, Gold,
    Incremental, Inherited, Json, Lag, Mode, Model, ModelKind, OnAdded, OnBrokenObject,
    OnDuplicate, OnMissing, OnSchemaChange, OnTypes, Project, Rounding, SelectColumn, Setting,
    Silver, Snapshots, SourceDecl, SourceKind, TableFormat, Target, Totals, Unpack, WhichColumns,
};
pub use nearest::nearest;
pub use params::{BUSINESS_DATE, Param, ParamType};
pub use partial::{Partial, Standing, Standings};
pub use recorded::{NotRecorded, recorded_project};
pub use reference::{SCHEMA_KINDS, json_schema, reference_page};
pub use table_name::{Layer, NotATableName, TableName};
pub use test_file::{GivenRows, ModelTest};
pub use yaml::place_in_text;

use crate::defaults::Defaults;
use crate::diagnostic::Reporter;
use crate::domain_file::Around;
use crate::files::{DomainFiles, GoldFiles};
use crate::model::{Surroundings, code_text};
use crate::model_file::Draft;
use crate::project_file::{Missing, ProjectFile, Variables};

/// What came of reading a project.
#[derive(Debug)]
pub struct Loaded {
    /// What could be read, for whoever looks for more mistakes.
    pub partial: Partial,
    /// Errors and warnings, by file, line and column.
    pub diagnostics: Vec<Diagnostic>,
}

impl Loaded {
    /// The project if it has no mistake, else the mistakes.
    pub fn sound(self) -> Result<Project, Vec<Diagnostic>> {
        let mistakes: Vec<Diagnostic> = self
            .diagnostics
            .into_iter()
            .filter(|found| found.severity == Severity::Error)
            .collect();
        match mistakes.is_empty() {
            true => Ok(self.partial.project),
            false => Err(mistakes),
        }
    }
}

/// Reads and checks a project for its default target. `env` looks up an environment variable.
pub fn load(root: &Path, env: &dyn Fn(&str) -> Option<String>) -> Loaded {
    load_for(root, env, None)
}

/// Reads and checks a project for a target: variables of other targets may be missing.
pub fn load_for(root: &Path, env: &dyn Fn(&str) -> Option<String>, target: Option<&str>) -> Loaded {
    let of_sources = Missing::Error;
    load_with(
        &Variables {
            root,
            env,
            of_sources,
            of_keys: Missing::Error,
        },
        target,
    )
}

/// The same for whom the lake is enough: variables of sources may be missing too, and then stand in their settings as written.
pub fn load_for_lake(
    root: &Path,
    env: &dyn Fn(&str) -> Option<String>,
    target: Option<&str>,
) -> Loaded {
    let of_sources = Missing::Later;
    load_with(
        &Variables {
            root,
            env,
            of_sources,
            of_keys: Missing::Error,
        },
        target,
    )
}

/// What reading a lake takes and no more: targets, time zone and rounding, from `karat.yaml` alone. Domains, models and sources are
/// not looked at, so that their mistakes do not stand between a reader and the lake (G5).
pub fn load_target(
    root: &Path,
    env: &dyn Fn(&str) -> Option<String>,
    target: Option<&str>,
) -> Result<Project, Vec<Diagnostic>> {
    let mut report = Reporter::default();
    let variables = Variables {
        root,
        env,
        of_sources: Missing::Later,
        of_keys: Missing::Later,
    };
    let project = read_target(&variables, target, &mut report);
    loaded(Partial::of(project), report).sound()
}

fn load_with(variables: &Variables<'_>, target: Option<&str>) -> Loaded {
    let mut report = Reporter::default();
    let partial = read_project(variables, target, &mut report);
    loaded(partial, report)
}

fn loaded(mut partial: Partial, report: Reporter) -> Loaded {
    let (diagnostics, files) = report.finish();
    partial.project.files = files;
    Loaded {
        partial,
        diagnostics,
    }
}

fn read_project(variables: &Variables<'_>, target: Option<&str>, report: &mut Reporter) -> Partial {
    let found = files::read_project(variables.root, report);
    let project = found
        .project
        .and_then(|file| parse(file, &schema::PROJECT, report))
        .map(|node| project_file::read(&node, variables, target, report));
    if let (Some(project), Some(file)) = (&project, found.project) {
        check_target(project, file, target, report);
    }
    // Without karat.yaml the rest is read for its own mistakes; sources are then not to be missed.
    let project_known = project.is_some();
    let settings = project.unwrap_or_else(ProjectFile::unknown);

    let mut defaults = Defaults::default();
    defaults.add(None, settings.defaults.as_ref(), report);
    let mut domains = Vec::new();
    let mut broken: BTreeSet<TableName> = BTreeSet::new();
    for domain in &found.domains {
        let table = domain.feeds.map(|file| feeds_csv::read(file, report));
        if domain.feeds_lost || matches!(table, Some(None)) {
            broken.insert(links::domain_marker(&domain.name));
        }
        match domain
            .domain
            .and_then(|file| parse(file, &schema::DOMAIN, report))
        {
            Some(node) => {
                defaults.add(Some(domain.name.as_str()), node.get("defaults"), report);
                domains.push(domain_file::read(
                    &domain.name,
                    &node,
                    &table.flatten().unwrap_or_default(),
                    &Around {
                        project: &settings,
                        project_known,
                        defaults: &defaults,
                    },
                    &mut broken,
                    report,
                ));
            }
            None => drop(broken.insert(links::domain_marker(&domain.name))),
        }
    }
    let mut drafts: Vec<Draft> = Vec::new();
    for read in read_models(&found.domains, &defaults, report) {
        match read {
            Ok(draft) => drafts.push(draft),
            Err(name) => drop(broken.insert(name)),
        }
    }
    if let Some(file) = found.project
        && !report.has_errors()
        && domains.is_empty()
    {
        report.warning(
            Place::whole(file),
            "the project has no domain: there is nothing to run",
            "a domain is a folder: domains/sales/domain.yaml",
        );
    }
    drafts.sort_by(|a, b| a.model.name.cmp(&b.model.name));
    if project_known {
        params::check(&settings.params, &mut drafts, report);
    }
    let catalogs: Vec<&str> = settings
        .targets
        .values()
        .map(|target| target.catalog.as_str())
        .collect();
    broken.extend(links::check(
        &domains,
        &mut drafts,
        &broken,
        catalogs,
        report,
    ));
    if project_known && !report.has_errors() {
        warn_of_idle_defaults(&defaults, &domains, &drafts, report);
    }
    let standings = standings(&drafts, report);
    for domain in &mut domains {
        domain.feeds.retain(|feed| !broken.contains(&feed.bronze));
    }

    let mut project = Project {
        root: variables.root.to_path_buf(),
        name: settings.name,
        timezone: settings.timezone,
        timezone_at: settings.timezone_at,
        rounding: settings.rounding,
        params: settings.params,
        calendar: settings.calendar,
        targets: settings.targets,
        default_target: settings.default_target,
        sources: settings.sources,
        domains,
        models: Vec::new(),
        tests: Vec::new(),
        files: Vec::new(),
    };
    let mut models: Vec<Model> = drafts.into_iter().map(|draft| draft.model).collect();
    let all: Vec<&Model> = models.iter().collect();
    for domain in &found.domains {
        for file in &domain.tests {
            if let Some(node) = parse(*file, &schema::TESTS, report) {
                let tests = test_file::read(
                    &domain.name,
                    &node,
                    (&project.domains, &project.params),
                    &all,
                    report,
                );
                project.tests.extend(tests);
            }
        }
    }
    write_code(&mut models, &project);
    project.models = models;
    Partial { project, standings }
}

/// Gives each model its code text, side by side: what of the project and of its feed shapes it is known by now.
fn write_code(models: &mut [Model], project: &Project) {
    let share = models.len().div_ceil(threads_for(models.len())).max(1);
    std::thread::scope(|scope| {
        for models in models.chunks_mut(share) {
            scope.spawn(move || {
                for model in models {
                    let feed = match &model.kind {
                        ModelKind::Silver(silver) => project.feed(&silver.from),
                        ModelKind::Gold(_) => None,
                    };
                    model.code = code_text(
                        model,
                        &Surroundings {
                            timezone: &project.timezone,
                            rounding: project.rounding,
                            feed,
                            params: &project.params,
                        },
                    );
                }
            });
        }
    });
}

/// Patterns of defaults that hold for nothing: most times a name is misspelt.
fn warn_of_idle_defaults(
    defaults: &Defaults,
    domains: &[Domain],
    drafts: &[Draft],
    report: &mut Reporter,
) {
    let feeds: Vec<(String, String, String)> = domains
        .iter()
        .flat_map(|domain| &domain.feeds)
        .map(|feed| (feed.domain.clone(), feed.short_name(), feed.name.clone()))
        .collect();
    let models: Vec<(String, String, String)> = drafts
        .iter()
        .map(|draft| &draft.model.name)
        .filter(|name| name.layer == Layer::Silver)
        .map(|name| (name.domain.clone(), name.to_string(), name.table.clone()))
        .collect();
    defaults.warn_of_idle(&feeds, &models, report);
}

/// How far the models' own declarations hold.
fn standings(drafts: &[Draft], report: &Reporter) -> Standings {
    let mistaken = report.files_with_errors();
    let standing = |draft: &Draft| {
        if !draft.reads_known {
            return Some(Standing::Unresolved);
        }
        if !draft.files.iter().any(|file| mistaken.contains(file)) {
            return None;
        }
        let whole = match &draft.model.kind {
            ModelKind::Silver(silver) => {
                draft.columns_known && silver.select.len() == draft.selected
            }
            ModelKind::Gold(_) => draft.columns_known,
        };
        Some(if whole {
            Standing::Mistaken
        } else {
            Standing::Gapped
        })
    };
    let unsound = drafts
        .iter()
        .filter_map(|draft| Some((draft.model.name.clone(), standing(draft)?)))
        .collect();
    Standings { unsound }
}

/// The keys of `karat.yaml` that say how a lake is read.
const OF_THE_LAKE: [&str; 5] = ["karat", "project", "timezone", "rounding", "targets"];

fn read_target(variables: &Variables<'_>, target: Option<&str>, report: &mut Reporter) -> Project {
    let file = files::read_karat_yaml(variables.root, report);
    let settings = file.and_then(|file| {
        let text = report.text(file).to_string();
        let mut node = yaml::parse(file, &text, &decode::example_of(&schema::PROJECT), report)?;
        if let yaml::Data::Map(entries) = &mut node.data {
            entries.retain(|entry| OF_THE_LAKE.contains(&entry.key.as_str()));
        }
        decode::check(&node, &schema::PROJECT, report);
        let settings = project_file::read(&node, variables, target, report);
        check_target(&settings, file, target, report);
        Some(settings)
    });
    let settings = settings.unwrap_or_else(ProjectFile::unknown);
    Project {
        root: variables.root.to_path_buf(),
        name: settings.name,
        timezone: settings.timezone,
        timezone_at: settings.timezone_at,
        rounding: settings.rounding,
        params: settings.params,
        calendar: settings.calendar,
        targets: settings.targets,
        default_target: settings.default_target,
        sources: settings.sources,
        domains: Vec::new(),
        models: Vec::new(),
        tests: Vec::new(),
        files: Vec::new(),
    }
}

/// That the target asked for is declared.
fn check_target(settings: &ProjectFile, file: u32, target: Option<&str>, report: &mut Reporter) {
    if let Some(chosen) = target
        && !settings.targets.contains_key(chosen)
        && !report.has_errors()
    {
        let names: Vec<&str> = settings.targets.keys().map(String::as_str).collect();
        report.error(
            Place::whole(file),
            format!("there is no target `{chosen}`"),
            format!("karat.yaml declares: {}", names.join(", ")),
        );
    }
}

/// The files of one model.
enum ModelFiles<'a> {
    Silver(Option<u32>),
    Gold(&'a GoldFiles),
}

/// Fewer models than this are read on one thread.
const MODELS_PER_THREAD: usize = 64;

fn threads_for(models: usize) -> usize {
    std::thread::available_parallelism()
        .map_or(1, usize::from)
        .min(models / MODELS_PER_THREAD)
        .max(1)
}

/// Reads each model for itself, side by side; a table whose file cannot be read gives its name. The order says nothing.
fn read_models(
    domains: &[DomainFiles],
    defaults: &Defaults,
    report: &mut Reporter,
) -> Vec<Result<Draft, TableName>> {
    let models: Vec<(&str, &str, ModelFiles<'_>)> = domains
        .iter()
        .flat_map(|domain| {
            let silver = domain
                .silver
                .iter()
                .map(|(table, file)| (table, ModelFiles::Silver(*file)));
            let gold = domain
                .gold
                .iter()
                .map(|(table, files)| (table, ModelFiles::Gold(files)));
            silver
                .chain(gold)
                .map(|(table, files)| (domain.name.as_str(), table.as_str(), files))
        })
        .collect();
    let threads = threads_for(models.len());
    let read_share = |first: usize, mut report: Reporter| {
        let drafts: Vec<Result<Draft, TableName>> = models
            .iter()
            .skip(first)
            .step_by(threads)
            .map(|(domain, table, files)| read_model(domain, table, files, defaults, &mut report))
            .collect();
        (drafts, report)
    };
    let shares = std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads)
            .map(|first| {
                let report = report.fork();
                scope.spawn(move || read_share(first, report))
            })
            .collect();
        let mut shares = vec![read_share(0, report.fork())];
        for other in others {
            match other.join() {
                Ok(share) => shares.push(share),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        shares
    });
    let mut all = Vec::with_capacity(models.len());
    for (drafts, found) in shares {
        all.extend(drafts);
        report.join(found);
    }
    all
}

fn read_model(
    domain: &str,
    table: &str,
    files: &ModelFiles<'_>,
    defaults: &Defaults,
    report: &mut Reporter,
) -> Result<Draft, TableName> {
    match files {
        ModelFiles::Silver(file) => {
            match file.and_then(|file| parse(file, &schema::SILVER, report)) {
                Some(node) => {
                    let mut draft = model_file::read_silver(domain, table, &node, defaults, report);
                    // What an unknown key was to say nobody knows: who reads the model is not to blame.
                    draft.columns_known &= schema::SILVER.knows_keys_of(&node)
                        && node
                            .get("auto_cdc")
                            .is_none_or(|cdc| schema::AUTO_CDC.knows_keys_of(cdc));
                    draft.access_known = tells_access(&node, &schema::SILVER);
                    Ok(draft)
                }
                None => Err(TableName::new(domain, Layer::Silver, table)),
            }
        }
        ModelFiles::Gold(gold) => {
            // The second file is optional and may be all comments.
            let yaml = gold.yaml.filter(|file| !is_blank(report.text(*file)));
            let node = yaml.and_then(|file| parse(file, &schema::GOLD, report));
            match gold.sql {
                Some(sql) => {
                    let mut draft =
                        model_file::read_gold(domain, table, sql, node.as_ref(), report);
                    draft.access_known = !gold.yaml_lost && (yaml.is_none() || node.is_some());
                    if let Some(node) = &node {
                        draft.access_known &= tells_access(node, &schema::GOLD);
                    }
                    draft.files.extend(gold.yaml);
                    Ok(draft)
                }
                None => Err(TableName::new(domain, Layer::Gold, table)),
            }
        }
    }
}

/// Whether it can be read who may read a model.
fn tells_access(node: &yaml::Node, object: &schema::Object) -> bool {
    let access = node.get("access");
    let is_word = |node: &yaml::Node| matches!(node.scalar(), Some("public" | "private"));
    object.knows_keys_of(node) && access.is_none_or(is_word)
}

/// Parses a YAML file and checks it against its key table.
fn parse(file: u32, object: &'static schema::Object, report: &mut Reporter) -> Option<yaml::Node> {
    let text = report.text(file).to_string();
    let node = yaml::parse(file, &text, &decode::example_of(object), report)?;
    decode::check(&node, object, report);
    Some(node)
}

/// Only white space and comments.
fn is_blank(text: &str) -> bool {
    text.lines()
        .all(|line| line.trim().is_empty() || line.trim_start().starts_with('#'))
}
