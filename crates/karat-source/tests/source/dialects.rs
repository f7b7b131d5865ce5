//! Random bytes in random dialects: where chunks end changes nothing, nothing is lost, and where nothing is quoted splitting the text says the same.

use karat_source::csv::{CsvReader, Dialect, FieldKind};
use karat_source::decode::Decoded;
use karat_source::{CsvOptions, Encoding, FeedSpec};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed};

use crate::show::{Folder, feed, load_all, show};

type Record = (u64, Vec<(FieldKind, Vec<u8>)>);

fn records(bytes: &[u8], csv: &CsvOptions, fields: usize, chunk: usize) -> Vec<Record> {
    let input = Decoded::new(bytes, csv.encoding);
    let mut reader = CsvReader::new(input, "t", Dialect::new(csv).unwrap(), chunk);
    reader.expect_fields(fields);
    let mut found = Vec::new();
    while reader.advance().unwrap() {
        let fields = reader
            .spans()
            .iter()
            .map(|span| (span.kind, reader.field(*span)));
        found.push((reader.line(), fields.collect()));
    }
    found
}

/// Pieces that dialects are made of, so that partial delimiters and terminators are met often.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop::sample::select(vec![
        &b"a"[..],
        b"\"",
        b"\"\"",
        b"|",
        b"+",
        b"+|",
        b"&",
        b"&|",
        b"&|\n",
        b"\r",
        b"\n",
        b"\r\n",
        b",",
        b"'",
        b"\xE2\x82\xAC",
        b"\xE2",
        b"\x82",
        b"\xFF",
        b"\0",
    ]);
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

fn dialects() -> impl Strategy<Value = CsvOptions> {
    let delimiter = prop::sample::select(vec![",", "|", "+|", "€", "||", "a", "\0"]);
    let terminator = prop::sample::select(vec![
        None,
        Some("\n"),
        Some("\r\n"),
        Some("&|\n"),
        Some("\r"),
        Some("|\n"),
        Some("&&"),
        Some("+"),
    ]);
    let quote = prop::sample::select(vec![None, Some('"'), Some('\'')]);
    let encoding = prop::sample::select(vec![
        Encoding::Utf8,
        Encoding::Windows1252,
        Encoding::Utf16Le,
        Encoding::Utf16Be,
    ]);
    (delimiter, terminator, quote, encoding, any::<bool>()).prop_map(
        |(delimiter, terminator, quote, encoding, terminator_in_fields)| CsvOptions {
            delimiter: delimiter.to_owned(),
            terminator: terminator.map(str::to_owned),
            quote,
            encoding,
            terminator_in_fields,
            ..CsvOptions::default()
        },
    )
}

fn fixed(cases: u32) -> Config {
    Config {
        cases,
        rng_seed: RngSeed::Fixed(20261030),
        failure_persistence: None,
        ..Config::default()
    }
}

proptest! {
    #![proptest_config(fixed(4000))]
    #[test]
    fn where_chunks_end_changes_nothing(bytes in pieces(), csv in dialects(), fields in 0usize..4, chunk in 1usize..9) {
        prop_assert_eq!(records(&bytes, &csv, fields, chunk), records(&bytes, &csv, fields, 1 << 16));
    }

    #[test]
    fn where_nothing_is_quoted_splitting_says_the_same(bytes in pieces(), csv in dialects(), chunk in 1usize..9) {
        let csv = CsvOptions { quote: None, terminator_in_fields: false, encoding: Encoding::Utf8, ..csv };
        let terminator = csv.terminator.clone().unwrap_or("\n".to_owned());
        // A delimiter and a terminator that share a character are told apart by where they begin, which splitting does not know.
        prop_assume!(!csv.delimiter.chars().any(|c| terminator.contains(c)));
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let mut lines: Vec<&str> = text.split(&terminator).collect();
        if lines.last() == Some(&"") {
            lines.pop();
        }
        let ended = text.ends_with(&terminator);
        let count = lines.len();
        let expected: Vec<Vec<String>> = lines.iter().enumerate().map(|(i, line)| {
            let bare = csv.terminator.is_none() && (ended || i + 1 < count);
            let line = if bare { line.strip_suffix('\r').unwrap_or(line) } else { line };
            line.split(&csv.delimiter).map(str::to_owned).collect()
        }).collect();
        let found: Vec<Vec<String>> = records(text.as_bytes(), &csv, 0, chunk)
            .into_iter()
            .map(|(_, fields)| fields.into_iter().map(|(_, field)| String::from_utf8(field).unwrap()).collect())
            .collect();
        prop_assert_eq!(found, expected);
    }
}

proptest! {
    #![proptest_config(fixed(300))]
    #[test]
    fn any_file_becomes_the_same_rows_whatever_the_chunk(bytes in pieces(), csv in dialects(), chunk in 1usize..9) {
        let folder = Folder::new();
        folder.put("t.csv", &bytes, 1);
        let columns = Some(vec!["x".to_owned(), "y".to_owned()]);
        let spec = FeedSpec { csv: CsvOptions { header: false, ..csv }, columns, ..feed("*.csv") };
        let read = |chunk| show(&load_all(&folder.source().with_chunk(chunk), &spec).unwrap(), true);
        prop_assert_eq!(read(chunk), read(1 << 16));
    }
}
