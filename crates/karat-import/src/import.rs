//! What came of an import: the files of a project, and a line for everything.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::outline::{Origin, Outline};

/// Why nothing can be imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The folder holds no project of this kind.
    #[error("{what}")]
    NoProject {
        /// What is missing.
        what: String,
        /// What to do.
        hint: String,
    },
    /// A file or folder cannot be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write `{}`", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The folder is no project, by its size alone.
    #[error("the folder holds {0}")]
    TooLarge(&'static str),
    /// The new project's folder is not empty.
    #[error("`{}` is not empty: nothing is overwritten", .0.display())]
    NotEmpty(PathBuf),
}

/// Whether a person is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// Left out: it needs a person.
    Unmapped,
    /// Taken over; worth knowing.
    Note,
}

impl Weight {
    /// `unmapped` or `note`.
    pub fn name(self) -> &'static str {
        match self {
            Weight::Unmapped => "unmapped",
            Weight::Note => "note",
        }
    }
}

/// A line about one place of the project that was imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Whether it needs a person.
    pub weight: Weight,
    /// The file, from the project's folder.
    pub file: String,
    /// Line, from 1.
    pub line: u32,
    /// What stands there.
    pub construct: String,
    /// Why it is not taken over, or how it differs.
    pub why: String,
    /// What to do.
    pub fix: String,
}

/// A statement of the project that was imported: a model, a seed, a test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// What it is, in the words of its tool.
    pub kind: &'static str,
    /// Its name there.
    pub name: String,
    /// Its file.
    pub file: String,
    /// Its line, from 1.
    pub line: u32,
    /// What it is in karat; `None`: it was left out.
    pub became: Option<String>,
}

/// How many statements of a kind were taken over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Taken over.
    pub mapped: u64,
    /// Left out.
    pub unmapped: u64,
}

/// A mistake that `karat validate` finds in what was written.
#[derive(Clone, Debug)]
pub struct Rejection {
    /// The file of the new project.
    pub file: String,
    /// Line, from 1.
    pub line: u32,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

/// What came of an import.
#[derive(Debug)]
pub struct Import {
    /// The new project's name.
    pub project: String,
    pub(crate) outline: Outline,
    pub(crate) items: Vec<Item>,
    pub(crate) findings: Vec<Finding>,
}

impl Import {
    /// What was taken over, without what reads a table that is not there.
    pub(crate) fn of(outline: Outline, items: Vec<Item>, findings: Vec<Finding>) -> Import {
        let mut import = Import {
            project: outline.project.clone(),
            outline,
            items,
            findings,
        };
        let mut taken = Vec::new();
        import.outline.prune(&mut taken);
        import.list(taken);
        import
    }

    /// The files of the project by their path, with `/`.
    pub fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let mut files = self.outline.files();
        files.insert("IMPORT.md".to_owned(), self.page().into_bytes());
        files
    }

    /// Statements by file and line.
    pub fn items(&self) -> &[Item] {
        &self.items
    }

