//! Defaults by pattern: what they add, to whom, and what they leave alone.

use expect_test::{Expect, expect};
use karat_project::{Project, TableName};

use crate::{diagnostics, load_text};

const PROJECT: &str = r#"--- karat.yaml
karat: 1
project: contoso
sources:
  shop: { type: sqlite, path: ./shop.db }
  landing: { type: files, path: ./landing }
--- domains/sales/silver/customers.yaml
from: shop.customers
select:
  id: cast(id as bigint)
  country: upper(country)
auto_cdc: { keys: [id] }
--- domains/sales/silver/ref_rates.yaml
from: landing.rates
select:
  currency: currency
  rate: cast(rate as decimal(18, 6))
expectations:
  positive: { expect: "rate > 0", action: fail }
--- domains/sales/gold/total.sql
select country, count(*) as customers from sales_silver.customers group by country
--- domains/stock/domain.yaml
domain: stock
feeds:
  - { source: landing, name: items, mode: full, path: "items/*.csv", csv: { encoding: windows-1252 } }
--- domains/stock/silver/items.yaml
from: landing.items
select: { item: item, country: country }
key: [item]
"#;

const SALES: &str = r#"--- domains/sales/domain.yaml
domain: sales
feeds:
  - { source: shop, table: customers, mode: full, key: [id] }
  - { source: landing, name: rates, mode: incremental, path: "rates/*.csv" }
"#;

/// The project with defaults in `karat.yaml` and in the domain `sales`.
fn with(project: &str, sales: &str) -> String {
    format!(
        "{}{SALES}{sales}",
        PROJECT.replace("sources:\n", &format!("{project}sources:\n"))
    )
}

fn loaded(project: &str, sales: &str) -> Project {
    load_text(&with(project, sales)).sound().unwrap()
}

/// The expanded forms of what inherits something.
fn check(project: &str, sales: &str, expected: Expect) {
    let project = loaded(project, sales);
    let mut shown = String::new();
    for table in project.graph().order() {
        let expanded = match project.feed(table) {
            Some(feed) => feed.expanded.as_ref(),
            None => project.model(table).unwrap().expanded.as_ref(),
        };
        if let Some(expanded) = expanded {
            shown += &expanded.yaml;
        }
    }
    expected.assert_eq(&shown);
}

/// The models whose code differs from that without any default.
fn touched(project: &str, sales: &str) -> Vec<String> {
    let (before, after) = (loaded("", ""), loaded(project, sales));
    let models = before.models.iter().zip(&after.models);
    models
        .filter(|(before, after)| before.code_text() != after.code_text())
        .map(|(before, _)| before.name.to_string())
        .collect()
}

