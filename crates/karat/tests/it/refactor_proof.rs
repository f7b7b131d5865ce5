//! The proof of `karat refactor apply`: it holds of what was written, for karat and for `tools/check_refactor_proof.py`; and each way to
//! tamper with it, or with a tree, is told.

use std::fs;
use std::path::Path;
use std::process::Command;

use expect_test::expect;
use karat_receipt::Digest;
use serde_json::{Value, json};

use crate::project::Project;

const MAPPING: &str = "old_database,old_table,new_catalog,new_schema,new_table\nsales,orders,prod,sales,orders\nsales,items,prod-eu,sales,items\n";
const NOTEBOOK: &str = "# Databricks notebook source\ndb = 'sales'\n\n# COMMAND ----------\n\n# MAGIC %sql select * from sales.items -- keep\n\n\
                        # COMMAND ----------\n\nspark.sql(f\"insert overwrite table {db}.orders select * from sales.items\")\n";

/// Files of several encodings, a pipeline, an archive of two notebooks, a file that is no text; moved into `new`, with a proof.
fn moved() -> Project {
    let project = Project::of(&[
        ("mapping.csv", MAPPING),
        ("other.csv", &MAPPING.replace("prod-eu", "prod_eu")),
        ("code/nb.py", NOTEBOOK),
        ("code/plain.txt", "nothing\r\n"),
        (
            "code/pipeline/p.json",
            "{\"name\": \"p\", \"properties\": {\"activities\": [{\"name\": \"l\", \"type\": \"Lookup\", \"typeProperties\": {\"source\": {\"type\": \"AzureDatabricksDeltaLakeSource\",\n\"query\": \"@concat('select * from sales.orders where d = ''', 'x', '''')\"}}}]}}\n",
        ),
        ("code/.git/config", "not read"),
    ]);
    write(
        &project,
        "code/latin.sql",
        b"select '\xe4\x81' from sales.orders\r\n",
    );
    let utf16: Vec<u8> = [0xff, 0xfe]
        .into_iter()
        .chain(
            "select 'ä' from sales.orders\n"
                .encode_utf16()
                .flat_map(u16::to_le_bytes),
        )
        .collect();
    write(&project, "code/wide.sql", &utf16);
    write(&project, "code/a.png", &[0, 1, 2]);
    let archive = "import sys, zipfile\nwith zipfile.ZipFile(sys.argv[1], 'w') as z:\n  for n, t in (('n', 'sales.orders'), ('f/o', 'x.y')):\n    \
                   z.writestr(n + '.python', '{\"version\": \"NotebookV1\", \"language\": \"python\", \"commands\": [{\"command\": \"%sql select * from ' + t + '\"}]}')\n";
    let packed = python(&[
        Path::new("-c"),
        Path::new(archive),
        &project.path("code/a.dbc"),
    ]);
    assert_eq!(packed, (true, String::new()));
    let applied = project.karat(&[
        "refactor",
        "apply",
        "code",
        "--mapping",
        "mapping.csv",
        "--out",
        "new",
        "--proof",
        "proof.json",
    ]);
    assert_eq!(applied.code, 1, "{}", applied.text());
    project
}

fn write(project: &Project, path: &str, bytes: &[u8]) {
    fs::write(project.path(path), bytes).unwrap();
}

fn python(arguments: &[&Path]) -> (bool, String) {
    let output = Command::new("python3").args(arguments).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.stderr.is_empty(), "{error}");
    (
        output.status.success(),
        String::from_utf8(output.stdout).unwrap(),
    )
}

/// What karat says, its exit code, and what the checker that needs no karat says.
fn checked(project: &Project) -> String {
    let answer = verified(project, "mapping.csv");
    let tool = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tools/check_refactor_proof.py");
    let of = |name: &str| project.path(name);
    let (_, told) = python(&[&tool, &of("code"), &of("new"), &of("proof.json")]);
    format!("{answer}{told}")
}

fn verified(project: &Project, mapping: &str) -> String {
    let answer = project.karat(&[
        "refactor",
        "verify",
        "code",
        "new",
        "--mapping",
        mapping,
        "--proof",
        "proof.json",
    ]);
    let last = answer.stdout.lines().last().unwrap_or_default();
    format!("{}: {last}\n", answer.code)
}

