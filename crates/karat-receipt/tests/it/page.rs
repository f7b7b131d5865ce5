//! The page docs/receipts.md: its example is made here, and its way to check a lake without karat is tried here, with
//! `tools/check_lake.py` on a lake of two versions.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use expect_test::expect_file;
use karat_receipt::{Digest, FileRef, Kind, Manifest, Receipt, SigningKey, TableState, open, seal};

use crate::{example, live};

#[test]
fn example_of_the_page_is_what_karat_writes() {
    let sealed = seal(&example(), None);
    let payload = open(&sealed.bytes).unwrap().payload;
    let statement: serde_json::Value = serde_json::from_slice(&payload).unwrap();
    expect_file!["../../../../docs/receipt-example.json"]
        .assert_eq(&(serde_json::to_string_pretty(&statement).unwrap() + "\n"));
}

const TABLE: &str = "ledger/silver/entries";
const INTENT: &str = "intents/1.json";
const CODE: &str = "code/entries.txt";

/// A signed lake with one table of two versions; the second replaces the first's file.
struct Lake {
    folder: tempfile::TempDir,
    head: Digest,
}

impl Lake {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = SigningKey::from_seed(&[7; 32]);
        for part in [
            "keys",
            "_karat/receipts",
            "_karat/runs",
            "_karat/intents",
            "_karat/code",
            &format!("{TABLE}/_delta_log"),
        ] {
            fs::create_dir_all(folder.path().join(part)).unwrap();
        }
        fs::write(folder.path().join("keys/a.pub"), key.public_key().to_pem()).unwrap();
        for document in [INTENT, CODE] {
            fs::write(folder.path().join("_karat").join(document), document).unwrap();
        }
        let mut lake = Self {
            folder,
            head: Digest::of(b""),
        };
        let (a, b) = (
            lake.data_file("rows of the first version", 2),
            lake.data_file("rows of the second", 3),
        );
        let first = lake.commit(&key, 0, None, &a, None);
        let second = lake.commit(&key, 1, Some(first), &b, Some(&a));
        lake.manifests([first, second]);
        lake
    }

    fn path(&self, relative: &str) -> PathBuf {
        self.folder.path().join(relative)
    }

    fn data_file(&self, content: &str, rows: u64) -> FileRef {
        let sha256 = Digest::of(content.as_bytes()).to_string();
        let path = format!("{sha256}-1-0.parquet");
        fs::write(self.path(&format!("{TABLE}/{path}")), content).unwrap();
        FileRef {
            path,
            size: content.len() as u64,
            sha256,
            rows,
            fingerprint: format!("{rows}:{rows:032x}"),
        }
    }

    fn commit(
        &self,
        key: &SigningKey,
        version: i64,
        previous: Option<Digest>,
        added: &FileRef,
        removed: Option<&FileRef>,
    ) -> Digest {
        let receipt = Receipt {
            version,
            kind: Kind::Transform,
            intent: Some(Digest::of(INTENT.as_bytes())),
            code: Digest::of(CODE.as_bytes()),
            inputs: Vec::new(),
            previous,
            fingerprint: added.fingerprint.clone(),
            files_added: vec![added.clone()],
            files_removed: removed.into_iter().cloned().collect(),
            live_files: live(&[added]),
            ..example()
        };
        let sealed = seal(&receipt, Some(key));
        fs::write(
            self.path(&format!("_karat/receipts/{}.json", sealed.digest)),
            &sealed.bytes,
        )
        .unwrap();
        let mut log = format!(
            "{{\"commitInfo\":{{\"karat.receipt\":\"{}\"}}}}\n",
            sealed.digest
        );
        log += &format!(
            "{{\"add\":{{\"path\":\"{}\",\"size\":{}}}}}\n",
            added.path, added.size
        );
        if let Some(removed) = removed {
            log += &format!("{{\"remove\":{{\"path\":\"{}\"}}}}\n", removed.path);
        }
        fs::write(
            self.path(&format!("{TABLE}/_delta_log/{version:020}.json")),
            log,
        )
        .unwrap();
        sealed.digest
    }

    fn manifests(&mut self, receipts: [Digest; 2]) {
        let mut previous = None;
        for (sequence, receipt) in receipts.into_iter().enumerate() {
            let rows = sequence as u64 + 2;
            let fingerprint = format!("{rows}:{rows:032x}");
            let state = TableState {
                version: sequence as i64,
                receipt: Some(receipt),
                fingerprint,
                rows,
                log: None,
                checkpoint: BTreeMap::new(),
            };
            let manifest = Manifest {
                run: format!("run-{sequence}"),
                sequence: sequence as u64,
                logical_time: example().logical_time,
                complete: true,
                tables: BTreeMap::from([(example().table, state)]),
                previous,
                tags: BTreeMap::new(),
            };
            fs::write(
                self.path(&format!("_karat/runs/run-{sequence}.json")),
                manifest.to_bytes(),
            )
            .unwrap();
            previous = Some(manifest.head());
            self.head = manifest.head();
        }
    }

    /// Whether the checker accepts the lake, and what it prints.
    fn check(&self) -> (bool, String) {
        let tool = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tools/check_lake.py");
        let output = Command::new("python3")
            .arg("-B")
            .arg(tool)
            .arg(self.folder.path())
            .args(["--head", &self.head.to_string()])
            .output()
            .unwrap();
        assert!(
            output.stderr.is_empty(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        (
            output.status.success(),
            String::from_utf8(output.stdout).unwrap(),
        )
    }

    fn files(&self, folder: &str) -> Vec<PathBuf> {
        let mut files: Vec<_> = fs::read_dir(self.path(folder))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        files.retain(|path| path.is_file());
        files.sort();
        files
    }
}

#[test]
fn a_lake_is_checked_without_karat() {
    let lake = Lake::new();
    let head = lake.head;
    let key = SigningKey::from_seed(&[7; 32]).id();
    let expected = format!(
        "ok        ledger_silver.entries@1, 1 data files\nhead      {head}, as given\nkeys      {key}\n"
    );
    assert_eq!(lake.check(), (true, expected));
}

#[test]
fn a_byte_flipped_in_a_copy_is_found_without_karat() {
    let lake = Lake::new();
    let mut files = lake.files("_karat/receipts");
    for folder in ["_karat/runs", "_karat/intents", "_karat/code"] {
        files.extend(lake.files(folder));
    }
    let log =
        fs::read_to_string(lake.path(&format!("{TABLE}/_delta_log/00000000000000000001.json")))
            .unwrap();
    files.extend(lake.files(TABLE).into_iter().filter(|path| {
        let name = path.file_name().unwrap().to_string_lossy();
        log.contains(&format!("\"add\":{{\"path\":\"{name}\""))
    }));
    assert_eq!(files.len(), 7);
    for file in files {
        let bytes = fs::read(&file).unwrap();
        for position in [0, bytes.len() / 3, bytes.len() - 1] {
            let mut flipped = bytes.clone();
            flipped[position] ^= 1;
            fs::write(&file, flipped).unwrap();
            let (accepted, output) = lake.check();
            assert!(!accepted, "byte {position} of {}: {output}", file.display());
            assert!(output.contains("mismatch"), "{output}");
        }
        fs::write(&file, bytes).unwrap();
    }
    assert!(lake.check().0);
}

#[test]
fn a_log_that_tells_another_story_is_found_without_karat() {
    let lake = Lake::new();
    let log = lake.path(&format!("{TABLE}/_delta_log/00000000000000000001.json"));
    let honest = fs::read_to_string(&log).unwrap();
    let first_receipt = lake.files(&format!("{TABLE}/_delta_log"))[0].clone();
    let first_receipt = fs::read_to_string(first_receipt)
        .unwrap()
        .lines()
        .next()
        .unwrap()
        .to_owned();
    let forgeries = [
        ("another size", honest.replace("\"size\":18", "\"size\":19")),
        (
            "no removal",
            honest.lines().take(2).collect::<Vec<_>>().join("\n"),
        ),
        (
            "no receipt",
            honest.lines().skip(1).collect::<Vec<_>>().join("\n"),
        ),
        (
            "the receipt before",
            honest
                .lines()
                .skip(1)
                .fold(first_receipt, |log, line| log + "\n" + line),
        ),
    ];
    for (name, forged) in forgeries {
        assert_ne!(forged, honest, "{name}");
        fs::write(&log, forged).unwrap();
        assert!(!lake.check().0, "{name}");
    }
    fs::remove_file(&log).unwrap();
    assert!(!lake.check().0, "the end cut off: the head tells");
}
