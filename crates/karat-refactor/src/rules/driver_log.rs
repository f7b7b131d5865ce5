//! The log of the driver's JVM is used, or Spark's log level is set from code.

use super::{CallFacts, Rule};
use crate::occurrence::Severity;

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "refused/driver-log",
    severity: Severity::Error,
    finds: "The log of the driver's JVM is used, or Spark's log level is set from code.",
    why: "Neither is reached from standard (shared) clusters.",
    before: r#"sc.setLogLevel("WARN")"#,
    after: r#"logging.getLogger("py4j").setLevel("WARN")"#,
    not_safe: "Spark's own log level is set in the cluster's configuration, `spark.log.level`.",
};

pub(super) fn attribute(path: &str) -> Option<String> {
    path.ends_with("org.apache.log4j").then(|| {
        "the logger of the driver's JVM is out of reach; use Python's `logging`".to_owned()
    })
}

pub(super) fn check(facts: &CallFacts<'_>) -> Option<String> {
    let sets = facts.method == "setLogLevel" && facts.on_context();
    sets.then(|| {
        "Spark's log level is set in the cluster's configuration (`spark.log.level`), not from code"
            .to_owned()
    })
}
