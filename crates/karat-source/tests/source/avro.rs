//! Avro: the decoder takes half a block for the end of the file; the walk over the blocks does not. Types are shown from the end by the program's tests.

use std::sync::Arc;

use arrow::array::{Int64Array, RecordBatch, StringArray, Time64MicrosecondArray};
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use arrow_avro::writer::AvroWriter;
use expect_test::expect;
use karat_source::{FeedSpec, Format, Known, Source};

use crate::show::{Folder, feed, load_all, show};

fn spec() -> FeedSpec {
    FeedSpec {
        format: Format::Avro,
        ..feed("*")
    }
}

fn file(batches: &[RecordBatch]) -> Vec<u8> {
    let schema = batches[0].schema();
    let mut writer = AvroWriter::new(Vec::new(), schema.as_ref().clone()).unwrap();
    for batch in batches {
        writer.write(batch).unwrap();
    }
    writer.finish().unwrap();
    writer.into_inner()
}

fn rows(first: i64) -> RecordBatch {
    let ids: Vec<i64> = (first..first + 3).collect();
    let texts: Vec<Option<String>> = ids
        .iter()
        .map(|i| (i % 2 == 0).then(|| format!("text {i}")))
        .collect();
    let schema = Schema::new(vec![
        Field::new("Id", DataType::Int64, false),
        Field::new("t", DataType::Utf8, true),
    ]);
    RecordBatch::try_new(
        Arc::new(schema),
        vec![
            Arc::new(Int64Array::from(ids)),
            Arc::new(StringArray::from(texts)),
        ],
    )
    .unwrap()
}

#[test]
fn rows_of_all_blocks_are_numbered_through() {
    let folder = Folder::new();
    folder.put("t.avro", file(&[rows(1), rows(4)]), 1);
    let read = load_all(&folder.source(), &spec()).unwrap();
    let shown: Vec<String> = read
        .iter()
        .flat_map(|b| {
            let one = std::slice::from_ref(b);
            show(one, false)
                .lines()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })
        .collect();
    expect![[r#"
           id | t
        1: 1 | ∅
        2: 2 | text 2
        3: 3 | ∅
        4: 4 | text 4
        5: 5 | ∅
        6: 6 | text 6"#]]
    .assert_eq(&shown.join("\n"));
}

#[test]
fn what_is_cut_off_or_damaged_is_a_broken_object() {
    let whole = file(&[rows(1), rows(4)]);
    let first = file(&[rows(1)]);
    let folder = Folder::new();
    let source = folder.source();
    let reason = |bytes: &[u8], second| {
        folder.put("t.avro", bytes, second);
        let planned = source.plan(&spec(), &Known::Files(Vec::new())).unwrap();
        planned.loads[0].objects[0].broken.clone()
    };
    assert_eq!(reason(&whole, 1), None);
    let mut unseen = Vec::new();
    for length in 0..whole.len() {
        if reason(&whole[..length], 2).is_none() {
            unseen.push(length);
        }
    }
    // The end of the header and of the first block are ends of a file, too: Avro has no other.
    assert_eq!(unseen.len(), 2, "{unseen:?}");
    assert_eq!(unseen[1], first.len());
    for at in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x55;
        if reason(&damaged, at as u64).is_none() {
            load_all(&source, &spec()).unwrap();
        }
    }
    expect![[r#"[Some("Avro ends early"), Some("it is no Avro object container file"), Some("it is empty, and should be Avro")]"#]].assert_eq(&format!(
        "{:?}",
        [
            reason(&whole[..whole.len() - 9], 3),
            reason(b"id,v\n", 4),
            reason(b"", 5)
        ]
    ));
}

#[test]
fn a_type_that_tables_do_not_have_is_named() {
    let schema = Schema::new(vec![Field::new(
        "at",
        DataType::Time64(TimeUnit::Microsecond),
        false,
    )]);
    let batch = RecordBatch::try_new(
        Arc::new(schema),
        vec![Arc::new(Time64MicrosecondArray::from(vec![1]))],
    )
    .unwrap();
    let folder = Folder::new();
    folder.put("t.avro", file(&[batch]), 1);
    let planned = folder
        .source()
        .plan(&spec(), &Known::Files(Vec::new()))
        .unwrap();
    expect!["its column `at` holds a time of day, which tables do not have; `columns` of the feed can leave it out"].assert_eq(planned.loads[0].objects[0].broken.as_deref().unwrap());
}
