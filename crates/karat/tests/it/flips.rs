//! One byte flipped, a file cut, grown, removed or exchanged, in every kind of file of a lake: `verify` says which file (G5).
//!
//! What it cannot say is what was cut off at the end: that takes the head, which is written down elsewhere (G4).

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;

use arrow::json::LineDelimitedWriter;
use expect_test::expect;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;

use crate::dice::Dice;
use crate::project::{Project, is_on_iceberg};
use crate::two_days::{self, contents};

/// Kinds of files of a lake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Data,
    OldLog,
    NewestLog,
    Checkpoint,
    /// What leads other readers to the newest checkpoint, or version.
    Pointer,
    /// What the log of an Iceberg table leads to.
    Manifests,
    Receipt,
    Fingerprints,
    Intent,
    Closing,
    Code,
    Manifest,
    Accepted,
    Format,
}

/// What is done to a file.
#[derive(Debug, Clone, Copy)]
enum Damage {
    Flip,
    Cut,
    Emptied,
    Grown,
    Removed,
    /// With another file of its kind.
    Exchanged,
}

/// Both days, then a load of a file that lacks a column, and a cursor set back; a table with a checkpoint; a run that was killed.
fn lake() -> Project {
    let project = two_days::project();
    two_days::arrive(&project, 1);
    let killed = project.karat_with(
        &["run", "--quiet"],
        &[("KARAT_FAILPOINT", "manifest.before")],
    );
    assert_eq!(killed.code, -1, "{}", killed.text());
    // Before a manifest vouches for it: every second version of this table has a checkpoint. Iceberg knows none.
    if is_on_iceberg() {
        return went_on(project);
    }
    let log = "lake/shop/silver/orders/_delta_log/00000000000000000000.json";
    let text = std::fs::read_to_string(project.path(log)).unwrap();
    let often = text.replace(
        r#""delta.checkpointInterval":"100""#,
        r#""delta.checkpointInterval":"2""#,
    );
    assert_ne!(text, often);
    project.write(log, &often);
    went_on(project)
}

fn went_on(project: Project) -> Project {
    project.run(0);
    two_days::arrive(&project, 2);
    project.run(0);
    let accept = |name: &str, header: &str| {
        project.write(&format!("landing/orders/{name}"), header);
        let accepted = project.karat(&["schema", "accept", "landing.orders"]);
        assert_eq!(accepted.code, 0, "{}", accepted.text());
    };
    accept(
        "orders_20260107_a.csv",
        "order_id,customer_id,amount,op,updated_at\n",
    );
    accept(
        "orders_20260107_b.csv",
        "order_id,customer_id,op,updated_at\n",
    );
    let set = project.karat(&["position", "set", "desk.customers", "9"]);
    assert_eq!(set.code, 0, "{}", set.text());
    project.run(0);
    project
}

/// The files of a lake by kind, locks left aside: they hold nothing.
fn files(project: &Project) -> BTreeMap<Kind, Vec<String>> {
    let mut kinds: BTreeMap<Kind, Vec<String>> = BTreeMap::new();
    let names = project.lake_files();
    for name in &names {
        let is_newest = || {
            let (folder, _) = name.rsplit_once('/').unwrap();
            let next = names.iter().filter(|other| {
                other.starts_with(folder) && other.ends_with(".json") && *other > name
            });
            next.count() == 0
        };
        let last = name.rsplit('/').next().unwrap();
        let kind = if name.contains("/_delta_log/") || name.contains("/metadata/") {
            match last {
                "_last_checkpoint" | "version-hint.text" => Kind::Pointer,
                _ if last.ends_with(".avro") => Kind::Manifests,
                _ if last.ends_with(".parquet") => Kind::Checkpoint,
                _ if is_newest() => Kind::NewestLog,
                _ => Kind::OldLog,
            }
        } else if name.ends_with(".parquet") {
            Kind::Data
        } else if name.ends_with(".files.json") {
            Kind::Fingerprints
        } else if name.ends_with(".closed.json") {
            Kind::Closing
        } else {
            match name.split('/').nth(1).unwrap() {
                "receipts" => Kind::Receipt,
                "intents" => Kind::Intent,
                "code" => Kind::Code,
                "runs" => Kind::Manifest,
                "schema" => Kind::Accepted,
                "format" => Kind::Format,
                other => panic!("{name}: nothing is known of `{other}`"),
            }
        };
        kinds.entry(kind).or_default().push(name.clone());
    }
    kinds
}

