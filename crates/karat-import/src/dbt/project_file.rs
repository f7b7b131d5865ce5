//! `dbt_project.yml`, `profiles.yml`, and what they configure.

use crate::folder::Folder;
use crate::import::ImportError;
use crate::jinja::Value;
use crate::outline::Origin;
use crate::sql::Dialect;
use crate::tree::{Data, Node, parse};

use super::{Log, Settings, own_name};

pub(crate) const PROJECT: &str = "dbt_project.yml";

/// Where a kind of file lies, unless the project says otherwise.
const PATHS: [(&str, &[&str]); 6] = [
    ("model-paths", &["models"]),
    ("seed-paths", &["seeds"]),
    ("test-paths", &["tests"]),
    ("snapshot-paths", &["snapshots"]),
    ("macro-paths", &["macros"]),
    ("analysis-paths", &["analyses", "analysis"]),
];

/// The project's own file.
#[derive(Debug)]
pub(crate) struct ProjectFile {
    /// As dbt has it.
    pub(crate) name: String,
    /// As karat has it.
    pub(crate) domain: String,
    /// The project's folder within what was given, with a `/` behind it, or nothing.
    node: Node,
    vars: Vec<(String, Value)>,
}

impl ProjectFile {
    pub(crate) fn read(
        folder: &Folder,
        settings: &Settings,
        log: &mut Log,
    ) -> Result<Self, ImportError> {
        let Some(text) = folder.text(PROJECT) else {
            return Err(ImportError::NoProject {
                what: format!("there is no `{PROJECT}` in the folder: it holds no dbt project"),
                hint: "name the folder that holds it".to_owned(),
            });
        };
        let broken = |line: u32, why: &str| ImportError::NoProject {
            what: format!("{PROJECT}:{line}: the file is broken: {why}"),
            hint: "mend it; `dbt parse` shows it, too".to_owned(),
        };
        let text = text.map_err(|line| broken(line, "it is no UTF-8"))?;
        let node = parse(text).map_err(|(line, why)| broken(line, &why))?;
        let Some(name) = node.text("name") else {
            return Err(broken(1, "it names no project (`name:`)"));
        };
        let mut vars = Vec::new();
        if let Some(declared) = node.get("vars") {
            // Those of the project itself come before those of all projects, wherever they stand.
            let is_own =
                |(key, value): &&(String, Node)| *key == name && matches!(value.data, Data::Map(_));
            let all = declared.entries().iter();
            let own = all.clone().find(is_own).map(|(_, node)| node.entries());
            let all = all.filter(|entry| !is_own(entry));
            vars.extend(
                all.chain(own.unwrap_or_default())
                    .map(|(key, value)| (key.clone(), value.value())),
            );
        }
        for (key, text) in &settings.vars {
            let value = parse(text).map_or(Value::Text(text.clone()), |node| node.value());
            vars.retain(|(name, _)| name != key);
            vars.push((key.clone(), value));
        }
        for hook in ["on-run-start", "on-run-end"] {
            if let Some(found) = node.get(hook) {
                let origin = Origin {
                    file: PROJECT.to_owned(),
                    line: found.line,
                    name: hook.to_owned(),
                };
                log.item("hook", &origin, None);
                log.unmapped(
                    &origin,
                    hook,
                    "karat runs no statements beside models",
                    "run it where the schedule is",
                );
            }
        }
        for file in ["packages.yml", "dependencies.yml"] {
            let packages = folder
                .text(file)
                .and_then(Result::ok)
                .and_then(|text| parse(text).ok());
            let packages = packages.as_ref().and_then(|node| node.get("packages"));
            for package in packages.map_or(&[][..], Node::items) {
                let name = ["package", "git", "local", "tarball"]
                    .into_iter()
                    .find_map(|key| package.text(key));
                let name = name.unwrap_or_else(|| "package".to_owned());
                let origin = Origin {
                    file: file.to_owned(),
                    line: package.line,
                    name: name.clone(),
                };
                log.note(
                    &origin,
                    &name,
                    "packages are not read; what models call of one is listed where they do",
                    "nothing, where nothing is listed",
                );
            }
        }
        Ok(ProjectFile {
            domain: own_name(&name),
            name,
            node,
            vars,
        })
    }

