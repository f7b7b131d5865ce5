//! SQL: what is rewritten, what is not a table, what a statement does to the session.

use expect_test::{Expect, expect};

use crate::show::show;

fn check(sql: &str, expect: Expect) {
    expect.assert_eq(&show(&[("a.sql", sql)]));
}

#[test]
fn reads_and_writes() {
    check(
        "insert overwrite table sales.orders partition (dt='2024-01-01') select * from sales.items version as of 12 v\n\
         , people.emp tablesample (10 percent) pivot (sum(x) for y in (1)) -- sales.orders\n\
         ;merge into sales.orders t using sales.items s on t.id = s.id when matched then update set t.x = s.x;\n\
         select nvl(a,b) from hive_metastore.sales.orders@v12;",
        expect![[r#"
            1:24 sales.orders -> prod.sales.orders
            1:79 sales.items -> prod.sales.items
            2:3 people.emp -> `prod-eu`.people.emp
            2:70 sales.orders not a table: comment
            3:13 sales.orders -> prod.sales.orders
            3:34 sales.items -> prod.sales.items
            4:22 hive_metastore.sales.orders -> prod.sales.orders
            | insert overwrite table prod.sales.orders partition (dt='2024-01-01') select * from prod.sales.items version as of 12 v
            | , `prod-eu`.people.emp tablesample (10 percent) pivot (sum(x) for y in (1)) -- sales.orders
            | ;merge into prod.sales.orders t using prod.sales.items s on t.id = s.id when matched then update set t.x = s.x;
            | select nvl(a,b) from prod.sales.orders@v12;
        "#]],
    );
}

#[test]
fn what_is_no_table() {
    check(
        "with orders as (select 1 id), x as (select * from orders) select orders.id, sales.orders from orders join x, loose;\n\
         use sales;\n\
         with orders as (select 1) select * from orders;\n\
         create temp view items as select * from items;\n\
         select * from items, orders; -- the view, the table\n\
         select 'sales.orders', sales.orders.id, a.sales.orders from sales.orders where x = 'from sales.orders' and is_member(extract(day from orders));",
        expect![[r#"
            1:6 orders not a table: common table expression
            1:51 orders not a table: common table expression
            1:77 sales.orders not a table: field of a column
            1:95 orders not a table: common table expression
            1:110 loose -> prod.misc.loose
            2:5 sales -> prod.sales
            3:6 orders not a table: common table expression
            3:41 orders not a table: common table expression
            4:18 items not a table: temporary view
            4:41 items -> prod.sales.items
            5:15 items not a table: temporary view
            5:22 orders -> prod.sales.orders
            6:9 sales.orders not a table: text that is data
            6:24 sales.orders -> prod.sales.orders
            6:41 a.sales.orders not a table: field of a column
            6:61 sales.orders -> prod.sales.orders
            6:90 sales.orders not a table: text that is data
            6:135 orders ?  name/not-understood
            | with orders as (select 1 id), x as (select * from orders) select orders.id, sales.orders from orders join x, prod.misc.loose;
            | use prod.sales;
            | create temp view items as select * from prod.sales.items;
            | select * from items, prod.sales.orders; -- the view, the table
            | select 'sales.orders', prod.sales.orders.id, a.sales.orders from prod.sales.orders where x = 'from sales.orders' and is_member(extract(day from orders));
        "#]],
    );
}

#[test]
fn statements_that_are_not_queries() {
    check(
        "vacuum sales.orders; optimize sales.orders zorder by (id); refresh table sales.orders; msck repair table sales.orders;\n\
         analyze table sales.orders compute statistics; describe history sales.orders; show partitions sales.orders;\n\
         select * from table_changes('sales.orders', 1); restore table sales.orders to version as of 1; generate symlink_format_manifest for table sales.orders;\n\
         create table sales.items deep clone sales.orders location \"/mnt/raw/items\"; show tables in sales; grant select on table sales.orders to `a@b.com`;\n\
         alter table sales.orders rename to sales.items; drop table if exists sales.orders; truncate table `sales`.`orders`;\n\
         convert to delta parquet.`/mnt/raw/x`; select * from delta.`dbfs:/mnt/raw/x`; cache lazy table sales.orders; create database if not exists sales location 'dbfs:/mnt/lake/gold/sales';\n\
         copy into sales.orders from '/mnt/raw/in' fileformat = csv; load data inpath '/mnt/raw/y' into table sales.orders;\n\
         create function sales.f as 'x'; select * from `sales.orders`; select * from prod.sales.orders; insert into conf values ('sales.orders');",
        expect![[r#"
            1:8 sales.orders -> prod.sales.orders
            1:31 sales.orders -> prod.sales.orders
            1:74 sales.orders -> prod.sales.orders
            1:106 sales.orders -> prod.sales.orders
            2:15 sales.orders -> prod.sales.orders
            2:65 sales.orders -> prod.sales.orders
            2:95 sales.orders -> prod.sales.orders
            3:30 sales.orders -> prod.sales.orders
            3:63 sales.orders -> prod.sales.orders
            3:139 sales.orders -> prod.sales.orders
            4:14 sales.items -> prod.sales.items
            4:37 sales.orders -> prod.sales.orders
            4:60 /mnt/raw/items -> /Volumes/prod/raw
            4:92 sales -> prod.sales
            4:121 sales.orders -> prod.sales.orders
            5:13 sales.orders -> prod.sales.orders
            5:36 sales.items -> prod.sales.items
            5:70 sales.orders -> prod.sales.orders
            5:99 `sales`.`orders` -> prod.sales.orders
            6:27 /mnt/raw/x -> /Volumes/prod/raw
            6:61 dbfs:/mnt/raw/x -> /Volumes/prod/raw
            6:96 sales.orders -> prod.sales.orders
            6:140 sales -> prod.sales
            6:156 dbfs:/mnt/lake/gold/sales -> abfss://gold@acc.dfs.core.windows.net
            7:11 sales.orders -> prod.sales.orders
            7:30 /mnt/raw/in -> /Volumes/prod/raw
            7:79 /mnt/raw/y -> /Volumes/prod/raw
            7:102 sales.orders -> prod.sales.orders
            8:17 sales.f ?  name/function
            8:47 `sales.orders` ?  name/quoted-dot
            8:77 prod.sales.orders not a table: already a name of Unity Catalog
            8:108 conf ?  name/not-mapped
            8:122 sales.orders ?  name/metadata
            4:60 Warning refused/dbfs-paths: `/mnt/raw/items`: mounts know no rights of Unity Catalog; use a volume or an external location
            6:27 Warning refused/dbfs-paths: `/mnt/raw/x`: mounts know no rights of Unity Catalog; use a volume or an external location
            6:61 Warning refused/dbfs-paths: `dbfs:/mnt/raw/x`: mounts know no rights of Unity Catalog; use a volume or an external location
            6:156 Warning refused/dbfs-paths: `dbfs:/mnt/lake/gold/sales`: mounts know no rights of Unity Catalog; use a volume or an external location
            7:30 Warning refused/dbfs-paths: `/mnt/raw/in`: mounts know no rights of Unity Catalog; use a volume or an external location
            7:79 Warning refused/dbfs-paths: `/mnt/raw/y`: mounts know no rights of Unity Catalog; use a volume or an external location
            | vacuum prod.sales.orders; optimize prod.sales.orders zorder by (id); refresh table prod.sales.orders; msck repair table prod.sales.orders;
            | analyze table prod.sales.orders compute statistics; describe history prod.sales.orders; show partitions prod.sales.orders;
            | select * from table_changes('prod.sales.orders', 1); restore table prod.sales.orders to version as of 1; generate symlink_format_manifest for table prod.sales.orders;
            | create table prod.sales.items deep clone prod.sales.orders location "/Volumes/prod/raw/items"; show tables in prod.sales; grant select on table prod.sales.orders to `a@b.com`;
            | alter table prod.sales.orders rename to prod.sales.items; drop table if exists prod.sales.orders; truncate table prod.`sales`.`orders`;
            | convert to delta parquet.`/Volumes/prod/raw/x`; select * from delta.`/Volumes/prod/raw/x`; cache lazy table prod.sales.orders; create database if not exists prod.sales location 'abfss://gold@acc.dfs.core.windows.net/sales';
            | copy into prod.sales.orders from '/Volumes/prod/raw/in' fileformat = csv; load data inpath '/Volumes/prod/raw/y' into table prod.sales.orders;
        "#]],
    );
}

#[test]
fn names_that_change_and_need_quotes() {
    check(
        "select t.a, old.t.b, `t`.c from old.t join People.EMP on emp.id = t.id join curated.any_thing;\n\
         select x.a from old.t x where exists (select 1 from old.unknown where nowhere.y = 1);",
        expect![[r#"
            1:8 t -> t2
            1:13 old.t -> prod.fresh.t2
            1:22 `t` -> t2
            1:33 old.t -> prod.fresh.t2
            1:44 People.EMP -> `prod-eu`.people.emp
            1:67 t -> t2
            1:77 curated.any_thing -> main.curated.any_thing
            2:17 old.t -> prod.fresh.t2
            2:53 old.unknown ?  name/not-mapped
            | select t2.a, prod.fresh.t2.b, `t2`.c from prod.fresh.t2 join `prod-eu`.People.EMP on emp.id = t2.id join main.curated.any_thing;
            | select x.a from prod.fresh.t2 x where exists (select 1 from old.unknown where nowhere.y = 1);
        "#]],
    );
}

#[test]
fn substitutions_are_holes() {
    check(
        "create widget text db default 'sales';\n\
         select * from ${db}.orders join ${other}.items join sales.${t} join curated.${t} join curated.fact_${y};\n\
         set my.db = curated; use ${my.db}; select * from facts;",
        expect![[r#"
            2:15 sales.orders -> prod.sales.orders
            2:33 ?????.items ?  name/unresolved prod.sales.items
            2:53 sales.????? -> prod.sales.*
            2:69 curated.????? -> main.curated.*
            2:87 curated.fact_????? -> main.curated.*
            3:26 curated -> main.curated
            3:50 facts -> main.curated.facts
            | select * from prod.${db}.orders join ${other}.items join prod.sales.${t} join main.curated.${t} join main.curated.fact_${y};
            | set my.db = curated; use main.${my.db}; select * from main.curated.facts;
        "#]],
    );
}
