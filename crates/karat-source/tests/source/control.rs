//! Control records and files: no rows, and what does not add up is a broken object (B4).

use std::fmt::Write as _;

use expect_test::expect;
use karat_source::{
    Compression, ControlFile, ControlRecord, CsvOptions, FeedSpec, Format, Known, KnownObject,
    Source,
};
use proptest::prelude::*;

use crate::show::{Folder, collect, feed, show};

fn record(starts_with: &str, count: Option<usize>, sums: &[(&str, usize)]) -> ControlRecord {
    ControlRecord {
        starts_with: starts_with.to_owned(),
        count,
        sums: sums
            .iter()
            .map(|(column, field)| ((*column).to_owned(), *field))
            .collect(),
    }
}

/// `id|amount`, and a trailer with the count and the sum.
fn with_trailer() -> FeedSpec {
    FeedSpec {
        csv: CsvOptions {
            delimiter: "|".to_owned(),
            trailer: Some(record("T|", Some(2), &[("amount", 3)])),
            ..CsvOptions::default()
        },
        ..feed("*.csv*")
    }
}

/// What a plan says of one file of this content: why it is broken, why it waits, or its rows.
fn outcome(folder: &Folder, spec: &FeedSpec, known: &[KnownObject]) -> String {
    let source = folder.source();
    let planned = source.plan(spec, &Known::Files(known.to_vec())).unwrap();
    let mut out = String::new();
    for waits in &planned.waiting {
        writeln!(out, "{} {}", waits.path, waits.why).unwrap();
    }
    for load in &planned.loads {
        for object in load.objects.iter().filter(|object| object.broken.is_some()) {
            writeln!(out, "{}: {}", object.path, object.broken.as_ref().unwrap()).unwrap();
        }
        out.push_str(&show(&collect(&source, spec, load).unwrap(), false));
    }
    out
}

fn of_text(spec: &FeedSpec, text: &str) -> String {
    let folder = Folder::new();
    folder.put("a.csv", text, 1);
    outcome(&folder, spec, &[])
}

