//! What scripts read: the document of each verb has the keys that `docs/cli.md` names (H3), each seen at least once.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use karat_receipt::SigningKey;
use serde_json::Value;

use crate::project::{Answer, Project};

const PAGE: &str = include_str!("../../../../docs/cli.md");

/// What the page says about a document: `{a, b: [{c}], …}`.
#[derive(Debug)]
enum Shape {
    Value,
    Keys(Vec<(String, Shape)>),
    List(Box<Shape>),
}

impl Shape {
    fn read(text: &mut &str) -> Self {
        let mut next = |mark: char| {
            *text = text.trim_start();
            let found = text.starts_with(mark);
            if found {
                *text = &text[mark.len_utf8()..];
            }
            found
        };
        if next('[') {
            let item = Self::read(text);
            assert!(text.starts_with(']'), "{text}");
            *text = &text[1..];
            return Self::List(Box::new(item));
        }
        if !next('{') {
            let end = text.find([',', '}', ']']).unwrap();
            *text = &text[end..];
            return Self::Value;
        }
        let mut keys = Vec::new();
        while !text.starts_with('}') {
            let end = text.find([',', '}', ':']).unwrap();
            let name = text[..end].trim().to_owned();
            *text = &text[end..];
            let mut shape = Self::Value;
            if let Some(rest) = text.strip_prefix(':') {
                *text = rest;
                shape = Self::read(text);
            }
            *text = text.trim_start_matches([',', ' ']);
            if name != "…" {
                keys.push((name, shape));
            }
        }
        *text = &text[1..];
        Self::Keys(keys)
    }

    /// Notes each key that is there.
    fn check(&self, value: &Value, path: &str, seen: &mut BTreeSet<String>) {
        match self {
            Self::Value => {}
            Self::List(item) => {
                for one in value
                    .as_array()
                    .unwrap_or_else(|| panic!("{path}: {value}"))
                {
                    item.check(one, path, seen);
                }
            }
            Self::Keys(_) if value.is_null() => {}
            Self::Keys(keys) => {
                for (name, shape) in keys {
                    let path = format!("{path}.{name}");
                    let found = value
                        .get(name)
                        .unwrap_or_else(|| panic!("no {path}: {value:#}"));
                    shape.check(found, &path, seen);
                    seen.insert(path);
                }
            }
        }
    }

    fn paths(&self, path: &str, all: &mut BTreeSet<String>) {
        match self {
            Self::Value => {}
            Self::List(item) => item.paths(path, all),
            Self::Keys(keys) => {
                for (name, shape) in keys {
                    let path = format!("{path}.{name}");
                    shape.paths(&path, all);
                    all.insert(path);
                }
            }
        }
    }
}

/// The table of documents.
fn shapes() -> BTreeMap<String, Shape> {
    let table = PAGE.split("| verb | document |").nth(1).unwrap();
    let rows = table.lines().skip(2).take_while(|line| !line.is_empty());
    rows.map(|row| {
        let mut cells = row.split('`');
        let verb = cells.nth(1).unwrap().to_owned();
        let mut text = cells.nth(1).unwrap();
        (verb, Shape::read(&mut text))
    })
    .collect()
}

struct Seen {
    shapes: BTreeMap<String, Shape>,
    paths: BTreeSet<String>,
}

impl Seen {
    /// The verb's document, its keys and its exit code.
    fn document(&mut self, verb: &str, code: i32, answer: &Answer) -> Value {
        assert_eq!(answer.code, code, "{verb}: {}", answer.text());
        let document = answer.json();
        let shape = &self.shapes[verb];
        shape.check(&document, verb, &mut self.paths);
        document
    }
}

