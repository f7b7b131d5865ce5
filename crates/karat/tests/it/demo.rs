//! The demo as somebody sees it: every command that it prints, typed in another shell, says what the demo printed.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::peers;
use crate::project::Answer;

/// Enough for every trap, and for sums as doubles that differ; the repository has fingerprints for this size.
const LINES: &str = "20000";

/// A folder to hold the demo, and one for what its commands copy elsewhere.
struct Place {
    folder: TempDir,
    copies: TempDir,
}

/// A fact as printed: what it says, and the lines to type.
#[derive(Debug, Default)]
struct Fact {
    label: String,
    text: String,
    command: String,
}

impl Place {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            copies: tempfile::tempdir().unwrap(),
        }
    }

    /// The Python that has the other reader comes first.
    fn path_variable() -> OsString {
        let known = std::env::var_os("PATH").unwrap();
        let peers = peers::python();
        let folder = peers.parent().map(Path::to_owned);
        std::env::join_paths(folder.into_iter().chain(std::env::split_paths(&known))).unwrap()
    }

    fn start(&self, program: &str, arguments: &[&str]) -> Answer {
        let output = Command::new(program)
            .args(arguments)
            .current_dir(self.folder.path())
            .env("PATH", Self::path_variable())
            .env("TMPDIR", self.copies.path())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        Answer {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap().replace('\r', ""),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    fn demo(&self, arguments: &[&str]) -> Answer {
        let mut all = vec!["demo"];
        all.extend(arguments);
        self.start(env!("CARGO_BIN_EXE_karat"), &all)
    }
}

/// What was printed: how to begin in another shell, the facts, and the commands to look around with.
fn read(stdout: &str) -> (String, Vec<Fact>, Vec<Fact>) {
    let mut parts = stdout.split("\n\n").map(facts);
    let (head, told, more) = (
        parts.next().unwrap(),
        parts.next().unwrap(),
        parts.next().unwrap(),
    );
    let begin: Vec<String> = head.into_iter().map(|fact| fact.command).collect();
    (begin.join("\n"), told, more)
}

fn facts(part: &str) -> Vec<Fact> {
    let mut facts: Vec<Fact> = Vec::new();
    for line in part.lines() {
        assert!(line.chars().count() <= 100, "too long: {line}");
        let label: String = line.chars().take(16).collect();
        let rest: String = line.chars().skip(16).collect();
        let open = facts.last_mut().filter(|fact| !fact.command.is_empty());
        if let Some(command) = rest.strip_prefix("$ ") {
            match open {
                Some(fact) => fact.command.push_str(&format!("\n{command}")),
                None => facts.last_mut().unwrap().command.push_str(command),
            }
        } else if let (Some(fact), true) = (open, rest.starts_with("  ")) {
            // As it is pasted.
            fact.command.push_str(&format!("\n{line}"));
        } else {
            if facts.last().is_none_or(|fact| !fact.command.is_empty()) {
                facts.push(Fact {
                    label: label.trim().to_owned(),
                    ..Fact::default()
                });
            }
            let fact = facts.last_mut().unwrap();
            let (text, command) = rest.split_once("  $ ").unwrap_or((&rest, ""));
            fact.text.push_str(&format!("{} ", text.trim()));
            fact.command.push_str(command);
        }
    }
    facts
}

/// Numbers as people read them, in the order of the text.
fn numbers(text: &str) -> Vec<u64> {
    let is_part = |c: char| c.is_ascii_digit() || c == ',';
    text.split(|c: char| !is_part(c))
        .filter_map(|word| word.replace(',', "").parse().ok())
        .collect()
}

/// The digits of a fingerprint as printed, without what stands for the rest.
fn fingerprint(text: &str) -> &str {
    let end = text.find('…').expect("a fingerprint");
    text[..end].rsplit(' ').next().unwrap()
}

fn documents(stdout: &str) -> Vec<Value> {
    serde_json::Deserializer::from_str(stdout)
        .into_iter()
        .map(|document| document.expect("JSON"))
        .collect()
}

/// Lines of `karat status` about silver and gold, by table: all but when they were made, and by which version.
fn fingerprints(status: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for line in status.lines() {
        let mut words = line.split_whitespace();
        let (Some(table), Some(fingerprint)) = (words.next(), words.nth(2)) else {
            continue;
        };
        if table.contains("_silver.") || table.contains("_gold.") {
            found.insert(table.to_owned(), fingerprint.to_owned());
        }
    }
    found
}

impl Place {
    /// Types lines into another shell, after those that the demo asks to begin with.
    fn type_lines(&self, begin: &str, command: &str) -> Answer {
        self.start("bash", &["-c", &format!("{begin}\n{command}")])
    }
}

/// A day's line, from two receipts.
fn compare_day(fact: &Fact, shown: &Answer) {
    let receipts = documents(&shown.stdout);
    let [load, silver] = [0, 1].map(|nth| &receipts[nth]["receipt"]);
    let (before, after) = fact.text.split_once(" = ").unwrap();
    let printed = numbers(before);
    assert_eq!(load["accounting_run"]["read"], printed[0]);
    assert_eq!(
        silver["accounting"]["read"],
        *printed.get(2).unwrap_or(&printed[0])
    );
    let broken = load["objects"].as_array().unwrap().len() as u64 - printed[1];
    assert_eq!(broken, u64::from(fact.label.contains("day 2")));
    let (sum, _) = after.split_once("adds up").unwrap();
    let mut printed = BTreeMap::new();
    for term in sum.trim().split(" + ") {
        let (count, name) = term.split_once(' ').unwrap();
        printed.insert(name.to_owned(), numbers(count)[0]);
    }
    let terms = silver["accounting"].as_object().unwrap();
    let counted: BTreeMap<String, u64> = terms
        .iter()
        .map(|(name, count)| (name.clone(), count.as_u64().unwrap()))
        .filter(|(name, count)| name != "read" && *count > 0)
        .collect();
    assert_eq!(printed, counted);
    assert_eq!(printed.values().sum::<u64>(), silver["accounting"]["read"]);
}

/// What lies in the ledger after a day, against the printed count and the generator's own books.
fn compare_planted(fact: &Fact, shown: &Answer, planted: &Value) {
    let mut entries = 0;
    let mut totals = BTreeMap::new();
    let rows = shown.stdout.lines().skip(1);
    for line in rows.take_while(|line| !line.starts_with('(')) {
        let words: Vec<&str> = line.split_whitespace().collect();
        entries += words[1].parse::<u64>().unwrap();
        totals.insert(words[0].to_owned(), Value::from(words[2]));
    }
    let (before, _) = fact
        .text
        .split_once(" entries, sums of 8 currencies")
        .unwrap();
    assert_eq!(numbers(before).last(), Some(&entries));
    assert_eq!(planted["rows_after"], entries);
    let expected = planted["totals_after"].as_object().unwrap();
    assert_eq!(totals, expected.clone().into_iter().collect());
}

#[test]
fn each_printed_command_says_what_the_demo_printed() {
    let place = Place::new();
    let demo = place.demo(&["--lines", LINES]);
    assert_eq!(demo.code, 0, "{}\n{}", demo.stdout, demo.stderr);
    let (begin, told, more) = read(&demo.stdout);
    let project = place.folder.path().join("karat-demo");
    let planted: Value =
        serde_json::from_str(&fs::read_to_string(project.join("planted.json")).unwrap()).unwrap();
    let state = place.type_lines(&begin, "karat status").stdout;

    let mut compared = Vec::new();
    for fact in &told {
        let shown = place.type_lines(&begin, &fact.command);
        let said = format!("{fact:#?}\n{}\n{}", shown.stdout, shown.stderr);
        let day = usize::from(compared.contains(&"planted"));
        let what = if fact.command.starts_with("karat receipt show") {
            compare_day(fact, &shown);
            "day"
        } else if fact.command.starts_with("karat query --run") {
            compare_planted(fact, &shown, &planted["days"][day]);
            "planted"
        } else if fact.command == "karat quarantine list" {
            let object = fact.text.split(' ').nth(3).unwrap();
            let held = planted["days"][1]["quarantined_after"].as_u64().unwrap();
            let last = format!("{held} rows, 1 object in quarantine\n");
            assert!(shown.stdout.ends_with(&last), "{said}");
            assert!(shown.stdout.contains(object), "{said}");
            assert!(shown.stdout.contains("gzip ends early"), "{said}");
            "held"
        } else if fact.command.contains("karat status") {
            let found = fingerprints(&shown.stdout);
            assert_eq!(found, fingerprints(&state), "{said}");
            if fact.text.contains("this repository's") {
                assert!(
                    fact.text
                        .contains(&format!("of {} tables: equal", found.len()))
                );
                "recorded"
            } else {
                assert!(
                    fact.text
                        .contains(&format!(" {} silver and gold tables", found.len()))
                );
                let gold = &found["ledger_gold.daily_balance"];
                assert_eq!(gold, &format!("{}…", fingerprint(&fact.text)), "{said}");
                match fact.command.contains("kill -9") {
                    true => "killed",
                    false => "same",
                }
            }
        } else if fact.command == "karat replay" {
            let models = state.matches("_silver.").count() + state.matches("_gold.").count();
            assert_eq!(numbers(&fact.text).last(), Some(&(models as u64)), "{said}");
            let last = shown.stdout.lines().last().unwrap();
            assert!(
                last.starts_with(&format!("{models} versions made again")),
                "{said}"
            );
            "replay"
        } else if fact.command.starts_with("karat diff") {
            let rows = shown.stdout.lines().nth(1).unwrap();
            let (text, _) = fact.text.split_once(" in all").unwrap();
            let words: Vec<&str> = text.split([':', ',']).map(str::trim).collect();
            let count = |words: &str| words.split(' ').next().unwrap().to_owned();
            for (printed, word) in [(count(words[1]), "changed"), (count(words[2]), "added")] {
                assert!(
                    printed != "0" && rows.contains(&format!(" {printed} {word}")),
                    "{said}"
                );
            }
            let balance = shown
                .stdout
                .lines()
                .find(|line| line.starts_with("balance"));
            assert!(balance.unwrap().ends_with(words[3]), "{said}");
            "correction"
        } else if fact.command.starts_with("karat explain") {
            let (balance, entries) = fact.text.split_once(" is made of ").unwrap();
            let (_, balance) = balance
                .split(" of ")
                .next()
                .unwrap()
                .split_once(' ')
                .unwrap();
            let (entries, address) = entries.split_once(" entries").unwrap();
            let address = address.rsplit(' ').next().unwrap();
            assert!(
                shown
                    .stdout
                    .contains(&format!(": {entries} rows, the first 1\n")),
                "{said}"
            );
            assert!(shown.stdout.contains("rows below: the same"), "{said}");
            for printed in [balance, address] {
                assert!(shown.stdout.contains(&format!(" {printed}")), "{said}");
            }
            "why"
        } else if fact.command.contains("awk") {
            let sums: Vec<&str> = shown.stdout.split_whitespace().skip(1).step_by(2).collect();
            assert_eq!(sums.len(), 5, "{said}");
            let sums: BTreeSet<&str> = sums.into_iter().collect();
            let answers = format!("threads: {} answers, from ", sums.len());
            assert!(sums.len() > 1 && fact.text.contains(&answers), "{said}");
            let printed = sums.iter().filter(|sum| fact.text.contains(**sum)).count();
            assert_eq!(printed, 2, "the lowest and the highest: {said}");
            "doubles"
        } else if fact.command.starts_with("karat query --threads 8") {
            let sum = shown.stdout.lines().nth(1).unwrap().trim();
            assert!(fact.text.trim().ends_with(&format!(": {sum}")), "{said}");
            assert_eq!(
                sum,
                planted["days"][1]["totals_after"]["EUR"].as_str().unwrap()
            );
            "exact"
        } else if fact.label == "another reader" {
            let euros = planted["days"][1]["totals_after"]["EUR"].as_str().unwrap();
            assert_eq!(shown.stdout.trim(), euros, "{said}");
            assert!(fact.text.trim().ends_with(&format!(": {euros}")), "{said}");
            "reader"
        } else if fact.label == "attack" {
            assert_eq!(shown.code, 1, "{said}");
            let name = fingerprint(&fact.text).rsplit('/').next().unwrap();
            let named = |line: &str| line.starts_with("mismatch") && line.contains(name);
            assert!(shown.stdout.lines().any(named), "{said}");
            "attack"
        } else if fact.command == "karat run" {
            assert_eq!(shown.code, 0, "{said}");
            let (nothing, _) = fact.text.split_once(", no new version").unwrap();
            assert!(shown.stdout.starts_with(nothing), "{said}");
            "again"
        } else if fact.label == "head" {
            let head = fact.text.split(',').next().unwrap();
            assert!(shown.stdout.contains(head), "{said}");
            "head"
        } else {
            panic!("a command that this test does not know: {fact:#?}");
        };
        compared.push(what);
    }
    assert_eq!(
        compared,
        [
            "day",
            "planted",
            "day",
            "planted",
            "held",
            "killed",
            "same",
            "recorded",
            "replay",
            "correction",
            "why",
            "doubles",
            "exact",
            "reader",
            "attack",
            "again",
            "head"
        ]
    );
    let looked = place.type_lines(&format!("{begin}\nset -e"), &more[0].command);
    assert_eq!(looked.code, 0, "{}", looked.stderr);
    assert_eq!(more[0].command.matches("karat ").count(), 3);
    assert_eq!(
        place.type_lines(&begin, "karat status").stdout,
        state,
        "looking and trying leaves the project as it was"
    );

    let document = place.demo(&["--json"]).json();
    assert_eq!(
        (&document["ok"], &document["dir"]),
        (&true.into(), &"karat-demo".into())
    );
    for key in ["name", "text", "command", "ok"] {
        assert!(!document["facts"][0][key].is_null(), "{document}");
    }

    let again = place.demo(&[]);
    assert_eq!(again.code, 0, "{}", again.stderr);
    assert!(
        again
            .stdout
            .starts_with("The demo is there already, in karat-demo")
    );
    assert!(again.stdout.contains("\nagain           nothing to do: "));
    assert_eq!(place.type_lines(&begin, "karat status").stdout, state);

    // As if it had been interrupted before the first run (H5).
    for folder in ["lake", ".karat"] {
        fs::remove_dir_all(project.join(folder)).unwrap();
    }
    let continued = place.demo(&[]);
    assert_eq!(continued.code, 0, "{}", continued.stderr);
    assert!(
        continued
            .stdout
            .contains("\ncontinued       there was something to do: ")
    );
    let rebuilt = place.type_lines(&begin, "karat status").stdout;
    assert_eq!(fingerprints(&rebuilt), fingerprints(&state));
}

#[test]
fn on_iceberg_it_is_the_same_story() {
    let place = Place::new();
    let demo = place.demo(&["--lines", LINES, "--format", "iceberg", "--json"]);
    assert_eq!(demo.code, 0, "{}\n{}", demo.stdout, demo.stderr);
    let told = demo.json();
    let facts = told["facts"].as_array().unwrap();
    // The fingerprints are those of Delta.
    let says = |text: &str| {
        let mut facts = facts.iter();
        facts.any(|fact| fact["text"].as_str().unwrap().contains(text))
    };
    for text in [
        "this repository's fingerprints of 8 tables: equal",
        "one byte flipped in place",
        "it is flipped back",
        "nothing to do: 11 tables up to date",
    ] {
        assert!(says(text), "{text}: {}", demo.stdout);
    }
    let other = place.demo(&["--lines", LINES]);
    assert_eq!(other.code, 2);
    assert!(
        other.stderr.contains(
            "cannot tell the demo of delta tables in `karat-demo`: it is one of iceberg tables"
        ),
        "{}",
        other.stderr
    );
}

#[test]
fn a_folder_that_is_not_the_demos_is_left_alone() {
    let place = Place::new();
    let folder = place.folder.path().join("karat-demo");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("notes.txt"), "mine\n").unwrap();
    let refused = place.demo(&[]);
    expect_test::expect![[r#"
        --- stderr
        error: cannot write the demo into `karat-demo`: the folder exists and is not a demo of karat
        hint: name another folder with `karat demo --dir FOLDER`, or move this one away
        --- exit 2
    "#]]
    .assert_eq(&refused.text());
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
}
