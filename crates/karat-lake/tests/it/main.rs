//! What the lake promises, tried on real folders.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod canonical;
mod commit;
mod folder;
mod foreign;
mod iceberg;
mod other_writers;
mod tables;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use karat_lake::{Commit, Format, Formats, Lake, Layout, LiveFile, Table, WrittenFile};

const DIR: &str = "ledger/silver/entries";

fn lake() -> (tempfile::TempDir, Lake) {
    let folder = tempfile::tempdir().unwrap();
    // Blanks and umlauts, as in a user's own folder.
    let lake = Lake::create(&folder.path().join("Meine Bücher/lake 1")).unwrap();
    (folder, lake)
}

/// A lake in which tables are made in this format.
fn lake_of(format: Format) -> (tempfile::TempDir, Lake) {
    let (folder, lake) = lake();
    let formats = Formats {
        default: format,
        ..Formats::default()
    };
    (folder, lake.with_formats(formats))
}

fn schema() -> SchemaRef {
    let name = Field::new("name", DataType::Utf8, true)
        .with_metadata([("comment".into(), "Who".into())].into());
    Arc::new(Schema::new(vec![
        Field::new("id", DataType::Int64, true),
        name,
    ]))
}

fn rows(ids: &[i64]) -> RecordBatch {
    let names: Vec<String> = ids.iter().map(|id| format!("n{id}")).collect();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from(ids.to_vec())),
        Arc::new(StringArray::from(names)),
    ];
    RecordBatch::try_new(schema(), columns).unwrap()
}

fn write(table: &Table, batch: &RecordBatch, epoch: i64) -> Vec<WrittenFile> {
    let layout = Layout::default();
    let mut writer = table
        .writer(&batch.schema(), layout, epoch, 0, &[])
        .unwrap();
    writer.write(batch).unwrap();
    writer.finish().unwrap()
}

fn commit(
    base: Option<i64>,
    schema: SchemaRef,
    add: Vec<WrittenFile>,
    remove: Vec<LiveFile>,
    epoch: i64,
) -> Commit {
    Commit {
        base,
        schema,
        add,
        remove,
        app: ("ledger.entries".into(), epoch),
        receipt: format!("{epoch:064x}"),
        run: format!("run-{epoch}"),
        operation: "WRITE".into(),
        timestamp_ms: 1_700_000_000_000 + epoch,
        properties: BTreeMap::new(),
    }
}

/// A table with one commit of the rows 1 and 2.
fn table(lake: &Lake) -> Table {
    let table = lake.table(DIR);
    let files = write(&table, &rows(&[1, 2]), 1);
    assert_eq!(
        table
            .commit(commit(None, schema(), files, vec![], 1))
            .unwrap(),
        0
    );
    table
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}
