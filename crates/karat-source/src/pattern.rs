//! The regular expressions of `file_order`: a small backtracking matcher, since paths are short and patterns come from the project.
//!
//! Literals, `.`, classes `[a-z]` and `\d \w \s \D \W \S`, groups `(…)` and `(?:…)`, `|`, `* + ? {n} {n,} {n,m}` with a lazy `?` after, `^` and `$`.
//! What is not listed is refused by name. Exactly one capturing group.
//!
//! Where the group may capture more digits or fewer (`\d+`), what it captures is ordered by number: `9` comes before `10`.

use std::collections::BTreeMap;

use crate::{ErrorKind, SourceError};

#[derive(Debug, Clone)]
enum Node {
    Char(char),
    Any,
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
    Start,
    End,
    Group {
        capture: bool,
        branches: Vec<Vec<Node>>,
    },
    Repeat {
        node: Box<Node>,
        min: usize,
        max: usize,
        greedy: bool,
    },
}

/// A compiled pattern with one capture group.
#[derive(Debug, Clone)]
pub struct OrderPattern {
    branches: Vec<Vec<Node>>,
    by_number: bool,
}

/// Steps after which a match is given up; a sane pattern on a path takes a few hundred.
const STEPS_MAX: usize = 1_000_000;
/// Groups within groups; each takes room on the stack.
const DEPTH_MAX: usize = 50;

impl OrderPattern {
    /// Compiles a pattern; the error names what is wrong with it.
    pub fn new(text: &str) -> Result<Self, SourceError> {
        let fail = |why: String| {
            SourceError::new(ErrorKind::Config, format!("cannot use `file_order: {text}`: {why}"))
                .hint("write a regular expression with one group around the part that orders the files, e.g. `entries_(\\d{8})`")
        };
        let chars: Vec<char> = text.chars().collect();
        let mut parser = Parser {
            chars: &chars,
            at: 0,
            captures: 0,
            depth: 0,
        };
        let branches = parser.alternatives().map_err(fail)?;
        if parser.at < chars.len() {
            return Err(fail(format!(
                "`)` at character {} closes nothing",
                parser.at + 1
            )));
        }
        match parser.captures {
            1 => Ok(Self {
                by_number: branches
                    .iter()
                    .flatten()
                    .find_map(captured)
                    .is_some_and(varies),
                branches,
            }),
            n => Err(fail(format!("it has {n} capturing groups, one is needed"))),
        }
    }

    /// What the group captured at the first place where the pattern matches.
    #[must_use]
    pub fn capture<'a>(&self, text: &'a str) -> Option<&'a str> {
        let chars: Vec<char> = text.chars().collect();
        let mut matcher = Matcher {
            chars: &chars,
            steps: 0,
        };
        for start in 0..=chars.len() {
            let mut found = None;
            for branch in &self.branches {
                if matcher.sequence(branch, start, None, &mut |_, capture| {
                    found = capture;
                    true
                }) {
                    break;
                }
            }
            if let Some((from, to)) = found {
                let byte = |i: usize| chars[..i].iter().map(|c| c.len_utf8()).sum::<usize>();
                return Some(&text[byte(from)..byte(to)]);
            }
        }
        None
    }
}

impl OrderPattern {
    /// Whether the group may capture a date: whether it can match as many digits as one has.
    #[must_use]
    pub fn may_capture_a_date(&self) -> bool {
        digits_at_most(&self.branches, false) >= DATE_DIGITS
    }

    /// Whether what the group captures has the digits of a date, those of month and day perhaps without their zeros.
    #[must_use]
    pub fn captures_what_looks_like_a_date(&self) -> bool {
        let least = digits_at_least(&self.branches, false);
        digits_at_most(&self.branches, false) == DATE_DIGITS && least >= DATE_DIGITS_MIN
    }
}

/// Digits of `20261030`.
const DATE_DIGITS: usize = 8;
/// Digits of `2026-1-5`.
const DATE_DIGITS_MIN: usize = 6;

