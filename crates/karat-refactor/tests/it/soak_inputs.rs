//! What the soak test breaks: small files of every kind that karat reads, or the files of a folder; and the ways to break them.

use std::io::{Cursor, Write as _};
use std::path::Path;

use karat_refactor::estate::Files as _;
use karat_refactor::style::Style;
use karat_refactor::walk::Walk;

use crate::soak::Case;

/// Files of a folder of which only a window of this size is taken.
const WINDOW: usize = 24 * 1024;

/// A source of numbers that a seed fixes.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    /// From 0 to `sides` - 1.
    pub(crate) fn roll(&mut self, sides: usize) -> usize {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % sides.max(1) as u64).unwrap_or(0)
    }

    fn one_in(&mut self, sides: usize) -> bool {
        self.roll(sides) == 0
    }

    fn of<'t, T>(&mut self, all: &'t [T]) -> &'t T {
        &all[self.roll(all.len())]
    }
}

/// Names and files; each has a mapped name, so that there is something to rewrite.
const FILES: &[(&str, &str)] = &[
    (
        "a.sql",
        "-- Databricks notebook source\nuse sales;\nwith c as (select * from orders o)\ninsert overwrite table sales.items partition (dt = '1') select c.id, 'sales.orders' from c\n  join people.emp e on e.id = c.id -- sales.orders\n\n-- COMMAND ----------\n\n-- MAGIC %python\n-- MAGIC df = spark.table(\"sales.orders\")\n\n-- COMMAND ----------\n\nmerge into curated.facts t using (select * from `sales`.`orders` version as of 3) s on t.id = s.id when matched then update set *;\n",
    ),
    (
        "b.py",
        "# Databricks notebook source\ndbutils.widgets.text('db', 'sales')\ndb = dbutils.widgets.get('db')\n\n# COMMAND ----------\n\n# MAGIC %run ./c\n\n# COMMAND ----------\n\n# MAGIC %sql select * from sales.orders where x = 'sales.items'\n\n# COMMAND ----------\n\nname = 'people' + '.emp'\nfor t in ['orders', 'items']:\n    spark.sql(f\"\"\"select * from sales.{t} a\n      left join curated.facts f on f.id = a.id\"\"\")\ndf.write.format('delta').saveAsTable('{}.{}'.format('sales', 'orders'))\nspark.read.load('/mnt/raw/x')\nspark.read.format('jdbc').option('dbtable', 'sales.orders').load()\n",
    ),
    (
        "c.py",
        "import pyspark\nfrom delta.tables import DeltaTable\ndef read(name):\n    return spark.table(name)\nread('sales.orders')\nDeltaTable.forName(spark, \"old.t\").delete()\nif x:\n    q = 'select * from people.emp'\nelse:\n    q = \"select * from default.loose\"\nspark.sql(q)\n",
    ),
    (
        "d.scala",
        "// Databricks notebook source\nval db = \"sales\"\nval df = spark.table(s\"$db.orders\")\nspark.sql(\"\"\"select * from sales.items\n  |where a = 1\"\"\".stripMargin)\ndf.write.mode(\"overwrite\").saveAsTable(\"curated.x\")\n\n// COMMAND ----------\n\n// MAGIC %sql drop table if exists sales.orders\n",
    ),
    (
        "e.r",
        "# Databricks notebook source\nlibrary(SparkR)\ndf <- sql(paste0(\"select * from \", \"sales.orders\"))\ntbl(sc, 'sales.items')\nsaveAsTable(df, \"people.emp\")\n\n# COMMAND ----------\n\n# MAGIC %sql\n# MAGIC select * from sales.orders\n",
    ),
    (
        "f.sh",
        "#!/bin/sh\nspark-sql -e \"select * from sales.orders\"\nbeeline -e 'use sales; select * from items'\ncp /mnt/raw/x /dbfs/mnt/lake/gold\n",
    ),
    (
        "g.ipynb",
        "{\"cells\": [\n {\"cell_type\": \"code\", \"source\": [\"%sql\\n\", \"select * from \\\"x\\\", sales.orders\\n\", \"join people.emp\"], \"outputs\": [{\"text\": [\"sales.orders\"]}]},\n {\"cell_type\": \"code\", \"source\": \"spark.table(\\\"sales.items\\\")\"},\n {\"cell_type\": \"markdown\", \"source\": \"about sales.orders\"}\n], \"metadata\": {\"application/vnd.databricks.v1+notebook\": {}, \"language_info\": {\"name\": \"python\"}}}",
    ),
    (
        "pipeline/h.json",
        "{\"name\": \"p\", \"properties\": {\"parameters\": {\"db\": {\"type\": \"string\", \"defaultValue\": \"sales\"}}, \"variables\": {\"v\": {\"type\": \"String\", \"defaultValue\": \"select 1\"}}, \"activities\": [\n {\"name\": \"l\", \"type\": \"Lookup\", \"typeProperties\": {\"source\": {\"type\": \"AzureDatabricksDeltaLakeSource\", \"query\": {\"value\": \"@concat('select * from sales.orders where d = ''', pipeline().parameters.db, '''')\", \"type\": \"Expression\"}}}},\n {\"name\": \"k\", \"type\": \"Lookup\", \"typeProperties\": {\"source\": {\"type\": \"AzureDatabricksDeltaLakeSource\", \"query\": \"select * from sales.items\"}}},\n {\"name\": \"n\", \"type\": \"DatabricksNotebook\", \"typeProperties\": {\"notebookPath\": \"/Shared/b\", \"baseParameters\": {\"db\": \"@pipeline().parameters.db\", \"t\": \"@if(equals(1, 2), 'sales.orders', json('{\\\"a\\\": \\\"people.emp\\\"}').a)\"}}}]}}",
    ),
    (
        "j.yml",
        "resources:\n  jobs:\n    nightly:\n      tasks:\n        - task_key: a\n          notebook_task:\n            notebook_path: ./b\n            base_parameters: {db: \"sales\"}\n        - task_key: b\n          sql_task:\n            query: >-\n              select * from\n              sales.orders\n  pipelines:\n    p:\n      target: sales\n",
    ),
    (
        "k.dbc!/n.python",
        "{\"version\":\"NotebookV1\",\"language\":\"python\",\"name\":\"n\",\"commands\":[{\"position\":2.0,\"command\":\"%sql select * from sales.orders\"},{\"position\":1.0,\"command\":\"df = spark.table(\\\"people.emp\\\")\\n# sales.orders\",\"results\":{\"data\":\"sales.orders\"}}]}",
    ),
    (
        "l.csv",
        "table,layer\nsales.orders,bronze\n\"people.emp\",\"gold; /mnt/raw/x\"\n",
    ),
];

