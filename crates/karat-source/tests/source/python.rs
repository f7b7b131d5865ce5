//! Random tables in random dialects, as Python's csv module writes and reads them.

use std::io::Write;
use std::process::{Command, Stdio};

use karat_source::csv::{CsvReader, Dialect, FieldKind};
use karat_source::decode::Decoded;
use karat_source::{CsvOptions, Encoding};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

/// Writes each table with csv.writer and reads each text with csv.reader.
const SCRIPT: &str = r#"
import csv, io, json, sys
answers = []
for case in json.load(sys.stdin):
    quoting = csv.QUOTE_NONE if case["quote"] is None else [csv.QUOTE_MINIMAL, csv.QUOTE_ALL][case["all"]]
    options = dict(delimiter=case["delimiter"], quotechar=case["quote"] or '"', quoting=quoting, doublequote=True)
    text = case.get("text")
    if text is None:
        out = io.StringIO(newline="")
        csv.writer(out, lineterminator=case["terminator"], **options).writerows(case["rows"])
        text = out.getvalue()
    rows = list(csv.reader(io.StringIO(text, newline=""), **options))
    answers.append({"text": text, "rows": rows})
json.dump(answers, sys.stdout)
"#;

fn ask_python(cases: &[Value]) -> Vec<Value> {
    let mut child = Command::new("python3")
        .args(["-c", SCRIPT])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 is needed for this test");
    let mut stdin = child.stdin.take().unwrap();
    let input = serde_json::to_vec(cases).unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(&input).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success(), "python3 failed");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The records; none if one holds a quote where none belongs, which Python reads in its own way.
fn ours(case: &Value, text: &str, chunk: usize) -> Option<Vec<Vec<String>>> {
    let options = CsvOptions {
        delimiter: case["delimiter"].as_str().unwrap().to_owned(),
        terminator: None,
        quote: case["quote"].as_str().map(|q| q.chars().next().unwrap()),
        ..CsvOptions::default()
    };
    let mut reader = CsvReader::new(
        Decoded::new(text.as_bytes(), Encoding::Utf8),
        "t",
        Dialect::new(&options).unwrap(),
        chunk,
    );
    let mut rows = Vec::new();
    while reader.advance().unwrap() {
        if reader.is_flawed()
            && reader
                .spans()
                .iter()
                .any(|s| s.kind == FieldKind::Unclosed || s.kind == FieldKind::Stray)
        {
            return None;
        }
        let blank = reader.is_blank();
        let row = if blank {
            Vec::new()
        } else {
            reader
                .spans()
                .iter()
                .map(|s| String::from_utf8(reader.field(*s)).unwrap())
                .collect()
        };
        rows.push(row);
    }
    Some(rows)
}

fn compare(cases: &[Value]) -> (usize, usize) {
    let answers = ask_python(cases);
    let (mut compared, mut flawed) = (0, 0);
    for (case, answer) in cases.iter().zip(&answers) {
        let text = answer["text"].as_str().unwrap();
        // No byte order mark: Python would keep it.
        let expected: Vec<Vec<String>> = serde_json::from_value(answer["rows"].clone()).unwrap();
        let whole = ours(case, text, 1 << 16);
        for chunk in [1, 2, 3, 7] {
            assert_eq!(
                ours(case, text, chunk),
                whole,
                "chunks of {chunk} bytes of {text:?}"
            );
        }
        match whole {
            Some(rows) => {
                assert_eq!(rows, expected, "{case} as {text:?}");
                compared += 1;
            }
            None => flawed += 1,
        }
    }
    (compared, flawed)
}

fn sample<S: Strategy>(strategy: &S, runner: &mut TestRunner) -> S::Value {
    strategy.new_tree(runner).unwrap().current()
}

#[test]
fn tables_written_by_python_are_read_alike() {
    let mut runner = TestRunner::deterministic();
    // Line breaks within quotes only as python quotes them; a lone carriage return ends a line for Python, never for karat.
    let field = prop_oneof![
        3 => "[a-c,;|\t\"' ]{0,6}",
        1 => "[\nx\"]{0,4}".prop_map(|s| s.replace('\n', "\r\n")),
        1 => "[\nxä€😀]{0,5}",
        1 => Just(String::new()),
    ];
    let quoted = (1usize..6).prop_flat_map(move |n| {
        prop::collection::vec(prop::collection::vec(field.clone(), n), 0..8)
    });
    let plain = (1usize..6).prop_flat_map(|n| {
        prop::collection::vec(prop::collection::vec("[a-cä'\" ]{0,5}", n), 0..8)
    });
    let mut cases = Vec::new();
    for i in 0..600 {
        let delimiter = sample(
            &prop::sample::select(vec![",", ";", "|", "\t", " "]),
            &mut runner,
        );
        let terminator = sample(&prop::sample::select(vec!["\n", "\r\n"]), &mut runner);
        let quote = sample(&prop::sample::select(vec!["\"", "'"]), &mut runner);
        let all = sample(&any::<bool>(), &mut runner);
        if i % 5 == 0 {
            let mut rows = sample(&plain, &mut runner);
            rows.iter_mut()
                .flatten()
                .for_each(|f| *f = f.replace([' ', '"'], ""));
            rows.retain(|r| r.len() > 1 || !r[0].is_empty());
            cases.push(json!({"delimiter": delimiter, "terminator": terminator, "quote": null, "all": false, "rows": rows}));
        } else {
            let rows = sample(&quoted, &mut runner);
            cases.push(json!({"delimiter": delimiter, "terminator": terminator, "quote": quote, "all": u8::from(all), "rows": rows}));
        }
    }
    let (compared, flawed) = compare(&cases);
    assert_eq!((compared, flawed), (600, 0));
}

#[test]
fn any_text_is_read_as_python_reads_it_unless_a_quote_is_stray() {
    let mut runner = TestRunner::deterministic();
    // `D` is the delimiter, `Q` the quote, `N` a line end.
    let piece = prop_oneof![
        12 => "Q(a|ä| |D|N|QQ){0,4}Q[DN]",
        12 => "[aä ]{0,3}[DN]",
        1 => "[aäDNQ ]{1,3}",
    ];
    let text = prop::collection::vec(piece, 0..16).prop_map(|pieces| pieces.concat());
    let mut cases = Vec::new();
    for _ in 0..1500 {
        let delimiter = sample(
            &prop::sample::select(vec![",", ";", "|", "\t"]),
            &mut runner,
        );
        let terminator = sample(&prop::sample::select(vec!["\n", "\r\n"]), &mut runner);
        let quote = sample(&prop::sample::select(vec!["\"", "'", "/"]), &mut runner);
        let text = sample(&text, &mut runner)
            .replace('D', delimiter)
            .replace('N', terminator)
            .replace('Q', quote);
        cases.push(json!({"delimiter": delimiter, "terminator": terminator, "quote": quote, "all": 0, "text": text}));
    }
    let (compared, flawed) = compare(&cases);
    assert!(
        compared > 750 && flawed > 75,
        "{compared} compared, {flawed} flawed"
    );
}
