//! The forty hardest patterns of code, by their numbers in the research: each in the languages and nestings in which it occurs. The file names
//! tell pattern and language. What each front end does beyond them is in its own tests.

use expect_test::expect;
use karat_refactor::mapping::read::of_pairs;
use karat_refactor::{Mapping, Options};

use crate::show::{show_with, shown};

fn mapping() -> Mapping {
    of_pairs(&[
        ("curated.*", "prod.curated.*"),
        ("cleansed.*", "prod.cleansed.*"),
        ("raw.x", "prod-eu.raw.x"),
        ("sales.orders", "prod.sales.orders"),
        ("sales.items", "prod.shop.item"),
        ("ref.point", "prod.ref.point"),
        ("ctl.vw", "prod.ctl.vw"),
        ("/mnt/raw", "/Volumes/prod/raw/files"),
        (
            "adl://lake.azuredatalakestore.net/raw",
            "abfss://raw@lake.dfs.core.windows.net",
        ),
    ])
}

fn notebook(cells: &[&str]) -> String {
    format!(
        "# Databricks notebook source\n{}",
        cells.join("\n# COMMAND ----------\n")
    )
}

fn scala(cells: &[&str]) -> String {
    format!(
        "// Databricks notebook source\n{}",
        cells.join("\n// COMMAND ----------\n")
    )
}

fn jupyter(source: &str) -> String {
    let source = serde_json::to_string(source).unwrap();
    format!(
        "{{\"cells\": [{{\"cell_type\": \"code\", \"source\": [{source}]}}], \"metadata\": {{\"application/vnd.databricks.v1+notebook\": \
         {{\"language\": \"python\", \"widgets\": {{\"t\": {{\"currentValue\": \"sales.orders\"}}}}}}}}}}"
    )
}