#[test]
fn a_trailer_is_no_row_and_must_add_up() {
    let spec = with_trailer();
    let mut out = String::new();
    for text in [
        "id|amount\n1|0.1\n2|0.2\nT|2|0.30\n\n",
        // Blank lines and null are no part of it; a carriage return neither.
        "id|amount\r\n1|\r\n\r\n2|-0.5\r\nT|0002| -.50\r\n",
        "id|amount\nT|0|0\n",
        "id|amount\n1|0.1\n2|0.2\nT|3|0.3\n",
        "id|amount\n1|0.1\n2|0.2\nT|2|0.30000000000000004\n",
        "id|amount\n1|0.1\n2|0.2\n",
        "id|amount\n1|0.1\nT|1|0.1\n2|0.2\n",
        "id|amount\n1|0.1\nT|1|0.1\nT|1|0.1\n",
        "id|amount\n1|0.1\nT|1\n",
        "id|amount\n1|0.1\nT|one|0.1\n",
        "id|amount\n1|0.1\nT|1|1e-1\n",
        "id|amount\n1|x\nT|1|0\n",
        "id|price\n1|1\nT|1|1\n",
        "",
    ] {
        writeln!(out, "{}\n{}", text.escape_debug(), of_text(&spec, text)).unwrap();
    }
    expect![[r#"
        id|amount\n1|0.1\n2|0.2\nT|2|0.30\n\n
           id | amount
        2: 1 | 0.1
        3: 2 | 0.2

        id|amount\r\n1|\r\n\r\n2|-0.5\r\nT|0002| -.50\r\n
           id | amount
        2: 1 | ∅
        4: 2 | -0.5

        id|amount\nT|0|0\n

        id|amount\n1|0.1\n2|0.2\nT|3|0.3\n
        a.csv: its trailer says that the number of rows is 3, and it is 2

        id|amount\n1|0.1\n2|0.2\nT|2|0.30000000000000004\n
        a.csv: its trailer says that the sum of `amount` is 0.30000000000000004, and it is 0.3

        id|amount\n1|0.1\n2|0.2\n
        a.csv: its trailer is missing: no last record begins with `T|`

        id|amount\n1|0.1\nT|1|0.1\n2|0.2\n
        a.csv: its trailer stands on line 3 and is not its last record: line 4 follows

        id|amount\n1|0.1\nT|1|0.1\nT|1|0.1\n
        a.csv: its trailer stands on line 3 and is not its last record: line 4 follows

        id|amount\n1|0.1\nT|1\n
        a.csv: its trailer has no field 3

        id|amount\n1|0.1\nT|one|0.1\n
        a.csv: its trailer has no number of rows in field 2

        id|amount\n1|0.1\nT|1|1e-1\n
        a.csv: its trailer has no decimal in field 3

        id|amount\n1|x\nT|1|0\n
        a.csv: its trailer says what the sum of `amount` is, and it cannot be computed: the value on line 2 is no decimal

        id|price\n1|1\nT|1|1\n
        a.csv: its trailer or header record has the sum of `amount`, and there is no such column


        a.csv: its trailer is missing: no last record begins with `T|`

    "#]].assert_eq(&out);
}

#[test]
fn a_header_record_stands_before_the_names() {
    let spec = FeedSpec {
        csv: CsvOptions {
            header_record: Some(record("H;", Some(3), &[])),
            delimiter: ";".to_owned(),
            trailer: Some(record("T;", None, &[])),
            ..CsvOptions::default()
        },
        ..feed("*.csv")
    };
    let mut out = String::new();
    for text in [
        "H;20260105;2\nid;name\n1;a\n2;H;b\nT;end\n",
        "H;20260105;1\nid;name\n1;a\n2;b\nT;end\n",
        "id;name\n1;a\nT;end\n",
    ] {
        writeln!(out, "{}\n{}", text.escape_debug(), of_text(&spec, text)).unwrap();
    }
    // Without names, the rows follow at once.
    let spec = FeedSpec {
        columns: Some(vec!["id".to_owned(), "name".to_owned()]),
        csv: CsvOptions {
            header: false,
            ..spec.csv.clone()
        },
        ..spec
    };
    out.push_str(&of_text(&spec, "H;x;2\n1;a\n2;b\nT;end\n"));
    expect![[r#"
        H;20260105;2\nid;name\n1;a\n2;H;b\nT;end\n
           id | name
        3: 1 | a
        4: 2 | H   {"reason":"too_many_fields","extra":["b"]}

        H;20260105;1\nid;name\n1;a\n2;b\nT;end\n
        a.csv: its header record says that the number of rows is 1, and it is 2

        id;name\n1;a\nT;end\n
        a.csv: its header record is missing: no first record begins with `H;`

           id | name
        2: 1 | a
        3: 2 | b
    "#]]
    .assert_eq(&out);
}

/// Packed files too; of an archive each file has its own.
#[test]
fn packed_files_have_control_records() {
    let folder = Folder::new();
    let text = "id|amount\n1|0.1\nT|1|0.2\n";
    let packed = zstd::encode_all(text.as_bytes(), 0).unwrap();
    folder.put("a.csv.zst", packed, 1);
    expect![[r#"
        a.csv.zst: its trailer says that the sum of `amount` is 0.2, and it is 0.1
    "#]]
    .assert_eq(&outcome(&folder, &with_trailer(), &[]));
    assert_eq!(with_trailer().csv.compression, Compression::Auto);
}

#[test]
fn a_control_file_is_waited_for_and_must_add_up() {
    let spec = FeedSpec {
        control_file: Some(ControlFile {
            path: "{stem}.ctl".to_owned(),
            starts_with: Some("{name};".to_owned()),
            delimiter: ";".to_owned(),
            count: Some(2),
            sums: vec![("amount".to_owned(), 3)],
            sha256: None,
        }),
        ..feed("*.csv")
    };
    let folder = Folder::new();
    let mut out = String::new();
    folder.put("a.csv", "id,amount\n1,0.1\n2,0.2\n", 5);
    out.push_str(&outcome(&folder, &spec, &[]));
    for control in [
        "",
        "b.csv;2;0.3\n",
        "\u{feff}b.csv;7;7\r\na.csv;2;0.4\r\n",
        "a.csv;2;0.3\n",
    ] {
        folder.put("a.ctl", control, 5);
        writeln!(
            out,
            "{}\n{}",
            control.escape_debug(),
            outcome(&folder, &spec, &[])
        )
        .unwrap();
    }
    // What was broken is asked again, though its bytes are the same.
    folder.put("a.ctl", "a.csv;9;0.3\n", 5);
    let source = folder.source();
    let known: Vec<KnownObject> = source
        .plan(&spec, &Known::Files(Vec::new()))
        .unwrap()
        .loads
        .remove(0)
        .objects
        .into_iter()
        .map(KnownObject::from)
        .collect();
    assert_eq!(outcome(&folder, &spec, &known), "", "told once");
    folder.put("a.ctl", "a.csv;2;0.3\n", 6);
    out.push_str(&outcome(&folder, &spec, &known));
    // A list of hashes, as `sha256sum` writes it, for a format that knows no lines.
    let spec = FeedSpec {
        format: Format::Ndjson,
        control_file: Some(ControlFile {
            path: "{name}.sha256".to_owned(),
            starts_with: None,
            delimiter: " ".to_owned(),
            count: None,
            sums: Vec::new(),
            sha256: Some(1),
        }),
        ..feed("*.ndjson")
    };
    folder.put("b.ndjson", "{\"id\":1}\n", 5);
    let sha256 =
        karat_source::decode::hex(&<sha2::Sha256 as sha2::Digest>::digest(b"{\"id\":1}\n"));
    for hash in [sha256.to_uppercase(), sha256.replace('a', "b")] {
        folder.put("b.ndjson.sha256", format!("{hash}  b.ndjson\n"), 5);
        out.push_str(&outcome(&folder, &spec, &[]));
    }
    expect![[r#"
        a.csv has no `a.ctl` beside it

        a.csv: its control file has no line that begins with `a.csv;`

        b.csv;2;0.3\n
        a.csv: its control file has no line that begins with `a.csv;`

        \u{feff}b.csv;7;7\r\na.csv;2;0.4\r\n
        a.csv: its control file says that the sum of `amount` is 0.4, and it is 0.3

        a.csv;2;0.3\n
           id | amount
        2: 1 | 0.1
        3: 2 | 0.2

           id | amount
        2: 1 | 0.1
        3: 2 | 0.2
           id
        1: 1
        b.ndjson: its control file has another SHA-256 in field 1
    "#]]
    .assert_eq(&out);
}

#[test]
fn a_done_file_tells_that_a_file_is_complete() {
    let folder = Folder::new();
    let spec = FeedSpec {
        done_file: Some("{name}.done".to_owned()),
        // Markers are no objects, though the pattern names them too.
        ..feed("in/*")
    };
    let mut out = String::new();
    folder.put("in/a.csv", "id\n1\n", 5);
    folder.put("in/b.csv", "id\n2\n", 5);
    folder.put("in/a.csv.done", "", 4);
    out.push_str(&outcome(&folder, &spec, &[]));
    let known: Vec<KnownObject> = folder
        .source()
        .plan(&spec, &Known::Files(Vec::new()))
        .unwrap()
        .loads
        .remove(0)
        .objects
        .into_iter()
        .map(KnownObject::from)
        .collect();
    // Delivered again, beside the marker of before; then with its own.
    folder.put("in/a.csv", "id\n3\n", 9);
    out.push_str(&outcome(&folder, &spec, &known));
    folder.put("in/a.csv.done", "", 9);
    out.push_str(&outcome(&folder, &spec, &known));
    let spec = FeedSpec {
        done_file: Some("_SUCCESS".to_owned()),
        ..feed("**/*.csv")
    };
    folder.put("other/c.csv", "id\n4\n", 5);
    folder.put("other/_SUCCESS", "", 5);
    out.push_str(&outcome(&folder, &spec, &[]));
    expect![[r#"
        in/b.csv has no `in/b.csv.done` beside it
           id
        2: 1
        in/a.csv is newer than its `in/a.csv.done`
        in/b.csv has no `in/b.csv.done` beside it
        in/b.csv has no `in/b.csv.done` beside it
           id
        2: 3
        in/a.csv has no `in/_SUCCESS` beside it
        in/b.csv has no `in/_SUCCESS` beside it
           id
        2: 4
    "#]]
    .assert_eq(&out);
}

proptest! {
    /// Sums are exact: as those of whole numbers of the smallest unit, and one unit more or less is told.
    #[test]
    fn sums_are_exact(
        amounts in prop::collection::vec((any::<i64>(), 0_u32..12), 0..20),
        off in -1_i128..=1,
    ) {
        let text = |units: i128, scale: u32| {
            let sign = if units < 0 { "-" } else { "" };
            let digits = format!("{:0>width$}", units.unsigned_abs(), width = scale as usize + 1);
            let (whole, part) = digits.split_at(digits.len() - scale as usize);
            match scale {
                0 => format!("{sign}{whole}"),
                _ => format!("{sign}{whole}.{part}"),
            }
        };
        let mut file = String::from("id|amount\n");
        let mut sum = off;
        for (units, scale) in &amounts {
            writeln!(file, "1|{}", text(i128::from(*units), *scale)).unwrap();
            sum += i128::from(*units) * 10_i128.pow(12 - scale);
        }
        writeln!(file, "T|{}|{}", amounts.len(), text(sum, 12)).unwrap();
        let told = of_text(&with_trailer(), &file);
        prop_assert_eq!(told.contains("its trailer"), off != 0, "{}\n{}", file, told);
    }
}
