//! What reads what: the order of work, and the selectors that name a part of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use crate::model::Project;
use crate::nearest::{did_you_mean, nearest};
use crate::table_name::{Layer, TableName};

/// For each node the nodes it reads.
pub(crate) type Edges = Vec<Vec<usize>>;

/// Bronze tables of feeds and tables of models, inputs first; equal projects give equal orders.
#[derive(Clone, Debug)]
pub struct Graph {
    names: Vec<TableName>,
    levels: Vec<u32>,
    inputs: Edges,
    readers: Edges,
    index: BTreeMap<TableName, usize>,
    /// `source.feed` to its bronze tables.
    feeds: BTreeMap<String, Vec<usize>>,
}

impl Graph {
    /// The graph of a project; a sound one has no cycle. Else what is in one, or depends on one, stands at the beginning.
    pub fn of(project: &Project) -> Graph {
        let mut reads: BTreeMap<TableName, Vec<TableName>> = BTreeMap::new();
        let mut short_names: Vec<(String, TableName)> = Vec::new();
        for feed in project.feeds() {
            reads.insert(feed.bronze.clone(), Vec::new());
            short_names.push((feed.short_name(), feed.bronze.clone()));
        }
        for model in &project.models {
            // What only its checks read is made before it, too.
            let before = model.comes_after().into_iter().cloned().collect();
            reads.insert(model.name.clone(), before);
        }
        let names: Vec<TableName> = reads.keys().cloned().collect();
        let by_name: BTreeMap<&TableName, usize> = names
            .iter()
            .enumerate()
            .map(|(at, name)| (name, at))
            .collect();
        let inputs: Edges = reads
            .values()
            .map(|inputs| {
                inputs
                    .iter()
                    .filter_map(|name| by_name.get(name).copied())
                    .collect()
            })
            .collect();

        let level = levels(&inputs);
        let mut order: Vec<usize> = (0..names.len()).collect();
        order.sort_by_key(|at| (level[*at], *at));
        let mut place = vec![0; names.len()];
        for (to, from) in order.iter().enumerate() {
            place[*from] = to;
        }
        let mut graph = Graph {
            names: order.iter().map(|at| names[*at].clone()).collect(),
            levels: order.iter().map(|at| level[*at]).collect(),
            inputs: order
                .iter()
                .map(|at| inputs[*at].iter().map(|input| place[*input]).collect())
                .collect(),
            readers: vec![Vec::new(); names.len()],
            index: BTreeMap::new(),
            feeds: BTreeMap::new(),
        };
        for (at, inputs) in graph.inputs.iter().enumerate() {
            for input in inputs {
                graph.readers[*input].push(at);
            }
        }
        graph.index = graph
            .names
            .iter()
            .cloned()
            .enumerate()
            .map(|(at, name)| (name, at))
            .collect();
        for (short, bronze) in short_names {
            let at = graph.index[&bronze];
            graph.feeds.entry(short).or_default().push(at);
        }
        graph
    }

    /// All tables, inputs before readers; within a level by name.
    pub fn order(&self) -> &[TableName] {
        &self.names
    }

    /// Tables in levels: those of one level do not read each other.
    pub fn levels(&self) -> Vec<Vec<&TableName>> {
        let mut levels: Vec<Vec<&TableName>> = Vec::new();
        for (name, level) in self.names.iter().zip(&self.levels) {
            if levels.len() <= *level as usize {
                levels.push(Vec::new());
            }
            levels[*level as usize].push(name);
        }
        levels
    }

    /// What a table reads directly, in order.
    pub fn inputs(&self, of: &TableName) -> Vec<&TableName> {
        self.direct(of, &self.inputs)
    }

    /// What reads a table directly, in order.
    pub fn readers(&self, of: &TableName) -> Vec<&TableName> {
        self.direct(of, &self.readers)
    }

    /// Everything a table depends on, in order, without itself.
    pub fn upstream(&self, of: &TableName) -> Vec<&TableName> {
        self.beyond(of, &self.inputs)
    }

    /// Everything that depends on a table, in order, without itself.
    pub fn downstream(&self, of: &TableName) -> Vec<&TableName> {
        self.beyond(of, &self.readers)
    }

    fn direct(&self, of: &TableName, edges: &Edges) -> Vec<&TableName> {
        let Some(at) = self.index.get(of) else {
            return Vec::new();
        };
        let next: BTreeSet<usize> = edges[*at].iter().copied().collect();
        next.into_iter().map(|at| &self.names[at]).collect()
    }

