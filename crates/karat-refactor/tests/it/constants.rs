//! Texts that fill a part of names: a schema in a constant, whole names in a notebook that others `%run`, and what speaks against a change.

use expect_test::{Expect, expect};

use crate::show::{scanned, show_with};
use crate::soak::{Case, properties};
use karat_refactor::estate::InMemory;
use karat_refactor::mapping::read::of_pairs;
use karat_refactor::style::Style;
use karat_refactor::verify::{Outcome, verify};

/// `sales` keeps its name, `old` gets another one, `mixed` goes to two schemas, `cases.t` is renamed too.
const PAIRS: &[(&str, &str)] = &[
    ("sales.orders", "prod.sales.orders"),
    ("sales.items", "prod.sales.items"),
    ("old.t", "prod.fresh.t"),
    ("old.u", "prod.fresh.u"),
    ("mixed.a", "prod.one.a"),
    ("mixed.b", "prod.two.b"),
    ("cases.t", "prod.people.t2"),
    ("people.emp", "prod-eu.people.emp"),
    ("/mnt/raw", "/Volumes/prod/raw"),
];

/// Verdicts and changed lines; what is changed is proven in every style: `verify` and the proof license it, it can be taken back, and a
/// second apply does nothing.
fn files(files: &[(&str, &str)], expect: Expect) {
    expect.assert_eq(&show_with(files, &of_pairs(PAIRS)));
    let mut csv =
        "old_database,old_table,new_catalog,new_schema,new_table,old_path,new_path\n".to_owned();
    for (old, new) in PAIRS {
        let row = match (old.split_once('.'), new.splitn(3, '.').collect::<Vec<_>>()) {
            (Some((database, table)), new) if new.len() == 3 => {
                format!("{database},{table},{},,\n", new.join(","))
            }
            _ => format!(",,,,,{old},{new}\n"),
        };
        csv.push_str(&row);
    }
    for style in [Style::Literal, Style::UseCatalog, Style::Parameter] {
        let case = Case {
            files: files
                .iter()
                .map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec()))
                .collect(),
            mapping: ("mapping.csv".to_owned(), csv.clone().into_bytes()),
            style,
            dice: 1,
        };
        assert_eq!(properties(&case).err(), None, "{style:?}");
    }
}

fn python(text: &str, expect: Expect) {
    files(&[("nb.py", text)], expect);
}

fn notebook(cells: &[&str]) -> String {
    format!(
        "# Databricks notebook source\n{}\n",
        cells.join("\n\n# COMMAND ----------\n\n")
    )
}

