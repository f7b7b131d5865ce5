//! Keys to storage are set in the session's configuration.

use super::{CallFacts, Rule};
use crate::occurrence::Severity;

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "refused/storage-keys",
    severity: Severity::Error,
    finds: "Keys to storage are set in the session's configuration.",
    why: "Standard clusters refuse them, and on others they pass by Unity Catalog: storage credentials and external locations take their place.",
    before: r#"spark.conf.set("fs.azure.account.key.x.dfs.core.windows.net", key)"#,
    after: "",
    not_safe: "Code that writes where no external location is must wait for one.",
};

pub(super) fn check(facts: &CallFacts<'_>) -> Option<String> {
    if !matches!(facts.method, "set" | "setConf") {
        return None;
    }
    let key = facts.text(0).into_iter().find(|key| {
        [
            "fs.azure.",
            "fs.s3",
            "fs.gs.",
            "dfs.adls.",
            "spark.hadoop.fs.",
            "fs.adl.",
        ]
        .iter()
        .any(|start| key.starts_with(start))
    })?;
    let start: String = key.split('.').take(3).collect::<Vec<_>>().join(".");
    Some(format!(
        "`{start}…` is a key to storage in the session; Unity Catalog uses storage credentials"
    ))
}
