//! Unified diffs of edited files, as `git apply` and `patch` read them. Lines are those of the file: line ends belong to them.

use crate::edit::Edit;

/// Lines of context around a change.
const CONTEXT: usize = 3;

/// The diff of one file; empty if nothing changes. `edits` are in order and do not overlap.
pub fn unified(path: &str, before: &str, edits: &[Edit]) -> String {
    let changes = changed_lines(before, edits);
    if changes.is_empty() {
        return String::new();
    }
    let lines: Vec<&str> = before.split_inclusive('\n').collect();
    let name = quoted_path;
    let mut text = format!(
        "--- {}\n+++ {}\n",
        name(&format!("a/{path}")),
        name(&format!("b/{path}"))
    );
    let mut shift = 0_isize;
    let mut at = 0;
    while at < changes.len() {
        // Changes whose contexts touch share a hunk.
        let mut end = at + 1;
        while end < changes.len() && changes[end].first <= changes[end - 1].end + 2 * CONTEXT {
            end += 1;
        }
        let hunk = &changes[at..end];
        let from = hunk[0].first.saturating_sub(CONTEXT);
        let to = (hunk[hunk.len() - 1].end + CONTEXT).min(lines.len());
        let removed: usize = hunk.iter().map(|change| change.end - change.first).sum();
        let added: usize = hunk.iter().map(|change| change.new.len()).sum();
        let old_count = to - from;
        let new_count = old_count - removed + added;
        let new_from = from.checked_add_signed(shift).unwrap_or(from);
        text.push_str(&format!(
            "@@ -{},{old_count} +{},{new_count} @@\n",
            from + 1,
            new_from + 1
        ));
        let mut next = from;
        for change in hunk {
            for line in &lines[next..change.first] {
                push_line(&mut text, ' ', line);
            }
            for line in &lines[change.first..change.end] {
                push_line(&mut text, '-', line);
            }
            for line in &change.new {
                push_line(&mut text, '+', line);
            }
            next = change.end;
        }
        for line in &lines[next..to] {
            push_line(&mut text, ' ', line);
        }
        shift += isize::try_from(added).unwrap_or(0) - isize::try_from(removed).unwrap_or(0);
        at = end;
    }
    text
}

/// The diff that takes the edits back.
pub fn inverse(path: &str, before: &str, edits: &[Edit]) -> String {
    let (after, back) = inverted(before, edits);
    unified(path, &after, &back)
}

/// The text after edits, and the edits that take them back.
pub fn inverted(before: &str, edits: &[Edit]) -> (String, Vec<Edit>) {
    let mut after = String::with_capacity(before.len() + edits.len() * 16);
    let mut back = Vec::with_capacity(edits.len());
    let mut at = 0;
    for edit in edits {
        after.push_str(before.get(at..edit.range.start).unwrap_or_default());
        let start = after.len();
        after.push_str(&edit.new);
        back.push(Edit {
            range: start..after.len(),
            old: edit.new.clone(),
            new: before
                .get(edit.range.clone())
                .unwrap_or_default()
                .to_owned(),
        });
        at = edit.range.end;
    }
    after.push_str(before.get(at..).unwrap_or_default());
    (after, back)
}

struct Change {
    /// First line, from 0, and the one behind the last.
    first: usize,
    end: usize,
    new: Vec<String>,
}