/// Kinds of files without anything to rewrite in them, for names of random bytes.
const OTHER_NAMES: &[&str] = &[
    "m.md", "n.toml", "o.txt", "p.xml", "q.json", "r.yaml", "s.tsv",
];

/// Old names, new names.
const PAIRS: &[(&str, &str)] = &[
    ("sales.orders", "prod.sales.orders"),
    ("sales.items", "prod.sales.items"),
    ("people.emp", "prod-eu.people.emp"),
    ("old.t", "prod.fresh.t2"),
    ("curated.*", "main.curated.*"),
    ("default.loose", "prod.misc.loose"),
];
const PATHS: &[(&str, &str)] = &[
    ("/mnt/raw", "/Volumes/prod/raw"),
    ("/mnt/lake/gold", "abfss://gold@acc.dfs.core.windows.net"),
];

/// What is thrown into files: names, halves of quotes, marks of notebooks, beginnings of nestings.
const PIECES: &[&str] = &[
    "sales.orders",
    "`sales`.`orders`",
    "curated.",
    "{db}.orders",
    " select * from ",
    "use sales;",
    "use catalog prod;\n",
    "spark.sql(f\"\"\"",
    "spark.table('sales.orders')",
    "/mnt/raw/x",
    "dbfs:/mnt/lake/gold/y",
    "with orders as (",
    "-- COMMAND ----------\n",
    "# COMMAND ----------\n",
    "# Databricks notebook source\n",
    "# MAGIC %sql ",
    "# MAGIC %md ",
    "%run ./c\n",
    "%scala\n",
    "@concat('",
    "@{pipeline().parameters.db}",
    "[concat('",
    "{\"cells\": [{\"cell_type\": \"code\", \"source\": [\"",
    "\"]}",
    "\\\"",
    "\\u00e9",
    "\\",
    "'",
    "\"",
    "\"\"\"",
    "'''",
    "`",
    "/*",
    "*/",
    "--",
    "#",
    "//",
    "\r\n",
    "\n",
    "\t",
    "\u{feff}",
    "\u{e000}",
    "é",
    "\u{1F600}",
    "\u{2028}",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    "{{",
    "}}",
    "${db}",
    "$",
    "%",
    ";",
    ",",
    ".",
    "..",
    "prod.sales.orders",
    "hive_metastore.sales.orders",
    "create or replace temp view orders as select 1;\n",
    "s\"",
    "f'",
    "r\"",
    "b'",
    "paste0(",
    ".format(",
    " if x else ",
    "lambda: ",
    "def f(a):\n    ",
    "for t in ",
    "class C:\n",
    " as ",
    "= ",
    "|-\n",
    ">\n",
    "&a ",
    "*a",
    "!!str ",
    "<<: ",
    "- ",
    ": ",
    "identifier(:x)",
    "execute immediate '",
    "begin\n",
    "end;\n",
    "GO\n",
    "[dbo].[x]",
    "N'",
    "\u{0}",
    "1e999",
    "0x",
    "🦆.`🦆`",
];

