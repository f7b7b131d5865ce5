//! Places of tables and schemas: Unity Catalog refuses those that lie in a volume, so such a path is left to a person.

use expect_test::expect;
use karat_refactor::Verdict;
use karat_refactor::estate::InMemory;
use karat_refactor::verify::{Outcome, verify};

use crate::show::{mapping, scanned, show};

#[test]
fn locations_in_sql() {
    expect![[r#"
        1:14 sales.items -> prod.sales.items
        1:48 /mnt/raw/items ?  refused/location-in-volume
        2:14 sales.orders -> prod.sales.orders
        2:49 dbfs:/mnt/lake/gold/orders -> abfss://gold@acc.dfs.core.windows.net
        3:14 sales.items -> prod.sales.items
        3:51 /mnt/raw/in ?  refused/location-in-volume
        4:23 v not a table: temporary view
        4:50 /mnt/raw/in -> /Volumes/prod/raw
        5:15 sales -> prod.sales
        5:31 /mnt/raw/sales ?  refused/location-in-volume
        5:60 sales.items -> prod.sales.items
        5:86 /mnt/raw/x ?  refused/location-in-volume
        6:14 sales.items -> prod.sales.items
        6:40 sales.orders -> prod.sales.orders
        7:11 sales.orders -> prod.sales.orders
        7:30 /mnt/raw/in -> /Volumes/prod/raw
        8:14 sales.items -> prod.sales.items
        8:72 /mnt/raw/x -> /Volumes/prod/raw
        1:1 Note style/use-catalog: one statement `USE CATALOG prod` would do instead of 13 edits
        1:48 Warning refused/dbfs-paths: `/mnt/raw/items`: mounts know no rights of Unity Catalog; use a volume or an external location
        2:49 Warning refused/dbfs-paths: `abfss://gold@acc.dfs.core.windows.net/orders`: storage is reached by its address; an external location or a volume must cover it
        3:51 Warning refused/dbfs-paths: `/mnt/raw/in`: mounts know no rights of Unity Catalog; use a volume or an external location
        5:31 Warning refused/dbfs-paths: `/mnt/raw/sales`: mounts know no rights of Unity Catalog; use a volume or an external location
        5:86 Warning refused/dbfs-paths: `/mnt/raw/x`: mounts know no rights of Unity Catalog; use a volume or an external location
        6:63 Error refused/location-in-volume: `/Volumes/prod/raw/y` lies in a volume, and Unity Catalog refuses a table or schema whose location lies in a volume: write the URL of an external location (`abfss://…`, `s3://…`), or drop the location, so that the catalog manages it
        8:36 Warning refused/dbfs-paths: `/mnt/other/x`: mounts know no rights of Unity Catalog; use a volume or an external location
        | create table prod.sales.items using delta location '/mnt/raw/items';
        | create table prod.sales.orders using delta location 'abfss://gold@acc.dfs.core.windows.net/orders';
        | create table prod.sales.items using csv options (path '/mnt/raw/in', header true);
        | create temporary view v using csv options (path '/Volumes/prod/raw/in');
        | create schema prod.sales location '/mnt/raw/sales'; alter table prod.sales.items set location '/mnt/raw/x';
        | create table prod.sales.items shallow clone prod.sales.orders location '/Volumes/prod/raw/y';
        | copy into prod.sales.orders from '/Volumes/prod/raw/in' fileformat = csv;
        | create table prod.sales.items location '/mnt/other/x'; select * from delta.`/Volumes/prod/raw/x`;
    "#]].assert_eq(&show(&[(
        "a.sql",
        "create table sales.items using delta location '/mnt/raw/items';\n\
         create table sales.orders using delta location 'dbfs:/mnt/lake/gold/orders';\n\
         create table sales.items using csv options (path '/mnt/raw/in', header true);\n\
         create temporary view v using csv options (path '/mnt/raw/in');\n\
         create schema sales location '/mnt/raw/sales'; alter table sales.items set location '/mnt/raw/x';\n\
         create table sales.items shallow clone sales.orders location '/Volumes/prod/raw/y';\n\
         copy into sales.orders from '/mnt/raw/in' fileformat = csv;\n\
         create table sales.items location '/mnt/other/x'; select * from delta.`/mnt/raw/x`;",
    )]));
}

