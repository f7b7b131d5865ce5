//! What `karat refactor` knows beside the code: decisions, a baseline, owners; and the reports that it writes.
//!
//! What they say is decided in `karat_refactor::report`; here files are read and written.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use karat_refactor::asset::AssetReport;
use karat_refactor::estate::Scan;
use karat_refactor::report::baseline::Baseline;
use karat_refactor::report::decisions::{Answer, Decisions, why_no_edit};
use karat_refactor::report::issue::{Issue, IssueKind};
use karat_refactor::report::overview::Overview;
use karat_refactor::report::owners::Owners;
use karat_refactor::report::{html, sarif, tables};
use serde_json::{Value, json};

use super::refactor::write_whole;
use crate::args::{RefactorAnswer, RefactorDecide, RefactorReports};
use crate::failure::Failure;
use crate::output::{Voice, counted};

/// The decisions of a file. A file that was named and is not there is a mistake: what people decided would be lost in silence.
pub(crate) fn decisions(path: Option<&Path>) -> Result<Decisions, Failure> {
    let Some(path) = path else {
        return Ok(Decisions::default());
    };
    let text = fs::read_to_string(path).map_err(Failure::io("read the decisions", path))?;
    Decisions::parse(&text)
        .map_err(|error| Failure::usage(format!("{}: {error}", path.display()), ""))
}

/// The owners that a tree's CODEOWNERS names, or the one that was given.
pub(crate) fn owners(given: Option<&Path>, root: &Path) -> Result<Owners, Failure> {
    let places = ["CODEOWNERS", ".github/CODEOWNERS", "docs/CODEOWNERS"];
    let own = places
        .iter()
        .map(|place| root.join(place))
        .find(|file| file.is_file());
    let Some(file) = given.map(Path::to_path_buf).or(own) else {
        return Ok(Owners::default());
    };
    fs::read_to_string(&file)
        .map(|text| Owners::parse(&text))
        .map_err(Failure::io("read the owners", &file))
}

/// Writes the reports that were asked for, checks against the baseline, and says whether the check fails.
pub(crate) fn write(
    voice: Voice,
    wanted: &RefactorReports,
    root: &Path,
    scan: &mut Scan,
) -> Result<Checked, Failure> {
    let issues: Vec<Issue> = scan
        .assets
        .iter_mut()
        .flat_map(|asset| std::mem::take(&mut asset.issues))
        .collect();
    if let Some(path) = &wanted.decisions {
        let used: BTreeSet<String> = scan
            .assets
            .iter()
            .flat_map(|asset| asset.decided.used.iter().cloned())
            .collect();
        for decision in decisions(Some(path))?.stale(&used) {
            voice.note(&format!(
                "note: {}: the line of `{}`, on which {} decided, has changed or is gone; it is asked again",
                decision.path, decision.text, decision.by
            ));
        }
        for decision in scan
            .assets
            .iter()
            .flat_map(|asset| &asset.decided.without_edit)
        {
            voice.note(&format!(
                "note: {}: {} decided to rewrite `{}`, and there is no edit to make; write it by hand",
                decision.path, decision.by, decision.text
            ));
        }
    }
    if let Some(path) = &wanted.write_baseline {
        write_whole(path, Baseline::of(&issues).to_text().as_bytes())?;
    }
    let mut checked = Checked::default();
    if wanted.check {
        let baseline = match &wanted.baseline {
            Some(path) => {
                let text =
                    fs::read_to_string(path).map_err(Failure::io("read the baseline", path))?;
                Baseline::parse(&text)
                    .map_err(|error| Failure::usage(format!("{}: {error}", path.display()), ""))?
            }
            None => Baseline::default(),
        };
        let paths: BTreeSet<&str> = scan
            .assets
            .iter()
            .map(|asset| asset.path.as_str())
            .collect();
        let check = baseline.check(&issues, |path| paths.contains(path));
        checked.asked = true;
        checked.known = check.known;
        checked.gone = check.gone.len();
        checked.new = check.new.iter().map(|issue| told(issue)).collect();
    }
    if let Some(path) = &wanted.sarif {
        write_whole(
            path,
            sarif::sarif(&issues, env!("CARGO_PKG_VERSION")).as_bytes(),
        )?;
    }
    if let Some(folder) = &wanted.report {
        let overview = Overview::of(
            &scan.assets,
            issues,
            &owners(wanted.owners.as_deref(), root)?,
        );
        fs::create_dir_all(folder).map_err(Failure::io("make the folder", folder))?;
        let files = [
            (
                "report.html",
                html::html(&overview, "Code to three-part names"),
            ),
            ("report.json", tables::json(&overview)),
            ("issues.csv", tables::issues_csv(&overview)),
            ("assets.csv", tables::assets_csv(&overview)),
            ("tables.csv", tables::tables_csv(&overview)),
        ];
        for (name, text) in files {
            write_whole(&folder.join(name), text.as_bytes())?;
        }
    }
    Ok(checked)
}