#[test]
fn every_verb_prints_the_document_that_the_page_describes() {
    let mut seen = Seen {
        shapes: shapes(),
        paths: BTreeSet::new(),
    };
    let project = Project::empty();
    seen.document("init", 0, &project.karat(&["init", "--json", "."]));
    project.write(
        "domains/d/domain.yaml",
        "domain: d\nfeeds:\n  - { source: landing, name: packed, mode: incremental, path: \"packed/*.csv.gz\" }\n  \
         - { source: db, table: t, mode: incremental, cursor: { column: id }, deletes: none }\n",
    );
    let gold = "domains/shop/gold/revenue.yaml";
    let revenue = fs::read_to_string(project.path(gold)).unwrap();
    project.write(
        gold,
        &format!("{revenue}checks: {{ some: {{ rows: {{ min: 1 }} }}, usual: {{ volume: {{ within: 90%, of_last: 1d }}, action: warn }} }}\n"),
    );
    let karat = fs::read_to_string(project.path("karat.yaml")).unwrap();
    project.write(
        "karat.yaml",
        &format!("{karat}  db: {{ type: sqlite, path: shop.db }}\n"),
    );
    project.sqlite(
        "create table t (id integer primary key, what text); insert into t values (1, 'a');",
    );
    let packed = project.write_gzip("landing/packed/1.csv.gz", &"some,text\n".repeat(1000));
    project.write_bytes("landing/packed/1.csv.gz", &packed[..packed.len() / 2]);

    let mut ask = |verb: &str, code: i32, more: &[&str]| {
        let words = verb.split(' ').chain(more.iter().copied());
        let arguments: Vec<&str> = words.chain(["--json", "--quiet"]).collect();
        seen.document(verb, code, &project.karat(&arguments))
    };
    ask("validate", 0, &[]);
    ask("plan", 1, &[]);
    ask("run", 1, &[]);
    ask("status", 0, &[]);
    let id = "orders/orders_20260105.csv@1:6";
    let row = [id, "--set", "country=ch", "--reason", "so"];
    ask("quarantine fix", 0, &row);
    ask("quarantine list", 0, &[]);
    ask("quarantine list --repaired", 0, &[]);
    ask("quarantine show", 0, &[id]);
    ask(
        "query",
        0,
        &["select country as name from shop_gold.revenue"],
    );
    for (file, select) in [
        ("old.parquet", "select 1 as k, 1.5 as v, 'x' as w, 1 as was"),
        ("new.parquet", "select 1 as k, 2.5 as v, 7 as w, 1 as comes"),
    ] {
        let made = project.karat(&["query", "--format", "parquet", "--output", file, select]);
        assert_eq!(made.code, 0, "{}", made.text());
    }
    ask("diff", 0, &["old.parquet", "new.parquet", "--key", "k"]);
    ask(
        "explain",
        0,
        &["shop_gold.revenue", "--where", "country = 'CH'"],
    );
    ask(
        "explain",
        0,
        &["shop_silver.orders", "--where", "order_id = 1"],
    );
    ask("profile", 0, &["shop_silver.orders"]);
    let rows: String = (0..12).map(|row| format!("{row},x\n")).collect();
    project.write("twelve.csv", &format!("id,word\n{rows}"));
    ask("profile", 0, &["twelve.csv"]);
    let model = "domains/shop/silver/orders.yaml";
    let silver = std::fs::read_to_string(project.path(model)).unwrap();
    for (rule, code) in [("2\", action: warn", 0), ("9\", action: fail", 1)] {
        project.write(model, &silver.replace("2\", action: quarantine", rule));
        ask("plan", code, &["--rehearse"]);
    }
    project.write(model, &silver);
    ask("receipt list", 0, &[]);
    ask("receipt show", 0, &["shop_gold.revenue"]);
    ask("receipt export", 0, &["--out", "record"]);
    ask("position show", 0, &[]);
    ask("position set", 0, &["db.t", "5"]);
    project.sqlite("insert into t values (6, 'b');");
    let run = ask("run", 0, &["--select", "d_bronze.db__t"])["run_id"].clone();
    let run = run.as_str().unwrap();
    ask("undo --plan", 0, &[run]);
    ask("undo", 0, &[run, "--reason", "so"]);
    ask("position reset", 0, &["db.t"]);
    let range = ["db.t", "--from", "1", "--to", "9"];
    ask("backfill --plan", 0, &range);
    let again = ask("backfill", 0, &range)["run"].clone();
    ask("undo", 0, &[again.as_str().unwrap(), "--reason", "so"]);
    ask("position reset", 0, &["db.t"]);
    ask("schema accept", 0, &["landing.orders"]);
    ask("source test", 0, &[]);
    ask("source discover", 0, &["landing", "orders"]);
    ask("replay", 0, &[]);
    ask("test", 0, &[]);
    ask("doctor", 0, &[]);
    ask("verify", 0, &[]);
    let anchored = fs::read_to_string(project.path("karat.yaml")).unwrap();
    let anchored = anchored.replace("lake: ./lake,", "lake: ./lake, anchor: { file: heads },");
    project.write("karat.yaml", &anchored);
    ask("verify", 1, &[]);

    // Another writer's commit.
    let log = "lake/shop/gold/revenue/_delta_log/00000000000000000001.json";
    project.write(
        log,
        "{\"commitInfo\":{\"timestamp\":0,\"operation\":\"WRITE\"}}\n",
    );
    ask("verify", 1, &[]);
    ask("plan", 1, &[]);
    ask("run", 1, &["--select", "shop_gold.revenue"]);
    ask(
        "receipt adopt",
        0,
        &["shop_gold.revenue", "it holds nothing"],
    );
    // Of two more the second names a file that is not there.
    let added = "{\"add\":{\"path\":\"gone.parquet\",\"partitionValues\":{},\"size\":9,\"modificationTime\":0,\"dataChange\":true}}\n";
    for (log, more) in [
        ("gold/revenue/_delta_log/00000000000000000003.json", ""),
        ("silver/orders/_delta_log/00000000000000000001.json", added),
    ] {
        let entry = "{\"commitInfo\":{\"timestamp\":0,\"operation\":\"WRITE\"}}\n";
        project.write(&format!("lake/shop/{log}"), &format!("{entry}{more}"));
    }
    ask("receipt adopt --all", 3, &["they hold nothing"]);
    project.remove("lake/shop/silver/orders/_delta_log/00000000000000000001.json");
    let name = project
        .lake_files()
        .into_iter()
        .find(|name| name.starts_with("shop/silver") && name.ends_with(".parquet"))
        .unwrap();
    let file = format!("lake/{name}");
    let bytes = fs::read(project.path(&file)).unwrap();
    project.write(&file, "something else");
    ask("verify", 1, &[]);
    ask("replay", 1, &["--rebuild", "shop_gold.revenue@0"]);
    project.write_bytes(&file, &bytes);

    ask(
        "bench trillion",
        0,
        &[
            "--rows",
            "20000",
            "--cores",
            "4",
            "--price-per-hour",
            "1.5",
            "--network-gbit",
            "10",
        ],
    );

    project.write(
        "m.csv",
        "old_database,old_table,new_catalog\na,t,m\na,u,n\n",
    );
    project.write("x.csv", "old_database,old_table,new_catalog\na,t,\n");
    project.write(
        "y.csv",
        "old_database,old_table,new_catalog\na,t,o\na,u,n\n",
    );
    project.write("z.csv", "old_database,old_table,new_catalog\na,t,p\n");
    project.write("code/a.py", "spark.table('a.t').rdd.map(f)\n");
    project.write("dbt/dbt_project.yml", "name: shop\n");
    project.write("dbt/models/m.sql", "select 1 as x");
    project.write("dbt/models/n.py", "");
    ask("import dbt", 1, &["dbt", "--out", "imported"]);
    let mapped = ["code", "--mapping", "m.csv"];
    ask("refactor scan", 1, &[&mapped[..], &["--check"]].concat());
    let decision = [
        "--answer",
        "keep",
        "--by",
        "me",
        "--why",
        "x",
        "--decisions",
        "d.json",
    ];
    let place = ["code", "a.py:1", "--mapping", "m.csv"];
    ask("refactor decide", 0, &[&place[..], &decision[..]].concat());
    ask(
        "refactor apply",
        1,
        &[
            "code",
            "--mapping",
            "m.csv",
            "--out",
            "new",
            "--proof",
            "p.json",
        ],
    );
    let both = ["code", "new", "--mapping", "m.csv", "--proof", "p.json"];
    ask("refactor verify", 0, &both);
    project.write("new/a.py", "spark.table('b.t')\n");
    ask("refactor verify", 1, &both);
    ask("refactor mapping", 2, &["x.csv"]);
    ask(
        "refactor merge",
        1,
        &[
            "--base",
            "m.csv",
            "--person",
            "y.csv",
            "--anew",
            "z.csv",
            "--output",
            "merged.csv",
        ],
    );

    let [first, second] = [1, 2].map(|seed| SigningKey::from_seed(&[seed; 32]));
    project.write("first.pem", &first.to_pkcs8_pem());
    project.write("second.pem", &second.to_pkcs8_pem());
    project.write("keys/first.pub", &first.public_key().to_pem());
    let karat = fs::read_to_string(project.path("karat.yaml")).unwrap();
    let signs = karat.replace("default: true", "default: true, key: \"${file:first.pem}\"");
    project.write("karat.yaml", &signs);
    ask("receipt rotate", 0, &["--to", "second.pem", "it is due"]);
    project.write("karat.yaml", &karat);
    project.remove("keys");

    // What fails.
    project.write(
        "domains/shop/tests/one.yaml",
        "model: shop_gold.revenue\ntests: [ { name: n, given: { shop_silver.orders: [ { amount: x } ] }, expect: [] } ]\n",
    );
    ask("test", 1, &[]);
    project.remove("domains/shop/tests");
    project.write(
        "domains/shop/gold/revenue.sql",
        "select count(*) / 0 as revenue from shop_silver.orders\n",
    );
    project.remove("domains/shop/gold/revenue.yaml");
    ask("run", 3, &["--select", "shop_gold.revenue"]);
    project.write(
        "domains/shop/gold/revenue.sql",
        "select nothing from shop_silver.orders\n",
    );
    ask("validate", 2, &[]);
    project.write(
        "domains/shop/gold/revenue.sql",
        "select 1 as revenue from shop_silver.orders\n",
    );
    project.remove("shop.db");
    ask("source test", 3, &[]);
    ask("plan", 3, &[]);

    // A closed day, and a delivery that is expected by a calendar of many years.
    let years: String = (2026..2100).map(|year| format!("{year}-01-01\n")).collect();
    let daily = Project::of(&[
        (
            "karat.yaml",
            "karat: 1\nproject: p\nsources:\n  landing: { type: files, path: landing }\ncalendar: { holidays: holidays.csv, business_date: day_before }\n",
        ),
        ("holidays.csv", &format!("date\n{years}")),
        (
            "domains/d/domain.yaml",
            "domain: d\nfeeds:\n  - { source: landing, name: e, mode: incremental, path: \"*.csv\", expect: { file: \"e_{date:%Y%m%d}.csv\", by: \"06:00\" } }\n",
        ),
        (
            "domains/d/silver/t.yaml",
            "from: landing.e\nselect: { id: id }\nkey: [id]\n",
        ),
        ("landing/e_20261028.csv", "id\n1\n"),
    ]);
    let at = ["--at", "2026-10-29T07:00:00Z", "--json", "--quiet"];
    let run = seen.document("run", 0, &daily.karat(&[&["run"], &at[..]].concat()));
    let undone = Project::copy_of(&daily);
    let killed = undone.karat_with(
        &["undo", run["run_id"].as_str().unwrap(), "--reason", "so"],
        &[("KARAT_FAILPOINT", "put.after:1")],
    );
    assert_eq!(killed.code, -1, "{}", killed.text());
    let status = undone.karat(&["status", "--json", "--quiet"]);
    seen.document("status", status.code, &status);
    seen.document(
        "close",
        0,
        &daily.karat(&[&["close", "2026-10-28"], &at[..]].concat()),
    );
    let status = daily.karat(&["status", "--json", "--quiet"]);
    seen.document("status", status.code, &status);

    let mut named = BTreeSet::new();
    for (verb, shape) in &seen.shapes {
        // A test of its own compares what the demo prints.
        if verb != "demo" {
            shape.paths(verb, &mut named);
        }
    }
    let unseen: Vec<&String> = named.difference(&seen.paths).collect();
    assert!(unseen.is_empty(), "never there: {unseen:?}");
}
