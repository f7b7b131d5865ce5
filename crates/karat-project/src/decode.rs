//! Checks a tree of nodes against the key tables and reports every mistake; then reads values that were checked.

use std::sync::Arc;
use std::time::Duration;

use karat_sql::Expression;

use crate::defaults::matcher;
use crate::diagnostic::{Place, Reporter};
use crate::nearest::{did_you_mean, nearest};
use crate::schema::{Choice, Key, MapKey, Object, Presence, Type, Variant};
use crate::yaml::{Data, Entry, Node, locate};

/// A share, exact: billionths of the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ratio {
    /// Billionths of the whole: 1 % is 10,000,000.
    pub billionths: u64,
}

impl Ratio {
    /// Whether `part` of `whole` is more than this share.
    pub fn is_exceeded_by(&self, part: u64, whole: u64) -> bool {
        u128::from(part) * 1_000_000_000 > u128::from(whole) * u128::from(self.billionths)
    }

    /// Reads `5%` or `0.1 %`.
    pub(crate) fn parse(text: &str) -> Option<Ratio> {
        let digits = text.trim().strip_suffix('%')?.trim_end();
        let (whole, part) = digits.split_once('.').unwrap_or((digits, "0"));
        let all_digits =
            |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !all_digits(whole) || !all_digits(part) || part.len() > 7 || whole.len() > 3 {
            return None;
        }
        let fraction = part.parse::<u64>().ok()? * 10_u64.pow(7 - part.len() as u32);
        let billionths = whole.parse::<u64>().ok()? * 10_000_000 + fraction;
        (billionths <= 1_000_000_000).then_some(Ratio { billionths })
    }
}

impl std::fmt::Display for Ratio {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (whole, part) = (self.billionths / 10_000_000, self.billionths % 10_000_000);
        match part {
            0 => write!(f, "{whole}%"),
            _ => write!(f, "{whole}.{}%", format!("{part:07}").trim_end_matches('0')),
        }
    }
}

/// A duration with its unit: `90s`, `10m`; None of anything else, a number without one included.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    let cut = text.find(|c: char| !c.is_ascii_digit())?;
    let count: u64 = text[..cut].parse().ok()?;
    let seconds = match &text[cut..] {
        "ms" => return Some(Duration::from_millis(count)),
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return None,
    };
    count.checked_mul(seconds).map(Duration::from_secs)
}

/// F3: how a source's name becomes a column's name.
pub fn fold_name(name: &str) -> String {
    name.chars()
        .flat_map(char::to_lowercase)
        .map(|c| {
            if c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' {
                c
            } else {
                '_'
            }
        })
        .collect()
}

/// What bronze calls a column of this spelling at the source: no `_` comes first (B2).
pub(crate) fn bronze_name(name: &str) -> String {
    let folded = fold_name(name);
    match folded.starts_with('_') {
        true => format!("src_{folded}"),
        false => folded,
    }
}

/// Whether a name is one of ours: `[a-z][a-z0-9_]*`.
pub(crate) fn is_own_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.len() <= 100
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

/// The expectations that hold without being written (B5, C1).
pub(crate) const BUILT_IN_RULES: [&str; 2] = ["_expression", "_rescued"];
/// Rules of C4: names that quarantine uses.
const RESERVED_RULES: [&str; 3] = ["sequence_tie", "sequence_null", "valid_from_order"];
/// B2: kept and queryable, but an error in silver and gold SQL.
pub(crate) const PROVENANCE: [&str; 4] = ["_run", "_loaded_at", "_epoch", "_delivery"];

/// Checks a file's tree against its key table.
pub(crate) fn check(node: &Node, object: &'static Object, report: &mut Reporter) {
    check_object(node, object, report);
}

fn check_object(node: &Node, object: &Object, report: &mut Reporter) {
    check_item(node, object, &[], report);
}

