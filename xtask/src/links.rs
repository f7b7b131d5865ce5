//! Relative links of Markdown pages: each must name a file or folder that exists.

use std::path::Path;

/// What is wrong with the links of one page.
pub(crate) fn check(root: &Path, path: &str, text: &str) -> Vec<String> {
    let folder = Path::new(path).parent().unwrap_or(Path::new(""));
    let mut findings = Vec::new();
    for (line, link) in links(text) {
        let target = link.split(['#', '?']).next().unwrap_or_default();
        let is_elsewhere = link.contains("://") || link.starts_with("mailto:") || target.is_empty();
        if is_elsewhere {
            continue;
        }
        let target = target.replace("%20", " ");
        let resolved = match target.strip_prefix('/') {
            Some(from_root) => root.join(from_root),
            None => root.join(folder).join(&target),
        };
        if !resolved.exists() {
            findings.push(format!("{path}:{line}: the link `{link}` leads nowhere"));
        }
    }
    findings
}

/// The targets of `[text](target)` and `[text]: target`, each with its line, outside of code.
fn links(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut fence: Option<&str> = None;
    for (number, line) in text.lines().enumerate() {
        let start = line.trim_start();
        let mark = ["```", "~~~"]
            .into_iter()
            .find(|mark| start.starts_with(mark));
        match (fence, mark) {
            (None, Some(mark)) => fence = Some(mark),
            (Some(open), Some(mark)) if open == mark => fence = None,
            _ => {}
        }
        if fence.is_some() || mark.is_some() {
            continue;
        }
        let line = without_code(line);
        for (at, _) in line.match_indices("](") {
            let rest = &line[at + 2..];
            let end = rest.find([')', ' ']).unwrap_or(rest.len());
            found.push((number + 1, rest[..end].trim_matches(['<', '>']).to_owned()));
        }
        if let Some((name, target)) = line.split_once("]: ")
            && name.starts_with('[')
            && !name.starts_with("[^")
        {
            found.push((
                number + 1,
                target.split(' ').next().unwrap_or(target).to_owned(),
            ));
        }
    }
    found
}

fn without_code(line: &str) -> String {
    // An odd part stands between two backticks; the last one, if it is not closed, is text.
    let parts: Vec<_> = line.split('`').collect();
    let is_code = |i: usize| i % 2 == 1 && i + 1 < parts.len();
    parts
        .iter()
        .enumerate()
        .filter(|(i, _)| !is_code(*i))
        .map(|(_, part)| *part)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::links;

    #[test]
    fn links_are_found_outside_of_code() {
        let text = "see [a](b.md#c) and `[d](e)`, [f](<g h> \"t\")\n```\n[i](j)\n```\n[k]: l.md\n[^1]: a note\n";
        let targets: Vec<_> = links(text).into_iter().map(|(_, target)| target).collect();
        assert_eq!(targets, ["b.md#c", "g", "l.md"]);
    }
}
