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

pub(super) fn attribute(path: &str) -> Option<String> {
    // `sc.x` once, not each longer path again.
    if path
        .strip_prefix("sc.")
        .is_some_and(|rest| !rest.contains('.'))
    {
        return Some("`sc` is an old context that shared clusters refuse; use `spark`".to_owned());
    }
    let context = path.ends_with("spark.sparkContext")
        || path.ends_with("._sc")
        || path == "sc"
        || path == "sqlContext"
        || path.ends_with(".sqlContext");
    context.then(|| format!("`{path}` is an old context that shared clusters refuse; use `spark`"))
}

pub(super) fn check(facts: &CallFacts<'_>) -> Option<String> {
    if facts.path == "sc"
        || facts.path.starts_with("sc.")
        || facts.path == "sqlContext"
        || facts.path.starts_with("sqlContext.")
    {
        let context = facts.path.split('.').next().unwrap_or_default();
        return Some(format!(
            "`{context}` is an old context that shared clusters refuse; use `spark`"
        ));
    }
    if facts.path.is_empty() && facts.method == "spark" {
        return None;
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