/// Checks one map against its key table; that an `excused` key is missing was told elsewhere.
pub(crate) fn check_item(node: &Node, object: &Object, excused: &[&str], report: &mut Reporter) {
    if !matches!(node.data, Data::Map(_)) {
        report.error(
            node.at,
            format!(
                "{} must be a map of keys, found {}",
                object.name,
                node.kind()
            ),
            example_of(object),
        );
        return;
    }
    // A key that was meant and misspelt is not missing as well.
    let mut misspelt = Vec::new();
    for entry in node.entries() {
        match object.keys.iter().find(|key| key.name == entry.key) {
            Some(key) => check_key(entry, key, report),
            None => misspelt.extend(unknown_key(entry, object, report)),
        }
    }
    let missing: Vec<String> = object
        .keys
        .iter()
        .filter(|key| key.presence == Presence::Required && node.entry(key.name).is_none())
        .filter(|key| !misspelt.contains(&key.name) && !excused.contains(&key.name))
        .map(|key| format!("`{}`", key.name))
        .collect();
    if !missing.is_empty() {
        let verb = if missing.len() == 1 { "is" } else { "are" };
        let at = Place {
            length: 1,
            ..node.at
        };
        report.error(
            at,
            format!("{} {verb} missing in {}", missing.join(", "), object.name),
            example_of(object),
        );
    }
}

/// What a map of this kind needs, for a hint.
pub(crate) fn example_of(object: &Object) -> String {
    let required: Vec<&str> = object
        .keys
        .iter()
        .filter(|key| key.presence == Presence::Required)
        .map(|key| key.name)
        .collect();
    if required.is_empty() {
        format!("its keys: {}", key_list(object))
    } else {
        format!("it needs: {}", required.join(", "))
    }
}

/// What to do where SQL was cut at a comma.
const COMMA: &str = "a comma within `{ … }` ends a value: put the SQL in quotes, or write each column on its own line";

/// Reports the key; gives the one that was probably meant.
fn unknown_key(entry: &Entry, object: &Object, report: &mut Reporter) -> Option<&'static str> {
    let known = object
        .keys
        .iter()
        .filter(|key| key.presence != Presence::NotYet)
        .map(|key| key.name);
    let meant = nearest(&entry.key, known.clone());
    let hint = match meant {
        Some(name) => format!("did you mean `{name}`?"),
        None if entry.key.contains(')') => COMMA.to_owned(),
        None => format!("known keys: {}", known.collect::<Vec<_>>().join(", ")),
    };
    report.error(
        entry.key_at,
        format!("unknown key `{}` in {}", printable(&entry.key), object.name),
        hint,
    );
    meant
}

fn check_key(entry: &Entry, key: &Key, report: &mut Reporter) {
    if key.presence == Presence::NotYet {
        report.error(
            entry.key_at,
            format!("`{}` is not available in this version", key.name),
            match key.doc.split_once(": use ") {
                Some((_, instead)) => format!("use {}", instead.trim_end_matches('.')),
                None => "remove it".to_string(),
            },
        );
        return;
    }
    if matches!(entry.value.data, Data::Null) {
        report.error(
            entry.key_at,
            format!("`{}` has no value", key.name),
            match &key.of {
                Type::Choice(words) if words.iter().any(|word| word.word == "null") => format!(
                    "expected {}; the word null stands in quotes, since YAML reads it as no value: `{}: \"null\"`",
                    expected(&key.of),
                    key.name
                ),
                of => format!("expected {}", expected(of)),
            },
        );
        return;
    }
    check_type(&entry.value, &key.of, key.name, report);
}

/// What a type asks for, in words.
pub(crate) fn expected(of: &Type) -> String {
    match of {
        Type::Bool => "true or false".into(),
        Type::Integer { min, max } if min == max => format!("{min}"),
        Type::Integer { min, max } if *max == min + 1 => format!("{min} or {max}"),
        Type::Integer { min, max } => format!("a whole number from {min} to {max}"),
        Type::Text | Type::Setting => "text".into(),
        Type::Cell => "a value, or nothing for null".into(),
        Type::Name => "a name: lower case letters, digits and `_`, a letter first".into(),
        Type::Column => "a column's name".into(),
        Type::Expression => "a SQL expression".into(),
        Type::Ratio => "a share in percent, like `1%`".into(),
        Type::Duration => "a time, like `15m` (ms, s, m, h, d)".into(),
        Type::Lag => "a time, like `15m` (ms, s, m, h, d), or a whole number".into(),
        Type::Choice(choices) => words(choices),
        Type::List(of) => match of {
            Type::Column => "a list of columns, like `[id]`".into(),
            Type::Object(object) => format!("a list; each item is {}", object.name),
            _ => "a list".into(),
        },
        Type::ColumnOrList => "a column's name, or a list of columns".into(),
        Type::ColumnsOrMap => "a list of columns, or a map of columns to JSON Pointers".into(),
        Type::Map(..) => "a map of names".into(),
        Type::Object(object) => format!("a map with {}", key_list(object)),
        Type::Tagged(_) => "a map with `type` and what the type needs".into(),
        Type::ChoiceOr(choices, object) => {
            format!("{}, or a map with {}", words(choices), key_list(object))
        }
    }
}