/// One file to damage, and how; `at` picks byte or length.
struct Case {
    kind: Kind,
    damage: Damage,
    file: String,
    /// The other one, where two are exchanged.
    other: Option<String>,
    at: u64,
}

fn cases(project: &Project, kinds: &BTreeMap<Kind, Vec<String>>) -> VecDeque<Case> {
    let bytes = |file: &String| std::fs::read(project.path("lake").join(file)).unwrap();
    let mut dice = Dice(7);
    let mut cases = VecDeque::new();
    for (kind, files) in kinds {
        let mut add = |damage, at| {
            let nth = dice.roll(files.len() as u64) as usize;
            let other = match damage {
                // Two of the same bytes can be exchanged, and nothing happened.
                Damage::Exchanged => {
                    let (before, from) = files.split_at(nth);
                    let mut others = from.iter().chain(before);
                    let other = others.find(|other| bytes(other) != bytes(&files[nth]));
                    Some(other.expect("files of a kind differ").clone())
                }
                _ => None,
            };
            cases.push_back(Case {
                kind: *kind,
                damage,
                file: files[nth].clone(),
                other,
                at,
            });
        };
        // The first and the last byte, and some between.
        for at in [0, u64::MAX, 3, 5, 7, 11] {
            add(Damage::Flip, at);
        }
        add(Damage::Cut, 13);
        add(Damage::Emptied, 0);
        add(Damage::Grown, 0);
        if files.len() > 1 {
            add(Damage::Exchanged, 0);
        }
        if *kind != Kind::Fingerprints {
            add(Damage::Removed, 0);
        }
    }
    cases
}

impl Case {
    fn name(&self) -> String {
        format!(
            "{:?} {:?} {} {}",
            self.kind, self.damage, self.file, self.at
        )
    }

    fn damage(&self, project: &Project) {
        let path = project.path("lake").join(&self.file);
        let mut bytes = std::fs::read(&path).unwrap();
        let size = bytes.len() as u64;
        let at = match self.at {
            0 => 0,
            u64::MAX => size - 1,
            seed => Dice(seed).roll(size),
        } as usize;
        match self.damage {
            Damage::Flip => bytes[at] ^= 1 << Dice(self.at).roll(8),
            Damage::Cut => bytes.truncate(at),
            Damage::Emptied => bytes.clear(),
            Damage::Grown => bytes.push(b'\n'),
            Damage::Removed => return std::fs::remove_file(path).unwrap(),
            Damage::Exchanged => {
                let other = project.path("lake").join(self.other.as_ref().unwrap());
                let theirs = std::fs::read(&other).unwrap();
                std::fs::write(other, &bytes).unwrap();
                bytes = theirs;
            }
        }
        std::fs::write(path, bytes).unwrap();
    }

    /// Whether only somebody who wrote it down can know that there was more.
    fn is_the_end(&self, kinds: &BTreeMap<Kind, Vec<String>>) -> bool {
        matches!(self.damage, Damage::Removed)
            && matches!(self.kind, Kind::Manifest | Kind::Accepted)
            && kinds[&self.kind].last() == Some(&self.file)
    }
}

