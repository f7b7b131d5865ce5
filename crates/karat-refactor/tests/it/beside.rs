//! New names that the code has already: no old name becomes one of them, so that nothing is copied onto itself, compared with itself, or dropped.

use expect_test::{Expect, expect};
use karat_refactor::estate::InMemory;
use karat_refactor::verify::{Outcome, verify};

use crate::show::{mapping, show};

fn check(files: &[(&str, &str)], expect: Expect) {
    expect.assert_eq(&show(files));
}

#[test]
fn data_frames_that_copy_a_table() {
    check(
        &[
            (
                "copy.py",
                "spark.table('old.t').write.mode('append').saveAsTable('prod.fresh.t2')\n\
                 spark.table('sales.orders').count()\n",
            ),
            (
                "far_apart.py",
                "df = spark.read.table('sales.orders')\n\
                 df = df.filter('id > 3')\n\
                 df.write.insertInto('prod.sales.orders', overwrite=True)\n\
                 spark.read.table('sales.items').show()\n",
            ),
            (
                "back.py",
                "spark.table('prod.sales.orders').write.mode('overwrite').saveAsTable('sales.orders')\n",
            ),
            (
                "copy.scala",
                "spark.table(\"sales.orders\").writeTo(\"prod.sales.orders\").append()\n\
                 spark.table(\"sales.items\").write.saveAsTable(\"prod.sales.other\")\n",
            ),
            (
                "copy.r",
                "library(SparkR)\ndf <- tableToDF('sales.orders')\nsaveAsTable(df, 'prod.sales.orders')\n",
            ),
        ],
        expect![[r#"
            == back.py
            1:14 prod.sales.orders not a table: already a name of Unity Catalog
            1:71 sales.orders ?  name/beside-its-new-name prod.sales.orders
            1:1 Note refused/default-format: `saveAsTable` without a format: Parquet before runtime 8.0, Delta since
            == copy.py
            1:14 old.t ?  name/beside-its-new-name prod.fresh.t2
            1:56 prod.fresh.t2 not a table: already a name of Unity Catalog
            2:14 sales.orders -> prod.sales.orders
            1:1 Note refused/default-format: `saveAsTable` without a format: Parquet before runtime 8.0, Delta since
            | spark.table('prod.sales.orders').count()
            == copy.r
            2:18 sales.orders ?  name/beside-its-new-name prod.sales.orders
            3:18 prod.sales.orders not a table: already a name of Unity Catalog
            == copy.scala
            1:14 sales.orders ?  name/beside-its-new-name prod.sales.orders
            1:38 prod.sales.orders not a table: already a name of Unity Catalog
            2:14 sales.items -> prod.sales.items
            2:47 prod.sales.other not a table: already a name of Unity Catalog
            2:1 Note refused/default-format: `saveAsTable` without a format: Parquet before runtime 8.0, Delta since
            | spark.table("prod.sales.items").write.saveAsTable("prod.sales.other")
            == far_apart.py
            1:24 sales.orders ?  name/beside-its-new-name prod.sales.orders
            3:22 prod.sales.orders not a table: already a name of Unity Catalog
            4:19 sales.items -> prod.sales.items
            | spark.read.table('prod.sales.items').show()
        "#]],
    );
}

#[test]
fn names_that_loops_variables_and_functions_make() {
    check(
        &[
            (
                "loop.py",
                "for t in ['orders', 'items']:\n    spark.table(f'sales.{t}').write.saveAsTable(f'prod.sales.{t}')\n",
            ),
            (
                "open_loop.py",
                "for t in spark.catalog.listTables('sales'):\n    spark.table('sales.' + t.name).write.saveAsTable('prod.sales.' + t.name)\n",
            ),
            (
                "pairs.py",
                "for old, new in [('sales.orders', 'prod.sales.orders'), ('people.emp', '`prod-eu`.people.emp')]:\n    spark.table(old).write.saveAsTable(new)\n",
            ),
            (
                "function.py",
                "def copy(old, new):\n    spark.table(old).write.saveAsTable(new)\ncopy('sales.orders', 'prod.sales.orders')\n",
            ),
            (
                "catalog.py",
                "catalog = dbutils.widgets.get('catalog')\n\
                 spark.table('sales.orders').write.saveAsTable(f'{catalog}.sales.orders')\n\
                 spark.table('people.emp').show()\n",
            ),
            (
                "constant.py",
                "DB = 'old'\nspark.table(f'{DB}.t').write.saveAsTable('prod.fresh.t2')\n",
            ),
        ],
        expect![[r#"
            == catalog.py
            2:14 sales.orders ?  name/beside-its-new-name prod.sales.orders
            2:49 ?????.sales.orders ?  name/unresolved prod.sales.orders
            3:14 people.emp -> `prod-eu`.people.emp
            2:1 Note refused/default-format: `saveAsTable` without a format: Parquet before runtime 8.0, Delta since
            | spark.table('`prod-eu`.people.emp').show()
            == constant.py
            1:7 old not a table: part of names that are judged where they are put together
            2:15 old.t ?  name/several-values prod.fresh.t2
            2:43 prod.fresh.t2 not a table: already a name of Unity Catalog
            2:1 Note refused/default-format: `saveAsTable` without a format: Parquet before runtime 8.0, Delta since
            == function.py
            3:7 sales.orders ?  name/beside-its-new-name prod.sales.orders
            3:23 prod.sales.orders not a table: already a name of Unity Catalog
            2:5 Note refused/default-format: `saveAsTable` without a format: Parquet before runtime 8.0, Delta since
            == loop.py
            2:19 sales.????? ?  name/beside-its-new-name prod.sales.*
            2:51 prod.sales.????? not a table: already a name of Unity Catalog
            2:5 Note refused/default-format: `saveAsTable` without a format: Parquet before runtime 8.0, Delta since
            == open_loop.py
            1:36 sales ?  name/beside-its-new-name prod.sales
            2:18 sales.????? ?  name/beside-its-new-name prod.sales.*
            2:55 prod.sales.????? not a table: already a name of Unity Catalog
            1:10 Note refused/catalog-interface: `spark.catalog.listTables` needs runtime 14.3 LTS on shared clusters
            1:10 Warning shape/listed-names: `listTables` gives names with a catalog in Unity Catalog
            2:5 Note refused/default-format: `saveAsTable` without a format: Parquet before runtime 8.0, Delta since
            == pairs.py
            1:20 sales.orders ?  name/not-followed
            1:41 sales.orders not a table: end of a longer dotted name
            1:59 people.emp ?  name/not-followed
            1:83 people.emp ?  name/not-followed
            2:17 old ?  name/unresolved
            2:40 new ?  name/unresolved
            2:5 Note refused/default-format: `saveAsTable` without a format: Parquet before runtime 8.0, Delta since
        "#]],
    );
}

#[test]
fn notebooks_of_one_session() {
    check(
        &[
            (
                "load.py",
                "# Databricks notebook source\ndf = spark.table('sales.orders')\nother = spark.table('sales.items')\n",
            ),
            (
                "main.py",
                "# Databricks notebook source\n# MAGIC %run ./load\n\n# COMMAND ----------\n\ndf.write.saveAsTable('prod.sales.orders')\n",
            ),
            (
                "save.py",
                "# Databricks notebook source\nframe.write.saveAsTable('prod.sales.items')\n",
            ),
            (
                "second.py",
                "# Databricks notebook source\nframe = spark.table('sales.items')\n\n# COMMAND ----------\n\n# MAGIC %run ./save\n",
            ),
        ],
        expect![[r#"
            == load.py
            2:19 sales.orders ?  name/beside-its-new-name prod.sales.orders
            3:22 sales.items -> prod.sales.items
            | other = spark.table('prod.sales.items')
            == main.py
            6:23 prod.sales.orders not a table: already a name of Unity Catalog
            6:1 Note refused/default-format: `saveAsTable` without a format: Parquet before runtime 8.0, Delta since
            == save.py
            2:26 prod.sales.items not a table: already a name of Unity Catalog
            2:1 Note refused/default-format: `saveAsTable` without a format: Parquet before runtime 8.0, Delta since
            == second.py
            2:22 sales.items ?  name/beside-its-new-name prod.sales.items
        "#]],
    );
}

#[test]
fn scripts_and_views() {
    check(
        &[
            (
                "view.sql",
                "create temporary view v as select * from sales.orders;\n\
                 insert overwrite prod.sales.orders select * from v;\n\
                 use sales;\n\
                 select * from orders;\n\
                 select * from items;\n",
            ),
            (
                "clean_up.sql",
                "create table prod.sales.orders deep clone sales.orders;\n\
                 drop table sales.orders;\n\
                 drop table sales.items;\n\
                 drop database sales cascade;\n\
                 drop database people cascade;\n",
            ),
        ],
        expect![[r#"
            == clean_up.sql
            1:14 prod.sales.orders not a table: already a name of Unity Catalog
            1:43 sales.orders ?  name/beside-its-new-name prod.sales.orders
            2:12 sales.orders ?  name/beside-its-new-name prod.sales.orders
            3:12 sales.items -> prod.sales.items
            4:15 sales ?  name/beside-its-new-name prod.sales
            5:15 people -> `prod-eu`.people
            | drop table prod.sales.items;
            | drop database `prod-eu`.people cascade;
            == view.sql
            1:23 v not a table: temporary view
            1:42 sales.orders ?  name/beside-its-new-name prod.sales.orders
            2:18 prod.sales.orders not a table: already a name of Unity Catalog
            2:50 v not a table: temporary view
            3:5 sales ?  name/takes-along prod.sales
            4:15 orders ?  name/beside-its-new-name prod.sales.orders
            5:15 items -> prod.sales.items
            | select * from prod.sales.items;
        "#]],
    );
}

#[test]
fn files_that_are_copied_to_their_new_place() {
    check(
        &[(
            "files.py",
            "dbutils.fs.cp('/mnt/raw/in', '/Volumes/prod/raw/in', True)\n\
             dbutils.fs.rm('/mnt/raw/other', True)\n\
             dbutils.fs.rm('dbfs:/mnt/raw', True)\n\
             spark.read.load(f'abfss://{c}@acc.dfs.core.windows.net/x')\n\
             spark.read.load('/mnt/lake/gold/x')\n",
        )],
        expect![[r#"
            1:16 /mnt/raw/in ?  name/beside-its-new-name /Volumes/prod/raw
            2:16 /mnt/raw/other -> /Volumes/prod/raw
            3:16 dbfs:/mnt/raw ?  name/beside-its-new-name /Volumes/prod/raw
            5:18 /mnt/lake/gold/x -> abfss://gold@acc.dfs.core.windows.net
            1:16 Warning refused/dbfs-paths: `/mnt/raw/in`: mounts know no rights of Unity Catalog; use a volume or an external location
            3:16 Warning refused/dbfs-paths: `dbfs:/mnt/raw`: mounts know no rights of Unity Catalog; use a volume or an external location
            4:1 Note refused/default-format: `load` without a format: Parquet before runtime 8.0, Delta since
            4:19 Warning refused/dbfs-paths: `abfss://…`: storage is reached by its address; an external location or a volume must cover it
            5:1 Note refused/default-format: `load` without a format: Parquet before runtime 8.0, Delta since
            5:18 Warning refused/dbfs-paths: `abfss://gold@acc.dfs.core.windows.net/x`: storage is reached by its address; an external location or a volume must cover it
            | dbutils.fs.rm('/Volumes/prod/raw/other', True)
            | spark.read.load('abfss://gold@acc.dfs.core.windows.net/x')
        "#]],
    );
}

#[test]
fn whoever_merges_two_tables_is_told() {
    let before = "spark.table('sales.orders').write.saveAsTable('prod.sales.orders')\n";
    let after = "spark.table('prod.sales.orders').write.saveAsTable('prod.sales.orders')\n";
    let tree = |text: &'static str| InMemory::new([("copy.py", text.as_bytes())]);
    let judged = verify(&tree(before), &tree(after), &mapping(), 1);
    let Outcome::Unlicensed(change) = &judged[0].outcome else {
        panic!("{judged:?}");
    };
    expect!["`sales.orders` was changed, and nobody decided that: copy.py has `prod.sales.orders` too, and with the new name the two would be one: does this code copy, compare or clean up?"].assert_eq(&change.what);
}
