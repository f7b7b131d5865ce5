//! SQL of Hive that Unity Catalog does not take: `STORED AS`, `ROW FORMAT`, `SERDE`, `MSCK REPAIR`, `LOAD DATA`, `USING HIVE`, `TRANSFORM`.

use super::{CallFacts, Rule};
use crate::occurrence::Severity;

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "refused/hive-syntax",
    severity: Severity::Warning,
    finds: "SQL of Hive that Unity Catalog does not take: `STORED AS`, `ROW FORMAT`, `SERDE`, `MSCK REPAIR`, `LOAD DATA`, `USING HIVE`, `TRANSFORM`.",
    why: "Tables of Unity Catalog are Delta or external files in known formats; partitions of Delta need no repair.",
    before: "CREATE TABLE t (a INT) STORED AS PARQUET",
    after: "CREATE TABLE t (a INT)",
    not_safe: "Readers outside of Databricks may need the files as they are.",
};

pub(super) fn check(facts: &CallFacts<'_>) -> Option<String> {
    if !matches!(facts.method, "sql" | "sdf_sql" | "dbGetQuery" | "dbExecute") {
        return None;
    }
    facts.texts().into_iter().find_map(|text| sql(&text))
}

/// The same for SQL text.
pub(super) fn sql(text: &str) -> Option<String> {
    let upper = text.to_ascii_uppercase();
    let words: Vec<&str> = upper
        .split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'))
        .filter(|word| !word.is_empty())
        .collect();
    let pairs = [
        ("STORED", "AS"),
        ("ROW", "FORMAT"),
        ("MSCK", "REPAIR"),
        ("LOAD", "DATA"),
        ("USING", "HIVE"),
        ("SET", "SERDE"),
        ("CREATE", "INDEX"),
    ];
    let found = words.windows(2).find_map(|pair| {
        pairs
            .iter()
            .find(|(first, second)| pair[0] == *first && pair[1] == *second)
    })?;
    Some(format!(
        "`{} {}` is SQL of Hive that Unity Catalog does not take",
        found.0, found.1
    ))
}
