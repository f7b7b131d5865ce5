//! Envelopes: golden bytes, the standard's vector, and that no changed byte goes unseen.

use expect_test::expect_file;
use karat_receipt::{
    Digest, KeyRing, ReceiptError, SignatureOutcome, SigningKey, TrustedKey, open, open_expecting,
    pre_authentication_encoding, seal, verify_signature,
};

use crate::example;

fn key() -> SigningKey {
    SigningKey::from_seed(&[7; 32])
}

fn ring(key: &SigningKey) -> KeyRing {
    let mut ring = KeyRing::new();
    ring.add(TrustedKey::parse("test.pub", &key.public_key().to_pem()).unwrap())
        .unwrap();
    ring
}

#[test]
fn pre_authentication_encoding_is_that_of_the_dsse_specification() {
    let bytes = pre_authentication_encoding("http://example.com/HelloWorld", b"hello world");
    assert_eq!(
        bytes,
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    );
}

#[test]
fn lengths_are_counted_in_bytes() {
    assert_eq!(
        pre_authentication_encoding("ü", "é".as_bytes()),
        "DSSEv1 2 ü 2 é".as_bytes()
    );
}

#[test]
fn bytes_of_an_envelope_are_golden() {
    let signed = seal(&example(), Some(&key()));
    let unsigned = seal(&example(), None);
    expect_file!["../golden/signed.json"].assert_eq(std::str::from_utf8(&signed.bytes).unwrap());
    expect_file!["../golden/unsigned.json"]
        .assert_eq(std::str::from_utf8(&unsigned.bytes).unwrap());
    let payload = open(&signed.bytes).unwrap().payload;
    expect_file!["../golden/statement.json"].assert_eq(std::str::from_utf8(&payload).unwrap());
}

#[test]
fn what_was_sealed_is_opened() {
    let sealed = seal(&example(), Some(&key()));
    let opened = open_expecting(&sealed.bytes, &sealed.digest).unwrap();
    assert_eq!(opened.receipt, example());
    assert_eq!(opened.digest, Digest::of(&sealed.bytes));
    assert_eq!(
        verify_signature(&opened, &ring(&key())),
        SignatureOutcome::Valid { key_id: key().id() }
    );
}

#[test]
fn sealing_twice_gives_the_same_bytes() {
    assert_eq!(
        seal(&example(), Some(&key())),
        seal(&example(), Some(&key()))
    );
}

#[test]
fn outcomes_of_a_signature() {
    let signed = open(&seal(&example(), Some(&key())).bytes).unwrap();
    let unsigned = open(&seal(&example(), None).bytes).unwrap();
    let other = SigningKey::from_seed(&[8; 32]);
    let with = |lines: &str| {
        let mut ring = KeyRing::new();
        ring.add(
            TrustedKey::parse(
                "a.pub",
                &format!("{lines}\n{}", key().public_key().to_pem()),
            )
            .unwrap(),
        )
        .unwrap();
        ring
    };
    let key_id = key().id();
    let check = |ring: &KeyRing| verify_signature(&signed, ring);

    assert_eq!(
        verify_signature(&unsigned, &ring(&key())),
        SignatureOutcome::Unsigned
    );
    assert_eq!(
        check(&ring(&other)),
        SignatureOutcome::UnknownKey {
            key_id: key_id.to_string()
        }
    );
    assert_eq!(
        check(&with("# revoked: 2027-01-01")),
        SignatureOutcome::Revoked {
            key_id: key_id.clone()
        }
    );
    let outside = SignatureOutcome::OutsideValidity {
        key_id: key_id.clone(),
    };
    assert_eq!(check(&with("# valid_from: 2026-10-29T06:00:01Z")), outside);
    assert_eq!(check(&with("# valid_to: 2026-10-29T06:00:00Z")), outside);
    let inside = "# valid_from: 2026-10-29T08:00:00+02:00\n# valid_to: 2026-10-30";
    assert_eq!(check(&with(inside)), SignatureOutcome::Valid { key_id });
}

