//! Readers that nobody here wrote see the rows that karat sees: of each type, of each version, before and after a checkpoint of theirs.

use std::path::{Path, PathBuf};

use expect_test::expect;
use serde_json::json;

use crate::peers;
use crate::project::{Answer, Project, on_iceberg};

/// A table as `readers.py` takes it: its folder, its version, and what karat says that it holds.
pub(crate) struct Table {
    name: String,
    folder: PathBuf,
    version: i64,
    json: String,
    csv: String,
}

/// The tables that `status` names and that are wanted. `karat` runs the program in the project.
pub(crate) fn tables_of(
    project: &Project,
    karat: &dyn Fn(&[&str]) -> Answer,
    wanted: &dyn Fn(&str) -> bool,
) -> Vec<Table> {
    let status = karat(&["status", "--json"]).json();
    let mut tables = Vec::new();
    for table in status["tables"].as_array().unwrap() {
        let name = table["table"].as_str().unwrap();
        if wanted(name) {
            tables.push(Table {
                name: name.to_owned(),
                folder: project.path(table["path"].as_str().unwrap()),
                version: table["version"].as_i64().unwrap(),
                json: rows_of(karat, name, "json", &[]),
                csv: rows_of(karat, name, "csv", &[]),
            });
        }
    }
    tables
}

/// Adds the versions that are not there yet.
fn add_new(tables: &mut Vec<Table>, found: Vec<Table>) {
    for table in found {
        let is_same = |one: &Table| (&one.name, one.version) == (&table.name, table.version);
        if !tables.iter().any(is_same) {
            tables.push(table);
        }
    }
}

fn rows_of(
    karat: &dyn Fn(&[&str]) -> Answer,
    table: &str,
    format: &str,
    options: &[&str],
) -> String {
    let query = format!("select * from {table}");
    let arguments = [
        &["query", "--quiet", "--format", format],
        options,
        &[&query],
    ]
    .concat();
    let answer = karat(&arguments);
    assert_eq!(answer.code, 0, "{}", answer.text());
    answer.stdout
}

/// Lets the readers compare these tables, and gives what they say.
pub(crate) fn compare(project: &Project, tables: &[Table]) -> String {
    let entries: Vec<String> = tables
        .iter()
        .map(|table| {
            // karat's document goes in as text, so that its numbers keep their digits.
            format!(
                "{{\"table\": {}, \"folder\": {}, \"version\": {}, \"csv\": {}, \"answer\": {}}}",
                json!(table.name),
                json!(table.folder),
                table.version,
                json!(table.csv),
                table.json,
            )
        })
        .collect();
    project.write("state.json", &format!("[{}]", entries.join(",\n")));
    peers::script("readers.py", &[&project.path("state.json")])
}

