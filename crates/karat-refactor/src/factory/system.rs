//! Which connectors lead to tables of the metastore, judged by the names of linked service, dataset, source and activity types.

/// What lies behind a connection.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum System {
    /// A Databricks workspace: its tables are ours, and it knows three-part names.
    Databricks,
    /// Hive or Spark outside of Databricks: may be our metastore, and knows no catalogs.
    Hive,
    /// Another database: none of its tables is ours.
    Foreign(String),
    /// Files.
    Files,
    /// Cannot be told.
    Unknown,
}

/// Types that say nothing about the system behind: a driver, a generic reader, a service of the web.
const OPEN: &[&str] = &[
    "odbc",
    "relational",
    "sql",
    "jdbc",
    "rest",
    "http",
    "web",
    "azurefunction",
    "custom",
];

const FILES: &[&str] = &[
    "amazons3",
    "azureblob",
    "azuredatalake",
    "azurefile",
    "file",
    "ftp",
    "googlecloudstorage",
    "hdfs",
    "oraclecloudstorage",
    "sftp",
    "sharepointonline",
    "binary",
    "delimitedtext",
    "parquet",
    "json",
    "avro",
    "orc",
    "excel",
    "xml",
    "iceberg",
    "delta",
    "blob",
];

const FOREIGN: &[&str] = &[
    "amazonrds",
    "amazonredshift",
    "azuremariadb",
    "azuremysql",
    "azurepostgresql",
    "azuresearch",
    "azuresql",
    "azuretable",
    "azuredataexplorer",
    "azuresynapse",
    "cassandra",
    "commondataservice",
    "concur",
    "cosmosdb",
    "couchbase",
    "db2",
    "documentdb",
    "drill",
    "dynamics",
    "eloqua",
    "fabric",
    "googleadwords",
    "googlebigquery",
    "greenplum",
    "hbase",
    "hubspot",
    "impala",
    "informix",
    "jira",
    "lakehouse",
    "magento",
    "mariadb",
    "marketo",
    "microsoftaccess",
    "mongodb",
    "mysql",
    "netezza",
    "office365",
    "oracle",
    "paypal",
    "phoenix",
    "postgresql",
    "presto",
    "quickbooks",
    "responsys",
    "salesforce",
    "sap",
    "servicenow",
    "shopify",
    "snowflake",
    "sqldw",
    "sqlmi",
    "sqlpool",
    "sqlserver",
    "square",
    "sybase",
    "teradata",
    "vertica",
    "warehouse",
    "xero",
    "zoho",
];

/// The system behind a type.
pub fn of_type(kind: &str) -> System {
    let lower = kind.to_lowercase();
    let name = [
        "dataset",
        "source",
        "sink",
        "table",
        "object",
        "linkedservice",
    ]
    .iter()
    .find_map(|end| lower.strip_suffix(end))
    .unwrap_or(&lower);
    if name.starts_with("azuredatabricks") || name.starts_with("databricks") {
        return System::Databricks;
    }
    if name.starts_with("hive")
        || name.starts_with("spark")
        || name.starts_with("hdinsight")
        || name == "databrickshive"
    {
        return System::Hive;
    }
    if OPEN.contains(&name) {
        return System::Unknown;
    }
    if FOREIGN.iter().any(|start| name.starts_with(start)) {
        return System::Foreign(kind.to_owned());
    }
    if FILES.iter().any(|start| name.starts_with(start)) {
        return System::Files;
    }
    System::Unknown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_tell_their_system() {
        for kind in [
            "AzureDatabricks",
            "AzureDatabricksDeltaLake",
            "AzureDatabricksDeltaLakeDataset",
            "AzureDatabricksDeltaLakeSource",
        ] {
            assert_eq!(of_type(kind), System::Databricks, "{kind}");
        }
        for kind in ["Hive", "HiveObject", "SparkSource", "HDInsightOnDemand"] {
            assert_eq!(of_type(kind), System::Hive, "{kind}");
        }
        for kind in [
            "AzureSqlSource",
            "SqlServerTable",
            "SqlDWSink",
            "AzureSqlDWTable",
            "OracleSource",
            "LakehouseTable",
            "AzureSqlDatabase",
        ] {
            assert_eq!(of_type(kind), System::Foreign(kind.to_owned()), "{kind}");
        }
        for kind in [
            "DelimitedTextSource",
            "Parquet",
            "AzureBlobFS",
            "BinarySink",
            "Json",
        ] {
            assert_eq!(of_type(kind), System::Files, "{kind}");
        }
        for kind in ["Odbc", "SqlSource", "RelationalSource", "Whatever"] {
            assert_eq!(of_type(kind), System::Unknown, "{kind}");
        }
    }
}