#[test]
fn a_proof_holds_of_what_was_written() {
    let project = moved();
    let proof: Value =
        serde_json::from_slice(&fs::read(project.path("proof.json")).unwrap()).unwrap();
    let mut shown = String::new();
    for file in proof["files"].as_array().unwrap() {
        let edits = file["edits"].as_array().map_or(0, Vec::len);
        shown.push_str(&format!(
            "{}: {edits} edits, {} {}, reads {}, writes {}\n",
            file["path"].as_str().unwrap(),
            if file["before"] == file["after"] {
                "same"
            } else {
                "other bytes"
            },
            file["encoding"],
            file["reads"],
            file["writes"]
        ));
    }
    expect![[r#"
        a.dbc: 0 edits, other bytes null, reads null, writes null
        a.dbc!/n.python: 1 edits, other bytes "UTF-8", reads [["sales.orders","prod.sales.orders"]], writes null
        a.png: 0 edits, same null, reads null, writes null
        latin.sql: 1 edits, other bytes "windows-1252", reads [["sales.orders","prod.sales.orders"]], writes null
        nb.py: 3 edits, other bytes "UTF-8", reads [["sales.items","`prod-eu`.sales.items"]], writes [["sales.orders","prod.sales.orders"]]
        pipeline/p.json: 1 edits, other bytes "UTF-8", reads [["sales.orders","prod.sales.orders"]], writes null
        plain.txt: 0 edits, same null, reads null, writes null
        wide.sql: 1 edits, other bytes "UTF-16 LE", reads [["sales.orders","prod.sales.orders"]], writes null
    "#]].assert_eq(&shown);
    expect![[r#"
        0: the proof holds: 7 files, 7 edits, 6 tables under the names that the mapping says, 10 texts that parse as before
        ok        7 files, 7 edits
    "#]].assert_eq(&checked(&project));
    // A patch leaves alone what it cannot show, and its proof says so.
    fs::remove_dir_all(project.path("new")).unwrap();
    let patched = project.karat(&[
        "refactor",
        "apply",
        "code",
        "--mapping",
        "mapping.csv",
        "--patch",
        "p.patch",
        "--proof",
        "proof.json",
    ]);
    assert_eq!(patched.code, 1);
    copy(&project.path("code"), &project.path("new"));
    let git = Command::new("git")
        .args(["apply", "--unsafe-paths", "--directory=new", "p.patch"])
        .current_dir(project.path(""))
        .output();
    assert!(git.unwrap().status.success());
    expect![[r#"
        0: the proof holds: 7 files, 4 edits, 6 tables under the names that the mapping says, 10 texts that parse as before
        ok        7 files, 4 edits
    "#]].assert_eq(&checked(&project));
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        match path.is_dir() {
            true => copy(&path, &target),
            false => drop(fs::copy(&path, &target).unwrap()),
        }
    }
}

#[test]
fn whoever_tampers_is_told() {
    let project = moved();
    let written = fs::read(project.path("proof.json")).unwrap();
    let mut told = String::new();
    // The proof is changed.
    let file = |proof: &mut Value, path: &str| -> usize {
        let files = proof["files"].as_array().unwrap();
        files.iter().position(|file| file["path"] == path).unwrap()
    };
    type Change = fn(&mut Value, usize);
    let changes: &[(&str, &str, Change)] = &[
        ("an edit is dropped", "nb.py", |proof, at| {
            drop(
                proof["files"][at]["edits"]
                    .as_array_mut()
                    .unwrap()
                    .remove(0),
            )
        }),
        ("an edit is added", "nb.py", |proof, at| {
            let edit = json!({"at": 2, "old": "Data", "new": "data"});
            proof["files"][at]["edits"]
                .as_array_mut()
                .unwrap()
                .insert(0, edit);
        }),
        ("an edit is moved", "latin.sql", |proof, at| {
            let place = proof["files"][at]["edits"][0]["at"].as_u64().unwrap();
            proof["files"][at]["edits"][0]["at"] = json!(place + 1);
        }),
        ("edits change places", "nb.py", |proof, at| {
            proof["files"][at]["edits"]
                .as_array_mut()
                .unwrap()
                .reverse()
        }),
        ("an edit says something else", "wide.sql", |proof, at| {
            proof["files"][at]["edits"][0]["new"] = json!("dev.sales")
        }),
        (
            "an edit is of an unchanged file",
            "plain.txt",
            |proof, at| {
                proof["files"][at]["edits"] = json!([{"at": 0, "old": "nothing", "new": "none"}]);
                proof["files"][at]["encoding"] = json!("UTF-8");
            },
        ),
        ("a digest before", "plain.txt", |proof, at| {
            proof["files"][at]["before"] = json!("00")
        }),
        ("a digest after", "p.json", |proof, at| {
            proof["files"][at]["after"] = json!("00")
        }),
        ("a digest of a member", "a.dbc!/n.python", |proof, at| {
            proof["files"][at]["after"] = json!("00")
        }),
        ("a file is left out", "a.png", |proof, at| {
            drop(proof["files"].as_array_mut().unwrap().remove(at))
        }),
        ("a member is left out", "a.dbc!/n.python", |proof, at| {
            drop(proof["files"].as_array_mut().unwrap().remove(at))
        }),
        ("a file is made up", "a.png", |proof, at| {
            let mut made_up = proof["files"][at].clone();
            made_up["path"] = json!("b.png");
            proof["files"].as_array_mut().unwrap().push(made_up);
        }),
        ("a table is left out", "nb.py", |proof, at| {
            drop(proof["files"][at]["reads"].as_array_mut().unwrap().pop())
        }),
        ("a table has another new name", "nb.py", |proof, at| {
            proof["files"][at]["writes"][0][1] = json!("dev.sales.orders")
        }),
        ("occurrences are left out", "nb.py", |proof, _| {
            proof["verdicts"] = json!([0, 0, 0])
        }),
        ("the mapping's digest", "nb.py", |proof, _| {
            proof["mapping"] = json!("00")
        }),
        ("the form's version", "nb.py", |proof, _| {
            proof["refactor_proof"] = json!(1)
        }),
    ];
    for (what, path, change) in changes {
        let mut proof: Value = serde_json::from_slice(&written).unwrap();
        let path = if *path == "p.json" {
            "pipeline/p.json"
        } else {
            path
        };
        let at = file(&mut proof, path);
        change(&mut proof, at);
        write(&project, "proof.json", proof.to_string().as_bytes());
        told.push_str(&format!("-- {what}\n{}", checked(&project)));
    }
    write(&project, "proof.json", &written[..written.len() / 2]);
    told.push_str(&format!("-- the proof is cut off\n{}", checked(&project)));
    write(&project, "proof.json", &written);
    told.push_str(&format!(
        "-- another mapping\n{}",
        verified(&project, "other.csv")
    ));
    // A tree is changed.
    for (path, bytes) in [
        ("new/nb.py", Some(NOTEBOOK)),
        ("code/plain.txt", Some("something\r\n")),
        ("new/plain.txt", None),
        ("new/more.sql", Some("select 1")),
        ("new/a.png", Some("")),
    ] {
        let before = fs::read(project.path(path)).ok();
        match bytes {
            Some(bytes) => project.write(path, bytes),
            None => project.remove(path),
        }
        told.push_str(&format!("-- {path}\n{}", checked(&project)));
        match before {
            Some(before) => write(&project, path, &before),
            None => project.remove(path),
        }
    }
    // A forger who makes all digests and edits fit is found by the mapping alone.
    let after = fs::read_to_string(project.path("new/nb.py")).unwrap();
    let forged = after.replace(" -- keep", "");
    project.write("new/nb.py", &forged);
    let mut proof: Value = serde_json::from_slice(&written).unwrap();
    let at = file(&mut proof, "nb.py");
    proof["files"][at]["after"] = json!(Digest::of(forged.as_bytes()).to_string());
    let edit = json!({"at": NOTEBOOK.find(" -- keep"), "old": " -- keep", "new": ""});
    let edits = proof["files"][at]["edits"].as_array_mut().unwrap();
    edits.push(edit);
    edits.sort_by_key(|edit| edit["at"].as_u64());
    write(&project, "proof.json", proof.to_string().as_bytes());
    told.push_str(&format!("-- a forged edit\n{}", checked(&project)));
    let unlicensed = project.karat(&[
        "refactor",
        "verify",
        "code",
        "new",
        "--mapping",
        "mapping.csv",
    ]);
    told.push_str(&unlicensed.text());
    expect![[r#"
        -- an edit is dropped
        1: the proof does not hold: nb.py: its edits and nothing else do not give the file after: byte 92 is another
        mismatch  nb.py: its edits and nothing else do not give the file after
        -- an edit is added
        1: the proof does not hold: nb.py: its edits and nothing else do not give the file after: byte 2 is another
        mismatch  nb.py: its edits and nothing else do not give the file after
        -- an edit is moved
        1: the proof does not hold: latin.sql: edit 1 at byte 18 (`sales` to `prod.sales`) is not where it says: something else stands there
        mismatch  latin.sql: edit 1 is not where it says
        -- edits change places
        1: the proof does not hold: nb.py: edit 2 at byte 170 (`` to `prod.`) lies in or before the one in front of it
        mismatch  nb.py: edit 2 lies in or before the one in front of it
        -- an edit says something else
        1: the proof does not hold: wide.sql: its edits and nothing else do not give the file after: byte 34 is another
        mismatch  wide.sql: its edits and nothing else do not give the file after
        -- an edit is of an unchanged file
        1: the proof does not hold: plain.txt: its edits and nothing else do not give the file after: byte 2 is another
        mismatch  plain.txt: its edits and nothing else do not give the file after
        -- a digest before
        1: the proof does not hold: plain.txt: it is not the file that the proof was made of: its SHA-256 before is 1432916e05d050bcfc8ed91f5cbf2470f74e00ae3d364c61a481e0230df8f576, the proof says 00
        mismatch  plain.txt: its SHA-256 before is another
        -- a digest after
        1: the proof does not hold: pipeline/p.json: it is not the file that the proof leads to: its SHA-256 after is 81af290ef22dbcb22edaf5cdb3a9dd30738b1743367160ab9aa937ba91efcb6d, the proof says 00
        mismatch  pipeline/p.json: its SHA-256 after is another
        -- a digest of a member
        1: the proof does not hold: a.dbc!/n.python: its SHA-256 after is f902666d03810f4f029f94b9c561c1282bb7ca77a2fe171db0ce461aa7eff9f7, the proof says 00
        mismatch  a.dbc: its SHA-256 after is another
        -- a file is left out
        1: the proof does not hold: a.png: it is in the tree before, and the proof does not list it
        mismatch  a.png: the proof does not list it
        -- a member is left out
        1: the proof does not hold: a.dbc!/n.python: it changed, and the proof does not list it
        mismatch  a.dbc: its member n.python changed, and the proof does not list it
        -- a file is made up
        1: the proof does not hold: b.png: the proof lists it, and it is not in the tree before
        mismatch  it lists b.png, which is in no tree
        -- a table is left out
        1: the proof does not hold: nb.py: it reads `sales.items`, which becomes ``prod-eu`.sales.items`, and the proof does not say so
        ok        7 files, 7 edits
        -- a table has another new name
        1: the proof does not hold: nb.py: it writes `sales.orders`, which becomes `prod.sales.orders`, and the proof does not say so
        ok        7 files, 7 edits
        -- occurrences are left out
        1: the proof does not hold: the proof counts 0 occurrences, and there are 9 in the tree before
        ok        7 files, 7 edits
        -- the mapping's digest
        1: the proof does not hold: the proof was made with another mapping: what it says has the SHA-256 00, that of this one is 358580861cb2902c8504bc11a9323b1cc1f8c9ed6a4a9e7ae72d3e5cf816fd17
        ok        7 files, 7 edits
        -- the form's version
        1: the proof does not hold: the proof has form 1, and this karat reads form 2; use the karat that wrote it (0.1.0)
        mismatch  it has no form 2
        -- the proof is cut off
        1: the proof does not hold: the file is no proof of `karat refactor apply`: EOF while parsing a string at line 63 column 65
        mismatch  the proof or a file cannot be read (JSONDecodeError: Unterminated string starting at: line 63 column 16 (char 1662))
        -- another mapping
        1: the proof does not hold: the proof was made with another mapping: what it says has the SHA-256 358580861cb2902c8504bc11a9323b1cc1f8c9ed6a4a9e7ae72d3e5cf816fd17, that of this one is 1525a7254e695fee267c40bbb7036a93da8eee85b6091a84aa0272e331bf5c0c
        -- new/nb.py
        1: the proof does not hold: nb.py: it is not the file that the proof leads to: its SHA-256 after is 64123c9ec6be6208754a634b89c58cd360ff8e0e8b82ff467152f40d0aedd9c0, the proof says 28ea75afc08267dbc89f0431e2796ba7fef1c7ee1a9094b4a42300616bfd56d0
        mismatch  nb.py: its SHA-256 after is another
        -- code/plain.txt
        1: the proof does not hold: plain.txt: it is not the file that the proof was made of: its SHA-256 before is 45aad2fe9636e92a19f6deeef9cb2392847ac33d6d3d4b1fb36eb9ef8c3d5a66, the proof says 1432916e05d050bcfc8ed91f5cbf2470f74e00ae3d364c61a481e0230df8f576
        mismatch  plain.txt: its SHA-256 before is another
        -- new/plain.txt
        1: the proof does not hold: plain.txt: it is gone from the tree after
        mismatch  plain.txt: it is gone from the tree after
        -- new/more.sql
        1: the proof does not hold: more.sql: it is in the tree after, and was not there before
        mismatch  more.sql: it is in the tree after, and was not there before
        -- new/a.png
        1: the proof does not hold: a.png: it is not the file that the proof leads to: its SHA-256 after is e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855, the proof says ae4b3280e56e2faf83f414a6e3dabe9d5fbe18976544c05fed121accb85b53fc
        mismatch  a.png: its SHA-256 after is another
        -- a forged edit
        1: the proof does not hold: nb.py: the mapping does not license an edit: the cell marker `# MAGIC %sql select * from sales.items -- keep`
        ok        7 files, 8 edits
        nb.py:6:39: the cell marker `# MAGIC %sql select * from sales.items -- keep`
          before: # MAGIC %sql select * from sales.items -- keep
          after:  # MAGIC %sql select * from `prod-eu`.sales.items
        7 files, 4 changes licensed by the mapping, 1 occurrence still open
        1 file changed in a way that nothing licenses
        --- exit 1
    "#]].assert_eq(&told);
}