fn key_list(object: &Object) -> String {
    object
        .keys
        .iter()
        .filter(|key| key.presence != Presence::NotYet)
        .map(|key| format!("`{}`", key.name))
        .collect::<Vec<_>>()
        .join(", ")
}

fn words(choices: &[Choice]) -> String {
    let words: Vec<String> = choices
        .iter()
        .filter(|choice| choice.available)
        .map(|choice| format!("`{}`", choice.word))
        .collect();
    match words.as_slice() {
        [one] => one.clone(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
        [] => String::new(),
    }
}

/// What people write for true and for false, and what spreadsheets in their languages do.
const YES: [&str; 8] = [
    "yes",
    "on",
    "y",
    "wahr",
    "vrai",
    "vero",
    "verdadero",
    "waar",
];
const NO: [&str; 8] = [
    "no", "off", "n", "falsch", "faux", "falso", "onwaar", "falsk",
];

fn wrong_type(node: &Node, of: &Type, name: &str, report: &mut Reporter) {
    let hint = match (of, node.scalar()) {
        (Type::List(Type::Column) | Type::ColumnsOrMap, Some(word)) => {
            format!("write `{name}: [{}]`", printable(word))
        }
        (Type::Bool, Some(word)) if YES.contains(&word.to_lowercase().as_str()) => {
            format!("write `{name}: true`")
        }
        (Type::Bool, Some(word)) if NO.contains(&word.to_lowercase().as_str()) => {
            format!("write `{name}: false`")
        }
        _ => String::new(),
    };
    report.error(
        node.at,
        format!("`{name}` must be {}, found {}", expected(of), node.kind()),
        hint,
    );
}

fn check_type(node: &Node, of: &Type, name: &str, report: &mut Reporter) {
    if let (Some(text), false) = (node.scalar(), matches!(of, Type::Setting | Type::Tagged(_)))
        && (text.contains("${env:") || text.contains("${file:"))
    {
        report.error(
            node.at,
            format!(
                "`{name}` holds a variable; variables work only under `sources` and `targets` (A9)"
            ),
            "write the value itself",
        );
        return;
    }
    match of {
        Type::Bool => {
            if !matches!(node.data, Data::Bool(_)) {
                wrong_type(node, of, name, report);
            }
        }
        Type::Integer { min, max } => match node.scalar().map(str::parse::<u64>) {
            Some(Ok(value)) if matches!(node.data, Data::Number(_)) => {
                if value < *min || value > *max {
                    report.error(
                        node.at,
                        format!("`{name}` must be {}, found {value}", expected(of)),
                        if name == "karat" {
                            "it is the version of the format: this karat reads 1"
                        } else {
                            ""
                        },
                    );
                }
            }
            _ => wrong_type(node, of, name, report),
        },
        Type::Text | Type::Setting | Type::Cell => {
            if node.scalar().is_none() {
                wrong_type(node, of, name, report);
            } else if matches!(of, Type::Setting)
                && let Some(text) = node.scalar()
                && let Some(problem) = variable_problem(text)
            {
                report.error(
                    node.at,
                    format!("`{name}`: {problem}"),
                    "write `${env:NAME}` or `${file:PATH}`",
                );
            }
        }
        Type::Name => match node.scalar() {
            None => wrong_type(node, of, name, report),
            Some(text) if !is_own_name(text) => {
                let folded = fold_name(text);
                let hint = if is_own_name(&folded) {
                    format!("write `{folded}`")
                } else {
                    String::new()
                };
                report.error(
                    node.at,
                    format!("`{}` is not {}", printable(text), expected(of)),
                    hint,
                );
            }
            Some(_) => {}
        },
        Type::Column => match node.scalar() {
            None => wrong_type(node, of, name, report),
            Some(text) if text.trim().is_empty() => wrong_type(node, of, name, report),
            Some(_) => {}
        },
        Type::Expression => {
            if node.scalar().is_none() {
                wrong_type(node, of, name, report);
            }
        }
        Type::Ratio => {
            if ratio_of(node).is_none() {
                let hint = match node.scalar() {
                    Some(text) => match share_of_one(text) {
                        Some(percent) => format!(
                            "write `{percent}` if a spreadsheet made this of {percent}, `{text}%` if you mean {text} percent"
                        ),
                        None if text.parse::<f64>().is_ok() => {
                            format!("write `{text}%` if you mean {text} percent")
                        }
                        None => String::new(),
                    },
                    None => String::new(),
                };
                report.error(node.at, format!("`{name}` must be {}", expected(of)), hint);
            }
        }
        Type::Duration | Type::Lag => {
            let counts = matches!(of, Type::Lag)
                && matches!(&node.data, Data::Number(text) if text.parse::<u64>().is_ok());
            if !counts && node.scalar().and_then(parse_duration).is_none() {
                report.error(node.at, format!("`{name}` must be {}", expected(of)), "");
            }
        }
        Type::Choice(choices) => check_choice(node, choices, of, name, report),
        Type::ChoiceOr(choices, object) => match &node.data {
            Data::Map(_) => check_object(node, object, report),
            _ => check_choice(node, choices, of, name, report),
        },
        Type::ColumnOrList => match &node.data {
            Data::List(_) => check_type(node, &Type::List(&Type::Column), name, report),
            _ if node.scalar().is_none_or(|text| text.trim().is_empty()) => {
                wrong_type(node, of, name, report);
            }
            _ => {}
        },
        Type::ColumnsOrMap => match &node.data {
            Data::List(_) => check_type(node, &Type::List(&Type::Text), name, report),
            Data::Map(_) => check_type(node, &Type::Map(&Type::Text, MapKey::Output), name, report),
            _ => wrong_type(node, of, name, report),
        },
        Type::List(inner) => match &node.data {
            Data::List(items) => {
                for item in items {
                    match item.data {
                        Data::Null => report.error(
                            item.at,
                            format!("an item of `{name}` is empty"),
                            format!("expected {}", expected(inner)),
                        ),
                        _ => check_type(item, inner, name, report),
                    }
                }
            }
            _ => wrong_type(node, of, name, report),
        },
        Type::Map(inner, keys) => {
            if !matches!(node.data, Data::Map(_)) {
                wrong_type(node, of, name, report);
            }
            for entry in node.entries() {
                check_map_key(entry, *keys, name, report);
                match entry.value.data {
                    Data::Null if matches!(inner, Type::Cell) => {}
                    Data::Null => report.error(
                        entry.key_at,
                        format!("`{}` has no value", printable(&entry.key)),
                        if entry.key.contains(')') {
                            COMMA.to_owned()
                        } else {
                            format!("expected {}", expected(inner))
                        },
                    ),
                    _ => check_type(&entry.value, inner, &entry.key, report),
                }
            }
        }
        Type::Object(object) => check_object(node, object, report),
        Type::Tagged(variants) => check_variant(node, variants, name, report),
    }
}

fn check_choice(node: &Node, choices: &[Choice], of: &Type, name: &str, report: &mut Reporter) {
    let Some(text) = node.scalar() else {
        return wrong_type(node, of, name, report);
    };
    match choices.iter().find(|choice| choice.word == text) {
        Some(choice) if choice.available => {}
        Some(choice) => {
            report.error(
                node.at,
                format!("{name} `{}` is not available in this version", choice.word),
                format!("use {}", expected(of)),
            );
        }
        None => {
            let mut available = choices.iter().filter(|choice| choice.available);
            let hint = match encoding_of_other_name(text) {
                Some(word) if available.clone().any(|choice| choice.word == word) => {
                    Some(format!("`{word}` reads it"))
                }
                _ => did_you_mean(text, available.by_ref().map(|choice| choice.word)),
            };
            report.error(
                node.at,
                format!(
                    "`{name}` must be {}, found `{}`",
                    expected(of),
                    printable(text)
                ),
                hint.unwrap_or_default(),
            );
        }
    }
}

/// Windows-1252 has all letters of ISO 8859-1, and reads what calls itself so.
fn encoding_of_other_name(word: &str) -> Option<&'static str> {
    match word.to_lowercase().as_str() {
        "latin1" | "latin-1" | "iso-8859-1" | "iso8859-1" | "iso_8859_1" | "cp1252" | "ansi" => {
            Some("windows-1252")
        }
        "utf8" | "ascii" | "us-ascii" => Some("utf-8"),
        _ => None,
    }
}

