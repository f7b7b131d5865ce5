//! A function on frames, an Arrow function or a table function is used.

use super::{CallFacts, Rule};
use crate::occurrence::Severity;

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "refused/udf-runtime",
    severity: Severity::Note,
    finds: "A function on frames, an Arrow function or a table function is used.",
    why: "On standard (shared) clusters these need a new runtime: `applyInPandas`, `mapInPandas`, Arrow functions and table functions 14.3 LTS.",
    before: "df.groupBy(k).applyInPandas(f, schema)",
    after: "",
    not_safe: "Nothing to change where the cluster's runtime is new enough.",
};

pub(super) fn check(facts: &CallFacts<'_>) -> Option<String> {
    let arrow = facts
        .given
        .iter()
        .any(|argument| argument.name.as_deref() == Some("useArrow"));
    let frames = matches!(
        facts.method,
        "applyInPandas"
            | "mapInPandas"
            | "applyInPandasWithState"
            | "udtf"
            | "mapInArrow"
            | "cogroup"
    ) && facts.namespace == crate::session::Namespace::Python;
    let arrow = arrow && matches!(facts.method, "udf" | "register");
    (frames || arrow).then(|| {
        format!(
            "`{}` needs runtime 14.3 LTS on shared clusters",
            facts.method
        )
    })
}
