//! A project as text in, its diagnostics as text out.
#![allow(clippy::unwrap_used, reason = "a test may fail by panic")]

mod accepted;
mod auto_cdc;
mod control;
mod defaults;
mod examples;
mod feeds_csv;
mod graph;
mod mistakes;
mod params;
mod reference;

use std::path::Path;

use karat_project::{Loaded, load};

/// Writes files given as `--- path` headings and their text.
fn write(root: &Path, files: &str) {
    for part in files.split("--- ").skip(1) {
        let (path, text) = part.split_once('\n').unwrap();
        let path = root.join(path.trim());
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
}

fn load_text(files: &str) -> Loaded {
    load_with(files, &|name| {
        (name == "SHOP_PATH").then(|| "/secret/shop.db".to_string())
    })
}

fn load_with(files: &str, env: &dyn Fn(&str) -> Option<String>) -> Loaded {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), files);
    load(folder.path(), env)
}

fn diagnostics(files: &str) -> String {
    let loaded = load_text(files);
    let shown = show(&loaded);
    let errors = loaded
        .diagnostics
        .iter()
        .any(|found| found.severity == karat_project::Severity::Error);
    assert_eq!(
        loaded.sound().is_err(),
        errors,
        "a project is sound exactly without errors"
    );
    shown
}

/// What a person reads; `nothing to say` if there is no diagnostic.
fn show(loaded: &Loaded) -> String {
    let shown: Vec<String> = loaded.diagnostics.iter().map(ToString::to_string).collect();
    match shown.as_slice() {
        [] => "nothing to say".to_string(),
        _ => shown.join("\n\n") + "\n",
    }
}

/// A small project without mistakes, for one to be added.
const KARAT: &str = "\
--- karat.yaml
karat: 1
project: contoso
sources:
  shop: { type: sqlite, path: ./shop.db }
  landing: { type: files, path: ./landing }
";
const SALES: &str = "\
--- domains/sales/domain.yaml
domain: sales
owner: sales@contoso.com
feeds:
  - { source: shop, table: customers, mode: full, key: [id] }
  - { source: landing, name: plans, mode: incremental, path: \"plans/*.csv\" }
";
const CUSTOMERS: &str = "\
--- domains/sales/silver/customers.yaml
from: shop.customers
select:
  id: cast(id as bigint)
  company: trim(company)
  updated_at: cast(updated_at as timestamp)
auto_cdc: { keys: [id], sequence_by: updated_at }
";

fn with(more: &str) -> String {
    format!("{KARAT}{SALES}{CUSTOMERS}{more}")
}
