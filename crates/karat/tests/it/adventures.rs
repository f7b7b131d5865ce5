//! `examples/adventures` over the data as published, and its gold tables computed again without karat.

use std::path::Path;

use expect_test::expect;

use crate::peers;
use crate::project::{Project, copy_folder};
use crate::readers::{compare, tables_of};

#[test]
fn duckdb_computes_the_same_gold() {
    let data = peers::shared_data();
    let project = Project::empty();
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/adventures");
    for part in ["karat.yaml", "domains"] {
        let (from, to) = (example.join(part), project.path(part));
        if from.is_dir() {
            copy_folder(&from, &to);
        } else {
            std::fs::copy(from, to).unwrap();
        }
    }
    let variable = [("KARAT_EXAMPLE_DATA", data.to_str().unwrap())];
    let karat = |arguments: &[&str]| {
        let answer = project.karat_with(arguments, &variable);
        assert_eq!(answer.code, 0, "{}", answer.text());
        answer
    };
    let run = karat(&["run", "--quiet"]).text();
    let closing = run.find("sources ").unwrap();
    expect![[r#"
        sources 57,023 read = 57,023 kept; silver 57,020 read = 57,020 kept
        run RUN: 45 tables written, 0 unchanged, N s
        head DIGEST
        --- exit 0
    "#]]
    .assert_eq(&run[closing..]);
    let found = peers::script("adventures.py", &[&project.path("lake"), &data]);
    expect![[r#"
        finance_gold.balance_by_type: 216 rows, 1944 cells, all equal
        finance_gold.running_balance: 34 rows, 102 cells, all equal
        rates_gold.yearly: 28 rows, 224 cells, all equal
        finance_gold.actuals_in_euro: 4 rows, 16 cells, all equal
        production_silver.list_prices: 395 rows, 2370 cells, all equal
        production_gold.price_today: 293 rows, 1758 cells, all equal
        production_gold.reviews_by_product: 3 rows, 18 cells, all equal
        music_gold.revenue_by_genre: 24 rows, 96 cells, all equal
        music_gold.invoice_check: 0 rows, 0 cells, all equal
        trade_gold.revenue_by_country: 62 rows, 434 cells, all equal
        trade_gold.revenue_by_category: 8 rows, 48 cells, all equal
        all cells agree
    "#]]
    .assert_eq(&found);
    // Other readers see the tables as karat does; of bronze those with the widest and the oddest rows.
    let wanted = |table: &str| {
        !table.contains("_bronze.")
            || ["product_model", "review", "invoice", "reference_rates"]
                .iter()
                .any(|name| table.ends_with(&format!("__{name}")))
    };
    let tables = tables_of(&project, &|arguments| karat(arguments), &wanted);
    let agreed = compare(&project, &tables);
    assert_eq!(agreed.lines().count(), tables.len());
    assert!(
        agreed.lines().all(|line| line.ends_with(" agree")),
        "{agreed}"
    );
    assert_eq!(karat(&["run", "--json"]).json()["status"], "nothing_to_do");
    karat(&["verify"]);
}