#[test]
fn patterns_1_to_16_are_rewritten() {
    let chain = "(df\n  .withColumn('a', f.lit(1))\n  .write.mode('overwrite')\n  .saveAsTable(\"curated.factX\"))\ndf.write.insertInto('cleansed.y')";
    let used = notebook(&[
        "# MAGIC %sql use cleansed",
        "print(1)",
        "spark.table('a')",
        "# MAGIC %scala\n# MAGIC spark.table(\"b\")",
        "# MAGIC %r\n# MAGIC d <- tableToDF('c')",
    ]);
    let merge = "spark.sql(f\"\"\"MERGE INTO sales.orders t \\\nUSING (select * from raw.x where d = '{day:%Y-%m-%d}') s \\\nON t.id = s.id\"\"\")";
    let files: Vec<(String, String)> = [
        ("01.py", chain.to_owned()),
        ("01.scala", "df.write\n  .mode(\"overwrite\") // all\n  .saveAsTable(\"curated.factX\")\n".to_owned()),
        ("01.r", "write.df(df, source = 'delta')\nsaveAsTable(df, \"curated.factX\")\ninsertInto(df, 'cleansed.y')\n".to_owned()),
        ("02.py", "spark.sql(f\"select * from sales.items where id = {i!r:>4} and s in ({','.join(f\"'{i}'\" for i in ids)})\")\n".to_owned()),
        ("03.py", merge.to_owned()),
        ("04.py", used),
        ("04.scala", scala(&["// MAGIC %sql\n// MAGIC USE curated", "val a = 1", "spark.table(\"t\")"])),
        ("05.sql", "-- Databricks notebook source\nuse sales;\n-- COMMAND ----------\n-- MAGIC %python\n-- MAGIC spark.table('orders')\n".to_owned()),
        ("06.py", notebook(&["# MAGIC %run ./includes/setup", "spark.table('t')"])),
        ("06.scala", scala(&["// MAGIC %run ./includes/setup", "spark.table(\"t\")"])),
        ("includes/setup.py", notebook(&["spark.sql('use curated')"])),
        ("07.sql", "create table curated.t using delta location \"/mnt/raw/t\";\ncreate external table curated.u (a int) location 'adl://lake.azuredatalakestore.net/raw/u';\ncreate table curated.v location 'dbfs:/mnt/raw/v';\n".to_owned()),
        ("07.py", "spark.sql(\"CREATE TABLE curated.t USING DELTA LOCATION '/mnt/raw/t'\")\n".to_owned()),
        ("07.scala", "spark.sql(\"\"\"create table curated.t\n  |location \"/mnt/raw/t\" \"\"\".stripMargin)\n".to_owned()),
        ("08.py", "for verb in ['x']:\n    spark.sql('OPTIMIZE curated.t ZORDER BY (a)')\nspark.sql('vacuum sales.items'); spark.sql('refresh table raw.x'); spark.sql('msck repair table sales.items'); spark.sql('analyze table raw.x compute statistics')\n".to_owned()),
        ("09.py", "spark.table('hive_metastore.curated.x')\nspark.table('hive_metastore.sales.items') # hive_metastore.sales.items\n".to_owned()),
        ("09.r", "d <- sql('select * from hive_metastore.raw.x') # hive_metastore.raw.x\n".to_owned()),
        ("10.sql", "describe history sales.items; show partitions sales.items; select * from table_changes('sales.items', 2, 5);\n".to_owned()),
        ("10.scala", "spark.sql(\"select * from table_changes('raw.x', 1)\")\n".to_owned()),
        ("11.sql", "insert overwrite table sales.items partition (d = '1') select * from raw.x version as of 12 a join raw.x@v1 b tablesample (5 percent) lateral view explode(z) e as w pivot (sum(q) for r in (1, 2)) where nvl(a, b) = 1; -- ends\n".to_owned()),
        ("12.scala", "val q = \"\"\"select * from sales.items\n  where a = 'sales.items'\"\"\"\nspark.sql(q)\nspark.sql(s\"select ${col} from raw.x where a = $x\")\n".to_owned()),
        ("12.r", "q <- \"select * from sales.items\"\nd <- sql(q)\nsaveAsTable(d, \"curated.tbl\")\n".to_owned()),
        ("13.py", "DEFAULT = 'curated'\nspark.sql(f\"CREATE OR REPLACE VIEW curated.v AS SELECT * FROM {DEFAULT}.view_{n}\")\n".to_owned()),
        ("14.ipynb", jupyter("%sql\nselect \"a\", b from sales.items")),
        ("15.py", "spark.table('Sales.Orders')\nspark.sql('select * from SALES.Items join CURATED.T')\n".to_owned()),
        ("15.r", "d <- tableToDF('Sales.Items')\n".to_owned()),
        ("16.sql", "select * from `raw`.`x` join raw.x join `raw.x` join `sales`.items;\n".to_owned()),
        ("16.scala", "spark.sql(s\"select * from raw.x where a = '$d'\")\nspark.table(\"raw.x\")\n".to_owned()),
    ]
    .into_iter()
    .map(|(path, text)| (path.to_owned(), text))
    .collect();
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|(path, text)| (path.as_str(), text.as_str()))
        .collect();
    expect![[r#"
        == 01.py
        4:17 curated.factX -> prod.curated.factx
        5:22 cleansed.y -> prod.cleansed.y
        1:1 Note refused/default-format: `saveAsTable` without a format: Parquet before runtime 8.0, Delta since
        |   .saveAsTable("prod.curated.factX"))
        | df.write.insertInto('prod.cleansed.y')
        == 01.r
        2:18 curated.factX -> prod.curated.factx
        3:17 cleansed.y -> prod.cleansed.y
        | saveAsTable(df, "prod.curated.factX")
        | insertInto(df, 'prod.cleansed.y')
        == 01.scala
        3:17 curated.factX -> prod.curated.factx
        1:1 Note refused/default-format: `saveAsTable` without a format: Parquet before runtime 8.0, Delta since
        |   .saveAsTable("prod.curated.factX")
        == 02.py
        1:27 sales.items -> prod.shop.item
        | spark.sql(f"select * from prod.shop.item where id = {i!r:>4} and s in ({','.join(f"'{i}'" for i in ids)})")
        == 03.py
        1:26 sales.orders -> prod.sales.orders
        2:22 raw.x -> `prod-eu`.raw.x
        | spark.sql(f"""MERGE INTO prod.sales.orders t \
        | USING (select * from `prod-eu`.raw.x where d = '{day:%Y-%m-%d}') s \
        == 04.py
        2:18 cleansed -> prod.cleansed
        6:14 a -> prod.cleansed.a
        9:22 b -> prod.cleansed.b
        12:25 c -> prod.cleansed.c
        1:1 Note style/use-catalog: one statement `USE CATALOG prod` would do instead of 4 edits
        | # MAGIC %sql use prod.cleansed
        | spark.table('prod.cleansed.a')
        | # MAGIC spark.table("prod.cleansed.b")
        | # MAGIC d <- tableToDF('prod.cleansed.c')
        == 04.scala
        3:14 curated -> prod.curated
        7:14 t -> prod.curated.t
        1:1 Note style/use-catalog: one statement `USE CATALOG prod` would do instead of 2 edits
        | // MAGIC USE prod.curated
        | spark.table("prod.curated.t")
        == 05.sql
        2:5 sales ?  name/database-split prod.sales prod.shop
        5:23 orders -> prod.sales.orders
        | -- MAGIC spark.table('prod.sales.orders')
        == 06.py
        4:14 t -> prod.curated.t
        | spark.table('prod.curated.t')
        == 06.scala
        4:14 t -> prod.curated.t
        | spark.table("prod.curated.t")
        == 07.py
        1:25 curated.t -> prod.curated.t
        1:57 /mnt/raw/t ?  refused/location-in-volume
        1:57 Warning refused/dbfs-paths: `/mnt/raw/t`: mounts know no rights of Unity Catalog; use a volume or an external location
        | spark.sql("CREATE TABLE prod.curated.t USING DELTA LOCATION '/mnt/raw/t'")
        == 07.scala
        1:27 curated.t -> prod.curated.t
        2:14 /mnt/raw/t ?  refused/location-in-volume
        2:14 Warning refused/dbfs-paths: `/mnt/raw/t`: mounts know no rights of Unity Catalog; use a volume or an external location
        | spark.sql("""create table prod.curated.t
        == 07.sql
        1:14 curated.t -> prod.curated.t
        1:46 /mnt/raw/t ?  refused/location-in-volume
        2:23 curated.u -> prod.curated.u
        2:51 adl://lake.azuredatalakestore.net/raw/u -> abfss://raw@lake.dfs.core.windows.net
        3:14 curated.v -> prod.curated.v
        3:34 dbfs:/mnt/raw/v ?  refused/location-in-volume
        1:1 Note style/use-catalog: one statement `USE CATALOG prod` would do instead of 4 edits
        1:46 Warning refused/dbfs-paths: `/mnt/raw/t`: mounts know no rights of Unity Catalog; use a volume or an external location
        2:51 Warning refused/dbfs-paths: `abfss://raw@lake.dfs.core.windows.net/u`: storage is reached by its address; an external location or a volume must cover it
        3:34 Warning refused/dbfs-paths: `dbfs:/mnt/raw/v`: mounts know no rights of Unity Catalog; use a volume or an external location
        | create table prod.curated.t using delta location "/mnt/raw/t";
        | create external table prod.curated.u (a int) location 'abfss://raw@lake.dfs.core.windows.net/u';
        | create table prod.curated.v location 'dbfs:/mnt/raw/v';
        == 08.py
        2:25 curated.t -> prod.curated.t
        3:19 sales.items -> prod.shop.item
        3:59 raw.x -> `prod-eu`.raw.x
        3:97 sales.items -> prod.shop.item
        3:137 raw.x -> `prod-eu`.raw.x
        3:68 Warning refused/hive-syntax: `MSCK REPAIR` is SQL of Hive that Unity Catalog does not take
        |     spark.sql('OPTIMIZE prod.curated.t ZORDER BY (a)')
        | spark.sql('vacuum prod.shop.item'); spark.sql('refresh table `prod-eu`.raw.x'); spark.sql('msck repair table prod.shop.item'); spark.sql('analyze table `prod-eu`.raw.x compute statistics')
        == 09.py
        1:14 hive_metastore.curated.x -> prod.curated.x
        2:14 hive_metastore.sales.items -> prod.shop.item
        2:60 sales.items not a table: comment
        | spark.table('prod.curated.x')
        | spark.table('prod.shop.item') # hive_metastore.sales.items
        == 09.r
        1:25 hive_metastore.raw.x -> `prod-eu`.raw.x
        1:65 raw.x not a table: comment
        | d <- sql('select * from `prod-eu`.raw.x') # hive_metastore.raw.x
        == 10.scala
        1:41 raw.x -> `prod-eu`.raw.x
        | spark.sql("select * from table_changes('`prod-eu`.raw.x', 1)")
        == 10.sql
        1:18 sales.items -> prod.shop.item
        1:47 sales.items -> prod.shop.item
        1:89 sales.items -> prod.shop.item
        | describe history prod.shop.item; show partitions prod.shop.item; select * from table_changes('prod.shop.item', 2, 5);
        == 11.sql
        1:24 sales.items -> prod.shop.item
        1:70 raw.x -> `prod-eu`.raw.x
        1:100 raw.x -> `prod-eu`.raw.x
        | insert overwrite table prod.shop.item partition (d = '1') select * from `prod-eu`.raw.x version as of 12 a join `prod-eu`.raw.x@v1 b tablesample (5 percent) lateral view explode(z) e as w pivot (sum(q) for r in (1, 2)) where nvl(a, b) = 1; -- ends
        == 12.r
        1:21 sales.items -> prod.shop.item
        3:17 curated.tbl -> prod.curated.tbl
        | q <- "select * from prod.shop.item"
        | saveAsTable(d, "prod.curated.tbl")
        == 12.scala
        1:26 sales.items -> prod.shop.item
        2:14 sales.items not a table: text that is data
        4:32 raw.x -> `prod-eu`.raw.x
        | val q = """select * from prod.shop.item
        | spark.sql(s"select ${col} from `prod-eu`.raw.x where a = $x")
        == 13.py
        1:12 curated not a table: part of names that are judged where they are put together
        2:36 curated.v -> prod.curated.v
        2:63 curated.view_????? -> prod.curated.*
        | spark.sql(f"CREATE OR REPLACE VIEW prod.curated.v AS SELECT * FROM prod.{DEFAULT}.view_{n}")
        == 14.ipynb
        1:73 sales.items -> prod.shop.item
        1:203 sales.orders not a table: text that is data
        | {"cells": [{"cell_type": "code", "source": ["%sql\nselect \"a\", b from prod.shop.item"]}], "metadata": {"application/vnd.databricks.v1+notebook": {"language": "python", "widgets": {"t": {"currentValue": "sales.orders"}}}}}
        == 15.py
        1:14 Sales.Orders -> prod.sales.orders
        2:26 SALES.Items -> prod.shop.item
        2:43 CURATED.T -> prod.curated.t
        | spark.table('prod.Sales.Orders')
        | spark.sql('select * from prod.shop.item join prod.CURATED.T')
        == 15.r
        1:17 Sales.Items -> prod.shop.item
        | d <- tableToDF('prod.shop.item')
        == 16.scala
        1:27 raw.x -> `prod-eu`.raw.x
        2:14 raw.x -> `prod-eu`.raw.x
        | spark.sql(s"select * from `prod-eu`.raw.x where a = '$d'")
        | spark.table("`prod-eu`.raw.x")
        == 16.sql
        1:15 `raw`.`x` -> `prod-eu`.raw.x
        1:30 raw.x -> `prod-eu`.raw.x
        1:41 `raw.x` ?  name/quoted-dot
        1:54 `sales`.items -> prod.shop.item
        | select * from `prod-eu`.`raw`.`x` join `prod-eu`.raw.x join `raw.x` join prod.`shop`.item;
        == includes/setup.py
        2:16 curated -> prod.curated
        | spark.sql('use prod.curated')
    "#]].assert_eq(&show_with(&files, &mapping()));
}

#[test]
fn patterns_17_to_25_stay_as_they_are() {
    let files: &[(&str, &str)] = &[
        (
            "17.sql",
            "with orders as (select 1 a), items as (select * from orders) select orders.a from orders join (select 2 b) orders2 on orders2.b = orders.a;\n",
        ),
        (
            "17.py",
            "spark.sql('use sales')\nspark.sql('with orders as (select 1 a) select * from orders')\n",
        ),
        (
            "17.scala",
            "spark.sql(\"\"\"with items as (select 1) select * from (select * from items) items\"\"\")\n",
        ),
        (
            "18.py",
            "df.createOrReplaceTempView('orders')\nspark.sql('select * from orders')\nspark.table('orders')\n",
        ),
        (
            "18.scala",
            "df.createOrReplaceTempView(\"orders\")\nspark.table(\"orders\")\n",
        ),
        (
            "18.r",
            "createOrReplaceTempView(df, 'orders')\nd <- sql('select * from orders')\n",
        ),
        (
            "18.sql",
            "create temporary view orders as select 1; select * from orders;\n",
        ),
        (
            "19.sql",
            "select sales.orders, a.sales.orders, ref.point from curated.t sales join curated.u ref on sales.orders = ref.point where ref.point.id = 1;\n",
        ),
        (
            "20.py",
            "df.select(psf.col('ref.point'), 'sales.orders').filter('ref.point > 1').withColumn('a', psf.expr('sales.orders + 1'))\n",
        ),
        (
            "20.scala",
            "df.select(col(\"ref.point\"), $\"sales.orders\").filter(\"ref.point > 1\")\n",
        ),
        (
            "20.r",
            "select(df, df$ref.point); filter(df, 'sales.orders > 1')\n",
        ),
        (
            "21.py",
            "spark.read.format('jdbc').option('dbtable', 'ctl.vw').load()\nspark.read.jdbc(url, 'sales.orders')\n",
        ),
        (
            "21.scala",
            "spark.read.format(\"jdbc\").option(\"dbtable\", \"ctl.vw\").load()\nspark.read.jdbc(url, \"sales.orders\", p)\n",
        ),
        (
            "22.py",
            "spark.read.load('/data/sales.orders/x')\ndbutils.fs.ls('abfss://c@a.dfs.core.windows.net/sales/orders')\n",
        ),
        (
            "23.py",
            "import sales.orders\nsales.orders()\nsend('joe@sales.orders')\nget('https://sales.orders/x')\nspark.sql(\"select 1 from curated.t where x = 'sales.orders' and y = \\\"sales.orders\\\"\")\ndbutils.notebook.run('/jobs/sales.orders', 60)\n",
        ),
        (
            "23.scala",
            "import sales.orders\nsales.orders()\nspark.sql(\"select 1 from curated.t where x = 'sales.orders'\")\n",
        ),
        (
            "23.r",
            "sales.orders <- 1\nd <- sql(\"select 1 from curated.t where x = 'sales.orders'\")\n",
        ),
        (
            "24.sql",
            "-- Databricks notebook source\nuse catalog identifier(:catalog);\nuse sales;\nselect * from sales.orders;\n",
        ),
        (
            "24.py",
            "spark.sql('use catalog dev')\nspark.table('sales.orders')\n",
        ),
        ("25.sql", "-- sales.orders\n/* sales.items */ select 1;\n"),
        ("25.py", "# sales.orders\n'''reads sales.items'''\n"),
        ("25.scala", "// sales.orders\n/* sales.items */\n"),
        ("25.r", "# sales.orders\n"),
    ];
    expect![[r#"
        == 17.py
        1:16 sales ?  name/database-split prod.sales prod.shop
        2:17 orders not a table: common table expression
        2:54 orders not a table: common table expression
        == 17.scala
        1:19 items not a table: common table expression
        1:68 items not a table: common table expression
        == 17.sql
        1:6 orders not a table: common table expression
        1:30 items not a table: common table expression
        1:54 orders not a table: common table expression
        1:83 orders not a table: common table expression
        == 18.py
        2:26 orders not a table: temporary view
        3:14 orders not a table: temporary view
        == 18.r
        2:25 orders not a table: temporary view
        == 18.scala
        2:14 orders not a table: temporary view
        == 18.sql
        1:23 orders not a table: temporary view
        1:57 orders not a table: temporary view
        == 19.sql
        1:8 sales.orders not a table: column behind an alias
        1:22 a.sales.orders not a table: field of a column
        1:38 ref.point not a table: column behind an alias
        1:53 curated.t -> prod.curated.t
        1:74 curated.u -> prod.curated.u
        1:91 sales.orders not a table: column behind an alias
        1:106 ref.point not a table: column behind an alias
        1:122 ref.point.id not a table: column behind an alias
        1:1 Note style/use-catalog: one statement `USE CATALOG prod` would do instead of 2 edits
        | select sales.orders, a.sales.orders, ref.point from prod.curated.t sales join prod.curated.u ref on sales.orders = ref.point where ref.point.id = 1;
        == 20.py
        1:20 ref.point not a table: column behind an alias
        1:34 sales.orders not a table: column behind an alias
        1:57 ref.point not a table: column behind an alias
        1:99 sales.orders not a table: column behind an alias
        == 20.r
        1:15 ref.point not a table: code
        1:39 sales.orders ?  name/not-followed
        == 20.scala
        1:16 ref.point not a table: column behind an alias
        1:31 sales.orders not a table: column behind an alias
        1:54 ref.point not a table: column behind an alias
        == 21.py
        1:46 ctl.vw not a table: table of another system
        2:23 sales.orders not a table: table of another system
        == 21.scala
        1:46 ctl.vw not a table: table of another system
        2:23 sales.orders not a table: table of another system
        == 22.py
        1:24 sales.orders not a table: part of a path
        1:1 Note refused/default-format: `load` without a format: Parquet before runtime 8.0, Delta since
        1:18 Warning refused/dbfs-paths: `/data/sales.orders/x`: a path in the root of DBFS, which knows no rights of Unity Catalog; use a volume
        2:16 Warning refused/dbfs-paths: `abfss://c@a.dfs.core.windows.net/sales/orders`: storage is reached by its address; an external location or a volume must cover it
        == 23.py
        1:8 sales.orders not a table: code
        2:1 sales.orders not a table: code
        3:11 sales.orders ?  name/not-followed
        4:14 sales.orders ?  name/not-followed
        5:26 curated.t -> prod.curated.t
        5:47 sales.orders not a table: text that is data
        5:71 sales.orders not a table: text that is data
        6:29 sales.orders not a table: path of the workspace
        | spark.sql("select 1 from prod.curated.t where x = 'sales.orders' and y = \"sales.orders\"")
        == 23.r
        1:1 sales.orders not a table: code
        2:25 curated.t -> prod.curated.t
        2:46 sales.orders not a table: text that is data
        | d <- sql("select 1 from prod.curated.t where x = 'sales.orders'")
        == 23.scala
        1:8 sales.orders not a table: code
        2:1 sales.orders not a table: code
        3:26 curated.t -> prod.curated.t
        3:47 sales.orders not a table: text that is data
        | spark.sql("select 1 from prod.curated.t where x = 'sales.orders'")
        == 24.py
        2:14 sales.orders not a table: already a name of Unity Catalog
        == 24.sql
        3:5 sales not a table: already a name of Unity Catalog
        4:15 sales.orders not a table: already a name of Unity Catalog
        == 25.py
        1:3 sales.orders not a table: comment
        2:10 sales.items not a table: comment
        == 25.r
        1:3 sales.orders not a table: comment
        == 25.scala
        1:4 sales.orders not a table: comment
        2:4 sales.items not a table: comment
        == 25.sql
        1:4 sales.orders not a table: comment
        2:4 sales.items not a table: comment
    "#]].assert_eq(&show_with(files, &mapping()));
    let comments: Vec<(&str, &str)> = files
        .iter()
        .filter(|(path, _)| path.starts_with("25"))
        .copied()
        .collect();
    let options = Options {
        comments: true,
        ..Options::default()
    };
    expect![[r#"
        == 25.py
        1:3 sales.orders -> prod.sales.orders
        2:10 sales.items -> prod.shop.item
        | # prod.sales.orders
        | '''reads prod.shop.item'''
        == 25.r
        1:3 sales.orders -> prod.sales.orders
        | # prod.sales.orders
        == 25.scala
        1:4 sales.orders -> prod.sales.orders
        2:4 sales.items -> prod.shop.item
        | // prod.sales.orders
        | /* prod.shop.item */
        == 25.sql
        1:4 sales.orders -> prod.sales.orders
        2:4 sales.items -> prod.shop.item
        | -- prod.sales.orders
        | /* prod.shop.item */ select 1;
    "#]]
    .assert_eq(&shown(&comments, &mapping(), &options));
}

#[test]
fn patterns_26_to_37_are_told() {
    let names = notebook(&["DB_CLEANSED = 'cleansed'\nDB_SALES = 'sales'"]);
    let constants = notebook(&[
        "# MAGIC %run ./names",
        "spark.sql(f'select * from {DB_CLEANSED}.access_x')\nspark.sql(f'select * from {DB_SALES}.{t}')",
    ]);
    let files: &[(&str, &str)] = &[
        ("names.py", &names),
        ("26.py", &constants),
        (
            "27.py",
            "# Databricks notebook source\nsource_object = dbutils.widgets.get('o')\ndb = dbutils.widgets.get('db')\nspark.table(f'{db}.stg_{source_object}')\n",
        ),
        (
            "27.scala",
            "// Databricks notebook source\nval db = dbutils.widgets.get(\"db\")\nspark.table(s\"$db.orders\")\n",
        ),
        (
            "27.sql",
            "-- Databricks notebook source\nselect * from ${db}.orders;\n",
        ),
        (
            "27.r",
            "# Databricks notebook source\ndb <- dbutils.widgets.get('db')\nd <- sql(paste0('select * from ', db, '.orders'))\n",
        ),
        (
            "28.py",
            "spark.table('{0}.{1}'.format(DB, obj))\nspark.table('sales.{0}'.format(obj))\nspark.sql('select * from {db}.orders'.format(**args))\n",
        ),
        ("28.scala", "spark.table(\"%s.orders\".format(db))\n"),
        ("28.r", "d <- tableToDF(sprintf('%s.%s', db, t))\n"),
        (
            "29.py",
            "sql = 'SELECT * '\nsql += 'FROM ' + DB + '.' + table + NEW_LINE\nspark.sql(sql)\n",
        ),
        (
            "29.scala",
            "var sql = \"select * \"\nsql += \"from \" + db + \".orders\"\nspark.sql(sql)\n",
        ),
        (
            "30.py",
            "spark.table(eval(repr('sales.orders') + \".replace('A','B')\"))\n",
        ),
        (
            "31.py",
            "name = 'sales.orders'\ndb = name.split('.')[0]\nt = name.split('.')[1]\nspark.table(name)\n",
        ),
        (
            "31.scala",
            "val name = \"sales.orders\"\nval t = name.split(\"\\\\.\")(1)\nspark.table(name)\n",
        ),
        (
            "31.r",
            "name <- 'sales.orders'\nt <- strsplit(name, '.', fixed = TRUE)[[1]][2]\nd <- tableToDF(name)\n",
        ),
        (
            "32.py",
            "spark._jsparkSession.catalog().tableExists('sales', 'orders')\nspark.catalog.listColumns('orders', 'sales')\nspark.catalog.listTables('sales')\n",
        ),
        (
            "32.scala",
            "spark.catalog.tableExists(\"sales\", \"orders\")\nspark.catalog.listTables(\"sales\")\n",
        ),
        (
            "33.py",
            "q = 'CREATE OR REPLACE VIEW sales.items AS SELECT * FROM sales.orders'\nspark.sql(q.replace('CREATE OR REPLACE VIEW', 'ALTER VIEW' if spark.sql(f\"SHOW VIEWS FROM {db} LIKE 'v'\").count() else 'CREATE VIEW'))\n",
        ),
        (
            "34.py",
            "grants = ['cleansed.maximo_*', 'sales.*']\nallow(grants)\n",
        ),
        ("35.csv", "source,target,kind\nraw.x,cleansed.x,COL\n"),
        (
            "35.sql",
            "insert into dbo.Config (src, target) values (N'raw.x', N'cleansed.x')\nGO\n",
        ),
        (
            "36.py",
            "param = '{\"SourceName\": \"sales.orders\", \"Target\": \"cleansed.x\"}'\ndbutils.notebook.run('/x', 60, {'p': param})\n",
        ),
        (
            "37.py",
            "name = 'sales.orders'\ngetattr(sys.modules[__name__], f'{method}')(spark.table(name))\n",
        ),
    ];
    expect![[r#"
        == 26.py
        4:27 cleansed.access_x -> prod.cleansed.access_x
        5:27 sales.????? ?  name/unresolved prod.shop.item prod.sales.orders
        | spark.sql(f'select * from prod.{DB_CLEANSED}.access_x')
        == 27.py
        4:15 ?????.stg_????? ?  name/unresolved
        == 27.r
        3:32 ?????.orders ?  name/unresolved prod.sales.orders
        == 27.scala
        3:15 ?????.orders ?  name/unresolved prod.sales.orders
        == 27.sql
        2:15 ?????.orders ?  name/unresolved prod.sales.orders
        == 28.py
        1:14 ?????.????? ?  name/unresolved
        2:14 sales.????? ?  name/unresolved prod.shop.item prod.sales.orders
        3:26 ?????.orders ?  name/unresolved prod.sales.orders
        == 28.r
        1:25 ?????.????? ?  name/unresolved
        == 28.scala
        1:14 ?????.orders ?  name/unresolved prod.sales.orders
        == 29.py
        2:14 ?????.?????????? ?  name/unresolved
        == 29.scala
        2:14 ?????.orders ?  name/unresolved prod.sales.orders
        == 30.py
        1:13 eval(repr('sales.orders') + ".replace('A','B')") ?  name/unresolved
        1:13 Warning shape/run-code: `eval` runs code that no tool can follow
        == 31.py
        1:9 sales.orders ?  name/used-otherwise prod.sales.orders
        2:6 Warning shape/split-at-dots: with three parts, the first is the catalog and the second the schema
        3:5 Warning shape/split-at-dots: with three parts, the first is the catalog and the second the schema
        == 31.r
        1:10 sales.orders ?  name/used-otherwise prod.sales.orders
        == 31.scala
        1:13 sales.orders ?  name/used-otherwise prod.sales.orders
        2:9 Warning shape/split-at-dots: with three parts, the first is the catalog and the second the schema
        == 32.py
        1:44 'sales', 'orders' ?  shape/database-apart prod.sales.orders
        2:27 'orders', 'sales' ?  shape/database-apart prod.sales.orders
        3:27 sales ?  name/database-split prod.sales prod.shop
        1:1 Error refused/jvm: `_jsparkSession` reaches into the JVM of the driver
        2:1 Note refused/catalog-interface: `spark.catalog.listColumns` needs runtime 14.3 LTS on shared clusters
        3:1 Note refused/catalog-interface: `spark.catalog.listTables` needs runtime 14.3 LTS on shared clusters
        3:1 Warning shape/listed-names: `listTables` gives names with a catalog in Unity Catalog
        == 32.scala
        1:27 "sales", "orders" ?  shape/database-apart prod.sales.orders
        2:27 sales ?  name/database-split prod.sales prod.shop
        1:1 Note refused/catalog-interface: `spark.catalog.tableExists` needs runtime 14.3 LTS on shared clusters
        2:1 Note refused/catalog-interface: `spark.catalog.listTables` needs runtime 14.3 LTS on shared clusters
        2:1 Warning shape/listed-names: `listTables` gives names with a catalog in Unity Catalog
        == 33.py
        1:29 sales.items ?  name/not-followed
        1:58 sales.orders ?  name/not-followed
        2:11 q.replace('CREATE OR REPLACE VIEW', 'ALTER VIEW' if spark.sql(f"SHOW VIEWS FROM {db} LIKE 'v'").count() else 'CREATE VIEW') ?  name/unresolved
        2:91 ????? ?  name/unresolved
        2:63 Warning shape/show-statements: the answer of `SHOW VIEWS` has other columns and names in Unity Catalog
        == 34.py
        1:12 cleansed.maximo_ ?  name/not-followed
        1:33 sales.* ?  name/not-followed
        == 35.csv
        2:1 raw.x ?  name/metadata `prod-eu`.raw.x
        2:7 cleansed.x ?  name/metadata prod.cleansed.x
        == 35.sql
        1:13 dbo.Config ?  name/not-mapped
        1:48 raw.x ?  name/metadata
        1:58 cleansed.x ?  name/metadata
        == 36.py
        1:26 sales.orders ?  name/not-followed
        1:52 cleansed.x ?  name/not-followed
        == 37.py
        1:9 sales.orders -> prod.sales.orders
        2:1 Note shape/called-by-name: which attribute is meant is decided at run time
        | name = 'prod.sales.orders'
        == names.py
        2:16 cleansed not a table: part of names that are judged where they are put together
        3:13 sales ?  name/not-followed prod.sales prod.shop
    "#]].assert_eq(&show_with(files, &mapping()));
}

#[test]
fn patterns_38_to_40_in_pipelines() {
    let linked = |name: &str, kind: &str| {
        format!(
            "{{\"name\": \"{name}\", \"properties\": {{\"type\": \"{kind}\", \"typeProperties\": {{}}}}}}"
        )
    };
    let lookup = |query: &str| {
        format!(
            "{{\"name\": \"l\", \"type\": \"Lookup\", \"typeProperties\": {{\"source\": {{\"type\": \"AzureDatabricksDeltaLakeSource\", \"query\": {query}}}, \
             \"dataset\": {{\"referenceName\": \"d\", \"type\": \"DatasetReference\"}}}}}}"
        )
    };
    let pipeline = |activities: &[String]| {
        format!(
            "{{\"name\": \"p\", \"properties\": {{\"parameters\": {{\"t\": {{\"type\": \"string\", \"defaultValue\": \"sales.orders\"}}}}, \"activities\": [\n{}\n]}}}}",
            activities.join(",\n")
        )
    };
    let expression = |text: &str| {
        format!(
            "{{\"value\": {}, \"type\": \"Expression\"}}",
            serde_json::to_string(text).unwrap()
        )
    };
    let pipeline_38 = pipeline(&[
        lookup(&expression(
            "@concat('SELECT * FROM sales.items WHERE x=''', pipeline().parameters.t, '''')",
        )),
        lookup("\"select * from sales.items where t = '@{pipeline().parameters.t}'\""),
        lookup(&expression(
            "@replace(replace('select * from <<DB>>.<<TABLE>>', '<<DB>>', 'curated'), '<<TABLE>>', 't')",
        )),
        lookup(&expression(
            "@concat('select * from curated.', pipeline().parameters.t)",
        )),
        lookup(&expression(
            "@concat('select * from sales.', pipeline().parameters.t)",
        )),
    ]);
    let notebook_39 = format!(
        "{{\"name\": \"n\", \"type\": \"DatabricksNotebook\", \"typeProperties\": {{\"notebookPath\": {}, \"baseParameters\": {{\"task\": {}, \"table\": \"sales.items\"}}}}}}",
        expression(
            "@json(concat('{\"notebookPath\":\"/MDP/', 'sales.orders', '\"}')).notebookPath"
        ),
        expression("@string(pipeline().parameters.t)")
    );
    let arm = format!(
        "{{\"$schema\": \"https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#\", \"resources\": [\n\
         {{\"name\": \"[concat(parameters('f'), '/p')]\", \"type\": \"Microsoft.DataFactory/factories/pipelines\", \"properties\": {{\"activities\": [{}]}}}}]}}",
        lookup(&expression(
            "[concat('@concat(''select * from sales.items where a = '''''', ', 'pipeline().RunId', ', '''''''')')]"
        ))
    );
    let dataset = "{\"name\": \"d\", \"properties\": {\"linkedServiceName\": {\"referenceName\": \"delta\", \"type\": \"LinkedServiceReference\"}, \
                   \"type\": \"AzureDatabricksDeltaLakeDataset\", \"typeProperties\": {\"database\": \"SALES\", \"table\": \"orders\"}}}";
    let pipeline_39 = pipeline(&[notebook_39]);
    let pipeline_40 = pipeline(&[lookup(
        "\"select * from sales.items TIMESTAMP AS OF '2024-01-01'\"",
    )]);
    let files: &[(&str, &str)] = &[
        (
            "linkedService/delta.json",
            &linked("delta", "AzureDatabricksDeltaLake"),
        ),
        ("dataset/d.json", dataset),
        ("pipeline/38.json", &pipeline_38),
        ("pipeline/39.json", &pipeline_39),
        ("arm_39.json", &arm),
        ("pipeline/40.json", &pipeline_40),
    ];
    expect![[r#"
        == arm_39.json
        2:285 sales.items -> prod.shop.item
        | {"name": "[concat(parameters('f'), '/p')]", "type": "Microsoft.DataFactory/factories/pipelines", "properties": {"activities": [{"name": "l", "type": "Lookup", "typeProperties": {"source": {"type": "AzureDatabricksDeltaLakeSource", "query": {"value": "[concat('@concat(''select * from prod.shop.item where a = '''''', ', 'pipeline().RunId', ', '''''''')')]", "type": "Expression"}}, "dataset": {"referenceName": "d", "type": "DatasetReference"}}}]}}]}
        == dataset/d.json
        1:188 SALES ?  adf/delta-lake-dataset prod.sales.orders
        == linkedService/delta.json
        == pipeline/38.json
        1:86 sales.orders ?  name/metadata prod.sales.orders
        2:148 sales.items -> prod.shop.item
        3:129 sales.items -> prod.shop.item
        4:157 curated.t -> prod.curated.t
        5:148 curated.????? -> prod.curated.*
        6:148 sales.????? ?  name/unresolved prod.shop.item prod.sales.orders
        | {"name": "l", "type": "Lookup", "typeProperties": {"source": {"type": "AzureDatabricksDeltaLakeSource", "query": {"value": "@concat('SELECT * FROM prod.shop.item WHERE x=''', pipeline().parameters.t, '''')", "type": "Expression"}}, "dataset": {"referenceName": "d", "type": "DatasetReference"}}},
        | {"name": "l", "type": "Lookup", "typeProperties": {"source": {"type": "AzureDatabricksDeltaLakeSource", "query": "select * from prod.shop.item where t = '@{pipeline().parameters.t}'"}, "dataset": {"referenceName": "d", "type": "DatasetReference"}}},
        | {"name": "l", "type": "Lookup", "typeProperties": {"source": {"type": "AzureDatabricksDeltaLakeSource", "query": {"value": "@replace(replace('select * from prod.<<DB>>.<<TABLE>>', '<<DB>>', 'curated'), '<<TABLE>>', 't')", "type": "Expression"}}, "dataset": {"referenceName": "d", "type": "DatasetReference"}}},
        | {"name": "l", "type": "Lookup", "typeProperties": {"source": {"type": "AzureDatabricksDeltaLakeSource", "query": {"value": "@concat('select * from prod.curated.', pipeline().parameters.t)", "type": "Expression"}}, "dataset": {"referenceName": "d", "type": "DatasetReference"}}},
        == pipeline/39.json
        1:86 sales.orders ?  name/metadata prod.sales.orders
        2:134 sales.orders not a table: path of the workspace
        2:301 sales.items ?  name/metadata prod.shop.item
        == pipeline/40.json
        1:86 sales.orders ?  name/metadata prod.sales.orders
        2:129 sales.items -> prod.shop.item
        | {"name": "l", "type": "Lookup", "typeProperties": {"source": {"type": "AzureDatabricksDeltaLakeSource", "query": "select * from prod.shop.item TIMESTAMP AS OF '2024-01-01'"}, "dataset": {"referenceName": "d", "type": "DatasetReference"}}}
    "#]].assert_eq(&show_with(files, &mapping()));
}
