//! `karat replay`: recorded code on recorded versions, in a lake of its own (A8).

use std::fs;

use expect_test::expect;
use karat_receipt::{Receipt, seal};
use serde_json::Value;

use crate::project::{Answer, Project};
use crate::rebuild;

/// Table, version and outcome of each line.
fn outcomes(answer: &Answer) -> String {
    let document = answer.json();
    let tables = document["tables"].as_array().unwrap();
    let lines = tables.iter().map(|one| {
        let of = |key: &str| one[key].to_string().replace('"', "");
        let what = one["what"].as_str().map(|what| format!(" ({what})"));
        let error = one["error"]["message"].as_str();
        let more = what.or(error.map(|error| format!(" ({error})")));
        let more = more.unwrap_or_default();
        format!(
            "{}@{} {}{more}\n",
            of("table"),
            of("version"),
            of("outcome")
        )
    });
    format!("{}exit {}\n", lines.collect::<String>(), answer.code)
}

/// The runs of a project, oldest first.
fn runs(project: &Project) -> Vec<String> {
    let mut manifests: Vec<Value> = project
        .lake_files()
        .iter()
        .filter(|name| name.starts_with("_karat/runs/"))
        .map(|name| {
            serde_json::from_slice(&fs::read(project.path("lake").join(name)).unwrap()).unwrap()
        })
        .collect();
    manifests.sort_by_key(|manifest| manifest["sequence"].as_u64());
    let runs = manifests.iter().map(|manifest| manifest["run"].as_str());
    runs.map(|run| run.unwrap().to_owned()).collect()
}

#[test]
pub(crate) fn every_run_of_a_lake_is_made_again() {
    let project = rebuild::original();
    let runs = runs(&project);
    // What is declared today is of no interest, nor is the cache, nor are the sources.
    project.remove(".karat");
    project.remove("landing");
    project.write(
        "domains/shop/gold/countries.sql",
        "select 'other' as country from shop_silver.orders\n",
    );
    project.write("domains/stock/silver/levels.yaml", "from: [\n");
    let before = project.lake_files();
    let of_run = |run: &str| project.karat(&["replay", "--json", "--quiet", run]);
    expect![[r#"
        shop_silver.customers@0 same
        shop_silver.orders@0 same
        shop_gold.countries@0 same
        shop_gold.revenue@0 same
        stock_silver.levels@0 same
        stock_gold.today@0 same
        exit 0
    "#]]
    .assert_eq(&outcomes(&of_run(&runs[0])));
    // The second day's silver was incremental where it could be.
    expect![[r#"
        shop_silver.customers@1 same
        shop_silver.orders@1 same
        shop_gold.revenue@1 same
        stock_silver.levels@1 same
        stock_gold.today@1 same
        exit 0
    "#]]
    .assert_eq(&outcomes(&project.karat(&["replay", "--json", "--quiet"])));
    assert_eq!(project.lake_files(), before, "replay writes nothing");
    assert_eq!(runs.len(), 2);

    let told = |arguments: &[&str]| {
        let answer = project.karat(&[&["replay", "--quiet"], arguments].concat());
        answer.text()
    };
    expect![[r#"
        table               version  fingerprint
        shop_silver.orders        1  DIGEST…  same  N s
        1 version made again from recorded code and inputs: the same
        --- exit 0
    "#]]
    .assert_eq(&told(&["--rebuild", "shop_silver.orders"]));
    expect![[r#"
        --- stderr
        error: `shop_bronze.landing__orders@1` is what was received: no code makes it again
        hint: `karat verify` compares it with its record; name a silver or gold table
        --- exit 2
    "#]]
    .assert_eq(&told(&["--rebuild", "shop_bronze.landing__orders"]));
    expect![[r#"
        --- stderr
        error: run `nobody` made no version of a silver or gold table
        hint: `karat receipt list` shows which run made what
        --- exit 2
    "#]]
    .assert_eq(&told(&["nobody"]));
}

#[test]
fn what_was_not_made_so_is_told() {
    let project = rebuild::original();
    let table = "stock_gold.today";
    let rebuild = ["replay", "--json", "--quiet", "--rebuild", table];
    // A receipt that tells of another day, in the place of the right one, as somebody writes it who has no key to break.
    let log = "lake/stock/gold/today/_delta_log/00000000000000000001.json";
    let shown = project.karat(&["receipt", "show", table, "--json"]).json();
    let old = shown["digest"].as_str().unwrap();
    let receipts = project.path("lake/_karat/receipts");
    let bytes = fs::read(receipts.join(format!("{old}.json"))).unwrap();
    let forged = seal(
        &Receipt {
            logical_time: "2026-03-01T12:00:00.000000Z".to_owned(),
            ..karat_receipt::open(&bytes).unwrap().receipt
        },
        None,
    );
    fs::write(
        receipts.join(format!("{}.json", forged.digest)),
        &forged.bytes,
    )
    .unwrap();
    let entry = fs::read_to_string(project.path(log)).unwrap();
    project.write(log, &entry.replace(old, &forged.digest.to_string()));
    expect![[r#"
        stock_gold.today@1 differs (rows)
        exit 1
    "#]]
    .assert_eq(&outcomes(&project.karat(&rebuild)));
    project.write(log, &entry);
    expect![[r#"
        stock_gold.today@1 same
        exit 0
    "#]]
    .assert_eq(&outcomes(&project.karat(&rebuild)));

    // The same of a damaged input, and of code that is gone.
    let name = project
        .lake_files()
        .into_iter()
        .find(|name| name.starts_with("stock/silver/levels") && name.ends_with(".parquet"))
        .unwrap();
    let file = project.path("lake").join(name);
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&file, bytes).unwrap();
    let damaged = project.karat(&["replay", "--json", "--quiet", "--rebuild", table]);
    assert_eq!(damaged.code, 1, "{}", damaged.text());
    assert!(
        outcomes(&damaged).contains("stock_gold.today@1 failed ("),
        "{}",
        damaged.text()
    );
    let code = shown["receipt"]["code"].as_str().unwrap();
    project.write(&format!("lake/_karat/code/{code}.txt"), "karat model 1\n");
    let gone = project.karat(&["replay", "--quiet", "--rebuild", table]);
    assert_eq!(gone.code, 1, "{}", gone.text());
    assert!(
        gone.stderr.contains("has other bytes than its name says"),
        "{}",
        gone.text()
    );
}