/// The fewest digits that the capturing group can match; `within` it, those that the nodes can.
fn digits_at_least(branches: &[Vec<Node>], within: bool) -> usize {
    let of_node = |node: &Node| match node {
        Node::Group { capture, branches } => digits_at_least(branches, within || *capture),
        Node::Repeat { node, min, .. } => {
            let once = digits_at_least(&[vec![node.as_ref().clone()]], within);
            once.saturating_mul(*min)
        }
        Node::Start | Node::End => 0,
        Node::Char(one) => usize::from(within && one.is_ascii_digit()),
        Node::Class {
            negated: false,
            ranges,
        } => {
            let digits = '0'..='9';
            let mut ends = ranges.iter().flat_map(|(low, high)| [low, high]);
            usize::from(within && ends.all(|end| digits.contains(end)))
        }
        Node::Class { .. } | Node::Any => 0,
    };
    let of_branch = |nodes: &Vec<Node>| {
        let digits = nodes.iter().map(of_node);
        digits.fold(0, usize::saturating_add)
    };
    branches.iter().map(of_branch).min().unwrap_or(0)
}

/// The most digits that the capturing group can match; `within` it, those that the nodes can.
fn digits_at_most(branches: &[Vec<Node>], within: bool) -> usize {
    let of_node = |node: &Node| match node {
        Node::Group { capture, branches } => digits_at_most(branches, within || *capture),
        Node::Repeat { node, max, .. } => {
            let once = digits_at_most(&[vec![node.as_ref().clone()]], within);
            once.saturating_mul(*max)
        }
        Node::Start | Node::End => 0,
        single => usize::from(within && ('0'..='9').any(|digit| single.accepts(digit))),
    };
    let of_branch = |nodes: &Vec<Node>| {
        let digits = nodes.iter().map(of_node);
        digits.fold(0, usize::saturating_add)
    };
    branches.iter().map(of_branch).max().unwrap_or(0)
}

impl OrderPattern {
    /// The order mark of a path: what is captured, so written that marks sort as bytes.
    #[must_use]
    pub fn mark(&self, path: &str) -> Option<String> {
        let captured = self.capture(path)?;
        Some(if self.by_number {
            by_number(captured)
        } else {
            captured.to_owned()
        })
    }
}

/// Digits of a number in a mark. Shorter ones get zeros before, so that a date of eight digits stays as it is.
const NUMBER_DIGITS: usize = 8;

/// The text with each run of digits so written that bytes sort as numbers do: up to eight digits filled up with zeros, longer ones after a
/// character above `9` that tells how many there are.
fn by_number(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + NUMBER_DIGITS);
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (run, behind) = rest.split_at(digits);
        let number = run.trim_start_matches('0');
        if digits > 0 && number.len() <= NUMBER_DIGITS {
            out.extend(std::iter::repeat_n('0', NUMBER_DIGITS - number.len()));
        } else if let Ok(more @ 1..70) = u8::try_from(number.len().saturating_sub(NUMBER_DIGITS)) {
            out.push(char::from(b'9' + more));
        } else if digits > 0 {
            out.push_str(&format!("\u{7f}{:05}", number.len()));
        }
        out.push_str(number);
        let text = behind
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(behind.len());
        out.push_str(&behind[..text]);
        rest = &behind[text..];
    }
    out
}

/// Whether paths that differ in nothing but numbers sort otherwise by text than by number; the first such pair, as text sorts them.
#[must_use]
pub fn misordered<'a>(paths: &[&'a str]) -> Option<(&'a str, &'a str)> {
    let mut alike: BTreeMap<String, Vec<&'a str>> = BTreeMap::new();
    for path in paths {
        let mut shape = String::with_capacity(path.len());
        for c in path.chars() {
            match c.is_ascii_digit() {
                true if shape.ends_with('0') => {}
                true => shape.push('0'),
                false => shape.push(c),
            }
        }
        alike.entry(shape).or_default().push(path);
    }
    for mut paths in alike.into_values() {
        paths.sort_unstable();
        let pair = paths
            .windows(2)
            .find(|pair| by_number(pair[0]) > by_number(pair[1]));
        if let Some(pair) = pair {
            return Some((pair[0], pair[1]));
        }
    }
    None
}

