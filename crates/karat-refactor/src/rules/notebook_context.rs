//! The context of the notebook is read as JSON: `getContext().toJson()`.

use super::{CallFacts, Rule};
use crate::occurrence::Severity;

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "refused/notebook-context",
    severity: Severity::Error,
    finds: "The context of the notebook is read as JSON: `getContext().toJson()`.",
    why: "`toJson` is not there on standard (shared) clusters.",
    before: "dbutils.notebook.entry_point.getDbutils().notebook().getContext().toJson()",
    after: "dbutils.notebook.entry_point.getDbutils().notebook().getContext().safeToJson()",
    not_safe: "`safeToJson` holds fewer facts; since 13.3 LTS.",
};

pub(super) fn check(facts: &CallFacts<'_>) -> Option<String> {
    let reads = facts.method == "toJson"
        && (facts.path.contains("getContext") || facts.path.contains("dbutils"));
    reads.then(|| {
        "`toJson` of the notebook's context is refused; `safeToJson` gives a part of it".to_owned()
    })
}
