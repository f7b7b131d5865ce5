//! What must hold for any text: edits taken back give the file again, twice is once, any bytes are survived, and SQL whose names are
//! known by construction is rewritten exactly.

use karat_refactor::estate::{Files as _, InMemory, scan};
use karat_refactor::verify::{Outcome, verify};
use karat_refactor::{Options, asset, patch, proof};
use proptest::prelude::*;

use crate::show::{after, mapping, scanned};

const EXTENSIONS: [&str; 12] = [
    "a.sql",
    "a.py",
    "a.scala",
    "a.r",
    "a.sh",
    "a.ipynb",
    "a.json",
    "a.yml",
    "a.csv",
    "a.md",
    "a.toml",
    "b.dbc!/a.python",
];

/// Pieces that texts are thrown together from: names, quotes, marks of notebooks, JSON, halves of everything.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("sales.orders".to_owned()),
        Just("`sales`.`orders`".to_owned()),
        Just("curated.".to_owned()),
        Just("{db}.orders".to_owned()),
        Just("select * from ".to_owned()),
        Just("use sales;".to_owned()),
        Just("spark.sql(f\"\"\"".to_owned()),
        Just("spark.table('sales.orders')".to_owned()),
        Just("/mnt/raw/x".to_owned()),
        Just("with orders as (".to_owned()),
        Just("-- COMMAND ----------\n".to_owned()),
        Just("# Databricks notebook source\n".to_owned()),
        Just("# MAGIC %sql ".to_owned()),
        Just("%run ./a\n".to_owned()),
        Just("@concat('".to_owned()),
        Just("{\"cells\": [{\"cell_type\": \"code\", \"source\": [\"".to_owned()),
        Just("\"]}".to_owned()),
        Just("\\\"".to_owned()),
        Just("\r\n".to_owned()),
        "[\\s\"'`(){},;:@$\\\\.#a-zé*]{0,6}",
    ]
}

fn text() -> impl Strategy<Value = String> {
    proptest::collection::vec(piece(), 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn edits_can_be_taken_back_and_twice_is_once(text in text(), name in proptest::sample::select(&EXTENSIONS[..])) {
        let mapping = mapping();
        let before = InMemory::new([(name, text.as_bytes())]);
        let found = scan(&before, &mapping, &Options::default(), 1);
        let report = &found.assets[0];
        let decoded = asset::decode(name, text.as_bytes()).unwrap();
        // `edited` itself refuses what cannot be taken back.
        let (bytes, _) = proof::edited(report, text.as_bytes(), &decoded, &mapping).unwrap();
        let (changed, back) = patch::inverted(&decoded.text, &report.edits());
        prop_assert_eq!(patch::inverted(&changed, &back).0, decoded.text.clone());
        let then = InMemory::new([(name, bytes.as_slice())]);
        let judged = verify(&before, &then, &mapping, 1);
        prop_assert!(judged[0].outcome.is_licensed(), "{:?}\n{}", judged[0], String::from_utf8_lossy(&bytes));
        let again = scan(&then, &mapping, &Options::default(), 1);
        prop_assert_eq!(again.assets[0].edits(), vec![], "{}", String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200), name in proptest::sample::select(&EXTENSIONS[..])) {
        let files = InMemory::new([(name, bytes.as_slice())]);
        let found = scan(&files, &mapping(), &Options::default(), 1);
        prop_assert_eq!(found.assets.len(), files.paths().len());
    }

    #[test]
    fn sql_of_known_names_is_rewritten_exactly(query in query()) {
        let (before, expected) = query;
        let found = scanned(&[("a.sql", &before)], &mapping());
        prop_assert_eq!(after(&found.assets[0], &before), expected);
        prop_assert_eq!(found.counts().needs_person, 0, "{}", before);
    }
}

/// A query with its names, and the same query as it must be afterwards.
fn query() -> impl Strategy<Value = (String, String)> {
    let table = prop_oneof![
        Just(("sales.orders", "prod.sales.orders")),
        Just(("Sales.`Items`", "prod.Sales.`Items`")),
        Just(("hive_metastore.people.emp", "`prod-eu`.people.emp")),
        Just(("loose", "prod.misc.loose")),
        Just(("old.t", "prod.fresh.t2")),
        Just(("main.x.y", "main.x.y")),
        Just(("cte", "cte")),
    ];
    let tail = prop_oneof![
        Just(""),
        Just(" where x = 'from sales.orders' -- sales.orders\n"),
        Just(" version as of 12 v"),
        Just(" tablesample (10 percent) s"),
        Just(" a lateral view explode(a.sales) e as sales, orders"),
        Just(" b where b.sales.orders > extract(day from b.orders)"),
    ];
    let shape = prop_oneof![
        Just(("with cte as (select 1 as x) select * from ", "")),
        Just((
            "with cte as (select 1) select /* sales.orders */ count(*) from (select * from ",
            ") q"
        )),
        Just(("with cte as (select 1) select * from cte c left join ", "")),
        Just((
            "with cte as (select 1) insert overwrite table sales.orders partition (p = 1) select * from ",
            ""
        )),
        Just((
            "with cte as (select 1) select (select max(1) from ",
            ") as m"
        )),
    ];
    (shape, table, tail).prop_map(|((open, close), (old, new), tail)| {
        // A parenthesis behind a line comment would be part of it; the comment ends with its line.
        let moved = open.replace("table sales.orders", "table prod.sales.orders");
        (
            format!("{open}{old}{tail}{close}"),
            format!("{moved}{new}{tail}{close}"),
        )
    })
}

#[test]
fn what_is_not_licensed_is_found() {
    let mapping = mapping();
    let before = "with orders as (select 1) select * from orders, sales.orders o where o.x = 'sales.items' -- c\n";
    for (old, new) in [
        ("from orders", "from prod.sales.orders"),
        ("sales.orders o", "prod.sales.items o"),
        ("'sales.items'", "'prod.sales.items'"),
        (" -- c", ""),
        ("\n", "\r\n"),
    ] {
        let after = before.replace(old, new);
        let (b, a) = (
            InMemory::new([("a.sql", before.as_bytes())]),
            InMemory::new([("a.sql", after.as_bytes())]),
        );
        let judged = verify(&b, &a, &mapping, 1);
        assert!(
            matches!(judged[0].outcome, Outcome::Unlicensed(_)),
            "{old} to {new}: {judged:?}"
        );
    }
}