/// What stands in the capturing group.
fn captured(node: &Node) -> Option<&[Vec<Node>]> {
    match node {
        Node::Group {
            capture: true,
            branches,
        } => Some(branches),
        Node::Group { branches, .. } => branches.iter().flatten().find_map(captured),
        Node::Repeat { node, .. } => captured(node),
        _ => None,
    }
}

/// Whether it may match more digits or fewer.
fn varies(branches: &[Vec<Node>]) -> bool {
    let more_or_fewer = |node: &Node| match node {
        Node::Group { branches, .. } => varies(branches),
        Node::Repeat { node, min, max, .. } => {
            (min != max && node.takes_digits()) || varies(&[vec![(**node).clone()]])
        }
        _ => false,
    };
    let nodes = || branches.iter().flatten();
    (branches.len() > 1 && nodes().any(Node::takes_digits)) || nodes().any(more_or_fewer)
}

struct Parser<'a> {
    chars: &'a [char],
    at: usize,
    captures: usize,
    depth: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn alternatives(&mut self) -> Result<Vec<Vec<Node>>, String> {
        let mut branches = vec![Vec::new()];
        while let Some(c) = self.peek() {
            match c {
                ')' => break,
                '|' => {
                    self.at += 1;
                    branches.push(Vec::new());
                }
                _ => {
                    let node = self.repeated()?;
                    branches.last_mut().expect("starts with one").push(node);
                }
            }
        }
        Ok(branches)
    }

    fn repeated(&mut self) -> Result<Node, String> {
        let node = self.atom()?;
        let (min, max) = match self.peek() {
            Some('*') => (0, usize::MAX),
            Some('+') => (1, usize::MAX),
            Some('?') => (0, 1),
            Some('{') => self.counts()?,
            _ => return Ok(node),
        };
        self.at += 1;
        let greedy = self.peek() != Some('?');
        if !greedy {
            self.at += 1;
        }
        if matches!(self.peek(), Some('*' | '+' | '?' | '{')) {
            return Err(format!(
                "`{}` at character {} repeats a repetition",
                self.chars[self.at],
                self.at + 1
            ));
        }
        Ok(Node::Repeat {
            node: Box::new(node),
            min,
            max,
            greedy,
        })
    }

    /// At `{`; stops at its `}`.
    fn counts(&mut self) -> Result<(usize, usize), String> {
        let start = self.at + 1;
        let close = self.chars[start..]
            .iter()
            .position(|&c| c == '}')
            .ok_or("`{` is never closed")?
            + start;
        let text: String = self.chars[start..close].iter().collect();
        self.at = close;
        let number = |t: &str| {
            t.parse::<usize>()
                .ok()
                .filter(|&n| n <= 1000)
                .ok_or(format!("`{{{text}}}` is no repetition"))
        };
        let (min, max) = match text.split_once(',') {
            None => (number(&text)?, number(&text)?),
            Some((min, "")) => (number(min)?, usize::MAX),
            Some((min, max)) => (number(min)?, number(max)?),
        };
        if min > max {
            Err(format!("`{{{text}}}` is no repetition"))
        } else {
            Ok((min, max))
        }
    }

    fn atom(&mut self) -> Result<Node, String> {
        let c = self.chars[self.at];
        self.at += 1;
        match c {
            '.' => Ok(Node::Any),
            '^' => Ok(Node::Start),
            '$' => Ok(Node::End),
            '[' => self.class(),
            '\\' => self.escape(),
            '(' => {
                let mut capture = true;
                if self.peek() == Some('?') {
                    if self.chars.get(self.at + 1) != Some(&':') {
                        return Err(format!(
                            "`(?` at character {} is only known as `(?:`",
                            self.at
                        ));
                    }
                    self.at += 2;
                    capture = false;
                }
                self.captures += usize::from(capture);
                self.depth += 1;
                if self.depth > DEPTH_MAX {
                    return Err(format!(
                        "more than {DEPTH_MAX} groups are within each other"
                    ));
                }
                let branches = self.alternatives()?;
                if self.peek() != Some(')') {
                    return Err("`(` is never closed".to_owned());
                }
                self.at += 1;
                self.depth -= 1;
                Ok(Node::Group { capture, branches })
            }
            '*' | '+' | '?' | '{' => Err(format!("`{c}` at character {} repeats nothing", self.at)),
            c => Ok(Node::Char(c)),
        }
    }

    fn escape(&mut self) -> Result<Node, String> {
        let c = self.peek().ok_or("`\\` at the end escapes nothing")?;
        self.at += 1;
        match shorthand(c) {
            Some((negated, ranges)) => Ok(Node::Class { negated, ranges }),
            None if c.is_alphanumeric() => Err(format!("`\\{c}` is not known")),
            None => Ok(Node::Char(c)),
        }
    }

    fn class(&mut self) -> Result<Node, String> {
        let negated = self.peek() == Some('^');
        self.at += usize::from(negated);
        let mut ranges = Vec::new();
        let first = self.at;
        loop {
            let c = self.peek().ok_or("`[` is never closed")?;
            self.at += 1;
            let low = match c {
                ']' if self.at - 1 > first => return Ok(Node::Class { negated, ranges }),
                '\\' => {
                    let c = self.peek().ok_or("`[` is never closed")?;
                    self.at += 1;
                    match shorthand(c) {
                        Some((false, more)) => {
                            ranges.extend(more);
                            continue;
                        }
                        Some((true, _)) => {
                            return Err(format!("`\\{c}` within `[…]` is not known"));
                        }
                        None if c.is_alphanumeric() => return Err(format!("`\\{c}` is not known")),
                        None => c,
                    }
                }
                c => c,
            };
            let is_range =
                self.peek() == Some('-') && self.chars.get(self.at + 1).is_some_and(|&c| c != ']');
            let high = if is_range {
                self.at += 2;
                self.chars[self.at - 1]
            } else {
                low
            };
            if low > high {
                return Err(format!("`{low}-{high}` is no range"));
            }
            ranges.push((low, high));
        }
    }
}

