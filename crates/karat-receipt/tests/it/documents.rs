//! Digests, intents, closings and manifests: golden bytes and what a damaged one says.

use std::collections::BTreeMap;
use std::io::Write as _;

use expect_test::expect;
use karat_receipt::canonical::to_canonical_bytes;
use karat_receipt::{
    Accepted, Closed, Digest, DigestWriter, InputRef, Intent, IntentObject, KeyRing, Manifest,
    Outcome, ReceiptError, SigningKey, TableState, Tag, TaggedTable, live_files_digest,
};
use serde_json::json;

fn object() -> IntentObject {
    IntentObject {
        path: "a.csv".into(),
        size: 9,
        mtime_ns: 1_700_000_000_000_000_001,
        sha256: Digest::of(b"a").to_string(),
        delivery: 1,
        duplicate_of: None,
        broken: Some("gzip ends early".into()),
        mark: "20261029".into(),
    }
}

fn intent() -> Intent {
    Intent {
        feed_or_model: "ledger/landing__entries".into(),
        epoch: 2,
        run: "r1".into(),
        logical_time: "2026-10-29T06:00:00Z".into(),
        code: Digest::of(b"code"),
        parameters: BTreeMap::new(),
        from: json!({"z": 1, "a": null}),
        to: json!({"z": "2", "a": [true]}),
        objects: vec![object()],
        inputs: BTreeMap::from([(
            "x".into(),
            InputRef {
                version: 1,
                fingerprint: "0:".to_owned() + &"0".repeat(32),
            },
        )]),
    }
}

fn manifest() -> Manifest {
    let state = TableState {
        version: 3,
        receipt: Some(Digest::of(b"r")),
        fingerprint: "1:ab".into(),
        rows: 1,
        log: Some(Digest::of(b"log")),
        checkpoint: BTreeMap::new(),
    };
    Manifest {
        run: "r1".into(),
        sequence: 4,
        logical_time: "2026-10-29T06:00:00Z".into(),
        complete: true,
        tables: BTreeMap::from([("ledger_silver.entries".into(), state)]),
        previous: None,
        tags: BTreeMap::new(),
    }
}

/// A tag is sealed as a receipt is: the same bytes from the same key, and no other bytes are opened (A8).
#[test]
fn a_tag_is_sealed_and_opened() {
    let key = SigningKey::from_seed(&[7; 32]);
    let tag = Tag {
        name: "2026-10-30".into(),
        business_date: "2026-10-30".into(),
        run: "r1".into(),
        logical_time: "2026-10-30T21:00:00Z".into(),
        principal: "ada@host".into(),
        target: "prod".into(),
        head: Digest::of(b"head"),
        tables: BTreeMap::from([(
            "ledger_silver.entries".into(),
            TaggedTable {
                version: 3,
                receipt: Some(Digest::of(b"r")),
                fingerprint: "1:ab".into(),
                business_day: None,
            },
        )]),
    };
    let sealed = tag.seal(Some(&key));
    assert_eq!(sealed, tag.seal(Some(&key)));
    let opened = Tag::open(&sealed.bytes).unwrap();
    assert_eq!(opened.tag, tag);
    let folder = tempfile::tempdir().unwrap();
    let none = KeyRing::load(folder.path()).unwrap();
    assert!(!opened.signature(&none).is_valid());
    std::fs::write(folder.path().join("ada.pub"), key.public_key().to_pem()).unwrap();
    let ring = KeyRing::load(folder.path()).unwrap();
    assert!(opened.signature(&ring).is_valid());
    let unsigned = Tag::open(&tag.seal(None).bytes).unwrap();
    assert!(!unsigned.signature(&ring).is_valid());
    for position in (0..sealed.bytes.len()).step_by(7) {
        let mut bytes = sealed.bytes.clone();
        bytes[position] ^= 1;
        let accepted = Tag::open(&bytes).is_ok_and(|tag| tag.signature(&ring).is_valid());
        assert!(!accepted, "{position}");
    }
    // A receipt is no tag.
    let error = Tag::open(&karat_receipt::seal(&crate::example(), None).bytes).unwrap_err();
    expect!["cannot accept the tag: the statement's predicateType is not `urn:karat:tag:v1`"]
        .assert_eq(&error.to_string());
}

