//! What karat tells others: heads, to anchors outside of the lake (G4), which give away an older state of it; and alerts.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Command;
use std::thread::JoinHandle;

use expect_test::expect;
use serde_json::Value;

use crate::project::Project;

fn anchored(anchor: &str) -> Project {
    let project = Project::initial();
    project.write(
        "karat.yaml",
        &format!(
            "karat: 1\nproject: shop\ntargets:\n  dev: {{ lake: ./lake, anchor: {{ {anchor} }} }}\nsources:\n  landing: {{ type: files, path: ./landing }}\n"
        ),
    );
    project
}

fn ran(project: &Project, code: i32) -> Value {
    let run = project.karat(&["run", "--json"]);
    assert_eq!(run.code, code, "{}", run.text());
    run.json()
}

fn more_orders(project: &Project, day: u32) {
    project.write(
        &format!("landing/orders/orders_202602{day:02}.csv"),
        &format!("order_id,country,amount,ordered_at\n{day}00,ch,1.00,2026-02-{day:02} 09:00:00\n"),
    );
}

fn heads(text: &str) -> Vec<Value> {
    let head = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap();
        line["head"].clone()
    };
    text.lines().map(head).collect()
}

fn git(project: &Project, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .args(["-c", "user.name=n", "-c", "user.email=n@example.com"])
        .args(arguments)
        .current_dir(project.path("."))
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "git {arguments:?}: {told}");
    String::from_utf8(output.stdout).unwrap()
}

/// A server that gives these answers and ends with the paths and bodies that it was sent.
pub(crate) fn answering(
    listener: TcpListener,
    answers: &'static [&'static str],
) -> JoinHandle<Vec<(String, String)>> {
    std::thread::spawn(move || {
        let mut sent = Vec::new();
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            let mut piece = [0; 4096];
            let (head, body) = loop {
                let count = stream.read(&mut piece).unwrap();
                assert!(count > 0, "the request ends early");
                request.extend_from_slice(&piece[..count]);
                let text = String::from_utf8_lossy(&request).into_owned();
                if let Some((head, body)) = text.split_once("\r\n\r\n") {
                    let head = head.to_lowercase();
                    let length = head.split("content-length: ").nth(1).unwrap();
                    let length: usize = length.lines().next().unwrap().parse().unwrap();
                    if body.len() >= length {
                        break (head.clone(), body.to_owned());
                    }
                }
            };
            write!(
                stream,
                "HTTP/1.1 {answer}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            )
            .unwrap();
            let path = head.split(' ').nth(1).unwrap().to_owned();
            sent.push((path, body));
        }
        sent
    })
}

