//! The overview as one page of HTML that needs no network: scores, owners, findings with their lines, graph and order of work.
//!
//! Everything that comes from files is escaped. The page works without its few lines of script, which only filter the tables.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::graph::{EdgeKind, Graph};
use super::issue::{Issue, IssueKind};
use super::overview::Overview;
use crate::occurrence::Severity;

/// Graphs with more nodes than this are told as lists only.
const DRAWN_NODES_MAX: usize = 160;

const STYLE: &str = "\
:root{color-scheme:light dark;--line:#8884;--ok:#2a7d46;--mid:#b7791f;--bad:#b3261e}\
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:76rem;padding:0 1rem}\
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2.2rem}\
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.25rem .6rem;border-bottom:1px solid var(--line);vertical-align:top}\
th{font-weight:600}td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}\
code{font:13px/1.4 ui-monospace,monospace;overflow-wrap:anywhere;white-space:pre-wrap}mark{background:#fd06;color:inherit}\
.s{font-weight:600}.s.ok{color:var(--ok)}.s.mid{color:var(--mid)}.s.bad{color:var(--bad)}\
details{border-bottom:1px solid var(--line);padding:.3rem 0}summary{cursor:pointer}.i{margin:.5rem 0 .5rem 1.2rem}.r{opacity:.7}\
.sum{display:flex;gap:2rem;flex-wrap:wrap}.sum b{display:block;font-size:1.4rem}input{font:inherit;padding:.3rem;width:22rem;max-width:100%}\
svg{max-width:100%;height:auto}svg text{font:11px system-ui,sans-serif;fill:currentColor}";

const SCRIPT: &str = "\
for(const f of document.querySelectorAll('input[data-for]'))f.addEventListener('input',()=>{const w=f.value.toLowerCase();\
for(const r of document.querySelectorAll('#'+f.dataset.for+' [data-t]'))r.hidden=!r.dataset.t.includes(w)});";

