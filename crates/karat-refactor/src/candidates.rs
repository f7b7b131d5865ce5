//! The independent scanner: finds in the raw text of a file whatever can be a mapped name or path, in any quoting and escaping.
//!
//! It is dumb on purpose and shares no code with the languages: it knows letters, not syntax. Every candidate must be explained by
//! an occurrence or a region; one that is not goes to a person. So nothing can be overlooked in silence, and the sums match.

use std::collections::HashSet;
use std::ops::Range;

use aho_corasick::{AhoCorasick, MatchKind};

use crate::mapping::{Mapping, TableLookup};

/// What a candidate looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Shape {
    /// A mapped database, a dot, a mapped table.
    MappedPair,
    /// A mapped database, a dot, another name.
    Pair,
    /// The name of a mapped table behind a word such as `FROM`.
    Bare,
    /// The beginning of a mapped path.
    Path,
}

/// A place that must be explained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Bytes of the decoded text of the asset.
    pub range: Range<usize>,
    /// Those of them that are written out: of `sales." + t` only `sales.`.
    pub written: Range<usize>,
    /// What it looks like.
    pub shape: Shape,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pattern {
    Database,
    /// The literal start of a rule's databases.
    DatabaseStart,
    Table,
    Path,
}

/// Finds candidates of one mapping.
pub struct Scanner<'m> {
    mapping: &'m Mapping,
    search: AhoCorasick,
    kinds: Vec<Vec<Pattern>>,
}

/// Words behind which a table's name stands alone.
const BEFORE_TABLE: &[&str] = &[
    "from",
    "join",
    "into",
    "table",
    "update",
    "view",
    "describe",
    "desc",
    "optimize",
    "vacuum",
    "refresh",
    "using",
    "truncate",
    "overwrite",
    "exists",
    "clone",
    "partitions",
    "history",
    "detail",
    "extended",
    "like",
    "formatted",
];

/// Methods whose first string is a table's name.
const METHODS: &[&str] = &[
    "table",
    "saveastable",
    "insertinto",
    "forname",
    "cachetable",
    "uncachetable",
    "refreshtable",
    "tableexists",
    "totable",
    "writeto",
    "createtable",
    "tabletodf",
    "tabletosparkdf",
    "sdf_load_table",
    "istable",
    "iscached",
    "recoverpartitions",
];

impl<'m> Scanner<'m> {
    /// A scanner for a mapping.
    pub fn new(mapping: &'m Mapping) -> Self {
        let mut patterns: Vec<String> = Vec::new();
        let mut kinds: Vec<Vec<Pattern>> = Vec::new();
        let mut known = std::collections::HashMap::new();
        let mut add = |text: &str, kind: Pattern| {
            if text.is_empty() {
                return;
            }
            let text = text.to_lowercase();
            let index = *known.entry(text.clone()).or_insert_with(|| {
                patterns.push(text);
                kinds.push(Vec::new());
                kinds.len() - 1
            });
            kinds[index].push(kind);
        };
        for database in mapping.databases() {
            add(database, Pattern::Database);
        }
        for start in mapping.database_starts() {
            add(&start, Pattern::DatabaseStart);
        }
        let mut tables = HashSet::new();
        for (old, _) in mapping.tables() {
            if tables.insert(old.table.as_str()) {
                add(&old.table, Pattern::Table);
            }
        }
        for (path, _) in mapping.paths() {
            add(path, Pattern::Path);
        }
        let search = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::Standard)
            .build(&patterns)
            .or_else(|_| AhoCorasick::new(Vec::<String>::new()))
            .expect("no patterns at all can always be searched for");
        Self {
            mapping,
            search,
            kinds,
        }
    }

    /// All candidates of a text, in order; of those that overlap, the longest.
    pub fn candidates(&self, text: &str) -> Vec<Candidate> {
        let mut found = Vec::new();
        for hit in self.search.find_overlapping_iter(text) {
            for kind in &self.kinds[hit.pattern().as_usize()] {
                let candidate = match kind {
                    Pattern::Database => self.pair(text, hit.start(), hit.end()),
                    Pattern::DatabaseStart => self.pair_of_rule(text, hit.start(), hit.end()),
                    Pattern::Table => bare(text, hit.start(), hit.end()),
                    Pattern::Path => path(text, hit.start(), hit.end()),
                };
                found.extend(candidate);
            }
        }
        found.sort_by(|a: &Candidate, b| {
            (a.range.start, std::cmp::Reverse(a.range.end))
                .cmp(&(b.range.start, std::cmp::Reverse(b.range.end)))
        });
        let mut kept: Vec<Candidate> = Vec::with_capacity(found.len());
        for candidate in found {
            let inside = kept
                .last()
                .is_some_and(|last| candidate.range.end <= last.range.end);
            if !inside {
                kept.push(candidate);
            }
        }
        kept
    }

    /// `database`, anything that can stand around a dot, a dot, a name.
    fn pair(&self, text: &str, start: usize, end: usize) -> Option<Candidate> {
        if text[..start].ends_with(is_name_letter) || text[end..].starts_with(is_name_letter) {
            return None;
        }
        let dot = end + marks(&text[end..]);
        let behind = dot + dot_length(&text[dot..])?;
        let name = behind + marks(&text[behind..]);
        let rest = &text[name..];
        let length = rest
            .find(|letter| !is_name_letter(letter))
            .unwrap_or(rest.len());
        let is_put_in = length == 0;
        let length = if is_put_in {
            // A name that is put in later: `sales.{t}`, `sales." + t`, `sales.%s`.
            rest.chars()
                .next()
                .filter(|letter| matches!(letter, '{' | '$' | '%' | '+' | '*' | '<' | '@'))
                .map_or(0, char::len_utf8)
        } else {
            length
        };
        if length == 0 {
            return (name > behind).then_some(Candidate {
                // `"sales." + t`.
                range: start..behind,
                written: start..behind,
                shape: Shape::Pair,
            });
        }
        let mapped = matches!(
            self.mapping.table(&text[start..end], &rest[..length]),
            TableLookup::Mapped(_) | TableLookup::Contradiction(_)
        );
        let end = name + length;
        Some(Candidate {
            range: start..end,
            written: start..if is_put_in { behind } else { end },
            shape: if mapped {
                Shape::MappedPair
            } else {
                Shape::Pair
            },
        })
    }

    fn pair_of_rule(&self, text: &str, start: usize, end: usize) -> Option<Candidate> {
        if text[..start].ends_with(is_name_letter) {
            return None;
        }
        let rest = &text[end..];
        let end = end
            + rest
                .find(|letter| !is_name_letter(letter))
                .unwrap_or(rest.len());
        self.mapping
            .knows_database(&text[start..end])
            .then(|| self.pair(text, start, end))
            .flatten()
    }
}

