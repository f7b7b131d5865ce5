//! Lakes that earlier versions wrote, kept as they were: this version reads and verifies them, finds nothing to do in them, and writes
//! the same bytes (G8).
//!
//! To keep the lake of a new version: copy `tests/golden/lake-1` without `lake` and `keys` under the next name, let its project say
//! what is new, add the name to `LAKES`, and run `KARAT_GOLDEN=lake-2 UPDATE_EXPECT=1 cargo test -p karat --test it golden`.
//! Before the first release, a change of the record's form writes `lake-1` again in the same way.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Once;

use expect_test::expect_file;
use karat_receipt::{Intent, SigningKey};

use crate::project::{Project, copy_folder};

const LAKES: &[&str] = &["lake-1"];

/// The days of a golden project, by the date in the names of its files.
const DAYS: [(&str, &str); 2] = [
    ("20260105", "2026-01-05T20:00:00Z"),
    ("2026010", "2026-01-07T20:00:00Z"),
];

fn folder(lake: &str) -> PathBuf {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    crate_folder.join("tests/golden").join(lake)
}

/// A copy of a golden project with its lake, as it was after both days.
fn golden(lake: &str) -> Project {
    // Once, though all tests here ask for it at the same time.
    static WRITTEN: Once = Once::new();
    if std::env::var("KARAT_GOLDEN").is_ok_and(|name| name == lake) {
        WRITTEN.call_once(|| write(lake));
    }
    let project = Project::empty();
    copy_folder(&folder(lake), &project.path(""));
    project.sqlite(&fs::read_to_string(project.path("shop.sql")).unwrap());
    project
}

/// The project without a lake, before anything arrived.
fn before(lake: &str) -> Project {
    let project = Project::empty();
    copy_folder(&folder(lake), &project.path(""));
    project.remove("lake");
    project.remove("landing");
    project
}

fn arrive(project: &Project, lake: &str, day: usize) {
    let (date, _) = DAYS[day];
    for entry in fs::read_dir(folder(lake).join("landing")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name.contains(date) {
            let bytes = fs::read(folder(lake).join("landing").join(&name)).unwrap();
            let landed = format!("landing/{name}");
            if !project.path(&landed).exists() {
                project.write_bytes(&landed, &bytes);
            }
        }
    }
    let sql = fs::read_to_string(project.path("shop.sql")).unwrap();
    project.sqlite(sql.split("-- day 2\n").nth(day).unwrap());
}

/// Writes the lake with a key that is forgotten afterwards.
fn write(lake: &str) {
    let mut seed = [0; 32];
    let mut random = fs::File::open("/dev/urandom").unwrap();
    random.read_exact(&mut seed).unwrap();
    let key = SigningKey::from_seed(&seed);
    let project = before(lake);
    project.write("keys/golden.pub", &key.public_key().to_pem());
    for (day, (_, at)) in DAYS.into_iter().enumerate() {
        arrive(&project, lake, day);
        let run = project.karat_with(
            &["run", "--target", "writer", "--at", at],
            &[("GOLDEN_KEY", &key.to_pkcs8_pem())],
        );
        // A broken file is first met on the second day.
        assert_eq!(run.code, day as i32, "{}", run.text());
    }
    project.remove("lake/_karat/locks");
    for part in ["lake", "keys"] {
        let _ = fs::remove_dir_all(folder(lake).join(part));
        copy_folder(&project.path(part), &folder(lake).join(part));
    }
}

