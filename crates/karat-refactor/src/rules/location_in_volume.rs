//! A table or schema whose location would lie in a volume.

use super::Rule;
use crate::occurrence::Severity;

/// The rule.
pub(crate) static RULE: Rule = Rule {
    id: "refused/location-in-volume",
    severity: Severity::Error,
    finds: "A table or schema whose location lies in a volume, or would by the mapping of paths.",
    why: "Unity Catalog registers no table in a volume: volumes hold files, tables lie in managed storage or in an external location. So such a path is not rewritten.",
    before: r#"spark.sql("CREATE TABLE prod.sales.orders LOCATION '/Volumes/prod/raw/orders'")"#,
    after: r#"spark.sql("CREATE TABLE prod.sales.orders")"#,
    not_safe: "Without a location the catalog manages the table and its files: copy what lies in the old place (`CREATE TABLE … DEEP CLONE`, `SYNC`), or give the URL of an external location that covers it. Others may read the files by their path.",
};