#[test]
fn locations_in_programs() {
    expect![[r#"
        == a.py
        1:42 /mnt/raw/a ?  refused/location-in-volume
        1:83 sales.orders -> prod.sales.orders
        2:42 /mnt/raw/b -> /Volumes/prod/raw
        3:16 /mnt/raw/c -> /Volumes/prod/raw
        4:23 sales.orders -> prod.sales.orders
        4:44 /mnt/raw/d ?  refused/location-in-volume
        5:24 /mnt/lake/gold/e -> abfss://gold@acc.dfs.core.windows.net
        5:56 sales.orders -> prod.sales.orders
        6:28 /mnt/raw/f -> /Volumes/prod/raw
        7:35 /mnt/raw/g ?  refused/location-in-volume
        8:21 sales.orders -> prod.sales.orders
        9:50 /mnt/raw/h -> /Volumes/prod/raw
        9:79 /mnt/raw/i ?  refused/location-in-volume
        9:101 sales.orders -> prod.sales.orders
        10:37 sales.items -> prod.sales.items
        10:61 /mnt/raw/j ?  refused/location-in-volume
        11:28 sales.items -> prod.sales.items
        11:43 /mnt/raw/k ?  refused/location-in-volume
        12:9 /mnt/raw/l ?  refused/location-in-volume
        13:26 sales.items -> prod.sales.items
        14:10 /mnt/raw/m -> /Volumes/prod/raw
        14:33 /mnt/lake/gold -> abfss://gold@acc.dfs.core.windows.net
        15:26 sales.items -> prod.sales.items
        16:19 /mnt/raw/o -> /Volumes/prod/raw
        17:43 /mnt/raw/p ?  refused/location-in-volume
        17:69 sales.orders -> prod.sales.orders
        1:42 Warning refused/dbfs-paths: `/mnt/raw/a`: mounts know no rights of Unity Catalog; use a volume or an external location
        3:1 Note refused/default-format: `save` without a format: Parquet before runtime 8.0, Delta since
        4:1 Note refused/default-format: `saveAsTable` without a format: Parquet before runtime 8.0, Delta since
        4:44 Warning refused/dbfs-paths: `/mnt/raw/d`: mounts know no rights of Unity Catalog; use a volume or an external location
        5:1 Note refused/default-format: `saveAsTable` without a format: Parquet before runtime 8.0, Delta since
        5:24 Warning refused/dbfs-paths: `abfss://gold@acc.dfs.core.windows.net/e`: storage is reached by its address; an external location or a volume must cover it
        6:1 Note refused/default-format: `load` without a format: Parquet before runtime 8.0, Delta since
        7:35 Warning refused/dbfs-paths: `/mnt/raw/g`: mounts know no rights of Unity Catalog; use a volume or an external location
        8:1 Note refused/default-format: `saveAsTable` without a format: Parquet before runtime 8.0, Delta since
        9:5 Note refused/default-format: `toTable` without a format: Parquet before runtime 8.0, Delta since
        9:79 Warning refused/dbfs-paths: `/mnt/raw/i`: mounts know no rights of Unity Catalog; use a volume or an external location
        10:61 Warning refused/dbfs-paths: `/mnt/raw/j`: mounts know no rights of Unity Catalog; use a volume or an external location
        11:1 Note refused/catalog-interface: `spark.catalog.createTable` needs runtime 14.3 LTS on shared clusters
        11:43 Warning refused/dbfs-paths: `/mnt/raw/k`: mounts know no rights of Unity Catalog; use a volume or an external location
        12:9 Warning refused/dbfs-paths: `/mnt/raw/l`: mounts know no rights of Unity Catalog; use a volume or an external location
        14:33 Warning refused/dbfs-paths: `abfss://gold@acc.dfs.core.windows.net`: storage is reached by its address; an external location or a volume must cover it
        15:48 Error refused/location-in-volume: `/mnt/raw/m` becomes `/Volumes/prod/raw/m`, and Unity Catalog refuses a table or schema whose location lies in a volume: write the URL of an external location (`abfss://…`, `s3://…`), or drop the location, so that the catalog manages it
        17:43 Warning refused/dbfs-paths: `/mnt/raw/p`: mounts know no rights of Unity Catalog; use a volume or an external location
        | df.write.format('delta').option('path', '/mnt/raw/a').mode('append').saveAsTable('prod.sales.orders')
        | df.write.format('delta').option('path', '/Volumes/prod/raw/b').mode('append').save()
        | df.write.save('/Volumes/prod/raw/c')
        | df.write.saveAsTable('prod.sales.orders', path='/mnt/raw/d')
        | df.write.options(path='abfss://gold@acc.dfs.core.windows.net/e').saveAsTable('prod.sales.orders')
        | spark.read.option('path', '/Volumes/prod/raw/f').load()
        | writer.saveAsTable('prod.sales.orders')
        | q = df.writeStream.option('checkpointLocation', '/Volumes/prod/raw/h').option('path', '/mnt/raw/i').toTable('prod.sales.orders')
        | DeltaTable.create(spark).tableName('prod.sales.items').location('/mnt/raw/j')
        | spark.catalog.createTable('prod.sales.items', '/mnt/raw/k')
        | spark.sql(f"create table prod.sales.items location '{base}/l'")
        | other = '/Volumes/prod/raw/m' if x else 'abfss://gold@acc.dfs.core.windows.net'
        | spark.sql(f"create table prod.sales.items location '{other}/n'")
        | df.write.parquet('/Volumes/prod/raw/o')
        | frames[0].format('delta').option('path', '/mnt/raw/p').saveAsTable('prod.sales.orders')
        == b.scala
        1:42 /mnt/raw/a ?  refused/location-in-volume
        1:68 sales.orders -> prod.sales.orders
        2:26 /mnt/raw/b -> /Volumes/prod/raw
        1:42 Warning refused/dbfs-paths: `/mnt/raw/a`: mounts know no rights of Unity Catalog; use a volume or an external location
        2:1 Note refused/default-format: `save` without a format: Parquet before runtime 8.0, Delta since
        | df.write.format("delta").option("path", "/mnt/raw/a").saveAsTable("prod.sales.orders")
        | df.write.option("path", "/Volumes/prod/raw/b").save()
        == c.r
        1:18 sales.orders -> prod.sales.orders
        1:41 /mnt/raw/a ?  refused/location-in-volume
        2:22 sales.items -> prod.sales.items
        2:44 /mnt/raw/b ?  refused/location-in-volume
        1:41 Warning refused/dbfs-paths: `/mnt/raw/a`: mounts know no rights of Unity Catalog; use a volume or an external location
        2:44 Warning refused/dbfs-paths: `/mnt/raw/b`: mounts know no rights of Unity Catalog; use a volume or an external location
        | saveAsTable(df, 'prod.sales.orders', path = '/mnt/raw/a')
        | createExternalTable('prod.sales.items', path = '/mnt/raw/b')
    "#]].assert_eq(&show(&[
        (
            "a.py",
            "df.write.format('delta').option('path', '/mnt/raw/a').mode('append').saveAsTable('sales.orders')\n\
             df.write.format('delta').option('path', '/mnt/raw/b').mode('append').save()\n\
             df.write.save('/mnt/raw/c')\n\
             df.write.saveAsTable('sales.orders', path='/mnt/raw/d')\n\
             df.write.options(path='/mnt/lake/gold/e').saveAsTable('sales.orders')\n\
             spark.read.option('path', '/mnt/raw/f').load()\n\
             writer = df.write.option('path', '/mnt/raw/g')\n\
             writer.saveAsTable('sales.orders')\n\
             q = df.writeStream.option('checkpointLocation', '/mnt/raw/h').option('path', '/mnt/raw/i').toTable('sales.orders')\n\
             DeltaTable.create(spark).tableName('sales.items').location('/mnt/raw/j')\n\
             spark.catalog.createTable('sales.items', '/mnt/raw/k')\n\
             base = '/mnt/raw'\n\
             spark.sql(f\"create table sales.items location '{base}/l'\")\n\
             other = '/mnt/raw/m' if x else '/mnt/lake/gold'\n\
             spark.sql(f\"create table sales.items location '{other}/n'\")\n\
             df.write.parquet('/mnt/raw/o')\n\
             frames[0].format('delta').option('path', '/mnt/raw/p').saveAsTable('sales.orders')\n",
        ),
        (
            "b.scala",
            "df.write.format(\"delta\").option(\"path\", \"/mnt/raw/a\").saveAsTable(\"sales.orders\")\n\
             df.write.option(\"path\", \"/mnt/raw/b\").save()\n",
        ),
        ("c.r", "saveAsTable(df, 'sales.orders', path = '/mnt/raw/a')\ncreateExternalTable('sales.items', path = '/mnt/raw/b')\n"),
    ]));
}

