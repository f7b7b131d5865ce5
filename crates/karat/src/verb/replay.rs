//! `karat replay`: recorded versions are made again, each in a project of its own in a folder for temporary files, and compared. The lake
//! is only read.

use std::fs;
use std::path::Path;
use std::time::Instant;

use karat_lake::Lake;
use karat_pipeline::replay::{Outcome, Recorded, compare, of_run, of_table, stage};
use karat_pipeline::{Event, PipelineError, Site, manifest, schedule};
use karat_project::{Diagnostic, TableName};
use serde_json::{Value, json};

use super::verify::table_and_version;
use crate::args::{Global, ReplayArgs, Resources};
use crate::failure::{Failure, error_json, error_text};
use crate::given::Given;
use crate::output::{self, Table, Voice, counted, seconds, short};
use crate::progress;
use crate::scratch::Scratch;
use crate::site::{self, OpenSite, Wants};

/// One version, made again.
struct Replayed {
    of: Recorded,
    outcome: Result<Outcome, PipelineError>,
    seconds: f64,
}

/// Prints which versions came out the same; 1 if one did not.
pub(crate) fn run(voice: Voice, global: &Global, arguments: &ReplayArgs) -> Result<u8, Failure> {
    let opened = site::open_lake(voice, global, None, Some(&arguments.resources))?;
    let threads = opened.threads;
    // Beside the spilled rows of the project: what is made again is as large as what it is compared with.
    let scratch = opened.scratch()?;
    let site = opened.site(Wants::reading())?;
    let (run, versions) = wanted(&site, arguments)?;
    let own = env!("CARGO_PKG_VERSION");
    let other = versions.iter().find(|of| of.receipt.karat_version != own);
    if let Some(of) = other {
        voice.note(&format!(
            "note: `{}` was made by karat {}, and this is karat {own}: what differs may differ for that",
            of.table, of.receipt.karat_version
        ));
    }
    let mut replayed = Vec::new();
    for (nth, of) in versions.into_iter().enumerate() {
        let begun = Instant::now();
        let folder = scratch.path().join(format!("replay-{nth}"));
        let outcome = replay(voice, global, arguments, &site, &of, &folder, threads);
        remove(&folder, &scratch)?;
        replayed.push(Replayed {
            of,
            outcome: match outcome {
                Ok(outcome) => outcome,
                Err(Failure::Pipeline(error)) => Err(error),
                Err(other) => return Err(other),
            },
            seconds: begun.elapsed().as_secs_f64(),
        });
    }
    voice.answer(|| document(run.as_deref(), &replayed), || text(&replayed))?;
    let errors = || replayed.iter().filter_map(|one| one.outcome.as_ref().err());
    if !voice.json {
        for error in errors() {
            output::print_error(&error_text(error, error.hint()));
        }
    }
    let differs = replayed
        .iter()
        .any(|one| matches!(one.outcome, Ok(Outcome::Differs { .. })));
    Ok(karat_pipeline::error::exit_code_of(errors(), differs))
}

/// Which versions, and the run if one is asked for.
fn wanted(site: &Site, arguments: &ReplayArgs) -> Result<(Option<String>, Vec<Recorded>), Failure> {
    if !arguments.rebuild.is_empty() {
        let texts = arguments.rebuild.iter();
        let versions = texts.map(|text| recorded(site, text));
        return Ok((None, versions.collect::<Result<_, _>>()?));
    }
    if let Some(run) = &arguments.run {
        return Ok((Some(run.clone()), of_run(site, run)?));
    }
    for (manifest, _) in manifest::all(&site.lake)?.into_iter().rev() {
        // A run that loaded only has nothing to make again.
        if let Ok(versions) = of_run(site, &manifest.run) {
            return Ok((Some(manifest.run), versions));
        }
    }
    Err(Failure::usage(
        "no run of this lake has made a silver or gold version",
        "`karat run` makes them",
    ))
}

/// The version that a text like `sales_silver.orders@3` names, the newest without a number.
pub(super) fn recorded(site: &Site, text: &str) -> Result<Recorded, Failure> {
    let (name, version) = table_and_version(text)?;
    let table: TableName = name
        .parse()
        .map_err(|error: karat_project::NotATableName| {
            Failure::usage(error.to_string(), "`karat status` lists the tables")
        })?;
    Ok(of_table(site, &table, version)?)
}

