//! Silver and gold of a run, rebuilt from bronze and `_karat/` alone: the recorded code on the recorded inputs is the version (A7).

use std::collections::BTreeMap;
use std::fmt::Write as _;

use karat_lake::Lake;
use karat_receipt::{Manifest, Receipt};

use crate::project::{Project, copy_folder};
use crate::two_days::{self, contents};

/// More than the shop of two days: a keyed full feed, a clock, an order of its own, text that quotes, words that mean null.
const MORE: &[(&str, &str)] = &[
    (
        "domains/stock/domain.yaml",
        "domain: stock
feeds:
  - { source: landing, name: levels, mode: full, key: [item], path: \"levels/*.csv\", file_order: 'levels_(\\d+)', max_delete: 100%, null_values: [\"N/A\"], csv: { delimiter: \";\" } }
",
    ),
    (
        "domains/stock/silver/levels.yaml",
        "access: public
from: landing.levels
select:
  item:  item
  name:  \"case when name = 'it''s \\\"new\\\"' then 'a \\\\\\\\ b' else name end\"
  level: cast(level as double)
expectations:
  _expression: { action: drop, on: all }
  named: { expect: \"name is not null\", action: drop }
key: [item]
cluster_by: [name]
allow_float: the scale gives doubles
",
    ),
    (
        "domains/stock/gold/today.sql",
        "select -- a comment\n  l.item, current_date as day, o.country, count(*) as orders, 'a\nb' as lines\nfrom stock_silver.levels l cross join shop_silver.orders o\ngroup by l.item, o.country\n",
    ),
    ("domains/stock/gold/today.yaml", "key: [item, country]\n"),
];

fn original() -> Project {
    let project = two_days::project();
    for (name, text) in MORE {
        project.write(name, text);
    }
    let orders = std::fs::read_to_string(project.path("domains/shop/silver/orders.yaml")).unwrap();
    project.write(
        "domains/shop/silver/orders.yaml",
        &format!("access: public\n{orders}"),
    );
    let levels = "item;name;level\nx;it's \"new\";1.5\ny;N/A;2.5\nz;stool;much\nv;vase;0.1\n";
    project.write("landing/levels/levels_1.csv", levels);
    for day in 1..=2 {
        two_days::arrive(&project, day);
        if day == 2 {
            let levels = levels.replace("vase", "jar").replace("x;", "w;");
            project.write("landing/levels/levels_2.csv", &levels);
        }
        let at = format!("2026-01-{:02}T20:00:00Z", 4 + day);
        let run = project.karat(&["run", "--quiet", "--at", &at]);
        assert_eq!(run.code, 0, "{}", run.text());
    }
    project
}

#[test]
fn silver_and_gold_are_rebuilt_from_the_record_and_bronze() {
    let original = original();
    let record = Record::read(&original);
    let rebuilt = Project::empty();
    for domain in ["shop", "stock"] {
        copy_folder(
            &original.path(&format!("lake/{domain}/bronze")),
            &rebuilt.path(&format!("lake/{domain}/bronze")),
        );
    }
    copy_folder(&original.path("lake/_karat"), &rebuilt.path("lake/_karat"));
    for (name, text) in record.project() {
        rebuilt.write(&name, &text);
    }
    let mut run = vec!["run", "--quiet", "--at", &record.logical_time];
    let models: Vec<&String> = record.of_layers(&["silver", "gold"]);
    for model in &models {
        run.extend(["--select", model]);
    }
    let run = rebuilt.karat(&run);
    assert_eq!(run.code, 0, "{}", run.text());

    let (was, is) = (contents(&original), contents(&rebuilt));
    assert_eq!(was.len(), 12, "{:?}", was.keys());
    for (table, content) in &was {
        assert_eq!(is[table].fingerprint, content.fingerprint, "{table}");
    }
    // The code is the recorded one to the letter: nothing of a model is missing in its record.
    let again = Record::read(&rebuilt);
    for table in models {
        let (was, is) = (&record.receipts[table], &again.receipts[table]);
        assert_eq!(is.code, was.code, "{table}:\n{}", again.code(table));
        assert_eq!(is.schema, was.schema, "{table}");
        assert_eq!(is.accounting, was.accounting, "{table}");
        let inputs = |receipt: &Receipt| {
            let inputs = receipt.inputs.iter();
            let inputs = inputs.map(|input| (input.table.clone(), input.fingerprint.clone()));
            inputs.collect::<Vec<_>>()
        };
        assert_eq!(inputs(is), inputs(was), "{table}");
    }
}

/// What a lake's newest manifest leads to.
struct Record {
    logical_time: String,
    receipts: BTreeMap<String, Receipt>,
    /// Text of feeds and models, by digest.
    code: BTreeMap<String, String>,
}

impl Record {
    fn read(project: &Project) -> Self {
        let lake = Lake::open(&project.path("lake")).unwrap();
        let get = |path: &str| lake.get(path).unwrap().unwrap();
        let manifests = lake.list("_karat/runs").unwrap().into_iter();
        let newest = manifests
            .map(|name| Manifest::from_bytes(&get(&format!("_karat/runs/{name}"))).unwrap())
            .max_by_key(|manifest| manifest.sequence)
            .unwrap();
        let mut receipts = BTreeMap::new();
        let mut code = BTreeMap::new();
        for (table, state) in &newest.tables {
            let path = format!("_karat/receipts/{}.json", state.receipt.unwrap());
            let receipt = karat_receipt::open(&get(&path)).unwrap().receipt;
            let text = get(&format!("_karat/code/{}.txt", receipt.code));
            code.insert(receipt.code.to_string(), String::from_utf8(text).unwrap());
            receipts.insert(table.clone(), receipt);
        }
        Self {
            logical_time: newest.logical_time,
            receipts,
            code,
        }
    }

    fn of_layers(&self, layers: &[&str]) -> Vec<&String> {
        let receipts = self.receipts.iter();
        receipts
            .filter(|(_, receipt)| layers.contains(&receipt.layer.as_str()))
            .map(|(table, _)| table)
            .collect()
    }

    fn code(&self, table: &str) -> &str {
        &self.code[&self.receipts[table].code.to_string()]
    }

    /// A project that says what the recorded code says; where the sources were, it does not know.
    fn project(&self) -> Vec<(String, String)> {
        let mut files = Vec::new();
        let mut head = String::new();
        let mut sources = BTreeMap::new();
        let mut feeds: BTreeMap<&str, String> = BTreeMap::new();
        for table in self.of_layers(&["silver", "gold"]) {
            let (schema, name) = table.split_once('.').unwrap();
            let (domain, layer) = schema.rsplit_once('_').unwrap();
            let model = Lines::of(self.code(table));
            head = format!(
                "karat: 1\nproject: rebuilt\nrounding: {}\ntimezone: {}\n",
                model.one("rounding"),
                model.one("timezone"),
            );
            let mut yaml = "access: public\nallow_float: as it was\n".to_owned();
            for key in ["key", "cluster_by"] {
                if let Some(columns) = model.get(key) {
                    writeln!(yaml, "{key}: [{}]", list(columns).join(", ")).unwrap();
                }
            }
            if layer == "gold" {
                let sql = format!("{}\n", unescaped(model.one("sql")));
                files.push((format!("domains/{domain}/gold/{name}.sql"), sql));
            } else {
                let feed = Lines::of(self.code(model.one("from")));
                let (kind, entry) = feed_entry(&feed, &model);
                let (_, of_feed) = model.one("from").split_once('.').unwrap();
                let (source, _) = of_feed.split_once("__").unwrap();
                sources.insert(source.to_owned(), kind);
                *feeds.entry(domain).or_default() += &entry;
                yaml += &silver(&model);
            }
            files.push((format!("domains/{domain}/{layer}/{name}.yaml"), yaml));
        }
        head += "sources:\n";
        for (source, kind) in sources {
            writeln!(head, "  {source}: {{ type: {kind}, path: unknown }}").unwrap();
        }
        files.push(("karat.yaml".to_owned(), head));
        for (domain, entries) in feeds {
            let text = format!("domain: {domain}\nfeeds:\n{entries}");
            files.push((format!("domains/{domain}/domain.yaml"), text));
        }
        files
    }
}

/// What of a feed acts when silver reads it, as an entry of the control table; and its kind of source.
fn feed_entry(feed: &Lines<'_>, model: &Lines<'_>) -> (&'static str, String) {
    let (_, name) = feed.one("bronze").split_once("__").unwrap();
    let (source, _) = feed
        .one("bronze")
        .rsplit_once('.')
        .unwrap()
        .1
        .split_once("__")
        .unwrap();
    let (mode, key) = model.one("mode").split_once(" key ").unwrap();
    let (on_duplicate, file_order) = model
        .one("on_duplicate")
        .split_once(" file_order ")
        .unwrap();
    let mut entry = format!("  - source: {source}\n    name: {name}\n    mode: {mode}\n");
    writeln!(entry, "    key: [{}]", list(key).join(", ")).unwrap();
    writeln!(
        entry,
        "    null_values: [{}]",
        list_quoted(model.one("null_values"))
    )
    .unwrap();
    if let Some(deletes) = model.get("deletes") {
        let (_, column) = deletes.split_once(' ').unwrap();
        writeln!(entry, "    deletes: {{ soft: {} }}", list(column)[0]).unwrap();
    }
    let table = &list(feed.one("table"))[0];
    if table.is_empty() {
        writeln!(entry, "    path: {}", json(&list(feed.one("path"))[0])).unwrap();
        writeln!(entry, "    on_duplicate: {}", on_duplicate.to_lowercase()).unwrap();
        if !list(file_order)[0].is_empty() {
            writeln!(entry, "    file_order: {}", json(&list(file_order)[0])).unwrap();
        }
        return ("files", entry);
    }
    writeln!(entry, "    table: {table}").unwrap();
    if let Some(cursor) = feed.get("cursor") {
        let column = &list(cursor.split(' ').next().unwrap())[0];
        writeln!(entry, "    cursor: {{ column: {column} }}").unwrap();
    }
    ("sqlite", entry)
}

fn silver(model: &Lines<'_>) -> String {
    let mut yaml = format!("from: {}\nselect:\n", model.one("from"));
    for column in model.all("select") {
        let (name, sql) = column.split_once(' ').unwrap();
        writeln!(yaml, "  {name}: {}", json(&unescaped(sql))).unwrap();
    }
    yaml += "expectations:\n";
    for rule in model.all("expect") {
        let mut words = rule.splitn(3, ' ');
        let (name, action) = (words.next().unwrap(), words.next().unwrap());
        let rest = words.next().unwrap();
        let (on, sql) = match rest.strip_prefix("on all ") {
            Some(sql) => (", on: all", sql),
            None => ("", rest),
        };
        let expect = match sql {
            "" => String::new(),
            sql => format!(", expect: {}", json(&unescaped(sql))),
        };
        writeln!(yaml, "  {name}: {{ action: {action}{on}{expect} }}").unwrap();
    }
    if let Some(scd) = model.get("scd") {
        let (kind, keys) = scd.split_once(" keys ").unwrap();
        let keys = list(keys).join(", ");
        writeln!(
            yaml,
            "auto_cdc:\n  keys: [{keys}]\n  stored_as_scd_type: {kind}"
        )
        .unwrap();
        for key in ["sequence_by", "valid_from"] {
            let column = &list(model.one(key))[0];
            if !column.is_empty() {
                writeln!(yaml, "  {key}: {column}").unwrap();
            }
        }
        let deletes = unescaped(model.one("apply_as_deletes"));
        if !deletes.is_empty() {
            writeln!(yaml, "  apply_as_deletes: {}", json(&deletes)).unwrap();
        }
        let (word, columns) = model.one("track").split_once(' ').unwrap();
        let columns = list(columns).join(", ");
        match word {
            "only" => writeln!(yaml, "  track_history_column_list: [{columns}]").unwrap(),
            "except" => writeln!(yaml, "  track_history_except_column_list: [{columns}]").unwrap(),
            _ => {}
        }
    }
    yaml
}

/// The lines of recorded code: a key, a blank, the rest.
struct Lines<'c>(Vec<(&'c str, &'c str)>);

impl<'c> Lines<'c> {
    fn of(code: &'c str) -> Self {
        let lines = code.lines().skip(1);
        Self(lines.map(|line| line.split_once(' ').unwrap()).collect())
    }

    fn all(&self, key: &str) -> impl Iterator<Item = &'c str> {
        let lines = self.0.iter().filter(move |(of, _)| *of == key);
        lines.map(|(_, rest)| *rest).collect::<Vec<_>>().into_iter()
    }

    fn get(&self, key: &str) -> Option<&'c str> {
        self.all(key).next()
    }

    fn one(&self, key: &str) -> &'c str {
        self.get(key)
            .unwrap_or_else(|| panic!("no `{key}` in {:?}", self.0))
    }
}

/// Quoted texts with blanks between.
fn list(text: &str) -> Vec<String> {
    let mut texts = Vec::new();
    let mut rest = text;
    while let Some(begun) = rest.strip_prefix('"') {
        let mut escaped = false;
        let end = begun
            .find(|letter| {
                let ends = letter == '"' && !escaped;
                escaped = letter == '\\' && !escaped;
                ends
            })
            .unwrap();
        texts.push(unescaped(&begun[..end]));
        rest = begun[end + 1..].trim_start();
    }
    assert!(rest.is_empty(), "{text}");
    texts
}

fn list_quoted(text: &str) -> String {
    let texts: Vec<String> = list(text).iter().map(|text| json(text)).collect();
    texts.join(", ")
}

fn unescaped(text: &str) -> String {
    let mut out = String::new();
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        out.push(match letter {
            '\\' => match letters.next().unwrap() {
                'n' => '\n',
                'r' => '\r',
                other => other,
            },
            letter => letter,
        });
    }
    out
}

/// A text as YAML reads it in one line.
fn json(text: &str) -> String {
    serde_json::to_string(text).unwrap()
}
