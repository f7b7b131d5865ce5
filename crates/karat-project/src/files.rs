//! Finds and reads the files of a project: nothing that lies where karat looks is passed over in silence.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::decode::{fold_name, is_own_name};
use crate::diagnostic::{Place, Reporter};
use crate::nearest::nearest;

/// The files of a project, read and sorted by name.
#[derive(Debug, Default)]
pub(crate) struct ProjectFiles {
    pub(crate) project: Option<u32>,
    pub(crate) domains: Vec<DomainFiles>,
}

#[derive(Debug)]
pub(crate) struct DomainFiles {
    pub(crate) name: String,
    /// Where to point at if `domain.yaml` is missing.
    pub(crate) domain: Option<u32>,
    /// The control table as a spreadsheet, if it is one.
    pub(crate) feeds: Option<u32>,
    /// There is one that cannot be read.
    pub(crate) feeds_lost: bool,
    /// `None` if the file cannot be read.
    pub(crate) silver: BTreeMap<String, Option<u32>>,
    pub(crate) gold: BTreeMap<String, GoldFiles>,
    /// Files of tests.
    pub(crate) tests: Vec<u32>,
}

#[derive(Debug, Default)]
pub(crate) struct GoldFiles {
    pub(crate) sql: Option<u32>,
    pub(crate) yaml: Option<u32>,
    /// There is one that cannot be read.
    pub(crate) yaml_lost: bool,
}

/// `karat.yaml`; what stands in its way is reported.
pub(crate) fn read_karat_yaml(root: &Path, report: &mut Reporter) -> Option<u32> {
    if !root.join("karat.yaml").exists() {
        let at = Place::whole(report.add_file(Path::new("karat.yaml"), String::new()));
        let (message, hint) = if root.join("karat.yml").exists() {
            ("there is no karat.yaml", "rename karat.yml to karat.yaml")
        } else if root.is_dir() {
            (
                "there is no karat.yaml: this folder is not a karat project",
                "start one with `karat init`",
            )
        } else {
            ("the project folder does not exist", "check the path")
        };
        report.error(at, message, hint);
        return None;
    }
    read(root, Path::new("karat.yaml"), report)
}

pub(crate) fn read_project(root: &Path, report: &mut Reporter) -> ProjectFiles {
    let mut files = ProjectFiles {
        project: read_karat_yaml(root, report),
        ..ProjectFiles::default()
    };
    if files.project.is_none() && !root.join("karat.yaml").exists() {
        return files;
    }
    let domains = PathBuf::from("domains");
    if root.join(&domains).exists() {
        for (name, path, kind) in list(root, &domains, report) {
            if kind == Kind::File {
                if is_declaration(&path) {
                    let at = Place::whole(report.add_file(&path, String::new()));
                    let hint = "a domain is a folder: domains/sales/domain.yaml";
                    report.error(at, "nothing reads this file", hint);
                }
                continue;
            }
            if !is_own_name(&name) {
                let at = Place::whole(report.add_file(&path, String::new()));
                report.error(
                    at,
                    format!("`{name}` cannot be a domain's name"),
                    name_hint(&name),
                );
                continue;
            }
            files.domains.push(read_domain(root, name, &path, report));
        }
    }
    files
}

fn name_hint(name: &str) -> String {
    let folded = fold_name(name);
    let rule = "names are lower case letters, digits and `_`, a letter first";
    if is_own_name(&folded) {
        format!("{rule}: `{folded}`")
    } else {
        rule.to_string()
    }
}

