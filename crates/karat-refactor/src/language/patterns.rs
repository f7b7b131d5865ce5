//! The patterns of real estates in Python, Scala and R: text in, text and verdicts out.

use std::fmt::Write as _;

use expect_test::{Expect, expect};

use super::Language;
use crate::fragment::Fragment;
use crate::mapping::read::of_pairs;
use crate::occurrence::{Found, Means, Verdict};
use crate::reader::{Facts, NoIncludes, Options, Reader};
use crate::session::Session;

const PAIRS: &[(&str, &str)] = &[
    ("sales.orders", "prod.sales.orders"),
    ("sales.items", "prod.sales.items"),
    ("hr.people", "prod.staff.persons"),
    ("default.bare", "prod.main.bare"),
];

/// The cells' texts after all edits, with a line for each verdict and finding.
pub(super) fn outcome(language: Language, cells: &[&str]) -> String {
    let mapping = of_pairs(PAIRS);
    let options = Options::default();
    let facts = Facts::default();
    let text = cells.join("\n# ----\n");
    let root = Fragment::root(text.clone(), "file");
    let mut reader = Reader::new(
        "test",
        &mapping,
        &options,
        &facts,
        &NoIncludes,
        Session::new(),
    );
    let mut at = 0;
    for cell in cells {
        let part = root.part(at..at + cell.len(), "cell");
        reader.read(&part, language);
        at += cell.len() + "\n# ----\n".len();
    }
    let (found, _) = reader.finish();
    let mut shown = edited(&text, &found);
    shown.push('\n');
    for occurrence in &found.occurrences {
        let verdict = match &occurrence.verdict {
            Verdict::Rewritten { new, .. } => format!("rewritten {new}"),
            Verdict::NotATable { reason } => format!("not a table: {}", reason.words()),
            Verdict::NeedsPerson {
                doubt, candidates, ..
            } => {
                format!("PERSON {} {candidates:?} {}", doubt.rule, doubt.message)
            }
        };
        let _ = writeln!(shown, "> {:?} {verdict}", &text[occurrence.range.clone()]);
    }
    for finding in &found.findings {
        let _ = writeln!(
            shown,
            "! {:?} {}",
            &text[finding.range.clone()],
            finding.doubt.rule
        );
    }
    shown
}

/// The text with all edits, each once; two that differ at one place are told.
fn edited(text: &str, found: &Found) -> String {
    let mut edits: Vec<_> = found
        .occurrences
        .iter()
        .filter_map(|occurrence| match &occurrence.verdict {
            Verdict::Rewritten { edits, .. } => Some(edits.clone()),
            _ => None,
        })
        .flatten()
        .collect();
    edits.sort_by_key(|edit| (edit.range.start, edit.range.end));
    edits.dedup();
    let mut out = String::new();
    let mut at = 0;
    for edit in edits {
        if edit.range.start < at {
            out.push_str("<<OVERLAP>>");
            continue;
        }
        out.push_str(&text[at..edit.range.start]);
        out.push_str(&edit.new);
        at = edit.range.end;
    }
    out.push_str(&text[at..]);
    out
}

fn check(language: Language, cells: &[&str], expected: Expect) {
    expected.assert_eq(&outcome(language, cells));
}

/// What the explained stretches say about one place.
fn explained(language: Language, text: &str, word: &str) -> String {
    let mapping = of_pairs(PAIRS);
    let options = Options::default();
    let facts = Facts::default();
    let root = Fragment::root(text.to_owned(), "file");
    let mut reader = Reader::new(
        "test",
        &mapping,
        &options,
        &facts,
        &NoIncludes,
        Session::new(),
    );
    reader.read(&root, language);
    let (found, _) = reader.finish();
    let at = text.find(word).expect("the word is there");
    let covering =
        |range: &std::ops::Range<usize>| range.start <= at && range.end >= at + word.len();
    if let Some(occurrence) = found
        .occurrences
        .iter()
        .find(|occurrence| covering(&occurrence.range))
    {
        return format!("occurrence: {}", occurrence.verdict.word());
    }
    let region = found
        .regions
        .iter()
        .rev()
        .find(|region| covering(&region.range));
    match region.map(|region| &region.means) {
        Some(Means::NotATable(reason)) => reason.words().to_owned(),
        Some(Means::NeedsPerson(doubt)) => format!("PERSON {} {}", doubt.rule, doubt.message),
        None => "open".to_owned(),
    }
}

