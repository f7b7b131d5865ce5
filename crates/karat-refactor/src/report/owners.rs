//! Who owns a file, as CODEOWNERS says: the last pattern that fits decides.

/// A CODEOWNERS file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Owners {
    rules: Vec<Rule>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    /// Segments of the pattern; `**` stands for any number of folders.
    segments: Vec<String>,
    /// Whether it fits folders, and so all files in them.
    folders: bool,
    owners: Vec<String>,
}

impl Owners {
    /// Reads a CODEOWNERS file. Lines that are no rule (GitLab's sections, negations) are left out.
    pub fn parse(text: &str) -> Self {
        let rules = text.lines().filter_map(rule).collect();
        Owners { rules }
    }

    /// Whether there is no rule at all.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// The owners of a path with `/`; empty if nobody owns it.
    pub fn of(&self, path: &str) -> &[String] {
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        self.rules
            .iter()
            .rev()
            .find(|rule| rule.fits(&parts))
            .map_or(&[], |rule| rule.owners.as_slice())
    }

    /// The owners in one word, for tables and file names; `unowned` if there are none.
    pub fn name_of(&self, path: &str) -> String {
        match self.of(path) {
            [] => "unowned".to_owned(),
            owners => owners.join(" "),
        }
    }
}

fn rule(line: &str) -> Option<Rule> {
    let line = line.split_once(" #").map_or(line, |(rule, _)| rule).trim();
    if line.is_empty() || line.starts_with(['#', '!', '[', '^']) {
        return None;
    }
    // A blank in a pattern is written `\ `.
    let mut words: Vec<String> = Vec::new();
    let mut word = String::new();
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => word.extend(letters.next()),
            letter if letter.is_whitespace() => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
            }
            letter => word.push(letter),
        }
    }
    words.push(word);
    words.retain(|word| !word.is_empty());
    let (pattern, owners) = words.split_first()?;
    let body = pattern.trim_end_matches('/');
    let anchored = body.trim_start_matches('/').contains('/') || pattern.starts_with('/');
    let mut segments: Vec<String> = body
        .trim_start_matches('/')
        .split('/')
        .map(str::to_owned)
        .collect();
    if !anchored {
        segments.insert(0, "**".to_owned());
    }
    // `docs/*` fits the files of the folder and not those of folders in it.
    let folders = pattern.ends_with('/')
        || segments
            .last()
            .is_some_and(|last| last != "*" && last != "**")
        || !anchored && body != "*";
    Some(Rule {
        segments,
        folders: folders || body == "*",
        owners: owners.to_vec(),
    })
}

/// A pattern of paths as CODEOWNERS and `.gitignore` write them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(Rule);

impl Pattern {
    /// Reads a pattern; `None` if it is none.
    pub fn of(pattern: &str) -> Option<Self> {
        rule(&pattern.replace(' ', "\\ ")).map(Self)
    }

    /// Whether it fits a path with `/`, or a folder that the path lies in.
    pub fn fits(&self, path: &str) -> bool {
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        self.0.fits(&parts)
    }
}

impl Rule {
    fn fits(&self, parts: &[&str]) -> bool {
        let whole = std::iter::once(parts.len());
        let folders = (1..parts.len()).take_while(|_| self.folders);
        whole
            .chain(folders)
            .any(|length| fits(&self.segments, &parts[..length]))
    }
}

/// Whether segments fit parts, `**` standing for any number of parts; in time of their product.
fn fits(segments: &[String], parts: &[&str]) -> bool {
    let mut reached = vec![false; parts.len() + 1];
    reached[0] = true;
    for segment in segments {
        let mut next = vec![false; parts.len() + 1];
        if segment == "**" {
            let mut any = false;
            for (at, slot) in next.iter_mut().enumerate() {
                any |= reached[at];
                *slot = any;
            }
        } else {
            for at in 0..parts.len() {
                next[at + 1] = reached[at] && fits_word(segment, parts[at]);
            }
        }
        reached = next;
    }
    reached[parts.len()]
}

/// `*` stands for any letters, `?` for one.
fn fits_word(pattern: &str, word: &str) -> bool {
    let word: Vec<char> = word.chars().collect();
    let mut reached = vec![false; word.len() + 1];
    reached[0] = true;
    for letter in pattern.chars() {
        let mut next = vec![false; word.len() + 1];
        if letter == '*' {
            let mut any = false;
            for (at, slot) in next.iter_mut().enumerate() {
                any |= reached[at];
                *slot = any;
            }
        } else {
            for at in 0..word.len() {
                next[at + 1] = reached[at] && (letter == '?' || letter == word[at]);
            }
        }
        reached = next;
    }
    reached[word.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_rule_that_fits_decides() {
        let owners = Owners::parse(
            "# all\n* @all\n*.sql @sql @dba # both\n/build/ @build\ndocs/* @docs\napps/ @apps\n/a/**/z.py @z\nmy\\ file.py @blank\n/free/\n[section]\n!no @x\n",
        );
        for (path, expected) in [
            ("x/y.py", "@all"),
            ("x/y.sql", "@sql @dba"),
            ("build/a/b.sql", "@build"),
            ("x/build/b.py", "@all"),
            ("docs/a.md", "@docs"),
            ("docs/a/b.md", "@all"),
            ("x/apps/a/b.py", "@apps"),
            ("a/z.py", "@z"),
            ("a/b/c/z.py", "@z"),
            ("x/my file.py", "@blank"),
            ("free/x.sql", "unowned"),
        ] {
            assert_eq!(owners.name_of(path), expected, "{path}");
        }
        assert_eq!(Owners::default().name_of("x"), "unowned");
    }
}