#[test]
fn documents_have_one_text() {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    expect![[r#"{"code":"5694d08a2e53ffcae0c3103e5ad6f6076abd960eb1f8a56577040bc1028f702b","epoch":2,"feed_or_model":"ledger/landing__entries","from":{"a":null,"z":1},"inputs":{"x":{"fingerprint":"0:00000000000000000000000000000000","version":1}},"logical_time":"2026-10-29T06:00:00Z","objects":[{"broken":"gzip ends early","delivery":1,"duplicate_of":null,"mark":"20261029","mtime_ns":1700000000000000001,"path":"a.csv","sha256":"ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb","size":9}],"parameters":{},"run":"r1","sha256":"0e310cab1ffe7632060891c4df9d9ef77ba515a8d2de31fcfd6c1c0d6c2246cd","to":{"a":[true],"z":"2"}}"#]]
        .assert_eq(&text(intent().to_bytes().unwrap()));
    expect![[r#"{"complete":true,"logical_time":"2026-10-29T06:00:00Z","previous":null,"run":"r1","sequence":4,"sha256":"eee7c8b4375ffa3e70547185a4004bae7e7da32549775235a86373e5c5c9d3e0","tables":{"ledger_silver.entries":{"fingerprint":"1:ab","log":"836ff184e7b41b1e13cb5fd89fa1de98dbbab99e9d2918913ff43b86a5c7c213","receipt":"454349e422f05297191ead13e21d3db520e5abef52055e4964b82fb213f593a1","rows":1,"version":3}}}"#]].assert_eq(&text(manifest().to_bytes()));
    let closed = Closed {
        feed_or_model: "ledger/landing__entries".into(),
        epoch: 2,
        outcome: Outcome::Empty,
        reason: "equal to the load before".into(),
        objects: vec![],
    };
    expect![[r#"{"epoch":2,"feed_or_model":"ledger/landing__entries","objects":[],"outcome":"empty","reason":"equal to the load before","sha256":"a2eb702682358260b698c91c187e523523acfb363bc24da8f40fff4a46f6b9f9"}"#]]
        .assert_eq(&text(closed.to_bytes()));
    assert_eq!(Closed::from_bytes(&closed.to_bytes()).unwrap(), closed);
    let accepted = Accepted {
        feed: "ledger/landing__entries".into(),
        number: 1,
        missing: vec!["note".into()],
        principal: "ann@desk".into(),
        logical_time: "2026-10-29T06:00:00Z".into(),
    };
    expect![[r#"{"feed":"ledger/landing__entries","logical_time":"2026-10-29T06:00:00Z","missing":["note"],"number":1,"principal":"ann@desk","sha256":"11a6332d0564f3473ed6999f1b01168bd2d2f190ea61e7b42819993932a22655"}"#]].assert_eq(&text(accepted.to_bytes()));
    assert_eq!(
        Accepted::from_bytes(&accepted.to_bytes()).unwrap(),
        accepted
    );
    assert_eq!(
        Intent::from_bytes(&intent().to_bytes().unwrap()).unwrap(),
        intent()
    );
    assert_eq!(
        Manifest::from_bytes(&manifest().to_bytes()).unwrap(),
        manifest()
    );
    assert_eq!(manifest().head(), Digest::of(&manifest().to_bytes()));
}

#[test]
fn order_of_keys_in_a_position_does_not_matter() {
    let mut other = intent();
    other.from = json!({"a": null, "z": 1});
    assert_eq!(other.to_bytes().unwrap(), intent().to_bytes().unwrap());
}

#[test]
fn a_position_holds_no_float() {
    let mut intent = intent();
    intent.to = json!({"cursor": 0.1});
    assert!(matches!(
        intent.to_bytes(),
        Err(ReceiptError::Float { what: "intent" })
    ));
}

/// What a later karat writes: more members, digest over all of them.
#[test]
fn a_later_manifest_may_state_more() {
    let mut later: serde_json::Value = serde_json::from_slice(&manifest().to_bytes()).unwrap();
    let members = later.as_object_mut().unwrap();
    members.remove("sha256");
    members.insert("a_later_member".into(), json!([1]));
    let digest = Digest::of(&to_canonical_bytes("test", &later).unwrap());
    later["sha256"] = json!(digest);
    let bytes = to_canonical_bytes("test", &later).unwrap();
    assert_eq!(Manifest::from_bytes(&bytes).unwrap(), manifest());
}

#[test]
fn a_byte_flipped_anywhere_is_found() {
    let (manifest, intent) = (manifest().to_bytes(), intent().to_bytes().unwrap());
    for flip in [0x01, 0x20, 0x80] {
        for position in 0..manifest.len() {
            let mut bytes = manifest.clone();
            bytes[position] ^= flip;
            assert!(Manifest::from_bytes(&bytes).is_err(), "{position}");
        }
        for position in 0..intent.len() {
            let mut bytes = intent.clone();
            bytes[position] ^= flip;
            assert!(Intent::from_bytes(&bytes).is_err(), "{position}");
        }
    }
}

#[test]
fn damage_is_told_apart_from_a_cut() {
    let bytes = manifest().to_bytes();
    for length in 0..bytes.len() {
        let error = Manifest::from_bytes(&bytes[..length]).unwrap_err();
        assert!(
            matches!(error, ReceiptError::Truncated { .. }),
            "{length}: {error}"
        );
    }
    let altered = String::from_utf8(bytes)
        .unwrap()
        .replace("\"sequence\":4", "\"sequence\":\"4\"");
    let error = Manifest::from_bytes(altered.as_bytes()).unwrap_err();
    expect!["cannot read the run manifest: it is damaged or altered at line 1, column 96"]
        .assert_eq(&error.to_string());
    expect!["cannot read the intent: it ends after 10 bytes, in the middle"]
        .assert_eq(&Intent::from_bytes(b"{\"epoch\": ").unwrap_err().to_string());
}

#[test]
fn digest_has_one_text() {
    let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(Digest::of(b"").to_string(), empty);
    assert_eq!(empty.parse::<Digest>().unwrap(), Digest::of(b""));
    for wrong in [
        &empty[1..],
        &empty.to_uppercase(),
        &format!("{empty}0"),
        "",
        &"é".repeat(32),
    ] {
        assert!(wrong.parse::<Digest>().is_err(), "{wrong}");
    }
    let mut writer = DigestWriter::new();
    writer.write_all(b"a").unwrap();
    writer.write_all(b"bc").unwrap();
    assert_eq!(writer.size(), 3);
    assert_eq!(writer.finish(), Digest::of(b"abc"));
}

#[test]
fn live_files_digest_is_that_of_sorted_lines() {
    let (a, b) = ("a".repeat(64), "b".repeat(64));
    let list =
        live_files_digest([("y\n\\.parquet", 2, b.as_str()), ("x.parquet", 10, &a)].into_iter());
    assert_eq!(
        list,
        Digest::of(format!("{a} 10 x.parquet\n{b} 2 y\\n\\\\.parquet\n").as_bytes())
    );
    assert_eq!(live_files_digest(std::iter::empty()), Digest::of(b""));
}
