//! What the arguments of known calls are: tables, SQL, paths, databases, views, columns, or only words.
//!
//! A call is known by its last name and by what it is called on. The receiver is a path of names as the evaluation sees it:
//! `spark.read`, `df.write.format()`, `dbutils.fs`; empty for a bare function. What is not known here gives no licence for an edit.

use crate::occurrence::Role;
use crate::session::Namespace;

/// What an argument is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The name of a table.
    Table(Role),
    /// SQL text.
    Sql,
    /// SQL text that another session of the metastore runs: a client of Hive or of a warehouse. It knows nothing of this one's `USE` and views.
    SqlElsewhere,
    /// SQL text that the connection in the first argument runs.
    SqlOver,
    /// The name of a table that the connection in the first argument knows.
    TableOver(Role),
    /// SQL of an expression: columns, seldom a subquery.
    Condition,
    /// The name of a database.
    Database,
    /// The database that is current from here on.
    SetDatabase,
    /// The catalog that is current from here on.
    SetCatalog,
    /// A path of storage.
    Path,
    /// The path of a table that the catalog keeps.
    Location,
    /// A path of the driver's own files.
    File,
    /// The name of a temporary view that is made here.
    View,
    /// The name of a temporary view that is dropped here.
    DroppedView,
    /// The name of a data set of a pipeline.
    Dataset(Role),
    /// Columns and the like: a dot in it divides an alias or struct from a field.
    Column,
    /// Shown to people.
    Shown,
    /// A word that is no name of a table: a format, a mode, the key of an option.
    Word,
    /// A table or query of another system.
    Foreign,
    /// A notebook.
    Notebook,
    /// A table's name whose database is another argument of the same call.
    Apart,
    /// Not followed.
    Unknown,
}

/// What a call's arguments are.
#[derive(Clone, Copy, Debug)]
pub struct Meaning {
    /// Position, name, and what it is.
    pub places: &'static [(usize, &'static str, Place)],
    /// All other arguments.
    pub rest: Place,
}

const READ: Place = Place::Table(Role::Read);
const WRITE: Place = Place::Table(Role::Write);
const NAMED: Place = Place::Table(Role::Name);

const fn of(places: &'static [(usize, &'static str, Place)]) -> Meaning {
    Meaning {
        places,
        rest: Place::Word,
    }
}

const fn all(rest: Place) -> Meaning {
    Meaning { places: &[], rest }
}

/// Names that a session goes by.
fn is_session(path: &str) -> bool {
    let last = path
        .rsplit('.')
        .next()
        .unwrap_or(path)
        .trim_end_matches("()")
        .to_ascii_lowercase();
    last.contains("spark")
        || matches!(
            last.as_str(),
            "sqlcontext"
                | "hivecontext"
                | "sqlctx"
                | "sql_context"
                | "hc"
                | "session"
                | "ss"
                | "getorcreate"
                | "newsession"
                | "sqlc"
        )
}

/// Whether a path is a reader or writer of Spark, as `spark.read.format()` or `df.write`.
fn is_reader_or_writer(path: &str) -> bool {
    path.split('.').any(|part| {
        matches!(
            part.trim_end_matches("()"),
            "read"
                | "readStream"
                | "write"
                | "writeStream"
                | "reader"
                | "writer"
                | "DataFrameReader"
                | "DataFrameWriter"
        )
    })
}

fn is_reader(path: &str) -> bool {
    path.split('.').any(|part| {
        matches!(
            part.trim_end_matches("()"),
            "read" | "readStream" | "reader" | "DataFrameReader"
        )
    })
}

/// Whose tables the SQL is about that goes over a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connection {
    /// The session of the notebook.
    Session,
    /// Another session of the metastore.
    Metastore,
    /// A database of another kind.
    Foreign,
    /// Nobody knows.
    Unknown,
}

/// Clients of the metastore by what makes their connections.
const METASTORE_CLIENTS: &[&str] = &[
    "databricks.sql.connect()",
    "hive.connect()",
    "hive.Connection()",
    "impala.dbapi.connect()",
    "odbc.databricks",
];

