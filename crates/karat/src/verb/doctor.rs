//! `karat doctor`: what is missing on this machine, in the lake and in the sources. Tries what karat relies on in a scratch
//! folder beside the lake, and removes it again.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use karat_lake::{Lake, LakeError, Put};
use karat_pipeline::Sources;
use serde_json::{Value, json};

use crate::args::Global;
use crate::failure::Failure;
use crate::machine;
use crate::output::{Table, Voice, thousands};
use crate::site::{self, Opened};

/// Less free space than this is worth a word.
const SPACE_LOW: u64 = 1 << 30;
/// Less memory than this is worth a word.
const MEMORY_LOW: usize = 1 << 30;
/// A file system's clock this far from ours is worth a word, seconds.
const CLOCK_APART: u64 = 120;
/// File systems on which an embedded database or a kernel lock is not safe between machines.
const NETWORK: [&str; 10] = [
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "smbfs",
    "9p",
    "afs",
    "ceph",
    "fuse.sshfs",
    "glusterfs",
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Ok,
    Warning,
    Missing,
}

impl Outcome {
    fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Missing => "MISSING",
        }
    }
}

struct Check {
    name: String,
    outcome: Outcome,
    detail: String,
    fix: Option<String>,
}

impl Check {
    fn ok(name: &str, detail: impl Into<String>) -> Self {
        Self {
            name: name.to_owned(),
            outcome: Outcome::Ok,
            detail: detail.into(),
            fix: None,
        }
    }

    fn warning(name: &str, detail: impl Into<String>, fix: &str) -> Self {
        Self {
            name: name.to_owned(),
            outcome: Outcome::Warning,
            detail: detail.into(),
            fix: Some(fix.to_owned()),
        }
    }

    fn missing(name: &str, detail: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            name: name.to_owned(),
            outcome: Outcome::Missing,
            detail: detail.into(),
            fix: Some(fix.into()),
        }
    }
}

/// Prints the checks; 1 if something is missing.
pub(crate) fn run(voice: Voice, global: &Global) -> Result<u8, Failure> {
    let mut checks = vec![versions(), memory()];
    match site::open(global, None, None) {
        Ok(opened) => project(&opened, &mut checks),
        Err(failure @ Failure::Project(_)) => {
            checks.push(Check::missing(
                "project",
                failure.to_string(),
                "`karat validate` lists them",
            ));
        }
        Err(failure) => {
            let hint = failure.hint().unwrap_or_default();
            let outcome = if global.project.is_some() {
                Outcome::Missing
            } else {
                Outcome::Warning
            };
            checks.push(Check {
                name: "project".to_owned(),
                outcome,
                detail: failure.to_string(),
                fix: Some(hint),
            });
        }
    }
    let ok = checks.iter().all(|check| check.outcome != Outcome::Missing);
    voice.answer(|| document(&checks, ok), || text(&checks))?;
    Ok(u8::from(!ok))
}

fn document(checks: &[Check], ok: bool) -> Value {
    let checks: Vec<Value> = checks
        .iter()
        .map(|check| json!({ "name": check.name, "outcome": check.outcome.word().to_lowercase(), "detail": check.detail, "fix": check.fix }))
        .collect();
    json!({ "ok": ok, "checks": checks })
}

fn text(checks: &[Check]) -> String {
    let mut lines = Table::new(&["check", "", ""]);
    for check in checks {
        lines.row([
            check.name.clone(),
            check.outcome.word().to_owned(),
            check.detail.clone(),
        ]);
        if let Some(fix) = &check.fix {
            lines.row([String::new(), String::new(), format!("-> {fix}")]);
        }
    }
    lines.text()
}

fn versions() -> Check {
    let detail = format!(
        "karat {}, {} {}, time zones {}, Unicode {}, {} threads",
        env!("CARGO_PKG_VERSION"),
        std::env::consts::OS,
        std::env::consts::ARCH,
        karat_exact::TZDATA_VERSION,
        karat_exact::UNICODE_VERSION,
        machine::threads(None)
    );
    Check::ok("versions", detail)
}

fn memory() -> Check {
    match machine::memory_of_machine() {
        Some(all) if all < MEMORY_LOW => Check::warning(
            "memory",
            format!("{} MiB", thousands((all >> 20) as u64)),
            "runs spill more to disk; give `--memory` if they fail",
        ),
        Some(all) => Check::ok(
            "memory",
            format!(
                "{} MiB, operators take {} MiB",
                thousands((all >> 20) as u64),
                thousands((machine::memory(None) >> 20) as u64)
            ),
        ),
        None => Check::ok("memory", "not known here"),
    }
}

fn project(opened: &Opened, checks: &mut Vec<Check>) {
    checks.push(Check::ok(
        "project",
        format!("{}, target {}", opened.project.name, opened.target),
    ));
    checks.push(journal(opened));
    match opened.lake_folder() {
        Ok(folder) => lake(&folder, checks),
        Err(failure) => checks.push(Check::missing(
            "lake",
            failure.to_string(),
            failure.hint().unwrap_or_default(),
        )),
    }
    let sources = opened.sources();
    for name in opened.project.sources.keys() {
        let tested = sources
            .open(name)
            .and_then(|source| source.test().map_err(Into::into));
        checks.push(match tested {
            Ok(report) => Check::ok(&format!("source {name}"), report.summary),
            Err(error) => Check::missing(
                &format!("source {name}"),
                error.to_string(),
                error.hint().unwrap_or_default(),
            ),
        });
    }
}