fn read_domain(root: &Path, name: String, folder: &Path, report: &mut Reporter) -> DomainFiles {
    let mut domain = DomainFiles {
        name,
        domain: None,
        feeds: None,
        feeds_lost: false,
        silver: BTreeMap::new(),
        gold: BTreeMap::new(),
        tests: Vec::new(),
    };
    let mut found = false;
    let mut sheets = Vec::new();
    for (name, path, kind) in list(root, folder, report) {
        match (name.as_str(), kind) {
            ("domain.yaml", _) => {
                found = true;
                domain.domain = read(root, &path, report);
            }
            ("silver", Kind::Folder) => read_silver(root, &path, &mut domain, report),
            ("gold", Kind::Folder) => read_gold(root, &path, &mut domain, report),
            ("tests", Kind::Folder) => read_tests(root, &path, &mut domain, report),
            (FEEDS_CSV, _) => {
                domain.feeds = read(root, &path, report);
                domain.feeds_lost = domain.feeds.is_none();
            }
            (_, Kind::File) if is_sheet(&name) => sheets.push((name, path)),
            ("products" | "repairs", _) => {
                let at = Place::whole(report.add_file(&path, String::new()));
                report.error(
                    at,
                    format!("`{name}` is not available in this version"),
                    "move it out of the project",
                );
            }
            (_, Kind::Folder) => {
                let meant = match name.as_str() {
                    "bronze" | "quarantine" => None,
                    _ => nearest(&name, ["silver", "gold"]),
                };
                if meant.is_some() || list_quietly(root, &path).any(|path| is_declaration(&path)) {
                    let at = Place::whole(report.add_file(&path, String::new()));
                    let hint = match (name.as_str(), meant) {
                        ("bronze", _) => {
                            "karat fills bronze itself: declare `feeds` in domain.yaml".to_string()
                        }
                        (_, Some(meant)) => format!("did you mean `{meant}`?"),
                        (_, None) => "models lie in `silver/` and `gold/`".to_string(),
                    };
                    report.error(at, "nothing reads this folder", hint);
                }
            }
            _ if is_declaration(&path) => {
                let at = Place::whole(report.add_file(&path, String::new()));
                let hint = if name == "domain.yml" {
                    "rename it to domain.yaml"
                } else {
                    "models lie in `silver/` and `gold/`"
                };
                report.error(at, "nothing reads this file", hint);
            }
            _ => {}
        }
    }
    // Beside a feeds.csv such a file is what the people work in who make it.
    if domain.feeds.is_none() && !domain.feeds_lost {
        for (name, path) in sheets {
            let at = Place::whole(report.add_file(&path, String::new()));
            let hint = match name.to_lowercase() == FEEDS_CSV {
                true => "rename it to feeds.csv",
                false => "save it beside as feeds.csv (in Excel: `CSV UTF-8`)",
            };
            report.error(at, "nothing reads this file", hint);
        }
    }
    if !found {
        let at = Place::whole(report.add_file(&folder.join("domain.yaml"), String::new()));
        report.error(
            at,
            format!("domain `{}` has no domain.yaml", domain.name),
            format!("write one: `domain: {}`", domain.name),
        );
    }
    domain
}

fn read_silver(root: &Path, folder: &Path, domain: &mut DomainFiles, report: &mut Reporter) {
    for (name, path, kind) in list(root, folder, report) {
        let Some(stem) = model_stem(
            &name,
            &path,
            kind,
            &["yaml"],
            "a silver model is a .yaml file",
            report,
        ) else {
            continue;
        };
        domain.silver.insert(stem, read(root, &path, report));
    }
}

fn read_gold(root: &Path, folder: &Path, domain: &mut DomainFiles, report: &mut Reporter) {
    for (name, path, kind) in list(root, folder, report) {
        let hint =
            "a gold model is a .sql file, with a .yaml file beside it when there is more to say";
        let Some(stem) = model_stem(&name, &path, kind, &["sql", "yaml"], hint, report) else {
            continue;
        };
        let gold = domain.gold.entry(stem).or_default();
        let file = read(root, &path, report);
        if name.ends_with(".sql") {
            gold.sql = file.or(gold.sql);
        } else {
            gold.yaml = file.or(gold.yaml);
            gold.yaml_lost = file.is_none();
            if !root.join(path.with_extension("sql")).exists()
                && let Some(file) = file
            {
                report.error(
                    Place::whole(file),
                    "there is no .sql file beside it",
                    format!(
                        "write the SELECT into {}",
                        path.with_extension("sql").display()
                    ),
                );
            }
        }
    }
}

fn read_tests(root: &Path, folder: &Path, domain: &mut DomainFiles, report: &mut Reporter) {
    for (name, path, kind) in list(root, folder, report) {
        let hint = "a file of tests is a .yaml file";
        if model_stem(&name, &path, kind, &["yaml"], hint, report).is_some() {
            domain.tests.extend(read(root, &path, report));
        }
    }
}

/// The model's name, if the file is one; what looks like one and is none is reported.
fn model_stem(
    name: &str,
    path: &Path,
    kind: Kind,
    endings: &[&str],
    hint: &str,
    report: &mut Reporter,
) -> Option<String> {
    let ending = path.extension().and_then(|end| end.to_str()).unwrap_or("");
    let mut refuse = |message: String, hint: String| {
        let at = Place::whole(report.add_file(path, String::new()));
        report.error(at, message, hint);
    };
    if kind == Kind::Folder {
        let message = if endings.contains(&ending) {
            "this is a folder, not a file"
        } else {
            "folders are not read here"
        };
        refuse(message.to_string(), hint.to_string());
        return None;
    }
    if !endings.contains(&ending) {
        let lower = ending.to_lowercase();
        if endings.contains(&lower.as_str()) {
            let hint = format!(
                "endings are written in small letters: rename it to `{}`",
                path.with_extension(lower).display()
            );
            refuse("nothing reads this file".to_string(), hint);
        } else if matches!(lower.as_str(), "yml" | "sql" | "yaml") {
            refuse("nothing reads this file".to_string(), hint.to_string());
        }
        return None;
    }
    let stem = &name[..name.len() - ending.len() - 1];
    if !is_own_name(stem) {
        refuse(
            format!("`{stem}` cannot be a table's name"),
            name_hint(stem),
        );
        return None;
    }
    Some(stem.to_string())
}

