//! Every dialect and every kind of bad line: the rows must not depend on where chunks end.

use expect_test::{Expect, expect};
use karat_source::{CsvOptions, Encoding, FeedSpec};

use crate::show::{Folder, error_text, feed, load_all, show};

fn check_feed(bytes: impl AsRef<[u8]>, feed: &FeedSpec, expected: Expect) {
    let folder = Folder::new();
    folder.put("t.csv", bytes.as_ref(), 1);
    let read = |chunk| match load_all(&folder.source().with_chunk(chunk), feed) {
        Ok(batches) => show(&batches, false),
        Err(e) => error_text(&e),
    };
    let whole = read(1 << 18);
    for chunk in [1, 2, 3, 5, 8] {
        assert_eq!(read(chunk), whole, "chunks of {chunk} bytes");
    }
    expected.assert_eq(&whole);
}

fn check(bytes: impl AsRef<[u8]>, csv: CsvOptions, expected: Expect) {
    check_feed(bytes, &FeedSpec { csv, ..feed("t.csv") }, expected);
}

fn dialect(delimiter: &str, terminator: &str, quote: Option<char>) -> CsvOptions {
    CsvOptions { delimiter: delimiter.to_owned(), terminator: Some(terminator.to_owned()), quote, ..CsvOptions::default() }
}

