//! Starting `karat` as a child process and reading what it answers: JSON documents, exit codes, lines of progress.
//! Which commands to start, and what the answers mean for the demo, is [`super::story`]'s.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::DemoError;

/// One executable, to be started in one project.
#[derive(Debug, Clone)]
pub(crate) struct Karat {
    executable: PathBuf,
    project: PathBuf,
}

/// What a command printed on stdout as JSON, and how it ended.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) command: String,
    pub(crate) json: Value,
    pub(crate) code: i32,
    pub(crate) took: Duration,
}

/// How a run ended that was to be killed on its way.
#[derive(Debug)]
pub(crate) enum Killed {
    /// At this line of progress.
    At(Progress),
    /// It ended by itself before there was occasion.
    No(i32),
}

/// A line of progress on stderr, as karat prints it without a terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Progress {
    /// `progress TABLE PERCENT`.
    Percent { table: String, percent: u64 },
    /// `commit TABLE`: its commit follows.
    Commit { table: String },
}

impl Progress {
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace();
        let kind = words.next()?;
        let table = words.next()?.to_owned();
        match kind {
            "commit" => Some(Self::Commit { table }),
            "progress" | "step" => {
                let percent = words.next()?.trim_end_matches('%').parse().ok()?;
                Some(Self::Percent { table, percent })
            }
            _ => None,
        }
    }
}

impl Karat {
    pub(crate) fn new(executable: &Path, project: &Path) -> Self {
        Self {
            executable: executable.to_owned(),
            project: project.to_owned(),
        }
    }

    /// Runs a command to its end. Codes other than those `allowed` are an error.
    pub(crate) fn answer(&self, arguments: &[&str], allowed: &[i32]) -> Result<Answer, DemoError> {
        let command = spelt(arguments);
        let start = Instant::now();
        let output = self
            .command(arguments)
            .stdin(Stdio::null())
            .output()
            .map_err(|source| DemoError::Start {
                command: command.clone(),
                source,
            })?;
        let took = start.elapsed();
        let code = output.status.code().unwrap_or(-1);
        if !allowed.contains(&code) {
            return Err(DemoError::Failed {
                command,
                status: output.status.to_string(),
                stderr: tail(&output.stderr),
            });
        }
        let json = json_of(&output.stdout).map_err(|why| DemoError::Answer {
            command: command.clone(),
            why,
        })?;
        Ok(Answer {
            command,
            json,
            code,
            took,
        })
    }

    /// Starts `karat run` and kills it from outside (SIGKILL on Unix) at the first line of progress that `at` accepts.
    pub(crate) fn run_killed(&self, at: impl Fn(&Progress) -> bool) -> Result<Killed, DemoError> {
        let fail = |source| DemoError::Start {
            command: "karat run".to_owned(),
            source,
        };
        let mut child = self
            .command(&["run"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(fail)?;
        let mut seen = None;
        let mut said = String::new();
        if let Some(stderr) = child.stderr.take() {
            for line in BufReader::new(stderr).split(b'\n') {
                let Ok(line) = line else { break };
                let line = String::from_utf8_lossy(&line);
                if let Some(progress) = Progress::parse(&line)
                    && seen.is_none()
                    && at(&progress)
                {
                    child.kill().map_err(fail)?;
                    seen = Some(progress);
                }
                said.push_str(&line);
                said.push('\n');
            }
        }
        let status = child.wait().map_err(fail)?;
        match seen {
            Some(progress) if was_killed(status) => Ok(Killed::At(progress)),
            _ => match status.code() {
                Some(code @ (0 | 1)) => Ok(Killed::No(code)),
                _ => Err(DemoError::Failed {
                    command: "karat run".to_owned(),
                    status: status.to_string(),
                    stderr: tail(said.as_bytes()),
                }),
            },
        }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.executable);
        command.args(arguments).current_dir(&self.project);
        command
    }
}

impl Answer {
    /// A member of the answer, or an error that names it.
    pub(crate) fn get(&self, pointer: &str) -> Result<&Value, DemoError> {
        self.json
            .pointer(pointer)
            .ok_or_else(|| self.missing(pointer))
    }

    /// A list in the answer.
    pub(crate) fn list(&self, pointer: &str) -> Result<&Vec<Value>, DemoError> {
        self.get(pointer)?
            .as_array()
            .ok_or_else(|| self.missing(pointer))
    }

    /// The answer of `karat query` as one object a row, whichever way it spells them: a list of objects, or lists of
    /// `columns` and `rows`.
    pub(crate) fn rows(&self) -> Result<Vec<serde_json::Map<String, Value>>, DemoError> {
        let rows = match &self.json {
            Value::Array(rows) => rows,
            _ => self.list("/rows")?,
        };
        let names: Vec<String> = match self.json.get("columns").and_then(Value::as_array) {
            Some(columns) => columns
                .iter()
                .map(|column| plain(column.get("name").unwrap_or(column)))
                .collect(),
            None => Vec::new(),
        };
        rows.iter()
            .map(|row| match row {
                Value::Object(row) => Ok(row.clone()),
                Value::Array(values) if values.len() == names.len() => {
                    Ok(names.iter().cloned().zip(values.iter().cloned()).collect())
                }
                _ => Err(self.missing("/rows/0")),
            })
            .collect()
    }