/// The control table as a spreadsheet writes it.
const FEEDS_CSV: &str = "feeds.csv";

/// Whether it looks like a control table under another name.
fn is_sheet(name: &str) -> bool {
    let name = name.to_lowercase();
    let endings = ["csv", "tsv", "txt", "xlsx", "xlsm", "xls", "ods"];
    name.strip_prefix("feeds.")
        .is_some_and(|ending| endings.contains(&ending))
}

/// Whether it looks like one of our files.
fn is_declaration(path: &Path) -> bool {
    let ending = path.extension().map(|end| end.to_ascii_lowercase());
    ending.is_some_and(|end| end == "yaml" || end == "yml" || end == "sql")
}

fn list_quietly(root: &Path, folder: &Path) -> impl Iterator<Item = PathBuf> {
    fs::read_dir(root.join(folder))
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    File,
    Folder,
}

/// Entries of a folder by name; hidden ones and editors' copies are left out.
fn list(root: &Path, folder: &Path, report: &mut Reporter) -> Vec<(String, PathBuf, Kind)> {
    let entries = match fs::read_dir(root.join(folder)) {
        Ok(entries) => entries,
        Err(error) => {
            let at = Place::whole(report.add_file(folder, String::new()));
            report.error(
                at,
                format!("cannot list the folder: {}", reason(&error)),
                "",
            );
            return Vec::new();
        }
    };
    let mut found = Vec::new();
    for entry in entries.flatten() {
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        if name.starts_with(['.', '#']) || name.ends_with('~') {
            continue;
        }
        let kind = match entry.file_type() {
            Ok(kind) if kind.is_symlink() => {
                if root.join(folder).join(&name).is_dir() {
                    Kind::Folder
                } else {
                    Kind::File
                }
            }
            Ok(kind) if kind.is_dir() => Kind::Folder,
            _ => Kind::File,
        };
        found.push((name.clone(), folder.join(name), kind));
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

/// Reads one file as UTF-8, without a byte order mark.
pub(crate) fn read(root: &Path, path: &Path, report: &mut Reporter) -> Option<u32> {
    let bytes = match fs::read(root.join(path)) {
        Ok(bytes) => bytes,
        Err(error) => {
            let at = Place::whole(report.add_file(path, String::new()));
            report.error(at, format!("cannot read the file: {}", reason(&error)), "");
            return None;
        }
    };
    match String::from_utf8(bytes) {
        Ok(text) => {
            let text = text
                .strip_prefix('\u{feff}')
                .map(str::to_string)
                .unwrap_or(text);
            let text = match path.extension() {
                Some(end) if end == "yaml" || end == "csv" => unix_lines(text),
                _ => text,
            };
            Some(report.add_file(path, text))
        }
        Err(error) => {
            let valid = error.utf8_error().valid_up_to();
            let before = String::from_utf8_lossy(&error.as_bytes()[..valid]).into_owned();
            let line = before.matches('\n').count() as u32 + 1;
            let column = before.rsplit('\n').next().unwrap_or("").chars().count() as u32 + 1;
            let file =
                report.add_file(path, String::from_utf8_lossy(error.as_bytes()).into_owned());
            report.error(
                Place {
                    file,
                    line,
                    column,
                    length: 1,
                },
                "the file is not UTF-8",
                match path.ends_with(FEEDS_CSV) {
                    true => "save it as UTF-8, in Excel as `CSV UTF-8`",
                    false => "save it as UTF-8",
                },
            );
            None
        }
    }
}

/// YAML and old spreadsheets end a line at a lone carriage return too; everything that counts lines here looks for line feeds.
fn unix_lines(text: String) -> String {
    if !text.contains('\r') {
        return text;
    }
    let mut letters = text.chars().peekable();
    let mut lines = String::with_capacity(text.len());
    while let Some(letter) = letters.next() {
        lines.push(match letter {
            '\r' if letters.peek() != Some(&'\n') => '\n',
            other => other,
        });
    }
    lines
}

/// An operating system's reason without its number.
pub(crate) fn reason(error: &std::io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error") {
        Some(cut) => text[..cut].to_lowercase(),
        None => text,
    }
}
