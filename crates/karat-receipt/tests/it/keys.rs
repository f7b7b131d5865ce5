//! Keys: files of OpenSSL are read, files of karat are read back, secrets stay secret.

use karat_receipt::{Instant, KeyRing, PublicKey, ReceiptError, SigningKey, TrustedKey};

/// The key of RFC 8032, test 1, as `openssl pkey` and `openssl pkey -pubout` (3.0) write it.
const PRIVATE: &str = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g
-----END PRIVATE KEY-----
";
const PUBLIC: &str = "-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=
-----END PUBLIC KEY-----
";

#[test]
fn a_private_key_goes_through_its_file() {
    let seed = [3; 32];
    let key = SigningKey::from_seed(&seed);
    let text = key.to_pkcs8_pem();
    assert!(
        text.starts_with("-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2Vw"),
        "PKCS#8 version 1: {}",
        text.len()
    );
    assert_eq!(SigningKey::from_pkcs8_pem(&text).unwrap().id(), key.id());
}

#[test]
fn a_key_of_openssl_is_read() {
    let key = SigningKey::from_pkcs8_pem(PRIVATE).unwrap();
    assert_eq!(key.to_pkcs8_pem(), PRIVATE);
    assert_eq!(key.public_key().to_pem(), PUBLIC);
    assert_eq!(
        PublicKey::from_pem("a.pub", PUBLIC).unwrap(),
        key.public_key()
    );
}

#[test]
fn what_is_no_private_key_is_refused_without_showing_it() {
    let error = SigningKey::from_pkcs8_pem(
        "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n",
    )
    .unwrap_err();
    assert!(!format!("{error} {error:?}").contains("c2Vj"));
    assert!(error.hint().unwrap().contains("openssl"));
    let key = SigningKey::from_seed(&[9; 32]);
    assert_eq!(format!("{key:?}"), format!("SigningKey({})", key.id()));
}

#[test]
fn a_trusted_key_goes_through_its_file() {
    let key = SigningKey::from_seed(&[3; 32]).public_key();
    let from = Instant::parse("2026-01-01").unwrap();
    let trusted = TrustedKey {
        key,
        file: "a.pub".into(),
        valid_from: Some(from),
        valid_to: None,
        revoked: true,
    };
    assert_eq!(
        TrustedKey::parse("a.pub", &trusted.to_text()).unwrap(),
        trusted
    );
}

#[test]
fn comments_for_people_are_skipped_and_wrong_ones_named() {
    let pem = SigningKey::from_seed(&[3; 32]).public_key().to_pem();
    assert!(
        TrustedKey::parse(
            "a.pub",
            &format!("# the treasury's key: see vault\n#revoked: no\n{pem}")
        )
        .is_ok()
    );
    for (line, named) in [
        ("# valid_to: tomorrow", "valid_to"),
        ("# revoked: maybe", "revoked"),
        ("# id: 00", "id"),
    ] {
        let error = TrustedKey::parse("a.pub", &format!("{line}\n{pem}")).unwrap_err();
        assert!(
            error.to_string().contains("a.pub") && error.to_string().contains(named),
            "{error}"
        );
    }
    assert!(PublicKey::from_pem("a.pub", "no key").is_err());
}

#[test]
fn a_ring_reads_the_pub_files_of_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    assert!(
        KeyRing::load(&folder.path().join("none"))
            .unwrap()
            .is_empty()
    );
    let (a, b) = (
        SigningKey::from_seed(&[1; 32]),
        SigningKey::from_seed(&[2; 32]),
    );
    std::fs::write(folder.path().join("a.pub"), a.public_key().to_pem()).unwrap();
    std::fs::write(folder.path().join("b.pub"), b.public_key().to_pem()).unwrap();
    std::fs::write(folder.path().join("README"), "not a key").unwrap();
    let ring = KeyRing::load(folder.path()).unwrap();
    assert_eq!(ring.iter().count(), 2);
    assert_eq!(ring.get(&b.id()).unwrap().file, "b.pub");

    std::fs::write(folder.path().join("c.pub"), a.public_key().to_pem()).unwrap();
    let error = KeyRing::load(folder.path()).unwrap_err();
    assert!(
        matches!(&error, ReceiptError::PublicKey { file, .. } if file == "c.pub"),
        "{error}"
    );
}

#[test]
fn times_compare_across_zones() {
    let at = |text: &str| Instant::parse(text).unwrap();
    assert_eq!(at("1970-01-01T00:00:00Z").as_nanoseconds(), 0);
    assert_eq!(
        at("2000-02-29T12:00:00.5+01:00"),
        at("2000-02-29T11:00:00.500Z")
    );
    assert_eq!(at("2026-10-29").to_string(), "2026-10-29T00:00:00Z");
    assert_eq!(
        at("1969-12-31T23:59:59Z").to_string(),
        "1969-12-31T23:59:59Z"
    );
    assert_eq!(
        at("2026-10-29T01:02:03.040506700Z").to_string(),
        "2026-10-29T01:02:03.0405067Z"
    );
    assert!(at("2026-03-29T02:30:00-00:30") > at("2026-03-29T02:59:59.999999999Z"));
    for wrong in [
        "",
        "2026",
        "2026-02-29",
        "2026-13-01",
        "2026-01-01T",
        "2026-01-01T25:00:00Z",
        "2026-01-01T00:00:00",
        "2026-01-01T00:00:00.Z",
        "2026-01-01T00:00:00+0100",
        "2026-01-01T00:00:00Zz",
        "+026-01-01",
        "2026-01-01é",
    ] {
        assert!(Instant::parse(wrong).is_err(), "{wrong}");
    }
}
