//! Scala and R: the same understanding, other quotes.

use expect_test::{Expect, expect};

use crate::show::show;

fn check(path: &str, text: &str, expect: Expect) {
    expect.assert_eq(&show(&[(path, text)]));
}

#[test]
fn scala_texts_and_chains() {
    check(
        "nb.scala",
        r#"// sales.orders
val db = "sales"
val table: String = "sales.orders"
spark.sql("""
  SELECT * FROM sales.items
""")
spark.sql(s"select * from $db.orders where x = '${y}'")
spark.sql(s"""select *
    |from people.emp""".stripMargin)
val df = spark.table(table).filter($"sales.orders" === 1)
df.write
  .mode("overwrite") // keep
  .saveAsTable("old.t")
DeltaTable.forName("sales.items").toDF
spark.read.format("com.databricks.spark.sqldw").option("dbTable", "sales.orders").load()
val q = "select * from " + db + ".items"
spark.sql(q)
sql("use people")
spark.table("emp")
Seq("sales.orders", "old.t").foreach { t => spark.table(t).count() }
for (t <- List("sales.items")) spark.catalog.cacheTable(t)
def read(name: String) = spark.read.table(name)
def analyse(name: String)
{
  println("Table: " + name)
  sql("ANALYZE TABLE " + name + " COMPUTE STATISTICS")
}
analyse("old.t")
read("sales.items")
val x = if (a) "sales.orders" else "old.t"
spark.table(x)
println(s"done with sales.orders")
spark.catalog.tableExists("sales", "orders")
val parts = table2.split("\\.")
dbutils.fs.ls("/mnt/raw/x")
import sales.orders
"#,
        expect![[r#"
            1:4 sales.orders not a table: comment
            2:11 sales not a table: part of names that are judged where they are put together
            3:22 sales.orders -> prod.sales.orders
            5:17 sales.items -> prod.sales.items
            7:27 sales.orders -> prod.sales.orders
            9:11 people.emp -> `prod-eu`.people.emp
            10:38 sales.orders not a table: column behind an alias
            13:17 old.t -> prod.fresh.t2
            14:21 sales.items -> prod.sales.items
            15:68 sales.orders not a table: table of another system
            16:24 sales.items -> prod.sales.items
            18:10 people -> `prod-eu`.people
            19:14 emp -> `prod-eu`.people.emp
            20:6 sales.orders -> prod.sales.orders
            20:22 old.t -> prod.fresh.t2
            21:17 sales.items -> prod.sales.items
            28:10 old.t -> prod.fresh.t2
            29:7 sales.items -> prod.sales.items
            30:17 sales.orders -> prod.sales.orders
            30:37 old.t -> prod.fresh.t2
            32:21 sales.orders not a table: text that is data
            33:27 "sales", "orders" ?  shape/database-apart prod.sales.orders
            35:16 /mnt/raw/x -> /Volumes/prod/raw
            36:8 sales.orders not a table: code
            11:1 Note refused/default-format: `saveAsTable` without a format: Parquet before runtime 8.0, Delta since
            21:32 Note refused/catalog-interface: `spark.catalog.cacheTable` needs runtime 14.3 LTS on shared clusters
            33:1 Note refused/catalog-interface: `spark.catalog.tableExists` needs runtime 14.3 LTS on shared clusters
            34:13 Warning shape/split-at-dots: with three parts, the first is the catalog and the second the schema
            | val table: String = "prod.sales.orders"
            |   SELECT * FROM prod.sales.items
            | spark.sql(s"select * from prod.$db.orders where x = '${y}'")
            |     |from `prod-eu`.people.emp""".stripMargin)
            |   .saveAsTable("prod.fresh.t2")
            | DeltaTable.forName("prod.sales.items").toDF
            | val q = "select * from prod." + db + ".items"
            | sql("use `prod-eu`.people")
            | spark.table("`prod-eu`.people.emp")
            | Seq("prod.sales.orders", "prod.fresh.t2").foreach { t => spark.table(t).count() }
            | for (t <- List("prod.sales.items")) spark.catalog.cacheTable(t)
            | analyse("prod.fresh.t2")
            | read("prod.sales.items")
            | val x = if (a) "prod.sales.orders" else "prod.fresh.t2"
            | dbutils.fs.ls("/Volumes/prod/raw/x")
        "#]],
    );
}

#[test]
fn r_texts_and_chains() {
    check(
        "nb.r",
        r#"# sales.orders
library(SparkR)
q <- "select * from sales.orders"
df <- sql(q)
df2 = SparkR::sql(paste0("select * from ", "sales", ".items"))
saveAsTable(df, "old.t", mode = "overwrite")
x <- tableToDF('people.emp')
df %>% createOrReplaceTempView("orders")
sql("use sales")
tableToDF("orders")
tableToDF("items")
read.df("/mnt/raw/x", source = "delta")
t <- tbl(sc, "sales.orders")
tbl(sc, in_schema("sales", "orders"))
DBI::dbGetQuery(sc, sprintf("select * from %s", "sales.items"))
f <- function(name) { tableToDF(name) }
f("sales.items")
for (t in c("sales.orders", "old.t")) { cacheTable(t) }
print("sales.orders")
cfg <- list(table = "sales.orders")
tableToDF(cfg$table)
dapply(df, f, schema)
sql(r"(select * from sales.items)")
"#,
        expect![[r#"
            1:3 sales.orders not a table: comment
            3:21 sales.orders -> prod.sales.orders
            5:45 sales.items -> prod.sales.items
            6:18 old.t -> prod.fresh.t2
            7:17 people.emp -> `prod-eu`.people.emp
            9:10 sales -> prod.sales
            10:12 orders not a table: temporary view
            11:12 items -> prod.sales.items
            12:10 /mnt/raw/x -> /Volumes/prod/raw
            13:15 sales.orders -> prod.sales.orders
            14:9 in_schema("sales", "orders") ?  name/unresolved
            15:50 sales.items -> prod.sales.items
            17:4 sales.items -> prod.sales.items
            18:14 sales.orders -> prod.sales.orders
            18:30 old.t -> prod.fresh.t2
            19:8 sales.orders not a table: text that is data
            20:22 sales.orders -> prod.sales.orders
            23:22 sales.items -> prod.sales.items
            16:33 Note name/from-caller: the name is given by the caller of this function, and judged there
            22:1 Error refused/r-functions: `dapply` runs R on the cluster, which shared access mode refuses
            | q <- "select * from prod.sales.orders"
            | df2 = SparkR::sql(paste0("select * from ", "prod.sales", ".items"))
            | saveAsTable(df, "prod.fresh.t2", mode = "overwrite")
            | x <- tableToDF('`prod-eu`.people.emp')
            | sql("use prod.sales")
            | tableToDF("prod.sales.items")
            | read.df("/Volumes/prod/raw/x", source = "delta")
            | t <- tbl(sc, "prod.sales.orders")
            | DBI::dbGetQuery(sc, sprintf("select * from %s", "prod.sales.items"))
            | f("prod.sales.items")
            | for (t in c("prod.sales.orders", "prod.fresh.t2")) { cacheTable(t) }
            | cfg <- list(table = "prod.sales.orders")
            | sql(r"(select * from prod.sales.items)")
        "#]],
    );
}

#[test]
fn r_connections() {
    check(
        "nb.r",
        r#"con <- DBI::dbConnect(RPostgres::Postgres(), host = "h")
DBI::dbGetQuery(con, "select * from sales.orders")
dbReadTable(con, "sales.items")
wh <- dbConnect(odbc::databricks(), httpPath = "p")
dbGetQuery(wh, "select * from sales.orders")
dbGetQuery(somewhere, "select * from sales.orders")
sc <- spark_connect(method = "databricks")
dbGetQuery(sc, "select * from sales.items")
dbWriteTable(sc, "people.emp", df)
wmf::query_hive(paste("select * from sales.orders where d = ", day))
"#,
        expect![[r#"
            2:37 sales.orders not a table: table of another system
            3:19 sales.items not a table: table of another system
            5:31 sales.orders -> prod.sales.orders
            6:38 sales.orders ?  name/not-followed
            8:31 sales.items -> prod.sales.items
            9:19 people.emp -> `prod-eu`.people.emp
            10:38 sales.orders -> prod.sales.orders
            | dbGetQuery(wh, "select * from prod.sales.orders")
            | dbGetQuery(sc, "select * from prod.sales.items")
            | dbWriteTable(sc, "`prod-eu`.people.emp", df)
            | wmf::query_hive(paste("select * from prod.sales.orders where d = ", day))
        "#]],
    );
}

#[test]
fn shell_cells() {
    check(
        "nb.py",
        "# Databricks notebook source\n# MAGIC %sh\n# MAGIC # sales.orders\n# MAGIC ls /mnt/raw/x \"/dbfs/mnt/raw/y\"\n# MAGIC spark-sql -e \"select * from sales.orders where d = $x\"\n# MAGIC echo sales.orders\n",
        expect![[r#"
            3:11 sales.orders not a table: comment
            4:12 /mnt/raw ?  path/unresolved
            4:24 /dbfs/mnt/raw/y -> /Volumes/prod/raw
            5:37 sales.orders -> prod.sales.orders
            6:14 sales.orders not a table: text that is data
            1:1 Note style/use-catalog: one statement `USE CATALOG prod` would do instead of 2 edits
            | # MAGIC ls /mnt/raw/x "/Volumes/prod/raw/y"
            | # MAGIC spark-sql -e "select * from prod.sales.orders where d = $x"
        "#]],
    );
}

#[test]
fn what_may_have_failed_makes_current_one_of_several() {
    check(
        "nb.scala",
        r#"spark.sql("use people")
try { spark.sql("use sales") } catch { case e: Exception => println(e) }
spark.table("orders")
spark.sql("use people")
try { spark.sql("use sales") } catch { case e: Exception => throw e }
spark.table("orders")
spark.sql("use people")
Try { spark.sql("use sales") }
spark.table("orders")
spark.sql("use people")
val ok = scala.util.Try(spark.sql("use sales")).isSuccess
spark.table("orders")
spark.sql("use people")
a && spark.sql("use sales").isEmpty
spark.table("orders")
"#,
        expect![[r#"
            1:16 people -> `prod-eu`.people
            2:22 sales -> prod.sales
            3:14 orders ?  name/database-unknown prod.sales.orders
            4:16 people -> `prod-eu`.people
            5:22 sales -> prod.sales
            6:14 orders -> prod.sales.orders
            7:16 people -> `prod-eu`.people
            8:22 sales -> prod.sales
            9:14 orders ?  name/database-unknown prod.sales.orders
            10:16 people -> `prod-eu`.people
            11:40 sales -> prod.sales
            12:14 orders ?  name/database-unknown prod.sales.orders
            13:16 people -> `prod-eu`.people
            14:21 sales -> prod.sales
            15:14 orders ?  name/database-unknown prod.sales.orders
            | spark.sql("use `prod-eu`.people")
            | try { spark.sql("use prod.sales") } catch { case e: Exception => println(e) }
            | spark.sql("use `prod-eu`.people")
            | try { spark.sql("use prod.sales") } catch { case e: Exception => throw e }
            | spark.table("prod.sales.orders")
            | spark.sql("use `prod-eu`.people")
            | Try { spark.sql("use prod.sales") }
            | spark.sql("use `prod-eu`.people")
            | val ok = scala.util.Try(spark.sql("use prod.sales")).isSuccess
            | spark.sql("use `prod-eu`.people")
            | a && spark.sql("use prod.sales").isEmpty
        "#]],
    );
    check(
        "nb.R",
        r#"sql("use people")
tryCatch({ sql("use sales") }, error = function(e) print(e))
tableToDF("orders")
sql("use people")
try(sql("use sales"))
tableToDF("orders")
sql("use people")
if (a) sql("use sales") else stop("x")
tableToDF("orders")
"#,
        expect![[r#"
            1:10 people -> `prod-eu`.people
            2:21 sales -> prod.sales
            3:12 orders ?  name/database-unknown prod.sales.orders
            4:10 people -> `prod-eu`.people
            5:14 sales -> prod.sales
            6:12 orders ?  name/database-unknown prod.sales.orders
            7:10 people -> `prod-eu`.people
            8:17 sales -> prod.sales
            9:12 orders -> prod.sales.orders
            | sql("use `prod-eu`.people")
            | tryCatch({ sql("use prod.sales") }, error = function(e) print(e))
            | sql("use `prod-eu`.people")
            | try(sql("use prod.sales"))
            | sql("use `prod-eu`.people")
            | if (a) sql("use prod.sales") else stop("x")
            | tableToDF("prod.sales.orders")
        "#]],
    );
}
