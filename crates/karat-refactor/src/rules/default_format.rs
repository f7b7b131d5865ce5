//! A table or folder is written or read without a format.

use super::{CallFacts, Rule};
use crate::occurrence::Severity;

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "refused/default-format",
    severity: Severity::Note,
    finds: "A table or folder is written or read without a format.",
    why: "The default was Parquet before runtime 8.0 and is Delta since; tables of Unity Catalog are Delta if nothing else is said.",
    before: r#"df.write.saveAsTable("sales.orders")"#,
    after: r#"df.write.format("delta").saveAsTable("prod.sales.orders")"#,
    not_safe: "Readers of the files, and paths that hold Parquet already.",
};

pub(super) fn check(facts: &CallFacts<'_>) -> Option<String> {
    let writer = facts.path.split('.').any(|part| {
        matches!(
            part.trim_end_matches("()"),
            "write" | "writeStream" | "read" | "readStream" | "writeTo"
        )
    });
    let ends = matches!(
        facts.method,
        "saveAsTable" | "save" | "load" | "writeTo" | "toTable" | "insertInto"
    );
    let formatted = facts.path.contains("format(")
        || facts.path.contains("using()")
        || facts
            .given
            .iter()
            .any(|argument| matches!(argument.name.as_deref(), Some("format" | "source")));
    let ends = ends && facts.method != "insertInto";
    (ends
        && (writer || matches!(facts.method, "saveAsTable"))
        && !formatted
        && facts.namespace != crate::session::Namespace::R)
        .then(|| {
            format!(
                "`{}` without a format: Parquet before runtime 8.0, Delta since",
                facts.method
            )
        })
}
