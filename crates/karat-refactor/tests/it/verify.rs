//! What people and tools do to a file, and what `verify` says to it.

use std::fmt::Write as _;

use expect_test::expect;
use karat_refactor::Mapping;
use karat_refactor::estate::InMemory;
use karat_refactor::mapping::read::of_pairs;
use karat_refactor::verify::{Outcome, verify};

/// Each text after, and what is said to it.
fn judged(path: &str, before: &str, after: &[&str], mapping: &Mapping) -> String {
    let tree = |text: &str| InMemory::new([(path, text.as_bytes())]);
    let mut told = String::new();
    for after in after {
        let outcome = verify(&tree(before), &tree(after), mapping, 1)
            .swap_remove(0)
            .outcome;
        let said = match outcome {
            Outcome::Unlicensed(change) => {
                format!("{}:{} {}", change.line, change.column, change.what)
            }
            outcome => format!("licensed: {}", outcome.is_licensed()),
        };
        writeln!(told, "{said}").expect("a text can be written to");
    }
    told
}

/// Tables that keep their names, one that does not, and a database that goes to two catalogs.
fn several() -> Mapping {
    of_pairs(&[
        ("raw.x", "prod.raw.x"),
        ("raw.y", "prod.raw.y"),
        ("sales.orders", "prod-eu.sales.orders"),
        ("sales.customers", "prod.crm.customer"),
        ("cleansed.*", "prod.cleansed.*"),
    ])
}

