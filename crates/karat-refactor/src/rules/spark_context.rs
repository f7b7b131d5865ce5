//! The old contexts are used: `sc`, `spark.sparkContext`, `sqlContext`, `HiveContext`.

use super::{CallFacts, Rule};
use crate::occurrence::Severity;

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "refused/spark-context",
    severity: Severity::Error,
    finds: "The old contexts are used: `sc`, `spark.sparkContext`, `sqlContext`, `HiveContext`.",
    why: "Unity Catalog refuses the Spark context on standard (shared) clusters and serverless compute. What is left of it has a place on the session.",
    before: "sc.version, sqlContext.table(name)",
    after: "spark.version, spark.table(name)",
    not_safe: "What only the context can do (accumulators, broadcast, Hadoop configuration) needs another way.",
};

/// The contexts by the names that notebooks know them by.
const NAMES: &[&str] = &["sc", "sqlContext"];

pub(super) fn attribute(path: &str) -> Option<String> {
    // `sc.x` and `spark.sparkContext`, not each longer path again.
    let (object, name) = path.rsplit_once('.')?;
    let context = if NAMES.contains(&object) {
        object
    } else if name == "sparkContext" || name == "_sc" || name == "sqlContext" {
        path
    } else {
        return None;
    };
    Some(format!(
        "`{context}` is an old context that shared clusters refuse; use `spark`"
    ))
}

pub(super) fn check(facts: &CallFacts<'_>) -> Option<String> {
    if NAMES.contains(&facts.path) {
        return Some(format!(
            "`{}` is an old context that shared clusters refuse; use `spark`",
            facts.path
        ));
    }
    let makes = matches!(facts.method, "SQLContext" | "HiveContext" | "SparkContext")
        || facts.path.ends_with("SparkContext") && facts.method == "getOrCreate";
    makes.then(|| {
        format!(
            "`{}` makes an old context that shared clusters refuse",
            facts.method
        )
    })
}