fn check_map_key(entry: &Entry, keys: MapKey, name: &str, report: &mut Reporter) {
    let key = entry.key.as_str();
    let fine = match keys {
        MapKey::Column | MapKey::Table => !key.trim().is_empty(),
        MapKey::Pattern => {
            if matcher(key).is_none() || key.trim().is_empty() {
                report.error(
                    entry.key_at,
                    format!("`{}` is no pattern of names", printable(key)),
                    "like `ref_*`, or `sales_silver.*` with the domain; `*` stands for any part of a name, `[ab]` and `{a,b}` for a choice",
                );
            }
            true
        }
        MapKey::Rule if BUILT_IN_RULES.contains(&key) => true,
        MapKey::Rule if RESERVED_RULES.contains(&key) => {
            report.error(
                entry.key_at,
                format!("`{key}` is the name of a built-in rule (C4)"),
                "choose another name",
            );
            true
        }
        MapKey::Name | MapKey::Output | MapKey::Rule => is_own_name(key),
    };
    if fine {
        return;
    }
    if key.starts_with('_') {
        let hint = match keys {
            MapKey::Rule => did_you_mean(key, BUILT_IN_RULES),
            _ => None,
        };
        report.error(
            entry.key_at,
            format!(
                "`{}` begins with `_`, which is reserved (B2)",
                printable(key)
            ),
            hint.unwrap_or_else(|| "choose another name".to_string()),
        );
        return;
    }
    let folded = fold_name(key);
    let hint = if is_own_name(&folded) {
        format!("write `{folded}`")
    } else {
        String::new()
    };
    report.error(
        entry.key_at,
        format!(
            "`{}` in `{name}` is not {}",
            printable(key),
            expected(&Type::Name)
        ),
        hint,
    );
}

