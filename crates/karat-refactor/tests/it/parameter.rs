//! The catalog from a parameter: golden texts by language, what stays written out and why, and that edits are licensed, taken back, and
//! made once.

use std::collections::BTreeMap;
use std::fmt::Write;

use expect_test::{Expect, expect};
use karat_receipt::Digest;
use karat_refactor::estate::{Files as _, InMemory, scan};
use karat_refactor::mapping::document::Document;
use karat_refactor::mapping::read::of_pairs;
use karat_refactor::proof::Tree;
use karat_refactor::style::{COLUMNS, Style, Styles};
use karat_refactor::verify::{Outcome, verify, verify_in};
use karat_refactor::{Mapping, Options, asset, patch, proof};

fn mapping() -> Mapping {
    of_pairs(&[
        ("sales.orders", "prod.sales.orders"),
        ("sales.items", "prod.sales.items"),
        ("old.t", "prod.fresh.t2"),
        ("default.loose", "prod.misc.loose"),
    ])
}

/// The text afterwards and what stays, in one style; checks that it is licensed, can be taken back, and is done once.
fn moved_with(styles: &Styles, mapping: &Mapping, files: &[(&str, &str)]) -> String {
    let options = Options {
        styles: styles.clone(),
        ..Options::default()
    };
    let before = InMemory::new(files.iter().map(|(path, text)| (*path, text.as_bytes())));
    let found = scan(&before, mapping, &options, 1);
    let mut shown = String::new();
    let (mut after, mut proofs) = (Vec::new(), Vec::new());
    for report in &found.assets {
        let (path, text) = files
            .iter()
            .find(|(path, _)| *path == report.path)
            .expect("one of the files");
        let decoded = asset::decode(path, text.as_bytes()).expect("text");
        let (bytes, made) = proof::edited(report, text.as_bytes(), &decoded, mapping)
            .expect("edits that can be taken back");
        if !made.edits.is_empty() {
            proofs.push(made);
        }
        let (changed, back) = patch::inverted(&decoded.text, &report.edits());
        assert_eq!(patch::inverted(&changed, &back).0, decoded.text);
        if files.len() > 1 {
            writeln!(shown, "== {path}").expect("memory");
        }
        shown.push_str(&String::from_utf8(bytes.clone()).expect("text"));
        for (finding, (line, column)) in report.findings.iter().zip(&report.finding_places) {
            if finding.doubt.rule == "style/parameter" {
                writeln!(shown, "? {line}:{column} {}", finding.doubt.message).expect("memory");
            }
        }
        after.push((report.path.clone(), bytes));
    }
    let then = InMemory::new(
        after
            .iter()
            .map(|(path, bytes)| (path.as_str(), bytes.as_slice())),
    );
    for judged in verify_in(&before, &then, mapping, styles, 1) {
        assert!(judged.outcome.is_licensed(), "{judged:?}\n{shown}");
    }
    let digests = |files: &InMemory| {
        let digest = |(index, path): (usize, &String)| {
            let bytes = files.read(index).expect("in memory");
            (path.clone(), Digest::of(&bytes).to_string())
        };
        files.paths().iter().enumerate().map(digest).collect()
    };
    let (old, new): (BTreeMap<_, _>, BTreeMap<_, _>) = (digests(&before), digests(&then));
    let proof = proof::whole("0", mapping, &found, proofs, &old, &BTreeMap::new());
    let bytes = serde_json::to_vec(&proof).expect("memory");
    let tree = |files, digests| Tree { files, digests };
    let (b, a) = (tree(&before, &old), tree(&then, &new));
    if let Err(fault) = proof::check(&bytes, b, a, mapping, styles, 1) {
        panic!("{fault}\n{shown}");
    }
    let again = scan(&then, mapping, &options, 1);
    for report in &again.assets {
        assert_eq!(report.edits(), vec![], "{}\n{shown}", report.path);
        for occurrence in &report.occurrences {
            if let karat_refactor::Verdict::NeedsPerson { doubt, .. } = &occurrence.verdict {
                writeln!(shown, "again: {} {}", occurrence.text, doubt.rule).expect("memory");
            }
        }
    }
    shown
}