#[test]
fn an_older_state_of_the_lake_put_back_is_found_by_the_anchor() {
    let project = anchored("file: heads.ndjson");
    let first = ran(&project, 0);
    let copied = Command::new("cp")
        .args(["-a", "lake", "older"])
        .current_dir(project.path("."))
        .status();
    assert!(copied.unwrap().success());
    more_orders(&project, 1);
    let second = ran(&project, 0);
    project.run(0);
    let written = std::fs::read_to_string(project.path("heads.ndjson")).unwrap();
    assert_eq!(
        heads(&written),
        [first["head"].clone(), second["head"].clone()]
    );
    assert_eq!(project.karat(&["verify"]).code, 0);
    project.remove("lake");
    std::fs::rename(project.path("older"), project.path("lake")).unwrap();
    let found = project.karat(&["verify", "--signatures"]);
    assert_eq!(found.code, 1, "{}", found.text());
    let what = found
        .stdout
        .lines()
        .find(|line| line.contains("_karat/runs"));
    let head = second["head"].as_str().unwrap();
    expect!["missing  _karat/runs  no manifest has the digest HEAD, which line 2 of the anchor `heads.ndjson` names: the end of the lake was cut off, or it is another lake"].assert_eq(&what.unwrap().replace(head, "HEAD"));
    // What is written to it now would be another history.
    let run = project.karat(&["run"]);
    expect![[r#"
        --- stderr
        error: the lake is not the one that it was: no run of it has the head DIGEST, which line 2 of the anchor `heads.ndjson` names
        hint: an older state was put back, or it is another lake: bring the newest back; if this state is meant to go on, begin a new anchor (keep the old file, and name another in karat.yaml)
        --- exit 1
    "#]].assert_eq(&run.text().replace(head, "HEAD"));
    for command in [
        &["close", "2026-01-05"][..],
        &["position", "set", "landing.orders", "1"],
        &["position", "reset", "landing.orders"],
    ] {
        let files = project.lake_files();
        let behind = project.karat(command);
        assert_eq!(behind.code, 1, "{command:?}: {}", behind.text());
        assert!(
            behind
                .stderr
                .contains("the lake is not the one that it was"),
            "{command:?}: {}",
            behind.stderr
        );
        assert_eq!(files, project.lake_files());
    }
    project.write("heads.ndjson", "nothing");
    expect![[r#"
        outcome   table                        version  fingerprint
        ok        shop_bronze.landing__orders        0  DIGEST…
        ok        shop_gold.revenue                  0  DIGEST…
        ok        shop_quarantine.orders             0  DIGEST…
        ok        shop_silver.orders                 0  DIGEST…

        outcome   file
        mismatch  _karat/runs  line 1 of the anchor `heads.ndjson` names no head: it was altered, or its writer was cut off
        NOT as the record says: 4 receipts, 0 files hashed, 0 rows decoded
        head DIGEST
        anchor heads.ndjson: 1 head
        --- exit 1
    "#]]
    .assert_eq(&project.karat(&["verify", "--signatures"]).text());
    // A line that is cut off stays one line, and is told.
    assert_eq!(project.karat(&["run"]).code, 0);
    let written = std::fs::read_to_string(project.path("heads.ndjson")).unwrap();
    assert_eq!(written.lines().count(), 2, "{written}");
    project.remove("heads.ndjson");
    let lost = project.karat(&["verify", "--signatures"]);
    assert_eq!(lost.code, 1, "{}", lost.text());
}

#[test]
fn heads_are_committed_and_pushed() {
    let project = anchored("git: heads");
    git(&project, &["init", "--quiet", "--bare", "far"]);
    git(&project, &["clone", "--quiet", "far", "heads"]);
    for setting in [["user.name", "karat"], ["user.email", "karat@example.com"]] {
        git(&project, &["-C", "heads", "config", setting[0], setting[1]]);
    }
    git(
        &project,
        &[
            "-C",
            "heads",
            "commit",
            "--quiet",
            "--allow-empty",
            "--message",
            "begin",
        ],
    );
    git(
        &project,
        &[
            "-C",
            "heads",
            "push",
            "--quiet",
            "--set-upstream",
            "origin",
            "HEAD",
        ],
    );
    let head = ran(&project, 0)["head"].clone();
    assert_eq!(ran(&project, 0)["anchored"], true);
    let far = git(&project, &["-C", "far", "log", "--format=%s"]);
    assert_eq!(far.lines().count(), 2, "{far}");
    let there = git(&project, &["-C", "far", "show", "HEAD:karat-heads.ndjson"]);
    assert_eq!(heads(&there), [head]);
}

#[test]
fn a_server_is_told_of_each_head_once_and_a_run_says_if_it_is_not_there() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let project = anchored(&format!("http: \"http://{address}/${{env:HEADS_TOKEN}}\""));
    // The first answer is one to try again after.
    let server = answering(listener, &["503 Service Unavailable", "201 Created"]);
    let token = [("HEADS_TOKEN", "secret")];
    let run = project.karat_with(&["run", "--json"], &token);
    assert_eq!(run.code, 0, "{}", run.text());
    let bodies = server.join().unwrap();
    assert!(
        bodies.iter().all(|(path, _)| path == "/secret"),
        "{bodies:?}"
    );
    let bodies: String = bodies.into_iter().map(|(_, body)| body).collect();
    assert_eq!(heads(&bodies), vec![run.json()["head"].clone(); 2]);
    // Nothing new: nobody is asked.
    assert_eq!(project.karat_with(&["run"], &token).code, 0);
    more_orders(&project, 2);
    let run = project.karat_with(&["run", "--quiet", "--json"], &token);
    assert_eq!(
        (run.code, &run.json()["anchored"]),
        (3, &Value::Bool(false))
    );
    assert!(!run.stderr.contains("secret"), "{}", run.stderr);
    let told = run.stderr.replace(&address.to_string(), "SERVER");
    expect!["error: cannot publish the head at `http://SERVER/${env:HEADS_TOKEN}`"]
        .assert_eq(told.lines().next().unwrap());
    let status = project.karat_with(&["verify"], &token);
    assert_eq!(status.code, 0, "{}", status.text());
}

#[test]
fn an_anchor_is_one_place() {
    for anchor in [
        "",
        "file: a, git: b",
        "http: notary",
        "mail: x",
        "file: ./lake/heads",
    ] {
        let project = anchored(anchor);
        assert_eq!(project.karat(&["validate"]).code, 2, "{anchor}");
    }
}

#[test]
fn a_server_is_told_once_that_runs_fail_and_once_that_they_end_well_again() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let project = Project::initial();
    project.write(
        "karat.yaml",
        &format!(
            "karat: 1\nproject: shop\ntargets:\n  dev: {{ lake: ./lake, alerts: \"http://{}/\" }}\nsources:\n  landing: {{ type: files, path: ./landing }}\n",
            listener.local_addr().unwrap()
        ),
    );
    let server = answering(listener, &["200 OK", "200 OK"]);
    let sql = "domains/shop/gold/revenue.sql";
    let text = std::fs::read_to_string(project.path(sql)).unwrap();
    project.run(0);
    project.write(
        sql,
        &text.replace("sum(amount)", "sum(1 / (amount - amount))"),
    );
    let first = ran(&project, 3);
    project.run(3);
    project.write(sql, &text);
    let last = ran(&project, 0);
    project.run(0);
    let told = server.join().unwrap();
    let told: Vec<Value> = told
        .iter()
        .map(|(_, body)| serde_json::from_str(body).unwrap())
        .collect();
    let events = |at: usize| (&told[at]["event"], &told[at]["run"], &told[at]["exit_code"]);
    assert_eq!(events(0), (&"failed".into(), &first["run_id"], &3.into()));
    assert_eq!(events(1), (&"recovered".into(), &last["run_id"], &0.into()));
    assert_eq!(told[0]["failed"][0]["table"], "shop_gold.revenue");
}
