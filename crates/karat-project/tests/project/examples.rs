//! The projects of this repository load without a word.

use std::path::Path;

use expect_test::{Expect, expect};
use karat_project::load;

use crate::show;

fn check(folder: &str, expected: Expect) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(folder);
    let loaded = load(&root, &|name| {
        (name == "KARAT_EXAMPLE_DATA").then(|| "./data".to_string())
    });
    assert_eq!(show(&loaded), "nothing to say");
    let project = loaded.sound().unwrap();
    let tables: Vec<String> = project
        .graph()
        .levels()
        .iter()
        .map(|level| {
            let names: Vec<String> = level.iter().map(ToString::to_string).collect();
            names.join(" ")
        })
        .collect();
    expected.assert_eq(&tables.join("\n"));
}

#[test]
fn the_demo() {
    check(
        "crates/karat/src/demo/project",
        expect![[r#"
        accounts_bronze.landing__accounts ledger_bronze.landing__entries rates_bronze.landing__reference
        accounts_silver.accounts ledger_silver.entries rates_silver.reference
        ledger_gold.country_totals ledger_gold.daily_balance ledger_gold.desk_totals rates_gold.reference_rates
        ledger_gold.exposure_eur"#]],
    );
}

#[test]
fn adventures() {
    check(
        "examples/adventures",
        expect![[r#"
            finance_bronze.aw__dim_account finance_bronze.aw__dim_organization finance_bronze.aw__dim_scenario finance_bronze.aw__fact_finance music_bronze.chinook__genre music_bronze.chinook__invoice music_bronze.chinook__invoice_line music_bronze.chinook__track production_bronze.aw__list_price production_bronze.aw__product production_bronze.aw__product_model production_bronze.aw__review rates_bronze.ecb__reference_rates trade_bronze.northwind__categories trade_bronze.northwind__customers trade_bronze.northwind__order_details trade_bronze.northwind__orders trade_bronze.northwind__products
            finance_silver.accounts finance_silver.entries finance_silver.organizations music_silver.genres music_silver.invoice_lines music_silver.invoices music_silver.tracks production_silver.list_prices production_silver.models production_silver.products production_silver.reviews rates_silver.reference_rates trade_silver.categories trade_silver.customers trade_silver.order_lines trade_silver.orders trade_silver.products
            finance_gold.balance_by_type finance_gold.running_balance music_gold.invoice_check music_gold.revenue_by_genre production_gold.price_today production_gold.reviews_by_product rates_gold.yearly trade_gold.revenue_by_category trade_gold.revenue_by_country
            finance_gold.actuals_in_euro"#]],
    );
}
