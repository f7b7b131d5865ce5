//! A Java or Scala class is registered as a function from Python.

use super::{CallFacts, Rule};
use crate::occurrence::Severity;

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "refused/java-udf",
    severity: Severity::Error,
    finds: "A Java or Scala class is registered as a function from Python.",
    why: "Refused on standard (shared) clusters.",
    before: r#"spark.udf.registerJavaFunction("f", "com.x.F")"#,
    after: r#"%scala spark.udf.register("f", new com.x.F().call _)"#,
    not_safe: "The class must be in a library that the cluster's allow list names.",
};

pub(super) fn check(facts: &CallFacts<'_>) -> Option<String> {
    let registers = matches!(facts.method, "registerJavaFunction" | "registerJavaUDAF");
    registers
        .then(|| "a Java function cannot be registered from Python on shared clusters".to_owned())
}