fn check_variant(node: &Node, variants: &[Variant], name: &str, report: &mut Reporter) {
    if !matches!(node.data, Data::Map(_)) {
        report.error(
            node.at,
            format!("source `{name}` must be a map, found {}", node.kind()),
            "write `{ type: files, path: ./landing }`",
        );
        return;
    }
    let available: Vec<&str> = variants
        .iter()
        .filter(|variant| variant.object.is_some())
        .map(|variant| variant.tag)
        .collect();
    let offer = format!("available: {}", available.join(", "));
    let Some(tag) = node.get("type") else {
        report.error(
            Place {
                length: 1,
                ..node.at
            },
            format!("`type` is missing in source `{name}`"),
            offer,
        );
        return;
    };
    let Some(word) = tag.scalar() else {
        report.error(
            tag.at,
            format!("`type` must be a word, found {}", tag.kind()),
            offer,
        );
        return;
    };
    match variants.iter().find(|variant| variant.tag == word) {
        Some(Variant {
            object: Some(object),
            ..
        }) => check_object(node, object, report),
        Some(_) => report.error(
            tag.at,
            format!("source type `{word}` is not available in this version"),
            offer,
        ),
        None => {
            let hint = did_you_mean(word, available.iter().copied()).unwrap_or(offer);
            report.error(
                tag.at,
                format!("unknown source type `{}`", printable(word)),
                hint,
            );
        }
    }
}

