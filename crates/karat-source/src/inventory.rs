//! What a source holds by name, listed once for any number of feeds: which of them name nothing, read columns without a type, or pass near names over.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use globset::{GlobBuilder, GlobMatcher};

use crate::FeedSpec;

/// Names of a source beyond which nothing is said: looking for names must stay quick.
pub(crate) const NAMES_MAX: usize = 200_000;
/// Comparisons of names with patterns; beyond them nothing is said.
const COMPARISONS_MAX: usize = 20_000_000;
/// A regular expression takes as long to build as so many comparisons.
const BUILDING: usize = 2_000;
/// Folders deeper than this are taken for a loop of links.
const DEPTH_MAX: usize = 64;

/// The names in a source.
#[derive(Debug)]
pub struct Inventory {
    names: Names,
    comparisons_left: usize,
}

#[derive(Debug)]
enum Names {
    /// Relative paths with `/`, sorted.
    Files(Vec<String>),
    Tables {
        names: Vec<String>,
        /// Columns without a declared type, folded and as spelled, by table in lower case.
        untyped: BTreeMap<String, Vec<(String, String)>>,
    },
    /// Too many, or not all can be seen.
    Untold,
}

/// Whether a feed names anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// It does, or that cannot be told.
    Perhaps,
    /// It does not; these are the names beside it, each of the kind of `missing`.
    Nothing {
        /// The part of its path that is not there, or its table.
        missing: String,
        /// What precedes that part: a folder with `/`, or nothing.
        within: String,
        /// Files, folders or tables that are there instead, sorted.
        beside: Vec<String>,
    },
}

impl Inventory {
    /// Of a folder with all below it.
    pub(crate) fn of_folder(root: &Path) -> Inventory {
        let mut paths = Vec::new();
        let names = match list(root, "", &mut Vec::new(), &mut paths) {
            Some(()) => {
                paths.sort_unstable();
                Names::Files(paths)
            }
            None => Names::Untold,
        };
        Inventory::new(names)
    }

    /// Of a database.
    pub(crate) fn of_tables(
        names: Vec<String>,
        untyped: BTreeMap<String, Vec<(String, String)>>,
    ) -> Inventory {
        Inventory::new(Names::Tables { names, untyped })
    }

    fn new(names: Names) -> Inventory {
        Inventory {
            names,
            comparisons_left: COMPARISONS_MAX,
        }
    }

    /// Whether there is no name at all: nothing has arrived yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match &self.names {
            Names::Files(names) | Names::Tables { names, .. } => names.is_empty(),
            Names::Untold => false,
        }
    }

    /// Of a folder the paths of its files, unless they are too many.
    #[must_use]
    pub fn files(&self) -> &[String] {
        match &self.names {
            Names::Files(paths) => paths,
            Names::Tables { .. } | Names::Untold => &[],
        }
    }

    /// Whether the feed names anything that is there.
    pub fn find(&mut self, feed: &FeedSpec) -> Found {
        match (&self.names, &feed.path, &feed.table) {
            (Names::Files(paths), Some(pattern), _) => {
                match matches_any(paths, pattern, &mut self.comparisons_left) {
                    Some(false) => nothing_at(paths, pattern),
                    _ => Found::Perhaps,
                }
            }
            (Names::Tables { names: tables, .. }, _, Some(table)) => {
                if tables.iter().any(|name| name.eq_ignore_ascii_case(table)) {
                    return Found::Perhaps;
                }
                Found::Nothing {
                    missing: table.clone(),
                    within: String::new(),
                    beside: tables.clone(),
                }
            }
            _ => Found::Perhaps,
        }
    }
}

