//! Workbooks: cells as the text that Excel shows for a value, the sheet, header and range that a feed names, merged cells, and days that are none.

use std::io::Write;

use expect_test::{Expect, expect};
use karat_source::{ExcelOptions, FeedSpec, Format, Known, Source};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use crate::show::{Folder, error_text, feed, load_all, show};

const SHEETS: &str = r#"<sheet name="Cover" sheetId="1" state="hidden" r:id="rId1"/><sheet name="Plan 2026" sheetId="2" r:id="rId2"/><sheet name="Other" sheetId="3" r:id="rId3"/>"#;
/// Styles: 0 plain, 1 a date, 2 a date with time, 3 a duration, 4 an amount.
const STYLES: &str = r##"<styleSheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><numFmts count="3"><numFmt numFmtId="164" formatCode="yyyy\-mm\-dd hh:mm:ss"/><numFmt numFmtId="165" formatCode="[h]:mm:ss"/><numFmt numFmtId="166" formatCode="#,##0.00"/></numFmts><cellXfs count="5"><xf numFmtId="0"/><xf numFmtId="14"/><xf numFmtId="164"/><xf numFmtId="165"/><xf numFmtId="166"/></cellXfs></styleSheet>"##;

/// A workbook as Excel writes it: rows of the visible sheet, and what follows them in its XML.
fn xlsx(date1904: bool, rows: &str, after: &str) -> Vec<u8> {
    let main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
    let office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
    let sheet = |rows: &str, after: &str| {
        format!(
            r#"<?xml version="1.0" encoding="UTF-8"?><worksheet xmlns="{main}"><sheetData>{rows}</sheetData>{after}</worksheet>"#
        )
    };
    let one = |text: &str| {
        sheet(
            &format!(
                r#"<row r="1"><c r="A1" t="inlineStr"><is><t>{text}</t></is></c></row><row r="2"><c r="A2"><v>1</v></c></row>"#
            ),
            "",
        )
    };
    let properties = if date1904 {
        r#"<workbookPr date1904="1"/>"#
    } else {
        ""
    };
    let relation = |n: u32| {
        format!(
            r#"<Relationship Id="rId{n}" Type="{office}/worksheet" Target="worksheets/sheet{n}.xml"/>"#
        )
    };
    let package = "http://schemas.openxmlformats.org/package/2006";
    let files = [
        (
            "[Content_Types].xml",
            format!(
                r#"<Types xmlns="{package}/content-types"><Default Extension="xml" ContentType="application/xml"/></Types>"#
            ),
        ),
        (
            "_rels/.rels",
            format!(
                r#"<Relationships xmlns="{package}/relationships"><Relationship Id="rId1" Type="{office}/officeDocument" Target="xl/workbook.xml"/></Relationships>"#
            ),
        ),
        (
            "xl/workbook.xml",
            format!(
                r#"<workbook xmlns="{main}" xmlns:r="{office}">{properties}<sheets>{SHEETS}</sheets></workbook>"#
            ),
        ),
        (
            "xl/_rels/workbook.xml.rels",
            format!(
                r#"<Relationships xmlns="{package}/relationships">{}{}{}<Relationship Id="rId9" Type="{office}/styles" Target="styles.xml"/></Relationships>"#,
                relation(1),
                relation(2),
                relation(3)
            ),
        ),
        ("xl/styles.xml", STYLES.to_owned()),
        ("xl/worksheets/sheet1.xml", one("secret")),
        ("xl/worksheets/sheet2.xml", sheet(rows, after)),
        ("xl/worksheets/sheet3.xml", one("other")),
    ];
    let mut packer = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, text) in files {
        packer
            .start_file(name, SimpleFileOptions::default())
            .unwrap();
        packer.write_all(text.as_bytes()).unwrap();
    }
    packer.finish().unwrap().into_inner()
}

