//! Whose SQL it is.

/// The engine that a text was written for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// DuckDB.
    DuckDb,
    /// PostgreSQL.
    Postgres,
    /// Redshift, which once was PostgreSQL: what means the same everywhere is taken over.
    Redshift,
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
            "postgres" => Dialect::Postgres,
            "redshift" => Dialect::Redshift,
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
            Dialect::Redshift => "redshift",
            Dialect::Spark => "databricks",
            Dialect::Snowflake => "snowflake",
            Dialect::BigQuery => "bigquery",
            Dialect::Unknown => "unknown",
        }
    }

    /// Whether `7 / 2` of whole numbers is 3.
    pub(crate) fn cuts_quotients(self) -> bool {
        matches!(
            self,
            Dialect::Postgres | Dialect::Redshift | Dialect::Unknown
        )
    }

    /// Where nulls stand in an order that does not say so, up and down: whether first; `None`: nobody knows. In karat they are last.
    pub(crate) fn nulls_first(self, descending: bool) -> Option<bool> {
        match self {
            Dialect::DuckDb => Some(false),
            Dialect::Postgres | Dialect::Redshift | Dialect::Snowflake => Some(descending),
            Dialect::Spark | Dialect::BigQuery => Some(!descending),
            Dialect::Unknown => None,
        }
    }

    /// Whether a `\` in a text may begin an escape.
    pub(crate) fn may_escape(self) -> bool {
        !matches!(self, Dialect::DuckDb | Dialect::Postgres)
    }

    /// Whether `"x"` is a text and no name.
    pub(crate) fn quotes_texts_twice(self) -> bool {
        matches!(self, Dialect::Spark | Dialect::BigQuery)
    }
}