/// A location comes from a notebook that is run: it is told where it is used.
#[test]
fn locations_from_another_notebook() {
    expect![[r#"
        == a.py
        4:51 sales.orders -> prod.sales.orders
        4:1 Note refused/default-format: `saveAsTable` without a format: Parquet before runtime 8.0, Delta since
        4:25 Error refused/location-in-volume: `/mnt/raw/x` becomes `/Volumes/prod/raw/x`, and Unity Catalog refuses a table or schema whose location lies in a volume: write the URL of an external location (`abfss://…`, `s3://…`), or drop the location, so that the catalog manages it
        | df.write.option('path', base + '/x').saveAsTable('prod.sales.orders')
        == config.py
        2:9 /mnt/raw -> /Volumes/prod/raw
        | base = '/Volumes/prod/raw'
    "#]].assert_eq(&show(&[
        (
            "a.py",
            "# Databricks notebook source\n# MAGIC %run ./config\n# COMMAND ----------\ndf.write.option('path', base + '/x').saveAsTable('sales.orders')\n",
        ),
        ("config.py", "# Databricks notebook source\nbase = '/mnt/raw'\n"),
    ]));
}

/// Nobody's edit to a path in a volume is licensed there.
#[test]
fn a_location_in_a_volume_is_not_licensed() {
    let text = "create table sales.items location '/mnt/raw/items'";
    let scan = scanned(&[("a.sql", text)], &mapping());
    assert!(scan.assets[0].occurrences.iter().any(|occurrence| matches!(
        &occurrence.verdict,
        Verdict::NeedsPerson { doubt, .. } if doubt.rule == "refused/location-in-volume"
    )));
    let after = "create table prod.sales.items location '/Volumes/prod/raw/items'";
    let judged = verify(
        &InMemory::new([("a.sql", text.as_bytes())]),
        &InMemory::new([("a.sql", after.as_bytes())]),
        &mapping(),
        1,
    );
    assert!(matches!(judged[0].outcome, Outcome::Unlicensed(_)));
}