impl Inventory {
    /// The columns that a feed reads of its table and that declare no type, as the source spells them.
    #[must_use]
    pub fn untyped_of(&self, feed: &FeedSpec) -> Vec<&str> {
        let (Names::Tables { untyped, .. }, Some(table)) = (&self.names, &feed.table) else {
            return Vec::new();
        };
        let columns = untyped.get(&table.to_lowercase()).into_iter().flatten();
        let is_read = |(folded, name): &&(String, String)| {
            let chosen = feed.columns.as_ref();
            chosen.is_none_or(|chosen| chosen.contains(folded) || chosen.contains(name))
        };
        columns
            .filter(is_read)
            .map(|(_, name)| name.as_str())
            .collect()
    }

    /// The files that a feed names, as far as that can be told quickly.
    #[must_use]
    pub fn files_of(&self, feed: &FeedSpec) -> Vec<&str> {
        let (Names::Files(paths), Some(pattern)) = (&self.names, &feed.path) else {
            return Vec::new();
        };
        let Some(matcher) = Matcher::new(pattern) else {
            return Vec::new();
        };
        let literal = &pattern[..pattern.find(is_wild).unwrap_or(pattern.len())];
        let first = paths.partition_point(|path| path.as_str() < literal);
        paths[first..]
            .iter()
            .map(String::as_str)
            .take_while(|path| path.starts_with(literal))
            .filter(|path| matcher.matches(path))
            .collect()
    }
}

/// Endings of packed files.
const PACKED: [&str; 7] = [".gz", ".bz2", ".zip", ".zst", ".xz", ".z", ".7z"];
/// Endings of files with rows; others beside them are marks, sums and notes.
const ROWS: [&str; 10] = [
    ".csv", ".tsv", ".txt", ".dat", ".psv", ".json", ".ndjson", ".jsonl", ".parquet", ".xlsx",
];

impl Inventory {
    /// Files that a feed passes over although their names are those of its files but for the ending or the case of letters, and no other
    /// feed reads them. Nothing where that cannot be told quickly.
    pub fn near_misses(&mut self, feed: &FeedSpec, others: &[FeedSpec]) -> Vec<String> {
        let (Names::Files(paths), Some(pattern)) = (&self.names, &feed.path) else {
            return Vec::new();
        };
        let fixed = &pattern[..pattern.find(is_wild).unwrap_or(pattern.len())];
        let folder = &fixed[..fixed.rfind('/').map_or(0, |slash| slash + 1)];
        let first = paths.partition_point(|path| path.as_str() < folder);
        let candidates = paths[first..].iter();
        let candidates: Vec<&String> = candidates
            .take_while(|path| path.starts_with(folder))
            .collect();
        let Some(left) = self
            .comparisons_left
            .checked_sub(BUILDING + candidates.len())
        else {
            return Vec::new();
        };
        self.comparisons_left = left;
        let lower = pattern.to_lowercase();
        let (Some(exact), Some(near)) = (Matcher::new(pattern), Near::of(&lower)) else {
            return Vec::new();
        };
        // Most paths differ before the first `*` or ending, whatever the case of their letters.
        let ending = fixed[folder.len()..].find('.');
        let stem = &fixed.as_bytes()[..ending.map_or(fixed.len(), |dot| folder.len() + dot)];
        let begins = |path: &str| {
            let beginning = path.as_bytes().get(..stem.len());
            beginning.is_some_and(|beginning| beginning.eq_ignore_ascii_case(stem))
        };
        let missed = candidates
            .into_iter()
            .filter(|path| begins(path) && near.is(path) && !exact.matches(path));
        let read_by_another = |path: &String| {
            let mut patterns = others.iter().filter_map(|other| other.path.as_deref());
            patterns.any(|other| Matcher::new(other).is_some_and(|other| other.matches(path)))
        };
        missed
            .filter(|path| !read_by_another(path))
            .cloned()
            .collect()
    }
}

/// What is nearly a pattern, which is in lower case.
struct Near<'p> {
    pattern: Matcher<'p>,
    /// Of a pattern like `orders*.csv`, whose files have a name of their own: its ending.
    ending: Option<&'p str>,
}

