//! SQL scripts: what is current behind branches, loops and handlers, statements in variables, names in hints.

use expect_test::{Expect, expect};

use crate::show::show;

fn check(sql: &str, expect: Expect) {
    expect.assert_eq(&show(&[("a.sql", sql)]));
}

#[test]
fn a_branch_leaves_one_of_several_databases() {
    check(
        "begin\n\
         if (select count(*) from sales.items) > 0 then\n\
         use sales; select * from orders;\n\
         elseif exists (select 1 from people.emp) then select * from loose;\n\
         else use people; select * from emp; end if;\n\
         select * from orders; select * from sales.orders; end;\n\
         use sales;\n\
         case when x then select * from orders; else select * from items; end case;\n\
         select * from orders;\n\
         if y then use sales; else use sales; end if; select * from items;",
        expect![[r#"
            2:26 sales.items -> prod.sales.items
            3:5 sales -> prod.sales
            3:26 orders -> prod.sales.orders
            4:30 people.emp -> `prod-eu`.people.emp
            4:61 loose -> prod.misc.loose
            5:10 people -> `prod-eu`.people
            5:32 emp -> `prod-eu`.people.emp
            6:15 orders ?  name/database-unknown prod.sales.orders
            6:37 sales.orders -> prod.sales.orders
            7:5 sales -> prod.sales
            8:32 orders -> prod.sales.orders
            8:59 items -> prod.sales.items
            9:15 orders -> prod.sales.orders
            10:15 sales -> prod.sales
            10:31 sales -> prod.sales
            10:60 items -> prod.sales.items
            | if (select count(*) from prod.sales.items) > 0 then
            | use prod.sales; select * from prod.sales.orders;
            | elseif exists (select 1 from `prod-eu`.people.emp) then select * from prod.misc.loose;
            | else use `prod-eu`.people; select * from `prod-eu`.people.emp; end if;
            | select * from orders; select * from prod.sales.orders; end;
            | use prod.sales;
            | case when x then select * from prod.sales.orders; else select * from prod.sales.items; end case;
            | select * from prod.sales.orders;
            | if y then use prod.sales; else use prod.sales; end if; select * from prod.sales.items;
        "#]],
    );
}

#[test]
fn a_loop_may_run_again_or_not_at_all() {
    check(
        "use sales;\n\
         while i < 3 do select * from orders; use people; select * from emp; end while;\n\
         select * from orders; use sales;\n\
         for r as select * from orders do insert into items select r.id; end for;\n\
         l: loop if x then leave l; end if; use people; end loop l;\n\
         select * from orders; use sales;\n\
         repeat select * from orders; set i = i + 1; until i > (select max(id) from items) end repeat;\n\
         m: begin if x then use people; leave m; end if; use sales; end m;\n\
         select * from emp;",
        expect![[r#"
            1:5 sales -> prod.sales
            2:30 orders ?  name/database-unknown prod.sales.orders
            2:42 people -> `prod-eu`.people
            2:64 emp -> `prod-eu`.people.emp
            3:15 orders ?  name/database-unknown prod.sales.orders
            3:27 sales -> prod.sales
            4:24 orders -> prod.sales.orders
            4:46 items -> prod.sales.items
            5:40 people -> `prod-eu`.people
            6:15 orders ?  name/database-unknown prod.sales.orders
            6:27 sales -> prod.sales
            7:22 orders -> prod.sales.orders
            7:76 items -> prod.sales.items
            8:24 people -> `prod-eu`.people
            8:53 sales -> prod.sales
            9:15 emp ?  name/database-unknown `prod-eu`.people.emp
            | use prod.sales;
            | while i < 3 do select * from orders; use `prod-eu`.people; select * from `prod-eu`.people.emp; end while;
            | select * from orders; use prod.sales;
            | for r as select * from prod.sales.orders do insert into prod.sales.items select r.id; end for;
            | l: loop if x then leave l; end if; use `prod-eu`.people; end loop l;
            | select * from orders; use prod.sales;
            | repeat select * from prod.sales.orders; set i = i + 1; until i > (select max(id) from prod.sales.items) end repeat;
            | m: begin if x then use `prod-eu`.people; leave m; end if; use prod.sales; end m;
        "#]],
    );
}

#[test]
fn a_handler_leaves_its_block_anywhere() {
    check(
        "use sales;\n\
         begin\n\
         declare exit handler for sqlexception, not found begin select * from sales.orders; use people; end;\n\
         select * from orders; use sales; select * from items;\n\
         end;\n\
         select * from orders;\n\
         use sales;\n\
         begin declare exit handler for sqlstate '42000' insert into orders values (1);\n\
         select * from orders; end;\n\
         select * from items;\n\
         begin declare continue handler for sqlexception use people;\n\
         select * from orders; use sales; select * from orders; end;\n\
         use sales;\n\
         create or replace procedure p() language sql as begin use people; select * from emp; select * from people.emp; end;\n\
         select * from orders;",
        expect![[r#"
            1:5 sales -> prod.sales
            3:70 sales.orders -> prod.sales.orders
            3:88 people -> `prod-eu`.people
            4:15 orders -> prod.sales.orders
            4:27 sales -> prod.sales
            4:48 items -> prod.sales.items
            6:15 orders ?  name/database-unknown prod.sales.orders
            7:5 sales -> prod.sales
            8:61 orders ?  name/database-unknown prod.sales.orders
            9:15 orders -> prod.sales.orders
            10:15 items ?  name/database-unknown prod.sales.items
            11:53 people -> `prod-eu`.people
            12:15 orders ?  name/database-unknown prod.sales.orders
            12:27 sales -> prod.sales
            12:48 orders ?  name/database-unknown prod.sales.orders
            13:5 sales -> prod.sales
            14:59 people -> `prod-eu`.people
            14:81 emp -> `prod-eu`.people.emp
            14:100 people.emp -> `prod-eu`.people.emp
            15:15 orders -> prod.sales.orders
            | use prod.sales;
            | declare exit handler for sqlexception, not found begin select * from prod.sales.orders; use `prod-eu`.people; end;
            | select * from prod.sales.orders; use prod.sales; select * from prod.sales.items;
            | use prod.sales;
            | select * from prod.sales.orders; end;
            | begin declare continue handler for sqlexception use `prod-eu`.people;
            | select * from orders; use prod.sales; select * from orders; end;
            | use prod.sales;
            | create or replace procedure p() language sql as begin use `prod-eu`.people; select * from `prod-eu`.people.emp; select * from `prod-eu`.people.emp; end;
            | select * from prod.sales.orders;
        "#]],
    );
}

#[test]
fn statements_in_variables() {
    check(
        "use sales;\n\
         declare q string default 'select * from orders join sales.items';\n\
         execute immediate q using 1;\n\
         declare or replace variable r = 'use people';\n\
         execute immediate r; select * from emp; use sales;\n\
         declare s string; set var s = 'insert into sales.orders select 1'; set var s = 'insert into items select 1';\n\
         execute immediate s; execute immediate s into x; use sales;\n\
         declare u string default 'select * from sales.orders'; execute immediate u; select u;\n\
         use sales; declare v string default 'sales.orders'; select * from identifier(v);\n\
         set var w = 'select * from sales.' || t; execute immediate w; select * from orders;\n\
         use sales; execute immediate 'select * from sales.orders' || y; execute immediate 'select * from orders';\n\
         begin declare z string; set z = 'delete from sales.orders'; execute immediate z; end;\n\
         set x.y = 'sales.orders'",
        expect![[r#"
            1:5 sales -> prod.sales
            2:41 orders -> prod.sales.orders
            2:53 sales.items -> prod.sales.items
            4:38 people -> `prod-eu`.people
            5:36 emp -> `prod-eu`.people.emp
            5:45 sales -> prod.sales
            6:44 sales.orders -> prod.sales.orders
            6:93 items ?  name/database-unknown prod.sales.items
            7:40 s ?  name/unresolved
            7:54 sales -> prod.sales
            8:41 sales.orders ?  name/unresolved
            8:74 u ?  name/unresolved
            9:5 sales -> prod.sales
            9:38 sales.orders ?  name/unresolved
            9:78 v ?  name/unresolved
            10:28 sales. ?  name/unresolved
            10:60 w ?  name/unresolved
            10:77 orders ?  name/database-unknown prod.sales.orders
            11:5 sales -> prod.sales
            11:45 sales.orders ?  name/unresolved
            11:98 orders ?  name/database-unknown prod.sales.orders
            12:46 sales.orders -> prod.sales.orders
            13:12 sales.orders not a table: text that is data
            | use prod.sales;
            | declare q string default 'select * from prod.sales.orders join prod.sales.items';
            | declare or replace variable r = 'use `prod-eu`.people';
            | execute immediate r; select * from `prod-eu`.people.emp; use prod.sales;
            | declare s string; set var s = 'insert into prod.sales.orders select 1'; set var s = 'insert into items select 1';
            | execute immediate s; execute immediate s into x; use prod.sales;
            | use prod.sales; declare v string default 'sales.orders'; select * from identifier(v);
            | use prod.sales; execute immediate 'select * from sales.orders' || y; execute immediate 'select * from orders';
            | begin declare z string; set z = 'delete from prod.sales.orders'; execute immediate z; end;
        "#]],
    );
}

#[test]
fn hints_name_tables() {
    check(
        "select /*+ BROADCAST(sales.orders), merge(t, x), repartition(3, sales.orders.id) */ * from sales.orders join old.t join sales.items x;\n\
         select /*+ mapjoin(`old`.t) */ 1 from old.t;\n\
         select /*+ broadcast(hive_metastore.sales.items, sales.gone, prod.sales.orders) */ 1 from ${a}.b join hive_metastore.sales.items;\n\
         select /* broadcast(sales.orders) */ 1 from sales.orders; frobnicate /*+ broadcast(sales.items) */ x;\n\
         with t as (select /*+ shuffle_hash(old.t) */ * from old.t) select /*+ broadcast(t) */ * from t",
        expect![[r#"
            1:22 sales.orders -> prod.sales.orders
            1:43 t -> t2
            1:65 sales.orders -> prod.sales.orders
            1:92 sales.orders -> prod.sales.orders
            1:110 old.t -> prod.fresh.t2
            1:121 sales.items -> prod.sales.items
            2:20 `old`.t -> prod.fresh.t2
            2:39 old.t -> prod.fresh.t2
            3:22 hive_metastore.sales.items -> prod.sales.items
            3:50 sales.gone ?  name/not-mapped
            3:62 prod.sales.orders not a table: already a name of Unity Catalog
            3:91 ?????.b ?  name/unresolved
            3:103 hive_metastore.sales.items -> prod.sales.items
            4:21 sales.orders not a table: comment
            4:45 sales.orders -> prod.sales.orders
            4:84 sales.items ?  name/qualifier
            5:6 t not a table: common table expression
            5:36 old.t -> prod.fresh.t2
            5:53 old.t -> prod.fresh.t2
            5:94 t not a table: common table expression
            | select /*+ BROADCAST(prod.sales.orders), merge(t2, x), repartition(3, prod.sales.orders.id) */ * from prod.sales.orders join prod.fresh.t2 join prod.sales.items x;
            | select /*+ mapjoin(prod.`fresh`.t2) */ 1 from prod.fresh.t2;
            | select /*+ broadcast(prod.sales.items, sales.gone, prod.sales.orders) */ 1 from ${a}.b join prod.sales.items;
            | select /* broadcast(sales.orders) */ 1 from prod.sales.orders; frobnicate /*+ broadcast(sales.items) */ x;
            | with t as (select /*+ shuffle_hash(prod.fresh.t2) */ * from prod.fresh.t2) select /*+ broadcast(t) */ * from t
        "#]],
    );
}
