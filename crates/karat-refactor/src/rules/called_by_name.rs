//! A function is found by its name in a text: `getattr(module, name)`, `globals()[name]`.

use super::{CallFacts, Rule};
use crate::occurrence::Severity;

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "shape/called-by-name",
    severity: Severity::Note,
    finds: "A function is found by its name in a text: `getattr(module, name)`, `globals()[name]`.",
    why: "Which function gets the table is not known; look at all that it can be.",
    before: r#"getattr(sys.modules[__name__], f"{method}")(spark.table(name))"#,
    after: "HANDLERS[method](spark.table(name))",
    not_safe: "",
};

pub(super) fn check(facts: &CallFacts<'_>) -> Option<String> {
    let by_name = facts.path.is_empty() && facts.method == "getattr" && facts.given.len() >= 2;
    (by_name && !facts.is_literal(1))
        .then(|| "which attribute is meant is decided at run time".to_owned())
}