impl Near<'_> {
    fn of(pattern: &str) -> Option<Near<'_>> {
        let name = &pattern[pattern.rfind('/').map_or(0, |slash| slash + 1)..];
        let is_named = name.starts_with(|first: char| !is_wild(first) && first != '.');
        let after = name.rfind(['*', '?', ']', '}']).map_or(0, |wild| wild + 1);
        let ending = name[after..].find('.').map(|dot| &name[after + dot..]);
        let is_packed = |ending: &str| PACKED.iter().any(|packed| ending.ends_with(packed));
        let is_of_rows = |ending: &&str| ROWS.contains(ending) || is_packed(ending);
        Some(Near {
            pattern: Matcher::new(pattern)?,
            ending: ending.filter(is_of_rows).filter(|_| is_named),
        })
    }

    fn is(&self, path: &str) -> bool {
        let path = path.to_lowercase();
        let packed = PACKED.iter().find_map(|ending| path.strip_suffix(ending));
        let bare = packed.unwrap_or(&path);
        if self.pattern.matches(&path) || self.pattern.matches(bare) {
            return true;
        }
        let Some(ending) = self.ending else {
            return false;
        };
        // Packed where the pattern says so, and not here; or rows in another format.
        let unpacked = PACKED.iter().find_map(|packed| ending.strip_suffix(packed));
        let stem = ROWS.iter().find_map(|rows| bare.strip_suffix(rows));
        let of_stem = stem.map(|stem| format!("{stem}{ending}"));
        let of_packed = unpacked.and_then(|unpacked| {
            let stem = bare.strip_suffix(unpacked)?;
            Some(format!("{stem}{ending}"))
        });
        [of_stem, of_packed]
            .iter()
            .flatten()
            .any(|path| self.pattern.matches(path))
    }
}

/// All files below a folder; None if there are too many or one cannot be seen.
fn list(
    folder: &Path,
    relative: &str,
    open: &mut Vec<PathBuf>,
    paths: &mut Vec<String>,
) -> Option<()> {
    if open.len() > DEPTH_MAX {
        return None;
    }
    // A link that leads back shows nothing new.
    let real = fs::canonicalize(folder).ok()?;
    if open.contains(&real) {
        return Some(());
    }
    open.push(real);
    for entry in fs::read_dir(folder).ok()? {
        let entry = entry.ok()?;
        let name = entry.file_name();
        let name = name.to_str()?;
        let path = match relative {
            "" => name.to_owned(),
            _ => format!("{relative}/{name}"),
        };
        let mut kind = entry.file_type().ok()?;
        if kind.is_symlink() {
            match fs::metadata(entry.path()) {
                Ok(stat) => kind = stat.file_type(),
                // It leads nowhere.
                Err(_) => continue,
            }
        }
        if kind.is_dir() {
            list(&entry.path(), &path, open, paths)?;
        } else {
            paths.push(path);
        }
        if paths.len() > NAMES_MAX {
            return None;
        }
    }
    open.pop();
    Some(())
}

fn is_wild(letter: char) -> bool {
    matches!(letter, '*' | '?' | '[' | '{' | '\\')
}

/// Whether a path matches the pattern; None if that would take too long, or the pattern is none.
fn matches_any(paths: &[String], pattern: &str, left: &mut usize) -> Option<bool> {
    let literal = &pattern[..pattern.find(is_wild).unwrap_or(pattern.len())];
    if literal.len() == pattern.len() {
        return Some(
            paths
                .binary_search_by(|path| path.as_str().cmp(pattern))
                .is_ok(),
        );
    }
    let first = paths.partition_point(|path| path.as_str() < literal);
    let candidates = paths[first..]
        .iter()
        .take_while(|path| path.starts_with(literal));
    let matcher = Matcher::new(pattern)?;
    if matches!(matcher, Matcher::Glob(_)) {
        *left = left.checked_sub(BUILDING)?;
    }
    for path in candidates {
        *left = left.checked_sub(1)?;
        if matcher.matches(path) {
            return Some(true);
        }
    }
    Some(false)
}

