//! Signed receipts (G7): judged by karat, by `tools/check_lake.py` and by OpenSSL; and what an attacker would do who
//! can write the lake and computes every digest anew.

use std::path::Path;
use std::process::Command;

use expect_test::expect;
use karat_receipt::canonical::to_canonical_bytes;
use karat_receipt::{Digest, Receipt, SigningKey, seal};
use serde_json::{Value, json};

use crate::project::Project;

const KEY: [u8; 32] = [7; 32];
const TABLE: &str = "shop_gold.revenue";
const LOG: &str = "lake/shop/gold/revenue/_delta_log/00000000000000000000.json";

/// A project with a key, and whether its target demands signatures.
fn project(required: bool) -> Project {
    let project = Project::initial();
    project.write(
        "karat.yaml",
        &format!(
            "karat: 1\nproject: shop\ntargets:\n  dev: {{ lake: ./lake, default: true, require_signature: {required}, key: \"${{env:SHOP_KEY}}\" }}\nsources:\n  landing: {{ type: files, path: ./landing }}\n"
        ),
    );
    project.write(
        "keys/shop.pub",
        &SigningKey::from_seed(&KEY).public_key().to_pem(),
    );
    project
}

fn karat(project: &Project, arguments: &[&str]) -> crate::project::Answer {
    let key = SigningKey::from_seed(&KEY).to_pkcs8_pem();
    project.karat_with(arguments, &[("SHOP_KEY", &key)])
}

fn signed() -> Project {
    let project = project(true);
    let run = karat(&project, &["run", "--quiet"]);
    assert_eq!(run.code, 0, "{}", run.text());
    project
}

/// Outcome of `verify --signatures`, and what is said of signatures.
fn verified(project: &Project) -> (i32, Vec<String>) {
    let answer = karat(project, &["verify", "--signatures", "--json"]);
    let document = answer.json();
    let mut said = Vec::new();
    for table in document["tables"].as_array().unwrap() {
        let detail = table["detail"].as_str().unwrap();
        if !detail.is_empty() {
            said.push(format!("{}: {detail}", table["table"].as_str().unwrap()));
        }
    }
    for file in document["files"].as_array().unwrap() {
        if file["outcome"] != "orphan" {
            said.push(file["detail"].as_str().unwrap().to_owned());
        }
    }
    (answer.code, said)
}

fn python(arguments: &[&Path]) -> (bool, String) {
    let peers = std::env::var_os("KARAT_PEERS").unwrap_or_else(|| "python3".into());
    let output = Command::new(peers).args(arguments).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.stderr.is_empty(), "{error}");
    let text = String::from_utf8(output.stdout).unwrap();
    (output.status.success(), text)
}

/// What OpenSSL says of each receipt's signature.
fn by_openssl(project: &Project) -> Vec<String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/dsse.py");
    let (_, text) = python(&[
        &script,
        &project.path("lake"),
        &project.path("keys/shop.pub"),
    ]);
    text.lines()
        .map(|line| line.split(' ').next().unwrap().to_owned())
        .collect()
}

/// The checker that comes with karat.
fn checked(project: &Project) -> (bool, String) {
    let tool = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tools/check_lake.py");
    let (lake, keys) = (project.path("lake"), project.path("keys"));
    python(&[Path::new("-B"), &tool, &lake, Path::new("--keys"), &keys])
}

#[test]
fn signed_receipts_are_accepted_by_everybody() {
    let project = signed();
    assert_eq!(verified(&project), (0, Vec::new()));
    assert_eq!(by_openssl(&project), ["ok"; 4]);
    let (accepted, text) = checked(&project);
    assert!(accepted, "{text}");
    let shown = karat(&project, &["receipt", "show", TABLE, "--json"]).json();
    let id = SigningKey::from_seed(&KEY).id();
    assert_eq!(shown["signature"], format!("signed by {id}"));
    // The private key is asked for where something is signed, and nowhere kept.
    let secret = SigningKey::from_seed(&KEY).to_pkcs8_pem();
    let secret = secret.lines().nth(1).unwrap();
    for name in project.lake_files() {
        let bytes = std::fs::read(project.path("lake").join(&name)).unwrap();
        assert!(!String::from_utf8_lossy(&bytes).contains(secret), "{name}");
    }
}