/// A table of each type that a lake holds, out of SQLite; prices with their history and an empty table, out of files.
fn every_type() -> Project {
    let project = Project::of(&[
        (
            "karat.yaml",
            "karat: 1\nproject: p\ntimezone: Europe/Zurich\nsources:\n  landing: { type: files, path: landing }\n  db: { type: sqlite, path: shop.db }\n",
        ),
        (
            "domains/d/domain.yaml",
            r#"domain: d
feeds:
  - { source: db, table: t, name: cells, mode: incremental, cursor: { column: changed }, deletes: { soft: gone } }
  - { source: landing, name: prices, mode: incremental, path: "prices*.csv" }
  - { source: landing, name: nothing, mode: full, path: nothing.csv }
"#,
        ),
        (
            "domains/d/silver/cells.yaml",
            r#"from: db.cells
allow_float: a test of every type
select:
  id: id
  changed: changed
  whole: cast(n as int)
  cents: cast(cents as decimal(9, 2))
  small: cast(small as decimal(18, 6))
  large: cast(large as decimal(38, 10))
  digits: cast(digits as decimal(38, 0))
  tiny: cast(tiny as decimal(38, 38))
  x: cast(x as double)
  day: cast(day as date)
  at: cast(at as timestamp)
  zoned: cast(at as timestamp with time zone)
  flag: cast(flag as boolean)
  raw: raw
  note: note
auto_cdc: { keys: [id], sequence_by: changed, apply_as_deletes: "gone = 1" }
"#,
        ),
        (
            "domains/d/silver/prices.yaml",
            "from: landing.prices\nselect: { id: cast(id as int), price: \"cast(price as decimal(12, 3))\", day: cast(day as date), note: note }\nauto_cdc: { keys: [id], sequence_by: day, stored_as_scd_type: 2 }\n",
        ),
        (
            "domains/d/silver/nothing.yaml",
            "from: landing.nothing\nselect: { id: cast(id as int), day: cast(day as date), amount: \"cast(amount as decimal(38, 2))\" }\nkey: [id]\n",
        ),
        (
            "domains/d/gold/prices_by_id.sql",
            "select id, count(*) as prices, avg(price) as mean, max(day) as newest from d_silver.prices group by id",
        ),
        ("domains/d/gold/prices_by_id.yaml", "key: [id]\n"),
        ("landing/nothing.csv", "id,day,amount\n"),
        (
            "landing/prices-1.csv",
            "id,price,day,note\n1,1.100,2026-01-01,\n1,1.200,2026-02-01,\"\"\n2,-0.005,2026-01-01,\"a, \"\"b\"\"\nc\"\n3,999999999.999,2026-01-01,ö€😀\nx,1,2026-01-01,no number\n",
        ),
    ]);
    project.sqlite(
        r#"create table t (id integer primary key, changed integer, gone integer, n integer, cents text, small text, large text, digits text,
           tiny text, x text, day text, at text, flag text, raw blob, note text);
         insert into t values
         (1, 1, 0, -2147483648, '-9999999.99', '0.000001', '9999999999999999999999999999.9999999999', '99999999999999999999999999999999999999',
          '0.99999999999999999999999999999999999999', 'NaN', '0001-01-01', '2026-07-01 12:34:56.789012', 'true', x'00ff10', 'plain'),
         (2, 1, 0, 2147483647, '9999999.99', '-999999999999.999999', '-9999999999999999999999999999.9999999999',
          '-99999999999999999999999999999999999999', '-0.00000000000000000000000000000000000001', '-inf', '9999-12-31',
          '1969-12-31 23:59:59.999999', 'false', x'', ''),
         (3, 1, 0, 0, '0', '0', '0', '0', '0', 'inf', '1970-01-01', '1970-01-01 00:00:00', 'true', x'80', ' "quoted", and' || char(10) || 'broken '),
         (4, 1, 0, 1, '0.1', '1', '1', '1', '0.1', '5e-324', '2024-02-29', '2026-01-01 00:00:00', null, null, 'ö€😀' || char(13)),
         (5, 1, 0, null, null, null, null, null, null, null, null, null, null, null, null),
         (6, 1, 0, 6, '0.10', '0.1', '0.1', '6', '0.1', '-0.0', '2026-01-01', '2026-01-01 00:00:00.5', 'false', zeroblob(300), 'null'),
         (7, 1, 0, 7, '7', '7', '7', '7', '0.7', '1.7976931348623157e308', '2026-01-01', '2026-01-01 00:00:00.000001', 'false', x'07', 'NaN'),
         (8, 1, 0, 8, 'eight', null, null, null, null, null, null, null, null, null, 'goes into quarantine')"#,
    );
    project
}