    /// Whose SQL the models are written in.
    pub(crate) fn dialect(&self, folder: &Folder, settings: &Settings, log: &mut Log) -> Dialect {
        if let Some(dialect) = settings.dialect {
            return dialect;
        }
        let adapter = self.adapter(folder);
        let origin = Origin {
            file: PROJECT.to_owned(),
            line: self.node.get("profile").map_or(1, |node| node.line),
            name: "profile".to_owned(),
        };
        match adapter.as_deref().map(|name| (name, Dialect::of_adapter(name))) {
            Some((_, Some(dialect))) => return dialect,
            Some((name, None)) => log.note(
                &origin,
                format!("type: {name}"),
                "this adapter's SQL is not known: only what means the same everywhere is taken over",
                "name one whose SQL it is, with `--dialect`",
            ),
            None => log.note(
                &origin,
                "profile",
                "no `profiles.yml` in the project says whose SQL it is, or which of several targets: only what means the same everywhere is taken over",
                "name it with `--dialect`",
            ),
        }
        Dialect::Unknown
    }

    fn adapter(&self, folder: &Folder) -> Option<String> {
        let profile = self.node.text("profile")?;
        let text = folder.text("profiles.yml")?.ok()?;
        let profiles = parse(text).ok()?;
        let profile = profiles.get(&profile)?;
        let outputs = profile.get("outputs")?;
        let target = profile
            .text("target")
            .unwrap_or_else(|| "default".to_owned());
        if let Some(output) = outputs.get(&target) {
            return output.text("type");
        }
        // A target that a template names may be any of them.
        let mut types = outputs.entries().iter().map(|(_, node)| node.text("type"));
        let first = types.next()?;
        types.all(|other| other == first).then_some(first)?
    }

    /// Whether a file lies below one of the folders of a kind.
    pub(crate) fn is_in(&self, kind: &str, path: &str) -> bool {
        self.below(kind, path).is_some()
    }

    /// The path of a file below its folder.
    pub(crate) fn below<'p>(&self, kind: &str, path: &'p str) -> Option<&'p str> {
        // Older projects call them otherwise.
        let old = match kind {
            "model-paths" => "source-paths",
            "seed-paths" => "data-paths",
            _ => kind,
        };
        let mut declared = self.node.texts(kind);
        if declared.is_empty() {
            declared = self.node.texts(old);
        }
        if declared.is_empty() {
            let usual = PATHS.iter().find(|(name, _)| *name == kind);
            let usual = usual.map_or(&[][..], |(_, paths)| paths);
            declared = usual.iter().map(|path| (*path).to_owned()).collect();
        }
        declared.iter().find_map(|root| {
            let root = root.trim_start_matches("./").trim_end_matches('/');
            path.strip_prefix(root)?.strip_prefix('/')
        })
    }

    pub(crate) fn var(&self, name: &str) -> Option<&Value> {
        self.vars
            .iter()
            .rev()
            .find_map(|(own, value)| (own == name).then_some(value))
    }

    /// What `dbt_project.yml` configures for a file, the nearest last: `models: { shop: { staging: { +materialized: view } } }`.
    pub(crate) fn configured(&self, kind: &str, below: &str, key: &str) -> Option<&Node> {
        let mut node = self.node.get(kind)?;
        let mut found = of_config(node, key);
        let mut way: Vec<&str> = vec![&self.name];
        way.extend(below.split('/'));
        let last = way.pop().map(|file| file.split('.').next().unwrap_or(file));
        way.extend(last);
        for step in way {
            let Some(next) = node.get(step) else { break };
            node = next;
            found = of_config(node, key).or(found);
        }
        found
    }
}

/// A key of a configuration: `+key`, or `key` where it is no folder.
fn of_config<'n>(node: &'n Node, key: &str) -> Option<&'n Node> {
    node.get(&format!("+{key}")).or_else(|| {
        let plain = node.get(key)?;
        let is_folder =
            matches!(plain.data, Data::Map(_)) && key != "column_types" && key != "meta";
        (!is_folder).then_some(plain)
    })
}
