//! Storage is mounted, unmounted, or mounts are listed.

use super::{CallFacts, Rule};
use crate::occurrence::Severity;

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "refused/mounts",
    severity: Severity::Error,
    finds: "Storage is mounted, unmounted, or mounts are listed.",
    why: "Mounts pass by the rights of Unity Catalog; standard clusters refuse to make them. Storage is reached through external locations and volumes.",
    before: r#"dbutils.fs.mount(source, "/mnt/raw")"#,
    after: r#"spark.read.load("/Volumes/prod/raw/files/")"#,
    not_safe: "Other workspaces and jobs may use the same mount.",
};

pub(super) fn check(facts: &CallFacts<'_>) -> Option<String> {
    let mounts = facts.path.starts_with("dbutils.fs") || facts.path.ends_with("dbutils.fs");
    let mounts = mounts
        && matches!(
            facts.method,
            "mount" | "unmount" | "mounts" | "refreshMounts" | "updateMount"
        );
    mounts.then(|| {
        format!(
            "`dbutils.fs.{}` handles mounts; Unity Catalog uses external locations and volumes",
            facts.method
        )
    })
}
