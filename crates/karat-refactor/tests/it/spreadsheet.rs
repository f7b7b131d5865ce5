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