/// Clients of other databases, likewise. ODBC and SQLAlchemy can be anything.
const FOREIGN_CLIENTS: &[&str] = &[
    "BigQuery.",
    "bigrquery.",
    "cx_Oracle.",
    "duckdb.",
    "MariaDB.",
    "mysql.connector.",
    "MySQLdb.",
    "oracledb.",
    "psycopg.",
    "psycopg2.",
    "pymssql.",
    "pymysql.",
    "redshift_connector.",
    "RMariaDB.",
    "RMySQL.",
    "RPostgres.",
    "RPostgreSQL.",
    "RRedshiftSQL.",
    "RSQLite.",
    "snowflake.connector.",
    "sqlite3.",
];

/// What a connection, cursor or client is, by its path of names.
pub fn connection(path: &str) -> Connection {
    if METASTORE_CLIENTS.iter().any(|client| path.contains(client)) {
        return Connection::Metastore;
    }
    let foreign = FOREIGN_CLIENTS
        .iter()
        .any(|client| path.starts_with(client) || path.contains(&format!(".{client}")));
    if foreign && path.contains("()") {
        return Connection::Foreign;
    }
    let first = path.split('.').next().unwrap_or(path);
    if first == "sc"
        || path.contains("spark_connect()")
        || path.to_ascii_lowercase().contains("spark")
    {
        return Connection::Session;
    }
    Connection::Unknown
}

/// Whether a path is that of a module or client that is called after the engine it gives SQL to, as `hive.run(…)` of the Wikimedia
/// Foundation's `wmfdata`.
fn is_named_after_engine(path: &str) -> bool {
    matches!(path.rsplit('.').next(), Some("hive" | "spark"))
}

