//! Reads `karat.yaml`: targets, sources, defaults.

use std::collections::BTreeMap;
use std::path::Path;

use crate::calendar::{self, Calendar};
use crate::decode::{self, choice, flag, text};
use crate::diagnostic::{Place, Reporter};
use crate::files::reason;
use crate::model::{Anchor, Rounding, Setting, SourceDecl, SourceKind, TableFormat, Target};
use crate::params::{self, Param};
use crate::yaml::{Entry, Node};

/// What `karat.yaml` says.
#[derive(Debug)]
pub(crate) struct ProjectFile {
    pub(crate) name: String,
    pub(crate) timezone: String,
    pub(crate) timezone_at: Option<Place>,
    pub(crate) rounding: Rounding,
    pub(crate) params: BTreeMap<String, Param>,
    pub(crate) calendar: Option<Calendar>,
    /// Also where it could not be read: its feeds are not to blame.
    pub(crate) calendar_declared: bool,
    pub(crate) targets: BTreeMap<String, Target>,
    pub(crate) default_target: String,
    pub(crate) sources: BTreeMap<String, SourceDecl>,
    /// Every name under `sources`, also of a source that could not be read: its feeds are not to blame.
    pub(crate) source_names: Vec<String>,
    pub(crate) defaults: Option<Node>,
}

impl ProjectFile {
    /// Stands in where `karat.yaml` could not be read.
    pub(crate) fn unknown() -> ProjectFile {
        ProjectFile {
            name: String::new(),
            timezone: "UTC".to_string(),
            timezone_at: None,
            rounding: Rounding::default(),
            params: BTreeMap::new(),
            calendar: None,
            calendar_declared: true,
            targets: BTreeMap::new(),
            default_target: String::new(),
            sources: BTreeMap::new(),
            source_names: Vec::new(),
            defaults: None,
        }
    }
}

/// Where variables come from.
pub(crate) struct Variables<'a> {
    pub(crate) root: &'a Path,
    pub(crate) env: &'a dyn Fn(&str) -> Option<String>,
    /// What a missing one of a source means.
    pub(crate) of_sources: Missing,
    /// The same of a signing key: who only reads a lake need not have it.
    pub(crate) of_keys: Missing,
}

pub(crate) fn read(
    node: &Node,
    variables: &Variables<'_>,
    chosen: Option<&str>,
    report: &mut Reporter,
) -> ProjectFile {
    let name = text(node, "project")
        .map(|name| name.value)
        .unwrap_or_default();
    let timezone_at = text(node, "timezone").map(|zone| zone.at);
    let timezone = match text(node, "timezone") {
        Some(zone) if !is_zone(&zone.value) => {
            report.error(
                zone.at,
                "`timezone` must be the name of a time zone",
                "write it like `Europe/Zurich`, or `UTC`",
            );
            "UTC".to_string()
        }
        Some(zone) => zone.value,
        None => "UTC".to_string(),
    };
    let rounding = choice(
        node,
        "rounding",
        &[
            ("half_away_from_zero", Rounding::HalfAwayFromZero),
            ("half_even", Rounding::HalfEven),
        ],
    );
    let (targets, default_target) = read_targets(node, &name, variables, chosen, report);
    let mut sources = BTreeMap::new();
    let mut source_names = Vec::new();
    for entry in node.get("sources").map(Node::entries).unwrap_or(&[]) {
        source_names.push(entry.key.clone());
        if let Some(source) = read_source(entry, variables, report) {
            sources.insert(entry.key.clone(), source);
        }
    }
    ProjectFile {
        name,
        timezone,
        timezone_at,
        rounding: rounding.unwrap_or_default(),
        params: params::read(node, report),
        calendar: calendar::read(node, variables.root, report),
        calendar_declared: node.get("calendar").is_some(),
        targets,
        default_target,
        sources,
        source_names,
        defaults: node.get("defaults").cloned(),
    }
}