#[test]
pub(crate) fn whatever_is_done_to_a_file_is_found() {
    let untouched = lake();
    let kinds = files(&untouched);
    for (kind, files) in &kinds {
        println!("{kind:?}: {}", files.len());
    }
    // Delta has checkpoints, Iceberg manifests.
    assert_eq!(kinds.len(), 13, "a file of every kind");
    let head = untouched.karat(&["run", "--json"]).json()["head"]
        .as_str()
        .unwrap()
        .to_owned();
    let cases = Mutex::new(cases(&untouched, &kinds));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                // A copy a thread; each case leaves it as it was.
                let project = Project::copy_of(&untouched);
                loop {
                    let Some(case) = cases.lock().unwrap().pop_front() else {
                        break;
                    };
                    case.damage(&project);
                    if case.is_the_end(&kinds) {
                        let verified = project.karat(&["verify"]);
                        assert_eq!(verified.code, 0, "{}: {}", case.name(), verified.text());
                        if case.kind == Kind::Manifest {
                            assert!(verified.stdout.contains(&case.file), "{}", verified.text());
                            let verified = project.karat(&["verify", "--head", &head]);
                            assert_eq!(verified.code, 1, "{}: {}", case.name(), verified.text());
                        }
                    } else {
                        found(&project, &case);
                    }
                    for file in [Some(&case.file), case.other.as_ref()]
                        .into_iter()
                        .flatten()
                    {
                        let from = untouched.path("lake").join(file);
                        std::fs::copy(from, project.path("lake").join(file)).unwrap();
                    }
                }
                assert_eq!(project.karat(&["verify", "--head", &head]).code, 0);
            });
        }
    });
}

/// By default, and at the level that should find it; as JSON and as text.
fn found(project: &Project, case: &Case) {
    let name = case.name();
    let verified = project.karat(&["verify", "--json"]);
    let document = verified.json();
    if case.kind == Kind::Format {
        assert_eq!(verified.code, 2, "{name}: {document}");
        let message = document["error"]["message"].as_str().unwrap();
        assert!(message.contains(&case.file), "{name}: {message}");
        return;
    }
    assert_eq!(verified.code, 1, "{name}: {document}");
    let names = |file: &String| {
        let mut files = document["files"].as_array().unwrap().iter();
        files.any(|found| {
            found["path"] == file.as_str()
                && ["mismatch", "missing"].contains(&found["outcome"].as_str().unwrap())
        })
    };
    assert!(names(&case.file), "{name}: {document}");
    assert!(case.other.as_ref().is_none_or(names), "{name}: {document}");
    if case.kind == Kind::Data {
        // A table with a damaged file is not called `ok`.
        let parts: Vec<&str> = case.file.split('/').collect();
        let table = format!("{}_{}.{}", parts[0], parts[1], parts[2]);
        let mut tables = document["tables"].as_array().unwrap().iter();
        let of_table = tables.find(|found| found["table"] == table.as_str());
        let outcome = of_table.map(|found| found["outcome"].clone());
        assert!(
            outcome.is_some_and(|outcome| outcome != "ok"),
            "{name}: {document}"
        );
    }
    if !matches!(case.damage, Damage::Flip) {
        return;
    }
    let level = match case.kind {
        Kind::Data => "--files",
        _ => "--signatures",
    };
    let verified = project.karat(&["verify", level]);
    assert_eq!(verified.code, 1, "{name} {level}: {}", verified.text());
    assert!(
        verified.stdout.contains(&case.file),
        "{name} {level}: {}",
        verified.text()
    );
}

#[test]
fn an_untouched_lake_verifies_without_what_may_be_deleted() {
    let project = lake();
    let levels: [&[&str]; 6] = [
        &["verify"],
        &["verify", "--signatures"],
        &["verify", "--files"],
        &["verify", "--all"],
        &["verify", "shop_silver.orders"],
        &["verify", "shop_silver.orders@1"],
    ];
    project.remove(".karat");
    for file in &files(&project)[&Kind::Fingerprints] {
        project.remove(&format!("lake/{file}"));
    }
    for level in levels {
        let verified = project.karat(level);
        assert_eq!(verified.code, 0, "{level:?}: {}", verified.text());
    }
    // They are decoded again where the next version needs them.
    let whole = lake();
    for project in [&project, &whole] {
        let late = "order_id,customer_id,country,amount,op,updated_at\n7,1,fr,1.00,U,2026-01-09 08:00:00\n";
        project.write("landing/orders/orders_20260109_a.csv", late);
        project.run(0);
    }
    assert_eq!(contents(&project), contents(&whole));
}