/// A run's record on its own: whoever has neither karat nor the lake finds whatever was changed in it or taken out of it (G4).
#[test]
fn an_exported_record_is_checked_without_karat_and_without_the_lake() {
    let project = signed();
    let first =
        karat(&project, &["receipt", "list", "--json"]).json()["receipts"][0]["run"].clone();
    project.write(
        "landing/orders/orders_20260106.csv",
        "order_id,country,amount,ordered_at\n9,ch,1.00,2026-01-06 09:00:00\n",
    );
    let run = karat(&project, &["run", "--json"]);
    let head = run.json()["head"].as_str().unwrap().to_owned();
    let told = karat(&project, &["receipt", "export", "--out", "record"]);
    assert_eq!(told.code, 0, "{}", told.text());
    let (record, lake) = (project.path("record"), project.path("lake"));
    // The command that it prints, as it prints it.
    let line = told
        .stdout
        .lines()
        .find(|line| line.contains("python3"))
        .unwrap();
    let checked = Command::new("sh")
        .args(["-c", line.trim()])
        .current_dir(project.path("."))
        .output()
        .unwrap();
    let id = SigningKey::from_seed(&KEY).id();
    let expected = format!(
        "ok        shop_bronze.landing__orders@1\nok        shop_gold.revenue@1\nok        shop_quarantine.orders@0\nok        shop_silver.orders@1\nhead      {head}, as given\nkeys      {id}\n"
    );
    assert_eq!(String::from_utf8_lossy(&checked.stdout), expected);
    assert!(checked.status.success());

    let tool = record.join("check_receipt.py");
    let check = |more: &[&Path]| python(&[&[Path::new("-B"), &tool], more].concat());
    assert!(check(&[&record, Path::new("--lake"), &lake]).0);
    assert!(!check(&[Path::new("--head"), Path::new("00")]).0);
    assert!(!check(&[Path::new("--keys"), &lake]).0, "unknown keys");
    // No value of a row is in it.
    let documents: Vec<String> = project.files_below("record");
    for name in &documents {
        let path = record.join(name);
        let bytes = std::fs::read(&path).unwrap();
        if name.starts_with("_karat") {
            let mut flipped = bytes.clone();
            flipped[bytes.len() / 2] ^= 1;
            std::fs::write(&path, flipped).unwrap();
            assert!(!check(&[]).0, "{name} changed");
            std::fs::remove_file(&path).unwrap();
            // What is cut off at the end only the head tells.
            let head = [Path::new("--head"), Path::new(&head)];
            assert!(!check(&head).0, "{name} gone");
            std::fs::write(&path, &bytes).unwrap();
        }
        assert!(
            !name.ends_with(".parquet") && !name.contains("_delta_log"),
            "{name}"
        );
    }
    assert!(check(&[]).0);

    // An older run, as it was then; what is there is not overwritten; what does not hold is not given out.
    let older = karat(
        &project,
        &[
            "receipt",
            "export",
            first.as_str().unwrap(),
            "--out",
            "older",
        ],
    );
    assert_eq!(older.code, 0, "{}", older.text());
    let (holds, text) = python(&[Path::new("-B"), &tool, &project.path("older")]);
    assert!(holds && text.contains("shop_gold.revenue@0"), "{text}");
    assert_eq!(
        karat(&project, &["receipt", "export", "--out", "older"]).code,
        2
    );
    assert_eq!(karat(&project, &["receipt", "export", "never"]).code, 2);
    let code = documents
        .iter()
        .find(|name| name.contains("/code/"))
        .unwrap();
    project.remove(&format!("lake/{code}"));
    let hole = karat(&project, &["receipt", "export", "--out", "hole"]);
    assert_eq!(hole.code, 1, "{}", hole.text());
    assert!(hole.stderr.contains(code), "{}", hole.stderr);
    assert!(!project.path("hole").exists());
}