/// The page.
pub fn html(overview: &Overview, title: &str) -> String {
    let mut page = Page(String::new());
    page.raw("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">");
    page.raw("<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">");
    page.raw("<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'\">");
    page.raw("<title>")
        .text(title)
        .raw("</title><style>")
        .raw(STYLE)
        .raw("</style></head><body>\n<h1>")
        .text(title)
        .raw("</h1>\n");
    summary(&mut page, overview);
    owners(&mut page, overview);
    assets(&mut page, overview);
    issues(&mut page, overview);
    tables(&mut page, overview);
    order(&mut page, overview);
    graph(&mut page, &overview.graph);
    page.raw("<script>")
        .raw(SCRIPT)
        .raw("</script>\n</body></html>\n");
    page.0
}

struct Page(String);

impl Page {
    fn raw(&mut self, text: &str) -> &mut Self {
        self.0.push_str(text);
        self
    }

    fn text(&mut self, text: &str) -> &mut Self {
        for letter in text.chars() {
            match letter {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                letter => self.0.push(letter),
            }
        }
        self
    }

    fn number(&mut self, number: usize) -> &mut Self {
        write!(self.0, "{number}").expect("a string takes all text");
        self
    }

    fn cells(&mut self, numbers: &[usize]) -> &mut Self {
        for number in numbers {
            self.raw("<td class=n>").number(*number).raw("</td>");
        }
        self
    }

    fn score(&mut self, score: u8) -> &mut Self {
        let class = match score {
            100 => "ok",
            80.. => "mid",
            _ => "bad",
        };
        self.raw("<td class=n><span class=\"s ")
            .raw(class)
            .raw("\">")
            .number(score.into())
            .raw("</span></td>")
    }

    fn head(&mut self, columns: &[&str]) -> &mut Self {
        self.raw("<thead><tr>");
        for column in columns {
            match column.strip_prefix('#') {
                Some(number) => self.raw("<th class=n>").text(number),
                None => self.raw("<th>").text(column),
            };
            self.raw("</th>");
        }
        self.raw("</tr></thead>")
    }

    fn filter(&mut self, list: &str) -> &mut Self {
        self.raw("<p><input type=search placeholder=\"Filter\" aria-label=\"Filter\" data-for=")
            .raw(list)
            .raw("></p>")
    }
}

fn summary(page: &mut Page, overview: &Overview) {
    page.raw("<div class=sum>");
    let numbers = [
        ("assets", overview.assets.len()),
        ("score", overview.score.into()),
        ("rewritten", overview.counts.rewritten),
        ("not a table", overview.counts.not_a_table),
        ("for a person", overview.counts.needs_person),
        ("findings", overview.findings),
    ];
    for (name, number) in numbers {
        page.raw("<span><b>")
            .number(number)
            .raw("</b>")
            .text(name)
            .raw("</span>");
    }
    page.raw("</div>\n");
}

fn owners(page: &mut Page, overview: &Overview) {
    page.raw("<h2>Owners</h2><table>")
        .head(&["Owner", "#Assets", "#With open questions", "#Open"])
        .raw("<tbody>");
    for line in &overview.owners {
        page.raw("<tr><td>")
            .text(&line.owner)
            .raw("</td>")
            .cells(&[line.assets, line.open_assets, line.open])
            .raw("</tr>\n");
    }
    page.raw("</tbody></table>\n");
}

fn assets(page: &mut Page, overview: &Overview) {
    page.raw("<h2>Assets</h2>")
        .filter("assets")
        .raw("<table id=assets>");
    page.head(&[
        "Asset",
        "What",
        "Owner",
        "#Score",
        "#Rewritten",
        "#No table",
        "#For a person",
        "#Findings",
        "#Step",
    ])
    .raw("<tbody>");
    for asset in overview
        .assets
        .iter()
        .filter(|asset| asset.counts.total() > 0 || asset.findings > 0 || asset.unread)
    {
        page.raw("<tr data-t=\"")
            .text(&format!("{} {}", asset.path, asset.owner).to_lowercase())
            .raw("\"><td>")
            .text(&asset.path);
        page.raw("</td><td>")
            .text(asset.format)
            .raw("</td><td>")
            .text(&asset.owner)
            .raw("</td>")
            .score(asset.score);
        let counts = asset.counts;
        page.cells(&[
            counts.rewritten,
            counts.not_a_table,
            counts.needs_person,
            asset.findings,
            asset.step,
        ])
        .raw("</tr>\n");
    }
    let quiet = overview
        .assets
        .iter()
        .filter(|asset| asset.counts.total() == 0 && asset.findings == 0 && !asset.unread)
        .count();
    page.raw("</tbody></table><p class=r>")
        .number(quiet)
        .raw(" more assets name nothing of the mapping.</p>\n");
}

fn issues(page: &mut Page, overview: &Overview) {
    page.raw("<h2>Open questions and findings</h2>")
        .filter("issues")
        .raw("<div id=issues>\n");
    let mut by_path: BTreeMap<&str, Vec<&Issue>> = BTreeMap::new();
    for issue in overview
        .issues
        .iter()
        .filter(|issue| issue.kind != IssueKind::Rewritten)
    {
        by_path.entry(&issue.path).or_default().push(issue);
    }
    for (path, issues) in by_path {
        let rules: Vec<&str> = issues.iter().map(|issue| issue.rule.as_str()).collect();
        page.raw("<details data-t=\"")
            .text(&format!("{path} {}", rules.join(" ")).to_lowercase());
        page.raw("\"><summary>")
            .text(path)
            .raw(" <span class=r>")
            .number(issues.len())
            .raw("</span></summary>\n");
        for issue in issues {
            one(page, issue);
        }
        page.raw("</details>\n");
    }
    page.raw("</div>\n");
}

fn one(page: &mut Page, issue: &Issue) {
    let severity = match issue.severity {
        Severity::Error => "bad",
        Severity::Warning => "mid",
        Severity::Note => "ok",
    };
    page.raw("<div class=i><span class=\"s ")
        .raw(severity)
        .raw("\">")
        .number(issue.start.line)
        .raw(":")
        .number(issue.start.column);
    page.raw("</span> ")
        .text(&issue.message)
        .raw(" <span class=r>")
        .text(&issue.rule)
        .raw("</span><br><code>");
    match issue
        .line
        .split_once(&issue.text)
        .filter(|_| !issue.text.is_empty())
    {
        Some((before, behind)) => page
            .text(before)
            .raw("<mark>")
            .text(&issue.text)
            .raw("</mark>")
            .text(behind),
        None => page.text(&issue.line),
    };
    page.raw("</code>");
    if !issue.candidates.is_empty() {
        page.raw("<br>May become <code>")
            .text(&issue.candidates.join(", "))
            .raw("</code>");
    }
    for fix in &issue.fixes {
        page.raw("<br>Suggested: <code>")
            .text(&fix.old)
            .raw("</code> → <code>")
            .text(&fix.new)
            .raw("</code>");
    }
    page.raw("</div>\n");
}

fn tables(page: &mut Page, overview: &Overview) {
    page.raw("<h2>Tables</h2>")
        .filter("tables")
        .raw("<table id=tables>");
    page.head(&[
        "Old name", "New name", "#Score", "#Readers", "#Writers", "#Named", "#Open",
    ])
    .raw("<tbody>");
    for table in &overview.tables {
        page.raw("<tr data-t=\"")
            .text(&table.old.to_lowercase())
            .raw("\"><td>")
            .text(&table.old)
            .raw("</td><td>")
            .text(&table.new.join(", "));
        page.raw("</td>")
            .score(table.score)
            .cells(&[table.readers, table.writers, table.occurrences, table.open])
            .raw("</tr>\n");
    }
    page.raw("</tbody></table>\n");
}

fn order(page: &mut Page, overview: &Overview) {
    page.raw("<h2>Order of work</h2><p>What writes a table comes before what reads it, what is run before what runs it.</p>\n");
    let busy: std::collections::BTreeSet<&str> = overview
        .assets
        .iter()
        .filter(|asset| asset.counts.rewritten + asset.counts.needs_person + asset.findings > 0)
        .map(|asset| asset.path.as_str())
        .collect();
    for (step, paths) in overview.order.iter().enumerate() {
        let paths: Vec<&str> = paths
            .iter()
            .map(String::as_str)
            .filter(|path| busy.contains(path))
            .collect();
        if paths.is_empty() {
            continue;
        }
        page.raw("<details><summary>Step ")
            .number(step + 1)
            .raw(" <span class=r>")
            .number(paths.len())
            .raw("</span></summary><ul>");
        for path in paths {
            page.raw("<li>").text(path).raw("</li>");
        }
        page.raw("</ul></details>\n");
    }
}

fn graph(page: &mut Page, graph: &Graph) {
    page.raw("<h2>Graph</h2>\n");
    let mut linked = vec![false; graph.nodes.len()];
    for edge in &graph.edges {
        linked[edge.from] = true;
        linked[edge.to] = true;
    }
    let drawn: Vec<usize> = (0..graph.nodes.len()).filter(|id| linked[*id]).collect();
    if !drawn.is_empty() && drawn.len() <= DRAWN_NODES_MAX {
        draw(page, graph, &drawn);
    }
    page.raw("<details><summary>As a list <span class=r>")
        .number(graph.edges.len())
        .raw("</span></summary><ul>\n");
    for edge in &graph.edges {
        let (from, to) = (&graph.nodes[edge.from].name, &graph.nodes[edge.to].name);
        let (subject, verb, object) = match edge.what {
            EdgeKind::Writes => (from, " writes ", to),
            EdgeKind::Reads => (to, " reads ", from),
            EdgeKind::Runs => (to, " runs ", from),
        };
        page.raw("<li>")
            .text(subject)
            .text(verb)
            .text(object)
            .raw("</li>\n");
    }
    page.raw("</ul></details>\n");
}

/// Columns by level, assets and tables one below the other, lines between them.
fn draw(page: &mut Page, graph: &Graph, drawn: &[usize]) {
    const WIDTH: usize = 300;
    const HEIGHT: usize = 22;
    // Tables stand half a column behind what writes them.
    let column = |id: usize| graph.nodes[id].level * 2 + usize::from(graph.nodes[id].is_table);
    let mut columns: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for id in drawn {
        columns.entry(column(*id)).or_default().push(*id);
    }
    let mut places: BTreeMap<usize, (usize, usize)> = BTreeMap::new();
    for (x, ids) in columns.values().enumerate() {
        for (y, id) in ids.iter().enumerate() {
            places.insert(*id, (x * WIDTH + 10, y * HEIGHT + 20));
        }
    }
    let rows = columns.values().map(Vec::len).max().unwrap_or(0);
    let (width, height) = (columns.len() * WIDTH, rows * HEIGHT + 20);
    write!(
        page.0,
        "<svg viewBox=\"0 0 {width} {height}\" role=img aria-label=\"Graph of assets and tables\">"
    )
    .expect("a string takes all text");
    for edge in &graph.edges {
        if let (Some((x1, y1)), Some((x2, y2))) = (places.get(&edge.from), places.get(&edge.to)) {
            let dash = if edge.what == EdgeKind::Runs {
                " stroke-dasharray=\"4 3\""
            } else {
                ""
            };
            write!(page.0, "<line x1={} y1={y1} x2={x2} y2={y2} stroke=currentColor stroke-opacity=.25{dash} />", x1 + 200)
                .expect("a string takes all text");
        }
    }
    for (id, (x, y)) in &places {
        let node = &graph.nodes[*id];
        let short: String = match node.name.chars().count() {
            0..=34 => node.name.clone(),
            length => std::iter::once('…')
                .chain(node.name.chars().skip(length - 33))
                .collect(),
        };
        let fill = if node.is_table {
            "var(--ok)"
        } else {
            "currentColor"
        };
        write!(
            page.0,
            "<circle cx={x} cy={y} r=4 fill=\"{fill}\" /><text x={} y={}>",
            x + 8,
            y + 4
        )
        .expect("a string takes all text");
        page.text(&short)
            .raw("<title>")
            .text(&node.name)
            .raw("</title></text>");
    }
    page.raw("</svg>\n");
}
