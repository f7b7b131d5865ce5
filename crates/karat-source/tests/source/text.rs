//! Every dialect and every kind of bad line: the rows must not depend on where chunks end.

use expect_test::{Expect, expect};
use karat_source::csv::{CsvReader, Dialect};
use karat_source::decode::Decoded;
use karat_source::{CsvOptions, Encoding, ErrorKind, FeedSpec, Known, Source, SourceError};

use crate::show::{Folder, collect, error_text, feed, load_all, show};

fn check_feed(bytes: impl AsRef<[u8]>, feed: &FeedSpec, expected: Expect) {
    let folder = Folder::new();
    folder.put("t.csv", bytes.as_ref(), 1);
    let read = |chunk| {
        let source = folder.source().with_chunk(chunk);
        let load = match source.plan(feed, &Known::Files(Vec::new())) {
            Ok(planned) => planned.loads.into_iter().next().unwrap(),
            Err(e) => return error_text(&e),
        };
        match (&load.objects[0].broken, collect(&source, feed, &load)) {
            (Some(reason), _) => format!("broken: {reason}\n"),
            (None, Ok(batches)) => show(&batches, false),
            (None, Err(e)) => error_text(&e),
        }
    };
    let whole = read(1 << 18);
    for chunk in [1, 2, 3, 5, 8] {
        assert_eq!(read(chunk), whole, "chunks of {chunk} bytes");
    }
    expected.assert_eq(&whole);
}

fn check(bytes: impl AsRef<[u8]>, csv: CsvOptions, expected: Expect) {
    check_feed(
        bytes,
        &FeedSpec {
            csv,
            ..feed("t.csv")
        },
        expected,
    );
}

fn dialect(delimiter: &str, terminator: &str, quote: Option<char>) -> CsvOptions {
    CsvOptions {
        delimiter: delimiter.to_owned(),
        terminator: Some(terminator.to_owned()),
        quote,
        ..CsvOptions::default()
    }
}

