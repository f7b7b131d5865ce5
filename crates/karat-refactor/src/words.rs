//! Words of notebooks: which variables of another notebook one may use, told from its text alone.
//!
//! Words are kept as numbers. Two words with one number would only make it look as if a notebook used more than it does.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};

/// A word as a number.
pub(crate) fn number(word: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    word.hash(&mut hasher);
    hasher.finish()
}

/// The words of a text.
pub(crate) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter: char| !letter.is_alphanumeric() && letter != '_')
        .filter(|word| !word.is_empty())
}

/// The words of a variable or member, `Class.member`: whoever uses it mentions all of them.
pub(crate) fn words_of_variable(name: &str) -> impl Iterator<Item = u64> {
    words(name).map(number)
}

/// Words of a notebook that may be variables of another one, and what it runs.
#[derive(Debug)]
pub(crate) struct Words {
    /// Those that may be variables of the notebook that runs it.
    read: Vec<u64>,
    /// Those that it may use before it gives them a value itself.
    seen: Vec<u64>,
    /// The notebooks that it runs, as they are written.
    pub(crate) runs: Vec<String>,
}

impl Words {
    /// The words of a text; of one with `escapes`, as JSON has them, too. A word that a line begins with and gives a value to, before it stands
    /// anywhere else, is a variable of the notebook itself.
    pub(crate) fn of(text: &str, escapes: bool) -> Self {
        let text = &match escapes {
            true => with_letters(text),
            false => Cow::Borrowed(text),
        };
        let mut own: BTreeSet<&str> = BTreeSet::new();
        let mut read: BTreeSet<&str> = BTreeSet::new();
        // The same for whoever asks which variables the notebook sees: what it defines and imports counts too.
        let mut bound: BTreeSet<&str> = BTreeSet::new();
        let mut seen: BTreeSet<&str> = BTreeSet::new();
        let is_of_one_language = is_of_one_language(text);
        let mut runs = Vec::new();
        for line in text.lines() {
            runs.extend(targets(line));
            let binds = match is_of_one_language {
                true => bound_by(line),
                false => Vec::new(),
            };
            for word in words(line) {
                let at = word.as_ptr() as usize - line.as_ptr() as usize;
                // The `n` of `\n` belongs to no word, where it is one.
                let escaped =
                    line[..at].ends_with('\\') && word.starts_with(['n', 't', 'r', 'f', 'b']);
                if escaped && word.len() > 1 {
                    seen.insert(&word[1..]);
                    if !own.contains(&word[1..]) {
                        read.insert(&word[1..]);
                    }
                }
                if !bound.contains(word) && !seen.contains(word) {
                    match binds.contains(&word) && line.match_indices(word).count() == 1 {
                        true => bound.insert(word),
                        false => seen.insert(word),
                    };
                }
                if own.contains(word) || read.contains(word) {
                    continue;
                }
                let given_a_value = at == 0 && {
                    let rest = line[at + word.len()..].trim_start();
                    rest.starts_with('=') && !rest.starts_with("==")
                };
                if given_a_value && line.match_indices(word).count() == 1 {
                    own.insert(word);
                } else {
                    read.insert(word);
                }
            }
        }
        // What a method calls `self` is seen with the method.
        seen.remove("self");
        let sorted = |words: &BTreeSet<&str>| {
            let numbers: BTreeSet<u64> = words.iter().map(|word| number(word)).collect();
            numbers.into_iter().collect()
        };
        Self {
            read: sorted(&read),
            seen: sorted(&seen),
            runs,
        }
    }
}

/// Whether all programs of a notebook share their variables.
fn is_of_one_language(text: &str) -> bool {
    let is_language = |at: usize| {
        let word = words(&text[at + 1..]).next().unwrap_or_default();
        ["scala", "r", "python", "py", "pyspark", "spark"].contains(&word)
    };
    !text.match_indices('%').any(|(at, _)| is_language(at))
}

