//! A global temporary view is made or read.

use super::{CallFacts, Rule};
use crate::occurrence::Severity;

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "refused/global-views",
    severity: Severity::Warning,
    finds: "A global temporary view is made or read.",
    why: "Serverless compute knows no `global_temp`, and on standard (shared) clusters other sessions do not see it.",
    before: r#"df.createGlobalTempView("v")"#,
    after: r#"df.createOrReplaceTempView("v")"#,
    not_safe: "Sessions that share the view need a table or a view of the catalog.",
};

pub(super) fn check(facts: &CallFacts<'_>) -> Option<String> {
    let makes = matches!(
        facts.method,
        "createGlobalTempView" | "createOrReplaceGlobalTempView"
    );
    makes.then(|| {
        format!(
            "`{}` makes a view that serverless compute does not know",
            facts.method
        )
    })
}
