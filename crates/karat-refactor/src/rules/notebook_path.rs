//! Which notebook is run is decided at run time.

use super::{CallFacts, Rule};
use crate::occurrence::Severity;

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "name/notebook-path",
    severity: Severity::Warning,
    finds: "Which notebook is run is decided at run time.",
    why: "What it reads and writes, and with which parameters, is not known here: the estate's order of work and the values of its widgets miss an edge.",
    before: "dbutils.notebook.run(path, 0)",
    after: r#"dbutils.notebook.run("./load", 0)"#,
    not_safe: "",
};

pub(super) fn check(facts: &CallFacts<'_>) -> Option<String> {
    let runs = facts.path.ends_with("utils.notebook") && facts.method == "run";
    (runs && !facts.given.is_empty() && !facts.is_known(0))
        .then(|| "which notebook is run is decided at run time".to_owned())
}
