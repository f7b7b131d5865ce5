//! Code whose grammar gives up: it is told, its names are left to a person, and nothing behind it is decided by what stood before it.

use std::fmt::Write as _;

use expect_test::{Expect, expect};
use karat_refactor::estate::{InMemory, scan};
use karat_refactor::style::{Style, Styles};
use karat_refactor::{Options, Verdict};

use crate::show::mapping;

/// What is found in a notebook whose second cell is no program.
fn check(path: &str, text: &str, style: Style, expected: &Expect) {
    let options = Options {
        styles: Styles::all(style),
        ..Options::default()
    };
    let scan = scan(
        &InMemory::new([(path, text.as_bytes())]),
        &mapping(),
        &options,
        1,
    );
    let report = &scan.assets[0];
    let mut shown = String::new();
    for (finding, (line, _)) in report.findings.iter().zip(&report.finding_places) {
        let (rule, severity) = (&finding.doubt.rule, finding.severity);
        writeln!(
            shown,
            "{line} {severity:?} {rule}: {}",
            finding.doubt.message
        )
        .unwrap();
    }
    for (occurrence, (line, _)) in report.occurrences.iter().zip(&report.places) {
        let verdict = match &occurrence.verdict {
            Verdict::NeedsPerson { doubt, .. } => doubt.rule.clone(),
            other => other.word().to_owned(),
        };
        writeln!(shown, "{line} {} {verdict}", occurrence.text).unwrap();
    }
    writeln!(shown, "{} statements put in", report.insertions.len()).unwrap();
    expected.assert_eq(&shown);
}

/// From each quote the grammar of Scala looks for the end of the text, up to the end of the file.
#[test]
fn scala_that_is_read_again_at_each_step() {
    let text = format!(
        "// Databricks notebook source\nval db = \"sales\"\nspark.table(\"sales.items\")\n// COMMAND ----------\n{}\nsales.orders\n// COMMAND ----------\n\
         spark.table(\"sales.orders\")\nspark.table(\"loose\")\nspark.table(db + \".orders\")\n\
         // COMMAND ----------\n// MAGIC %sql select * from loose, sales.orders",
        "'\u{2028}é".repeat(8_000)
    );
    check(
        "n.scala",
        &text,
        Style::Literal,
        &expect![[r#"
            5 Warning code/not-parsed: this code was not read: its grammar gave up (programs of its length need far less work; is it broken, or in another language?). No name in it is rewritten, and what it does to later cells is not known; mend or divide it, or look through it yourself
            2 sales name/not-followed
            3 sales.items rewritten
            6 sales.orders name/not-understood
            8 sales.orders rewritten
            9 loose name/database-unknown
            10 .orders name/unresolved
            12 loose name/database-unknown
            12 sales.orders rewritten
            0 statements put in
        "#]],
    );
    check(
        "n.scala",
        &text,
        Style::Parameter,
        &expect![[r#"
            3 Warning style/parameter: the catalog stays written out: `catalog_prod` may be used in code that was not read
            5 Warning code/not-parsed: this code was not read: its grammar gave up (programs of its length need far less work; is it broken, or in another language?). No name in it is rewritten, and what it does to later cells is not known; mend or divide it, or look through it yourself
            8 Warning style/parameter: the catalog stays written out: `catalog_prod` may be used in code that was not read
            12 Warning style/parameter: the catalog stays written out: `catalog_prod` may be used in code that was not read
            2 sales name/not-followed
            3 sales.items rewritten
            6 sales.orders name/not-understood
            8 sales.orders rewritten
            9 loose name/database-unknown
            10 .orders name/unresolved
            12 loose name/database-unknown
            12 sales.orders rewritten
            0 statements put in
        "#]],
    );
    check(
        "n.scala",
        &text,
        Style::UseCatalog,
        &expect![[r#"
            5 Warning code/not-parsed: this code was not read: its grammar gave up (programs of its length need far less work; is it broken, or in another language?). No name in it is rewritten, and what it does to later cells is not known; mend or divide it, or look through it yourself
            2 sales name/not-followed
            3 sales.items rewritten
            6 sales.orders name/not-understood
            8 sales.orders rewritten
            9 loose name/database-unknown
            10 .orders name/unresolved
            12 loose name/database-unknown
            12 sales.orders rewritten
            0 statements put in
        "#]],
    );
}

/// Signs without end, which the grammar takes for one sum after the other.
#[test]
fn python_with_too_many_steps() {
    let line = format!("{}\n<- * text, and more\n", "-".repeat(78));
    let text = format!(
        "# Databricks notebook source\ndb = 'sales'\n# COMMAND ----------\n{}\nspark.sql('use people')\n# COMMAND ----------\nspark.table(f'{{db}}.orders')\nspark.table('emp')",
        line.repeat(200)
    );
    check(
        "n.py",
        &text,
        Style::Literal,
        &expect![[r#"
            4 Warning code/not-parsed: this code was not read: its grammar gave up (programs of its length need far less work; is it broken, or in another language?). No name in it is rewritten, and what it does to later cells is not known; mend or divide it, or look through it yourself
            2 sales name/not-followed
            407 .orders name/unresolved
            408 emp name/database-unknown
            0 statements put in
        "#]],
    );
}

/// Nothing but mistakes: each of them is tried with all that the grammar knows.
#[test]
fn r_without_a_way_out() {
    let text = format!("{}\ntbl(sc, 'sales.items')", "/*".repeat(50_000));
    check(
        "n.r",
        &text,
        Style::Literal,
        &expect![[r#"
            1 Warning code/not-parsed: this code was not read: its grammar gave up (programs of its length need far less work; is it broken, or in another language?). No name in it is rewritten, and what it does to later cells is not known; mend or divide it, or look through it yourself
            2 sales.items name/not-understood
            0 statements put in
        "#]],
    );
}
