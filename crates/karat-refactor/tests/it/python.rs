//! Python: texts of all kinds, values that are followed, and what is no table.

use expect_test::{Expect, expect};

use crate::show::{after, mapping, scanned, show};

fn check(text: &str, expect: Expect) {
    expect.assert_eq(&show(&[("nb.py", text)]));
}

/// A notebook of several cells.
fn cells(cells: &[&str]) -> String {
    format!(
        "# Databricks notebook source\n{}\n",
        cells.join("\n\n# COMMAND ----------\n\n")
    )
}

#[test]
fn names_in_long_chains() {
    check(
        r#"(df.write
    .format("delta").mode('overwrite')  # sales.orders
    .saveAsTable("sales.orders"))
df.write.insertInto('people.emp')
x = spark.read.table("hive_metastore.sales.items").where("a.b = 1")
df.writeStream.option("checkpointLocation", "/mnt/raw/chk").toTable('sales.items')
DeltaTable.forName(spark, 'sales.orders').alias('t').merge(s.alias('s'), 't.id = s.id')
DeltaTable.forPath(spark, f"/mnt/raw/{name}")
"#,
        expect![[r#"
            2:43 sales.orders not a table: comment
            3:19 sales.orders -> prod.sales.orders
            4:22 people.emp -> `prod-eu`.people.emp
            5:23 hive_metastore.sales.items -> prod.sales.items
            6:46 /mnt/raw/chk -> /Volumes/prod/raw
            6:70 sales.items -> prod.sales.items
            7:28 sales.orders -> prod.sales.orders
            7:75 t not a table: column behind an alias
            8:29 /mnt/raw/????? -> /Volumes/prod/raw
            6:1 Note refused/default-format: `toTable` without a format: Parquet before runtime 8.0, Delta since
            |     .saveAsTable("prod.sales.orders"))
            | df.write.insertInto('`prod-eu`.people.emp')
            | x = spark.read.table("prod.sales.items").where("a.b = 1")
            | df.writeStream.option("checkpointLocation", "/Volumes/prod/raw/chk").toTable('prod.sales.items')
            | DeltaTable.forName(spark, 'prod.sales.orders').alias('t').merge(s.alias('s'), 't.id = s.id')
            | DeltaTable.forPath(spark, f"/Volumes/prod/raw/{name}")
        "#]],
    );
}

