//! Pages made from the key tables.

use expect_test::{expect, expect_file};
use karat_project::{SCHEMA_KINDS, json_schema, reference_page};

use crate::{load_with, show};

#[test]
fn json_schemas_are_those_of_the_key_tables() {
    for kind in SCHEMA_KINDS {
        let schema = serde_json::to_string_pretty(&json_schema(kind).unwrap()).unwrap() + "\n";
        expect_file![format!("../../../../docs/schema/{kind}.json")].assert_eq(&schema);
    }
    assert!(json_schema("other").is_none());
}

#[test]
fn the_reference_is_that_of_the_key_tables() {
    expect_file!["../../../../docs/project.md"].assert_eq(&reference_page());
}

/// Each fenced block is a file; its first line, a comment, is its path.
#[test]
fn the_example_of_the_reference_loads() {
    let page = reference_page();
    let mut files = String::new();
    for block in page.split("```").skip(1).step_by(2) {
        let text = block.split_once('\n').unwrap().1;
        let path = text.lines().next().unwrap();
        files += &format!("--- {}\n{text}", path.trim_start_matches(['#', '-', ' ']));
    }
    let loaded = load_with(&files, &|name| {
        (name == "SHOP_DB").then(|| "shop.db".to_string())
    });
    assert_eq!(show(&loaded), "nothing to say");
    let project = loaded.sound().unwrap();
    let order: Vec<String> = project
        .graph()
        .order()
        .iter()
        .map(ToString::to_string)
        .collect();
    expect![[r#"
        sales_bronze.landing__customers
        sales_bronze.shop__orders
        sales_silver.customers
        sales_silver.orders
        sales_gold.daily_revenue"#]]
    .assert_eq(&order.join("\n"));
    // What a run of the other target needs is asked for only then.
    let folder = tempfile::tempdir().unwrap();
    crate::write(folder.path(), &files);
    let loaded = karat_project::load_for(
        folder.path(),
        &|name| (name == "SHOP_DB").then(|| "shop.db".to_string()),
        Some("prod"),
    );
    expect![[r#"
        error: `targets.prod.lake` needs the variable `CONTOSO_LAKE`, which is not set
         --> karat.yaml:7:17
          |
        7 |   prod: { lake: "${env:CONTOSO_LAKE}", catalog: contoso, require_signature: true, key: "${env:CONTOSO_KEY}" }
          |                 ^^^^^^^^^^^^^^^^^^^^^
          = hint: set CONTOSO_LAKE in the environment

        error: `targets.prod.key` needs the variable `CONTOSO_KEY`, which is not set
         --> karat.yaml:7:88
          |
        7 |   prod: { lake: "${env:CONTOSO_LAKE}", catalog: contoso, require_signature: true, key: "${env:CONTOSO_KEY}" }
          |                                                                                        ^^^^^^^^^^^^^^^^^^^^^
          = hint: set CONTOSO_KEY in the environment
    "#]].assert_eq(&show(&loaded));
}