/// What a check against the baseline said.
#[derive(Debug, Default)]
pub(crate) struct Checked {
    /// Whether a check was asked for.
    pub(crate) asked: bool,
    known: usize,
    gone: usize,
    new: Vec<String>,
}

impl Checked {
    /// Whether there is anything that the baseline does not know.
    pub(crate) fn fails(&self) -> bool {
        !self.new.is_empty()
    }

    /// For people.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        for line in &self.new {
            text.push_str(&format!("new: {line}\n"));
        }
        text.push_str(&format!(
            "{} new, {} known, {} of the baseline gone\n",
            self.new.len(),
            self.known,
            self.gone
        ));
        text
    }

    /// For machines.
    pub(crate) fn json(&self) -> Value {
        json!({ "ok": !self.fails(), "new": self.new, "known": self.known, "gone": self.gone })
    }
}

fn told(issue: &Issue) -> String {
    format!(
        "{}:{}:{}: {} ({})",
        issue.path, issue.start.line, issue.start.column, issue.message, issue.rule
    )
}

/// Remembers a decision on what is open at a place.
pub(crate) fn decide(
    voice: Voice,
    arguments: &RefactorDecide,
    scan: &Scan,
    at: &str,
) -> Result<u8, Failure> {
    let (path, line) = arguments
        .place
        .rsplit_once(':')
        .and_then(|(path, line)| Some((path, line.parse::<usize>().ok()?)))
        .ok_or_else(|| {
            Failure::usage(
                format!("`{}` is no place", arguments.place),
                "write it as PATH:LINE, as `karat refactor scan` prints it",
            )
        })?;
    for (name, text) in [("--by", &arguments.by), ("--why", &arguments.why)] {
        if text.trim().is_empty() {
            return Err(Failure::usage(
                format!("{name} is empty"),
                "a decision needs a name and a reason",
            ));
        }
    }
    let answer = match arguments.answer {
        RefactorAnswer::Rewrite => Answer::Rewrite,
        RefactorAnswer::NotATable => Answer::NotATable,
        RefactorAnswer::Keep => Answer::Keep,
    };
    let open = |issue: &Issue| {
        let here = issue.path == path && issue.start.line == line;
        let rule = arguments
            .rule
            .as_ref()
            .is_none_or(|rule| *rule == issue.rule);
        here && rule && matches!(issue.kind, IssueKind::NeedsPerson | IssueKind::Finding)
    };
    let assets = scan.assets.iter();
    let mut asked: Vec<(&AssetReport, &Issue)> = assets
        .flat_map(|asset| asset.issues.iter().map(move |issue| (asset, issue)))
        .filter(|(_, issue)| open(issue))
        .collect();
    if asked.is_empty() {
        return Err(Failure::usage(
            format!("nothing is open in line {line} of `{path}`"),
            "`karat refactor scan` lists what is open",
        ));
    }
    if answer == Answer::Rewrite {
        let mut refused = Vec::new();
        asked.retain(|(asset, issue)| {
            let why = why_no_edit(asset, issue);
            refused.extend(why.iter().map(|why| format!("{}: {why}", told(issue))));
            why.is_none()
        });
        if asked.is_empty() {
            return Err(Failure::NeedsPerson {
                what: format!(
                    "cannot decide to rewrite line {line} of `{path}`, there is no edit to make: {}",
                    refused.join("; ")
                ),
                hint: "write the new name there by hand and scan again, or answer `keep` or `not-a-table`"
                    .to_owned(),
            });
        }
        for one in &refused {
            voice.note(&format!(
                "note: stays open, there is no edit to make: {one}"
            ));
        }
    }
    let issues: Vec<&Issue> = asked.into_iter().map(|(_, issue)| issue).collect();
    // The first decision makes the file.
    let file = Some(arguments.decisions.as_path()).filter(|file| file.exists());
    let mut all = decisions(file)?;
    for issue in &issues {
        all.decide(issue, answer, &arguments.by, &arguments.why, at);
    }
    write_whole(&arguments.decisions, all.to_text().as_bytes())?;
    voice.answer(
        || json!({ "decided": issues.iter().map(|issue| told(issue)).collect::<Vec<_>>() }),
        || {
            let lines: String = issues
                .iter()
                .map(|issue| format!("{}\n", told(issue)))
                .collect();
            format!(
                "{lines}{} decided\n",
                counted(issues.len() as u64, "question")
            )
        },
    )?;
    Ok(0)
}
