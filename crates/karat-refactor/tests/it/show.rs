//! Files and a mapping in, verdicts and changed lines out.

use std::fmt::Write;

use karat_refactor::asset::AssetReport;
use karat_refactor::estate::{InMemory, Scan, scan};
use karat_refactor::mapping::read::of_pairs;
use karat_refactor::{Mapping, Options, Verdict, text};

/// The mapping that most tests use.
pub(crate) fn mapping() -> Mapping {
    of_pairs(&[
        ("sales.orders", "prod.sales.orders"),
        ("sales.items", "prod.sales.items"),
        ("people.emp", "prod-eu.people.emp"),
        ("old.t", "prod.fresh.t2"),
        ("curated.*", "main.curated.*"),
        ("default.loose", "prod.misc.loose"),
        ("/mnt/raw", "/Volumes/prod/raw"),
        ("/mnt/lake/gold", "abfss://gold@acc.dfs.core.windows.net"),
    ])
}

/// Scans files in memory.
pub(crate) fn scanned(files: &[(&str, &str)], mapping: &Mapping) -> Scan {
    let files = InMemory::new(files.iter().map(|(path, text)| (*path, text.as_bytes())));
    scan(&files, mapping, &Options::default(), 2)
}

/// The text of an asset after its edits.
pub(crate) fn after(report: &AssetReport, before: &str) -> String {
    let (decoded, encoding) = text::decode(before.as_bytes()).unwrap();
    let bytes = text::edited(before.as_bytes(), &decoded, encoding, &report.edits()).unwrap();
    String::from_utf8(bytes).unwrap()
}

/// Verdicts of all files, then the lines that change.
pub(crate) fn show(files: &[(&str, &str)]) -> String {
    show_with(files, &mapping())
}

/// The same with another mapping.
pub(crate) fn show_with(files: &[(&str, &str)], mapping: &Mapping) -> String {
    shown(files, mapping, &Options::default())
}

/// The same with options.
pub(crate) fn shown(files: &[(&str, &str)], mapping: &Mapping, options: &Options) -> String {
    let tree = InMemory::new(files.iter().map(|(path, text)| (*path, text.as_bytes())));
    let scan = scan(&tree, mapping, options, 2);
    let mut shown = String::new();
    for report in &scan.assets {
        let before = files
            .iter()
            .find(|(path, _)| *path == report.path)
            .unwrap()
            .1;
        if scan.assets.len() > 1 {
            writeln!(shown, "== {}", report.path).unwrap();
        }
        for (occurrence, (line, column)) in report.occurrences.iter().zip(&report.places) {
            let verdict = match &occurrence.verdict {
                Verdict::Rewritten { new, .. } => format!("-> {new}"),
                Verdict::NotATable { reason } => format!("not a table: {}", reason.words()),
                Verdict::NeedsPerson {
                    doubt, candidates, ..
                } => {
                    format!(
                        "?  {}{}",
                        doubt.rule,
                        candidates
                            .iter()
                            .map(|c| format!(" {c}"))
                            .collect::<String>()
                    )
                }
            };
            let text: String = occurrence
                .text
                .chars()
                .map(|c| {
                    if ('\u{E000}'..='\u{E010}').contains(&c) {
                        '?'
                    } else {
                        c
                    }
                })
                .collect();
            writeln!(
                shown,
                "{line}:{column} {} {verdict}",
                text.replace('\n', "\\n")
            )
            .unwrap();
        }
        for (finding, (line, column)) in report.findings.iter().zip(&report.finding_places) {
            writeln!(
                shown,
                "{line}:{column} {:?} {}: {}",
                finding.severity, finding.doubt.rule, finding.doubt.message
            )
            .unwrap();
        }
        if let Some(trouble) = &report.trouble {
            writeln!(shown, "trouble: {}: {}", trouble.rule, trouble.message).unwrap();
        }
        let after = after(report, before);
        for (old, new) in before.lines().zip(after.lines()) {
            if old != new {
                writeln!(shown, "| {new}").unwrap();
            }
        }
        assert_eq!(before.lines().count(), after.lines().count());
    }
    shown
}
