//! Tables of other writers, as hand-written logs: read where we read them rightly, refused by name where not.

use karat_lake::{ErrorClass, Table};

use crate::{DIR, commit, lake, schema};

const COLUMN: &str = r#"{\"name\":\"id\",\"type\":\"long\",\"nullable\":true,\"metadata\":{}}"#;

struct Foreign {
    protocol: &'static str,
    column: String,
    partitions: &'static str,
    configuration: &'static str,
    more: &'static str,
}

impl Default for Foreign {
    fn default() -> Self {
        Self {
            protocol: r#""minReaderVersion":1,"minWriterVersion":2"#,
            column: COLUMN.into(),
            partitions: "",
            configuration: "",
            more: "",
        }
    }
}

impl Foreign {
    fn at(&self, table: &Table) {
        let log = table.path().join("_delta_log");
        std::fs::create_dir_all(&log).unwrap();
        let Self {
            protocol,
            column,
            partitions,
            configuration,
            more,
        } = self;
        let text = format!(
            r#"{{"commitInfo":{{"timestamp":5,"operation":"CREATE TABLE"}}}}
{{"protocol":{{{protocol}}}}}
{{"metaData":{{"id":"x","format":{{"provider":"parquet","options":{{}}}},"schemaString":"{{\"type\":\"struct\",\"fields\":[{column}]}}","partitionColumns":[{partitions}],"configuration":{{{configuration}}},"createdTime":1}}}}
{more}
"#
        );
        std::fs::write(log.join("00000000000000000000.json"), text).unwrap();
    }
}

fn read_error(foreign: Foreign) -> String {
    let (_folder, lake) = lake();
    let table = lake.table(DIR);
    foreign.at(&table);
    let error = table.load().unwrap_err();
    assert_eq!(error.class(), ErrorClass::Refused, "{error}");
    assert!(error.hint().is_some());
    error
        .to_string()
        .replace("cannot read `ledger/silver/entries`: ", "")
}

fn write_error(foreign: Foreign) -> String {
    let (_folder, lake) = lake();
    let table = lake.table(DIR);
    foreign.at(&table);
    table.load().unwrap();
    let error = table
        .commit(commit(Some(0), schema(), vec![], vec![], 1))
        .unwrap_err();
    assert_eq!(error.class(), ErrorClass::Refused, "{error}");
    assert!(error.hint().is_some());
    error
        .to_string()
        .replace("cannot write `ledger/silver/entries`: ", "")
}

#[test]
fn a_plain_foreign_table_is_read_and_written() {
    let (_folder, lake) = lake();
    let table = lake.table(DIR);
    let more = r#"{"add":{"path":"part%20%C3%BC%2D1.parquet","partitionValues":{},"size":7,"modificationTime":1,"dataChange":true,"stats":"{\"numRecords\":4}"}}
{"domainMetadata":{"domain":"x","configuration":"","removed":false}}"#;
    Foreign {
        more,
        ..Foreign::default()
    }
    .at(&table);
    let snapshot = table.load().unwrap().unwrap();
    assert_eq!(snapshot.files[0].path, "part ü-1.parquet");
    assert_eq!(
        (snapshot.files[0].rows, snapshot.files[0].sha256()),
        (4, None)
    );
    let history = table.history(None).unwrap();
    assert_eq!(
        (
            history[0].receipt.as_deref(),
            history[0].operation.as_deref()
        ),
        (None, Some("CREATE TABLE"))
    );
    // The file's name survives the way back into the log.
    table
        .commit(commit(Some(0), schema(), vec![], snapshot.files, 1))
        .unwrap();
    assert_eq!(table.load().unwrap().unwrap().files, []);
    assert_eq!(
        table.history(Some(1)).unwrap()[0].removed,
        ["part ü-1.parquet"]
    );
}