fn shorthand(c: char) -> Option<(bool, Vec<(char, char)>)> {
    let ranges = match c.to_ascii_lowercase() {
        'd' => vec![('0', '9')],
        'w' => vec![('a', 'z'), ('A', 'Z'), ('0', '9'), ('_', '_')],
        's' => vec![(' ', ' '), ('\t', '\r')],
        _ => return None,
    };
    Some((c.is_ascii_uppercase(), ranges))
}

type Capture = Option<(usize, usize)>;

struct Matcher<'a> {
    chars: &'a [char],
    steps: usize,
}

impl Matcher<'_> {
    /// Matches `nodes` from `at` on and calls `then` with where they end; true as soon as `then` is.
    fn sequence(
        &mut self,
        nodes: &[Node],
        at: usize,
        capture: Capture,
        then: &mut dyn FnMut(usize, Capture) -> bool,
    ) -> bool {
        self.steps += 1;
        if self.steps > STEPS_MAX {
            return false;
        }
        let Some((first, rest)) = nodes.split_first() else {
            return then(at, capture);
        };
        match first {
            Node::Group {
                capture: captures,
                branches,
            } => {
                for branch in branches {
                    let mut ends: Vec<(usize, Capture)> = Vec::new();
                    self.sequence(branch, at, capture, &mut |end, inner| {
                        ends.push((end, if *captures { Some((at, end)) } else { inner }));
                        false
                    });
                    for (end, inner) in ends {
                        if self.sequence(rest, end, inner, then) {
                            return true;
                        }
                    }
                }
                false
            }
            Node::Repeat {
                node,
                min,
                max,
                greedy,
            } => {
                // The ends after 0, 1, 2… repetitions, each with its own capture.
                let mut levels: Vec<Vec<(usize, Capture)>> = vec![vec![(at, capture)]];
                while levels.len() <= *max {
                    let mut next: Vec<(usize, Capture)> = Vec::new();
                    for &(from, inner) in levels.last().expect("starts with one") {
                        self.sequence(
                            std::slice::from_ref(node),
                            from,
                            inner,
                            &mut |end, inner| {
                                let grows = end > from || levels.len() <= *min;
                                if grows && !next.iter().any(|&(e, _)| e == end) {
                                    next.push((end, inner));
                                }
                                false
                            },
                        );
                    }
                    if next.is_empty() {
                        break;
                    }
                    levels.push(next);
                }
                if levels.len() <= *min {
                    return false;
                }
                let mut counts: Vec<usize> = (*min..levels.len()).collect();
                if *greedy {
                    counts.reverse();
                }
                for count in counts {
                    for &(end, inner) in &levels[count].clone() {
                        if self.sequence(rest, end, inner, then) {
                            return true;
                        }
                    }
                }
                false
            }
            Node::Start => at == 0 && self.sequence(rest, at, capture, then),
            Node::End => at == self.chars.len() && self.sequence(rest, at, capture, then),
            single => match self.chars.get(at) {
                Some(&c) if single.accepts(c) => self.sequence(rest, at + 1, capture, then),
                _ => false,
            },
        }
    }
}