#[test]
fn a_signature_of_another_receipt_does_not_fit() {
    let (mut a, b) = (open(&seal(&example(), Some(&key())).bytes).unwrap(), {
        let mut other = example();
        other.bytes_read += 1;
        open(&seal(&other, Some(&key())).bytes).unwrap()
    });
    a.signatures = b.signatures;
    assert_eq!(
        verify_signature(&a, &ring(&key())),
        SignatureOutcome::Invalid
    );
}

/// The digest finds any change. The signature and the form find it too, also where the file was renamed after it.
#[test]
fn a_byte_flipped_anywhere_is_found() {
    let sealed = seal(&example(), Some(&key()));
    let ring = ring(&key());
    for position in 0..sealed.bytes.len() {
        for flip in [0x01, 0x20, 0x80] {
            let mut bytes = sealed.bytes.clone();
            bytes[position] ^= flip;
            let by_name = open_expecting(&bytes, &sealed.digest);
            assert!(
                matches!(by_name, Err(ReceiptError::NotItsDigest { .. })),
                "byte {position}"
            );
            if let Ok(opened) = open(&bytes) {
                let outcome = verify_signature(&opened, &ring);
                assert!(
                    !outcome.is_valid(),
                    "byte {position} flipped by {flip} was not seen"
                );
            }
        }
    }
}

#[test]
fn an_envelope_cut_off_anywhere_is_called_cut_off() {
    let sealed = seal(&example(), Some(&key()));
    for length in 0..sealed.bytes.len() {
        let result = open(&sealed.bytes[..length]);
        assert!(
            matches!(result, Err(ReceiptError::Truncated { .. })),
            "{length}: {result:?}"
        );
    }
}

#[test]
fn an_envelope_written_another_way_is_refused() {
    let sealed = seal(&example(), Some(&key()));
    let spaced = String::from_utf8(sealed.bytes)
        .unwrap()
        .replace("\":\"", "\": \"");
    assert!(matches!(
        open(spaced.as_bytes()),
        Err(ReceiptError::NotCanonical { .. })
    ));
}

fn envelope_around(statement: &str) -> Vec<u8> {
    use base64::Engine as _;
    let payload = base64::engine::general_purpose::STANDARD.encode(statement);
    format!(
        r#"{{"payload":"{payload}","payloadType":"application/vnd.in-toto+json","signatures":[]}}"#
    )
    .into_bytes()
}

fn statement() -> String {
    String::from_utf8(open(&seal(&example(), None).bytes).unwrap().payload).unwrap()
}

#[test]
fn a_later_receipt_may_state_more() {
    let more = statement().replacen(
        "\"predicate\":{",
        "\"predicate\":{\"a_later_field\":[1],",
        1,
    );
    assert_eq!(open(&envelope_around(&more)).unwrap().receipt, example());
}

#[test]
fn a_statement_that_contradicts_itself_is_refused() {
    let cases = [
        (
            ("ledger_silver.entries@3", "ledger_silver.entries@4"),
            "subject",
        ),
        (
            ("urn:karat:receipt:v1", "urn:karat:receipt:v2"),
            "predicateType",
        ),
        (
            ("in-toto.io/Statement/v1", "in-toto.io/Statement/v0"),
            "_type",
        ),
        (
            ("2026-10-29T06:00:00Z", "2026-10-32T06:00:00Z"),
            "logical_time",
        ),
        (("\"1200:", "\"01200:"), "fingerprint"),
    ];
    for ((before, after), named) in cases {
        let changed = statement().replace(before, after);
        assert_ne!(changed, statement());
        let error = open(&envelope_around(&changed)).unwrap_err();
        assert!(error.to_string().contains(named), "{error}");
    }
    let missing = statement().replace("\"run\":", "\"ran\":");
    assert!(matches!(
        open(&envelope_around(&missing)),
        Err(ReceiptError::Altered { .. })
    ));
}
