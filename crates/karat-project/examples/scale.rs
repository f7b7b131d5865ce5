//! How long a large project takes to load: `cargo run -p karat-project --example scale [DOMAINS] [MODELS]`.
#![allow(clippy::unwrap_used, reason = "a measurement may fail by panic")]

use std::fmt::Write as _;
use std::fs;
use std::time::Instant;

use karat_project::{Graph, Selector, load};

fn main() {
    let mut arguments = std::env::args()
        .skip(1)
        .map(|text| text.parse::<usize>().unwrap());
    let domains = arguments.next().unwrap_or(50);
    let models = arguments.next().unwrap_or(100);
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    fs::write(
        root.join("karat.yaml"),
        "karat: 1\nproject: large\nsources:\n  landing: { type: files, path: ./landing }\n",
    )
    .unwrap();
    for domain in 0..domains {
        let path = root.join(format!("domains/d{domain}"));
        fs::create_dir_all(path.join("silver")).unwrap();
        fs::create_dir_all(path.join("gold")).unwrap();
        let mut feeds = format!("domain: d{domain}\nowner: team@contoso.com\nfeeds:\n");
        for model in 0..models {
            writeln!(feeds, "  - {{ source: landing, name: t{model}, mode: incremental, path: \"t{model}/*.csv\", csv: {{ delimiter: \";\" }} }}").unwrap();
            let mut silver =
                format!("# Table {model}\nfrom: landing.t{model}\naccess: public\nselect:\n");
            for column in 0..12 {
                writeln!(
                    silver,
                    "  c{column}: cast(trim(c{column}) as decimal(18, 2))"
                )
                .unwrap();
            }
            silver +=
                "  updated_at: to_timestamp(updated_at, '%Y-%m-%d %H:%M:%S')\nexpectations:\n";
            for rule in 0..3 {
                writeln!(silver, "  r{rule}: {{ expect: \"c{rule} is not null and c{rule} >= 0\", action: quarantine, limit: 1% }}").unwrap();
            }
            silver += "auto_cdc: { keys: [c0], sequence_by: updated_at, stored_as_scd_type: 2 }\n";
            fs::write(path.join(format!("silver/t{model}.yaml")), silver).unwrap();
            let other = (domain + 1) % domains;
            let mut gold = format!(
                "-- Gold {model}\nwith a as (\n  select c0, c1, c2, sum(c3) as total\n  from d{domain}_silver.t{model}\n  where c4 > 10 and __END_AT is null\n  group by c0, c1, c2\n)\nselect a.c0 as id, b.c1 as name, a.total, count(*) as n,\n  case when a.total > 100 then 'large' when a.total > 10 then 'middle' else 'small' end as size\nfrom a\njoin d{other}_silver.t{model} as b on a.c0 = b.c0 and b.c5 between 1 and 100\n"
            );
            if model > 0 {
                writeln!(
                    gold,
                    "left join d{domain}_gold.g{} as g on g.id = a.c0",
                    model - 1
                )
                .unwrap();
            }
            gold += "group by a.c0, b.c1, a.total\n";
            fs::write(path.join(format!("gold/g{model}.sql")), gold).unwrap();
            fs::write(
                path.join(format!("gold/g{model}.yaml")),
                "key: [id, name, total]\ndescription: generated\n",
            )
            .unwrap();
        }
        fs::write(path.join("domain.yaml"), feeds).unwrap();
    }
    let begin = Instant::now();
    let loaded = load(root, &|_| None);
    println!(
        "load {:?}, {} diagnostics",
        begin.elapsed(),
        loaded.diagnostics.len()
    );
    for diagnostic in loaded.diagnostics.iter().take(3) {
        println!("{diagnostic}");
    }
    let project = loaded.project.unwrap();
    let begin = Instant::now();
    let graph = Graph::of(&project);
    println!(
        "graph {:?}, {} tables in {} levels",
        begin.elapsed(),
        graph.order().len(),
        graph.levels().len()
    );
    let begin = Instant::now();
    let selected = graph
        .select(&["+d0_gold.g50+".parse::<Selector>().unwrap()])
        .unwrap();
    println!("select {:?}, {} tables", begin.elapsed(), selected.len());
    let begin = Instant::now();
    let bytes: usize = project
        .models
        .iter()
        .map(|model| model.code_text().len())
        .sum();
    println!("code texts {:?}, {bytes} bytes", begin.elapsed());
    fs::remove_file(root.join("domains/d0/silver/t0.yaml")).unwrap();
    fs::remove_dir_all(root.join("domains/d1")).unwrap();
    let begin = Instant::now();
    let broken = load(root, &|_| None);
    println!(
        "load with {} mistakes {:?}",
        broken.diagnostics.len(),
        begin.elapsed()
    );
}
