//! Pipelines and notebooks together: what a pipeline passes decides the names of its notebooks, and every candidate is accounted for.

use expect_test::expect;

use crate::show::{mapping, scanned, show};

const NOTEBOOK: &str = "# Databricks notebook source\ndbutils.widgets.text(\"db\", \"\")\ndb = dbutils.widgets.get(\"db\")\n\n# COMMAND ----------\n\n\
                        df = spark.table(f\"{db}.orders\")\nspark.sql(f\"select * from {db}.items\")\n";

fn pipeline(db: &str) -> String {
    format!(
        r#"{{"name": "p", "properties": {{"parameters": {{"db": {{"type": "string", "defaultValue": "sales"}}}}, "activities": [
{{"name": "n", "type": "DatabricksNotebook", "typeProperties": {{"notebookPath": "/Shared/etl/load", "baseParameters": {{"db": {db}}}}}}}]}}}}"#
    )
}

const TRIGGER: &str = r#"{"name": "t", "properties": {"type": "ScheduleTrigger", "pipelines": [{"pipelineReference": {"referenceName": "p", "type": "PipelineReference"}}]}}"#;

#[test]
fn what_a_pipeline_passes_decides_the_names_of_its_notebook() {
    let constant = pipeline(r#""sales""#);
    expect![[r#"
        == etl/load.py
        7:20 sales.orders -> prod.sales.orders
        8:27 sales.items -> prod.sales.items
        1:1 Note style/use-catalog: one statement `USE CATALOG prod` would do instead of 2 edits
        | df = spark.table(f"prod.{db}.orders")
        | spark.sql(f"select * from prod.{db}.items")
        == pipeline/p.json
        1:87 sales ?  name/metadata prod.sales
        2:126 sales ?  name/metadata prod.sales
    "#]]
    .assert_eq(&show(&[
        ("etl/load.py", NOTEBOOK),
        ("pipeline/p.json", &constant),
    ]));
}

#[test]
fn a_parameter_with_a_default_counts_where_something_starts_the_pipeline() {
    let parameter = pipeline(r#"{"value": "@pipeline().parameters.db", "type": "Expression"}"#);
    expect![[r#"
        == etl/load.py
        7:20 ?????.orders ?  name/unresolved prod.sales.orders
        8:27 ?????.items ?  name/unresolved prod.sales.items
        == pipeline/p.json
        1:87 sales ?  name/metadata prod.sales
    "#]]
    .assert_eq(&show(&[
        ("etl/load.py", NOTEBOOK),
        ("pipeline/p.json", &parameter),
    ]));
    expect![[r#"
        == etl/load.py
        7:20 sales.orders -> prod.sales.orders
        8:27 sales.items -> prod.sales.items
        1:1 Note style/use-catalog: one statement `USE CATALOG prod` would do instead of 2 edits
        | df = spark.table(f"prod.{db}.orders")
        | spark.sql(f"select * from prod.{db}.items")
        == pipeline/p.json
        1:87 sales ?  name/metadata prod.sales
        == trigger/t.json
    "#]]
    .assert_eq(&show(&[
        ("etl/load.py", NOTEBOOK),
        ("pipeline/p.json", &parameter),
        ("trigger/t.json", TRIGGER),
    ]));
}

#[test]
fn every_candidate_of_a_pipeline_is_accounted_for() {
    let text = r#"{"name": "p", "properties": {"description": "sales.orders", "activities": [
{"name": "sales.orders", "type": "Copy", "dependsOn": [{"activity": "sales.orders"}], "inputs": [{"referenceName": "sales.orders", "type": "DatasetReference"}],
 "typeProperties": {"source": {"type": "SqlServerSource", "sqlReaderQuery": "select * from sales.orders"},
 "sink": {"type": "ParquetSink", "x": "sales.orders"}, "translator": {"mappings": [{"source": {"name": "sales.orders"}}]}}},
{"name": "w", "type": "WebActivity", "typeProperties": {"url": "https://sales.orders/x", "body": "@concat('sales.orders', activity('sales.orders').output.x, '/mnt/raw')"}}],
"parameters": {"sales.orders": {"type": "string", "defaultValue": "/mnt/raw/x"}}}}"#;
    let scan = scanned(&[("pipeline/p.json", text)], &mapping());
    assert_eq!(scan.assets[0].unexplained, 0);
    expect![[r#"
        1:46 sales.orders not a table: comment
        2:11 sales.orders not a table: another word of the language
        2:70 sales.orders not a table: another word of the language
        2:117 sales.orders not a table: another word of the language
        3:92 sales.orders not a table: table of another system
        4:40 sales.orders not a table: part of a path
        4:105 sales.orders not a table: field of a column
        5:73 sales.orders not a table: host or file name
        5:108 sales.orders ?  name/metadata
        5:133 sales.orders not a table: code
        5:159 /mnt/raw ?  path/unresolved
        6:17 sales.orders ?  name/metadata prod.sales.orders
        6:68 /mnt/raw ?  name/metadata /Volumes/prod/raw
    "#]]
    .assert_eq(&show(&[("pipeline/p.json", text)]));
}