#[test]
fn what_we_would_read_wrongly_is_refused() {
    let mapping = r#""delta.columnMapping.mode":"name""#;
    let protocol = r#""minReaderVersion":2,"minWriterVersion":5"#;
    assert_eq!(
        read_error(Foreign {
            protocol,
            configuration: mapping,
            ..Foreign::default()
        }),
        "it uses the Delta feature columnMapping"
    );
    let protocol = r#""minReaderVersion":3,"minWriterVersion":7,"readerFeatures":["typeWidening"],"writerFeatures":["typeWidening"]"#;
    assert_eq!(
        read_error(Foreign {
            protocol,
            ..Foreign::default()
        }),
        "it uses the Delta feature typeWidening"
    );
    let protocol = r#""minReaderVersion":3,"minWriterVersion":7,"readerFeatures":["fromTheFuture"],"writerFeatures":[]"#;
    assert_eq!(
        read_error(Foreign {
            protocol,
            ..Foreign::default()
        }),
        "it uses the Delta feature fromTheFuture"
    );
    let protocol = r#""minReaderVersion":4,"minWriterVersion":7"#;
    assert_eq!(
        read_error(Foreign {
            protocol,
            ..Foreign::default()
        }),
        "it needs Delta reader version 4, karat knows 3"
    );
    assert_eq!(
        read_error(Foreign {
            partitions: r#""id""#,
            ..Foreign::default()
        }),
        "it is partitioned by id"
    );
    let column = COLUMN.replace("long", "variant");
    assert_eq!(
        read_error(Foreign {
            column,
            ..Foreign::default()
        }),
        "column `id` has the type `variant`, which karat does not know"
    );
    let protocol = r#""minReaderVersion":3,"minWriterVersion":7,"readerFeatures":["deletionVectors"],"writerFeatures":["deletionVectors"]"#;
    let more = r#"{"add":{"path":"a.parquet","partitionValues":{},"size":7,"modificationTime":1,"dataChange":true,"stats":"{\"numRecords\":4}","deletionVector":{"storageType":"i","pathOrInlineDv":"x","sizeInBytes":1,"cardinality":1}}}"#;
    assert_eq!(
        read_error(Foreign {
            protocol,
            more,
            ..Foreign::default()
        }),
        "its file `a.parquet` has a deletion vector (Delta feature deletionVectors)"
    );
    let more = r#"{"add":{"path":"file:///data/a.parquet","partitionValues":{},"size":7,"modificationTime":1,"dataChange":true,"stats":"{\"numRecords\":4}"}}"#;
    assert_eq!(
        read_error(Foreign {
            more,
            ..Foreign::default()
        }),
        "it names data files outside its folder"
    );
}

#[test]
fn rules_that_our_commits_would_not_keep_are_refused() {
    let configuration = |configuration| Foreign {
        configuration,
        ..Foreign::default()
    };
    assert_eq!(
        write_error(configuration(r#""delta.constraints.positive":"id > 0""#)),
        "it has the constraint positive"
    );
    assert_eq!(
        write_error(configuration(r#""delta.appendOnly":"true""#)),
        "it is append-only (delta.appendOnly)"
    );
    assert_eq!(
        write_error(configuration(r#""delta.enableChangeDataFeed":"true""#)),
        "it keeps a change data feed (delta.enableChangeDataFeed)"
    );
    let column = |key: &str| Foreign {
        column: COLUMN.replace("{}", &format!("{{{key}}}")),
        ..Foreign::default()
    };
    assert_eq!(
        write_error(column(r#"\"delta.invariants\":\"x\""#)),
        "column `id` has an invariant (delta.invariants)"
    );
    assert_eq!(
        write_error(column(r#"\"delta.generationExpression\":\"x\""#)),
        "column `id` has a generated value (delta.generationExpression)"
    );
    assert_eq!(
        write_error(column(r#"\"delta.identity.start\":1"#)),
        "column `id` has an identity value (delta.identity.start)"
    );
    let protocol = |protocol| Foreign {
        protocol,
        ..Foreign::default()
    };
    assert_eq!(
        write_error(protocol(
            r#""minReaderVersion":1,"minWriterVersion":7,"writerFeatures":["rowTracking"]"#
        )),
        "it uses the Delta feature rowTracking"
    );
    assert_eq!(
        write_error(protocol(r#""minReaderVersion":1,"minWriterVersion":4"#)),
        "it needs Delta writer version 4, karat writes 2 and 7"
    );
}

/// A log of which nothing is left but a checkpoint begins with that.
#[test]
fn a_checkpoint_alone_is_the_oldest_version() {
    let (_folder, lake) = lake();
    let table = lake.table(DIR);
    let log = table.path().join("_delta_log");
    std::fs::create_dir_all(&log).unwrap();
    std::fs::write(log.join("00000000000000000011.checkpoint.parquet"), "").unwrap();
    assert_eq!(
        table.load_at(3).unwrap_err().to_string(),
        "`ledger/silver/entries` has no version 3: it has only 11"
    );
}
