//! `karat test`: tests of models on a few rows, each in a lake of its own in a folder for temporary files.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Instant;

use karat_lake::Lake;
use karat_pipeline::PipelineError;
use karat_pipeline::fixture::{self, Tested};
use karat_project::{Check, CheckAction, ModelKind, ModelTest, Project};
use serde_json::{Value, json};

use super::diff::{self, Words};
use crate::args::{Global, TestArgs};
use crate::failure::{Failure, error_json};
use crate::machine::{self, Moment};
use crate::output::{Voice, counted, seconds};
use crate::scratch::Scratch;
use crate::site::{self, Opened, Wants};
use crate::sources::TestSources;

/// The logical time of a test that states none.
const AT: &str = "2000-01-01T00:00:00Z";

/// One test that was run.
struct Ran {
    test: ModelTest,
    outcome: Result<Tested, PipelineError>,
}

impl Ran {
    fn passed(&self) -> bool {
        self.outcome.as_ref().is_ok_and(Tested::passed)
    }

    /// `domains/sales/tests/revenue.yaml:4`.
    fn place(&self) -> String {
        format!("{}:{}", self.test.file.display(), self.test.at.line)
    }
}

/// Prints what did not come out as expected; 1 if there is any.
pub(crate) fn run(voice: Voice, global: &Global, arguments: &TestArgs) -> Result<u8, Failure> {
    let begun = Instant::now();
    let root = site::find_root(global)?;
    let loaded = karat_project::load_for_lake(&root, &machine::variable, global.target.as_deref());
    let project = for_tests(loaded.sound().map_err(Failure::Project)?);
    let resources = Some(&arguments.resources);
    let at = |moment| Opened::of(root.clone(), project.clone(), global, moment, resources);
    let opened = at(Moment::now(None)?).given(&arguments.given)?;
    let threads = opened.threads;
    let selected = super::selected(&opened.project, &arguments.select.select)?;
    let wanted = |test: &&ModelTest| {
        let name = arguments.name.as_deref();
        name.is_none_or(|text| test.name.contains(text))
            && selected
                .as_ref()
                .is_none_or(|tables| tables.contains(&test.model))
    };
    let tests: Vec<ModelTest> = opened
        .project
        .tests
        .iter()
        .filter(wanted)
        .cloned()
        .collect();
    if tests.is_empty() {
        return Err(Failure::usage(
            match opened.project.tests.is_empty() {
                true => "the project has no tests",
                false => "no test is selected",
            },
            "a test of a model is written into `domains/DOMAIN/tests/NAME.yaml`; docs/project.md has the keys",
        ));
    }
    // A lake that cannot be read is no part of a test; types of databases are then not known.
    let lake = opened.lake().ok();
    let scratch = Scratch::temporary()?;
    let mut ran = Vec::new();
    for (nth, test) in tests.into_iter().enumerate() {
        let folder = scratch.path().join(format!("test-{nth}"));
        let time = test.logical_time.as_deref().unwrap_or(AT);
        let outcome = match Moment::now(Some(time)) {
            Ok(moment) => {
                let opened = with_values(at(moment).given(&arguments.given)?, &test);
                let model = BTreeSet::from([test.model.clone()]);
                match opened.given.lacking(&opened.project, Some(&model)) {
                    Some((what, _)) => Err(PipelineError::Refused {
                        what,
                        hint: "a test states it: `params: { NAME: VALUE }`, `business_date: 2026-10-30`"
                            .to_owned(),
                    }),
                    None => {
                        let outcome = one(opened, &folder, lake.as_ref(), &test, threads)?;
                        fs::remove_dir_all(&folder)
                            .map_err(Failure::io("remove the folder", &folder))?;
                        outcome
                    }
                }
            }
            Err(_) => Err(PipelineError::Refused {
                what: format!("`at: {time}` is no time"),
                hint: "write it like 2026-10-29T18:00:00Z".to_owned(),
            }),
        };
        ran.push(Ran { test, outcome });
    }
    let took = begun.elapsed().as_secs_f64();
    let shown = shown(&ran)?;
    voice.answer(
        || document(&ran, &shown),
        || {
            let failed = ran.iter().filter(|one| !one.passed()).count() as u64;
            let all = counted(ran.len() as u64, "test");
            let end = match failed {
                0 => format!("{all} passed in {}\n", seconds(took)),
                _ => format!("{failed} of {all} failed, in {}\n", seconds(took)),
            };
            shown.iter().map(|text| text.as_str()).collect::<String>() + &end
        },
    )?;
    Ok(u8::from(!ran.iter().all(Ran::passed)))
}