    fn beyond(&self, of: &TableName, edges: &Edges) -> Vec<&TableName> {
        let Some(at) = self.index.get(of) else {
            return Vec::new();
        };
        let mut reached = BTreeSet::new();
        reach(*at, edges, &mut reached);
        reached.remove(at);
        reached.into_iter().map(|at| &self.names[at]).collect()
    }

    /// The tables that the selectors name together, in order; none given selects all.
    pub fn select(&self, selectors: &[Selector]) -> Result<Vec<TableName>, SelectError> {
        if selectors.is_empty() {
            return Ok(self.names.clone());
        }
        let mut selected = BTreeSet::new();
        for selector in selectors {
            for at in self.find(&selector.what)? {
                selected.insert(at);
                if selector.upstream {
                    reach(at, &self.inputs, &mut selected);
                }
                if selector.downstream {
                    reach(at, &self.readers, &mut selected);
                }
            }
        }
        Ok(selected
            .into_iter()
            .map(|at| self.names[at].clone())
            .collect())
    }

    fn find(&self, what: &Selected) -> Result<Vec<usize>, SelectError> {
        match what {
            Selected::Domain(domain) => {
                let found: Vec<usize> = (0..self.names.len())
                    .filter(|at| self.names[*at].domain == *domain)
                    .collect();
                if found.is_empty() {
                    let domains: BTreeSet<&str> =
                        self.names.iter().map(|name| name.domain.as_str()).collect();
                    let hint = match nearest(domain, domains.iter().copied()) {
                        Some(near) => format!("did you mean `domain:{near}`?"),
                        None => self.examples(),
                    };
                    return Err(SelectError::Unknown {
                        what: format!("domain:{domain}"),
                        hint,
                    });
                }
                Ok(found)
            }
            Selected::Name(name) => self.find_name(name),
        }
    }

    /// How names are written, by the first of each kind.
    fn examples(&self) -> String {
        let mut examples: Vec<String> = Vec::new();
        let table = self.names.iter().find(|name| name.layer != Layer::Bronze);
        examples.extend(table.map(|name| format!("`{name}`")));
        examples.extend(self.feeds.keys().next().map(|feed| format!("`{feed}`")));
        examples.extend(
            self.names
                .first()
                .map(|name| format!("`domain:{}`", name.domain)),
        );
        match examples.as_slice() {
            [] => "the project has no feed and no model".to_string(),
            _ => format!("names are written like {}", examples.join(", ")),
        }
    }

    fn find_name(&self, name: &str) -> Result<Vec<usize>, SelectError> {
        if let Some(at) = name
            .parse::<TableName>()
            .ok()
            .and_then(|name| self.index.get(&name))
        {
            return Ok(vec![*at]);
        }
        let mut found = match self.feeds.get(name) {
            Some(found) => found.clone(),
            None => (0..self.names.len())
                .filter(|at| self.names[*at].table == name)
                .collect(),
        };
        if found.is_empty() {
            let feeds = self.feeds.iter();
            found = feeds
                .filter(|(short, _)| short.split_once('.').is_some_and(|(_, own)| own == name))
                .flat_map(|(_, found)| found.iter().copied())
                .collect();
        }
        match found.as_slice() {
            [_] => Ok(found),
            [] => {
                let full: Vec<String> = self.names.iter().map(|name| name.to_string()).collect();
                let words = full
                    .iter()
                    .map(String::as_str)
                    .chain(self.names.iter().map(|name| name.table.as_str()))
                    .chain(self.feeds.keys().map(String::as_str));
                Err(SelectError::Unknown {
                    what: name.to_string(),
                    hint: did_you_mean(name, words).unwrap_or_else(|| self.examples()),
                })
            }
            several => {
                let names: Vec<String> = several
                    .iter()
                    .map(|at| format!("`{}`", self.names[*at]))
                    .collect();
                Err(SelectError::Ambiguous {
                    what: name.to_string(),
                    hint: format!("write one of {}", names.join(", ")),
                })
            }
        }
    }
}

/// Adds all that can be reached from `start`.
fn reach(start: usize, edges: &Edges, reached: &mut BTreeSet<usize>) {
    // Nodes that are in already may have come in without their neighbours, so what was seen is kept apart.
    let mut seen = BTreeSet::from([start]);
    let mut open = vec![start];
    while let Some(at) = open.pop() {
        for next in &edges[at] {
            if seen.insert(*next) {
                open.push(*next);
            }
        }
    }
    reached.extend(seen);
}