/// What the arguments of a call are, if it is known. `count` is the number of arguments without a name.
pub fn meaning(namespace: Namespace, path: &str, method: &str, count: usize) -> Option<Meaning> {
    if path.is_empty() || namespace == Namespace::R {
        return bare(namespace, path, method, count);
    }
    let last = path
        .rsplit('.')
        .next()
        .unwrap_or(path)
        .trim_end_matches("()");
    let catalog = last == "catalog" || path == "catalog";
    if catalog && let Some(meaning) = catalog_call(method, count) {
        return Some(meaning);
    }
    if path.starts_with("dbutils")
        || path.starts_with("mssparkutils")
        || path.starts_with("notebookutils")
    {
        return dbutils(path, method);
    }
    if last == "DeltaTable" || path.contains("DeltaTable.") {
        return delta_table(method, count);
    }
    if (path == "dlt"
        || path == "dp"
        || path.ends_with(".dlt")
        || path.ends_with("pyspark.pipelines"))
        && let Some(meaning) = pipeline(method)
    {
        return Some(meaning);
    }
    let session = is_session(path);
    Some(match method {
        "sql" if session => of(&[(0, "sqlQuery", Place::Sql), (0, "query", Place::Sql)]),
        "table" if path.contains("writeStream") => of(&[(0, "tableName", WRITE)]),
        "table" if session || is_reader(path) => of(&[(0, "tableName", READ)]),
        "saveAsTable" | "toTable" => of(&[
            (0, "name", WRITE),
            (0, "tableName", WRITE),
            (usize::MAX, "path", Place::Location),
        ]),
        "insertInto" => of(&[(0, "tableName", WRITE)]),
        "writeTo" => of(&[(0, "table", WRITE)]),
        "mergeInto" => Meaning {
            places: &[(0, "table", WRITE)],
            rest: Place::Column,
        },
        "createOrReplaceTempView"
        | "createTempView"
        | "createGlobalTempView"
        | "createOrReplaceGlobalTempView"
        | "registerTempTable" => of(&[(0, "name", Place::View)]),
        "registerDataFrameAsTable" => of(&[(1, "tableName", Place::View)]),
        "dropTempTable" => of(&[(0, "tableName", Place::DroppedView)]),
        "cacheTable" | "uncacheTable" | "isCached" | "refreshTable" if session => {
            of(&[(0, "tableName", NAMED)])
        }
        "tableNames" | "tables" if session => of(&[(0, "dbName", Place::Database)]),
        "jdbc" if is_reader_or_writer(path) => all(Place::Foreign),
        "parquet" | "csv" | "json" | "orc" | "text" | "textFile" | "load" | "avro" | "xml"
        | "delta" | "binaryFile"
            if is_reader_or_writer(path) =>
        {
            Meaning {
                places: &[
                    (0, "path", Place::Path),
                    (1, "", Place::Path),
                    (2, "", Place::Path),
                ],
                rest: Place::Word,
            }
        }
        "save" if is_reader_or_writer(path) => of(&[(0, "path", Place::Path)]),
        "start" if path.contains("writeStream") => of(&[(0, "path", Place::Path)]),
        "saveAsTextFile"
        | "saveAsObjectFile"
        | "saveAsSequenceFile"
        | "saveAsHadoopFile"
        | "saveAsNewAPIHadoopFile"
        | "textFile"
        | "wholeTextFiles"
        | "binaryFiles"
        | "sequenceFile"
        | "newAPIHadoopFile"
        | "hadoopFile"
        | "pickleFile"
        | "saveAsPickleFile"
        | "setCheckpointDir"
        | "addFile"
        | "addPyFile"
        | "addJar" => of(&[(0, "path", Place::Path)]),
        "format" | "mode" | "outputMode" | "queryName" | "trigger" | "bucketBy" | "sortBy"
        | "partitionBy" | "clusterBy"
            if is_reader_or_writer(path) =>
        {
            all(Place::Word)
        }
        "schema" if is_reader_or_writer(path) => all(Place::Column),
        "option" | "options" | "tableProperty"
            if is_reader_or_writer(path) || path.contains("writeTo()") =>
        {
            return None;
        }
        "using" | "overwritePartitions" | "append" | "createOrReplace"
            if path.contains("writeTo()") =>
        {
            all(Place::Word)
        }
        "read_table" | "to_table" | "read_delta" | "to_delta" | "read_sql" | "sql"
            if is_pandas_on_spark(path) =>
        {
            match method {
                "read_table" => of(&[(0, "name", READ)]),
                "to_table" => of(&[(0, "name", WRITE)]),
                "sql" => of(&[(0, "query", Place::Sql)]),
                "read_sql" => all(Place::Foreign),
                _ => of(&[(0, "path", Place::Path)]),
            }
        }
        "execute" | "execute_async" | "executemany"
            if connection(path) == Connection::Metastore =>
        {
            of(&[
                (0, "operation", Place::SqlElsewhere),
                (0, "query", Place::SqlElsewhere),
            ])
        }
        "execute" | "executemany" | "callproc" | "copy_expert"
            if connection(path) == Connection::Foreign =>
        {
            all(Place::Foreign)
        }
        "run" | "query" | "execute" if is_named_after_engine(path) => of(&[
            (0, "commands", Place::SqlElsewhere),
            (0, "sql", Place::SqlElsewhere),
            (0, "query", Place::SqlElsewhere),
        ]),
        "read_sql" | "read_sql_query" => return None,
        "read_sql_table" | "to_sql" => all(Place::Foreign),
        "to_table" if path.contains("pandas_api()") => of(&[(0, "name", WRITE)]),
        "read_csv" | "read_json" | "read_parquet" | "read_excel" | "read_fwf" | "read_pickle"
        | "to_csv" | "to_json" | "to_parquet" | "to_excel" | "to_pickle" | "listdir"
        | "makedirs" | "exists" | "isfile" | "isdir" | "glob" | "walk" | "open" | "remove"
        | "rmtree" | "copyfile" | "unlink" | "basename" | "dirname" => Meaning {
            places: &[(0, "path", Place::File), (1, "", Place::File)],
            rest: Place::Word,
        },
        // Modules and the loggers that are called after them.
        "getLogger" | "at_level" | "set_level" | "import_module" => all(Place::Word),
        "patch" if path == "mocker" || path == "mock" || path.ends_with("unittest.mock") => {
            Meaning {
                places: &[(0, "target", Place::Word)],
                rest: Place::Unknown,
            }
        }
        "expr" | "selectExpr" | "filter" | "where" => all(Place::Condition),
        "createDataFrame" | "parallelize" | "range" | "toDF"
            if session || method == "toDF" || path.ends_with("sc") =>
        {
            all(Place::Word)
        }
        "appName" | "config" | "master" | "builder" | "enableHiveSupport" | "setAppName"
        | "setMaster" => all(Place::Word),
        "load_table" | "create_table" | "write_table" | "read_feature_table" | "score_batch"
        | "get_table" => return None,
        _ if is_logger(path, method) => all(Place::Shown),
        _ if is_column_call(path, method) => all(Place::Column),
        _ => return None,
    })
}