fn is_name_letter(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

/// Quotes, escapes and blanks that can stand between the parts of a name.
fn marks(text: &str) -> usize {
    let mut length = 0;
    for letter in text.chars().take(6) {
        if dot_length(&text[length..]).is_some()
            || !matches!(letter, '`' | '"' | '\'' | '\\' | ' ' | '[' | ']')
        {
            break;
        }
        length += letter.len_utf8();
    }
    // Blanks alone part words, they do not join them.
    if text[..length].trim().is_empty() && !text[length..].starts_with('.') && length > 0 {
        return 0;
    }
    length
}

fn dot_length(text: &str) -> Option<usize> {
    if text.starts_with('.') {
        return Some(1);
    }
    ["\\u002e", "\\u002E", "%2E", "%2e"]
        .iter()
        .find(|escape| text.starts_with(**escape))
        .map(|escape| escape.len())
}

/// A table's name behind a word that tables stand behind.
fn bare(text: &str, start: usize, end: usize) -> Option<Candidate> {
    let before = &text[..start];
    if before.ends_with(is_name_letter) || text[end..].starts_with(is_name_letter) {
        return None;
    }
    let unquoted = before.trim_end_matches(['`', '"', '\'', '\\']);
    let opened = unquoted.trim_end();
    let called = opened
        .strip_suffix('(')
        .filter(|_| unquoted.len() < before.len());
    let (words, list) = match called {
        Some(rest) => (rest.trim_end(), METHODS),
        None if opened.len() < unquoted.len() => (opened, BEFORE_TABLE),
        None => return None,
    };
    let word_start = words
        .rfind(|letter| !is_name_letter(letter))
        .map_or(0, |at| {
            at + words[at..].chars().next().map_or(1, char::len_utf8)
        });
    let word = &words[word_start..];
    list.iter()
        .any(|known| word.eq_ignore_ascii_case(known))
        .then_some(Candidate {
            range: start..end,
            written: start..end,
            shape: Shape::Bare,
        })
}

fn path(text: &str, start: usize, end: usize) -> Option<Candidate> {
    let goes_on = text[end..]
        .starts_with(|letter: char| is_name_letter(letter) || matches!(letter, '-' | '.' | '~'));
    let before = &text[..start];
    let in_other = before
        .ends_with(|letter: char| is_name_letter(letter) || matches!(letter, '.' | '-'))
        && !before.to_ascii_lowercase().ends_with("/dbfs");
    if goes_on || in_other {
        return None;
    }
    Some(Candidate {
        range: start..end,
        written: start..end,
        shape: Shape::Path,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mapping::read::of_pairs;

    fn shown(text: &str) -> String {
        let mapping = of_pairs(&[
            ("sales.orders", "prod.sales.orders"),
            ("raw.stg", "prod.raw.stg"),
            ("/mnt/raw", "/Volumes/prod/raw"),
        ]);
        let scanner = Scanner::new(&mapping);
        let found = scanner.candidates(text);
        found
            .iter()
            .map(|candidate| format!("{:?} {}\n", candidate.shape, &text[candidate.range.clone()]))
            .collect()
    }

    #[test]
    fn candidates_in_any_quoting() {
        expect_test::expect![[r#"
            MappedPair sales.orders
            MappedPair Sales`.`ORDERS
            MappedPair sales\".\"orders
            MappedPair sales\u002eorders
            Pair sales.{
            Pair sales.x
            Bare orders
            Bare orders
            Path /mnt/raw
            Path /mnt/raw
        "#]]
        .assert_eq(&shown(
            "sales.orders `Sales`.`ORDERS` \\\"sales\\\".\\\"orders\\\" sales\\u002eorders f'sales.{t}' sales.x presales.orders \
             from orders; spark.table('orders') my orders, '/mnt/raw/x' dbfs:/mnt/raw /mnt/rawer",
        ));
    }
}