#[test]
fn unquoted_empty_is_null_and_quoted_empty_is_empty() {
    check(
        "Id,Name\n1,\n2,\"\"\n,x\n",
        CsvOptions::default(),
        expect![[r#"
           id | name
        2: 1 | ∅
        3: 2 | ''
        4: ∅ | x
    "#]],
    );
}

#[test]
fn where_nothing_is_quoted_a_quote_is_text() {
    check(
        "a|b\n\"\"|\"x\n",
        CsvOptions {
            delimiter: "|".to_owned(),
            quote: None,
            ..CsvOptions::default()
        },
        expect![[r#"
           a | b
        2: "" | "x
    "#]],
    );
}

#[test]
fn quotes_hold_delimiters_line_breaks_and_doubled_quotes() {
    check(
        "a,b\r\n\"x,\r\ny\",\"say \"\"hi\"\"\"\r\n1,2\r\n\"\"\"\",\"\"\"\"\"\"\n",
        CsvOptions::default(),
        expect![[r#"
           a | b
        2: x,\r\ny | say "hi"
        4: 1 | 2
        5: " | ""
    "#]],
    );
}

#[test]
fn line_ends_may_be_mixed_and_the_last_may_be_missing() {
    check(
        "a,b\n1,2\r\n3,4\n\r5,6\r\r\n7,\"8\"",
        CsvOptions::default(),
        expect![[r#"
           a | b
        2: 1 | 2
        3: 3 | 4
        4: \r5 | 6\r
        5: 7 | 8
    "#]],
    );
}

#[test]
fn a_declared_terminator_is_the_only_one() {
    check(
        "a,b\n1,2\r\n",
        dialect(",", "\n", Some('"')),
        expect![[r#"
           a | b
        2: 1 | 2\r
    "#]],
    );
    check(
        "a,b\r1,\"2\r3\"\r4,5\n6\r",
        dialect(",", "\r", Some('"')),
        expect![[r#"
           a | b
        2: 1 | 2\r3
        4: 4 | 5\n6
    "#]],
    );
    check(
        "a+|b&|\n1+|x+y&z\nu&|\n2+|+|&|\n",
        dialect("+|", "&|\n", Some('"')),
        expect![[r#"
           a | b
        2: 1 | x+y&z\nu
        4: 2 | ∅   {"reason":"too_many_fields","extra":[null]}
    "#]],
    );
    check(
        "a|b|\n1|2|\n|x|\n3|4|",
        dialect("|", "|\n", Some('"')),
        expect![[r#"
           a | b
        2: 1 | 2
        3: ∅ | x
        4: 3 | 4   {"reason":"too_many_fields","extra":[null]}
    "#]],
    );
    check(
        "a||b\n1||\"x||\ny\"\n|2||3\n",
        dialect("||", "\n", Some('"')),
        expect![[r#"
           a | b
        2: 1 | x||\ny
        4: |2 | 3
    "#]],
    );
    check(
        "a€b¶1€2¶3€4",
        dialect("€", "¶", None),
        expect![[r#"
           a | b
        2: 1 | 2
        3: 3 | 4
    "#]],
    );
    check(
        "a;b;;1;\"2;;\";;3;4;;",
        dialect(";", ";;", Some('"')),
        expect![[r#"
           a | b
        2: 1 | 2;;
        4: 3 | 4
    "#]],
    );
}

#[test]
fn a_terminator_in_a_field_is_text_where_bulk_copy_wrote_it() {
    let csv = CsvOptions {
        terminator_in_fields: true,
        header: false,
        ..dialect("\t", "\n", None)
    };
    let spec = FeedSpec {
        csv,
        columns: Some(vec!["id".to_owned(), "text".to_owned(), "n".to_owned()]),
        ..feed("t.csv")
    };
    check_feed(
        "1\ttwo\n\nlines\t7\n2\tone\t8\n3\tcut\n",
        &spec,
        expect![[r#"
           id | text | n
        1: 1 | two\n\nlines | 7
        4: 2 | one | 8
        5: 3 | cut\n | ∅   {"reason":"missing_fields","missing":["n"]}
    "#]],
    );
}

#[test]
fn ragged_lines_are_kept_and_rescued() {
    check(
        "a,b,c\n1\n1,2,3,4,,\"\"\n1,2\n",
        CsvOptions::default(),
        expect![[r#"
           a | b | c
        2: 1 | ∅ | ∅   {"reason":"missing_fields","missing":["b","c"]}
        3: 1 | 2 | 3   {"reason":"too_many_fields","extra":["4",null,""]}
        4: 1 | 2 | ∅   {"reason":"missing_fields","missing":["c"]}
    "#]],
    );
}

#[test]
fn stray_quotes_are_kept_as_they_stand_and_rescued() {
    check(
        "a,b\n5\" disk,x\n\"ab\"c,y\n\"ab\"c\"d,\"\"e\"\"\n1,2\n",
        CsvOptions::default(),
        expect![[r#"
           a | b
        2: 5" disk | x   {"reason":"stray_quote","stray":["a"]}
        3: "ab"c | y   {"reason":"stray_quote","stray":["a"]}
        4: "ab"c"d | ""e""   {"reason":"stray_quote","stray":["a","b"]}
        5: 1 | 2
    "#]],
    );
}

#[test]
fn a_quote_never_closed_keeps_the_rest_of_the_file() {
    check(
        "a,b,c\n1,2,3\n4,\"five\n6,7,8\n",
        CsvOptions::default(),
        expect![[r#"
           a | b | c
        2: 1 | 2 | 3
        3: 4 | ∅ | ∅   {"reason":"unclosed_quote","column":"b","text":"\"five\n6,7,8\n"}
    "#]],
    );
    check(
        "a\n\"five\"\"",
        CsvOptions::default(),
        expect![[r#"
           a
        2: ∅   {"reason":"unclosed_quote","column":"a","text":"\"five\"\""}
    "#]],
    );
    check(
        b"a\n1,\"x\xFFy".as_slice(),
        CsvOptions::default(),
        expect![[r#"
           a
        2: 1   {"reason":"unclosed_quote","hex":"2278ff79"}
    "#]],
    );
    check(
        "\"a,b\n1,2\n",
        CsvOptions::default(),
        expect![[r#"
            broken: its header cannot be read: a quote in it is never closed; `csv: { quote: none }` of a feed reads files in which nothing is quoted
        "#]],
    );
}

#[test]
fn a_trailing_delimiter_in_every_line_makes_an_unnamed_column() {
    check(
        "Date,USD,\n2026-10-30,1.1,\n2026-10-29,N/A,\n",
        CsvOptions::default(),
        expect![[r#"
           date | usd | column_3
        2: 2026-10-30 | 1.1 | ∅
        3: 2026-10-29 | N/A | ∅
    "#]],
    );
}

#[test]
fn blank_lines_are_rows_only_where_there_is_one_column() {
    check(
        "\n\na,b\n\n1,2\n\r\n3,4\n\"\"\n",
        CsvOptions::default(),
        expect![[r#"
           a | b
        5: 1 | 2
        7: 3 | 4
        8: '' | ∅   {"reason":"missing_fields","missing":["b"]}
    "#]],
    );
    check(
        "a\n1\n\n\"\"\n2\n",
        CsvOptions::default(),
        expect![[r#"
           a
        2: 1
        3: ∅
        4: ''
        5: 2
    "#]],
    );
}

#[test]
fn files_without_rows_are_fine() {
    for (text, csv) in [
        ("", CsvOptions::default()),
        ("a,b\n", CsvOptions::default()),
        ("\u{feff}", CsvOptions::default()),
        ("\n\n", CsvOptions::default()),
    ] {
        check(text, csv, expect![[""]]);
    }
}

#[test]
fn declared_columns_name_the_fields() {
    let csv = CsvOptions {
        header: false,
        ..CsvOptions::default()
    };
    let spec = FeedSpec {
        csv: csv.clone(),
        columns: Some(vec!["Id".to_owned(), "Name".to_owned()]),
        ..feed("t.csv")
    };
    check_feed(
        "1,x\n2,y\n",
        &spec,
        expect![[r#"
           id | name
        1: 1 | x
        2: 2 | y
    "#]],
    );
    check(
        "1,x\n",
        csv,
        expect![[r#"
        Config: cannot name the columns of feed `f`: its files have no header and it declares no columns
        hint: declare `columns: [first, second, …]`; `karat source discover` writes a proposal
    "#]],
    );
}

#[test]
fn columns_not_chosen_do_not_land_even_when_a_row_is_rescued() {
    let spec = FeedSpec {
        columns: Some(vec!["c".to_owned(), "A".to_owned()]),
        ..feed("t.csv")
    };
    check_feed(
        "A,secret,C\n1,s,3\n1,s\n1,s,3,s\n\"1\"x,s,3\n1,\"s,3\n",
        &spec,
        expect![[r#"
           a | c
        2: 1 | 3
        3: 1 | ∅   {"reason":"missing_fields","missing":["c"]}
        4: 1 | 3   {"reason":"too_many_fields","extra":1}
        5: "1"x | 3   {"reason":"stray_quote","stray":["a"]}
        6: 1 | ∅   {"reason":"unclosed_quote","text_bytes":5}
    "#]],
    );
    check_feed(
        "A,secret\n1,s\n",
        &spec,
        expect![[r#"
            Drift: cannot read `t.csv`: it has no column `c`, which the feed's `columns` choose
            hint: its header names `A`, `secret`: write one of these in `columns`, or take `c` out of it; if the file is wrong, have it delivered again, or take it away until then
        "#]],
    );
}

#[test]
fn headers_that_fold_alike_are_refused() {
    check(
        "id,Total (EUR),total_(eur)\n",
        CsvOptions::default(),
        expect![[r#"
            broken: its header cannot be read: `Total (EUR)` (column 2) and `total_(eur)` (column 3) are both `total__eur_` in lower case letters, digits and `_`
        "#]],
    );
}

#[test]
fn invalid_utf8_rescues_the_row_with_its_bytes() {
    check(
        b"a,b\n1,x\xFFy\n\xC3,\xC3\xA4\n2,ok\n3,\xE2\x82\n4,x,\x80\n".as_slice(),
        CsvOptions::default(),
        expect![[r#"
           a | b
        2: 1 | ∅   {"reason":"invalid_encoding","encoding":"utf-8","bytes":{"b":"78ff79"}}
        3: ∅ | ä   {"reason":"invalid_encoding","encoding":"utf-8","bytes":{"a":"c3"}}
        4: 2 | ok
        5: 3 | ∅   {"reason":"invalid_encoding","encoding":"utf-8","bytes":{"b":"e282"}}
        6: 4 | x   {"reason":"too_many_fields","extra":[{"hex":"80"}]}
    "#]],
    );
}

#[test]
fn other_encodings_are_read() {
    let utf16: Vec<u8> = "\u{feff}a;b\r\n1;ä€😀\r\n"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    let semicolon = |encoding| CsvOptions {
        delimiter: ";".to_owned(),
        encoding,
        ..CsvOptions::default()
    };
    check(
        utf16,
        semicolon(Encoding::Utf8),
        expect![[r#"
           a | b
        2: 1 | ä€😀
    "#]],
    );
    let mut broken: Vec<u8> = "a;b\n1;x"
        .encode_utf16()
        .flat_map(u16::to_be_bytes)
        .collect();
    broken.extend([0xD8, 0x00, 0x00, b'y', 0x00, b'\n', 0x00, b'2', 0x07]);
    check(
        broken,
        semicolon(Encoding::Utf16Be),
        expect![[r#"
           a | b
        2: 1 | ∅   {"reason":"invalid_encoding","encoding":"utf-16be","bytes":{"b":"0078d8000079"}}
        3: ∅ | ∅   {"reason":"missing_fields, invalid_encoding","missing":["b"],"encoding":"utf-16be","bytes":{"a":"003207"}}
    "#]],
    );
    check(
        b"a;b\n1;\x80 \xE4\n".as_slice(),
        semicolon(Encoding::Windows1252),
        expect![[r#"
           a | b
        2: 1 | € ä
    "#]],
    );
    check(
        b"\xEF\xBB\xBF\"a\";b\n1;\xC3\xA4\n".as_slice(),
        semicolon(Encoding::Windows1252),
        expect![[r#"
           a | b
        2: 1 | ä
    "#]],
    );
}

#[test]
fn dialects_that_cannot_be_read_are_refused() {
    check(
        "",
        dialect("", "\n", None),
        expect![[r#"
        Config: cannot read CSV with an empty delimiter or terminator
        hint: give at least one character, e.g. `delimiter: ";"`
    "#]],
    );
    check(
        "",
        dialect("\n", "\n", None),
        expect![[r#"
        Config: cannot read CSV with a delimiter that is also the terminator
        hint: fields and rows must end differently
    "#]],
    );
    check(
        "",
        dialect("\"", "\n", Some('"')),
        expect![[r#"
        Config: cannot read CSV with a quote that is part of the delimiter or terminator
        hint: set `quote: none` or another quote
    "#]],
    );
    check(
        "",
        CsvOptions {
            max_line_bytes: 1 << 30,
            ..CsvOptions::default()
        },
        expect![[r#"
        Config: cannot read CSV with `max_line_bytes: 1073741824`
        hint: a row has at most 268435456 bytes
    "#]],
    );
    check(
        "",
        dialect(",", "\n", Some('»')),
        expect![[r#"
        Config: cannot read CSV with `»` as quote
        hint: use an ASCII character, or `quote: none`
    "#]],
    );
}

#[test]
fn a_row_longer_than_the_limit_makes_a_broken_object() {
    let csv = CsvOptions {
        max_line_bytes: 10,
        ..CsvOptions::default()
    };
    check(
        "a,b\n0123456,89\n1,2\n",
        csv.clone(),
        expect![[r#"
           a | b
        2: 0123456 | 89
        3: 1 | 2
    "#]],
    );
    check(
        "a,b\n1,2\n0123456,890\n1,2\n",
        csv.clone(),
        expect![[r#"
        broken: the row that begins in line 3 is longer than 10 bytes
    "#]],
    );
    check(
        "a,b\n1,\"2\n3,4\n5,6\n7,8\n",
        csv,
        expect![[r#"
        broken: the row that begins in line 2 is longer than 10 bytes; a quote in it is opened and not closed
    "#]],
    );
}

#[test]
fn a_zero_byte_is_text() {
    check(
        "a,b\n1,x\0y\n\0,\"\0\"\n",
        CsvOptions::default(),
        expect![[r#"
           a | b
        2: 1 | x\0y
        3: \0 | \0
    "#]],
    );
    check(
        "a\x00b\x001\x002\n3\x004",
        CsvOptions {
            terminator: Some("\n".to_owned()),
            delimiter: "\0".to_owned(),
            ..CsvOptions::default()
        },
        expect![[r#"
           a | b | 1 | 2
        2: 3 | 4 | ∅ | ∅   {"reason":"missing_fields","missing":["1","2"]}
    "#]],
    );
}

#[test]
fn a_row_that_never_ends_fills_no_memory() {
    /// Gives the same bytes for ever, and counts them.
    struct Endless<'a>(&'a [u8], &'a std::cell::Cell<usize>);
    impl std::io::Read for Endless<'_> {
        fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
            out.iter_mut()
                .zip(self.0.iter().cycle())
                .for_each(|(to, from)| *to = *from);
            self.1.set(self.1.get() + out.len());
            Ok(out.len())
        }
    }
    let csv = CsvOptions {
        max_line_bytes: 1 << 20,
        ..CsvOptions::default()
    };
    for bytes in [&b"x"[..], b"\"", b"\0", b"ab\"", b"\xFF", b"\"\n", b"\r"] {
        let read = std::cell::Cell::new(0);
        let input = Decoded::new(Endless(bytes, &read), Encoding::Utf8);
        let mut reader = CsvReader::new(input, "t", Dialect::new(&csv).unwrap(), 1 << 16);
        let error = loop {
            match reader.advance() {
                Ok(more) => assert!(more, "it has no end"),
                Err(e) => break e,
            }
            if read.get() > 4 << 20 {
                break SourceError::new(ErrorKind::Broken, "rows of a sane length");
            }
        };
        assert_eq!(error.kind(), ErrorKind::Broken);
        assert!(
            read.get() < 5 << 20,
            "{} bytes of {bytes:?} were read",
            read.get()
        );
    }
    // Many fields in one row are a limit of their own.
    let read = std::cell::Cell::new(0);
    let csv = CsvOptions {
        max_line_bytes: 64 << 20,
        ..CsvOptions::default()
    };
    let mut reader = CsvReader::new(
        Decoded::new(Endless(b",", &read), Encoding::Utf8),
        "t",
        Dialect::new(&csv).unwrap(),
        1 << 16,
    );
    expect![[r#"
        Broken: cannot read `t`: the row that begins in line 1 has more than 1048576 fields
        hint: check `terminator` and `delimiter` under `csv` of the feed
    "#]]
    .assert_eq(&error_text(&reader.advance().unwrap_err()));
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
    expect![[r#"
           n | t
        2: 0 | ∅   I t.csv 742e637376000000000000000001
        3: 1 | x   I t.csv 742e637376000000000000000002
        8194: 8192 | xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx   I t.csv 742e637376000000000000002001
        20001: 19999 | xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx   I t.csv 742e637376000000000000004e20"#]].assert_eq(&[lines[0], lines[1], lines[2], lines[8193], lines[20_000]].join("\n"));
    for (n, line) in lines[1..].iter().enumerate() {
        let text = if n % 40 == 0 {
            "∅".to_owned()
        } else {
            "x".repeat(n % 40)
        };
        assert!(line.starts_with(&format!("{}: {n} | {text}   I t.csv", n + 2)));
    }
}
