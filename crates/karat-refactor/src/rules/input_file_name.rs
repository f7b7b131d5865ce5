//! `input_file_name()` is used.

use super::{CallFacts, Rule};
use crate::occurrence::Severity;

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "refused/input-file-name",
    severity: Severity::Warning,
    finds: "`input_file_name()` is used.",
    why: "Refused on standard (shared) clusters and serverless compute; the file's metadata column tells the same.",
    before: r#"df.withColumn("file", input_file_name())"#,
    after: r#"df.withColumn("file", col("_metadata.file_path"))"#,
    not_safe: "The metadata column must be selected before the frame is joined or grouped.",
};

pub(super) fn check(facts: &CallFacts<'_>) -> Option<String> {
    (facts.method == "input_file_name")
        .then(|| "`input_file_name` is refused; select `_metadata.file_path`".to_owned())
}
