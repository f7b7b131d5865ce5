//! Who reads, writes and runs what: notebooks, pipelines and tables as one graph, and the order of work that follows from it.
//!
//! What writes a table comes before what reads it, what is run before what runs it. Those that depend on each other in a ring
//! are one step. The order depends on nothing but the reports.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::asset::AssetReport;
use crate::occurrence::{Role, Subject, Verdict};

/// Notebooks, pipelines, tables, and what they do to each other.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Graph {
    /// Assets in the order of the reports, then tables by name.
    pub nodes: Vec<Node>,
    /// Without doubles, sorted.
    pub edges: Vec<Edge>,
}

/// An asset or a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Node {
    /// Path or table.
    pub name: String,
    /// Whether it is a table.
    pub is_table: bool,
    /// Steps that must be done before; 0 is first.
    pub level: usize,
    /// Whether it is part of a ring.
    pub in_ring: bool,
}

/// What one does to another, in the direction in which data or work flows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Edge {
    /// What must be done first.
    pub from: usize,
    /// What depends on it.
    pub to: usize,
    /// Why.
    pub what: EdgeKind,
}

/// Why one depends on another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EdgeKind {
    /// An asset writes a table.
    Writes,
    /// An asset reads a table, or names it.
    Reads,
    /// An asset is run by another one.
    Runs,
}

impl Graph {
    /// The graph of some reports.
    pub fn of(reports: &[AssetReport]) -> Self {
        let mut tables: BTreeMap<&str, usize> = BTreeMap::new();
        let mut links: BTreeSet<(usize, &str, EdgeKind)> = BTreeSet::new();
        for (index, report) in reports.iter().enumerate() {
            for occurrence in &report.occurrences {
                let (Some(old), Subject::Table) = (occurrence.old.as_deref(), occurrence.subject)
                else {
                    continue;
                };
                if matches!(occurrence.verdict, Verdict::NotATable { .. }) {
                    continue;
                }
                tables.entry(old).or_insert(0);
                let what = if occurrence.role == Role::Write {
                    EdgeKind::Writes
                } else {
                    EdgeKind::Reads
                };
                links.insert((index, old, what));
            }
        }
        let mut nodes: Vec<Node> = reports
            .iter()
            .map(|report| node(&report.path, false))
            .collect();
        for (name, id) in &mut tables {
            *id = nodes.len();
            nodes.push(node(name, true));
        }
        let mut edges: BTreeSet<Edge> = BTreeSet::new();
        for (asset, table, what) in links {
            let table = tables[table];
            edges.insert(match what {
                EdgeKind::Writes => Edge {
                    from: asset,
                    to: table,
                    what,
                },
                _ => Edge {
                    from: table,
                    to: asset,
                    what,
                },
            });
        }
        let names = Names::of(reports);
        for (caller, report) in reports.iter().enumerate() {
            for call in &report.calls {
                if let Some(called) = names
                    .resolve(&report.path, &call.target)
                    .filter(|called| *called != caller)
                {
                    edges.insert(Edge {
                        from: called,
                        to: caller,
                        what: EdgeKind::Runs,
                    });
                }
            }
        }
        let mut graph = Graph {
            nodes,
            edges: edges.into_iter().collect(),
        };
        graph.level();
        graph
    }

    /// Assets by step, in the order of work.
    pub fn order(&self) -> Vec<Vec<usize>> {
        let mut steps: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (id, node) in self
            .nodes
            .iter()
            .enumerate()
            .filter(|(_, node)| !node.is_table)
        {
            steps.entry(node.level).or_default().push(id);
        }
        steps.into_values().collect()
    }