#[test]
fn the_levels_look_as_deep_as_they_say() {
    let project = lake();
    let kinds = files(&project);
    let file = kinds[&Kind::Data]
        .iter()
        .find(|name| name.starts_with("shop/gold/revenue"))
        .unwrap();
    let path = project.path("lake").join(file);
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    std::fs::write(&path, bytes).unwrap();
    for (arguments, code) in [
        (vec!["verify", "--signatures"], 0),
        (vec!["verify", "--files"], 1),
        (vec!["verify"], 1),
        (vec!["verify", "--all"], 1),
        (vec!["verify", "shop_gold.revenue"], 1),
        (vec!["verify", "shop_silver.orders"], 0),
    ] {
        let verified = project.karat(&arguments);
        assert_eq!(verified.code, code, "{arguments:?}: {}", verified.text());
    }
}

/// A data file of a lake whose path begins like this, the newest by name.
fn data_file(project: &Project, beginning: &str) -> String {
    let mut files = project.lake_files();
    files.retain(|name| name.starts_with(beginning) && name.ends_with(".parquet"));
    files.pop().unwrap()
}

/// Changes bytes of a file; gives what it was before.
fn damage(project: &Project, file: &str, change: impl Fn(&mut Vec<u8>)) -> Vec<u8> {
    let path = project.path("lake").join(file);
    let before = std::fs::read(&path).unwrap();
    let mut bytes = before.clone();
    change(&mut bytes);
    assert_ne!(bytes, before);
    std::fs::write(path, bytes).unwrap();
    before
}

/// A receipt says what a version was computed from: nothing is computed from other bytes than those (A7, G4).
#[test]
pub(crate) fn no_version_is_made_from_damaged_files() {
    let one = |feed: &str, more: &str| {
        let project = Project::one_feed(
            feed,
            &format!(
                "from: {more}\nselect: {{ id: cast(id as bigint), v: v }}\nauto_cdc: {{ keys: [id] }}\n"
            ),
        );
        project.write(
            "domains/d/gold/g.sql",
            "select count(*) as n, max(v) as v from d_silver.t\n",
        );
        project
    };
    let files = one(
        "{ source: landing, name: o, mode: incremental, path: \"*.csv\" }",
        "landing.o",
    );
    files.write("landing/a.csv", "id,v\n1,one\n2,two\n");
    let table = one(
        "{ source: db, table: t, mode: full, key: [id], max_delete: 100% }",
        "db.t",
    );
    table.sqlite(
        "create table t (id integer, v text); insert into t values (1, 'one'), (2, 'two');",
    );
    let new_file = |project: &Project| project.write("landing/b.csv", "id,v\n1,uno\n");
    let new_rows = |project: &Project| project.sqlite("update t set v = 'uno' where id = 1;");
    let new_gold = |project: &Project| {
        project.write(
            "domains/d/gold/g.sql",
            "select count(*) as rows, max(v) as v from d_silver.t\n",
        )
    };
    let new_silver = |project: &Project| {
        let path = project.path("domains/d/silver/t.yaml");
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(path, text.replace("v: v", "v: upper(v)")).unwrap();
    };
    // What is damaged, and what makes a step read it: gold, silver anew, silver with new rows, a load that compares.
    let cases: [(&Project, &str, &dyn Fn(&Project)); 4] = [
        (&files, "d/silver/t/", &new_gold),
        (&files, "d/bronze/landing__o/", &new_silver),
        (&files, "d/silver/t/", &new_file),
        (&table, "d/bronze/db__t/", &new_rows),
    ];
    files.run(0);
    table.run(0);
    for (number, (original, beginning, then)) in cases.into_iter().enumerate() {
        let (project, whole) = (Project::copy_of(original), Project::copy_of(original));
        let file = data_file(&project, beginning);
        // A byte of the first page: whatever it decodes to.
        let before = damage(&project, &file, |bytes| bytes[30] ^= 0x20);
        then(&project);
        let run = project.run(1);
        let said =
            format!("its file `{file}` is damaged: its bytes are not those that were written\n");
        assert!(run.stderr.contains(&said), "{number}: {}", run.text());
        let panicked = ["panicked", "broke off"]
            .iter()
            .any(|word| run.stderr.contains(word));
        assert!(!panicked, "{number}: {}", run.text());
        // Mended, all is as if nothing had been.
        std::fs::write(project.path("lake").join(&file), before).unwrap();
        project.run(0);
        assert_eq!(project.karat(&["verify"]).code, 0, "{number}");
        then(&whole);
        whole.run(0);
        for table in ["d_silver.t", "d_gold.g"] {
            assert_eq!(
                project.fingerprint(table),
                whole.fingerprint(table),
                "{number}: {table}"
            );
        }
    }
}