/// Rows of cells: `#1` a number, `d:` a date, `t:` a time, `h:` a duration, `m:` an amount, `b:` a boolean, `!:` an error, `=:` a formula with its
/// value, nothing for no cell, else a text.
fn rows(first: u32, lines: &[&[&str]]) -> String {
    let mut out = String::new();
    for (i, line) in lines.iter().enumerate() {
        let row = first + i as u32;
        out.push_str(&format!(r#"<row r="{row}">"#));
        for (at, cell) in line.iter().enumerate() {
            let place = format!("{}{row}", char::from(b'A' + at as u8));
            let (kind, value) = cell
                .split_once(':')
                .unwrap_or(match cell.strip_prefix('#') {
                    Some(number) => ("#", number),
                    None => (
                        cell.get(..0).filter(|_| cell.is_empty()).unwrap_or("'"),
                        *cell,
                    ),
                });
            out.push_str(&match kind {
                "" => String::new(),
                "#" => format!(r#"<c r="{place}"><v>{value}</v></c>"#),
                "d" => format!(r#"<c r="{place}" s="1"><v>{value}</v></c>"#),
                "t" => format!(r#"<c r="{place}" s="2"><v>{value}</v></c>"#),
                "h" => format!(r#"<c r="{place}" s="3"><v>{value}</v></c>"#),
                "m" => format!(r#"<c r="{place}" s="4"><v>{value}</v></c>"#),
                "b" => format!(r#"<c r="{place}" t="b"><v>{value}</v></c>"#),
                "!" => format!(r##"<c r="{place}" t="e"><v>{value}</v></c>"##),
                "=" => format!(r#"<c r="{place}"><f>1+1</f><v>{value}</v></c>"#),
                _ => format!(r#"<c r="{place}" t="inlineStr"><is><t>{cell}</t></is></c>"#),
            });
        }
        out.push_str("</row>");
    }
    out
}

fn spec(excel: ExcelOptions) -> FeedSpec {
    FeedSpec {
        format: Format::Excel,
        excel,
        ..feed("*")
    }
}

fn check(bytes: &[u8], spec: &FeedSpec, expected: Expect) {
    let folder = Folder::new();
    folder.put("t.xlsx", bytes, 1);
    let source = folder.source();
    let planned = match source.plan(spec, &Known::Files(Vec::new())) {
        Ok(planned) => planned,
        Err(e) => return expected.assert_eq(&error_text(&e)),
    };
    if let Some(reason) = &planned.loads[0].objects[0].broken {
        return expected.assert_eq(&format!("broken: {reason}\n"));
    }
    expected.assert_eq(&show(&load_all(&source, spec).unwrap(), false));
}

#[test]
fn cells_are_the_text_that_excel_shows_for_a_value() {
    let lines = rows(
        1,
        &[
            &["Id", "Value", "In EUR", "", "_x"],
            &["#1", "#0.1", "m:1234.50", "text", "b:1"],
            &["#12", "#1E+20", "#-0", "", "b:0"],
            &[
                "#3",
                "=:2",
                "#1.0000000000000002E-5",
                "=:0.30000000000000004",
                "",
            ],
            &[],
            &["#4", "!:#N/A", "!:#DIV/0!", "#1", ""],
        ],
    );
    check(
        &xlsx(false, &lines, ""),
        &spec(ExcelOptions::default()),
        expect![[r##"
               id | value | in_eur | column_4 | src__x
            2: 1 | 0.1 | 1234.5 | text | TRUE
            3: 12 | 100000000000000000000 | 0 | ∅ | FALSE
            4: 3 | 2 | 0.000010000000000000003 | 0.30000000000000004 | ∅
            6: 4 | ∅ | ∅ | 1 | ∅   {"reason":"error_value","values":{"value":"#N/A","in_eur":"#DIV/0!"}}
        "##]],
    );
}

#[test]
fn days_of_both_calendars_and_those_that_are_none() {
    let lines = rows(
        1,
        &[
            &["what", "day"],
            &["first", "d:1"],
            &["28 Feb 1900", "d:59"],
            &["29 Feb 1900", "d:60"],
            &["1 Mar 1900", "d:61"],
            &["2026-01-05", "d:46027"],
            &["noon", "t:46027.5"],
            &["milli", "t:46027.000011574074"],
            &["time", "t:0.75"],
            &["hours", "h:1.5"],
            &["before", "d:-1"],
            &["last", "d:2958465"],
            &["beyond", "d:2958466"],
        ],
    );
    check(
        &xlsx(false, &lines, ""),
        &spec(ExcelOptions::default()),
        expect![[r#"
               what | day
            2: first | 1900-01-01
            3: 28 Feb 1900 | 1900-02-28
            4: 29 Feb 1900 | ∅   {"reason":"no_such_day","values":{"day":"1900-02-29"}}
            5: 1 Mar 1900 | 1900-03-01
            6: 2026-01-05 | 2026-01-05
            7: noon | 2026-01-05 12:00:00
            8: milli | 2026-01-05 00:00:01
            9: time | 18:00:00
            10: hours | 36:00:00
            11: before | ∅   {"reason":"date_before_1900","values":{"day":"-1"}}
            12: last | 9999-12-31
            13: beyond | ∅   {"reason":"date_out_of_range","values":{"day":"2958466"}}
        "#]],
    );
    check(
        &xlsx(true, &lines, ""),
        &spec(ExcelOptions::default()),
        expect![[r#"
               what | day
            2: first | 1904-01-02
            3: 28 Feb 1900 | 1904-02-29
            4: 29 Feb 1900 | 1904-03-01
            5: 1 Mar 1900 | 1904-03-02
            6: 2026-01-05 | 2030-01-06
            7: noon | 2030-01-06 12:00:00
            8: milli | 2030-01-06 00:00:01
            9: time | 18:00:00
            10: hours | 36:00:00
            11: before | ∅   {"reason":"date_before_1900","values":{"day":"-1"}}
            12: last | ∅   {"reason":"date_out_of_range","values":{"day":"2958465"}}
            13: beyond | ∅   {"reason":"date_out_of_range","values":{"day":"2958466"}}
        "#]],
    );
}

#[test]
fn the_sheet_the_header_and_the_range_are_what_the_feed_says() {
    let lines = format!(
        "{}{}",
        rows(1, &[&["Plan of the year"], &["as of", "d:46027"]]),
        rows(
            4,
            &[
                &["", "id", "v", "note"],
                &["x", "#1", "one", "n"],
                &["", "", "", ""],
                &["", "#2", "two", ""],
                &["", "sum", "#3", ""]
            ]
        )
    );
    let book = xlsx(false, &lines, "");
    let at = |excel| spec(excel);
    let header = ExcelOptions {
        header_row: Some(4),
        ..ExcelOptions::default()
    };
    check(
        &book,
        &at(header.clone()),
        expect![[r#"
               id | v | note
            5: 1 | one | n
            7: 2 | two | ∅
            8: sum | 3 | ∅
        "#]],
    );
    let range = ExcelOptions {
        range: Some("B4:C7".to_owned()),
        ..ExcelOptions::default()
    };
    check(
        &book,
        &at(range),
        expect![[r#"
               id | v
            5: 1 | one
            7: 2 | two
        "#]],
    );
    for sheet in ["Cover", "3", "Nowhere"] {
        let excel = ExcelOptions {
            sheet: Some(sheet.to_owned()),
            ..ExcelOptions::default()
        };
        let expected = match sheet {
            "Cover" => expect![[r#"
                   secret
                2: 1
            "#]],
            "3" => expect![[r#"
                   other
                2: 1
            "#]],
            _ => expect![[r#"
                broken: it has no sheet `Nowhere`; its sheets are `Cover`, `Plan 2026`, `Other`
            "#]],
        };
        check(&book, &at(excel), expected);
    }
    let empty = ExcelOptions {
        header_row: Some(3),
        ..ExcelOptions::default()
    };
    check(
        &book,
        &at(empty),
        expect![[r#"
        broken: its header, row 3, is empty
    "#]],
    );
    let wrong = ExcelOptions {
        range: Some("4:7".to_owned()),
        ..ExcelOptions::default()
    };
    check(
        &book,
        &at(wrong),
        expect![[r#"
        Config: cannot read the range `4:7` of feed `f`
        hint: write it like `A1:F`, `B3:D200` or `A:F`
    "#]],
    );
    let chosen = FeedSpec {
        columns: Some(vec!["v".to_owned()]),
        ..at(header)
    };
    check(
        &book,
        &chosen,
        expect![[r#"
               v
            5: one
            7: two
            8: 3
        "#]],
    );
}

#[test]
fn a_merged_cell_has_its_value_once_or_everywhere() {
    let lines = format!(
        "{}{}",
        rows(
            1,
            &[
                &["region", "city", "n"],
                &["North", "Kiel", "#1"],
                &["", "Bremen", "#2"]
            ]
        ),
        rows(6, &[&["South", "", "#3"]])
    );
    let merged =
        r#"<mergeCells count="2"><mergeCell ref="A2:A4"/><mergeCell ref="A6:B6"/></mergeCells>"#;
    let book = xlsx(false, &lines, merged);
    check(
        &book,
        &spec(ExcelOptions::default()),
        expect![[r#"
           region | city | n
        2: North | Kiel | 1
        3: ∅ | Bremen | 2
        6: South | ∅ | 3
    "#]],
    );
    let filled = ExcelOptions {
        fill_merged: true,
        ..ExcelOptions::default()
    };
    check(
        &book,
        &spec(filled),
        expect![[r#"
           region | city | n
        2: North | Kiel | 1
        3: North | Bremen | 2
        4: North | ∅ | ∅
        6: South | South | 3
    "#]],
    );
}

#[test]
fn what_is_no_workbook_is_a_broken_object() {
    let book = xlsx(false, &rows(1, &[&["id"], &["#1"]]), "");
    let twice = xlsx(false, &rows(1, &[&["id", "ID"], &["#1", "#2"]]), "");
    check(
        &book[..book.len() / 2],
        &spec(ExcelOptions::default()),
        expect![[r#"
            broken: ZIP archive ends early
        "#]],
    );
    check(
        b"id,v\n1,x\n",
        &spec(ExcelOptions::default()),
        expect![[r#"
            broken: it is no workbook that can be read: xlsx, xlsb, xls and ods without a password are
        "#]],
    );
    check(
        &twice,
        &spec(ExcelOptions::default()),
        expect![[r#"
        broken: its header, row 1, cannot be read: `id` (column 1) and `ID` (column 2) are both `id` in lower case letters, digits and `_`
    "#]],
    );
    let mut small = spec(ExcelOptions::default());
    small.unpack.max_bytes = 2_000;
    check(
        &book,
        &small,
        expect![[r#"
        broken: it unpacks to more than 2000 bytes: `max_bytes` of the feed's `unpack` is the limit
    "#]],
    );
    // A bit of damage is a broken object, or none to what is read.
    let folder = Folder::new();
    let source = folder.source();
    for at in (0..book.len()).step_by(97) {
        let mut damaged = book.clone();
        damaged[at] ^= 0x55;
        folder.put("t.xlsx", &damaged, at as u64);
        let planned = source
            .plan(&spec(ExcelOptions::default()), &Known::Files(Vec::new()))
            .unwrap();
        if planned.loads[0].objects[0].broken.is_none() {
            load_all(&source, &spec(ExcelOptions::default())).unwrap();
        }
    }
}
