//! Which crate may use which (ARCHITECTURE.md): edges between ours, and who may name a heavy dependency.

/// Each crate with those that it may use. A new edge is a design change: write a few lines in ARCHITECTURE.md first.
const EDGES: &[(&str, &[&str])] = &[
    (
        "karat",
        &[
            "karat-serve",
            "karat-migrate",
            "karat-tune",
            "karat-import",
            "karat-refactor",
            "karat-pipeline",
            "karat-source",
            "karat-project",
            "karat-lake",
            "karat-exact",
            "karat-receipt",
            "karat-sql",
        ],
    ),
    (
        "karat-serve",
        &[
            "karat-pipeline",
            "karat-project",
            "karat-lake",
            "karat-exact",
            "karat-receipt",
        ],
    ),
    (
        "karat-migrate",
        &[
            "karat-refactor",
            "karat-lake",
            "karat-exact",
            "karat-receipt",
        ],
    ),
    ("karat-tune", &["karat-lake", "karat-sql", "karat-receipt"]),
    ("karat-import", &["karat-project"]),
    ("karat-refactor", &["karat-sql", "karat-receipt"]),
    (
        "karat-pipeline",
        &[
            "karat-source",
            "karat-project",
            "karat-lake",
            "karat-exact",
            "karat-receipt",
        ],
    ),
    ("karat-source", &[]),
    ("karat-project", &["karat-sql"]),
    ("karat-lake", &["karat-exact"]),
    ("karat-exact", &[]),
    ("karat-receipt", &[]),
    ("karat-sql", &[]),
    ("xtask", &[]),
];

/// Heavy dependencies, by the start of their name, with the crates that may name them.
const HEAVY: &[(&str, &[&str])] = &[
    ("datafusion", &["karat-exact"]),
    ("deltalake", &["karat-lake"]),
    ("iceberg", &["karat-lake"]),
    // The tests of the program make databases for it to load.
    ("rusqlite", &["karat-source", "karat-pipeline", "karat"]),
];

/// Crates that do text work and must never relink Arrow.
const WITHOUT_ARROW: &[&str] = &[
    "karat-sql",
    "karat-project",
    "karat-import",
    "karat-receipt",
    "karat-refactor",
    "xtask",
];

/// What is wrong with the dependencies of one package.
pub(crate) fn check(path: &str, manifest: &str) -> Vec<String> {
    let mut findings = Vec::new();
    let package = package_name(manifest).unwrap_or_default();
    let allowed = EDGES.iter().find(|(name, _)| *name == package);
    if allowed.is_none() {
        findings.push(format!(
            "{path}: the crate `{package}` is not in the table of edges (xtask/src/edges.rs)"
        ));
    }
    for (line, dependency) in dependencies(manifest) {
        let at = format!("{path}:{line}");
        let is_ours = dependency == "karat" || dependency.starts_with("karat-");
        let is_allowed = allowed.is_some_and(|(_, edges)| edges.contains(&dependency.as_str()));
        if is_ours && !is_allowed {
            findings.push(format!(
                "{at}: `{package}` must not use `{dependency}` (ARCHITECTURE.md)"
            ));
        }
        for (heavy, crates) in HEAVY {
            if dependency.starts_with(heavy) && !crates.contains(&package.as_str()) {
                findings.push(format!(
                    "{at}: only {} may name `{dependency}`",
                    crates.join(" and ")
                ));
            }
        }
        let is_arrow = dependency.starts_with("arrow") || dependency.starts_with("parquet");
        if is_arrow && WITHOUT_ARROW.contains(&package.as_str()) {
            findings.push(format!(
                "{at}: `{package}` does text work and must not name `{dependency}`"
            ));
        }
    }
    findings
}

/// Whether a source file of this package names a heavy crate that is not its own to name, as through a re-export.
pub(crate) fn check_source(path: &str, code: &str) -> Vec<String> {
    let mut findings = Vec::new();
    let Some(package) = path
        .strip_prefix("crates/")
        .and_then(|path| path.split('/').next())
    else {
        return findings;
    };
    let is_product = path.contains("/src/");
    for (number, line) in code.lines().enumerate() {
        if is_product && package != "karat-lake" && line.contains("_delta_log") {
            findings.push(format!(
                "{path}:{}: only karat-lake knows where a table keeps its log: ask the table",
                number + 1
            ));
        }
        for (heavy, crates) in HEAVY {
            let names =
                line.contains(&format!("{heavy}::")) || line.contains(&format!("{heavy}_core::"));
            if names && !crates.contains(&package) {
                findings.push(format!(
                    "{path}:{}: only {} may name `{heavy}`",
                    number + 1,
                    crates.join(" and ")
                ));
            }
        }
    }
    findings
}

