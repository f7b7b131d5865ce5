//! A project in a folder of its own, and `karat` started in it.

use std::cell::Cell;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

thread_local! {
    /// Whether projects that this thread writes keep Iceberg tables.
    static ICEBERG: Cell<bool> = const { Cell::new(false) };
}

/// Does a test with projects whose tables are Iceberg's.
pub(crate) fn on_iceberg(test: impl FnOnce()) {
    ICEBERG.set(true);
    test();
    ICEBERG.set(false);
}

/// Whether this is done [`on_iceberg`].
pub(crate) fn is_on_iceberg() -> bool {
    ICEBERG.get()
}

/// A `karat.yaml` whose target, or the one that it gets, keeps Iceberg tables.
fn with_iceberg(text: &str) -> String {
    match text.contains("targets:") {
        true => text.replace("{ lake:", "{ format: iceberg, lake:"),
        false => {
            format!("{text}targets:\n  dev: {{ lake: ./lake, format: iceberg, default: true }}\n")
        }
    }
}

/// The metadata of Iceberg holds whole paths: its copy says which folder it means, as one that karat makes beside a lake does.
fn mark_copied(lake: &Path, original: &Path) {
    for folder in folders(lake).iter().flat_map(|domain| folders(domain)) {
        for table in folders(&folder) {
            let mark = table.join("metadata/.karat-linked");
            if table.join("metadata").is_dir() && !mark.exists() {
                let below = table.strip_prefix(lake).unwrap();
                fs::write(mark, original.join(below).to_str().unwrap()).unwrap();
            }
        }
    }
}

fn folders(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.filter(|path| path.is_dir()).collect()
}

/// A project's folder; gone with this value.
pub(crate) struct Project {
    folder: TempDir,
}

/// What a command came to.
pub(crate) struct Answer {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Project {
    /// An empty folder.
    pub(crate) fn empty() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// What `karat init` writes.
    pub(crate) fn initial() -> Self {
        let project = Self::empty();
        let answer = project.karat(&["init", "--quiet"]);
        assert_eq!(answer.code, 0, "{}", answer.stderr);
        project
    }

    /// Files by name.
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        let project = Self::empty();
        for (name, text) in files {
            project.write(name, text);
        }
        project
    }

    /// A copy of another project's folder, with or without a part of it.
    pub(crate) fn copy_of(other: &Self) -> Self {
        let copy = Self::empty();
        copy_folder(other.folder.path(), copy.folder.path());
        mark_copied(&copy.path("lake"), &other.path("lake"));
        copy
    }