    /// Findings by file and line, each once.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Counts by kind.
    pub fn counts(&self) -> BTreeMap<&'static str, Counts> {
        let mut counts: BTreeMap<&'static str, Counts> = BTreeMap::new();
        for item in &self.items {
            let count = counts.entry(item.kind).or_default();
            match item.became {
                Some(_) => count.mapped += 1,
                None => count.unmapped += 1,
            }
        }
        counts
    }

    /// All counts together.
    pub fn total(&self) -> Counts {
        let counts = self.counts();
        Counts {
            mapped: counts.values().map(|count| count.mapped).sum(),
            unmapped: counts.values().map(|count| count.unmapped).sum(),
        }
    }

    /// Whether something was left out.
    pub fn needs_person(&self) -> bool {
        self.findings
            .iter()
            .any(|found| found.weight == Weight::Unmapped)
    }

    /// Takes out what `karat validate` refuses, with what reads it, and lists it. False where a mistake stands in nothing that can be
    /// taken out.
    pub fn reject(&mut self, rejections: &[Rejection]) -> bool {
        let taken = self.outline.reject(rejections);
        let progress = !taken.is_empty();
        self.list(taken);
        progress
    }

    /// Notes what was taken out of the outline.
    fn list(&mut self, taken: Vec<(Origin, String, Finding)>) {
        for (origin, name, finding) in taken {
            let item = self.items.iter_mut().find(|item| {
                (&item.file, item.line) == (&origin.file, origin.line)
                    && item.name == name
                    && item.became.is_some()
            });
            if let Some(item) = item
                && finding.weight == Weight::Unmapped
            {
                item.became = None;
            }
            self.findings.push(finding);
        }
        self.settle();
    }

    fn settle(&mut self) {
        self.findings.sort_by(|a, b| {
            (&a.file, a.line, a.weight, &a.construct, &a.why).cmp(&(
                &b.file,
                b.line,
                b.weight,
                &b.construct,
                &b.why,
            ))
        });
        self.findings.dedup();
        self.items.sort_by(|a, b| {
            (&a.file, a.line, a.kind, &a.name).cmp(&(&b.file, b.line, b.kind, &b.name))
        });
    }

    /// The page that lies beside the project.
    fn page(&self) -> String {
        let mut page = format!("# What was imported into `{}`\n\n", self.project);
        let Counts { mapped, unmapped } = self.total();
        page.push_str(&format!(
            "{mapped} statements were taken over, {unmapped} were not.\n"
        ));
        page.push_str("\n| statement | taken over | left out |\n|---|---|---|\n");
        for (kind, count) in self.counts() {
            page.push_str(&format!(
                "| {kind} | {} | {} |\n",
                count.mapped, count.unmapped
            ));
        }
        for (weight, title) in [
            (Weight::Unmapped, "Needs a person"),
            (Weight::Note, "Worth knowing"),
        ] {
            let mut found = self
                .findings
                .iter()
                .filter(|found| found.weight == weight)
                .peekable();
            if found.peek().is_none() {
                continue;
            }
            page.push_str(&format!(
                "\n## {title}\n\n| where | what | why | what to do |\n|---|---|---|---|\n"
            ));
            for one in found {
                let cell = |text: &str| text.replace('|', "\\|").replace('\n', " ");
                page.push_str(&format!(
                    "| {}:{} | `{}` | {} | {} |\n",
                    cell(&one.file),
                    one.line,
                    cell(&one.construct).replace('`', "'"),
                    cell(&one.why),
                    cell(&one.fix)
                ));
            }
        }
        page.push_str("\n## Taken over\n\n| where | what | in karat |\n|---|---|---|\n");
        for item in &self.items {
            if let Some(became) = &item.became {
                page.push_str(&format!(
                    "| {}:{} | {} `{}` | `{became}` |\n",
                    item.file, item.line, item.kind, item.name
                ));
            }
        }
        page
    }

    /// Refuses a folder that holds something.
    pub fn check_empty(dir: &Path) -> Result<(), ImportError> {
        let failed = |source| ImportError::Read {
            path: dir.to_path_buf(),
            source,
        };
        match std::fs::read_dir(dir) {
            Ok(mut entries) => match entries.next() {
                None => Ok(()),
                Some(_) => Err(ImportError::NotEmpty(dir.to_path_buf())),
            },
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(failed(error)),
        }
    }

    /// Writes the project into a folder that is empty or not there yet; `karat.yaml` last.
    pub fn write(&self, dir: &Path) -> Result<Vec<String>, ImportError> {
        write_files(dir, &self.files())
    }

    /// Writes what the project says, without the data that it takes along: enough to validate it.
    pub fn write_texts(&self, dir: &Path) -> Result<(), ImportError> {
        let texts = self.outline.texts().into_iter();
        let files = texts
            .map(|(name, text)| (name, text.into_bytes()))
            .collect();
        write_files(dir, &files).map(drop)
    }
}

fn write_files(dir: &Path, files: &BTreeMap<String, Vec<u8>>) -> Result<Vec<String>, ImportError> {
    Import::check_empty(dir)?;
    let mut names: Vec<&String> = files.keys().filter(|name| *name != "karat.yaml").collect();
    names.extend(files.keys().filter(|name| *name == "karat.yaml"));
    for name in &names {
        let path = dir.join(name);
        let failed = |source| ImportError::Write {
            path: path.clone(),
            source,
        };
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        std::fs::write(&path, &files[*name]).map_err(failed)?;
    }
    Ok(names.into_iter().cloned().collect())
}
