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
    let mut open: Option<Touched> = None;
    let mut current: Option<(usize, usize, usize)> = None;
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
        if open.as_ref().is_none_or(|touched| touched.last != number) {
            changes.extend(open.take().map(|touched| touched.change(before)));
            open = Some(Touched {
                first: number,
                last: number,
                end,
                done: start,
                new: String::new(),
            });
        }
        if let Some(touched) = &mut open {
            let between = touched.done..edit.range.start;
            touched
                .new
                .push_str(before.get(between).unwrap_or_default());
            touched.new.push_str(&edit.new);
            touched.done = edit.range.end;
            // With the line break of a line that is not all gone, the next line becomes a part of it.
            let joins =
                edit.old.ends_with('\n') && !touched.new.is_empty() && !touched.new.ends_with('\n');
            while touched.end < edit.range.end || joins && touched.end == edit.range.end {
                match lines.next() {
                    Some(line) => {
                        current = Some(line);
                        (touched.last, touched.end) = (line.0, line.2);
                    }
                    None => break,
                }
            }
        }
    }
    changes.extend(open.take().map(|touched| touched.change(before)));
    changes
}

/// Neighbouring lines that edits touch.
struct Touched {
    first: usize,
    last: usize,
    /// Where the last of them ends.
    end: usize,
    /// Up to which byte of the text before `new` has its text after.
    done: usize,
    new: String,
}

impl Touched {
    fn change(mut self, before: &str) -> Change {
        // An edit that took the line break along leaves nothing of its line; one in front of a line leaves all of it.
        let rest = before.get(self.done..self.end).unwrap_or_default();
        self.new.push_str(rest);
        Change {
            first: self.first,
            end: self.last + 1,
            new: self.new.split_inclusive('\n').map(str::to_owned).collect(),
        }
    }
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

    /// Puts a diff of one file on, by what stands in it alone.
    fn put_on(before: &str, patch: &str) -> String {
        let old: Vec<&str> = before.split_inclusive('\n').collect();
        let mut after = String::new();
        let mut at = 0;
        let mut lines = patch.split_inclusive('\n').skip(2).peekable();
        while let Some(line) = lines.next() {
            if let Some(ranges) = line.strip_prefix("@@ -") {
                let first = ranges.split([',', ' ']).next().expect("a number");
                let first: usize = first.parse().expect("a number");
                after.extend(old[at..first - 1].iter().copied());
                at = first - 1;
                continue;
            }
            let mut text = line[1..].to_owned();
            if lines.next_if(|next| next.starts_with('\\')).is_some() {
                text.pop();
            }
            if !line.starts_with('+') {
                assert_eq!(old[at], text, "{patch}");
                at += 1;
            }
            if !line.starts_with('-') {
                after.push_str(&text);
            }
        }
        after.extend(old[at..].iter().copied());
        after
    }

    #[test]
    fn a_diff_and_its_inverse_say_what_the_edits_say() {
        let insertion = |at: usize, new: &str| Edit {
            range: at..at,
            old: String::new(),
            new: new.to_owned(),
        };
        for before in [
            "one\n\ntwo a.t\nthree b.t\n",
            "one\r\n\r\ntwo a.t\r\nthree b.t",
        ] {
            let two = before.find("two").expect("it is there");
            for edits in [
                // A cell in front of an empty line, of a line, of a line that is edited too.
                vec![insertion(
                    before.find('\n').expect("a line") + 1,
                    "x = 1\n\n",
                )],
                vec![insertion(two, "x = 1\n")],
                vec![insertion(two, "x = 1\n"), edit(before, "a.t", "p.a.t")],
                vec![
                    insertion(0, "x\n"),
                    insertion(two, "y\n"),
                    edit(before, "b.t", "p.b.t"),
                ],
                vec![edit(before, "a.t", "p.a.t"), insertion(before.len(), "z")],
                vec![edit(before, "two a.t", "q\nr")],
                vec![edit(before, "\n", "")],
            ] {
                let (after, back) = inverted(before, &edits);
                assert_eq!(put_on(before, &unified("f", before, &edits)), after);
                assert_eq!(put_on(&after, &inverse("f", before, &edits)), before);
                assert_eq!(put_on(&after, &unified("f", &after, &back)), before);
            }
        }
    }
}
