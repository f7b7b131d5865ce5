//! The whole estate at a glance: a score for every asset and table, owners, open issues, and the order of work.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::graph::{EdgeKind, Graph};
use super::issue::{Issue, IssueKind};
use super::owners::Owners;
use crate::asset::{AssetReport, Counts};
use crate::occurrence::{Severity, Subject, Verdict};

/// Everything that reports show.
#[derive(Clone, Debug, Serialize)]
pub struct Overview {
    /// All verdicts together.
    pub counts: Counts,
    /// Findings that may break or break.
    pub findings: usize,
    /// The share of everything found that is settled.
    pub score: u8,
    /// In the order of the reports.
    pub assets: Vec<AssetLine>,
    /// By name.
    pub tables: Vec<TableLine>,
    /// By name.
    pub owners: Vec<OwnerLine>,
    /// All issues, in the order of the reports and of their texts.
    pub issues: Vec<Issue>,
    /// Who reads, writes and runs what.
    pub graph: Graph,
    /// Paths of assets by step: each step needs only those before it.
    pub order: Vec<Vec<String>>,
}

/// An asset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AssetLine {
    /// Its path.
    pub path: String,
    /// What it is.
    pub format: &'static str,
    /// Who owns it.
    pub owner: String,
    /// How many occurrences have each verdict.
    pub counts: Counts,
    /// Findings that may break or break.
    pub findings: usize,
    /// 100: nothing is left to a person.
    pub score: u8,
    /// The step in the order of work, from 1.
    pub step: usize,
    /// Whether it could not be read.
    pub unread: bool,
}

/// A table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TableLine {
    /// Its old name.
    pub old: String,
    /// Its new names; more than one if assets disagree.
    pub new: Vec<String>,
    /// How many assets read or name it.
    pub readers: usize,
    /// How many assets write it.
    pub writers: usize,
    /// How often it is named.
    pub occurrences: usize,
    /// How many of these are open.
    pub open: usize,
    /// 100: nothing is left to a person.
    pub score: u8,
}

/// An owner.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct OwnerLine {
    /// The owner.
    pub owner: String,
    /// How many assets are theirs.
    pub assets: usize,
    /// How many of them need a person.
    pub open_assets: usize,
    /// How many occurrences and findings are open.
    pub open: usize,
}

/// The settled share in whole percent, rounded down, so that 100 means all.
fn score(settled: usize, open: usize) -> u8 {
    match settled + open {
        0 => 100,
        total => u8::try_from(settled * 100 / total).unwrap_or(100),
    }
}

impl Overview {
    /// The overview of some reports; `issues` are those of all reports, in their order.
    pub fn of(reports: &[AssetReport], issues: Vec<Issue>, owners: &Owners) -> Self {
        let graph = Graph::of(reports);
        let order = graph.order();
        let steps: BTreeMap<usize, usize> = order
            .iter()
            .enumerate()
            .flat_map(|(step, ids)| ids.iter().map(move |id| (*id, step + 1)))
            .collect();
        let mut assets = Vec::with_capacity(reports.len());
        let mut by_owner: BTreeMap<String, OwnerLine> = BTreeMap::new();
        let (mut counts, mut findings) = (Counts::default(), 0);
        for (index, report) in reports.iter().enumerate() {
            let own = report.counts();
            let own_findings = report
                .findings
                .iter()
                .filter(|finding| finding.severity > Severity::Note)
                .count();
            let unread = report.trouble.is_some();
            let open = own.needs_person + own_findings + usize::from(unread);
            let owner = owners.name_of(&report.path);
            let line = by_owner.entry(owner.clone()).or_insert_with(|| OwnerLine {
                owner: owner.clone(),
                ..OwnerLine::default()
            });
            line.assets += 1;
            line.open_assets += usize::from(open > 0);
            line.open += open;
            counts = counts.plus(own);
            findings += own_findings;
            assets.push(AssetLine {
                path: report.path.clone(),
                format: report.format.map_or("no text", |format| format.name()),
                owner,
                counts: own,
                findings: own_findings,
                score: if unread {
                    0
                } else {
                    score(own.rewritten + own.not_a_table, open)
                },
                step: steps.get(&index).copied().unwrap_or(1),
                unread,
            });
        }
        let tables = tables(reports, &graph);
        let order = order
            .iter()
            .map(|ids| ids.iter().map(|id| graph.nodes[*id].name.clone()).collect())
            .collect();
        Overview {
            counts,
            findings,
            score: score(
                counts.rewritten + counts.not_a_table,
                counts.needs_person + findings,
            ),
            assets,
            tables,
            owners: by_owner.into_values().collect(),
            issues,
            graph,
            order,
        }
    }

    /// The issues that a person must look at.
    pub fn open(&self) -> impl Iterator<Item = &Issue> {
        self.issues
            .iter()
            .filter(|issue| issue.kind != IssueKind::Rewritten && issue.severity > Severity::Note)
    }
}

fn tables(reports: &[AssetReport], graph: &Graph) -> Vec<TableLine> {
    let mut lines: BTreeMap<&str, (TableLine, BTreeSet<String>)> = BTreeMap::new();
    for occurrence in reports.iter().flat_map(|report| &report.occurrences) {
        let (Some(old), Subject::Table) = (occurrence.old.as_deref(), occurrence.subject) else {
            continue;
        };
        let (open, new) = match &occurrence.verdict {
            Verdict::NotATable { .. } => continue,
            Verdict::Rewritten { new, .. } => (0, vec![new.clone()]),
            Verdict::NeedsPerson { candidates, .. } => (1, candidates.clone()),
        };
        let (line, news) = lines.entry(old).or_insert_with(|| {
            let line = TableLine {
                old: old.to_owned(),
                new: Vec::new(),
                readers: 0,
                writers: 0,
                occurrences: 0,
                open: 0,
                score: 100,
            };
            (line, BTreeSet::new())
        });
        line.occurrences += 1;
        line.open += open;
        news.extend(new);
    }
    for edge in &graph.edges {
        match edge.what {
            EdgeKind::Writes => {
                if let Some((line, _)) = lines.get_mut(graph.nodes[edge.to].name.as_str()) {
                    line.writers += 1;
                }
            }
            EdgeKind::Reads => {
                if let Some((line, _)) = lines.get_mut(graph.nodes[edge.from].name.as_str()) {
                    line.readers += 1;
                }
            }
            EdgeKind::Runs => {}
        }
    }
    let finished = lines.into_values().map(|(mut line, news)| {
        line.new = news.into_iter().collect();
        line.score = score(line.occurrences - line.open, line.open);
        line
    });
    finished.collect()
}
