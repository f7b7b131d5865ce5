//! D2: every answer has one order, and inner orders are completed from declared keys.

use std::sync::Arc;

use arrow::array::{Array, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema};
use expect_test::expect;
use futures::TryStreamExt;
use karat_exact::{FileSet, SortColumn, batch_stream};

use crate::harness::{Bench, wait, write};

fn orders() -> Bench {
    let columns = "id Int64; customer Utf8; day Date32; amount Decimal128(10, 2)";
    Bench::new()
        .table(
            "sales.orders",
            columns,
            &["id"],
            &[
                "3,b,2026-10-01,7.50\n1,a,2026-10-01,1.25\n",
                "2,a,2026-10-01,2.00\n4,,2026-10-02,0.10\n",
            ],
        )
        .table(
            "sales.loose",
            columns,
            &[],
            &["3,b,2026-10-01,7.50\n1,a,2026-10-01,1.25\n2,a,2026-10-01,2.00\n"],
        )
        .table(
            "sales.customers",
            "Name Utf8; __START_AT Date32; country Utf8",
            &["Name"],
            &["a,2020-01-01,DE\nb,2021-01-01,AT\n"],
        )
}

#[test]
fn an_answer_is_ordered_by_its_columns_after_its_order_by() {
    let bench = orders();
    expect![[r#"
        customer string, id bigint
        a | 1
        a | 2
        b | 3
        null | 4"#]]
    .assert_eq(&bench.model("select customer, id from sales.orders"));
    expect![[r#"
        customer string, id bigint
        null | 4
        a | 1
        a | 2
        b | 3"#]]
    .assert_eq(&bench.model("select customer, id from sales.orders order by day desc"));
    expect![[r#"
        name string, __start_at date
        a | 2020-01-01
        b | 2021-01-01"#]]
    .assert_eq(&bench.query("select \"NAME\", __start_at from sales.customers"));
}

#[test]
fn windows_and_limits_are_completed_from_the_key() {
    let bench = orders();
    expect![[r#"
        id bigint, place bigint
        1 | 1
        2 | 2
        3 | 1
        4 | 1"#]].assert_eq(&bench.model(
        "select id, row_number() over (partition by customer order by day) as place from sales.orders",
    ));
    expect![[r#"
        id bigint, before bigint
        1 | null
        2 | 1
        3 | 2"#]].assert_eq(&bench.model(
        "select o.id, lag(o.id) over (order by o.day) as before from sales.orders o join sales.customers c on o.customer = c.name",
    ));
    expect![[r#"
        id bigint
        1
        2"#]]
    .assert_eq(&bench.model("select id from (select * from sales.orders order by day limit 2) t"));
    expect![[r#"
        customer string, names string
        a | a,a
        b | b
        null | null"#]].assert_eq(&bench.model(
        "select customer, string_agg(customer, ',' order by day) as names from sales.orders group by customer",
    ));
}

#[test]
fn without_a_key_a_model_is_refused_and_a_query_says_what_it_did() {
    let bench = orders();
    expect![[r#"
        Refused: 1:12: row_number() over has no single answer here: rows could tie, and no unique key of its input is known
        hint: declare the `key:` of the tables read, keep their key columns down to this operator, or order by columns that identify a row"#]].assert_eq(&bench.model("select id, row_number() over (order by day) as place from sales.loose"));
    expect![[r#"
        note: the order of row_number() over was completed with all columns, in name order: no unique key is known
        id bigint, place bigint
        1 | 1
        2 | 2
        3 | 3"#]].assert_eq(&bench.query("select id, row_number() over (order by day) as place from sales.loose"));
    expect![[r#"
        note: the order of LIMIT without ORDER BY was completed with all columns, in name order: no unique key is known
        id bigint
        1"#]].assert_eq(&bench.query("select id from sales.loose limit 1"));
}

#[test]
fn each_window_function_has_its_own_order() {
    let bench = orders();
    // Only some of them are completed; those that are not still see their ties.
    expect![[r#"
        id bigint, r bigint, n bigint, total decimal(38,2), before bigint
        1 | 1 | 1 | 10.75 | null
        2 | 1 | 2 | 10.75 | 1
        3 | 1 | 3 | 10.75 | 2
        4 | 4 | 4 | 10.85 | 3"#]]
    .assert_eq(&bench.model(
        "select id, rank() over w as r, row_number() over w as n, sum(amount) over w as total, lag(id) over w as before \
         from sales.orders window w as (order by day)",
    ));
}

#[test]
fn a_frame_of_rows_that_tie_keeps_its_ties() {
    let bench = orders();
    // All rows of a day are in the frame of each of them; only the order inside it is completed.
    expect![[r#"
        id bigint, total decimal(38,2), first bigint
        1 | 10.75 | 1
        2 | 10.75 | 1
        3 | 10.75 | 1
        4 | 10.85 | 1"#]]
    .assert_eq(&bench.model(
        "select id, sum(amount) over (order by day groups between 1 preceding and current row) as total, \
         first_value(id) over (order by day) as first from sales.orders",
    ));
    expect![[r#"
        id bigint, last bigint, second bigint, ids list<bigint>, customers string
        1 | 3 | 2 | [1, 2, 3] | a-a-b
        2 | 3 | 2 | [1, 2, 3] | a-a-b
        3 | 3 | 2 | [1, 2, 3] | a-a-b
        4 | 4 | 2 | [1, 2, 3, 4] | a-a-b"#]]
    .assert_eq(&bench.query(
        "select id, last_value(id) over w as last, nth_value(id, 2) over w as second, array_agg(id) over w as ids, \
         string_agg(customer, '-') over w as customers from sales.orders window w as (order by day)",
    ));
    // From the end of a frame, without nulls, and over a frame that begins between the days.
    expect![[r#"
        id bigint, before string, last string, others list<bigint>
        1 | b | b | [4]
        2 | b | b | [4]
        3 | b | b | [4]
        4 | b | b | null"#]]
    .assert_eq(&bench.query(
        "select id, nth_value(customer, -1) ignore nulls over w as before, last_value(customer) ignore nulls over w as last, \
         array_agg(id) over (order by day groups between 1 following and 2 following) as others \
         from sales.orders window w as (order by day)",
    ));
    expect![[r#"
        Refused: 1:12: array_agg() over a range of rows that tie has no single answer
        hint: order by columns that identify a row, or count rows: rows between unbounded preceding and current row (or unbounded following)"#]]
    .assert_eq(&bench.query("select id, array_agg(id) filter (where id > 1) over (order by day) as ids from sales.orders"));
    expect![[r#"
        id bigint, last bigint
        1 | 1
        2 | 2
        3 | 3
        4 | 4"#]]
    .assert_eq(
        &bench.model("select id, last_value(id) over (order by day, id) as last from sales.orders"),
    );
}

#[test]
fn what_a_table_cannot_hold_is_refused() {
    let bench = orders();
    expect![[r#"
        Name: 1:8: the output column `count(*)` has no proper name
        hint: name it with AS: small letters, digits and `_`, not beginning with a digit"#]]
    .assert_eq(&bench.model("select count(*) from sales.orders"));
    expect![[r#"
        Name: 1:12: two columns of this select list are called `id`
        hint: give each a name of its own with `as`"#]]
    .assert_eq(&bench.model("select id, id from sales.orders"));
    expect![[r#"
        Type: 1:16: the column `nothing` has no type: it is always null
        hint: cast it, for example cast(null as string)"#]]
    .assert_eq(&bench.model("select null as nothing from sales.orders"));
    expect![[r#"
        Refused: there is more than one statement
        hint: write one SELECT, without `;` inside"#]]
    .assert_eq(&bench.model("select id from sales.orders; select 1"));
    expect![[r#"
        Refused: only SELECT is understood
        hint: karat writes tables by `run`; a query reads"#]]
    .assert_eq(&bench.model("drop table sales.orders"));
    expect![[r#"
        Name: 1:8: no column `idd`
        hint: did you mean `id`?"#]]
    .assert_eq(&bench.model("select idd from sales.orders"));
    expect!["Name: 2:6: no table `sales.order`"]
        .assert_eq(&bench.model("select id\nfrom sales.order"));
    expect![[r#"
        Name: 2:20: no column `where`
        hint: there are id, customer, day, amount"#]]
    .assert_eq(&bench.model("select id from\nsales.orders where where"));
}

#[test]
fn a_sort_within_little_memory_spills_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, true)]));
    let values: Vec<i64> = (0..3_000_000i64).map(|n| n * 7_919 % 3_000_017).collect();
    let batch = RecordBatch::try_new(
        schema.clone(),
        vec![Arc::new(Int64Array::from(values.clone()))],
    )
    .unwrap();
    let file = write(&folder.path().join("n.parquet"), &schema, &batch);
    let set = FileSet {
        schema: schema.clone(),
        files: vec![file],
        key: None,
    };
    let mut bench = Bench::new();
    bench.memory = Some(32 << 20);
    let engine = bench.engine();
    let sorted: Vec<i64> = wait(async {
        let rows = engine.scan(&set, None).await.unwrap();
        let rows = batch_stream(rows.schema(), rows.map_err(karat_exact::ExactError::from));
        let sorted = engine
            .sort(rows, &[SortColumn::ascending("n")])
            .await
            .unwrap();
        let batches: Vec<RecordBatch> = sorted.try_collect().await.unwrap();
        let column = |batch: &RecordBatch| {
            batch
                .column(0)
                .as_any()
                .downcast_ref::<Int64Array>()
                .unwrap()
                .values()
                .to_vec()
        };
        batches.iter().flat_map(column).collect()
    });
    let mut expected = values;
    expected.sort_unstable();
    assert!(sorted == expected);
}
