//! Written names: their parts with and without backticks, what they can be where parts are decided at run time, and the paths by which
//! notebooks know each other. What they mean is not known here.

use std::ops::Range;

use crate::fragment::{self, Fragment, Hole};

/// One part of a written name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamePart {
    /// Its bytes in the fragment, backticks included.
    pub range: Range<usize>,
    /// The part without backticks; may hold placeholders of holes.
    pub text: String,
    /// Whether it stands in backticks (or the quotes of its language).
    pub quoted: bool,
}

/// Names with more combinations of values than this are left to a person.
const COMBINATIONS_MAX: usize = 256;

/// The parts of a name that fills a range: letters, digits, `_`, placeholders, or anything in backticks; dots between. `None` if
/// it is not such a name.
pub fn name_parts(text: &str, range: Range<usize>) -> Option<Vec<NamePart>> {
    let whole = text.get(range.clone())?;
    let lead = whole.len() - whole.trim_start().len();
    let mut at = range.start + lead;
    let end = range.start + whole.trim_end().len();
    let mut parts = Vec::new();
    loop {
        let rest = text.get(at..end)?;
        let part = if rest.starts_with('`') {
            let mut close = 1;
            loop {
                let next = rest[close..].find('`')? + close;
                if rest[next + 1..].starts_with('`') {
                    close = next + 2;
                } else {
                    close = next + 1;
                    break;
                }
            }
            NamePart {
                range: at..at + close,
                text: rest[1..close - 1].replace("``", "`"),
                quoted: true,
            }
        } else {
            let length = rest
                .find(|letter: char| {
                    !(letter.is_alphanumeric()
                        || letter == '_'
                        || letter == '$'
                        || fragment::is_placeholder(letter))
                })
                .unwrap_or(rest.len());
            if length == 0 {
                return None;
            }
            NamePart {
                range: at..at + length,
                text: rest[..length].to_owned(),
                quoted: false,
            }
        };
        at = part.range.end;
        parts.push(part);
        if at == end {
            return Some(parts);
        }
        if !text[at..end].starts_with('.') {
            return None;
        }
        at += 1;
    }
}

/// The whole range of a name.
pub(crate) fn whole(parts: &[NamePart]) -> Option<Range<usize>> {
    Some(parts.first()?.range.start..parts.last()?.range.end)
}

/// All texts that a name can be, part by part; `None` if a hole in it is open, or there are too many.
pub(super) fn combinations(fragment: &Fragment, parts: &[NamePart]) -> Option<Vec<Vec<String>>> {
    combinations_by(fragment, parts, |hole| &hole.values)
}

/// Texts that a name can be among others, part by part; none if nothing is known of a hole in it.
pub(super) fn likely(fragment: &Fragment, parts: &[NamePart]) -> Vec<Vec<String>> {
    fn of_hole(hole: &Hole) -> &Vec<String> {
        match hole.values.is_empty() {
            true => &hole.likely,
            false => &hole.values,
        }
    }
    combinations_by(fragment, parts, of_hole).unwrap_or_default()
}

/// All that a name may be: texts, and where nobody knows, what is written of it.
pub(super) fn possible(fragment: &Fragment, parts: &[NamePart]) -> Vec<Vec<String>> {
    if let Some(all) = combinations(fragment, parts) {
        return all;
    }
    let mut names = likely(fragment, parts);
    names.push(parts.iter().map(|part| part.text.clone()).collect());
    names
}

fn combinations_by(
    fragment: &Fragment,
    parts: &[NamePart],
    of_hole: impl Fn(&Hole) -> &Vec<String>,
) -> Option<Vec<Vec<String>>> {
    let range = whole(parts)?;
    let holes = fragment.holes_in(&range);
    let mut texts: Vec<Vec<(String, bool)>> = vec![
        parts
            .iter()
            .map(|part| (part.text.clone(), part.quoted))
            .collect(),
    ];
    for hole in holes {
        // The only value of a hole stands in the text already.
        if hole.values.len() == 1 {
            continue;
        }
        let mark = fragment::placeholder(hole.mark);
        let values = of_hole(hole);
        if values.is_empty() {
            return None;
        }
        let mut filled = Vec::new();
        for text in &texts {
            for value in values {
                filled.push(
                    text.iter()
                        .map(|(part, quoted)| (part.replace(&mark, value), *quoted))
                        .collect(),
                );
            }
            if filled.len() > COMBINATIONS_MAX {
                return None;
            }
        }
        texts = filled;
    }
    let split = |parts: Vec<(String, bool)>| -> Vec<String> {
        parts
            .into_iter()
            .flat_map(|(part, quoted)| {
                if quoted {
                    vec![part]
                } else {
                    part.split('.')
                        .map(|part| part.trim_matches('`').to_owned())
                        .collect()
                }
            })
            .collect()
    };
    let mut all: Vec<Vec<String>> = texts.into_iter().map(split).collect();
    if all
        .iter()
        .flatten()
        .any(|part| fragment::has_placeholder(part))
    {
        return None;
    }
    all.sort();
    all.dedup();
    Some(all)
}

/// A part of a name that may be open.
pub(super) enum Pattern {
    Known(String),
    Open { starts: String, ends: String },
}

impl Pattern {
    pub(super) fn of(fragment: &Fragment, part: &NamePart) -> Self {
        let text = part.text.to_lowercase();
        if fragment::has_placeholder(&text) {
            let starts = text
                .split(fragment::is_placeholder)
                .next()
                .unwrap_or_default();
            let ends = text
                .rsplit(fragment::is_placeholder)
                .next()
                .unwrap_or_default();
            return Self::Open {
                starts: starts.to_owned(),
                ends: ends.to_owned(),
            };
        }
        let _ = fragment;
        Self::Known(text)
    }
}

/// Whether something with this name reads like it held a database: `db`, `target_schema`, `sourceDatabaseName`.
pub(crate) fn is_called_like_database(name: &str) -> bool {
    const WORDS: &[&str] = &["db", "dbs", "dbname", "catalog", "namespace"];
    let last = name.rsplit('.').next().unwrap_or(name);
    let lower = last.to_lowercase();
    if lower.contains("database") || lower.contains("schema") || lower.ends_with("db") {
        return true;
    }
    let mut words: Vec<String> = vec![String::new()];
    let mut before_is_small = false;
    for letter in last.chars() {
        if !letter.is_alphanumeric() || letter.is_uppercase() && before_is_small {
            words.push(String::new());
        }
        if letter.is_alphanumeric()
            && let Some(word) = words.last_mut()
        {
            word.extend(letter.to_lowercase());
        }
        before_is_small = letter.is_lowercase();
    }
    words.iter().any(|word| WORDS.contains(&word.as_str()))
}

/// Whether a catalog is the metastore itself.
pub fn is_metastore(catalog: &str) -> bool {
    catalog.eq_ignore_ascii_case("hive_metastore") || catalog.eq_ignore_ascii_case("spark_catalog")
}

/// The path by which others know a notebook: lower case, no leading slash, no extension.
pub fn notebook_key(path: &str) -> String {
    let path = path.trim_start_matches('/').to_lowercase();
    for extension in [".py", ".sql", ".scala", ".r", ".ipynb"] {
        if let Some(stem) = path.strip_suffix(extension) {
            return stem.to_owned();
        }
    }
    path
}
