//! Nesting without end: linear, or cut off and told, and never more stack than there is. Each text has a name in it and one behind it.

use std::fmt::Write as _;

use expect_test::expect;
use karat_refactor::Verdict;

use crate::show::{mapping, scanned};

const DEPTH: usize = 20_000;

fn nested(before: &str, open: &str, inner: &str, close: &str, behind: &str) -> String {
    let (open, close) = (open.repeat(DEPTH), close.repeat(DEPTH));
    format!("{before}{open}{inner}{close}{behind}")
}

#[test]
fn nesting_costs_no_more_than_length() {
    const SQL: &str = ";\nselect * from sales.orders";
    const PYTHON: &str = "\nspark.table('sales.orders')";
    const SCALA: &str = "\nspark.table(\"sales.orders\")";
    let activity = |value: String| {
        let value = format!("{{\"value\": \"{value}\", \"type\": \"Expression\"}}");
        format!(
            "{{\"name\": \"p\", \"properties\": {{\"activities\": [{{\"name\": \"n\", \"type\": \"DatabricksNotebook\", \"typeProperties\": {{\"notebookPath\": \"/x\", \
             \"baseParameters\": {{\"t\": {value}}}}}}}]}}}}"
        )
    };
    let texts = [
        (
            "parentheses.sql",
            nested("select * from sales.items where ", "(", "1", ")", SQL),
        ),
        (
            "open.sql",
            nested("select * from sales.items where ", "(", "1", "", SQL),
        ),
        (
            "tables.sql",
            nested("select * from ", "(", "sales.items", ")", SQL),
        ),
        (
            "queries.sql",
            nested("select * from ", "(select * from ", "sales.items", ")", SQL),
        ),
        (
            "opening.sql",
            nested("", "(", "select * from sales.items", ")", SQL),
        ),
        (
            "with.sql",
            nested("", "with a as (", "select 1", ") select 1 from a", SQL),
        ),
        (
            "rows.sql",
            nested("insert into sales.items values ", "('x', ", "1", ")", SQL),
        ),
        (
            "case.sql",
            nested("select ", "case when a then ", "1 ", "end ", SQL),
        ),
        (
            "calls.sql",
            nested(
                "select ",
                "array(",
                "1",
                ")",
                " from sales.items;\nselect * from sales.orders",
            ),
        ),
        (
            "blocks.sql",
            nested(
                "",
                "begin if a then ",
                "delete from sales.items; ",
                "end if; end; ",
                SQL,
            ),
        ),
        (
            "handlers.sql",
            nested(
                "begin ",
                "declare exit handler for not found ",
                "delete from sales.items",
                "",
                SQL,
            ),
        ),
        (
            "ends.sql",
            nested("", "if a then ", "delete from sales.items; ", "end; ", SQL),
        ),
        (
            "hints.sql",
            nested(
                "select /*+ ",
                "broadcast(",
                "sales.items",
                ")",
                " */ 1 from sales.items;\nselect * from sales.orders",
            ),
        ),
        (
            "hashes.sql",
            nested("", "# x\n", "delete from sales.items", "", SQL),
        ),
        ("parentheses.py", nested("x = ", "(", "1", ")", PYTHON)),
        ("brackets.py", nested("x = ", "[", "1", "]", PYTHON)),
        ("texts.py", nested("x = ", "f'{", "1", "}'", PYTHON)),
        (
            "sql.py",
            format!(
                "spark.sql('''{}''')",
                nested("select * from ", "(", "sales.items", ")", SQL)
            ),
        ),
        (
            "parentheses.scala",
            nested("val x = ", "(", "1", ")", SCALA),
        ),
        (
            "texts.scala",
            nested("val x = ", "s\"${", "1", "}\"", SCALA),
        ),
        (
            "parentheses.r",
            nested("x <- ", "(", "1", ")", "\ntableToDF('sales.orders')"),
        ),
        (
            "pipeline/expression.json",
            activity(nested("@", "concat(", "'sales.orders'", ")", "")),
        ),
        (
            "lists.json",
            nested("{\"a\": ", "[", "\"sales.orders\"", "]", "}"),
        ),
    ];
    let files: Vec<(&str, &str)> = texts
        .iter()
        .map(|(path, text)| (*path, text.as_str()))
        .collect();
    let mut shown = String::new();
    for report in &scanned(&files, &mapping()).assets {
        write!(shown, "{}:", report.path).unwrap();
        for occurrence in &report.occurrences {
            let verdict = match &occurrence.verdict {
                Verdict::NeedsPerson { doubt, .. } => doubt.rule.as_str(),
                other => other.word(),
            };
            write!(shown, " {} {verdict},", occurrence.text).unwrap();
        }
        for finding in &report.findings {
            write!(shown, " ({})", finding.doubt.rule).unwrap();
        }
        shown.push('\n');
    }
    expect![[r#"
        blocks.sql: sales.items rewritten, sales.orders rewritten, (style/use-catalog)
        brackets.py: sales.orders rewritten,
        calls.sql: sales.items rewritten, sales.orders rewritten, (style/use-catalog)
        case.sql: sales.orders rewritten,
        ends.sql: sales.items rewritten, sales.orders rewritten, (style/use-catalog)
        handlers.sql: sales.items rewritten, sales.orders rewritten, (style/use-catalog)
        hashes.sql: sales.items rewritten, sales.orders rewritten, (style/use-catalog)
        hints.sql: sales.items rewritten, sales.items rewritten, sales.orders rewritten, (style/use-catalog)
        lists.json: sales.orders name/metadata,
        open.sql: sales.items rewritten, sales.orders rewritten, (style/use-catalog)
        opening.sql: sales.items name/not-understood, sales.orders rewritten,
        parentheses.py: sales.orders rewritten,
        parentheses.r: sales.orders rewritten,
        parentheses.scala: sales.orders rewritten,
        parentheses.sql: sales.items rewritten, sales.orders rewritten, (style/use-catalog)
        pipeline/expression.json: sales.orders adf/expression,
        queries.sql: sales.items name/not-understood, sales.orders rewritten,
        rows.sql: sales.items rewritten, sales.orders rewritten, (style/use-catalog)
        sql.py: sales.items name/not-understood, sales.orders rewritten,
        tables.sql: sales.items name/not-understood, sales.orders rewritten,
        texts.py: sales.orders name/not-understood,
        texts.scala: sales.orders rewritten,
        with.sql: sales.orders rewritten,
    "#]].assert_eq(&shown);
}

/// Each notebook runs the next one twice, in sessions that differ.
#[test]
fn notebooks_that_run_each_other_without_end() {
    let text = |n: usize| {
        format!(
            "# Databricks notebook source\na{n} = 1\nspark.conf.set('a{n}', 'x')\n\n# COMMAND ----------\n\n# MAGIC %run ./n{m}\n\n# COMMAND ----------\n\n\
             spark.conf.set('b{n}', 'y')\n\n# COMMAND ----------\n\n# MAGIC %run ./n{m}\n\n# COMMAND ----------\n\nspark.table('sales.orders')\n\
             spark.table('orders')\n",
            m = n + 1
        )
    };
    let files: Vec<(String, String)> = (0..11)
        .map(|n| (format!("n{n}.py"), text(n)))
        .chain([(
            "n11.py".to_owned(),
            "# Databricks notebook source\nspark.sql('use sales')\n".to_owned(),
        )])
        .collect();
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|(path, text)| (path.as_str(), text.as_str()))
        .collect();
    let scan = scanned(&files, &mapping());
    let verdicts = |path: &str| {
        let report = scan.assets.iter().find(|report| report.path == path);
        let occurrences = report.unwrap().occurrences.iter();
        let shown = occurrences.map(|one| match &one.verdict {
            Verdict::NeedsPerson { doubt, .. } => format!("{} {}", one.text, doubt.rule),
            verdict => format!("{} {}", one.text, verdict.word()),
        });
        shown.collect::<Vec<_>>().join(", ")
    };
    // The last ones are followed to their end; the first is cut off, and knows no current database then.
    expect!["sales.orders rewritten, orders rewritten"].assert_eq(&verdicts("n9.py"));
    expect!["sales.orders rewritten, orders name/database-unknown"].assert_eq(&verdicts("n0.py"));
}
