//! Names that are values: databases in constants and arguments, defaults of widgets, parameters of pipelines and jobs.

use expect_test::{Expect, expect};

use crate::show::show;

fn check(path: &str, text: &str, expect: Expect) {
    expect.assert_eq(&show(&[(path, text)]));
}

#[test]
fn a_database_by_itself_is_told_where_it_reads_like_one() {
    check(
        "nb.py",
        r#"# Databricks notebook source
DB = "sales"
spark.table(f"{DB}.orders")
TARGET_SCHEMA = "sales"
name = f"{TARGET_SCHEMA}.orders"
prefix = "sales"
unused = prefix + ".orders"
other = "%s.orders" % "sales"
config = {"databaseName": "sales", "team": "sales"}
load(schema="sales", department="sales")
def f(db="sales", who="sales"):
    pass
dbutils.notebook.run("./x", 60, {"db": "sales", "who": "sales"})
label = "sales"
print("sales")
df["db"] = "sales"
"#,
        expect![[r#"
            2:7 sales not a table: part of names that are judged where they are put together
            3:15 sales.orders -> prod.sales.orders
            4:18 sales ?  name/not-followed prod.sales
            6:11 sales ?  name/not-followed prod.sales
            8:24 sales ?  name/not-followed prod.sales
            9:28 sales ?  name/not-followed prod.sales
            10:14 sales ?  name/not-followed prod.sales
            11:11 sales ?  name/not-followed prod.sales
            13:41 sales ?  name/not-followed prod.sales
            16:13 sales ?  name/not-followed prod.sales
            | spark.table(f"prod.{DB}.orders")
        "#]],
    );
}

#[test]
fn a_default_of_a_widget_is_a_candidate() {
    check(
        "nb.py",
        r#"# Databricks notebook source
dbutils.widgets.text("t", "sales.orders")
dbutils.widgets.dropdown("db", "sales", ["sales", "people"])
dbutils.widgets.text("team", "sales")
spark.table(dbutils.widgets.get("t"))
spark.table(dbutils.widgets.get("db") + ".emp")
spark.sql(f"use {dbutils.widgets.get('db')}")
"#,
        expect![[r#"
            2:28 sales.orders ?  name/parameter prod.sales.orders
            3:33 sales ?  name/parameter prod.sales
            3:43 sales ?  name/parameter prod.sales
            3:52 people ?  name/parameter `prod-eu`.people
            5:13 ????? ?  name/unresolved prod.sales.orders
            6:13 ?????.emp ?  name/unresolved `prod-eu`.people.emp
            7:17 ????? ?  name/unresolved `prod-eu`.people prod.sales
        "#]],
    );
    check(
        "nb.sql",
        r#"-- Databricks notebook source
create widget text t default 'sales.orders';
create widget text db default "sales";
create widget text team default "sales";
"#,
        expect![[r#"
            2:31 sales.orders ?  name/parameter prod.sales.orders
            3:32 sales ?  name/parameter prod.sales
        "#]],
    );
}

#[test]
fn a_database_as_a_parameter_of_pipelines_and_jobs() {
    check(
        "adf/pipeline/run.json",
        r#"{"name": "run", "properties": {"parameters": {"database": {"type": "string", "defaultValue": "sales"}, "team": {"type": "string", "defaultValue": "sales"}},
"activities": [{"name": "n", "type": "DatabricksNotebook", "typeProperties": {"notebookPath": "/x", "baseParameters": {"db": "sales", "team": "sales"}}},
{"name": "p", "type": "ExecutePipeline", "typeProperties": {"pipeline": {"referenceName": "b"}, "parameters": {"schema": "sales", "team": "sales"}}}]}}"#,
        expect![[r#"
            1:95 sales ?  name/metadata prod.sales
            2:127 sales ?  name/metadata prod.sales
            3:123 sales ?  name/metadata prod.sales
        "#]],
    );
    check(
        "job.json",
        r#"{"name": "j", "tasks": [{"task_key": "a", "notebook_task": {"notebook_path": "/x", "base_parameters": {"db": "sales", "team": "sales"}}}]}"#,
        expect![[r#"
            1:111 sales ?  name/metadata prod.sales
        "#]],
    );
    check(
        "settings.yaml",
        "target:\n  database: sales\n  team: sales\n",
        expect![[r#"
            2:13 sales ?  name/metadata prod.sales
        "#]],
    );
}

/// Parts in front of a mapped pair make another name of it; modules and loggers are no tables.
#[test]
fn longer_names() {
    expect![[r#"
        == a.py
        3:20 sales.orders not a table: text that is data
        4:8 sales.orders not a table: text that is data
        4:36 sales.items ?  name/not-followed
        5:12 sales.orders not a table: end of a longer dotted name
        5:26 sales.orders ?  name/not-followed
        5:58 sales.orders ?  name/not-followed
        6:9 sales.orders ?  name/not-followed
        6:28 sales.orders ?  name/not-followed
        6:48 sales.orders ?  name/not-followed
        == b.json
        1:17 sales.orders not a table: end of a longer dotted name
        1:38 sales.orders ?  name/metadata prod.sales.orders
        1:58 sales.orders not a table: end of a longer dotted name
        1:78 sales.orders ?  name/metadata
        == c.sql
        1:29 app.sales.orders not a table: already a name of Unity Catalog
        1:70 app.sales.orders not a table: already a name of Unity Catalog
        1:97 /mnt/raw/x ?  refused/location-in-volume
        1:122 sales.orders ?  name/not-understood
        1:97 Warning refused/dbfs-paths: `/mnt/raw/x`: mounts know no rights of Unity Catalog; use a volume or an external location
    "#]].assert_eq(&show(&[
        (
            "a.py",
            "import logging\nfrom unittest.mock import patch\nlogging.getLogger('sales.orders')\npatch('sales.orders', lambda: run('sales.items'))\n\
             f('see app.sales.orders, sales.orders and hive_metastore.sales.orders')\nf(f'{c}.sales.orders', '$c.sales.orders', 'a-b.sales.orders')\n",
        ),
        ("b.json", "{\"x\": \"app.core.sales.orders\", \"y\": \"sales.orders\", \"app.sales.orders.z\": \"..sales.orders\"}"),
        (
            "c.sql",
            "create volume if not exists app.sales.orders; create external volume app.sales.orders location '/mnt/raw/x'; drop volume sales.orders",
        ),
    ]));
}

/// Options behind a format, on whatever it is called, and data frames of R.
#[test]
fn tables_of_others_by_their_options() {
    expect![[r#"
        == a.py
        3:48 sales.orders not a table: table of another system
        4:41 sales.items not a table: table of another system
        4:61 /mnt/raw/x -> /Volumes/prod/raw
        5:11 sales.orders ?  name/not-followed
        5:29 sales.items ?  name/not-followed
        |     reader.options(query='select * from sales.items', path='/Volumes/prod/raw/x').load()
        == b.r
        2:27 orders not a table: table of another system
        3:27 sales.orders not a table: table of another system
    "#]].assert_eq(&show(&[
        (
            "a.py",
            "def load(frame, table):\n    reader = frame.unknown[0].format('com.databricks.spark.redshift')\n    \
             reader.option('url', u).option('dbtable', 'sales.orders').load()\n    \
             reader.options(query='select * from sales.items', path='/mnt/raw/x').load()\n\
             x.format('sales.orders').y('sales.items')\n",
        ),
        ("b.r", "library(sqldf)\nx <- sqldf('select * from orders')\ny <- sqldf(\"select * from sales.orders\")\n"),
    ]));
}
