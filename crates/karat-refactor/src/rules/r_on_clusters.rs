//! R functions are run on the cluster: `dapply`, `gapply`, `spark.lapply`, `spark_apply`.

use super::{CallFacts, Rule};
use crate::occurrence::Severity;

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "refused/r-functions",
    severity: Severity::Error,
    finds: "R functions are run on the cluster: `dapply`, `gapply`, `spark.lapply`, `spark_apply`.",
    why: "R runs on single-user clusters only, and there these functions reach no table of Unity Catalog with fine-grained rights.",
    before: "dapply(df, f, schema)",
    after: "",
    not_safe: "",
};

pub(super) fn check(facts: &CallFacts<'_>) -> Option<String> {
    let runs = facts.namespace == crate::session::Namespace::R
        && matches!(
            facts.method,
            "dapply"
                | "dapplyCollect"
                | "gapply"
                | "gapplyCollect"
                | "spark.lapply"
                | "spark_apply"
        );
    runs.then(|| {
        format!(
            "`{}` runs R on the cluster, which shared access mode refuses",
            facts.method
        )
    })
}
