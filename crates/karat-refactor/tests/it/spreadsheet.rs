//! What people do to a mapping in a spreadsheet: told, or stopped, before a name becomes a wrong one.

use expect_test::expect;
use karat_refactor::mapping::document;

use crate::soak_inputs::workbook_of;

/// Rows of texts, as a spreadsheet has them; `=` begins a formula without a value.
fn rows(rows: &[&[&str]]) -> String {
    let mut text = String::from("<sheetData>");
    for (at, row) in rows.iter().enumerate() {
        let hidden = if row.first() == Some(&"hidden") {
            " hidden=\"1\""
        } else {
            ""
        };
        text += &format!("<row r=\"{}\"{hidden}>", at + 1);
        for (column, cell) in ('A'..).zip(*row) {
            let place = format!("{column}{}", at + 1);
            text += &match cell.strip_prefix('=') {
                Some(formula) => format!("<c r=\"{place}\"><f>{formula}</f></c>"),
                None if cell.is_empty() => String::new(),
                None => format!("<c r=\"{place}\" t=\"inlineStr\"><is><t>{cell}</t></is></c>"),
            };
        }
        text += "</row>";
    }
    text + "</sheetData>"
}

const HEAD: &[&str] = &[
    "note",
    "old_database",
    "old_table",
    "new_catalog",
    "new_schema",
];

fn problems(sheets: &[(&str, &str, &str)]) -> String {
    match document::read("m.xlsx", &workbook_of(sheets)) {
        Ok(reading) => {
            let told = reading.problems.iter();
            let told: String = told
                .map(|one| format!("{:?} {one}\n", one.weight))
                .collect();
            format!("{told}{} tables\n", reading.mapping.tables().count())
        }
        Err(error) => format!("{error}\n"),
    }
}

#[test]
fn what_a_spreadsheet_hides_is_told() {
    let good: &[&str] = &["", "sales", "orders", "prod", "shop"];
    let formula = rows(&[HEAD, good, &["", "sales", "items", "prod", "=LOWER(B3)"]]);
    expect![[r#"
        Error row 3, column `new_schema`: `=LOWER(B3)` is a formula, not a value: paste the values
        1 tables
    "#]]
    .assert_eq(&problems(&[("m", "", &formula)]));
    // Rows 2 to 3 of `new_schema` are one cell; the note may be merged as it likes.
    let merged = rows(&[HEAD, good, &["", "sales", "items", "prod", ""]]);
    let merged = format!(
        "{merged}<mergeCells><mergeCell ref=\"E2:E3\"/><mergeCell ref=\"A2:A3\"/></mergeCells>"
    );
    expect![[r#"
        Error row 2, column `new_schema`: the cells of rows 2 to 3 are merged, and only the first has a text: unmerge them, and fill in each
        2 tables
    "#]].assert_eq(&problems(&[("m", "", &merged)]));
    let hidden = rows(&[HEAD, good, &["hidden", "sales", "items", "prod", ""]]);
    expect![[r#"
        Warning row 3: the row is hidden, and counts all the same, as all hidden rows: take out what must not be moved
        2 tables
    "#]].assert_eq(&problems(&[("m", "", &hidden)]));
}

#[test]
fn one_sheet_is_the_mapping() {
    let new = rows(&[HEAD, &["", "sales", "orders", "prod", "shop"]]);
    let old = rows(&[
        HEAD,
        &["", "sales", "orders", "dev", "shop"],
        &["", "a", "b", "dev", ""],
    ]);
    let other = rows(&[&["what", "who"], &["old_database", "x"]]);
    expect![[r#"
        cannot read `m.xlsx`: its sheets `old` and `new` both have columns of a mapping: keep one, or hide the other
    "#]].assert_eq(&problems(&[("old", "", &old), ("new", "", &new)]));
    expect![[r#"
        1 tables
    "#]]
    .assert_eq(&problems(&[
        ("old", "state=\"hidden\"", &old),
        ("about", "", &other),
        ("new", "", &new),
    ]));
    expect![[r#"
        2 tables
    "#]]
    .assert_eq(&problems(&[
        ("about", "", &other),
        ("old", "state=\"hidden\"", &old),
    ]));
}

#[test]
fn tables_that_would_get_one_new_name_by_a_rule() {
    let told = |rows: &str| {
        let text = format!("old_database,old_table,new_catalog,new_schema,new_table\n{rows}");
        let reading = document::read("m.csv", text.as_bytes()).unwrap();
        let told = reading.problems.iter();
        told.map(|problem| format!("{:?}: {problem}\n", problem.weight))
            .collect::<String>()
    };
    let told = [
        told("a,*,p,s,*\nb,t,p,s,t\n"),
        told("dev_*,*,p,*,*\nb,t,p,sales,t\n"),
        told("a,x_*,p,s,*\nb,t,p,s,t\n"),
        told("a,*,p,s,*\nb,*,p,s,*\n"),
        // A row that its own rule agrees with, a rule that a row takes the table from, and rules that part.
        told("a,*,p,s,*\na,t,p,s,t\n"),
        told("a,*,p,s,*\nb,t,p,s,t\na,t,p,s,t1\n"),
        told("a,*,p,s,*\nb,*,q,s,*\nc,*,p,s,c_*\n*,*,p,*,*\n"),
        told(""),
    ];
    expect![[r#"
        Warning: row 3, column `new_table`: `b.t` becomes `p.s.t`, and so would `a.t` by the rule in row 2, if there is such a table
        --
        Warning: row 3, column `new_table`: `b.t` becomes `p.sales.t`, and so would `dev_sales.t` by the rule in row 2, if there is such a table
        --
        --
        Warning: row 3, column `new_schema`: tables of one name in `b` and in `a` (row 2) would both go to `p.s`, under that name
        --
        --
        Warning: row 4, column `new_table`: `a.t` becomes `p.s.t1`, and so would `a.t1` by the rule in row 2, if there is such a table
        --
        --
        Error: row 1: no row below says what becomes of a table, a database or a path, so no name would be found
    "#]].assert_eq(&told.join("--\n"));
}