#[test]
fn all_silver_of_sales_is_trimmed_and_its_keys_are_not_null() {
    let sales = "defaults:\n  silver:\n    \"*\": { trim: true, key_not_null: fail }\n";
    check(
        "",
        sales,
        expect![[r##"
        # domains/sales/silver/customers.yaml
        from: shop.customers
        select:
          id: cast(id as bigint)
          country: upper(country)
        auto_cdc:
          keys: [id]
        trim: true  # from domains/sales/domain.yaml:7
        expectations:
          key_not_null: { expect: "\"id\" is not null", action: fail }  # from domains/sales/domain.yaml:7
        # domains/sales/silver/ref_rates.yaml
        from: landing.rates
        select:
          currency: currency
          rate: "cast(rate as decimal(18, 6))"
        expectations:
          positive: { expect: "rate > 0", action: fail }
        trim: true  # from domains/sales/domain.yaml:7
    "##]],
    );
    assert_eq!(
        touched("", sales),
        ["sales_silver.customers", "sales_silver.ref_rates"],
        "and no model of another domain, no gold model"
    );
    let key_alone = "defaults:\n  silver:\n    \"*\": { key_not_null: fail }\n";
    assert_eq!(
        touched("", key_alone),
        ["sales_silver.customers"],
        "a model without a key has nothing that may be null"
    );
}

/// A default is read as if it stood in the model: the code is the same, and so is the digest.
#[test]
fn a_default_is_the_same_code_as_what_it_stands_for() {
    let by_default = loaded(
        "defaults:\n  silver:\n    sales_silver.cust*: { trim: true, expectations: { known: { expect: \"length(country) = 2\", action: quarantine } } }\n",
        "",
    );
    let mut written = with("", "");
    written = written.replace(
        "auto_cdc: { keys: [id] }\n",
        "auto_cdc: { keys: [id] }\ntrim: true\nexpectations:\n  known: { expect: \"length(country) = 2\", action: quarantine }\n",
    );
    let written = load_text(&written).sound().unwrap();
    let name: TableName = "sales_silver.customers".parse().unwrap();
    let code = |project: &Project| project.model(&name).unwrap().code_text().to_owned();
    assert_eq!(code(&by_default), code(&written));
    assert_ne!(code(&by_default), code(&loaded("", "")));
}

#[test]
fn what_stands_nearest_counts() {
    let project = r#"defaults:
  max_delete: 1%
  csv: { delimiter: ";", quote: none }
  null_values: [N/A]
  feeds:
    "landing.*": { csv: { delimiter: "|" }, stable_for: 5m }
    rates: { stable_for: 1m }
  silver:
    "*":
      key_not_null: warn
      expectations:
        known_country: { expect: "length(country) = 2", action: quarantine }
        positive: { expect: "rate >= 0" }
"#;
    let sales = r#"defaults:
  null_values: ["-"]
  silver:
    customers: { key_not_null: off, expectations: { known_country: { expect: "country in ('CH', 'DE')" } } }
"#;
    check(
        project,
        sales,
        expect![[r##"
        # domains/sales/domain.yaml:4
        - source: landing
          name: rates
          mode: incremental
          path: rates/*.csv
          null_values: ["-"]  # from domains/sales/domain.yaml:6
          stable_for: "1m"  # from karat.yaml:9
          csv:
            delimiter: "|"  # from karat.yaml:8
            quote: none  # from karat.yaml:5
        # domains/sales/domain.yaml:3
        - source: shop
          table: customers
          mode: full
          key: [id]
          null_values: ["-"]  # from domains/sales/domain.yaml:6
          max_delete: "1%"  # from karat.yaml:4
        # domains/stock/domain.yaml:3
        - source: landing
          name: items
          mode: full
          path: items/*.csv
          csv:
            encoding: windows-1252
            delimiter: "|"  # from karat.yaml:8
            quote: none  # from karat.yaml:5
          stable_for: "5m"  # from karat.yaml:8
          max_delete: "1%"  # from karat.yaml:4
          null_values: [N/A]  # from karat.yaml:6
        # domains/sales/silver/customers.yaml
        from: shop.customers
        select:
          id: cast(id as bigint)
          country: upper(country)
        auto_cdc:
          keys: [id]
        expectations:
          known_country: { expect: "country in ('CH', 'DE')" }  # from domains/sales/domain.yaml:8
        # domains/stock/silver/items.yaml
        from: landing.items
        select:
          item: item
          country: country
        key: [item]
        expectations:
          key_not_null: { expect: "\"item\" is not null", action: warn }  # from karat.yaml:12
          known_country: { expect: "length(country) = 2", action: quarantine }  # from karat.yaml:14
    "##]],
    );
}

#[test]
fn mistakes_in_defaults_are_told_once_and_where_they_stand() {
    let project = r#"defaults:
  feeds:
    "[": { stable_for: 5 }
    nobody: { stable_for: 5m }
  silver:
    "*":
      trimm: true
      key_not_null: yes
      expectations:
        odd: { expect: "country = = 1" }
        empty: { action: fail }
"#;
    expect![[r#"
        error: `[` is no pattern of names
         --> karat.yaml:5:5
          |
        5 |     "[": { stable_for: 5 }
          |     ^^^
          = hint: like `ref_*`, or `sales_silver.*` with the domain; `*` stands for any part of a name, `[ab]` and `{a,b}` for a choice

        error: `stable_for` must be a time, like `15m` (ms, s, m, h, d)
         --> karat.yaml:5:24
          |
        5 |     "[": { stable_for: 5 }
          |                        ^

        error: unknown key `trimm` in defaults of silver models
         --> karat.yaml:9:7
          |
        9 |       trimm: true
          |       ^^^^^
          = hint: did you mean `trim`?

        error: `key_not_null` must be `off`, `warn`, `drop`, `quarantine` or `fail`, found `yes`
          --> karat.yaml:10:21
           |
        10 |       key_not_null: yes
           |                     ^^^

        error: SQL: expected an expression, found =
          --> karat.yaml:12:35
           |
        12 |         odd: { expect: "country = = 1" }
           |                                   ^

        error: expectation `empty` has no `expect`
          --> karat.yaml:13:9
           |
        13 |         empty: { action: fail }
           |         ^^^^^
           = hint: write what must be true, like `expect: "id is not null"`
    "#]].assert_eq(&diagnostics(&with(project, "")));
    // A pattern for nobody is told only where all names are known.
    expect![[r#"
        warning: no silver model is called like `items`: these defaults hold for none
         --> domains/sales/domain.yaml:7:5
          |
        7 |     items: { trim: true }
          |     ^^^^^
          = hint: `*` stands for any part of a name; with a dot, the pattern is one of `domain_silver.table`

        warning: no feed is called like `nobody`: these defaults hold for none
         --> karat.yaml:5:5
          |
        5 |     nobody: { stable_for: 5m }
          |     ^^^^^^
          = hint: `*` stands for any part of a name; with a dot, the pattern is one of `source.feed`
    "#]].assert_eq(&diagnostics(&with(
        "defaults:\n  feeds:\n    nobody: { stable_for: 5m }\n",
        "defaults:\n  silver:\n    items: { trim: true }\n",
    )));
    let model = with("", "").replace("key: [item]", "key_not_null: fail");
    expect![[r#"
        error: `key_not_null` needs a key
         --> domains/stock/silver/items.yaml:3:1
          |
        3 | key_not_null: fail
          | ^^^^^^^^^^^^
          = hint: add `key: [COLUMN]`, or `auto_cdc` with `keys`
    "#]]
    .assert_eq(&diagnostics(&model));
}