#[test]
fn a_catalog_in_front_of_a_variable_must_be_right_for_all_that_it_may_be() {
    let before = "spark.table(f\"{db}.{t}\")\n";
    let after = "spark.table(f\"prod.{db}.{t}\")\n";
    let one = of_pairs(&[("raw.x", "prod.raw.x"), ("cleansed.*", "prod.cleansed.*")]);
    let renamed = of_pairs(&[("raw.x", "prod.bronze.x")]);
    let told = [
        judged("a.py", before, &[after], &one),
        judged("a.py", before, &[after], &several()),
        judged("a.py", before, &[after], &renamed),
        judged(
            "a.py",
            "spark.table(f\"raw.{t}\")\nspark.table(f\"{db}.x\")\nspark.table(f\"{db}.customers\")\n",
            &[
                "spark.table(f\"prod.raw.{t}\")\nspark.table(f\"prod.{db}.x\")\nspark.table(f\"{db}.customers\")\n",
                "spark.table(f\"raw.{t}\")\nspark.table(f\"{db}.x\")\nspark.table(f\"prod.{db}.customers\")\n",
            ],
            &several(),
        ),
    ];
    expect![[r#"
        licensed: true
        --
        1:15 `{db}.{t}` became a name that the mapping does not say
        --
        1:15 `{db}.{t}` became a name that the mapping does not say
        --
        licensed: true
        3:15 `{db}.customers` became a name that the mapping does not say
    "#]]
    .assert_eq(&told.join("--\n"));
}

#[test]
fn one_of_several_is_no_answer() {
    let told = judged(
        "a.py",
        "spark.sql(\"use sales\")\nspark.table(f\"sales.{t}\")\nspark.table(f\"{db}.orders\")\n",
        &[
            "spark.sql(\"use prod.crm\")\nspark.table(f\"sales.{t}\")\nspark.table(f\"{db}.orders\")\n",
            "spark.sql(\"use sales\")\nspark.table(f\"prod.crm.customer\")\nspark.table(f\"{db}.orders\")\n",
            "spark.sql(\"use sales\")\nspark.table(f\"sales.{t}\")\nspark.table(f\"`prod-eu`.sales.orders\")\n",
        ],
        &several(),
    );
    expect![[r#"
        1:16 `sales` became a name that the mapping does not say
        2:15 `sales.{t}` became a name that the mapping does not say
        3:15 `{db}.orders` became a name that the mapping does not say
    "#]]
    .assert_eq(&told);
}

#[test]
fn names_that_stay_behind_a_use_that_moved_mean_the_right_table() {
    let told = judged(
        "a.sql",
        "use raw;\nselect * from cleansed.a, sales.customers;\nselect * from legacy.t;\nuse hive_metastore.raw; select * from legacy.t;\n",
        &[
            // `cleansed.a` is right in the new catalog, `sales.customers` is not.
            "use prod.raw;\nselect * from cleansed.a, sales.customers;\nselect * from legacy.t;\nuse hive_metastore.raw; select * from legacy.t;\n",
            "use prod.raw;\nselect * from cleansed.a, prod.crm.customer;\nselect * from legacy.t;\nuse hive_metastore.raw; select * from legacy.t;\n",
            "use raw;\nselect * from prod.cleansed.a, prod.crm.customer;\nselect * from legacy.t;\nuse prod.raw; select * from legacy.t;\n",
            "use raw;\nselect * from prod.cleansed.a, prod.crm.customer;\nselect * from legacy.t;\nuse hive_metastore.raw; select * from legacy.t;\n",
        ],
        &several(),
    );
    expect![[r#"
        2:27 `sales.customers` means `prod.sales.customers` now, and the mapping says `prod.crm.customer`
        3:15 `legacy.t` means `prod.legacy.t` now, and the mapping does not say so
        4:39 `legacy.t` means `prod.legacy.t` now, and the mapping does not say so
        licensed: true
    "#]].assert_eq(&told);
}

#[test]
fn what_was_destroyed_behind_a_name_is_named() {
    let before = "insert overwrite table raw.x partition (dt='1') select * from raw.y version as of 12; -- raw.y\nselect * from raw.x tablesample (1 rows)\nwhere a = 1\n";
    let told = judged(
        "a.sql",
        before,
        &[
            "insert overwrite table prod.raw.x select * from prod.raw.y version as of 12; -- raw.y\nselect * from raw.x tablesample (1 rows)\nwhere a = 1\n",
            "insert overwrite table raw.x partition (dt='1') select * from prod.raw.y; -- raw.y\nselect * from raw.x tablesample (1 rows)\nwhere a = 1\n",
            "insert overwrite table raw.x partition (dt='1') select * from raw.y version as of 12;\nselect * from raw.x tablesample (1 rows)\nwhere a = 1\n",
            "insert overwrite table raw.x partition (dt='1') select * from raw.y version as of 12; -- raw.y\nselect * from prod.raw.x\nwhere a = 1\n",
            "insert overwrite table raw.x partition (dt='1') select * from raw.y version as of 12; -- raw.y\nselect * from raw.x tablesample (1 rows)\n",
            "insert overwrite table raw.z partition (dt='1') select * from raw.y version as of 12; -- raw.y\nselect * from raw.x tablesample (1 rows)\nwhere a = 1\n",
            "insert overwrite table prod.raw.x2 partition (dt='1') select * from raw.y version as of 12; -- raw.y\nselect * from raw.x tablesample (1 rows)\nwhere a = 1\n",
        ],
        &several(),
    );
    expect![[r#"
        1:30 the clause PARTITION: `partition (dt='1') select * from raw.y version as of 12; --`
        1:68 the clause VERSION: `version as of 12; -- raw.y`
        1:86 the comment `-- raw.y`
        2:20 the clause TABLESAMPLE: `tablesample (1 rows)`
        3:1 the clause WHERE: `where a = 1`
        1:28 `raw.x` became a name that the mapping does not say
        1:24 `raw.x` became a name that the mapping does not say
    "#]]
    .assert_eq(&told);
}

#[test]
fn names_of_other_notebooks_behind_a_use_that_moved() {
    let notebook = |cells: &str| format!("# Databricks notebook source\n{cells}\n");
    let caller = |name: &str| {
        notebook(&format!(
            "# MAGIC %run ./s\n\n# COMMAND ----------\n\nspark.table('{name}')"
        ))
    };
    let mut told = String::new();
    for name in ["legacy.t", "cleansed.a", "sales.customers"] {
        let (old, new) = (
            notebook("spark.sql('use raw')"),
            notebook("spark.sql('use prod.raw')"),
        );
        let tree =
            |s: &str| InMemory::new([("etl.py", caller(name).as_bytes()), ("s.py", s.as_bytes())]);
        for judged in verify(&tree(&old), &tree(&new), &several(), 1) {
            let said = match judged.outcome {
                Outcome::Unlicensed(change) => {
                    format!("{}:{} {}", change.line, change.column, change.what)
                }
                outcome => format!("licensed: {}", outcome.is_licensed()),
            };
            writeln!(told, "{} {said}", judged.path).expect("a text can be written to");
        }
    }
    expect![[r#"
        etl.py licensed: true
        s.py 2:16 this goes to the catalog `prod`, and `legacy.t` in line 6 of etl.py, which stays, is looked for there now
        etl.py licensed: true
        s.py licensed: true
        etl.py licensed: true
        s.py 2:16 this goes to the catalog `prod`, and `sales.customers` in line 6 of etl.py, which stays, is looked for there now
    "#]].assert_eq(&told);
}
