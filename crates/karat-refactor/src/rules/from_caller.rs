//! A function gets the name of a table, or SQL, from its caller.

use super::Rule;
use crate::occurrence::Severity;

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "name/from-caller",
    severity: Severity::Note,
    finds: "A function gets the name of a table or database from its caller.",
    why: "Nothing is to be changed here: names are judged where they are written. Callers that no tool sees need a look.",
    before: "def read(name): return spark.table(name)",
    after: "",
    not_safe: "",
};
