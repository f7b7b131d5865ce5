//! Runs that go wrong, wait, or go on beside others: codes (H1), messages (H2), conflicts (A5).

use expect_test::expect;
use karat_receipt::SigningKey;

use crate::project::{Answer, Project};
use crate::running::{Running, wait_for};

#[test]
fn a_mistake_in_gold_stops_only_gold() {
    let project = Project::initial();
    project.write(
        "domains/shop/gold/revenue.sql",
        "select country, sum(amount / (order_id - 2)) as revenue\nfrom shop_silver.orders\ngroup by country\n",
    );
    project.write("domains/shop/gold/revenue.yaml", "key: [country]\n");
    let run = project.karat(&["run", "--json", "--quiet"]);
    assert_eq!(run.code, 3, "{}", run.stderr);
    let document = run.json();
    let steps = document["steps"].as_array().unwrap();
    let words: Vec<&str> = steps
        .iter()
        .map(|step| step["status"].as_str().unwrap())
        .collect();
    assert_eq!(words, ["done", "done", "failed"]);
    expect![
        "cannot compute `shop_gold.revenue`: division by zero in `amount / (order_id - 2)`, at 1:21"
    ]
    .assert_eq(steps[2]["error"]["message"].as_str().unwrap());
}

#[test]
fn a_column_that_does_not_exist_is_found_before_anything_runs() {
    let project = Project::initial();
    project.write(
        "domains/shop/gold/revenue.sql",
        "select country, sum(amont) as revenue\nfrom shop_silver.orders\ngroup by country\n",
    );
    let run = project.karat(&["run", "--quiet"]);
    expect![[r#"
        --- stderr
        error: `shop_silver.orders` has no column `amont`
         --> domains/shop/gold/revenue.sql:1:21
          |
        1 | select country, sum(amont) as revenue
          |                     ^^^^^
          = hint: did you mean `amount`?

        error: the project has 1 mistake
        hint: `karat validate` lists them, and what is wrong in SQL
        --- exit 2
    "#]]
    .assert_eq(&run.text());
    assert!(project.lake_files().is_empty());
}

#[test]
fn an_expectation_that_fails_the_model_publishes_nothing() {
    let project = Project::initial();
    let silver = std::fs::read_to_string(project.path("domains/shop/silver/orders.yaml")).unwrap();
    project.write(
        "domains/shop/silver/orders.yaml",
        &silver.replace("action: quarantine", "action: fail"),
    );
    let run = project.karat(&["run", "--quiet"]);
    expect![[r#"
                 table                        version   time  rows
        done     shop_bronze.landing__orders        0  N s  5 read = 5 kept
        failed   shop_silver.orders                    N s
        skipped  shop_gold.revenue                     N s
        sources 5 read = 5 kept
        run RUN: 1 table written, 0 unchanged, 1 failed, 1 skipped, N s
        head DIGEST
        --- stderr
        error: `shop_silver.orders` was not committed: 1 row breaks `known_country` (action: fail): orders/orders_20260105.csv@1:6
        hint: nothing was written; look at the source rows of `shop_silver.orders`, correct them there, or give the rule the action `quarantine`
        --- exit 1
    "#]].assert_eq(&run.text());
    let tables = project.karat(&["status", "--json"]).json();
    assert_eq!(tables["tables"].as_array().unwrap().len(), 1, "bronze only");
}

#[test]
fn a_run_that_could_load_nothing_says_so() {
    let project = Project::one_feed(
        "{ source: landing, name: o, mode: incremental, path: \"*.csv\" }",
        "from: landing.o\nselect: { id: id }\n",
    );
    project.write("landing/a.csv", "id,\"v\n1,one\n");
    expect![[r#"
        held    a.csv of d_bronze.landing__o: its header cannot be read: a quote in it is never closed; `csv: { quote: none }` of a feed reads files in which nothing is quoted
        nothing written: 2 tables without a version, N s
        --- exit 1
    "#]].assert_eq(&project.run(1).text());
    expect![[r#"
        nothing to do: 2 tables without a version, N s
        --- exit 0
    "#]]
    .assert_eq(&project.run(0).text());
    expect![[r#"
        feed       table                epoch  objects  held  cursor
        landing.o  d_bronze.landing__o      0        0     1
    "#]]
    .assert_eq(&project.karat(&["position", "show"]).stdout);
}

/// A run reads no more than it must, and sees a file that is gone; one that is damaged is named where it is read.
#[test]
fn data_files_that_are_gone_or_damaged() {
    let project = Project::initial();
    project.run(0);
    for layer in ["bronze", "silver", "quarantine", "gold"] {
        let copy = Project::copy_of(&project);
        let files = copy.lake_files().into_iter();
        let file = files
            .filter(|name| name.ends_with(".parquet"))
            .find(|name| name.contains(&format!("/{layer}/")))
            .unwrap();
        std::fs::remove_file(copy.path("lake").join(&file)).unwrap();
        let run = copy.run(1);
        let said = format!("its file `{file}` is missing\nhint: `karat verify` lists");
        assert!(run.stderr.contains(&said), "{layer}: {}", run.text());
    }
    let files = project.lake_files().into_iter();
    let file = files
        .filter(|name| name.ends_with(".parquet"))
        .find(|name| name.contains("/silver/"))
        .unwrap();
    let path = project.path("lake").join(&file);
    let mut bytes = std::fs::read(&path).unwrap();
    let end = bytes.len() / 2;
    bytes[4..end].fill(0xab);
    std::fs::write(&path, bytes).unwrap();
    project.write(
        "domains/shop/gold/countries.sql",
        "select country, count(*) as orders from shop_silver.orders group by country\n",
    );
    let name = file.rsplit('/').next().unwrap();
    for arguments in [
        &["query", "select * from shop_silver.orders"][..],
        &[
            "query",
            "select max(amount) from shop_silver.orders group by country",
        ],
    ] {
        let query = project.karat(arguments);
        assert_eq!(query.code, 1, "{}", query.text());
        expect![[r#"
            error: `shop_silver.orders` is not as its record says: its file `shop/silver/orders/FILE` is damaged: its bytes are not those that were written
            hint: `karat verify` lists all that differs; restore the file from a backup of the lake
        "#]].assert_eq(&query.stderr.replace(name, "FILE"));
    }
    expect![[r#"
        error: `shop_silver.orders` is not as its record says: its file `shop/silver/orders/FILE` is damaged: its bytes are not those that were written
        hint: `karat verify` lists all that differs; restore the file from a backup of the lake
    "#]].assert_eq(&project.run(1).stderr.replace(name, "FILE"));
}

/// It is no error of the source, but something that needs a person: exit code 1, also where the file is of an older version (H1).
#[test]
fn data_files_of_older_versions_that_are_gone_or_damaged() {
    let project = Project::initial();
    project.run(0);
    let files = project.lake_files().into_iter();
    let file = files
        .filter(|name| name.starts_with("shop/gold/revenue/") && name.ends_with(".parquet"))
        .next_back()
        .unwrap();
    let late = "order_id,country,amount,ordered_at\n6,ch,1.00,2026-01-06 08:00:00\n";
    project.write("landing/orders/orders_20260106.csv", late);
    project.run(0);
    let path = project.path("lake").join(&file);
    let whole = std::fs::read(&path).unwrap();
    let mut damaged = whole.clone();
    damaged[4..whole.len() - 8].fill(0xab);
    let newest = project.karat(&["query", "select * from shop_gold.revenue"]);
    for (bytes, how) in [
        (
            Some(damaged),
            "is damaged: its bytes are not those that were written",
        ),
        (None, "is missing"),
    ] {
        match bytes {
            Some(bytes) => std::fs::write(&path, bytes).unwrap(),
            None => std::fs::remove_file(&path).unwrap(),
        }
        for arguments in [
            &["diff", "shop_gold.revenue"][..],
            &[
                "query",
                "--as-of",
                "shop_gold.revenue@0",
                "select * from shop_gold.revenue",
            ],
            &[
                "query",
                "--as-of",
                "shop_gold.revenue@0",
                "--memory",
                "64MiB",
                "--plan",
                "select * from shop_gold.revenue",
            ],
        ] {
            let told = project.karat(arguments);
            if arguments.contains(&"--plan") && told.code == 0 {
                continue;
            }
            assert_eq!(told.code, 1, "{arguments:?}: {}", told.text());
            let said = format!("its file `{file}` {how}\nhint: `karat verify` lists");
            assert!(
                told.stderr.contains(&said),
                "{arguments:?}: {}",
                told.text()
            );
        }
        let again = project.karat(&["query", "select * from shop_gold.revenue"]);
        assert_eq!(again.text(), newest.text());
    }
}

#[test]
fn a_table_that_another_run_is_at_is_a_conflict() {
    let project = Project::initial();
    assert_eq!(project.karat(&["run", "--quiet"]).code, 0);
    let lock = std::fs::OpenOptions::new()
        .write(true)
        .open(project.path("lake/_karat/locks/shop_bronze.landing__orders.lock"))
        .unwrap();
    lock.lock().unwrap();
    let second = project.karat(&["run", "--quiet"]);
    assert_eq!(second.code, 5, "{}", second.stderr);
    assert!(
        second
            .stderr
            .contains("is being worked on by another karat process"),
        "{}",
        second.stderr
    );
    // Status asks for no lock.
    assert_eq!(project.karat(&["status"]).code, 0);
    drop(lock);
    assert_eq!(project.karat(&["run", "--quiet", "--wait", "10s"]).code, 0);
}

#[test]
fn of_several_failures_the_gravest_gives_the_code() {
    let project = Project::initial();
    let silver = std::fs::read_to_string(project.path("domains/shop/silver/orders.yaml")).unwrap();
    project.write(
        "domains/shop/silver/strict.yaml",
        &silver.replace("action: quarantine", "action: fail"),
    );
    let codes = |run: &Answer| -> Vec<(String, u64)> {
        let document = run.json();
        let steps = document["steps"].as_array().unwrap();
        let failed = steps.iter().filter(|step| step["status"] == "failed");
        failed
            .map(|step| {
                let code = step["error"]["exit_code"].as_u64().unwrap();
                (step["name"].as_str().unwrap().to_owned(), code)
            })
            .collect()
    };
    let run = project.karat(&["run", "--json", "--quiet"]);
    assert_eq!(run.code, 1, "{}", run.stderr);
    assert_eq!(codes(&run), [("strict".to_owned(), 1)]);

    project.write(
        "domains/shop/gold/ratio.sql",
        "select country, amount / 0 as ratio from shop_silver.orders\n",
    );
    let run = project.karat(&["run", "--json", "--quiet"]);
    assert_eq!(run.code, 3, "{}", run.stderr);
    assert_eq!(
        codes(&run),
        [("strict".to_owned(), 1), ("ratio".to_owned(), 3)]
    );

    let lock = std::fs::OpenOptions::new()
        .write(true)
        .open(project.path("lake/_karat/locks/shop_gold.revenue.lock"))
        .unwrap();
    lock.lock().unwrap();
    let run = project.karat(&["run", "--json", "--quiet"]);
    assert_eq!(run.code, 5, "{}", run.stderr);
    assert_eq!(codes(&run).len(), 3);
}

#[test]
fn a_target_that_demands_signatures_takes_nothing_without_a_key() {
    let project = Project::initial();
    let karat = std::fs::read_to_string(project.path("karat.yaml")).unwrap();
    project.write(
        "karat.yaml",
        &karat.replace("default: true", "default: true, require_signature: true"),
    );
    let run = project.karat(&["run", "--quiet"]);
    assert_eq!(run.code, 4, "{}", run.text());
    expect![[r#"
        error: target `dev` has `require_signature: true` and the project has no signing key
        hint: give the key to the target in karat.yaml: `key: "${file:PATH}"`
    "#]]
    .assert_eq(&run.stderr);
    assert_eq!(
        project.karat(&["status", "--json"]).json()["tables"],
        serde_json::json!([])
    );
}

/// A model is stale by the clock only when the value that it uses is another (A7): of a day, the next day in the project's zone.
#[test]
fn a_model_that_asks_for_the_day_is_current_all_day() {
    let project = Project::one_feed(
        "{ source: landing, name: e, mode: incremental, path: \"*.csv\" }",
        "from: landing.e\nselect: { id: cast(id as bigint), day: current_date }\n",
    );
    let karat = std::fs::read_to_string(project.path("karat.yaml")).unwrap();
    project.write("karat.yaml", &format!("{karat}timezone: Europe/Zurich\n"));
    let gold = "domains/d/gold/g.sql";
    project.write(gold, "select id, current_date as day from d_silver.t");
    project.write("landing/a.csv", "id\n1\n");
    let run = |at: &str| {
        let run = project.karat(&["run", "--quiet", "--json", "--at", at]);
        assert_eq!(run.code, 0, "{}", run.text());
        let steps = run.json()["steps"].clone();
        let of_step = |step: &serde_json::Value| {
            let text = |name: &str| step[name].as_str().unwrap().to_owned();
            format!("{} {}", text("table"), text("status"))
        };
        let steps: Vec<String> = steps.as_array().unwrap().iter().map(of_step).collect();
        steps.join(", ")
    };
    let mut said = vec![
        run("2026-07-01T10:00:00Z"),
        run("2026-07-01T21:59:00Z"),
        run("2026-07-01T22:00:00Z"),
        run("2026-07-02T10:00:00Z"),
    ];
    project.write(gold, "select id, now() as at from d_silver.t");
    said.push(run("2026-07-02T10:00:00Z"));
    said.push(run("2026-07-02T10:00:01Z"));
    expect![[r#"
        d_bronze.landing__e done, d_silver.t done, d_gold.g done
        d_bronze.landing__e unchanged, d_silver.t unchanged, d_gold.g unchanged
        d_bronze.landing__e unchanged, d_silver.t done, d_gold.g done
        d_bronze.landing__e unchanged, d_silver.t unchanged, d_gold.g unchanged
        d_bronze.landing__e unchanged, d_silver.t unchanged, d_gold.g done
        d_bronze.landing__e unchanged, d_silver.t unchanged, d_gold.g done
    "#]]
    .assert_eq(&(said.join("\n") + "\n"));
}

/// A table that another writer made unreadable for karat hides no other (H3).
#[test]
fn status_shows_the_tables_beside_one_that_cannot_be_read() {
    let project = Project::initial();
    assert_eq!(project.karat(&["run", "--quiet"]).code, 0);
    project.write(
        "lake/shop/gold/revenue/_delta_log/00000000000000000001.json",
        "{\"protocol\":{\"minReaderVersion\":3,\"minWriterVersion\":7,\"readerFeatures\":[\"ofTomorrow\"],\"writerFeatures\":[\"ofTomorrow\"]}}\n",
    );
    expect![[r#"
        table                        version  rows  fingerprint    fresh as of
        shop_bronze.landing__orders        0     5  DIGEST…  TIME
        shop_gold.revenue                           unreadable
        shop_quarantine.orders             0     1  DIGEST…  TIME
        shop_silver.orders                 0     4  DIGEST…  TIME
        head DIGEST
        --- stderr
        error: cannot read `shop/gold/revenue`: it uses the Delta feature ofTomorrow
        hint: copy the table without it, then read the copy
        --- exit 2
    "#]]
    .assert_eq(&project.karat(&["status"]).text());
    let tables = project.karat(&["status", "--json"]).json()["tables"].clone();
    let of_table = |table: &serde_json::Value| {
        let problem = &table["problem"];
        format!("{} {} {problem}", table["table"], table["version"])
    };
    let tables: Vec<String> = tables.as_array().unwrap().iter().map(of_table).collect();
    expect![[r#"
        "shop_bronze.landing__orders" 0 null
        "shop_gold.revenue" null "cannot read `shop/gold/revenue`: it uses the Delta feature ofTomorrow"
        "shop_quarantine.orders" 0 null
        "shop_silver.orders" 0 null
    "#]]
    .assert_eq(&(tables.join("\n") + "\n"));
}

/// A version whose signature nobody could verify is not made (G7).
#[test]
fn a_target_that_demands_signatures_takes_no_key_without_a_public_half() {
    let project = Project::initial();
    let karat = std::fs::read_to_string(project.path("karat.yaml")).unwrap();
    let demanding = "default: true, require_signature: true, key: \"${file:k.pem}\"";
    project.write("karat.yaml", &karat.replace("default: true", demanding));
    let key = SigningKey::from_seed(&[5; 32]);
    project.write("k.pem", &key.to_pkcs8_pem());
    let run = project.karat(&["run", "--quiet"]);
    assert_eq!(run.code, 4, "{}", run.text());
    let public = key.public_key().to_pem();
    project.write("keys/k.pub", &format!("# valid_to: 2020-01-01\n{public}"));
    let expired = project.karat(&["run", "--quiet"]);
    expect![[r#"
        error: target `dev` has `require_signature: true`, and its key 7599776c3085e3f9 has no public half in `keys/`: nobody could verify what it signs
        hint: put its public half into the project as `keys/NAME.pub` (`openssl pkey -in KEY -pubout`), or give the target a key that is there
        error: target `dev` has `require_signature: true`, and its key 7599776c3085e3f9 is not valid at the run's logical time: nobody could verify what it signs
        hint: put its public half into the project as `keys/NAME.pub` (`openssl pkey -in KEY -pubout`), or give the target a key that is there
    "#]]
    .assert_eq(&(run.stderr + &expired.stderr));
    project.write("keys/k.pub", &public);
    assert_eq!(project.karat(&["run", "--quiet"]).code, 0);
    assert_eq!(project.karat(&["verify", "--quiet"]).code, 0);
}

#[test]
fn what_another_writer_committed_waits_for_a_persons_word() {
    let project = Project::initial();
    assert_eq!(project.karat(&["run", "--quiet"]).code, 0);
    // The same rows a second time, under another name.
    copy_of_a_file(&project, "shop/gold/revenue");
    let foreign = expect![[r#"
        error: `shop_gold.revenue` is not as karat left it: version 1 was committed by another writer and has no receipt
        hint: look at what it wrote; then `karat receipt adopt shop_gold.revenue REASON` makes it part of the record, until the model is computed again
    "#]];
    foreign.assert_eq(&project.run(1).stderr);
    foreign.assert_eq(&project.karat(&["plan"]).stderr);
    assert_eq!(project.karat(&["verify"]).code, 1);
    expect![[r#"
        `shop_gold.revenue`: version 1 adopted by version 2
        --- exit 0
    "#]]
    .assert_eq(
        &project
            .karat(&[
                "receipt",
                "adopt",
                "shop_gold.revenue",
                "a copy, for a test",
            ])
            .text(),
    );
    assert_eq!(project.karat(&["verify", "--all"]).code, 0);
    assert_eq!(
        project.rows("select count(*) as rows from shop_gold.revenue"),
        "rows\n6\n"
    );
    assert_eq!(
        project.receipt("shop_gold.revenue")["reason"],
        "a copy, for a test"
    );
    project.run(0);
}

#[test]
fn a_flipped_byte_is_found() {
    let project = Project::initial();
    assert_eq!(project.karat(&["run", "--quiet"]).code, 0);
    let name = project
        .lake_files()
        .into_iter()
        .find(|name| name.starts_with("shop/gold") && name.ends_with(".parquet"))
        .unwrap();
    let path = project.path("lake").join(&name);
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let verified = project.karat(&["verify", "--json"]);
    assert_eq!(verified.code, 1, "{}", verified.stdout);
    let document = verified.json();
    let file = name.rsplit('/').next().unwrap();
    assert!(
        document["files"]
            .as_array()
            .unwrap()
            .iter()
            .any(|found| found["path"].as_str().unwrap().ends_with(file)
                && found["outcome"] == "mismatch"),
        "{document}"
    );
}

#[test]
fn a_version_that_is_not_there_is_not_verified() {
    let project = Project::initial();
    project.run(0);
    assert_eq!(project.karat(&["verify", "shop_gold.revenue@0"]).code, 0);
    expect![[r#"
        --- stderr
        error: the log of `shop_gold.revenue` has no version 9
        hint: `karat receipt list shop_gold.revenue` lists its versions
        --- exit 2
    "#]]
    .assert_eq(&project.karat(&["verify", "shop_gold.revenue@9"]).text());
}

#[test]
fn what_the_doctor_looks_at() {
    let project = Project::initial();
    let answer = project.karat(&["doctor", "--json"]);
    assert_eq!(answer.code, 0, "{}", answer.stdout);
    let names: Vec<String> = answer.json()["checks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|check| check["name"].as_str().unwrap().to_owned())
        .collect();
    expect![[r#"
        versions
        memory
        project
        journal
        lake
        lake writes
        clock
        disk
        source landing"#]]
    .assert_eq(&names.join("\n"));
    assert!(project.lake_files().is_empty(), "it leaves nothing behind");
}

/// Another writer's commit of a copy of one of the table's files.
fn copy_of_a_file(project: &Project, folder: &str) {
    let folder = format!("lake/{folder}");
    let log = std::fs::read_to_string(
        project.path(&format!("{folder}/_delta_log/00000000000000000000.json")),
    )
    .unwrap();
    let add = log
        .lines()
        .find(|line| line.starts_with("{\"add\""))
        .unwrap();
    let name = add.split('"').nth(5).unwrap();
    std::fs::copy(
        project.path(&format!("{folder}/{name}")),
        project.path(&format!("{folder}/another.parquet")),
    )
    .unwrap();
    project.write(
        &format!("{folder}/_delta_log/00000000000000000001.json"),
        &format!(
            "{{\"commitInfo\":{{\"timestamp\":0,\"operation\":\"WRITE\"}}}}\n{}\n",
            add.replace(name, "another.parquet")
        ),
    );
}

/// What a person took into the record stays while nothing changes; what the model computes then takes its place (A7, G2).
#[test]
fn adopted_rows_stay_until_the_model_is_computed_again() {
    let project = Project::one_feed(
        "{ source: landing, name: o, mode: incremental, path: \"*.csv\" }",
        "from: landing.o\nselect: { id: cast(id as bigint), v: v }\n",
    );
    project.write(
        "domains/d/gold/g.sql",
        "select count(*) as n from d_silver.t\n",
    );
    project.write("landing/a.csv", "id,v\n1,one\n");
    project.run(0);
    copy_of_a_file(&project, "d/silver/t");
    // Nothing is written before the foreign version is met, also of what a rule would hold back.
    project.write("landing/b.csv", "id,v\nx,two\n");
    let held = |project: &Project| {
        project
            .lake_files()
            .iter()
            .any(|name| name.starts_with("d/quarantine/"))
    };
    project.run(1);
    assert!(!held(&project));
    project.remove("landing/b.csv");
    let verified = project.karat(&["verify"]);
    let said = "foreign  d/silver/t/another.parquet  another writer named it, and no receipt states its SHA-256, which is ";
    assert!(verified.stdout.contains(said), "{}", verified.text());
    let adopted = project.karat(&["receipt", "adopt", "d_silver.t", "a copy"]);
    assert_eq!(adopted.code, 0, "{}", adopted.text());
    // The load that came in meanwhile makes a new version.
    expect![[r#"
        step    table                would    because                reads            takes
        load    d_bronze.landing__o  nothing  up to date
        silver  d_silver.t           rebuild  it holds adopted rows  2 rows, 5,698 B  about N s
        gold    d_gold.g             rebuild  `d_silver.t` changed   2 rows, 1,004 B  about N s
        2 steps to do, about N s; nothing was written
        --- exit 0
    "#]]
    .assert_eq(&project.karat(&["plan"]).text());
    let run = project.karat(&["run"]);
    assert_eq!(run.code, 0, "{}", run.text());
    let note = "note: d_silver.t: the adopted rows are replaced by what the model computes\n";
    assert!(run.stderr.contains(note), "{}", run.text());
    assert_eq!(project.rows("select n from d_gold.g"), "n\n1\n");
    assert!(held(&project));
    // Without anything new they stay; a damaged one is known by the receipt of its adoption.
    copy_of_gold(&project);
    project.run(0);
    assert_eq!(project.rows("select n from d_gold.g"), "n\n1\n1\n");
    assert_eq!(project.karat(&["verify", "--all"]).code, 0);
}

fn copy_of_gold(project: &Project) {
    let folder = "lake/d/gold/g";
    let logs = std::fs::read_dir(project.path(&format!("{folder}/_delta_log"))).unwrap();
    let version = logs
        .filter(|entry| {
            entry
                .as_ref()
                .unwrap()
                .file_name()
                .to_string_lossy()
                .ends_with(".json")
        })
        .count();
    let files = std::fs::read_dir(project.path(folder)).unwrap();
    let data = files
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|end| end == "parquet"))
        .unwrap();
    let size = std::fs::copy(data, project.path(&format!("{folder}/another.parquet"))).unwrap();
    project.write(
        &format!("{folder}/_delta_log/{version:020}.json"),
        &format!(
            "{{\"commitInfo\":{{\"timestamp\":0,\"operation\":\"WRITE\"}}}}\n{{\"add\":{{\"path\":\"another.parquet\",\"partitionValues\":{{}},\"size\":{size},\"modificationTime\":0,\"dataChange\":true,\"stats\":\"{{\\\"numRecords\\\":1}}\"}}}}\n"
        ),
    );
    let adopted = project.karat(&["receipt", "adopt", "d_gold.g", "a copy"]);
    assert_eq!(adopted.code, 0, "{}", adopted.text());
}

/// A rule that only warns changes no row's outcome: it is told beside them.
#[test]
fn what_a_rule_warns_of_is_told() {
    let project = Project::one_feed(
        "{ source: landing, name: o, mode: incremental, path: \"*.csv\" }",
        "from: landing.o\nselect: { id: cast(id as bigint), v: v }\nexpectations: { small: { expect: \"id < 2\", action: warn } }\n",
    );
    project.write("landing/a.csv", "id,v\n1,one\n2,two\n3,three\n4,four\n");
    let said = "3 of 4 rows break `small` (action: warn): a.csv@1:3, a.csv@1:4, a.csv@1:5";
    let run = project.karat(&["run", "--json"]);
    assert_eq!(run.code, 0, "{}", run.text());
    assert_eq!(
        run.json()["steps"][1]["notes"],
        serde_json::json!([said]),
        "{}",
        run.text()
    );
    // Of the rows that are new.
    project.write("landing/b.csv", "id,v\n1,one\n9,nine\n");
    let run = project.karat(&["run"]);
    let said = "note: d_silver.t: 1 of 2 rows break `small` (action: warn): b.csv@1:3\n";
    assert!(run.stderr.contains(said), "{}", run.text());
}

/// A cast that fits no row empties what is built on it, and no limit was broken.
#[test]
fn rows_that_all_went_into_quarantine_are_told() {
    let project = Project::one_feed(
        "{ source: landing, name: o, mode: incremental, path: \"*.csv\" }",
        "from: landing.o\nselect: { id: cast(id as bigint) }\n",
    );
    project.write("landing/a.csv", "id\none\ntwo\n");
    let run = project.karat(&["run"]);
    assert_eq!(run.code, 0, "{}", run.text());
    let said =
        "note: d_silver.t: every row that was read, 2, went into quarantine, by `_expression`: ";
    assert!(run.stderr.contains(said), "{}", run.text());
    project.write("landing/b.csv", "id\nthree\n4\n");
    let run = project.karat(&["run"]);
    assert!(!run.stderr.contains("quarantine, by"), "{}", run.text());
    let many: Vec<String> = (0..100)
        .map(|n| match n % 10 {
            3 => "?".to_owned(),
            _ => n.to_string(),
        })
        .collect();
    project.write("landing/c.csv", &format!("id\n{}\n", many.join("\n")));
    let run = project.karat(&["run"]);
    let said = "note: d_silver.t: 10 of 100 rows that were read went into quarantine, by `_expression`: `karat quarantine list` says why; `limit:` of `_expression` under `expectations` makes it a failure\n";
    assert!(run.stderr.contains(said), "{}", run.text());
}

/// Exit 0 says that every selected table is current (H1): one that could never be made is not.
#[test]
fn a_feed_that_finds_nothing_is_told() {
    let project = Project::one_feed(
        "{ source: landing, name: o, mode: incremental, path: \"*.cvs\" }",
        "from: landing.o\nselect: { id: id }\n",
    );
    project.write("landing/a.csv", "id\n1\n");
    expect![[r#"
        nothing to do: 2 tables without a version, N s
        --- stderr
        note: d_bronze.landing__o: no file matches `*.cvs` in the source's folder
        --- exit 1
    "#]]
    .assert_eq(&project.run(1).text());
    project.remove("domains");
    expect![[r#"
        --- stderr
        error: the project declares no feed and no model: there is nothing to run
        hint: a domain is a folder in `domains/` with a domain.yaml; `karat init FOLDER` writes one to look at
        --- exit 2
    "#]].assert_eq(&project.run(2).text());
}

/// What is selected without what it reads is not current after the run (H1), and the plan says so.
#[test]
fn a_model_selected_without_its_inputs_is_told() {
    let project = Project::one_feed(
        "{ source: landing, name: o, mode: incremental, path: \"*.csv\" }",
        "from: landing.o\nselect: { id: id }\nkey: [id]\n",
    );
    project.write("landing/a.csv", "id\n1\n");
    project.write("domains/d/gold/g.sql", "select id from d_silver.t");
    project.write("domains/d/gold/h.sql", "select id from d_gold.g");
    expect![[r#"
                 table       version   time  rows
        failed   d_silver.t           N s
        skipped  d_gold.g             N s
        run RUN: 0 tables written, 0 unchanged, 1 failed, 1 skipped, N s
        --- stderr
        start d_silver.t
        finish d_silver.t failed 0 rows N s
        note: d_gold.g: skipped: `d_silver.t` failed
        error: cannot make `d_silver.t`: `d_bronze.landing__o`, which it reads, has no version yet and is not selected
        hint: `karat run --select +d_silver.t` loads and makes what it reads before it
        --- exit 1
    "#]].assert_eq(
        &project
            .karat(&["run", "--select", "d_silver.t", "d_gold.g"])
            .text(),
    );
    expect![[r#"
        step  table     would  because                                                                                     reads  takes
        gold  d_gold.h  FAIL   cannot make `d_gold.h`: `d_gold.g`, which it reads, has no version yet and is not selected
        1 step would fail, with exit 1; nothing was written
        --- stderr
        error: cannot make `d_gold.h`: `d_gold.g`, which it reads, has no version yet and is not selected
        hint: `karat run --select +d_gold.h` loads and makes what it reads before it
        --- exit 1
    "#]].assert_eq(&project.karat(&["plan", "--select", "d_gold.h"]).text());
    let run = project.karat(&["run", "--select", "d_gold.h", "--json"]);
    expect![[r#"{"message":"cannot make `d_gold.h`: `d_gold.g`, which it reads, has no version yet and is not selected","causes":[],"hint":"`karat run --select +d_gold.h` loads and makes what it reads before it","exit_code":1}"#]].assert_eq(&run.json()["steps"][0]["error"].to_string());
    let run = project.karat(&["run", "--select", "+d_gold.h", "--quiet"]);
    assert_eq!(run.code, 0, "{}", run.text());
    let run = project.karat(&["run", "--select", "d_gold.h", "--quiet"]);
    assert_eq!(run.code, 0, "{}", run.text());
}

/// A lake is made in an empty folder, and nowhere else.
#[test]
fn no_lake_among_other_files() {
    let project = Project::initial();
    let files = |project: &Project| std::fs::read_dir(project.path("landing")).unwrap().count();
    let config = std::fs::read_to_string(project.path("karat.yaml")).unwrap();
    project.write(
        "karat.yaml",
        &config.replace("lake: ./lake", "lake: ./landing"),
    );
    let before = files(&project);
    let run = project.run(2);
    assert!(
        run.stderr
            .contains("/landing`: it has no `_karat/format`\n"),
        "{}",
        run.text()
    );
    assert_eq!(files(&project), before);
    project.write("karat.yaml", &config);
    // The beginning of a lake that a killed run left is none yet.
    std::fs::create_dir_all(project.path("lake/_karat")).unwrap();
    project.run(0);
    project.remove("lake/_karat/format");
    for verb in ["run", "status", "verify"] {
        let said = project.karat(&[verb]);
        assert_eq!(said.code, 2, "{verb}: {}", said.text());
        assert!(
            said.stderr
                .contains("if this is one, restore `_karat/format`"),
            "{verb}: {}",
            said.text()
        );
    }
}

/// Who asks for a version is told of that version.
#[test]
fn verify_tells_of_the_version_that_was_asked_for() {
    let project = Project::one_feed(
        "{ source: landing, name: o, mode: incremental, path: \"*.csv\" }",
        "from: landing.o\nselect: { id: cast(id as bigint) }\n",
    );
    for file in ["a", "b"] {
        project.write(&format!("landing/{file}.csv"), "id\n1\n2\n");
        project.write(
            &format!("landing/{file}2.csv"),
            &format!("id\n{}\n", file.len()),
        );
        project.write(
            &format!("landing/{file}3.csv"),
            &format!("id,x\n7,{file}\n"),
        );
        project.run(0);
    }
    let fingerprint = |of: &str| {
        project.karat(&["receipt", "show", of, "--json"]).json()["receipt"]["fingerprint"].clone()
    };
    let (first, second) = (fingerprint("d_silver.t@0"), fingerprint("d_silver.t@1"));
    assert_ne!(first, second);
    for (asked, version, fingerprint) in [
        ("d_silver.t@0", 0, &first),
        ("d_silver.t@1", 1, &second),
        ("d_silver.t", 1, &second),
    ] {
        let told = project.karat(&["verify", asked, "--json"]).json()["tables"][0].clone();
        assert_eq!(
            (&told["version"], &told["found"]),
            (&version.into(), fingerprint),
            "{asked}"
        );
    }
}

/// `retry` makes what failed and what depends on it, and leaves the rest alone, new files too.
#[test]
fn a_retry_runs_what_failed_and_its_dependants() {
    let project = Project::initial();
    let none = project.karat(&["retry"]);
    expect![[r#"
        --- stderr
        error: no run of this target is known on this machine: there is none to retry
        hint: `karat run` brings everything up to date; what is current is not made again
        --- exit 2
    "#]]
    .assert_eq(&none.text());
    project.write(
        "domains/shop/gold/broken.sql",
        "select country, 1 / (count(*) - count(*)) as x from shop_silver.orders group by country",
    );
    project.write("domains/shop/gold/broken.yaml", "key: [country]\n");
    project.write(
        "domains/shop/gold/after.sql",
        "select country, x from shop_gold.broken",
    );
    project.write("domains/shop/gold/after.yaml", "key: [country]\n");
    project.run(3);
    project.write(
        "domains/shop/gold/broken.sql",
        "select country, count(*) as x from shop_silver.orders group by country",
    );
    project.write(
        "landing/orders/orders_20260106.csv",
        "order_id,country,amount,ordered_at\n9,ch,1.00,2026-01-06 09:00:00\n",
    );
    let retried = project.karat(&["retry", "--json"]);
    assert_eq!(retried.code, 0, "{}", retried.text());
    let steps = retried.json()["steps"].as_array().unwrap().clone();
    let made: Vec<&str> = steps
        .iter()
        .map(|step| step["table"].as_str().unwrap())
        .collect();
    assert_eq!(made, ["shop_gold.broken", "shop_gold.after"]);
    let again = project.karat(&["retry"]);
    expect![[r#"
        nothing to do: 0 tables up to date, N s
        head DIGEST
        --- stderr
        note: nothing that this machine ran fails: there is nothing to retry
        --- exit 0
    "#]]
    .assert_eq(&again.text());
}

/// `--select changed+`: new code and what reads it; new files and other models wait (A7).
#[test]
fn changed_models_are_selected_with_what_reads_them() {
    let project = Project::initial();
    project.write(
        "domains/shop/gold/after.sql",
        "select country from shop_gold.revenue",
    );
    project.write("domains/shop/gold/after.yaml", "key: [country]\n");
    project.run(0);
    let none = project.karat(&["run", "--select", "changed+"]);
    expect![[r#"
        nothing to do: 0 tables up to date, N s
        head DIGEST
        --- stderr
        note: no model has changed since its newest version was made
        --- exit 0
    "#]]
    .assert_eq(&none.text());
    project.write(
        "landing/orders/orders_20260106.csv",
        "order_id,country,amount,ordered_at\n9,ch,1.00,2026-01-06 09:00:00\n",
    );
    let sql = "domains/shop/gold/revenue.sql";
    let text = std::fs::read_to_string(project.path(sql)).unwrap();
    project.write(sql, &format!("-- a comment changes nothing\n{text}"));
    assert_eq!(project.karat(&["run", "--select", "changed"]).code, 0);
    project.write(sql, &text.replace("sum(amount)", "max(amount)"));
    let made = |select: &str| -> Vec<String> {
        let plan = project.karat(&["plan", "--select", select, "--json"]);
        let steps = plan.json()["steps"].as_array().unwrap().clone();
        steps
            .iter()
            .map(|step| step["table"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(made("changed"), ["shop_gold.revenue"]);
    assert_eq!(made("changed+"), ["shop_gold.revenue", "shop_gold.after"]);
    let run = project.karat(&["run", "--select", "changed+", "--json"]);
    assert_eq!(run.code, 0, "{}", run.text());
    assert!(made("changed").is_empty());
}

/// A scheduler asks again for what it has asked for: the run that ended well under its key answers, and new files wait for another key.
#[test]
fn a_run_key_is_one_run() {
    let project = Project::initial();
    let ask = |key: &str| project.karat(&["run", "--run-key", key, "--json"]);
    let sql = "domains/shop/gold/revenue.sql";
    let text = std::fs::read_to_string(project.path(sql)).unwrap();
    project.write(
        sql,
        &text.replace("sum(amount)", "sum(1 / (amount - amount))"),
    );
    assert_eq!(ask("a-1").code, 3);
    assert_eq!(project.karat(&["run", "--run-key", ""]).code, 2);
    // What failed is not done.
    project.write(sql, &text);
    let first = ask("a-1");
    assert_eq!((first.code, &first.json()["status"]), (0, &"done".into()));
    project.write(
        "landing/orders/orders_20260106.csv",
        "order_id,country,amount,ordered_at\n9,ch,1.00,2026-01-06 09:00:00\n",
    );
    project.remove(".karat");
    let again = ask("a-1");
    let (first, again) = (first.json(), again.json());
    assert_eq!(
        (&again["run_id"], &again["head"]),
        (&first["run_id"], &first["head"])
    );
    assert_eq!(again["status"], "nothing_to_do");
    expect![[r#"
        run RUN with the key `a-1` ended well already: nothing to do
        --- exit 0
    "#]]
    .assert_eq(
        &project
            .karat(&["run", "--run-key", "a-1"])
            .text()
            .replace(first["run_id"].as_str().unwrap(), "RUN"),
    );
    let other = project.karat(&["run", "--run-key", "a-1", "--select", "shop_gold.revenue"]);
    assert_eq!(other.code, 2, "{}", other.text());
    assert_eq!(ask("a-2").json()["status"], "done");
    assert_eq!(project.karat(&["verify"]).code, 0);
}

/// `--watch` takes in what comes, waits where the project has mistakes, and goes on when they are mended.
#[test]
fn a_run_that_watches_takes_in_what_comes() {
    let project = Project::initial();
    let watching = Running::start(
        &project,
        &["run", "--watch", "--every", "50ms", "--json"],
        "",
    );
    let runs = || std::fs::read_dir(project.path("lake/_karat/runs")).map_or(0, Iterator::count);
    wait_for("the first run", || runs() == 1);
    let more = |id: u32| {
        project.write(
            &format!("landing/orders/orders_2026020{id}.csv"),
            &format!("order_id,country,amount,ordered_at\n10{id},ch,1.00,2026-02-0{id} 09:00:00\n"),
        );
    };
    more(1);
    wait_for("the run of a new file", || runs() == 2);
    let sql = "domains/shop/gold/revenue.sql";
    let text = std::fs::read_to_string(project.path(sql)).unwrap();
    project.write(sql, "select nothing from");
    more(2);
    project.write(sql, &text);
    wait_for("the run after the mistake", || runs() == 3);
    let said = watching.killed();
    let lines: Vec<&str> = said
        .stdout
        .lines()
        .filter(|line| line.starts_with("{\""))
        .collect();
    let ids = lines
        .iter()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["run_id"].clone());
    assert!(ids.count() >= 1, "{}", said.text());
    assert_eq!(project.karat(&["verify"]).code, 0);
}

/// What another writer took out of bronze, and a person adopted, is gone from silver also where the next load comes with it (A7).
#[test]
fn an_adopted_removal_is_not_hidden_by_the_next_load() {
    let project = Project::one_feed(
        "{ source: landing, name: o, mode: incremental, path: \"*.csv\" }",
        "from: landing.o\nselect: { id: cast(id as bigint) }\nauto_cdc: { keys: [id] }\n",
    );
    for id in [1, 2] {
        project.write(&format!("landing/{id}.csv"), &format!("id\n{id}\n"));
        project.run(0);
    }
    let folder = "lake/d/bronze/landing__o/_delta_log";
    let first = std::fs::read_to_string(project.path(&format!("{folder}/{:020}.json", 0))).unwrap();
    let add = first
        .lines()
        .find(|line| line.starts_with("{\"add\""))
        .unwrap();
    let path = serde_json::from_str::<serde_json::Value>(add).unwrap()["add"]["path"].clone();
    project.write(
        &format!("{folder}/{:020}.json", 2),
        &format!("{{\"commitInfo\":{{\"timestamp\":0,\"operation\":\"DELETE\"}}}}\n{{\"remove\":{{\"path\":{path},\"deletionTimestamp\":0,\"dataChange\":true}}}}\n"),
    );
    let adopted = project.karat(&["receipt", "adopt", "d_bronze.landing__o", "it was wrong"]);
    assert_eq!(adopted.code, 0, "{}", adopted.text());
    project.write("landing/3.csv", "id\n3\n");
    project.run(0);
    assert_eq!(
        project.rows("select id from d_silver.t order by id"),
        "id\n2\n3\n"
    );
    assert_eq!(
        project.karat(&["replay", "--rebuild", "d_silver.t"]).code,
        0
    );
}
