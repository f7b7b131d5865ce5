//! A function or line puts a name together from a database and a table, `f"{db}.{table}"`.

use super::Rule;
use crate::occurrence::Severity;

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "shape/name-helper",
    severity: Severity::Warning,
    finds: r#"A function or line puts a name together from a database and a table, `f"{db}.{table}"`."#,
    why: "It makes two-part names only. Give it the catalog, or give it databases that hold the catalog.",
    before: r#"def full(db, table): return f"{db}.{table}""#,
    after: r#"def full(db, table): return f"{CATALOG}.{db}.{table}""#,
    not_safe: "Callers that give `catalog.schema` as the database already get the right name.",
};
