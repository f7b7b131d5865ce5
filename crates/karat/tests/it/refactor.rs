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
    expect![[r#"
        deep/open.sql:1:15: needs a person: `sales.unknown`: the mapping has the database `sales`, and no row for `sales.unknown` (name/not-mapped)
        kind             assets  occurrences  rewritten  not a table  needs a person
        code                  1            2          1            0               1
        source notebook       1            3          2            1               0
        text                  1            0          0            0               0
        all                   3            5          3            1               1
        the independent scanner saw 5 candidates; all are accounted for, 0 as not understood
        0 files of binary kinds not opened, 0 links not followed
        2 files changed by 3 edits
    "#]].assert_eq(&answer.stdout);
    expect![[r#"
        -- Databricks notebook source
        -- MAGIC %md about sales.orders

        -- COMMAND ----------

        insert overwrite table prod.sales.orders partition (dt='2024-01-01') -- keep
        select * from `prod-eu`.sales.items
    "#]]
    .assert_eq(&fs::read_to_string(project.path("new/nb.sql")).unwrap());
    assert_eq!(
        fs::read(project.path("new/plain.txt")).unwrap(),
        b"nothing\r\n"
    );
    expect![[r#"
        --- a/deep/open.sql
        +++ b/deep/open.sql
        @@ -1,1 +1,1 @@
        -select * from sales.unknown, prod.sales.orders;
        +select * from sales.unknown, sales.orders;
        --- a/nb.sql
        +++ b/nb.sql
        @@ -3,5 +3,5 @@
         
         -- COMMAND ----------
         
        -insert overwrite table prod.sales.orders partition (dt='2024-01-01') -- keep
        +insert overwrite table sales.orders partition (dt='2024-01-01') -- keep
        -select * from `prod-eu`.sales.items
        +select * from sales.items
    "#]]
    .assert_eq(&fs::read_to_string(project.path("back.patch")).unwrap());
    let verified = project.karat(&[
        "refactor",
        "verify",
        "code",
        "new",
        "--mapping",
        "mapping.csv",
    ]);
    expect![[r#"
        3 files, 3 changes licensed by the mapping, 1 occurrence still open
        ok: every change is licensed
        --- exit 0
    "#]]
    .assert_eq(&verified.text());
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
    expect![[r#"
        --- stderr
        error: `new` is there already
        hint: name a folder that does not exist; karat writes the whole tree into it
        --- exit 2
    "#]]
    .assert_eq(&refused.text());
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
    expect![[r#"
        "partition (dt='2024-01-01') -- keep" to "": 1
        nb.sql:6:37: the clause PARTITION: `partition (dt='2024-01-01') -- keep`
          before: insert overwrite table sales.orders partition (dt='2024-01-01') -- keep
          after:  insert overwrite table sales.orders 
        1 file, 0 changes licensed by the mapping, 0 occurrences still open
        1 file changed in a way that nothing licenses
        " -- keep" to "": 1
        nb.sql:6:64: the comment `-- keep`
          before: insert overwrite table sales.orders partition (dt='2024-01-01') -- keep
          after:  insert overwrite table sales.orders partition (dt='2024-01-01')
        1 file, 0 changes licensed by the mapping, 0 occurrences still open
        1 file changed in a way that nothing licenses
        "-- MAGIC %md about" to "-- MAGIC about": 1
        nb.sql:2:10: the cell marker `-- MAGIC %md about sales.orders`
          before: -- MAGIC %md about sales.orders
          after:  -- MAGIC about sales.orders
        1 file, 0 changes licensed by the mapping, 0 occurrences still open
        1 file changed in a way that nothing licenses
        "sales.orders partition" to "prod.sales.orders_old partition": 1
        nb.sql:6:24: `sales.orders` became a name that the mapping does not say
          before: insert overwrite table sales.orders partition (dt='2024-01-01') -- keep
          after:  insert overwrite table prod.sales.orders_old partition (dt='2024-01-01') -- keep
        1 file, 0 changes licensed by the mapping, 0 occurrences still open
        1 file changed in a way that nothing licenses
        "sales.items" to "`prod-eu`.`sales`.items": 0
        1 file, 1 change licensed by the mapping, 0 occurrences still open
        ok: every change is licensed
        "select * from sales.items\n" to "select * from sales.items": 1
        nb.sql:7:26: white space or a line break
          before: select * from sales.items
          after:  select * from sales.items
        1 file, 0 changes licensed by the mapping, 0 occurrences still open
        1 file changed in a way that nothing licenses
    "#]]
    .assert_eq(&told);
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
    expect![[r#"
        --- stderr
        error: the mapping `bad.csv` has mistakes:
          row 4, column `old_table`: `sales.orders` has another new name in row 2: keep one of them
          row 5, column `new_catalog`: the new catalog is missing
        hint: correct these rows; `karat refactor mapping FILE` lists them at any time
        --- exit 2
    "#]]
    .assert_eq(&answer.text());
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
    expect![[r#"
        a.sql:1:1: one statement `USE CATALOG prod` would do instead of 2 edits (style/use-catalog)
        kind  assets  occurrences  rewritten  not a table  needs a person
        code       1            2          2            0               0
        all        1            2          2            0               0
        the independent scanner saw 2 candidates; all are accounted for, 0 as not understood
        0 files of binary kinds not opened, 0 links not followed
        --- exit 0
    "#]]
    .assert_eq(&scan.text());
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

#[test]
fn the_catalog_from_a_parameter() {
    let before = "-- Databricks notebook source\nselect * from sales.orders\n";
    let project = Project::of(&[
        ("mapping.csv", MAPPING),
        ("code/a.sql", before),
        (
            "rules.csv",
            "path,style,catalog,parameter\n*.sql,parameter,prod,env\n",
        ),
        ("wrong.csv", "path,style\na,parametr\n"),
    ]);
    let mut apply = vec!["refactor", "apply", "code", "--mapping", "mapping.csv"];
    apply.extend(["--out", "moved", "--style-rules", "rules.csv"]);
    let answer = project.karat(&apply);
    assert_eq!(answer.code, 0, "{}", answer.text());
    let text = fs::read_to_string(project.path("moved/a.sql")).unwrap();
    assert_eq!(
        text,
        "-- Databricks notebook source\nCREATE WIDGET TEXT env DEFAULT 'prod';\n\n-- COMMAND ----------\nselect * from IDENTIFIER(:env || '.sales.orders')\n"
    );
    let mut verify = vec!["refactor", "verify", "code", "moved", "--mapping"];
    verify.push("mapping.csv");
    assert_eq!(project.karat(&verify).code, 1);
    verify.extend(["--style-rules", "rules.csv"]);
    assert_eq!(project.karat(&verify).code, 0);
    verify[6] = "--style-rules";
    verify.truncate(7);
    verify.push("wrong.csv");
    let told = project.karat(&verify);
    assert_eq!(told.code, 2, "{}", told.text());
    assert!(
        told.text().contains("row 2: `parametr` is no style"),
        "{}",
        told.text()
    );
}

#[test]
fn a_rewrite_without_an_edit_is_no_decision() {
    let project = Project::of(&[
        ("mapping.csv", MAPPING),
        (
            "code/a.py",
            "pandas.read_sql('select * from sales.orders', engine)\n",
        ),
    ]);
    let mut decide = vec!["refactor", "decide", "code", "a.py:1", "--mapping"];
    decide.extend(["mapping.csv", "--decisions", "d.json", "--by", "ann"]);
    decide.extend(["--why", "it is ours", "--answer", "rewrite"]);
    let told = project.karat(&decide);
    expect![[r#"
        --- stderr
        error: cannot decide to rewrite line 1 of `a.py`, there is no edit to make: a.py:1:32: this text is given to `pandas.read_sql`, which is not followed (name/not-followed): karat knows no new name for it
        hint: write the new name there by hand and scan again, or answer `keep` or `not-a-table`
        --- exit 1
    "#]].assert_eq(&told.text());
    assert!(!project.path("d.json").exists());
    decide.pop();
    decide.push("not-a-table");
    assert_eq!(project.karat(&decide).code, 0);
}

#[test]
fn decisions_that_are_not_there_are_a_mistake() {
    let project = estate();
    let mapped = ["--mapping", "mapping.csv", "--decisions", "typo.json"];
    let scan = project.karat(&[&["refactor", "scan", "code"], &mapped[..]].concat());
    expect![[r#"
        3error: cannot read the decisions `typo.json`
          caused by: No such file or directory (os error 2)
        hint: check the path: it, or a folder on the way to it, is not there
    "#]]
    .assert_eq(&format!("{}{}", scan.code, scan.stderr));
    let apply = ["refactor", "apply", "code", "--out", "new"];
    let apply = project.karat(&[&apply[..], &mapped[..]].concat());
    assert_eq!(apply.code, scan.code, "{}", apply.text());
    assert!(!project.path("new").exists());
    // The first decision makes the file.
    let place = ["refactor", "decide", "code", "deep/open.sql:1"];
    let why = ["--answer", "keep", "--by", "ann", "--why", "not ours"];
    let decide = project.karat(&[&place[..], &mapped[..], &why[..]].concat());
    assert_eq!(decide.code, 0, "{}", decide.text());
    let scan = project.karat(&[&["refactor", "scan", "code"], &mapped[..]].concat());
    assert_eq!(scan.code, 0, "{}", scan.text());
}

/// Names that no text can be, files that nobody may write, links: a tree is written whole, and links are no way around `verify`.
#[cfg(unix)]
#[test]
fn odd_files_and_links_of_a_tree() {
    use std::os::unix::ffi::OsStrExt as _;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    let project = estate();
    let odd = std::ffi::OsStr::from_bytes(b"odd\xff.sql");
    fs::write(project.path("code").join(odd), "select * from sales.orders").unwrap();
    symlink("nb.sql", project.path("code/link.sql")).unwrap();
    symlink("..", project.path("code/circle")).unwrap();
    let notebook = project.path("code/nb.sql");
    fs::set_permissions(&notebook, fs::Permissions::from_mode(0o444)).unwrap();
    let mapped = ["--mapping", "mapping.csv"];
    let apply = [
        "refactor", "apply", "code", "--proof", "p.json", "--out", "new",
    ];
    let apply = project.karat(&[&apply[..], &mapped[..]].concat());
    assert_eq!(apply.code, 1, "{}", apply.text());
    assert!(
        apply
            .stdout
            .contains("odd\\xff.sql: needs a person: its name is no UTF-8"),
        "{}",
        apply.text()
    );
    assert_eq!(
        fs::read(project.path("new").join(odd)).unwrap(),
        b"select * from sales.orders"
    );
    let rights = fs::metadata(project.path("new/nb.sql"))
        .unwrap()
        .permissions();
    assert_eq!(rights.mode() & 0o777, 0o444);
    let verify = ["refactor", "verify", "code", "new", "--proof", "p.json"];
    let verify = [&verify[..], &mapped[..]].concat();
    let told = project.karat(&verify);
    assert_eq!(told.code, 0, "{}", told.text());
    fs::remove_file(project.path("new/circle")).unwrap();
    fs::remove_file(project.path("new/link.sql")).unwrap();
    symlink("plain.txt", project.path("new/link.sql")).unwrap();
    let told = project.karat(&verify);
    assert_eq!(told.code, 1, "{}", told.text());
    expect![[r#"
        circle: is gone
        link.sql:1:1: the target of a link
          before: nb.sql
          after:  plain.txt
    "#]]
    .assert_eq(
        &told
            .stdout
            .lines()
            .take(4)
            .map(|line| format!("{line}\n"))
            .collect::<String>(),
    );
}

/// A file that cannot be exchanged stops the work before any other file of the tree is.
#[test]
fn in_place_is_all_or_nothing() {
    let project = estate();
    // No name is left for the new bytes, which lie beside the file first.
    let long = format!("code/z{}.sql", "z".repeat(245));
    project.write(&long, "select * from sales.orders");
    let before = fs::read(project.path("code/deep/open.sql")).unwrap();
    let apply = ["refactor", "apply", "code", "--in-place"];
    let told = project.karat(&[&apply[..], &["--mapping", "mapping.csv"]].concat());
    assert_eq!(told.code, 3, "{}", told.text());
    let after = fs::read(project.path("code/deep/open.sql")).unwrap();
    assert_eq!(after, before);
    let left = fs::read_dir(project.path("code/deep")).unwrap().count();
    assert_eq!(left, 1, "nothing lies beside it");
}