#[test]
fn golden_lakes_are_verified_and_read() {
    for lake in LAKES {
        let project = golden(lake);
        let mut text = String::new();
        for level in ["--signatures", "--files", "--all"] {
            let verified = project.karat(&["verify", level, "--json"]);
            assert_eq!(verified.code, 0, "{lake}: {}", verified.text());
            let document = verified.json();
            text += &format!(
                "verify {level}: head {}\n",
                document["head"].as_str().unwrap()
            );
            if level == "--all" {
                for table in document["tables"].as_array().unwrap() {
                    let word = |key: &str| table[key].as_str().unwrap();
                    let (version, found) = (&table["version"], word("found"));
                    text += &format!("{} {}@{version} {found}\n", word("outcome"), word("table"));
                }
            }
        }
        let shown = project.karat(&["receipt", "show", "shop_gold.revenue", "--json"]);
        text += &format!("{}\n", shown.json()["signature"].as_str().unwrap());
        let tables = project.karat(&["status", "--json"]).json();
        for table in tables["tables"].as_array().unwrap() {
            let table = table["table"].as_str().unwrap();
            let sql = format!("select * from {table}");
            text += &format!("\n{sql}\n{}", project.rows(&sql));
        }
        let first = "select name, revenue from shop_gold.revenue";
        let runs: Vec<String> = project
            .lake_files()
            .into_iter()
            .filter_map(|name| {
                Some(
                    name.strip_prefix("_karat/runs/")?
                        .strip_suffix(".json")?
                        .to_owned(),
                )
            })
            .collect();
        let query = [
            "query", "--quiet", "--format", "csv", "--run", &runs[0], first,
        ];
        text += &format!(
            "\n{first}, as of the first run\n{}",
            project.karat(&query).stdout
        );
        text += &format!(
            "\nquarantine list\n{}",
            project.karat(&["quarantine", "list"]).stdout
        );
        expect_file![folder(lake).with_extension("txt")].assert_eq(&text.replace("\r\n", "\n"));
    }
}

#[test]
fn in_golden_lakes_there_is_nothing_to_do() {
    for lake in LAKES {
        let project = golden(lake);
        let files = project.lake_files();
        let run = project.karat(&["run", "--quiet"]);
        assert_eq!(run.code, 0, "{lake}: {}", run.text());
        assert!(
            run.stdout.starts_with("nothing to do"),
            "{lake}: {}",
            run.text()
        );
        assert_eq!(project.lake_files(), files, "{lake}");
    }
}

/// The same objects under the same intents, taken up as if their runs had been killed right after they wrote them: bronze holds the
/// run and its time, so only so can the bytes be the same.
#[test]
fn golden_lakes_are_written_again_byte_for_byte() {
    for lake in LAKES {
        let golden = golden(lake);
        let project = before(lake);
        for (day, (_, at)) in DAYS.into_iter().enumerate() {
            arrive(&project, lake, day);
            open_intents(&golden, &project, day);
            let run = project.karat(&["run", "--quiet", "--at", at]);
            assert_eq!(run.code, day as i32, "{lake}: {}", run.text());
        }
        let (was, is) = (data_files(&golden), data_files(&project));
        assert!(was.len() >= 16, "{lake}: {:?}", was.keys());
        assert_eq!(
            was.keys().collect::<Vec<_>>(),
            is.keys().collect::<Vec<_>>(),
            "{lake}"
        );
        assert!(was == is, "{lake}: bytes differ under one name");
    }
}

/// Gives a lake the intents of another one's first or second run that led to a commit, and the code that they name.
fn open_intents(from: &Project, to: &Project, day: usize) {
    let mut runs: Vec<String> = Vec::new();
    for name in from.lake_files() {
        if let Some(run) = name.strip_prefix("_karat/runs/") {
            runs.push(run.trim_end_matches(".json").to_owned());
        }
    }
    assert_eq!(runs.len(), DAYS.len());
    let names = from.lake_files();
    let is_closed = |name: &String| names.contains(&name.replace(".json", ".closed.json"));
    for name in &names {
        let bytes = fs::read(from.path("lake").join(name)).unwrap();
        let wanted = match name.split('/').nth(1).unwrap() {
            "intents" if !name.ends_with(".closed.json") && !is_closed(name) => {
                Intent::from_bytes(&bytes).unwrap().run == runs[day]
            }
            "code" | "format" => true,
            _ => false,
        };
        if wanted && name.starts_with("_karat/") {
            to.write_bytes(&format!("lake/{name}"), &bytes);
        }
    }
}

fn data_files(project: &Project) -> BTreeMap<String, Vec<u8>> {
    let names = project.lake_files().into_iter();
    names
        .filter(|name| name.ends_with(".parquet") && !name.contains("_delta_log"))
        .map(|name| {
            let bytes = fs::read(project.path("lake").join(&name)).unwrap();
            (name, bytes)
        })
        .collect()
}