/// The shape of an IANA name; whether it exists, the engine's time-zone table says.
fn is_zone(zone: &str) -> bool {
    zone.starts_with(|c: char| c.is_ascii_alphabetic())
        && zone
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '/' | '_' | '-' | '+'))
}

fn read_source(
    entry: &Entry,
    variables: &Variables<'_>,
    report: &mut Reporter,
) -> Option<SourceDecl> {
    let key = format!("sources.{}", entry.key);
    let path = setting(
        &entry.value,
        "path",
        &key,
        variables,
        variables.of_sources,
        report,
    );
    let kind = match entry.value.get("type")?.scalar()? {
        "files" => SourceKind::Files { path: path? },
        "sqlite" => SourceKind::Sqlite { path: path? },
        _ => return None,
    };
    Some(SourceDecl {
        name: entry.key.clone(),
        kind,
        at: entry.key_at,
    })
}

fn read_targets(
    node: &Node,
    project: &str,
    variables: &Variables<'_>,
    chosen: Option<&str>,
    report: &mut Reporter,
) -> (BTreeMap<String, Target>, String) {
    let entries = node.get("targets").map(Node::entries).unwrap_or(&[]);
    let marked: Vec<&Entry> = entries
        .iter()
        .filter(|entry| flag(&entry.value, "default") == Some(true))
        .collect();
    if let [first, second, ..] = marked.as_slice() {
        let message = format!(
            "two targets are `default`; the first, `{}`, is on line {}",
            first.key, first.key_at.line
        );
        report.error(second.key_at, message, "remove one `default: true`");
    }
    let default = match (marked.first(), entries) {
        (Some(entry), _) => entry.key.clone(),
        (None, []) => "dev".to_string(),
        (None, [only]) => only.key.clone(),
        (None, [first, ..]) => {
            report.error(
                first.key_at,
                "several targets and none is `default`",
                "add `default: true` to the one that commands use when none is named",
            );
            first.key.clone()
        }
    };
    let in_use = chosen.unwrap_or(&default);
    let mut targets = BTreeMap::new();
    for entry in entries {
        let key = format!("targets.{}", entry.key);
        let missing = if entry.key == in_use {
            Missing::Error
        } else {
            Missing::Later
        };
        let lake = setting(&entry.value, "lake", &key, variables, missing, report);
        let catalog = setting(&entry.value, "catalog", &key, variables, missing, report);
        let of_key = match variables.of_keys {
            Missing::Error => missing,
            Missing::Later => Missing::Later,
        };
        let signing_key = setting(&entry.value, "key", &key, variables, of_key, report);
        let alerts = setting(&entry.value, "alerts", &key, variables, missing, report);
        let anchor = anchor(&entry.value, &key, variables, missing, report);
        if let (Some(lake), Some(Anchor::File(place) | Anchor::Git(place))) = (&lake, &anchor)
            && Path::new(place.value()).starts_with(lake.value())
        {
            report.error(
                place.at,
                "the anchor lies in the lake: whoever puts an older state of the one back puts back the other",
                "name a place that those who write the lake do not reach",
            );
        }
        let Some(lake) = lake else {
            continue;
        };
        if let Some((scheme, _)) = lake.value.split_once("://") {
            let message = format!(
                "a lake on `{}://` is not available in this version",
                decode::printable(scheme)
            );
            match missing {
                Missing::Error => report.error(lake.at, message, "use a folder"),
                Missing::Later => {
                    report.warning(lake.at, message, "this target cannot be used yet")
                }
            }
        }
        let format =
            choice(&entry.value, "format", &TableFormat::WORDS).unwrap_or(TableFormat::Delta);
        targets.insert(
            entry.key.clone(),
            Target {
                name: entry.key.clone(),
                catalog: catalog.map_or_else(
                    || format!("{project}_{}", entry.key),
                    |catalog| catalog.value,
                ),
                lake,
                format,
                require_signature: flag(&entry.value, "require_signature").unwrap_or(false),
                key: signing_key,
                anchor,
                alerts,
                at: entry.key_at,
            },
        );
    }
    if entries.is_empty() {
        let at = Place::start(node.at.file);
        let lake = Setting {
            value: "./lake".to_string(),
            written: "./lake".to_string(),
            at,
        };
        targets.insert(
            default.clone(),
            Target {
                name: default.clone(),
                lake,
                catalog: format!("{project}_{default}"),
                format: TableFormat::Delta,
                require_signature: false,
                key: None,
                anchor: None,
                alerts: None,
                at,
            },
        );
    }
    (targets, default)
}

