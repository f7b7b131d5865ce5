//! SQL of Delta Live Tables.

use expect_test::{Expect, expect};
use karat_import::dlt;

use super::{folder, printed, sound, told};

fn check(text: &str, expected: Expect) {
    let import = dlt(&folder(text), "Shop").unwrap();
    sound(&import);
    expected.assert_eq(&printed(&import));
}

#[test]
fn files_become_feeds_and_auto_cdc_a_silver_table() {
    check(
        r#"
--- retail.sql
-- Databricks notebook source
-- MAGIC %md hello; world
SET spark.source;
CREATE OR REFRESH STREAMING TABLE customer_bronze (
    address string, id int, operation string, operation_date timestamp, _rescued_data string
  ) TBLPROPERTIES ("quality" = "bronze") COMMENT "New customers" AS
SELECT * FROM STREAM read_files("${source}/customers", format => "json", inferColumnTypes => "true");

-- COMMAND ----------

CREATE OR REFRESH TEMPORARY STREAMING TABLE customer_clean(
  CONSTRAINT valid_id EXPECT (id IS NOT NULL) ON VIOLATION DROP ROW,
  CONSTRAINT valid_address EXPECT (address IS NOT NULL),
  CONSTRAINT valid_operation EXPECT (operation IS NOT NULL) ON VIOLATION FAIL UPDATE
)
AS SELECT *, upper(address) as shouted FROM STREAM(LIVE.customer_bronze) where id <> 7

-- COMMAND ----------

CREATE OR REFRESH STREAMING TABLE customer_silver COMMENT "Clean";

-- COMMAND ----------

APPLY CHANGES INTO LIVE.customer_silver
FROM stream(LIVE.customer_clean)
  KEYS (id)
  APPLY AS DELETE WHEN operation = "DELETE"
  SEQUENCE BY operation_date --the order
  COLUMNS * EXCEPT (operation, operation_date, _rescued_data)
  STORED AS SCD TYPE 2;

-- COMMAND ----------

CREATE OR REFRESH MATERIALIZED VIEW by_address (
  CONSTRAINT many EXPECT (customers > 1) ON VIOLATION DROP ROW,
  CONSTRAINT not_null EXPECT (address is not null),
  CONSTRAINT few EXPECT (customers < 1000000) ON VIOLATION FAIL UPDATE
) AS
SELECT address, count(*) as customers -- how many
FROM customer_silver WHERE __END_AT is null GROUP BY address;
"#,
        expect![[r#"
            --- domains/shop/domain.yaml
            domain: shop
            feeds:
              - { source: landing, name: customers, mode: incremental, path: customers/**, format: ndjson, on_duplicate: load }
            --- domains/shop/gold/by_address.sql
            select address, customers from (
            SELECT address, count(*) as customers -- how many
            FROM shop_silver.customer_silver WHERE __END_AT is null GROUP BY address
            ) as kept
            where (customers > 1)
            --- domains/shop/gold/by_address.yaml
            checks:
              not_null: { sql: "select 1 as broken from this where not coalesce(address IS NOT NULL, false)", action: warn }
              few: { sql: "select 1 as broken from this where not coalesce(customers < 1000000, false)" }
            --- domains/shop/silver/customer_bronze.yaml
            description: New customers
            from: landing.customers
            select:
              address:        address
              id:             CAST(id AS INT)
              operation:      operation
              operation_date: CAST(operation_date AS TIMESTAMP)
            --- domains/shop/silver/customer_clean.yaml
            from: landing.customers
            select:
              address:        address
              id:             CAST(id AS INT)
              operation:      operation
              operation_date: CAST(operation_date AS TIMESTAMP)
              shouted:        upper(address)
            expectations:
              where_of_the_query: { expect: id <> 7, action: drop }
              valid_id: { expect: id IS NOT NULL, action: drop }
              valid_address: { expect: "NOT coalesce(id <> 7, false) OR (address IS NOT NULL)", action: warn }
              valid_operation: { expect: "NOT coalesce(id <> 7, false) OR (operation IS NOT NULL)", action: fail }
            --- domains/shop/silver/customer_silver.yaml
            description: Clean
            from: landing.customers
            select:
              address:        address
              id:             CAST(id AS INT)
              operation:      operation
              operation_date: CAST(operation_date AS TIMESTAMP)
              shouted:        upper(address)
            expectations:
              where_of_the_query: { expect: id <> 7, action: drop, on: all }
              valid_id: { expect: id IS NOT NULL, action: drop, on: all }
              valid_address: { expect: "NOT coalesce(id <> 7, false) OR (address IS NOT NULL)", action: warn, on: all }
              valid_operation: { expect: "NOT coalesce(id <> 7, false) OR (operation IS NOT NULL)", action: fail, on: all }
            auto_cdc:
              keys: [id]
              sequence_by: operation_date
              apply_as_deletes: "operation = 'DELETE'"
              stored_as_scd_type: 2
            --- karat.yaml
            # Imported from a pipeline of Databricks: IMPORT.md says what became of each statement.
            karat: 1
            project: shop
            sources:
              landing: { type: files, path: "./landing" }
            ---
            auto cdc: 1 mapped, 0 unmapped
            expectation: 6 mapped, 0 unmapped
            materialized view: 1 mapped, 0 unmapped
            streaming table: 3 mapped, 0 unmapped
            note retail.sql:3 `SET spark.source`: settings of a session change nothing in karat; nothing
            note retail.sql:4 `_rescued_data`: what does not fit is in `_rescued` of bronze, and such rows are held back; nothing
            note retail.sql:24 `operation`: it stays in the table: the rule `valid_operation` names it; leave it out where the table is read
            note retail.sql:24 `operation_date`: it stays in the table: `sequence_by` names columns of the table; leave it out where the table is read
        "#]],
    );
}

#[test]
fn columns_that_are_not_declared_are_those_that_are_named() {
    check(
        r#"
--- a/raw.sql
CREATE STREAMING LIVE TABLE orders_raw AS
SELECT * FROM cloud_files("abfss://lake@x.dfs.core.windows.net/orders/", "csv", map("header", "true", "sep", ";", "schema", "id INT, day STRING, amount DECIMAL(9,2)"));
CREATE STREAMING LIVE TABLE people AS SELECT * FROM STREAM read_files('/in/people', format => 'csv');
CREATE LIVE VIEW paid AS
SELECT id, concat(day, ':', `amount`) AS label, cast(amount as long) as whole FROM STREAM(LIVE.orders_raw) WHERE amount > 0;
--- b/gold.sql
CREATE LIVE TABLE joined AS
SELECT o.*, p.name FROM LIVE.orders_raw o LEFT JOIN main.shop.people p ON p.person_id = o.id;
"#,
        expect![[r#"
            --- domains/shop/domain.yaml
            domain: shop
            feeds:
              - source: landing
                name: orders
                mode: incremental
                path: "lake@x.dfs.core.windows.net/orders/**"
                format: csv
                on_duplicate: load
                csv: { delimiter: ";" }
                on_schema_change: { missing: "null" }
              - { source: landing, name: people, mode: incremental, path: in/people/**, format: csv, on_duplicate: load }
            --- domains/shop/gold/joined.sql
            SELECT o.id, o.day, o.amount, p.name FROM shop_silver.orders_raw o LEFT JOIN shop_silver.people p ON p.person_id = o.id
            --- domains/shop/gold/paid.sql
            SELECT id, (day || ':' || amount) AS label, cast(amount as bigint) as whole FROM shop_silver.orders_raw WHERE amount > 0
            --- domains/shop/silver/orders_raw.yaml
            from: landing.orders
            select:
              id:     CAST(id AS INT)
              day:    day
              amount: CAST(amount AS DECIMAL(9,2))
            --- domains/shop/silver/people.yaml
            from: landing.people
            select:
              name:      name
              person_id: person_id
            --- karat.yaml
            # Imported from a pipeline of Databricks: IMPORT.md says what became of each statement.
            karat: 1
            project: shop
            sources:
              landing: { type: files, path: "./landing" }
            ---
            streaming table: 2 mapped, 0 unmapped
            table: 1 mapped, 0 unmapped
            view: 1 mapped, 0 unmapped
            note a/raw.sql:3 `*`: the columns of the files are not declared: those that the pipeline names are there; add those that are missing to `select`
            note a/raw.sql:3 `inferColumnTypes`: columns of text files are texts in karat until they are cast; cast them in `select`
            note a/raw.sql:5 `cast(amount as BIGINT)`: of a number with places Spark cuts them off, and karat rounds; write `trunc(…)` in it if the column may have places
            note b/gold.sql:1 `main.shop.people`: it is taken for the table of this name that the pipeline makes, which states no schema; if another table is meant, take it in with a feed
        "#]],
    );
}

#[test]
fn what_has_no_place_is_told() {
    let import = dlt(
        &folder(
            r#"
--- p.sql
CREATE STREAMING TABLE k AS SELECT * FROM STREAM read_kafka(bootstrapServers => 'x');
CREATE MATERIALIZED VIEW reads_k AS SELECT value FROM k;
CREATE STREAMING TABLE raw AS SELECT * FROM STREAM read_files('/in/raw', format => 'json');
CREATE MATERIALIZED VIEW nested AS SELECT main.temp as temp, day FROM raw;
CREATE MATERIALIZED VIEW exploded AS SELECT explode(items) AS item FROM raw;
CREATE MATERIALIZED VIEW over_files AS SELECT day, count(*) AS n FROM parquet.`/in/p` GROUP BY day;
CREATE STREAMING TABLE xml AS SELECT * FROM STREAM read_files('/in/x', format => 'xml');
CREATE FLOW f AS INSERT INTO raw BY NAME SELECT * FROM STREAM(other);
CREATE FLOW changes AS AUTO CDC INTO target FROM STREAM(nested_later) KEYS (id) SEQUENCE BY n;
CREATE STREAMING TABLE target;
CREATE MATERIALIZED VIEW circle AS SELECT a FROM round;
CREATE MATERIALIZED VIEW round AS SELECT a FROM circle;
CREATE MATERIALIZED VIEW Twice AS SELECT 1 as a;
CREATE TABLE odd (id int GENERATED ALWAYS AS IDENTITY) AS SELECT id FROM raw;
CREATE MATERIALIZED VIEW rounded AS SELECT cast(n / 2 as int) AS half FROM raw;
CREATE FUNCTION f(x int) RETURNS int RETURN x;
CREATE MATERIALIZED VIEW twice AS SELECT 2 as a;
CREATE MATERIALIZED VIEW once AS SELECT a FROM twice;
CREATE MATERIALIZED VIEW endless AS SELECT 'abc FROM raw
--- p.py
import dlt
@dlt.table(name="x")
@dlt.expect("a", "b")
def x(): return spark.range(1)
"#,
        ),
        "shop",
    )
    .unwrap();
    sound(&import);
    expect![[r#"
        ---
        auto cdc: 0 mapped, 1 unmapped
        materialized view: 0 mapped, 10 unmapped
        python: 0 mapped, 1 unmapped
        statement: 0 mapped, 3 unmapped
        streaming table: 1 mapped, 3 unmapped
        table: 1 mapped, 0 unmapped
        unmapped p.py:2 `@dlt.table`: this version takes over SQL alone; write the table in SQL, or as a karat model
        unmapped p.sql:1 `*`: which columns it stands for is not known: nothing that is taken over names them; name the columns
        unmapped p.sql:1 `read_kafka(…)`: functions that give rows are not taken over; make a feed of it, or write out the rows
        unmapped p.sql:2 `k`: no statement that is taken over makes this table; bring it over first, or declare it as a source
        note p.sql:3 `*`: the columns of the files are not declared: those that the pipeline names are there; add those that are missing to `select`
        note p.sql:3 `inferColumnTypes`: columns of text files are texts in karat until they are cast; cast them in `select`
        unmapped p.sql:4 `main.temp`: it is a field of a nested value, and a file's fields are taken by its feed; write `columns: { main_temp: /main/temp }` in the feed, and `main_temp` here
        unmapped p.sql:5 `explode()`: it is not known to mean the same in karat; write it with functions of docs/types.md
        unmapped p.sql:6 `over_files`: it computes over files: in karat rows come in by a feed and a silver model first; make a table of the files alone, and read that
        unmapped p.sql:7 `format xml`: karat reads CSV, JSON, Parquet, Avro and Excel; write the feed in domain.yaml, and a silver model over it
        unmapped p.sql:8 `CREATE FLOW f AS`: a flow that adds rows to a table of several sources has no place: a karat model has one source of rows; write it in karat by hand where it is needed
        unmapped p.sql:9 `target`: it reads `nested_later`, which is left out, or which the pipeline has not; take the changes from the feed, and compute from the table that comes of them
        unmapped p.sql:10 `target`: no statement that is taken over fills it; bring its flow over first
        unmapped p.sql:11 `circle`: it is part of a circle of tables, or reads one; break the circle
        unmapped p.sql:12 `round`: it is part of a circle of tables, or reads one; break the circle
        unmapped p.sql:13 `Twice`: p.sql:17 makes a table of this name, too; import one pipeline at a time, or rename one of them
        unmapped p.sql:14 `id GENERATED`: it is not taken over; say it in the karat model where it is needed
        unmapped p.sql:15 `cast(… as INT)`: a number with places becomes whole: karat rounds half away from zero, other engines cut off or round to even; write `trunc(…)` or `round(…)` in it
        unmapped p.sql:16 `CREATE FUNCTION f (`: it declares no table; write it in karat by hand where it is needed
        unmapped p.sql:17 `twice`: p.sql:13 makes a table of this name, too; import one pipeline at a time, or rename one of them
        unmapped p.sql:18 `twice`: no statement that is taken over makes this table; bring it over first, or declare it as a source
        unmapped p.sql:19 `SQL`: Unterminated string literal; mend the SQL
    "#]].assert_eq(&told(&import));
}

#[test]
fn no_pipeline_is_refused() {
    for (text, wanted) in [
        (
            "--- a.sql\nselect 1;\n",
            "no SQL in the folder declares a table",
        ),
        ("--- a.txt\n", "no SQL in the folder declares a table"),
        (
            "--- a.py\n@dlt.table\n",
            "the pipeline is written in Python",
        ),
    ] {
        let error = dlt(&folder(text), "x").unwrap_err().to_string();
        assert!(error.contains(wanted), "{error}");
    }
}

#[test]
fn deep_brackets_are_told() {
    let deep = format!("{}1{}", "(".repeat(10_000), ")".repeat(10_000));
    let text = format!(
        "--- p.sql\nCREATE LIVE TABLE a AS SELECT {deep} AS x;\nCREATE LIVE TABLE b(CONSTRAINT c EXPECT ({deep} > 0)) AS SELECT 1 AS x;\n"
    );
    let import = dlt(&folder(&text), "x").unwrap();
    assert!(
        told(&import).contains("nested too deeply"),
        "{}",
        told(&import)
    );
}

#[test]
fn a_name_means_one_table_or_none() {
    let import = dlt(
        &folder(
            r#"
--- p.sql
CREATE STREAMING TABLE bronze.orders AS SELECT id, n FROM STREAM read_files('/in/o', format => 'json');
CREATE MATERIALIZED VIEW silver.orders AS SELECT id, count(*) AS n FROM bronze.orders GROUP BY id;
CREATE MATERIALIZED VIEW reader AS SELECT sum(n) AS n FROM silver.orders;
CREATE STREAMING TABLE bronze.customers AS SELECT id, n FROM STREAM read_files('/in/c', format => 'json');
CREATE MATERIALIZED VIEW same AS SELECT count(*) AS n FROM main.bronze.customers;
CREATE MATERIALIZED VIEW other AS SELECT count(*) AS n FROM other_cat.ref.customers;
CREATE STREAMING TABLE plain AS SELECT id, n FROM STREAM read_files('/in/p', format => 'json');
CREATE MATERIALIZED VIEW qualified AS SELECT count(*) AS n FROM main.shop.plain;
CREATE MATERIALIZED VIEW plainly AS SELECT count(*) AS n FROM LIVE.plain;
CREATE STREAMING TABLE target;
APPLY CHANGES INTO target FROM stream(ref.customers) KEYS (id) SEQUENCE BY n;
"#,
        ),
        "shop",
    )
    .unwrap();
    sound(&import);
    expect![[r#"
        ---
        auto cdc: 0 mapped, 1 unmapped
        materialized view: 3 mapped, 3 unmapped
        streaming table: 2 mapped, 2 unmapped
        unmapped p.sql:1 `bronze.orders`: p.sql:2 makes a table of this name, too; import one pipeline at a time, or rename one of them
        unmapped p.sql:2 `silver.orders`: p.sql:1 makes a table of this name, too; import one pipeline at a time, or rename one of them
        unmapped p.sql:3 `silver.orders`: no statement that is taken over makes this table; bring it over first, or declare it as a source
        note p.sql:4 `inferColumnTypes`: columns of text files are texts in karat until they are cast; cast them in `select`
        unmapped p.sql:6 `other_cat.ref.customers`: no statement that is taken over makes this table; bring it over first, or declare it as a source
        note p.sql:7 `inferColumnTypes`: columns of text files are texts in karat until they are cast; cast them in `select`
        note p.sql:8 `main.shop.plain`: it is taken for the table of this name that the pipeline makes, which states no schema; if another table is meant, take it in with a feed
        unmapped p.sql:10 `target`: no statement that is taken over fills it; bring its flow over first
        unmapped p.sql:11 `target`: it reads `ref.customers`, which is left out, or which the pipeline has not; take the changes from the feed, and compute from the table that comes of them
    "#]].assert_eq(&told(&import));
}

#[test]
fn what_the_target_of_auto_cdc_says_is_taken_over_or_told() {
    check(
        r#"
--- p.sql
CREATE STREAMING TABLE raw AS SELECT id, n, op, ts FROM STREAM read_files('/in/o', format => 'json', schema => 'id INT, n INT, op STRING, ts TIMESTAMP');
CREATE OR REFRESH STREAMING TABLE target (
  id BIGINT, n INT,
  CONSTRAINT known EXPECT (n > 0) ON VIOLATION DROP ROW,
  CONSTRAINT open EXPECT (__END_AT IS NULL)
);
APPLY CHANGES INTO target FROM stream(raw) KEYS (id) APPLY AS DELETE WHEN op = 'D' SEQUENCE BY ts COLUMNS * EXCEPT (op);
"#,
        expect![[r#"
            --- domains/shop/domain.yaml
            domain: shop
            feeds:
              - { source: landing, name: o, mode: incremental, path: in/o/**, format: ndjson, on_duplicate: load, on_schema_change: { missing: "null" } }
            --- domains/shop/silver/raw.yaml
            from: landing.o
            select:
              id:  CAST(id AS INT)
              "n": CAST(n AS INT)
              op:  op
              ts:  CAST(ts AS TIMESTAMP)
            --- domains/shop/silver/target.yaml
            from: landing.o
            select:
              id:  CAST(id AS INT)
              "n": CAST(n AS INT)
              ts:  CAST(ts AS TIMESTAMP)
            expectations:
              known: { expect: n > 0, action: drop }
            auto_cdc:
              keys: [id]
              sequence_by: ts
              apply_as_deletes: "op = 'D'"
              stored_as_scd_type: 1
            --- karat.yaml
            # Imported from a pipeline of Databricks: IMPORT.md says what became of each statement.
            karat: 1
            project: shop
            sources:
              landing: { type: files, path: "./landing" }
            ---
            auto cdc: 1 mapped, 0 unmapped
            expectation: 1 mapped, 1 unmapped
            streaming table: 2 mapped, 0 unmapped
            unmapped p.sql:2 `id BIGINT`: types that the target of AUTO CDC declares are not taken over: they are those of its source; cast the column in `select` of the silver model
            unmapped p.sql:2 `n INT`: types that the target of AUTO CDC declares are not taken over: they are those of its source; cast the column in `select` of the silver model
            unmapped p.sql:5 `open`: it names `__end_at`, which is no column of the rows that come in; write it as a check of the table
        "#]],
    );
}

#[test]
fn what_a_pipeline_says_beside_its_rows_is_told() {
    let import = dlt(
        &folder(
            r#"
--- p.sql
SET env = prod;
CREATE STREAMING TABLE raw AS SELECT id, n FROM STREAM read_files('/in/${env}/o', format => 'json');
CREATE MATERIALIZED VIEW by_env AS SELECT count(*) AS c FROM raw WHERE id = '${env}';
CREATE MATERIALIZED VIEW sampled AS SELECT count(*) AS c FROM raw TABLESAMPLE (10 PERCENT);
CREATE VIEW renamed (a, b) AS SELECT id, n FROM raw;
CREATE VIEW named (id, n) AS SELECT id, n FROM raw;
CREATE MATERIALIZED VIEW odd (CONSTRAINT c EXPECT (c > 0) ON VIOLATION HOLD ROW) AS SELECT count(*) AS c FROM raw;
CREATE MATERIALIZED VIEW ruled (CONSTRAINT c EXPECT (c > '${env}')) AS SELECT count(*) AS c FROM raw;
"#,
        ),
        "shop",
    )
    .unwrap();
    sound(&import);
    expect![[r#"
        ---
        expectation: 0 mapped, 1 unmapped
        materialized view: 1 mapped, 2 unmapped
        statement: 0 mapped, 1 unmapped
        streaming table: 1 mapped, 0 unmapped
        view: 1 mapped, 1 unmapped
        note p.sql:1 `SET env = prod`: settings of a session change nothing in karat; nothing
        note p.sql:2 `inferColumnTypes`: columns of text files are texts in karat until they are cast; cast them in `select`
        unmapped p.sql:3 `${…}`: what is put in its place is known to the pipeline's settings alone; write its value, or a parameter of karat (`params`)
        unmapped p.sql:4 `raw …`: a sample, or an older version, of a table is not taken over; read the table as it is
        unmapped p.sql:5 `(a, b)`: its column list names the columns otherwise than its query; name them in the SELECT with `as`
        unmapped p.sql:7 `ON`: what is to be done on a violation is not known; write it in a karat model
        unmapped p.sql:8 `${…}`: what is put in its place is known to the pipeline's settings alone; write its value
    "#]].assert_eq(&told(&import));
}
