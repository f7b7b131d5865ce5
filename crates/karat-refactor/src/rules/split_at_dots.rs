//! A text that may be a table name is split at its dots.

use super::{CallFacts, Rule};
use crate::occurrence::Severity;

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "shape/split-at-dots",
    severity: Severity::Warning,
    finds: "A text that may be a table name is split at its dots.",
    why: "With `catalog.schema.table` the first part is the catalog and the second the schema: `[0]` and `[1]` mean something else than before.",
    before: r#"db, table = name.split(".")"#,
    after: "",
    not_safe: r#"Where all names have three parts, `catalog, schema, table = name.split(".")` is right; where both kinds arrive, take the parts from the end. The text may be something else than a name: a file with an extension, a version."#,
};

/// A variable of which no text is known; texts that are known come through the evaluation.
pub(super) fn check(facts: &CallFacts<'_>) -> Option<String> {
    let splits = matches!(
        facts.method,
        "split" | "rsplit" | "partition" | "rpartition"
    );
    let at_dots = facts
        .text(0)
        .iter()
        .any(|text| text == "." || text == "\\.");
    (splits && at_dots && !facts.path.is_empty() && !is_other(facts.path))
        .then(|| "with three parts, the first is the catalog and the second the schema".to_owned())
}

/// Whether a variable is called like something else with dots: a file, an address, a version.
pub(super) fn is_other(path: &str) -> bool {
    let path = path.to_ascii_lowercase();
    [
        "file", "path", "version", "url", "host", "mail", "address", "ext",
    ]
    .iter()
    .any(|word| path.contains(word))
}
