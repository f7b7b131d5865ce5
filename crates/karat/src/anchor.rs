//! Heads of runs, published where those who write the lake do not reach (G4): lines of JSON in a file, in a Git repository, or sent to a URL.

use std::fs::OpenOptions;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use karat_pipeline::verify::KnownHead;
use karat_pipeline::{PipelineError, Site, manifest};
use karat_project::Anchor;
use karat_receipt::Digest;
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::site::CACHE;
use crate::webhook;

/// The file in a Git repository.
const FILE: &str = "karat-heads.ndjson";

/// What is published of a run.
struct Published {
    /// The run whose manifest is the head.
    run: String,
    /// The head.
    head: Digest,
    /// The run's logical time.
    logical_time: String,
    /// The project.
    project: String,
    /// The target.
    target: String,
}

impl Published {
    fn line(&self) -> String {
        let document = json!({
            "run": self.run, "head": self.head.to_string(), "logical_time": self.logical_time,
            "project": self.project, "target": self.target,
        });
        format!("{document}\n")
    }
}

/// The anchor of a site's target.
fn of(site: &Site) -> Option<&Anchor> {
    let target = site.project.targets.get(&site.context.target)?;
    target.anchor.as_ref()
}

/// Publishes the newest head of a site's lake, where its target says so: true if it is published now. A server is told of each head once, as
/// far as this machine remembers (`.karat/published-TARGET`, a cache).
///
/// # Errors
/// See [`publish`].
pub(crate) fn publish_newest(site: &Site) -> Result<bool, Failure> {
    let Some(anchor) = of(site) else {
        return Ok(false);
    };
    let Some((manifest, head)) = manifest::newest(&site.lake)? else {
        return Ok(false);
    };
    let what = Published {
        run: manifest.run,
        head,
        logical_time: manifest.logical_time,
        project: site.project.name.clone(),
        target: site.context.target.clone(),
    };
    let told = site
        .root
        .join(CACHE)
        .join(format!("published-{}", what.target));
    let is_server = matches!(anchor, Anchor::Http(_));
    if is_server && std::fs::read_to_string(&told).is_ok_and(|told| told == head.to_string()) {
        return Ok(true);
    }
    publish(anchor, &site.root, &what)?;
    if is_server {
        let _ = std::fs::write(&told, head.to_string());
    }
    Ok(true)
}

/// Refuses to go on where the lake is older than its anchor: what is written to it would be another history.
///
/// # Errors
/// Says which head is missing, and what to do.
pub(crate) fn check_newest(site: &Site) -> Result<(), Failure> {
    let Some(anchor) = of(site) else {
        return Ok(());
    };
    let heads = published(anchor, &site.root)?.unwrap_or_default();
    let Some(KnownHead {
        digest: Some(digest),
        from,
    }) = heads.last()
    else {
        return Ok(());
    };
    let is_newest = manifest::newest(&site.lake)?.is_some_and(|(_, head)| head == *digest);
    let is_there = is_newest
        || manifest::all(&site.lake)?
            .iter()
            .any(|(_, bytes)| Digest::of(bytes) == *digest);
    match is_there {
        true => Ok(()),
        false => Err(PipelineError::Behind {
            from: from.clone(),
            head: digest.to_string(),
        }
        .into()),
    }
}

/// Publishes a head. What was published last is not published again.
///
/// # Errors
/// Says where it could not be published, and why; the versions of the run are there all the same.
fn publish(anchor: &Anchor, root: &Path, what: &Published) -> Result<(), Failure> {
    match anchor {
        Anchor::File(path) => append(&root.join(path.value()), what),
        Anchor::Git(folder) => commit(&root.join(folder.value()), what),
        Anchor::Http(url) => webhook::post(
            url,
            "publish the head at",
            &what.line(),
            &what.head.to_string(),
        ),
    }
}

/// Where heads are kept that can be read again.
fn file_of(anchor: &Anchor, root: &Path) -> Option<PathBuf> {
    match anchor {
        Anchor::File(path) => Some(root.join(path.value())),
        Anchor::Git(folder) => Some(root.join(folder.value()).join(FILE)),
        Anchor::Http(_) => None,
    }
}