fn check(files: &[(&str, &str)], expected: Expect) {
    expected.assert_eq(&moved_with(
        &Styles::all(Style::Parameter),
        &mapping(),
        files,
    ));
}

#[test]
fn sql_notebook() {
    check(
        &[(
            "a.sql",
            "-- Databricks notebook source
select * from sales.orders o join Sales.`Items` as i on o.id = sales.items.id -- sales.orders

-- COMMAND ----------

insert into old.t select * from loose;
merge into sales.orders t using sales.items s on t.id = s.id when matched then delete;
use sales;
select * from orders version as of 3;
create table if not exists sales.items as select * from sales.orders;
create or replace view old.t as select * from sales.orders;
optimize sales.orders;
grant select on table sales.orders to x;
alter table sales.orders rename to sales.items
",
        )],
        expect![[r#"
            -- Databricks notebook source
            CREATE WIDGET TEXT catalog DEFAULT 'prod';

            -- COMMAND ----------
            select * from IDENTIFIER(:catalog || '.sales.orders') o join IDENTIFIER(:catalog || '.Sales.`Items`') as i on o.id = sales.items.id -- sales.orders

            -- COMMAND ----------

            insert into IDENTIFIER(:catalog || '.fresh.t2') select * from IDENTIFIER(:catalog || '.misc.loose');
            merge into IDENTIFIER(:catalog || '.sales.orders') t using IDENTIFIER(:catalog || '.sales.items') s on t.id = s.id when matched then delete;
            use IDENTIFIER(:catalog || '.sales');
            select * from IDENTIFIER(:catalog || '.sales.orders') version as of 3;
            create table if not exists IDENTIFIER(:catalog || '.sales.items') as select * from IDENTIFIER(:catalog || '.sales.orders');
            create or replace view IDENTIFIER(:catalog || '.fresh.t2') as select * from prod.sales.orders;
            optimize prod.sales.orders;
            grant select on table prod.sales.orders to x;
            alter table IDENTIFIER(:catalog || '.sales.orders') rename to prod.sales.items
            ? 11:47 the catalog stays written out: a parameter may not stand in the body of a view or function
            ? 12:10 the catalog stays written out: `IDENTIFIER` may not stand in this statement
            ? 13:23 the catalog stays written out: `IDENTIFIER` may not stand in this statement
            ? 14:36 the catalog stays written out: `IDENTIFIER` may not stand in this statement
        "#]],
    );
}

#[test]
fn python_notebook_with_other_cells() {
    check(
        &[(
            "a.py",
            "# Databricks notebook source
df = spark.table('sales.orders')
spark.sql(f\"select * from sales.items where d = '{day}'\")
db = 'sales'
spark.sql(f'select * from {db}.orders join sales.items i on sales.items.id = 1')
spark.sql('select {} from sales.orders'.format(x))
spark.sql('select * '
          'from sales.orders')
df.write.saveAsTable(r'old.t')
spark.catalog.refreshTable(u'sales.items')

# COMMAND ----------

# MAGIC %sql
# MAGIC select * from sales.orders

# COMMAND ----------

# MAGIC %scala
# MAGIC val x = spark.table(\"sales.orders\")
# MAGIC val y = spark.sql(s\"select * from sales.orders where d = $x\")

# COMMAND ----------

# MAGIC %r
# MAGIC x <- tableToDF(\"sales.orders\")
",
        )],
        expect![[r##"
            # Databricks notebook source
            dbutils.widgets.text("catalog", "prod")
            catalog = dbutils.widgets.get("catalog")

            # COMMAND ----------
            df = spark.table(f'{catalog}.sales.orders')
            spark.sql(f"select * from {catalog}.sales.items where d = '{day}'")
            db = 'sales'
            spark.sql(f'select * from {catalog}.{db}.orders join {catalog}.sales.items i on {catalog}.sales.items.id = 1')
            spark.sql('select {} from prod.sales.orders'.format(x))
            spark.sql('select * '
                      f'from {catalog}.sales.orders')
            df.write.saveAsTable(fr'{catalog}.fresh.t2')
            spark.catalog.refreshTable(u'prod.sales.items')

            # COMMAND ----------

            # MAGIC %sql
            # MAGIC select * from IDENTIFIER(:catalog || '.sales.orders')

            # COMMAND ----------

            # MAGIC %scala
            # MAGIC val catalog = dbutils.widgets.get("catalog"); val x = spark.table(s"${catalog}.sales.orders")
            # MAGIC val y = spark.sql(s"select * from ${catalog}.sales.orders where d = $x")

            # COMMAND ----------

            # MAGIC %r
            # MAGIC catalog <- dbutils.widgets.get("catalog"); x <- tableToDF(paste0("", catalog, ".sales.orders"))
            ? 6:27 the catalog stays written out: braces of the text would be read by an f-string
            ? 10:30 the catalog stays written out: a text that begins with `u` cannot be an f-string
        "##]],
    );
}

#[test]
fn scala_notebook() {
    check(
        &[(
            "a.scala",
            "// Databricks notebook source
val q = \"\"\"select *
  |from sales.orders\"\"\".stripMargin
spark.sql(q)
spark.sql(\"select * from old.t where a = '$1'\")
spark.sql(\"select '\\n' from sales.items\")
df.write.saveAsTable(\"old.t\")
",
        )],
        expect![[r#"
            // Databricks notebook source
            dbutils.widgets.text("catalog", "prod")
            val catalog = dbutils.widgets.get("catalog")

            // COMMAND ----------
            val q = s"""select *
              |from ${catalog}.sales.orders""".stripMargin
            spark.sql(q)
            spark.sql("select * from prod.fresh.t2 where a = '$1'")
            spark.sql("select '\n' from prod.sales.items")
            df.write.saveAsTable(s"${catalog}.fresh.t2")
            ? 5:26 the catalog stays written out: dollars of the text would be read by an interpolator
            ? 6:29 the catalog stays written out: backslashes of the text would be read by an interpolator
        "#]],
    );
}

#[test]
fn r_notebook() {
    check(
        &[(
            "a.r",
            "# Databricks notebook source
library(SparkR)
a <- sql(\"select * from sales.orders join old.t\")
b <- tableToDF('sales.items')
",
        )],
        expect![[r##"
            # Databricks notebook source
            dbutils.widgets.text("catalog", "prod")
            catalog <- dbutils.widgets.get("catalog")

            # COMMAND ----------
            library(SparkR)
            a <- sql(paste0("select * from ", catalog, ".sales.orders join ", catalog, ".fresh.t2"))
            b <- tableToDF(paste0('', catalog, '.sales.items'))
        "##]],
    );
}

#[test]
fn jupyter_notebook() {
    check(
        &[(
            "a.ipynb",
            r#"{"cells": [{"cell_type": "code", "metadata": {}, "outputs": [], "source": ["import x\n", "spark.table(\"sales.orders\")"]},
{"cell_type": "code", "metadata": {}, "outputs": [], "source": ["%sql\n", "select * from old.t"]}],
"metadata": {"language_info": {"name": "python"}}, "nbformat": 4, "nbformat_minor": 2}
"#,
        )],
        expect![[r#"
            {"cells": [{"cell_type": "code", "metadata": {}, "outputs": [], "source": ["dbutils.widgets.text(\"catalog\", \"prod\"); catalog = dbutils.widgets.get(\"catalog\"); import x\n", "spark.table(f\"{catalog}.sales.orders\")"]},
            {"cell_type": "code", "metadata": {}, "outputs": [], "source": ["%sql\n", "select * from IDENTIFIER(:catalog || '.fresh.t2')"]}],
            "metadata": {"language_info": {"name": "python"}}, "nbformat": 4, "nbformat_minor": 2}
        "#]],
    );
}

#[test]
fn pipelines() {
    let pipeline = r#"{"name": "p", "properties": {"activities": [
{"name": "a", "type": "Lookup", "typeProperties": {"source": {"type": "AzureDatabricksDeltaLakeSource", "query": "select \"a\" from sales.orders; optimize old.t"}}},
{"name": "b", "type": "Lookup", "typeProperties": {"source": {"type": "AzureDatabricksDeltaLakeSource", "query": {"value": "select * from sales.items where d = '@{pipeline().RunId}'", "type": "Expression"}}}},
{"name": "c", "type": "Lookup", "typeProperties": {"source": {"type": "AzureDatabricksDeltaLakeSource", "query": {"value": "@concat('select * from sales.items where d = ', pipeline().RunId)", "type": "Expression"}}}}]}}
"#;
    let factory = r#"{"name": "f", "properties": {"globalParameters": {"catalog": {"type": "string", "value": "prod"}}}}
"#;
    check(
        &[("factory/f.json", factory), ("pipeline/p.json", pipeline)],
        expect![[r#"
            == factory/f.json
            {"name": "f", "properties": {"globalParameters": {"catalog": {"type": "string", "value": "prod"}}}}
            == pipeline/p.json
            {"name": "p", "properties": {"activities": [
            {"name": "a", "type": "Lookup", "typeProperties": {"source": {"type": "AzureDatabricksDeltaLakeSource", "query": "select \"a\" from @{pipeline().globalParameters.catalog}.sales.orders; optimize @{pipeline().globalParameters.catalog}.fresh.t2"}}},
            {"name": "b", "type": "Lookup", "typeProperties": {"source": {"type": "AzureDatabricksDeltaLakeSource", "query": {"value": "select * from @{pipeline().globalParameters.catalog}.sales.items where d = '@{pipeline().RunId}'", "type": "Expression"}}}},
            {"name": "c", "type": "Lookup", "typeProperties": {"source": {"type": "AzureDatabricksDeltaLakeSource", "query": {"value": "@concat('select * from prod.sales.items where d = ', pipeline().RunId)", "type": "Expression"}}}}]}}
            ? 4:148 the catalog stays written out: the text is an argument in an expression
        "#]],
    );
    check(
        &[("pipeline/p.json", pipeline)],
        expect![[r#"
        {"name": "p", "properties": {"activities": [
        {"name": "a", "type": "Lookup", "typeProperties": {"source": {"type": "AzureDatabricksDeltaLakeSource", "query": "select \"a\" from prod.sales.orders; optimize prod.fresh.t2"}}},
        {"name": "b", "type": "Lookup", "typeProperties": {"source": {"type": "AzureDatabricksDeltaLakeSource", "query": {"value": "select * from prod.sales.items where d = '@{pipeline().RunId}'", "type": "Expression"}}}},
        {"name": "c", "type": "Lookup", "typeProperties": {"source": {"type": "AzureDatabricksDeltaLakeSource", "query": {"value": "@concat('select * from prod.sales.items where d = ', pipeline().RunId)", "type": "Expression"}}}}]}}
        ? 2:133 the catalog stays written out: the factory has no global parameter `catalog`
        ? 2:156 the catalog stays written out: the factory has no global parameter `catalog`
        ? 3:139 the catalog stays written out: the factory has no global parameter `catalog`
        ? 4:148 the catalog stays written out: the factory has no global parameter `catalog`
    "#]],
    );
}

#[test]
fn files_and_taken_names() {
    check(
        &[
            ("a.sql", "select * from sales.orders;\n"),
            ("b.py", "spark.table('sales.orders')\n"),
            (
                "c.py",
                "# Databricks notebook source\ncatalog = read()\nspark.table('sales.orders')\n",
            ),
            (
                "d.py",
                "# Databricks notebook source\nimport dlt\nspark.table('sales.orders')\n",
            ),
            (
                "e.py",
                "# Databricks notebook source\ndbutils.widgets.removeAll()\nspark.table('sales.orders')\n",
            ),
        ],
        expect![[r#"
            == a.sql
            select * from IDENTIFIER(:catalog || '.sales.orders');
            == b.py
            spark.table('prod.sales.orders')
            ? 1:14 the catalog stays written out: a plain file has no widgets
            == c.py
            # Databricks notebook source
            catalog = read()
            spark.table('prod.sales.orders')
            ? 3:14 the catalog stays written out: `catalog` is used for something else here; give the parameter another name
            == d.py
            # Databricks notebook source
            import dlt
            spark.table('prod.sales.orders')
            ? 3:14 the catalog stays written out: a declarative pipeline has no widgets; its catalog is a setting of the pipeline
            == e.py
            # Databricks notebook source
            dbutils.widgets.removeAll()
            spark.table('prod.sales.orders')
            ? 3:14 the catalog stays written out: the notebook removes its widgets
        "#]],
    );
}

#[test]
fn rules_and_several_catalogs() {
    let mapping = of_pairs(&[
        ("sales.orders", "prod.sales.orders"),
        ("people.emp", "prod-eu.people.emp"),
    ]);
    let rules = "path,style,catalog,parameter,default\nnotebooks/,parameter,,,\nnotebooks/x.py,,prod,env_catalog,dev\nnotebooks/lit/*,literal,,,\n";
    let mut styles = Styles::default();
    let document = Document::with_columns("rules.csv", rules.as_bytes(), &COLUMNS).expect("rules");
    styles.add_rules(&document).expect("no mistakes");
    let sql = "-- Databricks notebook source\nselect * from sales.orders, people.emp\n";
    let python =
        "# Databricks notebook source\nspark.sql('select * from sales.orders, people.emp')\n";
    let shown = moved_with(
        &styles,
        &mapping,
        &[
            ("notebooks/a.sql", sql),
            ("notebooks/lit/b.sql", sql),
            ("notebooks/x.py", python),
            ("other/c.py", python),
        ],
    );
    expect![[r#"
        == notebooks/a.sql
        -- Databricks notebook source
        CREATE WIDGET TEXT catalog_prod DEFAULT 'prod';
        CREATE WIDGET TEXT catalog_prod_eu DEFAULT 'prod-eu';

        -- COMMAND ----------
        select * from IDENTIFIER(:catalog_prod || '.sales.orders'), IDENTIFIER('`' || :catalog_prod_eu || '`.people.emp')
        == notebooks/lit/b.sql
        -- Databricks notebook source
        select * from prod.sales.orders, `prod-eu`.people.emp
        == notebooks/x.py
        # Databricks notebook source
        dbutils.widgets.text("env_catalog", "dev")
        env_catalog = dbutils.widgets.get("env_catalog")
        dbutils.widgets.text("catalog_prod_eu", "prod-eu")
        catalog_prod_eu = dbutils.widgets.get("catalog_prod_eu")

        # COMMAND ----------
        spark.sql(f'select * from {env_catalog}.sales.orders, `{catalog_prod_eu}`.people.emp')
        == other/c.py
        # Databricks notebook source
        spark.sql('select * from prod.sales.orders, `prod-eu`.people.emp')
    "#]].assert_eq(&shown);
    let wrong = "path,style,catalog,parameter,default\na,parametr,,,\n,,,def,\n,,,,\n,,,,x'y\n";
    let document = Document::with_columns("rules.csv", wrong.as_bytes(), &COLUMNS).expect("rules");
    let mistakes = Styles::default()
        .add_rules(&document)
        .expect_err("mistakes");
    expect![[r#"
        row 2: `parametr` is no style; there are literal, use_catalog and parameter
        row 3: `def` cannot be the name of a variable
        row 5: `x'y` cannot be a catalog"#]]
    .assert_eq(&mistakes.join("\n"));
}

#[test]
fn only_what_belongs_together_is_licensed() {
    let before = "# Databricks notebook source\nspark.sql('select * from sales.orders join sales.items')\nspark.table('old.t')\n";
    let top = "dbutils.widgets.text(\"catalog\", \"prod\")\ncatalog = dbutils.widgets.get(\"catalog\")\n\n# COMMAND ----------\n";
    let first = "# Databricks notebook source\n";
    let rest = |one: &str, two: &str| format!("spark.sql({one})\nspark.table({two})\n");
    let names = "'select * from sales.orders join sales.items'";
    let cases = [
        format!(
            "{first}{top}{}",
            rest(
                "f'select * from {catalog}.sales.orders join {catalog}.sales.items'",
                "f'{catalog}.fresh.t2'"
            )
        ),
        format!(
            "{first}{top}{}",
            rest(
                "f'select * from {catalog}.sales.orders join prod.sales.items'",
                "'prod.fresh.t2'"
            )
        ),
        format!("{first}{top}{}", rest(names, "'old.t'")),
        format!("{first}{}", rest(names, "f'{catalog}.fresh.t2'")),
        format!("{first}{top}{}", rest(names, "'{catalog}.fresh.t2'")),
        format!(
            "{first}{top}{}",
            rest(&format!("f{names}"), "f'{catalog}.fresh.t2'")
        ),
        format!("{first}{top}{}", rest(names, "f'{catalog}.sales.t2'")),
        format!(
            "{first}{}{}",
            top.replace("prod", "dev"),
            rest(names, "f'{catalog}.fresh.t2'")
        ),
        format!("{first}{}", rest(names, "'prod.fresh.t2'")),
    ];
    let mapping = mapping();
    let b = InMemory::new([("a.py", before.as_bytes())]);
    let mut shown = String::new();
    for after in cases {
        let a = InMemory::new([("a.py", after.as_bytes())]);
        for judged in [
            verify_in(&b, &a, &mapping, &Styles::all(Style::Parameter), 1),
            verify(&b, &a, &mapping, 1),
        ] {
            let told = match &judged[0].outcome {
                Outcome::Unlicensed(change) => format!("no: {}", change.what),
                Outcome::Licensed { changes } => format!("yes, {changes}"),
                other => format!("{other:?}"),
            };
            write!(shown, "{told} | ").expect("memory");
        }
        shown.push('\n');
    }
    expect![[r#"
        yes, 3 | no: `spark.sql('select * from sales.orders join sales.items')` | 
        yes, 3 | no: `spark.sql('select * from sales.orders join sales.items')` | 
        no: `dbutils.widgets.text("catalog", "prod")` was put in, and no name needs it | no: `spark.sql('select * from sales.orders join sales.items')` | 
        no: a name takes its catalog from a parameter, and `dbutils.widgets.text("catalog", "prod")` is missing | no: `'old.t')` | 
        no: a name takes its catalog from a parameter, and `f` is missing | no: `spark.sql('select * from sales.orders join sales.items')` | 
        no: `f` was put in, and no name needs it | no: `spark.sql('select * from sales.orders join sales.items')` | 
        no: `old.t` became a name that the mapping does not say | no: `spark.sql('select * from sales.orders join sales.items')` | 
        no: what stands here in front of the old text is not what a parameter needs | no: `spark.sql('select * from sales.orders join sales.items')` | 
        yes, 1 | yes, 1 | 
    "#]].assert_eq(&shown);
}

#[test]
fn comments_only_if_asked() {
    let files = [
        (
            "a.py",
            "# Databricks notebook source\n# sales.orders, hive_metastore.sales.orders, /x/sales.orders, `sales`.`items`, sales.nothing\nspark.table('sales.orders')\n# MAGIC %md about sales.items.\n",
        ),
        (
            "b.sql",
            "select /*+ broadcast(sales.orders) */ 1 from sales.orders /* sales.items */\n",
        ),
    ];
    let mapping = mapping();
    let mut options = Options::default();
    let before = InMemory::new(files.iter().map(|(path, text)| (*path, text.as_bytes())));
    let mut shown = String::new();
    for comments in [false, true] {
        options.comments = comments;
        let found = scan(&before, &mapping, &options, 1);
        let mut after = Vec::new();
        for (report, (path, text)) in found.assets.iter().zip(&files) {
            let decoded = asset::decode(path, text.as_bytes()).expect("text");
            let (bytes, _) = proof::edited(report, text.as_bytes(), &decoded, &mapping)
                .expect("edits that can be taken back");
            shown.push_str(&String::from_utf8_lossy(&bytes));
            after.push((*path, bytes));
        }
        let then = InMemory::new(after.iter().map(|(path, bytes)| (*path, bytes.as_slice())));
        for judged in verify(&before, &then, &mapping, 1) {
            assert!(judged.outcome.is_licensed(), "{judged:?}");
        }
        for report in scan(&then, &mapping, &options, 1).assets {
            assert_eq!(report.edits(), vec![]);
        }
    }
    expect![[r#"
        # Databricks notebook source
        # sales.orders, hive_metastore.sales.orders, /x/sales.orders, `sales`.`items`, sales.nothing
        spark.table('prod.sales.orders')
        # MAGIC %md about sales.items.
        select /*+ broadcast(prod.sales.orders) */ 1 from prod.sales.orders /* sales.items */
        # Databricks notebook source
        # prod.sales.orders, hive_metastore.sales.orders, /x/sales.orders, `sales`.`items`, sales.nothing
        spark.table('prod.sales.orders')
        # MAGIC %md about prod.sales.items.
        select /*+ broadcast(prod.sales.orders) */ 1 from prod.sales.orders /* prod.sales.items */
    "#]].assert_eq(&shown);
}

/// Scripts, statements in variables and names in hints, in two styles: licensed, proven, and done once.
#[test]
fn scripts_and_hints() {
    let files = [(
        "a.sql",
        "-- Databricks notebook source
begin
  declare q string default 'delete from sales.orders';
  if (select count(*) from sales.items) > 0 then use sales; else select /*+ broadcast(sales.orders, i) */ 1 from sales.orders join sales.items i; end if;
  execute immediate q;
  for r as select * from sales.orders do insert into old.t select r.id; end for;
end;
select /*+ merge(t), mapjoin(old.t) */ t.x from old.t join sales.orders;
",
    )];
    let shown = [Style::Literal, Style::Parameter]
        .map(|style| moved_with(&Styles::all(style), &mapping(), &files));
    expect![[r#"
        -- Databricks notebook source
        begin
          declare q string default 'delete from prod.sales.orders';
          if (select count(*) from prod.sales.items) > 0 then use prod.sales; else select /*+ broadcast(prod.sales.orders, i) */ 1 from prod.sales.orders join prod.sales.items i; end if;
          execute immediate q;
          for r as select * from prod.sales.orders do insert into prod.fresh.t2 select r.id; end for;
        end;
        select /*+ merge(t2), mapjoin(prod.fresh.t2) */ t2.x from prod.fresh.t2 join prod.sales.orders;
        --
        -- Databricks notebook source
        CREATE WIDGET TEXT catalog DEFAULT 'prod';

        -- COMMAND ----------
        begin
          declare q string default 'delete from prod.sales.orders';
          if (select count(*) from IDENTIFIER(:catalog || '.sales.items')) > 0 then use IDENTIFIER(:catalog || '.sales'); else select /*+ broadcast(sales.orders, i) */ 1 from IDENTIFIER(:catalog || '.sales.orders') join IDENTIFIER(:catalog || '.sales.items') i; end if;
          execute immediate q;
          for r as select * from IDENTIFIER(:catalog || '.sales.orders') do insert into IDENTIFIER(:catalog || '.fresh.t2') select r.id; end for;
        end;
        select /*+ merge(t2), mapjoin(fresh.t2) */ t2.x from IDENTIFIER(:catalog || '.fresh.t2') join IDENTIFIER(:catalog || '.sales.orders');
        ? 3:41 the catalog stays written out: a SQL string takes no parameter
        ? 8:18 the catalog stays written out: no parameter stands for this catalog alone
        ? 8:40 the catalog stays written out: no parameter stands for this catalog alone
    "#]].assert_eq(&shown.join("--\n"));
}