/// Files to break.
pub(crate) struct Inputs {
    /// Of a folder, and which of its files; without one, those above.
    folder: Option<(Walk, Vec<usize>)>,
}

impl Inputs {
    pub(crate) fn of(folder: Option<&Path>) -> Self {
        let folder = folder.map(|path| {
            let walk = Walk::of(path).unwrap_or_else(|error| {
                panic!("cannot read the inputs in {}: {error}", path.display())
            });
            let code: Vec<usize> = (0..walk.paths().len())
                .filter(|index| {
                    let path = walk.paths()[*index].to_ascii_lowercase();
                    [
                        ".py", ".sql", ".scala", ".r", ".ipynb", ".json", ".yml", ".yaml", ".csv",
                        ".sh", ".python",
                    ]
                    .iter()
                    .any(|end| path.ends_with(end))
                        || path.contains("!/")
                })
                .collect();
            assert!(!code.is_empty(), "there is no code in {}", path.display());
            (walk, code)
        });
        Self { folder }
    }

    /// All built-in files, archives and all.
    pub(crate) fn all(&self) -> Vec<(String, Vec<u8>)> {
        let mut all: Vec<_> = FILES
            .iter()
            .filter(|(name, _)| *name != "l.csv")
            .map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec()))
            .collect();
        all.push(("a.dbc".to_owned(), archive()));
        all
    }

    pub(crate) fn mapping_csv(&self) -> (String, Vec<u8>) {
        ("m.csv".to_owned(), csv_of(&rows(PAIRS, PATHS)).into_bytes())
    }

    /// A case that dice make.
    pub(crate) fn case(&self, dice: &mut Dice) -> Case {
        let mut files: Vec<(String, Vec<u8>)> = Vec::new();
        let mut pairs: Vec<(String, String)> = PAIRS
            .iter()
            .map(|(old, new)| ((*old).to_owned(), (*new).to_owned()))
            .collect();
        if dice.one_in(24) {
            let mut bytes = archive();
            broken(dice, &mut bytes, &[]);
            files.push(("a.dbc".to_owned(), bytes));
        } else {
            for _ in 0..1 + dice.roll(3) {
                let (mut name, mut bytes) = self.file(dice);
                pairs.extend(pairs_in(dice, &bytes));
                if dice.one_in(12) {
                    name = match dice.roll(2) {
                        0 => dice.of(OTHER_NAMES).to_string(),
                        _ => dice.of(FILES).0.to_owned(),
                    };
                }
                let (_, other) = self.file(dice);
                broken(dice, &mut bytes, &other);
                if files.iter().all(|(known, _)| *known != name) {
                    files.push((name, bytes));
                }
            }
        }
        Case {
            files,
            mapping: mapping(dice, &pairs),
            style: match (dice.one_in(5), dice.one_in(3)) {
                (true, _) => Style::UseCatalog,
                (_, true) => Style::Parameter,
                _ => Style::Literal,
            },
            dice: dice.0,
        }
    }

    fn file(&self, dice: &mut Dice) -> (String, Vec<u8>) {
        if dice.one_in(16) {
            let length = dice.roll(400);
            let name = if dice.one_in(2) {
                *dice.of(OTHER_NAMES)
            } else {
                dice.of(FILES).0
            };
            let bytes = (0..length).map(|_| u8::try_from(dice.roll(256)).unwrap_or(0));
            return (name.to_owned(), bytes.collect());
        }
        if let Some((walk, code)) = &self.folder
            && !dice.one_in(4)
        {
            let index = *dice.of(code);
            if let Ok(mut bytes) = walk.read(index) {
                if bytes.len() > WINDOW {
                    // The head says what kind of file it is.
                    let from = dice.roll(bytes.len() - WINDOW);
                    let head = if dice.one_in(2) { 64 } else { 0 };
                    bytes = [&bytes[..head], &bytes[from..from + WINDOW]].concat();
                }
                return (walk.paths()[index].clone(), bytes);
            }
        }
        let (name, text) = dice.of(FILES);
        ((*name).to_owned(), text.as_bytes().to_vec())
    }
}

