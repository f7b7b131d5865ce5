//! SQL: what is rewritten, what is not a table, what a statement does to the session.

use expect_test::{Expect, expect};
use karat_refactor::Verdict;

use crate::show::{mapping, scanned, show};

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
fn the_source_behind_a_target_that_is_a_parameter() {
    check(
        "merge into identifier(:target) t using sales.items s on t.id = s.id when matched then delete;\n\
         update identifier('sales.orders') o set x = (select max(x) from sales.items);",
        expect![[r#"
            1:12 identifier ?  name/two-readings
            1:23 :target ?  name/unresolved
            1:40 sales.items -> prod.sales.items
            2:8 identifier ?  name/two-readings
            2:20 sales.orders -> prod.sales.orders
            2:65 sales.items -> prod.sales.items
            | merge into identifier(:target) t using prod.sales.items s on t.id = s.id when matched then delete;
            | update identifier('prod.sales.orders') o set x = (select max(x) from prod.sales.items);
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
         create function sales.f as 'x'; select * from `sales.orders`; select * from prod.sales.other; insert into conf values ('sales.orders');",
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
            4:60 /mnt/raw/items ?  refused/location-in-volume
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
            8:77 prod.sales.other not a table: already a name of Unity Catalog
            8:107 conf ?  name/not-mapped
            8:121 sales.orders ?  name/metadata
            4:60 Warning refused/dbfs-paths: `/mnt/raw/items`: mounts know no rights of Unity Catalog; use a volume or an external location
            6:156 Warning refused/dbfs-paths: `abfss://gold@acc.dfs.core.windows.net/sales`: storage is reached by its address; an external location or a volume must cover it
            | vacuum prod.sales.orders; optimize prod.sales.orders zorder by (id); refresh table prod.sales.orders; msck repair table prod.sales.orders;
            | analyze table prod.sales.orders compute statistics; describe history prod.sales.orders; show partitions prod.sales.orders;
            | select * from table_changes('prod.sales.orders', 1); restore table prod.sales.orders to version as of 1; generate symlink_format_manifest for table prod.sales.orders;
            | create table prod.sales.items deep clone prod.sales.orders location "/mnt/raw/items"; show tables in prod.sales; grant select on table prod.sales.orders to `a@b.com`;
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
            1:32 sales ?  name/parameter prod.sales
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

/// What becomes of each name: `rewritten`, or the rule and the sign that leave it to a person.
fn verdicts(texts: &[&str]) -> String {
    let mut shown = String::new();
    for text in texts {
        for occurrence in &scanned(&[("a.sql", text)], &mapping()).assets[0].occurrences {
            let verdict = match &occurrence.verdict {
                Verdict::NeedsPerson { doubt, .. } => {
                    let sign = doubt.message.split(" is no ").next().unwrap();
                    format!("{}: {sign}", doubt.rule)
                }
                other => other.word().to_owned(),
            };
            shown.push_str(&format!("{} {verdict}\n", occurrence.text));
        }
    }
    shown
}

#[test]
fn sql_of_another_system_is_left_to_a_person() {
    expect![[r#"
        sales.orders name/other-dialect: a batch that ends with `GO`
        sales.first_day name/not-understood: looks like a mapped name, in a place that karat does not understand
        sales.orders name/other-dialect: `CREATE VARIABLE`
        sales.orders name/other-dialect: `TRUNCATE … IMMEDIATE`
        sales.items rewritten
        sales.orders name/other-dialect: `FETCH FIRST … ROWS`
        sales.orders name/other-dialect: the schema `dbo`
        dbo.x name/not-mapped: the mapping has no row for `dbo.x`, nor for its database
        sales.orders name/other-dialect: a text `N'…'`
        sales.orders name/other-dialect: a variable `@…`
        sales.orders name/other-dialect: a variable `@…`
        sales.orders name/other-dialect: a name in brackets
        sales.orders name/other-dialect: a name in brackets
        sales.orders name/other-dialect: a name in brackets
        sales.orders name/other-dialect: `EXEC` of a procedure
        sales.orders name/other-dialect: `EXEC` of a procedure
        sales.orders name/other-dialect: a procedure without `LANGUAGE SQL`
        sales.orders name/other-dialect: a procedure without `LANGUAGE SQL`
        sales.orders name/other-dialect: a procedure without `LANGUAGE SQL`
        sales.orders name/other-dialect: a block that ends with `/`
        sales.orders name/other-dialect: an assignment `:=`
        sales.orders name/other-dialect: a word of SQL Server, Oracle, PostgreSQL, Redshift or DB2
        sales.orders name/other-dialect: a word of SQL Server, Oracle, PostgreSQL, Redshift or DB2
        /mnt/raw path/unresolved: a mapped path in a place where karat does not move paths
        sales.orders name/other-dialect: a word of SQL Server, Oracle, PostgreSQL, Redshift or DB2
    "#]]
    .assert_eq(&verdicts(&[
        "select * from sales.orders\nGO\n",
        "create or replace variable sales.first_day date default '2020-01-01'; select * from sales.orders",
        "truncate table sales.orders immediate",
        "truncate table sales.items; execute immediate 'select 1'",
        "select * from sales.orders fetch first 10 rows only",
        "select * from sales.orders o join dbo.x on x.id = o.id",
        "select * from sales.orders where name = N'Ann'",
        "declare @day date; select * from sales.orders where day = @day",
        "update sales.orders set n=@@rowcount",
        "select [Order Id] from sales.orders",
        "create table [x] (id int); select * from sales.orders",
        "select o.[id] from sales.orders o",
        "exec load;\nselect * from sales.orders",
        "EXECUTE('drop table x');\nselect * from sales.orders",
        "create or alter proc load as select 1; select * from sales.orders",
        "create procedure load as begin select 1 end; select * from sales.orders",
        "CREATE OR REPLACE PROCEDURE load (day IN DATE) IS\nBEGIN NULL; END;\nselect * from sales.orders",
        "select * from sales.orders;\n/\n",
        "begin n := 1; delete from sales.orders; end;",
        "create table sales.orders (id int, name nvarchar(20))",
        "select * from sales.orders with (nolock)",
        "if exists (select * from openrowset(bulk '/mnt/raw/x', format = 'parquet') as r);\nselect * from sales.orders",
    ]));
}

#[test]
fn a_folder_may_be_named_after_another_system() {
    expect![[r#"
        == db/x/dbx.sqlproj
        == db/x/views/v.sql
        1:13 sales.items ?  name/other-dialect prod.sales.items
        == db/y.sql
        1:16 global_temp not a table: temporary view
        1:43 sales.items -> prod.sales.items
        | show tables in global_temp; select * from prod.sales.items
        == load/from_oracle.sql
        1:10 sales.orders -> prod.sales.orders
        | optimize prod.sales.orders
        == oracle/bronze/load.sql
        1:14 sales.orders -> prod.sales.orders
        | create table prod.sales.orders using delta as select 1
        == orders_redshifted.sql
        1:15 sales.orders -> prod.sales.orders
        | select * from prod.sales.orders
        == redshift/nb.sql
        2:15 sales.orders -> prod.sales.orders
        | select * from prod.sales.orders
        == redshift/views/orders_vw.sql
        1:24 sales.orders_vw ?  name/not-mapped
        1:57 sales.orders ?  name/other-dialect prod.sales.orders
        == sql/ddl_Snowflake.sql
        1:17 sales.orders ?  name/other-dialect prod.sales.orders
    "#]]
    .assert_eq(&show(&[
        ("db/x/dbx.sqlproj", "<Project />"),
        ("db/x/views/v.sql", "create view sales.items as select 1"),
        (
            "db/y.sql",
            "show tables in global_temp; select * from sales.items",
        ),
        ("load/from_oracle.sql", "optimize sales.orders"),
        (
            "oracle/bronze/load.sql",
            "create table sales.orders using delta as select 1",
        ),
        ("orders_redshifted.sql", "select * from sales.orders"),
        (
            "redshift/views/orders_vw.sql",
            "create or replace view sales.orders_vw as select * from sales.orders",
        ),
        (
            "sql/ddl_Snowflake.sql",
            "grant select on sales.orders to role x",
        ),
        (
            "redshift/nb.sql",
            "-- Databricks notebook source\nselect * from sales.orders",
        ),
    ]));
}

#[test]
fn a_line_with_a_hash_in_front_of_a_statement_is_a_comment() {
    expect![[r#"
        2:8 sales.items not a table: comment
        3:15 sales.orders -> prod.sales.orders
        5:13 sales.items -> prod.sales.items
        7:15 sales.orders -> prod.sales.orders
        1:1 Note style/use-catalog: one statement `USE CATALOG prod` would do instead of 3 edits
        | select * from prod.sales.orders;
        | insert into prod.sales.items
        | select 1 from prod.sales.orders
    "#]]
    .assert_eq(&show(&[(
        "a.sql",
        "#!/usr/bin/env hive -f\n# from sales.items; it's old\nselect * from sales.orders;\n  # again\ninsert into sales.items\n# no comment, who knows\nselect 1 from sales.orders",
    )]));
}

#[test]
fn what_only_looks_like_another_dialect_is_rewritten() {
    expect![[r#"
        sales.orders rewritten
        sales.orders rewritten
        sales.orders rewritten
        sales.orders rewritten
        sales.orders rewritten
    "#]]
    .assert_eq(&verdicts(&[
        "select items[0], items[i], map['dbo'], raw:items[*].id, split(x, '[a]')[n] from sales.orders",
        "select * from sales.orders@v12 where name = '[dbo].[x] GO N''' -- dbo.x, @day",
        "create or replace procedure main.x.load(day date) language sql as begin select 1; end; select * from sales.orders",
        "begin\n  execute immediate 'select 1';\n  select go, n, exec from sales.orders;\nend",
        "select\n  exec as e, 1\n  / 2 from sales.orders where mail = 'a@b.c'",
    ]));
}

#[test]
fn notebooks_of_databricks_are_databricks_sql() {
    let signs = "select [x] from dbo.x join sales.orders where y = @y";
    let notebook = format!("-- Databricks notebook source\n{signs}\n-- COMMAND ----------\n");
    let cells = |metadata: &str| {
        format!(
            r#"{{"metadata": {metadata}, "cells": [{{"cell_type": "code", "source": ["use sales; select * from sales.items"]}}, {{"cell_type": "code", "source": ["{signs}"]}}]}}"#
        )
    };
    let databricks = cells(
        r#"{"language_info": {"name": "sql"}, "application/vnd.databricks.v1+notebook": {"language": "sql"}}"#,
    );
    let studio = cells(r#"{"kernelspec": {"name": "SQL", "language": "sql"}}"#);
    let magic = r#"{"cells": [{"cell_type": "code", "source": ["%%sql\n", "select N'x' from sales.orders"]}, {"cell_type": "code", "source": ["%%sql\n", "select * from sales.items"]}]}"#;
    expect![[r#"
        == a.sql
        2:17 dbo.x ?  name/not-mapped
        2:28 sales.orders -> prod.sales.orders
        | select [x] from dbo.x join prod.sales.orders where y = @y
        == b.ipynb
        1:161 sales ?  name/takes-along prod.sales
        1:182 sales.items -> prod.sales.items
        1:248 dbo.x ?  name/not-mapped
        1:259 sales.orders -> prod.sales.orders
        | {"metadata": {"language_info": {"name": "sql"}, "application/vnd.databricks.v1+notebook": {"language": "sql"}}, "cells": [{"cell_type": "code", "source": ["use sales; select * from prod.sales.items"]}, {"cell_type": "code", "source": ["select [x] from dbo.x join prod.sales.orders where y = @y"]}]}
        == c.ipynb
        1:114 sales ?  name/other-dialect prod.sales
        1:135 sales.items ?  name/other-dialect prod.sales.items
        1:201 dbo.x ?  name/not-mapped
        1:212 sales.orders ?  name/other-dialect prod.sales.orders
        == d.ipynb
        1:74 sales.orders ?  name/other-dialect prod.sales.orders
        1:150 sales.items ?  name/other-dialect prod.sales.items
    "#]].assert_eq(&show(&[
        ("a.sql", &notebook),
        ("b.ipynb", &databricks),
        ("c.ipynb", &studio),
        ("d.ipynb", magic),
    ]));
}

#[test]
fn columns_of_a_table_whose_database_is_given_apart() {
    check(
        "use people;\nshow columns in orders in sales; show columns from sales.orders from sales; show columns in emp;",
        expect![[r#"
            1:5 people -> `prod-eu`.people
            2:17 orders in sales ?  shape/database-apart prod.sales.orders
            2:52 sales.orders from sales ?  shape/database-apart prod.sales.orders
            2:93 emp -> `prod-eu`.people.emp
            | use `prod-eu`.people;
            | show columns in orders in sales; show columns from sales.orders from sales; show columns in `prod-eu`.people.emp;
        "#]],
    );
}

#[test]
fn names_that_identifier_puts_together_are_told() {
    check(
        "select * from identifier('sales.orders') join identifier(:db || '.orders') join identifier(x);",
        expect![[r#"
            1:27 sales.orders -> prod.sales.orders
            1:58 :db || '.orders' ?  name/unresolved
            1:92 x ?  name/unresolved
            | select * from identifier('prod.sales.orders') join identifier(:db || '.orders') join identifier(x);
        "#]],
    );
}

/// Scripts of the migration itself copy from the old name to the new one: with one name they would copy a table onto itself.
#[test]
fn an_old_name_beside_its_new_one() {
    let text = "sync table prod.sales.orders from hive_metastore.sales.orders;
sync schema prod.sales from hive_metastore.sales dry run;
create table prod.sales.orders deep clone hive_metastore.sales.orders;
insert into prod.sales.orders select * from sales.orders o join people.emp e on e.id = o.id;
select * from prod.sales.items join sales.orders;
use catalog prod;
create or replace table sales.orders deep clone hive_metastore.sales.orders;
select * from sales.items join hive_metastore.sales.orders;
";
    expect![[r#"
        1:12 prod.sales.orders not a table: already a name of Unity Catalog
        1:35 hive_metastore.sales.orders ?  name/beside-its-new-name
        2:29 hive_metastore.sales ?  name/beside-its-new-name
        3:14 prod.sales.orders not a table: already a name of Unity Catalog
        3:43 hive_metastore.sales.orders ?  name/beside-its-new-name prod.sales.orders
        4:13 prod.sales.orders not a table: already a name of Unity Catalog
        4:45 sales.orders ?  name/beside-its-new-name prod.sales.orders
        4:65 people.emp -> `prod-eu`.people.emp
        5:15 prod.sales.items not a table: already a name of Unity Catalog
        5:37 sales.orders ?  name/beside-its-new-name prod.sales.orders
        7:25 sales.orders not a table: already a name of Unity Catalog
        7:49 hive_metastore.sales.orders ?  name/beside-its-new-name prod.sales.orders
        8:15 sales.items not a table: already a name of Unity Catalog
        8:32 hive_metastore.sales.orders ?  name/beside-its-new-name prod.sales.orders
        | insert into prod.sales.orders select * from sales.orders o join `prod-eu`.people.emp e on e.id = o.id;
    "#]].assert_eq(&show(&[("a.sql", text)]));
}
