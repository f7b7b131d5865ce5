//! `spark.catalog` is used.

use super::{CallFacts, Rule};
use crate::occurrence::Severity;

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "refused/catalog-interface",
    severity: Severity::Note,
    finds: "`spark.catalog` is used.",
    why: "On standard (shared) clusters its functions need runtime 14.3 LTS.",
    before: "spark.catalog.tableExists(name)",
    after: "",
    not_safe: "Nothing to change where the cluster's runtime is new enough.",
};

pub(super) fn check(facts: &CallFacts<'_>) -> Option<String> {
    let catalog = facts.path == "spark.catalog" || facts.path.ends_with("spark.catalog");
    catalog.then(|| {
        format!(
            "`spark.catalog.{}` needs runtime 14.3 LTS on shared clusters",
            facts.method
        )
    })
}