/// What a damaged file leads its reader to do is not known: only one that is as it was written is decoded.
#[test]
pub(crate) fn verify_decodes_no_damaged_file() {
    let project = Project::one_feed(
        "{ source: landing, name: o, mode: incremental, path: \"*.csv\" }",
        "from: landing.o\nselect:\n  id: cast(id as bigint)\n  amt: cast(amt as decimal(18,2))\n  v: v\nkey: [id]\n",
    );
    project.write(
        "landing/a.csv",
        "id,amt,v\n1,1.00,one\n3,3.00,three\n4,2.00,four\n",
    );
    project.run(0);
    let file = data_file(&project, "d/silver/t/");
    let size = std::fs::read(project.path("lake").join(&file))
        .unwrap()
        .len();
    // The length of the footer, places in it, and in the pages.
    for at in [size - 7, size - 6, size - 5, size / 2, size * 2 / 3, 40] {
        let before = damage(&project, &file, |bytes| bytes[at] ^= 0x80);
        for arguments in [&["verify"][..], &["verify", "d_silver.t@0"]] {
            let verified = project.karat(arguments);
            assert_eq!(verified.code, 1, "{at}: {}", verified.text());
            assert_eq!(verified.stderr, "", "{at}");
            assert!(
                verified
                    .stdout
                    .contains(&format!("mismatch  {file}  its SHA-256 is ")),
                "{at}: {}",
                verified.text()
            );
            assert!(
                verified.stdout.contains("  a file of it, named below\n"),
                "{at}: {}",
                verified.text()
            );
        }
        std::fs::write(project.path("lake").join(&file), before).unwrap();
    }
    assert_eq!(project.karat(&["verify", "d_silver.t@0"]).code, 0);
}

/// Which document of the lake is damaged is told wherever it is read.
#[test]
fn a_damaged_document_is_named() {
    let project = lake();
    for (kind, arguments) in [
        (Kind::Intent, &["run", "--quiet"][..]),
        (Kind::Receipt, &["receipt", "list"]),
        (Kind::Manifest, &["status"]),
    ] {
        let file = files(&project)[&kind].first().unwrap().clone();
        let before = damage(&project, &file, |bytes| {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
        });
        let told = project.karat(arguments);
        assert_ne!(told.code, 0, "{file}: {}", told.text());
        assert!(
            told.stderr.contains(&format!("cannot use `{file}`: ")),
            "{file}: {}",
            told.text()
        );
        std::fs::write(project.path("lake").join(&file), before).unwrap();
    }
}