#[test]
fn who_may_sign_is_said_by_the_public_keys() {
    let project = signed();
    let other = SigningKey::from_seed(&[8; 32]).public_key();
    let ours = SigningKey::from_seed(&KEY).public_key();
    let id = SigningKey::from_seed(&KEY).id();
    let cases = [
        (
            other.to_pem(),
            format!("signature: signed by the unknown key `{id}`"),
        ),
        (
            format!("# revoked: 2026-01-01\n{}", ours.to_pem()),
            format!("signature: signed by {id}, which is revoked"),
        ),
        (
            format!("# valid_to: 2020-01-01\n{}", ours.to_pem()),
            format!("signature: signed by {id} outside its validity"),
        ),
    ];
    for (key, expected) in cases {
        project.write("keys/shop.pub", &key);
        let (code, said) = verified(&project);
        assert_eq!(code, 1, "{said:?}");
        assert_eq!(said.len(), 4, "{said:?}");
        assert!(said[1].ends_with(&expected), "{said:?}");
    }
    project.remove("keys");
    assert_eq!(verified(&project).0, 1);
    // Without a key such a target gets no commit.
    let unsigned = Project::initial();
    let text = std::fs::read_to_string(project.path("karat.yaml")).unwrap();
    unsigned.write(
        "karat.yaml",
        &text.replace(", key: \"${env:SHOP_KEY}\"", ""),
    );
    let run = unsigned.karat(&["run", "--quiet"]);
    assert_eq!(run.code, 4, "{}", run.text());
    assert!(
        run.stderr.contains("`require_signature: true`"),
        "{}",
        run.stderr
    );
}