fn is_pandas_on_spark(path: &str) -> bool {
    path == "ps"
        || path == "ks"
        || path.ends_with("pyspark.pandas")
        || path.ends_with("databricks.koalas")
}

fn is_logger(path: &str, method: &str) -> bool {
    let lower = path.to_ascii_lowercase();
    let logs = matches!(
        method,
        "debug"
            | "info"
            | "warn"
            | "warning"
            | "error"
            | "critical"
            | "exception"
            | "fatal"
            | "log"
            | "trace"
            | "print"
            | "println"
    );
    logs && (lower.contains("log")
        || lower == "print"
        || lower.contains("console")
        || lower.contains("warnings")
        || lower == "system.out")
}

/// Methods of data frames and functions of columns: a text in them is a column, a value or an expression without a table.
fn is_column_call(path: &str, method: &str) -> bool {
    let functions = matches!(
        path,
        "F" | "f"
            | "psf"
            | "fn"
            | "func"
            | "funcs"
            | "functions"
            | "sf"
            | "sqlf"
            | "T"
            | "types"
            | "Window"
            | "W"
    ) || path.ends_with("sql.functions")
        || path.ends_with("sql.types")
        || path.ends_with(".Window")
        || path.starts_with("F.")
        || path.starts_with("Window.");
    functions
        || matches!(
            method,
            "select"
                | "withColumn"
                | "withColumnRenamed"
                | "withColumnsRenamed"
                | "withColumns"
                | "drop"
                | "groupBy"
                | "groupby"
                | "agg"
                | "orderBy"
                | "sort"
                | "dropDuplicates"
                | "drop_duplicates"
                | "dropna"
                | "fillna"
                | "alias"
                | "cast"
                | "astype"
                | "as"
                | "join"
                | "crossJoin"
                | "isin"
                | "contains"
                | "startswith"
                | "endswith"
                | "startsWith"
                | "endsWith"
                | "like"
                | "rlike"
                | "otherwise"
                | "when"
                | "partitionBy"
                | "repartition"
                | "pivot"
                | "rollup"
                | "cube"
                | "over"
                | "getField"
                | "getItem"
                | "describe"
                | "summary"
                | "hint"
                | "colRegex"
                | "col"
                | "column"
                | "withField"
                | "dropFields"
                | "asc"
                | "desc"
                | "whenMatched"
                | "whenMatchedUpdate"
                | "whenMatchedUpdateAll"
                | "whenMatchedDelete"
                | "whenNotMatchedInsert"
                | "whenNotMatchedInsertAll"
                | "whenNotMatchedBySourceDelete"
                | "whenNotMatchedBySourceUpdate"
                | "merge"
                | "withWatermark"
                | "sortWithinPartitions"
                | "sum"
                | "avg"
                | "min"
                | "max"
                | "count"
                | "mean"
                | "transform"
                | "mapInPandas"
                | "applyInPandas"
                | "unionByName"
                | "melt"
                | "unpivot"
                | "equalTo"
                | "eqNullSafe"
                | "between"
                | "substr"
                | "update"
                | "delete"
                | "updateExpr"
                | "insertExpr"
                | "updateAll"
                | "insertAll"
        )
}

