//! One test for each kind of mistake.

use expect_test::{Expect, expect};

use proptest::prelude::*;

use crate::{CUSTOMERS, KARAT, SALES, diagnostics, with};

fn check(files: &str, expected: Expect) {
    expected.assert_eq(&diagnostics(files));
}

/// The base project with one silver model more.
fn silver(text: &str) -> String {
    with(&format!("--- domains/sales/silver/plans.yaml\n{text}"))
}

/// The base project with one gold model more.
fn gold(sql: &str) -> String {
    with(&format!("--- domains/sales/gold/revenue.sql\n{sql}"))
}

fn feed(text: &str) -> String {
    format!("{KARAT}--- domains/sales/domain.yaml\ndomain: sales\nfeeds:\n  - {text}\n")
}

#[test]
fn no_mistake() {
    check(&with(""), expect!["nothing to say"]);
}

#[test]
fn unknown_key() {
    check(
        &feed("{ source: shop, table: t, mdoe: full }"),
        expect![[r#"
        error: unknown key `mdoe` in a feed
         --> domains/sales/domain.yaml:3:31
          |
        3 |   - { source: shop, table: t, mdoe: full }
          |                               ^^^^
          = hint: did you mean `mode`?
    "#]],
    );
    check(
        &silver("from: landing.plans\nselect: { a: a }\nexpectation: {}\n"),
        expect![[r#"
        error: unknown key `expectation` in a silver model
         --> domains/sales/silver/plans.yaml:3:1
          |
        3 | expectation: {}
          | ^^^^^^^^^^^
          = hint: did you mean `expectations`?
    "#]],
    );
}

#[test]
fn formats_of_files() {
    let feeds = [
        "{ source: landing, name: a, mode: full, path: a.csv, json: { records: /x/* } }",
        "{ source: landing, name: b, mode: full, path: b.jsonl.zst, csv: { delimiter: ; }, json: { records: x/*, document: raw } }",
        "{ source: landing, name: c, mode: full, path: c.json, json: { records: /x/* }, key: [id], columns: { it: id, other: /y/*/id } }",
        "{ source: landing, name: d, mode: full, path: d.xlsx, excel: { range: 4:7, sheet: 2 }, unpack: { members: /etc/*, max_ratio: 1 } }",
        "{ source: landing, name: e, mode: full, path: e.parquet, excel: {}, unpack: {}, columns: { a: b } }",
        "{ source: shop, table: t, mode: full, excel: {}, unpack: {} }",
    ];
    check(
        &feed(&feeds.join("\n  - ")),
        expect![[r#"
        error: `json` says nothing with format `csv`
         --> domains/sales/domain.yaml:3:58
          |
        3 |   - { source: landing, name: a, mode: full, path: a.csv, json: { records: /x/* } }
          |                                                          ^^^^
          = hint: add `format: ndjson` (each line a document) or `format: json`, or remove it

        error: `csv` says nothing with format `ndjson`
         --> domains/sales/domain.yaml:4:64
          |
        4 | … { source: landing, name: b, mode: full, path: b.jsonl.zst, csv: { delimiter: ; }, json: { records: x/*, document: raw }…
          |                                                              ^^^
          = hint: remove it

        error: `records` must begin with `/`: it is a JSON Pointer from the document
         --> domains/sales/domain.yaml:4:104
          |
        4 | … source: landing, name: b, mode: full, path: b.jsonl.zst, csv: { delimiter: ; }, json: { records: x/*, document: raw } }
          |                                                                                                    ^^^
          = hint: like `/orders/*`

        error: key column `id` is not in `columns`
         --> domains/sales/domain.yaml:5:90
          |
        5 | …e: landing, name: c, mode: full, path: c.json, json: { records: /x/* }, key: [id], columns: { it: id, other: /y/*/id } }
          |                                                                                ^^
          = hint: did you mean `it`?

        error: the pointer of `other` has a `*` that `records` does not have
         --> domains/sales/domain.yaml:5:121
          |
        5 | …e: landing, name: c, mode: full, path: c.json, json: { records: /x/* }, key: [id], columns: { it: id, other: /y/*/id } }
          |                                                                                                               ^^^^^^^
          = hint: a `*` stands for the element that the same `*` of `records` stands for; for a row an element, add it to `records`

        error: `4:7` is no range of a sheet
         --> domains/sales/domain.yaml:6:75
          |
        6 | …landing, name: d, mode: full, path: d.xlsx, excel: { range: 4:7, sheet: 2 }, unpack: { members: /etc/*, max_ratio: 1 } }
          |                                                              ^^^
          = hint: write it like `A1:F`, `B3:D200` or `A:F`

        error: `members` leaves the archive
         --> domains/sales/domain.yaml:6:111
          |
        6 | …landing, name: d, mode: full, path: d.xlsx, excel: { range: 4:7, sheet: 2 }, unpack: { members: /etc/*, max_ratio: 1 } }
          |                                                                                                  ^^^^^^
          = hint: write it like `*.csv`

        error: `max_ratio` must be a whole number from 2 to 1000000, found 1
         --> domains/sales/domain.yaml:6:130
          |
        6 | …landing, name: d, mode: full, path: d.xlsx, excel: { range: 4:7, sheet: 2 }, unpack: { members: /etc/*, max_ratio: 1 } }
          |                                                                                                                     ^

        error: `excel` says nothing with format `parquet`
         --> domains/sales/domain.yaml:7:62
          |
        7 |   - { source: landing, name: e, mode: full, path: e.parquet, excel: {}, unpack: {}, columns: { a: b } }
          |                                                              ^^^^^
          = hint: add `format: excel`, or remove it

        error: `unpack` says nothing with format `parquet`
         --> domains/sales/domain.yaml:7:73
          |
        7 |   - { source: landing, name: e, mode: full, path: e.parquet, excel: {}, unpack: {}, columns: { a: b } }
          |                                                                         ^^^^^^
          = hint: remove it

        error: `columns` with pointers is for JSON
         --> domains/sales/domain.yaml:7:85
          |
        7 |   - { source: landing, name: e, mode: full, path: e.parquet, excel: {}, unpack: {}, columns: { a: b } }
          |                                                                                     ^^^^^^^
          = hint: write a list, like `columns: [id, name]`

        error: `excel` says nothing for a sqlite source
         --> domains/sales/domain.yaml:8:43
          |
        8 |   - { source: shop, table: t, mode: full, excel: {}, unpack: {} }
          |                                           ^^^^^
          = hint: remove it

        error: `unpack` says nothing for a sqlite source
         --> domains/sales/domain.yaml:8:54
          |
        8 |   - { source: shop, table: t, mode: full, excel: {}, unpack: {} }
          |                                                      ^^^^^^
          = hint: remove it
    "#]],
    );
}

#[test]
fn wrong_type() {
    check(
        &feed("{ source: shop, table: t, mode: full, key: id }"),
        expect![[r#"
        error: `key` must be a list of columns, like `[id]`, found text
         --> domains/sales/domain.yaml:3:48
          |
        3 |   - { source: shop, table: t, mode: full, key: id }
          |                                                ^^
          = hint: write `key: [id]`
    "#]],
    );
    check(
        &feed(
            "{ source: landing, name: t, path: 'x', mode: full, parts: maybe, max_delete: 5, stable_for: 1w, csv: [1] }",
        ),
        expect![[r#"
            error: `parts` must be true or false, found text
             --> domains/sales/domain.yaml:3:63
              |
            3 |   - { source: landing, name: t, path: 'x', mode: full, parts: maybe, max_delete: 5, stable_for: 1w, csv: [1] }
              |                                                               ^^^^^

            error: `max_delete` must be a share in percent, like `1%`
             --> domains/sales/domain.yaml:3:82
              |
            3 |   - { source: landing, name: t, path: 'x', mode: full, parts: maybe, max_delete: 5, stable_for: 1w, csv: [1] }
              |                                                                                  ^
              = hint: write `5%` if you mean 5 percent

            error: `stable_for` must be a time, like `15m` (ms, s, m, h, d)
             --> domains/sales/domain.yaml:3:97
              |
            3 |   - { source: landing, name: t, path: 'x', mode: full, parts: maybe, max_delete: 5, stable_for: 1w, csv: [1] }
              |                                                                                                 ^^

            error: `csv` must be a map of keys, found a list
             --> domains/sales/domain.yaml:3:106
              |
            3 |   - { source: landing, name: t, path: 'x', mode: full, parts: maybe, max_delete: 5, stable_for: 1w, csv: [1] }
              |                                                                                                          ^^
              = hint: its keys: `delimiter`, `terminator`, `quote`, `header`, `encoding`, `compression`, `terminator_in_fields`, `max_line_bytes`, `header_record`, `trailer`
        "#]],
    );
    check(
        "--- karat.yaml\n- a\n- b\n",
        expect![[r#"
        error: the project must be a map of keys, found a list
         --> karat.yaml:1:1
          |
        1 | - a
          | ^
          = hint: it needs: karat, project
    "#]],
    );
    check(
        "--- karat.yaml\nkarat: 2\nproject: Contoso AG\ntimezone: [UTC]\n",
        expect![[r#"
            error: `karat` must be 1, found 2
             --> karat.yaml:1:8
              |
            1 | karat: 2
              |        ^
              = hint: it is the version of the format: this karat reads 1

            error: `Contoso AG` is not a name: lower case letters, digits and `_`, a letter first
             --> karat.yaml:2:10
              |
            2 | project: Contoso AG
              |          ^^^^^^^^^^
              = hint: write `contoso_ag`

            error: `timezone` must be text, found a list
             --> karat.yaml:3:11
              |
            3 | timezone: [UTC]
              |           ^^^^
        "#]],
    );
}

#[test]
fn csv_that_cannot_be_cut() {
    check(
        &feed(
            "{ source: landing, name: a, path: a, mode: full, csv: { terminator: '\"\\n' } }\n  - { source: landing, name: b, path: b, mode: full, csv: { quote: '»', max_line_bytes: 1000000000 } }\n  - { source: landing, name: c, path: c, mode: full, csv: { delimiter: '|', terminator: '|' } }\n",
        ),
        expect![[r#"
            error: `terminator` contains the quote character
             --> domains/sales/domain.yaml:3:61
              |
            3 |   - { source: landing, name: a, path: a, mode: full, csv: { terminator: '"\n' } }
              |                                                             ^^^^^^^^^^
              = hint: if nothing is quoted, write `quote: none`

            error: `quote` must be one ASCII character, or `none`
             --> domains/sales/domain.yaml:4:68
              |
            4 |   - { source: landing, name: b, path: b, mode: full, csv: { quote: '»', max_line_bytes: 1000000000 } }
              |                                                                    ^^^

            error: `max_line_bytes` must be a whole number from 1024 to 268435456, found 1000000000
             --> domains/sales/domain.yaml:4:89
              |
            4 |   - { source: landing, name: b, path: b, mode: full, csv: { quote: '»', max_line_bytes: 1000000000 } }
              |                                                                                         ^^^^^^^^^^

            error: `delimiter` and `terminator` are the same
             --> domains/sales/domain.yaml:5:77
              |
            5 |   - { source: landing, name: c, path: c, mode: full, csv: { delimiter: '|', terminator: '|' } }
              |                                                                             ^^^^^^^^^^
              = hint: fields and rows must end differently
        "#]],
    );
}

#[test]
fn missing_key() {
    check(
        "--- karat.yaml\nkarat: 1\n",
        expect![[r#"
        error: `project` is missing in the project
         --> karat.yaml:1:1
          |
        1 | karat: 1
          | ^
          = hint: it needs: karat, project
    "#]],
    );
    check(
        &silver("select: {}\n"),
        expect![[r#"
        error: `from` is missing in a silver model
         --> domains/sales/silver/plans.yaml:1:1
          |
        1 | select: {}
          | ^
          = hint: it needs: from, select

        error: `select` names no column
         --> domains/sales/silver/plans.yaml:1:9
          |
        1 | select: {}
          |         ^
          = hint: add columns, like `id: cast(id as bigint)`
    "#]],
    );
    check(
        &feed("{ mode: full }"),
        expect![[r#"
        error: `source` is missing in a feed
         --> domains/sales/domain.yaml:3:5
          |
        3 |   - { mode: full }
          |     ^
          = hint: it needs: source, mode
    "#]],
    );
    check(
        &silver("from: landing.plans\nselect:\n  a: a\n  b:\n"),
        expect![[r#"
        error: `b` has no value
         --> domains/sales/silver/plans.yaml:4:3
          |
        4 |   b:
          |   ^
          = hint: expected a SQL expression
    "#]],
    );
}

#[test]
fn missing_reference() {
    check(
        &feed("{ source: shopp, table: t, mode: full }"),
        expect![[r#"
        error: there is no source `shopp`
         --> domains/sales/domain.yaml:3:15
          |
        3 |   - { source: shopp, table: t, mode: full }
          |               ^^^^^
          = hint: did you mean `shop`?
    "#]],
    );
    check(
        &silver("from: landing.plan\nselect: { a: a }\n"),
        expect![[r#"
        error: there is no feed `landing.plan` in domain `sales`
         --> domains/sales/silver/plans.yaml:1:7
          |
        1 | from: landing.plan
          |       ^^^^^^^^^^^^
          = hint: did you mean `landing.plans`?
    "#]],
    );
    check(
        &silver("from: other_bronze.landing__plans\nselect: { a: a }\n"),
        expect![[r#"
        error: there is no feed `other_bronze.landing__plans` in domain `sales`
         --> domains/sales/silver/plans.yaml:1:7
          |
        1 | from: other_bronze.landing__plans
          |       ^^^^^^^^^^^^^^^^^^^^^^^^^^^
          = hint: domain `sales` has: landing.plans, shop.customers
    "#]],
    );
    check(
        &gold("select id from sales_silver.customer\n"),
        expect![[r#"
        error: there is no table `sales_silver.customer`
         --> domains/sales/gold/revenue.sql:1:16
          |
        1 | select id from sales_silver.customer
          |                ^^^^^^^^^^^^^^^^^^^^^
          = hint: did you mean `sales_silver.customers`?
    "#]],
    );
}

#[test]
fn cycle_is_named_with_its_path() {
    let files = "--- domains/sales/gold/a.sql\nselect x\nfrom sales_gold.b\n--- domains/sales/gold/b.sql\nselect x from sales_gold.c\n--- domains/sales/gold/c.sql\nselect x from sales_gold.a\n--- domains/sales/gold/d.sql\nselect d.x from sales_gold.d\n";
    check(
        &with(files),
        expect![[r#"
        error: cycle: `sales_gold.a` reads `sales_gold.b` reads `sales_gold.c` reads `sales_gold.a`
         --> domains/sales/gold/a.sql:2:6
          |
        2 | from sales_gold.b
          |      ^^^^^^^^^^^^
          = hint: a table cannot depend on itself; break the cycle with a table of its own

        error: `sales_gold.d` reads itself
         --> domains/sales/gold/d.sql:1:17
          |
        1 | select d.x from sales_gold.d
          |                 ^^^^^^^^^^^^
          = hint: a table cannot depend on itself; break the cycle with a table of its own
    "#]],
    );
}

#[test]
fn two_feeds_make_one_table() {
    let files = "--- domains/sales/domain.yaml\ndomain: sales\nfeeds:\n  - { source: shop, table: a.customers, mode: full }\n  - { source: shop, table: b.customers, mode: full }\n";
    check(
        &format!("{KARAT}{files}"),
        expect![[r#"
        error: two feeds make the table `sales_bronze.shop__customers` (B10); the first is `shop.customers` in domains/sales/domain.yaml:3
         --> domains/sales/domain.yaml:4:7
          |
        4 |   - { source: shop, table: b.customers, mode: full }
          |       ^^^^^^
          = hint: give one of them another `name`
    "#]],
    );
}

#[test]
fn sql_error_in_a_sql_file() {
    check(
        &gold("-- revenue\nselect id,\nfrom sales_silver.customers\nwhere\n"),
        expect![[r#"
        error: SQL: expected an expression, found the end of the text
         --> domains/sales/gold/revenue.sql:4:6
          |
        4 | where
          |      ^
    "#]],
    );
    check(
        &gold("select 'open from sales_silver.customers"),
        expect![[r#"
        error: SQL: unterminated string literal
         --> domains/sales/gold/revenue.sql:1:8
          |
        1 | select 'open from sales_silver.customers
          |        ^
    "#]],
    );
    check(
        &gold("select id from sales_silver.customers;\nselect 2"),
        expect![[r#"
        error: SQL: a second statement begins here
         --> domains/sales/gold/revenue.sql:2:1
          |
        2 | select 2
          | ^^^^^^
          = hint: write exactly one SELECT
    "#]],
    );
    check(
        &gold("-- nothing yet\n"),
        expect![[r#"
        error: SQL: there is no SELECT
         --> domains/sales/gold/revenue.sql:1:1
          |
        1 | -- nothing yet
          | ^
          = hint: write one SELECT; comments alone make no table
    "#]],
    );
    check(
        &gold("insert into x select 1"),
        expect![[r#"
        error: SQL: `insert` is not a SELECT
         --> domains/sales/gold/revenue.sql:1:1
          |
        1 | insert into x select 1
          | ^^^^^^
          = hint: write exactly one SELECT
    "#]],
    );
}

#[test]
fn sql_error_inside_yaml() {
    check(
        &silver(
            "from: landing.plans\nselect:\n  a: cast(a as)\n  b: \"coalesce(\\\"x\\\", )\"\n  c: 'concat(''x'' ''y'')'\n  d: |\n    case when a\n         then then 1\n    end\n  e: >-\n    a +\n    * b\n  f: a as b\n",
        ),
        expect![[r#"
        error: SQL: expected a data type name, found )
         --> domains/sales/silver/plans.yaml:3:15
          |
        3 |   a: cast(a as)
          |               ^

        error: SQL: expected an expression, found )
         --> domains/sales/silver/plans.yaml:4:23
          |
        4 |   b: "coalesce(\"x\", )"
          |                       ^

        error: SQL: expected ), found 'y'
         --> domains/sales/silver/plans.yaml:5:20
          |
        5 |   c: 'concat(''x'' ''y'')'
          |                    ^^^

        error: SQL: expected the end of the expression, found when
         --> domains/sales/silver/plans.yaml:7:10
          |
        7 |     case when a
          |          ^^^^

        error: SQL: expected an expression, found *
          --> domains/sales/silver/plans.yaml:12:5
           |
        12 |     * b
           |     ^

        error: SQL: `as` does not belong here: the key is the name
          --> domains/sales/silver/plans.yaml:13:8
           |
        13 |   f: a as b
           |        ^^
    "#]],
    );
}

#[test]
fn unknown_column() {
    check(
        &gold("select c.id, c.compny as company, updated from sales_silver.customers c"),
        expect![[r#"
        error: `sales_silver.customers` has no column `compny`
         --> domains/sales/gold/revenue.sql:1:16
          |
        1 | select c.id, c.compny as company, updated from sales_silver.customers c
          |                ^^^^^^
          = hint: did you mean `company`?

        error: `sales_silver.customers` has no column `updated`
         --> domains/sales/gold/revenue.sql:1:35
          |
        1 | select c.id, c.compny as company, updated from sales_silver.customers c
          |                                   ^^^^^^^
          = hint: it has: company, id, updated_at
    "#]],
    );
    check(
        &silver(
            "from: landing.plans\nselect: { region: region }\nexpectations:\n  known: { expect: \"length(regoin) = 2\" }\nkey: [regio]\ncluster_by: [month]\n",
        ),
        expect![[r#"
        error: unknown column `regoin`: `select` does not name it
         --> domains/sales/silver/plans.yaml:4:28
          |
        4 |   known: { expect: "length(regoin) = 2" }
          |                            ^^^^^^
          = hint: did you mean `region`?

        error: unknown column `regio`
         --> domains/sales/silver/plans.yaml:5:7
          |
        5 | key: [regio]
          |       ^^^^^
          = hint: did you mean `region`?

        error: unknown column `month`
         --> domains/sales/silver/plans.yaml:6:14
          |
        6 | cluster_by: [month]
          |              ^^^^^
          = hint: it must be a column of the model
    "#]],
    );
    check(
        &silver(
            "from: landing.plans\nselect: { id: id, at: at }\nauto_cdc: { keys: [idd], sequence_by: att }\n",
        ),
        expect![[r#"
        error: unknown column `idd`
         --> domains/sales/silver/plans.yaml:3:20
          |
        3 | auto_cdc: { keys: [idd], sequence_by: att }
          |                    ^^^
          = hint: did you mean `id`?

        error: unknown column `att`
         --> domains/sales/silver/plans.yaml:3:39
          |
        3 | auto_cdc: { keys: [idd], sequence_by: att }
          |                                       ^^^
          = hint: did you mean `at`?
    "#]],
    );
}

#[test]
fn unknown_column_of_a_cte_or_a_subquery() {
    check(
        &gold(
            "with recent as (\n  select id, upper(company) as company from sales_silver.customers\n)\nselect r.id, r.compnay as name, q.n, q.m, company_id\nfrom recent r\njoin (select id, count(*) as n from recent group by id) q on q.id = r.id\n",
        ),
        expect![[r#"
            error: `recent` has no column `compnay`
             --> domains/sales/gold/revenue.sql:4:16
              |
            4 | select r.id, r.compnay as name, q.n, q.m, company_id
              |                ^^^^^^^
              = hint: did you mean `company`?

            error: `q` has no column `m`
             --> domains/sales/gold/revenue.sql:4:40
              |
            4 | select r.id, r.compnay as name, q.n, q.m, company_id
              |                                        ^
              = hint: did you mean `n`?

            error: no table here has a column `company_id`
             --> domains/sales/gold/revenue.sql:4:43
              |
            4 | select r.id, r.compnay as name, q.n, q.m, company_id
              |                                           ^^^^^^^^^^
              = hint: did you mean `company`?
        "#]],
    );
}

#[test]
fn unknown_column_of_a_feed_that_declares_its_columns() {
    let files = "--- domains/sales/domain.yaml\ndomain: sales\nfeeds:\n  - { source: landing, name: plans, mode: full, path: '*.txt', csv: { header: false }, columns: [Region, Month, _x] }\n--- domains/sales/silver/plans.yaml\nfrom: landing.plans\nselect: { region: region, month: mnth, x: src__x, row: _row }\n";
    check(
        &format!("{KARAT}{files}"),
        expect![[r#"
        error: unknown column `mnth`: the feed `landing.plans` declares its `columns`
         --> domains/sales/silver/plans.yaml:2:34
          |
        2 | select: { region: region, month: mnth, x: src__x, row: _row }
          |                                  ^^^^
          = hint: did you mean `month`?
    "#]],
    );
}

#[test]
fn star_is_refused() {
    check(
        &gold("select c.*, count(*) as n from (select * from sales_silver.customers) c"),
        expect![[r#"
        error: `*` is refused in a model: a new column would change the table (B8)
         --> domains/sales/gold/revenue.sql:1:8
          |
        1 | select c.*, count(*) as n from (select * from sales_silver.customers) c
          |        ^^^
          = hint: name the columns

        error: `*` is refused in a model: a new column would change the table (B8)
         --> domains/sales/gold/revenue.sql:1:40
          |
        1 | select c.*, count(*) as n from (select * from sales_silver.customers) c
          |                                        ^
          = hint: name the columns
    "#]],
    );
}

#[test]
fn reserved_and_provenance_names() {
    check(
        &silver(
            "from: landing.plans\nselect: { _a: a, b: _run, c: _row, Total Amount: x }\nexpectations: { _b: { expect: a }, sequence_tie: { expect: b }, _rescued: { expect: b }, c: { action: drop } }\n",
        ),
        expect![[r#"
        error: `_a` begins with `_`, which is reserved (B2)
         --> domains/sales/silver/plans.yaml:2:11
          |
        2 | select: { _a: a, b: _run, c: _row, Total Amount: x }
          |           ^^
          = hint: choose another name

        error: `_run` says how a row came here, not what it is: refused in silver and gold (B2)
         --> domains/sales/silver/plans.yaml:2:21
          |
        2 | select: { _a: a, b: _run, c: _row, Total Amount: x }
          |                     ^^^^
          = hint: query it in bronze with `karat query`

        error: `Total Amount` in `select` is not a name: lower case letters, digits and `_`, a letter first
         --> domains/sales/silver/plans.yaml:2:36
          |
        2 | select: { _a: a, b: _run, c: _row, Total Amount: x }
          |                                    ^^^^^^^^^^^^
          = hint: write `total_amount`

        error: `_b` begins with `_`, which is reserved (B2)
         --> domains/sales/silver/plans.yaml:3:17
          |
        3 | expectations: { _b: { expect: a }, sequence_tie: { expect: b }, _rescued: { expect: b }, c: { action: drop } }
          |                 ^^
          = hint: choose another name

        error: unknown column `a`: `select` does not name it
         --> domains/sales/silver/plans.yaml:3:31
          |
        3 | expectations: { _b: { expect: a }, sequence_tie: { expect: b }, _rescued: { expect: b }, c: { action: drop } }
          |                               ^
          = hint: did you mean `b`?

        error: `sequence_tie` is the name of a built-in rule (C4)
         --> domains/sales/silver/plans.yaml:3:36
          |
        3 | expectations: { _b: { expect: a }, sequence_tie: { expect: b }, _rescued: { expect: b }, c: { action: drop } }
          |                                    ^^^^^^^^^^^^
          = hint: choose another name

        error: `_rescued` is built in: its rule cannot be written
         --> domains/sales/silver/plans.yaml:3:77
          |
        3 | expectations: { _b: { expect: a }, sequence_tie: { expect: b }, _rescued: { expect: b }, c: { action: drop } }
          |                                                                             ^^^^^^
          = hint: state only `action`, `limit` or `on`

        error: expectation `c` has no `expect`
         --> domains/sales/silver/plans.yaml:3:90
          |
        3 | expectations: { _b: { expect: a }, sequence_tie: { expect: b }, _rescued: { expect: b }, c: { action: drop } }
          |                                                                                          ^
          = hint: write what must be true, like `expect: "id is not null"`
    "#]],
    );
    check(
        &gold(
            "select id as _id, id as \"Id\", id, id, lower(company), _delivery from sales_silver.customers",
        ),
        expect![[r#"
        error: `_id` begins with `_`, which is reserved (B2)
         --> domains/sales/gold/revenue.sql:1:14
          |
        1 | select id as _id, id as "Id", id, id, lower(company), _delivery from sales_silver.customers
          |              ^^^
          = hint: add `as name`

        error: `Id` cannot be a column's name: names are lower case letters, digits and `_`, a letter first (F3)
         --> domains/sales/gold/revenue.sql:1:25
          |
        1 | select id as _id, id as "Id", id, id, lower(company), _delivery from sales_silver.customers
          |                         ^^^^
          = hint: write `as id`

        error: column `id` stands twice in the answer
         --> domains/sales/gold/revenue.sql:1:35
          |
        1 | select id as _id, id as "Id", id, id, lower(company), _delivery from sales_silver.customers
          |                                   ^^
          = hint: rename one with `as`

        error: this column has no name
         --> domains/sales/gold/revenue.sql:1:39
          |
        1 | select id as _id, id as "Id", id, id, lower(company), _delivery from sales_silver.customers
          |                                       ^^^^^^^^^^^^^
          = hint: add `as name`

        error: `_delivery` says how a row came here, not what it is: refused in silver and gold (B2)
         --> domains/sales/gold/revenue.sql:1:55
          |
        1 | select id as _id, id as "Id", id, id, lower(company), _delivery from sales_silver.customers
          |                                                       ^^^^^^^^^
          = hint: query it in bronze with `karat query`
    "#]],
    );
}

#[test]
fn names_of_tables_in_sql() {
    check(
        &gold(
            "select id from customers, contoso_dev.sales_silver.customers, other.a.b, sales_bronze.shop__customers, salesilver.customers",
        ),
        expect![[r#"
        error: `customers` needs two parts: `domain_layer.table` (D1)
         --> domains/sales/gold/revenue.sql:1:16
          |
        1 | select id from customers, contoso_dev.sales_silver.customers, other.a.b, sales_bronze.shop__customers, salesilver.custom…
          |                ^^^^^^^^^
          = hint: write `sales_silver.customers`

        error: `contoso_dev` is this project's own catalog: each target has its own (D1)
         --> domains/sales/gold/revenue.sql:1:27
          |
        1 | select id from customers, contoso_dev.sales_silver.customers, other.a.b, sales_bronze.shop__customers, salesilver.custom…
          |                           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
          = hint: write `sales_silver.customers`

        error: tables of another catalog are not available in this version: `other.a.b`
         --> domains/sales/gold/revenue.sql:1:63
          |
        1 | …lect id from customers, contoso_dev.sales_silver.customers, other.a.b, sales_bronze.shop__customers, salesilver.customer…
          |                                                              ^^^^^^^^^
          = hint: if it is a table of this project, write `a.b`

        error: reading bronze tables in gold is not available in this version: `sales_bronze.shop__customers`
         --> domains/sales/gold/revenue.sql:1:74
          |
        1 | …ect id from customers, contoso_dev.sales_silver.customers, other.a.b, sales_bronze.shop__customers, salesilver.customers
          |                                                                        ^^^^^^^^^^^^^^^^^^^^^^^^^^^^
          = hint: read it through a silver model

        error: there is no table `salesilver.customers`
         --> domains/sales/gold/revenue.sql:1:104
          |
        1 | …ect id from customers, contoso_dev.sales_silver.customers, other.a.b, sales_bronze.shop__customers, salesilver.customers
          |                                                                                                      ^^^^^^^^^^^^^^^^^^^^
          = hint: did you mean `sales_silver.customers`?
    "#]],
    );
}

#[test]
fn other_domains_need_public_access() {
    let finance = "--- domains/finance/domain.yaml\ndomain: finance\n--- domains/finance/gold/x.sql\nselect id from sales_silver.customers\n--- domains/finance/silver/y.yaml\nfrom: sales_bronze.shop__customers\nselect: { id: id }\n";
    check(
        &with(finance),
        expect![[r#"
            error: `sales_silver.customers` belongs to domain `sales` and is not public (D1)
             --> domains/finance/gold/x.sql:1:16
              |
            1 | select id from sales_silver.customers
              |                ^^^^^^^^^^^^^^^^^^^^^^
              = hint: its owner can mark it `access: public` in domains/sales/silver/customers.yaml

            error: the feed `sales_bronze.shop__customers` belongs to domain `sales`; other domains read only its public tables (D1)
             --> domains/finance/silver/y.yaml:1:7
              |
            1 | from: sales_bronze.shop__customers
              |       ^^^^^^^^^^^^^^^^^^^^^^^^^^^^
              = hint: read one of its silver or gold tables marked `access: public`, in a gold model
        "#]],
    );
    let public = "--- domains/finance/domain.yaml\ndomain: finance\n--- domains/finance/gold/x.sql\nselect id from sales_silver.customers\n";
    check(
        &format!("{KARAT}{SALES}{CUSTOMERS}access: public\n{public}"),
        expect!["nothing to say"],
    );
}

/// What the parser says of YAML that is none is told as what somebody did, with the line where it is.
#[test]
fn yaml_that_is_none() {
    let texts = [
        "from: landing.plans\nselect:\n  a: \"regexp_like(b, '\\d')\"\n",
        "from: landing.plans\nselect:\n  a: a\n  b b\n  c: c\n",
        "from: landing.plans\nselect:\n  a: a\n   b: b\n",
        "from: landing.plans\nselect:\n    a: a\n  b: b\nchecks: {}\n",
        "from: landing.plans\nselect:\n  a: a\nrest\n",
        "from: landing.plans\nselect\n  a: a\n",
        "from: landing.plans\nselect:\n  a: \"b\" c\n",
        "from: landing.plans\nselect:\n  a: \"b\n  c: c\n",
        "from: landing.plans\nkeys: [a, b\nselect:\n  a: a\n",
        "from: landing.plans\nkeys:\n  - a\n  b\n  - c\n",
    ];
    let told = texts.map(|text| diagnostics(&silver(text)));
    expect![[r#"
        error: YAML: within double quotes a `\` begins an escape, and this is none
         --> domains/sales/silver/plans.yaml:3:6
          |
        3 |   a: "regexp_like(b, '\d')"
          |      ^
          = hint: put the value in single quotes, where a `\` is a letter like others: 'x_(\d{8})'

        error: YAML: this line has no `:` behind a key
         --> domains/sales/silver/plans.yaml:4:3
          |
        4 |   b b
          |   ^^^
          = hint: write it like `key: value`, an entry of a list like `- value`; what goes on with the line before is indented deeper than its key

        error: YAML: a `: ` cannot stand here
         --> domains/sales/silver/plans.yaml:4:5
          |
        4 |    b: b
          |     ^
          = hint: put the value in quotes if it contains `: `, or check the indentation

        error: YAML: this line does not go on with the map before it
         --> domains/sales/silver/plans.yaml:4:3
          |
        4 |   b: b
          |   ^
          = hint: it, or a line before it, is indented otherwise than the keys beside it, or has no `:` behind its key

        error: YAML: this line has no `:` behind a key
         --> domains/sales/silver/plans.yaml:4:1
          |
        4 | rest
          | ^^^^
          = hint: write it like `key: value`, an entry of a list like `- value`; what goes on with the line before is indented deeper than its key

        error: YAML: this line has no `:` behind a key
         --> domains/sales/silver/plans.yaml:2:1
          |
        2 | select
          | ^^^^^^
          = hint: write it like `key: value`, an entry of a list like `- value`; what goes on with the line before is indented deeper than its key

        error: YAML: something stands behind a closing quote
         --> domains/sales/silver/plans.yaml:3:10
          |
        3 |   a: "b" c
          |          ^
          = hint: put the whole value in one pair of quotes, single ones if it has double ones within

        error: YAML: a quote that opens before this is not closed
         --> domains/sales/silver/plans.yaml:3:6
          |
        3 |   a: "b
          |      ^
          = hint: close it on its line

        error: YAML: a `:` cannot stand here
         --> domains/sales/silver/plans.yaml:3:7
          |
        3 | select:
          |       ^
          = hint: look for a `[` or `{` before it that is not closed, or put the value in quotes

        error: YAML: this line has no `:` behind a key
         --> domains/sales/silver/plans.yaml:4:3
          |
        4 |   b
          |   ^
          = hint: write it like `key: value`, an entry of a list like `- value`; what goes on with the line before is indented deeper than its key
    "#]].assert_eq(&told.join("\n"));
}

#[test]
fn yaml_mistakes() {
    check(
        &silver("from: landing.plans\nselect:\n\ta: a\n"),
        expect![[r#"
            error: YAML: a tab cannot indent
             --> domains/sales/silver/plans.yaml:3:1
              |
            3 | 	a: a
              | ^
              = hint: use spaces
        "#]],
    );
    // The parser stops at the end of the line before.
    check(
        &silver("from: landing.plans\nselect:\n  a:\n\tb: a\n"),
        expect![[r#"
            error: YAML: a tab cannot indent
             --> domains/sales/silver/plans.yaml:4:1
              |
            4 | 	b: a
              | ^
              = hint: use spaces
        "#]],
    );
    check(
        &silver(
            "from: landing.plans\nfrom: landing.x\nselect:\n  a: a\n  \"a\": b\n  a: c\nfrom: x\n",
        ),
        expect![[r#"
        error: `from` stands twice in one map; the first is on line 1
         --> domains/sales/silver/plans.yaml:2:1
          |
        2 | from: landing.x
          | ^^^^
          = hint: remove one of them

        error: `a` stands twice in one map; the first is on line 4
         --> domains/sales/silver/plans.yaml:5:3
          |
        5 |   "a": b
          |   ^^^
          = hint: remove one of them

        error: `a` stands twice in one map; the first is on line 4
         --> domains/sales/silver/plans.yaml:6:3
          |
        6 |   a: c
          |   ^
          = hint: remove one of them

        error: `from` stands twice in one map; the first is on line 1
         --> domains/sales/silver/plans.yaml:7:1
          |
        7 | from: x
          | ^^^^
          = hint: remove one of them
    "#]],
    );
    check(
        &silver("from: a: b\n"),
        expect![[r#"
        error: YAML: a `: ` cannot stand here
         --> domains/sales/silver/plans.yaml:1:8
          |
        1 | from: a: b
          |        ^
          = hint: put the value in quotes if it contains `: `, or check the indentation
    "#]],
    );
    check(
        &silver("from: landing.plans\nselect: { a: *b }\n"),
        expect![[r#"
        error: YAML: a value cannot begin with `*` (an alias of YAML)
         --> domains/sales/silver/plans.yaml:2:14
          |
        2 | select: { a: *b }
          |              ^
          = hint: put it in quotes
    "#]],
    );
    check(
        &silver("from: landing.plans\nselect: { a: a }\n---\nb: 1\n"),
        expect![[r#"
        error: YAML: a second document begins here
         --> domains/sales/silver/plans.yaml:4:1
          |
        4 | b: 1
          | ^
          = hint: one file holds one document
    "#]],
    );
    check(
        &silver("from: !feed landing.plans\nselect: { a: a }\n"),
        expect![[r#"
        error: `from` has no value
         --> domains/sales/silver/plans.yaml:1:1
          |
        1 | from: !feed landing.plans
          | ^^^^
          = hint: expected text

        error: YAML: the tag `!feed` means nothing here
         --> domains/sales/silver/plans.yaml:1:7
          |
        1 | from: !feed landing.plans
          |       ^^^^^^^^^^^^^^^^^^^
          = hint: remove it
    "#]],
    );
    check(
        &silver(&format!("a: {}\n", "[".repeat(5000))),
        expect![[r#"
        error: YAML: nested too deeply
         --> domains/sales/silver/plans.yaml:1:1
          |
        1 | a: [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[…
          | ^
    "#]],
    );
    check(
        &silver(&format!("{}a\n", "- ".repeat(500))),
        expect![[r#"
        error: YAML: nested too deeply
         --> domains/sales/silver/plans.yaml:1:1
          |
        1 | - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - …
          | ^
    "#]],
    );
}

#[test]
fn files_that_cannot_be_read() {
    let folder = tempfile::tempdir().unwrap();
    crate::write(
        folder.path(),
        &with(
            "--- domains/sales/gold/empty.sql\n--- domains/sales/silver/empty.yaml\n# nothing\n--- domains/sales/gold/alone.yaml\nkey: [a]\n",
        ),
    );
    std::fs::write(
        folder.path().join("domains/sales/gold/latin.sql"),
        b"select id,\n '\xe9' as x from sales_silver.customers",
    )
    .unwrap();
    std::fs::create_dir(folder.path().join("domains/sales/gold/folder.sql")).unwrap();
    std::fs::create_dir(folder.path().join("domains/Über")).unwrap();
    std::fs::create_dir(folder.path().join("domains/empty")).unwrap();
    std::fs::write(
        folder.path().join("domains/sales/gold/Big Table.sql"),
        "select 1 as a",
    )
    .unwrap();
    std::fs::write(folder.path().join("domains/sales/silver/x.yml"), "").unwrap();
    std::fs::write(folder.path().join("domains/sales/x.sql"), "").unwrap();
    std::fs::create_dir(folder.path().join("domains/sales/products")).unwrap();
    let loaded = karat_project::load(folder.path(), &|_| None);
    let shown: Vec<String> = loaded.diagnostics.iter().map(ToString::to_string).collect();
    expect![[r#"
        error: domain `empty` has no domain.yaml
         --> domains/empty/domain.yaml
          = hint: write one: `domain: empty`

        error: `Big Table` cannot be a table's name
         --> domains/sales/gold/Big Table.sql
          = hint: names are lower case letters, digits and `_`, a letter first: `big_table`

        error: there is no .sql file beside it
         --> domains/sales/gold/alone.yaml
          = hint: write the SELECT into domains/sales/gold/alone.sql

        error: SQL: there is no SELECT
         --> domains/sales/gold/empty.sql:1:1
          = hint: write one SELECT; comments alone make no table

        error: this is a folder, not a file
         --> domains/sales/gold/folder.sql
          = hint: a gold model is a .sql file, with a .yaml file beside it when there is more to say

        error: the file is not UTF-8
         --> domains/sales/gold/latin.sql:2:3
          |
        2 |  '�' as x from sales_silver.customers
          |   ^
          = hint: save it as UTF-8

        error: `products` is not available in this version
         --> domains/sales/products
          = hint: move it out of the project

        error: the file is empty
         --> domains/sales/silver/empty.yaml:1:1
          |
        1 | # nothing
          | ^
          = hint: it needs: from, select

        error: nothing reads this file
         --> domains/sales/silver/x.yml
          = hint: a silver model is a .yaml file

        error: nothing reads this file
         --> domains/sales/x.sql
          = hint: models lie in `silver/` and `gold/`

        error: `Über` cannot be a domain's name
         --> domains/Über
          = hint: names are lower case letters, digits and `_`, a letter first
    "#]]
    .assert_eq(&(shown.join("\n\n") + "\n"));
}

#[test]
fn no_project() {
    let folder = tempfile::tempdir().unwrap();
    let show = |root: &std::path::Path| {
        karat_project::load(root, &|_| None)
            .diagnostics
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("\n\n")
            + "\n"
    };
    expect![[r#"
        error: there is no karat.yaml: this folder is not a karat project
         --> karat.yaml
          = hint: start one with `karat init`
    "#]]
    .assert_eq(&show(folder.path()));
    expect![[r#"
        error: the project folder does not exist
         --> karat.yaml
          = hint: check the path
    "#]]
    .assert_eq(&show(&folder.path().join("gone")));
    check(
        "--- karat.yaml\n",
        expect![[r#"
            error: the file is empty
             --> karat.yaml:1:1
              = hint: it needs: karat, project
        "#]],
    );
    check(
        "--- karat.yaml\nkarat: 1\nproject: empty\n",
        expect![[r#"
        warning: the project has no domain: there is nothing to run
         --> karat.yaml
          = hint: a domain is a folder: domains/sales/domain.yaml
    "#]],
    );
}

#[test]
fn variables() {
    check(
        "--- karat.yaml\nkarat: 1\nproject: p\ntargets:\n  dev: { lake: \"${env:LAKE}\", default: true }\n  prod: { lake: \"${env:PROD_LAKE}\", key: \"${file:gone.pem}\" }\nsources:\n  a: { type: sqlite, path: \"${env:SHOP_PATH}\" }\n  b: { type: sqlite, path: \"${env:NOT_SET}/x\" }\n  c: { type: files, path: \"${file:no/such}\" }\n  d: { type: files, path: \"${vault:x}\" }\n  e: { type: files, path: \"${env:SHOP_PATH\" }\n",
        expect![[r#"
        error: `targets.dev.lake` needs the variable `LAKE`, which is not set
         --> karat.yaml:4:16
          |
        4 |   dev: { lake: "${env:LAKE}", default: true }
          |                ^^^^^^^^^^^^^
          = hint: set LAKE in the environment

        error: `sources.b.path` needs the variable `NOT_SET`, which is not set
         --> karat.yaml:8:28
          |
        8 |   b: { type: sqlite, path: "${env:NOT_SET}/x" }
          |                            ^^^^^^^^^^^^^^^^^^^
          = hint: set NOT_SET in the environment

        error: `sources.c.path` needs the file `no/such`: no such file or directory
         --> karat.yaml:9:27
          |
        9 |   c: { type: files, path: "${file:no/such}" }
          |                           ^^^^^^^^^^^^^^^^^^
          = hint: the path is relative to the project folder

        error: `path`: this kind of variable is not known
          --> karat.yaml:10:27
           |
        10 |   d: { type: files, path: "${vault:x}" }
           |                           ^^^^^^^^^^^^^
           = hint: write `${env:NAME}` or `${file:PATH}`

        error: `path`: a variable is not closed with `}`
          --> karat.yaml:11:27
           |
        11 |   e: { type: files, path: "${env:SHOP_PATH" }
           |                           ^^^^^^^^^^^^^^^^^^
           = hint: write `${env:NAME}` or `${file:PATH}`
    "#]],
    );
    check(
        &feed("{ source: shop, table: \"${env:T}\", mode: full }"),
        expect![[r#"
        error: `table` holds a variable; variables work only under `sources` and `targets` (A9)
         --> domains/sales/domain.yaml:3:28
          |
        3 |   - { source: shop, table: "${env:T}", mode: full }
          |                            ^^^^^^^^^^
          = hint: write the value itself
    "#]],
    );
}

#[test]
fn secrets_do_not_show() {
    check(
        "--- karat.yaml\nkarat: 1\nproject: p\nsources:\n  a: { type: sqlite, pth: x, password: hunter2, dsn: \"postgres://user:hunter2@host/db\" }\n  b: { type: sqlite, path: [\"https://user:hunter2@host/db\"] }\n",
        expect![[r#"
        error: unknown key `pth` in a SQLite source
         --> karat.yaml:4:22
          |
        4 |   a: { type: sqlite, pth: x, password: *******, dsn: "*******************************" }
          |                      ^^^
          = hint: did you mean `path`?

        error: unknown key `password` in a SQLite source
         --> karat.yaml:4:30
          |
        4 |   a: { type: sqlite, pth: x, password: *******, dsn: "*******************************" }
          |                              ^^^^^^^^
          = hint: known keys: type, path, description

        error: unknown key `dsn` in a SQLite source
         --> karat.yaml:4:49
          |
        4 |   a: { type: sqlite, pth: x, password: *******, dsn: "*******************************" }
          |                                                 ^^^
          = hint: known keys: type, path, description

        error: `path` must be text, found a list
         --> karat.yaml:5:28
          |
        5 |   b: { type: sqlite, path: ["https://************@host/db"] }
          |                            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
    "#]],
    );
}

#[test]
fn not_available_yet() {
    check(
        "--- karat.yaml\nkarat: 1\nproject: p\nexternals: { a: date }\ntargets: { dev: { lake: ./lake, format: iceberg } }\nsources:\n  pg: { type: postgres, dsn: x }\n  l: { type: files, path: l }\n  m: { type: fils, path: l }\n--- domains/d/domain.yaml\ndomain: d\nfeeds:\n  - { source: pg, table: t, mode: cdc, where: x, mask: y }\n  - { source: l, name: n, path: p, mode: incremental, done_file: x, deletes: key_diff, format: orc }\n",
        expect![[r#"
            error: mode `cdc` is not available in this version
             --> domains/d/domain.yaml:3:35
              |
            3 |   - { source: pg, table: t, mode: cdc, where: x, mask: y }
              |                                   ^^^
              = hint: use `full` or `incremental`

            error: `where` is not available in this version
             --> domains/d/domain.yaml:3:40
              |
            3 |   - { source: pg, table: t, mode: cdc, where: x, mask: y }
              |                                        ^^^^^
              = hint: remove it

            error: `mask` is not available in this version
             --> domains/d/domain.yaml:3:50
              |
            3 |   - { source: pg, table: t, mode: cdc, where: x, mask: y }
              |                                                  ^^^^
              = hint: remove it

            error: deletes `key_diff` is not available in this version
             --> domains/d/domain.yaml:4:78
              |
            4 |   - { source: l, name: n, path: p, mode: incremental, done_file: x, deletes: key_diff, format: orc }
              |                                                                              ^^^^^^^^
              = hint: use `none`, or a map with `soft`

            error: `format` must be `csv`, `ndjson`, `json`, `parquet`, `avro` or `excel`, found `orc`
             --> domains/d/domain.yaml:4:96
              |
            4 |   - { source: l, name: n, path: p, mode: incremental, done_file: x, deletes: key_diff, format: orc }
              |                                                                                                ^^^

            error: `externals` is not available in this version
             --> karat.yaml:3:1
              |
            3 | externals: { a: date }
              | ^^^^^^^^^
              = hint: remove it

            error: source type `postgres` is not available in this version
             --> karat.yaml:6:15
              |
            6 |   pg: { type: postgres, dsn: * }
              |               ^^^^^^^^
              = hint: available: files, sqlite

            error: unknown source type `fils`
             --> karat.yaml:8:14
              |
            8 |   m: { type: fils, path: l }
              |              ^^^^
              = hint: did you mean `files`?
        "#]],
    );
    check(
        &silver(
            "from: landing.plans\nselect: { a: a, b: b }\nwhere: a = 1\nauto_cdc: { keys: [a], sequence_by: [a, b], apply_as_truncates: \"b = 1\" }\n",
        ),
        expect![[r#"
            error: `where` is not available in this version
             --> domains/sales/silver/plans.yaml:3:1
              |
            3 | where: a = 1
              | ^^^^^
              = hint: use an expectation with `action: drop`
        "#]],
    );
    check(
        "--- karat.yaml\nkarat: 1\nproject: p\ntargets:\n  dev: { lake: ./lake, default: true }\n  prod: { lake: \"abfss://lake@contoso.dfs.core.windows.net/contoso\", catalog: contoso, format: delta, require_signature: true }\n--- domains/d/domain.yaml\ndomain: d\n",
        expect![[r#"
        warning: a lake on `abfss://` is not available in this version
         --> karat.yaml:5:17
          |
        5 |   prod: { lake: "abfss://****@contoso.dfs.core.windows.net/contoso", catalog: contoso, format: delta, require_signature:…
          |                 ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
          = hint: this target cannot be used yet
    "#]],
    );
}

#[test]
fn feeds_that_contradict_themselves() {
    let feeds = "--- domains/sales/domain.yaml\ndomain: sale\nfeeds:\n  - { source: shop, table: a, mode: incremental }\n  - { source: shop, table: b, mode: full, cursor: { column: x }, csv: { header: false } }\n  - { source: landing, name: c, mode: incremental, cursor: { column: x }, table: c, max_delete: 1% }\n  - { source: landing, name: d, mode: full, path: x, file_order: \"d_\\\\d+\", deletes: none, csv: { header: false, quote: '\"\"', delimiter: \"\" } }\n  - { source: landing, name: e, mode: full, path: x, file_order: \"(a)(?:b)(c)\", columns: [A, b, a], key: [c] }\n  - { source: landing, mode: full, path: x }\n";
    check(
        &format!("{KARAT}{feeds}"),
        expect![[r#"
            error: `domain` is `sale` but the folder is `sales`
             --> domains/sales/domain.yaml:1:9
              |
            1 | domain: sale
              |         ^^^^
              = hint: write `domain: sales`, or rename the folder

            error: mode `incremental` needs a `cursor`
             --> domains/sales/domain.yaml:3:5
              |
            3 |   - { source: shop, table: a, mode: incremental }
              |     ^
              = hint: add `cursor: { column: updated_at }`, or use mode `full`

            error: `cursor` says nothing with mode `full`
             --> domains/sales/domain.yaml:4:43
              |
            4 |   - { source: shop, table: b, mode: full, cursor: { column: x }, csv: { header: false } }
              |                                           ^^^^^^
              = hint: use mode `incremental`, or remove it

            error: `csv` says nothing for a sqlite source
             --> domains/sales/domain.yaml:4:66
              |
            4 |   - { source: shop, table: b, mode: full, cursor: { column: x }, csv: { header: false } }
              |                                                                  ^^^
              = hint: remove it

            error: `path` is missing: which files?
             --> domains/sales/domain.yaml:5:5
              |
            5 |   - { source: landing, name: c, mode: incremental, cursor: { column: x }, table: c, max_delete: 1% }
              |     ^
              = hint: add it, like `path: "plans/*.csv"`

            error: files have no cursor: mode `incremental` loads new files
             --> domains/sales/domain.yaml:5:52
              |
            5 |   - { source: landing, name: c, mode: incremental, cursor: { column: x }, table: c, max_delete: 1% }
              |                                                    ^^^^^^
              = hint: remove it

            error: a source of files has no tables
             --> domains/sales/domain.yaml:5:75
              |
            5 |   - { source: landing, name: c, mode: incremental, cursor: { column: x }, table: c, max_delete: 1% }
              |                                                                           ^^^^^
              = hint: use `name` and `path`

            error: `max_delete` says nothing with mode `incremental`
             --> domains/sales/domain.yaml:5:85
              |
            5 |   - { source: landing, name: c, mode: incremental, cursor: { column: x }, table: c, max_delete: 1% }
              |                                                                                     ^^^^^^^^^^
              = hint: remove it

            error: `file_order` needs exactly one group `(…)`, found 0
             --> domains/sales/domain.yaml:6:66
              |
            6 | … source: landing, name: d, mode: full, path: x, file_order: "d_\\d+", deletes: none, csv: { header: false, quote: '""', …
              |                                                              ^^^^^^^^
              = hint: put brackets around the part that gives the order, like `entries_(\d{8})`; `(?:…)` is no group

            error: `deletes` says nothing with mode `full`: what is gone from the table is deleted
             --> domains/sales/domain.yaml:6:76
              |
            6 | …anding, name: d, mode: full, path: x, file_order: "d_\\d+", deletes: none, csv: { header: false, quote: '""', delimiter:…
              |                                                              ^^^^^^^
              = hint: remove it

            error: without a header, `columns` must name the columns
             --> domains/sales/domain.yaml:6:98
              |
            6 | … name: d, mode: full, path: x, file_order: "d_\\d+", deletes: none, csv: { header: false, quote: '""', delimiter: "" } }
              |                                                                             ^^^^^^
              = hint: add `columns: [a, b]` to the feed

            error: `quote` must be one ASCII character, or `none`
             --> domains/sales/domain.yaml:6:120
              |
            6 | … name: d, mode: full, path: x, file_order: "d_\\d+", deletes: none, csv: { header: false, quote: '""', delimiter: "" } }
              |                                                                                                   ^^^^

            error: `delimiter` must be one character or several, and no line end
             --> domains/sales/domain.yaml:6:137
              |
            6 | … name: d, mode: full, path: x, file_order: "d_\\d+", deletes: none, csv: { header: false, quote: '""', delimiter: "" } }
              |                                                                                                                    ^^^
              = hint: like `";"`, or `"\t"` for a tab

            error: `file_order` needs exactly one group `(…)`, found 2
             --> domains/sales/domain.yaml:7:66
              |
            7 |   - { source: landing, name: e, mode: full, path: x, file_order: "(a)(?:b)(c)", columns: [A, b, a], key: [c] }
              |                                                                  ^^^^^^^^^^^^^
              = hint: put brackets around the part that gives the order, like `entries_(\d{8})`; `(?:…)` is no group

            error: `a` stands twice in `columns`
             --> domains/sales/domain.yaml:7:97
              |
            7 |   - { source: landing, name: e, mode: full, path: x, file_order: "(a)(?:b)(c)", columns: [A, b, a], key: [c] }
              |                                                                                                 ^
              = hint: remove one

            error: key column `c` is not in `columns`
             --> domains/sales/domain.yaml:7:107
              |
            7 |   - { source: landing, name: e, mode: full, path: x, file_order: "(a)(?:b)(c)", columns: [A, b, a], key: [c] }
              |                                                                                                           ^
              = hint: did you mean `a`?

            error: this feed has neither `name` nor `table`
             --> domains/sales/domain.yaml:8:5
              |
            8 |   - { source: landing, mode: full, path: x }
              |     ^
              = hint: add `name`
        "#]],
    );
}

#[test]
fn auto_cdc_that_contradicts_itself() {
    check(
        &silver(
            "from: landing.plans\nselect: { a: a, b: b }\nkey: [a]\nallow_float: true\nauto_cdc:\n  keys: [a, a]\n  stored_as_scd_type: 2\n  track_history_column_list: [b]\n  track_history_except_column_list: [b]\n",
        ),
        expect![[r#"
            error: with `auto_cdc`, the key is `auto_cdc.keys`
             --> domains/sales/silver/plans.yaml:3:1
              |
            3 | key: [a]
              | ^^^
              = hint: remove `key`

            error: `allow_float` must say why: a sentence
             --> domains/sales/silver/plans.yaml:4:14
              |
            4 | allow_float: true
              |              ^^^^
              = hint: like `allow_float: "scores of a model, not money"`

            error: `a` stands twice in `keys`
             --> domains/sales/silver/plans.yaml:6:13
              |
            6 |   keys: [a, a]
              |             ^
              = hint: remove one

            error: type 2 needs a time: `sequence_by` is missing and `valid_from` too (C5)
             --> domains/sales/silver/plans.yaml:7:3
              |
            7 |   stored_as_scd_type: 2
              |   ^^^^^^^^^^^^^^^^^^
              = hint: add `sequence_by` or `valid_from` with a date or timestamp column; over full loads without one `from: snapshots`, each load a snapshot

            error: both lists of tracked columns are given
             --> domains/sales/silver/plans.yaml:9:3
              |
            9 |   track_history_except_column_list: [b]
              |   ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
              = hint: keep one
        "#]],
    );
    check(
        &silver(
            "from: landing.plans\nselect: { a: a, b: b }\nauto_cdc: { keys: [a], sequence_by: _seq, stored_as_scd_type: 2 }\n",
        ),
        expect![[r#"
            error: type 2 needs a time: `_seq` is none, and `valid_from` is missing (C5)
             --> domains/sales/silver/plans.yaml:3:43
              |
            3 | auto_cdc: { keys: [a], sequence_by: _seq, stored_as_scd_type: 2 }
              |                                           ^^^^^^^^^^^^^^^^^^
              = hint: add `sequence_by` or `valid_from` with a date or timestamp column; over full loads without one `from: snapshots`, each load a snapshot
        "#]],
    );
    check(
        &silver(
            "from: landing.plans\nselect: { a: a, b: b }\nauto_cdc: { keys: [], valid_from: b, stored_as_scd_type: 3 }\n",
        ),
        expect![[r#"
        error: `keys` names no column
         --> domains/sales/silver/plans.yaml:3:19
          |
        3 | auto_cdc: { keys: [], valid_from: b, stored_as_scd_type: 3 }
          |                   ^
          = hint: name the columns that make a row unique

        error: `valid_from` says nothing with `stored_as_scd_type: 1`
         --> domains/sales/silver/plans.yaml:3:23
          |
        3 | auto_cdc: { keys: [], valid_from: b, stored_as_scd_type: 3 }
          |                       ^^^^^^^^^^
          = hint: remove it, or keep history with type 2

        error: `stored_as_scd_type` must be 1 or 2, found 3
         --> domains/sales/silver/plans.yaml:3:58
          |
        3 | auto_cdc: { keys: [], valid_from: b, stored_as_scd_type: 3 }
          |                                                          ^
    "#]],
    );
}

#[test]
fn targets_need_one_default() {
    check(
        "--- karat.yaml\nkarat: 1\nproject: p\ntargets: { a: { lake: x }, b: { lake: y } }\n--- domains/d/domain.yaml\ndomain: d\n",
        expect![[r#"
        error: several targets and none is `default`
         --> karat.yaml:3:12
          |
        3 | targets: { a: { lake: x }, b: { lake: y } }
          |            ^
          = hint: add `default: true` to the one that commands use when none is named
    "#]],
    );
    check(
        "--- karat.yaml\nkarat: 1\nproject: p\ntargets: { a: { lake: x, default: true }, b: { lake: y, default: true } }\n--- domains/d/domain.yaml\ndomain: d\n",
        expect![[r#"
        error: two targets are `default`; the first, `a`, is on line 3
         --> karat.yaml:3:43
          |
        3 | targets: { a: { lake: x, default: true }, b: { lake: y, default: true } }
          |                                           ^
          = hint: remove one `default: true`
    "#]],
    );
}

#[test]
fn ten_mistakes_in_one_pass() {
    let files = "\
--- karat.yaml
karat: 1
project: contoso
time_zone: UTC
sources:
  shop: { type: sqlite, path: ./shop.db }
  landing: { type: file, path: ./landing }
--- domains/sales/domain.yaml
domain: sales
feeds:
  - { source: shop, table: customers, mode: ful, key: [id] }
  - { source: shopp, table: rates, mode: full }
--- domains/sales/silver/customers.yaml
from: shop.customer
select:
  id: cast(id as)
  name: trim(name)
expectations:
  named: { expect: \"nam is not null\", action: quarantin }
--- domains/sales/gold/a.sql
select id, nmae
from sales_silver.customers
--- domains/sales/gold/b.sql
select * from sales_gold.b
--- domains/sales/gold/b.yaml
keys: [id]
";
    check(
        files,
        expect![[r#"
        error: `mode` must be `full` or `incremental`, found `ful`
         --> domains/sales/domain.yaml:3:45
          |
        3 |   - { source: shop, table: customers, mode: ful, key: [id] }
          |                                             ^^^
          = hint: did you mean `full`?

        error: there is no source `shopp`
         --> domains/sales/domain.yaml:4:15
          |
        4 |   - { source: shopp, table: rates, mode: full }
          |               ^^^^^
          = hint: did you mean `shop`?

        error: `sales_silver.customers` has no column `nmae`
         --> domains/sales/gold/a.sql:1:12
          |
        1 | select id, nmae
          |            ^^^^
          = hint: did you mean `name`?

        error: `*` is refused in a model: a new column would change the table (B8)
         --> domains/sales/gold/b.sql:1:8
          |
        1 | select * from sales_gold.b
          |        ^
          = hint: name the columns

        error: `sales_gold.b` reads itself
         --> domains/sales/gold/b.sql:1:15
          |
        1 | select * from sales_gold.b
          |               ^^^^^^^^^^^^
          = hint: a table cannot depend on itself; break the cycle with a table of its own

        error: unknown key `keys` in a gold model
         --> domains/sales/gold/b.yaml:1:1
          |
        1 | keys: [id]
          | ^^^^
          = hint: did you mean `key`?

        error: there is no feed `shop.customer` in domain `sales`
         --> domains/sales/silver/customers.yaml:1:7
          |
        1 | from: shop.customer
          |       ^^^^^^^^^^^^^
          = hint: did you mean `shop.customers`?

        error: SQL: expected a data type name, found )
         --> domains/sales/silver/customers.yaml:3:17
          |
        3 |   id: cast(id as)
          |                 ^

        error: unknown column `nam`: `select` does not name it
         --> domains/sales/silver/customers.yaml:6:21
          |
        6 |   named: { expect: "nam is not null", action: quarantin }
          |                     ^^^
          = hint: did you mean `name`?

        error: `action` must be `warn`, `drop`, `quarantine` or `fail`, found `quarantin`
         --> domains/sales/silver/customers.yaml:6:47
          |
        6 |   named: { expect: "nam is not null", action: quarantin }
          |                                               ^^^^^^^^^
          = hint: did you mean `quarantine`?

        error: unknown key `time_zone` in the project
         --> karat.yaml:3:1
          |
        3 | time_zone: UTC
          | ^^^^^^^^^
          = hint: did you mean `timezone`?

        error: unknown source type `file`
         --> karat.yaml:6:20
          |
        6 |   landing: { type: file, path: ./landing }
          |                    ^^^^
          = hint: did you mean `files`?
    "#]],
    );
}

#[test]
fn a_long_line_is_cut_around_the_mark() {
    check(
        &gold(&format!(
            "select {} nope.x, frm from sales_silver.customers c",
            "id + ".repeat(60) + "id as a,"
        )),
        expect![[r#"
        error: `sales_silver.customers` has no column `frm`
         --> domains/sales/gold/revenue.sql:1:325
          |
        1 | …id + id + id + id + id + id + id + id + id + id + id + id + id + id + id as a, nope.x, frm from sales_silver.customers c
          |                                                                                         ^^^
          = hint: it has: company, id, updated_at
    "#]],
    );
}

#[test]
fn files_of_a_feed() {
    let feeds = "--- domains/sales/domain.yaml\ndomain: sales\nfeeds:\n  - { source: landing, name: a, mode: full, path: ./a/*.csv, file_order: 'a_(\\d+' }\n  - { source: landing, name: b, mode: full, path: ../b.csv, file_order: 'b)(x)' }\n  - { source: landing, name: c, mode: full, path: 'c\\*.csv', file_order: '[(x)' }\n  - { source: landing, name: d, mode: full, path: /dat/d.csv }\n  - { source: landing, name: e, mode: full, path: '{e', columns: [a, b], key: [aa] }\n  - { source: shop, table: f, mode: incremental, cursor: { column: updated }, columns: [id, updated_at] }\n";
    check(
        &format!("{KARAT}{feeds}"),
        expect![[r#"
        error: `path` holds a `.` folder
         --> domains/sales/domain.yaml:3:51
          |
        3 |   - { source: landing, name: a, mode: full, path: ./a/*.csv, file_order: 'a_(\d+' }
          |                                                   ^^^^^^^^^
          = hint: write `a/*.csv`

        error: `file_order` is no regular expression: a `(` is not closed
         --> domains/sales/domain.yaml:3:74
          |
        3 |   - { source: landing, name: a, mode: full, path: ./a/*.csv, file_order: 'a_(\d+' }
          |                                                                          ^^^^^^^^^
          = hint: write it like `entries_(\d{8})`; a bracket that is meant itself needs a `\` before it

        error: `path` leaves the source's folder
         --> domains/sales/domain.yaml:4:51
          |
        4 |   - { source: landing, name: b, mode: full, path: ../b.csv, file_order: 'b)(x)' }
          |                                                   ^^^^^^^^
          = hint: write it from the source's folder, like `plans/*.csv`

        error: `file_order` is no regular expression: a `)` closes nothing
         --> domains/sales/domain.yaml:4:73
          |
        4 |   - { source: landing, name: b, mode: full, path: ../b.csv, file_order: 'b)(x)' }
          |                                                                         ^^^^^^^^
          = hint: write it like `entries_(\d{8})`; a bracket that is meant itself needs a `\` before it

        error: `path` holds a `\`; folders are separated by `/`
         --> domains/sales/domain.yaml:5:51
          |
        5 |   - { source: landing, name: c, mode: full, path: 'c\*.csv', file_order: '[(x)' }
          |                                                   ^^^^^^^^^
          = hint: write `c/*.csv`

        error: `file_order` is no regular expression: a `[` is not closed
         --> domains/sales/domain.yaml:5:74
          |
        5 |   - { source: landing, name: c, mode: full, path: 'c\*.csv', file_order: '[(x)' }
          |                                                                          ^^^^^^^
          = hint: write it like `entries_(\d{8})`; a bracket that is meant itself needs a `\` before it

        error: `path` leaves the source's folder
         --> domains/sales/domain.yaml:6:51
          |
        6 |   - { source: landing, name: d, mode: full, path: /dat/d.csv }
          |                                                   ^^^^^^^^^^
          = hint: write it from the source's folder, like `plans/*.csv`

        error: `path` is no pattern: unclosed alternate group; missing '}' (maybe escape '{' with '[{]'?)
         --> domains/sales/domain.yaml:7:51
          |
        7 |   - { source: landing, name: e, mode: full, path: '{e', columns: [a, b], key: [aa] }
          |                                                   ^^^^
          = hint: `*` stands for any part of a name, `**` for any folders, `[ab]` and `{a,b}` for a choice

        error: key column `aa` is not in `columns`
         --> domains/sales/domain.yaml:7:80
          |
        7 |   - { source: landing, name: e, mode: full, path: '{e', columns: [a, b], key: [aa] }
          |                                                                                ^^
          = hint: did you mean `a`?

        error: cursor column `updated` is not in `columns`
         --> domains/sales/domain.yaml:8:68
          |
        8 |   - { source: shop, table: f, mode: incremental, cursor: { column: updated }, columns: [id, updated_at] }
          |                                                                    ^^^^^^^
          = hint: add it to `columns`
    "#]],
    );
}

#[test]
fn folders_and_files_that_nothing_reads() {
    check(
        &with(
            "--- domains/finance.yaml\ndomain: finance\n--- domains/README.md\nText.\n--- domains/sales/sliver/a.yaml\nfrom: x\n--- domains/sales/bronze/b.yaml\nx: 1\n--- domains/sales/models/c.sql\nselect 1\n--- domains/sales/docs/d.md\nText.\n--- domains/sales/gold/g.SQL\nselect 1\n--- domains/sales/silver/s.Yaml\nfrom: x\n",
        ),
        expect![[r#"
            error: nothing reads this file
             --> domains/finance.yaml
              = hint: a domain is a folder: domains/sales/domain.yaml

            error: nothing reads this folder
             --> domains/sales/bronze
              = hint: karat fills bronze itself: declare `feeds` in domain.yaml

            error: nothing reads this file
             --> domains/sales/gold/g.SQL
              = hint: endings are written in small letters: rename it to `domains/sales/gold/g.sql`

            error: nothing reads this folder
             --> domains/sales/models
              = hint: models lie in `silver/` and `gold/`

            error: nothing reads this file
             --> domains/sales/silver/s.Yaml
              = hint: endings are written in small letters: rename it to `domains/sales/silver/s.yaml`

            error: nothing reads this folder
             --> domains/sales/sliver
              = hint: did you mean `silver`?
        "#]],
    );
}

/// One mistake is told once: what follows from it is not.
#[test]
fn a_file_that_cannot_be_read_is_told_once() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    crate::write(
        root,
        &with(
            "--- domains/sales/gold/a.sql\nselect p.id from sales_silver.plans p\n--- domains/sales/gold/b.sql\nselect id from sales_silver.customers\n--- domains/sales/gold/c.sql\nselect id from sales_silver.customers\n--- domains/sales/gold/c.yaml\ndescription: a: b\naccess: public\n--- domains/finance/domain.yaml\ndomain: finance\n--- domains/finance/gold/d.sql\nselect b.id from sales_gold.b join sales_gold.c on b.id = c.id\n",
        ),
    );
    let latin = |path: &str| std::fs::write(root.join(path), b"description: caf\xe9\n").unwrap();
    latin("domains/sales/silver/plans.yaml");
    latin("domains/sales/gold/b.yaml");
    let show = || crate::show(&karat_project::load(root, &|_| None));
    expect![[r#"
        error: the file is not UTF-8
         --> domains/sales/gold/b.yaml:1:17
          |
        1 | description: caf�
          |                 ^
          = hint: save it as UTF-8

        error: YAML: a `: ` cannot stand here
         --> domains/sales/gold/c.yaml:1:15
          |
        1 | description: a: b
          |               ^
          = hint: put the value in quotes if it contains `: `, or check the indentation

        error: the file is not UTF-8
         --> domains/sales/silver/plans.yaml:1:17
          |
        1 | description: caf�
          |                 ^
          = hint: save it as UTF-8
    "#]]
    .assert_eq(&show());
    // A karat.yaml that cannot be read does not hide the rest, and no source is missed for it.
    latin("karat.yaml");
    latin("domains/finance/domain.yaml");
    expect![[r#"
        error: the file is not UTF-8
         --> domains/finance/domain.yaml:1:17
          |
        1 | description: caf�
          |                 ^
          = hint: save it as UTF-8

        error: the file is not UTF-8
         --> domains/sales/gold/b.yaml:1:17
          |
        1 | description: caf�
          |                 ^
          = hint: save it as UTF-8

        error: YAML: a `: ` cannot stand here
         --> domains/sales/gold/c.yaml:1:15
          |
        1 | description: a: b
          |               ^
          = hint: put the value in quotes if it contains `: `, or check the indentation

        error: the file is not UTF-8
         --> domains/sales/silver/plans.yaml:1:17
          |
        1 | description: caf�
          |                 ^
          = hint: save it as UTF-8

        error: the file is not UTF-8
         --> karat.yaml:1:17
          |
        1 | description: caf�
          |                 ^
          = hint: save it as UTF-8
    "#]]
    .assert_eq(&show());
}

#[test]
fn spaces_and_umlauts_in_the_path_of_the_project() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("Zürich, größte Böen (2)");
    crate::write(
        &root,
        &with(
            "--- domains/sales/gold/grün.sql\nselect id from sales_silver.customers\n--- domains/sales/gold/a.sql\nselect 'größer' as wort, idd from sales_silver.customers\n",
        ),
    );
    expect![[r#"
        error: `sales_silver.customers` has no column `idd`
         --> domains/sales/gold/a.sql:1:26
          |
        1 | select 'größer' as wort, idd from sales_silver.customers
          |                          ^^^
          = hint: did you mean `id`?

        error: `grün` cannot be a table's name
         --> domains/sales/gold/grün.sql
          = hint: names are lower case letters, digits and `_`, a letter first: `gr_n`
    "#]]
    .assert_eq(&crate::show(&karat_project::load(&root, &|_| None)));
    std::fs::remove_file(root.join("domains/sales/gold/grün.sql")).unwrap();
    std::fs::write(
        root.join("domains/sales/gold/a.sql"),
        "select id from sales_silver.customers",
    )
    .unwrap();
    let loaded = karat_project::load(&root, &|_| None);
    assert_eq!(crate::show(&loaded), "nothing to say");
    assert_eq!(loaded.sound().unwrap().root, root);
}

#[test]
fn lines_of_windows_and_tabs() {
    let files = with(
        "--- domains/sales/gold/a.sql\nselect\n\tid,\n\tcompny\nfrom sales_silver.customers\n",
    ) + "--- domains/sales/silver/plans.yaml\nfrom: landing.plans\nselect:\n  a: |\n    cast(a\n    as )\n  b: \tb\nexpectations:\n  x: { expect: nope }\n";
    let folder = tempfile::tempdir().unwrap();
    crate::write(folder.path(), &files);
    let show = || crate::show(&karat_project::load(folder.path(), &|_| None));
    let unix = show();
    expect![[r#"
        error: `sales_silver.customers` has no column `compny`
         --> domains/sales/gold/a.sql:3:2
          |
        3 | 	compny
          | 	^^^^^^
          = hint: did you mean `company`?

        error: SQL: expected a data type name, found )
         --> domains/sales/silver/plans.yaml:5:8
          |
        5 |     as )
          |        ^

        error: unknown column `nope`: `select` does not name it
         --> domains/sales/silver/plans.yaml:8:16
          |
        8 |   x: { expect: nope }
          |                ^^^^
          = hint: an expectation sees the selected columns (C2)
    "#]]
    .assert_eq(&unix);
    for file in ["gold/a.sql", "silver/plans.yaml"] {
        let path = folder.path().join("domains/sales").join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replace('\n', "\r\n")).unwrap();
    }
    assert_eq!(show(), unix);
}

const WHOLE: &str = "--- domains/sales/silver/plans.yaml\nfrom: landing.plans\nselect:\n  id: cast(id as bigint)\n  note: |\n    trim(\n      \"note\")\n  \"day\": 'cast(day as date)'\nexpectations: { a: { expect: \"id > 0\", limit: 1% } }\nauto_cdc:\n  keys: [id]\n  sequence_by: day\n--- domains/sales/gold/a.sql\nwith x as (select id, note from sales_silver.plans)\nselect c.company, count(*) as n\nfrom x join sales_silver.customers c on c.id = x.id -- why\ngroup by c.company\n";

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever stands in the files: an answer, never a panic, and each place lies in its file.
    #[test]
    fn any_text_gives_an_answer(cuts in prop::collection::vec((any::<prop::sample::Index>(), 0_usize..4, "[-:{}\\[\\]'\"|>&*!#%@,. \t\r\n(a-cäß€_0-9]{0,3}"), 1..4)) {
        let mut text: Vec<char> = with(WHOLE).chars().collect();
        for (at, remove, insert) in cuts {
            let from = at.index(text.len());
            let to = (from + remove).min(text.len());
            text.splice(from..to, insert.chars());
        }
        let files: String = text.into_iter().collect();
        // A heading may be hurt; the files that are left still get an answer.
        prop_assume!(files.starts_with("--- karat.yaml\n") && files.matches("--- ").count() == 5);
        prop_assume!(files.split("--- ").skip(1).all(|part| part.split_once(".yaml\n").or(part.split_once(".sql\n")).is_some_and(|(path, _)| path.len() < 40 && path.chars().all(|c| c.is_ascii_lowercase() || c == '/'))));
        for found in crate::load_text(&files).diagnostics {
            prop_assert!(found.line == 0 || found.column >= 1);
            prop_assert!(found.column as usize <= found.source_line.chars().count() + 2, "{}", found);
        }
    }
}

#[test]
fn slips_of_yaml_say_how_it_is_written() {
    let project = |of: &str| {
        format!(
            "--- karat.yaml\nkarat: 1\nproject: p\ntargets:\n  dev: {{ lake: ./lake, default: yes }}\nsources:\n  l: {of}\n"
        )
    };
    check(
        &project("{ type: files, path: ${env:SHOP_PATH} }"),
        expect![[r#"
            error: YAML: a variable within `{ }` needs quotes
             --> karat.yaml:6:28
              |
            6 |   l: { type: files, path: ${env:SHOP_PATH} }
              |                            ^
              = hint: write it like `path: "${env:NAME}"`
        "#]],
    );
    check(
        &project("{ type: files, path: ./landing\ndefaults: {}"),
        expect![[r#"
            error: YAML: a `{` before this has no `}`, or its entries no `,` between them
             --> karat.yaml:7:9
              |
            7 | defaults: {}
              |         ^
              = hint: look at the lines before this one
        "#]],
    );
    check(
        &project("{ type: files, path: ./landing }"),
        expect![[r#"
            error: `default` must be true or false, found text
             --> karat.yaml:4:33
              |
            4 |   dev: { lake: ./lake, default: yes }
              |                                 ^^^
              = hint: write `default: true`
        "#]],
    );
    check(
        &feed("{ source: landing, name: f, mode: full, path: a.csv, csv: { encoding: latin1 } }"),
        expect![[r#"
            error: `encoding` must be `utf-8`, `utf-16`, `utf-16le`, `utf-16be` or `windows-1252`, found `latin1`
             --> domains/sales/domain.yaml:3:75
              |
            3 |   - { source: landing, name: f, mode: full, path: a.csv, csv: { encoding: latin1 } }
              |                                                                           ^^^^^^
              = hint: `windows-1252` reads it
        "#]],
    );
    check(
        &format!(
            "{}--- domains/sales/silver/s.yaml\nfrom: landing.f\nselect: {{ a: a }}\n",
            feed("{ source: lnding, name: f, mode: full, path: a.csv }")
        ),
        expect![[r#"
            error: there is no source `lnding`
             --> domains/sales/domain.yaml:3:15
              |
            3 |   - { source: lnding, name: f, mode: full, path: a.csv }
              |               ^^^^^^
              = hint: did you mean `landing`?
        "#]],
    );
}
