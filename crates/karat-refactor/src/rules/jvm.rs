//! Python or R reaches into the JVM: `_jvm`, `_jsc`, `_jdf`, `_jsparkSession`, `sparkR.callJMethod`.

use super::{CallFacts, Rule};
use crate::occurrence::Severity;

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "refused/jvm",
    severity: Severity::Error,
    finds: "Python or R reaches into the JVM: `_jvm`, `_jsc`, `_jdf`, `_jsparkSession`, `sparkR.callJMethod`.",
    why: "There is no JVM behind the client on standard (shared) clusters and serverless compute.",
    before: "spark._jsparkSession.catalog().tableExists(db, t)",
    after: r#"spark.catalog.tableExists(f"{catalog}.{db}.{t}")"#,
    not_safe: "",
};

const PARTS: &[&str] = &[
    "_jvm",
    "_jsc",
    "_jdf",
    "_jsparkSession",
    "_jspark",
    "_jconf",
    "_gateway",
    "_jwrapped",
    "_jdbc",
];

pub(super) fn attribute(path: &str) -> Option<String> {
    let last = path.rsplit('.').next().unwrap_or_default();
    PARTS
        .contains(&last)
        .then(|| format!("`{last}` reaches into the JVM of the driver"))
}

pub(super) fn check(facts: &CallFacts<'_>) -> Option<String> {
    let calls = matches!(
        facts.method,
        "sparkR.callJMethod"
            | "sparkR.callJStatic"
            | "sparkR.newJObject"
            | "invoke_static"
            | "invoke_new"
    );
    calls.then(|| format!("`{}` reaches into the JVM of the driver", facts.method))
}