/// Changes, takes out or puts in one byte, mostly a likely one, and often near a place.
pub(crate) fn one_byte(dice: &mut Dice, bytes: &mut Vec<u8>, near: usize) {
    let at = if dice.one_in(2) {
        dice.roll(bytes.len().max(1))
    } else {
        (near.saturating_sub(4) + dice.roll(32)).min(bytes.len())
    };
    let new = if dice.one_in(3) {
        u8::try_from(dice.roll(256)).unwrap_or(0)
    } else {
        *dice.of(b" .`'\"\n#-xA0_,;\\{")
    };
    match dice.roll(3) {
        0 if at < bytes.len() => bytes[at] = new,
        1 if at < bytes.len() => {
            bytes.remove(at);
        }
        _ => bytes.insert(at.min(bytes.len()), new),
    }
}

/// Pairs of words with a dot that stand in a file, as old names.
fn pairs_in(dice: &mut Dice, bytes: &[u8]) -> Vec<(String, String)> {
    let text = String::from_utf8_lossy(bytes);
    let is_word = |word: &str| {
        !word.is_empty()
            && word.starts_with(|c: char| c.is_ascii_alphabetic())
            && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    let mut all: Vec<(&str, &str)> = text
        .split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '.'))
        .filter_map(|run| run.split_once('.'))
        .filter(|(database, table)| is_word(database) && is_word(table))
        .collect();
    all.sort_unstable();
    all.dedup();
    (0..4)
        .filter(|_| !all.is_empty())
        .map(|_| {
            let (database, table) = *dice.of(&all);
            let new = match dice.roll(4) {
                0 => format!("prod.{database}.{table}"),
                1 => format!("my-cat.{database}_new.{table}"),
                2 => format!("prod.{table}.{database}"),
                _ => format!("main.{database}.{table}_v2"),
            };
            (format!("{database}.{table}"), new)
        })
        .collect()
}

fn rows(pairs: &[(&str, &str)], paths: &[(&str, &str)]) -> Vec<[String; 7]> {
    let mut rows = Vec::new();
    for (old, new) in pairs {
        let (database, table) = old.split_once('.').unwrap_or((old, ""));
        let mut new = new.splitn(3, '.').map(str::to_owned);
        let mut next = || new.next().unwrap_or_default();
        rows.push([
            database.to_owned(),
            table.to_owned(),
            String::new(),
            next(),
            next(),
            next(),
            String::new(),
        ]);
    }
    for (old, new) in paths {
        let mut row: [String; 7] = Default::default();
        (row[2], row[6]) = ((*old).to_owned(), (*new).to_owned());
        rows.push(row);
    }
    rows
}