/// The names that a line gives a value to, whatever happens: `x = 1`, `def x():`, `class X:`, `import x`, `from m import x as y`.
fn bound_by(line: &str) -> Vec<&str> {
    let Some(first) = words(line).next().filter(|first| line.starts_with(first)) else {
        return Vec::new();
    };
    let rest = line[first.len()..].trim_start();
    let imported = match first {
        "def" | "class" => return words(rest).take(1).collect(),
        "import" => rest,
        "from" => match rest.split_once(" import ") {
            Some((_, names)) => names,
            None => return Vec::new(),
        },
        _ if rest.starts_with('=') && !rest.starts_with("==") => return vec![first],
        _ => return Vec::new(),
    };
    let name = |part| -> Option<&str> {
        let mut words = words(part);
        let first = words.next()?;
        Some(words.last().unwrap_or(first))
    };
    let imported = imported.split('#').next().unwrap_or_default();
    let whole = imported.split(',').filter(|part| !part.contains('.'));
    whole.filter_map(name).collect()
}

/// What lines run with `%run`. Lines of Jupyter and archives are JSON: quotes have backslashes, and all may stand on one line.
fn targets(line: &str) -> impl Iterator<Item = String> {
    line.match_indices('%').filter_map(|(at, _)| {
        let rest = &line[at + 1..];
        let word = rest.get(..3)?;
        let rest = &rest[3..];
        let target = rest
            .strip_prefix("\\t")
            .or_else(|| rest.strip_prefix(char::is_whitespace))?;
        if !word.eq_ignore_ascii_case("run") {
            return None;
        }
        let target = target.split(" $").next().unwrap_or(target);
        let target = target.trim_start().trim_start_matches(['\\', '"', '\'']);
        let target = target.split(['"', '\'']).next().unwrap_or(target);
        let target = target.split("\\n").next().unwrap_or(target);
        Some(target.trim_end_matches('\\').trim().to_owned())
    })
}

/// A text of JSON with the letters that `\u` stands for.
fn with_letters(text: &str) -> Cow<'_, str> {
    let mut told = Cow::Borrowed("");
    let mut from = 0;
    for (at, _) in text.match_indices("\\u") {
        let code = text.get(at + 2..at + 6).filter(|_| at >= from);
        let letter = code.and_then(|code| char::from_u32(u32::from_str_radix(code, 16).ok()?));
        if let Some(letter) = letter {
            let told = told.to_mut();
            told.push_str(&text[from..at]);
            told.push(letter);
            from = at + 6;
        }
    }
    if from == 0 {
        return Cow::Borrowed(text);
    }
    told.to_mut().push_str(&text[from..]);
    told
}

/// What a notebook, and those that it runs, mention.
#[derive(Debug)]
pub struct Mentioned {
    read: Vec<u64>,
    seen: Vec<u64>,
    notebooks: BTreeSet<usize>,
    /// Whether all that they run was found.
    pub(crate) is_whole: bool,
}

impl Default for Mentioned {
    fn default() -> Self {
        Self {
            read: Vec::new(),
            seen: Vec::new(),
            notebooks: BTreeSet::new(),
            is_whole: true,
        }
    }
}

impl Mentioned {
    /// Adds a notebook.
    pub(crate) fn add(&mut self, words: &Words) {
        self.read.extend(&words.read);
        self.seen.extend(&words.seen);
    }

    /// All were added: these.
    pub(crate) fn of_notebooks(mut self, notebooks: BTreeSet<usize>) -> Self {
        for numbers in [&mut self.read, &mut self.seen] {
            numbers.sort_unstable();
            numbers.dedup();
            numbers.shrink_to_fit();
        }
        Self { notebooks, ..self }
    }

    /// Whether one of them runs this one.
    pub(crate) fn runs(&self, notebook: usize) -> bool {
        self.notebooks.contains(&notebook)
    }

    /// Whether they may use a variable of the notebook that runs them.
    pub fn may_read(&self, variable: &str) -> bool {
        self.read.binary_search(&number(variable)).is_ok()
    }

    /// Whether they may use a word, by its number, before they give it a value themselves.
    pub(crate) fn has(&self, word: u64) -> bool {
        self.seen.binary_search(&word).is_ok()
    }
}
