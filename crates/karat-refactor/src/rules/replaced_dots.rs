//! Dots of a text that may be a table name are replaced.

use super::Rule;
use crate::occurrence::Severity;

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "shape/replaced-dots",
    severity: Severity::Warning,
    finds: "Dots of a text that may be a table name are replaced.",
    why: "A name with one more part gives another file name, key or identifier than before; what was written under the old one is not found.",
    before: r#"checkpoint = "/chk/" + name.replace(".", "_")"#,
    after: r#"checkpoint = "/chk/" + name.split(".", 1)[1].replace(".", "_")"#,
    not_safe: "Checkpoints must keep their old path, or the stream begins anew.",
};
