//! Files are handled through Hadoop's or the JVM's file system.

use super::Rule;
use crate::occurrence::Severity;

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "refused/hadoop-files",
    severity: Severity::Error,
    finds: "Files are handled through Hadoop's or the JVM's file system.",
    why: "The configuration of the driver holds no rights of Unity Catalog; standard clusters refuse it.",
    before: "FileSystem.get(sc.hadoopConfiguration)",
    after: "dbutils.fs.ls(path)",
    not_safe: "",
};

pub(super) fn attribute(path: &str) -> Option<String> {
    let last = path.rsplit('.').next().unwrap_or_default();
    matches!(last, "hadoopConfiguration" | "_hadoopConfiguration")
        .then(|| "Hadoop's configuration is out of reach on shared clusters".to_owned())
}
