//! Tables of a database are listed, and the names come back with a catalog.

use super::{CallFacts, Rule};
use crate::occurrence::Severity;

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "shape/listed-names",
    severity: Severity::Warning,
    finds: "Tables of a database are listed, and the names come back with a catalog.",
    why: "`listTables` gives three-part names or names of another catalog in Unity Catalog; code that puts the database in front of them again, or compares them, breaks.",
    before: r#"for t in spark.catalog.listTables("sales"): drop("sales." + t.name)"#,
    after: r#"for row in spark.table("system.information_schema.tables").where("table_schema = 'sales'").collect(): drop(row)"#,
    not_safe: "Without a database the current one is listed, of the current catalog.",
};

pub(super) fn check(facts: &CallFacts<'_>) -> Option<String> {
    let catalog = facts.path.ends_with("catalog") || facts.path.ends_with("catalog()");
    let lists = catalog && facts.method == "listTables"
        || matches!(facts.method, "tableNames") && facts.on_session();
    lists.then(|| {
        format!(
            "`{}` gives names with a catalog in Unity Catalog",
            facts.method
        )
    })
}