/// Most patterns need no regular expression, which takes long to build.
enum Matcher<'p> {
    Plain(&'p [u8]),
    Glob(GlobMatcher),
}

impl Matcher<'_> {
    fn new(pattern: &str) -> Option<Matcher<'_>> {
        if pattern.is_ascii() && !pattern.contains(['[', '{', '\\']) && !pattern.contains("**") {
            return Some(Matcher::Plain(pattern.as_bytes()));
        }
        let glob = GlobBuilder::new(pattern)
            .literal_separator(true)
            .build()
            .ok()?;
        Some(Matcher::Glob(glob.compile_matcher()))
    }

    fn matches(&self, path: &str) -> bool {
        match self {
            Matcher::Plain(pattern) if path.is_ascii() => plain(pattern, path.as_bytes()),
            // `?` stands for a letter of several bytes, too.
            Matcher::Plain(pattern) => std::str::from_utf8(pattern)
                .ok()
                .and_then(|pattern| {
                    GlobBuilder::new(pattern)
                        .literal_separator(true)
                        .build()
                        .ok()
                })
                .is_none_or(|glob| glob.compile_matcher().is_match(path)),
            Matcher::Glob(glob) => glob.is_match(path),
        }
    }
}

/// `*` and `?` within one part of a path.
fn plain(pattern: &[u8], path: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while t < path.len() {
        match pattern.get(p) {
            Some(b'*') => {
                retry = Some((p, t));
                p += 1;
            }
            Some(b'?') if path[t] != b'/' => (p, t) = (p + 1, t + 1),
            Some(letter) if *letter == path[t] => (p, t) = (p + 1, t + 1),
            _ => match retry {
                // The star takes one letter more.
                Some((star, taken)) if path[taken] != b'/' => {
                    retry = Some((star, taken + 1));
                    (p, t) = (star + 1, taken + 1);
                }
                _ => return false,
            },
        }
    }
    pattern[p..].iter().all(|letter| *letter == b'*')
}

/// Names that are told in a hint need not be more.
const BESIDE_MAX: usize = 1_000;

/// The first part of the pattern that is not there, and what stands in its place.
fn nothing_at(paths: &[String], pattern: &str) -> Found {
    let parts: Vec<&str> = pattern.split('/').collect();
    let mut within = String::new();
    for (nth, part) in parts.iter().enumerate() {
        let deeper = nth + 1 < parts.len();
        if !deeper || part.contains(is_wild) || !is_folder(paths, &format!("{within}{part}/")) {
            return Found::Nothing {
                missing: (*part).to_owned(),
                beside: beside(paths, &within, deeper),
                within,
            };
        }
        within.push_str(part);
        within.push('/');
    }
    Found::Perhaps
}

fn is_folder(paths: &[String], folder: &str) -> bool {
    let first = paths.partition_point(|path| path.as_str() < folder);
    paths
        .get(first)
        .is_some_and(|path| path.starts_with(folder))
}

