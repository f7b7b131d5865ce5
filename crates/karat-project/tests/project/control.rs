//! What a feed says of control records and of the files beside its own.

use expect_test::expect;

use crate::{KARAT, diagnostics};

fn feeds(feeds: &[&str]) -> String {
    let feeds: String = feeds.iter().map(|feed| format!("  - {feed}\n")).collect();
    format!("{KARAT}--- domains/sales/domain.yaml\ndomain: sales\nfeeds:\n{feeds}")
}

#[test]
fn mistakes_of_control_records_and_files() {
    expect![[r#"
        error: `starts_with` is empty: every record begins so
         --> domains/sales/domain.yaml:3:89
          |
        3 |   - { source: landing, name: a, mode: full, path: a.csv, csv: { trailer: { starts_with: "", count: 0 } } }
          |                                                                                         ^^
          = hint: write how the record begins, like `T|`

        error: `count` must be a whole number from 1 to 100000, found 0
         --> domains/sales/domain.yaml:3:100
          |
        3 |   - { source: landing, name: a, mode: full, path: a.csv, csv: { trailer: { starts_with: "", count: 0 } } }
          |                                                                                                    ^

        error: column `amuont` is not in `columns`
         --> domains/sales/domain.yaml:4:123
          |
        4 | …ng, name: b, mode: full, path: b.csv, columns: [id, amount], csv: { trailer: { starts_with: T, sums: { amuont: 2 } } } }
          |                                                                                                         ^^^^^^
          = hint: did you mean `amount`?

        error: `header_record` cannot be told where `terminator_in_fields` is on: a record ends behind its last column
         --> domains/sales/domain.yaml:5:110
          |
        5 | …e: c, mode: full, path: c.csv, csv: { terminator_in_fields: true, terminator: "|", header_record: { starts_with: H } } }
          |                                                                                     ^^^^^^^^^^^^^
          = hint: remove one of them

        error: `control_file` tells nothing of a file
         --> domains/sales/domain.yaml:6:58
          |
        6 |   - { source: landing, name: d, mode: full, path: d.csv, control_file: { path: d.csv } }
          |                                                          ^^^^^^^^^^^^
          = hint: add `count`, `sums` or `sha256`; if it is enough that it is there, use `done_file`

        error: this names the file itself
         --> domains/sales/domain.yaml:6:80
          |
        6 |   - { source: landing, name: d, mode: full, path: d.csv, control_file: { path: d.csv } }
          |                                                                                ^^^^^
          = hint: write it from the file's folder, like `{name}.done`; `{stem}` is the name without its last ending

        error: this leaves the source's folder
         --> domains/sales/domain.yaml:7:80
          |
        7 | …rce: landing, name: e, mode: full, path: e.csv, control_file: { path: "../{stem}.ctl", count: 1 }, done_file: "{name}" }
          |                                                                        ^^^^^^^^^^^^^^^
          = hint: write it from the file's folder, like `{name}.done`; `{stem}` is the name without its last ending

        error: this names the file itself
         --> domains/sales/domain.yaml:7:120
          |
        7 | …rce: landing, name: e, mode: full, path: e.csv, control_file: { path: "../{stem}.ctl", count: 1 }, done_file: "{name}" }
          |                                                                                                                ^^^^^^^^^
          = hint: write it from the file's folder, like `{name}.done`; `{stem}` is the name without its last ending

        error: only `{name}` and `{stem}` stand for something here
         --> domains/sales/domain.yaml:8:69
          |
        8 |   - { source: landing, name: f, mode: full, path: f.csv, done_file: "{nmae}.done", csv: { trailer: { count: 2 } } }
          |                                                                     ^^^^^^^^^^^^^
          = hint: write it from the file's folder, like `{name}.done`; `{stem}` is the name without its last ending

        error: `starts_with` is missing in a control record
         --> domains/sales/domain.yaml:8:100
          |
        8 |   - { source: landing, name: f, mode: full, path: f.csv, done_file: "{nmae}.done", csv: { trailer: { count: 2 } } }
          |                                                                                                    ^
          = hint: it needs: starts_with

        error: `done_file` says nothing for a sqlite source
         --> domains/sales/domain.yaml:9:43
          |
        9 |   - { source: shop, table: g, mode: full, done_file: g.done }
          |                                           ^^^^^^^^^
          = hint: remove it
    "#]].assert_eq(&diagnostics(&feeds(&[
        "{ source: landing, name: a, mode: full, path: a.csv, csv: { trailer: { starts_with: \"\", count: 0 } } }",
        "{ source: landing, name: b, mode: full, path: b.csv, columns: [id, amount], csv: { trailer: { starts_with: T, sums: { amuont: 2 } } } }",
        "{ source: landing, name: c, mode: full, path: c.csv, csv: { terminator_in_fields: true, terminator: \"|\", header_record: { starts_with: H } } }",
        "{ source: landing, name: d, mode: full, path: d.csv, control_file: { path: d.csv } }",
        "{ source: landing, name: e, mode: full, path: e.csv, control_file: { path: \"../{stem}.ctl\", count: 1 }, done_file: \"{name}\" }",
        "{ source: landing, name: f, mode: full, path: f.csv, done_file: \"{nmae}.done\", csv: { trailer: { count: 2 } } }",
        "{ source: shop, table: g, mode: full, done_file: g.done }",
    ])));
    let fine = "{ source: landing, name: a, mode: full, path: \"a/*.parquet\", done_file: _SUCCESS, control_file: { path: \"{stem}.ctl\", sums: { amount: 2 } } }";
    assert_eq!(diagnostics(&feeds(&[fine])), "nothing to say");
}