/// Makes one version again in `folder`.
fn replay(
    voice: Voice,
    global: &Global,
    arguments: &ReplayArgs,
    site: &Site,
    of: &Recorded,
    folder: &Path,
    threads: usize,
) -> Result<Result<Outcome, PipelineError>, Failure> {
    let wants = Wants {
        writes: true,
        trigger: "replay".to_owned(),
        progress: progress::listener(voice.quiet, global.progress),
        ..Wants::reading()
    };
    let staged = match staged(global, &arguments.resources, site, of, folder, wants)? {
        Ok(staged) => staged,
        Err(error) => return Ok(Err(error)),
    };
    let progress = &staged.context.progress;
    let table = of.table.to_string();
    progress.event(&Event::Started {
        table: table.clone(),
        bytes: 0,
    });
    let made = site::block_on(threads, schedule::model(&staged, &of.table))?;
    let status = match &made {
        Ok(report) => report.status.word(),
        Err(_) => "failed",
    };
    progress.event(&Event::Finished {
        table,
        status: status.to_owned(),
    });
    if let Err(error) = made {
        return Ok(Err(error));
    }
    Ok(compare(of, &staged))
}

/// The project and the lake of a version's recorded code and inputs, opened in `folder`.
pub(super) fn staged(
    global: &Global,
    resources: &Resources,
    site: &Site,
    of: &Recorded,
    folder: &Path,
    wants: Wants,
) -> Result<Result<OpenSite, PipelineError>, Failure> {
    let lake = Lake::create(&folder.join("lake"))?;
    for (name, text) in stage(site, of, &lake)? {
        let path = folder.join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(Failure::io("make the folder", parent))?;
        }
        fs::write(&path, text).map_err(Failure::io("write", &path))?;
    }
    let staged = Global {
        project: Some(folder.to_path_buf()),
        target: None,
        ..global.clone()
    };
    let at = of.receipt.logical_time.as_str();
    let mut opened = match site::open(&staged, Some(at), Some(resources)) {
        Err(Failure::Project(mistakes)) => return Ok(Err(not_read(of, &mistakes))),
        opened => opened?,
    };
    opened.given = Given::recorded(&of.receipt.parameters);
    Ok(Ok(opened.site(wants)?))
}

/// This version of karat takes the recorded code for wrong.
fn not_read(of: &Recorded, mistakes: &[Diagnostic]) -> PipelineError {
    let (table, version) = (&of.table, of.receipt.version);
    let why = mistakes.first().map_or("", |first| first.message.as_str());
    PipelineError::Refused {
        what: format!(
            "the recorded code of `{table}@{version}` is none that this karat runs: {why}"
        ),
        hint: format!(
            "it was made by karat {}: replay it with that version",
            of.receipt.karat_version
        ),
    }
}

/// Removes a folder that was made in a verb's own folder for temporary files.
pub(super) fn remove(folder: &Path, scratch: &Scratch) -> Result<(), Failure> {
    if !folder.starts_with(scratch.path()) || !folder.exists() {
        return Ok(());
    }
    fs::remove_dir_all(folder).map_err(Failure::io("remove the folder", folder))
}

fn document(run: Option<&str>, replayed: &[Replayed]) -> Value {
    let tables: Vec<Value> = replayed
        .iter()
        .map(|one| {
            let (outcome, what, expected, found, error) = match &one.outcome {
                Ok(Outcome::Same) => ("same", None, None, None, None),
                Ok(Outcome::Differs {
                    what,
                    expected,
                    found,
                }) => ("differs", Some(what), Some(expected), Some(found), None),
                Err(error) => {
                    let told = error_json(error, error.hint(), error.exit_code());
                    ("failed", None, None, None, Some(told))
                }
            };
            json!({
                "table": one.of.table.to_string(), "version": one.of.receipt.version, "outcome": outcome,
                "fingerprint": one.of.receipt.fingerprint, "what": what, "expected": expected, "found": found,
                "seconds": (one.seconds * 1000.0).round() / 1000.0, "error": error,
            })
        })
        .collect();
    let ok = replayed
        .iter()
        .all(|one| matches!(one.outcome, Ok(Outcome::Same)));
    json!({ "ok": ok, "run": run, "tables": tables })
}

fn text(replayed: &[Replayed]) -> String {
    let mut table = Table::new(&["table", ">version", "fingerprint", "", ">"]);
    for one in replayed {
        let outcome = match &one.outcome {
            Ok(Outcome::Same) => "same".to_owned(),
            Ok(Outcome::Differs { what, found, .. }) => {
                format!("differs: {what} ({})", short(found))
            }
            Err(_) => "failed".to_owned(),
        };
        table.row([
            one.of.table.to_string(),
            one.of.receipt.version.to_string(),
            short(&one.of.receipt.fingerprint),
            outcome,
            seconds(one.seconds),
        ]);
    }
    let same = replayed
        .iter()
        .filter(|one| matches!(one.outcome, Ok(Outcome::Same)))
        .count() as u64;
    let all = replayed.len() as u64;
    let mut text = table.text();
    text.push_str(&match same == all {
        true => format!(
            "{} made again from recorded code and inputs: the same\n",
            counted(all, "version")
        ),
        false => format!("{same} of {} came out the same\n", counted(all, "version")),
    });
    text
}