#[test]
fn names_in_long_chains() {
    check(
        Language::Python,
        &[r#"(df.write
    .format("delta").mode('overwrite')  # sales.orders
    .saveAsTable("sales.orders"))
df.write.insertInto('hr.people')
x = spark.read.table("hive_metastore.sales.items").where("a.b = 1")
"#],
        expect![[r#""#]],
    );
}

#[test]
fn sql_in_texts() {
    check(
        Language::Python,
        &[r#"spark.sql(f"select * from sales.orders where id = {x}")
spark.sql(f'''
  MERGE INTO hr.people p \
  USING {src} s ON p.id = s.id''')
q = "select a, b " \
    "from sales.orders o " + "join sales.items i on o.id = i.id"
spark.sql(q)
spark.sql("select 'it\'s' from `sales`.`orders`".strip())
"#],
        expect![[r#""#]],
    );
}

#[test]
fn values_across_cells() {
    check(
        Language::Python,
        &[
            "T = 'sales.orders'\nDB = \"sales\"\nTABLES = ['sales.orders', 'hr.people']",
            "spark.table(T)\nspark.sql(f\"select * from {T}\")\nspark.sql(f\"select * from {DB}.items\")",
            "for t in TABLES:\n    spark.table(t).count()\nspark.sql('select * from {0}.{1}'.format(DB, 'orders'))",
            "sql = 'select * '\nsql += 'from ' + DB + '.orders'\nspark.sql(sql)\nspark.sql('delete from %s.items' % DB)",
        ],
        expect![[r#""#]],
    );
}

#[test]
fn functions_are_followed() {
    check(
        Language::Python,
        &[r#"def read(name, db="sales"):
    return spark.table(f"{db}.{name}")

def load(full):
    return spark.table(full)

read("orders")
load("hr.people")
load(full="sales.items")
unknown("sales.orders")
"#],
        expect![[r#""#]],
    );
}

#[test]
fn the_session_goes_on() {
    check(
        Language::Python,
        &[
            "spark.sql('use sales')",
            "spark.table('orders')\ndf.createOrReplaceTempView('items')\nspark.table('items')\nspark.table('sales.items')",
            "spark.catalog.setCurrentDatabase('hr')\nspark.table('people')",
        ],
        expect![[r#""#]],
    );
}

#[test]
fn hazards() {
    check(
        Language::Python,
        &[r#"name = "sales.orders"
db, table = name.split(".")
spark.table(name)
spark.catalog.tableExists("orders", "sales")
spark._jsparkSession.catalog().tableExists("sales", "orders")
spark.catalog.listTables("sales")
other = "hr.people"
if other == x: spark.table(other)
spark.sql(f"SHOW VIEWS FROM {db} LIKE 'x'")
eval(repr(t) + ".replace('A','B')")
getattr(sys.modules[__name__], f"{method}")(spark.table(t))
"#],
        expect![[r#""#]],
    );
}

#[test]
fn what_is_no_table() {
    for (text, word) in [
        ("psf.col('sales.orders')", "sales.orders"),
        ("df.select('sales.orders')", "sales.orders"),
        ("df.where(\"sales.orders = 1\")", "sales.orders"),
        (
            "spark.read.format('jdbc').option('dbtable', 'sales.orders').load()",
            "sales.orders",
        ),
        (
            "spark.read.jdbc(url, 'sales.orders', props)",
            "sales.orders",
        ),
        ("sales.orders()", "sales.orders"),
        ("# sales.orders", "sales.orders"),
        (
            "def f():\n    \"\"\"Reads sales.orders.\"\"\"",
            "sales.orders",
        ),
        ("print(f'sales.orders has {n} rows')", "sales.orders"),
        ("dbutils.notebook.run('./sales.orders', 0)", "sales.orders"),
        ("spark.read.parquet('/mnt/sales.orders/x')", "sales.orders"),
        ("raise ValueError('no sales.orders')", "sales.orders"),
        ("x = 'sales.orders'", "sales.orders"),
        ("f('sales.orders')", "sales.orders"),
        ("spark.table(x ? 'sales.orders')", "sales.orders"),
    ] {
        println!("{text:?} => {}", explained(Language::Python, text, word));
    }
}