fn journal(opened: &Opened) -> Check {
    let network = file_system_of(&opened.root).filter(|kind| NETWORK.contains(&kind.as_str()));
    if let Some(kind) = network {
        return Check::warning(
            "journal",
            format!("the project lies on {kind}"),
            "put the project on a local disk: the journal is SQLite and needs working locks",
        );
    }
    match opened.try_cache() {
        Ok(()) => Check::ok("journal", "on a local file system, and may be written"),
        Err(error) => Check::warning(
            "journal",
            error,
            "let this user write there; without it no estimates, no failed runs in `karat status`, and what was checked is checked again",
        ),
    }
}

/// Tries what the lake relies on: a file is put whole or not at all, links, locks, syncs.
fn lake(folder: &Path, checks: &mut Vec<Check>) {
    match Lake::open_or_empty(folder) {
        Ok(lake) => match lake.tables() {
            Ok(tables) => checks.push(Check::ok("lake", format!("{} tables", tables.len()))),
            Err(error) => checks.push(Check::missing(
                "lake",
                error.to_string(),
                error.hint().unwrap_or_default(),
            )),
        },
        Err(error) => checks.push(Check::missing(
            "lake",
            error.to_string(),
            error.hint().unwrap_or_default(),
        )),
    }
    let Some(beside) = folder.ancestors().find(|folder| folder.is_dir()) else {
        return;
    };
    let scratch = beside.join(format!(".karat-doctor-{}", std::process::id()));
    let tried = try_lake(&scratch);
    let clock = clock(&scratch);
    // What cannot be removed is empty but for a few bytes, and named.
    let _ = fs::remove_dir_all(&scratch);
    checks.push(match tried {
        Ok(()) => Check::ok(
            "lake writes",
            "put-if-absent, hard links, locks and fsync work",
        ),
        Err((problem, hint)) => Check::missing(
            "lake writes",
            problem,
            hint.unwrap_or_else(|| {
                "use a local file system that this user may write to".to_owned()
            }),
        ),
    });
    checks.extend(clock);
    checks.push(space(beside));
}

fn try_lake(scratch: &Path) -> Result<(), (String, Option<String>)> {
    let say = |error: LakeError| (error.to_string(), error.hint());
    let wrong = |what: &str| Err((what.to_owned(), None));
    let lake = Lake::create(scratch).map_err(say)?;
    let put = |bytes: &[u8]| {
        lake.put_if_absent("_karat/runs/doctor.json", bytes)
            .map_err(say)
    };
    if put(b"first")? != Put::Created || put(b"second")? != Put::Exists {
        return wrong("put-if-absent does not tell a new file from an old one");
    }
    let kept = lake.get("_karat/runs/doctor.json").map_err(say)?;
    if kept.as_deref() != Some(b"first".as_slice()) {
        return wrong("put-if-absent overwrote a file");
    }
    let guard = lake
        .lock("doctor", std::time::Duration::ZERO)
        .map_err(say)?;
    if lake.lock("doctor", std::time::Duration::ZERO).is_ok() {
        return wrong("a lock was given twice");
    }
    drop(guard);
    File::open(scratch)
        .and_then(|folder| folder.sync_all())
        .map_err(|error| (format!("a folder cannot be synced: {error}"), None))
}

/// The file system's clock against ours.
fn clock(scratch: &Path) -> Option<Check> {
    let changed = fs::metadata(scratch.join("_karat/format"))
        .and_then(|metadata| metadata.modified())
        .ok()?;
    let now = SystemTime::now();
    let apart = now
        .duration_since(changed)
        .or_else(|_| changed.duration_since(now))
        .ok()?
        .as_secs();
    Some(if apart > CLOCK_APART {
        Check::warning(
            "clock",
            format!("the lake's file system is {apart} s apart from this machine"),
            "set both clocks; `stable_for` compares them",
        )
    } else {
        Check::ok(
            "clock",
            machine::Moment::now(None)
                .map(|moment| moment.logical_text())
                .unwrap_or_default(),
        )
    })
}

fn space(folder: &Path) -> Check {
    match free_bytes(folder) {
        Some(free) if free < SPACE_LOW => Check::warning(
            "disk",
            format!("{} MiB free", thousands(free >> 20)),
            "a run that finds no space left publishes nothing; make room first",
        ),
        Some(free) => Check::ok("disk", format!("{} MiB free", thousands(free >> 20))),
        None => Check::ok("disk", "free space is not known here"),
    }
}

/// As `df` tells it: the standard library does not.
fn free_bytes(folder: &Path) -> Option<u64> {
    let output = Command::new("df").arg("-Pk").arg(folder).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let kilobytes: u64 = text
        .lines()
        .nth(1)?
        .split_whitespace()
        .nth(3)?
        .parse()
        .ok()?;
    Some(kilobytes * 1024)
}

/// The kind of file system that a folder lies on, where the system tells.
fn file_system_of(folder: &Path) -> Option<String> {
    let folder = fs::canonicalize(folder).ok()?;
    let mounts = fs::read_to_string("/proc/mounts").ok()?;
    let mut longest: Option<(PathBuf, String)> = None;
    for line in mounts.lines() {
        let mut words = line.split_whitespace().skip(1);
        let (Some(place), Some(kind)) = (words.next(), words.next()) else {
            continue;
        };
        let place = PathBuf::from(place.replace("\\040", " "));
        let deeper = longest
            .as_ref()
            .is_none_or(|(known, _)| place.components().count() >= known.components().count());
        if folder.starts_with(&place) && deeper {
            longest = Some((place, kind.to_owned()));
        }
    }
    longest.map(|(_, kind)| kind)
}
