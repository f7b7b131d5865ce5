//! A call names the table and its database as two arguments.

use super::Rule;
use crate::occurrence::Severity;

/// The rule.
pub(crate) static RULE: Rule = Rule {
    id: "shape/database-apart",
    severity: Severity::Error,
    finds: "A call names the table and its database as two arguments.",
    why: "The form with two arguments looks in the metastore of Hive (or is gone): it says that the table is not there, and code then makes it again.",
    before: r#"spark.catalog.tableExists("orders", "sales")"#,
    after: r#"spark.catalog.tableExists("prod.sales.orders")"#,
    not_safe: "Scala gives the database first, Python the table.",
};
