//! A shop over two business days, some 150 rows: files and a database, a full feed, history, quarantine, gold; and what its lake says.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use karat_lake::Lake;

use crate::project::Project;

const FILES: &[(&str, &str)] = &[
    (
        "karat.yaml",
        "karat: 1
project: shop
targets:
  dev: { lake: ./lake, default: true }
sources:
  landing: { type: files, path: ./landing }
  desk: { type: sqlite, path: ./desk.db }
",
    ),
    (
        "domains/shop/domain.yaml",
        "domain: shop
feeds:
  - { source: landing, name: orders, mode: incremental, path: \"orders/*.csv\", file_order: 'orders_(\\d{8})' }
  - { source: desk, table: customers, mode: incremental, key: [change], cursor: { column: change }, deletes: none }
",
    ),
    (
        "domains/shop/silver/orders.yaml",
        "from: landing.orders
select:
  order_id:    cast(order_id as bigint)
  customer_id: cast(customer_id as bigint)
  country:     upper(country)
  amount:      cast(amount as decimal(18,2))
  updated_at:  cast(updated_at as timestamp)
expectations:
  known_country: { expect: \"length(country) = 2\", action: quarantine }
  positive:      { expect: \"amount >= 0\", action: drop }
auto_cdc: { keys: [order_id], sequence_by: updated_at, apply_as_deletes: \"op = 'X'\" }
",
    ),
    (
        "domains/shop/silver/customers.yaml",
        "from: desk.customers
select:
  id:         id
  segment:    segment
  updated_at: cast(updated_at as timestamp)
expectations:
  known_segment: { expect: \"segment in ('A', 'B', 'C')\", action: quarantine }
auto_cdc: { keys: [id], sequence_by: updated_at, stored_as_scd_type: 2 }
",
    ),
    ("domains/shop/gold/revenue.yaml", "key: [segment]\n"),
    (
        "domains/shop/gold/revenue.sql",
        "select c.segment, count(*) as orders, sum(o.amount) as revenue
from shop_silver.orders o
join shop_silver.customers c on o.customer_id = c.id
where c.__END_AT is null
group by c.segment
",
    ),
    ("domains/shop/gold/countries.yaml", "key: [country]\n"),
    (
        "domains/shop/gold/countries.sql",
        "select country from shop_silver.orders group by country\n",
    ),
];

/// The project before anything arrived.
pub(crate) fn project() -> Project {
    Project::of(FILES)
}

/// What arrives on a day: 1 or 2.
pub(crate) fn arrive(project: &Project, day: u32) {
    let date = format!("2026-01-{:02}", 4 + day);
    let compact = date.replace('-', "");
    let name = |part: &str| format!("landing/orders/orders_{compact}_{part}.csv");
    let header = "order_id,customer_id,country,amount,op,updated_at\n";
    if day == 1 {
        let mut first = header.to_owned();
        let mut second = header.to_owned();
        for order in 1..=60 {
            let text = if order <= 30 { &mut first } else { &mut second };
            // Each 20th country is none, each 25th amount is no number, each 30th below zero.
            let country = if order % 20 == 0 {
                "nowhere"
            } else {
                ["ch", "de", "fr"][order % 3]
            };
            let amount = match order {
                order if order % 25 == 0 => "much".to_owned(),
                order if order % 30 == 0 => "-1.00".to_owned(),
                order => format!("{}.{:02}", order * 7, order),
            };
            writeln!(
                text,
                "{order},{},{country},{amount},I,{date} 08:{:02}:00",
                order % 12 + 1,
                order % 60
            )
            .unwrap();
        }
        project.write(&name("a"), &first);
        project.write(&name("b"), &second);
    } else {
        let mut text = header.to_owned();
        // Corrections, cancellations, new orders, one of them unreadable; then a file that was there already.
        for order in (5..=60).step_by(5) {
            let op = if order % 15 == 0 { "X" } else { "U" };
            writeln!(text, "{order},3,ch,{order}.50,{op},{date} 09:{order:02}:00").unwrap();
        }
        for order in 61..=80 {
            let country = if order == 70 { "?" } else { "de" };
            writeln!(
                text,
                "{order},{},{country},{order}.25,I,{date} 10:00:00",
                order % 14 + 1
            )
            .unwrap();
        }
        project.write(&name("a"), &text);
        let again =
            std::fs::read_to_string(project.path("landing/orders/orders_20260105_b.csv")).unwrap();
        project.write(&name("b"), &again);
    }
    customers(project, day, &date);
}

/// A log of changes, so that what was true on day one can still be read on day two.
fn customers(project: &Project, day: u32, date: &str) {
    let database = rusqlite::Connection::open(project.path("desk.db")).unwrap();
    let mut sql = String::from(
        "create table if not exists customers (change integer primary key, id integer, segment text, updated_at text);\n",
    );
    let changes: Vec<(usize, &str)> = if day == 1 {
        let segment = |id: usize| {
            if id == 11 {
                "Z"
            } else {
                ["A", "B", "C"][id % 3]
            }
        };
        (1..=12).map(|id| (id, segment(id))).collect()
    } else {
        vec![(2, "B"), (3, "B"), (11, "B"), (13, "A"), (14, "Q")]
    };
    for (id, segment) in changes {
        writeln!(
            sql,
            "insert into customers (id, segment, updated_at) values ({id}, '{segment}', '{date} 07:{id:02}:00');"
        )
        .unwrap();
    }
    database.execute_batch(&sql).unwrap();
}

/// What must be equal however a lake came about: of each table, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Content {
    /// `rows:sum` of the newest receipt.
    pub(crate) fingerprint: String,
    /// What became of every row.
    pub(crate) accounting: BTreeMap<String, u64>,
}

/// Content of all tables of a project's lake, read from its logs and receipts.
pub(crate) fn contents(project: &Project) -> BTreeMap<String, Content> {
    let lake = Lake::open(&project.path("lake")).unwrap();
    let mut contents = BTreeMap::new();
    for folder in lake.tables().unwrap() {
        let record = lake
            .table(&folder.dir())
            .history(None)
            .unwrap()
            .pop()
            .unwrap();
        let path = format!("_karat/receipts/{}.json", record.receipt.unwrap());
        let receipt = karat_receipt::open(&lake.get(&path).unwrap().unwrap())
            .unwrap()
            .receipt;
        contents.insert(
            receipt.table.clone(),
            Content {
                fingerprint: receipt.fingerprint,
                accounting: receipt.accounting,
            },
        );
    }
    contents
}

/// Number of versions of all tables.
pub(crate) fn versions(project: &Project) -> BTreeMap<String, i64> {
    let lake = Lake::open(&project.path("lake")).unwrap();
    let tables = lake.tables().unwrap().into_iter();
    tables
        .map(|folder| {
            let dir = folder.dir();
            let newest = lake.table(&dir).newest_version().unwrap().unwrap();
            (dir, newest)
        })
        .collect()
}