/// The longest way from a node without inputs. Nodes of a cycle get level 0.
fn levels(inputs: &Edges) -> Vec<u32> {
    let mut readers: Edges = vec![Vec::new(); inputs.len()];
    let mut waiting: Vec<usize> = inputs.iter().map(Vec::len).collect();
    for (at, inputs) in inputs.iter().enumerate() {
        for input in inputs {
            readers[*input].push(at);
        }
    }
    let mut level = vec![0; inputs.len()];
    let mut ready: Vec<usize> = (0..inputs.len()).filter(|at| waiting[*at] == 0).collect();
    while let Some(at) = ready.pop() {
        for reader in &readers[at] {
            level[*reader] = level[*reader].max(level[at] + 1);
            waiting[*reader] -= 1;
            if waiting[*reader] == 0 {
                ready.push(*reader);
            }
        }
    }
    level
}

/// One cycle for each group of nodes that depend on each other, as a walk from node to what it reads.
pub(crate) fn cycles(inputs: &Edges) -> Vec<Vec<usize>> {
    #[derive(Clone, Copy, PartialEq)]
    enum State {
        New,
        Open,
        Done,
    }
    let mut state = vec![State::New; inputs.len()];
    let mut cycles = Vec::new();
    for start in 0..inputs.len() {
        if state[start] != State::New {
            continue;
        }
        state[start] = State::Open;
        let mut path: Vec<(usize, usize)> = vec![(start, 0)];
        while let Some((at, next)) = path.last_mut() {
            let Some(input) = inputs[*at].get(*next).copied() else {
                state[*at] = State::Done;
                path.pop();
                continue;
            };
            *next += 1;
            match state[input] {
                State::New => {
                    state[input] = State::Open;
                    path.push((input, 0));
                }
                State::Open => {
                    let from = path
                        .iter()
                        .position(|(node, _)| *node == input)
                        .unwrap_or(0);
                    cycles.push(path[from..].iter().map(|(node, _)| *node).collect());
                }
                State::Done => {}
            }
        }
    }
    cycles
}

/// A part of the graph: `NAME`, `+NAME` with all it depends on, `NAME+` with all that depends on it, `domain:NAME`.
///
/// `NAME` is a table (`sales_silver.orders`, `sales_bronze.shop__orders`), its last part where that is unique, or a feed
/// (`shop.orders`, or `orders` where no table has this name).
///
/// ```
/// use karat_project::Selector;
/// let selector: Selector = "+sales_gold.revenue".parse().expect("a selector");
/// assert_eq!(selector.to_string(), "+sales_gold.revenue");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector {
    what: Selected,
    upstream: bool,
    downstream: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Selected {
    Name(String),
    Domain(String),
}

impl FromStr for Selector {
    type Err = SelectError;

    fn from_str(text: &str) -> Result<Self, SelectError> {
        let name = text.trim();
        let (upstream, name) = name
            .strip_prefix('+')
            .map_or((false, name), |name| (true, name));
        let (downstream, name) = name
            .strip_suffix('+')
            .map_or((false, name), |name| (true, name));
        let name = name.to_lowercase();
        let bad = name.is_empty()
            || name.contains(|c: char| c.is_whitespace() || matches!(c, '+' | ',' | '*'));
        let what = match name.split_once(':') {
            _ if bad => return Err(SelectError::Malformed(text.to_string())),
            Some(("domain", domain)) if !domain.is_empty() => Selected::Domain(domain.to_string()),
            Some(_) => return Err(SelectError::Malformed(text.to_string())),
            None => Selected::Name(name),
        };
        Ok(Selector {
            what,
            upstream,
            downstream,
        })
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (before, after) = (
            if self.upstream { "+" } else { "" },
            if self.downstream { "+" } else { "" },
        );
        match &self.what {
            Selected::Name(name) => write!(f, "{before}{name}{after}"),
            Selected::Domain(domain) => write!(f, "{before}domain:{domain}{after}"),
        }
    }
}

/// Why a selector selects nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SelectError {
    /// It is not written like a selector.
    #[error("cannot select `{0}`: it is not written like a selector")]
    Malformed(String),
    /// Nothing has this name.
    #[error("cannot select `{what}`: no table or feed has this name")]
    Unknown {
        /// What was asked for.
        what: String,
        /// The nearest name, or how names are written.
        hint: String,
    },
    /// Several have this name.
    #[error("cannot select `{what}`: several tables have this name")]
    Ambiguous {
        /// What was asked for.
        what: String,
        /// The full names.
        hint: String,
    },
}

impl SelectError {
    /// What to do.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            SelectError::Malformed(_) => "write NAME, +NAME, NAME+, +NAME+ or domain:NAME",
            SelectError::Unknown { hint, .. } | SelectError::Ambiguous { hint, .. } => hint,
        };
        Some(hint.to_string())
    }
}
