//! `karat refactor` on a disk: what is written where, what it exits with, what verify says of other tools' work.

use std::fs;

use expect_test::expect;

use crate::project::Project;

const MAPPING: &str = "old_database,old_table,new_catalog,new_schema,new_table\nsales,orders,prod,sales,orders\nsales,items,prod-eu,sales,items\n";
const NOTEBOOK: &str = "-- Databricks notebook source\n-- MAGIC %md about sales.orders\n\n-- COMMAND ----------\n\n\
                        insert overwrite table sales.orders partition (dt='2024-01-01') -- keep\nselect * from sales.items\n";

fn estate() -> Project {
    Project::of(&[
        ("mapping.csv", MAPPING),
        ("code/nb.sql", NOTEBOOK),
        ("code/plain.txt", "nothing\r\n"),
        (
            "code/deep/open.sql",
            "select * from sales.unknown, sales.orders;\n",
        ),
        ("CODEOWNERS", ""),
    ])
}

#[test]
fn apply_writes_a_tree_that_verify_licenses() {
    let project = estate();
    let answer = project.karat(&[
        "refactor",
        "apply",
        "code",
        "--mapping",
        "mapping.csv",
        "--out",
        "new",
        "--proof",
        "proof.json",
        "--inverse",
        "back.patch",
    ]);
    assert_eq!(answer.code, 1, "{}", answer.text());
    expect![[r#""#]].assert_eq(&answer.stdout);
    expect![[r#""#]].assert_eq(&fs::read_to_string(project.path("new/nb.sql")).unwrap());
    assert_eq!(
        fs::read(project.path("new/plain.txt")).unwrap(),
        b"nothing\r\n"
    );
    expect![[r#""#]].assert_eq(&fs::read_to_string(project.path("back.patch")).unwrap());
    let verified = project.karat(&[
        "refactor",
        "verify",
        "code",
        "new",
        "--mapping",
        "mapping.csv",
    ]);
    expect![[r#""#]].assert_eq(&verified.text());
    assert_eq!(verified.code, 0);
    // Once more is once.
    let again = project.karat(&[
        "refactor",
        "apply",
        "new",
        "--mapping",
        "mapping.csv",
        "--patch",
        "again.patch",
    ]);
    assert_eq!(again.code, 1);
    assert_eq!(fs::read_to_string(project.path("again.patch")).unwrap(), "");
    // A tree that is there is not written over.
    let refused = project.karat(&[
        "refactor",
        "apply",
        "code",
        "--mapping",
        "mapping.csv",
        "--out",
        "new",
    ]);
    expect![[r#""#]].assert_eq(&refused.text());
    assert_eq!(refused.code, 2);
}

#[test]
fn verify_names_what_another_tool_destroyed() {
    let project = estate();
    let mut told = String::new();
    for (before, after) in [
        ("partition (dt='2024-01-01') -- keep", ""),
        (" -- keep", ""),
        ("-- MAGIC %md about", "-- MAGIC about"),
        ("sales.orders partition", "prod.sales.orders_old partition"),
        ("sales.items", "`prod-eu`.`sales`.items"),
        ("select * from sales.items\n", "select * from sales.items"),
    ] {
        project.write("code/nb.sql", NOTEBOOK);
        project.write("other/nb.sql", &NOTEBOOK.replace(before, after));
        let answer = project.karat(&[
            "refactor",
            "verify",
            "code/nb.sql",
            "other/nb.sql",
            "--mapping",
            "mapping.csv",
        ]);
        told.push_str(&format!(
            "{before:?} to {after:?}: {}\n{}",
            answer.code, answer.stdout
        ));
    }
    expect![[r#""#]].assert_eq(&told);
}

#[test]
fn a_mapping_with_mistakes_stops_the_work() {
    let project = estate();
    project.write(
        "bad.csv",
        &format!("{MAPPING}sales,orders,prod,other,orders\nsales,x,,,\n"),
    );
    let answer = project.karat(&[
        "refactor",
        "apply",
        "code",
        "--mapping",
        "bad.csv",
        "--in-place",
    ]);
    expect![[r#""#]].assert_eq(&answer.text());
    assert_eq!(answer.code, 2);
    assert_eq!(
        fs::read_to_string(project.path("code/nb.sql")).unwrap(),
        NOTEBOOK
    );
    let told = project.karat(&["refactor", "mapping", "bad.csv"]);
    assert_eq!(told.code, 2);
    let merged = project.karat(&[
        "refactor",
        "merge",
        "--base",
        "mapping.csv",
        "--person",
        "mapping.csv",
        "--anew",
        "mapping.csv",
        "--output",
        "m.csv",
    ]);
    assert_eq!(
        (merged.code, merged.stdout.as_str()),
        (0, "2 rows, 0 conflicts\n")
    );
}

#[test]
fn names_in_place_or_one_statement() {
    let project = Project::of(&[
        ("mapping.csv", MAPPING),
        (
            "a.sql",
            "select * from sales.orders;\r\nselect * from sales.orders;\r\n",
        ),
    ]);
    let scan = project.karat(&["refactor", "scan", "a.sql", "--mapping", "mapping.csv"]);
    expect![[r#""#]].assert_eq(&scan.text());
    let answer = project.karat(&[
        "refactor",
        "apply",
        "a.sql",
        "--mapping",
        "mapping.csv",
        "--in-place",
        "--style",
        "use_catalog",
    ]);
    assert_eq!(answer.code, 0, "{}", answer.text());
    let text = fs::read_to_string(project.path("a.sql")).unwrap();
    assert_eq!(
        text,
        "USE CATALOG prod;\r\nselect * from sales.orders;\r\nselect * from sales.orders;\r\n"
    );
}