#[test]
fn a_schema_in_a_constant_changes_there_if_it_makes_names_only() {
    python(
        r#"DB = "sales"
spark.table(DB + ".orders")
spark.sql(f"select * from {DB}.items")
spark.table("{}.orders".format(DB))
spark.table("%s.items" % DB)
spark.sql("select * from " + DB + ".orders o join " + DB + ".items i on o.id = i.id")
"#,
        expect![[r#"
            1:7 sales -> prod.sales
            2:13 sales.orders -> prod.sales.orders
            3:27 sales.items -> prod.sales.items
            4:14 sales.orders -> prod.sales.orders
            5:14 sales.items -> prod.sales.items
            6:26 sales.orders -> prod.sales.orders
            6:51 sales.items -> prod.sales.items
            | DB = "prod.sales"
        "#]],
    );
    python(
        r#"OLD = 'old'
spark.sql(f"select * from {OLD}.t where t.a = 1")
spark.table(OLD + ".t")
spark.table("{0}.t".format(OLD))
spark.table("%s.t" % OLD)
for name in ["t", "u"]:
    spark.table(f"{OLD}.{name}")
spark.sql(f"use {OLD}")
spark.table("t")
"#,
        expect![[r#"
            1:8 old -> prod.fresh
            2:27 old.t -> prod.fresh.t
            3:13 old.t -> prod.fresh.t
            4:14 old.t -> prod.fresh.t
            5:14 old.t -> prod.fresh.t
            7:19 old.????? -> prod.fresh.*
            8:17 old -> prod.fresh
            9:14 t -> prod.fresh.t
            | OLD = 'prod.fresh'
            | spark.table("prod.fresh.t")
        "#]],
    );
    // A name by itself, and in front of a column.
    python(
        r#"DB = "old"
spark.catalog.setCurrentDatabase(DB)
spark.sql(f"select {DB}.t.a from {DB}.t")
def full(name):
    return f"{DB}.{name}"
spark.table(full("t"))
if DB == None: pass
"#,
        expect![[r#"
            1:7 old -> prod.fresh
            3:20 old.t -> prod.fresh.t
            3:34 old.t -> prod.fresh.t
            5:14 old.????? -> prod.fresh.*
            2:1 Note refused/catalog-interface: `spark.catalog.setCurrentDatabase` needs runtime 14.3 LTS on shared clusters
            4:1 Warning shape/name-helper: a name is put together from a database and a table; it has no catalog
            | DB = "prod.fresh"
        "#]],
    );
    // Where every name takes the catalog by itself, nothing changes in the constant.
    python(
        "DB = 'sales'\nspark.sql(f'select * from {DB}.items')\nspark.table('%s.items' % DB)\nprint(DB)\n",
        expect![[r#"
            1:7 sales not a table: part of names that are judged where they are put together
            2:27 sales.items -> prod.sales.items
            3:14 sales.items -> prod.sales.items
            | spark.sql(f'select * from prod.{DB}.items')
            | spark.table('prod.%s.items' % DB)
        "#]],
    );
}

#[test]
fn either_of_two_constants() {
    python(
        r#"db = "old" if env == "dev" else "sales"
spark.table(db + "." + name)
"#,
        expect![[r#"
            1:7 old -> prod.fresh
            1:34 sales -> prod.sales
            2:13 ?????.????? -> prod.*
            | db = "prod.fresh" if env == "dev" else "prod.sales"
        "#]],
    );
    python(
        r#"A = "old"
B = "sales"
for db in [A, B]:
    spark.sql(f"show tables in {db}")
"#,
        expect![[r#"
            1:6 old -> prod.fresh
            2:6 sales -> prod.sales
            4:32 ????? -> prod.*
            4:5 Warning shape/show-statements: the answer of `SHOW TABLES` has other columns and names in Unity Catalog
            | A = "prod.fresh"
            | B = "prod.sales"
        "#]],
    );
}

#[test]
fn redefined_and_shadowed() {
    python(
        r#"db = "old"
spark.table(db + ".t")
db = "sales"
spark.table(db + ".orders")
def f():
    db = "mixed"
    return spark.table(db + ".a")
f()
spark.table(db + ".items")
"#,
        expect![[r#"
            1:7 old -> prod.fresh
            2:13 old.t -> prod.fresh.t
            3:7 sales -> prod.sales
            4:13 sales.orders -> prod.sales.orders
            6:11 mixed -> prod.one
            7:24 mixed.a -> prod.one.a
            9:13 sales.items -> prod.sales.items
            | db = "prod.fresh"
            | db = "prod.sales"
            |     db = "prod.one"
        "#]],
    );
}

#[test]
fn a_table_that_is_renamed_too() {
    python(
        r#"C = "cases"
T = "t"
spark.table(f"{C}.t")
spark.sql(f"select * from {C}.{T}")
"#,
        expect![[r#"
            1:6 cases -> prod.people
            2:6 t -> t2
            3:15 cases.t -> prod.people.t2
            4:27 cases.t -> prod.people.t2
            | C = "prod.people"
            | T = "t2"
            | spark.table(f"{C}.t2")
        "#]],
    );
}

#[test]
fn what_speaks_against_a_change() {
    for (used, expect) in [
        (
            "spark.read.parquet('/mnt/lake/' + OLD + '/x')",
            expect![[r#"
                1:8 old ?  name/used-otherwise prod.fresh
                2:15 old.t ?  name/several-values prod.fresh.t
                3:21 Warning refused/dbfs-paths: `/mnt/lake/`: mounts know no rights of Unity Catalog; use a volume or an external location
            "#]],
        ),
        (
            "spark.sql(f\"select * from sales.orders where s in ('{OLD}')\")",
            expect![[r#"
                1:8 old ?  name/used-otherwise prod.fresh
                2:15 old.t ?  name/several-values prod.fresh.t
                3:27 sales.orders -> prod.sales.orders
                | spark.sql(f"select * from prod.sales.orders where s in ('{OLD}')")
            "#]],
        ),
        (
            "OLD.split('_')",
            expect![[r#"
            1:8 old ?  name/used-otherwise prod.fresh
            2:15 old.t ?  name/several-values prod.fresh.t
            3:1 OLD.split not a table: code
        "#]],
        ),
        (
            "eval(code)",
            expect![[r#"
            1:8 old ?  name/used-otherwise prod.fresh
            2:15 old.t ?  name/several-values prod.fresh.t
            3:1 Warning shape/run-code: `eval` runs code that no tool can follow
        "#]],
        ),
        (
            "spark.table(f'hive_metastore.{OLD}.t')",
            expect![[r#"
            1:8 old ?  name/used-otherwise prod.fresh
            2:15 old.t ?  name/several-values prod.fresh.t
            3:15 hive_metastore.old.t ?  name/several-values prod.fresh.t
        "#]],
        ),
        (
            "spark.table(f'`{OLD}`.t')",
            expect![[r#"
            1:8 old ?  name/used-otherwise prod.fresh
            2:15 old.t ?  name/several-values prod.fresh.t
            3:15 `old`.t ?  name/several-values prod.fresh.t
        "#]],
        ),
        (
            "spark.table(f'{OLD}.not_mapped')",
            expect![[r#"
            1:8 old ?  name/used-otherwise prod.fresh
            2:15 old.t ?  name/several-values prod.fresh.t
            3:15 old.not_mapped ?  name/not-mapped
        "#]],
        ),
        (
            "spark.table(f'{OLD}_x.t')",
            expect![[r#"
            1:8 old ?  name/used-otherwise prod.fresh
            2:15 old.t ?  name/several-values prod.fresh.t
            3:15 old_x.t ?  name/not-mapped
        "#]],
        ),
        (
            "spark.catalog.tableExists('t', OLD)",
            expect![[r#"
            1:8 old ?  name/used-otherwise prod.fresh
            2:15 old.t ?  name/several-values prod.fresh.t
            3:27 't', OLD ?  shape/database-apart prod.fresh.t
            3:1 Note refused/catalog-interface: `spark.catalog.tableExists` needs runtime 14.3 LTS on shared clusters
        "#]],
        ),
        (
            "spark.sql(f'select {OLD}.a from sales.orders as old')",
            expect![[r#"
                1:8 old ?  name/used-otherwise prod.fresh
                2:15 old.t ?  name/several-values prod.fresh.t
                3:20 old.a not a table: column behind an alias
                3:33 sales.orders -> prod.sales.orders
                | spark.sql(f'select {OLD}.a from prod.sales.orders as old')
            "#]],
        ),
        (
            "def g(db): return spark.table(db + '.t')\ng(OLD)",
            expect![[r#"
                1:8 old ?  name/used-otherwise prod.fresh
                2:15 old.t ?  name/several-values prod.fresh.t
                3:31 ?????.t ?  name/unresolved prod.fresh.t prod.people.t2
            "#]],
        ),
        (
            "for i in range(3):\n    spark.table(OLD + '.t')\n    OLD = OLD + '_x'",
            expect![[r#"
                1:8 old ?  name/used-otherwise prod.fresh
                2:15 old.t ?  name/several-values prod.fresh.t
                4:17 ?????.t ?  name/unresolved prod.fresh.t prod.people.t2
            "#]],
        ),
        (
            "spark.sql(f\"create table sales.orders location '/mnt/raw/{OLD}'\")",
            expect![[r#"
                1:8 old ?  name/used-otherwise prod.fresh
                2:15 old.t ?  name/several-values prod.fresh.t
                3:26 sales.orders -> prod.sales.orders
                3:49 /mnt/raw/old ?  refused/location-in-volume
                3:49 Warning refused/dbfs-paths: `/mnt/raw/old`: mounts know no rights of Unity Catalog; use a volume or an external location
                | spark.sql(f"create table prod.sales.orders location '/mnt/raw/{OLD}'")
            "#]],
        ),
        (
            "x = f'{OLD!r}.t'\nspark.table(x)",
            expect![[r#"
            1:8 old ?  name/used-otherwise prod.fresh
            2:15 old.t ?  name/several-values prod.fresh.t
            3:7 ?????.t ?  name/unresolved prod.people.t2 prod.fresh.t
        "#]],
        ),
    ] {
        used_beside_a_name(used, expect);
    }
    for used in [
        "print(OLD)",
        "if OLD == x: pass",
        "spark.read.format('jdbc').option('dbtable', OLD + '.t').load()",
        "spark.conf.set('db', OLD)",
        "dbutils.notebook.run('x', 0, {'db': OLD})",
        "unknown(OLD)",
        "self.db = OLD",
        "df.createOrReplaceTempView(OLD)",
        "x = {OLD: 1}\nx['old']",
        "spark.udf.register('f', lambda x: OLD)",
        "def g():\n    yield OLD",
        "match OLD:\n    case 'old': pass",
        "spark.sql('select from",
    ] {
        used_beside_a_name(
            used,
            expect![[r#"
                1:8 old ?  name/used-otherwise prod.fresh
                2:15 old.t ?  name/several-values prod.fresh.t
            "#]],
        );
    }
}

/// A constant that makes a name, with something else done to it.
fn used_beside_a_name(used: &str, expect: Expect) {
    python(
        &format!("OLD = \"old\"\nspark.table(f\"{{OLD}}.t\")\n{used}\n"),
        expect,
    );
}

#[test]
fn two_schemas_of_one_constant() {
    python(
        "M = 'mixed'\nspark.table(M + '.a')\nspark.table(M + '.b')\n",
        expect![[r#"
            1:6 mixed ?  name/used-otherwise prod.one prod.two
            2:13 mixed.a ?  name/several-values prod.one.a
            3:13 mixed.b ?  name/several-values prod.two.b
        "#]],
    );
    // One of its schemas is enough where nothing of the other is used.
    python(
        "M = 'mixed'\nspark.table(M + '.a')\n",
        expect![[r#"
        1:6 mixed -> prod.one
        2:13 mixed.a -> prod.one.a
        | M = 'prod.one'
    "#]],
    );
    python(
        "M = 'mixed'\nspark.table(M + '.a')\nspark.table(f'{M}.{t}')\n",
        expect![[r#"
            1:6 mixed ?  name/used-otherwise prod.one
            2:13 mixed.a ?  name/several-values prod.one.a
            3:15 mixed.????? ?  name/unresolved prod.one.a prod.two.b
        "#]],
    );
}

#[test]
fn constants_of_scala_and_r() {
    files(
        &[(
            "a.scala",
            "// Databricks notebook source\nval db = \"old\"\nspark.table(s\"$db.t\")\nspark.table(db + \".t\")\n\
             spark.sql(\"select * from %s.u\".format(db))\n",
        )],
        expect![[r#"
            2:11 old -> prod.fresh
            3:15 old.t -> prod.fresh.t
            4:13 old.t -> prod.fresh.t
            5:26 old.u -> prod.fresh.u
            | val db = "prod.fresh"
        "#]],
    );
    files(
        &[(
            "b.r",
            "# Databricks notebook source\ndb <- \"old\"\nSparkR::tableToDF(paste0(db, \".t\"))\n\
             SparkR::sql(sprintf(\"select * from %s.u\", db))\nSparkR::sql(paste(\"select * from\", paste0(db, \".t\")))\n",
        )],
        expect![[r#"
            2:8 old -> prod.fresh
            3:26 old.t -> prod.fresh.t
            4:36 old.u -> prod.fresh.u
            5:43 old.t -> prod.fresh.t
            | db <- "prod.fresh"
        "#]],
    );
}

#[test]
fn constants_of_a_notebook_that_others_run() {
    let config = notebook(&[
        "DB = \"old\"\nORDERS = \"sales.orders\"\nITEMS = DB + \".t\"\nUNUSED = \"sales.items\"",
    ]);
    let job = notebook(&[
        "# MAGIC %run ./config",
        "spark.table(DB + \".t\")\nspark.sql(f\"select * from {ORDERS} o\")\nspark.table(ORDERS)\nspark.table(ITEMS)",
    ]);
    let through = notebook(&[
        "# MAGIC %run ./setup",
        "spark.sql(\"select * from \" + ORDERS)",
    ]);
    let setup = notebook(&["# MAGIC %run ./config", "x = 1"]);
    files(
        &[
            ("etl/config.py", &config),
            ("etl/job.py", &job),
            ("etl/setup.py", &setup),
            ("etl/through.py", &through),
        ],
        expect![[r#"
            == etl/config.py
            2:7 old -> prod.fresh
            3:11 sales.orders -> prod.sales.orders
            5:11 sales.items ?  name/not-followed
            | DB = "prod.fresh"
            | ORDERS = "prod.sales.orders"
            == etl/job.py
            6:13 old.t -> prod.fresh.t
            7:27 sales.orders -> prod.sales.orders
            8:13 sales.orders -> prod.sales.orders
            9:13 old.t -> prod.fresh.t
            == etl/setup.py
            == etl/through.py
            6:26 sales.orders -> prod.sales.orders
        "#]],
    );
}

#[test]
fn what_another_notebook_does_with_a_constant_speaks_against_it() {
    let config = notebook(&["DB = \"old\"\nORDERS = \"sales.orders\"\nspark.table(ORDERS)"]);
    let job = notebook(&[
        "# MAGIC %run ./config",
        "spark.table(DB + \".t\")\nspark.table(ORDERS)",
    ]);
    for (other, expect) in [
        (
            notebook(&["# MAGIC %run ./config", "ORDERS.split(\".\")[0]\nprint(DB)"]),
            expect![[r#"
                == config.py
                2:7 old ?  name/used-otherwise prod.fresh
                3:11 sales.orders ?  name/used-otherwise prod.sales.orders
                == job.py
                6:13 old.t ?  name/several-values prod.fresh.t
                7:13 sales.orders ?  name/scattered prod.sales.orders
                == load.py
                == other.py
                6:1 Warning shape/split-at-dots: with three parts, the first is the catalog and the second the schema
            "#]],
        ),
        // Another notebook runs among the same variables.
        (
            notebook(&["# MAGIC %run ./config", "# MAGIC %run ./load"]),
            expect![[r#"
                == config.py
                2:7 old ?  name/used-otherwise prod.fresh
                3:11 sales.orders ?  name/used-otherwise prod.sales.orders
                == job.py
                6:13 old.t ?  name/several-values prod.fresh.t
                7:13 sales.orders ?  name/scattered prod.sales.orders
                == load.py
                == other.py
            "#]],
        ),
        (
            notebook(&["# MAGIC %run ./config", "exec(code)"]),
            expect![[r#"
                == config.py
                2:7 old ?  name/used-otherwise prod.fresh
                3:11 sales.orders ?  name/used-otherwise prod.sales.orders
                == job.py
                6:13 old.t ?  name/several-values prod.fresh.t
                7:13 sales.orders ?  name/scattered prod.sales.orders
                == load.py
                == other.py
                6:1 Warning shape/run-code: `exec` runs code that no tool can follow
            "#]],
        ),
        (
            notebook(&["# MAGIC %run ./gone/config", "x = 1"]),
            expect![[r#"
                == config.py
                2:7 old ?  name/used-otherwise prod.fresh
                3:11 sales.orders ?  name/used-otherwise prod.sales.orders
                == job.py
                6:13 old.t ?  name/several-values prod.fresh.t
                7:13 sales.orders ?  name/scattered prod.sales.orders
                == load.py
                == other.py
            "#]],
        ),
        (
            notebook(&[
                "# MAGIC %run ./config",
                "spark.table(DB + \".u\")\nspark.table(f\"{DB}.{t}\")",
            ]),
            expect![[r#"
                == config.py
                2:7 old -> prod.fresh
                3:11 sales.orders -> prod.sales.orders
                | DB = "prod.fresh"
                | ORDERS = "prod.sales.orders"
                == job.py
                6:13 old.t -> prod.fresh.t
                7:13 sales.orders -> prod.sales.orders
                == load.py
                == other.py
                6:13 old.u -> prod.fresh.u
                7:15 old.????? -> prod.fresh.*
            "#]],
        ),
    ] {
        files(
            &[
                ("config.py", &config),
                ("job.py", &job),
                (
                    "load.py",
                    "# Databricks notebook source\nprint(DB, ORDERS)\n",
                ),
                ("other.py", &other),
            ],
            expect,
        );
    }
}

#[test]
fn functions_of_a_notebook_that_others_run() {
    let config = notebook(&[
        "DB = \"old\"\ndef full(name):\n    return DB + \".\" + name\ndef inner():\n    db = \"sales\"\n    return db + \".orders\"\nspark.table(inner())",
    ]);
    let job = notebook(&[
        "# MAGIC %run ./config",
        "spark.table(DB + \".t\")\nspark.table(full(\"t\"))\nprint(inner())",
    ]);
    files(
        &[("config.py", &config), ("job.py", &job)],
        expect![[r#"
        == config.py
        2:7 old ?  name/used-otherwise prod.fresh
        6:11 sales ?  name/used-otherwise prod.sales
        7:12 sales.orders ?  name/scattered prod.sales.orders
        3:1 Warning shape/name-helper: a name is put together from a database and a table; it has no catalog
        == job.py
        6:13 old.t ?  name/several-values prod.fresh.t
        7:13 old.t ?  name/several-values prod.fresh.t
    "#]],
    );
}

#[test]
fn a_plain_file_that_others_import() {
    files(
        &[
            ("settings.py", "DB = 'old'\nspark.table(DB + '.t')\n"),
            (
                "job.py",
                "from settings import DB\nspark.table(DB + '.t')\n",
            ),
            ("alone.py", "DB = 'old'\nspark.table(DB + '.t')\n"),
        ],
        expect![[r#"
            == alone.py
            1:7 old -> prod.fresh
            2:13 old.t -> prod.fresh.t
            | DB = 'prod.fresh'
            == job.py
            2:13 ?????.t ?  name/unresolved prod.people.t2 prod.fresh.t
            == settings.py
            1:7 old ?  name/used-otherwise prod.fresh
            2:13 old.t ?  name/several-values prod.fresh.t
        "#]],
    );
}

#[test]
fn edits_of_people_are_judged_with_the_constants() {
    let config = "# Databricks notebook source\nDB = 'sales'\nspark.table(DB + '.items')\n";
    let job = "# Databricks notebook source\n# MAGIC %run ./config\n\n# COMMAND ----------\n\nspark.sql(f'select * from {DB}.orders')\n";
    let mapping = of_pairs(PAIRS);
    let before = InMemory::new([("config.py", config.as_bytes()), ("job.py", job.as_bytes())]);
    assert!(
        scanned(&[("config.py", config), ("job.py", job)], &mapping)
            .counts()
            .needs_person
            == 0
    );
    let in_constant = config.replace("'sales'", "'prod.sales'");
    let in_place = job.replace("{DB}", "prod.{DB}");
    let judge = |config: &str, job: &str| -> Vec<String> {
        let after = InMemory::new([("config.py", config.as_bytes()), ("job.py", job.as_bytes())]);
        verify(&before, &after, &mapping, 1)
            .into_iter()
            .map(|judged| match judged.outcome {
                Outcome::Unlicensed(change) => format!("{}: {}", judged.path, change.what),
                _ => format!("{}: licensed", judged.path),
            })
            .collect()
    };
    let told = [
        judge(&in_constant, job),
        judge(config, &in_place),
        judge(&in_constant, &in_place),
        judge(&config.replace("'sales'", "'prod.other'"), job),
    ];
    expect![[r#"
        [
            [
                "config.py: licensed",
                "job.py: licensed",
            ],
            [
                "config.py: licensed",
                "job.py: licensed",
            ],
            [
                "config.py: licensed",
                "job.py: `sales.orders` changed, and so did a text that it is made of",
            ],
            [
                "config.py: `sales` became a name that the mapping does not say",
                "job.py: licensed",
            ],
        ]"#]]
    .assert_eq(&format!("{told:#?}"));
}