#[test]
fn all_types_and_versions_of_iceberg_are_read_alike() {
    let mut agreed = String::new();
    on_iceberg(|| {
        let project = every_type();
        let karat = |arguments: &[&str]| project.karat(arguments);
        let all = |_: &str| true;
        project.run(0);
        let mut tables = tables_of(&project, &karat, &all);
        project.sqlite(
            "update t set changed = 2, x = 'nan', note = null, raw = x'ff' where id = 1;
             update t set changed = 2, gone = 1 where id = 2;
             update t set changed = 2, cents = '8.00' where id = 8;
             insert into t (id, changed, gone, n, x) values (9, 2, 0, 9, '-1e-7')",
        );
        project.write(
            "landing/prices-2.csv",
            "id,price,day,note\n1,1.150,2026-01-15,late\n2,0.000,2026-03-01,\n4,4,2026-03-01,new\n",
        );
        project.run(0);
        add_new(&mut tables, tables_of(&project, &karat, &all));
        agreed = compare(&project, &tables);
        let verified = project.karat(&["verify", "--all"]);
        assert_eq!(verified.code, 0, "{}", verified.text());
    });
    expect![[r#"
        d_bronze.db__cells@0: 8 rows of 25 columns, 4 readers agree
        d_bronze.landing__nothing@0: 0 rows of 13 columns, 5 readers agree
        d_bronze.landing__prices@0: 5 rows of 14 columns, 4 readers agree
        d_gold.prices_by_id@0: 3 rows of 4 columns, 4 readers agree
        d_quarantine.cells@0: 1 rows of 8 columns, 5 readers agree
        d_quarantine.prices@0: 1 rows of 8 columns, 4 readers agree
        d_silver.cells@0: 7 rows of 15 columns, 4 readers agree
        d_silver.nothing@0: 0 rows of 3 columns, 5 readers agree
        d_silver.prices@0: 4 rows of 6 columns, 4 readers agree
        d_bronze.db__cells@1: 12 rows of 25 columns, 5 readers agree
        d_bronze.landing__prices@1: 8 rows of 14 columns, 5 readers agree
        d_gold.prices_by_id@1: 4 rows of 4 columns, 5 readers agree
        d_quarantine.prices@1: 1 rows of 8 columns, 5 readers agree
        d_silver.cells@1: 8 rows of 15 columns, 5 readers agree
        d_silver.prices@1: 7 rows of 6 columns, 5 readers agree
    "#]]
    .assert_eq(&agreed);
}

#[test]
fn all_types_and_versions_are_read_alike() {
    let project = every_type();
    let karat = |arguments: &[&str]| project.karat(arguments);
    let all = |_: &str| true;
    let first = project.karat(&["run", "--json"]);
    assert_eq!(first.code, 0, "{}", first.text());
    let first = first.json()["run_id"].as_str().unwrap().to_owned();
    let mut tables = tables_of(&project, &karat, &all);
    expect![[r#"
        id,large,tiny,x,day,at,zoned
        1,9999999999999999999999999999.9999999999,0.99999999999999999999999999999999999999,NaN,0001-01-01,2026-07-01T12:34:56.789012,2026-07-01T10:34:56.789012Z
        2,-9999999999999999999999999999.9999999999,-0.00000000000000000000000000000000000001,-inf,9999-12-31,1969-12-31T23:59:59.999999,1969-12-31T22:59:59.999999Z
        3,0.0000000000,0.00000000000000000000000000000000000000,inf,1970-01-01,1970-01-01T00:00:00,1969-12-31T23:00:00Z
        4,1.0000000000,0.10000000000000000000000000000000000000,5e-324,2024-02-29,2026-01-01T00:00:00,2025-12-31T23:00:00Z
        5,,,,,,
        6,0.1000000000,0.10000000000000000000000000000000000000,0.0,2026-01-01,2026-01-01T00:00:00.500,2025-12-31T23:00:00.500Z
        7,7.0000000000,0.70000000000000000000000000000000000000,1.7976931348623157e308,2026-01-01,2026-01-01T00:00:00.000001,2025-12-31T23:00:00.000001Z
    "#]]
        .assert_eq(&project.rows("select id, large, tiny, x, day, at, zoned from d_silver.cells"));

    // Rows change, go and come; the old versions stay what they were.
    project.sqlite(
        "update t set changed = 2, x = 'nan', note = null, raw = x'ff' where id = 1;
         update t set changed = 2, gone = 1 where id = 2;
         update t set changed = 2, cents = '8.00' where id = 8;
         insert into t (id, changed, gone, n, x) values (9, 2, 0, 9, '-1e-7')",
    );
    project.write(
        "landing/prices-2.csv",
        "id,price,day,note\n1,1.150,2026-01-15,late\n2,0.000,2026-03-01,\n4,4,2026-03-01,new\n",
    );
    project.run(0);
    for table in &tables {
        let then = rows_of(&karat, &table.name, "json", &["--run", &first]);
        assert_eq!(then, table.json, "{} as of the first run", table.name);
    }
    add_new(&mut tables, tables_of(&project, &karat, &all));
    expect![[r#"
        d_bronze.db__cells@0: 8 rows of 25 columns, 5 readers agree
        d_bronze.landing__nothing@0: 0 rows of 13 columns, 6 readers agree
        d_bronze.landing__prices@0: 5 rows of 14 columns, 5 readers agree
        d_gold.prices_by_id@0: 3 rows of 4 columns, 5 readers agree
        d_quarantine.cells@0: 1 rows of 8 columns, 6 readers agree
        d_quarantine.prices@0: 1 rows of 8 columns, 5 readers agree
        d_silver.cells@0: 7 rows of 15 columns, 5 readers agree
        d_silver.nothing@0: 0 rows of 3 columns, 6 readers agree
        d_silver.prices@0: 4 rows of 6 columns, 5 readers agree
        d_bronze.db__cells@1: 12 rows of 25 columns, 6 readers agree
        d_bronze.landing__prices@1: 8 rows of 14 columns, 6 readers agree
        d_gold.prices_by_id@1: 4 rows of 4 columns, 6 readers agree
        d_quarantine.prices@1: 1 rows of 8 columns, 6 readers agree
        d_silver.cells@1: 8 rows of 15 columns, 6 readers agree
        d_silver.prices@1: 7 rows of 6 columns, 6 readers agree
    "#]]
    .assert_eq(&compare(&project, &tables));

    // A checkpoint written by delta-rs changes nothing for anybody, and karat goes on from it.
    let folders: Vec<&Path> = tables.iter().map(|table| table.folder.as_path()).collect();
    peers::script(
        "readers.py",
        &[&[Path::new("--checkpoint")], folders.as_slice()].concat(),
    );
    project.write(
        "landing/prices-3.csv",
        "id,price,day,note\n4,5,2026-04-01,newer\n",
    );
    project.sqlite("update t set changed = 3, note = '' where id = 9");
    project.run(0);
    add_new(&mut tables, tables_of(&project, &karat, &all));
    expect![[r#"
        d_bronze.db__cells@0: 8 rows of 25 columns, 5 readers agree
        d_bronze.landing__nothing@0: 0 rows of 13 columns, 6 readers agree
        d_bronze.landing__prices@0: 5 rows of 14 columns, 5 readers agree
        d_gold.prices_by_id@0: 3 rows of 4 columns, 5 readers agree
        d_quarantine.cells@0: 1 rows of 8 columns, 6 readers agree
        d_quarantine.prices@0: 1 rows of 8 columns, 5 readers agree
        d_silver.cells@0: 7 rows of 15 columns, 5 readers agree
        d_silver.nothing@0: 0 rows of 3 columns, 6 readers agree
        d_silver.prices@0: 4 rows of 6 columns, 5 readers agree
        d_bronze.db__cells@1: 12 rows of 25 columns, 5 readers agree
        d_bronze.landing__prices@1: 8 rows of 14 columns, 5 readers agree
        d_gold.prices_by_id@1: 4 rows of 4 columns, 5 readers agree
        d_quarantine.prices@1: 1 rows of 8 columns, 6 readers agree
        d_silver.cells@1: 8 rows of 15 columns, 5 readers agree
        d_silver.prices@1: 7 rows of 6 columns, 5 readers agree
        d_bronze.db__cells@2: 13 rows of 25 columns, 6 readers agree
        d_bronze.landing__prices@2: 9 rows of 14 columns, 6 readers agree
        d_gold.prices_by_id@2: 4 rows of 4 columns, 6 readers agree
        d_silver.cells@2: 8 rows of 15 columns, 6 readers agree
        d_silver.prices@2: 8 rows of 6 columns, 6 readers agree
    "#]]
    .assert_eq(&compare(&project, &tables));
    let verified = project.karat(&["verify"]);
    assert_eq!(verified.code, 0, "{}", verified.text());
}