/// What a test makes is signed by nobody; and of its few rows a limit would say nothing, which is a gate of runs (C2).
fn for_tests(mut project: Project) -> Project {
    for model in &mut project.models {
        if let ModelKind::Silver(silver) = &mut model.kind {
            for rule in &mut silver.expectations {
                rule.limit = None;
            }
        }
    }
    for target in project.targets.values_mut() {
        target.require_signature = false;
        target.key = None;
    }
    project
}

/// The values that a test states come before those of the command line.
fn with_values(mut opened: Opened, test: &ModelTest) -> Opened {
    for (name, value) in &test.params {
        if let Some(param) = opened.project.params.get(name) {
            opened.given.set(param, value);
        }
    }
    if let Some(day) = test.business_date {
        opened.given.set_business_date(day);
    }
    opened
}

/// Leaves out the checks that cannot be asked of a test's rows, and lets the others warn, so that there are rows to compare; gives the names
/// of those that would fail a run.
fn checks_for(project: &mut Project, test: &ModelTest) -> Vec<String> {
    let mut fails = Vec::new();
    for model in &mut project.models {
        let all = std::mem::take(&mut model.checks);
        let asked = all
            .into_iter()
            .filter(|check| model.name == test.model && test.asks(model, check));
        let mut asked: Vec<Check> = asked.collect();
        for check in &mut asked {
            if check.action == CheckAction::Fail {
                fails.push(check.name.clone());
            }
            check.action = CheckAction::Warn;
        }
        model.checks = asked;
    }
    fails
}

fn one(
    mut opened: Opened,
    folder: &Path,
    loaded: Option<&Lake>,
    test: &ModelTest,
    threads: usize,
) -> Result<Result<Tested, PipelineError>, Failure> {
    fs::create_dir_all(folder).map_err(Failure::io("make the folder", folder))?;
    let fails = checks_for(&mut opened.project, test);
    let lake = Lake::create(&folder.join("lake"))?;
    let sources = TestSources {
        now_ns: opened.moment.now_ns(),
    };
    let (engine, _spilled) = opened.engine()?;
    let site = opened.over(lake, engine, None, Wants::reading());
    let files = folder.join("files");
    site::block_on(
        threads,
        fixture::run(&site, &sources, &files, loaded, test, &fails),
    )
}

/// What there is to say of each test; nothing of one that passed.
fn shown(ran: &[Ran]) -> Result<Vec<String>, Failure> {
    ran.iter().map(text).collect()
}

fn text(ran: &Ran) -> Result<String, Failure> {
    if ran.passed() {
        return Ok(String::new());
    }
    let mut text = format!("FAILED {}: {}\n", ran.place(), ran.test.name);
    match &ran.outcome {
        Err(error) => {
            text.push_str(&format!("  {}\n", error.to_string().replace('\n', "\n  ")));
            if let Some(hint) = error.hint() {
                text.push_str(&format!("  hint: {hint}\n"));
            }
        }
        Ok(tested) => {
            if let Some(rows) = tested.rows.as_ref().filter(|rows| !rows.is_empty()) {
                let told = diff::difference(rows, &Words::OF_A_TEST)?;
                text.push_str(&format!("  {}\n", told.trim_end().replace('\n', "\n  ")));
                for (row, rules) in &tested.aside {
                    let rules = rules.join(", ");
                    text.push_str(&format!("  in quarantine: row {row} ({rules})\n"));
                }
            }
            for (name, kind, count) in &tested.broken {
                let times = counted(*count, "violation");
                text.push_str(&format!("  check `{name}` ({kind}) is broken: {times}\n"));
            }
            for name in &tested.kept {
                text.push_str(&format!(
                    "  check `{name}` is expected to be broken, and holds\n"
                ));
            }
            for (rows, word) in [
                (&tested.not_held, "not held"),
                (&tested.held, "held, and not expected"),
            ] {
                for (row, rules) in rows {
                    let rules = rules.join(", ");
                    text.push_str(&format!("  quarantine: row {row} ({rules}) is {word}\n"));
                }
            }
        }
    }
    text.push('\n');
    Ok(text)
}

fn document(ran: &[Ran], shown: &[String]) -> Value {
    let tests: Vec<Value> = ran
        .iter()
        .zip(shown)
        .map(|(one, text)| {
            let error = one.outcome.as_ref().err();
            let error = error.map(|error| error_json(error, error.hint(), error.exit_code()));
            json!({
                "name": one.test.name, "model": one.test.model.to_string(), "place": one.place(), "ok": one.passed(),
                "text": (!text.is_empty()).then_some(text.trim_end()), "error": error,
            })
        })
        .collect();
    json!({ "ok": ran.iter().all(Ran::passed), "tests": tests })
}
