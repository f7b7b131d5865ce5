//! Random days of a shop, with runs killed at random moments: the end is the same as without kills.
//!
//! Two rounds as an ordinary test; `cargo xtask soak` sets the minutes and the seed.

use std::fmt::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::project::Project;

const FILES: &[(&str, &str)] = &[
    (
        "karat.yaml",
        "karat: 1\nproject: soak\ntargets:\n  dev: { lake: ./lake, default: true }\nsources:\n  landing: { type: files, path: ./landing }\n",
    ),
    (
        "domains/shop/domain.yaml",
        "domain: shop\nowner: soak\nfeeds:\n  - { source: landing, name: events, mode: incremental, path: \"events_*.csv\", file_order: 'events_(\\d+)' }\n  - { source: landing, name: prices, mode: full, key: [item], path: \"prices_*.csv\", file_order: 'prices_(\\d+)', max_delete: 100% }\n",
    ),
    (
        "domains/shop/silver/orders.yaml",
        "from: landing.events\nselect:\n  id: cast(id as bigint)\n  item: item\n  amount: cast(amount as decimal(12, 2))\n  at: cast(at as timestamp)\n  op: op\nexpectations:\n  item_known: { expect: \"item <> 'x'\", action: quarantine }\n  not_zero: { expect: \"amount <> 0\", action: drop }\nauto_cdc: { keys: [id], sequence_by: at, apply_as_deletes: \"op = 'D'\", stored_as_scd_type: 1 }\n",
    ),
    (
        "domains/shop/silver/order_history.yaml",
        "from: landing.events\nselect:\n  id: cast(id as bigint)\n  item: item\n  amount: cast(amount as decimal(12, 2))\n  at: cast(at as timestamp)\n  op: op\nauto_cdc: { keys: [id], sequence_by: at, apply_as_deletes: \"op = 'D'\", stored_as_scd_type: 2 }\n",
    ),
    (
        "domains/shop/silver/prices.yaml",
        "from: landing.prices\nselect:\n  item: item\n  price: cast(price as decimal(12, 2))\nkey: [item]\n",
    ),
    (
        "domains/shop/gold/revenue.sql",
        "select o.item, count(*) as orders, sum(o.amount * p.price) as revenue\nfrom shop_silver.orders o join shop_silver.prices p on o.item = p.item\ngroup by o.item\n",
    ),
    ("domains/shop/gold/revenue.yaml", "key: [item]\n"),
];

/// xorshift64*: random enough, and the same everywhere.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % bound
    }
}

#[test]
fn soak_kills_change_nothing() {
    let number = |name: &str| {
        std::env::var(name)
            .ok()
            .and_then(|text| text.parse::<u64>().ok())
    };
    let seed = number("KARAT_SOAK_SEED").unwrap_or(1);
    let until = number("KARAT_SOAK_MINUTES")
        .map(|minutes| Instant::now() + Duration::from_secs(60 * minutes));
    for round in 0.. {
        match until {
            Some(until) if Instant::now() >= until => break,
            None if round == 2 => break,
            _ => {}
        }
        // Far apart, so that rounds of neighbouring seeds differ.
        soak(seed.wrapping_mul(1_000_003) + round + 1);
    }
}

fn soak(seed: u64) {
    let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let (calm, killed) = (Project::of(FILES), Project::of(FILES));
    for day in 1..=3 {
        for (name, text) in landing(&mut dice, day) {
            calm.write(&name, &text);
            killed.write(&name, &text);
        }
        let at = format!("2026-03-0{day}T06:00:00Z");
        let run = ["run", "--quiet", "--at", at.as_str()];
        let done = calm.karat(&run);
        assert_eq!(done.code, 0, "seed {seed}, day {day}: {}", done.stderr);
        for _ in 0..dice.below(4) {
            let mut child = Command::new(env!("CARGO_BIN_EXE_karat"))
                .args(run)
                .current_dir(killed.path(""))
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            std::thread::sleep(Duration::from_millis(dice.below(700)));
            child.kill().unwrap();
            child.wait().unwrap();
            if dice.below(3) == 0 {
                let _ = std::fs::remove_dir_all(killed.path(".karat"));
            }
        }
        let done = killed.karat(&run);
        assert_eq!(done.code, 0, "seed {seed}, day {day}: {}", done.stderr);
        assert_eq!(tables(&calm), tables(&killed), "seed {seed}, day {day}");
    }
    let again = killed.karat(&["run", "--json", "--quiet"]).json();
    assert_eq!(again["status"], "nothing_to_do", "seed {seed}");
    let verified = killed.karat(&["verify", "--all"]);
    assert_eq!(verified.code, 0, "seed {seed}: {}", verified.stdout);
}

/// Name, rows and fingerprint of each table.
fn tables(project: &Project) -> Vec<[Value; 3]> {
    let status = project.karat(&["status", "--json"]).json();
    let tables = status["tables"].as_array().unwrap().iter();
    tables
        .map(|table| ["table", "rows", "fingerprint"].map(|key| table[key].clone()))
        .collect()
}

/// New files of one day: events late, repeated, deleted, broken or ragged; a price list; sometimes a file delivered twice.
fn landing(dice: &mut Dice, day: u64) -> Vec<(String, String)> {
    let mut files = Vec::new();
    for part in 0..1 + dice.below(2) {
        let mut text = "id,item,amount,at,op\n".to_owned();
        for _ in 0..dice.below(400) {
            let (id, item, cents) = (dice.below(120), dice.below(9), dice.below(9_999));
            let item = if dice.below(50) == 0 {
                "x".to_owned()
            } else {
                format!("i{item}")
            };
            let at_day = day.saturating_sub(dice.below(2)).max(1);
            let at = format!(
                "2026-02-0{at_day} {:02}:{:02}:00",
                dice.below(24),
                dice.below(60)
            );
            let op = if dice.below(12) == 0 { "D" } else { "U" };
            let amount = match dice.below(40) {
                0 => "much".to_owned(),
                1 => String::new(),
                _ => format!("{}.{:02}", cents / 100, cents % 100),
            };
            let end = if dice.below(60) == 0 { ",more" } else { "" };
            writeln!(text, "{id},{item},{amount},{at},{op}{end}").unwrap();
        }
        if dice.below(3) == 0 {
            files.push((format!("landing/events_{day}{part}9.csv"), text.clone()));
        }
        files.push((format!("landing/events_{day}{part}.csv"), text));
    }
    let mut prices = "item,price\n".to_owned();
    for item in 0..9 {
        if dice.below(8) != 0 {
            writeln!(
                prices,
                "i{item},{}.{:02}",
                1 + dice.below(90),
                dice.below(100)
            )
            .unwrap();
        }
    }
    files.push((format!("landing/prices_{day}.csv"), prices));
    files
}