/// What is wrong with the variables in a text, if anything. Never quotes the text.
fn variable_problem(text: &str) -> Option<&'static str> {
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        let inner = &rest[start + 2..];
        let Some(end) = inner.find('}') else {
            return Some("a variable is not closed with `}`");
        };
        match inner[..end].split_once(':') {
            Some(("env" | "file", name)) if !name.trim().is_empty() => {}
            _ => return Some("this kind of variable is not known"),
        }
        rest = &inner[end + 1..];
    }
    None
}

/// A key as it may be printed: one line, not endless.
pub(crate) fn printable(text: &str) -> String {
    let mut shown: String = text
        .chars()
        .take(60)
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect();
    if text.chars().count() > 60 {
        shown.push('…');
    }
    shown
}

/// A value with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct At<T> {
    /// The value.
    pub value: T,
    /// Where it stands.
    pub at: Place,
}

// Reading what was checked: a value of the wrong type has been reported, so these give `None` and the caller a default.

pub(crate) fn text(node: &Node, key: &str) -> Option<At<String>> {
    let value = node.get(key)?;
    Some(At {
        value: value.scalar()?.to_string(),
        at: value.at,
    })
}

pub(crate) fn column(node: &Node, key: &str) -> Option<At<String>> {
    text(node, key).map(|found| At {
        value: fold_name(&found.value),
        at: found.at,
    })
}

pub(crate) fn columns(node: &Node, key: &str) -> Option<Vec<At<String>>> {
    let items = texts(node, key)?;
    Some(
        items
            .into_iter()
            .map(|item| At {
                value: fold_name(&item.value),
                at: item.at,
            })
            .collect(),
    )
}

/// Of a key that takes a column or a list of columns: the columns, in order.
pub(crate) fn column_or_columns(node: &Node, key: &str) -> Option<Vec<At<String>>> {
    columns(node, key).or_else(|| column(node, key).map(|one| vec![one]))
}

pub(crate) fn texts(node: &Node, key: &str) -> Option<Vec<At<String>>> {
    let list = node.get(key)?;
    matches!(list.data, Data::List(_)).then(|| {
        list.items()
            .iter()
            .filter_map(|item| {
                Some(At {
                    value: item.scalar()?.to_string(),
                    at: item.at,
                })
            })
            .collect()
    })
}

pub(crate) fn flag(node: &Node, key: &str) -> Option<bool> {
    match node.get(key)?.data {
        Data::Bool(value) => Some(value),
        _ => None,
    }
}

pub(crate) fn ratio(node: &Node, key: &str) -> Option<Ratio> {
    ratio_of(node.get(key)?)
}

/// `0.05` as the percentage that a spreadsheet may have made it of.
fn share_of_one(text: &str) -> Option<String> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = part.bytes().all(|byte| byte.is_ascii_digit());
    if !matches!(whole, "0" | "1") || !digits || part.len() > 9 {
        return None;
    }
    let billionths = format!("{whole}{part:0<9}").parse().ok()?;
    (1..=1_000_000_000)
        .contains(&billionths)
        .then(|| Ratio { billionths }.to_string())
}

fn ratio_of(node: &Node) -> Option<Ratio> {
    match &node.data {
        Data::Number(zero) if zero == "0" => Some(Ratio { billionths: 0 }),
        Data::Text(text) => Ratio::parse(text),
        _ => None,
    }
}

/// A word of a choice; the fallback where it is missing or was refused.
pub(crate) fn choice<T: Copy>(node: &Node, key: &str, words: &[(&str, T)]) -> Option<T> {
    let text = node.get(key)?.scalar()?;
    words
        .iter()
        .find(|(word, _)| *word == text)
        .map(|(_, value)| *value)
}

/// Parses the SQL expression in a scalar; a mistake is reported where it stands in the file.
pub(crate) fn expression(node: &Node, report: &mut Reporter) -> Option<Arc<Expression>> {
    let sql = node.scalar()?;
    match report.expression(sql) {
        Ok(expression) => Some(expression),
        Err(error) => {
            let at = locate(node, report.text(node.at.file), error.line, error.column);
            report.error(
                Place {
                    length: error.length,
                    ..at
                },
                error.message,
                error.hint.unwrap_or_default(),
            );
            None
        }
    }
}