/// The anchor's file as messages name it.
pub(crate) fn shown(anchor: &Anchor, root: &Path) -> Option<String> {
    let path = file_of(anchor, root)?;
    Some(
        path.strip_prefix(root)
            .unwrap_or(&path)
            .display()
            .to_string(),
    )
}

/// The heads that were published, where they can be read again; none where there is no such file.
///
/// # Errors
/// Where the file cannot be read.
pub(crate) fn published(anchor: &Anchor, root: &Path) -> Result<Option<Vec<KnownHead>>, Failure> {
    let (Some(path), Some(name)) = (file_of(anchor, root), shown(anchor, root)) else {
        return Ok(None);
    };
    if !path.exists() {
        return Ok(None);
    }
    let bytes = std::fs::read(&path).map_err(Failure::io("read the anchor", &path))?;
    let head = |(nth, line): (usize, &[u8])| {
        let document: Value = serde_json::from_slice(line).unwrap_or(Value::Null);
        KnownHead {
            digest: document["head"].as_str().and_then(|head| head.parse().ok()),
            from: format!("line {} of the anchor `{name}`", nth + 1),
        }
    };
    let lines = bytes.split(|byte| *byte == b'\n').enumerate();
    Ok(Some(
        lines
            .filter(|(_, line)| !line.is_empty())
            .map(head)
            .collect(),
    ))
}

/// Adds the line and syncs the file, if it is not the last line already.
fn append(path: &Path, what: &Published) -> Result<(), Failure> {
    let failed = || Failure::io("publish the head in", path);
    let options = OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .open(path);
    let mut file = options.map_err(failed())?;
    let mut line = what.line();
    let size = file.metadata().map_err(failed())?.len();
    file.seek(SeekFrom::Start(size.saturating_sub(line.len() as u64)))
        .map_err(failed())?;
    let mut last = Vec::new();
    file.read_to_end(&mut last).map_err(failed())?;
    if last == line.as_bytes() {
        return Ok(());
    }
    // What a writer that was cut off left stands on a line of its own.
    if !last.is_empty() && !last.ends_with(b"\n") {
        line.insert(0, '\n');
    }
    file.write_all(line.as_bytes()).map_err(failed())?;
    file.sync_all().map_err(failed())
}

fn commit(folder: &Path, what: &Published) -> Result<(), Failure> {
    if !folder.is_dir() {
        return Err(Failure::usage(
            format!(
                "cannot publish the head: `{}` is no folder",
                folder.display()
            ),
            "clone the repository of the anchor there",
        ));
    }
    append(&folder.join(FILE), what)?;
    git(folder, &["add", "--", FILE])?;
    let nothing_new = git(folder, &["diff", "--cached", "--quiet", "--", FILE]).is_ok();
    if !nothing_new {
        let message = format!("karat: {} {}, run {}", what.project, what.target, what.run);
        git(
            folder,
            &["commit", "--quiet", "--message", &message, "--", FILE],
        )?;
    }
    // A branch without an upstream stays here.
    match git(
        folder,
        &[
            "rev-parse",
            "--abbrev-ref",
            "--symbolic-full-name",
            "@{upstream}",
        ],
    ) {
        Ok(()) => git(folder, &["push", "--quiet"]),
        Err(_) => Ok(()),
    }
}

fn git(folder: &Path, arguments: &[&str]) -> Result<(), Failure> {
    let output = Command::new("git")
        .arg("-C")
        .arg(folder)
        .args(arguments)
        .env("GIT_TERMINAL_PROMPT", "0")
        .stdin(Stdio::null())
        .output()
        .map_err(Failure::io("run `git` in", folder))?;
    if output.status.success() {
        return Ok(());
    }
    let told = String::from_utf8_lossy(&output.stderr);
    Err(Failure::io("publish the head in the repository", folder)(
        std::io::Error::other(format!("git {}: {}", arguments[0], told.trim())),
    ))
}
