//! Whose SQL it is.

/// The engine that a text was written for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// DuckDB.
    DuckDb,
    /// PostgreSQL, and Redshift.
    Postgres,
    /// Spark and Databricks.
    Spark,
    /// Snowflake.
    Snowflake,
    /// BigQuery.
    BigQuery,
    /// Nobody said: only what means the same everywhere is taken over.
    Unknown,
}

impl Dialect {
    /// By the name of a dbt adapter.
    pub fn of_adapter(name: &str) -> Option<Dialect> {
        Some(match name {
            "duckdb" => Dialect::DuckDb,
            "postgres" | "redshift" => Dialect::Postgres,
            "databricks" | "spark" => Dialect::Spark,
            "snowflake" => Dialect::Snowflake,
            "bigquery" => Dialect::BigQuery,
            _ => return None,
        })
    }

    /// Its name in messages, which is that of dbt's adapter.
    pub fn name(self) -> &'static str {
        match self {
            Dialect::DuckDb => "duckdb",
            Dialect::Postgres => "postgres",
            Dialect::Spark => "databricks",
            Dialect::Snowflake => "snowflake",
            Dialect::BigQuery => "bigquery",
            Dialect::Unknown => "unknown",
        }
    }

    /// Whether `7 / 2` of whole numbers is 3.
    pub(crate) fn cuts_quotients(self) -> bool {
        matches!(self, Dialect::Postgres | Dialect::Unknown)
    }

    /// Whether `"x"` is a text and no name.
    pub(crate) fn quotes_texts_twice(self) -> bool {
        matches!(self, Dialect::Spark | Dialect::BigQuery)
    }
}