/// `spark.catalog.…`
fn catalog_call(method: &str, count: usize) -> Option<Meaning> {
    const APART: Meaning = of(&[(0, "", Place::Apart), (1, "", Place::Apart)]);
    Some(match method {
        "setCurrentDatabase" => of(&[(0, "dbName", Place::SetDatabase)]),
        "setCurrentCatalog" => of(&[(0, "catalogName", Place::SetCatalog)]),
        "tableExists" | "getTable" | "listColumns" if count >= 2 => APART,
        "tableExists" | "getTable" | "listColumns" | "cacheTable" | "uncacheTable" | "isCached"
        | "refreshTable" | "recoverPartitions" | "analyzeTable" => {
            of(&[(0, "tableName", NAMED), (1, "dbName", Place::Apart)])
        }
        "createTable" | "createExternalTable" => {
            of(&[(0, "tableName", WRITE), (1, "path", Place::Location)])
        }
        "listTables" | "getDatabase" | "databaseExists" | "listFunctions" => {
            of(&[(0, "dbName", Place::Database)])
        }
        "dropTempView" | "dropGlobalTempView" => of(&[(0, "viewName", Place::DroppedView)]),
        "refreshByPath" => of(&[(0, "path", Place::Path)]),
        "functionExists" | "getFunction" | "registerFunction" | "listCatalogs"
        | "listDatabases" | "currentDatabase" | "currentCatalog" | "clearCache" => all(Place::Word),
        _ => return None,
    })
}

fn dbutils(path: &str, method: &str) -> Option<Meaning> {
    let part = path.split('.').nth(1).unwrap_or_default();
    Some(match (part, method) {
        ("fs", "mount") => of(&[
            (0, "source", Place::Path),
            (1, "mountPoint", Place::Path),
            (1, "mount_point", Place::Path),
        ]),
        ("fs", "put" | "append") => of(&[(0, "file", Place::Path)]),
        ("fs", _) => Meaning {
            places: &[(0, "path", Place::Path), (1, "to", Place::Path)],
            rest: Place::Word,
        },
        ("notebook", "run") => return None,
        ("notebook", "exit") => all(Place::Shown),
        ("secrets" | "library" | "jobs" | "credentials" | "data" | "meta", _) => all(Place::Word),
        ("widgets", "remove" | "removeAll" | "getAll") => all(Place::Word),
        _ => return None,
    })
}

fn delta_table(method: &str, count: usize) -> Option<Meaning> {
    Some(match method {
        "forName" if count >= 2 => of(&[(1, "tableOrViewName", NAMED)]),
        "forName" => of(&[(0, "tableOrViewName", NAMED)]),
        "forPath" if count >= 2 => of(&[(1, "path", Place::Path)]),
        "forPath" => of(&[(0, "path", Place::Path)]),
        "isDeltaTable" if count >= 2 => of(&[(1, "identifier", Place::Path)]),
        "isDeltaTable" => of(&[(0, "identifier", Place::Path)]),
        "convertToDelta" if count >= 2 => Meaning {
            places: &[(1, "identifier", NAMED)],
            rest: Place::Column,
        },
        "convertToDelta" => of(&[(0, "identifier", NAMED)]),
        "tableName" => of(&[(0, "identifier", WRITE)]),
        "location" => of(&[(0, "location", Place::Location)]),
        "addColumn"
        | "addColumns"
        | "partitionedBy"
        | "clusterBy"
        | "property"
        | "comment"
        | "as"
        | "alias"
        | "merge"
        | "update"
        | "delete"
        | "whenMatchedUpdate"
        | "whenMatchedUpdateAll"
        | "whenNotMatchedInsert"
        | "whenNotMatchedInsertAll"
        | "whenMatchedDelete"
        | "updateExpr"
        | "insertExpr"
        | "updateAll"
        | "insertAll"
        | "whenMatched"
        | "whenNotMatched" => all(Place::Column),
        _ => return None,
    })
}

fn pipeline(method: &str) -> Option<Meaning> {
    const READS: Place = Place::Dataset(Role::Read);
    const MAKES: Place = Place::Dataset(Role::Write);
    Some(match method {
        "read" | "read_stream" | "readStream" => of(&[(0, "name", READS)]),
        "table"
        | "view"
        | "create_table"
        | "create_streaming_table"
        | "create_streaming_live_table"
        | "create_target_table"
        | "materialized_view"
        | "temporary_view"
        | "create_sink"
        | "append_flow" => Meaning {
            places: &[
                (0, "name", MAKES),
                (usize::MAX, "target", MAKES),
                (usize::MAX, "path", Place::Location),
            ],
            rest: Place::Word,
        },
        "apply_changes" | "create_auto_cdc_flow" | "apply_changes_from_snapshot" => {
            of(&[(0, "target", MAKES), (1, "source", READS)])
        }
        "expect" | "expect_or_drop" | "expect_or_fail" | "expect_all" | "expect_all_or_drop"
        | "expect_all_or_fail" => all(Place::Column),
        _ => return None,
    })
}