/// What a missing variable means.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    Error,
    /// It belongs to a target or a source that is not in use.
    Later,
}

fn anchor(
    target: &Node,
    path: &str,
    variables: &Variables<'_>,
    missing: Missing,
    report: &mut Reporter,
) -> Option<Anchor> {
    let entry = target.entry("anchor")?;
    let path = format!("{path}.anchor");
    let mut of = |key: &str| setting(&entry.value, key, &path, variables, missing, report);
    let (file, git, http) = (of("file"), of("git"), of("http"));
    match (file, git, http) {
        (Some(file), None, None) => Some(Anchor::File(file)),
        (None, Some(git), None) => Some(Anchor::Git(git)),
        (None, None, Some(url)) => {
            let known = url.value.starts_with("https://") || url.value.starts_with("http://");
            if !known && missing == Missing::Error {
                report.error(
                    url.at,
                    "`http` is no URL",
                    "write it whole, like `https://notary.example.com/heads`",
                );
            }
            known.then_some(Anchor::Http(url))
        }
        _ => {
            let given = ["file", "git", "http"].into_iter();
            // A variable that is missing has been reported.
            if given.filter(|key| entry.value.entry(key).is_some()).count() != 1 {
                report.error(
                    entry.key_at,
                    "`anchor` says one place",
                    "write one of `file`, `git` and `http`",
                );
            }
            None
        }
    }
}

/// Replaces the variables in a value. Messages name the key and the variable, never the value.
fn setting(
    node: &Node,
    key: &str,
    path: &str,
    variables: &Variables<'_>,
    missing: Missing,
    report: &mut Reporter,
) -> Option<Setting> {
    let found = text(node, key)?;
    let written = found.value;
    let mut value = String::new();
    let mut rest = written.as_str();
    while let Some(start) = rest.find("${") {
        value.push_str(&rest[..start]);
        let inner = &rest[start + 2..];
        // A variable that is not well formed has been reported.
        let end = inner.find('}')?;
        let (kind, name) = inner[..end].split_once(':')?;
        let replaced = match kind {
            "env" => (variables.env)(name).ok_or_else(|| {
                (
                    format!("`{path}.{key}` needs the variable `{name}`, which is not set"),
                    format!("set {name} in the environment"),
                )
            }),
            "file" => match std::fs::read_to_string(variables.root.join(name)) {
                Ok(text) => Ok(text.trim_end_matches(['\n', '\r']).to_string()),
                Err(error) => Err((
                    format!(
                        "`{path}.{key}` needs the file `{}`: {}",
                        decode::printable(name),
                        reason(&error)
                    ),
                    "the path is relative to the project folder".to_string(),
                )),
            },
            _ => return None,
        };
        match replaced {
            Ok(text) => value.push_str(&text),
            Err(_) if missing == Missing::Later => value.push_str(&rest[start..start + 3 + end]),
            Err((message, hint)) => {
                report.error(found.at, message, hint);
                return None;
            }
        }
        rest = &inner[end + 1..];
    }
    value.push_str(rest);
    if value.trim().is_empty() {
        if missing == Missing::Error {
            report.error(
                found.at,
                format!("`{path}.{key}` is empty"),
                "write a value, or look at what its variable holds",
            );
        }
        return None;
    }
    Some(Setting {
        value,
        written,
        at: found.at,
    })
}
