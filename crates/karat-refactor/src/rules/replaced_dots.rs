//! Dots of a text that may be a table name are replaced.

use super::{CallFacts, Rule};
use crate::occurrence::Severity;

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "shape/replaced-dots",
    severity: Severity::Warning,
    finds: "Dots of a text that may be a table name are replaced.",
    why: "A name with one more part gives another file name, key or identifier than before; what was written under the old one is not found.",
    before: r#"checkpoint = "/chk/" + name.replace(".", "_")"#,
    after: "",
    not_safe: r#"Checkpoints must keep their old path, or the stream begins anew: keep the old name for them."#,
};

/// A variable of which no text is known; texts that are known come through the evaluation.
pub(super) fn check(facts: &CallFacts<'_>) -> Option<String> {
    let replaces = matches!(facts.method, "replace" | "replaceAll");
    let dots = facts
        .text(0)
        .iter()
        .any(|text| text == "." || text == "\\.");
    (replaces && dots && !facts.path.is_empty() && !super::split_at_dots::is_other(facts.path))
        .then(|| "a name with three parts gives another text than before".to_owned())
}