const HEADINGS: [&str; 7] = [
    "old_database",
    "old_table",
    "old_path",
    "new_catalog",
    "new_schema",
    "new_table",
    "new_path",
];

fn csv_of(rows: &[[String; 7]]) -> String {
    let mut text = HEADINGS.join(",") + "\n";
    for row in rows {
        text.push_str(&(row.join(",") + "\n"));
    }
    text
}

/// A mapping in one of its forms, sometimes broken too.
fn mapping(dice: &mut Dice, pairs: &[(String, String)]) -> (String, Vec<u8>) {
    let mut pairs: Vec<(&str, &str)> = pairs
        .iter()
        .map(|(old, new)| (old.as_str(), new.as_str()))
        .collect();
    pairs.sort_unstable();
    // One new name an old one, else the mapping is refused.
    pairs.dedup_by_key(|(old, _)| old.to_lowercase());
    let rows = rows(&pairs, PATHS);
    let (name, mut bytes) = match dice.roll(12) {
        0 => {
            let objects: Vec<String> = rows
                .iter()
                .map(|row| {
                    let cells: Vec<String> = HEADINGS
                        .iter()
                        .zip(row)
                        .map(|(heading, cell)| format!("\"{heading}\": \"{cell}\""))
                        .collect();
                    format!("{{{}}}", cells.join(", "))
                })
                .collect();
            ("m.json", format!("[{}]", objects.join(",\n")).into_bytes())
        }
        1 => ("m.xlsx", workbook()),
        _ => ("m.csv", csv_of(&rows).into_bytes()),
    };
    if dice.one_in(10) {
        broken(dice, &mut bytes, &[]);
    }
    (name.to_owned(), bytes)
}

/// Breaks bytes in a few of many ways; `other` is a file to take pieces from.
pub(crate) fn broken(dice: &mut Dice, bytes: &mut Vec<u8>, other: &[u8]) {
    for _ in 0..dice.roll(7) {
        let at = dice.roll(bytes.len() + 1);
        let length_max = if dice.one_in(4) { 2_000 } else { 24 };
        let length = dice.roll(length_max);
        let end = (at + length).min(bytes.len());
        match dice.roll(16) {
            0 | 1 => drop(bytes.drain(at..end)),
            2 => {
                let again = bytes[at..end].to_vec();
                bytes.splice(at..at, again);
            }
            3 if at < bytes.len() => bytes[at] ^= 1 << dice.roll(8),
            4 if at < bytes.len() => bytes[at] = u8::try_from(dice.roll(256)).unwrap_or(0),
            5 => {
                let from = dice.roll(other.len() + 1);
                let piece = other[from..(from + length).min(other.len())].to_vec();
                bytes.splice(at..at, piece);
            }
            6 if dice.one_in(4) => bytes.truncate(at),
            7 if dice.one_in(3) => {
                let piece = dice.of(PIECES).repeat(1 + dice.roll(3_000));
                bytes.splice(at..at, piece.into_bytes());
            }
            8 if dice.one_in(2) => *bytes = replaced(bytes, b"\n", b"\r\n"),
            9 if dice.one_in(3) => {
                *bytes = String::from_utf8_lossy(bytes).encode_utf16().fold(
                    vec![0xff, 0xfe],
                    |mut all, unit| {
                        all.extend(unit.to_le_bytes());
                        all
                    },
                )
            }
            10 => {
                let cut = bytes[at..end].to_vec();
                bytes.drain(at..end);
                let to = dice.roll(bytes.len() + 1);
                bytes.splice(to..to, cut);
            }
            11 => {
                // A name in the place of another word.
                let from = bytes[..at]
                    .iter()
                    .rposition(|b| !b.is_ascii_alphanumeric())
                    .map_or(0, |p| p + 1);
                let to = bytes[at..]
                    .iter()
                    .position(|b| !b.is_ascii_alphanumeric())
                    .map_or(bytes.len(), |p| p + at);
                let name = dice.of(PAIRS).0.replace('*', "x");
                bytes.splice(from..to, name.into_bytes());
            }
            _ => {
                let piece = dice.of(PIECES).as_bytes().to_vec();
                bytes.splice(at..at, piece);
            }
        }
    }
}