/// Functions that are called without a receiver, and those of R.
fn bare(namespace: Namespace, path: &str, method: &str, count: usize) -> Option<Meaning> {
    if namespace == Namespace::R {
        return r(path, method, count);
    }
    Some(match method {
        "print" | "println" | "display" | "displayHTML" | "show" | "printf" => all(Place::Shown),
        "sql" => of(&[(0, "sqlQuery", Place::Sql)]),
        "table" if namespace == Namespace::Scala => of(&[(0, "tableName", READ)]),
        "col" | "column" | "lit" | "desc" | "asc" | "sum" | "count" | "avg" | "max" | "min"
        | "when" | "to_date" | "to_timestamp" | "date_format" | "struct" | "array" | "concat"
        | "concat_ws" | "coalesce" | "explode" | "from_json" | "udf" | "countDistinct"
        | "regexp_replace" | "regexp_extract" | "split" | "substring" | "StructField"
        | "StructType" | "StringType" | "size" | "collect_list" | "collect_set" | "first"
        | "last" | "input_file_name" | "pandas_udf" | "col_" | "unix_timestamp" | "rank" => {
            all(Place::Column)
        }
        "expr" => all(Place::Condition),
        "open" => Meaning {
            places: &[(0, "file", Place::File)],
            rest: Place::Word,
        },
        "isinstance" | "len" | "range" | "type" | "id" | "hasattr" | "getattr" | "setattr"
        | "int" | "float" | "bool" | "round" | "getArgument" => all(Place::Word),
        _ if method.ends_with("Error") || method.ends_with("Exception") => all(Place::Shown),
        _ => return None,
    })
}

