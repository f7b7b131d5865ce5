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
        expect![[r#""#]],
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
        expect![[r#""#]],
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
        expect![[r#""#]],
    );
}

#[test]
fn names_that_change_and_need_quotes() {
    check(
        "select t.a, old.t.b, `t`.c from old.t join People.EMP on emp.id = t.id join curated.any_thing;\n\
         select x.a from old.t x where exists (select 1 from old.unknown where nowhere.y = 1);",
        expect![[r#""#]],
    );
}

#[test]
fn substitutions_are_holes() {
    check(
        "create widget text db default 'sales';\n\
         select * from ${db}.orders join ${other}.items join sales.${t} join curated.${t} join curated.fact_${y};\n\
         set my.db = curated; use ${my.db}; select * from facts;",
        expect![[r#""#]],
    );
}