    /// Levels of the graph without its rings. Rings are found by Tarjan's algorithm, with a stack of its own instead of recursion.
    fn level(&mut self) {
        let count = self.nodes.len();
        let mut next: Vec<Vec<usize>> = vec![Vec::new(); count];
        for edge in &self.edges {
            next[edge.from].push(edge.to);
        }
        const NONE: usize = usize::MAX;
        let (mut index, mut low, mut ring) = (vec![NONE; count], vec![0; count], vec![NONE; count]);
        let (mut counter, mut rings, mut open) = (0, 0, Vec::new());
        for start in 0..count {
            if index[start] != NONE {
                continue;
            }
            let mut path = vec![(start, 0)];
            while let Some((node, child)) = path.pop() {
                if child == 0 {
                    index[node] = counter;
                    low[node] = counter;
                    counter += 1;
                    open.push(node);
                }
                match next[node].get(child) {
                    Some(to) => {
                        path.push((node, child + 1));
                        if index[*to] == NONE {
                            path.push((*to, 0));
                        } else if ring[*to] == NONE {
                            low[node] = low[node].min(index[*to]);
                        }
                    }
                    None => {
                        if low[node] == index[node] {
                            while let Some(member) = open.pop() {
                                ring[member] = rings;
                                if member == node {
                                    break;
                                }
                            }
                            rings += 1;
                        }
                        if let Some((parent, _)) = path.last() {
                            low[*parent] = low[*parent].min(low[node]);
                        }
                    }
                }
            }
        }
        // Tarjan numbers rings from the last to the first, so that those in front have higher numbers.
        let mut members: Vec<Vec<usize>> = vec![Vec::new(); rings];
        for (node, ring) in ring.iter().enumerate() {
            members[*ring].push(node);
        }
        let mut level = vec![0; rings];
        for from in (0..rings).rev() {
            for node in &members[from] {
                for to in &next[*node] {
                    let to = ring[*to];
                    if to != from {
                        // Tables cost no step: only assets are work.
                        let step = usize::from(
                            members[from]
                                .iter()
                                .any(|member| !self.nodes[*member].is_table),
                        );
                        level[to] = level[to].max(level[from] + step);
                    }
                }
            }
        }
        for (id, node) in self.nodes.iter_mut().enumerate() {
            node.level = level[ring[id]];
            node.in_ring = members[ring[id]].len() > 1;
        }
    }
}

fn node(name: &str, is_table: bool) -> Node {
    Node {
        name: name.to_owned(),
        is_table,
        level: 0,
        in_ring: false,
    }
}

/// Assets by the names that others call them by.
struct Names<'r> {
    keys: Vec<String>,
    by_name: BTreeMap<String, Vec<usize>>,
    reports: &'r [AssetReport],
}

impl<'r> Names<'r> {
    fn of(reports: &'r [AssetReport]) -> Self {
        let keys: Vec<String> = reports.iter().map(|report| key(&report.path)).collect();
        let mut by_name: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (index, key) in keys.iter().enumerate() {
            let name = key.rsplit('/').next().unwrap_or(key).to_owned();
            by_name.entry(name).or_default().push(index);
        }
        Names {
            keys,
            by_name,
            reports,
        }
    }

    /// The asset whose path ends like the target; the one in the nearest folder if there are several, none if that does not decide.
    fn resolve(&self, from: &str, target: &str) -> Option<usize> {
        let target = key(target.trim_end_matches('/'));
        let name = target.rsplit('/').next().unwrap_or(&target);
        let possible = self.by_name.get(name)?;
        let common_end = |index: usize| {
            self.keys[index]
                .rsplit('/')
                .zip(target.rsplit('/'))
                .take_while(|(a, b)| a == b)
                .count()
        };
        let from = from.to_lowercase();
        let common_start = |index: usize| {
            self.reports[index]
                .path
                .to_lowercase()
                .split('/')
                .zip(from.split('/'))
                .take_while(|(a, b)| a == b)
                .count()
        };
        let score = |index: usize| (common_end(index), common_start(index));
        let best = possible.iter().map(|index| score(*index)).max()?;
        let mut with_best = possible.iter().filter(|index| score(**index) == best);
        match (with_best.next(), with_best.next()) {
            (Some(only), None) => Some(*only),
            _ => None,
        }
    }
}

/// A path without dots, slash in front and extension, in lower case.
fn key(path: &str) -> String {
    let path = path.replace("!/", "/").to_lowercase();
    let path: Vec<&str> = path
        .split('/')
        .filter(|part| !matches!(*part, "" | "." | ".."))
        .collect();
    let path = path.join("/");
    for extension in [".py", ".sql", ".scala", ".r", ".ipynb", ".json", ".python"] {
        if let Some(stem) = path.strip_suffix(extension) {
            return stem.to_owned();
        }
    }
    path
}
