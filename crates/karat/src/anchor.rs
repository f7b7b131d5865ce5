//! Heads of runs, published where those who write the lake do not reach (G4): lines of JSON in a file, in a Git repository, or sent to a URL.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use karat_pipeline::verify::KnownHead;
use karat_pipeline::{Site, manifest};
use karat_project::Anchor;
use karat_receipt::Digest;
use serde_json::{Value, json};

use crate::failure::Failure;
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

/// Publishes the newest head of a site's lake, where its target says so: true if that was done. `made` tells whether this execution made
/// it: a server is told of each head once, a file or repository that lacks the newest gets it.
///
/// # Errors
/// See [`publish`].
pub(crate) fn publish_newest(site: &Site, made: bool) -> Result<bool, Failure> {
    let target = site.project.targets.get(&site.context.target);
    let Some(anchor) = target.and_then(|target| target.anchor.as_ref()) else {
        return Ok(false);
    };
    if matches!(anchor, Anchor::Http(_)) && !made {
        return Ok(false);
    }
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
    publish(anchor, &site.root, &what)?;
    Ok(true)
}

/// Publishes a head. What was published last is not published again.
///
/// # Errors
/// Says where it could not be published, and why; the versions of the run are there all the same.
fn publish(anchor: &Anchor, root: &Path, what: &Published) -> Result<(), Failure> {
    match anchor {
        Anchor::File(path) => append(&root.join(path.value()), what).map(|_| ()),
        Anchor::Git(folder) => commit(&root.join(folder.value()), what),
        Anchor::Http(url) => webhook::post(
            url,
            "publish the head at",
            &what.line(),
            &what.head.to_string(),
        ),
    }
}

/// The heads that were published where they can be read again.
///
/// # Errors
/// Where the file cannot be read or holds something else.
pub(crate) fn published(anchor: &Anchor, root: &Path) -> Result<Vec<KnownHead>, Failure> {
    let path = match anchor {
        Anchor::File(path) => root.join(path.value()),
        Anchor::Git(folder) => root.join(folder.value()).join(FILE),
        Anchor::Http(_) => return Ok(Vec::new()),
    };
    if !path.exists() {
        return Ok(Vec::new());
    }
    let shown = path
        .strip_prefix(root)
        .unwrap_or(&path)
        .display()
        .to_string();
    let file = File::open(&path).map_err(Failure::io("read the anchor", &path))?;
    let mut heads = Vec::new();
    for (nth, line) in BufReader::new(file).lines().enumerate() {
        let line = line.map_err(Failure::io("read the anchor", &path))?;
        let document: Value = serde_json::from_str(&line).unwrap_or(Value::Null);
        let digest: Option<Digest> = document["head"].as_str().and_then(|head| head.parse().ok());
        let Some(digest) = digest else {
            return Err(Failure::usage(
                format!("line {} of the anchor `{}` names no head", nth + 1, shown),
                "restore the file: karat only ever adds lines to it",
            ));
        };
        heads.push(KnownHead {
            digest,
            from: format!("line {} of the anchor `{}`", nth + 1, shown),
        });
    }
    Ok(heads)
}

/// Adds the line and syncs the file; false if it is the last line already.
fn append(path: &Path, what: &Published) -> Result<bool, Failure> {
    let failed = || Failure::io("publish the head in", path);
    let options = OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .open(path);
    let mut file = options.map_err(failed())?;
    let line = what.line();
    let size = file.metadata().map_err(failed())?.len();
    let mut last = String::new();
    file.seek(SeekFrom::Start(size.saturating_sub(line.len() as u64)))
        .map_err(failed())?;
    // Another writer's bytes may be no text: then it is another line.
    let _ = file.read_to_string(&mut last);
    if last == line {
        return Ok(false);
    }
    file.write_all(line.as_bytes()).map_err(failed())?;
    file.sync_all().map_err(failed())?;
    Ok(true)
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
