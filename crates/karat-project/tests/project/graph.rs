//! The order of work, and selectors.

use expect_test::{Expect, expect};
use karat_project::{Graph, Selector, TableName};

use crate::{KARAT, SALES, load_text, with};

fn graph() -> Graph {
    let files = "--- domains/sales/silver/plans.yaml\nfrom: landing.plans\nselect: { id: id }\n--- domains/sales/gold/a.sql\nselect c.id from sales_silver.customers c join sales_silver.plans p on p.id = c.id\n--- domains/sales/gold/b.sql\nselect id from sales_gold.a\n--- domains/sales/gold/plans.sql\nselect id from sales_silver.plans\n";
    Graph::of(&load_text(&with(files)).sound().unwrap())
}

#[test]
fn inputs_come_first() {
    let graph = graph();
    let levels: Vec<String> = graph
        .levels()
        .iter()
        .map(|level| {
            level
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(" ")
        })
        .collect();
    expect![[r#"
        sales_bronze.landing__plans sales_bronze.shop__customers
        sales_silver.customers sales_silver.plans
        sales_gold.a sales_gold.plans
        sales_gold.b
    "#]]
    .assert_eq(&(levels.join("\n") + "\n"));
}

fn select(selectors: &[&str], expected: Expect) {
    let selectors: Result<Vec<Selector>, _> = selectors.iter().map(|text| text.parse()).collect();
    let shown = match selectors.and_then(|selectors| graph().select(&selectors)) {
        Ok(names) => names
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(" "),
        Err(error) => format!("{error}; hint: {}", error.hint().unwrap()),
    };
    expected.assert_eq(&shown);
}

#[test]
fn selectors() {
    select(&["customers"], expect!["sales_silver.customers"]);
    select(
        &["+sales_gold.a"],
        expect![
            "sales_bronze.landing__plans sales_bronze.shop__customers sales_silver.customers sales_silver.plans sales_gold.a"
        ],
    );
    select(
        &["landing.plans+"],
        expect![
            "sales_bronze.landing__plans sales_silver.plans sales_gold.a sales_gold.plans sales_gold.b"
        ],
    );
    select(
        &["+a+"],
        expect![
            "sales_bronze.landing__plans sales_bronze.shop__customers sales_silver.customers sales_silver.plans sales_gold.a sales_gold.b"
        ],
    );
    select(
        &["b", "shop.customers"],
        expect!["sales_bronze.shop__customers sales_gold.b"],
    );
    select(
        &["domain:sales"],
        expect![
            "sales_bronze.landing__plans sales_bronze.shop__customers sales_silver.customers sales_silver.plans sales_gold.a sales_gold.plans sales_gold.b"
        ],
    );
    select(
        &["plans"],
        expect![
            "cannot select `plans`: several tables have this name; hint: write one of `sales_silver.plans`, `sales_gold.plans`"
        ],
    );
    select(
        &["sales_gold.aa"],
        expect![
            "cannot select `sales_gold.aa`: no table or feed has this name; hint: did you mean `sales_gold.a`?"
        ],
    );
    select(
        &["domain:sale"],
        expect![
            "cannot select `domain:sale`: no table or feed has this name; hint: did you mean `domain:sales`?"
        ],
    );
    select(
        &["shop__customers"],
        expect!["sales_bronze.shop__customers"],
    );
    select(
        &["sales_bronze.landing__plans"],
        expect!["sales_bronze.landing__plans"],
    );
    select(
        &["quite.other"],
        expect![
            "cannot select `quite.other`: no table or feed has this name; hint: names are written like `sales_silver.customers`, `landing.plans`, `domain:sales`"
        ],
    );
    select(
        &["domain:finance"],
        expect![
            "cannot select `domain:finance`: no table or feed has this name; hint: names are written like `sales_silver.customers`, `landing.plans`, `domain:sales`"
        ],
    );
    select(
        &["a b"],
        expect![
            "cannot select `a b`: it is not written like a selector; hint: write NAME, +NAME, NAME+, +NAME+ or domain:NAME"
        ],
    );
    select(
        &["tag:x"],
        expect![
            "cannot select `tag:x`: it is not written like a selector; hint: write NAME, +NAME, NAME+, +NAME+ or domain:NAME"
        ],
    );
}

#[test]
fn a_feed_without_a_table_of_its_name_is_found_by_its_name() {
    let files = format!(
        "{KARAT}{SALES}--- domains/sales/silver/clients.yaml\nfrom: shop.customers\nselect: {{ id: id }}\n"
    );
    let graph = load_text(&files).sound().unwrap().graph();
    let selected = graph.select(&["customers+".parse().unwrap()]).unwrap();
    let names: Vec<String> = selected.iter().map(ToString::to_string).collect();
    expect!["sales_bronze.shop__customers sales_silver.clients"].assert_eq(&names.join(" "));
    let names = |names: Vec<&TableName>| names.iter().map(ToString::to_string).collect::<Vec<_>>();
    let clients: TableName = "sales_silver.clients".parse().unwrap();
    let customers: TableName = "sales_bronze.shop__customers".parse().unwrap();
    assert_eq!(
        names(graph.upstream(&clients)),
        ["sales_bronze.shop__customers"]
    );
    assert_eq!(
        names(graph.downstream(&customers)),
        ["sales_silver.clients"]
    );
}
