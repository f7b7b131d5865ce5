//! What karat-receipt promises to other crates, to other tools and to auditors.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod chain;
mod documents;
mod envelope;
mod keys;
mod page;

use std::collections::BTreeMap;

use karat_receipt::{
    Digest, ExpectationCount, FileRef, Input, Kind, ObjectRef, Receipt, live_files_digest,
};

/// A file whose name, content digest and fingerprint follow from one letter.
pub(crate) fn file(letter: &str, rows: u64, sum: u128) -> FileRef {
    let sha256 = Digest::of(letter.as_bytes()).to_string();
    FileRef {
        path: format!("{sha256}-7-0.parquet"),
        size: 1000 + rows,
        sha256,
        rows,
        fingerprint: format!("{rows}:{sum:032x}"),
    }
}

pub(crate) fn live(files: &[&FileRef]) -> Digest {
    live_files_digest(
        files
            .iter()
            .map(|file| (file.path.as_str(), file.size, file.sha256.as_str())),
    )
}

/// A receipt with something in every field.
pub(crate) fn example() -> Receipt {
    let (added, removed) = (file("new", 1200, 0xfeed_beef), file("old", 1000, 0xbeef));
    Receipt {
        table: "ledger_silver.entries".to_owned(),
        version: 3,
        kind: Kind::Transform,
        layer: "silver".to_owned(),
        run: "20261029T060000Z-5f1c".to_owned(),
        logical_time: "2026-10-29T06:00:00Z".to_owned(),
        epoch: 7,
        intent: Some(Digest::of(b"intent")),
        inputs: vec![Input {
            table: "ledger_bronze.landing__entries".to_owned(),
            version: 14,
            receipt: Some(Digest::of(b"receipt of bronze")),
            fingerprint: format!("1450:{:032x}", 0xabcd),
        }],
        objects: vec![ObjectRef {
            path: "entries/größe_20261029.csv".to_owned(),
            size: 40_960,
            sha256: Digest::of(b"object").to_string(),
            delivery: 2,
        }],
        code: Digest::of(b"code"),
        parameters: BTreeMap::from([("region".to_owned(), "ch \"north\"".to_owned())]),
        principal: "treasury-ci".to_owned(),
        target: "dev".to_owned(),
        trigger: "run".to_owned(),
        karat_version: "0.1.0".to_owned(),
        tzdata: "2026a".to_owned(),
        unicode: "16.0.0".to_owned(),
        expectations: vec![ExpectationCount {
            name: "valid_amount".to_owned(),
            action: "quarantine".to_owned(),
            passed: 1390,
            failed: 10,
        }],
        accounting: BTreeMap::from(
            [
                ("read", 1450),
                ("kept", 1200),
                ("superseded", 200),
                ("duplicate", 40),
                ("quarantined", 10),
            ]
            .map(|(name, rows)| (name.to_owned(), rows)),
        ),
        accounting_run: BTreeMap::from([("read".to_owned(), 450), ("kept".to_owned(), 450)]),
        fingerprint: format!("1200:{:032x}", 0xfeed_beef_u128),
        schema: Digest::of(b"schema"),
        live_files: live(&[&added]),
        file_fingerprints: Digest::of(b"fingerprints of files"),
        files_added: vec![added],
        files_removed: vec![removed],
        bytes_read: 40_960,
        bytes_written: 2200,
        previous: Some(Digest::of(b"receipt before")),
        reason: None,
        restated: Vec::new(),
        audit: None,
    }
}
