//! Code in a text is run with `eval`, `exec` or `compile`.

use super::{CallFacts, Rule};
use crate::occurrence::Severity;

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "shape/run-code",
    severity: Severity::Warning,
    finds: "Code in a text is run with `eval`, `exec` or `compile`.",
    why: "Names in it, or built by it, are seen by no tool.",
    before: r#"eval(repr(name) + ".replace('A', 'B')")"#,
    after: r#"name.replace("A", "B")"#,
    not_safe: "",
};

pub(super) fn check(facts: &CallFacts<'_>) -> Option<String> {
    let runs = (facts.path.is_empty() || facts.path == "builtins")
        && matches!(facts.method, "eval" | "exec" | "compile");
    runs.then(|| format!("`{}` runs code that no tool can follow", facts.method))
}
