//! A stream is processed continuously, or row by row with `foreach`.

use super::{CallFacts, Rule};
use crate::occurrence::Severity;

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "refused/continuous-streams",
    severity: Severity::Warning,
    finds: "A stream is processed continuously, or row by row with `foreach`.",
    why: "Standard (shared) clusters refuse continuous triggers; `foreach` and `foreachBatch` need runtime 14.3 LTS there.",
    before: r#"writeStream.trigger(continuous="1 second")"#,
    after: r#"writeStream.trigger(processingTime="1 second")"#,
    not_safe: "Delays become longer.",
};

pub(super) fn check(facts: &CallFacts<'_>) -> Option<String> {
    if !facts.path.contains("writeStream") {
        return None;
    }
    let continuous = facts.method == "trigger"
        && facts
            .given
            .iter()
            .any(|argument| argument.name.as_deref() == Some("continuous"));
    let rows = matches!(facts.method, "foreach" | "foreachBatch");
    if continuous {
        return Some("continuous triggers are refused on shared clusters".to_owned());
    }
    rows.then(|| {
        format!(
            "`{}` needs runtime 14.3 LTS on shared clusters",
            facts.method
        )
    })
}
