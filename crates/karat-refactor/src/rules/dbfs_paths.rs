//! A path of DBFS, of a mount, or straight into storage.

use super::Rule;
use crate::occurrence::Severity;

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "refused/dbfs-paths",
    severity: Severity::Warning,
    finds: "A path of DBFS, of a mount, or straight into storage.",
    why: "DBFS and mounts know no rights; standard clusters do not offer `/dbfs`. Files belong in volumes, tables in the catalog, storage behind external locations.",
    before: r#"spark.read.csv("/mnt/landing/x.csv")"#,
    after: r#"spark.read.csv("/Volumes/prod/landing/files/x.csv")"#,
    not_safe: "The path must be moved for all that read and write it at once; `abfss://` paths work where an external location covers them. Of a path that the mapping moves, this is told of the new one only.",
};

/// Paths of the workspace, of volumes and of the driver's own files.
const OTHERS: &[&str] = &[
    "/volumes/",
    "/workspace/",
    "/repos/",
    "/users/",
    "/shared/",
    "/databricks",
    concat!("/", "tmp/"),
    "/local_disk",
    concat!("/", "root/"),
    concat!("/", "home/"),
    "/opt/",
    "/etc/",
    "//",
];

/// What is the matter with a path; `None` for paths that Unity Catalog takes.
pub(super) fn check(text: &str) -> Option<String> {
    let lower = text
        .get(..text.len().min(32))
        .unwrap_or(text)
        .to_ascii_lowercase();
    let what = if lower.starts_with("/dbfs/") {
        "the driver's window on DBFS is not there on shared clusters"
    } else if lower.starts_with("/mnt/") || lower == "/mnt" || lower.starts_with("dbfs:/mnt/") {
        "mounts know no rights of Unity Catalog; use a volume or an external location"
    } else if lower.starts_with("dbfs:/databricks-datasets")
        || lower.starts_with("/databricks-datasets")
        || lower.starts_with("dbfs:/volumes/")
    {
        return None;
    } else if lower.starts_with("dbfs:/")
        || lower.starts_with("/filestore/")
        || lower.starts_with("/user/hive/")
    {
        "DBFS knows no rights of Unity Catalog; use a volume"
    } else if [
        "s3://", "s3a://", "s3n://", "wasb://", "wasbs://", "adl://", "gs://", "abfss://",
        "abfs://", "hdfs://",
    ]
    .iter()
    .any(|start| lower.starts_with(start))
    {
        "storage is reached by its address; an external location or a volume must cover it"
    } else if lower.starts_with('/')
        && lower.len() > 1
        && !OTHERS.iter().any(|start| lower.starts_with(start))
    {
        "a path in the root of DBFS, which knows no rights of Unity Catalog; use a volume"
    } else {
        return None;
    };
    Some(what.to_owned())
}
