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

#[test]
fn the_format_that_stands_nearest_counts_and_is_no_code() {
    let files = |target: &str, domain: &str, feed: &str, silver: &str, gold: &str| {
        format!(
            "--- karat.yaml\nkarat: 1\nproject: p\ntargets: {{ dev: {{ lake: ./lake, default: true{target} }} }}\nsources:\n  l: {{ type: files, path: l }}\n--- domains/d/domain.yaml\ndomain: d\n{domain}feeds:\n  - {{ source: l, name: n, path: \"*.csv\", mode: incremental{feed} }}\n--- domains/d/silver/s.yaml\n{silver}from: l.n\nselect: {{ id: cast(id as int) }}\n--- domains/d/gold/g.yaml\n{gold}description: x\n--- domains/d/gold/g.sql\nselect count(*) as n from d_silver.s\n"
        )
    };
    let loaded = |text: &str| load_text(text).sound().unwrap();
    let formats = |text: &str| {
        let project = loaded(text);
        let formats = project.table_formats(project.target(None).unwrap());
        let shown = formats
            .iter()
            .map(|(table, format)| format!("{table} {format:?}"));
        shown.collect::<Vec<_>>().join(", ")
    };
    let plain = files("", "", "", "", "");
    let of_target = files(", format: iceberg", "", "", "", "");
    expect!["d_bronze.l__n Delta, d_silver.s Delta, d_gold.g Delta, d_quarantine.s Delta"]
        .assert_eq(&formats(&plain));
    expect!["d_bronze.l__n Iceberg, d_silver.s Iceberg, d_gold.g Iceberg, d_quarantine.s Iceberg"]
        .assert_eq(&formats(&of_target));
    expect!["d_bronze.l__n Delta, d_silver.s Iceberg, d_gold.g Delta, d_quarantine.s Iceberg"]
        .assert_eq(&formats(&files(
            "",
            "format: iceberg\n",
            ", table_format: delta",
            "",
            "format: delta\n",
        )));
    expect!["d_bronze.l__n Iceberg, d_silver.s Iceberg, d_gold.g Delta, d_quarantine.s Iceberg"]
        .assert_eq(&formats(&files(
            "",
            "",
            ", table_format: iceberg",
            "format: iceberg\n",
            "",
        )));
    let code = |text: &str| -> Vec<String> {
        let project = loaded(text);
        let models = project
            .models
            .iter()
            .map(|model| model.code_text().to_owned());
        let feeds = project.feeds().map(|feed| feed.code_text());
        models.chain(feeds).collect()
    };
    let own = files(
        "",
        "",
        ", table_format: iceberg",
        "format: iceberg\n",
        "format: iceberg\n",
    );
    assert_eq!(code(&plain), code(&own));
}
