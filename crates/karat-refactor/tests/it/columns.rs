//! Tables in front of columns, in texts of data frames.

use expect_test::{Expect, expect};
use karat_refactor::mapping::read::of_pairs;

use crate::show::show_with;

fn check(path: &str, text: &str, expect: Expect) {
    let mapping = of_pairs(&[
        ("sales.customers", "prod.crm.clients"),
        ("sales.orders", "prod.sales.orders"),
        ("old.customers", "prod.old.clients"),
        ("hr.emp", "prod.hr.staff"),
        ("it.emp", "prod.it.people"),
    ]);
    expect.assert_eq(&show_with(&[(path, text)], &mapping));
}

#[test]
fn columns_of_a_frame_that_is_the_table() {
    check(
        "nb.py",
        r#"c = spark.table("sales.customers")
c.select("customers.id", "sales.customers.name", "id", "`customers`.`x`")
c.where("customers.id > 3 and sales.customers.x = 'customers.y'").filter(f"hive_metastore.sales.customers.y = {z}")
c.groupBy("customers.id").agg({"customers.n": "sum"})
c["customers.id"]
c.join(o, "customers.id = orders.cid")
c.withColumn("customers.id", F.expr("size(payload.customers)"))
spark.read.table("hr.emp").select("emp.id")
spark.table("sales.orders").select("customers.id", "sales.orders.id")
"#,
        expect![[r#"
            1:18 sales.customers -> prod.crm.clients
            2:11 customers -> clients
            2:27 sales.customers -> prod.crm.clients
            2:57 `customers` -> clients
            3:10 customers -> clients
            3:31 sales.customers -> prod.crm.clients
            3:76 hive_metastore.sales.customers -> prod.crm.clients
            4:12 customers -> clients
            4:33 customers -> clients
            5:4 customers -> clients
            6:12 customers -> clients
            8:19 hr.emp -> prod.hr.staff
            8:36 emp -> staff
            9:14 sales.orders -> prod.sales.orders
            9:53 sales.orders -> prod.sales.orders
            | c = spark.table("prod.crm.clients")
            | c.select("clients.id", "prod.crm.clients.name", "id", "`clients`.`x`")
            | c.where("clients.id > 3 and prod.crm.clients.x = 'customers.y'").filter(f"prod.crm.clients.y = {z}")
            | c.groupBy("clients.id").agg({"clients.n": "sum"})
            | c["clients.id"]
            | c.join(o, "clients.id = orders.cid")
            | spark.read.table("prod.hr.staff").select("staff.id")
            | spark.table("prod.sales.orders").select("customers.id", "prod.sales.orders.id")
        "#]],
    );
}

#[test]
fn columns_of_a_frame_that_is_not_known() {
    check(
        "nb.py",
        r#"from pyspark.sql.functions import col
c = spark.table("sales.customers")
F.expr("customers.id > 3")
col("sales.customers.name")
col("old.customers.name")
def f(df):
    return df.select("customers.id", "emp.id").where("sales.customers.x = 1")
df.filter(~col("customers.id").isin("customers.a"))
"#,
        expect![[r#"
            2:18 sales.customers -> prod.crm.clients
            3:9 customers ?  name/qualifier clients
            4:6 sales.customers -> prod.crm.clients
            5:6 old.customers ?  name/qualifier prod.old.clients
            7:23 customers ?  name/qualifier clients
            7:39 emp ?  name/qualifier people staff
            7:55 sales.customers -> prod.crm.clients
            8:17 customers ?  name/qualifier clients
            | c = spark.table("prod.crm.clients")
            | col("prod.crm.clients.name")
            |     return df.select("customers.id", "emp.id").where("prod.crm.clients.x = 1")
        "#]],
    );
}

#[test]
fn an_alias_anywhere_hides_the_table() {
    check(
        "nb.py",
        r#"c = spark.table("sales.customers").alias("customers")
c.select("customers.id")
d = x.alias("sales")
d.select("sales.customers.name")
spark.table("hr.emp").createOrReplaceTempView("emp")
spark.table("emp").select("emp.id")
e = spark.table("sales.customers").withColumn("customers", F.struct("a"))
e.select("customers.a")
"#,
        expect![[r#"
            1:18 sales.customers -> prod.crm.clients
            2:11 customers not a table: column behind an alias
            4:11 sales.customers not a table: column behind an alias
            5:14 hr.emp -> prod.hr.staff
            6:14 emp not a table: temporary view
            6:28 emp not a table: column behind an alias
            7:18 sales.customers -> prod.crm.clients
            8:11 customers ?  name/qualifier clients
            | c = spark.table("prod.crm.clients").alias("customers")
            | spark.table("prod.hr.staff").createOrReplaceTempView("emp")
            | e = spark.table("prod.crm.clients").withColumn("customers", F.struct("a"))
        "#]],
    );
}

#[test]
fn columns_in_scala() {
    check(
        "nb.scala",
        r#"val c = spark.table("sales.customers")
c.select($"customers.id", col("sales.customers.name"))
c.where("customers.id = 3").select("customers.name")
"#,
        expect![[r#"
            1:22 sales.customers -> prod.crm.clients
            2:12 customers ?  name/qualifier clients
            2:32 sales.customers -> prod.crm.clients
            3:10 customers -> clients
            3:37 customers -> clients
            | val c = spark.table("prod.crm.clients")
            | c.select($"customers.id", col("prod.crm.clients.name"))
            | c.where("clients.id = 3").select("clients.name")
        "#]],
    );
}

#[test]
fn columns_with_their_new_tables_are_understood() {
    check(
        "nb.py",
        r#"c = spark.table("prod.crm.clients")
c.select("clients.id", "prod.crm.clients.name")
spark.table("prod.sales.orders").select("prod.sales.orders.id", "customers.id")
"#,
        expect![[r#"
            1:18 prod.crm.clients not a table: already a name of Unity Catalog
            2:25 prod.crm.clients not a table: already a name of Unity Catalog
            3:14 prod.sales.orders not a table: already a name of Unity Catalog
            3:42 prod.sales.orders not a table: already a name of Unity Catalog
        "#]],
    );
}