impl Node {
    fn takes_digits(&self) -> bool {
        match self {
            Self::Group { branches, .. } => branches.iter().flatten().any(Self::takes_digits),
            Self::Repeat { node, .. } => node.takes_digits(),
            single => ('0'..='9').any(|digit| single.accepts(digit)),
        }
    }

    fn accepts(&self, c: char) -> bool {
        match self {
            Self::Char(own) => *own == c,
            Self::Any => c != '\n',
            Self::Class { negated, ranges } => {
                ranges.iter().any(|&(low, high)| (low..=high).contains(&c)) != *negated
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, text: &str, expected: Option<&str>) {
        let pattern = OrderPattern::new(pattern).expect("a good pattern");
        assert_eq!(pattern.capture(text), expected);
    }

    #[test]
    fn order_marks_are_captured() {
        check(
            r"entries_(\d{8})",
            "in/entries_20261029_1.csv",
            Some("20261029"),
        );
        check(
            r"(\d{4}-\d{2}-\d{2})",
            "rates/2026-10-29.csv",
            Some("2026-10-29"),
        );
        check(r"^(?:a|b)+/(.*?)_", "ab/x_y_z", Some("x"));
        check(r"(.*)_", "x_y_z", Some("x_y"));
        check(r"_([^_/]+)\.csv(?:\.gz)?$", "a/b_Ü1.csv.gz", Some("Ü1"));
        check(r"(\d{8})", "none.csv", None);
        check(r"((?:a|ab)*)c", "abac", Some("aba"));
        check(r"(x*)", "y", Some(""));
    }

    #[test]
    fn which_patterns_may_capture_a_date() {
        for (pattern, may) in [
            (r"_(\d)", false),
            (r"(\d{4}-\d\d)", false),
            (r"\d{8}_(\d+?)x", true),
            (r"\d{8}_(\d{1,7})", false),
            (r"(\d{8})", true),
            (r"(\d{4}-\d\d-\d\d)", true),
            (r"(?:v([a-z]{2})|(?:\d{9}))", false),
            (r"(.*)", true),
        ] {
            let pattern_of = OrderPattern::new(pattern).expect("a good pattern");
            assert_eq!(pattern_of.may_capture_a_date(), may, "{pattern}");
        }
    }

    #[test]
    fn which_patterns_capture_what_looks_like_a_date() {
        for (pattern, looks) in [
            (r"(\d{8})", true),
            (r"(20\d{6})", true),
            (r"(\d{4}-\d{1,2}-\d{1,2})", true),
            (r"(\d{4}[-_]?[01]\d[-_]?[0-3]\d)", true),
            (r"(\d+)", false),
            (r"(\d{10})", false),
            (r"(.{8})", false),
            (r"([^-]{8})", false),
            (r"(\d{8}|\d{2})", false),
            (r"\d{8}_(\d\d)", false),
        ] {
            let pattern_of = OrderPattern::new(pattern).expect("a good pattern");
            let found = pattern_of.captures_what_looks_like_a_date();
            assert_eq!(found, looks, "{pattern}");
        }
    }

    #[test]
    fn marks_of_varying_digits_sort_as_numbers_and_others_stay() {
        let marks = |pattern: &str, texts: &[&str]| -> Vec<String> {
            let pattern = OrderPattern::new(pattern).expect("a good pattern");
            let marks = texts.iter().filter_map(|text| pattern.mark(text));
            let marks: Vec<String> = marks.collect();
            assert!(marks.is_sorted(), "{marks:?}");
            marks
        };
        let expected = [
            "00000009",
            "00000010",
            "20261029",
            ":100000000",
            ";1000000000",
        ];
        let texts = ["f_9", "f_010", "f_20261029", "f_100000000", "f_1000000000"];
        assert_eq!(marks(r"f_(\d+)", &texts), expected);
        assert_eq!(
            marks(r"(v.*)\.", &["v1.9.csv", "v1.10.csv", "v2.csv"]),
            ["v00000001.00000009", "v00000001.00000010", "v00000002"]
        );
        assert_eq!(
            marks(r"(\d{4}-\d\d)", &["2026-09", "2026-10"]),
            ["2026-09", "2026-10"]
        );
        marks(
            r"(\d*)",
            &[
                "0",
                "77",
                "123456789",
                &"1".repeat(77),
                &"1".repeat(78),
                &"2".repeat(300),
            ],
        );
    }

    #[test]
    fn paths_whose_text_sorts_other_than_their_numbers_are_told() {
        assert_eq!(
            misordered(&["a/f_8.csv", "a/f_9.csv", "a/f_10.csv"]),
            Some(("a/f_10.csv", "a/f_8.csv"))
        );
        assert_eq!(misordered(&["a/f_08.csv", "a/f_10.csv", "g_9.csv"]), None);
    }

    proptest::proptest! {
        #![proptest_config(proptest::test_runner::Config { rng_seed: proptest::test_runner::RngSeed::Fixed(7), failure_persistence: None, ..Default::default() })]

        #[test]
        fn no_pattern_and_no_path_is_a_panic(pattern in r"[ab(){}\[\]|*+?^$.\\dD:,0-9ä-]{0,20}", path in "[ab0ä/]{0,12}") {
            for pattern in [format!("({pattern})"), pattern] {
                if let Ok(compiled) = OrderPattern::new(&pattern) {
                    let _ = compiled.capture(&path);
                }
            }
        }
    }

    #[test]
    fn groups_within_groups_have_a_limit() {
        assert!(OrderPattern::new(&"(".repeat(100_000)).is_err());
    }

    #[test]
    fn bad_patterns_say_why() {
        for (pattern, why) in [
            ("abc", "it has 0 capturing groups, one is needed"),
            ("(a)(b)", "it has 2 capturing groups, one is needed"),
            ("(a", "`(` is never closed"),
            ("(a))", "`)` at character 4 closes nothing"),
            ("(?<d>a)", "`(?` at character 1 is only known as `(?:`"),
            (r"(\p)", "`\\p` is not known"),
            ("(*)", "`*` at character 2 repeats nothing"),
        ] {
            let error = OrderPattern::new(pattern).expect_err("a bad pattern");
            assert_eq!(
                error.to_string(),
                format!("cannot use `file_order: {pattern}`: {why}")
            );
        }
    }
}
