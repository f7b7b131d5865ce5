//! The event log (`karat.runs` and its like) as SQL sees it: the record of the lake, and what the journal remembers.

use expect_test::expect;

use crate::project::Project;

fn asked(project: &Project, sql: &str) -> String {
    let answer = project.karat(&["query", "--format", "csv", sql]);
    assert_eq!(answer.code, 0, "{}", answer.text());
    answer.stdout.replace("\r\n", "\n")
}

#[test]
fn what_runs_did_is_read_with_sql() {
    let project = Project::initial();
    project.run(0);
    project.write(
        "landing/orders/orders_20260106.csv",
        "order_id,country,amount,ordered_at\n9,ch,1.00,2026-01-06 09:00:00\n10,ch,none,2026-01-06 09:00:00\n",
    );
    project.run(0);
    let versions = "select table_name, version, kind, rows, files_added, files_removed, signed from karat.versions order by table_name, version";
    let before = asked(&project, versions);
    expect![[r#"
        table_name,version,kind,rows,files_added,files_removed,signed
        shop_bronze.landing__orders,0,load,5,1,0,false
        shop_bronze.landing__orders,1,load,7,1,0,false
        shop_gold.revenue,0,transform,3,1,0,false
        shop_gold.revenue,1,transform,3,1,1,false
        shop_quarantine.orders,0,transform,1,1,0,false
        shop_quarantine.orders,1,transform,2,1,0,false
        shop_silver.orders,0,transform,4,1,0,false
        shop_silver.orders,1,transform,5,1,0,false
    "#]]
    .assert_eq(&before);
    expect![[r#"
        version,share,term,rows
        0,run,kept,4
        0,run,quarantined,1
        0,run,read,5
        0,version,kept,4
        0,version,quarantined,1
        0,version,read,5
        1,run,kept,1
        1,run,quarantined,1
        1,run,read,2
        1,version,kept,5
        1,version,quarantined,2
        1,version,read,7
    "#]].assert_eq(&asked(
        &project,
        "select version, share, term, rows from karat.accounting where table_name = 'shop_silver.orders' and rows > 0 order by all",
    ));
    expect![[r#"
        version,name,action,failed
        0,known_country,quarantine,1
        1,_expression,quarantine,1
    "#]].assert_eq(&asked(
        &project,
        "select e.version, e.name, e.action, e.failed from karat.expectations e where e.failed > 0 order by all",
    ));
    expect![[r#"
        table_name,version,input,input_version,fits
        shop_gold.revenue,0,shop_silver.orders,0,true
        shop_gold.revenue,1,shop_silver.orders,1,true
        shop_quarantine.orders,0,shop_bronze.landing__orders,0,true
        shop_quarantine.orders,1,shop_bronze.landing__orders,1,true
        shop_silver.orders,0,shop_bronze.landing__orders,0,true
        shop_silver.orders,1,shop_bronze.landing__orders,1,true
    "#]].assert_eq(&asked(
        &project,
        "select i.table_name, i.version, i.input, i.input_version, v.fingerprint = i.fingerprint as fits from karat.inputs i
         join karat.versions v on v.table_name = i.input and v.version = i.input_version order by all",
    ));
    expect![[r#"
        version,object,size,delivery
        0,orders/orders_20260105.csv,196,1
        1,orders/orders_20260106.csv,96,1
    "#]]
    .assert_eq(&asked(
        &project,
        "select version, object, size, delivery from karat.objects order by all",
    ));
    expect![[r#"
        sequence,complete,versions,after
        1,true,4,
        2,true,4,1
    "#]].assert_eq(&asked(
        &project,
        "select r.sequence, r.complete, r.versions, p.sequence as after from karat.runs r left join karat.runs p on r.previous = p.head order by 1",
    ));
    // A run that fails makes no version; the journal alone knows of it.
    project.write("domains/shop/gold/revenue.sql", "select 1 / 0 as x");
    project.write("domains/shop/gold/revenue.yaml", "key: [x]\n");
    project.run(3);
    expect![[r#"
        exit_code,table_name,status,timed,error
        3,shop_bronze.landing__orders,unchanged,true,
        3,shop_gold.revenue,failed,true,"cannot compute `shop_gold.revenue`: division by zero in `1 / 0`, at 1:8"
        3,shop_silver.orders,unchanged,true,
    "#]].assert_eq(&asked(
        &project,
        "select a.exit_code, s.table_name, s.status, s.seconds >= 0 as timed, s.error from karat.attempts a
         join karat.steps s on s.run = a.run where a.exit_code > 0 order by all",
    ));
    project.remove(".karat");
    assert_eq!(asked(&project, versions), before);
    assert_eq!(
        asked(&project, "select count(*) as n from karat.attempts"),
        "n\n0\n"
    );
    let unknown = project.karat(&["query", "select * from karat.version"]);
    expect![[r#"
        --- stderr
        error: there is no table `karat.version` in the event log
         --> line 1, column 15
          |
        1 | select * from karat.version
          |               ^
        hint: it has runs, versions, accounting, expectations, checks, inputs, objects, attempts, steps
        --- exit 2
    "#]].assert_eq(&unknown.text());
}
