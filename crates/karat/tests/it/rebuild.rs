//! Silver and gold of a run, rebuilt from bronze and `_karat/` alone: the recorded code on the recorded inputs is the version (A7).

use std::collections::BTreeMap;

use karat_lake::Lake;
use karat_project::{TableName, recorded_project};
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

pub(crate) fn original() -> Project {
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
        let inputs = |receipt: &Receipt| {
            let inputs = receipt.inputs.iter();
            let inputs = inputs.map(|input| (input.table.clone(), input.fingerprint.clone()));
            inputs.collect::<Vec<_>>()
        };
        // The second day gave it the same rows, so its version is that of the first.
        if table != "shop_gold.countries" {
            assert_eq!(inputs(is), inputs(was), "{table}");
            assert_eq!(is.accounting, was.accounting, "{table}");
        }
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

    /// A project that says what the recorded code says.
    fn project(&self) -> BTreeMap<String, String> {
        let name = |table: &String| table.parse::<TableName>().unwrap();
        let shaping = self
            .receipts
            .keys()
            .filter(|table| !table.contains("_quarantine."));
        let code = shaping.map(|table| (name(table), self.code(table).to_owned()));
        let of = name(self.of_layers(&["gold"])[0]);
        recorded_project(&of, &code.collect()).unwrap()
    }
}