#[test]
fn sql_in_texts_of_all_kinds() {
    check(
        r#"spark.sql(f"select * from sales.orders where id = {x}")
spark.sql(f'''
  MERGE INTO people.emp p \
  USING {src} s ON p.id = s.id''')
q = "select a, b " \
    "from sales.orders o " + "join sales.items i on o.id = i.id"
spark.sql(q)
spark.sql('select \'it\' from `sales`.`orders`'.strip())
spark.sql(r"select '\d' from sales.items")
spark.sql(f"select '{{}}' from people.emp where x = {d['a']!r:>10}")
spark.sql("""select * from sales.orders -- not sales.items
""")
spark.sql("select * from sa\x6ces.orders")
"#,
        expect![[r#"
            1:27 sales.orders -> prod.sales.orders
            3:14 people.emp -> `prod-eu`.people.emp
            4:9 ????? ?  name/unresolved
            6:11 sales.orders -> prod.sales.orders
            6:36 sales.items -> prod.sales.items
            8:31 `sales`.`orders` -> prod.sales.orders
            9:30 sales.items -> prod.sales.items
            10:32 people.emp -> `prod-eu`.people.emp
            11:28 sales.orders -> prod.sales.orders
            11:48 sales.items not a table: comment
            13:26 sales.orders -> prod.sales.orders
            | spark.sql(f"select * from prod.sales.orders where id = {x}")
            |   MERGE INTO `prod-eu`.people.emp p \
            |     "from prod.sales.orders o " + "join prod.sales.items i on o.id = i.id"
            | spark.sql('select \'it\' from prod.`sales`.`orders`'.strip())
            | spark.sql(r"select '\d' from prod.sales.items")
            | spark.sql(f"select '{{}}' from `prod-eu`.people.emp where x = {d['a']!r:>10}")
            | spark.sql("""select * from prod.sales.orders -- not sales.items
            | spark.sql("select * from prod.sales.orders")
        "#]],
    );
}

#[test]
fn values_are_followed_across_cells() {
    check(
        &cells(&[
            "T = 'sales.orders'\nDB = \"sales\"\nTABLES = ['sales.orders', 'old.t']",
            "spark.table(T)\nspark.sql(f\"select * from {T}\")\nspark.sql(f\"select * from {DB}.items\")",
            "for t in TABLES:\n    spark.table(t).count()\nspark.sql('select * from {0}.{1}'.format(DB, 'orders'))",
            "sql = 'select * '\nsql += 'from ' + DB + '.orders'\nspark.sql(sql)\nspark.sql('delete from %s.items' % DB)",
            "CONF = {'a': 'sales.items', 'b': {'c': 'old.t'}}\nspark.table(CONF['a'])\nspark.table(CONF['b']['c'])\nfor k, v in CONF.items():\n    print(k)",
        ]),
        expect![[r#"
            2:6 sales.orders -> prod.sales.orders
            3:7 sales not a table: part of names that are judged where they are put together
            4:12 sales.orders -> prod.sales.orders
            4:28 old.t -> prod.fresh.t2
            10:27 sales.items -> prod.sales.items
            16:26 sales.orders -> prod.sales.orders
            21:14 sales.orders -> prod.sales.orders
            23:24 sales.items -> prod.sales.items
            27:15 sales.items ?  name/used-otherwise prod.sales.items
            27:41 old.t ?  name/used-otherwise prod.fresh.t2
            | T = 'prod.sales.orders'
            | TABLES = ['prod.sales.orders', 'prod.fresh.t2']
            | spark.sql(f"select * from prod.{DB}.items")
            | spark.sql('select * from prod.{0}.{1}'.format(DB, 'orders'))
            | sql += 'from prod.' + DB + '.orders'
            | spark.sql('delete from prod.%s.items' % DB)
        "#]],
    );
}

#[test]
fn functions_are_entered() {
    check(
        r#"def read(name, db="sales"):
    return spark.table(f"{db}.{name}")

def load(full):
    return spark.table(full)

class Reader:
    def __init__(self, table):
        self.table = table
    def frame(self):
        return spark.table(self.table)

read("orders")
load("old.t")
load(full="sales.items")
Reader("people.emp").frame()
unknown("sales.orders")
list(map(load, ["sales.orders"]))
"#,
        expect![[r#"
            1:20 sales not a table: part of names that are judged where they are put together
            2:26 ?????.????? ?  name/unresolved prod.sales.orders
            14:7 old.t -> prod.fresh.t2
            15:12 sales.items -> prod.sales.items
            16:9 people.emp -> `prod-eu`.people.emp
            17:10 sales.orders ?  name/not-followed
            18:18 sales.orders -> prod.sales.orders
            | load("prod.fresh.t2")
            | load(full="prod.sales.items")
            | Reader("`prod-eu`.people.emp").frame()
            | list(map(load, ["prod.sales.orders"]))
        "#]],
    );
}

#[test]
fn the_session_goes_on_between_languages() {
    check(
        &cells(&[
            "# MAGIC %sql use sales",
            "spark.table('orders')\ndf.createOrReplaceTempView('items')\nspark.table('items')\nspark.table('sales.items')",
            "# MAGIC %scala\n# MAGIC spark.table(\"orders\")",
            "spark.catalog.setCurrentDatabase('old')\nspark.table('t')",
            "# MAGIC %sql select * from t join items",
            "spark.sql(f'use {db}')\nspark.table('t')",
        ]),
        expect![[r#"
            2:18 sales ?  name/takes-along prod.sales
            6:14 orders -> prod.sales.orders
            8:14 items not a table: temporary view
            9:14 sales.items -> prod.sales.items
            14:22 orders -> prod.sales.orders
            18:35 old ?  name/takes-along prod.fresh
            19:14 t -> prod.fresh.t2
            23:28 t -> prod.fresh.t2
            23:35 items not a table: temporary view
            27:17 ????? ?  name/unresolved
            28:14 t ?  name/database-unknown prod.fresh.t2
            18:1 Note refused/catalog-interface: `spark.catalog.setCurrentDatabase` needs runtime 14.3 LTS on shared clusters
            | spark.table('prod.sales.orders')
            | spark.table('prod.sales.items')
            | # MAGIC spark.table("prod.sales.orders")
            | spark.table('prod.fresh.t2')
            | # MAGIC %sql select * from prod.fresh.t2 join items
        "#]],
    );
}

#[test]
fn shapes_that_break() {
    check(
        r#"name = "sales.orders"
db, table = name.split(".")
spark.table(name)
spark.catalog.tableExists("orders", "sales")
spark._jsparkSession.catalog().tableExists("sales", "orders")
spark.catalog.listTables("sales")
other = "old.t"
if other == x: spark.table(other)
spark.sql(f"SHOW VIEWS FROM {db} LIKE 'x'")
eval(repr(t) + ".replace('A','B')")
getattr(sys.modules[__name__], f"{method}")(spark.table(t))
path = "sales.items"
spark.table(path)
open("/out/" + path)
"#,
        expect![[r#"
            1:9 sales.orders ?  name/used-otherwise prod.sales.orders
            4:27 "orders", "sales" ?  shape/database-apart prod.sales.orders
            5:44 "sales", "orders" ?  shape/database-apart prod.sales.orders
            6:27 sales -> prod.sales
            7:10 old.t ?  name/used-otherwise prod.fresh.t2
            9:29 ????? ?  name/unresolved
            11:57 t ?  name/unresolved
            12:9 sales.items ?  name/used-otherwise prod.sales.items
            2:13 Warning shape/split-at-dots: with three parts, the first is the catalog and the second the schema
            4:1 Note refused/catalog-interface: `spark.catalog.tableExists` needs runtime 14.3 LTS on shared clusters
            5:1 Error refused/jvm: `_jsparkSession` reaches into the JVM of the driver
            6:1 Note refused/catalog-interface: `spark.catalog.listTables` needs runtime 14.3 LTS on shared clusters
            6:1 Warning shape/listed-names: `listTables` gives names with a catalog in Unity Catalog
            9:1 Warning shape/show-statements: the answer of `SHOW VIEWS` has other columns and names in Unity Catalog
            10:1 Warning shape/run-code: `eval` runs code that no tool can follow
            11:1 Note shape/called-by-name: which attribute is meant is decided at run time
            | spark.catalog.listTables("prod.sales")
        "#]],
    );
}

#[test]
fn what_is_no_table() {
    check(
        r#"psf.col('sales.orders')
df.select('sales.orders').where("sales.orders = 1").join(o, "sales.orders")
spark.read.format('jdbc').option('dbtable', 'sales.orders').load()
spark.read.jdbc(url, 'sales.orders', props)
sales.orders()
# sales.orders
def f():
    """Reads sales.orders."""
print(f'sales.orders has {n} rows')
dbutils.notebook.run('./sales.orders', 0)
raise ValueError('no sales.orders')
spark.sql("select 'sales.orders', o.x from sales.orders o where s.orders = 'a@sales.orders'")
import sales.orders
"#,
        expect![[r#"
            1:10 sales.orders not a table: column behind an alias
            2:12 sales.orders not a table: column behind an alias
            2:34 sales.orders not a table: column behind an alias
            2:62 sales.orders not a table: column behind an alias
            3:46 sales.orders not a table: table of another system
            4:23 sales.orders not a table: table of another system
            5:1 sales.orders not a table: code
            6:3 sales.orders not a table: comment
            8:14 sales.orders not a table: comment
            9:9 sales.orders not a table: text that is data
            10:25 sales.orders not a table: path of the workspace
            11:22 sales.orders not a table: text that is data
            12:20 sales.orders not a table: text that is data
            12:44 sales.orders -> prod.sales.orders
            12:79 sales.orders not a table: text that is data
            13:8 sales.orders not a table: code
            | spark.sql("select 'sales.orders', o.x from prod.sales.orders o where s.orders = 'a@sales.orders'")
        "#]],
    );
}

#[test]
fn what_a_run_notebook_may_do_with_variables_is_not_followed() {
    let files = [
        (
            "nb.py",
            "# Databricks notebook source\ntables = [[\"sales.orders\", 1]]\nfor t in tables:\n    spark.table(t[0])\n\
             other = \"sales.items\"\nspark.table(other)\nquery = \"select * from people.emp\"\nspark.sql(query)\n\
             # COMMAND ----------\n# MAGIC %run ./load $x=\"1\"\n",
        ),
        (
            "load.py",
            "# Databricks notebook source\n# MAGIC %run ./last\n# COMMAND ----------\nquery = \"select 1\"\nspark.sql(query)\n",
        ),
        (
            "last.py",
            "# Databricks notebook source\nfor t in tables:\n    print(t[0].split(\".\")[0])\n",
        ),
        (
            "gone.py",
            "# Databricks notebook source\nname = \"old.t\"\nspark.table(name)\n# COMMAND ----------\n# MAGIC %run ./not_there\n",
        ),
    ];
    expect![[r#"
        == gone.py
        2:9 old.t ?  name/used-otherwise prod.fresh.t2
        == last.py
        3:11 Warning shape/split-at-dots: with three parts, the first is the catalog and the second the schema
        == load.py
        == nb.py
        2:13 sales.orders ?  name/used-otherwise prod.sales.orders
        5:10 sales.items -> prod.sales.items
        7:24 people.emp -> `prod-eu`.people.emp
        | other = "prod.sales.items"
        | query = "select * from `prod-eu`.people.emp"
    "#]]
    .assert_eq(&crate::show::show(&files));
}

#[test]
fn clients_of_the_metastore_and_of_other_databases() {
    check(
        r#"import psycopg2, wmfdata
import pandas as pd
from databricks import sql
from pyhive import hive
from wmfdata import spark as engine, presto
spark.sql("use sales")
wmfdata.hive.run("select * from sales.orders join items")
wmfdata.spark.run(["use sales", "select * from sales.items"])
presto.run("select * from sales.orders")
cursor = hive.connect(host="h").cursor()
cursor.execute("select * from sales.orders")
with sql.connect(server_hostname=h) as connection:
    with connection.cursor() as c:
        c.execute("select * from sales.items")
    pd.read_sql("select * from people.emp", connection)
other = psycopg2.connect("dbname=x")
cur = other.cursor()
cur.execute("delete from sales.orders")
pd.read_sql("select * from sales.orders", other)
pd.read_sql("select * from sales.orders", engine_of_somebody)
spark.table("orders")
"#,
        expect![[r#"
            6:16 sales -> prod.sales
            7:33 sales.orders -> prod.sales.orders
            7:51 items ?  name/database-unknown prod.sales.items
            8:25 sales -> prod.sales
            8:48 sales.items -> prod.sales.items
            9:27 sales.orders ?  name/not-followed
            11:31 sales.orders -> prod.sales.orders
            14:34 sales.items -> prod.sales.items
            15:32 people.emp -> `prod-eu`.people.emp
            18:26 sales.orders not a table: table of another system
            19:28 sales.orders not a table: table of another system
            20:28 sales.orders ?  name/not-followed
            21:14 orders -> prod.sales.orders
            | spark.sql("use prod.sales")
            | wmfdata.hive.run("select * from prod.sales.orders join items")
            | wmfdata.spark.run(["use prod.sales", "select * from prod.sales.items"])
            | cursor.execute("select * from prod.sales.orders")
            |         c.execute("select * from prod.sales.items")
            |     pd.read_sql("select * from `prod-eu`.people.emp", connection)
            | spark.table("prod.sales.orders")
        "#]],
    );
}

#[test]
fn a_name_that_is_data_too_stays() {
    check(
        r#"t = "sales.orders"
spark.table(t)
spark.sql(f"select * from log where name = '{t}'")
d = {"sales.items": 1}
for k in d:
    spark.table(k)
d["sales.items"]
p = "/mnt/raw/x"
spark.sql(f"create table old.t location '{p}'")
u = "people.emp"
spark.table(u)
print(f"read '{u}'")
"#,
        expect![[r#"
            1:6 sales.orders ?  name/used-otherwise prod.sales.orders
            3:27 log ?  name/not-mapped
            4:7 sales.items ?  name/used-otherwise prod.sales.items
            7:4 sales.items not a table: text that is data
            8:6 /mnt/raw/x ?  refused/location-in-volume
            9:26 old.t -> prod.fresh.t2
            10:6 people.emp -> `prod-eu`.people.emp
            8:6 Warning refused/dbfs-paths: `/mnt/raw/x`: mounts know no rights of Unity Catalog; use a volume or an external location
            | spark.sql(f"create table prod.fresh.t2 location '{p}'")
            | u = "`prod-eu`.people.emp"
        "#]],
    );
}

#[test]
fn paths_of_the_driver_stay() {
    check(
        r#"open("/mnt/raw/x")
open("/dbfs/mnt/raw/x")
p = "/mnt/raw/y"
spark.read.load(p)
open("/dbfs" + p)
q = "/mnt/raw/z"
spark.read.load(q + "/part")
r = "dbfs:/mnt/lake/gold/t"
dbutils.fs.ls(r)
pd.read_csv(f"/dbfs/mnt/raw/{name}.csv")
"#,
        expect![[r#"
            1:7 /mnt/raw/x ?  name/used-otherwise /Volumes/prod/raw
            2:7 /dbfs/mnt/raw/x -> /Volumes/prod/raw
            3:6 /mnt/raw/y ?  name/used-otherwise /Volumes/prod/raw
            6:6 /mnt/raw/z -> /Volumes/prod/raw
            8:6 dbfs:/mnt/lake/gold/t -> abfss://gold@acc.dfs.core.windows.net
            10:15 /dbfs/mnt/raw/?????.csv -> /Volumes/prod/raw
            1:7 Warning refused/dbfs-paths: `/mnt/raw/x`: mounts know no rights of Unity Catalog; use a volume or an external location
            3:6 Warning refused/dbfs-paths: `/mnt/raw/y`: mounts know no rights of Unity Catalog; use a volume or an external location
            4:1 Note refused/default-format: `load` without a format: Parquet before runtime 8.0, Delta since
            7:1 Note refused/default-format: `load` without a format: Parquet before runtime 8.0, Delta since
            8:6 Warning refused/dbfs-paths: `abfss://gold@acc.dfs.core.windows.net/t`: storage is reached by its address; an external location or a volume must cover it
            | open("/Volumes/prod/raw/x")
            | q = "/Volumes/prod/raw/z"
            | r = "abfss://gold@acc.dfs.core.windows.net/t"
            | pd.read_csv(f"/Volumes/prod/raw/{name}.csv")
        "#]],
    );
}

#[test]
fn what_a_person_must_see() {
    check(
        r#"x = 'sales.orders'
f('sales.orders')
dbutils.widgets.text("obj", "orders")
obj = dbutils.widgets.get("obj")
spark.table(f"sales.{obj}")
spark.table(f"old.{obj}")
spark.table("{0}.{1}".format(DB, obj))
sql = "SELECT * "
sql += "FROM " + DB + "." + table + NEW_LINE
spark.sql(sql)
names = spark.table(obj)
GRANTS = ["sales.maximo_*"]
runParm = '{"SourceName":"sales.orders"}'
"#,
        expect![[r#"
            1:6 sales.orders ?  name/not-followed
            2:4 sales.orders ?  name/not-followed
            5:15 sales.????? -> prod.sales.*
            6:15 old.????? ?  name/unresolved prod.fresh.t2
            7:14 ?????.????? ?  name/unresolved
            9:14 ?????.?????????? ?  name/unresolved
            11:21 ????? ?  name/unresolved
            12:12 sales.maximo_ ?  name/not-followed
            13:27 sales.orders ?  name/not-followed
            | spark.table(f"prod.sales.{obj}")
        "#]],
    );
}

#[test]
fn broken_code_is_never_edited_blindly() {
    check(
        "spark.table('sales.orders'\nx = (\nspark.table('sales.items')\ndef f(:\n  spark.table('old.t')\n",
        expect![[r#"
            1:14 sales.orders ?  name/not-followed
            3:14 sales.items ?  name/used-otherwise prod.sales.items
            5:16 old.t ?  name/used-otherwise prod.fresh.t2
        "#]],
    );
    check(
        "print 'sales.orders'\nspark.table('sales.items')\n",
        expect![[r#"
        1:8 sales.orders not a table: text that is data
        2:14 sales.items -> prod.sales.items
        | spark.table('prod.sales.items')
    "#]],
    );
    check(
        "q = `'select * from people.emp'\nspark.sql(q)\n",
        expect![[r#"
            1:21 people.emp ?  name/scattered `prod-eu`.people.emp
        "#]],
    );
    check(
        "%pip install x\n!ls /mnt/raw\nspark.table('sales.items')\n",
        expect![[r#"
            2:5 /mnt/raw ?  path/unresolved
            3:14 sales.items -> prod.sales.items
            | spark.table('prod.sales.items')
        "#]],
    );
}

#[test]
fn values_that_make_names_of_another_kind_are_left_to_a_person() {
    for value in ["x.orders", "."] {
        check(
            &format!("for t in ['orders', '{value}']:\n    spark.table(f'sales.{{t}}')\n"),
            expect![[r#"
                2:19 sales.????? ?  name/several-values
            "#]],
        );
    }
}

#[test]
fn constants_of_included_notebooks() {
    expect![[r#"
        == config.py
        2:7 sales not a table: part of names that are judged where they are put together
        3:11 sales.orders -> prod.sales.orders
        | ORDERS = 'prod.sales.orders'
        == etl/load.py
        6:15 sales.orders -> prod.sales.orders
        7:13 sales.orders -> prod.sales.orders
        | spark.table(f"prod.{DB}.orders")
    "#]]
    .assert_eq(&show(&[
        (
            "etl/load.py",
            &cells(&[
                "# MAGIC %run ../config",
                "spark.table(f\"{DB}.orders\")\nspark.table(ORDERS)",
            ]),
        ),
        (
            "config.py",
            &cells(&["DB = 'sales'\nORDERS = 'sales.orders'"]),
        ),
    ]));
}

#[test]
fn functions_of_included_notebooks() {
    expect![[r#"
        == common.py
        11:29 ????? ?  name/unresolved
        3:15 Note name/from-caller: the name is given by the caller of this function, and judged there
        4:15 Note name/from-caller: the name is given by the caller of this function, and judged there
        5:1 Warning shape/name-helper: a name is put together from a database and a table; it has no catalog
        == etl/load.py
        6:10 sales.orders -> prod.sales.orders
        7:10 old.t -> prod.fresh.t2
        8:13 sales.items ?  name/scattered prod.sales.items
        9:6 people.emp -> `prod-eu`.people.emp
        | analyse('prod.sales.orders')
        | analyse("prod.fresh.t2", True)
        | Job('`prod-eu`.people.emp').run()
    "#]].assert_eq(&show(&[
        (
            "etl/load.py",
            &cells(&[
                "# MAGIC %run ../common",
                "analyse('sales.orders')\nanalyse(\"old.t\", True)\nspark.table(full('sales', 'items'))\nJob('people.emp').run()",
            ]),
        ),
        (
            "common.py",
            &cells(&[
                "def analyse(name, all=False):\n    spark.sql(f\"ANALYZE TABLE {name} COMPUTE STATISTICS\")\n    spark.sql('REFRESH TABLE ' + name)\n\
                 def full(db, table):\n    return f'{db}.{table}'\n\
                 class Job:\n    def __init__(self, table):\n        self.table = table\n    def run(self):\n        spark.sql('OPTIMIZE ' + self.table)\n",
            ]),
        ),
    ]));
}

/// What is left of a text after its edits has nothing open in it: a check without a baseline passes.
#[test]
fn what_is_rewritten_is_understood_when_it_is_read_again() {
    let before = r#"def f(x):
    return spark.table("sales." + x)
df.write.mode("append").saveAsTable("sales." + name())
spark.sql("select * from sales." + name() + " where a")
t = "sales." + name()
spark.table(t)
spark.sql("optimize " + 'sales.' + name())
spark.table("sales.%s" % name())
"#;
    let scan = scanned(&[("nb.py", before)], &mapping());
    let edited = after(&scan.assets[0], before);
    expect![[r#"
        2:25 prod.sales.????? not a table: already a name of Unity Catalog
        3:38 prod.sales.????? not a table: already a name of Unity Catalog
        4:26 prod.sales.????? not a table: already a name of Unity Catalog
        5:6 prod.sales.????? not a table: already a name of Unity Catalog
        7:26 prod.sales.????? not a table: already a name of Unity Catalog
        8:14 prod.sales.????? not a table: already a name of Unity Catalog
        3:1 Note refused/default-format: `saveAsTable` without a format: Parquet before runtime 8.0, Delta since
    "#]]
    .assert_eq(&show(&[("nb.py", &edited)]));
}

/// What is open in front of a text that is put in is told of the literal, not of the code behind it.
#[test]
fn a_name_that_is_put_in_later_is_explained_by_its_literal() {
    check(
        r#"print("sales." + name())
helper("sales." + name())
# "sales." + name()
"#,
        expect![[r#"
            1:8 sales." + not a table: text that is data
            2:9 sales." + ?  name/not-followed
            3:4 sales." + not a table: comment
        "#]],
    );
}

#[test]
fn paths_that_are_rewritten_are_told_only_if_the_new_path_is_refused() {
    check(
        r#"spark.read.csv("/mnt/raw/x.csv")
spark.read.csv(f"/mnt/lake/gold/{name()}/x.csv")
spark.read.csv("/mnt/other/x.csv")
open("/mnt/raw/x.csv")
spark.sql("create table a using delta location '/mnt/raw/y'")
"#,
        expect![[r#"
            1:17 /mnt/raw/x.csv -> /Volumes/prod/raw
            2:18 /mnt/lake/gold/?????/x.csv -> abfss://gold@acc.dfs.core.windows.net
            4:7 /mnt/raw/x.csv ?  name/used-otherwise /Volumes/prod/raw
            5:25 a ?  name/not-mapped
            5:49 /mnt/raw/y ?  refused/location-in-volume
            2:18 Warning refused/dbfs-paths: `abfss://gold@acc.dfs.core.windows.net/…`: storage is reached by its address; an external location or a volume must cover it
            3:17 Warning refused/dbfs-paths: `/mnt/other/x.csv`: mounts know no rights of Unity Catalog; use a volume or an external location
            4:7 Warning refused/dbfs-paths: `/mnt/raw/x.csv`: mounts know no rights of Unity Catalog; use a volume or an external location
            5:49 Warning refused/dbfs-paths: `/mnt/raw/y`: mounts know no rights of Unity Catalog; use a volume or an external location
            | spark.read.csv("/Volumes/prod/raw/x.csv")
            | spark.read.csv(f"abfss://gold@acc.dfs.core.windows.net/{name()}/x.csv")
        "#]],
    );
}

#[test]
fn what_branches_and_loops_make_current_is_one_of_several() {
    check(
        &cells(&[
            "if x:\n    spark.sql('use sales')\nelse:\n    spark.sql('use people')\n    spark.table('emp')\nspark.table('orders')",
            "spark.sql('use sales')\nif y:\n    spark.sql('use people')\nspark.table('orders')",
            "spark.sql('use sales')\nfor y in ys:\n    spark.sql('use people')\nspark.table('orders')",
            "spark.sql('use sales')\nif z:\n    spark.conf.set('k', 'sales.orders')\nelse:\n    spark.conf.set('k', 'people.emp')\nspark.table('orders')",
            "# MAGIC %sql select * from ${k}",
            "if z:\n    spark.sql('use sales')\nelse:\n    spark.sql('use sales')\nspark.table('items')",
        ]),
        expect![[r#"
            3:20 sales -> prod.sales
            5:20 people -> `prod-eu`.people
            6:18 emp -> `prod-eu`.people.emp
            7:14 orders ?  name/database-unknown prod.sales.orders
            11:16 sales -> prod.sales
            13:20 people -> `prod-eu`.people
            14:14 orders ?  name/database-unknown prod.sales.orders
            18:16 sales -> prod.sales
            20:20 people -> `prod-eu`.people
            21:14 orders ?  name/database-unknown prod.sales.orders
            25:16 sales -> prod.sales
            27:26 sales.orders not a table: text that is data
            29:26 people.emp not a table: text that is data
            30:14 orders -> prod.sales.orders
            34:28 ????? ?  name/several-values `prod-eu`.people.emp prod.sales.orders
            39:20 sales -> prod.sales
            41:20 sales -> prod.sales
            42:14 items -> prod.sales.items
            |     spark.sql('use prod.sales')
            |     spark.sql('use `prod-eu`.people')
            |     spark.table('`prod-eu`.people.emp')
            | spark.sql('use prod.sales')
            |     spark.sql('use `prod-eu`.people')
            | spark.sql('use prod.sales')
            |     spark.sql('use `prod-eu`.people')
            | spark.sql('use prod.sales')
            | spark.table('prod.sales.orders')
            |     spark.sql('use prod.sales')
            |     spark.sql('use prod.sales')
            | spark.table('prod.sales.items')
        "#]],
    );
}

#[test]
fn text_behind_a_list_in_quotes_is_not_in_quotes() {
    check(
        &cells(&[
            r#"spark.sql(f"select * from sales.orders where id in ({','.join(f"'{i}'" for i in ids)})")
chosen = ",".join(["'" + i + "'" for i in ids])
spark.sql("select * from sales.items where id in (%s) and x = 1" % chosen)
name = "sales.orders"
spark.sql("select * from sales.items where t = '" + name + "'")
spark.table(name)"#,
        ]),
        expect![[r#"
            2:27 sales.orders -> prod.sales.orders
            4:26 sales.items -> prod.sales.items
            5:9 sales.orders ?  name/used-otherwise prod.sales.orders
            6:26 sales.items -> prod.sales.items
            | spark.sql(f"select * from prod.sales.orders where id in ({','.join(f"'{i}'" for i in ids)})")
            | spark.sql("select * from prod.sales.items where id in (%s) and x = 1" % chosen)
            | spark.sql("select * from prod.sales.items where t = '" + name + "'")
        "#]],
    );
}

#[test]
fn datasets_of_a_declarative_pipeline() {
    check(
        &cells(&[
            "import dlt\n@dlt.table\ndef a():\n    return spark.table('LIVE.b').join(spark.readStream.table('live.c')).join(spark.table('sales.orders'))",
        ]),
        expect![[r#"
            5:25 LIVE.b not a table: temporary view
            5:63 live.c not a table: temporary view
            5:91 sales.orders -> prod.sales.orders
            |     return spark.table('LIVE.b').join(spark.readStream.table('live.c')).join(spark.table('prod.sales.orders'))
        "#]],
    );
}

#[test]
fn what_may_not_have_been_run_makes_current_one_of_several() {
    check(
        &cells(&[
            "spark.sql('use people')\ntry:\n    spark.sql('use sales')\nexcept Exception:\n    pass\nspark.table('orders')",
            "spark.sql('use people')\ntry:\n    spark.sql('use sales')\n    spark.sql('use people')\nexcept Exception:\n    spark.table('orders')\nspark.table('emp')",
            "spark.sql('use people')\ntry:\n    spark.sql('use sales')\nexcept Exception as e:\n    raise e\nfinally:\n    print('x')\nspark.table('orders')",
            "spark.sql('use people')\nspark.sql('use sales') if a else None\nspark.table('orders')",
            "spark.sql('use people')\na and spark.sql('use sales')\nspark.table('orders')",
            "spark.sql('use people')\nspark.sql('use sales') or a\nspark.table('orders')",
            "spark.sql('use people')\nwith suppress(Exception):\n    spark.sql('use sales')\nspark.table('orders')",
            "spark.sql('use people')\nwith open('x') as f:\n    spark.sql('use sales')\nspark.table('orders')",
        ]),
        expect![[r#"
            2:16 people -> `prod-eu`.people
            4:20 sales -> prod.sales
            7:14 orders ?  name/database-unknown prod.sales.orders
            11:16 people -> `prod-eu`.people
            13:20 sales -> prod.sales
            14:20 people -> `prod-eu`.people
            16:18 orders ?  name/database-unknown prod.sales.orders
            17:14 emp ?  name/database-unknown `prod-eu`.people.emp
            21:16 people -> `prod-eu`.people
            23:20 sales -> prod.sales
            28:14 orders -> prod.sales.orders
            32:16 people -> `prod-eu`.people
            33:16 sales -> prod.sales
            34:14 orders ?  name/database-unknown prod.sales.orders
            38:16 people -> `prod-eu`.people
            39:22 sales -> prod.sales
            40:14 orders ?  name/database-unknown prod.sales.orders
            44:16 people -> `prod-eu`.people
            45:16 sales -> prod.sales
            46:14 orders -> prod.sales.orders
            50:16 people -> `prod-eu`.people
            52:20 sales -> prod.sales
            53:14 orders ?  name/database-unknown prod.sales.orders
            57:16 people -> `prod-eu`.people
            59:20 sales -> prod.sales
            60:14 orders -> prod.sales.orders
            | spark.sql('use `prod-eu`.people')
            |     spark.sql('use prod.sales')
            | spark.sql('use `prod-eu`.people')
            |     spark.sql('use prod.sales')
            |     spark.sql('use `prod-eu`.people')
            | spark.sql('use `prod-eu`.people')
            |     spark.sql('use prod.sales')
            | spark.table('prod.sales.orders')
            | spark.sql('use `prod-eu`.people')
            | spark.sql('use prod.sales') if a else None
            | spark.sql('use `prod-eu`.people')
            | a and spark.sql('use prod.sales')
            | spark.sql('use `prod-eu`.people')
            | spark.sql('use prod.sales') or a
            | spark.table('prod.sales.orders')
            | spark.sql('use `prod-eu`.people')
            |     spark.sql('use prod.sales')
            | spark.sql('use `prod-eu`.people')
            |     spark.sql('use prod.sales')
            | spark.table('prod.sales.orders')
        "#]],
    );
    check(
        &cells(&[
            "def f(d):\n    if a:\n        spark.sql('use people')\n        return 1\n    spark.sql('use sales')\nspark.sql('use sales')\nf()\nspark.table('orders')",
            "def g():\n    spark.sql('use sales')\nspark.sql('use people')\nif a:\n    g()\nspark.table('orders')",
            "spark.sql('use people')\n[g() for x in xs]\nspark.table('orders')",
            "spark.sql('use people')\nfoo(g)\nspark.table('orders')",
            "spark.sql('use people')\ng()\nspark.table('orders')",
        ]),
        expect![[r#"
            4:24 people -> `prod-eu`.people
            6:20 sales -> prod.sales
            7:16 sales -> prod.sales
            9:14 orders ?  name/database-unknown prod.sales.orders
            14:20 sales -> prod.sales
            15:16 people -> `prod-eu`.people
            18:14 orders ?  name/database-unknown prod.sales.orders
            22:16 people -> `prod-eu`.people
            24:14 orders ?  name/database-unknown prod.sales.orders
            28:16 people -> `prod-eu`.people
            30:14 orders ?  name/database-unknown prod.sales.orders
            34:16 people -> `prod-eu`.people
            36:14 orders -> prod.sales.orders
            |         spark.sql('use `prod-eu`.people')
            |     spark.sql('use prod.sales')
            | spark.sql('use prod.sales')
            |     spark.sql('use prod.sales')
            | spark.sql('use `prod-eu`.people')
            | spark.sql('use `prod-eu`.people')
            | spark.sql('use `prod-eu`.people')
            | spark.sql('use `prod-eu`.people')
            | spark.table('prod.sales.orders')
        "#]],
    );
}

#[test]
fn a_function_that_nobody_called_may_not_have_made_a_database_current() {
    expect![[r#"
        == common.py
        2:16 people -> `prod-eu`.people
        4:20 sales -> prod.sales
        | spark.sql('use `prod-eu`.people')
        |     spark.sql('use prod.sales')
        == etl.py
        6:14 orders ?  name/database-unknown prod.sales.orders
        11:14 orders -> prod.sales.orders
        | spark.table('prod.sales.orders')
    "#]]
    .assert_eq(&show(&[
        (
            "etl.py",
            &cells(&[
                "# MAGIC %run ./common",
                "spark.table('orders')",
                "use_sales()\nspark.table('orders')",
            ]),
        ),
        (
            "common.py",
            &cells(&["spark.sql('use people')\ndef use_sales():\n    spark.sql('use sales')"]),
        ),
    ]));
}

/// Which function of `@singledispatch` runs is not followed: all that could take the arguments agree, or a person decides.
#[test]
fn functions_chosen_by_the_type_of_an_argument() {
    let helpers = cells(&[r#"import psycopg2
import functools
from functools import singledispatch

@singledispatch
def run(database: str, port: str, query: str):
    psycopg2.connect(f"dbname={database} port={port}").cursor().execute(query)

@run.register
def _(configs: dict, query: str):
    psycopg2.connect(configs["url"]).cursor().execute(query)

@functools.singledispatch
def both(name):
    return spark.table(name)

@both.register(list)
def _(names):
    return [spark.table(name) for name in names]

@singledispatch
def either(name):
    return spark.table(name)

either.register(dict, lambda name: log(name))

@singledispatch
def added(name):
    return spark.table(name)

for kind in kinds:
    added.register(kind)(of_somebody)
"#]);
    let user = cells(&[
        "# MAGIC %run ./helpers",
        r#"run(configs, "delete from sales.orders")
run("d", "p", query="delete from sales.orders")
run("delete from sales.orders")
both("sales.items")
either("sales.items")
added("people.emp")"#,
    ]);
    expect![[r#"
        == helpers.py
        20:25 name ?  name/unresolved
        16:24 Note name/from-caller: the name is given by the caller of this function, and judged there
        24:24 Note name/from-caller: the name is given by the caller of this function, and judged there
        30:24 Note name/from-caller: the name is given by the caller of this function, and judged there
        == user.py
        6:27 sales.orders not a table: table of another system
        7:34 sales.orders not a table: table of another system
        8:18 sales.orders ?  name/not-followed
        9:7 sales.items ?  name/used-otherwise prod.sales.items
        10:9 sales.items ?  name/used-otherwise prod.sales.items
        11:8 people.emp ?  name/used-otherwise `prod-eu`.people.emp
    "#]].assert_eq(&show(&[("helpers.py", &helpers), ("user.py", &user)]));
}

/// A stream that is kept in memory is a temporary view of the query's name.
#[test]
fn streams_in_memory() {
    check(
        "spark.sql('use sales')\n\
         df.writeStream.format('memory').queryName('orders').outputMode('complete').start()\n\
         spark.sql('select * from orders')\n\
         df.writeStream.queryName('items').format('delta').toTable('sales.items')\n\
         spark.sql('select * from items')\n",
        expect![[r#"
            1:16 sales -> prod.sales
            3:26 orders not a table: temporary view
            4:60 sales.items -> prod.sales.items
            5:26 items -> prod.sales.items
            | spark.sql('use prod.sales')
            | df.writeStream.queryName('items').format('delta').toTable('prod.sales.items')
            | spark.sql('select * from prod.sales.items')
        "#]],
    );
}