/// What a manifest vouches for it vouches for once: later ones go on from there, so that an entry put right is all that is to be put right.
#[test]
pub(crate) fn a_changed_log_entry_is_not_vouched_for_by_later_runs() {
    let project = Project::one_feed(
        "{ source: landing, name: o, mode: incremental, path: \"*.csv\" }",
        "from: landing.o\nselect: { id: cast(id as bigint), v: v }\n",
    );
    for name in ["a", "b"] {
        project.write(&format!("landing/{name}.csv"), "id,v\n1,one\n");
        project.run(0);
    }
    let entry = match is_on_iceberg() {
        true => "d/silver/t/metadata/v1.metadata.json",
        false => "d/silver/t/_delta_log/00000000000000000000.json",
    };
    let before = damage(&project, entry, |bytes| bytes.push(b'\n'));
    project.write("landing/c.csv", "id,v\n1,one\n");
    project.run(0);
    let verified = project.karat(&["verify", "--json"]);
    assert_eq!(verified.code, 1, "{}", verified.text());
    let document = verified.json();
    let named = document["files"].as_array().unwrap().iter();
    let named: Vec<&str> = named.map(|file| file["path"].as_str().unwrap()).collect();
    assert_eq!(named, [entry], "{document}");
    std::fs::write(project.path("lake").join(entry), before).unwrap();
    let verified = project.karat(&["verify"]);
    assert_eq!(verified.code, 0, "{}", verified.text());
}

/// Of a Delta table: rows of a checkpoint, each of one action, as they are left by a change of them.
fn rewrite_checkpoint(path: &std::path::Path, change: impl Fn(&mut serde_json::Value) -> bool) {
    let open = || std::fs::File::open(path).unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new(open()).unwrap();
    let schema = reader.schema().clone();
    let mut text = Vec::new();
    let mut writer = LineDelimitedWriter::new(&mut text);
    for batch in reader.build().unwrap() {
        writer.write(&batch.unwrap()).unwrap();
    }
    writer.finish().unwrap();
    let lines = String::from_utf8(text).unwrap();
    let mut kept = String::new();
    for line in lines.lines() {
        let mut action = serde_json::from_str(line).unwrap();
        if change(&mut action) {
            kept.push_str(&format!("{action}\n"));
        }
    }
    assert_ne!(kept, lines);
    let rows = arrow::json::ReaderBuilder::new(schema.clone())
        .build(kept.as_bytes())
        .unwrap();
    let file = std::fs::File::create(path).unwrap();
    let mut writer = ArrowWriter::try_new(file, schema, None).unwrap();
    for batch in rows {
        writer.write(&batch.unwrap()).unwrap();
    }
    writer.close().unwrap();
}