/// SparkR, sparklyr and DBI.
fn r(path: &str, method: &str, count: usize) -> Option<Meaning> {
    if path.starts_with("dbutils") {
        return dbutils(path, method);
    }
    Some(match method {
        "sql" | "sdf_sql" if count >= 2 => {
            of(&[(1, "sql", Place::Sql), (0, "sqlQuery", Place::Sql)])
        }
        "sql" => of(&[(0, "sqlQuery", Place::Sql), (0, "query", Place::Sql)]),
        "dbGetQuery" | "dbExecute" | "dbSendQuery" | "dbSendStatement" => of(&[
            (1, "statement", Place::SqlOver),
            (1, "query", Place::SqlOver),
        ]),
        // SQL over data frames of R, by SQLite.
        "sqldf" => all(Place::Foreign),
        "query_hive" => of(&[(0, "query", Place::SqlElsewhere)]),
        "spark_read_table" | "tbl_cache" | "tbl_uncache" => of(&[(1, "name", READ)]),
        "dbReadTable" | "dbExistsTable" | "dbRemoveTable" => {
            of(&[(1, "name", Place::TableOver(Role::Read))])
        }
        "dbWriteTable" | "dbAppendTable" | "dbCreateTable" => {
            of(&[(1, "name", Place::TableOver(Role::Write))])
        }
        "tbl" => of(&[(1, "from", READ), (1, "src", Place::Word)]),
        "tbl_change_db" => of(&[(1, "name", Place::SetDatabase)]),
        "spark_write_table" | "spark_insert_table" => of(&[(1, "name", WRITE)]),
        "sdf_register" => of(&[(1, "name", Place::View)]),
        "copy_to" | "sdf_copy_to" => of(&[(2, "name", Place::View)]),
        "spark_read_parquet" | "spark_read_csv" | "spark_read_json" | "spark_read_delta"
        | "spark_read_orc" | "spark_read_text" => {
            of(&[(1, "name", Place::View), (2, "path", Place::Path)])
        }
        "spark_write_parquet"
        | "spark_write_csv"
        | "spark_write_json"
        | "spark_write_delta"
        | "spark_write_orc" => of(&[(1, "path", Place::Path)]),
        "tableToDF" | "table" => of(&[(0, "tableName", READ)]),
        "cacheTable" | "uncacheTable" | "refreshTable" | "recoverPartitions" | "tableExists"
        | "getTable"
            if count <= 1 =>
        {
            of(&[(0, "tableName", NAMED)])
        }
        "listColumns" if count <= 1 => of(&[(0, "tableName", NAMED)]),
        "listColumns" | "tableExists" => of(&[(0, "", Place::Apart), (1, "", Place::Apart)]),
        "saveAsTable" => of(&[
            (1, "tableName", WRITE),
            (usize::MAX, "path", Place::Location),
        ]),
        "insertInto" => of(&[(1, "tableName", WRITE)]),
        "createTable" | "createExternalTable" => {
            of(&[(0, "tableName", WRITE), (1, "path", Place::Location)])
        }
        "createOrReplaceTempView" | "registerTempTable" => of(&[(1, "viewName", Place::View)]),
        "dropTempView" | "dropTempTable" => of(&[(0, "viewName", Place::DroppedView)]),
        "setCurrentDatabase" => of(&[(0, "databaseName", Place::SetDatabase)]),
        "tables" | "tableNames" | "listTables" | "databaseExists" => {
            of(&[(0, "databaseName", Place::Database)])
        }
        "read.df" | "loadDF" | "read.parquet" | "read.json" | "read.orc" | "read.text"
        | "read.stream" | "read.csv" | "readRDS" | "read_csv" | "fread" | "refreshByPath"
        | "file.exists" | "source" | "readLines" | "file.path" => of(&[(0, "path", Place::Path)]),
        "write.df" | "saveDF" | "write.parquet" | "write.json" | "write.orc" | "write.text"
        | "write.csv" | "saveRDS" | "write.stream" => of(&[(1, "path", Place::Path)]),
        "read.jdbc" | "write.jdbc" | "spark_read_jdbc" | "spark_write_jdbc" => all(Place::Foreign),
        "print" | "cat" | "message" | "warning" | "stop" | "display" | "displayHTML" => {
            all(Place::Shown)
        }
        "library" | "require" | "install.packages" | "requireNamespace" | "install_github"
        | "sparkR.session" | "spark_connect" | "spark_config" | "select" | "filter" | "where"
        | "group_by" | "groupBy" | "summarize" | "summarise" | "mutate" | "arrange"
        | "withColumn" | "column" | "col" | "ggplot" | "aes" | "labs" | "names" | "colnames"
        | "head" | "limit" | "join" | "agg" | "selectExpr" | "expr" | "alias" | "rename"
        | "count" | "options" | "Sys.getenv" | "Sys.setenv" | "set.seed" => all(Place::Column),
        _ => return None,
    })
}

/// Whether a reader or writer that ends with a call of this name has files, or a table that the catalog keeps; nothing if it does not end there.
pub fn writes_files(method: &str) -> Option<bool> {
    match method {
        "save" | "start" | "load" | "parquet" | "csv" | "json" | "orc" | "text" | "avro"
        | "xml" | "delta" | "jdbc" => Some(true),
        "saveAsTable" | "toTable" | "table" => Some(false),
        _ => None,
    }
}

/// How far a call of this name evaluates what it is given.
pub enum Evaluates {
    /// All of it.
    All,
    /// Up to where it fails, and what follows goes on.
    UntilItFails,
    /// Some of it.
    Some,
    /// All of it, and what follows is not reached.
    AndLeaves,
}

/// The calls that do not simply evaluate what they are given.
pub fn evaluates(namespace: Namespace, name: &str) -> Evaluates {
    match (namespace, name) {
        (Namespace::Scala, "Try") | (Namespace::R, "try" | "tryCatch" | "try_fetch") => {
            Evaluates::UntilItFails
        }
        (Namespace::R, "switch" | "ifelse") => Evaluates::Some,
        (Namespace::R, "stop") => Evaluates::AndLeaves,
        _ => Evaluates::All,
    }
}