    fn missing(&self, pointer: &str) -> DemoError {
        DemoError::Answer {
            command: self.command.clone(),
            why: format!("it has no `{}`", pointer.trim_start_matches('/')),
        }
    }
}

/// A JSON value as the text that stands in it.
pub(crate) fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A count in a JSON value, however it is spelt.
pub(crate) fn count(value: Option<&Value>) -> u64 {
    match value {
        Some(Value::Number(number)) => number.as_u64().unwrap_or(0),
        Some(Value::String(text)) => text.parse().unwrap_or(0),
        _ => 0,
    }
}

/// An amount of two decimals in hundredths.
pub(crate) fn hundredths(text: &str) -> Option<i128> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text),
    };
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let part = part.trim_end_matches('0');
    if part.len() > 2 || !part.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let whole: i128 = whole.parse().ok()?;
    let part: i128 = format!("{part:0<2}").parse().ok()?;
    Some(sign * (whole * 100 + part))
}

/// A command line as a person would type it.
pub(crate) fn spelt(arguments: &[&str]) -> String {
    let mut text = String::from("karat");
    for argument in arguments {
        text.push(' ');
        if argument.contains([' ', '\'', '(', '*']) {
            text.push('"');
            text.push_str(&argument.replace('"', "\\\""));
            text.push('"');
        } else {
            text.push_str(argument);
        }
    }
    text
}

/// One document, or one object a line.
fn json_of(stdout: &[u8]) -> Result<Value, String> {
    let mut documents = Vec::new();
    for document in serde_json::Deserializer::from_slice(stdout).into_iter::<Value>() {
        documents.push(document.map_err(|error| format!("stdout is not JSON ({error})"))?);
    }
    match documents.len() {
        1 => Ok(documents.remove(0)),
        _ => Ok(Value::Array(documents)),
    }
}

#[cfg(unix)]
fn was_killed(status: ExitStatus) -> bool {
    use std::os::unix::process::ExitStatusExt as _;
    status.signal() == Some(9)
}

#[cfg(not(unix))]
fn was_killed(status: ExitStatus) -> bool {
    !status.success()
}

/// The last lines of what a process said.
fn tail(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}

/// A folder outside every project, gone when this value is.
#[derive(Debug)]
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new(purpose: &str) -> Result<Self, DemoError> {
        let path =
            std::env::temp_dir().join(format!("karat-demo-{}-{purpose}", std::process::id()));
        fs::create_dir_all(&path).map_err(|source| DemoError::io("make", &path, source))?;
        Ok(Self(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed stays in the folder for temporary files; there is nothing better to do about it.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Copies a folder, file by file, without the entries of its top level that are named. Never by hard links: what the copy
/// does to its files must not reach the original.
pub(crate) fn copy_tree(from: &Path, to: &Path, without: &[&str]) -> Result<(), DemoError> {
    fs::create_dir_all(to).map_err(|source| DemoError::io("make", to, source))?;
    let fail = |source| DemoError::io("read", from, source);
    for entry in fs::read_dir(from).map_err(fail)? {
        let entry = entry.map_err(fail)?;
        let name = entry.file_name();
        if without.iter().any(|other| name == **other) {
            continue;
        }
        let target = to.join(&name);
        if entry.file_type().map_err(fail)?.is_dir() {
            copy_tree(&entry.path(), &target, &[])?;
        } else {
            fs::copy(entry.path(), &target)
                .map_err(|source| DemoError::io("copy", &entry.path(), source))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_lines_are_understood_with_and_without_a_percent_sign() {
        let percent = |percent| {
            Some(Progress::Percent {
                table: "a.b".to_owned(),
                percent,
            })
        };
        assert_eq!(Progress::parse("progress a.b 37"), percent(37));
        assert_eq!(Progress::parse("step a.b 5 %"), percent(5));
        assert_eq!(Progress::parse("progress a.b 100%"), percent(100));
        let commit = Progress::Commit {
            table: "a.b".to_owned(),
        };
        assert_eq!(Progress::parse("commit a.b"), Some(commit));
        assert_eq!(Progress::parse("note that something is said"), None);
    }

    #[test]
    fn amounts_keep_every_digit() {
        assert_eq!(hundredths("-1204298.44"), Some(-120_429_844));
        assert_eq!(hundredths("7"), Some(700));
        assert_eq!(hundredths("-0.5"), Some(-50));
        assert_eq!(hundredths("0.125"), None);
        assert_eq!(hundredths("1.500000"), Some(150));
    }
}