/// Folders or files directly within a folder.
fn beside(paths: &[String], within: &str, folders: bool) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let mut at = paths.partition_point(|path| path.as_str() < within);
    while let Some(rest) = paths.get(at).and_then(|path| path.strip_prefix(within)) {
        if names.len() == BESIDE_MAX {
            break;
        }
        match rest.split_once('/') {
            None => {
                if !folders {
                    names.push(rest.to_owned());
                }
                at += 1;
            }
            Some((folder, _)) => {
                if folders {
                    names.push(folder.to_owned());
                }
                // Past all that lies in it: `0` follows `/`.
                let behind = format!("{within}{folder}0");
                at = paths.partition_point(|path| *path < behind);
            }
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(paths: &[&str], pattern: &str) -> String {
        let mut inventory = Inventory::new(Names::Files(
            paths.iter().map(|path| (*path).to_owned()).collect(),
        ));
        let feed = FeedSpec {
            path: Some(pattern.to_owned()),
            ..FeedSpec::default()
        };
        match inventory.find(&feed) {
            Found::Perhaps => "perhaps".to_owned(),
            Found::Nothing {
                missing,
                within,
                beside,
            } => format!("no `{missing}` in `{within}`, but {}", beside.join(" ")),
        }
    }

    #[test]
    fn what_is_not_there_is_told_with_what_is() {
        let paths = [
            "entries/a.csv",
            "entries/b.csv",
            "entries/old/c.csv",
            "readme.txt",
        ];
        for (pattern, expected) in [
            ("entries/*.csv", "perhaps"),
            ("entries/?.csv", "perhaps"),
            ("*/*.csv", "perhaps"),
            ("**/c.csv", "perhaps"),
            ("*.txt", "perhaps"),
            ("readme.txt", "perhaps"),
            ("{entries,other}/a*", "perhaps"),
            ("*.csv", "no `*.csv` in ``, but readme.txt"),
            ("entrys/*.csv", "no `entrys` in ``, but entries"),
            ("entries/*.tsv", "no `*.tsv` in `entries/`, but a.csv b.csv"),
            ("entries/odl/c.csv", "no `odl` in `entries/`, but old"),
            ("entries/c.csv", "no `c.csv` in `entries/`, but a.csv b.csv"),
            ("entries/**/d.csv", "no `**` in `entries/`, but old"),
        ] {
            assert_eq!(find(&paths, pattern), expected, "{pattern}");
        }
    }

    #[test]
    fn names_that_are_nearly_a_feeds_are_told() {
        let paths = [
            "in/Orders_3.csv",
            "in/notes.md",
            "in/old/orders_0.csv.gz",
            "in/orders_1.csv",
            "in/orders_1.csv.gz",
            "in/orders_1.csv.sha256",
            "in/orders_2.CSV",
            "in/orders_3.tsv",
            "in/orders_lines.txt",
            "in/readme.txt",
        ];
        let missed = |pattern: &str, others: &[&str]| {
            let mut inventory = Inventory::new(Names::Files(
                paths.iter().map(|path| (*path).to_owned()).collect(),
            ));
            let feed = |pattern: &str| FeedSpec {
                path: Some(pattern.to_owned()),
                ..FeedSpec::default()
            };
            let others: Vec<FeedSpec> = others.iter().map(|other| feed(other)).collect();
            inventory.near_misses(&feed(pattern), &others).join(" ")
        };
        for (pattern, others, expected) in [
            (
                "in/orders*.csv",
                &["in/orders_lines*"][..],
                "in/Orders_3.csv in/orders_1.csv.gz in/orders_2.CSV in/orders_3.tsv",
            ),
            ("in/*.csv", &[], "in/orders_1.csv.gz in/orders_2.CSV"),
            (
                "in/orders*.csv.gz",
                &["in/*.tsv", "in/*.txt"],
                "in/Orders_3.csv in/orders_1.csv in/orders_2.CSV",
            ),
            ("in/orders_1.csv.gz", &[], "in/orders_1.csv"),
            ("in/orders_3.csv", &[], "in/Orders_3.csv in/orders_3.tsv"),
            ("in/orders*", &[], "in/Orders_3.csv"),
            ("in/**", &[], ""),
            ("none/*.csv", &[], ""),
        ] {
            assert_eq!(missed(pattern, others), expected, "{pattern}");
        }
    }

    proptest::proptest! {
        #![proptest_config(proptest::test_runner::Config { rng_seed: proptest::test_runner::RngSeed::Fixed(7), failure_persistence: None, ..Default::default() })]

        #[test]
        fn the_quick_matcher_agrees_with_the_other(pattern in "[ab*?/]{1,8}", path in "[ab/]{0,8}") {
            let glob = GlobBuilder::new(&pattern).literal_separator(true).build();
            if let (Ok(glob), false) = (glob, pattern.contains("**")) {
                proptest::prop_assert_eq!(plain(pattern.as_bytes(), path.as_bytes()), glob.compile_matcher().is_match(&path));
            }
        }
    }
}