fn package_name(manifest: &str) -> Option<String> {
    let mut section = "";
    for line in manifest.lines().map(str::trim) {
        if line.starts_with('[') {
            section = line;
        }
        if let (Some(("name", value)), "[package]") = (split_key(line), section) {
            return Some(value.trim_matches('"').to_owned());
        }
    }
    None
}

/// The dependencies of every kind, each with its line: `name = …`, `name.workspace = true`, `[dependencies.name]`, and
/// what a `package = "…"` renames.
fn dependencies(manifest: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut is_list = false;
    for (number, line) in manifest.lines().enumerate() {
        let line = line.trim();
        if line.starts_with('[') {
            let section = line.trim_matches(['[', ']']);
            is_list = section.ends_with("dependencies");
            if let Some((_, name)) = section.split_once("dependencies.") {
                found.push((number + 1, name.trim_matches('"').to_owned()));
            }
            continue;
        }
        if let Some((_, renamed)) = line.split_once("package = \"") {
            found.extend(
                renamed
                    .split('"')
                    .next()
                    .map(|name| (number + 1, name.to_owned())),
            );
        }
        if let (true, Some((key, _))) = (is_list, split_key(line)) {
            let name = key.split('.').next().unwrap_or(key);
            found.push((number + 1, name.trim_matches('"').to_owned()));
        }
    }
    found
}

fn split_key(line: &str) -> Option<(&str, &str)> {
    if line.starts_with('#') {
        return None;
    }
    line.split_once('=')
        .map(|(key, value)| (key.trim(), value.trim()))
}

#[cfg(test)]
mod tests {
    use super::{check, check_source};

    fn manifest(package: &str, rest: &str) -> String {
        format!("[package]\nname = \"{package}\"\n\n{rest}")
    }

    #[test]
    fn an_edge_of_the_table_is_allowed() {
        let text = manifest(
            "karat-lake",
            "[dependencies]\nkarat-exact.workspace = true\ndeltalake-core = \"1\"\n",
        );
        assert_eq!(check("Cargo.toml", &text), Vec::<String>::new());
    }

    #[test]
    fn another_edge_is_found_in_every_form() {
        for rest in [
            "[dependencies]\nkarat-lake.workspace = true\n",
            "[dev-dependencies]\nkarat-lake = { path = \"../karat-lake\" }\n",
            "[dependencies.karat-lake]\npath = \"x\"\n",
            "[target.'cfg(unix)'.dependencies]\nkarat-lake.workspace = true\n",
            "[dependencies]\nlake = { package = \"karat-lake\", path = \"x\" }\n",
        ] {
            let findings = check("Cargo.toml", &manifest("karat-exact", rest));
            assert_eq!(findings.len(), 1, "{rest}: {findings:?}");
            assert!(findings[0].contains("`karat-exact` must not use `karat-lake`"));
        }
    }

    #[test]
    fn heavy_dependencies_are_named_where_they_belong() {
        let text = manifest(
            "karat-pipeline",
            "[dependencies]\ndatafusion.workspace = true\nrusqlite = \"1\"\n",
        );
        assert_eq!(
            check("Cargo.toml", &text),
            ["Cargo.toml:5: only karat-exact may name `datafusion`"]
        );
        let text = manifest("karat-sql", "[dependencies]\narrow.workspace = true\n");
        assert_eq!(check("Cargo.toml", &text).len(), 1);
        assert_eq!(
            check_source("crates/karat/src/a.rs", "use karat_exact::datafusion::x;").len(),
            1
        );
        assert!(check_source("crates/karat-exact/src/a.rs", "use datafusion::x;").is_empty());
    }

    #[test]
    fn a_crate_that_is_not_in_the_table_is_found() {
        assert_eq!(check("Cargo.toml", &manifest("karat-new", "")).len(), 1);
    }
}