#[test]
fn unquoted_empty_is_null_and_quoted_empty_is_empty() {
    check("Id,Name\n1,\n2,\"\"\n,x\n", CsvOptions::default(), expect![[r#""#]]);
}

#[test]
fn where_nothing_is_quoted_a_quote_is_text() {
    check("a|b\n\"\"|\"x\n", CsvOptions { delimiter: "|".to_owned(), quote: None, ..CsvOptions::default() }, expect![[r#""#]]);
}

#[test]
fn quotes_hold_delimiters_line_breaks_and_doubled_quotes() {
    check("a,b\r\n\"x,\r\ny\",\"say \"\"hi\"\"\"\r\n1,2\r\n\"\"\"\",\"\"\"\"\"\"\n", CsvOptions::default(), expect![[r#""#]]);
}

#[test]
fn line_ends_may_be_mixed_and_the_last_may_be_missing() {
    check("a,b\n1,2\r\n3,4\n\r5,6\r\r\n7,\"8\"", CsvOptions::default(), expect![[r#""#]]);
}

#[test]
fn a_declared_terminator_is_the_only_one() {
    check("a,b\n1,2\r\n", dialect(",", "\n", Some('"')), expect![[r#""#]]);
    check("a,b\r1,\"2\r3\"\r4,5\n6\r", dialect(",", "\r", Some('"')), expect![[r#""#]]);
    check("a+|b&|\n1+|x+y&z\nu&|\n2+|+|&|\n", dialect("+|", "&|\n", Some('"')), expect![[r#""#]]);
    check("a|b|\n1|2|\n|x|\n3|4|", dialect("|", "|\n", Some('"')), expect![[r#""#]]);
    check("a||b\n1||\"x||\ny\"\n|2||3\n", dialect("||", "\n", Some('"')), expect![[r#""#]]);
    check("a€b¶1€2¶3€4", dialect("€", "¶", None), expect![[r#""#]]);
    check("a;b;;1;\"2;;\";;3;4;;", dialect(";", ";;", Some('"')), expect![[r#""#]]);
}

#[test]
fn a_terminator_in_a_field_is_text_where_bulk_copy_wrote_it() {
    let csv = CsvOptions { terminator_in_fields: true, header: false, ..dialect("\t", "\n", None) };
    let spec = FeedSpec { csv, columns: Some(vec!["id".to_owned(), "text".to_owned(), "n".to_owned()]), ..feed("t.csv") };
    check_feed("1\ttwo\n\nlines\t7\n2\tone\t8\n3\tcut\n", &spec, expect![[r#""#]]);
}

#[test]
fn ragged_lines_are_kept_and_rescued() {
    check("a,b,c\n1\n1,2,3,4,,\"\"\n1,2\n", CsvOptions::default(), expect![[r#""#]]);
}

#[test]
fn stray_quotes_are_kept_as_they_stand_and_rescued() {
    check("a,b\n5\" disk,x\n\"ab\"c,y\n\"ab\"c\"d,\"\"e\"\"\n1,2\n", CsvOptions::default(), expect![[r#""#]]);
}

#[test]
fn a_quote_never_closed_keeps_the_rest_of_the_file() {
    check("a,b,c\n1,2,3\n4,\"five\n6,7,8\n", CsvOptions::default(), expect![[r#""#]]);
    check("a\n\"five\"\"", CsvOptions::default(), expect![[r#""#]]);
    check("a\n1,\"x\xFFy".as_bytes(), CsvOptions::default(), expect![[r#""#]]);
    check("\"a,b\n1,2\n", CsvOptions::default(), expect![[r#""#]]);
}

#[test]
fn a_trailing_delimiter_in_every_line_makes_an_unnamed_column() {
    check("Date,USD,\n2026-10-30,1.1,\n2026-10-29,N/A,\n", CsvOptions::default(), expect![[r#""#]]);
}

#[test]
fn blank_lines_are_rows_only_where_there_is_one_column() {
    check("\n\na,b\n\n1,2\n\r\n3,4\n\"\"\n", CsvOptions::default(), expect![[r#""#]]);
    check("a\n1\n\n\"\"\n2\n", CsvOptions::default(), expect![[r#""#]]);
}

#[test]
fn files_without_rows_are_fine() {
    for (text, csv) in [("", CsvOptions::default()), ("a,b\n", CsvOptions::default()), ("\u{feff}", CsvOptions::default()), ("\n\n", CsvOptions::default())] {
        check(text, csv, expect![[""]]);
    }
}

#[test]
fn declared_columns_name_the_fields() {
    let csv = CsvOptions { header: false, ..CsvOptions::default() };
    let spec = FeedSpec { csv: csv.clone(), columns: Some(vec!["Id".to_owned(), "Name".to_owned()]), ..feed("t.csv") };
    check_feed("1,x\n2,y\n", &spec, expect![[r#""#]]);
    check("1,x\n", csv, expect![[r#""#]]);
}

#[test]
fn columns_not_chosen_do_not_land_even_when_a_row_is_rescued() {
    let spec = FeedSpec { columns: Some(vec!["c".to_owned(), "A".to_owned()]), ..feed("t.csv") };
    check_feed("A,secret,C\n1,s,3\n1,s\n1,s,3,s\n\"1\"x,s,3\n1,\"s,3\n", &spec, expect![[r#""#]]);
    check_feed("A,secret\n1,s\n", &spec, expect![[r#""#]]);
}

#[test]
fn headers_that_fold_alike_are_refused() {
    check("id,Total (EUR),total_(eur)\n", CsvOptions::default(), expect![[r#""#]]);
}

#[test]
fn invalid_utf8_rescues_the_row_with_its_bytes() {
    check(b"a,b\n1,x\xFFy\n\xC3,\xC3\xA4\n2,ok\n3,\xE2\x82\n4,x,\x80\n".as_slice(), CsvOptions::default(), expect![[r#""#]]);
}

#[test]
fn other_encodings_are_read() {
    let utf16: Vec<u8> = "\u{feff}a;b\r\n1;ä€😀\r\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let semicolon = |encoding| CsvOptions { delimiter: ";".to_owned(), encoding, ..CsvOptions::default() };
    check(utf16, semicolon(Encoding::Utf8), expect![[r#""#]]);
    let mut broken: Vec<u8> = "a;b\n1;x".encode_utf16().flat_map(u16::to_be_bytes).collect();
    broken.extend([0xD8, 0x00, 0x00, b'y', 0x00, b'\n', 0x00, b'2', 0x07]);
    check(broken, semicolon(Encoding::Utf16Be), expect![[r#""#]]);
    check(b"a;b\n1;\x80 \xE4\n".as_slice(), semicolon(Encoding::Windows1252), expect![[r#""#]]);
    check(b"\xEF\xBB\xBF\"a\";b\n1;\xC3\xA4\n".as_slice(), semicolon(Encoding::Windows1252), expect![[r#""#]]);
}

#[test]
fn dialects_that_cannot_be_read_are_refused() {
    check("", dialect("", "\n", None), expect![[r#""#]]);
    check("", dialect("\n", "\n", None), expect![[r#""#]]);
    check("", dialect("\"", "\n", Some('"')), expect![[r#""#]]);
    check("", dialect(",", "\n", Some('»')), expect![[r#""#]]);
}

#[test]
fn a_row_longer_than_the_limit_is_an_error() {
    let csv = CsvOptions { max_line_bytes: 10, ..CsvOptions::default() };
    check("a,b\n0123456,89\n1,2\n", csv.clone(), expect![[r#""#]]);
    check("a,b\n1,2\n0123456,890\n1,2\n", csv.clone(), expect![[r#""#]]);
    check("a,b\n1,\"2\n3,4\n5,6\n7,8\n", csv, expect![[r#""#]]);
}

#[test]
fn many_rows_come_in_batches_and_are_numbered_through() {
    let folder = Folder::new();
    let mut text = String::from("n,t\n");
    for n in 0..20_000 {
        text.push_str(&format!("{n},{}\n", "x".repeat(n % 40)));
    }
    folder.put("t.csv", &text, 1);
    let batches = load_all(&folder.source(), &feed("t.csv")).unwrap();
    let sizes: Vec<usize> = batches.iter().map(|b| b.batch.num_rows()).collect();
    assert_eq!(sizes, [8192, 8192, 3616]);
    let shown = show(&batches, true);
    let lines: Vec<&str> = shown.lines().collect();
    expect![[r#""#]].assert_eq(&[lines[0], lines[1], lines[2], lines[8193], lines[20_000]].join("\n"));
    for (n, line) in lines[1..].iter().enumerate() {
        let text = if n % 40 == 0 { "∅".to_owned() } else { "x".repeat(n % 40) };
        assert!(line.starts_with(&format!("{}: {n} | {text}   I t.csv", n + 2)));
    }
}