/// A checkpoint that no manifest vouches for yet is what readers begin with: it says what the commits say, or is named (G5), and no
/// version is made from it (A7).
#[test]
fn a_checkpoint_that_says_other_than_the_log_is_named() {
    let made = || {
        let project = Project::one_feed(
            "{ source: landing, name: o, mode: incremental, path: \"*.csv\" }",
            "from: landing.o\nselect: { id: cast(id as bigint), v: v }\nauto_cdc: { keys: [id] }\n",
        );
        project.write(
            "domains/d/gold/g.sql",
            "select count(*) as n, sum(id) as ids from d_silver.t\n",
        );
        let deliver =
            |id: u32| project.write(&format!("landing/{id}.csv"), &format!("id,v\n{id},x\n"));
        deliver(1);
        let killed = project.karat_with(
            &["run", "--quiet"],
            &[("KARAT_FAILPOINT", "manifest.before")],
        );
        assert_eq!(killed.code, -1, "{}", killed.text());
        let log = project.path("lake/d/silver/t/_delta_log/00000000000000000000.json");
        let text = std::fs::read_to_string(&log).unwrap();
        let often = text.replace("checkpointInterval\":\"100", "checkpointInterval\":\"3");
        assert_ne!(text, often);
        std::fs::write(log, often).unwrap();
        project.run(0);
        deliver(2);
        project.run(0);
        deliver(3);
        // The checkpoint is there, and no manifest.
        let killed = project.karat_with(
            &["run", "--quiet"],
            &[("KARAT_FAILPOINT", "manifest.before")],
        );
        assert_eq!(killed.code, -1, "{}", killed.text());
        deliver(4);
        project
    };
    let checkpoint = "d/silver/t/_delta_log/00000000000000000002.checkpoint.parquet";
    let whole = made();
    assert!(whole.lake_files().contains(&checkpoint.to_owned()));
    whole.run(0);
    let answer = "select n, ids from d_gold.g";
    assert!(
        whole.rows(answer).contains("4,10"),
        "{}",
        whole.rows(answer)
    );
    let named = |project: &Project| {
        let verified = project.karat(&["verify", "--files", "--json"]);
        assert_eq!(verified.code, 1, "{}", verified.text());
        let document = verified.json();
        let files = document["files"].as_array().unwrap().iter();
        let wrong =
            files.filter(|file| file["outcome"] != "orphan" && file["outcome"] != "unfinished");
        let wrong: Vec<String> = wrong
            .map(|file| format!("{} {}", file["outcome"], file["path"]).replace('"', ""))
            .collect();
        wrong.join("\n")
    };

    let short = made();
    rewrite_checkpoint(&short.path("lake").join(checkpoint), |action| {
        !action["add"].is_object() || action["add"]["path"].as_str().unwrap().contains("-0-0.")
    });
    assert_eq!(named(&short), format!("mismatch {checkpoint}"));
    for arguments in [
        &["run", "--quiet"][..],
        &["query", "select * from d_silver.t"],
    ] {
        let refused = short.karat(arguments);
        assert_eq!(refused.code, 1, "{}", refused.text());
        assert!(refused.stderr.contains(checkpoint), "{}", refused.text());
    }
    let status = short.karat(&["status", "--json"]).json();
    assert!(
        status
            .to_string()
            .contains("00000000000000000002.checkpoint.parquet"),
        "{status}"
    );
    // It is a copy of what the commits say: without it all goes on.
    for file in [checkpoint, "d/silver/t/_delta_log/_last_checkpoint"] {
        std::fs::remove_file(short.path("lake").join(file)).unwrap();
    }
    short.run(0);
    assert_eq!(short.rows(answer), whole.rows(answer));

    // By an older position what is loaded would be loaded again: the commits say what it is.
    let back = made();
    rewrite_checkpoint(&back.path("lake").join(checkpoint), |action| {
        if let Some(version) = action["txn"]["version"].as_i64() {
            action["txn"]["version"] = (version - 1).into();
        }
        true
    });
    assert_eq!(named(&back), format!("mismatch {checkpoint}"));
    back.run(0);
    assert_eq!(back.rows(answer), whole.rows(answer));

    // A version that only a checkpoint has.
    let gone = made();
    let entry = "d/silver/t/_delta_log/00000000000000000002.json";
    std::fs::remove_file(gone.path("lake").join(entry)).unwrap();
    assert!(
        named(&gone).contains(&format!("missing {entry}")),
        "{}",
        named(&gone)
    );
    let refused = gone.run(1);
    assert!(refused.stderr.contains(entry), "{}", refused.text());
}

