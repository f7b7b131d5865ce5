//! The answer of `SHOW VIEWS`, `SHOW TABLES` or `SHOW DATABASES` is used by code.

use super::{CallFacts, Rule};
use crate::occurrence::Severity;

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "shape/show-statements",
    severity: Severity::Warning,
    finds: "The answer of `SHOW VIEWS`, `SHOW TABLES` or `SHOW DATABASES` is used by code.",
    why: "The columns are called otherwise (`databaseName` became `namespace`), temporary views are listed too, and the names lack the catalog.",
    before: r#"spark.sql("SHOW VIEWS FROM sales LIKE 'v*'").count()"#,
    after: r#"spark.sql("SELECT * FROM prod.information_schema.views WHERE table_schema = 'sales'")"#,
    not_safe: "Whoever has no right to a table does not see it in `information_schema`.",
};

pub(super) fn check(facts: &CallFacts<'_>) -> Option<String> {
    if !matches!(facts.method, "sql" | "sdf_sql" | "dbGetQuery") {
        return None;
    }
    let shows = facts.texts().into_iter().find_map(|text| {
        let start = text
            .trim_start()
            .get(..16)
            .unwrap_or(text.trim_start())
            .to_ascii_lowercase();
        [
            "show views",
            "show tables",
            "show databases",
            "show schemas",
            "show table e",
        ]
        .into_iter()
        .find(|word| start.starts_with(word))
    })?;
    Some(format!(
        "the answer of `{}` has other columns and names in Unity Catalog",
        shows.to_ascii_uppercase()
    ))
}