    /// Removes a file or folder, if it is there.
    pub(crate) fn remove(&self, name: &str) {
        let path = self.path(name);
        let removed = if path.is_dir() {
            fs::remove_dir_all(&path)
        } else {
            fs::remove_file(&path)
        };
        if let Err(error) = removed {
            assert_eq!(error.kind(), std::io::ErrorKind::NotFound, "{name}");
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        if name == "karat.yaml" && is_on_iceberg() {
            return fs::write(path, with_iceberg(text)).unwrap();
        }
        fs::write(path, text).unwrap();
    }

    /// Runs karat in the project's folder.
    pub(crate) fn karat(&self, arguments: &[&str]) -> Answer {
        karat_in(self.folder.path(), arguments, &[])
    }

    /// The same with variables of the environment.
    pub(crate) fn karat_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Answer {
        karat_in(self.folder.path(), arguments, variables)
    }

    /// One domain `d` with this feed over `landing/`, and this silver model `d_silver.t`.
    pub(crate) fn one_feed(feed: &str, silver: &str) -> Self {
        Self::of(&[
            (
                "karat.yaml",
                "karat: 1\nproject: p\nsources:\n  landing: { type: files, path: landing }\n  db: { type: sqlite, path: shop.db }\n",
            ),
            (
                "domains/d/domain.yaml",
                &format!("domain: d\nfeeds:\n  - {feed}\n"),
            ),
            ("domains/d/silver/t.yaml", silver),
            ("landing/readme.txt", "files land here\n"),
        ])
    }

    /// Writes a packed file.
    pub(crate) fn write_gzip(&self, name: &str, text: &str) -> Vec<u8> {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(text.as_bytes()).unwrap();
        let packed = packed.finish().unwrap();
        self.write_bytes(name, &packed);
        packed
    }

    pub(crate) fn write_bytes(&self, name: &str, bytes: &[u8]) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// Statements on the project's SQLite database.
    pub(crate) fn sqlite(&self, sql: &str) {
        let database = rusqlite::Connection::open(self.path("shop.db")).unwrap();
        database.execute_batch(sql).unwrap();
    }

    /// Runs the pipeline quietly and expects this code.
    pub(crate) fn run(&self, code: i32) -> Answer {
        let run = self.karat(&["run", "--quiet"]);
        assert_eq!(run.code, code, "{}", run.text());
        run
    }

    /// The rows of a query, as CSV.
    pub(crate) fn rows(&self, sql: &str) -> String {
        let answer = self.karat(&["query", "--quiet", "--format", "csv", sql]);
        assert_eq!(answer.code, 0, "{}", answer.text());
        answer.stdout.replace("\r\n", "\n")
    }

    /// A table's newest receipt.
    pub(crate) fn receipt(&self, table: &str) -> Value {
        self.karat(&["receipt", "show", table, "--json"]).json()["receipt"].clone()
    }

    /// What a table's rows are, whatever files they lie in.
    pub(crate) fn fingerprint(&self, table: &str) -> String {
        self.receipt(table)["fingerprint"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// The terms that are not 0 of a table's newest version, in full.
    pub(crate) fn accounting(&self, table: &str) -> String {
        terms(&self.receipt(table)["accounting"])
    }

    /// Files of the lake by relative path, sorted: what a version is made of.
    pub(crate) fn lake_files(&self) -> Vec<String> {
        self.files_below("lake")
    }

    /// Files below a folder of the project, by their paths in it; locks are none.
    pub(crate) fn files_below(&self, folder: &str) -> Vec<String> {
        let mut found = Vec::new();
        let root = self.path(folder);
        walk(&root, &mut found);
        let mut names: Vec<String> = found
            .iter()
            .map(|path| path.strip_prefix(&root).unwrap().display().to_string())
            .filter(|name| !name.ends_with(".lock"))
            .collect();
        names.sort();
        names
    }
}

/// Terms that are not 0: `5 read = 4 kept + 1 quarantined`.
pub(crate) fn terms(accounting: &Value) -> String {
    let read = accounting["read"].as_u64().unwrap();
    let mut sum = 0;
    let mut parts = Vec::new();
    let mut apart = String::new();
    for (name, count) in accounting.as_object().unwrap() {
        let count = count.as_u64().unwrap();
        if ["repaired", "discarded"].contains(&name.as_str()) {
            apart.push_str(&format!("; {count} {name}"));
        } else if name != "read" && count > 0 {
            sum += count;
            parts.push(format!("{count} {name}"));
        }
    }
    let sign = if sum == read { "=" } else { "<>" };
    format!("{read} read {sign} {}{apart}", parts.join(" + "))
}

fn karat_in(folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Answer {
    let output = Command::new(env!("CARGO_BIN_EXE_karat"))
        .args(arguments)
        .current_dir(folder)
        .env_remove("KARAT_FAILPOINT")
        .env("USER", "tester")
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    Answer {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

impl Answer {
    /// The one document on stdout.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}\n{}\n{}", self.stdout, self.stderr))
    }

    /// Both streams and the code, without what differs from run to run.
    pub(crate) fn text(&self) -> String {
        let mut text = masked(&self.stdout);
        if !self.stderr.is_empty() {
            text.push_str("--- stderr\n");
            text.push_str(&masked(&self.stderr));
        }
        text.push_str(&format!("--- exit {}\n", self.code));
        text
    }
}

/// Digests, run ids, times and seconds as words.
fn masked(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(masked_line).collect();
    let mut text = lines.join("\n");
    if !lines.is_empty() {
        text.push('\n');
    }
    text
}

fn masked_line(line: &str) -> String {
    let mut words: Vec<String> = Vec::new();
    let mut parts = line.split(' ').peekable();
    while let Some(word) = parts.next() {
        let core = word.trim_end_matches([':', ',', ';', '…']);
        let end = &word[core.len()..];
        let is_number = core.parse::<f64>().is_ok() && core.contains('.');
        if is_number
            && parts
                .peek()
                .is_some_and(|next| next.trim_end_matches([',', ';']) == "s")
        {
            words.push(format!("N{end}"));
        } else if core.len() >= 12 && core.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            words.push(format!("DIGEST{end}"));
        } else if is_run_id(core) {
            words.push(format!("RUN{end}"));
        } else if core.len() > 18 && core.as_bytes()[4] == b'-' && core.ends_with('Z') {
            words.push(format!("TIME{end}"));
        } else {
            words.push(word.to_owned());
        }
    }
    words.join(" ")
}

/// `20260105T101112123Z-0a1b2c3d`.
fn is_run_id(word: &str) -> bool {
    word.len() == 28
        && word.as_bytes()[8] == b'T'
        && word.as_bytes()[18] == b'Z'
        && word.as_bytes()[19] == b'-'
}

/// Copies files and folders.
pub(crate) fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, found);
        } else {
            found.push(path);
        }
    }
}