/// Other readers take columns from checksum files, rows from compacted commits, and the newest checkpoint from a pointer: each is held
/// against the commits (G5).
#[test]
fn summaries_of_the_log_are_held_against_it() {
    if is_on_iceberg() {
        return;
    }
    let project = Project::one_feed(
        "{ source: landing, name: o, mode: incremental, path: \"*.csv\" }",
        "from: landing.o\nselect: { id: cast(id as bigint), v: v }\n",
    );
    for id in 1..=2 {
        project.write(&format!("landing/{id}.csv"), &format!("id,v\n{id},x\n"));
        project.run(0);
    }
    let log = project.path("lake/d/silver/t/_delta_log");
    let lines = |version: u32| -> Vec<Value> {
        let text = std::fs::read_to_string(log.join(format!("{version:020}.json"))).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    };
    let (first, second) = (lines(0), lines(1));
    let of = |action: &str| {
        let found = first.iter().find(|line| line[action].is_object());
        found.unwrap()[action].clone()
    };
    let sizes = first.iter().filter_map(|line| line["add"]["size"].as_i64());
    let checksum = serde_json::json!({
        "tableSizeBytes": sizes.sum::<i64>(),
        "numFiles": 1,
        "numMetadata": 1,
        "numProtocol": 1,
        "metadata": of("metaData"),
        "protocol": of("protocol"),
    });
    let compacted = |lines: &[&Value]| {
        let lines: Vec<String> = lines.iter().map(|line| line.to_string()).collect();
        lines.join("\n")
    };
    let all: Vec<&Value> = first
        .iter()
        .chain(&second)
        .filter(|line| !line["commitInfo"].is_object())
        .collect();
    let short: Vec<&Value> = all
        .iter()
        .copied()
        .filter(|line| !line["add"].is_object())
        .collect();
    let renamed = checksum.to_string().replace("\\\"v\\\"", "\\\"w\\\"");
    assert_ne!(renamed, checksum.to_string());
    let fewer = checksum
        .to_string()
        .replace("\"numFiles\":1", "\"numFiles\":2");
    let names = [
        "00000000000000000000.crc",
        "00000000000000000000.00000000000000000001.compacted.json",
        "_last_checkpoint",
        "00000000000000000001.checkpoint.80a083e8-7026-4e79-81be-64bd76c43a11.json",
    ];
    let sound = [checksum.to_string(), compacted(&all)];
    for (name, text) in names.iter().zip(&sound) {
        std::fs::write(log.join(name), text).unwrap();
    }
    assert_eq!(project.karat(&["verify"]).code, 0);
    let mut told = String::new();
    for (name, text) in [
        (names[0], renamed),
        (names[0], fewer),
        (names[0], "{".to_owned()),
        (names[1], compacted(&short)),
        (names[2], "{\"version\":1,\"size\":3}".to_owned()),
        (names[3], compacted(&short)),
    ] {
        std::fs::write(log.join(name), text).unwrap();
        let verified = project.karat(&["verify", "--json"]);
        assert_eq!(verified.code, 1, "{}", verified.text());
        for file in verified.json()["files"].as_array().unwrap() {
            told += &format!("{} {}: {}\n", file["outcome"], file["path"], file["detail"]);
        }
        match names.iter().zip(&sound).find(|(sound, _)| *sound == &name) {
            Some((_, text)) => std::fs::write(log.join(name), text).unwrap(),
            None => std::fs::remove_file(log.join(name)).unwrap(),
        }
    }
    let told = told.replace(&log.display().to_string(), "…");
    expect![[r#"
        "mismatch" "d/silver/t/_delta_log/00000000000000000000.crc": "it states other columns or properties than the commits up to it"
        "mismatch" "d/silver/t/_delta_log/00000000000000000000.crc": "it states other data files than the commits up to it"
        "mismatch" "d/silver/t/_delta_log/00000000000000000000.crc": "cannot read `…/00000000000000000000.crc`: it cannot be read: EOF while parsing an object at line 1 column 1"
        "mismatch" "d/silver/t/_delta_log/00000000000000000000.00000000000000000001.compacted.json": "it lists other data files than the commits up to it"
        "mismatch" "d/silver/t/_delta_log/_last_checkpoint": "it names the checkpoint of version 1, which is not there"
        "mismatch" "d/silver/t/_delta_log/00000000000000000001.checkpoint.80a083e8-7026-4e79-81be-64bd76c43a11.json": "it is of the Delta feature v2Checkpoint, which the table does not have"
    "#]].assert_eq(&told);
    assert_eq!(project.karat(&["verify"]).code, 0);
}