fn replaced(bytes: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    let mut result = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(at) = rest.windows(old.len()).position(|window| window == old) {
        result.extend_from_slice(&rest[..at]);
        result.extend_from_slice(new);
        rest = &rest[at + old.len()..];
    }
    result.extend_from_slice(rest);
    result
}

fn zipped(members: &[(&str, &str)]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, text) in members {
        let options =
            zip::write::SimpleFileOptions::default().last_modified_time(zip::DateTime::default());
        writer.start_file(*name, options).unwrap();
        writer.write_all(text.as_bytes()).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// An archive of two notebooks.
fn archive() -> Vec<u8> {
    let notebook = |name: &str| {
        FILES
            .iter()
            .find(|(known, _)| *known == name)
            .map_or("", |(_, text)| *text)
    };
    zipped(&[
        ("n.python", notebook("k.dbc!/n.python")),
        ("folder/o.python", notebook("k.dbc!/n.python")),
    ])
}

/// The mapping as a workbook.
pub(crate) fn workbook() -> Vec<u8> {
    workbook_of(&[("m", "", &sheet())])
}

/// The cells of the mapping.
fn sheet() -> String {
    let mut sheet = String::from("<sheetData>");
    let headings = HEADINGS.map(str::to_owned);
    for (at, row) in std::iter::once(&headings)
        .chain(&rows(PAIRS, PATHS))
        .enumerate()
    {
        sheet.push_str(&format!("<row r=\"{}\">", at + 1));
        for (column, cell) in ('A'..='G').zip(row) {
            sheet.push_str(&format!(
                "<c r=\"{column}{}\" t=\"inlineStr\"><is><t>{cell}</t></is></c>",
                at + 1
            ));
        }
        sheet.push_str("</row>");
    }
    sheet + "</sheetData>"
}

/// A document of sheets: name, state, and what stands in it.
pub(crate) fn workbook_of(sheets: &[(&str, &str, &str)]) -> Vec<u8> {
    let (mut list, mut relations, mut parts) = (String::new(), String::new(), Vec::new());
    for (at, (name, state, content)) in sheets.iter().enumerate() {
        list += &format!(
            "<sheet name=\"{name}\" sheetId=\"{0}\" {state} r:id=\"r{0}\"/>",
            at + 1
        );
        relations += &format!(
            "<Relationship Id=\"r{0}\" Type=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet\" Target=\"worksheets/sheet{0}.xml\"/>",
            at + 1
        );
        parts.push((format!("xl/worksheets/sheet{}.xml", at + 1), format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?><worksheet xmlns=\"http://schemas.openxmlformats.org/spreadsheetml/2006/main\">{content}</worksheet>")));
    }
    let list = format!(
        "<?xml version=\"1.0\"?><workbook xmlns=\"http://schemas.openxmlformats.org/spreadsheetml/2006/main\" xmlns:r=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships\"><sheets>{list}</sheets></workbook>"
    );
    let relations = format!(
        "<?xml version=\"1.0\"?><Relationships xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\">{relations}</Relationships>"
    );
    let mut members = vec![
        (
            "[Content_Types].xml",
            r#"<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="xml" ContentType="application/xml"/></Types>"#,
        ),
        (
            "_rels/.rels",
            r#"<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>"#,
        ),
        ("xl/workbook.xml", list.as_str()),
        ("xl/_rels/workbook.xml.rels", relations.as_str()),
    ];
    members.extend(
        parts
            .iter()
            .map(|(name, part)| (name.as_str(), part.as_str())),
    );
    zipped(&members)
}
