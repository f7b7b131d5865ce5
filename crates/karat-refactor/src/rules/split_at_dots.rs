//! A text that may be a table name is split at its dots.

use super::Rule;
use crate::occurrence::Severity;

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "shape/split-at-dots",
    severity: Severity::Warning,
    finds: "A text that may be a table name is split at its dots.",
    why: "With `catalog.schema.table` the first part is the catalog and the second the schema: `[0]` and `[1]` mean something else than before.",
    before: r#"db, table = name.split(".")"#,
    after: r#"catalog, schema, table = name.split(".")"#,
    not_safe: "The text may be something else than a name (a file with an extension, a version). Where names with two and with three parts arrive, take the parts from the end.",
};