/// The key that a run would miss, a plan misses: with the same words and code.
#[test]
fn a_plan_asks_for_the_key_that_the_run_needs() {
    let foreseen = |project: &Project| {
        let before = project.lake_files();
        let plan = karat(project, &["plan"]);
        assert_eq!(project.lake_files(), before);
        let run = karat(project, &["run", "--quiet"]);
        assert_eq!(plan.code, run.code, "{}\n{}", plan.text(), run.text());
        assert_eq!(plan.stderr, run.stderr);
        plan
    };
    let keyless = |project: &Project| {
        let text = std::fs::read_to_string(project.path("karat.yaml")).unwrap();
        let text = text.replace(", key: \"${env:SHOP_KEY}\"", "");
        project.write("karat.yaml", &text);
    };
    let ours = SigningKey::from_seed(&KEY).public_key().to_pem();
    for key in [
        String::new(),
        format!("# revoked: 2026-01-01\n{ours}"),
        format!("# valid_to: 2020-01-01\n{ours}"),
    ] {
        let project = project(true);
        match key.is_empty() {
            true => project.remove("keys"),
            false => project.write("keys/shop.pub", &key),
        }
        assert_eq!(foreseen(&project).code, 4, "{key}");
    }
    let first = project(true);
    keyless(&first);
    expect![[r#"
        step    table                        would  because                                                                        reads  takes
        load    shop_bronze.landing__orders  FAIL   target `dev` has `require_signature: true` and the project has no signing key
        silver  shop_silver.orders           skip   `shop_bronze.landing__orders` fails
        gold    shop_gold.revenue            skip   `shop_silver.orders` fails
        1 step would fail, with exit 4; nothing was written
        --- stderr
        error: target `dev` has `require_signature: true` and the project has no signing key
        hint: give the key to the target in karat.yaml: `key: "${file:PATH}"`
        --- exit 4
    "#]].assert_eq(&foreseen(&first).text());
    // A key that is none.
    let broken = project(true);
    let plan = broken.karat_with(&["plan"], &[("SHOP_KEY", "no key")]);
    let run = broken.karat_with(&["run", "--quiet"], &[("SHOP_KEY", "no key")]);
    assert_eq!((plan.code, plan.stderr), (run.code, run.stderr));
    assert_ne!(plan.code, 0);

    // Where there is nothing to sign, nobody asks for a key.
    let made = signed();
    keyless(&made);
    assert_eq!(foreseen(&made).code, 0);
    let model = "domains/shop/gold/revenue.sql";
    let text = std::fs::read_to_string(made.path(model)).unwrap();
    made.write(model, &text.replace("sum(amount)", "max(amount)"));
    expect![[r#"
        step    table                        would    because                                                                        reads  takes
        load    shop_bronze.landing__orders  nothing  up to date
        silver  shop_silver.orders           nothing  up to date
        gold    shop_gold.revenue            FAIL     target `dev` has `require_signature: true` and the project has no signing key
        1 step would fail, with exit 4; nothing was written
        --- stderr
        error: target `dev` has `require_signature: true` and the project has no signing key
        hint: give the key to the target in karat.yaml: `key: "${file:PATH}"`
        --- exit 4
    "#]]
    .assert_eq(&foreseen(&made).text());

    // What a killed run left open is signed by whoever takes it up.
    let killed = project(true);
    let secret = SigningKey::from_seed(&KEY).to_pkcs8_pem();
    let run = killed.karat_with(
        &["run", "--quiet"],
        &[("SHOP_KEY", &secret), ("KARAT_FAILPOINT", "files.after")],
    );
    assert_eq!(run.code, -1, "{}", run.text());
    keyless(&killed);
    assert_eq!(foreseen(&killed).code, 4);
}

/// A project whose target did not demand signatures when its tables were made.
fn late_demand() -> (Project, String) {
    let project = project(true);
    let demanding = std::fs::read_to_string(project.path("karat.yaml")).unwrap();
    let key = ", key: \"${env:SHOP_KEY}\"";
    let lenient = demanding
        .replace(key, "")
        .replace("true, require_signature: true", "true");
    project.write("karat.yaml", &lenient);
    let run = project.karat(&["run", "--quiet"]);
    assert_eq!(run.code, 0, "{}", run.text());
    project.write("karat.yaml", &demanding);
    let keyless = demanding.replace(key, "");
    (project, keyless)
}

#[test]
fn all_that_waits_is_adopted_at_once() {
    let (project, keyless) = late_demand();
    // Verifying says once what to do, with a key and without.
    expect![[r#"
        outcome   table                        version  fingerprint
        mismatch  shop_bronze.landing__orders        0               signature: unsigned
        mismatch  shop_gold.revenue                  0               signature: unsigned
        mismatch  shop_quarantine.orders             0               signature: unsigned
        mismatch  shop_silver.orders                 0               signature: unsigned
        NOT as the record says: 4 receipts, 0 files hashed, 0 rows decoded
        head DIGEST
        --- stderr
        hint: target `dev` has `require_signature: true`: `karat receipt adopt --all REASON` signs for what is right with the target's key
        --- exit 1
    "#]].assert_eq(&karat(&project, &["verify", "--signatures"]).text());
    let demanding = std::fs::read_to_string(project.path("karat.yaml")).unwrap();
    project.write("karat.yaml", &keyless);
    expect![[r#"
        hint: target `dev` has `require_signature: true`: make a key (`openssl genpkey -algorithm ed25519 -out KEY`), put its public half into the project (`openssl pkey -in KEY -pubout -out keys/NAME.pub`), and give it to target `dev` in karat.yaml (`key: "${file:KEY}"`, or `key: "${env:VARIABLE}"` with its text); then `karat receipt adopt --all REASON` signs for what is right with the target's key
    "#]].assert_eq(&karat(&project, &["verify", "--signatures"]).stderr);
    let before = project.lake_files();
    let none = karat(&project, &["receipt", "adopt", "--all", "seen"]);
    assert_eq!(none.code, 4, "{}", none.text());
    assert_eq!(project.lake_files(), before);
    project.write("karat.yaml", &demanding);
    for mistake in [
        &["receipt", "adopt", "seen"][..],
        &["receipt", "adopt", "--all"],
        &["receipt", "adopt", "--all", " "],
        &["receipt", "adopt", "--all", TABLE, "seen"],
        &["receipt", "adopt", "domain:none", "seen"],
    ] {
        let answer = karat(&project, mistake);
        assert_eq!(answer.code, 2, "{mistake:?}: {}", answer.text());
    }
    assert_eq!(project.lake_files(), before);
    // A selection takes what silver quarantines with it.
    expect![[r#"
        `shop_bronze.landing__orders`: version 0 adopted by version 1
        `shop_quarantine.orders`: version 0 adopted by version 1
        `shop_silver.orders`: version 0 adopted by version 1
        --- exit 0
    "#]]
    .assert_eq(
        &karat(
            &project,
            &["receipt", "adopt", "+shop_silver.orders", "seen"],
        )
        .text(),
    );
    expect![[r#"
        `shop_gold.revenue`: version 0 adopted by version 1
        --- exit 0
    "#]]
    .assert_eq(&karat(&project, &["receipt", "adopt", "--all", "seen"]).text());
    expect![[r#"
        no table waits for a person's word
        --- exit 0
    "#]]
    .assert_eq(&karat(&project, &["receipt", "adopt", "domain:shop", "seen"]).text());
    let run = karat(&project, &["run", "--quiet"]);
    assert_eq!(run.code, 0, "{}", run.text());
    assert_eq!(verified(&project), (0, Vec::new()));
    assert_eq!(karat(&project, &["verify", "--all"]).code, 0);

    // One of which nobody can vouch stops no other.
    let (project, _) = late_demand();
    let files = project.lake_files();
    let of_silver = |name: &&String| name.contains("silver/orders") && name.ends_with(".parquet");
    let file = format!("lake/{}", files.iter().find(of_silver).unwrap());
    let mut bytes = std::fs::read(project.path(&file)).unwrap();
    bytes[100] ^= 1;
    project.write_bytes(&file, &bytes);
    let answer = karat(&project, &["receipt", "adopt", "--all", "seen", "--json"]);
    let document = answer.json();
    let tables = |list: &str| -> Vec<String> {
        let list = document[list].as_array().unwrap().iter();
        list.map(|one| one["table"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(
        tables("adopted"),
        [
            "shop_bronze.landing__orders",
            TABLE,
            "shop_quarantine.orders"
        ]
    );
    assert_eq!(tables("failed"), ["shop_silver.orders"]);
    assert_eq!(document["failed"][0]["error"]["exit_code"], answer.code);
    assert_eq!(answer.code, 1, "{}", answer.text());
    assert!(
        answer.stderr.contains("shop_silver.orders"),
        "{}",
        answer.stderr
    );
}

/// What becomes of a receipt and its envelope.
type Forgery = fn(&Receipt, &Value) -> Value;

/// Puts another envelope in the place of the gold table's receipt, and computes anew whatever names it: file names, the commit, the
/// manifest and its digests.
fn forge(project: &Project, change: Forgery) {
    let lake = project.path("lake");
    let log = std::fs::read_to_string(project.path(LOG)).unwrap();
    let old = karat(project, &["receipt", "show", TABLE, "--json"]).json()["digest"]
        .as_str()
        .unwrap()
        .to_owned();
    let file = |digest: &str, end: &str| lake.join(format!("_karat/receipts/{digest}{end}"));
    let bytes = std::fs::read(file(&old, ".json")).unwrap();
    let receipt = karat_receipt::open(&bytes).unwrap().receipt;
    let envelope = change(&receipt, &serde_json::from_slice(&bytes).unwrap());
    let bytes = to_canonical_bytes("envelope", &envelope).unwrap();
    let new = Digest::of(&bytes).to_string();
    assert_ne!(old, new);
    std::fs::write(file(&new, ".json"), bytes).unwrap();
    std::fs::remove_file(file(&old, ".json")).unwrap();
    std::fs::rename(file(&old, ".files.json"), file(&new, ".files.json")).unwrap();
    let log = log.replace(&old, &new);
    std::fs::write(project.path(LOG), &log).unwrap();

    let runs = project.lake_files();
    let run = runs
        .iter()
        .find(|name| name.starts_with("_karat/runs/"))
        .unwrap();
    let mut manifest: Value =
        serde_json::from_slice(&std::fs::read(lake.join(run)).unwrap()).unwrap();
    let entry = Digest::of(log.as_bytes());
    manifest["tables"][TABLE]["receipt"] = json!(new);
    manifest["tables"][TABLE]["log"] = json!(Digest::of(format!("{entry}\n").as_bytes()));
    manifest.as_object_mut().unwrap().remove("sha256");
    let digest = Digest::of(&to_canonical_bytes("manifest", &manifest).unwrap());
    manifest["sha256"] = json!(digest);
    let bytes = to_canonical_bytes("manifest", &manifest).unwrap();
    std::fs::write(lake.join(run), bytes).unwrap();
}

/// The envelope of a receipt that tells of another principal, with these signatures.
fn another(receipt: &Receipt, signatures: &Value) -> Value {
    let receipt = Receipt {
        principal: "somebody else".to_owned(),
        ..receipt.clone()
    };
    let mut envelope: Value = serde_json::from_slice(&seal(&receipt, None).bytes).unwrap();
    envelope["signatures"] = signatures.clone();
    envelope
}

fn thief() -> SigningKey {
    SigningKey::from_seed(&[9; 32])
}

fn sealed_by_a_thief(receipt: &Receipt) -> Value {
    serde_json::from_slice(&seal(receipt, Some(&thief())).bytes).unwrap()
}

#[test]
fn a_forger_without_the_key_is_found() {
    let honest = signed();
    let head = karat(&honest, &["run", "--json"]).json()["head"]
        .as_str()
        .unwrap()
        .to_owned();
    let forgeries: [(&str, Forgery, String); 4] = [
        (
            "other content, the signature kept",
            |receipt, envelope| another(receipt, &envelope["signatures"]),
            "signature: the signature does not fit".to_owned(),
        ),
        (
            "the signature removed",
            |_, envelope| {
                let mut envelope = envelope.clone();
                envelope["signatures"] = json!([]);
                envelope
            },
            "signature: unsigned".to_owned(),
        ),
        (
            "signed with another key",
            |receipt, _| sealed_by_a_thief(receipt),
            format!("signature: signed by the unknown key `{}`", thief().id()),
        ),
        (
            "signed with another key in the name of ours",
            |receipt, envelope| {
                let mut forged = sealed_by_a_thief(receipt);
                forged["signatures"][0]["keyid"] = envelope["signatures"][0]["keyid"].clone();
                forged
            },
            "signature: the signature does not fit".to_owned(),
        ),
    ];
    for (name, change, expected) in forgeries {
        let project = Project::copy_of(&honest);
        forge(&project, change);
        let (code, said) = verified(&project);
        assert_eq!(code, 1, "{name}");
        assert_eq!(said, [format!("{TABLE}: {expected}")], "{name}");
        let mut judged = by_openssl(&project);
        judged.sort();
        assert_eq!(judged, ["ok", "ok", "ok", "wrong"], "{name}");
        let (accepted, text) = checked(&project);
        // Without the peers nothing there can verify a signature.
        assert_eq!(
            accepted,
            std::env::var_os("KARAT_PEERS").is_none(),
            "{name}: {text}"
        );
        // Where signatures are not demanded, who knows the head still knows.
        let head = karat(&project, &["verify", "--signatures", "--head", &head]);
        assert!(
            head.stdout.contains("no manifest has the digest"),
            "{name}: {}",
            head.text()
        );
    }
}

/// A target that begins to demand signatures builds on nothing that `verify` would not accept, until a person vouches for it (G7).
#[test]
fn nothing_is_built_on_what_nobody_signed() {
    let project = project(true);
    let demanding = std::fs::read_to_string(project.path("karat.yaml")).unwrap();
    let lenient = demanding.replace(
        "require_signature: true, key: \"${env:SHOP_KEY}\"",
        "require_signature: false",
    );
    project.write("karat.yaml", &lenient);
    assert_eq!(project.karat(&["run", "--quiet"]).code, 0);
    project.write("karat.yaml", &demanding);
    // Also where there is nothing new: what is there is not what the target promises.
    let before = project.lake_files();
    let again = karat(&project, &["run", "--quiet"]);
    expect![[r#"
                 table                        version   time  rows
        failed   shop_bronze.landing__orders           N s
        skipped  shop_silver.orders                    N s
        skipped  shop_gold.revenue                     N s
        run RUN: 0 tables written, 0 unchanged, 1 failed, 2 skipped, N s
        head DIGEST
        --- stderr
        error: version 0 of `shop_bronze.landing__orders` is unsigned, and target `dev` has `require_signature: true`: nothing is built on it
        hint: look at the table; if it is right, `karat receipt adopt shop_bronze.landing__orders REASON` signs for it with the target's key (`karat receipt list shop_bronze.landing__orders` tells which runs made it)
        --- exit 1
    "#]].assert_eq(&again.text());
    project.write(
        "landing/orders/orders_20260106.csv",
        "order_id,country,amount,ordered_at\n6,ch,1.00,2026-01-06 09:00:00\n",
    );
    assert_eq!(karat(&project, &["run", "--quiet"]).code, 1);
    assert_eq!(karat(&project, &["plan"]).code, 1);
    assert_eq!(verified(&project).0, 1);
    assert_eq!(project.lake_files(), before);

    let tables = [
        "shop_bronze.landing__orders",
        "shop_silver.orders",
        "shop_quarantine.orders",
        TABLE,
    ];
    for table in tables {
        // Without the key nobody vouches for anything.
        project.write(
            "karat.yaml",
            &lenient.replace("_signature: false", "_signature: true"),
        );
        assert_eq!(project.karat(&["receipt", "adopt", table, "seen"]).code, 4);
        project.write("karat.yaml", &demanding);
        let adopted = karat(&project, &["receipt", "adopt", table, "seen"]);
        let said = format!("`{table}`: version 0 adopted by version 1\n");
        assert_eq!((adopted.code, adopted.stdout), (0, said));
    }
    let run = karat(&project, &["run", "--quiet"]);
    assert_eq!(run.code, 0, "{}", run.text());
    let said = verified(&project);
    assert_eq!(said, (0, Vec::new()));
    assert_eq!(karat(&project, &["verify", "--all"]).code, 0);
    let (accepted, text) = checked(&project);
    assert!(accepted, "{text}");
    // Nor on what an unknown key signed.
    let other = SigningKey::from_seed(&[8; 32]);
    project.write("keys/shop.pub", &other.public_key().to_pem());
    let run = project.karat_with(
        &["run", "--quiet", "--select", TABLE],
        &[("SHOP_KEY", &other.to_pkcs8_pem())],
    );
    assert_eq!(run.code, 1, "{}", run.text());
    let id = SigningKey::from_seed(&KEY).id();
    let said = format!(
        "error: version 2 of `shop_silver.orders` is signed by the unknown key `{id}`, and target `dev`"
    );
    assert!(run.stderr.starts_with(&said), "{}", run.text());
}

/// A key hands over to the next in a statement that both sign; who pinned the first key alone follows (G7).
#[test]
fn a_key_hands_over_to_the_next() {
    let project = signed();
    let secret = |seed: u8| SigningKey::from_seed(&[seed; 32]).to_pkcs8_pem();
    for seed in [8, 9] {
        project.write(&format!("{seed}.pem"), &secret(seed));
    }
    let with = |seed: u8, arguments: &[&str]| {
        project.karat_with(arguments, &[("SHOP_KEY", &secret(seed))])
    };
    let more = |id: u8| {
        project.write(
            &format!("landing/orders/orders_202601{id:02}.csv"),
            &format!("order_id,country,amount,ordered_at\n{id},ch,1.00,2026-01-06 09:00:00\n"),
        );
    };
    let rotate = |seed: u8, to: &str| with(seed, &["receipt", "rotate", "--to", to, "it is due"]);

    // What a killed run left is of the old key's time.
    more(20);
    let killed = project.karat_with(
        &["run", "--quiet"],
        &[("SHOP_KEY", &secret(7)), ("KARAT_FAILPOINT", "files.after")],
    );
    assert_eq!(killed.code, -1, "{}", killed.text());
    let early = rotate(7, "8.pem");
    assert_eq!(early.code, 2, "{}", early.text());
    // Nobody takes up what the project no longer declares: it is given up, and declared again the feed is read anew.
    let another = Project::copy_of(&project);
    let domain = std::fs::read_to_string(another.path("domains/shop/domain.yaml")).unwrap();
    let away = Project::copy_of(&another);
    another.remove("domains/shop");
    another.write("domains/shop/domain.yaml", "domain: shop\nfeeds: []\n");
    let of_another = |seed: u8, arguments: &[&str]| {
        another.karat_with(arguments, &[("SHOP_KEY", &secret(seed))])
    };
    let given_up = of_another(7, &["receipt", "rotate", "--to", "8.pem", "it is due"]);
    assert_eq!(given_up.code, 0, "{}", given_up.text());
    another.remove("domains/shop");
    crate::project::copy_folder(&away.path("domains/shop"), &another.path("domains/shop"));
    another.write("domains/shop/domain.yaml", &domain);
    let run = of_another(8, &["run", "--quiet"]);
    assert_eq!(run.code, 0, "{}", run.text());
    assert_eq!(verified(&another), (0, vec![]));
    // Half a statement names its file, which lies beside the lake.
    another.write("keys/half.rotation.json", "");
    let half = of_another(8, &["verify"]);
    expect![[r#"
        --- stderr
        error: cannot follow the rotation `half.rotation.json`: it ends after 0 bytes, in the middle
        hint: put back the file and the public key that it goes out from as they were, or take the file away and trust the new key by a file `keys/NAME.pub` of its own
        --- exit 3
    "#]]
    .assert_eq(&half.text());
    assert_eq!(with(7, &["run", "--quiet"]).code, 0);

    let told = rotate(7, "8.pem");
    let [one, two] = [KEY, [8; 32]].map(|seed| SigningKey::from_seed(&seed).id());
    let file = format!("keys/{one}-{two}.rotation.json");
    let begins = format!("{one} hands over to {two} at ");
    assert_eq!(told.code, 0, "{}", told.text());
    assert!(told.stdout.starts_with(&begins), "{}", told.stdout);
    assert!(
        told.stdout.contains(&file) && told.stdout.contains("name 8.pem"),
        "{}",
        told.stdout
    );

    // The old key signs no more and hands over no more; the new one does both.
    more(21);
    let late = with(7, &["run", "--quiet"]);
    assert_eq!(late.code, 4, "{}", late.text());
    assert_eq!(rotate(7, "9.pem").code, 3);
    assert_eq!(with(8, &["run", "--quiet"]).code, 0);
    assert_eq!(verified(&project).0, 0, "{:?}", verified(&project));
    assert_eq!(rotate(8, "8.pem").code, 3, "to itself");
    assert_eq!(rotate(8, "9.pem").code, 0);
    more(22);
    let run = with(9, &["run", "--json"]);
    assert_eq!(run.code, 0, "{}", run.text());
    assert_eq!(verified(&project), (0, vec![]));

    // An auditor who has the first key alone.
    let exported = with(9, &["receipt", "export", "--out", "record"]);
    assert_eq!(exported.code, 0, "{}", exported.text());
    project.write(
        "pinned/first.pub",
        &SigningKey::from_seed(&KEY).public_key().to_pem(),
    );
    let (tool, record) = (
        project.path("record/check_receipt.py"),
        project.path("record"),
    );
    let (keys, pinned) = (Path::new("--keys"), project.path("pinned"));
    let check = || python(&[Path::new("-B"), &tool, &record, keys, &pinned]);
    let (holds, text) = check();
    assert!(holds, "{text}");
    for name in project.files_below("record/keys") {
        if name.ends_with(".rotation.json") {
            let path = record.join("keys").join(&name);
            let bytes = std::fs::read(&path).unwrap();
            for at in (0..bytes.len()).step_by(97) {
                let mut flipped = bytes.clone();
                flipped[at] ^= 1;
                std::fs::write(&path, &flipped).unwrap();
                assert!(!check().0, "{name} changed at {at}");
                project.write_bytes(&file, &flipped);
                assert_ne!(with(9, &["verify", "--signatures"]).code, 0, "{at}");
            }
            std::fs::write(&path, &bytes).unwrap();
        }
    }
    let whole = record.join("keys").join(file.trim_start_matches("keys/"));
    std::fs::copy(&whole, project.path(&file)).unwrap();
    assert_eq!(verified(&project), (0, vec![]));

    // A key that was stolen hands over nothing, whenever it claims to have done so.
    let ours = SigningKey::from_seed(&KEY).public_key().to_pem();
    project.write("keys/shop.pub", &format!("# revoked: 2026-01-01\n{ours}"));
    let revoked = with(9, &["verify", "--signatures"]);
    assert_eq!(revoked.code, 3, "{}", revoked.text());
    expect![[r#"
        error: cannot follow the rotation `ONE-TWO.rotation.json`: ONE is revoked
        hint: put back the file and the public key that it goes out from as they were, or take the file away and trust the new key by a file `keys/NAME.pub` of its own
    "#]]
    .assert_eq(&revoked.stderr.replace(one.as_str(), "ONE").replace(two.as_str(), "TWO"));
    // Its successor can be trusted by itself.
    project.write(
        "keys/second.pub",
        &SigningKey::from_seed(&[8; 32]).public_key().to_pem(),
    );
    let (code, said) = verified(&project);
    assert_eq!(code, 1, "{said:?}");
    assert!(
        said.iter().all(|said| said.contains("which is revoked")),
        "{said:?}"
    );
}
