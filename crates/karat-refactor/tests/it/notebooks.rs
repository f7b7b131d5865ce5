//! Notebooks in all their forms: cells, magic, `%run`, JSON around code.

use std::sync::atomic::{AtomicUsize, Ordering};

use expect_test::{Expect, expect};
use karat_refactor::estate::{Files, InMemory, scan};
use karat_refactor::{Doubt, Options};

use crate::show::{mapping, show};

fn check(files: &[(&str, &str)], expect: Expect) {
    expect.assert_eq(&show(files));
}

#[test]
fn the_session_goes_on_from_cell_to_cell() {
    check(
        &[(
            "nb.sql",
            "-- Databricks notebook source\nuse sales\n\n-- COMMAND ----------\n\n-- MAGIC %md\n-- MAGIC about sales.orders\n\n\
             -- COMMAND ----------\n\n-- DBTITLE 1,Read sales.orders\nselect * from orders\n\n-- COMMAND ----------\n\n\
             -- MAGIC %sql select *\n-- MAGIC   from items\n",
        )],
        expect![[r#"
            2:5 sales -> prod.sales
            7:16 sales.orders not a table: comment
            11:19 sales.orders not a table: comment
            12:15 orders -> prod.sales.orders
            17:17 items -> prod.sales.items
            1:1 Note style/use-catalog: one statement `USE CATALOG prod` would do instead of 3 edits
            | use prod.sales
            | select * from prod.sales.orders
            | -- MAGIC   from prod.sales.items
        "#]],
    );
}

#[test]
fn widgets_as_older_notebooks_write_them() {
    check(
        &[(
            "nb.sql",
            "-- Databricks notebook source\ncreate widget text db default 'sales'\n\n-- COMMAND ----------\n\n\
             select '$day', a$b.c, v$.x from $db.orders join sales.$t join $cat.sales.items where x = '$db.orders'\n",
        )],
        expect![[r#"
            2:32 sales ?  name/parameter prod.sales
            6:33 sales.orders -> prod.sales.orders
            6:49 sales.????? ?  name/beside-its-new-name prod.sales.*
            6:63 ?????.sales.items ?  name/unresolved prod.sales.items
            | select '$day', a$b.c, v$.x from prod.$db.orders join sales.$t join $cat.sales.items where x = '$db.orders'
        "#]],
    );
}

/// Exports that strip `# MAGIC` leave the blank behind it, and the notebook runs all the same.
#[test]
fn magic_whose_marks_are_gone() {
    check(
        &[(
            "nb.py",
            "# Databricks notebook source\n# DBTITLE 1,Load sales.orders\n %sql\n insert into sales.orders\n   select * from sales.items\n\n\
             # COMMAND ----------\n\n %python\n if True:\n   spark.table('sales.items')\n\n# COMMAND ----------\n\n %md about sales.orders\n\n\
             # COMMAND ----------\n\n%sql\nuse sales\n\n# COMMAND ----------\n\nx = 7\\\n %sales\nspark.table('orders')\n",
        )],
        expect![[r#"
            2:18 sales.orders not a table: comment
            4:14 sales.orders -> prod.sales.orders
            5:18 sales.items -> prod.sales.items
            11:17 sales.items -> prod.sales.items
            15:12 sales.orders not a table: comment
            20:5 sales -> prod.sales
            26:14 orders -> prod.sales.orders
            1:1 Note style/use-catalog: one statement `USE CATALOG prod` would do instead of 5 edits
            |  insert into prod.sales.orders
            |    select * from prod.sales.items
            |    spark.table('prod.sales.items')
            | use prod.sales
            | spark.table('prod.sales.orders')
        "#]],
    );
}

#[test]
fn run_sets_the_database_of_its_caller() {
    check(
        &[
            (
                "a/nb.sql",
                "-- Databricks notebook source\n-- MAGIC %run ../includes/setup\n\n-- COMMAND ----------\n\nselect * from orders\n",
            ),
            (
                "includes/setup.sql",
                "-- Databricks notebook source\nuse sales;\ncreate or replace temporary view items as select 1\n\n-- COMMAND ----------\n\n-- MAGIC %run ./setup\n",
            ),
            (
                "repo.sql",
                "-- Databricks notebook source\n-- MAGIC %run \"/Repos/me/proj/includes/setup\"\n\n-- COMMAND ----------\nselect * from items, orders\n",
            ),
        ],
        expect![[r#"
            == a/nb.sql
            6:15 orders -> prod.sales.orders
            | select * from prod.sales.orders
            == includes/setup.sql
            2:5 sales -> prod.sales
            3:34 items not a table: temporary view
            | use prod.sales;
            == repo.sql
            5:15 items not a table: temporary view
            5:22 orders -> prod.sales.orders
            | select * from items, prod.sales.orders
        "#]],
    );
}

#[test]
fn jupyter_cells_are_json_strings() {
    check(
        &[(
            "nb.ipynb",
            r#"{"cells": [
 {"cell_type": "code", "source": ["%sql\n", "select * from \"x\", sales.orders\n", "join people.emp"], "outputs": [{"text": ["sales.orders"]}]},
 {"cell_type": "markdown", "source": "about sales.orders"}
], "metadata": {"language_info": {"name": "python"}}}"#,
        )],
        expect![[r#"
            2:67 sales.orders -> prod.sales.orders
            2:90 people.emp -> `prod-eu`.people.emp
            2:127 sales.orders not a table: text that is data
            3:45 sales.orders not a table: comment
            |  {"cell_type": "code", "source": ["%sql\n", "select * from \"x\", prod.sales.orders\n", "join `prod-eu`.people.emp"], "outputs": [{"text": ["sales.orders"]}]},
        "#]],
    );
}

#[test]
fn magic_about_time_stands_in_front_of_code() {
    check(
        &[
            (
                ".ipynb_checkpoints/nb-checkpoint.ipynb",
                r#"{"cells": [{"cell_type": "code", "source": ["spark.table(\"sales.orders\")"]}]}"#,
            ),
            (
                "nb.ipynb",
                r#"{"cells": [
 {"cell_type": "code", "source": ["%%time\n", "spark.table(\"sales.orders\")"]},
 {"cell_type": "code", "source": ["%load_ext autoreload\n", "%autoreload 2\n", "\n", "%%capture sales.items\n", "spark.sql('use sales')"]},
 {"cell_type": "code", "source": ["%time df = spark.table(\"items\")"]},
 {"cell_type": "code", "source": ["%%timeit t = 'sales.items'\n", "spark.table('sales.orders')"]},
 {"cell_type": "code", "source": ["%%bigquery\n", "select * from sales.orders"]},
 {"cell_type": "code", "source": ["%matplotlib inline\n"]}
]}"#,
            ),
        ],
        expect![[r#"
            == .ipynb_checkpoints/nb-checkpoint.ipynb
            1:60 sales.orders -> prod.sales.orders
            | {"cells": [{"cell_type": "code", "source": ["spark.table(\"prod.sales.orders\")"]}]}
            == nb.ipynb
            2:62 sales.orders -> prod.sales.orders
            3:97 sales.items not a table: another word of the language
            3:129 sales -> prod.sales
            4:61 items -> prod.sales.items
            5:50 sales.items ?  name/not-understood
            5:81 sales.orders -> prod.sales.orders
            6:66 sales.orders ?  name/not-understood
            |  {"cell_type": "code", "source": ["%%time\n", "spark.table(\"prod.sales.orders\")"]},
            |  {"cell_type": "code", "source": ["%load_ext autoreload\n", "%autoreload 2\n", "\n", "%%capture sales.items\n", "spark.sql('use prod.sales')"]},
            |  {"cell_type": "code", "source": ["%time df = spark.table(\"prod.sales.items\")"]},
            |  {"cell_type": "code", "source": ["%%timeit t = 'sales.items'\n", "spark.table('prod.sales.orders')"]},
        "#]],
    );
}

#[test]
fn line_ends_and_byte_order_marks_stay() {
    check(
        &[("a.sql", "\u{feff}select *\r\nfrom sales.orders\r\n")],
        expect![[r#"
            2:6 sales.orders -> prod.sales.orders
            | from prod.sales.orders
        "#]],
    );
}

#[test]
fn what_cannot_be_read_is_licensed_if_it_is_the_same() {
    use karat_refactor::verify::verify;
    use karat_refactor::walk::Walk;
    let folder = tempfile::tempdir().unwrap();
    let tree = |name: &str, bytes: &[u8]| {
        let root = folder.path().join(name);
        std::fs::create_dir(&root).unwrap();
        std::fs::write(root.join("broken.dbc"), bytes).unwrap();
        Walk::of(&root).unwrap()
    };
    let before = tree("before", b"PK no archive");
    let same = tree("same", b"PK no archive");
    let other = tree("other", b"PK another");
    let licensed = |after: &Walk| -> Vec<bool> {
        let judged = verify(&before, after, &crate::show::mapping(), 1);
        judged.iter().map(|one| one.outcome.is_licensed()).collect()
    };
    assert_eq!(licensed(&same), [true]);
    assert_eq!(licensed(&other), [false]);
}

/// A `USE` of one notebook and names behind it, in others or made of constants.
#[test]
fn a_use_stays_where_it_would_take_names_of_other_notebooks_along() {
    let notebook = |cells: &str| format!("# Databricks notebook source\n{cells}\n");
    let told = [
        show(&[
            (
                "etl.py",
                &notebook(
                    "# MAGIC %run ./s\n\n# COMMAND ----------\n\nspark.table('legacy.foo')\nspark.table('orders')",
                ),
            ),
            (
                "s.py",
                &notebook("spark.sql('use sales')\nspark.table('orders')"),
            ),
        ]),
        show(&[
            (
                "etl.py",
                &notebook("spark.sql('use sales')\n\n# COMMAND ----------\n\n# MAGIC %run ./s"),
            ),
            ("s.py", &notebook("spark.table('legacy.foo')")),
        ]),
        show(&[(
            "a.py",
            &notebook("db = 'sales'\nspark.sql(f'use {db}')\nspark.table('legacy.foo')"),
        )]),
        show(&[(
            "b.py",
            &notebook(
                "db = 'sales'\nspark.catalog.setCurrentDatabase(db)\nspark.table('legacy.foo')",
            ),
        )]),
        show(&[(
            "c.sql",
            "use people;\nuse sales;\nselect * from emptied, orders;",
        )]),
        // Nothing stays.
        show(&[
            (
                "etl.py",
                &notebook(
                    "# MAGIC %run ./s\n\n# COMMAND ----------\n\nspark.table('people.emp')\nspark.table('orders')",
                ),
            ),
            ("s.py", &notebook("spark.sql('use sales')")),
        ]),
    ];
    expect_test::expect![[r#"
        == etl.py
        6:14 legacy.foo ?  name/not-mapped
        7:14 orders -> prod.sales.orders
        | spark.table('prod.sales.orders')
        == s.py
        2:16 sales ?  name/takes-along prod.sales
        3:14 orders -> prod.sales.orders
        | spark.table('prod.sales.orders')
        --
        == etl.py
        2:16 sales ?  name/takes-along prod.sales
        == s.py
        2:14 legacy.foo ?  name/not-mapped
        --
        2:7 sales not a table: part of names that are judged where they are put together
        3:17 sales ?  name/takes-along prod.sales
        4:14 legacy.foo ?  name/not-mapped
        --
        2:7 sales ?  name/takes-along prod.sales
        4:14 legacy.foo ?  name/not-mapped
        3:1 Note refused/catalog-interface: `spark.catalog.setCurrentDatabase` needs runtime 14.3 LTS on shared clusters
        --
        1:5 people ?  name/takes-along `prod-eu`.people
        2:5 sales ?  name/takes-along prod.sales
        3:15 emptied ?  name/not-mapped
        3:24 orders -> prod.sales.orders
        | select * from emptied, prod.sales.orders;
        --
        == etl.py
        6:14 people.emp -> `prod-eu`.people.emp
        7:14 orders -> prod.sales.orders
        | spark.table('`prod-eu`.people.emp')
        | spark.table('prod.sales.orders')
        == s.py
        2:16 sales -> prod.sales
        | spark.sql('use prod.sales')
    "#]].assert_eq(&told.join("--\n"));
}

/// A function of an included notebook changes what is current, where it is called.
#[test]
fn a_use_in_a_function_of_an_included_notebook() {
    expect![[r#"
        == a.py
        4:14 loose ?  name/database-unknown prod.misc.loose
        8:28 orders -> prod.sales.orders
        12:28 orders ?  name/database-unknown prod.sales.orders
        12:40 sales.items -> prod.sales.items
        15:14 emp ?  name/database-unknown `prod-eu`.people.emp
        17:14 emp ?  name/database-unknown `prod-eu`.people.emp
        | # MAGIC %sql select * from prod.sales.orders
        | # MAGIC %sql select * from orders join prod.sales.items
        == setup.py
        3:20 sales -> prod.sales
        6:24 people -> `prod-eu`.people
        8:15 Note name/from-caller: the name is given by the caller of this function, and judged there
        |     spark.sql('use prod.sales')
        |         spark.sql('use `prod-eu`.people')
    "#]].assert_eq(&show(&[
        (
            "a.py",
            "# Databricks notebook source\n# MAGIC %run ./setup\n# COMMAND ----------\nspark.table('loose')\n# COMMAND ----------\nuse_sales()\n\
             # COMMAND ----------\n# MAGIC %sql select * from orders\n# COMMAND ----------\nmaybe(x)\n# COMMAND ----------\n\
             # MAGIC %sql select * from orders join sales.items\n# COMMAND ----------\nuse_any('people')\nspark.table('emp')\nuse_any(y)\nspark.table('emp')\n",
        ),
        (
            "setup.py",
            "# Databricks notebook source\ndef use_sales():\n    spark.sql('use sales')\ndef maybe(x):\n    if x:\n        spark.sql('use people')\n\
             def use_any(db):\n    spark.sql(f'use {db}')\n",
        ),
    ]));
}

/// What a notebook does not mention goes past it; what the functions mention that it calls does not.
#[test]
fn a_notebook_sees_what_it_mentions() {
    check(
        &[
            (
                "names.py",
                "# Databricks notebook source\nDB = 'sales'\nT = 'use {DB}'\ndef current():\n  return DB\nclass Place:\n  def go(self):\n    spark.sql('use ' + current())\n\
                 place = Place()\nother = 1\n",
            ),
            (
                "by_function.py",
                "# Databricks notebook source\nspark.sql('use ' + current())\n",
            ),
            (
                "by_method.py",
                "# Databricks notebook source\nplace.go()\nother = 'items'\n",
            ),
            (
                "by_format.py",
                "# Databricks notebook source\nspark.sql(T.format(**globals()))\n",
            ),
            (
                "a.py",
                "# Databricks notebook source\n# MAGIC %run ./names\n\n# COMMAND ----------\nmine = 'sales.items'\n\n# COMMAND ----------\n\
                 # MAGIC %run ./by_function\n\n# COMMAND ----------\nspark.table('orders')\nspark.table(mine)\nspark.table(DB + '.' + str(other))\n",
            ),
            (
                "b.py",
                "# Databricks notebook source\n# MAGIC %run ./names\n\n# COMMAND ----------\n# MAGIC %run ./by_method\n\n# COMMAND ----------\n\
                 spark.table('orders')\nspark.table(f'{DB}.{other}')\n",
            ),
            (
                "c.py",
                "# Databricks notebook source\n# MAGIC %run ./names\n\n# COMMAND ----------\n# MAGIC %run ./by_format\n\n# COMMAND ----------\n\
                 spark.table('orders')\n",
            ),
        ],
        expect![[r#"
            == a.py
            5:9 sales.items -> prod.sales.items
            11:14 orders -> prod.sales.orders
            13:13 sales.1 ?  name/not-mapped
            | mine = 'prod.sales.items'
            | spark.table('prod.sales.orders')
            == b.py
            8:14 orders -> prod.sales.orders
            9:15 sales.items -> prod.sales.items
            | spark.table('prod.sales.orders')
            | spark.table(f'prod.{DB}.{other}')
            == by_format.py
            2:11 T.format(**globals()) ?  name/unresolved
            == by_function.py
            2:16 ????? ?  name/unresolved
            == by_method.py
            == c.py
            8:14 orders ?  name/database-unknown prod.sales.orders
            == names.py
            2:7 sales not a table: part of names that are judged where they are put together
            8:20 sales ?  name/takes-along prod.sales
        "#]],
    );
}

/// Counts how often files are read.
struct Counting {
    files: InMemory,
    reads: AtomicUsize,
}

impl Files for Counting {
    fn paths(&self) -> &[String] {
        self.files.paths()
    }

    fn read(&self, index: usize) -> Result<Vec<u8>, Doubt> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.files.read(index)
    }
}

/// Ten notebooks of which each runs all before it, 512 ways through them: a notebook is read once for what it can see, not once for each way.
#[test]
fn a_notebook_is_read_once_for_what_it_sees() {
    let notebook = |number: usize| {
        let runs =
            (0..number).map(|before| format!("# MAGIC %run ./n{before}\n\n# COMMAND ----------\n"));
        let runs: String = runs.collect();
        (
            format!("n{number}.py"),
            format!(
                "# Databricks notebook source\n{runs}x{number} = 'a{number}'\ny = 'sales'\nspark.table(f'{{y}}.orders')\n"
            ),
        )
    };
    let all: Vec<(String, String)> = (0..10).map(notebook).collect();
    let files = InMemory::new(
        all.iter()
            .map(|(path, text)| (path.as_str(), text.as_bytes())),
    );
    let counting = Counting {
        files,
        reads: AtomicUsize::new(0),
    };
    let found = scan(&counting, &mapping(), &Options::default(), 1);
    assert_eq!(found.counts().rewritten, 10);
    let reads = counting.reads.load(Ordering::Relaxed);
    assert!(reads < 80, "{reads} reads");
}