/// The lines that edits touch, and what stands there afterwards.
fn changed_lines(before: &str, edits: &[Edit]) -> Vec<Change> {
    let mut changes: Vec<Change> = Vec::new();
    let mut lines = before
        .split_inclusive('\n')
        .enumerate()
        .scan(0, |at, (number, line)| {
            let start = *at;
            *at += line.len();
            Some((number, start, *at))
        });
    let mut open: Option<(usize, usize, usize, String)> = None;
    let mut current: Option<(usize, usize, usize)> = None;
    let mut close = |open: Option<(usize, usize, usize, String)>| {
        if let Some((first, last, _, text)) = open {
            changes.push(Change {
                first,
                end: last + 1,
                new: text.split_inclusive('\n').map(str::to_owned).collect(),
            });
        }
    };
    // Text of a group of touched lines, built as edits come: up to `done` bytes of the original are in it.
    for edit in edits {
        while current.is_none_or(|(_, _, end)| end <= edit.range.start) {
            match lines.next() {
                Some(line) => current = Some(line),
                None => break,
            }
        }
        // An insertion at the very end of a text without a line break belongs to the last line.
        let Some((number, start, end)) = current else {
            break;
        };
        let joins = open.as_ref().is_some_and(|(_, last, _, _)| *last == number);
        if !joins {
            if let Some((first, last, done, mut text)) = open.take() {
                text.push_str(rest_of_line(before, done));
                close(Some((first, last, done, text)));
            }
            open = Some((number, number, start, String::new()));
        }
        if let Some((_, last, done, text)) = &mut open {
            text.push_str(before.get(*done..edit.range.start).unwrap_or_default());
            text.push_str(&edit.new);
            *done = edit.range.end;
            let mut end = end;
            while end < edit.range.end {
                match lines.next() {
                    Some(line) => {
                        current = Some(line);
                        *last = line.0;
                        end = line.2;
                    }
                    None => break,
                }
            }
        }
    }
    if let Some((first, last, done, mut text)) = open.take() {
        text.push_str(rest_of_line(before, done));
        close(Some((first, last, done, text)));
    }
    changes
}

fn rest_of_line(text: &str, at: usize) -> &str {
    // An edit that ended with its line has taken the line break along.
    if at > 0 && text[..at].ends_with('\n') {
        return "";
    }
    text[at..].split_inclusive('\n').next().unwrap_or_default()
}

fn push_line(text: &mut String, mark: char, line: &str) {
    text.push(mark);
    text.push_str(line);
    if !line.ends_with('\n') {
        text.push_str("\n\\ No newline at end of file\n");
    }
}

/// A path as git quotes it, where it must.
fn quoted_path(path: &str) -> String {
    let plain = path
        .chars()
        .all(|letter| !letter.is_control() && letter != '"' && letter != '\\');
    if plain && !path.contains(' ') {
        return path.to_owned();
    }
    if plain {
        // A tab ends a name that holds blanks.
        return format!("{path}\t");
    }
    let mut quoted = String::from("\"");
    for byte in path.bytes() {
        match byte {
            b'"' | b'\\' => {
                quoted.push('\\');
                quoted.push(char::from(byte));
            }
            0..=31 | 127.. => quoted.push_str(&format!("\\{byte:03o}")),
            _ => quoted.push(char::from(byte)),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edit(text: &str, old: &str, new: &str) -> Edit {
        let start = text.find(old).expect("the old text");
        Edit {
            range: start..start + old.len(),
            old: old.to_owned(),
            new: new.to_owned(),
        }
    }

    #[test]
    fn hunks_with_context() {
        let before: String = (1..=20)
            .map(|n| format!("line {n}.\r\n"))
            .collect::<String>()
            + "end";
        let edits = [
            edit(&before, "2.", "two"),
            edit(&before, "5.", "five"),
            edit(&before, "18.", "18!"),
            edit(&before, "end", "fin"),
        ];
        let patch = unified("a b.py", &before, &edits);
        expect_test::expect![[r#"
            --- a/a b.py	
            +++ b/a b.py	
            @@ -1,8 +1,8 @@
             line 1.
            -line 2.
            +line two
             line 3.
             line 4.
            -line 5.
            +line five
             line 6.
             line 7.
             line 8.
            @@ -15,7 +15,7 @@
             line 15.
             line 16.
             line 17.
            -line 18.
            +line 18!
             line 19.
             line 20.
            -end
            \ No newline at end of file
            +fin
            \ No newline at end of file
        "#]]
        .assert_eq(&patch.replace('\r', ""));
        let (after, back) = inverted(&before, &edits);
        let (again, _) = inverted(&after, &back);
        assert_eq!(again, before);
    }
}
